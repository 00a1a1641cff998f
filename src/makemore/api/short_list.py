"""Short list: which models learn a list of few lines, where nobody has named one.

From a few hundred lines, counts know which letters follow each other, and a network what a line
as a whole is like. Neither is best alone: their mixture is, by 0.05 nats a symbol and more, and
the counts cost no time. So a list of fewer than SHORT_LIST lines is learned by an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from makemore.models import get_model
from makemore.options import options_of
from makemore.text import Split
from makemore.training.config import BUDGET_MODEL, DEFAULT_MODEL

SHORT_LIST = 5_000  # lines: from here on a transformer alone learns nearly as well, in less time
COUNTS = "ngram order=3, ngram order=5, ngram, ngram order=9"
NETWORKS = "transformer dropout=0.2, lstm"


def choose_model(parts: Split, requested: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Choose the model of a list -> its name, options for it, and one line that says why.

    A list that is not short, and options that only a transformer has, give the default model.
    """
    n_lines = sum(len(part) for _, part in parts)
    of_model = requested.keys() & options_of(get_model(DEFAULT_MODEL).Options).keys()
    if n_lines >= SHORT_LIST or of_model:
        return DEFAULT_MODEL, {}, ""
    members = f"{COUNTS}, {NETWORKS}"
    why = f"{n_lines:,} lines: counts and {NETWORKS.count(',') + 1} networks are mixed"
    return BUDGET_MODEL, {"members": members}, why
