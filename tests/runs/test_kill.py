"""A training that is killed, wherever it is, and started again ends with the same bytes.

The processes are real and so are the signals. Where a kill lands is planned: a process patches one
function and kills itself there, so that every place of interest is hit in every run of the tests.
"""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import product
from pathlib import Path

import pytest

from makemore.runs.manifest import verify
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from warm import Started, Warm, workplace

pytestmark = pytest.mark.slow  # real processes, each of which imports torch

LINES = ["".join(parts) for parts in product("kmnr", "aeio", ("la", "ri", "no", "sa"))]
COMMAND = (
    "train", "names.txt", "-o", "run", "--n-layer", "1", "--n-head", "2", "--n-embd", "8",
    "--dropout", "0.2", "--seed", "5", "--threads", "1", "--batch-size", "16", "--max-steps", "12",
    "--eval-interval", "3", "--log-interval", "1", "--save-interval", "0",
)  # fmt: skip

DRIVER = """
import os
import signal
import time

import makemore.cli.progress
import makemore.cli.commands.train
import makemore.scoring.scorer
import makemore.sampling.sampler
from makemore.training import gradients

paths = {}  # of open files
open_file = os.open


def remember(path, *arguments, **more):
    handle = open_file(path, *arguments, **more)
    paths[handle] = str(path)
    return handle


os.open = remember


def die(*_):
    marker = open_file(MARKER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    write(marker, b"x")
    os.kill(os.getpid(), signal.SIGKILL)


def at(owner, name, nth=1, when=lambda *arguments: True, after=False, act=die):
    '''At the nth call (with such arguments) of a function, before or after it was done: act.'''
    function, calls = getattr(owner, name), []

    def patched(*arguments, **more):
        counts = when(*arguments)
        calls.append(None) if counts else None
        if counts and len(calls) == nth and not after:
            act(*arguments)
        result = function(*arguments, **more)
        if counts and len(calls) == nth and after:
            act(*arguments)
        return result

    setattr(owner, name, patched)


def target(ending):
    return lambda source, target: str(target).endswith(ending)


def handle_of(ending):
    return lambda handle, *_: paths.get(handle, "").endswith(ending)


write = os.write


def half_a_line(handle, body):
    write(handle, body[: len(body) // 2])
    die()


"""

# Where the process is killed, and how it finds the place. They follow one another: every process
# goes on from what the one before has left.
KILLS = [
    ("while the directory is made", "at(os, 'replace', when=target('vocabulary.json'))"),
    ("in the first evaluation", "at(makemore.scoring.scorer, 'score', nth=2)"),
    ("before the first weights are on the disk",
     "at(os, 'fsync', when=handle_of('.tmp-weights-0.safetensors'))"),
    ("before the first checkpoint has its name",
     "at(os, 'replace', when=target('checkpoint.json'))"),
    ("before the first step", "at(gradients, 'nll')"),
    ("in the third step", "at(gradients, 'nll', nth=3)"),
    ("in an evaluation", "at(makemore.scoring.scorer, 'score', nth=2)"),
    ("after a checkpoint has its name",
     "at(os, 'replace', nth=2, when=target('checkpoint.json'), after=True)"),
    ("between two files of a generation", "at(os, 'replace', when=target('.json'), after=True)"),
    ("between write and fsync of a checkpoint",
     "at(os, 'fsync', when=handle_of('.tmp-checkpoint.json'))"),
    ("in a line of the log",
     "at(os, 'write', nth=2, when=handle_of('metrics.jsonl'), act=half_a_line)"),
    ("before the log is cut", "at(os, 'ftruncate', when=handle_of('metrics.jsonl'))"),
    ("after the log was cut",
     "at(os, 'ftruncate', when=handle_of('metrics.jsonl'), after=True)"),
    ("before old files are removed", "at(os, 'unlink', nth=1)"),
    ("in the last evaluation", "at(makemore.scoring.scorer, 'score', nth=2)"),
    ("between the last steps", "at(makemore.cli.progress.ProgressView, 'step', nth=2)"),
    ("while the samples are drawn", "at(makemore.cli.commands.train, 'show_new')"),
]  # fmt: skip
FEW = [KILLS[5], KILLS[9]]  # in a step, and in a save


@pytest.fixture(scope="module")
def unbroken(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of a training that nothing has stopped."""
    return warm.ended(workplace(tmp_path_factory.mktemp("unbroken"), LINES), *COMMAND)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All that a run depends on: everything but the lock, seconds and what they decide."""
    names = ("weights-*", "state-*", "config.json", "vocabulary.json", "split/*", "samples.txt")
    found = [path for name in names for path in (folder / "run").glob(name)]
    return {path.name: path.read_bytes() for path in found}


def log_of(folder: Path) -> list[tuple[object, ...]]:
    entries = map(json.loads, (folder / "run/metrics.jsonl").read_text().splitlines())
    return [tuple(entry[key] for key in ("step", "kind", "nll", "lr")) for entry in entries]


def nothing_is_left_of(started: Started) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(started.pid, 0)  # every process had a session, and so a group, of its own


def same_in_the_end(folder: Path, unbroken: Path) -> None:
    assert Run.load(folder / "run").progress["finished"] and verify(folder / "run") == []
    assert bytes_of(folder) == bytes_of(unbroken)
    assert log_of(folder) == log_of(unbroken)


def killed(warm: Warm, folder: Path, where: str, plan: str) -> None:
    """Start or go on with the training, which kills itself by this plan."""
    marker, driver = folder.parent / "marker", folder.parent / "driver.py"
    marker.write_bytes(b"")
    driver.write_text(f"MARKER = {str(marker)!r}\n{DRIVER}{plan}\n")
    started = warm.start(*COMMAND, cwd=folder, before=driver)
    assert started.wait() == -signal.SIGKILL, f"no kill {where}: {started.err}"
    assert marker.read_bytes() == b"x", where
    nothing_is_left_of(started)


@pytest.mark.parametrize(
    "kills", [FEW, pytest.param(KILLS, marks=pytest.mark.slow)], ids=["twice", "anywhere"]
)
def test_a_training_that_is_killed_anywhere_ends_with_the_same_bytes(
    kills: list[tuple[str, str]], warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder, steps = workplace(tmp_path, LINES), []
    for where, plan in kills:
        killed(warm, folder, where, plan)
        if (folder / "run/checkpoint.json").exists():
            steps.append(Run.load(folder / "run", state=True).progress["step"])  # whole
            assert verify(folder / "run") == []
            made = {path.name for path in (folder / "run").glob("weights-*")}
            assert len(made) <= 3  # two generations, and what was not committed
    assert steps == sorted(steps)
    if kills == KILLS:  # the kills were spread over the training
        assert steps[0] == 0 and steps[-1] == 12 and len(set(steps)) >= 6
    started = warm.start(*COMMAND, cwd=folder)
    assert started.wait() == 0
    assert ("finished" in started.err) == (kills == KILLS)  # the last of them came after the end
    assert len(started.out.splitlines()) == 20
    same_in_the_end(folder, unbroken)
    assert not list((folder / "run").rglob(".tmp-*"))


@pytest.mark.slow
def test_a_training_that_is_killed_in_every_step_comes_to_its_end(
    warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder = workplace(tmp_path, LINES)
    for number in range(11):  # one step is taken each time
        killed(warm, folder, f"{number}", "at(gradients, 'nll', nth=2)")
    assert warm.start(*COMMAND, cwd=folder).wait() == 0
    same_in_the_end(folder, unbroken)


SLOW = """
import time
from makemore.cli.progress import ProgressView
of_view = ProgressView.step


def slow(*arguments):
    of_view(*arguments)
    time.sleep(SECONDS)


ProgressView.step = slow
"""


def start_slowly(warm: Warm, folder: Path, seconds: float) -> tuple[Started, Path]:
    """Start the training with a pause in each step; give it back with its log."""
    driver = folder.parent / "slow.py"
    driver.write_text(SLOW.replace("SECONDS", str(seconds)))
    return warm.start(*COMMAND, cwd=folder, before=driver), folder / "run/metrics.jsonl"


def wait_for_steps(log: Path, number: int) -> None:
    """Until so many more steps are in the log."""
    before = steps_in(log)
    end = time.monotonic() + 60
    while steps_in(log) < before + number:
        assert time.monotonic() < end, "the training does not go on"
        time.sleep(0.005)


def steps_in(log: Path) -> int:
    return log.read_bytes().count(b'"batch"') if log.exists() else 0


ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("signals", [ALL[:1], pytest.param(ALL, marks=pytest.mark.slow)], ids=str)
def test_signals_stop_and_save_and_the_same_command_goes_on(
    signals: list[signal.Signals], warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder, reached = workplace(tmp_path, LINES), [0]
    for number in signals:
        started, log = start_slowly(warm, folder, 0.05)
        wait_for_steps(log, 2)
        os.kill(started.pid, number)
        began = time.monotonic()
        assert started.wait() == 128 + number and time.monotonic() - began < 3
        assert "stopped and saved in run; the same command goes on" in started.err
        assert "Traceback" not in started.err and started.out == ""
        nothing_is_left_of(started)
        reached.append(Run.load(folder / "run", state=True).progress["step"])
        assert reached[-2] + 2 <= reached[-1] < 12
        RunWriter(folder / "run").close()  # the lock has gone with its process
    started = warm.start(*COMMAND, cwd=folder)
    assert started.wait() == 0 and f"going on from step {reached[-1]}" in started.err
    same_in_the_end(folder, unbroken)


@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_with_the_checkpoint_before(
    warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder = workplace(tmp_path, LINES)
    started, log = start_slowly(warm, folder, 0.4)
    wait_for_steps(log, 1)
    before = Run.load(folder / "run").progress["step"]
    os.kill(started.pid, signal.SIGINT)
    time.sleep(0.05)
    os.kill(started.pid, signal.SIGINT)
    began = time.monotonic()
    assert started.wait() == 130 and time.monotonic() - began < 2
    assert "Traceback" not in started.err and "stopped and saved" not in started.err
    assert Run.load(folder / "run", state=True).progress["step"] in (before, before + 1)
    nothing_is_left_of(started)
    assert warm.start(*COMMAND, cwd=folder).wait() == 0
    same_in_the_end(folder, unbroken)


@pytest.mark.slow
def test_a_training_that_sleeps_for_a_while_is_not_harmed(
    warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder = workplace(tmp_path, LINES)
    started, log = start_slowly(warm, folder, 0.05)
    wait_for_steps(log, 2)
    os.kill(started.pid, signal.SIGSTOP)
    time.sleep(0.1)
    steps = steps_in(log)
    time.sleep(0.5)
    assert steps_in(log) == steps < 12  # it did sleep
    os.kill(started.pid, signal.SIGCONT)
    assert started.wait() == 0 and len(started.out.splitlines()) == 20
    assert " -" not in started.err.split("makemore: 20 new")[0]  # no time that is left is negative
    same_in_the_end(folder, unbroken)


def test_a_second_training_in_the_same_directory_is_refused(
    warm: Warm, unbroken: Path, tmp_path: Path
) -> None:
    folder = workplace(tmp_path, LINES)
    with RunWriter(folder / "run"):
        began = time.monotonic()
        started = warm.start(*COMMAND, cwd=folder)
        assert started.wait() == 5 and time.monotonic() - began < 3
        assert f"process {os.getpid()} is training here" in started.err
    assert warm.start(*COMMAND, cwd=folder).wait() == 0
    same_in_the_end(folder, unbroken)


def test_the_unbroken_training_did_what_the_others_are_compared_with(unbroken: Path) -> None:
    entries = log_of(unbroken)
    steps = {kind: [e[0] for e in entries if e[1] == kind] for kind in ("batch", "train", "val")}
    assert steps["batch"] == list(range(1, 13))
    assert steps["train"] == steps["val"] == [0, 3, 6, 9, 12]
    files = bytes_of(unbroken)
    assert {"config.json", "state-12.safetensors", "samples.txt", "train.txt"} <= files.keys()
    config = json.loads(files["config.json"])
    assert config["resolved"]["dropout"] == 0.2 and config["threads"] == 1
    assert len({e[2] for e in entries if e[1] == "val"}) == 5  # it learned something each time
