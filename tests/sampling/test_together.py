"""together.py: what several samplers draw at once is what each draws alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds import each_kind
from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.sampling import Sample, Sampler, policy, together

LINES = ["anna", "hanna", "ana", "nahan", "hana", "annah", "bab", "abba", "banana", "nab", "han"]
SMALL: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3},
    "bigram": {},
    "mlp": {"n_embd": 4, "n_hidden": 8},
    "bow": {"n_embd": 8},
    "wavenet": {"n_embd": 4},
    "rnn": {"n_hidden": 8},
    "gru": {"n_hidden": 8},
    "lstm": {"n_hidden": 8},
    "transformer": {"n_layer": 2, "n_head": 2, "n_embd": 8},
    "ensemble": {"members": "ngram order=3, transformer n_layer=1 n_head=2 n_embd=8"},
}
# Of these few lines most draws are known soon: the samplers go over to draws without replacement
# each at its own time, and run out of lines. The rare ones are guided.
CONDITIONS = st.fixed_dictionaries({}, optional={
    "temperature": st.sampled_from([0.0, 0.7, 1.5]),
    "top_k": st.integers(1, 4),
    "style": st.sampled_from(["tidy", "plain", "wild"]),
    "prefix": st.sampled_from(["a", "han", "bb"]),
    "contains": st.sampled_from(["bb", "nn"]),
    "max_length": st.integers(2, 7),
    "all": st.booleans(),
})  # fmt: skip
SEEDS = st.integers(0, 2**63 - 1) | st.integers(0, 3)
WANTED = st.lists(st.tuples(SEEDS, st.integers(0, 60)), min_size=1, max_size=6)


@cache
def learned(model: str, labelled: bool = False) -> MakeMore:
    steps = {} if model == "ngram" else {"max_steps": 5, "batch_size": 8}
    labels = ["x", "y"] * 5 + ["x"] if labelled else None
    return MakeMore(model, random_state=1, **steps, **SMALL[model]).fit(LINES, labels)


def at_once(
    maker: MakeMore, conditions: Sampler, wanted: list[tuple[int, int]]
) -> list[tuple[list[Sample], str | None]]:
    samplers, why = [], {}
    for seed, n in wanted:
        samplers.append(conditions.with_seed(seed))
        samplers[-1].begin(n)
    found: list[list[Sample]] = [[] for _ in wanted]
    for index, lines in maker.rounds_together(conditions, samplers, threads=1):
        assert index not in why
        if isinstance(lines, Unsatisfiable):
            why[index] = str(lines)
        else:
            found[index].extend(lines)
    return [(lines, why.get(index)) for index, lines in enumerate(found)]


def same(maker: MakeMore, options: dict[str, Any], wanted: list[tuple[int, int]]) -> None:
    try:
        conditions = maker.sampler(0, **options)
    except Unsatisfiable:
        return  # nothing to draw for anybody
    each = []
    for seed, n in wanted:
        found = []
        sampler = maker.sampler(seed, **options)
        try:
            found.extend(maker.drawn(sampler, n))
        except Unsatisfiable as error:
            each.append((found, str(error)))
        else:
            each.append((found, None))
    assert at_once(maker, conditions, wanted) == each


@pytest.mark.parametrize("model", each_kind(SMALL, ["ngram", "gru", "ensemble"]))
@given(options=CONDITIONS, wanted=WANTED)
def test_together_each_seed_has_the_lines_it_has_alone(
    model: str, options: dict[str, Any], wanted: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "GIVE_UP", 1500)
        same(learned(model), options, wanted)


@pytest.mark.parametrize("model", each_kind(SMALL, ["ngram", "gru"]))
@given(label=st.sampled_from(["x", "x=.3,y=.7", ""]), wanted=WANTED)
def test_together_each_seed_has_its_labels(
    model: str, label: str, wanted: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "GIVE_UP", 1500)
        same(learned(model, True), {"label": label, "all": True}, wanted)


@given(most=st.sampled_from([1, 20, 100]), wanted=WANTED)
def test_how_many_draws_are_made_at_once_changes_no_line(
    most: int, wanted: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "MOST_TOGETHER", most)
        same(learned("gru"), {"all": True, "temperature": 1.2}, wanted)


def test_draws_of_many_seeds_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    maker, batches = learned("gru"), []
    conditions = maker.sampler(0, all=True)
    drawn = conditions.decoder.draw
    monkeypatch.setattr(
        conditions.decoder, "draw", lambda batch: batches.append(batch) or drawn(batch)
    )
    found = at_once(maker, conditions, [(seed, 10) for seed in range(50)])
    assert [len(lines) for lines, _ in found] == [10] * 50
    assert len(batches) == 1 and len(batches[0].parts) == 50
