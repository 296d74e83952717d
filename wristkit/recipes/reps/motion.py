"""What repetitions are looked for in: motion on an even grid, in stretches without a gap, and what is in doubt."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from wristkit.recipes.doubting import missing, not_worn, stream_of, within, wrong_with
from wristkit.recipes.reps.likeness import IntArray
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.signals import resample_offline
from wristkit.signals.pieces import Finding
from wristkit.signals.units import usable

GRID_HZ = 20.0
_SLOWEST_HZ = 19.5  # 20 as sensors keep it
_MOTION_HZ, _SHAKING_HZ, _ANGLE_HZ = 3.0, 4.0, 0.1
_ANGLE_G = 0.5  # of each radian that was turned: as much as half of what a tilt of it does to gravity
_LENGTH = 2.5  # of each g of the length of acceleration: little, but free of how the arm is held
LEAST_STRETCH_S = 3.0


class Stretch(NamedTuple):
    """Motion from row ``first`` of the grid on, without a gap.

    ``values`` (n, 4 or 7) are acceleration in g, 2.5 times its length, which tells how the body goes up and down
    however the arm is held, and angles in half radians; ``shaking`` (n,) is what of acceleration is too fast for them.
    """

    first: int
    values: FloatArray
    shaking: FloatArray

    def between(self, first: int, stop: int) -> "Stretch":
        """Return these rows of it."""
        return Stretch(self.first + first, self.values[first:stop], self.shaking[first:stop])


def doubted(recording: Recording) -> tuple[list[Finding], bool]:
    """Return what keeps repetitions from being counted, and whether the gyroscope can be used.

    Raises
    ------
    RecordingError
        With code ``missing_stream`` without ``accel``, ``empty`` without a sample of it, ``rate_too_low`` below 20 Hz.
    """
    why = "a repetition of a second has edges that slower samples miss"
    held = [stream_of(recording, "accel", least_hz=_SLOWEST_HZ, why=why)]
    gyro = recording.streams.get("gyro")
    if gyro is not None and len(gyro) > 1 and gyro.rate_hz >= _SLOWEST_HZ:
        held.append(gyro)
    wrong = wrong_with(held)
    of_accel, of_gyro = ([row for row in wrong if row.stream == name] for name in ("accel", "gyro"))
    if gyro is not None and 2 * np.count_nonzero(usable("gyro", gyro.values)) < len(gyro):
        of_gyro += missing(gyro)
    ends_s = held[0].start_s, held[0].stop_s
    used = held[:1] if of_gyro else held
    absent = [row for one in used for row in missing(one, start_s=ends_s[0], stop_s=ends_s[1])]
    return [*of_accel, *map(_left_out, of_gyro), *absent, *not_worn(recording)], len(held) == 2 and not of_gyro


def _left_out(row: Finding) -> Finding:
    return row._replace(code="gyro_left_out", note=f"counted from acceleration alone: {row.note}")


def stretches(recording: Recording, spans: FloatArray, *, gyro: bool) -> Iterator[Stretch]:
    """Yield motion within these spans, as far as every stream has it."""
    grids = [_gridded(recording[name]) for name in ("accel", *(["gyro"] if gyro else []))]
    places = grids[0][0] if len(grids) == 1 else np.intersect1d(grids[0][0], grids[1][0])
    values = np.hstack([grid[np.searchsorted(at, places)] for at, grid in grids])
    held = np.isfinite(values).all(axis=1)
    held &= within(places / GRID_HZ, spans)
    places, values = places[held], values[held]
    for rows in np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) > 1) + 1):
        if len(rows) >= LEAST_STRETCH_S * GRID_HZ:
            yield _stretch(int(places[rows[0]]), values[rows])


def _gridded(stream: Stream) -> tuple[IntArray, FloatArray]:
    """Return places on the grid and values there; NaN in gaps, also in those of samples that no wrist gives."""
    held = usable(stream.name, stream.values)
    if np.count_nonzero(held) < 2:
        return np.empty(0, dtype=np.int64), np.empty((0, stream.values.shape[1]))
    even = resample_offline(Stream.measured(stream.name, stream.time[held], stream.values[held]), GRID_HZ)
    return np.round(even.time * GRID_HZ).astype(np.int64), np.asarray(even.values, dtype=np.float64)


def _stretch(first: int, values: FloatArray) -> Stretch:
    accel, gyro = values[:, :3], values[:, 3:]
    shaking = np.linalg.norm(_passed(accel, 3, _SHAKING_HZ, "highpass"), axis=1)
    length = _passed(np.linalg.norm(accel, axis=1)[:, None], 3, _MOTION_HZ, "lowpass")
    slow = _passed(accel, 3, _MOTION_HZ, "lowpass")
    parts = [slow, _LENGTH * length]
    if gyro.shape[1]:
        angle = np.cumsum(gyro - gyro.mean(axis=0), axis=0) / GRID_HZ
        parts.append(_ANGLE_G * _passed(angle, 2, (_ANGLE_HZ, _MOTION_HZ), "bandpass"))
    return Stretch(first, np.hstack(parts), shaking)


def _passed(
    values: FloatArray,
    order: int,
    edges_hz: float | tuple[float, float],
    kind: Literal["lowpass", "highpass", "bandpass"],
) -> FloatArray:
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(order, edges_hz, kind, fs=GRID_HZ, output="sos"), values, axis=0))
