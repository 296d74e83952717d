"""Whether motion repeats itself: steps, strokes, shakes."""

import numpy as np
import numpy.typing as npt

from wristkit.features.wrist.registry import wrist_feature
from wristkit.features.wrist.seen import COSTLY, Seen, Shape, means, ratio
from wristkit.recording import FloatArray


def _long_enough(shape: Shape) -> bool:
    first, stop = shape.cadence_lags
    return stop - first >= 3


def _at(table: FloatArray, places: npt.NDArray[np.floating]) -> FloatArray:
    """Return one column a row; 0 beyond the last."""
    inner = np.minimum(places.astype(np.int64), table.shape[1] - 1)
    found = np.take_along_axis(table, inner[:, None], axis=1)[:, 0]
    return np.where(places < table.shape[1], found, 0.0)


@wrist_feature("Hz", needs=["push", "likeness", "cadence_lag"], fixed=COSTLY, fits=_long_enough)
def cadence(seen: Seen) -> FloatArray:
    """Repetitions a second, from 0.5 to 3.5; 0 where nothing repeats."""
    lag = seen.cadence_lag.astype(np.float64)
    return ratio(np.full(len(lag), seen.shape.rate_hz), lag)


@wrist_feature("1", needs=["push", "likeness", "cadence_lag"], fits=_long_enough)
def regularity(seen: Seen) -> FloatArray:
    """How much motion resembles itself one repetition later: 1 exactly."""
    return np.where(seen.cadence_lag > 0, _at(seen.likeness, seen.cadence_lag.astype(np.float64)), 0.0)


@wrist_feature("1", needs=["push", "likeness", "cadence_lag"], fixed=2, fits=_long_enough)
def asymmetry(seen: Seen) -> FloatArray:
    """How much more it resembles itself two repetitions later than one: left and right step differ."""
    twice = 2.0 * seen.cadence_lag
    later = _at(seen.likeness, twice)
    known = (seen.cadence_lag > 0) & (twice < seen.likeness.shape[1])
    return np.where(known, later - _at(seen.likeness, seen.cadence_lag.astype(np.float64)), 0.0)


def _harmonic(seen: Seen, times: float) -> FloatArray:
    """Return the share of the power near a multiple of the cadence, in that near both."""
    spectrum = seen.push_spectrum
    place = ratio(np.full(len(spectrum), float(seen.shape.samples)), seen.cadence_lag.astype(np.float64))

    def near(at: npt.NDArray[np.floating]) -> FloatArray:
        middle = np.rint(at)
        return _at(spectrum, middle - 1) + _at(spectrum, middle) + _at(spectrum, middle + 1)

    own, other = near(place), near(times * place)
    return np.where(seen.cadence_lag > 0, ratio(other, own + other), 0.0)


_RHYTHM = ("push", "likeness", "cadence_lag", "push_spectrum")


@wrist_feature("1", needs=_RHYTHM, fixed=12 + 2 * COSTLY, fits=_long_enough)
def second_harmonic(seen: Seen) -> FloatArray:
    """Power at twice the cadence, as a share of that at both."""
    return _harmonic(seen, 2.0)


@wrist_feature("1", needs=_RHYTHM, fixed=12 + 2 * COSTLY, fits=_long_enough)
def third_harmonic(seen: Seen) -> FloatArray:
    """Power at three times the cadence, as a share of that at both."""
    return _harmonic(seen, 3.0)


@wrist_feature("1", needs=_RHYTHM, fixed=12 + 2 * COSTLY, fits=_long_enough)
def half_harmonic(seen: Seen) -> FloatArray:
    """Power at half the cadence, as a share of that at both: every second one is stronger."""
    return _harmonic(seen, 0.5)


@wrist_feature("1/s", needs=["push"], per_sample=4, fixed=COSTLY)
def mean_crossings(seen: Seen) -> FloatArray:
    """How often a second the length of acceleration crosses its mean."""
    above = seen.push > means(seen.push)[:, None]
    crossed = np.count_nonzero(above[:, 1:] != above[:, :-1], axis=1)
    return np.asarray(crossed * (seen.shape.rate_hz / seen.shape.samples))


@wrist_feature("1", needs=["push"], per_sample=3, fixed=COSTLY)
def turning_points(seen: Seen) -> FloatArray:
    """Share of the samples at which the length of acceleration turns from rising to falling or back."""
    rises = np.diff(seen.push, axis=1) > 0
    turned = np.count_nonzero(rises[:, 1:] != rises[:, :-1], axis=1)
    return np.asarray(turned / max(seen.shape.samples - 2, 1))


@wrist_feature("1", needs=["push"], per_sample=8, fixed=13 * COSTLY)
def order_disorder(seen: Seen) -> FloatArray:
    """Entropy of the order of three samples in a row: 0 always the same, 1 all six alike (Bandt and Pompe, 2002)."""
    first, second, third = seen.push[:, :-2], seen.push[:, 1:-1], seen.push[:, 2:]
    code = (first <= second) * 4 + (second <= third) * 2 + (first <= third) * 1
    count = max(seen.shape.samples - 2, 1)
    shares = np.stack([np.count_nonzero(code == one, axis=1) for one in range(8)], axis=1) / count
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) / np.log(6.0))
