"""What lessons 03 and 05 wrote, for the lessons after them: examples, the MLP, its training.

Each function stands in its lesson with the text that explains it; a test compares the two.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

SEED = 2147483647  # the lecture's, for every generator
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the place of a symbol is its id
Data = tuple[Tensor, Tensor]  # contexts (N, block_size), answers (N,)


# -- lesson 03 ------------------------------------------------------------------------------------


def build_dataset(part: Iterable[str], block_size: int = 3) -> Data:
    contexts, answers = [], []
    for word in part:
        context = [0] * block_size
        for symbol in word + ".":
            contexts.append(context)
            answers.append(LETTERS.index(symbol))
            context = context[1:] + [answers[-1]]  # slide: the oldest out, the newest in
    return torch.tensor(contexts), torch.tensor(answers)


def split(words: list[str]) -> dict[str, list[str]]:
    """80 % to learn from, 10 % to choose by, 10 % for one look at the end: the lectures' split."""
    shuffled = list(words)
    random.Random(42).shuffle(shuffled)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    return {"train": shuffled[:n1], "dev": shuffled[n1:n2], "test": shuffled[n2:]}


def new_net(n_embd: int, n_hidden: int, block_size: int = 3, calm: bool = False) -> list[Tensor]:
    g = torch.Generator().manual_seed(SEED)
    inputs = block_size * n_embd  # of each hidden neuron
    C = torch.randn((27, n_embd), generator=g)
    W1 = torch.randn((inputs, n_hidden), generator=g) * (inputs**-0.5 if calm else 1)
    b1 = torch.randn(n_hidden, generator=g) * (0.01 if calm else 1)
    W2 = torch.randn((n_hidden, 27), generator=g) * (0.01 if calm else 1)
    b2 = torch.randn(27, generator=g) * (0 if calm else 1)
    return [p.requires_grad_() for p in (C, W1, b1, W2, b2)]


def logits_of(net: list[Tensor], X: Tensor) -> Tensor:  # (B, T)
    C, W1, b1, W2, b2, *direct = net  # direct: lesson 04's last exercise adds a matrix
    emb = C[X].view(len(X), -1)  # (B, T, E) -> (B, T * E)
    hidden = torch.tanh(emb @ W1 + b1)  # (B, n_hidden)
    logits = hidden @ W2 + b2  # (B, 27)
    return logits + emb @ direct[0] if direct else logits


def train(
    net: list[Tensor], data: Data, steps: int, rates: Callable[[int], float], batch: int = 32,
    adam: bool = False, decay: float = 0.0, watch: Callable[[int], None] = lambda step: None,
) -> list[float]:  # fmt: skip
    X, Y = data
    g = torch.Generator().manual_seed(SEED)
    learned = [p for p in net if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, weight_decay=decay, fused=True)
    losses = []
    for step in range(steps):
        watch(step)
        ix = torch.randint(0, len(Y), (batch,), generator=g)  # which examples
        loss = F.cross_entropy(logits_of(net, X[ix]), Y[ix])
        optimizer.zero_grad()
        loss.backward()
        if adam:
            optimizer.param_groups[0]["lr"] = rates(step)
            optimizer.step()
        else:
            for p in learned:
                p.data -= rates(step) * (p.grad + decay * p.data)
        losses.append(loss.item())
    return losses


def falling(start: float, steps: int) -> Callable[[int], float]:
    """A rate that falls in a straight line to 0: for the short trainings with AdamW."""
    return lambda step: start * (1 - step / steps)


@torch.no_grad()
def loss_of(net: list[Tensor], data: Data) -> float:
    """Mean negative log-likelihood, nats a symbol; in pieces, to spare memory."""
    pieces = zip(data[0].split(20_000), data[1].split(20_000), strict=True)
    total = sum(F.cross_entropy(logits_of(net, x), y, reduction="sum").item() for x, y in pieces)
    return total / len(data[1])


@torch.no_grad()
def names_from(net: list[Tensor], count: int, block_size: int = 3, cap: int = 30) -> list[str]:
    g = torch.Generator().manual_seed(SEED + 10)
    context = torch.zeros(count, block_size, dtype=torch.long)
    drawn = []
    for _ in range(cap):
        probs = logits_of(net, context).softmax(1)  # (count, 27)
        symbol = torch.multinomial(probs, 1, generator=g)  # (count, 1)
        context = torch.cat([context[:, 1:], symbol], 1)
        drawn.append(symbol)
    rows = torch.cat(drawn, 1).tolist()  # (count, cap)
    return ["".join(LETTERS[n] for n in row).partition(".")[0] for row in rows]


# -- lesson 05 ------------------------------------------------------------------------------------


def sgd(
    logits: Callable[[Tensor], Tensor],
    parameters: list[Tensor],
    g: Generator,
    data: Data,
    count: int,
    drop: int,
    rate: float = 0.1,
    extra: Callable[[], Tensor] | None = None,
) -> Iterator[tuple[int, float]]:
    """Plain SGD on random batches of 32; yields (step, loss) after each step's update."""
    x, y = data
    for step in range(count):
        rows = torch.randint(0, len(x), (32,), generator=g)
        loss = F.cross_entropy(logits(x[rows]), y[rows])
        for p in parameters:
            p.grad = None
        (loss if extra is None else loss + extra()).backward()
        for p in parameters:
            p.data -= (rate if step < drop else rate / 10) * p.grad
        if count >= 100_000 and step % 50_000 == 0:
            print(f"  step {step:7,} of {count:,}: loss of the batch {loss.item():.4f}", flush=True)
        yield step, loss.item()


@torch.no_grad()
def part_loss(logits: Callable[[Tensor], Tensor], data: Data) -> float:
    total = 0.0
    for x, y in zip(data[0].split(16_384), data[1].split(16_384), strict=True):
        total += F.cross_entropy(logits(x), y, reduction="sum").item()
    return total / len(data[1])
