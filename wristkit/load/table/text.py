"""Tables of text: the delimiter, the comma before decimals and the row of units, as the lines show them."""

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from wristkit.errors import RecordingError
from wristkit.load.gather import Remark, Request
from wristkit.load.members import Lines, Members, single
from wristkit.load.rows import (
    FLOAT32_ROUNDED,
    Dialect,
    Head,
    delimiter_of,
    opened,
    read_head,
    read_rows,
    refuse_no_rows,
    repeated_header,
)
from wristkit.load.schema import Plan, columns_of, spelled
from wristkit.load.table.tracks import Read, plan_for, stamp_for, word_columns

CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]")  # not in text; zeros are, after a loss of power
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")  # nobody writes 0,123 for 123
_VALUE = re.compile(r"[-+]?[\d.]|([-+]?nan|null|none|[-+]?inf(inity)?)$", re.IGNORECASE)  # that is no unit
_LINES_LOOKED_AT = 100
_UNITLESS = frozenset({"label", "id", "ignore"})


def is_text_table(head: bytes) -> bool:
    """Return whether the start of a file is of lines with as many fields as the first."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True  # UTF-16: to be told as such
    if CONTROL.search(head):
        return False
    first, newline, rest = head.partition(b"\n")
    if b"\0" in first:
        return False  # a loss of power leaves the start as it was
    delimiter = _dialect(first).delimiter.encode()
    fields = first.count(delimiter)
    second = rest.partition(b"\n")[0]
    return fields > 0 and newline != b"" and (not second.strip() or abs(second.count(delimiter) - fields) <= 1)


def of_text(path: Path, request: Request) -> Read:
    """Return the rows of CSV or TSV."""
    members = single(path)
    file = path.name
    with opened(members, file, request.repair) as lines:
        dialect = _dialect(lines.peek())
        head = read_head(lines, file, dialect)
        units = _units_row(head, lines, request, file)
        refuse_no_rows(lines, file)
        plan = _plan_with_units(request, head, units, file)
        numbers = [part.column for part in plan.parts]
        counted = [head.names.index(name) for name in (*numbers, plan.time) if name]
        dialect = dialect._replace(decimal=_decimal(lines, dialect, counted, file))
    if several := [part for part in plan.parts if len(part.channels) > 1]:
        column, stream, channel = several[0].column, several[0].stream, several[0].channels[0]
        raise ValueError(
            f"{column!r} is one column of text; name each of {stream}, such as ('{stream}.{channel}', ...)"
        )
    first = head.first if units is None else _second(members, file, request, dialect)
    shown = [field.replace(dialect.decimal, ".") for field in first]
    stamp = stamp_for(plan, dict(zip(head.names, shown, strict=False)), request, file)
    rows = read_rows(
        members,
        file,
        numbers=numbers,
        text=word_columns(plan),
        repair=request.repair,
        spool=request.spool,
        stamp=stamp,
        dialect=dialect,
        skip=0 if units is None else 1,
        scales={part.column: part.scale for part in plan.parts},
    )
    rounded = tuple(one for one in rows.remarks if one.code == FLOAT32_ROUNDED)  # told once, not of each stream
    rows = replace(rows, remarks=tuple(one for one in rows.remarks if one not in rounded))
    return Read(rows, plan, stamp, (*_of_decimal(dialect), *rounded))


def _dialect(line: bytes) -> Dialect:
    return Dialect(delimiter_of(line))


def _decimal(lines: Lines, dialect: Dialect, counted: Sequence[int], file: str) -> str:
    """Return the comma where fields of these columns are numbers with one, and these tell what it means."""
    text = b"\n".join(lines.ahead(_LINES_LOOKED_AT)).decode(errors="replace")
    fields: list[str] = []
    with suppress(csv.Error):  # of damage that the parser is going to name
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter):
            fields += [row[column].strip() for column in counted if column < len(row)]
    commas = [] if dialect.delimiter == "," else [field for field in fields if re.fullmatch(r"-?\d+,\d+", field)]
    if commas and all(map(_THOUSANDS.fullmatch, commas)):
        raise RecordingError(
            f"numbers such as {commas[0]} have a comma that may stand before decimals or between thousands",
            code="decimal",
            remedy="write numbers with a decimal point, and with nothing between thousands",
            file=file,
        )
    return "," if commas else "."


def _of_decimal(dialect: Dialect) -> tuple[Remark, ...]:
    if dialect.decimal == ".":
        return ()
    note = "numbers were read with a comma before their decimals, as their fields show"
    return (Remark("decimal_comma", 1, note, "look at a few values"),)


def _units_row(head: Head, lines: Lines, request: Request, file: str) -> tuple[str, ...] | None:
    """Return the units where the line below the header has them instead of numbers; the line is taken."""
    fields = head.first
    if fields == head.names:
        raise repeated_header(file, row=0)
    stated = {name for name, field in zip(head.names, fields, strict=False) if field}
    if len(fields) != len(head.names) or any(_VALUE.match(field) for field in fields if field):
        return None
    columns = columns_of(request.schema, head.names)
    if not any(name in stated and one.stream not in _UNITLESS for name, one in columns.items()):
        return None
    lines.header()
    following = lines.peek().strip()
    return tuple(one.strip("[]() ") for one in fields) if re.search(rb"\d", following) else None


def _second(members: Members, file: str, request: Request, dialect: Dialect) -> tuple[str, ...]:
    with opened(members, file, request.repair) as lines:
        lines.header()
        return read_head(lines, file, dialect).first


def _plan_with_units(request: Request, head: Head, units: tuple[str, ...] | None, file: str) -> Plan:
    """Return the plan of a schema with the units that the file itself has in a row; one that says otherwise raises."""
    columns = columns_of(request.schema, head.names)
    stated = {} if units is None else dict(zip(head.names, units, strict=True))
    for name, column in columns.items():
        if column.stream in _UNITLESS or not stated.get(name):
            continue
        if column.unit is not None and spelled(column.unit) != spelled(stated[name]):
            raise RecordingError(
                f"the schema has {name!r} in {column.unit!r}, the row of units below the header in {stated[name]!r}",
                code="unit_contradicts",
                remedy="find out which is true; leave the unit out of the schema where it is the file's",
                file=file,
            )
        columns[name] = column._replace(unit=stated[name])
    return plan_for(columns, head.names, request, file)
