"""checks.py: arguments of any kind are taken or refused by an error of makemore's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.conftest import like_names, tiny
from makemore import MakeMore, MakemoreError, read_lines
from makemore.api import train_directory
from makemore.api.session import Started
from makemore.errors import DataError, RunError, SystemFault, UsageError
from makemore.text import Corpus

LINES = like_names(60)
STRANGE: list[Any] = [
    None, float("nan"), 3, 2.5, True, b"a", "a", ["a"], {"a": 1}, Path("a"), list, object(),
    "\0", "\ud800", "*" * 5000, np.str_("a"), np.bool_(True), np.int64(3), np.float64(2.5),
    np.array(["a"]), np.array([1, 2]),
]  # fmt: skip


@pytest.fixture(scope="module")
def labelled() -> MakeMore:
    return tiny("ngram").fit(LINES, [line[-1] for line in LINES])


def given(**options: Any) -> dict[str, Any]:
    """Options but None, which stands for the default: six members, that take long."""
    return {name: value for name, value in options.items() if value is not None} or {
        "members": "ngram"
    }


USES: dict[str, Callable[[MakeMore, Any], Any]] = {
    "sample": lambda maker, value: maker.sample(value),
    "top": lambda maker, value: maker.top(value),
    "beam": lambda maker, value: maker.top(1, beam=value),
    "random_state": lambda maker, value: maker.sample(1, value),
    "avoid": lambda maker, value: maker.sample(1, 1, avoid=value),
    "prefix": lambda maker, value: maker.sample(1, 1, prefix=value),
    "label": lambda maker, value: maker.sample(1, 1, label=value),
    "temperature": lambda maker, value: maker.sample(1, 1, temperature=value),
    "max_length": lambda maker, value: maker.sample(1, 1, max_length=value),
    "all": lambda maker, value: maker.sample(1, 1, all=value),
    "score_samples": lambda maker, value: maker.score_samples(value),
    "score": lambda maker, value: maker.score(value),
    "predict": lambda maker, value: maker.predict(value),
    "predict_proba": lambda maker, value: maker.predict_proba(value),
    "report": lambda maker, value: maker.report(value),
    "accuracy": lambda maker, value: maker.accuracy(value),
    "rank": lambda maker, value: maker.sample(1, 1, rank=value),
    "scores": lambda maker, value: maker.scores(value),
    "prior": lambda maker, value: tiny(prior=value).fit(["a"]),
    "directory": lambda maker, value: list(train_directory(value, ["a"], model="ngram")),
    "save": lambda maker, value: maker.save(value, replace=True),
    "load": lambda maker, value: MakeMore.load(value),
    "fit": lambda maker, value: tiny("ngram").fit(value),
    "y": lambda maker, value: tiny("ngram").fit(LINES, value),
    "val": lambda maker, value: tiny("ngram").fit(LINES, val=value),
    "verbose": lambda maker, value: tiny("ngram", verbose=value).fit(["a"]),
    "model": lambda maker, value: MakeMore("ngram" if value is None else value).fit(["a"]),
    "time": lambda maker, value: tiny("ngram", time=value).fit(["a"]),
    "order": lambda maker, value: tiny("ngram", order=value).fit(["a"]),
    "smoothing": lambda maker, value: tiny("ngram", smoothing=value).fit(["a"]),
    "symbols": lambda maker, value: tiny("ngram", symbols=value).fit(["a"]),
    "members": lambda maker, value: MakeMore("ensemble", **given(members=value)).fit(["a"]),
}


@pytest.mark.parametrize("use", USES)
def test_no_value_ends_in_an_error_of_pythons(
    use: str, labelled: MakeMore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in STRANGE:
        try:
            USES[use](labelled, value)
        except MakemoreError as error:
            assert isinstance(error, (UsageError, DataError, RunError, SystemFault)), (use, value)


def test_counts_are_whole_numbers(labelled: MakeMore) -> None:
    assert labelled.sample(np.int64(2), 1) == labelled.sample(2, 1)
    for value, message in (
        (2.0, r"n cannot be 2.0 \(-n\): give a whole number"),
        (np.float64(2), r"n cannot be np.float64\(2.0\) \(-n\): give a whole number"),
        ("3", r"n cannot be '3' \(-n\): give a whole number"),
        (None, r"n cannot be None \(-n\): give a whole number"),
        (True, r"n cannot be True \(-n\): give a whole number"),
        (-1, r"cannot draw -1 lines \(-n\): give 0 or more"),
    ):
        with pytest.raises(UsageError, match=f"^{message}$"):
            labelled.sample(value)
    with pytest.raises(UsageError, match=r"^beam cannot be 2.5 \(--beam\): give a whole number$"):
        labelled.top(2, beam=2.5)  # type: ignore[arg-type]


def test_scalars_of_numpy_are_values(labelled: MakeMore) -> None:
    found = labelled.sample(
        5, 1, prefix=np.str_("k"), all=np.bool_(True), max_length=np.int8(9),
        temperature=np.float16(0.5), label=np.str_("a"), avoid=np.array(LINES),
    )  # fmt: skip
    assert found == labelled.sample(
        5, 1, prefix="k", all=True, max_length=9, temperature=0.5, label="a", avoid=LINES
    )
    maker = tiny(np.str_("ngram"), smoothing=np.str_("add-k"), keep_copies=np.bool_(True)).fit(
        LINES
    )
    same = tiny("ngram", smoothing="add-k", keep_copies=True).fit(LINES)
    assert maker.score(LINES) == same.score(LINES) and maker.plan_ and same.plan_
    assert maker.plan_.config.asked == same.plan_.config.asked
    assert labelled.report(np.str_("val")) == labelled.report("val")


def test_flags_are_true_or_false(labelled: MakeMore, tmp_path: Path) -> None:
    assert labelled.sample(3, 1, rank=np.bool_(True)) == labelled.sample(3, 1, rank=True)
    for value in (1, "no", None, np.array([1, 2])):
        with pytest.raises(UsageError, match=r"^rank cannot be .*: give True or False$"):
            labelled.sample(3, 1, rank=value)
        with pytest.raises(UsageError, match=r"^replace cannot be .*: give True or False$"):
            labelled.save(tmp_path / "run", replace=value)


def test_a_tilde_is_the_home_folder(
    labelled: MakeMore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    labelled.save("~/runs/mine")
    assert (tmp_path / "home/runs/mine/config.json").is_file() and not Path("~").exists()
    assert MakeMore.load(Path("~/runs/mine")).sample(3, 1) == labelled.sample(3, 1)
    Path("home/names.txt").write_text("anna\nbo\n")
    assert tiny("ngram").fit(Path("~/names.txt")).split.n_lines == 2
    list(train_directory("~/runs/other", LINES, model="ngram"))
    assert (tmp_path / "home/runs/other/config.json").is_file()


def test_errors_advise_keywords(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("id,name\n1,anna\n2,bo\n")
    for read in (read_lines, tiny("ngram").fit):
        with pytest.raises(DataError, match=r"a table of 2 columns.*: use text_column='name'$"):
            read(path)
    assert tiny("ngram", text_column="name").fit(path).split.n_lines == 2
    (tmp_path / "list.txt").write_text("1. anna\n2. bo\n")
    with pytest.raises(DataError, match=r": type makemore data .*list.txt --fix list-fixed.txt$"):
        read_lines(tmp_path / "list.txt")


def test_a_generator_draws_the_seed(labelled: MakeMore) -> None:
    seed = np.random.RandomState(3).randint(2**31 - 1)
    state = np.random.RandomState(3)
    assert labelled.sample(5, state) == labelled.sample(5, int(seed))
    assert labelled.sample(5, state) != labelled.sample(5, int(seed))  # it has moved on
    seed = np.random.default_rng(3).integers(2**31 - 1)
    assert labelled.sample(5, np.random.default_rng(3)) == labelled.sample(5, int(seed))
    maker = tiny("ngram", random_state=np.random.default_rng(3)).fit(LINES)
    assert maker.plan_ is not None and maker.plan_.recipe.seed == seed


def test_one_string_is_no_list(labelled: MakeMore) -> None:
    for use in ("score_samples", "predict", "avoid", "fit", "y", "val"):
        with pytest.raises(
            DataError, match=r"^one string is no list of (lines|labels).*\['kara'\]"
        ):
            USES[use](labelled, "kara")


def test_paths_and_parts_are_named(labelled: MakeMore) -> None:
    for wrong in (None, 3, b"run"):
        with pytest.raises(UsageError, match=r"is no path \(folder\): give the folder's path"):
            MakeMore.load(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"is no path \(folder\): give the folder's path"):
            labelled.save(wrong)  # type: ignore[arg-type]
    for measure in (labelled.report, labelled.accuracy):
        with pytest.raises(UsageError, match="unknown part 'vol': did you mean 'val'"):
            measure("vol")
        with pytest.raises(UsageError, match="cannot be None: give one of train, val, test"):
            measure(None)  # type: ignore[arg-type]


def test_scores_and_avoided_lines_of_a_file(labelled: MakeMore, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    lines = labelled.sample(6, 1)
    path.write_text("\ufeff" + " \r\n".join(lines))
    assert labelled.score_samples(path).tolist() == labelled.score_samples(lines).tolist()
    assert labelled.predict(path).tolist() == labelled.predict(lines).tolist()
    assert not set(labelled.sample(20, 1, avoid=path)) & set(lines)
    assert labelled.sample(20, 1, avoid=set(lines)) == labelled.sample(20, 1, avoid=path)


def test_a_test_part_may_be_given_too() -> None:
    maker = tiny("ngram").fit(LINES, val=["kara", "kara"], test=np.array(["mona"]))
    assert list(maker.split.train) == LINES
    assert (list(maker.split.val), list(maker.split.test)) == (["kara", "kara"], ["mona"])
    labels = [line[-1] for line in LINES]
    maker.fit(LINES, labels, test=["mona"], test_y=["a"])
    assert maker.split.test.label_of_each() == ["a"] and not len(maker.split.val)
    with pytest.raises(UsageError, match="labels without lines"):
        maker.fit(LINES, labels, val_y=["a"])
    with pytest.raises(UsageError, match="labels are int here and str in y"):
        maker.fit(LINES, labels, test=["mona"], test_y=[1])


def test_a_corpus_keeps_its_labels_and_a_path_its_name(tmp_path: Path) -> None:
    labels = [line[-1] for line in LINES]
    maker = tiny("ngram").fit(Corpus.from_lines(LINES, labels=labels))
    assert maker.split.digest() == tiny("ngram").fit(LINES, labels).split.digest()
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(LINES))
    by_path = tiny("ngram").fit(path)
    assert by_path.plan_ is not None and by_path.plan_.config.data["name"] == "mine"
    with pytest.raises(DataError, match="read it first: makemore.read_lines"):
        tiny("ngram").fit(path, labels)
    events = list(train_directory(tmp_path / "run", path, model="ngram"))
    assert (
        isinstance(events[0], Started) and events[0].maker.split.digest() == by_path.split.digest()
    )
