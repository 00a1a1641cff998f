"""Run directories without any model, made in milliseconds, and ways to forge what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.errors import RunError
from makemore.runs.manifest import LOGS
from makemore.runs.run import Run, RunConfig
from makemore.runs.writer import RunWriter
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split
from makemore.text.vocabulary import Vocabulary

NAMES = ["emma", "olivia", "ava", "isabella", "sophia", "charlotte"]
SPLIT = Split(*(Corpus.exactly(part) for part in (NAMES[:4], NAMES[4:5], NAMES[5:])))
VOCABULARY = Vocabulary.of(part for _, part in SPLIT)
CONFIG = RunConfig(
    model="ngram", asked={"order": 2}, resolved={"order": 2}, vocab_size=len(VOCABULARY),
    block_size=1, data={"name": "names", "digest": SPLIT.digest()}, threads=1, round_size=256,
    version="0.1.0",
)  # fmt: skip
# The files of a run of the steps 0 and 2: those of both generations, and of the second alone.
BOTH = ["config.json", "split/test.txt", "split/train.txt", "split/val.txt", "vocabulary.json"]
SECOND = ["state-2.json", "state-2.safetensors", "weights-2.safetensors"]


def arrays(step: int) -> dict[str, Any]:
    return {"w": np.full((2, 3), step, np.float32), "b": np.arange(3, dtype=np.float32)}


def progress(step: int) -> dict[str, Any]:
    return {
        "step": step, "best_step": step, "best_val": 2.5 / (step + 1), "waited": 0,
        "finished": False,
    }  # fmt: skip


def save(writer: RunWriter, step: int) -> None:
    for name in LOGS:
        writer.log(name, json.dumps({"step": step}))
    writer.save(progress(step), arrays(step), {"model.w": arrays(step)["w"]})


def make_run(folder: Path, *steps: int, fresh: bool = False) -> Path:
    """A run directory with a generation for each of these steps."""
    with RunWriter(folder, fresh=fresh) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        for step in steps:
            save(writer, step)
    return folder


def go_on(folder: Path, *steps: int) -> None:
    """Resume a run, and save a generation for each of these steps."""
    with RunWriter(folder) as writer:
        writer.resume()
        for step in steps:
            save(writer, step)


def restore(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.restore()


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def step_of(folder: Path) -> int:
    """The step of the generation in a folder; fails unless all its parts are of that step."""
    loaded = Run.load(folder, state=True)
    step = loaded.progress["step"]
    assert loaded.progress == progress(step) and loaded.config == CONFIG
    assert loaded.weights.keys() == {"w", "b"} and loaded.state is not None
    assert (loaded.weights["w"] == step).all() and (loaded.state["model.w"] == step).all()
    assert [list(part) for _, part in loaded.split] == [NAMES[:4], NAMES[4:5], NAMES[5:]]
    return int(step)


def steps_logged(folder: Path) -> list[int]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def refused(folder: Path) -> str:
    """The message with which a run directory is refused; it names the directory."""
    with pytest.raises(RunError) as caught:
        Run.load(folder, state=True)
    message = str(caught.value)
    assert str(folder) in message and message.isprintable() and len(message) < 1000
    return message


# -- forging: files are changed, and every digest is computed again as makemore would -------------


def read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes()))


def forge(folder: Path, name: str, body: bytes) -> None:
    """Put other content into a file of the run."""
    (folder / name).write_bytes(body)
    if name == "checkpoint.json":
        return
    files = read_json(folder / "checkpoint.json")["files"]
    entry = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    forge_manifest(folder, files={**files, name: entry})


def forge_keys(folder: Path, name: str, **changes: Any) -> None:
    """Set some keys of a JSON file of the run (or, to `...`, take them out)."""
    value = {**read_json(folder / name), **changes}
    forge(folder, name, json.dumps({k: v for k, v in value.items() if v is not ...}).encode())


def forge_manifest(folder: Path, **changes: Any) -> None:
    """Set some keys of checkpoint.json (or, to `...`, take them out)."""
    value = {**read_json(folder / "checkpoint.json"), **changes, "sha256": ...}
    rest = {key: each for key, each in value.items() if each is not ...}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps({**rest, "sha256": digest}))


def forge_vocabulary(folder: Path, **record: Any) -> None:
    """Put another vocabulary.json into the run, and its size into config.json."""
    forge(folder, "vocabulary.json", json.dumps(record).encode())
    forge_keys(folder, "config.json", vocab_size=len(record["symbols"]) + 1)


# -- what may stand where a file should ------------------------------------------------------------


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have about 100 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


def make_link(path: Path) -> None:
    target = path.parent.parent / "secret"
    target.write_bytes(b"secret")
    path.symlink_to(target)


STRANGE: dict[str, Callable[[Path], None]] = {
    "link": make_link,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "directory": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "socket": make_socket,
}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom no mode says no."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
