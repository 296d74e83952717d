"""SensorLog: one CSV in which every row holds the newest values of all sensors, as the app of that name writes it.

Columns are found by name and unit, which stands in brackets: ``motionRotationRateX(rad/s)``. A row is written when any
sensor, or a timer, asks for it, and repeats what the others said before; each sensor's own stamp, in seconds since
boot, tells its new rows from repeated ones. Leaving the repeats out is what the format means and no repair; their
number is told. The wall clock ``loggingTime(txt)`` is when a row was written, a little after its samples: streams count
by the stamps since boot, and the lower median of the difference of both clocks places them in time.

Streams: ``accel``, ``gyro``, ``gravity``, ``user_accel``, ``attitude``, ``mag``, ``pressure``, ``heart_rate``;
``relative_altitude``, the height above where logging began; ``steps_total``, a count that runs on.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import NotThisFormatError, RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.clocks import of_drift, of_jumps
from wristkit.load.gather import Gathered, Mark, Nanoseconds, Remark, Request, Rows, Track, source_of
from wristkit.load.members import Members, reading, single
from wristkit.load.motion import check_quaternions, where_calibrated
from wristkit.load.order import in_order
from wristkit.load.rows import Dialect, delimiter_of, opened, read_head, read_rows
from wristkit.load.runs import longest_step_ns, runs, spans
from wristkit.load.spool import Spool
from wristkit.load.stamps import Stamp, from_numbers
from wristkit.recording import STANDARD_GRAVITY, blocks

_XYZ = ("X", "Y", "Z")
_ACCELERATION = {"G": 1.0, "g": 1.0, **dict.fromkeys(("m/s^2", "m/s²", "m/s2"), 1 / STANDARD_GRAVITY)}
_TURNING = {"rad/s": 1.0, **dict.fromkeys(("deg/s", "°/s"), np.pi / 180)}
_FIELD = dict.fromkeys(("µT", "μT", "uT"), 1.0)  # both code points of the micro sign


class _Sensor(NamedTuple):
    """One stream: the column of its stamps, its columns in canonical order, and unit to factor.

    ``unit`` is that of a stream whose name is not canonical. Where the column ``accuracy`` is negative, the sensor knew
    no value.
    """

    stream: str
    stamp: str
    columns: tuple[str, ...]
    units: Mapping[str, float]
    unit: str | None = None
    accuracy: str | None = None


def _axes(prefix: str, axes: Sequence[str] = _XYZ) -> tuple[str, ...]:
    return tuple(f"{prefix}{axis}" for axis in axes)


_MOTION, _BOOT = "motionTimestamp_sinceReboot", "Timestamp_sinceReboot"
# Of two of one stream the first is taken: what Core Motion has corrected before what is raw.
_SENSORS = (
    _Sensor("accel", f"accelerometer{_BOOT}", _axes("accelerometerAcceleration"), _ACCELERATION),
    _Sensor("gyro", _MOTION, _axes("motionRotationRate"), _TURNING),
    _Sensor("gravity", _MOTION, _axes("motionGravity"), _ACCELERATION),
    _Sensor("user_accel", _MOTION, _axes("motionUserAcceleration"), _ACCELERATION),
    _Sensor("attitude", _MOTION, _axes("motionQuaternion", ("W", "X", "Y", "Z")), {"R": 1.0}),
    _Sensor("mag", _MOTION, _axes("motionMagneticField"), _FIELD, None, "motionMagneticFieldCalibrationAccuracy"),
    _Sensor("gyro", f"gyro{_BOOT}", _axes("gyroRotation"), _TURNING),
    _Sensor("mag", f"magnetometer{_BOOT}", _axes("magnetometer"), _FIELD),
    _Sensor("pressure", f"altimeter{_BOOT}", ("altimeterPressure",), {"kPa": 1.0, "hPa": 0.1}),
    _Sensor("relative_altitude", f"altimeter{_BOOT}", ("altimeterRelativeAltitude",), {"m": 1.0}, "m"),
)
_DATED = (
    _Sensor("steps_total", "pedometerEndDate", ("pedometerNumberofSteps",), {"N": 1.0}, "count"),
    _Sensor("heart_rate", "heartRateBPMTimestamp", ("heartRateBPM",), {"N": 1.0, "bpm": 1.0}),
)
_WALL, _LABELS = "loggingTime", ("label", "state")
_DEVICE = "deviceID"  # compared, never kept
_NO_LABEL = frozenset({"", "null", "NaN", "nan"})

_START_BYTES = 2**14
_MOST_PAIRS = 20_000
_MOST_DATES = 1_000_000  # of a pulse every 5 s, two months of them
_JUMP_NS = 10**9
_MOST_NAMES = 20


class _Layout(NamedTuple):
    """What the header says: how numbers are written, and base names to (column, unit).

    Where Core Motion states how well it knows the magnetic field, ``sensors`` hold the raw magnetometer as well.
    """

    dialect: Dialect
    names: tuple[str, ...]
    columns: Mapping[str, tuple[str, str]]
    sensors: tuple[_Sensor, ...]
    dated: tuple[_Sensor, ...]
    label: str | None

    def stamps(self) -> tuple[str, ...]:
        """Return the columns of stamps since boot, those of the first sensor first."""
        return tuple(dict.fromkeys(self.columns[one.stamp][0] for one in self.sensors))

    def read_with(self, sensor: _Sensor) -> tuple[str, ...]:
        """Return the columns of a sensor that are there, as the file names them."""
        names = (*sensor.columns, sensor.accuracy)
        return tuple(self.columns[name][0] for name in names if name is not None and name in self.columns)


class _Clock(NamedTuple):
    """Where the clock since boot lies on the wall: ``"utc"``, ``"local"`` or ``"none"``."""

    name: str
    offset_ns: int
    remarks: tuple[Remark, ...]


def recognises(path: Path) -> bool:
    """Return whether a file starts with a line that names columns as this app does."""
    if not path.is_file():
        return False
    try:
        with single(path).open(path.name) as file, reading(path.name):
            line = file.read(_START_BYTES).partition(b"\n")[0]
    except (RecordingError, OSError):
        return False
    return b"loggingTime" in line or b"Timestamp_sinceReboot" in line


def read(path: Path, request: Request) -> Gathered:
    """Return the streams and labels of one log; UTC where its wall clock states an offset."""
    members = single(path)
    layout = _layout(members, path.name, request)
    values = [name for one in (*layout.sensors, *layout.dated) for name in layout.read_with(one)]
    dates = [layout.columns[one.stamp][0] for one in layout.dated]
    device = [layout.columns[one][0] for one in (_DEVICE,) if one in layout.columns]
    rows = read_rows(
        members,
        path.name,
        numbers=(*layout.stamps(), *values),
        text=(*dates, *([layout.label] if layout.label else []), *device),
        repair=request.repair,
        spool=request.spool,
        stamp=Stamp(""),
        dialect=layout.dialect,
        most_words=_MOST_DATES,
    )
    if (count := len({word.strip() for name in device for word in rows.words[name]} - _NO_LABEL)) > 1:
        raise _header(f"it holds {count} devices", "several_recordings", "write one file of each", path.name)
    layout, of_field = _with_one_field(layout, rows)
    stamps = layout.stamps()
    clock = _clock(members, path.name, layout, stamps[0], request)
    boot = [track for stamp in stamps for track in _boot_tracks(rows, stamp, layout, clock, request)]
    dated, left_out = _dated_tracks(rows, layout, clock, request)
    marks, labelled = _labels(rows, layout.label, boot, stamps[0], clock=clock, spool=request.spool)
    return Gathered(
        [*_with_accel(boot, request.spool), *dated],
        clock=clock.name,
        marks=marks,
        labelled={"app": labelled} if labelled else {},
        remarks=(*rows.remarks, *clock.remarks, *of_field, *left_out, *_not_read(layout)),
        source=source_of(path, "sensor_log", rows.content_hash),
    )


def _layout(members: Members, file: str, request: Request) -> _Layout:
    with members.open(file) as raw, reading(file):
        dialect = _dialect(raw.read(_START_BYTES))
    with opened(members, file, request.repair) as lines:
        names = read_head(lines, file, dialect).names
    columns: dict[str, tuple[str, str]] = {}
    for name in names:
        base, _, unit = name.partition("(")
        if base in columns:
            raise _header(f"it has {base} in two columns", "duplicate_columns", "keep one of them", file)
        columns[base] = (name, unit.removesuffix(")"))
    known = [one for one in (*_SENSORS, *_DATED) if _is_there(one, columns, file)]
    first = {one.stream: one for one in reversed(known) if one in _SENSORS}
    spare = [one for one in known if one.stream == "mag" and first["mag"].accuracy in columns]
    sensors = tuple(one for one in known if one in (*first.values(), *spare))
    if not sensors:
        raise NotThisFormatError(
            f"it has no sensor with stamps since boot among its {len(names)} columns",
            code="format",
            remedy="log accelerometer or device motion with their timestamps",
            file=file,
        )
    label = next((columns[one][0] for one in _LABELS if one in columns), None)
    return _Layout(dialect, names, columns, sensors, tuple(one for one in known if one in _DATED), label)


def _dialect(start: bytes) -> Dialect:
    """Return the separators that header and first row show: the app takes them from its settings and the region."""
    header, _, rest = start.partition(b"\n")
    delimiter = delimiter_of(header)
    comma = delimiter != "," and re.search(rb"\d,\d", rest.partition(b"\n")[0]) is not None
    return Dialect(delimiter, "," if comma else ".")


def _is_there(sensor: _Sensor, columns: Mapping[str, tuple[str, str]], file: str) -> bool:
    """Return whether a log has a sensor; raise where it has parts of it, or in a unit that is not known."""
    there = [name for name in sensor.columns if name in columns]
    if not there:
        return False
    if missing := [name for name in (*sensor.columns, sensor.stamp) if name not in columns]:
        raise _header(f"it has {there[0]} and lacks {missing}", "columns_missing", "log the whole sensor", file)
    units = {columns[name][1] for name in sensor.columns}
    if units == {""} and sensor.stream == "mag":  # as older versions of the app write it; left out, and told so
        return False
    if "" in units:
        raise _header(f"{there[0]} states no unit in brackets", "unit_missing", _as_table(sensor), file)
    if len(units) > 1 or not units <= set(sensor.units):
        raise _header(
            f"{there[0]} is in {sorted(units)}, expected one of {list(sensor.units)}",
            "unit",
            "correct the header",
            file,
        )
    if (unit := columns[sensor.stamp][1]) != ("txt" if sensor in _DATED else "s"):
        raise _header(f"{sensor.stamp} is in {unit!r}, expected s", "time_unit", "keep the app's own header", file)
    return True


def _as_table(sensor: _Sensor) -> str:
    """Return how to load what older versions of the app wrote, which state no units."""
    first = sensor.columns[0]
    meant = sensor.stream if len(sensor.columns) == 1 else f"{sensor.stream}.{first[-1].lower()}"
    return (
        "older versions of the app write none: load one sensor at a time with format='table', repair=('drop_exact',), "
        f"schema={{{sensor.stamp!r}: ('time', 's'), {first!r}: ({meant!r}, 'its unit'), ...}}"
    )


def _header(message: str, code: str, remedy: str, file: str) -> RecordingError:
    return RecordingError(message, code=code, remedy=remedy, file=file)


def _with_one_field(layout: _Layout, rows: Rows) -> tuple[_Layout, tuple[Remark, ...]]:
    """Return the layout with one magnetic field, and what to say: the raw one, where the other was never calibrated."""
    fields = [one for one in layout.sensors if one.stream == "mag"]
    if len(fields) < 2:
        return layout, ()
    known, unknown, spoke = 0, 0, False
    accuracy, raw_x = (rows.columns[name] for name in (layout.read_with(fields[0])[-1], layout.read_with(fields[1])[0]))
    for block, beside in blocks(accuracy, raw_x):
        known, unknown = known + int((block >= 0).sum()), unknown + int((block < 0).sum())
        spoke = spoke or bool(np.isfinite(beside).any())
    raw = unknown > 0 and known == 0 and spoke
    one_field = layout._replace(sensors=tuple(one for one in layout.sensors if one is not fields[0 if raw else 1]))
    note = f"Core Motion calls its field not calibrated in all {unknown} rows; mag is the raw magnetometer instead"
    remedy = "take the device's own field out of it before it serves as a compass"
    return one_field, (Remark("not_calibrated", unknown, note, remedy, stream="mag"),) if raw else ()


def _boot_tracks(rows: Rows, stamp: str, layout: _Layout, clock: _Clock, request: Request) -> Iterator[Track]:
    """Yield the streams that share one column of stamps, without the rows that only repeat them."""
    sensors = [one for one in layout.sensors if layout.columns[one.stamp][0] == stamp]
    names = [name for one in sensors for name in layout.read_with(one)]
    own = _own_rows(rows, stamp, names, request.spool)
    if not len(own.time_ns):
        return
    for sensor in sensors:
        if sensor.stream == "attitude":
            check_quaternions(own, [layout.columns[name][0] for name in sensor.columns])
    own = in_order(own, request.repair, request.spool)
    time_ns = request.spool.mapped(lambda block: block + clock.offset_ns, own.time_ns)
    for sensor in sensors:
        columns = [layout.columns[name] for name in sensor.columns]
        values = _values([own.columns[name] for name, _ in columns], sensor.units[columns[0][1]], request.spool)
        told: tuple[Remark, ...] = ()
        if sensor.accuracy in layout.columns:
            values, told = where_calibrated(values, own.columns[layout.read_with(sensor)[-1]], request.spool)
        yield Track(sensor.stream, values, time_ns, unit=sensor.unit, remarks=(*own.remarks, *told))


def _values(columns: Sequence[npt.NDArray[Any]], factor: float, spool: Spool) -> npt.NDArray[Any]:
    def scaled(*parts: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with np.errstate(over="ignore"):  # a stream refuses what became infinite
            return (np.column_stack(parts) * factor).astype(np.float32)

    return spool.mapped(scaled, *columns)


def _own_rows(rows: Rows, stamp: str, names: Sequence[str], spool: Spool) -> Rows:
    """Return the rows in which a sensor says something new, and how many there were that did not."""
    time_ns, columns = spool.column(np.int64), {name: spool.column(np.float64) for name in names}
    unit, empty, last = Stamp(stamp, "s", epoch=False), 0, np.full((1, 1 + len(names)), np.nan)
    for block in blocks(rows.columns[stamp], *(rows.columns[name] for name in names)):
        said = np.column_stack(block)
        said = said[np.isfinite(said[:, 0])]
        empty += len(block[0]) - len(said)
        before = np.vstack([last, said[:-1]]) if len(said) else said
        new = ~((said == before) | (np.isnan(said) & np.isnan(before))).all(axis=1)
        time_ns.append(from_numbers(said[new, 0], unit, file=rows.file))
        for column, values in zip(columns.values(), said[new, 1:].T, strict=True):
            column.append(values)
        last = said[-1:] if len(said) else last
    repeated = len(rows.time_ns) - empty - len(time_ns)
    named = {name: column.array() for name, column in columns.items()}
    # Rows of an error count within these, which its text has to say.
    file = f"{rows.file} (rows that are new by {stamp.partition('(')[0]})"
    return Rows(file, time_ns.array(), named, _merged(repeated, empty))


def _merged(repeated: int, empty: int) -> tuple[Remark, ...]:
    if not repeated + empty:
        return ()
    note = f"{repeated} rows repeat values that this sensor gave before, in {empty} rows it gave none"
    remedy = "nothing: this is how the app joins sensors in one table"
    return (Remark("merged_rows", repeated + empty, note, remedy),)


def _with_accel(tracks: Sequence[Track], spool: Spool) -> Sequence[Track]:
    """Return the tracks with ``accel`` = gravity + user_accel, where the raw accelerometer was not logged."""
    by_name = {track.name: track for track in tracks}
    if "accel" in by_name or not {"gravity", "user_accel"} <= set(by_name):
        return tracks
    gravity, user = by_name["gravity"], by_name["user_accel"]
    values = spool.mapped(lambda one, other: one + other, gravity.values, user.values)
    return [Track("accel", values, gravity.time_ns), *tracks]


def _clock(members: Members, file: str, layout: _Layout, stamp: str, request: Request) -> _Clock:
    """Return where the clock since boot lies on the wall, and what to say of both."""
    if _WALL not in layout.columns:
        note = "loggingTime(txt) was not logged: when it was recorded is unknown"
        return _Clock("none", 0, (Remark("clock_missing", 1, note, "log the time, too"),))
    boot_ns, wall_ns, zoned = _pairs(members, file, layout, stamp, request)
    if not len(boot_ns):
        note = "no row has both a wall clock and a stamp since boot"
        return _Clock("none", 0, (Remark("clock_missing", 1, note, "log the time, too"),))
    ahead = wall_ns - boot_ns
    offset_ns = int(np.sort(ahead)[(len(ahead) - 1) // 2])  # one that a row states, and not the middle of two
    cause = "rows were written late, or the clock was set"
    told = of_jumps(boot_ns, wall_ns, above_ns=_JUMP_NS, offset_ns=offset_ns, cause=cause)
    # Rows that were late are written faster later on, which would look like drift.
    told = told or of_drift(boot_ns, wall_ns, jumps_above_ns=_JUMP_NS)
    return _Clock("utc" if zoned else "local", offset_ns, told)


def _pairs(
    members: Members, file: str, layout: _Layout, stamp: str, request: Request
) -> tuple[Nanoseconds, Nanoseconds, bool]:
    """Return (k,) stamps since boot and on the wall of rows throughout the file, and whether those are in UTC."""
    at_wall, at_stamp = layout.names.index(layout.columns[_WALL][0]), layout.names.index(stamp)
    pairs: list[tuple[float, datetime]] = []
    with opened(members, file, request.repair) as lines:
        lines.header()
        every = max(members.size(file) // max(len(lines.peek()), 1) // _MOST_PAIRS, 1)
        for row, line in enumerate(lines):
            if row % every:
                continue
            fields = _fields(line, layout.dialect)
            if len(fields) == len(layout.names) and (seconds := _number(fields[at_stamp], layout.dialect)) is not None:
                pairs.append((seconds, _moment(fields[at_wall], file, row)))
    if len({moment.tzinfo is None for _, moment in pairs}) > 1:
        raise _header("loggingTime(txt) has an offset from UTC in some rows alone", "date_format", "log again", file)
    boot_ns = from_numbers(np.array([seconds for seconds, _ in pairs]), Stamp(stamp, "s", epoch=False), file=file)
    wall_ns = np.array([_since_1970_ns(moment) for _, moment in pairs], dtype=np.int64)
    return boot_ns, wall_ns, bool(pairs) and pairs[0][1].tzinfo is not None


def _fields(line: bytes, dialect: Dialect) -> list[str]:
    """Return the cells of a line; none of one that is part of a quoted cell."""
    try:
        return next(csv.reader([line.decode(errors="replace").rstrip("\r\n")], delimiter=dialect.delimiter), [])
    except csv.Error:
        return []


def _number(text: str, dialect: Dialect) -> float | None:
    try:
        value = float(text.replace(dialect.decimal, "."))
    except ValueError:
        return None  # "null": this sensor had not spoken yet
    return value if np.isfinite(value) else None


def _moment(text: str, file: str, row: int | None = None) -> datetime:
    try:
        moment = datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", text.strip()))
    except ValueError as error:
        raise RecordingError(
            f"a time is {text[:40]!r}, expected one like '2024-05-01 10:11:12.345 +0200'",
            code="date_format",
            remedy="set the app to log the time in this form, year first",
            file=file,
            row=row,
        ) from error
    if not 1970 <= moment.year < 2100:
        raise RecordingError(
            f"a time is in the year {moment.year}", code="epoch", remedy="look at that row", file=file, row=row
        )
    return moment


def _since_1970_ns(moment: datetime) -> int:
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1_000


def _dated_tracks(
    rows: Rows, layout: _Layout, clock: _Clock, request: Request
) -> tuple[Sequence[Track], Sequence[Remark]]:
    """Return the streams whose stamps are dates, and what to say of those that cannot be placed."""
    tracks, remarks = [], []
    for sensor in layout.dated:
        name, date = layout.columns[sensor.columns[0]][0], layout.columns[sensor.stamp][0]
        try:
            time_ns, values = _dated(rows, date, name, clock)
        except RecordingError as error:
            remarks.append(Remark("not_read", 1, f"column not read: {name}, {error.code}", "use the motion alone"))
            continue
        told = _merged(len(rows.time_ns) - len(time_ns), 0)
        own = in_order(Rows(rows.file, time_ns, {name: values}, told), request.repair, request.spool)
        figures, remarks_of_it = own.columns[name][:, None], own.remarks
        if sensor.stream == "heart_rate":
            figures, absent = without_sentinels(figures, request.spool)
            remarks_of_it = (*remarks_of_it, *absent)
        tracks.append(Track(sensor.stream, figures, own.time_ns, unit=sensor.unit, remarks=remarks_of_it))
    return tracks, remarks


def _dated(rows: Rows, date: str, name: str, clock: _Clock) -> tuple[Nanoseconds, npt.NDArray[Any]]:
    """Return stamps and values of the rows in which the date is a new one."""
    codes, values = rows.columns[date], rows.columns[name]
    kept = np.flatnonzero(np.isfinite(values))
    kept = kept[np.diff(codes[kept], prepend=-1) != 0]
    moments = [_moment(rows.words[date][code], rows.file) for code in codes[kept]]
    if clock.name == "none" or {one.tzinfo is None for one in moments} - {clock.name == "local"}:
        raise _header(f"{date} and the motion share no clock", "clock_missing", "log the time, too", rows.file)
    return np.array([_since_1970_ns(one) for one in moments], dtype=np.int64), values[kept]


def _labels(
    rows: Rows, label: str | None, boot: Sequence[Track], stamp: str, *, clock: _Clock, spool: Spool
) -> tuple[Sequence[Mark], Sequence[tuple[int, int]]]:
    """Return each run of one label, and the spans in which there is one: without it nobody said what was done."""
    if label is None or not boot or boot[0].time_ns is None:
        return (), ()
    time_ns, codes = spool.column(np.int64), spool.column(np.int32)
    unit = Stamp(stamp, "s", epoch=False)
    for stamps, block in blocks(rows.columns[stamp], rows.columns[label]):
        there = np.isfinite(stamps)
        time_ns.append(from_numbers(stamps[there], unit, file=rows.file) + clock.offset_ns)
        codes.append(block[there])
    # Rows repeat stamps, which would make the median step 0: the stream that has these stamps does not.
    longest_ns = longest_step_ns(boot[0].time_ns, spool)
    found = runs(time_ns.array(), codes.array(), longest_step_ns=longest_ns, file=rows.file)
    told = [(run, word) for run in found if (word := rows.words[label][run.value]) not in _NO_LABEL]
    return [Mark(run.start_ns, run.stop_ns, word, "app", "wearer") for run, word in told], spans(run for run, _ in told)


def _not_read(layout: _Layout) -> tuple[Remark, ...]:
    sensors = (*layout.sensors, *layout.dated)
    used = {name for one in sensors for name in (*layout.read_with(one), layout.columns[one.stamp][0])} | {layout.label}
    unread = [name for base, (name, _) in layout.columns.items() if base != _WALL and name not in used]
    told = ", ".join(name[:100] for name in unread[:_MOST_NAMES])
    more = f" and {len(unread) - _MOST_NAMES} more" if len(unread) > _MOST_NAMES else ""
    return (Remark("not_read", len(unread), f"columns not read: {told}{more}", "none"),) if unread else ()
