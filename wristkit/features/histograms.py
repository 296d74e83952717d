"""How values spread over bins, and first digits over one to nine."""

from functools import cache

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch, IntArray
from wristkit.features.registry import each
from wristkit.recording import FloatArray

_BENFORD = np.log10(1 + 1 / np.arange(1, 10))
_NORMAL = np.finfo(np.float64).smallest_normal


@each
def binned_entropy(batch: Batch, max_bins: int) -> FloatArray:
    """Entropy of the shares of samples in ``max_bins`` bins as wide as each other."""
    return entropy_in_bins(batch.values, max_bins)


def entropy_in_bins(values: FloatArray, bins: int) -> FloatArray:
    """Return the entropy (n,) of each row's histogram over its range, as numpy bins it; NaN where it cannot."""
    least, greatest = values.min(axis=1), values.max(axis=1)
    whole = np.flatnonzero(np.isfinite(least) & np.isfinite(greatest))
    found = np.full(len(values), np.nan)
    edges, binned = _edges(least[whole], greatest[whole], bins)
    whole = whole[binned]
    shares = _counts(values if len(whole) == len(values) else values[whole], edges[binned]) / values.shape[1]
    shares[shares == 0] = 1.0
    found[whole] = -(shares * np.log(shares)).sum(axis=1)
    return found


def _edges(least: FloatArray, greatest: FloatArray, bins: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the edges of bins (n, bins + 1) as numpy lays them, and in which rows they are apart."""
    if bins < 1:
        raise ValueError(f"the number of bins is {bins}, expected 1 or more")
    same = 0.5 * (least == greatest)
    first, last = least - same, greatest + same
    width = (last - first)[:, None]
    places = np.arange(bins + 1)
    step = width / bins
    edges = np.where(step == 0, places / bins * width, places * step) + first[:, None]
    edges[:, -1] = last
    return edges, (edges[:, 1:] > edges[:, :-1]).all(axis=1)


def _counts(values: FloatArray, edges: FloatArray) -> IntArray:
    """Return how many samples of each row lie between its edges (n, bins); the last bin holds its upper edge."""
    rows, bins = len(edges), edges.shape[1] - 1
    first, last = edges[:, :1], edges[:, -1:]
    places = ((values - first) / (last - first) * bins).astype(np.int64)
    np.minimum(places, bins - 1, out=places)
    at = places + np.arange(rows)[:, None] * (bins + 1)  # division may have missed by one
    places -= values < edges.ravel()[at]
    places += (values >= edges.ravel()[at + 1]) & (places < bins - 1)
    places += np.arange(rows)[:, None] * bins
    return np.bincount(places.ravel(), minlength=rows * bins).reshape(rows, bins)


@each
def benford_correlation(batch: Batch) -> FloatArray:
    """Correlation of how often first digits come with what Newcomb and Benford found (Hill 1995)."""
    digits = _first_digits(batch.sizes)
    shares = np.stack([np.count_nonzero(digits == digit, axis=1) for digit in range(1, 10)], axis=1) / batch.samples
    centred = shares - shares.mean(axis=1, keepdims=True)
    expected = _BENFORD - _BENFORD.mean()
    found = centred @ expected / np.sqrt(np.vecdot(centred, centred) * np.vecdot(expected, expected))
    even = (shares[:, 0] > 0) & (shares == shares[:, :1]).all(axis=1)
    for row in np.flatnonzero(even):  # nothing but rounding: as numpy rounds
        found[row] = np.corrcoef(_BENFORD, shares[row])[0, 1]
    return np.asarray(np.clip(found, -1, 1))


def _first_digits(sizes: FloatArray) -> npt.NDArray[np.uint8]:
    """Return the first digit of each size as it is written shortest, 0 of zero and NaN; 1 of infinity."""
    sizes = np.minimum(sizes, np.finfo(np.float64).max)
    digits_from, next_digit = _digit_table()
    key = sizes.view(np.uint64) >> 48
    digits: npt.NDArray[np.uint8] = digits_from[key] + (sizes >= next_digit[key])
    digits[digits == 10] = 1
    digits[np.isnan(sizes)] = 0
    for place in zip(*np.nonzero((sizes > 0) & (sizes < _NORMAL)), strict=True):
        digits[place] = int(np.format_float_scientific(sizes[place])[0])
    return digits


@cache
def _digit_table() -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return, by the topmost 16 bits of a size, the first digit from where they start and the size of the next digit.

    What is written shortest as a digit and zeros is the number that these are read as, and greater numbers are
    written greater; a sixteenth of a power of two holds one such number at most.
    """
    firsts = np.array([float(f"{digit}e{power}") for power in range(-308, 309) for digit in range(1, 10)])
    starts = (np.arange(2**15, dtype=np.uint64) << 48).view(np.float64)
    above = np.searchsorted(firsts, starts, side="right")
    digits = np.where(above == 0, 0, (above - 1) % 9 + 1).astype(np.uint8)
    return digits, np.append(firsts, np.inf)[above]
