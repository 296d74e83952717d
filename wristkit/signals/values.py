"""What the values of one stream show: missing, saturated, wrapped, stuck and constant ones."""

from collections.abc import Iterator

import numpy as np

from wristkit.recording import Stream
from wristkit.signals.pieces import Ends, Finding, IntArray, Mask, Values, long_runs, pieces, runs, time_at

# Full scales that sensors are set to; a device's own lies within 2 %, after its calibration.
FULL_SCALES = {
    "accel": (2.0, 4.0, 8.0, 16.0, 32.0),
    "gyro": tuple(float(np.radians(degrees)) for degrees in (250, 500, 1000, 2000, 4000)),
    "audio": (1.0,),
}
_NEAR_FULL_SCALE = {"accel": 0.02, "gyro": 0.02, "audio": 0.001}
_SATURATED_RUN = 3  # two equal neighbours at the top are a slow peak
_WRAP = 1.9  # of one side's full scale: an int16 that overflows jumps by 2

_STUCK_S, _STUCK_SAMPLES = 5.0, 20  # noise moves the last bit of a live sensor sooner
# What comes slowly, or is rounded coarsely, is often rightly unchanged.
_NEVER_STILL = frozenset({"accel", "user_accel", "gravity", "gyro", "mag", "attitude", "ppg", "audio"})
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
    """Return a finding of the samples at the end of the sensor's range, three or more in a row."""
    if stream.name not in FULL_SCALES:
        return []
    found, scale, channels = np.empty((0, 2), dtype=np.int64), 0.0, []
    for channel, both in enumerate(zip(ends.low, ends.high, strict=True)):
        for end in both:
            full = _full_scale(stream.name, float(end))
            rows = _runs_at(stream, channel, float(end)) if full else np.empty((0, 2), dtype=np.int64)
            if len(rows):
                found, scale = np.concatenate([found, rows]), max(scale, full)
                channels.append(stream.channels[channel])
    if not len(found):
        return []
    samples = int(np.sum(found[:, 1] - found[:, 0]))
    note = (
        f"{samples} values in {len(found)} runs lie at the full scale of {scale:.4g} {stream.unit} "
        f"(channels {', '.join(dict.fromkeys(channels))}): the true ones were larger"
    )
    remedy = "mask these spans, or record with a wider range"
    return [Finding("saturated", stream.name, *_span_s(stream, found), samples, note, remedy)]


def wrapped(stream: Stream, ends: Ends) -> list[Finding]:
    """Return a finding of jumps over nearly the whole range between neighbours: integers that overflowed."""
    if stream.name not in FULL_SCALES:
        return []
    low, high = (end.astype(np.float32) for end in ends)
    reach = float(np.fmax(np.nanmax(np.abs(low), initial=0.0), np.nanmax(np.abs(high), initial=0.0)))
    scale = next((full for full in FULL_SCALES[stream.name] if reach <= full * 1.02), None)
    if scale is None or reach < (_WRAP - 1) * scale:
        return []
    found = long_runs(_jumps(stream, _WRAP * scale, _clipped_ends(stream, low, high)), least=1)
    if not len(found):
        return []
    jumps = int(np.sum(found[:, 1] - found[:, 0]))
    note = f"{jumps} neighbouring samples jump by nearly the whole range of +-{scale:.4g} {stream.unit}"
    remedy = "read the file with a wider integer, or mask these spans: the sign of the values is lost"
    return [Finding("wrapped", stream.name, *_span_s(stream, found), jumps, note, remedy)]


def stuck(stream: Stream) -> list[Finding]:
    """Return a finding of the spans of 5 s or more in which no channel changes at all."""
    if stream.name not in _NEVER_STILL or not stream.rate_hz > 0:
        return []
    least = max(_STUCK_SAMPLES, int(np.ceil(_STUCK_S * stream.rate_hz)) + 1)
    found = long_runs(_same_as_before(stream), least=least - 1) - np.array(
        [1, 0]
    )  # from the first of the equal samples
    if not len(found):
        return []
    samples = int(np.sum(found[:, 1] - found[:, 0]))
    note = (
        f"no channel changes for {samples / stream.rate_hz:.1f} s in {len(found)} spans: the sensor was stuck, off, "
        "or lay still below its resolution"
    )
    return [Finding("stuck", stream.name, *_span_s(stream, found), samples, note, "leave these spans out")]


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


def _full_scale(name: str, end: float) -> float:
    """Return the full scale that an extreme lies at; 0 where it lies at none."""
    near = _NEAR_FULL_SCALE[name]
    return next((full for full in FULL_SCALES[name] if abs(abs(end) / full - 1) <= near), 0.0)


def _runs_at(stream: Stream, channel: int, end: float) -> IntArray:
    return long_runs((values[:, channel] == end for _, values in pieces(stream)), least=_SATURATED_RUN)


def _clipped_ends(stream: Stream, low: Values, high: Values) -> Values:
    """Return (2, c) least and greatest values; NaN where they are met so seldom that nothing was clipped there."""
    ends = np.array([low, high])
    met = np.zeros(ends.shape)
    for _, values in pieces(stream):
        met += [(values == end).sum(axis=0) for end in ends]
    return np.where(met >= _SATURATED_RUN, ends, np.float32(np.nan))


def _jumps(stream: Stream, least: float, ends: Values) -> Iterator[Mask]:
    """Yield which samples jump from the one before, block by block.

    To or from where the channel is clipped it is no overflow but a fast swing; across a gap nothing is known.
    """
    last, last_s = np.full((1, len(stream.channels)), np.nan, dtype=np.float32), np.full(1, -np.inf)
    for time_s, values in pieces(stream):
        joined = np.concatenate([last, values])
        clipped = (joined == ends[0]) | (joined == ends[1])
        far = (np.abs(np.diff(joined, axis=0)) > least) & ~(clipped[1:] | clipped[:-1])
        yield far.any(axis=1) & (np.diff(np.concatenate([last_s, time_s])) < 2 / stream.rate_hz)
        last, last_s = np.array(values[-1:]), time_s[-1:].copy()


def _same_as_before(stream: Stream) -> Iterator[Mask]:
    last = np.full(len(stream.channels), np.nan, dtype=np.float32)
    for _, values in pieces(stream):
        same = np.empty(len(values), dtype=bool)
        same[0] = (values[0] == last).all()
        np.all(values[1:] == values[:-1], axis=1, out=same[1:])
        yield same
        last = values[-1].copy()


def _span_s(stream: Stream, rows: IntArray) -> tuple[float, float]:
    """Return the stamps of the first and the last sample in (k, 2) first and past-last rows."""
    return time_at(stream, int(rows[:, 0].min())), time_at(stream, int(rows[:, 1].max()) - 1)
