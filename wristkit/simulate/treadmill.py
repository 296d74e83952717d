"""Somebody on a treadmill with a watch on: cadence as planned, a heart that follows the effort, or any rate at all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import Activity, in_motion, in_posture, ring_of, sitting, step_s, wander
from wristkit.simulate.body import Motion, watch_path
from wristkit.simulate.effort import heart_response
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.ppg import WRIST_LIGHT, LightParams, add_ppg
from wristkit.simulate.sensor import WATCH, SensorParams, sense
from wristkit.simulate.session import BODY_RATE_HZ, perform

_RUNS_FROM_HZ = 2.35  # steps a second: estimate


class Bout(NamedTuple):
    """Some time at one effort; steps a second go from the first to the second number, 0 is sitting still."""

    seconds: float
    steps_hz: tuple[float, float]
    effort: float


RAMP: Sequence[Bout] = (
    Bout(60, (0.0, 0.0), 0.0),
    Bout(90, (1.6, 1.8), 0.25),
    Bout(90, (1.85, 2.0), 0.40),
    Bout(120, (2.5, 2.65), 0.75),
    Bout(90, (2.65, 2.8), 0.92),
    Bout(60, (1.7, 1.7), 0.25),
    Bout(60, (0.0, 0.0), 0.05),
)
"""Rest, two speeds of walking, two of running, and back: the heart crosses the steps, or half of them, on the way."""


def treadmill(
    person: Person,
    *,
    seed: int,
    plan: Sequence[Bout] = RAMP,
    bpm: npt.ArrayLike | None = None,
    highest_bpm: float = 188.0,
    sensor: SensorParams = WATCH,
    light: LightParams = WRIST_LIGHT,
) -> Recording:
    """Return ``accel`` and ``ppg`` of a person on a treadmill, with the true rate, beats and cadence beside them.

    ``cadence_truth`` is in steps a minute at each whole second, 0 at rest; the labels name each bout.

    Parameters
    ----------
    bpm
        (n,) rate at each whole second, such as one that stays on the cadence; without it the heart follows the effort.
    highest_bpm
        Rate at an effort of 1.
    """
    check_seed(seed)
    if short := [one for one in plan if not 5 <= one.seconds < np.inf]:
        raise ValueError(f"plan has {short}, expected bouts of 5 s or more")
    edges_s = np.concatenate([[0.0], np.cumsum([one.seconds for one in plan])])
    motion = perform(person, [_activity(one) for one in plan], edges_s, BODY_RATE_HZ, seed)
    path = watch_path(person, motion, rate_hz=BODY_RATE_HZ)
    samples = sense(path, sensor, body_rate_hz=BODY_RATE_HZ, rng=np.random.default_rng([seed, 1]))
    seconds = np.arange(int(edges_s[-1]) + 1.0)
    place = np.clip(np.searchsorted(edges_s, seconds, side="right") - 1, 0, len(plan) - 1)
    effort = np.array([one.effort for one in plan])[place]
    rng = np.random.default_rng([seed, 6])
    rate = heart_response(effort, resting_bpm=person.resting_bpm, highest_bpm=highest_bpm, rng=rng)
    cadence = np.array(
        [
            60 * np.interp(at_s, edges_s[one : one + 2], plan[one].steps_hz)
            for at_s, one in zip(seconds, place, strict=True)
        ]
    )
    recording = Recording.of(
        [
            Stream.measured("accel", samples.time, samples.accel),
            Stream.measured("cadence_truth", seconds, cadence, unit="steps/min"),
        ],
        labels=label_table(
            [
                (start_s, stop_s, _name(one), "truth", "simulator")
                for one, start_s, stop_s in zip(plan, edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True)
            ]
        ),
        labelled={"truth": [(0.0, float(edges_s[-1]))]},
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )
    return add_ppg(recording, rate if bpm is None else bpm, seed=seed, light=light, effort=effort)


def _name(one: Bout) -> str:
    fastest = max(one.steps_hz)
    return "rest" if not fastest else "run" if fastest >= _RUNS_FROM_HZ else "walk"


def _activity(one: Bout) -> Activity:
    """Return what the arm does in a bout."""
    if not max(one.steps_hz):
        return sitting

    def going(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        runs = max(one.steps_hz) >= _RUNS_FROM_HZ
        hz = np.linspace(*one.steps_hz, len(time_s)) * (1 + wander(rng, time_s, sd=0.012, hz=0.2))
        phase = np.pi * np.cumsum(hz) * step_s(time_s) + rng.uniform(0, 2 * np.pi)
        swing = (1.3 if runs else 1.0) * person.swing_rad * (1 + wander(rng, time_s, sd=0.12, hz=0.3))
        lag, rise_m = rng.uniform(0.2, 0.6), 0.045 if runs else 0.02
        moves = {
            "flexion": swing * np.sin(phase),
            "rotation": 0.25 * swing * np.sin(phase - lag),
            "elbow": person.elbow_swing_rad * (1 + np.sin(phase - lag)),
            "pronation": 0.25 * swing * np.sin(phase + lag),
            "up_m": rise_m * np.cos(2 * phase),
            "left_m": 0.015 * np.sin(phase),
            "forward_m": 0.015 * np.sin(2 * phase),
        }
        angles = {"elbow": 1.4 if runs else 0.3, "pronation": 0.4}
        return in_motion(
            person,
            time_s,
            rng,
            in_posture(person, rng, angles),
            moves,
            shock=_shock(person, time_s, phase, rng, runs=runs),
        )

    return going


def _shock(
    person: Person, time_s: FloatArray, phase: FloatArray, rng: np.random.Generator, *, runs: bool
) -> FloatArray:
    """Return what of each landing reaches the wrist (n, 3) in m/s2."""
    landings = np.flatnonzero(np.diff(np.floor(phase / np.pi - 0.5)))
    sizes = person.heel_strike_g * (2.5 if runs else 1.0) * rng.lognormal(0.0, 0.2, len(landings))
    ring = ring_of(time_s, time_s[landings], sizes, hz=13.0, decay_s=0.04)
    return np.asarray(np.outer(ring, [0.35, 0.1, 1.0]) * STANDARD_GRAVITY, dtype=np.float64)
