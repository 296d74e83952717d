"""Pulse by pulse: when each rises and where its top is, and how the intervals vary where the light is good enough."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import find_peaks

from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.recipes.heart_rate.evidence import GRID_HZ, LENGTH, evidence
from wristkit.recipes.heart_rate.offline import estimate
from wristkit.recipes.heart_rate.tracker import LIGHT
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.signals import filter_offline, ppg_quality, resample_offline
from wristkit.signals.units import PLAUSIBLE

PEAK_COLUMNS = ("time_s", "rise_s", "ibi_s", "quality")
VARIABILITY_COLUMNS = ("start_s", "stop_s", "intervals", "share", "rmssd_ms", "sdnn_ms", "pnn50", "reason")
LEAST_QUALITY = 0.4
"""Of ``ppg_quality``, from which an interval counts."""

_RATE_HZ = 100.0
_PULSE = Filter("bandpass", (0.5, 8.0))
_APART = 0.55  # of the expected interval, within which a top is the highest
_INTERVALS = (0.6, 1.6)  # of the expected one: an early beat and the pause after it are kept
_RISE_REACH, _SHIFTS = 25, 6  # samples: what of a rise is compared, and how far it may be moved
_NEAR_S = 1.0  # from a second whose rate is told
_LOOKED_AT = 40  # windows that choose among wavelengths
_LEAST_S, _LEAST_SHARE = 30.0, 0.9  # RMSSD needs no more (Munoz and others, 2015); SDNN grows with the window
_MILLI = 1000.0


def peaks(recording: Recording) -> pd.DataFrame:
    """Return a table ``time_s, rise_s, ibi_s, quality`` with one row a pulse, where the rate is told.

    ``time_s`` is the top of the pulse, ``rise_s`` its steepest rise, moved to where it lies best on the mean rise:
    intervals are measured from it, as noise and slow waves move it less than a top (Peralta and others, 2019).
    ``ibi_s`` is the interval since the pulse before, NaN where that one was not found; ``quality`` is ``ppg_quality``
    at the pulse. Of several wavelengths, the one that shows the pulse best is taken; whether more blood gives more or
    less light is seen from which way it changes faster.
    """
    rate = estimate(recording)
    light = _plausible(recording[LIGHT])
    if len(rate) < 2 or not light.rate_hz * (light.stop_s - light.start_s) > LENGTH:
        return _no_peaks()
    channel = _best(light, rate.time)
    one = Stream.measured(LIGHT, light.time, light.values[:, channel])
    pulse = filter_offline(resample_offline(one, _RATE_HZ), _PULSE)
    known = _is_told(pulse.time, rate.time) & np.isfinite(pulse.values[:, 0])
    if not known.any():
        return _no_peaks()
    wave = _upright(np.nan_to_num(pulse.values[:, 0].astype(np.float64)), known)
    expected_s = 60 / np.interp(pulse.time, rate.time, rate.values[:, 0].astype(np.float64))
    tops = _tops(wave, known, (_APART * expected_s * _RATE_HZ).astype(int))
    if not len(tops):
        return _no_peaks()
    found = _Pulses(pulse.time, wave, expected_s)
    return _table(found, tops, _quality(recording, channel, found.time_s[tops]))


def variability(recording: Recording, *, window_s: float = 300.0) -> pd.DataFrame:
    """Return RMSSD, SDNN (ms) and pNN50 of each window, NaN with a reason where the light does not allow them.

    Five minutes are the usual length (Task Force, 1996). They are told where at least 90 % of a window of at least 30 s
    is covered by intervals whose light has a quality of ``LEAST_QUALITY`` or more; differences are those between
    intervals that follow each other. They are of the pulse, which at rest comes near to those of the heart.
    """
    if not _LEAST_S <= window_s < np.inf:
        raise ValueError(f"window_s is {window_s}, expected {_LEAST_S:g} s or more")
    beats = peaks(recording)
    light = recording[LIGHT]
    span_s = light.stop_s - light.start_s
    starts = light.start_s + window_s * np.arange(max(1, int(np.ceil(span_s / window_s - 1e-9))))
    rows = [_varied(beats, start_s, min(start_s + window_s, light.stop_s)) for start_s in starts.tolist()]
    return pd.DataFrame(rows, columns=list(VARIABILITY_COLUMNS))


def _varied(
    beats: pd.DataFrame, start_s: float, stop_s: float
) -> tuple[float, float, int, float, float, float, float, str]:
    inside = beats[(beats["rise_s"] >= start_s) & (beats["rise_s"] < stop_s)]
    interval_s = inside["ibi_s"].to_numpy(dtype=np.float64)
    good = np.isfinite(interval_s) & (inside["quality"].to_numpy(dtype=np.float64) >= LEAST_QUALITY)
    length_s = stop_s - start_s
    share = float(interval_s[good].sum() / length_s) if length_s > 0 else 0.0
    nothing = (float("nan"),) * 3
    if length_s < _LEAST_S:
        return start_s, stop_s, int(good.sum()), share, *nothing, f"shorter than {_LEAST_S:g} s"
    if share < _LEAST_SHARE:
        return start_s, stop_s, int(good.sum()), share, *nothing, f"good intervals cover less than {_LEAST_SHARE:.0%}"
    held_ms = _MILLI * interval_s
    follows = good[1:] & good[:-1]
    steps_ms = np.diff(held_ms)[follows]
    figures = (float(np.sqrt(np.mean(steps_ms**2))), float(np.std(held_ms[good], ddof=1)))
    return start_s, stop_s, int(good.sum()), share, *figures, float(np.mean(np.abs(steps_ms) > 50)), ""


class _Pulses(NamedTuple):
    """Times (n,), the upright wave and the expected interval at each."""

    time_s: FloatArray
    wave: FloatArray
    expected_s: FloatArray


def _table(found: _Pulses, tops: npt.NDArray[np.int64], quality: FloatArray) -> pd.DataFrame:
    slope = np.gradient(found.wave)
    before = (0.5 * found.expected_s[tops] * _RATE_HZ).astype(int)
    rises = np.array(
        [_highest(slope, top - reach, top) for top, reach in zip(tops.tolist(), before.tolist(), strict=True)]
    )
    rise_s = found.time_s[rises] + _aligned(slope, rises) / _RATE_HZ
    interval_s = np.diff(rise_s, prepend=np.nan)
    ratio = interval_s / found.expected_s[tops]
    interval_s[~((ratio >= _INTERVALS[0]) & (ratio <= _INTERVALS[1]))] = np.nan
    top_s = found.time_s[tops] + _beyond(*(found.wave[tops + one] for one in (-1, 0, 1))) / _RATE_HZ
    return pd.DataFrame(dict(zip(PEAK_COLUMNS, (top_s, rise_s, interval_s, quality), strict=True)))


def _highest(values: FloatArray, first: int, stop: int) -> int:
    first = max(first, 0)
    return first + int(np.argmax(values[first : stop + 1]))


def _aligned(slope: FloatArray, rises: npt.NDArray[np.int64]) -> FloatArray:
    """Return by how many samples (k,) each rise has to be moved to lie best on the mean of all of them."""
    reach = np.arange(-_RISE_REACH, _RISE_REACH + 1)
    inner = np.clip(rises, _RISE_REACH + _SHIFTS, len(slope) - _RISE_REACH - _SHIFTS - 1)
    beats = slope[inner[:, None] + reach]
    mean = np.mean(beats / np.maximum(np.linalg.norm(beats, axis=1, keepdims=True), 1e-12), axis=0)
    alike = np.column_stack([slope[inner[:, None] + reach + shift] @ mean for shift in range(-_SHIFTS, _SHIFTS + 1)])
    best = np.clip(np.argmax(alike, axis=1), 1, 2 * _SHIFTS - 1)
    near = np.take_along_axis(alike, best[:, None] + np.arange(-1, 2), axis=1)
    return np.asarray(best - _SHIFTS + _beyond(*near.T))


def _beyond(left: FloatArray, middle: FloatArray, right: FloatArray) -> FloatArray:
    """Return where beside the middle one of three samples the top of a parabola through them lies."""
    bend = left - 2 * middle + right
    shift = np.divide(0.5 * (left - right), bend, out=np.zeros(len(middle)), where=bend < 0)
    return np.asarray(np.clip(shift, -0.5, 0.5))


def _tops(wave: FloatArray, known: npt.NDArray[np.bool_], apart: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows of tops that are the highest within some samples of theirs."""
    tops, _ = find_peaks(wave)
    return np.array(
        [
            top
            for top in tops[known[tops]].tolist()
            if wave[top] > 0 and wave[top] >= wave[max(0, top - apart[top]) : top + apart[top] + 1].max()
        ],
        dtype=np.int64,
    )


def _upright(wave: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the wave so that it rises faster than it falls, as blood does."""
    slope = np.diff(wave, append=0.0)[known]
    slope = np.clip(slope, *np.quantile(slope, [0.005, 0.995]))
    return wave if np.mean((slope - slope.mean()) ** 3) >= 0 else -wave


def _is_told(time_s: FloatArray, told_s: FloatArray) -> npt.NDArray[np.bool_]:
    after = np.clip(np.searchsorted(told_s, time_s), 1, len(told_s) - 1)
    away_s = np.minimum(np.abs(time_s - told_s[after - 1]), np.abs(told_s[after] - time_s))
    return np.asarray(away_s <= _NEAR_S)


def _best(light: Stream, told_s: FloatArray) -> int:
    """Return the channel that shows a pulse best, over some windows."""
    if light.values.shape[1] == 1:
        return 0
    some = told_s[:: max(1, len(told_s) // _LOOKED_AT)]
    sums = np.zeros(light.values.shape[1])
    for middle_s in some.tolist():
        at_s = middle_s + (np.arange(LENGTH) - LENGTH / 2) / GRID_HZ
        near = light.between(at_s[0] - 1, at_s[-1] + 1)
        if len(near) < LENGTH / 4:
            continue
        for channel, column in enumerate(near.values.T):
            sums[channel] += evidence(np.interp(at_s, near.time, column)[:, None], None).log.max()
    return int(np.argmax(sums))


def _plausible(light: Stream) -> Stream:
    low, high = PLAUSIBLE[LIGHT]
    values = np.where((light.values >= low) & (light.values <= high), light.values, np.float32(np.nan))
    return light.with_values(LIGHT, values, channels=light.channels, unit=light.unit)


def _quality(recording: Recording, channel: int, at_s: FloatArray) -> FloatArray:
    try:
        quality = ppg_quality(recording)
    except RecordingError:  # too slow or too short to say
        return np.zeros(len(at_s))
    return np.interp(at_s, quality.time, quality.values[:, channel].astype(np.float64))


def _no_peaks() -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0) for name in PEAK_COLUMNS})
