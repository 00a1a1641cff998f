"""training_progress.py: how far a training is, as a person is told."""

from __future__ import annotations

import pytest
import torch

from api.conftest import like_names, tiny
from makemore.api import training_progress
from makemore.api.training_progress import TrainingProgress
from makemore.training.events import Evaluated, Step


def test_it_says_the_step_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tiny("gru", max_steps=101).fit(like_names(60), verbose=0).plan_
    assert plan is not None
    now = [100.0]
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: now[0])
    progress = TrainingProgress(plan)
    assert str(progress) == "measuring the loss before the first step"
    progress.step(Step(1, torch.tensor(2.0), 0.1, 50))
    assert str(progress) == "step 1/101"
    now[0] = 110.0
    progress.step(Step(11, torch.tensor(2.0), 0.1, 50))
    assert str(progress) == "step 11/101, about 90 s left"
    assert progress.evaluated(Evaluated(11, 2.0, 2.5, True)) == (
        "step 11/101  train 2.0000  val 2.5000 (best)  5 symbols/s  90 s left"
    )
    now[0] = 300.0
    assert str(progress) == "step 11/101, about 30 min left"
