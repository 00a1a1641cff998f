"""Sampling: new lines drawn from a model under constraints. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.sampling.config import Constraints, SamplingConfig
    from makemore.sampling.results import KnownLines, Sample
    from makemore.sampling.sampler import Sampler
    from makemore.sampling.search import top_lines

__all__ = ["Constraints", "KnownLines", "Sample", "Sampler", "SamplingConfig", "top_lines"]

__getattr__ = late_names(
    __name__,
    {
        "Sampler": "sampler",
        "SamplingConfig": "config",
        "Constraints": "config",
        "Sample": "results",
        "KnownLines": "results",
        "top_lines": "search",
    },
)
