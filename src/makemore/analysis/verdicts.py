"""Verdicts: numbers of a training judged by named thresholds, each as a sentence with its number.

A number is rounded first, as its sentence writes it, and judged after: what is read can never
contradict what is said of it. Losses are in nats a symbol, shares in whole percent.

Sources: makemore part 2 (train and dev loss beside each other; one batch learned by heart), part 3
(first loss, saturation, update : data), d2l 3.6 (underfitting, overfitting) and the notes of CS231n
(ratio of updates to weights, around 10^-3). They say what to compare; where they draw no line, the
line is ours, and its comment says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of val, in percent. Part 2 takes 2.126 and 2.170 for nearly the same (2 %), and 1.5 beside 1.6
# (6 %); where a gap becomes wide nobody says: a quarter is ours.
NO_GAP, WIDE_GAP = 7, 25
ROSE = 2  # percent above its best: less is the noise of an evaluation (ours)
HARDLY = 2  # percent between train and log V: less is nothing learned (ours)
# Nats that the first loss may lie above log V. Part 3 mends one that lies 24 above, and has 0.03
# after that; what lies between is ours.
NEAR_GUESSING, FAR_FROM_GUESSING = 0.3, 1.0
# Percent of values, or units, of a layer. About 5 % is what part 3 calls well set; 25 % is ours.
FEW_SATURATED, MANY_SATURATED, MANY_DEAD = 5, 25, 25
# log10 of update : data. Part 3 and CS231n aim at -3; part 3's too slow training lies below -4.
# One power of ten to the other side is ours, and so is a factor of two as "close to it".
GUIDE, TOO_SLOW, TOO_FAST, CLOSE = -3.0, -4.0, -2.0, 0.3
BY_HEART = 90  # percent of the way from the first loss of a batch to the lowest possible one (ours)
AS_GOOD_AS_LOWEST = 0.1  # nats above the lowest: by heart, however short the way was (ours)
MOST_NAMES = 3  # layers or matrices that a sentence names


@dataclass(frozen=True)
class Verdict:
    """Holds what a number means: one word of a small set, and the sentence that says it."""

    kind: str
    text: str


# -- the fit --------------------------------------------------------------------------------------


def fit(
    train: float, val: float, best: tuple[float, float] | None = None, guess: float = math.inf
) -> Verdict:
    """Judge train and val loss: beside guessing, beside the best evaluation, and by their gap.

    best: train and val of the evaluation whose val was lowest; guess: log V, the loss of guessing
    """
    train, val = round(train, 3), round(val, 3)
    both = f"train {train:.3f}, val {val:.3f}"
    below = round(100 * (1 - train / guess)) if math.isfinite(guess) else 100
    if below < -HARDLY:
        return Verdict(
            "worse than guessing",
            f"It is worse than guessing: {both}, and guessing "
            f"has {guess:.3f}. Its steps are too large: try a smaller learning rate.",
        )
    if below < HARDLY:
        return Verdict("nothing learned", f"It has learned next to nothing: {both}, and guessing "
                       f"has {guess:.3f}. Try more steps, or another learning rate.")  # fmt: skip
    if best is not None and (worse := _after_its_best(train, val, best, both)):
        return worse
    gap = round(100 * (val - train) / val) if val else 0
    if gap < -NO_GAP:
        return Verdict("unclear", f"The gap says nothing: {both}, which is {-gap} % below train. "
                       "The lines of val are easier, or too few; learn from another split "
                       "(--seed), or give lines of your own (--val).")  # fmt: skip
    if gap <= NO_GAP:
        near = "train is no lower than val" if gap <= 0 else f"train is {gap} % lower"
        return Verdict("underfits", f"It underfits: {both}; {near}, and up to {NO_GAP} % is nearly "
                       "the same. The number of lines does not hold it back: try a larger model, "
                       "more context or more steps.")  # fmt: skip
    if gap <= WIDE_GAP:
        return Verdict("fits", f"It fits: {both}; train is {gap} % lower, and {NO_GAP} to "
                       f"{WIDE_GAP} % is a healthy gap. val alone says whether a change is "
                       "better.")  # fmt: skip
    return Verdict("overfits", f"It overfits: {both}; train is {gap} % lower, more than "
                   f"{WIDE_GAP} %. It knows the training lines much better than others: try more "
                   "dropout or weight decay, a smaller model or more lines.")  # fmt: skip


def _after_its_best(
    train: float, val: float, best: tuple[float, float], both: str
) -> Verdict | None:
    """Judge a val that ends more than ROSE percent above its best; None for one that does not."""
    train_then, val_then = round(best[0], 3), round(best[1], 3)
    rise = round(100 * (val / val_then - 1)) if val_then > 0 else 0
    if rise <= ROSE:
        return None
    kept = "The weights kept are the best ones, not the last."
    if train > train_then:  # who learns by heart gets better on train
        then = f"{train_then:.3f} and {val_then:.3f}"
        return Verdict("unstable", f"It got worse on both: {both}, after {then} at its best. "
                       f"Try a smaller learning rate. {kept}")  # fmt: skip
    return Verdict("overfits", f"It overfits: {both}, which is {rise} % above its best of "
                   f"{val_then:.3f}. More dropout or weight decay, a smaller model or more lines "
                   f"help. {kept}")  # fmt: skip


def diverged(step: int) -> Verdict:
    """Judge a loss that is no finite number at a step."""
    return Verdict("diverged", f"It diverged: at step {step:,} the loss is no finite number. Try a "
                   "learning rate a tenth of this one.")  # fmt: skip


def first_loss(first: float, vocab_size: int) -> Verdict:
    """Judge the loss before the first step beside that of guessing, log V (part 3)."""
    first, guess = round(first, 2), round(math.log(vocab_size), 2)
    both = f"The first loss is {first:.2f}; guessing among {vocab_size} symbols is {guess:.2f}."
    above = round(first - guess, 2)
    if above > FAR_FROM_GUESSING:
        return Verdict("confidently wrong", f"{both} It starts confidently wrong, {above:.2f} "
                       "above: its first weights are too large (head_scale).")  # fmt: skip
    if above > NEAR_GUESSING:
        return Verdict("somewhat high", f"{both} It starts {above:.2f} above: its first steps only "
                       "make the weights of the last layer smaller (head_scale).")  # fmt: skip
    if above < -NEAR_GUESSING:
        return Verdict("knows something", f"{both} It starts {-above:.2f} below: it knew something "
                       "before its first step.")  # fmt: skip
    return Verdict("as guessing", f"{both} It starts as it should, by guessing.")


# -- inside ---------------------------------------------------------------------------------------


def saturation(saturated: Mapping[str, float], dead: Mapping[str, float]) -> list[Verdict]:
    """Judge the fractions of saturated values and of dead units, by the name of their layer.

    One verdict of each kind that there is too much of; else one that says how little it is.
    """
    full = {name: round(100 * share) for name, share in saturated.items()}
    gone = {name: round(100 * share) for name, share in dead.items()}
    found = []
    if too_dead := _above(gone, MANY_DEAD):
        found.append(Verdict("dead", f"Dead units: {too_dead} pass no gradient back for any line "
                             f"of the batch, more than {MANY_DEAD} %. Smaller first weights "
                             "(gain), BatchNorm or a smaller rate help."))  # fmt: skip
    if too_full := _above(full, MANY_SATURATED):
        found.append(Verdict("saturated", f"Saturated: {too_full}, more than {MANY_SATURATED} %. "
                             "These values lie where the function is flat, and learn slowly. "
                             "Smaller first weights (gain) or BatchNorm help."))  # fmt: skip
    if found or not (full or gone):
        return found
    parts = []
    if full:
        most, name = _most(full)
        few = f"about {FEW_SATURATED} % or less is well set"
        some = f"more than the {FEW_SATURATED} % of a well set layer, and it still learns"
        parts.append(f"at most {most} % of a layer's values are saturated ({name}; "
                     f"{few if most <= FEW_SATURATED else some})")  # fmt: skip
    if gone:
        most, name = _most(gone)
        parts.append(f"at most {most} % of its units are dead ({name})" if most
                     else "no unit is dead")  # fmt: skip
    kind = "somewhat saturated" if full and _most(full)[0] > FEW_SATURATED else "open"
    text = f"{' and '.join(parts)}."
    return [Verdict(kind, text[0].upper() + text[1:])]


def _most(percent: Mapping[str, int]) -> tuple[int, str]:
    """Find the highest percentage, and the first layer that has it."""
    name = max(percent, key=lambda each: percent[each])
    return percent[name], name


def _above(percent: Mapping[str, int], limit: int) -> str:
    """List what lies above the limit, the highest first: `40 % of tanh 1, 30 % of tanh 2`."""
    high = sorted((-share, name) for name, share in percent.items() if share > limit)
    return _listed([f"{-share} % of {name}" for share, name in high])


def _listed(texts: Sequence[str]) -> str:
    """Join texts by commas; of many, the first MOST_NAMES and how many more there are."""
    shown, more = ", ".join(texts[:MOST_NAMES]), len(texts) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def update_ratio(
    typical: float, by_matrix: Mapping[str, float] | None = None, optimizer: str = "adamw"
) -> Verdict:
    """Judge how far steps move the matrices: log10 of update : data, typical and of each matrix."""
    typical = round(typical, 1) + 0.0  # no -0.0
    far = f"A step moves a matrix by about 10^{typical:.1f} of its own size"
    if optimizer == "muon":  # its step goes equally far in every direction of a matrix
        return Verdict("no guide", f"{far}. That is not judged: the guide of 10^{GUIDE:.0f} is one "
                       "for SGD and AdamW, and Muon has none.")  # fmt: skip
    if typical > TOO_FAST:
        kind, says = "too fast", (f", more than 10^{TOO_FAST:.0f}: it overwrites what was learned. "
                                  "Try a smaller learning rate.")  # fmt: skip
    elif typical < TOO_SLOW:
        kind, says = "too slow", (f", less than 10^{TOO_SLOW:.0f}: it learns next to nothing. "
                                  "Try a larger learning rate.")  # fmt: skip
    else:
        kind, says = _beside_the_guide(typical)
    return Verdict(kind, far + says + _outliers(by_matrix or {}))


def _beside_the_guide(typical: float) -> tuple[str, str]:
    """Say where a ratio lies that is neither too fast nor too slow."""
    away = round(typical - GUIDE, 1)
    factor = round(10 ** abs(away))
    guide = f"the guide of 10^{GUIDE:.0f}"
    if abs(away) <= CLOSE:
        return "as usual", f": close to {guide}."
    if away > 0:
        return "fast", (f": {factor} times {guide}, which is fast but usual; beyond "
                        f"10^{TOO_FAST:.0f} it would be too fast.")  # fmt: skip
    return "slow", (f": {factor} times less than {guide}, which is slow but usual; below "
                    f"10^{TOO_SLOW:.0f} it would be too slow.")  # fmt: skip


def _outliers(by_matrix: Mapping[str, float]) -> str:
    """Name the matrices that are too fast or too slow, the farthest from the guide first."""
    rounded = {name: round(ratio, 1) for name, ratio in by_matrix.items()}
    far = sorted(
        (-abs(ratio - GUIDE), name, ratio)
        for name, ratio in rounded.items()
        if ratio > TOO_FAST or ratio < TOO_SLOW
    )
    if not far or len(rounded) == 1:
        return ""
    named = _listed([f"{name} (10^{ratio:.1f})" for _, name, ratio in far])
    return f" Outside of 10^{TOO_SLOW:.0f} to 10^{TOO_FAST:.0f}: {named}."


# -- one batch ------------------------------------------------------------------------------------


def one_batch(first: float, last: float, lowest: float) -> Verdict:
    """Judge whether one batch was learned by heart, by its losses (part 2).

    lowest: the lowest loss that any model can have on this batch
    """
    if not math.isfinite(last):
        return Verdict("diverged", "It does not learn a batch by heart: the loss is no finite "
                       "number. Try a learning rate a tenth of this one.")  # fmt: skip
    first, last, lowest = round(first, 2), round(last, 2), round(lowest, 2)
    losses = f"from {first:.2f} to {last:.2f}; nothing can get below {lowest:.2f}"
    way = round(100 * (first - last) / (first - lowest)) if first > lowest else 100
    if way >= BY_HEART or round(last - lowest, 2) <= AS_GOOD_AS_LOWEST:
        return Verdict("by heart", f"It learns a batch by heart ({losses}): model and loop work.")
    return Verdict("not by heart", f"It does not learn a batch by heart ({losses}): {max(0, way)} "
                   f"% of the way, and {BY_HEART} % is by heart. It sees too little of a line "
                   "(context), is too small, or its learning rate is wrong; give it more steps "
                   "before you judge.")  # fmt: skip
