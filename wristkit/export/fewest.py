"""Which parts of a net keep the numbers that they have, where all others get shorter ones: as few as a bound allows."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

Double = npt.NDArray[np.float64]

_HARDEST = 256


class Tried(Protocol):
    """A net in which any of its parts can be narrow."""

    @property
    def bytes(self) -> Mapping[str, int]:
        """What is saved where a part is narrow, by its name."""

    def apart(self, names: Iterable[str], rows: npt.NDArray[np.int64] | None = None) -> Double:
        """Return the largest difference in probability in each window, or each of these, with such parts narrow."""


def fewest_kept(tried: Tried, *, most: float) -> frozenset[str]:
    """Return the parts to be left as they are: looked for on the hardest windows, until no other is too far off."""
    names = frozenset(tried.bytes)
    apart, kept = tried.apart(names), frozenset[str]()
    hard = np.empty(0, dtype=np.int64)
    while apart.max() > most:
        fresh = np.setdiff1d(np.argsort(apart)[-_HARDEST:], hard)
        if not len(fresh):
            break
        hard = np.append(hard, fresh)
        kept = _fewest_of(tried, hard, most)
        apart = tried.apart(names - kept)
    return kept


def _fewest_of(tried: Tried, rows: npt.NDArray[np.int64], most: float) -> frozenset[str]:
    """Give parts back, first those by which alone it comes nearest, until it holds; then take back what need not be."""
    names = frozenset(tried.bytes)
    left = {name: float(np.square(tried.apart(names - {name}, rows)).sum()) for name in tried.bytes}
    kept: set[str] = set()
    for name in sorted(left, key=left.__getitem__):
        kept.add(name)
        if tried.apart(names - kept, rows).max() <= most:
            break
    for name in sorted(kept, key=tried.bytes.__getitem__, reverse=True):
        if tried.apart((names - kept) | {name}, rows).max() <= most:
            kept.remove(name)
    return frozenset(kept)
