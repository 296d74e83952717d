"""Tables of arrays: npz files and what lies in memory; their numbers, words and stamps."""

import io
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.gather import Request, Rows
from wristkit.load.members import find_members, reading, zip_files
from wristkit.load.rows import AS_IT_IS, WHOLE_TO, Words, check_numbers, count_rounded, of_rounding, scaled
from wristkit.load.schema import Part, Plan
from wristkit.load.stamps import Stamp, from_dates, from_numbers, is_zoned, stamp_of
from wristkit.load.table.tracks import Read, columns_of_part, hashed, plan_for, stamp_for, word_columns

Array = npt.NDArray[Any]
_PLAIN_KINDS = "fiubUSMm"
# All that numpy and the parser that it uses raise on a damaged header, or warn of.
_NO_HEADER = (
    *(ValueError, EOFError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError),
    *(UserWarning, SyntaxWarning, DeprecationWarning),
)


# Files and memory


def is_npz(path: Path) -> bool:
    """Return whether a zip holds arrays of numpy alone."""
    try:
        names = zip_files(path)
    except RecordingError:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def of_npz(path: Path, request: Request) -> Read:
    """Return the rows of a zip of arrays."""
    members = find_members(path, zip_files(path))
    if members is None:
        raise NotThisFormatError("it is no zip of arrays", code="format", remedy="save it with numpy.savez", file=path)
    columns = {}
    for name in members.names:
        with members.open(name) as file:
            columns[name.removesuffix(".npy")] = _npy(file, members.size(name), name)
    plan = plan_for(request.schema, list(columns), request, path.name)
    return hashed(of_arrays(columns, plan, request, file=path.name), path)


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


def unmasked(column: npt.ArrayLike, name: str, *, of_words: bool) -> Array:
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


# Rows


def of_arrays(columns: Mapping[str, Array], plan: Plan, request: Request, *, file: str) -> Read:
    """Return the rows of arrays by name; (n, c) arrays are as many columns."""
    table = Arrays(plan, request, file)
    table.append(columns)
    return table.read()


class Arrays:
    """The columns of a table of arrays, which come block by block."""

    def __init__(self, plan: Plan, request: Request, file: str) -> None:
        self.plan, self.request, self.file = plan, request, file
        self.texts = {name: Words(name, file) for name in word_columns(plan)}
        self.held = {name: request.spool.column(np.float32) for part in plan.parts for name, _ in columns_of_part(part)}
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

    def read(self) -> Read:
        """Return what came."""
        if self.stamp is None or not len(self.time_ns):
            raise EmptyRecordingError(
                "it has columns and no rows", code="empty", remedy="export it again", file=self.file
            )
        held = {name: column.array() for name, column in self.held.items()}
        words = {name: texts.all() for name, texts in self.texts.items()}
        rows = Rows(self.file, self.time_ns.array(), held, words=words)
        return Read(rows, self.plan, self.stamp, of_rounding(self.rounded))


# Numbers


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
    names = [name for name, _ in columns_of_part(part)]
    return {name: column.astype(np.float32) for name, column in zip(names, columns, strict=True)}


# Words


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


# Stamps


def _stamp_without_time(plan: Plan, request: Request, file: str) -> Stamp | None:
    return stamp_for(plan, {}, request, file) if plan.time is None else None


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
