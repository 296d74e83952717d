"""Windows of a wrist, and what several features need of them; each with what it costs on a watch.

Costs count additions, multiplications and comparisons as one operation, divisions, roots, logarithms and angles as
twenty: about what a processor without much else takes for them. Bytes are of float32, beyond the samples themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray

_NEARLY = 0.85
NOTHING = 1e-15  # g2, or rad2/s2: far below the noise of any sensor
COSTLY = 20  # operations that a division, a root, a logarithm or an angle counts as
SLOWEST_CADENCE_HZ, FASTEST_CADENCE_HZ = 0.5, 3.5
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Shape:
    """What a window is: samples a second, and how many of them."""

    rate_hz: float
    samples: int

    @property
    def cadence_lags(self) -> tuple[int, int]:
        """First and past-last lag in samples at which a rhythm is looked for; none where the window is too short."""
        first = max(2, int(np.ceil(self.rate_hz / FASTEST_CADENCE_HZ)))
        return first, min(int(self.rate_hz / SLOWEST_CADENCE_HZ), self.samples // 2) + 1

    def bins(self, low_hz: float, high_hz: float) -> slice:
        """Return the places of the spectrum from one frequency to before another."""
        first, last = (int(np.ceil(edge * self.samples / self.rate_hz - 1e-9)) for edge in (low_hz, high_hz))
        return slice(max(first, 1), min(last, self.samples // 2 + 1))


class Seen:
    """Windows (n, channels, samples), and what is computed of them once; rows do not know of each other.

    Parameters
    ----------
    values
        (n, channels, samples), finite.
    channels
        Names such as ``accel_x``; only the axes of ``accel`` in g and ``gyro`` in rad/s are looked at.
    rate_hz
        Samples a second.
    """

    def __init__(self, values: npt.ArrayLike, *, channels: Sequence[str], rate_hz: float) -> None:
        windows = np.ascontiguousarray(values, dtype=np.float64)  # the layout orders the sums, down to the bits
        self.shape = Shape(rate_hz, windows.shape[2])
        self._channels = {name: windows[:, place] for place, name in enumerate(channels)}

    def axes(self, stream: str) -> FloatArray:
        """Return (n, 3, samples) of one stream, axis after axis in memory."""
        return np.stack([self._channels[f"{stream}_{axis}"] for axis in AXES], axis=1)

    @cached_property
    def accel(self) -> FloatArray:
        """(n, 3, samples) g."""
        return self.axes("accel")

    @cached_property
    def gyro(self) -> FloatArray:
        """(n, 3, samples) rad/s."""
        return self.axes("gyro")

    @cached_property
    def gravity(self) -> FloatArray:
        """(n, 3) g: the mean of each axis."""
        return means(self.accel)

    @cached_property
    def push(self) -> FloatArray:
        """(n, samples) g: length of the acceleration."""
        return lengths(self.accel)

    @cached_property
    def jerk(self) -> FloatArray:
        """(n, samples - 1) g/s: length of the step from one sample to the next, times the rate."""
        return lengths(np.diff(self.accel, axis=2)) * self.shape.rate_hz

    @cached_property
    def ordered_jerk(self) -> FloatArray:
        """(n, samples - 1) jerk from its least to its greatest."""
        return np.sort(self.jerk, axis=1)

    @cached_property
    def spectrum(self) -> FloatArray:
        """(n, samples // 2 + 1) g2: power of the three axes by frequency, without the mean."""
        return power(self.accel)

    @cached_property
    def push_spectrum(self) -> FloatArray:
        """(n, samples // 2 + 1) g2: power of the length of acceleration by frequency."""
        return power(self.push[:, None])

    @cached_property
    def likeness(self) -> FloatArray:
        """(n, lags) from -1 to 1: how much the length of acceleration resembles itself some samples later."""
        return autocorrelation(self.push, lags=self.shape.cadence_lags[1] + 1)

    @cached_property
    def cadence_lag(self) -> npt.NDArray[np.int64]:
        """(n,) samples until motion repeats itself: the first top of likeness nearly as high as any; 0 without."""
        first, stop = self.shape.cadence_lags
        inner = self.likeness[:, first:stop]
        top = (inner >= self.likeness[:, first - 1 : stop - 1]) & (inner > self.likeness[:, first + 1 : stop + 1])
        tops = np.where(top & (inner > 0), inner, 0.0)
        high = (tops > 0) & (tops >= _NEARLY * tops.max(axis=1)[:, None])  # two and three repetitions are as alike
        return np.where(high.any(axis=1), np.argmax(high, axis=1) + first, 0)

    @cached_property
    def speed(self) -> FloatArray:
        """(n, samples) rad/s: how fast the wrist turns, whatever about."""
        return lengths(self.gyro)

    @cached_property
    def turn_spectrum(self) -> FloatArray:
        """(n, samples // 2 + 1) rad2/s2: power of the three axes by frequency, without the mean."""
        return power(self.gyro)


@dataclass(frozen=True)
class SharedStep:
    """What is computed once for several features: ``operations`` and ``bytes`` by the samples of a window."""

    meaning: str
    stream: str
    per_sample: float
    per_sample_log: float = 0.0
    per_sample_lag: float = 0.0
    bytes_per_sample: float = 4.0

    def operations(self, shape: Shape) -> float:
        """Return how many operations a window takes."""
        per_sample = self.per_sample + self.per_sample_log * np.log2(shape.samples)
        return float(shape.samples * (per_sample + self.per_sample_lag * max(0, shape.cadence_lags[1])))

    def bytes(self, shape: Shape) -> float:
        """Return how many bytes it is held in."""
        return self.bytes_per_sample * shape.samples


_FOURIER = 2.5  # operations a sample and doubling that a transform of real numbers takes
SHARED = {
    "gravity": SharedStep("mean of each axis", "accel", 3, bytes_per_sample=0),
    "push": SharedStep("length of acceleration", "accel", 5 + COSTLY),
    "jerk": SharedStep("length of the change of acceleration", "accel", 9 + COSTLY),
    "ordered_jerk": SharedStep("jerk, sorted", "accel", 0, per_sample_log=1),
    "spectrum": SharedStep("power of acceleration by frequency", "accel", 15, 3 * _FOURIER, bytes_per_sample=6),
    "push_spectrum": SharedStep("power of its length by frequency", "accel", 5, _FOURIER, bytes_per_sample=6),
    "likeness": SharedStep("likeness of motion with itself, later", "accel", 2 + COSTLY, per_sample_lag=2),
    "cadence_lag": SharedStep("samples until motion repeats itself", "accel", 4, bytes_per_sample=0),
    "speed": SharedStep("length of the rate of rotation", "gyro", 5 + COSTLY),
    "turn_spectrum": SharedStep("power of rotation by frequency", "gyro", 15, 3 * _FOURIER, bytes_per_sample=6),
}


def means(values: FloatArray) -> FloatArray:
    """Return the means along the samples."""
    return np.asarray(values.sum(axis=-1) / values.shape[-1])


def deviations(values: FloatArray) -> FloatArray:
    """Return the standard deviations along the samples."""
    return np.sqrt(means(np.square(values - means(values)[..., None])))


def lengths(axes: FloatArray) -> FloatArray:
    """Return (n, samples) lengths of (n, 3, samples) vectors."""
    x, y, z = np.moveaxis(axes, 1, 0)
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def power(axes: FloatArray) -> FloatArray:
    """Return (n, samples // 2 + 1) power of (n, axes, samples) by frequency, added up over the axes.

    A Hann window without the mean; all places together hold the mean square that the window lets through.
    """
    samples = axes.shape[-1]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
    spectrum = np.fft.rfft((axes - means(axes)[..., None]) * taper, axis=-1)
    squared = np.square(spectrum.real) + np.square(spectrum.imag)
    squared[..., 1 : (samples + 1) // 2] *= 2
    total = squared[:, 0].copy()
    for place in range(1, axes.shape[1]):
        total += squared[:, place]
    return np.asarray(total / (samples * max(np.sum(taper * taper), 1e-12)))


def autocorrelation(values: FloatArray, *, lags: int) -> FloatArray:
    """Return (n, lags) correlations of what lies so many samples apart, 1 at none; 0 where nothing moves."""
    samples = values.shape[1]
    centred = values - means(values)[:, None]
    found = np.stack([(centred[:, : samples - lag] * centred[:, lag:]).sum(axis=1) for lag in range(lags)], axis=1)
    squares = np.cumsum(centred * centred, axis=1)
    earlier = squares[:, ::-1][:, :lags]
    later = squares[:, -1:] - np.concatenate([np.zeros((len(values), 1)), squares[:, : lags - 1]], axis=1)
    return ratio(found, np.sqrt(earlier * later))


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return a quotient, 0 where there is nothing to divide by but what rounding left."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > NOTHING)
