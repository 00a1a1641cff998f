"""Steps of a pass: each is what its formula says of those before it, by the model's weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import battery
from makemore.analysis.steps import CELLS, WORDS, Named, all_calls, named_steps
from makemore.models.core import registry

NETWORKS = [name for name in registry.model_names() if name not in ("ngram", "ensemble")]
T = 5
# What a formula says in words, as a computation of the steps before it.
IN_WORDS = {
    "the embeddings side by side": "emb.flatten(1)",
    "the row of the table for each id": "embed(ids)",
    "embedding of each id": "embed(ids)",
    "embedding of each position": "embed(positions)",
    "sum of emb up to each position": "emb.cumsum(1)",
    "total / number of positions up to there": "total / (positions + 1)[:, None]",
    "tanh(first half of both)": "tanh(both.chunk(2, -1)[0])",
    "sigmoid(second half of both)": "sigmoid(both.chunk(2, -1)[1])",
    "the skips of all layers, added": "sum(skips)",
    "the mixes of all heads side by side": "mix.transpose(1, 2).flatten(2)",
    "linear(past, stream)": "linear(torch.cat([past, stream], -1))",
}


def evaluated(names: list[str] | None = None) -> list[Any]:
    """Models with weights that give every row another answer, in evaluation mode."""
    return [battery.shaken(registry.get_model(name)).eval() for name in names or NETWORKS]


def inputs_of(model: Any) -> Tensor:
    length = model.block_size if model.input_kind == "window" else T
    return torch.from_numpy(battery.some_inputs(model, 1, length))


def steps_of(model: Any) -> list[Named]:
    with torch.no_grad():
        return named_steps(model, inputs_of(model))


def name_of(step: Named) -> str:
    return step.what.partition(" = ")[0]


class Formulas:
    """Computes the formula of a step from the outputs of those before it."""

    def __init__(self, model: Any) -> None:
        self.model, self.modules = model, dict(model.named_modules())
        self.skips: list[Tensor] = []
        self.known: dict[str, Any] = {
            "ids": inputs_of(model), "positions": torch.arange(T), "torch": torch,
            "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "gelu": F.gelu,
            "softmax": lambda scores: scores.softmax(-1), "sqrt": math.sqrt, "sum": sum,
            "skips": self.skips,
        }  # fmt: skip

    def value(self, step: Named) -> Tensor:
        formula = step.what.partition(" = ")[2].partition(": ")[0]
        module = self.modules[step.module]
        if formula.startswith("stream, "):  # `stream, 2 positions before; 0 before the start`
            back = int(formula.split()[1])
            return F.pad(self.known["stream"], (0, 0, back, 0))[:, :T]
        name = name_of(step)
        layer = {"layer_norm": module, "batch_norm": module, "linear": module, "embed": module}
        if name in ("q", "k", "v"):
            layer["linear"] = lambda x: self.heads(module, x, "qkv".index(name))
            self.known["D"] = step.output.shape[-1]
        code = IN_WORDS.get(formula, formula)
        for text, python in (("layer norm", "layer_norm"), ("batch norm", "batch_norm")):
            code = code.replace(text, python)
        computed = eval(code.replace("k.T", "k.mT"), {**self.known, **layer})  # noqa: S307
        if name == "scores":  # what comes later is masked
            computed = computed + torch.full((T, T), -torch.inf).triu(1)
        return computed

    @staticmethod
    def heads(block: Any, x: Tensor, part: int) -> Tensor:
        one = block.attend(x).chunk(3, -1)[part]  # (B, T, n_embd)
        return one.unflatten(-1, (block.n_head, -1)).transpose(1, 2)  # (B, n_head, T, D)

    def add(self, step: Named) -> None:
        name = name_of(step)
        self.known[name] = step.output
        if name == "skip":
            self.skips.append(step.output)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in CELLS])
def test_each_step_is_what_its_formula_says(name: str) -> None:
    options = {"batch_norm": True} if name == "mlp" else {}
    model = battery.shaken(registry.get_model(name), **options).eval()
    with torch.no_grad():
        formulas = Formulas(model)
        for step in steps_of(model):
            assert torch.allclose(step.output, formulas.value(step), atol=1e-5), step.what
            formulas.add(step)
        assert torch.allclose(formulas.known["logits"], model(inputs_of(model)), atol=1e-5)


def test_a_formula_of_another_step_is_not_what_it_says() -> None:
    """The check above finds a step that is called by another one's name."""
    model = evaluated(["transformer"])[0]
    q, k = (next(s for s in steps_of(model) if name_of(s) == n) for n in "qk")
    with torch.no_grad():
        formulas = Formulas(model)
        for step in steps_of(model):
            if step.what == q.what:
                break
            formulas.add(step)
        assert torch.allclose(formulas.value(q), q.output, atol=1e-5)
        assert not torch.allclose(formulas.value(k), q.output, atol=1e-5)


def test_attention_is_that_of_the_paper() -> None:
    model = evaluated(["transformer"])[0]
    steps = steps_of(model)
    blocks = [step for step in steps if step.part == "block 2 of 2"]
    assert [name_of(step) for step in blocks] == [
        "norm", "q", "k", "v", "scores", "weights", "mix", "joined", "out", "stream", "norm",
        "wide", "act", "out", "stream",
    ]  # fmt: skip
    by_name = {name_of(step): step.output for step in blocks[:9]}
    n_head, D = model.options.n_head, model.options.n_embd // model.options.n_head
    assert {by_name[name].shape for name in ("q", "k", "v", "mix")} == {(1, n_head, T, D)}
    scores, weights = by_name["scores"], by_name["weights"]
    for head in range(n_head):
        for here in range(T):
            for there in range(T):
                products = by_name["q"][0, head, here] @ by_name["k"][0, head, there]
                expected = products / math.sqrt(D) if there <= here else -math.inf
                assert float(scores[0, head, here, there]) == pytest.approx(
                    float(expected), abs=1e-5
                )
    assert torch.allclose(weights.sum(-1), torch.ones(1, n_head, T))
    assert not weights.triu(1).any()  # nobody looks ahead
    # torch's own attention from the same q, k and v.
    own = F.scaled_dot_product_attention(by_name["q"], by_name["k"], by_name["v"], is_causal=True)
    assert torch.allclose(by_name["mix"], own, atol=1e-5)
    for head in range(n_head):
        part = by_name["joined"][..., head * D : (head + 1) * D]
        assert torch.equal(part, by_name["mix"][:, head])


# -- gates ----------------------------------------------------------------------------------------


def gates_of(model: Any) -> Iterator[tuple[int, dict[str, Tensor], dict[str, Tensor]]]:
    """Yield the layer, the gates and the state before them of each cell in turn."""
    steps = steps_of(model)
    states: dict[int, dict[str, Tensor]] = {}
    for step in steps[:-1]:  # the last are the logits
        name = name_of(step)
        layer = int(step.part.partition(", layer ")[2].partition(" ")[0]) - 1
        if step.part.startswith("start"):
            states.setdefault(layer, {})[name] = step.output
            continue
        if name == "emb":
            x, gates = step.output, dict[str, Tensor]()
            continue
        gates[name] = step.output
        if name == "h":  # the last of a cell
            yield layer, {**gates, "x": x}, states[layer]
            states[layer] = {key: gates[key] for key in states[layer]}
            x, gates = step.output, {}


def weights_of(model: Any, layer: int, kind: type[nn.RNNCellBase]) -> Any:
    """Make torch's own cell of one step with the weights of a layer."""
    w_x, w_h, b_x, b_h = model.cells.all_weights[layer]
    cell = kind(w_x.shape[1], w_h.shape[1])
    cell.load_state_dict({"weight_ih": w_x, "weight_hh": w_h, "bias_ih": b_x, "bias_hh": b_h})
    return cell


@pytest.mark.parametrize("name", CELLS)
def test_the_gates_are_those_of_torch_cells(name: str) -> None:
    model = evaluated([name])[0]
    kinds = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
    cells, seen = list(gates_of(model)), 0
    for layer, gates, before in cells:
        cell: Any = weights_of(model, layer, kinds[name])
        with torch.no_grad():
            if name == "lstm":
                h, c = cell(gates["x"], (before["h"], before["c"]))
                assert torch.allclose(gates["c"], c, atol=1e-5)
                assert torch.allclose(gates["f"] * before["c"] + gates["i"] * gates["g"], c)
                assert torch.allclose(gates["o"] * torch.tanh(c), h)
            else:
                h = cell(gates["x"], before["h"])
            if name == "gru":
                z = gates["z"]
                assert torch.allclose((1 - z) * gates["n"] + z * before["h"], h, atol=1e-6)
        assert torch.allclose(gates["h"], h, atol=1e-5)
        seen += 1
    assert seen == T * model.options.n_layer == T * 2


@pytest.mark.parametrize(
    ("name", "gate", "row"),
    [("gru", "r", 0), ("gru", "z", 1), ("lstm", "i", 0), ("lstm", "f", 1), ("lstm", "g", 2),
     ("lstm", "o", 3)],
)  # fmt: skip
def test_a_gate_is_called_as_torch_orders_its_weights(name: str, gate: str, row: int) -> None:
    model = evaluated([name])[0]
    squash = torch.tanh if gate == "g" else torch.sigmoid
    for layer, gates, before in gates_of(model):
        parts = len(model.cells.all_weights[layer][0]) // model.options.n_hidden
        w_x, w_h, b_x, b_h = (part.chunk(parts)[row] for part in model.cells.all_weights[layer])
        with torch.no_grad():
            by_hand = squash(gates["x"] @ w_x.T + b_x + before["h"] @ w_h.T + b_h)
        assert torch.allclose(gates[gate], by_hand, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_recurrent_steps_lead_to_the_models_logits(name: str) -> None:
    for n_layer in (1, 2):
        model = battery.shaken(registry.get_model(name), n_layer=n_layer).eval()
        steps = steps_of(model)
        with torch.no_grad():
            logits = model(inputs_of(model))[:, -1]
        assert torch.allclose(steps[-1].output, logits, atol=1e-5)
        assert {step.input for step in steps} == {None, *range(1, T + 1)}
    assert "linear(h below" in " ".join(step.what for step in steps if "layer 2" in step.part)


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_call_of_our_models_has_words_or_is_left_out(name: str) -> None:
    with torch.no_grad():
        for options in ({"batch_norm": True}, {"batch_norm": False}):
            own = options if name in ("mlp", "deep_mlp") else {}
            model = battery.build(registry.get_model(name), **own).eval()
            steps = named_steps(model, inputs_of(model))
            assert all(" = " in step.what and step.part for step in steps), name
            assert steps[-1].what.startswith("logits = ")
            last = all_calls(model, inputs_of(model))[-1].output.flatten(0, -2)[-1]
            assert torch.allclose(steps[-1].output.flatten(0, -2)[-1], last, atol=1e-5)


def test_a_call_without_words_is_not_left_out() -> None:
    class Own(registry.get_model("mlp")):  # type: ignore[misc]
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs).exp()

    model = battery.build(Own).eval()
    model.name = "mlp"
    assert [step.what for step in steps_of(model)][-2:] == ["logits = linear(h)", "exp"]
    model.name = "own"  # as of a plugin, whose words nobody knows: every call
    assert [step.what for step in steps_of(model)] == [
        "embedding embedding", "flatten", "hidden linear", "tanh", "head linear", "exp",
    ]  # fmt: skip


def test_every_network_has_words() -> None:
    assert sorted([*WORDS, *CELLS]) == sorted(NETWORKS)
