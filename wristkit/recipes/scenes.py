"""Hours of motion and sound that the two recipes with a microphone are trained and judged on: lives made of scenes.

A life holds washes and wrists raised to speak among everyday scenes; each recipe finds the other's events confusing. A
simulated person is trained on or tested on, never both, and of what only looks like one, whole families are in the
test alone: whatever goes to the head or is of the fingers, as everyday motion and as a raise of the wrist.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from wristkit.detector import Cascade
from wristkit.recipes.hours import Part, people_of
from wristkit.recording import Recording
from wristkit.simulate import (
    FAMILIES,
    LOOK_ALIKES,
    MOTIONS,
    Person,
    Scene,
    SensorParams,
    everyday,
    look_alike,
    raise_to_speak,
    stage,
    talking,
    wash,
)

UNSEEN_FAMILIES = ("head", "fine")
"""Of confounders: in no training, each in equal share in the test."""
UNSEEN = frozenset(name for family in UNSEEN_FAMILIES for name in FAMILIES[family])
OTHERWISE = tuple(name for name in MOTIONS if name != "washing")  # that one is washing too, in a simpler way
SCENES = tuple(dict.fromkeys([*OTHERWISE, *LOOK_ALIKES, "talking"]))
"""All that is neither a wash nor a raise to speak; a name that is motion and raise has a share of each."""
_MAKERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"everyday": OTHERWISE, "raise": LOOK_ALIKES, "talk": ("talking",)}
)
_SEEDS: Mapping[str, int] = MappingProxyType({"train": 81_000, "tune": 85_000, "test": 89_000})
_BOUT_S = (12.0, 45.0)  # of one everyday scene: estimate
_AROUND_S = 2.0  # what a room adds to a sound, and how far a sensor's clock is off in an hour


def lives(
    part: Part,
    *,
    count: int,
    hours: float,
    washes: float = 5.0,
    raises: float = 16.0,
    streams: Sequence[str] = ("accel", "gyro", "audio"),
    first: int = 0,
    heard_by: Cascade | None = None,
) -> Iterator[Recording]:
    """Yield hours of ``count`` simulated people, from number ``first`` on; the same person has the same life.

    Outside of washes and raises to speak every scene has an equal share of the time; in training and tuning the unseen
    ones have none.

    Parameters
    ----------
    part
        Of which people.
    hours
        Of each person, in one recording.
    washes, raises
        How many an hour.
    streams
        As of :func:`wristkit.simulate.stage`.
    heard_by
        Sound is made of those scenes alone in which this cascade's gate may wake its confirmer, which changes nothing
        for it and takes a third of the time; the others are silent.
    """
    for index, person in list(enumerate(people_of(part, first + count)))[first:]:
        seed = _SEEDS[part] + index
        scenes = plan(person, part, hours=hours, washes=washes, raises=raises, rng=np.random.default_rng([seed, 20]))
        sensor = SensorParams(rate_hz=100.0)
        if heard_by is not None:
            motion = stage(person, scenes, seed=seed, sensor=sensor, streams=("accel", "gyro"))
            scenes = _silent_elsewhere(scenes, motion, heard_by)
        yield stage(person, scenes, seed=seed, sensor=sensor, streams=streams)


def plan(
    person: Person, part: Part, *, hours: float, washes: float, raises: float, rng: np.random.Generator
) -> list[Scene]:
    """Return the scenes of a life in drawn order, of so many hours or a little more."""
    scenes = [wash(person, rng=rng) for _ in range(round(washes * hours))]
    scenes += [raise_to_speak(person, rng=rng) for _ in range(round(raises * hours))]
    left_s = hours * 3600 - sum(one.duration_s for one in scenes)
    makers = [make for kind, names in _MAKERS.items() for make in _of(kind, names, part)]
    for make in makers:
        share_s = left_s / len(makers)
        while share_s > 2.0:
            scenes.append(make(person, rng, share_s))
            share_s -= scenes[-1].duration_s
    return [scenes[place] for place in rng.permutation(len(scenes))]


def _silent_elsewhere(scenes: list[Scene], motion: Recording, cascade: Cascade) -> list[Scene]:
    """Return the scenes without the sounds that the confirmer cannot hear; those that are heard stay as they are."""
    scores, policy = cascade.gate.scores(motion), cascade.policy
    columns = [scores.channels.index(name) for name in cascade.gate_classes]
    hot_s = scores.time[scores.values[:, columns].max(axis=1) >= policy.gate_low]
    on_s = policy.warm_up_s + policy.confirm_timeout_s + policy.second_chance_s + policy.release_s + _AROUND_S
    stops_s = np.cumsum([one.duration_s for one in scenes])
    first = np.searchsorted(hot_s, stops_s - [one.duration_s for one in scenes] - on_s)
    last = np.searchsorted(hot_s, stops_s + policy.pre_roll_s + _AROUND_S)
    heard = (last > first).tolist()
    return [one if is_heard else replace(one, sounds=()) for one, is_heard in zip(scenes, heard, strict=True)]


def _of(kind: str, names: Sequence[str], part: Part) -> list[Callable[[Person, np.random.Generator, float], Scene]]:
    """Return what makes a scene of each name that may be shown in a part, of at most so many seconds where it can."""
    shown = [name for name in names if part == "test" or name not in UNSEEN]
    return [_maker(kind, name) for name in shown]


def _maker(kind: str, name: str) -> Callable[[Person, np.random.Generator, float], Scene]:
    def make(person: Person, rng: np.random.Generator, most_s: float) -> Scene:
        if kind == "raise":
            return look_alike(person, rng=rng, kind=name)
        lasts_s = max(4.0, min(most_s, rng.uniform(*_BOUT_S)))
        return talking(person, rng=rng, duration_s=lasts_s) if kind == "talk" else everyday(name, lasts_s)

    return make
