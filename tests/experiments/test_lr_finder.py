"""lr_finder.py and `makemore lr-find`: the rates that are tried, what is found, and its charts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Call
from kinds import each_kind
from makemore import MakeMore
from makemore.api import Plan
from makemore.errors import Diverged, UsageError
from makemore.experiments import lr_finder
from makemore.experiments.lr_finder import EXPLODED, Point, Suggestion, Trained
from makemore.models import NeuralModel
from makemore.report.plots import rates
from makemore.report.plots.style import DARK, LIGHT, png
from makemore.scoring import nll
from makemore.scoring.line_tensors import LineTensors
from makemore.text import Corpus, Split, train_val_test_split
from makemore.training.batches import Batches
from makemore.training.optimizer import Optimizer
from makemore.training.optimizers import make_optimizers

pytestmark = pytest.mark.usefixtures("unrendered")

LINES = [a + b + c for a in "kmnr" for b in ("aa", "e", "io") for c in ("la", "r", "nosa", "t", "")]
HOSTILE = ["$x_1$", "<script>", "a|b", "שלום", "é🙂", "_~^", "a\u202eb"]
SMALL = {"n_hidden": 8, "n_embd": 4, "threads": 1, "batch_size": 16}


def plan(model: str = "mlp", lines: list[str] | None = None, **asked: Any) -> Plan:
    small = {**SMALL, **asked} if model != "bigram" else {"threads": 1, **asked}
    return Plan.make(model, small, train_val_test_split(Corpus.exactly(lines or LINES)), "lines")


def test_the_exponents_are_evenly_spaced_and_the_ends_are_as_typed() -> None:
    found = lr_finder.exponential(1e-3, 1.0, 1000)
    np.testing.assert_allclose(found, 10 ** torch.linspace(-3, 0, 1000).numpy(), rtol=1e-5)
    assert (found[0], found[-1]) == (1e-3, 1.0)
    assert lr_finder.exponential(0.3, 0.7, 2).tolist() == [0.3, 0.7]

    for low, high in ((0, 1), (-1, 1), (1, 1), (2, 1), (1, math.inf), (math.nan, 1)):
        with pytest.raises(UsageError):
            lr_finder.exponential(low, high, 5)
    with pytest.raises(UsageError):
        lr_finder.exponential(0.1, 1, 1)


# -- one pass -------------------------------------------------------------------------------------


def by_hand(made: Plan, rates: list[float]) -> list[float]:
    """The same pass for SGD, written out: the loss before each step."""
    model: Any = made.build_seeded()
    train = made.split.train
    ids = made.vocabulary.encode(train).ids
    lines = LineTensors(ids, train.offsets, model.input_kind, model.block_size)
    batches, losses = Batches(lines, made.recipe.batch_size, made.recipe.seed), []
    for step, rate in enumerate(rates):
        (inputs, targets) = batches(step)[0]
        model.zero_grad()
        loss = nll(model(inputs), targets)
        loss.backward()
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= rate * parameter.grad
    return losses


def test_step_s_has_rate_s_and_starts_from_the_seeds_weights() -> None:
    made = plan(optimizer="sgd", weight_decay=0.0)
    tried = lr_finder.exponential(1e-2, 1.0, 40)
    points = list(lr_finder.increasing(made, tried))
    np.testing.assert_allclose([p.loss for p in points], by_hand(made, tried.tolist()), rtol=1e-4)
    assert [p.rate for p in points] == tried.tolist()
    assert [p.step for p in points] == list(range(1, 41))
    assert abs(points[0].loss - math.log(len(made.vocabulary))) < 0.05
    assert points[-1].loss < points[0].loss - 0.3


def test_schedule_and_warm_up_of_the_recipe_have_no_part_in_it() -> None:
    plans = plan(schedule="cosine", warmup_steps=9), plan(schedule="constant")
    tried = lr_finder.exponential(1e-2, 1.0, 20)
    one, other = (list(lr_finder.increasing(made, tried)) for made in plans)
    assert one == other


def test_muons_rate_moves_along(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan("deep_mlp", n_layer=1, learning_rate=0.01, muon_learning_rate=0.05)
    assert made.recipe.optimizer == "muon"
    kept: list[Any] = []

    def keep(model: NeuralModel, recipe: Any) -> list[Optimizer]:
        kept.extend(make_optimizers(model, recipe))
        return kept

    monkeypatch.setattr(lr_finder, "make_optimizers", keep)
    for point in lr_finder.increasing(made, lr_finder.exponential(1e-3, 1e-1, 5)):
        used = {type(o).__name__: {g["lr"] for g in o.param_groups} for o in kept}
        assert used["AdamW"] == {point.rate}
        assert list(used["Muon"]) == pytest.approx([5 * point.rate])


def test_it_looks_at_training_lines_alone() -> None:
    made, tried = plan(), lr_finder.exponential(1e-3, 1e-1, 12)
    nothing = made.split.train.take(slice(0))
    blind = dataclasses.replace(made, split=Split(made.split.train, nothing, nothing))
    assert len(made.split.val) > 0
    assert list(lr_finder.increasing(made, tried)) == list(lr_finder.increasing(blind, tried))


def test_it_ends_where_the_loss_explodes() -> None:
    made, tried = plan(optimizer="sgd"), lr_finder.exponential(1e-2, 1e6, 60)
    points = list(lr_finder.increasing(made, tried))
    assert 10 < len(points) < 60
    few = np.array([p.loss for p in points])
    means = np.convolve(few, np.ones(3) / 3, "valid")
    assert means[-1] > EXPLODED * means.min() or not math.isfinite(few[-1])
    assert (means[:-1] <= EXPLODED * np.minimum.accumulate(means)[:-1]).all()
    assert np.isfinite(few).all()


def test_a_model_of_counts_has_no_rate() -> None:
    counts = Plan.make("ngram", {}, train_val_test_split(Corpus.exactly(LINES)), "lines")
    with pytest.raises(UsageError, match="ngram counts"):
        next(lr_finder.increasing(counts, lr_finder.exponential(0.1, 1, 5)))


def curve(exponents: Any, losses: Any) -> list[Point]:
    pairs = zip(np.asarray(exponents).tolist(), np.asarray(losses).tolist(), strict=True)
    return [Point(step, 10**e, loss) for step, (e, loss) in enumerate(pairs, 1)]


def test_the_range_goes_from_the_fall_to_the_turn() -> None:
    # Flat, then a straight fall from 1e-3, lowest at 1e-1, then up.
    exponents = np.linspace(-5, 0, 501)
    losses = 3.0 - np.clip(exponents + 3, 0, 2) * 0.5 + np.clip(exponents + 1, 0, 1) * 4
    found = lr_finder.suggest(curve(exponents, losses))
    assert found is not None and found.turned
    assert abs(math.log10(found.low) + 3) < 0.15
    assert abs(math.log10(found.high) + 1) < 0.25
    assert found.best == pytest.approx(math.sqrt(found.low * found.high))


def test_where_nothing_falls_there_is_no_suggestion_and_where_it_falls_on_that_is_said() -> None:
    exponents = np.linspace(-4, 0, 100)
    assert lr_finder.suggest(curve(exponents, 3 + exponents + 4)) is None
    assert lr_finder.suggest(curve(exponents, np.full(100, 3.0))) is None
    assert lr_finder.suggest(curve(exponents[:2], [3.0, 2.0])) is None
    falling = lr_finder.suggest(curve(exponents, 3 - exponents))
    assert falling is not None and not falling.turned and falling.high == 1.0


def test_smoothing_keeps_a_line_a_level_and_the_length() -> None:
    assert lr_finder.smoothed([2.0] * 30) == pytest.approx([2.0] * 30)
    straight = lr_finder.smoothed(np.arange(100.0).tolist())
    np.testing.assert_allclose(straight[20:80], np.arange(20.0, 80.0), atol=1e-6)
    noise = np.random.default_rng(0).normal(size=400)
    assert lr_finder.smoothed(noise.tolist()).std() < 0.4
    assert lr_finder.smoothed([1.0]).tolist() == [1.0]


def test_each_rate_is_a_training_of_its_own_from_the_same_start() -> None:
    made = plan(schedule="constant", optimizer="adamw")
    tried = lr_finder.exponential(1e-4, 1.0, 3)
    found = list(lr_finder.at_each_rate(made, tried, 12))
    for rate, each in zip(tried.tolist(), found, strict=True):
        maker = MakeMore("mlp", **SMALL, schedule="constant", optimizer="adamw", max_steps=12,
                         eval_interval=12, learning_rate=rate)  # fmt: skip
        same = Plan.make("mlp", maker.options, made.split, "lines")
        maker.begin(dataclasses.replace(same, vocabulary=made.vocabulary))
        evaluated = []
        with contextlib.suppress(Diverged):  # at the highest rate, above guessing at the end
            evaluated += (event for event in maker.training() if hasattr(event, "val"))
        last = evaluated[-1]
        assert (each.rate, each.train, each.val) == (rate, last.train, last.val)
    assert found[0].train == pytest.approx(math.log(len(made.vocabulary)), abs=0.1)


def test_a_rate_that_diverges_does_not_end_the_others() -> None:
    made = plan("bigram", optimizer="sgd", schedule="constant")
    found = list(lr_finder.at_each_rate(made, lr_finder.exponential(0.1, 1e38, 2), 12))
    assert found[0].train is not None and found[1] == Trained(1e38, None, None)
    assert lr_finder.best_of(found) is found[0] and lr_finder.good_range(found) == (0.1, 0.1)
    assert lr_finder.best_of(found[1:]) is None and lr_finder.good_range(found[1:]) is None


def test_what_is_as_good_as_the_best_lies_beside_it() -> None:
    losses = [2.01, 3.0, 2.03, 2.0, 2.039, 2.05]
    found = [Trained(10.0**n, 1.0, loss) for n, loss in enumerate(losses)]
    assert lr_finder.best_of(found) is found[3] and lr_finder.good_range(found) == (100.0, 10_000.0)
    without_val = [Trained(1.0, 3.0, None), Trained(2.0, 2.0, None)]
    assert lr_finder.best_of(without_val) is without_val[1]


# -- charts ---------------------------------------------------------------------------------------


def drawn(figure: Any) -> dict[str, tuple[list[float], list[float]]]:
    (axis,) = figure.axes
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
            for line in axis.get_lines()}  # fmt: skip


@pytest.mark.slow
def test_the_chart_of_a_pass_holds_its_numbers() -> None:
    points = curve(np.linspace(-4, 0, 50), np.linspace(3, 2, 50) ** 2)
    found = Suggestion(1e-3, 1e-2, 1e-1, True)
    figure = rates.one_pass(points, found, 3.3)
    lines = drawn(figure)
    assert lines["batch"] == ([p.rate for p in points], [p.loss for p in points])
    assert lines["smoothed"][1] == lr_finder.smoothed([p.loss for p in points]).tolist()
    assert lines["to try: 0.01"][0] == [1e-2, 1e-2]
    assert lines["guessing: log V = 3.3000"][1] == [3.3, 3.3]
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    (span,) = (patch for patch in axis.patches if "0.001 to 0.1" in patch.get_label())
    assert span.get_x() == 1e-3 and span.get_x() + span.get_width() == pytest.approx(1e-1)
    assert "to try" not in " ".join(drawn(rates.one_pass(points, None, 3.3)))
    made = [png(rates.one_pass, points, None, 3.3, theme=theme) for theme in (LIGHT, DARK)]
    assert made[0] != made[1] and all(body.startswith(b"\x89PNG") for body in made)


def test_the_chart_of_the_exercise_marks_what_has_no_place_on_it() -> None:
    trained = [Trained(1e-3, 2.5, 2.6), Trained(1e-2, 2.0, 2.1), Trained(1e-1, 20.0, 21.0),
               Trained(1.0, None, None)]  # fmt: skip
    lines = drawn(rates.each_rate(trained, 3.3, 1000))
    assert lines["train"] == ([1e-3, 1e-2, 1e-1], [2.5, 2.0, 20.0])
    assert lines["val"] == ([1e-3, 1e-2, 1e-1], [2.6, 2.1, 21.0])
    assert lines["diverged"][0] == [1.0] and lines["above the chart"][0] == [1e-1]
    assert lines["best: 0.01"][0] == [1e-2, 1e-2]
    lost = drawn(rates.each_rate(trained[3:], 3.3, 1000))
    assert lost["diverged"][0] == [1.0] and "train" not in lost


# -- the command ----------------------------------------------------------------------------------

TINY = ("--n-hidden", "8", "--n-embd", "4", "--batch-size", "16", "--threads", "1")


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return "lines.txt"


def test_the_command_shows_a_table_a_chart_and_what_to_type_next(text, call, tmp_path) -> None:
    done = call("lr-find", text, "--model", "mlp", "--seed", "5", *TINY, "--steps", "60")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["step", "rate", "loss", "smoothed"] and 15 <= len(rows) <= 21
    assert rows[0].split()[:2] == ["1", "0.0001"]
    for name in ("lr-find.png", "lr-find-dark.png"):
        assert (tmp_path / "runs" / "lines-mlp-lr-find" / name).read_bytes()[:4] == b"\x89PNG"
    *_, typed_next = done.stderr.splitlines()
    assert "train lines.txt --model mlp" in typed_next and "--learning-rate 0." in typed_next
    assert "--n-hidden 8" in typed_next and "--seed 5" in typed_next
    again = call(*typed_next.split()[1:], "--max-steps", "2", "-o", "r")
    assert again.returncode == 0, again.stderr


def test_json_has_every_step_and_the_suggestion(text: str, call: Call) -> None:
    done = call("lr-find", text, "--model", "mlp", *TINY, "--steps", "40", "--to", "0.1", "--json",
                "-o", "o")  # fmt: skip
    *steps, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [step["step"] for step in steps] == list(range(1, 41))
    assert steps[-1]["rate"] == 0.1 and set(last["suggestion"]) == {"low", "best", "high", "turned"}


def test_the_exercise_compares_the_losses_at_the_end(text: str, call: Call, tmp_path: Path) -> None:
    done = call("lr-find", text, "--model", "mlp", *TINY, "--exercise", "--steps", "10", "-o", "o")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["rate", "train", "val"] and len(rows) == 10
    tried = [float(row.split()[0]) for row in rows]
    np.testing.assert_allclose(tried, np.logspace(-4, 0, 10), rtol=0.01)
    assert sum(row.endswith("best") for row in rows) == 1
    best = next(row for row in rows if row.endswith("best")).split()[2]
    assert float(best) == min(float(row.split()[2]) for row in rows)
    assert (tmp_path / "o" / "exercise.png").is_file()
    assert "within 2 % of the best" in done.stderr


def test_muon_is_told_which_rate_is_searched(text: str, call: Call) -> None:
    done = call("lr-find", text, "--model", "deep_mlp", "--n-layer", "1", *TINY, "--steps", "40")
    assert "--muon-learning-rate is always 2 times it" in done.stderr
    typed_next = done.stderr.splitlines()[-1].split()
    values = dict(zip(typed_next, typed_next[1:], strict=False))
    ratio = float(values["--muon-learning-rate"]) / float(values["--learning-rate"])
    assert ratio == pytest.approx(2, rel=0.05)


WRONG = {
    "--model ngram": "ngram counts", "--model nothing": "nothing", "--from 1 --to 0.1": "FROM",
    "--from 0": "FROM", "--to inf": "FROM", "--from x": "--from", "--steps 0": "--steps",
    "--rates 4": "--exercise", "--schedule cosine": "--exercise", "--max-steps 9": "--max-steps",
    "--exercise --rates 1": "--rates", "--model deep_mlp --batch-size 1": "BatchNorm",
    "--n-embd 7 --n-head 2 --model transformer": "n_head", "--learning-rate 0": "learning_rate",
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_right_is_told_at_once(options: str, text, call: Call, tmp_path) -> None:
    done = call("lr-find", text, *options.split())
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert WRONG[options] in done.stderr.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_every_rate_too_high_is_divergence(text: str, call: Call) -> None:
    done = call("lr-find", text, "--model", "bigram", "--optimizer", "sgd", "--exercise", "--from",
                "1e38", "--to", "2e38", "--rates", "2", "--steps", "10")  # fmt: skip
    assert done.returncode == 6 and "diverged at every rate" in done.stderr
    assert done.stdout.count("-") >= 4


TEXTS = {"one": ["a"] * 3, "few": ["aaa", "aa"], "odd": HOSTILE, "many": HOSTILE * 9 + LINES}


@pytest.mark.parametrize("name", each_kind(TEXTS, ["one"]))
@pytest.mark.parametrize("exercise", ["", "--exercise --rates 2"], ids=["pass", "exercise"])
def test_any_text_goes(name: str, exercise: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "$a_b.txt").write_text("\n".join(TEXTS[name]), encoding="utf-8")
    done = call("lr-find", "$a_b.txt", "--model", "bigram", "--steps", "10", *exercise.split())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "$a_b-bigram-lr-find").is_dir()


def test_a_name_with_a_dash_is_typed_with_one(call: Call) -> None:
    assert "lr-find" in call("--help").stdout and "lr_find" not in call("--help").stdout
    near = call("lr-fnd")
    assert near.returncode == 3 and "did you mean makemore lr-find?" in near.stderr
    assert "did you mean makemore lr-find?" in call("lr_find").stderr
