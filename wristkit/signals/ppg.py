"""How far light from the wrist is a pulse."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.signals.extreme import cut_flat, lone_values
from wristkit.signals.offline import filter_offline, resample_offline
from wristkit.signals.pieces import extremes
from wristkit.signals.units import PLAUSIBLE

_RATE_HZ = 32.0
_SLOWEST_HZ = 16.0
_PULSE = Filter("bandpass", (0.6, 5.0))
_BLOCK_S = 3600  # looked at at once
_WINDOW_S = 8  # five beats at 40 a minute
_BEAT_S = (0.33, 1.5)  # 180 to 40 beats a minute
# What band-passed noise gives in the median, and what a clean pulse gives; between them lies 0 to 1.
_PERIODIC, _ALIKE = (0.30, 0.70), (0.65, 0.95)
_PARTS, _UNEVEN = 3, 0.15  # a sharp beat is no more like the next one where that comes 15 % early, yet as clean
_USUAL_TIMES = 5.0
_LEAST_OF_LEVEL = 1e-6  # a smaller pulse is what float32 rounds
_MOTION_G = 0.1  # standard deviation of |a| at which half of the trust is lost: estimate, walking has 0.1 to 0.3


def ppg_quality(recording: Recording) -> Stream:
    """Return a quality from 0 to 1 for each second and channel of ``ppg``, as stream ``ppg_quality``.

    A second around which no light was recorded for 8 s has no row.

    It is the product of four numbers over the 8 s around the second, each from 0 to 1: how periodic the light is (its
    autocorrelation one beat later, 40 to 180 a minute, in three parts, as the rhythm may change by 15 %), how alike its
    beats are (their mean correlation with their mean), how far its amplitude is within a fifth and five times the
    recording's usual one, and 1 / (1 + (motion / 0.1 g)^2). Motion is the standard deviation of |accel|, or else the
    root mean square of the axes of ``user_accel``, which is as large; the number is 1 where neither was recorded. It is
    0 where a sample of the 8 s is missing, cut flat, or alone far beyond all others, and never says that a heart rate
    is right: an arm that swings evenly is periodic, too.

    Raises
    ------
    RecordingError
        With code ``rate`` below 16 Hz, ``empty`` where there are less than 8 s.
    """
    ppg = recording["ppg"]
    if not ppg.rate_hz >= _SLOWEST_HZ:
        raise RecordingError(
            f"ppg has {ppg.rate_hz:.3g} Hz, expected {_SLOWEST_HZ:g} or more",
            code="rate",
            remedy="load the raw light, not what was derived from it",
        )
    seconds = _seconds(ppg)
    if not len(seconds):
        raise RecordingError(
            f"ppg lasts {ppg.stop_s - ppg.start_s:.1f} s, expected more than {_WINDOW_S} s",
            code="empty",
            remedy="record longer",
        )
    pulse = filter_offline(resample_offline(_without_damage(ppg), _RATE_HZ), _PULSE)
    still = _stillness(recording, seconds)
    columns = [
        _pulse_like(pulse, column, seconds, least=_LEAST_OF_LEVEL * _level(values)) * still
        for column, values in enumerate(ppg.values.T)
    ]
    return Stream.measured("ppg_quality", seconds, np.column_stack(columns), channels=ppg.channels, unit="1")


def _seconds(ppg: Stream) -> FloatArray:
    """Return the whole seconds (k,) that lie 4 s or more within the recording, and within 4 s of light."""
    half = _WINDOW_S // 2
    first, last = np.ceil(ppg.start_s) + half, np.floor(ppg.stop_s) - half
    edges = np.concatenate([[ppg.start_s], ppg.gaps.ravel(), [ppg.stop_s]]).reshape(-1, 2)
    # Not all seconds from the first to the last: where a clock jumps, they would fill memory.
    near = [
        np.arange(max(first, np.ceil(begin - half)), min(last, np.floor(end + half)) + 1)
        for begin, end in edges.tolist()
    ]
    return np.unique(np.concatenate(near))


def _without_damage(ppg: Stream) -> Stream:
    """Return the light with NaN where it is not what fell on the sensor."""
    low, high = PLAUSIBLE["ppg"]
    values = np.where((ppg.values >= low) & (ppg.values <= high), ppg.values, np.float32(np.nan))
    for channel, (flat, lone) in enumerate(zip(cut_flat(ppg, extremes(ppg)), lone_values(ppg), strict=True)):
        values[lone, channel] = np.nan
        for first, stop in flat.tolist():
            values[first:stop, channel] = np.nan
    return ppg.with_values("ppg", values, channels=ppg.channels, unit=ppg.unit)


def _level(values: npt.NDArray[np.float32]) -> float:
    """Return the median size of the values that are there; 0 where none is."""
    known = np.abs(values[np.isfinite(values)].astype(np.float64))  # of float32, the mean of two may overflow
    return float(np.median(known)) if len(known) else 0.0


def _windows(stream: Stream, column: int, seconds: FloatArray) -> FloatArray:
    """Return (k, n) samples around each second; NaN where there are none."""
    places = np.round(stream.time * _RATE_HZ).astype(np.int64)
    around = np.arange(-_WINDOW_S // 2 * int(_RATE_HZ), _WINDOW_S // 2 * int(_RATE_HZ))
    wanted = (seconds[:, None] * _RATE_HZ).astype(np.int64) + around
    rows = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
    return np.where(places[rows] == wanted, stream.values[rows, column], np.nan).astype(np.float64)


def _stillness(recording: Recording, seconds: FloatArray) -> FloatArray:
    """Return (k,) from 1 at rest towards 0 in motion; 0 where acceleration is missing."""
    accel = next((recording.streams[name] for name in ("accel", "user_accel") if name in recording.streams), None)
    if accel is None:
        return np.ones(len(seconds))
    strength = _deviation if accel.name == "accel" else _root_mean_square
    length = np.linalg.norm(np.asarray(accel.values, dtype=np.float64), axis=1)
    edges = np.searchsorted(accel.time, np.column_stack([seconds - _WINDOW_S / 2, seconds + _WINDOW_S / 2]))
    motion_g = np.array([strength(length[first:stop]) if stop > first else np.nan for first, stop in edges.tolist()])
    return np.nan_to_num(1 / (1 + (motion_g / _MOTION_G) ** 2))


def _deviation(length_g: FloatArray) -> float:
    return float(np.std(length_g))


def _root_mean_square(length_g: FloatArray) -> float:
    """Return the root mean square of one of three axes: gravity lets the length show one of them alone."""
    return float(np.sqrt(np.mean(length_g**2) / 3))


def _pulse_like(pulse: Stream, column: int, seconds: FloatArray, *, least: float) -> FloatArray:
    """Return (k,) periodicity times likeness of beats times usualness of amplitude."""
    periodic, amplitude = np.zeros(len(seconds)), np.zeros(len(seconds))
    for first in range(0, len(seconds), _BLOCK_S):
        block = slice(first, first + _BLOCK_S)
        near = pulse.between(seconds[block][0] - _WINDOW_S, seconds[block][-1] + _WINDOW_S)
        if not len(near):
            continue
        windows = _windows(near, column, seconds[block])
        amplitude[block] = windows.std(axis=1)
        there = amplitude[block] > least
        periodic[block][there] = _periodic(windows[there])
    there = amplitude > least
    if not there.any():
        return periodic
    ratio = amplitude[there] / np.median(amplitude[there])
    periodic[there] *= np.clip(_USUAL_TIMES * np.minimum(ratio, 1 / ratio), 0, 1)
    return periodic


def _periodic(windows: FloatArray) -> FloatArray:
    """Return (k,) how periodic each window is times how alike its beats are, from 0 for noise to 1 for a pulse."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    lags = np.arange(int(_BEAT_S[0] * _RATE_HZ), int(_BEAT_S[1] * _RATE_HZ) + 1)
    alike = np.stack([_correlation(centred[:, :-lag], centred[:, lag:]) for lag in lags.tolist()], axis=1)
    inner = alike[:, 1:-1]
    tops = np.where((inner >= alike[:, :-2]) & (inner > alike[:, 2:]), inner, -1.0)
    highest = tops.max(axis=1, initial=-1.0)
    # The first that is nearly the highest: two beats later a pulse is as much like itself.
    beats = np.where(highest > 0, lags[1 + np.argmax(tops >= 0.9 * highest[:, None], axis=1)], 0)
    quality = np.zeros(len(windows))
    for beat in np.unique(beats[beats > 0]).tolist():
        rows = np.flatnonzero(beats == beat)
        one_later = _share(_one_beat_later(centred[rows], beat), _PERIODIC)
        found = rows[one_later > 0]
        likeness = np.array([_beats_alike(window, beat) for window in centred[found]])
        quality[found] = one_later[one_later > 0] * _share(likeness, _ALIKE)
    return quality


def _one_beat_later(windows: FloatArray, beat: int) -> FloatArray:
    """Return (k,) means over the parts of a window of how alike each is to what follows about a beat later."""
    lags = range(int(np.ceil(beat * (1 - _UNEVEN))), int(beat * (1 + _UNEVEN)) + 1)
    edges = np.linspace(0, windows.shape[1] - lags[-1], _PARTS + 1).astype(int).tolist()
    alike = [
        np.max(
            [_correlation(windows[:, first:stop], windows[:, first + lag : stop + lag]) for lag in lags],
            axis=0,
        )
        for first, stop in pairwise(edges)
    ]
    return np.asarray(np.mean(alike, axis=0))


def _share(values: FloatArray, limits: tuple[float, float]) -> FloatArray:
    return np.asarray(np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1))


def _beats_alike(window: FloatArray, beat: int) -> float:
    from scipy.signal import find_peaks

    tops, _ = find_peaks(window, distance=max(1, int(0.7 * beat)))
    tops = tops[(tops >= beat // 2) & (tops < len(window) - beat // 2)]
    if len(tops) < 2:
        return 0.0
    beats = window[tops[:, None] + np.arange(-(beat // 2), beat // 2)]
    return float(np.mean(_correlation(beats, beats.mean(axis=0, keepdims=True))))


def _correlation(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (k,) correlations of the rows."""
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    size = np.sqrt(np.sum(one**2, axis=1) * np.sum(other**2, axis=1))
    return np.asarray(np.divide(np.sum(one * other, axis=1), size, out=np.zeros(len(one)), where=size > 0))
