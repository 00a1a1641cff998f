"""Faces of packages: names that are imported from their module when somebody asks for them.

A wing's `__init__.py` names what others use of it. If it imported that at once, `makemore --help`
would wait for numpy, and drawing from counts for torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's `__getattr__` (PEP 562): name -> the module of the package that defines it.

    Raises AttributeError for a name that `modules` lacks, as any module does.
    """

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return __getattr__
