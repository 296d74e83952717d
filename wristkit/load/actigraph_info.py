"""What both generations of an ActiGraph's files share: info.txt, the scale of its counts, and its clock."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.load.gather import Remark
from wristkit.load.members import MOST_BINARY_RATIO, Members, reading
from wristkit.load.progress import byte_bar
from wristkit.recording import Side

INFO, LOG, OLD, OLD_LIGHT = "info.txt", "log.bin", "activity.bin", "lux.bin"
_TICKS_TO_1970 = 621_355_968_000_000_000  # .NET counts 100 ns from year 1

# Counts per g, by the start of the serial number, where the file states none.
_SCALES: Mapping[str, float] = MappingProxyType({"NEO": 341.0, "CLE": 341.0, "MRA": 341.0, "MOS": 256.0, "TAS": 256.0})
_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "NEO": "GT3X+",
        "CLE": "wGT3X+",
        "MRA": "ActiSleep+",
        "MOS0": "wGT3X-BT",
        "MOS2": "wGT3X-BT",
        "MOS3": "wActiSleep+",
        "MOS4": "wActiSleep-BT",
        "TAS": "GT9X Link",
    }
)


@dataclass(frozen=True)
class Info:
    """What info.txt says of the device and its clock; nothing of the wearer."""

    family: str  # start of the serial number, which tells the model
    firmware: str
    device_type: str
    rate_hz: float | None
    start_ns: int | None
    utc_offset_s: int | None
    scale: float | None
    wrist: Side | None

    @classmethod
    def of(cls, content: bytes) -> "Info":
        """Return what these lines of ``key: value`` say."""
        pairs = (line.partition(":") for line in content.decode("utf-8", "replace").lstrip("\ufeff").splitlines())
        lines = {key.strip(): text.strip() for key, _, text in pairs}
        return cls(
            family=_matched(lines, "Serial Number", r"([A-Z]{3}\d?)[\w-]*"),
            firmware=_matched(lines, "Firmware", r"([\d.]{1,16})"),
            device_type=_matched(lines, "Device Type", r"([A-Za-z][\w+ -]{0,23})"),
            rate_hz=_positive(_matched(lines, "Sample Rate", r"(\d{1,4}(?:\.\d{1,6})?)")),
            start_ns=_from_ticks(_matched(lines, "Start Date", r"(\d{1,19})")),
            utc_offset_s=_offset_s(lines.get("TimeZone", "")),
            scale=_positive(_matched(lines, "Acceleration Scale", r"(\d{1,6}(?:\.\d{1,6})?)")),
            wrist=_side(lines),
        )

    @property
    def model(self) -> str:
        """Name of the model."""
        return _MODELS.get(self.family) or _MODELS.get(self.family[:3]) or self.device_type


def _matched(lines: Mapping[str, str], key: str, pattern: str) -> str:
    match = re.fullmatch(pattern, lines.get(key, ""), re.ASCII)
    return match[1] if match else ""


def _positive(text: str) -> float | None:
    return float(text) if text and float(text) > 0 else None


def _from_ticks(text: str) -> int | None:
    ticks = int(text or 0) - _TICKS_TO_1970
    return ticks * 100 if 0 < ticks < 2**62 // 100 else None


def _offset_s(text: str) -> int | None:
    match = re.fullmatch(r"([+-]?)(\d\d?):(\d\d):(\d\d)", text, re.ASCII)
    if match is None or int(match[2]) > 14 or int(match[3]) > 59 or int(match[4]) > 59:
        return None
    offset_s = int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4])
    return -offset_s if match[1] == "-" else offset_s


def _side(lines: Mapping[str, str]) -> Side | None:
    side = lines.get("Side", "").lower()
    if lines.get("Limb", "").lower() != "wrist" or side not in {"left", "right"}:
        return None
    return "left" if side == "left" else "right"


def chunks_of(members: Members, name: str, size: int) -> Iterator[bytes]:
    """Yield all bytes of one file; damage of the zip itself raises."""
    opened = members.open(name, most_ratio=MOST_BINARY_RATIO)
    with opened as file, byte_bar(name, members.size(name)) as bar:
        while chunk := _next_chunk(file, size, name):
            bar.update(len(chunk))
            yield chunk


def _next_chunk(file: IO[bytes], size: int, name: str) -> bytes:
    with reading(name):
        return file.read(size)


def in_g(counts: tuple[npt.NDArray[Any], ...], scale: float) -> npt.NDArray[np.float32]:
    """Return (n, 3) acceleration of three columns of counts."""
    values = np.empty((3, len(counts[0])), dtype=np.float32).T  # each axis in one piece: all who read it go by axis
    for axis, column in enumerate(counts):
        np.divide(column, np.float32(scale), out=values[:, axis], dtype=np.float32)
    return values


def scale_of(stated: Sequence[float], info: Info) -> float:
    """Return counts per g: as the log states, or info.txt, or as the family of the device is known for."""
    scale = stated[0] if stated else info.scale or _SCALES.get(info.family[:3])
    if scale is None:
        raise RecordingError(
            f"nothing states the scale of its acceleration, and the device is none of {', '.join(_SCALES)}",
            code="unit_unknown",
            remedy="download the recording again with the vendor's program, or export it to CSV there",
            file=INFO,
        )
    return scale


def of_clock(info: Info, *, is_utc: bool) -> Iterator[Remark]:
    """Yield what is to be said where the offset in info.txt made times UTC; ``is_utc``: the log was UTC anyway."""
    if not is_utc and info.utc_offset_s is not None:
        note = f"times are UTC: the device's clock less the offset of {info.utc_offset_s} s that {INFO} states"
        yield Remark("zone_offset", 1, note, "check the offset where clocks were changed by set-up")
