"""Velocity of the hand over a short gesture between two rests."""

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream

BoolArray = npt.NDArray[np.bool_]


def gesture_velocity(
    recording: Recording,
    start_s: float,
    stop_s: float,
    *,
    rest_s: float = 0.2,
    still_g: float = 0.03,
    still_rad_s: float = 0.15,
) -> Stream:
    """Return the velocity in m/s along the earth's axes of ``attitude`` in ``[start_s, stop_s)``: z is up.

    User acceleration is turned into the earth's axes, its sense from Core Motion's to that of motion, and summed from
    rest to rest. At rest velocity is 0; what the sum has there is drift, taken out as growing linearly since the rest
    before. That holds for some seconds between rests: an error of tilt of 1 degree alone drifts by 0.17 m/s a second.
    A slow and steady glide cannot be told from rest.

    Parameters
    ----------
    rest_s
        Rest is a stretch of at least this long in which no axis of acceleration varies by more than ``still_g``, and no
        turn is faster than ``still_rad_s``.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``no_rest`` (at either end), ``gap``, ``missing_values`` or ``clocks``.
    """
    from scipy.integrate import cumulative_trapezoid
    from scipy.spatial.transform import Rotation

    if not rest_s > 0:
        raise ValueError(f"rest_s is {rest_s}, expected a positive number of seconds")
    time_s, attitude, user_g, gyro = _parts(recording, start_s, stop_s)
    earth = -STANDARD_GRAVITY * Rotation.from_quat(attitude, scalar_first=True).apply(user_g)
    turning = np.linalg.norm(gyro, axis=1) > still_rad_s
    rest = _at_rest(earth / STANDARD_GRAVITY, turning, count=_rows_of(time_s, rest_s), still_g=still_g)
    if not (rest[0] and rest[-1]):
        where = " and ".join(name for name, still in (("start", rest[0]), ("end", rest[-1])) if not still)
        raise RecordingError(
            f"from {start_s} s to {stop_s} s there is no rest of {rest_s} s at the {where}",
            code="no_rest",
            remedy="give a span that begins and ends at rest, or raise still_g and still_rad_s for a less quiet hand",
        )
    summed = cumulative_trapezoid(earth, time_s, axis=0, initial=0)
    drift = np.column_stack([np.interp(time_s, time_s[rest], column[rest]) for column in summed.T])
    return Stream.measured("velocity", time_s, summed - drift, channels=("x", "y", "z"), unit="m/s")


def _parts(
    recording: Recording, start_s: float, stop_s: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return stamps (n,), attitude (n, 4), user_accel (n, 3) and gyro (n, 3) of a span, or raise what it lacks."""
    streams = [recording[name].between(start_s, stop_s) for name in ("attitude", "user_accel", "gyro")]
    time_s = streams[0].time
    if not all(np.array_equal(one.time, time_s) for one in streams):
        raise RecordingError(
            "attitude, user_accel and gyro are on different clocks",
            code="clocks",
            remedy="fuse accel and gyro alone: fuse(Recording.of([accel, gyro]))",
        )
    if len(streams[0].gaps) or len(time_s) < 2:
        raise RecordingError(
            f"{len(time_s)} samples with {len(streams[0].gaps)} gaps from {start_s} s to {stop_s} s",
            code="gap",
            remedy="give a span that was recorded without a gap",
        )
    arrays = [np.asarray(one.values, dtype=np.float64) for one in streams]
    if missing := sum(int((~np.isfinite(array).all(axis=1)).sum()) for array in arrays):
        raise RecordingError(
            f"{missing} samples from {start_s} s to {stop_s} s have no value",
            code="missing_values",
            remedy="give a span without them",
        )
    return time_s, arrays[0], arrays[1], arrays[2]


def _rows_of(time_s: FloatArray, rest_s: float) -> int:
    return max(3, int(np.ceil(rest_s / float(np.median(np.diff(time_s))))) + 1)


def _at_rest(earth_g: FloatArray, turning: BoolArray, *, count: int, still_g: float) -> BoolArray:
    """Return (n,) which samples lie in a window of ``count`` samples that is still throughout."""
    rest = np.zeros(len(earth_g), dtype=bool)
    if len(earth_g) < count:
        return rest
    windows = np.lib.stride_tricks.sliding_window_view(earth_g, count, axis=0)
    turned = np.lib.stride_tricks.sliding_window_view(turning, count)
    still = (np.ptp(windows, axis=2) <= still_g).all(axis=1) & ~turned.any(axis=1)
    for offset in range(count):
        rest[offset : len(rest) - count + 1 + offset] |= still
    return rest
