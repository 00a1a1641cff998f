"""short_list.py: what is learned from few lines where no model is named, and goes on as that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from makemore import MakeMore
from makemore.api import short_list
from makemore.api.session import Message, train_directory
from makemore.api.short_list import choose_model
from makemore.errors import UsageError
from makemore.runs import Run
from makemore.text import Corpus, train_val_test_split
from makemore.text.builtin_lists import builtin_names

NAMES = builtin_names()[::40]
SMALL = "ngram order=3, gru n_hidden=8 max_steps=4"


@pytest.fixture(autouse=True)
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, networks = SMALL.split(", ")
    monkeypatch.setattr(short_list, "COUNTS", counts)
    monkeypatch.setattr(short_list, "NETWORKS", networks)


def chosen(n: int, **requested: Any) -> str:
    lines = [f"line{number}" for number in range(n)]
    return choose_model(train_val_test_split(Corpus.from_lines(lines)), requested)[0]


def test_few_lines_are_learned_by_a_mixture_and_many_by_a_transformer() -> None:
    assert chosen(60) == chosen(4_999) == "ensemble"
    assert chosen(5_000) == "transformer"


def test_options_of_a_transformer_mean_a_transformer() -> None:
    assert chosen(60, n_layer=2) == "transformer" and chosen(60, max_steps=3) == "ensemble"


def test_python_chooses_as_the_command_line_and_fits_again_as_before() -> None:
    maker = MakeMore(threads=1).fit(NAMES)
    assert maker.plan_ is not None and maker.plan_.config.model == "ensemble"
    assert maker.model is None and maker.get_params()["model"] is None
    assert maker.plan_.config.asked == {"model": "default"}


def trained(folder: Path, **options: Any) -> list[Any]:
    return list(train_directory(folder, NAMES, threads=1, **options))


def test_a_run_of_a_chosen_model_goes_on_without_a_name(tmp_path: Path) -> None:
    events = trained(tmp_path / "run")
    assert isinstance(events[0], Message)
    assert "counts and 1 networks are mixed: about" in events[0].text
    run = Run.load(tmp_path / "run")
    assert run.config.asked == {"model": "default"} and run.progress["finished"]
    assert len(trained(tmp_path / "run")) == 1  # finished: the same command
    loaded = MakeMore.load(tmp_path / "run")
    assert loaded.model is None and len(loaded.sample(3, 1)) == 3
    with pytest.raises(UsageError, match="another -o"):
        trained(tmp_path / "run", model="ensemble")
    with pytest.raises(UsageError, match="another -o"):
        trained(tmp_path / "run", seed=4)
