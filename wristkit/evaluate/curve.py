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

from wristkit.evaluate.across import steps_across
from wristkit.evaluate.judge import Rule, Seen
from wristkit.evaluate.verdicts import Group, Places, Steps, Verdicts, components_of, group_of
from wristkit.events import EPSILON_S, EventDecoder, Scores, served
from wristkit.recording import FloatArray

_BITS = 32
# Bytes that are taken and given back untouched: from then on glibc keeps up to twice as much of what is freed for the
# next array. Elsewhere it costs nothing. Of half a million events, fresh memory would take as long as all the rest.
_ROOM = 31 << 20


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
    np.empty(_ROOM, dtype=np.uint8)
    steps: list[Steps] = []
    lone: list[Lone] = []
    for name, one in scores.items():
        if decoder.refractory_any_s:
            steps.append(steps_across(one, decoder, seen[name], rule))
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
        yield group_of(long_enough, label, seen, rule)


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
    component = components_of(group)
    held = component >= 0
    crowded[held] |= np.isin(component[held], component[held & crowded])
    return crowded


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
        free, verdicts, peaks = self._free(), Verdicts(self.group), self.group.runs.score
        order = self.members[np.argsort(-peaks[self.members], kind="stable")]
        more = np.array([verdicts.after(self._add(place, free)) for place in order.tolist()])
        return Steps(peaks[order], more[:, 0], more[:, 1])

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


def _summed(steps: list[Steps], truths: int, hours: float) -> pd.DataFrame:
    """Return the table, its numbers in two blocks: fresh memory in many pieces would cost more than what fills it."""
    threshold, order = _falling(_joined([one.threshold for one in steps]))
    last = np.append(np.flatnonzero(threshold[1:] != threshold[:-1]), len(order) - 1)[: len(order)]
    counts, shares = np.zeros((3, len(last) + 1), dtype=np.int64), np.empty((4, len(last) + 1))
    hits, alarms, known = counts
    levels, recall, precision, per_hour = shares
    levels[0], levels[1:] = np.inf, threshold[last]
    changes = _joined([one.alarms for one in steps]).astype(np.int64)
    changes <<= _BITS
    changes += _joined([one.hits for one in steps])
    sums = np.cumsum(changes[order])[last]  # of both at once: neither sum is ever below 0
    np.right_shift(sums, _BITS, out=alarms[1:])
    np.bitwise_and(sums, (1 << _BITS) - 1, out=hits[1:])
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


def _falling(threshold: FloatArray) -> tuple[FloatArray, Places]:
    """Return positive thresholds from the highest, and their order; equal ones in any order.

    Scores that are not smoothed are float32, whose bits order as they do: with the place behind them in one number
    they are sorted as numbers are, some times as fast as places by what they point to.
    """
    narrow = threshold.astype(np.float32)
    if len(threshold) >= 2**32 or not np.array_equal(narrow, threshold):
        order = np.argsort(-threshold)
        return threshold[order], order
    key = narrow.view(np.uint32).astype(np.uint64)
    key <<= np.uint64(32)
    key |= np.arange(len(threshold), dtype=np.uint64)
    key.sort()
    key = key[::-1]
    falling = (key >> np.uint64(32)).astype(np.uint32).view(np.float32).astype(np.float64)
    key &= np.uint64(2**32 - 1)
    return falling, key.view(np.int64)
