"""Several processes of one training: what a step takes, and that a killed one costs nothing.

    python bench/ranks.py --names names.txt      ms a step, and 20 kills of either process
    python bench/ranks.py --kills 20 --steps 0   only the kills
    python bench/ranks.py --short                one kill, few steps

steps: one process of 2 threads and two processes of 1 thread, by turns: ms a step, the median
kills: a process is killed at a random moment. The other has to end within 30 s, and the same
    command again goes on to the bytes of the training that nothing has stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from makemore.text.builtin_lists import builtin_names

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300.0  # seconds that anything may take
ENDED = 30.0  # in which the others end after a kill
MODELS = ("transformer", "gru", "mlp")
LINES = 1000  # of the trainings that are killed
KILLED = (
    "train", "lines.txt", "-o", "run", "--model", "gru", "--dropout", "0.2", "--threads", "1",
    "--n-hidden", "32", "--batch-size", "200", "--save-interval", "0", "--log-interval", "1",
    "--eval-interval", "20", "--device", "cpu",
)  # fmt: skip


@dataclass(frozen=True)
class Together:
    """The processes of a command, rank 0 first, and the folder of their streams."""

    processes: list[subprocess.Popen[bytes]]
    streams: Path

    def wait(self, seconds: float = PATIENCE) -> list[int]:
        """Their exit codes; -N where signal N ended one. None of them is left then."""
        end = time.monotonic() + seconds
        try:
            return [each.wait(max(0.1, end - time.monotonic())) for each in self.processes]
        finally:
            for each in self.processes:
                each.kill()
                each.wait()

    def out(self, rank: int) -> str:
        return (self.streams / f"out{rank}").read_text(encoding="utf-8")

    def err(self, rank: int) -> str:
        return (self.streams / f"err{rank}").read_text(encoding="utf-8")


def start_together(
    folder: Path, *arguments: str | Path, size: int = 2, program: Sequence[str] = ("-m", "makemore")
) -> Together:
    """Start a command in a folder as `size` processes, told as torchrun tells them."""
    streams = folder.parent / f"{folder.name}.streams"
    streams.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = str(own.getsockname()[1])
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "tests", "bench"))
    around = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    around.pop("PYTHONDONTWRITEBYTECODE", None)
    if size > 1:
        around |= {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = []
    for rank in range(size):
        own_rank = {"RANK": str(rank)} if size > 1 else {}
        with open(streams / f"out{rank}", "wb") as out, open(streams / f"err{rank}", "wb") as err:
            started.append(
                subprocess.Popen(
                    [sys.executable, *program, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                    stdout=out, stderr=err, env={**around, **own_rank}, start_new_session=True,
                )
            )  # fmt: skip
    return Together(started, streams)


def steps_in(folder: Path) -> int:
    """Training steps in the log of the run there."""
    log = folder / "run/metrics.jsonl"
    return log.read_bytes().count(b'"batch"') if log.exists() else 0


def wait_for_steps(folder: Path, number: int) -> None:
    """Until so many steps are in the log."""
    end = time.monotonic() + PATIENCE
    while steps_in(folder) < number:
        assert time.monotonic() < end, "the training does not begin"
        time.sleep(0.005)


def prepared(folder: Path, lines: Sequence[str]) -> Path:
    folder.mkdir()
    (folder / "lines.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def finished(folder: Path, *command: str) -> float:
    """Train to the end by two processes; returns the seconds that it took."""
    began, both = time.monotonic(), start_together(folder, *command)
    assert both.wait() == [0, 0], both.err(0) + both.err(1)
    assert both.out(1) == both.err(1) == "", "a process besides the first has printed"
    return time.monotonic() - began


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All that a run depends on."""
    names = ("weights-*", "state-*", "config.json", "vocabulary.json", "split/*", "samples.txt")
    return {path.name: path.read_bytes() for name in names for path in (folder / "run").glob(name)}


def kill(folder: Path, command: Sequence[str], rank: int, step: int, pause: float) -> float:
    """Kill one of two processes, seconds after a step; returns those until the other has ended.

    Steps, since they have met by then: who waits for one that never came does so for minutes.
    """
    both = start_together(folder, *command)
    wait_for_steps(folder, step)
    time.sleep(pause)
    both.processes[rank].send_signal(signal.SIGKILL)
    began = time.monotonic()
    codes = both.wait(ENDED)
    if codes[rank] == -signal.SIGKILL:  # it had not ended before
        assert codes[1 - rank] == 5, f"{codes}: {both.err(0)}{both.err(1)}"
        if rank == 1:
            last = both.err(0).splitlines()[-1]
            assert "give the same command again" in last, last
    return time.monotonic() - began


def kills(place: Path, times: int, steps: int, seed: int) -> None:
    """Kill trainings, and compare what the same command makes of them."""
    chance, command = random.Random(seed), (*KILLED, "--max-steps", str(steps))
    lines = builtin_names()[:LINES]
    whole = prepared(place / "whole", lines)
    seconds = finished(whole, *command)
    print(f"unbroken: {steps} steps in {seconds:.1f} s", flush=True)
    for number in range(times):
        folder, rank = prepared(place / f"{number}", lines), number % 2
        took = kill(folder, command, rank, chance.randrange(1, steps), chance.uniform(0, 0.1))
        there = (folder / "run/checkpoint.json").exists()
        step = steps_of(folder)[-1][0] if there and steps_of(folder) else 0
        finished(folder, *command)
        assert bytes_of(folder) == bytes_of(whole), f"other bytes after kill {number}"
        print(
            f"process {rank} killed in step {step}; the other ended after {took:.2f} s; "
            "the same bytes", flush=True,
        )  # fmt: skip


def steps_of(folder: Path) -> list[tuple[int, float]]:
    """Step and seconds of each batch in a run's log."""
    entries = map(json.loads, (folder / "run/metrics.jsonl").read_text("utf-8").splitlines())
    return [(entry["step"], entry["seconds"]) for entry in entries if entry["kind"] == "batch"]


def step_times(
    place: Path, lines: Sequence[str], models: Sequence[str], steps: int, turns: int
) -> None:
    """Print ms a step of each model, by one process of two threads and by two of one."""
    print("| model | 1 process, 2 threads: ms a step | 2 processes, 1 thread | ratio |")
    print("|---|--:|--:|--:|")
    for model in models:
        found: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(turns):
            for size in found:
                folder = prepared(place / f"{model}-{size}-{turn}", lines)
                done = start_together(
                    folder, "train", "lines.txt", "-o", "run", "--model", model, "--max-steps",
                    str(steps), "--eval-interval", str(steps), "--log-interval", "1",
                    "--save-interval", "1000", "--threads", str(2 // size), "--device", "cpu",
                    size=size,
                )  # fmt: skip
                assert set(done.wait()) == {0}, done.err(0)
                seconds = [when for _, when in steps_of(folder)]
                found[size].append(1000 * (seconds[-1] - seconds[steps // 4]))
        one, two = (statistics.median(of) / (steps - 1 - steps // 4) for of in found.values())
        print(f"| {model} | {one:.1f} | {two:.1f} | {one / two:.2f} |", flush=True)


def main(arguments: list[str] | None = None) -> None:
    own = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    own.add_argument(
        "--names", help="lines of the steps that are timed; without, the built-in ones"
    )
    own.add_argument("--kills", type=int, default=20)
    own.add_argument("--killed-steps", type=int, default=120, help="of a training that is killed")
    own.add_argument("--steps", type=int, default=200, help="that are timed; 0: none")
    own.add_argument("--turns", type=int, default=3, help="of each, one after the other")
    own.add_argument("--seed", type=int, default=0, help="of the moments")
    own.add_argument("--short", action="store_true", help="one kill, one model, few steps")
    options = own.parse_args(arguments)
    if options.short:
        options.kills, options.killed_steps, options.steps, options.turns = 1, 30, 8, 1
    lines = builtin_names()
    if options.names:
        lines = Path(options.names).read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as place:
        if options.steps:
            models = MODELS[-1:] if options.short else MODELS
            step_times(Path(place), lines, models, options.steps, options.turns)
        if options.kills:
            kills(Path(place), options.kills, options.killed_steps, options.seed)


if __name__ == "__main__":
    main()
