"""Models to measure with: trained by their recipes, or for a few steps; kept in a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from makemore import MakeMore
from makemore.api.plan import Plan
from makemore.models.core.base import CountModel
from makemore.models.core.registry import get_model
from makemore.text.dataset import Split
from measure import threads_of

FEW_STEPS = 20  # of a short bench: speed hardly hangs on what a model has learned


def begun(model: str, parts: Split, **asked: object) -> MakeMore:
    """A model with its initial weights, its training planned by its own recipe."""
    maker = MakeMore(model)
    maker.begin(Plan.make(model, asked, parts, "bench"))
    return maker


def trained(model: str, parts: Split, options: argparse.Namespace) -> MakeMore:
    """A trained model. With --runs, one that was kept for these lines and steps is read instead."""
    few = options.short and not issubclass(get_model(model), CountModel)
    asked: dict[str, object] = {"threads": threads_of(options)}
    if few:
        asked["max_steps"] = FEW_STEPS
    kept = None
    if options.runs:
        steps = FEW_STEPS if few else "recipe"
        kept = (
            Path(options.runs)
            / f"{model}-{steps}-{threads_of(options) or 'all'}-{parts.digest()[:12]}"
        )
        if kept.is_dir():
            return MakeMore.load(kept)
    print(f"training {model}", file=sys.stderr, flush=True)
    maker = begun(model, parts, **asked)
    for _ in maker.training():
        pass
    if kept:
        maker.save(kept)
    return maker
