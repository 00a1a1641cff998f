"""Writes the pages of docs/ that are made: commands.md, lessons.md and performance.md.

    python docs/pages.py            write them
    python docs/pages.py --check    exit 1, naming the page, if one is not what it would be

commands.md is what `--help` says, and the exit codes. lessons.md is what the last full run of each
lesson recorded, performance.md the same of each bench.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from makemore import errors
from makemore.cli import main as main_module

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LESSONS = ROOT / "lessons"
WIDTH = 100
BENCH_PAGE = runpy.run_path(str(ROOT / "bench" / "page.py"))["page"]

# What a person should know of each exit code; those of errors are checked against errors.py.
EXIT_CODES = {
    "0": "done",
    "1": "a bug of ours",
    "2": "a command, option or value that cannot be right",
    "3": "the text cannot be read or used",
    "4": "a run directory is damaged, of another program, or empty",
    "5": "the machine says no: disk, permission, memory, or another training holds the directory",
    "6": "training diverged; the last good checkpoint is kept",
    "7": "there is no such line, or not as many as you asked for",
    "129, 130, 143": "stopped by SIGHUP, SIGINT (Ctrl-C) or SIGTERM; a training saves first",
    "141": "who read the output has gone, as with `\\| head`",
}


def exit_codes() -> list[str]:
    """The table of exit codes, with the exception that each of them is in Python."""
    kinds = errors.MakemoreError.__subclasses__()
    names = {str(kind.exit_code): f"`{kind.__name__}`" for kind in kinds}
    if names.keys() != EXIT_CODES.keys() - {"0", "1", "129, 130, 143", "141"}:
        raise SystemExit("docs/pages.py: EXIT_CODES has not the codes that errors.py has")
    rows = [f"| {code} | {text} | {names.get(code, '')} |" for code, text in EXIT_CODES.items()]
    return [
        "",
        "## Exit codes",
        "",
        "An error is one line, `makemore: error: WHAT (WHERE): WHAT TO DO`; `--debug` adds the",
        "traceback. In Python it is an exception with the same text, a `makemore.MakemoreError`.",
        "",
        "| code | what it says | in Python |",
        "|--:|---|---|",
        *(row.replace("|  |", "| |") for row in rows),
    ]


def commands() -> str:
    """Every command with its help, as a terminal of 100 columns shows it, and the exit codes."""
    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the commands themselves. `makemore FILE` is short for",
        "`makemore train FILE`; `makemore train --model NAME --help` lists that model's options.",
        *exit_codes(),
    ]
    settings = main_module.group.context_settings
    with click.Context(main_module.group, info_name="makemore", **settings) as top:
        for name in main_module.group.list_commands(top):
            command = main_module.group.get_command(top, name)
            assert command is not None
            arguments = ["--model", "transformer"] if name == "train" else []
            with click.Context(
                command, info_name=name, parent=top, terminal_width=WIDTH, max_content_width=WIDTH
            ) as context:
                if arguments and isinstance(command, click.Command):
                    command.parse_args(context, arguments)
                text = command.get_help(context)
            lines += ["", f"## makemore {name}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def title(lesson: Path) -> str:
    """The heading of a lesson's first cell."""
    found = re.search(r"^# # (.+)$", lesson.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else lesson.stem


def value(number: Any) -> str:
    if isinstance(number, list):
        parts = [(value(each), isinstance(each, list)) for each in number]
        return ", ".join(f"[{text}]" if is_list else text for text, is_list in parts)
    if isinstance(number, float):
        return f"{number:.4f}" if abs(number) >= 1e-3 or not number else f"{number:.1e}"
    return str(number).replace("|", "\\|")


def recorded(lesson: Path) -> dict[str, Any]:
    """What the last full run of a lesson measured and printed."""
    again = f"python lessons/record.py {lesson.stem}"
    path = LESSONS / "recorded" / f"{lesson.stem}.json"
    if not path.exists():
        raise SystemExit(f"{lesson.name} was never run in full: {again}")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not found.get("cells"):
        raise SystemExit(f"{path.name} has no cells, as older ones: {again}")
    return found


def lessons() -> str:
    """Expected beside measured for each lesson."""
    lines = [
        "# The numbers of the lessons",
        "",
        "To read the course, build it: `make site` makes pages of it, in which text, code, output",
        "and pictures stand in their order. [learning.md](learning.md) says which lesson goes with",
        "which lecture.",
        "",
        "Here stands what a full run measured, beside what is expected; a lesson stops when a",
        "number is further off than it may be. Numbers are nats a symbol unless they say",
        "otherwise. This page is made by `make lessons`, which runs them all in full.",
    ]
    for lesson in sorted(LESSONS.glob("[01][0-9]_*.py")):
        found = recorded(lesson)
        lines += [
            "",
            f"## [{title(lesson)}](../lessons/{lesson.name})",
            "",
            f"{found['date']}, {found['machine']}, {found['seconds']:,} seconds.",
            "",
            "| what | expected | measured | may differ by | from |",
            "|---|---|---|---|---|",
        ]
        for row in found["rows"]:
            within = f"{row['within']:g}" if row["within"] else "nothing"
            lines.append(
                f"| {value(row['quantity'])} | {value(row['expected'])} | {value(row['measured'])} "
                f"| {within} | {value(row['source'])} |"
            )
    return "\n".join(lines) + "\n"


def performance() -> str:
    """What the benches recorded."""
    return str(BENCH_PAGE(DOCS / "performance"))


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "lessons.md": lessons,
    "performance.md": performance,
}


def main(arguments: list[str]) -> int:
    bad = 0
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"docs/{name} is not what it would be: make docs writes it", file=sys.stderr)
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
