"""Sums, moments and order statistics: what a series is, whatever the order of its samples."""

import numpy as np

from wristkit.features.batch import Batch, Mask
from wristkit.features.registry import each
from wristkit.recording import FloatArray


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
    return np.sqrt(np.square(batch.values).sum(axis=1) / batch.samples)


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
