"""Advice: what the logs of a training say, in sentences, and what to try next.

It reads the numbers out of metrics.jsonl, and of diagnostics.jsonl where the training was watched;
verdicts.py judges them. The page of `makemore inspect` and the terminal say the same sentences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from makemore.analysis import verdicts
from makemore.analysis.verdicts import Verdict
from makemore.runs.logs import Entry


def advise(
    metrics: Sequence[Entry], watched: Sequence[Entry], vocab_size: int, optimizer: str = "adamw",
    ensemble: bool = False,
) -> list[str]:  # fmt: skip
    """Describe a run in sentences, the most important first. Empty logs give none.

    ensemble: its log is that of one member after another
    """
    return [verdict.text for verdict in judge(metrics, watched, vocab_size, optimizer, ensemble)]


def judge(
    metrics: Sequence[Entry], watched: Sequence[Entry], vocab_size: int, optimizer: str = "adamw",
    ensemble: bool = False,
) -> list[Verdict]:  # fmt: skip
    """Judge the numbers of a run that its logs have, the most important first."""
    # Losses of several models are no curve; and counts know the training lines by heart.
    fit = None if ensemble else judge_fit(loss_curve(metrics), math.log(vocab_size))
    found = [
        judge_divergence(metrics), fit,
        judge_first_loss(metrics, vocab_size), *judge_saturation(watched),
        judge_updates(watched, optimizer),
    ]  # fmt: skip
    return [verdict for verdict in found if verdict is not None]


def loss_curve(metrics: Sequence[Entry]) -> list[tuple[int, float, float | None]]:
    """Collect (step, train, val), nats a symbol, of each evaluation in order; val may be None."""
    losses: dict[int, dict[str, float]] = {}
    for entry in metrics:
        if entry["kind"] in ("train", "val") and entry.get("nll") is not None:
            losses.setdefault(int(entry["step"]), {})[entry["kind"]] = float(entry["nll"])
    # An entry without a finite train loss (null) has nothing to be compared with.
    return [
        (step, parts["train"], parts.get("val"))
        for step, parts in sorted(losses.items())
        if "train" in parts
    ]


def judge_divergence(metrics: Sequence[Entry]) -> Verdict | None:
    """Judge a training whose last loss of some kind is no finite number (null in the log)."""
    last = {e["kind"]: e for e in metrics if e["kind"] in ("batch", "train", "val")}
    steps = [entry["step"] for entry in last.values() if entry.get("nll") is None]
    return verdicts.diverged(min(steps)) if steps else None


def judge_fit(
    losses: Sequence[tuple[int, float, float | None]], guess: float = math.inf
) -> Verdict | None:
    """Judge (step, train, val) of the evaluations; None without two that have a val.

    It overfits where val ends above its best, or train lies far below it; it underfits where both
    are about the same: then a larger model can still gain (makemore part 2).
    """
    both = [(train, val) for _, train, val in losses if val is not None]
    if len(both) < 2:
        return None
    return verdicts.fit(*both[-1], min(both, key=lambda pair: pair[1]), guess)


def describe_fit(losses: Sequence[tuple[int, float, float | None]]) -> str:
    """Say whether a model underfits, fits or overfits by its (step, train, val); what to try."""
    verdict = judge_fit(losses)
    return verdict.text if verdict else ""


def judge_first_loss(metrics: Sequence[Entry], vocab_size: int) -> Verdict | None:
    """Judge the loss before the first step; None where the log does not begin there."""
    first = next((e["nll"] for e in metrics if e["kind"] == "train" and e["step"] == 0), None)
    return None if first is None else verdicts.first_loss(first, vocab_size)


def judge_saturation(watched: Sequence[Entry]) -> list[Verdict]:
    """Judge the layers as they were at the last evaluation."""
    looks = [entry["layers"] for entry in watched if entry["kind"] == "activations"]
    last = looks[-1] if looks else []
    # saturated is None for functions such as relu, which have one flat side and no two ends.
    full = {each["name"]: each["saturated"] for each in last if each["saturated"] is not None}
    return verdicts.saturation(full, {each["name"]: each["dead"] for each in last})


def judge_updates(watched: Sequence[Entry], optimizer: str = "adamw") -> Verdict | None:
    """Judge how far steps move the matrices, by the median of the middle half of the training."""
    entries = [entry["parameters"] for entry in watched if entry["kind"] == "update"]
    # The middle half: warm-up and the end of a schedule move less, as they should.
    middle = entries[len(entries) // 4 : max(1, 3 * len(entries) // 4)]
    ratios: dict[str, list[float]] = {}
    for entry in middle:
        for name, ratio in entry.items():
            if ratio["update"] is not None:
                ratios.setdefault(name, []).append(ratio["update"])
    if not ratios:
        return None
    typical = median(ratio for each in ratios.values() for ratio in each)
    by_matrix = {name: median(each) for name, each in ratios.items()}
    return verdicts.update_ratio(typical, by_matrix, optimizer)


def describe_overfit_batch(first: float, last: float, lowest: float) -> str:
    """Say whether one batch was learned by heart, by its losses in nats a symbol."""
    return verdicts.one_batch(first, last, lowest).text
