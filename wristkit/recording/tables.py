"""The two tables that travel with a recording: labels and findings."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError

LABEL_COLUMNS = ("start_s", "stop_s", "label", "tier", "rater")
FINDING_COLUMNS = ("code", "stream", "start_s", "stop_s", "count", "note", "remedy")
_SECONDS: dict[str, type] = dict.fromkeys(("start_s", "stop_s"), float)
_LABEL_TYPES = {**dict.fromkeys(LABEL_COLUMNS, object), **_SECONDS}
_FINDING_TYPES = {**dict.fromkeys(FINDING_COLUMNS, object), **_SECONDS, "count": int}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def label_table(rows: Sequence[tuple[float, float, str, str, str]] = ()) -> pd.DataFrame:
    """Return a label table of ``(start_s, stop_s, label, tier, rater)`` rows."""
    return _typed_table(LABEL_COLUMNS, _LABEL_TYPES, rows)


def finding_table(rows: Sequence[tuple[str, str, float, float, int, str, str]] = ()) -> pd.DataFrame:
    """Return a finding table of ``(code, stream, start_s, stop_s, count, note, remedy)`` rows."""
    return _typed_table(FINDING_COLUMNS, _FINDING_TYPES, rows)


def _typed_table(
    columns: tuple[str, ...], types: Mapping[str, type], rows: Sequence[tuple[object, ...]]
) -> pd.DataFrame:
    """Return a table of rows; column by column, since a recording makes many and pandas takes long to convert one."""
    if not rows:
        return _empty_table(columns).copy(deep=False)
    return _of_columns(columns, types, list(zip(*rows, strict=True)))


@lru_cache(maxsize=2)
def _empty_table(columns: tuple[str, ...]) -> pd.DataFrame:
    types = _LABEL_TYPES if columns == LABEL_COLUMNS else _FINDING_TYPES
    return _of_columns(columns, types, [()] * len(columns))


def _of_columns(columns: Sequence[str], types: Mapping[str, type], values: Sequence[Sequence[Any]]) -> pd.DataFrame:
    # Each with its type: pandas would look at every text, and make another kind of column of them. An Index is made in
    # a fraction of the time of a Series.
    return pd.DataFrame({name: pd.Index(one, dtype=types[name]) for name, one in zip(columns, values, strict=True)})


def check_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a label table with exactly the shared columns, or raise what is wrong with it."""
    if not isinstance(labels, pd.DataFrame):
        raise TypeError(f"labels are a {type(labels).__name__}, expected a DataFrame of {list(LABEL_COLUMNS)}")
    if missing := [column for column in LABEL_COLUMNS if list(labels.columns).count(column) != 1]:
        raise RecordingError(
            f"labels lack the columns {missing} or have them twice, expected {list(LABEL_COLUMNS)}",
            code="label_columns",
            remedy="add them; tier is 'truth' for what a detector learns from",
        )
    table = _only(labels, LABEL_COLUMNS).reset_index(drop=True)
    try:
        table = table if table.dtypes.to_dict() == _LABEL_TYPES else table.astype(_LABEL_TYPES)
    except (TypeError, ValueError) as fault:
        raise RecordingError(
            f"labels have times that are no numbers: {fault}",
            code="label_times",
            remedy="give start_s and stop_s in seconds from the recording's start",
        ) from fault
    if table.empty:
        return table
    times = table[["start_s", "stop_s"]].to_numpy()
    wrong = ~np.isfinite(times).all(axis=1) | (times[:, 1] < times[:, 0])
    if wrong.any():
        rows = np.flatnonzero(wrong)[:5].tolist()
        raise RecordingError(
            f"{wrong.sum()} labels end before they start or have no time (rows {rows})",
            code="label_times",
            remedy="give start_s <= stop_s in seconds from the recording's start",
            row=rows[0],
        )
    for column in ("label", "tier", "rater"):
        _refuse_nameless(table, column)
    return table


def _only(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with these columns alone, in this order; itself where it has no others."""
    return table if list(table.columns) == [*columns] else table[[*columns]]


def _refuse_nameless(table: pd.DataFrame, column: str) -> None:
    nameless = np.flatnonzero([not isinstance(text, str) or not text.strip() for text in table[column]])
    if len(nameless):
        raise RecordingError(
            f"{len(nameless)} labels have no text in the column {column!r} (rows {nameless[:5].tolist()})",
            code="label_text",
            remedy="name each label, its tier and who gave it, or drop the rows",
            row=int(nameless[0]),
        )


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy whose texts and column names no spreadsheet takes for a formula; numbers stay as they are.

    Text that begins as a formula does gets an apostrophe in front, which spreadsheets show as text.
    """
    plain = table.copy()
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            plain.isetitem(place, table.iloc[:, place].map(_plain_text).array)
    plain.columns = [_plain_text(name) for name in table.columns]
    return plain


def _plain_text(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def join_findings(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return one finding table of all rows, in order."""
    for table in tables:
        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"findings are a {type(table).__name__}, expected a DataFrame of {list(FINDING_COLUMNS)}")
        if missing := [column for column in FINDING_COLUMNS if column not in table.columns]:
            raise ValueError(f"findings lack the columns {missing}, expected {list(FINDING_COLUMNS)}")
    filled = [_only(table, FINDING_COLUMNS) for table in tables if len(table)]
    if not filled:
        return finding_table()
    joined = pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0].reset_index(drop=True)
    return joined if joined.dtypes.to_dict() == _FINDING_TYPES else joined.astype(_FINDING_TYPES)
