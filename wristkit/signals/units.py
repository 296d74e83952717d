"""What physics says of units and signs: the length of gravity, how fast it turns, what a wrist can do."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import BLOCK_ROWS, FloatArray, Recording, Stream
from wristkit.signals.pieces import Ends, Finding, Mask, Values, bin_means, extremes, pieces

# A window of about 1 s is still where the length of acceleration varies by less than 3 % of itself, or by the noise
# of a resting sensor; the latter alone can hold where gravity was taken out.
_STILL_S, _STILL_SAMPLES = 1.0, 8
_STILL_SHARE, _STILL_G = 0.03, 0.01
_FEW_WINDOWS, _MANY_WINDOWS = 3, 10  # still ones; any, where too few are still

_GRAVITY_G = (0.9, 1.1)  # sensors as they come from the factory are off by up to some 5 %
_NO_GRAVITY_G = 0.05
_NOT_TAKEN_OUT_G = 0.5
# Length of gravity in a stream that says g -> the unit that its values have, and what to do.
_OTHER_UNITS = (
    ((8.8, 10.8), "they are m/s2", "load it with unit='m/s2', or divide by 9.80665"),
    ((0.085, 0.12), "they were g and were divided by 9.8", "load it with unit='g', or multiply by 9.80665"),
    ((900.0, 1100.0), "they are thousandths of g", "divide by 1000"),
)

_FASTEST_USUAL_RAD_S = 35.0  # 2000 deg/s, the range of most sensors: nobody turns so fast half of the time
_TURN_BIN_S = 0.3  # shorter ones hold too much of the hand's own acceleration, longer ones blur the turn
_TURN_STRETCH_S, _TURN_STRETCHES = 300.0, 12  # an hour in all, spread over the recording, tells a unit
_TURN_GRAVITY_WITHIN = 0.05
_TURN_BINS, _TURN_AGREEMENT = 10, 0.5
_TURN_BINS_TO_DOUBT = 50
_DEGREES = (0.5 / np.degrees(1.0), 2.0 / np.degrees(1.0))
_TURNS_ALIKE = (1 / 3, 3.0)


class _Limits(dict[str, tuple[float, float]]):
    """Limits by the name of a stream; those of any other name are what no converter gives."""

    def __missing__(self, name: str) -> tuple[float, float]:
        return _NO_CONVERTER


# Light comes as counts of converters of up to 32 bits, 4.3e9; from here on it is damage or a mark of "no value".
_NO_CONVERTER = (-1e10, 1e10)
# What no wrist gives, in canonical units. Zero and less of a heart rate say that no beat was found. The log power of
# ``mel`` lies between the log of its floor, 1e-4, and that of the greatest number of half precision.
PLAUSIBLE = _Limits(
    {
        "accel": (-200.0, 200.0),
        "user_accel": (-200.0, 200.0),
        "gravity": (-2.0, 2.0),
        "gyro": (-100.0, 100.0),
        "mag": (-20_000.0, 20_000.0),
        "attitude": (-1.1, 1.1),
        "attitude_north": (-1.1, 1.1),
        "heart_rate": (20.0, 260.0),
        "ibi": (0.2, 5.0),
        "audio": (-2.0, 2.0),
        "pressure": (20.0, 120.0),
        "altitude": (-500.0, 20_000.0),
        "relative_altitude": (-20_000.0, 20_000.0),
        "temperature": (-60.0, 90.0),
        "eda": (-1.0, 1000.0),
        "light": (-1.0, 300_000.0),
        "steps": (0.0, 1e7),
        "steps_total": (0.0, 1e9),
        "energy": (0.0, 1e6),
        "mel": (float(np.log(1e-4)) - 0.01, float(np.log(65_504))),
    }
)


def usable(name: str, values: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return (n,) which rows of a stream are finite and possible on a wrist; of an unknown name, below 1e10."""
    low, high = PLAUSIBLE[name]
    if len(values) and values.min() >= low and values.max() <= high:  # the usual case, in a tenth of the time
        return np.ones(len(values), dtype=bool)
    return np.asarray(((values >= low) & (values <= high)).all(axis=1))


def implausible(stream: Stream, ends: Ends) -> list[Finding]:
    """Return a finding of the values that no wrist gives; with another code where most of them are so."""
    low, high = PLAUSIBLE[stream.name]
    if not (ends.low < low).any() and not (ends.high > high).any():
        return []
    beyond, finite, worst = 0, 0, 0.0
    first_s, last_s = float("nan"), float("nan")
    for time_s, values in pieces(stream):
        outside = (values < low) | (values > high)
        outside &= (values > 0) | (stream.name != "heart_rate")
        finite += int(np.isfinite(values).sum())
        if outside.any():
            rows = np.flatnonzero(outside.any(axis=1))
            first_s, last_s = float(np.fmin(first_s, time_s[rows[0]])), float(time_s[rows[-1]])
            beyond += int(outside.sum())
            found = values[outside]
            worst = max(worst, float(found[np.argmax(np.abs(found))]), key=abs)
    if not beyond:
        return []
    note = f"{beyond} values lie outside {low:g} to {high:g} {stream.unit}, the farthest is {worst:.4g}"
    # A table may hold a column of times since 1970 under a name of its own: no reason to refuse it.
    code = "unit_implausible" if beyond > finite / 2 and stream.name in PLAUSIBLE else "implausible"
    remedy = f"check that they are in {stream.unit}; mask what the sensor uses to say that it has no value"
    return [Finding(code, stream.name, first_s, last_s, beyond, note, remedy)]


def still_length(stream: Stream) -> list[Finding]:
    """Return a finding where acceleration at rest, or on average, has not the length that its name and unit say."""
    if stream.name not in {"accel", "gravity", "user_accel"}:
        return []
    lengths, still = _window_lengths(stream)
    if still.sum() >= _FEW_WINDOWS:
        lengths, when = lengths[still], "at rest"
        say = _of_user_accel if stream.name == "user_accel" else _of_gravity
    elif stream.name != "user_accel" and len(lengths) >= _MANY_WINDOWS:
        say, when = _of_motion, "on average"
    else:
        return []
    length = float(np.median(lengths))
    said = say(length)
    if said is None:
        return []
    code, what, remedy = said
    note = f"{when} ({len(lengths)} windows) its length is {length:.3g} g, expected {what}"
    return [Finding(code, stream.name, stream.start_s, stream.stop_s, len(lengths), note, remedy)]


Verdict = tuple[str, str, str] | None  # code, what was expected and what it is instead, remedy


def _of_gravity(length: float) -> Verdict:
    if _GRAVITY_G[0] <= length <= _GRAVITY_G[1]:
        return None
    for (low, high), what, remedy in _OTHER_UNITS:
        if low <= length <= high:
            return "unit_contradicts", f"1: {what}", remedy
    if length < _NO_GRAVITY_G:
        return "gravity_missing", "1: gravity was taken out of it", "name the stream user_accel"
    return "still_length", "0.9 to 1.1", "calibrate it, and check its unit"


def _of_motion(length: float) -> Verdict:
    """Return what to say of a wearer who never rests: more than gravity never lasts, less is not possible."""
    if length < _NOT_TAKEN_OUT_G:
        return (
            "gravity_missing",
            "1: gravity was taken out, or the unit is wrong",
            "name the stream user_accel, or state its unit",
        )
    for (low, high), what, remedy in _OTHER_UNITS:
        if low > 1 and 0.8 * low <= length <= 1.5 * high:
            return "unit_contradicts", f"about 1: {what}", remedy
    return None


def _of_user_accel(length: float) -> Verdict:
    if length >= _NOT_TAKEN_OUT_G:
        return "gravity_included", "about 0: gravity is in it", "name the stream accel, in its true unit"
    if length > _NO_GRAVITY_G * 2:
        return "still_length", "about 0", "check how gravity was taken out"
    return None


def _window_lengths(stream: Stream) -> tuple[FloatArray, Mask]:
    """Return the mean length of each whole window, and in which it hardly varies; nothing but zeros is no window."""
    if not stream.rate_hz > 0:
        return np.empty(0), np.empty(0, dtype=bool)
    size = max(_STILL_SAMPLES, round(_STILL_S * stream.rate_hz))
    lengths, stills = [np.empty(0)], [np.empty(0, dtype=bool)]
    for time_s, values in pieces(stream, rows=max(1, BLOCK_ROWS // size) * size):
        whole = len(values) // size * size
        length = _lengths(values[:whole]).reshape(-1, size)
        stamps_s = time_s[:whole].reshape(-1, size)
        with np.errstate(over="ignore", invalid="ignore"):  # of damage, which is infinite and at rest nowhere
            mean, spread = length.mean(axis=1), length.std(axis=1)
        used = (mean > 0) & (stamps_s[:, -1] - stamps_s[:, 0] < 1.5 * size / stream.rate_hz)
        lengths.append(mean[used])
        stills.append((spread < np.maximum(_STILL_SHARE * mean, _STILL_G))[used])
    return np.concatenate(lengths), np.concatenate(stills)


def _lengths(values: Values) -> Values:
    """Return (n,) lengths of (n, c) vectors, infinite beyond 1e19; numpy's norm goes row by row, which is slow."""
    total = np.zeros(len(values), dtype=values.dtype)
    with np.errstate(over="ignore"):
        for column in values.T:
            total += np.square(column)
    return np.sqrt(total, out=total)


def gyro_unit(recording: Recording) -> list[Finding]:
    """Return a finding where the gyroscope turns faster than anybody does, or not as gravity turns."""
    gyro = recording.streams.get("gyro")
    if gyro is None or not len(gyro):
        return []
    if _is_too_fast(gyro):
        note = f"it turns faster than {_FASTEST_USUAL_RAD_S:g} rad/s half of the time or more, which cannot be"
        return [_of_gyro(gyro, "gyro_unit", len(gyro), note, _TO_RADIANS)]
    turning = measure_turning(recording)
    if turning is None or turning.bins < _TURN_BINS or abs(turning.agreement) < _TURN_AGREEMENT:
        return []
    times = 1 / turning.ratio
    if turning.agreement > 0 and _DEGREES[0] <= turning.ratio <= _DEGREES[1]:
        note = f"it reads {times:.0f} times as fast as gravity turns: it is in deg/s, expected rad/s"
        return [_of_gyro(gyro, "gyro_unit", turning.bins, note, _TO_RADIANS)]
    alike = turning.agreement > 0 and _TURNS_ALIKE[0] <= turning.ratio <= _TURNS_ALIKE[1]
    if alike or turning.bins < _TURN_BINS_TO_DOUBT:
        return []
    opposite = "" if turning.agreement > 0 else ", and the other way round"
    note = f"it reads {times:.2g} times as fast as gravity turns{opposite}"
    return [_of_gyro(gyro, "gyro_contradicts", turning.bins, note, "check unit, axes and signs of the gyroscope")]


_TO_RADIANS = "convert it to rad/s: numpy.radians(values)"


def _of_gyro(gyro: Stream, code: str, count: int, note: str, remedy: str) -> Finding:
    return Finding(code, gyro.name, gyro.start_s, gyro.stop_s, count, note, remedy)


def _is_too_fast(gyro: Stream) -> bool:
    ends = np.abs(extremes(gyro))
    if np.linalg.norm(np.fmax(*ends)) <= _FASTEST_USUAL_RAD_S:
        return False
    fast = finite = 0
    for _, values in pieces(gyro):
        speed = _lengths(values)
        fast += int(np.sum(speed > _FASTEST_USUAL_RAD_S))
        finite += int(np.isfinite(speed).sum())
    return fast > finite / 2


class Turning(NamedTuple):
    """How gravity turns against the gyroscope.

    ``ratio`` is 1 where the gyroscope is in rad/s and 1 / 57 where in deg/s; ``agreement`` is the correlation of the
    two turns over the ``bins`` that were compared.
    """

    ratio: float
    agreement: float
    bins: int


def measure_turning(recording: Recording) -> Turning | None:
    """Return how gravity turns against what the gyroscope says; None without both or below 10 Hz.

    Gravity g turns with g x w in the frame of the device. It is the stream of that name, or else acceleration where
    its mean over 0.3 s has the length of gravity; the means lay streams of other stamps and rates on one grid.
    """
    down = recording.streams.get("gravity") or recording.streams.get("accel")
    gyro = recording.streams.get("gyro")
    if down is None or gyro is None or not min(down.rate_hz, gyro.rate_hz) >= 3 / _TURN_BIN_S:
        return None
    bins, turned_2, expected_2, product = 0, 0.0, 0.0, 0.0
    for gravity, rate in _on_one_grid(down, gyro):
        turned = (gravity[2:] - gravity[:-2]) / (2 * _TURN_BIN_S)
        expected = np.cross(gravity[1:-1], (rate[:-2] + 2 * rate[1:-1] + rate[2:]) / 4)
        used = _is_gravity(gravity) & np.isfinite(expected).all(axis=1)
        bins += int(used.sum())
        turned_2 += float(np.sum(turned[used] ** 2))
        expected_2 += float(np.sum(expected[used] ** 2))
        product += float(np.sum(turned[used] * expected[used]))
    if not (turned_2 > 0 and expected_2 > 0):
        return None
    return Turning(float(np.sqrt(turned_2 / expected_2)), float(product / np.sqrt(turned_2 * expected_2)), bins)


def _is_gravity(gravity: FloatArray) -> Mask:
    """Return which bins but the first and last have the length of gravity, with both neighbours."""
    fits = np.abs(np.linalg.norm(gravity, axis=1) - 1) <= _TURN_GRAVITY_WITHIN
    return np.asarray(fits[:-2] & fits[1:-1] & fits[2:])


def _on_one_grid(one: Stream, other: Stream) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield means of two streams over the same bins, in stretches spread over the time that both recorded."""
    first_s, last_s = max(one.start_s, other.start_s), min(one.stop_s, other.stop_s)
    start_s = first_s
    apart_s = max(_TURN_STRETCH_S, (last_s - first_s) / _TURN_STRETCHES)
    while last_s - start_s >= 3 * _TURN_BIN_S:
        bins = int(min(last_s - start_s, _TURN_STRETCH_S) / _TURN_BIN_S)
        left = bin_means(one, start_s=start_s, bins=bins, width_s=_TURN_BIN_S)
        yield left, bin_means(other, start_s=start_s, bins=bins, width_s=_TURN_BIN_S)
        # Years may lie between two samples, where a clock was set.
        stop_s = start_s + apart_s
        start_s = max(stop_s, _next_sample_s(one, stop_s), _next_sample_s(other, stop_s))


def _next_sample_s(stream: Stream, from_s: float) -> float:
    """Return the stamp of the first sample from a time on; infinity where there is none."""
    if stream.is_uniform:
        return from_s if from_s <= stream.stop_s else float("inf")
    row = int(np.searchsorted(stream.time, from_s))
    return float(stream.time[row]) if row < len(stream) else float("inf")


def sign_contradicts(recording: Recording) -> list[Finding]:
    """Return a finding where gravity and slow acceleration point opposite ways."""
    accel, gravity = recording.streams.get("accel"), recording.streams.get("gravity")
    if accel is None or gravity is None or not len(accel) or not len(gravity):
        return []
    bins = opposite = 0
    for slow, down in _on_one_grid(accel, gravity):
        agreement = np.sum(slow * down, axis=1)[1:-1][_is_gravity(slow)]
        bins += int(np.isfinite(agreement).sum())
        opposite += int(np.sum(agreement < 0))
    if bins < _TURN_BINS or opposite <= bins / 2:
        return []
    note = f"it points away from where acceleration at rest points in {opposite} of {bins} places"
    remedy = "one of the two has the signs of another convention: at rest face up both are -1 on z"
    return [Finding("sign_contradicts", "gravity", gravity.start_s, gravity.stop_s, opposite, note, remedy)]
