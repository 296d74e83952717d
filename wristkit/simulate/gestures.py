"""Gestures of the hand as they are felt at the wrist: tendons that pull, fingers that land, a fist that closes.

Nobody was measured: shapes and numbers are estimates, those of a person stand in ``TRAITS``, all others in ``GESTURE``.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt

from wristkit.recording import FloatArray
from wristkit.simulate.activities import minimum_jerk
from wristkit.simulate.overlay import Overlay
from wristkit.simulate.people import ESTIMATE, Person, check_seeds


class Spread(NamedTuple):
    """Limits between which a number is drawn for each gesture, and where they are from."""

    low: float
    high: float
    source: str


GESTURE: Mapping[str, Spread] = MappingProxyType(
    {
        "approach_s": Spread(0.05, 0.11, ESTIMATE),  # the finger closes before it lands
        "approach_share": Spread(0.12, 0.35, ESTIMATE),  # its push against that of the landing
        "tap_hold_s": Spread(0.025, 0.06, ESTIMATE),
        "pinch_hold_s": Spread(0.10, 0.30, ESTIMATE),
        "release_share": Spread(0.30, 0.65, ESTIMATE),  # the finger lets go: against the landing
        "second_mode_share": Spread(0.2, 0.5, ESTIMATE),  # a second ring, lower, along another axis
        "second_mode_hz_share": Spread(0.5, 0.75, ESTIMATE),
        "pinch_gap_s": Spread(0.15, 0.32, ESTIMATE),  # from letting go to the next landing
        "clench_close_s": Spread(0.13, 0.24, ESTIMATE),
        "clench_gap_s": Spread(0.12, 0.30, ESTIMATE),
        "clench_hz_share": Spread(0.6, 0.85, "estimate: a fist is heavier than a finger"),
        "clench_share": Spread(1.0, 1.7, ESTIMATE),  # push of all fingers against that of a pinch
        "muscle_share": Spread(0.03, 0.10, "estimate: the hum of a held muscle, 8 to 30 Hz"),
        "second_share": Spread(0.65, 1.15, ESTIMATE),  # strength of the second of two against the first
    }
)
RING_HZ = (8.0, 30.0)
RING_S = (0.04, 0.12)

_SIZE_SPREAD = 0.25  # log standard deviation of one person's strength over gestures
_AXIS_SPREAD = 0.18  # of one person's direction
_DECAYS = 3.0  # decay times until a ring is at 5 %
_LEAD_S, _TAIL_S = 0.05, 1.4  # the blood takes long to come back
_FILL_S = 0.5
_REFILL_SHARE = 0.35
_FINGERS_SPREAD_S = 0.045  # the fingers of a fist do not land together
_CLENCH_PRESS = 1.9  # against a pinch


class Landing(NamedTuple):
    """Fingers that land at ``at_s``, hold and let go; strength 1 is a pinch of this person."""

    at_s: float
    hold_s: float
    strength: float


class _Felt(NamedTuple):
    """A person's hand in one gesture: axes of push, second mode and turn, and the ring's frequency and length."""

    push: FloatArray
    second: FloatArray
    turn: FloatArray
    hz: float
    ring_s: float


def gesture(label: str, person: Person, *, seed: int | Sequence[int], rate_hz: float = 400.0) -> Overlay:
    """Return one gesture of this person; the truth is from the first pull of a tendon to the end of the last ring.

    Parameters
    ----------
    label
        One of ``GESTURES``.
    rate_hz
        Samples a second, at least 100.
    """
    check_seeds(seed)
    if label not in GESTURES:
        raise ValueError(f"gesture is {label!r}, expected one of {sorted(GESTURES)}")
    if not rate_hz >= 100:
        raise ValueError(f"rate_hz is {rate_hz}, expected at least 100: the ring of a tap has up to {RING_HZ[1]:g} Hz")
    return GESTURES[label](person, np.random.default_rng(seed), rate_hz)


def _taps(person: Person, rng: np.random.Generator, rate_hz: float) -> Overlay:
    gap_s = float(np.clip(person.tap_gap_s * rng.lognormal(0.0, 0.12), 0.12, 0.35))
    hold_s = min(_drawn(rng, "tap_hold_s"), 0.4 * gap_s)
    first = _strength(rng)
    landings = [Landing(0.0, hold_s, first), Landing(gap_s, hold_s, first * _drawn(rng, "second_share"))]
    return _fingers("double_tap", landings, person, rng, rate_hz)


def _pinches(count: int, label: str) -> "Maker":
    def make(person: Person, rng: np.random.Generator, rate_hz: float) -> Overlay:
        return _fingers(label, _in_turn(rng, count, "pinch_hold_s", "pinch_gap_s"), person, rng, rate_hz)

    return make


def _clenches(count: int, label: str) -> "Maker":
    def make(person: Person, rng: np.random.Generator, rate_hz: float) -> Overlay:
        landings = _in_turn(rng, count, None, "clench_gap_s", hold_s=person.clench_s * rng.lognormal(0.0, 0.15))
        return _fist(label, landings, person, rng, rate_hz)

    return make


Maker = Callable[[Person, np.random.Generator, float], Overlay]
GESTURES: Mapping[str, Maker] = MappingProxyType(
    {
        "pinch": _pinches(1, "pinch"),
        "double_pinch": _pinches(2, "double_pinch"),
        "clench": _clenches(1, "clench"),
        "double_clench": _clenches(2, "double_clench"),
        "double_tap": _taps,
    }
)


def _in_turn(rng: np.random.Generator, count: int, hold: str | None, gap: str, *, hold_s: float = 0.0) -> list[Landing]:
    """Return landings one after the other, each held for about as long, from second 0."""
    landings, at_s, strength = [], 0.0, _strength(rng)
    for _ in range(count):
        held_s = hold_s * rng.lognormal(0.0, 0.1) if hold is None else _drawn(rng, hold)
        landings.append(Landing(at_s, held_s, strength))
        at_s += held_s + _drawn(rng, gap)
        strength *= _drawn(rng, "second_share")
    return landings


def _fingers(
    label: str, landings: Sequence[Landing], person: Person, rng: np.random.Generator, rate_hz: float
) -> Overlay:
    """Return fingers that close, land, hold and let go."""
    felt = _felt(person, rng, hz_share=1.0)
    approach_s, approach, release = (_drawn(rng, name) for name in ("approach_s", "approach_share", "release_share"))
    time_s, start_s, stop_s = _clock(landings, approach_s, felt, rate_hz)
    along, second = np.zeros(len(time_s)), np.zeros(len(time_s))
    for at_s, hold_s, strength in landings:
        along += strength * (_ring(time_s - at_s, felt) - approach * _bump(time_s - at_s + approach_s, approach_s))
        along -= strength * release * _ring(time_s - at_s - hold_s, felt)
        second += strength * _ring(time_s - at_s, felt, hz_share=_drawn(rng, "second_mode_hz_share"))
    push = np.outer(along, felt.push) + np.outer(second * _drawn(rng, "second_mode_share"), felt.second)
    turn = np.outer(along / (2 * np.pi * felt.hz), felt.turn)
    return Overlay(
        label=label,
        rate_hz=rate_hz,
        push=person.tendon_g * push,
        turn=np.asarray(person.tendon_rad_s * turn),
        press=_press(time_s, landings),
        start_s=start_s,
        stop_s=stop_s,
    )


def _fist(label: str, landings: Sequence[Landing], person: Person, rng: np.random.Generator, rate_hz: float) -> Overlay:
    """Return a fist that closes with all fingers, hums while it is held, turns the watch a little, and opens."""
    felt = _felt(person, rng, hz_share=_drawn(rng, "clench_hz_share"))
    close_s, release = _drawn(rng, "clench_close_s"), _drawn(rng, "release_share")
    time_s, start_s, stop_s = _clock(landings, close_s, felt, rate_hz, opens_s=close_s + _FINGERS_SPREAD_S)
    along, held = np.zeros(len(time_s)), np.zeros(len(time_s))
    for at_s, hold_s, strength in landings:
        for finger_s in rng.uniform(-1.0, 0.0, 4) * _FINGERS_SPREAD_S:
            along += 0.5 * strength * _ring(time_s - at_s - finger_s, felt)
            along -= 0.5 * strength * release * _ring(time_s - at_s - hold_s + finger_s, felt)
        closed = minimum_jerk((time_s - at_s) / close_s + 1)
        held += strength * (closed - minimum_jerk((time_s - at_s - hold_s) / close_s))
    hum = _hum(rng, len(time_s), rate_hz) * _drawn(rng, "muscle_share") * held
    push = _drawn(rng, "clench_share") * np.outer(along + hum, felt.push) + 0.3 * np.outer(hum, felt.second)
    shake = np.outer(along / (2 * np.pi * felt.hz), felt.turn) * person.tendon_rad_s
    return Overlay(
        label=label,
        rate_hz=rate_hz,
        push=person.tendon_g * push,
        turn=shake + np.outer(held, felt.turn) * person.clench_rad * rng.lognormal(0.0, 0.2),
        press=_CLENCH_PRESS * _press(time_s, landings, closes_s=close_s),
        start_s=start_s,
        stop_s=stop_s,
    )


def _drawn(rng: np.random.Generator, name: str) -> float:
    return float(rng.uniform(GESTURE[name].low, GESTURE[name].high))


def _strength(rng: np.random.Generator) -> float:
    return float(rng.lognormal(0.0, _SIZE_SPREAD))


def _felt(person: Person, rng: np.random.Generator, *, hz_share: float) -> _Felt:
    """Return how a gesture is felt this time; a loose strap rings lower and longer."""
    loose = person.strap_looseness - 0.4
    hz = person.tendon_hz * hz_share * (1 - 0.2 * loose) * rng.lognormal(0.0, 0.07)
    ring_s = person.tendon_s * (1 + 0.5 * loose) * rng.lognormal(0.0, 0.1)
    azimuth, elevation = person.tendon_azimuth_rad, person.tendon_elevation_rad
    return _Felt(
        _direction(rng, azimuth, elevation),
        _direction(rng, azimuth + np.pi / 2, 0.3 * elevation),
        _direction(rng, azimuth + np.pi / 3, -elevation),
        float(np.clip(hz, *RING_HZ)),
        float(np.clip(ring_s, *RING_S)),
    )


def _direction(rng: np.random.Generator, azimuth: float, elevation: float) -> FloatArray:
    azimuth, elevation = azimuth + rng.normal(0, _AXIS_SPREAD), elevation + rng.normal(0, _AXIS_SPREAD)
    level = np.cos(elevation)
    return np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


def _clock(
    landings: Sequence[Landing], before_s: float, felt: _Felt, rate_hz: float, *, opens_s: float = 0.0
) -> tuple[FloatArray, float, float]:
    """Return time with the first landing at 0, and the truth from the clock's own beginning on."""
    first_s, let_go_s = -before_s - _LEAD_S, landings[-1].at_s + landings[-1].hold_s
    stop_s = let_go_s + max(felt.ring_s, opens_s)
    count = round((stop_s + _TAIL_S - first_s) * rate_hz)
    return first_s + np.arange(count) / rate_hz, _LEAD_S, stop_s - first_s


def _ring(after_s: FloatArray, felt: _Felt, *, hz_share: float = 1.0) -> FloatArray:
    """Return a decaying sinusoid (n,) from second 0, with a peak of 1."""
    decay_s, turns = felt.ring_s / _DECAYS, 2 * np.pi * felt.hz * hz_share
    peak_at = np.arctan(turns * decay_s)
    peak = np.sin(peak_at) * np.exp(-peak_at / (turns * decay_s))
    after_s = np.maximum(after_s, 0.0)
    return np.asarray(np.sin(turns * after_s) * np.exp(-after_s / decay_s) / peak)


def _bump(after_s: FloatArray, takes_s: float) -> FloatArray:
    """Return a push (n,) there and back within ``takes_s``, with a peak of 1."""
    return np.asarray(np.sin(np.pi * np.clip(after_s / takes_s, 0.0, 1.0)) ** 2)


def _hum(rng: np.random.Generator, count: int, rate_hz: float) -> FloatArray:
    """Return noise (n,) of muscles, with a standard deviation of 1."""
    noise = sosfilt(butter(2, RING_HZ, btype="bandpass", fs=rate_hz, output="sos"), rng.standard_normal(count))
    return np.asarray(noise / np.sqrt(2 * (RING_HZ[1] - RING_HZ[0]) / rate_hz))


def _press(time_s: FloatArray, landings: Sequence[Landing], *, closes_s: float = 0.03) -> FloatArray:
    """Return how much of the blood is pressed away (n,); what comes back is for a moment more than was there."""
    press = np.zeros(len(time_s))
    for at_s, hold_s, strength in landings:
        gone_s = at_s + hold_s + 2.5 * closes_s
        press += strength * minimum_jerk((time_s - at_s) / closes_s + 0.5)
        press -= strength * minimum_jerk((time_s - at_s - hold_s) / (2.5 * closes_s))
        after_s = np.maximum(time_s - gone_s, 0.0)
        press -= _REFILL_SHARE * strength * (after_s / _FILL_S * 3) * np.exp(1 - after_s / _FILL_S * 3)
    return press * (1 - minimum_jerk((time_s - time_s[-1]) / 0.3 + 1))
