"""Not fitted: the error of a MakeMore that has learned nothing, as scikit-learn knows it."""

from __future__ import annotations

import sys
from typing import Any

from makemore.errors import UsageError


# An AttributeError, too: hasattr(maker, "classes_") is False before fit.
class NotFitted(UsageError, AttributeError):
    """Reports that a method was called which needs a model, before fit or load."""


def not_fitted() -> NotFitted:
    """Make the error; where scikit-learn is loaded, it is a NotFittedError of its, too."""
    # Whoever catches scikit-learn's error has imported it: nothing is imported for that here.
    theirs = getattr(sys.modules.get("sklearn.exceptions"), "NotFittedError", None)
    kind: Any = NotFitted
    if theirs is not None:
        kind = type("NotFitted", (NotFitted, theirs), {"__reduce__": lambda self: (not_fitted, ())})
    return kind("nothing was learned yet", None, "call fit first, or MakeMore.load")
