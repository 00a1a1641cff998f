"""Teacher: what may follow, by all of the train part, beside the one symbol that does follow here.

A line shows one of the symbols that could come next; to follow that one alone is to follow chance.
The train part knows more: what followed in the other lines that begin alike, and what Kneser-Ney
counts expect after the last symbols. A model that learns from such soft targets needs fewer steps,
and learns fewer lines by heart. It stays what it is: nothing of this is left in it.

Papers: Hinton et al. 2015, Distilling the Knowledge in a Neural Network (soft targets); Szegedy et
al. 2016 (label smoothing); Xie et al. 2017 (Kneser-Ney smoothing of a neural network's data)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.batches import IGNORED
from makemore.corpus import Corpus
from makemore.models.base import CountModel
from makemore.models.labelled import LabelledCounts
from makemore.models.ngram import NGram
from makemore.vocabulary import BOUNDARY, Encoded, Vocabulary

ORDER = 7  # of the counts: 5 is 0.006 nats a symbol worse on names.txt, 8 and 9 no better
MOST_SYMBOLS = 2**22  # of a train part that is counted for this: a second or two
MOST_CELLS = 2**24  # states times symbols of a table: 130 MB, and twice that while it is made

Ints = NDArray[np.int64]


class Machine:
    """Walks from state to state by the inputs; each state has a row.

    rows: (S, V); after: (S, V + n_labels) the state that each input leads to; first: the state
    before any input
    """

    def __init__(self, rows: Tensor, after: Tensor, first: int) -> None:
        self.rows, self.after, self.first = rows, after, first

    def walk(self, inputs: Tensor) -> Tensor:
        """inputs (B, T) ids -> (B, T) the state after each."""
        table, width = self.after.view(-1), self.after.shape[1]
        state = inputs.new_full(inputs.shape[:1], self.first)
        states = []
        for symbols in inputs.unbind(1):
            state = table[state * width + symbols].long()
            states.append(state)
        return torch.stack(states, 1)


class Teacher:
    """Gives targets for what a model reads: probabilities of the next symbol.

    share: of the counts; the rest is what followed in the lines that begin alike, where there are
    several, and otherwise the line's own symbol. windows: whether inputs are windows with one
    target each.
    """

    def __init__(self, counts: Machine, alike: Machine, share: float, windows: bool) -> None:
        self.counts, self.alike, self.share, self.windows = counts, alike, share, windows

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Inputs (B, T) and targets (B, T), or (B,) of windows -> (..., V); 0 where none is asked.

        Each row of the others adds up to 1.
        """
        alike, counts = self.alike.walk(inputs), self.counts.walk(inputs)
        if self.windows:
            alike, counts = alike[:, -1], counts[:, -1]
        soft = self.alike.rows[alike]  # (..., V), 0 where a line is the only one that begins so
        alone = (alike == self.alike.first).to(soft.dtype)
        soft.scatter_add_(-1, targets.clamp(min=0)[..., None], alone[..., None])
        soft.lerp_(self.counts.rows[counts], self.share)
        return soft.mul_((targets != IGNORED)[..., None])


def make_teacher(
    corpus: Corpus,
    vocabulary: Vocabulary,
    share: float,
    windows: bool,
    device: torch.device | str = "cpu",
) -> Teacher | None:
    """The teacher of these lines.

    None where there is nothing to gain or no room: for a share of 0, for windows with a label
    (which do not say where they begin), for a text that would need too large a table.
    """
    V, n_labels = len(vocabulary), len(vocabulary.labels)
    if not share or (windows and n_labels) or len(corpus.codes) > MOST_SYMBOLS:
        return None
    text, labels = vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    states = _counted(text, labels, V, n_labels).as_states(MOST_CELLS)
    if states is None:
        return None
    starts = [states.start[V + label] for label in range(n_labels)]
    after = np.column_stack([states.after, *(np.full(len(states.after), to) for to in starts)])
    rows = np.exp(states.logs, out=states.logs).astype(np.float32)
    counts = _machine(rows, after.astype(np.int32), 0, device)
    inputs = np.full(len(text.offsets) - 1, BOUNDARY) if labels is None else labels
    rows, after = shared_prefixes(text.ids, text.offsets, inputs, V, n_labels)
    return Teacher(counts, _machine(rows, after, len(rows) - 1, device), share, windows)


def shared_prefixes(
    ids: NDArray[Any], offsets: Ints, starts: Ints, n_symbols: int, n_labels: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The prefixes that several lines share, as states: rows (S, V), after (S, V + n_labels).

    starts: (n_lines,) each line's first input. A row holds the share of each symbol among those
    that follow the prefix. The last state stands for all other prefixes; its row is 0.
    """
    V, width = n_symbols, n_symbols + n_labels
    roots = np.arange(V, width) if n_labels else np.array([BOUNDARY])
    lengths, lines = np.diff(offsets), np.arange(len(offsets) - 1)
    node = np.searchsorted(roots, starts)  # (lines that are looked at,)
    moves, times, children, known = list[Ints](), list[Ints](), list[Ints](), len(roots)
    place = 0
    while len(lines) and known * width <= MOST_CELLS:
        within = place < lengths[lines]
        symbols = np.full(len(lines), BOUNDARY, dtype=np.int64)
        symbols[within] = ids[offsets[lines[within]] + place]
        found, number, count = np.unique(
            node * width + symbols, return_inverse=True, return_counts=True
        )
        goes_on = (count > 1) & (found % width != BOUNDARY)
        child = np.where(goes_on, known - 1 + np.cumsum(goes_on), -1)
        moves.append(found)
        times.append(count)
        children.append(child)
        known += int(goes_on.sum())
        node = child[number]
        lines, node = lines[node >= 0], node[node >= 0]
        place += 1
    rows = np.zeros((known + 1, V), dtype=np.float32)
    after = np.full((known + 1, width), known, dtype=np.int32)
    for found, count, child in zip(moves, times, children, strict=True):
        state, symbol = np.divmod(found, width)
        rows[state, symbol] = count
        after[state, symbol] = np.where(child >= 0, child, known)
    after[:, roots] = np.arange(len(roots))
    rows /= np.maximum(rows.sum(axis=1, keepdims=True), 1)
    # Those that were not looked into, where there was no room, are no states of their own.
    empty = np.flatnonzero(rows.sum(axis=1) == 0)
    after[np.isin(after, empty)] = known
    return rows, after


def _counted(text: Encoded, labels: Ints | None, n_symbols: int, n_labels: int) -> CountModel:
    options = NGram.Options(order=ORDER)
    if labels is None:
        model = NGram(n_symbols, ORDER - 1, options)
        model.fit_counts(text.ids, text.offsets)
        return model
    labelled = LabelledCounts(NGram, n_symbols, ORDER, options, n_labels)
    labelled.fit_counts(text.ids, text.offsets, labels)
    return labelled


def _machine(
    rows: NDArray[np.float32], after: NDArray[np.int32], first: int, device: torch.device | str
) -> Machine:
    return Machine(torch.from_numpy(rows).to(device), torch.from_numpy(after).to(device), first)
