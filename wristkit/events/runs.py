"""Runs of windows at or above the low threshold, found in whole arrays: what a decoder collects window by window."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events.scores import Scores
from wristkit.recording import FloatArray

if TYPE_CHECKING:
    from wristkit.events.decoder import EventDecoder

EPSILON_S = 1e-9


class Runs(NamedTuple):
    """Runs of windows of one class at or above the low threshold, all (n,), in order.

    ``decided_s`` is NaN where a run never reached the high threshold or the least length; ``stretch`` counts the gaps
    before it; the rest is as in :class:`Event`.
    """

    start_s: FloatArray
    stop_s: FloatArray
    score: FloatArray
    decided_s: FloatArray
    stretch: npt.NDArray[np.int64]

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Runs":
        """Return the runs at these places, or where this mask is true."""
        times = (self.start_s[chosen], self.stop_s[chosen], self.score[chosen], self.decided_s[chosen])
        return Runs(*times, self.stretch[chosen])


def restarts_of(scores: Scores) -> npt.NDArray[np.intp]:
    """Return the rows before which windows are missing."""
    return np.flatnonzero(np.diff(scores.centre_s) > 1.5 * scores.hop_s) + 1


def runs_of(decoder: "EventDecoder", scores: Scores, column: int, restarts: npt.NDArray[np.intp]) -> Runs:
    """Return what :meth:`DecoderState.push` collects window by window, in whole arrays."""
    rows, stretch, place, values = lasting_rows(decoder, scores, column, restarts)
    if not len(rows):
        nothing = np.empty(0)
        return Runs(nothing, nothing, nothing, nothing, np.empty(0, dtype=np.int64))
    centre_s, dip = scores.centre_s[rows], np.diff(rows) > 1
    dip &= scores.centre_s[rows[1:] - 1] + scores.hop_s - centre_s[:-1] > decoder.merge_s + EPSILON_S
    first = np.concatenate([[0], np.flatnonzero(dip | (np.diff(stretch) > 0)) + 1])
    last = np.append(first[1:], len(rows)) - 1
    decided = first if decoder.high == decoder.low else _next_true(values >= decoder.high, first)
    if decoder.min_length_s:
        since_s = centre_s - np.repeat(centre_s[first], last - first + 1)
        decided = np.maximum(decided, _next_true(since_s >= decoder.min_length_s - EPSILON_S, first))
    known_s = np.where(decided <= last, scores.time[rows[np.minimum(decided, last)]], np.nan)
    delayed_s = centre_s - np.minimum(place, decoder.smooth - 1) / 2 * scores.hop_s
    return Runs(delayed_s[first], delayed_s[last], np.maximum.reduceat(values, first), known_s, stretch[first])


def lasting_rows(
    decoder: "EventDecoder", scores: Scores, column: int, restarts: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return the rows whose smoothed score is low or above, their stretch, their place in it, and that score.

    A mean is no higher than the highest of its rows, so few rows are looked at where few are high.
    """
    raw, back = scores.values[:, column], range(1, decoder.smooth)
    high = raw >= _no_less_than(decoder.low * (1 - 1e-9) if decoder.smooth > 1 else decoder.low)
    near = high.copy() if decoder.smooth > 1 else high
    for step in back:
        near[step:] |= high[:-step]
    rows = np.flatnonzero(near)
    stretch = np.searchsorted(restarts, rows, side="right") if len(restarts) else np.zeros(len(rows), dtype=np.intp)
    place = rows - np.concatenate([[0], restarts])[stretch] if len(restarts) else rows
    total, count = raw[rows].astype(np.float64), np.ones(len(rows))
    for step in back:  # newest first, as in pushing
        held = place >= step
        total[held] += raw[rows[held] - step]
        count += held
    values = total / count
    kept = values >= decoder.low
    return rows[kept], stretch[kept].astype(np.int64), place[kept], values[kept]


def _no_less_than(limit: float) -> np.float32:
    """Return the least float32 that is no less than a float64, so that scores are compared without being copied."""
    near = np.float32(limit)
    return near if float(near) >= limit else np.nextafter(near, np.float32(np.inf))


def _next_true(mask: npt.NDArray[np.bool_], places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the first place at or after each of these where a mask is true, or its length."""
    true = np.append(np.flatnonzero(mask), len(mask))
    return true[np.searchsorted(true, places)]


def _unblocked(runs: Runs, refractory_s: float) -> npt.NDArray[np.intp]:
    """Return the places of runs, all of them events, that no earlier one keeps from beginning; a gap frees them."""
    if not refractory_s:
        return np.arange(len(runs.start_s))
    kept, ready_s, within = [], -np.inf, -1
    for place, (start_s, stop_s, stretch) in enumerate(
        zip(runs.start_s.tolist(), runs.stop_s.tolist(), runs.stretch.tolist(), strict=True)
    ):
        if stretch != within or start_s >= ready_s - EPSILON_S:
            kept.append(place)
            ready_s, within = stop_s + refractory_s, stretch
    return np.array(kept, dtype=np.intp)


def without_blocked(runs: Runs, refractory_s: float) -> Runs:
    """Return the runs that are events."""
    decided = runs.where(np.isfinite(runs.decided_s))
    return decided.where(_unblocked(decided, refractory_s))


def table_of(events: dict[str, Runs]) -> pd.DataFrame:
    """Return events by class as one table, ordered by start and label."""
    names = sorted(events)
    columns = [np.concatenate([[], *(getattr(events[name], field) for name in names)]) for field in Runs._fields[:4]]
    labels = np.repeat(np.array(names, dtype=object), [len(events[name].score) for name in names])
    order = np.argsort(columns[0], kind="stable")
    start_s, stop_s, score, decided_s = (column[order] for column in columns)
    label = pd.Index(labels[order], dtype=object)  # pandas would make another kind of column of text
    return pd.DataFrame({"start_s": start_s, "stop_s": stop_s, "label": label, "score": score, "decided_s": decided_s})
