"""How sharp the sharpest moment is, and whether there are two: taps, pinches, knocks."""

import numpy as np

from wristkit.features.wrist.registry import wrist_feature
from wristkit.features.wrist.seen import COSTLY, Seen, Shape, means, ratio
from wristkit.recording import FloatArray

_LONGEST_TAP_S = 0.1  # what lies nearer to the sharpest moment belongs to it


def _several(shape: Shape) -> bool:
    return shape.samples >= 4


def _peak(seen: Seen) -> FloatArray:
    return np.asarray(seen.jerk.max(axis=1))


def _far_from_peak(seen: Seen) -> FloatArray:
    """Return the jerk of what does not belong to the sharpest moment; -1 where it does."""
    at = np.argmax(seen.jerk, axis=1)
    apart = np.abs(np.arange(seen.jerk.shape[1]) - at[:, None])
    return np.where(apart > _LONGEST_TAP_S * seen.shape.rate_hz, seen.jerk, -1.0)


@wrist_feature("g/s", needs=["jerk"], per_sample=1, fixed=COSTLY, fits=_several)
def jerk_mean(seen: Seen) -> FloatArray:
    """Mean jerk."""
    return means(seen.jerk)


@wrist_feature("g/s", needs=["jerk"], per_sample=1, fits=_several)
def jerk_peak(seen: Seen) -> FloatArray:
    """Greatest jerk: how sharp the sharpest moment is."""
    return _peak(seen)


@wrist_feature("g/s", needs=["jerk", "ordered_jerk"], fixed=2, fits=_several)
def jerk_usual(seen: Seen) -> FloatArray:
    """Median jerk."""
    count = seen.ordered_jerk.shape[1]
    return (seen.ordered_jerk[:, (count - 1) // 2] + seen.ordered_jerk[:, count // 2]) / 2


@wrist_feature("1", needs=["jerk"], per_sample=3, fixed=3 * COSTLY, fits=_several)
def tap_sharpness(seen: Seen) -> FloatArray:
    """Greatest jerk in the root of its mean square: a lone tap stands out."""
    return ratio(_peak(seen), np.sqrt(means(seen.jerk * seen.jerk)))


@wrist_feature("1", needs=["jerk", "ordered_jerk"], fixed=COSTLY, fits=_several)
def jerk_evenness(seen: Seen) -> FloatArray:
    """Ninetieth percentile of jerk, as a share of its greatest: near 0 for a lone tap, near 1 for a shake."""
    return ratio(seen.ordered_jerk[:, int(0.9 * (seen.ordered_jerk.shape[1] - 1))], _peak(seen))


@wrist_feature("s", needs=["jerk"], per_sample=4, fixed=COSTLY, fits=_several)
def tap_width(seen: Seen) -> FloatArray:
    """Seconds for which jerk stays above half of its greatest, around that."""
    count = seen.jerk.shape[1]
    place, at = np.arange(count), np.argmax(seen.jerk, axis=1)[:, None]
    below = seen.jerk < 0.5 * _peak(seen)[:, None]
    before = np.where(below & (place < at), place, -1).max(axis=1)
    after = np.where(below & (place > at), place, count).min(axis=1)
    return np.asarray((after - before - 1) / seen.shape.rate_hz)


@wrist_feature("1", needs=["jerk"], per_sample=4, fits=_several)
def sharp_moments(seen: Seen) -> FloatArray:
    """How often jerk rises above half of its greatest."""
    above = seen.jerk >= 0.5 * _peak(seen)[:, None]
    rising = np.count_nonzero(above[:, 1:] & ~above[:, :-1], axis=1) + above[:, 0]
    return np.where(_peak(seen) > 0, rising, 0).astype(np.float64)


@wrist_feature("1", needs=["jerk"], per_sample=5, fixed=COSTLY, fits=_several)
def second_tap(seen: Seen) -> FloatArray:
    """Greatest jerk more than 0.1 s from the greatest of all, in that: near 1 for a double tap."""
    return ratio(np.maximum(_far_from_peak(seen).max(axis=1), 0.0), _peak(seen))


@wrist_feature("s", needs=["jerk"], per_sample=5, fixed=COSTLY, fits=_several)
def time_between_taps(seen: Seen) -> FloatArray:
    """Seconds between the two sharpest moments; 0 where there is only one."""
    apart = _far_from_peak(seen)
    between = np.abs(np.argmax(apart, axis=1) - np.argmax(seen.jerk, axis=1)) / seen.shape.rate_hz
    return np.where(apart.max(axis=1) > 0, between, 0.0)


@wrist_feature("1", needs=["jerk"], per_sample=6, fixed=4 * COSTLY, fits=_several)
def jerk_tails(seen: Seen) -> FloatArray:
    """Kurtosis of jerk: much from few moments."""
    centred = seen.jerk - means(seen.jerk)[:, None]
    squared = centred * centred
    return ratio(means(squared * squared), means(squared) ** 2)
