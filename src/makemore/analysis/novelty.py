"""Novelty: which of the lines that a model draws are new, and which are copies."""

from __future__ import annotations

from contextlib import suppress

from makemore.api import MakeMore
from makemore.errors import Unsatisfiable
from makemore.text import Corpus

DRAWS = 1000
DRAWS_SEED = 0  # the same draws each time, so that two models are compared by the same luck


def sample_shares(maker: MakeMore) -> dict[str, float]:
    """Classify 1,000 draws: the fractions new, repeated, copied from the text, cut or empty."""
    seen: set[str] = set()
    counts = {"new": 0, "repeated": 0, "copied": 0, "cut or empty": 0}
    for line in maker.samples(DRAWS, DRAWS_SEED, all=True, style="plain"):
        # A line has one kind: a cut one is neither new nor a copy, whatever its text.
        if line.capped or not line.text:
            kind = "cut or empty"
        elif line.origin != "new":
            kind = "copied"
        else:
            kind = "repeated" if line.text in seen else "new"
        seen.add(line.text)
        counts[kind] += 1
    return {kind: count / DRAWS for kind, count in counts.items()}


def copied_from_train(maker: MakeMore) -> float:
    """Compute the fraction of 1,000 draws that are training lines: what was learned by heart.

    `sample_shares` also counts lines of val and test, which a model can only meet by luck.
    """
    draws = maker.samples(DRAWS, DRAWS_SEED, all=True, style="plain")
    return sum(line.origin == "train" for line in draws) / DRAWS


def new_lines(maker: MakeMore, most: int, seed: int, avoid: Corpus | None = None) -> list[str]:
    """Draw up to `most` lines that are not in the text; fewer where there are no more."""
    lines: list[str] = []
    with suppress(Unsatisfiable):  # a small text, learned by heart: those before the error stay
        lines.extend(line.text for line in maker.samples(most, seed, avoid=avoid, style="plain"))
    return lines
