"""RunWriter: the one process that may write to a run directory.

A save writes new files beside the old ones and then replaces checkpoint.json, the commit point. So
whatever was killed when, one whole generation is on the disk; the one before it stays too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from makemore.errors import RunError, SystemFault
from makemore.escaping import visible
from makemore.models.core.base import Arrays
from makemore.runs.manifest import (
    FORMAT,
    GENERATED,
    LOGS,
    OURS,
    PARTS,
    WATCHED,
    digest_of,
    problems,
    read_manifest,
)
from makemore.runs.run import Run, RunConfig
from makemore.runs.safe_files import (
    append,
    appending,
    on_disk,
    remove,
    to_json,
    write_atomically,
    write_parts,
)
from makemore.text import Split, Vocabulary


class RunWriter:
    """The one process that may write to a run directory, by a lock that dies with it."""

    def __init__(self, folder: str | os.PathLike[str], fresh: bool = False) -> None:
        """Take the directory, made where it is missing. Raises SystemFault, RunError (foreign).

        fresh: the run that is there will not be read, so it may be damaged.
        """
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if isinstance(error, FileExistsError):
                raise RunError("no directory", str(self.folder), "give another -o") from None
            raise SystemFault(
                f"cannot make {self.folder}", error.strerror, "give another -o"
            ) from None
        foreign = [entry for entry in os.listdir(self.folder) if not OURS.fullmatch(entry)]
        entries = set(os.listdir(self.folder))
        if entries and "checkpoint.json" not in entries and (foreign or "lock" not in entries):
            raise RunError(
                "the directory is not empty and no run", str(self.folder), "give another -o"
            )
        self._lock = self._take_lock()
        self.manifest: dict[str, Any] | None = None
        try:
            self._clear(".tmp-")
            if "checkpoint.json" in entries and (foreign or not fresh):
                self.manifest = read_manifest(self.folder)
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> int:
        path = self.folder / "lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise on_disk(error, self.folder, "lock") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except BlockingIOError:
            holder = visible(os.pread(handle, 20, 0).decode("ascii", "replace").strip(), 20)
            os.close(handle)
            raise SystemFault(
                f"process {holder} is training here",
                str(self.folder),
                "wait for it, or give another -o",
            ) from None
        except OSError as error:
            os.close(handle)
            raise on_disk(error, self.folder, "lock") from None
        return handle

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def clear(self) -> None:
        """Remove what makemore wrote here, and nothing else; the commit point goes first."""
        remove(self.folder / "checkpoint.json")
        self.remove_members()
        self._clear("")
        self.manifest = None

    # -- the members of an ensemble: runs of their own in members/0, members/1, ... ---------------

    def member(self, number: int) -> RunWriter:
        """The writer of a member's run. Raises RunError for a link."""
        for folder in (self.folder / "members", self.folder / "members" / str(number)):
            if folder.is_symlink():
                raise RunError(f"{folder.name} is a link", str(self.folder), "take it away")
        return RunWriter(self.folder / "members" / str(number))

    def remove_members(self, numbers: Collection[int] | None = None) -> None:
        """Remove the runs of these members, or of all: what makemore wrote, and nothing else."""
        above = self.folder / "members"
        if above.is_symlink() or not above.is_dir():
            return
        for entry in os.listdir(above):
            folder = above / entry
            if not re.fullmatch(r"\d{1,3}", entry) or folder.is_symlink() or not folder.is_dir():
                continue
            if numbers is None or int(entry) in numbers:
                with RunWriter(folder, fresh=True) as own:
                    own.clear()
                    _remove_empty(folder / "split")
                    remove(folder / "lock")
                _remove_empty(folder)
        _remove_empty(above)

    def _clear(self, prefix: str) -> None:
        for folder in (self.folder, self.folder / "split"):
            if folder.is_symlink() or not folder.is_dir():
                continue
            for entry in os.listdir(folder):
                ours = OURS.fullmatch(entry) or entry in {f"{part}.txt" for part in PARTS}
                if ours and entry.startswith(prefix) and entry not in ("lock", "split", "members"):
                    remove(folder / entry)

    def create(self, config: RunConfig, vocabulary: Vocabulary, split: Split) -> None:
        """Write what stays the same for the whole run. Nothing counts before the first save."""
        self.clear()
        try:
            if (self.folder / "split").is_symlink():
                (self.folder / "split").unlink()
            (self.folder / "split").mkdir(exist_ok=True)
        except OSError as error:
            raise on_disk(error, self.folder, "split") from None
        self._files = {
            "config.json": write_atomically(self.folder, "config.json", to_json(asdict(config))),
            "vocabulary.json": write_atomically(
                self.folder, "vocabulary.json", to_json(vocabulary.record())
            ),
        }
        for name, part in split:
            file, lines = f"split/{name}.txt", (some.written().encode() for some in part.blocks())
            self._files[file] = write_parts(self.folder, file, lines)

    def resume(self) -> Run:
        """The run to go on with; its logs are cut to what the checkpoint committed."""
        run = Run.load(self.folder, state=True)
        manifest = self.manifest = read_manifest(self.folder)
        self._files = {k: v for k, v in manifest["files"].items() if not GENERATED.fullmatch(k)}
        for name in self._logs():
            length = manifest["logs"].get(name, 0)
            with appending(self.folder / name) as handle:
                if os.fstat(handle).st_size > length:
                    os.ftruncate(handle, length)
        return run

    def _logs(self) -> list[str]:
        return [*LOGS, *(name for name in WATCHED if os.path.lexists(self.folder / name))]

    def log(self, name: str, line: str) -> None:
        """Add a line to a log (LOGS, WATCHED); it counts once the next save commits it."""
        append(self.folder, name, line)

    def save(self, progress: dict[str, Any], weights: Arrays, state: Arrays | None = None) -> None:
        """Commit a new generation: best weights, progress, and the state to go on from."""
        import safetensors.numpy

        before = self.manifest
        files = dict(self._files)

        def put(name: str, body: Callable[[], bytes]) -> None:
            # What the commit point names is never written again: the same step, the same bytes.
            known = before["files"].get(name) if before else None
            files[name] = known or write_atomically(self.folder, name, body())

        best, latest = f"weights-{progress['best_step']}.safetensors", f"state-{progress['step']}"
        put(best, lambda: safetensors.numpy.save(weights))
        put(latest + ".json", lambda: to_json(progress))
        if state is not None:
            put(latest + ".safetensors", lambda: safetensors.numpy.save(state))
        self._commit(files, best, latest)

    def _synced(self) -> dict[str, int]:
        """The length of each log, which is on the disk up to there."""
        lengths = {}
        for name in self._logs():
            with appending(self.folder / name) as handle:
                os.fsync(handle)
                lengths[name] = os.fstat(handle).st_size
        return lengths

    def _commit(self, files: dict[str, Any], best: str, latest: str) -> None:
        before = self.manifest
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "generation": before["generation"] + 1 if before else 0,
            "weights": best,
            "state": latest,
            "files": files,
            "logs": self._synced(),
            "previous": before
            and {k: v for k, v in before.items() if k not in ("previous", "sha256")},
        }
        self._replace_manifest(manifest)

    def commit_logs(self) -> None:
        """Let the logs as they are now belong to the generation that was saved last."""
        if self.manifest is not None:
            rest = {key: value for key, value in self.manifest.items() if key != "sha256"}
            self._replace_manifest({**rest, "logs": self._synced()})

    def _replace_manifest(self, manifest: dict[str, Any]) -> None:
        manifest["sha256"] = digest_of(manifest)
        write_atomically(self.folder, "checkpoint.json", to_json(manifest))
        self.manifest = manifest
        kept = {*manifest["files"], *((manifest["previous"] or {}).get("files", ()))}
        for entry in os.listdir(self.folder):
            if GENERATED.fullmatch(entry) and entry not in kept:
                remove(self.folder / entry)

    def restore(self) -> None:
        """Make the checkpoint before this one the current one. Raises RunError without one."""
        previous = (self.manifest or {}).get("previous")
        if not previous:
            raise RunError("there is no checkpoint before this one", str(self.folder))
        if wrong := problems(self.folder, previous):
            raise RunError(
                f"the checkpoint before this one is damaged, too: {wrong[0]}", str(self.folder),
                "train again, or take a copy of the run",
            )  # fmt: skip
        self._replace_manifest({**previous, "previous": None})


def _remove_empty(folder: Path) -> None:
    """Take a directory away unless something is in it that is not makemore's."""
    with contextlib.suppress(OSError):
        folder.rmdir()
