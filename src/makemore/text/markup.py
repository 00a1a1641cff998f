"""Markup: finds the texts in a list that is JSON, HTML or XML, or a table in Markdown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

from makemore.text.dialect import text_column

KINDS = ("JSON", "tags", "Markdown table")
ALMOST_ALL = 0.9  # of the lines have tags
_TAG = re.compile(r"<[/!?]?[A-Za-z][^<>]*>|<!--.*?-->")
_TAGGED = re.compile(rf"(?:{_TAG.pattern}).*|.*(?:{_TAG.pattern})")
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?|\|\s*:?-+:?\s*\|")  # |---|:--|


def kind_of(lines: Sequence[str]) -> str | None:
    """Recognize markup by stripped lines: one of KINDS, or None."""
    if json_texts(lines, only_first=True) is not None:
        return "JSON"
    if len(lines) > 1 and sum(map(_is_tagged, lines)) >= ALMOST_ALL * len(lines):
        return "tags"
    if len(lines) > 2 and "|" in lines[0] and _RULE.fullmatch(lines[1]):
        return "Markdown table"
    return None


def texts_of(kind: str, lines: Sequence[str]) -> tuple[str, list[str]]:
    """Take the texts out of markup of this kind: what was done, and the texts."""
    if kind == "JSON":
        return json_texts(lines) or ("", list(lines))
    if kind == "tags":
        return "tags taken off", [html.unescape(_TAG.sub("", line)).strip() for line in lines]
    rows = [_cells(line) for line in lines if "|" in line and not _RULE.fullmatch(line)]
    return _column(rows, "a table in Markdown")


def _is_tagged(line: str) -> bool:
    return _TAGGED.fullmatch(line) is not None


def _cells(line: str) -> list[str]:
    """Cut a row of a Markdown table, which may begin and end with a bar."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _column(rows: list[list[str]], where: str) -> tuple[str, list[str]]:
    """Choose the column of texts of rows below a header."""
    chosen = text_column(rows, header=True)
    names = [name.strip() for name in rows[0]]
    index = names.index(chosen) if chosen in names else int(chosen) - 1
    texts = [row[index] for row in rows[1:] if index < len(row)]
    return f"the texts of {names[index]!r} taken out of {where}", texts


# -- JSON -----------------------------------------------------------------------------------------


def json_texts(lines: Sequence[str], only_first: bool = False) -> tuple[str, list[str]] | None:
    """Find the texts in lines of JSON: what they are, and they; None where there are none.

    The lines are one value, as an array over many lines, or an object each. An array of strings in
    one line is no matter for this: whoever cuts one line at its commas knows it.

    only_first: the lines may be the first of more; a look at a few of them is enough
    """
    if not lines or lines[0][0] not in "[{":
        return None
    if len(lines) > 1:
        each = [_parsed(line.rstrip(",")) for line in (lines[:20] if only_first else lines)]
        objects = [value for value in each if isinstance(value, dict)]
        if objects and len(objects) == len(each):
            return _of_objects(objects, "JSON lines")
    whole = _parsed("\n".join(lines))
    if len(lines) == 1 and isinstance(whole, list) and all(isinstance(x, str) for x in whole):
        return None
    return _of_value(whole)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_value(value: Any) -> tuple[str, list[str]] | None:
    """Find the texts in one value: an array, or an object that holds one, or has texts as keys."""
    if isinstance(value, list) and len(value) > 1:
        if all(isinstance(item, str) for item in value):
            return "the texts of a JSON array, one a line", [
                " ".join(text.split()) for text in value
            ]
        if all(isinstance(item, dict) for item in value):
            return _of_objects(value, "a JSON array")
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        if len(lists) == 1:
            return _of_value(lists[0])
        if len(value) > 1 and all(isinstance(item, (int, float)) for item in value.values()):
            return "the keys of a JSON object, one a line", list(map(_one_line, value))
    return None


def _of_objects(objects: list[dict[str, Any]], where: str) -> tuple[str, list[str]] | None:
    """Take the values of one key out of objects: of a usual name, or with most texts."""
    keys = list(dict.fromkeys(key for each in objects for key in each))
    texts = {key: [each.get(key) for each in objects] for key in keys}
    strings = [key for key in keys if any(isinstance(text, str) for text in texts[key])]
    if not strings:
        return None
    rows = [strings, *([_one_line(each.get(key)) for key in strings] for each in objects)]
    return _column(rows, where)


def _one_line(value: Any) -> str:
    """Return a string without line feeds; "" for what is none."""
    return " ".join(value.split()) if isinstance(value, str) else ""
