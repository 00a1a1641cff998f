"""mixed_precision.py: which models it is for, and that losses and gradients stay float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import battery
from makemore.models.core import registry
from makemore.scoring.loss import nll
from makemore.training import mixed_precision
from makemore.training.mixed_precision import is_wide, logits_of, uses_bfloat16


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("transformer", {"n_embd": 256, "n_head": 4}, True),
        ("transformer", {"n_embd": 255, "n_head": 5}, False),
        ("gru", {"n_embd": 256, "n_hidden": 256}, False),
        ("deep_mlp", {"n_embd": 128, "n_hidden": 256}, False),
        ("bow", {"n_embd": 256, "n_hidden": 512}, True),
        ("bigram", {}, False),
    ],
)
def test_wide_models_without_cells_or_batch_norm_use_it_on_a_card(
    name: str, options: dict[str, Any], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = battery.build(registry.get_model(name), **options)
    assert not uses_bfloat16(model)  # on a CPU none does
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert uses_bfloat16(model) == expected


def test_a_matrix_is_wide_by_its_shorter_side() -> None:
    assert is_wide((256, 1024)) and is_wide((4, 1024, 256))
    assert not is_wide((1024, 255)) and not is_wide((300, 255, 1024))


def test_losses_and_gradients_stay_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    model = battery.shaken(registry.get_model("transformer"), dropout=0.0).train()
    inputs = torch.from_numpy(battery.some_inputs(model))
    targets = inputs.roll(-1, 1)
    whole = model(inputs)
    assert torch.equal(logits_of(model, inputs), whole)
    kinds = set[torch.dtype]()
    handle = model.blocks[0].widen.register_forward_hook(lambda *call: kinds.add(call[2].dtype))
    monkeypatch.setattr(mixed_precision, "uses_bfloat16", lambda model: True)
    logits = logits_of(model, inputs)
    handle.remove()
    assert kinds == {torch.bfloat16} and logits.dtype == torch.float32
    assert not torch.equal(logits, whole)
    torch.testing.assert_close(logits, whole, rtol=0.1, atol=0.1)
    grads, own = (
        torch.autograd.grad(nll(x, targets), [*model.parameters()]) for x in (logits, whole)
    )
    for grad, other in zip(grads, own, strict=True):
        assert grad.dtype == torch.float32
        assert (grad - other).norm() < 0.1 * other.norm() + 1e-4
