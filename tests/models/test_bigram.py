"""bigram.py: a table of logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F

import battery
from makemore.models.bigram import Bigram


def test_bigram_is_a_row_of_logits_for_each_symbol() -> None:
    model = battery.shaken(Bigram, V=27)
    inputs = torch.tensor([0, 5, 13, 13, 1])  # .emma
    logits = F.one_hot(inputs, 27).float() @ model.table.weight  # (5, 27) @ (27, 27)
    assert torch.equal(model(inputs[None])[0], logits)
