"""resume.py: the same command goes on; and of a hostile run no model is made, nor gone on with."""

from __future__ import annotations

import re
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from kinds import each_kind
from makemore import MakeMore
from makemore.api.plan import Plan
from makemore.api.resume import same_command
from makemore.errors import RunError, UsageError
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split
from makemore.training.events import Saved
from run_folder import CONFIG, NAMES, SPLIT, forge, forge_keys, read_json

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_another_command_names_what_differs() -> None:
    same_command(CONFIG, {"order": 2}, SPLIT.digest())
    same_command(CONFIG, {"order": 2}, None)
    for asked, words in (
        ({"order": 3}, "order = 2, not 3"),
        ({}, "with order = 2, not without it"),
        ({"order": 2, "seed": 5}, "without seed, not 5"),
    ):
        with pytest.raises(UsageError, match=words):
            same_command(CONFIG, asked, None)
    digest = "f" * 64
    with pytest.raises(UsageError, match="this run learned other data") as caught:
        same_command(CONFIG, {"order": 2}, digest)
    assert SPLIT.digest()[:12] in str(caught.value) and digest[:12] in str(caught.value)


# -- models of hostile files ----------------------------------------------------------------------

TINY: dict[str, dict[str, Any]] = {
    "transformer": {"n_layer": 1, "n_head": 2, "n_embd": 8},
    "mlp": {"block_size": 2, "n_embd": 2, "n_hidden": 4},
    "deep_mlp": {"block_size": 2, "n_embd": 2, "n_hidden": 4, "n_layer": 1},
    "wavenet": {"n_embd": 4, "n_skip": 4},
    **{name: {"n_embd": 4, "n_hidden": 4} for name in ("bow", "rnn", "gru", "lstm")},
    "bigram": {},
    "ngram": {"order": 3},
}
Copied = Callable[[str], Path]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run directory of each model, trained for a step and never to be changed."""
    above = tmp_path_factory.mktemp("trained")

    def of(model: str) -> Path:
        if not (above / model).exists():
            maker = MakeMore(model, max_steps=1, random_state=1, threads=1, **TINY[model])
            maker.fit(NAMES).save(above / model)
        return above / model

    return of


@pytest.fixture
def copied(trained: Callable[[str], Path], tmp_path: Path) -> Copied:
    """A copy of such a run, to be harmed."""
    return lambda model: Path(shutil.copytree(trained(model), tmp_path / f"run of {model}"))


def not_loaded(folder: Path, words: str) -> str:
    """The message with which no model is made of a run; it matches and names the directory."""
    with pytest.raises(RunError, match=words) as caught:
        MakeMore.load(folder)
    message = str(caught.value)
    assert str(folder) in message and message.isprintable() and len(message) < 500
    return message


def change_tensors(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = safetensors.numpy.load(path.read_bytes())
    change(tensors)
    forge(path.parent, path.name, safetensors.numpy.save(tensors))


@pytest.mark.parametrize("model", each_kind(TINY))
def test_a_model_is_loaded_as_it_was_saved(model: str, trained: Callable[[str], Path]) -> None:
    first, second = (MakeMore.load(trained(model)) for _ in range(2))
    assert first.model == model
    assert first.sample(5, 7, all=True) == second.sample(5, 7, all=True)


Change = Callable[[dict[str, Any]], object]


def put(name: str, size: int | tuple[int, ...], kind: type = np.float32) -> Change:
    return lambda tensors: tensors.update({name: np.zeros(size, kind)})


HOSTILE_WEIGHTS: dict[str, tuple[Change, str]] = {
    "lacks one": (lambda w: w.pop("head.weight"), "lacks tensor 'head.weight'"),
    "holds another": (put("evil", 1), "holds an unknown tensor 'evil'"),
    "wrong shape": (put("norm.bias", 9), "'norm.bias' is float32[9], expected float32[8]"),
    "one value that would spread": (
        put("norm.bias", 1), "tensor 'norm.bias' is float32[1], expected float32[8]",
    ),
    "wrong type": (
        put("norm.bias", 8, np.float64), "tensor 'norm.bias' is float64[8], expected float32[8]",
    ),
    "transposed": (
        lambda w: w.update({"head.weight": np.ascontiguousarray(w["head.weight"].T)}),
        "tensor 'head.weight' is float32[8, ",
    ),
    "whole numbers": (
        put("norm.bias", 8, np.int32), "tensor 'norm.bias' is int32[8], expected float32[8]",
    ),
    "nothing": (lambda w: w.clear(), "lacks tensor"),
    "a long name": (put("\x1b\n" * 900, 1), "holds an unknown tensor"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE_WEIGHTS)
def test_weights_of_another_model_are_named(what: str, copied: Copied) -> None:
    folder, (change, words) = copied("transformer"), HOSTILE_WEIGHTS[what]
    change_tensors(next(folder.glob("weights-*")), change)
    not_loaded(folder, re.escape(words))


HOSTILE_COUNTS: dict[str, Change] = {
    "lacks one": lambda w: w.pop("counts"),
    "holds another": lambda w: w.update(evil=np.zeros(1, np.uint8)),
    "a float": lambda w: w.update(counts=w["counts"].astype(np.float32)),
    "negative": lambda w: w.update(counts=-w["counts"].astype(np.int16)),
    "a count of 0": lambda w: w["counts"].__setitem__(0, 0),
    "too few": lambda w: w.update(counts=w["counts"][:-1]),
    "a table": lambda w: w.update(counts=w["counts"][None]),
    "not sorted": lambda w: w.update(ngrams=w["ngrams"][::-1].copy()),
    "an unknown context": lambda w: w["ngrams"].__setitem__(-1, np.iinfo(w["ngrams"].dtype).max),
    "a huge number": lambda w: w.update(ngrams=w["ngrams"].astype(np.uint64) + np.uint64(2**60)),
}


@pytest.mark.parametrize("what", HOSTILE_COUNTS)
def test_counts_that_are_none_are_refused(what: str, copied: Copied) -> None:
    folder = copied("ngram")
    change_tensors(next(folder.glob("weights-*")), HOSTILE_COUNTS[what])
    not_loaded(folder, ".")


@pytest.mark.parametrize("key", ["resolved", "asked"])
@pytest.mark.parametrize(
    "options",
    [
        {"import": "os"}, {"template": "{{ 7 * 7 }}"}, {"n_layer": 0}, {"n_layer": 10**9},
        {"n_embd": "8"}, {"n_embd": 8.0}, {"n_head": 3}, {"dropout": 1.0}, {"dropout": -0.1},
        {"learning_rate": [1]}, {"optimizer": "torch.optim.Adam"}, {"max_steps": -5},
        {"seed": 2**64}, {"device": 5},
    ],
    ids=str,
)  # fmt: skip
def test_options_out_of_range_are_refused(
    options: dict[str, Any], key: str, copied: Copied
) -> None:
    if (key, options) == ("asked", {"n_head": 3}):
        return  # does not divide n_embd: found by building, and only what is resolved is built
    folder = copied("transformer")
    values = {**read_json(folder / "config.json")[key], **options}
    forge_keys(folder, "config.json", **{key: values})
    not_loaded(folder, r"config\.json: ")


@pytest.mark.parametrize("name", ["os", "base", "neural", "../evil", "a.b", "", "\x1b[31m", "gru2"])
def test_a_model_that_is_not_known_is_not_looked_for_elsewhere(name: str, copied: Copied) -> None:
    folder = copied("ngram")
    forge_keys(folder, "config.json", model=name)
    with pytest.raises(RunError, match=r"is not known here .*--plugin") as caught:
        MakeMore.load(folder)
    assert str(caught.value).isprintable()


BOMBS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "transformer": ({"n_embd": 4096, "n_layer": 64, "n_head": 1}, {}),
    "transformer's positions": ({}, {"block_size": 2**16}),
    "mlp": ({"n_embd": 4096, "n_hidden": 65536}, {}),
    "deep_mlp": ({"n_hidden": 65536, "n_layer": 64}, {}),
    "wavenet": ({"n_embd": 4096, "n_skip": 4096}, {}),
    "bow": ({"n_embd": 4096, "n_hidden": 65536}, {}),
    **dict.fromkeys(
        ("rnn", "gru", "lstm"), ({"n_embd": 4096, "n_hidden": 4096, "n_layer": 32}, {})
    ),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_model_larger_than_its_file_is_refused_before_it_is_made(
    what: str, copied: Copied
) -> None:
    folder, (options, changes) = copied(what.partition("'")[0]), BOMBS[what]
    values = {**read_json(folder / "config.json")["resolved"], **options}
    forge_keys(folder, "config.json", resolved=values, **changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(RunError, match="tensor '"):
        MakeMore.load(folder)
    assert time.monotonic() - began < 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000 * (1 if sys.platform == "linux" else 1024)  # kilobytes, on a Mac bytes


@pytest.mark.parametrize("model", ["ngram", "mlp"])
def test_a_window_that_its_options_do_not_have_is_refused(model: str, copied: Copied) -> None:
    folder = copied(model)
    forge_keys(folder, "config.json", block_size=60_000)
    not_loaded(folder, r"config\.json: block_size is 60000")


# -- going on -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny transformer that was stopped after two of four steps."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    options = {**TINY["transformer"], "max_steps": 4, "save_interval": 0.0, "threads": 1}
    corpus = Corpus.from_lines(NAMES)
    nothing = corpus.take(slice(0))
    maker = MakeMore("transformer")
    maker.begin(Plan.make("transformer", options, Split(corpus, nothing, nothing), "names"))
    with RunWriter(folder) as writer:
        for event in maker.training(writer):
            if isinstance(event, Saved) and event.step == 2:
                break
    return folder


@pytest.fixture
def half(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "half"))


def resume(folder: Path) -> None:
    with RunWriter(folder) as writer:
        found = writer.resume()
        maker = MakeMore("transformer")
        maker.begin(Plan.from_run(found))
        for _ in maker.training(writer, found):
            pass


def test_a_run_that_was_stopped_goes_on(half: Path) -> None:
    resume(half)
    assert Run.load(half).progress["step"] == 4 and Run.load(half).progress["finished"]


HOSTILE_STATE: dict[str, Change] = {
    "lacks a weight": lambda s: s.pop("model.head.weight"),
    "a weight of another shape": put("model.norm.bias", 9),
    "an unknown weight": put("model.evil", 1),
    "an unknown tensor": put("evil", 1),
    "an unknown memory": put("optimizer.evil.norm.bias", 8),
    "a memory of another shape": put("optimizer.exp_avg.norm.bias", 9),
    "a memory of another type": put("optimizer.exp_avg.norm.bias", 8, np.int64),
    "half a memory": lambda s: s.pop("optimizer.exp_avg_sq.norm.bias"),
    "a step of many": put("optimizer.step.norm.bias", 8),
    "a matrix's memory of another shape": put("optimizer.momentum.blocks.0.attend.weight", (8, 24)),
}


@pytest.mark.parametrize("what", HOSTILE_STATE)
def test_a_state_of_another_training_is_refused(what: str, half: Path) -> None:
    change_tensors(half / "state-2.safetensors", HOSTILE_STATE[what])
    with pytest.raises(RunError, match="tensor") as caught:
        resume(half)
    assert str(half) in str(caught.value)
    MakeMore.load(half)  # the best weights are whole


def test_a_model_larger_than_its_file_is_not_made_to_go_on_either(half: Path) -> None:
    values = {**read_json(half / "config.json")["resolved"], "n_embd": 4096, "n_layer": 64}
    forge_keys(half, "config.json", resolved=values)
    with pytest.raises(RunError, match="lacks tensor|expected"):
        resume(half)
