"""What the orientation of a device and its gravity say of each other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.load.gather import Remark, Rows
from wristkit.load.spool import Spool
from wristkit.recording import FloatArray, blocks

_MOST_LENGTH_ERROR = 0.02  # of a unit quaternion
MOST_ROWS_COMPARED = 2**18

Array = npt.NDArray[Any]


def check_quaternions(rows: Rows, names: Sequence[str]) -> None:
    """Raise where a quaternion of four columns is not of length 1, with its row."""
    first = 0
    for block in blocks(*(rows.columns[name] for name in names)):
        wrong = np.abs(np.linalg.norm(np.column_stack(block), axis=1) - 1) > _MOST_LENGTH_ERROR
        if wrong.any():
            raise RecordingError(
                "a quaternion is not of length 1",
                code="attitude_length",
                remedy="look at that row; export the recording again",
                file=rows.file,
                row=first + int(np.argmax(wrong)),
            )
        first += len(wrong)


def where_calibrated(values: Array, accuracy: Array, spool: Spool) -> tuple[Array, tuple[Remark, ...]]:
    """Return values (n, c) with NaN where their accuracy (n,) is negative, and how many these are.

    So Core Motion says that it knows no heading, or no magnetic field beside the device's own, and gives -1 or zeros.
    """
    unknown = sum(int((block < 0).sum()) for (block,) in blocks(accuracy))
    if not unknown:
        return values, ()
    note = f"Core Motion calls {unknown} values unknown or not calibrated; they are missing"
    told = Remark("not_calibrated", unknown, note, "let the watch calibrate before recording")
    return spool.mapped(_masked, values, accuracy), (told,)


def _masked(values: Array, accuracy: Array) -> Array:
    return np.where(accuracy[:, None] < 0, np.float32(np.nan), values)


def gravity_along_down(rows: Rows, attitude: Sequence[str], gravity: Sequence[str]) -> float:
    """Return the median of gravity along the down of the attitude (w, x, y, z), in the unit of gravity.

    Attitude turns a frame whose z points up into that of the device, so that gravity with Core Motion's signs is
    positive here, and with Android's, where what points up is positive, negative.
    """
    return median_of(rows, (*attitude, *gravity), _along_down)


def _along_down(attitude_and_gravity: FloatArray) -> FloatArray:
    w, x, y, z = attitude_and_gravity[:, :4].T
    down = -np.column_stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x**2 + y**2)])
    along: FloatArray = np.sum(down * attitude_and_gravity[:, 4:], axis=1)
    return along


def median_of(rows: Rows, names: Sequence[str], figure: Callable[[FloatArray], FloatArray]) -> float:
    """Return the median of a figure of (n, c) columns, over at most a fixed number of rows from the whole file."""
    step = -(-len(rows.time_ns) // MOST_ROWS_COMPARED)
    columns = [rows.columns[name] for name in names]
    figures = np.concatenate([figure(np.column_stack(block)[::step]) for block in blocks(*columns)])
    figures = figures[np.isfinite(figures)]
    return float(np.median(figures)) if len(figures) else float("nan")
