"""scorer.py: the loss by hand, exact scores of lines by every model, BatchNorm's statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import battery
from makemore.models.core import registry
from makemore.models.core.base import Model
from makemore.scoring import count_scorer, neural_scorer
from makemore.scoring.line_tensors import IGNORED, LineTensors
from makemore.scoring.loss import nll
from makemore.scoring.neural_scorer import eval_mode
from makemore.scoring.scorer import score, surprisals
from makemore.text.corpus import Corpus
from makemore.text.vocabulary import Vocabulary
from makemore.training.batches import Batches
from makemore.training.device import seeded

ABC = Vocabulary("abcdefgh")  # V = 9, as the battery's models have it
WORDS = ["a", "bad", "", "cabbage", "hedge", "deaf", "hh", "fade", "ab"]


# -- the loss -------------------------------------------------------------------------------------


def test_softmax_of_great_logits() -> None:
    logits = torch.tensor([1000.0, 1001.0, 1002.0])
    assert logits.exp().isinf().all() and (logits.exp() / logits.exp().sum()).isnan().all()
    shifted = (logits - logits.max()).exp()
    torch.testing.assert_close(shifted, torch.tensor([0.135, 0.368, 1.0]), atol=1e-3, rtol=0)
    probs = shifted / shifted.sum()
    torch.testing.assert_close(probs, torch.tensor([0.09, 0.24, 0.67]), atol=6e-3, rtol=0)
    for target in range(3):
        for moved in (0.0, -1000.0, 1e6):  # only differences matter
            loss = nll(logits[None] + moved, torch.tensor([target]))
            assert loss.item() == pytest.approx(-math.log(probs[target].item()), abs=1e-5)


def test_nll_plucks_the_probabilities_of_what_came() -> None:
    probs = torch.tensor([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    plucked = nll(probs.log(), torch.tensor([1, 0, 2])).item()
    assert plucked == pytest.approx(-math.log(0.7 * 0.3 * 0.8) / 3, abs=1e-6)
    assert nll(torch.tensor([[0.0, -1e9]]), torch.tensor([0])).item() == 0


def test_nll_is_the_hand_made_one_and_torch_s() -> None:
    """The five bigrams of emma: xenc (5, 27) @ W -> counts -> probs -> the five that came."""
    xs, ys = torch.tensor([0, 5, 13, 13, 1]), torch.tensor([5, 13, 13, 1, 0])
    W = torch.randn(27, 27, generator=torch.Generator().manual_seed(0), requires_grad=True)
    logits = F.one_hot(xs, 27).float() @ W
    counts = logits.exp()
    probs = counts / counts.sum(1, keepdim=True)
    assert probs.shape == (5, 27) and counts.sum(1, keepdim=True).shape == (5, 1)
    by_hand = -probs[torch.arange(5), ys].log().mean()
    loss = nll(logits, ys)
    torch.testing.assert_close(loss, by_hand)
    torch.testing.assert_close(loss, F.cross_entropy(logits, ys))
    grads = [torch.autograd.grad(each, W, retain_graph=True)[0] for each in (loss, by_hand)]
    torch.testing.assert_close(*grads)


def test_nll_leaves_out_padded_places() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2, IGNORED, IGNORED], [4, 0, 3, IGNORED]])
    kept = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    each = [-logits[at].log_softmax(0)[targets[at]].item() for at in kept]
    assert nll(logits, targets).item() == pytest.approx(sum(each) / 5, abs=1e-6)
    logits[targets == IGNORED] = 1e9
    assert nll(logits, targets).item() == pytest.approx(sum(each) / 5, abs=1e-6)


# -- mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_gives_the_mode_back(training: bool) -> None:
    model = battery.build(registry.get_model("mlp"), dropout=0.5).train(training)
    with eval_mode(model):
        assert not model.training and not model.dropout.training
        assert not model(torch.zeros(1, 6, dtype=torch.long)).requires_grad
    assert model.training == model.dropout.training == training
    assert torch.is_grad_enabled()
    with pytest.raises(KeyError), eval_mode(model):
        raise KeyError
    assert model.training == training and torch.is_grad_enabled()


def test_scores_of_a_model_in_training_are_without_chance() -> None:
    model = shaken("gru", dropout=0.5)
    calm = score(model, ABC, Corpus.exactly(WORDS)).nll
    model.train()
    before = torch.get_rng_state()
    np.testing.assert_array_equal(score(model, ABC, Corpus.exactly(WORDS)).nll, calm)
    assert model.training and torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


# -- scores ---------------------------------------------------------------------------------------


def shaken(name: str, **options: Any) -> Any:
    return battery.shaken(registry.get_model(name), **options)


def encoded(corpus: Corpus) -> tuple[Any, Any]:
    return ABC.encode(corpus).ids, corpus.offsets


def by_step(model: Model, line: str) -> list[float]:
    """-log p of each symbol and of the end, by `step` and nothing else."""
    state, each = model.initial_state(1), []
    ids = [0, *ABC.encode_line(line).tolist(), 0]
    for number, target in zip(ids, ids[1:], strict=False):
        logits, state = model.step(np.array([number]), state)
        row = logits[0].astype(np.float64)
        each.append(float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[target]))
    return each


@pytest.mark.parametrize("name", registry.model_names())
def test_scores_are_those_of_the_steps(name: str) -> None:
    """Also for lines that are longer than block_size 6, which only steps can go along."""
    model = shaken(name)
    words = [*WORDS, "abcdefgh" * 3, "hgfedc", "gagged", "c" * 50]
    corpus = Corpus.exactly(words)
    expected = [by_step(model, word) for word in words]
    each = surprisals(model, *encoded(corpus))
    np.testing.assert_allclose(each, np.concatenate(expected), atol=1e-4)
    scores = score(model, ABC, corpus)
    np.testing.assert_allclose(scores.nll, [sum(row) for row in expected], rtol=1e-5)
    assert scores.symbols.tolist() == [len(word) + 1 for word in words]
    mean = sum(map(sum, expected)) / sum(map(len, expected))
    assert scores.mean() == pytest.approx(mean, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ngram", "mlp", "gru", "transformer"])
def test_a_split_s_loss_does_not_depend_on_chunks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact over all symbols: never a mean of the means of batches."""
    model = shaken(name, block_size=12)
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list("abcdefgh"), n)) for n in chance.integers(1, 12, 80)]
    corpus = Corpus.exactly(words)
    at_once = score(model, ABC, corpus)
    for chunk in (1, 17, 100):
        for module in (count_scorer, neural_scorer):
            monkeypatch.setattr(module, "CHUNK", chunk)
            monkeypatch.setattr(module, "MAX_WINDOWS", 3 * chunk)
        scores = score(model, ABC, corpus)
        np.testing.assert_allclose(scores.nll, at_once.nll, rtol=1e-5)
        assert scores.mean() == pytest.approx(at_once.mean(), rel=1e-6)
    order = chance.permutation(len(words))
    turned = score(model, ABC, corpus.take(order))
    np.testing.assert_allclose(turned.nll, at_once.nll[order], rtol=1e-5)
    means = [score(model, ABC, corpus.take(np.array([row]))).mean() for row in range(len(words))]
    assert abs(np.mean(means) - at_once.mean()) > 1e-3


@pytest.mark.parametrize(
    ("name", "block", "computed"),
    # Of 3 symbols: `...`, `..a`, `..c`, `.ab`, `.ca` and `cab`.
    [("mlp", 3, 6), ("ngram", 3, 6), ("mlp", 24, 35)],
)
def test_a_window_is_computed_once(
    name: str, block: int, computed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9 ** 24 windows have no number, so that those are computed each by itself."""
    model = shaken(name, block_size=block)
    corpus = Corpus.exactly(["ab", "cab"] * 5)
    asked: list[Any] = []
    forward = type(model).forward

    def seen(inputs: Any) -> Any:
        asked.extend(inputs.tolist())
        return forward(model, inputs)

    monkeypatch.setattr(model, "forward", seen)
    each = surprisals(model, *encoded(corpus))
    assert len(asked) == computed
    expected = [by_step(model, word) for word in corpus]
    np.testing.assert_allclose(each, np.concatenate(expected), atol=1e-4)
    for module in (count_scorer, neural_scorer):
        monkeypatch.setattr(module, "MAX_WINDOWS", 4)
    np.testing.assert_allclose(surprisals(model, *encoded(corpus)), each, rtol=1e-5)


@pytest.mark.parametrize("name", ["rnn", "wavenet", "bigram"])
def test_very_long_lines_go_step_by_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shaken(name)
    corpus = Corpus.exactly([*WORDS, "fade" * 10])
    at_once = score(model, ABC, corpus).nll
    monkeypatch.setattr(neural_scorer, "MAX_INPUTS", 7)
    calls = []
    monkeypatch.setattr(model, "step", lambda *a: (calls.append(1), type(model).step(model, *a))[1])
    np.testing.assert_allclose(score(model, ABC, corpus).nll, at_once, rtol=1e-5)
    assert len(calls) == (7 + 1) + (40 + 1)  # of the two lines that are longer than 7


def test_uniform_scores() -> None:
    model = battery.build(registry.get_model("bigram"))
    each = score(model, ABC, Corpus.exactly(WORDS))
    np.testing.assert_allclose(each.nll, each.symbols * math.log(9), rtol=1e-6)
    assert each.mean() == pytest.approx(math.log(9))


@pytest.mark.parametrize("name", ["ngram", "gru"])
def test_unknown_symbols_are_infinite_and_left_out(name: str) -> None:
    model = shaken(name)
    words = ["bad", "bäd", "z", "", "cab", "."]
    scores = score(model, ABC, Corpus.exactly(words))
    known = score(model, ABC, Corpus.exactly(["bad", "", "cab"]))
    assert scores.known.tolist() == [True, False, False, True, True, False]
    assert np.isposinf(scores.nll[[1, 2, 5]]).all()
    np.testing.assert_allclose(scores.nll[[0, 3, 4]], known.nll, rtol=1e-6)
    assert scores.symbols.tolist() == [4, 4, 2, 1, 4, 2]
    assert scores.mean() == pytest.approx(known.mean())
    rows = np.array([True, True, False, False, False, False])
    assert scores.mean(rows) == pytest.approx(scores.nll[0] / 4)
    assert scores.mean(~scores.known) is None
    assert score(model, ABC, Corpus.exactly(["xyz"])).mean() is None
    assert score(model, ABC, Corpus.exactly([])).mean() is None


def test_the_loss_of_a_split_is_that_of_its_batches() -> None:
    """The same number by both ways: batches weighted by their symbols, and scores of lines."""
    model = shaken("transformer", block_size=9)
    ids, offsets = battery.some_lines(9, n_lines=400)
    batches = Batches(LineTensors(ids, offsets, "sequence", model.block_size), 100, seed=0)
    total, symbols = 0.0, 0
    with eval_mode(model), seeded(0):
        for step in range(batches.per_epoch):
            for inputs, targets in batches(step):
                count = int((targets != IGNORED).sum())
                total, symbols = total + nll(model(inputs), targets).item() * count, symbols + count
    each: Any = surprisals(model, ids, offsets)
    assert symbols == len(each)
    assert total / symbols == pytest.approx(each.mean(), rel=1e-5)
