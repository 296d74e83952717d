"""A cascade on packets as they come: rows of both stages in the order of their own clock, whatever came first."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wristkit.condition import ConditioningState, Packet
from wristkit.detector.stages import Listening, Rater, Row, Walk
from wristkit.events import EventUpdate
from wristkit.recording import FloatArray, Side

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade

_Held = tuple[FloatArray, npt.NDArray[np.float32]]


class Running:
    """What a running cascade remembers.

    A row is acted on once no earlier one of the other stage can come: when every stream that the other stage needs has
    reached its time, or lags by more than the policy's ``max_wait_s``. So a decision comes with the next sample of the
    other stage after ``decided_s``.
    """

    def __init__(self, cascade: "Cascade", wrist: Side | None, crown: Side | None) -> None:
        self.cascade, self.walk = cascade, Walk(cascade.policy)
        self._sides = (wrist, crown)
        self._gate = cascade.session(cascade.gate, wrist, crown)
        self._checks = ConditioningState(cascade.confirm.spec.conditioning, wrist, crown)  # is pushed nothing
        self._rater = Rater("gate", cascade.gate, cascade.gate_classes)
        self._gate_rows: deque[Row] = deque()
        self._confirm_rows: deque[Row] = deque()
        self._listening: Listening | None = None
        self._newest_s = dict.fromkeys(cascade.streams, -np.inf)
        self._held: dict[str, deque[_Held]] = {name: deque() for name in cascade.confirm_streams}
        self._late = dict.fromkeys(cascade.streams, 0)

    @property
    def late_samples(self) -> dict[str, int]:
        """Stream to number of samples left out because they came later than ``max_wait_s``."""
        late = dict(self._late)
        sessions = [self._gate] if self._listening is None else [self._gate, self._listening.session]
        for session in sessions:
            for name, source in session.spec.conditioning.inputs.items():
                late[name] += session.late_samples[source]
        return late

    def push(self, packets: Mapping[str, Packet]) -> list[EventUpdate]:
        """Return what these packets decide and end."""
        self._check(packets)
        of_gate = {name: packets[name] for name in self.cascade.gate_streams if name in packets}
        pieces = self._gate.push(of_gate)
        gate = self.cascade.gate
        self._gate_rows.extend(
            self._rater.push(gate.spec.centre_s(pieces), pieces.score_s, gate.probabilities(pieces.values))
        )
        self._hold(packets)
        return self._run(is_last=False)

    def flush(self) -> list[EventUpdate]:
        """Return what is final because nothing follows."""
        return self._run(is_last=True) + self.walk.end()

    def _check(self, packets: Mapping[str, Packet]) -> None:
        """Raise what is wrong with packets of the confirmer's own streams, before anything is changed."""
        if not isinstance(packets, Mapping):
            raise TypeError(f"packets are a {type(packets).__name__}, expected stream name to (seconds, values)")
        if unknown := sorted(set(packets) - set(self.cascade.streams)):
            raise ValueError(
                f"streams {unknown} are not used here, expected {sorted(self.cascade.streams)}; leave them out"
            )
        own = {name: packets[name] for name in self.cascade.confirm_streams if name in packets}
        for name, (source, packet) in zip(own, self._checks.by_source(own).items(), strict=True):
            time_s, _ = self._checks.states[source].check(*packet)
            if len(time_s) and time_s[0] <= self._newest_s[name]:
                raise ValueError(
                    f"packet of {name!r} has time {time_s[0]} s after {self._newest_s[name]} s, expected increasing "
                    "seconds; drop repeated packets, and call reset() before another recording"
                )

    def _hold(self, packets: Mapping[str, Packet]) -> None:
        for name, (time, values) in packets.items():
            if not np.size(time):
                continue
            time_s = np.array(time, dtype=np.float64)  # copies: a caller may fill its own arrays anew
            self._newest_s[name] = float(time_s[-1])
            if name in self._held:
                self._held[name].append((time_s, np.array(values, dtype=np.float32)))

    def _run(self, *, is_last: bool) -> list[EventUpdate]:
        updates: list[EventUpdate] = []
        self._listen()
        while (row := self._next(is_last=is_last)) is not None:
            before = self.walk.on
            updates += self.walk.see(row)
            if self.walk.on != before:
                self._turn()
        self._forget()
        return updates

    def _turn(self) -> None:
        """Start the confirmer anew, or switch it off."""
        if self._listening is not None:
            for name, source in self._listening.session.spec.conditioning.inputs.items():
                self._late[name] += self._listening.session.late_samples[source]
        self._listening = None
        self._confirm_rows.clear()
        if self.walk.on:
            session = self.cascade.session(self.cascade.confirm, *self._sides)
            self._listening = Listening(self.cascade, self.walk.time_s, session)
            self._listen()

    def _listen(self) -> None:
        if self._listening is not None:
            self._confirm_rows.extend(self._listening.feed(self._take))

    def _take(self, name: str, after_s: float, _until_s: float) -> Packet:
        parts = [part for part in self._held[name] if part[0][-1] > after_s]
        if not parts:
            return np.empty(0), np.empty(0)
        time_s, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        first = int(np.searchsorted(time_s, after_s, side="right"))
        return time_s[first:], values[first:]

    def _next(self, *, is_last: bool) -> Row | None:
        """Return the earliest row that is due, the gate's before the confirmer's."""
        gate = self._gate_rows[0] if self._gate_rows else None
        confirm = self._confirm_rows[0] if self._confirm_rows else None
        if gate is not None and (confirm is None or gate.time_s <= confirm.time_s):
            due = is_last or self._listening is None or self._reached_s(self.cascade.confirm_streams) >= gate.time_s
            return self._gate_rows.popleft() if due else None
        if confirm is not None and (is_last or self._reached_s(self.cascade.gate_streams) >= confirm.time_s):
            return self._confirm_rows.popleft()
        return None

    def _reached_s(self, streams: tuple[str, ...]) -> float:
        """Return up to when these streams are known, or not waited for."""
        after_s = {} if self._listening is None else self._listening.after_s
        reached_s = min(max(self._newest_s[name], after_s.get(name, -np.inf)) for name in streams)
        if self.cascade.policy.max_wait_s is None:
            return reached_s
        return max(reached_s, max(self._newest_s.values()) - self.cascade.policy.max_wait_s)

    def _forget(self) -> None:
        """Drop samples that no wake to come can let the confirmer see, and that it has seen."""
        wake_s = self._gate_rows[0].time_s if self._gate_rows else self._reached_s(self.cascade.gate_streams)
        for name, after_s in self.cascade.sees_after_s(wake_s).items():
            needed_s = min(after_s, np.inf if self._listening is None else self._listening.fed_s[name])
            while self._held[name] and self._held[name][0][0][-1] <= needed_s:
                self._held[name].popleft()
