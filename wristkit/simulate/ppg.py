"""Light of a pulse over any motion: what the accelerometer of a recording felt also shakes the light. Simulated.

Light is 1 and falls where blood comes; all else is in heights of the pulse: breath and vessels, pushes of the watch
against the skin (low-passed and late, along a direction of each wavelength), what is not linear in them (a strap that
lifts, tissue that stiffens), contact that comes and goes, steps where the watch slips, noise of the sensor, its range
and its steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt, sosfiltfilt

from wristkit.recording import FloatArray, Recording, Stream
from wristkit.simulate.effort import Heart, heart_beats
from wristkit.simulate.light import Number
from wristkit.simulate.people import ESTIMATE, check_seed

SKIN: Mapping[str, Number] = MappingProxyType(
    {
        "rise_s": Number(0.075, "estimate: half width of the rise before the top of a pulse at 60 beats a minute"),
        "fall_s": Number(0.12, "estimate: half width of the fall after it"),
        "second_after_s": Number(0.29, "estimate: when the dicrotic wave comes"),
        "second_wide_s": Number(0.10, ESTIMATE),
        "second_wave": Number(0.32, "estimate: the dicrotic wave against the first"),
        "second_wave_sd": Number(0.10, "estimate: over people"),
        "tail": Number(0.25, "estimate: the slow run-off of a pulse"),
        "tail_s": Number(0.22, ESTIMATE),
        "faster_narrower": Number(0.45, "estimate: exponent with which a beat narrows as the rate rises"),
        "breath_of_height": Number(0.10, "estimate: how much breath changes the height of a pulse"),
        "vessels_of_height": Number(0.15, "estimate: how much slow waves of the vessels do"),
        "breath_pulses": Number(0.25, "estimate: breath in the level"),
        "vessels_pulses": Number(0.6, "estimate: slow waves in the level"),
        "vessels_hz": Number(0.09, "estimate near 0.1 Hz"),
        "posture_pulses_per_g": Number(3.0, "estimate: blood follows the height of the hand"),
        "warming": Number(0.6, "estimate: how much more blood a minute of work brings to the skin"),
        "warming_s": Number(90.0, ESTIMATE),
        "follows_hz": Number(5.5, "estimate: blood and watch follow a push no faster"),
        "follows_late_s": Number(0.035, ESTIMATE),
        "bends_per_g": Number(0.9, "estimate: share of a push of 1 g that its square adds"),
        "lifts_at_g": Number(0.9, "estimate: a push from which a loose strap lifts"),
        "lifts": Number(1.5, "estimate: how much more light a lifted watch gets, per g beyond, against a push"),
        "contact_sd": Number(0.3, "estimate: how much the grip of the strap on a push wanders"),
        "contact_hz": Number(0.05, ESTIMATE),
        "own_direction": Number(0.3, "estimate: share of a push's direction that each wavelength has for itself"),
        "slips_a_minute": Number(1.0, "estimate: steps of the level while the watch is shaken"),
        "slip_pulses": Number(6.0, ESTIMATE),
        "slips_above_g": Number(0.08, "estimate: shaking from which the watch slips"),
    }
)


class Wavelength(NamedTuple):
    """Name of a colour, and height of its pulse, push and noise, each against green light."""

    name: str = "green"
    pulse: float = 1.0
    push: float = 1.0
    noise: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LightParams:
    """An optical sensor and how it sits; every default is an estimate.

    Parameters
    ----------
    rate_hz
        Samples a second on the sensor's own clock.
    wavelengths
        The channels: colours and how they differ from green light.
    pulse_share
        Part of the light that comes and goes with the pulse: 0.5 to 3 % at a wrist, 2 to 8 % at a finger.
    push_pulses_per_g
        What a push does to the light, in heights of the pulse at rest.
    noise_pulses
        Standard deviation of the sensor's noise in each sample.
    level, full_scale, step
        Counts of the light without a pulse, at which the sensor saturates, and its resolution.
    rises_with_blood
        Whether more blood gives more counts, as in devices that turn the light about.
    stamp_jitter_s, clock_error_ppm
        Of the sensor's clock.
    lost_s
        (start, stop) pairs in which no sample is recorded.
    dark_s
        Pairs in which the sensor has no contact and gives ``dark_value``.
    dark_value
        What the sensor says then: 0, 255, or NaN for noise without a pulse.
    """

    rate_hz: float
    wavelengths: tuple[Wavelength, ...] = (Wavelength(),)
    pulse_share: float = 0.015
    push_pulses_per_g: float = 2.5
    noise_pulses: float = 0.05
    level: float = 200_000.0
    full_scale: float = 524_287.0
    step: float = 1.0
    rises_with_blood: bool = False
    stamp_jitter_s: float = 0.0003
    clock_error_ppm: float = 0.0
    lost_s: tuple[tuple[float, float], ...] = ()
    dark_s: tuple[tuple[float, float], ...] = ()
    dark_value: float = 0.0

    def __post_init__(self) -> None:
        if not 10 <= self.rate_hz <= 1000:
            raise ValueError(f"rate_hz is {self.rate_hz}, expected 10 to 1000 samples a second")
        if not self.wavelengths:
            raise ValueError("wavelengths is empty, expected one or more, such as (Wavelength(),)")
        if any(not start < stop for start, stop in (*self.lost_s, *self.dark_s)):
            raise ValueError(f"spans are {self.lost_s} and {self.dark_s}, expected (start, stop) with start < stop")


THREE_COLOURS = (Wavelength(), Wavelength("red", 0.35, 0.8, 1.0), Wavelength("infrared", 0.5, 1.1, 1.0))
WRIST_LIGHT = LightParams(rate_hz=64.0)
RING_LIGHT = LightParams(
    rate_hz=50.0, pulse_share=0.04, push_pulses_per_g=0.9, noise_pulses=0.02, rises_with_blood=True
)

_FINE_HZ = 200.0


def add_ppg(
    recording: Recording,
    bpm: npt.ArrayLike,
    *,
    seed: int,
    light: LightParams = WRIST_LIGHT,
    effort: npt.ArrayLike = 0.0,
    lost_beats_s: Sequence[float] = (),
) -> Recording:
    """Return the recording with light of a pulse, shaken as its ``accel`` was, and the truth about its heart.

    It adds ``ppg``, ``heart_rate_truth`` (bpm at each whole second, the mean over ``TRUTH_S`` around it) and
    ``ibi_truth`` (s, at the top of each pulse but the first). The acceleration may be simulated or real; the pulse is
    simulated in both cases.

    Parameters
    ----------
    bpm
        (n,) rate at each whole second from the recording's second 0; the last one lasts to its end.
    effort
        (n,) or one share of what the heart can give, which breath follows.
    lost_beats_s
        Seconds of early beats.
    """
    check_seed(seed)
    rng = np.random.default_rng([seed, 7])
    seconds = int(np.ceil(recording["accel"].stop_s)) + 1
    rate = _lasting(bpm, seconds)
    heart = heart_beats(rate, effort=_lasting(effort, seconds), lost_s=lost_beats_s, rng=rng)
    time_s: FloatArray = np.arange(0.0, recording["accel"].stop_s, 1 / _FINE_HZ, dtype=np.float64)
    pushed, shaken_g = _pushes(recording["accel"], time_s)
    blood = _blood(time_s, heart, shaken_g, rng)
    scene = _Scene(time_s, blood, pushed, rng.normal(0.0, 1.0, 3))
    columns = [_colour(one, light, scene, rng) for one in light.wavelengths]
    slips = _slips(time_s, shaken_g, rng)
    ppg = _sensed(light, time_s, np.column_stack(columns) + slips[:, None], rng)
    known = heart.beats_s[heart.beats_s < time_s[-1]]
    truth = Stream.measured("heart_rate_truth", np.arange(seconds - 1.0), heart.bpm[: seconds - 1], unit="bpm")
    intervals = Stream.measured("ibi_truth", known[1:], np.diff(known), unit="s")
    return recording.with_streams(ppg, truth, intervals)


def _lasting(values: npt.ArrayLike, seconds: int) -> FloatArray:
    given = np.atleast_1d(np.asarray(values, dtype=np.float64))
    return np.asarray(given[np.minimum(np.arange(seconds), len(given) - 1)])


def _pushes(accel: Stream, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (n, 6) pushes and postures in g, and how hard the watch is shaken (n,) in g."""
    felt = np.column_stack([np.interp(time_s, accel.time, column) for column in np.nan_to_num(accel.values).T])
    slow = sosfiltfilt(butter(2, 0.3, fs=_FINE_HZ, output="sos"), felt, axis=0)
    pushed = felt - slow
    shaken = np.sqrt(gaussian_filter1d(np.sum(pushed**2, axis=1), _FINE_HZ))
    return np.hstack([pushed, slow - slow.mean(axis=0)]), shaken


def _blood(time_s: FloatArray, heart: Heart, shaken_g: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the blood below the sensor (n,) in heights of the pulse at rest."""
    breath = np.interp(time_s, np.arange(len(heart.breath)) / heart.breath_rate_hz, heart.breath)
    vessels = _slow(rng, len(time_s), _of("vessels_hz"))
    height = 1 + _of("breath_of_height") * breath + _of("vessels_of_height") * vessels
    work = gaussian_filter1d(np.minimum(shaken_g, 1.0), _of("warming_s") * _FINE_HZ, mode="nearest", truncate=2)
    height = np.maximum(height, 0.2) * (1 + _of("warming") * work)
    return (
        height * _pulses(time_s, heart.beats_s, rng) + _of("breath_pulses") * breath + _of("vessels_pulses") * vessels
    )


def _pulses(time_s: FloatArray, beats_s: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the pulse wave (n,): its top at each beat, narrower where beats follow quickly."""
    second = max(0.0, rng.normal(_of("second_wave"), _of("second_wave_sd")))
    waves = np.zeros(len(time_s))
    intervals = np.diff(beats_s, append=2 * beats_s[-1] - beats_s[-2])
    for beat_s, interval_s in zip(beats_s.tolist(), intervals.tolist(), strict=True):
        narrow = interval_s ** _of("faster_narrower")
        near = slice(*np.searchsorted(time_s, [beat_s - 0.5, beat_s + 1.5]).tolist())
        after = (time_s[near] - beat_s) / narrow
        wave = np.exp(-0.5 * (after / np.where(after < 0, _of("rise_s"), _of("fall_s"))) ** 2)
        wave += second * np.exp(-0.5 * ((after - _of("second_after_s")) / _of("second_wide_s")) ** 2)
        rising = 1 / (1 + np.exp(-after / (0.5 * _of("rise_s"))))
        waves[near] += wave + _of("tail") * rising * np.exp(-np.maximum(after, 0) / _of("tail_s"))
    return np.asarray(waves - waves.mean())


class _Scene(NamedTuple):
    """Times (n,), blood (n,), pushes and postures (n, 6) in g, and the direction (3,) along which they count."""

    time_s: FloatArray
    blood: FloatArray
    pushed: FloatArray
    common: FloatArray


def _colour(one: Wavelength, light: LightParams, scene: _Scene, rng: np.random.Generator) -> FloatArray:
    """Return what one wavelength sees (n,), in heights of the pulse; pushes count along about the common direction."""
    time_s, felt = scene.time_s, scene.pushed[:, :3]
    direction = scene.common + _of("own_direction") * rng.normal(0.0, 1.0, 3)
    direction /= np.linalg.norm(direction)
    push = sosfilt(butter(1, _of("follows_hz"), fs=_FINE_HZ, output="sos"), felt @ direction)
    push = np.interp(time_s - _of("follows_late_s"), time_s, push)
    lifted = np.maximum(np.linalg.norm(felt, axis=1) - _of("lifts_at_g"), 0.0)
    grip = np.maximum(1 + _of("contact_sd") * _slow(rng, len(time_s), _of("contact_hz")), 0.1)
    shaken = grip * (push + _of("bends_per_g") * push * np.abs(push) + _of("lifts") * lifted)
    posture = _of("posture_pulses_per_g") * scene.pushed[:, 3:] @ direction
    return np.asarray(one.pulse * scene.blood + one.push * (light.push_pulses_per_g * shaken + posture))


def _slips(time_s: FloatArray, shaken_g: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the level (n,) in steps where the watch slips."""
    often = _of("slips_a_minute") / 60 / _FINE_HZ * (shaken_g > _of("slips_above_g"))
    slips = (rng.random(len(time_s)) < often) * rng.normal(0.0, _of("slip_pulses"), len(time_s))
    return np.asarray(gaussian_filter1d(np.cumsum(slips), 0.04 * _FINE_HZ))


def _sensed(light: LightParams, time_s: FloatArray, heights: FloatArray, rng: np.random.Generator) -> Stream:
    """Return what the sensor records."""
    names = tuple(one.name for one in light.wavelengths)
    count = int(time_s[-1] * light.rate_hz)
    jitter_s = np.clip(light.stamp_jitter_s * rng.standard_normal(count), -0.4 / light.rate_hz, 0.4 / light.rate_hz)
    at_s = np.maximum(np.arange(count) / light.rate_hz + jitter_s, 0.0)
    seen = np.column_stack([np.interp(at_s, time_s, column) for column in heights.T])
    noise = np.array([one.noise for one in light.wavelengths]) * light.noise_pulses
    sign = 1.0 if light.rises_with_blood else -1.0
    noisy = noise * rng.standard_normal(seen.shape)
    dark = _within(at_s, light.dark_s)
    seen = np.where(dark[:, None], 0.0, seen) + noisy
    counts = light.level * (1 + sign * light.pulse_share * seen)
    counts = np.clip(np.round(counts / light.step) * light.step, 0.0, light.full_scale)
    if not np.isnan(light.dark_value):
        counts[dark] = light.dark_value
    kept = ~_within(at_s, light.lost_s)
    stamps_s = at_s * (1 + light.clock_error_ppm * 1e-6)
    return Stream.measured("ppg", stamps_s[kept], counts[kept], channels=names)


def _within(time_s: FloatArray, spans_s: Sequence[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(time_s), dtype=bool)
    for start_s, stop_s in spans_s:
        inside |= (time_s >= start_s) & (time_s < stop_s)
    return inside


def _slow(rng: np.random.Generator, count: int, hz: float) -> FloatArray:
    """Return slow noise (n,) with a standard deviation of about 1."""
    width = _FINE_HZ / (2 * np.pi * hz)
    short = int(np.ceil(count / (width / 4))) + 40  # drawn a few times a width, and joined by lines
    coarse = gaussian_filter1d(rng.standard_normal(short), 4.0)[16:-16]
    coarse = coarse * np.sqrt(2 * np.sqrt(np.pi) * 4.0)
    return np.asarray(np.interp(np.arange(count) * 4 / width, np.arange(len(coarse)), coarse))


def _of(name: str) -> float:
    return SKIN[name].value
