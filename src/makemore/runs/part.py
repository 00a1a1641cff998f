"""The part directory: n-grams and lines of one shard of a file, as `makemore count` leaves them.

    grams.codes  grams.counts               the n-grams of full order, sorted, and their counts
    {train,val,test}.txt                    the distinct lines
    {train,val,test}.rows                   where each of them stood in the file
    part.json                               the one commit point: what was counted, and checksums
    lock                                    held by flock while counting

Nothing in it can run. Parts of all shards of a file are merged to a run directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from makemore.errors import RunError
from makemore.options import as_flags
from makemore.runs.lock import Locked
from makemore.runs.manifest import PARTS, check_format, digest_of
from makemore.runs.safe_files import (
    CHUNK,
    MAX_JSON,
    make_folder,
    open_plain,
    parse_json,
    read_plain,
    remove,
    to_json,
    write_atomically,
)
from makemore.runs.scratch import SCRATCH, remove_scratch
from makemore.runs.shapes import ANY, has_shape

FORMAT = 1
COMMIT = "part.json"
LINES, ROWS = ".txt", ".rows"
COUNT_TYPE = "<u8"  # of grams.counts; of rows "<i8"
GRAMS = ("grams.codes", "grams.counts")
FILES = (*GRAMS, *(f"{part}{kind}" for part in PARTS for kind in (LINES, ROWS)))
OURS = re.compile(
    r"part\.json|lock|grams\.(codes|counts)|(train|val|test)\.(txt|rows)|\.tmp-[\w.-]+"
)
SHAPE = {
    "format": int, "version": str, "name": str, "shard": [int], "asked": {},
    "text": {"sha256": str, "bytes": int}, "vocabulary": {"symbols": [str], "rule": str},
    "lines": {ANY: int}, "symbols": int, "trained": int, "distinct": int,
    "files": {ANY: {"size": int, "sha256": str}}, "sha256": str,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Holds what part.json says of a shard that was counted.

    facts: name, shard (number, of how many), asked (options), text (sha256 and bytes of the file),
        vocabulary, lines (counts of the whole file), symbols (of its train lines), distinct lines
    """

    path: Path
    facts: dict[str, Any]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Part:
        """Read part.json. Raises RunError if there is none, or it is not as makemore writes it."""
        folder = Path(path)
        try:
            body = read_plain(folder / COMMIT, 4 * MAX_JSON) if folder.is_dir() else None
        except FileNotFoundError:
            body = None
        if body is None:
            raise RunError(
                "this is no part, or one that is not finished",
                str(folder),
                "makemore count FILE -o PART makes one of a file, and goes on if given again",
            )
        facts = parse_json(body, COMMIT, folder)
        check_format(facts, FORMAT, folder)
        sound = has_shape(facts, SHAPE) and facts["sha256"] == digest_of(facts)
        if not sound or facts["files"].keys() != set(FILES) or len(facts["shard"]) != 2:
            again = "give the command that counted it again, with --fresh"
            raise RunError(f"{COMMIT} is not what was written", str(folder), again)
        return cls(folder, facts)

    @property
    def shard(self) -> tuple[int, int]:
        """Return which shard this is, from 1, and of how many."""
        return self.facts["shard"][0], self.facts["shard"][1]

    def check(self) -> None:
        """Compare every file with its checksum. Raises RunError."""
        for name, entry in self.facts["files"].items():
            size, digest = 0, hashlib.sha256()
            for chunk in self._chunks(name, entry["size"]):
                size += len(chunk)
                digest.update(chunk)
            if {"size": size, "sha256": digest.hexdigest()} != entry:
                raise self._damaged(name)

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        try:
            with open_plain(self.path / name, size) as (stream, _):
                while chunk := stream.read(CHUNK):
                    yield chunk
        except (FileNotFoundError, RunError):
            raise self._damaged(name) from None

    def _damaged(self, name: str) -> RunError:
        to_do = f"count it again: {self.command(self.shard[0], str(self.path))} --fresh"
        return RunError(f"the part is damaged: {name} is not what was saved", str(self.path), to_do)

    def command(self, number: int, folder: str) -> str:
        """Write the command that counts a shard of the same file with the same options."""
        words = ["--shard", f"{number}/{self.shard[1]}", *as_flags(self.facts["asked"])]
        return f"makemore count FILE {shlex.join([*words, '-o', folder])}"


class PartWriter(Locked):
    """Writes a part directory, under a lock: one process at a time. Close it, or use `with`."""

    def __init__(self, folder: str | os.PathLike[str], fresh: bool = False) -> None:
        """Lock the directory, created if missing; `part` is what was counted in it before, or None.

        fresh: that is removed. Raises RunError for a directory with other files, SystemFault.
        """
        folder = Path(folder)
        self.part: Part | None = None
        make_folder(folder)
        entries = os.listdir(folder)
        # Nobody's files are mixed with a part's by a mistyped -o.
        if not all(map(OURS.fullmatch, entries)) or (entries and "lock" not in entries):
            raise RunError(
                "the directory is not empty and no part", str(folder), "give another directory"
            )
        super().__init__(folder, "counting")
        try:
            if COMMIT in entries and not fresh:
                self.part = Part.load(self.folder)
            else:
                self.clear()
        except BaseException:
            self.close()
            raise

    def clear(self) -> None:
        """Remove what was counted here, whole or not. Raises SystemFault."""
        remove(self.folder / COMMIT)  # the commit point first
        for entry in os.listdir(self.folder):
            if entry == SCRATCH:
                remove_scratch(self.folder / entry)
            elif entry != "lock" and OURS.fullmatch(entry):
                remove(self.folder / entry)

    def commit(self, facts: dict[str, Any]) -> Part:
        """Write part.json, with which the part counts: facts as in Part. Raises SystemFault."""
        whole = {"format": FORMAT, **facts}
        whole["sha256"] = digest_of(whole)
        write_atomically(self.folder, COMMIT, to_json(whole))
        return Part(self.folder, json.loads(to_json(whole)))
