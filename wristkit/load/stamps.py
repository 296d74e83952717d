"""Stamps of any unit become whole nanoseconds, or an error that says why they cannot."""

import re
from typing import Any, Literal, NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.load.gather import Nanoseconds

Unit = Literal["s", "ms", "us", "ns", "iso"]

NS_PER: dict[str, int] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH_S = (946_684_800, 4_102_444_800)  # the years 2000 to 2100
_LONGEST_S = 4_102_444_800  # no clock that counts from its own zero runs for 130 years
_FINER = frozenset({"ps", "fs", "as"})  # all of their range fits
_NAMED_UNIT = re.compile(r"(?:[_\s]|[(\[])(s|sec|seconds|ms|us|ns)[)\]]?$", re.IGNORECASE)
# A clock of 12 hours, or a word behind, is not read: AM and PM are lost where only the start of a text counts.
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?")


class Stamp(NamedTuple):
    """The column of stamps and what they count.

    Parameters
    ----------
    column
        Its name; empty where rows have no stamps.
    unit
        ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, or ``"iso"`` for text as ISO 8601 has it.
    epoch
        Whether they count from 1970, so that each must lie within the years 2000 to 2100.
    zoned
        Whether text carries its offset from UTC.
    by_size
        Whether nothing but the size of the numbers says what they count.
    """

    column: str = "time"
    unit: Unit = "ns"
    epoch: bool = True
    zoned: bool = True
    by_size: bool = False

    def arrow_type(self) -> Any:  # noqa: ANN401  a pyarrow.DataType, which has no types
        """Return the type to read the column as: nanoseconds as integers, since floats cannot hold them."""
        import pyarrow as pa

        if self.unit == "iso":
            return pa.timestamp("ns", "UTC" if self.zoned else None)
        return pa.int64() if self.unit == "ns" else pa.float64()


EPOCH = Stamp()


def stamp_of(column: str, first: str, *, unit: str | None, file: str) -> Stamp:
    """Return how a column of stamps counts: as stated, as its name says, or as the size of its first value shows.

    Raises
    ------
    RecordingError
        With code ``time_unit`` where nothing tells, ``date_format`` for dates that can be read in two ways, and
        ``time_missing`` where the first row has none.
    """
    if first.strip().lower() in {"", "nan", "nat", "null", "none"}:
        raise RecordingError(
            f"{column} has no value in the first row", code="time_missing", remedy="drop these rows", file=file, row=0
        )
    if unit == "iso":
        return _of_text(column, first, unit=unit, file=file)
    try:
        value = float(first)
    except ValueError:
        return _of_text(column, first, unit=unit, file=file)
    named = _NAMED_UNIT.search(column)
    stated = unit or (named[1].lower().replace("seconds", "s").replace("sec", "s") if named else None)
    since_1970 = [one for one, ns in NS_PER.items() if _EPOCH_S[0] <= abs(value) * ns / 1e9 < _EPOCH_S[1]]
    if stated is None and not since_1970:
        raise RecordingError(
            f"{column} starts at {first}, and nothing says what it counts",
            code="time_unit",
            remedy=f"name the unit in the schema, such as {{{column!r}: ('time', 's')}}",
            file=file,
        )
    if stated in NS_PER and since_1970 and stated not in since_1970 and value > 1e9:
        raise RecordingError(
            f"{column} is said to count {stated} and starts at {first}, which is {since_1970[0]} since 1970",
            code="time_unit",
            remedy=f"correct the unit to {since_1970[0]!r}, or subtract the start if it does not count from 1970",
            file=file,
        )
    chosen = stated if stated is not None else since_1970[0]
    if chosen not in NS_PER:
        raise ValueError(f"the unit of {column} is {chosen!r}, expected one of {', '.join(NS_PER)} or 'iso'")
    return Stamp(column, chosen, epoch=chosen in since_1970, by_size=stated is None)  # type: ignore[arg-type]  # checked


def is_zoned(text: str) -> bool:
    """Return whether a date carries its offset from UTC."""
    date = _ISO.fullmatch(text.strip())
    return date is not None and date["zone"] is not None


def _of_text(column: str, first: str, *, unit: str | None, file: str) -> Stamp:
    if unit not in {None, "iso"} or not _ISO.fullmatch(first.strip()):
        raise RecordingError(
            f"{column} starts with {first[:40]!r}, expected a number, or a date such as 2026-05-01T08:00:00Z",
            code="date_format",
            remedy="write dates as ISO 8601, year first: day and month cannot be told apart otherwise",
            file=file,
            row=0,
        )
    return Stamp(column, "iso", epoch=True, zoned=is_zoned(first))


def to_ns(column: Any, stamp: Stamp, *, file: str, first_row: int = 0) -> Nanoseconds:  # noqa: ANN401  a pyarrow.Array, which has no types
    """Return a column of stamps in nanoseconds, or raise the first row that has none."""
    if column.null_count:
        refuse_missing(column.is_null().to_numpy(zero_copy_only=False), file=file, first_row=first_row)
    if stamp.unit == "iso":
        return from_dates(column.to_numpy(zero_copy_only=False), stamp, file=file, first_row=first_row)
    return from_numbers(column.to_numpy(zero_copy_only=False), stamp, file=file, first_row=first_row)


def refuse_missing(missing: "np.ndarray[Any, np.dtype[np.bool_]]", *, file: str, first_row: int) -> None:
    """Raise at the first of the rows that have no time."""
    if missing.any():
        raise RecordingError(
            "the row has no time",
            code="time_missing",
            remedy="drop these rows",
            file=file,
            row=first_row + int(np.argmax(missing)),
        )


def from_numbers(values: "np.ndarray[Any, Any]", stamp: Stamp, *, file: str, first_row: int = 0) -> Nanoseconds:
    """Return (n,) numbers of a unit as whole nanoseconds, without the loss that one product of floats would bring."""
    if values.dtype.kind in "iu":
        _check_room(values, stamp, file, first_row)
        whole = values.astype(np.int64, copy=False)
        return _checked(whole if stamp.unit == "ns" else whole * NS_PER[stamp.unit], stamp, file, first_row)
    refuse_missing(~np.isfinite(values), file=file, first_row=first_row)
    if stamp.unit == "ns":
        raise RecordingError(
            f"{stamp.column} holds nanoseconds as {values.dtype}, which cannot tell neighbours apart",
            code="time_float",
            remedy="give them as whole numbers; a missing cell often turns them into floats",
            file=file,
        )
    _check_room(values, stamp, file, first_row)
    whole = np.floor(values)
    parts = np.rint((values - whole) * NS_PER[stamp.unit]).astype(np.int64)
    return _checked(whole.astype(np.int64) * NS_PER[stamp.unit] + parts, stamp, file, first_row)


def from_dates(dates: "np.ndarray[Any, Any]", stamp: Stamp, *, file: str, first_row: int = 0) -> Nanoseconds:
    """Return (n,) dates of any unit as nanoseconds; those that would not fit are refused before they could wrap."""
    refuse_missing(np.isnat(dates), file=file, first_row=first_row)
    if np.datetime_data(dates.dtype)[0] in _FINER:
        dates = dates.astype("datetime64[ns]")
    # A date says 1970 where a clock was not set.
    earliest, latest = (np.datetime64(bound, "s").astype(dates.dtype) for bound in (0, _EPOCH_S[1]))
    strange = (dates < earliest) | (dates >= latest)
    if strange.any():
        row = int(np.argmax(strange))
        raise _strange(str(dates[row])[:40], stamp, file, first_row + row)
    return dates.astype("datetime64[ns]").astype(np.int64)


def _check_room(values: "np.ndarray[Any, Any]", stamp: Stamp, file: str, first_row: int) -> None:
    """Raise where a value would not fit the range of nanoseconds."""
    longest = _LONGEST_S * (10**9 // NS_PER[stamp.unit])
    if len(values) and (values.min() < -longest or values.max() > longest):
        strange = (values < -longest) | (values > longest)
        raise _strange(values[np.argmax(strange)], stamp, file, first_row + int(np.argmax(strange)))


def _checked(time_ns: Nanoseconds, stamp: Stamp, file: str, first_row: int) -> Nanoseconds:
    if not stamp.epoch or not len(time_ns):
        return time_ns
    earliest, latest = (bound * 10**9 for bound in _EPOCH_S)
    if time_ns.min() < earliest or time_ns.max() >= latest:
        strange = (time_ns < earliest) | (time_ns >= latest)
        row = int(np.argmax(strange))
        raise _strange(time_ns[row] / NS_PER.get(stamp.unit, 1), stamp, file, first_row + row)
    return time_ns


def _strange(value: object, stamp: Stamp, file: str, row: int) -> RecordingError:
    unit = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}.get(stamp.unit, "a date")
    since = "within the years 1970 to 2100" if stamp.unit == "iso" else "since 1970 within the years 2000 to 2100"
    range_ = f" {since}" if stamp.epoch else ""
    return RecordingError(
        f"{stamp.column} is {value}, expected {unit}{range_}",
        code="epoch",
        remedy="export it again, or name the unit that it has",
        file=file,
        row=row,
    )
