"""checkpoint.json, the manifest of a run: the files of a generation, with size and sha256.

A generation is what one save wrote. It counts once checkpoint.json names it, so this file is the
commit point: whatever else lies in the directory is part of no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from makemore.errors import RunError
from makemore.runs.nearby import no_run
from makemore.runs.safe_files import (
    CHUNK,
    MAX_HEADER,
    MAX_JSON,
    open_plain,
    parse_header,
    parse_json,
    parse_tensors,
    read_plain,
)
from makemore.runs.shapes import ANY, has_shape

FORMAT = 1
PARTS = ("train", "val", "test")
FIXED = ("config.json", "vocabulary.json", *(f"split/{part}.txt" for part in PARTS))
PRIOR = "prior.safetensors"  # hashes of the lines of a prior, in a run that started from one
# Logs grow between saves, so they have no digest: the manifest holds the length that it committed.
LOGS = ("metrics.jsonl", "samples.txt")
WATCHED = ("diagnostics.jsonl",)  # a log that only a training with --watch has
# looks.jsonl and given.txt are not in the manifest: they grow after the training.
SHAPE = {
    "format": int, "generation": int, "weights": str, "state": str,
    "files": {ANY: {"size": int, "sha256": str}}, "logs": {ANY: int},
}  # fmt: skip

# Names that makemore writes. Nothing else in a directory is ever removed, and a directory with
# other names and no run in it is refused.
OURS = re.compile(
    r"(config|vocabulary|checkpoint)\.json|lock|split|members|(metrics|looks|diagnostics)\.jsonl"
    r"|(samples|given)\.txt|prior\.safetensors|weights-\d+\.safetensors|state-\d+\.(safetensors|json)|\.tmp-[\w.-]+"
)
READ_TRIES = 50  # generations that may pass while one run is read
# Bytes of a file by its name's ending, the first that fits: more is none of ours. Text is checked
# and read a piece at a time; tensors and JSON are in memory whole.
LIMITS = {
    "vocabulary.json": 4 * MAX_JSON, ".json": MAX_JSON, ".txt": 2**33, ".safetensors": 2**33,
}  # fmt: skip
GENERATED = re.compile(r"(weights|state)-\d+\.(safetensors|json)")


def check_format(record: Any, known: int, folder: Path) -> None:
    """Raise RunError for a record of a later format than the one that is known.

    Before its digest is looked at: a later format may compute that in another way, and "use a newer
    makemore" helps where "damaged" would not.
    """
    version = record.get("format") if isinstance(record, dict) else None
    if isinstance(version, int) and version > known:
        what = f"made by format {version}, this program knows up to {known}"
        raise RunError(what, str(folder), "use a newer makemore")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read checkpoint.json and check its digest, version and shape. Raises RunError."""
    try:
        body = read_plain(folder / "checkpoint.json", MAX_JSON) if os.path.isdir(folder) else None
    except FileNotFoundError:
        body = None
    if body is None:
        raise no_run(folder)
    manifest = parse_json(body, "checkpoint.json", folder)
    check_format(manifest, FORMAT, folder)
    if not isinstance(manifest, dict) or manifest.get("sha256") != digest_of(manifest):
        raise damaged(folder, "checkpoint.json does not match its own digest")
    previous = manifest.get("previous")
    if not _is_generation(manifest) or not (previous is None or _is_generation(previous)):
        raise RunError("checkpoint.json has another shape than makemore's", str(folder))
    return manifest


def damaged(
    folder: Path, what: str, manifest: dict[str, Any] | None = None, name: str = ""
) -> RunError:
    """Make the error for a file that is not what was saved, with a way back if there is one."""
    offer = "the files were changed or the disk failed: train again, or take a copy of the run"
    previous = (manifest or {}).get("previous")
    # The previous checkpoint helps only if it has another file of this name: a file that both of
    # them list is damaged for both.
    if manifest and previous and previous["files"].get(name) != manifest["files"].get(name):
        offer = f"makemore verify {folder} --restore goes back to the checkpoint before"
    return RunError(f"the run is damaged: {what}", str(folder), offer)


def _is_generation(manifest: Any) -> bool:
    """Tell whether this has the keys, types and file names of a manifest."""
    if not has_shape(manifest, SHAPE):
        return False
    files, named = manifest["files"], (manifest["weights"], manifest["state"] + ".json")
    if not all(GENERATED.fullmatch(name) for name in named):
        return False
    # Only names that we write: "../x" in a stranger's manifest would be a file outside of the run.
    allowed = all(name in (*FIXED, PRIOR) or GENERATED.fullmatch(name) for name in files)
    lengths = all(length >= 0 for length in manifest["logs"].values())
    whole = {*FIXED, *named} <= files.keys() and allowed and lengths
    return whole and manifest["format"] == FORMAT


def digest_of(manifest: dict[str, Any]) -> str:
    """Compute the sha256 of a manifest: of all keys but "sha256", sorted, as JSON."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_verified(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """Read a file that the manifest lists, and check its digest. Raises RunError.

    The bytes that were checked are returned, so nobody reads the file twice: it could have changed.
    """
    with _opened(folder, name, manifest) as (stream, size):
        if name.endswith(".safetensors"):
            _check_header(stream.read(8 + MAX_HEADER), name, folder, manifest)
            stream.seek(0)
        body = stream.read(size + 1)
    _check(folder, name, manifest, len(body), hashlib.sha256(body).hexdigest())
    return body


def _check_header(start: bytes, name: str, folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse what is no safetensors file before gigabytes of it are in memory (RunError)."""
    try:
        parse_header(start, manifest["files"][name]["size"], name, folder)
    except RunError:
        for _ in verified_chunks(folder, name, manifest):  # if it is not what was saved, say that
            pass
        raise


def verified_chunks(folder: Path, name: str, manifest: dict[str, Any]) -> Iterator[bytes]:
    """Read a file that the manifest lists a piece at a time, and check its digest behind the last.

    So a long text is never in memory whole. Raises RunError, maybe only after the last piece.
    """
    read, digest = 0, hashlib.sha256()
    with _opened(folder, name, manifest) as (stream, size):
        while read <= size and (chunk := stream.read(CHUNK)):
            read += len(chunk)
            digest.update(chunk)
            yield chunk
    _check(folder, name, manifest, read, digest.hexdigest())


@contextmanager
def _opened(
    folder: Path, name: str, manifest: dict[str, Any]
) -> Iterator[tuple[BinaryIO, int]]:  # fmt: skip
    """Open a file that the manifest lists, if it has the size that is listed, within LIMITS."""
    entry = manifest["files"].get(name)
    if entry is None:
        raise damaged(folder, f"checkpoint.json does not list {name}")
    # A link as the file is refused; a link as the folder above it passes unseen there.
    if name.startswith("split/") and (folder / "split").is_symlink():
        raise RunError("split is a link", str(folder))
    # The manifest's sizes are no more than a claim: whoever made it may have made the file.
    limit = next(most for ending, most in LIMITS.items() if name.endswith(ending))
    if entry["size"] > limit:
        raise RunError(
            f"{name} is larger than {limit} bytes by checkpoint.json", str(folder),
            "makemore writes no such run: train again, or take a copy of the run",
        )  # fmt: skip
    with open_plain(folder / name, sys.maxsize) as (stream, size):
        if size > max(entry["size"], 2**10):
            what = f"{name} is larger than the {entry['size']} bytes that were saved"
            raise damaged(folder, what, manifest, name)
        yield stream, size


def _check(folder: Path, name: str, manifest: dict[str, Any], size: int, sha256: str) -> None:
    if manifest["files"][name] != {"size": size, "sha256": sha256}:
        raise damaged(folder, f"{name} is not what was saved", manifest, name)


def verify(folder: Path) -> list[str]:
    """List what is wrong with the files of this generation and the previous one; [] if nothing.

    A training may be writing to the directory: then the generation that is current after the look
    counts, and that of before the look if it was whole.
    Raises RunError if checkpoint.json itself is damaged. Example: ["config.json: missing"]
    """
    manifest = read_manifest(folder)
    for _ in range(READ_TRIES):
        previous = manifest.get("previous")
        current = problems(folder, manifest)
        before = problems(folder, previous) if previous else []
        # A save removes the files of the generation before last, and they are missing here then.
        # Files are damaged only if the manifest that lists them still holds after the look at them.
        newer = read_manifest(folder)
        if newer == manifest:
            return sorted({*current, *before})
        if not current:
            return []
        manifest = newer
    raise too_fast(folder)


def too_fast(folder: Path) -> RunError:
    """Make the error for a run whose files are replaced more quickly than they can be read."""
    return RunError("the run changes too fast to be read", str(folder), "try again")


def problems(folder: Path, generation: dict[str, Any]) -> list[str]:
    """List what is wrong with the files of one generation, a line for each; [] if nothing."""
    wrong = []
    for name in generation["files"]:
        try:
            if name.endswith(".safetensors"):
                # The digest says that these are the bytes we wrote; this, that they can be used.
                parse_tensors(read_verified(folder, name, generation), name, folder)
            else:
                for _ in verified_chunks(folder, name, generation):
                    pass
        except (RunError, FileNotFoundError) as error:
            what = "missing" if isinstance(error, FileNotFoundError) else "not what was saved"
            wrong.append(f"{name}: {what}")
    return wrong
