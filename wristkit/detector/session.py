"""What a running detector remembers."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from wristkit.condition import ConditioningState, Grid, Packet
from wristkit.condition.conditioning import SoundSourceState
from wristkit.detector.spec import DetectorSpec
from wristkit.events import strictly_increasing
from wristkit.recording import Side
from wristkit.windows import Cut, cut


class Session:
    """What a running detector remembers: conditioning, samples of windows not yet over, and the decoder."""

    def __init__(
        self,
        spec: DetectorSpec,
        wrist: Side | None,
        crown: Side | None,
        *,
        given: Literal["device", "wrist"] = "device",
        max_wait_s: float | None = None,
    ) -> None:
        self.spec = spec
        self.max_wait_s = max_wait_s
        self.conditioning = ConditioningState(spec.conditioning, wrist, crown, given=given)
        self.decoder = spec.decoder.start(spec.classes, hop_s=spec.hop_s)
        self.late_samples = dict.fromkeys(self.conditioning.states, 0)
        self._pending = {source.name: Grid.empty(len(source.channels)) for source in spec.conditioning.sources}
        self._given_up_s = dict.fromkeys(self.conditioning.states, -np.inf)
        self._next_first: int | None = None
        self._newest_score_s = -np.inf

    def push(self, packets: Mapping[str, Packet]) -> Cut:
        """Return the windows that these packets complete, each once, in order."""
        return self.push_sources(self.conditioning.by_source(packets))

    def push_sources(self, packets: Mapping[str, Packet]) -> Cut:
        """Return what :meth:`push` does, of packets by the source that each becomes."""
        late = {name: self._late(name, time) for name, (time, _) in packets.items()}
        known = {
            name: (np.asarray(time)[late[name] :], np.asarray(values)[late[name] :]) if late[name] else (time, values)
            for name, (time, values) in packets.items()
        }
        for name, grid in self.conditioning.push_sources(known).items():
            self._pending[name] = Grid.join([self._pending[name], grid])
        for name, count in late.items():  # after all that may raise, so that who pushes again counts none twice
            self.late_samples[name] += count
        self._give_up_waiting()
        pieces = cut(
            list(self._pending.values()), samples=self.spec.length, hop=self.spec.hop, not_before=self._next_first
        )
        if len(pieces.first):
            self._next_first = int(pieces.first[-1]) + self.spec.hop
        self._forget()
        score_s = strictly_increasing(pieces.score_s, after_s=self._newest_score_s)
        self._newest_score_s = float(score_s[-1]) if len(score_s) else self._newest_score_s
        return pieces._replace(score_s=score_s)

    def take_frames(self, name: str) -> None:
        """Take frames of sound in place of sound, which were stored as the front end gave them."""
        state = self.conditioning.states[name]
        if isinstance(state, SoundSourceState):
            self.conditioning.states[name] = state.of_frames

    def _late(self, name: str, time: npt.ArrayLike) -> int:
        """Return how many samples of a packet are of times at which their stream was already taken to be missing."""
        limit_s = self._given_up_s.get(name, -np.inf)
        return int(np.count_nonzero(np.asarray(time, dtype=np.float64) < limit_s)) if np.isfinite(limit_s) else 0

    def _give_up_waiting(self) -> None:
        if self.max_wait_s is None:
            return
        states = self.conditioning.states
        limit_s = max(state.newest_s for state in states.values()) - self.max_wait_s
        for name, state in states.items():
            if state.newest_s < limit_s:
                state.end_stretch()
                self._given_up_s[name] = limit_s

    def _forget(self) -> None:
        """Drop samples that no window to come can hold."""
        rate_hz = self.spec.conditioning.rate_hz
        passed = [
            max(float(grid.places[-1]) if len(grid.places) else -np.inf, self._given_up_s[name] * rate_hz - 1)
            for name, grid in self._pending.items()
        ]
        first = max(min(passed) - self.spec.length + 1, -np.inf if self._next_first is None else self._next_first)
        if np.isfinite(first):
            for name, grid in self._pending.items():
                kept = int(np.searchsorted(grid.places, first))
                self._pending[name] = Grid(grid.places[kept:], grid.values[kept:], grid.needed_s[kept:])
