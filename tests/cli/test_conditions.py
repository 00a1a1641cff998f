"""Conditions on lines: every line is what was asked for, whatever the way it was drawn in."""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.conftest import SYLLABLES, failed, lines_of, objects, typed
from conftest import Call
from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.sampling.sampler import Sampler


def satisfied(text: str, options: dict[str, Any], length: int | None = None) -> bool:
    """What the conditions mean, in the plainest form; length: of symbols, if not of characters."""
    length = len(text) if length is None else length
    return (
        text.startswith(options.get("prefix", ""))
        and text.endswith(options.get("suffix", ""))
        and options.get("contains", "") in text
        and not set(options.get("exclude", "")) & set(text)
        and re.fullmatch(options.get("pattern") or ".*", text) is not None
        and options.get("min_length", 0) <= length <= options.get("max_length", 1000)
        and text == text.strip() != ""
    )


# -- any conditions -------------------------------------------------------------------------------

ALONE: list[dict[str, Any]] = [
    {}, {"prefix": "ka"}, {"suffix": "na"}, {"contains": "il"}, {"exclude": "aeb"},
    {"pattern": "[k-t].*(a|o)n?"}, {"min_length": 7}, {"max_length": 4}, {"temperature": 0.6},
    {"temperature": 3.0, "pattern": ".*[xkm].*"}, {"top_k": 5}, {"top_p": 0.8}, {"min_p": 0.1},
    {"exact": True, "suffix": "lo"},
]  # fmt: skip
SEVEN = {
    "prefix": "k", "suffix": "a", "contains": "il", "exclude": "sb", "pattern": "[a-t]+",
    "min_length": 4, "max_length": 9,
}  # fmt: skip


@pytest.mark.parametrize(
    "options", [*ALONE, SEVEN, {**SEVEN, "temperature": 1.5}, {**SEVEN, "exact": True}], ids=str
)
def test_each_line_is_new_and_satisfies_what_was_typed(
    options: dict[str, Any], run: Path, call: Call
) -> None:
    found = lines_of(call("sample", run, "-n", "15", "--seed", "3", *typed(options)))
    assert len(found) == len(set(found)) == 15 and not set(found) & set(SYLLABLES)
    assert all(satisfied(line, options) for line in found)


TEXTS = st.text("aeiklmns", min_size=1, max_size=2)
PATTERNS = ["[a-m].*", "(?:[^aeiou][aeiou])+", ".*(na|ko).*", "k?.{3,6}", r"\w+s|\w+n"]
# One in four has a pattern, which costs a process.
CONDITIONS = st.tuples(
    st.fixed_dictionaries(
        {},
        optional={
            "prefix": TEXTS,
            "suffix": TEXTS,
            "contains": TEXTS,
            "exclude": st.text("abeimnst", min_size=1, max_size=3),
            "min_length": st.integers(0, 9),
            "max_length": st.integers(1, 12),
            "temperature": st.sampled_from([0.5, 1.5]),
        },
    ),
    st.sampled_from(["", "", "", *PATTERNS[:1]]) | st.sampled_from(["", "", *PATTERNS]),
)


@pytest.mark.parametrize("examples", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_any_conditions_hold_of_every_line_or_there_is_none(examples: int, run: Path) -> None:
    maker, seconds = MakeMore.load(run), list[float]()
    ways: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None)
    @given(CONDITIONS)
    def every(drawn: tuple[dict[str, Any], str]) -> None:
        options, pattern = drawn
        options = options | ({"pattern": pattern} if pattern else {})
        began = time.monotonic()
        found = []
        try:
            sampler = maker.sampler(5, **options)
            for line in maker.drawn(sampler, 6):
                found.append(line)
            ways[way_of(sampler)] += 1
        except Unsatisfiable as error:
            assert len(found) < 6 and error.exit_code == 7
            ways["none"] += 1
        seconds.append(time.monotonic() - began)
        assert all(satisfied(line.text, options) for line in found)
        assert len({line.text for line in found} - set(SYLLABLES)) == len(found)
        assert seconds[-1] < 30

    every()
    assert sum(seconds) / len(seconds) < 2  # 0.1 on a quiet machine
    assert len(ways) >= 3 and ways["none"] < 0.7 * sum(ways.values())


# -- the ways to draw -----------------------------------------------------------------------------


def way_of(sampler: Sampler) -> str:
    left = not sampler.decoder.strategy.with_replacement
    if not sampler.exact:
        return "led, what is left" if left else "led"
    return "what is left" if left else "rejection"


SCARCE = {"suffix": "lila", "exact": True}


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("rejection", {}),
        ("rejection", {"prefix": "ka", "min_length": 5}),
        ("rejection", {"all": True}),
        ("what is left", {"max_length": 2}),
        ("what is left", {**SCARCE, "max_length": 6}),
        pytest.param("what is left", SCARCE, marks=pytest.mark.slow),  # 6 s for each 20 lines
        ("led", {"suffix": "ilon", "max_length": 6, "temperature": 1.2}),
        ("led, what is left", {"pattern": "[kl]a[a-z]{2}", "suffix": "b", "temperature": 2.0}),
    ],
    ids=str,
)
def test_few_lines_are_the_first_of_many_in_every_way_and_from_everywhere(
    way: str, options: dict[str, Any], run: Path, call: Call
) -> None:
    maker = MakeMore.load(run)  # what is drawn depends on nothing but the run
    sampler = maker.sampler(11, **options)
    many = 20 if "left" in way else 50
    fifty = [line.text for line in maker.drawn(sampler, many)]
    assert len(fifty) == many
    if sampler.tabled and options == SCARCE:
        assert way_of(sampler) == "rejection"  # a table says so quickly what is drawn
    elif way != "led, what is left":
        assert way_of(sampler) == way
    else:  # led, and by what is left once little is new
        assert "led" in way_of(sampler) or "left" in way_of(sampler)
    assert maker.sample(5, random_state=11, **options) == fifty[:5]
    assert maker.sample(many, random_state=12, **options) != fifty
    for n in (5, many):
        shown = lines_of(call("sample", run, "-n", n, "--seed", "11", *typed(options)))
        assert [line.split("\t")[0] for line in shown] == fifty[:n]


def test_python_and_the_command_line_draw_the_same_under_everything(run: Path, call: Call) -> None:
    options = {**SEVEN, "temperature": 1.3, "top_k": 20, "top_p": 0.99, "min_p": 0.0001}
    options |= {"min_distance": 2}
    shown = lines_of(call("sample", run, "-n", "8", "--seed", "4", *typed(options)))
    assert shown == MakeMore.load(run).sample(8, random_state=4, **options)


def test_led_draws_are_said_to_be_approximate_and_exact_ones_are_not(run: Path, call: Call) -> None:
    conditions = ("--suffix", "ilon", "--max-length", "6")
    arguments = ("sample", run, "-n", "60", *conditions, "--json", "--seed", "1")
    led = call(*arguments)
    told = [line["exact"] for line in objects(led)]
    assert told == sorted(told, reverse=True) and not told[-1]  # led from some round on
    found = re.search(
        r"only (\d+) of (\d+) draws satisfied all conditions, so the others were led to it: "
        r"approximate, effective sample size (\d+) of (\d+) draws; --exact waits instead",
        led.stderr,
    )
    assert found is not None
    passed, waited, size, drawn = map(int, found.groups())
    assert passed < 0.1 * waited and 5 <= size <= drawn
    exact = call(*arguments, "--exact")
    assert all(line["exact"] for line in objects(exact))
    assert "approximate" not in exact.stderr and exact.stdout != led.stdout


# -- labels ---------------------------------------------------------------------------------------

LETTERS = {"upper": "abdegi", "lower": "nopsu"}


def labelled() -> dict[str, str]:
    """1,000 lines of `upper` over letters from a to i, 250 of `lower` over letters from n to u."""
    luck, rows = random.Random(3), dict[str, str]()
    for name, count in (("upper", 1000), ("lower", 1250)):
        while len(rows) < count:
            rows["".join(luck.choice(LETTERS[name]) for _ in range(luck.randint(3, 7)))] = name
    return rows


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("labelled") / "run", labelled()
    MakeMore("ngram", order=2, smoothing="add-k", k=0.0).fit([*rows], [*rows.values()]).save(folder)
    return folder


def test_what_is_shown_while_it_trains_is_of_its_labels(call: Call) -> None:
    """Not of an input that it never saw."""
    Path("rows.tsv").write_text("".join(f"{line}\t{name}\n" for line, name in labelled().items()))
    options = ("--labels", "--model", "ngram", "--smoothing", "add-k", "--k", "0", "--order", "2")
    assert call("train", "rows.tsv", "-o", "run", *options).returncode == 0
    shown = [row.split("\t")[1] for row in Path("run/samples.txt").read_text().splitlines()]
    assert shown
    for line in shown:
        assert any(set(line) <= set(letters) for letters in LETTERS.values())


@pytest.mark.parametrize(("label", "letters"), LETTERS.items())
def test_lines_of_a_label_are_of_that_label_alone(
    label: str, letters: str, families: Path, call: Call
) -> None:
    found = lines_of(call("sample", families, "-n", "200", "--label", label))
    assert len(set(found)) == 200 and all(set(line) <= set(letters) for line in found)
    conditions = ("--label", label, "--prefix", letters[0], "--suffix", letters[-1], "--json")
    for entry in objects(call("sample", families, *conditions)):
        assert list(entry)[-1] == "label" and entry["label"] == label
        assert entry["text"][0] + entry["text"][-1] == letters[0] + letters[-1]


@pytest.mark.parametrize(
    ("mixture", "share"),
    [("", 0.8), ("upper=.3,lower=.7", 0.3), ("upper=1,lower=3", 0.25), ("lower, upper", 0.5)],
)
def test_mixtures_have_their_shares(mixture: str, share: float, families: Path, call: Call) -> None:
    options = ["--label", mixture] if mixture else []
    shown = lines_of(call("sample", families, "-n", "4000", "--seed", "9", "--all", *options))
    count = sum(line.split("\t")[2] == "upper" for line in shown)
    assert abs(count - 4000 * share) < 4 * math.sqrt(4000 * share * (1 - share))
    for line in shown:
        text, _, label = line.split("\t")
        assert set(text) <= set(LETTERS[label])


def test_labels_that_are_none_are_refused_in_words(
    families: Path, counted: Path, call: Call
) -> None:
    for typed_label, words in (
        ("uper", "unknown label 'uper': did you mean 'upper'?"),
        ("xyz", "unknown label 'xyz': known are lower, upper"),
        ("upper=.5,lowr=.5", "unknown label 'lowr': did you mean 'lower'?"),
        ("upper=x", "'x' is no share of 'upper' (--label): give NAME=.7,OTHER=.3"),
        ("upper=0", "'0' is no share of 'upper'"), ("upper=-1", "'-1' is no share"),
        ("upper=nan", "'nan' is no share"),
    ):  # fmt: skip
        for command in ("sample", "top"):
            failed(call(command, families, "--label", typed_label), 2, words)
    failed(call("sample", counted, "--label", "upper"), 2, "train with --labels")


# -- symbols of more than one character -----------------------------------------------------------

RULE = r"Cl|Br|\[nH\]|[BCNOc]|[()=1]"


def molecule(luck: random.Random) -> str:
    atoms = ["C", "N", "O", "B", "Cl", "Br", "[nH]", "c1c[nH]c1", "(Cl)", "=O"]
    return "C" + "".join(luck.choice(atoms) for _ in range(luck.randint(1, 5)))


@pytest.fixture(scope="module")
def molecules(runs: Callable[..., Path]) -> Path:
    luck = random.Random(2)
    lines = {molecule(luck) for _ in range(500)}
    lines |= {"Cl" + molecule(luck) for _ in range(200)}
    return runs("ngram", sorted(lines), order=3, symbols=RULE)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"prefix": "C"}, {"prefix": "Cl"}, {"suffix": "l"}, {"suffix": "H]"},
        {"contains": "lC"}, {"contains": "[n"}, {"exclude": "lr"}, {"exclude": "(=1"},
        {"pattern": r"(C|Br|\[nH\]|Cl)+"}, {"pattern": "C[^C].*r"},
        {"min_length": 3, "max_length": 3},
        {"prefix": "Cl", "suffix": "]", "contains": "rC", "exclude": "NO", "pattern": "[^=1]+",
         "min_length": 4, "max_length": 8},
    ],
    ids=str,
)  # fmt: skip
def test_conditions_are_on_characters_and_lengths_in_symbols(
    options: dict[str, Any], molecules: Path, call: Call
) -> None:
    arguments = ("-n", "20", "--seed", "1", *typed(options))
    found = lines_of(call("sample", molecules, *arguments))
    known = {line for _, part in MakeMore.load(molecules).split for line in part}
    assert len(set(found)) == 20 and not set(found) & known
    for line in found:
        symbols = re.findall(RULE, line)
        assert "".join(symbols) == line and satisfied(line, options, len(symbols))
    if options == {"prefix": "C"}:  # a line of Cl starts with C, too
        assert {line[:2] == "Cl" for line in found} == {True, False}
    if options == {"suffix": "l"}:
        assert all(line.endswith("Cl") for line in found)
