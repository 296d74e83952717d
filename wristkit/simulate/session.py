"""A person does one thing after another with a watch on: a recording with exact truth, or the packets of a device."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.recording import FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import ACTIVITIES, minimum_jerk
from wristkit.simulate.body import COORDINATES, Motion, watch_path
from wristkit.simulate.people import Person
from wristkit.simulate.sensor import WATCH, Samples, SensorParams, sense

Plan = Sequence[tuple[str, float]]

DEFAULT_PLAN: Plan = tuple((activity, 20.0) for activity in ACTIVITIES)
STREAMS = ("accel", "gyro", "user_accel", "gravity", "attitude", "heart_rate")

TRANSITION_S = 1.0  # from one activity into the next, half of it on each side of the label's edge: estimate
_BODY_RATE_HZ = 200.0  # fine enough for impacts of 20 Hz and for a watch of up to 100 Hz

# Above rest, in beats a minute, and how fast the heart follows: estimates.
_EFFORT_BPM: Mapping[str, float] = MappingProxyType(
    {"walking": 34, "sitting": 4, "typing": 6, "standing_up": 28, "washing": 14, "reaching": 16, "resting": 0}
)
_HEART_FOLLOWS_S = 28.0
_HEART_EVERY_S = 4.0


def session(
    person: Person,
    *,
    seed: int,
    plan: Plan = DEFAULT_PLAN,
    sensor: SensorParams = WATCH,
    streams: Sequence[str] = ("accel", "gyro"),
    start: pd.Timestamp | str | None = None,
) -> Recording:
    """Return what the watch of this person records while she follows the plan, with the truth as labels.

    The same seed gives the same motion on either wrist, and the same bytes for the same person. Attitude and gravity
    are those of the motion itself, without the errors of a fusion; stamps and labels are on the sensor's clock.

    Parameters
    ----------
    plan
        (activity, seconds) one after the other; activities are those of ``ACTIVITIES``, each for at least 2 s. One
        passes into the next over ``TRANSITION_S``, and the edge between two labels is the middle of that.
    streams
        Any of ``STREAMS``.
    start
        UTC time of second 0.
    """
    _check_request(plan, streams)
    edges_s = np.concatenate([[0.0], np.cumsum([duration_s for _, duration_s in plan])])
    body_rate_hz = max(_BODY_RATE_HZ, 2 * sensor.rate_hz)
    path = watch_path(person, _perform(person, plan, edges_s, body_rate_hz, seed), rate_hz=body_rate_hz)
    samples = sense(path, sensor, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 1]))
    edges_s *= 1 + sensor.clock_error_ppm * 1e-6
    made = _streams(person, samples, plan, edges_s, names=streams, rng=np.random.default_rng([seed, 2]))
    spans = zip(plan, pairwise(edges_s.tolist()), strict=True)
    rows = [(start_s, stop_s, activity, "truth", "simulator") for (activity, _), (start_s, stop_s) in spans]
    return Recording.of(
        made,
        labels=label_table(rows),
        labelled={"truth": [(0.0, float(edges_s[-1]))]},
        start=start,
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )


def packets(
    recording: Recording, *, packet_s: float = 1.0, seed: int = 0
) -> Iterator[dict[str, tuple[FloatArray, npt.NDArray[np.float32]]]]:
    """Yield ``{stream: (time, values)}`` as a device would hand them over: bursts in the order in which they end.

    Each stream has bursts of its own, between half and one and a half times ``packet_s`` long.
    """
    if not packet_s > 0:
        raise ValueError(f"packet_s is {packet_s}, expected a positive number of seconds")
    rng = np.random.default_rng(seed)
    bursts = [burst for stream in recording.streams.values() for burst in _bursts(stream, packet_s, rng)]
    for _, name, first, stop in sorted(bursts):
        stream = recording[name]
        yield {name: (stream.time[first:stop], stream.values[first:stop])}


def _bursts(stream: Stream, packet_s: float, rng: np.random.Generator) -> list[tuple[float, str, int, int]]:
    """Return (time of the last sample, name, first, stop) of each burst of a stream."""
    time_s = stream.time
    if not len(time_s):
        return []
    most = int((time_s[-1] - time_s[0]) / (0.5 * packet_s)) + 2
    ends_s = time_s[0] + np.cumsum(packet_s * rng.uniform(0.5, 1.5, most))
    edges = np.unique(np.concatenate([[0], np.searchsorted(time_s, ends_s), [len(time_s)]]))
    return [(float(time_s[b - 1]), stream.name, int(a), int(b)) for a, b in pairwise(edges)]


def _check_request(plan: Plan, streams: Sequence[str]) -> None:
    if not plan:
        raise ValueError("plan is empty, expected (activity, seconds) pairs such as (('walking', 20.0),)")
    if unknown := sorted({activity for activity, _ in plan} - set(ACTIVITIES)):
        raise ValueError(f"plan names {unknown}, expected activities out of {sorted(ACTIVITIES)}")
    if short := [(activity, duration_s) for activity, duration_s in plan if not duration_s >= 2 * TRANSITION_S]:
        raise ValueError(f"plan has {short}, expected at least {2 * TRANSITION_S} s of each activity")
    if not streams or set(streams) - set(STREAMS) or len(set(streams)) < len(streams):
        raise ValueError(f"streams is {tuple(streams)}, expected one or more of {STREAMS}, each once")


def _perform(person: Person, plan: Plan, edges_s: FloatArray, rate_hz: float, seed: int) -> Motion:
    """Return the whole plan as one motion; each activity has a generator of its own and fades into the next."""
    count = int(np.floor(edges_s[-1] * rate_hz)) + 1
    coordinates, shock = np.zeros((count, len(COORDINATES))), np.zeros((count, 3))
    for index, (activity, _) in enumerate(plan):
        start_s, stop_s = edges_s[index], edges_s[index + 1]
        first = max(0, int(np.floor((start_s - TRANSITION_S) * rate_hz)))
        stop = min(count, int(np.ceil((stop_s + TRANSITION_S) * rate_hz)))
        time_s = np.arange(first, stop) / rate_hz
        share = _share(time_s, start_s, stop_s, first=index == 0, last=index == len(plan) - 1)
        part = ACTIVITIES[activity](person, time_s, np.random.default_rng([seed, 0, index]))
        coordinates[first:stop] += share[:, None] * part.coordinates
        shock[first:stop] += share[:, None] * part.shock
    return Motion(coordinates, shock)


def _share(time_s: FloatArray, start_s: float, stop_s: float, *, first: bool, last: bool) -> FloatArray:
    """Return the weight (n,) of one activity; the weights of all sum to 1 at every time."""
    rise = np.ones(len(time_s)) if first else minimum_jerk((time_s - start_s) / TRANSITION_S + 0.5)
    fall = np.zeros(len(time_s)) if last else minimum_jerk((time_s - stop_s) / TRANSITION_S + 0.5)
    return np.asarray(rise - fall)


def _streams(
    person: Person,
    samples: Samples,
    plan: Plan,
    edges_s: FloatArray,
    *,
    names: Sequence[str],
    rng: np.random.Generator,
) -> list[Stream]:
    values = {
        "accel": samples.accel,
        "gyro": samples.gyro,
        "user_accel": samples.accel - samples.gravity,
        "gravity": samples.gravity,
        "attitude": samples.attitude,
    }
    made = {name: Stream.measured(name, samples.time, values[name]) for name in names if name in values}
    if "heart_rate" in names:
        made["heart_rate"] = _heart_rate(person, plan, edges_s, rng)
    return [made[name] for name in names]


def _heart_rate(person: Person, plan: Plan, edges_s: FloatArray, rng: np.random.Generator) -> Stream:
    """Return beats a minute in whole beats: the heart follows effort slowly, and wanders."""
    second_s = np.arange(0.0, edges_s[-1])
    doing = np.clip(np.searchsorted(edges_s, second_s, side="right") - 1, 0, len(plan) - 1)
    wanted = person.resting_bpm + np.array([_EFFORT_BPM[plan[index][0]] for index in doing])
    bpm, wander = np.empty(len(second_s)), 0.0
    level = wanted[0]
    for index, target in enumerate(wanted):
        level += (target - level) / _HEART_FOLLOWS_S
        wander = 0.95 * wander + rng.normal(0, 0.6)
        bpm[index] = level + wander
    reported_s = np.cumsum(_HEART_EVERY_S * rng.uniform(0.8, 1.2, int(edges_s[-1] / _HEART_EVERY_S) + 2))
    reported_s = np.round(reported_s[reported_s < edges_s[-1]], 3)
    return Stream.measured("heart_rate", reported_s, np.round(np.interp(reported_s, second_s, bpm)))
