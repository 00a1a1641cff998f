"""Links between pages: what leads to a file of the repository leads to its page in the site.

A page is written for the repository, so its links are paths there: `../lessons/03_mlp.py`. In the
site a lesson, a guide or a model has a page, a module that somebody links gets a page of its
source, and any other file is named without a link.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from posixpath import dirname, normpath, relpath

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
# What looks like a link in a stretch of code is none: the code is found first.
CODE = r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)"
LINK = r"(?P<image>!?)\[(?P<text>(?:[^\[\]`]|`[^`]*`)*)\]\((?P<target>[^()\s]+)\)"
LINK_OR_CODE = re.compile(f"{LINK}|{CODE}", re.DOTALL)
PICTURES = (".png", ".svg")


class Links:
    """Where each file of the repository is in the site, and what else its pages need."""

    def __init__(self, places: Mapping[str, str], tree: Path) -> None:
        self.places = dict(places)  # "docs/list.md" -> "guides/list.md"
        self.tree = tree
        self.sources: set[str] = set()  # modules that a page links

    def rewrite(self, text: str, file: str, place: str) -> str:
        """Turn the links of a file of the repository into those of its page at `place`."""

        def replaced(found: re.Match[str]) -> str:
            if found["target"] is None or re.match(r"#|\w+:", found["target"]):
                return found[0]  # code, a heading of the same page, an address
            path, _, anchor = found["target"].partition("#")
            path = normpath(f"{dirname(file)}/{path}" if dirname(file) else path)
            if not (ROOT / path).exists():
                raise SystemExit(f"{file} links {path}, which is not there: mend the link")
            target = self.place_of(path)
            if target is None:
                return named(found["text"], path)
            text = title_of(path) if found["text"] == Path(path).name else found["text"]
            target = relpath(target, dirname(place) or ".") + (f"#{anchor}" if anchor else "")
            return f"{found['image']}[{text}]({target})"

        return outside_code(text, lambda part: LINK_OR_CODE.sub(replaced, part))

    def place_of(self, path: str) -> str | None:
        """Where a file is in the site; a module and a picture get a place when they are linked."""
        if path not in self.places and path.endswith(PICTURES):
            self.places[path] = f"pictures/{path.removeprefix('docs/')}"
            copied = self.tree / self.places[path]
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copied)
        if path not in self.places and re.match(r"(src|lessons)/.*\.py$", path):
            self.places[path] = f"source/{path.removesuffix('.py')}.md"
            self.sources.add(path)
        return self.places.get(path)

    def write_sources(self) -> None:
        """Write the page of each module that another page links: all of it, highlighted."""
        for path in sorted(self.sources):
            place = self.tree / self.places[path]
            place.parent.mkdir(parents=True, exist_ok=True)
            # Found by who follows a link; a search leads to what explains it.
            page = f"---\norphan: true\nnosearch: true\n---\n# {path}\n\n{source_of(path)}"
            place.write_text(page, encoding="utf-8")


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change what stands around the fenced blocks of a Markdown text."""
    parts, end = [], 0
    for block in FENCED.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def named(text: str, path: str) -> str:
    """What stands for a link to a file that has no page: its path, if the text is not enough."""
    name = Path(path).name
    return f"`{path}`" if text.strip("`") in (path, name) else f"{text} (`{path}`)"


def title_of(path: str) -> str:
    """What a link says that gave the name of a page's file; other files keep their names."""
    if not path.endswith(".md"):
        return Path(path).name
    found = re.search(r"^# (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else Path(path).name


def source_of(path: str) -> str:
    """The whole text of a Python file as a highlighted block."""
    return fenced((ROOT / path).read_text(encoding="utf-8"), "python")


def fenced(text: str, language: str) -> str:
    """A block of code, whose fence is longer than any in it."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"
