"""Count a part: the n-grams of one shard of a file that memory need not hold, as `makemore count`.

The file is read once. Its lines are cleaned as a training does it; those of this shard, by a hash
of their text, go to three files, for train, val and test. Then the copies are dropped, and the
train lines counted. All that grows with the file is sorted in runs on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from makemore.api.resolve import identifies_run, split_options
from makemore.api.shard_lines import Digested, Lines
from makemore.errors import DataError, UsageError
from makemore.models import get_model
from makemore.models.core.gram_counts import GramCounts
from makemore.models.ngram import NGram
from makemore.parallel import default_threads, thread_pool
from makemore.runs.manifest import PARTS
from makemore.runs.part import COUNT_TYPE, GRAMS, LINES, ROWS, Part, PartWriter
from makemore.runs.safe_files import writing
from makemore.runs.scratch import scratch
from makemore.text import TextConfig
from makemore.text.dataset import MIN_LINES_TO_SPLIT
from makemore.text.opening import reading
from makemore.text.reading import Remark
from makemore.training.available_memory import available_bytes
from makemore.version import __version__

BASE = 160 * 2**20  # bytes of Python and numpy
A_THREAD = 48 * 2**20  # bytes that a thread works on
LEAST_MEMORY = 256 * 2**20
UNKNOWN_MEMORY = 2**30  # bytes that are taken where nobody knows how many are free


@dataclass(frozen=True)
class Budget:
    """Divides bytes of memory: threads that fit, and room for what is sorted before it is written.

    A run is merged to one of twice its size before it is written, so room is a third of the rest.
    """

    threads: int
    room: int

    @classmethod
    def of(cls, memory: int | None) -> Budget:
        """Divide so many bytes, or half of those that are free. Raises UsageError for too few."""
        if memory is None:
            memory = max(LEAST_MEMORY, (available_bytes() or 2 * UNKNOWN_MEMORY) // 2)
        if memory < LEAST_MEMORY:
            what = f"{memory:,} bytes of memory are too few to count in"
            raise UsageError(what, "--memory", f"give {LEAST_MEMORY // 2**20}MiB or more")
        threads = min(default_threads(), max(1, (memory - BASE) // (2 * A_THREAD)))
        return cls(threads, (memory - BASE - threads * A_THREAD) // 3)


@dataclass(frozen=True)
class Request:
    """Holds what is to be counted: a file, as it was typed, which shard of how many, and options.

    name: what the text is called in config.json
    """

    file: str
    name: str
    shard: tuple[int, int]
    model: str
    requested: Mapping[str, Any]

    def checked(self) -> tuple[NGram.Options, TextConfig]:
        """Check the options -> those of the model and of the text. Raises UsageError."""
        kind = get_model(self.model)
        if not issubclass(kind, NGram):
            raise UsageError(f"{self.model} does not learn by counting", "--model", "give ngram")
        options, _, text = split_options(kind, self.requested)
        for flag, given in (
            ("--labels", text.labels), ("--label-column", text.label_column),
            ("--symbols", text.symbols != TextConfig().symbols),
        ):  # fmt: skip
            if given:
                raise UsageError(
                    "shards of plain lines are counted, their symbols are characters", flag,
                    f"leave it out, or use makemore train FILE --model {self.model} with it",
                )  # fmt: skip
        return options, text

    def asked(self) -> dict[str, Any]:
        """Return the options that make another model of it, with their values checked."""
        options, text = self.checked()
        values = {**asdict(options), **asdict(text)}
        return {k: values[k] for k in self.requested if identifies_run(NGram, k)}


class Counted(NamedTuple):
    """Holds a part, whether it was there before, and what looked wrong in the file."""

    part: Part
    was_there: bool
    remarks: tuple[Remark, ...] = ()


def count_part(
    request: Request, folder: str | os.PathLike[str], memory: int | None = None, fresh: bool = False
) -> Counted:
    """Count a shard of a file into a part directory.

    memory: bytes to work in; None: half of what is free
    fresh: count again. Raises UsageError, DataError, RunError, SystemFault.
    """
    options, text = request.checked()
    budget = Budget.of(memory)
    with PartWriter(folder, fresh) as writer:
        if writer.part is not None:
            _check_same(writer.part, request)
            return Counted(writer.part, True)
        with scratch(writer.folder) as inside, thread_pool(budget.threads):
            found = Lines(inside, budget.room)
            facts = found.read(request.file, request.shard, text)
            grams = _grams(found, options.order, inside, budget.room, facts["bytes"])
            files = _write_lines(found, writer.folder, grams)
            if request.shard[1] == 1:  # of several shards, only all together know it
                check_enough(found.distinct, request.file)
            files |= _write_grams(grams, writer.folder)
        part = writer.commit(
            {
                "version": __version__, "name": request.name, "shard": list(request.shard),
                "asked": request.asked(), "text": facts,
                "vocabulary": found.vocabulary.record(), "lines": asdict(found.counts),
                "symbols": found.symbols, "trained": found.trained, "distinct": found.distinct,
                "files": {name: files[name] for name in sorted(files)},
            }
        )  # fmt: skip
        return Counted(part, False, found.remarks)


def _check_same(part: Part, request: Request) -> None:
    """Raise UsageError if another shard, other options or another file was counted here."""
    same = part.shard == request.shard and part.facts["asked"] == request.asked()
    with reading(request.file) as (stream, _):
        same = same and Digested(stream).facts() == part.facts["text"]
    if not same:
        number, of = part.shard
        what = f"shard {number}/{of} of a file was counted here: another shard, file or options"
        raise UsageError(what, str(part.path), "give another -o, or --fresh to count again")


def _grams(found: Lines, order: int, inside: Path, room: int, size: int) -> GramCounts:
    folder = inside / "grams"
    folder.mkdir()
    width = 4 if size < 2**32 else 8  # bytes that hold the count of any n-gram of the file
    return GramCounts(len(found.vocabulary), order, folder, room // 2, width)


def _write_lines(found: Lines, folder: Path, grams: GramCounts) -> dict[str, dict[str, Any]]:
    """Write the distinct lines of each part, and count those of train -> entries of the files."""
    files = dict[str, dict[str, Any]]()
    for part in PARTS:
        with writing(folder, part + LINES) as text, writing(folder, part + ROWS) as rows:
            for lines, where in found.kept(part):
                text.write(lines.text().encode())
                rows.write(where.tobytes())
                if part == "train":
                    found.symbols += len(lines.codes)
                    found.trained += len(lines)
                    encoded = found.vocabulary.encode(lines)
                    grams.add(encoded.ids, encoded.offsets)
        files |= {part + LINES: text.entry, part + ROWS: rows.entry}
    return files


def _write_grams(grams: GramCounts, folder: Path) -> dict[str, dict[str, Any]]:
    """Write the sorted n-grams and their counts."""
    with writing(folder, GRAMS[0]) as codes, writing(folder, GRAMS[1]) as counts:
        for block in grams.merged():
            codes.write(block.codes.tobytes())
            counts.write(block.values.astype(COUNT_TYPE).tobytes())
    return {GRAMS[0]: codes.entry, GRAMS[1]: counts.entry}


def check_enough(distinct: int, where: str) -> None:
    """Raise DataError for a list so short that no lines are held back of it."""
    if distinct < MIN_LINES_TO_SPLIT:
        raise DataError(
            f"only {distinct} distinct lines, too few to hold some back", where,
            "use makemore train FILE --model ngram, which learns all of them",
        )  # fmt: skip
