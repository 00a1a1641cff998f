"""Kills a part of a sweep at a random moment, and compares its table with that of an unbroken one.

    python bench/sweep_kills.py              12 trials, 10 kills of each kind
    python bench/sweep_kills.py --short      4 trials, one kill of each kind

worker: of two workers of a Dask cluster one is killed; the other has to do its trial
process: two plain processes share a folder, one is killed; the other has to do its trials
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from makemore.text.builtin_lists import builtin_names

LINES = 1000
PATIENCE = 300.0  # seconds that anything may take


def command(rates: Sequence[float], steps: int) -> list[str]:
    """The sweep of a folder with lines.txt in it."""
    vary = ",".join(f"{rate:g}" for rate in rates)
    return [
        sys.executable, "-m", "makemore", "sweep", "lines.txt", "--model", "bigram", "--vary",
        f"learning_rate={vary}", "--max-steps", str(steps), "-o", "s", "--json",
    ]  # fmt: skip


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "lines.txt").write_text("\n".join(builtin_names()[:LINES]) + "\n", "utf-8")
    return folder


def started(arguments: Sequence[str], folder: Path, name: str = "out") -> subprocess.Popen[bytes]:
    """A command in a folder, its streams in files of this name there."""
    with open(folder / name, "wb") as out, open(folder / f"{name}.err", "wb") as err:
        return subprocess.Popen(arguments, cwd=folder, stdout=out, stderr=err)


def records(out: Path) -> list[dict[str, Any]]:
    """What a sweep printed, but for the seconds that its trials took."""
    return [
        {key: value for key, value in json.loads(line).items() if key != "seconds"}
        for line in out.read_text("utf-8").splitlines()
    ]


def finished(process: subprocess.Popen[bytes], folder: Path, name: str = "out") -> Any:
    """The table of a sweep that ended as it should."""
    code = process.wait(PATIENCE)
    assert code == 0, (folder / f"{name}.err").read_text("utf-8")
    return records(folder / name)


def check(folder: Path, table: Any, expected: Any) -> None:
    """The table is that of the unbroken sweep, the file has the same, and nothing else is left."""
    assert json.dumps(table) == json.dumps(expected)
    lines = (folder / "s" / "trials.jsonl").read_text("utf-8").splitlines()[1:]
    in_file = [json.loads(line) for line in lines]
    assert [{k: v for k, v in each.items() if k != "seconds"} for each in in_file] == expected
    charts = ["loss-learning_rate-dark.png", "loss-learning_rate.png"]
    left = sorted(os.listdir(folder / "s"))
    assert left == [*charts, "trials.jsonl"], left


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and its workers, which end with this; yields address and processes.

    The first process is the scheduler.
    """
    place = folder / "scheduler.json"
    place.unlink(missing_ok=True)
    python = [sys.executable, "-m", "distributed.cli"]
    common = ["--host", "127.0.0.1", "--scheduler-file", str(place)]
    scheduler = [f"{python[-1]}.dask_scheduler", *common, "--port", "0"]
    worker = [f"{python[-1]}.dask_worker", *common, "--nthreads", "1", "--no-nanny"]
    dashboard = ["--dashboard-address", "127.0.0.1:0"]
    running = [started([*python[:2], *scheduler, *dashboard], folder, "scheduler")]
    try:
        end = time.monotonic() + PATIENCE
        while not place.exists() or not place.read_text():
            assert time.monotonic() < end and running[0].poll() is None
            time.sleep(0.05)
        for number in range(workers):
            arguments = [*python[:2], *worker, *dashboard]
            running.append(started(arguments, folder, f"worker{number}"))
        yield json.loads(place.read_text())["address"], running
    finally:
        for process in running:
            process.kill()
            process.wait()


def kill_worker(folder: Path, sweep: list[str], moment: float) -> tuple[Any, float]:
    """The table of a sweep of which a Dask worker was killed, and the seconds that it took."""
    with cluster(folder) as (address, processes):
        began = time.monotonic()
        process = started([*sweep, "--cluster", address], folder)
        if moment >= 0:
            time.sleep(moment)
            processes[1].send_signal(signal.SIGKILL)
        return finished(process, folder), time.monotonic() - began


def kill_process(folder: Path, sweep: list[str], moment: float) -> tuple[Any, float]:
    """The same of two processes on one folder of which one was killed."""
    began = time.monotonic()
    arguments = [*sweep, "--workers", "1"]
    both = [started(arguments, folder, name) for name in ("out", "other")]
    if moment >= 0:
        time.sleep(moment)
        both[1].send_signal(signal.SIGKILL)
    table = finished(both[0], folder)
    code = both[1].wait(PATIENCE)
    assert code in (0, -signal.SIGKILL)
    took = time.monotonic() - began
    if code == 0:  # it had ended already
        assert records(folder / "other") == table
    elif (folder / "s" / "trials").exists():
        # It was killed when all was done, and it was the last: nobody was left to tidy up. Whoever
        # gives the command again does.
        assert finished(started(sweep, folder, "again"), folder, "again") == table
    return table, took


KINDS = {"worker": kill_worker, "process": kill_process}


def main(arguments: list[str] | None = None) -> None:
    own = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    own.add_argument("--kinds", default=",".join(KINDS), help="of kills, comma-separated")
    own.add_argument("--times", type=int, default=10, help="kills of each kind")
    own.add_argument("--trials", type=int, default=12)
    own.add_argument("--steps", type=int, default=300, help="of a trial")
    own.add_argument("--seed", type=int, default=0, help="of the moments")
    own.add_argument("--short", action="store_true", help="4 trials, one kill of each kind")
    options = own.parse_args(arguments)
    if options.short:
        options.times, options.trials, options.steps = 1, 4, 20
    chance = random.Random(options.seed)
    sweep = command([0.01 * (n + 1) for n in range(options.trials)], options.steps)
    with tempfile.TemporaryDirectory() as place:
        whole = prepared(Path(place) / "whole")
        expected = finished(started(sweep, whole), whole)
        for kind in options.kinds.split(","):
            folder = prepared(Path(place) / kind)
            table, seconds = KINDS[kind](folder, sweep, -1)
            check(folder, table, expected)
            print(f"{kind}: unbroken {seconds:.1f} s")
            for time_of in range(options.times):
                folder = prepared(Path(place) / f"{kind}{time_of}")
                moment = chance.uniform(0.3 * seconds, 0.9 * seconds)
                table, took = KINDS[kind](folder, sweep, moment)
                check(folder, table, expected)
                print(f"{kind}: killed after {moment:.1f} s: the same table after {took:.1f} s")


if __name__ == "__main__":
    main()
