"""Draws the pictures of docs/glossary.md. Their numbers are computed, not typed.

python docs/glossary/pictures.py            write them
python docs/glossary/pictures.py --check    exit 1, naming those that would be others
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import networks
from canvas import Picture

FOLDER = Path(__file__).resolve().parent
NEXT = (0.45, 0.25, 0.15, 0.10, 0.05)  # of five symbols, the example for top-k and its kin


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(logit / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def context() -> Picture:
    picture = Picture("A window of three symbols slides over .emma. and asks for the next", 232)
    picture.words(133, 28, "context: block size 3")
    picture.words(327, 28, "next symbol")
    row = "...emma."
    for step in range(5):
        y = 44 + step * 36
        picture.cells(73, y, row[step : step + 3], 40)
        picture.arrow((205, y + 15), (295, y + 15))
        picture.box(307, y, 40, 30, row[step + 3], "soft blue", "mono")
    return picture


def one_hot() -> Picture:
    picture = Picture("A one-hot row times a table gives one row of the table", 246)
    picture.words(95, 30, "one-hot, id 2")
    picture.words(265, 30, "table (5, 3)")
    for row in range(5):
        y, chosen = 74 + row * 30, row == 2
        kind = "soft blue" if chosen else ""
        picture.cells(220, y, [str(3 * row + column + 1) for column in range(3)], 30, kind)
    picture.cells(20, 134, "00100", 30)
    picture.words(195, 155, "×")
    picture.words(328, 155, "=")
    picture.cells(344, 134, "789", 22, "soft blue")
    return picture


def embedding() -> Picture:
    """Shows rows of lesson 3's table as it is at the start, and where they lie."""
    import torch  # for its random numbers alone

    generator = torch.Generator().manual_seed(2147483647)
    table = torch.randn((27, 2), generator=generator).tolist()
    picture = Picture("Rows of a table of two numbers each are points on a map", 240)
    picture.words(95, 28, "table (27, 2)")
    picture.words(320, 28, "the same as points")
    picture.box(230, 42, 180, 180, "", "")
    picture.line([(230, 132), (410, 132)], "dash")
    picture.line([(320, 42), (320, 222)], "dash")
    for row, symbol in enumerate(".aemn"):
        x, y = table[0 if symbol == "." else ord(symbol) - 96]
        top = 42 + 36 * row
        picture.words(28, top + 20, symbol, "mono")
        picture.box(44, top, 70, 30, f"{x:.2f}".replace("-", "−"), "soft", "mono")
        picture.box(114, top, 70, 30, f"{y:.2f}".replace("-", "−"), "soft", "mono")
        left, height = 320 + 30 * x, 132 - 30 * y
        picture.dot(left, height)
        picture.words(left + 12, height + 5, symbol, "mono")
    return picture


def softmax_picture() -> Picture:
    logits = (2, 1, 0)
    picture = Picture("Softmax of the logits 2, 1, 0 as bars", 168)
    for x, head in ((40, "logit"), (125, "e^logit"), (320, "probability")):
        picture.words(x, 28, head)
    for row, (logit, share) in enumerate(zip(logits, softmax(logits), strict=True)):
        y = 62 + row * 40
        picture.words(40, y, str(logit), "mono")
        picture.words(125, y, f"{math.exp(logit):.3f}", "mono")
        picture.box(190, y - 18, 130 * share, 25, "", "full blue")
        picture.words(410, y, f"{share:.4f}", "mono end")
    return picture


def temperature() -> Picture:
    picture = Picture("Softmax of 2, 1, 0 at temperature 0.5, 1 and 2", 190)
    for group, warmth in enumerate((0.5, 1, 2)):
        left = 8 + 138 * group
        picture.words(left + 62, 30, f"temperature {warmth}")
        for place, share in enumerate(softmax((2, 1, 0), warmth)):
            x, height = left + 5 + 42 * place, 100 * share
            picture.box(x, 160 - height, 30, height, "", "full blue")
            picture.words(x + 15, 178, f"{share:.2f}", "mono")
    return picture


def top_k_p() -> Picture:
    picture = Picture("Which of five symbols top-k 2, top-p 0.8 and min-p 0.2 keep", 200)
    kept = {
        "top-k 2": [place < 2 for place in range(5)],
        "top-p 0.8": [sum(NEXT[:place]) < 0.8 for place in range(5)],
        "min-p 0.2": [share >= 0.2 * NEXT[0] for share in NEXT],
    }
    for group, (name, keeps) in enumerate(kept.items()):
        left = 12 + 136 * group
        picture.words(left + 62, 30, name)
        for place, (share, keep) in enumerate(zip(NEXT, keeps, strict=True)):
            x, height = left + 25 * place, 250 * share
            picture.box(x + 2, 165 - height, 20, height, "", "full blue" if keep else "dash")
            picture.words(x + 12, 185, "abcde"[place], "mono")
    return picture


def sampling() -> Picture:
    picture = Picture("A random number from 0 to 1 falls into the range of one symbol", 150)
    edge, scale, drawn = 0.0, 380, 0.7
    for symbol, share in zip("abc", softmax((2, 1, 0)), strict=True):
        kind = "soft blue" if edge <= drawn < edge + share else "soft"
        picture.box(20 + scale * edge, 60, scale * share, 40, symbol, kind, "mono")
        picture.words(20 + scale * edge, 124, f"{edge:.2f}".removesuffix(".00"), "mono")
        edge += share
    picture.words(20 + scale, 124, "1", "mono")
    picture.words(20 + scale * drawn, 26, f"random number {drawn}: b")
    picture.arrow((20 + scale * drawn, 34), (20 + scale * drawn, 58), "red")
    return picture


def split() -> Picture:
    picture = Picture("Eight tenths of the lines to learn from, one to choose, one to report", 150)
    for name, use, kind, left, width in (
        ("train: 80 %", "learn from it", "blue", 20, 304), ("val", "choose", "green", 324, 38),
        ("test", "report", "red", 362, 38),
    ):  # fmt: skip
        picture.box(left, 56, width, 44, "", f"soft {kind}")
        picture.words(left + width / 2, 46, name, kind)
        place, anchor = {"val": (348, " end"), "test": (362, " start")}.get(name, (150, ""))
        picture.words(place, 124, use, kind + anchor)
    return picture


def schedule() -> Picture:
    """Draws the factors of the peak rate by the code of the training itself."""
    from makemore.training import TrainingConfig
    from makemore.training.optimizers import lr_factor

    picture = Picture("Learning rate by step: constant, step, linear and cosine", 220)
    picture.line([(50, 30), (50, 180), (400, 180)])
    picture.words(225, 206, "step")
    picture.words(42, 50, "peak", "end")
    picture.words(42, 185, "0", "end")
    names = (("constant", "line", 330, 36), ("step", "red", 250, 84), ("linear", "blue", 140, 128),
             ("cosine", "green", 190, 66))  # fmt: skip
    for name, kind, x, y in names:
        recipe = TrainingConfig(schedule=name)
        points = [(50 + at, 180 - 135 * lr_factor(recipe, at, 350)) for at in range(0, 351, 7)]
        picture.line(points, f"{kind} thick")
        picture.words(x, y, name, "" if kind == "line" else kind)
    return picture


def overfitting() -> Picture:
    picture = Picture(
        "Train loss falls on, validation loss turns up: the best step is between", 224
    )
    picture.line([(40, 24), (40, 186), (400, 186)])
    picture.words(220, 212, "steps")
    picture.words(46, 34, "loss", "start")
    steps = [at / 50 for at in range(51)]
    train = [math.exp(-3 * at) + 0.1 - 0.06 * at for at in steps]
    val = [math.exp(-5 * at) + 0.32 + 0.3 * at * at for at in steps]
    best = min(range(51), key=val.__getitem__)
    for curve, kind in ((train, "blue"), (val, "red")):
        pairs = zip(steps, curve, strict=True)
        picture.line([(40 + 350 * at, 186 - 115 * loss) for at, loss in pairs], f"{kind} thick")
    x, y = 40 + 350 * steps[best], 186 - 115 * val[best]
    picture.line([(x, 40), (x, 186)], "dash")
    picture.dot(x, y, 5, "full red")
    picture.words(x + 8, 52, "keep these weights", "start")
    picture.words(392, 108, "val", "end red")
    picture.words(392, 164, "train", "end blue")
    picture.words(110, 176, "underfits")
    picture.words(322, 152, "overfits")
    return picture


def saturation() -> Picture:
    picture = Picture("tanh is flat where its value is beyond 0.97: no gradient comes back", 220)
    flat = math.atanh(0.97)
    for left, right in ((-4, -flat), (flat, 4)):
        picture.box(210 + 46 * left, 24, 46 * (right - left), 160, "", "soft")
    picture.line([(26, 104), (394, 104)])
    picture.line([(210, 24), (210, 184)])
    points = [(210 + 4.6 * x, 104 - 70 * math.tanh(x / 10)) for x in range(-40, 41)]
    picture.line(points, "blue thick")
    picture.words(216, 42, "1", "start")
    picture.words(204, 178, "−1", "end")
    picture.words(210 + 46 * 3.05, 130, "slope")
    picture.words(210 + 46 * 3.05, 150, f"< {1 - 0.97**2:.2f}")
    picture.words(210 - 46 * 3.05, 70, "flat")
    picture.words(210, 208, f"input: flat beyond {flat:.2f} and below −{flat:.2f}")
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "context": context, "one-hot": one_hot, "embedding": embedding, "softmax": softmax_picture,
    "temperature": temperature, "top-k-p": top_k_p, "sampling": sampling, "split": split,
    "schedule": schedule, "overfitting": overfitting, "saturation": saturation,
    **networks.PICTURES,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    bad = 0
    for name, draw in PICTURES.items():
        path, text = FOLDER / f"{name}.svg", draw().svg()
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"docs/glossary/{path.name} is not what it would be: "
                  "python docs/glossary/pictures.py draws it", file=sys.stderr)  # fmt: skip
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
