"""makemore: character-level language models that learn from lines and make more lines like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.errors import (
    DataError,
    Diverged,
    MakemoreError,
    RunError,
    SystemFault,
    Unsatisfiable,
    UsageError,
)
from makemore.lazy import late_names
from makemore.version import __version__

if TYPE_CHECKING:
    from makemore.api.estimator import MakeMore
    from makemore.api.fitted import FittedModel
    from makemore.api.lines import read_lines
    from makemore.text.corpus import Corpus
    from makemore.text.dataset import Split
    from makemore.text.vocabulary import Vocabulary

__all__ = [
    "Corpus",
    "DataError",
    "Diverged",
    "FittedModel",
    "MakeMore",
    "MakemoreError",
    "RunError",
    "Split",
    "SystemFault",
    "Unsatisfiable",
    "UsageError",
    "Vocabulary",
    "__version__",
    "read_lines",
]

# These need numpy, so they are imported when first used: `makemore --help` stays quick. The errors
# above need nothing, and every command catches them.
__getattr__ = late_names(
    __name__,
    {
        "MakeMore": "api.estimator",
        "FittedModel": "api.fitted",
        "Corpus": "text.corpus",
        "Split": "text.dataset",
        "read_lines": "api.lines",
        "Vocabulary": "text.vocabulary",
    },
)
