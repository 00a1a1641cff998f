"""Run directories to be read, harmed and gone on with."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from makemore import MakeMore
from run_folder import make_run

LINES = [f"{a}{b}{c}" for a in "kmnr" for b in "aeio" for c in ("la", "ri", "no", "sa")]


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the disk where no power is cut; test_safe_files.py looks at fsync."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with generations of the steps 0 and 2, never to be changed."""
    return make_run(tmp_path_factory.mktemp("run") / "run", 0, 2)


@pytest.fixture
def folder(made: Path, tmp_path: Path, no_fsync: None) -> Path:
    """A copy of such a run, to be harmed."""
    return Path(shutil.copytree(made, tmp_path / "run", symlinks=True))


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A temporary folder that every user may enter."""
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o755)  # noqa: S103 (so that nobody comes in)
        yield Path(above)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a model that was trained, never to be changed."""
    folder = tmp_path_factory.mktemp("one") / "run"
    MakeMore("ngram", order=2).fit(LINES).save(folder)
    return folder


@pytest.fixture
def there(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """runs/ with two runs, one of them inside another folder, beside folders that are none."""
    monkeypatch.chdir(tmp_path)
    for name in ("pokemon-gru", "names-compare/ngram"):
        shutil.copytree(whole, tmp_path / "runs" / name)
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "pokemon.txt").write_text("a\n")
    return tmp_path
