"""Ledger: finished work outlives a kill, and no other work, process or file gets into it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from makemore.errors import MakemoreError, RunError, SystemFault, UsageError
from makemore.experiments.journal import ResultLog, differences, finite

FILE = "work.jsonl"
FIRST = {"format": 1, "data": "ab12", "asked": {"steps": 5, "rate": 0.1}, "version": "1"}
IDENTITY = ("data", "asked")


def opened(folder: Path, first: dict[str, Any] | None = None, **more: Any) -> ResultLog:
    return ResultLog(folder, FILE, first or FIRST, IDENTITY, **more)


def record(number: int) -> dict[str, Any]:
    return {"id": number, "text": "é\u2028$\n\t", "values": [number / 3, None]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a ledger of two records."""
    with opened(tmp_path / "a" / "b") as ledger:
        for number in (1, 2):
            ledger.append(record(number))
    return tmp_path / "a" / "b"


def test_what_was_appended_is_there_again(folder: Path) -> None:
    with opened(folder) as ledger:
        assert (ledger.first, ledger.records) == (FIRST, [record(1), record(2)])
        ledger.append(record(3))
        assert ledger.records[2:] == [record(3)]
    with opened(folder, {**FIRST, "version": "2"}) as ledger:  # what does not name the work
        assert ledger.first == FIRST and ledger.records == [record(1), record(2), record(3)]
    lines = (folder / FILE).read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == [FIRST, *map(record, (1, 2, 3))]
    assert lines[-1] == b"" and os.listdir(folder) == [FILE]


def test_what_is_no_finite_number_is_null(tmp_path: Path) -> None:
    values = {"loss": float("nan"), "rates": [float("inf"), 1.5, {"x": -float("inf")}], "n": 1}
    with opened(tmp_path) as ledger:
        ledger.append(values)
    with opened(tmp_path) as ledger:
        assert ledger.records == [{"loss": None, "rates": [None, 1.5, {"x": None}], "n": 1}]
    assert finite(values) == ledger.records[0]


def test_a_torn_last_line_is_as_if_it_had_not_been_written(folder: Path) -> None:
    """Wherever the file was cut: whole records stay, and what is appended stands on its own."""
    whole = (folder / FILE).read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    cuts = {end + off for end in ends for off in (-2, -1, 0, 1)} | {*range(0, len(whole), 9)}
    for length in sorted(cut for cut in cuts if cut <= len(whole)):
        (folder / FILE).write_bytes(whole[:length])
        kept = max(0, sum(end <= length for end in ends) - 1)
        with opened(folder) as ledger:
            assert ledger.first == FIRST and len(ledger.records) == kept
            ledger.append(record(9))
        with opened(folder) as ledger:
            assert ledger.records == [record(1), record(2)][:kept] + [record(9)]


def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    """The process is killed right after: no handler, no flush, no close."""
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from makemore.experiments.journal import ResultLog\n"
        f"ledger = ResultLog(Path({str(tmp_path)!r}), {FILE!r}, {FIRST!r}, {IDENTITY!r})\n"
        "for number in range(5):\n    ledger.append({'id': number})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    with opened(tmp_path) as ledger:  # and the lock went with the process
        assert [each["id"] for each in ledger.records] == [0, 1, 2, 3, 4]


def test_a_full_disk_is_said_and_leaves_whole_lines(folder: Path, monkeypatch) -> None:
    """A write that takes a part at a time is gone on with; one that fails tears only its line."""
    write = os.write
    with opened(folder) as ledger:
        monkeypatch.setattr(os, "write", lambda handle, body: write(handle, body[:3]))
        ledger.append(record(3))

        def full(handle: int, body: bytes) -> int:
            if body.startswith(b"{"):
                return write(handle, body[:7])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(SystemFault, match="[Nn]o space left"):
            ledger.append(record(4))
    monkeypatch.undo()
    with opened(folder) as ledger:
        assert ledger.records == [record(1), record(2), record(3)]


DIFFER: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({**FIRST, "data": "cd34"}, "its text is another"),
    "option": ({**FIRST, "asked": {"steps": 6, "rate": 0.1}}, "steps was 5, is 6"),
    "more": ({**FIRST, "asked": {"steps": 5, "rate": 0.1, "seed": 1}}, "seed was not given, is 1"),
    "less": ({**FIRST, "asked": {"steps": 5}}, "rate was 0.1, is not given"),
}


@pytest.mark.parametrize("name", DIFFER)
def test_another_work_is_refused_and_what_differs_is_named(name: str, folder: Path) -> None:
    before, (first, told) = (folder / FILE).read_bytes(), DIFFER[name]
    with pytest.raises(UsageError, match=told) as caught:
        opened(folder, first)
    assert "--fresh" in str(caught.value)
    assert (folder / FILE).read_bytes() == before
    assert differences(FIRST, first, IDENTITY) == [told]
    opened(folder).close()  # what was refused holds no lock


def test_fresh_starts_over_and_removes_what_is_named(folder: Path) -> None:
    for name in ("chart.png", "chart-dark.png"):
        (folder / name).touch()
    first, others = DIFFER["text"][0], ("chart.png", "never.png")
    with opened(folder, first, others=others, fresh=True) as ledger:
        assert (ledger.first, ledger.records) == (first, [])
    assert sorted(os.listdir(folder)) == ["chart-dark.png", FILE]
    with opened(folder, first) as ledger:
        assert ledger.records == []


def test_one_process_at_a_time(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom makemore.experiments.journal import ResultLog\n"
        f"with ResultLog(Path({str(folder)!r}), {FILE!r}, {FIRST!r}, {IDENTITY!r}) as ledger:\n"
        "    print(len(ledger.records), flush=True)\n    sys.stdin.read()\n"
        "    ledger.append({'id': 3})\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"2\n"
        before = (folder / FILE).read_bytes()
        for fresh in (False, True):
            with pytest.raises(SystemFault, match="another process works here"):
                opened(folder, fresh=fresh).close()
        assert (folder / FILE).read_bytes() == before
    finally:
        other.communicate()
    assert other.returncode == 0
    with opened(folder) as ledger:
        assert ledger.records[2:] == [{"id": 3}]
        with pytest.raises(SystemFault):  # nor twice in one process
            opened(folder)


def test_a_file_system_without_locks_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    before = (folder / FILE).read_bytes()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(SystemFault, match=f"cannot write {FILE}: no locks available"):
        opened(folder, fresh=True)
    assert (folder / FILE).read_bytes() == before


# -- what somebody else wrote ---------------------------------------------------------------------


HOSTILE = {
    "no JSON": b"{}x\n", "no object": b"[1]\n", "no UTF-8": b'{"a": "\xff"}\n',
    "NaN": b'{"a": NaN}\n', "too large a number": b'{"a": 1e999}\n', "an empty line": b"\n",
    "a key twice": b'{"a": 1, "a": 2}\n', "two in one": b'{"a": 1}{"a": 2}\n',
    "deep": b"[" * 100_000 + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_that_is_none_of_ours_is_refused_and_left_alone(name: str, folder: Path) -> None:
    whole = (folder / FILE).read_bytes()
    head, tail = whole.split(b"\n", 1)
    harmed = {
        4: whole + HOSTILE[name], 2: head + b"\n" + HOSTILE[name] + tail, 1: HOSTILE[name] + whole,
    }  # fmt: skip
    for number, body in harmed.items():
        (folder / FILE).write_bytes(body)
        with pytest.raises(RunError) as caught:
            opened(folder)
        assert str(caught.value).startswith(f"{FILE}, line {number}, is no ")
        assert "start over with --fresh" in str(caught.value)
        assert (folder / FILE).read_bytes() == body


@pytest.mark.parametrize("body", [b"mine", b"{", b'{"for": 1', b'{"format": 1}', b"\xff\x00"])
def test_the_file_of_somebody_else_is_left_alone(body: bytes, tmp_path: Path) -> None:
    """Without a line end it could be a first line that was torn: but only if it begins as ours."""
    (tmp_path / FILE).write_bytes(body)
    if b'{"format": 1, "'.startswith(body[:9]):
        opened(tmp_path).close()
        return
    with pytest.raises(RunError, match="is none of ours"):
        opened(tmp_path)
    assert (tmp_path / FILE).read_bytes() == body


@pytest.mark.parametrize(
    "first", [{"a": 1}, {**FIRST, "more": 1}, {**FIRST, "asked": [5]}, {**FIRST, "data": None}, {}]
)
def test_the_first_line_of_another_program(first: dict[str, Any], folder: Path) -> None:
    body = json.dumps(first).encode() + b"\n"
    (folder / FILE).write_bytes(body)
    with pytest.raises(RunError, match="another first line"):
        opened(folder)
    assert (folder / FILE).read_bytes() == body
    with opened(folder, fresh=True) as ledger:
        assert ledger.records == []


def test_what_is_no_plain_file_is_not_touched(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for name in ("link", "pipe", "folder", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "link" / FILE).symlink_to(mine)
    os.mkfifo(tmp_path / "pipe" / FILE)
    (tmp_path / "folder" / FILE).mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    for name in ("link", "pipe", "folder", "full", "mine.txt"):
        for fresh in (False, True):
            with pytest.raises(MakemoreError):
                opened(tmp_path / name, fresh=fresh)
    assert mine.read_text() == "mine" and os.listdir(tmp_path / "full") == ["letter.txt"]


def test_what_cannot_be_a_log_is_refused(folder: Path, tmp_path: Path) -> None:
    os.truncate(folder / FILE, 2**28 + 1)  # sparse: no disk is used
    with pytest.raises(RunError, match="none of ours"):
        opened(folder)
    (tmp_path / "file").touch()
    with pytest.raises(MakemoreError, match="file"):
        opened(tmp_path / "file" / "below")
    with pytest.raises(RunError, match="no directory"):
        opened(tmp_path / "file")
