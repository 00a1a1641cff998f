"""Builds the site: the course, the guides, the models, the API, and the page to play with.

    python docs/site/make_site.py                      into site/, in about a minute
    python docs/site/make_site.py -o DIR               into another folder
    python docs/site/make_site.py --only 01_counting   with this lesson alone, while you write it

All pages are Markdown in build/site-source, written anew each time; Sphinx makes HTML of them. A
warning is an error, so a link that leads nowhere stops the build.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Last: coverage.py in docs/ must not stand in for the package of that name.
sys.path += [str(HERE.parent), str(ROOT / "lessons")]

from lesson_mentions import MODULES  # noqa: E402
from lesson_pages import (  # noqa: E402
    contents,
    lesson_places,
    module_contents,
    module_places,
    write_course,
    write_modules,
)
from lesson_records import read  # noqa: E402
from links import Links  # noqa: E402
from mend_html import mend  # noqa: E402
from model_pages import model_places, names, write_models  # noqa: E402

# What is read in which order; a page of docs/ that is not named here comes last of "Guides".
USED = (
    "list",
    "page",
    "serve",
    "python",
    "commands",
    "prior",
    "scaling",
    "compare",
    "learning",
    "glossary",
)
BUILT = (
    "docs/new-model.md", "docs/architecture.md", "docs/changes.md", "CONTRIBUTING.md",
    "docs/decisions/README.md", "docs/performance.md", "docs/lab-notes.md", "docs/coverage.md",
    "SECURITY.md", "CHANGELOG.md",
)  # fmt: skip
ELSEWHERE = ("docs/lessons.md", "docs/models.md")  # the course and the models have pages
API = ("makemore", "data", "training", "inside", "experiments", "plots", "web")


def guides() -> list[str]:
    """The guides in their order."""
    known = [f"docs/{name}.md" for name in USED if (ROOT / f"docs/{name}.md").exists()]
    others = {f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")}
    return known + sorted(others - {*known, *BUILT, *ELSEWHERE})


def decisions() -> list[str]:
    """The records of decisions, by their numbers."""
    return sorted(f"docs/decisions/{file.name}" for file in (ROOT / "docs/decisions").glob("0*.md"))


def guide_places() -> dict[str, str]:
    """Where the guides are: "docs/list.md" -> "guides/list.md"."""
    files = [*guides(), *BUILT, *decisions()]
    places = {file: f"guides/{file.removeprefix('docs/').lower()}" for file in files}
    return {**places, "docs/decisions/README.md": "guides/decisions/index.md"}


def toctree(caption: str, pages: Iterable[str], hidden: bool = True) -> str:
    """A part of the sidebar."""
    said = [f":caption: {caption}"] if caption else []
    said += [":hidden:"] if hidden else []
    return "\n".join(["```{toctree}", *said, "", *(Path(page).with_suffix("").as_posix()
                      for page in pages), "```", ""])  # fmt: skip


def copy(file: str, place: str, links: Links, end: str = "") -> None:
    """Write a page of the repository into the source tree, with its links changed."""
    text = links.rewrite((ROOT / file).read_text(encoding="utf-8"), file, place)
    path = links.tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n{end}", encoding="utf-8")


def write_pages(tree: Path, only: list[str]) -> None:
    """Write all pages of the site as Markdown. only: the lessons, all if it is empty."""
    recorded = read(only)
    built = {lesson.place for lesson in recorded}
    course = {file: place for file, place in lesson_places().items() if place in built}
    own = {
        "README.md": "index.md",
        "lessons": "course/index.md",
        "docs/lessons.md": "course/index.md",
        "docs/site/pages/course.md": "course/index.md",
        "docs/site/pages/modules.md": "course/modules/index.md",
        "docs/site/pages/playground.md": "try-it.md",
        **{f"docs/site/pages/api_{name}.md": f"api/{name}.md" for name in API},
    }
    places = {**course, **module_places(), **guide_places(), **model_places(), **own}
    links = Links(places, tree)
    write_course(recorded, links)
    write_modules(links)
    write_models(links)
    for file in (*guides(), *BUILT, *decisions()):
        records = file == "docs/decisions/README.md"
        end = toctree("", (Path(each).name for each in decisions())) if records else ""
        copy(file, links.places[file], links, end)
    for name in API:
        file = f"docs/site/pages/api_{name}.md"
        copy(file, links.places[file], links)
    copy("docs/site/pages/playground.md", "try-it.md", links)
    copy("docs/site/pages/course.md", "course/index.md", links, contents(recorded))
    modules = module_contents() + toctree("", (f"{name}.md" for name in MODULES))
    copy("docs/site/pages/modules.md", "course/modules/index.md", links, modules)
    lessons = (lesson.place for lesson in recorded)
    sidebar = [
        toctree("The course", ["course/index.md", *lessons, "course/modules/index.md"]),
        toctree("Guides", (places[file] for file in guides())),
        toctree("How it is built", (places[file] for file in BUILT)),
        toctree("Models", ["models/index.md", *(f"models/{name}.md" for name in names())]),
        toctree("API", (f"api/{name}.md" for name in API)),
        toctree("Playground", ["try-it.md"]),
    ]
    copy("docs/site/pages/front.md", "index.md", links, "\n".join(sidebar))
    links.write_sources()


def write_playground(folder: Path) -> None:
    """Write the page of `makemore page`, which learns a list in the browser."""
    from makemore.cli.main import run

    folder.mkdir(parents=True)
    if run(["page", "-o", str(folder / "playground.html")]):
        raise SystemExit("makemore page did not write the playground: see above")


def build(out: Path, only: list[str]) -> int:
    """Build the site into a folder that is emptied before. Returns Sphinx's exit status."""
    from sphinx.cmd.build import build_main

    tree, extra = ROOT / "build/site-source", ROOT / "build/site-extra"
    for folder in (tree, extra, out):
        shutil.rmtree(folder, ignore_errors=True)
    tree.mkdir(parents=True)
    write_pages(tree, only)
    write_playground(extra)
    status = build_main([
        "-b", "html", "-c", str(HERE), "-d", str(ROOT / "build/site-doctrees"),
        "-D", f"html_extra_path={extra}", "-E", "-q", "-W", "--keep-going", str(tree), str(out),
    ])  # fmt: skip
    if status == 0:
        (out / "_sources").rmdir()  # empty: pages are made of files that nobody keeps
        mend(out)
    return status


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Builds the site.")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "site", metavar="DIR")
    parser.add_argument("--only", action="append", default=[], metavar="LESSON",
                        help="this lesson alone; may be given several times")  # fmt: skip
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    status = build(given.out, given.only)
    if status == 0:
        pages = len(list(given.out.rglob("*.html")))
        seconds = time.perf_counter() - began
        print(f"{given.out / 'index.html'}: {pages} pages in {seconds:.0f} seconds")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
