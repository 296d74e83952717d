"""A cascade on a whole recording: what each stage gives is kept, so that other thresholds cost little."""

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from wristkit.detector.policy import Policy
from wristkit.detector.stages import Listening, Rater, Row, Walk
from wristkit.detector.stored import Stored
from wristkit.detector.trace import Trace
from wristkit.events import EventUpdate, event_table
from wristkit.recording import Recording

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade

_CHUNK_S = 4.0  # of the confirmer's samples at a time: a wake is rarely over sooner


class Prepared:
    """The gate's scores of a recording, and the confirmer's from each wake on, each made once."""

    def __init__(self, cascade: "Cascade", recording: Recording) -> None:
        self.cascade = cascade
        self.gate = cascade.gate.scores(recording)
        rater = Rater("gate", cascade.gate, cascade.gate_classes)
        self.rows = rater.push(self.gate.centre_s, self.gate.time, self.gate.values)
        self.stored = Stored(cascade, recording) if cascade.can_confirm(recording) else None
        self._heard: dict[float, _Heard] = {}

    def unheard(self) -> "Prepared":
        """Return the same recording as if nothing but the gate's streams were in it."""
        other = copy(self)
        other.stored, other._heard = None, {}
        return other

    def run(self, policy: Policy) -> Trace:
        """Return what the cascade does by a policy with other thresholds; classes and what is seen are its own's."""
        walk, updates = Walk(policy, keep=True), list[EventUpdate]()
        hot = np.flatnonzero(self.rows.score >= policy.gate_low)
        heard: _Heard | None = None
        place = at = 0
        while True:
            if walk.state.name == "idle":  # no lower score changes anything then
                following = int(np.searchsorted(hot, place))
                place = int(hot[following]) if following < len(hot) else len(self.rows)
            gate = self.rows.at(place) if place < len(self.rows) else None
            confirm = None if heard is None else heard.row(at, np.inf if gate is None else gate.time_s)
            row = confirm if gate is None or (confirm is not None and confirm.time_s < gate.time_s) else gate
            if row is None:
                break
            place, at = (place + 1, at) if row is gate else (place, at + 1)
            before = walk.on
            updates += walk.see(row)
            if walk.on != before:
                heard, at = (self._heard_from(walk.time_s) if walk.on else None), 0
        updates += walk.end()
        events = event_table(update.event for update in updates if update.final)
        return Trace.of(self.cascade, self.gate, self.rows, walk, events)

    def _heard_from(self, wake_s: float) -> "_Heard | None":
        if self.stored is not None and wake_s not in self._heard:
            self._heard[wake_s] = _Heard(self.cascade, wake_s, self.stored)
        return self._heard.get(wake_s)


class _Heard:
    """The confirmer's rows from one wake on, as far as they were asked for."""

    def __init__(self, cascade: "Cascade", wake_s: float, stored: Stored) -> None:
        self._stored, self._rows = stored, list[Row]()
        self._listening = Listening(cascade, wake_s, stored.session())
        self._fed_s = wake_s

    def row(self, place: int, until_s: float) -> Row | None:
        """Return a row, if there is one that is known by then."""
        while place >= len(self._rows) and self._fed_s < min(until_s, self._stored.stop_s):
            self._fed_s += _CHUNK_S
            self._rows.extend(self._listening.feed(self._stored.take, self._fed_s))
        return self._rows[place] if place < len(self._rows) else None
