"""Apple Health's export: records of one device as irregular streams, sleep and workouts as labels, and ECGs.

An export is one long XML file in a zip or a folder, whose names are translated, with a CSV an ECG beside it. It holds
the records of all devices of a person, a phone's steps beside a watch's steps of the same walk, so a recording takes
those of one device and counts the others. Within a type they are not in the order of time. Positions, birth date and
names are never read.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.apple_ecg import Ecg, is_ecg, read_ecg
from wristkit.load.apple_records import NO_DEVICE, ROOT, STREAMS, Elements, Quantity, parse
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track, converted, source_of
from wristkit.load.members import Members, is_zip, reading, single, zip_files, zip_sizes
from wristkit.load.order import in_order
from wristkit.load.spool import Column, Spool
from wristkit.recording import BLOCK_ROWS, blocks
from wristkit.recording.hashing import hash_of

_HEAD_BYTES = 4096
_MOST_PEEKS, _MOST_FILES = 32, 20_000
_MOST_ECG_SAMPLES = 2**25  # some 2,000 ECGs of 30 s
_MOST_NAMES = 40
_ECG = "ecg"
_SAMPLE_STEP = 64


def recognises(path: Path) -> bool:
    """Return whether a file, folder or zip holds an XML file of health data, under any name."""
    try:
        return _export(path) is not None
    except RecordingError as error:
        return error.code == "several_recordings"
    except OSError:
        return False


def read(path: Path, request: Request) -> Gathered:
    """Return the records of one device as streams, sleep and workouts of all devices as labels, and ECGs.

    Of several devices the watch is taken, of several watches the one with most records. A stamp is the end of what a
    record counts; records are sorted by it. An ECG that cannot be read is a finding ``ecg_not_read``.

    Raises
    ------
    RecordingError
        For a fault of the XML; with code ``labels_only`` where it holds sleep or workouts and no samples.
    """
    found = _export(path)
    if found is None:
        raise NotThisFormatError(
            "it holds no XML file of health data",
            code="format",
            remedy="give export.zip, its folder, or export.xml",
            file=path,
        )
    members, file = found
    drop_tail = "drop_tail" in request.repair
    elements = Elements(request.spool, PurePosixPath(file).name)
    source = parse(members, file, elements, drop_tail=drop_tail)
    ecgs, faults = _ecgs(members, file, drop_tail=drop_tail)
    counts = elements.counts + Counter((_ECG, one.device) for one in ecgs if one.device)
    device = _chosen(counts)
    digest = hash_of("\n".join([source.content_hash, *(one.content_hash for one in ecgs)]).encode())
    tracks = [*_tracks(elements, device, request), *_ecg_tracks(ecgs, device)]
    if not tracks:
        _refuse_no_samples(elements, faults)
    return Gathered(
        tracks,
        marks=elements.marks,
        remarks=[
            *source.remarks,
            *_of_devices(counts, device),
            *_of_elements(elements),
            *_of_faults(faults),
            *_of_files(members, file, ecgs=len(ecgs) + len(faults)),
        ],
        source=source_of(path, "apple_health", digest, {"device": device}),
    )


def _export(path: Path) -> tuple[Members, str] | None:
    """Return all files, and the one that holds the records; several of them raise."""
    if not path.is_dir() and not is_zip(path):
        alone = single(path)
        return (alone, path.name) if _is_export(alone, path.name) else None
    sizes = _folder_sizes(path) if path.is_dir() else _zip_sizes(path)
    members = Members(path, {name: name for name in sizes})
    # The name decides what is looked at first, never what it is.
    likely = sorted(sizes, key=lambda name: (not name.lower().endswith(".xml"), -sizes[name]))[:_MOST_PEEKS]
    exports, damage = [], None
    for name in likely:
        try:
            exports += [name] if _is_export(members, name) else []
        except RecordingError as error:
            damage = error
    if damage is not None and not exports:
        raise damage
    if len(exports) > 1:
        raise RecordingError(
            f"it holds {len(exports)} exports of health data",
            code="several_recordings",
            remedy="load each of them by itself",
            file=path,
        )
    if not exports:
        return None
    if not path.is_dir() and (repeated := len(zip_files(path)) - len(sizes)):
        raise RecordingError(
            f"the zip holds {repeated} files a second time under one full name",
            code="several_recordings",
            remedy="unpack both and make one zip of each export",
            file=path,
        )
    return members, exports[0]


def _is_export(members: Members, name: str) -> bool:
    head = _head(members, name)
    is_xml = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return is_xml and (b"<!DOCTYPE HealthData" in head or ROOT.search(head) is not None)


def _head(members: Members, name: str) -> bytes:
    with members.open(name) as file, reading(name):
        return file.read(_HEAD_BYTES)


def _folder_sizes(path: Path) -> dict[str, int]:
    """Return the plain files of a folder and of the two levels below it."""
    sizes: dict[str, int] = {}
    for folder, below, names in os.walk(path):
        inside = Path(folder).relative_to(path)
        if len(inside.parts) == 2:
            below.clear()
        _refuse_many(len(sizes) + len(names), path)
        plain = [inside / name for name in names if (path / inside / name).is_file()]
        sizes |= {one.as_posix(): (path / one).stat().st_size for one in plain}
    return sizes


def _zip_sizes(path: Path) -> dict[str, int]:
    sizes = zip_sizes(path)
    _refuse_many(len(sizes), path)
    return sizes


def _refuse_many(count: int, path: Path) -> None:
    if count > _MOST_FILES:
        raise RecordingError(
            f"it holds {count} files or more, the limit is {_MOST_FILES}",
            code="too_many_files",
            remedy="give export.xml by itself",
            file=path,
        )


def _refuse_no_samples(elements: Elements, faults: Sequence[RecordingError]) -> None:
    """Raise why there are no samples: an ECG that cannot be read, or labels alone."""
    if faults:
        raise faults[0]
    if elements.marks:
        raise EmptyRecordingError(
            f"it holds {len(elements.marks)} labels of sleep and workouts, and no samples",
            code="labels_only",
            remedy="allow heart rate in the export (or steps, energy, ECGs), so that labels have a signal beside them",
            file=elements.file,
        )


def _ecgs(members: Members, export: str, *, drop_tail: bool) -> tuple[list[Ecg], list[RecordingError]]:
    """Return the ECGs that can be read, and why others cannot."""
    found: list[Ecg] = []
    faults: list[RecordingError] = []
    samples = 0
    for name in sorted(name for name in members.names if name != export and name.lower().endswith(".csv")):
        try:
            one = read_ecg(members, name, drop_tail=drop_tail) if is_ecg(_head(members, name)) else None
        except RecordingError as fault:
            faults.append(fault.of_file(name))  # anew: what was raised holds on to all that was read
            continue
        if one is None:
            continue
        found.append(one)
        samples += len(one.millivolts)
        if samples > _MOST_ECG_SAMPLES:
            raise RecordingError(
                f"its ECGs have more than {_MOST_ECG_SAMPLES} samples together",
                code="too_many_ecgs",
                remedy="take some of them out of the folder",
                file=members.path,
            )
    return found, faults


def _chosen(counts: Mapping[tuple[str, str], int]) -> str:
    """Return the device whose records a recording holds: a watch before others, then the one with most records."""
    totals = _totals(counts)
    return max(sorted(totals), key=lambda device: (_is_watch(device), totals[device]), default=NO_DEVICE)


def _totals(counts: Mapping[tuple[str, str], int]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for (_, device), count in counts.items():
        totals[device] += count
    return totals


def _is_watch(device: str) -> bool:
    return device.startswith("Watch")


def _tracks(elements: Elements, device: str, request: Request) -> list[Track]:
    found = []
    for quantity in STREAMS:
        time_ns, *values = elements.of(quantity.stream, device, request.spool)
        if not len(time_ns):
            continue
        rows = Rows(f"{elements.file} ({quantity.stream})", time_ns, dict(zip(quantity.streams, values, strict=True)))
        rows = in_order(_sorted(rows, request.spool), request.repair, request.spool)
        said = {quantity.stream: _of_units(quantity, elements.converted[quantity.stream, device])}
        found += [_track(name, unit, rows, said.get(name, ()), request) for name, unit in quantity.streams.items()]
    return found


def _track(name: str, unit: str, rows: Rows, said: Sequence[Remark], request: Request) -> Track:
    values: npt.NDArray[Any] = request.spool.mapped(_float32, rows.columns[name])
    absent: tuple[Remark, ...] = ()
    if unit == "bpm":
        values, absent = without_sentinels(values, request.spool)
    return Track(name, values, rows.time_ns, channels=(name,), unit=unit, remarks=(*rows.remarks, *said, *absent))


def _float32(column: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused by the stream, with its row
        return column.astype(np.float32)[:, None]


def _of_units(quantity: Quantity, counts: Counter[str]) -> tuple[Remark, ...]:
    """Return what to say of records in other units than their stream."""
    return (converted(quantity.stream, " and ".join(counts), quantity.unit, counts.total()),) if counts else ()


def _sorted(rows: Rows, spool: Spool) -> Rows:
    """Return rows in the order of their stamps; those of one stamp stay as they stand in the file."""
    if not _goes_back(rows.time_ns):
        return rows
    arrays = (rows.time_ns, *rows.columns.values())
    in_order, moved = [spool.column(array.dtype) for array in arrays], 0
    for bucket in _buckets(arrays, spool):
        time_ns, *values, places = (column.array() for column in bucket)
        order = np.argsort(time_ns, kind="stable")
        first = len(in_order[0])
        moved += int((places[order] != np.arange(first, first + len(order))).sum())
        for column, array in zip(in_order, (time_ns, *values), strict=True):
            column.append(array[order])
    note = f"{moved} records were not in the order of time and were sorted, as this format needs"
    time_ns, *values = (column.array() for column in in_order)
    return replace(
        rows,
        time_ns=time_ns,
        columns=dict(zip(rows.columns, values, strict=True)),
        remarks=(*rows.remarks, Remark("records_sorted", moved, note, "nothing")),
    )


def _buckets(arrays: Sequence[npt.NDArray[Any]], spool: Spool) -> list[list[Column]]:
    """Return the rows and their places, parted by time so that each part can be sorted in little memory."""
    sample = np.sort(np.concatenate([block[::_SAMPLE_STEP] for (block,) in blocks(arrays[0])]))
    edges = np.unique(sample[:: max(BLOCK_ROWS // _SAMPLE_STEP, 1)][1:])
    kinds: list[np.dtype[Any]] = [*(array.dtype for array in arrays), np.dtype(np.int64)]
    found = [[spool.column(kind) for kind in kinds] for _ in range(len(edges) + 1)]
    first = 0
    for block in blocks(*arrays):
        places = np.arange(first, first + len(block[0]))
        numbers = np.searchsorted(edges, block[0], side="right")
        for number in np.unique(numbers):
            for column, part in zip(found[number], (*block, places), strict=True):
                column.append(part[numbers == number])
        first += len(places)
    return found


def _goes_back(time_ns: npt.NDArray[np.int64]) -> bool:
    last = None
    for (block,) in blocks(time_ns):
        if (last is not None and block[0] < last) or (np.diff(block) < 0).any():
            return True
        last = block[-1]
    return False


def _ecg_tracks(ecgs: Sequence[Ecg], device: str) -> list[Track]:
    """Return the ECGs of one device, and those that do not say whose they are, in the order of time."""
    kept = sorted((one for one in ecgs if one.device in {"", device}), key=lambda one: one.start_ns)
    digits = max(2, len(str(len(kept))))
    return [
        Track(
            f"ecg_{number:0{digits}d}",
            one.millivolts,
            start_ns=one.start_ns,
            rate_hz=one.rate_hz,
            unit="mV",
            remarks=one.remarks,
        )
        for number, one in enumerate(kept, start=1)
    ]


def _of_devices(counts: Mapping[tuple[str, str], int], device: str) -> list[Remark]:
    """Return what to say of the records of other devices, and of several watches."""
    totals = _totals(counts)
    said = []
    if others := {key: count for key, count in sorted(counts.items()) if key[1] != device}:
        told = ", ".join(
            f"{count} {stream} of {owner}" for (stream, owner), count in list(others.items())[:_MOST_NAMES]
        )
        more = f" and {len(others) - _MOST_NAMES} more kinds" if len(others) > _MOST_NAMES else ""
        note = f"records of other devices were left out: {told}{more}"
        said.append(Remark("other_devices", sum(others.values()), note, "nothing, if this device is what you need"))
    watches = sorted(owner for owner in totals if _is_watch(owner))
    if len(watches) > 1:
        told = ", ".join(f"{owner} ({totals[owner]})" for owner in watches[:_MOST_NAMES])
        note = f"several watches gave records: {told}; those of {device} were taken"
        said.append(Remark("several_watches", len(watches), note, "export the time of one watch alone for the others"))
    return said


def _of_elements(elements: Elements) -> list[Remark]:
    """Return what to say of types that become nothing."""
    said = []
    if elements.not_read:
        common = elements.not_read.most_common()
        told = ", ".join(f"{count} {name}" for name, count in common[:_MOST_NAMES])
        more = f" and {len(common) - _MOST_NAMES} more types" if len(common) > _MOST_NAMES else ""
        note = f"not read: {told}{more}"
        said.append(Remark("not_read", elements.not_read.total(), note, "nothing, if you do not need them"))
    if elements.repeated:
        note = (
            f"{elements.repeated} records within correlations were left out; exports hold them once more by themselves"
        )
        said.append(Remark("in_correlation", elements.repeated, note, "nothing"))
    if elements.routes:
        said.append(Remark("routes_left_out", elements.routes, "positions of workouts are never read", "nothing"))
    return said


def _of_faults(faults: Sequence[RecordingError]) -> list[Remark]:
    """Return what to say of ECGs that cannot be read."""
    said = []
    for fault in faults[:_MOST_NAMES]:
        row = "" if fault.row is None else f", row {fault.row}"
        said.append(Remark("ecg_not_read", 1, f"{fault.file}{row}: {fault.message} [{fault.code}]", fault.remedy))
    if more := len(faults) - len(said):
        said.append(Remark("ecg_not_read", more, f"{more} more ECGs cannot be read", "export again"))
    return said


def _of_files(members: Members, export: str, *, ecgs: int) -> list[Remark]:
    """Return what to say of other files, by their kind alone: names tell dates and places."""
    suffixes = Counter(PurePosixPath(name).suffix.lower()[:8] or "none" for name in members.names if name != export)
    suffixes[".csv"] -= ecgs
    others = +suffixes
    if not others:
        return []
    told = ", ".join(f"{count} of {suffix}" for suffix, count in others.most_common(_MOST_NAMES))
    return [Remark("files_not_read", others.total(), f"other files were not read: {told}", "nothing")]
