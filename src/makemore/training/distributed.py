"""Distributed: a training whose batches several processes compute together.

Rank 0 is the command: it reads, plans, evaluates, saves and prints. The others compute gradients
and do nothing else: they read no file and write none. Rank 0 sends, and they do:

    BEGIN   model, options, lines, soft targets     make the same model and the same batches
    STEP    number of the step, all parameters      compute some groups of this step's batch; the
                                                    gradients of all processes are added up
    END                                             forget the training
    QUIT                                            end the process

Which groups a batch has follows from seed and step, so no lines are sent with a step. The
optimizers are those of rank 0 alone: the others need no state, and a training goes on from a
checkpoint like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from makemore.errors import SystemFault
from makemore.models import NeuralModel, get_model
from makemore.models.core.base import Arrays
from makemore.models.core.registry import load_plugin
from makemore.options import make
from makemore.scoring.line_tensors import LineTensors
from makemore.text.ragged import offsets_of
from makemore.text.vocabulary import BOUNDARY
from makemore.training.batches import Batches
from makemore.training.config import TrainingConfig
from makemore.training.device import one_thread_each, threads
from makemore.training.gradients import Groups, gradients
from makemore.training.optimizer import Optimizer
from makemore.training.ranks import Ranks, quietly
from makemore.training.soft_targets import SoftTargets
from makemore.training.step import EagerStep
from makemore.training.trainer import Trainer

BEGIN, STEP, END, QUIT = range(1, 5)  # messages of rank 0
SOFT = ("soft.rows", "soft.alone", "soft.after")  # arrays of a BEGIN: those of SoftTargets


class FlatTensors:
    """Holds one flat tensor for all parameters of a model, and one for their gradients.

    One message of a million numbers takes a fraction of the time of many small ones. After the
    gradients come a 1 for each parameter that has one, and the loss: these are added up, too.
    """

    def __init__(self, model: NeuralModel) -> None:
        self.parameters: list[Tensor] = list(model.parameters())  # a tied one comes once
        sizes = [parameter.numel() for parameter in self.parameters]
        wide = any(parameter.dtype == torch.float64 for parameter in self.parameters)
        kind: Any = {"dtype": torch.float64 if wide else torch.float32, "device": model.device}
        self.weights = torch.zeros(sum(sizes), **kind)
        self.summed = torch.zeros(sum(sizes) + len(sizes) + 1, **kind)
        shapes = [parameter.shape for parameter in self.parameters]
        self._weights = _views(self.weights, sizes, shapes)
        self._grads = _views(self.summed[: sum(sizes)], sizes, shapes)
        self._used, self._loss = self.summed[sum(sizes) : -1], self.summed[-1]

    @torch.no_grad()
    def share_weights(self, ranks: Ranks) -> None:
        """Copy the parameters of rank 0 into those of all processes."""
        if ranks.rank == 0:
            torch._foreach_copy_(self._weights, self.parameters)
        ranks.broadcast(self.weights)
        if ranks.rank:
            torch._foreach_copy_(self.parameters, self._weights)

    @torch.no_grad()
    def add_up(self, ranks: Ranks, loss: Tensor) -> Tensor:
        """Add up the gradients of all processes on rank 0, and their losses (); returns the sum."""
        self.summed.zero_()
        for number, (parameter, grad) in enumerate(zip(self.parameters, self._grads, strict=True)):
            if parameter.grad is not None:
                grad.copy_(parameter.grad)
                self._used[number] = 1
        self._loss.copy_(loss)
        ranks.reduce(self.summed)
        # A parameter that nobody has used has no gradient, as in one process.
        used = self._used.tolist()
        for parameter, grad, times in zip(self.parameters, self._grads, used, strict=True):
            parameter.grad = grad.to(parameter.dtype, copy=True) if times else None
        return self._loss.to(loss.dtype, copy=True)


def _views(flat: Tensor, sizes: list[int], shapes: list[torch.Size]) -> list[Tensor]:
    """Cut a flat tensor into views of these shapes."""
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True)]


class SharedStep(EagerStep):
    """Takes a step on rank 0, of which the other processes compute their groups."""

    def __init__(
        self, model: NeuralModel, optimizers: list[Optimizer], recipe: TrainingConfig,
        soft_targets: SoftTargets | None, ranks: Ranks,
    ) -> None:  # fmt: skip
        super().__init__(model, optimizers, recipe, soft_targets)
        self.ranks, self.flat = ranks, FlatTensors(model)

    def gradients(self, groups: Groups, step: int) -> tuple[Tensor, int]:
        self.ranks.send(STEP, step)
        self.ranks.broken = True  # an error in between leaves the others in the midst of a step
        self.flat.share_weights(self.ranks)
        loss, symbols = super().gradients(groups, step)
        loss = self.flat.add_up(self.ranks, loss)
        self.ranks.broken = False
        return loss, symbols


@contextmanager
def shared_training(ranks: Ranks, training: Trainer, batches: Batches) -> Iterator[None]:
    """Let the other processes take part in the steps of a training, inside `with`.

    batches: of rank 0, which gives it its part of each batch. Raises RankLost.
    """
    model = training.model
    ranks.send_record(BEGIN, *_described(training, batches))
    if model.device.type == "cuda":
        ranks.use_cards()
    training.take_step = SharedStep(
        model, training.optimizers, training.recipe, training.soft_targets, ranks
    )
    try:
        yield
    finally:
        quietly(ranks, END)


def _described(training: Trainer, batches: Batches) -> tuple[dict[str, Any], Arrays]:
    """Describe a training to other processes: values for JSON, and arrays by name."""
    model, lines, soft = training.model, batches.lines, training.soft_targets
    record = {
        "model": model.name, "sizes": [model.vocab_size, model.block_size],
        "options": asdict(model.options), "n_labels": model.n_labels,
        "recipe": asdict(training.recipe), "shares": batches.shares, "device": model.device.type,
    }  # fmt: skip
    flat = lines.flat.cpu().numpy()
    arrays = {f"model.{name}": array for name, array in model.tensors().items()}
    arrays |= {"ids": flat[flat != BOUNDARY], "lengths": lines.lengths}
    if lines.labels is not None:
        arrays["labels"] = lines.labels.cpu().numpy()
    if soft is not None:
        arrays |= dict(zip(SOFT, soft.tables(), strict=True))
    return record, arrays


# -- the other processes --------------------------------------------------------------------------


def serve(ranks: Ranks, plugin: str | None = None) -> None:
    """Do what rank 0 sends until it says QUIT. Raises RankLost if it ends without a word.

    plugin: the Python file of the command's --plugin
    """
    while True:
        code, number = ranks.receive()
        if code == QUIT:
            return
        if code != BEGIN:
            raise SystemFault(f"message {code} came in the place of a training")
        record, arrays = ranks.receive_record(number)
        if plugin is not None:
            load_plugin(plugin)
        _train(ranks, record, arrays)


def _train(ranks: Ranks, record: dict[str, Any], arrays: Arrays) -> None:
    """Compute this process's groups of each step until the training ends."""
    device = _device(ranks, record["device"])
    recipe = make(TrainingConfig, record["recipe"])
    model = _model(record, arrays, device)
    batches = _batches(ranks, record, arrays, model, recipe)
    soft = None
    if SOFT[0] in arrays:
        rows, alone, after = (arrays[name] for name in SOFT)
        soft = SoftTargets(rows, alone, after, model.input_kind == "window", device)
    flat, step, count = FlatTensors(model), 0, recipe.threads or 1
    together = one_thread_each(count) if model.computes_in_parts else nullcontext()
    with threads(count), together:
        groups: Groups = ()
        while True:
            code, number = ranks.receive()
            if code != STEP:
                return
            if not groups or number != step:
                groups, step = batches(number), number
            flat.share_weights(ranks)
            loss, _ = gradients(model, groups, recipe.seed, step, soft)
            flat.add_up(ranks, loss)
            # The next batch is gathered while rank 0 updates the parameters.
            groups, step = batches(step + 1), step + 1


def _device(ranks: Ranks, kind: str) -> torch.device:
    """Choose the device of this process: the card of its number on this machine, or the CPU."""
    if kind != "cuda":
        return torch.device("cpu")
    cards = torch.cuda.device_count()
    if ranks.local_rank >= cards:
        to_do = f"give --nproc-per-node {cards}, or --device cpu"
        raise SystemFault(f"{ranks.local_size} processes and {cards} cards", "torchrun", to_do)
    torch.cuda.set_device(ranks.local_rank)
    ranks.use_cards()
    return torch.device("cuda", ranks.local_rank)


def _model(record: dict[str, Any], arrays: Arrays, device: torch.device) -> NeuralModel:
    """Make the model of rank 0."""
    kind: Any = get_model(record["model"])
    model: NeuralModel = kind(*record["sizes"], make(kind.Options, record["options"]))
    if record["n_labels"]:
        model.add_labels(record["n_labels"])
    own = {k.removeprefix("model."): v for k, v in arrays.items() if k.startswith("model.")}
    model.load_tensors(own)
    model.to(device).train()
    return model


def _batches(
    ranks: Ranks, record: dict[str, Any], arrays: Arrays, model: NeuralModel,
    recipe: TrainingConfig,
) -> Batches:  # fmt: skip
    """Make the batches of rank 0, of which this process gets its part."""
    offsets = offsets_of(arrays["lengths"])
    lines = LineTensors(
        arrays["ids"], offsets, model.input_kind, model.block_size, model.device,
        arrays.get("labels"),
    )  # fmt: skip
    return Batches(
        lines, recipe.batch_size, recipe.seed, model.packs, record["shares"],
        rank=ranks.rank, ranks=ranks.size,
    )  # fmt: skip
