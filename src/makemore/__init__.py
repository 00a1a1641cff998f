"""makemore: learns what the lines of a text look like, and makes more of them: new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makemore.errors import (
    DataError,
    Diverged,
    MakemoreError,
    RunError,
    SystemFault,
    Unsatisfiable,
    UsageError,
)

if TYPE_CHECKING:
    from makemore.corpus import Corpus
    from makemore.estimator import MakeMore
    from makemore.split import Split
    from makemore.vocabulary import Vocabulary

__version__ = "0.1.0"
__all__ = [
    "Corpus", "DataError", "Diverged", "MakeMore", "MakemoreError", "RunError", "Split",
    "SystemFault", "Unsatisfiable", "UsageError", "Vocabulary", "__version__",
]  # fmt: skip

_LATE = {"MakeMore": "estimator", "Corpus": "corpus", "Split": "split", "Vocabulary": "vocabulary"}


def __getattr__(name: str) -> Any:
    # numpy and torch are imported by who asks for a name that needs them, not by `import makemore`.
    if name not in _LATE:
        raise AttributeError(f"module 'makemore' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"makemore.{_LATE[name]}"), name)
