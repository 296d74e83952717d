"""The hours that recipes are trained and judged on: simulated lives, and the real motion there is.

A simulated person is trained on or tested on, never both, and so is a person who was recorded. Of the families of
confounders two are left to the test alone, so that it shows whether rejection is of motion or of scenes seen before.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from wristkit.datasets import recordings
from wristkit.recording import Recording
from wristkit.signals import resample_offline
from wristkit.simulate import (
    EQUAL_SHARES,
    FAMILIES,
    TRAITS,
    Overlay,
    Person,
    SensorParams,
    gesture,
    inject,
    life,
    people,
    session,
)
from wristkit.simulate.jolts import JOLTS, jolt
from wristkit.simulate.life import ACTIVITY_TIER

STILL_RAD_S = 0.5
"""Root mean square of an arm's turning rate below which a finger's ring of 0.2 to 2 rad/s can be seen: an estimate."""
UNSEEN_FAMILIES = ("kitchen", "fine")  # of confounders: in no training, each in equal share in the test
UNSEEN = tuple(name for family in UNSEEN_FAMILIES for name in FAMILIES[family])
STILL = ("sitting", "resting", "looking_at_watch")
"""Contexts in which a tap of a finger can be seen above what the arm does meanwhile; in these recall is counted."""
MOVING = ("walking", "standing_up", "phone_to_ear", "driving")
"""Contexts in which it often cannot: recall in them stands in rows of its own."""

_SEEN = {name: 1.0 for name in EQUAL_SHARES if name not in UNSEEN}
SHARES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "train": _SEEN | dict.fromkeys(MOVING, 2.0) | dict.fromkeys(STILL, 5.0),
        "tune": _SEEN,
        "test": EQUAL_SHARES,
    }
)
_OTHER_GESTURES = ("pinch", "double_pinch", "clench", "double_clench")
_OF_GESTURES = tuple(name for name in TRAITS if name.startswith(("tendon_", "tap_", "clench_")))
_APART_S = 6.0  # one gesture in so long, in real motion
_EDGE_S = 0.6  # of a real recording, or of the next gesture's room
_TRIES = 20
_FADE_S = 0.15
_SEEDS: Mapping[str, int] = MappingProxyType({"train": 8_100, "tune": 8_500, "test": 8_900})  # of the people
PER_HOUR: Mapping[str, float] = MappingProxyType({"double_tap": 12.0} | dict.fromkeys(_OTHER_GESTURES, 6.0))
"""Gestures in an hour of the lives to tune and to test on, the same for every recipe."""
SENSORS = (SensorParams(rate_hz=100.0),)
# To train on: every fifth samples as slowly as many watches do, and loses samples.
_SENSORS_TO_TRAIN_ON = (*SENSORS * 4, SensorParams(rate_hz=50.0, stamp_jitter_s=0.002, missing_fraction=0.005))
_SLOW_HZ = (45.0, 65.0)  # between these the rate of a slow sensor to train on is drawn: an estimate
_SLOW_TO_TUNE_ON_HZ = 50.0
_COPIES = 8  # of the real motion to train on, each with other gestures over it
_JOLTED_COPIES = 2  # of it, each with other jolts
_JOLTS_APART_S = 0.3
JOLT_EVERY_S = 5.0
"""In recordings with jolts, one in so long."""
_CALM_RAD_S = 2 * STILL_RAD_S  # where those lie: beyond where recall is counted, so that its edge is no edge to a net
Part = Literal["train", "tune", "test"]
DATA = "WRISTKIT_DATA"
# Whose motion is trained on; everybody else's is for tests. SP-SW-HAR: GeoTec, CC BY 4.0, with this credit; UWash: MIT.
TRAINED_ON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"spsw": ("s01", "s02", "s03", "s04", "s05", "s06"), "uwash": ("subject_01",)}
)
# Who is in the step-labelled session of UWash is not known, so that it is in neither part.
REAL_SETS = ("spsw", "uwash", "broad")  # accel and gyro; BROAD's sensor is on no wrist, but its impacts are real


def people_of(part: Part, count: int) -> list[Person]:
    """Return the simulated people of a part; the first of a longer list are the same ones.

    Those to train on move their fingers in all ways that ``TRAITS`` allows, alike often: a weak or a quick tap that one
    in a hundred makes is seen as often as any other. Those to tune and to test on are drawn as people are.
    """
    named = people(count, seed=_SEEDS[part])
    drawn = [_any_fingers(one, place) for place, one in enumerate(named)] if part == "train" else named
    return [replace(one, subject=f"simulated {part} {place + 1:02d}") for place, one in enumerate(drawn)]


def _any_fingers(person: Person, place: int) -> Person:
    """Return a person with fingers drawn evenly between the limits, of what is never 0 by its logarithm."""
    rng = np.random.default_rng([_SEEDS["train"], 1, place])
    limits = {name: (TRAITS[name].low, TRAITS[name].high) for name in _OF_GESTURES}
    drawn: dict[str, Any] = {
        name: float(np.exp(rng.uniform(*np.log(limit))) if limit[0] > 0 else rng.uniform(*limit))
        for name, limit in limits.items()
    }
    return replace(person, **drawn)


def room_for(recording: Recording) -> int:
    """Return how many gestures real motion is given."""
    return max(1, int((recording.stop_s - recording.start_s) / _APART_S))


def lives(
    part: Part,
    *,
    count: int,
    hours: float,
    per_hour: Mapping[str, float],
    sensors: Sequence[SensorParams] = SENSORS,
    streams: Sequence[str] = ("accel", "gyro"),
    first: int = 0,
) -> Iterator[Recording]:
    """Yield hours of simulated people ``first`` to ``count``; in the test each activity has an equal share.

    The first people of a longer list are the same people, with the same lives; sensors are given to them in turn.
    """
    shown = people_of(part, count)
    for index in range(first, count):
        yield life(
            shown[index],
            hours=hours,
            seed=_SEEDS[part] + index,
            sensor=sensors[index % len(sensors)],
            per_hour=per_hour,
            shares=SHARES[part],
            during=(*STILL, *MOVING),
            streams=streams,
        )


def to_train_on(
    per_hour: Mapping[str, float],
    gestures: Sequence[str],
    *,
    warm_s: float,
    sensors: Sequence[SensorParams] = _SENSORS_TO_TRAIN_ON,
    copies: int = _COPIES,
    crowded: int = 1,
    turning_rad_s: float = _CALM_RAD_S,
    people: int = 216,
    hours_each: float = 0.06,
    jolted_people: int = 48,
) -> Iterator[Recording]:
    """Yield what a default is trained on: many short simulated lives, and simulated gestures over real motion.

    Then both without gestures and with jolts, so that what is like a gesture for a moment is seen as often.

    Parameters
    ----------
    per_hour
        Gestures of the lives.
    gestures
        Those over real motion, each as often as it is named.
    warm_s
        Length of a window.
    sensors
        Given to the lives in turn.
    copies, crowded, turning_rad_s
        How often all real motion is used, each time with other gestures over it, how many times as close together as
        in the test, and how much the arm may turn there.
    jolted_people
        How many of the people live once more with jolts; 0 leaves them out, of the real motion too.
    """
    yield from lives("train", count=people, hours=hours_each, per_hour=per_hour, sensors=sensors)
    yield from real_with_gestures(
        gestures, copies=copies, wearers=people, warm_s=warm_s, turning_rad_s=turning_rad_s, crowded=crowded
    )
    if not jolted_people:
        return
    yield from jolted("train", count=jolted_people, hours=hours_each, sensors=sensors)
    yield from _real_jolted(people_of("train", people), copies=_JOLTED_COPIES)


def jolted(
    part: Part, *, count: int, hours: float, sensors: Sequence[SensorParams] = SENSORS, first: int = 0
) -> Iterator[Recording]:
    """Yield hours of simulated people ``first`` to ``count`` with jolts over all they do, and no gesture."""
    wearers = people_of(part, count)[first:]
    plain = lives(part, count=count, hours=hours, per_hour={}, sensors=sensors, first=first)
    for place, (wearer, one) in enumerate(zip(wearers, plain, strict=True), start=first):
        yield with_jolts(one, [wearer], seed=_SEEDS[part] + place)


def _real_jolted(wearers: Sequence[Person], *, copies: int) -> Iterator[Recording]:
    """Yield the real motion to train on, each recording ``copies`` times with other jolts over it."""
    real = real_hours("train")
    for copy in range(copies):
        for place, one in enumerate(real):
            yield with_jolts(one, wearers, seed=5000 + 1000 * copy + place)


def some_slow(given: Iterable[Recording], *, every: int) -> Iterator[Recording]:
    """Yield recordings, each ``every``-th of a fast sensor as a slow one gives it, at a rate drawn anew."""
    rng = np.random.default_rng([12])
    for place, one in enumerate(given):
        rate_hz = rng.uniform(*_SLOW_HZ)
        fast = one["accel"].rate_hz > _SLOW_HZ[1]
        yield slower(one, rate_hz=rate_hz) if fast and place % every == 0 else one


def slower(recording: Recording, *, rate_hz: float) -> Recording:
    """Return a recording as a slower sensor gives it, without what its rate cannot hold; its person and hours stay."""
    return recording.with_streams(*(resample_offline(recording[name], rate_hz) for name in ("accel", "gyro")))


def to_tune_on(*, people: int = 16) -> Iterator[Recording]:
    """Yield what a decoder is tuned on: other simulated people, an hour of each."""
    yield from lives("tune", count=people, hours=1.0, per_hour=PER_HOUR)


def to_tune_on_fast_and_slow() -> Iterator[Recording]:
    """Yield what a decoder is tuned on, and the same hours of a slow sensor."""
    for one in to_tune_on():
        yield one
        yield slower(one, rate_hz=_SLOW_TO_TUNE_ON_HZ)


def real_hours(
    part: Literal["train", "test"], *, sets: Sequence[str] = REAL_SETS, folder: Path | None = None
) -> list[Recording]:
    """Return real motion in which nobody made a gesture on purpose; what its set labels is the tier ``activity``.

    Parameters
    ----------
    sets
        Names of public sets with accel and gyro.
    folder
        Where their folders lie; by default what ``WRISTKIT_DATA`` names.
    """
    root = _root(folder)
    held = {one.id: (name, one) for name in sets for one in recordings(name, root / name)}  # one of two copies
    return [
        _everyday(one, name)
        for name, one in held.values()
        if one.source.get("place") != "pocket" and _part_of(one, name) == part
    ]


def real_with_gestures(
    gestures: Sequence[str],
    *,
    copies: int,
    wearers: int,
    warm_s: float,
    turning_rad_s: float = STILL_RAD_S,
    crowded: int = 1,
) -> Iterator[Recording]:
    """Yield the real motion to train on, each recording ``copies`` times with other gestures over it."""
    shown, real = people_of("train", wearers), real_hours("train")
    for copy in range(copies):
        for place, one in enumerate(real):
            yield with_gestures(
                one, gestures, shown, count=crowded * room_for(one), seed=1000 * copy + place, warm_s=warm_s,
                turning_rad_s=turning_rad_s,
            )  # fmt: skip


def with_gestures(
    recording: Recording,
    gestures: Sequence[str],
    wearers: Sequence[Person],
    *,
    count: int,
    seed: int,
    warm_s: float,
    turning_rad_s: float = STILL_RAD_S,
) -> Recording:
    """Return real motion with up to ``count`` simulated gestures over it, each of another wearer.

    They lie apart from each other and from the ends, the first after ``warm_s`` of a detector's window, where the arm
    turns by less than ``turning_rad_s``. Where there is room for none, the recording comes back as it is.
    """
    rng = np.random.default_rng([seed, 9])
    first_s = recording.start_s + max(_EDGE_S, warm_s - _EDGE_S)
    edges_s = np.linspace(first_s, recording.stop_s - _EDGE_S, count + 1)
    placed: list[tuple[float, Overlay]] = []
    for index in range(count):
        wearer = wearers[int(rng.integers(len(wearers)))]
        one = _short(gesture(str(rng.choice(list(gestures))), wearer, seed=[seed, index]))
        latest_s = edges_s[index + 1] - one.duration_s - _EDGE_S
        tried = rng.uniform(edges_s[index], latest_s, _TRIES) if latest_s > edges_s[index] else np.empty(0)
        good = (float(at_s) for at_s in tried if _has_room(recording, float(at_s), one, turning_rad_s))
        placed += [(at_s + one.start_s, one) for at_s in islice(good, 1)]
    if not placed:
        return recording
    times, chosen = zip(*placed, strict=True)
    return inject(recording, chosen, at_s=times, seed=seed, worn="drawn")


def with_jolts(recording: Recording, wearers: Sequence[Person], *, seed: int) -> Recording:
    """Return a recording with a jolt every ``JOLT_EVERY_S`` over it, each of another wearer."""
    rng = np.random.default_rng([seed, 10])
    count = max(1, int((recording.stop_s - recording.start_s) / JOLT_EVERY_S))
    labels = rng.choice(sorted(JOLTS), count).tolist()
    whose = rng.integers(len(wearers), size=count).tolist()
    made = [
        jolt(name, wearers[who], seed=[seed, 11, at]) for at, (name, who) in enumerate(zip(labels, whose, strict=True))
    ]
    longest_first = sorted(made, key=lambda one: -one.duration_s)  # while there is room
    return inject(recording, longest_first, seed=seed, worn="drawn", apart_s=_JOLTS_APART_S)


def _short(one: Overlay) -> Overlay:
    """Return a gesture without the blood's way back, which no motion shows."""
    count = min(len(one.press), round((one.stop_s + _FADE_S) * one.rate_hz))
    return replace(one, push=one.push[:count], turn=one.turn[:count], press=one.press[:count])


def _has_room(recording: Recording, begin_s: float, one: Overlay, turning_rad_s: float) -> bool:
    """Whether a recording has no gap where an event would lie, and whether the arm turns by less than this there."""
    last_s = begin_s + one.duration_s
    gaps = np.concatenate([recording["accel"].gaps, recording["gyro"].gaps])
    if ((gaps[:, 0] < last_s) & (gaps[:, 1] > begin_s)).any():
        return False
    turning = np.asarray(recording["gyro"].between(begin_s - _EDGE_S, last_s).values, dtype=np.float64)
    return bool(np.sqrt(np.square(turning).sum(axis=1).mean()) < turning_rad_s)


def has_real_hours() -> bool:
    """Whether ``WRISTKIT_DATA`` names a folder."""
    return bool(os.environ.get(DATA)) and Path(os.environ[DATA]).is_dir()


def _part_of(recording: Recording, name: str) -> Part | None:
    """Return the part of a recorded person; None of one who may be in either."""
    if recording.subject is None and name in TRAINED_ON:
        return None
    return "train" if recording.subject in TRAINED_ON.get(name, ()) else "test"


def _root(folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if not has_real_hours():
        raise FileNotFoundError(f"{DATA} names no folder; set it to the one that holds {', '.join(REAL_SETS)}")
    return Path(os.environ[DATA])


def _everyday(recording: Recording, name: str) -> Recording:
    """Return a recording in which nothing is true in the tier truth, and nothing is all that was looked for."""
    span = [(recording.start_s, recording.stop_s)]
    labels = recording.labels.assign(tier=ACTIVITY_TIER)
    told = recording.with_labels(labels, labelled={ACTIVITY_TIER: span, "truth": span})
    return replace(told, subject=f"{name} {recording.subject or 'session'}")


def seated(seed: int, gestures: Sequence[tuple[str, float]], *, rate_hz: float) -> Recording:
    """Return half a minute of a simulated person who sits, with these (gesture, second)."""
    return session(
        people_of("train", 1 + seed % 8)[-1],
        seed=seed,
        plan=[("sitting", 30.0)],
        sensor=SensorParams(rate_hz=rate_hz),
        gestures=gestures,
        activity_tier=ACTIVITY_TIER,
    )
