"""Counting and merging that are killed anywhere, or have a full disk, and are started again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LINES = [f"{first}{second}" for first in "abcdefgh" for second in range(90)]

# At the nth time that a file in the folder of the test is opened, renamed or removed: SIGKILL.
# Everything that a process does to files happens between two of these moments.
KILLED_AT = """
import os, signal, sys
left, limit, *words = sys.argv[1:]
left = int(left)
EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}

def seen(event, arguments):
    global left
    if event in EVENTS and any(name in str(arguments[0]) for name in ("part", "run/")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

from makemore.cli.main import run
import makemore.api.count_part, makemore.api.merge_parts
from makemore.models.core import gram_counts, sorted_runs

makemore.api.count_part.Budget.of = lambda memory: makemore.api.count_part.Budget(2, 3000)
gram_counts.CHUNK, sorted_runs.MERGE_ROWS = 300, 200
if limit != "0":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
sys.addaudithook(seen)
code = run(words)
print(-left, file=sys.stderr)
sys.exit(code)
"""
COUNT = ("count", "names.txt", "-o", "part")
MERGE = ("merge", "part", "-o", "run/1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("\n".join([*LINES, *LINES[::3]]))
    return tmp_path


def started(
    folder: Path, words: tuple[str, ...], kill_at: int = 0, limit: int = 0
) -> subprocess.CompletedProcess[str]:
    """A process that kills itself at the nth moment (0: never), and writes no larger files."""
    line = [sys.executable, "-c", KILLED_AT, str(kill_at), str(limit), *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def moments(ended: subprocess.CompletedProcess[str]) -> int:
    """How many moments a whole process had."""
    assert ended.returncode == 0, ended.stderr
    return int(ended.stderr.splitlines()[-1])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the lock, which names a process."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_and_started_again_gives_the_same_bytes(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    for words, made in ((COUNT, "part"), (MERGE, "run/1")):
        n_moments = moments(started(folder, words))
        expected = contents(folder / made)
        assert n_moments > 20
        for _ in range(4):
            (folder / made / ("part.json" if words is COUNT else "checkpoint.json")).unlink()
            for _ in range(chance.randint(1, 3)):  # killed again and again
                ended = started(folder, words, chance.randint(1, n_moments))
                assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr
            assert started(folder, words).returncode == 0
            assert contents(folder / made) == expected


@pytest.mark.parametrize(
    "words", [COUNT, pytest.param(MERGE, marks=pytest.mark.slow)], ids=["count", "merge"]
)
def test_a_full_disk_is_told_and_loses_nothing(folder: Path, words: tuple[str, ...]) -> None:
    assert started(folder, COUNT).returncode == 0
    expected, made = contents(folder / "part"), folder / words[-1]
    for limit in (1500,) if words is COUNT else (700, 2500, 6000):
        again = ("--fresh",) if words is COUNT else ()
        ended = started(folder, (*words, *again), limit=limit)
        assert ended.returncode == 5, ended.stderr
        message = ended.stderr.splitlines()[-2]
        assert message.startswith("makemore: error: cannot write ") and "too large" in message
        assert not list(made.glob("**/.tmp-*"))
    assert started(folder, words).returncode == 0
    assert contents(folder / "part") == expected
