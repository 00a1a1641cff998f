"""Apart: thins out ranked lines, so that none is a near copy of a known line or of a better one.

The likeliest lines of a model are often one line with small changes: of a list of countries
"Bosnia and Herzegovine", "Bosnia and Herzego", "Mosnia and Herzegovina".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from makemore.sampling.search import RankedLine
from makemore.text import Corpus, EditDistanceIndex

MOST_ASKED = 2**13  # lines that are searched at most, to find n of them apart
PER_EDIT = 4  # characters of a line for each edit by which it should differ from others


def rows_apart(texts: Sequence[str], distance: int, known: Iterable[Corpus] = ()) -> list[int]:
    """Choose rows of texts, from the first on, `distance` edits or more from each other.

    known: corpora from whose lines they are as far; distance: 1 keeps all that differ
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    near, parts = np.zeros(len(texts), dtype=bool), list(known)
    if distance > 1 and parts:
        near = EditDistanceIndex(parts, distance - 1).near(texts)
    kept: list[int] = []
    for row in np.flatnonzero(~near).tolist():
        each = cdist([texts[row]], [texts[other] for other in kept], scorer=Levenshtein.distance)
        if (each >= distance).all():
            kept.append(row)
    return kept


def top_apart(
    top: Callable[[int], list[RankedLine]], n: int, distance: int, known: Sequence[Corpus]
) -> list[RankedLine]:
    """Find the n best lines that are `distance` edits or more apart; fewer where there are no more.

    top: n -> the n best lines in order; known: corpora from whose lines they are as far
    """
    asked = 4 * n
    while True:
        lines = top(asked)
        rows = rows_apart([line.text for line in lines], distance, known)
        if len(rows) >= n or len(lines) < asked or asked >= MOST_ASKED:
            return [lines[row] for row in rows[:n]]
        asked = min(4 * asked, MOST_ASKED)


def worth_a_distance(texts: Sequence[str], known: Sequence[Corpus]) -> int | None:
    """Return a distance that at least half of the texts do not keep; None where most keep it.

    It is a quarter of their length in the median, 2 at least and 10 at most.
    """
    if len(texts) < 2:
        return None
    distance = min(10, max(2, int(np.median([len(text) for text in texts])) // PER_EDIT))
    return distance if 2 * len(rows_apart(texts, distance, known)) <= len(texts) else None
