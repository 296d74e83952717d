"""Recall and false alarms at every threshold, exactly, in about the time of a few sorts of the scores.

With the low threshold fixed, the runs of windows at or above it are found once, and a run is an event from its peak
downwards. True events are given out in the order of the peaks, so that one more event changes one count by one. Only
where a refractory time lets events block each other, what a new one changes is followed from event to event.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.across import changes_across
from wristkit.evaluate.judge import Rule, Seen, touches
from wristkit.events import EPSILON_S, EventDecoder, Runs, Scores, near, served
from wristkit.recording import FloatArray

Places = npt.NDArray[np.intp]
NOTHING = np.empty((0, 2))


class Steps(NamedTuple):
    """Changes, all (n,): at which threshold, how many more hits, how many more false alarms."""

    threshold: FloatArray
    hits: npt.NDArray[np.number | np.bool_]
    alarms: npt.NDArray[np.number | np.bool_]


class Group(NamedTuple):
    """Runs of one class in one recording, in order: what may become events, and what they are judged by."""

    runs: Runs
    judged: npt.NDArray[np.bool_]
    rows: Places
    columns: Places


class Lone(NamedTuple):
    """Runs that none can block: their peaks, and the rest as in :class:`Group`."""

    score: FloatArray
    judged: npt.NDArray[np.bool_]
    rows: Places
    columns: Places


def curve_table(
    rule: Rule,
    seen: Mapping[str, Seen],
    scores: Mapping[str, Scores],
    decoder: EventDecoder,
    *,
    truths: int,
    hours: float,
) -> pd.DataFrame:
    """Return counts at every threshold that changes one of them."""
    steps: list[Steps] = []
    lone: list[Lone] = []
    for name, one in scores.items():
        if decoder.refractory_any_s:
            rows = list(changes_across(one, decoder, seen[name], rule))
            steps.append(Steps(*np.array(rows, dtype=np.float64).reshape(-1, 3).T))
            continue
        for group in _groups(one, decoder, seen[name], rule):
            blocking = _crowded(group, decoder.refractory_s)
            if blocking.any():
                steps.append(_Crowd(group, np.flatnonzero(blocking), decoder.refractory_s).steps())
            lone.append(_lone(group, blocking))
    return _summed([*steps, *_own_steps(lone)], truths, hours)


def _groups(scores: Scores, decoder: EventDecoder, seen: Seen, rule: Rule) -> Iterator[Group]:
    for label, runs in replace(decoder, high=decoder.low).runs(scores).items():
        long_enough = runs if not decoder.min_length_s else runs.where(np.isfinite(runs.decided_s))
        times = np.column_stack([long_enough.start_s, long_enough.stop_s])
        rows, columns = near(times, seen.truth.get(label, NOTHING), rule.tolerance_s)
        yield Group(long_enough, touches(times, seen.distinct), rows, columns)


def _lone(group: Group, left_out: npt.NDArray[np.bool_]) -> Lone:
    """Return what is needed of the runs that are not left out."""
    if not left_out.any():
        return Lone(group.runs.score, group.judged, group.rows, group.columns)
    kept, chosen = ~left_out[group.rows], ~left_out
    place = np.cumsum(chosen) - 1
    return Lone(group.runs.score[chosen], group.judged[chosen], place[group.rows[kept]], group.columns[kept])


def _own_steps(groups: list[Lone]) -> list[Steps]:
    """Return the steps of runs that no other can block, of all recordings and classes at once."""
    if not groups:
        return []
    score = np.concatenate([one.score for one in groups])
    rows = _one_after_another([one.rows for one in groups], [len(one.judged) for one in groups])
    columns = [one.columns for one in groups]
    hit = served(rows, _one_after_another(columns, [one.max(initial=-1) + 1 for one in columns]), score)
    return [Steps(score, hit, np.concatenate([one.judged for one in groups]) & ~hit)]


def _one_after_another(places: list[Places], sizes: list[int]) -> Places:
    """Return places in lists of these sizes as places in all lists put together."""
    before = np.cumsum([0, *sizes[:-1]])
    return np.concatenate([one + more for one, more in zip(places, before, strict=True)])


def _crowded(group: Group, refractory_s: float) -> npt.NDArray[np.bool_]:
    """Return which runs begin in another's refractory time or another in theirs, or share true events with such."""
    runs = group.runs
    crowded = np.zeros(len(runs.score), dtype=bool)
    if not refractory_s or len(crowded) < 2:
        return crowded
    after = (np.diff(runs.stretch) == 0) & (runs.start_s[1:] < runs.stop_s[:-1] + refractory_s)
    crowded[1:] |= after
    crowded[:-1] |= after
    component = _components(group)
    held = component >= 0
    crowded[held] |= np.isin(component[held], component[held & crowded])
    return crowded


def _components(group: Group) -> npt.NDArray[np.int64]:
    """Return for each run the number of the group of runs and true events it is linked with, -1 where with none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    component = np.full(len(group.runs.score), -1, dtype=np.int64)
    if len(group.rows):
        size = len(component) + int(group.columns.max()) + 1
        links = coo_array((np.ones(len(group.rows)), (group.rows, group.columns + len(component))), shape=(size, size))
        touching = np.unique(group.rows)
        component[touching] = connected_components(links, directed=False)[1][touching]
    return component


@dataclass
class _Crowd:
    """Runs that may block each other, to be added from the highest peak downwards.

    ``_present`` and ``_kept`` hold, in order of time, the runs that are events but for blocking, and those that are.
    """

    group: Group
    members: Places
    refractory_s: float
    _present: list[int] = field(default_factory=list)
    _kept: list[int] = field(default_factory=list)

    def steps(self) -> Steps:
        runs = self.group.runs
        component, free = _components(self.group), self._free()
        peaks, judged = runs.score, self.group.judged
        edges = _edges_by(component, self.group)
        hits_of: dict[int, tuple[int, int]] = {}
        rows: list[tuple[float, int, int]] = []
        for place in self.members[np.argsort(-peaks[self.members], kind="stable")].tolist():
            hits = alarms = 0
            touched = set()
            for changed, more in self._add(place, free):
                if component[changed] < 0:
                    alarms += more * int(judged[changed])
                else:
                    touched.add(int(component[changed]))
            for number in touched:
                before, now = hits_of.get(number, (0, 0)), self._counts(edges[number])
                hits_of[number] = now
                hits, alarms = hits + now[0] - before[0], alarms + now[1] - before[1]
            rows.append((float(peaks[place]), hits, alarms))
        threshold, more_hits, more_alarms = zip(*rows, strict=True)
        return Steps(np.array(threshold), np.array(more_hits), np.array(more_alarms))

    def _free(self) -> list[int]:
        """Return for each run the place of the first later one that it does not block; a gap frees all."""
        runs = self.group.runs
        ready = np.searchsorted(runs.start_s, runs.stop_s + self.refractory_s - EPSILON_S)
        ready = np.minimum(ready, np.searchsorted(runs.stretch, runs.stretch, side="right"))
        free: list[int] = np.maximum(ready, np.arange(len(ready)) + 1).tolist()
        return free

    def _add(self, place: int, free: list[int]) -> list[tuple[int, int]]:
        """Add a run; return the runs that become events (1) or are blocked from now on (-1)."""
        kept, present = self._kept, self._present
        insort(present, place)
        at = bisect_right(kept, place)
        if at and free[kept[at - 1]] > place:
            return []
        changes, following = [], place
        while True:
            changes.append((following, 1))
            kept.insert(at, following)
            at += 1
            ready = free[following]
            while at < len(kept) and kept[at] < ready:
                changes.append((kept.pop(at), -1))
            next_ = bisect_left(present, ready)
            if next_ == len(present) or (at < len(kept) and kept[at] == present[next_]):
                return changes
            following = present[next_]

    def _counts(self, edges: tuple[Places, Places, Places]) -> tuple[int, int]:
        """Return hits and false alarms among the kept runs of one component."""
        runs, rows, columns = edges
        kept = np.array([self._is_kept(run) for run in runs.tolist()])
        here = kept[rows]
        hit = served(rows[here], columns[here], self.group.runs.score[runs])
        return int(hit.sum()), int((kept & ~hit & self.group.judged[runs]).sum())

    def _is_kept(self, run: int) -> bool:
        at = bisect_left(self._kept, run)
        return at < len(self._kept) and self._kept[at] == run


def _edges_by(component: npt.NDArray[np.int64], group: Group) -> dict[int, tuple[Places, Places, Places]]:
    """Return for each component its runs, and its links as places among these and of true events."""
    number = component[group.rows]
    order = np.argsort(number, kind="stable")
    numbers, first = np.unique(number[order], return_index=True)
    found = {}
    for one, begin, end in zip(numbers.tolist(), first, np.append(first, len(order))[1:], strict=True):
        links = order[begin:end]
        runs, rows = np.unique(group.rows[links], return_inverse=True)
        found[one] = (runs, rows, group.columns[links])
    return found


def _summed(steps: list[Steps], truths: int, hours: float) -> pd.DataFrame:
    """Return the table, its numbers in two blocks: fresh memory in many pieces would cost more than what fills it."""
    threshold = _joined([one.threshold for one in steps])
    order = _falling(threshold)
    threshold = threshold[order]
    last = np.append(np.flatnonzero(threshold[1:] != threshold[:-1]), len(order) - 1)[: len(order)]
    counts, shares = np.zeros((3, len(last) + 1), dtype=np.int64), np.empty((4, len(last) + 1))
    hits, alarms, known = counts
    levels, recall, precision, per_hour = shares
    levels[0], levels[1:] = np.inf, threshold[last]
    for sums, changes in ((hits, [one.hits for one in steps]), (alarms, [one.alarms for one in steps])):
        np.take(np.cumsum(_joined(changes)[order], dtype=np.int64), last, out=sums[1:])
    known[:] = truths
    with np.errstate(invalid="ignore", divide="ignore"):
        np.divide(hits, truths or np.nan, out=recall)
        np.divide(hits, np.add(hits, alarms, out=precision), out=precision)
        np.divide(alarms, hours or np.nan, out=per_hour)
    table = {
        "threshold": levels,
        "hits": hits,
        "false_alarms": alarms,
        "truths": known,
        "recall": recall,
        "precision": precision,
        "fp_per_hour": per_hour,
    }
    return pd.DataFrame(table, copy=False)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype=bool), *parts])


def _falling(threshold: FloatArray) -> Places:
    """Return the order of positive thresholds from the highest; equal ones in any order.

    Scores that are not smoothed are float32, whose bits order as they do: with the place behind them in one number
    they are sorted as numbers are, some times as fast as places by what they point to.
    """
    narrow = threshold.astype(np.float32)
    if len(threshold) >= 2**32 or not np.array_equal(narrow, threshold):
        return np.argsort(-threshold)
    key = narrow.view(np.uint32).astype(np.uint64)
    key <<= np.uint64(32)
    key |= np.arange(len(threshold), dtype=np.uint64)
    key.sort()
    key &= np.uint64(2**32 - 1)
    return key.view(np.int64)[::-1]
