"""Page: one page about a run: figures, tables and words, in a folder that is easy to send on.

`parts` looks at a run and gives what there is to show, and what there is not and why; `write_page`
makes the page of it, from the jinja2 templates in templates/. The page holds its pictures inside,
light and dark, for a column and for a phone, and needs neither a script nor a network: its policy
forbids both. Every text that came from outside is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from makemore.errors import RunError, SystemFault, UsageError
from makemore.escaping import visible
from makemore.report.plots.style import SHARPNESS, save
from makemore.runs.safe_files import read_plain, remove, write_atomically

PAGE = "index.html"
MARK = '<meta name="generator" content="makemore inspect">'
MOST_PAGE = 2**28  # bytes
FIGURES = (
    "losses", "batch-loss", "learning-rate", "saturation", "ratios", "histograms", "pairs",
    "embedding", "embedding-path", "attention", "lengths", "symbols", "calibration",
)  # fmt: skip
BESIDE = ("inside.html",)  # pages that `Beside` may write
SCROLLED = ("pairs",)  # shown at full size at any width, in a box of its own that scrolls


@dataclass(frozen=True)
class Chart:
    """A figure: the chart function of plots/ that draws it, and its data."""

    name: str  # one of FIGURES
    title: str
    text: str
    draw: Callable[..., Any]
    data: tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Rows of texts."""

    name: str
    title: str
    text: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Verses:
    """Sentences, or lines that a model made (`verbatim`)."""

    name: str
    title: str
    lines: Sequence[str]
    verbatim: bool = False


@dataclass(frozen=True)
class Beside:
    """A page that lies beside this one, in the same folder, and has more to show."""

    name: str
    title: str
    text: str
    page: bytes
    links: Sequence[tuple[str, str]]  # words, and the hash that opens the view they speak of

    @property
    def file(self) -> str:
        """Name its file in the folder: one of BESIDE."""
        return f"{self.name}.html"


@dataclass(frozen=True)
class LeftOut:
    """What is not shown, and why."""

    what: str
    why: str


Part = Chart | Table | Verses | Beside | LeftOut


def write_page(out: Path, title: str, parts: Sequence[Part]) -> Iterator[Path]:
    """Write figures, pages beside it and page to a folder; yields each file, the page last.

    Raises UsageError for a folder that is not ours (`check_out`), SystemFault.
    """
    check_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemFault(f"cannot make {out}", error.strerror, "give another -o") from None
    # First the mark: killed on the way, the folder is known as ours the next time.
    write_atomically(out, PAGE, render_page(title, [LeftOut("everything", "it was not finished")]))
    pictures = {}
    for part in (part for part in parts if isinstance(part, Chart)):
        pictures[part.name] = _save_both(out, part)
        yield from pictures[part.name]
    for name in FIGURES:  # of an earlier run that had more to show
        for file in _files_of(name):
            if out / file not in pictures.get(name, []):
                remove(out / file)
    pages = {part.file: part.page for part in parts if isinstance(part, Beside)}
    for name in BESIDE:  # it opens from the report, so it is there before the report is
        if name in pages:
            write_atomically(out, name, pages[name])
            yield out / name
        else:
            remove(out / name)
    inside = {name: [path.read_bytes() for path in paths] for name, paths in pictures.items()}
    write_atomically(out, PAGE, render_page(title, parts, inside))
    yield out / PAGE


def _save_both(out: Path, part: Chart) -> list[Path]:
    """Write the pictures of a chart for a column, and but for SCROLLED for a phone; their paths."""
    wide = save(out, part.name, part.draw, *part.data)
    if part.name in SCROLLED:
        return wide
    return [*wide, *save(out, f"{part.name}-narrow", part.draw, *part.data, narrow=True)]


def _files_of(name: str) -> list[str]:
    """Name the pictures that a chart may have."""
    return [f"{name}{end}.png" for end in ("", "-dark", "-narrow", "-narrow-dark")]


def check_out(out: Path) -> None:
    """Raise UsageError unless a page may be written there: a new or empty folder, or one of ours.

    A run directory holds its run and nothing else.
    """
    whole = out.resolve()
    for folder in (whole, *whole.parents):
        if (folder / "checkpoint.json").exists():
            raise UsageError(
                "a run directory holds only its run", f"-o {out}", "give a folder beside it"
            )
    if not out.is_dir():
        if out.exists() or out.is_symlink():
            raise UsageError("there is a file of that name", f"-o {out}", "give another -o")
        return
    try:
        empty = not any(out.iterdir())
    except OSError as error:
        raise SystemFault(f"cannot read {out}", error.strerror, "give another -o") from None
    if not empty and not _is_ours(out):
        raise UsageError(
            "the folder is not empty, and not one that inspect made", f"-o {out}",
            "give another -o",
        )  # fmt: skip


def _is_ours(out: Path) -> bool:
    try:
        return MARK.encode() in read_plain(out / PAGE, MOST_PAGE)[:2000]
    except (FileNotFoundError, RunError):
        return False


def render_page(
    title: str, parts: Sequence[Part], pictures: Mapping[str, Sequence[bytes]] | None = None
) -> bytes:
    """Render the page as UTF-8.

    pictures: PNGs of each chart by its name: light and dark, and then maybe narrow ones
    """
    templates = Environment(
        loader=PackageLoader("makemore.report"), autoescape=True, undefined=StrictUndefined,
        finalize=_visible, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    templates.tests["verses"] = lambda part: isinstance(part, Verses)
    templates.tests["beside"] = lambda part: isinstance(part, Beside)
    templates.tests["table"] = lambda part: isinstance(part, Table)
    encoded = {name: _picture(*pngs) for name, pngs in (pictures or {}).items()}
    style = templates.get_template("page.css").render(
        boxes={name: encoded[name]["width"] for name in SCROLLED if name in encoded}
    )
    page = templates.get_template("page.html").render(
        title=title, mark=MARK, style=style, scrolled=SCROLLED,
        digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        shown=[part for part in parts if not isinstance(part, LeftOut)],
        missing=[part for part in parts if isinstance(part, LeftOut)],
        pictures=encoded,
    )  # fmt: skip
    return page.encode("utf-8", "backslashreplace")


def _visible(value: Any) -> Any:
    """Escape control characters of what a template shows; jinja2 then escapes < > & and quotes."""
    return value if isinstance(value, Markup) else visible(str(value))


def _picture(*pngs: bytes) -> dict[str, Any]:
    """Encode the PNGs of a chart, with their sizes on the page in pixels."""
    found: dict[str, Any] = {}
    for index, png in enumerate(pngs):
        narrow = index > 1
        name = "narrow_" if narrow else ""
        # Width and height of a PNG stand in its first chunk.
        for side, start in (("width", 16), ("height", 20)):
            pixels = int.from_bytes(png[start : start + 4], "big")
            found[name + side] = round(pixels / SHARPNESS[narrow])
        found[name + ("dark" if index % 2 else "light")] = base64.b64encode(png).decode()
    return found
