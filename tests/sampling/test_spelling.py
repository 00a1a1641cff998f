"""spelling.py: accents of constraints are spelt as the text has them, if that makes them known."""

from __future__ import annotations

import pytest

from makemore import MakeMore
from makemore.errors import UsageError
from makemore.sampling.constraints.spelling import as_in_text, spelled
from makemore.text import Corpus, Vocabulary

ONE, TWO = "zo\u00eb", "zoe\u0308"  # in one character, and in two
COMPOSED = Vocabulary.of([Corpus.exactly([ONE, "x", "\uac00"])])
APART = Vocabulary.of([Corpus.exactly([TWO, "x"])])


def test_accents_are_spelt_as_the_text_has_them() -> None:
    assert spelled(COMPOSED, TWO) == spelled(COMPOSED, ONE) == ONE
    assert spelled(APART, ONE) == spelled(APART, TWO) == TWO
    assert spelled(COMPOSED, "\u1100\u1161") == "\uac00"
    both = Vocabulary.of([Corpus.exactly([ONE, TWO])])
    assert [spelled(both, text) for text in (ONE, TWO)] == [ONE, TWO]  # what is known stays


@pytest.mark.parametrize("text", ["\u00e9", "e\u0301", "Zoe", "\u674e", ""])
def test_what_would_not_be_known_stays_as_it_is(text: str) -> None:
    assert spelled(COMPOSED, text) == text


def test_graphemes_are_spelt_like_characters() -> None:
    cut = Vocabulary.of([Corpus.exactly([ONE, "x"])], "grapheme")
    assert spelled(cut, TWO) == ONE and spelled(cut, "zo") == "zo"


def test_a_set_of_characters_is_never_taken_apart() -> None:
    typed = {
        "prefix": TWO,
        "exclude": "e\u0308",
        "pattern": f"{TWO}+.*",
        "min_length": 2,
    }
    assert as_in_text(COMPOSED, typed) == {
        "prefix": ONE, "exclude": "\u00eb", "pattern": f"{ONE}+.*", "min_length": 2
    }  # fmt: skip
    sets = {"exclude": "\u00eb", "pattern": "[\u00eb]"}  # e alone would be excluded, too
    assert as_in_text(APART, sets) == sets


@pytest.fixture(scope="module")
def maker() -> MakeMore:
    return MakeMore("ngram", order=2).fit(
        [ONE, "no\u00ebl", "jo\u00ebl", "chlo\u00eb", "ga\u00ebl"]
    )


@pytest.mark.parametrize("name", ["prefix", "suffix", "contains", "pattern"])
def test_lines_are_the_same_however_an_accent_is_typed(name: str, maker: MakeMore) -> None:
    one, two = "o\u00ebl", "oe\u0308l"
    more = ".*" if name == "pattern" else ""
    texts = {name: more + one + more}, {name: more + two + more}
    if name == "prefix":
        texts = {name: "no\u00eb"}, {name: "noe\u0308"}
    drawn = [maker.sample(3, 1, **each) for each in texts]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 3
    best = [maker.top(3, **each) for each in texts]
    assert best[0] == best[1]


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("Zo", "the model does not know 'Z' (--prefix): type --prefix zo"),
        ("N\u00f3", "the model does not know 'N' '\u00f3' (--prefix): type --prefix no"),
        ("zo\u0300", "the model does not know '\u25cc\u0300' (--prefix): type --prefix zo"),
        ("?", "the model does not know '?' (--prefix): use symbols of the text"),
    ],
)
def test_an_unknown_prefix_says_what_to_type(prefix: str, message: str, maker: MakeMore) -> None:
    with pytest.raises(UsageError) as caught:
        maker.sample(1, prefix=prefix)
    assert str(caught.value) == message
