"""Checks: arguments of the Python interface that are no options: counts, seeds, parts, paths."""

from __future__ import annotations

import numbers
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from makemore.errors import MakemoreError, UsageError
from makemore.escaping import visible
from makemore.options import as_keywords, options_of, unknown_key
from makemore.text.opening import path_of
from makemore.text.shard import Shard
from makemore.training import TrainingConfig

# As scikit-learn takes it: a seed, or a generator of numpy that a seed is drawn from.
RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator

T = TypeVar("T")


@contextmanager
def keywords_in_errors() -> Iterator[None]:
    """Name the options that an error advises as Python's keywords, inside `with`."""
    try:
        yield
    except MakemoreError as error:
        if not error.add:
            raise
        to_do = f"use {as_keywords(error.add)}"
        raise type(error)(error.what, error.where, to_do, error.add) from None


def check_whole(value: Any, flag: str) -> int:
    """Return a number of lines as an int; numpy's whole numbers are some. Raises UsageError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        name = flag.lstrip("-")
        raise UsageError(f"{name} cannot be {value!r}", flag, "give a whole number")
    return int(value)


def check_flag(value: Any, name: str) -> bool:
    """Return a flag as a bool; numpy's is one, 1 and "no" are none. Raises UsageError."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise UsageError(f"{name} cannot be {value!r}", name, "give True or False")


def fresh_seed() -> int:
    """Draw a random seed, short enough for a person to type it again."""
    return secrets.randbelow(2**31)


def check_seed(seed: RandomState) -> int:
    """Return a seed in the range of the option; a generator of numpy draws one. Raises UsageError.

    A generator is advanced by it, so that the next call with it gets another seed.
    """
    if isinstance(seed, np.random.RandomState):
        return int(seed.randint(2**31 - 1))  # as scikit-learn draws seeds
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31 - 1))
    return int(options_of(TrainingConfig)["seed"].check(seed))


def check_shard(shard: Any, seed: RandomState | None) -> Shard:
    """Return a shard as in "2/4", of draws by this seed. Raises UsageError for None as the seed."""
    part = Shard.parse(shard)
    if seed is None:
        raise UsageError("all shards need the same seed", "--shard", "give --seed 1, or another")
    return part


def remembering_shard() -> UsageError:
    """Make the error for lines that a shard is to remember: what others draw it does not know."""
    return UsageError(
        "shards remember no lines, as each would plan with other known ones", "--shard",
        "leave --remember out, and give what was drawn to later calls by --avoid FILE",
    )  # fmt: skip


def check_part(name: Any, parts: Iterable[tuple[str, T]]) -> T:
    """Return the part of a split by its name (train, val, test). Raises UsageError."""
    known = dict(parts)
    if not isinstance(name, str):
        to_do = "give one of " + ", ".join(known)
        raise UsageError(f"the name of a part cannot be {name!r}", None, to_do)
    if name not in known:
        raise unknown_key(name, known, "part")
    return known[name]


def check_folder(path: Any) -> Path:
    """Return the path of a run directory. Raises UsageError for what is no path."""
    return Path(path_of(path, "folder"))


def check_new_folder(path: Any) -> Path:
    """Return the path of a run directory to write. Raises UsageError for what cannot be one."""
    folder = path_of(path, "folder")
    try:
        no_path = b"\0" in os.fsencode(folder)
    except UnicodeEncodeError:  # half of a surrogate pair
        no_path = True
    if no_path:
        raise UsageError(f"{visible(folder, 60)!r} is no path", "folder", "give another name")
    return Path(folder)
