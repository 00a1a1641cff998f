"""Advice: what the numbers of a training say, in words, and what to try next.

The numbers are those of a run directory: metrics.jsonl, and diagnostics.jsonl where the training
was watched. The rules are those of makemore's lectures 2 and 3; each says what it looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from makemore.runs.logs import Entry

FAR_FROM_UNIFORM = 1.0  # nats that a first loss may lie above log V
NO_GAP, WIDE_GAP = 0.07, 0.25  # of val: below, it underfits; above, it learns train by heart
ROSE = 0.02  # of val: how far above its best it ends where it overfits
MUCH = 0.25  # fraction of saturated or dead units that is worth a word
FAST, SLOW = -2.0, -4.0  # log10 of update : data, around the guide of -3


def advise(metrics: Sequence[Entry], watched: Sequence[Entry], vocab_size: int) -> list[str]:
    """Describe a run in sentences, the most important first. Empty logs give none."""
    sentences = (
        describe_fit(loss_curve(metrics)), describe_first_loss(metrics, vocab_size),
        describe_saturation(watched), describe_updates(watched),
    )  # fmt: skip
    return list(filter(None, sentences))


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


def describe_fit(losses: Sequence[tuple[int, float, float | None]]) -> str:
    """Say whether a model underfits, fits or overfits by its (step, train, val); what to try.

    It overfits where val ends above its best, or train lies far below it; it underfits where both
    are about the same: then a larger model can still gain (makemore part 2).
    """
    both = [(train, val) for _, train, val in losses if val is not None]
    if len(both) < 2:
        return ""
    train, val = both[-1]
    best = min(val for _, val in both)
    gap = f"train {train:.2f}, val {val:.2f}"
    if val > best * (1 + ROSE):  # first: a rise is certain, a gap is a matter of degree
        return (
            f"It overfits: {gap}, and val was {best:.2f} before. More dropout or weight decay, a "
            "smaller model or more lines help; the weights kept are the best ones, not the last."
        )
    if val - train > WIDE_GAP * val:
        return (
            f"It overfits: {gap}. It knows the training lines much better than others: try more "
            "dropout or weight decay, a smaller model or more lines."
        )
    if val - train <= NO_GAP * val:
        return (
            f"It underfits: {gap}, nearly the same. The model is not held back by the amount of "
            "data: try a larger one, more context or more steps."
        )
    return f"It fits: {gap}. Some gap is healthy; val alone says whether a change is better."


def describe_first_loss(metrics: Sequence[Entry], vocab_size: int) -> str:
    """Compare the loss before the first step with that of guessing, log V (makemore part 3)."""
    first = next((e["nll"] for e in metrics if e["kind"] == "train" and e["step"] == 0), None)
    if first is None:
        return ""
    guess = math.log(vocab_size)
    both = f"The first loss is {first:.2f}; guessing among {vocab_size} symbols is {guess:.2f}."
    if first > guess + FAR_FROM_UNIFORM:
        return both + " It starts confidently wrong: its first weights are too large (head_scale)."
    return both + " It starts as it should."


def describe_saturation(watched: Sequence[Entry]) -> str:
    """Name the layers that had many saturated or dead units at the last evaluation."""
    looks = [entry["layers"] for entry in watched if entry["kind"] == "activations"]
    last = looks[-1] if looks else []
    # saturated is None for functions such as relu, which have one flat side and no two ends.
    dead = [layer["name"] for layer in last if layer["dead"] > MUCH]
    full = [layer["name"] for layer in last if (layer["saturated"] or 0) > MUCH]
    if dead:
        return (
            f"Dead units: more than a quarter of {', '.join(dead)} passes no gradient back for any "
            "line of the batch. Smaller first weights (gain), BatchNorm or a smaller rate help."
        )
    if full:
        return (
            f"Saturated: more than a quarter of the values of {', '.join(full)} lie where the "
            "function is flat, and learn slowly. Smaller first weights (gain) or BatchNorm help."
        )
    return "No layer is saturated or dead." if last else ""


def describe_updates(watched: Sequence[Entry]) -> str:
    """Compare how far steps move the matrices, in the middle half of the training, with 1e-3."""
    entries = [entry["parameters"] for entry in watched if entry["kind"] == "update"]
    # The middle half: warm-up and the end of a schedule move less, as they should.
    middle = entries[len(entries) // 4 : max(1, 3 * len(entries) // 4)]
    ratios = [p["update"] for entry in middle for p in entry.values() if p["update"] is not None]
    if not ratios:
        return ""
    typical = median(ratios)
    size = f"A step moves a matrix by about 10^{typical:.1f} of its own size"
    if typical > FAST:
        return size + ": much, around 10^-3 is usual. Try a smaller learning rate."
    if typical < SLOW:
        return size + ": little, around 10^-3 is usual. Try a larger learning rate."
    return size + ", as it should (around 10^-3)."


def describe_overfit_batch(first: float, last: float, lowest: float) -> str:
    """Say whether one batch was learned by heart, by its losses in nats a symbol."""
    losses = f"from {first:.2f} to {last:.2f}; nothing can get below {lowest:.2f}"
    if last - lowest < 0.1 * max(1.0, first - lowest):  # nine tenths of the way
        return f"It learns a batch by heart ({losses}): model and loop work."
    return (
        f"It does not learn a batch by heart ({losses}). It sees too little of a line (context), "
        "is too small, or its learning rate is wrong; give it more steps before you judge."
    )
