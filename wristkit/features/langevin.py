"""Drift of a series as a polynomial of where it is (Friedrich et al. 2000), and where that drift rests."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray

Places = npt.NDArray[np.unsignedinteger]

_WELL_POSED = 1e-8  # least over greatest eigenvalue of the normal equations, from which they lose no wanted digit
_SURE = 1e-7  # least over greatest term, below which the least is mostly rounding: on a ramp, whose drift is even
_ULPS_APART = 8  # edges nearer to each other are told apart, or not, by how pandas rounds their labels


@together
def friedrich_coefficients(batch: Batch, params: Sequence[Params]) -> Iterator[Column]:
    """Coefficients of the polynomial of degree ``m`` through the drift in ``r`` quantile bins, highest power first."""
    for one in params:
        place, drift = one["coeff"], batch.once(_drift, one["m"], one["r"])
        yield named(one), drift[:, place] if 0 <= place < drift.shape[1] else np.full(len(batch), np.nan)


@each
def max_langevin_fixed_point(batch: Batch, r: int, m: int) -> FloatArray:
    """Greatest real part of the roots of the drift polynomial: the highest level at which the series would rest."""
    return _greatest_root(batch.once(_drift, m, r))


def _drift(batch: Batch, m: int, r: int) -> FloatArray:
    """Return (n, m + 1) coefficients of the drift, highest power first; NaN where a series has no ``r`` bins."""
    if m < 1 or r < 1 or batch.samples < 2:
        return np.full((len(batch), max(m, 0) + 1), np.nan)
    return _polynomials(_points(batch, r), m)


class _Points(NamedTuple):
    """Mean value and mean step in each bin, (n, bins); ``held`` where a bin has both."""

    values: FloatArray
    steps: FloatArray
    held: Mask


def _points(batch: Batch, r: int) -> _Points:
    """Return the points through which a polynomial goes; none for a series that has no ``r`` bins."""
    values, steps = batch.values[:, :-1], np.diff(batch.values, axis=1)
    missing = np.isnan(values)
    edges = _edges(np.sort(values, axis=1), np.count_nonzero(~missing, axis=1), r)
    places = np.zeros(values.shape, np.min_scalar_type(r))
    for edge in edges[:, 1:-1].T:
        places += values > edge[:, None]
    gaps = np.diff(edges, axis=1)
    binned = np.asarray(np.isfinite(edges).all(axis=1) & ((gaps > 0).all(axis=1) | (r == 1)))
    places[missing | ~binned[:, None]] = r
    x = _means(values, places, r)
    places[np.isnan(steps)] = r
    y = _means(steps, places, r)
    points = _Points(x, y, ~np.isnan(x) & ~np.isnan(y) & binned[:, None])
    near = ~(gaps > _ULPS_APART * np.spacing(np.abs(edges).max(axis=1))[:, None]).all(axis=1)
    for row in np.flatnonzero((binned & near) | np.isinf(edges).any(axis=1)):
        _by_pandas(points, row, values[row], steps[row], r)
    return points


def _edges(ordered: FloatArray, counts: IntArray, r: int) -> FloatArray:
    """Return (n, r + 1) quantiles of the first ``counts`` of each row, by the rounding of pandas and numpy."""
    shares = np.linspace(0, 1, r + 1)
    shares = np.where(shares * r != np.arange(r + 1), np.nextafter(shares, 1), shares)
    wanted = (counts[:, None] - 1) * shares
    below = np.clip(np.floor(wanted).astype(np.int64), 0, None)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0)[:, None])
    low, high = (np.take_along_axis(ordered, place, axis=1) for place in (below, above))
    share, step = wanted - below, high - low
    return np.asarray(np.where(share < 0.5, low + step * share, high - step * (1 - share)))


def _means(values: FloatArray, places: Places, bins: int) -> FloatArray:
    """Return (n, bins) mean of the values at each place, summed in the order in which pandas sums them.

    Where a polynomial is ill posed its coefficients hang on the last digit of these means.
    """
    rows = np.arange(len(values))[:, None]
    taken = np.take_along_axis(values, np.argsort(places, axis=1, kind="stable"), axis=1)
    counts = np.bincount((places + rows * (bins + 1)).ravel(), minlength=len(rows) * (bins + 1))
    counts = counts.reshape(len(rows), -1)[:, :bins]
    starts = np.cumsum(counts, axis=1) - counts
    sums = _compensated(taken, starts + rows * values.shape[1], counts)
    rising = (places[:, 1:] >= places[:, :-1]).all(axis=1) & (places[:, -1] < bins)
    if rising.any():  # such a series pandas cuts into pieces, and sums each piece as numpy does
        own, held = starts[rising] + rows[: rising.sum()] * values.shape[1], counts[rising] > 0
        sums[rising] = 0.0
        sums[rising[:, None] & (counts > 0)] = np.add.reduceat(taken[rising].ravel(), own[held])
    return np.asarray(sums / counts)


def _compensated(taken: FloatArray, starts: IntArray, counts: IntArray) -> FloatArray:
    """Return sums of ``counts`` values from ``starts`` on, one by one, with what rounding lost (Kahan 1965)."""
    total, lost = np.zeros(counts.shape), np.zeros(counts.shape)
    for place in range(counts.max(initial=0)):
        here = counts > place
        step = taken.take(starts + place, mode="clip") - lost
        grown = total + step
        np.copyto(lost, grown - total - step, where=here)
        np.copyto(total, grown, where=here)
    return total


def _by_pandas(points: _Points, row: int, values: FloatArray, steps: FloatArray, r: int) -> None:
    """Fill in one series whose bins pandas may join, since their labels round to the same."""
    import pandas as pd

    points.held[row] = False
    table = pd.DataFrame({"value": values, "step": steps})
    try:
        groups = table.groupby(pd.qcut(table["value"], r), observed=True)
    except (ValueError, IndexError):
        return
    means = pd.DataFrame({name: groups[name].mean() for name in ("value", "step")}).dropna()
    points.values[row, : len(means)], points.steps[row, : len(means)] = means.to_numpy().T
    points.held[row, : len(means)] = True


def _polynomials(points: _Points, degree: int) -> FloatArray:
    """Return (n, degree + 1) coefficients by least squares, highest power first; NaN where there is no point."""
    found = np.full((len(points.held), degree + 1), np.nan)
    x, y = (np.where(points.held, each, 0.0) for each in points[:2])
    powers = np.stack([np.where(points.held, x**power, 0.0) for power in range(degree, -1, -1)], axis=1)
    scale = np.sqrt(np.square(powers).sum(axis=2))
    powers /= scale[..., None]
    normal = np.matmul(powers, powers.swapaxes(1, 2))
    solvable = np.isfinite(normal).all(axis=(1, 2))
    values, vectors = np.linalg.eigh(np.where(solvable[:, None, None], normal, 0.0))
    well_posed = solvable & (values[:, 0] > _WELL_POSED * values[:, -1])
    inverse = np.matmul(vectors / values[:, None], vectors.swapaxes(1, 2))
    fitted = np.matmul(inverse, np.matmul(powers, y[..., None]))
    left = y[..., None] - np.matmul(powers.swapaxes(1, 2), fitted)
    fitted += np.matmul(inverse, np.matmul(powers, left))  # what rounding cost the first time
    sizes = np.abs(fitted[..., 0])
    well_posed &= sizes.min(axis=1) > _SURE * sizes.max(axis=1)
    found[well_posed] = (fitted[..., 0] / scale)[well_posed]
    for row in np.flatnonzero(~well_posed & solvable):
        held = points.held[row]
        found[row] = _by_numpy(points.values[row, held], points.steps[row, held], degree)
    return found


def _by_numpy(x: FloatArray, y: FloatArray, degree: int) -> FloatArray:
    """Return what numpy fits where rounding decides: a narrow series far from zero, or fewer points than powers."""
    try:
        return np.asarray(np.polyfit(x, y, degree, full=True)[0])
    except (np.linalg.LinAlgError, ValueError):
        return np.full(degree + 1, np.nan)


def _greatest_root(coefficients: FloatArray) -> FloatArray:
    """Return (n,) greatest real part of the roots, NaN where there is none: eigenvalues of companion matrices."""
    degree = coefficients.shape[1] - 1
    found = np.full(len(coefficients), np.nan)
    if not degree:
        return found
    first = -coefficients[:, 1:] / coefficients[:, :1]
    plain = np.isfinite(first).all(axis=1) & (coefficients[:, -1] != 0)
    companions = np.zeros((np.count_nonzero(plain), degree, degree))
    companions[:, 0] = first[plain]
    companions[:, np.arange(1, degree), np.arange(degree - 1)] = 1
    found[plain] = np.linalg.eigvals(companions).real.max(axis=1)
    for row in np.flatnonzero(~plain & np.isfinite(coefficients).all(axis=1)):  # a zero first or last
        try:
            found[row] = np.roots(coefficients[row]).real.max()
        except (np.linalg.LinAlgError, ValueError):
            continue
    return found
