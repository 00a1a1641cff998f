"""The run directory: everything needed to sample again, nothing executable, every part readable.

    config.json  vocabulary.json  split/{train,val,test}.txt        written once
    weights-<step>.safetensors                                      the best by validation
    state-<step>.safetensors, state-<step>.json                     the latest, to go on from
    metrics.jsonl  samples.txt  [diagnostics.jsonl]                 logs, committed up to a length
    checkpoint.json                                                 the one commit point
    lock                                                            held by flock while training
    members/K/                                     an ensemble's member K, while it is in training

A save writes new files beside the old ones, each under a temporary name, fsync, rename, and then
replaces checkpoint.json the same way. So there is one whole generation on the disk at any moment,
whatever was killed when; the one before it stays too. There is no pickle and no fallback.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from makemore.errors import DataError, RunError, UsageError
from makemore.models.core.base import Arrays
from makemore.runs.manifest import FORMAT, PARTS, _read_verified, damaged, read_manifest
from makemore.runs.safe_files import parse_json, parse_tensors
from makemore.text import Corpus, Split, TextConfig, Vocabulary
from makemore.text.reading import CHUNK

T = TypeVar("T")
READ_TRIES = 50


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked for and what came of it. `resolved` is all that a run depends on."""

    model: str
    asked: dict[str, Any]
    resolved: dict[str, Any]
    vocab_size: int
    block_size: int
    data: dict[str, Any]  # name, digest
    threads: int
    round_size: int  # draws that are sampled together: part of what a seed means
    version: str
    format: int = FORMAT


_CONFIG_KINDS: dict[str, type] = {
    "model": str, "asked": dict, "resolved": dict, "vocab_size": int, "block_size": int,
    "data": dict, "threads": int, "round_size": int, "version": str, "format": int,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One whole generation of a run directory, read and verified."""

    path: Path
    config: RunConfig
    vocabulary: Vocabulary
    split: Split
    progress: dict[str, Any]
    weights: Arrays
    state: Arrays | None

    @classmethod
    def load(cls, path: str | os.PathLike[str], state: bool = False) -> Run:
        """Read a run directory. Raises RunError if it is none, damaged, foreign or hostile.

        A training may be writing to it: if a file is gone, a newer generation is there and is read.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        for _ in range(READ_TRIES):
            try:
                return cls._read(folder, manifest, state)
            except FileNotFoundError as error:
                newer = read_manifest(folder)
                if newer == manifest:
                    name = Path(str(error.filename)).name
                    raise damaged(folder, f"{name} is missing", manifest, name) from None
                manifest = newer
        raise RunError("the run changes too fast to be read", str(folder), "try again")

    @classmethod
    def _read(cls, folder: Path, manifest: dict[str, Any], state: bool) -> Run:
        def read(name: str) -> bytes:
            return _read_verified(folder, name, manifest)

        config = _parse_config(read("config.json"), folder)
        vocabulary = _parse_vocabulary(read("vocabulary.json"), folder)
        if len(vocabulary) != config.vocab_size:
            raise RunError("vocabulary.json does not fit config.json", str(folder))
        parts = [
            _parse_lines(read(f"split/{part}.txt"), folder, part, vocabulary.labels)
            for part in PARTS
        ]
        if not len(parts[0]):
            raise RunError("split/train.txt is empty", str(folder))
        progress = _parse_progress(read(manifest["state"] + ".json"), folder)
        tensors = parse_tensors(read(manifest["weights"]), manifest["weights"], folder)
        name = manifest["state"] + ".safetensors"
        latest = (
            parse_tensors(read(name), name, folder) if state and name in manifest["files"] else None
        )
        return cls(folder, config, vocabulary, Split(*parts), progress, tensors, latest)


def _parse_config(body: bytes, folder: Path) -> RunConfig:
    raw = parse_json(body, "config.json", folder)
    if not isinstance(raw, dict) or raw.keys() != _CONFIG_KINDS.keys():
        raise RunError("config.json has other keys than makemore's", str(folder))
    for key, kind in _CONFIG_KINDS.items():
        if type(raw[key]) is not kind:
            raise RunError(f"config.json: {key} is no {kind.__name__}", str(folder))
    for key, most in (
        ("vocab_size", 2**21),
        ("block_size", 2**16),
        ("threads", 1024),
        ("round_size", 2**16),
    ):
        if not 0 <= raw[key] <= most or (key != "block_size" and raw[key] == 0):
            raise RunError(f"config.json: {key} is {raw[key]}", str(folder))
    data = raw["data"]
    if data.keys() != {"name", "digest"} or not all(isinstance(v, str) for v in data.values()):
        raise RunError("config.json: data is no name and digest", str(folder))
    return RunConfig(**raw)


def _parse_vocabulary(body: bytes, folder: Path) -> Vocabulary:
    try:
        return Vocabulary.of_record(parse_json(body, "vocabulary.json", folder))
    except (DataError, UsageError) as error:
        raise RunError(f"vocabulary.json {error.what}", str(folder)) from None


def _parse_lines(body: bytes, folder: Path, part: str, labels: Sequence[str]) -> Corpus:
    if not body:
        return Corpus.exactly([], [] if labels else None)
    try:
        keep = TextConfig(
            keep_copies=True, max_line=1_000_000, max_vocab=1_114_112, labels=bool(labels)
        )
        corpus = Corpus.from_texts(_texts(body), keep)
    except (DataError, UnicodeDecodeError):
        raise RunError(f"split/{part}.txt holds no clean lines", str(folder)) from None
    if not len(corpus):
        raise RunError(f"split/{part}.txt holds no clean lines", str(folder))
    if not set(corpus.label_names) <= set(labels):
        raise RunError(f"split/{part}.txt holds a label that vocabulary.json lacks", str(folder))
    return corpus


def _texts(body: bytes) -> Iterator[str]:
    """A file in UTF-8, decoded some lines at a time."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + CHUNK) + 1 or len(body)
        yield body[start:end].decode("utf-8")
        start = end


def _parse_progress(body: bytes, folder: Path) -> dict[str, Any]:
    raw = parse_json(body, "state", folder)
    kinds: dict[str, tuple[type, ...]] = {
        "step": (int,), "best_step": (int,), "best_val": (float, type(None)), "waited": (int,),
        "finished": (bool,),
    }  # fmt: skip
    if not isinstance(raw, dict) or raw.keys() != kinds.keys():
        raise RunError("the state has other keys than makemore's", str(folder))
    if not all(type(raw[key]) in kind for key, kind in kinds.items()):
        raise RunError("the state has values of another type", str(folder))
    if not all(0 <= raw[key] <= 2**53 for key in ("step", "best_step", "waited")):
        raise RunError("the state has a step out of range", str(folder))
    return raw
