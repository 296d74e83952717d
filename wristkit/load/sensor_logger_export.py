"""What every Sensor Logger export has, from watch or phone: its files by name, metadata, annotations and sound.

An export is a zip or folder with one CSV a sensor, or one JSON file with a list of readings, stamped in nanoseconds
since 1970. Facts are from the app's public reference pages (UNITS, COORDINATES, CROSSPLATFORM, MICROPHONE).
"""

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.gather import Mark, Remark, Request, Rows, Track, source_of
from wristkit.load.members import Members, find_members
from wristkit.load.order import in_order
from wristkit.load.rows import AS_IT_IS, DROPPED_TAIL, Scale, read_rows, scaled
from wristkit.load.sound import audio_track
from wristkit.recording.hashing import hash_of_parts

NOTES, METADATA = "Annotation.csv", "Metadata.csv"
ALTITUDE = "relativeAltitude"

_MOST_METADATA_BYTES = 2**16
_MOST_NAMES, _LONGEST_NAME = 50, 100  # in a finding; the app has some 40 sensors
_SOUNDS = (".wav", ".flac", ".caf", ".mp4", ".m4a", ".3gp", ".ogg")
_JSON_START = re.compile(rb"\s*\[\s*\{")
_SENSOR = re.compile(rb'"sensor"\s*:\s*"([^"]{1,60})"')
_CHUNK_CHARACTERS = 2**20
_LONGEST_READING = 2**16
_MOST_SENSORS = 200
_BETWEEN = re.compile(r"[ \r\n\t,]*")


@contextmanager
def opened(path: Path, wanted: Sequence[str]) -> Iterator[Members]:
    """Give the files of an export that holds any of the ``wanted`` ones; those of a JSON lie in a temporary folder."""
    if is_json(path):
        with tempfile.TemporaryDirectory() as folder:
            _unpack_json(path, Path(folder))
            yield _found(find_members(Path(folder), wanted), path, wanted)
        return
    yield _found(find_members(path, wanted), path, wanted)


def holds(path: Path, wanted: Sequence[str]) -> bool:
    """Return whether an export holds any of these files."""
    if not is_json(path):
        return find_members(path, wanted) is not None
    names = {PurePosixPath(name).stem.encode() for name in wanted}
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_CHARACTERS):
            # Sensors follow one another in the list, so that each part of the file may name the first of a new one.
            if names & set(_SENSOR.findall(before + chunk)):
                return True
            before = chunk[-_LONGEST_NAME:]
    return False


def is_json(path: Path) -> bool:
    """Return whether a file starts as the app's JSON does: a list of readings."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return _JSON_START.match(head.removeprefix(b"\xef\xbb\xbf")) is not None and b'"sensor"' in head


def _found(members: Members | None, path: Path, wanted: Sequence[str]) -> Members:
    if members is None:
        raise NotThisFormatError(
            f"it holds none of {', '.join(wanted)}", code="format", remedy="export with motion sensors", file=path
        )
    return members


def _unpack_json(path: Path, folder: Path) -> None:
    """Write the readings of a JSON as the CSVs that the app would have written, one a sensor."""
    files: dict[str, tuple[IO[str], Any, frozenset[str]]] = {}
    try:
        for number, reading in enumerate(_readings(path)):
            name = reading.pop("sensor", None)
            if not isinstance(name, str) or not re.fullmatch(r"\w{1,60}", name):
                raise _no_reading(path, number, "it names no sensor")
            if name not in files:
                if len(files) >= _MOST_SENSORS:
                    raise _no_reading(path, number, f"it is of more than {_MOST_SENSORS} sensors")
                file: IO[str] = (folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
                files[name] = (file, csv.DictWriter(file, list(reading), lineterminator="\n"), frozenset(reading))
                files[name][1].writeheader()
            _, writer, fields = files[name]
            if reading.keys() != fields:
                raise _no_reading(path, number, "its fields are not those of the others of its sensor")
            writer.writerow(reading)
    finally:
        for written, _, _ in files.values():
            written.close()


def _no_reading(path: Path, number: int, what: str) -> RecordingError:
    return RecordingError(
        f"a reading cannot be used: {what}", code="not_a_table", remedy="export it again", file=path, row=number
    )


def _readings(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each object of a JSON list, of which only a part is ever held."""
    decoder, text, at, number = json.JSONDecoder(), "", 0, 0
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        try:
            text = file.read(_CHUNK_CHARACTERS).lstrip().removeprefix("[")
            while True:
                if len(text) - at < _LONGEST_READING and (more := file.read(_CHUNK_CHARACTERS)):
                    text, at = text[at:] + more, 0
                at = _after_blanks(text, at)
                if text.startswith("]", at):
                    _refuse_rest(text[at + 1 :], file, path, number)
                    return
                try:
                    reading, at = decoder.raw_decode(text, at)
                except (json.JSONDecodeError, RecursionError) as error:
                    raise _cut_or_damaged(path, number, cut=not file.read(1)) from error
                if not isinstance(reading, dict):
                    raise _no_reading(path, number, f"it is {reading!r:.40}")
                number += 1
                yield reading
        except UnicodeDecodeError as error:
            raise RecordingError(
                f"it is no UTF-8 text ({error.reason})", code="encoding", remedy="export it again", file=path
            ) from error


def _after_blanks(text: str, at: int) -> int:
    blanks = _BETWEEN.match(text, at)
    return at if blanks is None else blanks.end()


def _refuse_rest(rest: str, file: IO[str], path: Path, number: int) -> None:
    """Raise where anything but blanks follows the list."""
    while rest:
        if rest.strip():
            raise RecordingError(
                f"more follows the end of its list, as where two exports were joined: {rest.strip()[:40]!r}",
                code="joined",
                remedy="split the file there, and load each export by itself",
                file=path,
                row=number,
            )
        rest = file.read(_CHUNK_CHARACTERS)


def _cut_or_damaged(path: Path, number: int, *, cut: bool) -> RecordingError:
    if cut:
        return TruncatedError(
            "it ends within a reading, or without the end of its list",
            code="truncated",
            remedy="copy or export it again; CSVs in a zip can be repaired line by line",
            file=path,
            row=number,
        )
    return _no_reading(path, number, "it is no JSON")


def rows_of(
    members: Members,
    file: str,
    numbers: Sequence[str],
    request: Request,
    *,
    optional: Sequence[str] = (),
    may_be_empty: bool = True,
) -> Rows:
    """Return the ordered rows of a sensor's file; none, with a remark, where it is not there or empty."""
    if file not in members.names:
        return no_rows(file)
    try:
        rows = read_rows(members, file, numbers=numbers, optional=optional, repair=request.repair, spool=request.spool)
    except EmptyRecordingError as error:
        if not may_be_empty:
            raise
        return no_rows(file, _empty_file(file), *_dropped(error))
    return in_order(rows, request.repair, request.spool)


def no_rows(file: str, *remarks: Remark) -> Rows:
    """Return a file without rows, and what to say of it."""
    return Rows(file, np.empty(0, dtype=np.int64), {}, remarks, "", {})


def _empty_file(file: str) -> Remark:
    return Remark("empty_file", 1, f"{file} holds no rows", "nothing, if none were expected")


def _dropped(error: EmptyRecordingError) -> tuple[Remark, ...]:
    """Return what to say of a file whose only row was dropped: it must be counted as any other."""
    return (DROPPED_TAIL,) if error.code == "cut_tail" else ()


def notes_of(members: Members, request: Request) -> Rows:
    """Return the wearer's annotations; the app writes an empty file where there are none."""
    if NOTES not in members.names:
        return no_rows(NOTES)
    try:
        return read_rows(members, NOTES, numbers=(), text=("text",), repair=request.repair, spool=request.spool)
    except EmptyRecordingError as error:
        return no_rows(NOTES, *_dropped(error))


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


def stated_hz(metadata: Mapping[str, str], sensor: str) -> float | None:
    """Return the rate of a sensor that the metadata state, if any."""
    names, steps_ms = (metadata.get(key, "").split("|") for key in ("sensors", "sampleRateMs"))
    stated_ms = dict(zip(names, steps_ms, strict=False)).get(sensor, "")
    return 1000 / float(stated_ms) if re.fullmatch(r"\d+(\.\d+)?", stated_ms) and float(stated_ms) > 0 else None


def plain_track(
    rows: Rows,
    stream: str,
    columns: Sequence[str],
    request: Request,
    *,
    scale: Scale = AS_IT_IS,
    unit: str | None = None,
) -> list[Track]:
    """Return a file's columns as one stream; none where it has no rows."""
    if not len(rows.time_ns):
        return []
    values = request.spool.mapped(
        lambda *block: np.stack([scaled(column, scale) for column in block]).T,
        *(rows.columns[name] for name in columns),
    )
    channels = None if len(columns) > 1 else (stream,)
    return [Track(stream, values, rows.time_ns, channels=channels, unit=unit, remarks=rows.remarks)]


def altitude_track(air: Rows, request: Request) -> list[Track]:
    """Return the height above where recording began, where a barometer's file has it."""
    if ALTITUDE not in air.columns:
        return []
    return plain_track(air, "relative_altitude", (ALTITUDE,), request, unit="m")


def version_of(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the version of the app, if the metadata state it."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", metadata.get("appVersion", ""))
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def sounds_of(
    members: Members, prefix: str, request: Request, *, loudness: Rows, held: Sequence[Rows]
) -> tuple[list[Track], list[Remark], set[str]]:
    """Return the sound beside the sensors as a track, what to say of it, and the names that were looked at.

    It has no stamps: it is laid at the first one of its loudness, else at the earliest of all files that hold rows.
    """
    names = sorted(name for name in members.names if name.startswith(prefix) and name.lower().endswith(_SOUNDS))
    if not names:
        return [], [], set()
    if not request.keep_audio:
        return [], [Remark("audio_left_out", len(names), "sound was left out as asked", "none", "audio")], set(names)
    first = loudness if len(loudness.time_ns) else min(held, key=lambda rows: int(rows.time_ns[0]))
    try:
        track = audio_track(members, names[0], spool=request.spool, start_ns=int(first.time_ns[0]))
    except NotThisFormatError as error:
        return [], [Remark("sound_not_read", 1, f"{names[0]}: {error.message}", error.remedy)], {names[0]}
    which = "of its loudness" if first is loudness else "of the recording"
    note = f"sound has no stamps: it was laid at the first stamp {which}, in {first.file}"
    told = Remark("sound_start", 1, note, "align it by a clap before trusting it to better than a second", "audio")
    return [track], [told], {names[0]}


def of_export(
    members: Members, notes: Rows, empty: Sequence[Rows], metadata: Mapping[str, str], read: set[str]
) -> list[Remark]:
    """Return what to say of annotations, of metadata that were not there, and of files that were not read."""
    found = [*notes.remarks, *(remark for one in empty for remark in one.remarks)]
    if not metadata:
        note = "no metadata, or a cut row of them: stated rate, time zone and version of the app are unknown"
        found.append(Remark("metadata_missing", 1, note, "export Metadata.csv, too"))
    if textless := sum(not text.strip() for text in notes.texts("text")) if len(notes.time_ns) else 0:
        found.append(Remark("annotation_without_text", textless, "read as 'mark'", "name them in a label table"))
    if unread := sorted((set(members.names) - read - {NOTES, METADATA}) | set(members.elsewhere)):
        found.append(_not_read(unread))
    return found


def _not_read(names: Sequence[str]) -> Remark:
    told = ", ".join(name[:_LONGEST_NAME] for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return Remark("not_read", len(names), f"not read: {told}{more}", "nothing, if the watch's motion is what you need")


def source_of_export(path: Path, format_name: str, metadata: Mapping[str, str], rows: Sequence[Rows]) -> dict[str, str]:
    """Return where a recording is from; its hash is that of the sensors' files, whatever they were packed in."""
    content = hash_of_parts((one.file, one.content_hash) for one in rows)
    device, version = metadata.get("platform", ""), metadata.get("appVersion", "")
    return source_of(path, format_name, content, device=device, app_version=version)
