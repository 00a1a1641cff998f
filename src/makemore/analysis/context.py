"""Context: what a model reads before a symbol, as ids and as people see them. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.api import MakeMore, Plan
from makemore.errors import UsageError
from makemore.models import Model
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY

Symbol = str | None  # None is the boundary; a label, which stands in its place, is <NAME>


def parts_of(maker: MakeMore) -> tuple[Model, Plan]:
    """The model and its plan. Raises UsageError if nothing was learned yet."""
    if maker.model_ is None or maker.plan_ is None:
        raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
    return maker.model_, maker.plan_


def start_of(maker: MakeMore, text: str, label: str | None) -> int:
    """The id that a line starts with: its label's (the likeliest, if none is given), or 0.

    Raises UsageError for a label that is not known.
    """
    if label is None and maker.vocabulary.labels:
        label = str(maker.predict([text])[0])
    return BOUNDARY if label is None else maker.vocabulary.label_id(label)


def inputs_after(model: Model, ids: list[int], start: int = BOUNDARY) -> NDArray[np.int64]:
    """(1, block_size) or (1, T): what `forward` reads to say what `step` says after these ids.

    start: what is read before them, the boundary or a label's id.
    """
    if model.input_kind == "window":
        slot = [start] if model.n_labels else []
        padded = [BOUNDARY] * (model.block_size + 1) + ids
        line = padded[len(padded) - model.block_size + len(slot) :]
        return np.array([[*slot, *line]], dtype=np.int64)
    history, first, half = [start, *ids], 0, model.block_size // 2
    for end in range(1, len(history)):
        if model.limited and end - first == model.block_size:  # no place is left: half stays
            first = end - half
    inputs = history[first:]
    if first and half and model.n_labels:
        inputs[0] = start
    return np.array([inputs], dtype=np.int64)


def symbol_of(vocabulary: Vocabulary, number: int) -> Symbol:
    if number >= len(vocabulary):
        return f"<{vocabulary.labels[number - len(vocabulary)]}>"
    return None if number == BOUNDARY else vocabulary.symbols[number - 1]


def context_of(
    model: Model, vocabulary: Vocabulary, ids: list[int], start: int = BOUNDARY
) -> tuple[Symbol, ...]:
    """What the model reads after these ids: its window, or the line so far and its start."""
    read = inputs_after(model, ids, start)[0]
    return tuple(symbol_of(vocabulary, int(number)) for number in read)
