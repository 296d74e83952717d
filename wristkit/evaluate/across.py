"""The curve of a decoder whose classes block each other, followed from one decision to the next.

A lower threshold decides one run sooner, or one that was none before, and so changes who blocks whom. What that
changes is followed in the order of decisions until all is as it was; so each threshold costs what it changes.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.evaluate.judge import Rule, Seen
from wristkit.evaluate.verdicts import Steps, Verdicts, group_of
from wristkit.events import NOBODY, Candidate, EventDecoder, Runs, Scores, Taken, over_rows
from wristkit.recording import FloatArray


def steps_across(scores: Scores, decoder: EventDecoder, seen: Seen, rule: Rule) -> Steps:
    """Return what each threshold changes, from the highest."""
    runs = replace(decoder, high=decoder.low).runs(scores)
    ways = _ways_of(scores, decoder, runs)
    line = _Line(decoder, ways.candidates, _earliest(ways.candidates))
    verdicts = [Verdicts(group_of(one, label, seen, rule)) for label, one in runs.items()]
    falling = np.argsort(-ways.level, kind="stable")
    more = np.zeros((len(falling), 2), dtype=np.int64)
    for step, place in enumerate(falling.tolist()):
        changes = line.decide(place, ways.run[place])
        for column in {of for of, _ in changes}:
            more[step] += verdicts[column].after((run, sign) for (of, run), sign in changes.items() if of == column)
    return Steps(ways.level[falling], more[:, 0], more[:, 1])


class _Ways(NamedTuple):
    """All ways in which runs may be decided, in the order in which they would be.

    ``level`` is the highest threshold at which it comes so, ``run`` the class and the place of the run in it. A run has
    a way for each of its windows that is higher than all before.
    """

    candidates: list[Candidate]
    level: FloatArray
    run: list[tuple[int, int]]


def _ways_of(scores: Scores, decoder: EventDecoder, runs: Mapping[str, Runs]) -> _Ways:
    lasting = decoder.lasting(scores)
    parts = [
        _ways_of_class(scores, one, *lasting[label], column=column) for column, (label, one) in enumerate(runs.items())
    ]
    column, run, row, level, surest = (np.concatenate(one) for one in zip(*parts, strict=True))
    order = np.lexsort((column, -surest, row))
    column, run, row, level = column[order], run[order], row[order], level[order]
    held, begins = list(runs.values()), np.cumsum([0, *(len(one.score) for one in runs.values())])
    place = begins[column] + run
    stretch, last, start_s, stop_s = (
        np.concatenate([getattr(one, name) for one in held])[place] for name in ("stretch", "last", "start_s", "stop_s")
    )
    columns = (stretch, column, row, over_rows(decoder, scores, last), start_s, stop_s)
    candidates = list(map(Candidate, *(one.tolist() for one in columns)))
    return _Ways(candidates, level, list(zip(column.tolist(), run.tolist(), strict=True)))


def _ways_of_class(
    scores: Scores,
    runs: Runs,
    rows: npt.NDArray[np.intp],
    values: FloatArray,
    *,
    column: int,
) -> tuple[npt.NDArray[np.generic], ...]:
    """Return class, run, row of decision, threshold and score at that row, of each way of the runs of one class."""
    run = np.searchsorted(runs.last, rows)
    higher = np.flatnonzero(_is_highest_so_far(run, values))
    run, row, level = run[higher], rows[higher], values[higher]
    soonest = np.full(len(runs.score), len(scores))
    long_enough = np.isfinite(runs.decided_s)
    soonest[long_enough] = np.searchsorted(scores.time, runs.decided_s[long_enough])
    row = np.maximum(row, soonest[run])
    kept = row < len(scores)
    kept[:-1] &= (run[1:] != run[:-1]) | (row[1:] != row[:-1])  # of equal ways the highest threshold, which is the last
    run, row, level = run[kept], row[kept], level[kept]
    return np.full(len(run), column), run, row, level, values[np.searchsorted(rows, row)]


def _is_highest_so_far(run: npt.NDArray[np.intp], values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which values are higher than all before them in their run; runs are in order."""
    different, rank = np.unique(values, return_inverse=True)
    key = run * len(different) + rank
    return np.diff(np.maximum.accumulate(key), prepend=-1) > 0


def _earliest(candidates: list[Candidate]) -> list[tuple[int, float]]:
    """Return for each way the row of the next, and when the soonest of all that follow begins."""
    if not candidates:
        return []
    start_s = np.array([one.start_s for one in candidates])
    soonest_s = np.append(np.minimum.accumulate(start_s[::-1])[::-1][1:], np.inf)
    rows = [one.row for one in candidates[1:]]
    return list(zip([*rows, candidates[-1].row], soonest_s.tolist(), strict=True))


@dataclass
class _Line:
    """Runs in the order in which they are decided, and what each leaves to the next.

    ``_active`` holds the places of the ways by which runs are decided now; ``_left`` what there is after each.
    """

    decoder: EventDecoder
    candidates: list[Candidate]
    earliest: list[tuple[int, float]]
    _active: list[int] = field(default_factory=list)
    _left: dict[int, Taken] = field(default_factory=dict)
    _way: dict[tuple[int, int], int] = field(default_factory=dict)
    _kept: set[tuple[int, int]] = field(default_factory=set)
    _run_at: dict[int, tuple[int, int]] = field(default_factory=dict)

    def decide(self, place: int, run: tuple[int, int]) -> dict[tuple[int, int], int]:
        """Let a run be decided so; return which become events (1) and which are none any more (-1)."""
        before = self._way.get(run)
        self._way[run], self._run_at[place] = place, run
        insort(self._active, place)
        if before is not None:
            del self._active[bisect_left(self._active, before)], self._left[before]
        changes: dict[tuple[int, int], int] = {}
        self._follow(place, changes)
        if before is not None:
            self._follow(before, changes)
        return {one: more for one, more in changes.items() if more}

    def _follow(self, place: int, changes: dict[tuple[int, int], int]) -> None:
        """Decide anew from a place on until what is left is what it was."""
        first = bisect_left(self._active, place)
        left = self._left[self._active[first - 1]] if first else NOBODY
        for at in range(first, len(self._active)):
            one = self._active[at]
            free, left = left.after(self.candidates[one], self.decoder)
            left = left.from_now_on(*self.earliest[one], self.decoder)
            run = self._run_at[one]
            if free != (run in self._kept):
                changes[run] = changes.get(run, 0) + (1 if free else -1)
                (self._kept.add if free else self._kept.remove)(run)
            if self._left.get(one) == left:
                return
            self._left[one] = left
