"""Leases: one process at a time has one, and that of a process that has gone is taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from makemore.errors import RunError, SystemFault
from makemore.experiments import leases as module
from makemore.experiments.leases import STALE, Leases

A, B = "a1", "b2"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Leases, Leases]]:
    """Leases of two processes in one folder."""
    both = Leases(tmp_path), Leases(tmp_path)
    yield both
    for each in both:
        each.close()


def files(folder: Path, name: str) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{name}.*"))


def written(folder: Path, name: str, generation: int = 1, **changes: Any) -> Path:
    """A lease as another process has it, with other words in it."""
    path = folder / f"{name}.{generation}.lease"
    path.write_text(json.dumps({**module._this_process(), "process": "x", **changes}))
    return path


def aged(path: Path, seconds: float) -> None:
    then = path.lstat().st_mtime - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_one_process_at_a_time_has_a_lease(two: tuple[Leases, Leases], tmp_path: Path) -> None:
    one, other = two
    assert one.take_first([A, B]) == A
    assert other.take_first([A]) is None and one.take_first([A]) is None
    assert other.take_first([A, B]) == B
    one.release(A)
    assert files(tmp_path, A) == [] and other.take_first([A]) == A
    assert one.others() and other.others()


def test_the_last_to_leave_is_told_so(two: tuple[Leases, Leases], tmp_path: Path) -> None:
    one, other = two
    assert one.take_first([A]) == A and other.take_first([B]) == B
    assert not one.leave() and files(tmp_path, A) == []
    assert other.leave() and list(tmp_path.iterdir()) == []


KILLED = (
    "import os, signal, sys\nfrom pathlib import Path\n"
    "from makemore.experiments.leases import Leases\n"
    "print(Leases(Path(sys.argv[1])).take_first(['a1']), flush=True)\n"
    "os.kill(os.getpid(), signal.SIGKILL)\n"
)


def test_a_killed_process_loses_its_lease_at_once(two: tuple[Leases, Leases], tmp_path) -> None:
    """Also while its parent has not noticed, so that its number is still there."""
    one, other = two
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=-1)
    assert killed.stdout is not None and killed.stdout.readline() == b"a1\n"
    if Path("/proc/self/stat").exists():
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet forgotten
    else:
        killed.wait()
    assert one.take_first([A]) == A and files(tmp_path, A) == ["a1.1.lease", "a1.2.lease"]
    assert other.take_first([A]) is None
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    one.release(A)
    assert files(tmp_path, A) == []
    assert not one.leave() and other.leave()
    assert list(tmp_path.iterdir()) == []  # what the killed one had in the folder is gone, too


def test_a_process_of_another_machine_loses_it_by_age(two: tuple[Leases, Leases], tmp_path) -> None:
    one, other = two
    path = written(tmp_path, A, host="elsewhere", pid=2**22 + 1)
    assert one.take_first([A]) is None
    aged(path, STALE - 5)
    assert one.take_first([A]) is None
    aged(path, -1000)  # a clock that was put back
    assert one.take_first([A]) is None
    aged(path, 1000 + STALE + 5)
    assert one.take_first([A]) == A and other.take_first([A]) is None


def test_a_number_that_is_another_process_by_now_is_no_process(two, tmp_path: Path) -> None:
    one, _ = two
    written(tmp_path, A, pid=os.getpid())
    assert one.take_first([A]) is None
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say when a process began")
    written(tmp_path, B, pid=os.getpid(), began="1")
    assert one.take_first([B]) == B


DAMAGED = {
    "empty": b"", "half": b'{"host": "', "no JSON": b"\xff\x00", "no object": b"[1]",
    "another shape": b'{"host": 3, "pid": "x"}', "large": b"x" * 5000, "deep": b"[" * 4000,
    "huge number": json.dumps({"host": "", "pid": 10**25, "began": ""}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", [*DAMAGED, "folder", "link", "pipe"])
def test_a_damaged_lease_only_ages(name: str, two: tuple[Leases, Leases], tmp_path: Path) -> None:
    one, other = two
    path = tmp_path / "a1.1.lease"
    if name == "folder":
        path.mkdir()
    elif name == "link":
        path.symlink_to("nowhere")
    elif name == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(DAMAGED[name])
    assert one.take_first([A]) is None
    aged(path, STALE + 5)
    assert one.take_first([A]) == A and other.take_first([A]) is None
    one.release(A)
    assert path.exists() == (name == "folder")  # which nobody removes


def test_a_lease_is_touched_while_its_process_lives(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.01)
    one = Leases(tmp_path)
    assert one.take_first([A]) == A
    path = tmp_path / "a1.1.lease"
    aged(path, 2 * STALE)
    before, end = path.stat().st_mtime, time.monotonic() + 20
    while path.stat().st_mtime == before:
        assert time.monotonic() < end
        time.sleep(0.01)
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_taken_away_is_said(two: tuple[Leases, Leases], tmp_path: Path) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(SystemFault, match="started over, or taken away"):
        two[0].take_first([A])
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(RunError, match="no directory"):
            Leases(tmp_path / name)
    with pytest.raises(SystemFault):
        Leases(tmp_path / "missing" / "below")
