"""Runs, crossings and peaks: the shape of a series in whole samples."""

from collections.abc import Iterable, Sequence

import numpy as np

from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray


@each
def longest_strike_above_mean(batch: Batch) -> IntArray:
    """Most samples in a row that are above the mean."""
    return _longest(batch.values > batch.means[:, None])


@each
def longest_strike_below_mean(batch: Batch) -> IntArray:
    """Most samples in a row that are below the mean."""
    return _longest(batch.values < batch.means[:, None])


@each
def number_crossing_m(batch: Batch, m: float) -> IntArray:
    """How often a series passes from above ``m`` to what is not above, or back."""
    above = batch.values > m
    return np.asarray(np.count_nonzero(above[:, 1:] != above[:, :-1], axis=1))


@together
def number_peaks(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Count the samples greater than all of the ``n`` on either side."""
    known = {1: batch.values}
    for one in params:
        reach = one["n"]
        if reach < 1:
            raise ValueError(f"n is {reach}, expected 1 or more")
        if batch.samples <= 2 * reach:
            yield named(one), np.zeros(len(batch))
            continue
        around, middle = _greatest(known, reach), batch.values[:, reach:-reach]
        peaks = (middle > around[:, : -reach - 1]) & (middle > around[:, reach + 1 :])
        yield named(one), np.count_nonzero(peaks, axis=1).astype(np.float64)


def _greatest(known: dict[int, FloatArray], count: int) -> FloatArray:
    """Return the greatest of each sample and the next, ``count`` in all (n, samples - count + 1)."""
    if count not in known:
        half = 1 << (count - 1).bit_length() - 1  # two that overlap unless count is a power of two
        halves = _greatest(known, half)
        known[count] = np.maximum(halves[:, : half - count], halves[:, count - half :])
    return known[count]


def _longest(where: Mask) -> IntArray:
    """Return the most places in a row that hold (n,)."""
    places = np.arange(1, where.shape[1] + 1, dtype=np.int32)
    last_without = np.maximum.accumulate(places * ~where, axis=1)
    return np.asarray((places - last_without).max(axis=1), dtype=np.int64)
