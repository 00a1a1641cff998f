"""Soft targets: a distribution over the next symbol, in place of the one symbol that came.

A training line shows one of the symbols that could come next. After `.em` there may be an `m` here
and an `i` in another line: a one-hot target calls all but one of them wrong. The train part as a
whole knows better, in two ways:

    counts      a Kneser-Ney n-gram of the train part: p(next | the last symbols)
    prefixes    what came next in all training lines with the same prefix, such as `.em`

The target is share * counts + (1 - share) * prefixes; where no other line has the prefix, the
second is the one-hot target. A model that learns from these needs fewer steps, and learns fewer
lines by heart. The counts and prefixes are used in training alone: the model itself is the same.

Papers: Hinton et al. 2015, Distilling the Knowledge in a Neural Network (soft targets); Szegedy et
al. 2016 (label smoothing); Xie et al. 2017 (Kneser-Ney smoothing of a neural network's data)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from makemore.models import CountModel
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.prefix_trie import distinct_edges
from makemore.models.core.transition_table import TransitionTable
from makemore.models.ngram import NGram
from makemore.scoring.line_tensors import IGNORED
from makemore.text import Corpus, Vocabulary
from makemore.text.vocabulary import BOUNDARY, Encoded

ORDER = 7  # of the counts: 5 is 0.006 nats a symbol worse on names.txt, 8 and 9 no better
MAX_COUNTED_SYMBOLS = 2**22  # of a train part that is counted for this: a second or two
MAX_TARGET_CELLS = 2**24  # states times symbols of a table: 130 MB, and twice that while it is made


Ints = NDArray[np.int64]
# One level of the prefix tree, an entry for each (parent prefix, next symbol) that occurs: parent
# (n,), symbol (n,), how many lines go on like this (n,), and the longer prefix (n,) or -1.
PrefixLevel = tuple[Ints, Ints, Ints, Ints]


class SoftTargets:
    """Looks up the soft targets of a batch: probabilities (..., V) of the next symbol.

    It is a state machine that reads the inputs. Its first S states are the contexts of the counts
    (state 0: the empty context), and after them come the P prefixes that several lines share.

    rows: (S + P, V) the part of the target that is the same for all lines in a state
    alone: (S + P,) the weight of the line's next symbol, which is added to that; a row and its
        weight add up to 1
    after: (S + P, V + n_labels) the next state, by state and input
    windows: whether inputs are windows, with one target each
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
        # `after` flat, each state s written as s * width: where its row begins. Then a move is one
        # addition and one look-up, with no multiplication between: half the calls of a step.
        self.moves = torch.from_numpy(after * np.int32(self.width)).view(-1).to(device)

    def tables(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return rows, alone and after, of which the same soft targets can be made again."""
        after = self.moves.view(-1, self.width).cpu().numpy() // np.int32(self.width)
        return self.rows.cpu().numpy(), self.alone.cpu().numpy(), after

    def walk(self, inputs: Tensor) -> Tensor:
        """Follow inputs (B, T), ids, from the empty context -> the state after each (B, T).

        Of windows only the state after the last input is returned (B,).
        """
        columns = inputs.t().int().unbind()  # T of (B,)
        state, states = torch.zeros_like(columns[0]), []
        # A loop over T, each step for the whole batch: a state depends on the one before.
        for symbols in columns:
            state = self.moves.index_select(0, state.add(symbols))  # (B,)
            states.append(state)
        reached = states[-1] if self.windows else torch.stack(states, 1)
        return reached.div(self.width, rounding_mode="floor").long()  # s * width -> s

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Make soft targets (..., V) of inputs (B, T) and targets (B, T), or (B,) of windows.

        Each row is a distribution and adds up to 1. Where the target is padding, the row is 0.
        """
        states = self.walk(inputs)  # (B, T) or (B,)
        soft = self.rows[states]  # (..., V)
        # Padding has the target -1, which is no index: it becomes 0 here, and its row 0 below.
        symbols = targets.clamp(min=0)[..., None]  # (..., 1)
        soft.scatter_add_(-1, symbols, self.alone[states][..., None])
        return soft.mul_((targets != IGNORED)[..., None])


def make_soft_targets(
    corpus: Corpus,
    vocabulary: Vocabulary,
    share: float,
    windows: bool,
    device: torch.device | str = "cpu",
) -> SoftTargets | None:
    """Make the soft targets of training lines: `share` from counts, the rest from shared prefixes.

    Returns None for a share of 0, and for a text that is too long or would need too large a table:
    the caller then trains with one-hot targets.
    """
    V, n_labels = len(vocabulary), len(vocabulary.labels)
    if not share or len(corpus.codes) > MAX_COUNTED_SYMBOLS:
        return None
    text, labels = vocabulary.encode(corpus), vocabulary.encode_labels(corpus)
    # Our rows are longer than those of the counts, by a column for each label that may be read.
    states = _fit_counts(text, labels, V, n_labels).transition_table(
        MAX_TARGET_CELLS * V // (V + n_labels)
    )
    if states is None:
        return None
    firsts = np.full(len(text.lengths), BOUNDARY) if labels is None else labels  # (n_lines,)
    contexts, follows, after = add_shared_prefixes(states, text, firsts, n_labels)
    if windows and n_labels:
        # In a window the label is always there, and says nothing of where in its line the window
        # is. Only a boundary after it means that the line begins.
        after[:, V:] = [states.empty[V + label] for label in range(n_labels)]
    S = len(states.logs)
    # A prefix has the counts of its last symbols, as any other context.
    counts = np.exp(states.logs).astype(np.float32)  # (S, V)
    rows = np.concatenate([counts, counts[contexts]]) * np.float32(share)  # (S + P, V)
    # What counts leave is the line's next symbol, or in a shared prefix what follows it in all.
    alone = np.full(len(rows), 1 - share, dtype=np.float32)  # (S + P,)
    alone[S:] = 0.0
    rows[S:] += np.float32(1 - share) * follows
    return SoftTargets(rows, alone, after, windows, device)


def add_shared_prefixes(
    states: TransitionTable, text: Encoded, firsts: Ints, n_labels: int
) -> tuple[Ints, NDArray[np.float32], NDArray[np.int32]]:
    """Add a state for each prefix that several lines share: P states after the S of the counts.

    firsts: (n_lines,) the first input of each line, boundary or label, which begins its prefixes

    Returns (P,) the context of each prefix in the counts; (P, V) the distribution of the symbol
    after it, in the lines that have it; and (S + P, V + n_labels) the next state by state and
    input. A symbol that leads to no shared prefix leads back to a context of the counts.
    """
    S, V = states.logs.shape
    # The empty prefixes: one, or one for each label, whose lines are counted apart.
    roots = np.arange(V, V + n_labels) if n_labels else np.array([BOUNDARY])
    starts = np.array([states.start[root] for root in roots.tolist()])  # their contexts
    levels, context = _grow_prefixes(
        states, text, np.searchsorted(roots, firsts), starts, V + n_labels
    )
    # Contexts keep their moves, except that the start of a line is a prefix as well: the empty one.
    as_prefix = np.arange(S, dtype=np.int32)
    as_prefix[starts] = S + np.arange(len(starts))
    after = np.empty((S + len(context), V + n_labels), dtype=np.int32)
    after[:S, :V], after[S:, :V] = as_prefix[states.after], as_prefix[states.after[context]]
    follows = np.zeros((len(context), V), dtype=np.float32)
    for parent, symbol, times, child in levels:
        follows[parent, symbol] = times
        shared = child >= 0
        after[S + parent[shared], symbol[shared]] = S + child[shared]
    if n_labels:
        after[:, roots] = as_prefix[starts]  # a label begins a line, whatever was read before it
    follows /= np.maximum(follows.sum(axis=1, keepdims=True), 1)  # a label may have no lines
    return context, follows, after


def _grow_prefixes(
    states: TransitionTable, text: Encoded, nodes: Ints, starts: Ints, width: int
) -> tuple[list[PrefixLevel], Ints]:
    """Build the tree of shared prefixes, a length at a time: its levels, and contexts (P,).

    nodes: (n_lines,) the root of each line; starts: the roots' contexts; width: inputs of a state
    """
    S, V = states.logs.shape
    contexts, levels, position = starts, list[PrefixLevel](), 0  # contexts: of each prefix so far
    lines = np.arange(len(nodes))  # those whose prefix of this length is shared
    while len(lines):
        # The next symbol of each line; after the last one its end, which is a boundary.
        symbols = np.full(len(lines), BOUNDARY)
        inside = position < text.lengths[lines]
        symbols[inside] = text.ids[text.offsets[lines[inside]] + position]
        # Lines that go on alike have the same edge.
        _, parent, symbol, _, index, times = distinct_edges(nodes, symbols, V)
        # A prefix of one line alone gets no state: what follows it is the one-hot target.
        shared = (times > 1) & (symbol != BOUNDARY)
        # Nor does a level for which there is no room; the shorter prefixes are kept.
        shared &= (S + len(contexts) + shared.sum()) * width <= 2 * MAX_TARGET_CELLS
        child = np.where(shared, len(contexts) - 1 + np.cumsum(shared), -1)  # numbered in order
        levels.append((parent, symbol, times, child))
        longer = states.after[contexts[parent[shared]], symbol[shared]].astype(np.int64)
        contexts = np.concatenate([contexts, longer])
        nodes = child[index]
        lines, nodes = lines[nodes >= 0], nodes[nodes >= 0]
        position += 1
    return levels, contexts


def _fit_counts(text: Encoded, labels: Ints | None, n_symbols: int, n_labels: int) -> CountModel:
    """Count the training lines: one n-gram, or one for each label."""
    options = NGram.Options(order=ORDER)
    if labels is None:
        model = NGram(n_symbols, ORDER - 1, options)
        model.fit_counts(text.ids, text.offsets)
        return model
    labelled = PerLabelCounts(NGram, n_symbols, ORDER, options, n_labels)  # a column for the label
    labelled.fit_counts(text.ids, text.offsets, labels)
    return labelled
