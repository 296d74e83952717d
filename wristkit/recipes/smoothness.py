"""How smooth a movement is: two published figures of a speed or of a rate, and how strongly a hand trembles."""

from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray

SPARC_HZ, SPARC_LEVEL, SPARC_PADDED = 10.0, 0.05, 4
TREMOR_HZ = (3.5, 12.0)
_NEAR_PEAK_HZ = 0.75


def sparc(speed: FloatArray, rate_hz: float) -> float:
    """Return the spectral arc length of a speed (n,): 0 for none, more negative the less smooth.

    After Balasubramanian, Melendez-Calderon, Roby-Brami and Burdet (J. NeuroEng. Rehabil. 12:112, 2015): the length of
    the normalised amplitude spectrum up to the last frequency below 10 Hz at which it reaches 5 % of its first value,
    on a spectrum padded to 16 times the next power of two. NaN of a speed that is nowhere above 0.
    """
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + SPARC_PADDED)
    spectrum = np.abs(np.fft.rfft(speed, size))
    if not spectrum[0] > 0:
        return float("nan")
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    inside = hz <= SPARC_HZ
    height, hz = spectrum[inside] / spectrum[0], hz[inside]
    last = int(np.flatnonzero(height >= SPARC_LEVEL)[-1])
    if last < 1:
        return float("nan")
    return float(-np.sum(np.hypot(np.diff(hz[: last + 1]) / hz[last], np.diff(height[: last + 1]))))


def log_dimensionless_jerk(rate: FloatArray, rate_hz: float) -> float:
    """Return the log dimensionless jerk of a rate (n, c): more negative the less smooth.

    After Balasubramanian et al. (2015), minus the log of the summed square of its second derivative, times the third
    power of its duration, over the square of its peak. Of a vector it is that of all axes together, so that it does not
    matter how the sensor is turned (as Melendez-Calderon, Shirota and Balasubramanian have it for inertial sensors,
    Front. Bioeng. Biotechnol. 8, 2021). NaN of fewer than five samples, or of nothing but zeros.
    """
    peak_2 = float(np.max(np.sum(rate**2, axis=1), initial=0.0))
    if len(rate) < 5 or not peak_2 > 0:
        return float("nan")
    second = np.diff(rate, n=2, axis=0) * rate_hz**2
    duration_s = (len(rate) - 1) / rate_hz
    total = float(np.sum(second**2)) / rate_hz * duration_s**3 / peak_2
    return float(-np.log(total)) if total > 0 else float("nan")


class Tremor(NamedTuple):
    """Of k windows (k,): root mean square in the band, its strongest frequency, and which part of it lies near that."""

    size: FloatArray
    peak_hz: FloatArray
    share: FloatArray


def tremor(windows: FloatArray, rate_hz: float) -> Tremor:
    """Return how strongly windows (k, n, axes) shake between 3.5 and 12 Hz, all axes together.

    A Hann window, whose loss of power is made up for; ``share`` is 1 where all of the band lies within 0.75 Hz of its
    peak.
    """
    count = windows.shape[1]
    taper = np.hanning(count + 1)[:-1]
    centred = windows - windows.mean(axis=1, keepdims=True)
    power = np.sum(np.abs(np.fft.rfft(centred * taper[:, None], axis=1)) ** 2, axis=2)
    power *= 2 / (count * np.sum(taper**2))
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    band = (hz >= TREMOR_HZ[0]) & (hz <= TREMOR_HZ[1])
    inside, hz = power[:, band], hz[band]
    total, peak_hz = inside.sum(axis=1), hz[np.argmax(inside, axis=1)]
    near = np.sum(np.where(np.abs(hz - peak_hz[:, None]) <= _NEAR_PEAK_HZ, inside, 0.0), axis=1)
    return Tremor(np.sqrt(total), peak_hz, near / np.maximum(total, 1e-300))
