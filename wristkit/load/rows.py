"""Stamped rows of a CSV by column name: parsed strictly, repaired only as asked, every change counted."""

import codecs
import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.members import Lines, Members
from wristkit.recording import FloatArray

Nanoseconds = npt.NDArray[np.int64]

REPAIRS = ("drop_exact", "drop_tail", "spread_stamps")
_EPOCH_NS = (946_684_800 * 10**9, 4_102_444_800 * 10**9)  # the years 2000 to 2100
_MISSING = ["", "NaN", "nan", "null"]


class Change(NamedTuple):
    """What was found or repaired in a file, and how many of its rows it touched."""

    code: str
    rows: int
    note: str
    remedy: str


DROPPED_TAIL = Change("drop_tail", 1, "the last line has no end and was left out", "copy the file again")


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one file: stamps (n,) in nanoseconds since 1970, columns (n,) float64 or text by name."""

    file: str
    time_ns: Nanoseconds
    columns: Mapping[str, Any]
    changes: tuple[Change, ...]
    sha256: str

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """Return (n, c) of these columns."""
        return np.column_stack([self.columns[name] for name in names])


def read_rows(
    members: Members,
    file: str,
    *,
    numbers: Sequence[str],
    optional: Sequence[str] = (),
    text: Sequence[str] = (),
    repair: Collection[str],
) -> Rows:
    """Return the rows of a CSV with a ``time`` column in nanoseconds, in their order, as they stand.

    ``optional`` columns of numbers are read where all of them are there.

    Raises
    ------
    RecordingError
        With file and row: no rows, columns missing or twice, a field that is no number, a cut line.
    """
    with members.open(file) as raw:
        lines = Lines(raw, file=file, drop_tail="drop_tail" in repair)
        header = _header(lines, file)
        extra = tuple(optional) if set(optional) <= set(header) else ()
        _check_header(header, ("time", *numbers, *text), file)
        if lines.at_end():
            raise _cut_only_row(file) if lines.dropped else _empty(file, "a header and no rows")
        table = _parse(lines, header, (*numbers, *extra), text, file)
    columns = {name: table[name].to_numpy() for name in (*numbers, *extra)}
    for name, column in columns.items():
        _check_finite(column, name, file)
    columns |= {name: np.array(table[name].to_pylist(), dtype=object) for name in text}
    return Rows(file, _stamps(table["time"], file), columns, (DROPPED_TAIL,) if lines.dropped else (), lines.sha256)


def in_order(rows: Rows, repair: Collection[str]) -> Rows:
    """Return rows whose stamps increase; equal stamps are repaired where asked, anything else raises."""
    if "drop_exact" in repair:
        rows = _without_repeats(rows)
    steps = np.diff(rows.time_ns)
    if (steps < 0).any():
        raise RecordingError(
            f"time goes back by {-int(steps[np.argmax(steps < 0)])} ns, and in {int((steps < 0).sum())} rows in all",
            code="time_backwards",
            remedy="split the file where the clock was set back, or sort blocks that were written out of order",
            file=rows.file,
            row=int(np.argmax(steps < 0)) + 1,
        )
    if not (steps == 0).any():
        return rows
    if "spread_stamps" not in repair:
        _refuse_equal(rows)
    return _spread(rows)


def _header(lines: Lines, file: str) -> tuple[str, ...]:
    line = lines.header().removeprefix(codecs.BOM_UTF8)
    if not line.strip():
        raise _empty(file, "nothing" if lines.at_end() else "an empty first line")
    try:
        return tuple(name.strip() for name in next(csv.reader([line.decode()])))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(
            f"its first line is no header of a CSV ({error})", code="header", remedy="export it again", file=file
        ) from error


def _check_header(header: Sequence[str], required: Sequence[str], file: str) -> None:
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise RecordingError(
            f"it has the columns {twice} twice", code="duplicate_columns", remedy="keep one of each", file=file
        )
    if missing := [name for name in required if name not in header]:
        raise RecordingError(
            f"it lacks the columns {missing}, it has {list(header)[:20]}",
            code="columns_missing",
            remedy="export it again with comma-separated columns under the app's own names",
            file=file,
        )


def _parse(lines: Lines, header: Sequence[str], numbers: Sequence[str], text: Sequence[str], file: str) -> Any:  # noqa: ANN401  a pyarrow.Table, which has no types
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    types = {"time": pa.int64(), **dict.fromkeys(numbers, pa.float64()), **dict.fromkeys(text, pa.string())}
    # A quote in a file of numbers is damage, not quoting: it must not swallow the rows up to the next one.
    parse = pa_csv.ParseOptions(
        quote_char='"' if text else False, newlines_in_values=bool(text), ignore_empty_lines=False
    )
    try:
        return pa_csv.read_csv(
            lines,
            read_options=pa_csv.ReadOptions(column_names=list(header), use_threads=False),  # threads lose the row
            parse_options=parse,
            convert_options=pa_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=_MISSING, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        row = re.search(r"Row #(\d+)", str(error))
        raise RecordingError(
            f"it cannot be read as columns of numbers: {str(error)[:160]!r}",
            code="not_a_table",
            remedy="look at that row; export the recording again",
            file=file,
            row=int(row[1]) - 1 if row else None,
        ) from error


def _stamps(column: Any, file: str) -> Nanoseconds:  # noqa: ANN401  a pyarrow.ChunkedArray, which has no types
    if column.null_count:
        raise RecordingError(
            f"{column.null_count} rows have no time",
            code="time_missing",
            remedy="drop these rows",
            file=file,
            row=int(np.argmax(column.is_null().to_numpy())),
        )
    stamps: Nanoseconds = column.to_numpy()
    strange = (stamps < _EPOCH_NS[0]) | (stamps >= _EPOCH_NS[1])
    if strange.any():
        row = int(np.argmax(strange))
        raise RecordingError(
            f"time is {stamps[row]}, expected nanoseconds since 1970 within the years 2000 to 2100",
            code="epoch",
            remedy="export it again; seconds and milliseconds are another format",
            file=file,
            row=row,
        )
    return stamps


def _check_finite(column: FloatArray, name: str, file: str) -> None:
    if np.isinf(column).any():
        raise RecordingError(
            f"{name} is infinite in {int(np.isinf(column).sum())} rows",
            code="infinite",
            remedy="leave the field empty where nothing was measured",
            file=file,
            row=int(np.argmax(np.isinf(column))),
        )


def _empty(file: str, what: str) -> EmptyRecordingError:
    return EmptyRecordingError(f"it holds {what}", code="empty", remedy="export the recording again", file=file)


def _cut_only_row(file: str) -> EmptyRecordingError:
    return EmptyRecordingError(
        "its only row has no end and was dropped", code="cut_tail", remedy="copy the file again", file=file
    )


def _repeats(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a row equals the one before it, stamp and all."""
    same = np.diff(rows.time_ns) == 0
    for column in rows.columns.values():
        same &= (column[1:] == column[:-1]) | ((column[1:] != column[1:]) & (column[:-1] != column[:-1]))
    return np.concatenate([[False], same])


def _without_repeats(rows: Rows) -> Rows:
    repeats = _repeats(rows)
    if not repeats.any():
        return rows
    note = f"{repeats.sum()} rows were repeats of the row before and were dropped"
    change = Change("drop_exact", int(repeats.sum()), note, "find out why they are there twice")
    columns = {name: column[~repeats] for name, column in rows.columns.items()}
    return replace(rows, time_ns=rows.time_ns[~repeats], columns=columns, changes=(*rows.changes, change))


def _refuse_equal(rows: Rows) -> NoReturn:
    equal, repeats = np.diff(rows.time_ns, prepend=rows.time_ns[0] - 1) == 0, _repeats(rows)
    name = "drop_exact" if repeats.sum() == equal.sum() else "spread_stamps"
    raise RecordingError(
        f"{equal.sum()} rows have the stamp of the row before, {repeats.sum()} of them are exact repeats",
        code="equal_stamps",
        remedy=f"repair=('{name}',) if that is what happened; the findings count each row",
        file=rows.file,
        row=int(np.argmax(equal)),
    )


def _spread(rows: Rows) -> Rows:
    """Return rows of which those with one stamp are spread evenly from it towards the next stamp."""
    stamps, first, counts = np.unique(rows.time_ns, return_index=True, return_counts=True)
    room = np.diff(stamps) // counts[:-1]
    usual = int(np.median(room)) if len(room) else 0
    step = np.minimum(np.append(room, usual), usual)  # not over a gap
    if (step[counts > 1] < 1).any():
        raise RecordingError(
            "equal stamps have no room to be spread before the next one",
            code="equal_stamps",
            remedy="repair=('drop_exact',) for repeats; otherwise the clock of this file cannot be trusted",
            file=rows.file,
            row=int(first[np.argmax((counts > 1) & (step < 1))]) + 1,
        )
    within = np.arange(len(rows.time_ns)) - np.repeat(first, counts)
    spread = np.repeat(stamps, counts) + within * np.repeat(step, counts)
    moved = int((spread != rows.time_ns).sum())
    change = Change(
        "spread_stamps", moved, f"{moved} rows of equal stamps were spread", "trust times within a burst less"
    )
    return replace(rows, time_ns=spread, changes=(*rows.changes, change))
