"""Empatica E4: a folder or zip with one CSV a sensor, without column names and without stamps.

The first row of a file is the time of its first sample in seconds since 1970 UTC, the second its rate in Hz; both are
repeated in each column. ``IBI.csv`` has no rate: its rows are seconds since the start, and the interval.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import NotThisFormatError, RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Mark, Remark, Request, Rows, Track, device_frame, source_of
from wristkit.load.members import Lines, Members, find_members, reading
from wristkit.load.order import in_order
from wristkit.load.parse import Form, RowError, parse, whole_rows
from wristkit.load.rows import check_numbers, of_tail
from wristkit.load.spool import Column
from wristkit.load.stamps import Stamp, from_numbers
from wristkit.recording import blocks
from wristkit.recording.hashing import hash_of_parts

_IBI, _TAGS = "IBI.csv", "tags.csv"
_COUNTS_PER_G = 64.0
_RANGE_COUNTS = 128.0  # the sensor is set to +-2 g
_EPOCH_S = (946_684_800, 4_102_444_800)  # the years 2000 to 2100
_FASTEST_HZ = 10_000
_LEAST_EPOCH_S = 9e8  # no sensor measures so much: it is the first line of another session
_FAR_APART_NS, _SHORTER, _SHORTER_S = 86_400 * 10**9, 2, 5
_MOST_TAGS = 100_000
_HEAD_BYTES = 512

Values = npt.NDArray[np.float64]


class _Sensor(NamedTuple):
    """What a file holds: stream, columns in the file and counts a canonical unit."""

    stream: str
    width: int = 1
    per_unit: float = 1.0


_UNIFORM = {
    "ACC.csv": _Sensor("accel", 3, _COUNTS_PER_G),
    "BVP.csv": _Sensor("ppg"),
    "EDA.csv": _Sensor("eda"),
    "TEMP.csv": _Sensor("temperature"),
    "HR.csv": _Sensor("heart_rate"),
}
_SIGNALS = (*_UNIFORM, _IBI)


class _Table(NamedTuple):
    """Columns (n,) of one file below its header lines, as they stand."""

    file: str
    header: tuple[str, ...]
    columns: tuple[Values, ...]
    remarks: tuple[Remark, ...]
    content_hash: str

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])


def recognises(path: Path) -> bool:
    """Return whether a folder or zip holds a file of this device by name whose first rows are start and rate."""
    try:
        members = find_members(path, _SIGNALS)
        return members is not None and any(_starts_right(members, file) for file in _SIGNALS if file in members.names)
    except RecordingError as error:
        return error.code == "several_recordings"
    except OSError:
        return False


def read(path: Path, request: Request) -> Gathered:
    """Return accel, ppg, eda, temperature and heart_rate at stated rates, ibi at its stamps, and tags as labels."""
    members = find_members(path, _SIGNALS)
    if members is None:
        raise NotThisFormatError(
            f"it holds none of {', '.join(_SIGNALS)}",
            code="format",
            remedy="give the folder or zip of one session",
            file=path,
        )
    tables = {
        file: _table(members, file, request, headers=2, width=sensor.width)
        for file, sensor in _UNIFORM.items()
        if file in members.names
    }
    beats = _table(members, _IBI, request, headers=1, width=2) if _IBI in members.names else None
    tags = _table(members, _TAGS, request, headers=0, width=1) if _TAGS in members.names else None
    tracks = [_uniform_track(table, _UNIFORM[file], request) for file, table in tables.items() if table.rows]
    if beats is not None and beats.rows:
        tracks.append(_beat_track(beats, request))
    read_files = [table for table in (*tables.values(), beats, tags) if table is not None]
    return Gathered(
        tracks,
        marks=_marks(tags),
        remarks=[*_of_times(tracks), *_of_files(read_files, members)],
        source=source_of(path, "empatica_e4", _hash(read_files), {"device": "Empatica E4"}),
    )


def _starts_right(members: Members, file: str) -> bool:
    with members.open(file) as raw, reading(file):
        lines = raw.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace").splitlines()
    if len(lines) < 2:
        return False
    start, second = lines[0].split(","), lines[1].split(",")
    if file == _IBI:
        return len(start) == 2 and _is_epoch(start[0]) and start[1].strip() == "IBI"
    width = _UNIFORM[file].width
    return len(start) == len(second) == width and all(map(_is_epoch, start)) and all(map(_is_rate, second))


def _decimal(text: str) -> Decimal | None:
    plain = re.fullmatch(r"\s*-?\d{1,20}(\.\d{0,20})?\s*", text, re.ASCII)
    return Decimal(text.strip()) if plain else None


def _is_epoch(text: str) -> bool:
    seconds = _decimal(text)
    return seconds is not None and _EPOCH_S[0] <= seconds < _EPOCH_S[1]


def _is_rate(text: str) -> bool:
    rate = _decimal(text)
    return rate is not None and 0 < rate <= _FASTEST_HZ


def _table(members: Members, file: str, request: Request, *, headers: int, width: int) -> _Table:
    drop_tail = "drop_tail" in request.repair
    with Lines(members.open(file), file=file, drop_tail=drop_tail, size=members.size(file)) as lines:
        header = tuple(_header_line(lines, file) for _ in range(headers))
        columns = [request.spool.column(np.float64) for _ in range(width)]
        if not lines.at_end():
            _fill(columns, lines, file, one_session=headers > 0)
    arrays = tuple(column.array() for column in columns)
    return _Table(file, header, arrays, of_tail(lines), lines.content_hash)


def _header_line(lines: Lines, file: str) -> str:
    try:
        return lines.header().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_header(file, "bytes that are no text") from error


def _fill(columns: Sequence[Column], lines: Lines, file: str, *, one_session: bool) -> None:
    """Append all further rows, each of just so many finite numbers; raise at the first line of another session."""
    import pyarrow as pa

    form = Form(tuple(str(number) for number in range(len(columns))))
    types = dict.fromkeys(form.names, pa.float64())
    try:
        for block in whole_rows(lines, form, file=file):
            batch = parse(block, form, types, first_row=len(columns[0]))
            for column, part in zip(columns, batch.columns, strict=True):
                values = _finite(part.to_numpy(zero_copy_only=False), file, row=len(column))
                if one_session:
                    _refuse_second_start(values, file, row=len(column))
                column.append(values)
    except RowError as error:
        raise RecordingError(
            f"it has a row that is not {len(columns)} numbers: {error.message[:120]!r}",
            code="not_a_table",
            remedy="look at that row; download the session again",
            file=file,
            row=error.row,
        ) from error


def _finite(column: Values, file: str, *, row: int) -> Values:
    if np.isfinite(column).all():
        check_numbers(column, "a value", file, row)
        return column
    first = int(np.argmin(np.isfinite(column)))
    raise RecordingError(
        f"a value is {column[first]}, expected a number",
        code="infinite",
        remedy="look at that row; download the session again",
        file=file,
        row=row + first,
    )


def _refuse_second_start(column: Values, file: str, *, row: int) -> None:
    if (column > _LEAST_EPOCH_S).any():
        raise RecordingError(
            "a value is as large as a time since 1970: another session seems to begin there",
            code="several_recordings",
            remedy="cut the file before that row and load each session by itself",
            file=file,
            row=row + int(np.argmax(column > _LEAST_EPOCH_S)),
        )


def _uniform_track(table: _Table, sensor: _Sensor, request: Request) -> Track:
    start_s = _stated(table, 0, width=sensor.width, what="start in seconds since 1970", fits=_is_epoch)
    rate_hz = _stated(table, 1, width=sensor.width, what="rate in Hz", fits=_is_rate)
    values = request.spool.mapped(
        lambda *block: (np.column_stack(block) / sensor.per_unit).astype(np.float32), *table.columns
    )
    remarks = table.remarks
    if sensor.stream == "accel":
        remarks = (*remarks, *_of_accel(table))
    elif sensor.stream == "heart_rate":
        values, absent = without_sentinels(values, request.spool)
        remarks = (*remarks, *absent, _smoothed(table.rows))
    return Track(sensor.stream, values, start_ns=_nanoseconds(start_s), rate_hz=float(rate_hz), remarks=remarks)


def _stated(table: _Table, line: int, *, width: int, what: str, fits: Callable[[str], bool]) -> Decimal:
    """Return the one number that a header line repeats in each column."""
    fields = table.header[line].split(",")
    numbers = [_decimal(field) for field in fields]
    number = numbers[0]
    if number is None or not all(map(fits, fields)) or len(fields) != width:
        raise _no_header(table.file, f"{table.header[line][:60]!r} where {width} times the {what} should be")
    if len(set(numbers)) > 1:
        raise RecordingError(
            f"its columns differ in their {what}: {table.header[line][:80]!r}",
            code="columns_differ",
            remedy="one start and one rate hold for all columns; download the session again",
            file=table.file,
        )
    return number


def _nanoseconds(seconds: Decimal) -> int:
    return int((seconds * 10**9).to_integral_value())


def _no_header(file: str, seen: str) -> RecordingError:
    return RecordingError(
        f"it has {seen}", code="header", remedy="download the session again; do not add column names", file=file
    )


def _of_accel(table: _Table) -> tuple[Remark, ...]:
    frame = device_frame(table.rows)
    beyond = sum(
        int((np.abs(np.column_stack(block)) > _RANGE_COUNTS).any(axis=1).sum()) for block in blocks(*table.columns)
    )
    if not beyond:
        return (frame,)
    note = f"{beyond} samples lie beyond +-2 g, which the sensor cannot measure"
    return (frame, Remark("beyond_range", beyond, note, "find out what changed the file"))


def _smoothed(count: int) -> Remark:
    note = "heart rate is the device's own running mean of what it found in the PPG, not one value a beat"
    return Remark("running_mean", count, note, "use ibi, or estimate it from ppg, where beats matter")


def _beat_track(table: _Table, request: Request) -> Track:
    fields = table.header[0].split(",")
    start = _decimal(fields[0])
    if start is None or not _is_epoch(fields[0]) or [field.strip() for field in fields[1:]] != ["IBI"]:
        raise _no_header(table.file, f"{table.header[0][:60]!r} where start and 'IBI' should be")
    since_start_s, intervals_s = table.columns
    time_ns = _nanoseconds(start) + from_numbers(since_start_s, Stamp("a beat", "s", epoch=False), file=table.file)
    rows = Rows(table.file, time_ns, {"ibi": intervals_s}, table.remarks, table.content_hash)
    rows = in_order(rows, request.repair, request.spool)
    return Track("ibi", rows.matrix(("ibi",)), rows.time_ns, remarks=rows.remarks)


def _marks(tags: _Table | None) -> list[Mark]:
    if tags is None:
        return []
    if tags.rows > _MOST_TAGS:
        raise RecordingError(
            f"it has {tags.rows} tags, the limit is {_MOST_TAGS}",
            code="too_many_labels",
            remedy="check that these are presses of the button",
            file=tags.file,
        )
    stamps = from_numbers(tags.columns[0], Stamp("a tag", "s"), file=tags.file)
    return [Mark(at, at, "tag", "annotation", "wearer") for at in stamps.tolist()]


def _of_files(tables: Sequence[_Table], members: Members) -> list[Remark]:
    """Return what to say of files without rows, and of other files."""
    empty = [table for table in tables if not table.rows and table.file != _TAGS]
    said = [Remark("empty_file", 1, f"{table.file} holds no samples", "nothing, if it was short") for table in empty]
    said += [remark for table in tables if table in empty or table.file == _TAGS for remark in table.remarks]
    known = {*_SIGNALS, _TAGS, "info.txt"}
    others = len(set(members.names) - known) + len(members.elsewhere)
    if others:
        said.append(Remark("not_read", others, f"{others} other files were not read", "nothing, if they are notes"))
    return said


def _of_times(tracks: Sequence[Track]) -> list[Remark]:
    """Return what to say where files can hardly be of one session: by when they start, and how long they are."""
    said = []
    even = [track for track in tracks if track.rate_hz]
    starts = {track.name: track.start_ns for track in even}
    if even and max(starts.values()) - min(starts.values()) > _FAR_APART_NS:
        first, last = min(starts, key=starts.__getitem__), max(starts, key=starts.__getitem__)
        days = (starts[last] - starts[first]) / _FAR_APART_NS
        note = f"{last} starts {days:.1f} days after {first}, they seem to be of different sessions"
        said.append(Remark("starts_differ", 1, note, "download the session again"))
    # The heart rate starts later and may be missing for long.
    lengths_s = {one.name: len(one.values) / one.rate_hz for one in even if one.rate_hz and one.name != "heart_rate"}
    longest, shortest = max(lengths_s.values(), default=0.0), min(lengths_s.values(), default=0.0)
    if longest >= max(_SHORTER * shortest, shortest + _SHORTER_S):
        told = ", ".join(f"{name} {length:.0f} s" for name, length in lengths_s.items())
        note = f"streams of one session differ in length: {told}; a rate is wrong, or a file is cut"
        said.append(Remark("lengths_differ", 1, note, "download the session again"))
    return said


def _hash(tables: Sequence[_Table]) -> str:
    return hash_of_parts((table.file, table.content_hash) for table in tables)
