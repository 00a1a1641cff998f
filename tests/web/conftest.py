"""A program of the page in three tiny files, its TypeScript in node, and pages in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from makemore.cli.main import run
from makemore.text.builtin_lists import builtin_names
from web.browser import Visit, chromium
from web.serving import Folder

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "page"


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A program that does nothing, in place of the one in the package."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "page.js").write_text('document.title = "ready"\n')
    (folder / "worker.js").write_text("onmessage = () => {}\n")
    (folder / "page.css").write_text("body { margin: 0 }\n")
    (folder / "page.wasm").write_bytes(b"\0asm\1\0\0\0")
    return folder


def esbuild() -> Path | None:
    """The bundler: of page/node_modules, or the one that MAKEMORE_ESBUILD names."""
    named = os.environ.get("MAKEMORE_ESBUILD")
    path = Path(named) if named else PAGE / "node_modules" / ".bin" / "esbuild"
    return path if path.is_file() else None


@pytest.fixture(scope="session")
def run_node(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Bundles page/src/run and calls page/test/run.mjs with it: a task and its input -> its output.

    The test skips where node or esbuild is missing.
    """
    bundler, node = esbuild(), shutil.which("node")
    if bundler is None or node is None:
        pytest.skip("needs node and esbuild: npm ci in page/")
    bundle = tmp_path_factory.mktemp("run") / "run.mjs"
    subprocess.run(
        [bundler, PAGE / "test" / "run_parts.ts", "--bundle", "--format=esm", "--platform=node",
         f"--outfile={bundle}", "--log-level=error"],
        check=True,
    )  # fmt: skip

    def call(task: str, given: Any, out: Path | None = None) -> Any:
        done = subprocess.run(
            [node, PAGE / "test" / "run.mjs", bundle, task, *([out] if out else [])],
            input=json.dumps(given), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return call


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium, for all tests of pages. Of the package: Playwright's loop must not outlive it."""
    with chromium() as started:
        yield started


Visits = Callable[..., Visit]


@pytest.fixture
def visit(browser: Any) -> Iterator[Visits]:
    """Opens pages with the network off; at the end each must have been without a fault.

    Options are those of a browser's context, such as color_scheme="dark".
    """
    visits: list[Visit] = []

    def start(file: Path, hash: str = "", **options: Any) -> Visit:
        context = browser.new_context(offline=True, **options)
        visits.append(Visit(context.new_page()))
        visits[-1].open(file, hash)
        return visits[-1]

    yield start
    for each in visits:
        try:
            each.check()
        finally:
            each.page.context.close()


@pytest.fixture(scope="session")
def three_hundred() -> list[str]:
    """Names that come with makemore, every so many of them, so that all letters begin one."""
    names = [name for name in builtin_names() if name.isascii() and name.isalpha()]
    return [name.lower() for name in names[:: len(names) // 300]][:300]


@pytest.fixture(scope="session")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`makemore page`, without the prior."""
    file = tmp_path_factory.mktemp("empty") / "page.html"
    assert run(["page", "-o", str(file), "--no-prior"]) == 0
    return file


@pytest.fixture
def drawing(visit: Visits, empty_page: Path, three_hundred: list[str]) -> Visit:
    """A page that has learned a list, at its names."""
    opened = visit(empty_page)
    opened.learn("\n".join(three_hundred))
    opened.show("Names")
    opened.names()
    return opened


@pytest.fixture(scope="session")
def page_of(
    tmp_path_factory: pytest.TempPathFactory, three_hundred: list[str]
) -> Callable[..., Path]:
    """Trains a run of 300 names by a command line, once, and exports it as a page."""
    made: dict[tuple[str, ...], Path] = {}

    def page(*options: str) -> Path:
        if options not in made:
            folder = tmp_path_factory.mktemp("run")
            (folder / "list.txt").write_text("\n".join(three_hundred) + "\n")
            train = ["train", str(folder / "list.txt"), "-o", str(folder / "run"), *options]
            assert run(train) == 0
            file = folder / "page.html"
            assert run(["export", str(folder / "run"), "--html", str(file)]) == 0
            made[options] = file
        return made[options]

    return page


GRU = (
    "--model=gru", "--n-embd=8", "--n-hidden=16", "--max-steps=40", "--eval-interval=20",
    "--batch-size=32",
)  # fmt: skip
Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, three_hundred: list[str]) -> Path:
    """A folder of two runs that have finished."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in (("first", GRU), ("second", (*GRU, "--seed=2"))):
        text = folder / f"{name}.txt"
        text.write_text("\n".join(three_hundred) + "\n")
        assert run(["train", str(text), "-o", str(folder / name), *options]) == 0
    return folder


@pytest.fixture
def served(trained: Path, tmp_path: Path) -> Iterator[Folder]:
    """A server of these runs."""
    folder = tmp_path / "runs"
    shutil.copytree(trained, folder)
    server = Folder(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens links; at the end each page must have been without a fault, but those it expects."""
    visits: list[tuple[Visit, str, str]] = []

    def start(link: str, expected: str = "(?!)", context: Any = None, **options: Any) -> Visit:
        visit = Visit((context or browser.new_context(**options)).new_page())
        visits.append((visit, link.partition("?")[0].partition("#")[0], expected))
        visit.page.goto(link)
        visit.page.get_by_role("tablist").wait_for()
        return visit

    yield start
    try:
        for visit, address, expected in visits:
            assert [error for error in visit.errors if not re.search(expected, error)] == []
            assert visit.page.evaluate("brokenPolicies") == []
            own = (address, "blob:", "data:")
            assert [url for url in visit.requests if not url.startswith(own)] == []
    finally:
        for visit, _, _ in visits:
            visit.page.context.close()
