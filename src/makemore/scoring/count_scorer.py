"""Count scorer: the surprisal -log p of each symbol of lines under a model of counts. No torch.

A model of counts reads a window of the last symbols. Equal windows have equal predictions, so each
distinct window is looked up once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from makemore.models import CountModel
from makemore.text.ragged import scatter

Ints = NDArray[np.int64]

CHUNK = 2**14  # distinct windows that are looked up at a time
MAX_LOGITS = 2**24  # log-probabilities of those: 128 MB. With many symbols in V, there are fewer
MAX_WINDOWS = 2**17  # among which equal ones are looked for


def count_surprisals(
    model: CountModel, ids: Ints, offsets: Ints, labels: Ints | None
) -> NDArray[np.float64]:
    """Compute -log p of each line's symbols and of its end, in nats (n_symbols + n_lines,).

    ids (n_symbols,) one line after another; offsets (n_lines + 1,); labels (n_lines,) ids or None
    """
    n_lines, margin = len(offsets) - 1, max(model.block_size, 1)
    first = offsets[:-1] + margin * np.arange(1, n_lines + 1)  # index of each first symbol in flat
    flat = np.zeros(len(ids) + margin * n_lines + 1, dtype=ids.dtype)  # boundaries in between
    scatter(ids, offsets, first, flat)
    lines = np.repeat(np.arange(n_lines), np.diff(offsets) + 1)  # (N,) the line of each target
    ends = np.arange(len(lines)) + (margin - 1) * (lines + 1) + 1  # (N,) a target's index in flat
    out = np.zeros(len(lines))
    for start in range(0, len(lines), MAX_WINDOWS):
        part = slice(start, start + MAX_WINDOWS)
        windows = flat[ends[part, None] + np.arange(-model.block_size, 0)]  # (N, block_size)
        if labels is not None:  # a window's first column is the label
            windows[:, 0] = labels[lines[part]]
        out[part] = _of_windows(model, windows.astype(np.int64), flat[ends[part]])
    return out


def _of_windows(model: CountModel, windows: Ints, targets: NDArray[np.int_]) -> NDArray[np.float64]:
    """Compute the surprisal (N,), nats, of targets (N,) after windows (N, block_size)."""
    distinct, which = _distinct(windows, model.vocab_size + model.n_labels)
    order = np.argsort(which, kind="stable")
    size = max(1, min(CHUNK, MAX_LOGITS // model.vocab_size))
    bounds = np.searchsorted(which[order], np.arange(0, len(distinct) + size, size))
    out = np.zeros(len(windows))
    for chunk, (begin, end) in enumerate(zip(bounds, bounds[1:], strict=False)):
        rows = order[begin:end]
        here = distinct[chunk * size : (chunk + 1) * size]
        logs = model.forward(windows[here])  # (K, V)
        out[rows] = -logs[which[rows] - chunk * size, targets[rows]]
    return out


def _distinct(windows: Ints, base: int) -> tuple[Ints, Ints]:
    """Find distinct windows among (N, block) of ids below `base`.

    Returns the row of each distinct window (K,), and which of the K each window equals (N,).
    """
    N, block = windows.shape
    # A window is read as one number to the base of the vocabulary: numbers are sorted far faster.
    if base**block >= 2**63:  # too large for an int64: every window counts as distinct
        return np.arange(N), np.arange(N)
    codes = windows @ base ** np.arange(block)
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    return first, which
