"""transformer.py: torch's own attention, and GPT-2's block written again."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import battery
from battery import full_size
from makemore.errors import UsageError
from makemore.models import transformer
from makemore.models.core.packed_lines import positions_and_mask
from makemore.models.transformer import FUSED_FROM, Transformer, attention, fuses


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
    state = full_size("transformer", n_layer=8).state_dict()
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
        full_size("transformer", n_embd=10)


def test_the_fused_kernel_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a card takes it: rows of several lines, gradients too."""
    model = battery.shaken(Transformer, dropout=0.0).train()
    inputs = torch.from_numpy(battery.some_inputs(model)).reshape(1, -1)  # all lines in one row
    found = []
    for fused in (False, True):
        monkeypatch.setattr(transformer, "fuses", lambda qkv, fused=fused: fused)
        logits = model(inputs)
        found.append((logits, *torch.autograd.grad(logits.square().sum(), [*model.parameters()])))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("learns", [False, True])
def test_only_wide_rows_on_a_card_are_fused_and_not_in_training(learns: bool) -> None:
    """Where the kernel's gradients would not have the same bytes again."""
    card = {"is_cuda": True, "requires_grad": learns}
    on_a_card: list[Any] = [SimpleNamespace(shape=(2, n, 3), **card) for n in (64, 65)]
    assert FUSED_FROM == 64 and [fuses(qkv) for qkv in on_a_card] == [False, not learns]
    assert not fuses(torch.zeros(2, 100, 3, 2, 4))


def test_a_row_may_be_longer_than_a_line_and_only_a_cpu_is_asked() -> None:
    model = battery.build(Transformer, block_size=6)
    row = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3]])
    assert positions_and_mask(model, row)[0].tolist() == [[0, 1, 2, 3] * 2]
    with pytest.raises(ValueError, match="block_size 6"):
        positions_and_mask(model, torch.tensor([[0, 1, 2, 3, 4, 1, 2, 3]]))
    # On a device without numbers, to ask for the longest line would be an error.
    positions, mask = positions_and_mask(model, row.to("meta"))
    assert positions.shape == (1, 8) and mask.shape == (1, 8, 8)
