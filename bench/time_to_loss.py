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
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from curve import Curve
from makemore.api.estimator import MakeMore
from makemore.models.core.neural import NeuralModel
from makemore.scoring.scorer import score
from makemore.text.corpus import Corpus
from makemore.training.device import threads
from makemore.training.optimizers import make_optimizers
from makemore.training.trainer import train_steps
from measure import Bench, Row, parser, per, spread, threads_of, words_of
from splits import held_out, original
from trained import begun

HERE = Path(__file__).resolve().parent
MODEL = "transformer"
TARGET = 1.97  # nats a symbol: the original's best on its test is 1.9655
# A short training: no line is seen often enough to need dropout, and higher rates learn sooner.
# Chosen with --held-out.
QUICK = {
    "max_steps": 285, "batch_size": 128, "dropout": 0.0, "muon_learning_rate": 0.05,
    "learning_rate": 0.04,
}  # fmt: skip


def train(maker: MakeMore, stopwatch: Corpus, curve: Curve, every: int, limit: float) -> None:
    """Train as begun; the nll of `stopwatch` lines every so many steps, off the clock.

    Ends with the recipe's steps, once the curve's target is passed, or after `limit` seconds.
    """
    model, plan = maker.model_, maker.plan_
    assert isinstance(model, NeuralModel) and plan is not None
    recipe, batches, seconds = plan.recipe, maker.batches(), 0.0
    with threads(plan.config.threads):
        began = time.perf_counter()  # what makes the soft targets is part of the training
        events = train_steps(
            model,
            make_optimizers(model, recipe),
            batches,
            recipe,
            soft_targets=maker.soft_targets(),
        )
        for event in events:
            seconds += time.perf_counter() - began
            if event.step % every == 0 or event.step == recipe.max_steps:
                nll = score(model, plan.vocabulary, stopwatch).mean()
                assert nll is not None
                curve.add(event.step, seconds, nll)
                if nll <= curve.target or seconds >= limit:
                    return
            began = time.perf_counter()


def ours(words: list[str], options: argparse.Namespace) -> Row:
    """One training of ours, in a process of its own."""
    parts = original(words)
    if options.held_out:
        parts = held_out(parts)
    asked: dict[str, Any] = {**QUICK, "seed": options.seed, "threads": options.threads}
    if options.max_steps:
        asked["max_steps"] = options.max_steps
    curve = Curve(options.target)
    train(begun(MODEL, parts, **asked), parts.test, curve, options.every, options.limit)
    return {**curve.told(), "planned": asked["max_steps"]}


def child(script: str, arguments: list[str]) -> Row:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def chain(options: argparse.Namespace) -> list[tuple[str, Row]]:
    """All trainings, one after the other; the original's in the middle of ours."""
    common = ["--target", str(options.target), "--limit", str(options.limit)]
    common += ["--names", options.names] if options.names else []
    found = []
    sides = [("ours", number) for number in range(options.times)]
    if options.original:
        sides.insert((options.times + 1) // 2, ("original", 0))
    for side, number in sides:
        if side == "original":
            found.append((side, child("original.py", ["--original", options.original, *common])))
            continue
        own = ["--side", "ours", "--seed", str(3407 + number), "--every", str(options.every)]
        own += ["--max-steps", str(options.max_steps)] if options.max_steps else []
        if threads_of(options):
            own += ["--threads", str(threads_of(options))]
        own += ["--held-out"] if options.held_out else []
        found.append((side, child("time_to_loss.py", [*common, *own])))
        print(f"{side} {number}: {found[-1][1]}", file=sys.stderr, flush=True)
    return found


def table(found: list[tuple[str, Row]], target: float, part: str) -> list[Row]:
    """The rows of the page: seconds to the target, and how many times sooner."""
    by_side = {side: [row for name, row in found if name == side] for side, _ in found}
    spreads = {
        side: spread(run["seconds"] for run in runs if run["seconds"] is not None)
        for side, runs in by_side.items()
        if any(run["seconds"] is not None for run in runs)
    }
    rows = []
    for side, runs in by_side.items():
        reached = [run for run in runs if run["seconds"] is not None]
        both = len(spreads) == 2 and side == "ours"
        rows.append({
            "side": side, "measured": f"until {part} {target:g}", "trainings": len(runs),
            "that reached it": len(reached), "seconds": spreads.get(side),
            "steps": spread(run["steps"] for run in reached) if reached else None,
            "steps planned": runs[0].get("planned"),
            "times sooner": per(spreads["original"]["median"], spreads[side]) if both else None,
        })  # fmt: skip
    return rows


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--original", help="makemore.py of a clone, which is run unchanged")
    own.add_argument("--target", type=float, default=TARGET, help="nll of the test to reach")
    own.add_argument("--times", type=int, default=5, help="trainings of ours, a seed each")
    own.add_argument("--max-steps", type=int, help=f"of ours (default: {QUICK['max_steps']})")
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
        options.target, options.times, options.max_steps = 2.9, 1, 20
    options.names = options.names or os.environ.get("MAKEMORE_NAMES")
    if options.original and not options.names:
        own.error("--original reads a file: give --names")
    bench = Bench("time_to_loss", options)
    bench.settings = {"model": MODEL, "target": options.target, "ours": QUICK}
    for row in table(chain(options), options.target, "held-out" if options.held_out else "test"):
        bench.add(row)
    bench.finish()


if __name__ == "__main__":
    main()
