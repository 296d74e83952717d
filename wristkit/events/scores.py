"""Scores of windows, and the events and tables that come of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.recording import FloatArray, Stream, find_gaps, measured_rate_hz

BACKGROUND = "none"
EVENT_COLUMNS = ("start_s", "stop_s", "label", "score", "decided_s")
_ROUNDING = 1e-3  # of half precision; what lies further outside of 0 to 1 is no probability


@dataclass(frozen=True)
class Event:
    """Something that was detected.

    ``start_s`` and ``stop_s`` are the centres of its first and last window at or above the low threshold, put back by
    the delay of smoothing; ``score`` is its highest score, ``decided_s`` the time of the newest source sample that the
    decision needed.
    """

    start_s: float
    stop_s: float
    label: str
    score: float
    decided_s: float


@dataclass(frozen=True)
class EventUpdate:
    """An event as it becomes known: once when it is decided, its end still open, and once when it is final."""

    event: Event
    final: bool


@dataclass(frozen=True, eq=False)
class Scores(Stream):
    """A stream of class probabilities, one row a window.

    ``time`` is the score time: the newest source sample that each row needed. ``centre_s`` (n,) is the middle of each
    window on the recording's clock, ``hop_s`` the step between windows where nothing is missing, ``window_s`` their
    length (at least a hop), and ``sources`` the streams that were needed, where known.
    """

    centre_s: FloatArray
    hop_s: float
    window_s: float
    sources: tuple[str, ...]

    @classmethod
    def of(
        cls,
        score_s: FloatArray,
        probabilities: npt.NDArray[np.float32],
        *,
        classes: Sequence[str],
        centre_s: FloatArray,
        hop_s: float,
        window_s: float | None = None,
        sources: Sequence[str] = (),
    ) -> Self:
        """Return scores (n, classes) known at ``score_s`` (n,) for windows centred at ``centre_s`` (n,).

        They are probabilities from 0 to 1; NaN, where a detector said nothing, is kept, and :func:`wristkit.evaluate`
        refuses it.
        """
        _check_lengths(hop_s, window_s)
        _check_values(np.asarray(probabilities))
        _check_times("centre_s", np.asarray(centre_s, dtype=np.float64), len(probabilities))
        _check_times("score_s", np.asarray(score_s, dtype=np.float64), len(probabilities))
        time_s = strictly_increasing(score_s)
        gaps = find_gaps(time_s)
        return cls(
            name="scores",
            time=time_s,
            values=probabilities,
            channels=tuple(classes),
            unit="1",
            rate_hz=measured_rate_hz(time_s, gaps),
            gaps=gaps,
            centre_s=np.asarray(centre_s, dtype=np.float64),
            hop_s=hop_s,
            window_s=hop_s if window_s is None else window_s,
            sources=tuple(sources),
        )

    def between(self, start_s: float, stop_s: float) -> "Scores":
        """Return the rows with ``start_s <= time < stop_s``."""
        first, last = np.searchsorted(self.time, [start_s, stop_s])
        time_s = self.time[first:last]
        gaps = find_gaps(time_s)
        return replace(
            self,
            time=time_s,
            values=self.values[first:last],
            rate_hz=measured_rate_hz(time_s, gaps),
            gaps=gaps,
            centre_s=self.centre_s[first:last],
        )


def _check_lengths(hop_s: object, window_s: object) -> None:
    for name, length_s in (("hop_s", hop_s), ("window_s", hop_s if window_s is None else window_s)):
        number = length_s if isinstance(length_s, int | float | np.integer | np.floating) else np.nan
        if isinstance(length_s, bool) or not 0 < number < np.inf:
            raise ValueError(f"{name} of scores is {length_s!r}, expected seconds above 0")


def _check_values(values: npt.NDArray[Any]) -> None:
    """Raise where scores are no probabilities; NaN is left to who judges them."""
    if values.dtype.kind not in "fiub":
        raise ValueError(f"scores are of type {values.dtype}, expected numbers from 0 to 1")
    low, high = float(np.fmin.reduce(values, axis=None, initial=0)), float(np.fmax.reduce(values, axis=None, initial=1))
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        reached = high if high > 1 + _ROUNDING else low
        raise ValueError(
            f"scores reach {reached:.6g}, expected 0 to 1; apply a softmax to what a net gives, or divide percentages "
            "by 100"
        )


def _check_times(name: str, time_s: FloatArray, count: int) -> None:
    if time_s.shape != (count,):
        raise ValueError(f"{name} is of shape {time_s.shape}, expected ({count},), a time for each row of scores")
    if len(wrong := np.flatnonzero(~np.isfinite(time_s))):
        raise ValueError(f"{name} is {time_s[wrong[0]]} in row {wrong[0]} of scores, expected seconds; leave these out")
    if len(falling := np.flatnonzero(np.diff(time_s) < -1e-6)):
        before_s, after_s = time_s[falling[0] : falling[0] + 2].tolist()
        raise ValueError(
            f"{name} falls from {before_s:g} to {after_s:g} s in row {falling[0] + 1} of scores, expected times in "
            "order; sort the windows, and keep recordings apart"
        )


def event_table(events: Iterable[Event]) -> pd.DataFrame:
    """Return events as a table ``start_s, stop_s, label, score, decided_s``, ordered by start."""
    table = pd.DataFrame([asdict(event) for event in events], columns=list(EVENT_COLUMNS))
    kinds = {"start_s": float, "stop_s": float, "label": object, "score": float, "decided_s": float}
    return table.astype(kinds).sort_values(["start_s", "label"], kind="stable", ignore_index=True)


def strictly_increasing(time_s: FloatArray, *, after_s: float = -np.inf) -> FloatArray:
    """Return times in which equal ones, scores that one sample completes together, follow at the smallest step."""
    time_s = np.array(time_s, dtype=np.float64)
    for row in np.flatnonzero(np.diff(time_s, prepend=after_s) <= 0):
        time_s[row] = np.nextafter(time_s[row - 1] if row else after_s, np.inf)
    return time_s
