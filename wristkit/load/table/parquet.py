"""Tables of Parquet, read batch by batch."""

from pathlib import Path
from typing import Any

import numpy as np

from wristkit.errors import RecordingError, TruncatedError
from wristkit.load.gather import Request
from wristkit.load.members import MOST_RATIO
from wristkit.load.rows import check_header
from wristkit.load.table.arrays import Array, Arrays
from wristkit.load.table.tracks import Read, hashed, plan_for, word_columns

_NUMBER_BYTES, _RATIO_COUNTS_FROM = 8, 2**20


def of_parquet(path: Path, request: Request) -> Read:
    """Return the rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_header(file.schema_arrow.names, (), path.name)
            plan = plan_for(request.schema, file.schema_arrow.names, request, path.name)
            names = [part.column for part in plan.parts]
            names += [one for one in (plan.time, *word_columns(plan)) if one]
            _check_ratio(file.metadata.num_rows, len(names), path)
            table = Arrays(plan, request, path.name)
            for batch in file.iter_batches(columns=names):
                table.append(
                    {name: _of_arrow(batch.column(name), of_words=name in word_columns(plan)) for name in names}
                )
            zoned = plan.time is not None and bool(getattr(file.schema_arrow.field(plan.time).type, "tz", None))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, EOFError) as error:
        raise TruncatedError(
            f"the Parquet file is cut or damaged: {str(error)[:160]!r}",
            code="damaged",
            remedy="copy or write it again",
            file=path,
        ) from error
    read = hashed(table.read(), path)
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
