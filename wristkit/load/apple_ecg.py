"""ECGs of an Apple Health export: a CSV each, a header in the phone's language and one number a line.

Keys are translated as well as values, and the decimal mark is that of the phone's region. So rows of the header are
known by what their values look like: a date, a unit, a rate; name and birth date are never looked at.
"""

import re
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import EmptyRecordingError, RecordingError, TruncatedError
from wristkit.load.gather import Remark
from wristkit.load.members import Members
from wristkit.recording.hashing import hash_of

_MOST_BYTES = 2**19  # 30 s at 512 Hz are 130 kB
_MOST_HEADER_LINES = 40
_MILLIVOLTS = {"µV": 1e-3, "μV": 1e-3, "uV": 1e-3, "mV": 1.0, "V": 1e3}  # the first two are different letters
_SLOWEST_HZ, _FASTEST_HZ = 200, 2000  # the line of a mean heart rate looks like a rate, too, and is lower

_RATE = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)\s*([^\W\d]{1,20})\.?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)\s?([+-]\d\d:?\d\d|Z)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{1,12})?", re.ASCII)
_MODEL = re.compile(r"(?:Watch|iPhone|iPad)\d{1,3},\d{1,3}", re.ASCII)

REMEDY = "export again"


class Ecg(NamedTuple):
    """One ECG, (n, 1) in mV; ``device`` is the model, empty where the file does not say."""

    start_ns: int
    rate_hz: float
    millivolts: npt.NDArray[np.float32]
    device: str
    remarks: tuple[Remark, ...]
    content_hash: str


def is_ecg(head: bytes) -> bool:
    """Return whether the first bytes of a file hold the unit of an ECG and a rate in its header."""
    values = [value for value, _ in _header(head.decode("utf-8-sig", errors="replace").splitlines())]
    return any(value in _MILLIVOLTS for value in values) and bool(_rates(values))


def read_ecg(members: Members, file: str, *, drop_tail: bool) -> Ecg:
    """Return the ECG of one file, in mV."""
    content = members.read_text(file, most_bytes=_MOST_BYTES)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(
            "it is no UTF-8 text", code="encoding", remedy=REMEDY, file=file, byte=error.start
        ) from error
    header = _header(lines)
    values = [value for value, _ in header]
    unit = [(value, row) for value, row in header if value in _MILLIVOLTS]
    start, rates = [match for match in map(_DATE.fullmatch, values) if match], _rates(values)
    for what, found in (("unit", unit), ("date", start), ("rate", rates)):
        if len(found) != 1:
            raise RecordingError(
                f"its header has {len(found)} lines that look like its {what}, expected one",
                code=f"ecg_{what}",
                remedy=REMEDY,
                file=file,
            )
    (name, last), first_row = unit[0], unit[0][1] + 1
    samples, remarks = _samples(lines[first_row:], file, ended=content.endswith((b"\n", b"\r")), drop_tail=drop_tail)
    return Ecg(
        _utc_ns(start[0], file),
        rates[0],
        (samples[:, None] * _MILLIVOLTS[name]).astype(np.float32),
        next((value for value in values[:last] if _MODEL.fullmatch(value)), ""),
        remarks,
        hash_of(content),
    )


def _header(lines: list[str]) -> list[tuple[str, int]]:
    """Return (value, line) of each ``key,value`` up to the unit, which is the last."""
    found = []
    for row, line in enumerate(lines[:_MOST_HEADER_LINES]):
        value = line.partition(",")[2].strip().strip('"').strip()
        found.append((value, row))
        if value in _MILLIVOLTS:
            break
    return found


def _rates(values: list[str]) -> list[float]:
    matches = [match for match in map(_RATE.fullmatch, values) if match]
    rates = [float(match[1].replace(",", ".")) for match in matches]
    return [rate for rate in rates if _SLOWEST_HZ <= rate <= _FASTEST_HZ]


def _utc_ns(match: re.Match[str], file: str) -> int:
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3]}")
    except ValueError as error:
        raise RecordingError(
            f"its date is {match[0]!r}, which is none", code="ecg_date", remedy=REMEDY, file=file
        ) from error
    if not 1970 <= moment.year < 2200:
        raise RecordingError(f"its date is in the year {moment.year}", code="ecg_date", remedy=REMEDY, file=file)
    return round(moment.timestamp()) * 10**9


def _samples(
    lines: list[str], file: str, *, ended: bool, drop_tail: bool
) -> tuple[npt.NDArray[np.float64], tuple[Remark, ...]]:
    """Return (n,) numbers of the lines below the header, and what to say of a last line without an end."""
    texts = [line.strip() for line in lines]
    filled = [row for row, text in enumerate(texts) if text]
    cut = not ended and bool(filled)
    kept = filled[:-1] if cut and drop_tail else filled
    if not kept:
        raise EmptyRecordingError("it has a header and no samples", code="empty", remedy=REMEDY, file=file)
    samples = [texts[row] for row in kept]
    wrong = next((row for row, text in enumerate(samples) if not _NUMBER.fullmatch(text)), None)
    if wrong is not None:
        raise RecordingError(
            # What stands there instead may be a name or a birth date out of place.
            f"sample {wrong} is none, but {len(samples[wrong])} characters, expected a number such as -12.5",
            code="not_a_number",
            remedy=REMEDY,
            file=file,
            row=wrong,
        )
    if any("," in text for text in samples) and any("." in text for text in samples):
        raise RecordingError("it has both decimal commas and points", code="decimal_mark", remedy=REMEDY, file=file)
    if cut and not drop_tail:
        raise TruncatedError(
            f"the last line has no end: {samples[-1]!r}",
            code="cut_tail",
            remedy="copy it again; or repair=('drop_tail',) drops this one sample and counts it",
            file=file,
            row=len(samples) - 1,
        )
    note = "the last line has no end and was left out"
    remarks = (Remark("drop_tail", 1, note, "copy the file again"),) if cut else ()
    return np.array([float(text.replace(",", ".")) for text in samples]), remarks
