"""tokenizer.py: graphemes and tokens; put together again they are the line, whatever it holds."""

from __future__ import annotations

import gc
import json
import pickle
import random
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore import MakeMore
from makemore.analysis.explain import expected, generation
from makemore.analysis.forward_pass import forward_pass
from makemore.errors import DataError, UsageError
from makemore.experiments.trial import plan_of
from makemore.text import tokenizer
from makemore.text.corpus import Corpus
from makemore.text.dataset import train_val_test_split
from makemore.text.tokenizer import CHARACTER, GRAPHEME, Tokenizer
from makemore.text.vocabulary import UNKNOWN, Vocabulary

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
LINES = st.lists(TEXTS, max_size=8)
# Letters, marks that stand on them, joiners and flags: what makes graphemes of several characters.
MARKED = st.text("ae\u0301\u0308\u200d\ufe0f👩👧🇩🇪\u1100\u1161\u11a8\u0915\u094d\u0937\u093f\r")
RULES = (CHARACTER, GRAPHEME, "ab|a|[^a]", r"[A-Z][a-z]?|.")


@given(st.one_of(LINES, st.lists(MARKED, max_size=8)), st.sampled_from(RULES))
def test_a_line_is_its_symbols_put_together(lines: list[str], rule: str) -> None:
    corpus = Corpus.exactly(lines)
    vocabulary = Vocabulary.of([corpus], rule)
    encoded = vocabulary.encode(corpus)
    assert (encoded.ids > 0).all() and encoded.ids.max(initial=0) < len(vocabulary)
    for number, line in enumerate(lines):
        ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]]
        assert vocabulary.encode_line(line).tolist() == ids.tolist()
        assert vocabulary.decode(ids) == line == "".join(vocabulary.pieces(line))
        assert vocabulary.unknown_in(line) == []
    again = vocabulary.decode_lines(encoded.ids, encoded.offsets)
    assert list(again) == lines
    assert vocabulary.lengths(corpus).tolist() == encoded.lengths.tolist()
    assert vocabulary.longest([corpus]) == max(encoded.lengths, default=0)
    assert list(vocabulary.symbols) == sorted(set(vocabulary.symbols))
    assert rule != CHARACTER or set(vocabulary.symbols) == set("".join(lines))


@given(LINES, LINES, st.sampled_from(RULES))
def test_what_is_unknown_stands_where_it_was(known: list[str], other: list[str], rule: str) -> None:
    vocabulary = Vocabulary.of([Corpus.exactly(known)], rule)
    encoded = vocabulary.encode(Corpus.exactly(other))
    for number, line in enumerate(other):
        ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]].tolist()
        assert vocabulary.encode_line(line).tolist() == ids
        pieces = vocabulary.pieces(line)
        assert "".join(pieces) == line and len(pieces) == len(ids)
        lost = {piece for piece, i in zip(pieces, ids, strict=True) if i == UNKNOWN}
        assert vocabulary.unknown_in(line) == sorted(lost)
        for piece, i in zip(pieces, ids, strict=True):
            assert i == UNKNOWN or vocabulary.symbols[i - 1] == piece
            # A gap between matches is unknown even if a symbol has its text.
            assert i != UNKNOWN or piece not in vocabulary.symbols or rule not in RULES[:2]


# -- graphemes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("noe\u0308l", ["n", "o", "e\u0308", "l"]),
        ("👩\u200d👩\u200d👧!", ["👩\u200d👩\u200d👧", "!"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("각\u1100\u1161\u11a8", ["각", "\u1100\u1161\u11a8"]),
        ("\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd", ["வ", "ண", "க்", "க", "ம்"]),
        ("\u0301a", ["\u0301", "a"]),
        ("", []),
    ],
)
def test_a_grapheme_is_what_a_reader_takes_for_one(line: str, expected: list[str]) -> None:
    assert Vocabulary.of([Corpus.exactly([line])], GRAPHEME).pieces(line) == expected


def scripts() -> dict[str, list[str]]:
    """Words of four scripts, by generators of these tests: marks, syllables, both directions."""
    luck = random.Random(0)
    hangul = [chr(0xAC00 + luck.randrange(11172)) for _ in range(60)]
    consonants = [chr(code) for code in range(0x915, 0x939)]
    matras = ["", "\u093e", "\u093f", "\u0940", "\u0941", "\u0947", "\u094b", "\u0902"]
    letters = [chr(code) for code in range(0x5D0, 0x5EB)]
    points = ["", "\u05b0", "\u05b4", "\u05b7", "\u05b8\u05bc"]
    latin = [a + m for a in "aeioubcdnst" for m in ("", "\u0301", "\u0308", "\u0323\u0302")]

    def words(make: list[str], other: list[str] | None = None) -> list[str]:
        syllable = [a + b for a in make for b in other or [""]]
        return ["".join(luck.choices(syllable, k=luck.randint(1, 6))) for _ in range(80)]

    return {
        "hangul": [unicodedata.normalize("NFD", word) for word in words(hangul)],
        "devanagari": words(consonants, matras),
        "hebrew": words(letters, points),
        "latin": words(latin),
    }


def is_part(symbol: str) -> bool:
    return unicodedata.category(symbol)[0] == "M" or "\u1160" <= symbol <= "\u11ff"


@pytest.mark.parametrize("name", ["hangul", "devanagari", "hebrew", "latin"])
def test_four_scripts_have_fewer_graphemes_than_characters(name: str) -> None:
    corpus = Corpus.exactly(scripts()[name])
    by_grapheme, by_character = (Vocabulary.of([corpus], r) for r in (GRAPHEME, CHARACTER))
    encoded = by_grapheme.encode(corpus)
    assert len(encoded.ids) < len(corpus.codes) == len(by_character.encode(corpus).ids)
    assert list(by_grapheme.decode_lines(encoded.ids, encoded.offsets)) == list(corpus)
    # No mark stands alone, and no part of a syllable: each is on a letter of its own symbol.
    assert not any(is_part(symbol[0]) for symbol in by_grapheme.symbols)
    assert any(is_part(symbol) for symbol in by_character.symbols)


# -- tokens ---------------------------------------------------------------------------------------

SMILES = r"\[[^\]]+\]|Br|Cl|[BCNOPSFI]|[bcnops]|%\d\d|\d|[()=#+\-/\\.:@]"


def molecule(luck: random.Random, depth: int = 0) -> list[str]:
    """Tokens of a string that looks like a molecule's: chains, branches, rings, brackets."""
    atoms = ["C", "C", "N", "O", "Cl", "Br", "c", "n", "[nH]", "[C@@H]", "[O-]", "F"]
    tokens: list[str] = []
    for _ in range(luck.randint(1, 5)):
        tokens += [luck.choice(["", "", "", "=", "#"]), luck.choice(atoms)]
        if luck.random() < 0.2:
            ring = luck.choice(["1", "2", "%12"])
            tokens += [ring, "C", "C", ring]
        if depth < 2 and luck.random() < 0.3:
            tokens += ["(", *molecule(luck, depth + 1), ")"]
    return [token for token in tokens if token]


def test_tokens_of_molecules_are_those_they_were_made_of() -> None:
    luck = random.Random(1)
    made = [molecule(luck) for _ in range(300)]
    corpus = Corpus.exactly(["".join(tokens) for tokens in made])
    vocabulary = Vocabulary.of([corpus], SMILES)
    assert set(vocabulary.symbols) == {token for tokens in made for token in tokens}
    assert {"Cl", "Br", "[nH]", "%12"} <= set(vocabulary.symbols)
    assert [vocabulary.pieces(line) for line in corpus] == made
    encoded = vocabulary.encode(corpus)
    assert encoded.lengths.tolist() == [len(tokens) for tokens in made]
    assert vocabulary.decode_lines(encoded.ids, encoded.offsets).text() == corpus.text()


def test_what_no_token_matches_is_named() -> None:
    with pytest.raises(DataError, match=r"no symbol matches 'Xe' \(the line 'C1CXe\[nH\]'\)"):
        Vocabulary.of([Corpus.exactly(["CCl", "C1CXe[nH]"])], SMILES)
    vocabulary = Vocabulary.of([Corpus.exactly(["CCl", "C1C[nH]"])], SMILES)
    ids = vocabulary.encode_line("CXeNCl")
    assert ids.tolist() == [vocabulary.encode_line("C")[0], UNKNOWN, UNKNOWN,
                            vocabulary.encode_line("Cl")[0]]  # fmt: skip
    assert vocabulary.unknown_in("CXeNCl") == ["N", "Xe"]
    # A gap is unknown even where a symbol has its text: no match of the rule gave it.
    odd = Vocabulary(["a", "b"], rule="a(?=b)|b")
    assert odd.encode_line("aba").tolist() == [1, 2, UNKNOWN]


def test_an_empty_match_is_no_symbol() -> None:
    with pytest.raises(DataError, match="no symbol matches 'b'"):
        Vocabulary.of([Corpus.exactly(["aab"])], "a*")
    assert Vocabulary.of([Corpus.exactly(["aa", "a"])], "a*").symbols == ("a", "aa")


@pytest.mark.parametrize("rule", ["(", "[", "a{2,1}", "*", "", "a" * 10_001, "(?P<x>a)(?P<x", "\\"])
def test_what_is_no_regular_expression_is_a_usage_error(rule: str) -> None:
    with pytest.raises(UsageError, match="--symbols"):
        Tokenizer(rule)


def test_a_pattern_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"works on one line for .* \(--symbols .*, line 'a"):
        Vocabulary.of([Corpus.exactly(["a" * 40])], "(a|aa|a?)+$b|(a|aa)+c|(?:a?a?)+c")
    assert time.monotonic() - began < 20


def test_more_symbols_than_were_allowed() -> None:
    corpus = Corpus.exactly(["ab", "cd"])
    assert len(Vocabulary.of([corpus], ".", 4).symbols) == 4
    with pytest.raises(DataError, match="4 different symbols, more than 3"):
        Vocabulary.of([corpus], ".", 3)


def test_regex_is_imported_only_for_such_a_rule() -> None:
    code = (
        "import sys; from makemore.text.vocabulary import Vocabulary; Vocabulary('ab');"
        "before = 'regex' in sys.modules; Vocabulary(['a'], rule='a');"
        "print(before, 'regex' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


# -- models of symbols ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def molecules() -> list[str]:
    luck = random.Random(2)
    found = dict.fromkeys("".join(molecule(luck)) for _ in range(400))
    return [text for text in found if len(text) <= 30]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["transformer", "mlp", "ngram"])
def test_a_model_counts_symbols_and_not_characters(
    model: str, molecules: list[str], tmp_path: Path
) -> None:
    small: dict[str, Any] = {} if model == "ngram" else {"max_steps": 3, "n_embd": 8}
    small |= {"n_layer": 1, "n_head": 2} if model == "transformer" else {}
    maker = MakeMore(model, symbols=SMILES, random_state=1, threads=1, **small).fit(molecules)
    assert maker.plan_ is not None
    vocabulary = maker.vocabulary
    lengths = [len(Tokenizer(SMILES).tokenize(each)[0]) for each in molecules]
    assert {"Cl", "[nH]"} <= set(vocabulary.symbols)
    if model == "transformer":
        assert maker.plan_.config.block_size == max(lengths) + 1 < max(map(len, molecules)) + 1
    scores = maker.scores(Corpus.exactly([*molecules, "CXeC"]))
    assert scores.symbols.tolist() == [*(n + 1 for n in lengths), 4]
    assert np.isfinite(scores.nll).tolist() == [True] * len(molecules) + [False]
    for row in (0, 5):
        found = expected(maker, molecules[row])
        assert len(found) == lengths[row] + 1
        assert found[-1].total == pytest.approx(scores.nll[row], abs=1e-4)
        assert "".join(each.symbol or "" for each in found) == molecules[row]
        assert forward_pass(maker, molecules[row], lengths[row] + 1).symbol is None
    line, draws = generation(maker, seed=3)
    assert "".join(draw.symbol or "" for draw in draws) == line.text
    drawn = maker.sample(20, random_state=1, all=True)
    assert all("".join(vocabulary.pieces(text)) == text for text in drawn)
    maker.save(tmp_path / "run")
    again = MakeMore.load(tmp_path / "run")
    assert again.vocabulary.rule == SMILES
    assert again.sample(20, random_state=1, all=True) == drawn
    np.testing.assert_array_equal(again.score_samples(molecules), maker.score_samples(molecules))


@pytest.mark.parametrize("page", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_commands_take_symbols(
    page: bool, call: Any, molecules: list[str], tmp_path: Path
) -> None:
    (tmp_path / "smiles.txt").write_text("\n".join(molecules) + "\n")
    model = ("--model", "mlp", "--max-steps", "3", "--n-embd", "4", "--threads", "1")
    done = call("train", "smiles.txt", "--symbols", SMILES, "-o", "run", *model)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/config.json").read_text())["asked"]["symbols"] == SMILES
    done = call("score", "run", "-", "--json", input=b"CCl[nH]\nCXe\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["symbols"] == 4 and first["unknown"] == []
    assert second["unknown"] == ["Xe"] and second["nll"] is None
    done = call("explain", "run", "CCl[nH]")
    assert done.returncode == 0 and "Cl" in done.stdout and "for 4 symbols" in done.stdout
    if page:  # it draws a dozen charts
        assert call("inspect", "run", "-o", "page", "--word", "CCl").returncode == 0
    for rule, code, words in (("C|N", 3, "no symbol matches"), ("(", 2, "--symbols")):
        refused = call("train", "smiles.txt", "--symbols", rule, "-o", "other", *model)
        assert refused.returncode == code and words in refused.stderr
    assert not (tmp_path / "other").exists()


def test_a_sweep_has_the_symbols_in_every_trial(molecules: list[str]) -> None:
    parts = train_val_test_split(Corpus.from_lines(molecules))
    settings = {"symbols": SMILES, "n_symbols": 2000, "n_embd": 4, "n_hidden": 4, "threads": 1}
    plan = plan_of("gru", {**settings, "data": 0.5}, parts)
    whole = Vocabulary.of((part for _, part in parts), SMILES)
    assert plan.vocabulary.symbols == whole.symbols and plan.vocabulary.rule == SMILES
    assert plan.config.block_size == whole.longest(part for _, part in parts) + 1
    lengths = whole.lengths(plan.split.train) + 1
    assert plan.recipe.max_steps == round(2000 / lengths.sum())  # every step has all lines


# -- many lines at once ---------------------------------------------------------------------------

SMILES = (
    r"(\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>|\*|\$|"
    r"\%[0-9]{2}|[0-9])"
)
SIMPLE = (
    SMILES, SMILES[1:-1], "Cl|Br|.", "(?:ab|a|[^a])", r"\[.*?\]|.", r"a{2}|a{1,3}b?|[^]x]|.", "a|b",
    r"[]a]|.", r"\d+|\w|.", "a*", "[^a]+|a", "a.b|.", "ab?c?d?e|.", r"[\]\[]+|[a-c]|\W|.",
    "\u00e9+|.",
)  # fmt: skip
OTHER = ("(a|b)+|.", "^a|.", "(?=a)a|.", "a(?<=a)|.", r"\bab|.", "(a)(b)|.", "a++|.", "(?i)A|.",
         r"\p{L}|.", "a|.$", "[a--b]|.", r"(.)\1|.", "a||b", "(?:ab)*|.", "a*b*c*|.")  # fmt: skip
PIECES = st.lists(
    st.sampled_from(["C", "Cl", "Br", "[nH]", "[", "]", "a", "b", "c", "x", "\u00e9", "1", "23",
                     "\r", "e\u0301", "(", "\u2028", " "]), max_size=9
).map("".join)  # fmt: skip


@given(st.lists(PIECES, max_size=9), st.sampled_from((*SIMPLE, *OTHER, GRAPHEME)))
def test_lines_that_are_cut_together_are_cut_as_each_alone(lines: list[str], rule: str) -> None:
    cutter = Tokenizer(rule)
    rows = [cutter.tokenize(line) for line in lines]
    found = list(cutter.blocks(Corpus.exactly(lines)))
    assert [piece for pieces, _ in found for piece in pieces] == [
        piece for pieces, _ in rows for piece in [*pieces, "\n"]
    ]
    told = [is_symbol or [True] * len(pieces) for pieces, is_symbol in found]
    assert sum(told, []) == [known for _, is_symbol in rows for known in [*is_symbol, True]]
    assert (cutter._quick is not None) == (rule in SIMPLE)


@pytest.mark.parametrize("rule", [SMILES, GRAPHEME, "(?=.)(?:Cl|.)"])
def test_a_corpus_is_cut_once(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split = train_val_test_split(Corpus.from_lines([f"C{n}Cl" for n in range(100)]))
    parts = [part for _, part in split]
    vocabulary = Vocabulary.of(parts, rule)
    fresh = Vocabulary.of_record(vocabulary.record())
    expected = [fresh.encode(part) for part in parts]
    monkeypatch.setattr(Tokenizer, "blocks", None)  # from here on nothing can be cut
    for part, encoded in zip(parts, expected, strict=True):
        assert vocabulary.encode(part).ids.tolist() == encoded.ids.tolist()
        assert vocabulary.encode(part).ids.dtype == encoded.ids.dtype == np.int8
        assert vocabulary.lengths(part).tolist() == encoded.lengths.tolist()
    again = pickle.loads(pickle.dumps(vocabulary))  # noqa: S301 (as joblib does with a maker)
    assert again.encode_line("C1Cl").tolist() == vocabulary.encode_line("C1Cl").tolist()


def test_what_was_cut_is_forgotten_with_its_corpus() -> None:
    vocabulary = Vocabulary(["a", "b"], rule="a|b|.")
    for line in ("ab", "ba", "aa"):  # a new corpus may have the address of one that is gone
        assert vocabulary.encode(Corpus.exactly([line])).ids.tolist() == [
            1 + "ab".index(s) for s in line
        ]
    gc.collect()
    assert not vocabulary._cuts


def test_molecules_are_read_in_time() -> None:
    """160,000 lines of 35 symbols take at most 4 s of processor time: 25 microseconds a line."""
    luck = random.Random(1)
    symbols = ["C", "c", "N", "O", "(", ")", "=", "1", "Cl", "Br", "[nH]", "[C@@H]", "#"]
    lines = ["".join(luck.choices(symbols, k=35)) for _ in range(16_000)]
    began = time.process_time()
    split = train_val_test_split(Corpus.from_lines(lines))
    parts = [part for _, part in split]
    vocabulary = Vocabulary.of(parts, SMILES)
    longest = vocabulary.longest(parts)
    encoded = vocabulary.encode(split.train)
    assert time.process_time() - began < 0.4 * 2.5  # a busy machine counts more
    assert longest == 35 and list(vocabulary.symbols) == sorted(symbols)
    assert vocabulary.decode(encoded.ids[:35]) == split.train[0]


def test_a_pattern_that_is_slow_on_every_line_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line takes long enough to be the one that is named, but all together would."""
    monkeypatch.setattr(tokenizer, "SLOW_AFTER", 0.2)
    slow, line = Tokenizer("(a|aa)+$b|."), "a" * 17
    with pytest.raises(UsageError, match=r"the pattern took \d s for [\d,]+ characters") as caught:
        for _ in range(10_000):
            slow.tokenize(line)
    assert "(--symbols (a|aa)+$b|., line 'aaaa" in str(caught.value)
    quick = Tokenizer("Cl|Br|.")
    for _ in range(3000):
        assert quick.tokenize("CClBrNO" * 20)[0][:3] == ["C", "Cl", "Br"]
