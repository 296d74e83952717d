"""How often stretches of a series come again: approximate and sample entropy, by bits in place of distances."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch, IntArray
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray

Bits = npt.NDArray[np.uint64]

_WORDS_AT_ONCE = 2**15  # 256 kB of 64 samples a word, of which about six are in use at a time
_ONE, _LAST = np.uint64(1), np.uint64(63)


@together
def approximate_entropy(batch: Batch, params: Sequence[Params]) -> Iterator[Column]:
    """Loss of matches from stretches of ``m`` samples to one more, within ``r`` deviations (Pincus 1991)."""
    asked = list(dict.fromkeys((one["m"], one["r"]) for one in params))
    found = {pair: np.where(pair[1] * batch.deviations < 0, np.nan, 0.0) for pair in asked}
    long = [pair for pair in asked if batch.samples > pair[0] + 1]
    for rows in _blocks(batch):
        near = _Near(batch.values[rows])
        for m, r in long:
            found[m, r][rows] = _loss(near, m, r * batch.deviations[rows])
    for one in params:
        yield named(one), found[one["m"], one["r"]]


@each
def sample_entropy(batch: Batch) -> FloatArray:
    """Odds that stretches of 2 samples that match go on matching, within 0.2 deviations (Richman, Moorman 2000)."""
    pairs = np.zeros((2, len(batch)))
    for rows in _blocks(batch):
        for counts in _Near(batch.values[rows]).matches(2, 0.2 * batch.deviations[rows]):
            pairs[:, rows] += [each.sum(axis=1) for each in counts]
    stretches = np.maximum([[batch.samples - 1], [batch.samples - 2]], 0)
    shorter, longer = pairs - stretches  # each matches itself
    return np.where(batch.has_nan, np.nan, -np.log(longer / shorter))


def _loss(near: "_Near", m: int, tolerances: FloatArray) -> FloatArray:
    """Return (n,) approximate entropy; NaN where there is no stretch or no tolerance."""
    if m < 1:
        return np.full(len(tolerances), np.nan)
    logs = np.zeros((2, len(tolerances)))
    stretches = near.samples - m + 1, near.samples - m
    for counts in near.matches(m, tolerances):
        logs += [np.log(each / total).sum(axis=1) for each, total in zip(counts, stretches, strict=True)]
    means = logs / np.array(stretches)[:, None]
    return np.where(tolerances >= 0, np.abs(means[0] - means[1]), np.nan)


def _blocks(batch: Batch) -> Iterator[slice]:
    """Return rows whose bits stay in a processor's cache."""
    at_once = max(1, _WORDS_AT_ONCE // (batch.samples * _words(batch.samples)))
    for first in range(0, len(batch), at_once):
        yield slice(first, first + at_once)


def _words(samples: int) -> int:
    return -(-samples // 64)


class _Near:
    """Which samples lie within a tolerance of each sample, as one bit a sample.

    In the order of their values they are a range, and the bits of a range are those of its end without those of its
    start: so N x N / 64 words are made and no distance twice.
    """

    def __init__(self, values: FloatArray) -> None:
        self.series, self.samples = values.shape
        self.words = _words(self.samples)
        order = np.argsort(values, axis=1)
        rows = np.arange(self.series)[:, None]
        self.rank = np.empty_like(order)
        self.rank[rows, order] = np.arange(self.samples)
        self.ordered = values[rows, order]
        bits = np.zeros((self.series, self.samples + 1, self.words), np.uint64)
        bits[rows, np.arange(1, self.samples + 1), order // 64] = _ONE << (order % 64).astype(np.uint64)
        self.below = np.bitwise_or.accumulate(bits, axis=1, out=bits).reshape(-1, self.words)

    def matches(self, m: int, tolerances: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Return how many stretches of ``m`` samples, and of one more, match that at each place; some places a time."""
        start, stop = self._ranges(tolerances)
        at_once = max(1, _WORDS_AT_ONCE // self.words)
        for first in range(0, self.samples - m + 1, at_once):
            last = min(first + at_once, self.samples - m + 1)
            part = slice(first, min(last + m, self.samples))
            near = self.below.take(stop[:, part], axis=0)
            near ^= self.below.take(start[:, part], axis=0)
            found = near
            for _ in range(m - 1):
                found = _followed(found, near)
            shorter = _count(found)[:, : last - first]
            yield shorter, _count(_followed(found, near))[:, : min(last, self.samples - m) - first]

    def _ranges(self, tolerances: FloatArray) -> tuple[IntArray, IntArray]:
        """Return for each sample the first and the last but one, in order, that are near; as places in ``below``."""
        reach = self._reach(tolerances)
        rows = np.arange(self.series)[:, None] * (self.samples + 1)
        ends = np.bincount((reach + rows).ravel(), minlength=self.series * (self.samples + 1))
        start = np.cumsum(ends.reshape(self.series, -1), axis=1)[:, :-1]  # whose reach ends before a sample
        start, stop = (np.take_along_axis(each, self.rank, axis=1) + rows for each in (np.minimum(start, reach), reach))
        return start, stop

    def _reach(self, tolerances: FloatArray) -> IntArray:
        """Return how many samples lie below each sample, in order, or at most a tolerance above: by halving."""
        size = 1 << self.samples.bit_length()
        padded = np.full((self.series, size), np.nan)
        padded[:, : self.samples] = self.ordered
        found = np.zeros((self.series, self.samples), np.int64)
        found += np.arange(self.series)[:, None] * size - 1
        start = found.copy()
        step = size // 2
        while step:
            further = found + step
            reached = padded.take(further) - self.ordered <= tolerances[:, None]
            np.copyto(found, further, where=reached)
            step //= 2
        return found - start


def _followed(found: Bits, near: Bits) -> Bits:
    """Return which matches begin at each place, given those that begin at the next; of the last place anything."""
    series, places, words = near.shape
    flat, shifted = found.reshape(-1), np.zeros(near.size, np.uint64)
    np.right_shift(flat[words:], _ONE, out=shifted[:-words])
    shifted[: -words - 1] |= flat[words + 1 :] << _LAST
    longer = shifted.reshape(series, places, words)
    longer[:, :, -1] &= ~(_ONE << _LAST)  # came from the row after
    longer &= near
    return longer


def _count(bits: Bits) -> FloatArray:
    """Return how many bits are set at each place."""
    return np.asarray(np.bitwise_count(bits) @ np.ones(bits.shape[2], np.float32), dtype=np.float64)
