"""Dataset: the lines to learn from, to choose by and to report on; and lists that are at hand.

A split comes before everything that is learned. No torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from makemore.errors import DataError, SystemFault
from makemore.text.config import TextConfig
from makemore.text.corpus import MANY, Corpus, mix

NAMES_URL = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
MAX_DOWNLOAD = 64 * 2**20


def builtin_names() -> list[str]:
    """About 6,800 English given names, sorted, from Faker's lists (MIT). No network is used."""
    from faker.providers.person.en import Provider

    return sorted(set(Provider.first_names))


def fetch(url: str, sha256: str, target: Path, timeout: float = 30.0) -> Path:
    """Download `url` to `target`, whole and with this digest or not at all.

    Raises DataError if what came is something else, SystemFault if nothing could come or be kept.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 (https or a test's own server)
            body = response.read(MAX_DOWNLOAD + 1)
    except (http.client.HTTPException, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the answer, too, and holds the connection
        reason = str(getattr(error, "reason", error))
        raise SystemFault(
            f"cannot download {url}", reason, "check the network, or download it by hand"
        ) from None
    found = hashlib.sha256(body).hexdigest()
    if found != sha256:
        raise DataError(f"what came has sha256 {found}, not {sha256}", url, "nothing was written")
    temporary = target.with_name(target.name + ".part")
    try:
        temporary.write_bytes(body)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SystemFault(f"cannot write {target}", error.strerror) from None
    return target


MIN_LINES_TO_SPLIT = 50  # distinct lines under which all of them train


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus: to learn from, to choose by, to report once."""

    train: Corpus
    val: Corpus
    test: Corpus

    def __iter__(self) -> Iterator[tuple[str, Corpus]]:
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))

    def digest(self) -> str:
        """sha256 over the digests of the three parts."""
        return hashlib.sha256("".join(part.digest() for _, part in self).encode()).hexdigest()


def train_val_test_split(corpus: Corpus) -> Split:
    """train / val / test, 80 / 10 / 10, by a hash of each line's text under a constant key.

    Where a line goes depends on its text alone: neither order, growth of the file nor copies move
    it. Under 50 distinct lines all of them train.
    """
    hashes = corpus.hashes()
    if all(len(np.unique(some)) < MIN_LINES_TO_SPLIT for some in (hashes[:MANY], hashes)):
        nothing = corpus.take(slice(0))
        return Split(corpus, nothing, nothing)
    share = mix(hashes ^ np.uint64(0x6D616B656D6F7265)) >> np.uint64(32)  # "makemore"
    tenth = (share * np.uint64(10) >> np.uint64(32)).astype(np.uint8)
    del hashes, share
    return Split(*(corpus.take(part) for part in (tenth < 8, tenth == 8, tenth == 9)))


def read_split(
    file: str | None, config: TextConfig, val: str | None = None, test: str | None = None
) -> tuple[Corpus, Split]:
    """Read a file (the built-in names without one): its corpus, and its parts.

    val, test: files that are these parts, taken as they are; copies in them stay.
    Raises DataError, UsageError.
    """
    corpus = (
        Corpus.from_lines(builtin_names(), config) if file is None else Corpus.read(file, config)
    )
    if val is None and test is None:
        return corpus, train_val_test_split(corpus)
    given, nothing = dataclasses.replace(config, keep_copies=True), corpus.take(slice(0))
    parts = (Corpus.read(each, given) if each else nothing for each in (val, test))
    return corpus, Split(corpus, *parts)
