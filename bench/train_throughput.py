"""How fast each neural model trains: symbols a second, seconds a step, the share of the peak.

python bench/train_throughput.py --names names.txt [--models gru,lstm] [--json OUT]
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from makemore import MakeMore
from makemore.models.core.base import CountModel
from makemore.models.core.neural import NeuralModel
from makemore.models.core.registry import get_model, model_names
from makemore.training.device import threads
from makemore.training.events import Step
from makemore.training.optimizers import make_optimizers
from makemore.training.trainer import train_steps
from measure import Bench, parser, per, spread, threads_of, words_of
from operations import TRAINING, operations, targets_of
from splits import by_hash
from trained import begun


class Pace:
    """A training that goes on by a few steps at a time: seconds, symbols, operations of each."""

    def __init__(self, maker: MakeMore) -> None:
        model, plan = maker.model_, maker.plan_
        assert isinstance(model, NeuralModel) and plan is not None
        self.model, self.recipe, self.threads = model, plan.recipe, plan.config.threads
        self.batches = maker.batches()
        self.events: Iterator[Step] = train_steps(
            model, make_optimizers(model, plan.recipe), self.batches, plan.recipe,
            soft_targets=maker.soft_targets(),
        )  # fmt: skip
        self.taken = 0

    def go(self, steps: int) -> float:
        """Seconds a step over so many more."""
        with threads(self.threads):
            began = time.perf_counter()
            for _ in range(steps):
                next(self.events)
            seconds = time.perf_counter() - began
        self.taken += steps
        return seconds / steps

    def work(self, first: int, steps: int) -> tuple[float, float]:
        """Symbols and operations a step, over so many steps from the first; makes batches again."""
        targets = [targets_of(self.batches(step)) for step in range(first, first + steps)]
        symbols = float(np.mean([part.sum() for part in targets]))
        return symbols, float(np.mean([operations(self.model, t, TRAINING) for t in targets]))


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: all that learn by steps)")
    options = own.parse_args(arguments)
    learning = (name for name in model_names() if not issubclass(get_model(name), CountModel))
    known = [
        name for name in learning if not get_model(name).is_ensemble
    ]  # an ensemble is several trainings
    chosen = options.models.split(",") if options.models else known
    warm, steps, times = (1, 2, 2) if options.short else (20, 30, 5)
    bench = Bench("train_throughput", options)
    parts, most = by_hash(words_of(options)), warm + steps * times
    paces = {
        name: Pace(begun(name, parts, threads=threads_of(options), max_steps=most))
        for name in chosen
    }
    found: dict[str, list[float]] = {name: [] for name in chosen}
    for pace in paces.values():
        pace.go(warm)
    for _ in range(times):  # by turns: what drifts, drifts for all
        for name, pace in paces.items():
            bench.see_peak()
            found[name].append(pace.go(steps))
    bench.settings = {"steps": steps, "repetitions": times, "training lines": len(parts.train)}
    for name, pace in paces.items():
        seconds = spread(found[name])
        symbols, needed = pace.work(warm, steps * times)
        assert bench.peak is not None
        bench.add({
            "model": name, "optimizer": pace.recipe.optimizer, "batch": pace.recipe.batch_size,
            "threads": pace.threads, "symbols a step": round(symbols),
            "ms a step": {k: v if k == "n" else 1000 * v for k, v in seconds.items()},
            "symbols a second": per(symbols, seconds), "MFLOP a step": needed / 1e6,
            "GFLOP/s": needed / seconds["median"] / 1e9,
            "MFU": needed / seconds["median"] / bench.peak,
        })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
