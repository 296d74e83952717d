"""Tables of any origin with a schema: CSV and TSV, Parquet, npz, and DataFrames and arrays from memory."""

import csv
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Mark, Remark, Request, Rows, Track, converted, source_of
from wristkit.load.members import MOST_RATIO, Lines, Members, find_members, is_zip, reading, single, zip_files
from wristkit.load.order import in_order
from wristkit.load.rows import (
    AS_IT_IS,
    FLOAT32_ROUNDED,
    WHOLE_TO,
    Dialect,
    Head,
    Words,
    check_header,
    check_numbers,
    count_rounded,
    delimiter_of,
    of_rounding,
    opened,
    read_head,
    read_rows,
    refuse_no_rows,
    repeated_header,
    scaled,
)
from wristkit.load.runs import longest_step_ns, runs, spans
from wristkit.load.schema import Part, Plan, columns_of, example, plan_of, spelled
from wristkit.load.spool import Spool
from wristkit.load.stamps import Stamp, from_dates, from_numbers, is_zoned, stamp_of
from wristkit.recording import CANONICAL, blocks
from wristkit.recording.hashing import hash_of_file

Array = npt.NDArray[Any]

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_HEAD_BYTES, _LONGEST_HEAD = 2**12, 2**20  # of a header of many columns
_NUMBER_BYTES, _RATIO_COUNTS_FROM = 8, 2**20
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]")  # not in text; zeros are, after a loss of power
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")  # nobody writes 0,123 for 123
_VALUE = re.compile(r"[-+]?[\d.]|([-+]?nan|null|none|[-+]?inf(inity)?)$", re.IGNORECASE)  # that is no unit
_LINES_LOOKED_AT = 100
_UNITLESS = frozenset({"label", "id", "ignore"})
_DAY_NS = 86_400 * 10**9
_PLAIN_KINDS = "fiubUSMm"
_MOST_NAMES, _LONGEST_NAME = 20, 60
# All that numpy and the parser that it uses raise on a damaged header, or warn of.
_NO_HEADER = (
    *(ValueError, EOFError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError),
    *(UserWarning, SyntaxWarning, DeprecationWarning),
)


class _Read(NamedTuple):
    """Rows of a table, what its columns are, and how its stamps count."""

    rows: Rows
    plan: Plan
    stamp: Stamp
    remarks: tuple[Remark, ...] = ()


def recognises(path: Path) -> bool:
    """Return whether a file is a table: lines of as many fields as its first, Parquet, or a zip of arrays."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.count(b"\n") < 2 and not _CONTROL.search(head):
            head += file.read(_LONGEST_HEAD)
    if head[:4] == _PARQUET:
        return True
    if is_zip(path):
        return _is_npz(path)
    try:
        return head[:2] == _GZIP or _is_text_table(head)
    except RecordingError:
        return False


def _is_npz(path: Path) -> bool:
    try:
        names = zip_files(path)
    except RecordingError:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def _is_text_table(head: bytes) -> bool:
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True  # UTF-16: to be told as such
    if _CONTROL.search(head):
        return False
    first, newline, rest = head.partition(b"\n")
    if b"\0" in first:
        return False  # a loss of power leaves the start as it was
    delimiter = _dialect(first).delimiter.encode()
    fields = first.count(delimiter)
    second = rest.partition(b"\n")[0]
    return fields > 0 and newline != b"" and (not second.strip() or abs(second.count(delimiter) - fields) <= 1)


def read(path: Path, request: Request) -> Gathered:
    """Return the streams of a table whose columns the schema names."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == _PARQUET:
        table = _of_parquet(path, request)
    else:
        table = _of_npz(path, request) if is_zip(path) else _of_text(path, request)
    return _gathered(table, request, source_of(path, "table", table.rows.content_hash))


def read_memory(table: pd.DataFrame | Mapping[str, npt.ArrayLike], request: Request) -> Gathered:
    """Return the streams of a DataFrame, or of arrays by name."""
    check_header([str(name) for name in table], (), "the table")
    plan = _plan(request.schema, [str(name) for name in table], request, "the table")
    columns = {
        str(name): _unmasked(column, str(name), of_words=str(name) in _of_words(plan)) for name, column in table.items()
    }
    return _gathered(_of_arrays(columns, plan, request, file="the table"), request, {"format": "memory"})


def _of_words(plan: Plan) -> tuple[str, ...]:
    """Return the columns that are read as text."""
    return tuple(name for name in (plan.label, plan.device) if name)


def _unmasked(column: npt.ArrayLike, name: str, *, of_words: bool) -> Array:
    """Return an array; what is masked is missing, not what lies under the mask.

    Whole numbers that are ``of_words`` stay whole where some are missing: as floats, two ids could become one.
    """
    if of_words and _is_whole(column):
        return np.asarray(column.astype(object))
    if not isinstance(column, np.ma.MaskedArray) or not column.mask.any():
        try:
            return np.asarray(column, dtype=object if of_words and isinstance(column, list | tuple) else None)
        except ValueError as error:
            raise RecordingError(
                f"{name} is no array, as its rows have several lengths ({error})"[:200],
                code="shape",
                remedy="give one number a row, or as many in each row as there are channels",
            ) from error
    kind = column.dtype.kind
    if kind == "f" or (kind in "iu" and not of_words):
        return np.ma.filled(column.astype(np.float64), np.nan)
    if kind in "mM":
        return column.filled(column.dtype.type("NaT"))
    if kind in "US":
        return column.filled(column.dtype.type())
    objects: Array = column.data.astype(object)
    objects[column.mask] = None
    return objects


def _is_whole(column: object) -> TypeGuard[pd.Series]:
    """Return whether a column is of whole numbers that pandas keeps apart from those that are missing."""
    kind = getattr(column, "dtype", None)
    kind = kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind
    return isinstance(column, pd.Series | ExtensionArray) and pd.api.types.is_integer_dtype(kind)


# Text


def _of_text(path: Path, request: Request) -> _Read:
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
    stamp = _stamp(plan, dict(zip(head.names, shown, strict=False)), request, file)
    rows = read_rows(
        members,
        file,
        numbers=numbers,
        text=_of_words(plan),
        repair=request.repair,
        spool=request.spool,
        stamp=stamp,
        dialect=dialect,
        skip=0 if units is None else 1,
        scales={part.column: part.scale for part in plan.parts},
    )
    rounded = tuple(one for one in rows.remarks if one.code == FLOAT32_ROUNDED)  # told once, not of each stream
    rows = replace(rows, remarks=tuple(one for one in rows.remarks if one not in rounded))
    return _Read(rows, plan, stamp, (*_of_decimal(dialect), *rounded))


def _clock(stamp: Stamp) -> str:
    if not stamp.epoch:
        return "none"
    return "utc" if stamp.zoned else "local"


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
    return _plan(columns, head.names, request, file)


def _plan(schema: object, names: Sequence[str], request: Request, file: str) -> Plan:
    """Return the plan of a schema; where nobody gave one, what is wrong with it is wrong with the file."""
    try:
        return plan_of(schema, names, unit=request.unit)
    except ValueError as error:
        if request.schema is not None or isinstance(error, RecordingError):
            raise
        raise _no_schema(str(error), names, file) from error


def _no_schema(what: str, names: Sequence[str], file: str) -> RecordingError:
    return RecordingError(
        f"the names of its columns alone do not say what they are: {what}",
        code="schema_missing",
        remedy=example(names),
        file=file,
    )


def _stamp(plan: Plan, first: Mapping[str, str], request: Request, file: str) -> Stamp:
    if plan.time is not None:
        return stamp_of(plan.time, first.get(plan.time, ""), unit=plan.time_unit, file=file)
    if request.rate_hz is None and request.schema is None:
        raise _no_schema("none is of time", [part.column for part in plan.parts], file)
    if request.rate_hz is None:
        raise ValueError("the schema names no column of time; name one, or give rate_hz if rows have no stamps")
    return Stamp("", "ns", epoch=False)


# Parquet


def _of_parquet(path: Path, request: Request) -> _Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_header(file.schema_arrow.names, (), path.name)
            plan = _plan(request.schema, file.schema_arrow.names, request, path.name)
            names = [part.column for part in plan.parts]
            names += [one for one in (plan.time, *_of_words(plan)) if one]
            _check_ratio(file.metadata.num_rows, len(names), path)
            table = _Arrays(plan, request, path.name)
            for batch in file.iter_batches(columns=names):
                table.append({name: _of_arrow(batch.column(name), of_words=name in _of_words(plan)) for name in names})
            zoned = plan.time is not None and bool(getattr(file.schema_arrow.field(plan.time).type, "tz", None))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, EOFError) as error:
        raise TruncatedError(
            f"the Parquet file is cut or damaged: {str(error)[:160]!r}",
            code="damaged",
            remedy="copy or write it again",
            file=path,
        ) from error
    read = _hashed(table.read(), path)
    # A time that has a zone is UTC in the file, and the array of it does not say so any more.
    return read._replace(stamp=read.stamp._replace(zoned=True)) if zoned else read


def _of_arrow(column: Any, *, of_words: bool) -> Array:  # noqa: ANN401  a pyarrow.Array, which has no types
    """Return a column; whole numbers that are ``of_words`` stay whole where some are missing."""
    import pyarrow as pa

    if of_words and pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if of_words and pa.types.is_integer(column.type) and column.null_count:
        return np.array(column.to_pylist(), dtype=object)
    array: Array = column.to_numpy(zero_copy_only=False)
    return array


def _check_ratio(rows: int, columns: int, path: Path) -> None:
    """Raise where a small file says that it holds more than any sensor's numbers could be packed into it."""
    ratio = rows * columns * _NUMBER_BYTES / path.stat().st_size
    if rows > _RATIO_COUNTS_FROM and ratio > MOST_RATIO:
        raise RecordingError(
            f"it unpacks to {rows} rows of {columns} columns, {ratio:.0f} times its size; the limit is {MOST_RATIO}",
            code="zip_bomb",
            remedy="look what is in it: genuine signals hardly repeat; pass its rows as a DataFrame if it is genuine",
            file=path,
        )


def _hashed(read: _Read, path: Path) -> _Read:
    with path.open("rb") as file:
        digest = hash_of_file(file)
    return read._replace(rows=replace(read.rows, content_hash=digest))


# Arrays


def _of_npz(path: Path, request: Request) -> _Read:
    members = find_members(path, zip_files(path))
    if members is None:
        raise NotThisFormatError("it is no zip of arrays", code="format", remedy="save it with numpy.savez", file=path)
    columns = {}
    for name in members.names:
        with members.open(name) as file:
            columns[name.removesuffix(".npy")] = _npy(file, members.size(name), name)
    plan = _plan(request.schema, list(columns), request, path.name)
    return _hashed(_of_arrays(columns, plan, request, file=path.name), path)


def _npy(file: IO[bytes], size: int, name: str) -> Array:
    """Return one array, whose header is held against the bytes that are there; objects are never unpickled."""
    content = io.BytesIO(_whole(file, size, name))
    try:
        version = np.lib.format.read_magic(content)  # type: ignore[no-untyped-call]  # numpy has no types for it
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings(action="error"):  # of headers that only Python 2 could have written
            shape, fortran, dtype = header(content)  # type: ignore[no-untyped-call]
    except _NO_HEADER as error:
        raise RecordingError(
            f"it is no numpy array: {error}", code="not_an_array", remedy="save it with numpy.savez", file=name
        ) from error
    if dtype.kind not in _PLAIN_KINDS:
        raise RecordingError(
            f"it holds {dtype}, expected numbers or text; objects are never unpickled",
            code="objects",
            remedy="save plain arrays of numbers",
            file=name,
        )
    left = size - content.tell()
    if int(np.prod(shape, dtype=object)) * dtype.itemsize != left:
        raise TruncatedError(
            f"its header says {shape} of {dtype}, which are not the {left} bytes that follow",
            code="truncated",
            remedy="copy or save it again",
            file=name,
        )
    flat = np.frombuffer(content.getvalue(), dtype=dtype, offset=content.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _whole(file: IO[bytes], size: int, name: str) -> bytes:
    with reading(name):
        return file.read(size + 1)


def _of_arrays(columns: Mapping[str, Array], plan: Plan, request: Request, *, file: str) -> _Read:
    """Return the rows of arrays by name; (n, c) arrays are as many columns."""
    table = _Arrays(plan, request, file)
    table.append(columns)
    return table.read()


class _Arrays:
    """The columns of a table of arrays, which come block by block."""

    def __init__(self, plan: Plan, request: Request, file: str) -> None:
        self.plan, self.request, self.file = plan, request, file
        self.texts = {name: Words(name, file) for name in _of_words(plan)}
        self.held = {name: request.spool.column(np.float32) for part in plan.parts for name, _ in _columns_of(part)}
        self.held |= {name: request.spool.column(np.int32) for name in self.texts}
        self.time_ns, self.stamp = request.spool.column(np.int64), _stamp_without_time(plan, request, file)
        self.rounded: dict[str, int] = {}

    def append(self, columns: Mapping[str, Array]) -> None:
        """Add rows, or raise what is wrong with one of them."""
        block: dict[str, Array] = {}
        first = len(self.time_ns)
        for part in self.plan.parts:
            block |= _numbers(part, columns[part.column], self.file, first, self.rounded)
        count = len(next(iter(block.values())))
        for name, words in self.texts.items():
            block[name] = _numbered(columns[name], words, name, self.file, first)
        if wrong := [name for name, one in block.items() if len(one) != count]:
            raise RecordingError(
                f"the columns {wrong} have other lengths than the first, {count} rows",
                code="shape",
                remedy="give one value a row",
                file=self.file,
            )
        if not count:
            return
        for name, one in block.items():
            self.held[name].append(one)
        self.time_ns.append(self._stamps(columns, count, first))

    def _stamps(self, columns: Mapping[str, Array], count: int, first: int) -> Array:
        """Return stamps (n,) in nanoseconds; the first block says how they count."""
        if self.plan.time is None:
            return np.arange(first, first + count, dtype=np.int64)
        stamps = columns[self.plan.time]
        if stamps.shape != (count,):
            raise RecordingError(
                f"{self.plan.time} has shape {stamps.shape} for {count} rows",
                code="shape",
                remedy="give one stamp a row",
                file=self.file,
            )
        self.stamp = self.stamp or _stamp_of_array(stamps, self.plan, self.file)
        return _in_ns(stamps, self.stamp, self.file, first)

    def read(self) -> _Read:
        """Return what came."""
        if self.stamp is None or not len(self.time_ns):
            raise EmptyRecordingError(
                "it has columns and no rows", code="empty", remedy="export it again", file=self.file
            )
        held = {name: column.array() for name, column in self.held.items()}
        words = {name: texts.all() for name, texts in self.texts.items()}
        rows = Rows(self.file, self.time_ns.array(), held, words=words)
        return _Read(rows, self.plan, self.stamp, of_rounding(self.rounded))


def _numbered(column: Array, words: Words, name: str, file: str, first: int) -> Array:
    """Return the numbers of a column's words."""
    if column.ndim != 1:
        raise _not_one_word(name, f"has shape {column.shape}", file)
    if column.dtype.kind in "fiub" and column.ndim == 1:
        distinct, place = np.unique(column, return_inverse=True)
        return words.numbered(map(_text, distinct))[place]
    return words.numbered(_texts(column, name, file, first))


def _texts(column: Array, name: str, file: str, first: int) -> Iterator[str]:
    """Yield a column as text, or raise the first row that no file could hold."""
    for row, value in enumerate(column):
        if pd.api.types.is_list_like(value):
            raise _not_one_word(name, f"holds {str(value)[:40]!r}", file, first + row)
        try:
            text = _text(value)
            text.encode().decode()  # numpy lets anything be a character, which only decoding refuses
        except ValueError as error:  # half a pair of UTF-16, or no character at all
            raise RecordingError(
                f"{name} holds what is no text ({error})"[:200],
                code="encoding",
                remedy="write the table again, with text as UTF-8",
                file=file,
                row=first + row,
            ) from error
        yield text


def _not_one_word(name: str, what: str, file: str, row: int | None = None) -> RecordingError:
    return RecordingError(
        f"{name} {what}, expected one value a row",
        code="shape",
        remedy="give one value a row, such as several labels joined to one text",
        file=file,
        row=row,
    )


def _text(value: object) -> str:
    """Return a cell as a file of text has it: nothing where it is missing, and whole numbers without a point."""
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]  # a scalar, as is checked
        return ""
    if isinstance(value, bytes):
        return value.decode()
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value) if whole else value)  # type: ignore[call-overload]  # a float, as is checked


def _numbers(part: Part, array: Array, file: str, first: int, rounded: dict[str, int]) -> dict[str, Array]:
    """Return each column (n,) of an array (n,) or (n, c) by its name; what is rounded is counted."""
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise RecordingError(
            f"{part.column} is an array of {array.dtype} with shape {array.shape}, expected numbers, a row a sample",
            code="not_numeric",
            remedy="convert it first",
            file=file,
        )
    matrix = array[:, None] if array.ndim == 1 else array
    if matrix.shape[1] != len(part.channels):
        raise RecordingError(
            f"{part.column} has {matrix.shape[1]} columns, the schema names the channels {part.channels}",
            code="channels",
            remedy=f"write {part.stream}.x,y,z or whatever its columns are, in their order",
            file=file,
        )
    for index in range(len(part.channels)):
        largest = check_numbers(matrix[:, index], part.column, file, first)
        if part.scale == AS_IT_IS and largest > WHOLE_TO:
            rounded[part.column] = rounded.get(part.column, 0) + count_rounded(matrix[:, index])
    columns = [scaled(matrix[:, index].astype(np.float64), part.scale) for index in range(len(part.channels))]
    names = [name for name, _ in _columns_of(part)]
    return {name: column.astype(np.float32) for name, column in zip(names, columns, strict=True)}


def _stamp_without_time(plan: Plan, request: Request, file: str) -> Stamp | None:
    return _stamp(plan, {}, request, file) if plan.time is None else None


def _stamp_of_array(stamps: Array, plan: Plan, file: str) -> Stamp:
    """Return how stamps count."""
    name = plan.time or ""
    if stamps.dtype.kind == "M":
        return Stamp(name, "iso", zoned=False)
    if stamps.dtype.kind in "OUS":
        first_text = next(_texts(stamps[:1], name, file, 0))
        return stamp_of(name, first_text, unit=plan.time_unit, file=file)
    if stamps.dtype.kind not in "fiu" or stamps.dtype in (np.float32, np.float16):
        raise RecordingError(
            f"{name} is an array of {stamps.dtype}; float32 tells no samples apart after a day",
            code="time_float32" if stamps.dtype.kind == "f" else "not_numeric",
            remedy="give the float64 or integer stamps that they were made from",
            file=file,
        )
    finite = np.isfinite(stamps)
    first = repr(stamps[np.argmax(finite)].item()) if finite.any() else "nan"
    return stamp_of(name, first, unit=plan.time_unit, file=file)


def _in_ns(stamps: Array, stamp: Stamp, file: str, first: int) -> Array:
    if stamps.dtype.kind == "M":
        return from_dates(stamps, stamp, file=file, first_row=first)
    if stamps.dtype.kind in "OUS":
        texts = list(_texts(stamps, stamp.column, file, first))
        return _of_iso(texts, stamp, file, first) if stamp.unit == "iso" else _of_digits(texts, stamp, file, first)
    return from_numbers(stamps, stamp, file=file, first_row=first)


def _of_digits(texts: Sequence[str], stamp: Stamp, file: str, first: int) -> Array:
    """Return stamps of numbers that came as objects or text; whole ones are read as such."""
    try:
        whole = np.array(texts).astype(np.int64)
    except (ValueError, OverflowError):
        numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=np.float64)
    else:
        return from_numbers(whole, stamp, file=file, first_row=first)
    wrong = np.array([text != "" for text in texts]) & np.isnan(numbers)
    if wrong.any():
        raise RecordingError(
            f"{stamp.column} has {texts[int(np.argmax(wrong))][:40]!r} among numbers",
            code="not_numeric",
            remedy="give numbers in all rows, or dates",
            file=file,
            row=first + int(np.argmax(wrong)),
        )
    return from_numbers(numbers, stamp, file=file, first_row=first)


def _of_iso(texts: Sequence[str], stamp: Stamp, file: str, first: int) -> Array:
    import pyarrow as pa

    if stamp.zoned and (naive := [row for row, text in enumerate(texts) if text and not is_zoned(text)]):
        raise RecordingError(
            f"{len(naive)} dates have no offset from UTC, and others have one",
            code="date_format",
            remedy="write the offset in every row, or in none",
            file=file,
            row=first + naive[0],
        )
    try:
        parsed = pd.to_datetime(pd.Series(texts), utc=stamp.zoned, format="ISO8601", errors="raise")
    except (ValueError, pa.ArrowInvalid) as error:
        raise RecordingError(
            f"{stamp.column} cannot be read as dates: {str(error)[:120]!r}",
            code="date_format",
            remedy="write dates as ISO 8601",
            file=file,
        ) from error
    plain = parsed.dt.tz_localize(None) if stamp.zoned else parsed
    return from_dates(plain.to_numpy(), stamp, file=file, first_row=first)


# What all tables share


def _gathered(read: _Read, request: Request, source: Mapping[str, str]) -> Gathered:
    rows, plan, stamp = read.rows, read.plan, read.stamp
    clock = _clock(stamp)
    nameless = _of_devices(rows, plan)
    ordered = in_order(rows, request.repair, request.spool) if plan.time else rows
    if clock == "local" and request.zone:
        _refuse_change_of_clocks(ordered, request.zone)
    streams = dict.fromkeys(part.stream for part in plan.parts)
    timed = ordered if plan.time else _by_rate(ordered, request)
    marks, labelled = _labels(timed, plan, request.spool)
    return Gathered(
        [_track(stream, ordered, plan, request) for stream in streams],
        clock=clock,
        marks=marks,
        labelled=labelled,
        remarks=(*read.remarks, *_of_stamp(stamp), *nameless, *_not_read(plan)),
        source=source,
    )


def _of_stamp(stamp: Stamp) -> tuple[Remark, ...]:
    """Return what to say where the unit of time was not stated: which one it was taken for."""
    if not stamp.by_size:
        return ()
    note = f"{stamp.column} was read as {stamp.unit} since 1970, as the size of its first value shows"
    return (Remark("time_unit_from_data", 1, note, f"state ('time', {stamp.unit!r}) in the schema"),)


def _columns_of(part: Part) -> list[tuple[str, str]]:
    """Return (name among the rows' columns, channel) of each channel of a part."""
    if len(part.channels) == 1:
        return [(part.column, part.channels[0])]
    return [(f"{part.column}.{channel}", channel) for channel in part.channels]


def _track(stream: str, rows: Rows, plan: Plan, request: Request) -> Track:
    """Return one stream, its channels in their canonical order and its numbers in the canonical unit."""
    parts = [part for part in plan.parts if part.stream == stream]
    held = {channel: name for part in parts for name, channel in _columns_of(part)}
    canonical = CANONICAL[stream].channels if stream in CANONICAL else ()
    channels = canonical or tuple(held)
    values = request.spool.stacked([rows.columns[held[channel]] for channel in channels])
    absent: tuple[Remark, ...] = ()
    if stream == "heart_rate":
        values, absent = without_sentinels(values, request.spool)
    remarks = (*rows.remarks, *_of_conversion(parts, len(rows.time_ns)), *absent)
    unit = parts[0].unit
    if plan.time is None:
        return Track(stream, values, channels=channels, unit=unit, rate_hz=request.rate_hz, remarks=remarks)
    return Track(
        stream, values, rows.time_ns, channels=channels, unit=unit, stated_rate_hz=request.rate_hz, remarks=remarks
    )


def _of_conversion(parts: Sequence[Part], count: int) -> tuple[Remark, ...]:
    """Return what to say where the unit of a stream is another than the table's, and where signs were turned."""
    stream, unit = parts[0].stream, parts[0].unit
    given = " and ".join(dict.fromkeys(part.given for part in parts if part.given != unit))
    of_unit = (converted(stream, given, unit, count),) if given else ()
    if not parts[0].android:
        return of_unit
    note = "signs were turned: at rest the axis that points up reads -1 g, as Core Motion has it"
    return (*of_unit, Remark("frame_converted", count, note, "nothing, if the schema is right"))


def _by_rate(rows: Rows, request: Request) -> Rows:
    """Return rows that were counted with the stamps that their rate gives them, never later than the samples."""
    step_ns = 1e9 / float(request.rate_hz or 1.0)
    time_ns = request.spool.mapped(lambda count: np.floor(count * step_ns).astype(np.int64), rows.time_ns)
    return replace(rows, time_ns=time_ns)


def _labels(rows: Rows, plan: Plan, spool: Spool) -> tuple[list[Mark], dict[str, list[tuple[int, int]]]]:
    """Return each run of one label, and the spans in which there is one: an empty cell means that nobody looked.

    Where the schema says that it is background, the spans are those of all rows. No span reaches over a gap.
    """
    if plan.label is None:
        return [], {}
    words = [word.strip() for word in rows.words[plan.label]]
    longest_ns = longest_step_ns(rows.time_ns, spool)
    found = runs(rows.time_ns, rows.columns[plan.label], longest_step_ns=longest_ns, file=rows.file)
    named = [run for run in found if words[run.value]]
    marks = [Mark(run.start_ns, run.stop_ns, words[run.value], "truth", "file") for run in named]
    return marks, {"truth": spans(found if plan.empty_is_background else named)}


def _not_read(plan: Plan) -> tuple[Remark, ...]:
    if not plan.unread:
        return ()
    told = ", ".join(" ".join(name.split())[:_LONGEST_NAME] for name in plan.unread[:_MOST_NAMES])
    more = f" and {len(plan.unread) - _MOST_NAMES} more" if len(plan.unread) > _MOST_NAMES else ""
    remedy = "name in the schema what is needed, and the rest as 'ignore'"
    return (Remark("not_read", len(plan.unread), f"columns not read: {told}{more}", remedy),)


def _of_devices(rows: Rows, plan: Plan) -> tuple[Remark, ...]:
    """Return what to say of rows whose device is not stated; raise where there are several."""
    words = [word.strip() for word in rows.words[plan.device]] if plan.device else []
    known = set(words) - {""}
    if len(known) > 1:
        raise RecordingError(
            f"it holds {len(known)} devices or people in the column {plan.device!r}",
            code="several_recordings",
            remedy="write one table of each, or pass the rows of one as a DataFrame",
            file=rows.file,
        )
    if not known or "" not in words:
        return ()
    empty = [code for code, word in enumerate(words) if not word]
    count = sum(int(np.isin(block, empty).sum()) for (block,) in blocks(rows.columns[plan.device or ""]))
    note = f"{plan.device} is empty in {count} rows, which were read as the device of the others"
    return (Remark("id_missing", count, note, "leave these rows out if they are of another device"),)


def _refuse_change_of_clocks(rows: Rows, zone: str) -> None:
    """Raise where clocks were changed between the first and the last stamp: local times then have a step."""
    first_ns, last_ns = int(rows.time_ns[0]), int(rows.time_ns[-1])
    moments = [pd.Timestamp(ns, unit="ns") for ns in (*range(first_ns, last_ns, _DAY_NS), last_ns)]
    try:
        offsets = {ZoneInfo(zone).utcoffset(moment.to_pydatetime(warn=False)) for moment in moments}
    except (ZoneInfoNotFoundError, OSError, ValueError) as fault:
        raise ValueError(f"zone is {zone!r}, expected a name such as 'Europe/Paris'") from fault
    if len(offsets) > 1:
        raise RecordingError(
            f"its local times cross a change of clocks in {zone}, where an hour is missing or happens twice",
            code="summer_time",
            remedy="export times with their offset from UTC, or split the file at the change",
            file=rows.file,
        )
