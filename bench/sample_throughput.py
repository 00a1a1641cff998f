"""How many new names a second each model gives, for few and for many.

python bench/sample_throughput.py --names names.txt [--models gru] [--json OUT]
"""

from __future__ import annotations

import time

import numpy as np

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.models.base import names
from makemore.models.neural import NeuralModel
from measure import Bench, Row, parser, per, spread, words_of
from operations import FORWARD, operations
from splits import by_hash
from trained import trained

COUNTS = {20: 15, 1_000: 7, 100_000: 3}  # lines -> repetitions
SHORT = {20: 2, 1_000: 1}


def draw(maker: MakeMore, n: int, seed: int) -> tuple[float, list[str], int]:
    """Seconds, the lines, and how many draws they took."""
    began = time.perf_counter()
    sampler = maker.sampler(seed)
    lines = [text for some in maker.rounds(sampler, n) for text in some.texts]
    return time.perf_counter() - began, lines, sampler.draws


def row(maker: MakeMore, n: int, times: int, peak: float) -> Row:
    """One model and one n. Other seeds each time; where there are not so many names, none."""
    draw(maker, 20, 0)  # the first call imports and sets up
    try:
        found = [draw(maker, n, seed) for seed in range(1, times + 1)]
    except Unsatisfiable:
        return {"model": maker.model, "names": n, "names a second": None}
    assert all(len(set(lines)) == n for _, lines, _ in found)
    seconds = spread(took for took, _, _ in found)
    entry: Row = {
        "model": maker.model, "names": n, "seconds": seconds, "names a second": per(n, seconds),
        "draws a name": sum(draws for _, _, draws in found) / (n * times), "MFU": None,
    }  # fmt: skip
    if isinstance(maker.model_, NeuralModel):
        targets = np.array([len(line) + 1 for line in found[0][1]], dtype=np.int64)
        needed = operations(maker.model_, targets, FORWARD)
        entry["MFU"] = needed / found[0][0] / peak
    return entry


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: all)")
    options = own.parse_args(arguments)
    chosen = options.models.split(",") if options.models else names()
    bench = Bench("sample_throughput", options)
    peak = bench.see_peak(2 if options.short else 10)
    parts = by_hash(words_of(options))
    for name in chosen:
        maker = trained(name, parts, options)
        for n, times in (SHORT if options.short else COUNTS).items():
            bench.add(row(maker, n, times, peak))
    bench.finish()


if __name__ == "__main__":
    main()
