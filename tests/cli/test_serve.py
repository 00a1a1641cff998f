"""`makemore serve` as a process: its link, what it opens, how it ends, and what it refuses."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import Call
from makemore import MakeMore
from web.serving import Served

NAMES = [a + b + c for a in "bdklmnrt" for b in "aeiou" for c in ("n", "ra", "lo")]
LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})\n")
START = 1.0  # seconds of work to the first byte: 0.6 on a quiet machine; with torch it would be 3


@contextmanager
def process(cwd: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Served]]:
    """The command, and what answers at the link that it prints first."""
    command = [sys.executable, "-m", "makemore", "serve", *words, "--port", "0", "--no-open"]
    started = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    try:
        assert started.stdout is not None
        link = LINK.fullmatch(started.stdout.readline().decode())
        assert link, started.communicate()
        yield started, Served(int(link[1]), link[2])
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
        started.communicate()


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_link_and_ends_by_a_signal(tmp_path: Path, signum: int) -> None:
    with process(tmp_path) as (started, server):
        assert server.get("/health").json["ok"]
        page = server.get("/")
        assert page.status == 200 and b'id="server"' in page.body
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        assert server.get("/api/runs").json["runs"] == []
        started.send_signal(signum)
        out, err = started.communicate(timeout=20)
    assert started.returncode == 128 + signum and out == b""
    assert err.decode().startswith(f"makemore: runs in {tmp_path / 'runs'}; ")
    assert "Traceback" not in err.decode()
    assert not (tmp_path / "runs").exists(), "nothing is made before it is needed"


def test_it_opens_a_list_a_run_and_a_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("".join(f"{name}\n" for name in NAMES))
    MakeMore("ngram", order=2).fit(NAMES).save(tmp_path / "runs" / "one")
    MakeMore("ngram", order=2).fit(NAMES).save(tmp_path / "runs" / "two")
    for words, runs, file in (
        (["names.txt"], ["one", "two"], {"name": "names", "lines": len(NAMES)}),
        (["runs/two"], ["two"], None),
        (["runs"], ["one", "two"], None),
    ):
        with process(tmp_path, *words) as (_, server):
            listed = server.get("/api/runs").json
            assert [run["id"] for run in listed["runs"]] == runs and listed["file"] == file


@pytest.mark.slow
def test_a_training_ends_saved_with_the_server(tmp_path: Path) -> None:
    options = {"max_steps": 100_000, "n_hidden": 8, "batch_size": 32}
    body = {"lines": NAMES, "name": "x", "model": "gru", "options": options}
    with process(tmp_path) as (started, server):
        assert server.post("/api/train", body).status == 202
        server.until("x", lambda run: run["step"] > 10)
        pid = int((tmp_path / "runs" / "x" / "lock").read_text())
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with process(tmp_path) as (_, server):
        run = server.run("x")
        assert run["state"] == "stopped" and run["step"] > 10 and run["history"]


def test_what_it_cannot_open_is_said(tmp_path: Path, call: Call) -> None:
    def refused(path: Path, code: int, what: str) -> None:
        done = call("serve", path, "--no-open", "--port", "0")
        assert done.returncode == code and what in done.stderr and done.stdout == "", done.stderr

    refused(tmp_path / "none", 3, "there is no such file or folder")
    (tmp_path / "latin.txt").write_bytes("José\n".encode("latin-1"))
    refused(tmp_path / "latin.txt", 3, "line 1 is no UTF-8")
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        archive.writestr("checkpoint.json", "{}")
    refused(tmp_path / "run.zip", 2, "this is a zip")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", 3, "no regular file")
    with open(tmp_path / "large.txt", "wb") as file:
        file.truncate(8 * 2**20 + 1)
    refused(tmp_path / "large.txt", 2, "up to 8 MiB")


def test_without_its_extra_it_says_what_to_install(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.cli.serving.NEEDED", ("starlette", "uvicorn_is_not_there"))
    done = call("serve", tmp_path, "--no-open")
    assert done.returncode == 5 and "pip install starlette uvicorn" in done.stderr


def test_neither_its_help_nor_the_server_waits_for_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom makemore.cli.main import run\nrun(['serve', '--help'])\n"
        "print(sorted({'torch', 'numpy', 'starlette', 'uvicorn'} & set(sys.modules)))\n"
        "from makemore.cli.serving import site_of\nsite_of(None).app()\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[DIR|FILE]" in done.stdout and done.stdout.splitlines()[-2:] == ["[]", "False"]


def used() -> float:
    """Seconds of a core that the processes took which have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.mark.slow
def test_the_first_byte_comes_soon(tmp_path: Path) -> None:
    """By the time that the processor spends, end included: other work makes it no longer."""
    times = []
    for _ in range(5):
        before = used()
        with process(tmp_path) as (_, server):
            assert server.get("/").status == 200
        times.append(used() - before)
    assert min(times) < START, times
