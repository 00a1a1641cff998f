"""waiting.py: a request that takes long says how far it is, and one that does not, nothing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from cli.conftest import failed
from conftest import Call
from makemore.cli.commands.sample import describe_drawing, note_how_drawn
from makemore.cli.waiting import Waiting, read_so_far, reading
from makemore.sampling.policy import Tally


def test_a_request_speaks_after_a_pause_and_ever_less_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Waiting, "FIRST", 0.02)
    asked: list[float] = []

    def describe() -> str | None:
        asked.append(time.monotonic())
        return "half of it" if len(asked) == 2 else None

    with Waiting(describe):
        while len(asked) < 4:
            time.sleep(0.01)
    said = capsys.readouterr().err
    assert said == "makemore: half of it; 0 s so far\n"
    pauses = [after - before for before, after in zip(asked, asked[1:], strict=False)]
    assert pauses[0] >= 0.04 and pauses[1] >= 0.08 and pauses[2] >= 0.16
    with Waiting(lambda: "never said"):
        pass
    assert capsys.readouterr().err == ""


def test_a_request_that_prints_by_itself_needs_no_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Waiting, "FIRST", 0.5)
    with Waiting(lambda: "still at it") as waiting:
        for _ in range(10):  # twice as long as the first pause
            time.sleep(0.1)
            waiting.heard()
    assert capsys.readouterr().err == ""


def test_drawing_says_how_many_lines_there_are_and_how_long_they_have_become(
    bigram: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiting, "FIRST", 0.01)
    drawn = call("sample", bigram, "-n", "3", "--min-length", "120", "--seed", "1")
    assert drawn.returncode == 0 and len(drawn.stdout.splitlines()) == 3
    assert "0 of 3 lines after " in drawn.stderr
    assert "those drawn now have " in drawn.stderr


def test_lines_that_go_back_to_one_draw_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    class Drawn:
        found_strict, shard = None, None
        tally = Tally(draws=2500, found=5, guided=500, effective=1.2, led=5, ancestors=1, shared=60)

    note_how_drawn(Drawn())  # type: ignore[arg-type]
    said = capsys.readouterr().err.splitlines()
    assert "effective sample size 1 of 500 draws" in said[0]
    assert said[1] == (
        "makemore: warning: 5 lines go back to 1 draw, and share their first 12 symbols with "
        "others; ask for shorter lines, or for fewer conditions"
    )
    Drawn.tally = Tally(draws=2500, found=5, guided=500, effective=400.0, led=5, ancestors=5)
    note_how_drawn(Drawn())  # type: ignore[arg-type]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_on_a_terminal_lines_that_come_need_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Drawn:
        tally, wanted = Tally(draws=200, found=5), None

    assert describe_drawing(Drawn(), 9) == "5 of 9 lines after 200 draws"  # type: ignore[arg-type]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert describe_drawing(Drawn(), 9) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [("--min-length", "10000"), ("--contains", "ka" * 600), ("--suffix", "ka" * 600)],
)
def test_lines_out_of_reach_are_refused_at_once(
    options: tuple[str, str], bigram: Path, call: Call
) -> None:
    failed(call("sample", bigram, *options), 7, "out of reach", options[0], "1000 or ")
    failed(call("top", bigram, *options), 7, "out of reach")


@pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="only Linux tells")
def test_reading_says_how_much_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"emma\n" * 500_000)
    assert read_so_far(str(path)) == (0, 0)  # nobody reads it
    with path.open("rb") as stream:
        stream.read(10**6)
        at, size = read_so_far(str(path))
        assert 10**6 <= at < 1.1 * 10**6 and size == 2_500_000
        assert reading(str(path))() == f"reading {path}: 1.0 of 2.5 MB"
    assert reading(None)() == "reading the built-in names"
    assert reading("-")() and str(reading("-")()).startswith("reading standard input")
