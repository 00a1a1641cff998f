"""Trainings as processes: how they begin, are stopped, and what is known when they have ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from makemore.web.server import train_child
from makemore.web.server.http_errors import HttpError
from makemore.web.server.train_child import Trainings, last_error
from web.loops import run_apart

# In place of Python: a program that does as a training does with signals.
OBEYS = """#!/bin/sh
trap 'echo saved > {out}; exit 130' INT
echo "$@" > {out}.words; while :; do sleep 0.02; done
"""
DEAF = """#!/bin/sh
trap '' INT TERM
echo "$@" > {out}.words; while :; do sleep 0.02; done
"""
SLOW = """#!/bin/sh
trap 'echo interrupted >> {out}' INT
trap 'exit 143' TERM
echo "$PYTHONPATH" > {out}.words; while :; do sleep 0.02; done
"""
TRACEBACK = """#!/bin/sh
trap 'echo KeyboardInterrupt >&2; exit 1' INT
echo "$@" > {out}.words; while :; do sleep 0.02; done
"""
KILLED = """#!/bin/sh
trap 'trap - INT; kill -INT $$' INT
echo "$@" > {out}.words; while :; do sleep 0.02; done
"""
FAILS = """#!/bin/sh
echo 'makemore: 3 lines' >&2
echo 'makemore: error: no lines (names.txt): give a text' >&2
exit 3
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A program that is started instead of Python; its file."""

    def write(script: str) -> Path:
        file, out = tmp_path / "python", tmp_path / "out"
        file.write_text(script.format(out=out))
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))
        return out

    return write


async def started(trainings: Trainings, folder: Path, out: Path) -> None:
    trainings.start(folder, ["--max-steps=5"], Path("/a/list.txt"), "gru")
    while not Path(f"{out}.words").exists():
        await asyncio.sleep(0.01)


def test_a_training_is_the_command_that_one_types(
    stand_in: Callable[[str], Path], tmp_path: Path
) -> None:
    async def main() -> None:
        changes: list[int] = []
        trainings = Trainings(lambda: changes.append(1))
        await started(trainings, tmp_path / "run", out)
        words = Path(f"{out}.words").read_text().split()
        assert words == [
            "-P", "-m", "makemore", "train", "/a/list.txt", f"--out={tmp_path / 'run'}",
            "--max-steps=5",
        ]  # fmt: skip
        assert trainings.is_running(tmp_path / "run") and len(changes) == 1
        await trainings.stop(tmp_path / "run")
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.ended == 130 and not training.failed
        assert out.read_text() == "saved\n" and len(changes) == 2
        await trainings.stop(tmp_path / "run")  # a second time does nothing
        await trainings.stop(tmp_path / "other")

    out = stand_in(OBEYS)
    run_apart(main())


def test_one_that_does_not_stop_is_ended(
    stand_in: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        trainings = Trainings()
        await started(trainings, tmp_path / "run", out)
        await trainings.close()
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.ended == -signal.SIGKILL

    monkeypatch.setattr(train_child, "PATIENCE", 0.1)
    out = stand_in(DEAF)
    run_apart(main())


def test_two_who_stop_a_training_send_one_interrupt(
    stand_in: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second SIGINT would end it without a save: two tabs stop it, and the server ends."""

    async def main() -> None:
        trainings = Trainings()
        await started(trainings, tmp_path / "run", out)
        first = asyncio.create_task(trainings.stop(tmp_path / "run"))
        second = asyncio.create_task(trainings.stop(tmp_path / "run"))
        await asyncio.sleep(0.1)
        first.cancel()  # its client leaves: it is stopped all the same
        await asyncio.gather(second, trainings.close())
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.ended == 143
        assert out.read_text() == "interrupted\n"

    monkeypatch.setattr(train_child, "PATIENCE", 0.4)
    out = stand_in(SLOW)
    run_apart(main())


def test_a_training_imports_from_where_the_server_does(
    stand_in: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        trainings = Trainings()
        await started(trainings, tmp_path / "run", out)
        await trainings.close()
        assert str(tmp_path / "checkout") in Path(f"{out}.words").read_text().split(os.pathsep)

    monkeypatch.setattr(train_child, "PATIENCE", 0.2)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "checkout"), *sys.path])
    out = stand_in(SLOW)
    run_apart(main())


@pytest.mark.parametrize("script", [TRACEBACK, KILLED], ids=["traceback", "killed"])
def test_python_that_is_stopped_while_it_starts_has_not_failed(
    stand_in: Callable[[str], Path], tmp_path: Path, script: str
) -> None:
    async def main() -> None:
        trainings = Trainings()
        await started(trainings, tmp_path / "run", out)
        await trainings.stop(tmp_path / "run")
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.ended == 130
        assert not training.failed and training.error is None

    out = stand_in(script)
    run_apart(main())


def test_what_it_said_last_is_kept(stand_in: Callable[[str], Path], tmp_path: Path) -> None:
    async def main() -> None:
        trainings = Trainings()
        trainings.start(tmp_path / "run", [], None, "gru")
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.watcher is not None
        await training.watcher
        assert training.failed and training.error == ("no lines (names.txt)", "give a text")

    stand_in(FAILS)
    run_apart(main())


@pytest.mark.parametrize(
    "number, name",
    [(signal.SIGKILL, "SIGKILL")]
    + ([(signal.SIGRTMIN + 1, f"signal {signal.SIGRTMIN + 1}")] if sys.platform == "linux" else []),
)
def test_one_that_is_killed_has_not_failed(
    stand_in: Callable[[str], Path], tmp_path: Path, number: int, name: str
) -> None:
    async def main() -> None:
        trainings = Trainings()
        await started(trainings, tmp_path / "run", out)
        training = trainings.of(tmp_path / "run")
        assert training is not None and training.watcher is not None
        os.kill(training.process.pid, number)
        await training.watcher
        assert not training.failed and training.error is not None
        assert training.error[0] == f"the training was ended by {name}"

    out = stand_in(OBEYS)
    run_apart(main())


def test_there_are_only_so_many_at_the_same_time(
    stand_in: Callable[[str], Path], tmp_path: Path
) -> None:
    async def main() -> None:
        trainings = Trainings(most=1)
        await started(trainings, tmp_path / "run", out)
        with pytest.raises(HttpError, match="no more than 1 trainings") as caught:
            trainings.start(tmp_path / "other", [], None, "gru")
        assert caught.value.status == 429 and trainings.of(tmp_path / "other") is None
        await trainings.close()
        trainings.check_room()

    out = stand_in(OBEYS)
    run_apart(main())


@pytest.mark.parametrize(
    "said, what, to_do",
    [
        ("makemore: error: a (b: c): do d: e", "a (b: c)", "do d: e"),
        ("makemore: error: it is so: do x", "it is so", "do x"),
        ("Killed", "Killed", None), ("", "it ended without a word", None),
        ("makemore: error: first\nTraceback", "first", None),
    ],
)  # fmt: skip
def test_an_error_is_read_from_what_was_said(said: str, what: str, to_do: str | None) -> None:
    assert last_error(BytesIO(b"x" * 10_000 + b"\n" + said.encode())) == (
        (what, to_do) if said else ("x" * 8191, None)
    )
    assert last_error(BytesIO(said.encode())) == (what, to_do)
