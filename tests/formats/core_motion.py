"""Core Motion logs as the logger for the watch writes them, from a body that turns slowly about one axis."""

import json
import zipfile
from pathlib import Path

import numpy as np

BOOT_S, UNIX_S = 5_321.25, 1_714_550_000.5
XYZ = ("X", "Y", "Z")
STATED = {
    "format": "core_motion",
    "version": 1,
    "device": "Watch7,5",
    "system": "watchOS 11.5",
    "wrist": "left",
    "crown": "right",
    "zone": "Europe/Paris",
    "rates_hz": {"accelerometer": 800, "device_motion": 200},
}


def sources(*, seconds=1.0, seed=0):
    """Return source to columns by name, as Core Motion gives them: 800 Hz, 200 Hz, 50 Hz and 1 Hz."""
    random = np.random.default_rng(seed)
    return {
        "clock.csv": {"timestamp": BOOT_S + np.array([0.0, seconds]), "unix": UNIX_S + np.array([0.0, seconds])},
        "accelerometer.csv": {**_stamps(800, seconds), **_accelerations(random, round(800 * seconds))},
        "device_motion.csv": _device_motion(random, seconds),
        "recorder.csv": {
            "startDate": UNIX_S - 60 + np.arange(round(50 * seconds)) / 50,
            "identifier": 7_000_000 + np.arange(round(50 * seconds)),
            **_accelerations(random, round(50 * seconds)),
        },
        "heart_rate.csv": {
            "timestamp": BOOT_S + np.arange(max(round(seconds), 1)),
            "heartRate": random.integers(60, 90, max(round(seconds), 1)).astype(float),
            "confidence": random.integers(0, 4, max(round(seconds), 1)),
        },
        "health_heart_rate.csv": {"startDate": UNIX_S + np.array([0.1, 1.3]), "heartRate": np.array([61.0, 62.0])},
    }


def _stamps(rate_hz, seconds):
    ticks = np.arange(round(rate_hz * seconds))
    return {"timestamp": BOOT_S + 0.01 + ticks / rate_hz, "batch": ticks // rate_hz}


def _accelerations(random, count):
    at_rest = random.normal([0.1, 0.2, -0.97], 0.01, (count, 3))
    return {f"acceleration{axis}": at_rest[:, column] for column, axis in enumerate(XYZ)}


def _device_motion(random, seconds):
    stamps = _stamps(200, seconds)
    angle = 0.4 * (stamps["timestamp"] - BOOT_S)
    nothing = np.zeros_like(angle)
    values = {
        "quaternion": dict(zip("WXYZ", (np.cos(angle / 2), np.sin(angle / 2), nothing, nothing), strict=True)),
        "rotationRate": dict(zip(XYZ, (nothing + 0.4, nothing, nothing), strict=True)),
        "gravity": dict(zip(XYZ, (nothing, -np.sin(angle), -np.cos(angle)), strict=True)),
        "userAcceleration": dict(zip(XYZ, random.normal(0, 0.01, (3, len(angle))), strict=True)),
        "magneticField": dict(zip(XYZ, random.normal(20, 1, (3, len(angle))), strict=True)),
    }
    columns = {f"{name}{axis}": one for name, axes in values.items() for axis, one in axes.items()}
    accuracy = np.where(np.arange(len(angle)) < 20, -1, 2)
    return {**stamps, **columns, "magneticFieldAccuracy": accuracy, "heading": nothing + 90, "sensorLocation": nothing}


def table(columns):
    """Return the text of a CSV with these columns."""
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return ",".join(columns) + "\n" + "".join(",".join(repr(round(value, 6)) for value in row) + "\n" for row in rows)


def write(folder: Path, *, files=None, stated=None, packed=False, without=(), **options) -> Path:
    """Return a log: ``files`` are texts or columns in place of those of ``sources``, ``stated`` what is added to it."""
    contents = {**sources(**options), **(files or {})}
    texts = {name: one if isinstance(one, str) else table(one) for name, one in contents.items() if name not in without}
    texts["wristkit.json"] = json.dumps({**STATED, **(stated or {})})
    if packed:
        with zipfile.ZipFile(folder / "log.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(f"log/{name}", text)
        return folder / "log.zip"
    (folder / "log").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / "log" / name).write_text(text, encoding="utf-8")
    return folder / "log"
