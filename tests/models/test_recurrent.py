"""rnn.py, gru.py and lstm.py: their cells written out, beside torch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from makemore.models.core import registry


@pytest.mark.parametrize("n_layer", [1, 3])
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_recurrent_models_are_their_equations(name: str, n_layer: int) -> None:
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
    assert torch.equal(model(inputs), found[0][0])  # from the start that was learned
