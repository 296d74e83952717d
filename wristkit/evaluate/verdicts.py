"""Which runs are hits and which false alarms, kept up as runs become events and cease to be."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.evaluate.judge import Rule, Seen, touches
from wristkit.events import Runs, near, served
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


def group_of(runs: Runs, label: str, seen: Seen, rule: Rule) -> Group:
    """Return runs with what they are judged by."""
    times = np.stack([runs.start_s, runs.stop_s]).T  # each column in one piece, which is looked through fastest
    rows, columns = near(times, seen.truth.get(label, NOTHING), rule.tolerance_s)
    return Group(runs, touches(times, seen.distinct), rows, columns)


def components_of(group: Group) -> npt.NDArray[np.int64]:
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


class Verdicts:
    """Hits and false alarms among the runs of one class that are events.

    A run that could meet a true event is judged with all that could meet the same, or what those could meet; each
    other one by itself.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._component = components_of(group)
        self._edges = _edges_by(self._component, group)
        self._kept = np.zeros(len(self._component), dtype=np.bool_)
        self._counts: dict[int, tuple[int, int]] = {}

    def after(self, changes: Iterable[tuple[int, int]]) -> tuple[int, int]:
        """Return how many more hits and false alarms there are when runs become events (1) or cease to be (-1)."""
        hits = alarms = 0
        touched = set()
        for run, more in changes:
            self._kept[run] = more > 0
            if self._component[run] < 0:
                alarms += more * int(self._group.judged[run])
            else:
                touched.add(int(self._component[run]))
        for number in touched:
            before, now = self._counts.get(number, (0, 0)), self._judge(*self._edges[number])
            self._counts[number] = now
            hits, alarms = hits + now[0] - before[0], alarms + now[1] - before[1]
        return hits, alarms

    def _judge(self, runs: Places, rows: Places, columns: Places) -> tuple[int, int]:
        """Return hits and false alarms among the events of one component."""
        kept = self._kept[runs]
        here = kept[rows]
        hit = served(rows[here], columns[here], self._group.runs.score[runs])
        return int(hit.sum()), int((kept & ~hit & self._group.judged[runs]).sum())


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
