"""A series explained by its own past."""

from collections.abc import Iterable, Sequence

import numpy as np

from wristkit.features import least_squares
from wristkit.features.batch import Batch, Mask
from wristkit.features.registry import Column, Params, together
from wristkit.recording import FloatArray


@together
def ar_coefficient(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Weight ``coeff`` in the regression of a sample on a constant and the ``k`` samples before it.

    As in tsfresh the last weight is 0, not NaN, where a series is too short for ``k``.
    """
    found = {order: _weights(batch.values, order) for order in dict.fromkeys(int(one["k"]) for one in params)}
    fitted = any(0 < order < batch.samples - order for order in found)
    refused = ~(batch.values[:, :-1] < np.inf).all(axis=1) & fitted  # by statsmodels, and then nothing is returned
    for one in params:
        order, place = int(one["k"]), int(one["coeff"])
        weights, failed = found[order]
        absent = np.where(refused, np.nan, np.nan if -order <= place < order else 0.0)
        held = weights[:, place] if -order - 1 <= place <= order else np.zeros(len(batch))
        values = np.where(failed | refused, absent, held) if place <= order else np.full(len(batch), np.nan)
        yield f"coeff_{one['coeff']}__k_{one['k']}", values


def _weights(values: FloatArray, order: int) -> tuple[FloatArray, Mask]:
    """Return the constant and the weights (n, order + 1), and which series have none."""
    rows, samples = values.shape
    weights = np.full((rows, max(order, 0) + 1), np.nan)
    if order < 0 or samples - order < order + 1:
        return weights, np.ones(rows, np.bool_)
    failed = np.asarray(~np.isfinite(values[:, :-1]).all(axis=1) & (order > 0))
    for part in least_squares.parts(rows, (samples - order) * (order + 2)):
        weights[part] = _weights_of_part(values[part], order, failed[part])
    return weights, failed


def _weights_of_part(values: FloatArray, order: int, failed: Mask) -> FloatArray:
    tall = values.shape[1] - order
    past = [least_squares.lagged(values, lag, tall) for lag in range(1, order + 1)]
    columns = np.stack([np.ones((len(values), tall)), *past, values[:, order:]], axis=1)
    roots = least_squares.triangles(columns)[:, : order + 1]
    inverse, sound = least_squares.inverted(roots[:, :, :-1])
    weights: FloatArray = np.matmul(inverse, roots[:, :, -1:])[:, :, 0]
    odd = np.flatnonzero(~(sound & np.isfinite(values[:, -1])) & ~failed)
    if len(odd):
        weights[odd] = least_squares.one_by_one(values[odd], lambda series: _weights_of(series, order))
    return weights


def _weights_of(series: FloatArray, order: int) -> FloatArray:
    """Return the constant and the weights (order + 1,) of one series."""
    tall = len(series) - order
    past = [least_squares.lagged(series, lag, tall) for lag in range(1, order + 1)]
    try:
        return least_squares.fit(np.column_stack([np.ones(tall), *past]), series[order:]).weights
    except np.linalg.LinAlgError:
        return np.full(order + 1, np.nan)
