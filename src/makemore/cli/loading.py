"""Loading: the run that lines are drawn from, once it is known that there can be such lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.startup import inference_only
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.text import Vocabulary


def load_to_draw(folder: str, constraints: Mapping[str, Any], shard: str | None = None) -> MakeMore:
    """Load the model of a run directory for sampling only: it cannot be trained further.

    shard: the part of the lines to draw, which fits the others if all have the same weights
    Raises Unsatisfiable, UsageError, RunError.
    """
    from makemore.api import MakeMore
    from makemore.api.checked_run import run_under
    from makemore.api.drawing_notes import notes_before

    run = run_under(folder, constraints)  # before the model, which may take a second to load
    for text in notes_before(run.vocabulary, run.progress["best_step"], constraints):
        note(text)
    if shard is not None and not run.progress["finished"]:
        note("warning: the run is not trained to its end; shards of other weights do not fit")
    with inference_only():
        return MakeMore.of_run(run)


def spelled_text(vocabulary: Vocabulary, text: str) -> str:
    """Write a text that was typed with its accents as the run's text has them, and note it."""
    from makemore.api.drawing_notes import spelling_note
    from makemore.sampling.constraints.spelling import spelled

    other = spelled(vocabulary, text)
    if other != text:
        note(spelling_note(f"'{visible(other, 40)}'", other))
    return other
