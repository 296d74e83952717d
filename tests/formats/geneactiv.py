"""Writes small GENEActiv files in the documented layout: no recording of a person, and no device wrote them."""

from datetime import datetime, timedelta

HEADER = {
    "Device Identity": {
        "Device Unique Serial Code": "099999",
        "Device Type": "GENEActiv",
        "Device Model": "1.1",
        "Device Firmware Version": "Ver4.08a date14Jul14",
        "Calibration Date": "2019-02-04 13:49:24:000",
    },
    "Device Capabilities": {
        "Accelerometer Range": "-8 to 8",
        "Accelerometer Resolution": "0.0039",
        "Accelerometer Units": "g",
    },
    "Configuration Info": {
        "Measurement Frequency": "50 Hz",
        "Start Time": "2026-05-01 08:00:00:000",
        "Time Zone": "GMT +02:00",
    },
    "Trial Info": {"Study Centre": "A Hospital", "Investigator ID": "Dr Who", "Extract Notes": ""},
    "Subject Info": {
        "Device Location Code": "left wrist",
        "Subject Code": "S-0042",
        "Date of Birth": "1970-2-3",
        "Subject Notes": "likes tea",
    },
    "Calibration Data": {
        "x gain": "25522",
        "x offset": "272",
        "y gain": "25457",
        "y offset": "-1129",
        "z gain": "24829",
        "z offset": "101",
        "Volts": "42",
        "Lux": "886",
    },
}


def counts(number):
    """Return the 300 samples of a page: x, y, z in -2048 to 2047, light below 1024, button."""
    return [
        (
            (number * 37 + k * 11) % 4096 - 2048,
            (k * 29) % 400 - 200,
            255 - k % 7,
            (number + k) % 1024,
            int(k in range(40, 50) and number == 1),
        )
        for k in range(300)
    ]


def hexed(samples):
    """Return the hex text of samples, one at a time."""
    text = ""
    for x, y, z, light, button in samples:
        packed = (x & 0xFFF) << 36 | (y & 0xFFF) << 24 | (z & 0xFFF) << 12 | light << 2 | button << 1
        text += f"{packed:012X}"
    return text


def page(number, *, rate_hz=50.0, start=datetime(2026, 5, 1, 8), line_end="\n", decimal="."):  # noqa: DTZ001  wall clock
    """Return the text of one page."""
    stamp = start + timedelta(seconds=300 / rate_hz) * number
    lines = [
        "Recorded Data",
        "Device Unique Serial Code:099999",
        f"Sequence Number:{number}",
        f"Page Time:{stamp:%Y-%m-%d %H:%M:%S}:{stamp.microsecond // 1000:03d}",
        "Unassigned:",
        f"Temperature:{28.2 + number / 10:.1f}".replace(".", decimal),
        "Battery voltage:4.1642".replace(".", decimal),
        "Device Status:Recording",
        f"Measurement Frequency:{rate_hz:.1f}".replace(".", decimal),
        hexed(counts(number)),
    ]
    return "".join(line + line_end for line in lines)


def header(*, pages, line_end="\n", **changes):
    """Return the text before the first page; ``changes`` are other values of lines, by key, and None leaves one out."""
    lines = []
    for section, given in HEADER.items():
        lines.append(section)
        for key, text in given.items():
            told = changes.get(key, text)
            lines += [] if told is None else [f"{key}:{told}"]
        lines.append("")
    return "".join(line + line_end for line in [*lines, "Memory Status", f"Number of Pages:{pages}", ""])


def write(folder, *, pages=6, promised=None, name="wrist.bin", line_end="\n", decimal=".", **changes):
    """Return the path of a file of some pages, each right after the other."""
    path = folder / name
    text = header(pages=pages if promised is None else promised, line_end=line_end, **changes)
    text += "".join(page(number, line_end=line_end, decimal=decimal) for number in range(pages))
    path.write_bytes(text.encode("latin-1"))
    return path
