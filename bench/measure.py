"""What every bench shares: its flags, medians with their spread, the machine, the peak, a record.

Neither torch nor numpy is imported before it is needed: a process that measures others stays small.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import page

PRODUCT = 2048  # rows and columns of the matrices whose product is the peak

Row = dict[str, Any]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The flags that every bench has; a bench adds its own."""
    found = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    found.add_argument("--short", action="store_true", help="seconds, to see that it runs")
    found.add_argument("--names", help="path of names.txt (default: MAKEMORE_NAMES, or built-in)")
    found.add_argument("--json", help="write the record to this file, or into this folder")
    found.add_argument("--threads", type=int, help="of torch (default: the recipe's; 1 if short)")
    found.add_argument("--runs", help="folder that keeps trained models for the next bench")
    return found


def threads_of(options: argparse.Namespace) -> int | None:
    """Threads asked for; None leaves it to the recipe. Short forms have to work beside any load."""
    return options.threads or (1 if options.short else None)


def words_of(options: argparse.Namespace) -> list[str]:
    """The lines to measure with: a file's, or the built-in names."""
    path = options.names or os.environ.get("MAKEMORE_NAMES")
    if path:
        from splits import names_path, read_words

        return read_words(names_path(path))
    from makemore.text.builtin_lists import builtin_names

    return builtin_names()


def spread(values: Iterable[float]) -> dict[str, float]:
    """The median, the lowest, the highest, and how many there are."""
    found = sorted(values)
    return {
        "median": statistics.median(found), "low": found[0], "high": found[-1], "n": len(found)
    }  # fmt: skip


def per(amount: float, seconds: Mapping[str, float]) -> dict[str, float]:
    """amount / seconds as a spread: the longest time is the lowest rate."""
    return {
        "median": amount / seconds["median"], "low": amount / seconds["high"],
        "high": amount / seconds["low"], "n": seconds["n"],
    }  # fmt: skip


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternating(
    sides: Mapping[str, Callable[[], float]], times: int
) -> dict[str, dict[str, float]]:
    """Each side once, then each again, `times` times: what drifts, drifts for all of them.

    A side returns what it measured. Gives the spread of each.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(times):
        for name, side in sides.items():
            found[name].append(side())
    return {name: spread(values) for name, values in found.items()}


def product_rate(number_of_threads: int) -> float:
    """Operations a second (2 n^3 for n = 2,048) that one fp32 product of matrices reaches now."""
    import torch

    from makemore.training.device import threads

    with threads(number_of_threads):
        a = torch.ones(PRODUCT, PRODUCT)
        out = torch.empty_like(a)
        torch.mm(a, a, out=out)  # the first call sets up what the next ones use
        best = min(seconds_of(lambda: torch.mm(a, a, out=out)) for _ in range(3))
    return float(2 * PRODUCT**3 / best)


def machine() -> dict[str, Any]:
    """What a figure hangs on: processor, cores, memory, versions, and what else is running."""
    from makemore.parallel import usable_cores
    from makemore.version import __version__

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "memory_gb": round(pages / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
        "makemore": __version__,  # which need not be installed
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return (named or [platform.machine()])[0]


class Bench:
    """One question and its answer: rows that become a table, and a record for the page."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options, self.rows = name, options, list[Row]()
        self.load = os.getloadavg()[0]  # before this bench adds to it
        self.began = time.perf_counter()
        self.peak: float | None = None
        self.settings: dict[str, Any] = {}

    def add(self, row: Row) -> None:
        """A row: what was measured by name; progress on stderr."""
        self.rows.append(row)
        shown = ", ".join(f"{key} {page.cell(key, value)}" for key, value in row.items())
        print(shown, file=sys.stderr, flush=True)

    def see_peak(self, times: int = 1) -> float:
        """Measure the peak again and keep the highest; operations a second."""
        from makemore.parallel import default_threads

        threads = threads_of(self.options) or default_threads()
        self.peak = max(self.peak or 0.0, *(product_rate(threads) for _ in range(times)))
        return self.peak

    def record(self) -> dict[str, Any]:
        return {
            "bench": self.name,
            "date": datetime.now(UTC).date().isoformat(),
            "short": self.options.short,
            "seconds": round(time.perf_counter() - self.began, 1),
            "load": round(self.load, 2),
            "machine": machine(),
            "peak_gflops": self.peak and round(self.peak / 1e9, 1),
            "settings": self.settings,
            "rows": rounded(self.rows),
        }

    def finish(self) -> None:
        """Print the table; write the record, and the page if the record is one of its own."""
        record = self.record()
        print(page.heading(record), page.table(record["rows"]), sep="\n\n")
        self.write()

    def write(self) -> None:
        """Write what was measured so far, if a file is given for it."""
        if self.options.json is None:
            return
        record = self.record()
        path = Path(self.options.json)
        if path.is_dir() or not path.suffix:
            path.mkdir(parents=True, exist_ok=True)
            path = path / f"{self.name}.json"
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if path.resolve().parent == page.RECORDS:
            page.PAGE.write_text(page.page(), encoding="utf-8")


def rounded(value: Any) -> Any:
    """Numbers to 5 digits: what is behind them is noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value
