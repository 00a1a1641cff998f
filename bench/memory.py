"""How much memory many lines take: the peak resident size of train, sample and score.

python bench/memory.py --names names.txt [--json OUT]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Bench, Row, parser

HERE = Path(__file__).resolve().parent
MAKEMORE = str(Path(sys.executable).with_name("makemore"))
SIZES, SHORT = (10**6, 10**7), (10**4,)  # lines
STEPS = 20  # of a model that learns: its memory does not grow after the first


def peak_of(command: list[str]) -> tuple[float, float]:
    """Peak resident GB and seconds of a command, a process of its own.

    A child begins with the size of its parent, so nothing large is imported in this process.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {said.decode(errors='replace')[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return used.ru_maxrss * unit / 1e9, time.perf_counter() - began


def measured(lines: int, folder: Path, options: argparse.Namespace) -> list[Row]:
    """Every command on so many made lines."""
    text = str(folder / f"{lines}.txt")
    names = ["--names", options.names] if options.names else []
    peak_of([sys.executable, str(HERE / "made.py"), str(lines), text, *names])
    rows = []
    for model in ("ngram", "gru"):
        run = str(folder / f"{model}-{lines}")
        few = ["--max-steps", str(STEPS)] if model == "gru" else []
        train = [MAKEMORE, "train", text, "-o", run, "--model", model, *few]
        for name, command in {
            "train": train,
            "sample -n 1000": [MAKEMORE, "sample", run, "-n", "1000", "--seed", "1"],
            "score": [MAKEMORE, "score", run, text],
        }.items():
            peak, seconds = peak_of(command)
            rows.append({
                "lines": lines, "file MB": os.path.getsize(text) / 1e6, "model": model,
                "command": name, "memory GB": peak, "bytes a line": round(1e9 * peak / lines),
                "seconds": seconds,
            })  # fmt: skip
    return rows


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    bench = Bench("memory", options)
    bench.settings = {"steps of gru": STEPS}
    for name, statement in {"python alone": "pass", "import torch": "import torch"}.items():
        peak, seconds = peak_of([sys.executable, "-c", statement])
        bench.add({"lines": 0, "command": name, "memory GB": peak, "seconds": seconds})
    with tempfile.TemporaryDirectory() as folder:
        for lines in SHORT if options.short else SIZES:
            for row in measured(lines, Path(folder), options):
                bench.add(row)
    bench.finish()


if __name__ == "__main__":
    main()
