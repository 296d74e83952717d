"""What devices and apps write of a recording, in the layouts that their makers document."""

import csv
import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.recording import FloatArray, Recording, Side

Numbers = npt.NDArray[np.int64]

_ZIP_DATE = (2026, 3, 2, 0, 0, 0)  # a fixed date, so that the same content gives the same bytes

# ---- Sensor Logger ----

_MOTION_COLUMNS = (
    *("rotationRateX", "rotationRateY", "rotationRateZ"),
    *("gravityX", "gravityY", "gravityZ"),
    *("accelerationX", "accelerationY", "accelerationZ"),
    *("quaternionW", "quaternionX", "quaternionY", "quaternionZ"),
)
_DECIMALS = (3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)
_METADATA = {
    "version": "3",
    "device name": "simulated",
    "recording epoch time": "",
    "recording time": "",
    "recording timezone": "UTC",
    "platform": "simulated",
    "appVersion": "1.63",
    "device id": "simulated",
    "sensors": "Wrist Motion|Heart Rate|Annotation",
    "sampleRateMs": "20||",
    "standardisation": "false",
    "platform version": "",
}


def sensor_logger_files(recording: Recording, rng: np.random.Generator) -> dict[str, str]:
    """Return the text of each file of a Sensor Logger export, by name; labels become annotations that come late."""
    motion = np.hstack([recording[name].values for name in ("gyro", "gravity", "user_accel", "attitude")])
    columns = [[f"{value:.{places}f}" for value in column] for column, places in zip(motion.T, _DECIMALS, strict=True)]
    heart = recording["heart_rate"]
    labels = recording.labels
    noted_s = np.round(labels["start_s"].to_numpy() + rng.uniform(0.3, 1.2, len(labels)), 3)
    return {
        "WristMotion.csv": _csv(recording, recording["gyro"].time, _MOTION_COLUMNS, columns),
        "HeartRate.csv": _csv(recording, heart.time, ("bpm",), [[f"{value:.0f}" for value in heart.values[:, 0]]]),
        "Annotation.csv": _csv(
            recording,
            noted_s,
            ("text", "millisecond_press_duration"),
            [list(labels["label"]), [str(number) for number in rng.integers(60, 200, len(labels))]],
        ),
        "Metadata.csv": _metadata(recording),
    }


def _csv(recording: Recording, time_s: np.ndarray, names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    ns = recording.start.value + np.round(time_s * 1e9).astype(np.int64) if recording.start is not None else time_s
    elapsed = [f"{second:.5f}" for second in time_s]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "seconds_elapsed", *names))
    writer.writerows(zip(ns.tolist(), elapsed, *columns, strict=True))
    return text.getvalue()


def _metadata(recording: Recording) -> str:
    row = dict(_METADATA)
    if recording.start is not None:
        row["recording epoch time"] = str(recording.start.value // 10**6)
        row["recording time"] = recording.start.strftime("%Y-%m-%d_%H-%M-%S")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([tuple(row), tuple(row.values())])
    return text.getvalue()


def zipped(files: Mapping[str, str]) -> bytes:
    """Return a zip of these texts by name; the same texts give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, text, compresslevel=9)
    return content.getvalue()


# ---- Axivity AX3 ----

CWA_RATE_HZ = 100.0  # what header and blocks state; the samples come when they come
CWA_BLOCK_SAMPLES = 120
_CWA_HEADER_BYTES, _CWA_RATE_CODE, _CWA_PACKED, _CWA_COUNTS_PER_G = 1024, 0x4A, 0x30, 256


def axivity_cwa(accel_g: FloatArray, *, rate_hz: float, local_start: datetime, wrist: Side) -> bytes:
    """Return a ``.cwa`` of whole blocks, of (n, 3) g in the device's own signs.

    Parameters
    ----------
    rate_hz
        Samples a second as they really came, by the device's clock; 100 are stated.
    local_start
        Time on the wall of sample 0, a whole second; the file states no zone.
    """
    counts = np.clip(np.round(accel_g * _CWA_COUNTS_PER_G), -2048, 2047).astype(np.int64)
    blocks = [
        _cwa_block(counts[first : first + CWA_BLOCK_SAMPLES], first=first, rate_hz=rate_hz, local_start=local_start)
        for first in range(0, len(counts) - CWA_BLOCK_SAMPLES + 1, CWA_BLOCK_SAMPLES)
    ]
    return b"".join([_cwa_header(local_start, wrist), *blocks])


def _cwa_header(local_start: datetime, wrist: Side) -> bytes:
    hardware, session, firmware = 0x17, 1, 44
    start = struct.pack("<2sHBHI", b"MD", _CWA_HEADER_BYTES - 4, hardware, 0, session).ljust(36, b"\xff")
    start += struct.pack("<BIB", _CWA_RATE_CODE, cwa_date(local_start), firmware)
    return (start.ljust(64, b"\xff") + f"_p={wrist}+wrist".encode()).ljust(_CWA_HEADER_BYTES, b"\xff")


def _cwa_block(counts: Numbers, *, first: int, rate_hz: float, local_start: datetime) -> bytes:
    """Return 512 bytes; their stamp is the first whole second of the block, beside the sample at which it holds."""
    second = int(np.ceil(first / rate_hz))
    offset = round(second * rate_hz) - first
    number, light, temperature, battery = first // CWA_BLOCK_SAMPLES, 300, 276 + second // 30, 190
    start = struct.pack("<2sHHII", b"AX", 508, 0x8000, 1, number)
    start += struct.pack("<IHHBB", cwa_date(local_start + timedelta(seconds=second)), light, temperature, 0, battery)
    start += struct.pack("<BBhH", _CWA_RATE_CODE, _CWA_PACKED, offset, len(counts))
    return cwa_summed((start + cwa_packed(counts)).ljust(510, b"\0"))


def cwa_date(time: datetime) -> int:
    """Return date and time of an Axivity in 32 bits."""
    date = (time.year - 2000) << 26 | time.month << 22 | time.day << 17
    return date | time.hour << 12 | time.minute << 6 | time.second


def cwa_packed(counts: Numbers) -> bytes:
    """Return (n, 3) counts, three of ten bits and their exponent in 32 bits."""
    exponent = np.zeros(len(counts), dtype=np.int64)
    for shift in (1, 2, 3):
        exponent[(counts >> (shift - 1) > 511).any(axis=1) | (counts >> (shift - 1) < -512).any(axis=1)] = shift
    tens = (counts >> exponent[:, None]) & 0x3FF
    return (exponent << 30 | tens[:, 2] << 20 | tens[:, 1] << 10 | tens[:, 0]).astype("<u4").tobytes()


def cwa_summed(block: bytes) -> bytes:
    """Return 510 bytes with the word behind them that brings the sum of words to 0."""
    total = sum(struct.unpack("<255H", block[:510]))
    return block[:510] + struct.pack("<H", -total & 0xFFFF)


# ---- Empatica E4 ----


def empatica_csv(start_s: float, rate_hz: float, values: FloatArray, *, decimals: int) -> str:
    """Return one file of an E4: start and rate, repeated in each column, then (n, c) values without names."""
    head = [", ".join([f"{number:.6f}"] * values.shape[1]) for number in (start_s, rate_hz)]
    lines = (",".join(f"{value:.{decimals}f}" for value in row) for row in values.tolist())
    return "\n".join([*head, *lines]) + "\n"


def empatica_beats(start_s: float, beats_s: FloatArray, intervals_s: FloatArray) -> str:
    """Return ``IBI.csv``: beats in seconds from the start, and the interval before each."""
    rows = (f"{beat:.6f},{interval:.6f}\n" for beat, interval in zip(beats_s, intervals_s, strict=True))
    return f"{start_s:.6f}, IBI\n" + "".join(rows)


# ---- Apple Health ----

# As iOS 16 and later write it: one declaration lacks its end, and a comment holds an apostrophe and a bracket.
HEALTH_DTD = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!-- Note: a person's records] may stand here twice. -->
<!ATTLIST VisionPrescription
  type CDATA #REQUIRED
  brand CDATA #IMPLIED
<!ELEMENT RightEye EMPTY>
]>
"""
_CONTEXT = '\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="{}"/>\n '


def health_xml(elements: Iterable[str], *, exported: pd.Timestamp) -> str:
    """Return a whole ``export.xml`` of these elements, about nobody."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{HEALTH_DTD}<HealthData locale="en_GB">\n'
        f' <ExportDate value="{_date(exported)}"/>\n <Me HKCharacteristicTypeIdentifierDateOfBirth=""/>\n'
        f"{''.join(elements)}</HealthData>\n"
    )


def health_record(
    kind: str,
    value: str,
    *,
    unit: str,
    span: tuple[pd.Timestamp, pd.Timestamp],
    model: str,
    context: int | None = None,
) -> str:
    """Return one record; ``context`` is the motion that a heart rate is told with: 0 unknown, 1 at rest, 2 moving."""
    told = {"type": f"HKQuantityTypeIdentifier{kind}", **_origin(model), "unit": unit, **_dates(span), "value": value}
    inside = "" if context is None else _CONTEXT.format(context)
    return _element("Record", told, inside)


def health_workout(activity: str, *, span: tuple[pd.Timestamp, pd.Timestamp], model: str) -> str:
    """Return one workout."""
    minutes = (span[1] - span[0]).total_seconds() / 60
    told = {"workoutActivityType": f"HKWorkoutActivityType{activity}", "duration": f"{minutes:.4f}"}
    return _element("Workout", told | {"durationUnit": "min"} | _origin(model) | _dates(span), "")


def _element(name: str, attributes: Mapping[str, str], inside: str) -> str:
    told = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
    return f" <{name}{told}>{inside}</{name}>\n" if inside else f" <{name}{told}/>\n"


def _origin(model: str) -> dict[str, str]:
    kind = "iPhone" if model.startswith("iPhone") else "Watch"
    name = f"name:{kind}, manufacturer:Apple Inc., model:{kind}, hardware:{model}, software:10.4"
    return {"sourceName": f"Simulated {kind}", "sourceVersion": "10.4", "device": f"<<HKDevice: 0x280000000>, {name}>"}


def _dates(span: tuple[pd.Timestamp, pd.Timestamp]) -> dict[str, str]:
    return {"creationDate": _date(span[1]), "startDate": _date(span[0]), "endDate": _date(span[1])}


def _date(time: pd.Timestamp) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")
