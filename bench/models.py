"""Every model on the lecture split and on distinct-42, with nothing set: its own recipe.

    python bench/models.py --names names.txt             all models; writes docs/models.md
    python bench/models.py --models gru --names names.txt     measures its rows again
    python bench/models.py --short                       a few steps of each, writes nothing

val chooses the weights within a training; test is scored once, at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from makemore import MakeMore
from makemore.api.plan import Plan
from makemore.models.core.base import CountModel
from makemore.models.core.registry import get_model, model_names
from makemore.text.builtin_lists import builtin_names
from makemore.text.dataset import Split
from splits import SPLITS, names_path, read_words

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "models.md"
ROWS = ROOT / "docs" / "models.json"


def train(model: str, parts: Split, **asked: Any) -> tuple[MakeMore, float]:
    """A model trained by its recipe, and the seconds that took, evaluations included."""
    began = time.perf_counter()
    maker = MakeMore(model)
    maker.begin(Plan.make(model, asked, parts, "bench"))
    for _ in maker.training():
        pass
    return maker, time.perf_counter() - began


def row(model: str, name: str, parts: Split, **asked: Any) -> dict[str, Any]:
    maker, seconds = train(model, parts, **asked)
    reports = {part: maker.report(part) for part, lines in parts if len(lines)}
    return {
        "split": name,
        "model": model,
        "parameters": maker.n_parameters,
        "seconds": round(seconds, 2),
        **{part: round(report["nll"], 4) for part, report in reports.items()},
        "test_unseen": reports["test"]["nll_unseen"] and round(reports["test"]["nll_unseen"], 4),
    }


def rows(
    words: list[str], models: list[str], splits: list[str], seeds: list[int], short: bool
) -> Iterator[dict[str, Any]]:
    for name in splits:
        parts = SPLITS[name](words)
        for model in models:
            for seed in seeds:
                asked = {} if seed is None else {"seed": seed}
                if short and not issubclass(get_model(model), CountModel):
                    asked["max_steps"] = 20
                yield row(model, name, parts, **asked) | ({} if seed is None else {"seed": seed})


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        "| split | model | parameters | seconds | train | val | test | test, unseen lines |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in found:
        cells = [
            "-" if entry.get(key) is None else f"{entry[key]:.4f}"
            for key in ("train", "val", "test", "test_unseen")
        ]
        lines.append(
            f"| {entry['split']} | {entry['model']} | {entry['parameters']:,} "
            f"| {entry['seconds']:.1f} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def page(found: list[dict[str, Any]]) -> str:
    machine = f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}"
    today = datetime.now(UTC).date().isoformat()
    return (
        "# Every model on names.txt\n\n"
        "Nats a symbol, end of line included; lower is better. Each model by its own recipe, on\n"
        "the CPU; `val` chose the weights, `test` was scored once. The lecture split has copies\n"
        "of names on both sides; the last column leaves out test lines that stand in train.\n"
        "distinct-42 has no copies. Written by `python bench/models.py --names names.txt`.\n\n"
        f"{today}, {machine}.\n\n{table(found)}\n"
    )


def merged(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of before, those measured again replaced, by split and model."""
    rows = {(entry["split"], entry["model"]): entry for entry in [*before, *now]}
    return [rows[key] for key in sorted(rows, key=lambda key: (list(SPLITS).index(key[0]), key[1]))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--names", help="path of names.txt (default: MAKEMORE_NAMES)")
    parser.add_argument("--models", help="names, comma-separated (default: all)")
    parser.add_argument("--splits", default="lecture,distinct-42", help=", ".join(SPLITS))
    parser.add_argument("--seeds", help="comma-separated (default: the recipe's)")
    parser.add_argument("--short", action="store_true", help="20 steps each, built-in names")
    options = parser.parse_args()
    chosen = options.models.split(",") if options.models else model_names()
    seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else [None]
    if options.short and not options.names and "MAKEMORE_NAMES" not in os.environ:
        words = builtin_names()
    else:
        words = read_words(names_path(options.names))
    found = []
    for entry in rows(words, chosen, options.splits.split(","), seeds, options.short):
        found.append(entry)
        print(json.dumps(entry), flush=True)
    print(table(found), file=sys.stderr)
    if not options.short and not options.seeds:
        kept = merged(json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else [], found)
        PAGE.write_text(page(kept), encoding="utf-8")
        ROWS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
