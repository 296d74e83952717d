"""Values at the end of what a channel shows: tops cut flat, and lone ones far beyond all others."""

from collections.abc import Iterator

import numpy as np

from wristkit.recording import FloatArray, Stream, blocks, median
from wristkit.signals.clock import is_steady
from wristkit.signals.pieces import Ends, Finding, IntArray, Mask, Values, long_runs, pieces, runs, time_at
from wristkit.signals.units import PLAUSIBLE

CUT_SAMPLES = 3  # two equal neighbours at the top are a slow peak

_CUT = frozenset({"accel", "user_accel", "gyro", "ppg", "audio"})  # what the others hold long may be all there is
_CUT_RUNS = 3
_CUT_S, _LIGHT_CUT_S = 1.0, 5.0  # an arm that stays at one value for longer rests there; light may well be too bright
_CUT_STEPS, _CUT_SHARE = 5.0, 0.001  # a parabola reaches one step beyond its equal samples, a sharper bend up to three
_NEAR_END = 0.25  # of the span: in which values that are held at every level show themselves
_TIMES_ELSEWHERE = 3

_LONE_TIMES = 1e3
_LONE_SAMPLES = 3
_LONE_FEW, _LONE_SHARE = 10, 0.001
_LONE_LEAST, _LONE_HZ = 200, 10.0  # what comes slowly may rightly come once


def cut_flat(stream: Stream, ends: Ends) -> list[IntArray]:
    """Return (k, 2) first and past-last rows of the runs in which each channel is cut flat at its own end.

    It is where three runs or more of three equal samples lie at the greatest or least value, and where the curve beside
    them would have gone well beyond it. So neither a round top is cut, however coarse its steps, nor rest; and where a
    channel is held like this at other levels, too, it is no end that cuts it.
    """
    nothing = [np.empty((0, 2), dtype=np.int64) for _ in stream.channels]
    if stream.name not in _CUT or len(stream) < _CUT_RUNS * CUT_SAMPLES:
        return nothing
    low, high = _possible(stream, ends)
    met = np.zeros((2, len(stream.channels)))
    for (values,) in blocks(stream.values):
        for met_at, level in zip(met, (low, high), strict=True):
            met_at += [np.count_nonzero(column == value) for column, value in zip(values.T, level, strict=True)]
    often = (met >= _CUT_RUNS * CUT_SAMPLES) & (high > low)
    return [
        np.concatenate(
            [
                rows,
                *(
                    _Side(stream, channel, sign, low, high).cut()
                    for side, sign in enumerate((-1, 1))
                    if often[side, channel]
                ),
            ]
        )
        for channel, rows in enumerate(nothing)
    ]


def lone_values(stream: Stream) -> list[IntArray]:
    """Return (k,) rows in which each channel lies a thousand times as far from its median as nearly all others do.

    Nearly all are all but a thousandth and ten. What stays there for more than three samples is a burst, and what has
    known limits, a rate below 10 Hz or no steady one is not looked at: it may rightly rest for long and come once.
    """
    if stream.name in PLAUSIBLE or len(stream) < _LONE_LEAST or not stream.rate_hz >= _LONE_HZ or not is_steady(stream):
        return [np.empty(0, dtype=np.int64) for _ in stream.channels]
    return [_lone(stream, channel) for channel in range(len(stream.channels))]


def outliers(stream: Stream) -> list[Finding]:
    """Return a finding of lone values far beyond all others, such as a filter would spread."""
    found = lone_values(stream)
    rows = np.unique(np.concatenate(found))
    if not len(rows):
        return []
    farthest = max((float(stream.values[row, channel]) for channel, at in enumerate(found) for row in at), key=abs)
    note = (
        f"{sum(map(len, found))} lone values lie more than {_LONE_TIMES:g} times as far from the median as nearly all "
        f"others, such as {farthest:.4g}"
    )
    remedy = "mask them as NaN with with_values() and numpy.where: a filter would spread them"
    span = (time_at(stream, int(rows[0])), time_at(stream, int(rows[-1])))
    return [Finding("outliers", stream.name, *span, len(rows), note, remedy)]


def _possible(stream: Stream, ends: Ends) -> Ends:
    """Return the ends of what is possible on a wrist."""
    low, high = PLAUSIBLE[stream.name]
    if not ((ends.low < low) | (ends.high > high)).any():
        return ends
    found = Ends(np.full(len(stream.channels), np.nan), np.full(len(stream.channels), np.nan))
    for _, values in pieces(stream):
        inner = _within(values, low, high)
        found = Ends(
            np.fmin(found.low, np.fmin.reduce(inner, axis=0)), np.fmax(found.high, np.fmax.reduce(inner, axis=0))
        )
    return found


def _within(values: Values, low: float, high: float) -> Values:
    return np.where((values >= low) & (values <= high), values, np.float32(np.nan))


class _Side:
    """One end of one channel, upwards: of the least value, all is turned about."""

    def __init__(self, stream: Stream, channel: int, sign: int, low: FloatArray, high: FloatArray) -> None:
        self._stream, self._channel, self._sign = stream, channel, sign
        self._level = float(high[channel] if sign > 0 else -low[channel])
        self._span = float(high[channel] - low[channel])

    def cut(self) -> IntArray:
        """Return (k, 2) rows of the runs at this end; none where it cuts nothing."""
        at_end = long_runs((column == self._level for column in self._columns()), least=CUT_SAMPLES)
        if len(at_end) < _CUT_RUNS:
            return at_end[:0]
        least = max(_CUT_STEPS * self._smallest_step(), _CUT_SHARE * self._span)
        cut = int((self._beyond(at_end) >= least).sum())
        if cut < _CUT_RUNS:
            return at_end[:0]
        elsewhere = long_runs(self._held_near(), least=CUT_SAMPLES - 1) - np.array([1, 0])
        held = int((self._beyond(elsewhere) >= least).sum())
        return at_end if cut >= _TIMES_ELSEWHERE * held else at_end[:0]

    def _columns(self) -> Iterator[Values]:
        for _, values in pieces(self._stream):
            yield self._sign * values[:, self._channel]

    def _held_near(self) -> Iterator[Mask]:
        """Yield which values equal the one before, near this end but not at it."""
        last = np.float32(np.nan)
        for column in self._columns():
            before = np.concatenate([[last], column[:-1]])
            yield (column == before) & (column > self._level - _NEAR_END * self._span) & (column < self._level)
            last = column[-1]

    def _smallest_step(self) -> float:
        """Return the least distance between two values, wherever in a block they are."""
        return min(
            float(np.min(np.diff(np.unique(column[np.isfinite(column)]).astype(np.float64)), initial=np.inf))
            for column in self._columns()
        )

    def _beyond(self, rows: IntArray) -> FloatArray:
        """Return how far beyond each run (k,) a parabola would reach that falls on both sides as the flatter side does.

        Its fall over as many samples as the run has is eight times what it reaches beyond; a round top, by one step.
        """
        samples = rows[:, 1] - rows[:, 0]
        longest = (_LIGHT_CUT_S if self._stream.name == "ppg" else _CUT_S) * self._stream.rate_hz
        inner = (rows[:, 0] >= samples) & (rows[:, 1] + samples <= len(self._stream)) & (samples <= longest)
        rows, samples = rows[inner], samples[inner]
        at, before, after = (
            self._sign * np.asarray(self._stream.values[places, self._channel], dtype=np.float64)
            for places in (rows[:, 0], rows[:, 0] - samples, rows[:, 1] + samples - 1)
        )
        return np.asarray(np.minimum(at - before, at - after) / 8)


def _lone(stream: Stream, channel: int) -> IntArray:
    low, high = PLAUSIBLE[stream.name]

    def columns() -> Iterator[FloatArray]:
        for _, values in pieces(stream):
            yield _within(values[:, channel], low, high).astype(np.float64)

    count = sum(int(np.isfinite(column).sum()) for column in columns())
    if count < _LONE_LEAST:
        return np.empty(0, dtype=np.int64)
    middle = median(lambda: (column[np.isfinite(column)] for column in columns()), count)
    few = _LONE_FEW + int(_LONE_SHARE * count)
    farthest = np.empty(0)
    for column in columns():
        away = np.abs(column[np.isfinite(column)] - middle)
        farthest = np.sort(np.concatenate([farthest, away]))[-few - 1 :]
    usual = float(farthest[0])
    if not farthest[-1] > _LONE_TIMES * usual > 0:
        return np.empty(0, dtype=np.int64)
    found = np.concatenate(list(runs(np.abs(column - middle) > _LONE_TIMES * usual for column in columns())))
    short = found[found[:, 1] - found[:, 0] <= _LONE_SAMPLES]
    return np.concatenate([np.arange(first, stop) for first, stop in short.tolist()] or [found[:0, 0]])
