"""Every named number that simulated people, motion, light and sound are made of, in one table with where it is from."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from wristkit.simulate.body import _SHOULDER_ABOVE_HIP_M, _WATCH_ABOVE_BONE_M, _WRIST_AT_WATCH
from wristkit.simulate.effort import HEART
from wristkit.simulate.exercises import EXERCISES
from wristkit.simulate.gait import _ARMS
from wristkit.simulate.gestures import GESTURE
from wristkit.simulate.jolts import JOLT
from wristkit.simulate.life import _BOUT_S
from wristkit.simulate.light import LIGHT, Number
from wristkit.simulate.moving import _LASTS_S, _SEAT_M
from wristkit.simulate.people import TRAITS, Trait
from wristkit.simulate.ppg import RING_LIGHT, SKIN, WRIST_LIGHT, LightParams
from wristkit.simulate.raising import RAISE, REACHES
from wristkit.simulate.room import MICROPHONE, PLACES, MicrophoneParams
from wristkit.simulate.sensor import WATCH, SensorParams
from wristkit.simulate.session import _EFFORT_BPM, _EFFORT_ELSE_BPM, _HEART_FOLLOWS_S, TRANSITION_S
from wristkit.simulate.sound import SOUNDS
from wristkit.simulate.treadmill import RAMP
from wristkit.simulate.voice import SPEAKERS
from wristkit.simulate.washing import WASH, WASH_STEPS

COLUMNS = ("part", "name", "value", "sd", "low", "high", "source")
_TABLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "person": TRAITS,
        "gesture": GESTURE,
        "jolt": JOLT,
        "wash": WASH,
        "raise": RAISE,
        "voice": SPEAKERS,
        "light of a session": LIGHT,
        "skin": SKIN,
        "heart": HEART,
        **{f"sound: {name}": table for name, table in SOUNDS.items()},
        **{f"place: {name}": table for name, table in PLACES.items()},
    }
)
_SETTINGS: Mapping[str, tuple[SensorParams | MicrophoneParams | LightParams, str]] = {
    "sensor of motion": (WATCH, "estimate from data sheets of such sensors"),
    "microphone": (MICROPHONE, "estimate from data sheets of such microphones"),
    "sensor of light at a wrist": (WRIST_LIGHT, "estimate"),
    "sensor of light at a finger": (RING_LIGHT, "estimate"),
}
_BODY = {
    "shoulder_above_hip_m": tuple(_SHOULDER_ABOVE_HIP_M.tolist()),
    "watch_above_bone_m": tuple(_WATCH_ABOVE_BONE_M.tolist()),
    "watch_share_of_wrist": _WRIST_AT_WATCH,
    "seat_m": _SEAT_M,
}
_PLAN = {
    "transition_s": TRANSITION_S,
    "stretch_of_a_life_s": _BOUT_S,
    "stretch_of_a_day_s": _LASTS_S,
    "effort_bpm": {**_EFFORT_BPM, "anything_else": _EFFORT_ELSE_BPM},
    "heart_follows_s": _HEART_FOLLOWS_S,
}
_SHAPES: Mapping[str, tuple[Mapping[Any, object], str]] = {
    "body": (_BODY, "estimate"),
    "plan": (_PLAN, "estimate"),
    "arm of a walk": (_ARMS, "estimate"),
    "step of a wash": (WASH_STEPS, "estimate of sizes; the steps are 2 to 7 of the WHO's poster of 2009"),
    "reach": (REACHES, "estimate: solved for an arm of 0.32 m and 0.25 m"),
    "exercise": (EXERCISES, "estimate"),
    "treadmill": (dict(enumerate(RAMP, start=1)), "estimate"),
}


def parameters() -> pd.DataFrame:
    """Return ``part, name, value, sd, low, high, source``, one row a number; none of them was measured by us.

    What differs between people has a mean (``value``), a standard deviation and limits; what is drawn anew each time
    has ``low`` and ``high``, evenly between; the rest is one ``value``. Units stand in the names. Shapes of single
    movements that have no name stand in the code of each as shares of these.
    """
    rows = [*_drawn(), *_set(), *_shaped()]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("value", "sd", "low", "high"), float))


def _drawn() -> Iterator[tuple[Any, ...]]:
    for part, table in _TABLES.items():
        for name, row in table.items():
            if isinstance(row, Trait):
                yield (part, name, *row)
            elif isinstance(row, Number):
                yield (part, name, row.value, np.nan, np.nan, np.nan, row.source)
            else:
                yield (part, name, np.nan, np.nan, row.low, row.high, row.source)


def _set() -> Iterator[tuple[Any, ...]]:
    for part, (settings, source) in _SETTINGS.items():
        for field in fields(settings):
            for name, value in _numbers(field.name, getattr(settings, field.name)):
                yield (part, name, value, np.nan, np.nan, np.nan, source)


def _shaped() -> Iterator[tuple[Any, ...]]:
    for part, (table, source) in _SHAPES.items():
        for label, shape in table.items():
            for name, value in _numbers(str(label), shape):
                yield (part, name, value, np.nan, np.nan, np.nan, source)


def _numbers(name: str, held: object) -> Iterator[tuple[str, float]]:
    """Yield each number in what is held, with the way to it as its name."""
    if isinstance(held, int | float) and not isinstance(held, bool):
        yield name, float(held)
    elif isinstance(held, Mapping):
        for key, value in held.items():
            yield from _numbers(f"{name}.{key}", value)
    elif isinstance(held, tuple):
        names = getattr(held, "_fields", range(len(held)))
        for key, value in zip(names, held, strict=True):
            yield from _numbers(f"{name}.{key}", value)
