"""Lineup: which models learn a list together, where nobody has named one.

From a few hundred lines, counts know which symbols follow each other, and a network what a line as
a whole is like. Neither is best alone: their mixture is, by 0.1 nats a symbol and more, and the
counts cost no time. So a list of fewer than SHORT_LIST lines is learned by an ensemble. What words
look like, so few lines do not show: one of the networks starts from a prior (prior.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from makemore.api.budget_clock import MOST_SHARE
from makemore.api.members import Members, members_of, text_of
from makemore.api.plan import Plan
from makemore.api.prior import load_prior
from makemore.api.resolve import options_for
from makemore.errors import UsageError
from makemore.models import CountModel, get_model
from makemore.options import options_of
from makemore.text import Split
from makemore.text.tokenizer import CHARACTER
from makemore.training.config import (
    AUTO_PRIOR,
    BUDGET_MODEL,
    BUILTIN_PRIOR,
    DEFAULT_MODEL,
    NO_PRIOR,
)

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
BESIDE_PRIOR = 1  # networks beside the one from a prior
# The built-in prior is of use where it knows most of a list's symbols.
MOSTLY_KNOWN = 0.9
# Of so few lines the tenth for validation does not tell when to stop: the last weights are kept.
STOPPED_BY_VAL = 300  # lines from which on it does
MOST_STEPS = 300  # of such a network, or its recipe's: below 5,000 lines half a minute does
# What every member has of its recipe's steps before one more is added, by is_short.
LEAST_SHARE = {True: 2.0, False: 1.2}
WITHOUT_VAL = 1.0  # times a network's steps where no validation line tells when to end


def is_short(parts: Split) -> bool:
    """Tell whether a list has fewer lines, of all parts, than SHORT_LIST."""
    return parts.n_lines < SHORT_LIST


def lineup_of(parts: Split, requested: Mapping[str, Any]) -> Members:
    """List the models that learn this list together: counts, then networks, the best first."""
    networks = SHORT if is_short(parts) else LONG
    from_prior = member_from(prior_of(parts, requested))
    return members_of(", ".join((*COUNTS, *from_prior, *networks)))


def prior_of(parts: Split, requested: Mapping[str, Any]) -> str:
    """Choose the prior that a short list's network starts from: "builtin", a folder, or "none"."""
    named = requested.get("prior", AUTO_PRIOR)
    if named != AUTO_PRIOR:
        return str(named)
    if not is_short(parts) or requested.get("symbols", CHARACTER) != CHARACTER:
        return NO_PRIOR
    prior = load_prior(BUILTIN_PRIOR)
    known = prior.vocabulary.encode(parts.train).ids >= 0 if prior else None
    return BUILTIN_PRIOR if known is not None and known.mean() >= MOSTLY_KNOWN else NO_PRIOR


def member_from(name: str) -> tuple[str, ...]:
    """Write the member that starts from a prior; none without one. Raises UsageError."""
    prior = load_prior(name)
    if prior is None:
        return ()
    if re.search(r"[\s,=]", name):  # it stands among the members' options
        raise UsageError(f"{name!r} holds a space or a comma", "--prior", "rename the folder")
    return (f"{prior.model} prior={name} patience=3",)


def choose_model(parts: Split, requested: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Choose the model of a list -> its name, options for it, and one line that says why.

    A list that is not short, and options that only a transformer has, give the default model.
    """
    of_model = requested.keys() & options_of(get_model(DEFAULT_MODEL).Options).keys()
    if of_model or not is_short(parts):
        return DEFAULT_MODEL, {}, ""
    lineup = lineup_of(parts, requested)
    networks = next(number for lines, number in BY_DEFAULT if parts.n_lines < lines)
    mixed = "counts and a network" if networks == 1 else f"counts and {networks} networks"
    prior = load_prior(lineup[len(COUNTS)][1].get("prior"))
    if prior is not None:
        networks = 1 + BESIDE_PRIOR
        lists = len(prior.vocabulary.labels)
        read = f"{lists} other lists" if lists else "another list"
        mixed = f"counts, a network that has read {read}, and one that has not"
    members = [
        (name, with_steps(name, options, parts, requested))
        for name, options in lineup[: len(COUNTS) + networks]
    ]
    why = f"{parts.n_lines:,} lines: {mixed} are mixed"
    return BUDGET_MODEL, {"members": text_of(members)}, why


def with_steps(
    name: str, options: Mapping[str, Any], parts: Split, requested: Mapping[str, Any]
) -> dict[str, Any]:
    """Add to a network's options the most steps that are of use, before which patience ends it.

    Requested options are left out: all members have them.
    """
    own = {key: value for key, value in options.items() if key not in requested or key == "prior"}
    if "max_steps" in {**requested, **own} or issubclass(get_model(name), CountModel):
        return own
    shared = options_for(get_model(name), requested)
    shared.pop("prior", None)
    steps = Plan.make(name, {**shared, **own}, parts, "").recipe_steps
    if "prior" in own:
        if parts.n_lines < STOPPED_BY_VAL:
            own["eval_interval"] = steps
        return {**own, "max_steps": steps}
    share = MOST_SHARE if len(parts.val) else WITHOUT_VAL
    return {**own, "max_steps": max(steps, min(MOST_STEPS, round(share * steps)))}
