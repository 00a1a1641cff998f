"""Records docs/terminal.svg: real commands on the built-in names, and what they really said.

    .venv/bin/python docs/terminal.py

Takes about a minute on idle cores. It is run by hand, when what a command says has changed: the
drawn names differ each time.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from makemore.text.builtin_lists import builtin_names

PICTURE = Path(__file__).resolve().parent / "terminal.svg"
WIDTH = 94
COMMANDS = (
    "makemore names.txt --max-steps 240 --eval-interval 80",
    "makemore sample runs/names -n 5 --prefix Mar",
)
# The fonts that machines have: a picture in a README may load none.
FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
THEME = TerminalTheme(
    (22, 24, 29),
    (214, 217, 224),
    [(22, 24, 29), (230, 110, 110), (126, 196, 136), (222, 190, 110), (120, 165, 240),
     (200, 140, 220), (110, 196, 200), (214, 217, 224)],
    [(118, 124, 138)] * 8,
)  # fmt: skip


def said(command: str, folder: Path) -> str:
    """What a command says on both of its streams, in the order of a terminal."""
    makemore = Path(sys.executable).parent / "makemore"
    arguments = [makemore, *shlex.split(command)[1:]]
    path = f"{makemore.parent}{os.pathsep}{os.environ['PATH']}"  # as where it is installed
    done = subprocess.run(  # noqa: S603 (our own commands, written above)
        arguments,
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout.decode("utf-8")


def colored(line: str) -> Text:
    """Names as they are; what makemore says about its work in grey."""
    about = line.startswith(("makemore:", "step ", "  makemore "))
    return Text(line, style="bright_black" if about else "")


def main() -> None:
    console = Console(record=True, width=WIDTH, file=StringIO(), color_system="truecolor")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "names.txt").write_text("\n".join(builtin_names()) + "\n", encoding="utf-8")
        for number, command in enumerate(COMMANDS):
            if number:
                console.print()
            console.print(Text.assemble(("$ ", "green"), (command, "bold")))
            for line in said(command, folder).splitlines():
                console.print(colored(line), soft_wrap=False)
    picture = console.export_svg(title="makemore", theme=THEME, unique_id="makemore")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"Fira Code(, monospace)?", FONTS, picture)
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
