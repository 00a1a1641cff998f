"""checkpoint.json, the manifest of a run: the files of a generation, with size and sha256.

A generation is what one save wrote. It counts once checkpoint.json names it, so this file is the
commit point: whatever else lies in the directory is part of no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from makemore.errors import RunError
from makemore.runs.nearby import no_run
from makemore.runs.safe_files import MAX_JSON, parse_json, parse_tensors, read_plain

FORMAT = 1
PARTS = ("train", "val", "test")
FIXED = ("config.json", "vocabulary.json", *(f"split/{part}.txt" for part in PARTS))
PRIOR = "prior.safetensors"  # hashes of the lines of a prior, in a run that started from one
# Logs grow between saves, so they have no digest: the manifest holds the length that it committed.
LOGS = ("metrics.jsonl", "samples.txt")
WATCHED = ("diagnostics.jsonl",)  # a log that only a training with --watch has
GROWING = ("looks.jsonl", "given.txt")  # not in the manifest: they grow after the training


# Names that makemore writes. Nothing else in a directory is ever removed, and a directory with
# other names and no run in it is refused.
OURS = re.compile(
    r"(config|vocabulary|checkpoint)\.json|lock|split|members|(metrics|looks|diagnostics)\.jsonl"
    r"|(samples|given)\.txt|prior\.safetensors|weights-\d+\.safetensors|state-\d+\.(safetensors|json)|\.tmp-[\w.-]+"
)
GENERATED = re.compile(r"(weights|state)-\d+\.(safetensors|json)")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read checkpoint.json and check its digest, version and shape. Raises RunError."""
    try:
        body = read_plain(folder / "checkpoint.json", MAX_JSON) if os.path.isdir(folder) else None
    except FileNotFoundError:
        body = None
    if body is None:
        raise no_run(folder)
    manifest = parse_json(body, "checkpoint.json", folder)
    # The version comes before the digest: a later format may compute its digest in another way, and
    # "use a newer makemore" helps where "damaged" would not.
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise RunError(
            f"made by format {version}, this program knows up to {FORMAT}", str(folder),
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
    if not isinstance(manifest, dict) or type(manifest.get("generation")) is not int:
        return False
    files, logs = manifest.get("files"), manifest.get("logs")
    if not isinstance(files, dict) or not isinstance(logs, dict):
        return False
    named = str(manifest.get("weights")), str(manifest.get("state")) + ".json"
    if not all(GENERATED.fullmatch(name) for name in named):
        return False
    # Only names that we write: "../x" in a stranger's manifest would be a file outside of the run.
    allowed = (name in (*FIXED, PRIOR) or GENERATED.fullmatch(name) for name in files)
    entries = (
        isinstance(entry, dict)
        and type(entry.get("size")) is int  # not isinstance: True is an int as well
        and isinstance(entry.get("sha256"), str)
        for entry in files.values()
    )
    lengths = (type(length) is int and length >= 0 for length in logs.values())
    whole = {*FIXED, *named} <= files.keys() and all(allowed) and all(entries) and all(lengths)
    return whole and manifest.get("format") == FORMAT


def digest_of(manifest: dict[str, Any]) -> str:
    """Compute the sha256 of a manifest: of all keys but "sha256", sorted, as JSON."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_verified(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """Read a file that the manifest lists, and check its digest. Raises RunError.

    The bytes that were checked are returned, so nobody reads the file twice: it could have changed.
    """
    entry = manifest["files"].get(name)
    if entry is None:
        raise damaged(folder, f"checkpoint.json does not list {name}")
    # read_plain refuses a link as the file; a link as the folder above it passes unseen there.
    if name.startswith("split/") and (folder / "split").is_symlink():
        raise RunError("split is a link", str(folder))
    # A file that grew is refused by its size, before a gigabyte of it is in memory.
    body = read_plain(folder / name, max(entry["size"], 2**10))
    if len(body) != entry["size"] or hashlib.sha256(body).hexdigest() != entry["sha256"]:
        raise damaged(folder, f"{name} is not what was saved", manifest, name)
    return body


def verify(folder: Path) -> list[str]:
    """List what is wrong with the files of this generation and the previous one; [] if nothing.

    Raises RunError if checkpoint.json itself is damaged. Example: ["config.json: missing"]
    """
    manifest = read_manifest(folder)
    generations = filter(None, (manifest, manifest.get("previous")))
    return sorted({line for generation in generations for line in problems(folder, generation)})


def problems(folder: Path, generation: dict[str, Any]) -> list[str]:
    """List what is wrong with the files of one generation, a line for each; [] if nothing."""
    wrong = []
    for name in generation["files"]:
        try:
            body = read_verified(folder, name, generation)
            # The digest says that these are the bytes we wrote; this, that they can be used.
            if name.endswith(".safetensors"):
                parse_tensors(body, name, folder)
        except (RunError, FileNotFoundError) as error:
            what = "missing" if isinstance(error, FileNotFoundError) else "not what was saved"
            wrong.append(f"{name}: {what}")
    return wrong
