"""Analysis: what a model does and why, in numbers and words. Nothing above reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.analysis.advice import advise
    from makemore.analysis.calibration import calibrate
    from makemore.analysis.novelty import sample_shares
    from makemore.analysis.surprisal import most_surprising
    from makemore.analysis.trace import traced

__all__ = ["advise", "calibrate", "most_surprising", "sample_shares", "traced"]

__getattr__ = late_names(
    __name__,
    {
        "traced": "trace",
        "advise": "advice",
        "most_surprising": "surprisal",
        "calibrate": "calibration",
        "sample_shares": "novelty",
    },
)
