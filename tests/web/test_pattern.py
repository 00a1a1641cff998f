"""Patterns of the page against Python's own re and against the automaton of --pattern."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from makemore.errors import UsageError
from makemore.sampling.constraints.regex import compile_pattern
from page_scripts import run_script

# Letters, digits and marks of several scripts, what only Unicode calls a space, brackets.
CHARACTERS = "abAж٣5_ \u00a0]本-"
TEXTS = ["".join(s) for n in range(4) for s in itertools.product(CHARACTERS, repeat=n)]

MATCHED = [
    r"\w+", r"\W+", r"\d|\D\S", r"\S\s\S", r"[^\W\d]+", r"[\d_]*", ".*", "a.*b", r"[\s\d]+",
    "a(?!b).*", "(?=a)a", "a(?=b)", "(?!.*b).+", "(a(?=b)b)+", "(?=..)a.*", "a(?!b)",
    "(?!aa|bb)[ab]{2}", "(?=.*a)(?=.*b).{3}", "(?=a|.b)(?!..a).+", "(a(?!a)[ab])*ж?",
    "^a|b$|^ж.*ж$", "^(a|b)$", "a|", "^$", "()", "|", "(?i:A)Ж?", "(?i)[A-Z]b|ж", "(?i)a(?-i:A)",
    "[]a]+", "[^]a]+", r"[\]a]", r"\]\]?", "[b-]", "[-b]", "[a-b]{2}", "[^a-z]", r"[\w-]+",
    "a{,2}", "a{2}b?", "(a*b){0,2}", "a*?b", "(?P<x>a)b", "(?:ab|a)*", "a{1,}", "(a?b?)*",
    "(a|b)*a(a|b)", "(a*)*b", r"\x61\-", r"\u0061|b".replace(r"\u0061", "a"), "(?s).+", r"\141b",
    "a{0}", "(|a){2}b", "[ж-本]+", "(?:a(?=b))b",
]  # fmt: skip

REFUSED = {  # -> what is said of it
    "a)": "a ) has no ( before it",
    "*a": "before * there is nothing to repeat",
    "a**": "there are two repeats in a row",
    "a{2}{3}": "there are two repeats in a row",
    "a{3,2}": "has its smaller number last",
    "[z-a]": "a range in [ ]",
    r"[\d-a]": "a range in [ ]",
    r"\q": r"\q means nothing",
    r"(a)\1": "a reference to a group",
    r"\bann\b": r"cannot have \b",
    "a(^b|c)": "cannot have ^ within",
    "a$b": "cannot have $ within",
    "(?<=a)b": "cannot have (?<=",
    "(?>a)b": "cannot have (?>a",
    "a++b": "cannot have a possessive repeat",
    "(?:(?=.*b)a)+c*": "looks beyond its end",
    "(?:a(?=b))+b": "looks beyond its end",
    "(?x) a": "the flag x",
    "a{b": "cannot have { without numbers",
    r"\p{L}": r"\p means nothing",
    "(a|b)*a(a|b){40}": "needs too much time or memory",
    "((a{0,100}){0,100}){0,100}": "needs too much time or memory",
    "(a*b*){90000}": "needs too much time or memory",
}

UNFINISHED = {
    "(": "( is not closed", "a(b|": "( is not closed", "a[b": "[ is not closed",
    "[": "[ is not closed", "[]": "[ is not closed", "[a-": "[ is not closed",
    "a\\": "\\ needs a sign", "[\\": "[ is not closed", "[^]": "[ is not closed",
    "a{": "{ is not closed",
    "a{2,": "{ is not closed", "(?": "(? is not finished", "(?P<n": "(? is not finished",
    "(?i": "(? is not finished", "(?=": "( is not closed",
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    patterns = [*MATCHED, *REFUSED, *UNFINISHED]
    case = {"characters": CHARACTERS, "texts": TEXTS, "patterns": patterns}
    results = run_script("patterns.mjs", case, tmp_path_factory.mktemp("patterns"))
    return dict(zip(patterns, results, strict=True))


@pytest.mark.parametrize("pattern", MATCHED)
def test_a_pattern_means_what_it_means_to_python(compiled: dict[str, Any], pattern: str) -> None:
    result = compiled[pattern]
    assert "matched" in result, result
    expected = [re.fullmatch(pattern, text) is not None for text in TEXTS]
    wrong = [
        t for t, m, e in zip(TEXTS, result["matched"], expected, strict=True) if (m == "1") != e
    ]
    assert wrong == []


@pytest.mark.slow
def test_its_automaton_has_as_many_states_as_that_of_the_command_line(
    compiled: dict[str, Any],
) -> None:
    # How far draws are guided depends on their number.
    differing = {}
    for pattern in MATCHED:
        try:
            theirs = compile_pattern(pattern, CHARACTERS)
        except UsageError:
            continue
        if compiled[pattern]["states"] != len(theirs.table):
            differing[pattern] = compiled[pattern]["states"], len(theirs.table)
    assert differing == {}


@pytest.mark.parametrize(("pattern", "message"), REFUSED.items())
def test_what_no_automaton_can_be_made_of_is_refused_in_words(
    compiled: dict[str, Any], pattern: str, message: str
) -> None:
    result = compiled[pattern]
    assert message in result["message"] and result["fix"]
    assert not result["unfinished"]
    assert result["ms"] < 20_000  # 1,000 on a quiet machine


@pytest.mark.slow
@pytest.mark.parametrize("pattern", REFUSED)
def test_the_command_line_refuses_it_too(pattern: str) -> None:
    with pytest.raises(UsageError):
        compile_pattern(pattern, CHARACTERS)


@pytest.mark.parametrize(("pattern", "message"), UNFINISHED.items())
def test_an_unfinished_pattern_is_told_from_a_wrong_one(
    compiled: dict[str, Any], pattern: str, message: str
) -> None:
    result = compiled[pattern]
    assert result["unfinished"]
    assert message in result["message"] and result["fix"]
