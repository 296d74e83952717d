"""What stamps show: gaps, missing samples, a rate that changes on the way."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from wristkit.recording import MISSING_PERIODS, FloatArray, Stream, blocks, is_sporadic
from wristkit.signals.pieces import Finding

# These are sampled by a clock. Streams of other names are looked at: steady where half the steps are about the median.
STEADY = frozenset(
    {"accel", "user_accel", "gravity", "gyro", "gyro_bias", "mag", "attitude", "attitude_north", "ppg", "audio", "mel"}
)
_STEADY_WITHIN, _STEADY_SHARE = 0.25, 0.5

_STRETCH = 64  # samples whose median and mean step are compared with those of the stretches beside them
_STRETCHES = 3  # on each side, so that a change must last for some 200 samples
_RATE_CHANGE = 1.10
_HARDLY_A_CHANGE = 1.05  # of means over whole stretches, gaps and all
_TOLD = 3


def gaps(stream: Stream) -> list[Finding]:
    """Return a finding of how long nothing was recorded, and in how many gaps."""
    if not len(stream.gaps) or not is_steady(stream):
        return []
    seconds = float(np.sum(stream.gaps[:, 1] - stream.gaps[:, 0]))
    note = f"nothing was recorded for {seconds:.2f} s in {len(stream.gaps)} gaps"
    span = (float(stream.gaps[0, 0]), float(stream.gaps[-1, 1]))
    return [Finding("gaps", stream.name, *span, len(stream.gaps), note, "windows leave them out")]


def missing_samples(stream: Stream) -> list[Finding]:
    """Return a finding of about how many samples were left out between others, outside gaps."""
    if stream.is_uniform or len(stream) < 3 or not is_steady(stream):
        return []
    shortest_s, longest_s = _range_of_steps(stream)
    if longest_s <= MISSING_PERIODS * shortest_s:
        return []  # no median is less than the shortest
    changes_s = np.array([time_s for time_s, _, _ in find_rate_changes(stream)])
    usual_s = _usual_step_between(stream, changes_s) if len(changes_s) else np.array([usual_step_s(stream)])
    if longest_s <= MISSING_PERIODS * usual_s.min():
        return []
    lost, places, first_s, last_s = 0, 0, float("nan"), float("nan")
    for before_s, steps_s in _steps(stream):
        usual = usual_s[np.searchsorted(changes_s, before_s, side="right")] if len(changes_s) else usual_s[0]
        ratio = steps_s / usual
        left_out = ratio > MISSING_PERIODS
        if left_out.any():
            left_out &= ~np.isin(before_s, stream.gaps[:, 0])
        if left_out.any():
            lost += int(np.sum(np.round(ratio[left_out]) - 1))
            places += int(left_out.sum())
            found_s = before_s[left_out]
            first_s, last_s = np.fmin(first_s, found_s[0]), found_s[-1] + steps_s[left_out][-1]
    if not places:
        return []
    percent = 100 * lost / (len(stream) + lost)
    note = f"about {lost} samples ({percent:.2g} %) are missing in {places} places"
    return [
        Finding("missing_samples", stream.name, float(first_s), float(last_s), lost, note, "resample before filtering")
    ]


def rate_changes(stream: Stream) -> list[Finding]:
    """Return a finding of where the rate changes by more than 10 % and stays so, with the rates on both sides."""
    if stream.is_uniform or not is_steady(stream):
        return []
    changes = find_rate_changes(stream)
    if not changes:
        return []
    told = [f"from {before:.4g} to {after:.4g} Hz at {time_s:.2f} s" for time_s, before, after in changes[:_TOLD]]
    more = f" and {len(changes) - _TOLD} times more" if len(changes) > _TOLD else ""
    note = f"the rate changes {', '.join(told)}{more}"
    remedy = "cut it there with between(), or resample each part; one measured rate stands for none of them"
    return [Finding("rate_changes", stream.name, changes[0][0], changes[-1][0], len(changes), note, remedy)]


def is_steady(stream: Stream) -> bool:
    """Return whether a stream is sampled by a clock, so that a long step means that something was lost."""
    if is_sporadic(stream.name) or len(stream) < 3:
        return False
    if stream.name in STEADY or stream.is_uniform:
        return True
    usual_s, near, steps = usual_step_s(stream), 0, 0
    for _, steps_s in _steps(stream):
        near += int(np.sum(np.abs(steps_s - usual_s) <= _STEADY_WITHIN * usual_s))
        steps += len(steps_s)
    return near >= _STEADY_SHARE * steps


def usual_step_s(stream: Stream) -> float:
    """Return the median step in seconds; of a stream of several blocks, the median of their medians."""
    return float(np.median([np.median(steps_s) for _, steps_s in _steps(stream) if len(steps_s)]))


def find_rate_changes(stream: Stream) -> list[tuple[float, float, float]]:
    """Return (time, Hz before, Hz after) of each change.

    Median and mean step must both change: jitter of whole milliseconds moves a median alone, lost samples a mean alone.
    """
    plain_s = _mean_steps(stream)
    if len(plain_s) < 2 * _STRETCHES or plain_s.max() <= _HARDLY_A_CHANGE * plain_s.min():
        return []  # no mean is far from any other: no need to look at medians
    median_s, mean_s = _stretch_steps(stream)
    ratio = np.minimum(_changes_by(median_s), _changes_by(mean_s))
    found: list[tuple[float, float, float]] = []
    while ratio.max() > _RATE_CHANGE:
        best = int(np.argmax(ratio))
        stretch = best + _STRETCHES
        before_s = float(np.median(mean_s[best:stretch]))
        after_s = float(np.median(mean_s[stretch : stretch + _STRETCHES]))
        found.append((_change_time(stream, stretch, before_s, after_s), 1 / before_s, 1 / after_s))
        ratio[max(0, best - _STRETCHES + 1) : best + _STRETCHES] = 0.0  # the same change, seen from beside it
    return sorted(found)


def _mean_steps(stream: Stream) -> FloatArray:
    """Return the mean step of each stretch, gaps and all, from its first and last stamp."""
    steps_s = [np.empty(0)]
    for (time_s,) in blocks(stream.time):
        whole = len(time_s) // _STRETCH * _STRETCH
        stretches_s = time_s[:whole].reshape(-1, _STRETCH)
        steps_s.append((stretches_s[:, -1] - stretches_s[:, 0]) / (_STRETCH - 1))
    return np.concatenate(steps_s)


def _range_of_steps(stream: Stream) -> tuple[float, float]:
    edges = [(float(steps_s.min()), float(steps_s.max())) for _, steps_s in _steps(stream) if len(steps_s)]
    return min(low for low, _ in edges), max(high for _, high in edges)


def _stretch_steps(stream: Stream) -> tuple[FloatArray, FloatArray]:
    """Return the median and the mean step of each stretch; a gap counts as one median step."""
    medians, means = [np.empty(0)], [np.empty(0)]
    for (time_s,) in blocks(stream.time):
        whole = len(time_s) // _STRETCH * _STRETCH
        steps_s = np.diff(time_s[:whole].reshape(-1, _STRETCH), axis=1)
        median_s = np.median(steps_s, axis=1)
        usual_s = np.where(steps_s > np.maximum(4 * median_s, 0.1)[:, None], median_s[:, None], steps_s)
        medians.append(median_s)
        means.append(usual_s.mean(axis=1))
    return np.concatenate(medians), np.concatenate(means)


def _changes_by(step_s: FloatArray) -> FloatArray:
    """Return by what factor every one of the next three stretches differs from the median of three before."""
    beside = np.lib.stride_tricks.sliding_window_view(step_s, _STRETCHES)
    before, after = np.median(beside[:-_STRETCHES], axis=1), beside[_STRETCHES:]
    return np.asarray(np.maximum(after.min(axis=1) / before, before / after.max(axis=1)))


def _change_time(stream: Stream, stretch: int, before_s: float, after_s: float) -> float:
    """Return the stamp that parts the longer from the shorter steps best, near the border of two stretches."""
    first = (stretch - 1) * _STRETCH
    time_s = np.array(stream.time[first : (stretch + 2) * _STRETCH])
    as_after = (np.diff(time_s) > np.sqrt(before_s * after_s)) == (after_s > before_s)
    balance = np.concatenate([[0], np.cumsum(np.where(as_after, 1, -1))])
    return float(time_s[int(np.argmin(balance))])


def _usual_step_between(stream: Stream, changes_s: FloatArray) -> FloatArray:
    """Return the median step of each part between changes of the rate, (changes + 1,)."""
    edges_s = [stream.start_s, *changes_s, np.inf]
    parts = [stream.between(first_s, last_s) for first_s, last_s in pairwise(edges_s)]
    return np.array([usual_step_s(part) if len(part) > 1 else np.inf for part in parts])


def _steps(stream: Stream) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the stamp before each step and the step, in seconds, block by block."""
    last_s = np.empty(0)
    for (time_s,) in blocks(stream.time):
        joined_s = np.concatenate([last_s, time_s])
        yield joined_s[:-1], np.diff(joined_s)
        last_s = time_s[-1:].copy()
