"""Page: one page about a run: figures, tables and words, in a folder that is easy to send on.

`parts` looks at a run and gives what there is to show, and what there is not and why; `write` makes
the page of it. The page holds its pictures inside, light and dark, and needs neither a script nor
a network: its policy forbids both. Every text that came from outside is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class LeftOut:
    """What is not shown, and why."""

    what: str
    why: str


Part = Chart | Table | Verses | LeftOut


STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --muted: #5a5a5a;
  --rule: #d9d9d9; --link: #005a8e; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181d; --ink: #ececec;
  --muted: #a0a4ab; --rule: #33373f; --link: #7cc4f5; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .3rem; }
p { margin: .3rem 0; } .why, footer { color: var(--muted); }
a { color: var(--link); } nav a { margin-right: .9rem; white-space: nowrap; }
img { max-width: 100%; height: auto; }
.box { overflow-x: auto; } .wide img { max-width: none; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
bdi { white-space: pre-wrap; }
.samples { columns: 10rem; padding: 0; list-style: none; font-family: ui-monospace, monospace; }
"""


def write_page(out: Path, title: str, parts: Sequence[Part]) -> Iterator[Path]:
    """Write figures and page to a folder; yields each file once it is there, the page last.

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
    title: str, parts: Sequence[Part], pictures: dict[str, list[bytes]] | None = None
) -> bytes:
    """The page as UTF-8. pictures: PNGs of each chart by its name, light and dark."""
    # Only this style counts, only pictures of the page's own are shown, and nothing runs.
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    shown = [part for part in parts if not isinstance(part, LeftOut)]
    links = " ".join(f'<a href="#{_text(part.name)}">{_text(part.title)}</a>' for part in shown)
    body = "\n".join(_section(part, pictures or {}) for part in shown)
    missing = [part for part in parts if isinstance(part, LeftOut)]
    if missing:
        items = "".join(f"<li>{_text(part.what)}: {_text(part.why)}</li>\n" for part in missing)
        body += f'\n<section id="not-shown">\n<h2>Not shown</h2>\n<ul>\n{items}</ul>\n</section>'
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
{MARK}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1><bdi>{_text(title)}</bdi></h1>
<nav>{links}</nav>
<main>
{body}
</main>
<footer><p>Losses are in nats a symbol, the end of a line included. Made by makemore inspect; the
pictures lie beside this page as PNG.</p></footer>
</body>
</html>
""".encode("utf-8", "backslashreplace")


def _text(text: str) -> str:
    """Text from anywhere, as HTML can hold it: nothing of it is markup or a control character."""
    return html.escape(visible(text))


def _section(part: Chart | Table | Verses, pictures: dict[str, list[bytes]]) -> str:
    head = f'<section id="{_text(part.name)}">\n<h2>{_text(part.title)}</h2>\n'
    if isinstance(part, Verses):
        cells = "".join(f"<li><bdi>{_text(line)}</bdi></li>\n" for line in part.lines)
        kind = ' class="samples"' if part.verbatim else ""
        return f"{head}<ul{kind}>\n{cells}</ul>\n</section>"
    head += f'<p class="why">{_text(part.text)}</p>\n' if part.text else ""
    if isinstance(part, Table):
        return f"{head}{_table(part)}\n</section>"
    light, dark = (base64.b64encode(png).decode() for png in pictures[part.name])
    width, height = (round(side / SHARPNESS) for side in _size(pictures[part.name][0]))
    kind, told = "box wide" if part.name in WIDE else "box", _text(f"{part.title}. {part.text}")
    return f"""{head}<div class="{kind}"><picture>
<source media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,{dark}">
<img src="data:image/png;base64,{light}" width="{width}" height="{height}" alt="{told}">
</picture></div>
</section>"""


def _size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels: they stand in its first chunk."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}><bdi>{_text(c)}</bdi></{tag}>" for c in cells) + "</tr>\n"

    head = f"<thead>{row(table.header, 'th')}</thead>\n" if any(table.header) else ""
    body = "".join(row(cells, "td") for cells in table.rows)
    return f'<div class="box"><table>\n{head}<tbody>\n{body}</tbody>\n</table></div>'
