"""writer.py: one whole generation on the disk at any moment, and no file of anybody else harmed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from makemore.errors import RunError, SystemFault
from makemore.runs.manifest import FIXED, LOGS, verify
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter
from run_folder import (
    CONFIG,
    SPLIT,
    STRANGE,
    VOCABULARY,
    arrays,
    as_nobody,
    contents,
    go_on,
    make_run,
    progress,
    restore,
    save,
    step_of,
    steps_logged,
)

TOOLS = ("open", "write", "fsync", "replace", "ftruncate", "mkdir", "fdopen")
REAL = {name: getattr(os, name) for name in TOOLS}

pytestmark = pytest.mark.usefixtures("no_fsync")


# -- generations ----------------------------------------------------------------------------------


def test_nothing_in_a_run_is_executable_or_random(made: Path, tmp_path: Path) -> None:
    assert contents(make_run(tmp_path / "other", 0, 2)) == contents(made)
    modes = [path.stat().st_mode for path in made.rglob("*") if path.is_file()]
    assert not any(mode & 0o111 for mode in modes)


def test_the_last_two_generations_stay_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with RunWriter(folder) as writer:
        writer.create(CONFIG, VOCABULARY, SPLIT)
        for number in range(6):
            save(writer, 3 * number)
            kept = {0, 3 * number, max(0, 3 * number - 3)} - ({0} if number > 1 else set())
            found = {path.name for path in folder.glob("weights-*")}
            assert found == {f"weights-{step}.safetensors" for step in kept}
            found = {path.name for path in folder.glob("state-*")}
            assert found == {f"state-{s}.{end}" for s in kept for end in ("json", "safetensors")}
    assert step_of(folder) == 15 and verify(folder) == []


def test_best_weights_that_do_not_change_are_written_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 2)
    weights = folder / "weights-2.safetensors"
    before = weights.stat()
    with RunWriter(folder) as writer:
        writer.resume()
        for step in (4, 6, 8):
            writer.save({**progress(step), "best_step": 2}, arrays(2), {"model.w": arrays(0)["w"]})
    after = weights.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(folder.glob("weights-*")) == [weights]
    assert Run.load(folder).progress["step"] == 8


def test_clocks_do_not_decide_what_is_latest(folder: Path) -> None:
    year = 365 * 24 * 3600
    for name, age in (("0", +10 * year), ("2", -10 * year)):
        for path in folder.glob(f"*-{name}.*"):
            os.utime(path, (time.time() + age,) * 2)
    os.utime(folder / "checkpoint.json", (0, 0))
    assert step_of(folder) == 2
    go_on(folder, 4)
    assert step_of(folder) == 4


def test_restore_goes_back_only_to_what_is_whole(folder: Path) -> None:
    (folder / "state-0.json").write_bytes(b"{}")
    before = contents(folder)
    with pytest.raises(RunError, match=r"damaged, too: state-0.json: not what was saved"):
        restore(folder)
    assert contents(folder) == before and step_of(folder) == 2  # nothing was lost by asking


def test_there_is_one_checkpoint_to_go_back_to(folder: Path) -> None:
    restore(folder)
    assert step_of(folder) == 0 and not (folder / "weights-2.safetensors").exists()
    with pytest.raises(RunError, match="no checkpoint before this one"):
        restore(folder)
    go_on(folder, 2)
    assert step_of(folder) == 2


# -- what is planted ------------------------------------------------------------------------------


NAMES_WE_WRITE = [
    "lock", "config.json", "vocabulary.json", "checkpoint.json", "metrics.jsonl", "samples.txt",
    "looks.jsonl", "weights-4.safetensors", "state-4.json", "state-4.safetensors",
    "split/train.txt", "split/val.txt", "split/test.txt", ".tmp-config.json",
    ".tmp-vocabulary.json", ".tmp-checkpoint.json", ".tmp-weights-4.safetensors",
    ".tmp-state-4.json", ".tmp-state-4.safetensors", "split/.tmp-train.txt", "split/.tmp-val.txt",
]  # fmt: skip


@pytest.mark.parametrize("start_over", [False, True], ids=["resume", "start over"])
@pytest.mark.parametrize("name", NAMES_WE_WRITE)
def test_no_planted_link_is_written_through(
    name: str, start_over: bool, folder: Path, tmp_path: Path
) -> None:
    refuses = {"lock"} if start_over else {"lock", *FIXED, *LOGS, "checkpoint.json"}
    precious = tmp_path / ".bashrc"
    precious.write_bytes(b"mine")
    path = folder / name
    path.unlink(missing_ok=True)
    path.symlink_to(precious)
    try:
        make_run(folder, 4, fresh=True) if start_over else go_on(folder, 4)
        assert step_of(folder) == 4 and name not in refuses
    except (RunError, SystemFault) as error:
        assert Path(name).name in str(error) and name in refuses
    assert precious.read_bytes() == b"mine" and not precious.is_symlink()


@pytest.mark.parametrize("name", [".tmp-config.json", "weights-7.safetensors"])
def test_a_planted_folder_is_an_error_of_the_machine(name: str, folder: Path) -> None:
    (folder / name).mkdir()
    with pytest.raises(SystemFault, match=f"cannot write {name}"):
        go_on(folder, 4)
    (folder / name).rmdir()
    assert step_of(folder) in (2, 4)


@pytest.mark.parametrize("kind", ["pipe", "directory", "socket", "link"])
@pytest.mark.parametrize("name", ["lock", "metrics.jsonl"])
def test_what_is_no_file_is_not_written_and_never_waited_for(
    name: str, kind: str, folder: Path
) -> None:
    (folder / name).unlink()
    STRANGE[kind](folder / name)
    began = time.monotonic()
    with pytest.raises((SystemFault, RunError), match=name):
        go_on(folder)
    assert time.monotonic() - began < 5


def test_a_split_that_is_a_link_is_replaced_when_starting_over(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "split").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/train.txt").write_bytes(b"mine")
    (folder / "split").symlink_to(tmp_path / "elsewhere")
    make_run(folder, 0, fresh=True)
    assert step_of(folder) == 0 and not (folder / "split").is_symlink()
    assert (tmp_path / "elsewhere/train.txt").read_bytes() == b"mine"


# -- a directory that is no run, or somebody else's -----------------------------------------------


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    for name in ("letter.txt", "config.json", "weights-1.safetensors"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match="not empty and no run"):
        RunWriter(tmp_path)
    with pytest.raises(RunError, match="no run here"):
        Run.load(tmp_path)
    assert set(contents(tmp_path)) == {"letter.txt", "config.json", "weights-1.safetensors"}
    with pytest.raises(RunError, match="no directory"):
        RunWriter(tmp_path / "letter.txt")
    with pytest.raises(RunError, match="this is a text, and no run"):
        Run.load(tmp_path / "letter.txt")
    with pytest.raises(RunError, match="no run directory at"):
        Run.load(tmp_path / "missing")


def test_starting_over_removes_our_files_and_no_other(folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")
    (folder / "split/mine.txt").write_text("mine")
    (folder / "weights-2.safetensors.bak").write_text("mine")
    (folder / "looks.jsonl").write_text("{}\n")
    with RunWriter(folder) as writer:
        writer.clear()
    assert set(contents(folder)) == {
        "lock", "mine.txt", "split/mine.txt", "weights-2.safetensors.bak",
    }  # fmt: skip


def test_a_damaged_run_can_be_started_over_unless_it_may_be_foreign(folder: Path) -> None:
    (folder / "checkpoint.json").write_bytes(b"{")
    with pytest.raises(RunError, match=r"checkpoint\.json"):
        RunWriter(folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match=r"checkpoint\.json"):
        RunWriter(folder, fresh=True)
    (folder / "mine.txt").unlink()
    make_run(folder, 0, fresh=True)
    assert step_of(folder) == 0


def test_what_was_killed_before_its_first_checkpoint_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run(folder)
    (folder / ".tmp-checkpoint.json").write_bytes(b"half")
    with pytest.raises(RunError, match="no run here"):
        Run.load(folder)
    make_run(folder, 0)
    assert step_of(folder) == 0 and not (folder / ".tmp-checkpoint.json").exists()


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_the_umask_decides_who_may_read_a_run(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        folder = make_run(tmp_path / "a run", 0, 2)
    finally:
        os.umask(before)
    for path in (folder, *folder.rglob("*")):
        every = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == every & ~mask, path


# -- the lock -------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_until_the_first_has_gone(folder: Path) -> None:
    with RunWriter(folder) as writer:
        before = contents(folder)
        with pytest.raises(SystemFault, match=f"process {os.getpid()} is training here"):
            RunWriter(folder)
        assert contents(folder) == before  # the first is unharmed
        assert step_of(folder) == 2  # and readers need no lock
        writer.close()
        RunWriter(folder).close()


def test_what_the_lock_holds_is_shown_escaped(folder: Path) -> None:
    with RunWriter(folder):
        (folder / "lock").write_bytes(b"\x1b[31m\n\xff" * 50)
        with pytest.raises(SystemFault) as caught:
            RunWriter(folder)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


# -- faults of the disk ---------------------------------------------------------------------------


class FailingDisk:
    """Counts what a save asks of the disk, and fails from the k-th such request on."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int, number: int) -> None:
        self.fails_at, self.number, self.requests = fails_at, number, 0
        self.done: list[str] = []
        for name in TOOLS:
            patch.setattr(os, name, getattr(self, name, None) or self.asked(name))

    def ask(self, what: str) -> None:
        self.requests += 1
        if self.requests >= self.fails_at:
            raise OSError(self.number, os.strerror(self.number))
        self.done.append(what)

    def asked(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.ask(f"{name} {arguments[-1] if name == 'replace' else ''}")
            return None if name == "fsync" else REAL[name](*arguments, **more)

        return call

    def mkdir(self, path: Any, *arguments: Any, **more: Any) -> None:
        if not Path(path).is_dir():
            self.ask("mkdir")
        REAL["mkdir"](path, *arguments, **more)

    def open(self, path: Any, flags: int, *arguments: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_CREAT):
            self.ask("open")
        return int(REAL["open"](path, flags, *arguments, **more))

    def fdopen(self, handle: int, mode: str, *arguments: Any, **more: Any) -> Any:
        stream = REAL["fdopen"](handle, mode, *arguments, **more)
        if "w" in mode:
            try:
                self.ask("write")
            except OSError:
                REAL["write"](handle, b"half")
                stream.close()
                raise
        return stream


Act = Callable[[Path], object]
EachFault = Callable[..., Iterator[tuple[Path, FailingDisk]]]


@pytest.fixture
def each_fault(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EachFault:
    """Runs an act on a copy of a run (or on nothing) until no request to the disk fails.

    Yields the folder after each fault, and what had been done.
    """

    def faults(
        act: Act, number: int = errno.ENOSPC, copy: bool = True
    ) -> Iterator[tuple[Path, FailingDisk]]:
        for fails_at in range(1, 200):
            folder = tmp_path / str(fails_at)
            if copy:
                shutil.copytree(made, folder)
            with monkeypatch.context() as patch:
                disk = FailingDisk(patch, fails_at, number)
                try:
                    act(folder)
                    return
                except SystemFault as error:
                    assert os.strerror(number).lower() in str(error).lower()
                    assert str(folder) in str(error)
            yield folder, disk

    return faults


@pytest.mark.parametrize("number", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.slow)])
def test_a_save_that_fails_anywhere_leaves_a_whole_generation(
    number: int, each_fault: EachFault
) -> None:
    steps = []
    for folder, disk in each_fault(lambda folder: go_on(folder, 4), number):
        assert disk.requests == disk.fails_at  # nothing is tried again as if it had worked
        steps.append(step_of(folder))
        committed = any("checkpoint.json" in what for what in disk.done)
        assert steps[-1] == (4 if committed else 2)
        assert not list(folder.rglob(".tmp-*")) and verify(folder) == []
        go_on(folder, 4)  # after space is freed
        assert step_of(folder) == 4 and verify(folder) == []
        # What was not committed is not there; what was is not lost.
        assert steps_logged(folder) == ([0, 2, 4, 4] if committed else [0, 2, 4])
    # lock (2), logs (2 opened, 2 lines), 4 files with 5 requests each, 2 log lengths, and more
    assert len(steps) > 25 and steps.count(2) == len(steps) - 1


def test_a_first_save_that_fails_anywhere_can_be_started_again(each_fault: EachFault) -> None:
    failures = 0
    for folder, _ in each_fault(lambda folder: make_run(folder, 0), copy=False):
        failures += 1
        assert not list(folder.rglob(".tmp-*"))
        make_run(folder, 0)
        assert step_of(folder) == 0
    assert failures > 40


def test_going_back_that_fails_anywhere_leaves_a_whole_generation(each_fault: EachFault) -> None:
    steps = []
    for folder, _ in each_fault(restore):
        steps.append(step_of(folder))
        assert verify(folder) == []
    assert len(steps) > 4 and set(steps) == {0, 2}


@pytest.mark.parametrize("moved", [True, False])
def test_a_folder_that_goes_while_training_is_named(
    moved: bool, folder: Path, tmp_path: Path
) -> None:
    with RunWriter(folder) as writer:
        writer.resume()
        folder.rename(tmp_path / "moved") if moved else shutil.rmtree(folder)
        for act in (lambda: writer.log("metrics.jsonl", "{}"), lambda: save(writer, 4)):
            with pytest.raises(SystemFault, match="the run directory has gone") as caught:
                act()
            assert str(folder) in str(caught.value)
        assert not folder.exists()
    assert not moved or step_of(tmp_path / "moved") == 2


def test_a_folder_that_may_not_be_written_is_found_before_training(open_path: Path) -> None:
    parent, folder = open_path / "parent", make_run(open_path / "run", 0, 2)
    parent.mkdir(mode=0o555)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    folder.chmod(0o555)
    before = contents(folder)
    with as_nobody():
        with pytest.raises(SystemFault, match="cannot make .*parent/new") as caught:
            RunWriter(parent / "new")
        assert "Permission denied" in str(caught.value)
        with pytest.raises(SystemFault, match="cannot write lock: permission denied"):
            RunWriter(folder)
        assert step_of(folder) == 2  # reading needs no right to write
    assert contents(folder) == before and os.listdir(parent) == []
    parent.chmod(0o755)
    folder.chmod(0o755)


# -- logs -----------------------------------------------------------------------------------------


def test_logs_are_cut_to_what_the_checkpoint_committed(folder: Path) -> None:
    committed = {name: (folder / name).read_bytes() for name in LOGS}
    for name in LOGS:
        with open(folder / name, "ab") as stream:
            stream.write(b'{"step": 3}\n{"step": 4}\n{"st')  # not committed, the last not whole
    with RunWriter(folder) as writer:
        writer.resume()
        assert {name: (folder / name).read_bytes() for name in LOGS} == committed
        writer.log("metrics.jsonl", '{"step": 3}')
    assert steps_logged(folder) == [0, 2, 3]


def test_a_log_that_was_lost_starts_again(folder: Path) -> None:
    (folder / "metrics.jsonl").unlink()
    go_on(folder, 4)
    assert step_of(folder) == 4 and steps_logged(folder) == [4]
