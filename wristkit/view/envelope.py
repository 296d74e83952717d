"""Thinning for the eye: the lowest and highest sample of each bin, on one grid that does not move with the window."""

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray


def bin_edges(*, start_s: float, stop_s: float, bins: int) -> FloatArray:
    """Return the edges in seconds of the bins that touch ``[start_s, stop_s]``: whole multiples of the bin width.

    The width is ``(stop_s - start_s) / bins``. Since the edges are absolute, a window that moves keeps its bins, and so
    do streams side by side; one or two bins more than asked for cover both ends.
    """
    if not (np.isfinite([start_s, stop_s]).all() and start_s < stop_s):
        raise ValueError(f"the window is {start_s} s to {stop_s} s, expected start_s < stop_s, both finite")
    if bins < 1:
        raise ValueError(f"bins is {bins}, expected at least 1")
    width_s = (stop_s - start_s) / bins
    first, last = np.floor(start_s / width_s), np.floor(stop_s / width_s) + 1
    # Rounding in the division may put an edge a hair inside the window; its end sample must not be lost.
    first -= first * width_s > start_s
    last += last * width_s <= stop_s
    return np.arange(first, last + 1) * width_s


def envelope(
    time: FloatArray, values: npt.NDArray[np.float32], *, start_s: float, stop_s: float, bins: int
) -> tuple[FloatArray, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the time (b,) of each bin's centre and the lowest and highest value (b, c) within it.

    Parameters
    ----------
    time
        (n,) seconds, increasing, of any spacing.
    values
        (n, c). NaN samples are passed over.
    start_s, stop_s
        The window; only its samples are read. Bins at its ends are whole, see :func:`bin_edges`.
    bins
        How many bins the window is wide.

    Notes
    -----
    A bin without a sample, or with NaN alone, is NaN. A bin holds the samples with ``edge <= time < next edge``.
    """
    edges = bin_edges(start_s=start_s, stop_s=stop_s, bins=bins)
    low, high = extremes(values, np.searchsorted(time, edges))
    return (edges[:-1] + edges[1:]) / 2, low, high


def extremes(
    values: npt.NDArray[np.float32], firsts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the lowest and highest value (b, c) of the rows from each of ``firsts`` (b + 1,) to before the next."""
    occupied = np.diff(firsts) > 0
    low, high = (np.full((len(firsts) - 1, values.shape[1]), np.nan, dtype=values.dtype) for _ in range(2))
    if occupied.any():
        window, segments = values[firsts[0] : firsts[-1]], firsts[:-1][occupied] - firsts[0]
        for channel, column in enumerate(window.T):
            low[occupied, channel] = np.fmin.reduceat(column, segments)
            high[occupied, channel] = np.fmax.reduceat(column, segments)
    return low, high
