"""Sphinx extension: our docstrings, which are plain text, as the reStructuredText of autodoc.

lines: strings, one thing each          a bullet for each parameter
Raises UsageError.                      a paragraph

    maker.sample(20)                    a block of code
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# "avoid, avoid_like: lines to leave out": one parameter, or several with one meaning.
PARAMETER = re.compile(r"(?P<names>[a-z_]\w*(?:, [a-z_]\w*)*): (?P<what>.+)")
SENTENCE = re.compile(r"(Raises|Returns|Yields|Warns|Keys|Shapes|Inputs) ")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def process(app: Sphinx, what: str, name: str, given: Any, options: Any, lines: list[str]) -> None:
    """Replace the lines of a docstring, as autodoc asks for it."""
    lines[:] = to_rst(lines)


def to_rst(lines: list[str]) -> list[str]:
    """Turn a docstring into reStructuredText in which nothing is markup but code and lists."""
    found: list[str] = []
    for block in blocks(lines):
        if block[0].startswith("    "):
            # Code, or a drawing of shapes: as it stands.
            found += ["::", "", *(f"    {line}" for line in block), ""]
        else:
            found += paragraph(block)
    return found


def blocks(lines: list[str]) -> list[list[str]]:
    """Split at blank lines; blocks of code that follow each other stay together."""
    found: list[list[str]] = []
    for block in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines).strip("\n")):
        part = block.splitlines()
        if found and part and part[0].startswith("    ") and found[-1][0].startswith("    "):
            found[-1] += ["", *part]
        elif part:
            found.append(part)
    return found


def paragraph(block: list[str]) -> list[str]:
    """Sentences and parameters of one block: each parameter is an item of a list."""
    found: list[str] = []
    listed = False
    for line in block:
        parameter = PARAMETER.fullmatch(line)
        if parameter:
            names = ", ".join(f"``{name}``" for name in parameter["names"].split(", "))
            found += ["", f"* {names}: {escaped(parameter['what'])}"]
            listed = True
        elif listed and not SENTENCE.match(line):
            found.append(f"  {escaped(line.strip())}")
        else:
            found += [""] if listed else []
            found.append(escaped(line.strip()))
            listed = False
    return [*found, ""]


def escaped(text: str) -> str:
    """Take the meaning from all that reStructuredText would read; `code` stays code."""
    parts = re.split(r"(`{1,2})(?!`)(.+?)\1(?!`)", text)
    found = []
    for position in range(0, len(parts), 3):
        found.append(re.sub(r"([\\*`|_])", r"\\\1", parts[position]))
        if position + 2 < len(parts):
            # A space that is not shown parts the code from a letter beside it.
            found.append(f"\\ ``{parts[position + 2]}``\\ ")
    return "".join(found)
