"""What every Sensor Logger export has, from watch or phone: its files by name, metadata, annotations and sound.

An export is a zip or folder with one CSV a sensor, or one JSON file with a list of readings, stamped in nanoseconds
since 1970. Facts are from the app's public reference pages (UNITS, COORDINATES, CROSSPLATFORM, MICROPHONE), and from
metadata as they were published: the interval of each sensor in ms, of which 0 is as fast as it can.
"""

import csv
import io
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Mark, Remark, Request, Rows, Track, converted, source_of
from wristkit.load.members import Members, find_members, is_zip, reading, single
from wristkit.load.order import in_order
from wristkit.load.rows import AS_IT_IS, Scale, delimiter_of, dropped, empty_file, no_rows, read_rows, scaled
from wristkit.load.sensor_logger_json import is_json, json_holds, unpack_json
from wristkit.load.sound import audio_track
from wristkit.recording import CANONICAL
from wristkit.recording.hashing import hash_of_parts

NOTES, METADATA = "Annotation.csv", "Metadata.csv"
MOTION, HEART, WATCH_AIR, WATCH_MAGNET = (
    "WristMotion.csv",
    "HeartRate.csv",
    "WatchBarometer.csv",
    "WatchMagnetometer.csv",
)
USER, GRAVITY, TOTAL, GYRO = "Accelerometer.csv", "Gravity.csv", "TotalAcceleration.csv", "Gyroscope.csv"
MAGNET, AIR = "Magnetometer.csv", "Barometer.csv"
XYZ = ("x", "y", "z")
WRIST_GYRO, WRIST_GRAVITY, WRIST_USER = (
    tuple(f"{part}{axis}" for axis in "XYZ") for part in ("rotationRate", "gravity", "acceleration")
)
ALTITUDE = "relativeAltitude"

# Whose an export is by its files, which have time and at least one of these columns: names alone may be anybody's.
# A heart rate is the watch's, or one more stream beside the phone's.
Columns = Mapping[str, Collection[str]]
OF_WATCH: Columns = MappingProxyType(
    {MOTION: (*WRIST_GYRO, *WRIST_GRAVITY, *WRIST_USER), WATCH_AIR: ("pressure",), WATCH_MAGNET: XYZ}
)
OF_HEART: Columns = MappingProxyType({HEART: ("bpm",)})
OF_PHONE: Columns = MappingProxyType({**dict.fromkeys((USER, GRAVITY, TOTAL, GYRO, MAGNET), XYZ), AIR: ("pressure",)})

_MOST_METADATA_BYTES = 2**16
_HEADER_BYTES = 2**16
_ELAPSED, _OF_HEADPHONES = "seconds_elapsed", "devicelocation"
_SAME_INTERVAL = {"TotalAcceleration": "Accelerometer"}  # two files of one sensor, which metadata may name once
_LEAST_ALONG_DOWN = 0.9  # of gravity; less shows neither sign
_MOST_NAMES, _LONGEST_NAME = 50, 100  # in a finding; the app has some 40 sensors
_SOUNDS = (".wav", ".flac", ".caf", ".mp4", ".m4a", ".3gp", ".ogg")


class Export(NamedTuple):
    """What is read of an export: rows by file, annotations, and what the app states."""

    path: Path
    members: Members
    metadata: Mapping[str, str]
    files: Mapping[str, Rows]
    notes: Rows

    @property
    def held(self) -> list[Rows]:
        """Files that hold rows."""
        return [rows for rows in self.files.values() if len(rows.time_ns)]


@contextmanager
def opened(path: Path, wanted: Columns) -> Iterator[Members]:
    """Give the files of an export that holds any of the ``wanted`` ones; those of a JSON lie in a temporary folder."""
    if is_json(path):
        with tempfile.TemporaryDirectory() as folder:
            unpack_json(path, Path(folder))
            yield _found(find_members(Path(folder), wanted), path, wanted)
        return
    members = _found(_members(path, wanted), path, wanted)
    try:
        yield members
    except RecordingError as error:
        if members.path == path:
            raise
        raise error.of_file(path) from error  # one file, whatever its name


def holds(path: Path, wanted: Columns) -> bool:
    """Return whether an export holds any of these files, with time and at least one of the columns of each."""
    if is_json(path):
        return json_holds(path, wanted)
    try:
        members = _members(path, wanted)
    except RecordingError as error:
        return error.code == "several_recordings"  # which of them is meant is asked where it is read
    except OSError:
        return False
    return members is not None and any(_is_own(members, file, wanted[file]) for file in wanted if file in members.names)


def _members(path: Path, wanted: Columns) -> Members | None:
    """Return the files beside any of the wanted ones, or the one file that is given by itself."""
    if path.is_dir() or is_zip(path):
        return find_members(path, wanted)
    # Those of the phone have columns of the same names, and mean nothing without metadata.
    header = _header(single(path), path.name)
    for file, columns in {MOTION: OF_WATCH[MOTION], **OF_HEART}.items():
        needed = {"time", _ELAPSED, *columns}
        if file in wanted and needed <= header and _OF_HEADPHONES not in {name.lower() for name in header}:
            return Members(path.parent, {file: path.name})
    return None


def _header(members: Members, file: str) -> set[str]:
    """Return the names of the columns of a file."""
    with members.open(file) as raw, reading(file):
        line = raw.read(_HEADER_BYTES).partition(b"\n")[0]
    names = line.decode("utf-8-sig", errors="replace").split(delimiter_of(line))
    return {name.strip().strip('"') for name in names}


def _is_own(members: Members, file: str, columns: Collection[str]) -> bool:
    try:
        header = _header(members, file)
    except (RecordingError, OSError):
        return True  # what is wrong with it is told where it is read
    return "time" in header and not header.isdisjoint(columns)


def _found(members: Members | None, path: Path, wanted: Columns) -> Members:
    if members is None:
        raise NotThisFormatError(
            f"it holds none of {', '.join(wanted)}", code="format", remedy="export with motion sensors", file=path
        )
    return members


def export_of(
    path: Path,
    members: Members,
    columns: Mapping[str, Sequence[str]],
    request: Request,
    *,
    optional: Mapping[str, Sequence[str]],
    never_empty: Collection[str] = (),
) -> Export:
    """Return the rows of an export's files with these columns; raise where none holds any."""
    metadata = metadata_of(members)
    files = {
        file: _rows_of(
            members, file, names, request, optional=optional.get(file, ()), may_be_empty=file not in never_empty
        )
        for file, names in columns.items()
    }
    export = Export(path, members, metadata, files, notes_of(members, request))
    if not export.held:
        raise EmptyRecordingError("its files hold no rows", code="empty", remedy="export it again", file=path)
    return export


def _rows_of(
    members: Members,
    file: str,
    numbers: Sequence[str],
    request: Request,
    *,
    optional: Sequence[str],
    may_be_empty: bool,
) -> Rows:
    """Return the ordered rows of a sensor's file; none, with a remark, where it is not there or empty."""
    if file not in members.names:
        return no_rows(file)
    try:
        rows = read_rows(members, file, numbers=numbers, optional=optional, repair=request.repair, spool=request.spool)
    except EmptyRecordingError as error:
        if not may_be_empty:
            raise
        return no_rows(file, empty_file(file), *dropped(error))
    return in_order(rows, request.repair, request.spool)


def gathered(
    export: Export,
    tracks: Sequence[Track],
    remarks: Sequence[Remark],
    request: Request,
    *,
    format_name: str,
    microphone: str,
    unread: Collection[str] = (),
) -> Gathered:
    """Return tracks with the sound and the annotations beside them, findings, and where they are from.

    ``unread`` are files of which nothing came into a track.
    """
    sound, of_sound, sounds = sounds_of(export, microphone, request)
    return Gathered(
        tracks=[*tracks, *sound],
        marks=marks_of(export.notes),
        remarks=[*remarks, *of_sound, *of_export(export, {*export.files, *sounds} - set(unread))],
        zone=export.metadata.get("recording timezone") or None,
        source=source_of_export(export, format_name),
    )


def notes_of(members: Members, request: Request) -> Rows:
    """Return the wearer's annotations; the app writes an empty file where there are none."""
    if NOTES not in members.names:
        return no_rows(NOTES)
    try:
        return read_rows(members, NOTES, numbers=(), text=("text",), repair=request.repair, spool=request.spool)
    except EmptyRecordingError as error:
        return no_rows(NOTES, *dropped(error))


def marks_of(notes: Rows) -> list[Mark]:
    """Return annotations as points; one without text reads "mark"."""
    texts = [text.strip() or "mark" for text in notes.texts("text")] if len(notes.time_ns) else []
    times = notes.time_ns.tolist()
    return [Mark(ns, ns, text, "annotation", "wearer") for ns, text in zip(times, texts, strict=True)]


def metadata_of(members: Members) -> Mapping[str, str]:
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


def is_standardised(metadata: Mapping[str, str]) -> bool | None:
    """Return the flag of "Standardise Units & Frames"; None where it is not stated."""
    return {"true": True, "false": False}.get(metadata.get("standardisation", "").strip().lower())


def platform_of(metadata: Mapping[str, str]) -> str:
    """Return the platform that the metadata state; "" where they do not."""
    return metadata.get("platform", "").strip().lower()


def has_core_motions_signs(along_g: float) -> bool | None:
    """Return whether gravity (g) along the down of attitude has Core Motion's signs; None where it shows neither."""
    return along_g > 0 if _LEAST_ALONG_DOWN <= abs(along_g) <= 1 / _LEAST_ALONG_DOWN else None


def sign_unknown(what: str, file: str) -> RecordingError:
    """Return the error of acceleration whose signs nothing shows."""
    return RecordingError(
        what,
        code="sign_unknown",
        remedy="export it again with quaternions and its Metadata.csv as the app writes it; or look at a moment when "
        "it lies face up, and load the CSV with format='table' and the frame that shows in schema=",
        file=file,
    )


def metres(*, turned: bool) -> str:
    """Return what acceleration is converted from."""
    return "m/s2 with signs opposite to Core Motion's" if turned else "m/s2"


def stated_hz(metadata: Mapping[str, str], file: str) -> float | None:
    """Return the rate of a file's sensor that the metadata state, if any: as fast as it can is none."""
    names, steps_ms = (metadata.get(key, "").split("|") for key in ("sensors", "sampleRateMs"))
    steps = dict(zip((name.replace(" ", "") for name in names), steps_ms, strict=False))
    sensor = PurePosixPath(file).stem
    stated_ms = steps.get(sensor, steps.get(_SAME_INTERVAL.get(sensor, ""), ""))
    return 1000 / float(stated_ms) if re.fullmatch(r"\d+(\.\d+)?", stated_ms) and float(stated_ms) > 0 else None


def plain_track(
    rows: Rows,
    stream: str,
    columns: Sequence[str],
    request: Request,
    *,
    scale: Scale = AS_IT_IS,
    given: str = "",
    unit: str | None = None,
    stated_rate_hz: float | None = None,
) -> list[Track]:
    """Return a file's columns as one stream, converted from the unit ``given``; none where it has no rows."""
    if not len(rows.time_ns):
        return []
    values = request.spool.mapped(
        lambda *block: np.stack([scaled(column, scale) for column in block]).T,
        *(rows.columns[name] for name in columns),
    )
    channels = None if len(columns) > 1 else (stream,)
    remarks = (*rows.remarks, *of_unit(stream, given, len(rows.time_ns)))
    return [Track(stream, values, rows.time_ns, channels, unit, stated_rate_hz=stated_rate_hz, remarks=remarks)]


def of_unit(stream: str, given: str, count: int) -> tuple[Remark, ...]:
    """Return what to say of a stream that was converted from a unit; nothing where none is ``given``."""
    return (converted(stream, given, CANONICAL[stream].unit, count),) if given else ()


def heart_track(heart: Rows, request: Request, *remarks: Remark) -> list[Track]:
    """Return beats a minute with NaN where the sensor had none; metadata state an interval that nothing keeps."""
    if not len(heart.time_ns):
        return []
    bpm, absent = without_sentinels(heart.matrix(("bpm",)), request.spool)
    return [Track("heart_rate", bpm, heart.time_ns, remarks=(*heart.remarks, *absent, *remarks))]


def altitude_track(air: Rows, request: Request) -> list[Track]:
    """Return the height above where recording began, where a barometer's file has it."""
    if ALTITUDE not in air.columns:
        return []
    return plain_track(air, "relative_altitude", (ALTITUDE,), request, unit="m")


def version_of(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the version of the app, if the metadata state it."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", metadata.get("appVersion", ""))
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def sounds_of(export: Export, microphone: str, request: Request) -> tuple[list[Track], list[Remark], set[str]]:
    """Return the sound beside the sensors as a track, what to say of it, and the names that were looked at.

    It has no stamps: it is laid at the first one of its loudness, else at the earliest of all files that hold rows.
    """
    members, loudness = export.members, export.files[f"{microphone}.csv"]
    names = sorted(name for name in members.names if name.startswith(microphone) and name.lower().endswith(_SOUNDS))
    if not names:
        return [], [], set()
    if not request.keep_audio:
        return [], [Remark("audio_left_out", len(names), "sound was left out as asked", "none", "audio")], set(names)
    first = loudness if len(loudness.time_ns) else min(export.held, key=lambda rows: int(rows.time_ns[0]))
    try:
        track = audio_track(members, names[0], spool=request.spool, start_ns=int(first.time_ns[0]))
    except NotThisFormatError as error:
        return [], [Remark("sound_not_read", 1, f"{names[0]}: {error.message}", error.remedy)], {names[0]}
    which = "of its loudness" if first is loudness else "of the recording"
    note = f"sound has no stamps: it was laid at the first stamp {which}, in {first.file}"
    told = Remark("sound_start", 1, note, "align it by a clap before trusting it to better than a second", "audio")
    return [track], [told], {names[0]}


def of_export(export: Export, read: Collection[str]) -> list[Remark]:
    """Return what to say of annotations, of metadata that were not there, and of files that were not read."""
    notes, members = export.notes, export.members
    empty = [rows for rows in export.files.values() if not len(rows.time_ns)]
    found = [*notes.remarks, *(remark for one in empty for remark in one.remarks)]
    if not export.metadata:
        note = "no metadata, or a cut row of them: stated rate, time zone and version of the app are unknown"
        found.append(Remark("metadata_missing", 1, note, "give the folder or zip that it came in, with Metadata.csv"))
    if textless := sum(not text.strip() for text in notes.texts("text")) if len(notes.time_ns) else 0:
        found.append(Remark("annotation_without_text", textless, "read as 'mark'", "name them in a label table"))
    if unread := sorted((set(members.names) - set(read) - {NOTES, METADATA}) | set(members.elsewhere)):
        found.append(_not_read(unread))
    return found


def _not_read(names: Sequence[str]) -> Remark:
    told = ", ".join(name[:_LONGEST_NAME] for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    others = {"sensor_logger_phone": OF_PHONE, "sensor_logger": OF_WATCH}
    beside = [one for one, files in others.items() if not files.keys().isdisjoint(names)]
    remedy = (
        f"load what the other device recorded with format={beside[0]!r}" if beside else "nothing, if all you need was"
    )
    return Remark("not_read", len(names), f"not read: {told}{more}", remedy)


def source_of_export(export: Export, format_name: str) -> dict[str, str]:
    """Return where a recording is from; its hash is that of the files that were read, whatever they were packed in."""
    notes = [export.notes] if len(export.notes.time_ns) else []
    content = hash_of_parts((one.file, one.content_hash) for one in (*export.held, *notes))
    stated = {"device": export.metadata.get("platform", ""), "app_version": export.metadata.get("appVersion", "")}
    return source_of(export.path, format_name, content, stated)
