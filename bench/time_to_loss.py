"""How soon a training reaches the loss of the original's: ours, and the original's own.

    python bench/time_to_loss.py --names names.txt [--original makemore/makemore.py] [--json OUT]
    python bench/time_to_loss.py --names names.txt --held-out [--max-steps N]     to choose by

The test is a stopwatch and chooses nothing. Options, the number of steps among them, are chosen
with --held-out: there a tenth of the train part is the stopwatch, and the test is not read.
Every training is a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from curve import Curve
from makemore.corpus import Corpus, Split
from makemore.estimator import MakeMore
from makemore.evaluate import score
from makemore.models.neural import NeuralModel
from makemore.optim import make_optimizers
from makemore.runtime import threads
from makemore.train import train_steps
from measure import Bench, Row, parser, spread, threads_of, words_of
from splits import distinct_42, original
from trained import begun

HERE = Path(__file__).resolve().parent
MODEL = "transformer"
TARGET = 1.97  # nats a symbol: the original's best on its test is 1.9655
BUDGET = 60.0  # seconds
WARM = 10  # steps before those by which a budget is turned into steps


def held_out(parts: Split) -> Split:
    """A tenth of the train part in place of the test, which is left out."""
    rows = list(range(len(parts.train)))
    random.Random(0).shuffle(rows)
    tenth = len(rows) // 10
    train, test = np.sort(rows[tenth:]), np.sort(rows[:tenth])
    return Split(parts.train.take(train), parts.val, parts.train.take(test))


def train(maker: MakeMore, stopwatch: Corpus, curve: Curve, every: int, limit: float) -> None:
    """Train as begun; the nll of `stopwatch` lines every so many steps, off the clock.

    Ends with the recipe's steps, once the curve's target is passed, or after `limit` seconds.
    """
    model, plan = maker.model_, maker.plan_
    assert isinstance(model, NeuralModel) and plan is not None
    recipe, batches, seconds = plan.recipe, maker.batches(), 0.0
    with threads(plan.config.threads):
        began = time.perf_counter()
        for event in train_steps(model, make_optimizers(model, recipe), batches, recipe):
            seconds += time.perf_counter() - began
            if event.step % every == 0 or event.step == recipe.max_steps:
                nll = score(model, plan.vocabulary, stopwatch).mean()
                assert nll is not None
                curve.add(event.step, seconds, nll)
                if nll <= curve.target or seconds >= limit:
                    return
            began = time.perf_counter()


def steps_in(seconds: float, parts: Split, threads: int | None) -> int:
    """How many steps the budget has room for, by some that are thrown away."""
    curve = Curve(0.0, 0.0)
    steps = 4 * WARM
    train(
        begun(MODEL, parts, max_steps=steps, threads=threads),
        parts.test.take(slice(10)),
        curve,
        WARM,
        1e9,
    )
    (first, began, _), (last, ended, _) = curve.points[0], curve.points[-1]
    return max(1, int(seconds * (last - first) / (ended - began)))


def ours(words: list[str], options: argparse.Namespace) -> Row:
    """One training of ours, in a process of its own, on the clock that `--side` names."""
    parts = distinct_42(words) if options.side == "distinct-42" else original(words)
    if options.held_out:
        parts = held_out(parts)
    limited = options.side != "target"
    asked: dict[str, Any] = {"seed": options.seed, "threads": options.threads}
    if limited:
        asked["max_steps"] = steps_in(options.budget, parts, options.threads)
    elif options.max_steps:
        asked["max_steps"] = options.max_steps
    curve = Curve(0.0 if limited else options.target, options.budget)
    maker = begun(MODEL, parts, **asked)
    # A budget is looked at once, at its end; the way to a target often.
    every = 10**9 if limited else options.every
    train(maker, parts.test, curve, every, options.limit)
    val = maker.report("val")["nll"] if len(parts.val) else None
    planned = maker.plan_.recipe.max_steps if maker.plan_ else None
    return {**curve.told(), "val": val, "planned": planned}


def child(script: str, arguments: list[str]) -> Row:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def chain(options: argparse.Namespace) -> list[tuple[str, Row]]:
    """All trainings, one after the other; the original's in the middle of ours."""
    common = ["--target", str(options.target), "--budget", str(options.budget),
              "--limit", str(options.limit)]  # fmt: skip
    common += ["--names", options.names] if options.names else []
    found = []
    sides = [("ours", number) for number in range(options.times)]
    if options.original:
        sides.insert((options.times + 1) // 2, ("original", 0))
    for side in ("budget", "distinct-42"):
        sides.append((side, 0))
    for side, number in sides:
        if side == "original":
            found.append((side, child("original.py", ["--original", options.original, *common])))
            continue
        own = ["--side", "target" if side == "ours" else side, "--seed", str(3407 + number),
               "--every", str(options.every)]  # fmt: skip
        own += ["--max-steps", str(options.max_steps)] if options.max_steps else []
        if threads_of(options):
            own += ["--threads", str(threads_of(options))]
        own += ["--held-out"] if options.held_out else []
        found.append((side, child("time_to_loss.py", [*common, *own])))
        print(f"{side} {number}: {found[-1][1]}", file=sys.stderr, flush=True)
    return found


def table(found: list[tuple[str, Row]], target: float, part: str) -> list[Row]:
    """The rows of the page: seconds to the target, then what the budget gave."""
    by_side = {side: [row for name, row in found if name == side] for side, _ in found}
    rows = []
    for side in ("ours", "original"):
        runs = by_side.get(side, [])
        reached = [run for run in runs if run["seconds"] is not None]
        if runs:
            rows.append({
                "side": side, "split": "original", "measured": f"until {part} {target:g}",
                "trainings": len(runs), "that reached it": len(reached),
                "seconds": spread(run["seconds"] for run in reached) if reached else None,
                "steps": spread(run["steps"] for run in reached) if reached else None,
                "steps planned": runs[0].get("planned"),
            })  # fmt: skip
        if side == "original" and runs:
            rows.append(after_budget(side, "original", part, runs[0]["budget"], runs[0]))
    for side, split in (("budget", "original"), ("distinct-42", "distinct-42")):
        run = by_side[side][0]
        rows.append(after_budget("ours", split, part, run["nll at the end"], run))
    return rows


def after_budget(side: str, split: str, part: str, nll: float | None, run: Row) -> Row:
    """What a training had reached when the budget was over (the original's goes on)."""
    done = side == "ours"
    return {
        "side": side, "split": split, "measured": "after the budget", "trainings": 1,
        "seconds": run["seconds in all"] if done else None,
        "steps": run["steps in all"] if done else None,
        "steps planned": run.get("planned"), "nll val": run.get("val"), f"nll {part}": nll,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--original", help="makemore.py of a clone, which is run unchanged")
    own.add_argument("--target", type=float, default=TARGET, help="nll of the test to reach")
    own.add_argument("--budget", type=float, default=BUDGET, help="seconds of the other trainings")
    own.add_argument("--times", type=int, default=5, help="trainings of ours, a seed each")
    own.add_argument("--max-steps", type=int, help="of ours (default: the recipe's)")
    own.add_argument("--every", type=int, default=10, help="steps between looks at the stopwatch")
    own.add_argument("--limit", type=float, default=1200.0, help="give up after these seconds")
    own.add_argument("--held-out", action="store_true", help="a tenth of train instead of the test")
    own.add_argument("--side", help=argparse.SUPPRESS)
    own.add_argument("--seed", type=int, default=3407, help=argparse.SUPPRESS)
    options = own.parse_args(arguments)
    if options.side:
        print(json.dumps(ours(words_of(options), options)))
        return
    if options.short:
        options.target, options.budget, options.times, options.max_steps = 2.9, 1.0, 1, 20
    options.names = options.names or os.environ.get("MAKEMORE_NAMES")
    if options.original and not options.names:
        own.error("--original reads a file: give --names")
    bench = Bench("time_to_loss", options)
    bench.settings = {"model": MODEL, "target": options.target, "budget": f"{options.budget:g} s"}
    for row in table(chain(options), options.target, "held-out" if options.held_out else "test"):
        bench.add(row)
    bench.finish()


if __name__ == "__main__":
    main()
