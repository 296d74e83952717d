"""The wrist raised to the mouth to speak, and all the other reasons to raise it: with a voice near, far, or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray
from wristkit.simulate.activities import (
    Activity,
    in_motion,
    in_posture,
    minimum_jerk,
    sitting,
    typing,
    walking,
    wander,
)
from wristkit.simulate.body import COLUMN, Motion
from wristkit.simulate.people import Person
from wristkit.simulate.scene import Heard, Scene, Truth
from wristkit.simulate.sound import ESTIMATE, Range
from wristkit.simulate.voice import speaker, speaker_of

_KDD = "estimate: minimum-jerk raises of 0.4 to 0.9 s, dwells of 1 to 3 s and more while she speaks"
RAISE: Mapping[str, Range] = MappingProxyType(
    {
        "lead_s": Range(1.5, 4.0, ESTIMATE),  # before the raise
        "raise_s": Range(0.4, 0.9, _KDD),
        "lower_s": Range(0.5, 1.1, ESTIMATE),
        "voice_after_s": Range(-0.1, 1.0, "estimate: beginning of speech against the arrival of the wrist"),
        "voice_s": Range(0.9, 4.0, ESTIMATE),
        "stays_s": Range(0.2, 1.2, ESTIMATE),  # after the last word
        "dwell_s": Range(0.8, 3.5, _KDD),
        "tail_s": Range(1.5, 3.0, ESTIMATE),
        "mouth_m": Range(0.08, 0.28, "estimate: from the mouth to the watch while it is held before it"),
        "effort_db": Range(-4.0, 4.0, "estimate: quieter or louder than this person usually speaks"),
        "posture_sd_rad": Range(0.04, 0.14, "estimate: how differently one raise ends from the next, for each joint"),
        "tremble_rad": Range(0.004, 0.02, ESTIMATE),
        "others": Range(0.0, 1.0, "estimate: below 0.6 others speak far away, in a raise to speak below 0.25"),
        "self_m": Range(0.4, 0.75, "estimate: from the mouth to a watch that is not raised"),
        "others_m": Range(1.2, 6.0, ESTIMATE),
        "others_db": Range(-3.0, 6.0, ESTIMATE),
    }
)
"""What is drawn for each raise."""


class Reach(NamedTuple):
    """Where an arm goes: joint angles in radians; what the hand does there; and what is heard, with its metres."""

    angles: Mapping[str, float]
    does: str = "dwells"
    sound: str = ""
    sound_m: float = 0.25


def _at(flexion: float, abduction: float, rotation: float, elbow: float, pronation: float) -> Mapping[str, float]:
    return MappingProxyType(
        {"flexion": flexion, "abduction": abduction, "rotation": rotation, "elbow": elbow, "pronation": pronation}
    )


# Angles were solved for an arm of 0.32 m and 0.25 m from where the watch is held and where its face looks: estimates.
REACHES: Mapping[str, Reach] = MappingProxyType(
    {
        "raise_to_speak": Reach(_at(1.45, 0.19, 1.10, 1.85, 0.80)),
        "looking_at_watch": Reach(_at(1.10, 0.30, 1.25, 1.83, 0.90)),
        "drinking": Reach(_at(1.15, 0.36, 0.86, 2.40, -0.10), does="tips"),
        "phone_to_ear": Reach(_at(1.20, 0.15, 0.50, 2.45, 0.30)),
        "scratching": Reach(_at(1.04, 0.14, 0.79, 2.42, -0.20), does="scratches", sound="towel", sound_m=0.2),
        "eating": Reach(_at(1.25, 0.37, 1.05, 2.20, -0.20), does="tips", sound="chewing", sound_m=0.2),
        "glasses": Reach(_at(1.20, 0.05, 0.57, 2.48, -0.10), does="pushes"),
        "yawning": Reach(_at(1.30, 0.44, 1.15, 2.35, -0.25)),
    }
)
"""The raise to speak, and the raises that look like it."""
LOOK_ALIKES = tuple(name for name in REACHES if name != "raise_to_speak")


def hanging(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return the arm of somebody who stands: it hangs, and sways a little."""
    moves = {name: wander(rng, time_s, sd=0.03, hz=0.4) for name in ("flexion", "rotation", "pronation")}
    return in_motion(person, time_s, rng, in_posture(person, rng, {"elbow": 0.2, "pronation": 0.3}), moves)


# From where: what the arm does before and after, and the place with the noise around; estimates.
_FROM: Mapping[str, tuple[Activity, str, tuple[str, float]]] = MappingProxyType(
    {
        "hanging": (hanging, "room", ("room", 1.0)),
        "lap": (sitting, "room", ("room", 1.0)),
        "desk": (typing, "office", ("fan", 1.5)),
        "walking": (walking, "outdoors", ("traffic", 5.0)),
        "kitchen": (sitting, "kitchen", ("dishes", 3.0)),
        "music": (sitting, "room", ("music", 2.5)),
    }
)
POSTURES = tuple(_FROM)
"""From where an arm is raised."""

_JOINTS = ("flexion", "abduction", "rotation", "elbow", "pronation", "wrist")
_ARM = [COLUMN[name] for name in _JOINTS]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Raised:
    """The motion of one raise out of another activity, as an activity."""

    before: Activity
    target: FloatArray
    does: str
    start_s: float
    arrive_s: float
    leave_s: float
    back_s: float
    tremble_rad: float
    pace_hz: float

    def __call__(self, person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        """Return what the arm did before, the way up, the stay there and the way down; the trunk goes on meanwhile."""
        motion = self.before(person, time_s, rng)
        up = minimum_jerk((time_s - self.start_s) / (self.arrive_s - self.start_s))
        share = (up - minimum_jerk((time_s - self.leave_s) / (self.back_s - self.leave_s)))[:, None]
        there = self.target + np.stack([wander(rng, time_s, sd=self.tremble_rad, hz=1.2) for _ in self.target], axis=1)
        there += self._doing(time_s)
        coordinates = motion.coordinates.copy()
        coordinates[:, _ARM] = (1 - share) * coordinates[:, _ARM] + share * there
        # On the way there the fore arm turns later than the upper arm rises.
        coordinates[:, COLUMN["elbow"]] += 0.25 * (share * (1 - share))[:, 0]
        return Motion(coordinates, motion.shock * (1 - 0.4 * share))

    def _doing(self, time_s: FloatArray) -> FloatArray:
        """Return what the hand does there (n, 6), on top of staying."""
        moves = np.zeros((len(time_s), len(_ARM)))
        elbow, pronation, wrist = (_JOINTS.index(name) for name in ("elbow", "pronation", "wrist"))
        middle_s, half_s = (self.arrive_s + self.leave_s) / 2, (self.leave_s - self.arrive_s) / 2
        there = np.sin(np.pi * np.clip((time_s - middle_s) / half_s / 2 + 0.5, 0, 1)) ** 2
        wave = np.sin(2 * np.pi * self.pace_hz * (time_s - self.arrive_s))
        if self.does == "tips":
            moves[:, pronation], moves[:, elbow], moves[:, wrist] = -0.45 * there, 0.12 * there, 0.25 * there
        elif self.does == "scratches":
            moves[:, wrist], moves[:, elbow] = 0.30 * there * wave, 0.05 * there * wave
        elif self.does == "pushes":
            moves[:, elbow], moves[:, wrist] = 0.10 * there, 0.30 * there
        return moves


def raise_to_speak(person: Person, *, rng: np.random.Generator, posture: str | None = None) -> Scene:
    """Return a wrist raised to the mouth by a person who speaks to it; what is not given is drawn from ``RAISE``.

    Her voice begins from 0.1 s before the wrist arrives to 1 s after. The truths: ``raise_to_speak`` while she speaks,
    in the tier ``truth``; ``raise_to_speak`` from the first motion up to the last one down, in ``gesture``; ``near``
    and ``far`` voices in ``voice``.

    Parameters
    ----------
    posture
        One of ``POSTURES``.
    """
    drawn = _drawn(rng)
    arrive_s = drawn["lead_s"] + drawn["raise_s"]
    speaks_s = arrive_s + drawn["voice_after_s"]
    silent_s = speaks_s + drawn["voice_s"]
    voiced = Heard(
        kind="voice",
        start_s=speaks_s,
        stop_s=silent_s,
        distance_m=drawn["mouth_m"],
        louder_db=drawn["effort_db"],
        by=speaker_of(person),
    )
    puffs = Heard(kind="breath", start_s=speaks_s, stop_s=silent_s, distance_m=drawn["mouth_m"])
    return _raised(
        "raise_to_speak",
        drawn,
        leave_s=max(silent_s + drawn["stays_s"], arrive_s + drawn["dwell_s"]),
        posture=posture,
        sounds=(voiced, puffs),
        truths=(Truth(speaks_s, silent_s, "raise_to_speak"), Truth(speaks_s, silent_s, "near", "voice")),
        others_below=0.25,
        rng=rng,
    )


def look_alike(
    person: Person, *, rng: np.random.Generator, kind: str | None = None, posture: str | None = None
) -> Scene:
    """Return a raise for another end, by a person who is silent; others may speak far away.

    Nothing of it is in the tier ``truth``; the tier ``gesture`` says what it is.

    Parameters
    ----------
    kind
        One of ``LOOK_ALIKES``.
    posture
        One of ``POSTURES``.
    """
    del person  # her body is the motion's business; she says nothing
    drawn = _drawn(rng)
    kind = LOOK_ALIKES[rng.integers(len(LOOK_ALIKES))] if kind is None else kind
    if kind not in LOOK_ALIKES:
        raise ValueError(f"kind is {kind!r}, expected one of {LOOK_ALIKES}")
    arrive_s = drawn["lead_s"] + drawn["raise_s"]
    leave_s, reach = arrive_s + drawn["dwell_s"], REACHES[kind]
    heard = (
        (Heard(kind=reach.sound, start_s=arrive_s, stop_s=leave_s, distance_m=reach.sound_m),) if reach.sound else ()
    )
    return _raised(kind, drawn, leave_s=leave_s, posture=posture, sounds=heard, truths=(), others_below=0.6, rng=rng)


def talking(person: Person, *, rng: np.random.Generator, duration_s: float, posture: str | None = None) -> Scene:
    """Return a talk of this person with somebody else, in turns, her arm down.

    Nothing of it is in the tier ``truth``; the tier ``voice`` says ``own`` and ``far``.
    """
    drawn = _drawn(rng)
    before, place, noise = _posture(posture, rng)
    voices, at_s, turn = list[Heard](), 0.5, 0
    other = speaker(rng)
    while (left_s := duration_s - at_s) > 1.0:
        length_s = min(left_s, drawn["voice_s"] * rng.uniform(0.5, 2.0))
        who, away_m = (speaker_of(person), drawn["self_m"]) if turn % 2 == 0 else (other, drawn["others_m"])
        voices.append(Heard(kind="voice", start_s=at_s, stop_s=at_s + length_s, distance_m=away_m, by=who))
        at_s, turn = at_s + length_s + rng.uniform(0.1, 0.8), turn + 1
    names = ("own", "far")
    return Scene(
        name="talking",
        duration_s=duration_s,
        move=before,
        sounds=(_around(noise, duration_s), *voices),
        truths=tuple(Truth(one.start_s, one.stop_s, names[place % 2], "voice") for place, one in enumerate(voices)),
        place=place,
    )


def _posture(posture: str | None, rng: np.random.Generator) -> tuple[Activity, str, tuple[str, float]]:
    posture = POSTURES[rng.integers(len(POSTURES))] if posture is None else posture
    if posture not in _FROM:
        raise ValueError(f"posture is {posture!r}, expected one of {POSTURES}")
    return _FROM[posture]


def _around(noise: tuple[str, float], duration_s: float) -> Heard:
    kind, away_m = noise
    return Heard(kind=kind, start_s=-0.5, stop_s=duration_s + 0.5, distance_m=away_m, fade_s=1.0)


def _drawn(rng: np.random.Generator) -> dict[str, float]:
    return {name: float(rng.uniform(row.low, row.high)) for name, row in RAISE.items()}


def _raised(
    kind: str,
    drawn: Mapping[str, float],
    *,
    leave_s: float,
    posture: str | None,
    sounds: tuple[Heard, ...],
    truths: tuple[Truth, ...],
    others_below: float,
    rng: np.random.Generator,
) -> Scene:
    """Return the scene of a raise that leaves its end at ``leave_s``."""
    before, place, noise = _posture(posture, rng)
    reach, start_s, back_s = REACHES[kind], drawn["lead_s"], leave_s + drawn["lower_s"]
    duration_s = back_s + drawn["tail_s"]
    angles = np.array([reach.angles.get(name, 0.0) for name in _JOINTS])
    move = _Raised(
        before=before,
        target=angles + rng.normal(0, drawn["posture_sd_rad"], len(angles)),
        does=reach.does,
        start_s=start_s,
        arrive_s=start_s + drawn["raise_s"],
        leave_s=leave_s,
        back_s=back_s,
        tremble_rad=drawn["tremble_rad"],
        pace_hz=rng.uniform(3.0, 5.0),
    )
    others = _others(drawn, duration_s, rng) if drawn["others"] < others_below else ()
    far = tuple(Truth(one.start_s, one.stop_s, "far", "voice") for one in others)
    return Scene(
        name=kind,
        duration_s=duration_s,
        move=move,
        sounds=(_around(noise, duration_s), *sounds, *others),
        truths=(Truth(start_s, back_s, kind, "gesture"), *truths, *far),
        place=place,
    )


def _others(drawn: Mapping[str, float], duration_s: float, rng: np.random.Generator) -> tuple[Heard, ...]:
    """Return somebody else who speaks some metres away for most of the scene."""
    start_s, stop_s = duration_s * rng.uniform(0, 0.3), duration_s * rng.uniform(0.6, 1.0)
    return (
        Heard(
            kind="voice",
            start_s=start_s,
            stop_s=stop_s,
            distance_m=drawn["others_m"],
            louder_db=drawn["others_db"],
            by=speaker(rng),
        ),
    )
