"""Shared log: any number of processes finish one work in one folder, and none of it is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from makemore.errors import MakemoreError, RunError, SystemFault, UsageError
from makemore.experiments import shared_log as module
from makemore.experiments.shared_log import SharedLog

FILE = "work.jsonl"
FIRST = {"format": 1, "data": "ab12", "asked": {"steps": 5}}
IDENTITY = ("data", "asked")
NAMES = ["a", "b", "c"]


def name_of(record: dict[str, Any]) -> str | None:
    name = record.get("id")
    return name if isinstance(name, str) else None


def opened(folder: Path, first: dict[str, Any] | None = None, **more: Any) -> SharedLog:
    return SharedLog(folder, FILE, first or FIRST, IDENTITY, name_of, **more)


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "text": "é\u2028$\n", **more}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[SharedLog, SharedLog]]:
    """The log as two processes have it."""
    with opened(tmp_path / "s") as one, opened(tmp_path / "s") as other:
        yield one, other


def test_both_see_what_each_has_finished(two: tuple[SharedLog, SharedLog], tmp_path: Path) -> None:
    one, other = two
    folder = tmp_path / "s"
    one.add("b", record("b"))
    other.add("a", record("a"))
    assert one.newer({"b": None}) == {"a": record("a")}
    assert one.read() == other.read() == {name: record(name) for name in "ab"}
    assert one.complete(NAMES) is None and (folder / FILE).read_bytes().count(b"\n") == 1
    one.add("c", record("c"))
    assert one.complete(NAMES) == other.complete(NAMES) == [record(name) for name in NAMES]
    one.close()
    assert len(list((folder / "work").glob("*.json"))) == 3  # the other may read them
    other.close()
    assert os.listdir(folder) == [FILE]
    lines = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    assert lines == [FIRST, *map(record, NAMES)]


def test_what_is_made_again_replaces_what_the_log_has(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for name in NAMES:
            log.add(name, record(name, failed=True))
        assert log.complete(NAMES)
    with opened(tmp_path) as log, opened(tmp_path) as slow:
        log.add("b", record("b"))
        assert log.complete(NAMES) == [record("a", failed=True), record("b"),
                                       record("c", failed=True)]  # fmt: skip
        whole = (tmp_path / FILE).read_bytes()
        log.add("c", record("c"))
        log.complete(NAMES)
        # A process that stood still while it wrote the older log: nothing is lost with it.
        slow._put(tmp_path / FILE, whole)
    assert sorted(os.listdir(tmp_path)) == ["work", FILE]
    with opened(tmp_path) as log:
        assert log.read()["c"] == record("c")
        assert log.complete(NAMES)
    assert os.listdir(tmp_path) == [FILE]


def test_starting_over_beside_others_is_refused(two, tmp_path: Path) -> None:
    one, other = two
    one.add("a", record("a"))
    with pytest.raises(SystemFault, match="other processes work here .*: end them or wait, or "):
        opened(tmp_path / "s", fresh=True)
    assert one.read() == {"a": record("a")}
    one.close()
    other.close()
    (tmp_path / "s" / "chart.png").touch()
    with opened(tmp_path / "s", {**FIRST, "data": "x"}, others=["chart.png"], fresh=True) as log:
        assert log.read() == {} and not (tmp_path / "s" / "chart.png").exists()
    assert os.listdir(tmp_path / "s") == [FILE]


def test_another_work_is_refused_and_leaves_nothing(two, tmp_path: Path) -> None:
    before = sorted(path.name for path in (tmp_path / "s").rglob("*"))
    with pytest.raises(UsageError, match="steps was 5, is 6"):
        opened(tmp_path / "s", {**FIRST, "asked": {"steps": 6}})
    assert sorted(path.name for path in (tmp_path / "s").rglob("*")) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / FILE).symlink_to(tmp_path / "mine" / "letter.txt")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / FILE)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / FILE).write_text("dear")
    for name in ("mine", "mine/letter.txt", "link", "pipe", "foreign"):
        held = sorted(tmp_path.rglob("*"))
        with pytest.raises(MakemoreError):
            opened(tmp_path / name)
        assert sorted(tmp_path.rglob("*")) == held
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_first_line_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    for body in (b"", b'{"form', b'{"format": 1, "data": "ab'):
        (tmp_path / FILE).write_bytes(body)
        with opened(tmp_path) as log:
            assert log.read() == {}
        assert json.loads((tmp_path / FILE).read_bytes()) == FIRST


def test_who_comes_while_another_writes_the_first_line_waits(tmp_path: Path, monkeypatch) -> None:
    """And takes over where that one is killed before it has written."""
    place = tmp_path / "work"
    place.mkdir()
    lease = place / "start.1.lease"
    lease.write_text('{"host": "elsewhere"')
    looked = threading.Event()
    monkeypatch.setattr(module.time, "sleep", lambda seconds: looked.set())
    ended = threading.Thread(target=lambda: opened(tmp_path).close())
    ended.start()
    assert looked.wait(20) and ended.is_alive() and not (tmp_path / FILE).exists()
    os.utime(lease, (1, 1))
    ended.join(20)
    assert json.loads((tmp_path / FILE).read_bytes()) == FIRST


@pytest.mark.parametrize("body", [b"", b"x", b"[1]", b'{"id": "b"}\n', b'{"id": 3}', b"\xff\n"])
def test_a_damaged_record_is_named_and_left_alone(body: bytes, two, tmp_path: Path) -> None:
    one, other = two
    one.add("b", record("b"))
    path = tmp_path / "s" / "work" / "a.json"
    path.write_bytes(body)
    for log in (one, other):
        with pytest.raises(RunError, match=r"work/a.json.* is no .*start over with --fresh"):
            log.read()
    one.close()
    other.close()
    assert path.read_bytes() == body and (path.parent / "b.json").exists()


def test_a_full_disk_is_said_and_leaves_what_was_whole(two, monkeypatch) -> None:
    one, _ = two
    one.add("a", record("a"))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemFault, match=r"b\.json: no space left"):
        one.add("b", record("b"))
    monkeypatch.undo()
    assert one.read() == {"a": record("a")}
    assert not list(one.place.glob(".tmp-*"))


# Forks processes that finish a work together; some kill themselves with a piece in hand.
MANY = """
import json, os, random, signal, sys, time
from pathlib import Path
from makemore.errors import SystemFault
from makemore.experiments.shared_log import SharedLog

folder, processes, pieces, deaths = Path(sys.argv[1]), *map(int, sys.argv[2:])
names = [f"p{number}" for number in range(pieces)]

def work(number):
    chance = random.Random(number)
    dies_at = chance.randrange(2) if number < deaths else None
    log = SharedLog(folder, "work.jsonl", {"format": 1}, ("format",), lambda each: each.get("id"))
    missing, done = dict.fromkeys(names), 0
    for name in log.read():
        del missing[name]
    while missing:
        for name in log.newer({}):
            missing.pop(name, None)
        name = log.take(missing)
        if name is None:
            time.sleep(0.01)
            continue
        if done == dies_at:
            with open(log.place / f".tmp-{log.leases.token}", "w") as torn:
                torn.write('{"id": ')
            os.kill(os.getpid(), signal.SIGKILL)
        with open(folder.parent / "made", "a") as made:
            made.write(name + chr(10))
        time.sleep(chance.random() / 100)
        log.add(name, {"id": name, "value": int(name[1:]) ** 2})
        done += 1
    os.write(1, json.dumps(log.complete(names)).encode() + b"\\n")  # whole, beside the others
    log.close()

children = []
for number in range(processes):
    if not (child := os.fork()):
        work(number)
        os._exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
sys.exit(codes.count(-signal.SIGKILL) < 1 or any(codes[deaths:]) if deaths else any(codes))
"""


def test_twenty_processes_at_once_of_which_some_are_killed(tmp_path: Path) -> None:
    code = [sys.executable, "-c", MANY, str(tmp_path / "s"), "20", "60", "6"]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    tables = done.stdout.splitlines()
    expected = [{"id": f"p{n}", "value": n * n} for n in range(60)]
    # One that was to be killed may have found nothing left to take.
    assert len(tables) >= 14 and all(json.loads(each) == expected for each in tables)
    lines = (tmp_path / "s" / FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"format": 1}, *expected]
    made = (tmp_path / "made").read_text().split()
    assert len(made) == len(set(made)) == 60  # nothing was made twice
    assert os.listdir(tmp_path / "s") == [FILE]


def test_a_killed_process_leaves_only_whole_records(tmp_path: Path) -> None:
    """Whenever it is killed: what it wrote is whole or not there, and the next one goes on."""
    for deaths in (1, 2, 3):
        code = [sys.executable, "-c", MANY, str(tmp_path / "s"), str(deaths), "9", str(deaths)]
        assert subprocess.run(code, timeout=60).returncode == 0
        for path in (tmp_path / "s" / "work").glob("*.json"):
            assert json.loads(path.read_text())["id"] == path.stem
    code = [sys.executable, "-c", MANY, str(tmp_path / "s"), "1", "9", "0"]
    assert subprocess.run(code, timeout=60, capture_output=True).returncode == 0
    assert os.listdir(tmp_path / "s") == [FILE]
