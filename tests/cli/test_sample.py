"""makemore sample: every line is what was asked for, whatever the way it was drawn in."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore import MakeMore
from makemore.errors import Unsatisfiable
from makemore.sampling.sampler import Sampler

Call = Callable[..., subprocess.CompletedProcess[str]]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ONSETS, VOWELS, CODAS = ("b", "d", "k", "l", "m", "n", "r", "s", "t"), "aeio", ("", "n", "l", "s")


def like_names(number: int = 1200, seed: int = 7) -> list[str]:
    """Distinct lines of syllables."""
    luck, found = random.Random(seed), dict[str, None]()
    while len(found) < number:
        syllables = range(luck.randint(1, 3))
        found["".join(luck.choice(ONSETS) + luck.choice(VOWELS) for _ in syllables)
              + luck.choice(CODAS)] = None  # fmt: skip
        if len(found) > 60 and luck.random() < 0.5:
            found["".join(luck.choice(ONSETS) + luck.choice(VOWELS) for _ in range(4))] = None
    return list(found)[:number]


LINES = like_names()


@pytest.fixture(scope="module", params=["ngram", "transformer"])
def maker(request: pytest.FixtureRequest) -> MakeMore:
    if request.param == "ngram":
        return MakeMore("ngram", order=4).fit(LINES)
    small: dict[str, Any] = {"n_layer": 1, "n_head": 2, "n_embd": 8, "max_steps": 30}
    return MakeMore("transformer", threads=1, random_state=1, **small).fit(LINES)


@pytest.fixture(scope="module")
def run(maker: MakeMore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "run"
    maker.save(folder)
    return folder


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of counts, for what no other model would do otherwise."""
    folder = tmp_path_factory.mktemp("counted") / "run"
    MakeMore("ngram", order=4).fit(LINES).save(folder)
    return folder


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


def typed(options: dict[str, Any]) -> list[str]:
    """Options as they are typed."""
    words = []
    for key, value in options.items():
        flag = "--" + key.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    return words


def lines_of(ended: subprocess.CompletedProcess[str]) -> list[str]:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


# -- conditions -----------------------------------------------------------------------------------

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
    assert len(found) == len(set(found)) == 15 and not set(found) & set(LINES)
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


@pytest.mark.parametrize(
    "examples", [40, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_any_conditions_hold_of_every_line_or_there_is_none(examples: int, maker: MakeMore) -> None:
    seconds: list[float] = []
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
        assert len({line.text for line in found} - set(LINES)) == len(found)
        assert seconds[-1] < 30

    every()
    assert sum(seconds) / len(seconds) < 2  # 0.1 on a quiet machine
    assert len(ways) >= 3 and ways["none"] < 0.7 * sum(ways.values())


# -- the ways to draw -----------------------------------------------------------------------------


def way_of(sampler: Sampler) -> str:
    if not sampler.exact:
        return "led, what is left" if not sampler.decoder.strategy.with_replacement else "led"
    return "what is left" if not sampler.decoder.strategy.with_replacement else "rejection"


WAYS: list[tuple[str, dict[str, Any]]] = [
    ("rejection", {}),
    ("rejection", {"prefix": "ka", "min_length": 5}),
    ("rejection", {"all": True}),
    ("what is left", {"max_length": 2}),
    ("what is left", {"suffix": "lila", "exact": True}),
    ("led", {"suffix": "ilon", "temperature": 1.2}),
    ("led, what is left", {"pattern": "[kl]a[a-z]{2}", "suffix": "b", "temperature": 2.0}),
]


@pytest.mark.parametrize(("way", "options"), WAYS, ids=str)
def test_few_lines_are_the_first_of_many_in_every_way_and_from_everywhere(
    way: str, options: dict[str, Any], run: Path, call: Call
) -> None:
    maker = MakeMore.load(run)  # what is drawn depends on nothing but the run
    sampler = maker.sampler(11, **options)
    many = 20 if "left" in way else 50
    fifty = [line.text for line in maker.drawn(sampler, many)]
    assert len(fifty) == many
    if sampler.tabled and way == "what is left" and "suffix" in options:
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


# -- what is shown --------------------------------------------------------------------------------


def test_json_says_of_each_line_what_it_is(run: Path, call: Call) -> None:
    maker = MakeMore.load(run)
    for options in ({}, {"all": True}, {"suffix": "ilon"}):
        ended = call("sample", run, "-n", "60", "--seed", "2", "--json", *typed(options))
        lines = [json.loads(line) for line in lines_of(ended)]
        assert all(list(line) == ["text", "origin", "nll", "capped", "exact"] for line in lines)
        scores = -maker.score_samples([line["text"] for line in lines])
        assert [line["nll"] for line in lines] == pytest.approx(scores.tolist(), rel=1e-4)
        origins = {text: name for name, part in maker.split for text in part}
        assert [line["origin"] for line in lines] == [
            origins.get(line["text"], "new") for line in lines
        ]
        assert lines[-1]["exact"] == (options != {"suffix": "ilon"})


def test_led_draws_are_said_to_be_approximate_and_exact_ones_are_not(run: Path, call: Call) -> None:
    arguments = ("sample", run, "-n", "60", "--suffix", "ilon", "--json", "--seed", "1")
    led = call(*arguments)
    told = [json.loads(line)["exact"] for line in lines_of(led)]
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
    assert all(json.loads(line)["exact"] for line in lines_of(exact))
    assert "approximate" not in exact.stderr and exact.stdout != led.stdout


def test_rank_shows_the_same_lines_by_nll(run: Path, call: Call) -> None:
    for options in ((), ("--suffix", "ilon"), ("--all",)):
        plain = lines_of(call("sample", run, "-n", "40", "--seed", "6", *options))
        ranked = lines_of(call("sample", run, "-n", "40", "--seed", "6", "--rank", *options))
        rows = [row.split("\t", 1) for row in ranked]
        nll = [float(row[0]) for row in rows]
        assert nll == sorted(nll) and sorted(row[1] for row in rows) == sorted(plain)
        assert [row[1] for row in rows] != plain
        scores = -MakeMore.load(run).score_samples([row[1].split("\t")[0] for row in rows])
        assert nll == pytest.approx(scores.tolist(), rel=1e-3)


def test_rank_shows_what_was_found_before_the_end(counted: Path, call: Call) -> None:
    ended = call("sample", counted, "-n", "40", "--max-length", "1", "--rank")
    rows = [line.split("\t") for line in ended.stdout.splitlines()]
    assert ended.returncode == 7 and f"found {len(rows)} of 40 lines" in ended.stderr
    assert sorted(row[1] for row in rows) == sorted(set("".join(LINES)))
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)


def test_a_seed_is_told_once_lines_can_be_drawn(counted: Path, call: Call) -> None:
    assert call("sample", counted, "-n", "1").stderr.startswith("makemore: --seed ")
    assert call("sample", counted, "-n", "1", "--seed", "1").stderr == ""
    for options in (("--prefix", "?"), ("--suffix", "?"), ("--pattern", "("), ("--label", "x")):
        ended = call("sample", counted, *options)
        assert ended.stdout == "" and len(ended.stderr.splitlines()) == 1
        assert ended.stderr.startswith("makemore: error: ") and options[0] in ended.stderr


# -- a small space --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("letters") / "run"
    MakeMore("ngram").fit(list(LETTERS)).save(folder)
    return folder


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


@pytest.mark.parametrize("distance", [2, 3])
def test_no_line_is_nearer_to_the_text_than_was_asked(
    distance: int, counted: Path, call: Call
) -> None:
    from rapidfuzz.distance import Levenshtein

    options = ("--temperature", "1.5", "--seed", "1", "--min-length", "6")
    plain = lines_of(call("sample", counted, "-n", "600", *options))
    ended = call("sample", counted, "-n", "600", *options, "--min-distance", str(distance))
    far = lines_of(ended)

    def least(line: str) -> int:
        return min(Levenshtein.distance(line, other) for other in LINES)

    assert min(map(least, far)) >= distance > min(map(least, plain))
    # They are the others without the near ones, which are counted.
    near = [line for line in plain if least(line) < distance]
    kept = [line for line in plain if least(line) >= distance]
    assert far[: len(kept)] == kept
    found = re.search(r"makemore: (\d+) lines refused: too near to one of the text", ended.stderr)
    assert found is not None and int(found[1]) >= len(near) > 0


def test_a_line_that_is_too_near_is_counted_once(letters: Path, call: Call) -> None:
    # 27 strings of one letter, or of two that are alike but one, come up again and again.
    maker = MakeMore.load(letters)
    sampler = maker.sampler(1, min_distance=2, max_length=2, pattern="a.|.a|bb")
    with pytest.raises(Unsatisfiable):
        list(maker.drawn(sampler, 5))
    assert sampler.tally.too_near == 52 and sampler.tally.draws > 200


def test_avoided_lines_do_not_come(counted: Path, call: Call, tmp_path: Path) -> None:
    first = lines_of(call("sample", counted, "-n", "40", "--seed", "1"))
    (tmp_path / "avoid.txt").write_text("\n".join([*first[::2], "a" * 2000]) + "\n")
    (tmp_path / "nothing.txt").write_text("")
    arguments = ("sample", counted, "-n", "40", "--seed", "1", "--avoid")
    others = lines_of(call(*arguments, "avoid.txt"))
    assert others[:20] == first[1::2] and not set(others) & set(first[::2])
    assert lines_of(call(*arguments, "nothing.txt")) == first
    for name, words in (("missing.txt", "No such file"), (".", "Is a directory")):
        ended = call(*arguments, name)
        assert ended.returncode == 3 and ended.stdout == "" and words in ended.stderr


# -- labels ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 lines of `upper` over letters from a to i, 250 of `lower` over letters from n to u."""
    luck, folder = random.Random(3), tmp_path_factory.mktemp("labelled")
    rows = dict[str, str]()
    for name, letters, number in (("upper", "abdegi", 1000), ("lower", "nopsu", 1250)):
        while len(rows) < number:
            rows["".join(luck.choice(letters) for _ in range(luck.randint(3, 7)))] = name
    (folder / "rows.tsv").write_text("".join(f"{line}\t{name}\n" for line, name in rows.items()))
    return folder


@pytest.fixture
def families(labelled: Path, call: Call) -> Path:
    run = labelled / "run"
    if not run.exists():
        options = ("--labels", "--model", "ngram", "--smoothing", "add-k", "--k", "0")
        ended = call("train", labelled / "rows.tsv", "-o", run, *options, "--order", "2")
        assert ended.returncode == 0, ended.stderr
        # What is shown while it trains is of its labels, too: not of an input that it never saw.
        samples = (run / "samples.txt").read_text().splitlines()
        glimpses = [line.split("\t")[1] for line in samples]
        assert glimpses and all(
            set(line) <= set("abdegi") or set(line) <= set("nopsu") for line in glimpses
        )
    return run


@pytest.mark.parametrize(("label", "letters"), [("upper", "abdegi"), ("lower", "nopsu")])
def test_lines_of_a_label_are_of_that_label_alone(
    label: str, letters: str, families: Path, call: Call
) -> None:
    found = lines_of(call("sample", families, "-n", "200", "--label", label))
    assert len(set(found)) == 200 and all(set(line) <= set(letters) for line in found)
    conditions = ("--label", label, "--prefix", letters[0], "--suffix", letters[-1], "--json")
    entries = [json.loads(line) for line in lines_of(call("sample", families, *conditions))]
    assert all(list(entry)[-1] == "label" and entry["label"] == label for entry in entries)
    assert all(entry["text"][0] + entry["text"][-1] == letters[0] + letters[-1]
               for entry in entries)  # fmt: skip


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
        assert set(text) <= set("abdegi" if label == "upper" else "nopsu")


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
            ended = call(command, families, "--label", typed_label)
            assert (ended.returncode, ended.stdout) == (2, "") and words in ended.stderr
    ended = call("sample", counted, "--label", "upper")
    assert ended.returncode == 2 and "train with --labels" in ended.stderr


# -- symbols of more than one character -----------------------------------------------------------

RULE = r"Cl|Br|\[nH\]|[BCNOc]|[()=1]"


def molecule(luck: random.Random) -> str:
    atoms = ["C", "N", "O", "B", "Cl", "Br", "[nH]", "c1c[nH]c1", "(Cl)", "=O"]
    return "C" + "".join(luck.choice(atoms) for _ in range(luck.randint(1, 5)))


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    luck, folder = random.Random(2), tmp_path_factory.mktemp("molecules") / "run"
    lines = {molecule(luck) for _ in range(500)}
    lines |= {"Cl" + molecule(luck) for _ in range(200)}
    MakeMore("ngram", order=3, symbols=RULE).fit(sorted(lines)).save(folder)
    return folder


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


# -- as processes ---------------------------------------------------------------------------------

CliCall = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("options", [[], ["--suffix", "ilon"], ["--json"], ["--rank"], ["--all"]])
def test_a_process_of_its_own_shows_the_same(
    options: list[str], counted: Path, call: Call, cli: CliCall
) -> None:
    arguments = ("sample", counted, "-n", "7", "--seed", "8", *options)
    ended, here = cli(*arguments), call(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, here.stdout, here.stderr)


def test_a_run_of_counts_is_sampled_without_torch_and_no_extra_is_loaded_before_its_use(
    counted: Path,
) -> None:
    code = (
        "import sys; from makemore.cli.main import run; run(sys.argv[1:]);"
        "print([name for name in ('torch', 'rapidfuzz', 'matplotlib', 'rich', 'regex')"
        " if name in sys.modules], file=sys.stderr)"
    )
    for more, loaded in (([], "[]"), (["--min-distance", "2"], "['rapidfuzz']")):
        command = [sys.executable, "-c", code, "sample", counted, "-n", "2", *more]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0 and ended.stderr.splitlines()[-1] == loaded
