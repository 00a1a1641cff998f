"""sample --remember: what was given out once is never given out again, whatever happens between."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore, parallel
from makemore.cli import progress
from makemore.errors import RunError, SystemFault
from makemore.runs.issued import IssuedLines
from makemore.text.corpus import Corpus
from run_folder import STRANGE, as_nobody

Call = Callable[..., subprocess.CompletedProcess[str]]

SCRIPT = Path(sys.executable).parent / "makemore"
LINES = ["".join(parts) for parts in itertools.product("kmnrst", "aeio", "lmnr", "aeiou")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    MakeMore("ngram", order=3).fit(LINES).save(folder)
    return folder


def given(run: Path) -> list[str]:
    return (run / "given.txt").read_bytes().decode().split("\n")[:-1]


def failed(ended: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == "" and len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("makemore: error: ") and "our bug" not in ended.stderr
    for word in words:
        assert word in ended.stderr


@pytest.mark.parametrize("options", [(), ("--min-distance", "2"), ("--json",), ("--rank",)])
def test_a_second_and_a_third_call_repeat_nothing(
    options: tuple[str, ...], run: Path, call: Call
) -> None:
    shown: list[str] = []
    for _ in range(3):  # one seed: without memory it would be the same lines
        ended = call("sample", run, "-n", "40", "--seed", "1", "--remember", *options)
        assert ended.returncode == 0, ended.stderr
        for line in ended.stdout.splitlines():
            shown.append(json.loads(line)["text"] if "--json" in options else line.split("\t")[-1])
    assert len(shown) == len(set(shown)) == 120 and given(run) == shown
    plain = [call("sample", run, "-n", "40", "--seed", "1", *options).stdout for _ in range(2)]
    assert plain[0] == plain[1] and len(given(run)) == 120  # who does not ask for it has none


def test_at_a_distance_lines_keep_it_to_what_was_given_before(run: Path, call: Call) -> None:
    from rapidfuzz.distance import Levenshtein

    apart = ("--min-distance", "2", "--remember", "--style", "plain")

    def draw(seed: int) -> list[str]:
        ended = call("sample", run, "-n", "30", "--seed", seed, *apart)
        assert ended.returncode == 0 and "lines refused: too near" in ended.stderr
        return ended.stdout.splitlines()

    first, second = draw(1), draw(2)
    assert min(Levenshtein.distance(a, b) for a in first for b in second) == 2


def test_the_last_lines_come_over_many_calls_and_then_no_more(run: Path, call: Call) -> None:
    calls = [call("sample", run, "-n", "3", "--max-length", "1", "--remember") for _ in range(5)]
    assert [ended.returncode for ended in calls] == [0, 0, 0, 0, 7]
    shown, ended = "".join(ended.stdout for ended in calls), calls[-1]
    assert sorted(shown.splitlines()) == sorted("aeioklmnrstu")
    assert "found 0 of 3 lines" in ended.stderr and "there is no other" in ended.stderr
    assert call("sample", run, "-n", "3", "--max-length", "1").returncode == 0


def test_two_processes_at_once_take_turns_and_share_no_line(run: Path) -> None:
    command = [SCRIPT, "sample", run, "-n", "400", "--seed", "1", "--remember"]
    pipe = subprocess.PIPE
    with IssuedLines(run):  # both have to wait, and say so
        both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
        for process in both:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                "makemore: another sample --remember is drawing from this run: waiting for it\n"
            )
    shown = [process.communicate(timeout=60)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [len(lines) for lines in shown] == [400, 400] and not set(shown[0]) & set(shown[1])
    assert given(run) in ([*shown[0], *shown[1]], [*shown[1], *shown[0]])


KILLED = """
import os
import signal

from makemore.runs import issued as remembered
from makemore.cli.main import main

append, calls = remembered.append, []


def torn(folder, name, line):
    calls.append(line)
    if len(calls) < 30:
        return append(folder, name, line)
    with remembered.appending(folder / name) as handle:
        os.write(handle, line.encode()[:-1])  # half of the last symbol
    os.kill(os.getpid(), signal.SIGKILL)


remembered.append = torn
main()
"""


def test_what_was_shown_is_remembered_though_the_writer_is_killed(
    tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "run"
    MakeMore("ngram", order=3).fit([line.replace("a", "д") + "ж" for line in LINES]).save(run)
    command = [sys.executable, "-u", "-c", KILLED, "sample", "run", "-n", "99", "--remember"]
    ended = subprocess.run([*command, "--suffix", "ж", "--seed", "1"], cwd=tmp_path,
                           capture_output=True, timeout=60)  # fmt: skip
    shown = ended.stdout.decode().split("\n")[:-1]
    assert ended.returncode == -signal.SIGKILL and len(shown) == 29
    body = (run / "given.txt").read_bytes()
    assert body.split(b"\n")[:-1] == [line.encode() for line in shown]
    assert not body.endswith(b"\n")
    with pytest.raises(UnicodeDecodeError):
        body.decode()  # half a symbol is no reason to refuse the run
    again = call("sample", run, "-n", "50", "--seed", "1", "--suffix", "ж", "--remember")
    lines = again.stdout.splitlines()
    assert again.returncode == 0 and len(lines) == 50 and given(run) == shown + lines
    assert len(set(given(run))) == 79


@pytest.mark.slow
def test_killed_at_any_moment_nothing_shown_is_forgotten(run: Path, tmp_path: Path) -> None:
    for seconds in (0.1, 0.2):
        with open(tmp_path / "out", "w") as out:
            process = subprocess.Popen(
                [SCRIPT, "sample", run, "-n", "1000000", "--remember", "--seed", "1"],
                stdout=out, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            while process.poll() is None and not os.path.getsize(out.name):
                time.sleep(0.02)
            time.sleep(seconds)
            process.kill()
            process.wait()
        shown = (tmp_path / "out").read_text().split("\n")[:-1]
        assert shown and set(shown) <= set(given(run))
    assert len(given(run)) == len(set(given(run)))


@pytest.mark.parametrize("kind", [*STRANGE, "latin-1"])
def test_what_is_no_list_of_lines_is_refused(kind: str, run: Path, call: Call) -> None:
    path = run / "given.txt"
    if kind == "latin-1":
        path.write_bytes(b"anna\nzo\xeb\n")
    else:
        STRANGE[kind](path)
    began = time.monotonic()
    ended = call("sample", run, "--remember")
    failed(ended, 4, "given.txt", "is no UTF-8" if kind == "latin-1" else "given.txt", str(run))
    assert time.monotonic() - began < 5 and "secret" not in ended.stderr
    # No link is written through.
    assert kind != "link" or (run.parent / "secret").read_bytes() == b"secret"
    assert not (run / "nowhere").exists()
    assert call("sample", run, "-n", "1").returncode == 0  # nobody else reads it


def test_a_folder_that_may_not_be_written_is_told(open_path: Path, call: Call) -> None:
    folder = open_path / "run"
    MakeMore("ngram", order=3).fit(LINES).save(folder)
    folder.chmod(0o555)
    with as_nobody():
        ended = call("sample", folder, "--remember")
        failed(ended, 5, "cannot write given.txt: permission denied", str(folder))
        assert call("sample", folder, "-n", "2").returncode == 0
    folder.chmod(0o755)


def test_a_full_disk_ends_it_before_the_line_is_shown(
    run: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from makemore.runs import issued, safe_files

    calls: list[str] = []

    def append(folder: Path, name: str, line: str) -> None:
        calls.append(line)
        if len(calls) == 4:
            with safe_files.appending(folder / name):
                raise OSError(28, "No space left on device")
        safe_files.append(folder, name, line)

    monkeypatch.setattr(issued, "append", append)
    ended = call("sample", run, "--remember", "--seed", "1")
    assert ended.returncode == 5 and "cannot write given.txt: no space left" in ended.stderr
    assert ended.stdout.splitlines() == given(run) == calls[:3]


def test_the_run_stays_whole(run: Path, call: Call) -> None:
    before = call("verify", run)
    assert call("sample", run, "--remember", "--seed", "1").returncode == 0
    after = call("verify", run)
    assert before.returncode == after.returncode == 0 and before.stdout == after.stdout


def test_nothing_is_remembered_where_nothing_can_be_drawn(run: Path, call: Call) -> None:
    failed(call("sample", run, "--remember", "--all"), 2, "--all", "--remember", "choose one")
    failed(call("sample", run, "--remember", "--prefix", "?"), 2, "--prefix")
    failed(call("sample", run, "--remember", "--suffix", "?"), 7, "--suffix")
    assert not (run / "given.txt").exists()


def test_fresh_forgets_and_resuming_does_not(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)
    of_view, steps = progress.ProgressView.step, list[int]()

    def interrupted(view: progress.ProgressView, event: Any) -> None:
        of_view(view, event)
        steps.append(event.step)
        if len(steps) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(progress.ProgressView, "step", interrupted)
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    command = ["train", "lines.txt", "-o", "run", "--model", "bigram", "--max-steps", "8"]
    assert call(*command).returncode == 130
    shown = call("sample", "run", "-n", "5", "--remember").stdout.splitlines()
    ended = call(*command)
    assert ended.returncode == 0 and "step 8/8" in ended.stderr
    assert len(shown) == 5 and given(tmp_path / "run") == shown
    again = call("sample", "run", "-n", "50", "--remember").stdout.splitlines()
    assert len(again) == 50 and not set(again) & set(shown)
    assert call(*command, "--fresh").returncode == 0
    assert not (tmp_path / "run" / "given.txt").exists()


def test_lines_are_ended_by_line_feeds_alone(tmp_path: Path, call: Call) -> None:
    strange = [a + b + c for a, b, c in itertools.product("kmn", "\r\u2028\x0b\x85\x1c", "aeio")]
    run = tmp_path / "run"
    MakeMore("ngram", order=2).fit(strange).save(run)
    for _ in range(2):
        assert call("sample", run, "-n", "30", "--seed", "1", "--remember").returncode == 0
    lines = given(run)
    assert len(lines) == len(set(lines)) == 60 and any("\r" in line for line in lines)
    with IssuedLines(run) as remembered:
        assert list(remembered.lines) == lines


def test_in_python(run: Path) -> None:
    with IssuedLines(run) as remembered:
        assert list(remembered.lines) == []
        remembered.add(["anna", "bela"])
        remembered.add([])
    with IssuedLines(run) as remembered:
        assert list(remembered.lines) == ["anna", "bela"]
        maker = MakeMore.load(run)
        names = [line.text for line in maker.drawn(maker.sampler(1), 5)]
        sampler = maker.sampler(1, given=Corpus.exactly(names[:2]))
        assert [line.text for line in maker.drawn(sampler, 3)] == names[2:]
    with pytest.raises(SystemFault, match="run directory has gone"), IssuedLines(run / "missing"):
        pass
    (run / "given.txt").unlink()
    (run / "given.txt").mkdir()
    with pytest.raises(RunError), IssuedLines(run):
        pass
