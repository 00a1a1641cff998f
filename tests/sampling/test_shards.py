"""Shards: n samplers that never talk draw the lines of one, disjoint and by its distribution.

Where a test says that shards follow the model, ones that are a little wrong are refused, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from exact import ABC, Table, chi_square, known, line_probabilities, of_four_letters, of_words, tail
from hypothesis import given
from hypothesis import strategies as some

from kinds import each_kind
from makemore import MakeMore
from makemore.errors import Unsatisfiable, UsageError
from makemore.models.core.base import Model
from makemore.options import make
from makemore.sampling import policy, shard_plan
from makemore.sampling.config import SamplingConfig
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.prefix_shares import PrefixShares, share_prefixes
from makemore.sampling.prefix_tree import NONE
from makemore.sampling.results import KnownLines, Sample
from makemore.sampling.sampler import Sampler
from makemore.sampling.shard_plan import ShardPlan
from makemore.text.builtin_lists import builtin_names
from makemore.text.corpus import Corpus
from makemore.text.shard import Shard
from makemore.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    """A model of counts over 4 letters, of lines of up to 6."""
    return of_four_letters()


@pytest.fixture(scope="module")
def labelled() -> MakeMore:
    """The same texts under two labels, one of them with longer ones."""
    lines = ["ab", "ba", "aab", "bba", "abab", "baba", "aa", "bb"] * 2
    labels = ["x"] * 8 + ["y", "y", "x", "x", "y", "y", "y", "x"]
    return MakeMore("ngram", order=2).fit(lines, labels)


def samplers(
    model: Model, vocabulary: Vocabulary, n: int, seed: int = 1, *, train: Corpus | None = None,
    avoid: KnownLines | None = None, labels: dict[int, float] | None = None, longest: int = 6,
    **options: Any,
) -> list[Sampler]:  # fmt: skip
    chosen = make(SamplingConfig, options)
    return [
        Sampler(model, vocabulary, avoid or known(), chosen, seed, longest=longest, train=train,
                labels=labels, shard=Shard(index, n))
        for index in range(n)
    ]  # fmt: skip


def drawn(each: list[Sampler], lines: int) -> list[list[Sample]]:
    return [[line for batch in sampler.rounds(lines) for line in batch] for sampler in each]


def of_maker(maker: MakeMore, n: int, seed: int = 1, **options: Any) -> list[Sampler]:
    options = {"max_length": 6, **options}
    return samplers(maker.model_, maker.vocabulary, n, seed, train=maker.split.train, **options)  # type: ignore[arg-type]


def together(parts: list[list[Sample]]) -> list[str]:
    return [line.text for part in parts for line in part]


# -- the parts ------------------------------------------------------------------------------------


def test_a_shard_is_read_as_it_is_typed() -> None:
    assert Shard.parse("2/4") == Shard(1, 4) and str(Shard(1, 4)) == "2/4"
    for text in ("", "2", "2/", "/4", "0/4", "5/4", "-1/4", "1/0", "2/4 ", "a/b", "1/9999", "²/4"):
        with pytest.raises(UsageError, match="shard"):
            Shard.parse(text)
    with pytest.raises(UsageError, match="shard"):
        Shard.parse((2, 4))


@given(count=some.integers(0, 50), n=some.integers(1, 60))
def test_parts_of_things_in_order_cover_them(count: int, n: int) -> None:
    parts = [Shard(index, n).part_of(count) for index in range(n)]
    assert [thing for part in parts for thing in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_shards_are_disjoint_and_add_up(maker: MakeMore, n: int) -> None:
    for lines in (0, 1, 5, 500):
        parts = drawn(of_maker(maker, n), lines)
        texts = together(parts)
        assert len(texts) == lines == len(set(texts))
        assert together(drawn(of_maker(maker, n), lines)) == texts  # killed and started again
    assert min(map(len, parts)) > 0.6 * lines / n  # no shard does the work of the others
    assert together(drawn(of_maker(maker, n, seed=2), lines)) != texts


def test_one_shard_of_one_is_all(maker: MakeMore) -> None:
    (only,) = of_maker(maker, 1)
    plain = maker.sampler(1, max_length=6, style="plain")
    plain.known = only.known
    assert together(drawn([only], 300)) == [line.text for line in maker.drawn(plain, 300)]


def test_the_first_lines_of_many_are_those_of_few(maker: MakeMore) -> None:
    few, many = drawn(of_maker(maker, 3), 30), drawn(of_maker(maker, 3), 300)
    for some_lines, more in zip(few, many, strict=True):
        assert more[: len(some_lines)] == some_lines


# -- by which distribution ------------------------------------------------------------------------

CASES: list[tuple[dict[str, Any], Callable[[str], bool]]] = [
    ({}, lambda text: True),
    ({"prefix": "ba"}, lambda text: text.startswith("ba")),
    ({"suffix": "ab"}, lambda text: text.endswith("ab")),
    ({"contains": "dd"}, lambda text: "dd" in text),
    ({"pattern": "(a|bc)+d?", "min_length": 2}, lambda text: bool(text[1:]) and _matches(text)),
    ({"min_length": 3, "max_length": 3}, lambda text: len(text) == 3),
    ({"temperature": 0.6, "exclude": "d"}, lambda text: "d" not in text),
]


def _matches(text: str) -> bool:
    import re

    return re.fullmatch("(a|bc)+d?", text) is not None


@pytest.mark.parametrize(("options", "kept"), CASES)
def test_all_draws_of_shards_follow_the_model(
    maker: MakeMore, options: dict[str, Any], kept: Callable[[str], bool]
) -> None:
    longest, temperature = options.get("max_length", 6), options.get("temperature", 1.0)
    parts = drawn(of_maker(maker, 4, all=True, **options), 6000)
    counts = Counter(together(parts))
    assert sum(counts.values()) == 6000
    expected = line_probabilities(maker.model_, maker.vocabulary, longest, kept, temperature)  # type: ignore[arg-type]
    assert chi_square(counts, expected) >= 1e-3
    bent = line_probabilities(maker.model_, maker.vocabulary, longest, kept, 1.4 * temperature)  # type: ignore[arg-type]
    assert chi_square(counts, bent) < 1e-3


def test_draws_of_a_model_without_a_table_follow_it() -> None:
    rows = np.random.default_rng(5).dirichlet(np.full(4, 2.0), size=(4, 4))
    rows[:, :, 0] += 0.1
    table = Table(rows / rows.sum(axis=2, keepdims=True))
    each = samplers(table, ABC, 3, max_length=5, all=True)
    counts = Counter(together(drawn(each, 6000)))
    expected = line_probabilities(table, ABC, 5)
    assert chi_square(counts, expected) >= 1e-3
    assert chi_square(counts, line_probabilities(table, ABC, 5, temperature=1.4)) < 1e-3


# What a sampler of these words returns first is refused or drawn again often.
SHARES = {"a": 0.3, "b": 0.2, "ab": 0.15, "ba": 0.1, "c": 0.08, "ca": 0.06, "cb": 0.05, "bc": 0.04,
          "ac": 0.02}  # fmt: skip


def one_after_another(lines: int, times: int) -> Counter[str]:
    """What one process returns: new words by their probability, each once (Plackett and Luce)."""
    words = [word for word in SHARES if word not in ("a", "cb")]
    logs = np.log([SHARES[word] for word in words])
    keys = logs + np.random.default_rng(3).gumbel(size=(times, len(words)))
    first = np.argsort(-keys, axis=1)[:, :lines]
    return Counter(words[column] for column in first.ravel())


@pytest.mark.parametrize(
    ("lines", "seeds"), [(3, 40), pytest.param(1, 400, marks=pytest.mark.slow)]
)
def test_new_lines_of_shards_come_as_often_as_those_of_one(
    lines: int, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, vocabulary = of_words(SHARES)
    expected = one_after_another(lines, 200_000)
    shares = {word: count / expected.total() for word, count in expected.items()}

    def counts() -> Counter[str]:
        found: Counter[str] = Counter()
        for seed in range(seeds):
            each = samplers(model, vocabulary, 3, seed, avoid=known(train="a cb"), max_length=2)
            found.update(together(drawn(each, lines)))
        return found

    assert chi_square(counts(), shares) >= 1e-3
    # By the mass of all lines, the known ones too, a shard with many of them would draw too many.
    monkeypatch.setattr(
        ShardPlan, "_accepted",
        lambda plan, finished: (
            joined := shard_plan.RoundCompletions(finished, vocabulary), np.ones(len(joined), bool)
        ),
    )  # fmt: skip
    assert chi_square(counts(), shares) < 1e-3


def test_the_pilot_finds_the_sizes_where_lines_go_on_behind_the_tree(
    maker: MakeMore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree of few nodes, so that most lines end behind it; half of them are known."""
    monkeypatch.setattr("makemore.sampling.prefix_shares.FEWEST_ENDS", 4)
    monkeypatch.setattr("makemore.sampling.prefix_shares.ENDS_EACH", 2)
    exact = line_probabilities(maker.model_, maker.vocabulary, 6)  # type: ignore[arg-type]
    gone = [text for text in exact if text[:1] in ("a", "b") and len(text) % 2]
    exact = {text: p for text, p in exact.items() if text not in gone and text}
    for lines in (40, 1500):
        # The time after which one process has so many lines.
        low, high = 0.0, 1e9
        for _ in range(100):
            middle = (low + high) / 2
            done = sum(-math.expm1(-middle * p) for p in exact.values())
            low, high = (low, middle) if done >= lines else (middle, high)
        each = of_maker(maker, 4, avoid=known(avoid=" ".join(gone)))
        plan = ShardPlan(each[0].decoder, each[0].known, maker.split.train, None, 4)
        every = [plan.sizes(lines, seed) for seed in range(40)]
        assert {sum(sizes) for sizes in every} == {lines}
        owned = _owners(plan.tree, maker.vocabulary, list(exact))
        expected = [
            sum(-math.expm1(-low * p) for (_, p), who in zip(exact.items(), owned, strict=True)
                if who == shard)
            for shard in range(4)
        ]  # fmt: skip
        np.testing.assert_allclose(np.mean(every, axis=0), expected, rtol=0.05, atol=0.3)


def _owners(tree: PrefixShares, vocabulary: Vocabulary, texts: list[str]) -> list[int]:
    encoded = vocabulary.encode(Corpus.exactly(texts))
    return tree.owner_of(encoded.ids.astype(np.int64), encoded.offsets).tolist()


def two_samples(one: Counter[Any], other: Counter[Any]) -> float:
    """The p value of two samples of one distribution; cells of under 10 are one."""
    cells = Counter[Any]()
    seen = Counter[Any]()
    for key in one | other:
        cell = key if one[key] + other[key] >= 10 else "rest"
        cells[cell] += one[key] + other[key]
        seen[cell] += one[key]
    share = one.total() / (one.total() + other.total())
    pairs = [(seen[cell], total * share) for cell, total in cells.items()]
    statistic = sum((a - b) ** 2 / (b * (1 - share)) for a, b in pairs)
    return tail(statistic, len(pairs) - 1)


@pytest.mark.parametrize("kind", each_kind(["ngram", "gru"], ["ngram"]))
def test_shards_of_a_trained_model_draw_as_one_process(kind: str) -> None:
    small = {"order": 3} if kind == "ngram" else {"n_hidden": 16, "n_embd": 8, "max_steps": 60}
    names = [name.lower() for name in builtin_names()[::9]]
    maker = MakeMore(kind, random_state=1, threads=1, **small).fit(names)  # type: ignore[arg-type]

    def cells(texts: list[str]) -> Counter[tuple[str, int]]:
        return Counter((text[0], len(text)) for text in texts)

    conditions: dict[str, Any] = {"style": "plain", "contains": "a", "exclude": "q"}
    shards = [maker.sample(900, 7, shard=f"{i}/3", **conditions) for i in (1, 2, 3)]
    texts = [text for shard in shards for text in shard]
    assert len(texts) == len(set(texts)) == 900 and not set(texts) & set(names)
    assert two_samples(cells(texts), cells(maker.sample(900, 8, **conditions))) >= 1e-3
    cold = maker.sample(900, 8, temperature=0.6, **conditions)
    assert two_samples(cells(texts), cells(cold)) < 1e-3


# -- labels, symbols of several characters --------------------------------------------------------


def test_a_text_of_two_labels_is_drawn_by_one_shard(labelled: MakeMore) -> None:
    conditions: dict[str, Any] = {"max_length": 6, "style": "plain"}
    parts = [labelled.sample(60, 5, shard=f"{i}/3", **conditions) for i in (1, 2, 3)]
    texts = [text for part in parts for text in part]
    assert len(texts) == len(set(texts)) == 60
    every = [
        [line for line in labelled.samples(3000, 5, shard=f"{i}/3", all=True, **conditions)]
        for i in (1, 2, 3)
    ]
    owners = [{line.text for line in part} for part in every]
    assert not owners[0] & owners[1] and not owners[1] & owners[2] and not owners[0] & owners[2]
    both = [
        text
        for text in owners[0] | owners[1] | owners[2]
        if len({line.label for part in every for line in part if line.text == text}) == 2
    ]
    assert len(both) > 10  # the test has texts of two labels
    alone = Counter((line.text, line.label) for line in labelled.samples(6000, 6, all=True,
                                                                        **conditions))  # fmt: skip
    union = Counter((line.text, line.label) for part in every for line in part)
    assert two_samples(union, alone) >= 1e-3
    one = [labelled.sample(10, 5, shard=f"{i}/2", label="x", **conditions) for i in (1, 2)]
    assert len({text for part in one for text in part}) == 10


def test_symbols_of_several_characters_are_dealt_as_they_are() -> None:
    maker = MakeMore("ngram", order=2, symbols=r"Cl|Br|.").fit(
        ["CCl", "ClC", "CBr", "CCC", "ClCCl", "BrC", "CCBr", "CC"]
    )
    parts = [maker.sample(100, 3, shard=f"{i}/4", style="plain") for i in (1, 2, 3, 4)]
    texts = [text for part in parts for text in part]
    assert len(texts) == len(set(texts)) == 100


# -- few lines ------------------------------------------------------------------------------------


def test_more_shards_than_prefixes_draw_all_the_same() -> None:
    model, vocabulary = of_words({"a": 0.5, "b": 0.25, "ab": 0.25})
    parts = drawn(samplers(model, vocabulary, 40, max_length=2), 3)
    assert sorted(together(parts)) == ["a", "ab", "b"]
    assert sorted(map(len, parts))[-3:] == [1, 1, 1]


def test_where_there_are_too_few_lines_the_shards_have_them_all() -> None:
    model, vocabulary = of_words(SHARES)
    texts, ended = list[str](), 0
    for sampler in samplers(model, vocabulary, 3, max_length=2):
        with pytest.raises(Unsatisfiable, match="and there is no other") as caught:
            for batch in sampler.rounds(50):
                texts += list(batch.texts)
        ended += caught.value.exit_code == 7
    assert ended == 3 and sorted(texts) == sorted(SHARES)


def test_a_shard_without_a_prefix_says_so_only_if_it_is_to_draw() -> None:
    model, vocabulary = of_words({"a": 0.5, "b": 0.5})
    each = samplers(model, vocabulary, 3, max_length=1)
    assert sorted(map(len, drawn(each, 2))) == [0, 1, 1]
    empty = next(one for one, lines in zip(each, drawn(each, 2), strict=True) if not lines)
    with pytest.raises(Unsatisfiable, match="there is no other"):
        next(iter(empty))  # without an end


def test_too_few_draws_to_divide_are_refused(
    maker: MakeMore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_plan, "MOST_PILOT_DRAWS", 2**13)
    (first, _) = of_maker(maker, 2, pattern=".*(dcbd){6}.*", max_length=80)
    with pytest.raises(Unsatisfiable, match="too few to divide 5 lines among 2 shards") as caught:
        list(first.rounds(5))
    assert caught.value.where == "--shard" and caught.value.exit_code == 7


@pytest.mark.parametrize("guided", [False, True])
def test_the_last_lines_of_a_shard_are_found_without_replacement_or_guided(
    monkeypatch: pytest.MonkeyPatch, guided: bool
) -> None:
    monkeypatch.setattr(policy, "PILOT", 1 if guided else 10**9)
    maker = MakeMore("ngram").fit(["karen", "sonja", "mira", "nora", "ben", "zoe", "xaver", "yves"])
    if guided:  # a tree that ends after x and one symbol, so that draws fail behind it
        monkeypatch.setattr("makemore.sampling.prefix_shares.FEWEST_ENDS", 1)
        monkeypatch.setattr("makemore.sampling.prefix_shares.ENDS_EACH", 1)
    each = of_maker(maker, 2, pattern="x[yz]{3}", max_length=4)
    parts = drawn(each, 8)
    assert sorted(together(parts)) == sorted(
        f"x{a}{b}{c}" for a in "yz" for b in "yz" for c in "yz"
    )
    assert all(sampler.exact != guided for sampler in each)


# -- how prefixes are dealt -----------------------------------------------------------------------


class Shaken(Table):
    """A table whose answers differ in the last bits, as another CPU's may."""

    def step(self, ids: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        logits, after = super().step(ids, state)
        return logits * (
            1 + 1e-7 * np.random.default_rng(len(ids)).normal(size=logits.shape)
        ), after


def test_which_prefixes_a_shard_has_does_not_depend_on_the_model() -> None:
    rows = np.random.default_rng(5).dirichlet(np.full(4, 2.0), size=(4, 4))
    rows[:, :, 0] += 0.1
    rows /= rows.sum(axis=2, keepdims=True)
    trees, sizes = [], []
    for model in (Table(rows), Shaken(rows), Table(rows[:, :, [0, 2, 3, 1]])):
        sampler = samplers(model, ABC, 4, train=Corpus.exactly(["abc", "cab", "bb"]))[0]
        plan = ShardPlan(sampler.decoder, known(), sampler.train, None, 4)
        trees.append(plan.tree)
        sizes.append(plan.sizes(1000, 3))
    for tree in trees[1:]:
        assert (tree.child == trees[0].child).all() and (tree.owner == trees[0].owner).all()
    assert np.abs(np.subtract(sizes[0], sizes[1])).max() <= 1  # and the sizes hardly
    assert sizes[2] != sizes[0]


def every_line(symbols: int, longest: int) -> Iterator[tuple[int, ...]]:
    level: list[tuple[int, ...]] = [()]
    for _ in range(longest + 1):
        yield from level
        level = [(*ids, symbol) for ids in level for symbol in range(1, symbols + 1)]


@given(
    n=some.integers(1, 9), texts=some.lists(some.text("abc", min_size=1, max_size=6), max_size=30),
    options=some.sampled_from([{}, {"prefix": "ab"}, {"pattern": "a.*|b{1,3}c?"}, {"suffix": "c"},
                               {"max_length": 1}, {"contains": "bb", "min_length": 3}]),
)  # fmt: skip
def test_each_line_has_one_owner_and_the_strata_hold_all_of_the_probability(
    n: int, texts: list[str], options: dict[str, Any]
) -> None:
    chosen = make(SamplingConfig, {"max_length": 5, **options})
    automaton = compile_constraints(ABC, chosen, 12)
    prefix = ABC.encode_line(chosen.prefix).tolist()
    tree = share_prefixes(automaton, prefix, ABC.encode(Corpus.exactly(texts)), n, 1)
    allowed = []
    for ids in every_line(3, automaton.max_length):
        state = 0
        for symbol in ids:
            state = automaton.next[state, symbol] if state != -1 else -1
        if state != -1 and automaton.may_end(len(ids), np.array([state]))[0]:
            allowed.append(ids)
    offsets = np.cumsum([0, *map(len, allowed)])
    owners = tree.owner_of(np.concatenate([np.zeros(0), *allowed]).astype(np.int64), offsets)
    assert ((owners >= 0) & (owners < n)).all()
    # The masses of the ends sum to that of the lines that begin as the tree says.
    rows = np.random.default_rng(1).dirichlet(np.full(4, 2.0), size=(4, 4))
    sampler = samplers(Table(rows), ABC, max(n, 2), **{"max_length": 5, **options})[0]
    chances = sampler.decoder.probabilities_in(tree)
    shares = [chances.stratum(tree.owner == shard).share[0] for shard in range(n)]
    ends = tree.owner != NONE
    assert math.fsum(shares) == pytest.approx(chances.mass[ends].sum(), rel=1e-12)
    assert math.fsum(shares) <= 1 + 1e-12


def test_a_tree_is_as_large_as_there_is_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ABC.encode(Corpus.exactly(["abc", "cab", "bb", "abcabc"]))
    automaton = compile_constraints(ABC, make(SamplingConfig, {"max_length": 12}), 12)
    large = share_prefixes(automaton, [], lines, 4, 1)
    monkeypatch.setattr("makemore.sampling.prefix_shares.MAX_TREE_CELLS", 40 * 4 * 2)
    small = share_prefixes(automaton, [], lines, 4, 2)
    assert len(small.child) <= 40 < len(large.child)
    loads = [(small.owner == shard).sum() for shard in range(4)]
    assert min(loads) > 0


def test_a_table_of_states_draws_what_the_steps_of_the_model_draw(maker: MakeMore) -> None:
    for options in ({}, {"prefix": "a"}, {"suffix": "b", "top_k": 3}):
        options = {"all": True, **options}
        tabled, stepped = (of_maker(maker, 3, **options)[1] for _ in range(2))
        stepped.quick.make_table = lambda: None  # type: ignore[method-assign]
        lines = drawn([tabled], 4000)[0]
        assert tabled.tabled and not stepped.tabled
        assert drawn([stepped], 4000)[0] == lines
