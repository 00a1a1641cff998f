"""What every lesson has: its words, its expected numbers beside the measured ones, its pictures.

    python lessons/01_counting.py                 on names.txt (--names PATH, or names.txt here)
    python lessons/01_counting.py --short         a minute at most, on the names of makemore itself
    python lessons/01_counting.py --pictures DIR  keep the pictures, light and dark
    python lessons/record.py 01_counting          keep what each cell prints, for the site

Expected numbers stand in expected.json: by lesson and quantity, for the full and the short form,
with how far off a measured one may be and where the number comes from. A lesson that measures
something else stops with an AssertionError that says both.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDERS = (Path(), HERE, HERE.parent)  # where names.txt may be
EXPECTED = HERE / "expected.json"
BLUE, ORANGE, GREEN, PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#666666"
# What is black or white in a figure by matplotlib's defaults, and becomes this in the dark one.
DARK_INK, DARK_PAPER = "#e4e4e4", "#131416"


def value_of(flag: str) -> str | None:
    """What follows a flag on the command line; a notebook has none."""
    arguments = sys.argv[1:]
    return arguments[arguments.index(flag) + 1] if flag in arguments[:-1] else None


class Lesson:
    """One lesson by its file's name, such as Lesson("01_counting")."""

    def __init__(self, name: str) -> None:
        import torch

        self.name = name
        self.short = "--short" in sys.argv
        self.expected = json.loads(EXPECTED.read_text(encoding="utf-8"))[name]
        self.rows: list[dict[str, Any]] = []  # each expected number with the measured one
        self.pictures: list[str] = []  # names of what was shown
        # One thread: these networks are too small for more, and the last bits stay the same.
        torch.set_num_threads(1)

    def words(self) -> list[str]:
        """The 32,033 names of the lectures, in their order; short: 6,800 built-in ones, sorted."""
        if self.short:
            from makemore.text.builtin_lists import builtin_names

            return [name.lower() for name in builtin_names() if name.isascii() and name.isalpha()]
        named = value_of("--names") or os.environ.get("MAKEMORE_NAMES")
        # `makemore fetch names` puts it into the folder that it is called in.
        places = [Path(named)] if named else [folder / "names.txt" for folder in FOLDERS]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            missing = f"no names at {places[0]}"
            sys.exit(f"{missing}: makemore fetch names, or run the lesson with --short")
        return path.read_text(encoding="utf-8").split()

    def budget(self, full: int, short: int) -> int:
        """Choose a number of steps by the form of the lesson."""
        return short if self.short else full

    def check(self, quantity: str, measured: Any) -> None:
        """Print expected beside measured, and stop if they are further apart than allowed."""
        entry = self.expected[quantity]
        wanted = entry.get("short" if self.short else "full")
        if wanted is None:  # a quantity that the short form does not have
            return
        within = entry.get("within", 0)
        self.rows.append({"quantity": quantity, "expected": wanted, "measured": measured,
                          "within": within, "source": entry.get("source", "")})  # fmt: skip
        print(f"{quantity}: expected {shown(wanted)}, measured {shown(measured)}"
              + (f" (within {within:g})" if within else ""), flush=True)  # fmt: skip
        assert agrees(wanted, measured, within), (
            f"{self.name}: {quantity} is {measured!r}, expected {wanted!r} within {within:g}"
        )

    def try_answer(
        self, quantity: str, answer: Any, *arguments: Any, within: float | None = None
    ) -> None:
        """Say in one line whether a reader's answer is right; it never stops the lesson.

        A function is called with the arguments, and what it raises is said. `...` anywhere is a
        cell that is not filled in yet. What is right stands in expected.json, under the key that
        the folded solution checks; it is never printed here.
        """
        entry = self.expected[quantity]
        wanted = entry.get("short" if self.short else "full")
        allowed = entry.get("within", 0) if within is None else within
        try:
            said = verdict(wanted, answer, arguments, allowed)
        except Exception as error:  # whatever a reader's own lines may do
            said = f"not yet: {one_line(f'{type(error).__name__}: {error}').rstrip(': ')}"
        print(f"{quantity} - {said}", flush=True)

    def show(self, figure: Any, name: str) -> None:
        """Keep a matplotlib figure if --pictures was given; a notebook shows it.

        The files are LESSON-NAME.png and LESSON-NAME-dark.png.
        """
        self.pictures.append(name)
        folder = value_of("--pictures")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for ending in ("", "-dark"):
                if ending:
                    darken(figure)
                path = Path(folder) / f"{self.name}-{name}{ending}.png"
                figure.savefig(path, dpi=110, metadata={"Software": None})
        elif "IPython" in sys.modules:
            # Not installed with makemore: a notebook brings it.
            from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

            display(figure)  # type: ignore[no-untyped-call, unused-ignore]


def darken(figure: Any) -> None:
    """Turn what is black in a figure light, and its paper dark; colours that say something stay."""
    from matplotlib.colors import same_color
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    figure.set_facecolor(DARK_PAPER)
    for axes in figure.axes:
        axes.set_facecolor(DARK_PAPER)
    for legend in figure.findobj(Legend):
        legend.get_frame().set(facecolor=DARK_PAPER, edgecolor=DARK_INK)
    for part in figure.findobj(lambda part: isinstance(part, Line2D | Text | Patch)):
        for of in ("color", "edgecolor", "markeredgecolor", "markerfacecolor"):
            get, put = (getattr(part, f"{verb}_{of}", None) for verb in ("get", "set"))
            if get is not None and put is not None and same_color(get(), "black"):
                put(DARK_INK)


def agrees(wanted: Any, measured: Any, within: float) -> bool:
    """Numbers and lists of numbers may differ by `within`; texts and counts by nothing."""
    if isinstance(wanted, list):
        pairs = zip(wanted, measured, strict=True)
        return len(wanted) == len(measured) and all(agrees(*pair, within) for pair in pairs)
    if isinstance(wanted, float | int) and not isinstance(wanted, bool):
        return abs(measured - wanted) <= within
    return bool(wanted == measured)


def verdict(wanted: Any, answer: Any, arguments: tuple[Any, ...], within: float) -> str:
    """Say what an answer is worth, without the right one. Raises what a reader's function does."""
    if callable(answer) and not unanswered(arguments):
        answer = answer(*arguments)
    if unanswered([answer, *arguments]):
        return "replace the dots, and run this cell again"
    if wanted is None:
        return "only names.txt has this answer: run without --short"
    return "right" if same(wanted, plain(answer), within) else f"not yet: you have {brief(answer)}"


def unanswered(answer: Any) -> bool:
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        return any(map(unanswered, answer))
    return answer is ... or answer is None


def plain(answer: Any) -> Any:
    """Turn tensors, arrays and tuples, also those in a list, into numbers and lists of numbers."""
    if isinstance(answer, list | tuple):
        return [plain(each) for each in answer]
    return answer.tolist() if hasattr(answer, "tolist") else answer


def same(wanted: Any, answer: Any, within: float) -> bool:
    """As `agrees`, for whatever a reader may have typed."""
    if isinstance(wanted, list) != isinstance(answer, list):  # a set, say, which has no order
        return False
    try:
        return agrees(wanted, answer, within)
    except (TypeError, ValueError):  # another type, or a list of another length
        return False


def brief(answer: Any) -> str:
    """What a reader has: enough digits to see that it is wrong, and only the shape of a table."""
    shape = tuple(getattr(answer, "shape", ()))
    if math.prod(shape) > 8:
        return f"numbers of shape {shape}"
    return one_line(shown(plain(answer), ".6g"))


def one_line(text: str, longest: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]}..."


def shown(value: Any, digits: str = ".4f") -> str:
    """A number, a text, or a list of them, in which an inner list keeps its brackets."""
    if isinstance(value, list):
        parts = [(shown(each, digits), isinstance(each, list)) for each in value]
        return ", ".join(f"[{text}]" if is_list else text for text, is_list in parts)
    return f"{value:{digits}}" if isinstance(value, float) else str(value)
