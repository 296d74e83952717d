"""Patterns of a series: the orders of its neighbours, and how many new phrases it goes on to say."""

from collections.abc import Iterator, Sequence
from math import factorial

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch, IntArray
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray

Codes = npt.NDArray[np.unsignedinteger]

_SERIES_AT_ONCE = 128  # enough to outweigh a call a sample, and their trees of phrases stay in a processor's cache
_CODES = 2**63  # codes of orders are numbered anew before they grow beyond


@each
def permutation_entropy(batch: Batch, tau: int, dimension: int) -> FloatArray:
    """Entropy of the orders of ``dimension`` neighbours, every ``tau`` samples; of equals the earlier is the lesser.

    Bandt, Pompe 2002.
    """
    if tau < 1 or dimension < 2 or dimension > batch.samples:
        return np.full(len(batch), np.nan)
    for places in range(1, dimension):  # each builds on the one before
        batch.once(_orders, places)
    return _entropy(batch.once(_orders, dimension)[:, ::tau])


def _orders(batch: Batch, dimension: int) -> Codes:
    """Return (n, places) a number for the order of the samples from each place on (Lehmer 1960).

    Its first digit is how many of the samples after are less than the first, the others are those of one place later.
    """
    if dimension == 1:
        return np.zeros(batch.values.shape, np.uint8)
    digit, later = batch.once(_less, dimension - 1), batch.once(_orders, dimension - 1)[:, 1:]
    codes = factorial(dimension - 1)
    if dimension * codes > _CODES:
        later = np.unique(later, return_inverse=True)[1].reshape(later.shape)
        codes = later.size
    kind = np.min_scalar_type(dimension * codes)
    return np.asarray(digit * kind.type(codes) + later.astype(kind))


def _less(batch: Batch, after: int) -> Codes:
    """Return (n, places) how many of the ``after`` samples after each are less than it; NaN is greater than any."""
    places = batch.samples - after
    if after == 0:
        return np.zeros((len(batch), places), np.min_scalar_type(batch.samples))
    first, last = batch.values[:, :places], batch.values[:, after:]
    less = last < first
    if batch.has_nan.any():
        less |= np.isnan(first) & ~np.isnan(last)
    return np.asarray(batch.once(_less, after - 1)[:, :places] + less)


def _entropy(codes: Codes) -> FloatArray:
    """Return (n,) entropy of how often each code comes in a row."""
    rows, places = codes.shape
    ordered = np.sort(codes, axis=1)
    ends = np.ones((rows, places), bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=ends[:, :-1])
    at = np.flatnonzero(ends)
    counts = np.diff(at, prepend=-1)
    shares = np.arange(places + 1) / places
    information = -shares * np.log(shares, where=shares > 0, out=np.zeros(places + 1))
    return np.asarray(np.bincount(at // places, weights=information[counts], minlength=rows), np.float64)


@together
def lempel_ziv_complexity(batch: Batch, params: Sequence[Params]) -> Iterator[Column]:
    """Phrases a sample, each the shortest not said before, of the series told in ``bins`` levels (Ziv, Lempel 1978)."""
    widths = list(dict.fromkeys(one["bins"] for one in params))
    found = np.empty((len(widths), len(batch)))
    for first in range(0, len(batch), _SERIES_AT_ONCE):
        rows = slice(first, first + _SERIES_AT_ONCE)
        found[:, rows] = _phrases([_levels(batch.values[rows], bins) for bins in widths], widths)
    for one in params:
        yield named(one), found[widths.index(one["bins"])] / batch.samples


def _levels(values: FloatArray, bins: int) -> FloatArray:
    """Return which of ``bins`` even steps from the least to the greatest value each sample lies in; 0 beside a NaN."""
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    step = (high - low) / bins
    levels = np.ceil((values - low) / step) - 1
    np.clip(levels, 0, bins - 1, out=levels)
    levels[np.isnan(levels).any(axis=1)] = 0
    _settle(levels, values, low, step, bins)
    for row in np.flatnonzero((step == 0) & (high > low)):  # so narrow that a step is none
        edges = np.linspace(low[row, 0], high[row, 0], bins + 1)[1:]
        levels[row] = np.searchsorted(edges, values[row])
    return np.asarray(levels)


def _settle(levels: FloatArray, values: FloatArray, low: FloatArray, step: FloatArray, bins: int) -> None:
    """Move levels, in place, until each value lies above its lower edge and not above its upper one, as rounded."""
    rows, places = np.nonzero((values <= levels * step + low) & (levels > 0))
    while rows.size:
        levels[rows, places] -= 1
        level = levels[rows, places]
        wrong = (values[rows, places] <= level * step[rows, 0] + low[rows, 0]) & (level > 0)
        rows, places = rows[wrong], places[wrong]
    rows, places = np.nonzero((values > (levels + 1) * step + low) & (levels < bins - 1))
    while rows.size:
        levels[rows, places] += 1
        level = levels[rows, places]
        wrong = (values[rows, places] > (level + 1) * step[rows, 0] + low[rows, 0]) & (level < bins - 1)
        rows, places = rows[wrong], places[wrong]


def _phrases(levels: Sequence[FloatArray], widths: Sequence[int]) -> IntArray:
    """Return (widths, n) how many phrases each series has: one tree each, all of them walked at once, sample by sample.

    A node is the number of the sample that made it, and 0 the root, to which a new phrase returns.
    """
    rows, samples = levels[0].shape
    width = np.repeat(widths, rows)
    starts = np.cumsum(width * (samples + 1)) - width * (samples + 1)
    letters = np.empty((samples, len(widths), rows), np.int64)
    for place, each_level in enumerate(levels):
        letters[:, place] = each_level.T
    letters = letters.reshape(samples, -1) + starts
    tree = np.zeros(int(np.sum(width)) * (samples + 1), np.min_scalar_type(samples))
    node = np.zeros(len(width), np.int64)
    new = np.empty(letters.shape, np.bool_)
    for place, letter in enumerate(letters):
        edge = node * width + letter
        node = tree.take(edge)
        np.equal(node, 0, out=new[place])
        tree[edge[new[place]]] = place + 1
    return np.asarray(np.count_nonzero(new, axis=0).reshape(len(widths), rows))
