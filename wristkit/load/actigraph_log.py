"""ActiGraph's newer firmware: log.bin with a record a second, and rarer ones of many kinds."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.actigraph_info import LOG, Info, chunks_of, in_g, of_clock, scale_of
from wristkit.load.actigraph_records import (
    ACTIVITY,
    ACTIVITY2,
    CHUNK_BYTES,
    Bytes,
    Records,
    Walk,
    counts_of,
    decoded_float,
    records_of,
)
from wristkit.load.blocks import Damage, damage_remarks, tail_remark
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track, device_frame
from wristkit.load.members import Members
from wristkit.load.order import in_order
from wristkit.load.spool import Column, Spool

_BATTERY, _EVENT, _LUX, _METADATA, _CAPSENSE, _PARAMETERS = 2, 3, 5, 6, 13, 21
_LEFT_OUT: Mapping[int, str] = MappingProxyType(
    {
        4: "heart rate",
        7: "proximity tags",
        9: "epochs",
        11: "heart rate (ANT)",
        12: "epochs",
        14: "heart rate (Bluetooth)",
        15: "epochs",
        16: "epochs",
        25: "gyroscope and magnetometer",
    }
)
_ASLEEP, _AWAKE = 8, 9  # first byte of an event
_SCALE_KEY, _FEATURES_KEY = (0, 55), (1, 2)
_SLEEP_FEATURE = 4
_MOST_SCALES = 4  # as many as a finding names
_PARAMETER = ((0, 2), (2, 4), (4, 8))  # bytes of address space, key and value


@dataclass(frozen=True)
class _Columns:
    """What is gathered from the records while they are read."""

    time_ns: Column
    axes: tuple[Column, Column, Column]
    second: Column  # and the following: one row a record with samples
    byte: Column
    samples: Column
    still: Column
    light_s: Column
    light: Column
    battery_s: Column
    battery: Column

    @classmethod
    def of(cls, spool: Spool) -> "_Columns":
        """Return empty columns."""
        time_ns, second, byte, samples, light_s, battery_s = (spool.column(np.int64) for _ in range(6))
        x, y, z, light, battery = (spool.column(np.int16 if axis < 3 else np.float32) for axis in range(5))
        still = spool.column(bool)
        return cls(time_ns, (x, y, z), second, byte, samples, still, light_s, light, battery_s, battery)


@dataclass
class _Told:
    """What the rarer records tell."""

    scales: list[float] = field(default_factory=list)
    sleep_enabled: bool | None = None
    slept: list[tuple[int, int]] = field(default_factory=list)  # seconds
    asleep_since: int | None = None
    is_utc: bool = False
    capsense: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    docked: int = 0
    odd_sizes: int = 0


def read_log(members: Members, info: Info, request: Request) -> Gathered:
    """Return acceleration, light and battery at the times of their records."""
    walk, columns, told = Walk(), _Columns.of(request.spool), _Told()
    for records in records_of(chunks_of(members, LOG, CHUNK_BYTES), walk):
        _add_samples(records, columns, told)
        _add_pairs(records, _LUX, columns.light_s, columns.light, 1.0)
        _add_pairs(records, _BATTERY, columns.battery_s, columns.battery, 1000.0)
        _add_rare(records, told)
    if not walk.byte:
        raise EmptyRecordingError(
            f"{LOG} has no bytes", code="empty", remedy="copy or download the recording again", file=LOG
        )
    if not walk.records:
        raise RecordingError(
            f"{LOG} holds no record with a right checksum",
            code="damaged_blocks",
            remedy="copy or download the recording again",
            file=LOG,
            byte=0,
        )
    remarks = [
        *damage_remarks(
            walk.damage,
            good=walk.records,
            block_bytes=max(walk.record_bytes // walk.records, 1),
            repair=request.repair,
            file=LOG,
        )
    ]
    if walk.tail is not None:
        byte, samples = walk.tail
        cut = tail_remark(samples=samples, byte=byte, repair=request.repair, file=LOG)
        remarks.append(replace(cut, stream="accel") if samples and len(columns.time_ns) else cut)
    return _of_log(info, walk.damage, columns, told=told, remarks=remarks, request=request)


def _add_samples(records: Records, columns: _Columns, told: _Told) -> None:
    """Add the samples of all activity records, those of one kind and size at once."""
    active = np.flatnonzero(np.isin(records.kind, (ACTIVITY, ACTIVITY2)))
    told.docked += int((records.size[active] == 1).sum())  # written when it is plugged in
    kinds, sizes = records.kind[active], records.size[active]
    samples = np.where(kinds == ACTIVITY, sizes * 8 // 36, sizes // 6)
    told.odd_sizes += int(((sizes > 1) & np.where(kinds == ACTIVITY, sizes * 8 % 36 > 7, sizes % 6 > 0)).sum())
    active, kinds, sizes, samples = (column[samples > 0] for column in (active, kinds, sizes, samples))
    first_row = np.cumsum(samples) - samples
    counts = np.empty((int(samples.sum()), 3), dtype=np.int16)
    time_ns, still = np.empty(len(counts), dtype=np.int64), np.empty(len(active), dtype=bool)
    for kind, size in sorted(set(zip(kinds.tolist(), sizes.tolist(), strict=True))):
        alike = np.flatnonzero((kinds == kind) & (sizes == size))
        values = counts_of(kind, _payloads(records, active[alike], size))
        within = np.arange(values.shape[1])
        # As a rule all are alike, and lie in order.
        whole = len(alike) == len(active)
        rows = slice(None) if whole else (first_row[alike][:, None] + within).ravel()
        counts[rows] = values.reshape(-1, 3)
        seconds = records.second[active[alike]]
        time_ns[rows] = (seconds[:, None] * 10**9 + within * 10**9 // len(within)).ravel()
        still[alike] = (values == values[:, :1]).all(axis=(1, 2))
    for axis, column in enumerate(columns.axes):
        column.append(counts[:, axis])
    columns.time_ns.append(time_ns)
    for column, part in ((columns.second, records.second), (columns.byte, records.byte)):
        column.append(part[active])
    columns.samples.append(samples)
    columns.still.append(still)


def _payloads(records: Records, rows: npt.NDArray[np.int64], size: int) -> Bytes:
    """Return (k, size) bytes of the payloads of records of one size."""
    windows = np.lib.stride_tricks.sliding_window_view(records.data, size)
    return windows[records.payload[rows]]


def _add_pairs(records: Records, kind: int, seconds: Column, values: Column, divisor: float) -> None:
    """Add the one number of two bytes that each record of a kind holds."""
    rows = np.flatnonzero((records.kind == kind) & (records.size == 2))
    if len(rows):
        seconds.append(records.second[rows])
        values.append(_payloads(records, rows, 2).view("<u2").ravel() / divisor)


def _add_rare(records: Records, told: _Told) -> None:
    for kind, what in _LEFT_OUT.items():
        told.left_out[what] += int((records.kind == kind).sum())
    for row in np.flatnonzero(np.isin(records.kind, (_EVENT, _METADATA, _CAPSENSE, _PARAMETERS))).tolist():
        start, size = int(records.payload[row]), int(records.size[row])
        payload, second = records.data[start : start + size].tobytes(), int(records.second[row])
        kind = int(records.kind[row])
        if kind == _EVENT:
            _hear_sleep(payload, second, told)
        elif kind == _METADATA:
            # Not parsed: the rest of it tells of the wearer.
            told.is_utc |= b'"LocalTimeLog"' in payload and bool(re.search(rb'"UsedUtc"\s*:\s*true', payload))
        elif kind == _CAPSENSE and size >= 5:
            told.capsense["worn" if payload[4] == 1 else "not worn"] += 1
        elif kind == _PARAMETERS:
            _hear_parameters(payload, told)


def _hear_sleep(payload: bytes, second: int, told: _Told) -> None:
    if payload[:1] == bytes([_ASLEEP]) and told.asleep_since is None:
        told.asleep_since = second
    elif payload[:1] == bytes([_AWAKE]) and told.asleep_since is not None:
        told.slept.append((told.asleep_since, second))
        told.asleep_since = None


def _hear_parameters(payload: bytes, told: _Told) -> None:
    for at in range(0, len(payload) - 7, 8):
        space, key, code = (int.from_bytes(payload[at + edge : at + stop], "little") for edge, stop in _PARAMETER)
        if (space, key) == _SCALE_KEY and len(told.scales) < _MOST_SCALES:
            told.scales += [scale] if 0 < (scale := decoded_float(code)) < math.inf and scale not in told.scales else []
        elif (space, key) == _FEATURES_KEY:
            told.sleep_enabled = bool(code & _SLEEP_FEATURE)


def _of_log(
    info: Info, damage: Damage, columns: _Columns, *, told: _Told, remarks: list[Remark], request: Request
) -> Gathered:
    shift_s = 0 if told.is_utc else info.utc_offset_s or 0
    tracks = []
    if len(columns.time_ns):
        remarks += [*_of_scale(told, info), *_of_seconds(info, damage, columns, told), *_of_rare(told)]
        tracks.append(_accel(columns, scale_of(told.scales, info), shift_s, info, request))
        remarks.append(device_frame(len(tracks[0].values)))
    slow = {"light": ("lux", columns.light_s, columns.light), "battery": ("V", columns.battery_s, columns.battery)}
    for name, (unit, seconds, values) in slow.items():
        if len(seconds):
            time_ns = (seconds.array() - shift_s) * 10**9
            rows = in_order(Rows(LOG, time_ns, {name: values.array()}), request.repair, request.spool)
            tracks.append(
                Track(
                    name,
                    rows.columns[name][:, None],
                    rows.time_ns,
                    (name,),
                    unit,
                    remarks=rows.remarks,
                )
            )
    clock = "utc" if told.is_utc or info.utc_offset_s is not None else "local"
    return Gathered(tracks, clock=clock, remarks=[*remarks, *of_clock(info, is_utc=told.is_utc)])


def _accel(columns: _Columns, scale: float, shift_s: int, info: Info, request: Request) -> Track:
    counts = dict(zip("xyz", (column.array() for column in columns.axes), strict=True))
    time_ns = columns.time_ns.array()
    if shift_s:
        time_ns = request.spool.mapped(lambda block: block - shift_s * 10**9, time_ns)
    rows = in_order(Rows(LOG, time_ns, counts), request.repair, request.spool)
    axes = (rows.columns[axis] for axis in "xyz")
    values = request.spool.mapped(lambda *block: in_g(block, scale), *axes)
    return Track("accel", values, rows.time_ns, stated_rate_hz=info.rate_hz, remarks=rows.remarks)


def _of_scale(told: _Told, info: Info) -> Iterator[Remark]:
    stated = [*told.scales, *([info.scale] if info.scale else [])]
    if stated and max(stated) > 1.01 * min(stated):
        note = f"counts per g are stated as {', '.join(f'{scale:g}' for scale in stated)}; the first is used"
        yield Remark("scale_differs", len(stated), note, "check that a still device reads 1 g", stream="accel")


def _of_seconds(info: Info, damage: Damage, columns: _Columns, told: _Told) -> Iterator[Remark]:
    """Yield what is to be said of seconds without samples, with repeated ones, and with an odd number of them."""
    second, byte, samples, still = (
        column.array() for column in (columns.second, columns.byte, columns.samples, columns.still)
    )
    order = np.argsort(second, kind="stable")
    second, byte, samples, still = (column[order] for column in (second, byte, samples, still))
    steps = np.diff(second)
    lost = np.searchsorted([start for start, _ in damage.stretches], byte)  # stretches before each record
    slept = (steps > 1) & (np.diff(lost) == 0)
    if slept.any():
        yield _of_sleep(int((steps[slept] - 1).sum()), int(slept.sum()), told)
    inside = np.zeros(len(second), dtype=bool)
    for start, stop in told.slept:
        inside[np.searchsorted(second, start) : np.searchsorted(second, stop)] = True
    if repeated := int(samples[inside & still].sum()):
        note = f"{repeated} samples repeat one value in spans that the log marks as idle sleep; nothing was measured"
        yield Remark("idle_sleep_repeats", repeated, note, "leave those spans out", stream="accel")
    if info.rate_hz and (odd := int((samples != info.rate_hz).sum())):
        note = f"{odd} seconds hold another number of samples than {info.rate_hz:g}; they are spread over their second"
        yield Remark("odd_seconds", odd, note, "trust times within those seconds less", stream="accel")


def _of_sleep(seconds: int, stretches: int, told: _Told) -> Remark:
    said = f"{seconds} seconds in {stretches} stretches hold no samples"
    if told.sleep_enabled is False and not told.slept:
        note = f"{said}, though the log says that idle sleep was off; they are gaps"
        return Remark("missing_seconds", seconds, note, "copy the recording again", stream="accel")
    known = (
        "the log says that idle sleep was on" if told.sleep_enabled or told.slept else "idle sleep is the usual cause"
    )
    remedy = "nothing was measured there: the device lay still, off the wrist or not"
    return Remark("idle_sleep", seconds, f"{said}; {known}; they are gaps", remedy, stream="accel")


def _of_rare(told: _Told) -> Iterator[Remark]:
    if told.capsense:
        count, off = told.capsense.total(), told.capsense["not worn"]
        note = f"the skin sensor reported {count} times, {off} of them that it was not worn"
        yield Remark("capsense", off, note, "leave out what was recorded off the wrist")
    if left_out := +told.left_out:
        note = f"records of other kinds were not read: {', '.join(f'{n} of {what}' for what, n in left_out.items())}"
        yield Remark("records_left_out", left_out.total(), note, "export them with the vendor's program")
    if told.docked:
        yield Remark("docked", told.docked, "it was plugged in while it recorded", "leave out the time around it")
    if told.odd_sizes:
        note = f"{told.odd_sizes} activity records end within a sample; their whole samples were read"
        yield Remark("odd_records", told.odd_sizes, note, "copy the recording again", stream="accel")
