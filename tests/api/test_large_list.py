"""Training on lines that stay on the disk, against training on the same lines in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore import MakeMore
from makemore.api import large_list, line_spool, train_directory
from makemore.api.count_part import Budget
from makemore.api.session import Message, SessionEvent, Started
from makemore.errors import DataError, MakemoreError, RunError, SystemFault, UsageError
from makemore.models.core import sorted_runs
from makemore.runs import Run
from makemore.runs.manifest import read_manifest, verify
from makemore.runs.writer import RunWriter
from makemore.text import Corpus, reading
from makemore.text.config import text_config
from makemore.text.dataset import read_split
from makemore.text.line_file import BlockSize, LineFile
from makemore.training import Step
from warm import Warm

LINES = [f"{a}{b}{c}" for a in ("ka", "mé", "no", "ri𝄞") for b in "aeiou" for c in range(18)]
OPTIONS: dict[str, Any] = {
    "model": "gru", "n_hidden": 8, "n_embd": 4, "max_steps": 40, "eval_interval": 20, "threads": 1,
    "batch_size": 16, "soft_targets": 0.0,
}  # fmt: skip
MEMORY = 2**28
FIXED = (
    "config.json",
    "vocabulary.json",
    *(f"split/{part}.txt" for part in ("train", "val", "test")),
)


@contextmanager
def little_memory(room: int = 10**6, lines: int = 16) -> Iterator[None]:
    """Memory seems to hold nothing, so that short lists stay on the disk, in small pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_list, "BYTES_IN_MEMORY", 10**9)
        patch.setattr(large_list, "BlockSize", lambda *size: BlockSize(*(size or (lines, 10**6))))
        patch.setattr(Budget, "of", lambda memory: Budget(2, room))
        patch.setattr(sorted_runs, "MERGE_ROWS", 50)
        patch.setattr(sorted_runs, "LEAST_ROWS", 1)
        patch.setattr(reading, "CHUNK", 400)
        patch.setattr(line_spool, "READ_AT_ONCE", 300)
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*LINES, "", "  ", *LINES[::7], " padded "]), encoding="utf-8")
    return path


def train(folder: Path, file: Path | None, **more: Any) -> list[SessionEvent]:
    return list(train_directory(folder, file, memory=MEMORY, name="list", **{**OPTIONS, **more}))


def weights(folder: Path) -> dict[str, bytes]:
    """The last checkpoint: to draw from and to go on from; and what stands there of the text."""
    now = read_manifest(folder)
    names = now["weights"], now["state"] + ".safetensors", now["state"] + ".json", *FIXED
    return {name: (folder / name).read_bytes() for name in names}


def messages(events: list[SessionEvent]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Message))


@pytest.mark.parametrize(
    ("model", "options"),
    [("gru", {}), ("mlp", {}), ("transformer", {"n_head": 2, "n_layer": 1, "n_embd": 8}),
     ("gru", {"keep_copies": True, "max_line": 4})],
)  # fmt: skip
def test_a_list_of_which_all_fits_is_learned_as_in_memory(
    model: str, options: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    """To the last bit: weights, state, split and what the model says of lines."""
    used = {key: value for key, value in OPTIONS.items() if model == "gru" or key[:2] != "n_"}
    used = {**used, "model": model, **options}
    asked = {key: value for key, value in used.items() if key != "model"}
    _, split = read_split(str(file), text_config(asked))
    expected = list(train_directory(tmp_path / "memory", split, name="list", **used))
    with little_memory():
        found = list(train_directory(tmp_path / "disk", file, name="list", memory=MEMORY, **used))
    disk, memory = weights(tmp_path / "disk"), weights(tmp_path / "memory")
    configs = [json.loads(each.pop("config.json")) for each in (disk, memory)]
    on_disk = configs[0].pop("on_disk")
    assert disk == memory and configs[0] == configs[1]
    assert on_disk["bytes"] == file.stat().st_size and on_disk["blocks"] >= 10
    losses = [
        [e.loss.item() for e in events if isinstance(e, Step)] for events in (found, expected)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 40
    assert (tmp_path / "disk/samples.txt").read_bytes() == (
        tmp_path / "memory/samples.txt"
    ).read_bytes()
    for folder in ("disk", "memory"):  # nothing is left, and other commands open it
        assert verify(tmp_path / folder) == []
        assert not list((tmp_path / folder).rglob(".tmp-*"))
    ours, theirs = (MakeMore.load(tmp_path / folder) for folder in ("disk", "memory"))
    assert ours.sample(20, 1) == theirs.sample(20, 1)


def test_lines_of_which_some_are_in_memory_are_learned(file: Path, tmp_path: Path) -> None:
    with little_memory(room=2600):
        events = train(tmp_path / "run", file)
        started = next(event for event in events if isinstance(event, Started))
        assert started.maker.plan_ is not None
        train_part = started.maker.split.train
        assert isinstance(train_part, LineFile) and train_part.n_blocks > 15
        batches = started.maker.batches()
    config = started.maker.plan_.config
    assert config.on_disk is not None and 2 <= config.on_disk["blocks"] < train_part.n_blocks / 2
    assert batches.buffers >= 3  # type: ignore[attr-defined]
    told = messages(events)
    assert "its lines stay on the disk" in told and "of what it learns from is in memory" in told
    assert "361 lines, 52 copies dropped, 2 blank" in told
    # The scratch files are gone, and who holds the model draws and knows the lines all the same.
    assert not list((tmp_path / "run").rglob(".tmp-*"))
    origins = started.maker.plan_.known_lines.origins_of(Corpus.exactly([*LINES, "kab"]))
    assert origins[-1] == 0 and set(origins[:-1].tolist()) == {1, 2, 3}  # train, val, test
    assert not set(started.maker.sample(30, 1)) & set(LINES)
    loaded = MakeMore.load(tmp_path / "run")
    assert loaded.sample(20, 1) == started.maker.sample(20, 1)
    assert loaded.score_samples(LINES).mean() > -20


@pytest.mark.parametrize("room", [2600, 10**6])
def test_stopped_and_gone_on_with_it_ends_as_it_would_have(
    room: int, file: Path, tmp_path: Path
) -> None:
    with little_memory(room):
        train(tmp_path / "whole", file)
        for at in (7, 19, 33):
            stop = threading.Event()
            for event in train_directory(
                tmp_path / "cut", file if at != 19 else None, memory=MEMORY, name="list", stop=stop,
                **OPTIONS,
            ):  # fmt: skip
                if isinstance(event, Step) and event.step == at:
                    stop.set()
            assert Run.load(tmp_path / "cut").progress["step"] == at
        # Blocks and their number are the run's own, whatever memory there is now.
        with little_memory(room=10**5, lines=40):
            told = messages(train(tmp_path / "cut", file))
        assert "going on from step 33" in told
        assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
        # Once more: it is finished.
        [event] = train(tmp_path / "cut", file)
        assert isinstance(event, Started) and event.finished
        assert event.maker.sample(5, 1) == MakeMore.load(tmp_path / "whole").sample(5, 1)


def test_another_file_other_lines_or_options_do_not_go_on(file: Path, tmp_path: Path) -> None:
    with little_memory():
        train(tmp_path / "run", file)
        before = weights(tmp_path / "run")
        other = tmp_path / "other.txt"
        other.write_text(file.read_text(encoding="utf-8") + "\nmore", encoding="utf-8")
        for text, options, told in (
            (other, {}, "this run learned other data"), (file, {"seed": 4}, "without seed"),
            (LINES, {}, "the lines of a file that memory did not hold"),
            (file, {"model": "rnn"}, "this run's model is 'gru'"),
        ):  # fmt: skip
            with pytest.raises(UsageError, match=told):
                train(tmp_path / "run", text, **options)  # type: ignore[arg-type]
        assert weights(tmp_path / "run") == before
        assert messages(train(tmp_path / "run", other, fresh=True, max_steps=1))
        assert weights(tmp_path / "run") != before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "ngram"}, "ngram counts.*makemore count FILE"),
        ({"model": "ensemble"}, "members of an ensemble"),
        ({"labels": True}, "--labels"),
        ({"label_column": "1"}, "--label-column"),
        ({"symbols": "grapheme"}, "--symbols"),
        ({"time": 60}, "--time"),
        ({"prior": "builtin", "model": "transformer"}, "--prior"),
        ({"soft_targets": 0.5}, "--soft-targets"),
    ],
)
def test_what_is_learned_in_memory_alone_is_refused(
    options: dict[str, Any], told: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with little_memory(), pytest.raises(UsageError) as error:
        list(train_directory(tmp_path / "run", file, memory=MEMORY, **{"model": "gru", **options}))
    import re

    assert re.search(told, str(error.value)) and not (tmp_path / "run").exists()
    # Where no memory was typed, such a list is learned in memory, as it always was.
    time = options.pop("time", None)
    monkeypatch.setattr(large_list, "available_bytes", lambda: 1)
    model = options.pop("model", "gru")
    assert not large_list.stays_on_disk(file, model, options, time)
    assert large_list.stays_on_disk(file, "gru", {}) or not file.exists()


def test_memory_decides_by_the_size_of_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = file.stat().st_size * large_list.BYTES_IN_MEMORY
    decide = large_list.stays_on_disk
    assert not decide(file, "gru", {}, memory=size) and not decide(file, "gru", {}, memory=2**30)
    with pytest.raises(UsageError, match="too few"):  # to work in, beside the lines
        decide(file, "gru", {}, memory=size - 1)
    for free, expected in ((None, False), (2 * size, False), (size, True)):
        monkeypatch.setattr(large_list, "available_bytes", lambda free=free: free)
        assert decide(file, "gru", {}) == expected
    assert not decide(tmp_path / "none", "gru", {})  # whoever reads it says that it is missing
    os.mkfifo(tmp_path / "pipe")
    assert not decide(tmp_path / "pipe", "gru", {})
    with pytest.raises(UsageError, match="nobody knows"):
        decide(tmp_path / "pipe", "gru", {}, memory=2**30)


def test_a_list_that_fits_is_an_ordinary_run(file: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", file, max_steps=1)  # far below the memory that was given
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert "on_disk" not in config and "memory" not in config["asked"]


def test_few_distinct_lines_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "few.txt"
    file.write_text("ab\ncd\n" * 300)
    with little_memory(), pytest.raises(DataError, match="only 2 distinct lines"):
        train(tmp_path / "run", file)
    assert os.listdir(tmp_path / "run") == ["lock"]
    with little_memory(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(large_list.LIMITS, ".txt", 100)
        file.write_text("\n".join(LINES))
        with pytest.raises(DataError, match="a run may hold"):
            train(tmp_path / "run", file)


def test_bytes_that_are_no_text_are_told_by_their_line(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"abc\n" * 500 + b"\xff\n")
    with little_memory(), pytest.raises(DataError, match=r"list\.txt:501:1"):
        train(tmp_path / "run", file)


def test_what_looks_wrong_is_said(file: Path, tmp_path: Path) -> None:
    file.write_text("".join(f"{n}. {line}\n" for n, line in enumerate(LINES, 1)))
    with little_memory():
        with pytest.raises(MakemoreError, match="--as-is"):
            train(tmp_path / "run", file)
        assert "lines" in messages(train(tmp_path / "run", file, as_is=True, max_steps=1))


def test_stopped_while_it_is_read_ends_without_a_run(file: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with little_memory():
        events = list(train_directory(tmp_path / "run", file, memory=MEMORY, stop=stop, **OPTIONS))
        assert [type(event) for event in events] == [Message]
        assert os.listdir(tmp_path / "run") == ["lock"]
        RunWriter(tmp_path / "run").close()  # nobody holds it
        assert train(tmp_path / "run", file, max_steps=2)


@pytest.mark.parametrize("name", ["train.symbols", "train.starts"])
def test_lines_that_change_on_the_disk_end_the_training(
    name: str, file: Path, tmp_path: Path
) -> None:
    """The last checkpoint is whole, and the same command goes on."""
    with little_memory(room=2600):
        train(tmp_path / "whole", file, save_interval=0.0, max_steps=8)
        with pytest.raises(SystemFault, match=f"{name} is no longer what was written"):
            options = {**OPTIONS, "save_interval": 0.0, "max_steps": 8}
            for event in train_directory(
                tmp_path / "run", file, memory=MEMORY, name="list", **options
            ):
                if isinstance(event, Step) and event.step == 3:
                    [path] = (tmp_path / "run").rglob(name)
                    body = path.read_bytes()
                    path.write_bytes(bytes(len(body)))
        assert Run.load(tmp_path / "run").progress["step"] >= 2
        train(tmp_path / "run", file, save_interval=0.0, max_steps=8)
        assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_split_with_symbols_that_the_run_lacks_is_refused(file: Path, tmp_path: Path) -> None:
    """Anyone may have written the run, with checksums that are right."""
    with little_memory():
        train(tmp_path / "run", file, max_steps=1)
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(
                "makemore.runs.run.verified_chunks", lambda *_: iter(["\U0010ffff\n".encode()])
            )
            with pytest.raises(RunError, match="holds a symbol that vocabulary.json lacks"):
                train(tmp_path / "run", file, max_steps=1)


@pytest.mark.parametrize(
    "value",
    [None, 5, {}, {"blocks": 1}, {"lines": 0}, {"blocks": True}, {"sha256": 5}, {"more": 1}],
)
def test_a_config_that_says_it_otherwise_is_refused(value: Any, file: Path, tmp_path: Path) -> None:
    from makemore.runs.run import parse_config

    with little_memory():
        train(tmp_path / "run", file, max_steps=1)
    raw = json.loads((tmp_path / "run/config.json").read_text())
    if isinstance(value, dict) and value:
        value = {**raw["on_disk"], **value} if value != {"blocks": 1} else value
    body = json.dumps({**raw, "on_disk": value}).encode()
    with pytest.raises(RunError, match="on_disk"):
        parse_config(body, tmp_path)


# -- processes ------------------------------------------------------------------------------------

SMALL = """
import os, signal, sys
from makemore.api import large_list, count_part
from makemore.text.line_file import BlockSize

large_list.BYTES_IN_MEMORY = 10**9
large_list.BlockSize = lambda *size: BlockSize(*(size or (16, 10**6)))
count_part.Budget.of = lambda memory: count_part.Budget(2, 2600)
left = LEFT
EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.truncate"}


def seen(event, arguments):
    global left
    if event in EVENTS and "run" in str(arguments[0]):
        left -= 1
        with open(COUNTED, "w") as file:
            file.write(str(-left))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(seen)
"""
COMMAND = (
    "train", "list.txt", "-o", "run", "--memory", "256MiB", "--model", "gru", "--n-hidden", "8",
    "--n-embd", "4", "--threads", "1", "--batch-size", "16", "--max-steps", "30",
    "--eval-interval", "10", "--save-interval", "0",
)  # fmt: skip


def killed_at(warm: Warm, folder: Path, moment: int) -> tuple[int, int]:
    """Train, killed at the nth time a file is touched (0: never) -> exit code, moments."""
    driver, counted = folder.parent / "driver.py", folder.parent / "counted"
    driver.write_text(f"COUNTED = {str(counted)!r}\n" + SMALL.replace("LEFT", str(moment)))
    started = warm.start(*COMMAND, cwd=folder, before=driver)
    return started.wait(), int(counted.read_text())


@pytest.mark.slow
def test_killed_anywhere_and_started_again_ends_with_the_same_bytes(
    warm: Warm, file: Path, tmp_path: Path
) -> None:
    chance, folders = np.random.default_rng(0), []
    for name in ("whole", "cut"):
        folders.append(tmp_path / name / "work")
        folders[-1].mkdir(parents=True)
        (folders[-1] / "list.txt").write_bytes(file.read_bytes())
    whole, cut = folders
    code, moments = killed_at(warm, whole, 0)
    assert code == 0 and moments > 100
    reached = list[int]()
    for _ in range(4):
        for _ in range(3):  # most of what a process does to files comes while the list is read
            first = int(chance.choice([1, moments // 2, 4 * moments // 5]))
            code, _ = killed_at(warm, cut, int(chance.integers(first, moments)))
            assert code in (0, -signal.SIGKILL)
            if (cut / "run/checkpoint.json").exists():
                assert verify(cut / "run") == []
                reached.append(Run.load(cut / "run").progress["step"])
        assert killed_at(warm, cut, 0)[0] == 0
        assert weights(cut / "run") == weights(whole / "run")
        (cut / "run/checkpoint.json").unlink()
    assert len(set(reached)) > 3
    assert not list(cut.rglob(".tmp-*"))


PEAK = """
import sys
from pathlib import Path
from makemore.api import count_part, large_list, train_directory


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


file, folder, room = sys.argv[1:]
count_part.Budget.of = lambda memory: count_part.Budget(1, int(room))
large_list.BYTES_IN_MEMORY = 10**9
for event in train_directory(
    folder, Path(file), memory=2**28, model="rnn", n_hidden=2, n_embd=2, threads=1,
    batch_size=1000, max_steps=140, eval_interval=1000, save_interval=1000.0,
):
    pass
print(peak())
"""
ROOM = 2**21  # bytes for what is sorted, and three times of it for lines to learn from


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="asks Linux for the peak")
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """24 MB more of lines would take 100 MB more; three buffers are read in 140 steps."""
    from made import write_diverse

    peaks = []
    for size in (16 * 10**6, 40 * 10**6):
        file = tmp_path / f"{size}.txt"
        write_diverse(size, file)
        words = [sys.executable, "-c", PEAK, str(file), str(tmp_path / f"run{size}"), str(ROOM)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1e6)
    assert peaks[1] - peaks[0] < 25, peaks
    config = json.loads((tmp_path / f"run{size}/config.json").read_text())
    assert config["on_disk"]["blocks"] == 1
