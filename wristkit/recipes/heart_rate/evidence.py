"""What eight seconds of light say about the pulse: for each rate, how much likelier the light is with it than without.

Each window is a linear model of the slope of the light: slow drift, what motion does to it, a pulse (sinusoids at a
rate and its first harmonics) and noise, with normal priors for all amplitudes. Its evidence is exact, and one Fourier
transform of each column gives it for all rates at once. Samples that are missing have the weight 0 and need no filling.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.ndimage import minimum_filter1d

from wristkit.recording import FloatArray
from wristkit.signals.pieces import Mask, long_runs

GRID_HZ = 25.0
WINDOW_S = 8.0  # eight beats at 60 a minute; as Zhang (2015) and Temko (2017)
LENGTH = int(WINDOW_S * GRID_HZ)
RATES_BPM = np.arange(30.0, 221.0)

SIZE = int(60 * GRID_HZ)  # of the transform: bin k is k beats a minute
_BINS = RATES_BPM.astype(np.int64)
_TAPER = np.sqrt(
    np.sin(np.pi * (np.arange(LENGTH) + 0.5) / LENGTH)
)  # narrower than Hann's: motion leaves no side lobes
_DRIFT_TO_HZ = 0.4  # slower than 24 beats a minute: breath, vessels, posture
DRIFT = np.cos(np.pi * np.arange(int(2 * WINDOW_S * _DRIFT_TO_HZ) + 1)[:, None] * (np.arange(LENGTH) + 0.5) / LENGTH)
_LEAST_VALID = 0.5
_TINY = 1e-12

# Light. The slope makes of slow noise, which falls with frequency, noise as strong at all of them.
_FLAT = 8  # equal samples in a row, 0.32 s: no skin gives them
_BESIDE = 3  # samples beside them, through which the light falls onto its end
_BURST = 41  # samples, 1.6 s: a beat at 40 a minute
_CLIP = 2.0  # of the 90th percentile of the slope, which a rise of the pulse reaches: what is steeper is a jump

# Pulse.
_HARMONICS = 3
_PULSE_TO_NOISE = 5.0  # prior power of each harmonic: where motion hides the first, the others stand for it
_MOST_OF_FIRST = 8.0  # times its energy that a higher harmonic of the slope may have: a finger with a high second wave
_FREEDOM = 60.0  # independent numbers in a window of light up to 5 Hz

# Motion.
_SHIFTS = (-4, -2, 0, 2, 4)  # samples: how late blood follows a push is not known
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
_MOST_COLUMNS = 20
_LEAST_POWER = 3e-4  # of the strongest direction's
_MOTION_G = 0.02  # amplitude of a swing at 1.5 Hz at which it is half trusted: a pulse at rest shakes a wrist by less
_STEP_AT_WALK = 2 * (np.sin(2 * np.pi * 1.5 / GRID_HZ) + np.sin(4 * np.pi * 1.5 / GRID_HZ))
_BESIDE_BPM = 7  # rates about one that motion hides: its strength changes within the window, which widens its line
_UNEXPLAINED = 0.002  # of what motion explains, that it explains wrongly

_RHYTHM_TO_HZ = 5.0  # harmonics of a rhythm that is taken out of the light


class Evidence(NamedTuple):
    """What a window says of each of ``RATES_BPM`` (k,).

    ``log`` is the log evidence of a pulse over none, ``share`` what of the light's energy the pulse would make, and
    ``free`` how much of its freest harmonic motion could not have made. ``power`` is the mean square of the slope, and
    ``skew`` its skewness: blood comes faster than it goes. ``reason`` says why nothing is known, "" where something is.
    """

    log: FloatArray
    share: FloatArray
    free: FloatArray
    power: float
    skew: float
    reason: str


def nothing(reason: str) -> Evidence:
    """Return what a window says that says nothing."""
    zeros = np.zeros(len(RATES_BPM))
    return Evidence(zeros, zeros, zeros, float("nan"), 0.0, reason)


def evidence(light: FloatArray, motion: FloatArray | None) -> Evidence:
    """Return what light (LENGTH, c) says beside motion (LENGTH, 3) in g; NaN is a missing sample in both.

    Channels are weighted by the best evidence of each.
    """
    return _of_all(light, lambda weights: _explained(weights, motion))


def evidence_beside(light: FloatArray, bpm: float) -> Evidence:
    """Return what light (LENGTH, c) says of a second rhythm, when one of this rate is taken out as motion would be."""
    return _of_all(light, lambda weights: of_lines(weights, multiples(bpm)))


def _of_all(light: FloatArray, columns_of: Callable[[FloatArray], FloatArray]) -> Evidence:
    held = [one for one in map(Channel.of, light.T) if one is not None]
    if not held:
        present = np.isfinite(light).mean(axis=0).max(initial=0.0)
        return nothing("flat" if present > _LEAST_VALID + 4 / LENGTH else "missing")
    return together([of_channel(one, columns_of(one.weights)).evidence for one in held])


def together(found: Sequence[Evidence]) -> Evidence:
    """Return what channels say together, each weighted by its best evidence."""
    best = weights_of([one.log for one in found])
    log, share, free, power, skew = (np.tensordot(best, np.array([one[part] for one in found]), 1) for part in range(5))
    return Evidence(log, share, free, float(power), float(skew), "")


def weights_of(logs: Sequence[FloatArray]) -> FloatArray:
    """Return by channel (c,) what part its best log evidence is of all."""
    best = np.array([max(float(one.max()), 0.0) for one in logs]) + _TINY
    return np.asarray(best / best.sum())


class Channel(NamedTuple):
    """Slope (n,) of the light in units of its size, weights (n,), mean square and skewness of the slope; that size."""

    steps: FloatArray
    weights: FloatArray
    power: float
    skew: float
    size: float

    @classmethod
    def of(cls, column: FloatArray) -> Self | None:
        """Return a channel (n,), or None where less than half of it is light."""
        steps = _slope(column[:, None])[:, 0]
        valid = np.isfinite(steps) & ~_flat(column)
        steps = np.where(valid, steps, 0.0)
        if valid.mean() < _LEAST_VALID or not steps.any():
            return None
        calm = _calm(steps**2, valid)
        size = float(np.quantile(np.abs(calm * steps)[valid], 0.9))
        clipped = np.clip(calm * steps / max(size, _TINY), -_CLIP, _CLIP) / np.maximum(calm, 1e-3)
        power, skew = float(np.mean(steps[valid] ** 2)), _skewness(clipped[valid])
        return cls(clipped, _TAPER * valid * calm, power, skew, size)


def _slope(columns: FloatArray) -> FloatArray:
    """Return the slope of columns (n, c) over five samples, without what is faster than 8 Hz; NaN beside NaN."""
    slope = np.full(columns.shape, np.nan)
    slope[2:-2] = columns[4:] + columns[3:-1] - columns[1:-3] - columns[:-4]
    return slope


def _calm(power: FloatArray, valid: Mask) -> FloatArray:
    """Return (n,) from 1 where the light is as calm as in the calmest fifth, towards 0 in a burst."""
    width = np.ones(_BURST)
    local = np.convolve(power, width, mode="same") / np.maximum(np.convolve(valid, width, mode="same"), 1)
    quiet = np.quantile(local[valid], 0.2)
    return np.asarray(np.sqrt(np.minimum(1.0, quiet / np.maximum(local, _TINY))))


def _flat(column: FloatArray) -> Mask:
    """Return which samples (n,) lie in a run of equal values, or beside one."""
    flat = np.zeros(len(column), dtype=bool)
    for first, stop in long_runs([np.diff(column) == 0], least=_FLAT).tolist():
        flat[max(0, first - _BESIDE) : stop + _BESIDE] = True
    return flat


def _skewness(steps: FloatArray) -> float:
    held = np.clip(steps, -_CLIP, _CLIP)
    away = held - held.mean()
    return float(np.mean(away**3) / max(float(np.mean(away**2)) ** 1.5, _TINY))


class Pulse(NamedTuple):
    """What a channel says of a pulse, and by rate (k,) how large it would be: the square of its slope over the rate."""

    evidence: Evidence
    sizes: FloatArray


def of_channel(channel: Channel, columns: FloatArray, *, closed: Mask | None = None, most: float = np.inf) -> Pulse:
    """Return what a channel says when columns (k, n), the first of which are drift, are taken out of it.

    ``closed`` (bins,) are rates that count as hidden whatever they show, and whose harmonics do not stand for them; a
    pulse larger than ``most`` counts as hidden too.
    """
    weights = channel.weights
    light = without(columns[: len(DRIFT)], weights * channel.steps)
    swung = float(light @ light)
    light = without(columns[len(DRIFT) :], light)
    total = (1 - _UNEXPLAINED) * float(light @ light) + _UNEXPLAINED * swung + _TINY
    spectra = np.fft.rfft(np.vstack([weights * light, weights * columns]), SIZE)
    gained, occam, seen = _harmonics(spectra, np.fft.fft(weights**2, SIZE), closed)
    sizes = gained * channel.size**2 / RATES_BPM**2 * float(_TAPER @ _TAPER) / float(weights @ weights)
    gained, occam, seen = (np.where(sizes > most, 0.0, one) for one in (gained, occam, seen))
    share = np.clip(gained / total, 0.0, 0.99)
    log = log_evidence(share, weights) - occam
    return Pulse(Evidence(log, share, seen, channel.power, channel.skew, ""), sizes)


def log_evidence(share: FloatArray, weights: FloatArray) -> FloatArray:
    """Return by rate the log evidence of what explains a share of the light's energy, before what it costs."""
    return np.asarray(-0.5 * _FREEDOM * float(weights @ weights) / float(_TAPER @ _TAPER) * np.log1p(-share))


def without(columns: FloatArray, light: FloatArray) -> FloatArray:
    """Return light (n,) without orthonormal columns (k, n)."""
    return np.asarray(light - columns.T @ (columns @ light))


def _harmonics(
    spectra: npt.NDArray[np.complex128], double: npt.NDArray[np.complex128], closed: Mask | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, by rate, the energy that all harmonics explain, what they cost, and how free the freest of them is.

    Of a harmonic counts what motion leaves free of it, and no more than goes with its fundamental where that is free.
    """
    gained, occam, seen = np.zeros(len(_BINS)), np.zeros(len(_BINS)), np.zeros(len(_BINS))
    first, hidden = gained, gained
    for harmonic in range(1, _HARMONICS + 1):
        bins = harmonic * _BINS
        gain, determinant, free = gain_of(spectra, double, bins)
        free = free if closed is None else free * ~closed[bins]
        if harmonic == 1:
            first, hidden = gain, 1 - free
        stand_in = hidden * gain if closed is None else -_MOST_OF_FIRST * hidden * first
        gain = np.minimum(gain, _MOST_OF_FIRST * first + stand_in)
        gained, occam, seen = gained + free * gain, occam + 0.5 * free * np.log(determinant), np.maximum(seen, free)
    return gained, occam, seen


def gain_of(
    spectra: npt.NDArray[np.complex128],
    double: npt.NDArray[np.complex128],
    bins: npt.NDArray[np.int64],
    *,
    prior: float = _PULSE_TO_NOISE,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what :func:`_gain` does for bins of whole spectra; free is a rate that has nothing hidden near it."""
    gain, determinant, left = _gain(spectra[:, bins], double[0].real, double[2 * bins % SIZE], prior)
    return gain, determinant, minimum_filter1d(left, _BESIDE_BPM)


def _gain(
    spectra: npt.NDArray[np.complex128], weight: float, double: npt.NDArray[np.complex128], prior: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, by rate, the energy that a sinusoid explains, the Occam determinant, and what of it is left free.

    ``spectra`` are those of the light and of the columns that are taken out of it; ``double`` is that of the squared
    weights at twice each rate, of which products of sines and cosines are made.
    """
    light, known = spectra[0], spectra[1:]
    cosine = 0.5 * (weight + double.real) - np.sum(known.real**2, axis=0)
    sine = 0.5 * (weight - double.real) - np.sum(known.imag**2, axis=0)
    both = -0.5 * double.imag + np.sum(known.real * known.imag, axis=0)
    loose = 0.5 * weight / prior
    determinant = np.maximum((cosine + loose) * (sine + loose) - both**2, _TINY)
    energy = (sine + loose) * light.real**2 + (cosine + loose) * light.imag**2 + 2 * both * light.real * light.imag
    return energy / determinant, determinant / loose**2, np.clip((cosine + sine) / weight, 0.0, 1.0)


def _explained(weights: FloatArray, motion: FloatArray | None) -> FloatArray:
    """Return (k, n) orthonormal directions of drift, and of motion as far as it is strong enough to be trusted."""
    drift = np.linalg.qr((DRIFT * weights).T)[0].T
    if motion is None:
        return np.asarray(drift)
    moved = weights * _features(motion)
    moved = moved - (moved @ drift.T) @ drift
    power, directions = np.linalg.eigh(moved @ moved.T)
    power, directions = power[: -_MOST_COLUMNS - 1 : -1], directions[:, : -_MOST_COLUMNS - 1 : -1]
    kept = power > _LEAST_POWER * max(float(power[0]), _TINY)
    columns = (directions[:, kept].T @ moved) / np.sqrt(power[kept])[:, None]
    quiet = len(_SHIFTS) * float(weights @ weights) * (_MOTION_G * _STEP_AT_WALK) ** 2 / 2
    return np.vstack([drift, columns * np.sqrt(power.sum() / (power.sum() + quiet))])


def of_lines(weights: FloatArray, lines_bpm: FloatArray) -> FloatArray:
    """Return (k, n) orthonormal directions of drift, and of sinusoids at some rates."""
    turn = 2 * np.pi * lines_bpm[:, None] / 60 * np.arange(LENGTH) / GRID_HZ
    return np.asarray(np.linalg.qr((np.vstack([DRIFT, np.cos(turn), np.sin(turn)]) * weights).T)[0].T)


def multiples(bpm: float) -> FloatArray:
    """Return (k,) a rate and its multiples up to 5 Hz, as far as they are taken out of light."""
    return np.asarray(bpm * np.arange(1.0, max(1, int(60 * _RHYTHM_TO_HZ / bpm)) + 1), dtype=np.float64)


def _features(motion: FloatArray) -> FloatArray:
    """Return (k, n) slopes of each axis, of the length and of the products of what moves, at some shifts."""
    axes = np.where(np.isfinite(motion), motion, 0.0)
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    moved = axes - axes.mean(axis=0)
    products = np.column_stack([moved[:, one] * moved[:, other] for one, other in _PAIRS])
    steps = np.nan_to_num(_slope(np.hstack([axes, length, products]))).T
    return np.vstack([np.roll(steps, shift, axis=1) for shift in _SHIFTS])
