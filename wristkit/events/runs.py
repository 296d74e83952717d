"""Runs of windows at or above the low threshold, found in whole arrays: what a decoder collects window by window."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events.scores import Scores
from wristkit.recording import FloatArray

if TYPE_CHECKING:
    from wristkit.events.decoder import EventDecoder

EPSILON_S = 1e-9
_NONE = (-1, -1, -np.inf)  # class, row at which it was over, stop


class Runs(NamedTuple):
    """Runs of windows of one class at or above the low threshold, all (n,), in order.

    ``decided_s`` is NaN where a run never reached the high threshold or the least length; ``stretch`` counts the gaps
    before it, and ``last`` is the row of its last window; the rest is as in :class:`Event`.
    """

    start_s: FloatArray
    stop_s: FloatArray
    score: FloatArray
    decided_s: FloatArray
    stretch: npt.NDArray[np.int64]
    last: npt.NDArray[np.intp]

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Runs":
        """Return the runs at these places, or where this mask is true."""
        times = (self.start_s[chosen], self.stop_s[chosen], self.score[chosen], self.decided_s[chosen])
        return Runs(*times, self.stretch[chosen], self.last[chosen])


class Candidate(NamedTuple):
    """A run that would be decided at ``row`` if nothing blocked it, and is over at row ``over``."""

    stretch: int
    column: int
    row: int
    over: int
    start_s: float
    stop_s: float


class Taken(NamedTuple):
    """What events so far leave to those that follow, where classes block each other.

    One of another class is decided only when the one before is over, so ends come in the order of decisions: of all
    events the ``newest`` alone can block another class, by its class, the row at which it was over, and its stop; its
    own class begins anew after it. ``ready_s`` says of a class from when on it may begin again.
    """

    stretch: int
    newest: tuple[int, int, float]
    ready_s: tuple[tuple[int, float], ...]

    def after(self, run: Candidate, decoder: "EventDecoder") -> tuple[bool, "Taken"]:
        """Return whether the next run to be decided is an event, and what is left then; a gap frees all."""
        if run.stretch != self.stretch:
            return Taken(run.stretch, _NONE, ()).after(run, decoder)
        column, over, stop_s = self.newest
        clear_s = stop_s + decoder.refractory_any_s - EPSILON_S
        free = column == run.column or (run.row >= over and run.start_s >= clear_s)
        if not free or run.start_s < dict(self.ready_s).get(run.column, -np.inf) - EPSILON_S:
            return False, self
        newest = (run.column, run.over, run.stop_s)
        if not decoder.refractory_s:
            return True, Taken(self.stretch, newest, ())
        others = tuple(one for one in self.ready_s if one[0] != run.column)
        return True, Taken(self.stretch, newest, (*others, (run.column, run.stop_s + decoder.refractory_s)))

    def from_now_on(self, row: int, start_s: float, decoder: "EventDecoder") -> "Taken":
        """Return it without what can block nothing that is decided from this row on and begins no sooner than this."""
        _, over, stop_s = self.newest
        is_past = over <= row and stop_s + decoder.refractory_any_s - EPSILON_S <= start_s
        ready_s = tuple(sorted(one for one in self.ready_s if one[1] - EPSILON_S > start_s))
        return Taken(self.stretch, _NONE if is_past else self.newest, ready_s)


NOBODY = Taken(-1, _NONE, ())


def restarts_of(scores: Scores) -> npt.NDArray[np.intp]:
    """Return the rows before which windows are missing."""
    return np.flatnonzero(np.diff(scores.centre_s) > 1.5 * scores.hop_s) + 1


def runs_of(decoder: "EventDecoder", scores: Scores, column: int, restarts: npt.NDArray[np.intp]) -> Runs:
    """Return what :meth:`DecoderState.push` collects window by window, in whole arrays."""
    rows, values = lasting_rows(decoder, scores, column, restarts)
    if not len(rows):
        nothing = np.empty(0)
        return Runs(nothing, nothing, nothing, nothing, np.empty(0, dtype=np.int64), rows)
    first = _firsts(decoder, scores, rows, restarts)
    begin, end = rows[first], np.append(rows[first[1:] - 1], rows[-1])
    start_s, stop_s = scores.centre_s[begin], scores.centre_s[end]
    if decoder.smooth > 1:
        start_s = start_s - _before(begin, decoder.smooth, restarts) / 2 * scores.hop_s
        stop_s = stop_s - _before(end, decoder.smooth, restarts) / 2 * scores.hop_s
    stretch = np.zeros(len(begin), dtype=np.int64)
    if len(restarts):
        stretch[:] = np.searchsorted(restarts, begin, side="right")
    at_once = decoder.high == decoder.low and not decoder.min_length_s
    known_s = scores.time[begin] if at_once else _decided_s(decoder, scores, (rows, values), first)
    highest = np.maximum.reduceat(values, first).astype(np.float64, copy=False)
    return Runs(start_s, stop_s, highest, known_s, stretch, end)


def _firsts(
    decoder: "EventDecoder", scores: Scores, rows: npt.NDArray[np.intp], restarts: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the places among lasting rows at which a run begins: after a dip too long to merge, or a gap."""
    begins = np.empty(len(rows), dtype=bool)
    begins[0] = True
    np.greater(rows[1:], rows[:-1] + 1, out=begins[1:])
    if decoder.merge_s + EPSILON_S >= scores.hop_s:  # a dip lasts longer than a hop, so less merges nothing
        dips = np.flatnonzero(begins)[1:]
        over_s = scores.centre_s[rows[dips] - 1] + scores.hop_s - scores.centre_s[rows[dips - 1]]
        begins[dips] = over_s > decoder.merge_s + EPSILON_S
    after_gap = np.searchsorted(rows, restarts)
    begins[after_gap[after_gap < len(rows)]] = True
    return np.flatnonzero(begins)


def _decided_s(
    decoder: "EventDecoder",
    scores: Scores,
    lasting: tuple[npt.NDArray[np.intp], npt.NDArray[np.floating]],
    first: npt.NDArray[np.intp],
) -> FloatArray:
    """Return when each run was high and long enough; NaN where it never was."""
    rows, values = lasting
    decided = first if decoder.high == decoder.low else _next_true(_reach(values, decoder.high), first)
    if decoder.min_length_s:
        centre_s = scores.centre_s[rows]
        since_s = centre_s - np.repeat(centre_s[first], np.diff(first, append=len(rows)))
        decided = np.maximum(decided, _next_true(since_s >= decoder.min_length_s - EPSILON_S, first))
    last = np.append(first[1:], len(rows)) - 1
    return np.where(decided <= last, scores.time[rows[np.minimum(decided, last)]], np.nan)


def lasting_rows(
    decoder: "EventDecoder", scores: Scores, column: int, restarts: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.floating]]:
    """Return the rows of a class whose smoothed score is low or above, in order, and that score."""
    raw = scores.values[:, column]
    values = raw if decoder.smooth == 1 else _smoothed(raw, decoder.smooth, restarts)
    rows = np.flatnonzero(_reach(values, decoder.low))
    return rows, values[rows]


def _smoothed(raw: npt.NDArray[np.float32], smooth: int, restarts: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return each score averaged with those before it in its stretch, added up newest first as in pushing."""
    longest = int(np.diff(np.concatenate([[0], restarts, [len(raw)]])).max())
    smooth = min(smooth, max(1, longest))  # no row has more before it
    total = raw.astype(np.float64)
    for back in range(1, smooth):
        total[back:] += raw[:-back]
    total /= smooth
    young = (np.concatenate([[0], restarts])[:, None] + np.arange(smooth - 1)).ravel()
    young = young[young < len(raw)]  # the first of a stretch, which have fewer before them
    before, few = _before(young, smooth, restarts), raw[young].astype(np.float64)
    for back in range(1, smooth):
        held = before >= back
        few[held] += raw[young[held] - back]
    total[young] = few / (before + 1)
    return total


def _before(rows: npt.NDArray[np.intp], smooth: int, restarts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return how many rows before each of these it is averaged with."""
    starts = np.concatenate([[0], restarts])
    since = rows - starts[np.searchsorted(restarts, rows, side="right")]
    return np.asarray(np.minimum(since, smooth - 1), dtype=np.intp)


def _reach(values: npt.NDArray[np.floating], limit: float) -> npt.NDArray[np.bool_]:
    """Return which values are no less than a limit; float32 ones are compared without being copied."""
    if values.dtype != np.float32:
        return np.asarray(values >= limit)
    least = np.float32(limit)  # that is no less than the limit
    return np.asarray(values >= (least if float(least) >= limit else np.nextafter(least, np.float32(np.inf))))


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


def not_taken(decoder: "EventDecoder", scores: Scores, runs: dict[str, Runs]) -> dict[str, Runs]:
    """Return the runs that are events where classes block each other: in the order in which they would be decided."""
    decided = {label: one.where(np.isfinite(one.decided_s)) for label, one in runs.items()}
    sizes = [len(one.score) for one in decided.values()]
    if not sum(sizes):
        return decided
    start_s, stop_s, decided_s, stretch, last = (
        np.concatenate([getattr(one, name) for one in decided.values()])
        for name in ("start_s", "stop_s", "decided_s", "stretch", "last")
    )
    column, row = np.repeat(np.arange(len(sizes)), sizes), np.searchsorted(scores.time, decided_s)
    surest = np.concatenate(
        [_scores_at(decoder, scores, label, at) for label, at in zip(decided, _parts(row, sizes), strict=True)]
    )
    order = np.lexsort((column, -surest, row))
    columns = (stretch, column, row, over_rows(decoder, scores, last), start_s, stop_s)
    kept = np.zeros(len(order), dtype=bool)
    kept[order] = _first_come(map(Candidate, *(one[order].tolist() for one in columns)), decoder)
    return {label: one.where(own) for (label, one), own in zip(decided.items(), _parts(kept, sizes), strict=True)}


def _parts(values: npt.NDArray[Any], sizes: list[int]) -> list[npt.NDArray[Any]]:
    return np.split(values, np.cumsum(sizes)[:-1])


def _first_come(runs: Iterable[Candidate], decoder: "EventDecoder") -> list[bool]:
    """Return which of runs, in the order in which they would be decided, are events."""
    kept: list[bool] = []
    taken = NOBODY
    for run in runs:
        free, taken = taken.after(run, decoder)
        kept.append(free)
    return kept


def over_rows(decoder: "EventDecoder", scores: Scores, last: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the row at which each run is over: the first after its last behind which nothing could be merged."""
    latest_s = scores.centre_s[last] + (decoder.merge_s + EPSILON_S - scores.hop_s)
    return np.maximum(np.searchsorted(scores.centre_s, latest_s, side="right"), last + 1)


def _scores_at(
    decoder: "EventDecoder", scores: Scores, label: str, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    raw = scores.values[:, scores.channels.index(label)]
    if decoder.smooth == 1:
        return raw[rows].astype(np.float64)
    return _smoothed(raw, decoder.smooth, restarts_of(scores))[rows]


def table_of(events: dict[str, Runs]) -> pd.DataFrame:
    """Return events by class as one table, ordered by start and label."""
    names = sorted(events)
    columns = [np.concatenate([[], *(getattr(events[name], field) for name in names)]) for field in Runs._fields[:4]]
    labels = np.repeat(np.array(names, dtype=object), [len(events[name].score) for name in names])
    order = np.argsort(columns[0], kind="stable")
    start_s, stop_s, score, decided_s = (column[order] for column in columns)
    label = pd.Index(labels[order], dtype=object)  # pandas would make another kind of column of text
    return pd.DataFrame({"start_s": start_s, "stop_s": stop_s, "label": label, "score": score, "decided_s": decided_s})
