"""Hash file: the sorted hashes of many lines in a file, in which a few lines are looked up.

Of every 512 hashes one is in memory: it tells which 4 kB of the file to read. So 10^8 lines take
1.6 MB, and not 800.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from makemore.text.file_array import FileArray
from makemore.text.line_hashes import is_in_sorted

Hashes = NDArray[np.uint64]

PAGE = 512  # hashes that are read at once


class HashFile:
    """Holds the distinct hashes of lines, sorted, in a file."""

    def __init__(self, path: Path, blocks: Iterable[Hashes]) -> None:
        """Write hashes that come sorted, a block after the other. Raises OSError."""
        self.file, firsts = FileArray(path, np.uint64), [np.zeros(0, np.uint64)]
        for block in blocks:
            begin = -self.file.size % PAGE  # of the block: where a page begins
            self.file.append(block)
            firsts.append(block[begin::PAGE].copy())
        self.firsts = np.concatenate(firsts)  # (n_pages,)

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Check whether each hash (n,) is in the file: (n,) bool. Raises SystemFault."""
        found = np.zeros(len(hashes), dtype=bool)
        # The page of a hash is the last one that begins at or below it; -1: none does.
        page_of = np.searchsorted(self.firsts, hashes, side="right") - 1
        for page in np.unique(page_of[page_of >= 0]).tolist():
            first = page * PAGE
            page_hashes = np.empty(min(PAGE, self.file.size - first), np.uint64)
            self.file.read(first, page_hashes)
            asked = page_of == page
            found[asked] = is_in_sorted(hashes[asked], page_hashes)
        return found
