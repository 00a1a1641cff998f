"""makemore export and makemore page."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from cli.conftest import failed
from conftest import Call
from makemore.web import page as page_module


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny program in place of the package's own."""
    folder = tmp_path / "static"
    folder.mkdir()
    for name in ("page.js", "worker.js", "page.css", "page.wasm"):
        (folder / name).write_bytes(b"/* */")
    monkeypatch.setattr(page_module, "STATIC", folder)
    return folder


def test_a_run_becomes_one_file(named: Path, tmp_path: Path, call: Call) -> None:
    ended = call("export", named, "--html", "names.html")
    assert ended.returncode == 0 and ended.stdout == "names.html\n"
    body = (tmp_path / "names.html").read_text()
    assert f"{len(body.encode()):,} bytes" in ended.stderr
    assert "8 known lines are inside as hashes, none as text" in ended.stderr
    assert ("float16 changes a log-probability" in ended.stderr) == ('"F16"' in body)
    exact = call("export", named, "--html", "exact.html", "--weights", "float32", "--lines")
    assert "float16" not in exact.stderr and "the training lines themselves, too" in exact.stderr
    assert '"F16"' not in (tmp_path / "exact.html").read_text()


def test_a_licence_stands_in_the_card(few_names: Path, tmp_path: Path, call: Call) -> None:
    assert call("export", few_names, "--html", "a.html").returncode == 0
    assert '"license":"not stated"' in (tmp_path / "a.html").read_text()
    call("export", few_names, "--html", "b.html", "--license", "CC0 <1.0>")
    assert '"license":"CC0 \\u003c1.0\\u003e"' in (tmp_path / "b.html").read_text()


def test_a_file_is_replaced_only_with_force(few_names: Path, tmp_path: Path, call: Call) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("mine")
    for name in ("page.html", "link.html"):
        if name == "link.html":
            os.symlink(target, name)
        else:
            Path(name).write_text("mine")
        for command in (["export", few_names, "--html", name], ["page", "-o", name]):
            failed(call(*command), 2, "--force", name)
        assert call("export", few_names, "--html", name, "--force").returncode == 0
        assert Path(name).read_text().startswith("<!DOCTYPE html>") and not Path(name).is_symlink()
    assert target.read_text() == "mine"  # the link was replaced, not what it led to
    assert not list(tmp_path.glob(".tmp-*"))


def test_targets_that_cannot_be(few_names: Path, tmp_path: Path, call: Call) -> None:
    targets = {
        few_names / "page.html": "holds only its run",
        few_names / "split" / "page.html": "holds only its run",
        tmp_path / "static": "folder",
        tmp_path / "no" / "page.html": "no such folder",
    }
    for name, word in targets.items():
        failed(call("export", few_names, "--html", name, "--force"), 2, word)
        failed(call("page", "-o", name, "--force"), 2, word)
    os.mkfifo("pipe.html")
    failed(call("page", "-o", "pipe.html", "--force"), 2, "no regular file")


def test_a_full_disk_leaves_nothing(
    few_names: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = set(os.listdir(tmp_path))
    failed(call("export", few_names, "--html", "page.html"), 5, "no space left on device")
    assert set(os.listdir(tmp_path)) == before


def test_what_is_no_run_is_told(tmp_path: Path, call: Call) -> None:
    (tmp_path / "names.txt").write_text("emma\n")
    failed(call("export", "names.txt", "--html", "page.html"), 4, "no run")
    failed(call("export", "runs/none", "--html", "page.html"), 4)
    failed(call("export", "names.txt"), 2, "--html")


def test_a_program_that_was_not_built_is_told(few_names: Path, program: Path, call: Call) -> None:
    (program / "page.js").unlink()
    failed(call("export", few_names, "--html", "page.html"), 5, "page.js", "install makemore again")
    failed(call("page"), 5, "page.js")


@pytest.mark.slow
def test_the_empty_page_has_the_prior_if_there_is_room(
    tmp_path: Path, call: Call, program: Path
) -> None:
    ended = call("page")
    assert ended.stdout == "page.html\n" and "with the built-in prior" in ended.stderr
    assert 'id="prior"' in (tmp_path / "page.html").read_text()
    assert "without" in call("page", "--no-prior", "--force").stderr
    assert 'id="prior"' not in (tmp_path / "page.html").read_text()
    (program / "page.wasm").write_bytes(
        random.Random(0).randbytes(2_000_000)
    )  # a program with which it is too large
    assert "without" in call("page", "-o", "large.html").stderr
    assert "with the built-in prior" in call("page", "--prior", "-o", "both.html").stderr
