"""Page: one page about a run: figures, tables and words, in a folder that is easy to send on.

`parts` looks at a run and gives what there is to show, and what there is not and why; `write_page`
makes the page of it, from the jinja2 templates in templates/. The page holds its pictures inside,
light and dark, and needs neither a script nor a network: its policy forbids both. Every text that
came from outside is escaped.
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
from makemore.report.plots.style import DARK, LIGHT, save
from makemore.runs.safe_files import read_plain, remove, write_atomically

PAGE = "index.html"
MARK = '<meta name="generator" content="makemore inspect">'
MOST_PAGE = 2**28  # bytes
FIGURES = (
    "losses", "batch-loss", "learning-rate", "saturation", "ratios", "histograms", "pairs",
    "embedding", "embedding-path", "attention", "lengths", "symbols", "calibration",
)  # fmt: skip
BESIDE = ("inside.html",)  # pages that `Beside` may write
SHARPNESS = 1.5  # pixels of a picture for one of the page
WIDE = ("pairs", "attention")  # shown at full size, in a box of their own that scrolls


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
    view: str  # the hash that opens the view which is meant

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
        pictures[part.name] = save(out, part.name, part.draw, *part.data)
        yield from pictures[part.name]
    for name in FIGURES:  # of an earlier run that had more to show
        if name not in pictures:
            for theme in (LIGHT, DARK):
                remove(out / (f"{name}.png" if theme is LIGHT else f"{name}-{theme.name}.png"))
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
    """Render the page as UTF-8. pictures: PNGs of each chart by its name, light and dark."""
    templates = Environment(
        loader=PackageLoader("makemore.report"), autoescape=True, undefined=StrictUndefined,
        finalize=_visible, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    templates.tests["verses"] = lambda part: isinstance(part, Verses)
    templates.tests["beside"] = lambda part: isinstance(part, Beside)
    templates.tests["table"] = lambda part: isinstance(part, Table)
    style = templates.get_template("page.css").render()
    page = templates.get_template("page.html").render(
        title=title, mark=MARK, style=style, wide=WIDE,
        digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        shown=[part for part in parts if not isinstance(part, LeftOut)],
        missing=[part for part in parts if isinstance(part, LeftOut)],
        pictures={name: _picture(*pngs) for name, pngs in (pictures or {}).items()},
    )  # fmt: skip
    return page.encode("utf-8", "backslashreplace")


def _visible(value: Any) -> Any:
    """Escape control characters of what a template shows; jinja2 then escapes < > & and quotes."""
    return value if isinstance(value, Markup) else visible(str(value))


def _picture(light: bytes, dark: bytes) -> dict[str, Any]:
    """Encode the PNGs of a chart, with its size on the page in pixels."""
    # Width and height of a PNG stand in its first chunk.
    width, height = (int.from_bytes(light[start : start + 4], "big") for start in (16, 20))
    return {
        "width": round(width / SHARPNESS), "height": round(height / SHARPNESS),
        "light": base64.b64encode(light).decode(), "dark": base64.b64encode(dark).decode(),
    }  # fmt: skip
