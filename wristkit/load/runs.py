"""Runs of one label among stamped rows: where each begins and ends, and which spans of time they cover."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.load.gather import Nanoseconds
from wristkit.load.spool import Spool
from wristkit.recording import blocks, longest_step_s

_MOST_RUNS = 100_000


class Run(NamedTuple):
    """A stretch of rows of one value."""

    start_ns: int
    stop_ns: int
    value: Any


def runs(
    time_ns: Nanoseconds, values: npt.NDArray[np.generic], *, longest_step_ns: int, file: str | None = None
) -> list[Run]:
    """Return each run of equal values, block by block.

    A run ends where the next begins; at its own last stamp where the next one is more than ``longest_step_ns`` away,
    or earlier: nobody knows what was done meanwhile.
    """
    found: list[Run] = []
    start_ns, last_ns, last = 0, time_ns[:0], values[:0]
    for block, mine in blocks(time_ns, values):
        stamps, said = np.concatenate([last_ns, block]), np.concatenate([last, mine])
        start_ns = start_ns if len(last_ns) else int(block[0])
        steps = np.diff(stamps)
        paused = (steps > longest_step_ns) | (steps < 0)
        edges = np.flatnonzero(paused | (said[1:] != said[:-1]))
        _refuse_many(len(found) + len(edges), file)
        for row in edges:
            found.append(Run(start_ns, int(stamps[row if paused[row] else row + 1]), said[row]))
            start_ns = int(stamps[row + 1])
        last_ns, last = stamps[-1:], said[-1:]
    return [*found, Run(start_ns, int(last_ns[0]), last[0])] if len(last) else found


def longest_step_ns(time_ns: Nanoseconds, spool: Spool) -> int:
    """Return the longest step between two increasing stamps that is not yet a gap, as streams have it."""
    if len(time_ns) < 2:
        return 0
    first_ns = int(time_ns[0])
    return round(longest_step_s(spool.mapped(lambda block: (block - first_ns) / 1e9, time_ns)) * 1e9)


def spans(found: Iterable[Run]) -> list[tuple[int, int]]:
    """Return the spans of time that runs cover, those that touch as one; no span is without length."""
    joined: list[tuple[int, int]] = []
    for start_ns, stop_ns, _ in sorted(found, key=lambda run: run[:2]):
        if joined and start_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop_ns, joined[-1][1]))
        elif stop_ns > start_ns:
            joined.append((start_ns, stop_ns))
    return joined


def _refuse_many(count: int, file: str | None) -> None:
    if count > _MOST_RUNS:
        raise RecordingError(
            f"its label changes more than {_MOST_RUNS} times, too often for a label of what was done",
            code="too_many_labels",
            remedy="look whether that column is a label; give it as a number, or leave it out",
            file=file,
        )
