"""Session: trains in a run directory, from the start or where it stopped, as a stream of events.

Here is what the command line, Python and a server have in common: which model a directory holds,
whether a call is the same command as before, what goes to the logs. Each of them consumes the
events of `train_directory` and shows them in its own way.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from makemore.api.budget_clock import BudgetClock
from makemore.api.checks import check_new_folder
from makemore.api.duration import in_words
from makemore.api.estimator import MakeMore
from makemore.api.large_list import LargeList, StoppedReading, large_list_of
from makemore.api.memory import WORTH_SAYING, in_gigabytes, needed_memory
from makemore.api.plan import CHOSEN, Plan
from makemore.api.planning import make_plan
from makemore.api.ranks import among, check_shareable, described
from makemore.api.resolve import split_options
from makemore.api.resume import (
    check_same_training,
    config_in,
    default_model,
    with_call_options,
)
from makemore.errors import UsageError
from makemore.models import CountModel, get_model
from makemore.options import as_flags
from makemore.runs import Run, RunLog, RunWriter
from makemore.text import Corpus, Split, train_val_test_split
from makemore.text.python_lines import Lines
from makemore.training import Evaluated, Saved, Step
from makemore.training.config import parse_seconds
from makemore.training.events import Event

if TYPE_CHECKING:
    from typing import Unpack

    from makemore.api.keywords import TrainingKeywords
    from makemore.training.ranks import Ranks

PREVIEW_LINES = 8  # new lines at each evaluation


@dataclass(frozen=True)
class Started:
    """Reports that a training begins or goes on after `step`.

    finished: it was complete before this call, and no event follows
    """

    maker: MakeMore
    step: int
    finished: bool = False


@dataclass(frozen=True)
class Message:
    """Tells a person something before the first step, in one sentence."""

    text: str


@dataclass(frozen=True)
class Preview:
    """Shows new lines that the model draws at an evaluation."""

    step: int
    lines: list[str]


SessionEvent = Started | Message | Preview | Step | Evaluated | Saved


class Observer(Protocol):
    """Looks into a model while it trains: analysis.diagnostics.Watch is one.

    The interface is declared here, so that this wing need not import analysis.
    """

    def see(self, event: Event) -> Iterable[dict[str, Any]]:
        """Return entries for diagnostics.jsonl after an event."""


def train_directory(
    folder: str | os.PathLike[str],
    text: Split | Lines | None = None,
    *,
    model: str | None = None,
    time: float | str | None = None,
    memory: int | None = None,
    fresh: bool = False,
    name: str = "lines",
    began: float | None = None,
    stop: threading.Event | None = None,
    observe: Callable[[MakeMore], Observer | None] | None = None,
    ranks: Ranks | None = None,
    **options: Unpack[TrainingKeywords],
) -> Generator[SessionEvent, None, None]:
    """Train in a run directory, or go on with the run in it; yields events.

    text: lines, or their split; None goes on with the run's own
    model: as `makemore models` lists them; None takes the run's, or the default
    time: seconds (or "10m") to fill; model, size and steps are chosen for them
    memory: bytes that the lines of a path may take: if they need more, they stay on the disk; None
        for what is free
    fresh: start over; name: what the text is called in config.json
    began: time.monotonic() from which `time` counts; None: now
    stop: once set, the current step is the last one; it is saved, and the next call goes on. If a
        list on the disk is still being read, no event follows at all
    observe: makes the Observer that fills diagnostics.jsonl, or None if there is nothing to observe
    ranks: processes of which this one is the first, and which compute each batch together

    The first event but messages is Started, with the MakeMore that learns. Raises UsageError for
    another command than the one that started the run, RunError, SystemFault, Diverged.
    """
    folder, requested = check_new_folder(folder), dict[str, Any](options)
    if model is not None:
        get_model(model)  # what is no name at all is refused first
    seconds = None if time is None else parse_seconds(time)
    goes_on = os.path.exists(folder / "checkpoint.json") and not fresh
    began, named = monotonic() if began is None else began, model
    model = named or default_model(folder, seconds, fresh)
    config = config_in(folder) if goes_on else None
    large = large_list_of(text, model, requested, config, seconds, memory, stop)
    if large and ranks is not None:
        what = "a list that stays on the disk is learned by one process"
        raise UsageError(what, str(large.file), "leave torchrun out, or give more --memory")
    split = None if large else split_of(text, model, requested)
    maker = MakeMore(model)
    if not (goes_on or large):  # planned before the directory is made: an error leaves nothing
        if split is None:
            raise UsageError("nothing to learn from", str(folder), "give lines, or a run's folder")
        yield from _plan_in_memory(maker, split, named, requested, name, seconds, began, ranks)
    with ExitStack() as stack:
        writer = stack.enter_context(RunWriter(folder, fresh=fresh))  # holds the directory's lock
        if large:  # nothing is caught but this: whoever set `stop` knows why nothing follows
            stack.enter_context(suppress(StoppedReading))
            stack.enter_context(large.opened(folder, config))
        # Read under the lock, with its logs cut to what the last checkpoint committed.
        run = writer.resume(large.read_part if large else None) if goes_on else None
        if run is not None:
            check_same_training(run, model, requested, split, seconds, named)
            if large:
                large.check_same_file(run.config)
            if run.progress["finished"]:
                yield Started(MakeMore.of_run(run), run.progress["step"], finished=True)
                return
            yield from _prepare_resume(maker, run, requested, folder, ranks)
        elif large:
            yield from _plan_on_disk(maker, large, model, requested, name)
        done = run.progress["step"] if run else 0
        if ranks is not None:
            assert maker.plan_ is not None  # noqa: S101 (it has begun)
            yield Message(described(maker.plan_, ranks))
        elif seconds is None:  # under a time budget everybody knows how long it will take
            yield from _duration(maker, done)
        yield Started(maker, done)
        clock = maker.clock(began, run)
        yield from _logged(maker, writer, run, stop, observe, clock, ranks)


def _plan_in_memory(
    maker: MakeMore,
    split: Split,
    named: str | None,
    requested: Mapping[str, Any],
    name: str,
    seconds: float | None,
    began: float,
    ranks: Ranks | None,
) -> Iterator[Message]:
    """Plan a training of lines in memory, and begin it; yields messages about it."""
    # Where no model was named, it is chosen by the list or by the time.
    plan, why = make_plan(split, named, requested, name, seconds, began)
    if ranks is not None:
        plan = among(plan, ranks, requested)
    if plan.config.asked.get("model") == CHOSEN and ranks is None:
        from makemore.api.time_budget import predicted_seconds  # which needs torch

        why += f", in about {in_words(predicted_seconds(plan))} or less"
    if why:
        yield Message(why)
    needed = needed_memory(plan).total
    if needed > WORTH_SAYING:
        yield Message(f"this takes about {in_gigabytes(needed)} of memory")
    maker.model = plan.config.model
    maker.begin(plan)


def _plan_on_disk(
    maker: MakeMore, large: LargeList, model: str, requested: Mapping[str, Any], name: str
) -> Iterator[Message]:
    """Read a list to the disk, plan its training and begin it; yields messages about it."""
    yield Message(f"memory is not to hold all of {large.file}: its lines stay on the disk")
    plan, told = large.plan(model, requested, name)
    yield Message(told)
    for remark in large.remarks:
        to_do = f": read otherwise by {shlex.join(as_flags(remark.add))}" if remark.add else ""
        yield Message(f"warning: {remark.says}{to_do}")
    maker.begin(plan)


def _prepare_resume(
    maker: MakeMore, run: Run, requested: Mapping[str, Any], folder: Path, ranks: Ranks | None
) -> Iterator[Message]:
    """Make the model of a run that goes on; yields messages about it."""
    # The run's own plan: its resolved values hold, whatever would be resolved now.
    number = 1 if ranks is None else ranks.size
    plan, warnings = with_call_options(Plan.from_run(run), requested, number)
    if ranks is not None:
        check_shareable(plan, ranks)
    yield from map(Message, warnings)
    maker.begin(plan, resumes=True)
    yield Message(f"going on from step {run.progress['step']} in {folder}")


def _duration(maker: MakeMore, done: int) -> Iterator[Message]:
    """Say how long a long training will take from this step on, before it is silent for long."""
    plan, model = maker.plan_, maker.model_
    if plan is None or model is None or issubclass(plan.kind, CountModel):
        return  # counting is over at once, and needs no torch
    from makemore.api.duration import expected_seconds, is_long

    if is_long(plan, model):
        left = (plan.recipe.max_steps or 1) - done
        yield Message(f"{left:,} steps take about {in_words(expected_seconds(plan, done))} here")


def _logged(
    maker: MakeMore,
    writer: RunWriter,
    run: Run | None,
    stop: threading.Event | None,
    observe: Callable[[MakeMore], Observer | None] | None,
    clock: BudgetClock | None,
    ranks: Ranks | None,
) -> Iterator[SessionEvent]:
    """Train, write each event to the run's logs, then yield it; a Preview follows an evaluation."""
    assert maker.plan_ is not None  # noqa: S101 (the caller called maker.begin)
    # Log entries count once the next checkpoint commits them; after a kill the rest is cut.
    log = RunLog(writer, maker.plan_.recipe.log_interval)
    observer = observe(maker) if observe else None
    if observe and observer is None:
        yield Message(
            f"{maker.plan_.config.model} has nothing to watch: it does not learn by steps"
        )
    for event in maker.training(writer, run, stop, clock, ranks):
        # Before the generator goes on: the next step overwrites the gradients that observers read.
        for entry in observer.see(event) if observer else ():
            log.diagnostics(entry)
        if isinstance(event, Step):
            log.step(event.step, event.loss, event.learning_rate, event.symbols)
        if not isinstance(event, Evaluated):
            yield event
            continue
        # Logged before anybody sees it: what was shown is in the logs, even after a kill.
        log.evaluated(event.step, event.train, event.val)
        lines = preview_samples(maker, event.step)
        log.samples(event.step, lines)
        yield event
        yield Preview(event.step, lines)


def preview_samples(maker: MakeMore, step: int) -> list[str]:
    """Draw up to 8 new lines from the model as it is now, in one small round.

    step: the seed, so that a training shows the same lines again
    """
    sampler = maker.sampler(step, style="plain")
    policy = sampler.policy
    # Four draws for each line: an early model repeats itself or the text. Fewer lines are no error.
    policy.round_size = min(policy.round_size, 4 * PREVIEW_LINES)
    return list(next(sampler.rounds()).texts)[:PREVIEW_LINES]


def split_of(text: Split | Lines | None, model: str, requested: Mapping[str, Any]) -> Split | None:
    """Split lines by their hashes; a Split, or None, is returned as it is."""
    if text is None or isinstance(text, Split):
        return text
    # Only the text's options matter here, and all are checked on the way.
    _, _, config = split_options(get_model(model), requested)
    return train_val_test_split(Corpus.from_lines(text, config))
