"""lineup.py: what learns a list where no model is named, and goes on as that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.api import Plan, lineup
from makemore.api.lineup import LSTM, SHORT_LIST, choose_model, with_steps
from makemore.api.members import members_of
from makemore.api.session import Message, train_directory
from makemore.errors import UsageError
from makemore.runs import Run
from makemore.text import Corpus, Split, train_val_test_split
from makemore.text.builtin_lists import builtin_names

NAMES = builtin_names()[::40]


@pytest.fixture(autouse=True)
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineup, "COUNTS", ("ngram order=3",))
    monkeypatch.setattr(lineup, "SHORT", ("gru n_hidden=8 max_steps=4", "lstm"))
    monkeypatch.setattr(lineup, "BY_DEFAULT", ((SHORT_LIST, 1),))


def chosen(n: int, **requested: Any) -> str:
    return choose_model(parts_of(n), requested)[0]


def parts_of(n: int) -> Split:
    return train_val_test_split(Corpus.from_lines(f"line{number}" for number in range(n)))


def test_few_lines_are_learned_by_a_mixture_and_many_by_a_transformer() -> None:
    assert chosen(60) == chosen(SHORT_LIST - 1) == "ensemble"
    assert chosen(SHORT_LIST) == "transformer"


def test_options_of_a_transformer_mean_a_transformer() -> None:
    assert chosen(60, n_layer=2) == "transformer" and chosen(60, max_steps=3) == "ensemble"


@pytest.mark.slow
def test_python_chooses_as_the_command_line_and_fits_again_as_before() -> None:
    maker = MakeMore(threads=1).fit(NAMES)
    assert maker.plan_ is not None and maker.plan_.config.model == "ensemble"
    assert maker.model is None and maker.get_params()["model"] is None
    assert maker.plan_.config.asked == {"model": "default"}


def trained(folder: Path, **options: Any) -> list[Any]:
    return list(train_directory(folder, NAMES, threads=1, **options))


def test_a_run_of_a_chosen_model_goes_on_without_a_name(tmp_path: Path) -> None:
    events = trained(tmp_path / "run", prior="none")
    assert isinstance(events[0], Message)
    assert "counts and a network are mixed, in about" in events[0].text
    run = Run.load(tmp_path / "run")
    assert run.config.asked == {"model": "default", "prior": "none"} and run.progress["finished"]
    assert len(trained(tmp_path / "run", prior="none")) == 1  # finished: the same command
    loaded = MakeMore.load(tmp_path / "run")
    assert loaded.model is None and len(loaded.sample(3, 1)) == 3
    with pytest.raises(UsageError, match="another -o"):
        trained(tmp_path / "run", model="ensemble", prior="none")
    with pytest.raises(UsageError, match="another -o"):
        trained(tmp_path / "run", seed=4, prior="none")
    with pytest.raises(UsageError, match="another -o"):
        trained(tmp_path / "run")


def test_a_network_beside_counts_has_more_steps_than_alone_and_patience() -> None:
    ((name, options),), parts = members_of(LSTM), parts_of(300)
    alone = Plan.make(name, {}, parts, "").recipe.max_steps
    assert alone is not None
    assert with_steps(name, options, parts, {}) == {**options, "max_steps": round(2.5 * alone)}
    assert "max_steps" not in with_steps(name, options, parts, {"max_steps": 7})
    assert "patience" not in with_steps(name, options, parts, {"patience": 9})  # all have that
