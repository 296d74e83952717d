"""What keeps an estimator from saying anything of motion: what contradicts its unit, is dead, or was not worn."""

from collections.abc import Sequence

import numpy as np

from wristkit.errors import RecordingError
from wristkit.recording import GAP_FLOOR_S, GAP_PERIODS, FloatArray, Recording, Stream, one_recording
from wristkit.recording.spans import subtract, union
from wristkit.signals import inspect, wear_spans
from wristkit.signals.inspection import CONTRADICTIONS
from wristkit.signals.pieces import Finding, Mask
from wristkit.signals.units import usable

_DEAD = frozenset({"constant_channel", "stuck"})
_LEAST_S = 1e-3


def stream_of(recording: Recording, name: str, *, least_hz: float, why: str) -> Stream:
    """Return a stream that has samples, and enough of them a second.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``empty`` or ``rate_too_low``.
    """
    stream = one_recording(recording)[name]
    if len(stream) < 2:
        remedy = "check the file"
        raise RecordingError(f"{name} has {len(stream)} samples, expected two or more", code="empty", remedy=remedy)
    if not stream.rate_hz >= least_hz:
        raise RecordingError(
            f"{name} has {stream.rate_hz:.4g} Hz, expected {least_hz:g} or more",
            code="rate_too_low",
            remedy=f"record faster: {why}",
        )
    return stream


def wrong_with(streams: Sequence[Stream]) -> list[Finding]:
    """Return what contradicts the unit, the name or the sign of these streams, and what of them is dead."""
    found = inspect(Recording.of(streams)).findings
    return [Finding(*row) for row in found.itertuples(index=False) if row.code in CONTRADICTIONS | _DEAD]


def missing(stream: Stream, *, start_s: float | None = None, stop_s: float | None = None) -> list[Finding]:
    """Return the spans, gaps among them, in which a stream holds no sample that a sensor on a wrist gives.

    They are looked for between its first and last sample, or where ``start_s`` and ``stop_s`` say.
    """
    held_s = stream.time[usable(stream.name, stream.values)]
    ends_s = (stream.start_s if start_s is None else start_s, stream.stop_s if stop_s is None else stop_s)
    edges_s = np.concatenate([ends_s[:1], held_s[(held_s > ends_s[0]) & (held_s < ends_s[1])], ends_s[1:]])
    far = np.flatnonzero(np.diff(edges_s) > max(GAP_PERIODS / stream.rate_hz, GAP_FLOOR_S))
    note = f"no sample of {stream.name} is there, or none that a wrist gives"
    return [
        Finding("missing", stream.name, first_s, last_s, 1, note, "nothing is said of it; look at the stream")
        for first_s, last_s in zip(edges_s[far].tolist(), edges_s[far + 1].tolist(), strict=True)
    ]


def not_worn(recording: Recording) -> list[Finding]:
    """Return the spans in which nobody wore the device, as far as acceleration tells."""
    accel, table = recording["accel"], wear_spans(recording)
    rows = table[table["state"] == "not_worn"]
    found = []
    for (start_s, stop_s), reason in zip(rows[["start_s", "stop_s"]].to_numpy(float), rows["reason"], strict=True):
        samples = len(accel.between(start_s, stop_s))
        found.append(
            Finding("not_worn", "accel", start_s, stop_s, samples, f"nothing is said: {reason}", "leave the span out")
        )
    return found


def looked_at(stream: Stream, doubts: Sequence[Finding]) -> FloatArray:
    """Return (k, 2) seconds of a stream outside its gaps and outside these spans."""
    whole = np.array([[stream.start_s, stream.stop_s]])
    without = np.reshape([(row.start_s, row.stop_s) for row in doubts], (-1, 2))
    spans = subtract(whole, union(np.concatenate([stream.gaps, without])))
    return np.asarray(spans[spans[:, 1] - spans[:, 0] > _LEAST_S])


def within(time_s: FloatArray, spans: FloatArray) -> Mask:
    """Return (n,) which times lie in one of the disjoint, ordered spans (k, 2), their edges included."""
    if not len(spans):
        return np.zeros(len(time_s), dtype=bool)
    place = np.searchsorted(spans[:, 0], time_s, side="right") - 1
    return np.asarray((place >= 0) & (time_s <= spans[np.maximum(place, 0), 1]))
