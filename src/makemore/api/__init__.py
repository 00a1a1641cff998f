"""API: trains a model on lines, in memory or in a run directory, and uses it; no command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.api.estimator import MakeMore
    from makemore.api.fitted import FittedModel
    from makemore.api.plan import Plan
    from makemore.api.session import train_directory

__all__ = ["FittedModel", "MakeMore", "Plan", "train_directory"]

# Imported when first used: a plan needs no estimator, and no name here needs torch by itself.
__getattr__ = late_names(
    __name__,
    {
        "MakeMore": "estimator",
        "FittedModel": "fitted",
        "Plan": "plan",
        "train_directory": "session",
    },
)
