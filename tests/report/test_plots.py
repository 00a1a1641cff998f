"""plots/: the numbers that a chart shows are read back from its axes; hostile names stay texts."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from kinds import each_kind
from makemore.analysis.calibration import BINS, Calibration
from makemore.errors import RunError
from makemore.report.plots import model as of_model
from makemore.report.plots import samples as of_samples
from makemore.report.plots import training as of_training
from makemore.report.plots.style import DARK, LIGHT, png, shown
from makemore.text import Corpus, TextConfig, Vocabulary

HOSTILE = [".", "$x$", "_a", "<b>", "|", "\x1b", "א", "ش", "é", " ", "😀", "中", "\\", "%", "^"]


def lines_of(axis: Any) -> dict[str, tuple[list[float], list[float]]]:
    """The lines of a panel by their label: all xs and ys."""
    each = ((line.get_label(), *line.get_data()) for line in axis.get_lines())
    return {label: (list(xs), list(ys)) for label, xs, ys in each}


def texts(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.texts]


def entry(step: int, kind: str, nll: float | None, lr: float | None = None) -> dict[str, Any]:
    return {"step": step, "kind": kind, "nll": nll, "lr": lr, "symbols": 0, "seconds": 0.0}


HISTORY = [
    entry(0, "train", 3.4), entry(0, "val", 3.5), entry(10, "batch", 3.0, 0.02),
    entry(20, "batch", None, 0.01), entry(20, "train", 2.5), entry(20, "val", 2.75),
    entry(30, "batch", 2.0, 0.0), entry(40, "train", 2.0), entry(40, "val", 2.875),
]  # fmt: skip


def layer(name: str, saturated: float | None, dead: float) -> dict[str, Any]:
    return {
        "name": name, "function": "tanh", "mean": 0.0, "std": 0.5, "saturated": saturated,
        "dead": dead, "gradient": 0.25, "edges": [-1.0, 0.0, 0.5, 1.0], "counts": [4, 3, 1],
        "gradient_edges": [-0.5, 0.0, 0.5], "gradient_counts": [1, 3],
    }  # fmt: skip


def look(step: int, *layers: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "activations", "step": step, "layers": list(layers)}


def moved(step: int, **ratios: tuple[float | None, float | None]) -> dict[str, Any]:
    found = {name: {"update": u, "gradient": g} for name, (u, g) in ratios.items()}
    return {"kind": "update", "step": step, "lr": 0.1, "loss": 2.0, "parameters": found}


# -- training -------------------------------------------------------------------------------------


def test_losses() -> None:
    drawn = lines_of(of_training.losses(HISTORY, math.log(27), 20).axes[0])
    assert drawn["batch"] == ([10, 30], [3.0, 2.0])  # an infinite loss has no point
    assert drawn["train"] == ([0, 20, 40], [3.4, 2.5, 2.0])
    assert drawn["val"] == ([0, 20, 40], [3.5, 2.75, 2.875])
    assert drawn["best: 2.7500 at step 20"] == ([20], [2.75])
    assert drawn["guessing: log V = 3.2958"][1] == [math.log(27)] * 2
    history = [each for each in HISTORY if each["kind"] != "val"]
    drawn = lines_of(of_training.losses(history, math.log(3), 40).axes[0])
    assert set(drawn) == {"batch", "train", "guessing: log V = 1.0986"}


def test_batch_loss_is_its_logarithm_and_smoothed() -> None:
    losses = [10.0 ** (number % 4) for number in range(800)]
    history = [entry(10 * (n + 1), "batch", loss, 0.1) for n, loss in enumerate(losses)]
    drawn = lines_of(of_training.batch_loss(history).axes[0])
    assert drawn["logged steps"][0] == list(range(10, 8010, 10))
    np.testing.assert_allclose(drawn["logged steps"][1], [n % 4 for n in range(800)], atol=1e-12)
    steps, means = drawn["mean of neighbours"]
    assert len(steps) == of_training.WINDOWS
    np.testing.assert_allclose(means, 1.5)
    np.testing.assert_allclose(steps[:2], [45, 125])  # the middles of steps 10..80 and 90..160


@pytest.mark.parametrize("many", [1, 3, 4, 9, 401])
def test_smoothed_loses_no_value(many: int) -> None:
    places, means = of_training.smoothed([float(n) for n in range(many)])
    np.testing.assert_allclose(places, means)  # of a straight line
    assert len(means) == max(1, min(100, many // 4))


def test_learning_rate() -> None:
    (line,) = of_training.learning_rate(HISTORY).axes[0].get_lines()
    assert list(line.get_xdata()) == [10, 20, 30] and list(line.get_ydata()) == [0.02, 0.01, 0.0]


def test_saturation_and_dead_units() -> None:
    looks = [look(0, layer("a", 0.5, 0.0), layer("b", None, 0.25)),
             look(10, layer("a", 0.25, 0.125), layer("b", None, 0.5))]  # fmt: skip
    full, dead = of_training.saturation(looks).axes
    assert lines_of(full) == {"a": ([0, 10], [50.0, 25.0])}
    assert lines_of(dead) == {"a": ([0, 10], [0.0, 12.5]), "b": ([0, 10], [25.0, 50.0])}
    (only,) = of_training.saturation([look(0, layer("b", None, 0.25))]).axes
    assert "Dead" in only.get_title(loc="left")


def test_ratios() -> None:
    looks = [moved(1, w=(None, -1.0), v=(-3.5, -2.0)), moved(5, w=(-2.0, -1.5), v=(-3.0, None))]
    update, gradient = of_training.ratios(looks).axes
    drawn = lines_of(update)
    assert drawn.pop("guide")[1] == [-3.0, -3.0]
    assert drawn == {"v": ([1, 5], [-3.5, -3.0]), "w": ([5], [-2.0])}
    assert lines_of(gradient) == {"w": ([1, 5], [-1.0, -1.5]), "v": ([1], [-2.0])}


def test_many_lines_are_picked_from_first_to_last() -> None:
    looks = [moved(1, **{f"p{number:02}": (-3.0, -3.0) for number in range(40)})]
    drawn = [name for name in lines_of(of_training.ratios(looks).axes[0]) if name != "guide"]
    assert len(drawn) == of_training.MOST_LINES and drawn[0] == "p00" and drawn[-1] == "p39"


def test_histograms_are_densities() -> None:
    values, slopes = of_training.histograms([layer("a", 0.1, 0.0)], 40).axes
    assert lines_of(values) == {"a: std 0.5": ([-0.5, 0.25, 0.75], [0.5, 0.75, 0.25])}
    assert lines_of(slopes) == {"a: std 0.25": ([-0.25, 0.25], [0.5, 1.5])}
    assert values.get_title(loc="left") == "Activations at step 40"


SOUND = [
    *HISTORY, look(0, layer("a", None, 0.0)), look(0), moved(1, w=(None, -1.0)),
    {"kind": "embedding", "step": 0, "symbols": [".", "a"], "vectors": [[0.5], [1]]},
    {"kind": "of a later version", "step": 3},
]  # fmt: skip


BROKEN: dict[str, dict[str, Any]] = {
    "no loss": {"kind": "train", "step": 0},
    "no rate": {"kind": "batch", "step": 0, "nll": 1.0},
    "no ratio": {"kind": "update", "step": 1, "parameters": {"w": {"update": 1.0}}},
    "a loss of text": entry(1, "batch", "2.0", 0.1),  # type: ignore[arg-type]
    "a huge loss": entry(1, "batch", 1e300, 0.1),
    "a huge whole number": entry(1, "batch", 10**400, 0.1),
    "true": entry(1, "batch", True, 0.1),
    "no layers": {"kind": "activations", "step": 1},
    "a layer without a share": look(1, {**layer("a", 0.0, 0.0), "dead": None}),
    "a layer without a name": look(1, {**layer("a", 0.0, 0.0), "name": 3}),
    "too few edges": look(1, {**layer("a", 0.0, 0.0), "edges": [0.0, 1.0]}),
    "a negative count": look(1, {**layer("a", 0.0, 0.0), "counts": [-1, 1, 1]}),
    "ragged vectors": {"kind": "embedding", "step": 1, "symbols": ["a", "b"],
                       "vectors": [[1.0], [1.0, 2.0]]},
    "no vectors": {"kind": "embedding", "step": 1, "symbols": [], "vectors": []},
    "empty vectors": {"kind": "embedding", "step": 1, "symbols": ["a"], "vectors": [[]]},
    "ratios that are none": {"kind": "update", "step": 1, "parameters": {"w": 3}},
    "a ratio of text": moved(1, w=("x", None)),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_entries_are_refused_and_sound_ones_pass(name: str, tmp_path) -> None:
    for entry in SOUND:
        of_training.check_entry(entry, "a, line 1", tmp_path)
    with pytest.raises(RunError, match="a, line 3, is not makemore's"):
        of_training.check_entry(BROKEN[name], "a, line 3", tmp_path)


# -- the model ------------------------------------------------------------------------------------


def counted(lines: list[str]) -> tuple[np.ndarray, Vocabulary]:
    corpus = Corpus.from_lines(lines, TextConfig(keep_copies=True))
    vocabulary = Vocabulary.of([corpus])
    counts = of_model.pair_counts(vocabulary.encode(corpus).ids, corpus.offsets, len(vocabulary))
    return counts, vocabulary


def test_pair_counts_are_those_of_zip() -> None:
    lines = ["emma", "olivia", "ava", "a", "ava"]
    counts, vocabulary = counted(lines)
    ids = {symbol: number for number, symbol in enumerate(vocabulary.symbols, 1)} | {"": 0}
    expected = Counter(
        pair for line in lines for pair in zip(["", *line], [*line, ""], strict=True)
    )
    for before, row in ids.items():
        for after, column in ids.items():
            assert counts[row, column] == expected[before, after]
    # -1 is a symbol without a place in the map; its neighbours are no pair.
    left_out = of_model.pair_counts(np.array([1, -1, 2, 2]), np.array([0, 3, 4]), 3)
    assert left_out.tolist() == [[0, 1, 1], [0, 0, 0], [2, 0, 0]]


def test_pairs_of_the_names_are_those_of_the_lecture(names_file) -> None:
    counts, vocabulary = counted(names_file.read_text(encoding="utf-8").split())
    at = {symbol: number for number, symbol in enumerate(vocabulary.symbols, 1)}
    assert counts.sum() == 228_146
    assert counts[0, at["a"]] == 4410 and counts[at["n"], 0] == 6763
    assert counts[at["a"], at["n"]] == 5438
    assert counts[at["q"]].sum() == 272 and counts[at["q"], at["u"]] == 206


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_map_of_pairs_shows_every_count(theme) -> None:
    counts, vocabulary = counted(["emma", "ava"])
    axis = of_model.pairs(counts, [".", *vocabulary.symbols], theme=theme).axes[0]
    np.testing.assert_array_equal(axis.images[0].get_array(), counts)
    for labels in (axis.get_xticklabels()[:5], axis.get_yticklabels()):  # then those at the top
        assert [label.get_text() for label in labels] == [".", "a", "e", "m", "v"]
    cells: dict[Any, list[str]] = {}
    for text in axis.texts:
        cells.setdefault(text.get_position(), []).append(text.get_text())
    assert cells[1, 3] == ["ma", "1"] and cells[0, 1] == ["a.", "2"]
    assert len(cells) == np.count_nonzero(counts)  # what is never there has an empty field
    assert to_hex(axis.images[0].cmap(0.0)) == theme.paper  # nothing looks like nothing
    image = axis.images[0]
    for text in axis.texts:
        column, row = text.get_position()
        cell = np.array(image.cmap(image.norm(counts[row, column]))[:3])
        luminance = float(cell @ (0.299, 0.587, 0.114))
        assert abs(luminance - (text.get_color() == "#ffffff")) > 0.4


KINDS = {
    "a": "vowel", "E": "vowel", "é": "vowel", "ø": "vowel", "y": "consonant", "q": "consonant",
    "ñ": "consonant", "ß": "consonant", "я": "vowel", "Ё": "vowel", "ї": "vowel", "й": "consonant",
    "ў": "consonant", "ж": "consonant", "ь": "other", "ώ": "vowel", "Ω": "vowel", "θ": "consonant",
    "ი": "vowel", "ბ": "consonant", "ո": "vowel", "ا": "other", "中": "other", "1": "other",
    "-": "other", " ": "other", "😀": "other", "\x00": "other",
}  # fmt: skip


@pytest.mark.parametrize("symbol", KINDS, ids=lambda symbol: f"U+{ord(symbol):04X}")
def test_vowels_and_consonants(symbol: str) -> None:
    assert of_model.letter_kind(symbol) == KINDS[symbol]


def test_maps_that_need_no_pca_and_pca_of_points_on_a_line_or_on_one_another() -> None:
    table = np.array([[1.0, 2.0], [3.0, -4.0]])
    points, shares = of_model.flat_map(table)
    assert shares is None and (points == table).all()
    line, _ = of_model.flat_map(table[:, :1])
    assert line.tolist() == [[1.0, 0.0], [3.0, 0.0]]
    line, shares = of_model.flat_map(np.outer([1.0, 2.0, 4.0], [1.0, 1.0, 0.0, 1.0]))
    assert (line[:, 1] == 0).all() and shares == pytest.approx([1.0, 0.0])
    np.testing.assert_allclose(np.diff(line[:, 0]), [math.sqrt(3), 2 * math.sqrt(3)])
    same, shares = of_model.flat_map(np.ones((3, 4)))
    assert (same == 0).all() and shares.tolist() == [0.0, 0.0]


def test_pca_finds_the_main_axes() -> None:
    """Points that are spread 3 : 2 : 1 along three directions at right angles."""
    chance = np.random.default_rng(0)
    turn, _ = np.linalg.qr(chance.normal(size=(5, 5)))
    flat = chance.normal(size=(4000, 3)) * (3, 2, 1)
    flat -= flat.mean(0)
    points, shares = of_model.flat_map(flat @ turn[:3] + 7)
    covariance = np.cov(flat.T)
    values = np.linalg.eigvalsh(covariance)[::-1]
    np.testing.assert_allclose(shares, values[:2] / values.sum())
    np.testing.assert_allclose(np.var(points, axis=0, ddof=1), values[:2])
    assert abs(np.cov(points.T)[0, 1]) < 1e-9
    again, _ = of_model.flat_map(flat @ turn[:3] + 7)
    np.testing.assert_array_equal(points, again)
    moved_on, _ = of_model.flat_map(flat @ turn[:3] + 8, onto=flat @ turn[:3] + 7)
    np.testing.assert_allclose(moved_on - points, np.tile((moved_on - points)[0], (4000, 1)))


def test_the_map_of_embeddings_colours_vowels_and_consonants() -> None:
    table = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    axis = of_model.embedding(table, [".", "a", "b", "e", "-"], np.array([9, 4, 3, 2, 1])).axes[0]
    groups = {dots.get_label(): dots.get_offsets().tolist() for dots in axis.collections}
    assert groups == {
        "boundary": [[0.0, 0.0]], "vowel": [[1.0, 2.0], [5.0, 6.0]], "consonant": [[3.0, 4.0]],
        "other": [[7.0, 8.0]],
    }  # fmt: skip
    faces = {tuple(dots.get_facecolor()[0]) for dots in axis.collections}
    shapes = {dots.get_paths()[0].vertices.tobytes() for dots in axis.collections}
    assert len(faces) == len(shapes) == 4  # said by the marker, too
    named = {text.get_text(): tuple(text.xy) for text in axis.texts}
    assert named == {".": (0, 0), "a": (1, 2), "b": (3, 4), "e": (5, 6), "-": (7, 8)}
    assert axis.get_title(loc="left") == "Embeddings"


def test_other_scripts_are_coloured_by_frequency() -> None:
    symbols = [".", *(chr(0x4E00 + number) for number in range(60))]
    table = np.random.default_rng(0).normal(size=(61, 7))
    frequency = 10 ** np.arange(61.0).clip(0, 12)
    axis = of_model.embedding(table, symbols, frequency).axes[0]
    dots, boundary = axis.collections
    np.testing.assert_allclose(dots.get_array(), np.arange(1, 61).clip(0, 12))
    points, shares = of_model.flat_map(table)
    np.testing.assert_allclose(dots.get_offsets(), points[1:])
    np.testing.assert_allclose(boundary.get_offsets(), points[:1])
    assert f"{100 * shares.sum():.0f} % of the variance" in axis.get_title(loc="left")
    assert len(axis.texts) == of_model.MOST_LABELS


def test_the_way_of_the_embeddings() -> None:
    shots = [
        {"kind": "embedding", "step": step, "symbols": [".", "a", "b"],
         "vectors": [[0.0, step], [1.0, 2.0 + step], [3.0, 4.0]]}
        for step in (0, 5, 10)
    ]  # fmt: skip
    axis = of_model.embedding_path(shots, [".", "a"]).axes[0]
    ways = [line for line in axis.get_lines() if len(line.get_xdata()) == 3]
    assert [list(map(float, way.get_ydata())) for way in ways] == [[0, 5, 10], [2, 7, 12]]
    assert texts(axis) == [".", "a"] and axis.get_title(loc="left") == "Steps 0 to 10"


def test_neighbours_by_cosine() -> None:
    table = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 5.0], [-3.0, 0.0], [0.0, 0.0]])
    order, cosines = of_model.neighbours(table, 2)
    assert order[0].tolist() == [1, 2] and order[3].tolist() == [2, 4]
    np.testing.assert_allclose(cosines[0], [math.sqrt(0.5), 0.0])
    np.testing.assert_allclose(cosines[3], [0.0, 0.0])
    assert (cosines[4] == 0).all()  # no direction, no neighbour
    order, _ = of_model.neighbours(table[:2], 5)
    assert order.tolist() == [[1], [0]]


@pytest.mark.slow
def test_attention_shows_the_weights() -> None:
    weights = [np.tril(np.full((2, 3, 3), 0.1 * (1 + number))) for number in range(2)]
    weights[1][1] *= 2
    made = of_model.attention(weights, [".", "a", "$"])
    maps = [axis for axis in made.axes if axis.images]
    for place, axis in enumerate(maps):
        np.testing.assert_array_equal(axis.images[0].get_array(), weights[place // 2][place % 2])
        assert axis.get_title(loc="left") == f"layer {place // 2 + 1}, head {place % 2 + 1}"
        assert axis.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in maps[2].get_yticklabels()] == [".", "a", "$"]
    # Of a large model layers and heads are picked.
    weights = [np.full((20, 2, 2), number / 64) for number in range(64)]
    maps = [axis for axis in of_model.attention(weights, [".", "a"]).axes if axis.images]
    assert len(maps) == of_model.MOST_LAYERS * of_model.MOST_HEADS
    assert maps[0].get_title(loc="left") == "layer 1, head 1"
    assert maps[-1].get_title(loc="left") == "layer 64, head 20"
    assert (maps[-1].images[0].get_array() == 63 / 64).all()


# -- samples --------------------------------------------------------------------------------------


def test_lengths() -> None:
    axis = of_samples.lengths(np.array([1, 2, 2, 4]), np.array([2, 2, 0, 5, 5])).axes[0]
    bars = {bar.get_x() + bar.get_width() / 2: bar.get_height() for bar in axis.patches}
    assert {round(x, 6): y for x, y in bars.items() if y} == {1: 25.0, 2: 50.0, 4: 25.0}
    ((label, (xs, ys)),) = lines_of(axis).items()
    assert label == "5 draws: mean 2.80" and dict(zip(xs, ys, strict=True)) == {
        0: 20.0, 1: 0.0, 2: 40.0, 3: 0.0, 4: 0.0, 5: 40.0,
    }  # fmt: skip


@pytest.mark.parametrize("longest", [0, 1, 39, 40, 1000, 2001])
def test_bins_of_lengths_hold_every_length(longest: int) -> None:
    edges = of_samples.length_edges(longest)
    shares = of_samples.length_shares(np.arange(longest + 1), edges)
    assert shares.sum() == pytest.approx(1) and len(shares) <= of_samples.MOST_BARS + 1
    assert len(set(np.diff(edges))) == 1


def test_symbols() -> None:
    axis = of_samples.symbols(["a", "b", "c"], np.array([1, 6, 3]), np.array([2, 2, 0])).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["b", "c", "a"]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([60, 30, 10])
    assert lines_of(axis)["draws"][1] == pytest.approx([50, 0, 50])
    data = np.arange(1000)
    axis = of_samples.symbols([chr(0x4E00 + n) for n in range(1000)], data, data).axes[0]
    assert len(axis.patches) == of_samples.MOST_BARS
    assert axis.patches[0].get_height() == pytest.approx(100 * 999 / data.sum())  # of all symbols


PREDICTED = np.array([[0.9, 0.1, 0.0], [0.9, 0.05, 0.05], [0.2, 0.55, 0.25], [0.0, 0.0, 1.0]])
CAME = np.array([0, 1, 1, 2])


def test_calibration_by_hand() -> None:
    counted = Calibration.empty()
    counted.add(PREDICTED[:3], CAME[:3])
    counted.add(PREDICTED[3:], CAME[3:])
    assert counted.likeliest[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    np.testing.assert_allclose(counted.likeliest[9], [3, 2.8, 2])
    np.testing.assert_allclose(counted.likeliest[5], [1, 0.55, 1])
    np.testing.assert_allclose(counted.every[0], [5, 0.1, 1])
    assert counted.every[:, 0].sum() == 12 and counted.every[:, 1].sum() == pytest.approx(4)
    # Guo et al. 2017: the mean distance between confidence and accuracy, by predictions.
    error = 3 / 4 * abs(2 / 3 - 2.8 / 3) + 1 / 4 * abs(1 - 0.55)
    assert counted.error == pytest.approx(error)
    axis, bars = of_samples.calibration(counted).axes
    drawn = lines_of(axis)
    np.testing.assert_allclose(drawn["the likeliest symbol"], ([0.55, 2.8 / 3], [1, 2 / 3]))
    np.testing.assert_allclose(drawn["every symbol"][1][0], 1 / 5)
    assert f"{100 * error:.2f} %" in axis.get_title(loc="left")
    heights = [bar.get_height() for bar in bars.patches[:BINS]]
    np.testing.assert_allclose(heights, [0, 0, 0, 0, 0, 25, 0, 0, 0, 75])


def test_what_is_drawn_from_its_own_predictions_is_calibrated() -> None:
    chance = np.random.default_rng(0)
    predicted = chance.dirichlet(np.full(5, 0.4), 40_000)
    came = (predicted.cumsum(1) < chance.random(40_000)[:, None]).sum(1).clip(0, 4)
    sound, sure = Calibration.empty(), Calibration.empty()
    sound.add(predicted, came)
    sharp = predicted**3 / (predicted**3).sum(1, keepdims=True)
    sure.add(sharp, came)
    assert sound.error < 0.01 < 0.1 < sure.error
    assert Calibration.empty().error == 0.0


def hostile_charts() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    many = len(HOSTILE)
    layers = [layer(name, 0.1, 0.0) for name in HOSTILE[:4]]
    table = np.random.default_rng(0).normal(size=(many, 3))
    shots = [{"kind": "embedding", "step": step, "symbols": HOSTILE,
              "vectors": (table + step).tolist()} for step in (0, 1)]  # fmt: skip
    counts = np.arange(many**2).reshape(many, many)
    return {
        "losses": (of_training.losses, (HISTORY, 3.0, 20)),
        "batch_loss": (of_training.batch_loss, (HISTORY,)),
        "learning_rate": (of_training.learning_rate, (HISTORY,)),
        "saturation": (of_training.saturation, ([look(0, *layers)],)),
        "ratios": (of_training.ratios, ([moved(1, **{n: (-3.0, -2.0) for n in HOSTILE[:4]})],)),
        "histograms": (of_training.histograms, (layers, 0)),
        "pairs": (of_model.pairs, (counts, HOSTILE)),
        "embedding": (of_model.embedding, (table, HOSTILE, np.arange(many))),
        "embedding_path": (of_model.embedding_path, (shots, HOSTILE)),
        "attention": (of_model.attention, ([np.ones((1, many, many))], HOSTILE)),
        "lengths": (of_samples.lengths, (np.array([1, 2]), np.array([0]))),
        "symbols": (of_samples.symbols, (HOSTILE, np.arange(many), np.arange(many))),
        "calibration": (of_samples.calibration, (Calibration.empty(),)),
    }


@pytest.mark.parametrize("name", each_kind(hostile_charts(), ["attention", "symbols"]))
def test_hostile_names_can_be_drawn(name: str) -> None:
    """Warnings are errors: no letter is missing in the font, no label is taken for mathematics."""
    draw, data = hostile_charts()[name]
    theme = DARK if len(name) % 2 else LIGHT
    assert png(draw, *data, theme=theme).startswith(b"\x89PNG")
    made = draw(*data, theme=theme)
    assert to_hex(made.get_facecolor()) == theme.paper
    if name in ("embedding", "embedding_path"):
        assert set(texts(made.axes[0])) == {shown(symbol) for symbol in HOSTILE}
    if name in ("saturation", "ratios", "histograms"):  # none is hidden by a _ at its start
        labels = [text.get_text() for text in made.axes[0].get_legend().get_texts()]
        assert [label.partition(":")[0] for label in labels[:4]] == [".", "$x$", "a", "<b>"]
