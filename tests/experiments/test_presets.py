"""Presets: each is a sweep that can be run, and gives way to what was typed."""

from __future__ import annotations

import pytest
from test_trial import LINES, PARTS

from makemore.experiments.presets import PRESETS
from makemore.experiments.trial import ALL, axis, grid, plan_of
from makemore.text import Corpus, Split

EXPECTED = {
    "context": {"block_size": [2, 3, 4, 5]},
    "hidden": {"n_hidden": [1, 10, 50, 100, 300, 1000]},
    "embedding": {"n_embd": [2, 10]},
    "batch": {"batch_size": [1, 32, ALL]},
    "weight-decay": {"weight_decay": [0.0, 0.03, 0.1, 0.3, 1.0, 3.0]},
    "init": {"gain": [0.1, 5 / 3, 6.0], "head_scale": [0.01, 0.1, 1.0]},
    "batch-norm": {"batch_norm": [True, False]},
    "data": {"data": [0.1, 1 / 3, 1.0]},
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_each_preset_is_a_sweep_that_can_be_run(name: str) -> None:
    preset = PRESETS[name]
    axes = [axis(preset.model, text) for text in preset.vary]
    assert {each.key: list(each.values) for each in axes}.items() >= EXPECTED[name].items()
    trials = grid(axes)
    large = Split(Corpus.exactly([line * 60 for line in LINES]), PARTS.val, PARTS.test)
    plans = [plan_of(preset.model, {**preset.fixed, **trial}, large) for trial in trials]
    assert len(trials) >= 4 and not set(preset.fixed) & {each.key for each in axes}
    if "n_symbols" not in preset.fixed:  # equal steps of equal batches
        assert len({(plan.recipe.max_steps, plan.recipe.batch_size) for plan in plans}) == 1


def test_a_preset_gives_way_to_what_was_typed() -> None:
    batch = PRESETS["batch"]
    assert batch.fixed_but(()) == dict(batch.fixed)
    assert "n_symbols" not in batch.fixed_but({"max_steps"})
    assert PRESETS["hidden"].fixed_but({"n_symbols"}) == {}
    assert batch.fixed_but({"n_hidden"}) == {"n_symbols": batch.fixed["n_symbols"]}
