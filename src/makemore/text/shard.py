"""Shard: one of n parts of a job that n processes do without talking to each other."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from makemore.errors import UsageError

MOST_SHARDS = 1024


@dataclass(frozen=True)
class Shard:
    """Names one of n shards: --shard 2/4 has the index 1 of 4."""

    index: int  # from 0, where people count from 1
    of: int

    @classmethod
    def parse(cls, text: Any) -> Shard:
        """Read what was typed, as in 2/4. Raises UsageError."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text) if isinstance(text, str) else None
        if found is None:
            raise UsageError(f"shard cannot be {text!r}", "--shard", "give one of n as in 2/4")
        number, of = int(found[1]), int(found[2])
        if not 1 <= of <= MOST_SHARDS:
            raise UsageError(f"there cannot be {of} shards", "--shard", f"give 1 to {MOST_SHARDS}")
        if not 1 <= number <= of:
            to_do = f"shards are counted from 1/{of} to {of}/{of}"
            raise UsageError(f"there is no shard {number} of {of}", "--shard", to_do)
        return cls(number - 1, of)

    def __str__(self) -> str:
        """Write the shard as it is typed."""
        return f"{self.index + 1}/{self.of}"

    def part_of(self, count: int) -> range:
        """Take this shard's part of `count` things that stand in order: as many as the others'."""
        return range(count * self.index // self.of, count * (self.index + 1) // self.of)

    def own_seed(self, seed: int) -> int:
        """Hash the seed that all shards share into the seed of this one, below 2^63."""
        return hashed_seed(seed, self.index, self.of)


def hashed_seed(*numbers: int) -> int:
    """Hash numbers below 2^64 into a seed below 2^63."""
    what = b"".join(number.to_bytes(8, "little") for number in numbers)
    return int.from_bytes(hashlib.blake2b(what, digest_size=8).digest(), "little") >> 1
