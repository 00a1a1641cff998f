"""Ensemble: several models as one, whose log-probabilities are the weighted sum of theirs.

The one idea: models of different kinds, seeds and sizes make different errors. Their weighted sum
is seldom as wrong as one of them, and the weights, fitted to validation lines, say how far each is
to be trusted. In a sum of logarithms a member that gives a symbol a probability near 0 vetoes it. A
weight may be below 0: a 9-gram less a 6-gram is what the longest contexts alone add.

In training, every prefix is one that a training line begins with. In a new line, sooner or later, a
prefix is new, and there no member was ever corrected. So there are two sets of weights: for known
prefixes, and for new ones.

Paper: Heskes 1998, Selecting Weighting Factors in Logarithmic Opinion Pools
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

from makemore.errors import RunError
from makemore.escaping import visible
from makemore.models.core.base import Arrays, CountModel, Model
from makemore.models.core.label_counts import PerLabelCounts
from makemore.models.core.layers import skip_init
from makemore.models.core.member_text import member_block_size, model_options, split_members
from makemore.models.core.neural import NeuralModel
from makemore.models.core.prefix_trie import NEW, START, PrefixTrie
from makemore.models.core.registry import get_model, register
from makemore.models.core.state import State
from makemore.options import make, option, options_of

MIN_LOG_PROBABILITY = -30.0  # instead of -inf: a veto that the other members can still outvote


Ints = NDArray[np.int64]


@register("ensemble")
class Ensemble(NeuralModel):
    """Mixes K members: log p is the normalised sum of weight * log p of each member.

    Inputs (B, T) -> log-probabilities (B, T, V). The weights are fitted by
    `fit_ensemble_weights` in api/mixture_weights.py; a member is trained as it would be alone, then
    put in by `take_over`.

    weights: (2, K) row 0 for known prefixes, row 1 for new ones; 0 for a member not yet trained.
        While all are 0, the distribution is uniform.
    known: the trie of all prefixes of training lines
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
        # The name of each member's model, and the options of that model.
        self.kinds = [
            (name, model_options(get_model(name), written))
            for name, written in split_members(options.members)
        ]
        classes = [get_model(name) for name, _ in self.kinds]
        # One member that refuses more than block_size inputs limits the whole.
        limited = any(kind.input_kind == "sequence" and kind.limited for kind in classes)
        self.limited = limited  # type: ignore[misc]
        self.members: list[Model | None] = [None] * len(self.kinds)  # None: not yet trained
        # Members that are networks, once more: so they move to a device with this module.
        self.learners = nn.ModuleList()
        # numpy, no parameters: they are fitted after the members, not by the optimizer.
        self.weights = np.zeros((2, len(self.kinds)))
        self.known = PrefixTrie(np.zeros(0, dtype=np.int64), vocab_size)  # empty: all are new

    def made(self, number: int) -> Model:
        """Make member `number` with initial weights, of the size that it would have alone."""
        name, values = self.kinds[number]
        kind: Any = get_model(name)
        options = make(
            kind.Options, {key: values[key] for key in options_of(kind.Options) if key in values}
        )
        block_size = member_block_size(kind, options, self.block_size, bool(self.n_labels))
        model: Any
        # Networks read a label as one more id; counts have one table for each label.
        if self.n_labels and issubclass(kind, CountModel):
            return PerLabelCounts(kind, self.vocab_size, block_size, options, self.n_labels)
        model = kind(self.vocab_size, block_size, options)
        if self.n_labels:
            model.add_labels(self.n_labels)
        # get_model gives only classes that were registered, and these are Models.
        assert isinstance(model, Model)  # noqa: S101 (it was registered as one)
        return model

    def take_over(self, number: int, member: Model) -> None:
        """Put in member `number`, trained or in training. Until it has a weight it is not mixed."""
        self.members[number] = member
        members: list[Any] = self.members
        self.learners = nn.ModuleList(part for part in members if isinstance(part, nn.Module))

    def add_labels(self, number: int) -> None:
        self.n_labels = number  # this module has no embedding; each member gets its rows in `made`

    def know(self, ids: Ints, offsets: Ints, labels: Ints | None = None) -> None:
        """Build the trie of known prefixes from the training lines.

        ids (n_symbols,), offsets (n_lines + 1,), labels (n_lines,): ids of their labels, or None
        """
        self.known = PrefixTrie.of(ids, offsets, labels, self.vocab_size + self.n_labels)

    def is_new(self, inputs: Tensor) -> NDArray[np.bool_]:
        """Find new prefixes: inputs (B, T) -> (B, T) whether no training line begins like that."""
        return self.known.walk(inputs.cpu().numpy()) == NEW

    @property
    def device(self) -> torch.device:
        return next((part.device for part in self.learners), torch.device("cpu"))  # type: ignore

    @property
    def n_parameters(self) -> int:
        return sum(member.n_parameters for _, member in self.mixed)

    @property
    def learned(self) -> list[int]:
        """List the indices of the members that have a weight in either row."""
        return [int(number) for number in np.flatnonzero(self.weights.any(axis=0))]

    @property
    def mixed(self) -> list[tuple[int, Model]]:
        """List the members that have a weight, each with its index."""
        each = ((number, self.members[number]) for number in self.learned)
        return [(number, member) for number, member in each if member is not None]

    def mix(self, logs: Sequence[Tensor], new: NDArray[np.bool_]) -> Tensor:
        """Mix the log-probabilities (..., V) of each member of `mixed` -> those of all (..., V).

        new (...): whether the prefix before is new; it chooses the row of weights
        """
        weights = torch.from_numpy(self.weights[new.astype(np.int64)][..., self.learned])
        pairs = zip(logs, weights.to(logs[0]).unbind(-1), strict=True)  # weights (..., K)
        # -inf would make the sum -inf, or with a weight of 0 no number at all.
        each = [log.clamp(min=MIN_LOG_PROBABILITY) * weight[..., None] for log, weight in pairs]
        # A sum of logarithms is a product of probabilities, which has to be normalised again.
        return torch.stack(each).sum(0).log_softmax(-1)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.limited:
            self.check_length(inputs)
        # Nothing to mix yet: equal logits are the uniform distribution.
        if not self.learned:
            return torch.zeros(*inputs.shape, self.vocab_size, device=inputs.device)
        logs = [self.answers(member, inputs) for _, member in self.mixed]  # (B, T, V) each
        return self.mix(logs, self.is_new(inputs))  # (B, T, V)

    def answers(self, member: Any, inputs: Tensor) -> Tensor:
        """Compute the log-probabilities of one member: inputs (B, T) -> (B, T, V)."""
        if member.input_kind == "sequence":
            return member(inputs).log_softmax(-1)
        # A window model reads each position of the sequence as an example of its own.
        windows = self.windows(inputs, member.block_size).flatten(0, 1)  # (B * T, block_size)
        if isinstance(member, CountModel):
            # Counts live in numpy, on the CPU.
            logits = torch.from_numpy(member.forward(windows.cpu().numpy())).float()
        else:
            logits = member(windows)
        return logits.to(inputs.device).log_softmax(-1).view(*inputs.shape, -1)

    def windows(self, inputs: Tensor, block_size: int) -> Tensor:
        """Cut sequences into windows: inputs (B, T) -> (B, T, block_size), one for each position.

        Of the line "emma" with a block_size of 3: "...", "..e", ".em", "emm", "mma". With labels,
        the first column is the line's label, and the line starts with the boundary in its stead.
        """
        B, T = inputs.shape
        width = block_size - bool(self.n_labels)  # without the label's column
        line = inputs.masked_fill(inputs >= self.vocab_size, 0)
        padded = torch.cat([line.new_zeros(B, width), line], dim=1)  # (B, width + T)
        # unfold gives T + 1 windows; the first is all padding, before the first input. A view.
        windows = padded.unfold(1, width, 1)[:, 1:] if width else line.new_zeros(B, T, 0)
        if not self.n_labels:
            return windows
        return torch.cat([inputs[:, :1, None].expand(B, T, 1), windows], dim=2)

    def initial_state(self, batch: int) -> State:
        each = (member.initial_state(batch) for _, member in self.mixed)
        return (np.full(batch, START), *each)  # nodes of the trie (B,), then each member's state

    def step(self, ids: NDArray[np.int64], state: State) -> tuple[NDArray[Any], State]:
        if not self.learned:
            return np.zeros((len(ids), self.vocab_size)), state
        # The trie goes one step with the members: whether the prefix is new decides their weights.
        logs, after = [], [self.known.step(state[0], ids)]
        for (_, member), before in zip(self.mixed, state[1:], strict=True):
            logits, member_state = member.step(ids, before)
            # float64 for all: what counts give, while networks give float32.
            logs.append(torch.from_numpy(np.ascontiguousarray(logits)).double().log_softmax(-1))
            after.append(member_state)
        # Each member keeps its own kind of state; none is computed again.
        return self.mix(logs, after[0] == NEW).numpy(), tuple(after)  # (B, V)

    def tensors(self) -> Arrays:
        of_members = {  # "2.head.weight" is the tensor head.weight of member 2
            f"{number}.{name}": value
            for number, member in self.mixed
            for name, value in member.tensors().items()
        }
        return {"weights": self.weights.copy(), "known": self.known.codes.copy(), **of_members}

    def check_tensors(self, tensors: Arrays) -> None:
        self.known_of(tensors)
        for number, arrays in self.by_member(tensors).items():
            with torch.device("meta"), skip_init():  # shapes without memory
                model = self.made(number)
            # Counts check themselves when they are loaded; their sizes depend on the text.
            if isinstance(model, NeuralModel):
                with naming(number):
                    model.check_tensors(arrays)

    def load_tensors(self, tensors: Arrays) -> None:
        self.check_tensors(tensors)
        # All members first: if one cannot be loaded, this model stays as it was.
        loaded = {}
        for number, arrays in self.by_member(tensors).items():
            with naming(number):
                loaded[number] = self.made(number)
                loaded[number].load_tensors(arrays)
        device = self.device  # before the new members come in, which are on the CPU
        for number, member in loaded.items():
            self.take_over(number, member)
        self.weights = tensors["weights"].copy()
        self.known = self.known_of(tensors)
        self.to(device).train(self.training)

    def by_member(self, tensors: Arrays) -> dict[int, Arrays]:
        """Split the tensors by member, for those that have a weight: "2.head.weight" goes to 2.

        Raises RunError for weights of a wrong shape or type, and for unknown names.
        """
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
        # Only members with a weight are in the file: training may have been cut off before others.
        learned = np.flatnonzero(weights.any(axis=0))
        by_index: dict[str, Arrays] = {str(number): {} for number in learned}
        for name, value in tensors.items():
            number, point, rest = name.partition(".")
            if name in ("weights", "known"):
                continue
            if number not in by_index or not point:
                raise RunError(f"the weights file holds an unknown tensor {visible(name, 80)!r}")
            by_index[number][rest] = value
        return {int(number): arrays for number, arrays in by_index.items()}

    def known_of(self, tensors: Arrays) -> PrefixTrie:
        """Read the trie of known prefixes. Raises RunError if the tensor cannot be one."""
        codes = tensors.get("known")
        if codes is None:
            raise RunError("the weights file lacks tensor 'known'", "known", "train again")
        if codes.ndim != 1 or codes.dtype != np.int64:
            what = f"tensor 'known' is {codes.dtype}{list(codes.shape)}, expected int64[n]"
            raise RunError(what, "known", "train again")
        trie = PrefixTrie(codes.copy(), self.vocab_size + self.n_labels)
        if not trie.sound:
            raise RunError("tensor 'known' holds what no lines begin with", "known", "train again")
        return trie


@contextmanager
def naming(number: int) -> Iterator[None]:
    """Let errors inside name a member's tensors as the file does: "2.head.weight"."""
    try:
        yield
    except RunError as error:
        raise RunError(
            error.what.replace("tensor '", f"tensor '{number}."), error.where, error.to_do
        ) from None
