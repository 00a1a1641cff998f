"""What every test stands on: one thread for torch, hypothesis without chance, and the command."""

from __future__ import annotations

import http.server
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from warm import Warm

# Tiny steps on two threads wait for each other, 2 to 40 times as long beside another load. Read by
# torch when it is first imported, and inherited by the commands that the tests start.
os.environ["OMP_NUM_THREADS"] = "1"
# pytest-xdist says that its processes have 80 columns; commands would wrap what they print.
os.environ.pop("COLUMNS", None)

# Derandomized: a test that passed does not fail on the next machine. No deadline: the first call
# of a test may be the one that imports torch. CI tries the full number of examples.
for name, examples in (("full", 50), ("quick", 10)):
    settings.register_profile(
        name, derandomize=True, deadline=None, max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
settings.load_profile("quick")  # --hypothesis-profile=full is laid over it

# Their asserts say what was compared, as a test's do.
pytest.register_assert_rewrite("battery", "label_battery", "exact", "run_folder")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Back to one thread, whatever the test before has set."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def names_file() -> Path:
    """The 32,033 names of the lectures; the test skips where they are absent."""
    path = os.environ.get("MAKEMORE_NAMES")
    if not path or not Path(path).is_file():
        pytest.skip("needs the lectures' names.txt: set MAKEMORE_NAMES to its path")
    return Path(path)


Call = Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs a command line in this process, in `tmp_path`: for what needs no process of its own."""
    from makemore.cli.main import run

    monkeypatch.chdir(tmp_path)

    def invoke(*args: str | Path, input: bytes | None = None) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input or b"")))
        capsys.readouterr()
        arguments = [str(argument) for argument in args]
        code = run(arguments)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return invoke


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are made, but not rendered as pictures, which takes most of their time."""

    def png(draw: Callable[..., object], *data: object, **options: object) -> bytes:
        draw(*data, **options)
        return b"\x89PNG"

    monkeypatch.setattr("makemore.report.plots.style.png", png)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Runs commands that need torch as processes of their own, without waiting for its import."""
    started = Warm()
    yield started
    started.close()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs the installed `makemore` as a process of its own, in `tmp_path` unless `cwd` is given.

    `env` is laid over the environment; None takes a variable out.
    """
    script = Path(sys.executable).parent / "makemore"

    def run(
        *args: str | Path,
        cwd: Path | None = None,
        input: str | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        # A person's shell has neither of the two; they change speed and when output is flushed.
        neither = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONUNBUFFERED": None}
        laid = {**os.environ, **neither, **(env or {})}
        around = {key: value for key, value in laid.items() if value is not None}
        done = subprocess.run(
            [script, *args], cwd=cwd or tmp_path, input=(input or "").encode("utf-8"), env=around,
            timeout=timeout, capture_output=True,
        )  # fmt: skip
        # Decoded here, not by text=True, which would turn a sampled carriage return into a newline.
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        )

    return run


def is_clean(text: str) -> bool:
    """Check that reading `text` as a line of a file would give it back unchanged."""
    return bool(text) and text == text.strip() and "\n" not in text and "\ufeff" not in text


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of this machine is asked itself."""
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def answering(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on this machine by a handler inside `with`; yields host and port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
