"""The battery tried on planted faults: a check that cannot fail is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import battery
import label_battery
from makemore.models.bow import BagOfWords
from makemore.models.core import registry
from makemore.models.core.base import Model
from makemore.models.core.neural import numpy_step
from makemore.models.mlp import MLP
from makemore.models.ngram import NGram
from makemore.models.rnn import RNN
from makemore.models.transformer import Transformer
from makemore.options import option


class Forgetful(RNN):
    """The one bug the original ever had: the state is never passed on."""

    def read(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        B, T = inputs.shape
        logits, _ = super().read(inputs.reshape(-1, 1), self.initial_state(B * T))
        return logits.view(B, T, -1), state


class Peeking(BagOfWords):
    def forward(self, inputs: Tensor) -> Tensor:
        self.check_length(inputs)
        x = self.embedding(inputs) + self.position(torch.arange(inputs.shape[1]))
        return self.read_out(x, x.sum(1, keepdim=True), inputs.shape[1])


class Stateless(Transformer):
    def step(self, ids: Any, state: Any) -> Any:
        return super().step(ids, self.initial_state(len(ids)))


class Restarting(BagOfWords):
    """Past block_size it starts from nothing instead of the last half."""

    def step(self, ids: Any, state: Any) -> Any:
        full = state[0].shape[1] == self.block_size
        return super().step(ids, self.initial_state(len(ids)) if full else state)


class Boundless(BagOfWords):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs[:, -self.block_size :])


class Confident(MLP):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        nn.init.normal_(self.head.weight, std=1.0)


class Dead(MLP):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.unused = nn.Linear(2, 2)


class Cut(MLP):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.hidden(self.embedding(inputs).flatten(1)).detach()))


class Timid(MLP):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).clamp(-1, 1)


class Dropping(RNN):
    """Its step leaves the model in training mode."""

    def step(self, ids: Any, state: Any) -> Any:
        with torch.no_grad():
            logits, state = self.read(torch.from_numpy(ids)[:, None], state)
        return logits[:, 0].numpy(), state


class ModeLost(RNN):
    def step(self, ids: Any, state: Any) -> Any:
        self.eval()
        return super().step(ids, state)


class Graph(RNN):
    @numpy_step
    def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        with torch.enable_grad():
            logits, state = self.read(ids[:, None], state)
        return logits[:, 0].detach(), state


class Mixing(MLP):
    """The other rows of a batch matter, as with BatchNorm that is not told to evaluate."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        return logits - 0.1 * logits.mean(0)


class HalfSaved(MLP):
    def tensors(self) -> Any:
        return {k: v for k, v in super().tensors().items() if k != "hidden.weight"}

    def load_tensors(self, tensors: Any) -> None:
        super().load_tensors(super().tensors() | tensors)


class Lenient(MLP):
    def load_tensors(self, tensors: Any) -> None:
        kept = {k: torch.from_numpy(v) for k, v in tensors.items()}
        self.load_state_dict(kept, strict=False)


class LastOnly(RNN):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, -1]


class Carried(RNN):
    packs = True  # and yet its state goes on from one line to the next


class NearSighted(MLP):
    """It does not look at what a window starts with: the oldest input, or a label."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs * (torch.arange(self.block_size) > 0))


class Unseeded(MLP):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        with torch.no_grad():
            self.head.bias.copy_(torch.from_numpy(np.random.default_rng().random(self.vocab_size)))


class KnobTwice(MLP):
    @dataclass(frozen=True)
    class Options(MLP.Options):
        temperature: float = option(1.0, "also one of sampling")


class KnobOpen(MLP):
    @dataclass
    class Options:
        n_embd: int = option(1, "can be assigned to")


class Sliding(MLP):
    """Its window shifts the label out."""

    @numpy_step
    def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        window = torch.cat([state[:, 1:], ids[:, None]], dim=1)
        return self(window), window


class Oblivious(BagOfWords):
    """Where no place is left it forgets its label."""

    def restarted(self, seen: Tensor) -> Tensor:
        return seen[:, seen.shape[1] - self.block_size // 2 :]


class Wasteful(MLP):
    """Its labels draw random numbers."""

    def add_labels(self, number: int) -> None:
        super().add_labels(number)
        torch.rand(1)


class Fixed(MLP):
    """Its labels' rows are not learned."""

    def forward(self, inputs: Tensor) -> Tensor:
        x = F.embedding(inputs, self.embedding.weight)
        x = torch.where((inputs >= self.vocab_size)[..., None], x.detach(), x)
        return self.head(torch.tanh(self.hidden(x.flatten(1))))


class Forgotten(NGram):
    """What is loaded is not what was saved."""

    def load_tensors(self, tensors: Any) -> None:
        super().load_tensors(tensors)
        self.hold(*[np.zeros(0, dtype=np.int64)] * 3)


@dataclass(frozen=True)
class Turned:
    """A state whose tips are those of other rows."""

    state: Tensor

    def __getitem__(self, rows: Any) -> Turned:
        return Turned(self.state[rows])

    def last_entry(self) -> Tensor:
        return self.state.flip(0)

    def append(self, tips: Tensor, rows: Any) -> Turned:
        return Turned(tips[rows])


class Swapped(MLP):
    def initial_state(self, batch: int) -> Any:
        return Turned(super().initial_state(batch))

    def step(self, ids: Any, state: Any) -> Any:
        logits, after = super().step(ids, state.state)
        return logits, Turned(after)


PLANTED: list[tuple[type[Model], battery.Check]] = [
    (NearSighted, label_battery.the_label_matters),
    (Sliding, label_battery.step_is_forward_with_a_label),
    (Oblivious, label_battery.step_is_forward_with_a_label),
    (Wasteful, label_battery.labels_leave_the_other_weights),
    (Fixed, label_battery.a_label_is_learned),
    (Forgotten, label_battery.labels_are_saved),
    (Forgetful, battery.looks_back),
    (NearSighted, battery.looks_back),
    (Peeking, battery.no_look_ahead),
    (Stateless, battery.step_is_forward),
    (Restarting, battery.steps_past_block_size),
    (Swapped, battery.remembered_is_stepped),
    (Boundless, battery.forward_knows_its_limit),
    (Confident, battery.starts_near_uniform),
    (Dead, battery.every_parameter_gets_a_gradient),
    (Cut, battery.every_parameter_gets_a_gradient),
    (Timid, battery.overfits_one_batch),
    (Dropping, battery.step_gives_numpy),
    (ModeLost, battery.step_gives_numpy),
    (Graph, battery.step_gives_numpy),
    (Mixing, battery.rows_are_independent),
    (HalfSaved, battery.saved_and_loaded_is_equal),
    (Lenient, battery.damaged_tensors_are_refused),
    (LastOnly, battery.shapes),
    (Carried, battery.packed_lines_are_alone),
    (Unseeded, battery.same_seed_same_names),
    (KnobTwice, battery.documented),
    (KnobOpen, battery.documented),
]


@pytest.mark.parametrize("kind, check", PLANTED, ids=lambda value: value.__name__)
def test_a_planted_fault_is_found(
    kind: type[Model], check: battery.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "name", "planted", raising=False)
    monkeypatch.setitem(registry._register, "planted", kind)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(kind)


def test_every_check_finds_a_fault() -> None:
    found = {check for _, check in PLANTED}
    labelled = label_battery.LABEL_CHECKS + label_battery.LABEL_GRADIENT_CHECKS
    assert found == {*battery.CHECKS, *battery.GRADIENT_CHECKS, *labelled}
