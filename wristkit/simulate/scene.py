"""Scenes: what an arm does, what sounds around it, and what is true of both, as one recording of motion and sound."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from wristkit.recording import FloatArray, Recording, Stream, finding_table, label_table
from wristkit.recording.given import told
from wristkit.recording.spans import union
from wristkit.signals.pieces import Finding
from wristkit.simulate.activities import Activity
from wristkit.simulate.body import Motion, WatchPath, watch_path
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.room import MICROPHONE, MicrophoneParams, Room, amplitude, arriving, record, room
from wristkit.simulate.sensor import WATCH, Samples, SensorParams, sense
from wristkit.simulate.session import BODY_RATE_HZ, MOTIONS, TRANSITION_S, perform
from wristkit.simulate.sound import FRAME, SOUND_RATE_HZ, SOUNDS, FloatSound, sound
from wristkit.simulate.voice import Speaker, voice

SCENE_STREAMS = ("accel", "gyro", "user_accel", "gravity", "attitude", "audio")
ECHO_S = 1.5
"""For how long the microphone is on around a scene that is heard, where not all are."""
SCENE_TIERS = ("truth", "scene", "gesture", "scrub", "step", "voice", "water")
"""Tiers in which a scene may say what is true; each is known for every second of a recording of scenes."""


class Truth(NamedTuple):
    """What is true from one second of a scene to another; a point where both are the same."""

    start_s: float
    stop_s: float
    label: str
    tier: str = "truth"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A sound in a scene.

    Parameters
    ----------
    kind
        One of ``SOUNDS``, or ``voice``.
    start_s, stop_s
        From and to which second of the scene it is made; what a room adds comes after.
    distance_m
        From the watch.
    louder_db
        Against the level that is drawn for it.
    at_s
        Seconds of the scene at which it is struck, for sounds that are; drawn where there are none.
    by
        Who speaks, for a voice.
    fade_s
        How long it takes to come and to go, within its own seconds.
    thing
        Sounds of a scene with the same number are made by the same thing: one tap that is opened twice.
    """

    kind: str
    start_s: float
    stop_s: float
    distance_m: float
    louder_db: float = 0.0
    at_s: tuple[float, ...] = ()
    by: Speaker | None = None
    fade_s: float = 0.01
    thing: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in SOUNDS and self.kind != "voice":
            raise ValueError(f"kind is {self.kind!r}, expected 'voice' or one of {sorted(SOUNDS)}")
        if (self.kind == "voice") != (self.by is not None):
            raise ValueError(f"kind is {self.kind!r} and by is {self.by}, expected a speaker for a voice alone")
        if not (np.isfinite([self.start_s, self.stop_s]).all() and self.start_s < self.stop_s):
            raise ValueError(f"{self.kind} sounds from {self.start_s} s to {self.stop_s} s, expected start_s < stop_s")


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """Some seconds of a life: times are seconds from its own start, those of ``move`` as well.

    Parameters
    ----------
    name
        Its label in the tier ``scene``.
    duration_s
        At least two transitions of ``TRANSITION_S``.
    move
        (person, time_s, rng) -> Motion; asked for ``TRANSITION_S / 2`` and more before and after the scene, too.
    sounds
        What sounds; a sound may begin before the scene or end after it.
    truths
        What is true, in ``SCENE_TIERS`` other than ``scene``.
    place
        Where it is, one of ``PLACES``.
    """

    name: str
    duration_s: float
    move: Activity
    sounds: tuple[Heard, ...] = ()
    truths: tuple[Truth, ...] = ()
    place: str = "room"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.duration_s) and self.duration_s >= 2 * TRANSITION_S):
            raise ValueError(f"scene {self.name!r} lasts {self.duration_s} s, expected at least {2 * TRANSITION_S} s")
        for truth in self.truths:
            if truth.tier not in SCENE_TIERS or truth.tier == "scene":
                raise ValueError(f"scene {self.name!r} has {truth}, expected a tier out of {SCENE_TIERS} but 'scene'")
            if not 0 <= truth.start_s <= truth.stop_s <= self.duration_s:
                raise ValueError(
                    f"scene {self.name!r} has {truth}, expected 0 <= start_s <= stop_s <= {self.duration_s} s"
                )


# What is around people while they do each of the everyday activities: place, sounds and their metres; estimates.
_INDOORS: tuple[str, tuple[tuple[str, float], ...]] = ("room", (("room", 1.0),))
_AROUND: Mapping[str, tuple[str, tuple[tuple[str, float], ...]]] = MappingProxyType(
    {
        "walking": ("outdoors", (("traffic", 4.0),)),
        "running": ("outdoors", (("traffic", 6.0),)),
        "driving": ("car", (("traffic", 1.5), ("music", 1.0))),
        "typing": ("office", (("fan", 1.5), ("typing", 0.25))),
        "washing": ("bathroom", (("room", 1.0), ("tap_on_hands", 0.35))),
        "brushing_teeth": ("bathroom", (("room", 1.0), ("towel", 0.3))),
        "dishes": ("kitchen", (("tap", 0.4), ("dishes", 0.4))),
        "reaching": ("kitchen", (("fan", 2.0), ("dishes", 0.6))),
        "stirring": ("kitchen", (("kettle", 1.0), ("dishes", 0.5))),
        "chopping": ("kitchen", (("fan", 2.0), ("knock", 0.3))),
        "eating": ("kitchen", (("room", 1.0), ("chewing", 0.35), ("dishes", 0.5))),
        "clapping": ("room", (("room", 1.0), ("clap", 0.2))),
        "knocking": ("room", (("room", 1.0), ("knock", 0.2))),
        "resting": ("room", (("room", 1.0), ("music", 2.5))),
    }
)


def everyday(name: str, duration_s: float, *, move: Activity | None = None) -> Scene:
    """Return an activity with the sounds that are usually around it; strikes are not at the moments of the motion's.

    Parameters
    ----------
    name
        One of ``MOTIONS``; or any name, with ``move``.
    move
        The motion, where it is none of ``MOTIONS``; a quiet room is around it.
    """
    if move is None and name not in MOTIONS:
        raise ValueError(f"name is {name!r}, expected one of {sorted(MOTIONS)}; give move for another activity")
    half_s = TRANSITION_S / 2
    place, around = _INDOORS if move is not None else _AROUND.get(name, _INDOORS)
    return Scene(
        name=name,
        duration_s=duration_s,
        move=MOTIONS[name] if move is None else move,
        sounds=tuple(
            Heard(kind=kind, start_s=-half_s, stop_s=duration_s + half_s, distance_m=far_m, fade_s=TRANSITION_S)
            for kind, far_m in around
        ),
        place=place,
    )


def stage(
    person: Person,
    scenes: Sequence[Scene],
    *,
    seed: int,
    sensor: SensorParams = WATCH,
    microphone: MicrophoneParams = MICROPHONE,
    streams: Sequence[str] = ("accel", "gyro", "audio"),
    start: pd.Timestamp | str | None = None,
    heard: Callable[[Mapping[str, Stream]], Sequence[bool]] | None = None,
) -> Recording:
    """Return what the watch of this person records of one scene after the other, with the truth as labels.

    Motion and sound are on one clock, the sensor's: a clock that runs fast stretches both, and the labels. Sound is a
    uniform stream of a stated rate; the microphone may begin later than the sensor, and have later stamps. The same
    seed gives the same bytes, and the same motion whether sound is asked for or not. Gaps and lost samples of the
    sensor are of motion alone.

    Parameters
    ----------
    scenes
        One passes into the next as activities of :func:`session` do.
    streams
        Any of ``SCENE_STREAMS``.
    start
        UTC time of second 0.
    heard
        Streams of the motion -> whether each scene is to have its sound: the microphone is on in those and for
        ``ECHO_S`` and up to a second more around, and elsewhere nothing is recorded. What such a scene sounds like is
        bit by bit the same as where all are heard, but for what is left of the sound of scenes beside it.
    """
    check_seed(seed)
    _check_request(scenes, streams)
    edges_s = np.concatenate([[0.0], np.cumsum([scene.duration_s for scene in scenes])])
    body_rate_hz = max(BODY_RATE_HZ, 2 * sensor.rate_hz)
    moves = [_from(scene.move, start_s) for scene, start_s in zip(scenes, edges_s.tolist(), strict=False)]
    path = watch_path(person, perform(person, moves, edges_s, body_rate_hz, seed), rate_hz=body_rate_hz)
    samples = sense(path, sensor, body_rate_hz=body_rate_hz, rng=np.random.default_rng([seed, 1]))
    made = {name: Stream.measured(name, samples.time, values) for name, values in _motion_of(samples).items()}
    clock = 1 + sensor.clock_error_ppm * 1e-6
    if "audio" in streams:
        on = [True] * len(scenes) if heard is None else heard(made)
        made["audio"] = _audio(path, scenes, on, edges_s, microphone, body_rate_hz=body_rate_hz, clock=clock, seed=seed)
    length_s = float(edges_s[-1] * clock)
    return Recording.of(
        [made[name] for name in streams],
        labels=label_table(_rows(scenes, edges_s, clock)),
        labelled={tier: [(0.0, length_s)] for tier in SCENE_TIERS},
        findings=_cut_off(made.get("audio"), microphone),
        start=start,
        subject=person.subject,
        wrist=person.wrist,
        crown=person.crown,
        source={"format": "simulated", "device": "wristkit.simulate"},
    )


def _check_request(scenes: Sequence[Scene], streams: Sequence[str]) -> None:
    if not scenes:
        raise ValueError("scenes is empty, expected one or more, such as everyday('walking', 20.0)")
    if wrong := [one for one in scenes if not isinstance(one, Scene)]:
        raise TypeError(f"scenes holds {told(wrong[0])}, expected scenes such as everyday('walking', 20.0)")
    if not streams or set(streams) - set(SCENE_STREAMS) or len(set(streams)) < len(streams):
        raise ValueError(f"streams is {tuple(streams)}, expected one or more of {SCENE_STREAMS}, each once")


def _from(move: Activity, start_s: float) -> Activity:
    """Return a motion whose second 0 is ``start_s``."""

    def moved(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        return move(person, time_s - start_s, rng)

    return moved


def _motion_of(samples: Samples) -> dict[str, FloatArray]:
    return {
        "accel": samples.accel,
        "gyro": samples.gyro,
        "user_accel": samples.accel - samples.gravity,
        "gravity": samples.gravity,
        "attitude": samples.attitude,
    }


def _rows(scenes: Sequence[Scene], edges_s: FloatArray, clock: float) -> list[tuple[float, float, str, str, str]]:
    """Return the rows of the label table, in the order of time within each scene."""
    rows = []
    for scene, start_s in zip(scenes, edges_s[:-1].tolist(), strict=True):
        truths = [Truth(0.0, scene.duration_s, scene.name, "scene"), *sorted(scene.truths)]
        rows += [
            ((start_s + one.start_s) * clock, (start_s + one.stop_s) * clock, one.label, one.tier, "simulator")
            for one in truths
        ]
    return rows


# ---- sound ----


def _audio(
    path: WatchPath,
    scenes: Sequence[Scene],
    on: Sequence[bool],
    edges_s: FloatArray,
    microphone: MicrophoneParams,
    *,
    body_rate_hz: float,
    clock: float,
    seed: int,
) -> Stream:
    """Return what the microphone makes of all that sounds while it is on, from its own first sample on."""
    count = int(np.floor(edges_s[-1] * SOUND_RATE_HZ))
    turning, body_s = np.linalg.norm(path.rate, axis=1), np.arange(len(path.rate)) / body_rate_hz
    parts = [(0, count)] if all(on) else _parts_on(on, edges_s, count)
    recorded = list[FloatSound]()
    for first, stop in parts:
        pressure = _pressure(scenes, on, edges_s, first, stop, seed=seed)
        frames_s = (first + np.arange(-(-len(pressure) // FRAME) + 1) * FRAME) / SOUND_RATE_HZ
        turns = np.interp(frames_s, body_s, turning)
        recorded.append(record(pressure, turns, microphone, seed=(seed, 7), second=first // SOUND_RATE_HZ))
    begins = min(round(microphone.starts_s * SOUND_RATE_HZ), count)
    if all(on):
        at_s = begins / SOUND_RATE_HZ * clock + microphone.late_s
        return Stream.uniform("audio", recorded[0][begins:], rate_hz=SOUND_RATE_HZ / clock, start_s=at_s)
    rows = np.concatenate([np.arange(*part) for part in parts] or [np.empty(0, dtype=np.int64)])
    samples = np.concatenate(recorded or [np.empty(0, dtype=np.float32)])[rows >= begins]
    return Stream.measured("audio", rows[rows >= begins] / SOUND_RATE_HZ * clock + microphone.late_s, samples)


def _parts_on(on: Sequence[bool], edges_s: FloatArray, count: int) -> list[tuple[int, int]]:
    """Return first and last sample, the last not included, of the stretches of seconds that the microphone is on."""
    chosen = np.flatnonzero(on)
    seconds = np.column_stack([np.floor(edges_s[chosen] - ECHO_S), np.ceil(edges_s[chosen + 1] + ECHO_S)])
    rows = np.clip((union(seconds) * SOUND_RATE_HZ).astype(np.int64), 0, count)
    return [(first, stop) for first, stop in rows.tolist() if stop > first]


def _pressure(
    scenes: Sequence[Scene], on: Sequence[bool], edges_s: FloatArray, first: int, stop: int, *, seed: int
) -> FloatSound:
    """Return what sounds from one sample to another, of the scenes that have their sound."""
    pressure = np.zeros(stop - first, dtype=np.float32)
    begins_s, ends_s = first / SOUND_RATE_HZ, stop / SOUND_RATE_HZ
    for index, (scene, start_s) in enumerate(zip(scenes, edges_s.tolist(), strict=False)):
        if not on[index] or start_s > ends_s or start_s + scene.duration_s < begins_s:
            continue
        within = room(scene.place, np.random.default_rng([seed, 5, index]))
        for number, heard in enumerate(scene.sounds):
            thing = [seed, 8, index, heard.thing] if heard.thing is not None else [seed, 9, index, number]
            rng = np.random.default_rng([seed, 6, index, number])
            _add(pressure, first, heard, start_s, within, rng=rng, thing=np.random.default_rng(thing))
    return pressure


def _add(
    pressure: FloatSound,
    begins: int,
    heard: Heard,
    scene_s: float,
    within: Room,
    *,
    rng: np.random.Generator,
    thing: np.random.Generator,
) -> None:
    """Add one sound as it arrives; what lies before the sample ``begins`` or after the last one is not recorded."""
    duration_s = heard.stop_s - heard.start_s
    if heard.by is not None:
        made, level_db = voice(heard.by, duration_s, rng=rng), heard.by.level_db
    else:
        at_s = np.array(heard.at_s) - heard.start_s if heard.at_s else None
        made, level_db = sound(heard.kind, duration_s, rng=rng, at_s=at_s, thing=thing)
    _fade(made, heard.fade_s)
    arrived = arriving(made, within=within, distance_m=heard.distance_m, rng=rng)
    arrived *= amplitude(level_db + heard.louder_db)
    first = round((scene_s + heard.start_s) * SOUND_RATE_HZ) - begins
    kept = arrived[max(0, -first) : max(0, len(pressure) - first)]
    pressure[max(0, first) : max(0, first) + len(kept)] += kept


def _fade(samples: FloatSound, fade_s: float) -> None:
    count = min(round(fade_s * SOUND_RATE_HZ), len(samples) // 2)
    ramp = np.sin(np.linspace(0, np.pi / 2, count, dtype=np.float32)) ** 2
    samples[:count] *= ramp
    samples[len(samples) - count :] *= ramp[::-1]


def _cut_off(audio: Stream | None, microphone: MicrophoneParams) -> pd.DataFrame:
    """Return the finding of samples that were louder than the microphone can tell."""
    if audio is None:
        return finding_table()
    loud = np.flatnonzero(np.abs(audio.values[:, 0]) >= 1 - 2.0 ** (1 - microphone.bits))
    if not len(loud):
        return finding_table()
    if audio.is_uniform:
        start_s, stop_s = (audio.start_s + row / audio.rate_hz for row in (loud[0], loud[-1]))
    else:
        start_s, stop_s = (float(audio.time[row]) for row in (loud[0], loud[-1]))
    note = f"sound above {microphone.full_scale_db:g} dB was cut off at full scale, as a microphone does"
    return finding_table([Finding("saturated", "audio", start_s, stop_s, len(loud), note, "raise full_scale_db")])
