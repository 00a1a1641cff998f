"""makemore train FILE --memory: a list that memory does not hold, as a person types it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from makemore.api import large_list
from makemore.api.count_part import Budget
from makemore.cli.commands import train
from makemore.cli.progress import StopSignals
from makemore.text.line_file import BlockSize

from .conftest import SYLLABLES, Command

TRAIN = (
    "train", "list.txt", "--model", "rnn", "--memory", "1GiB", "-o", "run", "--n-hidden", "8",
    "--max-steps", "30", "--batch-size", "16", "--threads", "1",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list, which memory seems to be too small for."""
    (tmp_path / "list.txt").write_text("\n".join([*SYLLABLES, *SYLLABLES[:9]]))
    monkeypatch.setattr(large_list, "BYTES_IN_MEMORY", 10**9)
    monkeypatch.setattr(large_list, "BlockSize", lambda *size: BlockSize(*(size or (64, 10**6))))
    monkeypatch.setattr(Budget, "of", lambda memory: Budget(1, 6000))
    return tmp_path


def test_a_large_list_becomes_a_run_like_any_other(call: Command, folder: Path) -> None:
    done = call(*TRAIN)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 20, done.stderr
    assert not set(done.stdout.splitlines()) & set(SYLLABLES)
    assert "memory is not to hold all of list.txt: its lines stay on the disk" in done.stderr
    told = r"1,200 lines, 9 copies dropped; \d\d% of what it learns from is in memory at once"
    assert re.search(told, done.stderr)
    again = call(*TRAIN)
    assert again.returncode == 0 and "this run is finished; 20 more from it" in again.stderr
    without = call(*(word for word in TRAIN if word != "list.txt"))  # the run's own lines
    assert without.returncode == 0 and len(without.stdout.splitlines()) == 20
    for command in ("sample run -n 5", "eval run", "score run list.txt", "verify run"):
        assert call(*command.split()).returncode == 0
    assert json.loads((folder / "run/config.json").read_text())["on_disk"]["lines"] == 64


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--val", "list.txt"), "(--val): leave it out, or --memory"),
        (("--test", "list.txt"), "(--test): leave it out, or --memory"),
        (("--labels",), "(--labels): leave it out, or --memory"),
        (("--model", "ngram"), "type makemore count FILE -o PART --memory SIZE"),
        (("--overfit-batch",), "one batch is in memory anyway"),
        (("--memory", "much"), "'much' is no size"),
        (("--batch-size", "500"), "a batch of 500 is too large"),
    ],
)
def test_what_cannot_be_is_told(
    words: tuple[str, ...], told: str, call: Command, folder: Path
) -> None:
    given = {"--n-hidden", "8"} if "ngram" in words else set()
    done = call(*(word for word in TRAIN if word not in given), *words)
    assert done.returncode == 2 and told in done.stderr and not done.stdout
    assert not (folder / "run/checkpoint.json").exists()


def test_a_signal_while_the_list_is_read(
    call: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(StopSignals):
        def __enter__(self) -> Stopped:
            super().__enter__()
            self._stop(signal.SIGTERM, None)
            return self

    monkeypatch.setattr(train, "StopSignals", Stopped)
    done = call(*TRAIN)
    assert done.returncode == 143 and not done.stdout
    assert done.stderr.endswith("stopped while reading; the same command begins again\n")
    monkeypatch.undo()
