"""Member text: the members of an ensemble as --members writes them, split and read. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from makemore.errors import UsageError
from makemore.models.core.base import Model
from makemore.models.core.registry import get_model
from makemore.options import Option, options_of

MAX_MEMBERS = 64


def split_members(text: str) -> list[tuple[str, dict[str, str]]]:
    """Split the text of --members: "ngram, gru n_hidden=192" -> names, options as texts.

    That gives [("ngram", {}), ("gru", {"n_hidden": "192"})]. Raises UsageError for an unknown
    model, one that cannot be a member, or too many.
    """
    members = written_members(text)
    for name, _ in members:
        # A mixture of mixtures is one mixture of all their members: give these instead.
        if get_model(name).is_ensemble:
            raise UsageError(f"{name} is no member of an ensemble", "--members", "leave it out")
    return members


def written_members(text: str) -> list[tuple[str, dict[str, str]]]:
    """Split the text of --members without asking which models there are. Raises UsageError."""
    parts, members = text.split(","), []
    if len(parts) > MAX_MEMBERS:
        raise UsageError(f"{len(parts)} members", "--members", f"give at most {MAX_MEMBERS}")
    for part in parts:
        name, *pairs = part.split() or [""]  # "gru n_hidden=192" -> "gru", ["n_hidden=192"]
        members.append((name, {key: value for key, _, value in (p.partition("=") for p in pairs)}))
    return members


def model_options(kind: type[Model], written: Mapping[str, str]) -> dict[str, Any]:
    """Read the options that belong to a member's model; the others are those of its training."""
    known = options_of(kind.Options)
    return {key: read_value(known[key], value) for key, value in written.items() if key in known}


def member_block_size(kind: type[Model], options: Any, block_size: int, labels: bool) -> int:
    """Compute the block_size of a member: the one it would have alone, for the same text."""
    # A sequence's block_size is the longest line and the boundary; a window has the label's column.
    return kind.context_for(options, block_size - 1) + (kind.input_kind == "window" and labels)


def read_value(option: Option, text: str) -> Any:
    """Convert an option's text to its value. Raises UsageError if it is no value of that option."""
    if option.optional and text == "none":
        return None
    if option.type is bool:
        # bool("false") would be True; other texts are refused by `check`.
        return option.check({"true": True, "false": False}.get(text, text))
    try:
        return option.check(option.type(text))
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        return option.check(text)  # raises, and names the kind of value that is expected
