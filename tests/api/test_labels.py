"""Labels from a file to p(label | line): one model learns all of them, and what it says is exact.

The models themselves are checked in the battery (test_models.py), reading in test_tables.py.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import battery
import label_battery
from api.conftest import KINDS, small, tiny
from conftest import Call
from kinds import each_kind
from makemore import MakeMore
from makemore.analysis.calibration import Calibration, calibrate
from makemore.analysis.diagnostics import embedding_of
from makemore.analysis.explain import expected
from makemore.analysis.forward_pass import forward_pass
from makemore.api.fitted_state import corpus_as_is
from makemore.api.plan import Plan
from makemore.errors import DataError, UsageError
from makemore.experiments.compare import row_of
from makemore.experiments.executors import Job, executor, finished
from makemore.experiments.sweep import Sweep
from makemore.experiments.trial import plan_of, run_trial
from makemore.models.core import registry
from makemore.models.core.neural import NeuralModel
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.scorer import score
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from makemore.text.vocabulary import UNKNOWN, Vocabulary
from makemore.training.batches import Batches

ABC = Vocabulary("abcdefgh", ["x", "y", "z"])  # V = 9 and 3 labels, as the battery has them
WORDS = ["a", "bad", "", "cabbage", "hedge", "deaf", "hh", "fade", "ab", "hahahahahahahaha"]
GIVEN = ["y", "x", "z", "z", "y", "x", "x", "z", "y", "y"]


def labelled(number: int = 240) -> tuple[list[str], list[str]]:
    """Lines of syllables; `b` for those that begin with k or m, `c` for n or r."""
    luck = np.random.default_rng(3)
    lines: dict[str, None] = {}
    while len(lines) < number:
        pairs = luck.integers(1, 5)
        drawn = [luck.choice(list("kmnr")) + luck.choice(list("aeio")) for _ in range(pairs)]
        lines["".join(drawn)] = None
    return list(lines), ["b" if line[0] in "km" else "c" for line in lines]


@pytest.fixture(scope="module")
def learned() -> Callable[[str], MakeMore]:
    """A model that was taught 240 labelled lines for some steps, never to be changed."""
    made: dict[str, MakeMore] = {}

    def of(model: str) -> MakeMore:
        if model not in made:
            wide = {name: 32 for name in ("n_embd", "n_hidden") if name in small(model)}
            longer = {} if model == "ngram" else {**wide, "max_steps": 150, "learning_rate": 0.02}
            made[model] = tiny(model, random_state=5, **longer).fit(*labelled())
        return made[model]

    return of


def by_steps(model: Any, vocabulary: Vocabulary, word: str, label: int) -> float:
    """nll of a line by nothing but `step`."""
    state, total = model.initial_state(1), 0.0
    ids = [label, *vocabulary.encode_line(word).tolist(), 0]
    for before, after in zip(ids, ids[1:], strict=False):
        logits, state = model.step(np.array([before]), state)
        row = logits[0].astype(np.float64)
        total -= row[after] - row.max() - math.log(np.exp(row - row.max()).sum())
    return total


# -- batches --------------------------------------------------------------------------------------


def test_the_label_stands_before_a_sequence_and_before_each_window() -> None:
    ids = np.array([5, 13, 13, 1, 9])  # emma, i
    offsets = np.array([0, 4, 5])
    labels = np.array([28, 27])
    sequences = LineTensors(ids, offsets, "sequence", 16, labels=labels)
    inputs, targets = sequences.sequences(np.array([1, 0]), 16)
    assert inputs.tolist() == [[27, 9, 0, 0, 0], [28, 5, 13, 13, 1]]
    assert targets.tolist() == [[9, 0, -1, -1, -1], [5, 13, 13, 1, 0]]
    windows = LineTensors(ids, offsets, "window", 4, labels=labels)
    inputs, targets = windows.windows(torch.from_numpy(windows.ends()))
    assert targets.tolist() == [5, 13, 13, 1, 0, 9, 0]
    assert inputs.tolist() == [
        [28, 0, 0, 0], [28, 0, 0, 5], [28, 0, 5, 13], [28, 5, 13, 13], [28, 13, 13, 1],
        [27, 0, 0, 0], [27, 0, 0, 9],
    ]  # fmt: skip
    only = LineTensors(ids, offsets, "window", 1, labels=labels)  # no symbol of context at all
    inputs, _ = only.windows(torch.from_numpy(only.ends()))
    assert inputs.tolist() == [[28]] * 5 + [[27]] * 2


@pytest.mark.parametrize("input_kind", ["window", "sequence"])
def test_labels_change_nothing_else_of_a_batch(input_kind: str) -> None:
    ids, offsets = battery.some_lines(9)
    bare = Batches(LineTensors(ids, offsets, input_kind, 6), 20, seed=1)
    labels = 9 + np.arange(len(offsets) - 1) % 3
    named = Batches(LineTensors(ids, offsets, input_kind, 6, labels=labels), 20, seed=1)
    for step in range(3):
        for (x, y), (x_named, y_named) in zip(bare(step), named(step), strict=True):
            assert torch.equal(y, y_named) and torch.equal(x[:, 1:], x_named[:, 1:])
            assert (x_named[:, 0] >= 9).all()


# -- scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_kind(KINDS))
def test_scores_are_those_of_the_steps(name: str) -> None:
    model = label_battery.with_labels(registry.get_model(name))
    given = Corpus.exactly(WORDS, GIVEN)
    found = score(model, ABC, given)
    each = np.array([[by_steps(model, ABC, word, 9 + n) for n in range(3)] for word in WORDS])
    own = [each[row, "xyz".index(label)] for row, label in enumerate(GIVEN)]
    np.testing.assert_allclose(found.nll, own, rtol=1e-4)
    assert found.posterior is None
    assert found.symbols.tolist() == [len(word) + 1 for word in WORDS]

    shares = np.array([0.5, 0.3, 0.2])
    plain = score(model, ABC, Corpus.exactly(WORDS), shares)
    joint = np.exp(-each) * shares
    np.testing.assert_allclose(plain.nll, -np.log(joint.sum(axis=1)), rtol=1e-4)
    posterior = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plain.posterior, posterior, atol=1e-4)
    assert np.ptp(posterior, axis=0).max() > 0.1  # it says something


def test_what_is_unknown_has_no_nll_and_the_shares() -> None:
    model = label_battery.with_labels(registry.get_model("gru"))
    shares = np.array([0.5, 0.0, 0.5])
    found = score(model, ABC, Corpus.exactly(["ab", "a!", "", "x"]), shares)
    assert np.isfinite(found.nll).tolist() == [True, False, True, False]
    assert found.posterior is not None
    np.testing.assert_array_equal(found.posterior[[1, 3]], [shares, shares])
    assert (found.posterior[:, 1] == 0).all()  # a label that no line had
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    other = score(model, ABC, Corpus.exactly(["ab", "ab"], ["x", "w"]))
    assert np.isfinite(other.nll).tolist() == [True, False]
    none = score(model, ABC, Corpus.exactly([]), shares)
    assert none.nll.shape == (0,) and none.posterior is not None


def test_a_line_of_a_thousand_symbols_is_scored() -> None:
    """Its probability is no number that a float could hold; those of the labels are compared."""
    model = label_battery.with_labels(registry.get_model("gru"))
    found = score(model, ABC, Corpus.exactly(["ab" * 500]), np.full(3, 1 / 3))
    assert found.posterior is not None and found.nll[0] > 745
    np.testing.assert_allclose(found.posterior.sum(), 1)


# -- vocabulary -----------------------------------------------------------------------------------


def test_labels_have_the_ids_after_the_symbols() -> None:
    parts = [Corpus.exactly(["ba", "c"], ["two", "one"]), Corpus.exactly(["d"], ["zero"])]
    vocabulary = Vocabulary.of(parts)
    assert vocabulary.labels == ("one", "two", "zero") and len(vocabulary) == 5
    assert [vocabulary.label_id(name) for name in vocabulary.labels] == [5, 6, 7]
    found = [vocabulary.encode_labels(part) for part in parts]
    assert [ids.tolist() for ids in found if ids is not None] == [[6, 5], [7]]
    assert vocabulary.label_shares(parts[0]).tolist() == [0.5, 0.5, 0.0]
    assert vocabulary.label_shares(Corpus.exactly(["a"])).tolist() == [1 / 3] * 3
    with pytest.raises(UsageError, match="unknown label 'thre': did you mean 'zero'|known are"):
        vocabulary.label_id("thre")
    with pytest.raises(UsageError, match="unknown label 'tow': did you mean 'two'"):
        vocabulary.label_id("tow")
    with pytest.raises(UsageError, match="no labels"):
        Vocabulary("ab").label_id("x")
    foreign = vocabulary.encode_labels(Corpus.exactly(["a", "b"], ["one", "none"]))
    assert foreign is not None and foreign.tolist() == [5, UNKNOWN]
    assert vocabulary.encode_labels(Corpus.exactly(["a"])) is None


# -- the estimator --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", each_kind(KINDS))
def test_every_model_learns_labels_and_is_saved_with_them(
    name: str, learned: Callable[[str], MakeMore], tmp_path: Path
) -> None:
    maker, (lines, labels) = learned(name), labelled()
    assert maker.classes_.tolist() == ["b", "c"]
    assert maker.label_shares == pytest.approx(
        {"b": maker.label_shares["b"], "c": 1 - maker.label_shares["b"]}
    )
    proba = maker.predict_proba(lines)
    assert proba.shape == (len(lines), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    likeliest = maker.predict(lines).tolist()
    assert likeliest == maker.classes_[proba.argmax(axis=1)].tolist()
    assert np.mean([x == y for x, y in zip(likeliest, labels, strict=True)]) > 0.95
    maker.save(tmp_path / "run")
    again = MakeMore.load(tmp_path / "run")
    assert again.label_shares == maker.label_shares
    np.testing.assert_array_equal(again.predict_proba(lines), proba)
    corpus = Corpus.exactly(lines, labels)
    np.testing.assert_array_equal(again.scores(corpus).nll, maker.scores(corpus).nll)
    np.testing.assert_array_equal(again.score_samples(lines), maker.score_samples(lines))
    assert maker.report("val")["nll"] == again.report("val")["nll"]
    found = again.accuracy("val")
    assert found["accuracy"] > 0.95 > found["majority"] + 0.2
    assert found["labelled"] == len(maker.split.val)
    few = maker._labels.accuracy(maker.split.train, most=20)
    assert few["labelled"] == 10


def test_accuracy_is_counted_by_hand(learned: Callable[[str], MakeMore]) -> None:
    maker = learned("ngram")
    for name, part in maker.split:
        truth = part.label_of_each()
        assert truth is not None
        right = np.mean([a == b for a, b in zip(maker.predict(part), truth, strict=True)])
        most = max("bc", key=lambda label: maker.label_shares[label])
        assert maker.accuracy(name) == {
            "accuracy": right, "majority": truth.count(most) / len(truth), "labelled": len(truth),
        }  # fmt: skip
    bare = tiny("ngram").fit(labelled()[0])
    assert bare.classes_.tolist() == [] and bare.label_shares == {}
    for ask in (bare.predict, bare.predict_proba):
        with pytest.raises(UsageError, match="no labels"):
            ask(["a"])
    with pytest.raises(UsageError, match="no labels"):
        bare.accuracy("train")


def test_y_is_a_label_for_each_line() -> None:
    lines, labels = labelled(80)
    maker = tiny("ngram").fit(iter(lines), iter(labels))
    joined = [f"{line}\t{label}" for line, label in zip(lines, labels, strict=True)]
    same = tiny("ngram", labels=True).fit(joined)
    assert same.split.digest() == maker.split.digest()
    assert same.plan_ is not None and maker.plan_ is not None
    assert same.plan_.config == maker.plan_.config
    assert maker.get_params().get("labels") is None  # what was given stays
    assert set(maker.fit(lines).vocabulary.labels) == set()  # and a second fit forgets the first
    chosen = tiny("ngram").fit(lines, labels, val=["kara", "kara"], val_y=["b", "c"])
    assert chosen.split.val.label_of_each() == ["b", "c"]
    with pytest.raises(DataError, match="80 lines and 2 labels"):
        tiny("ngram").fit(lines, ["a", "b"])
    with pytest.raises(DataError, match="label 1 is no name but 0.5 "):
        tiny("ngram").fit(lines, [0.5] * 80)  # type: ignore[list-item]


def test_without_labels_the_weights_are_what_they_were() -> None:
    """The other weights of a labelled model start as those of one without, its data apart."""
    lines, labels = labelled()
    for name in ("transformer", "gru"):  # a window's first layer has another width with a label
        plain = Plan.make(name, {"n_embd": 8}, train_val_test_split(Corpus.from_lines(lines)), "x")
        named = Plan.make(
            name, {"n_embd": 8}, train_val_test_split(Corpus.from_lines(lines, None, labels)), "x"
        )
        assert named.config.block_size == plain.config.block_size
        was, now = plain.build_seeded().tensors(), named.build_seeded().tensors()
        for key, value in was.items():
            np.testing.assert_array_equal(now[key][: len(value)], value)
    window = Plan.make("mlp", {}, train_val_test_split(Corpus.from_lines(lines, None, labels)), "x")
    assert window.config.block_size == 4


class Wordless(NeuralModel):
    """A window model without a table of symbols."""

    def __init__(self, vocab_size: int, block_size: int, options: Any) -> None:
        super().__init__(vocab_size, block_size, options)
        self.head = nn.Linear(block_size, vocab_size)

    name = "wordless"


def test_a_model_without_a_table_says_that_it_reads_no_labels() -> None:
    with pytest.raises(UsageError, match="wordless has no table of symbols"):
        Wordless(9, 3, None).add_labels(2)


# -- the run --------------------------------------------------------------------------------------


def test_the_run_holds_lines_with_their_labels(tmp_path: Path) -> None:
    maker = tiny("ngram").fit(*labelled(100))
    maker.save(tmp_path / "run")
    for name, part in maker.split:
        rows = [f"{line}\t{label}" for line, label in zip(part, part.label_of_each() or [],
                                                          strict=True)]  # fmt: skip
        assert (tmp_path / f"run/split/{name}.txt").read_text().splitlines() == rows
    record = json.loads((tmp_path / "run/vocabulary.json").read_text())
    assert record["labels"] == ["b", "c"] and record["rule"] == "character"
    run = Run.load(tmp_path / "run")
    assert run.split.digest() == maker.split.digest() == run.config.data["digest"]
    few = tiny("ngram").fit(["ab", "ba"], ["x", "y"])  # empty val and test
    few.save(tmp_path / "few")
    again = MakeMore.load(tmp_path / "few")
    assert again.report("train")["nll"] == few.report("train")["nll"]
    assert len(again.split.val) == 0 and again.accuracy("val")["accuracy"] is None


@pytest.mark.parametrize("name", each_kind(["transformer", "mlp", "gru"]))
def test_a_labelled_training_that_was_cut_goes_on_to_equal_weights(
    name: str, tmp_path: Path
) -> None:
    asked = {**small(name), "max_steps": 12, "eval_interval": 3, "save_interval": 0.0, "threads": 1}
    parts = train_val_test_split(Corpus.from_lines(labelled()[0], None, labelled()[1]))
    whole = MakeMore(name)
    whole.begin(Plan.make(name, asked, parts, "x"))
    with RunWriter(tmp_path / "whole") as writer:
        for _ in whole.training(writer):
            pass
    cut = MakeMore(name)
    cut.begin(Plan.make(name, asked, parts, "x"))
    with RunWriter(tmp_path / "cut") as writer:
        training = cut.training(writer)
        for event in training:
            if getattr(event, "step", 0) == 7:
                break
        training.close()  # type: ignore[attr-defined]
    with RunWriter(tmp_path / "cut") as writer:
        run = writer.resume()
        assert 0 < run.progress["step"] < 12
        again = MakeMore(name)
        again.begin(Plan.from_run(run))
        for _ in again.training(writer, run):
            pass
    found, wanted = Run.load(tmp_path / "cut"), Run.load(tmp_path / "whole")
    assert found.weights.keys() == wanted.weights.keys()
    for key, value in wanted.weights.items():
        np.testing.assert_array_equal(found.weights[key], value)


# -- what looks inside ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", each_kind(KINDS))
def test_explain_sums_to_the_score_of_the_line_with_its_label(
    name: str, learned: Callable[[str], MakeMore]
) -> None:
    maker, text = learned(name), "kamera"
    for label in ("b", "c"):
        rows = expected(maker, text, label=label)
        nll = maker.scores(Corpus.exactly([text], [label])).nll[0]
        assert rows[-1].total == pytest.approx(nll, abs=1e-5)
        assert len(rows) == 7
        if name != "bigram":
            assert rows[-1].context[0] == f"<{label}>"
        if name == "ensemble":  # it has a pass for each member
            continue
        at_first = forward_pass(maker, text, 1, label)
        assert at_first.context[0] == f"<{label}>"
        assert at_first.probability == pytest.approx(rows[0].probability, abs=1e-5)
        last = forward_pass(maker, text, 7, label)
        assert last.probability == pytest.approx(rows[6].probability, abs=1e-5)
        if name == "ngram":
            assert last.levels[-1].probability == pytest.approx(last.probability)
        warm = expected(maker, text, temperature=0.5, label=label)
        assert warm[-1].total != pytest.approx(nll)
    likeliest = str(maker.predict([text])[0])
    assert expected(maker, text) == expected(maker, text, label=likeliest)
    with pytest.raises(UsageError, match="unknown label"):
        expected(maker, text, label="d")
    assert math.isinf(expected(maker, "ka!a")[-1].total)


@pytest.mark.slow
def test_charts_show_symbols_and_no_labels(learned: Callable[[str], MakeMore]) -> None:
    for name in ("transformer", "mlp", "bigram"):
        table = embedding_of(learned(name).model_)
        assert table is not None and len(table) == len(learned(name).vocabulary)


def test_calibration_goes_by_the_labels_of_the_lines(learned: Callable[[str], MakeMore]) -> None:
    for name in ("gru", "mlp", "ngram"):
        maker = learned(name)
        part = maker.split.val
        own = calibrate(maker, part).likeliest
        nats = maker.scores(part)
        assert own[:, 0].sum() == nats.symbols.sum()
        swapped = Corpus.exactly(
            list(part), ["c" if each == "b" else "b" for each in part.label_of_each() or []]
        )
        # What the likeliest symbol is hangs on the label: with the other one it comes less often.
        assert own[:, 2].sum() > calibrate(maker, swapped).likeliest[:, 2].sum()


@pytest.mark.slow
def test_compare_and_sweeps_learn_labels(learned: Callable[[str], MakeMore]) -> None:
    row = row_of(learned("ngram"), 1.0)
    assert row.val is not None and row.error is None
    lines, labels = labelled(100)
    parts = train_val_test_split(Corpus.from_lines(lines, None, labels))
    settings = {"n_embd": 4, "n_hidden": 4, "max_steps": 2, "threads": 1}
    plan = plan_of("mlp", {**settings, "data": 0.5}, parts)
    assert plan.config.block_size == 4 and plan.vocabulary.labels == ("b", "c")
    found = run_trial("mlp", {**settings, "data": 0.5}, parts)
    sweep = Sweep("mlp", parts, {**settings, "data": 0.5}, (), ({},))
    with executor(Job("trial", {"model": "mlp"}, parts), 1) as pool:  # in a process of its own
        [(_, record)] = finished(pool, {"one": sweep.fixed})
    assert record["val"] == found["val"]
    assert sweep.header["data"] == parts.digest()
    bare = Split(*(Corpus.exactly(list(part)) for _, part in parts))
    assert run_trial("mlp", {**settings, "data": 0.5}, bare)["val"] != found["val"]


# -- the command line -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_of(learned: Callable[[str], MakeMore], tmp_path_factory: Any) -> Callable[[str], Path]:
    above = tmp_path_factory.mktemp("labelled")

    def of(name: str) -> Path:
        if not (above / name).exists():
            learned(name).save(above / name)
        return Path(above / name)

    return of


def refused(ended: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert ended.returncode == code and words in ended.stderr


def test_train_takes_labels_from_lines_and_from_columns(call: Call) -> None:
    rows = list(zip(*labelled(100), strict=True))
    body = "".join(f"{line}\t{label}\n" for line, label in rows)
    Path("lines.txt").write_text(body)
    columns = "".join(f"{label},{line}\n" for line, label in rows)
    Path("rows.csv").write_text("kind,text\n" + columns)
    model = ("--model", "ngram", "--order", "3")
    command = ("train", "lines.txt", "--labels", "-o", "one", *model)
    done = call(*command)
    assert done.returncode == 0 and "100 lines, 2 labels" in done.stderr
    named = call("train", "rows.csv", "--label-column", "kind", "-o", "two", *model)
    assert named.returncode == 0
    one, two = Run.load("one"), Run.load("two")
    assert one.split.digest() == two.split.digest()
    assert one.config.asked == {"labels": True, "order": 3}
    assert two.config.asked == {"label_column": "kind", "order": 3}
    again = call(*command)
    assert again.returncode == 0 and "finished" in again.stderr
    refused(call("train", "lines.txt", "-o", "one", *model), 3, "--order 3 --labels")
    as_it_is = call("train", "lines.txt", "-o", "one", *model, "--as-is")
    refused(as_it_is, 2, "with labels = True, not without it")
    Path("lines.txt").write_text(body.replace("\tb", "\tc", 1))
    refused(call(*command), 2, "other data")
    both = ("train", "lines.txt", "--labels", "--label-column", "2", "-o", "x")
    refused(call(*both), 2, "not both")
    Path("lines.txt").write_text("ka\tb\nke\n")
    refused(call("train", "lines.txt", "--labels", "-o", "x"), 3, "line 2 has no tab")


def test_score_says_which_label_is_likeliest(
    call: Call, run_of: Callable[[str], Path], tmp_path: Path
) -> None:
    maker = MakeMore.load(run_of("gru"))
    text = "kamera\nkemo\n!\n"
    done = call("score", run_of("gru"), "-", input=text.encode())
    assert done.returncode == 0
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    proba = maker.predict_proba(["kamera", "kemo"])
    for row, line, shares in zip(rows, ("kamera", "kemo"), proba, strict=False):
        best = int(shares.argmax())
        assert row[1:] == [line, f"{'bc'[best]} {shares[best]:.4f}"]
        assert float(row[0]) == pytest.approx(-maker.score_samples([line])[0], abs=1e-4)
    assert rows[2] == ["inf", "!"]
    done = call("score", run_of("gru"), "-", "--json", input=text.encode())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for entry, shares in zip(found[:2], proba, strict=True):
        assert entry["labels"] == pytest.approx(dict(zip("bc", shares, strict=True)))
        assert entry["p"] == max(entry["labels"].values()) == entry["labels"][entry["label"]]
    assert found[2] == {
        "text": "!", "nll": None, "symbols": 2, "unknown": ["!"], "label": None, "p": None,
        "labels": None, "bits": None, "per_symbol": None, "percentile": None,
    }  # fmt: skip
    done = call("score", run_of("gru"), "-", "--each", "--json", input=b"kamera\nkemo\n")
    for line, nll in zip(
        done.stdout.splitlines(), maker.scores(corpus_as_is(["kamera", "kemo"])).nll, strict=True
    ):
        # Symbol by symbol over all labels, by what was read before: it adds up to the line.
        each = [symbol["nats"] for symbol in json.loads(line)["surprisals"]]
        assert sum(each) == pytest.approx(nll) and min(each) > 0


def test_eval_says_how_often_the_label_is_right(call: Call, run_of: Callable[[str], Path]) -> None:
    maker = MakeMore.load(run_of("gru"))
    found = [json.loads(x) for x in call("eval", run_of("gru"), "--json").stdout.splitlines()]
    for entry in found[:2]:
        assert {k: entry[k] for k in ("accuracy", "majority", "labelled")} == maker.accuracy(
            entry["split"]
        )
    shown = call("eval", run_of("gru")).stdout.splitlines()
    [val] = [line for line in shown if line.startswith("labels of val: ")]
    accuracy = maker.accuracy("val")
    assert f"{100 * accuracy['accuracy']:.1f} % right" in val
    assert f"{100 * accuracy['majority']:.1f} % by the majority class" in val


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "mlp", "ngram"])
def test_explain_and_inspect_know_labels(
    name: str, call: Call, run_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(run_of(name), tmp_path / "run")
    done = call("explain", folder, "kamera", "--label", "b")
    assert done.returncode == 0 and "<b>" in done.stdout
    traced = call("explain", folder, "kamera", "--label", "c", "--trace")
    assert traced.returncode == 0 and "<c>" in traced.stdout
    assert call("explain", folder, "--seed", "1").returncode == 0
    refused(call("explain", folder, "kamera", "--label", "d"), 2, "unknown label 'd'")
    refused(call("explain", folder, "--label", "b"), 2, "give a TEXT")
    looked = call("inspect", folder, "-o", "page")
    assert looked.returncode == 0, looked.stderr


def test_explain_of_a_run_without_labels_refuses_one(call: Call, tmp_path: Path) -> None:
    tiny("ngram").fit(["ab", "ba"]).save(tmp_path / "run")
    refused(call("explain", "run", "ab", "--label", "b"), 2, "no labels")


# -- p(label | line) is what it says --------------------------------------------------------------


def calibration_error(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    counted = Calibration.empty()
    counted.add(probabilities, truth)
    return counted.error


def test_counts_of_noisy_labels_are_calibrated() -> None:
    """A fifth of the labels is flipped: what is said with 80 % has to come true in 80 %."""
    luck = np.random.default_rng(0)
    syllables = [a + b for a in "kmnrst" for b in "aeiou"]
    lines = sorted({"".join(luck.choice(syllables, 4)) for _ in range(20_000)})
    truth = np.array([line[-1] in "ae" for line in lines]) ^ (luck.random(len(lines)) < 0.2)
    labels = ["yes" if each else "no" for each in truth]
    maker = tiny("ngram", order=4).fit(lines, labels)
    for part in (maker.split.val, maker.split.test):  # fitted on the first, true of the other
        own = part.label_of_each()
        assert own is not None
        numbers = np.array([["no", "yes"].index(each) for each in own])
        bare = maker._labels.posterior(part).posterior
        proba = maker.predict_proba(part)
        assert bare is not None and calibration_error(bare, numbers) > 0.05
        assert calibration_error(proba, numbers) < 0.03
        assert (bare.argmax(axis=1) == proba.argmax(axis=1)).all()  # no label is another now
        assert maker.predict(part).tolist() == maker.classes_[proba.argmax(axis=1)].tolist()


def test_how_sure_it_may_be_is_that_of_the_weights_now() -> None:
    lines, labels = labelled()
    luck = np.random.default_rng(0)
    noisy = [luck.choice(["b", "c"]) if luck.random() < 0.5 else label for label in labels]
    maker = tiny("ngram").fit(lines, labels)
    sure = maker.predict_proba(lines).max(axis=1).mean()
    assert maker.predict_proba(lines).max(axis=1).mean() == sure
    unsure = maker.fit(lines, noisy).predict_proba(lines)
    np.testing.assert_array_equal(unsure, tiny("ngram").fit(lines, noisy).predict_proba(lines))
    assert unsure.max(axis=1).mean() < sure - 0.05
    # While it is learning, each look is by the weights of that moment.
    parts = train_val_test_split(Corpus.from_lines(lines, None, labels))
    learning = tiny("mlp")
    asked = {"n_embd": 8, "n_hidden": 16, "max_steps": 60, "learning_rate": 0.02, "threads": 1}
    learning.begin(Plan.make("mlp", asked, parts, "x"))
    looks = []
    for event in learning.training():
        if getattr(event, "step", 0) in (0, 60):
            looks.append(learning._labels.certainty)
    assert looks[0] != looks[-1] and learning._labels.certainty == looks[-1]
