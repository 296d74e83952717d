"""Hours of motion and sound that the two recipes with a microphone are trained and judged on: lives made of scenes.

A life holds washes and wrists raised to speak among everyday scenes; each recipe finds the other's events confusing. A
simulated person is trained on or tested on, never both, and of what only looks like one, whole families are in the
test alone: whatever goes to the head or is of the fingers, as everyday motion and as a raise of the wrist.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from wristkit.audio import mel
from wristkit.detector import Cascade
from wristkit.recipes.hours import Part, people_of
from wristkit.recipes.keeping import kept, weights_of
from wristkit.recording import Recording, Stream
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
WITH_FRAMES = ("accel", "gyro", "mel")
"""Streams of a life whose sound is kept as frames."""
_BOUT_S = (12.0, 45.0)  # of one everyday scene: estimate
_MORE_S = (5.0, 9.0)  # of one that is shown beside its share
_AROUND_S = 2.0  # what a room adds to a sound, and how far a sensor's clock is off in an hour


def lives(
    part: Part,
    *,
    count: int,
    hours: float,
    washes: float = 5.0,
    raises: float = 16.0,
    more: Sequence[str] = (),
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
    more
        Everyday scenes beside their equal share, a few seconds of each for each time that it is named.
    streams
        As of :func:`wristkit.simulate.stage`, or ``mel``: the frames of the sound in its place.
    heard_by
        The microphone is on in those scenes alone in which this cascade's gate may wake its confirmer, which changes
        nothing for it and takes half of the time. A life that is kept with all of its sound serves as well.
    """
    asked = (part, hours, washes, raises, tuple(more), tuple(streams))
    for index, person in list(enumerate(people_of(part, first + count)))[first:]:
        seed = _SEEDS[part] + index
        rng = np.random.default_rng([seed, 20])
        scenes = plan(person, part, hours=hours, washes=washes, raises=raises, more=more, rng=rng)
        make = partial(_life, person, scenes, streams, seed, heard_by)
        heard = () if heard_by is None else (weights_of(heard_by),)
        yield kept(make, person, (*asked, *heard), whole=(person, asked))


def school(*, count: int = 40, hours: float = 0.15) -> Iterator[Recording]:
    """Yield the short lives of many people that both recipes learn from: much of what they are to find, and dishes.

    Whoever does the dishes stands at a tap that runs, as who washes her hands: what tells them apart needs examples.
    """
    more = ("dishes",) * 3
    yield from lives("train", count=count, hours=hours, washes=20.0, raises=50.0, more=more, streams=WITH_FRAMES)


def to_tune_on(*, count: int = 8, hours: float = 1.0) -> Iterator[Recording]:
    """Yield the lives of other people on whom both recipes choose their thresholds."""
    yield from lives("tune", count=count, hours=hours, washes=8.0, streams=WITH_FRAMES)


def _life(
    person: Person, scenes: list[Scene], streams: Sequence[str], seed: int, heard_by: Cascade | None
) -> Recording:
    """Return the recording of a life; the same seed gives the same."""
    made_of = tuple("audio" if name == "mel" else name for name in streams)
    heard = None if heard_by is None else partial(_heard, heard_by, person, scenes)
    made = stage(person, scenes, seed=seed, sensor=SensorParams(rate_hz=100.0), streams=made_of, heard=heard)
    return made if "mel" not in streams else changed(made, mel(made), without={"audio"})


def changed(recording: Recording, *made: Stream, without: Collection[str]) -> Recording:
    """Return a recording without some of its streams and with others; all that is known of it stays."""
    return Recording.of(
        [*(one for name, one in recording.streams.items() if name not in without), *made],
        labels=recording.labels,
        labelled=recording.labelled,
        subject=recording.subject,
        wrist=recording.wrist,
        crown=recording.crown,
        source=recording.source,
    )


def plan(
    person: Person,
    part: Part,
    *,
    hours: float,
    washes: float,
    raises: float,
    more: Sequence[str] = (),
    rng: np.random.Generator,
) -> list[Scene]:
    """Return the scenes of a life in drawn order, of so many hours or a little more."""
    scenes = [wash(person, rng=rng) for _ in range(round(washes * hours))]
    scenes += [raise_to_speak(person, rng=rng) for _ in range(round(raises * hours))]
    scenes += [everyday(name, rng.uniform(*_MORE_S)) for name in more]
    left_s = hours * 3600 - sum(one.duration_s for one in scenes)
    makers = [make for kind, names in _MAKERS.items() for make in _of(kind, names, part)]
    for make in makers:
        share_s = left_s / len(makers)
        while share_s > 2.0:
            scenes.append(make(person, rng, share_s))
            share_s -= scenes[-1].duration_s
    return [scenes[place] for place in rng.permutation(len(scenes))]


def _heard(cascade: Cascade, person: Person, scenes: list[Scene], motion: Mapping[str, Stream]) -> list[bool]:
    """Return of each scene whether the confirmer may be on in it; the first one always has its sound."""
    streams = [motion[name] for name in cascade.gate_streams]
    scores = cascade.gate.scores(Recording.of(streams, wrist=person.wrist, crown=person.crown))
    policy = cascade.policy
    columns = [scores.channels.index(name) for name in cascade.gate_classes]
    woken_s = scores.time[scores.values[:, columns].max(axis=1) >= policy.gate_high]
    second_s = 0.0 if policy.second_chance is None else policy.second_chance_s
    after_s = 0.0 if policy.span_of == "gate" else policy.release_s
    on_s = policy.warm_up_s + policy.confirm_timeout_s + second_s + after_s + _AROUND_S
    stops_s = np.cumsum([one.duration_s for one in scenes])
    first = np.searchsorted(woken_s, stops_s - [one.duration_s for one in scenes] - on_s)
    last = np.searchsorted(woken_s, stops_s + policy.pre_roll_s + _AROUND_S)
    return [True, *(last > first).tolist()[1:]]


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
