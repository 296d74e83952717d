"""Writes small ActiGraph files as the vendor's public description of the format has them.

No device wrote them: real ones differ in ways that a description does not tell.
"""

import json
import zipfile

TICKS_TO_1970 = 621_355_968_000_000_000
START_S = 1_777_622_400  # 2026-05-01 08:00:00 by the clock on the wall
INFO = {
    "Serial Number": "MOS2D99999999",
    "Device Type": "wGT3XBT",
    "Firmware": "1.9.2",
    "Battery Voltage": "4.12",
    "Sample Rate": "30",
    "Start Date": str(START_S * 10**7 + TICKS_TO_1970),
    "Stop Date": "0",
    "Board Revision": "4",
    "Acceleration Scale": "256.0",
    "Subject Name": "P09 Jane Roe",
    "DateOfBirth": "621355968000000000",
    "Limb": "Wrist",
    "Side": "Right",
}
ACTIVITY, BATTERY, EVENT, LUX, METADATA, CAPSENSE, PARAMETERS, ACTIVITY2 = 0, 2, 3, 5, 6, 13, 21, 26


def record(kind, second, payload):
    """Return one record with its checksum."""
    body = bytes([0x1E, kind]) + second.to_bytes(4, "little") + len(payload).to_bytes(2, "little") + payload
    checksum = 0
    for byte in body:
        checksum ^= byte
    return body + bytes([checksum ^ 0xFF])


def packed(samples):
    """Return samples (x, y, z) as twelve bits each, in the order y, x, z, the first bit first."""
    bits = "".join(f"{value & 0xFFF:012b}" for x, y, z in samples for value in (y, x, z))
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def words(samples):
    """Return samples (x, y, z) as signed words, low byte first, in that order."""
    return b"".join((value & 0xFFFF).to_bytes(2, "little") for sample in samples for value in sample)


def parameter(space, key, code):
    """Return one entry of a parameters record."""
    return space.to_bytes(2, "little") + key.to_bytes(2, "little") + code.to_bytes(4, "little")


def float_code(number):
    """Return the four bytes of a positive number as a parameter holds it."""
    exponent = 0
    while number >= 1:
        number, exponent = number / 2, exponent + 1
    while number < 0.5:
        number, exponent = number * 2, exponent - 1
    return (exponent & 0xFF) << 24 | int(number * 2**23)


def samples_of_second(second, rate_hz=30):
    """Return the samples of one second, in counts."""
    return [((second * 31 + k * 7) % 4096 - 2048, (k * 13) % 300 - 150, 250 - k % 5) for k in range(rate_hz)]


def log(*, seconds=20, kind=ACTIVITY, rate_hz=30, asleep=(), scale=256.0, extra=b""):
    """Return the bytes of log.bin; the seconds in ``asleep`` have no activity."""
    bio = {"MetadataType": "Bio", "SubjectName": "P09 Jane Roe", "Side": "Right"}
    parts = [record(METADATA, START_S, json.dumps(bio).encode())]
    if scale is not None:
        entries = parameter(0, 55, float_code(scale)) + parameter(1, 2, 0x14) + parameter(1, 10, rate_hz)
        parts.append(record(PARAMETERS, START_S, entries))
    parts.append(extra)
    pack = packed if kind == ACTIVITY else words
    for second in range(seconds):
        if second not in asleep:
            parts.append(record(kind, START_S + second, pack(samples_of_second(second, rate_hz))))
        if second % 10 == 0:
            parts.append(record(BATTERY, START_S + second, (4120 - second).to_bytes(2, "little")))
            parts.append(record(LUX, START_S + second, (100 + second).to_bytes(2, "little")))
    return b"".join(parts)


def write(folder, *, content=None, name="wrist.gt3x", info=None, light=None, **options):
    """Return the path of a zip with info.txt and log.bin; ``light`` makes it one of older firmware, with lux.bin."""
    path = folder / name
    lines = {**INFO, **(info or {})}
    text = "".join(f"{key}: {value}\r\n" for key, value in lines.items() if value is not None)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("info.txt", text)
        archive.writestr("log.bin" if light is None else "activity.bin", log(**options) if content is None else content)
        if light is not None:
            archive.writestr("lux.bin", light)
    return path
