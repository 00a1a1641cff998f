"""Charts for a column and for a phone: no text is too small to read, touches another, or is cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from test_plots import entry, layer, look, moved

from makemore.analysis.calibration import Calibration
from makemore.report.page import FIGURES, SCROLLED
from makemore.report.plots import model as of_model
from makemore.report.plots import samples as of_samples
from makemore.report.plots import training as of_training
from makemore.report.plots.style import NARROW, PIXELS, WIDE

LEAST = 11.0  # pixels of a text, where a chart is shown as wide as it was drawn
LETTERS = [".", *"abcdefghijklmnopqrstuvwxyz"]
LAYERS = [f"blocks.{number}.attention.project tanh" for number in range(14)]
HISTORY = [entry(step, kind, 3.3 / (1 + step / 1000), 0.01)
           for step in range(0, 20_001, 500) for kind in ("batch", "train", "val")]  # fmt: skip
LOOKS = [look(step, *(layer(name, 0.3, 0.1) for name in LAYERS)) for step in (0, 20_000)]
MOVES = [moved(step, **{f"{name}.weight": (-3.0, -2.0) for name in LAYERS}) for step in (1, 20_000)]
CHANCE = np.random.default_rng(0)
TABLE = CHANCE.normal(size=(27, 10))
SHOTS = [{"kind": "embedding", "step": step, "symbols": LETTERS,
          "vectors": (TABLE * step).tolist()} for step in (1, 200_000)]  # fmt: skip
LENGTHS = CHANCE.integers(1, 15, 500)
COUNTS = CHANCE.integers(0, 200_000, 26)


def counted() -> Calibration:
    found = Calibration.empty()
    found.add(CHANCE.dirichlet(np.ones(27), 500), CHANCE.integers(0, 27, 500))
    return found


CHARTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "losses": (of_training.losses, (HISTORY, 3.2958, 20_000)),
    "batch-loss": (of_training.batch_loss, (HISTORY,)),
    "learning-rate": (of_training.learning_rate, (HISTORY,)),
    "saturation": (of_training.saturation, (LOOKS,)),
    "ratios": (of_training.ratios, (MOVES,)),
    "histograms": (of_training.histograms, (LOOKS[0]["layers"], 20_000)),
    "pairs": (of_model.pairs, (CHANCE.integers(0, 6_000_000, (27, 27)), LETTERS)),
    "embedding": (of_model.embedding, (TABLE, LETTERS, np.arange(27))),
    "embedding-path": (of_model.embedding_path, (SHOTS, LETTERS)),
    "attention": (of_model.attention, ([np.full((3, 25, 25), 0.5)] * 2, LETTERS[:25])),
    "lengths": (of_samples.lengths, (LENGTHS, LENGTHS)),
    "symbols": (of_samples.symbols, (LETTERS[1:], COUNTS, COUNTS)),
    "calibration": (of_samples.calibration, (counted(),)),
}


def texts_of(drawing: Any) -> Iterator[tuple[Text, Any]]:
    """The texts that are seen, and where they stand (pixels of the figure)."""
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    beyond = set(ticks_beyond_an_end(drawing))
    for text in drawing.findobj(Text):
        box = text.get_window_extent(canvas.get_renderer())
        if text.get_visible() and text.get_text().strip() and text not in beyond and box.width > 0:
            yield text, box


def ticks_beyond_an_end(drawing: Any) -> Iterator[Text]:
    """The numbers of ticks that lie beyond an end of their axis: matplotlib draws none of them."""
    for axes in drawing.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def test_every_figure_of_the_page_is_here() -> None:
    assert set(CHARTS) == set(FIGURES)


DRAWN = [(name, narrow) for name in CHARTS for narrow in (False, True)
         if not (narrow and name in SCROLLED)]  # fmt: skip


@pytest.mark.parametrize("name, narrow", DRAWN)
def test_texts_can_be_read_and_are_whole(name: str, narrow: bool) -> None:
    draw, data = CHARTS[name]
    drawing = draw(*data, narrow=narrow)
    width, height = drawing.get_size_inches() * PIXELS
    if name not in SCROLLED:
        assert width == pytest.approx((NARROW if narrow else WIDE) * PIXELS, rel=0.2)
    seen = 0
    for text, box in texts_of(drawing):
        seen += 1
        said = f"{text.get_text()!r} at {box.extents}"
        assert text.get_fontsize() * PIXELS / 72 >= LEAST, said
        assert box.x0 > -2 and box.x1 < width + 2 and box.y0 > -2 and box.y1 < height + 2, said
    assert seen >= 4


@pytest.mark.parametrize("name", sorted(set(CHARTS) - {*SCROLLED, "attention", "symbols"}))
def test_numbers_below_an_axis_of_a_phone_do_not_touch(name: str) -> None:
    draw, data = CHARTS[name]
    drawing = draw(*data, narrow=True)
    places = {text: box for text, box in texts_of(drawing)}
    for axis in drawing.axes:
        low, high = sorted(axis.get_xlim())
        ticks = [t for t in axis.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
        boxes = sorted(
            (places[t.label1] for t in ticks if t.label1 in places), key=lambda box: box.x0
        )
        assert len(boxes) >= 2
        for left, right in zip(boxes, boxes[1:], strict=False):
            assert left.x1 + 3 < right.x0


def test_a_phone_has_the_same_numbers() -> None:
    wide, narrow = (
        [[list(line.get_ydata()) for line in axis.get_lines()] for axis in drawing.axes]
        for drawing in (of_training.losses(HISTORY, 3.2958, 20_000),
                        of_training.losses(HISTORY, 3.2958, 20_000, narrow=True))
    )  # fmt: skip
    assert wide == narrow
    few = of_samples.symbols(LETTERS[1:], COUNTS, COUNTS, narrow=True).axes[0]
    assert few.get_title(loc="left") == "The 20 most frequent"
    heights = [bar.get_height() for bar in few.patches]
    np.testing.assert_allclose(heights, 100 * np.sort(COUNTS)[::-1][:20] / COUNTS.sum())


@pytest.mark.parametrize(
    "count, written",
    [(0, "0"), (9999, "9999"), (10_000, "10k"), (999_499, "999k"), (999_500, "1.0M"),
     (3_449_999, "3.4M"), (9_949_999, "9.9M"), (9_950_000, "10M"), (123_456_789, "123M")],
)  # fmt: skip
def test_counts_fit_a_cell(count: int, written: str) -> None:
    assert of_model._short(count) == written
