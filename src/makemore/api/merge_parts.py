"""Merge parts: the run directory of a file whose shards were counted, as `makemore merge` makes it.

It is the one that `makemore train FILE --model ngram` makes, but for the losses: nothing is
evaluated, as the model may be larger than memory. Everything is merged as a stream.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from makemore.api.count_part import check_enough
from makemore.api.line_spool import lines_and_rows
from makemore.api.resolve import resolve, split_options
from makemore.api.resume import same_command
from makemore.errors import DataError, RunError, UsageError
from makemore.models.core.gram_codes import GramCodes
from makemore.models.core.gram_levels import Joined
from makemore.models.core.sorted_runs import OnDisk, RunFile, merged
from makemore.models.ngram import NGram
from makemore.parallel import default_threads, thread_pool
from makemore.runs import RunConfig, RunWriter
from makemore.runs.manifest import LIMITS, PARTS, read_verified
from makemore.runs.part import COUNT_TYPE, GRAMS, LINES, ROWS, Part
from makemore.runs.run import parse_config
from makemore.runs.scratch import scratch
from makemore.runs.tensor_file import size_of, tensor_file
from makemore.sampling.sampler import ROUND
from makemore.text import Vocabulary
from makemore.text.corpus import concatenate
from makemore.text.dataset import digest_of_parts
from makemore.training.events import Progress
from makemore.version import __version__

MODEL = "ngram"
READ_AT_ONCE, LEAST_READ = 2**22, 2**16  # bytes of lines: of all parts together, and of one


def merge_parts(
    paths: Sequence[str | os.PathLike[str]], folder: str | os.PathLike[str], fresh: bool = False
) -> bool:
    """Merge the parts of all shards of a file to a run -> whether it was there already.

    fresh: the run that is there is replaced
    Raises UsageError for parts that do not go together, RunError for one that is damaged, DataError
    for too few lines or too many n-grams, SystemFault.
    """
    parts = sorted((Part.load(path) for path in paths), key=lambda part: part.shard)
    check_fit(parts)
    for part in parts:
        part.check()
    check_enough(sum(part.facts["distinct"] for part in parts), parts[0].facts["name"])
    with RunWriter(folder, fresh=fresh) as writer:
        if writer.manifest is not None and not fresh:
            body = read_verified(writer.folder, "config.json", writer.manifest)
            there = parse_config(body, writer.folder)
            digest = digest_of_parts([_digest(parts, name) for name in PARTS])
            same_command(there, config_of(parts, digest).asked, digest)
            return True
        lines = {name: merged_lines(parts, name) for name in PARTS}
        writer.create_from(lines, _vocabulary(parts[0]), lambda d: config_of(parts, d))
        with scratch(writer.folder) as inside, thread_pool(default_threads()):
            columns = _columns(parts, inside)
            progress = Progress(1, 1, None, 0, finished=True)  # counting is one step
            writer.save(progress.record(), tensor_file(columns))
    return False


def check_fit(parts: Sequence[Part]) -> None:
    """Raise UsageError unless these are the parts of all shards of one file, counted alike."""
    first = parts[0]
    for part in parts[1:]:
        for key, what in (
            ("text", "another file"), ("asked", "other options"), ("version", "another version"),
            ("vocabulary", "another vocabulary"),
        ):  # fmt: skip
            if part.facts[key] != first.facts[key]:
                raise UsageError(
                    f"this part was counted of {what} than {first.path}", str(part.path),
                    f"leave it out, or count it as the other was: "
                    f"{first.command(part.shard[0], str(part.path))} --fresh",
                )  # fmt: skip
        if part.shard[1] != first.shard[1]:
            what = f"the list was cut into {part.shard[1]} shards here, and {first.shard[1]} there"
            where = f"{part.path}, {first.path}"
            raise UsageError(what, where, "give the parts of one number of shards")
    numbers, of = [part.shard[0] for part in parts], first.shard[1]
    for number in range(1, of + 1):
        if numbers.count(number) > 1:
            twice = " and ".join(str(part.path) for part in parts if part.shard[0] == number)
            raise UsageError(f"shard {number}/{of} is there twice", twice, "leave one out")
        if number not in numbers:
            missing = [str(each) for each in range(1, of + 1) if each not in numbers]
            what = f"shard {', '.join(missing)} of {of} is missing"
            raise UsageError(what, None, f"count it: {first.command(number, 'PART')}")


def config_of(parts: Sequence[Part], digest: str) -> RunConfig:
    """Make the configuration that a training by one process has: digest is that of the split."""
    asked, vocabulary = parts[0].facts["asked"], _vocabulary(parts[0])
    options, recipe, text = split_options(NGram, asked)
    n_lines, n_symbols = (sum(part.facts[key] for part in parts) for key in ("trained", "symbols"))
    recipe = resolve(NGram, recipe, asked, n_lines, n_symbols)
    recipe = replace(recipe, threads=recipe.threads or 1)  # as a model of counts has
    return RunConfig(
        model=MODEL,
        asked=asked,
        resolved={**asdict(options), **asdict(recipe), **asdict(text)},
        vocab_size=len(vocabulary),
        block_size=NGram.context_for(options, 0),
        data={"name": parts[0].facts["name"], "digest": digest},
        threads=recipe.threads or 1,
        round_size=ROUND,
        version=__version__,
    )


def _vocabulary(part: Part) -> Vocabulary:
    try:
        return Vocabulary.of_record(part.facts["vocabulary"])
    except (DataError, UsageError) as error:
        raise RunError(f"the vocabulary {error.what}", str(part.path), "count it again") from None


def _columns(parts: Sequence[Part], inside: Path) -> dict[str, Joined]:
    """Merge the n-grams of all parts, and derive the model's tensors as columns in files."""
    options, _, _ = split_options(NGram, parts[0].facts["asked"])
    vocab_size = len(_vocabulary(parts[0]))
    model = NGram(vocab_size, NGram.context_for(options, 0), options)
    codes = GramCodes(vocab_size, options.order)
    with ExitStack() as stack:
        sources = []
        for part in parts:
            paths = part.path / GRAMS[0], part.path / GRAMS[1]
            source = OnDisk(RunFile(*paths, codes.dtype, np.dtype(COUNT_TYPE)))
            stack.callback(source.close)
            sources.append(source)
        columns = model.levels_of(merged(sources), inside).columns()
    if size_of(columns) > LIMITS[".safetensors"]:
        raise DataError(
            f"the model takes {size_of(columns):,} bytes, more than a run may hold", None,
            f"count the parts again, with --order {options.order - 1} or lower",
        )  # fmt: skip
    return columns


def _digest(parts: Sequence[Part], name: str) -> str:
    """Compute the sha256 of the lines of one part of the split."""
    sha256 = hashlib.sha256()
    for lines in merged_lines(parts, name):
        sha256.update(lines)
    return sha256.hexdigest()


def merged_lines(parts: Sequence[Part], name: str) -> Iterator[bytes]:
    """Merge the lines of one part of the split, as they stood in the file -> its bytes."""
    at_once = max(LEAST_READ, READ_AT_ONCE // len(parts))
    readers = [
        lines_and_rows(part.path / (name + LINES), part.path / (name + ROWS), at_once)
        for part in parts
    ]
    heads = [next(reader, None) for reader in readers]
    while waiting := [head for head in heads if head is not None]:
        # All lines up to the least of the last rows are there: what follows comes behind it.
        cut = min(rows[-1] for _, rows in waiting)
        pieces, places = [], []
        for index, head in enumerate(heads):
            if head is None:
                continue
            lines, rows = head
            if len(rows) != len(lines):  # checksums hold: a stranger wrote them so
                raise RunError(f"{name}{ROWS} does not fit {name}{LINES}", str(parts[index].path))
            stop = int(np.searchsorted(rows, cut, side="right"))
            pieces.append(lines.take(slice(0, stop)))
            places.append(rows[:stop])
            rest = lines.take(slice(stop, None)), rows[stop:]
            heads[index] = rest if stop < len(rows) else next(readers[index], None)
        order = np.argsort(np.concatenate(places), kind="stable")
        yield concatenate(pieces).take(order).text().encode()
