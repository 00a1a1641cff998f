"""Lineup: which models learn a list together, where nobody has named one.

From a few hundred lines, counts know which symbols follow each other, and a network what a line as
a whole is like. Neither is best alone: their mixture is, by 0.1 nats a symbol and more, and the
counts cost no time. So a list of fewer than SHORT_LIST lines is learned by an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from makemore.api.budget_clock import MOST_SHARE
from makemore.api.members import Members, members_of, text_of
from makemore.api.plan import Plan, options_for, recipe_steps
from makemore.models import CountModel, get_model
from makemore.options import options_of
from makemore.text import Split
from makemore.training.config import BUDGET_MODEL, DEFAULT_MODEL

SHORT_LIST = 5_000  # lines: with as many or more a transformer alone is the default
# Counts of several orders cost next to nothing, and their weights tell how far to trust each length
# of context. Then the networks that are added, in this order, while there is time.
COUNTS = ("ngram order=3", "ngram order=5", "ngram", "ngram order=9")
# Beside counts, and from few lines, an LSTM needs no soft targets, and learns more than a
# transformer does. Its best step comes early or late, so patience decides.
LSTM = "lstm soft_targets=0 learning_rate=0.008 patience=3"
LARGER_LSTM = "lstm soft_targets=0 n_hidden=192 dropout=0.3 patience=3"
GRU = "gru soft_targets=0 patience=3"
SHORT = (LSTM, LARGER_LSTM, GRU, LARGER_LSTM, LSTM, "transformer", LARGER_LSTM, GRU)
LONG = (
    "transformer", "transformer n_embd=80", "lstm", "transformer n_embd=80",
    "transformer n_layer=6", "transformer n_embd=80", "gru", "transformer n_embd=80",
    "transformer n_layer=6", "transformer n_embd=80", "wavenet", "transformer n_embd=80",
)  # fmt: skip
# Networks that are mixed with counts where no time is named: (lines of the text, networks of fewer)
BY_DEFAULT = ((1_000, 2), (SHORT_LIST, 1))
MOST_STEPS = 300  # of such a network, or its recipe's: below 5,000 lines half a minute does
# What every member has of its recipe's steps before one more is added, by is_short.
LEAST_SHARE = {True: 2.0, False: 1.2}
WITHOUT_VAL = 1.0  # times a network's steps where no validation line tells when to end


def is_short(parts: Split) -> bool:
    """Tell whether a list has fewer lines, of all parts, than SHORT_LIST."""
    return parts.n_lines < SHORT_LIST


def lineup_of(parts: Split) -> Members:
    """List the models that learn this list together: counts, then networks, the best first."""
    return members_of(", ".join((*COUNTS, *(SHORT if is_short(parts) else LONG))))


def choose_model(parts: Split, requested: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Choose the model of a list -> its name, options for it, and one line that says why.

    A list that is not short, and options that only a transformer has, give the default model.
    """
    of_model = requested.keys() & options_of(get_model(DEFAULT_MODEL).Options).keys()
    if of_model or not is_short(parts):
        return DEFAULT_MODEL, {}, ""
    networks = next(number for lines, number in BY_DEFAULT if parts.n_lines < lines)
    lineup = lineup_of(parts)[: len(COUNTS) + networks]
    members = [(name, with_steps(name, options, parts, requested)) for name, options in lineup]
    mixed = "a network" if networks == 1 else f"{networks} networks"
    why = f"{parts.n_lines:,} lines: counts and {mixed} are mixed"
    return BUDGET_MODEL, {"members": text_of(members)}, why


def with_steps(
    name: str, options: Mapping[str, Any], parts: Split, requested: Mapping[str, Any]
) -> dict[str, Any]:
    """Add to a network's options the most steps that are of use, before which patience ends it.

    Requested options are left out: all members have them.
    """
    own = {key: value for key, value in options.items() if key not in requested}
    if "max_steps" in {**requested, **own} or issubclass(get_model(name), CountModel):
        return own
    shared = options_for(get_model(name), requested)
    steps = recipe_steps(Plan.make(name, {**shared, **own}, parts, ""))
    share = MOST_SHARE if len(parts.val) else WITHOUT_VAL
    return {**own, "max_steps": max(steps, min(MOST_STEPS, round(share * steps)))}
