"""tests/gpu without a card: they are skipped with a plain line, and are themselves tried here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kinds import each_kind

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, **around: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Python in the project's folder, with what `make test-gpu` lets it find."""
    paths = {"PYTHONPATH": "src:tests", **around}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **paths}, capture_output=True,
        text=True, timeout=280,
    )  # fmt: skip


def test_without_a_card_every_test_is_skipped_with_a_plain_line() -> None:
    done = run("-m", "gpu", CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "torch sees no graphics card here (no CUDA): every test was skipped\n"


def test_without_torch_too() -> None:
    done = run("-S", "-m", "gpu")  # -S: no installed packages
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r".*python\S* has no (torch|numpy): every test was skipped\n", done.stdout)


@pytest.mark.slow
def test_plain_unittest_skips_them_too() -> None:
    done = run(
        "-m", "unittest", "discover", "-s", "tests/gpu", "-t", "tests", CUDA_VISIBLE_DEVICES=""
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"OK \(skipped=\d+\)", done.stderr)


def test_make_runs_them_by_the_python_at_hand() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = re.search(r"^test-gpu:(.*)\n((?:\t.*\n)+)", text, re.MULTILINE)
    assert rule is not None
    assert "$(INSTALLED)" not in rule[1] and "pip" not in rule[2]
    assert rule[2] == "\tPYTHONPATH=src:tests $(PYTHON) -m gpu\n"


FILES = sorted(path.stem for path in (ROOT / "tests" / "gpu").glob("test_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", each_kind(FILES, ["test_models"]))
def test_they_hold_on_the_cpu(name: str) -> None:
    """But for what only a card can show: its memory, and a step that is captured as a graph."""
    done = run("-m", "gpu", "--device", "cpu", name)
    assert done.returncode == 0, done.stdout + done.stderr
    reasons = set(re.findall(r"skipped '(.*)'", done.stdout))
    assert reasons <= {"shows something on a card of CUDA only"}
    assert (name == "test_memory") or " ... ok\n" in done.stdout
