"""Whether a series wanders off or comes back to a level."""

from collections.abc import Iterable, Sequence
from math import ceil, log, pi
from typing import NamedTuple

import numpy as np

from wristkit.features import least_squares
from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import Column, Params, together
from wristkit.recording import FloatArray

_RULES = ("aic", "bic", "t-stat")
_T_STOP = 1.6448536269514722  # the normal distribution's 95 %
_CLOSE = 1e-8  # criteria so near to each other are told apart by rounding

# MacKinnon (1994), "Approximate asymptotic distribution functions for unit-root and cointegration tests", with a
# constant: where the statistic's distribution ends, where the two polynomials of it meet, and the polynomials.
_LEAST, _MEETING, _GREATEST = -18.83, -1.61, 2.74
_LEFT = np.polynomial.Polynomial((2.1659, 1.4412, 3.8269e-2))
_RIGHT = np.polynomial.Polynomial((1.7339, 9.3202e-1, -1.2745e-1, -1.0368e-2))


@together
def augmented_dickey_fuller(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Test for a unit root (Dickey and Fuller 1979; Said and Dickey 1984): statistic, its p-value, and lags in use."""
    found = {rule: _test(batch, rule) for rule in dict.fromkeys(one.get("autolag", "AIC") for one in params)}
    for one in params:
        rule = one.get("autolag", "AIC")
        values = found[rule].get(one["attr"], np.full(len(batch), np.nan))
        yield f'attr_"{one["attr"]}"__autolag_"{rule}"', values


def _test(batch: Batch, rule: str | None) -> dict[str, FloatArray]:
    if rule is not None and rule.lower() not in _RULES:
        raise ValueError(f"autolag of augmented_dickey_fuller is {rule!r}, expected 'AIC', 'BIC', 't-stat' or None")
    statistic, lags = np.full((2, len(batch)), np.nan)
    most = min(batch.samples // 2 - 2, ceil(12.0 * (batch.samples / 100.0) ** 0.25))
    usable = (batch.greatest != batch.least) & np.isfinite(batch.values[:, :-1]).all(axis=1)
    rows = np.flatnonzero(usable & (most >= 0))
    for part in least_squares.parts(len(rows), (batch.samples - 1 - most) * (most + 3)):
        own = rows[part]
        statistic[own], lags[own] = _statistics(batch.values[own], most, rule and rule.lower())
    return {"teststat": statistic, "pvalue": _p_values(statistic), "usedlag": lags}


def _p_values(statistic: FloatArray) -> FloatArray:
    """Return how likely a statistic as low is of a series with a unit root."""
    from scipy.special import ndtr

    found = ndtr(np.where(statistic <= _MEETING, _LEFT(statistic), _RIGHT(statistic)))
    return np.where(statistic < _LEAST, 0.0, np.where(statistic > _GREATEST, 1.0, found))


def _statistics(values: FloatArray, most: int, rule: str | None) -> tuple[FloatArray, FloatArray]:
    """Return (n,) the statistics and the lags in use of series that are finite but for the last sample."""
    steps = np.diff(values, axis=1)
    tall = steps.shape[1] - most
    level = values[:, most:-1]
    past = [least_squares.lagged(steps, lag, tall) for lag in range(1, most + 1)]
    roots = least_squares.triangles(np.stack([np.ones(level.shape), level, *past, steps[:, most:]], axis=1))
    sound = least_squares.inverted(roots[:, :-1, :-1])[1]
    lags, clear = _lags(roots, tall, rule)
    statistic, found = np.empty(len(values)), lags.astype(np.float64)
    for lag in np.unique(lags):
        same = np.flatnonzero(lags == lag)
        statistic[same] = _statistic_at(_Common(values[same], steps[same], roots[same], most), int(lag))
    odd = np.flatnonzero(~(sound & clear & np.isfinite(values[:, -1])))
    if len(odd):
        alone = least_squares.one_by_one(values[odd], lambda series: _statistic_of(series, most, rule))
        statistic[odd], found[odd] = alone.T
    return statistic, found


def _lags(roots: FloatArray, tall: int, rule: str | None) -> tuple[IntArray, Mask]:
    """Return the number of lags (n,) that a rule chooses, and whether it chooses clearly."""
    last = roots[:, :, -1]
    squares = np.cumsum(np.square(last)[:, ::-1], axis=1)[:, ::-1]  # from a row on: what the columns before leave
    left, counts = squares[:, 2:], np.arange(2, last.shape[1])
    clear = np.asarray(left[:, -1] > 1e-16 * squares[:, 0])
    if rule is None:
        return np.full(len(roots), left.shape[1] - 1), clear
    if rule == "t-stat":
        beyond = np.abs(last[:, 1:-1]) / np.sqrt(left / (tall - counts)) - _T_STOP
        chosen = beyond >= 0
        chosen[:, 0] = True
        places = np.asarray(chosen.shape[1] - 1 - chosen[:, ::-1].argmax(axis=1))
        return places, np.asarray(clear & (np.abs(beyond) > _CLOSE).all(axis=1))
    criteria = tall * np.log(left) + _penalty(rule, tall) * counts
    apart = criteria - criteria.min(axis=1, keepdims=True)
    return criteria.argmin(axis=1), np.asarray(clear & (np.count_nonzero(apart < _CLOSE, axis=1) == 1))


def _penalty(rule: str, tall: int) -> float:
    """Return what a weight more costs: Akaike's criterion, or Schwarz's."""
    return 2.0 if rule == "aic" else log(tall)


class _Common(NamedTuple):
    """Series and their steps, and the triangles of the design over the samples that have all of ``most`` lags."""

    values: FloatArray
    steps: FloatArray
    roots: FloatArray
    most: int


def _statistic_at(common: _Common, lags: int) -> FloatArray:
    """Return the t-statistics of the level with so many lags, over all samples that have them.

    A triangle stands for the samples that all have; those that only fewer lags leave are set below it.
    """
    values, steps, roots, most = common
    known = lags + 2
    design = np.zeros((len(values), known + 1, known + 1 + most - lags))
    design[:, :-1, :known] = roots[:, :known, [0, *range(2, known), 1]].swapaxes(1, 2)
    design[:, -1, :known] = roots[:, :known, -1]
    design[:, -1, known] = np.sqrt(np.square(roots[:, known:, -1]).sum(axis=1))
    below = design[:, :, known + 1 :]
    below[:, 0] = 1.0
    for lag in range(1, lags + 1):
        below[:, lag] = steps[:, lags - lag : most - lag]
    below[:, -2], below[:, -1] = values[:, lags:most], steps[:, lags:most]
    root = least_squares.triangles(design)
    noise = np.abs(root[:, -1, -1]) / np.sqrt(steps.shape[1] - lags - known)
    return np.asarray(root[:, -2, -1] * np.sign(root[:, -2, -2]) / noise)


def _statistic_of(series: FloatArray, most: int, rule: str | None) -> FloatArray:
    """Return the statistic and the lags in use (2,) of one series."""
    steps = np.diff(series)
    try:
        lags = _lags_of(_design_of(series, steps, most), steps[most:], rule)
        design = _with_constant(_design_of(series, steps, lags), first=False)
        return np.array([least_squares.fit(design, steps[lags:]).t_statistics[0], lags])
    except np.linalg.LinAlgError:
        return np.full(2, np.nan)


def _design_of(series: FloatArray, steps: FloatArray, lags: int) -> FloatArray:
    """Return the level and the lagged steps as columns."""
    past = [least_squares.lagged(steps, lag, len(steps) - lags) for lag in range(1, lags + 1)]
    return np.column_stack([series[lags:-1], *past])


def _with_constant(design: FloatArray, *, first: bool) -> FloatArray:
    """Return the design and a column of ones, unless one of its own never changes and is not zero."""
    if np.any((np.ptp(design, axis=0) == 0) & (design[0] != 0)):
        return design
    ones = np.ones(len(design))
    return np.column_stack([ones, design] if first else [design, ones])


def _lags_of(design: FloatArray, target: FloatArray, rule: str | None) -> int:
    """Return the number of lags that a rule chooses for one series."""
    most: int = design.shape[1] - 1
    whole = _with_constant(design, first=True)
    widths = range(whole.shape[1] - most, whole.shape[1] + 1)
    if rule is None:
        return most
    fits = (least_squares.fit(whole[:, :width], target) for width in (widths if rule != "t-stat" else widths[::-1]))
    if rule == "t-stat":
        return next((most - place for place, one in enumerate(fits) if abs(one.t_statistics[-1]) >= _T_STOP), 0)
    penalty = _penalty(rule, len(target))
    return int(min((_criterion(one, penalty), lags) for lags, one in enumerate(fits))[1])


def _criterion(fit: least_squares.Fit, penalty: float) -> float:
    """Return minus twice the log-likelihood, and the penalty for each weight."""
    count = float(len(fit.left))
    likelihood = -count / 2 * (np.log(2 * pi)) - count / 2 * np.log(np.sum(fit.left**2) / count) - count / 2
    return float(-2 * likelihood + penalty * fit.rank)
