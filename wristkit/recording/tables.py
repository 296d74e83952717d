"""The two tables that travel with a recording: labels and findings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError

LABEL_COLUMNS = ("start_s", "stop_s", "label", "tier", "rater")
FINDING_COLUMNS = ("code", "stream", "start_s", "stop_s", "count", "note", "remedy")


def label_table(rows: Sequence[tuple[float, float, str, str, str]] = ()) -> pd.DataFrame:
    """Return a label table of ``(start_s, stop_s, label, tier, rater)`` rows."""
    table = pd.DataFrame(list(rows), columns=list(LABEL_COLUMNS))
    return table.astype({"start_s": float, "stop_s": float, "label": object, "tier": object, "rater": object})


def finding_table(rows: Sequence[tuple[str, str, float, float, int, str, str]] = ()) -> pd.DataFrame:
    """Return a finding table of ``(code, stream, start_s, stop_s, count, note, remedy)`` rows."""
    table = pd.DataFrame(list(rows), columns=list(FINDING_COLUMNS))
    text = dict.fromkeys(("code", "stream", "note", "remedy"), object)
    return table.astype({**text, "start_s": float, "stop_s": float, "count": int})


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
    table = labels[list(LABEL_COLUMNS)].reset_index(drop=True)
    try:
        table = table.astype(label_table().dtypes.to_dict())
    except (TypeError, ValueError) as fault:
        raise RecordingError(
            f"labels have times that are no numbers: {fault}",
            code="label_times",
            remedy="give start_s and stop_s in seconds from the recording's start",
        ) from fault
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


def _refuse_nameless(table: pd.DataFrame, column: str) -> None:
    nameless = np.flatnonzero([not isinstance(text, str) or not text.strip() for text in table[column]])
    if len(nameless):
        raise RecordingError(
            f"{len(nameless)} labels have no text in the column {column!r} (rows {nameless[:5].tolist()})",
            code="label_text",
            remedy="name each label, its tier and who gave it, or drop the rows",
            row=int(nameless[0]),
        )


def join_findings(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return one finding table of all rows, in order."""
    for table in tables:
        if missing := [column for column in FINDING_COLUMNS if column not in table.columns]:
            raise ValueError(f"findings lack the columns {missing}, expected {list(FINDING_COLUMNS)}")
    filled = [table[list(FINDING_COLUMNS)] for table in tables if len(table)]
    joined = pd.concat(filled, ignore_index=True) if filled else finding_table()
    return joined.astype(finding_table().dtypes.to_dict())
