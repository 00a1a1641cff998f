"""Requests: the objects of JSON that /api/sample, /api/score and /api/explain take. No torch.

What a body may hold is declared once, as options: an unknown key names the nearest known one, a
value of another type or out of range says what to give. Errors are UsageError (422).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from makemore.errors import UsageError
from makemore.escaping import visible
from makemore.options import Option, option, options_of, unknown_key
from makemore.sampling.config import Filters, SamplingConfig
from makemore.training.config import TrainingConfig

MOST_LINES = 1000  # that are drawn or scored by one request
LONGEST_CONDITION = 1000  # symbols of a prefix, a pattern, ... and of a text to explain
LONGEST_LINE = 2000  # symbols of a line to score
MOST_EXPECTED = 100  # symbols that are named at each place of a text
WRONG_TEXT = "give Unicode text: this holds one half of a surrogate pair"


@dataclass(frozen=True)
class SampleRequest:
    """Asks for n new lines, of this seed (None: a fresh one), under options of SamplingConfig."""

    n: int
    seed: int | None
    options: tuple[tuple[str, Any], ...]  # sorted: equal ones are drawn together


@dataclass(frozen=True)
class ScoreRequest:
    """Asks how likely lines are."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class ExplainRequest:
    """Asks what the model expected at each symbol of a text."""

    text: str
    label: str | None
    top: int
    temperature: float


# The keys of a body beside those of SamplingConfig. `run` is looked up by the server.


@dataclass(frozen=True)
class _SampleKeys:
    run: str | None = option(None, "id of the run")
    n: int = option(20, "how many lines", minimum=0, maximum=MOST_LINES)


@dataclass(frozen=True)
class _ExplainKeys:
    run: str | None = option(None, "id of the run")
    text: str = option("", "the line to explain")
    label: str | None = option(None, "its label, in a run with labels")
    top: int = option(5, "how many expected symbols are named", minimum=1, maximum=MOST_EXPECTED)


def sample_request(body: Mapping[str, Any]) -> SampleRequest:
    """Check the body of /api/sample. Raises UsageError."""
    known = {**options_of(_SampleKeys), **_seeds(), **options_of(SamplingConfig)}
    values = _checked(body, known)
    n, seed = values.pop("n", 20), values.pop("seed", None)
    values.pop("run", None)
    return SampleRequest(n, seed, tuple(sorted(values.items())))


def score_request(body: Mapping[str, Any]) -> ScoreRequest:
    """Check the body of /api/score. Raises UsageError."""
    known = {"run": options_of(_SampleKeys)["run"], "lines": None}
    for key in body:
        if key not in known:
            raise unknown_key(key, known, "key")
    lines, what = body.get("lines"), 'give {"lines": ["emma", ...]}'
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UsageError("lines is no list of texts", "lines", what)
    if len(lines) > MOST_LINES:
        to_do = f"give {MOST_LINES} at a time"
        raise UsageError(f"{len(lines)} lines are too many", "lines", to_do)
    for line in lines:
        _check_text(line, "lines", LONGEST_LINE)
        _check_one_line(line, "lines")
    return ScoreRequest(tuple(lines))


def explain_request(body: Mapping[str, Any]) -> ExplainRequest:
    """Check the body of /api/explain. Raises UsageError."""
    temperature = options_of(Filters)["temperature"]
    values = _checked(body, {**options_of(_ExplainKeys), "temperature": temperature})
    if "text" not in values:
        raise UsageError("no text to explain", "text", 'give {"text": "emma"}')
    _check_one_line(values["text"], "text")
    return ExplainRequest(
        values["text"], values.get("label"), values.get("top", 5), values.get("temperature", 1.0)
    )


def _seeds() -> dict[str, Option]:
    """Declare `seed` as the training does, but optional: without one, lines are fresh."""
    declared = options_of(TrainingConfig)["seed"]
    return {"seed": Option(**{**vars(declared), "optional": True, "default": None})}


def _checked(body: Mapping[str, Any], known: Mapping[str, Option]) -> dict[str, Any]:
    """Check the values of a body by options, and the texts among them; errors name the key."""
    values = dict[str, Any]()
    for key, value in body.items():
        if key not in known:
            raise unknown_key(key, known, "key")
        if isinstance(value, str):
            _check_text(value, key, LONGEST_CONDITION)
        try:
            values[key] = known[key].check(value)
        except UsageError as error:
            raise UsageError(visible(error.what, 200), key, error.to_do) from None
    return values


def _check_text(text: str, key: str, longest: int) -> None:
    """Raise UsageError for a text that is too long, or that no bytes of UTF-8 can be."""
    if len(text) > longest:
        raise UsageError(f"{key} has {len(text)} characters", key, f"give {longest} at most")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UsageError(f"{key} is no text", key, WRONG_TEXT)


def _check_one_line(text: str, key: str) -> None:
    """Raise UsageError for a text of several lines; white space at its ends does not count."""
    if "\n" in text.strip():
        raise UsageError(f"{key} holds a line break", key, "give one line at a time")
