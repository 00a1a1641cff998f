"""rnn.py, gru.py and lstm.py: their cells written out, beside torch's own."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import pytest
import torch

from makemore.analysis.diagnostics import probing
from makemore.models.core import registry
from makemore.models.core.layers import run_cells


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


class OnCard:
    """Stands in for inputs on a card."""

    is_cuda = True


@pytest.mark.parametrize("fails", [False, True])
def test_cells_on_a_card_are_exact_but_in_training(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And cuDNN's precision is afterwards what it was before."""
    rnn: Any = torch.backends.cudnn.rnn
    seen, before = [], rnn.fp32_precision

    class Cells(torch.nn.RNNBase):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def forward(self, *_: Any) -> Any:
            seen.append(rnn.fp32_precision)
            if fails:
                raise KeyError
            return "x", "state"

    cells, x = Cells(), cast(torch.Tensor, OnCard())
    for training in (True, False):
        cells.train(training)
        with pytest.raises(KeyError) if fails else nullcontext():
            assert run_cells(cells, x, "state") == ("x", "state")
        assert rnn.fp32_precision == before
    assert seen == [before, "ieee"] and before != "ieee"


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_cells_learn_while_activations_are_measured(name: str) -> None:
    """cuDNN gives gradients in this mode alone; on a CPU the numbers are those of evaluation."""
    kind: Any = registry.get_model(name)
    model = kind(7, 9, kind.Options(n_embd=5, n_hidden=6)).eval()
    inputs = torch.randint(0, 7, (4, 9))
    expected = model(inputs)
    with probing(model):
        assert model.cells.training and not model.dropout.training
        assert torch.equal(model(inputs), expected)
    assert not model.cells.training
