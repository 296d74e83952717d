"""Two rhythms in one window of light: what is left of a pulse beside that of motion, and of motion beside a pulse.

A rhythm is a fundamental and its multiples. It wanders a little within 8 s, so that some of each strong line stays when
it is taken out: rates near one count as hidden.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wristkit.recipes.heart_rate.evidence import (
    DRIFT,
    SIZE,
    Channel,
    Evidence,
    gain_of,
    log_evidence,
    multiples,
    nothing,
    of_channel,
    of_lines,
    together,
    weights_of,
    without,
)
from wristkit.recording import FloatArray
from wristkit.signals.pieces import Mask

FUNDAMENTALS_BPM = np.arange(35.0, 221.0)  # slow swings of an arm, to hands that shake
_TO_BPM = 300
_STRONG = 0.04  # of the energy of the light: a line that leaves something of itself, at a wander of the rate of 1 %
_RESIDUE_BPM = 9  # as far as that lies from the line
_LEAST_FREE = 1e3  # prior power of a line that is only measured


class Found(NamedTuple):
    """What the light says of a pulse, and by channel how large it would be at each rate."""

    said: Evidence
    sizes: dict[int, FloatArray]


class Shape(NamedTuple):
    """Of the light's energy, what a rhythm's fundamental, its double, and halves of it hold; skewness and share."""

    first: float
    second: float
    halves: float
    skew: float
    share: float


class Window:
    """The channels of one window (LENGTH, c) that hold light, without their drift."""

    def __init__(self, light: FloatArray) -> None:
        found = {place: Channel.of(column) for place, column in enumerate(light.T)}
        self._held = {place: _Calm(one) for place, one in found.items() if one is not None}

    def pulse(self, moving_bpm: Sequence[float], *, most: Mapping[int, float]) -> Found:
        """Return what is said of a pulse when rhythms of motion are taken out; one larger than ``most`` is none."""
        if not self._held:
            return Found(nothing("missing"), {})
        lines = lines_of(moving_bpm)
        found = {
            place: of_channel(one.channel, one.columns(lines), closed=one.closed(lines), most=most.get(place, np.inf))
            for place, one in self._held.items()
        }
        return Found(together([one.evidence for one in found.values()]), {k: one.sizes for k, one in found.items()})

    def motion(self, known_bpm: Sequence[float]) -> FloatArray:
        """Return the log evidence of another rhythm at each of ``FUNDAMENTALS_BPM`` beside known ones."""
        lines = lines_of(known_bpm)
        logs = [one.rhythm(lines) for one in self._held.values()]
        return np.asarray(np.tensordot(weights_of(logs), logs, 1))

    def shape(self, bpm: float, said: Evidence) -> Shape:
        """Return what the rhythm of a rate looks like, as the mean of the channels."""
        at_bpm = bpm * np.array([1.0, 2.0, 0.5, 1.5])
        first, second, half, more = np.mean([one.shares(at_bpm) for one in self._held.values()], axis=0).tolist()
        return Shape(first, second, half + more, said.skew, float(said.share.max()))


class _Calm:
    """A channel without its drift."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._drift = of_lines(channel.weights, np.empty(0))
        self._light = without(self._drift, channel.weights * channel.steps)
        self._double = np.fft.fft(channel.weights**2, SIZE)

    def columns(self, lines_bpm: FloatArray) -> FloatArray:
        return of_lines(self.channel.weights, lines_bpm) if len(lines_bpm) else self._drift

    def shares(self, lines_bpm: FloatArray) -> FloatArray:
        """Return what share of the energy each line holds (k,), each seen alone."""
        if not len(lines_bpm):
            return np.empty(0)
        bins = np.round(lines_bpm).astype(np.int64)
        spectrum = np.fft.rfft(self.channel.weights * self._light, SIZE)[None]
        gained, _, _ = gain_of(spectrum, self._double, bins, prior=_LEAST_FREE)
        return np.asarray(gained / max(float(self._light @ self._light), 1e-12))

    def closed(self, lines_bpm: FloatArray) -> Mask:
        """Return which bins (k,) lie near a strong line."""
        strong = np.round(lines_bpm[self.shares(lines_bpm) > _STRONG])
        away = np.abs(np.arange(SIZE // 2 + 1) - strong[:, None])
        return np.asarray((away <= _RESIDUE_BPM).any(axis=0))

    def rhythm(self, lines_bpm: FloatArray) -> FloatArray:
        """Return the log evidence (k,) of a rhythm at each fundamental, when lines are taken out."""
        columns, weights = self.columns(lines_bpm), self.channel.weights
        light = without(columns[len(DRIFT) :], self._light)
        spectra = np.fft.rfft(np.vstack([weights * light, weights * columns]), SIZE)
        bins = np.arange(_TO_BPM + 1)
        gain, determinant, free = gain_of(spectra, self._double, bins)
        free = free * ~self.closed(lines_bpm)[bins]
        share, occam = _over_multiples(free * gain), _over_multiples(0.5 * free * np.log(determinant))
        share = np.clip(share / max(float(light @ light), 1e-12), 0.0, 0.99)
        return log_evidence(share, weights) - occam


def lines_of(rates_bpm: Sequence[float]) -> FloatArray:
    """Return (k,) rhythms and their multiples, as far as they are taken out."""
    return np.concatenate([np.empty(0), *(multiples(one) for one in rates_bpm)])


def _over_multiples(of_bins: FloatArray) -> FloatArray:
    """Return the sums (k,) over all multiples of each fundamental."""
    summed = np.zeros(len(FUNDAMENTALS_BPM))
    for multiple in range(1, int(_TO_BPM / FUNDAMENTALS_BPM[0]) + 1):
        bins = (multiple * FUNDAMENTALS_BPM).astype(np.int64)
        within = bins <= _TO_BPM
        summed[within] += of_bins[bins[within]]
    return summed
