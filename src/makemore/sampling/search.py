"""The most likely lines of a model, in order, with a proof; or what a beam finds.

All prefixes of one length are looked at together. A prefix is as likely as all lines below it
together, so once n lines are found, what is less likely than the n-th is left out with all that it
leads to (branch and bound; Land and Doig 1960). A beam, which keeps only the K likeliest prefixes
of each length, gives the first bound. Where more prefixes are open than memory is given for, the
rest is dropped, and the order is proven down to the likeliest one that was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makemore.errors import UsageError
from makemore.models import Model
from makemore.models.core.base import log_softmax
from makemore.models.core.state import select
from makemore.sampling.config import Constraints
from makemore.sampling.constraints.automaton import Automaton, compile_constraints
from makemore.sampling.results import ORIGINS, KnownLines
from makemore.text import Corpus, Vocabulary
from makemore.text.corpus import concatenate
from makemore.text.vocabulary import BOUNDARY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


# Prefixes of one length: some hundred MB of a transformer's keys and values.
MAX_OPEN_PREFIXES = 2**14
MIN_BEAM = 256  # the least width of the beam that gives the first bound


@dataclass(frozen=True)
class RankedLine:
    """One of the likeliest lines: nll in nats, end included; and whether its rank is proven."""

    text: str
    origin: str
    nll: float
    proven: bool


@dataclass
class BestLines:
    """Lines in the order of their probability, and the likeliest prefix that was not looked into.

    logs: (n,) log p of each line; dropped: log p of that prefix, -inf if there was none
    """

    lines: Corpus
    logs: Floats
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
) -> list[RankedLine]:
    """Find the n most likely lines under constraints, best first; new ones unless they say `all`.

    inputs: first input -> its share; cap: symbols that a line may have at most
    beam: keep only so many prefixes of each length, which is quicker and proves no rank
    Raises UsageError for an n or beam that counts nothing, Unsatisfiable where no line is allowed.
    """
    if n < 0 or (beam is not None and beam < 1):
        raise UsageError("n and beam count lines", None, "give 1 or more")
    automaton = compile_constraints(vocabulary, constraints, cap)

    def accept(lines: Corpus) -> NDArray[np.bool_]:
        return (known.origins(lines.hashes()) == 0) | constraints.all

    search = Search(model, vocabulary, automaton, inputs, accept)
    best = search.beam_pass(n, beam) if beam else search.top(n)
    origins = known.origins(best.lines.hashes())
    return [
        RankedLine(text, ORIGINS[origin], -float(log), bool(log > best.dropped))
        for text, origin, log in zip(best.lines, origins, best.logs, strict=True)
    ]


class Search:
    """Looks through the lines of a model that an automaton lets through.

    inputs: first input -> its share (one boundary, or a label each; then p is their mixture's)
    accept: lines (n,) -> (n,) which of them count
    """

    def __init__(
        self,
        model: Model,
        vocabulary: Vocabulary,
        automaton: Automaton,
        inputs: dict[int, float],
        accept: Callable[[Corpus], NDArray[np.bool_]],
    ) -> None:
        self.model, self.vocabulary, self.automaton = model, vocabulary, automaton
        self.inputs, self.accept = inputs, accept

    def top(self, n: int, most_open: int = MAX_OPEN_PREFIXES) -> BestLines:
        """The n most likely lines; fewer where there are no more."""
        width = min(most_open, max(MIN_BEAM, n))
        first = self.beam_pass(n, width)
        if first.dropped == -np.inf:
            return first  # the beam has seen everything
        bound = float(first.logs[n - 1]) if len(first.lines) == n else -np.inf
        return self.beam_pass(n, most_open, bound)

    def beam_pass(self, n: int, width: int, bound: float = -np.inf) -> BestLines:
        """All lengths in turn, the `width` likeliest prefixes of each that reach the bound.

        bound: log p that n lines are known to reach; it rises with what is found.
        """
        V, L = len(self.vocabulary), len(self.inputs)
        found, dropped = BestLines(Corpus.exactly([]), np.zeros(0)), -np.inf
        if n == 0:
            return found
        ids = np.zeros((1, 0), dtype=np.int64)
        logs = np.log(np.array([list(self.inputs.values())]))  # (G, L) with each first input
        logits, state = self.model.step(np.array(list(self.inputs)), self.model.initial_state(L))
        states = np.zeros(1, dtype=np.int64)
        for place in range(self.automaton.max_length + 1):
            each = logs[:, :, None] + log_softmax(logits).reshape(-1, L, V)  # (G, L, V)
            total = np.logaddexp.reduce(each, axis=1)  # (G, V)
            total[~self.automaton.allowed(place, states)] = -np.inf
            found = self._add(found, ids, total[:, BOUNDARY], n)
            if len(found.logs) == n:
                bound = max(bound, float(found.logs[-1]))
            total[:, BOUNDARY] = -np.inf
            # What equals the bound stays: of equals none is dropped unseen.
            codes = np.flatnonzero((total.ravel() >= bound - 1e-9) & (total.ravel() > -np.inf))
            if len(codes) > width:
                order = np.argsort(-total.ravel()[codes], kind="stable")
                dropped = max(dropped, float(total.ravel()[codes[order[width]]]))
                codes = np.sort(codes[order[:width]])
            if not len(codes):
                break
            parents, symbols = np.divmod(codes, V)
            ids = np.column_stack([ids[parents], symbols])
            logs = each[parents, :, symbols]
            states = self.automaton.next[states[parents], symbols].astype(np.int64)
            rows = (parents[:, None] * L + np.arange(L)).ravel()
            logits, state = self.model.step(symbols.repeat(L), select(state, rows))
        found.dropped = dropped
        return found

    def _add(self, found: BestLines, ids: Ints, logs: Floats, n: int) -> BestLines:
        """The n likeliest of what was found and of the lines that end here."""
        ended = np.flatnonzero(logs > (found.logs[-1] if len(found.logs) == n else -np.inf))
        if not len(ended):
            return found
        flat = ids[ended].ravel()
        offsets = np.arange(len(ended) + 1, dtype=np.int64) * ids.shape[1]
        lines = self.vocabulary.decode_lines(flat, offsets)
        kept = np.flatnonzero(self.accept(lines))
        together = concatenate([found.lines, lines.take(kept)])
        logs = np.concatenate([found.logs, logs[ended[kept]]])
        order = np.argsort(-logs, kind="stable")[:n]
        return BestLines(together.take(order), logs[order])
