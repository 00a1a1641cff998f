"""The automaton of conditions against brute force: every string up to a length, one by one."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any

import numpy as np
import pytest
from exact import accepted, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.errors import Unsatisfiable, UsageError
from makemore.options import make
from makemore.sampling.config import Constraints, SamplingConfig
from makemore.sampling.constraints import automaton as module
from makemore.sampling.constraints.automaton import compile_constraints
from makemore.sampling.constraints.regex import DEAD
from makemore.text.vocabulary import Vocabulary

LONGEST = 5
LETTERS = Vocabulary("abc")
STRINGS = ["".join(s) for n in range(LONGEST + 1) for s in itertools.product("abc", repeat=n)]

# Patterns by interegular, and what they mean by Python's own.
PATTERNS = [
    "", "a*", "(ab)+", "[bc].*a", "a{2,3}", "(a|bc)*", ".b?.c", "^a.*", "(a+)+$", "b|cc|(?=a)..",
    "[^a]*",
]  # fmt: skip


def satisfied(text: str, options: dict[str, Any]) -> bool:
    """What the conditions mean, in the plainest form."""
    return (
        text.startswith(options.get("prefix", ""))
        and text.endswith(options.get("suffix", ""))
        and options.get("contains", "") in text
        and not set(options.get("exclude", "")) & set(text)
        and (not options.get("pattern") or re.fullmatch(options["pattern"], text) is not None)
        and options.get("min_length", 0) <= len(text) <= options.get("max_length", LONGEST)
        and text != ""
        and text == text.strip()
    )


texts = st.text("abc", max_size=3)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "prefix": texts,
        "suffix": texts,
        "contains": texts,
        "exclude": st.text("abcx", max_size=2),
        "pattern": st.sampled_from(PATTERNS),
        "min_length": st.integers(0, LONGEST),
        "max_length": st.integers(1, LONGEST),
    },
)


def accepts_what_is_meant(options: dict[str, Any]) -> None:
    options = {"max_length": LONGEST, **options}
    expected = {text for text in STRINGS if satisfied(text, options)}
    try:
        automaton = compile_constraints(LETTERS, make(Constraints, options), 2 * LONGEST)
    except Unsatisfiable:
        assert not expected
        return
    prefixes, lines = walked(automaton, LONGEST)
    assert {LETTERS.decode(ids) for ids in lines} == expected and expected
    begins = {text[:n] for text in expected for n in range(len(text) + 1)}
    assert {LETTERS.decode(ids) for ids in prefixes} == begins


@settings(max_examples=40)
@given(CONDITIONS)
def test_what_an_automaton_accepts_is_what_the_conditions_mean(options: dict[str, Any]) -> None:
    """And whatever is allowed can be completed."""
    accepts_what_is_meant(options)


@pytest.mark.slow
@settings(max_examples=300)
@given(CONDITIONS)
def test_many_automata_accept_what_the_conditions_mean(options: dict[str, Any]) -> None:
    accepts_what_is_meant(options)


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "C"}, {"suffix": "l"}, {"contains": "lC"}, {"exclude": "lr"},
        {"pattern": r"(C|Br|\[nH\])+"}, {"contains": "rC", "suffix": "H]"},
    ],
)  # fmt: skip
def test_symbols_of_several_characters_are_walked_through(options: dict[str, Any]) -> None:
    smiles = Vocabulary(["(", ")", "Br", "C", "Cl", "N", "[nH]", "l"], rule=r"\[nH\]|Br|Cl|[CNl()]")
    automaton = compile_constraints(smiles, make(Constraints, {**options, "max_length": 3}), 6)
    strings = (ids for n in range(1, 4) for ids in itertools.product(range(1, 9), repeat=n))
    longest = {**options, "max_length": 99}  # characters
    expected = {ids for ids in strings if satisfied(smiles.decode(ids), longest)}
    assert walked(automaton, 3)[1] == expected


def test_lengths_count_symbols_of_any_script() -> None:
    words = Vocabulary(sorted("жюן😀\u0301"))
    automaton = compile_constraints(words, make(Constraints, {"pattern": "[ж😀].*"}), 4)
    some = {"ж", "😀ן", "юж", "ж\u0301", "ןж"}
    assert accepted(automaton, words, 2) & some == {"ж", "😀ן", "ж\u0301"}
    four = compile_constraints(words, make(Constraints, {"min_length": 2, "max_length": 2}), 9)
    some = {"ж", "жю", "😀\u0301", "жюן"}
    assert accepted(four, words, 3) & some == {"жю", "😀\u0301"}


def test_a_line_is_one_that_reading_would_give_back() -> None:
    spaced = Vocabulary([" ", "a", "\u00a0"])
    automaton = compile_constraints(spaced, Constraints(), 4)
    strings = ["".join(s) for n in range(5) for s in itertools.product(" a\u00a0", repeat=n)]
    assert accepted(automaton, spaced, 4) == {s for s in strings if s and s == s.strip()}
    raw = compile_constraints(spaced, Constraints(), 4, clean=False)
    assert accepted(raw, spaced, 4) == set(strings)


def test_the_end_moves_where_the_shortest_line_needs_it() -> None:
    assert compile_constraints(LETTERS, Constraints(), 6).max_length == 6
    assert compile_constraints(LETTERS, Constraints(pattern="a{20}"), 6).max_length == 40
    assert compile_constraints(LETTERS, Constraints(min_length=9), 6).max_length == 18
    given = compile_constraints(LETTERS, Constraints(max_length=4), 6)
    assert (given.max_length, given.cuts) == (4, False)
    assert compile_constraints(LETTERS, Constraints(max_length=99), 6).cuts


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(x+x+)+y|a", "(a|b|ab)*c", ".*.*.*.*.*.*.*.*.*.*a", "((a*)*)*b"],
)
def test_what_hangs_other_matchers_is_quick_here(pattern: str) -> None:
    began = time.monotonic()
    automaton = compile_constraints(LETTERS, Constraints(pattern=pattern), 8)
    assert time.monotonic() - began < 5
    meant = {s for s in STRINGS if s and re.fullmatch(pattern.removesuffix("$"), s)}
    assert accepted(automaton, LETTERS, LONGEST) == meant


def test_conditions_that_multiply_beyond_all_bounds_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pattern = "(a|b|c)*a(a|b|c){5}"
    made = compile_constraints(LETTERS, Constraints(pattern=pattern, contains="abc"), 9)
    monkeypatch.setattr(module, "MAX_STATES", len(made.accepts) - 1)
    module._compiled.clear()
    with pytest.raises(UsageError, match="too complex"):
        compile_constraints(LETTERS, Constraints(pattern=pattern, contains="abc"), 9)


@pytest.mark.parametrize(
    ("bound", "options", "message"),
    [
        ("MAX_COMPLETION_CELLS", {"min_length": 900},
         r"lines of up to 1800 .* \(--min-length 900\)"),
        ("MAX_COMPLETION_CELLS", {"suffix": "ab" * 200},
         "lines of up to 800 symbols need too much memory"),
        ("MAX_TRANSITIONS", {"suffix": "ab" * 200}, "the conditions together are too complex"),
    ],
)  # fmt: skip
def test_tables_that_memory_does_not_hold_are_not_made(
    bound: str, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_constraints(LETTERS, make(Constraints, options), 8)
    monkeypatch.setattr(module, bound, 1000)
    module._compiled.clear()
    with pytest.raises(UsageError, match=message):
        compile_constraints(LETTERS, make(Constraints, options), 8)


def test_constraints_are_compiled_once_and_anew_where_they_differ() -> None:
    first = compile_constraints(LETTERS, Constraints(suffix="ab"), 8)
    assert compile_constraints(LETTERS, SamplingConfig(suffix="ab", temperature=2.0), 8) is first
    others = ("b", 8, True), ("ab", 9, True), ("ab", 8, False)
    for suffix, cap, clean in others:
        other = compile_constraints(LETTERS, Constraints(suffix=suffix), cap, clean)
        assert other is not first
    again = compile_constraints(LETTERS, Constraints(suffix="ab"), 8)
    assert again is not first and (again.next == first.next).all()


def test_states_that_lead_nowhere_are_closed() -> None:
    automaton = compile_constraints(LETTERS, Constraints(pattern="ab|abc{9}", max_length=5), 20)
    state = np.zeros(1, dtype=np.int64)
    for symbol in (1, 2):
        state = automaton.next[state, symbol].astype(np.int64)
    # abc goes on to nine c, which no line of five symbols has.
    assert automaton.next[state[0], 3] != DEAD
    assert automaton.allowed(2, state)[0].tolist() == [True, False, False, False]
