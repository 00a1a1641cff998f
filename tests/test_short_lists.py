"""Quality from short lists: kinds, the judge, the classifier, triples, copies, and the log."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import line_kinds  # noqa: E402 (bench/ is no package)
import realism  # noqa: E402
import short_lists  # noqa: E402

VOWELS, OTHERS = "aeiou", "bdfgklmnprst"
LINES = sorted({a + b + c + d + "o" for a, c in product(OTHERS, OTHERS)
                for b, d in [("a", "e"), ("i", "i"), ("o", "u"), ("e", "a")]})  # fmt: skip


# -- kinds of lines -------------------------------------------------------------------------------


def languages(kinds):
    lists = ", ".join(kinds.values()).split(", ")
    return {source.split()[0].rpartition(".")[2].partition("_")[0] for source in lists}


def test_no_language_is_in_both_sets():
    assert not set(line_kinds.REPORT) & set(line_kinds.TUNE)
    assert not languages(line_kinds.REPORT) & languages(line_kinds.TUNE)


@pytest.mark.parametrize("tune", [False, True])
def test_every_kind_has_room_for_the_shortest_list(tune):
    kinds = line_kinds.kinds_of(tune, None)
    assert len(kinds) >= 8
    for lines in kinds.values():
        assert lines == sorted(set(lines)) and line_kinds.has_room(len(lines), 60)


def test_names_are_capitalised_and_for_reporting_only(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("emma\nava\nemma\n", encoding="utf-8")
    assert line_kinds.kinds_of(False, str(path), line_kinds.NAMES) == {
        line_kinds.NAMES: ["Ava", "Emma"]
    }
    assert line_kinds.NAMES not in line_kinds.kinds_of(True, str(path))
    with pytest.raises(SystemExit, match="no such kinds"):
        line_kinds.kinds_of(True, str(path), line_kinds.NAMES)


def test_a_cut_is_disjoint_and_keeps_its_test_lines():
    short, long = (line_kinds.cut(LINES, size, 7) for size in (60, 100))
    assert sorted([*short.train, *short.test, *short.others]) == LINES
    assert short.test == long.test and short.train == long.train[:60]
    assert line_kinds.cut(LINES, 60, 8).test != short.test
    assert line_kinds.has_room(400, 150) and not line_kinds.has_room(400, 151)


# -- measures -------------------------------------------------------------------------------------


def test_the_judge_finds_95_percent_of_its_test_lines_plausible():
    parts = line_kinds.cut(LINES, 60, 0)
    judge = realism.Judge(parts)
    assert judge.plausible(parts.test) == pytest.approx(0.95, abs=0.011)
    assert judge.plausible(["qqqq", "ooooo", parts.others[0]]) == pytest.approx(1 / 3)


def test_the_auc_counts_pairs():
    random = np.random.default_rng(0)
    low, high = random.integers(0, 6, 30) * 1.0, random.integers(2, 8, 17) * 1.0
    pairs = [(a < b) + (a == b) / 2 for a in low for b in high]
    assert realism.rank_auc(low, high) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_grams_are_shared_as_counted_by_hand():
    # ends marked: 3 distinct 1-grams; ^a ab b$; ^ab ab$; ^ab$
    assert len(realism.grams("ab")) == 3 + 3 + 2 + 1
    # "ab" and "b" share the end and b, and b$
    assert realism.shared_grams(["ab", "b"]).tolist() == [[9, 3], [3, 2 + 2 + 1]]


def test_the_classifier_is_at_the_minimum_of_its_loss():
    random = np.random.default_rng(0)
    features = random.integers(0, 2, (40, 9)) * 1.0
    labels = random.integers(0, 2, 40) * 1.0
    a, bias = realism.logistic(features @ features.T, labels)
    weights = features.T @ a
    residuals = 1 / (1 + np.exp(-features @ weights - bias)) - labels
    assert np.abs(weights + realism.C * features.T @ residuals).max() < 1e-6
    assert abs(residuals.sum()) < 1e-6
    assert np.abs(weights).max() > 0.01


def test_the_classifier_separates_what_differs_and_nothing_else():
    lines = line_kinds.cut(LINES, 60, 0).others
    real, more = lines[:80], lines[80:160]
    assert realism.classifier_auc(real, [line[::-1] for line in more]) > 0.98
    assert 0.35 < realism.classifier_auc(real, more) < 0.65


def test_triples_and_copies_by_hand():
    assert realism.triples(["anna", "annab", "an", ""]) == 3  # ann nna nab
    assert realism.copies(["anna", "anne", "anna", "x"], ["anna", "y"]) == 0.5
    assert realism.near_copies(["anne", "nna", "bob", "annika"], ["anna"]) == 0.5


# -- the bench ------------------------------------------------------------------------------------


def test_middle_is_the_mean_over_kinds_of_medians():
    assert short_lists.middle([("a", 1.0), ("a", 2.0), ("a", 9.0), ("b", 4.0), ("b", None)]) == 3.0
    assert short_lists.middle([("a", None)]) is None


def test_draws_end_where_there_are_no_more_lines():
    maker = short_lists.MakeMore(model="ngram", order=9).fit(["ab", "ac"])
    few = short_lists.drawn_lines(maker, 500, 0, pattern="a[bc]b?")
    assert 0 < len(few) < 500


def test_a_run_goes_on_from_its_log(tmp_path, monkeypatch, capsys):
    log, fits = tmp_path / "log.jsonl", []
    monkeypatch.setattr(short_lists, "kinds_of", lambda *_: {"made": LINES})
    plain = short_lists.measure
    monkeypatch.setattr(
        short_lists, "measure",
        lambda *a: fits.append((sorted(a[3].how), a[4])) or plain(*a),
    )  # fmt: skip
    call = ["--log", str(log), "--json", str(tmp_path), "--ways", "ngram", "--sizes", "60"]
    call += ["--draws", "40", "--min-p"]
    short_lists.main([*call, "0", "--seeds", "1"])
    with log.open("a", encoding="utf-8") as file:
        file.write('{"kind": "made", "li')  # a run that was killed while it wrote
    short_lists.main([*call, "0", "--seeds", "2"])
    short_lists.main([*call, "0,0.1", "--seeds", "1"])
    short_lists.main([*call, "0,0.1", "--seeds", "1"])
    assert fits == [(["raw"], 0), (["raw"], 1), (["min_p 0.1"], 0)]
    assert len([json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]) == 3
    rows = json.loads((tmp_path / "short_lists.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["lines"], row["way"], row["drawn"]) for row in rows] == [
        (60, "ngram", "raw"), (60, "ngram", "min_p 0.1")
    ]  # fmt: skip
    assert set(short_lists.MEASURES) < set(rows[0])
    assert 0.5 < rows[0]["nll test"] < 3 and rows[0]["kinds"] == 1
    assert "| 60 | ngram | raw | 1 | 1 |" in capsys.readouterr().out


def test_only_known_ways_are_fitted():
    with pytest.raises(SystemExit, match="no such ways"):
        short_lists.main(["--ways", "oracle", "--kinds", "English words"])
