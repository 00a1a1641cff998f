"""Search: finds the most likely lines of a model in order, with a proof, or with a beam without.

Branch and bound (Land and Doig 1960): all prefixes of one length are extended together. No line is
more likely than its prefix. So once n lines are found, a prefix that is less likely than the n-th
is left out, with all lines below it. A beam, which keeps only the K likeliest prefixes of each
length, gives the first bound. Where more prefixes are open than memory allows, the least likely
are dropped; lines that are likelier than the likeliest dropped prefix still have a proven rank.

Lines are ranked by their nll a symbol or, if wished, in total. In total a short line is nearly
always the likelier one: the likeliest names of a model are "S" and "Ma". A symbol, lines of all
lengths compete; but ever likelier symbols may follow a prefix, so few ranks are proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.models import Model
from makemore.models.core.base import log_softmax, no_probabilities
from makemore.models.core.state import select
from makemore.sampling.config import Constraints
from makemore.sampling.constraints.automaton import Automaton, compile_constraints
from makemore.sampling.results import ORIGINS, KnownLines
from makemore.text import Corpus, Vocabulary
from makemore.text.corpus import concatenate
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# Prefixes of one length that are kept: some hundred MB of a transformer's keys and values.
MAX_OPEN_PREFIXES = 2**14
MIN_BEAM = 256  # smallest width of the beam that gives the first bound
SYMBOL_BEAM = 2**12  # width where lines are ranked by their nll a symbol


@dataclass(frozen=True)
class RankedLine:
    """Holds one of the likeliest lines: nll in nats, end included, and if its rank is proven."""

    text: str
    origin: str
    nll: float  # of the whole line
    nll_per_symbol: float
    proven: bool


@dataclass
class BestLines:
    """Holds the likeliest lines found so far, the likeliest first.

    logs: (n,) log p of each line, in nats; scores: (n,) what they are ranked by, log p in total or
        a symbol
    dropped: the highest score that a line after a dropped prefix may have; -inf if none was dropped
    """

    lines: Corpus
    logs: Floats
    scores: Floats
    dropped: float = -np.inf


def top_lines(
    model: Model,
    vocabulary: Vocabulary,
    known: KnownLines,
    constraints: Constraints,
    inputs: dict[int, float],
    n: int,
    cap: int,
    beam: int | None = None,
    total: bool = False,
) -> list[RankedLine]:
    """Find the n most likely lines under constraints, best first; new ones unless they say `all`.

    inputs: first input (the boundary or a label's id) -> probability that a line begins with it
    cap: symbols that a line may have at most
    beam: keep only so many prefixes of each length, which is faster and proves fewer ranks
    total: rank by the nll of whole lines, not by that of a symbol
    Raises UsageError for a negative n or a beam below 1, Unsatisfiable where no line is allowed.
    """
    if n < 0 or (beam is not None and beam < 1):
        raise UsageError("n and beam count lines", None, "give 1 or more")
    automaton = compile_constraints(vocabulary, constraints, cap)

    def accept(lines: Corpus) -> NDArray[np.bool_]:
        """Say of each line (n,) whether it is new, or all lines are to be shown."""
        return (known.origins_of(lines) == 0) | constraints.all

    search = Search(model, vocabulary, automaton, inputs, accept, total)
    best = search.beam_pass(n, beam) if beam else search.top(n)
    origins = known.origins_of(best.lines)
    # A line above the likeliest dropped prefix cannot have been overtaken by a line below that.
    return [
        RankedLine(
            text, ORIGINS[origin], -float(log),
            -float(log) / (len(vocabulary.pieces(text)) + 1) if total else -float(score),
            bool(score > best.dropped),
        )
        for text, origin, log, score in zip(
            best.lines, origins, best.logs, best.scores, strict=True
        )
    ]  # fmt: skip


class Search:
    """Searches the most likely lines of a model among those that an automaton allows.

    inputs: first input -> its probability: {boundary: 1}, or labels, and p is that of their mixture
    accept: lines (n,) -> (n,) whether each counts as a result
    by_total: whether lines are ranked by the log p of whole lines, not by that of a symbol
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        automaton: Automaton,
        inputs: dict[int, float],
        accept: Callable[[Corpus], NDArray[np.bool_]],
        by_total: bool = True,
    ) -> None:
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.inputs, self.accept, self.by_total = inputs, accept, by_total

    def top(self, n: int, most_open: int = MAX_OPEN_PREFIXES) -> BestLines:
        """Find the n most likely lines; fewer where there are no more."""
        if not self.by_total:  # no bound cuts a search that short lines do not win
            return self.beam_pass(n, min(most_open, max(SYMBOL_BEAM, n)))
        width = min(most_open, max(MIN_BEAM, n))
        first = self.beam_pass(n, width)
        if first.dropped == -np.inf:
            return first  # nothing was dropped, so the beam saw every line
        # The n-th line of the beam is a lower bound of the n-th line of all.
        bound = float(first.scores[n - 1]) if len(first.lines) == n else -np.inf
        return self.beam_pass(n, most_open, bound)

    def beam_pass(self, n: int, width: int, bound: float = -np.inf) -> BestLines:
        """Extend prefixes length by length, the `width` likeliest of those above the bound.

        bound: a score that n lines are known to have or exceed; it rises as lines are found
        """
        V, L = len(self.vocabulary), len(self.inputs)
        best, dropped = BestLines(Corpus.exactly([]), np.zeros(0), np.zeros(0)), -np.inf
        # The best that may follow a prefix: symbols of probability 1, up to the longest line.
        longest = 1 if self.by_total else self.automaton.max_length + 1
        if n == 0:
            return best
        ids = np.zeros((1, 0), dtype=np.int64)  # (G, position) the open prefixes; at first ""
        logs = np.log(np.array([list(self.inputs.values())]))  # (G, L) of prefix and first input
        logits, state = self.model.step(np.array(list(self.inputs)), self.model.initial_state(L))
        states = np.zeros(1, dtype=np.int64)  # (G,) of the automaton
        for position in range(self.automaton.max_length + 1):
            each = logs[:, :, None] + log_softmax(logits).reshape(-1, L, V)  # (G, L, V)
            total = np.logaddexp.reduce(each, axis=1)  # (G, V) log p of the mixture
            if np.isnan(total).any():  # such prefixes would be dropped without a word
                raise no_probabilities()
            total[~self.automaton.allowed(position, states)] = -np.inf
            best = self._add(best, ids, total[:, BOUNDARY], n)
            if len(best.logs) == n:
                bound = max(bound, float(best.scores[-1]))
            total[:, BOUNDARY] = -np.inf  # what is left are prefixes to extend
            # A prefix equal to the bound stays: ties are broken by order, never by dropping.
            reachable = total.ravel() / longest
            codes = np.flatnonzero((reachable >= bound - 1e-9) & (reachable > -np.inf))
            if len(codes) > width:
                order = np.argsort(-reachable[codes], kind="stable")
                dropped = max(dropped, float(reachable[codes[order[width]]]))
                codes = np.sort(codes[order[:width]])
            if not len(codes):
                break
            parents, symbols = np.divmod(codes, V)  # (G,), (G,) with a new G
            ids = np.column_stack([ids[parents], symbols])
            logs = each[parents, :, symbols]
            states = self.automaton.next[states[parents], symbols].astype(np.int64)
            rows = (parents[:, None] * L + np.arange(L)).ravel()  # (G * L,) of the model's state
            logits, state = self.model.step(symbols.repeat(L), select(state, rows))
        best.dropped = dropped
        return best

    def _add(self, best: BestLines, ids: Ints, logs: Floats, n: int) -> BestLines:
        """Merge the best lines with those that end here, ids (G, length), logs (G,): the n best."""
        scores = logs / (1 if self.by_total else ids.shape[1] + 1)  # a line's end is a symbol, too
        # Only lines that beat the n-th are decoded and checked.
        ended = np.flatnonzero(scores > (best.scores[-1] if len(best.scores) == n else -np.inf))
        if not len(ended):
            return best
        flat = ids[ended].ravel()
        offsets = np.arange(len(ended) + 1, dtype=np.int64) * ids.shape[1]
        lines = self.vocabulary.decode_lines(flat, offsets)
        kept = np.flatnonzero(self.accept(lines))
        together = concatenate([best.lines, lines.take(kept)])
        logs = np.concatenate([best.logs, logs[ended[kept]]])
        scores = np.concatenate([best.scores, scores[ended[kept]]])
        order = np.argsort(-scores, kind="stable")[:n]  # stable: of equals the shorter one is first
        return BestLines(together.take(order), logs[order], scores[order])
