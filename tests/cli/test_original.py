"""The original makemore.py's command line, without a command's name: -i FILE -o DIR."""

from __future__ import annotations

import os
from pathlib import Path

from cli.conftest import config_of, failed
from conftest import Call


def test_the_originals_command_line(call: Call, text: Path) -> None:
    command = ("-i", text, "-o", "names", "--max-steps", "2", "--n-layer", "1", "--n-embd", "8")
    ended = call(*command)
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 20
    config = config_of("names")
    assert config["model"] == "transformer" and config["resolved"]["n_head"] == 4
    again = call(*command, "--resume")
    assert again.returncode == 0 and "finished" in again.stderr


def test_sample_only_prints_50(call: Call, text: Path) -> None:
    call("-i", text, "-o", "names", "--type", "bigram", "--max-steps", "2")
    ended = call("-i", text, "-o", "names", "--sample-only")
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 50
    seed = ended.stderr.removeprefix("makemore: --seed ").strip()
    typed = call("-o", "names", "--sample-only", "--seed", seed)
    assert typed.stdout == ended.stdout and typed.stderr == ""
    assert call("sample", "names", "-n", "50", "--seed", seed).stdout == ended.stdout
    top = call("-o", "names", "--sample-only", "--seed", seed, "--top-k", "3").stdout
    assert top == call("sample", "names", "-n", "50", "--seed", seed, "--top-k", "3").stdout
    assert top != ended.stdout
    none = call("-o", "names", "--sample-only", "--seed", seed, "--top-k", "-1")
    assert none.stdout == ended.stdout


def test_resume_and_sample_only_need_a_run(call: Call, text: Path) -> None:
    failed(call("-i", text, "-o", "names", "--resume"), 4, "no run to resume", "names")
    failed(call("-i", text, "-o", "names", "--sample-only"), 4, "no run")
    assert os.listdir() == ["names.txt"]
    text.unlink()
    failed(call("-o", "names"), 3, "'names.txt'")


def test_minus_one_is_none_and_other_models_knobs_are_noted(call: Call, text: Path) -> None:
    ended = call(
        "-i", text, "-o", "a", "--type", "bigram", "--max-steps", "-1", "-n", "4", "--n-layer", "9",
        "--n-head", "2", "--n-embd", "8", "--n-embd2", "8",
    )  # fmt: skip
    assert ended.returncode == 0
    for knob in ("n_layer", "n_head", "n_embd", "n_hidden"):
        assert f"{knob} is ignored: bigram has none" in ended.stderr
    assert "-n (workers) is ignored" in ended.stderr
    config = config_of("a")
    assert config["asked"] == {} and config["resolved"]["max_steps"] == 30


def test_learning_rate_or_decay_choose_adamw(call: Call, text: Path) -> None:
    small = ("--max-steps", "1", "--n-layer", "1", "--n-embd", "8")
    for number, typed in enumerate((("-l", "0.001"), ("-w", "0.1"), ())):
        assert call("-i", text, "-o", f"o{number}", *small, *typed).returncode == 0
    resolved = [config_of(f"o{number}")["resolved"] for number in range(3)]
    assert [values["optimizer"] for values in resolved] == ["adamw", "adamw", "muon"]
    assert resolved[0]["learning_rate"] == 0.001 and resolved[1]["weight_decay"] == 0.1


def test_n_embd2_is_the_hidden_size(call: Call, text: Path) -> None:
    ended = call("-i", text, "-o", "a", "--type", "mlp", "--n-embd2", "7", "--max-steps", "1")
    assert ended.returncode == 0 and "ignored" not in ended.stderr
    assert config_of("a")["resolved"]["n_hidden"] == 7


def test_a_text_in_another_encoding_can_be_named(call: Call) -> None:
    Path("latin.txt").write_bytes("zoë\nnoël\njoël\n".encode("latin-1"))
    command = ("-i", "latin.txt", "-o", "run", "--type", "bigram", "--max-steps", "1")
    failed(call(*command), 3, "--encoding latin-1", "--errors replace")
    assert call(*command, "--encoding", "latin-1").returncode == 0
    assert config_of("run")["resolved"]["encoding"] == "latin-1"
