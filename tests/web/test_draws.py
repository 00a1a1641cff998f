"""Draws of the page: for a seed the lines of makemore.sampling, with filters and conditions."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.errors import Unsatisfiable
from makemore.models.ngram import NGram
from makemore.sampling import KnownLines, Sample, Sampler, SamplingConfig
from makemore.text import Corpus, Split, Vocabulary, train_val_test_split
from makemore.text.builtin_lists import builtin_names
from page_scripts import run_script

pytestmark = pytest.mark.slow  # the same numbers twice, in Python and in node

NAMES = {  # of the page -> of Python
    "minLength": "min_length", "maxLength": "max_length", "topK": "top_k", "topP": "top_p",
    "minP": "min_p",
}  # fmt: skip


@functools.cache
def names() -> tuple[Split, Vocabulary, NGram]:
    """Return the built-in names, split and counted as a run of `makemore train --model ngram`."""
    split = train_val_test_split(Corpus.from_lines(builtin_names()))
    vocabulary = Vocabulary.of(part for _, part in split)
    model = NGram(len(vocabulary), 5, NGram.Options())
    text = vocabulary.encode(split.train)
    model.fit_counts(text.ids, text.offsets)
    return split, vocabulary, model


class Untabled(NGram):
    """Draws prefix by prefix, as a network does."""

    def transition_table(self, most: int = 0) -> None:
        return None


def by_python(request: dict[str, Any]) -> list[Sample]:
    split, vocabulary, model = names()
    if not request["table"]:
        model, tensors = Untabled(len(vocabulary), 5, NGram.Options()), model.tensors()
        model.load_tensors(tensors)
    options = {
        NAMES.get(k, k): v for k, v in {**request["conditions"], **request["filters"]}.items()
    }
    sampler = Sampler(
        model, vocabulary, KnownLines(split), SamplingConfig(**options), request["seed"],
        request["roundSize"], vocabulary.longest([split.train]), split.train,
    )  # fmt: skip
    lines: list[Sample] = []
    try:
        for batch in sampler.rounds(request["n"]):
            lines.extend(batch)
    except Unsatisfiable:
        pass
    return lines


def by_page(requests: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    case = {"lines": list(builtin_names()), "options": {"order": 6}, "requests": requests}
    result: dict[str, Any] = run_script("draws.mjs", case, folder)
    return result


def request(
    n: int = 1000, seed: int = 5, table: bool = True, filters: Any = None, **conditions: Any
) -> dict[str, Any]:
    return {
        "n": n, "seed": seed, "table": table, "filters": filters or {}, "conditions": conditions,
        "roundSize": 16_384,
    }  # fmt: skip


REQUESTS = {
    "plain": request(),
    "another seed": request(seed=2**40 + 7),
    "min-p": request(filters={"minP": 0.05}),
    "temperature": request(filters={"temperature": 0.7, "topK": 9}),
    "top-p": request(filters={"topP": 0.9, "topK": 20}),
    "begins": request(prefix="Ma"),
    "ends": request(suffix="a"),
    "lengths": request(minLength=5, maxLength=6),
    "contains": request(contains="nn", exclude="xyz"),
    "pattern": request(pattern="(?!.*nn)[A-M]\\w{3,}[aeiou]"),
    "pattern and others": request(pattern=r".*(.)?e\w*", prefix="Ma", exclude="x", maxLength=8),
    "pattern by prefixes": request(n=300, pattern="[^a]*(?i:A)[^a]*", table=False),
    "pattern that hardly any has": request(n=100, pattern="(..)?zq.*|Qu[ei]l+.?.?"),
    "pattern that leads": request(n=100, pattern="J.{4,9}rdo", minLength=7, table=False),
    "all": request(all=True),
    "by prefixes": request(table=False),
    "few left": request(n=300, filters={"minP": 0.2}, prefix="Jo"),
    "hardly any": request(n=100, contains="zq"),
    "led": request(n=200, suffix="rdo", minLength=7, table=False),
    "led by a table": request(n=50, suffix="rdo", contains="nn"),
    "led and once": request(n=200, suffix="zq", filters={"minP": 0.01}, table=False),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return by_page(list(REQUESTS.values()), tmp_path_factory.mktemp("draws"))


def test_the_split_is_the_same(results: dict[str, Any]) -> None:
    split, vocabulary, _ = names()
    assert results["parts"] == [list(part) for _, part in split]
    assert results["symbols"] == list(vocabulary.symbols)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_seed_draws_the_lines_of_python(name: str, results: dict[str, Any]) -> None:
    drawn = results["drawn"][list(REQUESTS).index(name)]
    theirs = by_python(REQUESTS[name])
    assert [line["text"] for line in drawn["lines"]] == [line.text for line in theirs]
    assert [line["nll"] for line in drawn["lines"]] == pytest.approx([line.nll for line in theirs])
    assert {line["origin"] for line in drawn["lines"]} == {line.origin for line in theirs}
    assert all(line.exact == drawn["exact"] for line in theirs[-1:])
    assert (drawn["shortfall"] is None) == (len(theirs) == REQUESTS[name]["n"])


def mean_after_each(maker: Any, lines: list[str]) -> Any:
    """(V, V): the mean probabilities of the next symbol over the places where a symbol stands."""
    model, vocabulary = maker.model_, maker.vocabulary
    V = len(vocabulary)
    sums, times = np.zeros((V, V)), np.zeros((V, 1))
    for line in lines:
        state = model.initial_state(1)
        for before in (0, *(vocabulary.symbols.index(symbol) + 1 for symbol in line)):
            logits, state = model.step(np.array([before]), state)
            sums[before] += np.exp(logits[0])
            times[before] += 1
    return sums / times


@pytest.mark.parametrize("labels", [False, True])
def test_scores_labels_and_what_may_follow(labels: bool, tmp_path: Path) -> None:
    from makemore import MakeMore
    from makemore.analysis.surprisal import by_symbol

    lines = list(builtin_names())[:45]  # under 50 none is held back
    names = [("odd", "even")[len(line) % 2] for line in lines]
    maker = MakeMore("ngram", order=4).fit(lines, names if labels else None)
    shares = [maker.label_shares[name] for name in ("even", "odd")] if labels else None
    scored = [*lines[:5], "Abba", "Zzyx", "\u00df", "Aa\u00dfa"]
    mixture = "odd=3, even"
    case = {
        "lines": list(maker.split.train), "scored": scored, "prefix": "Aa", "like": lines[3],
        "labels": maker.split.train.label_of_each(), "shares": shares,
        "mixture": mixture,
    }  # fmt: skip
    ours = run_script("scores.mjs", case, tmp_path)
    for score, theirs in zip(ours["scores"], by_symbol(maker, Corpus.exactly(scored)), strict=True):
        known = [each.nats for each in theirs if each.nats < 1e9]
        assert [each["nll"] for each in score["each"]] == pytest.approx(known)
        assert (score["nll"] is None) == (len(known) < len(theirs))
    assert sum(each["p"] for each in ours["next"]) == pytest.approx(1)
    assert ours["next"] == sorted(ours["next"], key=lambda each: -each["p"])
    drawn = list(maker.samples(200, random_state=11, style="plain"))
    assert [line["text"] for line in ours["drawn"]] == [line.text for line in drawn]
    assert [line.get("label") for line in ours["drawn"]] == [line.label for line in drawn]
    assert ours["again"] == ours["drawn"]
    if labels:
        mixed = maker.samples(200, random_state=11, style="plain", label=mixture)
        assert [line["text"] for line in ours["labelled"]] == [line.text for line in mixed]
    V = len(maker.vocabulary)
    pairs = np.reshape(ours["pairs"], (V, V))
    assert pairs.sum(axis=1) == pytest.approx(np.ones(V))
    if not labels:
        assert pairs == pytest.approx(mean_after_each(maker, lines))
    near = [line["text"] for line in ours["like"]]
    assert len(near) == len(set(near)) == 20 and not set(near) & set(lines)


def test_a_list_that_leaves_hardly_anything_new_ends_soon(tmp_path: Path) -> None:
    long = ["ab" * 400 + str(i) for i in range(500)]
    distinct = ["".join(chr(0x4E00 + 20 * i + j) for j in range(20)) for i in range(500)]
    lists = [["a" * i for i in range(1, 501)], long, distinct]
    cases = [{"lines": lines, "conditions": {}, "filters": {}} for lines in lists]
    # Nothing that is as likely as this asks for is new, and no other filter is left to go on with.
    cases.append({"lines": long, "conditions": {}, "filters": {"minP": 0.05}})
    cases.append({"lines": lists[0], "conditions": {"pattern": "(aa){1,9}"}, "filters": {}})
    *wide, strict, pattern = run_script("idle.mjs", cases, tmp_path)
    for drawn, lines in zip(wide, lists, strict=True):
        assert len(set(drawn["texts"]) - set(lines)) == 60 and drawn["shortfall"] is None
    for drawn in (*wide, strict, pattern):
        print(f"{drawn['ms']:.0f} ms, {drawn['silence']:.0f} without a new line, {drawn['draws']}")
        assert drawn["done"] and drawn["silence"] < 60_000  # 6,000 on a quiet machine
    assert strict["texts"] == pattern["texts"] == []
    assert "no other came for long" in strict["shortfall"]["message"]
    assert "loosen the conditions" in pattern["shortfall"]["fix"]
