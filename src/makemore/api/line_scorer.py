"""LineScorer: how likely lines are under a trained model, each and over a part of the text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makemore.api.checks import check_part
from makemore.api.label_predictor import LabelPredictor
from makemore.api.memory_errors import of_scoring
from makemore.models.core.base import no_probabilities
from makemore.text import Corpus
from makemore.text.python_lines import Lines

if TYPE_CHECKING:
    from makemore.scoring import Scores


class LineScorer(LabelPredictor):
    """Scores lines by a trained model; with labels it predicts them, too."""

    def _check_numbers(self, nll: ArrayLike) -> None:
        """Raise RunError where a model gives no probabilities at some place of a line."""
        if np.isnan(nll).any():
            raise no_probabilities(None if self.folder_ is None else str(self.folder_))

    def score_samples(self, lines: Lines) -> NDArray[np.float64]:
        """Compute each line's log-likelihood, nats (n,), end included; -inf: an unknown symbol.

        lines: a list, a column, ... as fit takes them, but neither cleaned nor a set; a Path is
        read as the text that was learned was read: of a table, its column of texts
        """
        return -self.scores(lines).nll

    def score(self, lines: Lines, y: object = None) -> float:
        """Average the lines' log-likelihoods, nats; lines with unknown symbols are left out.

        -inf where none is left. y is unused: scikit-learn passes it, and has "accuracy" for labels.
        """
        each = self.score_samples(lines)  # per line, not per symbol as in `report`
        known = each[np.isfinite(each)]
        return float(known.mean()) if len(known) else -math.inf

    def scores(self, lines: Corpus | Lines) -> Scores:
        """Compute the nll (nats) and the symbols of every line, as scoring.Scores.

        By a model with labels, a line without one has the nll of the mixture over all labels, and
        `posterior` holds the calibrated p(label | line).
        """
        from makemore.scoring import score

        plan = self._plan
        corpus = lines if isinstance(lines, Corpus) else self._as_is(lines)
        with of_scoring(len(corpus)), self.evaluation():
            scores = score(self._model, plan.vocabulary, corpus, plan.label_shares)
            self._check_numbers(scores.nll)
            return scores if scores.posterior is None else self._labels.calibrated(scores)

    def report(self, name: str) -> dict[str, Any]:
        """Compute the exact losses of one part (train, val, test) over all of its lines.

        nll (nats) and bits are per symbol. nll_unseen is the nll of the lines that are not in
        train, None where all or none of them are. Lines of val and test that the prior has read
        are left out of all losses, and counted as `read`. Raises UsageError for another part.
        """
        part = check_part(name, self._plan.split)
        scores = self.scores(part)
        unseen = ~np.isin(part.hashes(), self._plan.split.train.hashes())
        # A split puts all copies of a text into one part; a file for val or test may repeat train.
        copies = name != "train" and not unseen.all()
        read = self._plan.is_read(part) & (name != "train")
        nll = scores.mean(~read)
        return {
            "split": name,
            "nll": nll,
            "nll_unseen": scores.mean(unseen & ~read) if copies else None,
            "bits": None if nll is None else nll / math.log(2),
            "perplexity": None if nll is None else math.exp(min(nll, 700.0)),  # or it overflows
            "lines": len(part),
            "unknown": int((~scores.known).sum()),
            "read": int(read.sum()),
        }
