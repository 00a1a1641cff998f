"""Trial: one training of an experiment. What may vary, which values, and what is found.

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
from makemore.api.plan import block_size_of, split_options
from makemore.errors import DataError, Diverged, MakemoreError, UsageError
from makemore.experiments.presets import Amount
from makemore.models import CountModel, get_model
from makemore.options import Option, make, options_of, unknown_key
from makemore.text import Split, TextConfig, Vocabulary
from makemore.training import Evaluated, TrainingConfig

ALL = "all"  # batch_size: every window or line of the training part in each step
NAMES = 20
Settings = dict[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """What one option takes: listed values, or the ends of a range (both included)."""

    key: str
    values: tuple[Any, ...]
    is_range: bool = False

    @property
    def typed(self) -> str | list[Any]:
        """As the sweep's file has it."""
        return f"{self.values[0]}..{self.values[1]}" if self.is_range else list(self.values)


def axis(model: str, text: str) -> Axis:
    """The axis that was typed. Raises UsageError for a key or value that cannot be."""
    key, equals, listed = text.partition("=")
    key = key.strip().replace("-", "_")
    known = varied_knobs(model)
    if not equals or not listed.strip():
        raise UsageError(f"--vary {text!r} has no values", None, "give KEY=V1,V2 or KEY=LOW..HIGH")
    if key not in known:
        raise unknown_key(key, known)
    option, ends = known[key], listed.split("..")
    if len(ends) == 2:
        if option.type not in (int, float) or key == "seed":
            raise UsageError(f"{key} has no range", "--vary", f"list values: {key}=V1,V2")
        low, high = (_value(option, end) for end in ends)
        if low is None or high is None or ALL in (low, high) or not low < high:
            raise UsageError(f"{listed!r} is no range of {key}", "--vary", "give LOW..HIGH")
        return Axis(key, (low, high), is_range=True)
    return Axis(key, tuple(dict.fromkeys(_value(option, value) for value in listed.split(","))))


def varied_knobs(model: str) -> dict[str, Option]:
    """What an axis may name: options of the model and of training, and how much data."""
    groups = (get_model(model).Options, TrainingConfig, Amount)
    found = {name: option for group in groups for name, option in options_of(group).items()}
    return {name: option for name, option in found.items() if option.identifies_run}


def _value(option: Option, text: str) -> Any:
    text = text.strip()
    if option.optional and text.lower() == "none":
        return None
    if option.name == "batch_size" and text.lower() == ALL:
        return ALL
    if option.type is bool:
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        return option.check(words.get(text.lower(), text))
    if option.type is str:
        return option.check(text)
    number: Any = text  # if it is none, the option says what kind of value it has to be
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        if option.type is int:
            number = int(text)
        else:
            number = float(Fraction(text) if "/" in text else text)
    return option.check(number)


def grid(axes: Sequence[Axis]) -> list[Settings]:
    """Every combination; the last axis changes fastest. Raises UsageError for a range."""
    for each in axes:
        if each.is_range:
            raise UsageError(
                f"{each.key}={each.typed} is a range", "--vary", "add --random N, or list values"
            )
    keys = [each.key for each in axes]
    product = itertools.product(*(each.values for each in axes))
    return [dict(zip(keys, values, strict=True)) for values in product]


def random_draws(axes: Sequence[Axis], number: int, seed: int) -> list[Settings]:
    """`number` different draws, or fewer if there are no more; draw k hangs on (seed, k) alone.

    A range that starts above 0 and spans a factor of 10 is drawn evenly by its logarithm.
    """
    found: dict[str, Settings] = {}
    for draw in range(20 * number):
        key = np.array([seed, draw], dtype=np.uint64)
        luck = np.random.Generator(np.random.Philox(key=key))
        settings = {each.key: _drawn(each, luck.random()) for each in axes}
        found.setdefault(digest(settings), settings)
        if len(found) == number:
            break
    return list(found.values())


def _drawn(axis: Axis, share: float) -> Any:
    if not axis.is_range:
        return axis.values[int(share * len(axis.values))]
    low, high = axis.values
    whole = isinstance(low, int)
    # A whole number stands for the range up to the next one.
    begin, end = (low, high + 1) if whole else (low, high)
    if low > 0 and high >= 10 * low:
        value = math.exp(math.log(begin) + share * (math.log(end) - math.log(begin)))
    else:
        value = begin + share * (end - begin)
    value = int(value) if whole else float(f"{value:.4g}")  # what can be read and typed again
    return min(max(value, low), high)


def digest(values: Mapping[str, Any]) -> str:
    """16 hex digits that name a trial by its settings."""
    body = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(body.encode()).hexdigest()[:16]


# -- one trial ------------------------------------------------------------------------------------


def plan_of(model: str, settings: Mapping[str, Any], parts: Split) -> Plan:
    """What a trial trains. Vocabulary and context are those of the whole text in every trial.

    Raises UsageError for options that do not go together.
    """
    kind, asked = get_model(model), dict(settings)
    amount = make(Amount, {key: asked.pop(key) for key in options_of(Amount) if key in asked})
    train = parts.train.lowest(max(1, round(amount.data * len(parts.train))))
    part = dataclasses.replace(parts, train=train)
    rule = asked.get("symbols", TextConfig().symbols)
    vocabulary = Vocabulary.of((each for _, each in parts), rule)
    lengths = vocabulary.lengths(part.train) + 1
    items = int(lengths.sum()) if kind.input_kind == "window" else len(lengths)
    if asked.get("batch_size") == ALL:
        asked["batch_size"] = items
    if amount.n_symbols is not None:
        if asked.get("max_steps") is not None or issubclass(kind, CountModel):
            raise UsageError(
                "steps and symbols both", "--n-symbols", "give --max-steps or --n-symbols"
            )
        recipe = split_options(kind, asked)[1]
        a_step = min(recipe.batch_size, items) * float(lengths.sum()) / items
        asked["max_steps"] = max(1, round(amount.n_symbols / a_step))
    plan = Plan.make(model, asked, part, "sweep")
    block_size = block_size_of(kind, plan.options, vocabulary, parts)
    config = dataclasses.replace(plan.config, vocab_size=len(vocabulary), block_size=block_size)
    return dataclasses.replace(plan, vocabulary=vocabulary, config=config)


def run_trial(model: str, settings: Mapping[str, Any], parts: Split) -> Record:
    """Train, and say what came of it. Losses are exact, in nats a symbol, of the best weights.

    val, train, nll_unseen (val lines that are not in train, where it has copies of such); first
    and last: evaluations before the first step and after the last, {train, val}; best_step;
    copied: share of 1,000 draws that stand among the lines it learned from; names: new ones.
    Raises what a training raises.
    """
    maker = MakeMore(model)
    maker.begin(plan_of(model, settings, parts))
    began = time.monotonic()
    told = [event for event in maker.training() if isinstance(event, Evaluated)]
    seconds = time.monotonic() - began
    train, val = maker.report("train"), maker.report("val") if len(parts.val) else {}
    ends = [{"train": told[place].train, "val": told[place].val} for place in (0, -1)]
    plan = maker.plan_
    assert plan is not None  # noqa: S101 (it was trained)
    return {
        "val": val.get("nll"), "train": train["nll"], "nll_unseen": val.get("nll_unseen"),
        "first": ends[0], "last": ends[1],
        "best_step": max(event.step for event in told if event.best),
        "steps": plan.recipe.max_steps, "parameters": maker.n_parameters,
        "seconds": round(seconds, 3), "copied": copied_from_train(maker),
        # Left-out training lines are not new, either.
        "names": new_lines(maker, NAMES, DRAWS_SEED, parts.train),
    }  # fmt: skip


KINDS = {Diverged: "diverged", UsageError: "options", DataError: "data"}


def failure(error: Exception) -> Record:
    """What is recorded of a trial that ended by an error: its message, kind and exit code."""
    text = str(error)
    if isinstance(error, MakemoreError):
        kind = KINDS.get(type(error), "system")
        return {"error": text, "kind": kind, "code": error.exit_code}
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return {"error": "not enough memory", "kind": "memory", "code": 5}
    return {"error": f"{type(error).__name__}: {text} (our bug)", "kind": "bug", "code": 1}


def loss_of(record: Record) -> float:
    """What trials are compared by: val, or train where nothing is held back; inf if it failed."""
    if "error" in record:
        return math.inf
    loss = record["train"] if record["val"] is None else record["val"]
    return math.inf if loss is None else float(loss)


def with_seeds(settings: Iterable[Settings], seeds: Sequence[int]) -> list[Settings]:
    """Each of the settings with each seed."""
    return [{**each, "seed": seed} for each in settings for seed in seeds]
