"""From scores to events, in one call or window by window, and one-to-one matching of event tables."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.recording import FloatArray, Stream, find_gaps, measured_rate_hz

BACKGROUND = "none"
EVENT_COLUMNS = ("start_s", "stop_s", "label", "score", "decided_s")
_EPSILON_S = 1e-9


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
        """Return scores (n, classes) known at ``score_s`` (n,) for windows centred at ``centre_s`` (n,)."""
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
        return Scores.of(
            self.time[first:last],
            self.values[first:last],
            classes=self.channels,
            centre_s=self.centre_s[first:last],
            hop_s=self.hop_s,
            window_s=self.window_s,
            sources=self.sources,
        )


@dataclass(frozen=True)
class EventDecoder:
    """What turns scores into events.

    Parameters
    ----------
    high
        An event is decided when its smoothed score reaches this.
    low
        It lasts while the smoothed score stays at or above this.
    smooth
        Number of windows averaged, the newest and those before it. This delays by half a hop for each window but one;
        the times of events are corrected by it.
    min_length_s
        Least seconds from the centre of the first window to that of the last before it is decided.
    merge_s
        Dips of at most this many seconds, from centre to centre, do not end an event.
    refractory_s
        Nothing of the same class begins for this long after an event's end.
    background
        Class that is never an event.
    """

    high: float = 0.6
    low: float = 0.4
    smooth: int = 1
    min_length_s: float = 0.0
    merge_s: float = 0.0
    refractory_s: float = 0.0
    background: str = BACKGROUND

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(f"low is {self.low} and high is {self.high}, expected 0 < low <= high <= 1")
        if isinstance(self.smooth, bool) or not isinstance(self.smooth, int) or self.smooth < 1:
            raise ValueError(f"smooth is {self.smooth!r}, expected a whole number of windows, 1 or more")
        for name in ("min_length_s", "merge_s", "refractory_s"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name)}, expected seconds, 0 or more")

    def start(self, classes: Sequence[str], *, hop_s: float) -> "DecoderState":
        """Return the state before the first window."""
        return DecoderState(self, tuple(classes), hop_s)

    def run(self, scores: Scores) -> pd.DataFrame:
        """Return the table of events in scores."""
        state = self.start(scores.channels, hop_s=scores.hop_s)
        updates = state.push(scores.centre_s, scores.time, scores.values) + state.flush()
        return event_table(update.event for update in updates if update.final)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the decoder that :meth:`to_dict` described."""
        return cls(**fields)


class _Moment(NamedTuple):
    """Middle of a window, when its score was known, and by how much smoothing delays it."""

    centre_s: float
    score_s: float
    delay_s: float


@dataclass
class _Run:
    """Windows of one class at or above the low threshold, dips of ``merge_s`` included."""

    start_s: float
    last_s: float
    start_delay_s: float
    last_delay_s: float
    score: float
    blocked: bool
    decided_s: float | None = None

    def event(self, label: str, decided_s: float) -> Event:
        start_s, stop_s = self.start_s - self.start_delay_s, self.last_s - self.last_delay_s
        return Event(start_s, stop_s, label, self.score, decided_s)


@dataclass
class DecoderState:
    """A running decoder; the same updates for any partition of the windows."""

    decoder: EventDecoder
    classes: tuple[str, ...]
    hop_s: float
    _runs: dict[str, _Run] = field(default_factory=dict)
    _ready_s: dict[str, float] = field(default_factory=dict)
    _recent: npt.NDArray[np.float64] | None = None
    _newest_s: float = -np.inf

    def push(self, centre_s: FloatArray, score_s: FloatArray, probabilities: npt.ArrayLike) -> list[EventUpdate]:
        """Return the updates that these windows bring.

        Parameters
        ----------
        centre_s, score_s
            (n,) middle of each window and the time at which its score was known, increasing.
        probabilities
            (n, classes). A step of more than one hop between centres is a gap, which resets all state.
        """
        rows = np.asarray(probabilities, dtype=np.float64).reshape(-1, len(self.classes))
        breaks = np.flatnonzero(np.diff(centre_s, prepend=self._newest_s) > 1.5 * self.hop_s)
        edges = np.unique([0, *breaks, len(rows)])
        updates: list[EventUpdate] = []
        for first, last in pairwise(edges.tolist()):
            if first in breaks:
                updates += self.flush()
            smoothed, delay_s = self._smooth(rows[first:last])
            for row in range(first, last):
                at = _Moment(float(centre_s[row]), float(score_s[row]), float(delay_s[row - first]))
                updates += self._window(at, smoothed[row - first])
        if len(rows):
            self._newest_s = float(centre_s[-1])
        return updates

    def flush(self) -> list[EventUpdate]:
        """Return final updates of what is still open, and start anew."""
        updates = [update for label in list(self._runs) for update in self._close(label)]
        self._ready_s, self._recent = {}, None
        return updates

    def _smooth(self, rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """Return each row averaged with those before it in the stretch, and by how much that delays it.

        The sum runs newest first, so that it is the same in any partition.
        """
        before = rows[:0] if self._recent is None else self._recent
        known = np.concatenate([before, rows])
        total = rows.copy()
        count = np.ones(len(rows))
        for back in range(1, self.decoder.smooth):
            skipped = max(0, back - len(before))
            total[skipped:] += known[len(before) - back + skipped : len(known) - back]
            count[skipped:] += 1
        self._recent = known[max(0, len(known) - self.decoder.smooth + 1) :]
        return total / count[:, None], (count - 1) / 2 * self.hop_s

    def _window(self, at: "_Moment", scores: npt.NDArray[np.float64]) -> list[EventUpdate]:
        updates: list[EventUpdate] = []
        for label, score in zip(self.classes, scores.tolist(), strict=True):
            if label == self.decoder.background:
                continue
            if score >= self.decoder.low:
                updates += self._extend(label, score, at)
            elif label in self._runs and self._is_over(self._runs[label], at.centre_s):
                updates += self._close(label)
        return updates

    def _is_over(self, run: _Run, centre_s: float) -> bool:
        """Whether the earliest window that could follow comes too late to be merged."""
        return centre_s + self.hop_s - run.last_s > self.decoder.merge_s + _EPSILON_S

    def _extend(self, label: str, score: float, at: "_Moment") -> list[EventUpdate]:
        run = self._runs.get(label)
        if run is None:
            blocked = at.centre_s - at.delay_s < self._ready_s.get(label, -np.inf) - _EPSILON_S
            run = self._runs[label] = _Run(at.centre_s, at.centre_s, at.delay_s, at.delay_s, score, blocked)
        run.last_s, run.last_delay_s, run.score = at.centre_s, at.delay_s, max(run.score, score)
        long_enough = run.last_s - run.start_s >= self.decoder.min_length_s - _EPSILON_S
        if run.blocked or run.decided_s is not None or run.score < self.decoder.high or not long_enough:
            return []
        run.decided_s = at.score_s
        return [EventUpdate(run.event(label, at.score_s), final=False)]

    def _close(self, label: str) -> list[EventUpdate]:
        run = self._runs.pop(label)
        if run.decided_s is None:
            return []
        event = run.event(label, run.decided_s)
        self._ready_s[label] = event.stop_s + self.decoder.refractory_s
        return [EventUpdate(event, final=True)]


def event_table(events: Iterable[Event]) -> pd.DataFrame:
    """Return events as a table ``start_s, stop_s, label, score, decided_s``, ordered by start."""
    table = pd.DataFrame([asdict(event) for event in events], columns=list(EVENT_COLUMNS))
    kinds = {"start_s": float, "stop_s": float, "label": object, "score": float, "decided_s": float}
    return table.astype(kinds).sort_values(["start_s", "label"], kind="stable", ignore_index=True)


def match(
    predicted: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], *, tolerance_s: float
) -> npt.NDArray[np.int64]:
    """Return (pairs, 2) places of predicted and true events that belong together, one to one, as many as possible.

    Parameters
    ----------
    predicted, truth
        (n, 2) and (m, 2) seconds of start and stop of events of one class in one recording.
    tolerance_s
        Two events may belong together when they overlap or are at most this far apart.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    rows, columns = near(predicted, truth, tolerance_s)
    if not len(rows):
        return np.empty((0, 2), dtype=np.int64)
    shape = (len(predicted), len(truth))
    pairs = csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape)
    chosen = maximum_bipartite_matching(pairs, perm_type="column")
    rows = np.flatnonzero(chosen >= 0)
    return np.column_stack([rows, chosen[rows]]).astype(np.int64)


def near(
    predicted: FloatArray, truth: FloatArray, tolerance_s: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places of every predicted and true event that may belong together, without trying all pairs."""
    order = np.argsort(predicted[:, 0], kind="stable")
    ends_s = np.maximum.accumulate(predicted[order, 1])
    first = np.searchsorted(ends_s, truth[:, 0] - tolerance_s)
    last = np.searchsorted(predicted[order, 0], truth[:, 1] + tolerance_s, side="right")
    counts = np.maximum(last - first, 0)
    columns = np.repeat(np.arange(len(truth)), counts)
    rows = order[np.arange(len(columns)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)]
    touching = predicted[rows, 1] >= truth[columns, 0] - tolerance_s
    return rows[touching], columns[touching]


def strictly_increasing(time_s: FloatArray, *, after_s: float = -np.inf) -> FloatArray:
    """Return times in which equal ones, scores that one sample completes together, follow at the smallest step."""
    time_s = np.array(time_s, dtype=np.float64)
    for row in np.flatnonzero(np.diff(time_s, prepend=after_s) <= 0):
        time_s[row] = np.nextafter(time_s[row - 1] if row else after_s, np.inf)
    return time_s
