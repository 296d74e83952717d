"""What turns scores into events, in one call or window by window."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events.runs import (
    EPSILON_S,
    Runs,
    lasting_rows,
    not_taken,
    restarts_of,
    runs_of,
    table_of,
    without_blocked,
)
from wristkit.events.scores import BACKGROUND, Event, EventUpdate, Scores
from wristkit.filters import is_number, only_keys
from wristkit.recording import FloatArray


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
        if not (is_number(self.low) and is_number(self.high) and 0 < self.low <= self.high <= 1):
            raise ValueError(f"low is {self.low!r} and high is {self.high!r}, expected 0 < low <= high <= 1")
        if isinstance(self.smooth, bool) or not isinstance(self.smooth, int) or self.smooth < 1:
            raise ValueError(f"smooth is {self.smooth!r}, expected a whole number of windows, 1 or more")
        for name in ("min_length_s", "merge_s", "refractory_s", "refractory_any_s"):
            if not (is_number(getattr(self, name)) and 0 <= getattr(self, name) < np.inf):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected seconds, 0 or more")

    def start(self, classes: Sequence[str], *, hop_s: float) -> "DecoderState":
        """Return the state before the first window."""
        return DecoderState(self, tuple(classes), hop_s)

    def run(self, scores: Scores) -> pd.DataFrame:
        """Return the table of events in scores."""
        if not isinstance(scores, Scores):
            raise TypeError(f"scores are a {type(scores).__name__}, expected Scores; make them with detector.scores")
        runs = self.runs(scores)
        if self.refractory_any_s:
            return table_of(not_taken(self, scores, runs))
        return table_of({label: without_blocked(one, self.refractory_s) for label, one in runs.items()})

    def runs(self, scores: Scores) -> dict[str, Runs]:
        """Return the runs of each class, before any refractory time: what :meth:`run` chooses from, all at once."""
        restarts = restarts_of(scores)
        return {label: runs_of(self, scores, column, restarts) for label, column in self._columns(scores).items()}

    def lasting(self, scores: Scores) -> dict[str, tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
        """Return for each class the rows whose smoothed score is at or above the low threshold, and that score."""
        restarts, columns = restarts_of(scores), self._columns(scores)
        found = {label: lasting_rows(self, scores, column, restarts) for label, column in columns.items()}
        return {label: (rows, values.astype(np.float64, copy=False)) for label, (rows, values) in found.items()}

    def _columns(self, scores: Scores) -> dict[str, int]:
        return {label: place for place, label in enumerate(scores.channels) if label != self.background}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the decoder that :meth:`to_dict` described."""
        only_keys(fields, tuple(one.name for one in dataclass_fields(cls)), "a decoder")
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
        for back in range(1, min(self.decoder.smooth, len(known))):
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
        return centre_s + self.hop_s - run.last_s > self.decoder.merge_s + EPSILON_S

    def _extend(self, label: str, score: float, at: "_Moment") -> list[EventUpdate]:
        run = self._runs.get(label)
        if run is None:
            blocked = at.centre_s - at.delay_s < self._ready_s.get(label, -np.inf) - EPSILON_S
            run = self._runs[label] = _Run(at.centre_s, at.centre_s, at.delay_s, at.delay_s, score, blocked)
        run.last_s, run.last_delay_s, run.score = at.centre_s, at.delay_s, max(run.score, score)
        long_enough = run.last_s - run.start_s >= self.decoder.min_length_s - EPSILON_S
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
        return any(start_s < self._ended_s.get(name, -np.inf) + pause_s - EPSILON_S for name in others)

    def _close(self, label: str) -> list[EventUpdate]:
        run = self._runs.pop(label)
        if run.decided_s is None:
            return []
        event = run.event(label, run.decided_s)
        self._ready_s[label], self._ended_s[label] = event.stop_s + self.decoder.refractory_s, event.stop_s
        return [EventUpdate(event, final=True)]
