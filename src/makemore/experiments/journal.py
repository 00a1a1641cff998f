"""Journal: a file of finished work, one JSON object a line, that outlives a kill.

Its first line says which work it is: the same command goes on, another one is refused. A line is
whole or it is not there. One process at a time holds it.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from makemore.errors import RunError, SystemFault, UsageError
from makemore.runs.safe_files import on_disk, parse_json, remove

MOST_BYTES = 2**28
TOLD = 9  # bytes of the first line by which a file is known as ours: {"format


Record = dict[str, Any]


class ResultLog:
    """A JSONL file in a folder that is made where it is missing.

    first: the first line of a new file; `identity` names the keys that make two works the same
    others: files that are written beside it, and removed with fresh
    wrong: tells whether a record that is read back is none of this work's
    first, records: what is in the file, once it is taken. Raises RunError for a damaged file or a
    folder of something else, UsageError for another work's, SystemFault if a process holds it.
    """

    def __init__(
        self, folder: Path, file: str, first: Record, identity: Sequence[str],
        others: Sequence[str] = (), fresh: bool = False,
        wrong: Callable[[Record], bool] = lambda record: False,
    ) -> None:  # fmt: skip
        self.folder, self.file, self.first, self.records = folder, file, first, list[Record]()
        self._identity, self._others, self._wrong = identity, others, wrong
        if os.path.lexists(folder) and not folder.is_dir():
            raise RunError("this is no directory", str(folder), "give another -o")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            foreign = set(os.listdir(folder)) - {file, *others}
        except OSError as error:
            raise on_disk(error, folder.parent, folder.name) from None
        if foreign and not os.path.lexists(folder / file):
            what = f"the directory is not empty and holds no {file}"
            raise RunError(what, str(folder), "give another -o")
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
            self._handle = os.open(folder / file, flags | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise on_disk(error, folder, file) from None
        try:
            self._take(fresh)
        except BaseException:
            self.close()
            raise

    def _take(self, fresh: bool) -> None:
        status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise RunError(f"{self.file} is none of ours", str(self.folder), "give another -o")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemFault(
                "another process works here", str(self.folder), "wait, or give another -o"
            ) from None
        except OSError as error:  # a file system without locks
            raise on_disk(error, self.folder, self.file) from None
        if fresh:
            for name in self._others:
                remove(self.folder / name)
        body = b"" if fresh else os.pread(self._handle, os.fstat(self._handle).st_size, 0)
        found, records = parse_log(
            body, self.folder, self.file, self.first, self._identity, self._wrong
        )
        os.ftruncate(self._handle, body.rfind(b"\n") + 1)
        if found is None:
            self._write(self.first)
        else:
            self.first, self.records = found, records

    def append(self, record: Record) -> None:
        """Add finished work; it is on the disk when this returns. Raises SystemFault."""
        self._write(record)
        self.records.append(record)

    def _write(self, record: Record) -> None:
        body = as_line(record)
        try:
            while body:  # on a full disk a write may take only a part
                body = body[os.write(self._handle, body) :]
            os.fsync(self._handle)
        except OSError as error:
            raise on_disk(error, self.folder, self.file) from None

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> ResultLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def parse_log(
    body: bytes, folder: Path, file: str, first: Record, identity: Sequence[str],
    wrong: Callable[[Record], bool],
) -> tuple[Record | None, list[Record]]:  # fmt: skip
    """Parse a log: its first line and its records; (None, []) where the first line is not whole.

    The rest as for ResultLog. Raises RunError, which names the line, and UsageError.
    """
    whole = body[: body.rfind(b"\n") + 1]  # a last line without an end was torn by a kill
    # Torn within its first line a file still begins as ours; any other is somebody's text.
    if not whole and not json.dumps(first)[:TOLD].encode().startswith(body[:TOLD]):
        raise RunError(f"{file} is none of ours", str(folder), "give another -o")
    lines = whole.split(b"\n")[:-1]
    found = [
        parse_record(line, f"{file}, line {number},", folder, number == 1)
        for number, line in enumerate(lines, 1)
    ]
    if not found:
        return None, []
    check_same(found[0], folder, file, first, identity)
    for number, record in enumerate(found[1:], 2):
        if wrong(record):
            raise no_record(f"{file}, line {number}, is no result of this work", str(folder))
    return found[0], found[1:]


def parse_record(line: bytes, where: str, folder: Path, is_first: bool = False) -> Record:
    """Parse a line of a log. Raises RunError, which names it and says what to do."""
    try:
        found = parse_json(line, where, folder)
    except RunError as error:
        raise no_record(error.what, error.where or str(folder), is_first) from None
    if not isinstance(found, dict):
        raise no_record(f"{where} is no object", str(folder), is_first)
    return found


def no_record(what: str, where: str, is_first: bool = False) -> RunError:
    """Make the error for a line that is none of ours."""
    to_do = "give another -o" if is_first else "take the line out"
    return RunError(what, where, f"{to_do}, or start over with --fresh")


def check_same(
    found: Record, folder: Path, file: str, first: Record, identity: Sequence[str]
) -> None:
    """Check that a file's first line is that of this work. Raises RunError, UsageError."""
    here = json.loads(json.dumps(first))
    if found.keys() != here.keys() or any(type(found[k]) is not type(here[k]) for k in here):
        raise RunError(f"{file} has another first line than ours", str(folder),
                       "give another -o, or --fresh to start over")  # fmt: skip
    if told := list(differences(found, here, identity)):
        raise UsageError(
            f"this was started otherwise: {'; '.join(told)}", str(folder),
            "give the same to go on, another -o, or --fresh to start over",
        )  # fmt: skip


def differences(
    found: Mapping[str, Any], here: Mapping[str, Any], identity: Sequence[str]
) -> list[str]:
    """What the first line of another work says and this one's does not, in words."""
    told = []
    for key in identity:
        was, now = found[key], here[key]
        if isinstance(was, dict):
            for name in sorted(was.keys() | now.keys()):
                if was.get(name) != now.get(name):
                    told.append(f"{name} was {_typed(was.get(name))}, is {_typed(now.get(name))}")
        elif was != now:
            said = f"{key} was {_typed(was)}, is {_typed(now)}"
            told.append("its text is another" if key == "data" else said)
    return told


def _typed(value: Any) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)


def as_line(record: Record) -> bytes:
    """Write a record as a line of a log."""
    return (json.dumps(finite(record), allow_nan=False) + "\n").encode()


def finite(value: Any) -> Any:
    """The same with null for what is no finite number: JSON has no other word."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
