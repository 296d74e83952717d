"""Checks of other recordings: damaged, short, of another device, on another clock."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Frame
from wristkit.detector.cascade import Cascade
from wristkit.detector.contract.case import Case, require, require_same
from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream

_NO_SUCH = "it takes no stream of several channels, so this does not apply"
_SHIFTED_WITHIN_S = 1e-3  # sums of times later in the day are rounded a little otherwise


def _nan_is_a_hole(case: Case) -> str:
    first_s = (case.recording.start_s + case.recording.stop_s) / 2
    for name in case.streams:
        stream = case.recording[name]
        hole = (stream.time >= first_s) & (stream.time < first_s + 0.7)
        values = np.array(stream.values)
        values[hole] = np.nan
        with_nan = case.changed(name, values=values)
        kept = Stream.measured(
            name, stream.time[~hole], stream.values[~hole], channels=stream.channels, unit=stream.unit
        )
        without = case.recording.with_streams(kept)
        require_same(
            case.detector.detect(with_nan),
            case.detector.detect(without),
            f"{name!r} without values for 0.7 s",
            within_s=1e-6,
        )
    return ""


def _all_nan(case: Case) -> str:
    for name in case.streams:
        nothing = case.changed(name, values=np.full(case.recording[name].values.shape, np.nan, dtype=np.float32))
        error = case.refused(nothing)
        if error is None and name not in case.may_be_missing:
            require(case.detector.detect(nothing).empty, f"events are found though {name!r} holds no value")
    return ""


def _constant(case: Case) -> str:
    streams = []
    for name in case.streams:
        stream = case.recording[name]
        values = np.broadcast_to(np.asarray(stream.values)[:1], stream.values.shape).copy()
        streams.append(Stream.measured(name, stream.time, values, channels=stream.channels, unit=stream.unit))
    still = case.recording.with_streams(*streams)
    found = case.detector.detect(still)
    require(np.isfinite(found.drop(columns="label").to_numpy(dtype=np.float64)).all(), "an event has no time or score")
    return f"{len(found)} events where nothing changes"


def _short(case: Case) -> str:
    shortest_s = min(spec.length_s for spec in case.specs)
    first_s = max(case.recording[name].start_s for name in case.streams)
    short = case.recording.between(first_s, first_s + 0.5 * shortest_s)
    require(case.detector.detect(short).empty, "an event is found in less than one window")
    return ""


def _empty(case: Case) -> str:
    for name in case.streams:
        stream = case.recording[name]
        nothing = case.recording.with_streams(stream.between(stream.start_s - 2, stream.start_s - 1))
        error = case.refused(nothing)
        if error is None and name not in case.may_be_missing:
            require(case.detector.detect(nothing).empty, f"events are found though {name!r} is empty")
    return ""


def _missing_stream(case: Case) -> str:
    for name in case.streams:
        rest = [one for one in case.recording.streams if one != name and one in case.streams]
        if name in case.may_be_missing or not rest:
            continue
        error = case.refused(case.without(name))
        require(error is not None, f"it does not miss {name!r}")
        said = str(error)
        require(name in said or case.streams[name].name in said, f"without {name!r} it says: {said}")
    return "" if len(case.streams) > 1 else "it takes one stream, and a recording has one at least"


def _missing_channel(case: Case) -> str:
    for name in case.motion:
        stream = case.recording[name]
        said = _refusal(case, partial(_fewer, case, name))
        require(stream.channels[-1] in said and name in said, f"of {name!r}: {said or 'taken'}")
    return "" if case.motion else _NO_SUCH


def _other_unit(case: Case) -> str:
    for name in case.motion:
        said = _refusal(case, partial(case.changed, name, unit="furlong"))
        require("furlong" in said and name in said, f"of {name!r}: {said or 'taken'}")
    return "" if case.motion else _NO_SUCH


def _fewer(case: Case, name: str) -> Recording:
    stream = case.recording[name]
    return case.changed(name, values=stream.values[:, :-1], channels=stream.channels[:-1])


def _refusal(case: Case, change: Callable[[], Recording]) -> str:
    """Return in what words a stream in another form is refused, be it when it is made or when it is searched."""
    try:
        case.detector.detect(change())
    except RecordingError as error:
        return str(error)
    return ""


def _other_order(case: Case) -> str:
    for name in case.motion:
        stream = case.recording[name]
        columns = list(stream.channels[::-1])
        turned = case.changed(name, values=pd.DataFrame(stream.values[:, ::-1], columns=columns))
        require_same(case.detector.detect(turned), case.events, f"{name!r} with its channels in another order")
    return "" if case.motion else _NO_SUCH


def _wild(case: Case) -> str:
    for name in case.motion:
        error = case.refused(case.changed(name, values=np.asarray(case.recording[name].values) * 1e12))
        require(error is not None, f"{name!r} a million million times too large is taken")
    return "" if case.motion else _NO_SUCH


def _milliseconds(case: Case) -> str:
    for name in case.motion:
        error = case.refused(case.changed(name, time=lambda time_s: time_s * 1000))
        require(error is not None and error.code == "rate_too_low", f"of {name!r}: {error!r}")
    return "" if case.motion else _NO_SUCH


def _other_frame(case: Case) -> str:
    try:
        turned = Frame("wrist").run(case.recording)
    except RecordingError as error:
        return f"the example cannot be turned: {error.code}"
    require_same(case.detector.detect(turned), case.events, "the same recording in the frame of the wrist")
    return ""


def _no_side(case: Case) -> str:
    if all(conditioning.frame.kind == "device" for conditioning in case.conditionings):
        return "it is of the device's own frame, so this does not apply"
    error = case.refused(replace(case.recording, wrist=None))
    require(error is not None and error.code == "side_unknown", f"without a wrist: {error!r}")
    return ""


def _more_streams(case: Case) -> str:
    time_s = np.arange(case.recording.start_s, case.recording.stop_s, 1.0)
    more = case.recording.with_streams(Stream.measured("heart_rate", time_s, np.full(len(time_s), 60.0)))
    require_same(case.detector.detect(more), case.events, "with a stream that it does not use")
    return ""


def _no_labels(case: Case) -> str:
    bare = case.recording.with_labels(case.recording.labels.iloc[:0])
    require_same(case.detector.detect(replace(bare, subject=None)), case.events, "without labels and subject")
    return ""


def _wall_clock(case: Case) -> str:
    later = replace(case.recording, start=pd.Timestamp("2031-05-06T07:08:09Z"))
    require_same(case.detector.detect(later), case.events, "on another day")
    return ""


def _shifted(case: Case) -> str:
    shift_s = _common_s([spec.hop_s for spec in case.specs])
    streams = [_anew(stream, np.asarray(stream.values), shift_s) for stream in case.recording.streams.values()]
    one = case.recording
    found = case.detector.detect(Recording.of(streams, wrist=one.wrist, crown=one.crown, source=one.source))
    times = {name: found[name] - shift_s for name in ("start_s", "stop_s", "decided_s")}
    require_same(found.assign(**times), case.events, f"{shift_s:g} s later", within_s=_SHIFTED_WITHIN_S)
    return ""


def _anew(stream: Stream, values: npt.NDArray[np.float32], later_s: float) -> Stream:
    """Return a stream with other values, and later."""
    channels, unit, start_s = stream.channels, stream.unit, stream.start_s + later_s
    if stream.is_uniform:
        rate_hz = stream.rate_hz
        return Stream.uniform(stream.name, values, rate_hz=rate_hz, start_s=start_s, channels=channels, unit=unit)
    return Stream.measured(stream.name, stream.time + later_s, values, channels=channels, unit=unit)


def _common_s(hops_s: list[float]) -> float:
    """Return a time of some minutes that is a whole number of each hop."""
    for count in range(1, 10_000):
        common_s = count * hops_s[0]
        if common_s > 100 and all(abs(common_s / hop_s - round(common_s / hop_s)) < 1e-9 for hop_s in hops_s):
            return common_s
    return hops_s[0]


def _gap(case: Case) -> str:
    start_s, stop_s = float(case.events["start_s"].iloc[0]) + 0.05, float(case.events["start_s"].iloc[0]) + 3.05
    broken = case.detector.detect(case.cut(lambda time_s: (time_s < start_s) | (time_s >= stop_s)))
    after = case.detector.detect(case.cut(lambda time_s: time_s >= stop_s))
    later = broken[broken["start_s"] >= stop_s].reset_index(drop=True)
    require_same(later, after, "after a gap of 3 s it is not as from the start", within_s=1e-9)
    return f"{len(after)} events after the gap"


def _unseen(case: Case) -> str:
    """Sound and motion that come while the confirmer is off change nothing."""
    one = case.detector
    if not isinstance(one, Cascade):
        return "it has no second stage"
    on, streams = one.trace(case.recording).on, []
    for name in set(one.confirm_streams) - set(one.gate_streams) - set(one.policy.always_on):
        stream = case.recording[name]
        edges = np.searchsorted(on[:, 0], stream.time, side="right") - 1
        seen = (edges >= 0) & (stream.time <= on[np.maximum(edges, 0), 1] + 1.0)
        values = np.array(stream.values)
        values[~seen] = 0.5 * np.roll(values, 1234, axis=0)[~seen]
        streams.append(_anew(stream, values, 0.0))
    require_same(one.detect(case.recording.with_streams(*streams)), case.events, "other sound while it is off")
    return ""


CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "samples without a value are a hole": _nan_is_a_hole,
        "a stream without any value finds nothing": _all_nan,
        "a constant signal is no crash": _constant,
        "less than a window holds no event": _short,
        "an empty stream finds nothing": _empty,
        "a missing stream is refused by name": _missing_stream,
        "a missing channel is refused by name": _missing_channel,
        "another unit is refused by name": _other_unit,
        "another order of channels is put right by name": _other_order,
        "values that no wrist gives are refused": _wild,
        "stamps in milliseconds are refused": _milliseconds,
        "another frame is turned back": _other_frame,
        "an unknown side is refused where it matters": _no_side,
        "streams that are not used do no harm": _more_streams,
        "labels and subject are not looked at": _no_labels,
        "the time of day is not looked at": _wall_clock,
        "the clock is the samples' own": _shifted,
        "after a gap it is as from the start": _gap,
        "what comes while the confirmer is off changes nothing": _unseen,
    }
)
