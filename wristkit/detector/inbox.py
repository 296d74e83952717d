"""Packets as a link gives them, put in order: what comes twice is dropped, what comes late is waited for."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from wristkit.condition import Packet
from wristkit.recording import FloatArray, stamps_of

_HOLE_PERIODS = 1.5  # a longer step between packets is a hole, which a late packet may fill
_Arrays = tuple[FloatArray, npt.NDArray[np.float32]]


class Inbox:
    """What stands between a link and ``push``, which takes samples in order and each once.

    The clock is the samples' own: a hole is given up once some stream has a sample ``wait_s`` later than it, and what
    comes for it afterwards is left out and counted. Where nothing is out of order, packets pass as they come; the one
    that comes first is taken for the first.

    Parameters
    ----------
    wait_s
        How long a hole may be filled. It adds to the latency where something is lost, and nowhere else.
    """

    def __init__(self, *, wait_s: float) -> None:
        if not (np.isfinite(wait_s) and wait_s >= 0):
            raise ValueError(f"wait_s is {wait_s}, expected seconds, 0 or more")
        self.wait_s = wait_s
        self._streams: dict[str, _Waiting] = {}
        self._newest_s = -np.inf

    @property
    def left_out(self) -> Mapping[str, Mapping[Literal["repeated", "late"], int]]:
        """Stream to number of samples that came again, and that came too late."""
        return {name: {"repeated": one.repeated, "late": one.late} for name, one in self._streams.items()}

    def take(self, packets: Mapping[str, Packet]) -> dict[str, Packet]:
        """Return the samples that can be pushed now, of all that has come."""
        for name, (time, values) in packets.items():
            # Copies: a sender may fill its own arrays anew.
            time_s = np.array(stamps_of(name, time if np.size(time) else np.empty(0)))
            rows = np.array(values, dtype=np.float32)
            if time_s.ndim != 1 or len(rows) != len(time_s) or not np.isfinite(time_s).all():
                raise ValueError(
                    f"packet of {name!r} has time {time_s.shape} and values {rows.shape}, expected (n,) finite seconds "
                    "and n rows"
                )
            before = self._streams.get(name)
            if before is not None and len(time_s) and rows.shape[1:] != before.shape:
                raise ValueError(
                    f"packet of {name!r} has rows of shape {rows.shape[1:]} after {before.shape}, expected as "
                    "many columns; give each sensor a stream of its own"
                )
            if len(time_s):
                self._streams.setdefault(name, _Waiting(rows.shape[1:])).add(time_s, rows)
                self._newest_s = max(self._newest_s, float(time_s.max()))
        return self._due(self._newest_s - self.wait_s)

    def rest(self) -> dict[str, Packet]:
        """Return all that is still waited with, because nothing more comes."""
        return self._due(np.inf)

    def _due(self, given_up_s: float) -> dict[str, Packet]:
        due = {name: one.due(given_up_s) for name, one in self._streams.items()}
        return {name: packet for name, packet in due.items() if packet is not None}


class _Waiting:
    """One stream: what was passed on, and what waits behind a hole, in order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape  # of one row
        self.repeated = self.late = 0
        self._held: _Arrays | None = None
        self._passed_s = -np.inf
        self._recent_s = np.empty(0)  # stamps passed on, to tell a repeated sample from a late one
        self._period_s = np.inf

    def add(self, time_s: FloatArray, rows: npt.NDArray[np.float32]) -> None:
        order = np.argsort(time_s, kind="stable")
        time_s, rows = time_s[order], rows[order]
        self._period_s = self._period(time_s)
        again = np.isin(time_s, self._recent_s)
        if self._held is not None:
            again |= np.isin(time_s, self._held[0])
        again[1:] |= np.diff(time_s) == 0
        late = (time_s <= self._passed_s) & ~again
        self.repeated, self.late = self.repeated + int(again.sum()), self.late + int(late.sum())
        time_s, rows = time_s[~again & ~late], rows[~again & ~late]
        if self._held is not None:
            time_s, rows = np.concatenate([self._held[0], time_s]), np.concatenate([self._held[1], rows])
            order = np.argsort(time_s, kind="stable")
            time_s, rows = time_s[order], rows[order]
        self._held = (time_s, rows) if len(time_s) else None

    def _period(self, time_s: FloatArray) -> float:
        """Return the usual step between stamps, those of packets before included: a packet may hold one sample."""
        held_s = np.empty(0) if self._held is None else self._held[0]
        steps_s = np.diff(np.unique(np.concatenate([self._recent_s, held_s, time_s])))
        return float(np.median(steps_s)) if len(steps_s) else np.inf

    def due(self, given_up_s: float) -> Packet | None:
        """Return what lies before the first hole that may still be filled."""
        if self._held is None:
            return None
        time_s, rows = self._held
        before_s = np.concatenate([[self._passed_s], time_s[:-1]])
        waits = (time_s - before_s > _HOLE_PERIODS * self._period_s) & np.isfinite(before_s) & (time_s > given_up_s)
        count = int(np.argmax(waits)) if waits.any() else len(time_s)
        self._held = (time_s[count:], rows[count:]) if count < len(time_s) else None
        if not count:
            return None
        self._passed_s = float(time_s[count - 1])
        recent_s = np.concatenate([self._recent_s, time_s[:count]])
        self._recent_s = recent_s[np.searchsorted(recent_s, min(given_up_s, self._passed_s) - 1.0) :]
        return time_s[:count], rows[:count]
