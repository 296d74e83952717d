"""vqf over prepared steps, online and offline, and what follows from its quaternions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from vqf import VQF, offlineVQF

from wristkit.filters import Filter, FilterState
from wristkit.fusion.follow import Samples, SingleArray
from wristkit.recording import STANDARD_GRAVITY, FloatArray

# What an accelerometer may be off by; unlike the rest of an error of tilt it leaves no trace in the signal.
ACCEL_OFFSET_G = 0.008
_TILT_HZ = 5.0

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fused:
    """Rows of a fusion in float32, one a gyro sample; NaN where nothing could be computed.

    Parameters
    ----------
    time
        (n,) seconds: the stamps of the gyroscope.
    table
        (n, 21): what the properties name, column after column in memory.
    """

    time: FloatArray
    table: SingleArray

    @classmethod
    def unset(cls, count: int) -> Self:
        """Return rows to be written to."""
        return cls(np.empty(count), np.empty((21, count), np.float32).T)

    @property
    def attitude(self) -> SingleArray:
        """(n, 4) unit quaternions w, x, y, z from the device's axes to the earth's: z up, x anywhere."""
        return self.table[:, :4]

    @property
    def attitude_north(self) -> SingleArray:
        """(n, 4) unit quaternions w, x, y, z from the device's axes to the earth's: z up, x to magnetic north."""
        return self.table[:, 4:8]

    @property
    def gravity(self) -> SingleArray:
        """(n, 3) g in the device's axes."""
        return self.table[:, 8:11]

    @property
    def user_accel(self) -> SingleArray:
        """(n, 3) g in the device's axes; with gravity it adds up to the acceleration at that moment."""
        return self.table[:, 11:14]

    @property
    def gyro_bias(self) -> SingleArray:
        """(n, 4) rad/s: estimated offset x, y, z of the gyroscope, and its standard deviation (worst direction)."""
        return self.table[:, 14:18]

    @property
    def tilt_sd(self) -> SingleArray:
        """(n,) rad: an estimate of the error of gravity's direction.

        It adds up the gyroscope's uncertain offset, what of the acceleration besides gravity passes the filter upwards,
        where it is seen (as much is taken to pass sideways, where it is not), and an assumed 8 mg that the
        accelerometer is off by. It knows nothing of heading, of the gyroscope's scale, which shows in fast turns, or of
        the first seconds of a stretch that starts in motion. On five real trials of minutes the true error was 0.8 to
        1.1 times as large (RMS), and 1.9 times in the one of fast turns.
        """
        return self.table[:, 18]

    @property
    def flags(self) -> SingleArray:
        """(n, 2): 1 or 0 where the device was at rest, and where the magnetic field was found to be disturbed."""
        return self.table[:, 19:21]

    def rows(self, which: slice) -> Self:
        """Return some of the rows, as views."""
        return type(self)(self.time[which], self.table[which])


class Steps(NamedTuple):
    """What the filter is given: m steps for n rows, each row the state after its step in ``ends``; None where m = n.

    ``starts`` (m,) says where a stretch begins; ``gyro`` (m, 3) is in rad/s over one period, ``accel`` (m, 3) in g and
    NaN where there is none, as is ``mag`` (m, 3), which may be None.
    """

    time: FloatArray
    ends: IntArray | None
    starts: BoolArray
    gyro: FloatArray
    accel: Samples
    mag: Samples | None


class _Run(NamedTuple):
    """Consecutive steps with the same sensors; ``fresh`` where nothing before them counts."""

    steps: slice
    held: bool
    fresh: bool
    heading: bool


class Online:
    """vqf, step by step: each row knows what came before it."""

    def __init__(self, rate_hz: float) -> None:
        self._vqf = VQF(1 / rate_hz)
        self._tilt = _Tilt(rate_hz, self._vqf.params["tauAcc"])
        self._broken = True

    def run(self, steps: Steps, fused: Fused) -> None:
        """Write the next steps into m rows."""
        for one in _runs(steps, broken=self._broken):
            if one.fresh:
                self._vqf.resetState()
                self._tilt.reset()
            if one.held:
                found = self._vqf.updateBatch(*_inputs(steps, one.steps, heading=one.heading))
                _fill(fused.rows(one.steps), found, steps.accel[one.steps], self._tilt)
            else:
                fused.table[one.steps] = np.nan
        self._broken = bool(np.isnan(steps.accel[-1, 0]))


class Offline:
    """vqf there and back again: each row knows the whole of its stretch."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1 / rate_hz
        self._tilt = _Tilt(rate_hz, VQF(self._period_s).params["tauAcc"])

    def run(self, steps: Steps, fused: Fused) -> None:
        """Write all steps into m rows."""
        fused.table[:] = np.nan
        for runs in _stretches(steps):
            self._tilt.reset()
            whole = slice(runs[0].steps.start, runs[-1].steps.stop)
            found = offlineVQF(*_inputs(steps, whole, heading=len(runs) == 1 and runs[0].heading), self._period_s)
            _fill(fused.rows(whole), found, steps.accel[whole], self._tilt)
            for one in runs if len(runs) > 1 else []:
                if one.heading:  # the magnetometer was lost within the stretch
                    found = offlineVQF(*_inputs(steps, one.steps, heading=True), self._period_s)
                    _fill_heading(fused.rows(one.steps), found)


class _Tilt:
    """Running estimate of the error of gravity's direction, made anew some 5 times a second."""

    def __init__(self, rate_hz: float, tau_s: float) -> None:
        self._tau_s, self._group = tau_s, max(1, round(rate_hz / _TILT_HZ))
        self._rate_hz = rate_hz / self._group
        # The first is vqf's own filter of acceleration; the second forgets as slowly.
        self._passing = Filter("lowpass", (float(np.sqrt(2) / (2 * np.pi * tau_s)),), order=2)
        self._slow = Filter("lowpass", (1 / (2 * np.pi * tau_s),), order=1)
        self.reset()

    def reset(self) -> None:
        """Forget what was, as a gap does."""
        self._open: SingleArray = np.empty(0, dtype=np.float32)
        self._level: SingleArray = np.empty(0, dtype=np.float32)
        self._states: tuple[FilterState, FilterState] | None = None

    def push(self, upward_g: SingleArray, bias_sd: SingleArray) -> SingleArray:
        """Return (n,) rad from (n,) upward acceleration besides gravity and (n,) rad/s."""
        if self._states is None:
            first = np.array([[upward_g[0]]], dtype=np.float64)
            self._states = self._passing.start(self._rate_hz, first[0]), self._slow.start(self._rate_hz, first[0] ** 2)
            self._level = self._levels(first**2, bias_sd[:1])
        joined, opened = np.concatenate([self._open, upward_g]), len(self._open)
        closed = len(joined) // self._group
        levels = self._level
        if closed:
            groups = joined[: closed * self._group].reshape(closed, self._group)
            passing, slow = self._states
            passed = slow.push(passing.push(groups.sum(axis=1, keepdims=True, dtype=np.float64) / self._group) ** 2)
            later = self._levels(passed, bias_sd[self._group - 1 - opened :: self._group])
            levels = np.concatenate([levels, later])
        self._open, self._level = joined[closed * self._group :].copy(), levels[-1:]
        return np.repeat(levels, self._group)[opened + 1 :][: len(upward_g)]

    def _levels(self, passed: FloatArray, bias_sd: SingleArray) -> SingleArray:
        variance = (bias_sd * self._tau_s) ** 2 + passed[:, 0] + ACCEL_OFFSET_G**2
        return np.sqrt(variance).astype(np.float32)


def _runs(steps: Steps, *, broken: bool) -> Iterator[_Run]:
    """Yield runs of steps, ``held`` where they have an accelerometer; ``broken`` where the step before had none."""
    held = np.isfinite(steps.accel[:, 0])
    heading = np.zeros(len(held), dtype=bool) if steps.mag is None else np.isfinite(steps.mag[:, 0])
    fresh = held & (steps.starts | ~np.concatenate([[not broken], held[:-1]]))
    change = steps.starts.copy()
    change[1:] |= (held[1:] != held[:-1]) | (heading[1:] != heading[:-1])
    edges = [0, *(np.flatnonzero(change[1:]) + 1).tolist(), len(held)]
    for first, last in pairwise(edges):
        yield _Run(slice(first, last), bool(held[first]), bool(fresh[first]), bool(heading[first]))


def _stretches(steps: Steps) -> Iterator[list[_Run]]:
    """Yield the runs that have an accelerometer, stretch by stretch."""
    runs: list[_Run] = []
    for one in _runs(steps, broken=True):
        if one.fresh and runs:
            yield runs
            runs = []
        if one.held:
            runs.append(one)
    if runs:
        yield runs


def _inputs(steps: Steps, part: slice, *, heading: bool) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return contiguous gyr, acc, mag as vqf wants them: acc is the force upwards, in m/s2."""
    acc = np.multiply(steps.accel[part], -STANDARD_GRAVITY, dtype=np.float64, order="C")
    mag = np.ascontiguousarray(steps.mag[part], dtype=np.float64) if heading and steps.mag is not None else None
    return np.ascontiguousarray(steps.gyro[part]), acc, mag


def _fill(fused: Fused, found: Mapping[str, Any], accel: Samples, tilt: _Tilt) -> None:
    """Write into rows what vqf found, and what follows from it."""
    fused.attitude[:] = found["quat6D"]
    w, x, y, z = fused.attitude.T
    fused.gravity[:, 0] = 2 * (w * y - x * z)
    fused.gravity[:, 1] = -2 * (y * z + w * x)
    fused.gravity[:, 2] = 2 * (x * x + y * y) - 1
    np.subtract(accel, fused.gravity, out=fused.user_accel)
    fused.gyro_bias[:, :3] = found["bias"]
    fused.gyro_bias[:, 3] = found["biasSigma"]
    upward_g = -np.einsum("ij,ij->i", fused.user_accel, fused.gravity)
    fused.tilt_sd[:] = tilt.push(upward_g, fused.gyro_bias[:, 3])
    fused.flags[:, 0] = found["restDetected"]
    if "quat9D" in found:
        _fill_heading(fused, found)
    else:
        fused.attitude_north[:] = np.nan
        fused.flags[:, 1] = np.nan


def _fill_heading(fused: Fused, found: Mapping[str, Any]) -> None:
    fused.attitude_north[:] = north_from_east(found["quat9D"])
    fused.flags[:, 1] = found["magDistDetected"]


def north_from_east(attitude: FloatArray) -> FloatArray:
    """Return (n, 4) attitudes whose earth has x north and y west, of such with x east and y north, as vqf has it.

    A quarter turn about z, written out: a product of matrices rounds one row in another way than several.
    """
    w, x, y, z = np.ascontiguousarray((attitude * np.sqrt(0.5)).T)
    return np.stack([w + z, x + y, y - x, z - w]).T
