"""Models as parameters of a test: one of each kind at once, the others with the slow tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

# By what they read: counts, a window, a state. The battery has all models in every run.
QUICK = ("ngram", "mlp", "gru")


def each_kind(names: Iterable[str], quick: Iterable[str] = QUICK) -> list[Any]:
    """Parameters of these models; those that are not `quick` are slow tests, which CI runs."""
    now = tuple(quick)
    return [pytest.param(name, marks=() if name in now else pytest.mark.slow) for name in names]
