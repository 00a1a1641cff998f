"""Label values: the labels that y holds (strings, numbers, booleans) and the names of a run.

A run and its files know labels as text. Who gave numbers gets numbers back.

    y [10, 2, 10]  ->  names "10" "2" "10"; classes_ [2, 10]
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import DataError
from makemore.text.python_lines import check_missing, values_of
from makemore.text.reading import MARK

INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class LabelValues:
    """Holds the type of the labels that y had, and turns a label into its name and back."""

    kind: type[str] | type[bool] | type[int] | type[float] = str
    # name in the run -> label of y, where cleaning changed it
    given: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, y: Any) -> tuple[LabelValues, list[str]]:
        """Return the type of the labels in y, and the name of each. Raises DataError."""
        values = values_of(y, "label")
        check_missing(values, y, "label")
        kinds = {_kind_of(value, number): number for number, value in enumerate(values, 1)}
        given = _uncleaned(values) if set(kinds) == {str} else {}
        if len(kinds) > 1:
            shown = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(
                f"labels are of {len(kinds)} types, {shown}", "y",
                "give one type: [str(label) for label in y]",
            )  # fmt: skip
        labels = cls(next(iter(kinds), str), given)
        return labels, [labels.name(value) for value in values]

    def name(self, value: Any) -> str:
        """Return the name of a label in a run; a string is its own name."""
        if isinstance(value, str):
            return str.__str__(value)
        if self.kind is float:
            return str(float(value) + 0.0)  # -0.0 is 0.0
        return str(self.kind(value))

    def restored(self, names: Sequence[str]) -> NDArray[Any]:
        """Return the labels of these names (n,), of the type that y had."""
        if self.kind is str:
            # dtype=object: Python's strings, of any length, as scikit-learn has them for such y.
            return np.array([self.given.get(name, name) for name in names], dtype=object)
        if self.kind is bool:
            return np.array([name == "True" for name in names], dtype=bool)
        values: list[Any] = list(map(self.kind, names))
        large = self.kind is int and any(not INT64.min <= value <= INT64.max for value in values)
        return np.array(values, dtype=object if large else self.kind)


def _uncleaned(values: Sequence[str]) -> dict[str, str]:
    """Map the names that cleaning changes to the labels that y has. Raises DataError."""
    found = dict[str, str]()
    for label in dict.fromkeys(map(str.__str__, values)):
        name = label.replace(MARK, "").strip()
        other = found.setdefault(name, label)
        if other != label:
            what = f"labels {other!r} and {label!r} differ in white space alone"
            raise DataError(what, "y", "make them one: [label.strip() for label in y]")
    return {name: label for name, label in found.items() if name != label}


def _kind_of(value: Any, number: int) -> Any:
    """Return the type that a label counts as: str, bool, int or float. Raises DataError."""
    if isinstance(value, str):
        return str
    if isinstance(value, (bool, np.bool_)):
        return bool
    if isinstance(value, numbers.Integral):
        return int
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return float  # 0.0 and 1.0 are classes to scikit-learn, too
    what = f"label {number} is no name but {value!r}"
    if isinstance(value, (list, tuple)):  # a row
        raise DataError(what, "labels", "give one label for each line: [row[0] for row in y]")
    raise DataError(what, "labels", "give strings or whole numbers: [str(label) for label in y]")
