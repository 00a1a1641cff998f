"""What each number of threads costs a training step, and two trainings side by side.

python bench/cores.py --names names.txt [--models gru,lstm] [--check] [--json OUT]

--check: exit 1 where the threads that makemore chooses take 10 % longer than the best number.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from makemore.api.plan import Plan
from makemore.models.core.base import CountModel
from makemore.models.core.registry import get_model, model_names
from makemore.parallel import usable_cores
from makemore.text.dataset import Split
from measure import Bench, Row, alternating, parser, spread, words_of
from page import QUIET
from splits import by_hash
from train_throughput import Pace
from trained import begun

OFF = 1.1  # times as long as with the best number of threads: further off is wrong
BASIS = 2  # threads that a training on many cores is compared with
DEFAULT = "transformer"  # what a long list is learned by


def counts(cores: int, rule: int) -> list[int]:
    """The numbers of threads to try: 1, 2, 4 ... up to the cores, all cores, and the rule's."""
    powers = {2**k for k in range(cores.bit_length())}
    return sorted({*(power for power in powers if power <= cores), cores, rule})


def rule_of(model: str, parts: Split) -> int:
    """The threads that a training of the model has if none are given."""
    return Plan.make(model, {"device": "cpu"}, parts, "bench").config.threads


def steps(models: Sequence[str], parts: Split, cores: int, short: bool, bench: Bench) -> None:
    """A row for each model and number of threads: milliseconds a step, by turns."""
    warm, few, times = (1, 2, 2) if short else (10, 20, 5)
    rules = {model: rule_of(model, parts) for model in models}
    paces = {
        (model, count): Pace(
            begun(model, parts, threads=count, device="cpu", max_steps=warm + few * times)
        )
        for model in models
        for count in counts(cores, rules[model])
    }
    for pace in paces.values():
        pace.go(warm)
    found: dict[tuple[str, int], list[float]] = {key: [] for key in paces}
    for _ in range(times):  # by turns: what drifts, drifts for all
        for key, pace in paces.items():
            found[key].append(1000 * pace.go(few))
    for (model, count), values in found.items():
        rule = rules[model]
        own = {other: found[model, other] for other in counts(cores, rule)}
        bench.add({
            "what": f"step of {model}", "unit": "ms", "threads": count, "time": spread(values),
            "rule": rule, "rule / best": off_the_best(own, rule) if count == rule else None,
        })  # fmt: skip


def off_the_best(found: dict[int, list[float]], rule: int) -> float:
    """How many times as long the rule's number of threads takes as the best one does (medians)."""
    medians = {count: statistics.median(values) for count, values in found.items()}
    return medians[rule] / min(medians.values())


def train(file: Path, threads: int, together: int, short: bool) -> float:
    """Seconds from typing to the end of so many default trainings at once, with threads each."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        given = ["--threads", str(threads), "--device", "cpu"]
        given += ["--max-steps", "2"] if short else []
        command = [sys.executable, "-m", "makemore", "train", str(file), *given]
        began = time.perf_counter()
        running = [
            subprocess.Popen([*command, "-o", f"{folder}/{k}"], stdout=log, stderr=log)
            for k in range(together)
        ]
        if any([process.wait() for process in running]):  # a list: wait for all of them
            log.seek(0)
            sys.exit(log.read())
        return time.perf_counter() - began


def trainings(file: Path, rule: int, short: bool, bench: Bench) -> None:
    """Rows of the default training: alone, and two at once, with the rule's threads and others."""
    alone = {(1, threads) for threads in (BASIS, rule)}
    both = {(2, threads) for threads in (rule, max(1, rule // 2))}
    sides = {
        f"{together} {threads}": lambda t=threads, n=together: train(file, t, n, short)
        for together, threads in sorted(alone | both)
    }
    for name, seconds in alternating(sides, 1 if short else 3).items():
        together, threads = map(int, name.split())
        what = "default training" if together == 1 else "two default trainings at once"
        bench.add({
            "what": what, "unit": "s", "threads": threads, "time": seconds, "rule": rule,
            "rule / best": None,
        })  # fmt: skip


def wrong(rows: Sequence[Row]) -> list[str]:
    """What the rule chooses wrongly, in words: it takes more than OFF times as long as the best."""
    return [
        f"{row['what']}: {row['threads']} threads are chosen, which take {row['rule / best']:.2f} "
        "times as long as the best number"
        for row in rows
        if (row["rule / best"] or 0) > OFF
    ]


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--models", help="names, comma-separated (default: all that learn by steps)")
    own.add_argument("--check", action="store_true", help="exit 1 where the choice is 10 %% off")
    options = own.parse_args(arguments)
    bench, words = Bench("cores", options), words_of(options)
    known = [
        name
        for name in model_names()
        if not issubclass(get_model(name), CountModel) and not get_model(name).is_ensemble
    ]
    cores = options.threads or (min(2, usable_cores()) if options.short else usable_cores())
    parts = by_hash(words)
    bench.settings = {"cores": cores, "training lines": len(parts.train)}
    chosen = options.models.split(",") if options.models else known
    steps(chosen, parts, cores, options.short, bench)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "names.txt"
        file.write_text("\n".join(words) + "\n", encoding="utf-8")
        trainings(file, rule_of(DEFAULT, parts), options.short, bench)
    bench.finish()
    if options.check and bench.load > QUIET:
        print(f"nothing is checked: the machine was not quiet, load {bench.load:.2f}")
    elif options.check and (found := wrong(bench.rows)):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
