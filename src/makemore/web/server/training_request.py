"""Training request: what a client asks to be trained, checked, and as words of `makemore train`.

Nothing that a client sends becomes a path: a name is spelled anew, and options that name files are
not among those that are taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from makemore.errors import DataError, UsageError
from makemore.models.core.declared import declared
from makemore.models.core.member_text import written_members
from makemore.options import NONE, Option, options_of, unknown_key
from makemore.runs.shapes import has_shape
from makemore.text import TextConfig
from makemore.training.config import (
    AUTO_PRIOR,
    BUDGET_MODEL,
    BUILTIN_PRIOR,
    DEFAULT_MODEL,
    NO_PRIOR,
    TrainingConfig,
    parse_seconds,
)
from makemore.web.server.http_errors import HttpError

KEYS = ("lines", "text", "name", "model", "time", "options")
PRIORS = (AUTO_PRIOR, BUILTIN_PRIOR, NO_PRIOR)  # any other one is a folder
FIXED = ("encoding", "errors")  # a list that was posted is UTF-8
SAVED_EVERY = 2.0  # seconds: whoever watches sees new weights that often
NAME_LENGTH = 40  # characters
MOST_VALUE = 10_000  # bytes of an option's value


@dataclass(frozen=True)
class TrainingRequest:
    """Holds a training that was asked for.

    text: the list as a file has it; name: of the run, safe as a file's name
    model: None lets makemore choose; options: of `makemore train`, by name
    """

    text: str
    name: str
    model: str | None
    time: str | None
    options: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """Return the options as they are typed."""
        named = {"model": self.model, "time": self.time}
        given = {key: value for key, value in named.items() if value is not None}
        return as_words({**given, "save_interval": SAVED_EVERY, **self.options})


def training_request(body: Mapping[str, Any]) -> TrainingRequest:
    """Check the body of a request to train a list. Raises HttpError, UsageError, DataError."""
    for key in body:
        if key not in KEYS:
            raise unknown_key(key, KEYS, "key")
    for key in ("name", "model"):
        if not isinstance(body.get(key), str | None):
            raise UsageError(f"{key} is no text", key, "give a text in quotes")
    time = body.get("time")
    if time is not None:
        parse_seconds(time)  # raises what is wrong with it
    model, options = body.get("model") or None, body.get("options", {})
    if not isinstance(options, dict):
        raise UsageError("options are no object", "options", 'give {"max_steps": 500}')
    named = model or (DEFAULT_MODEL if time is None else BUDGET_MODEL)
    check_options(named, options)
    return TrainingRequest(
        text_of(body), safe_name(body.get("name") or ""), model,
        None if time is None else str(time), options,
    )  # fmt: skip


def text_of(body: Mapping[str, Any]) -> str:
    """Return the list as the text of a file. Raises HttpError, DataError."""
    if ("lines" in body) == ("text" in body):
        raise HttpError(
            400, "give lines or text, one of them", None, '{"lines": ["emma", "olivia"]}'
        )
    if "text" in body:
        text = body["text"]
        if not isinstance(text, str):
            raise HttpError(400, "text is no text", "text", "give one text with line ends")
    else:
        lines = body["lines"]
        if not has_shape(lines, [str]):
            raise HttpError(400, "lines are no list of texts", "lines", '["emma", "olivia"]')
        if any("\n" in line or "\r" in line for line in lines):
            raise DataError("a line holds a line end", "lines", "give each line by itself")
        text = "".join(f"{line}\n" for line in lines)
    try:
        text.encode()
    except UnicodeEncodeError:
        whole = "give whole characters"
        raise DataError("half of a surrogate pair is no character", "list", whole) from None
    if not text.strip():
        raise DataError("nothing to learn from", "list", "give lines")
    return text


def check_options(model: str, options: Mapping[str, Any]) -> None:
    """Check options of `makemore train` for a model. Raises UsageError for one that cannot be."""
    known = options_for(model)
    for key, value in options.items():
        if key not in known:
            raise unknown_key(key, known)
        known[key].check(value)
        if isinstance(value, str) and not is_word(value):
            raise UsageError(f"{key} is no word of a command", key, "give a short text without NUL")
    check_prior(options.get("prior"))
    if isinstance(members := options.get("members"), str):
        for name, written in written_members(members):
            declared(name)  # raises for a model that is not ours
            check_prior(written.get("prior"))


def is_word(value: str) -> bool:
    """Tell whether the system takes a text as a word of a command."""
    try:
        return len(value.encode()) <= MOST_VALUE and "\0" not in value
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def check_prior(prior: str | None) -> None:
    """Refuse a prior that is a folder: no path comes from a client. Raises UsageError."""
    if prior is not None and prior not in PRIORS:
        raise UsageError(
            f"no prior is called {prior!r} here", "prior", "choose one of " + ", ".join(PRIORS)
        )


def options_for(model: str) -> dict[str, Option]:
    """Collect the options that a client may give for a model. Raises UsageError."""
    own = options_of(declared(model).kind.Options)
    known = {**own, **options_of(TrainingConfig), **options_of(TextConfig)}
    return {key: option for key, option in known.items() if key not in FIXED}


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Write options as single words: {"n_embd": 8, "labels": True} -> --n-embd=8 --labels.

    A value in a word of its own could be taken for an option, as "--plugin=x.py" could.
    """
    words = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words.append(f"--{flag}={NONE if value is None else value}")
    return words


def words_to_go_on(model: str, asked: Mapping[str, Any]) -> list[str]:
    """Write the options by which a run goes on: those that it was started with (config.json)."""
    known, named = options_for(model), dict[str, Any]()
    if "model" not in asked:  # else none was named, and makemore has chosen it by the list
        named["model"] = model
    if isinstance(time := asked.get("time"), float | int):
        named["time"] = f"{time:f}"
    given = {key: value for key, value in asked.items() if key in known}
    for key, value in given.items():
        if isinstance(value, str) and not is_word(value):  # of a run that somebody has edited
            raise UsageError(f"{key} is no word of a command", key, "mend config.json of the run")
    return as_words({**named, "save_interval": SAVED_EVERY, **given})


def safe_name(name: str) -> str:
    """Spell a name so that it is one of a file, in no other folder: letters, digits, - and _."""
    name = unicodedata.normalize("NFC", Path(name).stem)
    spelled = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    spelled = re.sub(r"-{2,}", "-", spelled)[:NAME_LENGTH].strip("-_")
    while len(spelled.encode()) > 2 * NAME_LENGTH:  # a file's name has at most 255 bytes
        spelled = spelled[:-1]
    return spelled or "list"
