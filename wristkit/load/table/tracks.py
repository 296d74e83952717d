"""What all tables share: the plan of a schema, how stamps count, and the way from rows to streams."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Mark, Remark, Request, Rows, Track, converted
from wristkit.load.order import in_order
from wristkit.load.runs import longest_step_ns, runs, spans
from wristkit.load.schema import Part, Plan, example, plan_of
from wristkit.load.spool import Spool
from wristkit.load.stamps import Stamp, stamp_of
from wristkit.recording import CANONICAL, blocks
from wristkit.recording.hashing import hash_of_file

_DAY_NS = 86_400 * 10**9
_MOST_NAMES, _LONGEST_NAME = 20, 60


class Read(NamedTuple):
    """Rows of a table, what its columns are, and how its stamps count."""

    rows: Rows
    plan: Plan
    stamp: Stamp
    remarks: tuple[Remark, ...] = ()


# What a schema says


def plan_for(schema: object, names: Sequence[str], request: Request, file: str) -> Plan:
    """Return the plan of a schema; where nobody gave one, what is wrong with it is wrong with the file."""
    try:
        return plan_of(schema, names, unit=request.unit)
    except ValueError as error:
        if request.schema is not None or isinstance(error, RecordingError):
            raise
        raise _no_schema(str(error), names, file) from error


def _no_schema(what: str, names: Sequence[str], file: str) -> RecordingError:
    return RecordingError(
        f"the names of its columns alone do not say what they are: {what}",
        code="schema_missing",
        remedy=example(names),
        file=file,
    )


def stamp_for(plan: Plan, first: Mapping[str, str], request: Request, file: str) -> Stamp:
    """Return how stamps count, as the schema and the first row say; without stamps a rate is needed."""
    if plan.time is not None:
        return stamp_of(plan.time, first.get(plan.time, ""), unit=plan.time_unit, file=file)
    if request.rate_hz is None and request.schema is None:
        raise _no_schema("none is of time", [part.column for part in plan.parts], file)
    if request.rate_hz is None:
        raise ValueError("the schema names no column of time; name one, or give rate_hz if rows have no stamps")
    return Stamp("", "ns", epoch=False)


def word_columns(plan: Plan) -> tuple[str, ...]:
    """Return the columns that are read as text."""
    return tuple(name for name in (plan.label, plan.device) if name)


def columns_of_part(part: Part) -> list[tuple[str, str]]:
    """Return (name among the rows' columns, channel) of each channel of a part."""
    if len(part.channels) == 1:
        return [(part.column, part.channels[0])]
    return [(f"{part.column}.{channel}", channel) for channel in part.channels]


def hashed(read: Read, path: Path) -> Read:
    """Return a table with the hash of its file."""
    with path.open("rb") as file:
        digest = hash_of_file(file)
    return read._replace(rows=replace(read.rows, content_hash=digest))


# From rows to streams


def gathered(read: Read, request: Request, source: Mapping[str, str]) -> Gathered:
    """Return the streams and labels of a table."""
    rows, plan, stamp = read.rows, read.plan, read.stamp
    clock = _clock(stamp)
    nameless = _of_devices(rows, plan)
    ordered = in_order(rows, request.repair, request.spool) if plan.time else rows
    if clock == "local" and request.zone:
        _refuse_change_of_clocks(ordered, request.zone)
    streams = dict.fromkeys(part.stream for part in plan.parts)
    timed = ordered if plan.time else _by_rate(ordered, request)
    marks, labelled = _labels(timed, plan, request.spool)
    return Gathered(
        [_track(stream, ordered, plan, request) for stream in streams],
        clock=clock,
        marks=marks,
        labelled=labelled,
        remarks=(*read.remarks, *_of_stamp(stamp), *nameless, *_not_read(plan)),
        source=source,
    )


def _clock(stamp: Stamp) -> str:
    if not stamp.epoch:
        return "none"
    return "utc" if stamp.zoned else "local"


def _of_stamp(stamp: Stamp) -> tuple[Remark, ...]:
    """Return what to say where the unit of time was not stated: which one it was taken for."""
    if not stamp.by_size:
        return ()
    note = f"{stamp.column} was read as {stamp.unit} since 1970, as the size of its first value shows"
    return (Remark("time_unit_from_data", 1, note, f"state ('time', {stamp.unit!r}) in the schema"),)


def _track(stream: str, rows: Rows, plan: Plan, request: Request) -> Track:
    """Return one stream, its channels in their canonical order and its numbers in the canonical unit."""
    parts = [part for part in plan.parts if part.stream == stream]
    held = {channel: name for part in parts for name, channel in columns_of_part(part)}
    canonical = CANONICAL[stream].channels if stream in CANONICAL else ()
    channels = canonical or tuple(held)
    values = request.spool.stacked([rows.columns[held[channel]] for channel in channels])
    absent: tuple[Remark, ...] = ()
    if stream == "heart_rate":
        values, absent = without_sentinels(values, request.spool)
    remarks = (*rows.remarks, *_of_conversion(parts, len(rows.time_ns)), *absent)
    unit = parts[0].unit
    if plan.time is None:
        return Track(stream, values, channels=channels, unit=unit, rate_hz=request.rate_hz, remarks=remarks)
    return Track(
        stream, values, rows.time_ns, channels=channels, unit=unit, stated_rate_hz=request.rate_hz, remarks=remarks
    )


def _of_conversion(parts: Sequence[Part], count: int) -> tuple[Remark, ...]:
    """Return what to say where the unit of a stream is another than the table's, and where signs were turned."""
    stream, unit = parts[0].stream, parts[0].unit
    given = " and ".join(dict.fromkeys(part.given for part in parts if part.given != unit))
    of_unit = (converted(stream, given, unit, count),) if given else ()
    if not parts[0].android:
        return of_unit
    note = "signs were turned: at rest the axis that points up reads -1 g, as Core Motion has it"
    return (*of_unit, Remark("frame_converted", count, note, "nothing, if the schema is right"))


def _by_rate(rows: Rows, request: Request) -> Rows:
    """Return rows that were counted with the stamps that their rate gives them, never later than the samples."""
    step_ns = 1e9 / float(request.rate_hz or 1.0)
    time_ns = request.spool.mapped(lambda count: np.floor(count * step_ns).astype(np.int64), rows.time_ns)
    return replace(rows, time_ns=time_ns)


def _labels(rows: Rows, plan: Plan, spool: Spool) -> tuple[list[Mark], dict[str, list[tuple[int, int]]]]:
    """Return each run of one label, and the spans in which there is one: an empty cell means that nobody looked.

    Where the schema says that it is background, the spans are those of all rows. No span reaches over a gap.
    """
    if plan.label is None:
        return [], {}
    words = [word.strip() for word in rows.words[plan.label]]
    longest_ns = longest_step_ns(rows.time_ns, spool)
    found = runs(rows.time_ns, rows.columns[plan.label], longest_step_ns=longest_ns, file=rows.file)
    named = [run for run in found if words[run.value]]
    marks = [Mark(run.start_ns, run.stop_ns, words[run.value], "truth", "file") for run in named]
    return marks, {"truth": spans(found if plan.empty_is_background else named)}


def _not_read(plan: Plan) -> tuple[Remark, ...]:
    if not plan.unread:
        return ()
    told = ", ".join(" ".join(name.split())[:_LONGEST_NAME] for name in plan.unread[:_MOST_NAMES])
    more = f" and {len(plan.unread) - _MOST_NAMES} more" if len(plan.unread) > _MOST_NAMES else ""
    remedy = "name in the schema what is needed, and the rest as 'ignore'"
    return (Remark("not_read", len(plan.unread), f"columns not read: {told}{more}", remedy),)


def _of_devices(rows: Rows, plan: Plan) -> tuple[Remark, ...]:
    """Return what to say of rows whose device is not stated; raise where there are several."""
    words = [word.strip() for word in rows.words[plan.device]] if plan.device else []
    known = set(words) - {""}
    if len(known) > 1:
        raise RecordingError(
            f"it holds {len(known)} devices or people in the column {plan.device!r}",
            code="several_recordings",
            remedy="write one table of each, or pass the rows of one as a DataFrame",
            file=rows.file,
        )
    if not known or "" not in words:
        return ()
    empty = [code for code, word in enumerate(words) if not word]
    count = sum(int(np.isin(block, empty).sum()) for (block,) in blocks(rows.columns[plan.device or ""]))
    note = f"{plan.device} is empty in {count} rows, which were read as the device of the others"
    return (Remark("id_missing", count, note, "leave these rows out if they are of another device"),)


def _refuse_change_of_clocks(rows: Rows, zone: str) -> None:
    """Raise where clocks were changed between the first and the last stamp: local times then have a step."""
    first_ns, last_ns = int(rows.time_ns[0]), int(rows.time_ns[-1])
    moments = [pd.Timestamp(ns, unit="ns") for ns in (*range(first_ns, last_ns, _DAY_NS), last_ns)]
    try:
        offsets = {ZoneInfo(zone).utcoffset(moment.to_pydatetime(warn=False)) for moment in moments}
    except (ZoneInfoNotFoundError, OSError, ValueError) as fault:
        raise ValueError(f"zone is {zone!r}, expected a name such as 'Europe/Paris'") from fault
    if len(offsets) > 1:
        raise RecordingError(
            f"its local times cross a change of clocks in {zone}, where an hour is missing or happens twice",
            code="summer_time",
            remedy="export times with their offset from UTC, or split the file at the change",
            file=rows.file,
        )
