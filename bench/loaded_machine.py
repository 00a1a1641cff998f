"""What another busy process costs a training: milliseconds a step, quiet and beside it.

python bench/loaded_machine.py --names names.txt [--models transformer,gru] [--json OUT]
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from makemore.parallel import default_threads
from measure import Bench, parser, spread, words_of
from splits import by_hash
from train_throughput import Pace
from trained import begun

# Whoever started it may be killed: then it ends by itself.
BUSY = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""


@contextmanager
def busy() -> Iterator[None]:
    """One process that never waits, for as long as this lasts."""
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", default="transformer,gru", help="names, comma-separated")
    options = own.parse_args(arguments)
    steps, times = (2, 2) if options.short else (30, 5)
    bench = Bench("loaded_machine", options)
    bench.settings = {"steps": steps, "repetitions": times, "cores": default_threads()}
    parts = by_hash(words_of(options))
    for model in options.models.split(","):
        for threads in sorted({1, options.threads or default_threads()}, reverse=True):
            most = 2 * steps * times + 2
            pace = Pace(begun(model, parts, threads=threads, max_steps=most))
            pace.go(2)
            found: dict[str, list[float]] = {"alone": [], "beside": []}
            for _ in range(times):  # by turns: what drifts, drifts for both
                for side, seconds in found.items():
                    with busy() if side == "beside" else nullcontext():
                        seconds.append(1000 * pace.go(steps))
            alone, beside = spread(found["alone"]), spread(found["beside"])
            bench.add({
                "model": model, "threads": threads, "ms a step alone": alone,
                "ms a step beside": beside, "times as long": beside["median"] / alone["median"],
            })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
