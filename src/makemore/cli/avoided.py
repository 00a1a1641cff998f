"""Avoided: reads the files of --avoid and --avoid-like, and notes where nothing in them matches."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.errors import UsageError
from makemore.text import TextConfig

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.text import Corpus

MAX_SEEN = 100_000  # lines that are compared with those to avoid at the end


def read_as(own: TextConfig, values: Mapping[str, Any]) -> TextConfig:
    """Return how a file is read: like the run's own text, unless encoding or errors are typed."""
    typed = {name: values[name] for name in ("encoding", "errors") if values[name] is not None}
    return dataclasses.replace(own, **typed)


class Avoided:
    """Holds the lines of --avoid and --avoid-like, and notes where case is why none matches."""

    def __init__(self, maker: MakeMore, values: Mapping[str, Any]) -> None:
        """Read both files, as the run's text was read. Raises UsageError, DataError."""
        self.file, self.maker = values["avoid"], maker
        if "-" == self.file == values["avoid_like"]:
            raise UsageError("standard input is one file", "--avoid-like", "name another")
        if not (self.file or values["avoid_like"]):
            for name in ("encoding", "errors"):
                if values[name]:
                    what = f"--{name} says how lines to avoid are read"
                    raise UsageError(what, f"--{name}", "give --avoid FILE, too, or leave it out")
        self.lines = self._read(values, self.file)
        self.like = self._read(values, values["avoid_like"])
        self.seen: list[str] | None = None  # texts to look through at the end
        if self.lines is not None and self.file != values["avoid_like"]:
            self._note_case(self.lines)

    def _read(self, values: Mapping[str, Any], file: str | None) -> Corpus | None:
        from makemore.api.avoided import taken_whole
        from makemore.api.own_form import read_in_own_form

        if file is None:
            return None
        own = read_as(self.maker.text_config, values)
        lines, why_whole = read_in_own_form(file, own)
        if remark := why_whole or taken_whole(lines.remarks, file, own):
            note(f"{file}: {remark}")
        return lines

    def _note_case(self, lines: Corpus) -> None:
        from makemore.api.avoided import why_none_matches

        why = why_none_matches(lines, self.maker.vocabulary, self.maker.split)
        if why is not None:
            note(f"{self.file}: {why}: --avoid-like {shlex.quote(self.file)} compares without both")
        else:
            self.seen = []

    def see(self, text: str) -> None:
        """Remember a line that is shown, the first of them at least."""
        if self.seen is not None and len(self.seen) < MAX_SEEN:
            self.seen.append(text)

    def note_alike(self) -> None:
        """Note how many of the lines that were shown are an avoided one but for their case."""
        from makemore.api.avoided import alike_but_for_case

        if self.seen and self.lines is not None:
            if alike := alike_but_for_case(self.seen, self.lines):
                of = f"{alike} of these lines {'stands' if alike == 1 else 'stand'}"
                instead = f"--avoid-like {shlex.quote(self.file)} refuses them, too"
                note(f"{of} in {self.file} in another case or with other accents: {instead}")
