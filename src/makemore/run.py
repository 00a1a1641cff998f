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

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from makemore.corpus import Corpus
from makemore.errors import DataError, RunError, UsageError
from makemore.files import (
    MAX_JSON,
    parse_json,
    parse_tensors,
    read_plain,
)
from makemore.models.base import Arrays
from makemore.reading import CHUNK
from makemore.settings import TextOptions
from makemore.split import Split
from makemore.vocabulary import Vocabulary

T = TypeVar("T")

FORMAT = 1
PARTS = ("train", "val", "test")
FIXED = ("config.json", "vocabulary.json", *(f"split/{part}.txt" for part in PARTS))
LOGS = ("metrics.jsonl", "samples.txt")
WATCHED = ("diagnostics.jsonl",)  # a log that only a watched training has
GROWING = ("looks.jsonl", "given.txt")  # outside the digests: they grow after the training is done
READ_TRIES = 50

OURS = re.compile(
    r"(config|vocabulary|checkpoint)\.json|lock|split|members|(metrics|looks|diagnostics)\.jsonl"
    r"|(samples|given)\.txt|weights-\d+\.safetensors|state-\d+\.(safetensors|json)|\.tmp-[\w.-]+"
)
GENERATED = re.compile(r"(weights|state)-\d+\.(safetensors|json)")


@dataclass(frozen=True)
class Config:
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
    config: Config
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


def read_manifest(folder: Path) -> dict[str, Any]:
    """checkpoint.json, checked against its own digest."""
    if not folder.is_dir():
        raise RunError(
            f"no run directory at {str(folder)!r}", None, "makemore train FILE -o DIR makes one"
        )
    try:
        body = read_plain(folder / "checkpoint.json", MAX_JSON)
    except FileNotFoundError:
        raise RunError(
            "no run here (no checkpoint.json)", str(folder), "makemore train FILE -o DIR makes one"
        ) from None
    manifest = parse_json(body, "checkpoint.json", folder)
    known = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(known, int) and known > FORMAT:
        raise RunError(
            f"made by format {known}, this program knows up to {FORMAT}", str(folder),
            "use a newer makemore",
        )  # fmt: skip
    if not isinstance(manifest, dict) or manifest.get("sha256") != digest_of(manifest):
        raise damaged(folder, "checkpoint.json does not match its own digest")
    previous = manifest.get("previous")
    if not _is_generation(manifest) or not (previous is None or _is_generation(previous)):
        raise RunError("checkpoint.json has another shape than makemore's", str(folder))
    return manifest


def damaged(
    folder: Path, what: str, manifest: dict[str, Any] | None = None, name: str = ""
) -> RunError:
    """The error for a file that is not what was written, with the way back if there is one."""
    offer = "the files were changed or the disk failed: train again, or take a copy of the run"
    previous = (manifest or {}).get("previous")
    # A file that both checkpoints share is as damaged in the one before.
    if manifest and previous and previous["files"].get(name) != manifest["files"].get(name):
        offer = f"makemore verify {folder} --restore goes back to the checkpoint before"
    return RunError(f"the run is damaged: {what}", str(folder), offer)


def _is_generation(manifest: Any) -> bool:
    if not isinstance(manifest, dict) or type(manifest.get("generation")) is not int:
        return False
    files, logs = manifest.get("files"), manifest.get("logs")
    if not isinstance(files, dict) or not isinstance(logs, dict):
        return False
    named = str(manifest.get("weights")), str(manifest.get("state")) + ".json"
    if not all(GENERATED.fullmatch(name) for name in named):
        return False
    allowed = (name in FIXED or GENERATED.fullmatch(name) for name in files)
    entries = (
        isinstance(entry, dict)
        and type(entry.get("size")) is int
        and isinstance(entry.get("sha256"), str)
        for entry in files.values()
    )
    lengths = (type(length) is int and length >= 0 for length in logs.values())
    whole = {*FIXED, *named} <= files.keys() and all(allowed) and all(entries) and all(lengths)
    return whole and manifest.get("format") == FORMAT


def digest_of(manifest: dict[str, Any]) -> str:
    """sha256 of a manifest without its own."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_verified(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    entry = manifest["files"].get(name)
    if entry is None:
        raise damaged(folder, f"checkpoint.json does not list {name}")
    if name.startswith("split/") and (folder / "split").is_symlink():
        raise RunError("split is a link", str(folder))
    body = read_plain(folder / name, max(entry["size"], 2**10))
    if len(body) != entry["size"] or hashlib.sha256(body).hexdigest() != entry["sha256"]:
        raise damaged(folder, f"{name} is not what was saved", manifest, name)
    return body


def _parse_config(body: bytes, folder: Path) -> Config:
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
    return Config(**raw)


def _parse_vocabulary(body: bytes, folder: Path) -> Vocabulary:
    try:
        return Vocabulary.of_record(parse_json(body, "vocabulary.json", folder))
    except (DataError, UsageError) as error:
        raise RunError(f"vocabulary.json {error.what}", str(folder)) from None


def _parse_lines(body: bytes, folder: Path, part: str, labels: Sequence[str]) -> Corpus:
    if not body:
        return Corpus.exactly([], [] if labels else None)
    try:
        keep = TextOptions(
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


def verify(folder: Path) -> list[str]:
    """What is wrong with the files of this generation and the one before; [] if nothing."""
    manifest = read_manifest(folder)
    generations = filter(None, (manifest, manifest.get("previous")))
    return sorted({line for generation in generations for line in problems(folder, generation)})


def problems(folder: Path, generation: dict[str, Any]) -> list[str]:
    """What is wrong with the files of one generation; [] if nothing."""
    wrong = []
    for name in generation["files"]:
        try:
            body = _read_verified(folder, name, generation)
            if name.endswith(".safetensors"):
                parse_tensors(body, name, folder)
        except (RunError, FileNotFoundError) as error:
            what = "missing" if isinstance(error, FileNotFoundError) else "not what was saved"
            wrong.append(f"{name}: {what}")
    return wrong


def same_command(config: Config, asked: Mapping[str, Any], digest: str | None) -> None:
    """Raise UsageError if a run was started with other options or other data."""
    for key in sorted({*config.asked, *asked}):
        was, now = config.asked.get(key), asked.get(key)
        if was != now:
            before = f"with {key} = {was!r}" if key in config.asked else f"without {key}"
            given = f"{now!r}" if key in asked else "without it"
            raise UsageError(
                f"this run was started {before}, not {given}", None,
                "give the same options to go on, another -o, or --fresh to start over",
            )  # fmt: skip
    if digest is not None and digest != config.data["digest"]:
        raise UsageError(
            f"this run learned other data (sha256 {config.data['digest'][:12]}, now {digest[:12]})",
            None,
            "give the same file to go on, another -o, or --fresh to start over",
        )  # fmt: skip
