"""Arrays longer than memory, read block by block."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_ROWS = 2**18

Array = npt.NDArray[Any]


def blocks(*arrays: Array, rows: int = BLOCK_ROWS) -> Iterator[tuple[Array, ...]]:
    """Yield the same rows of arrays of one length, at most ``rows`` at a time.

    Blocks of arrays in memory are views; those of memory-mapped files are copies, and the pages that were read are
    given back, since they would count as memory of this process until it ends.
    """
    mappings = [_mapping(array) for array in arrays]
    for first in range(0, len(arrays[0]), rows):
        parts = [array[first : first + rows] for array in arrays]
        yield tuple(part if mapping is None else np.array(part) for part, mapping in zip(parts, mappings, strict=True))
        for mapping in mappings:
            if mapping is not None:
                mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Array) -> mmap.mmap | None:
    """Return the read-only file that an array is a view of; None for an array in memory.

    Pages of a map that can be written may hold changes that are nowhere else: they are never given back.
    """
    owner: Any = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        if isinstance(owner, np.memmap) and owner.mode != "r":
            return None
        owner = getattr(owner, "base", None)
    return owner
