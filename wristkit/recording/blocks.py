"""Arrays longer than memory, read block by block."""

import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_ROWS = 2**18
_SORTED_AT_ONCE = 2**21

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


@contextmanager
def scattered(*arrays: Array) -> Iterator[None]:
    """Read memory-mapped files by the page for a while: else each sample far from others brings megabytes with it."""
    mappings = [mapping for array in arrays if (mapping := _mapping(array)) is not None]
    try:
        for mapping in mappings:
            mapping.madvise(mmap.MADV_RANDOM)
        yield
    finally:
        for mapping in mappings:
            mapping.madvise(mmap.MADV_NORMAL)


def middle_two(numbers: Callable[[], Iterable[Array]], count: int) -> tuple[Any, Any]:
    """Return the two numbers in the middle of ``count``, which are one where it is odd; exact, in bounded memory.

    ``numbers`` gives all blocks of them anew at each call: int64 from 0 on, or float64 above 0.
    """
    ranks = ((count - 1) // 2, count // 2)
    low = _of_rank(numbers, ranks[0])
    return low, low if ranks[0] == ranks[1] else _of_rank(numbers, ranks[1])


def median(numbers: Callable[[], Iterable[Array]], count: int) -> float:
    """Return the median of ``count`` numbers, of which ``numbers`` gives all blocks as :func:`middle_two` has it."""
    if count <= _SORTED_AT_ONCE:
        return float(np.median(np.concatenate(list(numbers()))))
    return float(sum(middle_two(numbers, count)) / 2)


def _of_rank(numbers: Callable[[], Iterable[Array]], rank: int) -> Any:  # noqa: ANN401  of the type of the numbers
    """Return the number that has so many smaller ones, 16 bits at a time: such numbers sort as their bits do."""
    known, kind = 0, np.dtype(np.int64)
    for shift in (48, 32, 16, 0):
        counts = np.zeros(2**16, dtype=np.int64)
        for block in numbers():
            bits, kind = block.view(np.uint64), block.dtype
            mine = bits[(bits >> np.uint64(shift + 16)) == known] if shift < 48 else bits
            counts += np.bincount((mine >> np.uint64(shift)).astype(np.int64) & 0xFFFF, minlength=2**16)
        below = np.cumsum(counts)
        digit = int(np.searchsorted(below, rank, side="right"))
        rank -= int(below[digit - 1]) if digit else 0
        known = known * 2**16 + digit
    return np.uint64(known).view(kind)


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
