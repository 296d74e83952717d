"""Recall and false alarms at every threshold, exactly, in about the time of a few sorts of the scores.

With the low threshold fixed, the runs of windows at or above it are found once, and a run is an event from its peak
downwards. True events are given out in the order of the peaks, so that one more event changes one count by one. Only
where a refractory time lets events block each other, what a new one changes is followed from event to event.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.across import changes_across
from wristkit.evaluate.judge import Rule, Seen, touches
from wristkit.events import EventDecoder, Runs, Scores, near, served
from wristkit.recording import FloatArray

Places = npt.NDArray[np.intp]
NOTHING = np.empty((0, 2))


class Steps(NamedTuple):
    """Changes, all (n,): at which threshold, how many more hits, how many more false alarms."""

    threshold: FloatArray
    hits: npt.NDArray[np.number]
    alarms: npt.NDArray[np.number]


class Group(NamedTuple):
    """Runs of one class in one recording, in order: what may become events, and what they are judged by."""

    runs: Runs
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
    for name, one in scores.items():
        if decoder.refractory_any_s:
            rows = list(changes_across(one, decoder, seen[name], rule))
            steps.append(Steps(*np.array(rows, dtype=np.float64).reshape(-1, 3).T))
            continue
        for group in _groups(one, decoder, seen[name], rule):
            steps += _steps(group, decoder.refractory_s)
    return _summed(steps, truths, hours)


def _groups(scores: Scores, decoder: EventDecoder, seen: Seen, rule: Rule) -> Iterator[Group]:
    for label, runs in replace(decoder, high=decoder.low).runs(scores).items():
        long_enough = runs if not decoder.min_length_s else runs.where(np.isfinite(runs.decided_s))
        times = np.column_stack([long_enough.start_s, long_enough.stop_s])
        rows, columns = near(times, seen.truth.get(label, NOTHING), rule.tolerance_s)
        yield Group(long_enough, touches(times, seen.counted), rows, columns)


def _steps(group: Group, refractory_s: float) -> Iterator[Steps]:
    """Yield the steps of runs that are on their own, all at once, then of those that may block each other."""
    blocking = _crowded(group, refractory_s)
    if not blocking.any():
        yield _own_steps(group, np.ones(len(blocking), dtype=bool))
        return
    yield _own_steps(group, ~blocking)
    yield _Crowd(group, np.flatnonzero(blocking), refractory_s).steps()


def _own_steps(group: Group, chosen: npt.NDArray[np.bool_]) -> Steps:
    edges = chosen[group.rows]
    hit = served(group.rows[edges], group.columns[edges], group.runs.score)
    alarm = group.judged & ~hit
    return Steps(group.runs.score[chosen], hit[chosen].astype(np.int64), alarm[chosen].astype(np.int64))


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
        ready = np.searchsorted(runs.start_s, runs.stop_s + self.refractory_s - 1e-9)
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
    threshold = np.concatenate([[np.inf], *(one.threshold for one in steps)])
    order = np.argsort(-threshold)
    last = np.append(np.flatnonzero(np.diff(threshold[order])), len(order) - 1)
    hits = np.cumsum(np.concatenate([[0], *(one.hits for one in steps)])[order])[last]
    alarms = np.cumsum(np.concatenate([[0], *(one.alarms for one in steps)])[order])[last]
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {
            "threshold": threshold[order][last],
            "hits": hits.astype(np.int64),
            "false_alarms": alarms.astype(np.int64),
            "truths": np.full(len(hits), truths),
            "recall": hits / truths if truths else np.full(len(hits), np.nan),
            "precision": hits / (hits + alarms),
            "fp_per_hour": alarms / hours if hours else np.full(len(hits), np.nan),
        }
    return pd.DataFrame(table)
