"""makemore verify: names what is damaged, and goes back to the checkpoint before."""

from __future__ import annotations

from pathlib import Path

from cli.conftest import TINY, failed
from conftest import Call
from makemore import MakeMore
from makemore.runs.run import Run


def test_verify_names_what_is_damaged_and_goes_back(call: Call, text: Path) -> None:
    call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    whole = call("verify", "run")
    assert whole.returncode == 0
    tensors = MakeMore.load("run").n_parameters
    assert whole.stdout == f"whole: transformer, {tensors:,} parameters\n"
    weights = Path("run/weights-3.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    ended = call("verify", "run")
    assert ended.returncode == 4 and "--restore" in ended.stderr
    assert ended.stdout == "weights-3.safetensors: not what was saved\n"
    failed(call("sample", "run"), 4, "makemore verify run --restore")
    ended = call("verify", "run", "--restore")
    assert ended.returncode == 0 and "whole: transformer" in ended.stdout
    assert Run.load("run").progress["step"] == 0
    assert len(call("sample", "run", "-n", "3").stdout.splitlines()) == 3
    failed(call("verify", "run", "--restore"), 4, "no checkpoint before")
    ended = call("train", text, "-o", "run", *TINY, "--max-steps", "3")
    assert ended.returncode == 0 and "going on from step 0" in ended.stderr
