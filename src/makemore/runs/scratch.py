"""Scratch: a folder in a directory for what memory does not hold; a kill leaves it removable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from makemore.runs.safe_files import on_disk, remove

SCRATCH = ".tmp-runs"  # its name


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Make a folder in a directory for what memory does not hold, and remove it behind `with`.

    What a killed process left is removed first; the caller holds the directory's lock. What cannot
    be written inside `with` is a SystemFault.
    """
    inside = folder / SCRATCH
    try:
        with on_scratch(folder):
            remove_scratch(inside)
            inside.mkdir()
            yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)


@contextmanager
def on_scratch(folder: Path) -> Iterator[None]:
    """Raise SystemFault where the scratch folder of a directory cannot be written inside `with`."""
    try:
        yield
    except OSError as error:
        raise on_disk(error, folder, "what memory does not hold") from None


def remove_scratch(path: Path) -> None:
    """Remove the scratch folder that a killed process left. Raises SystemFault."""
    if path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)  # links in it are removed, and not followed
        except OSError as error:
            raise on_disk(error, path.parent, path.name) from None
    else:
        remove(path)
