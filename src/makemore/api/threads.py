"""Threads: how many CPU threads a training uses, by a fixed rule from model, text and cores.

A rule, not a measurement: the last bits of a sum depend on the number of threads. So the same seed
on as many cores gives the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from makemore import parallel
from makemore.models import CountModel, Model

FEWEST_THREADS = 2  # of a network, where there are as many cores
# Multiply-adds of a forward pass over a batch, from which on four threads pay. The default
# transformer has 370 million, a GRU 290, an RNN 55.
WORK_FOR_FOUR = 250_000_000
# How many times the work pays for twice the threads. Parts of a batch wait for one another at
# Python's lock, and what that costs grows with the square of their number: on 16 cores a step of
# the transformer took 56 ms with 2 threads, 49 with 4 and 96 with 8, which is 8 + 86 / n + 1.2 n^2.
# Threads that share each product meet after it, at a cost that grows with their number.
PARTS_GROWTH, PRODUCTS_GROWTH = 8, 4


def training_threads(
    kind: type[Model],
    sizes: tuple[int, int, Any],
    batch_size: int,
    mean_length: float,
) -> int:
    """Choose the number of threads of a training; counts use one.

    sizes: vocab_size, block_size and options, to make the model of
    mean_length: symbols of a training line
    """
    if issubclass(kind, CountModel):
        return 1
    cores = parallel.usable_cores()
    if cores <= FEWEST_THREADS:  # whatever the work is
        return cores
    from makemore.models import NeuralModel
    from makemore.training.batches import MOST_GROUPS

    assert issubclass(kind, NeuralModel)  # noqa: S101 (a model counts or is a network)
    symbols = float(batch_size)
    if kind.input_kind == "sequence":  # a line is all of its symbols, and its end
        symbols *= min(mean_length + 1, sizes[1])
    growth = PARTS_GROWTH if kind.splits_batches else PRODUCTS_GROWTH
    threads = threads_for_work(symbols * multiplied(kind, sizes), growth)
    if kind.splits_batches and not kind.packs:
        threads = min(threads, MOST_GROUPS)  # its batches have no more parts to compute
    return min(threads, cores)


def shared_threads(members: Iterable[int]) -> int:
    """Choose the number of threads of an ensemble: that of the member with the most."""
    return min(max([FEWEST_THREADS, *members]), parallel.usable_cores())


def threads_for_work(work: float, growth: int) -> int:
    """Look up how many threads pay for this work: 2, or 4, 8, 16 ... from WORK_FOR_FOUR on.

    work: multiply-adds of a forward pass; growth: times the work that pays for twice the threads
    """
    threads, enough = FEWEST_THREADS, WORK_FOR_FOUR
    while work >= enough:
        threads, enough = 2 * threads, growth * enough
    return threads


def multiplied(kind: Any, sizes: tuple[int, int, Any]) -> int:
    """Count the parameters that multiply each symbol: all but embeddings, which are looked up."""
    import torch
    from torch import nn

    from makemore.models.core.layers import skip_init

    with torch.device("meta"), skip_init():  # shapes without memory
        model = kind(*sizes)
    tables = (part.weight.numel() for part in model.modules() if isinstance(part, nn.Embedding))
    return int(model.n_parameters) - sum(tables)
