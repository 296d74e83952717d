"""The two stages of a cascade while it runs: their scores row by row, and the confirmer from one wake to the next."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.condition import Packet
from wristkit.detector.detector import Detector
from wristkit.detector.policy import Policy, PolicyState, Seen, fused, path
from wristkit.detector.session import Session
from wristkit.events import EventUpdate
from wristkit.recording import FloatArray

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade

Stage = Literal["gate", "confirm"]
Take = Callable[[str, float, float], Packet]  # of a stream, the samples with after_s < time <= until_s


class Row(NamedTuple):
    """One window's score, when it was known, and whether windows are missing before it."""

    time_s: float
    seen: Seen
    follows_gap: bool


@dataclass(frozen=True, eq=False)
class Rows:
    """Scores of one stage, in order; ``label`` holds places in ``labels``."""

    stage: Stage
    labels: tuple[str, ...]
    time_s: FloatArray
    centre_s: FloatArray
    score: FloatArray
    label: npt.NDArray[np.intp]
    follows_gap: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time_s)

    def at(self, place: int) -> Row:
        """Return one row."""
        label = self.labels[self.label[place]]
        seen = Seen(self.stage, float(self.centre_s[place]), float(self.score[place]), label)
        return Row(float(self.time_s[place]), seen, bool(self.follows_gap[place]))

    def __iter__(self) -> Iterator[Row]:
        return (self.at(place) for place in range(len(self)))


class Rater:
    """From probabilities to rows: the best of the wanted classes, averaged as the detector's own decoder does."""

    def __init__(self, stage: Stage, detector: Detector, wanted: Sequence[str]) -> None:
        self.stage: Stage = stage
        self.labels = tuple(wanted)
        self._columns = [detector.spec.classes.index(name) for name in wanted]
        self._smooth, self._hop_s = detector.spec.decoder.smooth, detector.spec.hop_s
        self._recent = np.empty((0, len(self._columns)))
        self._newest_s = -np.inf

    def push(self, centre_s: FloatArray, score_s: FloatArray, probabilities: npt.NDArray[np.float32]) -> Rows:
        """Return the rows of windows that follow those before; the same for any partition of them."""
        steps_s = np.diff(centre_s, prepend=self._newest_s)
        gaps = np.isfinite(steps_s) & (steps_s > 1.5 * self._hop_s)
        values = probabilities[:, self._columns].astype(np.float64)
        mean, count = self._averaged(values, gaps)
        best = mean.argmax(axis=1)
        if len(centre_s):
            self._newest_s = float(centre_s[-1])
        delayed_s = centre_s - (count - 1) / 2 * self._hop_s
        return Rows(self.stage, self.labels, score_s, delayed_s, mean[np.arange(len(best)), best], best, gaps)

    def _averaged(self, values: FloatArray, gaps: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Return the mean of each row and those before it in its stretch, newest first, and of how many."""
        known, before = np.concatenate([self._recent, values]), len(self._recent)
        starts = np.concatenate([[0], before + np.flatnonzero(gaps)])
        places = np.arange(len(known))
        place = places - starts[np.searchsorted(starts, places, side="right") - 1]
        total, count = known.copy(), np.ones(len(known))
        for back in range(1, self._smooth):
            held = np.flatnonzero(place >= back)
            total[held] += known[held - back]
            count[held] += 1
        self._recent = known[max(int(starts[-1]), len(known) - self._smooth + 1) :].copy()
        return total[before:] / count[before:, None], count[before:]


class Walk:
    """The machine on its way through rows, each no earlier than the one before."""

    def __init__(self, policy: Policy, *, keep: bool = False) -> None:
        self.policy, self.state = policy, policy.start()
        self.time_s = -np.inf
        self.wakes = 0
        self.changes: list[tuple[float, str, bool]] = []
        self.confirmed: list[tuple[float, float, float, str]] = []
        self._keep = keep

    def see(self, row: Row) -> list[EventUpdate]:
        """Return what a row decides or ends."""
        updates: list[EventUpdate] = []
        if row.follows_gap:
            updates = self._follow(Seen("gate_gap" if row.seen.stage == "gate" else "confirm_gap"))
        self.time_s = max(self.time_s, row.time_s)
        if self._keep and row.seen.stage == "confirm" and self.state.listens:
            score = fused(self.policy, self.state, row.seen)
            self.confirmed.append((self.time_s, row.seen.centre_s, score, row.seen.label))
        return updates + self._follow(row.seen)

    def end(self) -> list[EventUpdate]:
        """Return what is final because nothing follows."""
        return self._follow(Seen("gate_gap"))

    def _follow(self, seen: Seen) -> list[EventUpdate]:
        states = path(self.policy, self.state, seen, self.time_s)
        self.state = states[-1]
        entered = [after for before, after in pairwise(states) if after.name != before.name]
        self.wakes += sum(one.name == "confirming" for one in entered)
        if self._keep:
            self.changes += [(self.time_s, one.name, one.listens) for one in entered]
        return _updates(states)

    @property
    def on(self) -> int:
        """Number of the wake that the confirmer is on since; 0 where it is off."""
        return self.wakes if self.state.listens else 0


def _updates(states: Sequence[PolicyState]) -> list[EventUpdate]:
    updates = []
    for before, after in pairwise(states):
        if before.name != "active" and after.name == "active":
            updates.append(EventUpdate(after.event, final=False))
        if before.name == "active" and after.name != "active":
            updates.append(EventUpdate(before.event, final=True))
    return updates


class Listening:
    """The confirmer from one wake on: it starts anew, and sees what the policy lets it see."""

    def __init__(self, cascade: "Cascade", wake_s: float, session: Session) -> None:
        self.session = session
        self.after_s: Mapping[str, float] = cascade.sees_after_s(wake_s)
        self.fed_s = dict(self.after_s)
        self._inputs = cascade.confirm.spec.conditioning.inputs
        self._confirm = cascade.confirm
        self._rater = Rater("confirm", cascade.confirm, cascade.confirm_classes)

    def feed(self, take: Take, until_s: float = np.inf) -> Rows:
        """Return the rows that samples up to a time complete; of a pre-roll some are of before the wake."""
        packets: dict[str, Packet] = {}
        for name, source in self._inputs.items():
            time_s, values = take(name, self.fed_s[name], until_s)
            if np.size(time_s):
                packets[source] = (time_s, values)
                self.fed_s[name] = float(np.asarray(time_s)[-1])
        pieces = self.session.push_sources(packets)
        return self._rater.push(
            self._confirm.spec.centre_s(pieces), pieces.score_s, self._confirm.probabilities(pieces.values)
        )
