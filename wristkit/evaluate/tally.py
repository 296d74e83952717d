"""Counts and figures of groups of matches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wristkit.evaluate.context import NO_CONTEXT, names_at, parts_of
from wristkit.evaluate.figures import f1, quantile, rate, share
from wristkit.recording import FloatArray, Recording

TALLY_COLUMNS = (
    *("hits", "misses", "false_alarms", "hours", "recall", "recall_low", "recall_high", "precision", "f1"),
    *("fp_per_hour", "fp_per_hour_low", "fp_per_hour_high", "latency_median_s"),
    *("latency_median_low_s", "latency_median_high_s", "latency_p95_s", "early_hits", "early_longer_s"),
)


def tally(matches: pd.DataFrame, by: str, hours: Mapping[str, float]) -> pd.DataFrame:
    """Return counts and figures with their intervals of each group, the worst first.

    Precision and F1 are of the hours that count, as false alarms are: what is repeated in another recording is left
    out. ``early_hits`` were decided before the true event began, and outlast it by ``early_longer_s`` (median).
    """
    rows = {name: _figures(matches[matches[by] == name], group_hours) for name, group_hours in hours.items()}
    table = pd.DataFrame(rows.values(), index=pd.Index(rows, name=by, dtype=object), columns=list(TALLY_COLUMNS))
    counts = dict.fromkeys(("hits", "misses", "false_alarms", "early_hits"), int)
    return table.astype(counts).sort_values(["recall", "fp_per_hour"], ascending=[True, False], kind="stable")


def _figures(rows: pd.DataFrame, group_hours: float) -> tuple[float, ...]:
    hits, misses, alarms = counts_of(rows)
    once = counts_of(rows[~rows["repeated"]])  # of the same hours as the alarms
    recall, rate_ = share(hits, hits + misses), rate(alarms, group_hours)
    latency_s = rows.loc[rows["kind"] == "hit", "latency_s"].to_numpy(dtype=np.float64)
    longer_s = longer_than_true(rows[rows["early"]])
    return (
        *(hits, misses, alarms, group_hours, recall.value, recall.low, recall.high),
        *(share(once[0], once[0] + once[2]).value, f1(*once), rate_.per_hour, rate_.low, rate_.high),
        *quantile(latency_s, 0.5)[:3],
        *quantiles(latency_s, 95),
        *(len(longer_s), *quantiles(longer_s, 50)),
    )


def counts_of(rows: pd.DataFrame) -> tuple[int, int, int]:
    """Return the number of hits, misses and false alarms."""
    kinds = rows["kind"].value_counts()
    return int(kinds.get("hit", 0)), int(kinds.get("miss", 0)), int(kinds.get("false alarm", 0))


def longer_than_true(hits: pd.DataFrame) -> FloatArray:
    """Return by how many seconds detections outlast the true events that they hit."""
    lasted_s, true_s = hits["stop_s"] - hits["start_s"], hits["true_stop_s"] - hits["true_start_s"]
    return (lasted_s - true_s).to_numpy(dtype=np.float64)


def edges(hits: pd.DataFrame) -> tuple[float, ...]:
    """Return the count, and of start and of stop the median and p95 of the distance and the median with its sign."""
    late_s = [(hits[edge] - hits[f"true_{edge}"]).to_numpy(dtype=np.float64) for edge in ("start_s", "stop_s")]
    return (
        len(hits),
        *(figure for one in late_s for figure in (*quantiles(np.abs(one), 50, 95), *quantiles(one, 50))),
    )


def quantiles(values: FloatArray, *percents: float) -> tuple[float, ...]:
    """Return these percentiles; NaN of nothing."""
    if not len(values):
        return (float("nan"),) * len(percents)
    return tuple(np.percentile(values, percents).tolist())


def context_of(table: pd.DataFrame, recordings: Mapping[str, Recording], tier: str) -> "pd.Series[Any]":
    """Return for each row the label of a tier in whose time its middle lies."""
    context = pd.Series(NO_CONTEXT, index=table.index, dtype=object)
    for name, rows in table.groupby("recording"):
        middles_s = rows[["start_s", "stop_s"]].to_numpy(dtype=np.float64).mean(axis=1)
        context[rows.index] = names_at(middles_s, parts_of(recordings[str(name)], tier))
    return context
