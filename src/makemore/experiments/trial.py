"""Trial: one training of an experiment: what may vary, over which values, and its results.

An axis is typed KEY=V1,V2,V3 or KEY=LOW..HIGH; a trial is one value of each; its record says how
well those lines were learned, by val and never by test, and what the model makes then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from makemore.analysis.novelty import DRAWS_SEED, copied_from_train, new_lines
from makemore.api import MakeMore, Plan
from makemore.api.memory_errors import memory_error
from makemore.api.resolve import block_size_of, split_options
from makemore.errors import DataError, Diverged, MakemoreError, OutOfMemory, UsageError
from makemore.experiments.presets import Amount
from makemore.models import CountModel, get_model
from makemore.models.core.member_text import read_value
from makemore.options import Option, make, options_of, unknown_key
from makemore.runs.shapes import MAYBE, NUMBER
from makemore.text import Split, TextConfig, Vocabulary
from makemore.training import Evaluated, TrainingConfig

ALL = "all"  # batch_size: every window or line of the training part in each step
NAMES = 20
Settings = dict[str, Any]
Record = dict[str, Any]
# The shapes (runs/shapes.py) of what `run_trial` and `failure` return.
LOSSES = {"train": MAYBE, "val": MAYBE}
TRIED = {
    **LOSSES, "nll_unseen": MAYBE, "first": LOSSES, "last": LOSSES, "best_step": int,
    "steps": int | None, "parameters": int, "seconds": NUMBER, "copied": NUMBER, "names": [str],
}  # fmt: skip
FAILED = {"error": str, "kind": str, "code": int}


@dataclass(frozen=True)
class Axis:
    """Holds the values of one option: listed, or the ends of a range (both included)."""

    key: str
    values: tuple[Any, ...]
    is_range: bool = False

    @property
    def typed(self) -> str | list[Any]:
        """Write the values as the sweep's file has them."""
        return f"{self.values[0]}..{self.values[1]}" if self.is_range else list(self.values)

    def has(self, value: Any) -> bool:
        """Tell whether a value that was read back is one of this axis."""
        if not self.is_range:
            return any(type(value) is type(each) and value == each for each in self.values)
        low, high = self.values
        return type(value) is type(low) and low <= value <= high


def axis(model: str, text: str) -> Axis:
    """Read an axis as it was typed. Raises UsageError for a key or value that cannot be."""
    key, equals, listed = text.partition("=")
    key = key.strip().replace("-", "_")
    groups = (get_model(model).Options, TrainingConfig, Amount)
    options = {name: option for group in groups for name, option in options_of(group).items()}
    # What identifies no run, such as threads, changes no result.
    known = {name: option for name, option in options.items() if option.identifies_run}
    if not equals or not listed.strip():
        raise UsageError(f"--vary {text!r} has no values", None, "give KEY=V1,V2 or KEY=LOW..HIGH")
    if key not in known:
        raise unknown_key(key, known)
    option, ends = known[key], listed.split("..")
    if len(ends) == 2:
        if option.type not in (int, float) or key == "seed":  # seeds have no order to search in
            raise UsageError(f"{key} has no range", "--vary", f"list values: {key}=V1,V2")
        low, high = (_value(option, end) for end in ends)
        if low is None or high is None or ALL in (low, high) or not low < high:
            raise UsageError(f"{listed!r} is no range of {key}", "--vary", "give LOW..HIGH")
        return Axis(key, (low, high), is_range=True)
    return Axis(key, tuple(dict.fromkeys(_value(option, value) for value in listed.split(","))))


def _value(option: Option, text: str) -> Any:
    """Read one value of an option; besides what --members reads, `yes`, `all` and `5/3`."""
    text = text.strip()
    word = text.lower()
    if option.name == "batch_size" and word == ALL:
        return ALL
    if option.type is bool:
        words = {"yes": "true", "on": "true", "no": "false", "off": "false"}
        text = words.get(word, word if word in ("true", "false") else text)
    elif option.type is float and "/" in text:
        # If it is no fraction, the option says below what kind of value it has to be.
        with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
            text = repr(float(Fraction(text)))
    return read_value(option, word if word == "none" else text)


def grid(axes: Sequence[Axis]) -> list[Settings]:
    """List every combination; the last axis changes fastest. Raises UsageError for a range."""
    for each in axes:
        if each.is_range:
            raise UsageError(
                f"{each.key}={each.typed} is a range", "--vary", "add --random N, or list values"
            )
    # Axes in the order they were typed: the table of a sweep has its rows in that order.
    keys = [each.key for each in axes]
    product = itertools.product(*(each.values for each in axes))
    return [dict(zip(keys, values, strict=True)) for values in product]


def random_draws(axes: Sequence[Axis], number: int, seed: int) -> list[Settings]:
    """Draw `number` different trials, or fewer if there are no more, by (seed, draw) alone.

    A range that starts above 0 and spans a factor of 10 is drawn evenly by its logarithm.
    """
    different: dict[str, Settings] = {}
    for draw in range(20 * number):  # few values may have fewer combinations than asked for
        # A generator of each draw's own: more draws later do not change the first ones.
        key = np.array([seed, draw], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        settings = {each.key: _drawn(each, generator.random()) for each in axes}
        different.setdefault(digest(settings), settings)
        if len(different) == number:
            break
    return list(different.values())


def _drawn(axis: Axis, uniform: float) -> Any:
    """Choose a value of an axis by a random number in [0, 1)."""
    if not axis.is_range:
        return axis.values[int(uniform * len(axis.values))]
    low, high = axis.values
    whole = isinstance(low, int)
    # A whole number stands for the range up to the next one.
    begin, end = (low, high + 1) if whole else (low, high)
    if low > 0 and high >= 10 * low:
        value = math.exp(math.log(begin) + uniform * (math.log(end) - math.log(begin)))
    else:
        value = begin + uniform * (end - begin)
    value = int(value) if whole else float(f"{value:.4g}")  # what can be read and typed again
    return min(max(value, low), high)


def digest(values: Mapping[str, Any]) -> str:
    """Hash the settings of a trial to 16 hex digits, its id."""
    # Sorted, so that a command whose options come in another order goes on with the same trials.
    body = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(body.encode()).hexdigest()[:16]


# -- one trial ------------------------------------------------------------------------------------


def plan_of(model: str, settings: Mapping[str, Any], parts: Split) -> Plan:
    """Resolve what a trial trains. Vocabulary and context are the whole text's in every trial.

    Raises UsageError for options that do not go together.
    """
    kind, requested = get_model(model), dict(settings)
    amount = make(
        Amount, {key: requested.pop(key) for key in options_of(Amount) if key in requested}
    )
    train = parts.train.lowest(max(1, round(amount.data * len(parts.train))))
    part = dataclasses.replace(parts, train=train)
    # Else a tenth of the lines would have fewer symbols, and losses could not be compared.
    rule = requested.get("symbols", TextConfig().symbols)
    vocabulary = Vocabulary.of((each for _, each in parts), rule)
    lengths = vocabulary.lengths(part.train) + 1
    items = int(lengths.sum()) if kind.input_kind == "window" else len(lengths)
    if requested.get("batch_size") == ALL:
        requested["batch_size"] = items
    if amount.n_symbols is not None:
        if requested.get("max_steps") is not None or issubclass(kind, CountModel):
            raise UsageError(
                "steps and symbols both", "--n-symbols", "give --max-steps or --n-symbols"
            )
        recipe = split_options(kind, requested)[1]
        # Symbols of a step: a window is one symbol, a line as many as lines have in the mean.
        a_step = min(recipe.batch_size, items) * float(lengths.sum()) / items
        requested["max_steps"] = max(1, round(amount.n_symbols / a_step))
    plan = Plan.make(model, requested, part, "sweep")
    block_size = block_size_of(kind, plan.options, vocabulary, parts)
    config = dataclasses.replace(plan.config, vocab_size=len(vocabulary), block_size=block_size)
    return dataclasses.replace(plan, vocabulary=vocabulary, config=config)


def run_trial(model: str, settings: Mapping[str, Any], parts: Split) -> Record:
    """Train, and return the results. Losses are exact, in nats a symbol, of the best weights.

    val, train, nll_unseen (val lines that are not in train, where it has copies of such); first
    and last: evaluations before the first step and after the last, {train, val}; best_step;
    copied: fraction of 1,000 draws that are training lines; names: new ones. Raises what a
    training raises.
    """
    maker = MakeMore(model)
    maker.begin(plan_of(model, settings, parts))
    began = time.monotonic()  # after `begin`: reading the text is no part of the training
    looks = [event for event in maker.training() if isinstance(event, Evaluated)]
    seconds = time.monotonic() - began
    train, val = maker.report("train"), maker.report("val") if len(parts.val) else {}
    first, last = ({"train": look.train, "val": look.val} for look in (looks[0], looks[-1]))
    plan = maker.plan_
    assert plan is not None  # noqa: S101 (it was trained)
    return {
        "val": val.get("nll"), "train": train["nll"], "nll_unseen": val.get("nll_unseen"),
        "first": first, "last": last,
        "best_step": max(event.step for event in looks if event.best),
        "steps": plan.recipe.max_steps, "parameters": maker.n_parameters,
        "seconds": round(seconds, 3), "copied": copied_from_train(maker),
        # Left-out training lines are not new, either.
        "names": new_lines(maker, NAMES, DRAWS_SEED, parts.train),
    }  # fmt: skip


# Errors of a trial that say something about its options; all others are the machine's or ours.
KINDS = {
    Diverged: "diverged", UsageError: "options", DataError: "data", OutOfMemory: "memory"
}  # fmt: skip


def failure(error: Exception) -> Record:
    """Record a trial that ended by an error: its message, kind and exit code."""
    error = memory_error(error) or error
    if isinstance(error, MakemoreError):
        kind = KINDS.get(type(error), "system")
        # What a training that diverged is told to type would undo the sweep.
        text = error.message(None) if kind == "diverged" else str(error)
        return {"error": text, "kind": kind, "code": error.exit_code}
    return {"error": f"{type(error).__name__}: {error} (our bug)", "kind": "bug", "code": 1}


def loss_of(record: Record) -> float:
    """Return the loss that trials are compared by: val, else train; inf if it failed."""
    if "error" in record:
        return math.inf
    loss = record["train"] if record["val"] is None else record["val"]
    return math.inf if loss is None else float(loss)


def with_seeds(settings: Iterable[Settings], seeds: Sequence[int]) -> list[Settings]:
    """Combine each of the settings with each seed."""
    return [{**each, "seed": seed} for each in settings for seed in seeds]
