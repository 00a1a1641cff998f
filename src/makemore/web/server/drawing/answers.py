"""Answers: what the child computes, the same as `makemore sample`, `score` and `explain` --json.

A message asks one kind of thing of one run, for one request or several. Each has its answer, as
soon as it is there: {"id", "result"}, or {"id", "error"}.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

from makemore.analysis.explain import expected
from makemore.analysis.score_records import score_records, without_labels
from makemore.api.checks import fresh_seed
from makemore.api.drawing_notes import notes_after, notes_before, spelling_note
from makemore.errors import MakemoreError, Unsatisfiable
from makemore.escaping import visible
from makemore.experiments.journal import finite
from makemore.sampling import Sampler
from makemore.sampling.constraints.spelling import spelled
from makemore.web.server.drawing.frames import Message
from makemore.web.server.drawing.open_runs import OpenRun

THREADS = 1  # a training beside it has the other cores


def answers(message: Message, run: OpenRun) -> Iterator[Message]:
    """Answer the requests of a message: {"kind", "requests": [{"id", ...}...], "seconds", ...}."""
    if message["kind"] == "sample":
        yield from _samples(message, run)
        return
    compute = {"score": _scores, "explain": _explained}[message["kind"]]
    for request in message["requests"]:
        try:
            yield {"id": request["id"], "result": finite(compute(request, run))}
        except MakemoreError as error:
            yield {"id": request["id"], "error": error_record(error)}


def error_record(error: MakemoreError) -> Message:
    """Describe an error, as rebuilt by `waiting.error_of`."""
    kind = type(error).__mro__
    name = next(each.__name__ for each in kind if each.__module__ == "makemore.errors")
    return {"kind": name, "what": error.what, "where": error.where, "to_do": error.to_do}


# -- drawing lines --------------------------------------------------------------------------------


def _samples(message: Message, run: OpenRun) -> Iterator[Message]:
    """Draw for several requests of equal conditions together; each ends once it has its lines."""
    maker, options, requests = run.maker, message["options"], message["requests"]
    try:
        conditions = maker.sampler(0, **options)
    except MakemoreError as error:
        record = error_record(error)
        yield from ({"id": request["id"], "error": record} for request in requests)
        return
    before = [*run.notes, *notes_before(maker.vocabulary, run.best_step, options)]
    drawings = [_Drawing(request, conditions, before) for request in requests]
    waiting = dict(enumerate(drawings))
    yield from (waiting.pop(index).answer() for index in [*waiting] if waiting[index].complete)
    samplers, late = [each.sampler for each in drawings], monotonic() + message["seconds"]
    for index, lines in maker.rounds_together(conditions, samplers, THREADS):
        drawing = drawings[index]
        if isinstance(lines, Unsatisfiable):
            drawing.error = lines
        else:
            drawing.samples.extend(sample.record() for sample in lines)
        if drawing.complete or drawing.error:
            yield waiting.pop(index).answer()
        if monotonic() > late:
            break
    for drawing in waiting.values():
        drawing.error = drawing.too_slow(message["seconds"])
        yield drawing.answer()


class _Drawing:
    """Collects the lines of one request."""

    def __init__(self, request: Message, conditions: Sampler, notes: list[str]) -> None:
        self.request, self.notes = request, notes
        self.seed = fresh_seed() if request["seed"] is None else request["seed"]
        self.sampler = conditions.with_seed(self.seed)
        self.sampler.begin(request["n"])
        self.samples = list[dict[str, Any]]()
        self.error: Unsatisfiable | None = None

    @property
    def complete(self) -> bool:
        """Whether all lines were found."""
        return self.sampler.complete

    def too_slow(self, seconds: float) -> Unsatisfiable:
        """Make the error for a request that takes too long."""
        found, n = len(self.samples), self.request["n"]
        return Unsatisfiable(
            f"found {found} of {n} lines in {seconds:g} s", None,
            "ask for fewer lines, or loosen the conditions",
        )  # fmt: skip

    def answer(self) -> Message:
        """Answer with the lines that were found; without any, with why there are none."""
        if self.error and not self.samples:
            return {"id": self.request["id"], "error": error_record(self.error)}
        notes = [*self.notes, *notes_after(self.sampler)]
        if self.error:  # as the command line does: what was found, then why there is no more
            notes.append(str(self.error))
        result = {"seed": self.seed, "samples": self.samples, "notes": notes}
        return {"id": self.request["id"], "result": result}


# -- scores and explanations ----------------------------------------------------------------------


def _scores(request: Message, run: OpenRun) -> dict[str, Any]:
    """Score the lines of a request, as lines that are typed after `makemore score DIR`."""
    maker = run.maker
    lines = [spelled(maker.vocabulary, line.strip()) for line in request["lines"]]
    records = score_records(maker, without_labels(maker, lines), run.percentiles_of)
    return {"scores": records, "notes": run.notes}


def _explained(request: Message, run: OpenRun) -> dict[str, Any]:
    """Explain a text symbol by symbol: the objects of `makemore explain DIR TEXT --json`."""
    maker, typed, notes = run.maker, request["text"].strip(), list(run.notes)
    text = spelled(maker.vocabulary, typed)
    if text != typed:
        notes.append(spelling_note(f"'{visible(typed, 40)}'", text))
    rows = expected(maker, text, request["top"], request["temperature"], request["label"])
    return {
        "text": text, "symbols": [row.record(place) for place, row in enumerate(rows, 1)],
        "unknown": maker.vocabulary.unknown_in(text), "notes": notes,
    }  # fmt: skip
