"""Policy: in which way the next lines are drawn, and how many draws at once, by what came so far.

Rejection is exact and fast as long as it pays. Once most draws are known lines, drawing without
replacement still finds the last ones; where few draws satisfy the constraints, draws are guided,
which is approximate. A seed's lines depend on these numbers, never on how many are asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from makemore.errors import Unsatisfiable
from makemore.options import options_of
from makemore.sampling.config import Constraints, Filters, SamplingConfig

FIRST_ROUND = 128  # draws; the next has twice as many, up to the round size: first lines come soon
MAX_BATCH_CELLS = 2**22  # draws times vocabulary: some hundred MB of probabilities
MAX_BATCH_DRAWS = 65_536  # draws that are made together at most
MAX_BATCH_GROWTH = 16  # times the draws so far, at most: by those it is judged what is needed
SAFETY_FACTOR = 1.08  # more than what the last draws say is needed: new lines get rarer
GIVE_UP = 50_000  # draws in a row without one line to give: some seconds of work
PILOT = 1024  # draws after which it is asked whether rejection pays
TABLE_FROM = 1024  # draws or lines from which on it pays to make a table of a model
MIN_PASS_RATE = 0.1  # share of draws that satisfy the constraints, below which draws are guided
MIN_NOVEL_RATE = 0.125  # new lines over a round's draws, below which none is drawn a second time
MIN_PASSING_DRAWS = 32  # of a round that satisfy the constraints: enough to judge how many are new
TABLE_PATIENCE = 16  # times rarer lines are waited for where a table says what is drawn
CONSTRAINTS = [name for name in options_of(Constraints) if name != "all"]


@dataclass
class Tally:
    """What the draws so far have come to. Guided draws count in `draws` and `guided` alone."""

    draws: int = 0
    found: int = 0  # lines that were given
    passed: int = 0  # draws that satisfied the constraints
    guided: int = 0
    effective: float = 0.0  # sample size of the guided draws, summed over rounds
    too_near: int = 0  # lines refused for their distance to a known one
    idle: int = 0  # draws since the last line was given
    novel_in_round: int = 0  # lines
    passed_in_round: int = 0  # draws
    found_in_round: int = 0  # lines

    @property
    def pass_rate(self) -> float:
        """The share of the draws that satisfied the constraints before draws were guided."""
        return self.passed / max(1, self.draws - self.guided)


@dataclass(frozen=True)
class Decision:
    """What has to change before the next round."""

    table: bool  # make a table of the model, where it can be one
    without_replacement: bool
    guided: bool


class SamplingPolicy:
    """Chooses the way of drawing and the number of draws, by a tally of those before."""

    def __init__(self, options: SamplingConfig, vocab_size: int, round_size: int) -> None:
        self.options, self.vocab_size = options, vocab_size
        self.round_size = max(1, min(round_size, MAX_BATCH_CELLS // vocab_size))
        self.tally = Tally()
        self._draws_before, self._found_before = 0, 0  # what was last judged by

    def draws_of(self, number: int) -> int:
        """Draws of round `number`: 128, and twice as many in each, up to the round size."""
        return min(self.round_size, FIRST_ROUND << min(number, 20))

    def draws_needed(self, wanted: int | None, rejection: bool, tabled: bool, most: int) -> int:
        """Draws that what is still asked for may take, by the last ones; 0 for a whole round.

        rejection: whether that is how lines are drawn now; most: draws that memory has room for
        """
        tally, rate = self.tally, MIN_PASS_RATE / TABLE_PATIENCE if tabled else MIN_PASS_RATE
        seldom = max(tally.passed, tally.found) < rate * tally.draws
        draws, found = tally.draws - self._draws_before, tally.found - self._found_before
        self._draws_before, self._found_before = tally.draws, tally.found
        if not rejection or seldom or not (wanted and found):
            return 0
        needed = math.ceil(SAFETY_FACTOR * (wanted - tally.found) * draws / found) + 32
        room = MAX_BATCH_CELLS // self.vocab_size
        most = min(MAX_BATCH_DRAWS, room, MAX_BATCH_GROWTH * tally.draws, most)
        return max(1, min(max(needed, tally.draws // 32), most))

    def begin_round(self) -> None:
        """Count from here on for the next round."""
        self.tally.novel_in_round = self.tally.passed_in_round = self.tally.found_in_round = 0

    def decide(self, draws: int) -> Decision:
        """How to draw after a round of so many draws, before it is known if there is a table."""
        few, rare = self._few_are_new(draws), self._few_pass()
        return Decision(few or rare, few, rare)

    def decide_with_table(self, draws: int) -> Decision:
        """The same where a table stands: draws are so quick that they are refused for longer."""
        tally = self.tally
        known_before = (
            tally.passed_in_round >= min(MIN_PASSING_DRAWS, draws / 4)
            and tally.novel_in_round < MIN_NOVEL_RATE * tally.passed_in_round
        )
        seldom = TABLE_PATIENCE * tally.passed < MIN_PASS_RATE * tally.draws
        few = known_before or tally.idle >= GIVE_UP // 4
        return Decision(False, few, self._few_pass() and seldom)

    def _few_are_new(self, draws: int) -> bool:
        return self.tally.novel_in_round < MIN_NOVEL_RATE * draws

    def _few_pass(self) -> bool:
        tally = self.tally
        return tally.draws >= PILOT and tally.passed < MIN_PASS_RATE * tally.draws

    def check_not_exhausted(self, wanted: int | None, left: float) -> None:
        """Raise Unsatisfiable if there is no other line, or none came for long.

        left: the share of the model's probability that neither was given nor is impossible
        """
        tally = self.tally
        if left > 0 and tally.idle < GIVE_UP:
            return
        rest = f"{left:.2g} of the probability is left"
        more = "and there is no other" if left == 0 else rest
        refused = f", {tally.too_near} were too near to known ones" if tally.too_near else ""
        of = "" if wanted is None else f" of {wanted}"
        raise Unsatisfiable(
            f"found {tally.found}{of} lines after {tally.draws} draws{refused}; {more}", None,
            self._ways_out(left),
        )  # fmt: skip

    def _ways_out(self, left: float) -> str:
        """What a person can do where no more lines are found."""
        options, plain = self.options, SamplingConfig()

        def changed(names: list[str]) -> bool:
            return any(getattr(options, name) != getattr(plain, name) for name in names)

        ways = ["ask for fewer"] if self.tally.found else []
        if left or changed(list(options_of(Filters))):
            ways.append("raise --temperature")
        if changed(CONSTRAINTS):
            ways.append("loosen the conditions")
        if self.tally.too_near:
            ways.append("lower --min-distance")
        if not options.all:
            ways.append("use --all, which refuses none")
        return ", ".join(ways[:-1]) + ", or " * (len(ways) > 1) + "".join(ways[-1:])
