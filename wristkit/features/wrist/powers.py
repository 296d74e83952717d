"""Where in frequency motion and rotation have their power."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from wristkit.features.wrist.registry import wrist_feature
from wristkit.features.wrist.seen import COSTLY, NOTHING, Seen, Shape, ratio
from wristkit.recording import FloatArray

BANDS_HZ = ((0.3, 1.0), (1.0, 3.0), (3.0, 6.0), (6.0, 12.0), (12.0, 25.0))
_ROLL_OFF = 0.85
_FEWEST_SAMPLES = 8


class _Spectrum(NamedTuple):
    """A shared step that gives the power of something by frequency."""

    step: str
    prefix: str
    stream: str
    unit: str
    of: str


class _Told(NamedTuple):
    """What a spectrum tells: a function of its lines (n, k) and their frequencies (k,)."""

    function: Callable[[FloatArray, FloatArray], FloatArray]
    name: str
    unit: str
    meaning: str
    per_sample: float
    fixed: float


_SPECTRA = (
    _Spectrum("spectrum", "power", "accel", "g2", "acceleration"),
    _Spectrum("turn_spectrum", "turn_power", "gyro", "rad2/s2", "rotation"),
)


def _strongest(lines: FloatArray, at_hz: FloatArray) -> FloatArray:
    return np.where(lines.max(axis=1) > NOTHING, at_hz[np.argmax(lines, axis=1)], 0.0)


def _tone(lines: FloatArray, _at_hz: FloatArray) -> FloatArray:
    return ratio(lines.max(axis=1), lines.sum(axis=1))


def _centre(lines: FloatArray, at_hz: FloatArray) -> FloatArray:
    return ratio((lines * at_hz).sum(axis=1), lines.sum(axis=1))


def _spread(lines: FloatArray, at_hz: FloatArray) -> FloatArray:
    away_hz = at_hz - _centre(lines, at_hz)[:, None]
    return np.sqrt(ratio((lines * away_hz * away_hz).sum(axis=1), lines.sum(axis=1)))


def _disorder(lines: FloatArray, _at_hz: FloatArray) -> FloatArray:
    shares = ratio(lines, lines.sum(axis=1)[:, None])
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(-terms.sum(axis=1) / np.log(lines.shape[1]))


def _edge(lines: FloatArray, at_hz: FloatArray) -> FloatArray:
    summed = np.cumsum(lines, axis=1)
    reached = np.argmax(summed >= _ROLL_OFF * summed[:, -1:], axis=1)
    return np.where(summed[:, -1] > NOTHING, at_hz[reached], 0.0)


_TOLD = (
    _Told(_strongest, "frequency", "Hz", "Frequency of most power", 0.5, 1),
    _Told(_tone, "tone", "1", "Share of the power that lies at that frequency alone", 1, COSTLY),
    _Told(_centre, "centre", "Hz", "Mean frequency of the power", 1.5, COSTLY),
    _Told(_spread, "spread", "Hz", "How far the power lies from its mean frequency", 4, 3 * COSTLY),
    _Told(_disorder, "disorder", "1", "Entropy of the power, 0 for a tone and 1 for noise", COSTLY + 2, COSTLY),
    _Told(_edge, "edge", "Hz", "Frequency below which 85 % of the power lies", 1, 1),
)


def _band(seen: Seen, *, step: str, low_hz: float, high_hz: float) -> FloatArray:
    return np.asarray(getattr(seen, step)[:, seen.shape.bins(low_hz, high_hz)].sum(axis=1))


def _holds(shape: Shape, *, low_hz: float, high_hz: float) -> bool:
    places = shape.bins(low_hz, high_hz)
    return shape.rate_hz >= 2 * high_hz and places.stop > places.start


def _of_lines(seen: Seen, *, step: str, told: _Told) -> FloatArray:
    """Return what a spectrum tells without its mean."""
    per_bin_hz = seen.shape.rate_hz / seen.shape.samples
    at_hz = np.asarray(np.arange(1, seen.shape.samples // 2 + 1) * per_bin_hz, dtype=np.float64)
    return told.function(getattr(seen, step)[:, 1:], at_hz)


def _register(spectrum: _Spectrum) -> None:
    for low_hz, high_hz in BANDS_HZ:
        wrist_feature(
            spectrum.unit,
            needs=[spectrum.step],
            streams=[spectrum.stream],
            per_sample=0.5,
            fits=partial(_holds, low_hz=low_hz, high_hz=high_hz),
            name=f"{spectrum.prefix}_{low_hz:g}_to_{high_hz:g}_hz".replace(".", "_"),
            meaning=f"Power of {spectrum.of} from {low_hz:g} to {high_hz:g} Hz",
        )(partial(_band, step=spectrum.step, low_hz=low_hz, high_hz=high_hz))
    for told in _TOLD:
        wrist_feature(
            told.unit,
            needs=[spectrum.step],
            streams=[spectrum.stream],
            per_sample=told.per_sample,
            fixed=told.fixed,
            fits=lambda shape: shape.samples >= _FEWEST_SAMPLES,
            name=f"{spectrum.prefix}_{told.name}",
            meaning=f"{told.meaning}, of {spectrum.of}",
        )(partial(_of_lines, step=spectrum.step, told=told))


for _one in _SPECTRA:
    _register(_one)
