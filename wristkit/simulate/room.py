"""What a room and a microphone make of sounds: distance, reverberation, the microphone's noise, limit and rustle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, oaconvolve, sosfilt

from wristkit.recording import FloatArray
from wristkit.simulate.sound import FRAME, SOUND_RATE_HZ, FloatSound, Range, envelope, frame_count, shaping

_SABINE = "estimate; rt60_s is the time in which sound falls by 60 dB"
PLACES: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "bathroom": {"volume_m3": Range(8, 25, _SABINE), "rt60_s": Range(0.45, 1.0, _SABINE)},
        "kitchen": {"volume_m3": Range(20, 60, _SABINE), "rt60_s": Range(0.4, 0.8, _SABINE)},
        "room": {"volume_m3": Range(30, 90, _SABINE), "rt60_s": Range(0.25, 0.6, _SABINE)},
        "office": {"volume_m3": Range(40, 250, _SABINE), "rt60_s": Range(0.35, 0.8, _SABINE)},
        "car": {"volume_m3": Range(2.5, 4.5, _SABINE), "rt60_s": Range(0.05, 0.1, _SABINE)},
        "outdoors": {"volume_m3": Range(1e5, 1e6, _SABINE), "rt60_s": Range(0.1, 0.3, _SABINE)},
    }
)
"""Where one can be: limits of volume and reverberation time."""

SPEED_M_S = 343.0
_TREBLE_HZ, _TREBLE_SHARE = 2500.0, 0.6  # above it the reverberation is shorter: estimates
_OFF_AXIS_M, _OFF_AXIS_DB = 1.0, -3.0  # treble lost for each doubling of the distance from there on: estimate
_DIRECTIVITY = 2.0  # most of what sounds near a wrist, a mouth for one, sends more to the front: estimate
_MIN_DISTANCE_M = 0.02
_SETTLED = SOUND_RATE_HZ // 10  # samples after which a microphone's filter has forgotten what was before
_TENTHS = 10  # of a second, in each of which cloth catches anew: an estimate


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room by its volume and the time in which sound in it falls by 60 dB."""

    volume_m3: float
    rt60_s: float

    def __post_init__(self) -> None:
        if not (self.volume_m3 > 0 and 0 < self.rt60_s <= 10):
            raise ValueError(
                f"room has volume_m3 {self.volume_m3} and rt60_s {self.rt60_s}, expected a positive volume and "
                "0 < rt60_s <= 10"
            )

    @property
    def critical_m(self) -> float:
        """Distance at which the reverberation is as loud as what comes straight (Sabine)."""
        return 0.057 * float(np.sqrt(_DIRECTIVITY * self.volume_m3 / self.rt60_s))


def room(place: str, rng: np.random.Generator) -> Room:
    """Return a room drawn from ``PLACES``."""
    if place not in PLACES:
        raise ValueError(f"place is {place!r}, expected one of {sorted(PLACES)}")
    drawn = {name: float(rng.uniform(row.low, row.high)) for name, row in PLACES[place].items()}
    return Room(volume_m3=drawn["volume_m3"], rt60_s=drawn["rt60_s"])


def arriving(samples: FloatSound, *, within: Room, distance_m: float, rng: np.random.Generator) -> FloatSound:
    """Return what arrives of a sound that is made some metres away, with the tail that the room adds.

    What comes straight falls with the distance, comes later, and loses treble; what the walls send back is as loud
    everywhere. A gain of 1 is that of 1 m in the open.
    """
    if not distance_m >= _MIN_DISTANCE_M:
        raise ValueError(f"distance_m is {distance_m}, expected at least {_MIN_DISTANCE_M} m")
    echoes = _reverberation(within, rng) / np.float32(within.critical_m)
    response = _straight(distance_m, len(echoes))
    response[-len(echoes) :] += echoes
    return np.asarray(oaconvolve(samples, response), dtype=np.float32)


def _straight(distance_m: float, length: int) -> FloatSound:
    """Return the impulse that comes without a detour, when it comes, and ``length`` samples in all from there on."""
    late = round(distance_m / SPEED_M_S * SOUND_RATE_HZ)
    response = np.zeros(late + length, dtype=np.float32)
    lost = 1 - 10 ** (min(0.0, _OFF_AXIS_DB * np.log2(distance_m / _OFF_AXIS_M)) / 20)
    response[late] = 1 / distance_m
    # The part of the treble that is lost is taken out by a filter with one pole.
    sos = butter(1, _TREBLE_HZ, fs=SOUND_RATE_HZ, output="sos")
    return np.asarray((1 - lost) * response + lost * sosfilt(sos, response), dtype=np.float32)


def _reverberation(within: Room, rng: np.random.Generator) -> FloatSound:
    """Return noise that falls by 60 dB in ``rt60_s``, its treble sooner, with an energy of 1."""
    after_s = np.arange(round(within.rt60_s * SOUND_RATE_HZ) + 1) / SOUND_RATE_HZ
    noise = rng.standard_normal(len(after_s))
    sos = butter(1, _TREBLE_HZ, fs=SOUND_RATE_HZ, output="sos")
    bass = sosfilt(sos, noise)
    rate = np.log(1e3) / within.rt60_s
    falling = bass * np.exp(-rate * after_s) + (noise - bass) * np.exp(-rate / _TREBLE_SHARE * after_s)
    return np.asarray(falling / np.sqrt(np.sum(falling**2)), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class MicrophoneParams:
    """A microphone at the wrist; every default is an estimate from data sheets of such microphones.

    Parameters
    ----------
    full_scale_db
        Sound pressure level of a sine of full scale, after the recorder's gain; louder sound is cut off at 1.
    noise_db
        Sound pressure level of its own noise.
    low_cut_hz
        Below it sound is let through less and less.
    rustle_db
        Level of sleeve and strap at the microphone while the wrist turns by 1 rad/s.
    bits
        Of a sample.
    starts_s
        Time of the first sample, against the first of the motion sensor.
    late_s
        By how much the stamps of sound are later than those of motion; the truth is on the clock of motion.
    """

    full_scale_db: float = 100.0
    noise_db: float = 32.0
    low_cut_hz: float = 50.0
    rustle_db: float = 46.0
    bits: int = 16
    starts_s: float = 0.0
    late_s: float = 0.0

    def __post_init__(self) -> None:
        levels = (self.full_scale_db, self.noise_db, self.rustle_db)
        if not (np.isfinite(self.full_scale_db) and not np.isnan(levels).any() and self.noise_db < self.full_scale_db):
            raise ValueError(
                f"full_scale_db is {self.full_scale_db}, noise_db {self.noise_db} and rustle_db {self.rustle_db}, "
                "expected levels in dB with noise_db below full_scale_db"
            )
        if not 0 < self.low_cut_hz < SOUND_RATE_HZ / 2:
            raise ValueError(f"low_cut_hz is {self.low_cut_hz}, expected 0 < low_cut_hz < {SOUND_RATE_HZ // 2}")
        if not 8 <= self.bits <= 24:
            raise ValueError(f"bits is {self.bits}, expected a whole number from 8 to 24")
        if not (np.isfinite(self.starts_s) and self.starts_s >= 0 and np.isfinite(self.late_s)):
            raise ValueError(f"starts_s is {self.starts_s} and late_s {self.late_s}, expected seconds, starts_s >= 0")


MICROPHONE = MicrophoneParams()
"""A microphone of a watch, as an app records it."""


def record(
    pressure: FloatSound, turning: FloatArray, microphone: MicrophoneParams, *, seed: Sequence[int], second: int = 0
) -> FloatSound:
    """Return (n,) samples of full scale 1 from sound pressure, in units of a level of 0 dB, and the wrist's motion.

    What is drawn is drawn for each second by itself: a microphone that is switched on later hears, from 0.1 s after,
    bit by bit what one hears that is always on.

    Parameters
    ----------
    turning
        How fast the wrist turns in rad/s, a value each 10 ms.
    second
        Number of the first one.
    """
    count = len(pressure)
    heard = _rustle(count, turning, microphone, seed=seed, second=second)
    heard += pressure
    heard = _without_bass(heard, microphone.low_cut_hz)
    heard += amplitude(microphone.noise_db) * _white(count, seed=(*seed, 0), second=second)
    # A sine of full scale has a mean square of 1/2.
    heard *= np.float32(np.sqrt(0.5)) / amplitude(microphone.full_scale_db)
    step = np.float32(2.0 ** (1 - microphone.bits))
    np.clip(heard, -1, 1 - step, out=heard)
    heard /= step
    np.round(heard, out=heard)
    heard *= step
    return heard


def amplitude(level_db: float) -> np.float32:
    """Return the root mean square of a level; 0 dB is 1."""
    return np.float32(10 ** (level_db / 20))


def _without_bass(heard: FloatSound, low_cut_hz: float) -> FloatSound:
    """Return what is left above a frequency, each second filtered from a little before it on, whatever came earlier."""
    sos = butter(1, low_cut_hz, btype="highpass", fs=SOUND_RATE_HZ, output="sos").astype(np.float32)
    made = np.empty_like(heard)
    for first in range(0, len(heard), SOUND_RATE_HZ):
        lead = min(first, _SETTLED)
        made[first : first + SOUND_RATE_HZ] = sosfilt(sos, heard[first - lead : first + SOUND_RATE_HZ])[lead:]
    return made


def _white(count: int, *, seed: Sequence[int], second: int) -> FloatSound:
    """Return white noise (count,) of unit variance, drawn for each second by itself."""
    numbers = range(second, second - (-count // SOUND_RATE_HZ))
    drawn = [np.random.default_rng([*seed, one]).standard_normal(SOUND_RATE_HZ, dtype=np.float32) for one in numbers]
    return np.asarray(np.concatenate([*drawn, np.empty(0, dtype=np.float32)])[:count], dtype=np.float32)


def _rustle(
    count: int, turning: FloatArray, microphone: MicrophoneParams, *, seed: Sequence[int], second: int
) -> FloatSound:
    """Return the noise of cloth and strap, as strong as the wrist turns fast; now and then it catches."""
    if microphone.rustle_db == -np.inf:
        return np.zeros(count, dtype=np.float32)
    taps = shaping(np.array([30.0, 80, 400, 3000, 8000]), np.array([-12.0, 0, 0, -18, -36]))
    seconds = -(-count // SOUND_RATE_HZ)
    # Seconds are counted from 1 here: the filter reaches into the one before.
    noise = _white((seconds + 1) * SOUND_RATE_HZ, seed=(*seed, 1), second=second)
    edges = SOUND_RATE_HZ * np.arange(1, seconds + 1)
    rubbed = [fftconvolve(noise[at - len(taps) + 1 : at + SOUND_RATE_HZ], taps, mode="valid") for at in edges.tolist()]
    made = np.concatenate([*rubbed, np.empty(0, dtype=np.float32)])[:count]
    frames = np.arange(frame_count(count))
    made *= envelope(np.interp(frames, np.arange(len(turning)), turning) * _catching(frames, seed, second), count)
    made *= amplitude(microphone.rustle_db)
    return made


def _catching(frames: npt.NDArray[np.int64], seed: Sequence[int], second: int) -> FloatArray:
    """Return how much the cloth catches in each frame: a value drawn each tenth of a second, and between them."""
    numbers = range(second, second + 2 + int(frames[-1]) * FRAME // SOUND_RATE_HZ)
    caught = np.concatenate([np.random.default_rng([*seed, 2, one]).lognormal(-0.5, 1.0, _TENTHS) for one in numbers])
    return np.asarray(np.interp(frames, SOUND_RATE_HZ // FRAME // _TENTHS * np.arange(len(caught)), caught))
