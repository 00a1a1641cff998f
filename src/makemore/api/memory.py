"""Memory: what a training will take, estimated before it begins from its model and its batch.

Three things grow without bound: the weights, with what an optimizer and a save keep of each; the
batch, whose logits have a column for every symbol of the vocabulary; and the layers between. The
factors were measured: a bigram network of 20,000 symbols, 400 million weights, took 22 GB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from makemore.api.plan import Plan
from makemore.errors import SystemFault
from makemore.models import CountModel
from makemore.training.available_memory import available_bytes

BASE = 3 * 10**8  # bytes of Python, numpy and torch
NUMBER = 4  # bytes of a float32
WEIGHT_COPIES = 14  # weights, gradients, two averages, the best; all of them again when saving
LOGIT_COPIES = 6  # logits, their softmax and gradients, soft targets
LAYER_COPIES = 40  # values that a layer keeps of a symbol for the gradient, in widths of the layer
COUNT_BYTES = 64  # of a symbol of the text, to count n-grams of one order
WORTH_SAYING = 10**9  # bytes from which on a training says beforehand what it takes
USABLE = 0.9  # of the available bytes
WIDTHS = ("n_embd", "n_hidden", "n_embd2", "n_skip")  # options that are a width


@dataclass(frozen=True)
class Needed:
    """Holds the bytes that the weights and one batch of a training take."""

    weights: int
    batch: int

    @property
    def total(self) -> int:
        """Return all bytes, those of the program included."""
        return BASE + self.weights + self.batch


def needed_memory(plan: Plan) -> Needed:
    """Estimate the bytes of a training; for an ensemble, of the member that takes most."""
    if plan.kind.is_ensemble:
        return max(map(needed_memory, plan.member_plans()), key=lambda each: each.total)
    train = plan.split.train
    if issubclass(plan.kind, CountModel):
        return Needed(0, COUNT_BYTES * (len(train.codes) + len(train)))
    weights = NUMBER * WEIGHT_COPIES * count_parameters(plan)
    symbols = float(plan.recipe.batch_size)
    if plan.kind.input_kind == "sequence":  # a line is all of its symbols, and its end
        symbols *= min(len(train.codes) / max(1, len(train)) + 1, plan.config.block_size)
    widest = max((getattr(plan.options, name, 0) or 0 for name in WIDTHS), default=0)
    kept = LOGIT_COPIES * len(plan.vocabulary)
    kept += LAYER_COPIES * widest * getattr(plan.options, "n_layer", 1)
    return Needed(weights, int(NUMBER * symbols * kept))


def count_parameters(plan: Plan) -> int:
    """Count the parameters of a network that is not made yet."""
    import torch

    from makemore.models.core.layers import skip_init

    with torch.device("meta"), skip_init():  # shapes without memory
        return plan.build().n_parameters


def check_memory(plan: Plan) -> None:
    """Raise SystemFault where a training takes more memory than there is, before it is taken.

    A batch on a graphics card takes none of the machine's memory: where the card's ends, its own
    error names a batch that fits (memory_errors.py). Weights are made and saved by the host.
    """
    available, needed = available_bytes(), needed_memory(plan)
    if not issubclass(plan.kind, CountModel) and _is_on_card(plan):
        needed = replace(needed, batch=0)
    if available is None or needed.total <= USABLE * available or needed.total <= WORTH_SAYING:
        return
    raise SystemFault(
        f"{plan.config.model} takes about {in_gigabytes(needed.total)} of memory with "
        f"{len(plan.vocabulary):,} symbols, and {in_gigabytes(available)} are free", None,
        way_out(plan, needed, available),
    )  # fmt: skip


def _is_on_card(plan: Plan) -> bool:
    """Tell whether batches of a planned training are on a graphics card with its own memory."""
    from makemore.training.device import choose_device

    return choose_device(plan.recipe.device).type == "cuda"


def way_out(plan: Plan, needed: Needed, available: int) -> str:
    """Say which option makes a training fit: a batch that does, or a smaller model."""
    room = USABLE * available - BASE - needed.weights
    if needed.batch > needed.weights and room > 0:
        size = int(plan.recipe.batch_size * room / needed.batch)
        if size:
            return f"give --batch-size {size}"
    return smaller_model(plan)


def smaller_model(plan: Plan) -> str:
    """Say which options make a model smaller, and which model is small."""
    sizes = [name for name in ("n_embd", "n_hidden", "n_layer") if hasattr(plan.options, name)]
    smaller = "a smaller " + " or ".join(f"--{name.replace('_', '-')}" for name in sizes)
    return f"give {smaller}, or --model ngram" if sizes else "give --model ngram"


def in_gigabytes(size: int) -> str:
    """Say a number of bytes as a person would: 2.4 GB."""
    return f"{size / 10**9:.1f} GB"
