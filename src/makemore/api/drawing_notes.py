"""Drawing notes: what a person should know of the lines that are drawn, beside the lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from makemore.sampling import Sampler
from makemore.sampling.constraints.spelling import as_in_text
from makemore.text import Vocabulary

UNLEARNED = "warning: this run has learned nothing yet: its lines are noise"


def spelling_note(what: str, text: str) -> str:
    """Say that accents were typed in another way than the text has them."""
    as_one = unicodedata.is_normalized("NFC", text)
    form = "in one character with their letters" if as_one else "as characters of their own"
    return f"{what}: accents are taken as the text has them, {form}"


def notes_before(
    vocabulary: Vocabulary, best_step: int, constraints: Mapping[str, Any]
) -> list[str]:
    """Say how conditions are spelled in the text, and that a run has learned nothing yet.

    best_step: the step of the weights that lines are drawn from
    """
    notes = [
        spelling_note(f"--{name}", value)
        for name, value in as_in_text(vocabulary, constraints).items()
        if value != constraints[name]
    ]
    return [*notes, UNLEARNED] if best_step == 0 else notes


def notes_after(sampler: Sampler) -> list[str]:
    """Say how many lines were too near, how many are not tidy, and if draws were approximate."""
    tally, notes = sampler.tally, list[str]()
    if sampler.shard and sampler.wanted is not None:
        notes.append(
            f"shard {sampler.shard}: {sampler.wanted:,} of {sampler.requested:,} lines are its part"
        )
    if (tidy := sampler.found_strict) is not None:
        notes.append(
            f"{tidy} tidy lines were left, so the others are plain; --style tidy gives no others"
        )
    if near := tally.too_near:
        lines = "line" if near == 1 else "lines"
        notes.append(f"{near} {lines} refused: too near to one of the text")
    if tally.guided:
        notes.append(
            f"only {tally.passed} of {tally.draws - tally.guided} draws satisfied all "
            "conditions, so the others were led to it: approximate, effective sample size "
            f"{tally.effective:.0f} of {tally.guided} draws; --exact waits instead"
        )
    if tally.degenerate:
        notes.append(f"warning: {tally.degeneracy}")
    return notes
