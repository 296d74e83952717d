"""How much a device moves, whatever way it is turned: what two devices on one body have in common."""

from typing import Literal, NamedTuple

import numpy as np

from wristkit.filters import Filter
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.signals.offline import filter_offline, resample_offline
from wristkit.signals.pieces import Mask
from wristkit.signals.units import usable

View = Literal["turning", "pushing"]

MOTION_HZ = 50.0
SLOWEST_HZ = 10.0
APART_S = 600.0  # a grid over longer holes would fill memory where a clock jumps, or a device is worn once a day
_SMOOTH = Filter("lowpass", (5.0,))  # wrist and thigh do not turn at the very same moment
_TURN_FLOOR_RAD_S = 0.1  # slower turns are noise of the hand and of the sensor
_PUSH_SCALE_G = 0.25  # from here on a push counts by its logarithm: one knock is not the whole recording

_TAP_HZ = 200.0
_TAP_LEAST_G_S = 10.0
_TAP_OVER_USUAL = 5.0
_TAP_APART_S, _TAP_REACH_S = 0.2, 0.03  # a case rings for a tenth of a second after a knock


class Motion(NamedTuple):
    """Motion on a grid: ``values`` (views, n) at (``first`` + i) / ``MOTION_HZ`` seconds, ``valid`` (n,)."""

    first: int
    values: FloatArray
    valid: Mask

    @property
    def stop(self) -> int:
        """Place after the last one."""
        return self.first + len(self.valid)

    def between(self, first: int, stop: int) -> "Motion":
        """Return the places from ``first`` to before ``stop``, as far as they are there."""
        cut = slice(max(0, first - self.first), max(0, stop - self.first))
        return Motion(max(first, self.first), self.values[:, cut], self.valid[cut])


def views_of(recording: Recording) -> dict[View, str]:
    """Return which stream tells turning and which tells pushing, where they are fast enough."""
    names: tuple[tuple[View, str], ...] = (("turning", "gyro"), ("pushing", "user_accel"), ("pushing", "accel"))
    fast = {name for name, stream in recording.streams.items() if len(stream) > 1 and stream.rate_hz >= SLOWEST_HZ}
    return {view: name for view, name in names if name in fast}


def motion_energy(stream: Stream) -> Stream:
    """Return how strongly a device turns or is pushed, at 50 samples a second and without delay; (n, 1).

    Of ``gyro`` it is ln(|w| + 0.1 rad/s) below 5 Hz, of ``accel`` asinh((|a| - 1 g) / 0.25 g), of ``user_accel`` the
    same without the 1 g: lengths, so that it does not matter how the device is held. Values that no wrist gives count
    as missing.
    """
    length = np.linalg.norm(np.asarray(_without_implausible(stream).values, dtype=np.float64), axis=1)
    if stream.name == "gyro":
        turning = resample_offline(
            stream.with_values("turning", np.log(length + _TURN_FLOOR_RAD_S), unit="1"), MOTION_HZ
        )
        return filter_offline(turning, _SMOOTH)
    rest_g = 1.0 if stream.name == "accel" else 0.0
    pushing = np.arcsinh((length - rest_g) / _PUSH_SCALE_G)
    return resample_offline(stream.with_values("pushing", pushing, unit="1"), MOTION_HZ)


def motion(recording: Recording, streams: tuple[str, ...]) -> list[Motion]:
    """Return the motion energy of these streams on one grid: in parts, of which each hole is at least ``APART_S``."""
    energies = [motion_energy(recording[name]) for name in streams]
    places = [np.round(energy.time * MOTION_HZ).astype(np.int64) for energy in energies]
    held = np.unique(np.concatenate(places))
    begins = np.flatnonzero(np.diff(held) > APART_S * MOTION_HZ) + 1
    parts = []
    for part in np.split(held, begins):
        values = np.full((len(energies), int(part[-1] - part[0]) + 1), np.nan)
        for row, (where, energy) in enumerate(zip(places, energies, strict=True)):
            inside = slice(*np.searchsorted(where, [part[0], part[-1] + 1]))
            values[row, where[inside] - part[0]] = energy.values[inside, 0]
        valid = np.isfinite(values).all(axis=0)
        parts.append(Motion(int(part[0]), np.where(valid, values, 0.0), valid))
    return parts


def sharp_moments(recording: Recording) -> FloatArray:
    """Return (k,) seconds of taps, claps and knocks: jerks far above the usual one of the seconds around them."""
    from scipy.ndimage import median_filter
    from scipy.signal import find_peaks

    stream = recording["accel"] if "accel" in recording.streams else recording["user_accel"]
    fine = resample_offline(_without_implausible(stream), _TAP_HZ)
    if len(fine) < 2:
        return np.empty(0)  # shorter than a knock
    steps = np.linalg.norm(np.diff(np.asarray(fine.values, dtype=np.float64), axis=0), axis=1) * _TAP_HZ
    jerk = np.where(np.isfinite(steps) & (np.diff(fine.time) < 1.5 / _TAP_HZ), steps, 0.0)
    second = int(_TAP_HZ)
    padded = np.pad(jerk, (0, -len(jerk) % second), mode="edge").reshape(-1, second)
    usual = np.repeat(median_filter(np.percentile(padded, 90, axis=1), 5, mode="nearest"), second)[: len(jerk)]
    least = np.maximum(_TAP_LEAST_G_S, _TAP_OVER_USUAL * usual)
    peaks, _ = find_peaks(jerk, height=least, distance=int(_TAP_APART_S * _TAP_HZ))
    reach = np.arange(-int(_TAP_REACH_S * _TAP_HZ), int(_TAP_REACH_S * _TAP_HZ) + 1)
    near = np.clip(peaks[:, None] + reach, 0, len(jerk) - 1)
    weight = jerk[near] ** 2
    # The middle of the energy, not the highest step: that one depends on when each device happened to sample.
    return np.asarray(np.sum(weight * (fine.time[near] + 0.5 / _TAP_HZ), axis=1) / np.sum(weight, axis=1))


def _without_implausible(stream: Stream) -> Stream:
    values = np.where(usable(stream.name, stream.values)[:, None], stream.values, np.nan)
    return stream.with_values(stream.name, values)
