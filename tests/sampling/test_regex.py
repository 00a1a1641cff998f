"""regex.py against Python's own re, on every string of up to three of some characters."""

from __future__ import annotations

import itertools
import re
import time

import pytest

from makemore.errors import UsageError
from makemore.sampling.constraints.regex import DEAD, CharDFA, compile_pattern

# Letters, digits and marks of several scripts, what only Unicode calls a space, and brackets.
CHARACTERS = "abж٣5_ \u00a0]本"
STRINGS = ["".join(s) for n in range(4) for s in itertools.product(CHARACTERS, repeat=n)]


def accepted(machine: CharDFA) -> set[str]:
    after = {character: machine.after(character).tolist() for character in CHARACTERS}
    states = {"": 0}
    for text in STRINGS[1:]:  # shortest first
        before = states[text[:-1]]
        states[text] = before if before == DEAD else after[text[-1]][before]
    return {text for text, state in states.items() if state != DEAD and machine.accepts[state]}


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+", r"\W+", r"\d|\D\S", r"\S\s\S", r"[^\W\d]+", r"[\d_]*", ".*",  # of every script
        "a(?!b).*", "(?=a)a", "a(?=b)", "(?!.*b).+", "(a(?=b)b)+", "(?=..)a.*", "a(?!b)",
        "^a|b$|^ж.*ж$", "^(a|b)$", "a|", "^$", "()", "|", "(?i:A)Ж?",
        "[]a]+", "[^]a]+", r"[\]a]", r"\]\]?", "[b-]",
        "a{,2}", "a{2}b?", "(a*b){0,2}", "a*?b", "(?P<x>a)b", "(?:ab|a)*",
    ],
)  # fmt: skip
def test_a_pattern_means_what_it_means_to_python(pattern: str) -> None:
    expected = {text for text in STRINGS if re.fullmatch(pattern, text)}
    assert accepted(compile_pattern(pattern, CHARACTERS)) == expected


def test_characters_that_lines_do_not_hold_make_no_difference() -> None:
    few, more = compile_pattern("[a-ж]+x*", ""), compile_pattern("[a-ж]+x*", CHARACTERS)
    assert accepted(few) == accepted(more) and "жb" in accepted(few)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", r"is no regular expression: missing \), .* at position 0 .*: mend it"),
        ("a[b", "unterminated character set at position 1"),
        ("*a", "nothing to repeat at position 0"),
        ("a**", "multiple repeat"),
        ("[z-a]", "bad character range z-a at position 1"),
        (r"(a)\1", r"cannot be used: Group references .*: leave out \\b, references to groups"),
        (r"\bann\b", r"cannot be used: Escape \\b"),
        ("a(^b|c)", "cannot be used"),
        ("(?<=a)b", "cannot be used: lookbacks"),
        ("a++b", "cannot be used: it is possessive"),
        ("(?:(?=.*b)a)+c*", "cannot be used: a lookahead without end in a group"),
        ("(?:a(?=b))+b", "cannot be used"),
        ("(?x) a", "cannot be used"),
    ],
)
def test_what_no_automaton_can_be_made_of_is_refused_in_words(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        compile_pattern(pattern, CHARACTERS)
    assert "\n" not in str(caught.value) and "--pattern" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["(a|b)*a(a|b){40}", "((a{0,100}){0,100}){0,100}"])
def test_a_pattern_that_needs_too_much_is_given_up_in_time(pattern: str) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="needs too much time or memory"):
        compile_pattern(pattern, "ab")
    assert time.monotonic() - began < 20  # 5 on a quiet machine
