"""Policy: chooses the strategy of the next draws and their number, by the results so far.

Rejection is exact, and fast while most draws pass. Once most draws are known lines, drawing without
replacement still finds the last new ones; where few draws satisfy the constraints, draws are
guided, which is approximate. A seed's lines depend on the constants here, never on how many lines
are requested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import Unsatisfiable
from makemore.options import options_of
from makemore.sampling.ancestry import ancestors_of, shared_symbols
from makemore.sampling.config import Constraints, Filters, SamplingConfig
from makemore.sampling.results import RoundCompletions

Ints = NDArray[np.int64]

FIRST_ROUND = 128  # draws; the next has twice as many, up to the round size: first lines come soon
FEW_DRAWS, FEW_EACH = 14, 2  # the first draws of a few lines, and a line: most need no others
MAX_BATCH_CELLS = 2**22  # draws times vocabulary: some hundred MB of probabilities
MAX_BATCH_DRAWS = 65_536  # draws that are made together at most
MAX_BATCH_GROWTH = 16  # times the draws so far, at most: fewer draws give no safe estimate
SAFETY_FACTOR = 1.08  # times the draws that the last rate says are needed: new lines get rarer
GIVE_UP = 50_000  # draws in a row without one new line: some seconds of work
GIVE_UP_GUIDED = 8192  # the same of guided draws, where other filters are left to go on with
MAX_ROUND_SYMBOLS = 2**19  # symbols of the guided draws of a round: some seconds for a network
MAX_IDLE_SYMBOLS = 2**21  # symbols of guided draws in a row without one new line
PILOT = 1024  # draws before the pass rate is judged
TABLE_FROM = 1024  # draws or lines from which on it pays to make a table of a model
MIN_PASS_RATE = 0.1  # fraction of draws that satisfy the constraints; below, draws are guided
MIN_NOVEL_RATE = 0.125  # new lines per draw of a round; below, it is drawn without replacement
MIN_PASSING_DRAWS = 32  # draws of a round that pass: enough to judge how many lines are new
TABLE_PATIENCE = 16  # how many times lower the pass rate may be with a table, which draws faster
CONSTRAINTS = [name for name in options_of(Constraints) if name != "all"]


@dataclass
class Tally:
    """Counts draws and lines so far. Guided draws count in `draws` and `guided` alone."""

    draws: int = 0  # finished or refused
    found: int = 0  # new lines that were returned
    passed: int = 0  # draws that satisfied the constraints
    guided: int = 0  # draws that were guided and satisfied the constraints
    effective: float = 0.0  # sample size of the guided draws, summed over rounds (ancestry.py)
    led: int = 0  # guided lines that were returned
    ancestors: int = 0  # different draws that those go back to
    shared: int = 0  # first symbols that each of those shares with all of its ancestor, summed
    too_near: int = 0  # lines refused for their distance to a known one
    idle: int = 0  # draws since the last new line
    novel_in_round: int = 0  # new lines, returned or not
    passed_in_round: int = 0  # draws
    found_in_round: int = 0  # lines that were returned

    def count_ancestors(self, lines: RoundCompletions, chosen: Ints) -> None:
        """Count how many different draws the chosen lines (n,) go back to, and what they share."""
        ancestors = ancestors_of(lines, chosen)
        self.led += len(chosen)
        self.ancestors += len(np.unique(ancestors))
        self.shared += shared_symbols(lines, chosen, ancestors)

    @property
    def pass_rate(self) -> float:
        """Compute the fraction of the unguided draws that satisfied the constraints."""
        return self.passed / max(1, self.draws - self.guided)

    @property
    def degenerate(self) -> bool:
        """Whether resampling left few draws: most guided lines begin as another one does."""
        return 2 * self.ancestors < self.led

    @property
    def degeneracy(self) -> str:
        """Say how few draws the guided lines go back to, and what to ask for instead."""
        return (
            f"{self.led} lines go back to {self.ancestors} "
            f"{'draw' if self.ancestors == 1 else 'draws'}, and share their first "
            f"{self.shared / self.led:.0f} symbols with others; ask for shorter lines, or for "
            "fewer conditions"
        )


@dataclass(frozen=True)
class Decision:
    """Says what has to change before the next round."""

    table: bool  # make a table of the model, where it can be one
    without_replacement: bool
    guided: bool


class SamplingPolicy:
    """Chooses the strategy and the number of the next draws, by a tally of those before."""

    def __init__(
        self, options: SamplingConfig, vocab_size: int, round_size: int, issues: bool = False
    ) -> None:
        """issues: whether lines are recorded, which --all could not be asked for."""
        self.options, self.vocab_size, self.issues = options, vocab_size, issues
        self.round_size = max(1, min(round_size, MAX_BATCH_CELLS // vocab_size))
        self.tally, self.patience = Tally(), GIVE_UP  # patience: draws in a row without a line
        self._draws_before, self._found_before = 0, 0  # the tally at the last estimate

    def draws_of(self, round_no: int) -> int:
        """Compute the draws of a round: 128, 256, 512, ... up to the round size."""
        return min(self.round_size, FIRST_ROUND << min(round_no, 20))

    def begin_guided(self, length: int, relaxes: bool) -> None:
        """Bound the work of guided draws, which all have `length` symbols or more.

        relaxes: whether other filters are left to go on with, once no line comes under these
        """
        self.round_size = min(self.round_size, max(FIRST_ROUND, MAX_ROUND_SYMBOLS // (length + 1)))
        patience = GIVE_UP_GUIDED if relaxes else GIVE_UP
        self.patience = min(patience, MAX_IDLE_SYMBOLS // (length + 1))

    def draws_needed(self, wanted: int | None, rejection: bool, tabled: bool, most: int) -> int:
        """Estimate how many draws the lines still needed take, by the last rate; 0: a whole round.

        rejection: whether that is the strategy now; most: draws that can be made together
        """
        if wanted and rejection and not self.tally.draws:  # nothing is known yet
            return min(FEW_DRAWS + FEW_EACH * wanted, self.draws_of(0))
        tally, rate = self.tally, MIN_PASS_RATE / TABLE_PATIENCE if tabled else MIN_PASS_RATE
        seldom = max(tally.passed, tally.found) < rate * tally.draws
        draws, found = tally.draws - self._draws_before, tally.found - self._found_before
        self._draws_before, self._found_before = tally.draws, tally.found
        # Other strategies learn from every round, so they draw no more than one at a time.
        if not rejection or seldom or not (wanted and found):
            return 0
        needed = math.ceil(SAFETY_FACTOR * (wanted - tally.found) * draws / found) + 32
        most = min(MAX_BATCH_GROWTH * tally.draws, most)
        return max(1, min(max(needed, tally.draws // 32), most))

    def draws_needed_after(self, wanted: int | None, draws: int, most: int) -> int:
        """Estimate how many draws are needed after so many more; 0: most likely none.

        By the rate of all draws so far: how many lines the next ones give is not yet known.
        """
        if not (wanted and self.tally.found):
            return 0
        rate = self.tally.found / self.tally.draws
        left = wanted - self.tally.found - rate * draws
        # The draws before may give some lines more than expected, but hardly a quarter more.
        if left < rate * draws / 4:
            return 0
        return min(math.ceil(SAFETY_FACTOR * left / rate) + 32, most)

    def most_together(self, cached: int) -> int:
        """Return how many draws can be made together on the CPU; cached: prefixes it remembers."""
        return min(MAX_BATCH_DRAWS, MAX_BATCH_CELLS // self.vocab_size, cached)

    def begin_round(self) -> None:
        """Set the counts of the round to 0."""
        self.tally.novel_in_round = self.tally.passed_in_round = self.tally.found_in_round = 0

    def decide(self, draws: int) -> Decision:
        """Decide after a round of so many draws, as long as there is no table."""
        few, rare = self._few_are_new(draws), self._few_pass()
        return Decision(few or rare, few, rare)

    def decide_with_table(self, draws: int) -> Decision:
        """Decide where there is a table: draws are so fast that rejection pays for longer."""
        tally = self.tally
        known_before = (
            tally.passed_in_round >= min(MIN_PASSING_DRAWS, draws / 4)
            and tally.novel_in_round < MIN_NOVEL_RATE * tally.passed_in_round
        )
        seldom = TABLE_PATIENCE * tally.passed < MIN_PASS_RATE * tally.draws
        few = known_before or tally.idle >= GIVE_UP // 4
        return Decision(False, few, self._few_pass() and seldom)

    def _few_are_new(self, draws: int) -> bool:
        """Tell whether too few of the round's draws gave a new line."""
        return self.tally.novel_in_round < MIN_NOVEL_RATE * draws

    def _few_pass(self) -> bool:
        """Tell whether too few of all draws satisfied the constraints."""
        tally = self.tally
        return tally.draws >= PILOT and tally.passed < MIN_PASS_RATE * tally.draws

    def restart(self, options: SamplingConfig) -> None:
        """Judge the draws to come without those before: they were made with other options."""
        self.options, self.tally.idle, self.patience = options, 0, GIVE_UP
        self._draws_before, self._found_before = self.tally.draws, self.tally.found

    def is_exhausted(self, left: float) -> bool:
        """Tell whether no line is left, or none came in `patience` draws; arguments as below."""
        return left <= 0 or self.tally.idle >= self.patience

    def check_not_exhausted(self, wanted: int | None, left: float) -> None:
        """Raise Unsatisfiable if no line is left, or none came in `patience` draws.

        left: the model's probability, in [0, 1], of all lines that were not yet used and possible
        """
        tally = self.tally
        if not self.is_exhausted(left):
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
        """Say what a person can do where no more lines are found."""
        options, plain = self.options, SamplingConfig()

        def changed(names: list[str]) -> bool:
            """Tell whether one of these options is not at its default."""
            return any(getattr(options, name) != getattr(plain, name) for name in names)

        ways = ["ask for fewer"] if self.tally.found else []
        if options.style == "tidy":
            ways.append("give --style plain")
        elif left or changed(list(options_of(Filters))):
            ways.append("raise --temperature")
        if changed(CONSTRAINTS):
            ways.append("loosen the conditions")
        if self.tally.too_near:
            ways.append("lower --min-distance")
        if self.issues:  # --all would repeat them
            ways.append("leave out --remember, which never repeats a line")
        elif not options.all:
            ways.append("use --all, which refuses none")
        return ", ".join(ways[:-1]) + ", or " * (len(ways) > 1) + "".join(ways[-1:])
