"""Surprisals of symbols add up to the nll of lines, and lines stand where counting puts them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from makemore import MakeMore
from makemore.analysis.explain import expected
from makemore.analysis.surprisal import COMPARED, Standing, by_symbol, most_surprising
from makemore.api.fitted_state import corpus_as_is
from makemore.scoring import Scores
from makemore.text import Corpus

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
SCRIPTS = {
    "Latin": LINES,
    "Cyrillic": [line.translate(str.maketrans("kmnraeiols", "кмнраеиолс")) for line in LINES],
    "Arabic": [line.translate(str.maketrans("kmnraeiols", "كمنراهيولس")) for line in LINES],
    "Han": [line.translate(str.maketrans("kmnraeiols", "山川田中木水火土日月")) for line in LINES],
}
MODELS = {
    "ngram": {"order": 3}, "mlp": {"max_steps": 2, "block_size": 2, "threads": 1},
    "gru": {"max_steps": 2, "threads": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Callable[..., MakeMore]:
    kept: dict[tuple[str, str], MakeMore] = {}

    def of(model: str = "ngram", script: str = "Latin") -> MakeMore:
        if (model, script) not in kept:
            maker = MakeMore(model, random_state=1, **MODELS[model])  # type: ignore[arg-type]
            kept[model, script] = maker.fit(SCRIPTS[script])
        return kept[model, script]

    return of


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("model", MODELS)
def test_they_add_up_and_are_what_explain_says(model: str, script: str, made) -> None:
    maker, lines = made(model, script), SCRIPTS[script][:7]
    a, b = lines[0][:2]
    lines = ["", a, *lines, b * 9, f"{a}?{b}", "?", lines[0] + "?"]
    corpus = corpus_as_is(lines)
    found, nll = by_symbol(maker, corpus), maker.scores(corpus).nll
    assert len(found) == len(lines)
    for text, symbols, total in zip(lines, found, nll, strict=True):
        whole = [*text, None]
        known = whole[: text.index("?") + 1] if "?" in text else whole
        assert [each.symbol for each in symbols] == known
        assert sum(each.nats for each in symbols) == pytest.approx(total)
        explained = [(row.symbol, row.surprisal) for row in expected(maker, text)]
        assert [each.symbol for each in symbols] == [symbol for symbol, _ in explained]
        assert [each.nats for each in symbols] == pytest.approx([n for _, n in explained], rel=1e-5)


def test_percent_of_training_lines_that_are_less_likely(made) -> None:
    maker = made()
    train = list(maker.split.train)
    each = [-maker.score_samples([line])[0] / (len(line) + 1) for line in train]
    asked = ["kala", "", "rrrr", "k" * 20, LINES[-1], "la"]
    scores = maker.scores(corpus_as_is(asked))
    found = Standing(maker)(scores)
    for text, percent in zip(asked, found, strict=True):
        mine = -maker.score_samples([text])[0] / (len(text) + 1)
        less = sum(other > mine + 1e-9 for other in each)
        assert percent == pytest.approx(100 * less / len(each))
    assert found[2] == 0 and 0 < found[0] <= 100
    assert np.isnan(Standing(maker)(maker.scores(corpus_as_is(["?"])))).all()


def test_standings_go_from_0_to_100_among_at_most_2_000_lines(made) -> None:
    standing = Standing(made())
    best, worst = standing.each[0], standing.each[-1]
    nll = np.array([best * 0.9 * 5, worst * 1.1 * 5, np.inf])
    found = standing(Scores(nll, np.array([5, 5, 5])))
    assert found[:2].tolist() == [100.0, 0.0] and math.isnan(found[2])
    maker = MakeMore("ngram", order=2).fit([f"{number:05}" for number in range(3_000)])
    assert len(maker.split.train) > COMPARED
    assert len(Standing(maker).each) == COMPARED == 2_000


def test_the_lines_that_surprise_most(made, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = made()
    odd = ["aaaa", "kala", "lkm", "k?la", "mari", "??", "rrrrrrrr"]
    lines = LINES[:20] + odd
    per_symbol = {line: -maker.score_samples([line])[0] / (len(line) + 1)
                  for line in lines if "?" not in line}  # fmt: skip
    order = sorted(per_symbol, key=lambda line: -per_symbol[line])
    for together in (2**14, 3):  # in one go and in parts
        monkeypatch.setattr("makemore.analysis.surprisal.TOGETHER", together)
        found = most_surprising(maker, Corpus.exactly(lines), 3)
        assert [line.text for line in found.lines] == order[:3]
        assert found.unknown == 2 and found.examples == (("k?la", ("?",)), ("??", ("?",)))
    for line in found.lines:
        assert line.per_symbol == pytest.approx(per_symbol[line.text])
        symbols = by_symbol(maker, corpus_as_is([line.text]))[0]
        assert line.nats == max(each.nats for each in symbols)
        assert symbols[len(line.before)] == (line.symbol, line.nats)
        assert line.text.startswith(line.before)


def test_no_lines_all_unknown_and_fewer_than_asked_for(made) -> None:
    assert by_symbol(made(), corpus_as_is([])) == []
    assert by_symbol(made(), corpus_as_is(["?"])) == [[("?", math.inf)]]
    found = most_surprising(made(), Corpus.exactly(["?", "!?"]), 1)
    assert (found.lines, found.unknown, found.examples) == ((), 2, (("?", ("?",)),))
    assert len(most_surprising(made(), Corpus.exactly(LINES[:4]), 10).lines) == 4
