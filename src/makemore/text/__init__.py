"""Text: reads a file's lines into a corpus, splits it, and encodes symbols as ids. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makemore.lazy import late_names

if TYPE_CHECKING:
    from makemore.text.config import TextConfig
    from makemore.text.corpus import Corpus
    from makemore.text.dataset import Split, train_val_test_split
    from makemore.text.edit_distance import EditDistanceIndex
    from makemore.text.vocabulary import Vocabulary

__all__ = [
    "Corpus",
    "EditDistanceIndex",
    "Split",
    "TextConfig",
    "Vocabulary",
    "train_val_test_split",
]

# Imported when first used: `--help` needs none of them, nor numpy.
__getattr__ = late_names(
    __name__,
    {
        "Corpus": "corpus",
        "Split": "dataset",
        "train_val_test_split": "dataset",
        "Vocabulary": "vocabulary",
        "TextConfig": "config",
        "EditDistanceIndex": "edit_distance",
    },
)
