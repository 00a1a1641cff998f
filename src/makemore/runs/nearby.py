"""Nearby: which run directories there are, and which of them a mistyped one may mean."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from makemore.errors import RunError

FOLDER = "runs"  # where trainings write unless another directory is named
DEPTH = 2  # runs/NAME, and runs/NAME-compare/MODEL
COMMIT = "checkpoint.json"
SUGGESTED = 3  # runs that an error names


def run_folders(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Find the run directories in a folder, by their checkpoint.json, in the order of their names.

    What lies within a run is part of it. A link is followed to a run and no further.
    """
    if os.path.lexists(folder / COMMIT):
        yield folder
    elif depth:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:  # a folder of somebody else
            return
        for entry in entries:
            if entry.is_dir():
                yield from run_folders(Path(entry.path), 0 if entry.is_symlink() else depth - 1)


def run_around(file: Path) -> Path | None:
    """Find the run directory that a file is part of, as runs/x of runs/x/split/train.txt."""
    above = Path(os.path.abspath(file)).parents
    return next((folder for folder in above if os.path.lexists(folder / COMMIT)), None)


# -- a directory that is no run -------------------------------------------------------------------


def no_run(folder: Path) -> RunError:
    """Make the error for a path that is no run directory: what it is, and which runs there are."""
    if os.path.isfile(folder):  # unlike Path's, it takes any name, as one that is too long
        return _no_folder(folder)
    if os.path.isfile(folder / "part.json"):
        to_do = f"makemore merge {shlex.quote(str(folder))} -o DIR makes a run of it"
        return RunError("this is a part of a count", str(folder), to_do)
    if os.path.isdir(folder):
        inside = [str(path) for path in run_folders(folder)]
        to_do = f"it holds {_listed(inside)}" if inside else _instead(folder)
        return RunError("no run here (no checkpoint.json)", str(folder), to_do)
    return RunError(f"no run directory at {str(folder)!r}", None, _instead(folder))


def _no_folder(file: Path) -> RunError:
    """Make the error for a file where a run directory was expected."""
    if os.path.lexists(file.parent / COMMIT):
        to_do = f"give its folder, {shlex.quote(str(file.parent))}"
        return RunError("this is a file of a run", str(file), to_do)
    near = _near(Path(file.stem), _known_runs(file))
    to_do = f"makemore {shlex.quote(str(file))} makes a run of it"
    if near:
        to_do += f"; there is {_listed(near)}"
    return RunError("this is a text, and no run", str(file), to_do)


def _instead(folder: Path) -> str:
    """Say which run may be meant, or how to make one."""
    known = _known_runs(folder)
    if near := _near(folder, known):
        return f"did you mean {_listed(near, ' or ')}?"
    if known:
        rest = "; makemore runs lists all" if os.path.isdir(FOLDER) else ""
        return f"there is {_listed(known)}{rest}"
    for text in (folder.parent / f"{folder.name}.txt", Path(f"{folder.name}.txt")):
        if folder.name and os.path.isfile(text):
            return f"makemore {shlex.quote(str(text))} makes a run"
    return "makemore train FILE -o DIR makes one"


def _known_runs(path: Path) -> list[str]:
    """List the runs beside a path, and those where trainings write by default."""
    depths = {path.parent: 1, Path(FOLDER): DEPTH}  # the first may be anywhere, and hold anything
    found = [run_folders(folder, n) for folder, n in depths.items() if os.path.isdir(folder)]
    return sorted({str(run) for runs in found for run in runs})


def _near(folder: Path, runs: list[str]) -> list[str]:
    """Select the runs whose names begin like this folder's, else the one that is spelt most alike.

    pokemon -> runs/pokemon-gru, runs/pokemon-transformer
    """
    name = folder.name.lower()
    begins = [run for run in runs if name and Path(run).name.lower().startswith(name)]
    if begins:
        return begins
    by_name = {Path(run).name.lower(): run for run in reversed(runs)}
    return [by_name[near] for near in difflib.get_close_matches(name, by_name, n=1, cutoff=0.6)]


def _listed(runs: list[str], last: str = ", ") -> str:
    """Write down the first of some runs, as a person types them."""
    shown = [shlex.quote(run) for run in runs[:SUGGESTED]]
    if len(runs) > SUGGESTED:
        return f"{', '.join(shown)} and {len(runs) - SUGGESTED} more"
    return last.join(filter(None, (", ".join(shown[:-1]), shown[-1])))
