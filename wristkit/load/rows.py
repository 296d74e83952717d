"""Stamped rows of a CSV by column name: parsed strictly, block by block."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.gather import Remark, Rows
from wristkit.load.members import Lines, Members
from wristkit.load.parse import Form, RowError, parse, whole_rows
from wristkit.load.spool import Column, Spool
from wristkit.load.stamps import EPOCH, Stamp, to_ns
from wristkit.recording import FloatArray

_MISSING = ("", "NaN", "nan", "null")
MOST_WORDS = 100_000
WHOLE_TO = 2**24  # float32 holds each whole number up to it
_LINES_LOOKED_AT, _MOST_EXPECTED = 100, 2**22
_LARGEST = 1e15  # beyond it a float64 holds no fractions

_DELIMITERS = (",", ";", "\t", "|")
_STAMPED_LINE = rf"\n\d{{10,}}[{''.join(_DELIMITERS)}]"  # a note of several lines has no such line

_CURES = {
    "open_quote": "close the quote in its line, or take it out; texts of several lines beside numbers are not read",
    "blank_line": "take the line out: nobody knows whether a row is missing there",
}
FLOAT32_ROUNDED = "float32_rounded"
DROPPED_TAIL = Remark("drop_tail", 1, "the last line has no end and was left out", "copy the file again")


class Dialect(NamedTuple):
    """How numbers are written in a table of text."""

    delimiter: str = ","
    decimal: str = "."


PLAIN = Dialect()


def delimiter_of(header: bytes) -> str:
    """Return what stands between the names of columns: a comma where nothing does."""
    return max(_DELIMITERS, key=lambda one: header.count(one.encode()))


class Scale(NamedTuple):
    """How the numbers of a column become canonical."""

    factor: float = 1.0
    offset: float = 0.0


AS_IT_IS = Scale()


def scaled(values: FloatArray, scale: Scale) -> FloatArray:
    """Return numbers in their canonical unit."""
    return values if scale == (1.0, 0.0) else values * scale.factor + scale.offset


class Head(NamedTuple):
    """Names of the columns, the line that holds them, and the first line of data ("" where there is none)."""

    names: tuple[str, ...]
    line: bytes
    first: tuple[str, ...]


def read_rows(
    members: Members,
    file: str,
    *,
    numbers: Sequence[str],
    optional: Sequence[str] = (),
    text: Sequence[str] = (),
    repair: Collection[str],
    spool: Spool,
    stamp: Stamp = EPOCH,
    dialect: Dialect = PLAIN,
    skip: int = 0,
    scales: Mapping[str, Scale] = MappingProxyType({}),
    most_words: int = MOST_WORDS,
) -> Rows:
    """Return the rows of a CSV with a column of stamps, in their order, as they stand.

    Columns of text hold few words, again and again; more than ``most_words`` distinct ones in one raise.
    ``optional`` columns of numbers are read where all of them are there; ``skip`` lines below the header are not data.
    Columns with a scale become canonical numbers in float32 at once; others stay as they are, in float64.

    Raises
    ------
    RecordingError
        With file and row: no rows, columns missing or twice, a field that is no number, a cut line.
    """
    with opened(members, file, repair) as lines:
        head = read_head(lines, file, dialect)
        for _ in range(skip):
            lines.skip()
        extra = tuple(optional) if set(optional) <= set(head.names) else ()
        check_header(head.names, ((stamp.column,) if stamp.column else ()) + (*numbers, *text), file)
        refuse_no_rows(lines, file)
        form = _form(head, dialect, numbers, text)
        table = _Table(
            (*numbers, *extra),
            text,
            form=form,
            rows=_expected_rows(lines, members.size(file)),
            spool=spool,
            file=file,
            stamp=stamp,
            scales=scales,
            most_words=most_words,
        )
        try:
            for block in whole_rows(lines, form, file=file):
                table.append(block)
        except RowError as error:
            raise _not_a_table(error, head, file, headers_dropped="drop_headers" in repair) from error
    return table.rows((*_of_lines(lines), *of_rounding(table.rounded)), lines.content_hash)


def opened(members: Members, file: str, repair: Collection[str]) -> Lines:
    """Return the whole lines of one file, to be used in a ``with`` block."""
    return Lines(
        members.open(file),
        file=file,
        drop_tail="drop_tail" in repair,
        drop_headers="drop_headers" in repair,
        size=members.size(file),
    )


def read_head(lines: Lines, file: str, dialect: Dialect = PLAIN) -> Head:
    """Return the header of a table, and its first line of data, which is not taken."""
    line = lines.header()
    if not line.removeprefix(codecs.BOM_UTF8).strip():
        raise _empty(file, "nothing" if lines.at_end() else "an empty first line")
    return Head(_fields(line, file, dialect), line, _fields(lines.peek(), file, dialect))


def refuse_no_rows(lines: Lines, file: str) -> None:
    """Raise where no line is left below the header."""
    if lines.at_end():
        raise _cut_only_row(file) if lines.dropped or lines.cut else _empty(file, "a header and no rows")


def no_rows(file: str, *remarks: Remark) -> Rows:
    """Return a file without rows, and what to say of it."""
    return Rows(file, np.empty(0, dtype=np.int64), {}, remarks)


def empty_file(file: str) -> Remark:
    """Return what to say of a file that is there and holds no rows, where others do."""
    return Remark("empty_file", 1, f"{file} holds no rows", "nothing, if none were expected")


def dropped(error: EmptyRecordingError) -> tuple[Remark, ...]:
    """Return what to say of a file whose only row was dropped: it must be counted as any other."""
    return (DROPPED_TAIL,) if error.code == "cut_tail" else ()


def check_header(names: Sequence[str], required: Sequence[str], file: str) -> None:
    """Raise where a column is there twice, or one that is needed is not."""
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise RecordingError(
            f"it has the columns {twice} twice", code="duplicate_columns", remedy="keep one of each", file=file
        )
    if missing := [name for name in required if name not in names]:
        raise RecordingError(
            f"it lacks the columns {missing}, it has {list(names)[:20]}",
            code="columns_missing",
            remedy="export it again with comma-separated columns under the app's own names",
            file=file,
        )


def _fields(line: bytes, file: str, dialect: Dialect) -> tuple[str, ...]:
    try:
        text = line.removeprefix(codecs.BOM_UTF8).decode()
        return tuple(name.strip() for name in next(csv.reader([text], delimiter=dialect.delimiter), []))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(
            f"its first lines are no text of a CSV ({error})", code="header", remedy="export it again", file=file
        ) from error


class Words:
    """The distinct words of a column of text, numbered as they come."""

    def __init__(self, name: str, file: str, *, most: int = MOST_WORDS) -> None:
        self._name, self._file, self._most = name, file, most
        self._known: dict[str, int] = {}

    def numbered(self, words: Iterable[str]) -> npt.NDArray[np.int32]:
        """Return the number of each word; too many distinct ones raise, as they would fill the memory."""
        known = self._known
        numbers = np.array([known.setdefault(word, len(known)) for word in words], dtype=np.int32)
        if len(known) > self._most:
            raise RecordingError(
                f"{self._name} holds more than {self._most} distinct texts, too many for labels of what was done",
                code="too_many_labels",
                remedy="look whether that column is a label; give it as a number, or leave it out",
                file=self._file,
            )
        return numbers

    def all(self) -> tuple[str, ...]:
        """Return the words by their numbers."""
        return tuple(self._known)


class _Table:
    """The columns of one table while it is read."""

    def __init__(
        self,
        numbers: Sequence[str],
        text: Sequence[str],
        *,
        form: Form,
        rows: int,
        spool: Spool,
        file: str,
        stamp: Stamp,
        scales: Mapping[str, Scale],
        most_words: int,
    ) -> None:
        self.form, self.file, self.stamp, self.scales = form, file, stamp, scales
        self.numbers: dict[str, Column] = {}
        for kind in (np.float32, np.float64):
            names = [name for name in numbers if (name in scales) == (kind is np.float32)]
            self.numbers |= zip(names, spool.columns(len(names), kind, rows=rows), strict=True)
        self.codes: Mapping[str, Column] = {name: spool.column(np.int32) for name in text}
        self.words: Mapping[str, Words] = {name: Words(name, file, most=most_words) for name in text}
        self.time_ns = spool.column(np.int64, rows=rows)
        self.rounded: dict[str, int] = {}
        # Parsed as float32 at once, until a value comes that this may round or not hold.
        self.short = {name for name in numbers if scales.get(name) == AS_IT_IS}

    def append(self, block: bytes) -> None:
        """Add a block of whole rows, or raise what is wrong with one of them."""
        first = len(self.time_ns)
        batch = parse(block, self.form, self._types(), first_row=first)
        columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in self.numbers}
        if long := {name for name in self.short if _largest(columns[name]) >= WHOLE_TO}:
            self.short -= long
            self.append(block)
            return
        for name, column in self.numbers.items():
            values = columns[name]
            if name not in self.short:
                largest = check_numbers(values, name, self.file, first)
                if self.scales.get(name) == AS_IT_IS and largest > WHOLE_TO:
                    self.rounded[name] = self.rounded.get(name, 0) + count_rounded(values)
            column.append(scaled(values, self.scales[name]) if name in self.scales else values)
        for name, codes in self.codes.items():
            encoded = batch.column(name).dictionary_encode()
            words = encoded.dictionary.to_pylist()
            self._refuse_swallowed(words, encoded.indices, first)
            codes.append(self.words[name].numbered(words)[encoded.indices.to_numpy()])
        if self.stamp.column:
            self.time_ns.append(to_ns(batch.column(self.stamp.column), self.stamp, file=self.file, first_row=first))
        else:
            self.time_ns.append(np.arange(first, first + batch.num_rows))

    def _types(self) -> dict[str, Any]:
        import pyarrow as pa

        types = {name: pa.float32() if name in self.short else pa.float64() for name in self.numbers}
        types |= dict.fromkeys(self.codes, pa.string())
        return types | ({self.stamp.column: self.stamp.arrow_type()} if self.stamp.column else {})

    def _refuse_swallowed(self, words: Sequence[str], indices: Any, first: int) -> None:  # noqa: ANN401  a pyarrow.Array
        """Raise where a quote took stamped rows into a text of several lines; two stray quotes are one that closes."""
        wrong = [code for code, word in enumerate(words) if re.search(_STAMPED_LINE, word)]
        if wrong:
            raise RowError(
                f"a quote opens in this row and takes in the lines below: {words[wrong[0]][:40]!r}",
                row=first + int(np.argmax(indices.to_numpy() == wrong[0])),
                code="open_quote",
            )

    def rows(self, remarks: tuple[Remark, ...], content_hash: str) -> Rows:
        """Return what was read."""
        columns = {name: column.array() for name, column in (*self.numbers.items(), *self.codes.items())}
        words = {name: known.all() for name, known in self.words.items()}
        return Rows(self.file, self.time_ns.array(), columns, remarks, content_hash, words)


def _expected_rows(lines: Lines, size: int) -> int:
    """Return about how many rows will come, a few more than less: what grows is copied."""
    seen = lines.ahead(_LINES_LOOKED_AT)
    return min(int(1.05 * size / (sum(map(len, seen)) / len(seen) + 1)) + 16, _MOST_EXPECTED)


def _form(head: Head, dialect: Dialect, numbers: Sequence[str], text: Sequence[str]) -> Form:
    return Form(head.names, *dialect, quoted=True, multiline=bool(text) and not numbers, missing=_MISSING)


def _not_a_table(error: RowError, head: Head, file: str, *, headers_dropped: bool) -> RecordingError:
    message, row = error.message, error.row
    if any(
        f"'{name}'" in message or message.endswith(f": {head.line.decode(errors='replace')}") for name in head.names
    ):
        return _other_header(file, row=row) if headers_dropped else repeated_header(file, row=row)
    if error.code in _CURES:
        return RecordingError(message, code=error.code, remedy=_CURES[error.code], file=file, row=row)
    return RecordingError(
        f"it cannot be read as columns of numbers: {message[:160]!r}",
        code="not_a_table",
        remedy="look at that row; export the recording again",
        file=file,
        row=row,
    )


def repeated_header(file: str, *, row: int | None) -> RecordingError:
    """Return the error of a header that stands among the rows."""
    return RecordingError(
        "the header stands in the middle of the file again, as where two files were joined",
        code="repeated_header",
        remedy="split the file there; or repair=('drop_headers',) where both are one recording, counted",
        file=file,
        row=row,
    )


def _other_header(file: str, *, row: int | None) -> RecordingError:
    return RecordingError(
        "a header that is not the first one stands in the middle of the file, as where two tables were joined",
        code="repeated_header",
        remedy="split the file there, and load each part by its own columns",
        file=file,
        row=row,
    )


def count_rounded(values: npt.NDArray[Any]) -> int:
    """Return how many whole numbers become another one in float32."""
    exact = values.astype(np.float64)
    return int(((exact == np.floor(exact)) & (exact.astype(np.float32) != exact)).sum())


def of_rounding(rounded: Mapping[str, int]) -> tuple[Remark, ...]:
    """Return what to say of whole numbers that were rounded, by column."""
    note = "whole numbers of {} are above 2**24 and became the nearest that float32 holds"
    remedy = "subtract a constant first, if neighbours have to be told apart"
    return tuple(Remark(FLOAT32_ROUNDED, count, note.format(name), remedy) for name, count in rounded.items() if count)


def check_numbers(column: npt.NDArray[Any], name: str, file: str, first_row: int = 0) -> float:
    """Return the largest size; raise where it is infinite, or that of an id or a stamp rather than a measurement."""
    with np.errstate(over="ignore"):  # of more than float64 holds, which then is infinite
        sizes = np.abs(column, dtype=np.float64)  # the smallest integer has no positive twin
    largest = _largest(sizes)
    if np.isinf(largest):
        raise RecordingError(
            f"{name} is infinite",
            code="infinite",
            remedy="leave the field empty where nothing was measured",
            file=file,
            row=first_row + int(np.argmax(np.isinf(sizes))),
        )
    if largest > _LARGEST:
        row = int(np.argmax(sizes > _LARGEST))
        raise RecordingError(
            f"{name} is {column[row]:.6g}, which no sensor measures",
            code="huge",
            remedy="look whether the column is an id or a stamp, or the row damaged",
            file=file,
            row=first_row + row,
        )
    return largest


def _largest(column: npt.NDArray[Any]) -> float:
    """Return the largest size of numbers, 0 where all are missing."""
    return float(np.fmax.reduce(np.abs(column), initial=0))


def of_tail(lines: Lines) -> tuple[Remark, ...]:
    """Return what to say of a file whose end was cut, and dropped as asked."""
    if lines.cut:
        note = "the packed data end early: what is missing below, nobody knows"
        if lines.dropped:
            note = f"{note}; a last line without an end was left out"
        return (Remark(DROPPED_TAIL.code, lines.dropped, note, DROPPED_TAIL.remedy),)
    return (DROPPED_TAIL,) if lines.dropped else ()


def _of_lines(lines: Lines) -> tuple[Remark, ...]:
    tail = of_tail(lines)
    if not lines.headers_dropped:
        return tail
    note = f"the header stood in the file {lines.headers_dropped} more times; these lines were left out"
    return (*tail, Remark("drop_headers", lines.headers_dropped, note, "check that it is one recording"))


def _empty(file: str, what: str) -> EmptyRecordingError:
    return EmptyRecordingError(f"it holds {what}", code="empty", remedy="export the recording again", file=file)


def _cut_only_row(file: str) -> EmptyRecordingError:
    return EmptyRecordingError(
        "its only row has no end and was dropped", code="cut_tail", remedy="copy the file again", file=file
    )
