"""The battery over every model, the battery tried on planted faults, and outside truths of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import battery
from makemore.errors import UsageError
from makemore.models.bow import BagOfWords
from makemore.models.core import registry
from makemore.models.core.base import Model
from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.mlp import MLP
from makemore.models.ngram import NGram
from makemore.models.rnn import RNN
from makemore.models.transformer import Transformer, attention
from makemore.models.wavenet import WaveNet
from makemore.options import make, option
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.loss import nll
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from makemore.training.device import seeded

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"batch_norm": True, "dropout": 0.3}),
    ("deep_mlp", {"batch_norm": False, "head_scale": 0.05}),
    ("ngram", {"smoothing": "add-k", "k": 0.1}),
    ("lstm", {"n_layer": 1, "dropout": 0.0}),
    ("transformer", {"n_layer": 1, "n_head": 1}),
]
SLOW = (battery.same_seed_same_names, battery.overfits_one_batch)  # once a model is enough
ROWS = [
    pytest.param(name, options, check, id=f"{check.__name__}-{name}{'-variant' * bool(options)}")
    for name, options in [*((name, {}) for name in registry.model_names()), *VARIANTS]
    for check in battery.checks(registry.get_model(name))
    if not (options and check in SLOW)
]
ROWS += [
    pytest.param(name, options, check, id=f"{check.__name__}-{name}{'-variant' * bool(options)}")
    for name, options in [*((name, {}) for name in registry.model_names()), *VARIANTS]
    for check in battery.label_checks(registry.get_model(name))
]


@pytest.mark.parametrize("name, options, check", ROWS)
def test_battery(name: str, options: dict[str, Any], check: battery.Check) -> None:
    check(registry.get_model(name), **options)


def test_all_models_are_in_the_battery() -> None:
    assert {row.values[0] for row in ROWS} >= {
        "bigram", "bow", "deep_mlp", "gru", "lstm", "mlp", "ngram", "rnn", "transformer", "wavenet",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name, paper",
    [
        ("bigram", "Shannon 1948"),
        ("mlp", "Bengio et al. 2003"),
        ("wavenet", "van den Oord et al. 2016"),
        ("rnn", "Mikolov et al. 2010"),
        ("lstm", "Graves 2013"),
        ("gru", "Cho et al. 2014"),
        ("transformer", "Vaswani et al. 2017"),
    ],
)
def test_papers(name: str, paper: str) -> None:
    assert registry.about(registry.get_model(name))[1].startswith(paper)


# -- the battery tried on planted faults: a check that cannot fail is none ------------------------


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


class Deaf(MLP):
    """It does not look at what a window starts with."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs * (torch.arange(self.block_size) > 0))


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
    (Deaf, battery.the_label_matters),
    (Sliding, battery.step_is_forward_with_a_label),
    (Oblivious, battery.step_is_forward_with_a_label),
    (Wasteful, battery.labels_leave_the_other_weights),
    (Fixed, battery.a_label_is_learned),
    (Forgotten, battery.labels_are_saved),
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
    every = battery.CHECKS + battery.GRADIENT_CHECKS
    assert found == {*every, *battery.LABEL_CHECKS, *battery.LABEL_GRADIENT_CHECKS}


# -- sizes ----------------------------------------------------------------------------------------


def new(name: str, V: int = 27, **options: Any) -> Any:
    """As a training on names.txt would make it: its longest line has 15 symbols."""
    kind = registry.get_model(name)
    chosen = make(kind.Options, options)
    with seeded(3407):
        return kind(V, kind.context_for(chosen, 15), chosen)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "name, options, parameters",
    [
        ("bigram", {}, 729),
        ("mlp", {}, 11_897),
        ("mlp", {"batch_norm": True}, 12_097),  # the hidden bias goes, two vectors come
        ("mlp", {"n_embd": 2}, 6_881),
        ("mlp", {"n_embd": 2, "n_hidden": 100}, 3_481),
        ("mlp", {"block_size": 8, "batch_norm": True}, 22_097),
        ("deep_mlp", {}, 47_024),
        ("bow", {}, 12_827),
        ("transformer", {}, 204_544),
    ],
)
def test_sizes_are_the_published_ones(name: str, options: dict[str, Any], parameters: int) -> None:
    model = new(name, **options)
    assert model.n_parameters == parameters == sum(p.numel() for p in model.parameters())


# -- bigram and mlp -------------------------------------------------------------------------------


def first_five() -> tuple[Tensor, Tensor]:
    """The lectures' 32 examples: windows of three of the first five names."""
    vocabulary = Vocabulary([chr(ord("a") + i) for i in range(26)])
    corpus = Corpus.from_lines(["emma", "olivia", "ava", "isabella", "sophia"])
    lines = LineTensors(vocabulary.encode(corpus).ids, corpus.offsets, "window", 3)
    return lines.windows(torch.from_numpy(lines.ends()))


def test_bigram_is_a_row_of_logits_for_each_symbol() -> None:
    model = battery.shaken(registry.get_model("bigram"), V=27)
    inputs = torch.tensor([0, 5, 13, 13, 1])  # .emma
    logits = F.one_hot(inputs, 27).float() @ model.table.weight  # (5, 27) @ (27, 27)
    assert torch.equal(model(inputs[None])[0], logits)


def test_mlp_of_the_lecture_by_hand() -> None:
    model = battery.shaken(MLP, V=27, block_size=3, n_embd=2, n_hidden=100)
    X, Y = first_five()
    C, W1, b1 = model.embedding.weight, model.hidden.weight.T, model.hidden.bias
    W2, b2 = model.head.weight.T, model.head.bias
    assert [tuple(part.shape) for part in (C, W1, W2)] == [(27, 2), (6, 100), (100, 27)]
    emb = C[X]
    assert emb.shape == (32, 3, 2)
    h = torch.tanh(emb.view(32, 6) @ W1 + b1)
    logits = h @ W2 + b2
    assert h.shape == (32, 100) and logits.shape == (32, 27)
    torch.testing.assert_close(model(X), logits)
    probs = logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(nll(model(X), Y), -probs[torch.arange(32), Y].log().mean())


def test_windows_are_concatenated_not_summed() -> None:
    model = battery.shaken(MLP, V=27, block_size=3)
    X, _ = first_five()
    each = model.embedding(X)
    read = model.hidden(torch.cat([each[:, 0], each[:, 1], each[:, 2]], 1))
    torch.testing.assert_close(model.hidden(each.flatten(1)), read)
    assert not torch.allclose(model(X), model(X.flip(1)))


def test_a_step_moves_only_the_rows_of_symbols_in_contexts() -> None:
    model = new("mlp")
    X, Y = first_five()
    nll(model(X), Y).backward()
    moved = model.embedding.weight.grad.abs().sum(1) > 0
    assert set(moved.nonzero().flatten().tolist()) == set(X.flatten().tolist())
    assert 0 < moved.sum() < 27


def saturated(h: Tensor) -> float:
    return (h.abs() > 0.97).float().mean().item()


def test_mlp_starts_neither_dead_nor_saturated() -> None:
    model = new("mlp")
    assert model.hidden.weight.std().item() == pytest.approx(5 / 3 / math.sqrt(30), rel=0.03)
    inputs = torch.from_numpy(np.random.default_rng(0).integers(0, 27, (4096, 3)))
    before = model.hidden(model.embedding(inputs).flatten(1))
    # Unit inputs and gain 5/3: the inputs of tanh have a deviation of 5/3, of which a normal
    # distribution has 21 % beyond 0.97's place. Weights of deviation 1 would saturate 70 %.
    assert before.std().item() == pytest.approx(5 / 3, rel=0.1)
    beyond = math.erfc(math.atanh(0.97) / (5 / 3) / math.sqrt(2))
    assert beyond == pytest.approx(0.21, abs=0.005)
    assert saturated(torch.tanh(before)) == pytest.approx(beyond, abs=0.05)


def test_deep_mlp_starts_as_in_the_lecture() -> None:
    model = new("deep_mlp").train()
    inputs = torch.from_numpy(np.random.default_rng(0).integers(0, 27, (2048, 3)))
    targets = torch.from_numpy(np.random.default_rng(1).integers(0, 27, 2048))
    x = model.embedding(inputs).flatten(1)
    draws = torch.randn(10**6, generator=torch.Generator().manual_seed(0))
    normal = draws.tanh().std().item()
    assert normal == pytest.approx(0.63, abs=0.005) and 1 / normal == pytest.approx(1.59, abs=0.01)
    assert nn.init.calculate_gain("tanh") == 5 / 3
    for layer, norm in zip(model.layers, model.norms, strict=True):
        x = norm(layer(x))
        assert x.std().item() == pytest.approx(1, abs=0.01)
        x = torch.tanh(x)
        assert x.std().item() == pytest.approx(normal, abs=0.03)
        assert saturated(x) < 0.05
    assert model.head_norm(model.head(x)).std().item() == pytest.approx(0.1, abs=0.01)
    assert nll(model(inputs), targets).item() == pytest.approx(3.29, abs=0.02)


@pytest.mark.parametrize("options", [{"batch_norm": True}, {}])
def test_a_bias_stands_where_no_mean_is_subtracted(options: dict[str, Any]) -> None:
    model = new("mlp", **options)
    assert (model.hidden.bias is None) == bool(options)
    deep = new("deep_mlp")
    assert all(layer.bias is None for layer in [*deep.layers, deep.head])


@pytest.mark.parametrize("name, options", [("mlp", {"batch_norm": True}), ("deep_mlp", {})])
def test_batch_norm_answers_one_row(name: str, options: dict[str, Any]) -> None:
    model = battery.shaken(registry.get_model(name), **options).train()
    logits, _ = model.step(np.zeros(1, dtype=np.int64), model.initial_state(1))
    assert logits.shape == (1, 9) and np.isfinite(logits).all()
    with pytest.raises(ValueError, match="more than 1 value"):  # one row has no deviation
        model(torch.zeros(1, 6, dtype=torch.long))
    row = torch.randn(1, 5, generator=torch.Generator().manual_seed(0))
    assert (row.std(0, correction=0) == 0).all()


# -- recurrent cells, written by hand from their papers' equations --------------------------------


def gates(model: Any, layer: int, x: Tensor, h: Tensor, number: int) -> tuple[list[Tensor], ...]:
    """What the input and the state send to each gate of one layer, before anything is added."""
    w = model.state_dict()
    from_x = x @ w[f"cells.weight_ih_l{layer}"].T + w[f"cells.bias_ih_l{layer}"]
    from_h = h @ w[f"cells.weight_hh_l{layer}"].T + w[f"cells.bias_hh_l{layer}"]
    return list(from_x.chunk(number, -1)), list(from_h.chunk(number, -1))


def rnn_cell(model: Any, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (a,), (b,) = gates(model, layer, x, h, 1)
    return torch.tanh(a + b), c


def gru_cell(model: Any, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (xr, xz, xn), (hr, hz, hn) = gates(model, layer, x, h, 3)
    reset, update = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    candidate = torch.tanh(xn + reset * hn)
    return (1 - update) * candidate + update * h, c


def lstm_cell(model: Any, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (xi, xf, xg, xo), (hi, hf, hg, ho) = gates(model, layer, x, h, 4)
    write, keep, read = torch.sigmoid(xi + hi), torch.sigmoid(xf + hf), torch.sigmoid(xo + ho)
    c = keep * c + write * torch.tanh(xg + hg)
    return read * torch.tanh(c), c


@pytest.mark.parametrize("name, cell", [("rnn", rnn_cell), ("gru", gru_cell), ("lstm", lstm_cell)])
def test_recurrent_models_are_their_equations(
    name: str, cell: Callable[..., tuple[Tensor, Tensor]]
) -> None:
    model = battery.shaken(registry.get_model(name))
    inputs = torch.from_numpy(battery.some_inputs(model, 4, 11))
    B, depth = len(inputs), model.options.n_layer
    hidden = [model.start[0, layer].expand(B, -1) for layer in range(depth)]
    start_cell = getattr(model, "start_cell", model.start)
    cells = [start_cell[0, layer].expand(B, -1) for layer in range(depth)]
    expected = []
    for place in range(inputs.shape[1]):
        x = model.embedding.weight[inputs[:, place]]
        for layer in range(depth):
            hidden[layer], cells[layer] = cell(model, layer, x, hidden[layer], cells[layer])
            x = hidden[layer]
        expected.append(x @ model.head.weight.T + model.head.bias)
    assert depth == 2 and model.start.abs().max() > 0.1
    torch.testing.assert_close(model(inputs), torch.stack(expected, 1), atol=1e-5, rtol=1e-5)


# -- bag of words, wavenet, transformer -----------------------------------------------------------


def test_bow_reads_the_mean_of_what_came() -> None:
    model = battery.shaken(BagOfWords)
    inputs = torch.from_numpy(battery.some_inputs(model))
    x = model.embedding(inputs) + model.position.weight[: inputs.shape[1]]
    for place in range(inputs.shape[1]):
        now = x[:, place] + x[:, : place + 1].mean(1)
        now = now + model.project(torch.tanh(model.hidden(now)))
        torch.testing.assert_close(model(inputs)[:, place], model.head(now))
    # Which of two earlier symbols came first is seen by their positions alone.
    with torch.no_grad():
        model.position.weight.zero_()
    swapped = inputs[:, [0, 2, 1, 3, 4, 5]]
    torch.testing.assert_close(model(swapped)[:, 3:], model(inputs)[:, 3:])


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 5, 8, 9, 16, 17])
def test_wavenet_sees_back_to_the_start_of_the_longest_line(block_size: int) -> None:
    model = battery.shaken(WaveNet, block_size=block_size)
    field = 1 + sum(model.dilations)
    assert model.dilations == [2**i for i in range(len(model.dilations))]
    assert block_size <= field < 2 * max(block_size, 2)
    inputs = torch.from_numpy(battery.some_inputs(model, 20, field + 3))
    last = model(inputs)[:, -1]
    for back in range(1, field + 4):
        others = inputs.clone()
        others[:, -back] = 1 + others[:, -back] % (model.vocab_size - 1)
        changed = not torch.equal(model(others)[:, -1], last)
        assert changed == (back <= field)


def test_wavenet_is_a_stack_of_convolutions() -> None:
    """Against torch's own dilated convolution, padded on the left, and the paper's gate."""
    model = battery.shaken(WaveNet, block_size=9)
    inputs = torch.from_numpy(battery.some_inputs(model, 4, 14))
    x, skips = model.embedding(inputs).mT, torch.zeros(())  # (B, n_embd, T)
    for layer, dilation in zip(model.layers, model.dilations, strict=True):
        kernel = torch.stack(layer.gated.weight.chunk(2, dim=1), dim=-1)  # (out, in, past and now)
        both = F.conv1d(F.pad(x, (dilation, 0)), kernel, layer.gated.bias, dilation=dilation)
        value, gate = both.chunk(2, dim=1)
        z = (torch.tanh(value) * torch.sigmoid(gate)).mT
        skips = skips + layer.skip(z)
        x = x + layer.residual(z).mT
    expected = model.head(F.relu(model.hidden(F.relu(skips))))
    torch.testing.assert_close(model(inputs), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("T, S", [(1, 1), (7, 7), (1, 5), (3, 8)])
def test_attention_is_torch_s_own(T: int, S: int) -> None:
    chance = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 8, generator=chance) for n in (T, S, S))
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    hidden = torch.zeros(1, T, S).masked_fill(~seen, -torch.inf)
    flat = attention(*(part.flatten(0, 1) for part in (q, k, v)), hidden).view(2, 3, T, 8)
    torch.testing.assert_close(flat, F.scaled_dot_product_attention(q, k, v, attn_mask=seen))
    if T == S:
        torch.testing.assert_close(flat, F.scaled_dot_product_attention(q, k, v, is_causal=True))


def test_transformer_is_gpt_2_s_block() -> None:
    """Written again from the paper and in other words: one head and one query at a time."""
    model = battery.shaken(Transformer)
    inputs = torch.from_numpy(battery.some_inputs(model, 3))
    w = {name: value.double() for name, value in model.state_dict().items()}
    T, width = inputs.shape[1], model.options.n_embd
    heads, size = model.options.n_head, width // model.options.n_head

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / deviation * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embedding.weight"][inputs] + w["position.weight"][:T]
    for number in range(model.options.n_layer):
        block = f"blocks.{number}"
        q, k, v = linear(norm(x, f"{block}.norm_1"), f"{block}.attend").split(width, -1)
        mixed = torch.zeros_like(x)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            for t in range(T):
                match = (k[:, : t + 1, part] @ q[:, t, part, None])[:, :, 0] / math.sqrt(size)
                share = match.exp() / match.exp().sum(1, keepdim=True)
                mixed[:, t, part] = (share[:, :, None] * v[:, : t + 1, part]).sum(1)
        x = x + linear(mixed, f"{block}.project")
        wide = linear(norm(x, f"{block}.norm_2"), f"{block}.widen")
        gelu = wide * 0.5 * (1 + torch.erf(wide / math.sqrt(2)))
        x = x + linear(gelu, f"{block}.narrow")
    expected = norm(x, "norm") @ w["head.weight"].T
    torch.testing.assert_close(model(inputs).double(), expected, atol=1e-5, rtol=1e-5)
    assert "head.bias" not in w
    assert not torch.equal(w["head.weight"], w["embedding.weight"])  # untied


def test_transformer_starts_as_gpt_2() -> None:
    state = new("transformer", n_layer=8).state_dict()
    for name, value in state.items():
        if name.endswith("bias"):
            assert not value.any()
        elif value.ndim == 2:
            adds = name.endswith(("project.weight", "narrow.weight"))
            assert value.std().item() == pytest.approx(0.02 / 4 if adds else 0.02, rel=0.1)
        else:
            assert (value == 1).all()


def test_heads_that_do_not_divide_the_width() -> None:
    with pytest.raises(UsageError, match="n_embd 10 cannot be divided among n_head 4"):
        new("transformer", n_embd=10)


# -- dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_dropout_keeps_the_mean_and_drops_its_share(share: float) -> None:
    x = torch.ones(1000, 401)  # a number of values that four does not divide
    with seeded(0):
        y = Dropout(share).train()(x)
    assert set(y.unique().tolist()) == {0.0, (x / (1 - share))[0, 0].item()}
    n = x.numel()
    deviation = math.sqrt(share * (1 - share) / n)
    dropped = (y == 0).flatten()
    assert dropped.float().mean().item() == pytest.approx(share, abs=4 * deviation)
    assert y.mean().item() == pytest.approx(1, abs=4 * deviation / (1 - share))
    # Four numbers come from one draw: each of them drops its share, and none knows of the others.
    four = dropped[: n // 4 * 4].view(-1, 4).double()
    assert (four.mean(0) - share).abs().max() < 8 * deviation
    assert (torch.corrcoef(four.T) - torch.eye(4)).abs().max() < 4 / math.sqrt(n / 4)


def test_dropout_is_nothing_while_evaluating() -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_gradient_is_its_mask() -> None:
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0)).mT.requires_grad_()
    dropout = Dropout(0.25).train()
    with seeded(0):
        y = dropout(x)
    y.sum().backward()
    mask = (y != 0).float()
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(x.grad, mask / 0.75)
    torch.testing.assert_close(y, x * mask / 0.75)


def test_dropout_is_a_function_of_the_seed() -> None:
    x, dropout = torch.ones(100), Dropout(0.5).train()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed):
            drawn += [dropout(x), dropout(x)]
    assert torch.equal(drawn[0], drawn[2]) and torch.equal(drawn[1], drawn[3])
    assert not torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[4])


@pytest.mark.parametrize("name", ["mlp", "bow", "rnn", "gru", "lstm", "transformer", "wavenet"])
def test_models_drop_while_training_only(name: str) -> None:
    model = battery.shaken(registry.get_model(name), dropout=0.5)
    inputs = torch.from_numpy(battery.some_inputs(model))
    assert torch.equal(model(inputs), model(inputs))
    model.train()
    with seeded(0):
        assert not torch.equal(model(inputs), model(inputs))


# -- the register ---------------------------------------------------------------------------------

PLUGIN = '''
"""Uniform: knows nothing.

Paper: Laplace 1814, A Philosophical Essay on Probabilities
"""
from dataclasses import dataclass
import torch
from torch import nn
from makemore.models.core.registry import register
from makemore.models.core.neural import NeuralModel
from makemore.options import option

@register("{name}")
class Uniform(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(3, "symbols of context", minimum=1)

    input_kind = "window"

    def __init__(self, vocab_size, block_size, options):
        super().__init__(vocab_size, block_size, options)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, inputs):
        return self.bias.expand(len(inputs), -1)
'''


def test_a_plugin_is_a_model(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_register", dict(registry._register))
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.replace("{name}", "uniform"))
    registry.load_plugin(str(file))
    kind = registry.get_model("uniform")
    assert (
        issubclass(kind, NeuralModel)
        and kind.name == "uniform"
        and "uniform" in registry.model_names()
    )
    assert registry.about(kind) == (
        "Uniform: knows nothing", "Laplace 1814, A Philosophical Essay on Probabilities"
    )  # fmt: skip
    for check in (battery.documented, battery.step_gives_numpy, battery.starts_near_uniform):
        check(kind)


def test_a_name_is_given_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_register", dict(registry._register))
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.replace("{name}", "mlp"))
    with pytest.raises(UsageError, match="two models are called 'mlp'"):
        registry.load_plugin(str(file))
    assert registry.get_model("mlp") is MLP


def test_plugins_that_are_none(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="no plugin"):
        registry.load_plugin(str(tmp_path / "absent.py"))
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(UsageError, match="does not run .*ZeroDivisionError"):
        registry.load_plugin(str(file))


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'transformer'"):
        registry.get_model("transfomer")


@pytest.mark.parametrize("n_layer", [1, 3])
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_cells_written_out_are_torch_s_own(name: str, n_layer: int) -> None:
    """Logits, states and gradients: the file shows what the fused cell computes."""
    kind: Any = registry.get_model(name)
    torch.manual_seed(1)
    model = kind(7, 9, kind.Options(n_embd=5, n_hidden=6, n_layer=n_layer, dropout=0.0))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    inputs = torch.randint(0, 7, (4, 9))
    found = []
    for read in (model.read, model.unrolled):
        model.zero_grad()
        logits, state = read(inputs, model.initial_state(4))
        logits.log_softmax(-1)[..., 2].mean().backward()
        states = state if isinstance(state, tuple) else (state,)
        grads = [parameter.grad.clone() for parameter in model.parameters()]
        found.append([logits.detach(), *(part.detach() for part in states), *grads])
    for fused, written in zip(*found, strict=True):
        torch.testing.assert_close(written, fused, atol=1e-5, rtol=1e-4)
