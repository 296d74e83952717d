"""A person does one thing after another with a watch on: a recording with exact truth, or the packets of a device."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, Stream, label_table
from wristkit.simulate.activities import ACTIVITIES, Activity, minimum_jerk
from wristkit.simulate.body import COORDINATES, Motion, watch_path
from wristkit.simulate.confounders import CONFOUNDERS
from wristkit.simulate.gestures import GESTURES, gesture
from wristkit.simulate.light import PPG_HZ, light
from wristkit.simulate.overlay import Overlay, laid_over
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.sensor import WATCH, Samples, SensorParams, sense

Plan = Sequence[tuple[str, float]]
Gestures = Sequence[tuple[str, float]]
Label = tuple[float, float, str, str, str]


class Burst(NamedTuple):
    """Samples ``first`` to ``stop`` of a stream, and when they are handed over."""

    at_s: float
    stream: str
    first: int
    stop: int


MOTIONS: Mapping[str, Activity] = MappingProxyType({**ACTIVITIES, **CONFOUNDERS})
"""What a plan may name: ``ACTIVITIES``, and the everyday motion of ``CONFOUNDERS``."""

DEFAULT_PLAN: Plan = tuple((activity, 20.0) for activity in ACTIVITIES)
STREAMS = ("accel", "gyro", "user_accel", "gravity", "attitude", "heart_rate", "ppg")

TRANSITION_S = 1.0  # from one activity into the next, half of it on each side of the label's edge: estimate
BODY_RATE_HZ = 200.0  # fine enough for impacts of 20 Hz and for a watch of up to 100 Hz

# Above rest, in beats a minute, and how fast the heart follows: estimates.
_EFFORT_BPM: Mapping[str, float] = MappingProxyType(
    {"walking": 34, "sitting": 4, "typing": 6, "standing_up": 28, "washing": 14, "reaching": 16, "resting": 0}
    | {"running": 75, "stairs": 50, "driving": 5, "clapping": 10, "dishes": 12, "chopping": 10, "phone_to_ear": 4}
)
_EFFORT_ELSE_BPM = 7.0
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
    gestures: Gestures = (),
    activity_tier: str = "truth",
) -> Recording:
    """Return what the watch of this person records while she follows the plan, with the truth as labels.

    The same seed gives the same motion on either wrist, and the same bytes for the same person. Attitude and gravity
    are those of the motion itself, without the errors of a fusion; stamps and labels are on the sensor's clock.

    Parameters
    ----------
    plan
        (activity, seconds) one after the other; activities are those of ``MOTIONS``, each for at least 2 s. One
        passes into the next over ``TRANSITION_S``, and the edge between two labels is the middle of that.
    streams
        Any of ``STREAMS``; ``ppg`` comes at ``PPG_HZ``.
    start
        UTC time of second 0.
    gestures
        (gesture, seconds at which it starts) of ``GESTURES``, over whatever is done then. They are labels of the tier
        truth, exact but for half a sample of the body's clock.
    activity_tier
        Tier of the activities' labels; another one than ``truth`` where the gestures are to be told from nothing.
    """
    plan, gestures = tuple(plan), tuple(gestures)
    check_seed(seed)
    _check_request(plan, streams, gestures)
    edges_s = np.concatenate([[0.0], np.cumsum([duration_s for _, duration_s in plan])])
    body_rate_hz = max(BODY_RATE_HZ, 2 * sensor.rate_hz)
    done = [MOTIONS[activity] for activity, _ in plan]
    path = watch_path(person, perform(person, done, edges_s, body_rate_hz, seed), rate_hz=body_rate_hz)
    overlays = _overlays(person, gestures, count=len(path.rate), rate_hz=body_rate_hz, seed=seed)
    path, press = laid_over(path, overlays, wrist=person.wrist, crown=person.crown, rate_hz=body_rate_hz)
    samples = sense(path, sensor, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 1]))
    clock = 1 + sensor.clock_error_ppm * 1e-6
    edges_s *= clock
    made = _streams(person, samples, plan, edges_s, names=streams, rng=np.random.default_rng([seed, 2]))
    if "ppg" in streams:
        bpm = _beats_a_minute(person, plan, edges_s, np.random.default_rng([seed, 2]))
        ppg = light(person, path, press, bpm=bpm, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 5]))
        made["ppg"] = _outside_gaps("ppg", np.arange(len(ppg)) / PPG_HZ * clock, ppg, sensor)
    return Recording.of(
        [made[name] for name in streams],
        labels=label_table(_truth(plan, edges_s, activity_tier) + _of_gestures(overlays, body_rate_hz, clock)),
        labelled={tier: [(0.0, float(edges_s[-1]))] for tier in dict.fromkeys([activity_tier, "truth"])},
        start=start,
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )


def _truth(plan: Plan, edges_s: FloatArray, tier: str) -> list[Label]:
    spans = zip(plan, pairwise(edges_s.tolist()), strict=True)
    return [(start_s, stop_s, activity, tier, "simulator") for (activity, _), (start_s, stop_s) in spans]


def _of_gestures(overlays: Sequence[tuple[Overlay, int]], rate_hz: float, clock: float) -> list[Label]:
    return [
        (
            (first / rate_hz + one.start_s) * clock,
            (first / rate_hz + one.stop_s) * clock,
            one.label,
            "truth",
            "simulator",
        )
        for one, first in overlays
    ]


def _overlays(
    person: Person, gestures: Gestures, *, count: int, rate_hz: float, seed: int
) -> list[tuple[Overlay, int]]:
    """Return each gesture, with the sample at which its clock begins."""
    placed: list[tuple[Overlay, int]] = []
    for index, (label, start_s) in enumerate(sorted(gestures, key=lambda one: one[1])):
        one = gesture(label, person, seed=[seed, 4, index], rate_hz=rate_hz)
        first = round((start_s - one.start_s) * rate_hz)
        if first < 0 or first + len(one.press) > count:
            raise ValueError(
                f"{label} at {start_s} s takes {one.duration_s:.2f} s with the blood's way back, and the plan lasts "
                f"{count / rate_hz:.1f} s; place it at least {one.start_s} s after its start and that before its end"
            )
        if placed and first / rate_hz + one.start_s < placed[-1][1] / rate_hz + placed[-1][0].stop_s:
            raise ValueError(f"{label} at {start_s} s begins before {placed[-1][0].label} ends; place them apart")
        placed.append((one, first))
    return placed


def _outside_gaps(name: str, time_s: FloatArray, values: FloatArray, sensor: SensorParams) -> Stream:
    kept = np.ones(len(time_s), dtype=bool)
    for start_s, stop_s in sensor.gaps_s:
        kept &= (time_s < start_s) | (time_s >= stop_s)
    return Stream.measured(name, time_s[kept], values[kept])


def packets(
    recording: Recording,
    *,
    packet_s: float = 1.0,
    seed: int = 0,
    lost: float = 0.0,
    repeated: float = 0.0,
    late_s: float = 0.0,
) -> Iterator[dict[str, tuple[FloatArray, npt.NDArray[np.float32]]]]:
    """Yield ``{stream: (time, values)}`` as a device would hand them over: bursts in the order in which they end.

    Each stream has bursts of its own, between half and one and a half times ``packet_s`` long.

    Parameters
    ----------
    lost, repeated
        Part of the bursts that never come, and part that comes a second time later on.
    late_s
        Each burst comes up to so much later than it ends, so that they may overtake each other.
    """
    if not (is_number(packet_s) and packet_s > 0):
        raise ValueError(f"packet_s is {packet_s}, expected a positive number of seconds")
    numbers = all(is_number(one) for one in (lost, repeated, late_s))
    if not (numbers and 0 <= lost < 1 and 0 <= repeated <= 1 and 0 <= late_s < np.inf):
        raise ValueError(
            f"lost is {lost}, repeated {repeated} and late_s {late_s}, expected 0 <= lost < 1, 0 <= repeated <= 1 and "
            "seconds of 0 or more"
        )
    rng = np.random.default_rng(seed)
    bursts = [burst for stream in recording.streams.values() for burst in _bursts(stream, packet_s, rng)]
    for _, name, first, stop in sorted(
        _delivered(bursts, packet_s, lost=lost, repeated=repeated, late_s=late_s, rng=np.random.default_rng([seed, 1]))
    ):
        stream = recording[name]
        yield {name: (stream.time[first:stop], stream.values[first:stop])}


def _delivered(
    bursts: Sequence[Burst], packet_s: float, *, lost: float, repeated: float, late_s: float, rng: np.random.Generator
) -> list[Burst]:
    """Return the bursts that come, each with when it comes in place of when it ends."""
    kept = [burst for burst, draw in zip(bursts, rng.random(len(bursts)), strict=True) if draw >= lost]
    delays_s = late_s * rng.random(len(kept))
    come = [one._replace(at_s=one.at_s + delay_s) for one, delay_s in zip(kept, delays_s, strict=True)]
    again = [one for one, draw in zip(come, rng.random(len(come)), strict=True) if draw < repeated]
    return [*come, *(one._replace(at_s=one.at_s + packet_s) for one in again)]


def _bursts(stream: Stream, packet_s: float, rng: np.random.Generator) -> list[Burst]:
    """Return the bursts of a stream, each at the time of its last sample."""
    time_s = stream.time
    if not len(time_s):
        return []
    most = int((time_s[-1] - time_s[0]) / (0.5 * packet_s)) + 2
    ends_s = time_s[0] + np.cumsum(packet_s * rng.uniform(0.5, 1.5, most))
    edges = np.unique(np.concatenate([[0], np.searchsorted(time_s, ends_s), [len(time_s)]]))
    return [Burst(float(time_s[b - 1]), stream.name, int(a), int(b)) for a, b in pairwise(edges)]


def _check_request(plan: Plan, streams: Sequence[str], gestures: Gestures) -> None:
    if not plan:
        raise ValueError("plan is empty, expected (activity, seconds) pairs such as (('walking', 20.0),)")
    for name, pairs in (("plan", plan), ("gestures", gestures)):
        if wrong := [one for one in pairs if not (_is_pair(one) and np.isfinite(one[1]))]:
            raise ValueError(f"{name} has {wrong[0]!r}, expected (name, seconds) pairs such as ('walking', 20.0)")
    if unknown := sorted({activity for activity, _ in plan} - set(MOTIONS)):
        raise ValueError(f"plan names {unknown}, expected activities out of {sorted(MOTIONS)}")
    if unknown := sorted({label for label, _ in gestures} - set(GESTURES)):
        raise ValueError(f"gestures are {unknown}, expected some of {sorted(GESTURES)}")
    if short := [(activity, duration_s) for activity, duration_s in plan if not duration_s >= 2 * TRANSITION_S]:
        raise ValueError(f"plan has {short}, expected at least {2 * TRANSITION_S} s of each activity")
    if not streams or set(streams) - set(STREAMS) or len(set(streams)) < len(streams):
        raise ValueError(f"streams is {tuple(streams)}, expected one or more of {STREAMS}, each once")


def _is_pair(given: object) -> bool:
    return isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], str) and is_number(given[1])


def perform(person: Person, activities: Sequence[Activity], edges_s: FloatArray, rate_hz: float, seed: int) -> Motion:
    """Return activities as one motion; each has a generator of its own and fades into the next at their edge."""
    count = int(np.floor(edges_s[-1] * rate_hz)) + 1
    coordinates, shock = np.zeros((count, len(COORDINATES))), np.zeros((count, 3))
    for index, activity in enumerate(activities):
        start_s, stop_s = edges_s[index], edges_s[index + 1]
        first = max(0, int(np.floor((start_s - TRANSITION_S) * rate_hz)))
        stop = min(count, int(np.ceil((stop_s + TRANSITION_S) * rate_hz)))
        time_s = np.arange(first, stop) / rate_hz
        share = _share(time_s, start_s, stop_s, first=index == 0, last=index == len(activities) - 1)
        part = activity(person, time_s, np.random.default_rng([seed, 0, index]))
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
) -> dict[str, Stream]:
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
    return made


def _heart_rate(person: Person, plan: Plan, edges_s: FloatArray, rng: np.random.Generator) -> Stream:
    """Return beats a minute in whole beats, every few seconds."""
    bpm = _beats_a_minute(person, plan, edges_s, rng)
    reported_s = np.cumsum(_HEART_EVERY_S * rng.uniform(0.8, 1.2, int(edges_s[-1] / _HEART_EVERY_S) + 2))
    reported_s = np.round(reported_s[reported_s < edges_s[-1]], 3)
    return Stream.measured("heart_rate", reported_s, np.round(np.interp(reported_s, np.arange(len(bpm)), bpm)))


def _beats_a_minute(person: Person, plan: Plan, edges_s: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return beats a minute at each whole second: the heart follows effort slowly, and wanders."""
    second_s = np.arange(0.0, edges_s[-1])
    doing = np.clip(np.searchsorted(edges_s, second_s, side="right") - 1, 0, len(plan) - 1)
    efforts = np.array([_EFFORT_BPM.get(activity, _EFFORT_ELSE_BPM) for activity, _ in plan])
    wanted = person.resting_bpm + efforts[doing]
    bpm, wander = np.empty(len(second_s)), 0.0
    level = wanted[0]
    for index, target in enumerate(wanted):
        level += (target - level) / _HEART_FOLLOWS_S
        wander = 0.95 * wander + rng.normal(0, 0.6)
        bpm[index] = level + wander
    return bpm
