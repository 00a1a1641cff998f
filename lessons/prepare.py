"""What a notebook does before its lesson: bring what the lesson needs, say what is missing.

lessons/notebooks.py copies this file into the folded cell of each notebook, so a notebook alone in
an empty folder works. Nothing but Python itself is needed until the last function.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any


def prepare(lesson: str, files: dict[str, str], expected: dict[str, Any], short: bool) -> None:
    """Bring the files and the names of a lesson, and choose its form: short, on built-in names.

    MAKEMORE_SHORT=1 chooses the short form, too, and so does a machine without names and network.
    """
    say_what_is_missing()
    bring(files)
    bring_expected(lesson, expected)
    short = short or os.environ.get("MAKEMORE_SHORT") == "1" or not found_names()
    # In place of the kernel's own arguments: a lesson looks here as it does when it is a script.
    sys.argv[1:] = ["--short"] if short else []


def say_what_is_missing() -> None:
    """Stop with the command that installs it, if torch, matplotlib or makemore is not there."""
    found = {name: importlib.util.find_spec(name) for name in ("torch", "matplotlib", "makemore")}
    # A mere folder of that name, as a copy of makemore beside the notebook is, has no origin.
    missing = [name for name, spec in found.items() if spec is None or spec.origin is None]
    if missing:
        install = f"{sys.executable} -m pip install -c constraints.txt ."
        sys.exit(
            f"This kernel has no {' and no '.join(missing)}. Go to makemore's folder, type\n"
            f"    {install}\nand restart the kernel."
        )


def bring(files: dict[str, str]) -> None:
    """Write what the lesson imports beside the notebook; what is there already stays."""
    for name, text in files.items():
        path = Path(name)
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            say_it_stays(name)
    importlib.invalidate_caches()  # Python may have looked into the folder a moment ago


def bring_expected(lesson: str, expected: dict[str, Any]) -> None:
    """Add what the lesson expects to expected.json, which the lessons of a folder share."""
    path = Path("expected.json")
    lessons = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if lesson not in lessons:
        lessons[lesson] = expected
        text = json.dumps(lessons, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    elif lessons[lesson] != expected:
        say_it_stays("expected.json")


def say_it_stays(name: str) -> None:
    print(f"The {name} in this folder is not the one of this notebook. If you did not change it "
          "yourself, delete it and run this cell again.")  # fmt: skip


def found_names() -> bool:
    """Find names.txt here or above, or download it. Says why there is none, and returns False."""
    if os.environ.get("MAKEMORE_NAMES"):
        return True
    here = Path.cwd()
    for folder in (here, *list(here.parents)[:2]):  # lessons/notebooks is two below the project's
        if (folder / "names.txt").is_file():
            os.environ["MAKEMORE_NAMES"] = str(folder / "names.txt")  # where the lesson looks first
            return True

    from makemore.errors import MakemoreError
    from makemore.text.builtin_lists import NAMES_SHA256, NAMES_URL, fetch

    try:
        fetch(NAMES_URL, NAMES_SHA256, Path("names.txt"))  # as `makemore fetch names` does
    except MakemoreError as error:
        print(f"No names.txt: {error}. The lesson runs in its short form, on built-in names.")
        return False
    print("Downloaded names.txt, the 32,033 names of the lectures.")
    return True
