"""Tables of any origin with a schema: CSV and TSV, Parquet, npz, and DataFrames and arrays from memory."""

from collections.abc import Mapping
from pathlib import Path

import numpy.typing as npt
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Request, source_of
from wristkit.load.members import is_zip
from wristkit.load.rows import check_header
from wristkit.load.table.arrays import is_npz, of_arrays, of_npz, unmasked
from wristkit.load.table.parquet import of_parquet
from wristkit.load.table.text import CONTROL, is_text_table, of_text
from wristkit.load.table.tracks import gathered, plan_for, word_columns

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_HEAD_BYTES, _LONGEST_HEAD = 2**12, 2**20  # of a header of many columns


def recognises(path: Path) -> bool:
    """Return whether a file is a table: lines of as many fields as its first, Parquet, or a zip of arrays."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.count(b"\n") < 2 and not CONTROL.search(head):
            head += file.read(_LONGEST_HEAD)
    if head[:4] == _PARQUET:
        return True
    if is_zip(path):
        return is_npz(path)
    try:
        return head[:2] == _GZIP or is_text_table(head)
    except RecordingError:
        return False


def read(path: Path, request: Request) -> Gathered:
    """Return the streams of a table whose columns the schema names."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == _PARQUET:
        table = of_parquet(path, request)
    else:
        table = of_npz(path, request) if is_zip(path) else of_text(path, request)
    return gathered(table, request, source_of(path, "table", table.rows.content_hash))


def read_memory(table: pd.DataFrame | Mapping[str, npt.ArrayLike], request: Request) -> Gathered:
    """Return the streams of a DataFrame, or of arrays by name."""
    check_header([str(name) for name in table], (), "the table")
    plan = plan_for(request.schema, [str(name) for name in table], request, "the table")
    columns = {
        str(name): unmasked(column, str(name), of_words=str(name) in word_columns(plan))
        for name, column in table.items()
    }
    return gathered(of_arrays(columns, plan, request, file="the table"), request, {"format": "memory"})
