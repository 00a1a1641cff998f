"""Experiments of the page: they start as Python's, keep in step, and say no more than they saw."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import torch

from makemore.analysis.diagnostics import SATURATED
from makemore.experiments.presets import LECTURE, PRESETS
from makemore.models.mlp import MLP
from makemore.scoring.neural_scorer import neural_surprisals
from makemore.text import Corpus, Vocabulary, train_val_test_split
from makemore.text.builtin_lists import builtin_names
from makemore.training.device import seeded
from page_scripts import run_script

WASM = Path(__file__).parents[2] / "src/makemore/web/static/page.wasm"
SCRIPT = "experiments.mjs"
Outcome = dict[str, Any]


def outcome(**some: Any) -> Outcome:
    """A side of an experiment that ended well on 100 unseen lines of 7 symbols, 2.2 nats each."""
    unseen = some.pop("unseen", 2.2)
    start = {
        "engine": "wasm", "parameters": 100, "vocabSize": 27, "saturated": 0.2, "counts": 2.1,
        **some.pop("start", {}),
    }  # fmt: skip
    # Lines differ, equally on both sides, as those of a list do.
    lines = [] if unseen is None else [7 * unseen + 3 * math.sin(line) for line in range(100)]
    drift = (7 * unseen * 100 - sum(lines)) / 100 if lines else 0.0
    return {
        "start": start, "step": 3000, "of": 3000, "seconds": 2.0, "symbols": 96_000,
        "diverged": False, "first": 3.3, "own": 2.2, "nats": [line + drift for line in lines],
        "lengths": [7] * len(lines), "batches": [2.2 + 0.1 * (at % 2) for at in range(100)], **some,
    }  # fmt: skip


UNSURE = "as unsure of each letter as of 9.0 equally likely ones, {} as of 13.5."
CASES: dict[str, tuple[Outcome, Outcome, list[str]]] = {
    "level": (
        outcome(), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "A is lower": (
        outcome(), outcome(unseen=2.6, own=2.6),
        ["On unseen lines A is lower, 2.20 against 2.60: " + UNSURE.format("B")],
    ),
    "B is lower": (
        outcome(unseen=2.6, own=2.6), outcome(),
        ["On unseen lines B is lower, 2.20 against 2.60: " + UNSURE.format("A")],
    ),
    "nothing was done": (outcome(step=0), outcome(step=0), []),
    "stopped on the way": (
        outcome(step=1050), outcome(step=1050),
        ["After 1,050 of 3,000 steps:",
         "On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "a naive start": (
        outcome(first=26.43, start={"saturated": 0.72}, unseen=2.6, own=2.6), outcome(),
        ["On unseen lines B is lower, 2.20 against 2.60: " + UNSURE.format("A"),
         "A began at 26.43, far above log V = 3.30, sure of letters before it had seen any; 72 % "
         "of its hidden values saturated: hardly any gradient passes them."],
    ),
    "a loud head alone": (
        outcome(), outcome(first=12.0),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows.",
         "B began at 12.00, far above log V = 3.30, sure of letters before it had seen any."],
    ),
    "saturated alone": (
        outcome(start={"saturated": 0.72}), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows.",
         "A began at 3.30 with 72 % of its hidden values saturated: hardly any gradient passes "
         "them."],
    ),
    "no tanh": (
        outcome(start={"saturated": None}), outcome(start={"saturated": None}),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "exploded": (
        outcome(diverged=True, step=12, unseen=float("nan"), own=float("nan")), outcome(),
        ["A exploded after 12 steps: they are too large."],
    ),
    "worse than nothing": (
        outcome(unseen=6.9, own=5.9), outcome(unseen=6.9, own=5.9),
        ["A ends at 6.90, worse than knowing nothing (log V = 3.30).",
         "B ends at 6.90, worse than knowing nothing (log V = 3.30).",
         "On unseen lines both are level: 6.90 and 6.90 differ no more than chance allows."],
    ),
    "by heart": (
        outcome(own=1.0), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows.",
         "A does better on its own lines than on unseen ones, 1.00 against 2.20: in part by "
         "heart."],
    ),
    "a gap that chance explains": (
        outcome(own=2.15), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "a noisy curve": (
        outcome(batches=[2.2 + 0.4 * (at % 2) for at in range(100)]), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows.",
         "From point to point the curve of A jumps by 0.40, that of B by 0.10."],
    ),
    "too few points for noise": (
        outcome(batches=[2.2 + 0.4 * (at % 2) for at in range(10)]), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "dear steps": (
        outcome(seconds=0.8, symbols=3000), outcome(seconds=17.84, symbols=768_000),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows.",
         "Its steps took A 0.8 s for 3,000 letters, B 17.8 s for 768,000."],
    ),
    "too short to compare times": (
        outcome(seconds=0.2), outcome(seconds=0.9),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "counts make no steps": (
        outcome(seconds=0.0, symbols=0, batches=[]), outcome(),
        ["On unseen lines both are level: 2.20 and 2.20 differ no more than chance allows."],
    ),
    "no unseen lines": (
        outcome(unseen=None), outcome(unseen=None),
        ["The list is too short to keep lines unseen: nothing tells which does better on others."],
    ),
}  # fmt: skip


def jsonable(side: Outcome) -> Outcome:
    """JSON has no NaN: what is no number is null, as it is to the page's JavaScript."""
    return {
        key: None if isinstance(value, float) and math.isnan(value)
        else [None if math.isnan(each) else each for each in value] if key == "nats" else value
        for key, value in side.items()
    }  # fmt: skip


def test_what_was_seen_is_what_the_figures_bear_out(tmp_path: Path) -> None:
    cases = [[jsonable(a), jsonable(b)] for a, b, _ in CASES.values()]
    said = run_script(SCRIPT, {"task": "seen", "cases": cases}, tmp_path)
    assert dict(zip(CASES, said, strict=True)) == {
        name: sentences for name, (_, _, sentences) in CASES.items()
    }


def test_a_difference_has_its_standard_error_over_lines(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(3, 12, 400)
    noise = rng.normal(0, 1.0, (2, 400)) + rng.normal(0, 5.0, 400)  # what is common cancels out
    case = {"task": "error", "a": list(noise[0]), "b": list(noise[1]), "lengths": lengths.tolist()}
    found = run_script(SCRIPT, case, tmp_path)
    differences = noise[0] - noise[1]
    picks = rng.integers(0, 400, (4000, 400))  # bootstrap
    resampled = differences[picks].sum(1) / lengths[picks].sum(1)
    assert found == pytest.approx(resampled.std(), rel=0.1)


def test_links_carry_settings_and_wrong_ones_are_left_out(tmp_path: Path) -> None:
    whole = "GRU-5-16-naive-SGD-0.25-4-7"
    links = [whole, "MLP", "counts", "MLP-9-0-x-y-1000-0.5--3", "mlp-1", "", "MLP-1-10" + "-" * 99]
    found = run_script(SCRIPT, {"task": "links", "links": links}, tmp_path)
    normal = {
        "kind": "MLP", "context": 3, "hidden": 200, "start": "calm", "optimizer": "AdamW",
        "rate": 0.005, "batch": 32, "seed": 1, "again": "MLP-3-200-calm-AdamW-0.005-32-1",
    }  # fmt: skip
    assert found[0] == {
        "kind": "GRU", "context": 5, "hidden": 16, "start": "naive", "optimizer": "SGD",
        "rate": 0.25, "batch": 4, "seed": 7, "again": whole,
    }  # fmt: skip
    assert found[1] == found[3] == normal
    assert found[2]["kind"] == "counts"
    assert found[4] is found[5] is None
    assert found[6] == normal | {
        "context": 1, "hidden": 10, "again": "MLP-1-10-calm-AdamW-0.005-32-1",
    }  # fmt: skip


def test_presets_have_the_sizes_of_pythons(tmp_path: Path) -> None:
    presets = {each["title"]: each for each in run_script(SCRIPT, {"task": "presets"}, tmp_path)}
    for title, each in presets.items():
        assert each["again"] == title  # by its links
        assert each["look"].endswith(".") and 1 < each["steps"] <= 3000
    options = {title: [r["options"] for r in each["requests"]] for title, each in presets.items()}
    naive, calm = options["First weights"]
    # As PRESETS["init"] has it; what the page leaves out is as MLP.Options has it.
    assert (naive["gain"], naive["head_scale"]) == (6, 1)
    assert PRESETS["init"].vary == ("gain=0.1,5/3,6", "head_scale=0.01,0.1,1")
    assert "gain" not in calm and "head_scale" not in calm
    for title in ("First weights", "Learning rate"):
        rates = [each["learningRate"] for each in presets[title]["requests"]]
        assert LECTURE["optimizer"] == "sgd" and rates[0] == LECTURE["learning_rate"]
        assert all(each["sgd"] for each in presets[title]["requests"])
    assert options["Batch"][0]["n_hidden"] == PRESETS["batch"].fixed["n_hidden"]
    assert [each["batchSize"] for each in presets["Batch"]["requests"]] == [1, 256]
    assert all(each["n_embd"] == MLP.Options().n_embd for each in options["Context"])


def names() -> list[str]:
    return list(builtin_names())[::6]


def start_of_python(gain: float, head_scale: float, seed: int) -> tuple[float, float]:
    """First loss on the validation lines and saturated share of an MLP of Python."""
    split = train_val_test_split(Corpus.from_lines(names()))
    vocabulary = Vocabulary.of(part for _, part in split)
    with seeded(seed):
        options = MLP.Options(gain=gain, head_scale=head_scale)
        model = MLP(len(vocabulary), options.block_size, options).eval()
    val = vocabulary.encode(split.val)
    nats = neural_surprisals(model, val.ids, val.offsets, None)
    windows = []
    train = vocabulary.encode(split.train)
    for first, last in zip(train.offsets[:80], train.offsets[1:81], strict=True):
        line = [0, 0, 0, *train.ids[first:last].tolist()]
        windows += [line[at : at + 3] for at in range(len(line) - 2)]
    with torch.no_grad():
        hidden = torch.tanh(model.hidden(model.embedding(torch.tensor(windows)).flatten(1)))
    return float(nats.mean()), float((hidden.abs() > SATURATED).float().mean())


@pytest.mark.slow
@pytest.mark.parametrize("start, gain, scale", [("naive", 6.0, 1.0), ("calm", 5 / 3, 0.01)])
def test_weights_start_as_pythons_do(tmp_path: Path, start: str, gain: float, scale: float) -> None:
    seeds = list(range(1, 13))
    case = {
        "task": "starts", "wasm": str(WASM), "lines": names(), "seeds": seeds,
        "settings": [{"start": start}],
    }  # fmt: skip
    [page] = run_script(SCRIPT, case, tmp_path)
    python = [start_of_python(gain, scale, seed) for seed in seeds]
    for theirs, ours in (
        ([first for first, _ in python], [each["first"] for each in page]),
        ([share for _, share in python], [each["saturated"] for each in page]),
    ):
        error = math.hypot(stdev(theirs), stdev(ours)) / len(seeds) ** 0.5
        print(f"{start}: Python {mean(theirs):.3f}, page {mean(ours):.3f}, error {error:.3f}")
        assert abs(mean(theirs) - mean(ours)) < 4 * error + 0.002
    if start == "naive":
        assert all(20 < each["first"] < 33 and each["saturated"] > 0.6 for each in page)


@pytest.mark.slow
def test_calm_starts_are_near_log_v(tmp_path: Path) -> None:
    settings = [
        *({"context": size} for size in (1, 3, 8)), *({"hidden": size} for size in (1, 300)),
        {"start": "saturated"}, {"kind": "GRU", "hidden": 1}, {"kind": "GRU", "hidden": 300},
    ]  # fmt: skip
    case = {"task": "starts", "wasm": str(WASM), "lines": names(), "seeds": [1, 2, 3]}
    for found in run_script(SCRIPT, case | {"settings": settings}, tmp_path):
        for each in found:
            assert abs(each["first"] - math.log(each["vocabSize"])) < 0.1


@pytest.mark.slow
def test_stops_on_the_way_change_nothing(tmp_path: Path) -> None:
    case = {
        "task": "stops", "lines": names()[:200], "setting": {"context": 2, "hidden": 10},
        "steps": 100, "stops": [[0, 50, 100], [0, *range(1, 101)]],
    }  # fmt: skip
    runs = {}
    for kind, wasm in (("wasm", str(WASM)), ("js", None)):
        at_once, slowly = run_script(SCRIPT, case | {"wasm": wasm}, tmp_path)
        assert at_once["kind"] == kind
        last, also_last = at_once["points"][-1], slowly["points"][-1]
        assert last["step"] == also_last["step"] == 100
        assert last["exact"] == also_last["exact"] and last["exact"]["samples"]
        evaluated = [point["step"] for point in slowly["points"] if "exact" in point]
        assert evaluated == list(range(0, 101, 5))  # the same steps, whoever trains
        batches = [point["batches"] for point in slowly["points"][1:]]
        assert at_once["points"][1]["batches"] == pytest.approx(mean(batches[:50]))
        runs[kind] = last["exact"]["unseen"]
    assert runs["js"] == pytest.approx(runs["wasm"], abs=1e-3)


@pytest.mark.parametrize("kind, options", [("mlp", {"n_hidden": 8}), ("gru", {"n_hidden": 5})])
def test_sgd_goes_against_the_gradient(tmp_path: Path, kind: str, options: dict[str, int]) -> None:
    case = {"task": "descent", "kind": kind, "options": options | {"dropout": 0}, "rate": 0.5}
    found = run_script(SCRIPT, case | {"wasm": str(WASM)}, tmp_path)
    assert found["moved"] > 1e-3
    assert found["far"] < 1e-6


def test_a_training_that_explodes_says_so_and_stands(tmp_path: Path) -> None:
    case = {
        "task": "explodes", "wasm": str(WASM), "lines": names()[:200], "rate": 1e38,
        "setting": {"optimizer": "SGD"},
    }  # fmt: skip
    start, exploded, still = run_script(SCRIPT, case, tmp_path)
    assert not start["diverged"]
    assert exploded["diverged"] and exploded["step"] < 20 and exploded["samples"] == 0
    assert still == exploded
