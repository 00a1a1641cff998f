"""A regular expression as an automaton over characters: what `--pattern` means, exactly.

The package interegular makes the automaton. Where it differs from Python's `re`, the pattern is
corrected here or refused, so a line passes if and only if `re.fullmatch` matches it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.escaping import visible

Table = NDArray[np.int32]


DEAD = -1  # in place of a state: no line that matches goes on with this character
SECONDS = 4.0  # time to compile a pattern: some have exponentially many states
MOST_BYTES = 2**30  # memory to compile a pattern


@dataclass(frozen=True)
class CharDFA:
    """Holds a deterministic automaton over characters, with S states; state 0 is the start.

    Characters that the pattern does not tell apart are one of K classes, a column of the table.

    table: (S, K) the state after a character of each class, DEAD where none follows
    accepts: (S,) whether a line may end in this state
    classes: character -> class; characters that it lacks have the last class
    """

    table: Table
    accepts: NDArray[np.bool_]
    classes: dict[str, int]

    def after(self, symbol: str) -> Table:
        """Follow all characters of a symbol, from each state at once: (S,) the states after it."""
        states = np.arange(len(self.table), dtype=np.int32)
        for character in symbol:
            column = self.table[:, self.classes.get(character, self.table.shape[1] - 1)]
            states = np.where(states == DEAD, DEAD, column[states]).astype(np.int32)
        return states


_COMPILE = r"""
import json, re, resource, sys, warnings
warnings.simplefilter("ignore")  # of sets that may mean another thing one day
try:
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
except (OSError, ValueError):  # macOS has no such limit; the time is one there, too
    pass
sys.setrecursionlimit(5000)
typed, body, characters = json.load(sys.stdin)

def leave(code, why):
    sys.stderr.write(why)
    sys.exit(code)

try:
    re.compile(typed)
except (re.error, OverflowError, RecursionError) as error:
    leave(2, str(error))

from interegular import fsm, patterns
for name in "wds":  # interegular knows those of ASCII
    known = patterns._CHAR_GROUPS[name].chars
    more = known.union(c for c in characters if re.match("\\" + name, c))
    patterns._CHAR_GROUPS[name] = patterns._CharGroup(more, False)
    patterns._CHAR_GROUPS[name.upper()] = patterns._CharGroup(more, True)

def looks(part, nested=False):
    # The lookaheads of a part, and whether they stand in a group.
    if isinstance(part, patterns._NonCapturing):
        yield part, nested
        yield from looks(part.inner, True)
    for below in getattr(part, "parts", None) or getattr(part, "options", ()):
        yield from looks(below, nested or isinstance(part, patterns._Concatenation)
                         and not isinstance(below, patterns._NonCapturing))
    if isinstance(part, patterns._Repeated):
        yield from looks(part.base, True)

try:
    parsed = patterns.parse_pattern(body)
    for look, nested in looks(parsed):
        if nested and look.inner.lengths[1] is None:
            leave(3, "a lookahead without end in a group")
    # interegular lets a lookahead see further than the end. A whole line ends there.
    for part in (parsed, *parsed.options):
        object.__setattr__(part, "_prefix_cache", (0, 0))
    machine = parsed.to_fsm().reduce()
    if machine.alphabet[fsm.anything_else] is None:  # it names no character
        machine = patterns.parse_pattern("a{0}" + body).to_fsm().reduce()
except Exception as error:
    if isinstance(error, MemoryError):
        raise
    leave(3, str(error) or type(error).__name__)
other = machine.alphabet[fsm.anything_else]
classes = {c: k for c, k in machine.alphabet.items() if c is not fsm.anything_else}
numbers = {s: n for n, s in enumerate(dict.fromkeys([machine.initial, *machine.states]))}
moves = [[numbers[s], k, numbers[t]] for s, row in machine.map.items() for k, t in row.items()]
finals = [numbers[s] for s in machine.finals]
json.dump([len(numbers), classes, other, moves, finals], sys.stdout)
"""


def compile_pattern(pattern: str, characters: Iterable[str]) -> CharDFA:
    """Compile a regular expression, matched against whole lines, to an automaton.

    characters: those that lines may hold; `\\w`, `\\d` and `\\s` are sets of these.
    Raises UsageError for a text that is no regular expression, or none that an automaton can
    match, or one that takes too much time or memory.
    """
    # A process of its own: only that can be stopped, or refused memory, in the middle.
    command = [sys.executable, "-I", "-c", _COMPILE, str(MOST_BYTES)]
    request = json.dumps([pattern, _read_alike(pattern), sorted(set(characters))])
    too_much = UsageError("this pattern needs too much time or memory", "--pattern", "shorten it")
    try:
        done = subprocess.run(  # noqa: S603 (our own text; the pattern goes by stdin)
            command, input=request.encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise too_much from None
    message = visible(done.stderr.decode(errors="replace").strip(), 120)
    if done.returncode == 2:
        raise _refused(pattern, f"is no regular expression: {message}", "mend it")
    if done.returncode == 3:
        raise _refused(pattern, f"cannot be used: {message}", _TO_DO)
    if done.returncode:
        raise too_much
    states, classes, other, moves, finals = json.loads(done.stdout)
    # One column more for characters that the pattern does not name: a copy of the class `other`.
    width = max([other, *classes.values()]) + 1
    table = np.full((states, width + 1), DEAD, dtype=np.int32)
    for state, number, then in moves:
        table[state, number] = then
    table[:, width] = table[:, other]
    return CharDFA(table, np.isin(np.arange(states), finals), classes)


_TO_DO = r"leave out \b, references to groups, lookbehind, and ^ or $ within"
# A pattern's parts: an escaped character, a set in brackets, or a single character.
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def _refused(pattern: str, why: str, to_do: str) -> UsageError:
    """Make the error for a pattern: what is wrong with it, and what to do."""
    return UsageError(f"{visible(pattern, 60)!r} {why}", "--pattern", to_do)


def _read_alike(pattern: str) -> str:
    """Rewrite a pattern so that interegular reads it as Python does: `^ab$` becomes `ab`.

    Raises UsageError for possessive repeats, which it cannot.
    """
    parts, kept, depth = _PART.findall(pattern), list[str](), 0
    for before, part, after in zip(["|", *parts], parts, [*parts[1:], "|"], strict=False):
        depth += (part == "(") - (part == ")")
        if part == "+" and before in ("*", "+", "?", "}"):
            raise _refused(pattern, "cannot be used: it is possessive", "leave out the second +")
        # A line is matched whole, so anchors at the ends of what may be a line add nothing.
        if depth == 0 and ((part == "^" and before == "|") or (part == "$" and after == "|")):
            continue
        first = part.startswith(("[]", "[^]"))  # the first ] of a set is one of its characters
        kept.append(part.replace("]", "\\]", 1) if first else part)
    return "".join(kept)
