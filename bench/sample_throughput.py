"""How many new names a second each model gives, for few and for many.

python bench/sample_throughput.py --names names.txt [--models gru] [--json OUT]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.models.core.neural import NeuralModel
from makemore.models.core.registry import model_names
from makemore.sampling.sampler import Sampler
from measure import Bench, Row, parser, per, spread, words_of
from operations import FORWARD, operations
from splits import by_hash
from trained import trained

COUNTS = {20: 15, 1_000: 7, 100_000: 3}  # lines -> repetitions
SHORT = {20: 2, 1_000: 1}


def draw(maker: MakeMore, n: int, seed: int) -> tuple[float, list[str], Sampler]:
    """Seconds, the lines, and what drew them."""
    began = time.perf_counter()
    sampler = maker.sampler(seed, style="plain")
    lines = [text for some in maker.rounds(sampler, n) for text in some.texts]
    return time.perf_counter() - began, lines, sampler


def row(maker: MakeMore, n: int, times: int, peak: float, folder: Path | None = None) -> Row:
    """One model and one n. Other seeds each time; where there are not so many names, none.

    folder: where the model is read from anew each time, so that it has no table yet.
    """
    draw(maker, 20, 0)  # the first call imports and sets up
    try:
        found = [
            draw(MakeMore.load(folder) if folder else maker, n, seed)
            for seed in range(1, times + 1)
        ]
    except Unsatisfiable:
        return {"model": maker.model, "names": n, "names a second": None}
    assert all(len(set(lines)) == n for _, lines, _ in found)
    seconds = spread(took for took, _, _ in found)
    entry: Row = {
        "model": maker.model, "table": None, "names": n, "seconds": seconds,
        "names a second": per(n, seconds),
        "draws a name": sum(one.tally.draws for _, _, one in found) / (n * times), "MFU": None,
    }  # fmt: skip
    if isinstance(maker.model_, NeuralModel):
        targets = np.array([len(line) + 1 for line in found[0][1]], dtype=np.int64)
        needed = operations(maker.model_, targets, FORWARD)
        entry["MFU"] = needed / found[0][0] / peak
    elif found[0][2].tabled:
        entry["table"] = "made meanwhile" if folder else "kept from before"
    return entry


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: all)")
    options = own.parse_args(arguments)
    chosen = options.models.split(",") if options.models else model_names()
    bench = Bench("sample_throughput", options)
    peak = bench.see_peak(2 if options.short else 10)
    parts, counts = by_hash(words_of(options)), SHORT if options.short else COUNTS
    for name in chosen:
        maker = trained(name, parts, options)
        for n, times in counts.items():
            bench.add(row(maker, n, times, peak))
            if bench.rows[-1].get("table") and n == max(counts):
                with tempfile.TemporaryDirectory() as folder:
                    maker.save(Path(folder) / "run")
                    bench.add(row(maker, n, times, peak, Path(folder) / "run"))
    bench.finish()


if __name__ == "__main__":
    main()
