"""Quality from short lists: how real are the lines of a model that learned from 60 or 300 lines?

    python bench/short_lists.py --log short.jsonl [--json OUT] [--names names.txt]
    python bench/short_lists.py --ways default,ngram --min-p 0,0.05,default --sizes 60,300 --seeds 3
    python bench/short_lists.py --tune --kinds "Dutch places,Czech words"    to choose defaults by
    python bench/short_lists.py --list --sizes 60,300,1000,5000              the kinds, no fits

A kind of lines (line_kinds.py) is cut by a seed into a train list, test lines, and all others,
which the judge learns (realism.py). Each fit adds a line to --log; a later run with the same log
skips what is there, so use another log once the code of a model or of sampling has changed.

nll test         nats a symbol of the test lines whose characters all occur in the train list, and
                 which the built-in prior has not read (of Faker's kinds it has read none)
plausible        new lines that the judge finds as likely, a symbol, as 95 % of the test lines
AUC              how well a classifier tells test lines from as many new ones; 0.5: it cannot
triples of real  distinct letter triples (ends not marked), over those of as many test lines
copies           of draws with all=True, those that are in the train list
near copies      of new lines, those one edit away from a line of the train list

A figure is the median over seeds, then the mean over kinds. Defaults are chosen by the kinds of
--tune only; the others are for reporting. The AUC grows with the draws: compare equal --draws only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from line_kinds import Cut, cut, has_room, kinds_of
from makemore import MakeMore
from makemore.api.prior import load_prior
from makemore.errors import Unsatisfiable
from makemore.text import Corpus
from measure import Bench, Row, parser, threads_of
from realism import Judge, classifier_auc, copies, near_copies, triples

FEWEST = 20  # new lines: of fewer, nothing is said
MEASURES = ("plausible %", "AUC", "triples of real", "copies %", "near copies %")


class Way(NamedTuple):
    """How to fit and to sample: keywords of MakeMore, and of every draw."""

    fit: dict[str, Any]
    draw: dict[str, Any]


MIXTURE = "ngram order=3, ngram order=5, ngram, ngram order=9, transformer"  # as --time had it
WAYS = {
    "default": Way({}, {}),
    "no prior": Way({"prior": "none"}, {}),
    "transformer": Way({"model": "transformer"}, {}),
    "ngram": Way({"model": "ngram"}, {}),
    "mixture": Way({"model": "ensemble", "members": MIXTURE}, {}),
}


# -- what is measured -----------------------------------------------------------------------------


def drawn_lines(maker: MakeMore, n: int, seed: int, **how: Any) -> list[str]:
    """Draw n lines, or as many as there are."""
    lines = []
    try:
        for sample in maker.samples(n, seed, **how):
            lines.append(sample.text)
    except Unsatisfiable:
        pass
    return lines


def quality(maker: MakeMore, parts: Cut, judge: Judge, draws: int, seed: int, **how: Any) -> Row:
    """Draw by these keywords and measure the lines; None where there are too few."""
    new, any_lines = (drawn_lines(maker, draws, seed, all=every, **how) for every in (False, True))
    row: Row = dict.fromkeys(MEASURES) | {"new": len(new)}
    if any_lines:
        row["copies %"] = 100 * copies(any_lines, parts.train)
    if len(new) >= FEWEST:
        n = min(len(new), len(parts.test))
        row |= {
            "plausible %": 100 * judge.plausible(new),
            "AUC": classifier_auc(parts.test[:n], new[:n], seed),
            "triples of real": triples(new[:n]) / triples(parts.test[:n]),
            "near copies %": 100 * near_copies(new, parts.train),
        }
    return row


def known_test(parts: Cut) -> list[str]:
    """The test lines without a character that the train list lacks: the same for all ways."""
    known, prior = set("".join(parts.train)), load_prior("builtin")
    assert prior is not None
    read = prior.lines.is_read(Corpus.exactly(parts.test).hashes())
    both = zip(parts.test, read, strict=True)
    return [line for line, was_read in both if known.issuperset(line) and not was_read]


def manner(word: str) -> tuple[str, dict[str, Any]]:
    """A word of --min-p -> its label and the keywords of a draw."""
    if word == "default":
        return word, {}
    return (f"min_p {word}", {"min_p": float(word)}) if float(word) else ("raw", {"style": "plain"})


class Request(NamedTuple):
    """What to measure of a fit: manners of drawing (label -> keywords), draws, its options."""

    how: Mapping[str, dict[str, Any]]
    draws: int
    options: Mapping[str, Any]


def measure(way: Way, parts: Cut, judge: Judge, request: Request, seed: int) -> Row:
    """Fit once; score the test lines, and draw in each manner."""
    began, worked = time.perf_counter(), time.process_time()
    maker = MakeMore(**way.fit, **request.options, random_state=seed).fit(parts.train)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    test = known_test(parts)
    return {
        "seconds": seconds,
        "CPU seconds": worked,  # of all threads: other work on the machine adds little to it
        "tested": len(test),
        "nll test": maker.scores(Corpus.from_lines(test)).mean() if test else None,
        "drawn": {
            label: quality(maker, parts, judge, request.draws, seed, **way.draw | keywords)
            for label, keywords in request.how.items()
        },
    }


# -- the log and the table ------------------------------------------------------------------------

KEY = ("kind", "lines", "way", "seed", "draws")


class Log:
    """Fits by KEY, and the file that keeps them, a line of JSON each."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self.entries: dict[tuple[Any, ...], Row] = {}
        if self.path and self.path.exists():
            text = self.path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]  # without a line that was cut off while written
            if whole != text:
                self.path.write_text(whole, encoding="utf-8")
            for line in whole.splitlines():
                self.add(json.loads(line))

    def add(self, entry: Row) -> None:
        key = tuple(entry[name] for name in KEY)
        self.entries[key] = {**entry, "drawn": {**self.drawn(*key), **entry["drawn"]}}

    def drawn(self, *key: Any) -> dict[str, Row]:
        """What was measured of this fit already, by the manner of drawing."""
        return self.entries[key]["drawn"] if key in self.entries else {}

    def write(self, entry: Row) -> None:
        self.add(entry)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:  # closing it flushes the line
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def middle(entries: Iterable[tuple[str, float | None]]) -> float | None:
    """(kind, value) of each seed -> the mean over kinds of the medians over seeds."""
    values = defaultdict(list)
    for kind, value in entries:
        if value is not None:
            values[kind].append(value)
    return statistics.mean(map(statistics.median, values.values())) if values else None


def summary(entries: Sequence[Row], how: Iterable[str]) -> Iterator[Row]:
    """A row for each size, way and manner of drawing."""
    labels = list(how)
    for size, way in dict.fromkeys((entry["lines"], entry["way"]) for entry in entries):
        those = [entry for entry in entries if (entry["lines"], entry["way"]) == (size, way)]
        for label in labels:
            drawn = [(entry["kind"], entry["drawn"][label]) for entry in those]
            yield {
                "lines": size, "way": way, "drawn": label,
                "kinds": len({kind for kind, _ in drawn}), "fits": len(those),
                **{key: middle((entry["kind"], entry[key]) for entry in those)
                   for key in ("seconds", "CPU seconds", "nll test")},
                **{key: middle((kind, row[key]) for kind, row in drawn) for key in MEASURES},
            }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--tune", action="store_true", help="the kinds that defaults are chosen by")
    flags.add_argument("--kinds", default="all", help="comma-separated")
    flags.add_argument("--ways", default=",".join(WAYS), help="comma-separated")
    flags.add_argument("--min-p", default="0,default", help="of the draws; 0: raw; default: the "
                       "style that `makemore sample` has for so many lines")  # fmt: skip
    flags.add_argument("--sizes", default="60,300", help="lines of the train lists")
    flags.add_argument("--seeds", type=int, default=3, help="how many: 0, 1, ...")
    flags.add_argument("--draws", type=int, default=500, help="lines to judge of each fit")
    flags.add_argument("--log", help="file that keeps each fit, so that a run can go on")
    flags.add_argument("--list", action="store_true", help="show the kinds, measure nothing")
    run(flags.parse_args(arguments))


def run(options: argparse.Namespace) -> None:
    """Measure what is not in the log; then the table of all that was wanted."""
    if options.short:
        options.kinds, options.ways, options.sizes = "English words,Greek places", "ngram", "60"
        options.tune, options.seeds, options.draws, options.min_p = False, 1, 40, "0,default"
    names = options.names or os.environ.get("MAKEMORE_NAMES")
    kinds = kinds_of(options.tune, names, options.kinds)
    sizes, ways = [int(size) for size in options.sizes.split(",")], options.ways.split(",")
    if unknown := set(ways) - set(WAYS):
        sys.exit(f"no such ways: {sorted(unknown)}; there are {list(WAYS)}")
    if options.list:
        for kind, lines in kinds.items():
            fitting = [size for size in sizes if has_room(len(lines), size)]
            print(f"{kind}: {len(lines):,} lines, train lists of {fitting}")
        return
    how = dict(manner(word) for word in options.min_p.split(","))
    threads = {"threads": threads_of(options)} if threads_of(options) else {}
    bench, log, entries = Bench("short_lists", options), Log(options.log), list[Row]()
    bench.settings = {
        "kinds": "tune" if options.tune else "report", "draws": options.draws, "log": options.log
    }  # fmt: skip
    # Kinds inside, seeds outside: a run that is cut short has measured every kind alike.
    for size, seed, kind in product(sizes, range(options.seeds), kinds):
        if not has_room(len(kinds[kind]), size):
            continue
        parts, judge = cut(kinds[kind], size, seed), None
        for way in ways:
            key = kind, size, way, seed, options.draws
            missing = {label: how[label] for label in how if label not in log.drawn(*key)}
            if missing:
                judge = judge or Judge(parts)
                request = Request(missing, options.draws, threads)
                row = measure(WAYS[way], parts, judge, request, seed)
                log.write(dict(zip(KEY, key, strict=True)) | row)
                print(f"{key}: {row['seconds']:.1f} s", file=sys.stderr, flush=True)
            entries.append(log.entries[key])
    for row in summary(entries, how):
        bench.add(row)
    bench.finish()


if __name__ == "__main__":
    main()
