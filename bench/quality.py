"""What a time buys: the nll that `--time` reaches, alone and mixed.

    python bench/quality.py --names names.txt [--only distinct-42] [--json OUT]
    python bench/quality.py --names names.txt --model transformer --split distinct-42 --time 120

Each training is a process of its own that does what `makemore train --time` does, calibration
included. The time, the model and its size are chosen without the test, which is read once, at the
end. The original's split has no val: a tenth of its train part is val here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from makemore import MakeMore
from makemore.api.plan import Plan
from makemore.api.time_budget import choose
from makemore.text.dataset import Split
from measure import Bench, Row, parser, spread, threads_of, words_of
from splits import SPLITS, held_out

SEED = 3407
# split, what is typed after --model (None: whatever the time has room for), seconds, seeds
BUDGETS: tuple[tuple[str, str | None, float, int], ...] = (
    ("original", "transformer", 60.0, 1),
    ("original", None, 60.0, 1),
    ("distinct-42", "transformer", 120.0, 3),
    ("distinct-42", None, 600.0, 1),
)
SHORT: tuple[tuple[str, str | None, float, int], ...] = (("distinct-42", "transformer", 1.0, 1),)


def parts_of(split: str, words: list[str]) -> Split:
    """The parts of a split; where there is no val, a tenth of train."""
    parts = SPLITS[split](words)
    if len(parts.val):
        return parts
    inner = held_out(parts)
    return Split(inner.train, inner.test, parts.test)


def one(
    split: str, model: str | None, seconds: float, seed: int, words: list[str], threads: int | None
) -> Row:
    """One training in so many seconds, and what came of it."""
    began = time.monotonic()
    parts = parts_of(split, words)
    asked: dict[str, Any] = {"seed": seed} | ({"threads": threads} if threads else {})
    chosen = choose(parts, asked, model, seconds, began)
    maker = MakeMore(chosen.model)
    maker.begin(Plan.make(chosen.model, {**asked, **chosen.options}, parts, "bench"))
    for _ in maker.training():
        pass
    took = time.monotonic() - began
    return {
        "seconds": took, "chosen": chosen.why, "nll val": maker.report("val")["nll"],
        "nll test": maker.report("test")["nll"],
    }  # fmt: skip


def child(options: argparse.Namespace, split: str, model: str | None, limit: float, s: int) -> Row:
    own = ["--split", split, "--time", str(limit), "--seed", str(s)]
    own += ["--model", model] if model else []
    own += ["--names", options.names] if options.names else []
    own += ["--threads", str(threads_of(options))] if threads_of(options) else []
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), *own], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--only", help="of the trainings, those on this split")
    own.add_argument("--split", choices=list(SPLITS), help="one training, its figures as JSON")
    own.add_argument("--model", help="of that one (default: what there is time for)")
    own.add_argument("--time", type=float, default=60.0, help="its seconds")
    own.add_argument("--seed", type=int, default=SEED)
    options = own.parse_args(arguments)
    if options.split:
        asked = options.split, options.model, options.time, options.seed
        print(json.dumps(one(*asked, words_of(options), options.threads)))
        return
    bench = Bench("quality", options)
    for split, model, limit, seeds in SHORT if options.short else BUDGETS:
        if options.only not in (None, split):
            continue
        found = [child(options, split, model, limit, SEED + n) for n in range(seeds)]
        for row in found:
            print(f"{split}: {row}", file=sys.stderr, flush=True)
        bench.add({
            "split": split, "asked": f"--time {limit:g}s" + f" --model {model}" * bool(model),
            "trainings": seeds, "chosen": found[0]["chosen"].partition(" for ")[0],
            **{key: spread(row[key] for row in found)
               for key in ("seconds", "nll val", "nll test")},
        })  # fmt: skip
    bench.finish()


if __name__ == "__main__":
    main()
