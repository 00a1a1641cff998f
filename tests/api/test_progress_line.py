"""progress_line.py: what fit shows on stderr, and that nothing else does."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from api.conftest import like_names, tiny
from makemore import MakeMore
from makemore.api import progress_line
from makemore.errors import UsageError

LINES = like_names(80)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr(progress_line, "_stream", lambda: stream)
    return stream


def shown(text: str) -> list[str]:
    """The lines that a terminal shows in the end."""
    return [line.rpartition("\r")[2].rstrip() for line in text.split("\n")[:-1]]


def test_in_a_log_each_evaluation_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tiny("gru", max_steps=4, eval_interval=2, verbose=1).fit(LINES)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and "\r" not in err
    assert [line.split("  ")[0] for line in lines] == ["step 0/4", "step 2/4", "step 4/4"]
    assert all("  train " in line and "  val " in line for line in lines)


@pytest.mark.parametrize("verbose", [0, False, None])
def test_it_is_silent_unless_it_is_asked_to_speak(
    verbose: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny("ngram", verbose=verbose).fit(LINES)
    assert capsys.readouterr() == ("", "")


def test_verbose_of_a_call_comes_before_that_of_the_maker(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny("ngram", verbose=1).fit(LINES, verbose=0)
    assert capsys.readouterr() == ("", "")
    tiny("ngram", verbose=0).fit(LINES, verbose=True)
    assert "step 1/1  train " in capsys.readouterr().err


def test_on_a_terminal_one_line_is_rewritten(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_line, "INTERVAL", 0.0)
    tiny("gru", max_steps=4, eval_interval=2, verbose=1).fit(LINES)
    text = terminal.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\r") >= 7
    (line,) = shown(text)
    assert line.startswith(f"step 4/4 [{'#' * 20}]  train ") and "  val " in line
    assert all(len(part.rstrip()) < 80 for part in text.split("\r"))


def test_nothing_is_shown_of_a_fit_that_is_soon_done(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny("gru").fit(LINES)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress_line, "PATIENCE", 0.0)  # as if two seconds had gone
    tiny("gru").fit(LINES)
    assert shown(terminal.getvalue())[0].startswith("step 3/3 ")


def test_a_notebook_rewrites_a_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, shell = io.StringIO(), type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(progress_line, "_stream", lambda: stream)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    assert progress_line.wants_progress(None) is None
    tiny("gru", verbose=1).fit(LINES)
    assert shown(stream.getvalue())[0].startswith("step 3/3 ")


def test_other_threads_and_programs_without_stderr_are_silent(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert progress_line.wants_progress(None) is None  # shown, if it takes long
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(progress_line.wants_progress(None)))
    thread.start()
    thread.join()
    assert found == [False]
    monkeypatch.setattr(progress_line, "_stream", lambda: None)
    tiny("ngram", verbose=1).fit(LINES)


def test_any_stream_in_place_of_stderr_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    closed = io.StringIO()
    closed.close()
    only_writes = SimpleNamespace(write=written.append)  # no isatty, no flush
    for stream in (closed, only_writes):
        monkeypatch.setattr(sys, "stderr", stream)
        for verbose in (1, None):
            assert tiny("gru", verbose=verbose).fit(LINES).model_ is not None
    assert written[0].startswith("step 0/3  train ")


def test_a_full_disk_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()

    def full(text: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stream, "write", full)
    monkeypatch.setattr(progress_line, "_stream", lambda: stream)
    assert tiny("gru", verbose=1).fit(LINES).model_ is not None


@pytest.mark.parametrize("verbose", ["yes", -1, 1.5, [1]])
def test_another_value_is_refused(verbose: Any) -> None:
    with pytest.raises(UsageError, match=r"^verbose cannot be .*: give 0, 1 or None$"):
        tiny("ngram").fit(LINES, verbose=verbose)


def test_the_choice_of_a_model_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    MakeMore(verbose=1, time="1s").fit(LINES[:9])
    assert capsys.readouterr().err.startswith("makemore: ")


SCRIPT = """
from makemore import MakeMore
from makemore.api import progress_line
progress_line.PATIENCE = 0.0
MakeMore("ngram").fit(["anna", "emma", "bo"])
"""


@pytest.mark.slow
def test_a_script_on_a_terminal_shows_it_unasked() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stderr=theirs, stdout=subprocess.PIPE, check=True
    )
    os.close(theirs)
    text = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.stdout == b"" and "step 1/1 [" in text
