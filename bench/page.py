"""docs/performance.md, made of the records that the benches write. No torch, no numpy.

python bench/page.py            write it
python bench/page.py --check    exit 1 if it is not what it would be
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
RECORDS = ROOT / "docs" / "performance"
TRIED = "tried.md"
QUIET = 0.5  # load above which something else was running

# Each bench with its question and what its columns mean.
BENCHES = {
    "time_to_loss": (
        "How soon is the loss of the original reached?",
        "Seconds of training from the first batch, evaluations left out, until the nll of the "
        "original's 1,000 test lines is at most the target; the test is a stopwatch here, and "
        "chooses nothing: our options were chosen on a tenth of the train part. The lines are the "
        "original's: copies kept, the last 1,000 of torch's permutation with seed 3407 for the "
        "test. Both sides are the Transformer of 204,544 parameters.",
    ),
    "quality": (
        "What does a time buy?",
        "What a `--time` reaches, its calibration included. val chooses weights and "
        "mixtures, test is read once. The original's split has copies of names on both sides and "
        "no val (a tenth of its train part is val here); distinct-42 has no copies.",
    ),
    "train_throughput": (
        "How fast does each model train?",
        "Each by its own recipe: making the batch, forward, backward, optimizer. Symbols are "
        "targets, padding left out; of window models, windows.",
    ),
    "sample_throughput": (
        "How many new names a second?",
        "Names that stand nowhere in the text, each once, as `maker.sample(n)` gives them. The "
        "operations are those of the names that were given out, as if nothing was drawn beside "
        "them and nothing shared between them. Of an n-gram, many names are drawn from a table of "
        "all that it can answer; the first so many make it. Draws a name are those up to the last "
        "one: a few more are made.",
    ),
    "conditions": (
        "What do conditions cost?",
        "New names a second under a condition, as a share of free sampling. Where few draws pass, "
        "they are led, which is approximate; exact is `--exact`, plain rejection, and what a table "
        "of counts gives where not too few pass. The last column is over the share of draws that "
        "pass: above 100 % where the others are refused long before their end.",
    ),
    "score_throughput": (
        "How many lines a second are scored?",
        "`score_samples` over lines of the text.",
    ),
    "ngram_scale": (
        "How does counting grow?",
        "The n-gram (order 6, Kneser-Ney) over made lines: symbols of a trigram of the names. "
        "Memory is the peak of the process; lookups are of 100,000 contexts.",
    ),
    "start_up": (
        "How long is the wait for the first line?",
        "Fresh processes, one after the other, until the first line of output (where there is "
        "none, or the row says so: until the end); bytecode was written by a first run that does "
        "not count.",
    ),
    "memory": (
        "How much memory do many lines take?",
        "The peak resident size of the command, a process of its own, on made lines.",
    ),
    "loaded_machine": (
        "What does another busy process cost?",
        "Milliseconds a training step, alone and beside one process that never waits.",
    ),
}
HEAD = """\
# Speed, measured

Written by the scripts in `bench/`, one for each question. `make bench` runs the short form of all
of them, which shows that they run and keeps nothing. `make bench-full` measures in full, writes a
record for each into `docs/performance/`, and this page from those; it takes hours and wants a
machine on which nothing else runs. One question again:
`python bench/NAME.py --names names.txt --json docs/performance`.

A figure is a median, with the lowest and the highest of the repetitions in brackets. Where things
are compared, they run by turns in one chain of processes. *Peak* is what a product of two fp32
matrices of 2,048 rows and columns reaches in the same process, on the same threads. *MFU* is the
operations that a model needs over what the peak would do in that time: 6 a matrix parameter and
symbol in training, 2 forward, and attention over the pairs that see each other; padding, norms,
gates, softmax and the optimizer count nothing. A bigram is a table that is looked up: it needs
none. A prefix or window that comes again is not computed again, yet what it needs is counted: so
scoring and sampling can take less time than their operations would at the peak, a share above
100 %.

No graphics card was at hand: nothing on CUDA was measured, and there is no captured graph, since
what cannot be run cannot be tested. The code path is the CPU's with other tensors.
"""


def number(value: float) -> str:
    """Three digits, or all before the point; thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def cell(key: str, value: Any) -> str:
    """How a value of a row is shown: shares as percent, losses with 4 digits, spreads in full."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        low, high = cell(key, value["low"]), cell(key, value["high"])
        middle = cell(key, value["median"])
        return middle if value["n"] == 1 else f"{middle} ({low} to {high})"
    if isinstance(value, int | float):
        if key == "MFU" or key.startswith("share"):
            return f"{100 * value:.1f} %"
        if key.startswith("nll"):
            return f"{value:.4f}"
        return f"{value:,}" if isinstance(value, int) else number(value)
    return str(value).replace("|", "\\|")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table; a column for every key, in the order in which they first come."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = [not any(isinstance(row.get(key), str) for row in rows) for key in keys]
    lines = [
        "| " + " | ".join(keys) + " |",
        "|" + "|".join("--:" if right else "---" for right in numeric) + "|",
    ]
    lines += ["| " + " | ".join(cell(key, row.get(key)) for key in keys) + " |" for row in rows]
    return "\n".join(lines)


def heading(record: Mapping[str, Any]) -> str:
    """When and on what a record was measured, and how far it can be trusted."""
    on = record["machine"]
    cores = f"{on['cores']} {'core' if on['cores'] == 1 else 'cores'}"
    parts = [
        f"{record['date']}, {on['processor']}, {cores}, {on['memory_gb']} GB, {on['system']}, "
        f"Python {on['python']}, torch {on['torch']}, numpy {on['numpy']}, "
        f"makemore {on['makemore']}; {record['seconds']} seconds in all."
    ]
    if record["peak_gflops"]:
        parts.append(f"Peak: {record['peak_gflops']} GFLOP/s.")
    if record["settings"]:
        settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
        parts.append(f"Settings: {settings}.")
    if record["short"]:
        parts.append("**The short form: it shows that the bench runs, and no speed.**")
    if record["load"] > QUIET:
        parts.append(f"**The machine was not quiet: load {record['load']} at the start.**")
    return " ".join(parts)


def section(name: str, records: Path) -> list[str]:
    question, meaning = BENCHES[name]
    path = records / f"{name}.json"
    again = f"python bench/{name}.py --names names.txt --json docs/performance"
    lines = ["", f"## {question}", "", textwrap.fill(meaning, 100), ""]
    if not path.exists():
        return [*lines, f"Not measured yet: `{again}`."]
    record = json.loads(path.read_text(encoding="utf-8"))
    lines += [heading(record), "", table(record["rows"])]
    if name == "time_to_loss" and all(row["side"] != "original" for row in record["rows"]):
        lines += ["", "There is no row of the original: `--original makemore.py` was not given."]
    return lines


def page(records: Path = RECORDS) -> str:
    """The page, from the records in a folder and the list there of what was tried."""
    lines = [HEAD.rstrip()]
    for name in BENCHES:
        lines += section(name, records)
    tried = (records / TRIED).read_text(encoding="utf-8").rstrip()
    return "\n".join([*lines, "", "## What was tried", "", tried]) + "\n"


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not same:
        print("docs/performance.md is not what it would be: make docs writes it", file=sys.stderr)
    return int(not same)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
