"""Rows of text become columns: pyarrow parses bytes that lie in memory, block by block.

Its own reader of streams is not used. Given a Python file whose reading raises, the last to let go of it may be the
thread that it has to wait for, and the process hangs.

But for texts of several lines, which only tables without numbers have, a line is a row: a quote that is open where its
line ends is damage, and must not take in the rows below.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from wristkit.errors import RecordingError
from wristkit.load.members import Lines

_MOST_MULTILINE_BYTES = 64 * 2**20
_ROW = re.compile(r"\b[Rr]ow #(\d+):? ?")
_BLANK_END = re.compile(rb"(?:\r?\n)+\Z")


class Form(NamedTuple):
    """How the cells of a table are written.

    Parameters
    ----------
    names
        Of all columns.
    delimiter, decimal
        Between cells, and before decimals.
    quoted
        Whether a quote at the start of a cell takes in delimiters.
    multiline
        Whether it takes in ends of lines as well.
    missing
        Texts that stand for no number.
    """

    names: tuple[str, ...]
    delimiter: str = ","
    decimal: str = "."
    quoted: bool = False
    multiline: bool = False
    missing: tuple[str, ...] = ()


class RowError(Exception):
    """Text that is not what its columns should be: what is wrong, a code, and the row, where it is known."""

    def __init__(self, message: str, *, row: int | None, code: str = "not_a_table") -> None:
        super().__init__(message)
        self.message, self.row, self.code = message, row, code


def parse(block: bytes, form: Form, types: Mapping[str, Any], *, first_row: int = 0) -> Any:  # noqa: ANN401  a pyarrow.RecordBatch, which has no types
    """Return the columns that ``types`` names of a block of whole rows, of which the first is ``first_row``.

    Raises
    ------
    RowError
        At the first row with more or fewer cells, or with one that is not of its column's type; with code
        ``open_quote`` or ``blank_line`` where that is the reason.
    """
    import pyarrow as pa

    quoted = form.quoted and b'"' in block
    try:
        if quoted:
            _refuse_open_quote(block, form, types, first_row)
        batch = _parsed(block, form, types, quoted=quoted)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        found = _ROW.search(str(error))  # counted from 1 in the block
        row = first_row + int(found[1]) - 1 if found else None
        raise RowError(_ROW.sub("", str(error)), row=row) from error
    if len(form.names) > 1 and any(column.null_count for column in batch.columns):
        _refuse_blank(block, form, first_row)
    return batch


def _parsed(block: bytes, form: Form, types: Mapping[str, Any], *, quoted: bool) -> Any:  # noqa: ANN401  a pyarrow.RecordBatch, which has no types
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    if block.startswith(codecs.BOM_UTF8):
        block = codecs.BOM_UTF8 + block  # the parser leaves one out, which may stand at the start of a file alone
    table = pa_csv.read_csv(
        pa.BufferReader(block),
        # Threads lose the row of an error.
        read_options=pa_csv.ReadOptions(column_names=list(form.names), use_threads=False, block_size=len(block) + 1),
        parse_options=pa_csv.ParseOptions(
            delimiter=form.delimiter,
            quote_char='"' if quoted else False,
            newlines_in_values=form.multiline,
            ignore_empty_lines=False,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(types),
            null_values=list(form.missing),
            strings_can_be_null=False,
            decimal_point=form.decimal,
        ),
    )
    (batch,) = table.to_batches()
    return batch


def _refuse_open_quote(block: bytes, form: Form, types: Mapping[str, Any], first_row: int) -> None:
    """Raise where a cell begins with a quote that is not closed, in its line or at all."""
    for cell in _cells(form.delimiter, form.multiline).finditer(block):
        if not cell[1]:
            start = block.rfind(b"\n", 0, cell.start() + 1) + 1
            before = block[:start]
            rows = before.count(b"\n")
            if form.multiline and before:
                rows = len(_parsed(before, form, types, quoted=True))
            text = block[start : start + 40].decode(errors="replace")
            raise RowError(
                f"a quote opens in this row and is not closed{'' if form.multiline else ' in it'}: {text!r}",
                row=first_row + rows,
                code="open_quote",
            )


@lru_cache(maxsize=16)
def _cells(delimiter: str, multiline: bool) -> re.Pattern[bytes]:  # noqa: FBT001  a key of the cache
    """Return what finds each cell that begins with a quote: up to its closing one, which is the only group."""
    within = rb'[^"]' if multiline else rb'[^"\n]'
    return re.compile(rb'(?:^|%b)"(?:%b++|"")*+("?)' % (re.escape(delimiter.encode()), within), re.MULTILINE)


def _refuse_blank(block: bytes, form: Form, first_row: int) -> None:
    if form.multiline:
        return  # within a text
    for row, line in enumerate(block.split(b"\n")[:-1]):
        if not line.rstrip(b"\r"):
            raise RowError("the line is blank, with others below it", row=first_row + row, code="blank_line")


def whole_rows(lines: Lines, form: Form, *, file: str) -> Iterator[bytes]:
    """Yield blocks of lines that end where a row does, without blank lines at the end of the file."""
    if form.multiline:
        yield _at_once(lines, file)
        return
    held = b""
    for lately in lines.blocks():
        block = held + lately if held else lately
        blank = _BLANK_END.search(block, max(len(block) - 64, 0)) if len(form.names) > 1 else None
        stop = len(block) if blank is None else _after_line(block, blank.start())
        held = block[stop:]
        if stop:
            yield block[:stop]


def _after_line(block: bytes, at: int) -> int:
    """Return where the line ends whose end is the first of those at ``at``; 0 where only blank lines are there."""
    return 0 if at == 0 else block.index(b"\n", at) + 1


def _at_once(lines: Lines, file: str) -> bytes:
    """Return all lines of a table of texts, whose rows cannot be told apart by their lines."""
    parts, size = [], 0
    for block in lines.blocks():
        parts.append(block)
        size += len(block)
        if size > _MOST_MULTILINE_BYTES:
            raise RecordingError(
                f"it holds more than {_MOST_MULTILINE_BYTES} bytes of texts",
                code="too_large",
                remedy="look whether it is a list of labels or notes; split it",
                file=file,
            )
    return b"".join(parts)
