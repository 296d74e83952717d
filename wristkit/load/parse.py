"""Rows of text become columns: pyarrow parses bytes that lie in memory, block by block.

Its own reader of streams is not used. Given a Python file whose reading raises, the last to let go of it may be the
thread that it has to wait for, and the process hangs.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from wristkit.errors import RecordingError
from wristkit.load.members import Lines

_LONGEST_CELL = 2**20
# Quotes have a meaning at the start of a cell alone.
_QUOTED = re.compile(rb'(?:\A|[\r\n,;\t|])"(?:[^"]++|"")*+("|\Z)')

_ROW = re.compile(r"\b[Rr]ow #(\d+):? ?")


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
    """Text that is not what its columns should be: what the parser says, and the row, where it is known."""

    def __init__(self, message: str, *, row: int | None) -> None:
        super().__init__(message)
        self.message, self.row = message, row


def parse(block: bytes, form: Form, types: Mapping[str, Any], *, first_row: int = 0) -> Any:  # noqa: ANN401  a pyarrow.RecordBatch, which has no types
    """Return the columns that ``types`` names of a block of whole rows, of which the first is ``first_row``.

    Raises
    ------
    RowError
        At the first row with more or fewer cells, or with one that is not of its column's type.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    if block.startswith(codecs.BOM_UTF8):
        block = codecs.BOM_UTF8 + block  # the parser leaves one out, which may stand at the start of a file alone
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block),
            # Threads lose the row of an error.
            read_options=pa_csv.ReadOptions(
                column_names=list(form.names), use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=form.delimiter,
                quote_char='"' if form.quoted else False,
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
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        found = _ROW.search(str(error))  # counted from 1 in the block
        raise RowError(_ROW.sub("", str(error)), row=first_row + int(found[1]) - 1 if found else None) from error
    (batch,) = table.to_batches()
    return batch


def whole_rows(lines: Lines, form: Form, *, file: str) -> Iterator[bytes]:
    """Yield blocks of lines that end where a row does; a row may have several lines where cells are ``multiline``."""
    if not form.multiline:
        yield from lines.blocks()
        return
    held = b""
    for lately in lines.blocks():
        block = held + lately
        stop = _end_of_rows(block)
        if stop:
            yield block[:stop]
        held = block[stop:]
        if len(held) > _LONGEST_CELL:
            raise RecordingError(
                f"a quote opens and takes in more than {_LONGEST_CELL} bytes below: {held[:40]!r}",
                code="open_quote",
                remedy="close the quote, or take it out",
                file=file,
            )
    if held:
        yield held


def _end_of_rows(block: bytes) -> int:
    """Return where the last row ends whose quotes are closed."""
    if b'"' not in block:
        return len(block)
    last = None
    for last in _QUOTED.finditer(block):  # noqa: B007  the last is what is looked for
        pass
    return len(block) if last is None or last[1] else block.rfind(b"\n", 0, last.start() + 1) + 1
