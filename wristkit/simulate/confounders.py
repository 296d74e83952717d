"""Everyday motion that looks like a gesture, a wash or a raise for a moment and is none. All numbers are estimates.

``FAMILIES`` groups them, so that a detector can be trained on some kinds of motion and tested on others.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from wristkit.recording import STANDARD_GRAVITY, FloatArray
from wristkit.simulate.activities import (
    Activity,
    gait_phase,
    in_motion,
    in_posture,
    irregular,
    minimum_jerk,
    path_of,
    ring_of,
    step_s,
    wander,
)
from wristkit.simulate.body import COLUMN, Motion
from wristkit.simulate.people import Person

_FRONT = {"flexion": 0.35, "elbow": 1.35, "pronation": 1.2, "rotation": 0.35}  # hands at work before the belly
_TABLE = {"flexion": 0.4, "elbow": 1.2, "pronation": 1.4}
_ASIDE = {"flexion": 0.1, "elbow": 0.4, "pronation": 0.4}
_MOUTH = {"flexion": 0.55, "elbow": 0.95, "pronation": -0.5, "rotation": 0.3}  # from the table to the mouth
_EAR = {"flexion": 0.55, "elbow": 1.75, "pronation": -0.6, "abduction": 0.45}  # from beside the body to the ear


# ---- impacts ----


def clapping(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return hands that meet two to four times a second, in bouts of applause."""
    on = _bouts(rng, time_s, on_s=5.0, off_s=2.5)
    phase = _phase(rng, time_s, hz=3.0 * person.pace)
    moves = _sway(rng, on * rng.uniform(0.10, 0.22), phase, {"rotation": 1.0, "elbow": 0.35, "wrist": 0.5})
    shock = _impacts(rng, time_s, _at(phase, time_s, on), person.impact_g * rng.uniform(1.0, 2.6), hz=24, decay_s=0.018)
    return _made(person, time_s, rng, {**_FRONT, "pronation": 0.5}, moves, shock=shock, contact_g=0.05)


def knocking(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return two to five knocks on a door in a quick row, with a swing before each."""
    at_s = _rows(rng, time_s, every_s=3.5, count=(2, 6), gap_s=0.24 / person.pace)
    swing = _strokes(rng, time_s, at_s - 0.12, takes_s=0.24)
    moves = {"elbow": -0.11 * swing, "wrist": 0.3 * swing}
    shock = _impacts(rng, time_s, at_s, person.impact_g * rng.uniform(0.5, 1.2), hz=19, decay_s=0.025)
    return _made(
        person, time_s, rng, {"flexion": 0.9, "elbow": 1.5, "pronation": 0.3}, moves, shock=shock, contact_g=0.02
    )


def finger_drumming(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return four fingers that land on a table one after the other, again and again, the arm at rest."""
    at_s = _rows(rng, time_s, every_s=1.6, count=(2, 9), gap_s=0.11 / person.pace)
    shock = _impacts(rng, time_s, at_s, person.key_g * rng.uniform(0.7, 1.6), hz=18, decay_s=0.028)
    moves = {
        "wrist": 0.06 * _strokes(rng, time_s, at_s - 0.05, takes_s=0.1),
        "pronation": wander(rng, time_s, sd=0.02, hz=1),
    }
    return _made(person, time_s, rng, _TABLE, moves, shock=shock, contact_g=0.01)


def hand_on_table(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a hand that is put down on a table, lies there, and is lifted again."""
    down_s, moves = _trips(person, rng, time_s, {"elbow": -0.35, "flexion": -0.1, "pronation": 0.4}, every_s=4.0)
    shock = _impacts(rng, time_s, down_s, 0.5 * person.impact_g, hz=15, decay_s=0.03)
    return _made(person, time_s, rng, {**_TABLE, "elbow": 1.6}, moves, shock=shock)


def door_opening(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a reach to a handle that is turned and pulled; the latch gives a click."""
    there_s, moves = _trips(person, rng, time_s, {"flexion": 0.7, "elbow": -0.5, "pronation": -0.3}, every_s=5.0)
    turned = _strokes(rng, time_s, there_s, takes_s=0.7)
    moves["pronation"] = moves["pronation"] + rng.choice([-0.7, 0.7]) * turned
    moves["elbow"] = moves["elbow"] + 0.4 * _strokes(rng, time_s, there_s + 0.4, takes_s=0.9)
    shock = _impacts(rng, time_s, there_s + 0.3, 0.25 * person.impact_g, hz=22, decay_s=0.02)
    return _made(person, time_s, rng, {**_ASIDE, "elbow": 0.8}, moves, shock=shock, contact_g=0.02)


# ---- kitchen ----


def dishes(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return scrubbing in circles that stops for the next plate, with plates that meet."""
    on = _bouts(rng, time_s, on_s=4.0, off_s=1.5)
    phase = _phase(rng, time_s, hz=2.2 * person.pace)
    size = 0.085 * on * (1 + wander(rng, time_s, sd=0.3, hz=0.5))
    moves = _sway(rng, size, phase, {"flexion": 0.6, "elbow": 0.9, "pronation": 3.0, "wrist": 2.0}, circle=True)
    _, puts = _trips(person, rng, time_s, {"flexion": 0.3, "rotation": -0.5, "elbow": -0.3}, every_s=6.0)
    plates = _impacts(rng, time_s, irregular(rng, time_s, mean_gap_s=2.5, spread=0.8), 0.25, hz=27, decay_s=0.012)
    return _made(person, time_s, rng, _FRONT, _both(moves, puts), shock=plates, contact_g=0.09)


def stirring(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a spoon that goes round in a pot, and now and then knocks on its edge."""
    phase = _phase(rng, time_s, hz=1.4 * person.pace)
    size = rng.uniform(0.06, 0.16) * _bouts(rng, time_s, on_s=8.0, off_s=1.5)
    moves = _sway(rng, size, phase, {"flexion": 0.8, "elbow": 0.7, "rotation": 0.8, "wrist": 0.6}, circle=True)
    knocks = _rows(rng, time_s, every_s=8.0, count=(1, 4), gap_s=0.3)
    shock = _impacts(rng, time_s, knocks, 0.3 * person.impact_g, hz=20, decay_s=0.02)
    return _made(person, time_s, rng, {**_FRONT, "flexion": 0.6}, moves, shock=shock, contact_g=0.02)


def chopping(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a knife that comes down on a board two to four times a second."""
    on = _bouts(rng, time_s, on_s=4.0, off_s=1.5)
    phase = _phase(rng, time_s, hz=2.8 * person.pace)
    moves = _sway(rng, 0.065 * on, phase, {"elbow": 0.8, "flexion": 0.4, "wrist": 0.8})
    shock = _impacts(rng, time_s, _at(phase, time_s, on), 0.4 * person.impact_g, hz=21, decay_s=0.02)
    return _made(person, time_s, rng, {**_FRONT, "pronation": 0.9}, moves, shock=shock, contact_g=0.06)


# ---- hand to the head ----


def drinking(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a glass that is lifted to the mouth, tilted and put back with a small knock."""
    there_s, moves = _trips(person, rng, time_s, _MOUTH, every_s=7.0, stay_s=2.0)
    moves["pronation"] = moves["pronation"] - 0.5 * _strokes(rng, time_s, there_s, takes_s=2.0)
    put_s = there_s + 2.0 + person.reach_s
    shock = _impacts(rng, time_s, put_s, 0.3 * person.impact_g, hz=18, decay_s=0.025)
    return _made(person, time_s, rng, {**_TABLE, "pronation": 0.6}, moves, shock=shock)


def eating(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a fork that goes to the mouth every few seconds, and works on the plate between."""
    _, moves = _trips(person, rng, time_s, {**_MOUTH, "elbow": 0.75}, every_s=4.0, stay_s=0.5)
    cut = _bouts(rng, time_s, on_s=1.5, off_s=2.5) * np.sin(_phase(rng, time_s, hz=3.0 * person.pace))
    moves["elbow"] = moves["elbow"] + 0.03 * cut
    touches = irregular(rng, time_s, mean_gap_s=1.5, spread=0.8)
    shock = _impacts(rng, time_s, touches, 0.12 * person.impact_g, hz=23, decay_s=0.015)
    return _made(person, time_s, rng, {**_TABLE, "pronation": 1.0}, moves, shock=shock, contact_g=0.03)


def brushing_teeth(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return short quick strokes before the mouth, from side to side or around, changing every few seconds."""
    on = _bouts(rng, time_s, on_s=5.0, off_s=0.8)
    phase = _phase(rng, time_s, hz=4.3 * person.pace)
    size = on * rng.uniform(0.02, 0.05) * (1 + wander(rng, time_s, sd=0.3, hz=0.4))
    moves = _sway(rng, size, phase, {"rotation": 1.2, "elbow": 0.8, "wrist": 1.5, "pronation": 2.5}, circle=True)
    moves["pronation"] = moves["pronation"] + wander(rng, time_s, sd=0.25, hz=0.15)
    return _made(
        person, time_s, rng, {"flexion": 0.9, "elbow": 2.1, "pronation": 0.4, "abduction": 0.4}, moves, contact_g=0.06
    )


def phone_to_ear(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a telephone that is taken to the ear and held there for some seconds."""
    _, moves = _trips(person, rng, time_s, _EAR, every_s=9.0, stay_s=5.0)
    moves["elbow"] = moves["elbow"] + wander(rng, time_s, sd=0.03, hz=0.5)
    return _made(person, time_s, rng, _ASIDE, moves)


def scratching(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a hand that goes to head or arm and scratches there, four to seven times a second."""
    there_s, moves = _trips(
        person, rng, time_s, {"flexion": 0.5, "elbow": 0.9, "pronation": -0.2}, every_s=5, stay_s=1.6
    )
    on = _strokes(rng, time_s, there_s, takes_s=1.6)
    phase = _phase(rng, time_s, hz=5.2 * person.pace)
    scratch = _sway(rng, 0.05 * on, phase, {"wrist": 2.5, "elbow": 0.5, "pronation": 0.5})
    return _made(person, time_s, rng, {**_ASIDE, "elbow": 1.0}, _both(moves, scratch), contact_g=0.05)


# ---- on the way ----


def running(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return bent arms that swing at half of some 2.7 steps a second, with hard impacts."""
    phase = gait_phase(person, time_s, rng, hz=1.45 * person.cadence_hz)
    swing = 1.3 * person.swing_rad * (1 + wander(rng, time_s, sd=0.1, hz=0.3))
    moves = {"flexion": swing * np.sin(phase), "elbow": 0.25 * np.sin(phase - 0.4), "rotation": 0.2 * np.sin(phase)}
    moves |= {"up_m": 0.045 * np.cos(2 * phase), "left_m": 0.015 * np.sin(phase), "forward_m": 0.02 * np.sin(2 * phase)}
    steps_s = _at(2 * phase, time_s, np.ones(len(time_s)))
    shock = _impacts(rng, time_s, steps_s, 2.5 * person.heel_strike_g, hz=13, decay_s=0.04)
    return _made(person, time_s, rng, {"elbow": 1.5, "pronation": 0.4, "rotation": 0.3}, moves, shock=shock)


def stairs(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return steps up or down a flight, with less swing, more bounce and a pause on the landing."""
    on = _bouts(rng, time_s, on_s=9.0, off_s=1.5)
    phase = gait_phase(person, time_s, rng, hz=0.9 * person.cadence_hz)
    swing = 0.6 * person.swing_rad * on
    moves = {"flexion": swing * np.sin(phase), "elbow": 0.5 * swing * np.sin(phase - 0.4)}
    moves |= {"up_m": 0.03 * on * np.cos(2 * phase), "trunk_pitch": 0.1 * on}
    down = rng.uniform(0.8, 1.9)  # harder on the way down
    shock = _impacts(rng, time_s, _at(2 * phase, time_s, on), down * person.heel_strike_g, hz=13, decay_s=0.04)
    return _made(person, time_s, rng, _ASIDE, moves, shock=shock)


def driving(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return hands on a wheel that turns now and then, in a car that hums and goes over bumps."""
    turns = irregular(rng, time_s, mean_gap_s=6.0, spread=0.6)
    angle = path_of(time_s, turns, rng.uniform(0.8, 2.0, len(turns)), rng.normal(0.0, 0.25, len(turns)))
    moves = {"flexion": angle, "pronation": 0.6 * angle + wander(rng, time_s, sd=0.02, hz=0.5)}
    road = _rumble(rng, time_s, (1.0, 16.0), sd_g=rng.uniform(0.01, 0.03))
    road += _rumble(rng, time_s, (22.0, 32.0), sd_g=rng.uniform(0.005, 0.02))
    bumps = irregular(rng, time_s, mean_gap_s=4.0, spread=0.9)
    road += _impacts(rng, time_s, bumps, 0.12, hz=9, decay_s=0.08)
    return _made(person, time_s, rng, {"flexion": 0.9, "elbow": 0.8, "pronation": 1.0}, moves, shock=road)


# ---- the watch itself ----


def band_play(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return the other hand that turns the watch around the wrist, and the strap that slips and snaps back."""
    return _handled(person, time_s, rng, slip_rad=0.3, every_s=1.3, rattle_g=0.06, snap_g=0.15)


def sleeve_adjusting(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a sleeve that is pulled over the watch, and the arm that shakes it down."""
    held = _handled(person, time_s, rng, slip_rad=0.12, every_s=2.5, rattle_g=0.05, snap_g=0.05)
    shakes = _bouts(rng, time_s, on_s=0.7, off_s=3.5) * np.sin(_phase(rng, time_s, hz=4.0 * person.pace))
    held.coordinates[:, COLUMN["pronation"]] += 0.25 * shakes
    return held


def crown_turning(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a finger that turns the crown in strokes, the watch held before the eyes; it clicks as it turns."""
    on = _bouts(rng, time_s, on_s=0.8, off_s=0.6)
    clicks = _at(_phase(rng, time_s, hz=11.0), time_s, on)
    shock = _impacts(rng, time_s, clicks, 0.03, hz=26, decay_s=0.012)
    moves = {"pronation": 0.02 * on, "wrist": wander(rng, time_s, sd=0.03, hz=1.5) * (0.3 + on)}
    return _made(person, time_s, rng, _SEEN, moves, shock=shock, restless=0.5)


def looking_at_watch(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a watch that is held before the eyes, nearly still."""
    moves = {"elbow": wander(rng, time_s, sd=0.02, hz=0.4)}
    return _made(person, time_s, rng, _SEEN, moves, restless=0.35, contact_g=0.004)


_SEEN = {"flexion": 0.45, "elbow": 1.65, "pronation": 1.3, "rotation": 0.6}


# ---- fine work ----


def writing(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a pen: quick small strokes, a slow way along the line, and a jump back to the next."""
    on = _bouts(rng, time_s, on_s=3.0, off_s=0.8)
    phase = _phase(rng, time_s, hz=4.5 * person.pace)
    moves = _sway(rng, 0.012 * on, phase, {"wrist": 3.0, "elbow": 0.6, "pronation": 1.0}, circle=True)
    line = np.mod(time_s / rng.uniform(5.0, 9.0), 1.0)
    moves["rotation"] = -0.15 * np.minimum(line, 1.0) + 0.15 * minimum_jerk((line - 0.9) / 0.1)
    shock = _rumble(rng, time_s, (8.0, 25.0), sd_g=0.006) * on[:, None]
    return _made(person, time_s, rng, _TABLE, moves, shock=shock)


def petting(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return long strokes over a fur, away and back."""
    phase = _phase(rng, time_s, hz=0.8 * person.pace)
    moves = _sway(
        rng, 0.25 * _bouts(rng, time_s, on_s=6, off_s=1.5), phase, {"flexion": 0.8, "elbow": -1.0, "wrist": 0.8}
    )
    return _made(person, time_s, rng, {**_TABLE, "flexion": 0.5}, moves, contact_g=0.015)


def key_turning(person: Person, time_s: FloatArray, rng: np.random.Generator) -> Motion:
    """Return a key that is put in, turned by a quarter or two with a click, and turned back."""
    at_s = irregular(rng, time_s, mean_gap_s=3.0, spread=0.4)
    turned = _strokes(rng, time_s, at_s, takes_s=0.9 / person.pace)
    moves = {"pronation": rng.choice([-1.1, 1.1]) * turned, "elbow": wander(rng, time_s, sd=0.04, hz=0.8)}
    shock = _impacts(rng, time_s, at_s + 0.45, 0.18 * person.impact_g, hz=24, decay_s=0.015)
    shock += _impacts(rng, time_s, at_s - 0.1, 0.12 * person.impact_g, hz=20, decay_s=0.02)
    return _made(person, time_s, rng, {**_FRONT, "flexion": 0.6}, moves, shock=shock, contact_g=0.03)


_FAMILIES: Mapping[str, tuple[Activity, ...]] = MappingProxyType(
    {
        "impacts": (clapping, knocking, finger_drumming, hand_on_table, door_opening),
        "kitchen": (dishes, stirring, chopping),
        "head": (drinking, eating, brushing_teeth, phone_to_ear, scratching),
        "way": (running, stairs, driving),
        "watch": (band_play, sleeve_adjusting, crown_turning, looking_at_watch),
        "fine": (writing, petting, key_turning),
    }
)
CONFOUNDERS: Mapping[str, Activity] = MappingProxyType(
    {one.__name__: one for family in _FAMILIES.values() for one in family}
)
FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(one.__name__ for one in family) for name, family in _FAMILIES.items()}
)

_Moves = dict[str, FloatArray]
_Shape = Callable[[FloatArray], FloatArray]


def _made(
    person: Person,
    time_s: FloatArray,
    rng: np.random.Generator,
    angles_rad: Mapping[str, float],
    moves: Mapping[str, FloatArray],
    *,
    shock: FloatArray | None = None,
    contact_g: float = 0.012,
    restless: float = 1.0,
) -> Motion:
    """Return moves from a posture, over an arm that is never quite at rest and is shaken by what it rubs against.

    ``contact_g`` is the standard deviation of that where the arm moves fastest; without a thing, it is that of muscles.
    """
    restless = restless * person.pace * rng.uniform(0.4, 1.6)
    drifts = {name: wander(rng, time_s, sd=0.02 * restless, hz=0.6) for name in ("flexion", "elbow", "rotation")}
    drifts["pronation"] = wander(rng, time_s, sd=0.03 * restless, hz=0.8)
    drifts["wrist"] = wander(rng, time_s, sd=0.04 * restless, hz=2.5)
    posture = in_posture(person, rng, angles_rad)
    rubbed = _rumble(rng, time_s, (6.0, 24.0), sd_g=contact_g * rng.uniform(0.6, 1.5)) * _speed(moves, time_s)[:, None]
    felt = rubbed if shock is None else rubbed + shock
    return in_motion(person, time_s, rng, posture, _both(dict(moves), drifts), shock=felt)


def _speed(moves: Mapping[str, FloatArray], time_s: FloatArray) -> FloatArray:
    """Return how fast the joints move (n,), 1 where they are fast."""
    speed = np.linalg.norm([np.gradient(move) for move in moves.values()], axis=0)
    speed = gaussian_filter1d(speed, 0.06 / step_s(time_s))
    return np.asarray(np.minimum(speed / max(np.percentile(speed, 95), 1e-9), 1.2))


def _handled(
    person: Person,
    time_s: FloatArray,
    rng: np.random.Generator,
    *,
    slip_rad: float,
    every_s: float,
    rattle_g: float,
    snap_g: float,
) -> Motion:
    """Return a watch that the other hand turns by slips, with the noise of strap and skin."""
    at_s = irregular(rng, time_s, mean_gap_s=every_s / person.pace, spread=0.6)
    takes_s = rng.uniform(0.15, 0.5, len(at_s))
    slips = path_of(time_s, at_s, takes_s, rng.normal(0.0, slip_rad, len(at_s)))
    on = np.minimum(_strokes(rng, time_s, at_s, takes_s=0.45), 1.0)
    moves = {"pronation": slips, "wrist": wander(rng, time_s, sd=0.08, hz=1.5) * on}
    shock = _rumble(rng, time_s, (5.0, 30.0), sd_g=rattle_g) * on[:, None]
    shock += _impacts(rng, time_s, (at_s + takes_s)[rng.random(len(at_s)) < 0.5], snap_g, hz=20, decay_s=0.02)
    return _made(person, time_s, rng, _FRONT, moves, shock=shock)


def _phase(rng: np.random.Generator, time_s: FloatArray, *, hz: float) -> FloatArray:
    """Return the phase in radians of a hand that keeps about this pace."""
    pace_hz = hz * rng.uniform(0.85, 1.15) * (1 + wander(rng, time_s, sd=0.06, hz=0.3))
    return np.asarray(2 * np.pi * np.cumsum(pace_hz) * step_s(time_s) + rng.uniform(0, 2 * np.pi))


def _at(phase: FloatArray, time_s: FloatArray, on: FloatArray) -> FloatArray:
    """Return the times of whole turns while it is on."""
    turned = np.flatnonzero(np.diff(np.floor(phase / (2 * np.pi)))) + 1
    return np.asarray(time_s[turned[on[turned] > 0.5]])


def _bouts(rng: np.random.Generator, time_s: FloatArray, *, on_s: float, off_s: float) -> FloatArray:
    """Return (n,) 1 while it goes on and 0 in the pauses, smooth between."""
    edges = irregular(rng, time_s, mean_gap_s=(on_s + off_s) / 2, spread=0.3)
    lengths = np.where(np.arange(len(edges)) % 2, off_s, on_s) / ((on_s + off_s) / 2)
    edges = time_s[0] + np.cumsum(np.diff(edges, prepend=time_s[0]) * lengths)
    off: FloatArray = -(np.arange(1, len(edges) + 1) % 2).astype(np.float64)
    return 1.0 + path_of(time_s, edges, np.full(len(edges), min(0.4, off_s)), off)


def _rows(
    rng: np.random.Generator, time_s: FloatArray, *, every_s: float, count: tuple[int, int], gap_s: float
) -> FloatArray:
    """Return times in quick rows of ``count`` (least, most + 1), a row about every so many seconds."""
    rows = irregular(rng, time_s, mean_gap_s=every_s, spread=0.5)
    sizes = rng.integers(*count, size=len(rows))
    times = [first + np.cumsum(gap_s * rng.uniform(0.75, 1.3, size)) for first, size in zip(rows, sizes, strict=True)]
    every = np.concatenate([*times, np.empty(0)])
    return np.asarray(np.sort(every[every < time_s[-1]]))


def _sway(
    rng: np.random.Generator,
    size: float | FloatArray,
    phase: FloatArray,
    shares: Mapping[str, float],
    *,
    circle: bool = False,
) -> _Moves:
    """Return joints that swing together, each stroke a little lopsided; in a circle every second one is a quarter late.

    No two strokes are alike: their size wanders from one to the next.
    """
    skew, turned = rng.uniform(0.1, 0.5), rng.uniform(0, 2 * np.pi)
    skewed = phase + skew * np.sin(phase + turned)
    strokes = np.arange(np.floor(phase[0] / np.pi), np.ceil(phase[-1] / np.pi) + 1)
    size = size * np.interp(phase / np.pi, strokes, rng.lognormal(0.0, 0.25, len(strokes)))
    lags = (np.pi / 2 * (index % 2) if circle else 0.0 for index in range(len(shares)))
    return {name: share * size * np.sin(skewed - lag) for (name, share), lag in zip(shares.items(), lags, strict=True)}


def _trips(
    person: Person,
    rng: np.random.Generator,
    time_s: FloatArray,
    there: Mapping[str, float],
    *,
    every_s: float,
    stay_s: float = 0.8,
) -> tuple[FloatArray, _Moves]:
    """Return when a hand gets there, and its reaches: there, a stay, and back."""
    starts = irregular(rng, time_s, mean_gap_s=max(every_s, 2.2 * person.reach_s + stay_s), spread=0.15)
    takes_s = person.reach_s * rng.uniform(0.85, 1.15, len(starts)) / person.pace
    sizes = rng.uniform(0.85, 1.15, len(starts))
    arrivals = starts + takes_s
    edges = np.column_stack([starts, arrivals + stay_s]).ravel()
    targets = np.column_stack([sizes, np.zeros(len(starts))]).ravel()
    way = path_of(time_s, edges, np.repeat(takes_s, 2), targets)
    return arrivals, {name: angle * way for name, angle in there.items()}


def _strokes(rng: np.random.Generator, time_s: FloatArray, at_s: FloatArray, *, takes_s: float) -> FloatArray:
    """Return (n,) that goes from 0 to about 1 and back from each time on."""
    sizes = rng.lognormal(0.0, 0.3, len(at_s))
    return _sum(time_s, at_s, sizes, lambda after_s: np.sin(np.pi * np.clip(after_s / takes_s, 0, 1)) ** 2, takes_s)


def _sum(time_s: FloatArray, at_s: FloatArray, sizes: FloatArray, shape: _Shape, takes_s: float) -> FloatArray:
    """Return the sum (n,) of one shape of these sizes from each time on; it is 0 after ``takes_s``."""
    total, gap_s = np.zeros(len(time_s)), step_s(time_s)
    for at, size in zip(at_s, sizes, strict=True):
        first, stop = (int(np.clip(np.ceil((edge - time_s[0]) / gap_s), 0, len(time_s))) for edge in (at, at + takes_s))
        total[first:stop] += size * shape(time_s[first:stop] - at)
    return total


def _both(first: _Moves, second: _Moves) -> _Moves:
    joined = {**first, **second}
    return {name: first[name] + second[name] if name in first and name in second else joined[name] for name in joined}


def _impacts(
    rng: np.random.Generator, time_s: FloatArray, at_s: FloatArray, size_g: float, *, hz: float, decay_s: float
) -> FloatArray:
    """Return impacts (n, 3) in m/s2 along a direction of this bout, each of about this size."""
    direction = rng.normal(0.0, 1.0, 3)
    at_s = at_s[(at_s >= time_s[0]) & (at_s < time_s[-1])]
    sizes = size_g * rng.lognormal(0.0, 0.3, len(at_s))
    ring = ring_of(time_s, at_s, sizes, hz=hz * rng.uniform(0.8, 1.2), decay_s=decay_s * rng.uniform(0.8, 1.25))
    return np.asarray(np.outer(ring, direction / np.linalg.norm(direction)) * STANDARD_GRAVITY)


def _rumble(rng: np.random.Generator, time_s: FloatArray, band_hz: tuple[float, float], *, sd_g: float) -> FloatArray:
    """Return noise (n, 3) in m/s2 within a band, of this standard deviation on each axis."""
    rate_hz = 1 / step_s(time_s)
    band = butter(2, band_hz, btype="bandpass", fs=rate_hz, output="sos")
    noise = sosfiltfilt(band, rng.standard_normal((len(time_s), 3)), axis=0)
    return np.asarray(sd_g * STANDARD_GRAVITY * noise / noise.std())
