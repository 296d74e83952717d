"""Lines for the eye as few bytes: 16 bits a number, over the range that a window holds.

A step is at most a 65,534th of what is drawn: less than a hundredth of a pixel of any pane, and of a screen's width.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray

NOTHING = 0xFFFF  # stands for NaN
_REGULAR = 1e-3  # of a bin: how far from the grid a centre may lie by rounding


class Packed(NamedTuple):
    """A line as steps above its lowest value: ``low + step * steps``, NaN where a step is ``NOTHING``."""

    low: float
    step: float
    steps: npt.NDArray[np.uint16]


def packed(line: npt.NDArray[np.floating]) -> Packed:
    """Return a line (m,) in 16 bits a number, its lowest and highest values exact but for rounding."""
    held = np.isfinite(line)
    exact = line.astype(np.float64)
    low, high = (exact[held].min(), exact[held].max()) if held.any() else (0.0, 0.0)
    step = (high - low) / (NOTHING - 1)
    steps = np.full(len(line), NOTHING, dtype=np.uint16)
    steps[held] = np.round((exact[held] - low) / step) if step > 0 else 0
    return Packed(float(low), float(step), steps)


def grid_of(time_s: FloatArray) -> tuple[float, float, int] | None:
    """Return first centre, width and count of the bins of which each gave two points, None where points lie apart."""
    if len(time_s) < 4 or len(time_s) % 2 or (time_s[::2] != time_s[1::2]).any():
        return None
    count = len(time_s) // 2
    width_s = (time_s[-1] - time_s[0]) / (count - 1)
    off_s = np.abs(time_s[::2] - (time_s[0] + width_s * np.arange(count))).max()
    return (float(time_s[0]), float(width_s), count) if width_s > 0 and off_s <= _REGULAR * width_s else None
