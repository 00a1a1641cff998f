"""The run directory: all that sampling and resuming need, as JSON, text and tensors.

    config.json  vocabulary.json  split/{train,val,test}.txt        written once
    weights-<step>.safetensors                                      the best by validation loss
    state-<step>.safetensors, state-<step>.json                     the latest, to resume from
    metrics.jsonl  samples.txt  [diagnostics.jsonl]                 logs, committed up to a length
    checkpoint.json                                                 the one commit point
    lock                                                            held by flock while training
    [prior.safetensors]                             hashes of the lines of the prior it started from
    members/K/                                     an ensemble's member K, while it is in training

A save writes new files beside the old ones, each under a temporary name, fsync, rename, and then
replaces checkpoint.json the same way. So there is a whole generation on the disk at any moment,
whenever a process is killed, and the previous one stays as well. Nothing is pickled: loading a run
that a stranger made executes none of its code. A damaged file is an error, never guessed at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from makemore.errors import DataError, RunError, UsageError
from makemore.models.core.base import Arrays
from makemore.runs.archive import opened
from makemore.runs.manifest import (
    FORMAT,
    PARTS,
    PRIOR,
    READ_TRIES,
    damaged,
    read_manifest,
    read_verified,
    too_fast,
    verified_chunks,
)
from makemore.runs.safe_files import parse_json, parse_tensors
from makemore.runs.shapes import has_shape
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.text.corpus import concatenate
from makemore.text.line_hashes import PriorLines
from makemore.text.reading import MAX_LINE_BYTES


@dataclass(frozen=True)
class RunConfig:
    """Holds the configuration of a run (config.json): what was requested, and what was used."""

    model: str
    asked: dict[str, Any]  # options that the user gave
    resolved: dict[str, Any]  # every option with its value: all that a run depends on
    vocab_size: int
    block_size: int
    data: dict[str, Any]  # name, digest of the text
    threads: int  # of torch; another count would change the last bits of sums
    round_size: int  # draws that are sampled together: part of what a seed means
    version: str
    format: int = FORMAT
    ranks: int = 1  # processes that computed each batch together, each with so many threads
    # Of a list that memory did not hold: its file (sha256, bytes), and how it was cut into blocks
    # (lines, symbols) of which a number (blocks) is shuffled together.
    on_disk: dict[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Return what config.json holds: `ranks` and `on_disk` only where they say something."""
        silent = {"ranks": 1, "on_disk": None}
        return {k: v for k, v in asdict(self).items() if k not in silent or v != silent[k]}


_CONFIG_KINDS: dict[str, type] = {
    "model": str, "asked": dict, "resolved": dict, "vocab_size": int, "block_size": int,
    "data": dict, "threads": int, "round_size": int, "version": str, "format": int,
}  # fmt: skip
_ON_DISK = {"sha256": str, "bytes": int, "lines": int, "symbols": int, "blocks": int}

# Makes a corpus of the lines of a part (train, val, test) of a run, which come some at a time.
PartReader: TypeAlias = Callable[[str, Iterator[Corpus], Vocabulary], Corpus]


@dataclass(frozen=True)
class Run:
    """Holds one generation of a run directory, read whole and verified."""

    path: Path
    config: RunConfig
    vocabulary: Vocabulary
    split: Split
    progress: dict[str, Any]  # step, best_step, best_val, waited, finished
    weights: Arrays  # name -> array: the best by validation loss
    state: Arrays | None  # the latest, to resume from; None if it was not asked for
    prior_lines: PriorLines | None = None  # of the prior that it started from

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], state: bool = False,
        read_part: PartReader = lambda part, lines, vocabulary: concatenate(lines),
    ) -> Run:  # fmt: skip
        """Read a run directory, while a training may be writing to it: readers take no lock.

        path: of the directory, or of a zip of one
        state: read the tensors to resume from, too
        read_part: puts the lines of a part together; by default in memory
        Raises RunError if it is no run, damaged, or not as makemore writes it.
        """
        with opened(Path(path)) as folder:
            return replace(cls._load(folder, state, read_part), path=Path(path))

    @classmethod
    def _load(cls, folder: Path, state: bool, read_part: PartReader) -> Run:
        manifest = read_manifest(folder)
        for _ in range(READ_TRIES):
            try:
                return cls._read(folder, manifest, state, read_part)
            except FileNotFoundError as error:
                # A save removes the files of the generation before last, maybe those that were to
                # be read next. Then a newer manifest is there: start again from that one. If it is
                # the same one as before, the file is really missing.
                newer = read_manifest(folder)
                if newer == manifest:
                    name = Path(str(error.filename)).name
                    raise damaged(folder, f"{name} is missing", manifest, name) from None
                manifest = newer
        raise too_fast(folder)

    @classmethod
    def _read(
        cls, folder: Path, manifest: dict[str, Any], state: bool, read_part: PartReader
    ) -> Run:
        # All files by one manifest, never "the newest": parts of two generations do not mix.
        def read(name: str) -> bytes:
            return read_verified(folder, name, manifest)

        config = parse_config(read("config.json"), folder)
        vocabulary = _parse_vocabulary(read("vocabulary.json"), folder)
        if len(vocabulary) != config.vocab_size:
            raise RunError("vocabulary.json does not fit config.json", str(folder))
        parts = []
        for part in PARTS:
            chunks = verified_chunks(folder, f"split/{part}.txt", manifest)
            lines = _parse_lines(chunks, folder, part, vocabulary)
            parts.append(read_part(part, lines, vocabulary))
        if not len(parts[0]):
            raise RunError("split/train.txt is empty", str(folder))
        progress = parse_progress(read(manifest["state"] + ".json"), folder)
        tensors = parse_tensors(read(manifest["weights"]), manifest["weights"], folder)
        name = manifest["state"] + ".safetensors"
        latest = (
            parse_tensors(read(name), name, folder) if state and name in manifest["files"] else None
        )
        prior = _parse_prior(read(PRIOR), folder) if PRIOR in manifest["files"] else None
        return cls(folder, config, vocabulary, Split(*parts), progress, tensors, latest, prior)


# The digests are no signature: whoever changes a file can write a fitting digest beside it. So each
# part is checked for itself, and its sizes are bounded before anything is allocated by them.


def parse_config(body: bytes, folder: Path) -> RunConfig:
    raw = parse_json(body, "config.json", folder)
    kinds = dict(_CONFIG_KINDS)
    if isinstance(raw, dict) and "ranks" in raw:
        kinds["ranks"] = int
    if not isinstance(raw, dict) or raw.keys() - {"on_disk"} != kinds.keys():
        raise RunError("config.json has other keys than makemore's", str(folder))
    if "on_disk" in raw and not _sound_on_disk(raw["on_disk"]):
        raise RunError("config.json: on_disk is not what makemore writes", str(folder))
    for key, kind in kinds.items():
        if type(raw[key]) is not kind:  # not isinstance: True is an int as well
            raise RunError(f"config.json: {key} is no {kind.__name__}", str(folder))
    for key, most in (
        ("vocab_size", 2**21),
        ("block_size", 2**16),
        ("threads", 1024),
        ("round_size", 2**16),
        ("ranks", 2**16),
    ):
        value = raw.get(key, 1)
        if not 0 <= value <= most or (key != "block_size" and value == 0):
            raise RunError(f"config.json: {key} is {value}", str(folder))
    data = raw["data"]
    if data.keys() != {"name", "digest"} or not all(isinstance(v, str) for v in data.values()):
        raise RunError("config.json: data is no name and digest", str(folder))
    return RunConfig(**raw)


def _sound_on_disk(value: Any) -> bool:
    """Tell whether this says how a list on the disk is read, with numbers above 0."""
    if not has_shape(value, _ON_DISK) or value.keys() != _ON_DISK.keys():
        return False
    return all(0 < value[key] <= 2**53 for key, kind in _ON_DISK.items() if kind is int)


def _parse_vocabulary(body: bytes, folder: Path) -> Vocabulary:
    try:
        return Vocabulary.of_record(parse_json(body, "vocabulary.json", folder))
    except (DataError, UsageError) as error:
        raise RunError(f"vocabulary.json {error.what}", str(folder)) from None


def _parse_lines(
    chunks: Iterator[bytes], folder: Path, part: str, vocabulary: Vocabulary
) -> Iterator[Corpus]:
    """Yield the lines of a part, some at a time. Raises RunError, maybe behind the last."""
    labels = vocabulary.labels
    no_lines = RunError(f"split/{part}.txt holds no clean lines", str(folder))
    # The lines as they were written: copies are kept, and long ones are not skipped.
    keep = TextConfig(
        keep_copies=True, max_line=1_000_000, max_vocab=1_114_112, labels=bool(labels)
    )
    n_lines, n_read, names = 0, 0, set[str]()
    try:
        for text in _texts(chunks):
            some = Corpus.from_texts([text], keep)
            n_lines, n_read = n_lines + len(some), n_read + some.counts.read
            names.update(some.label_names)
            yield some
    except (DataError, UnicodeDecodeError):
        for _ in chunks:  # if these are not the bytes that were saved, that is the error
            pass
        raise no_lines from None
    # Only now: if these are not the bytes that were saved, that was the error.
    if not names <= set(labels):
        raise RunError(f"split/{part}.txt holds a label that vocabulary.json lacks", str(folder))
    if not n_lines:
        if n_read:
            raise no_lines
        yield Corpus.exactly([], [] if labels else None)  # val and test may be empty


def _parse_prior(body: bytes, folder: Path) -> PriorLines:
    try:
        return PriorLines.of_tensors(parse_tensors(body, PRIOR, folder))
    except (KeyError, ValueError):
        raise RunError(f"{PRIOR} holds no hashes of lines", str(folder)) from None


def _texts(chunks: Iterator[bytes]) -> Iterator[str]:
    """Decode UTF-8 some lines at a time: the whole text need not be in memory twice.

    Raises DataError for a line that is longer than any that makemore learns from.
    """
    rest = b""
    for chunk in chunks:
        body = rest + chunk
        cut = body.rfind(b"\n") + 1  # behind a line end, never inside a character
        rest = body[cut:]
        if len(rest) > MAX_LINE_BYTES:
            raise DataError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield body[:cut].decode("utf-8")
    if rest:
        yield rest.decode("utf-8")


_BUDGET_KINDS: dict[str, tuple[type, ...]] = {"ends": (list,), "seconds": (float,)}


def _sound_ends(ends: list[Any]) -> bool:
    """Tell whether the moves of a schedule's end are lists of whole numbers in range."""
    return all(
        isinstance(move, list) and len(move) in (2, 3)
        and all(type(number) is int and 0 <= number <= 10**9 for number in move)
        for move in ends
    )  # fmt: skip


def parse_progress(body: bytes, folder: Path) -> dict[str, Any]:
    raw = parse_json(body, "state", folder)
    kinds: dict[str, tuple[type, ...]] = {
        "step": (int,), "best_step": (int,), "best_val": (float, type(None)), "waited": (int,),
        "finished": (bool,),
    }  # fmt: skip
    if isinstance(raw, dict):  # those of a time budget
        kinds |= {key: kind for key, kind in _BUDGET_KINDS.items() if key in raw}
    if not isinstance(raw, dict) or raw.keys() != kinds.keys():
        raise RunError("the state has other keys than makemore's", str(folder))
    if not all(type(raw[key]) in kind for key, kind in kinds.items()):
        raise RunError("the state has values of another type", str(folder))
    # Up to 2**53 a float is exact: other programs that read JSON see the same integer.
    if not all(0 <= raw[key] <= 2**53 for key in ("step", "best_step", "waited")):
        raise RunError("the state has a step out of range", str(folder))
    if not _sound_ends(raw.get("ends", [])) or not 0 <= raw.get("seconds", 0.0) <= 1e9:
        raise RunError("the state has no moves of the schedule", str(folder))
    return raw
