"""Canvas: boxes, lines and words as an SVG that is readable on a light and on a dark page.

A picture that is an `<img>` knows nothing of the page around it. So each has a ground of its own,
which follows the reader's setting where the browser tells it, and is readable where not.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

WIDTH = 420  # at 360 px, on a phone, words are still 13 px high
STYLE = """
svg{--bg:#f6f6f3;--ink:#1d1f21;--line:#6b7075;--soft:#dde5ec;--blue:#00629b;--red:#a33e00;--green:#00724f}
@media(prefers-color-scheme:dark){svg{--bg:#1e2124;--ink:#e9e9e6;--line:#9ba1a7;--soft:#33404b;--blue:#6cbcf0;--red:#f5945a;--green:#4fcba0}}
text{font:15px system-ui,sans-serif;fill:var(--ink);text-anchor:middle}
.mono{font-family:ui-monospace,monospace}.start{text-anchor:start}.end{text-anchor:end}
rect,circle,path{fill:none;stroke:var(--line);stroke-width:1.5}
.ground{fill:var(--bg);stroke:none}.soft{fill:var(--soft)}.dash{stroke-dasharray:5 4}
.blue{stroke:var(--blue)}.red{stroke:var(--red)}.green{stroke:var(--green)}.thick{stroke-width:3}
.full.blue{fill:var(--blue)}.full.red{fill:var(--red)}.full.green{fill:var(--green)}.full.line{fill:var(--line)}
text.blue{fill:var(--blue);stroke:none}text.red{fill:var(--red);stroke:none}text.green{fill:var(--green);stroke:none}
"""  # noqa: E501 (one rule a line, and no blanks: it stands in every picture)


def number(value: float) -> str:
    """A place in a picture, to a tenth of a pixel: 12.0 -> 12."""
    return f"{value:.1f}".removesuffix(".0")


class Picture:
    """Collects the parts of one picture, from the top left corner, in pixels.

    kind: classes of STYLE: a colour (blue, red, green), soft or full (filled), dash, thick; of
        words also mono, start and end (where x is; without: their middle)
    """

    def __init__(self, title: str, height: int) -> None:
        self.title, self.height = title, height
        self.parts: list[str] = []

    def words(self, x: float, y: float, text: str, kind: str = "") -> None:
        """Write a line of text, its baseline at y."""
        chosen = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{number(x)}" y="{number(y)}"{chosen}>{escape(text)}</text>')

    def box(
        self, x: float, y: float, width: float, height: float, text: str = "", kind: str = "soft",
        words: str = "",
    ) -> None:  # fmt: skip
        """Draw a rectangle with words in its middle; kind is that of the box, words of the text."""
        place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
        self.parts.append(f'<rect {place} rx="3" class="{kind}"/>')
        if text:
            self.words(x + width / 2, y + height / 2 + 5, text, words)

    def cells(
        self, x: float, y: float, texts: Iterable[str], size: float, kind: str = "soft",
        down: bool = False,
    ) -> None:  # fmt: skip
        """Draw a row (or column) of boxes that touch, each with its text."""
        for place, text in enumerate(texts):
            along = place * size
            left, top = (x, y + along * 30 / size) if down else (x + along, y)
            self.box(left, top, size, 30, text, kind, "mono")

    def line(
        self, points: Iterable[tuple[float, float]], kind: str = "", width: float = 0.0
    ) -> None:
        """Draw a line through points; width: in pixels, where it is not that of its kind."""
        path = " ".join(f"{number(x)} {number(y)}" for x, y in points)
        chosen = f' class="{kind}"' if kind else ""
        wide = f' style="stroke-width:{number(width)}"' if width else ""
        self.parts.append(f'<path{chosen}{wide} d="M{path}"/>')

    def arrow(self, start: tuple[float, float], end: tuple[float, float], kind: str = "") -> None:
        """Draw a line with a head at its end."""
        (x1, y1), (x2, y2) = start, end
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        dx, dy = 7 * (x2 - x1) / length, 7 * (y2 - y1) / length
        sides = [(x2 - dx - dy * 0.6, y2 - dy + dx * 0.6), (x2 - dx + dy * 0.6, y2 - dy - dx * 0.6)]
        self.line([start, end], kind)
        self.line([sides[0], end, sides[1]], kind.replace("dash", "").strip())

    def dot(self, x: float, y: float, radius: float = 4, kind: str = "full blue") -> None:
        """Draw a filled circle."""
        self.parts.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="{kind}"/>'
        )

    def plus(self, x: float, y: float) -> None:
        """Draw the sign of an addition, in a circle."""
        self.dot(x, y, 15, "soft")
        self.words(x, y + 5, "+")

    def svg(self) -> str:
        """The picture as a file: it loads nothing, and a screen reader says its title."""
        size = f'width="{WIDTH}" height="{self.height}" viewBox="0 0 {WIDTH} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
        ground = f'<rect class="ground" width="{WIDTH}" height="{self.height}" rx="8"/>'
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join([head, title, f"<style>{STYLE}</style>", ground, *self.parts, "</svg>\n"])
