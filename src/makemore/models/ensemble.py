"""Ensemble: several models as one, each probability the weighted mean of theirs.

The one idea: models of different kinds, seeds and sizes are wrong in different places. Their mean
is seldom as wrong as any of them, and weights, fitted to held-back lines by EM, say whom to trust.

Paper: Jelinek and Mercer 1980, Interpolated Estimation of Markov Source Parameters from Sparse Data
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.errors import RunError, UsageError, visible
from makemore.models.base import Arrays, CountModel, State, find, register
from makemore.models.labelled import LabelledCounts
from makemore.models.neural import NeuralModel
from makemore.options import knobs, make, option, unknown_key
from makemore.settings import Recipe

MOST_ROUNDS = 1000  # of EM
SETTLED = 1e-7  # nats a symbol that a round of EM has to gain


@register("ensemble")
class Ensemble(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        members: str = option(
            "ngram, transformer, transformer dropout=0.15, gru, lstm",
            "the models that are mixed, each with options of its own: NAME KEY=VALUE ..., NAME",
        )

    reads = "sequence"
    recipe = {}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.kinds = members_of(options.members)
        self.members = [self.member(name, values, 0) for name, values in self.kinds]
        # Those that learn by gradients are parts of this module: they move to its device with it.
        self.parts = nn.ModuleList(m for m in self.members if isinstance(m, nn.Module))
        self.weights = np.zeros(len(self.members))  # of a member that has not learned yet: 0

    def member(self, name: str, values: dict[str, Any], n_labels: int) -> Any:
        """A model with initial weights, of the size that it has by itself for the same text."""
        kind: Any = find(name)
        own = make(kind.Options, {key: values[key] for key in knobs(kind.Options) if key in values})
        block_size = kind.context_for(own, self.block_size - 1)
        block_size += bool(n_labels) and kind.reads == "window"
        if n_labels and issubclass(kind, CountModel):
            return LabelledCounts(kind, self.vocab_size, block_size, own, n_labels)
        model = kind(self.vocab_size, block_size, own)
        if n_labels:
            model.add_labels(n_labels)
        return model

    def add_labels(self, number: int) -> None:
        self.members = [self.member(name, values, number) for name, values in self.kinds]
        self.parts = nn.ModuleList(m for m in self.members if isinstance(m, nn.Module))
        self.n_labels = number

    @property
    def device(self) -> torch.device:
        return self.parts[0].device if len(self.parts) else torch.device("cpu")  # type: ignore

    @property
    def n_parameters(self) -> int:
        return sum(member.n_parameters for member in self.members)

    @property
    def learned(self) -> list[int]:
        """Numbers of the members that have a weight."""
        return [int(number) for number in np.flatnonzero(self.weights)]

    def mix(self, logs: list[Tensor]) -> Tensor:
        """Log-probabilities (..., V) of each learned member -> those of the mean."""
        weights = torch.as_tensor(np.log(self.weights[self.learned]), device=logs[0].device)
        each = [log.double() + weight for log, weight in zip(logs, weights, strict=True)]
        return torch.stack(each).logsumexp(0)

    def forward(self, inputs: Tensor) -> Tensor:
        self.check_length(inputs)
        return self.mix([self.answers(self.members[k], inputs) for k in self.learned]).float()

    def answers(self, member: Any, inputs: Tensor) -> Tensor:
        """inputs (B, T) -> log-probabilities (B, T, V) of one member."""
        if member.reads == "sequence":
            return member(inputs).log_softmax(-1)
        windows = self.windows(inputs, member.block_size).flatten(0, 1)  # (B * T, block)
        if isinstance(member, CountModel):
            logits = torch.from_numpy(member.forward(windows.cpu().numpy())).to(inputs.device)
        else:
            logits = member(windows)
        return logits.log_softmax(-1).view(*inputs.shape, -1)

    def windows(self, inputs: Tensor, block_size: int) -> Tensor:
        """inputs (B, T) -> the last block_size of each place (B, T, block_size), the label first."""
        B, T = inputs.shape
        width = block_size - bool(self.n_labels)
        line = inputs.masked_fill(inputs >= self.vocab_size, 0)
        padded = torch.cat([line.new_zeros(B, width), line], dim=1)
        windows = padded.unfold(1, width, 1)[:, 1:] if width else line.new_zeros(B, T, 0)
        if not self.n_labels:
            return windows
        return torch.cat([inputs[:, :1, None].expand(B, T, 1), windows], dim=2)

    def initial_state(self, batch: int) -> State:
        return tuple(self.members[k].initial_state(batch) for k in self.learned)

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        logs, after = [], []
        for k, before in zip(self.learned, state, strict=True):
            logits, own = self.members[k].step(ids, before)
            logs.append(torch.from_numpy(np.ascontiguousarray(logits)).double().log_softmax(-1))
            after.append(own)
        return self.mix(logs).numpy(), tuple(after)

    def tensors(self) -> Arrays:
        return {"weights": self.weights.copy()} | {
            f"{k}.{name}": value for k in self.learned
            for name, value in self.members[k].tensors().items()
        }  # fmt: skip

    def check_tensors(self, tensors: Arrays) -> None:
        weights = tensors.get("weights")
        if weights is None or weights.shape != self.weights.shape or weights.dtype != np.float64:
            raise RunError("the weights file lacks the members' weights", "weights", "train again")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise RunError("the members' weights are no shares", "weights", "train again")
        own = self.by_member(tensors)
        for k in map(int, np.flatnonzero(weights)):
            if isinstance(self.members[k], NeuralModel):
                self.members[k].check_tensors(own[k])

    def load_tensors(self, tensors: Arrays) -> None:
        self.check_tensors(tensors)
        self.weights = tensors["weights"].copy()
        own = self.by_member(tensors)
        for k in self.learned:
            self.members[k].load_tensors(own[k])

    def by_member(self, tensors: Arrays) -> list[Arrays]:
        own: list[Arrays] = [{} for _ in self.members]
        for name, value in tensors.items():
            number, _, rest = name.partition(".")
            if name != "weights" and (number not in map(str, range(len(own))) or not rest):
                raise RunError(f"the weights file holds an unknown tensor {visible(name, 80)!r}")
            if name != "weights":
                own[int(number)][rest] = value
        return own

    def take_over(self, number: int, member: Any) -> None:
        """A member that has learned; its weight is to be fitted yet."""
        self.members[number] = member
        self.parts = nn.ModuleList(m for m in self.members if isinstance(m, nn.Module))


def fit_weights(surprisals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, N) nats of N symbols by K models -> (K,) weights of the likeliest mixture, by EM.

    Dempster, Laird and Rubin 1977: each weight becomes the mean share that its model has in the
    probability of a symbol. The likelihood has one maximum, and every round comes nearer.
    """
    K, N = surprisals.shape
    weights, before = np.full(K, 1 / K), np.inf
    if N == 0:
        return weights
    chances = np.exp(surprisals.min(axis=0) - surprisals)  # (K, N), the best model's is 1
    for _ in range(MOST_ROUNDS):
        mixed = weights @ chances
        weights = weights * (chances / mixed).mean(axis=1)
        nats = -float(np.log(mixed).mean())
        if before - nats < SETTLED:
            break
        before = nats
    return weights / weights.sum()


def members_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """`ngram, gru n_hidden=192` -> names and options, as their knobs have them.

    Raises UsageError for an unknown model or option, or a value that is none.
    """
    found = []
    for part in text.split(","):
        name, *pairs = part.split() or [""]
        if name == "ensemble":
            raise UsageError("an ensemble is no member of one", "--members", "leave it out")
        known = knobs(Recipe) | knobs(find(name).Options)
        values: dict[str, Any] = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key not in known:
                raise unknown_key(key, known)
            try:
                values[key] = known[key].check(_read(known[key].type, value))
            except ValueError:
                raise UsageError(f"{key} cannot be {value!r}", "--members", "mend it") from None
        found.append((name, values))
    return found


def _read(kind: type, value: str) -> Any:
    return value == "true" if kind is bool else kind(value)
