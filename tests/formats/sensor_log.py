"""SensorLog files: one row a sample of the accelerometer at 100 Hz, the slower sensors repeated on it."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np

BOOT_S = 62_608.25
WALL = datetime(2024, 8, 22, 12, 12, 7, 869_000, tzinfo=UTC)
LAG_S = 0.02
XYZ = ("X", "Y", "Z")


def _cells(values):
    return [repr(round(float(one), 6)) for one in values]


def _motion(ticks):
    """Return column to cells of device motion at 50 Hz: a turn about x at 0.4 rad/s."""
    boot_s = BOOT_S + (ticks // 2) / 50
    angle = 0.4 * (boot_s - BOOT_S)
    nothing = np.zeros_like(angle)
    values = {
        "motionTimestamp_sinceReboot(s)": boot_s,
        "motionYaw(rad)": nothing,
        **{f"motionRotationRate{axis}(rad/s)": nothing + (0.4 if axis == "X" else 0.0) for axis in XYZ},
        **{f"motionUserAcceleration{axis}(G)": np.sin(37 * boot_s) * 0.01 for axis in XYZ},
        # The scalar part last, as the app has it.
        "motionQuaternionX(R)": np.sin(angle / 2),
        "motionQuaternionY(R)": nothing,
        "motionQuaternionZ(R)": nothing,
        "motionQuaternionW(R)": np.cos(angle / 2),
        "motionGravityX(G)": nothing,
        "motionGravityY(G)": -np.sin(angle),
        "motionGravityZ(G)": -np.cos(angle),
        **{f"motionMagneticField{axis}(µT)": 20 + np.cos(boot_s) for axis in XYZ},
    }
    return {name: _cells(column) for name, column in values.items()}


def columns(*, seconds=2.0, zone=timezone(timedelta(hours=2)), seed=0, drift_ppm=0.0, label="label(N)"):
    """Return column to cells; ``zone`` None leaves the offset out of the wall clock."""
    random = np.random.default_rng(seed)
    ticks = np.arange(round(100 * seconds))
    boot_s = BOOT_S + ticks / 100
    local = [
        (WALL + timedelta(seconds=LAG_S + tick / 100 * (1 + drift_ppm * 1e-6))).astimezone(zone or UTC)
        for tick in ticks
    ]
    offset = "" if zone is None else f" {local[0]:%z}"
    second = ticks // 100
    return {
        "loggingTime(txt)": [f"{one:%Y-%m-%d %H:%M:%S}.{one.microsecond // 1000:03d}{offset}" for one in local],
        "loggingSample(N)": [str(tick + 1) for tick in ticks],
        "locationLatitude(WGS84)": ["48.137154"] * len(ticks),
        "accelerometerTimestamp_sinceReboot(s)": _cells(boot_s),
        **{f"accelerometerAcceleration{axis}(G)": _cells(random.normal(0.5, 0.01, len(ticks))) for axis in XYZ},
        **_motion(ticks),
        "pedometerNumberofSteps(N)": [str(10 * one) if one else "null" for one in second],
        "pedometerEndDate(txt)": [
            f"{(WALL + timedelta(seconds=int(one))).astimezone(zone or UTC):%Y-%m-%d %H:%M:%S}{offset}"
            if one
            else "null"
            for one in second
        ],
        "altimeterTimestamp_sinceReboot(s)": _cells(BOOT_S - 0.5 + second),
        "altimeterRelativeAltitude(m)": _cells(0.1 * second),
        "altimeterPressure(kPa)": _cells(95.5 + 0.01 * second),
        "deviceID(txt)": ["Annas iPhone"] * len(ticks),
        label: ["1" if tick < 50 else "2" for tick in ticks],
    }


def text(cells, *, delimiter=",", decimal="."):
    """Return the file; a decimal comma is put into every number with a point."""
    rows = ([_in_region(one, decimal) for one in row] for row in zip(*cells.values(), strict=True))
    return "\n".join(delimiter.join(row) for row in ([*cells], *rows)) + "\n"


def _in_region(cell, decimal):
    return cell.replace(".", decimal) if decimal != "." and ":" not in cell else cell


def write(folder: Path, *, changed=None, without=(), delimiter=",", decimal=".", renamed=None, **options) -> Path:
    """Return a log: ``changed`` cells by column, columns that start with one of ``without`` left out, or renamed."""
    cells = {**columns(**options), **(changed or {})}
    kept = {name: one for name, one in cells.items() if not name.startswith(tuple(without))}
    named = {(renamed or {}).get(name, name): one for name, one in kept.items()}
    path = folder / "2024-08-22_log.csv"
    path.write_text(text(named, delimiter=delimiter, decimal=decimal), encoding="utf-8")
    return path
