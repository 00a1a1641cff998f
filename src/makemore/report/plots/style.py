"""Style of charts: light and dark, axes, saving. Each file beside this one is a subject.

Every chart is a function of data alone, decorated with `chart`, and gives a matplotlib Figure:

    losses(history)                  in light
    losses(history, theme=DARK)      the same in dark
    losses(history, narrow=True)     for a phone: panels and legends below each other
    save(folder, "losses", losses, history)     losses.png and losses-dark.png

matplotlib is imported late, used without pyplot (no global state, no window), and never sees a
symbol as mathematics: `$` is a dollar. Colours are those of Okabe and Ito 2008, which people with
any kind of colour blindness can tell apart; what they say is also said by a marker or a label.
"""

from __future__ import annotations

import functools
import io
import textwrap
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


PIXELS = 100  # of a page, for an inch of a chart
WIDE, NARROW = 7.2, 3.3  # inches of a chart: for a column of text, and for a phone
SHARPNESS = {False: 1.5, True: 2.0}  # pixels of a picture for one of the page: wide, and narrow
LINE = 0.17  # inches of a line of a legend
NARROW_TITLE, NARROW_LABEL = 27, 38  # characters of a line of a title, and of a legend
NARROW_TICKS = 4  # numbers below an axis
# Two series that lie on each other can still be told apart in a print without colours.
DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Theme:
    """Holds a chart's colours. `series` are for lines and bars, in the order of their use."""

    name: str
    paper: str  # behind everything
    ink: str  # text and what matters most
    muted: str  # ticks, guides, what is only context
    grid: str
    series: tuple[str, ...]


LIGHT = Theme(
    "light", "#ffffff", "#1a1a1a", "#666666", "#e2e2e2",
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d00", "#444444"),
)  # fmt: skip
DARK = Theme(
    "dark", "#16181d", "#ececec", "#a0a4ab", "#33373f",
    ("#56b4e9", "#e69f00", "#00c08b", "#f0a5cc", "#f0e442", "#5b9bf5", "#ff8a4c", "#dddddd"),
)  # fmt: skip
THEMES = (LIGHT, DARK)


def _style(theme: Theme, narrow: bool = False) -> AbstractContextManager[Any]:
    """Set matplotlib's defaults to a theme and a width inside `with`, and restore them after."""
    import matplotlib
    from cycler import cycler

    return matplotlib.rc_context({
        "figure.facecolor": theme.paper, "axes.facecolor": theme.paper,
        "savefig.facecolor": theme.paper, "text.color": theme.ink, "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink, "xtick.color": theme.muted, "ytick.color": theme.muted,
        "axes.edgecolor": theme.muted, "grid.color": theme.grid, "axes.grid": True,
        "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 10 if narrow else 11, "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "font.size": 9.5, "legend.frameon": False, "lines.linewidth": 1.8,
        "axes.prop_cycle": cycler(color=theme.series), "figure.constrained_layout.use": True,
        "figure.figsize": (NARROW if narrow else WIDE, NARROW),
        "figure.dpi": PIXELS, "savefig.dpi": PIXELS * SHARPNESS[narrow],
        # A symbol of a text may be `$`, between two of which matplotlib would set mathematics.
        "text.parse_math": False, "axes.formatter.use_mathtext": False,
    })  # fmt: skip


def chart(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function from data to a Figure: `theme=` chooses its colours, `narrow=` its width.

    What is drawn narrow has the same numbers: its texts keep their size, and what stood beside the
    axes stands below them.
    """

    @functools.wraps(draw)
    def drawn(*data: Any, theme: Theme = LIGHT, narrow: bool = False, **options: Any) -> Figure:
        with _style(theme, narrow):
            drawing = draw(*data, **options)
            if narrow:
                _make_narrow(drawing)
            return drawing

    return drawn


def is_narrow() -> bool:
    """Tell whether the chart that is being drawn is for a phone."""
    import matplotlib

    return bool(matplotlib.rcParams["figure.figsize"][0] == NARROW)  # what _style leaves


def _make_narrow(drawing: Figure) -> None:
    """Break long titles into lines, and put each legend below its axes, with room for it."""
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import ScaledTranslation

    room = 0.0
    for axis in drawing.axes:
        if isinstance(axis.xaxis.get_major_locator(), MaxNLocator):  # more would touch each other
            axis.locator_params(axis="x", nbins=NARROW_TICKS)
        title = axis.get_title(loc="left")
        if len(title) > NARROW_TITLE:
            axis.set_title(textwrap.fill(title, NARROW_TITLE), loc="left")
        if axis.get_legend() is None:
            continue
        handles, labels = axis.get_legend_handles_labels()
        broken = [textwrap.fill(label, NARROW_LABEL, subsequent_indent="  ") for label in labels]
        # From below the label of the x axis, and from the left edge of the figure.
        down = 0.42 if axis.get_xlabel() else 0.24
        below = axis.transAxes + ScaledTranslation(-0.5, -down, drawing.dpi_scale_trans)
        axis.legend(handles, broken, loc="upper left", bbox_to_anchor=(0, 0),
                    bbox_transform=below, borderaxespad=0, fontsize=9)  # fmt: skip
        room += LINE * sum(label.count("\n") + 1 for label in broken)
    width, height = drawing.get_size_inches()
    drawing.set_size_inches(width, height + room)


def figure(width: float = WIDE, height: float = 3.6) -> tuple[Figure, Axes]:
    """Make an empty figure (inches) with one pair of axes. Call it inside a `chart` only."""
    drawing, (axis,) = grid(1, 1, width, height)
    return drawing, axis


def grid(
    rows: int, columns: int, width: float, height: float, **ratios: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure (inches) of rows x columns axes, row by row. Call it inside a `chart` only.

    In a narrow chart they stand below each other.
    ratios: height_ratios of the rows, width_ratios of the columns
    """
    if is_narrow():
        many = rows * columns
        return panels(many, 1, NARROW, many * min(height / rows, 0.9 * NARROW))
    return panels(rows, columns, width, height, **ratios)


def panels(
    rows: int, columns: int, width: float, height: float, **ratios: Any
) -> tuple[Figure, list[Axes]]:
    """Make a figure as `grid` does, of the same rows and columns however narrow the chart is."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height))
    return drawing, drawing.subplots(rows, columns, squeeze=False, **ratios).ravel().tolist()


def theme() -> Theme:
    """Return the theme of the chart that is being drawn."""
    import matplotlib

    # The chart's own `theme=` ends at the decorator; the paper is the trace that it leaves.
    paper = matplotlib.rcParams["figure.facecolor"]
    return next(known for known in THEMES if known.paper == paper)


def png(
    draw: Callable[..., Figure], *data: Any, theme: Theme = LIGHT, narrow: bool = False,
    **options: Any,
) -> bytes:  # fmt: skip
    """Draw a chart as PNG; the same data gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing = draw(*data, theme=theme, narrow=narrow, **options)
    drawing.dpi = PIXELS * SHARPNESS[narrow]
    canvas: Any = FigureCanvasAgg(drawing)
    with _style(theme, narrow):  # again: ticks are made only when the figure is drawn
        canvas.draw()  # once, layout and all, where savefig draws twice
    return _with_palette(canvas, theme)


def _with_palette(canvas: Any, theme: Theme) -> bytes:
    """Write what is drawn on a canvas of matplotlib as PNG with a palette of 256 colours.

    It has a third of the bytes, and no difference to see.
    """
    from PIL import Image  # matplotlib writes its pictures by Pillow, too

    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    few = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    # The colour of the paper is the mean of all that fell to it: exact, it has no edge on a page.
    palette, paper = few.getpalette() or [], int(few.getpixel((0, 0)))  # type: ignore[arg-type]
    palette[3 * paper : 3 * paper + 3] = bytes.fromhex(theme.paper[1:])
    few.putpalette(palette)
    smaller = io.BytesIO()
    few.save(smaller, "PNG", optimize=True)
    return smaller.getvalue()


def save(
    folder: Path, name: str, draw: Callable[..., Figure], *data: Any, **options: Any
) -> list[Path]:
    """Write NAME.png and NAME-dark.png; returns their paths. Raises SystemFault."""
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
    """Collect the code points that matplotlib's own font can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def shown(text: str) -> str:
    """Write text as a chart can: ␣ for a space, control characters escaped, U+4E2D for the rest.

    The font of matplotlib has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic
    letters and most signs, but no Chinese, Japanese, Korean or Indic ones.
    """
    return "".join(map(_shown, text))


def _shown(symbol: str) -> str:
    """Write one symbol as a chart can."""
    if symbol == " ":
        return "␣"
    # Separators and unassigned characters have a glyph in some fonts, and nobody would see it.
    if ord(symbol) in _glyphs() and unicodedata.category(symbol)[0] not in "CZ":
        return symbol
    escaped = visible(symbol)
    return f"U+{ord(symbol):04X}" if escaped == symbol else escaped
