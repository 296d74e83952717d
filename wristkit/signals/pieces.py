"""A stream block by block: its rows with their stamps, runs of rows, means on a common grid."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import BLOCK_ROWS, FloatArray, Stream, blocks

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Finding(NamedTuple):
    """One row of the finding table; ``counted`` is its ``count``, which a tuple has already."""

    code: str
    stream: str
    start_s: float
    stop_s: float
    counted: int
    note: str
    remedy: str


class Ends(NamedTuple):
    """(c,) least and greatest values of the channels of a stream; NaN where a channel has none."""

    low: FloatArray
    high: FloatArray


def pieces(stream: Stream, *, rows: int = BLOCK_ROWS) -> Iterator[tuple[FloatArray, Values]]:
    """Yield (n,) stamps and (n, c) values of at most ``rows`` samples; those of sound are never made all at once."""
    if not stream.is_uniform:
        for time_s, values in blocks(stream.time, stream.values, rows=rows):
            yield time_s, values
        return
    for first, (values,) in zip(count(0, rows), blocks(stream.values, rows=rows), strict=False):
        yield stream.start_s + np.arange(first, first + len(values)) / stream.rate_hz, values


def time_at(stream: Stream, row: int) -> float:
    """Return the stamp of one sample in seconds."""
    return stream.start_s + row / stream.rate_hz if stream.is_uniform else float(stream.time[row])


def extremes(stream: Stream) -> Ends:
    """Return the least and greatest values of the channels."""
    low = high = np.full(len(stream.channels), np.nan)
    for (values,) in blocks(stream.values):
        low = np.fmin(low, np.fmin.reduce(values, axis=0))
        high = np.fmax(high, np.fmax.reduce(values, axis=0))
    return Ends(low, high)


def runs(masks: Iterable[Mask]) -> Iterator[IntArray]:
    """Yield (k, 2) first and past-last rows of each run of true ones, block by block; a run may cross blocks."""
    row, opened = 0, np.empty(0, dtype=np.int64)
    for mask in masks:
        before = np.concatenate([[len(opened) > 0], mask])
        edges = np.concatenate([opened, np.flatnonzero(before[1:] != before[:-1]) + row])
        row += len(mask)
        whole = len(edges) // 2 * 2
        opened = edges[whole:]
        yield edges[:whole].reshape(-1, 2)
    yield np.array([[opened[0], row]]) if len(opened) else np.empty((0, 2), dtype=np.int64)


def long_runs(masks: Iterable[Mask], *, least: int) -> IntArray:
    """Return (k, 2) first and past-last rows of the runs of at least ``least`` true ones."""
    return np.concatenate([found[found[:, 1] - found[:, 0] >= least] for found in runs(masks)])


def bin_means(stream: Stream, *, start_s: float, bins: int, width_s: float) -> FloatArray:
    """Return (bins, c) means of the whole samples in each bin from ``start_s``; NaN where there are none."""
    sums, counts = np.zeros((bins, len(stream.channels))), np.zeros(bins)
    grid_s = start_s + np.arange(bins) * width_s
    for time_s, values in pieces(stream.between(start_s, start_s + bins * width_s)):
        edges = np.searchsorted(time_s, grid_s)
        samples = np.diff(edges, append=len(time_s))
        held = samples > 0
        first = edges[held]
        finite = np.isfinite(values)
        if finite.all():
            counts[held] += samples[held]
            summed = values
        else:
            whole = np.asarray(finite.all(axis=1))
            counts[held] += np.add.reduceat(whole, first, dtype=np.float64)
            summed = np.where(whole[:, None], values, 0)
        for channel, column in enumerate(summed.T):
            sums[held, channel] += np.add.reduceat(column, first, dtype=np.float64)
    return np.asarray(np.divide(sums, counts[:, None], out=np.full(sums.shape, np.nan), where=counts[:, None] > 0))
