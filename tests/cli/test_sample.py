"""makemore sample: what is shown of each line, how lines are found, and what cannot be.

Numbers in names of tests are those of the list of faults that the project was planned with.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rapidfuzz.distance import Levenshtein

from cli.conftest import SCRIPT, SYLLABLES, failed, learn, lines_of, objects, typed
from conftest import Call
from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.runs.run import Run
from makemore.runs.writer import RunWriter

LETTERS = "abcdefghijklmnopqrstuvwxyz"


# -- what is shown --------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_bytes_on_the_command_line_and_in_python(
    run: Path, call: Call
) -> None:
    fifty = call("sample", run, "-n", "50", "--seed", "3").stdout
    assert fifty.splitlines() == MakeMore.load(run).sample(50, 3)
    five = call("sample", run, "-n", "5", "--seed", "3")
    assert fifty.startswith(five.stdout) and len(lines_of(five)) == 5 and five.stderr == ""
    assert call("sample", run, "-n", "5", "--seed", "4").stdout != five.stdout


def test_a_fresh_seed_is_shown_once_lines_can_be_drawn(counted: Path, call: Call) -> None:
    first, second = call("sample", counted), call("sample", counted)
    assert first.stdout != second.stdout and len(lines_of(first)) == 20
    seed = first.stderr.removeprefix("makemore: --seed ").strip()
    assert seed.isdigit() and call("sample", counted, "--seed", seed).stdout == first.stdout
    none = call("sample", counted, "-n", "0", "--seed", "1")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "")
    for options in (("--prefix", "?"), ("--suffix", "?"), ("--pattern", "("), ("--label", "x")):
        ended = call("sample", counted, *options)
        assert ended.stdout == "" and len(ended.stderr.splitlines()) == 1
        assert ended.stderr.startswith("makemore: error: ") and options[0] in ended.stderr


def test_all_shows_where_a_line_stands(ngram: Path, call: Call) -> None:
    parts = {text: name for name, part in Run.load(ngram).split for text in part}
    origins = Counter[str]()
    for line in lines_of(call("sample", ngram, "-n", "300", "--seed", "1", "--all")):
        text, origin = line.removesuffix(" capped").split("\t")
        assert origin == parts.get(text, "new")
        origins[origin] += 1
    assert origins.total() == 300 and origins["train"] > 10 and origins["new"] > 10


@pytest.mark.parametrize("options", [{}, {"all": True}, {"suffix": "ilon"}], ids=str)
def test_json_says_of_each_line_what_it_is(options: dict[str, Any], run: Path, call: Call) -> None:
    maker = MakeMore.load(run)
    lines = objects(call("sample", run, "-n", "60", "--seed", "2", "--json", *typed(options)))
    assert len(lines) == 60
    assert all(list(line) == ["text", "origin", "nll", "capped", "exact"] for line in lines)
    scores = -maker.score_samples([line["text"] for line in lines])
    assert [line["nll"] for line in lines] == pytest.approx(scores.tolist(), rel=1e-4)
    origins = {text: name for name, part in maker.split for text in part}
    assert [line["origin"] for line in lines] == [
        origins.get(line["text"], "new") for line in lines
    ]
    assert lines[-1]["exact"] == (options != {"suffix": "ilon"})


@pytest.mark.parametrize("options", [(), ("--suffix", "ilon"), ("--all",)], ids=str)
def test_rank_shows_the_same_lines_by_nll(options: tuple[str, ...], run: Path, call: Call) -> None:
    plain = lines_of(call("sample", run, "-n", "40", "--seed", "6", *options))
    ranked = lines_of(call("sample", run, "-n", "40", "--seed", "6", "--rank", *options))
    rows = [row.split("\t", 1) for row in ranked]
    nll = [float(row[0]) for row in rows]
    assert nll == sorted(nll) and sorted(row[1] for row in rows) == sorted(plain)
    assert [row[1] for row in rows] != plain
    texts = [row[1].split("\t")[0] for row in rows]
    each = -MakeMore.load(run).score_samples(texts) / [len(text) + 1 for text in texts]
    assert nll == pytest.approx(each.tolist(), rel=1e-3)
    whole = lines_of(call("sample", run, "-n", "40", "--seed", "6", "--rank", "--total", *options))
    scores = [float(row.split("\t")[0]) for row in whole]
    total = each * [len(text) + 1 for text in texts]
    assert scores == pytest.approx(sorted(total), rel=1e-3)


def test_rank_shows_what_was_found_before_the_end(counted: Path, call: Call) -> None:
    ended = call("sample", counted, "-n", "40", "--max-length", "1", "--rank")
    rows = [line.split("\t") for line in ended.stdout.splitlines()]
    assert ended.returncode == 7 and f"found {len(rows)} of 40 lines" in ended.stderr
    assert sorted(row[1] for row in rows) == sorted(set("".join(SYLLABLES)))
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)


def test_a_run_is_sampled_while_it_is_training(ngram: Path, call: Call) -> None:
    with RunWriter(ngram):
        assert len(lines_of(call("sample", ngram, "-n", "3"))) == 3
        assert len(lines_of(call("-o", ngram, "--sample-only"))) == 50
        failed(call("train", "-o", ngram, "--order", "3", "--seed", "5"), 5, str(os.getpid()))


# -- a small space --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def letters(runs: Callable[..., Path]) -> Path:
    return runs("ngram", list(LETTERS))


def test_every_string_of_two_letters_comes_once_and_then_it_is_said_that_there_is_no_other(
    letters: Path, call: Call
) -> None:
    two = sorted(a + b for a, b in itertools.product(LETTERS, repeat=2))
    all_of_them = lines_of(call("sample", letters, "--max-length", "2", "-n", "676"))
    assert sorted(all_of_them) == two
    ended = call("sample", letters, "--max-length", "2", "-n", "677", "--seed", "5")
    assert ended.returncode == 7 and sorted(ended.stdout.splitlines()) == two
    assert "found 676 of 677 lines" in ended.stderr and "there is no other" in ended.stderr
    began = time.monotonic()
    ended = call("sample", letters, "--max-length", "1")
    assert (ended.returncode, ended.stdout) == (7, "") and time.monotonic() - began < 3
    assert "found 0 of 20 lines" in ended.stderr and "there is no other" in ended.stderr
    assert "ask for fewer" not in ended.stderr and "loosen the conditions" in ended.stderr


def test_what_to_do_is_what_would_help(letters: Path, call: Call) -> None:
    cold = call("sample", letters, "--temperature", "0")
    assert cold.returncode == 7 and "raise --temperature, or use --all" in cold.stderr
    assert "loosen" not in cold.stderr and "ask for fewer" not in cold.stderr
    near = call("sample", letters, "--max-length", "2", "--min-distance", "3", "--seed", "1")
    assert near.returncode == 7 and "lower --min-distance" in near.stderr
    assert "676 were too near to known ones" in near.stderr


# -- novelty --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("distance", [2, 3])
def test_no_line_is_nearer_to_the_text_than_was_asked(
    distance: int, counted: Path, call: Call
) -> None:
    options = ("-n", "600", "--temperature", "1.5", "--seed", "1", "--min-length", "6")
    plain = lines_of(call("sample", counted, *options))
    ended = call("sample", counted, *options, "--min-distance", str(distance))
    far = lines_of(ended)

    def least(line: str) -> int:
        return min(Levenshtein.distance(line, other) for other in SYLLABLES)

    assert min(map(least, far)) >= distance > min(map(least, plain))
    # They are the others without the near ones, which are counted.
    kept = [line for line in plain if least(line) >= distance]
    assert far[: len(kept)] == kept
    found = re.search(r"makemore: (\d+) lines refused: too near to one of the text", ended.stderr)
    assert found is not None and int(found[1]) >= len(plain) - len(kept) > 0


def test_a_line_that_is_too_near_is_counted_once(letters: Path) -> None:
    # 27 strings of one letter, or of two that are alike but one, come up again and again.
    maker = MakeMore.load(letters)
    sampler = maker.sampler(1, min_distance=2, max_length=2, pattern="a.|.a|bb")
    with pytest.raises(Unsatisfiable):
        list(maker.drawn(sampler, 5))
    assert sampler.tally.too_near == 52 and sampler.tally.draws > 200


def test_avoided_lines_do_not_come(counted: Path, call: Call) -> None:
    arguments = ("sample", counted, "-n", "40", "--seed", "1")
    first = lines_of(call(*arguments))
    assert len(set(first)) == 40 and not set(first) & set(SYLLABLES)
    Path("avoid.txt").write_text("\n".join([*first[::2], "a" * 2000]) + "\n")
    Path("nothing.txt").write_text("")
    others = lines_of(call(*arguments, "--avoid", "avoid.txt"))
    assert others[:20] == first[1::2] and not set(others) & set(first[::2])
    assert lines_of(call(*arguments, "--avoid", "nothing.txt")) == first
    for name, words in (("missing.txt", "No such file"), (".", "Is a directory")):
        failed(call(*arguments, "--avoid", name), 3, words)


# -- options at their limits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "--temperature -1", "--temperature nan", "--temperature inf", "--temperature abc",
        "--temperature 1e400", "--top-k 0", "--top-k -1", "--top-k 1.5", "--top-k x", "--top-p 0",
        "--top-p -0.5", "--top-p 1.5", "--top-p nan", "--min-p 2", "-n -1", "-n x", "-n 1e3",
        "--min-length -1", "--min-length 1000000000", "--max-length 0", "--seed -1",
        "--seed 9223372036854775808", "--seed x",
    ],
)  # fmt: skip
def test_72_to_81_options_that_cannot_be_are_refused(
    option: str, few_names: Path, call: Call
) -> None:
    failed(call("sample", few_names, *option.split()), 2, option.split()[0])


@pytest.mark.parametrize("prefix", ["x", "emma7", "\u00e9", "a\nb", " emma", "\x1b[31m", "A"])
def test_75_prefixes_that_no_line_has_are_named(prefix: str, few_names: Path, call: Call) -> None:
    failed(call("sample", few_names, "--prefix", prefix), 2, "--prefix")


def drawn(call: Call, folder: Path | str, *options: str) -> list[dict[str, Any]]:
    return objects(call("sample", folder, "--seed", "1", "--all", "--json", *options))


def test_71_and_72_temperature(few_names: Path, call: Call) -> None:
    greedy = drawn(call, few_names, "--temperature", "0", "-n", "5")
    assert len({sample["text"] for sample in greedy}) == 1
    for cold in ("1e-300", "5e-324", "0.001"):
        assert drawn(call, few_names, "--temperature", cold, "-n", "5") == greedy
    hot = drawn(call, few_names, "--temperature", "1e300", "-n", "2000")
    first = [sample["text"][:1] for sample in hot]
    symbols = ["", *Run.load(few_names).vocabulary.symbols]
    expected = len(hot) / len(symbols)
    for symbol in symbols:  # uniform over the symbols and the end, 5 deviations wide
        assert abs(first.count(symbol) - expected) < 5 * math.sqrt(expected)
    assert all(math.isfinite(sample["nll"]) for sample in hot)


def test_73_limits_that_limit_and_those_that_do_not(few_names: Path, call: Call) -> None:
    plain = drawn(call, few_names, "-n", "50", "--style", "plain")
    size = str(len(Run.load(few_names).vocabulary))
    for option in (
        ("--top-k", size), ("--top-k", str(10**18)), ("--top-k", "none"), ("--top-p", "1"),
        ("--min-p", "0"), ("--style", "plain", "--prefix", ""),
    ):  # fmt: skip
        assert drawn(call, few_names, "-n", "50", *option) == plain
    greedy = drawn(call, few_names, "-n", "5", "--temperature", "0")
    for option in (("--top-k", "1"), ("--top-p", "1e-300"), ("--min-p", "1")):
        assert drawn(call, few_names, "-n", "5", *option) == greedy
    for option in (
        ("--temperature", "0.5"), ("--top-k", "2"), ("--top-p", "0.5"), ("--min-p", "0.5"),
        ("--prefix", "em"), ("--min-length", "6"), ("--max-length", "3"),
    ):  # fmt: skip
        limited = drawn(call, few_names, "-n", "50", *option)
        assert len(limited) == 50 and limited != plain, option


def test_74_a_billion_lines_stream_and_end_on_an_interrupt(few_names: Path) -> None:
    command = [SCRIPT, "sample", few_names, "-n", "1000000000", "--all"]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=subprocess.PIPE)
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(b"makemore: --s")
            time.sleep(0.3)  # it draws
            before = memory(process.pid)
            time.sleep(0.5)
            after = memory(process.pid)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            errors = process.communicate(timeout=20)[1]
        finally:
            process.kill()  # it would draw for hours: where signals are ignored, too
    assert process.returncode == 130 and time.monotonic() - began < 5
    assert b"Traceback" not in errors and after - before < 20 * 2**20


def memory(pid: int) -> int:
    """Bytes that a process holds; 0 where that cannot be asked."""
    path = Path(f"/proc/{pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.exists() else 0


def test_75_a_prefix_longer_than_what_the_model_sees(named: Path, call: Call) -> None:
    maker, prefix = MakeMore.load(named), "emma" * 20
    assert len(prefix) > maker._model.block_size
    samples = drawn(call, named, "-n", "5", "--prefix", prefix)
    assert all(sample["text"].startswith(prefix) for sample in samples)
    ended = [sample for sample in samples if not sample["capped"]]
    expected = -maker.score_samples([sample["text"] for sample in ended])
    assert [sample["nll"] for sample in ended] == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        "--min-length 5 --max-length 4", "--prefix emma --max-length 3", "--contains q",
        "--suffix E", "--pattern x+", "--suffix a --pattern [ab]*b",
        "--exclude abcdefghijklmnopqrstuvwxyz", "--prefix em --suffix mi --max-length 2",
    ],
)  # fmt: skip
def test_76_what_cannot_be_is_told_at_once(options: str, few_names: Path, call: Call) -> None:
    words, began = options.split(), time.monotonic()
    ended = call("sample", few_names, *words)
    failed(ended, 7, "no line satisfies all conditions", " ".join(words[:2]))
    assert time.monotonic() - began < 1


def test_76_what_is_not_found_ends_and_shows_what_was(few_names: Path, call: Call) -> None:
    began = time.monotonic()
    ended = call("sample", few_names, "-n", "500", "--max-length", "2", "--seed", "1")
    found = ended.stdout.splitlines()
    assert 0 < len(found) < 500 and all(len(line) <= 2 for line in found)
    assert ended.returncode == 7 and f"found {len(found)} of 500 lines after" in ended.stderr
    assert time.monotonic() - began < 30 and len(set(found)) == len(found)


def test_78_nothing_new_is_possible(call: Call) -> None:
    learn(call, "a\naa\naaa\naaaa\n")
    arguments = ("sample", "run", "-n", "5", "--max-length", "4")
    failed(call(*arguments), 7, "found 0 of 5 lines after")
    assert len(lines_of(call(*arguments, "--all"))) == 5


@pytest.mark.slow
def test_79_a_line_that_does_not_end_is_cut_and_marked(call: Call) -> None:
    learn(call, "a" * 60, "--order", "2")
    samples = drawn(call, "run", "-n", "200")
    capped = [sample["text"] for sample in samples if sample["capped"]]
    assert 5 < len(capped) < 195
    assert {len(text) for text in capped} == {120}  # twice the longest line
    assert max(len(sample["text"]) for sample in samples) == 120
    assert "\tnew capped\n" in call("sample", "run", "-n", "200", "--seed", "1", "--all").stdout
    shown = lines_of(call("sample", "run", "-n", "30", "--seed", "1"))
    assert len(shown) == 30 and not {*capped} & {*shown}  # never shown as if it had ended
