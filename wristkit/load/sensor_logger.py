"""Sensor Logger: a zip or folder with one CSV a sensor, stamped in nanoseconds since 1970.

Facts are from the app's public reference pages (UNITS, COORDINATES, CROSSPLATFORM). By default the watch writes Core
Motion's units and signs; with "Standardise Units & Frames" it writes m/s2 with the signs flipped, which versions before
1.63 did not always do. The data say which it was: gravity has a known length, and attitude a known sense of down.
"""

import csv
import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.members import Members, find_members
from wristkit.load.rows import DROPPED_TAIL, Change, Nanoseconds, Rows, in_order, read_rows
from wristkit.recording import FloatArray, Recording, Stream, finding_table, label_table

MOTION, HEART, NOTES, METADATA = "WristMotion.csv", "HeartRate.csv", "Annotation.csv", "Metadata.csv"

_GYRO = ("rotationRateX", "rotationRateY", "rotationRateZ")
_GRAVITY = ("gravityX", "gravityY", "gravityZ")
_USER = ("accelerationX", "accelerationY", "accelerationZ")
_ATTITUDE = ("quaternionW", "quaternionX", "quaternionY", "quaternionZ")

_STANDARD_GRAVITY = 9.80665  # the app's own constant
_FLAG_HOLDS_SINCE = (1, 63)
_MOST_METADATA_BYTES = 2**16
_MOST_NAMES, _LONGEST_NAME = 50, 100  # in a finding; the app has some 40 sensors

Values = Mapping[str, tuple[Nanoseconds, FloatArray]]


def is_sensor_logger(path: Path) -> bool:
    """Return whether a folder or zip holds motion or heart rate of a watch under this app's names."""
    return find_members(path, (MOTION, HEART)) is not None


def read_sensor_logger(path: Path, repair: Collection[str]) -> Recording:
    """Return the recording of one export: accel, user_accel, gravity, gyro, attitude, heart_rate and annotations."""
    members = find_members(path, (MOTION, HEART))
    if members is None:
        raise NotThisFormatError(
            f"it holds neither {MOTION} nor {HEART}", code="format", remedy="export with the watch's sensors", file=path
        )
    metadata = _metadata(members)
    read = [_rows(members, file, numbers, optional, repair) for file, numbers, optional in _TABLES]
    rows = {one.file: one for one in read if len(one.time_ns)}
    if not rows:
        raise EmptyRecordingError("its files hold no rows", code="empty", remedy="export it again", file=path)
    notes = _notes(members, repair)
    of_files = [change for one in read if one.file not in rows for change in one.changes]
    streams, findings = _streams(rows, metadata)
    start_ns = min(int(one.time_ns[0]) for one in rows.values())
    made = [Stream.measured(name, (ns - start_ns) / 1e9, values) for name, (ns, values) in streams.items()]
    return Recording.of(
        made,
        labels=_point_labels(notes, start_ns),
        findings=_findings(made, findings, [*of_files, *_of_export(members, notes, metadata)], metadata),
        start=pd.Timestamp(start_ns, unit="ns", tz="UTC"),
        zone=metadata.get("recording timezone") or None,
        source=_source(path, metadata, [*rows.values(), *([notes] if len(notes.time_ns) else [])]),
    )


_TABLES: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    (MOTION, (*_GYRO, *_GRAVITY, *_USER), _ATTITUDE),
    (HEART, ("bpm",), ()),
)


def _rows(
    members: Members, file: str, numbers: Sequence[str], optional: Sequence[str], repair: Collection[str]
) -> Rows:
    """Return the ordered rows of a file; none where it is not there, or empty beside the motion."""
    if file not in members.names:
        return _no_rows(file)
    try:
        return in_order(read_rows(members, file, numbers=numbers, optional=optional, repair=repair), repair)
    except EmptyRecordingError as error:
        if file == MOTION:
            raise
        empty = Change("empty_file", 1, f"{file} holds no rows", "nothing, if none were expected")
        return _no_rows(file, empty, *_dropped(error))


def _notes(members: Members, repair: Collection[str]) -> Rows:
    """Return the wearer's annotations; the app writes an empty file where there are none."""
    if NOTES not in members.names:
        return _no_rows(NOTES)
    try:
        return read_rows(members, NOTES, numbers=(), text=("text",), repair=repair)
    except EmptyRecordingError as error:
        return _no_rows(NOTES, *_dropped(error))


def _no_rows(file: str, *changes: Change) -> Rows:
    columns = {"text": np.empty(0, dtype=object)} if file == NOTES else {}
    return Rows(file, np.empty(0, dtype=np.int64), columns, changes, "")


def _dropped(error: EmptyRecordingError) -> tuple[Change, ...]:
    """Return what to say of a file whose only row was dropped: it must be counted as any other."""
    return (DROPPED_TAIL,) if error.code == "cut_tail" else ()


def _metadata(members: Members) -> Mapping[str, str]:
    """Return the one row of the metadata, without what names a person's device; nothing of a cut row."""
    if METADATA not in members.names:
        return {}
    content = members.read_text(METADATA, most_bytes=_MOST_METADATA_BYTES)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(
            f"it is no CSV ({error})", code="metadata", remedy="export it again", file=METADATA
        ) from error
    kept = ("standardisation", "appVersion", "platform", "recording timezone", "sensors", "sampleRateMs")
    whole = rows and None not in rows[0].values()
    return {name: rows[0].get(name) or "" for name in kept} if whole else {}


def _streams(rows: Mapping[str, Rows], metadata: Mapping[str, str]) -> tuple[Values, dict[str, tuple[Change, ...]]]:
    """Return (stamps, values) of each stream in canonical units, and what to say of each file."""
    streams: dict[str, tuple[Nanoseconds, FloatArray]] = {}
    said = {file: one.changes for file, one in rows.items()}
    if (motion := rows.get(MOTION)) is not None:
        scale, changes = _scale(motion, metadata)
        gyro_changes = _check_gyro(motion, scale)
        said[MOTION] = (*motion.changes, *changes, *gyro_changes)
        gravity, user = motion.matrix(_GRAVITY) * scale, motion.matrix(_USER) * scale
        values = {"accel": gravity + user, "user_accel": user, "gravity": gravity, "gyro": motion.matrix(_GYRO)}
        if _ATTITUDE[0] in motion.columns:
            values["attitude"] = _unit_quaternions(motion)
        streams |= {name: (motion.time_ns, one) for name, one in values.items()}
    if (heart := rows.get(HEART)) is not None:
        bpm, changes = _beats(heart)
        said[HEART] = (*heart.changes, *changes)
        streams["heart_rate"] = (heart.time_ns, bpm)
    return streams, said


def _scale(motion: Rows, metadata: Mapping[str, str]) -> tuple[float, tuple[Change, ...]]:
    """Return the factor to g in Core Motion's signs, from what the data say; raise where the flag says otherwise."""
    standardised = _measured_unit(motion) == "m/s2"
    _check_sense_of_down(motion, flipped=standardised)
    factor = -1 / _STANDARD_GRAVITY if standardised else 1.0
    stated = metadata.get("standardisation", "").strip().lower()
    if stated not in {"true", "false"}:
        return factor, (_unit_from_data(motion, standardised=standardised),)
    declared = stated == "true"
    if declared == standardised:
        return factor, ()
    version = _version(metadata)
    if declared and version is not None and version < _FLAG_HOLDS_SINCE:
        note = f"version {metadata['appVersion']} states standardised units and wrote g with Core Motion's signs"
        return factor, (Change("standardisation_ignored", len(motion.time_ns), note, "nothing; it was read as g"),)
    raise RecordingError(
        f"its metadata state {'m/s2' if declared else 'g'}, its gravity is in {'m/s2' if standardised else 'g'}",
        code="unit_contradicts",
        remedy="find out which is true, and correct 'standardisation' in Metadata.csv",
        file=motion.file,
    )


def _unit_from_data(motion: Rows, *, standardised: bool) -> Change:
    """Return what to say where no metadata state the unit: what it was read as, and what shows it."""
    unit = "m/s2, whose signs are opposite to Core Motion's" if standardised else "g with Core Motion's signs"
    signs = "attitude confirms the signs" if _ATTITUDE[0] in motion.columns else "nothing is there to check the signs"
    note = f"no metadata state the unit; read as {unit}: the length of gravity shows the unit, {signs}"
    return Change("unit_from_data", len(motion.time_ns), note, "export Metadata.csv, too")


def _measured_unit(motion: Rows) -> str:
    """Return the unit that the length of gravity shows."""
    lengths = np.linalg.norm(motion.matrix(_GRAVITY), axis=1)
    lengths = lengths[np.isfinite(lengths)]
    length = float(np.median(lengths)) if len(lengths) else float("nan")
    for unit, low, high in (("g", 0.9, 1.1), ("m/s2", 8.8, 10.8)):
        if low <= length <= high:
            return unit
    raise RecordingError(
        f"gravity has a length of {length:.3g}, expected 1 (g) or 9.81 (m/s2)",
        code="unit",
        remedy="check the gravity columns of the export",
        file=motion.file,
    )


def _check_sense_of_down(motion: Rows, *, flipped: bool) -> None:
    """Raise where gravity does not point down as attitude, which is never standardised, has it."""
    if _ATTITUDE[0] not in motion.columns:
        return
    w, x, y, z = motion.matrix(_ATTITUDE).T
    down = -np.column_stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x**2 + y**2)])
    agreement = np.sum(down * motion.matrix(_GRAVITY), axis=1)
    agreement = agreement[np.isfinite(agreement)]
    if len(agreement) and float(np.median(agreement)) * (-1 if flipped else 1) < 0:
        raise RecordingError(
            "gravity points away from where the attitude has down",
            code="sign_contradicts",
            remedy="the export mixes the signs of two conventions; record again with one setting",
            file=motion.file,
        )


def _check_gyro(motion: Rows, scale: float) -> tuple[Change, ...]:
    """Return what to say where gravity does not turn as the gyroscope says; raise on degrees a second."""
    ratio = _turning_ratio(motion, scale)
    if ratio is None:
        note = "too little motion to compare the gyroscope with gravity"
        return (Change("gyro_unchecked", len(motion.time_ns), note, "record some motion before trusting its unit"),)
    if 0.5 <= ratio <= 2.0:
        return ()
    if 0.5 <= ratio * np.degrees(1.0) <= 2.0:
        raise RecordingError(
            "the gyroscope reads 57 times as fast as gravity turns: it is in deg/s, expected rad/s",
            code="gyro_unit",
            remedy="convert the columns rotationRateX, Y and Z to rad/s",
            file=motion.file,
        )
    note = f"gravity turns {ratio:.2f} times as fast as the gyroscope says"
    return (Change("gyro_contradicts", len(motion.time_ns), note, "check unit and axes of the gyroscope"),)


def _turning_ratio(motion: Rows, scale: float, *, least_rows: int = 25) -> float | None:
    """Return how fast gravity turns against what the gyroscope says: 1 in rad/s; None without enough turning."""
    if len(motion.time_ns) < 3:
        return None
    gravity, gyro = motion.matrix(_GRAVITY) * scale, motion.matrix(_GYRO)
    span_s = (motion.time_ns[2:] - motion.time_ns[:-2]) / 1e9
    turned = (gravity[2:] - gravity[:-2]) / span_s[:, None]
    expected = np.cross(gravity[1:-1], gyro[1:-1])
    sizes = np.sum(expected**2, axis=1)
    used = (sizes > 0.3**2) & (span_s < 1.5 * np.median(span_s)) & np.isfinite(turned).all(axis=1) & np.isfinite(sizes)
    if used.sum() < least_rows:
        return None
    return float(np.median(np.sum(turned * expected, axis=1)[used] / sizes[used]))


def _unit_quaternions(motion: Rows) -> FloatArray:
    attitude = motion.matrix(_ATTITUDE)
    wrong = np.abs(np.linalg.norm(attitude, axis=1) - 1) > 0.02
    if wrong.any():
        raise RecordingError(
            f"{wrong.sum()} quaternions are not of length 1",
            code="attitude_length",
            remedy="look at that row; export the recording again",
            file=motion.file,
            row=int(np.argmax(wrong)),
        )
    return attitude


def _beats(heart: Rows) -> tuple[FloatArray, tuple[Change, ...]]:
    """Return (n, 1) beats a minute with NaN where the sensor had none."""
    bpm = heart.matrix(("bpm",))
    absent = bpm <= 0
    if not absent.any():
        return bpm, ()
    note = f"{absent.sum()} values of 0 or less mean that no beat was found"
    return np.where(absent, np.nan, bpm), (Change("no_beat", int(absent.sum()), note, "treat them as missing"),)


def _point_labels(notes: Rows, start_ns: int) -> pd.DataFrame:
    times_s = (notes.time_ns - start_ns) / 1e9
    texts = [str(text).strip() or "mark" for text in notes.columns["text"]]
    return label_table(
        [(float(t), float(t), text, "annotation", "wearer") for t, text in zip(times_s, texts, strict=True)]
    )


def _findings(
    streams: Sequence[Stream],
    said: Mapping[str, tuple[Change, ...]],
    of_export: Sequence[Change],
    metadata: Mapping[str, str],
) -> pd.DataFrame:
    rows = []
    for stream in streams:
        file = HEART if stream.name == "heart_rate" else MOTION
        changes = [*said[file], *_of_time(stream), *_of_values(stream), *_of_rate(stream, metadata)]
        rows += [(one.code, stream.name, stream.start_s, stream.stop_s, *one[1:]) for one in changes]
    whole = (min(one.start_s for one in streams), max(one.stop_s for one in streams))
    rows += [(one.code, "", *whole, *one[1:]) for one in of_export]
    return finding_table(rows)


def _of_time(stream: Stream) -> list[Change]:
    """Return what to say of missing samples and gaps; heart rate comes when it comes."""
    if len(stream) < 3 or stream.name == "heart_rate":
        return []
    steps, usual = np.diff(stream.time), float(np.median(np.diff(stream.time)))
    in_gap = np.isin(stream.time[:-1], stream.gaps[:, 0])
    lost = np.round(steps / usual)[(steps > 1.5 * usual) & ~in_gap] - 1
    said = []
    if len(lost):
        note = f"about {lost.sum():.0f} samples are missing in {len(lost)} places"
        said.append(Change("missing_samples", int(lost.sum()), note, "resample before filtering"))
    if len(stream.gaps):
        seconds = float(np.sum(stream.gaps[:, 1] - stream.gaps[:, 0]))
        note = f"nothing was recorded for {seconds:.2f} s in {len(stream.gaps)} gaps"
        said.append(Change("gaps", len(stream.gaps), note, "windows leave them out"))
    return said


def _of_values(stream: Stream) -> list[Change]:
    missing = int(np.isnan(stream.values).any(axis=1).sum())
    note = f"{missing} samples have no value"
    return [Change("missing_values", missing, note, "mask or fill them by name")] if missing else []


def _of_rate(stream: Stream, metadata: Mapping[str, str]) -> list[Change]:
    """Return what to say where the measured rate of the motion is more than 1 % off the stated one."""
    names, steps_ms = (metadata.get(key, "").split("|") for key in ("sensors", "sampleRateMs"))
    stated_ms = dict(zip(names, steps_ms, strict=False)).get("Wrist Motion", "")
    if stream.name == "heart_rate" or not re.fullmatch(r"\d+(\.\d+)?", stated_ms) or float(stated_ms) == 0:
        return []
    stated_hz = 1000 / float(stated_ms)
    if abs(stream.rate_hz / stated_hz - 1) <= 0.01:
        return []
    note = f"{stated_hz:.5g} Hz is stated, {stream.rate_hz:.5g} Hz was measured"
    return [Change("rate_differs", len(stream), note, "the measured rate is used")]


def _of_export(members: Members, notes: Rows, metadata: Mapping[str, str]) -> list[Change]:
    """Return what to say of annotations, of metadata that were not there, and of files that were not read."""
    found = list(notes.changes)
    if not metadata:
        note = "no metadata, or a cut row of them: stated rate, time zone and version of the app are unknown"
        found.append(Change("metadata_missing", 1, note, "export Metadata.csv, too"))
    if textless := sum(not str(text).strip() for text in notes.columns["text"]):
        found.append(Change("annotation_without_text", textless, "read as 'mark'", "name them in a label table"))
    if unread := sorted((set(members.names) - {MOTION, HEART, NOTES, METADATA}) | set(members.elsewhere)):
        found.append(_not_read(unread))
    return found


def _not_read(names: Sequence[str]) -> Change:
    told = ", ".join(name[:_LONGEST_NAME] for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return Change("not_read", len(names), f"not read: {told}{more}", "nothing, if the watch's motion is what you need")


def _source(path: Path, metadata: Mapping[str, str], rows: Sequence[Rows]) -> dict[str, str]:
    content = hashlib.sha256("".join(f"{one.file} {one.sha256}\n" for one in rows).encode()).hexdigest()
    stated = {"device": metadata.get("platform", ""), "app_version": metadata.get("appVersion", "")}
    return {
        "format": "sensor_logger",
        **{name: text for name, text in stated.items() if text},
        "file": path.name,
        "sha256": content,
    }


def _version(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    numbers = re.match(r"(\d+)\.(\d+)", metadata.get("appVersion", ""))
    return (int(numbers[1]), int(numbers[2])) if numbers else None
