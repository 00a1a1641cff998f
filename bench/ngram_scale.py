"""How counting grows: seconds, memory and size of an n-gram of 10^6, 10^7, 10^8 symbols.

    python bench/ngram_scale.py --names names.txt [--json OUT]

Each size in a process of its own, which stops itself rather than take the machine's last memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

from measure import Bench, Row, parser, per, seconds_of, spread, words_of

ORDER = 6
SIZES = {10**6: 5, 10**7: 3, 10**8: 1}  # symbols -> repetitions
SHORT = {10**4: 1, 10**5: 1}
LOOKUPS = 100_000


def measure(words: list[str], symbols: int) -> Row:
    """In a process of its own: count made lines once, then look contexts up."""
    import numpy as np

    from made import encoded, stream
    from makemore.models.ngram import NGram

    limit_memory()
    flat, vocabulary = stream(words, symbols)
    ids, offsets = encoded(flat)
    before = peak_gb()
    model = NGram(len(vocabulary), ORDER - 1, NGram.Options(order=ORDER))
    seconds = seconds_of(lambda: model.fit_counts(ids, offsets))
    counted = peak_gb()
    size = sum(array.nbytes for array in model.tensors().values())
    few = np.random.default_rng(1).integers(0, max(1, len(flat) - ORDER), LOOKUPS)
    windows = flat[few[:, None] + np.arange(ORDER - 1)].astype(np.int64)
    lookups = spread(seconds_of(lambda: model.forward(windows)) for _ in range(3))
    return {
        "symbols": len(flat), "lines": len(offsets) - 1, "n-grams": model.n_parameters,
        "seconds": seconds, "memory GB": counted, "of it before GB": before,
        "weights MB": size / 1e6, "lookups a second": per(LOOKUPS, lookups)["median"],
    }  # fmt: skip


def limit_memory() -> None:
    """Nine tenths of the machine's memory: too much is an error here, and no one else's."""
    import os

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (int(0.9 * total), resource.RLIM_INFINITY))


def peak_gb() -> float:
    """The most memory that this process has had at once."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def in_child(options: argparse.Namespace, symbols: int) -> Row | None:
    """What `measure` gives in a fresh process; None where the memory did not do."""
    names = ["--names", options.names] if options.names else []
    script = [sys.executable, str(Path(__file__)), "--measure", str(symbols), *names]
    done = subprocess.run(script, capture_output=True, text=True)
    if done.returncode and "MemoryError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = own.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(words_of(options), options.measure)))
        return
    bench = Bench("ngram_scale", options)
    bench.settings = {"order": ORDER, "threads": 1}
    for symbols, times in (SHORT if options.short else SIZES).items():
        found = [in_child(options, symbols) for _ in range(times)]
        rows = [row for row in found if row is not None]
        if not rows:
            bench.add({"symbols": symbols, "seconds": None})  # it did not fit
            continue
        seconds = spread(row["seconds"] for row in rows)
        rate = per(rows[0]["symbols"], seconds)
        bench.add({**rows[0], "seconds": seconds, "symbols a second": rate})
    bench.finish()


if __name__ == "__main__":
    main()
