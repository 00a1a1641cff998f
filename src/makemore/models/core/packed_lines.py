"""Packed lines: several short lines in one row of a batch, each seen by itself.

Lines differ in length, and padding every row to the longest wastes half of the work. So a row holds
several lines one after another, and the attention mask lets each look at itself alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from makemore.models.core.neural import NeuralModel


def lines_of(starts: Tensor) -> tuple[Tensor, Tensor]:
    """Compute positions and the attention mask of rows in which several lines may stand.

    starts (B, T): true where a line begins -> the position of each input in its line (B, T), and
    the mask (B, T, T): 0 for the input itself and those before it in its line, else -inf.
    Starts 1 0 0 1 0 give the positions 0 1 2 0 1.
    """
    index = torch.arange(starts.shape[1], device=starts.device)  # (T,)
    # The last start up to here: a running maximum of the starts' indices.
    line_start = torch.where(starts, index, 0).cummax(1).values  # (B, T)
    # From the start of its line to the input itself: nothing ahead, and nothing of another line.
    visible = (index >= line_start[:, :, None]) & (index <= index[:, None])  # (B, T, T)
    return index - line_start, torch.where(visible, 0.0, -torch.inf)


def positions_and_mask(model: NeuralModel, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Find the lines in the rows of inputs (B, T) -> positions (B, T) and the mask (B, T, T).

    Raises ValueError on a CPU if a line is longer than the model's block_size.
    """
    # Id 0 is the boundary, ids from V on are labels: one of them starts each line.
    starts = (inputs == 0) | (inputs >= model.vocab_size)
    # After a restart a row goes on with a line whose earlier inputs were dropped.
    starts[:, 0].fill_(True)  # not an assignment, whose value would be copied from the host
    positions, mask = lines_of(starts)
    # A row of several short lines may be longer than block_size; a line may not. A card is not
    # asked, as the host would wait for it: batches are cut to block_size. A position beyond it
    # fails an assertion on the card, after which the process can use the card no more.
    longer = inputs.device.type == "cpu" and inputs.shape[1] > model.block_size
    if longer and int(positions.max()) >= model.block_size:
        raise ValueError(f"a line has more inputs than block_size {model.block_size}")
    return positions, mask
