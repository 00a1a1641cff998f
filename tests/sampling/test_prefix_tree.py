"""prefix_tree.py: a prefix is computed once, and lines are those that are drawn without a cache."""

from __future__ import annotations

import itertools
from collections import Counter
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch

from kinds import each_kind
from makemore import MakeMore, parallel
from makemore.models.core import state
from makemore.models.core.base import CountModel
from makemore.models.core.registry import get_model, model_names
from makemore.sampling import policy, prefix_tree, quick_decoders
from makemore.sampling import sampler as sampler_module
from makemore.sampling.config import SamplingConfig
from makemore.sampling.prefix_tree import NONE, CacheLevel, PrefixCache, step_evenly

LINES = ["anna", "hanna", "ana", "nahan", "hana", "annah", "bab", "abba", "banana", "nab", "han"]
SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"n_layer": 2, "n_head": 2, "n_embd": 8},
    "gru": {"n_hidden": 8},
    "mlp": {"n_embd": 4, "n_hidden": 8},
    "ngram": {"order": 4},
    "ensemble": {"members": "ngram order=3, transformer n_layer=1 n_head=2 n_embd=8"},
}


def learned(model: str, labels: list[str] | None = None) -> MakeMore:
    steps = {} if model == "ngram" else {"max_steps": 5, "batch_size": 8}
    return MakeMore(model, random_state=1, **steps, **SMALL[model]).fit(LINES, labels)


@pytest.mark.parametrize("model", each_kind(SMALL, ["gru"]))
@pytest.mark.parametrize(
    "asked",
    [
        {"temperature": 0.8, "top_k": 3}, {"pattern": "[ahn]+b?", "max_length": 9},
        *(pytest.param(asked, marks=pytest.mark.slow)
          for asked in ({}, {"all": True}, {"prefix": "an", "max_length": 7})),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "labels", [None, pytest.param(["x", "y"] * 5 + ["x"], marks=pytest.mark.slow)]
)
def test_lines_of_a_seed_are_the_same_with_a_memory_and_without(
    model: str, asked: dict[str, Any], labels: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are cut at 12 symbols, so sequences start anew in some of them."""
    monkeypatch.setattr(quick_decoders, "TABLE_FROM", 10**9)  # counts by steps, too
    monkeypatch.setattr("makemore.api.plan.ROUND", 256)
    maker, found = learned(model, labels), []
    for room in (0, 20_000, 2**28):
        monkeypatch.setattr(prefix_tree, "CACHE_BYTES", room)
        sampler = maker.sampler(3, **asked)
        found.append(list(maker.drawn(sampler, 300)))
        assert sampler.decoder.cache.room >= 0
    for lines in found[1:]:
        assert [line.text for line in lines] == [line.text for line in found[0]]
        nlls = [[line.nll for line in some] for some in (lines, found[0])]
        np.testing.assert_allclose(*nlls, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", each_kind(SMALL, ["ngram"]))
@pytest.mark.parametrize(
    ("asked", "way"),
    [
        ({}, "rejection: several"), ({"all": True}, "rejection: a part"),
        ({"temperature": 0.7, "max_length": 4}, "left: a round"),
        ({"suffix": "bab"}, "led: a round"),
    ],
)  # fmt: skip
def test_lines_are_the_same_however_many_are_asked_for_and_drawn_together(
    model: str, asked: dict[str, Any], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over parts of rounds and several at once, and where the way to draw changes among them."""
    monkeypatch.setattr(quick_decoders, "TABLE_FROM", 10**9)
    monkeypatch.setattr(policy, "TABLE_PATIENCE", 1)  # counts are led as soon as other models
    monkeypatch.setattr("makemore.api.plan.ROUND", 256)
    monkeypatch.setattr(policy, "FIRST_ROUND", 16)
    maker, drawn, ways = learned(model), sampler_module.Sampler.completions, set[str]()

    def seen(sampler: Any, together: Any) -> Any:
        decoder = sampler.decoder
        strategy = decoder.strategy
        left = "rejection" if strategy.with_replacement else "left"
        by = left if strategy.exact else "led"
        parts = "a part" if together.parts[0].first else "a round"
        ways.add(f"{by}: {'several' if len(together.parts) > 1 else parts}")
        return drawn(sampler, together)

    monkeypatch.setattr(sampler_module.Sampler, "completions", seen)
    found = {}
    for n in (1, 9, 33, 150):
        for most in (7, 100, 65_536):
            monkeypatch.setattr(policy, "MAX_BATCH_DRAWS", most)
            lines = maker.drawn(maker.sampler(3, **asked), n)
            found[n, most] = [(line.text, line.origin) for line in lines]
    many = found[150, 7]
    assert len(many) == 150
    for (n, _), lines in found.items():
        assert lines == many[:n]
    assert way in ways and ways <= {
        "rejection: a round", "rejection: a part", "rejection: several", "left: a round",
        "led: a round",
    }  # fmt: skip


@pytest.fixture(scope="module")
def sums_alike() -> bool:
    """Whether this machine's BLAS sums a row alike in products of 16 rows and of many.

    MKL does on AMD and with AVX-512, not with AVX2 on Intel.
    """
    chance = torch.Generator().manual_seed(1)
    for made, width in itertools.product((27, 64, 192, 200, 256), (30, 64, 200, 256)):
        weight = torch.randn(made, width, generator=chance)
        every = torch.randn(608, width, generator=chance)
        many = every @ weight.T
        if not all(torch.equal(every[:rows] @ weight.T, many[:rows]) for rows in (16, 32, 64, 336)):
            return False
    return True


@pytest.mark.parametrize(
    "model", [name for name in model_names() if not get_model(name).is_ensemble]
)
def test_what_a_row_gives_hangs_on_that_row_alone(model: str, sums_alike: bool) -> None:
    """To the last bit, at the width of the recipe: so it is all one what is drawn together."""
    chance = np.random.default_rng(1)
    kind = get_model(model)
    options = kind.Options()
    built = kind(27, kind.context_for(options, 7), options)  # type: ignore[call-arg]
    if isinstance(built, CountModel):
        built = MakeMore(model).fit(["anna", "bob", "cleo", "abba", "bono"]).model_
    else:
        for parameter in built.parameters():
            parameter.data = torch.from_numpy(chance.normal(0, 0.2, parameter.shape)).float()
    ids = chance.integers(0, built.vocab_size, (600, 9))

    def answers(rows: Any) -> list[Any]:
        before, every, given = built.initial_state(len(rows)), np.arange(len(rows)), []
        for place in range(9):  # longer than a sequence: it starts anew on the way
            logits, after = step_evenly(built, ids[rows, place], before, every)
            before = state.select(after, every)
            given.append(logits)
        return given

    together = answers(np.arange(600))
    for number in (1, 2, 3, 5, 8, 17, 29, 64, 333):
        rows = chance.permutation(600)[:number]
        for alone, logits in zip(answers(rows), together, strict=True):
            if sums_alike:
                np.testing.assert_array_equal(alone, logits[rows])
            else:
                np.testing.assert_allclose(alone, logits[rows], rtol=1e-4, atol=1e-5)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many draws are made together, one time after the other."""
    drawn, found = sampler_module.Sampler.completions, list[int]()

    def counted(sampler: Any, together: Any) -> Any:
        found.append(int(together.bounds[-1]))
        return drawn(sampler, together)

    monkeypatch.setattr(sampler_module.Sampler, "completions", counted)
    return found


def test_no_more_is_drawn_than_what_is_asked_for_takes(made: list[int]) -> None:
    maker = learned("ngram")
    assert len(maker.sample(3000, random_state=1, all=True)) == 3000
    assert made[:2] == [128, 2048] and 3000 <= sum(made) < 3200  # whole rounds would be 3,968
    made.clear()
    sampler = maker.sampler(1, all=True)
    endless = sampler.rounds()
    assert [len(next(endless)) for _ in range(3)] == made == [128, 256, 512]


def test_of_a_few_lines_only_the_first_draws_of_a_round_are_made(made: list[int]) -> None:
    maker = learned("ngram")
    few = maker.sample(5, random_state=1, all=True)
    assert made == [24]  # 128 before anything was known
    assert few == maker.sample(100, random_state=1, all=True)[:5] and made == [24, 128]


@pytest.mark.parametrize("model", ["transformer", "gru"])
def test_no_prefix_is_computed_twice_while_there_is_room(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = learned(model)
    monkeypatch.setattr("makemore.api.plan.ROUND", 256)
    extend, seen = sampler_module.Decoder._extend, list[str]()

    def kept(decoder: Any, open_: Any, *rest: Any) -> Any:
        made = extend(decoder, open_, *rest)
        if made[0].ids.shape[1] < maker.model_.block_size:
            seen.extend(map(str, made[0].ids.tolist()))
        return made

    asked: Counter[int] = Counter()
    step = CacheLevel.step

    def counted(level: CacheLevel, own: Any, ids: Any, before: Any, rows: Any) -> None:
        asked["prefixes"] += len(ids)
        step(level, own, ids, before, rows)

    monkeypatch.setattr(sampler_module.Decoder, "_extend", kept)
    monkeypatch.setattr(CacheLevel, "step", counted)
    assert len(maker.sample(500, random_state=2)) == 500
    assert asked["prefixes"] == len(set(seen)) < len(seen) / 1.2


def test_what_is_remembered_keeps_to_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_tree, "CACHE_BYTES", 50_000)
    maker = learned("transformer")
    sampler = maker.sampler(2)
    list(maker.drawn(sampler, 400))
    levels = sampler.decoder.cache.levels.values()
    kept = sum(len(level) * level.bytes for level in levels if len(level.logs))
    assert 45_000 < kept <= 50_000
    assert kept + sampler.decoder.cache.room == 50_000


@pytest.mark.parametrize("model", ["transformer", "gru"])
def test_steps_in_parts_are_the_same_on_any_number_of_cores(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, and until the way to draw changes and beyond."""
    monkeypatch.setattr(prefix_tree, "MIN_SPLIT_ROWS", 8)
    monkeypatch.setattr(prefix_tree, "MAX_PART_ROWS", 16)
    maker, found, workers = learned(model), [], list[set[int]]()
    step = maker.model_.step

    def seen(*values: Any) -> Any:
        workers[-1].add(get_ident())
        return step(*values)

    monkeypatch.setattr(maker.model_, "step", seen)
    for cores in (1, 3):
        monkeypatch.setattr(parallel, "default_threads", lambda cores=cores: cores)
        workers.append(set())
        sampler = maker.sampler(5)
        found.append((list(maker.drawn(sampler, 700)), sampler.tally.draws, sampler.pass_rate))
    assert found[0] == found[1] and len(found[0][0]) == 700
    assert len(workers[0]) == 1 < len(workers[1])


def test_a_level_finds_what_it_remembers_and_writes_over_the_rest() -> None:
    level = CacheLevel(3, SamplingConfig())
    logits = np.log(np.arange(1, 13.0).reshape(4, 3))
    level.write(4, 0, logits, (np.arange(4),))
    level.remember(np.array([2, 0]), np.array([1, 2]))  # the edges 2-1 and 0-2
    parents, symbols = np.array([0, 2, 2, NONE]), np.array([2, 1, 2, 1])
    assert level.children.find(parents, symbols).tolist() == [1, 0, NONE, NONE]
    level.write(3, 1, logits[:2], (np.array([8, 9]),))  # the second and third of three
    np.testing.assert_array_equal(level.tips[0][[0, 1, 3, 4]], [0, 1, 8, 9])
    shares = np.exp(logits[:2]) / np.exp(logits[:2]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(level.logs[:2]), shares)
    np.testing.assert_allclose(level.reach[:2, :2], shares.cumsum(axis=1)[:, :2])
    assert level.bytes == 3 * 8 + 4 * 8 + 8 + 16


def test_a_full_sequence_starts_anew_and_is_not_remembered() -> None:
    maker = learned("transformer")
    model = maker.model_
    held, here = PrefixCache(model, SamplingConfig()), np.zeros(1, dtype=np.int64)
    logits, after = model.step(here, model.initial_state(1))
    held.begin(logits)
    plain, nodes = after, here
    for inputs in range(1, 2 * model.block_size):
        ids = np.array([1 + inputs % 3])
        answers, nodes, after = held.step(inputs, nodes, ids, after)
        logits, plain = model.step(ids, plain)
        given = np.exp(answers.logs[nodes]) / np.exp(answers.logs[nodes]).sum()
        np.testing.assert_allclose(given, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
        assert len(answers) == int(inputs < model.block_size)


def test_draws_are_made_together_in_the_room_there_is(
    made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = learned("gru")
    monkeypatch.setattr(prefix_tree, "CACHE_BYTES", 20_000)
    sampler = maker.sampler(1, all=True)
    assert sampler.decoder.cache.most == 20_000
    list(maker.drawn(sampler, 900))
    most = sampler.decoder.cache.most
    assert most == 20_000 // max(level.bytes for level in sampler.decoder.cache.levels.values())
    assert 100 < most < 200 and set(made[1:-1]) == {most} and made[0] == 128


def test_a_state_grows_by_the_tips_of_its_rows() -> None:
    before = (np.zeros((3, 1)), (np.ones((3, 2)),))
    tips = (np.arange(4.0)[:, None], (np.arange(8.0).reshape(4, 2),))
    grown = state.append(before, tips, np.array([2, 0, 2]))
    assert grown[0].ravel().tolist() == [2, 0, 2] and grown[1][0][1].tolist() == [0, 1]
    assert state.row_bytes(tips) == 8 + 16
    more = state.empty_like(tips, 6)
    state.write(more, 2, tips)
    assert more[0][2:].ravel().tolist() == [0, 1, 2, 3] and len(more[1][0]) == 6
    assert state.first_rows(more, 4)[0][2:].ravel().tolist() == [0, 1]
