"""Complete windows of conditioned samples, none of them across a gap."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.condition import Grid
from wristkit.recording import FloatArray

_MOST_SAMPLES = 2**31 - 1


class Cut(NamedTuple):
    """Windows cut from conditioned sources: ``first`` (n,) places, ``values`` (n, c, samples), ``score_s`` (n,)."""

    first: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    score_s: FloatArray


def whole_samples(name: str, seconds: float, rate_hz: float) -> int:
    """Return seconds as a whole number of samples, or raise with the nearest good values."""
    _check_positive("rate_hz", rate_hz, "samples a second; give rate_hz=50")
    _check_positive(name, seconds, "seconds")
    count = seconds * rate_hz
    if count > _MOST_SAMPLES:
        raise ValueError(f"{name} of {seconds:g} s is {count:g} samples, expected at most {_MOST_SAMPLES}")
    nearest = max(1, round(count))
    if abs(count - nearest) > 1e-6:
        low, high = max(1, int(np.floor(count))), int(np.floor(count)) + 1
        raise ValueError(
            f"{name} of {seconds} s is {count:g} samples at {rate_hz:g} Hz, expected a whole number; the nearest are "
            f"{low / rate_hz:.6g} s and {high / rate_hz:.6g} s"
        )
    return nearest


def _check_positive(name: str, value: Any, of: str) -> None:  # noqa: ANN401  anything may be given
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not (np.isfinite(float(value)) and value > 0):
        raise ValueError(f"{name} is {value!r}, expected a positive number of {of}")


def cut(grids: Sequence[Grid], *, samples: int, hop: int, not_before: int | None = None) -> Cut:
    """Return every complete window of sources that share a grid.

    Parameters
    ----------
    grids
        Conditioned samples of each source, in the order of the channels.
    samples, hop
        Length of a window and step between windows, in samples; windows begin at whole multiples of the hop.
    not_before
        First place at which a window may begin.
    """
    first = grids[0].places[grids[0].places % hop == 0]
    if not_before is not None:
        first = first[first >= not_before]
    for grid in grids:
        first = first[_is_complete(grid, first, samples)]
    values = [_gather(grid, first, samples) for grid in grids]
    ends = [grid.needed_s[np.searchsorted(grid.places, first) + samples - 1] for grid in grids]
    return Cut(first, np.concatenate(values, axis=1), np.max(ends, axis=0))


def _is_complete(grid: Grid, first: npt.NDArray[np.int64], samples: int) -> npt.NDArray[np.bool_]:
    at = np.searchsorted(grid.places, first)
    fits = at + samples <= len(grid.places)
    at, last = np.where(fits, at, 0), np.where(fits, at + samples - 1, 0)
    if not len(grid.places):
        return np.zeros(len(first), dtype=bool)
    whole: npt.NDArray[np.bool_] = fits & (grid.places[at] == first) & (grid.places[last] == first + samples - 1)
    return whole


def _gather(grid: Grid, first: npt.NDArray[np.int64], samples: int) -> npt.NDArray[np.float32]:
    """Return (n, c, samples) windows; each channel is one run of memory."""
    at = np.searchsorted(grid.places, first)
    with np.errstate(over="ignore"):  # a detector refuses the scores of what is beyond float32
        columns = np.ascontiguousarray(grid.values.T, dtype=np.float32)
    if len(grid.places) < samples:
        return np.empty((0, len(columns), samples), dtype=np.float32)
    runs = np.lib.stride_tricks.sliding_window_view(columns, samples, axis=1)
    return np.ascontiguousarray(runs[:, at].transpose(1, 0, 2))
