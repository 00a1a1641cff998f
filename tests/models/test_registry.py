"""registry.py: models by name; and plugins that were written for the names before version 0.1."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from makemore import MakeMore
from makemore.errors import UsageError
from makemore.models import get_model
from makemore.models.core import registry
from makemore.models.core.registry import load_plugin, model_names
from makemore.models.mlp import MLP

ROOT = Path(__file__).resolve().parents[2]

BEFORE = '''
"""Before: a table of logits by the last symbol.

Paper: none
"""

from dataclasses import dataclass

import torch
from torch import nn

from makemore.models.base import register
from makemore.models.neural import NeuralModel
from makemore.options import option


@register("before")
class Before(NeuralModel):
    @dataclass(frozen=True)
    class Options:
        block_size: int = option(1, "symbols of context", minimum=1, maximum=8)

    reads = "window"
    in_threads = True
    recipe = {"max_steps": 5, "optimizer": "adamw", "learning_rate": 0.01}

    def __init__(self, vocab_size, block_size, options):
        super().__init__(vocab_size, block_size, options)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, inputs):
        return self.table(inputs[:, -1])
'''
NAMES = [a + b + c for a in "BCDLMN" for b in "aeiou" for c in ("n", "ra")]


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What a test registers is known in that test alone."""
    yield
    registry._register.pop("before", None)


@pytest.mark.usefixtures("forgotten")
def test_a_plugin_of_before_works_and_is_told_the_names_of_today(tmp_path: Path) -> None:
    file = tmp_path / "before.py"
    file.write_text(BEFORE, encoding="utf-8")
    with pytest.warns(DeprecationWarning) as warned:
        load_plugin(str(file))
    told = sorted(str(each.message) for each in warned)
    assert told == [
        "Before.in_threads is called splits_batches now: rename it",
        "Before.reads is called input_kind now: rename it",
    ]
    assert all(each.filename == str(file) for each in warned)
    kind = get_model("before")
    assert (kind.input_kind, kind.splits_batches) == ("window", True)  # type: ignore[attr-defined]
    maker = MakeMore(model="before", random_state=1).fit(NAMES)
    assert len(maker.sample(5, 1)) == 5 and maker.score(NAMES) < 0
    maker.save(tmp_path / "run")
    assert MakeMore.load(tmp_path / "run").sample(5, 1) == maker.sample(5, 1)


def test_names_of_before_are_the_same_objects() -> None:
    from makemore.models import base, neural
    from makemore.models.core import base as core
    from makemore.models.core.neural import NeuralModel

    assert base.Model is core.Model and base.CountModel is core.CountModel
    assert base.find is get_model and base.names is model_names
    assert base.register is registry.register
    assert neural.NeuralModel is NeuralModel
    for module in (base, neural):
        assert all(hasattr(module, name) for name in module.__all__)


def test_every_model_stands_in_the_contract_that_keeps_it_apart() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    apart = next(each for each in contracts if each["type"] == "independence")["modules"]
    ours = {name for name in model_names() if get_model(name).__module__.startswith("makemore.")}
    assert {*apart} == {f"makemore.models.{name}" for name in ours - {"ensemble"}}


def test_a_name_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BEFORE.replace('"before"', '"mlp"'))
    with pytest.raises(UsageError, match="two models are called 'mlp'"):
        load_plugin(str(file))
    assert get_model("mlp") is MLP


def test_plugins_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no plugin"):
        load_plugin(str(tmp_path / "absent.py"))
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(UsageError, match="does not run .*ZeroDivisionError"):
        load_plugin(str(file))


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'transformer'"):
        get_model("transfomer")
