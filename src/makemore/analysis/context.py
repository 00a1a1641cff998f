"""Context: what a model reads before a symbol, as ids and as people see them. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.api import MakeMore, Plan
from makemore.errors import UsageError
from makemore.models import Model
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY

Symbol = str | None  # None is the boundary; a label, which is read instead of it, is <NAME>


def parts_of(maker: MakeMore) -> tuple[Model, Plan]:
    """Return the model and its plan. Raises UsageError if nothing was learned yet."""
    if maker.model_ is None or maker.plan_ is None:
        raise UsageError("nothing was learned yet", None, "call fit first, or MakeMore.load")
    return maker.model_, maker.plan_


def start_of(maker: MakeMore, text: str, label: str | None) -> int:
    """Return the id that a line starts with: of its label (None: the most probable one), or 0.

    Raises UsageError for a label that is not known.
    """
    if label is None and maker.vocabulary.labels:
        label = str(maker.predict([text])[0])
    return BOUNDARY if label is None else maker.vocabulary.label_id(label)


def inputs_after(model: Model, ids: list[int], start: int = BOUNDARY) -> NDArray[np.int64]:
    """Build the inputs (1, block_size) or (1, T) of `forward` that predict what `step` does.

    start: what is read before these ids, the boundary or a label's id.
    """
    if model.input_kind == "window":
        slot = [start] if model.n_labels else []  # a label takes the first column of every window
        padded = [BOUNDARY] * (model.block_size + 1) + ids
        line = padded[len(padded) - model.block_size + len(slot) :]
        return np.array([[*slot, *line]], dtype=np.int64)
    # `step` of a limited model forgets half of its cache when that is full: so does this.
    history, first, half = [start, *ids], 0, model.block_size // 2
    for end in range(1, len(history)):
        if model.limited and end - first == model.block_size:
            first = end - half
    inputs = history[first:]
    if first and half and model.n_labels:
        inputs[0] = start  # the label stays when the rest is forgotten
    return np.array([inputs], dtype=np.int64)


def symbol_of(vocabulary: Vocabulary, id: int) -> Symbol:
    """Show an id: the text of a symbol, <NAME> for a label, None for the boundary."""
    if id >= len(vocabulary):
        return f"<{vocabulary.labels[id - len(vocabulary)]}>"
    return None if id == BOUNDARY else vocabulary.symbols[id - 1]


def context_of(
    model: Model, vocabulary: Vocabulary, ids: list[int], start: int = BOUNDARY
) -> tuple[Symbol, ...]:
    """List what the model reads after these ids: its window, or the line so far and its start."""
    return tuple(symbol_of(vocabulary, int(id)) for id in inputs_after(model, ids, start)[0])
