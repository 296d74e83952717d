"""Gait at 0.5 to 3 m/s with the moment of every step: arms that swing or do not, at a wrist, a hip or an ankle.

Step rate and the trunk's rise follow speed as published for adults; what an arm makes of them is an estimate. Nothing
here is measured, and every figure got from it is simulated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from wristkit.filters import is_number
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import (
    Activity,
    in_motion,
    in_posture,
    irregular,
    minimum_jerk,
    path_of,
    ring_of,
    step_s,
    wander,
)
from wristkit.simulate.body import COLUMN, COORDINATES, Motion, WatchPath, body_rate, watch_path
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.sensor import WATCH, SensorParams, sense
from wristkit.simulate.session import BODY_RATE_HZ, MOTIONS, TRANSITION_S, perform

Carriage = Literal["swing", "bag", "pocket", "trolley", "phone", "handrail"]
Place = Literal["wrist", "hip", "ankle"]
GAIT_STREAMS = ("accel", "gyro")
RUNNING_FROM_M_S = 2.1
"""Froude number 0.5 of a leg of 0.9 m, at which people begin to run."""

_SLOWEST_M_S, _FASTEST_M_S = 0.4, 4.0
# Steps, at the usual rate, from standing to walking and back: between the one of Breniere and Do (1986) and the three
# of Mann and others (1979) and of Miller and Verstraete (1996).
_STEPS_TO_SPEED = 2.0
_ALWAYS_S = (-np.inf, np.inf)
_TURN_S, _TURN_RAD, _TURN_SLOWS = (1.5, 2.5), (1.4, 3.2), 0.45  # by this share in its middle; estimates
_MOST_TURNS = 12.0
_LABEL = "step"


@dataclass(frozen=True)
class Gait:
    """A way to walk or run.

    Parameters
    ----------
    speed_m_s
        0.4 to 4; from ``RUNNING_FROM_M_S`` on it is a run.
    carriage
        What the arm with the watch does: ``swing``, ``bag`` (it carries one), ``pocket`` (the hand is in one),
        ``trolley`` (it pushes one), ``phone`` (it is held before the chest), ``handrail`` (on stairs).
    turns_a_minute
        How often the way turns by 80 to 180 degrees, more slowly for some two seconds.
    """

    speed_m_s: float = 1.3
    carriage: Carriage = "swing"
    turns_a_minute: float = 0.0

    def __post_init__(self) -> None:
        if not _SLOWEST_M_S <= self.speed_m_s <= _FASTEST_M_S:
            raise ValueError(f"speed_m_s is {self.speed_m_s!r}, expected {_SLOWEST_M_S} to {_FASTEST_M_S}")
        if self.carriage not in get_args(Carriage):
            raise ValueError(f"carriage is {self.carriage!r}, expected one of {get_args(Carriage)}")
        if not 0 <= self.turns_a_minute <= _MOST_TURNS:
            raise ValueError(f"turns_a_minute is {self.turns_a_minute!r}, expected 0 to {_MOST_TURNS:g}")

    @property
    def runs(self) -> bool:
        """Whether it is a run."""
        return self.speed_m_s >= RUNNING_FROM_M_S


class _Arm(NamedTuple):
    """What an arm lets through of swing, bounce and heel strike, how it is held, and how much it does of its own."""

    swing: float
    bounce: float
    shock: float
    restless_rad: float
    angles_rad: Mapping[str, float]


_ARMS: Mapping[str, _Arm] = MappingProxyType(
    {
        "swing": _Arm(1.0, 1.0, 1.0, 0.03, {"flexion": 0.05, "elbow": 0.3, "pronation": 0.35}),
        "bag": _Arm(0.3, 0.9, 0.9, 0.02, {"flexion": 0.0, "elbow": 0.1, "pronation": 0.3}),
        "pocket": _Arm(0.12, 1.0, 1.3, 0.02, {"flexion": -0.15, "elbow": 0.8, "pronation": 0.5}),
        "trolley": _Arm(0.03, 0.35, 0.5, 0.02, {"flexion": 0.5, "elbow": 0.9, "pronation": 1.3}),
        "phone": _Arm(0.06, 0.75, 0.6, 0.05, {"flexion": 0.45, "elbow": 1.65, "pronation": 0.9}),
        "handrail": _Arm(0.15, 0.7, 0.7, 0.06, {"flexion": 0.5, "elbow": 0.6, "pronation": 0.9}),
    }
)
_RUNNING = _Arm(0.7, 1.0, 1.0, 0.03, {"flexion": 0.1, "elbow": 1.5, "pronation": 0.4, "rotation": 0.3})
_ROLLING_G = 0.03  # what the wheels of a trolley shake a hand by
GaitPlan = Sequence[tuple[Gait | str, float]]


class Strides(NamedTuple):
    """Phase of the stride (n,) in radians, two steps a turn; when feet land (k,) in seconds, and which is far.

    ``share`` (n,) is how much of its speed the walk has then: it begins, ends and turns; ``heading`` (n,) in radians.
    """

    phase: FloatArray
    steps_s: FloatArray
    far: npt.NDArray[np.bool_]
    rate_hz: float
    share: FloatArray
    heading: FloatArray


def step_rate_hz(speed_m_s: float) -> float:
    """Return the usual steps a second at a speed.

    Walking keeps the ratio of step length to step rate, 0.0063 m a step a minute (Sekiya and Nagasaki, 1998); runners
    take 2.55 steps a second and a little more with speed (Cavanagh and Kram, 1989).
    """
    if speed_m_s >= RUNNING_FROM_M_S:
        return 2.55 + 0.12 * (speed_m_s - RUNNING_FROM_M_S)
    return float(np.sqrt(speed_m_s / (0.0063 * 60)))


def bounce_m(speed_m_s: float) -> float:
    """Return the amplitude of the trunk's rise and fall, half of what it does from lowest to highest.

    Walking: 2.7 cm from lowest to highest at 0.7 m/s and 4.8 at 1.6 (Orendurff and others, 2004); running: an estimate
    within the 6 to 10 cm of published runs.
    """
    whole_m = 0.083 if speed_m_s >= RUNNING_FROM_M_S else 0.0112 + 0.0232 * speed_m_s
    return whole_m / 2


def strides(
    person: Person,
    gait: Gait,
    time_s: FloatArray,
    rng: np.random.Generator,
    *,
    span_s: tuple[float, float] = _ALWAYS_S,
) -> Strides:
    """Return the rhythm of one bout: strides vary by 2 %, one foot is a little late, speed wanders.

    ``span_s`` is when somebody who stands sets off, and stands again: over two steps at either end speed rises and
    falls, and step rate with its root, as the ratio of step length to step rate is kept.
    """
    own = rng.normal(1.0, 0.04) * (person.cadence_hz / 1.88) ** 0.5
    usual_hz = step_rate_hz(gait.speed_m_s) * own
    rate_hz = usual_hz * (1 + wander(rng, time_s, sd=0.02, hz=0.2) + wander(rng, time_s, sd=0.012, hz=1.0))
    slowed, heading = np.ones(len(time_s)), np.zeros(len(time_s))
    if gait.turns_a_minute:
        slowed, heading = _turns(gait, time_s, rng)
    share = slowed * _share_of_speed(time_s, span_s, _STEPS_TO_SPEED / usual_hz)
    phase = np.pi * np.cumsum(rate_hz * np.sqrt(share)) * step_s(time_s) + rng.uniform(0, 2 * np.pi)
    late = rng.normal(0.0, 0.06)  # radians of the stride
    phase = phase + late * np.sin(phase)
    landings = np.floor(phase / np.pi - 0.5)  # a foot lands when the arm is at the end of its swing
    places = np.flatnonzero(np.diff(landings)) + 1
    return Strides(phase, time_s[places], landings[places] % 2 == 1, usual_hz, share, heading)


def _turns(gait: Gait, time_s: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the share (n,) of speed that turns leave, and the way's heading (n,) in radians."""
    starts = irregular(rng, time_s, mean_gap_s=60 / gait.turns_a_minute, spread=0.4) + _TURN_S[1]
    takes = rng.uniform(*_TURN_S, len(starts))
    angles = rng.choice([-1.0, 1.0], len(starts)) * rng.uniform(*_TURN_RAD, len(starts))
    share = np.ones(len(time_s))
    for start, take in zip(starts, takes, strict=True):
        share -= _TURN_SLOWS * np.sin(np.pi * np.clip((time_s - start) / take, 0, 1)) ** 2
    return share, path_of(time_s, starts, takes, np.cumsum(angles))


def _share_of_speed(time_s: FloatArray, span_s: tuple[float, float], takes_s: float) -> FloatArray:
    """Return the share (n,) of its speed that a walk has between where it begins and where it ends."""
    start_s, stop_s = span_s
    return minimum_jerk((time_s - start_s) / takes_s) * minimum_jerk((stop_s - time_s) / takes_s)


def span_of(plan: Sequence[object], index: int, edges_s: Sequence[float] | FloatArray) -> tuple[float, float]:
    """Return when the gait of this place in a plan begins and ends, infinite where another gait or nothing is known."""
    begins = index > 0 and not isinstance(plan[index - 1], Gait)
    ends = index + 1 < len(plan) and not isinstance(plan[index + 1], Gait)
    return float(edges_s[index]) if begins else -np.inf, float(edges_s[index + 1]) if ends else np.inf


def arm_motion(person: Person, gait: Gait, time_s: FloatArray, rng: np.random.Generator, made: Strides) -> Motion:
    """Return what the arm with the watch does over these strides."""
    arm = _RUNNING if gait.runs and gait.carriage == "swing" else _ARMS[gait.carriage]
    phase, wide = made.phase, (gait.speed_m_s / 1.3) ** 0.4 * made.share
    swing = arm.swing * wide * person.swing_rad * rng.lognormal(0.0, 0.15) * (1 + wander(rng, time_s, sd=0.12, hz=0.3))
    lag = rng.uniform(0.2, 0.6)
    rise = bounce_m(gait.speed_m_s) * rng.lognormal(0.0, 0.15) * arm.bounce * (1 + wander(rng, time_s, sd=0.1, hz=0.5))
    rise = rise * made.share
    moves = {
        "heading": made.heading + wander(rng, time_s, sd=0.25, hz=0.08),
        "flexion": swing * np.sin(phase) + wander(rng, time_s, sd=arm.restless_rad, hz=0.4),
        "rotation": 0.3 * swing * np.sin(phase - lag) + wander(rng, time_s, sd=arm.restless_rad, hz=0.5),
        "elbow": 0.5 * arm.swing * person.elbow_swing_rad * made.share * (1 + np.sin(phase - lag))
        + wander(rng, time_s, sd=arm.restless_rad, hz=0.6),
        "pronation": 0.25 * swing * np.sin(phase + lag) + wander(rng, time_s, sd=2 * arm.restless_rad, hz=0.5),
        "forward_m": 0.010 * wide * np.sin(2 * phase + rng.uniform(-0.5, 0.5)),
        "left_m": 0.018 * made.share * np.sin(phase),
        "up_m": rise * np.cos(2 * phase),
    }
    shock = _landings(person, gait, time_s, rng, made, share=arm.shock)
    if gait.carriage == "trolley":
        shock = shock + made.share[:, None] * _rolling(time_s, rng)
    return in_motion(person, time_s, rng, in_posture(person, rng, arm.angles_rad), moves, shock=shock)


def walk(gait: Gait) -> Activity:
    """Return this gait as an activity, such as those of ``ACTIVITIES``."""

    def move(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        return arm_motion(person, gait, time_s, rng, strides(person, gait, time_s, rng))

    return move


def gait_session(
    person: Person,
    plan: GaitPlan,
    *,
    seed: int,
    sensor: SensorParams = WATCH,
    place: Place = "wrist",
    streams: Sequence[str] = GAIT_STREAMS,
) -> Recording:
    """Return what a sensor of this person records over the plan, each step a point of the tier truth.

    Parameters
    ----------
    plan
        (:class:`Gait`, or an activity of ``MOTIONS``, seconds) one after the other, as in :func:`session`. Steps are
        labels for the gaits alone: activities of ``MOTIONS`` that walk have no moments of steps. Between a gait and
        something else somebody sets off or comes to stand: the first and last two steps are slower and weaker.
    place
        Where the sensor is; at a hip or an ankle, activities other than gaits are stillness.
    """
    plan = tuple(plan)
    check_seed(seed)
    _check(plan, place, streams)
    edges_s = np.concatenate([[0.0], np.cumsum([seconds for _, seconds in plan])])
    body_rate_hz = max(BODY_RATE_HZ, 2 * sensor.rate_hz)
    steps_s: dict[int, FloatArray] = {}
    done = [one for one, _ in plan]
    activities = [
        _remembering(one, index, steps_s, place, span_of(done, index, edges_s)) for index, one in enumerate(done)
    ]
    motion = perform(person, activities, edges_s, body_rate_hz, seed)
    path = watch_path(person, motion, rate_hz=body_rate_hz) if place == "wrist" else _worn(motion, body_rate_hz, seed)
    samples = sense(path, sensor, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 1]))
    clock = 1 + sensor.clock_error_ppm * 1e-6
    values = {"accel": samples.accel, "gyro": samples.gyro}
    length_s = float(edges_s[-1] * clock)
    return Recording.of(
        [Stream.measured(name, samples.time, values[name]) for name in streams],
        labels=label_table(_rows(plan, edges_s, steps_s, clock)),
        labelled={"truth": [(0.0, length_s)], "activity": [(0.0, length_s)]},
        subject=person.subject,
        wrist=person.wrist if place == "wrist" else None,
        crown=person.crown if place == "wrist" else None,
        source={"format": "simulated", "device": "wristkit.simulate", "place": place},
    )


def _check(plan: GaitPlan, place: str, streams: Sequence[str]) -> None:
    if not plan:
        raise ValueError("plan is empty, expected (Gait or activity, seconds) pairs such as ((Gait(1.3), 20.0),)")
    if wrong := [one for one in plan if not (isinstance(one, tuple | list) and len(one) == 2 and is_number(one[1]))]:
        raise ValueError(f"plan has {wrong[0]!r}, expected (Gait or activity, seconds) pairs such as (Gait(1.3), 20.0)")
    if unknown := sorted({one for one, _ in plan if isinstance(one, str)} - set(MOTIONS)):
        raise ValueError(f"plan names {unknown}, expected a Gait, or activities out of {sorted(MOTIONS)}")
    if short := [(one, seconds) for one, seconds in plan if not 2 * TRANSITION_S <= seconds < np.inf]:
        raise ValueError(f"plan has {short}, expected at least {2 * TRANSITION_S} s of each")
    if place not in get_args(Place):
        raise ValueError(f"place is {place!r}, expected one of {get_args(Place)}")
    if not streams or set(streams) - set(GAIT_STREAMS) or len(set(streams)) < len(streams):
        raise ValueError(f"streams is {tuple(streams)}, expected one or more of {GAIT_STREAMS}, each once")


def _remembering(
    one: Gait | str, index: int, steps_s: dict[int, FloatArray], place: Place, span_s: tuple[float, float]
) -> Activity:
    """Return an activity that notes under ``index`` when its feet land."""

    def move(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        if isinstance(one, str):
            return MOTIONS[one](person, time_s, rng) if place == "wrist" else _still(time_s)
        made = strides(person, one, time_s, rng, span_s=span_s)
        steps_s[index] = made.steps_s
        if place == "wrist":
            return arm_motion(person, one, time_s, rng, made)
        return (_hip if place == "hip" else _ankle)(person, one, time_s, rng, made)

    return move


def _rows(
    plan: GaitPlan, edges_s: FloatArray, steps_s: Mapping[int, FloatArray], clock: float
) -> list[tuple[float, float, str, str, str]]:
    rows = []
    for index, (one, _) in enumerate(plan):
        start_s, stop_s = edges_s[index] * clock, edges_s[index + 1] * clock
        name = one if isinstance(one, str) else "running" if one.runs else "walking"
        rows.append((float(start_s), float(stop_s), name, "activity", "simulator"))
        landed = steps_s.get(index, np.empty(0)) * clock
        landed = landed[(landed >= start_s) & (landed < stop_s)]
        rows += [(at_s, at_s, _LABEL, "truth", "simulator") for at_s in landed.tolist()]
    return rows


def _landings(
    person: Person,
    gait: Gait,
    time_s: FloatArray,
    rng: np.random.Generator,
    made: Strides,
    *,
    share: float,
    far: float = 0.7,
) -> FloatArray:
    """Return the impacts (n, 3) in m/s2 of both feet; they grow with speed, and the far foot's is weaker."""
    hard = (2.2 if gait.runs else 1.0) * gait.speed_m_s / 1.3
    sizes = share * hard * person.heel_strike_g * rng.lognormal(0.0, 0.2, len(made.steps_s))
    sizes = sizes * np.where(made.far, far, 1.0) * np.interp(made.steps_s, time_s, made.share)
    decay_s = 0.035 + 0.03 * person.strap_looseness
    ring = ring_of(time_s, made.steps_s, sizes, hz=14 - 3 * person.strap_looseness, decay_s=decay_s)
    return np.asarray(np.outer(ring, [0.35, 0.1, 1.0]) * STANDARD_GRAVITY)


def _rolling(time_s: FloatArray, rng: np.random.Generator) -> FloatArray:
    band = butter(2, (6.0, 30.0), btype="bandpass", fs=1 / step_s(time_s), output="sos")
    shaken = sosfiltfilt(band, rng.standard_normal((len(time_s), 3)), axis=0)
    return np.asarray(_ROLLING_G * STANDARD_GRAVITY * shaken / shaken.std())


# ---- sensors that are on no arm: position (n, 3) in metres and pitch stand in the columns of an arm's coordinates ----

_UP, _LEFT, _FORWARD, _PITCH = "up_m", "left_m", "forward_m", "trunk_pitch"


def _still(time_s: FloatArray) -> Motion:
    return _of_body(time_s, {})


def _of_body(time_s: FloatArray, moves: Mapping[str, FloatArray], shock: FloatArray | None = None) -> Motion:
    coordinates = np.zeros((len(time_s), len(COORDINATES)))
    for name, move in moves.items():
        coordinates[:, COLUMN[name]] = move
    return Motion(coordinates, np.zeros((len(time_s), 3)) if shock is None else shock)


def _hip(person: Person, gait: Gait, time_s: FloatArray, rng: np.random.Generator, made: Strides) -> Motion:
    """Return a belt that rises with each step and sways with each stride."""
    phase, rise = made.phase, bounce_m(gait.speed_m_s) * rng.lognormal(0.0, 0.15) * made.share
    moves = {
        _UP: rise * np.cos(2 * phase),
        _LEFT: 0.02 * made.share * np.sin(phase),
        _FORWARD: 0.012 * made.share * np.sin(2 * phase + 0.4),
        _PITCH: 0.04 * made.share * np.sin(2 * phase) + wander(rng, time_s, sd=0.03, hz=0.3),
    }
    return _of_body(time_s, moves, _landings(person, gait, time_s, rng, made, share=1.6, far=0.8))


def _ankle(person: Person, gait: Gait, time_s: FloatArray, rng: np.random.Generator, made: Strides) -> Motion:
    """Return a shank that stands for most of one step and swings over the next; its own foot's landing is the hard one.

    The foot is fastest in the middle of its swing and stands when the other one swings.
    """
    phase = made.phase - np.pi / 2  # 0 where this foot lands
    swinging = 0.5 * (1 - np.cos(phase))
    length_m = gait.speed_m_s / made.rate_hz * made.share
    moves = {
        _UP: 0.10 * made.share * (gait.speed_m_s / 1.3) ** 0.5 * swinging**3,
        _LEFT: 0.01 * made.share * np.sin(phase),
        _FORWARD: -length_m * np.sin(phase) / np.pi + 0.15 * length_m * np.sin(2 * phase) / np.pi,
        _PITCH: made.share * (0.4 * np.sin(phase + 0.5) + 0.15 * np.sin(2 * phase))
        + wander(rng, time_s, sd=0.02, hz=0.3),
    }
    own = _landings(person, gait, time_s, rng, made, share=4.0, far=0.15)
    return _of_body(time_s, moves, own)


def _worn(motion: Motion, rate_hz: float, seed: int) -> WatchPath:
    """Return the path of a sensor that is fixed to the body in any direction."""
    at = motion.coordinates[:, [COLUMN[_FORWARD], COLUMN[_LEFT], COLUMN[_UP]]]
    acceleration = np.gradient(np.gradient(at, axis=0), axis=0) * rate_hz**2 + motion.shock
    fixed = Rotation.random(random_state=np.random.default_rng([seed, 11]))
    axes = Rotation.from_rotvec(np.outer(motion.coordinates[:, COLUMN[_PITCH]], [0.0, 1.0, 0.0])) * fixed
    return WatchPath(axes, acceleration, body_rate(axes, rate_hz))


# ---- half an hour without a step ----

STEPLESS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "desk": {"typing": 5.0, "sitting": 2.0, "writing": 1.0, "finger_drumming": 0.5, "phone_to_ear": 0.5}
        | {"drinking": 0.5, "looking_at_watch": 0.5, "scratching": 0.3},
        "meal": {"eating": 6.0, "drinking": 1.5, "sitting": 1.5, "hand_on_table": 0.5},
        "kitchen": {"stirring": 1.0, "chopping": 1.0, "dishes": 1.0},
        "drive": {"driving": 8.0, "phone_to_ear": 0.3, "sitting": 0.3},
    }
)
"""Scenes in which nobody walks: activities of ``MOTIONS`` and their shares of the time."""
_BOUT_S = (15.0, 60.0)


def stepless(
    person: Person, scene: str, *, seed: int, minutes: float = 30.0, sensor: SensorParams = WATCH
) -> Recording:
    """Return so many minutes of a scene of ``STEPLESS`` as the wrist's sensor records it, without any step."""
    if scene not in STEPLESS:
        raise ValueError(f"scene is {scene!r}, expected one of {sorted(STEPLESS)}")
    check_seed(seed)
    if not (is_number(minutes) and _BOUT_S[0] <= minutes * 60 < np.inf):
        raise ValueError(f"minutes is {minutes!r}, expected at least {_BOUT_S[0] / 60}")
    rng = np.random.default_rng([seed, 12])
    names, shares = zip(*STEPLESS[scene].items(), strict=True)
    weights = np.array(shares) / np.array(shares).sum()
    plan: list[tuple[Gait | str, float]] = []
    while (left_s := minutes * 60 - sum(seconds for _, seconds in plan)) > 0:
        seconds = float(rng.uniform(*_BOUT_S))
        plan.append((str(rng.choice(names, p=weights)), left_s if left_s < _BOUT_S[1] else seconds))
    return gait_session(person, plan, seed=seed, sensor=sensor)


def true_steps(recording: Recording) -> pd.DataFrame:
    """Return the labels ``step`` of the tier truth, in order of time."""
    labels = recording.labels
    return labels[(labels["tier"] == "truth") & (labels["label"] == _LABEL)].sort_values("start_s", ignore_index=True)
