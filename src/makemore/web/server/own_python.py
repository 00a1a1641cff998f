"""Own Python: how a child process runs a module of makemore, the same makemore as the server's."""

from __future__ import annotations

import os
import sys


def python_command(module: str) -> list[str]:
    """Make the command that runs a module.

    -P: a json.py in the folder that the server was started in is not the library's.
    """
    return [sys.executable, "-P", "-m", module]


def environment(**more: str) -> dict[str, str]:
    """Make a child's environment: what the server itself imports from, the child does, too."""
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, **more}
