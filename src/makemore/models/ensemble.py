"""Ensemble: several models as one, each probability the weighted mean of theirs.

The one idea: models of different kinds, seeds and sizes are wrong in different places. Their mean
is seldom as wrong as any of them, and weights, fitted to held-back lines by EM, say whom to trust.

Paper: Jelinek and Mercer 1980, Interpolated Estimation of Markov Source Parameters from Sparse Data
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.errors import RunError, UsageError, visible
from makemore.models.base import Arrays, CountModel, Model, State, find, register
from makemore.models.labelled import LabelledCounts
from makemore.models.neural import NeuralModel, NothingDrawn
from makemore.options import Knob, knobs, make, option, unknown_key
from makemore.settings import Recipe

MOST_ROUNDS = 2000  # of EM
SETTLED = 1e-9  # nats a symbol that a round of EM has to gain
LEAST = 1e-6  # the weight of a member that EM has no use for: above 0, so that it stays known
MOST_MEMBERS = 64

Kinds = list[tuple[str, dict[str, Any]]]  # of members: name and options


@register("ensemble")
class Ensemble(NeuralModel):
    """weights (K,): of each member, 0 for one that has not learned yet; they add up to 1.

    Without any that has learned, all symbols are alike.
    """

    @dataclass(frozen=True)
    class Options:
        members: str = option(
            "ngram, transformer, lstm, transformer n_embd=80 dropout=0.15, gru, "
            "transformer dropout=0.15, wavenet, transformer n_embd=80 dropout=0.15",
            "what is mixed: NAME KEY=VALUE ..., NAME ...; a key is of the model or of training",
        )

    reads = "sequence"
    mixes = True
    recipe = {}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.kinds = members_of(options.members)
        found = [find(name) for name, _ in self.kinds]
        limited = any(kind.reads == "sequence" and kind.limited for kind in found)
        self.limited = limited  # type: ignore[misc]
        self.members: list[Model | None] = [None] * len(self.kinds)  # made once they are known
        self.learners = (
            nn.ModuleList()
        )  # those with gradients: they move to a device with this module
        self.weights = np.zeros(len(self.kinds))

    def made(self, number: int) -> Model:
        """A member with initial weights, of the size that it has by itself for the same text."""
        name, values = self.kinds[number]
        kind: Any = find(name)
        own = make(kind.Options, {key: values[key] for key in knobs(kind.Options) if key in values})
        block_size = member_block_size(kind, own, self.block_size, bool(self.n_labels))
        model: Any
        if self.n_labels and issubclass(kind, CountModel):
            return LabelledCounts(kind, self.vocab_size, block_size, own, self.n_labels)
        model = kind(self.vocab_size, block_size, own)
        if self.n_labels:
            model.add_labels(self.n_labels)
        assert isinstance(model, Model)  # noqa: S101 (it was registered as one)
        return model

    def take_over(self, number: int, member: Model) -> None:
        """A member that has learned, or learns now; its weight is another matter."""
        self.members[number] = member
        members: list[Any] = self.members
        self.learners = nn.ModuleList(part for part in members if isinstance(part, nn.Module))

    def add_labels(self, number: int) -> None:
        self.n_labels = number

    @property
    def device(self) -> torch.device:
        return next((part.device for part in self.learners), torch.device("cpu"))  # type: ignore

    @property
    def n_parameters(self) -> int:
        return sum(member.n_parameters for _, member in self.mixed)

    @property
    def learned(self) -> list[int]:
        """Numbers of the members that have a weight."""
        return [int(number) for number in np.flatnonzero(self.weights)]

    @property
    def mixed(self) -> list[tuple[int, Model]]:
        """The members that have a weight, with their numbers."""
        each = ((number, self.members[number]) for number in self.learned)
        return [(number, member) for number, member in each if member is not None]

    def mix(self, logs: Sequence[Tensor]) -> Tensor:
        """Log-probabilities (..., V) of each of `mixed` -> those of the mean (..., V)."""
        weights = torch.tensor(np.log(self.weights[self.learned]), dtype=logs[0].dtype)
        each = [log + weight for log, weight in zip(logs, weights.tolist(), strict=True)]
        return torch.stack(each).logsumexp(0)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.limited:
            self.check_length(inputs)
        if not self.learned:
            return torch.zeros(*inputs.shape, self.vocab_size, device=inputs.device)
        return self.mix([self.answers(member, inputs) for _, member in self.mixed])  # (B, T, V)

    def answers(self, member: Any, inputs: Tensor) -> Tensor:
        """inputs (B, T) -> log-probabilities (B, T, V) of one member."""
        if member.reads == "sequence":
            return member(inputs).log_softmax(-1)
        windows = self.windows(inputs, member.block_size).flatten(0, 1)  # (B * T, block)
        if isinstance(member, CountModel):
            logits = torch.from_numpy(member.forward(windows.cpu().numpy())).float()
        else:
            logits = member(windows)
        return logits.to(inputs.device).log_softmax(-1).view(*inputs.shape, -1)

    def windows(self, inputs: Tensor, block_size: int) -> Tensor:
        """inputs (B, T) -> the last block_size of each place (B, T, block_size), the label first.

        A member that reads windows has a boundary where a sequence has its label.
        """
        B, T = inputs.shape
        width = block_size - bool(self.n_labels)
        line = inputs.masked_fill(inputs >= self.vocab_size, 0)
        padded = torch.cat([line.new_zeros(B, width), line], dim=1)
        windows = padded.unfold(1, width, 1)[:, 1:] if width else line.new_zeros(B, T, 0)
        if not self.n_labels:
            return windows
        return torch.cat([inputs[:, :1, None].expand(B, T, 1), windows], dim=2)

    def initial_state(self, batch: int) -> State:
        return tuple(member.initial_state(batch) for _, member in self.mixed)

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        if not self.learned:
            return np.zeros((len(ids), self.vocab_size)), state
        logs, after = [], []
        for (_, member), before in zip(self.mixed, state, strict=True):
            logits, own = member.step(ids, before)
            logs.append(torch.from_numpy(np.ascontiguousarray(logits)).double().log_softmax(-1))
            after.append(own)
        return self.mix(logs).numpy(), tuple(after)  # (B, V)

    def tensors(self) -> Arrays:
        own = {
            f"{number}.{name}": value
            for number, member in self.mixed
            for name, value in member.tensors().items()
        }
        return {"weights": self.weights.copy(), **own}

    def check_tensors(self, tensors: Arrays) -> None:
        for number, own in self.by_member(tensors).items():
            with torch.device("meta"), NothingDrawn():  # shapes without memory
                model = self.made(number)
            if isinstance(model, NeuralModel):
                with naming(number):
                    model.check_tensors(own)

    def load_tensors(self, tensors: Arrays) -> None:
        self.check_tensors(tensors)
        loaded = {}
        for number, own in self.by_member(tensors).items():
            with naming(number):
                loaded[number] = self.made(number)
                loaded[number].load_tensors(own)
        device = self.device
        for number, member in loaded.items():
            self.take_over(number, member)
        self.weights = tensors["weights"].copy()
        self.to(device).train(self.training)

    def by_member(self, tensors: Arrays) -> dict[int, Arrays]:
        """The tensors of each member that has a weight. RunError for weights that are no shares."""
        weights = tensors.get("weights")
        if weights is None:
            raise RunError("the weights file lacks tensor 'weights'", "weights", "train again")
        if weights.shape != self.weights.shape or weights.dtype != np.float64:
            raise RunError(
                f"tensor 'weights' is {weights.dtype}{list(weights.shape)}, "
                f"expected float64{list(self.weights.shape)}", "weights",
            )  # fmt: skip
        total = float(weights.sum())
        if not ((weights >= 0).all() and (abs(total - 1) < 1e-6 or not weights.any())):
            raise RunError("tensor 'weights' holds no shares that add up to 1", "weights")
        own: dict[str, Arrays] = {str(number): {} for number in np.flatnonzero(weights)}
        for name, value in tensors.items():
            number, point, rest = name.partition(".")
            if name == "weights":
                continue
            if number not in own or not point:
                raise RunError(f"the weights file holds an unknown tensor {visible(name, 80)!r}")
            own[number][rest] = value
        return {int(number): values for number, values in own.items()}


@contextmanager
def naming(number: int) -> Iterator[None]:
    """Errors inside name a member's tensors as the file does."""
    try:
        yield
    except RunError as error:
        raise RunError(
            error.what.replace("tensor '", f"tensor '{number}."), error.where, error.to_do
        ) from None


def member_block_size(kind: type[Model], options: Any, block_size: int, labels: bool) -> int:
    """The block_size of a member, as it is for the same text without the others."""
    return kind.context_for(options, block_size - 1) + (kind.reads == "window" and labels)


def fit_weights(surprisals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, N) nats of N symbols by K models -> (K,) weights of the likeliest mixture, by EM.

    Dempster, Laird and Rubin 1977: each weight becomes the mean share that its model has in the
    probability of a symbol. The likelihood has one maximum, and every round comes nearer.
    """
    K, N = surprisals.shape
    weights, before = np.full(K, 1 / K), np.inf
    if N == 0 or K == 1:
        return weights
    chances = np.exp(surprisals.min(axis=0) - surprisals)  # (K, N), the best model's is 1
    for _ in range(MOST_ROUNDS):
        mixed = weights @ chances
        nats = -float(np.log(mixed).mean())
        if before - nats < SETTLED:
            break
        before = nats
        weights = weights * ((chances @ (1 / mixed)) / N)
    weights = np.maximum(weights, LEAST)
    return np.asarray(weights / weights.sum())


def members_of(text: str) -> Kinds:
    """`ngram, gru n_hidden=192` -> names and options, as their knobs have them.

    Raises UsageError for an unknown model or option, or a value that is none.
    """
    parts, found = text.split(","), []
    if len(parts) > MOST_MEMBERS:
        raise UsageError(f"{len(parts)} members", "--members", f"give at most {MOST_MEMBERS}")
    for part in parts:
        name, *pairs = part.split() or [""]
        if find(name).mixes:
            raise UsageError(f"{name} is no member of an ensemble", "--members", "leave it out")
        each = {**knobs(Recipe), **knobs(find(name).Options)}
        known = {key: knob for key, knob in each.items() if knob.names_run}
        values: dict[str, Any] = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key not in known:
                raise unknown_key(key, known, f"option of {name}")
            values[key] = known[key].check(_read(known[key], value))
        found.append((name, values))
    return found


def text_of(members: Kinds) -> str:
    """What `members_of` reads."""
    return ", ".join(
        " ".join([name, *(f"{key}={_written(value)}" for key, value in values.items())])
        for name, values in members
    )


def _read(knob: Knob, value: str) -> Any:
    words = {"true": True, "false": False}
    if knob.optional and value == "none":
        return None
    try:
        return words.get(value, value) if knob.type is bool else knob.type(value)
    except ValueError:
        return value  # the knob says what kind of value it has to be


def _written(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
