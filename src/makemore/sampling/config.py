"""Config: the options of sampling, what lines must satisfy and how they are drawn. No numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from makemore.options import option, options_of


@dataclass(frozen=True)
class Constraints:
    """Holds what every line has to satisfy. Lines that fail are refused, never changed."""

    prefix: str = option("", "every line starts with this")
    suffix: str = option("", "every line ends with this")
    contains: str = option("", "every line holds this")
    exclude: str = option("", "no line holds any of these characters")
    pattern: str = option("", "a regular expression that every line matches as a whole")
    min_length: int | None = option(
        None, "refuse lines of fewer symbols", minimum=0, maximum=10_000
    )
    max_length: int | None = option(None, "refuse lines of more symbols", minimum=1)
    label: str = option(
        "", "of a run with labels: NAME, or a mixture NAME=.7,OTHER=.3; quotes end a NAME that "
        'holds a comma or =, as in \'"Smith, J."=.7,Doe=.3\''
    )  # fmt: skip
    all: bool = option(False, "show every line with its origin, refuse none")


@dataclass(frozen=True)
class Filters:
    """Holds how the probabilities of the next symbol are changed before it is drawn."""

    temperature: float = option(
        1.0, "below 1 safer, above 1 wilder, 0 always the likeliest symbol", minimum=0.0
    )
    top_k: int | None = option(None, "draw from the K likeliest symbols", minimum=1)
    top_p: float | None = option(
        None, "draw from the fewest symbols that hold this probability", above=0.0, maximum=1.0
    )
    min_p: float | None = option(
        None, "drop symbols less likely than this share of the likeliest", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True)
class SamplingConfig(Filters, Constraints):
    """Holds all options of `makemore sample`: filters, constraints and the two below."""

    style: str | None = option(
        None, "tidy: without unlikely symbols; plain: as the model has them; wild: unlikely ones "
        "more often  [default: tidy for a list of fewer than 20,000 lines, else plain]",
        choices=("tidy", "plain", "wild"),
    )  # fmt: skip
    min_distance: int | None = option(
        None, "refuse lines fewer edits than this away from a line of the text", minimum=1,
        maximum=10,
    )  # fmt: skip
    exact: bool = option(False, "never draw by lookahead, which is faster but approximate")


# The fewer lines were learned from, the more of what a model holds possible is noise. Chosen by
# bench/short_lists.py --tune, lists that docs/list.md does not report: of 60 lines' draws 39 % were
# plausible, 69 % with 0.1; of 300 lines' 74 %, 91 % with 0.05. They then have 0.76 and 0.85 of the
# distinct triples of as many real lines.
TIDY = ((200, 0.1), (20_000, 0.05))  # (lines of the text, min_p for texts of fewer)
WILD_TEMPERATURE = 1.2


def with_style(sampling: Mapping[str, Any], n_lines: int) -> dict[str, Any]:
    """Add the filters that `style` stands for, for a model that learned n_lines.

    Without a style, filters that are named hold alone; else a text of few lines is drawn from
    tidily. Filters beside a style are applied with it: tidy with temperature=0.9 has both.
    """
    values = dict(sampling)
    style = values.pop("style", None)
    if style is None and values.keys() & options_of(Filters).keys():
        return values
    min_p = next((min_p for lines, min_p in TIDY if n_lines < lines), None)
    style = style or ("tidy" if min_p else "plain")
    filters = {
        "tidy": {"min_p": min_p or TIDY[-1][1]}, "plain": {},
        "wild": {"temperature": WILD_TEMPERATURE},
    }[style]  # fmt: skip
    return {**filters, **values, "style": style}
