"""Light that a watch gets back from the skin: pulse, what presses on the blood, what shakes the watch, and noise."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from wristkit.recording import STANDARD_GRAVITY, FloatArray
from wristkit.simulate.body import WatchPath
from wristkit.simulate.people import ESTIMATE, Person

PPG_HZ = 64.0


class Number(NamedTuple):
    """A number and where it is from."""

    value: float
    source: str


# In heights of this person's pulse, where nothing else is said.
LIGHT: Mapping[str, Number] = MappingProxyType(
    {
        "press_takes_of_pulse": Number(0.6, ESTIMATE),  # share of the pulse that a pinch takes away
        "push_pulses_per_g": Number(2.5, ESTIMATE),  # blood and watch move against each other
        "push_hz": Number(6.0, ESTIMATE),  # they follow no faster
        "wander_pulses": Number(0.5, "estimate: breath and vessels"),
        "wander_hz": Number(0.25, ESTIMATE),
        "noise_pulses": Number(0.03, ESTIMATE),
        "second_wave": Number(0.35, "estimate: the dicrotic wave against the first"),
        "grips_hz": Number(0.4, "estimate: hands that do something also press, as gestures do"),
        "grip_moves_rad_s": Number(0.15, "estimate: from here on a hand counts as doing something"),
        "breath_hz": Number(0.25, ESTIMATE),
        "breath_share": Number(0.03, "estimate: how much breath changes the time between beats"),
    }
)


def light(
    person: Person,
    path: WatchPath,
    press: FloatArray,
    *,
    bpm: FloatArray,
    body_rate_hz: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the light (n,) at ``PPG_HZ`` from second 0 on, about 1; more blood below the watch gives less of it.

    Parameters
    ----------
    press
        (n,) at the rate of the path, 1 where a pinch presses.
    bpm
        The heart's rate at each whole second.
    """
    time_s: FloatArray = np.arange(0.0, (len(press) - 1) / body_rate_hz, 1 / PPG_HZ, dtype=np.float64)
    clock_s = np.arange(len(press)) / body_rate_hz
    pressed = np.interp(time_s, clock_s, press) + _grips(time_s, clock_s, path.rate, rng)
    taken = np.clip(_of("press_takes_of_pulse") * pressed, 0.0, 0.9)
    heights = (1 - taken) * _pulse(time_s, bpm, rng) + person.press_pulses * pressed
    heights += np.interp(time_s, clock_s, _shaken(path, body_rate_hz, rng))
    heights += _of("wander_pulses") * _slow(rng, len(time_s)) + _of("noise_pulses") * rng.standard_normal(len(time_s))
    return np.asarray(1.0 - person.pulse_share * heights)


def _of(name: str) -> float:
    return LIGHT[name].value


def _grips(time_s: FloatArray, clock_s: FloatArray, rate: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return how a hand that is busy presses now and then (n,), for 0.1 to 1.5 s."""
    at_s = rng.uniform(0.0, time_s[-1], rng.poisson(_of("grips_hz") * time_s[-1]))
    moving = gaussian_filter1d(np.linalg.norm(rate, axis=1), 0.5 / (clock_s[1] - clock_s[0]))
    at_s = at_s[np.interp(at_s, clock_s, moving) > _of("grip_moves_rad_s")]
    edges = np.zeros(len(time_s) + 1)
    strengths, takes_s = rng.uniform(0.1, 1.2, len(at_s)), rng.uniform(0.1, 1.5, len(at_s))
    np.add.at(edges, np.searchsorted(time_s, at_s), strengths)
    np.add.at(edges, np.searchsorted(time_s, at_s + takes_s), -strengths)
    return np.asarray(gaussian_filter1d(np.cumsum(edges[:-1]), 0.03 * PPG_HZ))


def _pulse(time_s: FloatArray, bpm: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the blood of the pulse (n,): a quick rise and a second wave, about 1 high, with a mean of about 0."""
    breath = 1 + _of("breath_share") * np.sin(2 * np.pi * _of("breath_hz") * time_s + rng.uniform(0, 2 * np.pi))
    beats = np.cumsum(np.interp(time_s, np.arange(len(bpm)), bpm) / 60 * breath) / PPG_HZ + rng.random()
    at = np.mod(beats, 1.0)
    waves = np.exp(-(((at - 0.25) / 0.14) ** 2)) + _of("second_wave") * np.exp(-(((at - 0.52) / 0.16) ** 2))
    return np.asarray(waves - waves.mean())


def _shaken(path: WatchPath, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return what pushes of the watch, along a direction of this recording, do to the light (n,)."""
    direction = rng.normal(0.0, 1.0, 3)
    pushed = path.axes.inv().apply(path.acceleration) @ (direction / np.linalg.norm(direction)) / STANDARD_GRAVITY
    follows = butter(1, _of("push_hz"), fs=rate_hz, output="sos")
    return np.asarray(_of("push_pulses_per_g") * sosfilt(follows, pushed))


def _slow(rng: np.random.Generator, count: int) -> FloatArray:
    """Return slow noise (n,) with a standard deviation of about 1."""
    width = PPG_HZ / (2 * np.pi * _of("wander_hz"))
    return np.asarray(gaussian_filter1d(rng.standard_normal(count), width, mode="wrap") * np.sqrt(2 * 1.7725 * width))
