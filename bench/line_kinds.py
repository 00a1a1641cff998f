"""Kinds of lines in seven scripts, cut into a short train list, test lines and all others.

The lists are those that Faker draws names, places and jobs from; they are read, nothing is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import numpy as np

from makemore.text import Corpus
from splits import names_path, read_words

# kind -> lists of Faker's providers, as "MODULE ATTRIBUTE"
# The prior has read none of these (prior_lists.py), nor any of their lines in another list. English
# names are left to it: they are what most lists are nearest to.
REPORT = {
    "English words": "lorem.en_US word_list",
    "English jobs": "job.en_US jobs",
    "Irish last names": "person.ga_IE last_names",
    "Italian places": "address.it_IT cities",
    "German places": "address.de_DE cities, address.de_AT cities, address.de_CH cities",
    "Turkish given names": "person.tr_TR first_names",
    "Greek places": "address.el_GR localities",
    "Bulgarian given names": "person.bg_BG first_names",
    "Arabic given names": "person.ar_AA first_names",
    "Tamil given names": "person.ta_IN first_names",
    "Georgian streets": "address.ka_GE street_titles",
    "Chinese jobs": "job.zh_CN jobs",
}
TUNE = {  # of other languages, so that no line helps to choose what it is judged by
    "Dutch places": "address.nl_NL cities, address.nl_BE cities",
    "Icelandic given names": "person.is_IS first_names",
    "Polish last names": "person.pl_PL unisex_last_names",
    "Czech words": "lorem.cs_CZ word_list",
    "Romanian jobs": "job.ro_RO jobs",
    "Danish streets": "address.da_DK street_names",
    "Ukrainian streets": "address.uk_UA street_titles",
    "Hebrew given names": "person.he_IL first_names",
    "Armenian last names": "person.hy_AM last_names",
    "Nepali given names": "person.ne_NP first_names",
}
NAMES = "names of names.txt"
TEST_LINES = 2000  # at most, and at most a quarter of the kind
FEWEST = 400  # lines of a kind: of fewer, 100 test lines would be too many


def sources_of(sources: str) -> list[str]:
    """Split the sources of a kind into "MODULE ATTRIBUTE" each."""
    return sources.split(", ")


def lines_of(sources: str) -> list[str]:
    """Read lists of Faker, without drawing -> distinct lines, cleaned as a text is, sorted."""
    lines: set[str] = set()
    for source in sources_of(sources):
        module, attribute = source.split()
        lines.update(getattr(import_module(f"faker.providers.{module}").Provider, attribute))
    return sorted(set(Corpus.from_lines(sorted(lines))))


def kinds_of(tune: bool, names: str | None, chosen: str = "all") -> dict[str, list[str]]:
    """The kinds of a set by name; to report on names.txt, too, give its path."""
    listed = TUNE if tune else REPORT
    known = [*listed, *[NAMES] * bool(names and not tune)]
    wanted = known if chosen == "all" else chosen.split(",")
    if unknown := set(wanted) - set(known):
        sys.exit(f"no such kinds: {sorted(unknown)}; there are {known}")
    return {
        kind: lines_of(listed[kind])
        if kind in listed
        else sorted({word.capitalize() for word in read_words(names_path(names))})
        for kind in wanted
    }


class Cut(NamedTuple):
    """Three disjoint parts of a kind."""

    train: list[str]
    test: list[str]
    others: list[str]


def has_room(n: int, size: int) -> bool:
    """Whether n lines leave a judge at least as many lines as the train list has, and a test."""
    return n - min(TEST_LINES, n // 4) - size >= size and n >= FEWEST


def cut(lines: Sequence[str], size: int, seed: int) -> Cut:
    """Shuffle and cut. A seed's test lines are the same for all sizes, its train lists nested."""
    n_test = min(TEST_LINES, len(lines) // 4)
    mixed = [lines[i] for i in np.random.default_rng(seed).permutation(len(lines))]
    return Cut(mixed[:size], mixed[-n_test:], mixed[size:-n_test])
