"""Axivity AX3 and AX6: ``.cwa`` as the device writes it, and the WAV that the vendor's converter makes of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.axivity_blocks import (
    BLOCK_BYTES,
    CAPACITY,
    CHUNK_BLOCKS,
    FILE_MAGIC,
    HEADER_BYTES,
    LAYOUTS,
    PACKED,
    SAMPLES,
    Blocks,
    Bytes,
    Content,
    Headers,
    Repair,
    has_block,
    period_ns,
    read_blocks,
    spans_ns,
)
from wristkit.load.gather import Gathered, Nanoseconds, Remark, Request, Rows, Track, device_frame, source_of
from wristkit.load.order import in_order
from wristkit.load.progress import byte_bar
from wristkit.recording import Side
from wristkit.recording.hashing import hash_of_file

_HEAD_BYTES = HEADER_BYTES + 8 * BLOCK_BYTES
_SIDE = re.compile(rb"_p=(left|right)(?:\+|%20| )*wrist", re.IGNORECASE)
# The vendor's formula for lux is an indication only, by its own words: light stays raw. So does the battery in a WAV,
# whose unit is not stated. Temperature is as the decoded samples of scikit-digital-health have it; another formula in
# use, 75/256 of a count less 50, reads 2.3 degC lower at room temperature: the sensor is not calibrated.
_SLOW_SCALES = {
    "temperature": (1 / 3.142, -171 / 3.142),
    "light_raw": (1.0, 0.0),
    "battery": (6 / 1024, 3.0),
    "battery_raw": (1.0, 0.0),
}
_SLOW_UNITS = {"temperature": "degC", "light_raw": "1", "battery": "V", "battery_raw": "1"}
_MODELS = {0x00: "AX3", 0xFF: "AX3", 0x17: "AX3", 0x64: "AX6"}


def recognises(path: Path) -> bool:
    """Return whether a file is of an Axivity: its header, a sound block near its start, or its converter's WAV."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head[:4] == FILE_MAGIC or _is_wave(head) or has_block(head)


def read(path: Path, request: Request) -> Gathered:
    """Return motion, temperature, light and battery of one file by the device's own clock, which states no zone."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if _is_wave(head):
            return _read_wave(path, head)
        blocks, remarks, repairs = read_blocks(Content(file, path.name, path.stat().st_size), request)
        tracks = _tracks(blocks, repairs, request)
        file.seek(0)
        digest = hash_of_file(file)
    header = head[:HEADER_BYTES] if head[:4] == FILE_MAGIC else b""
    return Gathered(
        tracks,
        clock="local",
        remarks=(*_of_header(header), *remarks, _frame(tracks)),
        wrist=_wrist(header[64:]),
        source=source_of(path, "axivity", digest, _stated(header)),
    )


# ---- what was measured ----


def _tracks(blocks: Blocks, repairs: Sequence[Repair], request: Request) -> list[Track]:
    names = LAYOUTS[int(blocks.headers["layout"][0])]
    rate_hz = 1e9 / int(period_ns(blocks.headers[:1])[0])
    start_ns, end_ns = spans_ns(blocks)
    time_ns, values = _samples(blocks, names, start_ns, end_ns, request)
    columns = {f"{name}_{axis}": values[name][:, axis] for name in names for axis in range(3)}
    rows = Rows(blocks.file, time_ns, columns)
    ordered = in_order(rows, request.repair, request.spool)
    if ordered is not rows:
        three = {name: [f"{name}_{axis}" for axis in range(3)] for name in names}
        values = {name: ordered.matrix(three[name]).astype(np.float32) for name in names}
    told = (*(repair.counted(repair.samples) for repair in repairs), *ordered.remarks)
    motion = [Track(name, values[name], ordered.time_ns, stated_rate_hz=rate_hz, remarks=told) for name in names]
    return [*motion, *_slow_tracks(blocks, start_ns, repairs, request)]


def _samples(
    blocks: Blocks, names: Sequence[str], start_ns: Nanoseconds, end_ns: Nanoseconds, request: Request
) -> tuple[Nanoseconds, dict[str, npt.NDArray[np.float32]]]:
    """Return (n,) stamps and (n, 3) values of each stream."""
    rows = int(blocks.headers["count"].sum())
    stamps = request.spool.column(np.int64, rows=rows)
    columns = {name: request.spool.columns(3, np.float32, rows=rows) for name in names}
    with byte_bar(blocks.file, BLOCK_BYTES * len(blocks)) as bar:
        for first in range(0, len(blocks), CHUNK_BLOCKS):
            part = slice(first, first + CHUNK_BLOCKS)
            headers = blocks.headers[part]
            counts = _unpacked(blocks.content.at(blocks.offsets[part], BLOCK_BYTES)[:, SAMPLES], headers)
            held = np.arange(counts.shape[1]) < headers["count"][:, None]
            picked = slice(None) if held.all() else held
            step = (end_ns[part] - start_ns[part]) / headers["count"]
            times = start_ns[part, None] + np.rint(np.arange(counts.shape[1]) * step[:, None]).astype(np.int64)
            stamps.append(times[picked].ravel())
            for place, name in enumerate(names):
                scales = _scales(name, headers)[:, None]
                for axis, column in enumerate(columns[name]):
                    column.append((counts[:, :, 3 * place + axis] * scales)[picked].ravel())
            bar.update(BLOCK_BYTES * len(headers))
    return stamps.array(), {
        name: request.spool.stacked([axis.array() for axis in three]) for name, three in columns.items()
    }


def _unpacked(samples: Bytes, headers: Headers) -> npt.NDArray[np.int16]:
    """Return (blocks, capacity, axes) numbers as the device wrote them."""
    layout = int(headers["layout"][0])
    capacity, axes = int(CAPACITY[layout]), 3 * len(LAYOUTS[layout])
    if layout != PACKED:
        numbers = np.ascontiguousarray(samples).view("<i2")[:, : capacity * axes]
        return numbers.reshape(-1, capacity, axes)
    words = np.ascontiguousarray(samples).view("<i4")  # ee zzzzzzzzzz yyyyyyyyyy xxxxxxxxxx
    exponent = (words >> 30) & 3
    unpacked = np.empty((*words.shape, 3), dtype=np.int16)
    for axis, above in enumerate((22, 12, 2)):
        unpacked[:, :, axis] = (words << above >> 22) << exponent
    return unpacked


def _scales(name: str, headers: Headers) -> npt.NDArray[Any]:
    """Return (blocks,) canonical units a count, as the upper bits beside the light state them."""
    light = headers["light"].astype(np.int64)
    if name == "accel":
        return (1 / (256 << (light >> 13))).astype(np.float32)  # powers of two: exact
    if name == "mag":
        return np.full(len(headers), 1 / 16, dtype=np.float32)
    code = (light >> 10) & 7
    full_scale_dps = np.where(code == 0, 2000.0, 8000.0 / (1 << code))
    return np.radians(full_scale_dps / 32768)  # float64: float32 would double the rounding


def _slow_tracks(blocks: Blocks, start_ns: Nanoseconds, repairs: Sequence[Repair], request: Request) -> list[Track]:
    """Return what is measured once a block, at its start."""
    headers = blocks.headers
    columns = _in_units(
        {
            "temperature": headers["temperature"] & 1023,
            "light_raw": headers["light"] & 1023,
            "battery": headers["battery"],
        }
    )
    ordered = in_order(Rows(blocks.file, start_ns, columns), request.repair, request.spool)
    told = (*(repair.counted(repair.blocks) for repair in repairs if repair.blocks), *ordered.remarks)
    return [
        Track(name, values[:, None], ordered.time_ns, channels=(name,), unit=_SLOW_UNITS[name], remarks=told)
        for name, values in ordered.columns.items()
    ]


def _in_units(raw: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float32]]:
    """Return readings in units, missing where the device wrote 0 for unknown; without those that are never known."""
    columns: dict[str, npt.NDArray[np.float32]] = {}
    for name, numbers in raw.items():
        factor, offset = _SLOW_SCALES[name]
        values = np.where(numbers == 0, np.nan, numbers * np.float64(factor) + offset).astype(np.float32)
        if not np.isnan(values).all():
            columns[name] = values
    return columns


# ---- what the header says ----


def _stated(header: bytes) -> dict[str, str]:
    """Return device and firmware; nothing of the header's serial numbers and free text."""
    if len(header) < HEADER_BYTES:
        return {}
    return {"device": _MODELS.get(header[4], ""), "firmware": str(header[41])}


def _of_header(header: bytes) -> list[Remark]:
    if header:
        return []
    note = "the header is damaged; device and firmware are not known, rate and scales stand in each block"
    return [Remark("damaged_header", 1, note, "download it from the device again")]


def _wrist(text: bytes) -> Side | None:
    place = _SIDE.search(text)
    if place is None:
        return None
    return "left" if place[1].lower() == b"left" else "right"


def _frame(tracks: Sequence[Track]) -> Remark:
    return device_frame(next(len(track.values) for track in tracks if track.name == "accel"))


# ---- the converter's WAV ----


def _is_wave(head: bytes) -> bool:
    """Return whether a WAV names an Axivity and axes of acceleration; any other is sound, or another device's."""
    is_wave = head[:4] == b"RIFF" and head[8:12] == b"WAVE"
    return is_wave and re.search(rb"Device: (CWA|AX\d)", head) is not None and b": Accel-X" in head


def _read_wave(path: Path, head: bytes) -> Gathered:
    """Return the motion in a WAV of the vendor's converter, which has brought it to an even rate."""
    stated = dict(re.findall(r"([A-Z][A-Za-z]*(?:-\d)?): ([^\n\0]*)", head.decode("latin-1")))
    rate_hz, counts = _wave_counts(path)
    start_ns, firmware = _wave_start_ns(stated), stated.get("Firmware", "").strip()
    known = start_ns is not None
    values = _wave_accel(path.name, stated, counts)
    accel = Track("accel", values, start_ns=start_ns or 0, rate_hz=rate_hz, remarks=_of_wave(head, counts, rate_hz))
    with path.open("rb") as file:
        digest = hash_of_file(file)
    unknown = Remark("start_unknown", 1, "it does not say when it starts", "keep the .cwa that it was made from")
    return Gathered(
        [accel, *_wave_slow_tracks(counts, accel)],
        clock="local" if known else "none",
        remarks=(_frame([accel]), *(() if known else (unknown,))),
        wrist=_wrist(head),
        source=source_of(path, "axivity_wav", digest, {"firmware": firmware if firmware.isdigit() else ""}),
    )


def _wave_counts(path: Path) -> tuple[float, npt.NDArray[np.int16]]:
    """Return the rate in Hz and (n, channels) numbers of 16 bits."""
    import soundfile

    try:
        with path.open("rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            if sound.subtype != "PCM_16":
                raise _bad_wave(path.name, f"its numbers are {sound.subtype}, expected PCM_16")
            rate_hz, counts = float(sound.samplerate), sound.read(dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _bad_wave(path.name, f"it cannot be decoded ({error.error_string.strip()})") from error
    if not len(counts):
        raise EmptyRecordingError(
            "it holds a header and no samples", code="empty", remedy="convert it again from the .cwa", file=path
        )
    return rate_hz, counts


def _bad_wave(name: str, message: str) -> RecordingError:
    return RecordingError(message, code="wav", remedy="read the .cwa that it was made from", file=name)


def _wave_accel(name: str, stated: Mapping[str, str], counts: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return (n, 3) g; missing where the converter flags that it had no data."""
    columns = {text: key.removeprefix("Channel-") for key, text in stated.items() if key.startswith("Channel-")}
    values = np.empty((len(counts), 3), dtype=np.float32)
    for axis, letter in enumerate("XYZ"):
        number = columns.get(f"Accel-{letter}", "")
        scale = stated.get(f"Scale-{number}", "")
        if scale not in {"2", "4", "8", "16"} or not 1 <= int(number) <= counts.shape[1]:
            raise _bad_wave(name, f"channel Accel-{letter} is {number!r} of {counts.shape[1]}, its scale {scale!r} g")
        values[:, axis] = counts[:, int(number) - 1] * np.float32(int(scale) / 32768)
    if counts.shape[1] > 3:
        values[counts[:, 3] < 0] = np.nan  # its top bit says so
    return values


def _wave_start_ns(stated: Mapping[str, str]) -> int | None:
    text = re.fullmatch(r"(20\d\d-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)\s*", stated.get("Time", ""), re.ASCII)
    try:
        return None if text is None else int(np.datetime64(f"{text[1]}T{text[2]}", "ns").astype(np.int64))
    except ValueError:  # such as a month 13
        return None


def _of_wave(head: bytes, counts: npt.NDArray[np.int16], rate_hz: float) -> tuple[Remark, ...]:
    note = f"the converter brought it to an even {rate_hz:g} Hz; when the device took samples is not in this file"
    even = Remark("resampled", len(counts), note, "read the .cwa that it was made from")
    promised = _promised_bytes(head) // (2 * counts.shape[1])
    if promised <= len(counts):
        return (even,)
    lost = f"its header promises {promised} samples, {len(counts)} are there"
    return (even, Remark("truncated", promised - len(counts), lost, "copy or convert it again"))


def _promised_bytes(head: bytes) -> int:
    """Return the size that the chunk of samples states; 0 where it does not begin near the start, as it always does."""
    place = 12
    while place + 8 <= len(head):
        size = int.from_bytes(head[place + 4 : place + 8], "little")
        if head[place : place + 4] == b"data":
            return size
        place += 8 + size + size % 2
    return 0


def _wave_slow_tracks(counts: npt.NDArray[np.int16], accel: Track) -> list[Track]:
    """Return what the fourth channel carries beside the samples: 4 bits that say what, 10 bits of a reading."""
    if counts.shape[1] < 4 or accel.rate_hz is None:
        return []
    auxiliary = counts[:, 3].astype(np.int64)
    tracks: list[Track] = []
    for kind, name in ((1, "battery_raw"), (2, "light_raw"), (3, "temperature")):
        rows = np.flatnonzero((auxiliary >= 0) & (auxiliary >> 10 & 15 == kind))
        time_ns = accel.start_ns + np.rint(rows * (1e9 / accel.rate_hz)).astype(np.int64)
        tracks.extend(
            Track(name, values[:, None], time_ns, channels=(name,), unit=_SLOW_UNITS[name])
            for values in _in_units({name: auxiliary[rows] & 1023}).values()
        )
    return tracks
