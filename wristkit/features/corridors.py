"""Steps that stay within a corridor between two quantiles of a series."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import Column, Params, named, together
from wristkit.recording import FloatArray

_LOST = 1e-8  # what is this small a share of the terms of its sum has lost half of its digits


class _Grid(NamedTuple):
    """Between which quantiles the two samples of each step lie: in which cell of its series' table."""

    cells: IntArray  # (n, steps) counted through all tables
    within: FloatArray  # (cells of a table, corridors) 1 where a cell is within a corridor

    def inside(self, row: int, corridor: int) -> Mask:
        """Return which steps of a series stay within a corridor (steps,)."""
        return np.asarray(self.within[self.cells[row] - row * len(self.within), corridor] > 0)

    def sums(self, weights: FloatArray | None) -> FloatArray:
        """Return the sum of weights of the steps within each corridor, or their number (n, corridors)."""
        rows, room = len(self.cells), len(self.within)
        table = np.bincount(self.cells.ravel(), None if weights is None else weights.ravel(), rows * room)
        return np.asarray(table.reshape(rows, room) @ self.within)


@together
def change_quantiles(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Mean, variance or another of numpy's figures of the steps between samples that lie in ``ql`` to ``qh``."""
    pairs = [(one["ql"], one["qh"]) for one in params]
    corridors = list(dict.fromkeys(pair for pair in pairs if 0 <= pair[0] < pair[1] <= 1))
    grid = _grid_of(batch, corridors)
    steps = np.nan_to_num(batch.steps, posinf=np.inf, neginf=-np.inf) if batch.has_nan.any() else batch.steps
    signed = {by_size: np.abs(steps) if by_size else steps for by_size in {bool(one["isabs"]) for one in params}}
    moments: dict[bool, dict[str, FloatArray]] = {}
    infinite = np.flatnonzero(np.isinf(batch.values).any(axis=1))
    for one, pair in zip(params, pairs, strict=True):
        by_size, name = bool(one["isabs"]), one["f_agg"]
        if pair not in corridors:
            yield named(one), np.zeros(len(batch))
            continue
        if name in ("mean", "var"):
            if by_size not in moments:
                moments[by_size] = _moments(signed[by_size], grid)
            values = moments[by_size][name][:, corridors.index(pair)]
        else:
            values = _figures(getattr(np, name), signed[by_size], grid, corridors.index(pair))
        for row in infinite:
            values[row] = _by_pandas(batch.values[row], one)
        yield named(one), values


def _grid_of(batch: Batch, corridors: Sequence[tuple[float, float]]) -> _Grid:
    shares = sorted({share for pair in corridors for share in pair})
    limits = [_quantiles(batch, share) for share in shares]
    before, after = batch.values[:, :-1], batch.values[:, 1:]
    lesser, greater = np.minimum(before, after), np.maximum(before, after)
    side = len(shares) + 1
    cells = np.repeat(np.arange(len(batch))[:, None] * side, lesser.shape[1], axis=1)
    for limit in limits:
        cells += lesser >= limit
    cells *= side
    for limit in limits:
        cells += greater > limit
    reached, passed = np.divmod(np.arange(side**2)[:, None], side)
    lows, highs = (np.array([shares.index(pair[end]) for pair in corridors], dtype=np.int64) for end in (0, 1))
    return _Grid(cells, ((reached > lows) & (passed <= highs)).astype(np.float64))


def _quantiles(batch: Batch, share: float) -> FloatArray:
    """Return the quantile (n, 1) of what is not NaN, seen from the nearer neighbour as numpy does."""
    last = np.full(len(batch), batch.samples - 1)
    if batch.has_nan.any():
        last = np.maximum(np.count_nonzero(~np.isnan(batch.ordered), axis=1) - 1, 0)
    place = last * share
    below = place.astype(np.int64)
    rows = np.arange(len(batch))
    low, high = batch.ordered[rows, below], batch.ordered[rows, np.minimum(below + 1, last)]
    beyond, step = place - below, high - low
    return np.where(beyond < 0.5, low + step * beyond, high - step * (1 - beyond))[:, None]


def _moments(steps: FloatArray, grid: _Grid) -> dict[str, FloatArray]:
    """Return mean and variance (n, corridors) of the steps within each corridor; zero where there are none."""
    counts = grid.sums(None)
    some = np.maximum(counts, 1)
    means, squares = grid.sums(steps) / some, grid.sums(np.square(steps)) / some
    variances = np.maximum(squares - np.square(means), 0)
    loose = (variances < _LOST * squares) & (squares > 1e4) & (counts > 1)  # may be wrong by more than 1e-9
    loose |= (np.abs(means) < _LOST * np.sqrt(squares)) & (squares > 1e10) | ~np.isfinite(variances)
    for row, corridor in np.argwhere(loose):
        means[row, corridor] = _figure(np.mean, steps, grid, row, corridor)
        variances[row, corridor] = _figure(np.var, steps, grid, row, corridor)
    return {"mean": means, "var": variances}


def _figure(function: Callable[..., Any], steps: FloatArray, grid: _Grid, row: int, corridor: int) -> float:
    """Return numpy's own figure of the steps of one series: any figure, or one that rounding decides."""
    inside = grid.inside(row, corridor)
    return float(function(steps[row][inside])) if inside.any() else 0.0


def _figures(function: Callable[..., Any], steps: FloatArray, grid: _Grid, corridor: int) -> FloatArray:
    return np.array([_figure(function, steps, grid, row, corridor) for row in range(len(steps))])


def _by_pandas(series: FloatArray, one: Params) -> float:
    """Return the figure of a series with infinities, between which a quantile is what pandas makes of it."""
    import pandas as pd

    try:
        inside = np.asarray(pd.qcut(series, [one["ql"], one["qh"]], labels=False)) == 0
    except ValueError:  # there is no such corridor
        return 0.0
    within, steps = inside[1:] & inside[:-1], np.diff(series)
    steps = np.abs(steps) if one["isabs"] else steps
    return float(getattr(np, one["f_agg"])(steps[within])) if within.any() else 0.0
