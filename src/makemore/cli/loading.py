"""Loading: the run that lines are drawn from, once it is known that there can be such lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.startup import inference_only

if TYPE_CHECKING:
    from makemore.api import MakeMore


def load_to_draw(folder: str, constraints: Mapping[str, Any]) -> MakeMore:
    """Load the model of a run directory for sampling only: it cannot be trained further.

    Raises Unsatisfiable, UsageError, RunError.
    """
    from makemore.api import MakeMore
    from makemore.api.checked_run import run_under

    run = run_under(folder, constraints)  # before the model, which may take a second to load
    if run.progress["best_step"] == 0:
        note("warning: this run has learned nothing yet: its lines are noise")
    with inference_only():
        return MakeMore.of_run(run)
