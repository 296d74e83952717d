"""BROAD: a 9-axis sensor with an optical reference of its orientation."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from wristkit.datasets.frames import recorded, source, truth_marks, upward_accel, whole_span
from wristkit.datasets.text import matching, ns_of_rows, unpacked_hash
from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Remark, Track
from wristkit.recording import FloatArray, Recording

_FILE = r"\d\d_(un)?disturbed_\w+\.mat"
_WIDTHS = {"imu_acc": 3, "imu_gyr": 3, "imu_mag": 3, "opt_quat": 4, "opt_pos": 3, "movement": 1, "sampling_rate": 1}
_MOST_BYTES = 2**26  # a trial has 4 MB
# All that scipy raises on a damaged file, but for its own class, which it exports under this name alone.
_BROKEN = (ValueError, TypeError, KeyError, IndexError, OSError, EOFError, struct.error, zlib.error, MemoryError)


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a trial: accel, gyro, mag, and the reference under names of its own.

    ``reference_attitude`` turns the sensor's frame into east, north, up; label ``movement`` is where errors count.
    """
    for path in matching(folder, _FILE, what="broad"):
        yield _recording(path)


def _recording(path: Path) -> Recording:
    parts = _parts(path)
    rate_hz = float(parts["sampling_rate"][0, 0])
    time_ns = ns_of_rows(len(parts["imu_acc"]), rate_hz)
    moving = parts["movement"][:, 0] != 0
    missing = int(np.isnan(parts["opt_quat"]).any(axis=1).sum())
    note = f"the earth frames differ by a constant turn about the vertical; {missing} rows have no reference"
    return recorded(
        Gathered(
            [
                upward_accel(None, parts["imu_acc"], rate_hz=rate_hz),
                Track("gyro", parts["imu_gyr"], rate_hz=rate_hz),
                Track("mag", parts["imu_mag"], rate_hz=rate_hz),
                Track(
                    "reference_attitude", parts["opt_quat"], channels=("w", "x", "y", "z"), unit="1", rate_hz=rate_hz
                ),
                Track("reference_position", parts["opt_pos"], channels=("x", "y", "z"), unit="m", rate_hz=rate_hz),
            ],
            clock="none",
            marks=truth_marks(time_ns, moving, {True: "movement"}),
            remarks=(Remark("heading_offset", missing, note, "take it out first"),),
            labelled={"truth": whole_span(time_ns)},
            source=source(path.name, "broad", unpacked_hash(path), device="myon aktos-t", place="none"),
        )
    )


def _parts(path: Path) -> Mapping[str, FloatArray]:
    """Return the arrays (n, c) of a file, all of one length but for the rate."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if (size := path.stat().st_size) > _MOST_BYTES:
        raise _damaged(path, f"it has {size} bytes, a trial has 4 MB")
    try:
        found = loadmat(path, variable_names=list(_WIDTHS))
    except (*_BROKEN, MatReadError, NotImplementedError) as error:
        raise _damaged(path, f"it cannot be read as a MATLAB file: {str(error)[:160]!r}") from error
    if missing := [name for name in _WIDTHS if name not in found]:
        raise _damaged(path, f"it lacks {missing}")
    if wrong := [name for name in _WIDTHS if found[name].dtype.kind not in "fiu" or found[name].ndim != 2]:
        raise _damaged(path, f"{wrong} are no tables of numbers")
    parts = {name: found[name].astype(np.float64) for name in _WIDTHS}
    rows = {name: (1 if name == "sampling_rate" else len(parts["imu_acc"]), width) for name, width in _WIDTHS.items()}
    if wrong := [name for name, shape in rows.items() if parts[name].shape != shape]:
        raise _damaged(path, f"{wrong} have not the shapes {[rows[name] for name in wrong]}")
    if not 1 <= parts["sampling_rate"][0, 0] <= 10_000 or not len(parts["imu_acc"]):
        raise _damaged(path, f"its rate is {parts['sampling_rate'][0, 0]} Hz for {len(parts['imu_acc'])} rows")
    return parts


def _damaged(path: Path, message: str) -> RecordingError:
    return RecordingError(message, code="damaged_mat", remedy="fetch the set again and verify it", file=path)
