"""Executors: the same records from processes of this machine and from a Dask cluster."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from test_sweep import PLUGIN
from test_trial import LINES, PARTS, TINY

import sweep_kills
from conftest import Call, Cli
from makemore.errors import SystemFault
from makemore.experiments.executors import Job, child, cluster, executor, finished
from makemore.experiments.executors.worker import Worker, killed
from makemore.experiments.trial import run_trial

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs dask.distributed")
JOB = Job("trial", {"model": "mlp"}, PARTS)
PIECES = {f"t{n}": {**TINY, "n_hidden": n} for n in (1, 2, 3)}


def without_seconds(records: dict[str, Any]) -> dict[str, Any]:
    return {name: {**record, "seconds": 0} for name, record in records.items()}


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What the trials find in this process."""
    return without_seconds({name: run_trial("mlp", each, PARTS) for name, each in PIECES.items()})


@pytest.mark.slow
@pytest.mark.parametrize("where", [None, pytest.param("local", marks=needs_dask)])
def test_each_gives_the_same_records(where: str | None, expected: dict[str, Any]) -> None:
    pieces = {**PIECES, "wrong": {**TINY, "batch_size": 10**6, "n_hidden": 0}}
    with executor(JOB, 2, where) as pool:
        assert pool.size() == 2
        found = dict(finished(pool, pieces))
    wrong = found.pop("wrong")
    assert (wrong["kind"], wrong["code"]) == ("options", 2)
    assert without_seconds(found) == expected


def test_workers_are_spread_over_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker i gets card i of k, unless a device was named or there is no choice."""
    monkeypatch.setattr(child.torch.cuda, "device_count", lambda: 3)
    devices = [child.on_a_card({"n_hidden": 1}, number)["device"] for number in range(5)]
    assert devices == ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]
    assert child.on_a_card({"device": "cpu"}, 1) == {"device": "cpu"}
    for cards in (0, 1):
        monkeypatch.setattr(child.torch.cuda, "device_count", lambda cards=cards: cards)
        assert child.on_a_card({"n_hidden": 1}, 1) == {"n_hidden": 1}


@pytest.mark.parametrize(
    "name, variable, number",
    [(0, None, 0), (3, None, 3), ("node-17", None, 17), ("tcp://a", None, 0), (3, "2,3", 0)],
)
def test_a_worker_of_a_cluster_has_the_number_of_its_name(
    name: Any, variable: str | None, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dask:
        class Found:
            pass

        @staticmethod
        def get_worker() -> Any:
            Dask.Found.name = name  # type: ignore[attr-defined]
            return Dask.Found

    monkeypatch.setattr(cluster, "_dask", lambda: Dask)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)  # who started it has chosen
    assert cluster._number() == number


# A worker's process that answers at once, waits, or dies, without the seconds of torch's import.
QUICK = (
    "import json, os, signal, sys, time\n"
    "sys.stdin.buffer.readline()\n"
    "for line in sys.stdin.buffer:\n"
    "    number, settings = json.loads(line)\n"
    "    if settings.get('dies'): os.kill(os.getpid(), settings['dies'])\n"
    "    time.sleep(settings.get('sleeps', 0))\n"
    "    print(json.dumps({'number': number, **settings}), flush=True)\n"
)


def test_a_worker_that_dies_takes_its_own_trial_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.experiments.executors.worker.START", QUICK)
    pieces: dict[str, dict[str, Any]] = {str(number): {"n": number} for number in range(8)}
    pieces["2"]["dies"], pieces["5"]["dies"] = int(signal.SIGKILL), int(signal.SIGTERM)
    with executor(JOB, 3) as pool:
        found = dict(finished(pool, pieces))
    assert found.keys() == pieces.keys()
    assert found["2"] == killed("was killed by signal 9 (no memory?)")
    assert found["5"] == killed("was killed by signal 15")
    whole = [each for name, each in found.items() if name not in "25"]
    assert [each["n"] for each in sorted(whole, key=lambda each: each["n"])] == [0, 1, 3, 4, 6, 7]
    assert {each["number"] for each in whole} <= {0, 1, 2}  # a new one has a dead one's number


def test_what_is_going_on_ends_with_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.experiments.executors.worker.START", QUICK)
    begun: list[Worker] = []
    make = Worker.__init__

    def noted(self: Worker, *arguments: Any) -> None:
        make(self, *arguments)
        begun.append(self)

    monkeypatch.setattr(Worker, "__init__", noted)
    with executor(JOB, 2) as pool:
        pool.start("a", {"sleeps": 600})
        pool.start("b", {})
        assert pool.wait(60)[0][0] == "b" and pool.wait(0.01) == []
    assert [each.process.returncode for each in begun] == [-signal.SIGKILL] * 2


def test_a_plugin_is_loaded_where_it_is_and_sent_where_it_is_not(tmp_path, monkeypatch) -> None:
    loaded: list[tuple[str, str]] = []

    def load(path: str) -> None:
        loaded.append((path, Path(path).read_text("utf-8")))

    monkeypatch.setattr(child, "load_plugin", load)
    here = tmp_path / "mine.py"
    here.write_text("x = 1")
    told = json.loads(Job("trial", {}, PARTS, str(here)).told())["plugin"]
    assert told == ["mine.py", "x = 1", str(here)]
    child._load(*told)
    assert loaded.pop() == (str(here), "x = 1")
    for text in ("x = 2", None):  # another one at that place, or none
        here.unlink() if text is None else here.write_text(text)
        child._load(*told)
        path, body = loaded.pop()
        assert (Path(path).name, body) == ("mine.py", "x = 1") and path != str(here)
        assert not Path(path).exists()


# -- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return "lines.txt"


def test_where_dask_is_missing_its_installation_is_named(text, call: Call, monkeypatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    for words in (("sweep", text, "--model", "ngram", "--vary", "order=1,2"),
                  ("compare", text, "--models", "ngram")):  # fmt: skip
        done = call(*words, "--cluster", "local")
        assert done.returncode == 5
        last = done.stderr.splitlines()[-1]
        assert last == "makemore: error: --cluster needs distributed: pip install distributed"


@pytest.mark.parametrize("address", ["loca", "tcp://127.0.0.1", "local:4", ""])
def test_what_is_no_address_is_refused_before_anything_is_written(
    text: str, address: str, call: Call, tmp_path: Path
) -> None:
    for words in (("sweep", text, "--model", "ngram", "--vary", "order=1,2", "-o", "out"),
                  ("compare", text, "--models", "ngram", "-o", "out")):  # fmt: skip
        done = call(*words, "--cluster", address)
        assert done.returncode == 2 and "give local, or one such as tcp://" in done.stderr
    assert os.listdir(tmp_path) == [text]


class Asked:
    """A client of Dask that has one worker, or none."""

    status = "running"

    def __init__(self, workers: dict[str, Any]) -> None:
        self.workers = workers

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def run(self, *words: Any, **how: Any) -> dict[str, Any]:
        return self.workers


def cluster_of(workers: dict[str, Any], seen: float) -> cluster.Cluster:
    made = cluster.Cluster.__new__(cluster.Cluster)
    made._client, made._where, made._seen = Asked(workers), "tcp://a:1", seen
    made._ended, made._running = queue.SimpleQueue(), {}
    return made


def test_a_cluster_that_loses_all_workers_is_said() -> None:
    long_ago = time.monotonic() - 2 * cluster.PATIENCE
    with pytest.raises(SystemFault, match="all workers .* ended .*: start some: dask worker tcp"):
        cluster_of({}, long_ago).wait(0.01)
    assert cluster_of({}, time.monotonic()).wait(0.01) == []  # a new one may come
    one = cluster_of({"tcp://b": "0.1.0"}, long_ago)
    assert one.wait(0.01) == [] and one._seen > long_ago


def test_a_worker_without_makemore_is_said_before_it_gets_work() -> None:
    cluster_of({"tcp://b": "0.1.0"}, 0.0)._check_workers()
    without = cluster_of({"tcp://b": "0.1.0", "tcp://c": PackageNotFoundError("makemore")}, 0.0)
    with pytest.raises(SystemFault, match="no makemore: tcp://c .*install the same makemore"):
        without._check_workers()


@needs_dask
@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_said(text: str, cli: Cli) -> None:
    """And one without workers; the output of Dask's own logs is none of ours."""
    sweep = ("sweep", text, "--model", "ngram", "--vary", "order=1,2", "--cluster")
    done = cli(*sweep, "tcp://127.0.0.1:1")
    assert done.returncode == 5 and "no Dask scheduler answers" in done.stderr
    assert "(tcp://127.0.0.1:1): start one there (dask scheduler)" in done.stderr
    assert len(done.stderr.splitlines()) == 3 and done.stdout == ""
    assert cli(*sweep, "nonsense://x:1").returncode == 5


@needs_dask
@pytest.mark.slow
def test_a_cluster_without_workers_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.5)
    with sweep_kills.cluster(tmp_path, workers=0) as (address, _):
        with pytest.raises(SystemFault, match=f"no workers .*: start some: dask worker {address}"):
            cluster.Cluster(JOB, 0, address)


@needs_dask
@pytest.mark.slow
def test_a_worker_of_another_version_is_refused(tmp_path: Path, monkeypatch) -> None:
    with sweep_kills.cluster(tmp_path, workers=1) as (address, _):
        monkeypatch.setattr(cluster, "__version__", "9.9")
        with pytest.raises(SystemFault, match=r"has makemore .*, and this is 9\.9"):
            with executor(JOB, 0, address) as pool:
                dict(finished(pool, PIECES))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param("worker", marks=needs_dask), "process"])
def test_a_part_of_a_sweep_that_is_killed_changes_nothing(kind: str, capsys: Any) -> None:
    """A Dask worker, or one of two processes on a folder: bench/sweep_kills.py does it often."""
    sweep_kills.main(["--short", "--kinds", kind])
    assert "the same table" in capsys.readouterr().out


def until(true: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("what", ["scheduler", "interrupt"])
def test_what_is_done_stays_when_it_is_stopped(what: str, tmp_path: Path) -> None:
    """A lost scheduler is exit code 5, an interrupt 130; the same command goes on."""
    folder = sweep_kills.prepared(tmp_path / "w")
    sweep = sweep_kills.command([0.01, 0.02, 0.03, 0.04], 200)
    with sweep_kills.cluster(folder) as (address, processes):
        process = sweep_kills.started([*sweep, "--cluster", address], folder)
        until(lambda: "1 of 4" in (folder / "out.err").read_text())
        if what == "scheduler":
            processes[0].kill()
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == (5 if what == "scheduler" else 130)
    told = (folder / "out.err").read_text().split("\n")
    told = [line for line in told if line]
    said = {"scheduler": "the Dask scheduler has gone", "interrupt": "stopped; the finished trials"}
    assert said[what] in told[-1] and "the same command goes on" in told[-1]
    assert all(line.startswith("makemore: ") for line in told)
    kept = {path.name for path in (folder / "s" / "trials").glob("*.json")}
    assert kept and not list((folder / "s" / "trials").glob("*.lease"))
    assert len(sweep_kills.finished(sweep_kills.started(sweep, folder), folder)) == 4
    assert f"{len(kept)} of them done before" in (folder / "out.err").read_text()


@needs_dask
@pytest.mark.slow
def test_a_cluster_that_loses_its_only_worker_goes_on_with_a_new_one(tmp_path: Path) -> None:
    """With the worker the text has gone, which Dask makes again."""
    folder = sweep_kills.prepared(tmp_path / "w")
    sweep = sweep_kills.command([0.01, 0.02, 0.03], 200)
    with sweep_kills.cluster(folder, workers=1) as (address, processes):
        process = sweep_kills.started([*sweep, "--cluster", address], folder)
        until(lambda: "1 of 3" in (folder / "out.err").read_text())
        processes[1].kill()
        processes[1].wait()
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        own = ["--host", "127.0.0.1", "--nthreads", "1", "--dashboard-address", "127.0.0.1:0"]
        processes.append(sweep_kills.started([*command, *own, "--no-nanny"], folder, "new"))
        assert len(sweep_kills.finished(process, folder)) == 3


@needs_dask
@pytest.mark.slow
def test_an_interrupt_of_a_terminal_ends_a_cluster_of_its_own(tmp_path: Path) -> None:
    """It reaches all processes of the terminal's group; nothing is left, and nothing is said."""
    folder = sweep_kills.prepared(tmp_path / "w")
    sweep = sweep_kills.command([0.01, 0.02, 0.03, 0.04], 400)
    with open(folder / "err", "w+") as err:
        process = subprocess.Popen(
            [*sweep, "--cluster", "local", "--workers", "2"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
        )  # fmt: skip
        until(lambda: "1 of 4" in (folder / "err").read_text())
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    told = (folder / "err").read_text().splitlines()
    assert all(line.startswith("makemore: ") for line in told if line), told
    with pytest.raises(ProcessLookupError):  # no process of its group is left
        until(lambda: os.killpg(process.pid, 0), 20)


@needs_dask
@pytest.mark.slow
def test_compare_on_a_cluster_has_the_same_rows_and_runs(text: str, cli: Cli, tmp_path) -> None:
    (tmp_path / "watched.py").write_text(PLUGIN.replace("if width == 13", "if width == 1"))
    common = ("compare", text, "--max-steps", "3", "--threads", "1", "--seed", "5", "--plugin",
              "watched.py")  # fmt: skip
    for folder, more in (("here", ()), ("there", ("--cluster", "local"))):
        done = cli(*common, "--models", "mlp,ngram", "-o", folder, *more)
        assert done.returncode == 0, done.stderr
    rows = {}
    for folder in ("here", "there"):
        lines = (tmp_path / folder / "rows.jsonl").read_text().splitlines()[1:]
        rows[folder] = {row["model"]: {**row, "seconds": 0} for row in map(json.loads, lines)}
    assert rows["here"] == rows["there"] and rows["here"].keys() == {"ngram", "mlp"}
    for path in (tmp_path / "here").glob("*/weights-*"):
        there = tmp_path / "there" / path.relative_to(tmp_path / "here")
        assert there.read_bytes() == path.read_bytes()
    for model in ("ngram", "mlp"):
        assert cli("verify", f"there/{model}").returncode == 0
        drawn = [cli("sample", f"{folder}/{model}", "--seed", "1").stdout for folder in rows]
        assert drawn[0] == drawn[1] != ""
    # A model that kills its process, in each of several tries, is a row with an error.
    done = cli(*common, "--models", "ngram,watched", "-o", "there", "--cluster", "local")
    assert (
        done.returncode == 0 and "watched failed: the worker was killed by signal 9" in done.stderr
    )


def test_compare_with_workers_and_no_cluster_is_refused(text: str, call: Call) -> None:
    done = call("compare", text, "--workers", "2")
    assert done.returncode == 2 and "one after another" in done.stderr
