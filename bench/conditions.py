"""What conditions cost: new names a second under each, beside free sampling.

python bench/conditions.py --names names.txt [--models transformer,ngram] [--json OUT]
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.parallel import default_threads
from makemore.sampling.sampler import Sampler
from measure import Bench, Row, parser, per, spread, threads_of, words_of
from splits import by_hash
from trained import trained

# By what is asked for: the share of free sampling that it has to reach.
ASKED = {"prefix": 0.5, "suffix": 0.2, "pattern": 0.2, "contains": None}
REJECTION = 0.8  # of free sampling times the share of draws that pass


def conditions(words: list[str]) -> dict[str, str]:
    """Each with its value, in the case of the words."""
    found = {"prefix": "mar", "suffix": "son", "pattern": "[bcd].*a", "contains": "ann"}
    if not words[0].islower():
        found |= {"prefix": "Mar", "pattern": "[BCD].*a"}
    return found


class Timed:
    """Seconds of several draws under one condition, and what their last sampler tells."""

    def __init__(self, maker: MakeMore, n: int, sampling: Mapping[str, Any]) -> None:
        self.maker, self.n, self.sampling = maker, n, sampling
        self.seconds: list[float] = []
        self.sampler: Sampler | None = None
        self.found = n  # lines; fewer where there are no more

    def draw(self, seed: int) -> None:
        began = time.perf_counter()
        self.sampler = self.maker.sampler(seed, style="plain", **self.sampling)
        try:
            for _ in self.maker.drawn(self.sampler, self.n):
                pass
        except Unsatisfiable:
            self.found = min(self.found, self.sampler.tally.found)
        self.seconds.append(time.perf_counter() - began)

    def row(self, model: str, free: float) -> Row:
        """free: names a second without a condition."""
        assert self.sampler is not None
        rate = per(self.found, spread(self.seconds))
        shown = " ".join(f"--{key} {value}" for key, value in self.sampling.items())
        shown = shown.replace("--exact True", "--exact")
        passing = self.sampler.pass_rate
        kind = next(iter(self.sampling), "free")
        exact = self.sampler.exact
        return {
            "model": model, "condition": shown or "none", "names": self.found,
            "exact": exact, "sample size": None if exact else round(self.sampler.tally.effective),
            "share that passes": passing, "names a second": rate,
            "share of free": rate["median"] / free,
            "share of free asked for": ASKED.get(kind),
            "share of free and passing": rate["median"] / free / passing if exact else None,
        }  # fmt: skip


def measured(maker: MakeMore, n: int, times: int, values: Mapping[str, str]) -> list[Row]:
    """Free sampling and each condition, both ways, by turns."""
    sides: list[Mapping[str, Any]] = [{}]
    for key, value in values.items():
        sides += [{key: value}, {key: value, "exact": True}]
    timed = [Timed(maker, n, side) for side in sides]
    for side in timed:
        side.draw(0)
        side.seconds.clear()  # the first call imports and sets up
    for seed in range(1, times + 1):
        for side in timed:
            side.draw(seed)
    free = per(timed[0].found, spread(timed[0].seconds))["median"]
    return [side.row(maker.model, free) for side in timed]


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", default="transformer,ngram", help="names, comma-separated")
    options = own.parse_args(arguments)
    n, times = (20, 1) if options.short else (1_000, 5)
    bench = Bench("conditions", options)
    words = words_of(options)
    parts = by_hash(words)
    bench.settings = {
        "names": n, "repetitions": times, "threads": threads_of(options) or default_threads(),
        "asked of rejection": f"{REJECTION:.0%} of free times passing",
    }  # fmt: skip
    for name in options.models.split(","):
        for row in measured(trained(name, parts, options), n, times, conditions(words)):
            bench.add(row)
    bench.finish()


if __name__ == "__main__":
    main()
