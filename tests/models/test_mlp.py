"""mlp.py and deep_mlp.py: the lectures' networks by hand, and how they start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import battery
from battery import full_size
from makemore.models.core import registry
from makemore.models.mlp import MLP
from makemore.scoring.line_tensors import LineTensors
from makemore.scoring.loss import nll
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary


def first_five() -> tuple[Tensor, Tensor]:
    """The lectures' 32 examples: windows of three of the first five names."""
    vocabulary = Vocabulary([chr(ord("a") + i) for i in range(26)])
    corpus = Corpus.from_lines(["emma", "olivia", "ava", "isabella", "sophia"])
    lines = LineTensors(vocabulary.encode(corpus).ids, corpus.offsets, "window", 3)
    return lines.windows(torch.from_numpy(lines.ends()))


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


def test_a_step_moves_only_the_rows_of_symbols_in_contexts() -> None:
    model = full_size("mlp")
    X, Y = first_five()
    nll(model(X), Y).backward()
    moved = model.embedding.weight.grad.abs().sum(1) > 0
    assert set(moved.nonzero().flatten().tolist()) == set(X.flatten().tolist())
    assert 0 < moved.sum() < 27


def saturated(h: Tensor) -> float:
    return (h.abs() > 0.97).float().mean().item()


def test_mlp_starts_neither_dead_nor_saturated() -> None:
    model = full_size("mlp")
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
    model = full_size("deep_mlp").train()
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
    model = full_size("mlp", **options)
    assert (model.hidden.bias is None) == bool(options)
    deep = full_size("deep_mlp")
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
