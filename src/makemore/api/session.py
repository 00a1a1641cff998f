"""Session: a training in a run directory, started or gone on with, as events.

What the command line, Python and a server do alike stands here: which model a directory holds,
whether a command is the one that began it, what goes to the logs. Each of them consumes the events
of `train_directory` and shows them in its own way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from makemore.api.estimator import MakeMore
from makemore.api.plan import Plan, split_options
from makemore.api.resume import check_same_training, default_model, with_call_options
from makemore.errors import UsageError
from makemore.models import get_model
from makemore.options import make
from makemore.runs import Run, RunLog, RunWriter
from makemore.sampling import SamplingConfig
from makemore.sampling.constraints import compile_constraints
from makemore.sampling.sampler import encode_prefix
from makemore.text import Corpus, Split, train_val_test_split
from makemore.training import Evaluated, Saved, Step
from makemore.training.config import parse_seconds
from makemore.training.events import Event

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.api.keywords import TrainingKeywords

PREVIEW_LINES = 8  # new lines at each evaluation


@dataclass(frozen=True)
class Started:
    """A training begins or goes on. `finished`: it was done before, and nothing follows."""

    maker: MakeMore
    step: int
    finished: bool = False


@dataclass(frozen=True)
class Message:
    """What a person should know before the first step, as one sentence."""

    text: str


@dataclass(frozen=True)
class Preview:
    """New lines from the model as it is at an evaluation."""

    step: int
    lines: list[str]


SessionEvent = Started | Message | Preview | Step | Evaluated | Saved


class Observer(Protocol):
    """Who looks into a model while it trains: analysis.diagnostics.Watch is one."""

    def see(self, event: Event) -> Iterable[dict[str, Any]]:
        """Entries for diagnostics.jsonl."""


def train_directory(
    folder: str | os.PathLike[str],
    text: Split | Iterable[str] | None = None,
    *,
    model: str | None = None,
    time: float | str | None = None,
    fresh: bool = False,
    name: str = "lines",
    began: float | None = None,
    stop: threading.Event | None = None,
    observe: Callable[[MakeMore], Observer | None] | None = None,
    **options: Unpack[TrainingKeywords],
) -> Generator[SessionEvent, None, None]:
    """Train in a run directory, or go on with the run in it; yields what happens.

    text: lines, or their split; None goes on with the run's own
    model: as `makemore models` lists them; None takes the run's, or the default
    time: seconds (or "10m") for which model, size and steps are chosen
    began: when the time began to run (time.monotonic()); None: now
    fresh: start over; name: what the text is called in config.json
    stop: once set, the current step is the last one; it is saved, and the next call goes on
    observe: makes who fills diagnostics.jsonl from the events

    The first event but messages is Started, with the MakeMore that learns. Raises UsageError for
    another command than the one that began the run, RunError, SystemFault, Diverged.
    """
    folder, requested = Path(folder), dict[str, Any](options)
    seconds = None if time is None else parse_seconds(time)
    goes_on = (folder / "checkpoint.json").exists() and not fresh
    began, named = monotonic() if began is None else began, model
    model = named or default_model(folder, seconds, fresh)
    split = split_of(text, model, requested)
    maker = MakeMore(model)
    if not goes_on:
        if split is None:
            raise UsageError("nothing to learn from", str(folder), "give lines, or a run's folder")
        plan, why = make_plan(split, model, named, requested, name, seconds, began)
        if why:
            yield Message(why)
        maker = MakeMore(plan.config.model)
        maker.begin(plan)
    with RunWriter(folder, fresh=fresh) as writer:
        run = writer.resume() if goes_on else None
        if run is not None:
            check_same_training(run, model, requested, split, seconds)
            step = run.progress["step"]
            if run.progress["finished"]:
                yield Started(MakeMore.of_run(run), step, finished=True)
                return
            plan, warnings = with_call_options(Plan.from_run(run), requested)
            yield from map(Message, warnings)
            maker.begin(plan)
            yield Message(f"going on from step {step} in {folder}")
        yield Started(maker, run.progress["step"] if run else 0)
        yield from _logged(maker, writer, run, stop, observe)


def _logged(
    maker: MakeMore,
    writer: RunWriter,
    run: Run | None,
    stop: threading.Event | None,
    observe: Callable[[MakeMore], Observer | None] | None,
) -> Iterator[SessionEvent]:
    """The events of a training, each written to the run's logs before it is given on."""
    assert maker.plan_ is not None  # noqa: S101 (the caller began it)
    log = RunLog(writer, maker.plan_.recipe.log_interval)
    observer = observe(maker) if observe else None
    if observe and observer is None:
        yield Message(
            f"{maker.plan_.config.model} has nothing to watch: it does not learn by steps"
        )
    for event in maker.training(writer, run, stop):
        for entry in observer.see(event) if observer else ():
            log.diagnostics(entry)
        if isinstance(event, Step):
            log.step(event.step, float(event.loss), event.learning_rate, event.symbols)
        if not isinstance(event, Evaluated):
            yield event
            continue
        log.evaluated(event.step, event.train, event.val)
        lines = preview_samples(maker, event.step)
        log.samples(event.step, lines)
        yield event
        yield Preview(event.step, lines)


def preview_samples(maker: MakeMore, step: int) -> list[str]:
    """Up to 8 new lines from the first draws of the model as it is now."""
    sampler = maker.sampler(step)
    policy = sampler.policy
    policy.round_size = min(policy.round_size, 4 * PREVIEW_LINES)
    return list(next(sampler.rounds()).texts)[:PREVIEW_LINES]


def split_of(
    text: Split | Iterable[str] | None, model: str, requested: Mapping[str, Any]
) -> Split | None:
    """The parts of a text: as given, or by the hash of each line."""
    if text is None or isinstance(text, Split):
        return text
    _, _, config = split_options(get_model(model), requested)
    return train_val_test_split(Corpus.from_lines(text, config))


def make_plan(
    split: Split,
    model: str,
    named: str | None,
    requested: Mapping[str, Any],
    name: str,
    seconds: float | None,
    began: float,
) -> tuple[Plan, str]:
    """The plan of a training that begins now; and why it is so, where a time was given.

    named: the model that was asked for by name, None where the time may choose among all
    """
    if seconds is None:
        return Plan.make(model, requested, split, name), ""
    from makemore.api.time_budget import plan_within  # which needs torch

    return plan_within(split, requested, named, seconds, name, began)


# -- a run that lines are drawn from ---------------------------------------------------------------


def run_under(folder: str | os.PathLike[str], constraints: Mapping[str, Any]) -> Run:
    """Read a run directory to draw from it, once it is known that a line can satisfy constraints.

    Raises Unsatisfiable, UsageError before its model is made: to say that no line can be as asked
    takes no model, and torch alone takes a second.
    """
    options, run = make(SamplingConfig, constraints), Run.load(folder)
    encode_prefix(run.vocabulary, options.prefix)
    longest = run.vocabulary.longest([run.split.train])
    compile_constraints(run.vocabulary, options, 2 * longest, not options.all)
    return run
