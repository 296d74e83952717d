"""Thinning of streams of any length: of long ones the lowest and highest value of each block of rows is kept in memory.

Whole blocks answer for most of a bin. Rows of the file are read only in the two blocks that its edges cut, and there
only where the block holds a value beyond those of the whole ones: else it cannot change the bin, wherever the edge is.
"""

import threading
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray, Stream, blocks
from wristkit.recording.blocks import scattered
from wristkit.view.envelope import extremes

PYRAMID_ROWS = 2_000_000  # of a shorter stream all samples are read nearly as fast
BLOCK_ROWS = 256
WORTH_BLOCKS = 4  # in bins of fewer blocks, more is read at their edges than in them
_BUILT_BLOCKS = 1024  # at a time

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Pyramid(NamedTuple):
    """Lowest and highest value (c, blocks) of each block of so many rows of a stream, and the time of its first row."""

    low: Floats
    high: Floats
    starts_s: FloatArray
    block_rows: int


_PYRAMIDS: WeakKeyDictionary[Stream, Pyramid] = WeakKeyDictionary()
_BUILDING = threading.Lock()


def stamps_at(stream: Stream, rows: Rows) -> FloatArray:
    """Return ``stream.time[rows]``, which of a uniform stream is not made for the rows that nobody asks for."""
    return stream.start_s + rows / stream.rate_hz if stream.is_uniform else stream.time[rows]


def rows_at(stream: Stream, time_s: FloatArray) -> Rows:
    """Return the first row at or after each time: ``np.searchsorted(stream.time, time_s)``."""
    if not stream.is_uniform:
        with scattered(stream.time):
            return np.searchsorted(stream.time, time_s)
    count = len(stream)
    near = np.clip(np.ceil((time_s - stream.start_s) * stream.rate_hz), 0, count).astype(np.int64)
    low, high = np.maximum(near - 2, 0), np.minimum(near + 2, count)
    low = np.where(stamps_at(stream, low - 1) < time_s, low, 0)  # stamps far from zero are rounded up over many rows
    return _bisected(stream, time_s, low, high)


def bin_extremes(stream: Stream, edges_s: FloatArray) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return the lowest and highest value (b, c) between edges (b + 1,), NaN where there is none, and which hold rows.

    A bin holds the samples with ``edge <= time < next edge``, as in :func:`~wristkit.view.envelope`. Of a stream of
    ``PYRAMID_ROWS`` samples or more, a wide window is not read: its pyramid is built at the first one, and stays as
    long as the stream does.
    """
    first, last = rows_at(stream, edges_s[[0, -1]])
    if len(stream) < PYRAMID_ROWS or last - first < WORTH_BLOCKS * BLOCK_ROWS * (len(edges_s) - 1):
        if stream.is_uniform:
            firsts = rows_at(stream, edges_s)
        else:
            firsts = first + np.searchsorted(stream.time[first:last], edges_s)
        low, high = extremes(stream.values, firsts)
        return low, high, np.diff(firsts) > 0
    pyramid = pyramid_of(stream)
    with scattered(stream.values, *([] if stream.is_uniform else [stream.time])):
        return pyramid_extremes(pyramid, stream, edges_s)


def pyramid_of(stream: Stream) -> Pyramid:
    """Return the pyramid of a stream, built at the first call; it holds nothing of the stream and goes with it."""
    with _BUILDING:
        if stream not in _PYRAMIDS:
            _PYRAMIDS[stream] = build_pyramid(stream, block_rows=BLOCK_ROWS)
        return _PYRAMIDS[stream]


def build_pyramid(stream: Stream, *, block_rows: int) -> Pyramid:
    """Return the pyramid of a stream, of which each sample is read once, in bounded memory."""
    count = -(-len(stream) // block_rows)
    low, high = (np.empty((len(stream.channels), count), dtype=np.float32) for _ in range(2))
    place, rows = 0, block_rows * _BUILT_BLOCKS
    for (part,) in blocks(stream.values, rows=rows):
        columns, starts = np.ascontiguousarray(part.T), np.arange(0, len(part), block_rows)
        here = slice(place, place + len(starts))
        np.fmin.reduceat(columns, starts, axis=1, out=low[:, here])
        np.fmax.reduceat(columns, starts, axis=1, out=high[:, here])
        place = here.stop
    if stream.is_uniform:
        starts_s = stamps_at(stream, np.arange(0, len(stream), block_rows))
    else:  # copied: a view would keep what it was taken from
        starts_s = np.concatenate([part[::block_rows].copy() for (part,) in blocks(stream.time, rows=rows)])
    return Pyramid(low, high, starts_s, block_rows)


def pyramid_extremes(
    pyramid: Pyramid, stream: Stream, edges_s: FloatArray
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return what :func:`bin_extremes` does, by way of the pyramid of the stream."""
    places = np.searchsorted(pyramid.starts_s, edges_s)  # the edge cuts the block before, or falls on its end
    firsts, lasts = places[:-1], places[1:] - 1
    whole = firsts < lasts
    found = _of_whole_blocks(pyramid, firsts, lasts)
    heads = ~whole | _may_change(pyramid, firsts - 1, *found)
    tails = whole & _may_change(pyramid, lasts, *found)
    rows = np.zeros(len(edges_s), dtype=np.int64)
    cut = np.append(heads, False) | np.insert(tails | ~whole, 0, False)
    stops = np.minimum(places[cut] * pyramid.block_rows, len(stream))
    rows[cut] = _bisected(stream, edges_s[cut], np.maximum(places[cut] - 1, 0) * pyramid.block_rows, stops)
    after_head = np.where(whole, firsts * pyramid.block_rows, rows[1:])
    _take_in(stream, found, np.flatnonzero(heads), rows[:-1], after_head)
    _take_in(stream, found, np.flatnonzero(tails), lasts * pyramid.block_rows, rows[1:])
    return found[0].T, found[1].T, whole | (rows[:-1] < after_head)


def _of_whole_blocks(pyramid: Pyramid, firsts: Rows, lasts: Rows) -> tuple[Floats, Floats]:
    """Return the extremes (c, b) of blocks from first to before last, NaN where there are none."""
    low, high = (np.full((len(pyramid.low), len(firsts)), np.nan, dtype=np.float32) for _ in range(2))
    whole = firsts < lasts
    if whole.any():
        ends = np.column_stack([firsts[whole], lasts[whole]]).ravel()
        used = slice(ends[0], ends[-1])
        segments = ends[:-1] - ends[0]
        low[:, whole] = np.fmin.reduceat(pyramid.low[:, used], segments, axis=1)[:, ::2]
        high[:, whole] = np.fmax.reduceat(pyramid.high[:, used], segments, axis=1)[:, ::2]
    return low, high


def _may_change(pyramid: Pyramid, places: Rows, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Return for which bins (b,) a block holds a value beyond theirs in any channel; block -1 is before all."""
    block_low, block_high = (one.take(places, axis=1, mode="clip") for one in (pyramid.low, pyramid.high))
    news = np.isnan(low) & ~np.isnan(block_low)
    beyond: npt.NDArray[np.bool_] = ((block_low < low) | (block_high > high) | news).any(axis=0) & (places >= 0)
    return beyond


def _take_in(stream: Stream, found: tuple[Floats, Floats], bins: Rows, firsts: Rows, lasts: Rows) -> None:
    """Widen the extremes (c, b) of these bins by the rows from first to before last of each, read from the stream."""
    low, high = found
    bins = bins[firsts[bins] < lasts[bins]]
    if not len(bins):
        return
    counts = lasts[bins] - firsts[bins]
    segments = np.cumsum(counts) - counts
    rows = np.repeat(firsts[bins] - segments, counts) + np.arange(counts.sum())
    read = np.asarray(stream.values.T.take(rows, axis=1))
    low[:, bins] = np.fmin(low[:, bins], np.fmin.reduceat(read, segments, axis=1))
    high[:, bins] = np.fmax(high[:, bins], np.fmax.reduceat(read, segments, axis=1))


def _bisected(stream: Stream, time_s: FloatArray, low: Rows, high: Rows) -> Rows:
    """Return the first row at or after each time, known to lie from low to high."""
    while (open_ := low < high).any():
        middle = (low + high) // 2
        before = stamps_at(stream, np.minimum(middle, len(stream) - 1)) < time_s
        low, high = np.where(open_ & before, middle + 1, low), np.where(open_ & ~before, middle, high)
    return low
