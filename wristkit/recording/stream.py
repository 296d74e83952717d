"""One sensor on its own clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.recording.blocks import blocks, median
from wristkit.recording.hashing import ContentHash

FloatArray = npt.NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

STANDARD_GRAVITY = 9.80665  # m/s2 in one g
GAP_PERIODS = 4.0
GAP_FLOOR_S = 0.1
MISSING_PERIODS = 1.5  # a longer step, of one sample to the next, left at least one out
LATEST_S = 1e11


class Canonical(NamedTuple):
    """Unit and channels of a stream whose name has one meaning everywhere; no channels means any."""

    unit: str
    channels: tuple[str, ...]


_XYZ = ("x", "y", "z")
CANONICAL: Mapping[str, Canonical] = MappingProxyType(
    {
        "accel": Canonical("g", _XYZ),
        "user_accel": Canonical("g", _XYZ),
        "gravity": Canonical("g", _XYZ),
        "gyro": Canonical("rad/s", _XYZ),
        "mag": Canonical("uT", _XYZ),
        "attitude": Canonical("1", ("w", "x", "y", "z")),
        "ppg": Canonical("1", ()),
        "heart_rate": Canonical("bpm", ()),
        "ibi": Canonical("s", ()),
        "audio": Canonical("1", ()),
        "mel": Canonical("log power", ()),
        "pressure": Canonical("kPa", ()),
        "altitude": Canonical("m", ()),
        "temperature": Canonical("degC", ()),
        "eda": Canonical("uS", ()),
        "light": Canonical("lux", ()),
        "steps": Canonical("count", ()),
        "energy": Canonical("kcal", ()),
    }
)

_SPORADIC = ("heart_rate", "ibi", "hrv", "steps", "energy")


def is_sporadic(name: str) -> bool:
    """Return whether streams of a name come now and then, so that a long step between two samples is no gap.

    They are ``heart_rate``, ``ibi``, ``hrv``, ``steps`` and ``energy``, and what a reader names after them, such as
    ``heart_rate_confidence``.
    """
    return any(name == kind or name.startswith(f"{kind}_") for kind in _SPORADIC)


@dataclass(frozen=True, eq=False)
class Stream:
    """One sensor on its own clock.

    Build one with :meth:`measured` from stamps or with :meth:`uniform` from a stated rate.

    Parameters
    ----------
    name
        A canonical name (see ``CANONICAL``) or one of the user's own.
    time
        (n,) float64 seconds from the recording's start, strictly increasing. Of a uniform stream it is made on demand.
    values
        (n, c) float32. Read-only through the stream; NaN is a missing sample.
    channels
        Names of the c columns.
    unit
        Canonical unit for a canonical name.
    rate_hz
        Measured from ``time``: samples a second outside gaps. Stated by the source where ``is_uniform``.
    gaps
        (k, 2) seconds of the last sample before and the first after each step of more than
        max(4 median periods, 0.1 s).
    """

    name: str
    time: FloatArray
    values: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    unit: str
    rate_hz: float
    gaps: FloatArray

    def __post_init__(self) -> None:
        uniform = "_uniform_start_s" in self.__dict__
        values = read_only(_float32_columns(self.name, self.values))
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "channels", _as_text(self.channels))
        object.__setattr__(self, "gaps", read_only(np.asarray(self.gaps, dtype=np.float64).reshape(-1, 2)))
        _check_layout(self.name, values, self.channels, self.unit)
        if not uniform:
            object.__setattr__(self, "time", read_only(_seconds(self.name, self.time, len(values))))

    @classmethod
    def measured(
        cls,
        name: str,
        time: npt.ArrayLike,
        values: npt.ArrayLike,
        *,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> Self:
        """Return a stream whose rate and gaps are measured from its stamps.

        Parameters
        ----------
        name, time, values, channels, unit
            As the fields of the class; (n,) values are one channel. A canonical name brings its channels and unit.
        """
        columns = _float32_columns(name, _by_name(name, values, channels))
        time_s = _seconds(name, time, len(columns))
        gaps = find_gaps(time_s)
        return cls.trusted(
            name=name,
            time=time_s,
            start_s=float("nan"),
            values=columns,
            channels=_default_channels(name, columns.shape[1], channels),
            unit=_default_unit(name, unit),
            rate_hz=measured_rate_hz(time_s, gaps),
            gaps=gaps,
        )

    @classmethod
    def uniform(
        cls,
        name: str,
        values: npt.ArrayLike,
        *,
        rate_hz: float,
        start_s: float = 0.0,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> Self:
        """Return a stream without stamps of its own: sample k lies at ``start_s + k / rate_hz``.

        The rate is stated, not measured; a recording says so in its findings.
        """
        if not (_is_number(rate_hz) and 0 < rate_hz < np.inf):
            raise ValueError(
                f"rate_hz is {rate_hz!r:.60}, expected a positive number; give the rate that the source states"
            )
        if not (_is_number(start_s) and -np.inf < start_s < np.inf):
            raise ValueError(f"start_s is {start_s!r:.60}, expected the seconds at which the first sample lies")
        columns = _float32_columns(name, _by_name(name, values, channels))
        stream = cls.__new__(cls)
        fields = {
            "name": name,
            "values": columns,
            "channels": _default_channels(name, columns.shape[1], channels),
            "unit": _default_unit(name, unit),
            "rate_hz": float(rate_hz),
            "gaps": np.empty((0, 2)),
        }
        _assign(stream, {**fields, "_uniform_start_s": float(start_s)})
        stream.__post_init__()
        return stream

    @classmethod
    def trusted(
        cls,
        *,
        name: str,
        time: FloatArray | None,
        start_s: float,
        values: npt.NDArray[np.float32],
        channels: Sequence[str],
        unit: str,
        rate_hz: float,
        gaps: FloatArray,
    ) -> Self:
        """Return a stream from arrays that were checked before, without reading a sample of them.

        For memory-mapped arrays written by ``save``; ``time`` is None for a uniform stream.
        """
        stream = cls.__new__(cls)
        clock: dict[str, object] = {"_uniform_start_s": start_s} if time is None else {"time": read_only(time)}
        fields = {"name": name, "values": read_only(values), "channels": _as_text(channels), "unit": unit}
        _assign(stream, {**clock, **fields, "rate_hz": rate_hz, "gaps": read_only(gaps)})
        _check_layout(name, stream.values, stream.channels, unit)
        return stream

    def __getattr__(self, name: str) -> FloatArray:
        # Reached only for what the instance does not hold: the stamps of a uniform stream.
        if name == "time" and "_uniform_start_s" in self.__dict__:
            return read_only(self.start_s + np.arange(len(self)) / self.rate_hz)
        raise AttributeError(f"Stream has no attribute {name!r}")

    def with_values(
        self,
        name: str,
        values: npt.ArrayLike,
        *,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> "Stream":
        """Return a stream of other values on the very clock of this one, under another name."""
        columns = _float32_columns(name, _by_name(name, values, channels))
        if len(columns) != len(self):
            raise RecordingError(
                f"stream {name!r} has {len(columns)} samples for the {len(self)} stamps of {self.name!r}",
                code="shape",
                remedy="give one value a stamp",
            )
        return Stream.trusted(
            name=name,
            time=None if self.is_uniform else self.time,
            start_s=self.start_s,
            values=columns,
            channels=_default_channels(name, columns.shape[1], channels),
            unit=_default_unit(name, unit),
            rate_hz=self.rate_hz,
            gaps=self.gaps,
        )

    @property
    def is_uniform(self) -> bool:
        """Whether the rate is stated by the source and the stamps are made from it."""
        return "_uniform_start_s" in self.__dict__

    @property
    def start_s(self) -> float:
        """Time of the first sample in seconds; NaN where there is none and none is stated."""
        if self.is_uniform:
            return float(self.__dict__["_uniform_start_s"])
        return float(self.time[0]) if len(self) else float("nan")

    @property
    def stop_s(self) -> float:
        """Time of the last sample in seconds; NaN where there is none."""
        if not len(self):
            return float("nan")
        return self.start_s + (len(self) - 1) / self.rate_hz if self.is_uniform else float(self.time[-1])

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels outside the stream: ``accel_x``; the stream's own name where the channel has it."""
        return tuple(self.name if channel == self.name else f"{self.name}_{channel}" for channel in self.channels)

    def between(self, start_s: float, stop_s: float) -> "Stream":
        """Return the samples with ``start_s <= time < stop_s`` on the same clock, as a view."""
        if not (_is_number(start_s) and _is_number(stop_s)):
            raise TypeError(f"start_s is {start_s!r:.60} and stop_s is {stop_s!r:.60}, expected numbers of seconds")
        if not start_s <= stop_s:
            raise ValueError(f"start_s {start_s} is after stop_s {stop_s}; give the earlier time first")
        if self.is_uniform:
            edges = np.ceil((np.array([start_s, stop_s]) - self.start_s) * self.rate_hz - 1e-6)
            first, last = (int(edge) for edge in np.clip(edges, 0, len(self)))
        else:
            first, last = (int(edge) for edge in np.searchsorted(self.time, [start_s, stop_s]))
        inside = (self.gaps[:, 0] >= start_s) & (self.gaps[:, 1] < stop_s)
        return Stream.trusted(
            name=self.name,
            time=None if self.is_uniform else self.time[first:last],
            start_s=self.start_s + first / self.rate_hz if self.is_uniform else float("nan"),
            values=self.values[first:last],
            channels=self.channels,
            unit=self.unit,
            rate_hz=self.rate_hz,
            gaps=self.gaps[inside],
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one column a channel, indexed by seconds."""
        return pd.DataFrame(
            np.asarray(self.values), columns=list(self.channels), index=pd.Index(self.time, name="time_s")
        )

    def __array__(self, dtype: npt.DTypeLike | None = None, *, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self  # immutable; copied arrays would be writable

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        size = f"{len(self)} x {len(self.channels)}, {self.rate_hz:.4g} Hz"
        return f"Stream({shortened(self.name, 60)!r}, {size}, {shortened(self.unit, 20)})"


def find_gaps(time_s: FloatArray) -> FloatArray:
    """Return (k, 2) seconds of each step longer than max(4 median periods, 0.1 s)."""
    if len(time_s) < 2:
        return np.empty((0, 2))
    # Most recordings have no step beyond the floor, and need no median.
    if max(float(np.diff(stamps).max(initial=0.0)) for stamps in _overlapping(time_s)) <= GAP_FLOOR_S:
        return np.empty((0, 2))
    longest_s, found = longest_step_s(time_s), [np.empty((0, 2))]
    for stamps in _overlapping(time_s):
        before = np.flatnonzero(np.diff(stamps) > longest_s)
        found.append(np.column_stack([stamps[before], stamps[before + 1]]))
    return np.concatenate(found)


def longest_step_s(time_s: FloatArray) -> float:
    """Return the longest step in seconds between two samples that is not yet a gap."""
    return max(GAP_PERIODS * median_step_s(time_s), GAP_FLOOR_S)


def median_step_s(time_s: FloatArray) -> float:
    """Return the median step in seconds between stamps that increase; exact, in bounded memory."""
    return median(lambda: map(np.diff, _overlapping(time_s)), len(time_s) - 1)


def _overlapping(time_s: FloatArray) -> Iterator[FloatArray]:
    """Yield blocks of stamps, each with the last stamp of the one before, so that no step is missed."""
    last: FloatArray = np.empty(0)
    for (stamps,) in blocks(time_s):
        yield np.concatenate([last, stamps])
        last = stamps[-1:]


def measured_rate_hz(time_s: FloatArray, gaps: FloatArray) -> float:
    """Return samples a second outside gaps; NaN with fewer than two samples in a row."""
    steps = len(time_s) - 1 - len(gaps)
    if steps < 1:
        return float("nan")
    recorded_s = time_s[-1] - time_s[0] - float(np.sum(gaps[:, 1] - gaps[:, 0]))
    return float(steps / recorded_s)


def content_id(streams: Sequence[Stream]) -> str:
    """Return 16 hex digits that depend on names, channels, units, stamps and values alone."""
    digest = ContentHash()
    for stream in sorted(streams, key=lambda one: one.name):
        clock = (stream.start_s, stream.rate_hz) if stream.is_uniform else ()
        digest.update(repr((stream.name, stream.channels, stream.unit, len(stream), clock)).encode())
        if not stream.is_uniform:
            _hash(digest, stream.time)
        for column in stream.values.T:
            _hash(digest, column)
    return digest.hexdigest()[:16]


def _hash(digest: ContentHash, array: npt.NDArray[Any]) -> None:
    for (block,) in blocks(array):
        digest.update(np.ascontiguousarray(block).data)


def shortened(text: str, most: int) -> str:
    """Return text of at most ``most`` characters, its end left out visibly."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _assign(stream: Stream, fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        object.__setattr__(stream, name, value)


def read_only(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return a view that refuses writing."""
    view = array.view()  # the caller's own array stays as writable as it was
    view.flags.writeable = False
    return view


def _float32_columns(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return values as (n, c) float32, refusing what float32 cannot hold."""
    array = numbers(f"stream {name!r} has values", values)
    if array.ndim not in (1, 2):
        raise RecordingError(
            f"stream {name!r} has values of shape {array.shape}, expected (n,) or (n, channels)",
            code="shape",
            remedy="one row a sample, one column a channel",
        )
    with np.errstate(over="ignore"):
        columns = array.astype(np.float32, copy=False)
    columns = columns[:, None] if array.ndim == 1 else columns
    first = 0
    for (block,) in blocks(columns):
        if np.isinf(block).any():
            infinite = np.isinf(block).any(axis=1)
            raise RecordingError(
                f"stream {name!r} holds infinite samples, or beyond float32",
                code="infinite",
                remedy="mark missing samples as NaN, or drop the rows",
                row=first + int(np.argmax(infinite)),
            )
        first += len(block)
    return columns


def stamps_of(name: str, time: npt.ArrayLike) -> FloatArray:
    """Return stamps as float64, refusing what was rounded to less."""
    stamps = numbers(f"stream {name!r} has stamps", time)
    if stamps.dtype in (np.float32, np.float16):
        raise RecordingError(
            f"stream {name!r} has stamps in {stamps.dtype}, which tells no samples apart after a day",
            code="time_float32",
            remedy="give the float64 or integer stamps that they were made from, as seconds",
        )
    return stamps.astype(np.float64, copy=False)


def numbers(whose: str, given: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of real numbers, NaN where masked, refusing what numpy would read as some or has uneven rows.

    ``whose`` begins what an error says, such as "stream 'accel' has values".
    """
    if isinstance(given, np.ma.MaskedArray) and given.mask.any():
        given = np.ma.filled(
            given.astype(np.float64), np.nan
        )  # what is masked is missing, not what lies under the mask
    try:
        array = np.asarray(given)
    except ValueError as fault:
        raise RecordingError(
            f"{whose} that are no array: {fault}",
            code="shape",
            remedy="give rows of one length",
        ) from fault
    if array.dtype.kind not in "fiu":
        raise RecordingError(
            f"{whose} of type {array.dtype}, expected numbers",
            code="not_numeric",
            remedy="convert text, dates and flags to numbers before making a stream",
        )
    return array


def _as_text(channels: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(channel) for channel in channels)  # numpy's own kind of text would change the id


def _check_layout(name: str, values: npt.NDArray[np.float32], channels: Sequence[str], unit: str) -> None:
    if len(channels) != values.shape[1] or len(set(channels)) != len(channels):
        raise RecordingError(
            f"stream {name!r} has {values.shape[1]} columns and the channels {list(channels)}",
            code="channels",
            remedy="give each column one name of its own",
        )
    canonical = CANONICAL.get(name)
    if canonical is None:
        return
    if unit != canonical.unit:
        raise RecordingError(
            f"stream {name!r} is in {unit!r}, expected {canonical.unit!r}",
            code="unit",
            remedy=f"convert it to {canonical.unit} first, or give the stream a name of your own",
        )
    if canonical.channels and tuple(channels) != canonical.channels:
        raise RecordingError(
            f"stream {name!r} has channels {list(channels)}, expected {list(canonical.channels)} in this order",
            code="channels",
            remedy="order the columns by name, or give the stream a name of your own",
        )


def _seconds(name: str, time: npt.ArrayLike, count: int) -> FloatArray:
    """Return stamps as (n,) float64, or raise what is wrong with them."""
    time_s = stamps_of(name, time)
    _check_time(name, time_s, count)
    return time_s


def _check_time(name: str, time_s: FloatArray, count: int) -> None:
    if time_s.shape != (count,):
        raise RecordingError(
            f"stream {name!r} has stamps of shape {time_s.shape} for {count} samples",
            code="shape",
            remedy="give one stamp a sample",
        )
    first, last = 0, np.empty(0)
    for (block,) in blocks(time_s):
        _check_stamps(name, np.concatenate([last, block]), first)
        first, last = first + len(block) - 1, block[-1:]


def _check_stamps(name: str, time_s: FloatArray, first: int) -> None:
    """Raise what is wrong with stamps of which the first is that of row ``first``."""
    with np.errstate(invalid="ignore"):  # of infinite ones
        steps = np.diff(time_s)
    if (steps > 0).all() and np.abs(time_s[[0, -1]]).max() <= LATEST_S:
        return  # what lies between two that are in order is finite, too
    if not np.isfinite(time_s).all():
        row = int(np.argmin(np.isfinite(time_s)))
        raise RecordingError(
            f"stream {name!r} has a stamp of {time_s[row]}, expected seconds",
            code="time_missing",
            remedy="drop the rows without time, or build the stream from a stated rate with Stream.uniform",
            row=first + row,
        )
    if np.abs(time_s).max() > LATEST_S:
        raise RecordingError(
            f"stream {name!r} has stamps up to {np.abs(time_s).max():.3g} s, which is thousands of years",
            code="time_unit",
            remedy="stamps in milliseconds or nanoseconds? Divide them, and count from the recording's start",
        )
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        raise RecordingError(
            f"stream {name!r} has {int((steps <= 0).sum())} stamps that do not increase, the first at {time_s[row]} s",
            code="time_not_increasing",
            remedy="name the repair to make when loading, such as repair=('spread_stamps',) for equal stamps",
            row=first + row,
        )


def _by_name(name: str, values: npt.ArrayLike, channels: Sequence[str] | None) -> npt.ArrayLike:
    """Return the channels of a table in their order, found by name and never by position; an array as it is."""
    if not isinstance(values, pd.DataFrame):
        return values
    wanted = channels or (CANONICAL[name].channels if name in CANONICAL else ()) or tuple(values.columns)
    if missing := [channel for channel in wanted if channel not in values.columns]:
        raise RecordingError(
            f"the table for stream {name!r} lacks the columns {missing}, it has {list(values.columns)}",
            code="channels",
            remedy="rename its columns, or name them in channels=",
        )
    return values[list(wanted)].to_numpy()


def _default_channels(name: str, count: int, channels: Sequence[str] | None) -> tuple[str, ...]:
    if channels is not None:
        return tuple(channels)
    canonical = CANONICAL.get(name)
    if canonical is not None and canonical.channels:
        return canonical.channels
    return (name,) if count == 1 else tuple(str(column) for column in range(count))


def _default_unit(name: str, unit: str | None) -> str:
    if unit is not None:
        return unit
    if name in CANONICAL:
        return CANONICAL[name].unit
    raise ValueError(f"stream {name!r} is not a canonical name, so its unit is unknown; give unit=")
