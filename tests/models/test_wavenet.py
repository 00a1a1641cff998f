"""wavenet.py: its field of view, and torch's own dilated convolutions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import battery
from makemore.models.wavenet import WaveNet


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
