"""Lines for the eye as few bytes: 16 bits a number, over the range that a window holds.

A step is at most a 65,534th of what is drawn: less than a hundredth of a pixel of any pane, and of a screen's width.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray

NOTHING = 0xFFFF  # stands for NaN
_FAR = 1.25  # widths of a window
_REGULAR = 1e-3  # of a bin: how far from the grid a centre may lie by rounding


class Packed(NamedTuple):
    """A line as steps above its lowest value: ``low + step * steps``, NaN where a step is ``NOTHING``."""

    low: float
    step: float
    steps: npt.NDArray[np.uint16]


class Grid(NamedTuple):
    """Points at the centres of bins of one width: the first centre, the width, and how many points each bin gave."""

    first_s: float
    width_s: float
    counts: npt.NDArray[np.uint8]


def packed(line: npt.NDArray[np.floating]) -> Packed:
    """Return a line (m,) in 16 bits a number, its lowest and highest values exact but for rounding."""
    held = np.isfinite(line)
    exact = line.astype(np.float64)
    low, high = (exact[held].min(), exact[held].max()) if held.any() else (0.0, 0.0)
    step = (high - low) / (NOTHING - 1)
    steps = np.full(len(line), NOTHING, dtype=np.uint16)
    steps[held] = np.round((exact[held] - low) / step) if step > 0 else 0
    return Packed(float(low), float(step), steps)


def grid_of(time_s: FloatArray) -> Grid | None:
    """Return the bins of which each gave two points, three before a gap or none; None where points lie apart."""
    steps_s = np.diff(time_s)
    if not (steps_s > 0).any():
        return None
    span_s = float(time_s[-1] - time_s[0])
    count = round(span_s / steps_s[steps_s > 0].min())
    if count > 2 * len(time_s):  # nearly all of them are empty
        return None
    width_s = span_s / count
    bins = np.round((time_s - time_s[0]) / width_s)
    counts = np.bincount(bins.astype(np.int64))
    off_s = np.abs(time_s - (time_s[0] + width_s * bins)).max()
    is_grid = off_s <= _REGULAR * width_s and np.isin(counts, (0, 2, 3)).all()
    return Grid(float(time_s[0]), width_s, counts.astype(np.uint8)) if is_grid else None


def told_lines(
    since_s: FloatArray, values: npt.NDArray[np.floating], *, width_s: float
) -> tuple[dict[str, Any], list[bytes]]:
    """Return how lines (c, m) of a window of this width are told, and the bytes of their times and of each of them.

    Times on a grid are told by it, with the counts of its bins unless all are two; others as a line. Where the sample
    before a gap lies hours away, its 16 bits would be coarse within the window: then each time is told by itself.
    """
    grid = grid_of(since_s)
    is_even = grid is not None and bool((grid.counts == 2).all())
    is_far = grid is None and len(since_s) > 0 and bool(since_s[-1] - since_s[0] > _FAR * width_s)
    lines = [packed(line) for line in (*([] if grid or is_far else [since_s]), *values)]
    times = [] if grid is None or is_even else [grid.counts.tobytes()]
    if is_far:
        times = [since_s.astype(np.float32).tobytes()]
    told = None if grid is None else [grid.first_s, grid.width_s, len(grid.counts)]
    ranges = [line[:2] for line in lines]
    part = {"grid": told, "even": is_even, "exact": is_far, "lines": ranges}
    return part, [*times, *(line.steps.tobytes() for line in lines)]
