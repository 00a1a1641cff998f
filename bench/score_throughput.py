"""How many lines a second each model scores.

python bench/score_throughput.py --names names.txt [--models gru] [--json OUT]
"""

from __future__ import annotations

import numpy as np

from makemore.models.core.neural import NeuralModel
from makemore.models.core.registry import model_names
from measure import Bench, Row, alternating, parser, per, seconds_of, words_of
from operations import FORWARD, operations
from splits import by_hash
from trained import trained


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: all)")
    options = own.parse_args(arguments)
    chosen = options.models.split(",") if options.models else model_names()
    n, times = (500, 2) if options.short else (10_000, 7)
    bench = Bench("score_throughput", options)
    peak = bench.see_peak(2 if options.short else 10)
    words = words_of(options)
    parts = by_hash(words)
    lines = words[:n]
    makers = {name: trained(name, parts, options) for name in chosen}
    for maker in makers.values():
        maker.score_samples(lines)  # the first call sets up
    sides = {
        name: lambda maker=maker: seconds_of(lambda: maker.score_samples(lines))
        for name, maker in makers.items()
    }
    targets = np.array([len(line) + 1 for line in lines], dtype=np.int64)
    bench.settings = {"lines": len(lines), "symbols": int(targets.sum()), "repetitions": times}
    for name, seconds in alternating(sides, times).items():
        entry: Row = {
            "model": name, "seconds": seconds, "lines a second": per(len(lines), seconds),
            "symbols a second": per(float(targets.sum()), seconds), "MFU": None,
        }  # fmt: skip
        model = makers[name].model_
        if isinstance(model, NeuralModel):
            needed = operations(model, targets, FORWARD)
            entry["MFU"] = needed / seconds["median"] / peak
        bench.add(entry)
    bench.finish()


if __name__ == "__main__":
    main()
