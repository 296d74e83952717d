"""Correlation of two motions at every lag, and which lag stands out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray
from wristkit.signals.motion import MOTION_HZ, Motion
from wristkit.signals.pieces import IntArray, Mask

_VARIES = 0.05  # standard deviation of motion energy: below it nothing moved
_LAGS_ALIKE = 5.0  # neighbouring lags of motion below 5 Hz tell the same
_ONE_PEAK = MOTION_HZ / 4  # lags within a quarter of a second are the flank of one peak


class Lags(NamedTuple):
    """Correlation ``r`` (k,) at rising whole ``lags``; NaN where too few samples met or nothing moved.

    At lag k, place p of the reference meets place p - k of the other. ``share`` (k,) is how many samples met, of the
    most that met at any lag.
    """

    lags: IntArray
    r: FloatArray
    share: FloatArray


def correlate(one: Motion, others: Sequence[Motion], *, least: int) -> Lags:
    """Return the mean over the views of the correlation of what both have, where that is ``least`` samples or more.

    The parts of the other lie farther apart than the reference is long, so that no lag lets it meet two of them.
    """
    met = [_correlated(one, other) for other in reversed(others)]  # the later a part, the lower its lags
    lags, total, count = (np.concatenate(column) for column in zip(*met, strict=True))
    return Lags(lags, np.where(count >= least, total / len(one.values), np.nan), count / max(count.max(), 1))


def _correlated(one: Motion, other: Motion) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return lags (k,), the sum over the views of the correlation, and how many samples met."""
    from scipy.signal import correlate as products_at
    from scipy.signal import correlation_lags

    def sums(left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(products_at(left, right, method="fft"))

    mask, other_mask = one.valid.astype(np.float64), other.valid.astype(np.float64)
    count = np.round(sums(mask, other_mask))
    met = np.maximum(count, 1)
    total = np.zeros(len(count))
    for left, right in zip(one.values, other.values, strict=True):
        a, b = _centred(left, mask), _centred(right, other_mask)
        mean_a, mean_b = sums(a, other_mask) / met, sums(mask, b) / met
        spread_a = np.sqrt(np.maximum(sums(a**2, other_mask) / met - mean_a**2, 0))
        spread_b = np.sqrt(np.maximum(sums(mask, b**2) / met - mean_b**2, 0))
        moved = (spread_a > _VARIES) & (spread_b > _VARIES)
        covariance = sums(a, b) / met - mean_a * mean_b
        total += np.divide(covariance, spread_a * spread_b, out=np.full(len(count), np.nan), where=moved)
    return correlation_lags(len(mask), len(other_mask)) + one.first - other.first, total, count


def _centred(values: FloatArray, mask: FloatArray) -> FloatArray:
    return np.asarray((values - values.sum() / max(mask.sum(), 1)) * mask)


class Peak(NamedTuple):
    """The lag that stands out: in samples with fraction, its correlation, and how much it stands out.

    ``runner_up`` is the next highest peak more than a quarter of a second away, at ``runner_up_lag``; ``above`` is the
    height of the peak over the mean of all other lags, in their standard deviations, and ``by_chance`` how high the
    highest of as many lags of noise would lie.
    """

    lag: float
    r: float
    runner_up: float
    runner_up_lag: float
    above: float
    by_chance: float


def best_lag(found: Lags, *, low: float, high: float) -> Peak | None:
    """Return the highest peak with ``low <= lag <= high``; None where no lag could be looked at.

    What it stands above are all lags, also those beyond the limits.
    """
    lags, r = found.lags, found.r
    score = r * np.sqrt(found.share)  # the fewer samples meet, the higher chance gets
    allowed = np.isfinite(r) & (lags >= low) & (lags <= high)
    if not allowed.any():
        return None
    best = int(np.argmax(np.where(allowed, score, -np.inf)))
    near = np.abs(lags - lags[best]) <= _ONE_PEAK
    rivals = np.flatnonzero(_is_peak(score) & allowed & ~near)
    rival = rivals[np.argmax(score[rivals])] if len(rivals) else -1
    others = score[np.isfinite(r) & ~near]
    spread = float(np.std(others)) if len(others) else 0.0
    return Peak(
        float(lags[best]) + _vertex(r[max(0, best - 1) : best + 2]),
        float(r[best]),
        float(r[rival]) if len(rivals) else 0.0,
        float(lags[rival]) if len(rivals) else float("nan"),
        (float(score[best]) - float(np.mean(others))) / spread if spread > 0 else 0.0,
        float(np.sqrt(2 * np.log(max(len(others) / _LAGS_ALIKE, 1.0)))),
    )


def _is_peak(r: FloatArray) -> Mask:
    inner = (r[1:-1] >= r[:-2]) & (r[1:-1] > r[2:])
    return np.concatenate([[False], inner, [False]])


def _vertex(three: FloatArray) -> float:
    """Return where the parabola through three neighbours is highest, from the middle one; 0 at an end."""
    if len(three) < 3 or not np.isfinite(three).all():
        return 0.0
    left, middle, right = three.tolist()
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
