"""A traced pass: it sees what a model computes, and changes nothing."""

from __future__ import annotations

import pytest
import torch

import battery
from makemore.analysis.trace import Trace, attention_weights, nonlinearities, traced
from makemore.models.core import registry
from makemore.models.transformer import attention

NEURAL = [name for name in registry.model_names() if name != "ngram"]


def inputs_for(model: battery.NeuralModel) -> torch.Tensor:
    return torch.from_numpy(battery.some_inputs(model, 4))


@pytest.mark.parametrize("name", NEURAL)
def test_a_traced_pass_gives_the_same_logits_and_leaves_no_hook(name: str) -> None:
    model = battery.shaken(registry.get_model(name))
    inputs = inputs_for(model)
    plain = model(inputs)
    logits, calls = traced(model, inputs)
    assert torch.equal(logits, plain)
    assert any(call.output is logits for call in calls)
    hooks = [(part._forward_hooks, part._forward_pre_hooks) for part in model.modules()]
    assert not any(after or before for after, before in hooks)


def test_calls_stand_in_order_with_their_modules() -> None:
    model = battery.build(registry.get_model("mlp"))
    _, calls = traced(model, inputs_for(model))
    named = [(call.name, tuple(call.output.shape)) for call in calls]
    assert named == [
        ("embedding embedding", (4, 6, 16)), ("flatten", (4, 96)), ("hidden linear", (4, 24)),
        ("tanh", (4, 24)), ("head linear", (4, 9)),
    ]  # fmt: skip
    # Repeated calls are numbered.
    model = battery.build(registry.get_model("deep_mlp"), n_layer=3)
    _, calls = traced(model, inputs_for(model))
    assert [call.name for call in nonlinearities(calls)] == ["tanh 1", "tanh 2", "tanh 3"]


def test_gradients_can_be_asked_of_what_was_seen() -> None:
    model = battery.build(registry.get_model("mlp"))
    logits, calls = traced(model, inputs_for(model))
    hidden = next(call.output for call in calls if call.function == "tanh")
    (gradient,) = torch.autograd.grad(logits.sum(), [hidden])
    assert torch.allclose(gradient, model.head.weight.sum(0).expand_as(gradient))


def test_after_an_error_the_hooks_are_gone() -> None:
    model = battery.build(registry.get_model("bow"), block_size=4)
    with pytest.raises(ValueError, match="block_size"), Trace(model) as trace:
        model(torch.zeros(1, 9, dtype=torch.long))
    assert not any(part._forward_hooks for part in model.modules())
    seen = len(trace.calls)
    model(torch.zeros(1, 4, dtype=torch.long))  # and the mode, too: this is not seen
    assert len(trace.calls) == seen


def test_attention_maps_are_those_that_attention_uses() -> None:
    model = battery.shaken(registry.get_model("transformer"))
    inputs = inputs_for(model)
    _, calls = traced(model, inputs)
    maps = attention_weights(calls, len(inputs))
    assert [tuple(weights.shape) for weights in maps] == [(4, 2, 6, 6)] * 2
    for weights in maps:
        assert torch.allclose(weights.sum(-1), torch.ones(4, 2, 6))
        assert not weights.triu(1).any()  # nobody looks ahead
    q, k, v = torch.randn(3, 4, 2, 6, 8)
    by_hand = torch.softmax(
        (q @ k.mT / 8**0.5).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf), -1
    )
    hidden = torch.zeros(1, 6, 6).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    found = attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), hidden)
    assert torch.allclose(found, (by_hand @ v).flatten(0, 1), atol=1e-5)
    model = battery.build(registry.get_model("gru"))
    assert attention_weights(traced(model, inputs_for(model))[1], 4) == []
