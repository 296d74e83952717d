"""From what a reader gathered to a ``Recording``: seconds from the start, labels, and findings on one clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.gather import Gathered, Remark, Request, Track
from wristkit.recording import FloatArray, Recording, Stream, finding_table, label_table
from wristkit.signals import check_units, inspect

RATE_TOLERANCE = 0.01
_FASTEST_HZ = 100_000.0
_EARLIEST_NS = 946_684_800 * 10**9  # 2000: clocks that were never set say 1970 or 1980


class _Clock(NamedTuple):
    """Second 0 of a recording on the clock of its stamps, and what is known of it."""

    zero_ns: int
    start: pd.Timestamp | None
    zone: str | None
    source: Mapping[str, str]
    remarks: Sequence[Remark]


def assemble(gathered: Gathered, request: Request) -> Recording:
    """Return the recording of what a reader gathered, inspected; raise where its units cannot be what they say."""
    held = [track for track in gathered.tracks if len(track.values)]
    if not held:
        what = f"{len(gathered.marks)} labels and no samples" if gathered.marks else "no samples"
        raise EmptyRecordingError(f"it holds {what}", code="empty", remedy="export the recording with its sensors")
    edges_ns = [_edges_ns(track) for track in held]
    clock = _clock(
        gathered, request, first_ns=min(first for first, _ in edges_ns), last_ns=max(last for _, last in edges_ns)
    )
    streams = _streams(gathered, clock.zero_ns, request)
    recording = Recording.of(
        streams,
        labels=_labels(gathered, clock.zero_ns),
        labelled={
            tier: (np.array(spans).reshape(-1, 2) - clock.zero_ns) / 1e9 for tier, spans in gathered.labelled.items()
        },
        findings=_findings(gathered, clock, streams),
        start=clock.start,
        zone=clock.zone,
        subject=gathered.subject,
        wrist=gathered.wrist,
        crown=gathered.crown,
        source={**gathered.source, **clock.source},
    )
    inspected = inspect(recording)
    check_units(inspected)
    return inspected


def _edges_ns(track: Track) -> tuple[int, int]:
    """Return the first and the last stamp."""
    if track.time_ns is not None:
        return int(track.time_ns[0]), int(track.time_ns[-1])
    return track.start_ns, track.start_ns + int(len(track.values) * 1e9 / (track.rate_hz or 1.0))


def _streams(gathered: Gathered, zero_ns: int, request: Request) -> list[Stream]:
    """Return the streams; those of one clock share its array, and what was measured of it."""
    clocks: dict[int, Stream] = {}
    streams = []
    for one in gathered.tracks:
        track = replace(one, values=_by_column(one.values, request))
        stream = _stream(track, zero_ns, request, same_clock=clocks.get(id(track.time_ns)))
        if track.time_ns is not None:
            clocks.setdefault(id(track.time_ns), stream)
        streams.append(stream)
    return streams


def _by_column(values: npt.NDArray[Any], request: Request) -> npt.NDArray[Any]:
    """Return (n, c) float32 column after column in memory: all who read it do so, and numpy is slow across rows."""
    if values.dtype == np.float32 and (values.ndim == 1 or values.shape[1] == 1 or values.strides[0] == 4):
        return values
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused by the stream, with its row
        laid: npt.NDArray[Any] = request.spool.mapped(lambda block: np.asfortranarray(block, dtype=np.float32), values)
    return laid


def _stream(track: Track, zero_ns: int, request: Request, *, same_clock: Stream | None) -> Stream:
    if track.time_ns is None:
        if track.rate_hz is None:
            raise ValueError(f"track {track.name!r} has neither stamps nor a rate; give one of them")
        return Stream.uniform(
            track.name,
            track.values,
            rate_hz=track.rate_hz,
            start_s=(track.start_ns - zero_ns) / 1e9,
            channels=track.channels,
            unit=track.unit,
        )
    if same_clock is None:
        time_s: FloatArray = request.spool.mapped(lambda block: (block - zero_ns) / 1e9, track.time_ns)
        return Stream.measured(track.name, time_s, track.values, channels=track.channels, unit=track.unit)
    return same_clock.with_values(track.name, track.values, channels=track.channels, unit=track.unit)


def _labels(gathered: Gathered, zero_ns: int) -> pd.DataFrame:
    return label_table(
        [
            ((mark[0] - zero_ns) / 1e9, (mark[1] - zero_ns) / 1e9, mark.label, mark.tier, mark.rater)
            for mark in gathered.marks
        ]
    )


def _clock(gathered: Gathered, request: Request, *, first_ns: int, last_ns: int) -> _Clock:
    zone, remarks = _known_zone(gathered.zone)
    if gathered.clock == "none":
        return _Clock(0, None, zone, {}, remarks)
    remarks = (*remarks, *_of_date(first_ns, last_ns))
    if gathered.clock == "utc":
        return _Clock(first_ns, pd.Timestamp(first_ns, unit="ns", tz="UTC"), zone, {}, remarks)
    local = pd.Timestamp(first_ns, unit="ns")
    source = {"local_start": local.isoformat()}
    zone = zone or request.zone
    if zone is None:
        note = f"it starts at {local.isoformat()} by its own clock; the time zone of that clock is not stated"
        remark = Remark("zone_missing", 1, note, "give zone='Europe/Paris' or where it was set up")
        return _Clock(first_ns, None, None, source, (*remarks, remark))
    return _Clock(first_ns, _in_zone(local, zone), zone, source, remarks)


def _known_zone(stated: str | None) -> tuple[str | None, tuple[Remark, ...]]:
    """Return the zone that a file states, if it is one, and what to say of it otherwise."""
    if stated is None:
        return None, ()
    try:
        zone_info(stated)
    except ValueError:
        note = "the time zone that it states is none that is known"
        return None, (Remark("zone_unknown", 1, note, "give zone='Europe/Paris' or where it was set up"),)
    return stated, ()


def zone_info(zone: str) -> ZoneInfo:
    """Return a time zone by its name, or raise what a name is."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, TypeError, ValueError, OSError) as fault:
        raise ValueError(f"zone is {zone!r:.60}, expected a name such as 'Europe/Paris'") from fault


def _in_zone(local: pd.Timestamp, zone: str) -> pd.Timestamp:
    """Return the UTC time of a local one; raise where summer time makes it none or two."""
    info = zone_info(zone)
    try:
        return local.tz_localize(info).tz_convert("UTC")
    except ValueError as fault:
        raise RecordingError(
            f"its start {local.isoformat()} happens twice or never in {zone}, where clocks were changed",
            code="summer_time",
            remedy="give zone='Etc/GMT-2' or the like: the fixed offset that the device's clock had",
        ) from fault


def _of_date(first_ns: int, last_ns: int) -> tuple[Remark, ...]:
    """Return what to say of a recording that begins before such devices were made, or ends in the future."""
    tomorrow_ns = int((datetime.now(UTC).timestamp() + 86400) * 1e9)
    if first_ns >= _EARLIEST_NS and last_ns <= tomorrow_ns:
        return ()
    wrong = last_ns if _EARLIEST_NS <= first_ns <= tomorrow_ns else first_ns
    date = pd.Timestamp(wrong, unit="ns").isoformat()
    note = f"its clock says {date}, which cannot be: it was not set, or jumped"
    return (Remark("clock_unset", 1, note, "trust times from the start, not the date; look for a gap of years"),)


def _findings(gathered: Gathered, clock: _Clock, streams: Sequence[Stream]) -> pd.DataFrame:
    spans = {stream.name: (stream.start_s, stream.stop_s) for stream in streams}
    edges = np.array(list(spans.values()))
    whole = (float(np.nanmin(edges)), float(np.nanmax(edges)))
    rows = [
        _finding(remark, stream.name, spans[stream.name], clock.zero_ns)
        for track, stream in zip(gathered.tracks, streams, strict=True)
        for remark in (*track.remarks, *_of_rate(track, stream), *_too_fast(stream))
    ]
    rows += [
        _finding(remark, remark.stream, spans.get(remark.stream, whole), clock.zero_ns)
        for remark in (*gathered.remarks, *clock.remarks)
    ]
    return finding_table(rows)


def _finding(
    remark: Remark, stream: str, usual_s: tuple[float, float], zero_ns: int
) -> tuple[str, str, float, float, int, str, str]:
    span = usual_s if remark.span_ns is None else tuple((edge - zero_ns) / 1e9 for edge in remark.span_ns)
    return (remark.code, stream, float(span[0]), float(span[1]), remark.count, remark.note, remark.remedy)


def _of_rate(track: Track, stream: Stream) -> tuple[Remark, ...]:
    """Return what to say where the measured rate is more than 1 % off the stated one."""
    stated_hz = track.stated_rate_hz
    if not stated_hz or stream.is_uniform or not np.isfinite(stream.rate_hz):
        return ()
    if abs(stream.rate_hz / stated_hz - 1) <= RATE_TOLERANCE:
        return ()
    note = f"{stated_hz:.5g} Hz is stated, {stream.rate_hz:.5g} Hz was measured"
    return (Remark("rate_differs", len(stream), note, "the measured rate is used"),)


def _too_fast(stream: Stream) -> tuple[Remark, ...]:
    """Return what to say of stamps so close that their unit must be another."""
    if stream.is_uniform or not stream.rate_hz > _FASTEST_HZ:
        return ()
    note = f"{stream.rate_hz:.3g} Hz was measured, and no sensor of a wrist is so fast"
    return (Remark("rate_implausible", len(stream), note, "check the unit of its stamps: ms taken for ns?"),)
