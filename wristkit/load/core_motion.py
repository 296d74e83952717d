"""Core Motion logs: what an app of one's own writes on the watch, a folder (or a zip of it) with one CSV a source.

``core_motion.swift`` beside this file is a logger that writes ``wristkit.json``, ``clock.csv``, ``device_motion.csv``
without its optional columns, and on a watch that delivers batches ``accelerometer.csv``. The other files and columns
are as much part of the format: an app that wants them writes them as they stand here. A folder holds

``wristkit.json``
    ``format`` ("core_motion"), ``version`` (1), and where known ``device`` ("Watch7,5"), ``system`` ("watchOS 11.5"),
    ``wrist`` and ``crown`` ("left" or "right"), ``zone`` ("Europe/Paris"), and ``rates_hz``: source to the rate that
    was asked for.
``clock.csv``
    ``timestamp,unix``: one moment on both clocks a row, at the start, then about once a minute, and at the stop.
``accelerometer.csv``
    ``timestamp,batch,accelerationX,accelerationY,accelerationZ`` in g: CMAccelerometerData, at 800 Hz from a
    CMBatchedSensorManager.
``device_motion.csv``
    ``timestamp,batch``, ``quaternionW`` to ``Z`` (CMAttitude), ``rotationRateX`` to ``Z`` in rad/s, ``gravityX`` to
    ``Z`` and ``userAccelerationX`` to ``Z`` in g; and where wanted ``magneticFieldX`` to ``Z`` in uT with
    ``magneticFieldAccuracy`` (-1 is not calibrated), ``heading`` in degrees (-1 is unknown), ``sensorLocation``.
``recorder.csv``
    ``startDate,accelerationX,accelerationY,accelerationZ``: the 50 Hz history of a CMSensorRecorder. Its ``identifier``
    is not read.
``heart_rate.csv``
    ``timestamp,heartRate,confidence``: beats a minute, and 0 (low) to 3 (highest), of CMHighFrequencyHeartRateData.
``health_heart_rate.csv``
    ``startDate,heartRate``: beats a minute from HealthKit.

Names and units are Core Motion's. Every file but ``wristkit.json`` is optional, and only ever grows at its end, so that
a crash costs no more than its last line; order of columns is free. ``timestamp`` is CMLogItem's, in seconds since
boot: it never jumps, so all sources count by it, and the first row of ``clock.csv`` places it in time. It pauses while
the watch sleeps, which later rows show. ``startDate`` is in seconds since 1970. ``batch`` counts what the sensor
manager delivered, from 0 and separately for each source, so that a missing delivery shows.

Streams: ``accel`` is the accelerometer's, or else gravity + userAcceleration, or else the recorder's, whose history
beside either of them is ``accel_history`` (HealthKit's beside the other heart rate is ``heart_rate_history``);
``user_accel``, ``gravity``, ``gyro``, ``attitude``, ``mag``, ``heading``, ``heart_rate``, ``heart_rate_confidence``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.clocks import of_drift, of_jumps
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track, source_of
from wristkit.load.members import Members, find_members
from wristkit.load.motion import check_quaternions, where_calibrated
from wristkit.load.order import in_order
from wristkit.load.rows import dropped, empty_file, no_rows, opened, read_head, read_rows
from wristkit.load.spool import Spool
from wristkit.load.stamps import Stamp, from_numbers
from wristkit.recording import Side, blocks
from wristkit.recording.hashing import hash_of_parts

VERSION = 1
STATED, CLOCK, ACCELEROMETER, MOTION = "wristkit.json", "clock.csv", "accelerometer.csv", "device_motion.csv"
RECORDER, HEART, HEALTH = "recorder.csv", "heart_rate.csv", "health_heart_rate.csv"

_DATED = frozenset({RECORDER, HEALTH})

_SINCE_BOOT, _SINCE_1970 = Stamp("timestamp", "s", epoch=False), Stamp("startDate", "s")
_ACCELERATION = ("accelerationX", "accelerationY", "accelerationZ")
_GRAVITY = ("gravityX", "gravityY", "gravityZ")
_USER = ("userAccelerationX", "userAccelerationY", "userAccelerationZ")
_GYRO = ("rotationRateX", "rotationRateY", "rotationRateZ")
_ATTITUDE = ("quaternionW", "quaternionX", "quaternionY", "quaternionZ")
_MAG = ("magneticFieldX", "magneticFieldY", "magneticFieldZ")
_OPTIONAL = ("batch", *_MAG, "magneticFieldAccuracy", "heading", "sensorLocation", "confidence")
_NEEDED = {
    ACCELEROMETER: _ACCELERATION,
    MOTION: (*_GRAVITY, *_USER, *_GYRO, *_ATTITUDE),
    RECORDER: _ACCELERATION,
    HEART: ("heartRate",),
    HEALTH: ("heartRate",),
}
_RECORDER_HZ = 50.0  # a CMSensorRecorder knows no other

_MOST_STATED_BYTES = 2**16
_JUMP_NS = 500_000_000  # clocks that run apart do so by milliseconds a minute
_MOST_NAMES = 20

Values = npt.NDArray[np.float32]


class _Stated(NamedTuple):
    """What ``wristkit.json`` says."""

    device: str
    system: str
    wrist: Side | None
    crown: Side | None
    zone: str | None
    rates_hz: Mapping[str, float]


def recognises(path: Path) -> bool:
    """Return whether a folder or zip holds a ``wristkit.json`` that names this format."""
    try:
        members = find_members(path, (STATED,))
        return members is not None and b"core_motion" in members.read_text(STATED, most_bytes=_MOST_STATED_BYTES)
    except (RecordingError, OSError):
        return False


def read(path: Path, request: Request) -> Gathered:
    """Return the streams of one log on the clock since boot, placed in time by ``clock.csv``."""
    members = find_members(path, (STATED,))
    if members is None:
        raise NotThisFormatError(f"it holds no {STATED}", code="format", remedy="copy the whole folder", file=path)
    stated = _stated(members)
    pairs, *read = [_rows(members, file, request) for file in (CLOCK, *_NEEDED)]
    rows = {one.file: one for one in read if len(one.time_ns)}
    if not rows:
        raise EmptyRecordingError("none of its files holds a row", code="empty", remedy="record again", file=path)
    placed, remarks = _placed(rows, pairs, request.spool)
    empty = [remark for one in read if one.file not in rows for remark in one.remarks]
    return Gathered(
        list(_tracks(placed, stated, request.spool)),
        clock="utc" if len(pairs.time_ns) or set(rows) <= _DATED else "none",
        remarks=(*pairs.remarks, *remarks, *empty, *_not_read(members)),
        zone=stated.zone,
        wrist=stated.wrist,
        crown=stated.crown,
        source=source_of(
            path,
            "core_motion",
            hash_of_parts((one.file, one.content_hash) for one in (pairs, *read) if one.content_hash),
            {"device": stated.device, "system": stated.system},
        ),
    )


def _rows(members: Members, file: str, request: Request) -> Rows:
    """Return the ordered rows of one source; none where its file is not there, or holds none."""
    if file not in members.names:
        return no_rows(file)
    try:
        with opened(members, file, request.repair) as lines:
            names = read_head(lines, file).names
        rows = read_rows(
            members,
            file,
            numbers=("unix",) if file == CLOCK else (*_NEEDED[file], *(name for name in _OPTIONAL if name in names)),
            repair=request.repair,
            spool=request.spool,
            stamp=_SINCE_1970 if file in _DATED else _SINCE_BOOT,
        )
    except EmptyRecordingError as error:
        return no_rows(file, empty_file(file), *dropped(error))
    return in_order(rows, request.repair, request.spool)


def _stated(members: Members) -> _Stated:
    try:
        stated = json.loads(members.read_text(STATED, most_bytes=_MOST_STATED_BYTES))
    except (ValueError, RecursionError) as error:
        raise _wrong(f"it is no JSON ({str(error)[:80]})", code="metadata") from error
    if not isinstance(stated, dict) or stated.get("format") != "core_motion":
        raise _wrong("it does not name the format 'core_motion'", code="metadata")
    if stated.get("version") != VERSION:
        raise _wrong(f"it states version {str(stated.get('version'))[:20]!r}, expected {VERSION}", code="version")
    rates = stated.get("rates_hz", {})
    if not isinstance(rates, dict) or not all(_is_rate(rate) for rate in rates.values()):
        raise _wrong("its rates_hz are no positive numbers by source", code="metadata")
    zone = stated.get("zone")
    if not (zone is None or (isinstance(zone, str) and re.fullmatch(r"[\w+/-]{1,64}", zone))):
        raise _wrong(f"its zone is {str(zone)[:40]!r}, expected a name such as 'Europe/Paris'", code="metadata")
    return _Stated(
        # What people call their watch is theirs: only model and system in their own form are told.
        _if_like(stated.get("device"), r"[A-Za-z]+\d+,\d+"),
        _if_like(stated.get("system"), r"[A-Za-z]+ ?\d+(\.\d+)*"),
        _side(stated, "wrist"),
        _side(stated, "crown"),
        zone,
        {str(source): float(rate) for source, rate in rates.items()},
    )


def _wrong(message: str, *, code: str) -> RecordingError:
    return RecordingError(
        message, code=code, remedy=f"correct {STATED}; its keys stand in the page of this format", file=STATED
    )


def _is_rate(rate: object) -> bool:
    return isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate < 1e6


def _if_like(text: object, pattern: str) -> str:
    return text if isinstance(text, str) and len(text) <= 40 and re.fullmatch(pattern, text) else ""


def _side(stated: Mapping[str, object], key: str) -> Side | None:
    match stated.get(key):
        case "left":
            return "left"
        case "right":
            return "right"
        case None:
            return None
        case other:
            raise _wrong(f"its {key} is {str(other)[:20]!r}, expected 'left' or 'right'", code="metadata")


def _placed(rows: Mapping[str, Rows], pairs: Rows, spool: Spool) -> tuple[Mapping[str, Rows], Sequence[Remark]]:
    """Return the rows of all sources on one clock, and what to say of that clock."""
    counted = [file for file in rows if file not in _DATED]
    if not counted:
        return rows, ()
    if not len(pairs.time_ns):
        if len(counted) < len(rows):
            raise RecordingError(
                f"{', '.join(sorted(set(rows) - set(counted)))} has dates, {', '.join(counted)} counts from boot, and "
                f"no row of {CLOCK} relates them",
                code="clock_missing",
                remedy=f"add one row to {CLOCK}; or load the files with dates as a folder of their own",
            )
        note = f"{CLOCK} has no rows: when it was recorded is unknown"
        return rows, (Remark("clock_missing", 1, note, f"write one row to {CLOCK} when recording starts"),)
    wall_ns = from_numbers(pairs.columns["unix"], Stamp("unix", "s"), file=CLOCK)
    offset_ns = int(wall_ns[0] - pairs.time_ns[0])
    placed = {
        file: Rows(file, spool.mapped(lambda block: block + offset_ns, one.time_ns), one.columns, one.remarks)
        for file, one in rows.items()
        if file in counted
    }
    cause = "the watch slept, or its clock was set"
    jumps = of_jumps(pairs.time_ns, wall_ns, above_ns=_JUMP_NS, offset_ns=offset_ns, cause=cause)
    return {**rows, **placed}, (*jumps, *of_drift(pairs.time_ns, wall_ns, jumps_above_ns=_JUMP_NS))


def _tracks(rows: Mapping[str, Rows], stated: _Stated, spool: Spool) -> Iterator[Track]:
    accelerometer, motion = rows.get(ACCELEROMETER), rows.get(MOTION)
    if accelerometer is not None:
        told = (*accelerometer.remarks, *_of_batches(accelerometer))
        yield _track("accel", accelerometer, _ACCELERATION, spool=spool, stated=stated, remarks=told)
    if motion is not None:
        yield from _motion_tracks(motion, spool, stated, sums=accelerometer is None)
    if (history := rows.get(RECORDER)) is not None:
        name = "accel" if accelerometer is None and motion is None else "accel_history"
        values = spool.mapped(_stacked, *(history.columns[one] for one in _ACCELERATION))
        yield Track(
            name,
            values,
            history.time_ns,
            channels=("x", "y", "z"),
            unit="g",
            stated_rate_hz=_RECORDER_HZ,
            remarks=history.remarks,
        )
    for file in [one for one in (HEART, HEALTH) if one in rows]:
        name = "heart_rate" if file == HEART or HEART not in rows else "heart_rate_history"
        yield from _heart_tracks(name, rows[file], spool)


def _track(
    name: str, rows: Rows, columns: Sequence[str], *, spool: Spool, stated: _Stated, remarks: Sequence[Remark] = ()
) -> Track:
    values = spool.mapped(_stacked, *(rows.columns[column] for column in columns))
    rate_hz = stated.rates_hz.get(rows.file.removesuffix(".csv"))
    return Track(name, values, rows.time_ns, stated_rate_hz=rate_hz, remarks=tuple(remarks))


def _stacked(*columns: npt.NDArray[Any]) -> Values:
    return _narrowed(np.column_stack(columns))


def _added(*columns: npt.NDArray[Any]) -> Values:
    """Return gravity + userAcceleration, added before they are rounded."""
    return _narrowed(np.column_stack(columns[:3]) + np.column_stack(columns[3:]))


def _narrowed(values: npt.NDArray[Any]) -> Values:
    with np.errstate(over="ignore"):  # a stream refuses what became infinite
        return values.astype(np.float32)


def _motion_tracks(motion: Rows, spool: Spool, stated: _Stated, *, sums: bool) -> Iterator[Track]:
    """Yield what CMDeviceMotion holds; what is said of its deliveries and of the place is said of ``gyro``, once."""
    check_quaternions(motion, _ATTITUDE)
    told = (*motion.remarks, *_of_batches(motion), *_of_location(motion))
    yield _track("gyro", motion, _GYRO, spool=spool, stated=stated, remarks=told)
    if sums:
        values = spool.mapped(_added, *(motion.columns[name] for name in (*_GRAVITY, *_USER)))
        rate_hz = stated.rates_hz.get("device_motion")
        yield Track("accel", values, motion.time_ns, stated_rate_hz=rate_hz, remarks=motion.remarks)
    for name, columns in (("gravity", _GRAVITY), ("user_accel", _USER), ("attitude", _ATTITUDE)):
        yield _track(name, motion, columns, spool=spool, stated=stated, remarks=motion.remarks)
    if set(_MAG) <= set(motion.columns):
        yield from _where_known("mag", motion, _MAG, spool, known=motion.columns.get("magneticFieldAccuracy"))
    if "heading" in motion.columns:
        yield from _where_known("heading", motion, ("heading",), spool, known=motion.columns["heading"])


def _where_known(
    name: str, motion: Rows, columns: Sequence[str], spool: Spool, *, known: npt.NDArray[Any] | None
) -> Iterator[Track]:
    """Yield values with NaN where ``known`` is negative."""
    values = spool.mapped(_stacked, *(motion.columns[one] for one in columns))
    values, told = (values, ()) if known is None else where_calibrated(values, known, spool)
    unit = "deg" if name == "heading" else None
    yield Track(name, values, motion.time_ns, unit=unit, remarks=(*motion.remarks, *told))


def _heart_tracks(name: str, heart: Rows, spool: Spool) -> Iterator[Track]:
    bpm, told = without_sentinels(heart.columns["heartRate"], spool)
    yield Track(name, spool.mapped(_stacked, bpm), heart.time_ns, unit="bpm", remarks=(*heart.remarks, *told))
    if "confidence" in heart.columns:
        confidence = spool.mapped(_stacked, heart.columns["confidence"])
        yield Track("heart_rate_confidence", confidence, heart.time_ns, unit="1", remarks=heart.remarks)


def _of_batches(rows: Rows) -> tuple[Remark, ...]:
    """Return what to say where the numbers of the deliveries leave some out."""
    if "batch" not in rows.columns:
        return ()
    missing, places, last = 0, 0, -1.0
    for (block,) in blocks(rows.columns["batch"]):
        steps = np.diff(block, prepend=last)
        left_out = steps[steps > 1] - 1
        missing, places, last = missing + int(left_out.sum()), places + len(left_out), float(block[-1])
    if not missing:
        return ()
    note = f"{missing} batches of {rows.file} are missing in {places} places"
    return (Remark("missing_batches", missing, note, "write on a queue that does not wait for the display"),)


def _of_location(motion: Rows) -> tuple[Remark, ...]:
    if "sensorLocation" not in motion.columns:
        return ()
    elsewhere = sum(int((block > 0).sum()) for (block,) in blocks(motion.columns["sensorLocation"]))
    note = f"{elsewhere} rows are from headphones, not from a wrist"
    return (Remark("not_wrist", elsewhere, note, "record with the watch's own sensors"),) if elsewhere else ()


def _not_read(members: Members) -> tuple[Remark, ...]:
    unread = sorted({*members.names, *members.elsewhere} - {STATED, CLOCK, *_NEEDED})
    told = ", ".join(name[:100] for name in unread[:_MOST_NAMES])
    more = f" and {len(unread) - _MOST_NAMES} more" if len(unread) > _MOST_NAMES else ""
    return (Remark("not_read", len(unread), f"not read: {told}{more}", "none"),) if unread else ()
