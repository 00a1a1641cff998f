"""Write the lists that the built-in prior reads: those of Faker, a file each.

    python bench/prior_lists.py FOLDER            then `makemore prior FOLDER/*.txt`

and to FOLDER/held-out/lines.txt all lines of Faker that are in none of them: a prior that has not
read "Anthony" must not offer it as a new name either.

Left out are the lists of line_kinds.py, which the benchmark of short lists learns from and judges
by, with every line of theirs that stands elsewhere; patterns, codes and abbreviations; and lines
with a symbol that occurs fewer than LEAST_SEEN times in all, of which nothing would be learned.
"""

from __future__ import annotations

import json
import pkgutil
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import faker

from line_kinds import REPORT, TUNE, lines_of, sources_of
from makemore.text import Corpus

PACKAGES = ("address", "bank", "color", "company", "geo", "job", "lorem", "person")
# Attributes of a provider that are lists of whole names, places, companies, jobs and words.
WANTED = re.compile(
    r"names?$|names_(male|female|common|unisex|est|rus)|cit(y|ies)|jobs|word|countries|localit"
    r"|streets|street_titles|places|compan|banks|states$|province|commun|bairros|freguesias"
    r"|concelhos|district|village|town|count(y|ies)|region|settlement|colors|nationalit|tambons"
    r"|amphoes|prefectures|department|municip|lgus|nouns|verbs|attributes|adjectiv"
)
UNWANTED = re.compile(
    r"format|code|abbr|prefix|suffix|type|prefs|language|with_|catch|bs_|pattern|^_"
)
NO_LINE = re.compile(r"[{}#%\d?]")  # a pattern to fill in, or a number
LONGEST = 50  # symbols of a line; the shortest has 2
FEWEST = 20  # lines of a list
LEAST_SEEN = 8  # times that a symbol occurs in all lists
MOST_SYMBOLS = 40_000  # of a list: three lists of jobs would be a fifth of all symbols
WITHIN = 0.9  # of a list's lines in another of its module: the two are one list


def attributes() -> Iterator[tuple[str, Any]]:
    """Yield the lists of all providers as "MODULE ATTRIBUTE" and its value, sorted by name."""
    for package in PACKAGES:
        root = import_module(f"faker.providers.{package}")
        names = [
            package,
            *sorted(f"{package}.{m.name}" for m in pkgutil.iter_modules(root.__path__)),
        ]
        for name in names:
            provider = getattr(import_module(f"faker.providers.{name}"), "Provider", None)
            for attribute, value in sorted(vars(provider).items() if provider else ()):
                if WANTED.search(attribute) and not UNWANTED.search(attribute):
                    yield f"{name} {attribute}", value


def all_lists() -> dict[str, set[str]]:
    """Collect the distinct lines of each list, cleaned, without what is held out."""
    kinds = [sources for listed in (REPORT, TUNE) for sources in listed.values()]
    held_out = {line.casefold() for sources in kinds for line in lines_of(sources)}
    left_out = {source for sources in kinds for source in sources_of(sources)}
    found = {}
    for name, value in attributes():
        if name in left_out or not isinstance(value, tuple | list | dict | set):
            continue
        found[name] = {line for line in cleaned(value) if line.casefold() not in held_out}
    return found


def cleaned(texts: Iterable[Any]) -> set[str]:
    """Clean the texts among these as a list's lines are, without patterns and codes."""
    lines = Corpus.from_lines(sorted({text for text in texts if isinstance(text, str)}), fewest=0)
    return {line for line in lines if not NO_LINE.search(line) and 2 <= len(line) <= LONGEST}


def faker_lines() -> set[str]:
    """Collect the distinct lines of all of Faker's lists, those that are held out as well."""
    lists = (value for _, value in attributes() if isinstance(value, tuple | list | dict | set))
    kinds = [lines_of(sources) for listed in (REPORT, TUNE) for sources in listed.values()]
    return {line for value in lists for line in cleaned(value)}.union(*kinds)


def merged(found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Put a list that stands within another of its module into that one; drop equal lists."""
    lists, by_module = {name: set(lines) for name, lines in found.items()}, defaultdict(list)
    for name in lists:
        by_module[name.split()[0]].append(name)
    for names in by_module.values():
        for name in sorted(names, key=lambda name: (len(lists[name]), name)):
            larger = [
                other for other in names
                if other in lists and other != name and len(lists[other]) >= len(lists[name])
                and len(lists[name] & lists[other]) >= WITHIN * len(lists[name])
            ]  # fmt: skip
            if larger:
                lists[larger[0]] |= lists.pop(name)
    equal: dict[frozenset[str], str] = {}
    for name in sorted(lists):
        equal.setdefault(frozenset(lists[name]), name)
    return {name: lists[name] for name in equal.values()}


def with_seen_symbols(lists: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Leave out lines with a rare symbol, then lists of fewer than FEWEST lines; sorted."""
    seen = Counter(symbol for lines in lists.values() for line in lines for symbol in line)
    kept = {
        name: sorted(line for line in lines if all(seen[symbol] >= LEAST_SEEN for symbol in line))
        for name, lines in sorted(lists.items())
    }
    return {name: capped(lines) for name, lines in kept.items() if len(lines) >= FEWEST}


def capped(lines: list[str]) -> list[str]:
    """Choose by a hash as many lines as have MOST_SYMBOLS symbols; sorted."""
    corpus = Corpus.exactly(lines)
    share = MOST_SYMBOLS / max(MOST_SYMBOLS, sum(map(len, lines)))
    return sorted(corpus.lowest(round(share * len(lines))))


def main(folder: str) -> None:
    """Write each list to FOLDER/MODULE.ATTRIBUTE.txt, and what they are to FOLDER/about.json."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.txt"):
        old.unlink()
    lists = with_seen_symbols(merged(all_lists()))
    for name, lines in lists.items():
        text = "".join(f"{line}\n" for line in lines)
        (target / f"{name.replace(' ', '.')}.txt").write_text(text, encoding="utf-8")
    read = {line for lines in lists.values() for line in lines}
    held_out = sorted(faker_lines() - read)
    (target / "held-out").mkdir(exist_ok=True)
    (target / "held-out/lines.txt").write_text("\n".join(held_out) + "\n", encoding="utf-8")
    about = {
        "data": f"the lists of Faker {faker.VERSION}, MIT licence, see LICENSE-Faker.txt",
        "held out": {kind: sources_of(sources) for kind, sources in {**REPORT, **TUNE}.items()},
    }
    (target / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(
        f"{len(lists)} lists, {len(read):,} distinct lines in {target}; "
        f"{len(held_out):,} lines are held out", file=sys.stderr,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
