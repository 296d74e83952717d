"""What the values of one stream show: missing, saturated, wrapped, stuck and constant ones."""

from collections.abc import Iterator

import numpy as np

from wristkit.recording import BLOCK_ROWS, Stream, blocks, median
from wristkit.signals.extreme import CUT_SAMPLES, cut_flat
from wristkit.signals.pieces import Ends, Finding, IntArray, Mask, Values, long_runs, pieces, runs, time_at

# Full scales that sensors are set to; a device's own lies within 2 %, after its calibration.
FULL_SCALES = {
    "accel": (2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0),
    "gyro": tuple(float(np.radians(degrees)) for degrees in (250, 500, 1000, 2000, 4000)),
    "audio": (1.0,),
}
_NEAR_FULL_SCALE = {"accel": 0.02, "gyro": 0.02, "audio": 0.001}
_TIMES_BEYOND = 3  # as many at the full scale as beyond it: a sensor that goes on is not clipped
_BEYOND = 1.02  # of a full scale
_MOST_STRAYS = 10
_WRAP = 1.9  # of one side's full scale: an int16 that overflows jumps by 2

_STUCK_S, _STUCK_SAMPLES = 5.0, 20  # noise moves the last bit of a live sensor sooner
# What comes slowly, or is rounded coarsely, is often rightly unchanged.
_NEVER_STILL = frozenset({"accel", "user_accel", "gravity", "gyro", "mag", "attitude", "ppg", "audio"})
_AXES_MOVE = frozenset({"accel", "user_accel", "gyro", "mag"})  # each by itself, with noise of its own
_OTHERS_MOVE = 10.0
_CONSTANT_SAMPLES = 100


def missing_values(stream: Stream) -> list[Finding]:
    """Return a finding of how many samples lack a value, and of the longest burst of them."""
    missing, longest, first, stop = 0, 0, -1, 0
    for found in runs(_without_value(stream)):
        if len(found):
            lengths = found[:, 1] - found[:, 0]
            missing, longest = missing + int(lengths.sum()), max(longest, int(lengths.max()))
            first, stop = int(found[0, 0]) if first < 0 else first, int(found[-1, 1])
    if not missing:
        return []
    burst = f"{longest / stream.rate_hz:.3g} s, {longest} samples" if stream.rate_hz > 0 else f"{longest} samples"
    note = f"{missing} samples ({100 * missing / len(stream):.2g} %) have no value, the longest burst is {burst}"
    span = _span_s(stream, np.array([[first, stop]]))
    return [Finding("missing_values", stream.name, *span, missing, note, "mask or fill them by name")]


def saturated(stream: Stream, ends: Ends) -> list[Finding]:
    """Return a finding of the samples at the end of the sensor's range, three or more in a row.

    The end is a full scale that sensors are set to; there, a few values beyond hide none of it: those of a damaged
    row, or of a filter that rang. Else it is the channel's own end, where that cuts the signal flat again and again.
    """
    found, channels = [], []
    flat = cut_flat(stream, ends)
    scale, kind = 0.0, "end of their range,"
    for channel, name in enumerate(stream.channels):
        rows, full = _clipped(stream, channel, ends)
        if len(rows):
            kind = "full scale of"
        elif len(flat[channel]):
            rows, full = flat[channel], float(np.abs(stream.values[flat[channel][:, 0], channel]).max())
        if len(rows):
            found.append(rows)
            scale = max(scale, full)
            channels.append(name)
    if not found:
        return []
    every = np.concatenate(found)
    samples = _samples(every)
    note = (
        f"{samples} values in {len(every)} runs lie at the {kind} {scale:.4g} {stream.unit} "
        f"(channels {', '.join(channels)}): the true ones lay beyond"
    )
    remedy = "mask these spans, or record with a wider range"
    return [Finding("saturated", stream.name, *_span_s(stream, every), samples, note, remedy)]


def wrapped(stream: Stream, ends: Ends) -> list[Finding]:
    """Return a finding of jumps over nearly the whole range between neighbours: integers that overflowed."""
    if stream.name not in FULL_SCALES:
        return []
    found, scale = _overflows(stream, ends)
    strays = 0
    if not len(found):
        strays, inner = _without_strays(stream, ends)
        found, scale = _overflows(stream, inner) if strays else (found, scale)
    jumps = _samples(found)
    if not jumps or jumps < _TIMES_BEYOND * strays:
        return []
    note = f"{jumps} neighbouring samples jump by nearly the whole range of +-{scale:.4g} {stream.unit}"
    remedy = "read the file with a wider integer, or mask these spans: the sign of the values is lost"
    return [Finding("wrapped", stream.name, *_span_s(stream, found), jumps, note, remedy)]


def stuck(stream: Stream) -> list[Finding]:
    """Return findings of the spans of 5 s or more in which nothing changes, or one axis alone while others move."""
    if stream.name not in _NEVER_STILL or not stream.rate_hz > 0:
        return []
    least = max(_STUCK_SAMPLES, int(np.ceil(_STUCK_S * stream.rate_hz)) + 1)
    found = []
    together, alone = _perhaps_held(stream, least)
    if together and len(held := _held(stream, slice(None), least)):
        why = ": the sensor was stuck, off, or lay still below its resolution"
        found.append(_stuck(stream, held, "no channel changes", why))
    if stream.name not in _AXES_MOVE or len(stream.channels) < 2:
        return found
    for channel in alone:
        held = _beside_motion(stream, channel, _held(stream, slice(channel, channel + 1), least))
        if len(held):
            name = stream.channels[channel]
            found.append(_stuck(stream, held, f"channel {name!r} does not change", ", while others move"))
    return found


def constant_channel(stream: Stream, ends: Ends) -> list[Finding]:
    """Return a finding for each channel that never changes while others do."""
    if len(stream) < _CONSTANT_SAMPLES or len(stream.channels) < 2 or stream.name == "mel":
        return []  # a band of log power may rest on its floor
    low, high = ends
    if not (high > low).any():
        return []
    span = (stream.start_s, stream.stop_s)
    return [
        Finding(
            "constant_channel",
            stream.name,
            *span,
            len(stream),
            f"channel {channel!r} is {value:.6g} throughout while others change",
            "check its wiring or column; leave the stream out of training",
        )
        for channel, value, same in zip(stream.channels, low, low == high, strict=True)
        if same
    ]


def _without_value(stream: Stream) -> Iterator[Mask]:
    for _, values in pieces(stream):
        yield np.asarray(np.isnan(values).any(axis=1))


def _clipped(stream: Stream, channel: int, ends: Ends) -> tuple[IntArray, float]:
    """Return (k, 2) rows of the runs of one channel at a full scale, at either end, and that scale."""
    nothing = np.empty((0, 2), dtype=np.int64), 0.0
    if stream.name not in FULL_SCALES:
        return nothing
    scales = np.array(FULL_SCALES[stream.name])
    near = _NEAR_FULL_SCALE[stream.name]
    least = float(scales[0] * (1 - near))
    if not max(-ends.low[channel], ends.high[channel]) >= least:
        return nothing
    found = long_runs(_same_and_far(stream, channel, least), least=CUT_SAMPLES - 1) - np.array([1, 0])
    at = np.asarray(stream.values[found[:, 0], channel], dtype=np.float64)
    full = scales[np.argmin(np.abs(np.abs(at)[:, None] / scales - 1), axis=1)]
    fits = np.abs(np.abs(at) / full - 1) <= near
    found, at, full = found[fits], at[fits], full[fits]
    if not len(found):
        return nothing
    chosen = np.zeros(len(found), dtype=bool)
    for sign in (-1, 1):
        level = _clip_level(stream, channel, sign, sign * at, found[:, 1] - found[:, 0])
        chosen |= sign * at == level
    return found[chosen], float(np.max(full[chosen], initial=0.0))


def _same_and_far(stream: Stream, channel: int, least: float) -> Iterator[Mask]:
    """Yield which values equal the one before, at ``least`` or further from 0."""
    last = np.float32(np.nan)
    for _, values in pieces(stream):
        column = values[:, channel]
        far = np.abs(column) >= least
        if far.any():
            far[0] &= column[0] == last
            far[1:] &= column[1:] == column[:-1]
        yield far
        last = column[-1]


def _clip_level(stream: Stream, channel: int, sign: int, at: Values, samples: IntArray) -> float:
    """Return the highest of the levels ``at`` that hardly a value lies beyond; NaN where there is none."""
    levels, which = np.unique(at[at > 0], return_inverse=True)
    if not len(levels):
        return float("nan")
    held = np.bincount(which, weights=samples[at > 0])
    above = np.zeros(len(levels))
    for _, values in pieces(stream):
        column = sign * values[:, channel]
        passed = np.searchsorted(levels, column[column > levels[0]], side="left")  # so many levels lie below
        above += np.cumsum(np.bincount(passed, minlength=len(levels) + 1)[::-1])[::-1][1:]
    clipped = levels[held >= _TIMES_BEYOND * above]
    return float(clipped[-1]) if len(clipped) else float("nan")


def _reach(ends: Ends) -> float:
    return float(np.fmax(np.nanmax(np.abs(ends.low), initial=0.0), np.nanmax(np.abs(ends.high), initial=0.0)))


def _without_strays(stream: Stream, ends: Ends) -> tuple[int, Ends]:
    """Return how few values lie beyond a full scale, and the ends without them; none where they are many."""
    reach = _reach(ends)
    limit = max((full * _BEYOND for full in FULL_SCALES[stream.name] if full * _BEYOND < reach), default=None)
    if limit is None:
        return 0, ends
    strays, low, high = 0, np.full(len(stream.channels), np.nan), np.full(len(stream.channels), np.nan)
    for _, values in pieces(stream):
        beyond = np.abs(values) > limit
        strays += int(np.count_nonzero(beyond))
        if strays > _MOST_STRAYS:
            return 0, ends
        inner = np.where(beyond, np.float32(np.nan), values) if beyond.any() else values
        low, high = np.fmin(low, np.fmin.reduce(inner, axis=0)), np.fmax(high, np.fmax.reduce(inner, axis=0))
    return strays, Ends(low, high)


def _clipped_ends(stream: Stream, low: Values, high: Values) -> Values:
    """Return (2, c) least and greatest values; NaN where they are met so seldom that nothing was clipped there."""
    ends = np.array([low, high])
    met = np.zeros(ends.shape)
    for _, values in pieces(stream):
        met += [(values == end).sum(axis=0) for end in ends]
    return np.where(met >= CUT_SAMPLES, ends, np.float32(np.nan))


def _overflows(stream: Stream, ends: Ends) -> tuple[IntArray, float]:
    """Return (k, 2) rows of the jumps over nearly the whole range of the full scale of these ends, and that scale."""
    reach = _reach(ends)
    scale = next((full for full in FULL_SCALES[stream.name] if reach <= full * _BEYOND), None)
    if scale is None or reach < (_WRAP - 1) * scale:
        return np.empty((0, 2), dtype=np.int64), 0.0
    clipped = _clipped_ends(stream, ends.low.astype(np.float32), ends.high.astype(np.float32))
    return long_runs(_jumps(stream, scale, clipped), least=1), scale


def _jumps(stream: Stream, scale: float, ends: Values) -> Iterator[Mask]:
    """Yield which samples jump from the one before, block by block.

    To or from where the channel is clipped it is no overflow but a fast swing; across a gap nothing is known.
    """
    last, last_s = np.full((1, len(stream.channels)), np.nan, dtype=np.float32), np.full(1, -np.inf)
    for time_s, values in pieces(stream):
        joined = np.concatenate([last, values])
        clipped = (joined == ends[0]) | (joined == ends[1])
        left_out = clipped | (np.abs(joined) > scale * _BEYOND)
        far = (np.abs(np.diff(joined, axis=0)) > _WRAP * scale) & ~(left_out[1:] | left_out[:-1])
        yield far.any(axis=1) & (np.diff(np.concatenate([last_s, time_s])) < 2 / stream.rate_hz)
        last, last_s = np.array(values[-1:]), time_s[-1:].copy()


def _held(stream: Stream, channels: slice, least: int) -> IntArray:
    """Return (k, 2) rows of the runs of ``least`` samples or more that are all equal in these channels."""
    return np.asarray(long_runs(_same_as_before(stream, channels), least=least - 1) - np.array([1, 0]))


def _same_as_before(stream: Stream, channels: slice) -> Iterator[Mask]:
    last = np.full(len(stream.channels[channels]), np.nan, dtype=np.float32)
    for _, every in pieces(stream):
        values = every[:, channels]
        same = np.empty(len(values), dtype=bool)
        same[0] = (values[0] == last).all()
        np.all(values[1:] == values[:-1], axis=1, out=same[1:])
        yield same
        last = values[-1].copy()


def _perhaps_held(stream: Stream, least: int) -> tuple[bool, list[int]]:
    """Return whether all channels at once may be held for ``least`` samples, and which alone, by a few samples."""
    step = least // 8
    # Block by block: of a memory-mapped stream every page that is touched would stay in memory.
    rows = max(1, BLOCK_ROWS // step) * step
    few = np.concatenate([values[::step].copy() for (values,) in blocks(stream.values, rows=rows)])
    same = few[1:] == few[:-1]

    def long_enough(mask: Mask) -> bool:
        return len(long_runs([mask], least=least // step - 1)) > 0

    return long_enough(same.all(axis=1)), [one for one, mask in enumerate(same.T) if long_enough(mask)]


def _beside_motion(stream: Stream, channel: int, held: IntArray) -> IntArray:
    """Return the spans in which another channel spans ten times what this one usually steps by where it moves.

    A coarse axis at rest may keep its value for long while the noise of the others moves their last bit.
    """
    if not len(held):
        return held
    count = sum(map(len, _steps(stream, channel)))
    if not count:
        return held[:0]  # it never changes: another check names it
    least = _OTHERS_MOVE * median(lambda: _steps(stream, channel), count)
    moved = [bool((_spans(stream.values[first:stop]) >= least).any()) for first, stop in held.tolist()]
    return np.asarray(held[np.array(moved)])


def _steps(stream: Stream, channel: int) -> Iterator[Values]:
    """Yield by how much one channel steps where it changes, block by block."""
    for _, values in pieces(stream):
        steps = np.abs(np.diff(values[:, channel].astype(np.float64)))
        yield steps[steps > 0]


def _spans(values: Values) -> Values:
    ends = [(np.fmin.reduce(block, axis=0), np.fmax.reduce(block, axis=0)) for (block,) in blocks(values)]
    low, high = zip(*ends, strict=True)
    return np.asarray(np.fmax.reduce(high) - np.fmin.reduce(low))


def _stuck(stream: Stream, held: IntArray, what: str, why: str) -> Finding:
    samples = _samples(held)
    note = f"{what} for {samples / stream.rate_hz:.1f} s in {len(held)} spans{why}"
    return Finding("stuck", stream.name, *_span_s(stream, held), samples, note, "leave these spans out")


def _samples(rows: IntArray) -> int:
    return int(np.sum(rows[:, 1] - rows[:, 0]))


def _span_s(stream: Stream, rows: IntArray) -> tuple[float, float]:
    """Return the stamps of the first and the last sample in (k, 2) first and past-last rows."""
    return time_at(stream, int(rows[:, 0].min())), time_at(stream, int(rows[:, 1].max()) - 1)
