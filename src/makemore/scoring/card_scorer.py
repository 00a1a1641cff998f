"""Card scorer: the surprisal -log p of each symbol of lines on a graphics card, in large batches.

A card computes many rows at once sooner than anybody finds out which of them are alike. So no
prefix is shared here and no window is looked up: lines of like length go whole through forward
passes of many symbols. The surprisals stay on the card, each at its place among all of them, and
come back in one copy, because the host waits for the card wherever it reads a number:

    lines ba, a    a pass: [b a .]  losses [3 1 2]    places [0 1 2]    all: [3 1 2 4 1]
                           [a . -]         [4 1 -]           [3 4 5]    5 is behind the last
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from makemore.models import NeuralModel
from makemore.models.core.on_device import free_bytes, to_device
from makemore.scoring.line_tensors import IGNORED, LineTensors

CHUNK = 2**18  # symbols of a forward pass, padding included
MAX_LOGITS = 2**28  # logits of a forward pass: 1 GB. With many symbols in V, a pass has fewer
LOGIT_COPIES = 4  # logits, their log-softmax, and what a model keeps beside them
USABLE = 0.5  # of the card's free bytes; the other half is for the layers
MOST_ROWS = 2**16 - 1  # of a pass of whole lines: cuDNN's cells are known to fail with more
SMALLEST_CHUNK = 2**10  # symbols: where these do not fit, nothing will


def computes_on_card(model: NeuralModel) -> bool:
    """Tell whether a network is on a graphics card, where large batches are fast."""
    return model.device.type != "cpu"


def card_surprisals(model: Any, lines: LineTensors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute -log p of the symbols and ends of these lines, nats (n_symbols + n_lines,) of all.

    rows: (n,) those that one forward pass takes whole, by length, the shortest first; all of them
    for a model that reads windows. The entries of other lines are 0.
    """
    # One entry more: the surprisals of padding are written there, and nobody reads it.
    result = torch.zeros(lines.n_targets + 1, device=lines.device)
    if lines.input_kind == "window":
        _windows(model, lines, result)
    else:
        _sequences(model, lines, rows, result)
    return np.asarray(result[:-1].cpu().numpy())


def _sequences(model: Any, lines: LineTensors, rows: NDArray[np.int64], result: Tensor) -> None:
    """Write the surprisals of whole lines to `result`, a pass for lines of like length."""
    counts = lines.lengths[rows].astype(np.int64) + 1
    places = to_device(lines.first_targets[rows], lines.device)  # (n,)
    longest = int(counts.max(initial=1))

    def compute(part: slice) -> None:
        inputs, targets = lines.sequences(rows[part], longest)  # (B, T)
        logits = model(inputs)  # (B, T, V)
        loss = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        place = places[part, None] + torch.arange(targets.shape[1], device=lines.device)  # (B, T)
        # Not a boolean mask, whose number of true entries the host would have to wait for.
        place = torch.where(targets != IGNORED, place, len(result) - 1)
        result.scatter_(0, place.flatten(), loss.float())

    in_passes(counts, symbols_of_pass(model), compute, MOST_ROWS)


def _windows(model: Any, lines: LineTensors, result: Tensor) -> None:
    """Write the surprisals of all windows to `result`, in the order of the targets."""
    first = to_device(lines.first_targets, lines.device)  # (n_lines,)

    def compute(part: slice) -> None:
        numbers = torch.arange(part.start, part.stop, device=lines.device)  # (N,)
        # As LineTensors.ends, on the card: each line before a target has further boundaries.
        before = torch.searchsorted(first, numbers, right=True) * (lines.margin - 1)
        inputs, targets = lines.windows(numbers + before + 1)  # (N, block_size), (N,)
        result[part] = F.cross_entropy(model(inputs), targets, reduction="none")

    in_passes(np.broadcast_to(np.int64(1), lines.n_targets), symbols_of_pass(model), compute)


def in_passes(
    counts: NDArray[np.int64],
    most: int,
    compute: Callable[[slice], None],
    most_rows: int | None = None,
) -> None:
    """Call `compute` for slices of rows, one after the other, that hold at most `most` symbols.

    counts: (n,) symbols of each row, ascending: all rows of a pass are padded to its last one.
    most_rows: rows of a slice at most; None for any number
    Where the card's memory does not hold a pass, it is tried again with half as many symbols.
    """
    start = 0
    while start < len(counts):
        rows = most if most_rows is None else min(most, most_rows)
        longest = counts[start : start + rows]  # each row has a symbol at least
        padded = longest * np.arange(1, len(longest) + 1)
        size = max(1, int(np.searchsorted(padded, most, side="right")))
        try:
            compute(slice(start, start + size))
        except torch.OutOfMemoryError:
            if most <= SMALLEST_CHUNK or size == 1:
                raise
            most //= 2
            continue  # behind the except block: until it ends, the error holds the pass's tensors
        start += size


def symbols_of_pass(model: NeuralModel) -> int:
    """Compute how many symbols a forward pass of a model may have, by its logits' memory."""
    most = min(CHUNK, MAX_LOGITS // model.vocab_size)
    free = free_bytes(model.device)
    if free is not None:
        most = min(most, int(USABLE * free) // (4 * LOGIT_COPIES * model.vocab_size))
    return max(1, most)
