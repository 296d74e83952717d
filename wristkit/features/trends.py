"""Straight lines through a series, and through what its stretches amount to."""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from wristkit.features.batch import Batch, Mask
from wristkit.features.registry import Column, Params, named, together
from wristkit.recording import FloatArray

_OF_STRETCH = ("max", "min", "mean", "var", "std", "sum", "prod", "argmax", "argmin", "any", "all")
_OF_LINE = ("slope", "intercept", "rvalue", "pvalue", "stderr", "intercept_stderr")
_EXTREMES = {"max": np.maximum, "min": np.minimum}
_SAMPLES_AT_ONCE = 2**14  # with their places and the copy they stay in a processor's cache
_TINY = 1e-20  # scipy's: keeps the test statistic of a perfect line finite


@together
def linear_trend(batch: Batch, params: Sequence[Params]) -> Iterator[Column]:
    """Least-squares line through the samples: slope, intercept, correlation, its p-value and the slope's error."""
    line = _Lines(batch.values)
    for one in params:
        yield f'attr_"{one["attr"]}"', line.part(one["attr"])


@together
def agg_linear_trend(batch: Batch, params: Sequence[Params]) -> Iterator[Column]:
    """Least-squares line through the max, min, mean, var ... of stretches of ``chunk_len`` samples."""
    lines: dict[tuple[int, str], _Lines] = {}
    for one in params:
        samples, aggregate, attr = one["chunk_len"], one["f_agg"], one["attr"]
        if samples >= batch.samples:
            yield named(one), np.full(len(batch), np.nan)
            continue
        if (samples, aggregate) not in lines:
            lines[samples, aggregate] = _Lines(_of_stretches(batch.values, aggregate, samples))
        yield named(one), lines[samples, aggregate].part(attr)


def _of_stretches(values: FloatArray, aggregate: str, samples: int) -> FloatArray:
    """Return (n, stretches), the last of them shorter where the series does not divide evenly."""
    if aggregate not in _OF_STRETCH:
        raise ValueError(f"f_agg is {aggregate!r}, expected {', '.join(map(repr, _OF_STRETCH))}, as an array has them")
    even = values.shape[1] // samples * samples
    parts = [values[:, :even].reshape(len(values), -1, samples), values[:, None, even:]]
    found = [_of_each(part, aggregate) for part in parts if part.shape[2]]
    return np.concatenate(found, axis=1, dtype=np.float64)


def _of_each(stretches: FloatArray, aggregate: str) -> FloatArray:
    if extreme := _EXTREMES.get(aggregate):  # sample by sample, of all stretches at once: these are short
        return np.asarray(reduce(extreme, np.moveaxis(stretches, 2, 0)))
    return np.asarray(getattr(stretches, aggregate)(axis=2))


def _spread(rows: FloatArray, means: FloatArray) -> FloatArray:
    """Return (n, 2, 2) variances and covariance of place and value.

    One small product a row, as numpy.cov makes it: on a perfect line the slope's error is nothing but rounding.
    """
    points = rows.shape[1]
    at_once = max(1, _SAMPLES_AT_ONCE // points)
    spread = np.empty((len(rows), 2, 2))
    for first in range(0, len(rows), at_once):
        part = slice(first, first + at_once)
        both = np.empty((len(rows[part]), 2, points))
        both[:, 0] = np.arange(points) - (points - 1) / 2
        np.subtract(rows[part], means[part, None], out=both[:, 1])
        np.matmul(both, both.copy().swapaxes(1, 2), out=spread[part])
    return np.asarray(spread * (1 / points))


class _Lines:
    """A least-squares line through each row (n, points) over 0, 1, 2 ...; its parts are those of scipy's linregress."""

    def __init__(self, rows: FloatArray) -> None:
        self.rows = rows
        self.points = rows.shape[1]
        self.means = rows.sum(axis=1) / self.points
        spread = _spread(rows, self.means)
        self.of_place, self.of_both, self.of_rows = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
        r = np.clip(self.of_both / np.sqrt(self.of_place * self.of_rows), -1.0, 1.0)
        level = (self.of_place == 0) | (self.of_rows == 0)
        self.rvalue = np.where(level, np.where(self.of_both == 0, np.nan, 0.0), r)
        self.slope = self.of_both / self.of_place

    def part(self, name: str) -> FloatArray:
        """Return (n,) of one part."""
        if name not in _OF_LINE:
            raise ValueError(f"attr is {name!r}, expected {', '.join(map(repr, _OF_LINE))}")
        return np.asarray(getattr(self, name))

    @property
    def _has_nan(self) -> Mask:
        return np.asarray(np.isnan(self.rows).any(axis=1))

    @property
    def intercept(self) -> FloatArray:
        """Value at 0."""
        return np.asarray(self.means - self.slope * ((self.points - 1) / 2))

    @property
    def pvalue(self) -> FloatArray:
        """How probable so strong a correlation is without a slope; through two points none or all."""
        if self.points == 2:
            return np.where(self._has_nan, np.nan, self.rows[:, 0] == self.rows[:, 1])
        from scipy.special import stdtr  # a third of a second to import, and few features want it

        free, r = self.points - 2, self.rvalue
        statistic = r * np.sqrt(free / ((1 - r + _TINY) * (1 + r + _TINY)))
        return np.asarray(2 * stdtr(free, -np.abs(statistic)))

    @property
    def stderr(self) -> FloatArray:
        """Standard error of the slope; through two points 0."""
        if self.points == 2:
            return np.where(self._has_nan, np.nan, 0.0)
        return np.asarray(np.sqrt((1 - self.rvalue**2) * self.of_rows / self.of_place / (self.points - 2)))

    @property
    def intercept_stderr(self) -> FloatArray:
        """Standard error of the intercept; through two points 0."""
        return np.asarray(self.stderr * np.sqrt(self.of_place + ((self.points - 1) / 2) ** 2))
