"""Charts of a model: pairs of symbols, the map of the embeddings, and where attention looks.

The map of pairs is that of makemore's lecture 1, the map of embeddings that of lecture 2.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from makemore.analysis.embedding_map import flat_map
from makemore.report.plots import guides
from makemore.report.plots.style import (
    NARROW,
    WIDE,
    chart,
    figure,
    is_narrow,
    panels,
    shown,
    theme,
)
from makemore.text.ragged import scatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


MOST_PAIRS = 40  # symbols of a map of pairs: 1,600 cells
MOST_LABELS = 40  # symbols of a map that are named
MOST_PATHS = 30  # symbols whose path through training is drawn
MOST_LAYERS, MOST_HEADS = 6, 8  # attention maps in a chart
CELL = 0.315  # inches of a pair: two lines of text, and 27 symbols are as wide as a page's column
TICK = 0.15  # inches between two symbols beside an attention map


# Letters without their marks, by the script that Unicode's names give them.
VOWELS = {
    "LATIN": "aeiouæøœıə", "GREEK": "αεηιουω", "CYRILLIC": "аеиоуыэюяіє",
    "GEORGIAN": "აეიოუ", "ARMENIAN": "աեէըիոօ",
}  # fmt: skip
CONSONANTS = "йў"  # Cyrillic letters that are marked vowels by form only
KINDS = {"vowel": "o", "consonant": "s", "other": "D", "boundary": "*"}  # and their markers


def pair_counts(ids: Ints, offsets: Ints, vocab_size: int) -> Ints:
    """Count how often symbol j comes after symbol i (V, V); 0 is the boundary (makemore part 1).

    ids (n_symbols,) of lines that start at offsets (n_lines + 1,); -1 is left out, with its pairs.
    """
    flat = np.zeros(len(ids) + len(offsets), dtype=np.int64)  # a boundary, then each line, its end
    scatter(ids, offsets, offsets[:-1] + np.arange(1, len(offsets)), flat)
    before, after = flat[:-1], flat[1:]
    both = (before >= 0) & (after >= 0)
    # Each pair as one number: far faster than np.add.at on a table.
    counts = np.bincount(before[both] * vocab_size + after[both], minlength=vocab_size**2)
    return counts.reshape(vocab_size, vocab_size)


def _shades() -> Any:
    """Make a colormap from paper over blue to ink: lightness says how much, and 0 looks empty."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = theme()
    stops = [colours.paper, colours.series[0], colours.ink]
    return LinearSegmentedColormap.from_list("shades", stops)


def _short(count: int) -> str:
    """Write a count in at most four characters or so: 9999, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    if count < 999_500:
        return f"{count / 1000:.0f}k"
    return f"{count / 1e6:.{0 if count >= 9_950_000 else 1}f}M"


@chart
def pairs(counts: Ints, symbols: Sequence[str]) -> Figure:
    """Draw a heat map of counts (n, n): a row is the symbol before, a column the one after.

    A pair that is never there has an empty field: of many symbols most pairs are such.
    """
    from matplotlib.colors import PowerNorm

    size = max(3.2, CELL * len(symbols) + 0.75)
    drawing, (axis,) = panels(1, 1, size, size)
    # Counts span several powers of ten: their square roots still show the rare ones.
    norm = PowerNorm(0.5, vmin=0, vmax=max(1, int(counts.max())))
    image = axis.imshow(counts, norm=norm, cmap=_shades())
    names = [shown(symbol) for symbol in symbols]
    for row, before in enumerate(names):
        for column, after in enumerate(names):
            if not counts[row, column]:
                continue
            shade = image.cmap(image.norm(counts[row, column]))
            # Black on light cells, white on dark ones, by the brightness that eyes see (ITU-R 601).
            ink = "#000000" if np.dot(shade[:3], (0.299, 0.587, 0.114)) > 0.5 else "#ffffff"
            label = before + after if len(before) == len(after) == 1 else ""
            # Within the axes: to look at each for room around them takes as long as to draw it.
            style: dict[str, Any] = {"ha": "center", "color": ink, "in_layout": False}
            axis.text(column, row, label, va="bottom", fontsize=8.5, **style)
            axis.text(column, row, _short(counts[row, column]), va="top", fontsize=8, **style)
    axis.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(top=True, labeltop=True, length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set(ylabel="symbol", xlabel="the next one")
    return drawing


def letter_kind(symbol: str) -> str:
    """Classify a symbol as `vowel`, `consonant` or `other` (as all of scripts without vowels)."""
    letter = symbol.lower()
    script = unicodedata.name(letter[:1], "").partition(" ")[0]
    if script not in VOWELS or not letter.isalpha() or letter in "ъь":
        return "other"
    base = unicodedata.normalize("NFD", letter)[0]  # é -> e
    is_vowel = base in VOWELS[script] and letter not in CONSONANTS
    return "vowel" if is_vowel else "consonant"


def _map_axes(axis: Axes, title: str, explained: Floats | None) -> None:
    """Name the axes of a map, with the fraction of the variance that each explains."""
    first, second = "first dimension", "second dimension"
    if explained is not None:
        title += f" (PCA: {100 * explained.sum():.0f} % of the variance)"
        first = f"first axis ({100 * explained[0]:.0f} %)"
        second = f"second axis ({100 * explained[1]:.0f} %)"
    axis.set(xlabel=first, ylabel=second, title=title)


@chart
def embedding(table: Floats, symbols: Sequence[str], frequency: Ints) -> Figure:
    """Draw a map of embeddings (n, E), the boundary first: vowels and consonants, or frequency.

    frequency: (n,) how often each symbol occurs in the training lines.
    """
    drawing, axis = figure(height=6.0)
    points, explained = flat_map(table)
    kinds = ["boundary", *map(letter_kind, symbols[1:])]
    lettered = sum(kind in ("vowel", "consonant") for kind in kinds)
    if "vowel" in kinds and 2 * lettered >= len(symbols) - 1:
        for (kind, marker), colour in zip(KINDS.items(), theme().series, strict=False):
            here = np.array([each == kind for each in kinds])
            if here.any():
                across, up = points[here].T
                axis.scatter(across, up, s=150 if kind == "boundary" else 42, marker=marker,
                             color=colour, label=kind)  # fmt: skip
    else:  # most symbols are no letters of an alphabet: what can be said of all is how frequent
        across, up = points.T
        dots = axis.scatter(across[1:], up[1:], s=42, c=np.log10(np.maximum(frequency[1:], 1)),
                            cmap=_shades(), edgecolors=theme().muted)  # fmt: skip
        axis.scatter(across[:1], up[:1], s=150, marker="*", color=theme().series[3],
                     label="boundary")  # fmt: skip
        bar = drawing.colorbar(dots, ax=axis, shrink=0.8)
        bar.set_label("log10 of the times in the training lines")
    axis.legend(loc="best")
    names, crowded = [shown(symbol) for symbol in symbols], len(symbols) > MOST_LABELS
    for row in np.argsort(-frequency, kind="stable")[:MOST_LABELS]:
        axis.annotate(names[row], points[row], xytext=(5, 4), textcoords="offset points",
                      fontsize=8 if crowded else 11)  # fmt: skip
    title = f"Embeddings, the {MOST_LABELS} most frequent named" if crowded else "Embeddings"
    _map_axes(axis, title, explained)
    return drawing


@chart
def embedding_path(snapshots: Sequence[Mapping[str, Any]], symbols: Sequence[str]) -> Figure:
    """Draw the path of each symbol's embedding through training, on the last snapshot's axes.

    snapshots: entries of kind `embedding`; symbols: those to be drawn.
    """
    drawing, axis = figure(height=6.0)
    tables = [np.array(each["vectors"], dtype=float) for each in snapshots]
    paths = np.stack([flat_map(table, tables[-1])[0] for table in tables])  # (steps, n, 2)
    rows = [row for row, symbol in enumerate(snapshots[-1]["symbols"]) if symbol in symbols]
    for index, row in enumerate(rows):
        colour = theme().series[index % len(theme().series)]
        axis.plot(*paths[:, row].T, color=colour, linewidth=1.0, alpha=0.75)
        axis.plot(*paths[0, row], marker="o", markersize=4, color=colour, markerfacecolor="none")
        axis.plot(*paths[-1, row], marker="o", markersize=5, color=colour)
        axis.annotate(shown(snapshots[-1]["symbols"][row]), paths[-1, row], xytext=(5, 4),
                      textcoords="offset points", fontsize=11, fontweight="bold")  # fmt: skip
    # The legend of the two circles: empty lines, of which only the label is seen.
    for label, face in (("at the start", "none"), ("at the end", theme().ink)):
        axis.plot([], [], marker="o", linestyle="none", color=theme().ink, markerfacecolor=face,
                  label=label)  # fmt: skip
    axis.legend(loc="best")
    first, last = snapshots[0]["step"], snapshots[-1]["step"]
    _map_axes(axis, f"Steps {first:,} to {last:,}", flat_map(tables[-1])[1])
    return drawing


def neighbours(table: Floats, most: int = 5) -> tuple[Ints, Floats]:
    """Find the rows (n, k) nearest to each row of a table (n, E) by cosine; and their cosines."""
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    unit = table / np.where(lengths > 0, lengths, 1.0)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)  # no row is its own neighbour
    order = np.argsort(-cosines, axis=1, kind="stable")[:, : min(most, len(table) - 1)]
    return order, np.take_along_axis(cosines, order, axis=1)


@chart
def attention(weights: Sequence[Floats], symbols: Sequence[str]) -> Figure:
    """Draw attention weights (n_head, T, T) of each layer: a row looks, a column is looked at.

    Each layer begins a row of maps, and goes on in the next where its heads need more than one.
    """
    layers = guides.evenly(len(weights), MOST_LAYERS)
    heads = guides.evenly(len(weights[0]), MOST_HEADS)
    across = min(len(heads), 2 if is_narrow() else 4)
    width = NARROW if is_narrow() else min(WIDE, 2.4 * across + 1.2)
    side = (width - (0.5 if is_narrow() else 1.0)) / across
    down = -(-len(heads) // across)  # rows of a layer
    height = (side + 0.25) * len(layers) * down + 0.9
    drawing, axes = panels(len(layers) * down, across, width, height)
    names = [shown(symbol) for symbol in symbols]
    ticks = range(0, len(names), -(-len(names) // max(1, int(0.85 * side / TICK))))
    for axis in axes:
        axis.set_axis_off()  # those that no head fills
    for row, layer in enumerate(layers):
        for index, head in enumerate(heads):
            axis = axes[row * down * across + index]
            axis.set_axis_on()
            image = axis.imshow(weights[layer][head], vmin=0, vmax=1, cmap=_shades())
            axis.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=8.5, fontweight="normal")
            # Symbols stand at the outer edges only; on a phone the lower one is far away.
            left = index % across == 0
            low = is_narrow() or (layer == layers[-1] and index + across >= len(heads))
            axis.set_xticks(ticks, [names[tick] if low else "" for tick in ticks], fontsize=8,
                            rotation=90 if max(map(len, names)) > 1 else 0)  # fmt: skip
            axis.set_yticks(ticks, [names[tick] if left else "" for tick in ticks], fontsize=8)
            axis.grid(False)
    place: dict[str, Any] = {"shrink": 0.5}
    if is_narrow():
        place = {"location": "top", "fraction": 0.2 / height}
    drawing.colorbar(image, ax=axes, aspect=30, **place).set_label("weight")
    drawing.supxlabel("looked at", fontsize=9)
    drawing.supylabel("who looks", fontsize=9)
    return drawing
