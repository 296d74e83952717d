"""A gesture that no default knows, for learning it from a few examples: the forearm turns out and back, quickly.

Simulated; numbers are estimates. ``SIZE_RAD`` and ``TAKES_S`` are the limits of the turn and of one way.
"""

import numpy as np

from wristkit.recipes import hours
from wristkit.recording import Recording
from wristkit.simulate import EQUAL_SHARES, Overlay, Person, SensorParams, inject, life, session
from wristkit.simulate.activities import minimum_jerk
from wristkit.simulate.life import ACTIVITY_TIER

LABEL = "wrist_flick"
SIZE_RAD = (0.5, 1.0)
TAKES_S = (0.11, 0.18)
_RATE_HZ = 400.0
_APART_S = 6.0


def flick(person: Person, *, seed: int) -> Overlay:
    """Return one flick; a person has a size and a pace of her own, and each flick differs a little."""
    own, rng = np.random.default_rng([round(1e6 * person.tendon_hz)]), np.random.default_rng([seed, 7])
    size_rad = own.uniform(*SIZE_RAD) * rng.lognormal(0.0, 0.12)
    takes_s = own.uniform(*TAKES_S) * rng.lognormal(0.0, 0.08)
    time_s = np.arange(round((2 * takes_s + 0.1) * _RATE_HZ)) / _RATE_HZ
    way = minimum_jerk(time_s / takes_s) - minimum_jerk(time_s / takes_s - 1)
    axis = np.array([1.0, 0.15 * rng.normal(), 0.15 * rng.normal()])
    return Overlay(
        label=LABEL,
        rate_hz=_RATE_HZ,
        push=np.zeros((len(way), 3)),
        turn=np.outer(size_rad * way, axis / np.linalg.norm(axis)),
        press=np.zeros(len(way)),
        start_s=0.0,
        stop_s=2 * takes_s,
    )


def examples(person: Person, *, count: int, seed: int) -> Recording:
    """Return a person who sits and flicks the wrist ``count`` times."""
    length_s = _APART_S * (count + 1)
    plain = session(
        person, seed=seed, plan=[("sitting", length_s)], sensor=SensorParams(rate_hz=100.0),
        activity_tier=ACTIVITY_TIER,
    )  # fmt: skip
    at_s = _APART_S * np.arange(1, count + 1)
    return inject(plain, [flick(person, seed=seed + place) for place in range(count)], at_s=at_s.tolist())


def everyday(person: Person, *, hours_long: float, seed: int) -> Recording:
    """Return a simulated life in which she flicks the wrist now and then while the arm is still."""
    plain = life(person, hours=hours_long, seed=seed, sensor=SensorParams(rate_hz=100.0), shares=EQUAL_SHARES)
    calm = plain.labels[plain.labels["label"].isin(hours.STILL)]
    spans = calm[["start_s", "stop_s"]].to_numpy(dtype=np.float64) + np.array([2.0, -3.0])
    at_s = np.concatenate([np.arange(start_s, stop_s, _APART_S) for start_s, stop_s in spans])
    return inject(plain, [flick(person, seed=seed + place) for place in range(len(at_s))], at_s=at_s.tolist())
