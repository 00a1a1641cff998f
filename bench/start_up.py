"""How long the wait is for the first line, or for the end: fresh processes, from their start.

python bench/start_up.py --names names.txt [--json OUT]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Bench, alternating, parser, words_of
from splits import by_hash
from trained import trained

MAKEMORE = str(Path(sys.executable).with_name("makemore"))
TIMES, SHORT = 15, 1
END = "to the end of the process"


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
        f"20 names of an ngram, {END}": [MAKEMORE, "sample", ngram],
        f"20 names of a transformer, {END}": [MAKEMORE, "sample", transformer],
    }


def wait_for(name: str, command: list[str]) -> float:
    """Seconds from the start to the first line of output, or to the end of the process where there
    is none or the end is asked for.
    """
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
        if name.endswith(END):
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
        found = sides(str(Path(folder) / "ngram"), str(Path(folder) / "transformer"))
        for name, command in found.items():  # writes the bytecode, and brings files into memory
            wait_for(name, command)
        waits = {
            name: lambda name=name, command=command: wait_for(name, command)
            for name, command in found.items()
        }
        for name, seconds in alternating(waits, times).items():
            bench.add({
                "started": name,
                "ms": {k: v if k == "n" else 1000 * v for k, v in seconds.items()},
            })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
