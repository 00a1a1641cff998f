"""How long the wait is for the first line, or for the end: fresh processes, from their start.

python bench/start_up.py --names names.txt [--json OUT]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from measure import Bench, alternating, parser, words_of
from splits import by_hash
from trained import trained

MAKEMORE = str(Path(sys.executable).with_name("makemore"))
TIMES, SHORT = 15, 1


def sides(ngram: str, transformer: str) -> dict[str, list[str]]:
    """What is started, by what the table calls it; the first and third rows are floors."""
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import makemore": [sys.executable, "-c", "import makemore"],
        "import torch": [sys.executable, "-c", "import torch"],
        "makemore --version": [MAKEMORE, "--version"],
        "makemore --help": [MAKEMORE, "--help"],
        "makemore train --help": [MAKEMORE, "train", "--help"],
        "first name of an ngram": [MAKEMORE, "sample", ngram, "-n", "1"],
        "first name of a transformer": [MAKEMORE, "sample", transformer, "-n", "1"],
        "first of 1,000 names of a transformer": [MAKEMORE, "sample", transformer, "-n", "1000"],
    }


def to_the_end(ngram: str, transformer: str) -> dict[str, list[str]]:
    """What is waited for as a whole."""
    return {
        "20 names of an ngram, to the end": [MAKEMORE, "sample", ngram],
        "20 names of a transformer, to the end": [MAKEMORE, "sample", transformer],
    }


def wait_for(command: list[str], to_the_end: bool = False) -> float:
    """Seconds from the start to the first line of output, or to the end where there is none."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start compiles torch again
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - began
        process.stdout.read()
        process.wait()
        if to_the_end:
            seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    bench = Bench("start_up", options)
    times = SHORT if options.short else TIMES
    bench.settings = {"repetitions": times}
    parts = by_hash(words_of(options))
    with tempfile.TemporaryDirectory() as folder:
        for model in ("ngram", "transformer"):
            trained(model, parts, options).save(Path(folder) / model)
        runs = str(Path(folder) / "ngram"), str(Path(folder) / "transformer")
        waits = {
            name: partial(wait_for, command, end)
            for end, found in ((False, sides(*runs)), (True, to_the_end(*runs)))
            for name, command in found.items()
        }
        for wait in waits.values():  # writes the bytecode, and brings files into memory
            wait()
        for name, seconds in alternating(waits, times).items():
            bench.add({
                "started": name,
                "ms": {k: v if k == "n" else 1000 * v for k, v in seconds.items()},
            })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
