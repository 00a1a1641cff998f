"""Read parts: turns what fit was given into train, val and test lines, and the type of labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

from makemore.api.label_values import LabelValues
from makemore.api.resolve import split_options
from makemore.errors import UsageError
from makemore.models import get_model
from makemore.text import Corpus, Split, TextConfig, train_val_test_split
from makemore.text.python_lines import Lines

Part: TypeAlias = tuple[Lines | None, Lines | None]  # lines and the label of each


def read_parts(
    model: str, requested: Mapping[str, Any], lines: Corpus | Lines, y: Lines | None,
    val: Part, test: Part,
) -> tuple[Split, LabelValues]:  # fmt: skip
    """Clean and split lines, or take val and test as they are given; and the type of the labels.

    Raises DataError for lines, UsageError for options.
    """
    # The text's options alone are needed so far; unknown ones are refused here, too.
    _, _, text = split_options(get_model(model), requested)
    corpus, labels = _read(lines, y, text)
    if val[0] is None and test[0] is None:
        if val[1] is not None or test[1] is not None:
            raise UsageError("labels without lines", "val_y, test_y", "give val= or test=, too")
        return train_val_test_split(corpus), labels
    # Copies in these lines stay: a mean over them counts each one.
    with_copies, parts = dataclasses.replace(text, keep_copies=True), list[Corpus]()
    for part, part_y in (val, test):
        if part is None:
            parts.append(corpus.take(slice(0)))
            continue
        read, kind = _read(part, part_y, with_copies)
        if part_y is not None and kind != labels:
            raise UsageError(
                f"labels are {kind.kind.__name__} here and {labels.kind.__name__} in y",
                "val_y, test_y", "give one type",
            )  # fmt: skip
        parts.append(read)
    return Split(corpus, *parts), labels


def _read(lines: Corpus | Lines, y: Lines | None, text: TextConfig) -> tuple[Corpus, LabelValues]:
    """Clean lines with their labels, and tell which type those are of."""
    if y is None:
        return Corpus.from_lines(lines, text), LabelValues()
    labels, names = LabelValues.read(y)
    return Corpus.from_lines(lines, text, names), labels
