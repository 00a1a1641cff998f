"""Lazy imports: public names of a package that are imported from their module when first used.

A wing's `__init__.py` lists its public names. If it imported them at once, `makemore --help` would
wait for numpy, and sampling from a model of counts for torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's `__getattr__` (PEP 562), which imports a name from its module when used.

    modules: name -> the module of the package that defines it. The function made raises
    AttributeError for a name that is not in it, as any module does.
    """

    # Python calls it only for names that the package does not have.
    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return __getattr__
