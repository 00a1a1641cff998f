"""Networks: the pictures of docs/glossary.md that show how numbers flow."""

from __future__ import annotations

import math
from collections.abc import Callable

from canvas import Picture

WORD = ".emma"


def residual() -> Picture:
    picture = Picture(
        "A residual connection: x goes around the layer and is added to its result", 150
    )
    picture.words(20, 93, "x", "mono")
    picture.arrow((34, 88), (108, 88), "blue thick")
    picture.box(110, 66, 110, 44, "layer f")
    picture.arrow((221, 88), (264, 88))
    picture.line([(68, 88), (68, 34), (281, 34)], "blue thick")
    picture.arrow((281, 34), (281, 71), "blue thick")
    picture.plus(281, 88)
    picture.arrow((297, 88), (338, 88), "blue thick")
    picture.words(345, 93, "x + f(x)", "start")
    picture.words(200, 136, "the gradient comes back along the blue line")
    return picture


def attention() -> Picture:
    """Shows one query over five keys of two numbers; the weights are computed from them."""
    query, keys = (1.0, 0.5), ((0.2, 0.1), (1.8, 0.6), (0.4, 1.0), (0.6, 0.2), (0.3, 0.8))
    scores = [sum(q * k for q, k in zip(query, key, strict=True)) / 2**0.5 for key in keys]
    powers = [math.exp(score) for score in scores]
    picture = Picture("The query of the last symbol is compared with the key of each symbol", 236)
    picture.words(12, 34, "query of a", "start")
    for place, (symbol, power) in enumerate(zip(WORD, powers, strict=True)):
        x, weight = 60 + 75 * place, power / sum(powers)
        picture.line([(360, 50), (x, 100)], "blue", width=16 * weight)
        picture.box(x - 20, 100, 40, 30, symbol, "soft", "mono")
        picture.words(x, 154, f"{weight:.2f}", "mono")
        picture.words(x, 180, f"v{'₁₂₃₄₅'[place]}")
    picture.box(340, 20, 40, 30, "a", "soft blue", "mono")
    picture.words(210, 216, "result: the values v, averaged by these weights")
    return picture


def causal_mask() -> Picture:
    picture = Picture("Each symbol may look at itself and at earlier ones", 238)
    picture.words(200, 26, "is looked at")
    picture.words(75, 140, "looks")
    for row, asking in enumerate(WORD):
        picture.words(132, 77 + 34 * row, asking, "mono")
        picture.words(165 + 34 * row, 50, asking, "mono")
        for column in range(5):
            seen = column <= row
            picture.box(149 + 34 * column, 57 + 34 * row, 32, 32, "" if seen else "−∞",
                        "full blue" if seen else "dash")  # fmt: skip
    return picture


def norms() -> Picture:
    picture = Picture(
        "Batch normalisation takes mean and deviation by column, layer norm by row", 248
    )
    for left, name, chosen in ((20, "batch normalisation", "column"), (235, "layer norm", "row")):
        picture.words(left + 82, 30, name)
        for row in range(4):
            for column in range(5):
                here = column == 1 if chosen == "column" else row == 1
                picture.box(left + 33 * column, 46 + 33 * row, 31, 31, "",
                            "full blue" if here else "soft")  # fmt: skip
        picture.words(left + 82, 204, f"over a {chosen}", "blue")
    picture.words(210, 232, "a row: one example; a column: one unit")
    return picture


def rnn() -> Picture:
    picture = Picture("An RNN unrolled: the same cell reads symbol after symbol", 200)
    picture.words(22, 105, "h₀")
    picture.arrow((34, 100), (57, 100), "blue thick")
    for place, symbol in enumerate(WORD):
        x = 58 + 72 * place
        picture.box(x, 80, 44, 40, "cell")
        picture.box(x + 4, 150, 36, 30, symbol, "soft", "mono")
        picture.arrow((x + 22, 149), (x + 22, 122))
        picture.arrow((x + 22, 80), (x + 22, 54))
        picture.words(x + 22, 44, (WORD + ".")[place + 1], "mono blue")
        if place < 4:
            picture.arrow((x + 44, 100), (x + 71, 100), "blue thick")
    picture.words(210, 20, "expected next")
    return picture


def gru() -> Picture:
    old, new, gate = 0.8, -0.4, 0.75
    picture = Picture("The update gate of a GRU mixes the old state and the candidate", 190)
    picture.box(8, 30, 118, 36, f"old h = {old}")
    picture.box(8, 120, 118, 36, f"new n = −{-new}")
    for y, factor in ((48, f"× z = {gate}"), (138, f"× 1 − z = {1 - gate}")):
        picture.arrow((127, y), (144, y))
        picture.box(146, y - 18, 132, 36, factor, "soft red")
    picture.arrow((279, 48), (312, 82), "blue thick" if gate > 0.5 else "")
    picture.arrow((279, 138), (312, 104))
    picture.plus(325, 93)
    picture.arrow((341, 93), (362, 93), "blue thick")
    picture.words(392, 88, "h′ =")
    picture.words(392, 108, f"{gate * old + (1 - gate) * new:.1f}")
    return picture


def dilated() -> Picture:
    picture = Picture("Dilated convolutions: three layers see eight symbols", 250)
    bottom, wide = 206, 42
    places = [38 + wide * place for place in range(8)]
    needed = {7}  # of a layer: which places the last output depends on
    picture.words(412, 43, "next", "end")
    for layer, dilation in ((2, 4), (1, 2), (0, 1)):
        y = bottom - 56 * (layer + 1)
        below = needed | {place - dilation for place in needed}
        for place in needed:
            for back in (0, dilation):
                picture.line([(places[place], y), (places[place - back], y + 56)], "blue thick")
        for place, x in enumerate(places):
            picture.dot(x, y, 7, "full blue" if place in needed else "soft")
        picture.words(412, y + 32, f"{dilation} apart", "end")
        needed = below
    for x, symbol in zip(places, "..charlo", strict=True):
        picture.dot(x, bottom, 7, "full blue")
        picture.words(x, bottom + 30, symbol, "mono")
    return picture


def backoff() -> Picture:
    picture = Picture("A context asks the one that is a symbol shorter, down to none", 290)
    for row, context in enumerate((".emm", "emm", "mm", "m", "", "-")):
        y = 20 + row * 44
        if row < 4:
            picture.cells(150 - 30 * len(context), y, context, 30)
        else:
            picture.words(150, y + 20, "no context" if row == 4 else "nothing", "end")
        what = "counts, less a discount" if row < 5 else "1 / 27 for each symbol"
        picture.words(172, y + 20, what, "start")
        if row < 5:
            picture.arrow((250, y + 28), (250, y + 48), "red")
            picture.words(262, y + 43, "the rest", "start red")
    return picture


def graph() -> Picture:
    """Shows d = a * b + c with the gradient of d below each value."""
    a, b, c = 2, -3, 10
    values = {"a": (70, 46, a, b), "b": (70, 136, b, a), "e": (210, 92, a * b, 1),
              "c": (210, 186, c, 1), "d": (350, 140, a * b + c, 1)}  # fmt: skip
    picture = Picture("A graph of a times b plus c, each value with its gradient", 236)
    picture.arrow((116, 54), (162, 84))
    picture.arrow((116, 146), (162, 112))
    picture.arrow((256, 102), (302, 132))
    picture.arrow((256, 196), (302, 160))
    picture.words(138, 104, "×")
    picture.words(276, 152, "+")
    for name, (x, y, value, gradient) in values.items():
        picture.box(x - 46, y - 26, 92, 50)
        picture.words(x, y - 7, f"{name} = {value}".replace("-", "−"))
        picture.words(x, y + 15, f"d/d{name}: {gradient}".replace("-", "−"), "red")
    return picture


def block() -> Picture:
    picture = Picture(
        "A block of a transformer: attention and an MLP, each added to the stream", 312
    )
    picture.line([(90, 284), (90, 60)], "blue thick")
    picture.arrow((90, 60), (90, 34), "blue thick")
    picture.words(104, 30, "stream to the next block", "start")
    picture.words(20, 303, "stream x (B, T, n_embd)", "start")
    for bottom, name in ((262, "attention"), (152, "MLP")):
        picture.line([(90, bottom), (158, bottom)])
        picture.arrow((158, bottom), (168, bottom))
        picture.box(170, bottom - 20, 96, 38, "layer norm")
        picture.arrow((267, bottom), (284, bottom))
        picture.box(286, bottom - 20, 104, 38, name, "soft red")
        picture.line([(338, bottom - 20), (338, bottom - 50), (120, bottom - 50)])
        picture.arrow((120, bottom - 50), (106, bottom - 50))
        picture.plus(90, bottom - 50)
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "residual": residual, "attention": attention, "causal-mask": causal_mask, "norms": norms,
    "rnn": rnn, "gru": gru, "dilated": dilated, "backoff": backoff, "graph": graph,
    "block": block,
}  # fmt: skip
