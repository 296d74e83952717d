"""Jolts of everyday life that look like a tap or a pinch for a moment: what is put down, sets off, turns or is shaken.

Each is laid over other motion, as a gesture is, so that it may come in any of it. Nobody was measured: numbers are
estimates, drawn widely, and stand in ``JOLT``. A hand that puts something down has moved there before, and one that
sets off goes on: that is what tells them from fingers that tap.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from wristkit.recording import STANDARD_GRAVITY, FloatArray
from wristkit.simulate.activities import minimum_jerk
from wristkit.simulate.gestures import Spread
from wristkit.simulate.overlay import Overlay
from wristkit.simulate.people import ESTIMATE, Person, check_seeds

JOLT: Mapping[str, Spread] = MappingProxyType(
    {
        "reach_m": Spread(0.04, 0.35, ESTIMATE),  # of a hand on its way
        "reach_s": Spread(0.18, 0.7, ESTIMATE),
        "reach_rad": Spread(0.05, 1.6, ESTIMATE),
        "rest_s": Spread(0.1, 0.9, ESTIMATE),  # until it goes back
        "return_s": Spread(0.5, 1.2, ESTIMATE),
        "knock_g": Spread(0.08, 3.0, "estimate: from a hand that is laid down to a thing that is dropped"),
        "knock_rad_s": Spread(0.1, 4.0, ESTIMATE),
        "knock_hz": Spread(7.0, 40.0, ESTIMATE),
        "knock_decay_s": Spread(0.008, 0.04, ESTIMATE),
        "echo_gap_s": Spread(0.04, 0.35, "estimate: from a rebound of 2 mm to one of 15 cm, 2 v / g after it"),
        "echo_share": Spread(0.25, 0.95, ESTIMATE),  # of the knock before, in size and in time
        "lurch_hz": Spread(4.0, 14.0, ESTIMATE),  # of an arm that starts or stops with a jerk
        "lurch_decay_s": Spread(0.03, 0.12, ESTIMATE),
        "lurch_share": Spread(0.1, 0.8, ESTIMATE),  # of the greatest push on the way
        "turn_rad": Spread(0.15, 1.3, ESTIMATE),
        "turn_s": Spread(0.08, 0.35, ESTIMATE),
        "pause_s": Spread(0.0, 0.2, ESTIMATE),
        "lever_m": Spread(0.0, 0.15, "estimate: from the axis of a turn to the watch"),
        "shake_hz": Spread(2.0, 7.0, ESTIMATE),
        "shake_cycles": Spread(1.5, 10.0, ESTIMATE),
        "shake_g": Spread(0.08, 2.0, ESTIMATE),
        "shake_rad": Spread(0.02, 0.4, ESTIMATE),
        "lopsided_share": Spread(0.0, 0.5, ESTIMATE),  # of a shake's second harmonic
    }
)
_ECHOES = 4  # fewer than these
_TURNS = 5
_FASTEST_RAD_S = 8.0  # mean of a turn: estimate
_TAIL_S = 0.15
_RAMP_S = 0.12


def jolt(label: str, person: Person, *, seed: int | Sequence[int], rate_hz: float = 400.0) -> Overlay:
    """Return one jolt of this person; the truth is from when the hand begins to move until it is back.

    Parameters
    ----------
    label
        One of ``JOLTS``.
    rate_hz
        Samples a second, at least 100.
    """
    check_seeds(seed)
    if label not in JOLTS:
        raise ValueError(f"jolt is {label!r}, expected one of {sorted(JOLTS)}")
    if not rate_hz >= 100:
        raise ValueError(f"rate_hz is {rate_hz}, expected at least 100: a knock rings at up to {JOLT['knock_hz'].high}")
    rng = np.random.default_rng(seed)
    push, turn = JOLTS[label](person, rng, rate_hz)
    return Overlay(
        label=label,
        rate_hz=rate_hz,
        push=push,
        turn=turn,
        press=np.zeros(len(push)),
        start_s=0.0,
        stop_s=(len(push) - 1) / rate_hz - _TAIL_S,
    )


Felt = tuple[FloatArray, FloatArray]  # push in g and turn in rad, each (n, 3)


class _Reach(NamedTuple):
    """A clock (n,), when the hand gets there, and its push and turn (n, 3): there, a rest and back."""

    time_s: FloatArray
    lands_s: float
    push: FloatArray
    turn: FloatArray


def _put_down(person: Person, rng: np.random.Generator, rate_hz: float) -> Felt:
    """Return a hand on its way, a knock with its echoes where it lands, and the way back."""
    way, lands_s, push, turn = _reach(person, rng, rate_hz)
    shares = rng.uniform(JOLT["echo_share"].low, JOLT["echo_share"].high, int(rng.integers(_ECHOES)))
    sizes = np.cumprod(np.concatenate([[1.0], shares]))
    at_s = lands_s + np.concatenate([[0.0], np.cumsum(_drawn(rng, "echo_gap_s") * sizes[:-1])])
    hz, decay_s = _drawn(rng, "knock_hz"), _drawn(rng, "knock_decay_s")
    ring = sum(size * _ring(way - at, hz, decay_s) for at, size in zip(at_s, sizes, strict=True))
    push = push + _any_way(rng, _drawn(rng, "knock_g") * ring)
    return push, turn + _any_way(rng, _drawn(rng, "knock_rad_s") / (2 * np.pi * hz) * ring)


def _set_off(person: Person, rng: np.random.Generator, rate_hz: float) -> Felt:
    """Return an arm at rest that sets off with a jerk, stops with one, and comes back later."""
    way, lands_s, push, turn = _reach(person, rng, rate_hz)
    hz, decay_s = _drawn(rng, "lurch_hz"), _drawn(rng, "lurch_decay_s")
    size_g = np.abs(push).max()
    for at_s in (0.0, lands_s):
        ring = _drawn(rng, "lurch_share") * _ring(way - at_s, hz, decay_s)
        push = push + _any_way(rng, size_g * ring)
        turn = turn + _any_way(rng, _drawn(rng, "lurch_share") / (2 * np.pi * hz) * ring)
    return push, turn


def _turned(person: Person, rng: np.random.Generator, rate_hz: float) -> Felt:
    """Return a hand that turns quickly to and fro, once or a few times, as one that is washed or rubbed."""
    count = int(rng.integers(2, _TURNS + 1))
    sizes = _drawn(rng, "turn_rad") * rng.lognormal(0.0, 0.3, count - 1) * (-1.0) ** np.arange(count - 1)
    steps = np.diff(np.concatenate([[0.0], sizes, [0.0]]))
    takes_s = _drawn(rng, "turn_s") * rng.lognormal(0.0, 0.2, count) / person.pace
    takes_s = np.maximum(takes_s, np.abs(steps) / _FASTEST_RAD_S)
    begins_s = np.cumsum(np.concatenate([[0.0], takes_s[:-1] + _drawn(rng, "pause_s") * rng.random(count - 1)]))
    way = _clock(begins_s[-1] + takes_s[-1], rate_hz)
    angle = sum(
        step * minimum_jerk((way - begin) / takes) for step, begin, takes in zip(steps, begins_s, takes_s, strict=True)
    )
    return _on_lever(rng, np.asarray(angle), rate_hz)


def _shaken(person: Person, rng: np.random.Generator, rate_hz: float) -> Felt:
    """Return a hand or a thing in it that is shaken a few times, each stroke a little lopsided."""
    hz = _drawn(rng, "shake_hz") * person.pace
    way = _clock(_drawn(rng, "shake_cycles") / hz, rate_hz)
    grows = np.clip(np.minimum(way, way[-1] - _TAIL_S - way) / _RAMP_S, 0.0, 1.0)
    phase = 2 * np.pi * hz * way + rng.uniform(0, 2 * np.pi)
    wave = np.sin(phase) + _drawn(rng, "lopsided_share") * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    late = np.sin(phase + rng.uniform(-np.pi, np.pi))
    size = minimum_jerk(grows)
    push = _any_way(rng, _drawn(rng, "shake_g") * size * wave)
    return push, _any_way(rng, _drawn(rng, "shake_rad") * size * late)


JOLTS: Mapping[str, Callable[[Person, np.random.Generator, float], Felt]] = MappingProxyType(
    {"put_down": _put_down, "set_off": _set_off, "turned": _turned, "shaken": _shaken}
)


def _reach(person: Person, rng: np.random.Generator, rate_hz: float) -> _Reach:
    """Return a hand that goes somewhere, stays for a moment, and goes back more slowly."""
    takes_s, back_s, rest_s = _drawn(rng, "reach_s") / person.pace, _drawn(rng, "return_s"), _drawn(rng, "rest_s")
    way = _clock(takes_s + rest_s + back_s, rate_hz)
    late = rng.uniform(0.6, 1.6)  # the greatest speed comes sooner or later than half way
    there = minimum_jerk(np.clip(way / takes_s, 0.0, 1.0) ** late) - minimum_jerk((way - takes_s - rest_s) / back_s)
    push = _any_way(rng, _drawn(rng, "reach_m") * _bend(there, rate_hz) / STANDARD_GRAVITY)
    return _Reach(way, takes_s, push, _any_way(rng, _drawn(rng, "reach_rad") * there))


def _on_lever(rng: np.random.Generator, angle: FloatArray, rate_hz: float) -> Felt:
    """Return the turn by an angle (n,) about some axis, and what a watch away from that axis is pushed by."""
    pushed = _bend(angle, rate_hz) * _drawn(rng, "lever_m") / STANDARD_GRAVITY
    return _any_way(rng, pushed), _any_way(rng, angle)


def _clock(lasts_s: float, rate_hz: float) -> FloatArray:
    return np.arange(max(4, round((lasts_s + _TAIL_S) * rate_hz))) / rate_hz


def _bend(way: FloatArray, rate_hz: float) -> FloatArray:
    """Return the second derivative (n,) a second squared."""
    return np.asarray(np.gradient(np.gradient(way)) * rate_hz**2)


def _ring(after_s: FloatArray, hz: float, decay_s: float) -> FloatArray:
    """Return a decaying sinusoid (n,) from second 0, of about 1 at its greatest."""
    after_s = np.maximum(after_s, 0.0)
    return np.asarray(np.sin(2 * np.pi * hz * after_s) * np.exp(-after_s / decay_s))


def _any_way(rng: np.random.Generator, along: FloatArray) -> FloatArray:
    """Return (n, 3) of sizes (n,) along any axis."""
    axis = rng.standard_normal(3)
    return np.asarray(np.outer(along, axis / np.linalg.norm(axis)), dtype=np.float64)


def _drawn(rng: np.random.Generator, name: str) -> float:
    """Return a number between its limits, of what is never 0 by its logarithm."""
    low, high = JOLT[name].low, JOLT[name].high
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) if low > 0 else rng.uniform(low, high))
