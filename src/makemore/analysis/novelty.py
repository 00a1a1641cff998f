"""Novelty: which of the lines that a model draws are new, and which are copies."""

from __future__ import annotations

from makemore.api import MakeMore
from makemore.errors import Unsatisfiable
from makemore.text import Corpus

DRAWS = 1000
DRAWS_SEED = 0  # the same draws each time, so that two models are compared by the same luck


def sample_shares(maker: MakeMore) -> dict[str, float]:
    """Shares of 1,000 draws: new, repeated (drawn before), copied (in the text), cut or empty."""
    seen: set[str] = set()
    counts = {"new": 0, "repeated": 0, "copied": 0, "cut or empty": 0}
    for line in maker.samples(DRAWS, DRAWS_SEED, all=True):
        if line.capped or not line.text:
            kind = "cut or empty"
        elif line.origin != "new":
            kind = "copied"
        else:
            kind = "repeated" if line.text in seen else "new"
        seen.add(line.text)
        counts[kind] += 1
    return {kind: number / DRAWS for kind, number in counts.items()}


def copied_from_train(maker: MakeMore) -> float:
    """Share of 1,000 draws that stand in the training part: what was learned by heart.

    `sample_shares` also counts lines of val and test, which a model can only meet by luck.
    """
    draws = maker.samples(DRAWS, DRAWS_SEED, all=True)
    return sum(line.origin == "train" for line in draws) / DRAWS


def new_lines(maker: MakeMore, most: int, seed: int, avoid: Corpus | None = None) -> list[str]:
    """Up to `most` lines that stand nowhere in the text; fewer where no more are found."""
    found: list[str] = []
    try:
        found.extend(line.text for line in maker.samples(most, seed, avoid=avoid))
    except Unsatisfiable:  # a small text, learned by heart: there are no more
        pass
    return found
