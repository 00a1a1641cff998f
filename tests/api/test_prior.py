"""prior.py, prior_start.py, make_prior.py: a model of many lists, and trainings that start from it.

The prior here has read three small lists for twenty steps; the built-in one is in
test_prior_default.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from api.conftest import like_names, tiny, weights
from makemore import MakeMore
from makemore.api import Plan, lineup
from makemore.api.candidates import Candidate
from makemore.api.make_prior import labelled, pack, train_prior
from makemore.api.mixture_weights import FROM_PRIOR, STRENGTHS, expected_weights
from makemore.api.prior import Prior, load_prior
from makemore.api.prior_start import adapted
from makemore.api.session import Message, Started, train_directory
from makemore.api.time_budget import BudgetPlanner, plan_within
from makemore.errors import DataError, MakemoreError, RunError, UsageError
from makemore.models import get_model
from makemore.runs import Run
from makemore.runs.manifest import verify
from makemore.sampling import KnownLines
from makemore.text import Corpus, Split, Vocabulary, train_val_test_split
from makemore.training import Saved, Step
from makemore.training.config import names_prior

LISTS = {
    "birds": like_names(90, seed=1),
    "hills": ["".join(word) for word in product("βγδκ", "αεο", "λνσ", ("α", "ος"))],
    "pairs": ["".join(word) for size in (1, 2, 3) for word in product("ab", repeat=size)],
}
READ = {line for lines in LISTS.values() for line in lines}
TINY: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 16, "max_steps": 20, "threads": 1}
NEW = [line for line in like_names(60, seed=2) if line not in READ][:30]
# Of the four letters there are more short lines than long ones, so that a model soon draws them.
OVER_AB = ["".join(word) for word in product("ab", repeat=4)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prior") / "run"
    lists = {name: Corpus.exactly(lines) for name, lines in LISTS.items()}
    list(train_prior(folder, lists, **TINY))
    return folder


@pytest.fixture(scope="module")
def packed(run: Path) -> str:
    pack(run, run.parent / "packed", {"made": "for tests"})
    return str(run.parent / "packed")


@pytest.fixture(scope="module")
def shaken(packed: str) -> str:
    """A prior whose weights are noise, so that no two of its lists or symbols are alike."""
    prior, chance = the(packed), np.random.default_rng(4)
    noise = {
        name: array + chance.normal(0, 0.5, array.shape).astype(np.float32)
        for name, array in prior.tensors.items()
    }
    folder = Path(packed).parent / "shaken"
    dataclasses.replace(prior, tensors=noise).write(folder)
    return str(folder)


@pytest.fixture
def copied(packed: str, tmp_path: Path) -> Path:
    """A prior that a test may change or remove."""
    return Path(shutil.copytree(packed, tmp_path / "prior"))


@pytest.fixture
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineup, "COUNTS", ("ngram order=3",))
    monkeypatch.setattr(lineup, "SHORT", ("gru n_hidden=8 max_steps=2",))


def the(name: str) -> Prior:
    prior = load_prior(name)
    assert prior is not None
    return prior


def from_prior(name: str | Path, lines: list[str] = NEW, **options: Any) -> MakeMore:
    common = {"max_steps": 2, "threads": 1, "random_state": 5}
    return MakeMore("transformer", prior=str(name), **{**common, **options}).fit(lines)


def begun(name: str, lines: list[str]) -> MakeMore:
    """A maker before its first step."""
    split, maker = train_val_test_split(Corpus.exactly(lines)), MakeMore("transformer")
    maker.begin(Plan.make("transformer", {"prior": name, "threads": 1}, split, ""))
    return maker


def plan_of(maker: MakeMore) -> Plan:
    assert maker.plan_ is not None
    return maker.plan_


def refused(kind: type[MakemoreError], do: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        do()
    message = str(caught.value)
    assert message.isprintable() and len(message) < 1000
    return message


# -- its files ------------------------------------------------------------------------------------


def test_what_is_written_is_read_again_in_half_precision(run: Path, packed: str) -> None:
    prior, whole = the(packed), Run.load(run)
    assert prior.tensors.keys() == whole.weights.keys()
    for name, array in prior.tensors.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, whole.weights[name].astype(np.float16))
    assert prior.model == "transformer" and prior.block_size == whole.config.block_size
    assert prior.options == {"n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.1}
    assert prior.vocabulary.record() == whole.vocabulary.record()
    assert prior.vocabulary.labels == ("birds", "hills", "pairs")


def test_every_line_that_it_read_is_known_and_no_other(packed: str) -> None:
    lines = the(packed).lines
    assert lines.read.shape == (len(READ), 5)  # of all parts, those held back included
    assert lines.is_read(Corpus.exactly(sorted(READ)).hashes()).all()
    assert not lines.is_known(Corpus.exactly(NEW).hashes()).any()


def test_prior_json_tells_a_person_what_it_read(packed: str, run: Path) -> None:
    about = json.loads((Path(packed) / "prior.json").read_text())["about"]
    expected = [
        {
            "name": name, "lines": len(lines),
            "sha256": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(),
        }
        for name, lines in sorted(LISTS.items())
    ]  # fmt: skip
    assert about["lists"] == expected
    assert about["made"] == "for tests" and about["steps"] == TINY["max_steps"]
    assert about["val_nll"] == pytest.approx(Run.load(run).progress["best_val"], abs=1e-4)
    assert the(packed).about == about


def test_packing_again_gives_the_same_bytes(run: Path, packed: str, tmp_path: Path) -> None:
    pack(run, tmp_path, {"made": "for tests"})
    for name in ("prior.json", "prior.safetensors"):
        assert (tmp_path / name).read_bytes() == (Path(packed) / name).read_bytes()


def test_none_is_no_prior() -> None:
    assert load_prior(None) is None and load_prior("none") is None
    with_none, without = (tiny("gru", **each).fit(NEW) for each in ({"prior": "none"}, {}))
    assert weights(with_none) == weights(without)
    assert plan_of(with_none).prior_lines is None


def test_a_run_records_which_prior_it_was(packed: str) -> None:
    body = (Path(packed) / "prior.safetensors").read_bytes()
    named = f"{packed}@{hashlib.sha256(body).hexdigest()[:12]}"
    recorded = plan_of(from_prior(packed)).config
    assert recorded.asked["prior"] == packed and recorded.resolved["prior"] == named
    assert the(packed).name == the(named).name == named


def test_another_prior_of_that_name_is_refused(copied: Path, shaken: str) -> None:
    named = the(str(copied)).name
    shutil.copytree(shaken, copied, dirs_exist_ok=True)
    assert "is another one than" in refused(UsageError, lambda: load_prior(named))
    assert the(str(copied)).name != named


def changed_weights(folder: Path) -> None:
    body = bytearray((folder / "prior.safetensors").read_bytes())
    body[-20] ^= 1
    (folder / "prior.safetensors").write_bytes(body)


def changed_card(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        card = {**json.loads((folder / "prior.json").read_text()), **values}
        kept = {key: value for key, value in card.items() if value is not ...}
        (folder / "prior.json").write_text(json.dumps(kept))

    return change


def other_tensors(**values: Any) -> Callable[[Path], None]:
    """Tensors are put in or, by `...`, taken out, and the digest is right again."""

    def change(folder: Path) -> None:
        tensors = {**safetensors.numpy.load_file(folder / "prior.safetensors"), **values}
        body = safetensors.numpy.save({k: v for k, v in tensors.items() if v is not ...})
        (folder / "prior.safetensors").write_bytes(body)
        entry = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        changed_card(weights=entry)(folder)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed_weights, "prior.safetensors is not what was saved"),
        (changed_card(format=2), "format 2.*: update makemore"),
        *[
            (changed_card(**{key: ...}), "prior.json is not as makemore writes it")
            for key in (
                "format", "model", "options", "block_size", "weights", "about", "vocabulary"
            )
        ],
        (changed_card(block_size="long"), "prior.json is not as makemore writes it"),
        (changed_card(vocabulary={"symbols": ["b", "a"]}), "prior.json: vocabulary is not sorted"),
        (lambda folder: (folder / "prior.json").write_text("[]"), "prior.json is not as"),
        (lambda folder: (folder / "prior.json").write_text("{"), "prior.json is no valid JSON"),
        (lambda folder: (folder / "prior.safetensors").write_bytes(b""), "is not what was saved"),
        (other_tensors(lines=...), "holds no hashes of lines"),
        (changed_card(block_size=10**9), "prior.json is not as .*: make the prior again"),
        (changed_card(options={"n_layer": [2]}), "prior.json is not as makemore writes it"),
        (other_tensors(lines=np.zeros((3, 4), np.uint8)), "holds no hashes of lines"),
        (other_tensors(lines=np.zeros((3, 5), np.int8)), "holds no hashes of lines"),
        (other_tensors(**{"norm.bias": np.full(16, np.nan, np.float16)}), "that are no numbers"),
    ],
)  # fmt: skip
def test_a_damaged_prior_is_refused(
    copied: Path, change: Callable[[Path], None], told: str
) -> None:
    change(copied)
    with pytest.raises(RunError, match=told) as caught:
        load_prior(str(copied))
    assert str(copied) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        other_tensors(**{"norm.bias": ...}),
        other_tensors(**{"embedding.weight": ...}),
        other_tensors(**{"one.more": np.zeros(3, np.float16)}),
        other_tensors(**{"head.weight": np.zeros((32, 8), np.float16)}),
        other_tensors(**{"embedding.weight": np.zeros((3, 16), np.float16)}),
        changed_card(options={"n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.1}),
        changed_card(options={"n_layer": 1, "n_head": 2, "n_embd": 32, "dropout": 0.1}),
    ],
)
def test_weights_that_are_not_those_of_its_options_are_refused(
    copied: Path, change: Callable[[Path], None]
) -> None:
    change(copied)
    refused(RunError, lambda: from_prior(copied))


def test_where_there_is_no_prior_it_says_what_to_give(tmp_path: Path) -> None:
    for name in (str(tmp_path / "none"), str(tmp_path), "nowhere@0123456789ab"):
        told = refused(UsageError, lambda name=name: load_prior(name))  # type: ignore[misc]
        assert "no prior at" in told and "give builtin, none, or the folder of a run" in told
    (tmp_path / "file").write_text("x")
    refused(RunError, lambda: load_prior(str(tmp_path / "file")))


def test_another_model_or_size_than_the_prior_s_is_refused(packed: str) -> None:
    told = refused(UsageError, lambda: MakeMore("gru", prior=packed).fit(NEW))
    assert "the prior's model is transformer, not gru" in told and "--model transformer" in told
    told = refused(UsageError, lambda: from_prior(packed, n_layer=2))
    assert "the prior has n_layer 1" in told and "give --n-layer 1" in told
    assert plan_of(from_prior(packed, n_layer=1, dropout=0.3)).config.resolved["dropout"] == 0.3


@pytest.mark.usefixtures("small_members")
def test_a_folder_that_members_cannot_name_is_refused(copied: Path) -> None:
    spaced = copied.rename(copied.with_name("a prior"))
    told = refused(UsageError, lambda: MakeMore(prior=str(spaced), threads=1).fit(NEW))
    assert "holds a space or a comma" in told and "rename the folder" in told


# -- making one -----------------------------------------------------------------------------------


def test_a_line_of_two_lists_is_in_one_part() -> None:
    names = like_names(600, seed=6)
    one, other = names[:400], names[167:567]
    parts = labelled({"one": Corpus.exactly(one), "other": Corpus.exactly(other)})
    train, val = Corpus.exactly(list(parts.train)), Corpus.exactly(list(parts.val))
    assert len(train) + len(val) == 800
    assert not set(train) & set(val) and not len(parts.test) and 4 < len(val) < 32
    for part in (parts.train, parts.val):
        given = set(zip(part, part.label_of_each() or (), strict=True))
        texts = {text for text, _ in given}
        assert given == {(t, "one") for t in texts & set(one)} | {
            (t, "other") for t in texts & set(other)
        }


def test_fewer_than_two_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two lists or more"):
        list(train_prior(tmp_path / "run", {"one": Corpus.exactly(NEW)}, **TINY))
    with pytest.raises(DataError):
        list(train_prior(tmp_path / "run", {}, **TINY))
    assert not (tmp_path / "run").exists()


def test_epochs_say_how_often_each_line_is_read(tmp_path: Path) -> None:
    lists = {name: Corpus.exactly(lines) for name, lines in LISTS.items()}
    sizes = {key: value for key, value in TINY.items() if key != "max_steps"}
    with closing(train_prior(tmp_path, lists, epochs=3, batch_size=20, **sizes)) as events:
        started = next(event for event in events if isinstance(event, Started))
    recipe = plan_of(started.maker).recipe
    assert recipe.max_steps == round(3 * len(labelled(lists).train) / 20)


def test_a_finished_one_is_given_back(run: Path) -> None:
    lists = {name: Corpus.exactly(lines) for name, lines in LISTS.items()}
    (event,) = train_prior(run, lists, **TINY)
    assert isinstance(event, Started) and event.finished


# -- the weights that a training starts from ------------------------------------------------------


def of_the_prior(prior: Prior, label: int | None, lines: list[str], symbols: str) -> list[Any]:
    """Log-probabilities (T + 1, V) of each line by the prior's own network, of these symbols.

    label: the index of a list
    """
    kind: Any = get_model(prior.model)
    network = kind(len(prior.vocabulary), prior.block_size, kind.Options(**prior.options))
    network.add_labels(len(prior.vocabulary.labels)) if label is not None else None
    network.load_tensors(prior.tensors)
    network.eval()
    first = 0 if label is None else len(prior.vocabulary) + label
    columns = [0, *(1 + prior.vocabulary.symbols.index(symbol) for symbol in symbols)]
    encoded = [prior.vocabulary.encode_line(line) for line in lines]
    inputs = torch.ones(len(lines), max(map(len, lines)) + 1, dtype=torch.long)
    inputs[:, 0] = first
    for row, ids in zip(inputs, encoded, strict=True):  # what follows a line changes nothing in it
        row[1 : len(ids) + 1] = torch.from_numpy(ids)
    with torch.no_grad():
        logits = network(inputs)[:, :, columns].double()
    logs = logits.log_softmax(-1).numpy()
    return [each[: len(line) + 1] for each, line in zip(logs, lines, strict=True)]


def nats(logs: list[Any], lines: list[str], vocabulary: Vocabulary) -> Any:
    """The nll of each line, by the log-probabilities of `of_the_prior`."""
    ends = [[*vocabulary.encode_line(line).tolist(), 0] for line in lines]
    return np.array(
        [-each[np.arange(len(ids)), ids].sum() for each, ids in zip(logs, ends, strict=True)]
    )


@pytest.mark.parametrize("lines", [NEW, LISTS["hills"][::2], OVER_AB], ids=["birds", "hills", "ab"])
def test_before_its_first_step_it_computes_what_the_prior_does(
    shaken: str, lines: list[str]
) -> None:
    prior, maker = the(shaken), begun(shaken, lines)
    symbols = "".join(maker.vocabulary.symbols)
    by_list = [of_the_prior(prior, label, lines, symbols) for label in range(3)]
    each = [nats(logs, lines, maker.vocabulary) for logs in by_list]
    nearest = int(np.argmin([nll.sum() for nll in each]))
    network: Any = maker.model_
    network.eval()
    with torch.no_grad():
        for line, expected in zip(lines, by_list[nearest], strict=True):
            inputs = torch.tensor([[0, *maker.vocabulary.encode_line(line).tolist()]])
            found = network(inputs)[0].log_softmax(-1).numpy()
            np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(-maker.score_samples(lines), each[nearest], atol=1e-4)
    other = min(np.abs(each[nearest] - nll).max() for n, nll in enumerate(each) if n != nearest)
    assert other > 0.1  # another list would not do


def test_the_nearest_list_is_found_among_many(
    shaken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a glance at a few lines, then a longer look at the best of the lists."""
    prior, chance, n_lists = the(shaken), np.random.default_rng(5), 40
    table = prior.tensors["embedding.weight"][: len(prior.vocabulary)]
    rows = chance.normal(0, 1, (n_lists, 16)).astype(np.float16).astype(np.float32)
    names = [f"{number:02}" for number in range(n_lists)]
    vocabulary = Vocabulary(prior.vocabulary.symbols, names)
    tensors = {**prior.tensors, "embedding.weight": np.concatenate([table, rows])}
    many = dataclasses.replace(prior, tensors=tensors, vocabulary=vocabulary)
    many.write(tmp_path)
    maker = begun(str(tmp_path), NEW)
    symbols = "".join(maker.vocabulary.symbols)
    totals = [
        nats(of_the_prior(many, label, NEW, symbols), NEW, maker.vocabulary).sum()
        for label in range(n_lists)
    ]
    assert -maker.score_samples(NEW).sum() == pytest.approx(min(totals), abs=1e-3)
    monkeypatch.setattr("makemore.api.prior_start.BEST", 1)
    few = list(plan_of(maker).split.train.lowest(8))
    glanced = [
        nats(of_the_prior(many, label, few, symbols), few, maker.vocabulary).sum()
        for label in range(n_lists)
    ]
    again = begun(str(tmp_path), NEW)
    assert -again.score_samples(few).sum() == pytest.approx(min(glanced), abs=1e-3)


def test_rows_of_new_symbols_are_those_of_the_other_case_or_the_mean() -> None:
    read, now = Vocabulary("Zab"), Vocabulary("?AZabz")
    array = np.arange(4 * 2, dtype=np.float32).reshape(4, 2)  # boundary, Z, a, b
    mean = array[1:].mean(axis=0)
    for name in ("head.weight", "embedding.weight"):
        found = adapted(name, array, np.zeros((7, 2), np.float32), read, now)
        np.testing.assert_array_equal(
            found, [array[0], mean, array[2], array[1], array[2], array[3], array[1]]
        )
    np.testing.assert_array_equal(
        adapted("head.bias", array[:, 0], np.zeros(7, np.float32), read, now),
        [0, 4, 4, 2, 4, 6, 2],
    )
    longer = adapted("position.weight", array, np.zeros((6, 2), np.float32), read, now)
    np.testing.assert_array_equal(longer, array[[0, 1, 2, 3, 3, 3]])
    shorter = adapted("position.weight", array, np.zeros((3, 2), np.float32), read, now)
    np.testing.assert_array_equal(shorter, array[:3])
    assert adapted("norm.weight", array, array, read, now) is array


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ([line + "ჟ!" for line in NEW], None),
        ([line.upper() for line in NEW], None),
        ([line * 4 for line in NEW], None),
        (NEW, ["x" if "a" in line else "y" for line in NEW]),
        (["ⰰⰱⰲ", "ⰳⰰ", "ⰱⰰ"], None),
    ],
    ids=["new symbols", "other case", "long lines", "labels", "another script"],
)
def test_lists_unlike_those_that_it_read_start_from_it_too(
    packed: str, lines: list[str], labels: list[str] | None
) -> None:
    maker = MakeMore("transformer", prior=packed, threads=1, max_steps=2)
    maker.fit(lines, labels)
    assert np.isfinite(maker.score_samples(lines)).all()
    assert maker.classes_.tolist() == sorted(set(labels or ()))
    longest = max(map(len, lines))
    assert longest <= 8 or plan_of(maker).config.block_size > the(packed).block_size
    if labels:
        assert maker.predict_proba(lines).sum(axis=1) == pytest.approx(1)


def test_every_label_starts_from_the_nearest_list(shaken: str) -> None:
    split = Split(*(Corpus.exactly(part, ["x"] * len(part)) for part in (NEW, [], [])))
    maker = MakeMore("transformer")
    maker.begin(Plan.make("transformer", {"prior": shaken, "threads": 1}, split, ""))
    without = begun(shaken, NEW)
    np.testing.assert_allclose(maker.score_samples(NEW), without.score_samples(NEW), atol=1e-4)


@pytest.mark.parametrize("labels", [None, ["x" if "a" in line else "y" for line in NEW]])
def test_any_run_will_do_as_a_prior(tmp_path: Path, labels: list[str] | None) -> None:
    tiny("transformer").fit(NEW, labels).save(tmp_path / "run")
    prior = the(str(tmp_path / "run"))
    assert prior.vocabulary.labels == (() if labels is None else ("x", "y"))
    assert prior.about == {} and prior.lines.is_read(Corpus.exactly(NEW).hashes()).all()
    assert len({the(str(tmp_path / "run")).name for _ in range(4)}) == 1
    maker = begun(str(tmp_path / "run"), NEW)
    symbols = "".join(maker.vocabulary.symbols)
    each = [
        nats(of_the_prior(prior, label, NEW, symbols), NEW, maker.vocabulary)
        for label in ([None] if labels is None else [0, 1])
    ]
    nearest = min(each, key=lambda nll: float(nll.sum()))
    np.testing.assert_allclose(-maker.score_samples(NEW), nearest, atol=1e-4)
    drawn = from_prior(tmp_path / "run", LISTS["birds"]).sample(30, 1)
    assert not set(drawn) & set(NEW)


@pytest.mark.parametrize("model", ["ngram", "mlp"])
def test_counts_and_readers_of_windows_are_no_prior(model: str, tmp_path: Path) -> None:
    MakeMore(model, threads=1, **({"max_steps": 1} if model == "mlp" else {})).fit(NEW).save(
        tmp_path / "run"
    )
    told = refused(UsageError, lambda: load_prior(str(tmp_path / "run")))
    assert f"model '{model}', no prior" in told and "transformer, gru, lstm or rnn" in told


def test_a_named_ensemble_names_the_member_that_starts_from_a_prior(packed: str) -> None:
    members = {"members": "ngram, gru n_hidden=4 max_steps=1", "threads": 1}
    told = refused(UsageError, lambda: MakeMore("ensemble", prior=packed, **members).fit(NEW))
    assert f"--members 'ngram, transformer prior={packed}'" in told


# -- lines that it has read -----------------------------------------------------------------------


def test_no_line_has_a_symbol_that_the_list_lacks(packed: str) -> None:
    for lines in (NEW, OVER_AB, LISTS["hills"]):
        drawn = from_prior(packed, lines, max_steps=1).sample(100, 3, all=True)
        assert {symbol for line in drawn for symbol in line} <= {*"".join(lines)}


def test_lines_of_the_prior_are_never_new(packed: str) -> None:
    maker = from_prior(packed, OVER_AB)
    drawn = list(maker.samples(300, 3, all=True))
    of_it = {line.text for line in drawn if line.origin == "prior"}
    assert of_it == {line.text for line in drawn} & set(LISTS["pairs"]) and len(of_it) > 5
    assert {line.text for line in drawn if line.origin == "train"} <= set(OVER_AB)
    new = maker.sample(60, 3, style="plain")
    assert len(set(new)) == 60 and not set(new) & (READ | set(OVER_AB))
    more = maker.sample(30, 3, style="plain", avoid=new)
    assert not set(more) & (READ | set(OVER_AB) | set(new))
    top = [line.text for line in maker.top(20)]
    assert not set(top) & (READ | set(OVER_AB))
    assert set(LISTS["pairs"]) & {line.text for line in maker.top(20, all=True)}


def test_a_line_of_the_list_and_of_the_prior_is_the_list_s(packed: str) -> None:
    split = Split(*(Corpus.exactly(part) for part in (["ab", "x"], ["ba"], ["aa"])))
    known = KnownLines(split, Corpus.exactly(["bb"]), None, the(packed).lines)
    asked = Corpus.exactly(["ab", "x", "ba", "aa", "bb", "aba", "abba"]).hashes()
    assert known.origins(asked).tolist() == [1, 1, 2, 3, 4, 6, 0]
    assert Plan.make("ngram", {}, split, "").known_lines.origins(asked).tolist() == [
        1, 1, 2, 3, 0, 0, 0
    ]  # fmt: skip


def test_losses_leave_out_validation_lines_that_it_has_read(packed: str) -> None:
    maker = from_prior(packed, [*like_names(150, seed=3), *LISTS["birds"]])
    for name, part in maker.split:
        report, read = maker.report(name), [line in READ for line in part]
        counted = ~np.array(read) if name != "train" else np.full(len(part), True)
        total = -maker.score_samples(part)[counted].sum()
        symbols = np.array([len(line) + 1 for line in part])[counted].sum()
        assert report["nll"] == pytest.approx(total / symbols, abs=1e-6)
        assert report["lines"] == len(part)
        assert report["read"] == len(part) - sum(counted)
        assert name == "train" or 0 < report["read"] < len(part)
    train, val = plan_of(maker).evaluation_lines
    assert list(train) == list(maker.split.train)
    assert list(val) == [line for line in maker.split.val if line not in READ]


def test_where_it_has_read_all_of_them_there_is_no_loss(packed: str) -> None:
    maker = from_prior(packed, LISTS["birds"])
    report = maker.report("val")
    assert report["nll"] is report["nll_unseen"] is None
    assert report["read"] == report["lines"] > 0
    assert np.isfinite(maker.report("train")["nll"])


# -- the training's own run -----------------------------------------------------------------------


@pytest.mark.usefixtures("small_members")
@pytest.mark.parametrize("model", ["transformer", None], ids=["alone", "member"])
def test_a_run_needs_its_prior_no_more(copied: Path, tmp_path: Path, model: str | None) -> None:
    options: dict[str, Any] = {"prior": str(copied), "threads": 1, "random_state": 5}
    maker = MakeMore(model, max_steps=2, **options).fit(OVER_AB)
    maker.save(tmp_path / "run")
    lines = the(str(copied)).lines
    shutil.rmtree(copied)
    assert verify(tmp_path / "run") == []
    loaded = MakeMore.load(tmp_path / "run")
    for each in (maker, loaded):
        found = plan_of(each).prior_lines
        assert found is not None
        np.testing.assert_array_equal(found.read, lines.read)
    np.testing.assert_array_equal(maker.score_samples(OVER_AB), loaded.score_samples(OVER_AB))
    assert loaded.report("train") == maker.report("train")
    assert loaded.sample(20, 1, style="plain") == maker.sample(20, 1, style="plain")
    drawn = list(loaded.samples(200, 2, all=True))
    assert drawn == list(maker.samples(200, 2, all=True))
    assert "prior" in {line.origin for line in drawn}


def test_hashes_in_a_run_are_verified(packed: str, tmp_path: Path) -> None:
    from_prior(packed).save(tmp_path / "run")
    path = tmp_path / "run" / "prior.safetensors"
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    told = refused(RunError, lambda: MakeMore.load(tmp_path / "run"))
    assert "prior.safetensors" in told
    path.unlink()
    assert "prior.safetensors is missing" in refused(
        RunError, lambda: MakeMore.load(tmp_path / "run")
    )


def test_what_the_prior_of_a_prior_has_read_is_known_too(packed: str, tmp_path: Path) -> None:
    from_prior(packed, OVER_AB).save(tmp_path / "run")
    known = the(str(tmp_path / "run")).lines
    assert known.is_read(Corpus.exactly([*OVER_AB, *LISTS["pairs"]]).hashes()).all()


def test_the_same_command_goes_on_and_another_prior_is_another_one(
    packed: str, shaken: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"model": "transformer", "max_steps": 2, "threads": 1}
    list(train_directory(tmp_path / "run", NEW, prior=packed, **options))
    (event,) = train_directory(tmp_path / "run", NEW, prior=packed, **options)
    assert isinstance(event, Started) and event.finished
    for other in ({"prior": shaken}, {"prior": "none"}, {}):
        told = refused(
            UsageError,
            lambda other=other: list(  # type: ignore[misc]
                train_directory(tmp_path / "run", NEW, **options, **other)
            ),
        )
        assert "prior" in told and "--fresh" in told


@pytest.mark.slow
@pytest.mark.usefixtures("small_members")
def test_a_short_list_s_mixture_says_that_it_starts_from_it(packed: str, tmp_path: Path) -> None:
    events = list(train_directory(tmp_path / "run", NEW, prior=packed, threads=1))
    assert isinstance(events[0], Message)
    assert "a network that has read 3 other lists" in events[0].text
    maker = MakeMore.load(tmp_path / "run")
    assert plan_of(maker).config.asked == {"model": "default", "prior": packed}
    assert f"prior={the(packed).name}" in plan_of(maker).config.resolved["members"]
    assert isinstance(list(train_directory(tmp_path / "run", NEW, prior=packed))[0], Started)


# -- a time -------------------------------------------------------------------------------------


def within(seconds: float, requested: dict[str, Any], model: str | None = None) -> Plan:
    split = train_val_test_split(Corpus.exactly([*NEW, *OVER_AB, *LISTS["birds"]]))
    return plan_within(split, requested, model, seconds, "", time.monotonic())[0]


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is said to take a hundredth of a second, and nothing is trained."""

    def timed(_: object, name: str, options: Any, *more: Any) -> Candidate:
        return Candidate(name, options, 100, 0.01, 0.0, 0.0)

    monkeypatch.setattr(BudgetPlanner, "timed", timed)


@pytest.mark.usefixtures("untimed")
def test_in_a_time_a_member_starts_from_the_prior_that_was_named(packed: str) -> None:
    plan = within(60, {"prior": packed, "threads": 1})
    starts = [each.recipe.prior for each in plan.member_plans()]
    assert [prior for prior in starts if names_prior(prior)] == [the(packed).name]
    assert plan.prior_lines is not None and plan.config.asked["prior"] == packed


@pytest.mark.usefixtures("untimed")
def test_in_a_time_one_model_keeps_the_prior_s_size(packed: str) -> None:
    plan = within(60, {"prior": packed, "threads": 1}, "transformer")
    assert plan.recipe.prior == the(packed).name and plan.options.n_embd == 16


# -- a mixture's expected weights -----------------------------------------------------------------

COUNTS = ("ngram order=3", "ngram order=5", "ngram", "ngram order=9")


def expected(*members: str) -> tuple[list[float], tuple[float, float]]:
    split = train_val_test_split(Corpus.exactly(NEW))
    whole = Plan.make("ensemble", {"members": ", ".join(members), "threads": 1}, split, "")
    found, strengths = expected_weights(whole.member_plans())
    assert len(found) == len(members)
    return found.tolist(), strengths


def test_expected_weights_lean_on_the_prior_and_on_long_contexts(packed: str) -> None:
    with_prior = f"transformer prior={packed}"
    (three, five, seven, nine, tuned, gru), strengths = expected(
        *COUNTS, with_prior, "gru n_hidden=4"
    )
    assert tuned == FROM_PRIOR > nine > 0.0 > three
    assert 0 < five == seven < nine and 0 < gru < tuned
    assert sum((three, five, seven, nine, tuned, gru)) == pytest.approx(1, abs=0.1)
    assert min(strengths) >= max(STRENGTHS)
    weights, _ = expected(with_prior, "gru n_hidden=4", *COUNTS[::-1])
    assert weights == [tuned, gru, nine, seven, five, three]  # wherever a member stands


def test_expected_weights_are_shared_among_those_of_a_kind(packed: str) -> None:
    with_prior = f"transformer prior={packed}"
    weights, _ = expected(with_prior, with_prior, "gru n_hidden=4", "mlp n_hidden=4")
    assert weights[0] == weights[1] == FROM_PRIOR / 2 and weights[2] == weights[3] > 0
    assert expected(with_prior)[0] == [FROM_PRIOR]
    one, _ = expected("ngram order=3", with_prior)
    assert min(one) > 0  # the only counts are not the shortest ones


def test_without_a_prior_all_are_expected_to_weigh_alike() -> None:
    for prior in ("", " prior=none"):
        weights, strengths = expected("ngram", "ngram order=3", f"gru n_hidden=4{prior}")
        assert weights == pytest.approx([1 / 3] * 3) and strengths == STRENGTHS


# -- stopped --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"model": "transformer", "max_steps": 8},
        {"model": "ensemble", "members": "ngram order=3, gru n_hidden=8, transformer prior={}"},
    ],
    ids=["alone", "member"],
)
@pytest.mark.parametrize("last", [3, 6])
def test_stopped_and_gone_on_with_it_ends_with_the_same_bytes(
    packed: str, tmp_path: Path, options: dict[str, Any], last: int
) -> None:
    if options["model"] == "ensemble":
        named = {**options, "members": options["members"].format(packed), "max_steps": 3}
    else:
        named = {**options, "prior": packed}
    named |= {"threads": 1, "save_interval": 0.0, "eval_interval": 3}
    list(train_directory(tmp_path / "whole", NEW, **named))
    stop = threading.Event()
    with closing(train_directory(tmp_path / "cut", NEW, stop=stop, **named)) as events:
        for event in events:
            if isinstance(event, Step) and event.step == last:
                stop.set()
    assert not Run.load(tmp_path / "cut").progress["finished"]
    again = list(train_directory(tmp_path / "cut", NEW, **named))
    assert isinstance(again[0], Message) and again[0].text.startswith("going on from step")
    assert isinstance(again[-1], Saved) and Run.load(tmp_path / "cut").progress["finished"]
    whole = Run.load(tmp_path / "whole")
    for path in (tmp_path / "whole").glob("weights-*"):
        assert (tmp_path / "cut" / path.name).read_bytes() == path.read_bytes()
    assert whole.prior_lines is not None
    for name in ("config.json", "prior.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
