"""docs/performance.md: its tables, made from the records that the benches write. No torch.

python bench/page.py            write it
python bench/page.py --check    exit 1 if the file is not what the records say
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
RECORDS = ROOT / "docs" / "performance"
QUIET = 0.5  # load above which something else was running
MANY_CORES = 16  # from which on a machine shows what many threads do
NEAR = 0.1  # of the median: runs that are no further away need no brackets

Record = Mapping[str, Any]
Row = dict[str, Any]

HEAD = """\
# Speed, measured

How fast makemore trains, draws names, scores lines and starts, a table for each.

**A figure** is the median of the runs. The lowest and the highest follow in brackets where one of
them is more than a tenth away from it; in the first table they always do. Losses (`nll`) are nats a
symbol: lower is better.

All of it is of processors; the last section says what is known of graphics cards. The original code
is timed in training only.

**To measure again:** `python bench/NAME.py --names names.txt --json docs/performance` with the NAME
of a record, which stands below each table, writes that record and this page. `make bench-full` does
all of them; it takes hours and wants a machine on which nothing else runs. How each figure is
measured, and what was tried to get there, is in the [lab notes](lab-notes.md)."""

SHORT = "**the short form: it shows that the bench runs, and no speed**"
NO_ORIGINAL = "There is no row of the original: `--original makemore.py` was not given."
NO_CARD = """\
**Not measured:** no card was at hand. Where one is, this makes the table of this section in five
minutes at most, by a Python whose torch knows the card:

    python bench/card.py --names names.txt --original makemore.py --json docs/performance

The original's `makemore.py`, of a clone, adds its own step and `generate()`; it may be left out.
`make test-gpu` tells in four minutes whether the card's numbers are those of the processor."""
STARTED = (  # rows of start_up that the page shows
    "python -c pass", "import torch", "makemore --version", "first name of an ngram",
    "first name of a transformer", "20 names of a transformer, to the end",
)  # fmt: skip
CONSTRAINTS = ("--prefix", "--suffix", "--pattern")  # rows of conditions that the page shows


# -- from values to cells -------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits, or all before the point, with commas between thousands."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def cell(key: str, value: Any) -> str:
    """A value as text: shares in percent, losses with 4 digits, repetitions as median and range."""
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
    """Rows as a Markdown table: one column per key, in the order in which the keys first come."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = [not any(isinstance(row.get(key), str) for row in rows) for key in keys]
    lines = [
        "| " + " | ".join(keys) + " |",
        "|" + "|".join("--:" if right else "---" for right in numeric) + "|",
    ]
    lines += ["| " + " | ".join(cell(key, row.get(key)) for key in keys) + " |" for row in rows]
    return "\n".join(lines)


def brief(value: Any) -> Any:
    """Repetitions -> the median alone if all are within a tenth of it, else as they are."""
    if not isinstance(value, Mapping):
        return value
    middle = value["median"]
    near = value["low"] >= (1 - NEAR) * middle and value["high"] <= (1 + NEAR) * middle
    return middle if near else value


def rate(amount: float, seconds: Mapping[str, float]) -> dict[str, float]:
    """amount / seconds: the longest time gives the lowest rate."""
    ends = {"median": "median", "low": "high", "high": "low"}
    return {end: amount / seconds[other] for end, other in ends.items()} | {"n": seconds["n"]}


def timed(value: Any, unit: str) -> str:
    """A time with its unit; columns of different units need that."""
    return "-" if value is None else f"{cell('', brief(value))} {unit}"


# -- the rows of each record ----------------------------------------------------------------------


def time_to_loss(record: Record) -> Iterator[Row]:
    """The seconds until a loss, of ours and of the original."""
    for row in record["rows"]:
        who = "the original" if row["side"] == "original" else "makemore"
        _, part, loss = row["measured"].split()  # until test 1.97
        reached, tried = row["that reached it"], row["trainings"]
        some = f" ({reached} of {tried} did)" if reached < tried else ""
        steps = f" ({cell('', brief(row['steps']))} steps)" if row["steps"] else ""
        yield {
            "training": f"{who}, until the {part} loss is {loss}{some}",
            "split": "original", "trainings": tried, "seconds": row["seconds"],
            "nll val": None, "nll test": f"at most {loss}" if part == "test" else None,
            "what was trained": f"{record['settings']['model']}{steps}",
        }  # fmt: skip


def quality(record: Record) -> Iterator[Row]:
    """The losses that a given time buys."""
    for row in record["rows"]:
        yield {
            "training": f"makemore, `{row['asked']}`", "split": row["split"],
            "trainings": row["trainings"], "seconds": row["seconds"],
            "nll val": row["nll val"], "nll test": row["nll test"],
            "what was trained": chosen(row["chosen"]),
        }  # fmt: skip


def chosen(models: str) -> str:
    """`ngram + ngram + gru (90 steps)` -> `ensemble of 3: 2 ngram, 1 gru`; one model as it is."""
    members = models.split(" + ")
    if len(members) == 1:
        return models
    kinds = Counter(member.split()[0] for member in members)
    return f"ensemble of {len(members)}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())


def train_throughput(record: Record) -> Iterator[Row]:
    """One training step of each model."""
    for row in record["rows"]:
        yield {
            "model": row["model"], "optimizer": row["optimizer"], "batch size": row["batch"],
            "threads": row["threads"], "ms a step": brief(row["ms a step"]),
            "symbols a second": brief(row["symbols a second"]), "MFU": row["MFU"],
        }  # fmt: skip


def cores(record: Record) -> Iterator[Row]:
    """A line for each model and each way to train: its time by the number of threads."""
    found: dict[str, dict[int, Row]] = {}
    for row in record["rows"]:
        found.setdefault(row["what"], {})[row["threads"]] = row
    columns = sorted({count for rows in found.values() for count in rows})
    for what, rows in found.items():
        times = {count: timed(row["time"], row["unit"]) for count, row in rows.items()}
        rule = next(iter(rows.values()))["rule"]
        yield {
            "what": what,
            **{f"{n} thread{'s' * (n > 1)}": times.get(n) for n in columns},
            "the rule takes": rule,
            "rule / best": rows[rule]["rule / best"] if rule in rows else None,
        }  # fmt: skip


def sample_throughput(record: Record) -> Iterator[Row]:
    """New names a second of each model, for the two largest numbers of names."""
    counts = sorted({row["names"] for row in record["rows"]})[-2:]
    found: dict[tuple[str, bool], dict[int, Row]] = {}
    for row in record["rows"]:
        anew = row.get("table") == "made meanwhile"  # not kept from an earlier call
        found.setdefault((row["model"], anew), {})[row["names"]] = row
    for (model, anew), by_count in found.items():
        last = by_count.get(counts[-1], {})
        yield {
            "model": f"{model}, first call" if anew else model, "constraint": "none",
            **{
                f"{count:,} names": brief(by_count.get(count, {}).get("names a second"))
                for count in counts
            },
            "draws a name": last.get("draws a name"),
        }  # fmt: skip


def conditions(record: Record) -> Iterator[Row]:
    """New names a second under the main constraints; `--exact` only where it makes a difference."""
    exact = {(row["model"], row["condition"]) for row in record["rows"] if row["exact"]}
    for row in record["rows"]:
        plain = row["condition"].removesuffix(" --exact")
        same = plain != row["condition"] and (row["model"], plain) in exact
        if same or not plain.startswith(CONSTRAINTS):
            continue
        yield {
            "model": row["model"], "constraint": f"`{row['condition']}`",
            f"{record['settings']['names']:,} names": brief(row["names a second"]),
            "share of unconstrained speed": row["share of free"],
            "share of draws that satisfy it": row["share that passes"], "exact": row["exact"],
        }  # fmt: skip


def score_throughput(record: Record) -> Iterator[Row]:
    """Lines a second that each model scores."""
    for row in record["rows"]:
        yield {
            "work": f"score, {row['model']}", "lines": record["settings"]["lines"],
            "seconds": brief(row["seconds"]), "lines a second": brief(row["lines a second"]),
            "symbols a second": brief(row["symbols a second"]),
        }  # fmt: skip


def ngram_scale(record: Record) -> Iterator[Row]:
    """Seconds and memory of counting."""
    order = record["settings"]["order"]
    for row in record["rows"]:
        lines, seconds = row.get("lines"), row["seconds"]  # None where the memory was too small
        yield {
            "work": row.get("work") or f"count, ngram of order {row.get('order') or order}",
            "lines": lines, "seconds": brief(seconds),
            "lines a second": brief(rate(lines, seconds)) if seconds and lines else None,
            "symbols a second": brief(row.get("symbols a second")),
            "peak memory, GB": row.get("memory GB"),
        }  # fmt: skip


def start_up(record: Record) -> Iterator[Row]:
    """The wait for the first line. An error if the record lacks one of the rows."""
    by_name = {row["started"]: row for row in record["rows"]}
    for name in STARTED:
        if name not in by_name:
            raise SystemExit(f"start_up.json has no row {name!r}: run bench/start_up.py again")
        yield {"what": name, "time": timed(by_name[name]["ms"], "ms")}


def memory(record: Record) -> Iterator[Row]:
    """Time and peak memory of commands on the largest text."""
    most = max(row["lines"] for row in record["rows"])
    for row in record["rows"]:
        if row["lines"] < most:
            continue
        few = f", {record['settings']['steps of gru']} steps"
        learns = row["command"] == "train" and row["model"] == "gru"
        yield {
            "what": f"{row['command']}, {row['model']}, {most:,} lines" + few * learns,
            "time": timed(row["seconds"], "s"), "peak memory, GB": row["memory GB"],
        }  # fmt: skip


def loaded_machine(record: Record) -> Iterator[Row]:
    """A training step alone, and beside a busy process."""
    for row in record["rows"]:
        threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
        yield {
            "what": f"training step of {row['model']}, {threads}",
            "time": timed(row["ms a step alone"], "ms"),
            "beside a busy process": timed(row["ms a step beside"], "ms"),
            "times as long": row["times as long"],
        }  # fmt: skip


# -- the page -------------------------------------------------------------------------------------


class Section(NamedTuple):
    """A table of the page: its title, what to know to read it, and the benches that fill it."""

    title: str
    words: str
    benches: tuple[str, ...]


SECTIONS = (
    Section(
        "Time to the original's loss, and what a time buys",
        "Until a loss: both sides train the original's Transformer on the original's split, and "
        "the clock stands still while the loss is looked at. `--time` is the time that a user "
        "allows. Compare losses within one split only: the original's has copies of names in train "
        "and test, distinct-42 has none.",
        ("time_to_loss", "quality"),
    ),
    Section(
        "Training speed of each model",
        "A step makes the batch and runs forward, backward and the optimizer, with the model's own "
        "default options. MFU (model FLOPs utilization) is the operations a second that the model "
        "needs, divided by the peak: what one large product of fp32 matrices reaches on the same "
        "threads. A bigram is a table that is looked up, so it needs none.",
        ("train_throughput",),
    ),
    Section(
        "Threads",
        "How long a step takes, and a whole training of the default model from typing to its end, "
        "by the number of threads (of each, where two run). The rule is what makemore takes if no "
        "--threads is given; the last column divides its time by that of the best number.",
        ("cores",),
    ),
    Section(
        "Drawing names",
        "New names a second: none is in the training text, and none comes twice. An ngram draws "
        "from a table of all its states, which its first call makes. Under a constraint, the share "
        "is of the unconstrained speed in the same bench; lines are exact if they follow the "
        "model's own probabilities, and not where guided draws approximate them.",
        ("sample_throughput", "conditions"),
    ),
    Section(
        "Scoring and counting",
        "`score_samples` gives each line its probability; a prefix that several lines share is "
        "computed once. Counting fits an ngram to generated lines that look like names.",
        ("score_throughput", "ngram_scale"),
    ),
    Section(
        "Start-up, memory and a loaded machine",
        "Start-up lasts from a fresh process to its first line of output, or to its end if it "
        "prints none. Memory is the peak of the whole command. The busy process never waits.",
        ("start_up", "memory", "loaded_machine"),
    ),
)
ROWS: dict[str, Callable[[Record], Iterator[Row]]] = {
    "time_to_loss": time_to_loss, "quality": quality, "train_throughput": train_throughput,
    "cores": cores,
    "sample_throughput": sample_throughput, "conditions": conditions,
    "score_throughput": score_throughput, "ngram_scale": ngram_scale, "start_up": start_up,
    "memory": memory, "loaded_machine": loaded_machine,
}  # fmt: skip
BENCHES = tuple(ROWS)


def machine_of(record: Record) -> str:
    """The day, the machine and the versions of a record."""
    on = record["machine"]
    cores = f"{on['cores']} {'core' if on['cores'] == 1 else 'cores'}"
    return (
        f"{record['date']}, {on['processor']}, {cores}, {on['memory_gb']} GB, {on['system']}, "
        f"Python {on['python']}, torch {on['torch']}, numpy {on['numpy']}, "
        f"makemore {on['makemore']}"
    )


def machines(records: Mapping[str, Record]) -> str:
    """Where everything was measured: one sentence, or a list where the records differ."""
    found: dict[str, list[str]] = {}
    for name, record in records.items():
        found.setdefault(machine_of(record), []).append(name)
    if len(found) == 1:
        return textwrap.fill(f"**The machine:** {next(iter(found))}.", 100)
    lines = [f"- {', '.join(names)}: {machine}" for machine, names in found.items()]
    return "\n".join(["**The machines:**", "", *lines])


def cautions(record: Record) -> list[str]:
    """What a reader has to know before trusting a record."""
    found = [SHORT] if record["short"] else []
    if record["load"] > QUIET:
        found.append(f"**the machine was not quiet: load {record['load']} at the start**")
    return found


def heading(record: Record) -> str:
    """When and on what a record was measured, as a bench prints it above its table."""
    parts = [f"{machine_of(record)}; {record['seconds']} seconds in all"]
    if record["peak_gflops"]:
        parts.append(f"peak: {record['peak_gflops']} GFLOP/s")
    if record["settings"]:
        settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
        parts.append(f"settings: {settings}")
    return ". ".join([*parts, *cautions(record)]) + "."


def source(name: str, records: Mapping[str, Record]) -> str:
    """Which record rows come from and how far it can be trusted, or how to make it."""
    if name not in records:
        again = f"python bench/{name}.py --names names.txt --json docs/performance"
        return f"{name} is not measured yet: `{again}`."
    record = records[name]
    peak = [f"peak {record['peak_gflops']} GFLOP/s"] if name == "train_throughput" else []
    notes = ", ".join([*peak, *cautions(record)])
    return f"Record: [{name}](performance/{name}.json)" + f" ({notes})" * bool(notes) + "."


def sooner(record: Record) -> str:
    """How many times sooner the loss is reached, or that the original was not measured."""
    rows = {row["side"]: row for row in record["rows"]}
    if "original" not in rows:
        return NO_ORIGINAL
    times = rows["ours"]["times sooner"] if "ours" in rows else None
    return f"The loss is reached {cell('', times)} times sooner." if times else ""


def more_cores(record: Record) -> str:
    """That many cores were not measured, and how to, unless they were."""
    if record["machine"]["cores"] >= MANY_CORES:
        return ""
    again = "python bench/cores.py --names names.txt --check --json docs/performance"
    return f"{MANY_CORES} cores: not measured. There, `{again}` makes this table anew."


def section(part: Section, records: Mapping[str, Record]) -> list[str]:
    """A heading, what to know, the table, and where its rows come from."""
    known = [name for name in part.benches if name in records]
    rows = [row for name in known for row in ROWS[name](records[name])]
    below = [source(name, records) for name in part.benches]
    if "time_to_loss" in known:
        below.insert(0, sooner(records["time_to_loss"]))
    if "cores" in known:
        below.insert(0, more_cores(records["cores"]))
    lines = ["", f"## {part.title}", "", textwrap.fill(part.words, 100), ""]
    if rows:
        lines += [table(rows), ""]
    return [*lines, *filter(None, below)]


def on_card(folder: Path) -> list[str]:
    """The section of a graphics card: its table, or that none was measured and how it is."""
    lines = ["", "## On a graphics card", ""]
    path = folder / "card.json"
    if not path.exists():
        return [*lines, NO_CARD]
    record = json.loads(path.read_text(encoding="utf-8"))
    words = (
        f"{record['settings']['card']}. {machine_of(record)}. The whole command is timed from a "
        "process's start. A step makes the batch and runs forward, backward and the optimizer; the "
        "operations in TFLOP/s are those of its matrices and its attention, without padding. New "
        "names are nowhere in the text, and each comes once; draws of the original may be both."
    )
    notes = ", ".join(cautions(record))
    source = "Record: [card](performance/card.json)" + f" ({notes})" * bool(notes) + "."
    rows = [row_on_card(row) for row in record["rows"]]
    return [*lines, textwrap.fill(words, 100), "", table(rows), "", source]


def row_on_card(row: Row) -> Row:
    """What was measured, with its units; of a part that failed, why."""
    rate = cell("", brief(row.get("a second")))
    return {
        "what": row["what"],
        "time": row.get("why") or timed(row["time"], row["unit"]),
        "a second": f"{rate} {row['per']}" if "per" in row else None,
        "TFLOP/s": row.get("TFLOP/s"), "nll val": row.get("nll val"),
    }  # fmt: skip


def page(folder: Path = RECORDS) -> str:
    """The page, from the records in a folder; it says which are missing."""
    paths = {name: folder / f"{name}.json" for name in BENCHES}
    records = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.exists()
    }
    lines = [HEAD, "", machines(records)] if records else [HEAD]
    for part in SECTIONS:
        lines += section(part, records)
    lines += on_card(folder)
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not same:
        print("docs/performance.md is not what the records say: make docs", file=sys.stderr)
    return int(not same)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
