"""Transformer: every symbol asks all earlier ones what they hold, and takes what answers.

The one idea: attention. An MLP reads fixed positions and an RNN a summary; an attention head
compares its query with the key of each earlier symbol, and averages their values by how well query
and key match. So the positions that it reads depend on what stands there.

Paper: Vaswani et al. 2017, Attention Is All You Need (the block as in GPT-2, Radford et al. 2019)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from makemore.errors import UsageError
from makemore.models.core.kv_cache import KVCache, cached_step
from makemore.models.core.layers import Dropout
from makemore.models.core.neural import NeuralModel, numpy_step
from makemore.models.core.packed_lines import positions_and_mask
from makemore.models.core.registry import register
from makemore.models.core.state import State
from makemore.options import option

FUSED_FROM = 64  # positions of a row


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Average the values v, weighted by softmax(q k / sqrt(D) + mask).

    q (B * n_head, T, D), k and v (B * n_head, S, D), mask (B * n_head or 1, T, S): 0 where a query
    may look, -inf where not -> (B * n_head, T, D). Vaswani et al. 2017, section 3.2.1.
    """
    # A dot product of D terms has D times their variance: divided by sqrt(D), the softmax starts
    # soft, not with all its weight on one key.
    weights = torch.baddbmm(mask, q, k.mT, alpha=q.shape[-1] ** -0.5).softmax(-1)  # (.., T, S)
    return torch.bmm(weights, v)


def fuses(qkv: Tensor) -> bool:
    """Tell whether torch's fused kernel computes attention, not the products written out.

    On a card it is faster for wide rows, and keeps no weights (T, T) of them in memory. Its
    gradients may be added up in another order each time, so a training does not use it.
    """
    return qkv.is_cuda and qkv.shape[1] > FUSED_FROM and not qkv.requires_grad


class Block(nn.Module):
    """Mixes between symbols by attention, then works within each by an MLP.

    Both add their output to the residual stream x (B, T, n_embd). LayerNorm stands before each, as
    in GPT-2, and not in the stream: its gradient reaches the first block as it left the last.
    """

    def __init__(self, n_embd: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.n_head = n_head
        self.norm_1 = nn.LayerNorm(n_embd)
        self.attend = nn.Linear(n_embd, 3 * n_embd)  # queries, keys and values in one product
        self.project = nn.Linear(n_embd, n_embd)
        self.norm_2 = nn.LayerNorm(n_embd)
        self.widen = nn.Linear(n_embd, 4 * n_embd)
        self.narrow = nn.Linear(4 * n_embd, n_embd)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Compute the stream after this block: x (B, T, n_embd), mask (B * n_head, T, T) -> x."""
        return self.add(x, self.look(self.project_in(x), mask))

    def project_in(self, x: Tensor) -> Tensor:
        """Compute queries, keys and values of x (B, T, n_embd) -> (B, T, 3, n_head, D)."""
        return self.attend(self.norm_1(x)).view(*x.shape[:2], 3, self.n_head, -1)

    def look(self, qkv: Tensor, mask: Tensor) -> Tensor:
        """Let every head look at its keys: qkv (B, T, 3, n_head, D) -> (B, T, n_head, D)."""
        B, T, _, n_head, D = qkv.shape
        if fuses(qkv):
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()  # (B, n_head, T, D) each
            mask = mask.view(B, n_head, T, T).to(q.dtype)
            return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
        # Heads work apart, each on its part of the width: they move into the batch.
        q, k, v = qkv.permute(2, 0, 3, 1, 4).reshape(3, B * n_head, T, D).unbind()  # one copy
        return attention(q, k, v, mask).view(B, n_head, T, D).transpose(1, 2)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Add to the stream what the heads found, y (B, T, n_head, D), then what the MLP makes."""
        # The heads' results side by side, (B, T, n_embd); `project` mixes them.
        x = x + self.dropout(self.project(y.reshape(x.shape)))
        wide = F.gelu(self.widen(self.norm_2(x)))  # (B, T, 4 * n_embd)
        return x + self.dropout(self.narrow(wide))


@register("transformer")
class Transformer(NeuralModel):
    """Predicts the next symbol from all earlier ones through n_layer blocks of attention.

    Inputs (B, T) -> logits (B, T, V). It is the GPT of the lecture "Let's build GPT".
    """

    @dataclass(frozen=True)
    class Options:
        n_layer: int = option(4, "blocks", minimum=1, maximum=64)
        n_head: int = option(4, "attention heads in a block", minimum=1, maximum=256)
        n_embd: int = option(64, "width of the stream", minimum=1, maximum=4096)
        dropout: float = option(0.1, "share of values dropped", minimum=0.0, maximum=0.95)

    input_kind = "sequence"
    splits_batches = True  # no BatchNorm: a row's result does not depend on the other rows
    packs = True  # the mask keeps lines in one row apart
    parts = {"attend": 3}  # queries, keys and values: the optimizer updates each by itself
    recipe = {
        "max_steps": 1150, "learning_rate": 0.01, "batch_size": 256, "muon_learning_rate": 0.03,
        "muon_momentum": 0.85, "muon_row_momentum": 0.95, "soft_targets": 0.5,
    }  # fmt: skip

    def __init__(self, vocab_size: int, block_size: int, options: Options) -> None:
        super().__init__(vocab_size, block_size, options)
        width, depth = options.n_embd, options.n_layer
        if width % options.n_head:
            raise UsageError(
                f"n_embd {width} cannot be divided among n_head {options.n_head}",
                "--n-head", f"give a divisor of {width}",
            )  # fmt: skip
        self.embedding = nn.Embedding(vocab_size, width)
        # Attention sees a set, without order: a learned vector says at which position each stands.
        self.position = nn.Embedding(block_size, width)
        self.dropout = Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            Block(width, options.n_head, options.dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab_size, bias=False)  # not the embedding's weights
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                # What adds to the stream is scaled down by the number of additions (GPT-2).
                adds = name.endswith(("project.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * depth) ** 0.5 if adds else 0.02)

    def embed(self, inputs: Tensor, positions: Tensor) -> Tensor:
        """Begin the stream: inputs (B, T) and positions (B, T), ids -> (B, T, n_embd)."""
        return self.dropout(self.embedding(inputs) + self.position(positions))

    def forward(self, inputs: Tensor) -> Tensor:
        # The mask hides the symbols that come later, and, as a row may hold several short lines,
        # those of other lines.
        positions, mask = positions_and_mask(self, inputs)  # (B, T), (B, T, T)
        mask = mask.repeat_interleave(self.options.n_head, 0)  # (B * n_head, T, T)
        x = self.embed(inputs, positions)  # (B, T, n_embd)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))  # (B, T, V)

    def initial_state(self, batch: int) -> State:
        seen = torch.zeros(batch, 0, dtype=torch.long, device=self.device)
        return seen, KVCache.empty(seen)  # inputs so far (B, T), keys and values of all blocks

    @numpy_step
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        return cached_step(self, ids, state)  # (B, V)
