"""Large list: the lines of a text that memory does not hold, in files from which a network learns.

The text is read as `makemore count` reads it (shard_lines.py). Then the lines of train, val and
test lie in files in the scratch folder of the run directory (text/line_file.py), and so do their
hashes. What training needs of all lines is noted on the way: how many there are, the longest,
samples to evaluate. When it goes on after a kill, the files are made again of the run's split.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from makemore.api.count_part import Budget
from makemore.api.memory import USABLE, in_gigabytes
from makemore.api.plan import MAX_VAL_LINES, Plan
from makemore.api.resolve import split_options
from makemore.api.shard_lines import Digested, Lines
from makemore.errors import DataError, RunError, UsageError
from makemore.models import CountModel, get_model
from makemore.models.core.sorted_runs import Run, SortedRuns
from makemore.parallel import thread_pool
from makemore.runs import RunConfig
from makemore.runs.manifest import LIMITS, PARTS
from makemore.runs.scratch import scratch
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.text.dataset import MIN_LINES_TO_SPLIT
from makemore.text.hash_file import HashFile
from makemore.text.line_file import BlockSize, LineFile, LineFileWriter
from makemore.text.opening import reading
from makemore.text.python_lines import Lines as GivenLines
from makemore.text.reading import Remark
from makemore.training.available_memory import available_bytes
from makemore.training.config import names_prior

# Of memory for each byte of a file whose lines are learned in memory: code points, offsets, hashes,
# and copies of them while lines are put together. It was 4.2 to 4.7 for lines of 9 to 57 bytes.
BYTES_IN_MEMORY = 6


ROOMS = 3  # times the room of a Budget: what is free once nothing is sorted any more


class StoppedReading(Exception):
    """Ends the reading of a list once `stop` is set: nothing is saved yet."""


def stays_on_disk(
    file: str | os.PathLike[str], model: str, requested: Mapping[str, Any],
    time: float | str | None = None, memory: int | None = None, config: RunConfig | None = None,
) -> bool:  # fmt: skip
    """Decide whether a file's lines are learned from the disk: whether memory does not hold them.

    memory: bytes that were typed; None for what is free, where all that was typed can be learned so
    config: of the run that goes on, which learns them as it began
    Raises UsageError for a memory that does not hold the lines, and what cannot be learned without.
    """
    if config is not None:
        return bool(config.on_disk)
    try:
        status = os.stat(file)
    except (OSError, ValueError):  # whoever reads it says why
        return False
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    if memory is None:
        free = available_bytes()
        if size is None or free is None or size * BYTES_IN_MEMORY <= USABLE * free:
            return False
        try:
            check_learnable(model, requested, time)
        except UsageError:  # then memory has to do
            return False
        return True
    if size is None:
        raise UsageError("nobody knows how large this is", str(file), "give a file, or no --memory")
    if size * BYTES_IN_MEMORY <= memory:
        return False
    check_learnable(model, requested, time)
    Budget.of(memory)
    return True


def check_learnable(model: str, requested: Mapping[str, Any], time: float | str | None) -> None:
    """Raise UsageError for what is learned in memory only."""
    kind = get_model(model)
    if issubclass(kind, CountModel):
        raise UsageError(
            f"{model} counts, which train does in memory", "--memory",
            "type makemore count FILE -o PART --memory SIZE, and makemore merge PART -o DIR",
        )  # fmt: skip
    if kind.is_ensemble:
        what = "the members of an ensemble learn in memory"
        raise UsageError(what, "--memory", "name one network, such as --model gru")
    _, recipe, text = split_options(kind, requested)
    for flag, given in (
        ("--labels", text.labels), ("--label-column", text.label_column), ("--time", time),
        ("--symbols", text.symbols != TextConfig().symbols), ("--prior", names_prior(recipe.prior)),
        ("--soft-targets", requested.get("soft_targets")),
    ):  # fmt: skip
        if given:
            raise UsageError(
                "only plain lines of characters, in a number of steps, are learned from the disk",
                flag, "leave it out, or --memory",
            )  # fmt: skip


class LargeList:
    """Reads the lines of a text, or of a run that goes on, into files in a run directory.

    file: that was typed, None for the run's own lines; memory: bytes to work in, None: half of what
    is free; stop: once set, reading ends (StoppedReading)
    """

    def __init__(
        self, file: str | None, memory: int | None, stop: threading.Event | None = None
    ) -> None:
        """Raise UsageError for too little memory."""
        self.file, self.stop, self.budget = file, stop, Budget.of(memory)
        self.size = BlockSize()
        self.remarks: tuple[Remark, ...] = ()
        self.inside: Path

    @contextmanager
    def opened(self, folder: Path, config: RunConfig | None) -> Iterator[None]:
        """Hold the scratch folder of a run directory inside `with`; config: of a run that goes on.

        Files are removed behind it. Whoever still holds the lines can read them until then.
        """
        if config is not None and config.on_disk:
            self.size = BlockSize(config.on_disk["lines"], config.on_disk["symbols"])
        with scratch(folder) as inside:
            self.inside = inside
            yield

    def plan(self, model: str, requested: Mapping[str, Any], name: str) -> tuple[Plan, str]:
        """Read the file and plan a training; and say in one line what was read.

        Raises what reading and planning raise, and DataError for a list that no run can hold.
        """
        kind = get_model(model)
        _, _, text = split_options(kind, requested)
        split, facts, told = self._read(text)
        for part, lines in split:
            assert isinstance(lines, LineFile)  # noqa: S101 (it was made here)
            if lines.n_bytes > LIMITS[".txt"]:
                what = f"{part} has {in_gigabytes(lines.n_bytes)} of lines, and a run may hold"
                what += f" {in_gigabytes(LIMITS['.txt'])} of each part"
                raise DataError(what, self.file, "learn from a part of the list")
        # Soft targets come from counts of the training lines, which take more than the lines do.
        plan = Plan.make(model, {**requested, "soft_targets": 0.0}, split, name)
        plan = plan.as_requested(requested)
        at_once, n_blocks = self._at_once(plan)
        on_disk = {**facts, **self.size._asdict(), "blocks": at_once}
        told += f"; {at_once / n_blocks:.0%} of what it learns from is in memory at once"
        return replace(plan, config=replace(plan.config, on_disk=on_disk)), told

    def _at_once(self, plan: Plan) -> tuple[int, int]:
        """Choose how many blocks are in memory, of how many. Raises UsageError for the batch."""
        from makemore.training.disk_batches import blocks_in, buffers_of, items_of_blocks

        train, windows = plan.split.train, plan.kind.input_kind == "window"
        assert isinstance(train, LineFile)  # noqa: S101 (it was made here)
        id_bytes = np.min_scalar_type(-len(plan.vocabulary)).itemsize
        room = ROOMS * self.budget.room
        at_once = blocks_in(room, train, id_bytes, windows, plan.config.block_size)
        buffers_of(items_of_blocks(train, windows), at_once, plan.recipe.batch_size)
        return at_once, train.n_blocks

    def _read(self, text: TextConfig) -> tuple[Split, dict[str, Any], str]:
        """Read the file -> its split, its size and sha256, and what to tell of it."""
        assert self.file is not None  # noqa: S101 (a run that goes on is not read)
        found, parts = Lines(self.inside, self.budget.room, self._check_stop), list[LineFile]()
        with thread_pool(self.budget.threads):
            facts = found.read(self.file, (1, 1), text)
            for part in PARTS:
                lines = (lines for lines, _ in found.kept(part))
                parts.append(self._to_files(part, lines, found.vocabulary))
                found.spools[part].remove()
        if found.distinct < MIN_LINES_TO_SPLIT:
            what = f"only {found.distinct} distinct lines, too few to hold some back"
            raise DataError(what, self.file, "leave --memory out")
        self.remarks, counts = found.remarks, found.counts
        copies = counts.read - counts.blank - counts.too_long - found.distinct
        dropped = "copy" if copies == 1 else "copies"
        dropped += " kept" if text.keep_copies else " dropped"
        reasons = {
            dropped: copies, "blank": counts.blank, "too long": counts.too_long
        }  # fmt: skip
        kept = f"{sum(map(len, parts)):,} lines"
        told = ", ".join([kept, *(f"{n:,} {why}" for why, n in reasons.items() if n)])
        return Split(*parts), facts, told

    def read_part(self, part: str, lines: Iterator[Corpus], vocabulary: Vocabulary) -> Corpus:
        """Put the lines of a part of a run into files, as the training that began had them."""
        highest = max(map(ord, vocabulary.symbols))

        def checked() -> Iterator[Corpus]:
            for some in lines:
                if some.codes.max(initial=0) > highest:
                    what = f"split/{part}.txt holds a symbol that vocabulary.json lacks"
                    raise RunError(what, str(self.inside.parent))
                yield some

        return self._to_files(part, checked(), vocabulary)

    def _to_files(self, part: str, lines: Iterable[Corpus], vocabulary: Vocabulary) -> LineFile:
        """Write lines that come some at a time, and their hashes, sorted."""
        symbols = np.array([ord(symbol) for symbol in vocabulary.symbols], dtype=np.uint32)
        writer = LineFileWriter(self.inside, part, symbols, MAX_VAL_LINES, self.size)
        runs = self.inside / f"{part}.runs"
        runs.mkdir()
        found = SortedRuns(runs, self.budget.room // 4, np.minimum, width=1)
        for some in lines:
            self._check_stop()
            hashes = some.hashes()
            writer.add(some, hashes)
            distinct = np.unique(hashes)
            found.add(Run(distinct, np.zeros(len(distinct), dtype=np.uint8)))
        hashed = HashFile(self.inside / f"{part}.hashed", (run.codes for run in found.merged()))
        shutil.rmtree(runs)
        return writer.finish(hashed)

    def _check_stop(self) -> None:
        if self.stop is not None and self.stop.is_set():
            raise StoppedReading

    def check_same_file(self, config: RunConfig) -> None:
        """Raise UsageError if the file that was typed is not the one that the run learns."""
        if self.file is None or config.on_disk is None:
            return
        with reading(self.file) as (stream, _):
            facts = Digested(stream).facts()
        if facts != {key: config.on_disk[key] for key in facts}:
            raise UsageError(
                f"this run learned other data (sha256 of the file {config.on_disk['sha256'][:12]}, "
                f"now {facts['sha256'][:12]})", self.file,
                "give the same file to go on, another -o, or --fresh to start over",
            )  # fmt: skip


def large_list_of(
    text: Split | GivenLines | None,
    model: str,
    requested: Mapping[str, Any],
    config: RunConfig | None,
    seconds: float | None,
    memory: int | None,
    stop: threading.Event | None,
) -> LargeList | None:
    """Choose whether lines stay on the disk -> what reads them; None for lines in memory.

    config: of the run that goes on, which does it as it began
    """
    path = os.fspath(text) if isinstance(text, os.PathLike) else None
    if path is None and not (config and config.on_disk):  # only a file's lines stay there
        return None
    if path is None and text is not None:
        what = "this run learns the lines of a file that memory did not hold"
        raise UsageError(what, None, "give the file's path, or no lines")
    if path and not stays_on_disk(path, model, requested, seconds, memory, config):
        return None
    return LargeList(path, memory, stop)
