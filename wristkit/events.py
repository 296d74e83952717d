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
    refractory_any_s
        Above 0, no other class is decided while an event lasts, nor where it begins within this long after its end; of
        two in one window the higher score goes first. At 0 classes know nothing of each other.
    background
        Class that is never an event.
    """

    high: float = 0.6
    low: float = 0.4
    smooth: int = 1
    min_length_s: float = 0.0
    merge_s: float = 0.0
    refractory_s: float = 0.0
    refractory_any_s: float = 0.0
    background: str = BACKGROUND

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(f"low is {self.low} and high is {self.high}, expected 0 < low <= high <= 1")
        if isinstance(self.smooth, bool) or not isinstance(self.smooth, int) or self.smooth < 1:
            raise ValueError(f"smooth is {self.smooth!r}, expected a whole number of windows, 1 or more")
        for name in ("min_length_s", "merge_s", "refractory_s", "refractory_any_s"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} is {getattr(self, name)}, expected seconds, 0 or more")

    def start(self, classes: Sequence[str], *, hop_s: float) -> "DecoderState":
        """Return the state before the first window."""
        return DecoderState(self, tuple(classes), hop_s)

    def run(self, scores: Scores) -> pd.DataFrame:
        """Return the table of events in scores."""
        if self.refractory_any_s:
            state = self.start(scores.channels, hop_s=scores.hop_s)
            updates = state.push(scores.centre_s, scores.time, scores.values) + state.flush()
            return event_table(update.event for update in updates if update.final)
        parts = [_events_of(runs, label, self) for label, runs in self.runs(scores).items()]
        return pd.concat([event_table([]), *parts]).sort_values(
            ["start_s", "label"], kind="stable", ignore_index=True
        )

    def runs(self, scores: Scores) -> "dict[str, Runs]":
        """Return the runs of each class, before any refractory time: what :meth:`run` chooses from, all at once."""
        restarts = np.flatnonzero(np.diff(scores.centre_s) > 1.5 * scores.hop_s) + 1
        return {
            label: _runs_of(self, scores, column, restarts)
            for column, label in enumerate(scores.channels)
            if label != self.background
        }

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
    _ended_s: dict[str, float] = field(default_factory=dict)
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
        self._ready_s, self._ended_s, self._recent = {}, {}, None
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
        lasting: list[tuple[float, str]] = []
        for label, score in zip(self.classes, scores.tolist(), strict=True):
            if label == self.decoder.background:
                continue
            if score >= self.decoder.low:
                lasting.append((score, label))
            elif label in self._runs and self._is_over(self._runs[label], at.centre_s):
                updates += self._close(label)
        for score, label in sorted(lasting, key=lambda one: -one[0]):
            updates += self._extend(label, score, at)
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
        run.blocked = self._is_taken(label, run.start_s - run.start_delay_s)
        if run.blocked:
            return []
        run.decided_s = at.score_s
        return [EventUpdate(run.event(label, at.score_s), final=False)]

    def _is_taken(self, label: str, start_s: float) -> bool:
        """Whether an event of another class lasts, or ended too shortly before."""
        pause_s = self.decoder.refractory_any_s
        if not pause_s:
            return False
        others = [name for name in self.classes if name != label]
        if any(name in self._runs and self._runs[name].decided_s is not None for name in others):
            return True
        return any(start_s < self._ended_s.get(name, -np.inf) + pause_s - _EPSILON_S for name in others)

    def _close(self, label: str) -> list[EventUpdate]:
        run = self._runs.pop(label)
        if run.decided_s is None:
            return []
        event = run.event(label, run.decided_s)
        self._ready_s[label], self._ended_s[label] = event.stop_s + self.decoder.refractory_s, event.stop_s
        return [EventUpdate(event, final=True)]


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


def _runs_of(decoder: EventDecoder, scores: Scores, column: int, restarts: npt.NDArray[np.intp]) -> Runs:
    """Return what :meth:`DecoderState.push` collects window by window, in whole arrays."""
    rows, stretch, place, values = _lasting(decoder, scores, column, restarts)
    if not len(rows):
        nothing = np.empty(0)
        return Runs(nothing, nothing, nothing, nothing, np.empty(0, dtype=np.int64))
    centre_s, dip = scores.centre_s[rows], np.diff(rows) > 1
    dip &= scores.centre_s[rows[1:] - 1] + scores.hop_s - centre_s[:-1] > decoder.merge_s + _EPSILON_S
    first = np.concatenate([[0], np.flatnonzero(dip | (np.diff(stretch) > 0)) + 1])
    last = np.append(first[1:], len(rows)) - 1
    decided = first if decoder.high == decoder.low else _next_true(values >= decoder.high, first)
    if decoder.min_length_s:
        since_s = centre_s - np.repeat(centre_s[first], last - first + 1)
        decided = np.maximum(decided, _next_true(since_s >= decoder.min_length_s - _EPSILON_S, first))
    known_s = np.where(decided <= last, scores.time[rows[np.minimum(decided, last)]], np.nan)
    delayed_s = centre_s - np.minimum(place, decoder.smooth - 1) / 2 * scores.hop_s
    return Runs(delayed_s[first], delayed_s[last], np.maximum.reduceat(values, first), known_s, stretch[first])


def _lasting(
    decoder: EventDecoder, scores: Scores, column: int, restarts: npt.NDArray[np.intp]
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


def unblocked(runs: Runs, refractory_s: float) -> npt.NDArray[np.intp]:
    """Return the places of runs, all of them events, that no earlier one keeps from beginning; a gap frees them."""
    if not refractory_s:
        return np.arange(len(runs.start_s))
    kept, ready_s, within = [], -np.inf, -1
    for place, (start_s, stop_s, stretch) in enumerate(
        zip(runs.start_s.tolist(), runs.stop_s.tolist(), runs.stretch.tolist(), strict=True)
    ):
        if stretch != within or start_s >= ready_s - _EPSILON_S:
            kept.append(place)
            ready_s, within = stop_s + refractory_s, stretch
    return np.array(kept, dtype=np.intp)


def _events_of(runs: Runs, label: str, decoder: EventDecoder) -> pd.DataFrame:
    decided = Runs(*(column[np.isfinite(runs.decided_s)] for column in runs))
    kept = Runs(*(column[unblocked(decided, decoder.refractory_s)] for column in decided))
    columns = {"start_s": kept.start_s, "stop_s": kept.stop_s, "label": np.full(len(kept.score), label, dtype=object)}
    return pd.DataFrame({**columns, "score": kept.score, "decided_s": kept.decided_s}).astype({"label": object})


def event_table(events: Iterable[Event]) -> pd.DataFrame:
    """Return events as a table ``start_s, stop_s, label, score, decided_s``, ordered by start."""
    table = pd.DataFrame([asdict(event) for event in events], columns=list(EVENT_COLUMNS))
    kinds = {"start_s": float, "stop_s": float, "label": object, "score": float, "decided_s": float}
    return table.astype(kinds).sort_values(["start_s", "label"], kind="stable", ignore_index=True)


def match(
    predicted: FloatArray, truth: FloatArray, *, tolerance_s: float, score: FloatArray | None = None
) -> npt.NDArray[np.int64]:
    """Return (pairs, 2) places of predicted and true events that belong together, one to one, as many as possible.

    Of several predicted events that could share fewer true ones, those of the higher score are matched; of the ways to
    pair them, the one whose starts and stops lie nearest in sum.

    Parameters
    ----------
    predicted, truth
        (n, 2) and (m, 2) seconds of start and stop of events of one class in one recording.
    tolerance_s
        Two events may belong together when they overlap or are at most this far apart.
    score
        (n,) of the predicted events; without it the earlier rows come first.
    """
    rows, columns = near(predicted, truth, tolerance_s)
    taken = served(rows, columns, np.zeros(len(predicted)) if score is None else score)
    if not taken.any():
        return np.empty((0, 2), dtype=np.int64)
    kept = taken[rows]
    rows, columns = rows[kept], columns[kept]
    apart_s = np.abs(predicted[rows] - truth[columns]).sum(axis=1)
    return _nearest(rows, columns, apart_s)


def _nearest(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], apart_s: FloatArray
) -> npt.NDArray[np.int64]:
    """Return the pairs that match every row at the least sum of distances."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    events, row = np.unique(rows, return_inverse=True)
    truths, column = np.unique(columns, return_inverse=True)
    # A weight of zero would be no pair; as many pairs are made in any case, so what is added to all changes nothing.
    weights = csr_array((1.0 + apart_s, (row, column)), shape=(len(events), len(truths)))
    first, second = min_weight_full_bipartite_matching(weights)
    return np.column_stack([events[first], truths[second]]).astype(np.int64)


def served(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], score: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return which events (n,) get a true one of their own when they choose in order of score, the highest first.

    ``rows`` and ``columns`` are the places of events and true ones that may belong together. So served, as many are
    matched as can be, and whoever is served stays so when weaker ones come.
    """
    taken = np.zeros(len(score), dtype=bool)
    shared = np.zeros(columns.max(initial=-1) + 1, dtype=bool)
    shared[columns[np.bincount(rows, minlength=len(score))[rows] > 1]] = True
    alone = ~shared[columns]  # of true ones that only events without another choice could have, the strongest takes it
    order = np.lexsort((rows[alone], -score[rows[alone]], columns[alone]))
    _, first = np.unique(columns[alone][order], return_index=True)
    taken[rows[alone][order][first]] = True
    choices: dict[int, list[int]] = {}
    for row, column in zip(rows[~alone].tolist(), columns[~alone].tolist(), strict=True):
        choices.setdefault(row, []).append(column)
    owner: dict[int, int] = {}
    held: dict[int, int] = {}
    rivals = np.unique(rows[~alone])
    for event in rivals[np.argsort(-score[rivals], kind="stable")].tolist():
        taken[event] = _serve(event, choices, owner, held)
    return taken


def _serve(event: int, choices: dict[int, list[int]], owner: dict[int, int], held: dict[int, int]) -> bool:
    """Give an event one of its choices, if need be by giving others another of theirs (an augmenting path)."""
    asked_by: dict[int, int] = {}
    asking = [event]
    for one in asking:  # grows while it is walked
        for truth in (truth for truth in choices[one] if truth not in asked_by):
            asked_by[truth] = one
            if truth not in owner:
                _hand_over(truth, asked_by, owner, held)
                return True
            asking.append(owner[truth])
    return False


def _hand_over(free: int, asked_by: dict[int, int], owner: dict[int, int], held: dict[int, int]) -> None:
    """Let each along the path take what it asked for, and leave what it held to who asked before it."""
    truth: int | None = free
    while truth is not None:
        taker = asked_by[truth]
        left = held.get(taker)
        owner[truth], held[taker] = taker, truth
        truth = left


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
