"""Offline resampling and filters without phase: they look ahead, and no watch can run them.

For what shall run on a device, see the causal ``wristkit.filters`` and ``wristkit.condition``.
"""

from collections.abc import Iterator
from numbers import Real

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.recording import MISSING_PERIODS, FloatArray, Stream
from wristkit.signals.pieces import IntArray, Mask, runs, time_at
from wristkit.signals.units import PLAUSIBLE

ATTITUDES = frozenset({"attitude", "attitude_north"})

# Of the mean step: noise between such stamps is a slope that a spline would follow far away. Of stamps that come in
# bursts, the median step is itself that short.
_TOO_NEAR = 0.02
_RATES_HZ = (1e-3, 1e5)
_MOST_ROWS, _MOST_TIMES_SLOWER = 1e9, 1e6  # some GB, and the length of the filter that the fall needs
_SAME_RATE = 0.01  # a source up to 1 % off a whole multiple of the new rate needs no finer grid in between


def resample_offline(stream: Stream, rate_hz: float) -> Stream:
    """Return the stream at k / ``rate_hz`` seconds, without delay and without what the new rate cannot hold.

    Each channel of each stretch is joined by a cubic spline through its stamps as they are, read off on a whole
    multiple of the new rate that is no slower than the source, and brought down by ``scipy.signal.resample_poly``.
    Where two stamps nearly coincide, one spline ends and another begins: their noise would ring through a single one.

    Parameters
    ----------
    stream
        Gaps stay gaps. A missing sample costs the new samples between its neighbours, which are NaN, in its own channel
        alone; so does a stretch of a single sample. An ``attitude`` is missing where one of its four numbers is; its
        sign is made continuous before (see :func:`continuous_attitude`), and its length 1 afterwards.
    rate_hz
        New samples a second.

    Raises
    ------
    RecordingError
        With code ``empty``, ``implausible`` (a value of 1e12 would ring through its whole stretch), or ``rate`` of a
        source a million times as fast, or of more than 1e9 new samples.
    """
    given: object = rate_hz
    if not (isinstance(given, Real) and _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]):
        raise ValueError(f"rate_hz is {rate_hz!r}, expected {_RATES_HZ[0]:g} to {_RATES_HZ[1]:g} samples a second")
    refuse_implausible(stream)
    if len(stream) < 2:
        raise RecordingError(
            f"stream {stream.name!r} has {len(stream)} samples, expected two or more to put others between them",
            code="empty",
            remedy="leave it out",
        )
    _refuse_too_much(stream, rate_hz)
    steps = max(1, int(np.ceil(stream.rate_hz / rate_hz - _SAME_RATE)))
    time_s = np.asarray(stream.time)
    held = [_places(time_s[first:stop], rate_hz, steps) for first, stop in between_gaps(stream)]
    places = np.concatenate(held)
    values = np.full((len(places), len(stream.channels)), np.nan, dtype=np.float32)
    for channel, column in enumerate(_continuous(stream).T):
        for first, stop in valid_stretches(stream, np.isfinite(column)):
            if stop - first > 1:
                where, new = _resampled(time_s[first:stop], column[first:stop], rate_hz=rate_hz, steps=steps)
                values[np.searchsorted(places, where), channel] = new
    if stream.name in ATTITUDES:
        values /= np.linalg.norm(values, axis=1, keepdims=True)
    breaks = np.unique(np.cumsum([len(one) for one in held]))
    return _on_grid(stream, places, values, breaks=breaks, rate_hz=rate_hz)


def filter_offline(stream: Stream, filter_: Filter) -> Stream:
    """Return the stream filtered forwards and backwards: no delay, twice the attenuation, -6 dB at the edges.

    Each stretch without gap or missing sample is filtered by itself by ``scipy.signal.sosfiltfilt``. NaN stays where
    it was; a stretch too short to be padded (about three times the filter's order) becomes NaN, as nothing is known.
    The sign of an ``attitude`` is made continuous before, as by :func:`continuous_attitude`.

    Raises
    ------
    RecordingError
        With code ``missing_samples`` where samples were left out between others, ``implausible`` where a value of 1e12
        would spread over its stretch.
    TypeError
        Of a derivative or a moving statistic, which mean something else backwards.
    """
    from scipy.signal import sosfiltfilt

    if not isinstance(filter_, Filter):
        raise TypeError(
            f"filter_ is {filter_}, expected a Filter: backwards in time a derivative turns its sign, and a moving "
            "statistic looks ahead; use run() of the step itself, or numpy.gradient and pandas' rolling(center=True)"
        )
    refuse_implausible(stream)
    refuse_left_out(stream)
    sos = filter_.coefficients(stream.rate_hz).sos
    least = 3 * (2 * len(sos) + 1) + 1
    values = np.full(stream.values.shape, np.nan, dtype=np.float32)
    for channel, column in enumerate(_continuous(stream).T):
        for first, stop in valid_stretches(stream, np.isfinite(column)):
            if stop - first >= least:
                values[first:stop, channel] = sosfiltfilt(sos, column[first:stop].astype(np.float64))
    return stream.with_values(stream.name, values, channels=stream.channels, unit=stream.unit)


def continuous_attitude(values: npt.NDArray[np.floating], *, before: FloatArray | None = None) -> FloatArray:
    """Return quaternions w, x, y, z (n, 4) with the sign of each so that it is the nearer to the one before it.

    q and -q are the same attitude, and devices that keep w above 0 jump from one to the other; what is read off between
    them would lie near 0, where no attitude is. The first has w of 0 or more, unless it follows ``before``. Rows that
    are not finite stay, and are passed over. Any partition gives the same numbers where ``before`` is the last finite
    row (4,) that was returned.
    """
    quaternions = np.array(values, dtype=np.float64)
    held = np.isfinite(quaternions).all(axis=1)
    identity = np.array([1.0, 0.0, 0.0, 0.0])
    rows = np.concatenate([(identity if before is None else before)[None], quaternions[held]])
    w, x, y, z = (rows[1:] * rows[:-1]).T
    quaternions[held] *= np.cumprod(np.where(w + x + y + z < 0, -1.0, 1.0))[:, None]
    return quaternions


def refuse_implausible(stream: Stream) -> None:
    """Raise where a value is one that no wrist gives."""
    low, high = PLAUSIBLE[stream.name]
    beyond = ((stream.values < low) | (stream.values > high)).any(axis=1)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise RecordingError(
            f"stream {stream.name!r} has {beyond.sum()} samples outside {low:g} to {high:g} {stream.unit}, the first "
            f"at {time_at(stream, row):.3f} s",
            code="implausible",
            remedy="check its unit; mask them as NaN with with_values() and numpy.where",
            row=row,
        )


def between_gaps(stream: Stream) -> IntArray:
    """Return (k, 2) first and past-last rows of each stretch without gaps."""
    breaks = np.empty(0, dtype=np.int64)
    if len(stream.gaps):
        breaks = np.searchsorted(stream.time, stream.gaps[:, 1])
    edges = np.concatenate([[0], breaks, [len(stream)]]).astype(np.int64)
    return np.column_stack([edges[:-1], edges[1:]])


def valid_stretches(stream: Stream, valid: Mask) -> Iterator[tuple[int, int]]:
    """Yield first and past-last row of each run of valid samples that no gap interrupts."""
    for first, stop in between_gaps(stream).tolist():
        for found in runs([valid[first:stop]]):
            yield from ((first + start, first + end) for start, end in found.tolist())


def _refuse_too_much(stream: Stream, rate_hz: float) -> None:
    """Raise where the new samples would not fit into memory, or the filter that makes them."""
    if stream.rate_hz > _MOST_TIMES_SLOWER * rate_hz:
        raise RecordingError(
            f"stream {stream.name!r} has {stream.rate_hz:g} Hz, {stream.rate_hz / rate_hz:.3g} times as many as "
            f"rate_hz={rate_hz:g}, expected at most {_MOST_TIMES_SLOWER:g} times",
            code="rate",
            remedy="check the unit of its stamps; or go down in two steps",
        )
    between_s = float(np.sum(stream.gaps[:, 1] - stream.gaps[:, 0]))
    rows = (stream.stop_s - stream.start_s - between_s) * max(rate_hz, stream.rate_hz)
    if rows > _MOST_ROWS:
        raise RecordingError(
            f"stream {stream.name!r} would have {rows:.3g} samples on the way to {rate_hz:g} Hz, expected at most "
            f"{_MOST_ROWS:g}",
            code="rate",
            remedy="take a lower rate_hz, or cut the stream with between()",
        )


def _continuous(stream: Stream) -> npt.NDArray[np.floating]:
    """Return the values as they are; of an attitude whole rows alone, with one sign from gap to gap."""
    if stream.name not in ATTITUDES:
        return stream.values
    whole = np.asarray(np.isfinite(stream.values).all(axis=1))
    parts = [continuous_attitude(stream.values[first:stop]) for first, stop in between_gaps(stream).tolist()]
    return np.where(whole[:, None], np.concatenate(parts), np.nan)


def _places(time_s: FloatArray, rate_hz: float, steps: int) -> IntArray:
    """Return the whole numbers k for which ``k / rate_hz`` lies within a stretch, as its finer grid sees it."""
    fine_hz = rate_hz * steps
    first, last = int(np.floor(time_s[0] * rate_hz)) - 1, int(np.ceil(time_s[-1] * rate_hz)) + 1
    places = np.arange(first, last + 1, dtype=np.int64)
    return np.asarray(places[(places * steps / fine_hz >= time_s[0]) & (places * steps / fine_hz <= time_s[-1])])


def _resampled(
    time_s: FloatArray, values: npt.NDArray[np.floating], *, rate_hz: float, steps: int
) -> tuple[IntArray, FloatArray]:
    """Return places and values (m,) of one channel of one stretch; ``steps`` finer samples make one."""
    from scipy.signal import resample_poly

    places, fine = _places(time_s, rate_hz, steps), _places(time_s, rate_hz * steps, 1)
    if not len(places):
        return places, np.empty(0)
    joined = _joined(time_s, values.astype(np.float64), fine / (rate_hz * steps))
    if steps == 1:
        return places, np.asarray(joined)
    # resample_poly keeps its first sample, so that one has to lie on the new grid.
    short = int(fine[0]) % steps
    coarse = resample_poly(np.concatenate([np.full(short, joined[0]), joined]), 1, steps, padtype="line")
    skipped = int(places[0]) - int(fine[0]) // steps
    return places, np.asarray(coarse[skipped : skipped + len(places)])


def _joined(time_s: FloatArray, values: FloatArray, at_s: FloatArray) -> FloatArray:
    """Return (m,) values of cubic splines through (n,) samples, begun anew between stamps that nearly coincide."""
    from scipy.interpolate import CubicSpline

    steps_s = np.diff(time_s)
    begins = np.flatnonzero(steps_s < _TOO_NEAR * np.mean(steps_s)) + 1
    edges = np.concatenate([[0], begins, [len(time_s)]])
    bounds = np.concatenate([[0], np.searchsorted(at_s, time_s[begins]), [len(at_s)]])
    joined = np.empty(len(at_s))
    for one in np.flatnonzero(np.diff(bounds)).tolist():
        held, wanted = slice(edges[one], edges[one + 1]), slice(bounds[one], bounds[one + 1])
        alone = held.stop - held.start == 1
        joined[wanted] = values[held] if alone else CubicSpline(time_s[held], values[held])(at_s[wanted])
    return joined


def _on_grid(
    stream: Stream, places: IntArray, values: npt.NDArray[np.float32], *, breaks: IntArray, rate_hz: float
) -> Stream:
    """Return a stream of these samples that has a gap wherever its source had one; a stated clock stays stated."""
    time_s, channels, unit = places / rate_hz, stream.channels, stream.unit
    if stream.is_uniform and len(places):
        start_s = float(time_s[0])
        return Stream.uniform(stream.name, values, rate_hz=rate_hz, start_s=start_s, channels=channels, unit=unit)
    inner = breaks[(breaks > 0) & (breaks < len(places))]
    gaps = np.column_stack([time_s[inner - 1], time_s[inner]])
    return Stream(stream.name, time_s, values, channels, unit, rate_hz, gaps)


def refuse_left_out(stream: Stream) -> None:
    """Raise where samples were left out between others, so that a filter would take later ones for earlier ones."""
    if stream.is_uniform or len(stream) < 3:
        return
    steps_s = np.diff(stream.time)
    long = steps_s > MISSING_PERIODS * np.median(steps_s)
    long[between_gaps(stream)[1:, 0] - 1] = False
    if long.any():
        row = int(np.argmax(long))
        raise RecordingError(
            f"{stream.name!r} has {int(long.sum())} steps of more than {MISSING_PERIODS:g} periods outside gaps, the "
            f"first at {stream.time[row]:.3f} s: a filter would take later samples for earlier ones",
            code="missing_samples",
            remedy="bring it to a grid first, with resample_offline()",
            row=row,
        )
