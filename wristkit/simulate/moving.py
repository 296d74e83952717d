"""Minutes of an ordinary day: sitting, rising, standing, walking, turning, running, stairs, cycling, one after another.

What stands in for rising and turning is an estimate as all simulated motion is; every label is exact.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfiltfilt

from wristkit.filters import is_number
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import Activity, in_motion, in_posture, minimum_jerk, step_s, wander
from wristkit.simulate.body import COLUMN, Motion, watch_path
from wristkit.simulate.gait import Gait, walk
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.sensor import WATCH, SensorParams, sense
from wristkit.simulate.session import BODY_RATE_HZ, MOTIONS, perform

ACTIVE_LABELS = (
    *("walking", "running", "stairs", "sitting", "standing", "cycling", "standing_up", "sitting_down", "turning"),
)
"""Labels of :func:`active`; the last three are of moments between the others."""

_SEAT_M = 0.40  # from a seat to standing: estimate
_SEATED = ("sitting", "sitting", "typing", "resting", "writing", "drinking", "eating", "looking_at_watch")
_CARRIAGES = ("swing", "swing", "swing", "bag", "pocket", "phone")
_LASTS_S: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"walking": (5, 16), "running": (10, 20), "stairs": (8, 16), "sitting": (0.8, 20), "standing": (1.5, 15)}
    | {"cycling": (10, 25), "standing_up": (2.0, 2.8), "sitting_down": (2.0, 2.8), "turning": (2.0, 2.8)}
)


class Part(NamedTuple):
    """One thing that is done: its label, its motion, its seconds."""

    label: str
    move: Activity
    seconds: float


def standing(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return somebody who stands, sways a little and moves an arm now and then."""
    angles = [{"elbow": 0.2, "pronation": 0.3}, {"flexion": 0.3, "elbow": 1.4, "pronation": 0.8}][rng.random() < 0.35]
    restless = rng.uniform(0.3, 1.5)
    moves = {name: wander(rng, time_s, sd=0.04 * restless, hz=0.5) for name in ("flexion", "elbow", "rotation")}
    moves |= {name: wander(rng, time_s, sd=0.006, hz=0.4) for name in ("forward_m", "left_m")}
    return in_motion(person, time_s, rng, in_posture(person, rng, angles), moves)


def cycling(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return hands on a bar, shaken by the road, that sway with the legs seventy to ninety times a minute."""
    phase = 2 * np.pi * rng.uniform(1.15, 1.55) * time_s + wander(rng, time_s, sd=0.6, hz=0.2)
    moves = {
        "left_m": rng.uniform(0.002, 0.010) * np.sin(phase),
        "up_m": rng.uniform(0.001, 0.004) * np.sin(2 * phase),
        "rotation": wander(rng, time_s, sd=0.03, hz=0.4),
        "elbow": wander(rng, time_s, sd=0.03, hz=0.4),
    }
    band = butter(2, (3.0, 24.0), btype="bandpass", fs=1 / step_s(time_s), output="sos")
    road = sosfiltfilt(band, rng.standard_normal((len(time_s), 3)), axis=0)
    rough = rng.uniform(0.02, 0.12) * (1 + 0.5 * np.clip(wander(rng, time_s, sd=1.0, hz=0.3), -1.5, 3.0))
    shock = STANDARD_GRAVITY * rough[:, None] * road / road.std()
    posture = in_posture(person, rng, {"flexion": 0.85, "elbow": 0.35, "pronation": 1.4, "trunk_pitch": 0.5})
    return in_motion(person, time_s, rng, posture, moves, shock=shock)


def rising(*, up: bool) -> Activity:
    """Return one rise from a seat, or one sitting down: lean, push off, and the arms that help or swing along."""

    def move(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        late, takes_s = rng.uniform(0.1, 0.4), person.rise_s * rng.uniform(0.75, 1.1)
        upright = minimum_jerk((time_s - time_s[0] - late - 0.5) / takes_s)
        upright = upright if up else 1 - upright
        lean = np.sin(np.pi * upright) ** 2 * rng.uniform(0.5, 1.2)
        seated = {"flexion": rng.uniform(0.15, 0.5), "elbow": rng.uniform(0.6, 1.3), "pronation": rng.uniform(0.4, 1.2)}
        moves = {name: angle * (1 - upright) for name, angle in seated.items()}
        moves["flexion"] = moves["flexion"] + rng.uniform(-0.2, 0.6) * lean
        moves["elbow"] = moves["elbow"] - rng.uniform(0.0, 0.4) * lean
        moves |= {"trunk_pitch": 0.65 * lean, "forward_m": 0.25 * upright, "up_m": _SEAT_M * (upright - 1)}
        return in_motion(person, time_s, rng, in_posture(person, rng, {"elbow": 0.25, "pronation": 0.3}), moves)

    return move


def turning(angle_rad: float, gait: Gait) -> Activity:
    """Return a turn on the way: fewer, shorter steps while the body faces another side."""
    slower = walk(Gait(max(0.5, 0.55 * gait.speed_m_s), gait.carriage))

    def move(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        motion = slower(person, time_s, rng)
        span_s = time_s[-1] - time_s[0] - 1.0
        turned = minimum_jerk((time_s - time_s[0] - 0.5) / span_s)
        motion.coordinates[:, COLUMN["heading"]] += angle_rad * turned
        return motion

    return move


def active(
    person: Person,
    *,
    seed: int,
    minutes: float = 4.0,
    sensor: SensorParams = WATCH,
    streams: Sequence[str] = ("accel", "gyro"),
) -> Recording:
    """Return some minutes of a simulated person with the labels ``ACTIVE_LABELS`` in the tier truth.

    Nobody walks out of a chair: between sitting and all else lies ``standing_up``, and before it ``sitting_down``.
    """
    check_seed(seed)
    if not (is_number(minutes) and 0.5 <= minutes < np.inf):
        raise ValueError(f"minutes is {minutes!r}, expected at least 0.5")
    if not streams or set(streams) - {"accel", "gyro"} or len(set(streams)) < len(streams):
        raise ValueError(f"streams is {tuple(streams)}, expected accel, gyro or both, each once")
    parts = _parts(minutes * 60, np.random.default_rng([seed, 13]))
    edges_s = np.concatenate([[0.0], np.cumsum([part.seconds for part in parts])])
    rate_hz = max(BODY_RATE_HZ, 2 * sensor.rate_hz)
    path = watch_path(person, perform(person, [part.move for part in parts], edges_s, rate_hz, seed), rate_hz=rate_hz)
    samples = sense(path, sensor, body_rate_hz=rate_hz, rng=np.random.default_rng([seed, 1]))
    values = {"accel": samples.accel, "gyro": samples.gyro}
    edges_s = edges_s * (1 + sensor.clock_error_ppm * 1e-6)
    spans = zip(parts, edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True)
    return Recording.of(
        [Stream.measured(name, samples.time, values[name]) for name in streams],
        labels=label_table([(start_s, stop_s, part.label, "truth", "simulator") for part, start_s, stop_s in spans]),
        labelled={"truth": [(0.0, float(edges_s[-1]))]},
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )


def _parts(total_s: float, rng: np.random.Generator) -> list[Part]:
    """Return what is done over so many seconds, each on the side that the last turn left it on."""
    parts: list[Part] = []
    facing, label = 0.0, "sitting"
    while sum(part.seconds for part in parts) < total_s:
        move, turned = _move(label, rng)
        parts.append(Part(label, _placed(move, facing, seated=label == "sitting"), _drawn_s(label, rng)))
        facing, label = facing + turned, _next(label, rng)
    return parts


def _drawn_s(label: str, rng: np.random.Generator) -> float:
    """Return for how long something is done: short as often as long, on a scale of powers."""
    low_s, high_s = _LASTS_S[label]
    return float(np.exp(rng.uniform(np.log(low_s), np.log(high_s))))


def _next(label: str, rng: np.random.Generator) -> str:
    if label == "sitting":
        return "standing_up"
    if label == "sitting_down":
        return "sitting"
    if label == "turning":
        return str(rng.choice(["walking", "walking", "walking", "sitting_down"]))
    likely = ["walking"] * 5 + ["running", "stairs", "standing", "cycling", "sitting_down"]
    if label == "walking":
        likely = ["turning"] * 5 + ["running", "stairs", "standing", "standing", "cycling", "sitting_down"]
    return str(rng.choice([one for one in likely if one != label]))


def _move(label: str, rng: np.random.Generator) -> tuple[Activity, float]:
    """Return the motion of a label, and by how much it turns the body for good."""
    if label in ("walking", "turning"):
        gait = Gait(float(rng.uniform(0.7, 1.8)), str(rng.choice(_CARRIAGES)))  # type: ignore[arg-type]  # a Carriage
        angle = float(rng.choice([-1, 1]) * rng.uniform(1.4, 3.4)) if label == "turning" else 0.0
        return (turning(angle, gait), angle) if label == "turning" else (walk(gait), 0.0)
    if label == "running":
        return walk(Gait(float(rng.uniform(2.2, 3.4)))), 0.0
    if label in ("standing_up", "sitting_down"):
        return rising(up=label == "standing_up"), 0.0
    named = {"standing": standing, "cycling": cycling, "stairs": MOTIONS["stairs"]}
    return named.get(label, MOTIONS[str(rng.choice(_SEATED))]), 0.0


def _placed(move: Activity, facing_rad: float, *, seated: bool) -> Activity:
    """Return a motion that faces a side, as high as it is done."""

    def placed(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        motion = move(person, time_s, rng)
        heading = motion.coordinates[:, COLUMN["heading"]]
        heading += facing_rad - heading[0]  # nobody turns where no label says so
        if seated:
            motion.coordinates[:, COLUMN["up_m"]] -= _SEAT_M
            motion.coordinates[:, COLUMN["forward_m"]] -= 0.25
        return motion

    return placed
