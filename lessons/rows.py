"""What lessons 10 to 12 share: names as rows, one training for all models, and a task of memory.

The first four functions stand in lesson 10 with the text that explains them; a test compares them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp import LETTERS, SEED

VOCAB_SIZE, BLOCK_SIZE, N_EMBD = len(LETTERS), 16, 32
Rows = tuple[Tensor, Tensor]  # inputs (N, 16) and targets (N, 16)


def encode(names: list[str]) -> Rows:
    rows = [[0, *map(LETTERS.index, name), 0] for name in names]
    ids = torch.tensor([row + [-1] * (BLOCK_SIZE + 1 - len(row)) for row in rows])  # (N, 17)
    return ids[:, :-1].clamp(min=0), ids[:, 1:]  # inputs and targets, (N, 16) each


def losses(model: nn.Module, data: Rows, rows: Tensor) -> Tensor:
    """-> (rows, T): -log p of each target in nats, 0 where there is only padding."""
    inputs, targets = (part[rows] for part in data)
    longest = int((targets >= 0).sum(1).max())
    logits = model(inputs[:, :longest]).flatten(0, 1)  # (rows * T, 27)
    answers = targets[:, :longest].flatten()
    each = F.cross_entropy(logits, answers, ignore_index=-1, reduction="none")
    return each.view(len(rows), longest)


@torch.no_grad()
def evaluate(model: nn.Module, data: Rows) -> float:
    """Nats a symbol, over all of the data: exact, not a mean of means."""
    model.eval()  # dropout, which comes later, only acts in training
    by_length = (data[1] >= 0).sum(1).argsort()
    total = sum(float(losses(model, data, rows).sum()) for rows in by_length.split(2000))
    model.train()
    return total / int((data[1] >= 0).sum())


def train(model: nn.Module, data: Rows, steps: int, peak: float = 0.01) -> None:
    """Steps of 128 names, AdamW, a rate that falls from its peak to 0 in a straight line."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = peak * (1 - step / steps)
        rows = torch.randint(0, len(data[0]), (128,), generator=generator)
        loss = losses(model, data, rows).sum() / (data[1][rows] >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step and step % 500 == 0:
            print(f"  step {step:,} of {steps:,}: loss of the batch {loss.item():.4f}", flush=True)


def repeated_letter(words: list[str]) -> tuple[Rows, Rows, Tensor]:
    """Lines such as `emma.e`: four fifths to learn from, a fifth to ask, and where to ask it."""
    short_names = [word for word in words if len(word) <= 12]
    inputs, targets = encode([f"{word}.{word[0]}" for word in short_names])
    cut = int(0.8 * len(short_names))
    places = torch.tensor([len(word) + 1 for word in short_names[cut:]])
    return (inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:]), places


@torch.no_grad()
def loss_of_letter(model: nn.Module, asked: Rows, places: Tensor) -> float:
    """Mean loss of the repeated letter alone, in nats."""
    rows = torch.arange(len(places))
    return float(losses(model, asked, rows)[rows, places].mean())
