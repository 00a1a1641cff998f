"""The command as several processes: rank 0 speaks, and all of them end when one is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ranks
from conftest import Call
from makemore.cli.ranks import run_ranked
from ranked import LINES
from ranks import (
    bytes_of,
    finished,
    prepared,
    start_together,
    steps_in,
    wait_for_steps,
)  # fmt: skip

COMMAND = (
    "train", "lines.txt", "-o", "run", "--model", "gru", "--n-hidden", "16", "--n-embd", "8",
    "--threads", "1", "--max-steps", "200", "--eval-interval", "200", "--log-interval", "1",
    "--device", "cpu",
)  # fmt: skip


def ranks_in(folder: Path) -> int:
    return int(json.loads((folder / "run/config.json").read_text())["ranks"])


@pytest.mark.slow
def test_a_signal_to_all_saves_and_one_process_goes_on(call: Call, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "both", LINES)
    both = start_together(folder, *COMMAND)
    wait_for_steps(folder, 3)
    for process in both.processes:
        process.send_signal(signal.SIGTERM)
    assert both.wait() == [128 + signal.SIGTERM, 0]
    assert both.out(0) == both.out(1) == both.err(1) == ""
    said = both.err(0)
    assert "2 processes of 1 thread compute each batch" in said
    assert said.endswith("stopped and saved in run; the same command goes on\n")
    assert ranks_in(folder) == 2 and 3 <= steps_in(folder) < 200
    os.chdir(folder)  # `call` has changed it to tmp_path, and puts it back
    done = call(*COMMAND)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 20
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    assert warnings == ["makemore: warning: the run had 2 processes; its bits will differ now"]
    assert call("sample", "run", "-n", "3").returncode == 0
    assert steps_in(folder) == 200


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_run_is_whole(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "both", LINES)
    both = start_together(folder, *COMMAND, "--save-interval", "0")
    wait_for_steps(folder, 3)
    both.processes[1].kill()
    began = time.monotonic()
    assert both.wait(30) == [5, -signal.SIGKILL] and time.monotonic() - began < 15
    [error] = [line for line in both.err(0).splitlines() if "error" in line]
    assert error == (
        "makemore: error: one of the 2 processes has ended (torchrun): give the same command "
        "again: it goes on from its last checkpoint"
    )
    done = subprocess.run(
        [sys.executable, "-m", "makemore", "verify", "run"], cwd=folder, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("train", "lines.txt", "--model", "deep_mlp"), 2, "leave out torchrun"),
        (("train", "none.txt"), 3, "none.txt"),
        (("--version",), 0, ""),
    ],
)
@pytest.mark.slow
def test_an_error_is_rank_0_s_and_the_others_end_well(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    folder = prepared(tmp_path / "both", LINES)
    both = start_together(folder, *arguments)
    assert both.wait(60) == [code, 0]
    assert said in both.err(0) and both.out(1) == both.err(1) == ""
    assert os.listdir(folder) == ["lines.txt"]


def test_a_world_size_without_torchrun_changes_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_ranked(["--version"]) == 0 and "makemore" in capsys.readouterr().out
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "x")
    assert run_ranked(["--version"]) == 2
    err = capsys.readouterr().err
    assert err == (
        "makemore: error: RANK is 'x' (environment): start it by torchrun, or unset WORLD_SIZE\n"
    )


# -- many processes, killed and started again -----------------------------------------------------


@pytest.mark.slow
def test_trainings_that_are_killed_go_on_to_the_same_bytes() -> None:
    """Each of two processes once; bench/ranks.py kills them twenty times."""
    ranks.main(["--kills", "2", "--steps", "0"])


@pytest.mark.slow
def test_the_bench_runs_in_its_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    ranks.main(["--short"])
    assert "the same bytes" in (out := capsys.readouterr().out) and "| mlp |" in out


@pytest.mark.slow
def test_an_ensemble_that_is_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    command = (
        "train", "lines.txt", "-o", "run", "--members",
        "ngram, gru n_hidden=8 max_steps=60, mlp n_hidden=8 max_steps=400", "--threads", "1",
        "--model", "ensemble", "--log-interval", "1", "--device", "cpu",
    )  # fmt: skip
    whole = prepared(tmp_path / "whole", LINES)
    finished(whole, *command)
    folder = prepared(tmp_path / "cut", LINES)
    for until in (20, 100):  # in the first network, and in the second
        both = start_together(folder, *command)
        wait_for_steps(folder, until)
        both.processes[0].send_signal(signal.SIGINT)
        assert both.wait() == [130, 0], both.err(0)
    assert steps_in(folder) < 460
    finished(folder, *command)
    assert bytes_of(folder) == bytes_of(whole)


PLUGIN = """
from makemore.models.core.registry import register
from makemore.models.gru import GRU


@register("own")
class Own(GRU):
    pass
"""


@pytest.mark.slow
def test_each_process_loads_the_plugin_by_its_own_command_line(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "own", LINES)
    (folder / "own.py").write_text(PLUGIN)
    finished(folder, "train", "lines.txt", "-o", "run", "--plugin", "own.py", "--model", "own",
             "--max-steps", "5", "--device", "cpu")  # fmt: skip
    assert ranks_in(folder) == 2


@pytest.mark.slow
def test_three_processes_end_together(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "three", LINES)
    done = start_together(folder, *COMMAND, "--max-steps", "20", size=3)
    assert done.wait() == [0, 0, 0] and len(done.out(0).splitlines()) == 20
    assert ranks_in(folder) == 3
    for killed in (0, 2):
        folder = prepared(tmp_path / f"killed{killed}", LINES)
        done = start_together(folder, *COMMAND, size=3)
        wait_for_steps(folder, 3)
        done.processes[killed].kill()
        codes = done.wait(30)
        assert codes.pop(killed) == -signal.SIGKILL and codes == [5, 5]
        assert done.out(1) == done.err(1) == ""


@pytest.mark.slow
def test_torchrun_starts_it(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "run", LINES)
    root = Path(__file__).resolve().parents[2]
    around = {**os.environ, "PYTHONPATH": str(root / "src")}
    torchrun = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"
    ]  # fmt: skip
    done = subprocess.run(
        [*torchrun, "-m", "makemore", *COMMAND], cwd=folder, env=around, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 20 and ranks_in(folder) == 2
    assert "step 200/200" in done.stderr
    again = subprocess.run(
        [*torchrun, "-m", "makemore", *COMMAND], cwd=folder, env=around,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert again.returncode == 0 and "this run is finished" in again.stderr
