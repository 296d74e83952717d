"""What a watch makes of a motion: noise, bias, range, steps and stamps."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation, Slerp

from wristkit.filters import is_number
from wristkit.recording import STANDARD_GRAVITY, FloatArray
from wristkit.simulate.body import WatchPath

_BANDWIDTH_OF_RATE = 0.4  # of the sampling rate: what the watch's own anti-alias filter lets through; estimate

_LEAST, _MOST = 1e-9, 1e9  # of what must be above 0, and of what has no end of its own
_LIMITS = {
    "accel_range_g": (_LEAST, np.inf),
    "gyro_range_rad_s": (_LEAST, np.inf),
    "clock_error_ppm": (-1e5, 1e5),
    "missing_fraction": (0.0, 1 - _LEAST),
}
"""What a number may be where it is not just 0 or more."""


@dataclass(frozen=True, kw_only=True)
class SensorParams:
    """A motion sensor and its clock; every default is an estimate from data sheets of such sensors, none was measured.

    Parameters
    ----------
    rate_hz
        Samples a second on the sensor's own clock.
    accel_noise_g_per_rthz, gyro_noise_rad_s_per_rthz
        Noise density: 150 ug and 0.007 degrees a second per root hertz.
    accel_bias_sd_g, gyro_bias_sd_rad_s
        Spread of the constant offset of each axis over recordings.
    accel_scale_sd, gyro_scale_sd
        Spread of the scale error of each axis over recordings.
    accel_range_g, gyro_range_rad_s
        Saturation: 16 g and 2000 degrees a second.
    accel_step_g, gyro_step_rad_s
        Quantisation steps.
    stamp_jitter_s
        Standard deviation of the moments of sampling; the stamps are those moments.
    stamp_step_s
        Resolution of the stamps.
    clock_error_ppm
        How much faster than true time the sensor's clock runs.
    gaps_s
        (start, stop) pairs in which nothing is recorded.
    missing_fraction
        Part of the samples that is lost one by one.
    """

    rate_hz: float
    accel_noise_g_per_rthz: float = 1.5e-4
    gyro_noise_rad_s_per_rthz: float = 1.2e-4
    accel_bias_sd_g: float = 0.008
    gyro_bias_sd_rad_s: float = 0.004
    accel_scale_sd: float = 0.004
    gyro_scale_sd: float = 0.006
    accel_range_g: float = 16.0
    gyro_range_rad_s: float = 34.9
    accel_step_g: float = 0.0005
    gyro_step_rad_s: float = 0.001
    stamp_jitter_s: float = 0.0003
    stamp_step_s: float = 1e-5
    clock_error_ppm: float = 0.0
    gaps_s: tuple[tuple[float, float], ...] = ()
    missing_fraction: float = 0.0

    def __post_init__(self) -> None:
        if not (is_number(self.rate_hz) and 0 < self.rate_hz < np.inf):
            raise ValueError(f"rate_hz is {self.rate_hz!r}, expected a positive number such as 50.0")
        for name in (field.name for field in fields(self) if field.name not in ("rate_hz", "gaps_s")):
            value, (low, high) = getattr(self, name), _LIMITS.get(name, (0.0, _MOST))
            if not (is_number(value) and low <= value <= high):
                raise ValueError(f"{name} is {value!r}, expected a number from {low:g} to {high:g}")
        if not self.stamp_step_s * self.rate_hz < 1:
            raise ValueError(
                f"stamp_step_s is {self.stamp_step_s}, expected less than the {1 / self.rate_hz:g} s from sample to "
                "sample, or their stamps would be equal"
            )
        if any(not start < stop for start, stop in self.gaps_s):
            raise ValueError(f"gaps_s is {self.gaps_s}, expected (start, stop) pairs with start < stop")


WATCH = SensorParams(rate_hz=50.0)
"""The sensor of the bundled samples: device motion of a watch at 50 Hz."""


def ideal(rate_hz: float) -> SensorParams:
    """Return a sensor without any error: what it samples is the motion itself."""
    return SensorParams(
        rate_hz=rate_hz,
        accel_noise_g_per_rthz=0.0,
        gyro_noise_rad_s_per_rthz=0.0,
        accel_bias_sd_g=0.0,
        gyro_bias_sd_rad_s=0.0,
        accel_scale_sd=0.0,
        gyro_scale_sd=0.0,
        accel_range_g=np.inf,
        gyro_range_rad_s=np.inf,
        accel_step_g=0.0,
        gyro_step_rad_s=0.0,
        stamp_jitter_s=0.0,
        stamp_step_s=0.0,
    )


class Samples(NamedTuple):
    """Stamps (n,) in seconds of the sensor's clock, and what was sensed at each, in Core Motion's units and signs."""

    time: FloatArray
    accel: FloatArray
    gyro: FloatArray
    gravity: FloatArray
    attitude: FloatArray


def sense(path: WatchPath, sensor: SensorParams, *, body_rate_hz: float, rng: np.random.Generator) -> Samples:
    """Return what the sensor records of a path that starts at its second 0."""
    duration_s = (len(path.rate) - 1) / body_rate_hz
    stamps = _stamps(duration_s, sensor, rng)
    true_s = stamps / (1 + sensor.clock_error_ppm * 1e-6)
    clock = np.arange(len(path.rate)) / body_rate_hz
    axes = Slerp(clock, path.axes)(true_s)
    gravity = axes.inv().apply([0.0, 0.0, -1.0])
    # Core Motion counts acceleration as a force of inertia: gravity minus motion.
    moved = path.axes.inv().apply(path.acceleration) / STANDARD_GRAVITY
    accel = gravity - _sampled(moved, clock, true_s, sensor.rate_hz)
    gyro = _sampled(path.rate, clock, true_s, sensor.rate_hz)
    return Samples(
        stamps,
        _with_errors(accel, _accel(sensor), rng),
        _with_errors(gyro, _gyro(sensor), rng),
        gravity,
        _quaternion(axes),
    )


class _Errors(NamedTuple):
    noise_sd: float
    bias_sd: float
    scale_sd: float
    limit: float
    step: float


def _accel(sensor: SensorParams) -> _Errors:
    noise_sd = sensor.accel_noise_g_per_rthz * np.sqrt(sensor.rate_hz / 2)
    return _Errors(noise_sd, sensor.accel_bias_sd_g, sensor.accel_scale_sd, sensor.accel_range_g, sensor.accel_step_g)


def _gyro(sensor: SensorParams) -> _Errors:
    noise_sd = sensor.gyro_noise_rad_s_per_rthz * np.sqrt(sensor.rate_hz / 2)
    limits = (sensor.gyro_range_rad_s, sensor.gyro_step_rad_s)
    return _Errors(noise_sd, sensor.gyro_bias_sd_rad_s, sensor.gyro_scale_sd, *limits)


def _stamps(duration_s: float, sensor: SensorParams, rng: np.random.Generator) -> FloatArray:
    """Return the moments of sampling, on the sensor's clock, that were not lost."""
    duration_s *= 1 + sensor.clock_error_ppm * 1e-6
    count = int(np.floor(duration_s * sensor.rate_hz + 1e-9))
    stamps = np.arange(count) / sensor.rate_hz
    most = 0.4 / sensor.rate_hz  # more would let samples overtake each other
    stamps = stamps + np.clip(sensor.stamp_jitter_s * rng.standard_normal(count), -most, most)
    if sensor.stamp_step_s:
        stamps = np.round(stamps / sensor.stamp_step_s) * sensor.stamp_step_s
    kept = rng.random(count) >= sensor.missing_fraction
    for start_s, stop_s in sensor.gaps_s:
        kept &= (stamps < start_s) | (stamps >= stop_s)
    return np.asarray(np.clip(stamps[kept], 0.0, duration_s))


def _sampled(signal: FloatArray, clock: FloatArray, at_s: FloatArray, rate_hz: float) -> FloatArray:
    """Return a signal (n, 3) at other times, without what is above the sensor's bandwidth."""
    body_rate_hz = 1 / (clock[1] - clock[0])
    low_pass = butter(2, _BANDWIDTH_OF_RATE * rate_hz, fs=body_rate_hz, output="sos")
    return np.asarray(CubicSpline(clock, sosfiltfilt(low_pass, signal, axis=0))(at_s))


def _with_errors(signal: FloatArray, errors: _Errors, rng: np.random.Generator) -> FloatArray:
    """Return a signal (n, 3) as sensed: scaled, shifted, noisy, limited, then in whole steps."""
    scale, bias = 1 + rng.normal(0, errors.scale_sd, 3), rng.normal(0, errors.bias_sd, 3)
    noise = errors.noise_sd * rng.standard_normal(signal.shape)
    sensed = np.clip(signal * scale + bias + noise, -errors.limit, errors.limit)
    return np.asarray(np.round(sensed / errors.step) * errors.step) if errors.step else sensed


def _quaternion(axes: Rotation) -> FloatArray:
    """Return (n, 4) w, x, y, z without jumps of sign."""
    turned = np.roll(axes.as_quat(canonical=False), 1, axis=1)
    jumps = np.sum(turned[1:] * turned[:-1], axis=1) < 0
    signs = np.cumprod(np.where(np.concatenate([[False], jumps]), -1.0, 1.0))
    return np.asarray(turned * signs[:, None])
