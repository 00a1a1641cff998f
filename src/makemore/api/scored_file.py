"""Scored file: the lines of a file, or of a shard of it, and how likely each is."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from makemore.errors import UsageError
from makemore.text.config import TextConfig
from makemore.text.file_kinds import check_kind
from makemore.text.line_blocks import LineBlocks
from makemore.text.opening import reading
from makemore.text.reading import ends_lines_with_lf
from makemore.text.shard import Shard
from makemore.text.streaming import Arriving, LineStream, line_chunks

if TYPE_CHECKING:
    from makemore.api import MakeMore

# Lines that are scored together, and their characters: memory stays the same however many come.
LINES_AT_ONCE, SYMBOLS_AT_ONCE = 2**15, 2**21
HEAD = 2**16  # bytes by which a file is known that is no text


@contextmanager
def lines_to_score(
    file: str, config: TextConfig, shard: Shard | None = None
) -> Iterator[tuple[LineStream, str]]:
    """Open a file (`-`: standard input) to read lines of; yields the stream and its name in errors.

    Raises DataError where it cannot be read; UsageError for a shard of what has no parts.
    """
    with reading(file) as (opened, shown):
        if not _is_plain(opened) or not ends_lines_with_lf(config.encoding):
            if shard is not None:
                raise _no_parts(file, shown, config, opened)
            yield Arriving(opened), shown
            return
        if shard is not None and shard.index:  # whoever reads the first block checks it there
            check_kind(opened.read(HEAD), shown, True)
        blocks = LineBlocks(opened, shard)
        # How many lines are before is not known without reading them: the byte is.
        yield blocks, shown if blocks.from_start else f"{shown} after byte {blocks.start}"


def _is_plain(opened: BinaryIO) -> bool:
    """Tell whether a stream is a regular file, in which one can go to any byte."""
    try:
        return stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
    except (OSError, AttributeError):  # bytes in memory
        return False


def _no_parts(file: str, shown: str, config: TextConfig, opened: BinaryIO) -> UsageError:
    """Make the error for a file whose lines cannot be found from the middle."""
    if not _is_plain(opened):
        return UsageError("only a plain file has parts", shown, "write it into a file, and name it")
    what = f"where a line starts cannot be seen from the middle of a file in {config.encoding}"
    command = f"iconv -f {shlex.quote(config.encoding)} -t utf-8 {shlex.quote(file)} > utf8.txt"
    return UsageError(what, "--shard", f"make it UTF-8: {command}")


def scored_file(
    maker: MakeMore, file: str | os.PathLike[str], shard: str | None = None
) -> Iterator[tuple[str, float]]:
    """Score the lines of a file: yields each with its nll, nats, as `makemore score` prints them.

    shard: "2/4" scores the second of four parts, which begins where the first ends. The file is
    read as the run's text was, and never held as a whole.
    """
    from makemore.api.fitted_state import corpus_as_is

    config, part = maker.text_config, None if shard is None else Shard.parse(shard)
    most = LINES_AT_ONCE, SYMBOLS_AT_ONCE
    with lines_to_score(os.fspath(file), config, part) as (stream, name):
        chunks = line_chunks(stream, name, config.max_line, most, config.encoding, config.errors)
        for lines in filter(None, chunks):
            yield from zip(lines, maker.scores(corpus_as_is(lines)).nll.tolist(), strict=True)
