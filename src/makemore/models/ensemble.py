"""Ensemble: several models as one, whose log-probabilities are the weighted sum of theirs.

The one idea: models of different kinds, seeds and sizes are wrong in different places. What they
say together is seldom as wrong as any of them, and weights, fitted to held-back lines, say whom to
trust. A sum of logarithms lets each member veto; and a weight below 0 takes out what one says too
loudly: a 9-gram less a 6-gram is what the longest contexts alone add. In training, each prefix is
one that a training line begins with; in a new line, sooner or later, one is not, and there members
were never corrected. So there are two sets of weights: for prefixes that are known, and for others.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from makemore.errors import RunError, UsageError
from makemore.escaping import visible
from makemore.models.core.base import Arrays, CountModel, Model
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.layers import skip_init
from makemore.models.core.neural import NeuralModel
from makemore.models.core.prefix_trie import NEW, START, PrefixTrie
from makemore.models.core.registry import get_model, register
from makemore.models.core.state import State
from makemore.options import Option, make, option, options_of

MAX_MEMBERS = 64
MIN_LOG_PROBABILITY = -30.0  # what a member holds for impossible, another may still allow


Ints = NDArray[np.int64]


@register("ensemble")
class Ensemble(NeuralModel):
    """weights (2, K): of each member's log-probabilities, 0 for one that has not learned yet.

    The first are those after a prefix that a training line begins with, the second after others.
    Without any member that has learned, all symbols are alike.
    """

    @dataclass(frozen=True)
    class Options:
        members: str = option(
            "ngram order=3, ngram order=5, ngram, ngram order=9, transformer, lstm, "
            "transformer n_embd=80 dropout=0.15, transformer n_embd=80 dropout=0.15, gru, "
            "transformer n_layer=6 dropout=0.15, transformer n_embd=80 dropout=0.15",
            "what is mixed: NAME KEY=VALUE ..., NAME ...; a key is of the model or of training",
        )

    input_kind = "sequence"
    is_ensemble = True
    recipe = {}

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        self.kinds = [
            (name, model_options(name, written)) for name, written in split_members(options.members)
        ]
        found = [get_model(name) for name, _ in self.kinds]
        limited = any(kind.input_kind == "sequence" and kind.limited for kind in found)
        self.limited = limited  # type: ignore[misc]
        self.members: list[Model | None] = [None] * len(self.kinds)  # made once they are known
        self.learners = (
            nn.ModuleList()
        )  # those with gradients: they move to a device with this module
        self.weights = np.zeros((2, len(self.kinds)))
        self.known = PrefixTrie(np.zeros(0, dtype=np.int64), vocab_size)

    def made(self, number: int) -> Model:
        """A member with initial weights, of the size that it has by itself for the same text."""
        name, values = self.kinds[number]
        kind: Any = get_model(name)
        own = make(
            kind.Options, {key: values[key] for key in options_of(kind.Options) if key in values}
        )
        block_size = member_block_size(kind, own, self.block_size, bool(self.n_labels))
        model: Any
        if self.n_labels and issubclass(kind, CountModel):
            return PerLabelCounts(kind, self.vocab_size, block_size, own, self.n_labels)
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

    def know(self, ids: Ints, offsets: Ints, labels: Ints | None = None) -> None:
        """These are the training lines: ids (n_symbols,), offsets (n + 1,), labels (n,) ids."""
        self.known = PrefixTrie.of(ids, offsets, labels, self.vocab_size + self.n_labels)

    def is_new(self, inputs: Tensor) -> NDArray[np.bool_]:
        """inputs (B, T) -> whether no training line begins with those up to each (B, T)."""
        return self.known.walk(inputs.cpu().numpy()) == NEW

    @property
    def device(self) -> torch.device:
        return next((part.device for part in self.learners), torch.device("cpu"))  # type: ignore

    @property
    def n_parameters(self) -> int:
        return sum(member.n_parameters for _, member in self.mixed)

    @property
    def learned(self) -> list[int]:
        """Numbers of the members that have a weight."""
        return [int(number) for number in np.flatnonzero(self.weights.any(axis=0))]

    @property
    def mixed(self) -> list[tuple[int, Model]]:
        """The members that have a weight, with their numbers."""
        each = ((number, self.members[number]) for number in self.learned)
        return [(number, member) for number, member in each if member is not None]

    def mix(self, logs: Sequence[Tensor], new: NDArray[np.bool_]) -> Tensor:
        """Log-probabilities (..., V) of each of `mixed` -> those of all together (..., V).

        new (...): whether no training line begins like that
        """
        weights = torch.from_numpy(self.weights[new.astype(np.int64)][..., self.learned])
        pairs = zip(logs, weights.to(logs[0]).unbind(-1), strict=True)  # weights (..., K)
        each = [log.clamp(min=MIN_LOG_PROBABILITY) * weight[..., None] for log, weight in pairs]
        return torch.stack(each).sum(0).log_softmax(-1)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.limited:
            self.check_length(inputs)
        if not self.learned:
            return torch.zeros(*inputs.shape, self.vocab_size, device=inputs.device)
        logs = [self.answers(member, inputs) for _, member in self.mixed]
        return self.mix(logs, self.is_new(inputs))  # (B, T, V)

    def answers(self, member: Any, inputs: Tensor) -> Tensor:
        """inputs (B, T) -> log-probabilities (B, T, V) of one member."""
        if member.input_kind == "sequence":
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
        each = (member.initial_state(batch) for _, member in self.mixed)
        return (np.full(batch, START), *each)

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        if not self.learned:
            return np.zeros((len(ids), self.vocab_size)), state
        logs, after = [], [self.known.step(state[0], ids)]
        for (_, member), before in zip(self.mixed, state[1:], strict=True):
            logits, own = member.step(ids, before)
            logs.append(torch.from_numpy(np.ascontiguousarray(logits)).double().log_softmax(-1))
            after.append(own)
        return self.mix(logs, after[0] == NEW).numpy(), tuple(after)  # (B, V)

    def tensors(self) -> Arrays:
        own = {
            f"{number}.{name}": value
            for number, member in self.mixed
            for name, value in member.tensors().items()
        }
        return {"weights": self.weights.copy(), "known": self.known.codes.copy(), **own}

    def check_tensors(self, tensors: Arrays) -> None:
        self.known_of(tensors)
        for number, own in self.by_member(tensors).items():
            with torch.device("meta"), skip_init():  # shapes without memory
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
        self.known = self.known_of(tensors)
        self.to(device).train(self.training)

    def by_member(self, tensors: Arrays) -> dict[int, Arrays]:
        """The tensors of each member that has a weight. RunError for weights that are none."""
        weights = tensors.get("weights")
        if weights is None:
            raise RunError("the weights file lacks tensor 'weights'", "weights", "train again")
        if weights.shape != self.weights.shape or weights.dtype != np.float64:
            raise RunError(
                f"tensor 'weights' is {weights.dtype}{list(weights.shape)}, "
                f"expected float64{list(self.weights.shape)}", "weights", "train again",
            )  # fmt: skip
        if not np.isfinite(weights).all():
            raise RunError("tensor 'weights' holds what is no number", "weights")
        learned = np.flatnonzero(weights.any(axis=0))
        own: dict[str, Arrays] = {str(number): {} for number in learned}
        for name, value in tensors.items():
            number, point, rest = name.partition(".")
            if name in ("weights", "known"):
                continue
            if number not in own or not point:
                raise RunError(f"the weights file holds an unknown tensor {visible(name, 80)!r}")
            own[number][rest] = value
        return {int(number): values for number, values in own.items()}

    def known_of(self, tensors: Arrays) -> PrefixTrie:
        """What training lines begin with. RunError for what cannot be that."""
        codes = tensors.get("known")
        if codes is None:
            raise RunError("the weights file lacks tensor 'known'", "known", "train again")
        if codes.ndim != 1 or codes.dtype != np.int64:
            what = f"tensor 'known' is {codes.dtype}{list(codes.shape)}, expected int64[n]"
            raise RunError(what, "known", "train again")
        found = PrefixTrie(codes.copy(), self.vocab_size + self.n_labels)
        if not found.sound:
            raise RunError("tensor 'known' holds what no lines begin with", "known", "train again")
        return found


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
    return kind.context_for(options, block_size - 1) + (kind.input_kind == "window" and labels)


def split_members(text: str) -> list[tuple[str, dict[str, str]]]:
    """`ngram, gru n_hidden=192` -> names, and their options as they are written.

    Raises UsageError for an unknown model, one that cannot be a member, or too many.
    """
    parts, found = text.split(","), []
    if len(parts) > MAX_MEMBERS:
        raise UsageError(f"{len(parts)} members", "--members", f"give at most {MAX_MEMBERS}")
    for part in parts:
        name, *pairs = part.split() or [""]
        if get_model(name).is_ensemble:
            raise UsageError(f"{name} is no member of an ensemble", "--members", "leave it out")
        found.append((name, {key: value for key, _, value in (p.partition("=") for p in pairs)}))
    return found


def model_options(name: str, written: Mapping[str, str]) -> dict[str, Any]:
    """Those of a member's options that are its model's; the others are of its training."""
    known = options_of(get_model(name).Options)
    return {key: read_value(known[key], value) for key, value in written.items() if key in known}


def read_value(option: Option, text: str) -> Any:
    """The value of an option from its text. Raises UsageError for one that cannot be."""
    if option.optional and text == "none":
        return None
    if option.type is bool:
        return option.check({"true": True, "false": False}.get(text, text))
    try:
        return option.check(option.type(text))
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        return option.check(text)  # which says what kind of value it has to be
