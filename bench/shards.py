"""Do n shards draw what one process draws? Lines twice, a chi-square test, a shard that was killed.

    python bench/shards.py [--short] [--names names.txt] [--models ngram,transformer] [--lines N]

By turns: N lines by `makemore sample` as one process, then the n shards one after another, each a
process of its own. One shard is killed (SIGKILL) in the middle of its output and started again.
All lines together are tested by first symbol, last symbol and length. The size of each shard is
compared with how many lines of the one process begin as its lines do; such a number would itself be
off by chance. Seconds are those of a process, its start included.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path

import numpy as np

from makemore import MakeMore
from makemore.sampling.shard_plan import ShardPlan
from makemore.text import Corpus
from measure import Bench, parser, words_of
from splits import by_hash
from trained import trained

FEWEST = 10  # lines in a cell of the test; cells with fewer are one
SEED, OTHER_SEED = "1", "2"  # of the one process, and of the shards


def tail(statistic: float, freedom: int) -> float:
    """P(chi-square >= statistic), by Wilson and Hilferty's cube root."""
    spread = math.sqrt(2 / (9 * freedom))
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / spread
    return 0.5 * math.erfc(z / math.sqrt(2))


def p_value(one: Iterable[Hashable], other: Iterable[Hashable]) -> tuple[float, int]:
    """P of two samples, if they are of one distribution, and the cells that were compared."""
    left, right = Counter(one), Counter(other)
    cells: Counter[Hashable] = Counter()
    seen: Counter[Hashable] = Counter()
    for key in left | right:
        cell = key if left[key] + right[key] >= FEWEST else None
        cells[cell] += left[key] + right[key]
        seen[cell] += left[key]
    share = left.total() / (left.total() + right.total())
    statistic = sum(
        (seen[cell] - total * share) ** 2 / (total * share * (1 - share))
        for cell, total in cells.items()
    )
    return tail(statistic, len(cells) - 1), len(cells)


def cell(line: str) -> tuple[str, str, int]:
    return line[0], line[-1], len(line)


def words(run: Path, n: int, seed: str, *more: str) -> list[str]:
    sample = ["sample", str(run), "-n", str(n), "--seed", seed, "--style", "plain"]
    return [sys.executable, "-m", "makemore", *sample, *more]


def drawn(run: Path, n: int, seed: str, *more: str) -> tuple[bytes, float]:
    began = time.perf_counter()
    done = subprocess.run(words(run, n, seed, *more), capture_output=True, check=True)
    return done.stdout, time.perf_counter() - began


def is_again_the_same(run: Path, n: int, shard: str, whole: bytes) -> bool:
    """Kill a shard after half of its output, and start it again."""
    command = words(run, n, OTHER_SEED, "--shard", shard)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        some = process.stdout.read(len(whole) // 2)
        process.send_signal(signal.SIGKILL)
    return whole.startswith(some) and drawn(run, n, OTHER_SEED, "--shard", shard)[0] == whole


def in_shards(maker: MakeMore, lines: list[str], n: int) -> list[int]:
    """How many lines begin as each shard's lines do."""
    sampler = maker.sampler(0, style="plain")
    plan = ShardPlan(sampler.decoder, sampler.known, sampler.train, None, n)
    encoded = maker.vocabulary.encode(Corpus.exactly(lines))
    owners = plan.tree.owner_of(encoded.ids.astype(np.int64), encoded.offsets)
    return np.bincount(owners, minlength=n).tolist()


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: ngram and transformer)")
    own.add_argument("--lines", type=int, help="lines in all (default: 1,000,000)")
    own.add_argument("--shards", type=int, default=4)
    options = own.parse_args(arguments)
    bench, n = Bench("shards", options), options.shards
    lines = options.lines or (2000 if options.short else 1_000_000)
    bench.settings = {"lines": lines, "shards": n}
    parts = by_hash(words_of(options))
    for model in (options.models or "ngram" if options.short else
                  options.models or "ngram,transformer").split(","):  # fmt: skip
        maker = trained(model, parts, options)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            maker.save(run)
            alone, seconds = drawn(run, lines, SEED)
            numbers = [f"{index + 1}/{n}" for index in range(n)]
            each = [drawn(run, lines, OTHER_SEED, "--shard", number) for number in numbers]
            again = is_again_the_same(run, lines, numbers[1], each[1][0])
        texts = [body.decode().splitlines() for body, _ in each]
        union, one = [line for part in texts for line in part], alone.decode().splitlines()
        p, cells = p_value(map(cell, union), map(cell, one))
        sizes = list(map(len, texts))
        there = in_shards(maker, one, n)
        errors = [abs(size / number - 1) for size, number in zip(sizes, there, strict=True)]
        bench.add({
            "model": model, "lines": len(union), "lines twice": len(union) - len(set(union)),
            "p of the lines": p, "cells": cells,
            "size off by, %": 100 * max(errors), "by chance, %": 100 * math.sqrt((n - 1) / lines),
            "killed shard again the same": str(again), "one process, s": seconds,
            "slowest shard, s": max(took for _, took in each),
        })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
