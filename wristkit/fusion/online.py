"""Packets of accel, gyro and mag in, attitude out: the same bits in any partition of the streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.fusion.estimate import Fused, Offline, Online, Steps
from wristkit.fusion.follow import Follower, SingleArray, appended
from wristkit.recording import (
    GAP_FLOOR_S,
    GAP_PERIODS,
    LATEST_S,
    MISSING_PERIODS,
    FloatArray,
    Recording,
    Stream,
    longest_step_s,
    numbers,
    stamps_of,
)
from wristkit.signals.units import PLAUSIBLE, usable

SLOWEST_HZ = {"gyro": 10.0, "accel": 10.0, "mag": 5.0}  # between slower samples a wrist turns too far
FASTEST_HZ = 1e5  # no sensor of motion is; what is held grows with the rate
BLOCK = 16_384  # rows computed at once: what a processor's cache holds; changes nothing else

_GAPS_ALONE = 8  # first steps, none of them within the gap rule, say that the stamps are no seconds

Packet = tuple[npt.ArrayLike, npt.ArrayLike]
Checked = tuple[FloatArray, SingleArray]


@dataclass(frozen=True)
class Clock:
    """How often one sensor gives a sample, and the longest step between two that is not yet a gap."""

    rate_hz: float
    longest_step_s: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0 and self.longest_step_s * self.rate_hz >= 1):
            raise ValueError(
                f"{self} is no clock, expected a positive rate_hz and a longest_step_s of a period or more"
            )
        if self.rate_hz > FASTEST_HZ:
            raise ValueError(f"rate_hz is {self.rate_hz:g}, expected {FASTEST_HZ:g} at most; give samples a second")

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """Return the clock of a stream, as measured."""
        if not stream.rate_hz >= SLOWEST_HZ[stream.name]:
            raise RecordingError(
                f"stream {stream.name!r} has {stream.rate_hz:.3g} samples a second, expected at least "
                f"{SLOWEST_HZ[stream.name]:g}",
                code="rate_too_low",
                remedy="give stamps in seconds, not milliseconds; record faster, or leave a slow magnetometer out with "
                "magnetometer='none'",
            )
        if stream.rate_hz > FASTEST_HZ:
            raise RecordingError(
                f"stream {stream.name!r} has {stream.rate_hz:.3g} samples a second, expected at most {FASTEST_HZ:g}",
                code="rate_too_high",
                remedy="give stamps in seconds, or state the sensor's true rate in samples a second",
            )
        # The median step is at most twice the mean one; where that is within the floor no stamp needs to be read.
        if not len(stream.gaps) and 2 * GAP_PERIODS / stream.rate_hz <= GAP_FLOOR_S:
            return cls(stream.rate_hz, GAP_FLOOR_S)
        stamps = np.arange(3) / stream.rate_hz if stream.is_uniform else stream.time
        return cls(stream.rate_hz, longest_step_s(stamps))


@dataclass(frozen=True)
class FusionParams:
    """What a fusion needs to know before the first sample.

    Parameters
    ----------
    gyro, accel, mag
        Clocks of the sensors; ``mag`` is None for attitude without heading.
    max_wait_s
        A sensor further behind than this is taken as missing. Every partition gives the same numbers while none is.
    """

    gyro: Clock
    accel: Clock
    mag: Clock | None = None
    max_wait_s: float = 2.0

    def __post_init__(self) -> None:
        longest_s = max(clock.longest_step_s for clock in (self.gyro, self.accel, self.mag) if clock is not None)
        if not longest_s <= self.max_wait_s < np.inf:
            raise ValueError(f"max_wait_s is {self.max_wait_s}, expected at least the longest step, {longest_s} s")

    @classmethod
    def of(cls, recording: Recording, *, magnetometer: bool) -> Self:
        """Return the clocks that a recording's sensors have."""
        mag = Clock.of(recording["mag"]) if magnetometer else None
        return cls(Clock.of(recording["gyro"]), Clock.of(recording["accel"]), mag)

    @property
    def delay_s(self) -> float:
        """Most seconds between a gyro sample and the one of another sensor that its row waits for.

        One period of the slower of them, or the delay of the low-pass of one much faster than the gyroscope. A row is
        on its gyro sample's own stamp, and sensors that share their stamps wait for nothing.
        """
        clocks = [clock for clock in (self.accel, self.mag) if clock is not None]
        return max(1 / clock.rate_hz + self.follower(clock).delay_s for clock in clocks)

    def follower(self, clock: Clock) -> Follower:
        """Return the state before the first sample of a sensor beside the gyroscope."""
        return Follower(rate_hz=clock.rate_hz, longest_step_s=clock.longest_step_s, gyro_hz=self.gyro.rate_hz)


class _Last(NamedTuple):
    """The newest gyro sample that was worked on."""

    time_s: float
    gyro: SingleArray  # (1, 3)


class Fusion:
    """Running fusion of packets; ``push`` gives a row for each gyro sample once the other sensors have passed it.

    Each step of the gyroscope is integrated over the time that its stamps say; a step over lost samples is filled by
    straight lines. Accel and mag are read off at the gyroscope's stamps by straight lines. A gap in gyro or accel
    starts anew; in one of mag the attitude without heading goes on.
    """

    def __init__(self, params: FusionParams) -> None:
        self.params = params
        clocks = {"gyro": params.gyro, "accel": params.accel, "mag": params.mag}
        self._clocks = {name: clock for name, clock in clocks.items() if clock is not None}
        self.reset()

    def reset(self) -> None:
        """Forget all samples, as before another recording."""
        params = self.params
        self._followers = {name: params.follower(clock) for name, clock in self._clocks.items() if name != "gyro"}
        self._newest_s = dict.fromkeys(self._clocks, -np.inf)
        self._gaps: dict[str, int | None] = dict.fromkeys(self._clocks, 0)
        self._time_s: FloatArray = np.empty(0)
        self._gyro: SingleArray = np.empty((0, 3), dtype=np.float32)
        self._last = _Last(-np.inf, np.zeros((1, 3), dtype=np.float32))
        self._estimator = Online(params.gyro.rate_hz)

    def run(self, packets: Mapping[str, Packet]) -> Fused:
        """Return the rows of whole streams, one a gyro sample, from a new start."""
        self.reset()
        self._take_all(self._all_checked(packets))
        fused = self._advance(np.inf)
        self.reset()
        return fused

    def smooth(self, packets: Mapping[str, Packet]) -> Fused:
        """Return the rows of whole streams as :meth:`run` does, each made from all samples of its stretch: offline."""
        self.reset()
        return self.smooth_checked(self._all_checked(packets))

    def smooth_checked(self, packets: Mapping[str, Checked], into: Fused | None = None) -> Fused:
        """Return what :meth:`smooth` does of packets that need no check, in the first rows of ``into`` where given."""
        self.reset()
        self._take_all(packets)
        fused = _rows(into, len(self._time_s))
        if len(fused.time):
            _estimate(Offline(self.params.gyro.rate_hz), self._steps(slice(None)), fused)
        self.reset()
        return fused

    def push(self, packets: Mapping[str, Packet]) -> Fused:
        """Return the rows that these packets complete.

        Parameters
        ----------
        packets
            ``"gyro"``, ``"accel"`` or ``"mag"`` to ((n,) seconds, (n, 3) values in rad/s, g, uT); later than what was
            pushed before, finite. An error leaves all state as it was.

        Raises
        ------
        ValueError
            Where packets are no such, or the first 8 steps of a sensor are all longer than its gap rule allows: then
            its stamps are no seconds. A RecordingError where stamps were rounded to float32 (``time_float32``), or
            something is no number (``not_numeric``).
        """
        return self.push_checked(self._all_checked(packets))

    def push_checked(self, packets: Mapping[str, Checked], into: Fused | None = None) -> Fused:
        """Return what :meth:`push` does of packets that need no check, in the first rows of ``into`` where given."""
        self._take_all(packets)
        newest_s = max(self._newest_s.values())
        late_s = newest_s - self.params.max_wait_s
        fused = self._advance(min(max(one.known_s, late_s) for one in self._followers.values()), into)
        for follower in self._followers.values():
            follower.trim(max(self._last.time_s, late_s))
        return fused

    def flush(self, into: Fused | None = None) -> Fused:
        """Return the rows that no later packet completes, and reset: those that accel did not reach are NaN."""
        fused = self._advance(np.inf, into)
        self.reset()
        return fused

    def _all_checked(self, packets: Mapping[str, Packet]) -> dict[str, Checked]:
        if unknown := sorted(set(packets) - set(self._newest_s)):
            raise ValueError(f"streams {unknown} are not used here, expected {sorted(self._newest_s)}; leave them out")
        return {name: self._checked(name, *packet) for name, packet in packets.items()}

    def _take_all(self, packets: Mapping[str, Checked]) -> None:
        for name, (time_s, values) in packets.items():
            self._take(name, time_s, values)

    def _checked(self, name: str, time: npt.ArrayLike, values: npt.ArrayLike) -> Checked:
        """Return a packet as (n,) float64 and (n, 3) float32, or raise what is wrong with it."""
        time_s = stamps_of(name, time)
        given = numbers(f"packet of {name!r} has values", values)
        with np.errstate(over="ignore"):  # what is too big becomes infinite, and is refused below
            columns = given.astype(np.float32, copy=False)
        columns = columns if columns.size else columns.reshape(0, 3)
        if time_s.ndim != 1 or columns.shape != (len(time_s), 3):
            raise ValueError(f"packet of {name!r} has time {time_s.shape} and values {columns.shape}, expected (n, 3)")
        if not usable(name, columns).all():
            raise ValueError(
                f"packet of {name!r} holds NaN or values outside {PLAUSIBLE[name]}; leave such samples out, the gap "
                "rule covers them"
            )
        rising = len(time_s) == 0 or (time_s[0] > self._newest_s[name] and np.isfinite(time_s[[0, -1]]).all())
        if not (rising and (time_s[1:] > time_s[:-1]).all()):
            raise ValueError(
                f"packet of {name!r} has stamps that are no seconds increasing after {self._newest_s[name]} s; drop "
                "repeated packets, and call reset() before another recording"
            )
        self._check_seconds(name, time_s)
        return time_s, columns

    def _check_seconds(self, name: str, time_s: FloatArray) -> None:
        """Raise where the stamps cannot be seconds of this sensor: the first steps of all are all of them gaps."""
        too_late = len(time_s) > 0 and max(abs(time_s[0]), abs(time_s[-1])) > LATEST_S
        if too_late or self._gaps_alone(name, time_s) == _GAPS_ALONE:
            longest_s = self._clocks[name].longest_step_s
            raise ValueError(
                f"packet of {name!r} has stamps from {time_s[0]:.6g} to {time_s[-1]:.6g} s, expected steps of "
                f"{longest_s:.4g} s at most; give seconds, not milliseconds, of a sensor as fast as its clock says"
            )

    def _gaps_alone(self, name: str, time_s: FloatArray) -> int | None:
        """Return how many of the first steps there were up to these, all of them gaps; None where one was not."""
        before = self._gaps[name]
        if before is None:
            return None
        steps_s = np.diff(time_s[: _GAPS_ALONE + 1], prepend=self._newest_s[name])
        steps_s = steps_s[np.isfinite(steps_s)][: _GAPS_ALONE - before]  # the very first sample has none before it
        return None if (steps_s <= self._clocks[name].longest_step_s).any() else before + len(steps_s)

    def _take(self, name: str, time_s: FloatArray, values: SingleArray) -> None:
        if not len(time_s):
            return
        self._gaps[name] = self._gaps_alone(name, time_s)
        self._newest_s[name] = float(time_s[-1])
        if name == "gyro":
            self._time_s, self._gyro = appended(self._time_s, time_s), appended(self._gyro, values)
        else:
            self._followers[name].push(time_s, values)

    def _advance(self, ready_s: float, into: Fused | None = None) -> Fused:
        """Return the rows up to a time, block by block."""
        count = int(np.searchsorted(self._time_s, ready_s, side="right"))
        fused = _rows(into, count)
        for first in range(0, count, BLOCK):
            rows = slice(first, min(first + BLOCK, count))
            _estimate(self._estimator, self._steps(rows), fused.rows(rows))
        self._time_s, self._gyro = self._time_s[count:].copy(), self._gyro[count:].copy()
        return fused

    def _steps(self, rows: slice) -> Steps:
        """Return what the filter is given for rows of the gyroscope, and move on past them."""
        time_s, gyro, rate_hz = self._time_s[rows], self._gyro[rows], self.params.gyro.rate_hz
        last, self._last = self._last, _Last(float(time_s[-1]), gyro[-1:].copy())
        width_s = time_s - np.concatenate([[last.time_s], time_s[:-1]])
        starts = width_s > self.params.gyro.longest_step_s
        width_s[starts] = 1 / rate_hz
        ends, at_s = None, time_s
        if (width_s * rate_hz > MISSING_PERIODS).any():
            count = np.maximum(np.rint(width_s * rate_hz), 1).astype(np.int64)
            row, ends = np.repeat(np.arange(len(time_s)), count), np.cumsum(count) - 1
            left = (ends[row] - np.arange(len(row))) / count[row]  # 0 at a sample, towards 1 at the one before
            older = np.concatenate([last.gyro, gyro[:-1]])
            at_s = time_s[row] - left * width_s[row]
            gyro = gyro[row] + left[:, None] * (older[row] - gyro[row])
            width_s, starts = (width_s / count)[row], starts[row]
        turned = np.multiply(gyro, (width_s * rate_hz)[:, None], dtype=np.float64, order="C")
        mag = self._followers["mag"].at(at_s) if "mag" in self._followers else None
        return Steps(time_s, ends, starts, turned, self._followers["accel"].at(at_s), mag)


def _rows(into: Fused | None, count: int) -> Fused:
    """Return rows to write to: the first ones of what is given, or new ones."""
    return Fused.unset(count) if into is None else into.rows(slice(count))


def _estimate(estimator: Online | Offline, steps: Steps, fused: Fused) -> None:
    """Write the estimates at the gyroscope's samples into their rows."""
    if steps.ends is None:
        estimator.run(steps, fused)
    else:  # lost samples were filled
        every = Fused.unset(len(steps.gyro))
        estimator.run(steps, every)
        fused.table[:] = every.table[steps.ends]
    fused.time[:] = steps.time
