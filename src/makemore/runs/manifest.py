"""checkpoint.json, the one commit point: which files belong to a generation, by sha256."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from makemore.errors import RunError
from makemore.runs.safe_files import MAX_JSON, parse_json, parse_tensors, read_plain

FORMAT = 1
PARTS = ("train", "val", "test")
FIXED = ("config.json", "vocabulary.json", *(f"split/{part}.txt" for part in PARTS))
LOGS = ("metrics.jsonl", "samples.txt")
WATCHED = ("diagnostics.jsonl",)  # a log that only a watched training has
GROWING = ("looks.jsonl", "given.txt")  # outside the digests: they grow after the training is done


OURS = re.compile(
    r"(config|vocabulary|checkpoint)\.json|lock|split|members|(metrics|looks|diagnostics)\.jsonl"
    r"|(samples|given)\.txt|weights-\d+\.safetensors|state-\d+\.(safetensors|json)|\.tmp-[\w.-]+"
)
GENERATED = re.compile(r"(weights|state)-\d+\.(safetensors|json)")


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
