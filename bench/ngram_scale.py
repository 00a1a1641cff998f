"""How counting grows: seconds, memory, disk and size of an n-gram, in memory and beyond it.

    python bench/ngram_scale.py --names names.txt [--json OUT]       10^6, 10^7, 10^8 symbols
    python bench/ngram_scale.py --disk 1e9 --memory 1GiB --work DIR  a diverse list, by the commands
    python bench/ngram_scale.py --lmplz PATH                         beside KenLM, by turns

Each size in a process of its own; one in memory stops itself rather than take the machine's last.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from measure import Bench, Row, parser, per, seconds_of, spread, words_of

ORDER = 6
HIGH_ORDER = 14  # whose n-grams of 27 symbols take more than 64 bits
SIZES = {(10**6, ORDER): 5, (10**7, ORDER): 3, (10**7, HIGH_ORDER): 3, (10**8, ORDER): 1}
SHORT = {(10**4, ORDER): 1, (10**5, HIGH_ORDER): 1}  # symbols, order -> repetitions
BESIDE_LMPLZ, BESIDE_SHORT = {10**7: 3, 10**8: 1}, {10**5: 1}
LOOKUPS = 100_000
MEMORY, SHORT_DISK = "1GiB", 200_000
LOOK_EVERY = 0.2  # seconds between two looks at the size of a folder


def measure(words: list[str], symbols: int, order: int) -> Row:
    """In a process of its own: count made lines once, then look contexts up."""
    import numpy as np

    from made import encoded, stream
    from makemore.models.ngram import NGram

    limit_memory()
    flat, vocabulary = stream(words, symbols)
    ids, offsets = encoded(flat)
    before = peak_gb()
    model = NGram(len(vocabulary), order - 1, NGram.Options(order=order))
    began = time.process_time()
    seconds = seconds_of(lambda: model.fit_counts(ids, offsets))
    cpu = time.process_time() - began
    counted = peak_gb()
    size = sum(array.nbytes for array in model.tensors().values())
    few = np.random.default_rng(1).integers(0, max(1, len(flat) - order), LOOKUPS)
    windows = flat[few[:, None] + np.arange(order - 1)].astype(np.int64)
    lookups = spread(seconds_of(lambda: model.forward(windows)) for _ in range(3))
    return {
        "symbols": len(flat), "order": order, "lines": len(offsets) - 1,
        "n-grams": model.n_parameters,
        "seconds": seconds, "CPU seconds": cpu, "memory GB": counted, "of it before GB": before,
        "weights MB": size / 1e6, "lookups a second": per(LOOKUPS, lookups)["median"],
    }  # fmt: skip


def limit_memory() -> None:
    """Nine tenths of the machine's memory: too much is an error here, and no one else's."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (int(0.9 * total), resource.RLIM_INFINITY))


def peak_gb(usage: resource.struct_rusage | None = None) -> float:
    """The most memory that this process, or the one of this usage, has had at once."""
    usage = usage or resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def in_child(options: argparse.Namespace, symbols: int, order: int) -> Row | None:
    """What `measure` gives in a fresh process; None where the memory did not do."""
    names = ["--names", options.names] if options.names else []
    script = [sys.executable, __file__, "--measure", str(symbols), "--order", str(order), *names]
    done = subprocess.run(script, capture_output=True, text=True)
    if done.returncode and "MemoryError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout))


def command(words: list[str], **streams: object) -> Row:
    """A whole process: seconds, seconds of CPU, and the most memory that it had at once."""
    began = time.perf_counter()
    process = subprocess.Popen(words, **streams)  # type: ignore[call-overload]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}")
    return {
        "seconds": time.perf_counter() - began,
        "CPU seconds": usage.ru_utime + usage.ru_stime, "memory GB": peak_gb(usage),
    }  # fmt: skip


class Largest(threading.Thread):
    """Looks again and again how many bytes the files of a folder take; `size` is the most."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.size, self.over = folder, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        total = 0
        for above, _, names in os.walk(self.folder):
            for name in names:
                try:
                    total += os.lstat(os.path.join(above, name)).st_size
                except OSError:  # it was removed meanwhile
                    continue
        self.size = max(self.size, total)

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.join()
        self.look()

    def __enter__(self) -> Largest:
        self.start()
        return self


def on_disk(symbols: int, memory: str, work: Path) -> list[Row]:
    """Count a diverse list in bounded memory by `makemore count`, and merge it to a run."""
    from made import write_diverse

    file = work / "diverse.txt"
    write_diverse(symbols, file)
    makemore, rows = [sys.executable, "-m", "makemore"], list[Row]()
    for work_name, folder, words in (
        ("count", work / "part", ["count", str(file), "--memory", memory, "--fresh"]),
        ("merge", work / "run", ["merge", str(work / "part"), "--fresh"]),
    ):
        with Largest(folder) as largest:
            row = command([*makemore, *words, "-o", str(folder)], stderr=subprocess.DEVNULL)
        rows.append(
            {
                "work": f"makemore {work_name} --memory {memory}" if work_name == "count"
                else "makemore merge",
                "symbols": symbols, **row, "disk GB": largest.size / 1e9,
            }
        )  # fmt: skip
        print(rows[-1], file=sys.stderr)
    facts = json.loads((work / "part" / "part.json").read_bytes())
    rows[0]["lines"], rows[0]["n-grams"] = (
        facts["trained"],
        facts["files"]["grams.counts"]["size"] // 8,
    )
    rows[1]["weights MB"] = (work / "run" / "weights-1.safetensors").stat().st_size / 1e6
    return rows


def beside_lmplz(words: list[str], symbols: int, times: int, lmplz: str, work: Path) -> list[Row]:
    """Count the same made lines by our model and by KenLM's lmplz, by turns."""
    import numpy as np

    from made import stream
    from makemore.text.reading import text_of

    flat, vocabulary = stream(words, symbols)
    ours, theirs = work / "lines.txt", work / "spaced.txt"
    letters = np.array([ord(symbol) for symbol in ("\n", *vocabulary.symbols)], dtype=np.uint32)
    codes = letters[flat]
    ours.write_text(text_of(codes), encoding="utf-8")
    spaced = np.full((len(codes), 2), ord(" "), dtype=np.uint32)  # symbols are its words
    spaced[:, 0] = codes
    theirs.write_text(text_of(spaced.ravel()), encoding="utf-8")
    sides = {
        "makemore": [sys.executable, __file__, "--count-file", str(ours)],
        "lmplz": [lmplz, "-o", str(ORDER), "--discount_fallback", "-T", str(work), "-S", "2G"],
    }
    rows: dict[str, list[Row]] = {name: [] for name in sides}
    for _ in range(times):
        for name, side in sides.items():
            with open(theirs, "rb") as text:
                rows[name].append(
                    command(side, stdin=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                )
    return [
        {
            "work": f"{name}, a whole process", "symbols": len(flat),
            "seconds": spread(row["seconds"] for row in found),
            "CPU seconds": spread(row["CPU seconds"] for row in found),
            "memory GB": max(row["memory GB"] for row in found),
        }
        for name, found in rows.items()
    ]  # fmt: skip


def count_file(path: str) -> None:
    """In a process of its own: read lines, count them, and make the bytes of the weights."""
    import safetensors.numpy

    from makemore.models.ngram import NGram
    from makemore.text import Corpus, TextConfig, Vocabulary

    corpus = Corpus.read(path, TextConfig(keep_copies=True, as_is=True))
    vocabulary = Vocabulary.of([corpus])
    model = NGram(len(vocabulary), ORDER - 1, NGram.Options(order=ORDER))
    text = vocabulary.encode(corpus)
    model.fit_counts(text.ids, text.offsets)
    sys.stdout.buffer.write(safetensors.numpy.save(model.tensors()))


def in_memory(bench: Bench, options: argparse.Namespace) -> None:
    for (symbols, order), times in (SHORT if options.short else SIZES).items():
        found = [in_child(options, symbols, order) for _ in range(times)]
        rows = [row for row in found if row is not None]
        if not rows:
            bench.add({"symbols": symbols, "order": order, "seconds": None})  # it did not fit
            continue
        seconds = spread(row["seconds"] for row in rows)
        rate = per(rows[0]["symbols"], seconds)
        bench.add({**rows[0], "seconds": seconds, "symbols a second": rate})


def main(arguments: list[str] | None = None) -> None:
    own = parser(__doc__)
    own.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    own.add_argument("--order", type=int, default=ORDER, help=argparse.SUPPRESS)
    own.add_argument("--count-file", help=argparse.SUPPRESS)
    own.add_argument(
        "--disk",
        type=float,
        metavar="SYMBOLS",
        help="only count a diverse list of so many symbols by `makemore count` and `merge`",
    )
    own.add_argument("--memory", default=MEMORY, help="for --disk")
    own.add_argument("--lmplz", metavar="PATH", help="only compare with KenLM's lmplz, by turns")
    own.add_argument("--work", metavar="DIR", help="where lists and runs are written")
    options = own.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(words_of(options), options.measure, options.order)))
        return
    if options.count_file:
        count_file(options.count_file)
        return
    bench = Bench("ngram_scale", options)
    bench.settings = {"order": ORDER}
    if options.work:
        Path(options.work).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        if options.lmplz:
            for symbols, times in (BESIDE_SHORT if options.short else BESIDE_LMPLZ).items():
                rows = beside_lmplz(words_of(options), symbols, times, options.lmplz, Path(work))
                for row in rows:
                    bench.add(row)
        elif not options.disk:
            in_memory(bench, options)
        if options.disk or (options.short and not options.lmplz):
            for row in on_disk(int(options.disk or SHORT_DISK), options.memory, Path(work)):
                rate = per(row["symbols"], spread([row["seconds"]]))
                bench.add({**row, "seconds": spread([row["seconds"]]), "symbols a second": rate})
    bench.finish()


if __name__ == "__main__":
    main()
