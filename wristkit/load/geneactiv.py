"""GENEActiv ``.bin``: a header of text, then pages of 300 samples whose twelve-bit numbers are written as hex."""

import binascii
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.blocks import Damage, damage_remarks, tail_remark
from wristkit.load.gather import Gathered, Mark, Nanoseconds, Remark, Request, Rows, Track, device_frame, source_of
from wristkit.load.order import in_order
from wristkit.load.progress import byte_bar
from wristkit.load.spool import Column, Spool
from wristkit.recording import Side, blocks
from wristkit.recording.hashing import ContentHash

PAGE_SAMPLES = 300
_HEX_CHARS = 12 * PAGE_SAMPLES
_MARK = b"Recorded Data"
_FIRST_LINE = b"Device Identity"
_SECOND_HEADER = re.compile(rb"(?<![^\n])Device Identity\r?\n")
_MOST_HEADER_BYTES = 2**16
_CHUNK_BYTES = 2**22
_MOST_UNMARKED_BYTES = 2**20
_TYPICAL_PAGE_BYTES = 3800
_BATCH_PAGES = 512

# Some set-ups write a comma for the decimal point.
_NUMBER = rb"(-?\d{1,5}(?:[.,]\d{1,6})?)"
_PAGE = re.compile(
    rb"\s*Recorded Data\r?\n"
    rb"Device Unique Serial Code:([^\n]{0,80})\n"
    rb"Sequence Number:\d+\r?\n"
    rb"Page Time:((?:19|20)\d\d-\d\d-\d\d \d\d:\d\d:\d\d):(\d{3})\r?\n"
    rb"Unassigned:[^\n]{0,80}\n"
    rb"Temperature:" + _NUMBER + rb"\r?\n"
    rb"Battery voltage:" + _NUMBER + rb"\r?\n"
    rb"Device Status:[^\n]{0,80}\n"
    rb"Measurement Frequency:" + _NUMBER + rb"[^\n]{0,20}\n"
)
_RATES_HZ = (1.0, 1000.0)
_OFFSET = re.compile(r"GMT\s*([+-])(\d\d?):(\d\d)")
_DRIFT = re.compile(r"clock drift\s*(-?\d{1,6}(?:[.,]\d{1,6})?)\s*s")
_CALIBRATION = ("x gain", "x offset", "y gain", "y offset", "z gain", "z offset", "Volts", "Lux")
# Only these lines of the header are looked at: the others tell of the wearer and the study.
_LOOKED_AT = frozenset(
    (
        *_CALIBRATION,
        "Device Type",
        "Device Model",
        "Device Firmware Version",
        "Measurement Frequency",
        "Time Zone",
        "Device Location Code",
        "Extract Notes",
        "Number of Pages",
    )
)


class Page(NamedTuple):
    """One page: its stamp on the device's clock, what its own header says, and 6 bytes a sample."""

    time_ns: int
    rate_hz: float
    serial: bytes
    temperature_c: float
    battery_v: float
    packed: bytes


@dataclass
class _Found:
    """What reading the pages in turn turned up beside them."""

    digest: ContentHash
    damage: Damage = field(default_factory=Damage)
    page_bytes: int = 0
    devices: dict[bytes, list[int]] = field(default_factory=dict)  # of each serial number the pages' first bytes
    tail: tuple[int, int, int] | None = None  # byte, whole samples and whole readings of a cut last page


@dataclass(frozen=True)
class _Columns:
    """Samples and pages as they are read."""

    time_ns: Column
    axes: tuple[Column, Column, Column]
    light: Column
    button: Column
    page_time_ns: Column
    temperature: Column
    battery: Column

    @classmethod
    def of(cls, spool: Spool) -> "_Columns":
        """Return empty columns."""
        x, y, z, light, temperature, battery = (spool.column(np.float32) for _ in range(6))
        stamps, page_stamps = spool.column(np.int64), spool.column(np.int64)
        return cls(stamps, (x, y, z), light, spool.column(bool), page_stamps, temperature, battery)


def recognises(path: Path) -> bool:
    """Return whether a file starts as a GENEActiv recording does."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(_FIRST_LINE) or b"\nDevice Type:GENEActiv" in head


def read(path: Path, request: Request) -> Gathered:
    """Return acceleration, light, temperature and battery of a GENEActiv file."""
    with path.open("rb") as file:
        header = _header(_head(file), file=path.name)
        found, columns = _Found(ContentHash(header.content)), _Columns.of(request.spool)
        batch: list[Page] = []
        for page in _pages(file, found):
            batch.append(page)
            if len(batch) == _BATCH_PAGES:
                _decode(batch, header, columns)
                batch.clear()
    if batch:
        _decode(batch, header, columns)
    remarks = _remarks(header, found, pages=len(columns.temperature), request=request, file=path.name)
    return _gathered(path, header, columns, content_hash=found.digest.hexdigest(), remarks=remarks, request=request)


def unpacked(packed: bytes) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Return (n, 3) counts, (n,) light counts and (n,) whether the button was down, of 6 bytes a sample."""
    words = np.frombuffer(packed, dtype=">i2").astype(np.int16).reshape(-1, 3).T
    high, middle, low = words  # of 48 bits: x 12, y 12, z 12, light 10, button 1, reserved 1
    counts = np.empty((len(high), 3), dtype=np.int16)
    counts[:, 0] = high >> 4
    counts[:, 1] = (high << 12 | middle >> 4 & 0x0FF0) >> 4
    counts[:, 2] = (middle << 8 | low >> 8 & 0x00F0) >> 4
    return counts, low >> 2 & 0x3FF, (low & 2).astype(bool)


def _head(file: IO[bytes]) -> bytes:
    """Return what stands before the first page, and leave the file there."""
    head = file.read(_MOST_HEADER_BYTES)
    at = head.find(_MARK)
    if not head.startswith(_FIRST_LINE) and b"\nDevice Type:GENEActiv" not in head:
        raise NotThisFormatError(
            f"it starts with {head[:16]!r}, expected {_FIRST_LINE!r}",
            code="format",
            remedy="leave format out, so that the content decides",
            file=file.name,
        )
    if at < 0:
        raise EmptyRecordingError(
            "it has a header and no page of samples", code="empty", remedy="copy it again", file=file.name
        )
    file.seek(0)
    return file.read(at)


@dataclass(frozen=True)
class _Header:
    """The lines of the header that are looked at, and its bytes."""

    lines: Mapping[str, str]
    content: bytes
    gains: npt.NDArray[np.float64]  # (3,)
    offsets: npt.NDArray[np.float64]  # (3,)
    lux_per_count: float
    utc_offset_s: int | None


def _header(content: bytes, *, file: str) -> _Header:
    pairs = (line.partition(":") for line in content.decode("latin-1").splitlines())
    lines = {key.strip(): text.strip() for key, _, text in pairs if key.strip() in _LOOKED_AT}
    number = {key: _number(lines, key, file=file) for key in _CALIBRATION}
    gains, offsets = (np.array([number[f"{axis} {what}"] for axis in "xyz"]) for what in ("gain", "offset"))
    if not gains.all() or not number["Volts"]:
        raise RecordingError(
            f"its calibration has a gain or Volts of zero: gains {gains.tolist()}, Volts {number['Volts']}",
            code="header",
            remedy="copy the file again; without its calibration the counts have no unit",
            file=file,
        )
    return _Header(lines, content, gains, offsets, number["Lux"] / number["Volts"], _utc_offset_s(lines))


def _number(lines: Mapping[str, str], key: str, *, file: str) -> float:
    text = lines.get(key, "")
    if not re.fullmatch(r"-?\d{1,9}(?:[.,]\d{1,9})?", text):
        raise RecordingError(
            f"its header says {text[:20]!r} for {key!r}, expected a number",
            code="header",
            remedy="copy the file again; without its calibration the counts have no unit",
            file=file,
        )
    return float(text.replace(",", "."))


def _utc_offset_s(lines: Mapping[str, str]) -> int | None:
    match = _OFFSET.fullmatch(lines.get("Time Zone", ""))
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:
        return None
    offset_s = int(match[2]) * 3600 + int(match[3]) * 60
    return -offset_s if match[1] == "-" else offset_s


def _pages(file: IO[bytes], found: _Found) -> Iterator[Page]:
    """Yield each whole page in turn; what lies between them is noted as damage, and a cut last page as such."""
    base, pending, content = file.tell(), b"", b"more"
    name = Path(file.name).name
    with byte_bar(name, os.fstat(file.fileno()).st_size) as bar:
        while content:
            content = file.read(_CHUNK_BYTES)
            bar.update(len(content))
            found.digest.update(content)
            pending += content
            stop = pending.rfind(_MARK, 1) if content else len(pending)
            if stop < 1 and len(pending) > _MOST_UNMARKED_BYTES:
                stop = len(pending) - len(_MARK)
            if stop > 0:
                yield from _pages_within(pending[:stop], base, found, last=not content, file=name)
                base, pending = base + stop, pending[stop:]


def _pages_within(data: bytes, base: int, found: _Found, *, last: bool, file: str) -> Iterator[Page]:
    at = 0
    while at < len(data):
        header = _PAGE.match(data, at)
        page = None if header is None else _page(data, header)
        if header is not None and page is not None:
            stop = _after_line(data, header.end() + _HEX_CHARS)
            found.page_bytes = found.page_bytes or stop - at
            found.devices.setdefault(page.serial, []).append(base + at)
            yield page
        else:
            following = data.find(_MARK, at + 1)
            if header is not None:
                following = data.find(_MARK, header.end())
            stop = len(data) if following < 0 else following
            _refuse_second_header(data, (at, stop), base, file)
            _note_unread(data, (at, stop), header, base, found, last=last and following < 0)
        at = stop


def _page(data: bytes, header: re.Match[bytes]) -> Page | None:
    """Return the page that this header begins; None where its text is not 300 samples of hex."""
    serial, clock, milliseconds, *numbers = header.groups()
    stop = header.end() + _HEX_CHARS
    if data[stop : stop + 1] not in {b"", b"\r", b"\n"} and not data.startswith(_MARK, stop):
        return None
    try:
        packed = binascii.unhexlify(data[header.end() : stop])
        seconds = int(datetime.fromisoformat(f"{clock.decode()}+00:00").timestamp())
    except ValueError:
        return None
    temperature_c, battery_v, rate_hz = (float(number.replace(b",", b".")) for number in numbers)
    if len(packed) != 6 * PAGE_SAMPLES or not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        return None
    return Page(seconds * 10**9 + int(milliseconds) * 10**6, rate_hz, serial.strip(), temperature_c, battery_v, packed)


def _refuse_second_header(data: bytes, stretch: tuple[int, int], base: int, file: str) -> None:
    if second := _SECOND_HEADER.search(data, *stretch):
        raise _several("a second header stands between its pages", base + second.start(), file)


def _of_devices(devices: Mapping[bytes, list[int]], file: str) -> Iterator[Remark]:
    """Yield what to say of pages with another serial number than the rest; raise where they are of two devices."""
    most, *others = sorted(devices.values(), key=len, reverse=True) or [[]]
    if others and len(others[0]) > 1:
        raise _several("its pages are of several devices", max(most[0], others[0][0]), file)
    if others:
        note = f"{len(others)} pages have another serial number than the rest; they were read as of the same device"
        yield Remark("serial_differs", len(others), note, "copy the file again from the device")


def _several(seen: str, byte: int, file: str) -> RecordingError:
    return RecordingError(
        f"{seen}: it holds several recordings",
        code="several_recordings",
        remedy="cut the file before that byte and load each part, with its own header",
        file=file,
        byte=byte,
    )


def _after_line(data: bytes, at: int) -> int:
    while data[at : at + 1] in {b"\r", b"\n"}:
        at += 1
    return at


def _note_unread(
    data: bytes, stretch: tuple[int, int], header: re.Match[bytes] | None, base: int, found: _Found, *, last: bool
) -> None:
    start, stop = stretch
    if not data[start:stop].strip():
        return
    if last and stop - start < (found.page_bytes or _TYPICAL_PAGE_BYTES):
        text = b"" if header is None else data[header.end() : stop].strip()
        found.tail = (base + start, len(text) // 12, int(header is not None))
    else:
        found.damage.add(base + start, base + stop)


def _decode(pages: list[Page], header: _Header, columns: _Columns) -> None:
    """Add the samples of these pages to the columns."""
    counts, light, button = unpacked(b"".join(page.packed for page in pages))
    for axis, column in enumerate(columns.axes):
        column.append((counts[:, axis] * 100.0 - header.offsets[axis]) / header.gains[axis])
    columns.light.append(light * header.lux_per_count)
    columns.button.append(button)
    page_ns = np.array([page.time_ns for page in pages], dtype=np.int64)
    period_ns = 1e9 / np.array([page.rate_hz for page in pages])
    within_ns = np.rint(np.arange(PAGE_SAMPLES) * period_ns[:, None]).astype(np.int64)
    columns.time_ns.append((page_ns[:, None] + within_ns).ravel())
    columns.page_time_ns.append(page_ns)
    columns.temperature.append(np.array([page.temperature_c for page in pages]))
    columns.battery.append(np.array([page.battery_v for page in pages]))


def _remarks(header: _Header, found: _Found, *, pages: int, request: Request, file: str) -> list[Remark]:
    """Return what is to be said of the file as a whole; raise where too much of it is damaged or it is cut."""
    remarks = [
        *damage_remarks(
            found.damage,
            good=pages,
            block_bytes=found.page_bytes or _TYPICAL_PAGE_BYTES,
            repair=request.repair,
            file=file,
        )
    ]
    if found.tail is not None:
        byte, samples, readings = found.tail
        told = tail_remark(samples=samples, byte=byte, repair=request.repair, file=file)
        remarks += [replace(told, stream=name) for name in ("light", "accel")]
        remarks += [replace(told, stream=name, count=readings) for name in ("temperature", "battery") if readings]
    if not pages:
        raise EmptyRecordingError("it has no whole page of samples", code="empty", remedy="copy it again", file=file)
    return [*remarks, *_of_devices(found.devices, file), *_of_page_count(header, found, pages), *_of_header(header)]


def _of_page_count(header: _Header, found: _Found, pages: int) -> Iterator[Remark]:
    stated = header.lines.get("Number of Pages", "")
    seen = pages + found.damage.count(found.page_bytes or _TYPICAL_PAGE_BYTES) + (found.tail is not None)
    if re.fullmatch(r"\d{1,9}", stated) and int(stated) != seen:
        note = f"the header promises {stated} pages, the file has {seen}"
        yield Remark("page_count", abs(int(stated) - seen), note, "copy the file again if it should hold more")


def _of_header(header: _Header) -> Iterator[Remark]:
    lines = header.lines
    if header.utc_offset_s is not None:
        note = f"times are UTC: the device's clock less the offset in its header, {_signed(header.utc_offset_s)}"
        yield Remark("zone_offset", 1, note, "check the header's time zone where clocks were changed by set-up")
    if drift := _DRIFT.search(lines.get("Extract Notes", "")):
        note = f"its clock had drifted by {drift[1]} s when it was read out; times are not corrected for that"
        yield Remark("clock_drift", 1, note, "stretch the time axis if you compare with other devices")
    if (model := lines.get("Device Model", "")) != "1.1":
        note = f"light is converted as documented for model 1.1; the header says model {model[:8]!r}"
        yield Remark("light_scale", 1, note, "compare light with a meter before you use its size", stream="light")
    location = lines.get("Device Location Code", "").lower()
    if location and "wrist" not in location:
        note = "its header says that it was worn elsewhere than on a wrist"
        yield Remark("not_wrist", 1, note, "leave it out where a wrist is meant")


def _signed(offset_s: int) -> str:
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    return f"{'-' if offset_s < 0 else '+'}{hours:02d}:{minutes:02d}"


def _wrist(header: _Header) -> Side | None:
    location = header.lines.get("Device Location Code", "").lower()
    sides: tuple[Side, ...] = ("left", "right")
    named = [side for side in sides if side in location and "wrist" in location]
    return named[0] if len(named) == 1 else None


def _gathered(
    path: Path, header: _Header, columns: _Columns, *, content_hash: str, remarks: list[Remark], request: Request
) -> Gathered:
    shift_ns = (header.utc_offset_s or 0) * 10**9
    samples, pages = _samples(path.name, columns, shift_ns, request), _page_rows(path.name, columns, shift_ns, request)
    stated = header.lines.get("Measurement Frequency", "").split(" ")[0].replace(",", ".")
    rate_hz = float(stated) if re.fullmatch(r"\d{1,4}(\.\d{1,6})?", stated) else None
    time_ns, light = samples.time_ns, samples.columns["light"]
    values = request.spool.stacked([samples.columns[axis] for axis in "xyz"])
    frame = device_frame(len(values))
    presses, button = _presses(samples)
    paged = {"temperature": "degC", "battery": "V"}
    return Gathered(
        [
            Track("accel", values, time_ns, stated_rate_hz=rate_hz, remarks=samples.remarks),
            Track("light", light[:, None], time_ns, ("light",), "lux", stated_rate_hz=rate_hz, remarks=samples.remarks),
            *(
                Track(name, pages.columns[name][:, None], pages.time_ns, (name,), unit, remarks=pages.remarks)
                for name, unit in paged.items()
            ),
        ],
        clock="local" if header.utc_offset_s is None else "utc",
        marks=presses,
        remarks=[*remarks, frame, *button],
        wrist=_wrist(header),
        source=_source(path, header, content_hash),
    )


def _samples(file: str, columns: _Columns, shift_ns: int, request: Request) -> Rows:
    named = {name: column.array() for name, column in zip("xyz", columns.axes, strict=True)}
    named |= {"light": columns.light.array(), "button": columns.button.array()}
    time_ns = columns.time_ns.array()
    shifted = request.spool.mapped(lambda block: block - shift_ns, time_ns) if shift_ns else time_ns
    return in_order(Rows(file, shifted, named), request.repair, request.spool)


def _page_rows(file: str, columns: _Columns, shift_ns: int, request: Request) -> Rows:
    named = {"temperature": columns.temperature.array(), "battery": columns.battery.array()}
    return in_order(Rows(file, columns.page_time_ns.array() - shift_ns, named), request.repair, request.spool)


def _presses(samples: Rows) -> tuple[list[Mark], list[Remark]]:
    """Return a label for each press of the button; a finding instead where it bounced more than once a second."""
    first, last = _held_ns(samples)
    seconds = (samples.time_ns[-1] - samples.time_ns[0]) / 1e9
    if len(first) > max(seconds, 1):
        note = f"the button bit is set in {len(first)} stretches, more than one a second; they are no presses"
        return [], [Remark("button_noise", len(first), note, "trust the other bits of this file less")]
    return [
        Mark(int(start), int(stop), "button", "button", "device") for start, stop in zip(first, last, strict=True)
    ], []


def _held_ns(samples: Rows) -> tuple[Nanoseconds, Nanoseconds]:
    """Return the first and the last stamp of each stretch in which the button was down."""
    first, last, was_down, before_ns = [], [], False, samples.time_ns[0]
    for down, time_ns in blocks(samples.columns["button"], samples.time_ns):
        edges = np.flatnonzero(np.diff(down, prepend=was_down))
        first.append(time_ns[edges[down[edges]]])
        last.append(np.append(before_ns, time_ns)[edges[~down[edges]]])
        was_down, before_ns = bool(down[-1]), time_ns[-1]
    return np.concatenate(first), np.concatenate([*last, np.full(int(was_down), before_ns)])


def _source(path: Path, header: _Header, content_hash: str) -> dict[str, str]:
    def stated(key: str) -> str:
        text = header.lines.get(key, "")
        return text if re.fullmatch(r"[\w. :]{1,40}", text) else ""

    model = f"GENEActiv {stated('Device Model')}".strip()
    offset = "" if header.utc_offset_s is None else _signed(header.utc_offset_s)
    firmware = stated("Device Firmware Version")
    return source_of(path, "geneactiv", content_hash, {"device": model, "firmware": firmware, "utc_offset": offset})
