"""Sweeps: the file that one grows, its command and its processes."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_trial import HOSTILE, LINES, PARTS, TINY

from conftest import Call
from makemore.cli import trial_tables
from makemore.cli.commands import sweep as sweep_command
from makemore.errors import RunError, UsageError
from makemore.experiments.executors import Job
from makemore.experiments.presets import PRESETS
from makemore.experiments.sweep import FILE, Sweep, opened
from makemore.experiments.trial import axis, failure, run_trial
from makemore.text import Corpus, train_val_test_split
from warm import Warm

pytestmark = pytest.mark.usefixtures("unrendered")

FLAGS = tuple(
    word for key, value in TINY.items() for word in ("--" + key.replace("_", "-"), str(value))
)
LESS = FLAGS[2:]  # n_hidden varies


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return "lines.txt"


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Trials run in this process, without the second that each worker takes to start; a log."""
    ran: list[dict[str, Any]] = []

    class Inside:
        def __init__(self, job: Job, size: int) -> None:
            self.job, self.came = job, list[tuple[str, dict[str, Any]]]()

        def size(self) -> int:
            return 1

        def start(self, name: str, settings: dict[str, Any]) -> None:
            ran.append(settings)
            try:
                came = run_trial(self.job.shared["model"], settings, self.job.parts)
            except Exception as error:
                came = failure(error)
            self.came.append((name, came))

        def wait(self, seconds: float) -> list[tuple[str, dict[str, Any]]]:
            return [self.came.pop()] if self.came else []

        def close(self) -> None: ...

    monkeypatch.setattr("makemore.experiments.executors.processes.Processes", Inside)
    return ran


# -- the file -------------------------------------------------------------------------------------


def tried(**changes: Any) -> Sweep:
    values: dict[str, Any] = {
        "model": "mlp", "parts": PARTS, "fixed": {"max_steps": 5},
        "axes": (axis("mlp", "n_hidden=1,2"),), "trials": (), **changes,
    }  # fmt: skip
    return Sweep(**values)


LOSSES = {"train": 2.5, "val": 2.75}
RESULT = {
    **LOSSES, "nll_unseen": None, "first": LOSSES, "last": LOSSES, "best_step": 5, "steps": 5,
    "parameters": 100, "seconds": 0.5, "copied": 0.25, "names": ["$\u2028é"],
}  # fmt: skip
FAILED = {"error": "x", "kind": "diverged", "code": 6}


def record(number: int, result: dict[str, Any] = RESULT, **more: Any) -> dict[str, Any]:
    options = {"n_hidden": number}
    return {"id": tried().id_of(options), "options": options, **result, **more}


def test_who_has_nothing_to_do_says_that_others_work() -> None:
    trials = SimpleNamespace(missing={"a": {}, "b": {}}, running={})
    assert sweep_command.waits_for(trials) == "2 trials are done by other processes"  # type: ignore[arg-type]
    trials.running["c"] = {}
    assert sweep_command.waits_for(trials) is None  # type: ignore[arg-type]


def test_only_what_may_succeed_is_worth_a_retry(capsys: pytest.CaptureFixture[str]) -> None:
    fine, diverged = {"train": 1.0}, {"error": "x", "kind": "diverged", "code": 6}
    for failed, again in ((diverged, False), ({**diverged, "kind": "memory", "code": 5}, True)):
        assert sweep_command.exit_code([fine, failed]) == 0
        assert ("--retry" in capsys.readouterr().err) == again


def test_finished_trials_are_there_again_and_a_retry_counts(tmp_path: Path) -> None:
    with opened(tmp_path / "s", tried()) as log:
        assert log.read() == {}
        for each in (record(1), record(2, FAILED), record(2, val=float("nan"))):
            log.add(each["id"], each)
    with opened(tmp_path / "s", tried()) as log:
        assert log.read() == {each["id"]: each for each in (record(1), record(2, val=None))}


DIFFER: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"parts": train_val_test_split(Corpus.exactly(LINES[1:]))}, "text is another"),
    "model": ({"model": "gru"}, 'model was "mlp", is "gru"'),
    "draws": ({"random": 3}, "random was not given, is 3"),
    "fixed": ({"fixed": {"max_steps": 6}}, "max_steps was 5, is 6"),
    "axes": ({"axes": ()}, r"n_hidden was \[1, 2\], is not given"),
}


@pytest.mark.parametrize("name", DIFFER)
def test_another_sweep_is_refused_and_what_differs_is_named(name: str, tmp_path: Path) -> None:
    opened(tmp_path, tried()).close()
    changes, told = DIFFER[name]
    with pytest.raises(UsageError, match=told):
        opened(tmp_path, tried(**changes))
    (tmp_path / "loss-n_hidden.png").touch()
    with opened(tmp_path, tried(**changes), fresh=True) as log:
        assert log.read() == {} and sorted(os.listdir(tmp_path)) == ["trials", FILE]
    assert os.listdir(tmp_path) == [FILE]


@pytest.mark.slow
def test_what_is_no_trial_is_refused_and_left_alone(tmp_path: Path) -> None:
    """What else its file may hold: test_journal.py."""
    opened(tmp_path, tried()).close()
    whole = (tmp_path / FILE).read_bytes()
    damaged = [b'{"id": 1}', b"x", json.dumps(record(1, id="0" * 16)).encode()]
    for result in (RESULT, FAILED):
        for key in record(1, result):
            for value in (None, "x", 3, True, [], {}, [3], 10**400, {"train": "x"}):
                changed = {**record(1, result), key: value}
                if type(value) is not type(record(1, result)[key]) and key != "val":
                    damaged.append(json.dumps(changed).encode())
            rest = {name: each for name, each in record(1, result).items() if name != key}
            damaged.append(json.dumps(rest).encode())
    known = (
        {"steps": None},
        {"nll_unseen": 3},
        {"train": None},
        {"train": 3},
        {"seconds": 3},
        {"copied": 3},
    )
    right = {json.dumps(record(1, **more)).encode() for more in known}
    for line in damaged:
        (tmp_path / FILE).write_bytes(whole + json.dumps(record(2)).encode() + b"\n" + line + b"\n")
        before = (tmp_path / FILE).read_bytes()
        if line in right:
            opened(tmp_path, tried()).close()
            continue
        with pytest.raises(RunError) as caught:
            opened(tmp_path, tried())
        assert str(caught.value).startswith(f"{FILE}, line 3, is no "), line
        assert "take the line out, or start over with --fresh" in str(caught.value)
        assert (tmp_path / FILE).read_bytes() == before


@given(data=st.data())
def test_a_file_that_was_changed_anywhere_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never another error than that of a damaged file, or of another sweep's."""
    folder = tmp_path_factory.mktemp("sweep")
    with opened(folder, tried()) as log:
        each = [record(1), record(2, FAILED)]
        for one in each:
            log.add(one["id"], one)
        assert log.complete([one["id"] for one in each]) == each
    assert os.listdir(folder) == [FILE]
    body = bytearray((folder / FILE).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    (folder / FILE).write_bytes(body)
    try:
        with opened(folder, tried()) as log:
            done = log.read()
        assert not done or trial_tables.table([*done.values()], tried())
    except (RunError, UsageError) as error:
        assert FILE in str(error) or "started otherwise" in str(error)


# -- the command ----------------------------------------------------------------------------------


def table(out: str) -> list[dict[str, str]]:
    header, *rows = out.split("\n\n")[0].splitlines()
    names = [name for name in header.split("  ") if name.strip()]
    return [dict(zip(map(str.strip, names), row.replace(" %", "%").split(), strict=False))
            for row in rows]  # fmt: skip


@pytest.mark.slow
def test_a_sweep_gives_a_table_names_and_charts_and_runs_once(text, call, inside, tmp_path) -> None:
    command = ("sweep", text, "--model", "mlp", "--vary", "block_size=2,3", *FLAGS, "-o", "s")
    done = call(*command)
    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    records = [json.loads(line) for line in (tmp_path / "s" / FILE).read_text().splitlines()][1:]
    assert [row["block_size"] for row in rows] == ["2", "3"] and len(records) == 2
    for row, found in zip(rows, records, strict=True):
        assert row["val"] == f"{found['val']:.4f}" and row["train"] == f"{found['train']:.4f}"
        assert row["in train"] == f"{100 * found['copied']:.1f}%"
        assert "  ".join(found["names"]) in done.stdout and len(found["names"]) == 20
    best = min(records, key=lambda found: found["val"])["options"]["block_size"]
    (marked,) = (line for line in done.stdout.splitlines() if line.endswith("best"))
    assert marked.split()[0] == str(best)
    for name in ("loss-block_size.png", "loss-block_size-dark.png"):
        assert (tmp_path / "s" / name).read_bytes()[:4] == b"\x89PNG"
    assert len(inside) == 2
    again = call(*command)
    assert (again.stdout, len(inside)) == (done.stdout, 2)
    as_json = call(*command, "--json")
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == records
    assert call(*command[:-1], "t").returncode == 0 and len(inside) == 4
    other = call(*command, "--seed", "4")
    assert other.returncode == 2 and "seed was not given, is 4" in other.stderr and len(inside) == 4
    (tmp_path / "s" / "loss-gone.png").touch()
    assert call(*command, "--seed", "4", "--fresh").returncode == 0 and len(inside) == 6
    assert not (tmp_path / "s" / "loss-gone.png").exists()


def test_a_bad_trial_does_not_stop_the_others(text: str, call: Call, inside: list[Any]) -> None:
    command = ("sweep", text, "--model", "mlp", "--batch-norm", "--vary", "batch_size=1,16,9999",
               *FLAGS[:4], "--max-steps", "5", "--threads", "1")  # fmt: skip
    done = call(*command)
    assert done.returncode == 0 and "2 of 3 trials failed" in done.stderr
    rows = table(done.stdout)
    assert [row["val"] == "-" for row in rows] == [True, False, True]
    assert rows[0]["train"] == "-" and done.stdout.splitlines()[1].endswith("options")
    assert "BatchNorm needs batches of 2" in done.stderr
    call(*command)
    assert len(inside) == 3
    call(*command, "--retry")
    assert [trial["batch_size"] for trial in inside[3:]] == [1, 9999]


def test_where_all_fail_the_exit_code_says_by_what(text: str, call: Call, inside) -> None:
    common = ("sweep", text, "--optimizer", "sgd", "--max-steps", "5", "--threads", "1")
    done = call(*common, "--model", "bigram", "--vary", "learning_rate=1e38,2e38")
    assert done.returncode == 6 and "every trial failed" in done.stderr
    assert all(line.endswith("diverged") for line in done.stdout.splitlines()[1:])
    done = call(*common, "--model", "mlp", "--vary", "batch_size=9998,9999", *FLAGS[:4])
    assert done.returncode == 2 and "every trial failed" in done.stderr


def test_seeds_are_trials_and_their_mean_is_told(text: str, call: Call, inside: list[Any]) -> None:
    done = call("sweep", text, "--model", "mlp", "--vary", "n_hidden=2,4", "--seeds", "2",
                "--seed", "5", *LESS)  # fmt: skip
    assert [(each["n_hidden"], each["seed"]) for each in inside] == list(product((2, 4), (5, 6)))
    rows = table(done.stdout)
    vals = [float(row["val"]) for row in rows]
    assert vals[0] != vals[1]
    _, first, second = done.stdout.split("\n\n")[1].splitlines()
    assert first.startswith("n_hidden=2") and second.startswith("n_hidden=4")
    assert float(first.split()[1]) == pytest.approx(np.mean(vals[:2]), abs=1e-4)
    assert float(first.split()[2]) == pytest.approx(np.std(vals[:2], ddof=1), abs=1e-4)


@pytest.mark.slow
def test_random_draws_a_count_model_and_a_preset(text: str, call: Call, inside: list[Any]) -> None:
    done = call("sweep", text, "--model", "mlp", "--vary", "learning_rate=0.001..0.1", "--random",
                "3", *FLAGS, "-o", "r")  # fmt: skip
    assert done.returncode == 0 and len(table(done.stdout)) == len(inside) == 3, done.stderr
    assert all(0.001 <= each["learning_rate"] <= 0.1 for each in inside)
    done = call("sweep", text, "--model", "ngram", "--vary", "order=1,2,3", "-o", "n")
    assert done.returncode == 0 and [row["order"] for row in table(done.stdout)] == ["1", "2", "3"]
    done = call("sweep", text, "--preset", "context", *FLAGS, "--vary", "block_size=1,2")
    assert done.returncode == 0 and [each["block_size"] for each in inside[6:]] == [1, 2]
    assert Path("runs/lines-mlp-context-sweep").is_dir()
    listed = call("sweep", "--preset", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(PRESETS)


WRONG = {
    "": "nothing varies", "--vary n_hiden=1": "n_hidden", "--vary n_hidden=1..9": "--random",
    "--vary n_hidden=2 --n-hidden 3": "fixed and varies", "--preset hiden": "hidden",
    "--vary n_hidden=1 --vary n_hidden=2": "twice", "--preset batch-norm --model mlp": "deep_mlp",
    "--vary seed=1,2 --seeds 2": "seeds", "--workers 0": "--workers", "--random 0": "--random",
    "--vary n_hidden=2 --n-head 2": "--n-head", "--vary n_hidden=2 --max-steps 0": "max_steps",
    "--vary n_hidden=2 --save-interval 2": "--save-interval", "--seeds 0": "--seeds",
    "--vary n_hidden=2 --n-symbols 0": "n_symbols",
}  # fmt: skip


@pytest.mark.parametrize("options", WRONG)
def test_what_cannot_be_right_is_told_at_once(options: str, text, call: Call, tmp_path) -> None:
    model = () if "--model" in options or "--preset" in options else ("--model", "mlp")
    done = call("sweep", text, *model, *options.split())
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert WRONG[options] in done.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == ["lines.txt"]


def test_a_hostile_text_and_one_without_val(call: Call, inside: list[Any], tmp_path: Path) -> None:
    (tmp_path / "$a_b.txt").write_text("\n".join(HOSTILE), encoding="utf-8")
    done = call("sweep", "$a_b.txt", "--model", "mlp", "--vary", "batch_size=4,all", *FLAGS[:4],
                "--max-steps", "3", "--threads", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["val"] for row in table(done.stdout)] == ["-", "-"]
    assert sum(line.endswith("best") for line in done.stdout.splitlines()) == 1


# -- several processes on one folder --------------------------------------------------------------


def test_a_trial_that_another_process_does_is_waited_for(text, call, inside, tmp_path) -> None:
    """Who joins does what is left, and prints the table of all; --fresh is refused meanwhile."""
    command = ("sweep", text, "--model", "mlp", "--vary", "n_hidden=1,2,3", *LESS, "-o", "s")
    parts = train_val_test_split(Corpus.from_lines(LINES))
    plan = Sweep("mlp", parts, dict(TINY), (axis("mlp", "n_hidden=1,2,3"),),
                 tuple({"n_hidden": n} for n in (1, 2, 3)))  # fmt: skip
    del plan.fixed["n_hidden"]
    with opened(tmp_path / "s", plan) as other:
        theirs = plan.names[1]
        assert other.take([theirs]) == theirs
        fresh = call(*command, "--fresh")
        assert fresh.returncode == 5 and "other processes work here (s): end them" in fresh.stderr
        found = plan.record_of(theirs, {"n_hidden": 2}, RESULT)

        def later() -> None:
            until(lambda: len(inside) == 2)
            time.sleep(0.1)
            other.add(theirs, found)

        helper = threading.Thread(target=later)
        helper.start()
        done = call(*command)
        helper.join()
    assert done.returncode == 0, done.stderr
    assert [each["n_hidden"] for each in inside] == [1, 3]
    assert [row["n_hidden"] for row in table(done.stdout)] == ["1", "2", "3"]
    assert table(done.stdout)[1]["val"] == f"{found['val']:.4f}"
    assert "3 of 3:  n_hidden=2" in done.stderr
    assert not list((tmp_path / "s").glob("trials/*.lease"))
    assert call(*command).stdout == done.stdout and len(inside) == 2
    assert call(*command, "--fresh").returncode == 0 and len(inside) == 5


def test_a_trial_of_a_machine_that_has_gone_is_taken_over(text, call, inside, tmp_path) -> None:
    command = ("sweep", text, "--model", "mlp", "--vary", "n_hidden=1,2", *LESS, "-o", "s")
    assert call(*command).returncode == 0
    first, one, two = (tmp_path / "s" / FILE).read_text().splitlines()
    (tmp_path / "s" / FILE).write_text(f"{first}\n{one}\n")
    (tmp_path / "s" / "trials").mkdir()
    name = json.loads(two)["id"]
    lease = tmp_path / "s" / "trials" / f"{name}.1.lease"
    lease.write_text(json.dumps({"host": "elsewhere", "pid": 1, "began": "1"}))
    os.utime(lease, (1, 1))
    (tmp_path / "s" / "trials" / ".tmp-0123").write_text('{"id": ')
    done = call(*command)
    assert done.returncode == 0 and len(inside) == 3
    assert not (tmp_path / "s" / "trials").exists()
    again = (tmp_path / "s" / FILE).read_text().splitlines()
    assert [{**json.loads(line), "seconds": 0} for line in again[1:]] == [
        {**json.loads(line), "seconds": 0} for line in (one, two)
    ]


# -- processes ------------------------------------------------------------------------------------

# A model that says in a file when it is made, kills its process, waits until it is killed, or
# prints where answers are read.
PLUGIN = '''
"""A model of a test.

Paper: none
"""
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
import torch
from torch import nn
from makemore.models import NeuralModel, register
from makemore.options import option


@register("watched")
class Watched(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(2, "context", minimum=1)
        width: int = option(1, "what it does", minimum=1)

    input_kind = "window"
    recipe = {"max_steps": 4, "optimizer": "adamw"}

    def __init__(self, vocab_size, block_size, options):
        super().__init__(vocab_size, block_size, options)
        if torch.empty(0).device.type != "meta":  # where only its parameters are counted
            self.tell(options.width)
        self.table = nn.Embedding(vocab_size, options.width)
        self.head = nn.Linear(options.width, vocab_size)

    def tell(self, width):
        with open("made", "a") as log:
            log.write(f"{width} {os.getpid()}\\n")
        print("not an answer", flush=True)
        if width == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == 4 and Path("hold").exists():
            time.sleep(120)

    def forward(self, inputs):
        return self.head(self.table(inputs[:, -1]))
'''
SWEEP = ("sweep", "lines.txt", "--plugin", "watched.py", "--model", "watched", "--vary",
         "width=13,3,4,5", "--batch-size", "16", "-o", "s")  # fmt: skip


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    (folder / "watched.py").write_text(PLUGIN, encoding="utf-8")
    return folder


def trials_of(folder: Path) -> list[dict[str, Any]]:
    """The finished trials of a sweep, whether all are finished or not."""
    lines = (folder / "s" / FILE).read_text().splitlines()[1:]
    loose = (folder / "s" / "trials").glob("*.json")
    found = [json.loads(line) for line in [*lines, *(path.read_text() for path in loose)]]
    return sorted(({**each, "seconds": 0} for each in found), key=lambda each: each["id"])


def made(folder: Path) -> list[list[int]]:
    """Width and process of each model that was made there, in their order."""
    log = folder / "made"
    lines = log.read_text().splitlines() if log.exists() else []
    return [[int(word) for word in line.split()] for line in lines]


def without_seconds(out: str) -> list[list[str]]:
    """Words of a table and its names; the seconds alone have one decimal and no % after it."""
    timed = re.compile(r"(?<![\d.])\d+\.\d(?!\d| %)")
    return [timed.sub("S", line).split() for line in out.splitlines()]


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "\nState:\tZ" in status.read_text()


def until(true: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_sweep_killed_half_way_goes_on_and_runs_no_finished_trial_twice(warm, tmp_path) -> None:
    """The table, file and names of a sweep that was killed are those of one that was not."""
    whole, broken = prepared(tmp_path / "whole"), prepared(tmp_path / "broken")
    unbroken = warm.start(*SWEEP, "--workers", "2", cwd=whole)
    assert unbroken.wait() == 0, unbroken.err
    table_of_whole, told = unbroken.out, unbroken.err
    assert sorted(width for width, _ in made(whole)) == [3, 4, 5, 13]
    assert len(trials_of(whole)) == 4 and "1 of 4 trials failed" in told
    (killed,) = (each for each in trials_of(whole) if "error" in each)
    assert (killed["options"], killed["kind"]) == ({"width": 13}, "killed")
    assert "signal 9" in killed["error"]

    (broken / "hold").touch()
    started = warm.start(*SWEEP, "--workers", "1", cwd=broken)
    until(lambda: 4 in dict(made(broken)))  # two are finished, one has begun
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    until(lambda: gone(dict(made(broken))[4]))  # a worker ends with its parent
    assert {each["options"]["width"] for each in trials_of(broken)} == {13, 3}
    with open(broken / "s" / FILE, "a") as torn:
        torn.write('{"id": "')
    (broken / "hold").unlink()
    again = warm.start(*SWEEP, "--workers", "1", cwd=broken)
    assert again.wait() == 0, again.err
    assert "4 trials of watched, 2 of them done before" in again.err
    assert [width for width, _ in made(broken)] == [13, 3, 4, 4, 5]
    assert trials_of(broken) == trials_of(whole)
    assert sum(row.count("S") for row in without_seconds(again.out)) == 3
    assert without_seconds(again.out) == without_seconds(table_of_whole)


@pytest.mark.slow
def test_an_interrupt_leaves_it_to_go_on(warm: Warm, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "s")
    (folder / "hold").touch()
    command = tuple(word.replace("13,3,4,5", "3,4") for word in SWEEP)
    started = warm.start(*command, "--workers", "1", cwd=folder)
    until(lambda: 4 in dict(made(folder)))
    os.kill(started.pid, signal.SIGINT)
    assert started.wait() == 130
    assert "the same command goes on" in started.err and "Traceback" not in started.err
    assert gone(dict(made(folder))[4]) and len(trials_of(folder)) == 1
