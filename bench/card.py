"""How fast makemore is on a graphics card, and the original beside it: under five minutes.

    python3 bench/card.py --names names.txt [--original makemore/makemore.py] [--json OUT]
    python3 bench/card.py --device cpu --short       the whole script without a card, in seconds

It runs by the python3 at hand, whose torch knows the card, and installs nothing. A part that fails
or takes too long says so, and the next one follows; the record is written after each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # makemore need not be installed

import torch  # noqa: E402

from card_original import Original  # noqa: E402
from makemore import MakeMore  # noqa: E402
from makemore.models.ensemble import Ensemble  # noqa: E402
from measure import Bench, Row, parser, per, seconds_of, spread, words_of  # noqa: E402
from operations import TRAINING, operations, targets_of  # noqa: E402
from sample_throughput import draw as draw_names  # noqa: E402
from splits import by_hash  # noqa: E402
from train_throughput import Pace  # noqa: E402
from trained import begun  # noqa: E402

TOTAL = 290  # seconds for all parts
BATCHES, SHORT_BATCHES = (256, 2048, 8192), (32, 64)
WIDE = {"n_layer": 8, "n_embd": 512, "n_head": 8}
SHORT_WIDE = {"n_layer": 2, "n_embd": 32, "n_head": 2}
DRAWN, SHORT_DRAWN = {20: 5, 1_000: 5, 100_000: 2, 1_000_000: 1}, {20: 1, 200: 1}  # repetitions
SCORED, SHORT_SCORED = 1_000_000, 500  # lines
MEMBERS = ", ".join(Ensemble.Options().members.split(", ")[:8])
SHORT_MEMBERS = "ngram order=3, gru n_hidden=8"
FEW = {"max_steps": 5, "n_layer": 1, "n_embd": 16, "n_head": 2, "batch_size": 32}  # if short


class TimeUp(Exception):
    """A part has used its time."""


class CardPace(Pace):
    """A training that goes on by a few steps at a time, timed until the card has taken them."""

    def go(self, steps: int) -> float:
        began = time.perf_counter()
        super().go(steps)
        wait_for(self.model.device)
        return (time.perf_counter() - began) / steps


def wait_for(device: torch.device) -> None:
    """Wait until a card has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Card:
    """What the parts share: the lines, the device, a trained model, and the rows they add."""

    def __init__(self, options: argparse.Namespace, bench: Bench, folder: Path) -> None:
        self.options, self.bench, self.folder = options, bench, folder
        self.words, self.short, self.device = words_of(options), options.short, options.device
        self.parts = by_hash(self.words)
        self.names = folder / "names.txt"
        self.names.write_text("\n".join(self.words) + "\n", encoding="utf-8")

    def add(self, what: str, unit: str, times: dict[str, float], **more: Any) -> None:
        """A row: how long it took, in ms or s, and what follows from that."""
        self.bench.add({"what": what, "unit": unit, "time": times, **more})

    @cached_property
    def fitted(self) -> MakeMore:
        """The default model, trained on the device by its recipe."""
        few: dict[str, Any] = FEW if self.short else {}
        return MakeMore("transformer", random_state=1, device=self.device, **few).fit(self.words)


# -- the parts ------------------------------------------------------------------------------------


def train(card: Card) -> None:
    """The command that a person types, from its start to its 20 names."""
    command = [sys.executable, "-m", "makemore", "train", str(card.names), "--device", card.device]
    short = "--model transformer --n-layer 1 --n-embd 16 --n-head 2".split()
    around = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    around["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT / "src"), around.get("PYTHONPATH")])
    )

    def run(name: str, *more: str) -> str:
        folder = str(card.folder / name)
        done = subprocess.run(
            [*command, "-o", folder, *more], env=around, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return done.stdout

    run("warm", *short, "--max-steps", "5")  # writes the bytecode of what it imports
    more = [*short, "--max-steps", "5"] if card.short else []
    seconds = seconds_of(lambda: names_of(run("run", *more)))
    logged = (card.folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [entry["nll"] for entry in map(json.loads, logged) if entry["kind"] == "val"]
    what = "`makemore train names.txt`, from typing to 20 names"
    card.add(what, "s", spread([seconds]), **{"nll val": min(losses)})


def names_of(shown: str) -> list[str]:
    lines = shown.splitlines()
    assert len(lines) == 20, f"{len(lines)} names"
    return lines


def step(card: Card) -> None:
    """A step of the default model, for batches of different sizes."""
    for size in SHORT_BATCHES if card.short else BATCHES:
        paced(card, "a training step", size, {})


def wide(card: Card) -> None:
    """A step of a model that is wide enough for the card's matrix units."""
    sizes = SHORT_WIDE if card.short else WIDE
    what = f"a step of {sizes['n_layer']} layers of {sizes['n_embd']} channels"
    paced(card, what, SHORT_BATCHES[0] if card.short else BATCHES[-1], sizes)


def paced(card: Card, what: str, size: int, sizes: dict[str, int]) -> None:
    """Add the row of a training step: ms, symbols a second, TFLOP/s."""
    warm, steps, times = (2, 2, 2) if card.short else (40, 30, 5)
    size = min(size, len(card.parts.train))
    asked = {"batch_size": size, "max_steps": warm + steps * times, "device": card.device, **sizes}
    pace = CardPace(begun("transformer", card.parts, **asked))
    pace.go(warm)
    ms = spread(1000 * pace.go(steps) for _ in range(times))
    targets = [targets_of(pace.batches(number)) for number in range(5)]
    symbols = sum(float(part.sum()) for part in targets) / 5
    needed = sum(operations(pace.model, part, TRAINING) for part in targets) / 5
    card.add(
        f"{what}, {size:,} lines", "ms", ms, per="symbols",
        **{"a second": per(1000 * symbols, ms), "TFLOP/s": needed / ms["median"] / 1e9},
    )  # fmt: skip


def draw(card: Card) -> None:
    """New names of the trained model, each once."""
    draw_names(card.fitted, 20, 0)  # the first call imports and sets up
    for n, times in (SHORT_DRAWN if card.short else DRAWN).items():
        found = [draw_names(card.fitted, n, seed) for seed in range(1, times + 1)]
        assert all(len(set(lines)) == n for _, lines, _ in found)
        seconds = spread(took for took, _, _ in found)
        card.add(f"{n:,} new names", "s", seconds, per="names", **{"a second": per(n, seconds)})


def score(card: Card) -> None:
    """Lines of the text, drawn with copies, in one call."""
    n = SHORT_SCORED if card.short else SCORED
    lines = random.Random(0).choices(card.words, k=n)
    card.fitted.score_samples(lines[: n // 10])
    took = [seconds_of(lambda: card.fitted.score_samples(lines)) for _ in range(3)]
    seconds = spread(took)
    card.add(f"{n:,} lines scored", "s", seconds, per="lines", **{"a second": per(n, seconds)})


def ensemble(card: Card) -> None:
    """A mixture of counts and networks, trained one after the other."""
    members, few = (SHORT_MEMBERS, {"max_steps": 5}) if card.short else (MEMBERS, {})
    maker = MakeMore("ensemble", random_state=1, members=members, device=card.device, **few)
    seconds = spread([seconds_of(lambda: maker.fit(card.words))])
    nll = maker.report("val")["nll"]
    card.add(f"an ensemble of {members.count(',') + 1} members", "s", seconds, **{"nll val": nll})


def original(card: Card) -> None:
    """The original's own step and generate(), unchanged, on the same device."""
    if card.options.original is None:
        print("without --original there are no rows of it", file=sys.stderr)
        return
    theirs = Original(Path(card.options.original), card.names, torch.device(card.device))
    steps, times = (2, 2) if card.short else (50, 5)
    for size in (32, *(SHORT_BATCHES if card.short else BATCHES)[:1]):
        theirs.begin(size, workers=0 if card.short else 4)
        theirs.go(5)
        ms = spread(1000 * theirs.go(steps) for _ in range(times))
        symbols = per(1000 * theirs.symbols_a_step, ms)
        what = f"the original's step, {size:,} lines"
        card.add(what, "ms", ms, per="symbols", **{"a second": symbols})
    for n in (20, 200) if card.short else (1_000, 100_000):
        theirs.generate(20)
        seconds = spread(seconds_of(lambda n=n: theirs.generate(n)) for _ in range(3))
        what = f"the original's generate(), {n:,} draws"
        card.add(what, "s", seconds, per="draws", **{"a second": per(n, seconds)})


# In this order, each with the seconds that it may take.
PARTS: dict[str, tuple[Callable[[Card], None], int]] = {
    "train": (train, 80), "step": (step, 60), "draw": (draw, 80), "score": (score, 60),
    "wide": (wide, 60), "original": (original, 50), "ensemble": (ensemble, 120),
}  # fmt: skip


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeUp inside `with` after so many seconds."""

    def up(*_: object) -> None:
        raise TimeUp(f"more than {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measured(card: Card, name: str, seconds: float) -> bool:
    """Measure a part, and write the record; whether it did not fail."""
    part, limit = PARTS[name]
    try:
        with within(min(limit, seconds)):
            part(card)
    except Exception as error:  # whatever it is, the other parts go on
        reason = str(error).partition("\n")[0]
        row: Row = {"what": f"{name} failed", "why": f"{type(error).__name__}: {reason}"}
        card.bench.add(row)
        return False
    finally:
        card.bench.write()
        if torch.cuda.is_initialized():
            with suppress(RuntimeError):  # the context may be lost: the record is written
                torch.cuda.empty_cache()
    return True


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    own.add_argument("--parts", default=",".join(PARTS), help="names, comma-separated")
    own.add_argument("--original", help="the original's makemore.py, of a clone")
    options = own.parse_args(arguments)
    chosen = options.parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch sees no graphics card here; --device cpu --short tries the script")
    bench = Bench("card", options)
    bench.settings = settings(options.device)
    began, works = time.monotonic(), True
    with tempfile.TemporaryDirectory() as folder:
        card = Card(options, bench, Path(folder))
        for name in chosen:
            works &= measured(card, name, TOTAL - (time.monotonic() - began))
    bench.finish()
    sys.exit(0 if works else 1)


def settings(device: str) -> dict[str, Any]:
    """The card and what drives it."""
    if not device.startswith("cuda"):
        return {"card": f"none ({device})"}
    memory = torch.cuda.get_device_properties(device).total_memory
    name = torch.cuda.get_device_name(device)
    return {"card": name, "card_gb": round(memory / 2**30, 1), "cuda": torch.version.cuda}


if __name__ == "__main__":
    main()
