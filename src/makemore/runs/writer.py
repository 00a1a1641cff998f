"""RunWriter: writes a run directory, from the first file to the last checkpoint.

A save writes new files beside the old ones and then replaces checkpoint.json, the commit point. A
process that is killed at any moment therefore leaves a whole generation on the disk; the previous
one is kept as well, and older ones are removed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from makemore.errors import RunError
from makemore.models.core.base import Arrays
from makemore.runs.lock import Locked
from makemore.runs.manifest import (
    FORMAT,
    GENERATED,
    LOGS,
    OURS,
    PARTS,
    PRIOR,
    WATCHED,
    digest_of,
    problems,
    read_manifest,
)
from makemore.runs.run import PartReader, Run, RunConfig
from makemore.runs.safe_files import (
    append,
    appending,
    make_folder,
    on_disk,
    remove,
    to_json,
    write_atomically,
    write_parts,
)
from makemore.runs.scratch import SCRATCH, remove_scratch
from makemore.text import Split, Vocabulary
from makemore.text.dataset import digest_of_parts
from makemore.text.line_hashes import PriorLines


class RunWriter(Locked):
    """Writes to a run directory, under a lock: one process at a time. Close it, or use `with`."""

    def __init__(self, folder: str | os.PathLike[str], fresh: bool = False) -> None:
        """Lock the directory, created if missing.

        fresh: the run that is there will not be read, so it may be damaged
        Raises RunError for a directory with other files and no run, SystemFault if another process
        is training there.
        """
        folder = Path(folder)
        make_folder(folder)
        entries = set(os.listdir(folder))
        foreign = [entry for entry in entries if not OURS.fullmatch(entry)]
        # Nobody's files are mixed with a run's by a mistyped -o. Our names without a checkpoint are
        # a run that was killed before its first save, but only with our lock beside them.
        if entries and "checkpoint.json" not in entries and (foreign or "lock" not in entries):
            raise RunError(
                "the directory is not empty and no run", str(folder), "give another directory"
            )
        super().__init__(folder)
        self.manifest: dict[str, Any] | None = None
        self._ensemble: RunWriter | None = None  # of an ensemble's member: the ensemble's writer
        try:
            # Half-written files of a process that was killed. Only under the lock: those of a
            # process that is writing have the same names.
            self._clear(".tmp-")
            # With files of others here, even a fresh start must be sure that this is a run.
            if "checkpoint.json" in entries and (foreign or not fresh):
                self.manifest = read_manifest(self.folder)
        except BaseException:
            self.close()
            raise

    def clear(self) -> None:
        """Remove what makemore wrote here, and nothing else."""
        # The commit point first: killed in between, this is no run, and not a damaged one.
        remove(self.folder / "checkpoint.json")
        self.remove_members()
        self._clear("")
        self.manifest = None

    # -- the members of an ensemble: runs of their own in members/0, members/1, ... ---------------

    def member(self, number: int) -> RunWriter:
        """Make the writer of a member's run, in members/NUMBER. Raises RunError for a link."""
        for folder in (self.folder / "members", self.folder / "members" / str(number)):
            if folder.is_symlink():
                raise RunError(f"{folder.name} is a link", str(self.folder), "take it away")
        writer = RunWriter(self.folder / "members" / str(number))
        writer._ensemble = self  # its saves commit the ensemble's logs
        return writer

    def remove_members(self, numbers: Collection[int] | None = None) -> None:
        """Remove the runs of these members, or of all: what makemore wrote, and nothing else."""
        for folder in self._member_folders():
            if numbers is None or int(folder.name) in numbers:
                remove_run(folder)
        if not (self.folder / "members").is_symlink():
            _remove_empty(self.folder / "members")

    def _member_folders(self) -> list[Path]:
        """List the folders of members that are there."""
        members = self.folder / "members"
        # A link is left alone, here and below: behind it are files that are not this run's.
        if members.is_symlink() or not members.is_dir():
            return []
        return [
            folder for folder in sorted(members.iterdir())
            if re.fullmatch(r"\d{1,3}", folder.name)
            and folder.is_dir() and not folder.is_symlink()
        ]  # fmt: skip

    def _clear(self, prefix: str) -> None:
        """Remove our files whose names start with this, here and in split/; never the lock."""
        for folder in (self.folder, self.folder / "split"):
            if folder.is_symlink() or not folder.is_dir():
                continue
            for entry in os.listdir(folder):
                # By name: what is not called as we call our files was put there by someone else.
                ours = OURS.fullmatch(entry) or entry in {f"{part}.txt" for part in PARTS}
                if ours and entry.startswith(prefix) and entry not in ("lock", "split", "members"):
                    if entry != SCRATCH:
                        remove(folder / entry)
                    elif prefix:  # without one, it is this process that works there
                        remove_scratch(folder / entry)

    def create(
        self,
        config: RunConfig,
        vocabulary: Vocabulary,
        split: Split,
        prior_lines: PriorLines | None = None,
    ) -> None:
        """Write the files that stay the same: configuration, vocabulary and split.

        prior_lines: those of the prior that the training starts from
        They count once the first save names them in checkpoint.json. Raises SystemFault.
        """
        parts = {name: (some.written().encode() for some in part.blocks()) for name, part in split}
        self.create_from(parts, vocabulary, lambda _: config)
        if prior_lines is not None:
            import safetensors.numpy

            body = safetensors.numpy.save(prior_lines.tensors())
            self._files[PRIOR] = write_atomically(self.folder, PRIOR, body)

    def create_from(
        self,
        parts: Mapping[str, Iterable[bytes]],
        vocabulary: Vocabulary,
        config_of: Callable[[str], RunConfig],
    ) -> None:
        """Write the files of `create` from lines that come one after the other.

        parts: the bytes of split/train.txt, of val and of test, some at a time
        config_of: makes the configuration of the split's digest, known when all lines are written
        """
        self.clear()
        try:
            if (self.folder / "split").is_symlink():
                (self.folder / "split").unlink()  # or the parts would be written behind it
            (self.folder / "split").mkdir(exist_ok=True)
        except OSError as error:
            raise on_disk(error, self.folder, "split") from None
        files = {
            f"split/{name}.txt": write_parts(self.folder, f"split/{name}.txt", lines)
            for name, lines in parts.items()
        }
        config = config_of(digest_of_parts([entry["sha256"] for entry in files.values()]))
        fixed = {"config.json": config.record(), "vocabulary.json": vocabulary.record()}
        self._files = {
            **{name: write_atomically(self.folder, name, to_json(v)) for name, v in fixed.items()},
            **files,
        }

    def resume(self, read_part: PartReader | None = None) -> Run:
        """Load the run that is here, to resume it. Raises RunError.

        read_part: puts lines together, None for in memory
        Its logs are cut to the lengths that the checkpoint committed, or that of a member in
        training: the steps after it are taken, and logged, again.
        """
        how = {} if read_part is None else {"read_part": read_part}
        run = Run.load(self.folder, state=True, **how)
        manifest = self.manifest = read_manifest(self.folder)
        self._files = {k: v for k, v in manifest["files"].items() if not GENERATED.fullmatch(k)}
        self.cut_logs(self._member_logs())
        if run.progress["finished"]:  # a process was killed before it removed the last member
            self.remove_members()
        return run

    def cut_logs(self, beyond: dict[str, int] | None = None) -> None:
        """Cut the logs to the lengths in bytes that the checkpoint committed, or to longer ones."""
        committed = (self.manifest or {}).get("logs", {})
        for name in self._logs():
            length = max(committed.get(name, 0), (beyond or {}).get(name, 0))
            with appending(self.folder / name) as handle:
                # A log that is shorter was cut by somebody; ftruncate would fill it with zeros.
                if os.fstat(handle).st_size > length:
                    os.ftruncate(handle, length)

    def _member_logs(self) -> dict[str, int]:
        """Read how much of this run's logs the last save of a member committed, in bytes."""
        lengths: dict[str, int] = {}
        for folder in self._member_folders():
            with contextlib.suppress(RunError):  # it is reported where the member is opened
                told = read_manifest(folder).get("ensemble_logs")
                for name, length in told.items() if isinstance(told, dict) else ():
                    if type(length) is int:
                        lengths[name] = max(lengths.get(name, 0), length)
        return lengths

    def _logs(self) -> list[str]:
        return [*LOGS, *(name for name in WATCHED if os.path.lexists(self.folder / name))]

    def log(self, name: str, line: str) -> None:
        """Append a line to a log (LOGS, WATCHED); the next save commits it."""
        append(self.folder, name, line)

    def save(
        self,
        progress: dict[str, Any],
        weights: Arrays | Iterator[bytes],
        state: Arrays | None = None,
    ) -> None:
        """Write a checkpoint: best weights, progress, and the state to resume from.

        weights: arrays, or the bytes of their file in parts (runs/tensor_file.py)
        progress: training.Progress.record(), whose steps name the files. Raises SystemFault.
        """
        import safetensors.numpy

        before = self.manifest
        files = dict(self._files)

        def put(name: str, body: Callable[[], Iterable[bytes]]) -> None:
            # A file that the manifest names is not written again: a reader may be reading it, and a
            # file of the same step has the same bytes. The best weights often stay for many saves.
            entry = before["files"].get(name) if before else None
            files[name] = entry or write_parts(self.folder, name, body())

        best, latest = f"weights-{progress['best_step']}.safetensors", f"state-{progress['step']}"
        put(best, lambda: self._weights_file(weights))
        put(latest + ".json", lambda: [to_json(progress)])
        if state is not None:
            put(latest + ".safetensors", lambda: [safetensors.numpy.save(state)])
        self._commit(files, best, latest)

    @staticmethod
    def _weights_file(weights: Arrays | Iterator[bytes]) -> Iterable[bytes]:
        if not isinstance(weights, dict):
            return weights
        import safetensors.numpy

        return [safetensors.numpy.save(weights)]

    def _synced(self) -> dict[str, int]:
        """Bring the logs to the disk, and return the length of each in bytes."""
        lengths = {}
        for name in self._logs():
            with appending(self.folder / name) as handle:
                # Before the manifest is written: it must not promise lines that a crash can lose.
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
            # One commit point for both: an ensemble's logs hold the entries of its members.
            **({"ensemble_logs": self._ensemble._synced()} if self._ensemble else {}),
            # Without its own predecessor, or the file would grow with every save.
            "previous": before
            and {k: v for k, v in before.items() if k not in ("previous", "sha256")},
        }
        self._replace_manifest(manifest)

    def _replace_manifest(self, manifest: dict[str, Any]) -> None:
        manifest["sha256"] = digest_of(manifest)
        write_atomically(self.folder, "checkpoint.json", to_json(manifest))
        self.manifest = manifest  # from here on the new generation counts
        # Only after the commit: killed in between, there are files too many, but none too few.
        kept = {*manifest["files"], *((manifest["previous"] or {}).get("files", ()))}
        for entry in os.listdir(self.folder):
            if GENERATED.fullmatch(entry) and entry not in kept:
                remove(self.folder / entry)

    def restore(self) -> None:
        """Go back to the previous checkpoint. Raises RunError if it is missing or damaged."""
        previous = (self.manifest or {}).get("previous")
        if not previous:
            raise RunError("there is no checkpoint before this one", str(self.folder))
        if wrong := problems(self.folder, previous):
            raise RunError(
                f"the checkpoint before this one is damaged, too: {wrong[0]}", str(self.folder),
                "train again, or take a copy of the run",
            )  # fmt: skip
        self._replace_manifest({**previous, "previous": None})


def remove_run(folder: Path) -> None:
    """Remove a run, and its directory if nothing else is in it. Raises what RunWriter does."""
    with RunWriter(folder, fresh=True) as writer:
        writer.clear()
        _remove_empty(folder / "split")
        remove(folder / "lock")
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """Remove a directory if it is empty: a file of someone else in it keeps it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
