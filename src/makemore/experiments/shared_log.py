"""Shared log: finished work of any number of processes, on any machines that share a folder.

    trials.jsonl             which work it is, and, once everything is finished, all of its records
    trials/4f1c.json         one that has finished since then
    trials/4f1c.1.lease      one that some process works on (leases.py)

Each file is written under another name and renamed when it is whole. So no process needs a lock,
and work that was done twice has the same record twice. Who leaves last removes what trials.jsonl
has.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from makemore.errors import RunError, SystemFault
from makemore.experiments.journal import (
    MOST_BYTES,
    Record,
    as_line,
    no_record,
    parse_log,
    parse_record,
)
from makemore.experiments.leases import Leases
from makemore.runs.safe_files import MAX_JSON, on_disk, read_plain, remove, sync_folder

RESULT = re.compile(r"(?P<name>[0-9a-z]+)\.json")
TEMPORARY = ".tmp-"
START = "start"  # the lease of who writes the first line
WAIT = 0.05  # seconds between two looks at whether the first line is there


class SharedLog:
    """The log in a folder, and the leases of this process there.

    first: the first line of a new log; `identity` names the keys that make two works the same
    others: files that are written beside it, and removed with fresh
    name_of: names a record that is read back, for its file; None if it is none of this work's
    Raises RunError for a damaged file or a folder of something else, UsageError for another
    work's, SystemFault if it cannot be written, or with fresh if other processes work there.
    """

    def __init__(
        self, folder: Path, file: str, first: Record, identity: Sequence[str],
        name_of: Callable[[Record], str | None], others: Sequence[str] = (), fresh: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.file, self.first = folder, file, first
        self.place = folder / file.partition(".")[0]
        self._identity, self._name_of = identity, name_of
        if os.path.lexists(folder) and not folder.is_dir():
            raise RunError("this is no directory", str(folder), "give another -o")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            foreign = set(os.listdir(folder)) - {file, self.place.name, *others}
        except OSError as error:
            raise on_disk(error, folder.parent, folder.name) from None
        if foreign and not os.path.lexists(folder / file):
            what = f"the directory is not empty and holds no {file}"
            raise RunError(what, str(folder), "give another -o")
        # Before anything is written: what is none of ours is left as it is.
        self._check_plain() if fresh else self._read_log()
        self.leases = Leases(self.place)
        try:
            if fresh:
                self._start_over(others)
            self._begin()
        except BaseException:
            self.close()
            raise

    # -- what is finished -------------------------------------------------------------------------

    def read(self) -> dict[str, Record]:
        """Read all finished records, by their names."""
        # The files first: one that is removed meanwhile is in the log by then.
        newer = self.newer({})
        return {**self._read_log()[1], **newer}

    def newer(self, known: Mapping[str, object]) -> dict[str, Record]:
        """Read the records that have a file of their own, but for those of known names."""
        found = {}
        for name in sorted(self._loose() - known.keys()):
            with contextlib.suppress(FileNotFoundError):  # it went into the log
                found[name] = self._read_one(name)
        return found

    def take(self, names: Collection[str]) -> str | None:
        """Take the first of these that nobody works on, nor has finished; None if there is none."""
        finished = set[str]()
        while name := self.leases.take_first(each for each in names if each not in finished):
            # Who finished it gave its lease back only then: without a lease, it may be finished.
            if not (self.place / f"{name}.json").exists():
                return name
            self.leases.release(name)
            finished.add(name)
        return None

    def add(self, name: str, record: Record) -> None:
        """Write finished work, and give its lease back. Raises SystemFault.

        It is on the disk when this returns.
        """
        self._put(self.place / f"{name}.json", as_line(record))
        self.leases.release(name)

    def forget(self, name: str) -> None:
        """Remove the file of a record that is to be made again."""
        remove(self.place / f"{name}.json")

    def complete(self, names: Sequence[str]) -> list[Record] | None:
        """Write the whole log if all of these are finished; returns the records in this order.

        None if one of them is not, as another process makes it again.
        """
        records = self.read()
        if not records.keys() >= set(names):
            return None
        listed = [records.pop(name) for name in names]
        if self._loose():
            lines = [self.first, *listed, *records.values()]
            self._put(self.folder / self.file, b"".join(map(as_line, lines)))
        return listed

    def close(self) -> None:
        """Leave; the last one to do so removes the files of records that the log has."""
        with contextlib.suppress(SystemFault, RunError, OSError):  # a folder that has gone
            if self.leases.leave():
                self._tidy()
        self.leases.close()

    def __enter__(self) -> SharedLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- the first line ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Take the first line that is there, or write it: one process does, the others wait."""
        while (found := self._read_log()[0]) is None:
            if self.leases.take_first([START]):
                if self._read_log()[0] is None:
                    self._put(self.folder / self.file, as_line(self.first))
                self.leases.release(START)
            else:
                time.sleep(WAIT)
        self.first = found

    def _start_over(self, others: Sequence[str]) -> None:
        """Remove everything. Raises SystemFault if other processes work here."""
        if self.leases.others():
            raise SystemFault(
                "other processes work here", str(self.folder),
                "end them or wait, or leave out --fresh to join them",
            )  # fmt: skip
        for name in self._loose():
            self.forget(name)
        for file in (*others, self.file):
            remove(self.folder / file)

    def _tidy(self) -> None:
        """Remove the records that the log has, and what processes that died were writing."""
        records = self._read_log()[1]
        for name in self._loose():
            with contextlib.suppress(FileNotFoundError):
                if records.get(name) == self._read_one(name):
                    self.forget(name)
        for path in self.place.glob(f"{TEMPORARY}*"):
            if not self.leases.is_here(path.name.removeprefix(TEMPORARY)):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something is in it
            self.place.rmdir()

    # -- files ------------------------------------------------------------------------------------

    def _check_plain(self) -> bytes:
        """Read the log's bytes; empty if there is none. Raises RunError for what is no file."""
        path = self.folder / self.file
        try:
            status = path.lstat()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise on_disk(error, self.folder, self.file) from None
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise RunError(f"{self.file} is none of ours", str(self.folder), "give another -o")
        try:
            return read_plain(path, MOST_BYTES)
        except FileNotFoundError:
            return b""

    def _read_log(self) -> tuple[Record | None, dict[str, Record]]:
        """Read the log: its first line, None if there is none yet, and its records by name."""
        first, records = parse_log(
            self._check_plain(), self.folder, self.file, self.first, self._identity,
            lambda record: self._name_of(record) is None,
        )  # fmt: skip
        return first, {str(self._name_of(record)): record for record in records}

    def _read_one(self, name: str) -> Record:
        """Read the file of a record. Raises RunError for one that is damaged."""
        where = f"{self.place.name}/{name}.json"
        record = parse_record(read_plain(self.folder / where, MAX_JSON), where, self.folder)
        if self._name_of(record) != name:
            raise no_record(f"{where} is no result of this work", str(self.folder))
        return record

    def _loose(self) -> set[str]:
        """Name the records that have a file of their own."""
        try:
            files = os.listdir(self.place)
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise on_disk(error, self.folder, self.place.name) from None
        return {found["name"] for file in files if (found := RESULT.fullmatch(file))}

    def _put(self, path: Path, body: bytes) -> None:
        """Write a file whole, under a name that no other process uses, and rename it."""
        temporary = self.place / f"{TEMPORARY}{self.leases.token}"
        try:
            with open(temporary, "wb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise on_disk(error, path.parent, path.name) from None
