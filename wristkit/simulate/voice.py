"""A voice as source and filter: glottal pulses and breath through moving formants, syllables, fricatives and pauses.

It speaks no language. Its syllables are the vowels of one published table between consonants drawn at random.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from wristkit.recording import FloatArray
from wristkit.simulate.people import Person
from wristkit.simulate.sound import ESTIMATE, SOUND_RATE_HZ, FloatSound, Range, levelled, sample_count

_HOP, _WINDOW, _FFT = 128, 256, 512  # 8 ms, 16 ms
_FRAMES_AT_ONCE = 4096

_TITZE = "Titze 1994: about 85 to 155 Hz for men and 165 to 255 Hz for women"
SPEAKERS: Mapping[str, Range] = MappingProxyType(
    {
        "low_pitch_hz": Range(90, 145, _TITZE),
        "high_pitch_hz": Range(170, 245, _TITZE),
        "long_tract": Range(0.94, 1.05, "Peterson and Barney 1952: their men are 1"),
        "short_tract": Range(1.10, 1.25, "Peterson and Barney 1952: their women are about 1.17 times as high"),
        "level_db": Range(58.0, 67.0, "ANSI S3.5-1997: 62.4 dB at 1 m for normal effort; the spread is an estimate"),
        "syllables_hz": Range(3.6, 5.8, "estimate about the 4 Hz at which speech swells in any language"),
        "jitter": Range(0.004, 0.012, "estimate about the 1 % of healthy voices"),
        "shimmer": Range(0.02, 0.07, ESTIMATE),
        "breath": Range(0.03, 0.15, ESTIMATE),
        "tilt_db": Range(-8.0, -4.5, "estimate: 12 dB an octave of the glottis less 6 dB of the lips, by effort"),
        "pause_s": Range(0.12, 0.4, ESTIMATE),
        "phrase": Range(4, 11, "estimate: syllables between two pauses"),
        "melody": Range(0.06, 0.16, "estimate: deviation of the logarithm of the pitch"),
        "fricative_db": Range(-16.0, -7.0, "estimate: against the vowels beside it"),
    }
)
"""What differs between speakers; a speaker has either a low pitch and a long tract, or a high and a short one."""

# First three formants in Hz of ten vowels of men: Peterson and Barney 1952, table II.
_VOWELS_HZ = np.array(
    [
        (270, 2290, 3010),
        (390, 1990, 2550),
        (530, 1840, 2480),
        (660, 1720, 2410),
        (730, 1090, 2440),
        (570, 840, 2410),
        (440, 1020, 2240),
        (300, 870, 2240),
        (640, 1190, 2390),
        (490, 1350, 1690),
    ],
    dtype=np.float64,
)
_HIGHER_HZ = (3500.0, 4500.0)  # fourth and fifth formant: estimates
_BANDWIDTHS_HZ = (70.0, 90.0, 130.0, 200.0, 280.0)  # estimates

# Centre and width in Hz of the noise of s, sh, f or th, and h: estimates.
_FRICATIVES_HZ = np.array([(6000, 1500), (3400, 1200), (5000, 4000), (1800, 1500)], dtype=np.float64)
_KINDS = ("none", "fricative", "stop", "sonorant")
_PARTS = 5
_KIND_SHARES = (0.15, 0.30, 0.30, 0.25)  # of the beginnings of syllables: estimates


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """One voice; ``SPEAKERS`` says how each number is spread and where that is from.

    Parameters
    ----------
    pitch_hz, tract
        Mean frequency of the glottal pulses, and how much higher the formants lie than those of the table.
    level_db
        Sound pressure level at 1 m while speaking.
    syllables_hz, phrase, pause_s
        Pace in syllables a second, syllables between two pauses, mean length of a pause.
    jitter, shimmer, breath, tilt_db, melody, fricative_db
        Deviation of a period and of a pulse, share of noise in the source, fall an octave, pitch, strength of s.
    """

    pitch_hz: float
    tract: float
    level_db: float
    syllables_hz: float
    jitter: float
    shimmer: float
    breath: float
    tilt_db: float
    pause_s: float
    phrase: float
    melody: float
    fricative_db: float


def speaker(rng: np.random.Generator) -> Speaker:
    """Return a voice drawn from ``SPEAKERS``."""
    traits = {name: float(rng.uniform(row.low, row.high)) for name, row in SPEAKERS.items()}
    low_pitch, high_pitch, long, short = (traits.pop(name) for name in tuple(SPEAKERS)[:4])
    pitch_hz, tract = (low_pitch, long) if rng.random() < 0.5 else (high_pitch, short)
    return Speaker(pitch_hz=pitch_hz, tract=tract, **traits)


def speaker_of(person: Person) -> Speaker:
    """Return the voice of a person: the same wherever she is simulated, and no draw of any other trait is moved."""
    bits = np.array([person.upper_arm_m, person.forearm_m, person.reach_s]).view(np.uint32)
    return speaker(np.random.default_rng(bits.tolist()))


class _Segments(NamedTuple):
    """Pieces of speech in a row: when each stops, how loud voice and noise are, and where formants and noise lie."""

    stop_s: FloatArray
    voiced: FloatArray
    noise: FloatArray
    formants: FloatArray
    noise_hz: FloatArray
    pitch: FloatArray


def voice(who: Speaker, duration_s: float, *, rng: np.random.Generator) -> FloatSound:
    """Return (n,) samples of speech with a mean square of 1, that begins at the first and ends at the last of them."""
    count = sample_count(duration_s)
    segments = _segments(who, duration_s, rng)
    frames = -(-count // _HOP) + 2
    at_s = (np.arange(frames) - 0.5) * _HOP / SOUND_RATE_HZ
    which = np.minimum(np.searchsorted(segments.stop_s, at_s, side="right"), len(segments.stop_s) - 1)
    smooth = (_smooth(column[which], frames=width) for column, width in zip(segments, _SMOOTH, strict=True))
    tracks = _Segments(*smooth)
    length = (frames + 1) * _HOP
    pulses = _pulses(who, tracks, length, rng)
    made = _through_formants(who, tracks, pulses, rng)[_HOP : _HOP + count]
    fade = min(count // 2, SOUND_RATE_HZ // 100)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        made[:fade] *= ramp
        made[count - fade :] *= ramp[::-1]
    return levelled(made)


_SMOOTH = (1.0, 1.0, 1.0, 3.5, 3.5, 3.5)  # frames: loudness changes faster than the mouth moves


def _smooth(track: FloatArray, *, frames: float) -> FloatArray:
    return np.asarray(gaussian_filter1d(track, frames, axis=0, mode="nearest"))


def _segments(who: Speaker, duration_s: float, rng: np.random.Generator) -> _Segments:
    """Return syllables in phrases, with a pause after each phrase but the last, as long as ``duration_s`` in all."""
    syllables = max(1, round(duration_s * who.syllables_hz / (1 + who.pause_s * who.syllables_hz / who.phrase)))
    kinds = rng.choice(len(_KINDS), syllables, p=_KIND_SHARES)
    kinds[0] = rng.integers(2)  # what begins with a silent closure would begin late
    vowels = _VOWELS_HZ[rng.integers(len(_VOWELS_HZ), size=syllables)]
    stress = rng.lognormal(0, 0.25, syllables)
    ends = rng.random(syllables) < 1 / who.phrase
    ends[-1] = False
    rows = [part for number in range(syllables) for part in _syllable(who, kinds[number], vowels[number], rng)]
    parts = np.array(rows).reshape(syllables, _PARTS, -1)
    parts[:, :, 1:3] *= stress[:, None, None]
    parts[:, -1, 0] = ends * rng.gamma(4.0, who.pause_s / 4, syllables)
    melody = who.melody * gaussian_filter1d(rng.standard_normal(syllables), 0.7) * 1.5
    pitch = who.pitch_hz * np.exp(melody - 0.1 * _since_pause(ends) / who.phrase)
    flat = parts.reshape(_PARTS * syllables, -1)
    kept = flat[:, 0] > 0
    flat, pitch = flat[kept], np.repeat(pitch, _PARTS)[kept]
    stop_s = np.cumsum(flat[:, 0])
    return _Segments(
        stop_s * duration_s / stop_s[-1], flat[:, 1], flat[:, 2], who.tract * flat[:, 3:6], flat[:, 6:8], pitch
    )


def _since_pause(ends: npt.NDArray[np.bool_]) -> FloatArray:
    """Return how many syllables each is behind the last pause."""
    number = np.arange(len(ends))
    last = np.maximum.accumulate(np.where(np.concatenate([[True], ends[:-1]]), number, 0))
    return np.asarray(number - last, dtype=np.float64)


def _syllable(who: Speaker, kind: int, vowel_hz: FloatArray, rng: np.random.Generator) -> list[list[float]]:
    """Return five rows: consonant, burst, vowel, its end, pause: seconds, voice, noise, formants, noise's place."""
    hiss = _FRICATIVES_HZ[rng.integers(len(_FRICATIVES_HZ))].tolist()
    loud = 10 ** (who.fricative_db / 20)
    locus = (0.5 * vowel_hz + 0.5 * np.array([300.0, 1500.0, 2500.0])).tolist()
    gliding = (0.6 * vowel_hz + 0.4 * _VOWELS_HZ[rng.integers(len(_VOWELS_HZ))]).tolist()
    vowel = vowel_hz.tolist()
    share = 1 / who.syllables_hz
    first = {
        "none": [0.0, 0, 0, *locus, *hiss],
        "fricative": [share * rng.uniform(0.3, 0.5), 0, loud, *locus, *hiss],
        "stop": [share * rng.uniform(0.2, 0.35), 0, 0, *locus, *hiss],
        "sonorant": [share * rng.uniform(0.2, 0.4), 0.25, 0, 280.0, *locus[1:], *hiss],
    }[_KINDS[kind]]
    burst_s = rng.uniform(0.01, 0.025) if _KINDS[kind] == "stop" else 0.0
    return [
        first,
        [burst_s, 0, 2 * loud, *locus, 3500.0, 2500.0],
        [share * rng.uniform(0.25, 0.4), 1, 0, *vowel, *hiss],
        [share * rng.uniform(0.25, 0.4), rng.uniform(0.5, 0.9), 0, *gliding, *hiss],
        [0.0, 0, 0, *gliding, *hiss],
    ]


def _pulses(who: Speaker, tracks: _Segments, length: int, rng: np.random.Generator) -> FloatSound:
    """Return glottal pulses between samples, each late or early and strong or weak by a little, and breath."""
    turns = np.concatenate([[0.0], np.cumsum(tracks.pitch) * _HOP / SOUND_RATE_HZ])
    number = np.arange(1, int(turns[-1]))
    at = np.interp(number + who.jitter * rng.standard_normal(len(number)), turns, np.arange(len(turns)) * float(_HOP))
    at = at[at < length - 1]
    place = at.astype(np.int64)
    size = np.exp(who.shimmer * rng.standard_normal(len(at))) * np.sqrt(SOUND_RATE_HZ / who.pitch_hz)
    late = at - place
    made = np.bincount(place, size * (1 - late), length) + np.bincount(place + 1, size * late, length)
    breath = who.breath * rng.standard_normal(length, dtype=np.float32)
    return np.asarray(made.astype(np.float32) + breath)


def _through_formants(who: Speaker, tracks: _Segments, source: FloatSound, rng: np.random.Generator) -> FloatSound:
    """Return the source, and noise, each through its own spectrum in overlapping frames."""
    window = np.sqrt(np.hanning(_WINDOW + 1)[:-1]).astype(np.float32)
    hiss = rng.standard_normal(len(source), dtype=np.float32)
    made = np.zeros(len(source) + _FFT, dtype=np.float32)
    frames = len(tracks.pitch)
    for first in range(0, frames, _FRAMES_AT_ONCE):
        these = slice(first, min(frames, first + _FRAMES_AT_ONCE))
        part = _Segments(*(column[these] for column in tracks))
        inside = slice(first * _HOP, these.stop * _HOP + _WINDOW - _HOP)
        pair = [
            np.lib.stride_tricks.sliding_window_view(one[inside], _WINDOW)[::_HOP] * window for one in (source, hiss)
        ]
        spectra = np.fft.rfft(pair[0], _FFT) * _formants(who, part) + np.fft.rfft(pair[1], _FFT) * _hiss(part)
        heard = np.fft.irfft(spectra, _FFT).astype(np.float32)
        heard[:, :_WINDOW] *= window
        for step in range(_FFT // _HOP):
            at = made[(first + step) * _HOP : (these.stop + step) * _HOP]
            at += heard[:, step * _HOP : (step + 1) * _HOP].reshape(-1)
    return made[: len(source)]


def _framed(samples: FloatSound) -> FloatSound:
    return np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]


_LIFT_HZ, _LAST_HZ = 2500.0, 5000.0  # estimates
_BINS_HZ = np.arange(_FFT // 2 + 1, dtype=np.float32) * np.float32(SOUND_RATE_HZ / _FFT)


def _formants(who: Speaker, tracks: _Segments) -> FloatSound:
    """Return (frames, bins) magnitudes of glottis, five formants and lips, as loud for every vowel."""
    squared = np.ones((len(tracks.pitch), len(_BINS_HZ)), dtype=np.float32)
    higher = who.tract * np.array(_HIGHER_HZ)
    bins = _BINS_HZ**2
    for number, width_hz in enumerate(_BANDWIDTHS_HZ):
        centre = tracks.formants[:, number] if number < 3 else np.full(len(squared), higher[number - 3])
        centre_2 = (centre[:, None] ** 2).astype(np.float32)
        squared *= centre_2**2 / ((bins - centre_2) ** 2 + np.float32(width_hz**2) * bins)
    octaves = np.log2(np.maximum(_BINS_HZ, 40) / 200)
    tilt = 10 ** (np.where(octaves < 0, 9 * octaves, who.tilt_db * octaves) / 10)
    # The tract has more than five formants, which keep the spectrum from falling away until the lips end it.
    squared *= (tilt * (1 + (_BINS_HZ / _LIFT_HZ) ** 2) ** 2 / (1 + (_BINS_HZ / _LAST_HZ) ** 10)).astype(np.float32)
    squared *= (1 / squared.mean(axis=1, keepdims=True)) * tracks.voiced[:, None].astype(np.float32) ** 2
    return np.sqrt(squared)


def _hiss(tracks: _Segments) -> FloatSound:
    """Return (frames, bins) magnitudes of the noise of consonants."""
    centre, width = (tracks.noise_hz[:, place, None].astype(np.float32) for place in (0, 1))
    shape = np.exp(-np.float32(0.5) * ((_BINS_HZ - centre) / width) ** 2)
    shape *= 1 / np.sqrt(np.square(shape).mean(axis=1, keepdims=True))
    return np.asarray(shape * tracks.noise[:, None].astype(np.float32))
