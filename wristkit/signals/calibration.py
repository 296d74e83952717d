"""Gain and offset of an accelerometer from the moments in which it lay still, and gravity apart from motion."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.recording import BLOCK_ROWS, FloatArray, Recording, Stream, finding_table
from wristkit.signals.offline import refuse_left_out, valid_stretches
from wristkit.signals.pieces import pieces
from wristkit.signals.units import PLAUSIBLE, usable

# As published (van Hees et al., J Appl Physiol 2014, and the code of its authors).
_WINDOW_S = 10.0
_STILL_SD_G = 0.013
_NOT_BEYOND_G = 2.0
_COVERED_G = 0.3
_LEAST_WINDOWS = 10
_WORST_RESIDUAL_G = 0.01

_MOST_GAIN_OFF = 0.2
_SLOWEST_HZ = 5.0  # of fewer samples, two far apart would count as 10 s of rest

_OUTLIER_G = 0.005  # from here on a window counts by its distance, no longer by its square
_LEAST_DEGREES = 3.0  # over less, the slope with temperature is no more than noise


@dataclass(frozen=True, eq=False)
class Calibration:
    """What an accelerometer reads wrong: ``true = gain * read + offset_g + slope_g_per_degc * (T - temperature_degc)``.

    Parameters
    ----------
    gain
        (3,) factors of x, y, z.
    offset_g
        (3,) g to add.
    slope_g_per_degc
        (3,) g to add for each degree above ``temperature_degc``; zeros where no stream ``temperature`` moved by 3 degC.
    temperature_degc
        Mean temperature of the still windows; NaN without one.
    residual_before_g, residual_after_g
        Mean distance of the length of the still windows from 1 g.
    windows
        Number of still windows of 10 s.
    coverage_g
        (2, 3) least and greatest mean of each axis among them; both signs beyond 0.3 g are needed.
    """

    gain: FloatArray
    offset_g: FloatArray
    slope_g_per_degc: FloatArray
    temperature_degc: float
    residual_before_g: float
    residual_after_g: float
    windows: int
    coverage_g: FloatArray

    def correct(self, accel_g: FloatArray, temperature_degc: FloatArray | None = None) -> FloatArray:
        """Return (n, 3) corrected acceleration, at (n,) temperatures where a slope is known."""
        corrected = accel_g * self.gain + self.offset_g
        if temperature_degc is None or not self.slope_g_per_degc.any():
            return np.asarray(corrected)
        return np.asarray(corrected + (temperature_degc - self.temperature_degc)[:, None] * self.slope_g_per_degc)

    def apply(self, recording: Recording) -> Recording:
        """Return the recording with ``accel`` corrected, and a finding ``calibrated`` that says by how much.

        Raises
        ------
        RecordingError
            With code ``calibrated`` where it was done before, ``missing_stream`` or ``missing_values`` where
            ``temperature`` is needed.
        """
        if "calibrated" in set(recording.findings["code"]):
            raise RecordingError(
                f"recording {recording.id} has a finding 'calibrated'; a second correction would be one too many",
                code="calibrated",
                remedy="apply it to the recording as it was loaded",
            )
        accel = recording["accel"]
        degc = _degrees(recording["temperature"], accel.time) if self.slope_g_per_degc.any() else None
        values = self.correct(np.asarray(accel.values, dtype=np.float64), degc)
        gains, offsets = (", ".join(f"{one:.5g}" for one in part) for part in (self.gain, self.offset_g * 1000))
        note = (
            f"gain {gains}, offset {offsets} mg; gravity at rest was off by {self.residual_before_g * 1000:.1f} mg, "
            f"now by {self.residual_after_g * 1000:.1f} mg in {self.windows} still windows"
        )
        row = ("calibrated", "accel", accel.start_s, accel.stop_s, len(accel), note, "load it anew for what was read")
        return recording.with_streams(accel.with_values("accel", values)).with_findings(finding_table([row]))


def calibrate(recording: Recording) -> Calibration:
    """Return gain and offset of ``accel`` that bring gravity at rest to 1 g.

    Still windows, coverage and limits are those of van Hees et al. 2014. Deviation: where they step to the closest
    point on the unit sphere a thousand times with weights 1 / distance, the same distances are brought down by
    ``scipy.optimize.least_squares`` with a loss that turns linear at 5 mg, which ends where their steps lead.

    Raises
    ------
    RecordingError
        With code ``calibration_windows`` (fewer than 10 still windows), ``calibration_coverage`` (an axis lacks 0.3 g
        on one side), ``calibration_residual`` (gravity stays off by 10 mg or more, or comes out no better, or a gain
        is off by 20 %) or ``rate`` (below 5 Hz).
    """
    still = _still_windows(recording)
    _check_coverage(still.mean_g)
    degc = still.degc if np.ptp(still.degc) >= _LEAST_DEGREES else None
    gain, offset_g, slope = _closest_sphere(still.mean_g, degc)
    found = Calibration(
        gain=gain,
        offset_g=offset_g,
        slope_g_per_degc=slope,
        temperature_degc=float(np.mean(still.degc)),
        residual_before_g=_distance(still.mean_g),
        residual_after_g=_distance(still.mean_g * gain + offset_g + _warming(degc)[:, None] * slope),
        windows=len(still.mean_g),
        coverage_g=np.array([still.mean_g.min(axis=0), still.mean_g.max(axis=0)]),
    )
    _check_residual(found)
    return found


def gravity_split(recording: Recording, *, cutoff_hz: float) -> Recording:
    """Return the recording with ``gravity`` and ``user_accel`` split from ``accel`` by a causal low-pass.

    This is no fusion: gravity lags behind, its length is not held at 1 g, and a turn faster than ``cutoff_hz`` shows as
    user acceleration. The two add up to ``accel``. Each stretch without gap or missing value starts settled on its
    first value. Where there is a gyroscope, fusion is better.

    Parameters
    ----------
    cutoff_hz
        Edge of the second-order low-pass; 0.25 to 0.5 Hz is usual for a wrist.

    Raises
    ------
    RecordingError
        With code ``duplicate_stream`` where the device tells gravity or user acceleration itself, ``missing_samples``
        where samples were left out between others.
    """
    if told := sorted({"gravity", "user_accel"} & set(recording.streams)):
        raise RecordingError(
            f"recording {recording.id} has {told} already",
            code="duplicate_stream",
            remedy="use what the device tells; or build a Recording without these streams first",
        )
    accel, slow_pass = recording["accel"], Filter("lowpass", (cutoff_hz,))
    refuse_left_out(accel)
    values = np.asarray(accel.values, dtype=np.float64)
    slow = np.full(values.shape, np.nan)
    for first, stop in valid_stretches(accel, usable("accel", values)):
        slow[first:stop] = slow_pass.run(values[first:stop], rate_hz=accel.rate_hz)
    note = (
        f"a causal low-pass at {cutoff_hz:g} Hz, which lags by {slow_pass.delay_s(accel.rate_hz):.3f} s, stands for "
        "gravity: no fusion, fast turns show as user acceleration"
    )
    rows = [
        (
            "gravity_split",
            name,
            accel.start_s,
            accel.stop_s,
            len(accel),
            note,
            "fuse with the gyroscope where there is one",
        )
        for name in ("gravity", "user_accel")
    ]
    split = (accel.with_values("gravity", slow), accel.with_values("user_accel", values - slow))
    return recording.with_streams(*split).with_findings(finding_table(rows))


class _Still(NamedTuple):
    """Means of the still windows: (k, 3) g and (k,) degC; NaN where no temperature was recorded."""

    mean_g: FloatArray
    degc: FloatArray


def _still_windows(recording: Recording) -> _Still:
    accel = recording["accel"]
    if accel.rate_hz < _SLOWEST_HZ:
        raise RecordingError(
            f"accel has {accel.rate_hz:.3g} Hz, expected {_SLOWEST_HZ:g} or more to tell whether {_WINDOW_S:g} s are "
            "still",
            code="rate",
            remedy="check the unit of its stamps; or load the raw samples, not their means",
        )
    found = list(_window_means(accel)) if accel.rate_hz > 0 else []
    mean_g = np.concatenate([np.empty((0, 3)), *(means for means, _ in found)])
    middle_s = np.concatenate([np.empty(0), *(middles for _, middles in found)])
    if len(mean_g) < _LEAST_WINDOWS:
        raise RecordingError(
            f"{len(mean_g)} windows of {_WINDOW_S:g} s are still, expected {_LEAST_WINDOWS} or more",
            code="calibration_windows",
            remedy="record longer, a day or more; or lay the device on each of its six sides for half a minute",
        )
    temperature = recording.streams.get("temperature")
    held = temperature is not None and usable("temperature", temperature.values).any()
    degc = _degrees(temperature, middle_s) if temperature is not None and held else np.full(len(mean_g), np.nan)
    return _Still(mean_g, degc)


def _window_means(accel: Stream) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield (k, 3) means and (k,) middles of the still windows of each block.

    A window that lacks a sample, or in which no axis changes at all, as where a device sleeps or is stuck, is none.
    """
    size = max(2, round(_WINDOW_S * accel.rate_hz))
    for time_s, values in pieces(accel, rows=max(1, BLOCK_ROWS // size) * size):
        whole = len(values) // size * size
        windows = values[:whole].astype(np.float64).reshape(-1, size, 3)
        stamps_s = time_s[:whole].reshape(-1, size)
        whole_ones = np.isfinite(windows).all(axis=(1, 2)) & (np.ptp(stamps_s, axis=1) < 1.05 * size / accel.rate_hz)
        windows, stamps_s = windows[whole_ones], stamps_s[whole_ones]
        mean, spread = windows.mean(axis=1), windows.std(axis=1)
        still = (spread < _STILL_SD_G).all(axis=1) & (spread > 0).any(axis=1)
        still &= (np.abs(mean) < _NOT_BEYOND_G).all(axis=1)
        yield mean[still], stamps_s[still].mean(axis=1)


def _degrees(temperature: Stream, time_s: FloatArray) -> FloatArray:
    known = usable("temperature", temperature.values)
    if not known.any():
        raise RecordingError(
            f"none of {len(known)} temperatures lies within {PLAUSIBLE['temperature']} degC, which the slope needs",
            code="missing_values",
            remedy="check its unit; or calibrate and apply without the stream",
        )
    return np.asarray(np.interp(time_s, temperature.time[known], temperature.values[known, 0].astype(np.float64)))


def _check_coverage(mean_g: FloatArray) -> None:
    lacking = [
        *(
            f"{axis} below -{_COVERED_G:g} g"
            for axis, low in zip("xyz", mean_g.min(axis=0), strict=True)
            if low > -_COVERED_G
        ),
        *(
            f"{axis} above {_COVERED_G:g} g"
            for axis, high in zip("xyz", mean_g.max(axis=0), strict=True)
            if high < _COVERED_G
        ),
    ]
    if lacking:
        raise RecordingError(
            f"the {len(mean_g)} still windows do not go around the sphere: none has {', '.join(lacking)}",
            code="calibration_coverage",
            remedy="record longer; or lay the device on each of its six sides for half a minute",
        )


def _check_residual(found: Calibration) -> None:
    if np.abs(found.gain - 1).max() > _MOST_GAIN_OFF:
        gains = ", ".join(f"{one:.3f}" for one in found.gain)
        raise RecordingError(
            f"gain of x, y, z would be {gains}, expected within {_MOST_GAIN_OFF:.0%} of 1: no accelerometer is so "
            "wrong, its unit is",
            code="calibration_residual",
            remedy="bring it to g first; see what inspect() finds of its length at rest",
        )
    if found.residual_after_g >= min(_WORST_RESIDUAL_G, found.residual_before_g + 1e-4):
        raise RecordingError(
            f"gravity at rest is off by {found.residual_before_g * 1000:.1f} mg before and "
            f"{found.residual_after_g * 1000:.1f} mg after, expected below {_WORST_RESIDUAL_G * 1000:g} and no more",
            code="calibration_residual",
            remedy="check the unit, and for saturated or stuck axes with inspect()",
        )


def _closest_sphere(mean_g: FloatArray, degc: FloatArray | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return gain, offset and slope (3,) each that bring (k, 3) means as near to the unit sphere as they go."""
    from scipy.optimize import least_squares

    warming = _warming(degc) if degc is not None else np.zeros(len(mean_g))

    def distance(parameters: FloatArray) -> FloatArray:
        gain, offset_g, slope = np.concatenate([parameters, np.zeros(3)])[:9].reshape(3, 3)
        return np.asarray(np.linalg.norm(mean_g * gain + offset_g + warming[:, None] * slope, axis=1) - 1)

    start = np.concatenate([np.ones(3), np.zeros(3 if degc is None else 6)])
    fit = least_squares(distance, start, loss="soft_l1", f_scale=_OUTLIER_G, x_scale="jac", xtol=1e-12, ftol=1e-12)
    gain, offset_g, slope = np.concatenate([fit.x, np.zeros(3)])[:9].reshape(3, 3)
    return gain, offset_g, slope


def _warming(degc: FloatArray | None) -> FloatArray:
    return np.zeros(1) if degc is None else np.asarray(degc - degc.mean())


def _distance(mean_g: FloatArray) -> float:
    return float(np.mean(np.abs(np.linalg.norm(mean_g, axis=1) - 1)))
