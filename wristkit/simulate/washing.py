"""Washing hands as the WHO teaches it, and as people do it: motion, water, soap, pauses and early stops."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray
from wristkit.simulate.activities import in_motion, in_posture, minimum_jerk, wander
from wristkit.simulate.body import Motion
from wristkit.simulate.people import Person
from wristkit.simulate.scene import Heard, Scene, Truth
from wristkit.simulate.sound import ESTIMATE, Range

WASH: Mapping[str, Range] = MappingProxyType(
    {
        "lead_s": Range(0.6, 2.0, ESTIMATE),  # before the water and after the towel
        "wetting_s": Range(1.5, 4.0, ESTIMATE),
        "soaping_s": Range(1.2, 3.5, ESTIMATE),
        "scrub_s": Range(5.0, 60.0, "estimate; the WHO asks for 40 to 60 s in all, most people stop far earlier"),
        "rinsing_s": Range(3.0, 9.0, ESTIMATE),
        "drying_s": Range(3.0, 9.0, ESTIMATE),
        "step_s": Range(2.5, 7.0, ESTIMATE),  # until the hands change what they do
        "taught": Range(0.0, 1.0, "estimate: from 0.7 on the steps are the WHO's, in their order"),
        "runs_on": Range(0.0, 1.0, "estimate: from 0.5 on the tap runs while hands are scrubbed"),
        "pauses_hz": Range(0.0, 0.06, ESTIMATE),
        "pause_s": Range(0.6, 3.5, ESTIMATE),
        "tap_m": Range(0.22, 0.5, ESTIMATE),
        "hands_m": Range(0.10, 0.18, ESTIMATE),
        "soap": Range(0.0, 1.0, "estimate: below 0.1 there is none"),
        "pace": Range(0.85, 1.2, ESTIMATE),
        "wobble": Range(0.03, 0.15, "estimate: by how much the pace of rubbing comes and goes"),
        "wobble_hz": Range(0.15, 0.5, ESTIMATE),
        "idle_share": Range(0.2, 0.45, "estimate: motion of the hand that is rubbed against the one that rubs"),
        "turned_rad": Range(-1.5, 0.3, "estimate: from the palm of this hand above the other to below it, facing up"),
        "lowered_rad": Range(0.0, 0.6, "estimate: by how much a low basin opens the elbow"),
        "vigour": Range(0.8, 2.0, "estimate: size of what the hands do against the person's own"),
    }
)
"""What is drawn for each wash."""


class Stroke(NamedTuple):
    """How a hand rubs: pace against the person's own, waves (size, phase) in shares of ``rub_rad``, and a posture."""

    pace: float
    waves: Mapping[str, tuple[float, float]]
    posture: Mapping[str, float]
    one_hand: bool = False


_FACED = ("palm_to_palm", "interlaced", "fingertips")  # palms that face each other: either hand lies above
# Sizes and postures are estimates; the descriptions are those of the WHO's poster of 2009, steps 2 to 7.
WASH_STEPS: Mapping[str, Stroke] = MappingProxyType(
    {
        "palm_to_palm": Stroke(
            1.0, {"flexion": (0.5, 0.0), "elbow": (-0.9, 0.0), "pronation": (0.25, 0.7), "wrist": (0.8, 1.6)}, {}
        ),
        "palm_over_dorsum": Stroke(
            0.95,
            {"flexion": (0.45, 0.0), "elbow": (-0.8, 0.1), "pronation": (0.2, 1.0), "wrist": (0.5, 1.2)},
            {"pronation": 0.45, "elbow": 0.08},
            one_hand=True,
        ),
        "interlaced": Stroke(
            1.0,
            {"flexion": (0.3, 0.0), "elbow": (-0.55, 0.0), "rotation": (0.3, 0.4), "pronation": (0.3, 0.9)},
            {"rotation": 0.1, "pronation": -0.1},
        ),
        "backs_of_fingers": Stroke(
            1.1,
            {"rotation": (0.35, 0.0), "elbow": (0.3, 0.5), "wrist": (1.0, 0.8), "pronation": (0.5, 0.3)},
            {"pronation": -0.3, "elbow": 0.12},
        ),
        "thumbs": Stroke(
            0.9,
            {"pronation": (1.9, 0.0), "wrist": (0.5, 0.6), "elbow": (0.15, 0.2)},
            {"pronation": 0.2, "rotation": 0.12},
            one_hand=True,
        ),
        "fingertips": Stroke(
            1.05,
            {"flexion": (0.25, 0.0), "rotation": (0.5, 1.57), "wrist": (0.7, 0.3), "pronation": (0.4, 0.9)},
            {"pronation": 0.35, "flexion": 0.06},
            one_hand=True,
        ),
    }
)
"""The ways to rub that the WHO teaches, in its order."""

_OTHERS: Mapping[str, Stroke] = MappingProxyType(
    {
        "wetting": Stroke(0.5, {"pronation": (1.6, 0.0), "flexion": (0.3, 0.5), "wrist": (0.8, 1.0)}, {"flexion": 0.1}),
        "soaping": Stroke(
            0.35, {"flexion": (-0.8, 0.0), "elbow": (0.6, 0.0)}, {"flexion": 0.25, "elbow": -0.35, "rotation": -0.25}
        ),
        "pause": Stroke(1.0, {}, {}),
        "rinsing": Stroke(
            0.75,
            {"flexion": (0.4, 0.0), "elbow": (-0.6, 0.2), "pronation": (1.2, 0.6), "wrist": (0.7, 1.3)},
            {"flexion": 0.1},
        ),
        "drying": Stroke(
            0.8,
            {"flexion": (0.5, 0.0), "elbow": (-0.9, 0.3), "pronation": (1.0, 1.2), "rotation": (0.4, 0.5)},
            {"elbow": 0.15, "flexion": -0.05},
        ),
    }
)
_FRONT = {"flexion": 0.45, "elbow": 1.35, "pronation": 0.6, "rotation": 0.4}
_CHANGE_S = 0.45  # from one way to rub to the next: estimate
_DRIFT_RAD = {"elbow": 0.05, "pronation": 0.12, "rotation": 0.04, "flexion": 0.03, "wrist": 0.02}  # estimates
_OVERTONE, _ROUGH = 0.12, 0.10  # of the wave: no hand rubs as a sine; estimates
_SHORTEST_S = 1.5  # of a way to rub: a shorter rest is joined to the one before


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One way to move the hands from one second to another: pace in cycles a second, how large, and how turned."""

    label: str
    start_s: float
    stop_s: float
    hz: float
    phase: float
    size: float
    wobble: float
    wobble_hz: float
    turned_rad: float = 0.0

    def turns(self, time_s: FloatArray) -> FloatArray:
        """Return the phase in radians: of motion and of sound alike."""
        after_s = time_s - self.start_s
        sway = self.wobble * (np.cos(self.phase) - np.cos(2 * np.pi * self.wobble_hz * after_s + self.phase))
        return np.asarray(2 * np.pi * self.hz * (after_s + sway / (2 * np.pi * self.wobble_hz)) + self.phase)

    def strokes_s(self) -> FloatArray:
        """Return when a stroke is fastest: twice a cycle."""
        time_s = np.arange(self.start_s, self.stop_s, 0.005, dtype=np.float64)
        return np.asarray(time_s[1:][np.diff(np.floor(self.turns(time_s) / np.pi)) > 0])


def wash(person: Person, *, rng: np.random.Generator, scrub_s: float | None = None) -> Scene:
    """Return one wash of this person's hands, from the tap to the towel; what is not given is drawn from ``WASH``.

    Its truths: ``washing`` from the first water to the end of rinsing, in the tier ``truth``; each way to rub, wetting,
    soaping, pauses, rinsing and drying in ``step``; ``scrubbing`` without its pauses in ``scrub``; ``running`` water in
    ``water``.

    Parameters
    ----------
    scrub_s
        Seconds of scrubbing without pauses, at least 5.
    """
    drawn = {name: float(rng.uniform(row.low, row.high)) for name, row in WASH.items()}
    if scrub_s is not None:
        if not (np.isfinite(scrub_s) and scrub_s >= WASH["scrub_s"].low):
            raise ValueError(f"scrub_s is {scrub_s}, expected at least {WASH['scrub_s'].low} s of scrubbing")
        drawn["scrub_s"] = float(scrub_s)
    parts = _parts(person, drawn, rng)
    washed_s = (parts[0].start_s, next(part.stop_s for part in parts if part.label == "rinsing"))
    water = _water_s(parts, runs_on=drawn["runs_on"] >= 0.5)
    duration_s = parts[-1].stop_s + drawn["lead_s"]
    place = "bathroom" if rng.random() < 0.7 else "kitchen"
    return Scene(
        name="washing",
        duration_s=duration_s,
        move=_Washed(tuple(parts), drawn["lowered_rad"]),
        sounds=(_quiet(duration_s, rng), *_tap(parts, water, drawn["tap_m"]), *_rubbed(parts, drawn)),
        truths=(
            Truth(*washed_s, "washing"),
            *(Truth(part.start_s, part.stop_s, part.label, "step") for part in parts),
            *(Truth(start_s, stop_s, "scrubbing", "scrub") for start_s, stop_s in _scrubbed_s(parts)),
            *(Truth(start_s, stop_s, "running", "water") for start_s, stop_s in water),
        ),
        place=place,
    )


# ---- what happens when ----


def _parts(person: Person, drawn: Mapping[str, float], rng: np.random.Generator) -> list[_Part]:
    """Return the parts of a wash in a row, from ``lead_s`` on."""
    soaped = [("soaping", drawn["soaping_s"])] if drawn["soap"] >= 0.1 else []
    spans = [("wetting", drawn["wetting_s"]), *soaped, *_scrubbing(drawn, rng)]
    spans += [("rinsing", drawn["rinsing_s"]), ("drying", drawn["drying_s"])]
    parts, at_s = [], drawn["lead_s"]
    for label, length_s in spans:
        stroke = _stroke(label)
        idle = stroke.one_hand and rng.random() < 0.5
        size = person.rub_rad * drawn["vigour"] * (drawn["idle_share"] if idle else 1.0)
        parts.append(
            _Part(
                label=label,
                start_s=at_s,
                stop_s=at_s + length_s,
                hz=person.rub_hz * stroke.pace * drawn["pace"] * rng.lognormal(0.0, 0.08),
                phase=rng.uniform(0, 2 * np.pi),
                size=size * rng.lognormal(0.0, 0.15),
                wobble=drawn["wobble"],
                wobble_hz=drawn["wobble_hz"],
                turned_rad=drawn["turned_rad"] if label in _FACED else 0.0,
            )
        )
        at_s += length_s
    return parts


def _stroke(label: str) -> Stroke:
    return WASH_STEPS[label] if label in WASH_STEPS else _OTHERS[label]


def _scrubbing(drawn: Mapping[str, float], rng: np.random.Generator) -> list[tuple[str, float]]:
    """Return ways to rub with their seconds, which are ``scrub_s`` in all, and pauses between them."""
    names = list(WASH_STEPS)
    if drawn["taught"] < 0.7:  # her own way: mostly palms, a few others, in no order
        names = ["palm_to_palm", *rng.permutation(names)[: rng.integers(0, 4)].tolist()]
    left_s, spans, turn = drawn["scrub_s"], list[tuple[str, float]](), 0
    while left_s > 0:
        length_s = min(left_s, drawn["step_s"] * rng.uniform(0.7, 1.3))
        length_s = left_s if left_s - length_s < _SHORTEST_S else length_s
        spans.append((names[turn % len(names)], length_s))
        left_s, turn = left_s - length_s, turn + 1
        if left_s > 0 and rng.random() < drawn["pauses_hz"] * length_s:
            spans.append(("pause", drawn["pause_s"] * rng.uniform(0.7, 1.3)))
    return spans


def _scrubbed_s(parts: list[_Part]) -> list[tuple[float, float]]:
    return _joined([(part.start_s, part.stop_s) for part in parts if part.label in WASH_STEPS])


def _water_s(parts: list[_Part], *, runs_on: bool) -> list[tuple[float, float]]:
    """Return from when to when the tap runs."""
    wet = [(part.start_s, part.stop_s) for part in parts if part.label in {"wetting", "rinsing"}]
    return [(wet[0][0], wet[-1][1])] if runs_on else _joined(wet)


def _joined(spans_s: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans in a row as one."""
    joined = spans_s[:1]
    for start_s, stop_s in spans_s[1:]:
        if start_s - joined[-1][1] < 1e-9:
            joined[-1] = (joined[-1][0], stop_s)
        else:
            joined.append((start_s, stop_s))
    return joined


# ---- motion ----


@dataclass(frozen=True)
class _Washed:
    """The motion of a wash, as an activity."""

    parts: tuple[_Part, ...]
    lowered_rad: float = 0.0

    def __call__(self, person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
        """Return hands before the belly that do one part after the other."""
        moves = {name: wander(rng, time_s, sd=sd, hz=0.35) for name, sd in _DRIFT_RAD.items()}
        rough = {name: wander(rng, time_s, sd=_ROUGH, hz=1.5 * person.rub_hz) for name in _DRIFT_RAD}
        swell = 1 + wander(rng, time_s, sd=0.15, hz=0.5)
        for part in self.parts:
            edges_s = part.start_s - _CHANGE_S, part.stop_s + _CHANGE_S
            here = slice(*np.searchsorted(time_s, edges_s).tolist())
            stroke, share, turns = _stroke(part.label), _share(time_s[here], part), part.turns(time_s[here])
            for name, (size, phase) in stroke.waves.items():
                wave = np.sin(turns + phase) + _OVERTONE * np.sin(2 * turns + 2.3 * phase + part.phase)
                moves[name][here] += part.size * size * share * swell[here] * (wave + rough[name][here])
            for name, angle in stroke.posture.items():
                moves[name][here] += share * angle
            moves["pronation"][here] += share * part.turned_rad
        front = _FRONT | {"elbow": _FRONT["elbow"] - self.lowered_rad}
        return in_motion(person, time_s, rng, in_posture(person, rng, front), moves)


def _share(time_s: FloatArray, part: _Part) -> FloatArray:
    """Return how much (n,) of the motion is this part's."""
    rise, fall = (minimum_jerk((time_s - edge_s) / _CHANGE_S + 0.5) for edge_s in (part.start_s, part.stop_s))
    return np.asarray(rise - fall)


# ---- sound ----

_TAP, _HANDS = 0, 1


def _quiet(duration_s: float, rng: np.random.Generator) -> Heard:
    """Return what is always there: a quiet room or a fan."""
    kind = "fan" if rng.random() < 0.4 else "room"
    return Heard(kind=kind, start_s=-0.5, stop_s=duration_s + 0.5, distance_m=1.0, fade_s=1.0)


def _tap(parts: list[_Part], water: list[tuple[float, float]], away_m: float) -> list[Heard]:
    """Return running water: on the hands while they are held under it, into the basin else."""
    heard = []
    for start_s, stop_s in water:
        inside = [part for part in parts if start_s <= part.start_s and part.stop_s <= stop_s]
        under = [(part.label in {"wetting", "rinsing"}, part.start_s, part.stop_s) for part in inside]
        for wet in (True, False):
            spans_s = _joined([(first_s, last_s) for here, first_s, last_s in under if here is wet])
            kind = "tap_on_hands" if wet else "tap"
            heard += [
                Heard(kind=kind, start_s=first_s, stop_s=last_s, distance_m=away_m, fade_s=0.12, thing=_TAP)
                for first_s, last_s in spans_s
            ]
    return heard


def _rubbed(parts: list[_Part], drawn: Mapping[str, float]) -> list[Heard]:
    """Return what each stroke sounds like: soap that squishes, and a towel."""
    heard = []
    for part in parts:
        kind = "towel" if part.label == "drying" else "squish"
        rubbed = part.label in WASH_STEPS and drawn["soap"] >= 0.1
        strokes_s = part.strokes_s()
        if (rubbed or kind == "towel") and len(strokes_s):
            heard.append(
                Heard(
                    kind=kind,
                    start_s=part.start_s,
                    stop_s=part.stop_s,
                    distance_m=drawn["hands_m"],
                    at_s=tuple(strokes_s.tolist()),
                    thing=_HANDS,
                )
            )
    return heard
