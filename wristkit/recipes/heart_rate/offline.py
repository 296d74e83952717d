"""A whole recording through the tracker: the rate of each second, and why some have none."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

import numpy as np
import pandas as pd

from wristkit.condition import Packet
from wristkit.recipes.doubting import missing
from wristkit.recipes.heart_rate.evidence import WINDOW_S
from wristkit.recipes.heart_rate.tracker import LIGHT, MOTIONS, Second, Tracker, told
from wristkit.recording import Recording, Stream, finding_table, one_recording
from wristkit.signals.pieces import long_runs

SECOND_COLUMNS = ("time_s", "bpm", "confidence", "reason")
# Reason -> stream that it is about, what is so, what to do.
REASONS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "missing": (LIGHT, "less than half of the 8 s around it has light", "nothing can be said of it"),
        "flat": (LIGHT, "the light does not change: no contact, saturated, or a mark of no value", "check the contact"),
        "light_surge": (
            LIGHT,
            "the light moves more than twice as far as it did, and nothing was recorded that could say why",
            "record accel beside it",
        ),
        "two_rhythms": (
            LIGHT,
            "the light has two rhythms, and nothing was recorded that tells the pulse from motion",
            "record accel beside it",
        ),
        "unseen": (
            LIGHT,
            "the pulse has not shown for some seconds, hidden by motion",
            "nothing can be said of it; where accel was not recorded, record it beside the light",
        ),
        "too_soon": (
            LIGHT,
            "nothing was recorded of motion, and the light has not shown one rhythm alone for 8 s",
            "record accel beside it",
        ),
        "unlike_blood": (
            LIGHT,
            "the light goes as fast as it comes, as that of a lamp or with motion does, and not as with blood",
            "keep other light off the sensor; where accel was not recorded, record it beside the light",
        ),
        "accel_unit": (
            "accel",
            "acceleration over 8 s has a length that no wrist has: wrong unit, or gravity is missing or too much",
            "load it with its true unit, or leave it out and look at times of rest alone",
        ),
        "accel_axis_dead": (
            "accel",
            "one axis does not change while others move, so motion along it would be taken for a pulse",
            "leave accel out and look at times of rest alone",
        ),
        "unsure": (LIGHT, "no rate is more probable than not", "nothing can be said of it"),
    }
)
_NO_WITNESS = (
    "no_motion_recorded",
    "nothing was recorded that tells motion from pulse: in even motion a rate may be that of the motion",
    "record accel beside it; else use times of rest alone",
)
_STUCK = (
    "accel_stuck",
    "acceleration shows one value for 8 s and longer, which no wrist does: it tells nothing of motion",
    "check the sensor; where its steps are coarse and the arm rests, nothing is wrong",
)
_BLOCK_S = 3600.0


def estimate(recording: Recording) -> Stream:
    """Return heart rate as a stream ``heart_rate`` with the channels ``bpm`` and ``confidence`` at whole seconds.

    A second of which nothing can be said has no row; :func:`explain` and :func:`findings` say why. ``confidence`` is
    the probability that the true rate is within 5 a minute, or 5 %, of ``bpm``, and at least 0.5; where nothing is
    known of motion it is at most ``MOST_UNWITNESSED``, and nothing is told while the light has two rhythms.

    Raises
    ------
    RecordingError
        With code ``missing_stream`` where there is no ``ppg``.
    """
    return told(seconds(recording))


def explain(recording: Recording) -> pd.DataFrame:
    """Return ``time_s, bpm, confidence, reason`` of every second, with what would be told; "" is what is told."""
    return pd.DataFrame(seconds(recording), columns=list(SECOND_COLUMNS)).astype({"reason": object})


def findings(recording: Recording) -> pd.DataFrame:
    """Return a finding for each span without a rate, as a table for ``Recording.with_findings``."""
    rows: list[tuple[str, str, float, float, int, str, str]] = []
    motion = _motion_of(recording)
    code, note, remedy = _NO_WITNESS
    rows += [
        (code, LIGHT, start_s, stop_s, len(recording[LIGHT].between(start_s, stop_s)), note, remedy)
        for start_s, stop_s in _without_witness(recording, motion)
    ]
    rows += [] if motion is None else _stuck(recording[motion])
    found = seconds(recording)
    if not found:
        _, note, remedy = REASONS["missing"]
        rows.append(("heart_rate_missing", LIGHT, *_ends(recording[LIGHT]), len(recording[LIGHT]), note, remedy))
    for reason, run in groupby(found, key=lambda one: one.reason):
        if reason:
            span = [one.time_s for one in run]
            stream, note, remedy = REASONS[reason]
            stream = motion or stream if stream == "accel" else stream
            rows.append((f"heart_rate_{reason}", stream, span[0], span[-1], len(span), note, remedy))
    return finding_table(rows)


def _without_witness(recording: Recording, motion: str | None) -> list[tuple[float, float]]:
    """Return the spans of light in which too little was recorded of motion to tell it from a pulse."""
    light = recording[LIGHT]
    if motion is None or not len(light):
        return [_ends(light)]
    absent = missing(recording[motion], start_s=light.start_s, stop_s=light.stop_s)
    return [(one.start_s, one.stop_s) for one in absent if one.stop_s - one.start_s >= WINDOW_S / 2]


def _ends(light: Stream) -> tuple[float, float]:
    return (light.start_s, light.stop_s) if len(light) else (0.0, 0.0)


def _stuck(accel: Stream) -> list[tuple[str, str, float, float, int, str, str]]:
    """Return the spans in which acceleration shows one value throughout a window or longer."""
    code, note, remedy = _STUCK
    same = np.all(np.diff(accel.values, axis=0) == 0, axis=1)
    if not len(same):
        return []
    return [
        (code, accel.name, float(accel.time[first]), float(accel.time[stop]), stop - first + 1, note, remedy)
        for first, stop in long_runs([same], least=max(2, int(WINDOW_S * accel.rate_hz))).tolist()
    ]


def seconds(recording: Recording) -> list[Second]:
    """Return what is known of every second, told or not."""
    motion = _motion_of(recording)
    names = (LIGHT,) if motion is None else (LIGHT, motion)
    tracker = Tracker(streams=names)
    found = [one for packets in _blocks(recording, names) for one in tracker.push_seconds(packets)]
    return found + tracker.flush_seconds()


def _motion_of(recording: Recording) -> str | None:
    held = one_recording(recording)
    return next((name for name in MOTIONS if name in held.streams and len(held[name])), None)


def _blocks(recording: Recording, names: tuple[str, ...]) -> Iterator[dict[str, Packet]]:
    """Yield the streams an hour of samples at a time: what is made of them on the way is larger than they are."""
    light = recording[LIGHT]
    if not len(light):
        return
    rows = max(1, int(_BLOCK_S * light.rate_hz)) if np.isfinite(light.rate_hz) else len(light)
    time_s = light.time
    before_s = -np.inf
    for first in range(0, len(light), rows):
        until_s = np.inf if first + rows >= len(light) else float(time_s[first + rows])
        others = {name: _within(recording[name], before_s, until_s) for name in names[1:]}
        yield {**others, LIGHT: (time_s[first : first + rows], light.values[first : first + rows])}
        before_s = until_s


def _within(stream: Stream, start_s: float, stop_s: float) -> Packet:
    time_s = stream.time
    first, stop = np.searchsorted(time_s, [start_s, stop_s])
    return time_s[first:stop], stream.values[first:stop]
