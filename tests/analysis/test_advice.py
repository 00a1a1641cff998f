"""What the numbers of a training say in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from makemore.analysis.advice import (
    advise,
    describe_fit,
    describe_overfit_batch,
    judge,
    loss_curve,
)
from makemore.errors import RunError
from makemore.runs.logs import read_diagnostics, read_metrics

Curve = list[tuple[int, float, float | None]]


def losses(train: list[float], val: list[float]) -> Curve:
    return [(step, a, b) for step, (a, b) in enumerate(zip(train, val, strict=True))]


@pytest.mark.parametrize(
    "train, val, word",
    [
        ([2.3, 2.0, 1.8, 1.6], [2.5, 2.2, 2.0, 1.9], "It fits"),  # the notes' healthy training
        ([2.3, 1.5, 0.8, 0.3], [2.5, 2.3, 2.4, 2.5], "It overfits"),  # and their other one
        ([3.3, 2.0, 1.5], [3.3, 2.1, 1.6], "It underfits"),  # exercise: 1.5 and 1.6
        ([3.3, 2.14, 2.126], [3.3, 2.18, 2.170], "It underfits"),  # lecture 2's MLP
        ([3.3, 1.0], [3.3, 1.9], "It overfits"),  # val never rose, and train is far below
    ],
)
def test_the_fit(train: list[float], val: list[float], word: str) -> None:
    told = describe_fit(losses(train, val))
    assert told.startswith(word)
    assert f"val {val[-1]:.2f}" in told


def test_no_verdict_without_val_or_with_one_look() -> None:
    assert describe_fit([]) == ""
    assert describe_fit([(0, 3.3, None), (1, 2.0, None)]) == ""
    assert describe_fit(losses([3.3], [3.3])) == ""
    assert advise([], [], 27) == advise([], [step(None)], 27) == []  # nothing moved


def test_no_verdict_on_the_fit_of_an_ensemble() -> None:
    """Its log is that of several models, and counts among them know the training lines by heart."""
    fitted = [
        {"step": step, "kind": kind, "nll": nll}
        for step, both in ((0, (3.3, 3.3)), (20, (0.8, 2.1)))
        for kind, nll in zip(("train", "val"), both, strict=True)
    ]
    assert advise(fitted, [], 27)[0].startswith("It overfits")
    assert not any("overfit" in said for said in advise(fitted, [], 27, ensemble=True))


def metrics(first: float) -> list[dict[str, Any]]:
    return [
        {"step": 0, "kind": "train", "nll": first}, {"step": 0, "kind": "val", "nll": first},
        {"step": 1, "kind": "batch", "nll": 2.5}, {"step": 2, "kind": "val", "nll": None},
        {"step": 2, "kind": "train", "nll": 2.0},
    ]  # fmt: skip


def test_the_first_loss() -> None:
    assert any("starts as it should" in said for said in advise(metrics(3.31), [], 27))
    assert any("confidently wrong" in said for said in advise(metrics(27.0), [], 27))
    assert loss_curve(metrics(3.3)) == [(0, 3.3, 3.3), (2, 2.0, None)]


def look(saturated: float | None, dead: float) -> dict[str, Any]:
    layer = {"name": "tanh 1", "saturated": saturated, "dead": dead}
    return {"kind": "activations", "step": 5, "layers": [layer]}


def step(update: float | None) -> dict[str, Any]:
    return {"kind": "update", "step": 1, "parameters": {"head.weight": {"update": update}}}


@pytest.mark.parametrize(
    "entries, said",
    [
        ([look(0.02, 0.0)], "At most 2 % of a layer's values are saturated (tanh 1"),
        ([look(0.9, 0.0)], "Saturated: 90 % of tanh 1, more than 25 %"),
        ([look(None, 0.5)], "Dead units: 50 % of tanh 1"),
        ([look(0.9, 0.0), look(0.1, 0.0)], "At most 10 %"),  # the last look counts
        ([step(-3.1)] * 4, "10^-3.1 of its own size: close to the guide"),
        ([step(-1.5)] * 4, "smaller learning rate"),
        ([step(-4.5)] * 4, "larger learning rate"),
        ([step(-1.0), step(-3.0), step(-3.0), step(-9.0)], "close to"),  # the middle half
    ],
)
def test_what_was_watched(entries: list[dict[str, Any]], said: str) -> None:
    told = advise([], entries, 27)
    assert len(told) == 1 and said in told[0]


def test_one_matrix_far_from_the_others_is_named() -> None:
    quiet = {f"hidden.{number}.weight": {"update": -3.0} for number in range(4)}
    loud = {"head.weight": {"update": -1.5}, "still.weight": {"update": None}}
    entry = {"kind": "update", "step": 1, "parameters": {**quiet, **loud}}
    (told,) = advise([], [entry] * 4, 27)
    assert "about 10^-3.0" in told and told.endswith("Outside of 10^-4 to 10^-2: head.weight "
                                                     "(10^-1.5).")  # fmt: skip


def test_a_loss_that_is_no_number_comes_first() -> None:
    entries = [*metrics(3.31), {"step": 30, "kind": "batch", "nll": None},
               {"step": 40, "kind": "val", "nll": None}]  # fmt: skip
    kinds = [verdict.kind for verdict in judge(entries, [], 27)]
    assert kinds[0] == "diverged" and "step 30 the loss is no finite" in advise(entries, [], 27)[0]
    # One in the middle of a training that went on is not its end.
    entries += [{"step": 50, "kind": kind, "nll": 2.0} for kind in ("batch", "train", "val")]
    assert "diverged" not in [verdict.kind for verdict in judge(entries, [], 27)]


def test_one_batch() -> None:
    assert "learns a batch by heart" in describe_overfit_batch(3.3, 0.21, 0.18)
    assert "does not learn a batch" in describe_overfit_batch(3.3, 1.8, 0.18)


def test_logs_are_read_line_by_line(tmp_path: Path) -> None:
    assert read_diagnostics(tmp_path) == read_metrics(tmp_path) == []
    entry = {"kind": "val", "step": 3, "nll": 2.5}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(entry) + '\n{"kind": "va')
    assert read_metrics(tmp_path) == [entry]  # the torn line is still being written


@pytest.mark.parametrize("line", ["[]", "{}", "no json", '{"kind": 1e999, "step": 1}', "3"])
def test_a_damaged_log_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "diagnostics.jsonl").write_text('{"kind": "update", "step": 1}\n' + line + "\n")
    with pytest.raises(RunError, match="line 2"):
        read_diagnostics(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}\n")
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="link"):
        read_metrics(tmp_path)
