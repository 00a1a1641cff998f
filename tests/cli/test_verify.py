"""makemore verify: names what is damaged, and goes back to the checkpoint before."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cli.conftest import LINES, TINY, failed
from conftest import Call
from makemore import MakeMore
from makemore.runs import verify
from makemore.runs.run import Run
from warm import Warm, workplace


def test_verify_names_what_is_damaged_and_goes_back(call: Call, text: Path) -> None:
    call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    whole = call("verify", "run")
    assert whole.returncode == 0
    tensors = MakeMore.load("run").n_parameters
    assert whole.stdout == f"whole: transformer, {tensors:,} parameters\n"
    weights = Path("run/weights-3.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    ended = call("verify", "run")
    message = "1 file is damaged (run): makemore verify run --restore, or train again\n"
    assert ended.returncode == 4 and ended.stderr == f"makemore: error: {message}"
    assert ended.stdout == "weights-3.safetensors: not what was saved\n"
    failed(call("sample", "run"), 4, "makemore verify run --restore")
    ended = call("verify", "run", "--restore")
    assert ended.returncode == 0 and "whole: transformer" in ended.stdout
    assert Run.load("run").progress["step"] == 0
    assert len(call("sample", "run", "-n", "3").stdout.splitlines()) == 3
    failed(call("verify", "run", "--restore"), 4, "no checkpoint before")
    ended = call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    assert ended.returncode == 0 and "going on from step 0" in ended.stderr


def test_a_model_that_was_chosen_has_its_name(call: Call, text: Path) -> None:
    call("train", text, "-o", "run", "--time", "1s")
    assert call("verify", "run").stdout.startswith("whole: ngram, ")


@pytest.mark.slow
def test_verify_beside_a_training_that_saves_each_step(warm: Warm, tmp_path: Path) -> None:
    folder = workplace(tmp_path, LINES)
    line = ("train", "names.txt", "-o", "run", *TINY, "--save-interval", "0")
    training = warm.start(*line, "--max-steps", "100000", cwd=folder)
    while not (folder / "run" / "checkpoint.json").exists():
        pass
    first = Run.load(folder / "run").progress["step"]
    assert [verify(folder / "run") for _ in range(200)] == [[]] * 200
    assert Run.load(folder / "run").progress["step"] > first
    os.kill(training.pid, signal.SIGTERM)
    assert training.wait() == 128 + signal.SIGTERM
    assert verify(folder / "run") == []
