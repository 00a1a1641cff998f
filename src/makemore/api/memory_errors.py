"""Memory errors: where memory runs out, on a graphics card or off it, says what to type instead.

numpy, torch and CUDA each have an error of their own for it. Here they become one, OutOfMemory,
which ends a command with exit code 5. No torch: an error is known by its class's name and its text.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from makemore.api.memory import smaller_model
from makemore.api.plan import Plan
from makemore.errors import OutOfMemory
from makemore.models import CountModel
from makemore.options import as_flags

# In the text of a RuntimeError of torch or CUDA.
TEXTS = ("allocate memory", "out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
OF_CARD = ("CUDA", "CUBLAS", "CUDNN", "MPS")  # in the text of an error of a graphics card

# What to do, and the options that do it, {} where none does.
Advice = tuple[str, Mapping[str, Any]]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(text in str(error) for text in TEXTS)


def memory_error(
    error: BaseException, advice: Advice | None = None, where: str | None = None
) -> OutOfMemory | None:
    """Make the error to show where memory ran out; None for an error that says something else."""
    if not is_out_of_memory(error):
        return None
    on_card = type(error).__name__ == "OutOfMemoryError" or any(
        text in str(error).upper() for text in OF_CARD
    )
    what = "not enough memory on the graphics card" if on_card else "not enough memory"
    to_do, add = advice or ("use a smaller --batch-size, model or text", {})
    return OutOfMemory(what, where, to_do, add)


@contextmanager
def advising(advice: Callable[[], Advice], where: Callable[[], str | None]) -> Iterator[None]:
    """Raise OutOfMemory with this advice in place of any other error of memory inside `with`."""
    try:
        yield
    except Exception as error:
        found = memory_error(error, advice(), where()) if is_out_of_memory(error) else None
        if found is None:
            raise
        raise found from error


@contextmanager
def of_model(plan: Plan) -> Iterator[None]:
    """Advise a smaller model where the planned one cannot be made."""
    with advising(lambda: (smaller_model(plan), {}), lambda: plan.config.model):
        yield


@contextmanager
def of_training(plan: Plan, has_folder: bool) -> Iterator[None]:
    """Advise half of the batch where a training runs out of memory.

    has_folder: a run directory is written, which the next command has to start over
    """

    def advice() -> Advice:
        half = batch_size_of(plan) // 2
        if not half:
            return smaller_model(plan), {}
        add = {"batch_size": half} | ({"fresh": True} if has_folder else {})
        return f"use {shlex.join(as_flags(add))}", add

    with advising(advice, lambda: f"a batch of {batch_size_of(plan)}"):
        yield


@contextmanager
def of_sampling(n: int) -> Iterator[None]:
    """Advise half of the lines where drawing n of them runs out of memory."""
    fewer = f"draw fewer at once: -n {n // 2}" if n > 1 else "use a smaller model"
    with advising(lambda: (fewer, {}), lambda: f"-n {n}"):
        yield


@contextmanager
def of_scoring(n: int) -> Iterator[None]:
    """Advise to score half of the lines where scoring n of them runs out of memory."""
    fewer = f"score fewer at once, such as {n // 2}" if n > 1 else "use a smaller model"
    with advising(lambda: (fewer, {}), lambda: f"{n} lines"):
        yield


def batch_size_of(plan: Plan) -> int:
    """Return the lines (or windows) of a step; for an ensemble, of the member that has most."""
    plans = plan.member_plans() if plan.kind.is_ensemble else [plan]
    by_steps = (each for each in plans if not issubclass(each.kind, CountModel))
    return max((each.recipe.batch_size for each in by_steps), default=0)
