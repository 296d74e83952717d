"""Writes ``.cwa`` files of an AX3 or AX6 as the vendor documents them, and the WAV that its converter makes.

No device wrote them: the clock of this one runs slow by 1.5 %, as real ones do.
"""

import struct
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from wristkit.simulate.formats import cwa_date as stamp
from wristkit.simulate.formats import cwa_packed as pack
from wristkit.simulate.formats import cwa_summed as summed

HEADER_BYTES, BLOCK_BYTES = 1024, 512
START = datetime(2026, 5, 1, 8, 0, 0)  # noqa: DTZ001  the device knows no zone
SERIAL, SESSION = 39_999, 770_077
PACKED, UNPACKED, GYRO = 0x30, 0x32, 0x62
CAPACITY = {PACKED: 120, UNPACKED: 80, GYRO: 40}
AXES = {PACKED: 3, UNPACKED: 3, GYRO: 6}


def header(*, layout=PACKED, annotation="_p=left+wrist&_sn=Jane+Roe"):
    """Return the 1,024 bytes at the start of a file."""
    hardware = 0x64 if layout == GYRO else 0x17
    start = struct.pack("<2sHBHI", b"MD", 1020, hardware, SERIAL, SESSION).ljust(36, b"\xff")
    start += bytes([0x4A]) + struct.pack("<I", stamp(START)) + bytes([44])
    return (start.ljust(64, b"\xff") + annotation.encode()).ljust(HEADER_BYTES, b"\xff")


def unpack(word):
    """Return the three numbers in one word of 32 bits, bit by bit: the slow twin."""
    exponent, numbers = word >> 30, []
    for place in range(3):
        ten = (word >> (10 * place)) & 0x3FF
        numbers.append((ten - 0x400 if ten & 0x200 else ten) * 2**exponent)
    return numbers


def block(counts, *, sequence, time, layout=PACKED, offset=0, rate=0x4A, scales=0, **fields):
    """Return one block; ``offset`` is the sample at which the whole second ``time`` holds."""
    count = fields.get("count", len(counts))
    start = struct.pack("<2sHHII", b"AX", 508, 0x8000, fields.get("session", SESSION), sequence)
    start += struct.pack(
        "<IHHBB", fields.get("stamp", stamp(time)), scales << 10 | fields.get("light", 300), 258, 0, 190
    )
    start += struct.pack("<BBhH", rate, layout, offset, count)
    samples = pack(counts) if layout == PACKED else counts.astype("<i2").tobytes()
    return summed((start + samples).ljust(510, b"\0"))


def signal(count, *, layout=PACKED, seed=0):
    """Return (count, axes) numbers of a hand that moves, gravity along z."""
    random = np.random.default_rng(seed)
    one_g = 256 if layout == PACKED else 2048
    most = 2_000 if layout == PACKED else 20_000
    accel = np.clip(random.normal([0, 0, one_g], one_g / 4, (count, 3)), -most, most).astype(np.int64)
    if layout == PACKED:
        return np.array([unpack(word) for word in np.frombuffer(pack(accel), "<u4").tolist()])
    gyro = random.integers(-3000, 3000, (count, 3))
    return accel if layout == UNPACKED else np.column_stack([gyro, accel])


def contents(*, layout=PACKED, blocks=24, seed=0, rate_hz=98.5, first=0, **fields):
    """Return blocks of a recording whose samples come ``rate_hz`` a second where 100 are stated."""
    capacity = CAPACITY[layout]
    counts = signal(blocks * capacity, layout=layout, seed=seed).reshape(blocks, capacity, -1)
    written = []
    for number in range(blocks):
        begun_s = (first + number) * capacity / rate_hz
        second = int(np.ceil(begun_s))
        offset, time = round((second - begun_s) * rate_hz), START + timedelta(seconds=second)
        scales = 0 if layout == PACKED else 0b011_010
        written.append(
            block(
                counts[number],
                sequence=first + number,
                time=time,
                layout=layout,
                offset=offset,
                scales=scales,
                **fields,
            )
        )
    return written


def write(folder: Path, *, layout=PACKED, blocks=24, seed=0, name="ax.cwa", damage=None) -> Path:
    """Return a ``.cwa``; ``damage`` changes its bytes before they are written."""
    whole = header(layout=layout) + b"".join(contents(layout=layout, blocks=blocks, seed=seed))
    path = folder / name
    path.write_bytes(whole if damage is None else damage(whole))
    return path


def write_wav(
    folder: Path, *, samples=500, seed=0, device="CWA", promised=None, time="2026-05-01 08:00:00.250", **texts
) -> Path:
    """Return a WAV as the vendor's converter writes it: chunks of text padded to 1,024 bytes, then four channels."""
    counts = np.random.default_rng(seed).normal([0, 0, 4096], 500, (samples, 3)).astype("<i2")
    auxiliary = np.zeros(samples, dtype="<i2")
    auxiliary[[0, 1, 2]] = 1 << 10 | 900, 2 << 10 | 200, 3 << 10 | 258
    channels = "".join(f"Channel-{one}: Accel-{axis}\nScale-{one}: 8\n" for one, axis in enumerate("XYZ", 1))
    info = b"INFO"
    for key, text in {
        "INAM": "Session: 6\nStart: 1970-01-01 00:00:00.000\nMetadata: _p=right+wrist&_sc=001\n",
        "IART": f"Id: {SERIAL}\nDevice: {device}\nRevision: 17\nFirmware: 44\n",
        "ICMT": f"Time: {time}\n{texts.get('channels', channels)}",
    }.items():
        padded = text.encode() + bytes(len(text) % 2)
        info += key.encode() + struct.pack("<I", len(padded)) + padded
    form = struct.pack("<HHIIHH", 1, 4, 100, 800, 8, 16)
    start = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"LIST" + struct.pack("<I", len(info)) + info
    start += b"JUNK" + struct.pack("<I", 1000 - len(start)) + bytes(1000 - len(start))
    data = np.column_stack([counts, auxiliary]).tobytes()
    size = len(data) if promised is None else 8 * promised
    path = folder / "ax.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", len(start) + 8 + size) + start + b"data" + struct.pack("<I", size) + data
    )
    return path
