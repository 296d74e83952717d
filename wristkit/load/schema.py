"""What the columns of a table mean: which stream and channel, in which unit, with which signs."""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from wristkit.errors import RecordingError
from wristkit.load.rows import Scale
from wristkit.recording import CANONICAL, STANDARD_GRAVITY

Frame = Literal["device", "android", "core_motion"]

_DEGREE = 0.017453292519943295
_JOULES = 4.184  # of one calorie
# Canonical unit to the units that are converted to it: (factor, offset).
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "g": {"g": (1, 0), "mg": (1e-3, 0), "m/s2": (1 / STANDARD_GRAVITY, 0)},
        "rad/s": {"rad/s": (1, 0), "deg/s": (_DEGREE, 0), "mrad/s": (1e-3, 0)},
        "uT": {"uT": (1, 0), "nT": (1e-3, 0), "mT": (1e3, 0), "T": (1e6, 0), "gauss": (100, 0), "mgauss": (0.1, 0)},
        "degC": {"degC": (1, 0), "K": (1, -273.15), "degF": (5 / 9, -160 / 9)},
        "kPa": {"kPa": (1, 0), "hPa": (0.1, 0), "mbar": (0.1, 0), "Pa": (1e-3, 0), "bar": (100, 0)},
        "bpm": {"bpm": (1, 0), "Hz": (60, 0)},
        "s": {"s": (1, 0), "ms": (1e-3, 0)},
        "kcal": {"kcal": (1, 0), "kJ": (1 / _JOULES, 0), "J": (1e-3 / _JOULES, 0), "cal": (1e-3, 0)},
        "m": {"m": (1, 0), "ft": (0.3048, 0)},
    }
)
_SPELLINGS = {
    "m/s^2": "m/s2",
    "m/s²": "m/s2",
    "ms-2": "m/s2",
    "dps": "deg/s",
    "°/s": "deg/s",
    "°C": "degC",
    "C": "degC",
}
_SPELLINGS |= {"µT": "uT", "μT": "uT", "G": "g", "µS": "uS", "μS": "uS", "lx": "lux", "F": "degF"}
_LIKE_TIME = re.compile(r"\s*((time|timestamp|seconds|t)\b|(time|timestamp|seconds|t)_)", re.IGNORECASE)
_REVERSED = {"accel", "user_accel", "gravity"}  # what a force sensor has with the opposite sign of Core Motion
_KNOWN_FRAMES = ("device", "android", "core_motion")
EMPTY_IS_BACKGROUND = "empty_is_background"
ROLES = ("time", "label", "id", "ignore")


class Column(NamedTuple):
    """What one column of a table is.

    Parameters
    ----------
    stream
        ``"accel.x"``: stream and channel; ``"accel.x,y,z"`` for an array of several columns. Or one of ``"time"``,
        ``"label"``, ``"id"`` (of the device) and ``"ignore"``.
    unit
        Unit in which the column is; it is converted to the canonical one. For ``"label"``: ``"empty_is_background"``
        where an empty cell says that nothing happened, rather than that nobody looked.
    frame
        ``"android"`` where at rest the axis that points up reads +1 g: signs are turned to Core Motion's.
        ``"device"`` and ``"core_motion"`` leave them.
    """

    stream: str
    unit: str | None = None
    frame: Frame = "device"


class Part(NamedTuple):
    """One column of one stream: where it is from, and how its numbers become canonical; ``given`` is its own unit."""

    column: str
    stream: str
    channels: tuple[str, ...]
    unit: str
    given: str
    scale: Scale
    android: bool


class Plan(NamedTuple):
    """A schema, checked: parts by stream, the columns of time, label and device, and those that are not read."""

    parts: tuple[Part, ...]
    time: str | None
    time_unit: str | None
    label: str | None
    device: str | None
    empty_is_background: bool
    unread: tuple[str, ...]


def plan_of(schema: object, names: Sequence[str], *, unit: str | None = None) -> Plan:
    """Return the checked plan of a schema for a table with these columns; without one, by the columns' own names.

    Raises
    ------
    ValueError
        For a schema that cannot be followed, with what to write instead.
    RecordingError
        With code ``columns_missing`` where the table lacks what the schema names.
    """
    columns = columns_of(schema, names)
    if missing := [name for name in columns if name not in names]:
        raise RecordingError(
            f"the schema names the columns {missing}, the table has {list(names)[:20]}",
            code="columns_missing",
            remedy="correct their names in the schema, or look whether the header of the file is damaged",
        )
    roles = {role: [name for name, one in columns.items() if one.stream == role] for role in ROLES}
    for role in ("time", "label", "id"):
        if len(roles[role]) > 1:
            raise ValueError(f"the schema names {roles[role]} as {role}, expected one column")
    parts = tuple(_part(name, one, unit) for name, one in columns.items() if one.stream not in ROLES)
    if not parts:
        raise ValueError(f"the schema names no stream; {example(names)}")
    _refuse_mixed(parts)
    first = {role: (found[0] if found else None) for role, found in roles.items()}
    time, label = first["time"], first["label"]
    stated = columns[label].unit if label else None
    if stated not in {None, EMPTY_IS_BACKGROUND}:
        raise ValueError(f"the label {label!r} has the unit {stated!r}, expected none or {EMPTY_IS_BACKGROUND!r}")
    unread = tuple(name for name in names if name not in columns)
    unit_of_time = columns[time].unit if time else None
    return Plan(parts, time, unit_of_time, label, first["id"], stated is not None, unread)


def columns_of(schema: object, names: Sequence[str]) -> dict[str, Column]:
    """Return what a schema says of each column; without one, what the columns' own names say."""
    if schema is None:
        return _by_their_names(names)
    if not isinstance(schema, Mapping):
        raise TypeError(f"schema is {schema!r}, expected a mapping such as {example(names)}")
    return {str(name): _column(name, value) for name, value in schema.items()}


def _column(name: object, value: object) -> Column:
    match value:
        case str():
            parts: list[object] = [value]
        case {"stream": str(text), **others} if set(others) <= set(Column._fields):
            parts = [text, others.get("unit"), others.get("frame")]
        case [str(), *_] if len(value) <= len(Column._fields):
            parts = list(value)
        case _:
            parts = [None]
    stream, unit, frame = (*parts, None, None, None)[:3]
    if not isinstance(stream, str) or not (unit is None or isinstance(unit, str)):
        raise ValueError(f"the schema has {value!r} for {name!r}, expected (stream.channel, unit) or (..., frame)")
    found = Column(stream, unit, "device" if frame is None else frame)  # type: ignore[arg-type]  # checked below
    if found.frame not in _KNOWN_FRAMES:
        raise ValueError(f"the frame of {name!r} is {found.frame!r}, expected one of {', '.join(_KNOWN_FRAMES)}")
    return found


def _by_their_names(names: Sequence[str]) -> dict[str, Column]:
    """Return a schema where the columns have canonical names and state their units: ``accel_x [m/s2]``."""
    found = {}
    for name in names:
        match = re.fullmatch(r"(\w+?)[._](\w)\s*(?:[\[(](.+)[\])])?", name.strip())
        if match and match[1] in CANONICAL and match[2] in CANONICAL[match[1]].channels:
            found[name] = Column(f"{match[1]}.{match[2]}", match[3])
        elif re.match(r"(time|timestamp|t)\b|(time|timestamp)_", name.strip(), re.IGNORECASE):
            found[name] = Column("time")
    if not any(one.stream != "time" for one in found.values()):
        raise RecordingError(
            f"nothing says what the columns {list(names)[:20]} are", code="schema_missing", remedy=example(names)
        )
    return found


def example(names: Sequence[str]) -> str:
    """Return how a schema for these columns is written, with a unit only where the name of a column states it."""
    by_sensor_logger = {"time", "seconds_elapsed"} <= set(names)
    times = [name for name in names if _LIKE_TIME.match(name)]
    time = "time" if by_sensor_logger else (*times, "column of time")[0]
    values = [name for name in names if name not in times]
    value = (*values, "a column")[0]
    time_unit = "ns" if by_sensor_logger else _unit_in(time, {"s", "ms", "us", "ns"})
    value_unit = _unit_in(value, {*_SPELLINGS, *(unit for units in UNITS.values() for unit in units)})
    shown = f"{{{time!r}: ('time', {time_unit!r}), {value!r}: ('<stream>.<channel>', {value_unit!r}), ...}}"
    first = "give the folder or zip that Sensor Logger wrote, or " if by_sensor_logger else ""
    return f"{first}give schema={shown}, as ('accel.x', 'm/s2') for acceleration along x"


def _unit_in(name: str, known: Collection[str]) -> str:
    """Return the unit that a column's name ends with, as ``ax [g]`` and ``t_ms``; a placeholder where there is none."""
    match = re.search(r"(?:[\[(]\s*([^\[(]+?)\s*[\])]|_([a-z]+))\s*$", name)
    stated = (match[1] or match[2]) if match else ""
    return stated if stated in known else "<unit>"


def _part(name: str, column: Column, unit: str | None) -> Part:
    stream, point, channel = column.stream.partition(".")
    if not re.fullmatch(r"\w+", stream) or (point and not all(one.strip() for one in channel.split(","))):
        raise ValueError(f"the stream of {name!r} is {column.stream!r}, expected letters, such as 'accel.x' or 'light'")
    canonical = CANONICAL.get(stream)
    meant = [one for one in (*CANONICAL, *ROLES) if one == stream.lower()]
    if canonical is None and meant:
        raise ValueError(f"the stream of {name!r} is {column.stream!r}; write {meant[0] + point + channel!r}")
    if canonical is not None and canonical.channels and not channel:
        channel = _channel_in(name, canonical.channels)
    channels = tuple(part.strip() for part in channel.split(",")) if channel else (stream,)
    stated = column.unit if column.unit is not None else unit
    if stated is None:
        wanted = canonical.unit if canonical else "1"
        raise ValueError(f"the unit of {name!r} is not stated; give ({column.stream!r}, {wanted!r}) or what it is in")
    written = spelled(stated)
    if canonical is None:
        return Part(name, stream, channels, written, written, Scale(), android=False)
    possible = UNITS.get(canonical.unit, {canonical.unit: (1, 0)})
    if written not in possible:
        raise ValueError(f"{name!r} is in {stated!r}, expected one of {', '.join(possible)} for {stream}")
    factor, offset = possible[written]
    android = column.frame == "android" and stream in _REVERSED
    scale = Scale(-factor if android else factor, offset)
    return Part(name, stream, channels, canonical.unit, written, scale, android)


def spelled(unit: str) -> str:
    """Return a unit as the table of units has it."""
    return _SPELLINGS.get(unit, unit)


def _channel_in(name: str, channels: Sequence[str]) -> str:
    """Return the one channel that a column's name states: ``x`` of ``acc_x`` or ``AccX``."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]|\d+", name)
    found = [one for one in channels if one in (word.lower() for word in words)]
    if len(found) != 1:
        raise ValueError(f"which channel {name!r} is cannot be told; write 'stream.{channels[0]}' or the like for it")
    return found[0]


def _refuse_mixed(parts: Sequence[Part]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for part in parts:
        for channel in part.channels:
            if other := seen.get((part.stream, channel)):
                raise ValueError(f"the schema has {other!r} and {part.column!r} for {part.stream}.{channel}")
            seen[part.stream, channel] = part.column
    for stream in {part.stream for part in parts}:
        mine = [part for part in parts if part.stream == stream]
        if len({(part.unit, part.android) for part in mine}) > 1:
            raise ValueError(f"the columns of {stream} have several units or frames; give them one")
        canonical = CANONICAL.get(stream)
        held = {channel for part in mine for channel in part.channels}
        if canonical is not None and canonical.channels and held != set(canonical.channels):
            raise ValueError(f"{stream} needs the channels {canonical.channels}, the schema gives {sorted(held)}")
