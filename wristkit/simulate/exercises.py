"""A workout: sets of exercises with rests between, each repetition's start and end exact. All numbers are estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import Activity, in_motion, in_posture, minimum_jerk, ring_of, wander
from wristkit.simulate.body import Motion, watch_path
from wristkit.simulate.gait import Gait, arm_motion, span_of, strides
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.sensor import WATCH, Samples, SensorParams, sense
from wristkit.simulate.session import BODY_RATE_HZ, MOTIONS, TRANSITION_S, perform

WORKOUT_STREAMS = ("accel", "gyro", "user_accel", "gravity", "attitude")
WORKOUT_TIERS = ("truth", "set", "step", "activity")
REPETITION, STEP = "repetition", "step"


class Exercise(NamedTuple):
    """What the joints do in one repetition: there from ``near`` by ``way``, and back.

    ``near`` and ``way`` are in rad and m by joint; ``period_s`` is about how long a repetition takes; ``landings_g`` is
    the size of the impact at either end; with ``hand_fixed`` the trunk moves so that the hand stays where it is.
    """

    near: Mapping[str, float]
    way: Mapping[str, float]
    period_s: float
    landings_g: float = 0.0
    hand_fixed: bool = False


EXERCISES: Mapping[str, Exercise] = MappingProxyType(
    {
        "biceps_curl": Exercise(
            {"elbow": 0.15, "pronation": -1.2}, {"elbow": 2.0, "flexion": 0.15, "pronation": -0.2}, 2.6
        ),
        "lateral_raise": Exercise({"elbow": 0.2, "pronation": 0.2}, {"abduction": 1.35, "pronation": 0.3}, 2.8),
        "shoulder_press": Exercise(
            {"flexion": 0.7, "elbow": 2.1, "abduction": 0.4, "pronation": 0.9}, {"flexion": 2.1, "elbow": -1.9}, 2.9
        ),
        "bent_over_row": Exercise(
            {"trunk_pitch": 0.9, "elbow": 0.1, "pronation": 0.3},
            {"flexion": -0.9, "elbow": 1.3, "trunk_pitch": -0.06},
            2.4,
        ),
        "triceps_extension": Exercise(
            {"flexion": 2.7, "elbow": 2.1, "pronation": 0.6}, {"elbow": -1.9, "flexion": 0.1}, 2.5
        ),
        "push_up": Exercise(
            {"elbow": 0.05, "pronation": 1.4, "trunk_pitch": 1.3},
            {"flexion": -1.0, "elbow": 1.2, "abduction": 0.3},
            2.0,
            hand_fixed=True,
        ),
        "squat": Exercise(
            {"flexion": 1.35, "elbow": 0.2, "pronation": 0.9},
            {"up_m": -0.38, "forward_m": -0.08, "trunk_pitch": 0.5, "flexion": 0.06},
            3.0,
        ),
        "jumping_jack": Exercise(
            {"abduction": 0.1, "elbow": 0.25, "pronation": 0.2},
            {"abduction": 2.1, "elbow": 0.15},
            1.3,
            landings_g=0.5,
        ),
        "kettlebell_swing": Exercise(
            {"flexion": -0.25, "elbow": 0.1, "pronation": 0.9, "trunk_pitch": 0.8},
            {"flexion": 1.6, "trunk_pitch": -0.75, "up_m": 0.12},
            1.9,
        ),
        "chest_fly": Exercise(
            {"flexion": 1.45, "elbow": 0.3, "pronation": -0.5, "trunk_pitch": -1.4},
            {"rotation": -1.1, "elbow": 0.25, "abduction": 0.3},
            3.1,
        ),
    }
)
"""Ten exercises by name."""

# Of a repetition, over people and sets; estimates.
_STYLE_TEMPO, _SET_TEMPO, _EACH_TEMPO = 0.14, 0.07, 0.06  # of the logarithm of its seconds
_STYLE_RANGE, _EACH_RANGE = 0.10, 0.05
_MOST_FATIGUE = 0.3  # by so much the last repetition may take longer than the first; a third of it is lost in range
_LEAD_S, _TAIL_S = (1.5, 3.0), (1.0, 2.0)  # in position before the first and after the last
_HOLDS = (0.03, 0.18)  # of a repetition, at either end


@dataclass(frozen=True, kw_only=True)
class ExerciseSet:
    """Some repetitions of one exercise, one after the other.

    Parameters
    ----------
    exercise
        One of ``EXERCISES``.
    repetitions
        How many.
    period_s
        About how long one takes; the exercise's own where None.
    range_share
        Of the way that the exercise has.
    """

    exercise: str
    repetitions: int
    period_s: float | None = None
    range_share: float = 1.0

    def __post_init__(self) -> None:
        if self.exercise not in EXERCISES:
            raise ValueError(f"exercise is {self.exercise!r}, expected one of {sorted(EXERCISES)}")
        if not isinstance(self.repetitions, int | np.integer) or not self.repetitions >= 1:
            raise ValueError(f"repetitions is {self.repetitions!r}, expected a whole number, at least 1")
        if self.period_s is not None and not 0.4 <= self.period_s <= 20:
            raise ValueError(f"period_s is {self.period_s}, expected 0.4 to 20 s for one repetition")
        if not 0.1 <= self.range_share <= 1.5:
            raise ValueError(f"range_share is {self.range_share}, expected 0.1 to 1.5 of the exercise's own way")


Part = tuple[str | Gait, float] | ExerciseSet


class Course(NamedTuple):
    """Of each of n repetitions: (n,) seconds at which it starts, is there, turns back and stops; its size."""

    start_s: FloatArray
    there_s: FloatArray
    back_s: FloatArray
    stop_s: FloatArray
    size: FloatArray
    duration_s: float


def workout(
    person: Person,
    *,
    plan: Sequence[Part],
    seed: int,
    sensor: SensorParams = WATCH,
    streams: Sequence[str] = ("accel", "gyro"),
    start: pd.Timestamp | str | None = None,
) -> Recording:
    """Return what the watch of this person records of a workout, with the truth as labels.

    Tier ``truth`` holds each repetition, from where it leaves its position to where it is back; tier ``set`` each set
    under its exercise's name, from its first repetition to its last; tier ``step`` each step of a gait, a point; tier
    ``activity`` what is done all the time, a set under its exercise's name with the seconds in position around it.

    Parameters
    ----------
    plan
        Sets, and (gait, or activity of ``MOTIONS``, seconds) for warming up and rests, one after the other. Steps are
        known of gaits alone.
    streams
        Any of ``WORKOUT_STREAMS``; attitude and gravity are those of the motion itself. For light, see ``add_ppg``.
    """
    if not streams or set(streams) - set(WORKOUT_STREAMS):
        raise ValueError(f"streams is {tuple(streams)}, expected one or more of {WORKOUT_STREAMS}")
    check_seed(seed)
    _check(plan)
    body_rate_hz = max(BODY_RATE_HZ, 2 * sensor.rate_hz)
    done = _performed(person, plan, seed)
    motion = perform(person, done.activities, done.edges_s, body_rate_hz, seed)
    path = watch_path(person, motion, rate_hz=body_rate_hz)
    samples = sense(path, sensor, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 1]))
    clock = 1 + sensor.clock_error_ppm * 1e-6
    labels = _truth(plan, done)
    labels[["start_s", "stop_s"]] *= clock
    return Recording.of(
        [_stream(name, samples) for name in streams],
        labels=labels,
        labelled={tier: [(0.0, float(done.edges_s[-1]) * clock)] for tier in WORKOUT_TIERS},
        start=start,
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )


class _Performed(NamedTuple):
    """Of each part of a plan: its activity, its course where it is a set, its edges; steps (k,) s once it was done."""

    activities: list[Activity]
    courses: list[Course | None]
    edges_s: FloatArray
    steps_s: dict[int, FloatArray]


def _performed(person: Person, plan: Sequence[Part], seed: int) -> _Performed:
    """Return what is done; steps are noted when the activities are asked for their motion."""
    activities: list[Activity] = []
    courses: list[Course | None] = []
    edges_s, steps_s = [0.0], dict[int, FloatArray]()
    done = [part if isinstance(part, ExerciseSet) else part[0] for part in plan]
    for place, part in enumerate(plan):
        if isinstance(part, ExerciseSet):
            held = course(part, person, seed=[seed, 7, place])
            activities.append(_exercising(part.exercise, held, edges_s[-1], range_share=part.range_share))
            courses.append(held)
            edges_s.append(edges_s[-1] + held.duration_s)
        else:
            what, seconds = part
            courses.append(None)
            edges_s.append(edges_s[-1] + seconds)
            span_s = span_of(done, place, edges_s)
            activities.append(_going(what, place, steps_s, span_s) if isinstance(what, Gait) else MOTIONS[what])
    return _Performed(activities, courses, np.array(edges_s), steps_s)


def _going(gait: Gait, place: int, steps_s: dict[int, FloatArray], span_s: tuple[float, float]) -> Activity:
    """Return a gait as an activity that notes when its feet land."""

    def going(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        made = strides(person, gait, time_s, rng, span_s=span_s)
        steps_s[place] = made.steps_s
        return arm_motion(person, gait, time_s, rng, made)

    return going


def course(one: ExerciseSet, person: Person, *, seed: Sequence[int]) -> Course:
    """Return when each repetition of a set starts and stops: each person has a pace, and tires."""
    style, rng = style_of(person), np.random.default_rng(seed)
    period_s = one.period_s or EXERCISES[one.exercise].period_s * style["tempo"]
    tired = rng.uniform(0, _MOST_FATIGUE) * np.linspace(0, 1, one.repetitions) ** 2
    each_s = period_s * rng.lognormal(0, _SET_TEMPO) * rng.lognormal(0, _EACH_TEMPO, one.repetitions) * (1 + tired)
    held = rng.uniform(*_HOLDS, 2)[:, None] * rng.lognormal(0, 0.15, (2, one.repetitions))
    moving_s = each_s * (1 - held.sum(axis=0))
    there_s, lead_s = moving_s * style["there_share"], rng.uniform(*_LEAD_S)
    start_s = lead_s + np.concatenate([[0.0], np.cumsum(each_s)[:-1]])
    back_s = start_s + there_s + each_s * held[0]
    stop_s = back_s + moving_s - there_s
    size = rng.lognormal(0, _EACH_RANGE, one.repetitions) * (1 - tired / 3)
    return Course(start_s, start_s + there_s, back_s, stop_s, size, float(stop_s[-1] + rng.uniform(*_TAIL_S)))


def style_of(person: Person) -> dict[str, float]:
    """Return how this person exercises: tempo, range and share of the way there, and lags between joints."""
    rng = np.random.default_rng([round(1e6 * person.tendon_hz), 21])
    return {
        "tempo": float(rng.lognormal(0, _STYLE_TEMPO)),
        "range": float(np.clip(rng.normal(0.95, _STYLE_RANGE), 0.7, 1.15)),
        "there_share": float(rng.uniform(0.36, 0.58)),
        "lag": float(rng.uniform(0.0, 0.08)),
        "sloppy": float(rng.uniform(0.02, 0.07)),
    }


def _exercising(name: str, held: Course, at_s: float, *, range_share: float) -> Activity:
    """Return the activity that does a set whose course starts at this second."""

    def exercising(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        exercise, style = EXERCISES[name], style_of(person)
        since_s = time_s - at_s
        moves: dict[str, FloatArray] = {}
        for place, (joint, angle) in enumerate(exercise.way.items()):
            late = style["lag"] * place * float(np.median(held.there_s - held.start_s))
            moves[joint] = angle * style["range"] * range_share * _way(since_s - late, held)
        posture = in_posture(person, rng, exercise.near)
        if exercise.hand_fixed:
            moves |= _with_the_hand_fixed(person, exercise, moves)
        for joint in ("flexion", "rotation", "elbow", "pronation"):
            moves[joint] = moves.get(joint, 0.0) + wander(rng, time_s, sd=style["sloppy"], hz=0.4)
        return in_motion(person, time_s, rng, posture, moves, shock=_landings(exercise, held, time_s, at_s, rng))

    return exercising


def _way(since_s: FloatArray, held: Course) -> FloatArray:
    """Return (n,) 0 in position and about 1 at the other end of each repetition."""
    way = np.zeros(len(since_s))
    for start_s, there_s, back_s, stop_s, size in zip(*held[:5], strict=True):
        rows = slice(*np.searchsorted(since_s, [start_s, stop_s]))
        part_s = since_s[rows]
        there = minimum_jerk((part_s - start_s) / (there_s - start_s))
        back = minimum_jerk((part_s - back_s) / (stop_s - back_s))
        way[rows] += size * (there - back)
    return way


def _with_the_hand_fixed(person: Person, exercise: Exercise, moves: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return how the trunk has to move where the hand is on the floor."""
    upper = exercise.near.get("flexion", 0.0) + moves["flexion"]
    fore = upper + exercise.near["elbow"] + moves["elbow"]
    forward = person.upper_arm_m * np.sin(upper) + person.forearm_m * np.sin(fore)
    below = person.upper_arm_m * np.cos(upper) * np.cos(moves["abduction"]) + person.forearm_m * np.cos(fore)
    return {"forward_m": forward[0] - forward, "up_m": below - below[0]}


def _landings(
    exercise: Exercise, held: Course, time_s: FloatArray, at_s: float, rng: np.random.Generator
) -> FloatArray | None:
    """Return (n, 3) m/s2 of the feet that land at either end of each repetition."""
    if not exercise.landings_g:
        return None
    lands_s = at_s + np.concatenate([held.there_s, held.stop_s])
    lands_s = lands_s[(lands_s >= time_s[0]) & (lands_s < time_s[-1])]
    sizes = exercise.landings_g * rng.lognormal(0, 0.25, len(lands_s))
    ring = ring_of(time_s, lands_s, sizes, hz=13, decay_s=0.04)
    return np.asarray(np.outer(ring, [0.3, 0.1, 1.0]) * STANDARD_GRAVITY)


def _truth(plan: Sequence[Part], done: _Performed) -> pd.DataFrame:
    rows = []
    for place, (part, held) in enumerate(zip(plan, done.courses, strict=True)):
        start_s, stop_s = done.edges_s[place : place + 2].tolist()
        rows.append((start_s, stop_s, _name_of(part), "activity", "simulator"))
        if held is not None:
            spans = np.column_stack([held.start_s, held.stop_s]) + start_s
            rows.append((float(spans[0, 0]), float(spans[-1, 1]), _name_of(part), "set", "simulator"))
            rows += [(one, other, REPETITION, "truth", "simulator") for one, other in spans.tolist()]
        landed = done.steps_s.get(place, np.empty(0))
        landed = landed[(landed >= start_s) & (landed < stop_s)]
        rows += [(at_s, at_s, STEP, "step", "simulator") for at_s in landed.tolist()]
    return label_table(rows)


def _name_of(part: Part) -> str:
    if isinstance(part, ExerciseSet):
        return part.exercise
    if isinstance(part[0], Gait):
        return "running" if part[0].runs else "walking"
    return part[0]


def _stream(name: str, samples: Samples) -> Stream:
    values = samples.accel - samples.gravity if name == "user_accel" else getattr(samples, name)
    return Stream.measured(name, samples.time, values)


def _check(plan: Sequence[Part]) -> None:
    if not plan:
        raise ValueError("plan is empty, expected sets and (activity, seconds), such as ExerciseSet(...)")
    others = [part for part in plan if not isinstance(part, ExerciseSet)]
    if unknown := sorted({name for name, _ in others if not isinstance(name, Gait)} - set(MOTIONS)):
        raise ValueError(
            f"plan names {unknown}, expected activities out of {sorted(MOTIONS)}, a Gait or an ExerciseSet"
        )
    if short := [(name, seconds) for name, seconds in others if not 2 * TRANSITION_S <= seconds < np.inf]:
        raise ValueError(f"plan has {short}, expected at least {2 * TRANSITION_S} s of each activity")
