"""Style of charts: light and dark, axes, saving. Each file beside this one is a subject.

Every chart is a function of data alone, decorated with `chart`, and gives a matplotlib Figure:

    losses(history)                  in light
    losses(history, theme=DARK)      the same in dark
    save(folder, "losses", losses, history)     losses.png and losses-dark.png

matplotlib is imported late, used without pyplot (no global state, no window), and never sees a
symbol as mathematics: `$` is a dollar. Colours are those of Okabe and Ito 2008, which people with
any kind of colour blindness can tell apart; what they say is also said by a marker or a label.
"""

from __future__ import annotations

import functools
import io
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makemore.escaping import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DPI = 150
# Two series that lie on each other can still be told apart in a print without colours.
DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Theme:
    """Colours of a chart. `series` are for lines and bars, in the order in which they are used."""

    name: str
    paper: str  # behind everything
    ink: str  # text and what matters most
    muted: str  # ticks, guides, what is only context
    grid: str
    series: tuple[str, ...]
    colormap: str  # from little to much, on this paper
    diverging: str  # from negative over nothing to positive


LIGHT = Theme(
    "light", "#ffffff", "#1a1a1a", "#666666", "#e2e2e2",
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d00", "#444444"),
    "cividis_r", "PuOr",
)  # fmt: skip
DARK = Theme(
    "dark", "#16181d", "#ececec", "#a0a4ab", "#33373f",
    ("#56b4e9", "#e69f00", "#00c08b", "#f0a5cc", "#f0e442", "#5b9bf5", "#ff8a4c", "#dddddd"),
    "cividis", "PuOr",
)  # fmt: skip
THEMES = (LIGHT, DARK)


def _style(theme: Theme) -> AbstractContextManager[Any]:
    import matplotlib
    from cycler import cycler

    return matplotlib.rc_context({
        "figure.facecolor": theme.paper, "axes.facecolor": theme.paper,
        "savefig.facecolor": theme.paper, "text.color": theme.ink, "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink, "xtick.color": theme.muted, "ytick.color": theme.muted,
        "axes.edgecolor": theme.muted, "grid.color": theme.grid, "axes.grid": True,
        "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 11, "axes.titlelocation": "left", "axes.titleweight": "bold",
        "font.size": 9.5, "legend.frameon": False, "lines.linewidth": 1.8,
        "axes.prop_cycle": cycler(color=theme.series), "image.cmap": theme.colormap,
        "figure.constrained_layout.use": True, "figure.dpi": 100, "savefig.dpi": DPI,
        "text.parse_math": False, "axes.formatter.use_mathtext": False, "svg.hashsalt": "makemore",
    })  # fmt: skip


def chart(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: `draw` gets data and gives a Figure; `theme=` chooses its colours."""

    @functools.wraps(draw)
    def drawn(*data: Any, theme: Theme = LIGHT, **options: Any) -> Figure:
        with _style(theme):
            return draw(*data, **options)

    return drawn


def figure(width: float = 7.0, height: float = 3.6) -> tuple[Figure, Axes]:
    """An empty figure in inches, and its axes. Call it inside a `chart` only."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height))
    return made, made.add_subplot()


def grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes, row by row. Call it inside a `chart` only."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height))
    axes = made.subplots(rows, columns, squeeze=False)
    return made, [axis for row in axes for axis in row]


def theme() -> Theme:
    """The theme of the chart that is being drawn."""
    import matplotlib

    paper = matplotlib.rcParams["figure.facecolor"]
    return next(known for known in THEMES if known.paper == paper)


def png(draw: Callable[..., Figure], *data: Any, theme: Theme = LIGHT, **options: Any) -> bytes:
    """A chart as PNG; the same data gives the same bytes."""
    return _saved("png", draw, *data, theme=theme, **options)


def svg(draw: Callable[..., Figure], *data: Any, theme: Theme = LIGHT, **options: Any) -> bytes:
    """A chart as SVG; the same data gives the same bytes."""
    return _saved("svg", draw, *data, theme=theme, **options)


def _saved(
    format: str, draw: Callable[..., Figure], *data: Any, theme: Theme, **options: Any
) -> bytes:
    made, stream = draw(*data, theme=theme, **options), io.BytesIO()
    metadata = {"Software": None} if format == "png" else {"Date": None, "Creator": None}
    with _style(theme):  # ticks are made when they are drawn
        made.savefig(stream, format=format, metadata=metadata)
    return stream.getvalue()


def save(
    folder: Path, name: str, draw: Callable[..., Figure], *data: Any, **options: Any
) -> list[Path]:
    """Write NAME.png and NAME-dark.png. Raises SystemFault where that cannot be."""
    from makemore.runs.safe_files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for each in THEMES:
        file = f"{name}.png" if each is LIGHT else f"{name}-{each.name}.png"
        write_atomically(folder, file, png(draw, *data, theme=each, **options))
        paths.append(folder / file)
    return paths


@functools.cache
def _glyphs() -> frozenset[int]:
    """What the font that comes with matplotlib can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def shown(text: str) -> str:
    """Text as a chart can write it: spaces seen, control characters escaped, U+4E2D for the rest.

    The font of matplotlib has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic
    letters and most signs, but no Chinese, Japanese, Korean or Indic ones.
    """
    parts = []
    for symbol in text:
        if symbol == " ":
            parts.append("␣")
        elif ord(symbol) in _glyphs() and unicodedata.category(symbol)[0] not in "CZ":
            parts.append(symbol)
        elif unicodedata.category(symbol)[0] in "CZ":
            parts.append(visible(symbol) if visible(symbol) != symbol else f"U+{ord(symbol):04X}")
        else:
            parts.append(f"U+{ord(symbol):04X}")
    return "".join(parts)


def plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis as plain numbers (1e-05, 0.001, 10): no mathematics in them."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
