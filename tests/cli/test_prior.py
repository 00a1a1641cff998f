"""makemore prior: many files make a prior, and a short list starts from it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from api.conftest import like_names
from cli.conftest import config_of, failed, lines_of, stop_at, strict
from conftest import Call
from makemore.api import lineup, make_prior
from makemore.api.prior import load_prior
from makemore.runs import Run
from makemore.text import Corpus

BIRDS = like_names(60, seed=1)
PAIRS = ["".join(word) for size in (1, 2, 3) for word in product("ab", repeat=size)]
READ = {*BIRDS, *PAIRS}
OVER_AB = ["".join(word) for word in product("ab", repeat=4)]
PRIOR = ("prior", "birds.txt", "pairs.txt", "-o", "prior", "--epochs", "2")


@pytest.fixture(autouse=True)
def tiny_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 8, "threads": 1, "batch_size": 32}
    monkeypatch.setattr(make_prior, "OPTIONS", {**make_prior.OPTIONS, **tiny})


@pytest.fixture(autouse=True)
def lists(tmp_path: Path) -> None:
    for name, lines in (("birds", BIRDS), ("pairs", PAIRS), ("list", OVER_AB)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")


def made(call: Call, *more: str) -> subprocess.CompletedProcess[str]:
    ended = call(*PRIOR, *more)
    assert lines_of(ended) == []
    return ended


def test_files_make_a_prior_in_two_small_files(call: Call) -> None:
    ended = made(call, "--pack", "packed")
    assert f"packed in packed: {len(READ)} lines are known" in ended.stderr
    assert "makemore FILE --prior packed" in ended.stderr
    names = sorted(path.name for path in Path("packed").iterdir())
    assert names == ["prior.json", "prior.safetensors"]
    about = strict(Path("packed/prior.json").read_text())["about"]
    listed = [(each["name"], each["lines"]) for each in about["lists"]]
    assert listed == [("birds", len(BIRDS)), ("pairs", len(PAIRS))]


def test_none_is_typed_as_a_word(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineup, "COUNTS", ("ngram order=3",))
    monkeypatch.setattr(lineup, "SHORT", ("gru n_hidden=8 max_steps=2", "gru max_steps=1"))
    ended = call("birds.txt", "--prior", "none", "-o", "alone", "--threads", "1")
    assert "has read" not in ended.stderr and ended.returncode == 0
    config = config_of("alone")
    assert config["asked"]["prior"] == "none" and "prior=" not in config["resolved"]["members"]
    failed(call("birds.txt", "-o", "alone", "--threads", "1"), 2, "started with prior = 'none'")


def test_a_short_list_starts_from_it(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made(call, "--pack", "packed")
    monkeypatch.setattr(lineup, "COUNTS", ("ngram order=3",))
    monkeypatch.setattr(lineup, "SHORT", ("gru n_hidden=8 max_steps=2",))
    command = ("list.txt", "--prior", "packed", "-o", "run", "--threads", "1", "--seed", "5")
    trained = call(*command)
    new = lines_of(trained)
    assert "a network that has read 2 other lists, and one that has not" in trained.stderr
    assert len(set(new)) == 20 and not set(new) & {*READ, *OVER_AB}
    config = config_of("run")
    assert config["asked"] == {"prior": "packed", "seed": 5, "model": "default"}
    assert "transformer prior=packed@" in config["resolved"]["members"]
    again = call(*command)
    assert len(lines_of(again)) == 20 and "going on" not in again.stderr
    shown = lines_of(call("sample", "run", "-n", "200", "--all", "--seed", "1"))
    drawn = [(text, where) for text, *_, where in (line.split("\t") for line in shown)]
    assert all((where.split()[0] == "prior") == (text in READ) for text, where in drawn)
    assert {where.split()[0] for _, where in drawn} >= {"prior", "train"}


@pytest.mark.slow
def test_a_named_transformer_starts_from_it_and_another_model_does_not(call: Call) -> None:
    made(call, "--pack", "packed")
    train = ("list.txt", "--prior", "packed", "--threads", "1", "--max-steps", "2")
    assert len(lines_of(call(*train, "--model", "transformer", "-o", "run"))) == 20
    digest = hashlib.sha256(Path("packed/prior.safetensors").read_bytes()).hexdigest()
    assert config_of("run")["resolved"]["prior"] == f"packed@{digest[:12]}"
    failed(call(*train, "--model", "gru"), 2, "the prior's model is transformer, not gru")
    failed(call(*train, "--n-layer", "3"), 2, "the prior has n_layer 1", "give --n-layer 1")


def test_the_prior_s_own_directory_will_do(call: Call) -> None:
    made(call)
    ended = call(
        "list.txt", "--prior", "prior", "--model", "transformer", "--threads", "1",
        "--max-steps", "2", "-o", "run",
    )  # fmt: skip
    assert not set(lines_of(ended)) & {*PAIRS, *OVER_AB}
    assert config_of("run")["resolved"]["prior"].startswith("prior@")


def test_eval_says_what_it_left_out(call: Call) -> None:
    made(call, "--pack", "packed")
    Path("both.txt").write_text("\n".join([*BIRDS, *like_names(120, seed=2)]))
    lines_of(call("both.txt", "--prior", "packed", "--model", "transformer", "--threads", "1",
                  "--max-steps", "1", "-o", "run"))  # fmt: skip
    shown = call("eval", "run")
    read = len(set(Run.load("run").split.val) & set(BIRDS))
    assert read > 0 and shown.returncode == 0
    assert f"{read} lines of val left out: the prior" in shown.stderr


def test_the_same_command_on_a_finished_prior_changes_nothing(call: Call) -> None:
    made(call, "--pack", "packed")
    files = ("prior/checkpoint.json", "packed/prior.json", "packed/prior.safetensors")
    before = {name: Path(name).read_bytes() for name in files}
    ended = made(call, "--pack", "packed")
    assert f"packed in packed: {len(READ)} lines" in ended.stderr and "going on" not in ended.stderr
    made(call)
    assert {name: Path(name).read_bytes() for name in files} == before


def test_a_stopped_one_goes_on_to_the_same_bytes(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(call, "--pack", "whole")
    weights = Path("whole/prior.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGTERM)
        ended = call(*PRIOR, "--fresh", "--pack", "packed")
    assert ended.returncode == 143 and "the same command goes on" in ended.stderr
    assert not Path("packed").exists()
    assert "going on from step 2" in made(call, "--pack", "packed").stderr
    assert Path("packed/prior.safetensors").read_bytes() == weights


def test_other_lists_or_epochs_are_another_prior(call: Call) -> None:
    made(call)
    failed(call(*PRIOR[:-1], "3"), 2, "max_steps", "--fresh")
    failed(call("prior", "birds.txt", "list.txt", "-o", "prior"), 2, "--fresh")
    assert call(*PRIOR[:-1], "3", "--fresh").returncode == 0


def test_lists_that_no_prior_can_read(call: Call, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "birds.txt").write_text("wren\n")
    (tmp_path / "empty.txt").write_text("\n\n")
    failed(call("prior", "birds.txt", "more/birds.txt"), 2,
           "two lists are called 'birds'", "more/birds.txt", "rename one of the files")  # fmt: skip
    failed(call("prior", "birds.txt"), 3, "two lists or more", "give more files")
    failed(call("prior", "birds.txt", "gone.txt"), 3, "cannot read 'gone.txt'")
    failed(call("prior", "birds.txt", "empty.txt"), 3, "no lines to learn from", "empty.txt")
    failed(call("prior"), 2)
    assert not Path("runs").exists()


def test_held_out_lines_are_known_lines_that_were_not_read(call: Call) -> None:
    Path("held-out.txt").write_text("Anthony\nMaria\n")
    ended = made(call, "--pack", "packed", "--held-out", "held-out.txt")
    assert f"{len(READ) + 2} lines are known" in ended.stderr
    prior = load_prior("packed")
    assert prior is not None
    lines, held_out = prior.lines, Corpus.exactly(["Anthony", "Maria"]).hashes()
    assert lines.is_known(held_out).all() and not lines.is_read(held_out).any()
    failed(call(*PRIOR, "--pack", "packed", "--held-out", "gone.txt"), 3, "gone.txt")


def test_what_is_told_beside(call: Call) -> None:
    Path("about.json").write_text(json.dumps({"source": "made up", "version": 3}))
    made(call, "--pack", "packed", "--about", "about.json")
    about = strict(Path("packed/prior.json").read_text())["about"]
    assert about["source"] == "made up" and about["version"] == 3
    for body, told in (("{", "cannot read JSON"), ("[]", "is no JSON object")):
        Path("about.json").write_text(body)
        failed(call(*PRIOR, "--pack", "packed", "--about", "about.json"), 3, told, "about.json")
    failed(call(*PRIOR, "--about", "gone.json"), 3, "cannot read JSON", "gone.json")


def test_where_there_is_no_prior_training_says_so(call: Call) -> None:
    for model in ((), ("--model", "transformer")):
        ended = call("list.txt", "--prior", "gone", *model)
        failed(ended, 2, "no prior at 'gone'", "give builtin, none, or the folder of a run")
    assert not Path("runs").exists()


def test_lists_in_another_encoding_can_be_read(call: Call) -> None:
    Path("latin.txt").write_bytes("zoë\nnoël\n".encode("latin-1"))
    failed(call("prior", "latin.txt", "-o", "p"), 3, "--encoding latin-1")
    failed(call("prior", "latin.txt", "-o", "p", "--encoding", "no"), 3, "unknown encoding")
