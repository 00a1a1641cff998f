"""The census of a list: its numbers by counting one by one, and what is said of planted faults."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from statistics import median_low

import pytest

from makemore.text.audit.checks import SHOWN, Census, Finding, census, counted
from makemore.text.config import TextConfig
from makemore.text.corpus import Corpus

# Clean lists of 125 lines, no two of them one edit apart: three parts of two letters each.
PARTS = {
    "Latin": ("ka", "no", "ri", "mu", "te"),
    "Cyrillic": ("ка", "но", "ри", "му", "те"),
    "Arabic": ("كا", "نو", "ري", "مل", "تب"),
    "Han": ("山川", "田中", "木水", "火土", "日月"),
}


def clean(script: str) -> list[str]:
    return ["".join(parts) for parts in product(PARTS[script], repeat=3)]


def of(lines: list[str], max_line: int = 1000) -> Census:
    options = TextConfig(keep_copies=True, max_line=max_line)
    return census(Corpus.from_lines(lines, options), max_line)


def found(result: Census) -> dict[str, Finding]:
    named = {finding.name: finding for finding in result.findings}
    assert len(named) == len(result.findings)
    for finding in result.findings:
        assert finding.says[-1] == finding.to_do[-1] == "." and len(finding.examples) <= SHOWN
    return named


@pytest.mark.parametrize("script", PARTS)
def test_of_a_clean_list_nothing_is_said_but_that_it_is_short(script: str) -> None:
    result = of(clean(script))
    assert list(found(result)) == ["few lines"]
    assert (result.lines, result.distinct, result.copies, result.blank) == (125, 125, 0, 0)
    assert result.lengths == {"median": 6, "ninety": 6, "longest": 6}
    assert result.scripts == {script: 1.0}
    assert result.symbols == "".join(sorted({s for line in clean(script) for s in line}))
    assert (result.near.pairs, result.near.lines) == (0, 0)


@pytest.mark.parametrize("script", PARTS)
def test_each_planted_fault_is_found_alone(script: str) -> None:
    """The finding names the number of lines, and shows the line."""
    lines = clean(script)
    a, b, long = lines[7], lines[40], lines[3] + lines[99]
    planted = {
        "copies": ([a, a, b], 3, f"{a} 3 times"),
        "too long": ([a * 200], 1, ""),
        "long lines": ([a * 50], 1, "300 symbols"),
        "control characters": ([long + "\t" + long] * 1, 1, "U+0009 control character"),
        "bidirectional marks": ([long + "\u202e" + long], 1, "RIGHT-TO-LEFT OVERRIDE"),
        "invisible characters": ([long + "\u200b" + long], 1, "ZERO WIDTH SPACE"),
        "unusual spaces": ([long + "\u00a0" + long], 1, "NO-BREAK SPACE"),
        "replacement characters": ([long + "\ufffd" + long], 1, "REPLACEMENT CHARACTER"),
        "near copies": ([long, long + long[-1]], 2, long),
        "mixed scripts": ([long + "ω", long + "ωωω"], 2, "GREEK SMALL LETTER OMEGA"),
        "other scripts": (["ωψωψωψ", "ψψψ"], 2, "ωψωψωψ"),
    }
    for name, (more, number, word) in planted.items():
        findings = found(of(lines + more))
        # A planted sign is rare, too; a letter left over makes a line that is near another.
        assert findings.keys() <= {"few lines", "rare symbols", name}, name
        finding = findings[name]
        assert finding.lines == number, name
        shown = " ".join(f"{' '.join(e.lines)} {e.about}" for e in finding.examples)
        assert word in shown, name


def test_of_a_mixed_line_the_letters_of_the_other_script_are_named() -> None:
    lines = clean("Cyrillic") + ["Aннa", "BBBBв", "aω"]
    examples = found(of(lines))["mixed scripts"].examples
    assert [(example.lines[0], example.about.count("U+")) for example in examples] == [
        ("Aннa", 2), ("BBBBв", 1), ("aω", 1),
    ]  # fmt: skip
    assert "LATIN CAPITAL LETTER A, U+0061 LATIN" in examples[0].about
    assert "CYRILLIC" not in examples[1].about


def test_spellings_of_one_line() -> None:
    lines = clean("Latin") + ["José Maria", "Jose\u0301 Maria", "jose maria", "Jose Maria", "MARIA"]
    findings = found(of(lines))
    assert [e.lines for e in findings["normal form"].examples] == [
        ("José Maria", "Jose\u0301 Maria")
    ]
    assert [e.lines for e in findings["case"].examples] == [("jose maria", "Jose Maria")]
    assert [e.lines for e in findings["accents"].examples] == [("José Maria", "Jose Maria")]
    assert [findings[name].lines for name in ("normal form", "case", "accents")] == [2, 2, 2]


def test_rare_symbols_come_with_a_line_that_holds_each() -> None:
    lines = clean("Cyrillic") + ["ёжик", "объект"] + [f"щ{part}щ" for part in "абвг"]
    finding = found(of(lines))["rare symbols"]
    rows = {example.about: example.lines for example in finding.examples}
    assert rows["U+0451 CYRILLIC SMALL LETTER IO, 1 line"] == ("ёжик",)
    assert rows["U+0449 CYRILLIC SMALL LETTER SHCHA, 4 lines"] == ("щащ",)
    rare = {s for s in set("".join(lines)) if sum(s in line for line in lines) < 5}
    assert f"{len(rare)} symbols" in finding.says
    assert finding.lines == sum(bool(rare & set(line)) for line in lines)


def test_of_less_than_50_lines_all_is_rare_and_nothing_is_said_of_it() -> None:
    assert list(found(of(["anna"]))) == ["few lines"]
    assert list(found(of(clean("Latin")[:49]))) == ["few lines"]
    few, more = (found(of(clean("Latin")[:n]))["few lines"].says for n in (49, 50))
    assert "held back" in few and "held back" not in more
    many = ["".join(p) for p in product(PARTS["Latin"], repeat=5)]
    assert found(of(many)) == {}  # 3,125 lines, none of them odd


def test_numbers_are_those_of_counting() -> None:
    lines = clean("Latin")[:60] + ["", " ", "x" * 11, "kanori", "kanori", "anna maria", "mu"]
    result = of(lines, max_line=10)
    kept = {line for line in lines if line.strip() and len(line) <= 10}
    lengths = sorted(map(len, kept))
    assert (result.lines, result.blank, result.too_long) == (len(lines), 2, 1)
    assert (result.distinct, result.copies) == (len(kept), len(lines) - 3 - len(kept))
    assert result.lengths == {
        "median": median_low(lengths), "ninety": lengths[math.ceil(0.9 * len(lengths)) - 1],
        "longest": 10,
    }  # fmt: skip
    assert result.longest_line == "anna maria"


def test_lengths_are_lengths_that_there_are() -> None:
    assert of(["a", "bbb", "ccccc", "d" * 7]).lengths == {"median": 3, "ninety": 7, "longest": 7}


def test_counts_are_written_with_what_is_counted() -> None:
    assert [counted(n) for n in (0, 1, 2, 1234)] == ["0 lines", "1 line", "2 lines", "1,234 lines"]


def test_the_names_of_the_lectures(names_file: Path) -> None:
    lines = names_file.read_text(encoding="utf-8").split()
    result = of(lines)
    assert (result.lines, result.distinct, result.copies) == (32_033, 29_494, 2_539)
    assert list(found(result)) == ["copies", "near copies"]
    assert result.lengths["longest"] == 15 and result.symbols == "abcdefghijklmnopqrstuvwxyz"
    assert (result.near.pairs, result.near.lines) == (107_001, 26_814)
