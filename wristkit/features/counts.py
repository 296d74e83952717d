"""How many samples lie where, and how often values come again."""

import numpy as np

from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import each
from wristkit.recording import FloatArray


@each
def count_above(batch: Batch, t: float) -> FloatArray:
    """Share of the samples at ``t`` or above."""
    return _count(batch.values >= t) / batch.samples


@each
def count_below(batch: Batch, t: float) -> FloatArray:
    """Share of the samples at ``t`` or below."""
    return _count(batch.values <= t) / batch.samples


@each
def count_above_mean(batch: Batch) -> IntArray:
    """How many samples are above the mean."""
    return _count(batch.values > batch.means[:, None])


@each
def count_below_mean(batch: Batch) -> IntArray:
    """How many samples are below the mean."""
    return _count(batch.values < batch.means[:, None])


@each
def value_count(batch: Batch, value: float) -> IntArray:
    """How many samples are ``value``, be it NaN."""
    return _count(np.isnan(batch.values) if np.isnan(value) else batch.values == value)


@each
def range_count(batch: Batch, min: float, max: float) -> IntArray:  # noqa: A002  tsfresh's names
    """How many samples are at ``min`` or above and below ``max``."""
    return _count((batch.values >= min) & (batch.values < max))


@each
def has_duplicate_max(batch: Batch) -> Mask:
    """Whether the greatest value comes twice or more."""
    return _count(batch.values == batch.greatest[:, None]) >= 2


@each
def has_duplicate_min(batch: Batch) -> Mask:
    """Whether the least value comes twice or more."""
    return _count(batch.values == batch.least[:, None]) >= 2


@each
def has_duplicate(batch: Batch) -> Mask:
    """Whether any value comes twice or more; NaN is one value."""
    return np.asarray(_again(batch).any(axis=1))


@each
def ratio_value_number_to_time_series_length(batch: Batch) -> FloatArray:
    """How many different values there are for each sample; NaN is one value."""
    return _different(batch) / batch.samples


@each
def percentage_of_reoccurring_values_to_all_values(batch: Batch) -> FloatArray:
    """Share of the different values that come twice or more; NaN is one value."""
    return _count(_second(_again(batch))) / _different(batch)


@each
def percentage_of_reoccurring_datapoints_to_all_datapoints(batch: Batch) -> FloatArray:
    """Share of the samples whose value comes twice or more; NaN never does."""
    again = batch.ordered[:, 1:] == batch.ordered[:, :-1]
    return (_count(again) + _count(_second(again))) / batch.samples


@each
def sum_of_reoccurring_values(batch: Batch) -> FloatArray:
    """Sum of the values that come twice or more, each taken once; NaN where there is a NaN, or an infinity once."""
    return _sum_where(batch, _second(_again(batch)))


@each
def sum_of_reoccurring_data_points(batch: Batch) -> FloatArray:
    """Sum of the samples whose value comes twice or more; NaN where there is a NaN, or an infinity once."""
    return _sum_where(batch, _second(_again(batch))) + _sum_where(batch, _again(batch))


def _count(where: Mask) -> IntArray:
    return np.asarray(np.count_nonzero(where, axis=1))


def _again(batch: Batch) -> Mask:
    """Return where a sorted sample is the one before it again (n, samples - 1)."""
    again: Mask = batch.ordered[:, 1:] == batch.ordered[:, :-1]
    if batch.has_nan.any():
        again |= np.isnan(batch.ordered[:, :-1])  # NaN are last: after one, all are
    return again


def _second(again: Mask) -> Mask:
    """Return where a value comes for the second time: once for each that does."""
    second = again.copy()
    second[:, 1:] &= ~again[:, :-1]
    return second


def _different(batch: Batch) -> IntArray:
    return batch.samples - _count(_again(batch))


def _sum_where(batch: Batch, where: Mask) -> FloatArray:
    """Return the sum (n,) of sorted samples but the first; tsfresh takes an infinity that comes once zero times."""
    sums = np.where(where, batch.ordered[:, 1:], 0.0).sum(axis=1)
    lone = [_count(batch.values == end) == 1 for end in (-np.inf, np.inf)]
    return np.where(batch.has_nan | lone[0] | lone[1], np.nan, sums)
