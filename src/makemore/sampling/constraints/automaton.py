"""Automaton: the constraints on a line as one deterministic automaton over a vocabulary's symbols.

Prefix, suffix, contains, exclude and pattern each are a small automaton over characters. Their
product accepts what all of them accept; it is built from the start state, so only states that some
line can be in are kept. A table says, by position and state, whether a line can still be completed:
draws that go by it never run into a dead end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from makemore.errors import Unsatisfiable, UsageError
from makemore.escaping import quoted, visible
from makemore.options import options_of
from makemore.sampling.config import Constraints
from makemore.sampling.constraints.regex import DEAD, CharDFA, Table, compile_pattern
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY

MAX_STATES = 50_000  # of the product: some MB and about a second
MAX_TRANSITIONS = 2**26  # states times symbols: 256 MB
MAX_COMPLETION_CELLS = 2**25  # states times positions of can_complete: 32 MB and some seconds
MIN_REACH = 1000  # symbols that a line may need at least, however short the lines of the text are
CAPS_IN_REACH = 5  # times the cap: lines of ten times the longest training line are drawn


@dataclass(frozen=True)
class Automaton:
    """Holds the transitions of an automaton over symbols, with S states; state 0 is the start.

    next: (S, V) the state after a symbol, DEAD (-1) where no allowed line goes on with it; column 0
        (the boundary) is unused
    accepts: (S,) whether a line may end here, its length aside
    min_length, max_length: number of symbols that a line may have
    can_complete: (max_length + 1, S) whether, after so many symbols, an allowed line can still be
        completed
    cuts: whether max_length is only the cap where draws are given up, and no constraint
    """

    next: Table
    accepts: NDArray[np.bool_]
    min_length: int
    max_length: int
    can_complete: NDArray[np.bool_]
    cuts: bool

    def allowed(self, position: int, states: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which symbols may come: states (n,) after `position` symbols -> (n, V) bool.

        Column 0 (the boundary) says whether the line may end.
        """
        after = self.next[states]  # (n, V)
        if position == self.max_length:  # only the end may come
            may = np.zeros(after.shape, dtype=bool)
        else:
            # DEAD is -1 and takes the last state's entry; the first condition refuses it.
            may = (after != DEAD) & self.can_complete[position + 1][after]
        may[:, BOUNDARY] = self.may_end(position, states)
        return may

    def may_end(self, position: int, states: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell whether a line may end in these states (n,) after `position` symbols: (n,) bool."""
        return self.accepts[states] & (self.min_length <= position <= self.max_length)


def compile_constraints(
    vocabulary: Vocabulary, conditions: Constraints, cap: int, clean: bool = True
) -> Automaton:
    """Compile all constraints into one automaton; the last one of a vocabulary is kept.

    So a command that checks them before it loads a model does not compile them again to draw.

    cap: number of symbols at which a draw is given up; raised to twice the shortest allowed line
    clean: allow only lines that stay as they are when a file of them is read: not empty, no white
        space at their ends
    Raises Unsatisfiable where no line satisfies them, or none that is short enough to be drawn;
    UsageError for a bad pattern.
    """
    # All fields of Constraints, so that a new one cannot be left out of the key.
    key = (*(getattr(conditions, name) for name in options_of(Constraints)), cap, clean)
    kept = _compiled.get(vocabulary)
    if kept is None or kept[0] != key:
        kept = key, _compile(vocabulary, conditions, cap, clean)
        _compiled[vocabulary] = kept
    return kept[1]


# Weak: when the vocabulary goes, its automaton goes.
_compiled: WeakKeyDictionary[Vocabulary, tuple[tuple[Any, ...], Automaton]] = WeakKeyDictionary()


def _compile(vocabulary: Vocabulary, conditions: Constraints, cap: int, clean: bool) -> Automaton:
    """Compile the constraints without a look at those compiled before."""
    machines = [_over_symbols(machine, vocabulary) for machine in _machines(conditions, vocabulary)]
    if clean:
        machines.append(_clean(vocabulary))
    after, accepts = _product(machines, len(vocabulary))
    least = max(conditions.min_length or 0, _shortest(after, accepts))  # symbols
    _check_in_reach(least, max(MIN_REACH, CAPS_IN_REACH * cap), conditions, vocabulary)
    cap = max(cap, 2 * least, 2)  # with room to spare: a pattern of 20 symbols has a cap of 40
    most = cap if conditions.max_length is None else min(cap, conditions.max_length)
    if most * len(accepts) > MAX_COMPLETION_CELLS:
        raise UsageError(
            f"lines of up to {most} symbols need too much memory under these conditions",
            _typed(conditions, vocabulary), "give a smaller --max-length, or loosen them",
        )  # fmt: skip
    opened = _openings(after, accepts, least, most)
    if not opened[0, 0]:  # not even the empty prefix, in state 0, can be completed
        raise Unsatisfiable(
            "no line satisfies all conditions", _typed(conditions, vocabulary),
            "loosen one of them",
        )  # fmt: skip
    cuts = conditions.max_length is None or conditions.max_length >= cap
    return Automaton(after, accepts, least, most, opened, cuts)


def _check_in_reach(
    least: int, reach: int, conditions: Constraints, vocabulary: Vocabulary
) -> None:
    """Raise Unsatisfiable where a line needs so many symbols that drawing it would never end.

    least: symbols of the shortest allowed line. Those of a prefix are read and not drawn, so they
    do not count.
    """
    if least - len(conditions.prefix) <= reach or least > (conditions.max_length or least):
        return  # with a --max-length below it there is no such line, whatever the model
    long = (conditions.min_length or 0) > reach
    raise Unsatisfiable(
        f"lines of {least} symbols and more are out of reach: those of the text are far shorter",
        _typed(conditions, vocabulary),
        f"give --min-length {reach} or less" if long else f"ask for lines of {reach} or fewer",
    )


def _typed(conditions: Constraints, vocabulary: Vocabulary) -> str:
    """Describe the constraints as they were typed, with their symbols that no line holds."""
    texts = {"--prefix": conditions.prefix, "--suffix": conditions.suffix}
    texts |= {"--contains": conditions.contains, "--exclude": conditions.exclude}
    texts |= {"--pattern": conditions.pattern}
    parts = [f"{flag} {visible(text, 40)}" for flag, text in texts.items() if text]
    lengths = {"--min-length": conditions.min_length, "--max-length": conditions.max_length}
    parts += [f"{flag} {number}" for flag, number in lengths.items() if number is not None]
    # The likeliest mistake: a capital letter, or one with an accent, that the text does not have.
    lacking = vocabulary.unknown_in(conditions.prefix + conditions.suffix + conditions.contains)
    if lacking:
        parts.append("no line of the text holds " + " ".join(map(quoted, lacking)))
    return ", ".join(parts)


# -- the automata of single constraints, over characters ------------------------------------------


def _machines(conditions: Constraints, vocabulary: Vocabulary) -> list[CharDFA]:
    """Make the automaton of each constraint that was given, lengths aside."""
    machines = []
    if conditions.prefix:
        machines.append(_search(conditions.prefix, "prefix"))
    if conditions.suffix:
        machines.append(_search(conditions.suffix, "suffix"))
    if conditions.contains:
        machines.append(_search(conditions.contains, "contains"))
    if conditions.exclude:  # one state; the excluded characters (class 0) have no way out of it
        classes = dict.fromkeys(conditions.exclude, 0)
        machines.append(CharDFA(np.array([[DEAD, 0]], np.int32), np.array([True]), classes))
    if conditions.pattern:
        machines.append(compile_pattern(conditions.pattern, "".join(vocabulary.symbols)))
    return machines


def _search(text: str, where: str) -> CharDFA:
    """Make the automaton that finds a text as a prefix, as a suffix, or contained in a line.

    In state i the last i characters are the first i of the text (Knuth, Morris and Pratt 1977).
    """
    classes = {character: number for number, character in enumerate(dict.fromkeys(text))}
    # (len + 1, K): a column for each character of the text, and the last one for all others
    table = np.zeros((len(text) + 1, len(classes) + 1), dtype=np.int32)
    restart = 0  # the state after the text without its first character: a mismatch falls back to it
    for state, character in enumerate(text):
        table[state] = table[restart]
        table[state, classes[character]] = state + 1
        if state:
            restart = table[restart, classes[character]]
    table[len(text)] = table[restart]
    if where == "contains":  # once found, it stays found
        table[len(text)] = len(text)
    if where == "prefix":  # a mismatch is final
        table = np.full_like(table, DEAD)
        for state, character in enumerate(text):
            table[state, classes[character]] = state + 1
        table[len(text)] = len(text)
    return CharDFA(table, np.arange(len(text) + 1) == len(text), classes)


# -- over symbols ---------------------------------------------------------------------------------


def _over_symbols(machine: CharDFA, vocabulary: Vocabulary) -> tuple[Table, NDArray[np.bool_]]:
    """Turn an automaton over characters into one over symbols: next (S, V), accepts (S,)."""
    table = np.full((len(machine.table), len(vocabulary)), DEAD, dtype=np.int32)
    # A symbol may have several characters; ids count from 1, since 0 is the boundary.
    for number, symbol in enumerate(vocabulary.symbols, 1):
        table[:, number] = machine.after(symbol)
    return table, machine.accepts


def _clean(vocabulary: Vocabulary) -> tuple[Table, NDArray[np.bool_]]:
    """Make the automaton of lines that are not empty and have no white space at their ends.

    State 0 is the start, 1 is after a letter, 2 is after white space.
    """
    table = np.full((3, len(vocabulary)), DEAD, dtype=np.int32)
    for number, symbol in enumerate(vocabulary.symbols, 1):
        table[:, number] = 2 if symbol[-1].isspace() else 1
        if symbol[0].isspace():  # no line starts with it
            table[0, number] = DEAD
    return table, np.array([False, True, False])


def _product(
    machines: list[tuple[Table, NDArray[np.bool_]]], V: int
) -> tuple[Table, NDArray[np.bool_]]:
    """Build the product of automata: next (S, V) and accepts (S,); state 0 is the start.

    A product state is one state of each automaton, coded as one number in mixed radix. Breadth
    first search from the start: codes that come up get the next state numbers.
    """
    sizes = [len(accepts) for _, accepts in machines]
    rows: list[Table] = []
    found, codes = {0: 0}, np.zeros(1, dtype=np.int64)  # found: code -> number of the state
    order = [0]  # the code of each state
    while len(codes):  # the states (n,) that came up last
        after, dead = _codes_after(codes, machines, sizes, V)
        dead[:, BOUNDARY] = True
        distinct = np.unique(after[~dead])
        fresh = [int(code) for code in distinct if int(code) not in found]
        count = len(found) + len(fresh)
        if count > MAX_STATES or count * V > MAX_TRANSITIONS:
            raise UsageError(
                "the conditions together are too complex", "--pattern", "loosen or shorten them"
            )
        for code in fresh:
            found[code] = len(found)
        order += fresh
        numbers = np.array([found[int(code)] for code in distinct], dtype=np.int32)
        row = np.full(after.shape, DEAD, dtype=np.int32)  # (n, V)
        row[~dead] = numbers[np.searchsorted(distinct, after[~dead])]
        rows.append(row)
        codes = np.array(fresh, dtype=np.int64)
    accepts = np.ones(len(order), dtype=bool)
    rest = np.array(order, dtype=np.int64)
    # A product state accepts where all of its parts accept.
    for (_, accepting), size in zip(machines, sizes, strict=True):
        rest, part = np.divmod(rest, size)
        accepts &= accepting[part]
    return np.concatenate(rows), accepts


def _codes_after(
    codes: NDArray[np.int64], machines: list[tuple[Table, NDArray[np.bool_]]], sizes: list[int],
    V: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:  # fmt: skip
    """Step product states: codes (n,) -> codes (n, V) after each symbol, and where none follows."""
    after = np.zeros((len(codes), V), dtype=np.int64)
    dead = np.zeros((len(codes), V), dtype=bool)
    rest = codes
    scale = 1  # what one state of this automaton counts in the code
    for (table, _), size in zip(machines, sizes, strict=True):
        rest, part = np.divmod(rest, size)  # part: (n,) this automaton's states
        step = table[part]  # (n, V)
        dead |= step == DEAD  # dead for one, dead for all
        after += scale * np.maximum(step, 0).astype(np.int64)
        scale *= size
    return after, dead


def _shortest(after: Table, accepts: NDArray[np.bool_]) -> int:
    """Count the symbols of the shortest accepted line (breadth first); 0 where there is none."""
    reached = np.zeros(len(accepts), dtype=bool)
    front, length = np.zeros(1, dtype=np.int64), 0
    while len(front):
        if accepts[front].any():
            return length
        reached[front] = True
        onward = np.unique(after[front])
        front = onward[(onward != DEAD) & ~reached[onward]].astype(np.int64)
        length += 1
    return 0


def _openings(after: Table, accepts: NDArray[np.bool_], least: int, most: int) -> NDArray[np.bool_]:
    """Compute can_complete (most + 1, S), from the greatest length down to 0."""
    opened = np.zeros((most + 1, len(accepts)), dtype=bool)
    if least > most:
        return opened
    settled = False  # two lengths in a row were equal, so all shorter ones are, down to `least`
    for position in range(most, -1, -1):
        if position < most:
            if settled and position >= least:
                opened[position] = opened[position + 1]
                continue
            # A line can be completed if it can after one symbol more, or (below) ends here.
            opened[position] = (opened[position + 1][after] & (after != DEAD)).any(axis=1)
        if position >= least:
            opened[position] |= accepts
            settled = position < most and bool((opened[position] == opened[position + 1]).all())
    return opened
