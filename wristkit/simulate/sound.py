"""Sounds around a wrist, as shaped noise and struck resonances: seeded, at 16 kHz, from one table of parameters.

They have the spectra, the rhythms and the levels of what they are named after, not the sound of any one tap or room.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import firwin2, oaconvolve

from wristkit.recording import FloatArray

SOUND_RATE_HZ = 16_000
FRAME = 160  # samples between two values of an envelope: 10 ms
FloatSound = npt.NDArray[np.float32]
Draw = Mapping[str, float]


class Range(NamedTuple):
    """The limits between which a number is drawn evenly for each rendition, and where they are from."""

    low: float
    high: float
    source: str


ESTIMATE = "estimate"
_BAND = "estimate: noise from 500 Hz to 8 kHz, falling by 3 to 9 dB an octave, swelling at 2 to 8 Hz"
_MINNAERT = "Minnaert 1933: a bubble of r metres rings at 3.26 / r Hz; the radii of 0.5 to 2 mm are an estimate"


def _table(**rows: tuple[float, float] | tuple[float, float, str]) -> Mapping[str, Range]:
    return MappingProxyType(
        {name: Range(*row) if len(row) == 3 else Range(*row, ESTIMATE) for name, row in rows.items()}
    )


# level_db: sound pressure level at 1 m, unweighted, over the tenths of a second in which it sounds.
SOUNDS: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "tap": _table(
            level_db=(52, 66),
            low_hz=(250, 700, _BAND),
            rise_db=(3, 9),
            knee_hz=(800, 3000),
            tilt_db=(-9, -3, _BAND),
            swell_hz=(2, 8, _BAND),
            swell=(0.05, 0.2),
            peaks=(2, 5),
            peak_db=(2, 8),
            bubbles_hz=(30, 150),
            bubble_low_hz=(1600, 2500, _MINNAERT),
            bubble_high_hz=(4000, 6500, _MINNAERT),
            bubble_share=(0.1, 0.5),
        ),
        "tap_on_hands": _table(
            level_db=(52, 67),
            low_hz=(250, 800, _BAND),
            rise_db=(3, 9),
            knee_hz=(800, 3000),
            tilt_db=(-8, -3, _BAND),
            swell_hz=(2, 8, _BAND),
            swell=(0.2, 0.5),
            peaks=(2, 5),
            peak_db=(2, 6),
            bubbles_hz=(80, 300),
            bubble_low_hz=(1600, 2500, _MINNAERT),
            bubble_high_hz=(4000, 6500, _MINNAERT),
            bubble_share=(0.3, 0.8),
        ),
        "shower": _table(
            level_db=(60, 72),
            low_hz=(150, 400),
            rise_db=(3, 9),
            knee_hz=(800, 3000),
            tilt_db=(-5, -1.5),
            swell_hz=(0.5, 3),
            swell=(0.05, 0.25),
            peaks=(1, 4),
            peak_db=(1, 4),
            bubbles_hz=(100, 300),
            bubble_low_hz=(1600, 2500, _MINNAERT),
            bubble_high_hz=(4000, 6500, _MINNAERT),
            bubble_share=(0.1, 0.3),
        ),
        "rain": _table(
            level_db=(42, 62),
            low_hz=(100, 500),
            rise_db=(0, 9),
            knee_hz=(800, 3000),
            tilt_db=(-7, -1),
            swell_hz=(0.1, 0.6),
            swell=(0.05, 0.3),
            peaks=(0, 3),
            peak_db=(1, 4),
            bubbles_hz=(20, 300),
            bubble_low_hz=(1600, 2500, _MINNAERT),
            bubble_high_hz=(4000, 6500, _MINNAERT),
            bubble_share=(0.05, 0.6),
        ),
        "kettle": _table(
            level_db=(45, 62), low_hz=(80, 200), tilt_db=(-9, -5), heating_db=(10, 25), boil_hz=(8, 20), boil=(0.2, 0.5)
        ),
        "fan": _table(
            level_db=(34, 50), low_hz=(40, 100), tilt_db=(-7, -4), hum_hz=(48, 240), hum_db=(3, 14), hums=(1, 4)
        ),
        "room": _table(level_db=(28, 42), low_hz=(30, 80), tilt_db=(-7, -4)),
        "traffic": _table(
            level_db=(50, 68), low_hz=(40, 100), tilt_db=(-7, -4.5), passing_hz=(0.03, 0.15), passing_db=(6, 16)
        ),
        "music": _table(level_db=(52, 74), beat_hz=(1.2, 2.4), tonic_hz=(110, 220), fall_db=(-9, -4), drums=(0, 1)),
        "dishes": _table(
            level_db=(50, 68),
            events_hz=(1, 5),
            spread=(0.5, 1.0),
            low_hz=(700, 1500),
            high_hz=(5000, 7500),
            decay_s=(0.02, 0.12),
            noise=(0.05, 0.4),
        ),
        "typing": _table(
            level_db=(42, 58),
            events_hz=(3, 8),
            spread=(0.3, 0.6),
            low_hz=(250, 600),
            high_hz=(2500, 6000),
            decay_s=(0.002, 0.006),
            noise=(0.5, 2.0),
        ),
        "chewing": _table(
            level_db=(28, 42),
            events_hz=(1.0, 1.8, "estimate about the 1.3 Hz at which people chew"),
            spread=(0.3, 0.6),
            low_hz=(200, 600),
            high_hz=(1500, 4500),
            length_s=(0.12, 0.30),
            grains=(8, 40),
        ),
        "squish": _table(
            level_db=(24, 40),
            events_hz=(2, 5),
            spread=(0.3, 0.6),
            low_hz=(600, 1400),
            high_hz=(3000, 6500),
            length_s=(0.06, 0.16),
            grains=(10, 60),
        ),
        "towel": _table(
            level_db=(26, 40),
            events_hz=(1.5, 3.5),
            spread=(0.3, 0.5),
            low_hz=(300, 900),
            high_hz=(4000, 7500),
            length_s=(0.12, 0.30),
            grains=(0, 0),
        ),
        "breath": _table(
            level_db=(46, 58),
            events_hz=(0.8, 2.5),
            spread=(0.4, 0.8),
            low_hz=(40, 60),
            high_hz=(150, 320),
            length_s=(0.04, 0.12),
            grains=(0, 0),
        ),
        "clap": _table(
            level_db=(70, 86),
            events_hz=(2.5, 4.5),
            spread=(0.15, 0.3),
            low_hz=(700, 1500),
            high_hz=(3000, 6500),
            length_s=(0.015, 0.04),
            grains=(0, 0),
        ),
        "knock": _table(
            level_db=(62, 78),
            events_hz=(3, 5),
            spread=(0.15, 0.3),
            low_hz=(150, 400),
            high_hz=(900, 2500),
            decay_s=(0.008, 0.03),
            noise=(0.2, 0.6),
        ),
    }
)
"""Every simulated sound but the voice: name to range and source of each of its parameters."""

_BLOCK = 1 << 18  # samples shaped at once: what a cache holds
_PROTOTYPES = 12  # different strikes of one thing in one rendition


def drawn(kind: str, rng: np.random.Generator) -> dict[str, float]:
    """Return one value of each parameter of a sound."""
    if kind not in SOUNDS:
        raise ValueError(f"kind is {kind!r}, expected one of {sorted(SOUNDS)}; a voice is made by voice()")
    return {name: float(rng.uniform(row.low, row.high)) for name, row in SOUNDS[kind].items()}


def sound(
    kind: str,
    duration_s: float,
    *,
    rng: np.random.Generator,
    at_s: FloatArray | None = None,
    thing: np.random.Generator | None = None,
) -> tuple[FloatSound, float]:
    """Return (n,) samples with a mean square of 1 where it sounds, and its level in dB of sound pressure at 1 m.

    Parameters
    ----------
    kind
        One of ``SOUNDS``.
    at_s
        Seconds at which it is struck, for the kinds that have ``events_hz``; drawn where they are left out.
    thing
        Draws what it is that sounds, where one thing is heard more than once: the same tap, the same plate. ``rng`` is
        for what it does each time.
    """
    thing = rng if thing is None else thing
    chosen = drawn(kind, thing)
    count = sample_count(duration_s)
    if kind in _KERNELS:
        at = _strikes_s(duration_s, chosen, rng) if at_s is None else _checked_times(at_s, duration_s)
        made = _struck(count, at, _KERNELS[kind](chosen, thing), chosen["spread"], rng)
    elif at_s is not None:
        raise ValueError(f"at_s is given for {kind!r}, which is not struck; expected one of {sorted(_KERNELS)}")
    else:
        made = _STEADY[kind](count, chosen, rng, thing)
    return levelled(made), chosen["level_db"]


def sample_count(duration_s: float) -> int:
    """Return how many samples a sound of some seconds has."""
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"duration_s is {duration_s}, expected a positive number of seconds")
    return max(1, round(duration_s * SOUND_RATE_HZ))


def levelled(samples: FloatSound) -> FloatSound:
    """Return samples scaled to a mean square of 1 over the tenths of a second within 20 dB of the loudest."""
    tenth = SOUND_RATE_HZ // 10
    whole = samples[: len(samples) // tenth * tenth].reshape(-1, tenth)
    rest = samples[whole.size :]
    power = np.einsum("ij,ij->i", whole, whole) / tenth
    if len(rest):
        power = np.append(power, np.mean(np.square(rest)))
    active = power[power >= 0.01 * power.max()]
    scale = 1 / np.sqrt(active.mean()) if power.max() > 0 else 0.0
    return samples * np.float32(scale)


# ---- shaping ----


def shaped(count: int, hz: FloatArray, db: FloatArray, rng: np.random.Generator) -> FloatSound:
    """Return noise (count,) of unit variance whose power density follows ``db`` at ``hz``, through one filter."""
    taps = shaping(hz, db)
    noise = rng.standard_normal(count + len(taps) - 1, dtype=np.float32)
    made = np.empty(count, dtype=np.float32)
    for first in range(0, count, _BLOCK):
        stop = min(count, first + _BLOCK)
        made[first:stop] = oaconvolve(noise[first : stop + len(taps) - 1], taps, mode="valid")
    return made


def shaping(hz: FloatArray, db: FloatArray) -> FloatSound:
    """Return a filter that gives white noise this power density and keeps its variance."""
    taps = _taps(hz, db)
    return np.asarray(taps / np.sqrt(np.sum(taps**2)), dtype=np.float32)


def _taps(hz: FloatArray, db: FloatArray, *, length: int = 1023) -> FloatSound:
    """Return a linear-phase filter with this response; flat beyond the first and the last frequency."""
    grid = np.linspace(0, SOUND_RATE_HZ / 2, 513)
    gain = 10 ** (np.interp(grid, hz, db) / 20)
    return np.asarray(firwin2(length, grid, gain, fs=SOUND_RATE_HZ), dtype=np.float32)


def _tilted(
    low_hz: float, tilt_db: float, *, rise_db: float = 12.0, knee_hz: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return a response that rises by ``rise_db`` an octave up to ``low_hz``, and by ``tilt_db`` beyond ``knee_hz``."""
    hz = np.geomspace(20, SOUND_RATE_HZ / 2, 200)
    rise, fall = np.log2(hz / low_hz), np.log2(hz / max(knee_hz, low_hz))
    return hz, rise_db * np.minimum(rise, 0) + tilt_db * np.maximum(fall, 0)


def wander(frames: int, *, hz: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise (frames,) of unit deviation, a value each 10 ms, with little above ``hz``."""
    width = min(SOUND_RATE_HZ / FRAME / (2 * np.pi * hz), 3000.0)
    noise = gaussian_filter1d(rng.standard_normal(frames), width, mode="wrap")
    return np.asarray(noise * np.sqrt(2 * np.sqrt(np.pi) * width))


def envelope(frames: FloatArray, count: int) -> FloatSound:
    """Return (count,) values on straight lines between frames that lie 10 ms apart."""
    level = np.asarray(frames, dtype=np.float32)
    ramp = np.arange(FRAME, dtype=np.float32) / FRAME
    return np.asarray((level[:-1, None] + np.diff(level)[:, None] * ramp).reshape(-1)[:count])


def frame_count(count: int) -> int:
    """Return how many frames :func:`envelope` needs for so many samples."""
    return -(-count // FRAME) + 1


def scatter(made: FloatSound, at: npt.NDArray[np.int64], sizes: FloatArray, kernels: FloatSound) -> None:
    """Add one of the kernels (k, m), chosen in turn, at each sample of ``at``; what reaches past the end is cut."""
    length = kernels.shape[1]
    for number, (place, size) in enumerate(zip(at.tolist(), sizes.astype(np.float32), strict=True)):
        kept = made[place : place + length]
        kept += size * kernels[number % len(kernels), : len(kept)]


# ---- steady sounds ----


def _water(count: int, chosen: Draw, rng: np.random.Generator, thing: np.random.Generator) -> FloatSound:
    """Return a jet or many drops: tilted noise with the peaks of a basin, a swell, and bubbles that ring."""
    hz, db = _tilted(chosen["low_hz"], chosen["tilt_db"], rise_db=chosen["rise_db"], knee_hz=chosen["knee_hz"])
    for centre_hz in np.exp(thing.uniform(np.log(400), np.log(6000), round(chosen["peaks"]))):
        db = db + chosen["peak_db"] * np.exp(-0.5 * (np.log2(hz / centre_hz) / 0.15) ** 2)
    made = shaped(count, hz, db, rng)
    frames = frame_count(count)
    swell = np.exp(chosen["swell"] * wander(frames, hz=chosen["swell_hz"], rng=rng))
    at = _random_places(count, chosen["bubbles_hz"], rng)
    bubbles = np.zeros(count, dtype=np.float32)
    scatter(bubbles, at, rng.lognormal(0, 0.6, len(at)), _bubbles(chosen, thing))
    made += np.float32(chosen["bubble_share"]) * levelled(bubbles)
    made *= envelope(swell, count)
    return made


def _bubbles(chosen: Draw, rng: np.random.Generator) -> FloatSound:
    low, high = np.log(chosen["bubble_low_hz"]), np.log(chosen["bubble_high_hz"])
    ring_hz = np.exp(rng.uniform(low, high, _PROTOTYPES * 4))[:, None]
    after_s = np.arange(0, 0.012, 1 / SOUND_RATE_HZ)
    cycles = 12 * rng.uniform(0.5, 1.5, ring_hz.shape)  # how long a bubble rings: estimate
    rising = ring_hz * (1 + 3 * after_s)
    return np.asarray(np.sin(2 * np.pi * rising * after_s) * np.exp(-after_s * ring_hz / cycles * 3), dtype=np.float32)


def _kettle(count: int, chosen: Draw, rng: np.random.Generator, _: np.random.Generator) -> FloatSound:
    """Return water that comes to the boil at its end."""
    made = shaped(count, *_tilted(4 * chosen["low_hz"], chosen["tilt_db"]), rng)
    frames = frame_count(count)
    heating_db = chosen["heating_db"] * (np.linspace(0, 1, frames) - 1)
    boil = np.exp(chosen["boil"] * wander(frames, hz=chosen["boil_hz"], rng=rng))
    made *= envelope(10 ** (heating_db / 20) * boil, count)
    return made


def _hum(count: int, chosen: Draw, rng: np.random.Generator, _: np.random.Generator) -> FloatSound:
    """Return the noise of moved air and the tone of blades or a motor with its overtones."""
    hz = np.linspace(0, SOUND_RATE_HZ / 2, 1001)
    db = np.interp(hz, *_tilted(chosen["low_hz"], chosen["tilt_db"]))
    for number in range(1, round(chosen["hums"]) + 1):
        db += chosen["hum_db"] * np.exp(-0.5 * ((hz - number * chosen["hum_hz"]) / _HUM_WIDTH_HZ) ** 2)
    return shaped(count, hz, db, rng)


_HUM_WIDTH_HZ = 24.0  # wider than a motor's own, so that the filter can hold it


def _quiet(count: int, chosen: Draw, rng: np.random.Generator, _: np.random.Generator) -> FloatSound:
    return shaped(count, *_tilted(chosen["low_hz"], chosen["tilt_db"]), rng)


def _traffic(count: int, chosen: Draw, rng: np.random.Generator, _: np.random.Generator) -> FloatSound:
    """Return a road: cars that come and go."""
    made = shaped(count, *_tilted(chosen["low_hz"], chosen["tilt_db"]), rng)
    passing = wander(frame_count(count), hz=chosen["passing_hz"], rng=rng)
    made *= envelope(10 ** (chosen["passing_db"] * np.clip(passing, -2, 2) / 2 / 20), count)
    return made


_SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)  # a major scale, in semitones


def _music(count: int, chosen: Draw, rng: np.random.Generator, thing: np.random.Generator) -> FloatSound:
    """Return notes of one scale on a beat, three at a time, with or without drums."""
    beat = round(SOUND_RATE_HZ / chosen["beat_hz"] / 2)
    beats = np.arange(0, count, beat)
    made = np.zeros(count, dtype=np.float32)
    for _ in range(3):
        played = beats[rng.random(len(beats)) < 0.6]
        notes = _notes(chosen, thing)
        scatter(made, played, rng.uniform(0.5, 1.0, len(played)), notes[rng.integers(len(notes), size=len(notes) * 4)])
    if chosen["drums"] > 0.5:
        drums = np.stack([_grain(80, 300, 0.12, thing), _grain(1500, 7500, 0.12, thing)])
        scatter(made, beats, rng.uniform(0.3, 0.6, len(beats)), drums * np.float32(np.abs(made).max(initial=1.0)))
    return made


def _notes(chosen: Draw, rng: np.random.Generator) -> FloatSound:
    """Return (notes, samples) of a plucked or blown instrument with ten overtones."""
    after_s = np.arange(0, 1.5 / chosen["beat_hz"], 1 / SOUND_RATE_HZ)
    shape = np.minimum(1, after_s / rng.uniform(0.003, 0.06)) * np.exp(-after_s / rng.uniform(0.15, 0.8))
    tonic_hz = chosen["tonic_hz"] * 2.0 ** rng.integers(0, 3)
    overtones = np.arange(1, 11)
    sizes = 10 ** (chosen["fall_db"] * np.log2(overtones) / 20)
    notes = []
    for step in _SCALE:
        hz = tonic_hz * 2 ** (step / 12) * overtones
        heard = hz < SOUND_RATE_HZ / 2
        notes.append(sizes[heard] @ np.sin(2 * np.pi * hz[heard, None] * after_s) * shape)
    return np.asarray(notes, dtype=np.float32)


# ---- struck sounds ----


def _strikes_s(duration_s: float, chosen: Draw, rng: np.random.Generator) -> FloatArray:
    """Return irregular times with about ``events_hz`` of them a second; the first soon after the start."""
    most = int(4 * duration_s * chosen["events_hz"]) + 4
    gaps_s = rng.gamma(3.0, 1 / (3 * chosen["events_hz"]), most)
    times_s = np.cumsum(gaps_s) - gaps_s[0]
    return np.asarray(times_s[times_s < duration_s])


def _checked_times(at_s: FloatArray, duration_s: float) -> FloatArray:
    times_s = np.asarray(at_s, dtype=np.float64)
    if times_s.ndim != 1 or not np.isfinite(times_s).all() or (times_s < 0).any() or (times_s >= duration_s).any():
        raise ValueError(f"at_s is {np.round(times_s, 3).tolist()}, expected seconds from 0 to {duration_s:g}")
    return times_s


def _random_places(count: int, events_hz: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.sort(rng.integers(0, count, rng.poisson(events_hz * count / SOUND_RATE_HZ)))


def _struck(count: int, at_s: FloatArray, kernels: FloatSound, spread: float, rng: np.random.Generator) -> FloatSound:
    made = np.zeros(count, dtype=np.float32)
    at = np.minimum(count - 1, np.round(at_s * SOUND_RATE_HZ).astype(np.int64))
    scatter(made, at, rng.lognormal(0, spread, len(at)), kernels[rng.permutation(len(kernels))])
    return made


def _resonant(chosen: Draw, rng: np.random.Generator) -> FloatSound:
    """Return (k, samples) of stiff things that are struck: modes that ring, and the knock itself."""
    after_s = np.arange(0, 6 * chosen["decay_s"] + 0.01, 1 / SOUND_RATE_HZ)
    kernels = np.zeros((_PROTOTYPES, len(after_s)), dtype=np.float32)
    for kernel in kernels:
        mode_hz = np.exp(rng.uniform(np.log(chosen["low_hz"]), np.log(chosen["high_hz"]), 8))[:, None]
        decay_s = chosen["decay_s"] * rng.uniform(0.4, 1.6, mode_hz.shape) * np.sqrt(mode_hz[0] / mode_hz)
        ringing = np.sin(2 * np.pi * mode_hz * after_s) * np.exp(-after_s / decay_s)
        knock = rng.standard_normal(len(after_s)) * np.exp(-after_s / 0.002)
        kernel[:] = rng.dirichlet(np.ones(8)) @ ringing + chosen["noise"] * knock / 8
    return kernels


def _granular(chosen: Draw, rng: np.random.Generator) -> FloatSound:
    """Return (k, samples) of soft things that are rubbed or crushed: bursts of noise, more or less grainy."""
    kernels = [_grain(chosen["low_hz"], chosen["high_hz"], chosen["length_s"], rng) for _ in range(_PROTOTYPES)]
    made = np.stack(kernels)
    if grains := round(chosen["grains"]):
        rough = np.zeros_like(made)
        for kernel in rough:
            at = rng.integers(0, made.shape[1], grains)
            shape = np.exp(-np.arange(80, dtype=np.float32) / 16)[None]
            scatter(kernel, at, rng.lognormal(0, 0.7, grains), shape)
        made *= 0.2 + rough
    return made


def _grain(low_hz: float, high_hz: float, length_s: float, rng: np.random.Generator) -> FloatSound:
    """Return a burst of noise between two frequencies that comes and goes, with a peak of about 1."""
    count = sample_count(length_s)
    hz = np.array([0, 0.5 * low_hz, low_hz, high_hz, min(7999.0, 1.5 * high_hz), 8000])
    noise = levelled(shaped(count, hz, np.array([-40.0, -20, 0, 0, -20, -30]), rng))
    return np.asarray(noise * np.sin(np.pi * np.arange(count) / count) ** 2, dtype=np.float32)


_STEADY: Mapping[str, Callable[[int, Draw, np.random.Generator, np.random.Generator], FloatSound]] = MappingProxyType(
    {
        "tap": _water,
        "tap_on_hands": _water,
        "shower": _water,
        "rain": _water,
        "kettle": _kettle,
        "fan": _hum,
        "room": _quiet,
        "traffic": _traffic,
        "music": _music,
    }
)
_KERNELS: Mapping[str, Callable[[Draw, np.random.Generator], FloatSound]] = MappingProxyType(
    {
        "dishes": _resonant,
        "typing": _resonant,
        "knock": _resonant,
        "chewing": _granular,
        "squish": _granular,
        "towel": _granular,
        "breath": _granular,
        "clap": _granular,
    }
)
