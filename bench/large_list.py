"""Training on a list that memory does not hold, beside the same in memory, by turns.

    python bench/large_list.py [--symbols 1e8] [--memory 256MiB] [--work DIR] [--json OUT]

Whole processes of `makemore train` on a diverse, made list: seconds until the first step, symbols a
second in the steps, the most memory and disk. Then what `makemore sample` takes of the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Bench, Row, parser, spread
from ngram_scale import Largest, command

SYMBOLS, SHORT, STEPS, TIMES = 10**8, 2 * 10**6, 400, 3
WARM_UP = 40  # steps that do not count


def trained(file: Path, folder: Path, steps: int, memory: list[str]) -> Row:
    """Train a small GRU in a process of its own."""
    words = [
        sys.executable, "-m", "makemore", "train", str(file), "--model", "gru", "--fresh",
        "--max-steps", str(steps), "--eval-interval", str(steps), "--save-interval", "1e6",
        "--log-interval", "10", "--soft-targets", "0", "-o", str(folder), *memory,
    ]  # fmt: skip
    began = time.time()
    with Largest(folder) as largest:
        row = command(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    batches = [e for e in entries if e["kind"] == "batch" and WARM_UP <= e["step"] < steps]
    first, last = batches[0], batches[-1]
    created = (folder / "split" / "train.txt").stat().st_mtime  # written before the first step
    return {
        **row, "seconds before the first step": created - began, "disk GB": largest.size / 1e9,
        "symbols a second": (last["symbols"] - first["symbols"])
        / (last["seconds"] - first["seconds"]),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    from made import write_diverse

    own = parser(__doc__)
    own.add_argument("--symbols", type=float, help="of the list, line feeds included")
    own.add_argument("--memory", default="256MiB")
    own.add_argument("--no-memory", action="store_true", help="leave out the side in memory")
    own.add_argument("--work", metavar="DIR", help="where lists and runs are written")
    options = own.parse_args(arguments)
    symbols = int(options.symbols or (SHORT if options.short else SYMBOLS))
    steps, times = (100, 1) if options.short else (STEPS, TIMES)
    bench = Bench("large_list", options)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        file, run = Path(work, "list.txt"), Path(work, "run")
        write_diverse(symbols, file)
        sides = {f"--memory {options.memory}": ["--memory", options.memory]}
        if not options.no_memory:
            sides["in memory"] = ["--memory", "1TiB"]
        found: dict[str, list[Row]] = {name: [] for name in sides}
        for _ in range(times):
            for name, memory in sides.items():
                found[name].append(trained(file, run, steps, memory))
        for name, rows in found.items():
            columns = {key: spread(row[key] for row in rows) for key in rows[0]}
            bench.add({"work": f"makemore train, {name}", "symbols": symbols, **columns})
        sample = [sys.executable, "-m", "makemore", "sample", str(run), "-n", "20", "--seed", "1"]
        drawn = command(sample, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        bench.add({"work": "makemore sample -n 20", "symbols": symbols, **drawn})
    bench.finish()


if __name__ == "__main__":
    main()
