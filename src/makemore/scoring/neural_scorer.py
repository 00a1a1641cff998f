"""Neural scorer: the surprisal -log p of each symbol of lines under a neural network.

A window model computes each distinct window once. A sequence model computes each prefix that lines
share once (prefix_scorer.py) or, where few are shared or lines are long, whole lines in batches of
like length. On a graphics card whole lines go in large batches (card_scorer.py). All ways agree up
to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from makemore.models import Model, NeuralModel
from makemore.models.core.base import log_softmax
from makemore.models.core.layers import eval_mode as eval_mode
from makemore.models.ensemble import Ensemble
from makemore.scoring.card_scorer import card_surprisals, computes_on_card
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.scoring.prefix_scorer import SortedPrefixes
from makemore.text.vocabulary import Encoded

CHUNK = 2**14  # symbols in a forward pass
MAX_LOGITS = 2**26  # logits of a forward pass: 256 MB. With many symbols in V, a pass has fewer
MAX_SHORT_LINE = 128  # symbols: with a longer line, steps cost more than shared prefixes save
MAX_SHARED_SYMBOLS = 2**15  # symbols of the lines whose shared prefixes are computed together
MAX_WINDOWS = 2**17  # windows among which equal ones are found
MAX_PREFIX_RATE = 0.6  # distinct prefixes per symbol, below which sharing them pays
MAX_INPUTS = 4096  # inputs of one forward pass of a model without a limit


def neural_surprisals(
    model: NeuralModel,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None,
) -> NDArray[np.float64]:
    """Compute -log p of each line's symbols and of its end, in nats (n_symbols + n_lines,).

    ids (n_symbols,) one line after another; offsets (n_lines + 1,); labels (n_lines,) ids or None
    """
    lines = LineTensors(ids, offsets, model.input_kind, model.block_size, model.device, labels)
    out = np.zeros(len(ids) + len(lines))
    with eval_mode(model):
        if computes_on_card(model):
            _by_card(model, lines, ids, offsets, labels, out)
        elif model.input_kind == "window":
            _by_window(model, lines, out)
        elif not _by_prefix(model, ids, offsets, labels, out):
            _by_sequence(model, lines, out)
    return out


def _by_card(
    model: Any,
    lines: LineTensors,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None,
    out: NDArray[Any],
) -> None:
    """Write surprisals to `out` by large forward passes; the longest lines go step by step."""
    counts, limit = lines.lengths + 1, _most_inputs(model)
    order = np.argsort(counts, kind="stable")
    fits = int(np.searchsorted(counts[order], limit, side="right"))
    whole = len(order) if model.input_kind == "window" else fits
    out[:] = card_surprisals(model, lines, order[:whole])
    starts = lines.first_targets
    for rows in _chunks(order[whole:], counts, MAX_SHARED_SYMBOLS):
        # Lines of their own, side by side: they are stepped through together.
        own = np.concatenate([ids[offsets[row] : offsets[row + 1]] for row in rows])
        bounds = np.concatenate([[0], np.cumsum(counts[rows] - 1)])
        trie = SortedPrefixes.of(own, bounds, None if labels is None else labels[rows])
        for which, place, nats in trie.surprisals(model, MAX_SHARED_SYMBOLS):
            out[starts[rows[which]] + place] = nats


def _most_inputs(model: Any) -> int:
    """Return how many inputs of a line one forward pass of a sequence model takes."""
    return int(model.block_size if model.limited else max(MAX_INPUTS, model.block_size))


def _by_prefix(
    model: Any,
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int64] | None,
    out: NDArray[Any],
) -> bool:
    """Write surprisals to `out`, each prefix computed once; False where too few are shared."""
    if np.diff(offsets).max(initial=0) > MAX_SHORT_LINE:
        return False
    trie = SortedPrefixes.of(ids, offsets, labels)
    if trie.prefixes >= MAX_PREFIX_RATE * len(out):
        return False
    starts = offsets[:-1] + np.arange(len(offsets) - 1)  # in out, where each line has an end more
    most = max(1, min(MAX_SHARED_SYMBOLS, 2 * MAX_LOGITS // model.vocab_size))
    for rows, place, nats in trie.surprisals(model, most):
        out[starts[rows] + place] = nats
    return True


def _by_window(model: Any, lines: LineTensors, out: NDArray[Any]) -> None:
    """Write surprisals to `out`, each distinct window computed once."""
    ends = lines.ends()
    for start in range(0, len(ends), MAX_WINDOWS):
        part = torch.from_numpy(ends[start : start + MAX_WINDOWS]).to(lines.device)
        inputs, targets = lines.windows(part)
        base, chunk = model.vocab_size + model.n_labels, _chunk_of(model)
        for windows, rows, number in _unique_windows(inputs, base, chunk):
            logits = model(inputs[windows])
            loss = -logits.log_softmax(-1)[number, targets[rows]]
            out[start + rows.numpy(force=True)] = loss.double().numpy(force=True)


def _chunk_of(model: Model) -> int:
    """Compute how many symbols a forward pass of a model may have: CHUNK, or fewer for many V."""
    return max(1, min(CHUNK, MAX_LOGITS // model.vocab_size))


def _unique_windows(
    inputs: Tensor, base: int, chunk: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Group equal windows among (N, block) of ids below `base`.

    Yields, for K <= chunk distinct windows at a time: a row of each (K,); the rows of all windows
    that equal one of them (R,); and which of the K each of those equals (R,).
    """
    N, block = inputs.shape
    # A window is read as one number to the base of the vocabulary: equal windows, equal numbers.
    if base**block < 2**63:
        codes = (inputs * base ** torch.arange(block, device=inputs.device)).sum(1)
    else:
        codes = torch.arange(N, device=inputs.device)  # too large for an int64: none are equal
    # After the sort, equal windows are neighbours; `starts` is where each new one begins.
    codes, order = codes.sort()
    starts = torch.cat([codes.new_ones(1), codes.diff()]).nonzero().squeeze(1)  # (distinct,)
    sizes = torch.cat([starts, starts.new_tensor([N])]).diff()
    for these, alike in zip(torch.split(starts, chunk), torch.split(sizes, chunk), strict=True):
        first = int(these[0])
        number = torch.arange(len(these), device=inputs.device).repeat_interleave(alike)
        yield order[these], order[first : first + len(number)], number


def _by_sequence(model: Any, lines: LineTensors, out: NDArray[Any]) -> None:
    """Write surprisals to `out` by forward passes over whole lines, in batches of like length."""
    counts = lines.lengths + 1
    starts = lines.first_targets  # of each line in out
    limit = _most_inputs(model)
    order = np.argsort(counts, kind="stable")
    fits = order[counts[order] <= limit]
    for rows in _chunks(fits, counts, _chunk_of(model)):
        inputs, targets = lines.sequences(rows, limit)
        logits = model(inputs)
        loss = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        inside = (targets != IGNORED).cpu().numpy()
        place = starts[rows][:, None] + np.arange(inside.shape[1])
        out[place[inside]] = loss.view_as(targets).double().cpu().numpy()[inside]
    # A line longer than forward allows goes symbol by symbol: `step` goes on past block_size.
    flat = lines.flat.cpu().numpy()
    for row in map(int, order[counts[order] > limit]):
        state, first = model.initial_state(1), int(lines.first[row])
        for number in range(int(counts[row])):
            at = first + number
            before = flat[at - 1 : at].astype(np.int64)
            if number == 0 and lines.labels is not None:
                before = lines.labels[row : row + 1].cpu().numpy()
            logits, state = model.step(before, state)
            out[starts[row] + number] = -log_softmax(logits)[0, flat[at]]


def _chunks(
    rows: NDArray[np.int64], counts: NDArray[np.int64], chunk: int
) -> Iterator[NDArray[np.int64]]:
    """Cut rows, sorted by length, into batches of at most `chunk` symbols, padding included."""
    start = 0
    while start < len(rows):
        size = max(1, chunk // int(counts[rows[start]]))
        # All rows of a batch are padded to its last one, the longest: so many of that length fit.
        size = max(1, chunk // int(counts[rows[min(start + size, len(rows)) - 1]]))
        yield rows[start : start + size]
        start += size


def log_probabilities(
    model: Ensemble, member: Model, text: Encoded, labels: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Compute the log-probabilities (N, V) that a member of an ensemble gives the next symbol.

    Returns them for each symbol of the lines, the symbols themselves (N,), and whether the prefix
    before each begins no training line (N,). Lines go by length, so the order is the same for every
    member; of a line longer than the ensemble's block_size only the first symbols count. All
    symbols must be in the vocabulary.
    """
    lines = LineTensors(text.ids, text.offsets, "sequence", model.block_size, model.device, labels)
    counts = np.minimum(lines.lengths + 1, model.block_size)
    # Empty arrays first, so that a part without lines can be concatenated, too.
    logs = [np.zeros((0, model.vocab_size), dtype=np.float32)]
    came, new = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
    with eval_mode(member):
        for rows in _chunks(np.argsort(counts, kind="stable"), counts, _chunk_of(model)):
            inputs, targets = lines.sequences(rows, model.block_size)
            inside = targets != IGNORED
            logs.append(model.answers(member, inputs)[inside].float().cpu().numpy())
            came.append(targets[inside].cpu().numpy())
            new.append(model.is_new(inputs)[inside.cpu().numpy()])
    return np.concatenate(logs), np.concatenate(came), np.concatenate(new)
