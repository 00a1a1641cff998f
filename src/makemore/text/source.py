"""Source: the lines of a stream of bytes, from bytes to blocks of clean text, and what was noticed.

A table gives the lines of its columns; what is no plain list is refused, with what to type.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

from makemore.errors import DataError
from makemore.escaping import visible
from makemore.options import as_flags, without_options
from makemore.text.config import NO_LIMITS, TextConfig
from makemore.text.reading import MARK, Remark, blocks
from makemore.text.shape import LOOKED_AT, shape_of
from makemore.text.table import Swallowed, is_table, lines_of


class Source:
    """Reads a stream once; `marks` and `remarks` are known when all texts were taken.

    path: of the file, as it was typed; name: as errors show it
    refuses: a text that is no plain list is an error, unless options.as_is
    most: bytes that are read at most; None: as many as a list in memory may have
    """

    def __init__(
        self, stream: BinaryIO, path: str, name: str, options: TextConfig, refuses: bool = True,
        most: int | None = None,
    ) -> None:  # fmt: skip
        self.most = most
        self.stream, self.path, self.name, self.options = stream, path, name, options
        self.refuses = refuses
        self.marks = 0  # byte order marks within the text, which are dropped
        self.shape: Remark | None = None
        self._swallowed = Swallowed()

    @property
    def line_options(self) -> TextConfig:
        """Return the options of the lines: a table's rows are TEXT<tab>LABEL lines now."""
        if not is_table(self.options):
            return self.options
        return replace(self.options, labels=self.options.label_column is not None)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """List what looked wrong, and was read all the same."""
        found = (self.shape, self._swallowed.remark())
        return tuple(remark for remark in found if remark)

    def texts(self) -> Iterator[str]:
        """Yield blocks of text that each end at the end of a line. Raises DataError, UsageError."""
        options = self.options
        texts = self._without_marks(
            blocks(self.stream, self.name, options.encoding, options.errors, self.most)
        )
        if is_table(options):
            texts = lines_of(texts, self.name, options, self._swallowed)
        return texts if options.as_is else self._checked(texts)

    def _without_marks(self, texts: Iterable[str]) -> Iterator[str]:
        """Drop byte order marks: within a text they show where files were put together."""
        for text in texts:
            self.marks += text.count(MARK)
            yield text.replace(MARK, "")

    def _checked(self, texts: Iterator[str]) -> Iterator[str]:
        """Yield the texts, after a look at the shape of their first lines."""
        first, n_lines = list[str](), 0
        for text in texts:
            first.append(text)
            n_lines += text.count("\n")
            if n_lines > LOOKED_AT:
                break
        lines = "".join(first).split("\n", LOOKED_AT)[:LOOKED_AT]
        head = [line for line in map(str.strip, lines) if line]
        self.shape = shape_of(head, self.options, self.path)
        if self.shape is not None and self.refuses:
            raise refusal(self.shape, self.path, self.name, self.options)
        yield from itertools.chain(first, texts)


def refusal(shape: Remark, path: str, name: str, options: TextConfig) -> DataError:
    """Make the error for a text that is no plain list: what it is, and how to learn it."""
    if shape.add:
        what = f"{visible(shape.says, 250)} (whole lines are learned with --as-is)"
        return without_options(DataError, what, name, shape.add)
    what = f"{visible(shape.says, 250)} (--as-is learns it so)"
    return DataError(what, name, f"type makemore {shlex.join(fix_words(path, options))}")


def fix_words(path: str, options: TextConfig) -> list[str]:
    """Write the words of the command that makes a mended copy of a file."""
    default, unlimited = asdict(TextConfig()), asdict(NO_LIMITS)
    typed = {
        key: value
        for key, value in asdict(options).items()
        if value not in (default[key], unlimited[key]) and key not in ("as_is", "keep_copies")
    }
    return ["data", path, *as_flags(typed), "--fix", free_name(path)]


def free_name(path: str) -> str:
    """Choose the name of a mended copy, in this folder, that no file has yet."""
    stem = "list" if path == "-" else Path(path).stem.lstrip("-") or "list"
    names = (f"{stem}-fixed{number or ''}.txt" for number in itertools.count())
    return next(name for name in names if not Path(name).exists())
