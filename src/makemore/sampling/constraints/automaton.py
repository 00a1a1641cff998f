"""Constraints on a line as one automaton over the symbols of a vocabulary.

Prefix, suffix, contains, exclude, pattern and lengths each are a small automaton over the
characters of a symbol; their product is walked once, from its start, so only states that some line
reaches are kept. A table of what can still be completed, by place and state, prunes the rest: who
draws by it never runs into a dead end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from makemore.errors import Unsatisfiable, UsageError
from makemore.escaping import visible
from makemore.options import options_of
from makemore.sampling.config import Constraints
from makemore.sampling.constraints.regex import DEAD, CharDFA, Table, compile_pattern
from makemore.text import Vocabulary
from makemore.text.vocabulary import BOUNDARY

MAX_STATES = 50_000  # of the product: some MB and about a second
MAX_TRANSITIONS = 2**26  # states times symbols: 256 MB
MAX_COMPLETION_CELLS = 2**25  # states times places: what can be completed, 32 MB and some seconds


@dataclass(frozen=True)
class Automaton:
    """What may come next, by the state that the symbols so far have led to.

    next: (S, V) the state after a symbol, DEAD (-1) where no line goes on so; column 0 is unused
    accepts: (S,) whether a line may end here, its length aside
    min_length, max_length: symbols that a line may have
    can_complete: (max_length + 1, S) whether, after so many symbols, an allowed line can still be
        completed
    cuts: max_length is where a draw is given up, and no condition
    """

    next: Table
    accepts: NDArray[np.bool_]
    min_length: int
    max_length: int
    can_complete: NDArray[np.bool_]
    cuts: bool

    def allowed(self, place: int, states: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) states after `place` symbols -> (n, V) what may come; column 0 is the end."""
        after = self.next[states]  # (n, V)
        if place == self.max_length:
            may = np.zeros(after.shape, dtype=bool)
        else:
            may = (after != DEAD) & self.can_complete[place + 1][after]
        may[:, BOUNDARY] = self.may_end(place, states)
        return may

    def may_end(self, place: int, states: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) whether a line may end in these states after `place` symbols."""
        return self.accepts[states] & (self.min_length <= place <= self.max_length)


def compile_constraints(
    vocabulary: Vocabulary, conditions: Constraints, cap: int, clean: bool = True
) -> Automaton:
    """Compile all constraints into one automaton; the last one of a vocabulary is kept.

    So a command that checks them before it loads a model does not compile them again to draw.
    cap: symbols at which a draw is given up; more where the shortest line needs more than half.

    clean: only lines that reading a file would give back as they are: not empty, no white space at
    their ends. Raises Unsatisfiable where no line satisfies them, UsageError for a bad pattern.
    """
    key = (*(getattr(conditions, name) for name in options_of(Constraints)), cap, clean)
    kept = _compiled.get(vocabulary)
    if kept is None or kept[0] != key:
        kept = key, _compile(vocabulary, conditions, cap, clean)
        _compiled[vocabulary] = kept
    return kept[1]


_compiled: WeakKeyDictionary[Vocabulary, tuple[tuple[Any, ...], Automaton]] = WeakKeyDictionary()


def _compile(vocabulary: Vocabulary, conditions: Constraints, cap: int, clean: bool) -> Automaton:
    machines = [_over_symbols(machine, vocabulary) for machine in _machines(conditions, vocabulary)]
    if clean:
        machines.append(_clean(vocabulary))
    after, accepts = _product(machines, len(vocabulary))
    least = max(conditions.min_length or 0, _shortest(after, accepts))
    cap = max(cap, 2 * least, 2)
    most = cap if conditions.max_length is None else min(cap, conditions.max_length)
    if most * len(accepts) > MAX_COMPLETION_CELLS:
        raise UsageError(
            f"lines of up to {most} symbols need too much memory under these conditions",
            _typed(conditions, vocabulary), "give a smaller --max-length, or loosen them",
        )  # fmt: skip
    opened = _openings(after, accepts, least, most)
    if not opened[0, 0]:
        raise Unsatisfiable(
            "no line satisfies all conditions", _typed(conditions, vocabulary),
            "loosen one of them",
        )  # fmt: skip
    cuts = conditions.max_length is None or conditions.max_length >= cap
    return Automaton(after, accepts, least, most, opened, cuts)


def _typed(conditions: Constraints, vocabulary: Vocabulary) -> str:
    """The conditions as they were typed, and symbols of theirs that the text lacks."""
    texts = {"--prefix": conditions.prefix, "--suffix": conditions.suffix}
    texts |= {"--contains": conditions.contains, "--exclude": conditions.exclude}
    texts |= {"--pattern": conditions.pattern}
    told = [f"{flag} {visible(text, 40)}" for flag, text in texts.items() if text]
    lengths = {"--min-length": conditions.min_length, "--max-length": conditions.max_length}
    told += [f"{flag} {number}" for flag, number in lengths.items() if number is not None]
    lacking = vocabulary.unknown_in(conditions.prefix + conditions.suffix + conditions.contains)
    if lacking:
        told.append("no line of the text holds " + " ".join(map(repr, lacking)))
    return ", ".join(told)


# -- the automata of single conditions, over characters -------------------------------------------


def _machines(conditions: Constraints, vocabulary: Vocabulary) -> list[CharDFA]:
    made = []
    if conditions.prefix:
        made.append(_search(conditions.prefix, "prefix"))
    if conditions.suffix:
        made.append(_search(conditions.suffix, "suffix"))
    if conditions.contains:
        made.append(_search(conditions.contains, "contains"))
    if conditions.exclude:
        classes = dict.fromkeys(conditions.exclude, 0)
        made.append(CharDFA(np.array([[DEAD, 0]], np.int32), np.array([True]), classes))
    if conditions.pattern:
        made.append(compile_pattern(conditions.pattern, "".join(vocabulary.symbols)))
    return made


def _search(text: str, where: str) -> CharDFA:
    """Knuth, Morris and Pratt 1977: state i has matched the first i characters of the text."""
    classes = {character: number for number, character in enumerate(dict.fromkeys(text))}
    table = np.zeros((len(text) + 1, len(classes) + 1), dtype=np.int32)
    restart = 0  # the state that the text from its second character on leads to
    for state, character in enumerate(text):
        table[state] = table[restart]
        table[state, classes[character]] = state + 1
        if state:
            restart = table[restart, classes[character]]
    table[len(text)] = table[restart]
    if where == "contains":
        table[len(text)] = len(text)
    if where == "prefix":  # whatever is not the next character ends it
        table = np.full_like(table, DEAD)
        for state, character in enumerate(text):
            table[state, classes[character]] = state + 1
        table[len(text)] = len(text)
    return CharDFA(table, np.arange(len(text) + 1) == len(text), classes)


# -- over symbols ---------------------------------------------------------------------------------


def _over_symbols(machine: CharDFA, vocabulary: Vocabulary) -> tuple[Table, NDArray[np.bool_]]:
    """(S, V) the state after a symbol of the vocabulary, and (S,) where a line may end."""
    table = np.full((len(machine.table), len(vocabulary)), DEAD, dtype=np.int32)
    for number, symbol in enumerate(vocabulary.symbols, 1):
        table[:, number] = machine.after(symbol)
    return table, machine.accepts


def _clean(vocabulary: Vocabulary) -> tuple[Table, NDArray[np.bool_]]:
    """Not empty, and no white space at the ends: 0 the start, 1 after a letter, 2 after a space."""
    table = np.full((3, len(vocabulary)), DEAD, dtype=np.int32)
    for number, symbol in enumerate(vocabulary.symbols, 1):
        table[:, number] = 2 if symbol[-1].isspace() else 1
        if symbol[0].isspace():
            table[0, number] = DEAD
    return table, np.array([False, True, False])


def _product(
    machines: list[tuple[Table, NDArray[np.bool_]]], V: int
) -> tuple[Table, NDArray[np.bool_]]:
    """(S, V) and (S,) of the product's states that can be reached; 0 is the start."""
    sizes = [len(accepts) for _, accepts in machines]
    rows: list[Table] = []
    found, codes = {0: 0}, np.zeros(1, dtype=np.int64)  # code in mixed radix -> number of the state
    order = [0]
    while len(codes):
        after = np.zeros((len(codes), V), dtype=np.int64)
        dead = np.zeros((len(codes), V), dtype=bool)
        rest = codes
        scale = 1
        for (table, _), size in zip(machines, sizes, strict=True):
            rest, own = np.divmod(rest, size)
            step = table[own]
            dead |= step == DEAD
            after += scale * np.maximum(step, 0).astype(np.int64)
            scale *= size
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
        row = np.full(after.shape, DEAD, dtype=np.int32)
        row[~dead] = numbers[np.searchsorted(distinct, after[~dead])]
        rows.append(row)
        codes = np.array(fresh, dtype=np.int64)
    accepts = np.ones(len(order), dtype=bool)
    rest = np.array(order, dtype=np.int64)
    for (_, accepting), size in zip(machines, sizes, strict=True):
        rest, own = np.divmod(rest, size)
        accepts &= accepting[own]
    return np.concatenate(rows), accepts


def _shortest(after: Table, accepts: NDArray[np.bool_]) -> int:
    """Symbols of the shortest line that is accepted; 0 where there is none."""
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
    """(most + 1, S) whether a line that is in a state after so many symbols can be completed."""
    opened = np.zeros((most + 1, len(accepts)), dtype=bool)
    if least > most:
        return opened
    settled = False  # more room adds nothing any more
    for place in range(most, -1, -1):
        if place < most:
            if settled and place >= least:
                opened[place] = opened[place + 1]
                continue
            opened[place] = (opened[place + 1][after] & (after != DEAD)).any(axis=1)
        if place >= least:
            opened[place] |= accepts
            settled = place < most and bool((opened[place] == opened[place + 1]).all())
    return opened
