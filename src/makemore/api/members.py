"""Members: those of an ensemble with all their options, of the model and of its training.

models/core/member_text.py splits the text; options of a training are known only from here on.
"""

from __future__ import annotations

from typing import Any

from makemore.models import get_model
from makemore.models.core.member_text import read_value, split_members
from makemore.options import options_of, unknown_key
from makemore.training import TrainingConfig

Members = list[tuple[str, dict[str, Any]]]  # of an ensemble: name and options of each


def members_of(text: str) -> Members:
    """Parse the members of an ensemble: names, and options as values of their types.

    An option is one of the member's model or of its training. Raises UsageError for an unknown
    model or option, or a value that cannot be.

        members_of("ngram, gru n_hidden=192") -> [("ngram", {}), ("gru", {"n_hidden": 192})]
    """
    members = []
    for name, written in split_members(text):
        each = {**options_of(TrainingConfig), **options_of(get_model(name).Options)}
        # Threads, device and the like are the ensemble's, the same for all members.
        known = {key: option for key, option in each.items() if option.identifies_run}
        for key in written:
            if key not in known:
                raise unknown_key(key, known, f"option of {name}")
        members.append((name, {key: read_value(known[key], text) for key, text in written.items()}))
    return members


def text_of(members: Members) -> str:
    """Write members as the text that `members_of` parses."""
    return ", ".join(
        " ".join([name, *(f"{key}={_written(value)}" for key, value in values.items())])
        for name, values in members
    )


def _written(value: Any) -> str:
    """Write an option's value as the command line has it: `true`, `none`, `0.1`."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
