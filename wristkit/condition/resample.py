"""From stamps as they are to the grid: causal low-pass and interpolation in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wristkit.filters import is_number
from wristkit.recording import FloatArray

PlaceArray = npt.NDArray[np.int64]


class Grid(NamedTuple):
    """Conditioned samples of one source.

    ``places`` (m,) on the grid, with holes where something was missing; ``values`` is (m, c); ``needed_s`` (m,) is the
    time of the newest source sample that each of them needed.
    """

    places: PlaceArray
    values: FloatArray
    needed_s: FloatArray

    @classmethod
    def empty(cls, channels: int) -> Self:
        """Return no samples."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, channels)), np.empty(0))

    @classmethod
    def join(cls, parts: Sequence["Grid"]) -> Self:
        """Return the samples of consecutive parts as one."""
        columns = zip(*parts, strict=True)
        return cls(*(np.concatenate(column) for column in columns))


# B-spline of degree 2 convolved with (-a, 1 + 2a, -a), a = 1/8: its knots lie at -2.5 ... 2.5 grid periods, and its
# second integral is the sum of truncated quartics there, of which symmetry leaves three: (knot, factor).
HALF_PERIODS = 2.5
QUARTICS = ((2.5, -0.125 / 24), (1.5, 1.625 / 24), (0.5, -4.25 / 24))
_SLOWEST_HZ, _FASTEST_HZ = 1e-3, 1e5
SHARES = 24_576  # computed at once: what a processor's cache holds; changes nothing else


@dataclass(frozen=True)
class Resample:
    """Step: causal low-pass and interpolation to the grid, from stamps as they are.

    The samples are joined by straight lines, convolved exactly with a kernel of five grid periods (a quadratic
    B-spline, its droop at low frequencies compensated by an eighth of its second difference) and read off at
    ``k / rate_hz``. Source rate and jitter need not be known. The kernel is symmetric, so its delay is half its width
    at every frequency.

    At 0.1, 0.2, 0.3 and 0.5 of the grid's rate the kernel passes 0.997, 0.960, 0.840 and 0.387; what would fold onto
    the first three (from 0.9, 0.8 and 0.7) passes 0.001, 0.015 and 0.066.
    """

    rate_hz: float

    def __post_init__(self) -> None:
        if not is_number(self.rate_hz) or not _SLOWEST_HZ <= self.rate_hz <= _FASTEST_HZ:
            raise ValueError(
                f"rate_hz is {self.rate_hz!r}, expected {_SLOWEST_HZ:g} to {_FASTEST_HZ:g} samples a second"
            )
        object.__setattr__(self, "rate_hz", float(self.rate_hz))

    @property
    def delay_s(self) -> float:
        """Seconds after ``k / rate_hz`` until output k can be given; output times are already corrected by it."""
        return HALF_PERIODS / self.rate_hz

    def start(self, channels: int) -> "ResampleState":
        """Return the state before the first sample of a stretch."""
        return ResampleState(self, channels)

    def run(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples of one stretch without gaps, from stamps (n,) and values (n, c)."""
        return self.start(values.shape[1]).push(time_s, values)

    def second_integral(self, periods: FloatArray) -> FloatArray:
        """Return the kernel integrated twice, at offsets in grid periods: 0 before it, the offset itself after it."""
        # By symmetry the right half is the left half plus a ramp, which saves three of six knots and all cancellation.
        folded = np.abs(periods)
        np.negative(folded, out=folded)
        total, term = np.maximum(periods, 0.0), np.empty_like(folded)
        for knot, factor in QUARTICS:
            np.add(folded, knot, out=term)  # in place from here: half the time goes into these few lines
            np.maximum(term, 0.0, out=term)
            term *= term
            term *= term
            term *= factor
            total += term
        return total

    def at(self, places: PlaceArray, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples at one or more rising ``places`` from stamps (n,) and values (n, c).

        All of their support must be there. Before the first sample the signal is taken to have had the first value for
        ever.
        """
        centre_s = places / self.rate_hz
        # Two samples more than the oldest support: whatever lies at or before the first of them has no share left.
        first = max(0, int(time_s.searchsorted(centre_s[0] - self.delay_s)) - 2)
        last = int(time_s.searchsorted(centre_s[-1] + self.delay_s)) + 1
        time_s, rows = time_s[first:last], np.ascontiguousarray(values[first:last], dtype=np.float64)
        newest = time_s.searchsorted(centre_s + self.delay_s)
        oldest = time_s.searchsorted(centre_s - self.delay_s)
        shares, older = self._shares(centre_s, time_s, newest, int((newest - oldest).max()) + 1)
        # Integration by parts: newest value minus, for each straight line in the support, its rise times its share.
        output = rows.take(newest, axis=0)
        output -= _summed(shares, older, rows[1:] - rows[:-1])
        output += 0.0  # no negative zeros, whose sign would depend on the partition
        return Grid(places, output, time_s.take(newest))

    def _shares(
        self, centre_s: FloatArray, time_s: FloatArray, newest: PlaceArray, count: int
    ) -> tuple[FloatArray, PlaceArray]:
        """Return the share of each of ``count`` lines in each output, newest first, and where it begins, (count, m)."""
        knots = np.maximum(newest.astype(np.int32) - np.arange(count + 1, dtype=np.int32)[:, None], 0)
        offset = time_s.take(knots)
        offset -= centre_s
        offset *= self.rate_hz
        integral = self.second_integral(offset)
        shares, width = integral[:-1] - integral[1:], offset[:-1] - offset[1:]
        if not width.all():  # before the first sample, where there is no line
            width[width == 0] = 1.0
        shares /= width
        return shares, knots[1:]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "resample", "rate_hz": self.rate_hz}


class ResampleState:
    """A running resampler: the samples whose support is not over, and the next place on the grid."""

    def __init__(self, step: Resample, channels: int) -> None:
        self.step = step
        self.time_s: FloatArray = np.empty(0)
        self.values: FloatArray = np.empty((0, channels))
        self.next_place: int | None = None

    def push(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples that these samples, which follow the last ones without a gap, complete."""
        if not len(time_s):
            return Grid.empty(self.values.shape[1])
        held = len(self.time_s) > 0
        self.time_s = np.concatenate([self.time_s, time_s]) if held else time_s
        self.values = np.concatenate([self.values, values]) if held else values
        if self.next_place is None:
            self.next_place = _first_place_at(float(time_s[0]), self.step.rate_hz)
        stop = max(self._complete_before(float(time_s[-1])), self.next_place)
        grid = self._grid(np.arange(self.next_place, stop, dtype=np.int64))
        self.next_place = stop
        self._trim()
        return grid

    def _grid(self, places: PlaceArray) -> Grid:
        """Return the samples at places, some thousands at a time: nothing of their whole length but they themselves."""
        lines_each = 2 * HALF_PERIODS * len(self.time_s) / max(1, len(places)) + 2
        count = max(1, int(SHARES / lines_each))
        if 0 < len(places) <= count:
            return self.step.at(places, self.time_s, self.values)
        grid = Grid(places, np.empty((len(places), self.values.shape[1])), np.empty(len(places)))
        for first in range(0, len(places), count):
            block = slice(first, first + count)
            _, grid.values[block], grid.needed_s[block] = self.step.at(places[block], self.time_s, self.values)
        return grid

    def _complete_before(self, newest_s: float) -> int:
        """Return the first place on the grid whose support is not over yet."""
        place = int(np.floor((newest_s - self.step.delay_s) * self.step.rate_hz)) + 2
        while place / self.step.rate_hz + self.step.delay_s > newest_s:
            place -= 1
        return place + 1

    def _trim(self) -> None:
        if self.next_place is None:
            return
        support_s = (self.next_place - 1) / self.step.rate_hz - self.step.delay_s
        first = max(0, int(np.searchsorted(self.time_s, support_s)) - 1)
        # Copies: a caller may fill its own arrays anew, and a view would keep all of them in memory.
        self.time_s, self.values = self.time_s[first:].copy(), self.values[first:].copy()


def _first_place_at(time_s: float, rate_hz: float) -> int:
    """Return the smallest k with ``k / rate_hz >= time_s``, in floating point as it is compared elsewhere."""
    place = int(np.ceil(time_s * rate_hz)) - 1
    while place / rate_hz < time_s:
        place += 1
    return place


def _summed(shares: FloatArray, columns: PlaceArray, values: FloatArray) -> FloatArray:
    """Return (m, c) sums over k of ``shares[k, i] * values[columns[k, i]]``, in the order of k for whichever m."""
    from scipy.sparse import csr_array

    # A product with a sparse matrix is summed row by row in the order of its entries; einsum and matmul promise none.
    count, outputs = shares.shape
    starts = np.arange(0, outputs * count + 1, count, dtype=np.int32)
    matrix = csr_array((shares.ravel("F"), columns.ravel("F"), starts), shape=(outputs, len(values)))
    return np.asarray(matrix @ values)
