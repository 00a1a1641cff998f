"""avoided.py: lines to avoid in the forms in which they come, and why none of them matches."""

from __future__ import annotations

import pytest

from makemore import MakeMore
from makemore.api.avoided import alike_but_for_case, to_avoid, why_none_matches
from makemore.sampling.results import ORIGINS, KnownLines
from makemore.text import Corpus, Split, Vocabulary

NOTHING = Corpus.exactly([])


def avoided(lines: list[str], labels: tuple[str, ...] = ()) -> list[str]:
    found = to_avoid(lines, Vocabulary("ab", labels))
    assert found is not None and found.labels is None
    return list(found)


def test_lines_with_labels_are_avoided_with_and_without_them() -> None:
    assert avoided([" a ", "b"]) == ["a", "b"]
    assert avoided(["a\tgirl", "b"], ("girl",)) == ["a\tgirl", "b", "a"]
    assert avoided(["a \tgirl"]) == ["a \tgirl"]  # the tab is a symbol where there are no labels
    assert avoided(["a\tb\tgirl"], ("girl",)) == ["a\tb\tgirl", "a\tb"]
    assert to_avoid(None, Vocabulary("ab")) is None and avoided([]) == []


def test_both_spellings_of_an_accent_are_avoided() -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    assert set(avoided([composed])) == set(avoided([apart])) == {composed, apart}
    assert set(avoided([f"{apart}\tx"], ("x",))) >= {composed, apart}


# -- case -----------------------------------------------------------------------------------------


def said(avoid: list[str], text: list[str]) -> str | None:
    split = Split(Corpus.exactly(text), NOTHING, NOTHING)
    return why_none_matches(Corpus.exactly(avoid), Vocabulary.of([split.train]), split)


def test_it_is_told_where_case_is_why_nothing_matches() -> None:
    text = ["emma", "anna"]
    assert said(["Emma", "Mena"], text) == (
        "none of its 2 lines can be drawn as it is written, "
        "2 would in another case or with other accents"
    )
    assert said(["EMMA"], text) == (
        "its line is none that can be drawn as it is written, "
        "1 would in another case or with other accents"
    )
    titled = ["Emma", "Anna", "nene"]
    assert said(["emma", "nea"], titled) == (
        "none of its 2 lines stands in the text as it is written, "
        "1 would in another case or with other accents"
    )


@pytest.mark.parametrize(
    ("avoid", "text"),
    [
        ([], ["emma"]),  # nothing to avoid
        (["emma", "ANNA"], ["emma", "anna"]),  # some match
        (["mena", "ZOE"], ["emma", "anna"]),  # it may match a line that is drawn
        (["XYZ"], ["emma"]),  # no case makes it match
        (["\u674e"], ["emma"]),
    ],
)
def test_else_nothing_is_told(avoid: list[str], text: list[str]) -> None:
    assert said(avoid, text) is None


def test_lines_that_differ_by_case_are_counted() -> None:
    avoid = Corpus.exactly(["Emma", "CAF\u00c9"])
    assert alike_but_for_case(["emma", "cafe", "bob", "Emma"], avoid) == 3
    assert alike_but_for_case([], avoid) == 0


def test_lines_avoided_in_any_case_have_that_origin() -> None:
    split = Split(Corpus.exactly(["anna"]), NOTHING, NOTHING)
    known = KnownLines(
        split, Corpus.exactly(["bob"]), None, None, Corpus.exactly(["Z\u00d6E", "ANNA"])
    )
    lines = Corpus.exactly(["anna", "Anna", "bob", "Bob", "zoe", "zo\u00eb", "eve", ""])
    assert [ORIGINS[i] for i in known.origins_of(lines)] == [
        "train", "avoid", "avoid", "new", "avoid", "avoid", "new", "new"
    ]  # fmt: skip


LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]


@pytest.fixture(scope="module")
def labelled() -> MakeMore:
    return MakeMore("ngram", order=3).fit(LINES, ["ab"[len(line) % 2] for line in LINES])


@pytest.mark.parametrize("rank", [False, True])
def test_samples_are_none_of_them(rank: bool, labelled: MakeMore) -> None:
    drawn = labelled.sample(30, 1, rank=rank)
    as_text = [f"{line}\ta" for line in drawn]
    assert not set(labelled.sample(30, 1, avoid=as_text, rank=rank)) & set(drawn)
    shouted = [line.upper() for line in drawn]
    assert labelled.sample(30, 1, avoid=shouted, rank=rank) == drawn
    rest = labelled.sample(30, 1, avoid_like=shouted, rank=rank)
    assert not set(rest) & set(drawn)
    assert set(labelled.sample(30, 1, avoid=drawn, rank=rank)) == set(rest)


def test_the_likeliest_lines_are_none_of_them(labelled: MakeMore) -> None:
    best = [line.text for line in labelled.top(6)]
    assert [line.text for line in labelled.top(3, avoid=[f"{x}\tb" for x in best[:3]])] == best[3:]
    assert [
        line.text for line in labelled.top(3, avoid_like=[x.title() for x in best[:3]])
    ] == best[3:]
