"""Soft targets: probabilities of the next symbol by all training lines, in place of one symbol.

A line shows one of the symbols that could come next; to follow that one alone is to follow chance.
The train part knows more: what followed in the other lines that begin alike, and what Kneser-Ney
counts expect after the last symbols. A model that learns from such soft targets needs fewer steps,
and learns fewer lines by heart. It stays what it is: nothing of this is left in it.

Papers: Hinton et al. 2015, Distilling the Knowledge in a Neural Network (soft targets); Szegedy et
al. 2016 (label smoothing); Xie et al. 2017 (Kneser-Ney smoothing of a neural network's data)
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.models import CountModel
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.transition_table import TransitionTable
from makemore.models.ngram import NGram
from makemore.scoring.line_tensors import IGNORED
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY, Encoded

ORDER = 7  # of the counts: 5 is 0.006 nats a symbol worse on names.txt, 8 and 9 no better
MAX_COUNTED_SYMBOLS = 2**22  # of a train part that is counted for this: a second or two
MAX_TARGET_CELLS = 2**24  # states times symbols of a table: 130 MB, and twice that while it is made


Ints = NDArray[np.int64]


class SoftTargets:
    """Gives targets for what a model reads: probabilities of the next symbol.

    It walks from state to state by the inputs. States are the contexts of the counts, of which 0 is
    the empty one, and after them the beginnings that several lines share.

    rows: (S, V) what each state expects; alone: (S,) what is left for the line's own symbol
    after: (S, V + n_labels) the state that each input leads to
    windows: whether inputs are windows with one target each
    """

    def __init__(
        self,
        rows: NDArray[np.float32],
        alone: NDArray[np.float32],
        after: NDArray[np.int32],
        windows: bool,
        device: torch.device | str = "cpu",
    ) -> None:
        self.rows, self.alone = (torch.from_numpy(part).to(device) for part in (rows, alone))
        self.width, self.windows = after.shape[1], windows
        # The place of each state's row in this table, which is one: half the calls of a step.
        self.moves = torch.from_numpy(after * np.int32(self.width)).view(-1).to(device)

    def walk(self, inputs: Tensor) -> Tensor:
        """inputs (B, T) ids -> (B, T) the state after each; of windows only the last (B,)."""
        columns = inputs.t().int().unbind()
        state, states = torch.zeros_like(columns[0]), []
        for symbols in columns:
            state = self.moves.index_select(0, state.add(symbols))
            states.append(state)
        found = states[-1] if self.windows else torch.stack(states, 1)
        return found.div(self.width, rounding_mode="floor").long()

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Inputs (B, T) and targets (B, T), or (B,) of windows -> (..., V); 0 where none is asked.

        Each row of the others adds up to 1.
        """
        states = self.walk(inputs)
        soft = self.rows[states]  # (..., V)
        own = targets.clamp(min=0)[..., None]
        soft.scatter_add_(-1, own, self.alone[states][..., None])
        return soft.mul_((targets != IGNORED)[..., None])


def make_soft_targets(
    corpus: Corpus,
    vocabulary: Vocabulary,
    share: float,
    windows: bool,
    device: torch.device | str = "cpu",
) -> SoftTargets | None:
    """Make soft targets of these lines: `share` by counts, the rest by lines that begin alike.

    Where no other line begins alike, the rest is the line's own symbol. None for a share of 0, and
    for a text that would need too large a table.
    """
    V, n_labels = len(vocabulary), len(vocabulary.labels)
    if not share or len(corpus.codes) > MAX_COUNTED_SYMBOLS:
        return None
    text, labels = vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    states = _counted(text, labels, V, n_labels).transition_table(
        MAX_TARGET_CELLS * V // (V + n_labels)
    )
    if states is None:
        return None
    inputs = np.full(len(text.lengths), BOUNDARY) if labels is None else labels
    contexts, follows, after = add_shared_prefixes(states, text, inputs, n_labels)
    if windows and n_labels:  # the label stands before all of them; a boundary begins the line
        after[:, V:] = [states.empty[V + label] for label in range(n_labels)]
    rows = np.exp(states.logs).astype(np.float32)
    rows = np.concatenate([rows, rows[contexts]]) * np.float32(share)
    alone = np.full(len(rows), 1 - share, dtype=np.float32)
    alone[len(states.logs) :] = 0.0
    rows[len(states.logs) :] += np.float32(1 - share) * follows
    return SoftTargets(rows, alone, after, windows, device)


def add_shared_prefixes(
    states: TransitionTable, text: Encoded, firsts: Ints, n_labels: int
) -> tuple[Ints, NDArray[np.float32], NDArray[np.int32]]:
    """The beginnings that several lines share, as P states beside the S of counts.

    firsts: (n_lines,) the lines' first inputs, with which each beginning begins. Gives (P,) the
    context of each in the counts, (P, V) the share of each symbol among those that follow it, and
    the moves (S + P, V + n_labels) of all states. What no other line begins with leads to counts.
    """
    S, V = states.logs.shape
    roots = np.arange(V, V + n_labels) if n_labels else np.array([BOUNDARY])
    lines, node = np.arange(len(firsts)), np.searchsorted(roots, firsts)
    starts = np.array([states.start[root] for root in roots.tolist()])
    contexts = [starts]
    known, place, levels = len(roots), 0, list[tuple[Ints, Ints, Ints, Ints]]()
    while len(lines):
        symbols = np.full(len(lines), BOUNDARY)
        within = place < text.lengths[lines]
        symbols[within] = text.ids[text.offsets[lines[within]] + place]
        found, number, times = np.unique(
            node * V + symbols, return_inverse=True, return_counts=True
        )
        parent, symbol = np.divmod(found, V)
        shared = (times > 1) & (symbol != BOUNDARY)
        shared &= (S + known + shared.sum()) * (V + n_labels) <= 2 * MAX_TARGET_CELLS
        child = np.where(shared, known - 1 + np.cumsum(shared), -1)
        levels.append((parent, symbol, times, child))
        every = np.concatenate(contexts)
        contexts.append(states.after[every[parent[shared]], symbol[shared]].astype(np.int64))
        known += int(shared.sum())
        node = child[number]
        lines, node = lines[node >= 0], node[node >= 0]
        place += 1
    context = np.concatenate(contexts)
    follows = np.zeros((known, V), dtype=np.float32)
    after = np.empty((S + known, V + n_labels), dtype=np.int32)
    lead = np.arange(S, dtype=np.int32)
    lead[starts] = S + np.arange(len(starts))  # where a line starts is the beginning of nothing yet
    after[:S, :V], after[S:, :V] = lead[states.after], lead[states.after[context]]
    for parent, symbol, times, child in levels:
        follows[parent, symbol] = times
        on = child >= 0
        after[S + parent[on], symbol[on]] = S + child[on]
    if n_labels:
        after[:, roots] = lead[starts]
    follows /= np.maximum(follows.sum(axis=1, keepdims=True), 1)
    return context, follows, after


def _counted(text: Encoded, labels: Ints | None, n_symbols: int, n_labels: int) -> CountModel:
    options = NGram.Options(order=ORDER)
    if labels is None:
        model = NGram(n_symbols, ORDER - 1, options)
        model.fit_counts(text.ids, text.offsets)
        return model
    labelled = PerLabelCounts(NGram, n_symbols, ORDER, options, n_labels)
    labelled.fit_counts(text.ids, text.offsets, labels)
    return labelled
