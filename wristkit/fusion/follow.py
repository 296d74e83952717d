"""A sensor with stamps of its own, read off at the gyroscope's."""

from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from wristkit.filters import Filter, FilterState
from wristkit.recording import FloatArray

Samples = npt.NDArray[np.floating]
SingleArray = npt.NDArray[np.float32]
Column = TypeVar("Column", FloatArray, SingleArray)

# A sensor this much faster than the gyroscope would fold its fast part onto the slow one.
_MUCH_FASTER, _PASSED_OF_RATE = 1.5, 0.4


def appended(held: Column, later: Column) -> Column:
    """Return both as one; what is alone as it is, since what is kept of a packet is copied when the rest is dropped."""
    return np.concatenate([held, later]) if len(held) else later


class Follower:
    """The newest samples of one sensor, joined by straight lines within stretches without gaps.

    A sensor more than 1.5 times as fast as the gyroscope is low-passed first at 0.4 of the gyroscope's rate, and its
    delay taken off the stamps.
    """

    def __init__(self, *, rate_hz: float, longest_step_s: float, gyro_hz: float) -> None:
        self.newest_s = -np.inf
        self.time_s: FloatArray = np.empty(0)
        self.values: SingleArray = np.empty((0, 3), dtype=np.float32)
        self._rate_hz, self._longest_step_s = rate_hz, longest_step_s
        low_pass = Filter("lowpass", (_PASSED_OF_RATE * gyro_hz,))
        self._low_pass = low_pass if rate_hz > _MUCH_FASTER * gyro_hz else None
        self.delay_s = low_pass.delay_s(rate_hz) if self._low_pass else 0.0
        self._state: FilterState | None = None

    @property
    def known_s(self) -> float:
        """Time up to which later samples change nothing."""
        return self.newest_s - self.delay_s

    def push(self, time_s: FloatArray, values: SingleArray) -> None:
        """Take in (n,) later stamps and (n, 3) values."""
        if not len(time_s):
            return
        smooth = values if self._low_pass is None else self._smoothed(time_s, values, self._low_pass)
        self.time_s = appended(self.time_s, time_s - self.delay_s if self.delay_s else time_s)
        self.values = appended(self.values, smooth)
        self.newest_s = float(time_s[-1])

    def at(self, time_s: FloatArray) -> Samples:
        """Return (n, 3) values at rising times; NaN before the first sample, after the last and within a gap."""
        first = int(np.searchsorted(self.time_s, time_s[0]))
        if np.array_equal(self.time_s[first : first + len(time_s)], time_s):  # one chip, one clock
            return self.values[first : first + len(time_s)]
        newer = np.searchsorted(self.time_s, time_s)
        older = np.maximum(newer - 1, 0)
        newer = np.minimum(newer, len(self.time_s) - 1)
        if not len(self.time_s):
            return np.full((len(time_s), 3), np.nan)
        older = np.where(self.time_s[newer] == time_s, newer, older)
        width_s = self.time_s[newer] - self.time_s[older]
        since_s = time_s - self.time_s[older]
        share = np.divide(since_s, width_s, out=np.zeros(len(time_s)), where=width_s > 0)
        values = self.values[older] + share[:, None] * (self.values[newer] - self.values[older])
        values[(width_s > self._longest_step_s) | (since_s < 0) | (since_s > width_s)] = np.nan
        return np.asarray(values)

    def trim(self, before_s: float) -> None:
        """Forget what no time from ``before_s`` on needs."""
        first = max(0, int(np.searchsorted(self.time_s, before_s, side="right")) - 1)
        self.time_s, self.values = self.time_s[first:].copy(), self.values[first:].copy()

    def _smoothed(self, time_s: FloatArray, values: SingleArray, low_pass: Filter) -> SingleArray:
        starts = np.flatnonzero(np.diff(time_s, prepend=self.newest_s) > self._longest_step_s)
        parts = []
        for first, last in pairwise(np.unique([0, *starts, len(time_s)]).tolist()):
            if first in starts or self._state is None:
                self._state = low_pass.start(self._rate_hz, values[first].astype(np.float64))
            parts.append(self._state.push(values[first:last]))
        return np.concatenate(parts).astype(np.float32)
