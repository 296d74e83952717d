"""How a series goes with itself some samples later."""

from collections.abc import Iterable, Sequence

import numpy as np

from wristkit.features.batch import Batch
from wristkit.features.registry import Column, Params, each, together
from wristkit.recording import FloatArray


@each
def autocorrelation(batch: Batch, lag: int) -> FloatArray:
    """Mean product of the centred samples ``lag`` apart over the variance; NaN where there is next to none."""
    if lag < 0:
        raise ValueError(f"lag of autocorrelation is {lag}, expected 0 or more")
    pairs = batch.samples - lag
    if pairs < 0:
        return np.full(len(batch), np.nan)
    products = np.vecdot(batch.centred[:, :pairs], batch.centred[:, lag:])
    return np.where(batch.variances <= 1e-8, np.nan, products / (pairs * batch.variances))


@together
def agg_autocorrelation(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """One number of numpy's, such as the mean, of the autocorrelations at the lags 1 to ``maxlag``."""
    most = max(int(one["maxlag"]) for one in params)
    means = _mean_products(batch, min(most, batch.samples - 1))
    flat = (batch.variances < 1e-10) | (batch.samples == 1)
    correlations = np.where(flat, 0.0, means[1:] / means[0]) if len(means) > 1 else np.zeros((1, len(batch)))
    for one in params:
        if one["maxlag"] < 1:
            raise ValueError(f"maxlag of agg_autocorrelation is {one['maxlag']}, expected 1 or more")
        values = getattr(np, one["f_agg"])(correlations[: int(one["maxlag"])], axis=0)
        yield f'f_agg_"{one["f_agg"]}"__maxlag_{one["maxlag"]}', values


@together
def partial_autocorrelation(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Autocorrelation without what shorter lags explain (Durbin 1960); NaN from half the length on."""
    wanted = max(int(one["lag"]) for one in params)
    most = batch.samples // 2 - 1 if wanted >= batch.samples // 2 else wanted
    beyond = np.full(len(batch), np.nan)
    found = _durbin(_mean_products(batch, most).T) if most > 0 else np.empty((0, len(batch)))
    for one in params:
        lag = int(one["lag"])
        if lag < 0:
            raise ValueError(f"lag of partial_autocorrelation is {lag}, expected 0 or more")
        yield f"lag_{one['lag']}", found[lag] if lag < len(found) else beyond


def _mean_products(batch: Batch, most: int) -> FloatArray:
    """Return (lags from 0 to most, n) mean product of the centred samples that are a lag apart."""
    pairs = [(batch.centred[:, lag:], batch.centred[:, : batch.samples - lag]) for lag in range(most + 1)]
    return np.stack([np.vecdot(late, early) / early.shape[1] for late, early in pairs])


def _durbin(means: FloatArray) -> FloatArray:
    """Return (lags, n) the partial autocorrelations of mean products (n, lags), 1 at lag 0.

    Where a series is all but a rule without chance the recursion divides rounding by rounding; the order of the sums,
    down to the layout that decides it in BLAS, is that of statsmodels.
    """
    rows, lags = means.shape
    weights = np.zeros((rows, lags, lags))
    weights[:, 0, 0] = 1.0
    weights[:, 1, 1] = means[:, 1] / means[:, 0]
    left = means[:, 0] - weights[:, 1, 1] * means[:, 1]
    for lag in range(2, lags):
        known = weights[:, 1:lag, lag - 1]
        last = (means[:, lag] - np.vecdot(known, means[:, lag - 1 : 0 : -1].copy())) / left
        weights[:, lag, lag] = last
        weights[:, 1:lag, lag] = known - last[:, None] * known[:, ::-1]
        left = left * (1 - last**2)
    return np.diagonal(weights, axis1=1, axis2=2).T.copy()
