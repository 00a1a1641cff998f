"""Mojibake: letters broken as UTF-8 was once read in another encoding: BjÃ¶rn was Björn."""

from __future__ import annotations

from collections.abc import Sequence

# Encodings in which UTF-8 is often read by mistake, the most frequent first.
MISREAD = ("cp1252", "cp1251", "mac_roman", "cp437")
# Ã, Â, Å, â and others: what the first byte of a letter turns into in cp1252.
_USUAL = set("ÂÃÄÅâÐÑ")


def repaired(line: str) -> str:
    """Read a line's letters as the UTF-8 that they were; a line that was never broken stays."""
    for _ in range(3):  # broken twice: "BjÃƒÂ¶rn"
        again = _read_again(line)
        if again == line:
            break
        line = again
    return line


def _read_again(line: str) -> str:
    """Undo one wrong reading of a line, if all letters beyond ASCII are then UTF-8."""
    if line.isascii():
        return line
    for encoding in MISREAD:
        try:
            return _bytes(line, encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return line


def _bytes(line: str, encoding: str) -> bytes:
    """Encode a line; in cp1252 five bytes are no character, and were read as Latin-1's."""
    if encoding != "cp1252":
        return line.encode(encoding)
    return b"".join(
        symbol.encode("latin-1" if "\x80" <= symbol <= "\x9f" else "cp1252") for symbol in line
    )


def broken(lines: Sequence[str]) -> list[str]:
    """Find the lines whose letters are broken, if most of those beyond ASCII are; else none.

    A single line is not enough, unless it has a sequence that stands in no language: "CAFÉ™" is
    the UTF-8 of another letter, too.
    """
    beyond = [line for line in lines if not line.isascii()]
    found = [line for line in beyond if repaired(line) != line]
    sure = len(found) > 1 or any(_USUAL & set(line) for line in found)
    return found if sure and 2 * len(found) >= len(beyond) else []
