"""Fixing: `makemore data FILE --fix OUT` writes a mended copy of a list, and says what it did."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from makemore.cli.output import note, result, result_json
from makemore.cli.typed import train_command, typed
from makemore.errors import UsageError
from makemore.options import without_options
from makemore.text import TextConfig

# What describes the file and no longer its mended copy, a plain list in UTF-8.
OF_THE_FILE = (
    "encoding", "errors", "label_column", "text_column", "delimiter", "quote", "as_is",
)  # fmt: skip


def write_fixed(values: Mapping[str, Any], options: TextConfig, given: Mapping[str, Any]) -> int:
    """Write a mended copy of a file, and say what was done."""
    from makemore.runs.safe_files import write_atomically
    from makemore.text.mend import mend_file

    if values["model"]:
        raise UsageError("--fix and --model do two things", None, "give one of the two")
    out = Path(values["fix"])
    check_copy(out, values)
    mended = mend_file(values["file"], options)
    write_atomically(out.parent, out.name, "".join(f"{line}\n" for line in mended.lines).encode())
    for remark in mended.remarks:
        again = typed().to_add({**remark.add, "force": True})  # the copy is there now
        note(f"warning: {remark.says}: {again}")
    if values["json"]:
        done = [{"what": what, "lines": number} for what, number in mended.done]
        result_json({"written": str(out), "lines": len(mended.lines), "done": done})
        return 0
    for what, number in mended.done or [("nothing to mend", len(mended.lines))]:
        result(f"{what}: {number:,}")
    result(f"written to {out}: {len(mended.lines):,} lines")
    kept = {key: value for key, value in given.items() if key not in OF_THE_FILE}
    labels = {"labels": True} if options.label_column is not None else {}
    note(f"now type: {train_command(str(out), {**kept, **labels})}")
    return 0


def check_copy(out: Path, values: Mapping[str, Any]) -> None:
    """Raise UsageError where no mended copy can be written, or none should be."""
    from makemore.runs.nearby import run_around
    from makemore.text.source import free_name

    free = free_name(values["file"])
    if str(out) == "-" or out.is_dir():
        what = "this is a folder" if out.is_dir() else "a mended copy goes into a file"
        copy = str(out / free) if out.is_dir() else free
        raise without_options(UsageError, what, f"--fix {out}", {"fix": copy})
    if os.path.lexists(out) and (run := run_around(out)):
        what = f"this is a file of the run {str(run)!r}"
        raise without_options(UsageError, what, str(out), {"fix": free})
    if not values["force"] and os.path.lexists(out):
        raise without_options(UsageError, "there is a file already", str(out), {"fix": free})
    if not out.parent.is_dir():
        to_do = f"make its folder: mkdir -p {shlex.quote(str(out.parent))}"
        raise UsageError("there is no such folder", str(out.parent), to_do)
