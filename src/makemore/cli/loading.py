"""The run that lines are drawn from, loaded only once it is known that there can be such lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.cli.startup import inference_only

if TYPE_CHECKING:
    from makemore.api import MakeMore


def load_to_draw(folder: str, constraints: Mapping[str, Any]) -> MakeMore:
    """The maker of a run directory, to draw lines from and for nothing else.

    Raises Unsatisfiable, UsageError, RunError.
    """
    from makemore.api import MakeMore
    from makemore.api.checked_run import run_under

    run = run_under(folder, constraints)
    with inference_only():
        return MakeMore.of_run(run)
