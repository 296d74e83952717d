"""The log that a device writes while a detector runs on it, and its reader.

One JSON object a line (``.jsonl``), in the order in which things happened. ``time_s`` is the sensors' clock, the one
that the detector works on; ``received_s`` is the system's own, which never jumps. Both count seconds from the same
moment, at which the session began.

    {"kind": "header", "format": "wristkit device log", "version": 1, "runtime": "Core ML", "device": "Watch7,1",
     "system": "watchOS 11.2", "wristkit_version": "0.1.0", "spec_sha256": "...", "program_sha256": "...",
     "wrist": "left", "crown": "right"}
    {"kind": "samples", "stream": "accel", "received_s": 0.51, "time_s": [0.0, 0.01], "values": [[0, 0, -1], ...]}
    {"kind": "samples", "stream": "audio", "received_s": 0.6, "start_s": 0.0, "rate_hz": 16000, "float32": "<base64>"}
    {"kind": "score", "stage": "", "time_s": 2.0, "centre_s": 1.0, "probabilities": [0.9, 0.1], "took_s": 0.0012,
     "input": [[...], [...]]}
    {"kind": "event", "start_s": 4.0, "stop_s": 5.0, "label": "tap", "score": 0.97, "decided_s": 4.4, "final": true}
    {"kind": "end", "samples": {"accel": 6000}, "dropped": {"accel": 0}}

``samples`` are what the detector was given, in canonical units, each once: stamps as a list or, of a steady stream, as
``start_s`` and ``rate_hz``; values as rows or, of one channel or many, as little-endian float32 in base64, row by row.
``score`` is of one window: ``stage`` is empty, or ``gate`` or ``confirm`` of a cascade; ``time_s`` is the newest sample
that it needed, ``took_s`` what the net took; ``input`` (channels, hop) holds the newest conditioned samples and may be
left out. An ``event`` is written when it is decided (``final`` false) and when it is over (``final`` true). ``end``
counts samples that were given and that the ring between the threads dropped; without it the log was cut.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import NotThisFormatError, RecordingError
from wristkit.events import EVENT_COLUMNS
from wristkit.recording import FloatArray

FORMAT, VERSION = "wristkit device log", 1
_REMEDY = "write the log as wristkit.export.device_log describes it"


class Samples(NamedTuple):
    """Samples of a stream as they came: (n,) stamps, (n, c) values, and (n,) when each was received."""

    time_s: FloatArray
    values: npt.NDArray[np.float32]
    received_s: FloatArray


@dataclass(frozen=True, eq=False)
class DeviceLog:
    """What a device wrote.

    ``scores`` has the columns ``stage, time_s, centre_s, took_s, probabilities, input`` (arrays, the last may be None);
    ``events`` those of every event table, final ones only. ``ended`` holds the last record; None where the log was cut.
    """

    header: Mapping[str, Any]
    streams: Mapping[str, Samples]
    scores: pd.DataFrame
    events: pd.DataFrame
    ended: Mapping[str, Any] | None


def read_device_log(path: str | Path) -> DeviceLog:
    """Return a device's log.

    Raises
    ------
    NotThisFormatError
        Where it does not begin with the header.
    RecordingError
        With code ``log`` and the line, where a record lacks a field or holds another kind of value. A last line that
        was cut, as by an app that was killed, is left out: there is no ``end`` then.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as fault:
        message = f"it is no text in UTF-8 ({fault.reason})"
        raise NotThisFormatError(message, code="log", remedy=_REMEDY, file=path, byte=fault.start) from fault
    records = list(_records(lines if lines[-1] else lines[:-1], path))
    header = records[0][1] if records else {}
    if header.get("format") != FORMAT:
        raise NotThisFormatError(f"it does not begin as a {FORMAT}", code="log", remedy=_REMEDY, file=path)
    if header.get("version") != VERSION:
        message = f"it is of version {header.get('version')!r}, expected {VERSION}"
        raise NotThisFormatError(message, code="log", remedy=_REMEDY, file=path)
    return _collected(records, path)


def _records(lines: list[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, line in enumerate(lines):
        try:
            record = json.loads(line)
            kind = record["kind"]
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            if place == len(lines) - 1 and place:
                return
            message = f"it is no record ({type(fault).__name__}: {fault})"
            raise NotThisFormatError(message, code="log", remedy=_REMEDY, file=path, row=place) from fault
        if kind not in ("header", "samples", "score", "event", "end"):
            raise _bad(path, place, f"a record of kind {kind!r} is not known")
        yield place, record


def _collected(records: list[tuple[int, dict[str, Any]]], path: Path) -> DeviceLog:
    parts: dict[str, list[Samples]] = {}
    scores, events, ended = [], [], None
    for place, record in records:
        try:
            match record["kind"]:
                case "samples":
                    parts.setdefault(str(record["stream"]), []).append(_samples(record))
                case "score":
                    scores.append(_score(record))
                case "event" if record["final"]:
                    events.append(_event(record))
                case "end":
                    ended = _end(record)
                case "header" if place:
                    _refuse_second_header()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, binascii.Error) as fault:
            raise _bad(path, place, f"{record['kind']}: {type(fault).__name__}: {fault}") from fault
    streams = {name: _joined(name, several, path) for name, several in parts.items()}
    columns = ["stage", "time_s", "centre_s", "took_s", "probabilities", "input"]
    return DeviceLog(
        header=records[0][1],
        streams=streams,
        scores=pd.DataFrame(scores, columns=columns),
        events=pd.DataFrame(events, columns=list(EVENT_COLUMNS)),
        ended=ended,
    )


def _samples(record: Mapping[str, Any]) -> Samples:
    if "float32" in record:
        flat = np.frombuffer(base64.b64decode(record["float32"], validate=True), dtype="<f4").astype(np.float32)
        count = len(record["time_s"]) if "time_s" in record else int(record.get("count", len(flat)))
        values = flat.reshape(count, -1)
    else:
        values = _single(record["values"])
    if "time_s" in record:
        time_s = np.array(record["time_s"], dtype=np.float64)
    else:
        time_s = float(record["start_s"]) + np.arange(len(values)) / float(record["rate_hz"])
    if values.ndim != 2 or time_s.shape != (len(values),):
        raise ValueError(f"values have shape {values.shape} and stamps {time_s.shape}, expected (n, channels) and (n,)")
    if not (np.isfinite(time_s).all() and np.isfinite(values).all()):
        raise ValueError("a stamp or a value is no finite number")
    return Samples(time_s, values, np.full(len(time_s), _finite(record, "received_s")))


def _score(record: Mapping[str, Any]) -> tuple[object, ...]:
    probabilities = np.array(record["probabilities"], dtype=np.float64)
    if probabilities.ndim != 1:
        raise ValueError(f"probabilities have shape {probabilities.shape}, expected one a class")
    given = record.get("input")
    times_s = (_finite(record, "time_s"), _finite(record, "centre_s"), _finite(record, "took_s"))
    inputs = None if given is None else _single(given)
    return str(record.get("stage", "")), *times_s, probabilities, inputs


def _single(values: object) -> npt.NDArray[np.float32]:
    """Return numbers as a device held them; what is beyond float32 was never there."""
    array = np.array(values, dtype=np.float64)
    if not (np.abs(array) <= np.finfo(np.float32).max).all():
        raise ValueError("a value is no finite number of float32")
    return array.astype(np.float32)


def _event(record: Mapping[str, Any]) -> tuple[object, ...]:
    times_s = {name: _finite(record, name) for name in EVENT_COLUMNS if name != "label"}
    return tuple(times_s.get(name, str(record["label"])) for name in EVENT_COLUMNS)


def _refuse_second_header() -> None:
    raise ValueError("a log has one header, at its beginning; give each session a file of its own")


def _end(record: Mapping[str, Any]) -> Mapping[str, Any]:
    counts = {key: {str(name): int(count) for name, count in record[key].items()} for key in ("samples", "dropped")}
    return {**record, **counts}


def _finite(record: Mapping[str, Any], name: str) -> float:
    value = float(record[name])
    if not np.isfinite(value):
        raise ValueError(f"{name} is {value}, expected a finite number")
    return value


def _joined(name: str, several: list[Samples], path: Path) -> Samples:
    widths = {part.values.shape[1] for part in several}
    if len(widths) != 1:
        message = f"stream {name!r} has records of {sorted(widths)} channels"
        raise RecordingError(message, code="log", remedy=_REMEDY, file=path)
    return Samples(*(np.concatenate(column) for column in zip(*several, strict=True)))


def _bad(path: Path, place: int, message: str) -> RecordingError:
    return RecordingError(message, code="log", remedy=_REMEDY, file=path, row=place)
