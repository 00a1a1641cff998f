"""label_values.py: labels come back as the type that y had, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.conftest import like_names, tiny
from makemore import MakeMore
from makemore.errors import DataError

LINES = like_names(80)
NUMBERS = [{"a": 2, "e": 10, "i": -1, "o": 2}[line[-1]] for line in LINES]


@pytest.mark.parametrize(
    ("y", "classes", "kind"),
    [
        (NUMBERS, [-1, 2, 10], np.int64),
        (np.array(NUMBERS, dtype=np.int16), [-1, 2, 10], np.int64),
        (pd.Series(NUMBERS), [-1, 2, 10], np.int64),
        (np.array(NUMBERS, dtype=float), [-1.0, 2.0, 10.0], np.float64),
        ([n > 0 for n in NUMBERS], [False, True], np.bool_),
        (np.array(NUMBERS) > 0, [False, True], np.bool_),
        ([str(n) for n in NUMBERS], ["-1", "10", "2"], np.object_),
        (pd.Series(NUMBERS).astype(str).astype("category"), ["-1", "10", "2"], np.object_),
        ([10**20 + n for n in NUMBERS], [10**20 - 1, 10**20 + 2, 10**20 + 10], np.object_),
        (np.array(NUMBERS, dtype=np.int64).astype(np.uint64), [2, 10, 2**64 - 1], np.object_),
        ([f" {n}\u3000" for n in NUMBERS], [" -1\u3000", " 10\u3000", " 2\u3000"], np.object_),
    ],
)
def test_classes_have_the_type_of_y_and_are_sorted(y: Any, classes: list[Any], kind: Any) -> None:
    maker = tiny("ngram").fit(LINES, y)
    assert maker.classes_.tolist() == classes and maker.classes_.dtype == kind
    proba, found = maker.predict_proba(LINES), maker.predict(LINES)
    assert proba.shape == (80, len(classes)) and np.allclose(proba.sum(axis=1), 1)
    assert found.dtype == kind
    assert found.tolist() == maker.classes_[proba.argmax(axis=1)].tolist()
    assert np.mean(found == np.asarray(y)) > 0.9


def test_the_two_zeros_are_one_label() -> None:
    assert tiny("ngram").fit(LINES, [-0.0 if n > 2 else 0.0 for n in NUMBERS]).classes_ == [0.0]


def test_labels_belong_to_lines_by_their_order_not_by_an_index() -> None:
    shuffled = pd.Series(NUMBERS, index=range(80, 0, -1))
    maker = tiny("ngram").fit(pd.Series(LINES, index=range(1, 81)), shuffled)
    assert (
        maker.predict(LINES).tolist() == tiny("ngram").fit(LINES, NUMBERS).predict(LINES).tolist()
    )


def test_a_number_names_its_label() -> None:
    numbered = tiny("ngram").fit(LINES, NUMBERS)
    named = tiny("ngram").fit(LINES, [str(n) for n in NUMBERS])
    for label in (10, np.int64(10), "10"):
        assert numbered.sample(5, 1, label=label) == named.sample(5, 1, label="10")
        assert numbered.top(2, label=label) == named.top(2, label="10")


def test_a_run_directory_has_names(tmp_path: Path) -> None:
    maker = tiny("ngram").fit(LINES, NUMBERS)
    maker.save(tmp_path / "run")
    assert MakeMore.load(tmp_path / "run").classes_.tolist() == ["-1", "10", "2"]
    assert maker.fit(LINES, [str(n) for n in NUMBERS]).classes_.tolist() == ["-1", "10", "2"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, "a"] * 40, r"labels are of 2 types, int and str \(y\): give one type: \[str\("),
        ([None, *NUMBERS[1:]], r"1 missing value among 80 labels \(label 1\)"),
        (pd.Series([np.nan] * 80), r"80 missing values .*lines that they belong to$"),
        ([0.5] * 80, "label 1 is no name but 0.5"),
        ([["a"]] * 80, r"label 1 is no name but \['a'\] .*: \[row\[0\] for row in y\]"),
        (["f", "f "] * 40, r"labels 'f' and 'f ' differ in white space alone .*label.strip\(\)"),
        (["f\nm"] * 80, r"label 1 holds a line feed .*: label.replace\("),
        (NUMBERS[:3], "80 lines and 3 labels"),
        (set(NUMBERS), "a set has no order, so its labels have none"),
        (pd.DataFrame({"a": NUMBERS, "b": NUMBERS}), r"table of 2 columns .*table\['a'\]"),
    ],
)
def test_what_is_no_label_is_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny("ngram").fit(LINES, y)
