"""Fingerprints of what makemore computes at fixed seeds: whether a change of the code changed it.

    python bench/fingerprint.py --out before.json --runs before       before a change
    python bench/fingerprint.py --out after.json --against before.json [--old-runs before]

Trains every model, an ensemble and a run with labels for a few steps by the command line, stops one
training and goes on with it, and draws, scores and ranks lines by each. Kept are the sha256 and the
size of all that was written or printed. With --old-runs the runs that another version made are
drawn from and scored by this one, too. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

NEURAL = ("bigram", "mlp", "deep_mlp", "wavenet", "bow", "rnn", "gru", "lstm", "transformer")
SHORT = ("--max-steps", "20", "--eval-interval", "10", "--log-interval", "5")
COMMON = ("--seed", "7", "--threads", "1", "--save-interval", "0")
TRAININGS: dict[str, tuple[str, ...]] = {
    **{name: ("--model", name, *SHORT) for name in NEURAL},
    "ngram": ("--model", "ngram"),
    "soft-targets-mlp": ("--model", "mlp", "--soft-targets", "0.5", *SHORT),
    "ensemble": ("--model", "ensemble", "--members", "ngram, mlp max_steps=20, gru max_steps=10"),
    "watched": ("--model", "deep_mlp", "--watch", "--calibrate", *SHORT),
    "sgd": ("--model", "mlp", "--optimizer", "sgd", "--schedule", "cosine", *SHORT),
    "graphemes": ("--model", "gru", "--symbols", "grapheme", *SHORT),
}
LABELLED = {
    "labels-gru": ("--model", "gru", "--labels", *SHORT),
    "labels-ngram": ("--model", "ngram", "--labels"),
}
# What is asked of every run.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "sample": ("sample", "RUN", "-n", "200", "--seed", "3", "--json"),
    "all": ("sample", "RUN", "-n", "200", "--seed", "4", "--all", "--json", "--temperature", "0.9"),
    "filtered": ("sample", "RUN", "-n", "50", "--seed", "5", "--top-k", "9", "--min-p", "0.02"),
    "guided": ("sample", "RUN", "-n", "20", "--seed", "6", "--suffix", "na", "--prefix", "Ma",
               "--json"),
    "top": ("top", "RUN", "-n", "20", "--beam", "200", "--json"),
    "score": ("score", "RUN", "LINES", "--json"),
    "eval": ("eval", "RUN", "--json"),
}  # fmt: skip
# What is asked of one run only, since it takes long or is the same for all.
MORE: dict[str, dict[str, tuple[str, ...]]] = {
    "ngram": {
        "exact-top": ("top", "RUN", "-n", "20", "--json"),
        "exhausting": ("sample", "RUN", "-n", "60", "--seed", "8", "--pattern", "[AB].{1,3}"),
        "many": ("sample", "RUN", "-n", "5000", "--seed", "9"),
        "distance": ("sample", "RUN", "-n", "50", "--seed", "9", "--min-distance", "2"),
    },
    "gru": {"many": ("sample", "RUN", "-n", "3000", "--seed", "9")},
    "transformer": {
        "many": ("sample", "RUN", "-n", "3000", "--seed", "9"),
        "explain": ("explain", "RUN", "Maria", "--json"),
        "trace": ("explain", "RUN", "Maria", "--trace", "--json"),
        "narrow": ("sample", "RUN", "-n", "40", "--seed", "8", "--pattern", "[AB].{1,3}"),
    },
    "labels-gru": {"one": ("sample", "RUN", "-n", "50", "--seed", "3", "--label", "vowel")},
    "labels-ngram": {"one": ("sample", "RUN", "-n", "50", "--seed", "3", "--label", "vowel")},
}
SECONDS = re.compile(rb'"seconds": [\d.e-]+')  # the one value that no two trainings share
SYMBOLS = re.compile(rb'"symbols": \d+')  # of a resumed training: counted from where it was stopped


def run(arguments: tuple[str, ...], cwd: Path) -> bytes:
    """Standard output of a command; a command that ends with an error ends this program."""
    done = subprocess.run(
        [sys.executable, "-c", start(), *arguments],
        cwd=cwd, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 7):  # 7: fewer lines than asked for, which is an answer, too
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


@cache
def start() -> str:
    """Code that is the command line, whose entry point versions have in different places."""
    code = "import makemore.cli.main"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    module = "cli" if found.returncode else "cli.main"
    return f"import sys; from makemore.{module} import main; sys.argv[0] = 'makemore'; main()"


def mark(body: bytes) -> list[str | int]:
    return [hashlib.sha256(body).hexdigest(), len(body)]


def files_of(folder: Path, resumed: bool = False) -> dict[str, list[str | int]]:
    """The fingerprint of each file of a run directory; of logs without what differs every time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name in ("lock", "checkpoint.json", "looks.jsonl"):
            continue  # checkpoint.json holds the length of logs, seconds included
        body = SECONDS.sub(b"", path.read_bytes())
        found[name] = mark(SYMBOLS.sub(b"", body) if resumed else body)
    return found


def questions(name: str, folder: Path, lines: Path) -> dict[str, list[str | int]]:
    asked = {**QUESTIONS, **MORE.get(name, {})}
    return {
        what: mark(run(tuple({"RUN": str(folder), "LINES": str(lines)}.get(word, word)
                             for word in words), folder.parent))
        for what, words in asked.items()
    }  # fmt: skip


def written_lines(runs: Path) -> tuple[Path, Path]:
    """Two files: lines to score, and lines with labels, from the names that come with makemore."""
    run(("train", "--model", "ngram", "-o", "names", *COMMON), runs)
    names = (runs / "names" / "split" / "train.txt").read_text(encoding="utf-8").splitlines()
    some, labelled = runs / "some.txt", runs / "labelled.tsv"
    some.write_text("\n".join([*names[:100], "Zzyx", "Éa"]) + "\n", encoding="utf-8")
    labels = ("vowel" if name[-1] in "aeiouy" else "consonant" for name in names)
    labelled.write_text("".join(f"{n}\t{k}\n" for n, k in zip(names, labels, strict=True)))
    return some, labelled


def one(name: str, arguments: tuple[str, ...], runs: Path, some: Path) -> dict[str, object]:
    folder = runs / name
    printed = run(("train", *arguments, *COMMON, "-o", str(folder)), runs)
    assert printed
    return {"files": files_of(folder), "printed": questions(name, folder, some)}


def resumed(runs: Path) -> dict[str, object]:
    """A training that is stopped by SIGTERM after its first save and goes on."""
    folder = runs / "resumed"
    arguments = ("train", "--model", "gru", "--max-steps", "300", "--eval-interval", "20", *COMMON)
    process = subprocess.Popen(
        [sys.executable, "-c", start(), *arguments, "-o", str(folder)], cwd=runs,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 40/"):
            process.terminate()
            break
    process.stderr.read()
    assert process.wait() == 143, "it should have been stopped"
    run((*arguments, "-o", str(folder)), runs)
    return {"files": files_of(folder, resumed=True)}


def compared(now: dict[str, object], before: dict[str, object], at: str = "") -> list[str]:
    """Where two fingerprints differ."""
    different = []
    for key in sorted({*now, *before}):
        one, other = now.get(key), before.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            different += compared(one, other, f"{at}/{key}")
        elif one != other:
            different.append(f"{at}/{key}")
    return different


def total(found: object) -> tuple[int, int]:
    """(things, bytes) of a fingerprint."""
    if isinstance(found, dict):
        each = [total(value) for value in found.values()]
        return sum(one for one, _ in each), sum(other for _, other in each)
    return 1, found[1]  # type: ignore[index]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="where to write the fingerprints")
    parser.add_argument("--against", type=Path, help="fingerprints to compare with")
    parser.add_argument("--runs", type=Path, help="keep the runs in this folder")
    parser.add_argument("--old-runs", type=Path, help="runs of another version, to be asked again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        runs = (options.runs or Path(temporary)).resolve()
        runs.mkdir(parents=True, exist_ok=True)
        some, labelled = written_lines(runs)
        jobs = {**TRAININGS, **{k: (str(labelled), *v) for k, v in LABELLED.items()}}
        with ThreadPoolExecutor(2) as pool:
            waiting = {
                name: pool.submit(one, name, arguments, runs, some)
                for name, arguments in jobs.items()
            }
            waiting["resumed"] = pool.submit(resumed, runs)
            if options.old_runs:
                for name in jobs:
                    folder = options.old_runs.resolve() / name
                    waiting[f"old/{name}"] = pool.submit(questions, name, folder, some)
            found: dict[str, object] = {name: each.result() for name, each in waiting.items()}
    if options.out:
        options.out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    things, size = total(found)
    print(f"{things} fingerprints of {size:,} bytes")
    if not options.against:
        return 0
    before = json.loads(options.against.read_text())
    for name in [name for name in found if name.startswith("old/")]:
        # What this version prints of a run that another one made is what that one printed of it.
        again, first = found.pop(name), before[name.removeprefix("old/")]["printed"]
        before[name], found[name] = first, again
    different = compared(found, before)
    print("\n".join(different) or f"all equal to {options.against.name}")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
