"""Child: what a worker's process does: work from its stdin, a record for each to its stdout."""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import torch

from makemore.experiments.journal import finite
from makemore.experiments.sent_models import run_model
from makemore.experiments.trial import Record, Settings, failure, run_trial
from makemore.models.core.registry import load_plugin
from makemore.text import Corpus, Split


def work(told: bytes) -> None:
    """Do the work of a job (worker.Job) as it comes, until the parent has gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a plugin prints is no answer
    job = json.loads(told)
    pieces: queue.SimpleQueue[tuple[int, Settings]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pieces,), daemon=True).start()
    if job["plugin"]:
        _load(*job["plugin"])
    pairs = zip(job["parts"], job["labels"], strict=True)
    parts = Split(*(Corpus.exactly(text.split("\n")[:-1], names) for text, names in pairs))
    while True:
        number, settings = pieces.get()
        torch.set_num_threads(settings.get("threads") or 1)
        try:
            came = done(job, on_a_card(settings, number), parts)
        except Exception as error:  # whatever it is, the other trials go on
            came = failure(error)
        answers.write(json.dumps(finite(came)).encode() + b"\n")
        answers.flush()


def done(job: dict[str, Any], settings: Settings, parts: Split) -> Record:
    """Do one piece of work. Raises what a training raises."""
    if job["kind"] == "row":
        return run_model(settings, parts, **job["shared"])
    return run_trial(job["shared"]["model"], settings, parts)


def on_a_card(settings: Settings, number: int) -> Settings:
    """Give the worker of this number one of several cards to itself, unless a device was named."""
    cards = torch.cuda.device_count()
    if cards < 2 or "device" in settings:
        return settings
    return {**settings, "device": f"cuda:{number % cards}"}


def _load(name: str, text: str, path: str) -> None:
    """Load a plugin: the file itself where it is the same one, else the text that was sent."""
    try:
        same = Path(path).read_text("utf-8") == text
    except (OSError, ValueError):
        same = False
    if same:
        load_plugin(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, name)
        copy.write_text(text, "utf-8")
        load_plugin(str(copy))


def _listen(pieces: queue.SimpleQueue[tuple[int, Settings]]) -> None:
    for line in sys.stdin.buffer:
        number, settings = json.loads(line)
        pieces.put((number, settings))
    os._exit(0)  # the parent has gone: nobody waits for an answer
