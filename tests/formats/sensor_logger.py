"""Exports as Sensor Logger writes them: one CSV a sensor, stamped in nanoseconds since 1970, of a slow turn about x."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np

START_NS = 1_772_438_400_123_456_789
HEADER = (
    *("time", "seconds_elapsed"),
    *("rotationRateX", "rotationRateY", "rotationRateZ"),
    *("gravityX", "gravityY", "gravityZ"),
    *("accelerationX", "accelerationY", "accelerationZ"),
    *("quaternionW", "quaternionX", "quaternionY", "quaternionZ"),
)
METADATA = {
    "platform": "ios",
    "appVersion": "1.63",
    "standardisation": "false",
    "recording timezone": "Europe/Paris",
    "device name": "Somebody's iPhone",
    "sensors": "Heart Rate|Wrist Motion",
    "sampleRateMs": "|20",
}


def contents(*, rows=60, seed=0, size=1.0, attitude=True, **stated):
    """Return file name to content of an export with every file that is read.

    ``size`` is 1 g in the unit and sign of acceleration, such as -9.80665 where it is standardised; without attitude
    there are no quaternions; ``stated`` goes to the metadata.
    """
    random = np.random.default_rng(seed)
    width = len(HEADER) if attitude else HEADER.index("quaternionW")
    lines = (_row(number, random.normal(0, 0.01, 3), size, width) for number in range(rows))
    metadata = METADATA | stated
    heart = (f"{START_NS + 10**9 * (1 + k)},{1.0 + k},{61 + k % 3}" for k in range(5))
    note = f'{START_NS + 10**9},1.0,"None, yet",90'
    return {
        "WristMotion.csv": _table(",".join(HEADER[:width]), lines),
        "HeartRate.csv": _table("time,seconds_elapsed,bpm", heart),
        "Annotation.csv": _table("time,seconds_elapsed,text,millisecond_press_duration", [note]),
        "Metadata.csv": _table(",".join(metadata), [",".join(metadata.values())]),
    }


def _row(number, user, size, width):
    elapsed_s = number * 0.02
    half = 0.2 * elapsed_s
    turn, gravity = (0.4, 0.0, 0.0), (0.0, -np.sin(2 * half), -np.cos(2 * half))
    values = (*turn, *np.multiply(gravity, size), *np.multiply(user, size), np.cos(half), np.sin(half), 0.0, 0.0)
    fields = [str(START_NS + 20_000_000 * number), f"{elapsed_s:.2f}", *(f"{value:.6f}" for value in values)]
    return ",".join(fields[:width])


def _table(header, lines):
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


def of_phone(*, rows=60, seed=0):
    """Return file name to content of an export of an iPhone alone: gravity and user acceleration apart, in m/s2."""
    random = np.random.default_rng(seed)
    stamps = [(START_NS + 20_000_000 * number, 0.02 * number) for number in range(rows)]
    means = {"Accelerometer": (0, 0, 0), "Gravity": (0, 0, -9.80665), "Gyroscope": (0.1, 0, 0)}
    files = {}
    for name, mean in means.items():
        noise = 0.0 if name == "Gravity" else 0.01
        lines = (f"{ns},{s:.2f}," + ",".join(f"{v:.6f}" for v in random.normal(mean, noise)) for ns, s in stamps)
        files[f"{name}.csv"] = _table("time,seconds_elapsed,x,y,z", lines)
    return files | {"Metadata.csv": contents()["Metadata.csv"]}


def write(folder: Path, *, zipped=False, prefix="", replaced=None, phone=False, **options) -> Path:
    """Return an export; ``replaced`` gives other contents by name, and ``prefix`` goes before names in a zip."""
    files = (of_phone if phone else contents)(**options) | (replaced or {})
    path = folder / ("export.zip" if zipped else "export")
    if zipped:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(prefix + name, content)
        return path
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def write_alone(folder: Path, file="WristMotion.csv", **options) -> Path:
    """Return one file of an export by itself."""
    path = folder / file
    path.write_bytes(contents(**options)[file])
    return path


def write_json(folder: Path, **options) -> Path:
    """Return an export as one list of readings, each with the name of its sensor."""
    readings = [
        {"sensor": name.removesuffix(".csv"), **row}
        for name, content in contents(**options).items()
        for row in csv.DictReader(io.StringIO(content.decode()))
    ]
    path = folder / "export.json"
    path.write_text(json.dumps(readings), encoding="utf-8")
    return path
