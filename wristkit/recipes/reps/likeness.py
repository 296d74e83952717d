"""What comes again and again in values (n, axes) on an even grid: where, at which lag, and each time that it comes."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray

IntArray = npt.NDArray[np.int64]

_LAG_STEP = 1.06  # from one lag to the next
_WINDOW_LAGS = 2  # a window spans so many lags, and is compared with the one a lag later
_NEAR_BEST = 0.85  # of two lags of about the same similarity the shorter is the period
_DIP = 0.25  # by so much similarity is lower between two periods
_ROUNDING = 1e-9  # of a similarity of 0
_SHAPE_POINTS = 32
_LIKE_EACH_OTHER = 0.7  # the correlation of shapes that one is made of
_TEMPOS = (0.75, 0.87, 1.0, 1.15, 1.32)
_SIZES = (0.4, 2.2)  # of the usual shape
_CLOSEST = 0.75  # of a period, between two peaks (RecoFit)
_HEIGHT_QUANTILE, _HEIGHT_SHARE = 0.4, 0.5  # what is lower than half of the 40th percentile is no peak (RecoFit)


class Similarity(NamedTuple):
    """Of k centres (k,) rows: the lag in rows at which values repeat best, how well (to 1), and their spread.

    The lag is NaN where none stands out.
    """

    centre: IntArray
    lag: FloatArray
    value: FloatArray
    spread: FloatArray


def similarity(values: FloatArray, *, lags: tuple[int, int], hop: int) -> Similarity:
    """Return how well values (n, d) repeat around every ``hop``-th row, for lags from the first to the second.

    Of each lag it is the correlation of a window of two lags with the window one lag later, over all axes at once.
    """
    centre, every = np.arange(0, len(values), hop), lag_grid(*lags)
    table, spread = np.full((len(every), len(centre)), np.nan), np.zeros((len(every), len(centre)))
    sums, squares = _summed(values), _summed(np.sum(values**2, axis=1))
    for row, lag in enumerate(every.tolist()):
        window = _WINDOW_LAGS * lag
        first = centre - (window + lag) // 2
        inside = (first >= 0) & (first + window + lag <= len(values))
        at = first[inside]
        if len(at):
            products = _summed(np.einsum("nd,nd->n", values[:-lag], values[lag:]))
            one, other = _means(sums, at, window), _means(sums, at + lag, window)
            together = _means(products, at, window) - np.einsum("nd,nd->n", one, other)
            own = np.maximum(_means(squares, at, window) - np.sum(one**2, axis=1), 0)
            later = np.maximum(_means(squares, at + lag, window) - np.sum(other**2, axis=1), 0)
            table[row, inside] = together / np.maximum(np.sqrt(own * later), 1e-12)
            spread[row, inside] = np.sqrt(np.minimum(own, later))
    return _best(centre, every, table, spread)


def lag_grid(shortest: int, longest: int) -> IntArray:
    """Return whole lags that grow by 6 %, or by one."""
    count = int(np.ceil(np.log(longest / shortest) / np.log(_LAG_STEP)))
    lags = np.round(shortest * _LAG_STEP ** np.arange(count + 1)).clip(shortest, longest)
    return np.unique(lags.astype(np.int64))


def _summed(values: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _means(summed: FloatArray, first: IntArray, window: int) -> FloatArray:
    return np.asarray((summed[first + window] - summed[first]) / window)


def _best(centre: IntArray, every: IntArray, table: FloatArray, spread: FloatArray) -> Similarity:
    """Return the shortest lag whose similarity is a peak after a dip, and near that of the best such peak."""
    around = np.pad(np.where(np.isnan(table), 2.0, table), ((1, 1), (0, 0)), constant_values=((2.0, -1.0), (0.0, 0.0)))
    peak = (table >= around[:-2]) & (table > around[2:])  # none beside a lag for which there is no room
    peak &= table - np.fmin.accumulate(table, axis=0) >= _DIP
    heights = np.where(peak, table, 0.0)
    good = peak & (heights > _ROUNDING) & (heights >= _NEAR_BEST * heights.max(axis=0))
    row, column = np.argmax(good, axis=0), np.arange(len(centre))
    found = good[row, column]
    lag = np.where(found, every[row], np.nan)
    return Similarity(centre, lag, np.where(found, table[row, column], 0.0), np.where(found, spread[row, column], 0.0))


def dominant_axis(values: FloatArray) -> FloatArray:
    """Return (d,) the direction along which values (n, d) vary most."""
    centred = values - values.mean(axis=0)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1][:, -1])


def peaks_of(line: FloatArray, period: float) -> IntArray:
    """Return the rows of peaks about a period apart along a line (n,)."""
    from scipy.signal import find_peaks

    reach = 2 * max(1, round(1.2 * period)) + 1
    peak, traits = find_peaks(line, distance=max(1.0, _CLOSEST * period), prominence=0, wlen=reach)
    if not len(peak):
        return np.asarray(peak, dtype=np.int64)
    height = traits["prominences"]
    return np.asarray(peak[height >= _HEIGHT_SHARE * np.quantile(height, _HEIGHT_QUANTILE)], dtype=np.int64)


def shapes(values: FloatArray, at: IntArray, period: float) -> FloatArray:
    """Return (k, points, d) what values do within half a period around each row, without their mean."""
    steps = np.linspace(-0.5, 0.5, _SHAPE_POINTS) * period
    places = np.clip(at[:, None] + steps, 0, len(values) - 1)
    below = np.minimum(places.astype(np.int64), len(values) - 2)
    share = (places - below)[..., None]
    cut = values[below] * (1 - share) + values[below + 1] * share
    return np.asarray(cut - cut.mean(axis=1, keepdims=True))


def usual_shape(cut: FloatArray) -> FloatArray:
    """Return (points, d) the median of those shapes (k, points, d) that are like the one to which most are alike."""
    flat = cut.reshape(len(cut), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    each = flat @ flat.T
    middle = np.argmax(np.sum(np.where(each > 0.5, each, 0.0), axis=1))
    return np.asarray(np.median(cut[each[middle] > _LIKE_EACH_OTHER], axis=0))


def matches(
    values: FloatArray, usual: FloatArray, period: float, *, least: float, apart: float
) -> tuple[IntArray, FloatArray]:
    """Return the rows around which values look like the usual shape, and how much (k,), to 1.

    Each may be faster or slower than ``period`` by a third; two are ``apart`` rows from each other or more.
    """
    from scipy.signal import find_peaks

    rows = np.arange(0, len(values), 2)
    whole, best = float(np.linalg.norm(usual)), np.zeros(len(rows))
    for tempo in _TEMPOS:
        cut = shapes(values, rows, period * tempo)
        size = np.sqrt(np.einsum("kpd,kpd->k", cut, cut))
        fits = np.einsum("kpd,pd->k", cut, usual) / np.maximum(size * whole, 1e-12)
        best = np.maximum(best, np.where((size >= _SIZES[0] * whole) & (size <= _SIZES[1] * whole), fits, 0.0))
    at, _ = find_peaks(np.pad(best, 1), height=least, distance=max(1.0, apart / 2))
    return rows[at - 1], best[at - 1]
