"""Simulated events laid over real motion, so that false alarms are counted on real life."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from wristkit.condition.frame import POLAR, WRIST_SIGNS, frame_of, sides_of
from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, Recording, Side, Stream, find_gaps, finding_table, label_table
from wristkit.recording.spans import intersect, subtract, union
from wristkit.simulate.body import body_rate
from wristkit.simulate.overlay import Overlay
from wristkit.simulate.people import check_seed

Worn = tuple[Side, Side]

_BANDWIDTH_OF_RATE = 0.4  # as of a watch's own filter before it samples
_DOWN_S = 0.5  # gravity is the mean of so long on either side
_TRIES = 400
_PUSHED = frozenset({"accel", "user_accel"})
_TURNED = POLAR | {"gyro", "attitude"}


def inject(
    recording: Recording,
    events: Overlay | Sequence[Overlay],
    *,
    at_s: float | Sequence[float] | None = None,
    seed: int | None = None,
    worn: Worn | Literal["drawn"] | None = None,
    tier: str = "truth",
    apart_s: float = 2.0,
) -> Recording:
    """Return the recording with simulated events over its motion, and their labels; everything else is as it was.

    The watch is turned by the event from where it really was, so that gravity and the real motion are felt along the
    turned axes, and the event's push is added, without what is above the stream's own band. An event that belongs to
    the world (``Overlay.gravity``) is turned first, by the shortest way, so that its gravity lies where the
    recording's does. Source and findings say that simulated events were injected; the hours stay real ones, and those
    of one recording count once however often events are injected into it.

    Parameters
    ----------
    events
        One or several, of :func:`wristkit.simulate.gesture` or :func:`wristkit.simulate.cut_event`.
    at_s
        When each event's truth starts; drawn with ``seed`` within the tier's labelled spans where not given. No event
        is placed over a gap, be it of missing rows or of rows without a value.
    worn
        (wrist, crown) by which events are brought into the device's axes, where the recording does not state them;
        ``"drawn"`` draws one with ``seed``, out of those that what it states leaves open.
    apart_s
        Least time from one drawn event to the next, and to a label of the same name.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``side_unknown``, ``sign_unknown``, ``not_labelled`` or ``no_room``.
    """
    events = _overlays(events)
    times_s = None if at_s is None else _times(at_s, events)
    _check_streams(recording, events)
    signs = np.array(_signs(recording, worn, seed))
    free = _free(recording)
    if times_s is not None:
        starts_s = _given(times_s, events, free)
    else:
        _check_apart(apart_s)
        room, taken = intersect(free, _labelled(recording, tier)), _taken(recording, events, tier)
        starts_s = _drawn(_generator(seed, 0), events, room, taken, apart_s)
    placed = [
        _Placed(_with_gravity(event, recording, start_s, signs), start_s)
        for event, start_s in zip(events, starts_s, strict=True)
    ]
    changed = [
        _over(stream, placed, signs)
        for name, stream in recording.streams.items()
        if name in _TURNED and {"x", "y", "z"} <= set(stream.channels)
    ]
    said = _said(recording, placed, [stream.name for stream in changed])
    rows = [
        (one.start_s, one.start_s + one.event.stop_s - one.event.start_s, one.event.label, tier, "simulator")
        for one in placed
    ]
    source = {"content_hash": recording.id, **recording.source, "injected": "simulated events"}
    labels = pd.concat([recording.labels, label_table(rows)]) if len(recording.labels) else label_table(rows)
    labels = labels.sort_values("start_s", kind="stable", ignore_index=True)
    return replace(recording.with_streams(*changed, findings=finding_table(said)).with_labels(labels), source=source)


@dataclass(frozen=True)
class _Placed:
    """An event in the axes of the wrist, and the second of the recording at which its truth starts."""

    event: Overlay
    start_s: float

    @property
    def begin_s(self) -> float:
        return self.start_s - self.event.start_s


def _overlays(events: Overlay | Sequence[Overlay]) -> tuple[Overlay, ...]:
    """Return events as a tuple, one alone as well."""
    several = (events,) if isinstance(events, Overlay) else tuple(events)
    if not several:
        raise ValueError("events is empty, expected overlays such as gesture('double_tap', person, seed=1)")
    if wrong := [one for one in several if not isinstance(one, Overlay)]:
        raise TypeError(
            f"events holds a {type(wrong[0]).__name__}, expected overlays such as gesture('double_tap', person, seed=1)"
        )
    return several


def _times(at_s: float | Sequence[float], events: Sequence[Overlay]) -> list[float]:
    """Return when each event's truth starts, or raise where there are too few or they lie over each other."""
    times_s = [float(one) for one in np.atleast_1d(at_s)]
    if len(times_s) != len(events):
        raise ValueError(f"at_s has {len(times_s)} times for {len(events)} events; give one for each, or None to draw")
    spans = sorted((time_s, time_s + one.stop_s - one.start_s) for time_s, one in zip(times_s, events, strict=True))
    for (_, stop_s), (start_s, _) in pairwise(spans):
        if start_s < stop_s:
            raise ValueError(
                f"at_s starts an event at {start_s:g} s, and one before it lasts until {stop_s:g} s; place them apart"
            )
    return times_s


def _check_apart(apart_s: float) -> None:
    if not 0 <= apart_s < np.inf:
        raise ValueError(f"apart_s is {apart_s}, expected seconds, 0 or more")


def _check_streams(recording: Recording, events: Sequence[Overlay]) -> None:
    if "gyro" not in recording.streams or not _PUSHED & set(recording.streams):
        raise RecordingError(
            f"recording {recording.id} has the streams {sorted(recording.streams)}, events need gyro and accel or "
            "user_accel: a hand that turns and is pushed shows in both",
            code="missing_stream",
            remedy="choose a recording with both",
        )
    if "sign_unknown" in set(recording.findings["code"]) and any(event.gravity is not None for event in events):
        raise RecordingError(
            f"the sign of gravity in recording {recording.id} is not known, and events belong to the world's axes",
            code="sign_unknown",
            remedy="find the sign and say so, or inject gestures, which belong to the forearm",
        )


def _signs(recording: Recording, worn: Worn | str | None, seed: int | None) -> tuple[float, float, float]:
    """Return the signs of the axes of the wrist in the recording's frame."""
    if frame_of(recording) == "wrist":
        return (1.0, 1.0, 1.0)
    stated = sides_of(recording)
    left = [way for way in WRIST_SIGNS if all(known in (None, one) for known, one in zip(stated, way, strict=True))]
    if worn == "drawn" and len(left) > 1:
        return WRIST_SIGNS[left[_generator(seed, 1).integers(len(left))]]
    if worn in (None, "drawn"):
        if len(left) > 1:
            raise RecordingError(
                f"recording {recording.id} says wrist {stated[0]!r} and crown {stated[1]!r}, events need both",
                code="side_unknown",
                remedy="give worn=('left', 'right') as (wrist, crown), or worn='drawn' with a seed",
            )
        return WRIST_SIGNS[left[0]]
    if worn not in list(WRIST_SIGNS):
        raise ValueError(f"worn is {worn!r}, expected (wrist, crown) of {get_args(Side)}, or 'drawn'")
    if worn not in left:
        raise ValueError(f"worn is {worn!r}, and the recording says {stated}; leave worn out, or correct the recording")
    return WRIST_SIGNS[worn]


def _generator(seed: int | None, part: int) -> np.random.Generator:
    if seed is None:
        raise ValueError("seed is None, expected a whole number: times or sides are drawn")
    check_seed(seed)
    return np.random.default_rng([seed, part])


def _free(recording: Recording) -> FloatArray:
    """Return the spans (k, 2) in which everything that an event shows in was recorded."""
    free = np.array([[recording.start_s, recording.stop_s]])
    for name in ({"gyro"} | _PUSHED) & set(recording.streams):
        stream = recording[name]
        time_s = stream.time[np.isfinite(np.asarray(stream.values)).all(axis=1)]
        if not len(time_s):
            return np.empty((0, 2))
        gaps = np.concatenate([stream.gaps, find_gaps(time_s)])  # the rule of conditioning: no value is no sample
        free = intersect(free, subtract(np.array([[time_s[0], time_s[-1]]]), gaps))
    return free


def _given(at_s: Sequence[float], events: Sequence[Overlay], free: FloatArray) -> list[float]:
    for start_s, event in zip(at_s, events, strict=True):
        begin_s = start_s - event.start_s
        if not ((free[:, 0] <= begin_s) & (free[:, 1] >= begin_s + event.duration_s)).any():
            raise RecordingError(
                f"{event.label} at {start_s} s takes {begin_s:.3f} s to {begin_s + event.duration_s:.3f} s, which was "
                "not recorded in one piece",
                code="no_room",
                remedy="choose a time away from the ends and from gaps, or let times be drawn",
            )
    return [float(one) for one in at_s]


def _labelled(recording: Recording, tier: str) -> FloatArray:
    if tier not in recording.labelled:
        raise RecordingError(
            f"recording {recording.id} states no labelled spans for tier {tier!r}, it has {sorted(recording.labelled)}",
            code="not_labelled",
            remedy="state them by with_labels(..., labelled=...), name another tier, or give at_s",
        )
    return union(recording.labelled[tier])


def _taken(recording: Recording, events: Sequence[Overlay], tier: str) -> FloatArray:
    """Return (k, 2) seconds of the labels of a tier that have the name of an event."""
    labels = recording.labels[recording.labels["tier"] == tier]
    same = labels[labels["label"].isin({event.label for event in events})]
    return same[["start_s", "stop_s"]].to_numpy(dtype=np.float64)


def _drawn(
    rng: np.random.Generator, events: Sequence[Overlay], room: FloatArray, taken: FloatArray, apart_s: float
) -> list[float]:
    """Return the start of each event's truth, drawn evenly over the room, apart from each other and what is taken."""
    starts_s: list[float] = []
    for index, event in enumerate(events):
        start_s = _one(rng, event, room, taken, apart_s)
        if start_s is None:
            raise RecordingError(
                f"no room for event {index + 1} of {len(events)} ({event.label}, {event.duration_s:.2f} s), at least "
                f"{apart_s} s from others, in {float(np.sum(np.diff(room))):.1f} s",
                code="no_room",
                remedy="inject fewer, or make apart_s smaller",
            )
        starts_s.append(start_s)
        taken = np.vstack([taken, [[start_s, start_s + event.stop_s - event.start_s]]])
    return starts_s


def _one(rng: np.random.Generator, event: Overlay, room: FloatArray, taken: FloatArray, apart_s: float) -> float | None:
    lengths = np.maximum(room[:, 1] - room[:, 0] - event.duration_s, 0.0)
    if not lengths.sum() > 0:
        return None
    for _ in range(_TRIES):
        span = rng.choice(len(room), p=lengths / lengths.sum())
        start_s = float(room[span, 0] + rng.uniform(0.0, lengths[span]) + event.start_s)
        stop_s = start_s + event.stop_s - event.start_s
        if not ((taken[:, 0] < stop_s + apart_s) & (taken[:, 1] > start_s - apart_s)).any():
            return start_s
    return None


def _with_gravity(event: Overlay, recording: Recording, start_s: float, signs: FloatArray) -> Overlay:
    """Return an event of the world's axes turned so that its gravity lies where the recording's does."""
    if event.gravity is None:
        return event
    name = "gravity" if "gravity" in recording.streams else "accel"
    near = np.asarray(recording[name].between(start_s - _DOWN_S, start_s + _DOWN_S).values, dtype=np.float64)
    down = np.nanmean(near, axis=0) * signs
    turn, _ = Rotation.align_vectors(down[None] / np.linalg.norm(down), event.gravity[None])
    return replace(event, push=turn.apply(event.push), turn=turn.apply(event.turn), gravity=turn.apply(event.gravity))


def _over(stream: Stream, placed: Sequence[_Placed], signs: FloatArray) -> Stream:
    """Return a vector or an attitude as the turned and pushed watch would have felt it."""
    values, time_s = np.array(stream.values, dtype=np.float64), stream.time
    columns = [stream.channels.index(axis) for axis in (*("xyz"), *(("w",) if stream.name == "attitude" else ()))]
    for one in placed:
        first, stop = np.searchsorted(time_s, [one.begin_s, one.begin_s + one.event.duration_s])
        rows = first + np.flatnonzero(np.isfinite(values[first:stop]).all(axis=1))
        at_s = time_s[rows] - one.begin_s
        turn = one.event.turn * signs * np.prod(signs)
        sampled = _sampler(one.event.rate_hz, stream.rate_hz)
        turned = Rotation.from_rotvec(sampled(turn, at_s))
        here = np.ix_(rows, columns)
        if stream.name == "attitude":
            values[here] = (Rotation.from_quat(values[here]) * turned).as_quat()
            continue
        values[here] = turned.inv().apply(values[here])
        if stream.name in _PUSHED:
            values[here] -= sampled(one.event.push * signs, at_s)
        elif stream.name == "gyro":
            values[here] += sampled(body_rate(Rotation.from_rotvec(turn), one.event.rate_hz), at_s)
    return stream.with_values(stream.name, values, channels=stream.channels, unit=stream.unit)


def _sampler(event_hz: float, stream_hz: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Return what takes an event's array to other times, without what is above the stream's band."""

    def sampled(values: FloatArray, at_s: FloatArray) -> FloatArray:
        if _BANDWIDTH_OF_RATE * stream_hz < 0.45 * event_hz:
            band = butter(2, _BANDWIDTH_OF_RATE * stream_hz, fs=event_hz, output="sos")
            values = sosfiltfilt(band, values, axis=0, padlen=min(15, len(values) - 1))
        return np.asarray(CubicSpline(np.arange(len(values)) / event_hz, values)(at_s))

    return sampled


def _said(
    recording: Recording, placed: Sequence[_Placed], changed: Sequence[str]
) -> list[tuple[str, str, float, float, int, str, str]]:
    span = (min(one.begin_s for one in placed), max(one.begin_s + one.event.duration_s for one in placed))
    kinds = ", ".join(sorted({one.event.label for one in placed}))
    other = sorted(set(recording.streams) - set(changed))
    left = f"; {', '.join(other)} show nothing of them" if other else ""
    note = f"simulated events injected: {len(placed)} ({kinds}) into {', '.join(changed)}{left}"
    remedy = "call what is found of them simulated; false alarms are those of real motion"
    return [("simulated_events", "", *span, len(placed), note, remedy)]
