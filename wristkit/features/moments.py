"""Sums, moments and order statistics: what a series is, whatever the order of its samples."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wristkit.features.batch import Batch, Mask
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray

_FAR_OFF = 1e6  # standard deviations: pandas' moments then hold no more than nine digits


@each
def sum_values(batch: Batch) -> FloatArray:
    """Sum of all samples."""
    return batch.sums


@each
def mean(batch: Batch) -> FloatArray:
    """Mean of all samples."""
    return batch.means


@each
def median(batch: Batch) -> FloatArray:
    """Median; of an even number of samples the mean of the two in the middle."""
    return batch.medians


@each
def length(batch: Batch) -> FloatArray:
    """How many samples there are."""
    return np.full(len(batch), float(batch.samples))


@each
def standard_deviation(batch: Batch) -> FloatArray:
    """Root of the variance: divided by the number of samples, not by one less."""
    return batch.deviations


@each
def variance(batch: Batch) -> FloatArray:
    """Variance, divided by the number of samples."""
    return batch.variances


@each
def variance_larger_than_standard_deviation(batch: Batch) -> Mask:
    """Whether the variance is greater than the standard deviation: than 1."""
    return batch.variances > batch.deviations


@each
def root_mean_square(batch: Batch) -> FloatArray:
    """Root of the mean square."""
    return np.asarray(np.sqrt(np.square(batch.values).sum(axis=1) / batch.samples))


@each
def maximum(batch: Batch) -> FloatArray:
    """Greatest sample."""
    return batch.greatest


@each
def minimum(batch: Batch) -> FloatArray:
    """Least sample."""
    return batch.least


@each
def absolute_maximum(batch: Batch) -> FloatArray:
    """Greatest size of a sample."""
    return np.asarray(batch.sizes.max(axis=1))


@each
def quantile(batch: Batch, q: float) -> FloatArray:
    """Value below which a share ``q`` of the samples lies, by straight lines between them."""
    place = q * (batch.samples - 1)
    below = min(int(place), batch.samples - 1)
    low, high = batch.ordered[:, below], batch.ordered[:, min(below + 1, batch.samples - 1)]
    return np.where(batch.has_nan, np.nan, _between(low, high, place - below))


def _between(low: FloatArray, high: FloatArray, share: float) -> FloatArray:
    """Return what lies ``share`` of the way from one to the other, seen from the nearer end as numpy does."""
    step = high - low
    return np.asarray(low + step * share if share < 0.5 else high - step * (1 - share))


@each
def abs_energy(batch: Batch) -> FloatArray:
    """Sum of the squares."""
    return np.asarray(np.vecdot(batch.values, batch.values))


@each
def variation_coefficient(batch: Batch) -> FloatArray:
    """Share of the mean that the standard deviation is; none where the mean is zero."""
    return np.where(batch.means == 0, np.nan, batch.deviations / batch.means)


@each
def skewness(batch: Batch) -> FloatArray:
    """Lopsidedness by the third moment, unbiased (G1)."""
    count = batch.samples
    if count < 3:
        return np.full(len(batch), np.nan)
    second, third = batch.variances * count, np.vecdot(np.square(batch.centred), batch.centred)
    found = third / (second * np.sqrt(second)) * (count * np.sqrt(count - 1) / (count - 2))
    return _by_pandas(found, batch, _far_off(batch), lambda series: series.skew(skipna=False))


@each
def kurtosis(batch: Batch) -> FloatArray:
    """Weight of the tails by the fourth moment, unbiased (G2), of what is not NaN."""
    count = batch.samples
    if count < 4:
        return np.full(len(batch), np.nan)
    second, squares = batch.variances * count, np.square(batch.centred)
    fourth = np.vecdot(squares, squares) / np.square(second)
    found = (count * (count + 1) * fourth - 3 * (count - 1)) * ((count - 1) / ((count - 2) * (count - 3)))
    return _by_pandas(found, batch, _far_off(batch) | batch.has_nan, lambda series: series.kurt())


@each
def large_standard_deviation(batch: Batch, r: float) -> Mask:
    """Whether the standard deviation is more than a share ``r`` of the range."""
    return batch.deviations > r * (batch.greatest - batch.least)


@each
def symmetry_looking(batch: Batch, r: float) -> Mask:
    """Whether mean and median are closer than a share ``r`` of the range."""
    return np.abs(batch.means - batch.medians) < r * (batch.greatest - batch.least)


@together
def ratio_beyond_r_sigma(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Share of the samples more than ``r`` standard deviations away from the mean."""
    away = np.abs(batch.centred)
    for one in params:
        beyond = away > (one["r"] * batch.deviations)[:, None]
        yield named(one), np.asarray(np.count_nonzero(beyond, axis=1) / batch.samples)


@each
def mean_n_absolute_max(batch: Batch, number_of_maxima: int) -> FloatArray:
    """Mean of the samples that are greatest in size; none where there are no more than those."""
    if number_of_maxima < 1:
        raise ValueError(f"number_of_maxima is {number_of_maxima}, expected 1 or more")
    if batch.samples <= number_of_maxima:
        return np.full(len(batch), np.nan)
    ends = batch.ordered  # the greatest in size lie at either end
    if 2 * number_of_maxima < batch.samples:
        ends = np.concatenate([ends[:, :number_of_maxima], ends[:, -number_of_maxima:]], axis=1)
    return np.asarray(np.sort(np.abs(ends), axis=1)[:, -number_of_maxima:].mean(axis=1))


def _far_off(batch: Batch) -> Mask:
    """Return which series are so far from zero that rounding decides the moments, or constant."""
    return np.abs(batch.means) >= _FAR_OFF * batch.deviations


def _by_pandas(found: FloatArray, batch: Batch, which: Mask, figure: Callable[[pd.Series], Any]) -> FloatArray:
    """Return what was found, with pandas' own figure of some series, rounding and all."""
    for row in np.flatnonzero(which):
        found[row] = figure(pd.Series(batch.values[row]))
    return found
