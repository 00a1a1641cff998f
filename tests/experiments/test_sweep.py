"""Sweeps: what is tried, what a trial finds, the file it grows, its processes, table and charts."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Call
from makemore import MakeMore
from makemore.errors import RunError, SystemFault, UsageError
from makemore.experiments.presets import PRESETS
from makemore.experiments.sweep import FILE, Sweep, opened
from makemore.experiments.trial import (
    ALL,
    axis,
    digest,
    failure,
    grid,
    plan_of,
    random_draws,
    run_trial,
    with_seeds,
)
from makemore.report.plots import sweeps
from makemore.report.plots.style import DARK, LIGHT, png
from makemore.text.corpus import Corpus
from makemore.text.dataset import Split, train_val_test_split
from warm import Warm

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa", "t"))]
HOSTILE = ["$x_1$", "<script>", "a|b", "שלום", "é🙂", "_~^", "a\u202eb"]
TINY = {"n_hidden": 4, "n_embd": 2, "batch_size": 16, "max_steps": 10, "threads": 1}
FLAGS = tuple(
    word for key, value in TINY.items() for word in ("--" + key.replace("_", "-"), str(value))
)
LESS = FLAGS[2:]  # n_hidden varies


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "makemore.report.plots.style.DPI", 20
    )  # what is drawn is read from the figure


@pytest.fixture(scope="module")
def parts() -> Split:
    return train_val_test_split(Corpus.exactly(LINES))


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return "lines.txt"


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Trials run in this process, without the second that each worker takes to start; a log."""
    ran: list[dict[str, Any]] = []

    def here(sweep: Sweep, missing: list[Any], workers: int) -> Iterator[dict[str, Any]]:
        for trial in missing:
            ran.append(trial)
            try:
                came = run_trial(sweep.model, {**sweep.fixed, **trial}, sweep.parts)
            except Exception as error:
                came = failure(error)
            yield {"id": sweep.id_of(trial), "options": trial, **came}

    monkeypatch.setattr("makemore.experiments.sweep.finished", here)
    return ran


# -- what is tried --------------------------------------------------------------------------------

TYPED = {
    "n_hidden=1,10,100": (1, 10, 100), "n-hidden=5": (5,), " n_embd = 2 , 10 ": (2, 10),
    "learning_rate=1e-3,0.1": (0.001, 0.1), "gain=5/3,1": (5 / 3, 1.0), "data=1/3,1": (1 / 3, 1.0),
    "batch_norm=true,off": (True, False), "grad_clip=none,1": (None, 1.0),
    "batch_size=1,32,all": (1, 32, ALL), "optimizer=sgd,adamw": ("sgd", "adamw"),
    "seed=1,2": (1, 2), "n_symbols=100": (100,), "n_hidden=3,3,4": (3, 4),
}  # fmt: skip


@pytest.mark.parametrize("text", TYPED)
def test_an_axis_is_what_was_typed(text: str) -> None:
    found = axis("mlp", text)
    assert found.values == TYPED[text] and not found.is_range
    assert [type(value) for value in found.values] == [type(value) for value in TYPED[text]]


BAD_AXES = {
    "n_hiden=1": "n_hidden", "n_hidden": "no values", "n_hidden=": "no values", "=1": "unknown",
    "n_hidden=1.5": "whole number", "n_hidden=x": "whole number", "n_hidden=0": "or more",
    "n_hidden=1,,2": "whole number", "gain=1/0": "number", "gain=nan": "finite", "gain=x": "number",
    "batch_norm=maybe": "true or false", "optimizer=adam": "choose", "n_hidden=9..1": "no range",
    "n_hidden=1..1": "no range", "optimizer=a..b": "no range", "seed=1..9": "no range",
    "threads=1,2": "unknown", "keep_copies=true": "unknown", "data=0": "more", "data=2": "less",
    "n_hidden=all": "whole number", "batch_size=1..all": "no range", "n_head=2": "unknown",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_AXES)
def test_an_axis_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=BAD_AXES[text]):
        axis("mlp", text)


def test_a_grid_is_every_combination_the_last_fastest() -> None:
    axes = [axis("mlp", "n_hidden=1,2"), axis("mlp", "gain=0.5,1")]
    assert [tuple(each.values()) for each in grid(axes)] == [(1, 0.5), (1, 1), (2, 0.5), (2, 1)]
    with pytest.raises(UsageError, match="--random"):
        grid([axis("mlp", "n_hidden=1..9")])
    seeded = with_seeds(grid(axes[:1]), [7, 8])
    assert [tuple(each.values()) for each in seeded] == [(1, 7), (1, 8), (2, 7), (2, 8)]


def test_draws_are_even_by_logarithm_where_a_range_is_wide() -> None:
    axes = [axis("mlp", "learning_rate=0.0001..1"), axis("mlp", "gain=1..2"),
            axis("mlp", "n_hidden=1..3"), axis("mlp", "n_embd=2,7")]  # fmt: skip
    drawn = random_draws(axes, 2000, 5)
    assert len(drawn) == 2000
    rates = np.array([each["learning_rate"] for each in drawn])
    assert 0.0001 <= rates.min() and rates.max() <= 1
    shares = [((rates >= 10.0**e) & (rates < 10.0 ** (e + 1))).mean() for e in range(-4, 0)]
    np.testing.assert_allclose(shares, 0.25, atol=0.04)
    gains = np.array([each["gain"] for each in drawn])
    assert abs((gains < 1.5).mean() - 0.5) < 0.04 and gains.min() >= 1 and gains.max() <= 2
    hidden = np.bincount([each["n_hidden"] for each in drawn]) / 2000
    np.testing.assert_allclose(hidden[1:], 1 / 3, atol=0.05)
    assert {each["n_embd"] for each in drawn} == {2, 7}
    assert {type(each["n_hidden"]) for each in drawn} == {int}


def test_more_draws_begin_with_the_fewer_and_none_comes_twice() -> None:
    axes = [axis("mlp", "n_hidden=1..100")]
    few, many = random_draws(axes, 5, 1), random_draws(axes, 50, 1)
    assert many[:5] == few != random_draws(axes, 5, 2)
    assert len({digest(each) for each in many}) == 50
    assert len(random_draws([axis("mlp", "n_hidden=1..3")], 10, 1)) == 3


# -- one trial ------------------------------------------------------------------------------------


def test_a_share_of_the_data_is_its_lowest_hashes_and_nothing_else_changes(parts: Split) -> None:
    for share, lines in ((0.1, 0.1), (1 / 3, 1 / 3), (1.0, 1.0), (1e-9, 0)):
        plan = plan_of("mlp", {**TINY, "batch_size": 2, "data": share}, parts)
        train = plan.split.train
        assert len(train) == max(1, round(lines * len(parts.train)))
        assert plan.split.val is parts.val and plan.split.test is parts.test
        assert plan.config.vocab_size == len(plan.vocabulary) == len(set("".join(LINES))) + 1
        left = np.setdiff1d(parts.train.hashes(), train.hashes())
        assert not len(left) or train.hashes().max() < left.min()
    small, large = (
        set(parts.train.lowest(round(share * len(parts.train)))) for share in (0.2, 0.6)
    )
    assert small < large
    rows = list(parts.train)
    kept = [rows.index(line) for line in parts.train.lowest(round(0.5 * len(parts.train)))]
    assert kept == sorted(kept)
    # The context of a sequence model is the whole text's, too.
    contexts = {plan_of("gru", {"data": share}, parts).config.block_size for share in (0.02, 1.0)}
    assert len(contexts) == 1


def test_all_is_every_window_and_symbols_become_steps(parts: Split) -> None:
    windows = int((parts.train.lengths + 1).sum())
    plan = plan_of("mlp", {**TINY, "batch_size": ALL}, parts)
    assert plan.recipe.batch_size == windows
    assert plan_of("gru", {"batch_size": ALL}, parts).recipe.batch_size == len(parts.train)
    less = {key: value for key, value in TINY.items() if key != "max_steps"}
    for batch, steps in ((1, 1000), (10, 100), (ALL, round(1000 / windows))):
        plan = plan_of("mlp", {**less, "batch_size": batch, "n_symbols": 1000}, parts)
        assert plan.recipe.max_steps == max(1, steps)
    plan = plan_of("gru", {"batch_size": 8, "n_symbols": 10_000}, parts)
    seen = (plan.recipe.max_steps or 0) * 8 * windows / len(parts.train)
    assert seen == pytest.approx(10_000, rel=0.02)
    for model, options in (("mlp", {"max_steps": 5}), ("ngram", {})):
        with pytest.raises(UsageError, match="symbols"):
            plan_of(model, {**options, "n_symbols": 100}, parts)


def test_a_trial_says_what_the_same_training_says(parts: Split) -> None:
    found = run_trial("mlp", TINY, parts)
    maker = MakeMore("mlp", **TINY)
    maker.begin(plan_of("mlp", TINY, parts))
    events = [event for event in maker.training() if hasattr(event, "best")]
    assert found["val"] == maker.report("val")["nll"]
    assert found["train"] == maker.report("train")["nll"]
    assert found["first"] == {"train": events[0].train, "val": events[0].val}
    assert found["last"] == {"train": events[-1].train, "val": events[-1].val}
    assert (found["steps"], found["parameters"]) == (10, maker.n_parameters)
    assert found["best_step"] in (0, 10) and found["nll_unseen"] is None
    drawn = list(maker.samples(1000, 0, all=True))
    assert found["copied"] == sum(line.text in set(parts.train) for line in drawn) / 1000
    assert found["names"] == maker.sample(20, random_state=0) and len(found["names"]) == 20
    assert not set(found["names"]) & set(LINES)
    again = run_trial("mlp", TINY, parts)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


def test_names_are_new_to_the_lines_that_were_left_out_too(parts: Split) -> None:
    found = run_trial("ngram", {"order": 4, "data": 0.5}, parts)
    half = set(parts.train.lowest(round(0.5 * len(parts.train))))
    maker = MakeMore("ngram")
    maker.begin(plan_of("ngram", {"order": 4, "data": 0.5}, parts))
    list(maker.training())
    drawn = [line.text for line in maker.samples(1000, 0, all=True)]
    assert found["copied"] == sum(line in half for line in drawn) / 1000
    assert found["copied"] < sum(line in set(LINES) for line in drawn) / 1000
    assert found["names"] and not set(found["names"]) & set(LINES)


def test_it_never_looks_at_the_test_part(parts: Split) -> None:
    other = Corpus.exactly([line + line for line in parts.test])
    one, two = (run_trial("mlp", TINY, Split(parts.train, parts.val, test))
                for test in (parts.test, other))  # fmt: skip
    keys = ("val", "train", "first", "last", "copied")
    assert {key: one[key] for key in keys} == {key: two[key] for key in keys}


def test_copies_in_val_are_told_apart() -> None:
    train = Corpus.exactly(LINES[:60])
    kept = Split(train, Corpus.exactly(LINES[50:]), train.take(slice(0)))
    found = run_trial("mlp", TINY, kept)
    assert found["nll_unseen"] is not None and found["nll_unseen"] != found["val"]


def test_without_a_val_part_train_is_what_counts() -> None:
    few = train_val_test_split(Corpus.exactly(LINES[:20]))
    found = run_trial("mlp", TINY, few)
    assert found["val"] is None and found["train"] > 0 and found["best_step"] == 10


@pytest.mark.parametrize("lines", [["a"], ["aaa", "aa"], HOSTILE], ids=["a", "two", "hostile"])
def test_any_text_can_be_tried(lines: list[str]) -> None:
    found = run_trial(
        "mlp", {**TINY, "batch_size": ALL}, train_val_test_split(Corpus.exactly(lines))
    )
    assert found["train"] > 0 and len(found["names"]) <= 20


FAILURES = [
    (UsageError("no"), "options", 2), (SystemFault("no"), "system", 5),
    (MemoryError(), "memory", 5),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), "memory", 5),
    (ValueError("x"), "bug", 1),
]  # fmt: skip


@pytest.mark.parametrize("error, kind, code", FAILURES, ids=lambda value: str(value)[:20])
def test_a_failure_says_its_kind(error: Exception, kind: str, code: int) -> None:
    found = failure(error)
    assert (found["kind"], found["code"]) == (kind, code) and found["error"]


# -- presets --------------------------------------------------------------------------------------

EXPECTED = {
    "context": {"block_size": [2, 3, 4, 5]},
    "hidden": {"n_hidden": [1, 10, 50, 100, 300, 1000]},
    "embedding": {"n_embd": [2, 10]},
    "batch": {"batch_size": [1, 32, ALL]},
    "weight-decay": {"weight_decay": [0.0, 0.03, 0.1, 0.3, 1.0, 3.0]},
    "init": {"gain": [0.1, 5 / 3, 6.0], "head_scale": [0.01, 0.1, 1.0]},
    "batch-norm": {"batch_norm": [True, False]},
    "data": {"data": [0.1, 1 / 3, 1.0]},
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_each_preset_is_a_sweep_that_can_be_run(name: str, parts: Split) -> None:
    preset = PRESETS[name]
    axes = [axis(preset.model, text) for text in preset.vary]
    assert {each.key: list(each.values) for each in axes}.items() >= EXPECTED[name].items()
    trials = grid(axes)
    large = Split(Corpus.exactly([line * 60 for line in LINES]), parts.val, parts.test)
    plans = [plan_of(preset.model, {**preset.fixed, **trial}, large) for trial in trials]
    assert len(trials) >= 4 and not set(preset.fixed) & {each.key for each in axes}
    if "n_symbols" not in preset.fixed:  # equal steps of equal batches
        assert len({(plan.recipe.max_steps, plan.recipe.batch_size) for plan in plans}) == 1


def test_a_preset_gives_way_to_what_was_typed() -> None:
    batch = PRESETS["batch"]
    assert batch.fixed_but(()) == dict(batch.fixed)
    assert "n_symbols" not in batch.fixed_but({"max_steps"})
    assert PRESETS["hidden"].fixed_but({"n_symbols"}) == {}
    assert batch.fixed_but({"n_hidden"}) == {"n_symbols": batch.fixed["n_symbols"]}


# -- the file -------------------------------------------------------------------------------------


def tried(split_parts: Split, /, **changes: Any) -> Sweep:
    values: dict[str, Any] = {
        "model": "mlp", "parts": split_parts, "fixed": {"max_steps": 5},
        "axes": (axis("mlp", "n_hidden=1,2"),), "trials": (), **changes,
    }  # fmt: skip
    return Sweep(**values)


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "options": {"n_hidden": number}, "names": ["$\u2028é"], **more}


def test_what_was_appended_is_there_again_and_a_torn_line_is_not(
    parts: Split, tmp_path: Path
) -> None:
    sweep, folder = tried(parts), tmp_path / "s"
    ledger, done = opened(folder, sweep)
    with ledger:
        assert done == {}
        for each in (record(1), record(2, error="x"), record(2, val=float("nan"))):
            ledger.append(each)
    whole = (folder / FILE).read_bytes()
    assert whole.count(b"\n") == 4 and b"NaN" not in whole
    ledger, done = opened(folder, sweep)
    ledger.close()
    assert done == {"1": record(1), "2": record(2, val=None)}  # the later one of a retry counts
    for torn in range(1, 20):
        (folder / FILE).write_bytes(whole[:-torn])
        ledger, done = opened(folder, sweep)
        with ledger:
            assert done["2"] == record(2, error="x")
            ledger.append(record(3))
        ledger, done = opened(folder, sweep)
        ledger.close()
        assert list(done) == ["1", "2", "3"] and done["3"] == record(3)


DIFFER: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"parts": train_val_test_split(Corpus.exactly(LINES[1:]))}, "text is another"),
    "model": ({"model": "gru"}, 'model was "mlp", is "gru"'),
    "draws": ({"random": 3}, "random was not given, is 3"),
    "fixed": ({"fixed": {"max_steps": 6}}, "max_steps was 5, is 6"),
    "axes": ({"axes": ()}, r"n_hidden was \[1, 2\], is not given"),
}


@pytest.mark.parametrize("name", DIFFER)
def test_another_sweep_is_refused_and_what_differs_is_named(
    name: str, parts: Split, tmp_path: Path
) -> None:
    opened(tmp_path, tried(parts))[0].close()
    changes, told = DIFFER[name]
    with pytest.raises(UsageError, match=told):
        opened(tmp_path, tried(parts, **changes))
    (tmp_path / "loss-n_hidden.png").touch()
    ledger, done = opened(tmp_path, tried(parts, **changes), fresh=True)
    ledger.close()
    assert done == {} and os.listdir(tmp_path) == [FILE]


def test_a_file_or_folder_of_something_else_is_left_alone(parts: Split, tmp_path: Path) -> None:
    opened(tmp_path / "s", tried(parts))[0].close()
    path = tmp_path / "s" / FILE
    for body in (path.read_bytes() + b'{"id": 1}\n', b"{}x\n", b'{"a": 1}\n', b"\xff\n"):
        path.write_bytes(body)
        with pytest.raises(RunError):
            opened(tmp_path / "s", tried(parts))
        assert path.read_bytes() == body
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    for folder in (tmp_path / "run", path):
        with pytest.raises(RunError):
            opened(folder, tried(parts))


def test_two_processes_do_not_share_a_folder(parts: Split, tmp_path: Path) -> None:
    opened(tmp_path, tried(parts))[0].close()
    with open(tmp_path / FILE) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemFault, match="another process"):
            opened(tmp_path, tried(parts))


# -- charts ---------------------------------------------------------------------------------------


def trial(val: float | None, train: float | None = 1.0, **options: Any) -> dict[str, Any]:
    return {"options": options, "val": val, "train": train, "copied": 0.1}


def lines(figure: Any, place: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
            for line in figure.axes[place].get_lines()}  # fmt: skip


SCALES = [
    ([1, 10, 1000], "log"), ([2, 3, 4, 5], "linear"), ([0, 0.01, 1], "category"),
    ([True, False], "category"), (["sgd", "adamw"], "category"), ([1, 32, ALL], "category"),
    ([None, 1.0], "category"), ([0, 1, 2], "linear"), ([5], "linear"),
]  # fmt: skip


@pytest.mark.parametrize("values, kind", SCALES, ids=str)
def test_an_axis_is_drawn_as_its_values_ask(values: list[Any], kind: str) -> None:
    assert sweeps.scale(values) == kind
    figure = sweeps.against("k", [trial(2.0 + n, k=v) for n, v in enumerate(values)], 9.9)
    top = figure.axes[0]
    assert top.get_xscale() == ("log" if kind == "log" else "linear")
    xs, ys = lines(figure)["val"]
    assert xs == (list(range(len(values))) if kind == "category" else values)
    assert ys == [2.0 + n for n in range(len(values))]
    labels = [tick.get_text() for tick in top.get_xticklabels()]
    assert labels == [sweeps.written(value) for value in values]


def test_the_chart_holds_the_losses_and_the_share_of_copies() -> None:
    trials = [{**trial(2.5, 2.4, n=1), "copied": 0.01}, {**trial(2.1, 1.9, n=100), "copied": 0.3}]
    figure = sweeps.against("n", trials, 3.3)
    assert lines(figure)["val"] == ([1, 100], [2.5, 2.1])
    assert lines(figure)["train"] == ([1, 100], [2.4, 1.9])
    assert lines(figure, 1)["copied"] == ([1, 100], [0.01, 0.3])


def test_each_combination_of_the_others_is_a_line_and_seeds_are_a_mean() -> None:
    trials = [
        trial(val, gain=gain, n=n, seed=seed)
        for (gain, n, seed), val in zip(
            product((1.0, 2.0), (3, 4), (0, 1)),
            [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            strict=True,
        )
    ]
    drawn = lines(sweeps.against("n", trials, 99.0))
    assert drawn["val, gain=1"] == ([3, 4], [2.5, 4.5])
    assert drawn["val, gain=2"] == ([3, 4], [6.5, 8.5])
    assert drawn["val, each trial"][1] == [2.0, 3.0, 6.0, 7.0, 4.0, 5.0, 8.0, 9.0]


def test_many_combinations_are_points_and_the_lowest() -> None:
    trials = [trial(2.0 + 0.1 * m + n, n=n, m=m) for n in (1, 2) for m in range(9)]
    drawn = lines(sweeps.against("n", trials, 99.0))
    assert drawn["val, lowest"] == ([1, 2], [3.0, 4.0]) and len(drawn["val, each trial"][0]) == 18
    drawn = lines(sweeps.against("n", trials, 99.0, is_range=True))
    assert set(drawn) == {"val, each trial", "train, each trial"}


def test_what_failed_or_lies_above_is_a_mark_at_the_top() -> None:
    failed = {"options": {"n": 3}, "error": "x", "kind": "diverged", "code": 6}
    figure = sweeps.against("n", [trial(2.0, 2.0, n=1), trial(50.0, 50.0, n=2), failed], 3.3)
    drawn = lines(figure)
    assert drawn["failed"][0] == [3] and drawn["above the chart"][0] == [2]
    assert figure.axes[0].get_ylim()[1] < 4
    assert "failed" in lines(sweeps.against("n", [failed], 3.3))


def test_charts_in_both_themes_of_hostile_values_and_without_val() -> None:
    trials = [trial(None, 2.0, k="$x_1$<b>"), trial(None, 2.5, k="\x1b中")]
    drawn = lines(sweeps.against("k", trials, 3.3))
    assert drawn["train"] == ([0, 1], [2.0, 2.5]) and "val" not in drawn
    made = [png(sweeps.against, "k", trials, 3.3, theme=theme) for theme in (LIGHT, DARK)]
    assert made[0] != made[1]


# -- the command ----------------------------------------------------------------------------------


def table(out: str) -> list[dict[str, str]]:
    header, *rows = out.split("\n\n")[0].splitlines()
    names = [name for name in header.split("  ") if name.strip()]
    return [dict(zip(map(str.strip, names), row.replace(" %", "%").split(), strict=False))
            for row in rows]  # fmt: skip


def test_a_sweep_gives_a_table_names_and_charts_and_runs_once(
    text: str, call: Call, inside: list[Any], tmp_path: Path
) -> None:
    command = ("sweep", text, "--model", "mlp", "--vary", "block_size=2,3", *FLAGS, "-o", "s")
    done = call(*command)
    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    records = [json.loads(line) for line in (tmp_path / "s" / FILE).read_text().splitlines()][1:]
    assert [row["block_size"] for row in rows] == ["2", "3"] and len(records) == 2
    for row, found in zip(rows, records, strict=True):
        assert row["val"] == f"{found['val']:.4f}" and row["train"] == f"{found['train']:.4f}"
        assert row["in train"] == f"{100 * found['copied']:.1f}%"
        assert "  ".join(found["names"]) in done.stdout and len(found["names"]) == 20
    best = min(records, key=lambda found: found["val"])["options"]["block_size"]
    (marked,) = (line for line in done.stdout.splitlines() if line.endswith("best"))
    assert marked.split()[0] == str(best)
    for name in ("loss-block_size.png", "loss-block_size-dark.png"):
        assert (tmp_path / "s" / name).read_bytes()[:4] == b"\x89PNG"
    assert len(inside) == 2
    again = call(*command)
    assert (again.stdout, len(inside)) == (done.stdout, 2)
    as_json = call(*command, "--json")
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == records
    assert call(*command[:-1], "t").returncode == 0 and len(inside) == 4
    other = call(*command, "--seed", "4")
    assert other.returncode == 2 and "seed was not given, is 4" in other.stderr and len(inside) == 4
    (tmp_path / "s" / "loss-gone.png").touch()
    assert call(*command, "--seed", "4", "--fresh").returncode == 0 and len(inside) == 6
    assert not (tmp_path / "s" / "loss-gone.png").exists()


def test_a_bad_trial_does_not_stop_the_others(text: str, call: Call, inside: list[Any]) -> None:
    command = ("sweep", text, "--model", "mlp", "--batch-norm", "--vary", "batch_size=1,16,9999",
               *FLAGS[:4], "--max-steps", "5", "--threads", "1")  # fmt: skip
    done = call(*command)
    assert done.returncode == 0 and "2 of 3 trials failed" in done.stderr
    rows = table(done.stdout)
    assert [row["val"] == "-" for row in rows] == [True, False, True]
    assert rows[0]["train"] == "-" and done.stdout.splitlines()[1].endswith("options")
    assert "BatchNorm needs batches of 2" in done.stderr
    call(*command)
    assert len(inside) == 3
    call(*command, "--retry")
    assert [trial["batch_size"] for trial in inside[3:]] == [1, 9999]


def test_where_all_fail_the_exit_code_says_by_what(
    text: str, call: Call, inside: list[Any]
) -> None:
    common = ("sweep", text, "--optimizer", "sgd", "--max-steps", "5", "--threads", "1")
    done = call(*common, "--model", "bigram", "--vary", "learning_rate=1e38,2e38")
    assert done.returncode == 6 and "every trial failed" in done.stderr
    assert all(line.endswith("diverged") for line in done.stdout.splitlines()[1:])
    done = call(*common, "--model", "mlp", "--vary", "batch_size=9998,9999", *FLAGS[:4])
    assert done.returncode == 2 and "every trial failed" in done.stderr


def test_seeds_are_trials_and_their_mean_is_told(text: str, call: Call, inside: list[Any]) -> None:
    done = call("sweep", text, "--model", "mlp", "--vary", "n_hidden=2,4", "--seeds", "2",
                "--seed", "5", *LESS)  # fmt: skip
    assert [(each["n_hidden"], each["seed"]) for each in inside] == list(product((2, 4), (5, 6)))
    rows = table(done.stdout)
    vals = [float(row["val"]) for row in rows]
    assert vals[0] != vals[1]
    _, first, second = done.stdout.split("\n\n")[1].splitlines()
    assert first.startswith("n_hidden=2") and second.startswith("n_hidden=4")
    assert float(first.split()[1]) == pytest.approx(np.mean(vals[:2]), abs=1e-4)
    assert float(first.split()[2]) == pytest.approx(np.std(vals[:2], ddof=1), abs=1e-4)


def test_random_draws_a_count_model_and_a_preset(text: str, call: Call, inside: list[Any]) -> None:
    done = call("sweep", text, "--model", "mlp", "--vary", "learning_rate=0.001..0.1", "--random",
                "3", *FLAGS, "-o", "r")  # fmt: skip
    assert done.returncode == 0 and len(table(done.stdout)) == len(inside) == 3, done.stderr
    assert all(0.001 <= each["learning_rate"] <= 0.1 for each in inside)
    done = call("sweep", text, "--model", "ngram", "--vary", "order=1,2,3", "-o", "n")
    assert done.returncode == 0 and [row["order"] for row in table(done.stdout)] == ["1", "2", "3"]
    done = call("sweep", text, "--preset", "context", *FLAGS, "--vary", "block_size=1,2")
    assert done.returncode == 0 and [each["block_size"] for each in inside[6:]] == [1, 2]
    assert Path("runs/lines-mlp-context-sweep").is_dir()
    listed = call("sweep", "--preset", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(PRESETS)


WRONG = {
    "": "nothing varies", "--vary n_hiden=1": "n_hidden", "--vary n_hidden=1..9": "--random",
    "--vary n_hidden=2 --n-hidden 3": "fixed and varies", "--preset hiden": "hidden",
    "--vary n_hidden=1 --vary n_hidden=2": "twice", "--preset batch-norm --model mlp": "deep_mlp",
    "--vary seed=1,2 --seeds 2": "seeds", "--workers 0": "--workers", "--random 0": "--random",
    "--vary n_hidden=2 --n-head 2": "--n-head", "--vary n_hidden=2 --max-steps 0": "max_steps",
    "--vary n_hidden=2 --save-interval 2": "--save-interval", "--seeds 0": "--seeds",
    "--vary n_hidden=2 --n-symbols 0": "n_symbols",
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_right_is_told_at_once(
    options: str, text: str, call: Call, tmp_path: Path
) -> None:
    model = () if "--model" in options or "--preset" in options else ("--model", "mlp")
    done = call("sweep", text, *model, *options.split())
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert WRONG[options] in done.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == ["lines.txt"]


def test_a_hostile_text_and_one_without_val(call: Call, inside: list[Any], tmp_path: Path) -> None:
    (tmp_path / "$a_b.txt").write_text("\n".join(HOSTILE), encoding="utf-8")
    done = call("sweep", "$a_b.txt", "--model", "mlp", "--vary", "batch_size=4,all", *FLAGS[:4],
                "--max-steps", "3", "--threads", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["val"] for row in table(done.stdout)] == ["-", "-"]
    assert sum(line.endswith("best") for line in done.stdout.splitlines()) == 1


# -- processes ------------------------------------------------------------------------------------

# A model that says in a file when it is made, kills its process, waits until it is killed, or
# prints where answers are read.
PLUGIN = '''
"""A model of a test.

Paper: none
"""
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from torch import nn
from makemore.models.core.registry import register
from makemore.models.core.neural import NeuralModel
from makemore.options import option


@register("watched")
class Watched(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(2, "context", minimum=1)
        width: int = option(1, "what it does", minimum=1)

    input_kind = "window"
    recipe = {"max_steps": 4, "optimizer": "adamw"}

    def __init__(self, vocab_size, block_size, options):
        super().__init__(vocab_size, block_size, options)
        with open("made", "a") as log:
            log.write(f"{options.width} {os.getpid()}\\n")
        print("not an answer", flush=True)
        if options.width == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if options.width == 4 and Path("hold").exists():
            time.sleep(120)
        self.table = nn.Embedding(vocab_size, options.width)
        self.head = nn.Linear(options.width, vocab_size)

    def forward(self, inputs):
        return self.head(self.table(inputs[:, -1]))
'''
SWEEP = ("sweep", "lines.txt", "--plugin", "watched.py", "--model", "watched", "--vary",
         "width=13,3,4,5", "--batch-size", "16", "-o", "s")  # fmt: skip


def prepare(folder: Path) -> None:
    folder.mkdir()
    (folder / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    (folder / "watched.py").write_text(PLUGIN, encoding="utf-8")


def trials_of(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "s" / FILE).read_text().splitlines()[1:]]
    return sorted(({**each, "seconds": 0} for each in found), key=lambda each: each["id"])


def made(folder: Path) -> list[tuple[int, int]]:
    if not (folder / "made").exists():
        return []
    return [tuple(map(int, line.split())) for line in (folder / "made").read_text().splitlines()]  # type: ignore[misc]


def without_seconds(out: str) -> list[list[str]]:
    """Words of a table and its names; the seconds alone have one decimal and no % after it."""
    timed = re.compile(r"(?<![\d.])\d+\.\d(?!\d| %)")
    return [timed.sub("S", line).split() for line in out.splitlines()]


def gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def until(true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_a_sweep_killed_half_way_goes_on_and_runs_no_finished_trial_twice(
    warm: Warm, tmp_path: Path
) -> None:
    """The table, file and names of a sweep that was killed are those of one that was not."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        prepare(folder)
    unbroken = warm.start(*SWEEP, "--workers", "2", cwd=whole)
    assert unbroken.wait() == 0, unbroken.err
    table_of_whole, told = unbroken.out, unbroken.err
    assert sorted(width for width, _ in made(whole)) == [3, 4, 5, 13]
    assert len(trials_of(whole)) == 4 and "1 of 4 trials failed" in told
    (killed,) = (each for each in trials_of(whole) if "error" in each)
    assert (killed["options"], killed["kind"]) == ({"width": 13}, "killed")
    assert "signal 9" in killed["error"]

    (broken / "hold").touch()
    started = warm.start(*SWEEP, "--workers", "1", cwd=broken)
    until(lambda: 4 in dict(made(broken)))  # two are finished, one has begun
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    until(lambda: gone(dict(made(broken))[4]))  # a worker ends with its parent
    assert [each["options"]["width"] for each in map(json.loads, (broken / "s" / FILE)
            .read_text().splitlines()[1:])] == [13, 3]  # fmt: skip
    with open(broken / "s" / FILE, "a") as torn:
        torn.write('{"id": "')
    (broken / "hold").unlink()
    again = warm.start(*SWEEP, "--workers", "1", cwd=broken)
    assert again.wait() == 0, again.err
    assert "4 trials of watched, 2 of them done before" in again.err
    assert [width for width, _ in made(broken)] == [13, 3, 4, 4, 5]
    assert trials_of(broken) == trials_of(whole)
    assert sum(row.count("S") for row in without_seconds(again.out)) == 3
    assert without_seconds(again.out) == without_seconds(table_of_whole)


def test_an_interrupt_leaves_it_to_go_on(warm: Warm, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    prepare(folder)
    (folder / "hold").touch()
    command = tuple(word.replace("13,3,4,5", "3,4") for word in SWEEP)
    started = warm.start(*command, "--workers", "1", cwd=folder)
    until(lambda: 4 in dict(made(folder)))
    os.kill(started.pid, signal.SIGINT)
    assert started.wait() == 130
    assert "the same command goes on" in started.err and "Traceback" not in started.err
    assert gone(dict(made(folder))[4]) and len(trials_of(folder)) == 1
