"""estimator.py: MakeMore as scikit-learn's users expect it, fitted, saved and loaded."""

from __future__ import annotations

import copy
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import makemore
from api.conftest import KINDS, like_names, small, tiny, weights
from kinds import each_kind
from makemore import MakeMore
from makemore.errors import DataError, RunError, UsageError
from makemore.runs.run import Run


def test_parameters_are_those_of_the_constructor_and_a_clone_is_made_of_them() -> None:
    maker = MakeMore("gru", random_state=3, n_hidden=8, max_steps=2)
    params = {"model": "gru", "random_state": 3, "time": None, "n_hidden": 8, "max_steps": 2}
    assert maker.get_params() == maker.get_params(deep=False) == params
    assert MakeMore(**maker.get_params()).get_params() == params
    assert copy.deepcopy(maker).get_params() == params
    assert MakeMore().get_params() == {"model": None, "random_state": None, "time": None}
    maker.get_params()["n_hidden"] = 9
    assert maker.get_params() == params


def test_set_params_changes_some_and_keeps_the_others() -> None:
    maker = MakeMore("gru", random_state=3, n_hidden=8)
    assert maker.set_params(n_hidden=4, max_steps=1) is maker
    params = {"model": "gru", "random_state": 3, "time": None, "n_hidden": 4, "max_steps": 1}
    assert maker.get_params() == params
    maker.set_params(model="ngram", random_state=None)
    assert (maker.model, maker.random_state) == ("ngram", None)


def test_repr_is_the_call_that_makes_it() -> None:
    assert repr(MakeMore()) == "MakeMore()"
    assert repr(MakeMore(time="60s")) == "MakeMore(time='60s')"
    maker = MakeMore("gru", random_state=0, n_hidden=8, learning_rate=0.1)
    text = "MakeMore(model='gru', random_state=0, n_hidden=8, learning_rate=0.1)"
    assert repr(maker) == text


def test_fit_gives_the_maker_back_and_takes_any_iterable() -> None:
    lines = like_names(60)
    maker = tiny("ngram")
    assert maker.fit(iter(lines)) is maker
    same = tiny("ngram").fit(tuple(lines), None)
    assert maker.sample(20, random_state=1) == same.sample(20, random_state=1)
    # A second fit forgets the first.
    assert weights(maker.fit(["ab", "ba"])) == weights(tiny("ngram").fit(["ab", "ba"]))


def test_the_random_state_is_the_seed_of_weights_and_order() -> None:
    lines = like_names(60)
    first = weights(tiny(random_state=1).fit(lines))
    assert weights(tiny(random_state=1).fit(lines)) == first
    assert weights(tiny(random_state=2).fit(lines)) != first
    assert weights(tiny().fit(lines)) == weights(tiny(random_state=3407).fit(lines))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("gru", {"n_hiden": 3}, "unknown option 'n_hiden': did you mean 'n_hidden'?"),
        ("gru", {"max_step": 3}, "unknown option 'max_step': did you mean 'max_steps'?"),
        ("gru", {"keep_copy": True}, "unknown option 'keep_copy': did you mean 'keep_copies'?"),
        ("gru", {"order": 3}, "unknown option 'order'"),  # a knob of another model
        ("grru", {}, "unknown model 'grru': did you mean 'gru'?"),
        ("gru", {"n_hidden": 0}, "n_hidden cannot be 0 (--n-hidden): give 1 or more"),
        ("gru", {"n_layer": 10**9}, "n_layer cannot be 1000000000 (--n-layer)"),
        ("gru", {"learning_rate": math.inf}, "learning_rate cannot be inf"),
        ("gru", {"batch_size": 0}, "batch_size cannot be 0"),
        ("gru", {"max_steps": 0}, "max_steps cannot be 0"),
        ("gru", {"max_steps": 2**63}, "max_steps cannot be 9223372036854775808"),
        ("gru", {"random_state": -1}, "seed cannot be -1 (--seed): give 0 or more"),
        ("gru", {"random_state": 2**64}, "seed cannot be 18446744073709551616"),
        ("gru", {"random_state": 0.5}, "seed cannot be 0.5 (--seed): give a whole number"),
        ("gru", {"random_state": True}, "seed cannot be True"),
        ("transformer", {"n_embd": 10, "n_head": 3}, "n_embd 10 cannot be divided among n_head 3"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(
    model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        MakeMore(model, **options).fit(["emma", "ava"])


def test_lines_that_cannot_be_used_are_refused() -> None:
    for lines, message in (
        ("emma", "one string"),
        ([], "no lines to learn from"),
        (["", "  "], "no lines to learn from .*2 blank"),
        (["a", 1], "line 2 is no string but int"),
        (["a\nb"], "line 1 holds a line feed"),
    ):
        with pytest.raises(DataError, match=message):
            tiny("ngram").fit(lines)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one string"):
        tiny("ngram").fit(["emma", "ava"]).score_samples("emma")


@pytest.mark.parametrize(
    "use",
    [
        lambda maker: maker.sample(),
        lambda maker: next(maker.samples()),
        lambda maker: maker.score_samples(["a"]),
        lambda maker: maker.score(["a"]),
        lambda maker: maker.report("train"),
        lambda maker: maker.n_parameters,
        lambda maker: maker.split,
        lambda maker: maker.vocabulary,
        lambda maker: next(maker.training()),
        lambda maker: maker.save("run"),
    ],
)
def test_nothing_can_be_used_before_fit(
    use: Callable[[MakeMore], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="^nothing was learned yet: call fit first"):
        use(MakeMore("ngram"))
    assert not os.listdir()


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    lines = like_names(60)
    maker = tiny(
        "gru", n_hidden=np.int64(8), max_steps=np.int32(3), learning_rate=np.float32(0.25),
        dropout=0, random_state=np.uint8(3),
    ).fit(lines)  # fmt: skip
    same = tiny("gru", n_hidden=8, max_steps=3, learning_rate=0.25, dropout=0.0, random_state=3)
    assert weights(maker) == weights(same.fit(lines))
    found = maker.sample(
        np.int64(9), np.uint16(4), temperature=np.float32(0.5), top_k=np.int64(5), all=True
    )
    assert found == same.sample(9, 4, temperature=0.5, top_k=5, all=True)
    maker.save(tmp_path / "run")  # JSON knows none of numpy's
    asked = Run.load(tmp_path / "run").config.asked
    learning = {"max_steps": 3, "learning_rate": 0.25, "dropout": 0.0, "seed": 3}
    assert asked == {**small("gru"), **learning}
    assert {type(value) for value in asked.values()} == {int, float}


@pytest.mark.parametrize("model", each_kind(KINDS))
@pytest.mark.parametrize("lines", [["a"], ["emma", "ava"], ["anna"] * 3])
def test_a_line_or_two_are_enough(model: str, lines: list[str]) -> None:
    maker = tiny(model).fit(lines)
    assert [len(part) for _, part in maker.split] == [len(set(lines)), 0, 0]
    assert np.isfinite(maker.score_samples(lines)).all()
    assert maker.report("val")["nll"] is None and maker.report("train")["nll"] > 0
    assert len(maker.sample(5, random_state=0, all=True)) == 5


def test_more_steps_learn_more() -> None:
    lines = ["anna"] * 3
    by_heart = {"dropout": 0.0, "soft_targets": 0.0}
    before = tiny("gru", max_steps=1, **by_heart).fit(lines).score(lines)
    after = tiny("gru", max_steps=150, **by_heart).fit(lines).score(lines)
    assert before < -5 and after > -1


def test_batch_norm_is_never_given_a_batch_of_one() -> None:
    with pytest.raises(UsageError, match="batches of 2"):
        MakeMore("deep_mlp", batch_size=1, max_steps=2, n_hidden=4).fit(["ab", "b"])
    # 3 windows in batches of 2 would leave one alone
    maker = MakeMore("deep_mlp", batch_size=2, max_steps=4, n_hidden=4).fit(["ab"])
    assert np.isfinite(maker.score_samples(["ab"])).all()
    assert len(maker.sample(3, random_state=1, all=True)) == 3


def test_threads_and_random_numbers_of_the_program_stay_as_they_were() -> None:
    torch.manual_seed(11)
    torch.set_num_threads(3)
    states = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    maker = tiny("gru", threads=2, dropout=0.5).fit(like_names(60))
    assert torch.get_num_threads() == 3
    model: Any = maker.model_
    step, seen = model.step, set()

    def watched(*arguments: Any) -> Any:
        seen.add(torch.get_num_threads())
        return step(*arguments)

    model.step = watched
    maker.sample(5, all=True)
    assert seen == {1}  # rounds are shared out, no product is: the same lines on every machine
    maker.score(["anna"])
    maker.report("train")
    lines = maker.samples(10**6, all=True)
    next(lines)
    lines.close()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    after = torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())
    assert after == states


def test_sampling_gives_the_training_mode_back() -> None:
    learned = tiny("gru", random_state=5).fit(like_names(200))
    model: Any = learned.model_
    for mode in (True, False):
        model.train(mode)
        first = learned.sample(10, random_state=0, all=True)
        assert model.training is mode
        learned.score(["anna"])
        assert model.training is mode
    model.train()
    assert learned.sample(10, random_state=0, all=True) == first  # no dropout in samples


# -- save and load ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", each_kind(KINDS))
def test_a_saved_model_samples_and_scores_as_before(model: str, tmp_path: Path) -> None:
    lines = [*like_names(80), "a.b", "zoë 😀"]
    maker = tiny(model, random_state=6).fit(lines)
    maker.save(tmp_path / "run")
    again = MakeMore.load(tmp_path / "run")
    for options in ({}, {"all": True, "temperature": 2.0}, {"prefix": "ka", "max_length": 30}):
        before = list(maker.samples(15, random_state=1, **options))
        assert list(again.samples(15, random_state=1, **options)) == before
    assert again.score_samples(lines).tolist() == maker.score_samples(lines).tolist()
    for name, _ in maker.split:
        assert again.report(name) == maker.report(name)
    params = maker.get_params()
    del params["threads"]  # no part of what a run is
    assert again.get_params() == params
    assert again.vocabulary.symbols == maker.vocabulary.symbols
    assert again.n_parameters == maker.n_parameters > 0
    # And it can be fitted again, from the same beginning.
    assert weights(again.set_params(threads=1).fit(lines)) == weights(maker)


def test_save_replaces_a_run_where_it_is_told_to(counted: MakeMore, tmp_path: Path) -> None:
    MakeMore("ngram", order=2).fit(["other", "lines"]).save(tmp_path)
    (tmp_path / "mine.txt").write_text("stays")
    counted.save(tmp_path, replace=True)
    loaded = MakeMore.load(tmp_path)
    assert loaded.sample(5, 1) == counted.sample(5, 1)
    assert (tmp_path / "mine.txt").read_text() == "stays"
    loaded.save(tmp_path, replace=True)  # over the run that it was loaded from
    assert MakeMore.load(tmp_path).sample(5, 1) == counted.sample(5, 1)


def test_a_saved_run_knows_its_best_loss(counted: MakeMore, tmp_path: Path) -> None:
    counted.save(tmp_path)
    progress = Run.load(tmp_path).progress
    assert progress["best_val"] == pytest.approx(counted.report("val")["nll"])
    again = tmp_path / "again"
    MakeMore.load(tmp_path).save(again)
    assert Run.load(again).progress == progress


def test_save_refuses_a_run_that_is_there(counted: MakeMore, tmp_path: Path) -> None:
    counted.save(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="^there is a run already .*: give another directory, or"):
        tiny("ngram").fit(["ab"]).save(tmp_path / "run")
    del before[tmp_path / "run" / "lock"]  # names the last process that held it
    assert all(path.read_bytes() == body for path, body in before.items())
    assert MakeMore.load(tmp_path / "run").sample(5, 1) == counted.sample(5, 1)


def test_save_refuses_a_folder_of_somebody_else(counted: MakeMore, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and no run"):
        counted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_load_of_what_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="no run"):
            MakeMore.load(folder)


# -- imports ---------------------------------------------------------------------------------------


IMPORTED = """
import sys, makemore
makemore.DataError, makemore.__version__
heavy = ("torch", "numpy", "matplotlib", "click", "rich", "safetensors", "faker")
assert not [name for name in heavy if name in sys.modules]
makemore.Corpus
assert "numpy" in sys.modules
"""


def test_importing_makemore_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", IMPORTED], check=True)


def test_the_public_names_are_all_there() -> None:
    for name in makemore.__all__:
        assert getattr(makemore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Makemore'"):
        makemore.Makemore  # noqa: B018
