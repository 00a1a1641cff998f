"""Labels: reads the mixture of labels that `--label` takes, and names the labels that there are."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping

from makemore.errors import UsageError
from makemore.escaping import visible

SHOWN = 12  # labels in a message
_QUOTED = re.compile(r'"((?:[^"]|"")*)"\s*(?=[=,]|$)')  # as in CSV: "" is a quote inside


def parse_mixture(text: str, names: Iterable[str]) -> dict[str, float]:
    """Parse a mixture of labels into the probability of each, scaled to sum to 1.

    A label may hold commas and equals signs; where two readings are possible, the longest label
    counts, and quotes around one say where it ends. Raises UsageError for an unknown label, or a
    weight that is no number above 0.

        parse_mixture("female=7,scots=3", names) -> {"female": 0.7, "scots": 0.3}
        parse_mixture('"Smith, J."=1,Doe=1', names) -> {"Smith, J.": 0.5, "Doe": 0.5}
    """
    names = tuple(names)
    try:
        return _mixture(text, {name: name for name in names})
    except UsageError:
        # An accent may be typed as a character of its own: the same label, spelt in other ids.
        composed = {unicodedata.normalize("NFC", name): name for name in names}
        typed = unicodedata.normalize("NFC", text)
        if composed.keys() == set(names) and typed == text:
            raise
        return _mixture(typed, composed)


def _mixture(text: str, spelled: Mapping[str, str]) -> dict[str, float]:
    """Parse a mixture; spelled: each label as it may be typed -> as the run has it."""
    if text in spelled:  # a label may itself look like a mixture
        return {spelled[text]: 1.0}
    weights = dict[str, float]()
    rest, comma = text, ","
    while comma:
        name, rest = _leading_label(rest.strip(), spelled)
        number, comma, rest = rest.partition(",")
        weights[name] = weights.get(name, 0.0) + _weight(number.strip(), name)
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _leading_label(text: str, spelled: Mapping[str, str]) -> tuple[str, str]:
    """Split off the label that a text begins with, and return it and what follows."""
    starts = [
        name for name in spelled
        if text.startswith(name) and text[len(name) :].lstrip()[:1] in ("", "=", ",")
    ]  # fmt: skip
    if starts:
        longest = max(starts, key=len)
        return spelled[longest], text[len(longest) :].lstrip()
    quoted = _QUOTED.match(text)
    if quoted:
        name = quoted[1].replace('""', '"')
        rest = text[quoted.end() :]
    else:
        part = text.split(",")[0]
        name, equals, _ = part.rpartition("=")
        name, rest = (name if equals else part).strip(), ""
    if name not in spelled:
        raise unknown_label(name, spelled.values())
    return spelled[name], rest


def _weight(text: str, name: str) -> float:
    """Read the weight behind a label, `=.7`; without one it is 1. Raises UsageError."""
    number = text.removeprefix("=").strip() if text else "1"
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0  # refused below, with the same message as a number out of range
    if not 0 < weight < math.inf:
        raise UsageError(
            f"{visible(number, 40)!r} is no share of {name!r}", "--label", "give NAME=.7,OTHER=.3"
        )
    return weight


def unknown_label(name: str, names: Iterable[str]) -> UsageError:
    """Make the error for a label that a run lacks: it lists those that there are."""
    names = list(names)
    same = [known for known in names if known.casefold() == name.casefold()]
    near = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listed = ", ".join(visible(known, 40) for known in names[:SHOWN])
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    asked = f"did you mean {near[0]!r}? " if near else ""
    to_do = f"{asked}known are {listed}{more}"
    return UsageError(f"unknown label {visible(name, 60)!r}", None, to_do)
