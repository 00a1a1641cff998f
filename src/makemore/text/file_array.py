"""File array: an array in a file, for numbers that memory does not hold.

It is written at its end, and read anywhere by `pread` into memory of the reader. So what was read
is given back; of a mapped file the system keeps what was touched. The file may be removed while it
is open: the numbers are there until nobody holds the array any more.
"""

from __future__ import annotations

import os
import weakref
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makemore.errors import SystemFault

READ_AT_ONCE = 2**20  # bytes


class FileArray:
    """Holds an array (n,) in a file: written at its end, then read anywhere by `pread`."""

    def __init__(self, path: Path, dtype: Any) -> None:
        """Create the file. Raises OSError."""
        self.path, self.dtype, self.size = path, np.dtype(dtype), 0
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, self.handle)

    def append(self, values: NDArray[Any]) -> int:
        """Write values (m,) behind the others -> their checksum. Raises OSError."""
        if not len(values):  # a view of nothing cannot be cast
            return 0
        body = np.ascontiguousarray(values, dtype=self.dtype).data.cast("B")
        self.size, checksum = self.size + len(values), zlib.crc32(body)
        while body:  # on a full disk a write may take only a part
            body = body[os.write(self.handle, body) :]
        return checksum

    def read(self, first: int, out: NDArray[Any]) -> int:
        """Read len(out) values from number `first` on -> their checksum. Raises SystemFault."""
        body, begin, done = out.data.cast("B"), first * self.dtype.itemsize, 0
        while done < len(body):
            try:
                part = os.pread(self.handle, min(READ_AT_ONCE, len(body) - done), begin + done)
            except OSError as error:
                raise self.changed(str(error.strerror).lower()) from None
            if not part:
                raise self.changed("it is shorter")
            body[done : done + len(part)] = part
            done += len(part)
        return zlib.crc32(body)

    def mapped(self) -> NDArray[Any]:
        """Map the file into memory (n,), to be read; what is not read takes none."""
        if not self.size:  # nothing cannot be mapped
            return np.zeros(0, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, mode="r", shape=(self.size,)))

    def changed(self, how: str) -> SystemFault:
        """Make the error for a file that is not what was written."""
        return SystemFault(
            f"{self.path.name} is no longer what was written: {how}", str(self.path.parent),
            "mend the disk and give the same command again",
        )  # fmt: skip
