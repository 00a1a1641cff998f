"""Loading: the run that lines are drawn from, once it is known that there can be such lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makemore.cli.output import note
from makemore.cli.startup import inference_only
from makemore.escaping import visible

if TYPE_CHECKING:
    from makemore.api import MakeMore
    from makemore.text import Vocabulary


def load_to_draw(folder: str, constraints: Mapping[str, Any]) -> MakeMore:
    """Load the model of a run directory for sampling only: it cannot be trained further.

    Raises Unsatisfiable, UsageError, RunError.
    """
    from makemore.api import MakeMore
    from makemore.api.checked_run import run_under
    from makemore.sampling.constraints.spelling import as_in_text

    run = run_under(folder, constraints)  # before the model, which may take a second to load
    for name, value in as_in_text(run.vocabulary, constraints).items():
        if value != constraints[name]:
            note_spelling(f"--{name}", value)
    if run.progress["best_step"] == 0:
        note("warning: this run has learned nothing yet: its lines are noise")
    with inference_only():
        return MakeMore.of_run(run)


def note_spelling(what: str, text: str) -> None:
    """Note that accents were typed in another way than the text has them."""
    as_one = unicodedata.is_normalized("NFC", text)
    form = "in one character with their letters" if as_one else "as characters of their own"
    note(f"{what}: accents are taken as the text has them, {form}")


def spelled_text(vocabulary: Vocabulary, text: str) -> str:
    """Write a text that was typed with its accents as the run's text has them, and note it."""
    from makemore.sampling.constraints.spelling import spelled

    other = spelled(vocabulary, text)
    if other != text:
        note_spelling(f"'{visible(other, 40)}'", other)
    return other
