"""What the forearm does: posture and elevation over time, range, smoothness, tremor, and one wrist against the other.

**Method.** Attitude is vqf's (Laidig and Seel, Information Fusion 2023), offline; smoothness is SPARC (Balasubramanian,
Melendez-Calderon and Burdet, IEEE TBME 2012; Balasubramanian et al., J. NeuroEng. Rehabil. 2015) and log dimensionless
jerk; symmetry is as of bilateral accelerometry (Lang, Waddell, Klaesner and Bland, J. Vis. Exp. 2017).

**Deviations, and why.**

- SPARC and jerk are those of the rate of turn of the forearm, not of the hand's speed: what a gyroscope measures, where
  a speed would be summed up from acceleration and drift (Melendez-Calderon et al. 2021 advise so). Both are of rates
  below 10 Hz, and jerk of what is left of it on a grid of 50 Hz, or 20 Hz of slower sensors: it grows with the rate of
  sampling and with noise, and is only to be compared at the same.
- A movement is where the forearm turns faster than 0.2 rad/s for 0.3 s or longer, and faster than 0.7 rad/s within: the
  papers have tasks with a start and an end, and a wrist in ordinary life has none. Movements of more than 10 s are many
  in a row: they have no smoothness.
- Use is counted from the rate of turn, not from the activity counts of one maker's device.

**Confidence and abstention.** ``confidence`` of a posture is the chance that it is right within 5 degrees, from vqf's
own error; of a movement, the least of it within; of tremor, which part of the band lies about one frequency, 0 in a
window that moves. Where a sensor is dead, contradicts its unit or was not worn, posture is NaN and nothing else is
given; ``findings`` say so. Elevation needs to be told which way x points, by ``wrist`` and ``crown``; without, it is
NaN, and ``x_up_deg`` is there.

**Limits.** One sensor knows the forearm alone, not what shoulder and elbow did. Tremor is what shakes: a drill as well.
There is no export of this yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wristkit.condition.frame import WRIST_SIGNS
from wristkit.errors import RecordingError
from wristkit.fusion import fuse
from wristkit.recipes.doubting import looked_at, missing, not_worn, stream_of, within, wrong_with
from wristkit.recipes.smoothness import TREMOR_HZ, log_dimensionless_jerk, sparc, tremor
from wristkit.recording import FloatArray, Recording, Stream, finding_table, one_recording
from wristkit.recording.spans import intersect
from wristkit.signals import resample_offline
from wristkit.signals.inspection import CONTRADICTIONS
from wristkit.signals.offline import valid_stretches
from wristkit.signals.pieces import Finding, Mask, long_runs
from wristkit.signals.units import usable

__all__ = ["MOVEMENT_COLUMNS", "POSTURE", "SYMMETRY_ROWS", "TREMOR_COLUMNS", "ArmMotion", "measure", "symmetry"]

POSTURE = ("elevation_deg", "x_up_deg", "roll_deg", "confidence")
MOVEMENT_COLUMNS = (*("start_s", "stop_s", "range_deg", "peak_rad_s", "sparc", "log_dimensionless_jerk", "confidence"),)
TREMOR_COLUMNS = ("start_s", "stop_s", "rms_rad_s", "peak_hz", "confidence")
SYMMETRY_ROWS = ("active_s", "turned_rad", "movements", "range_deg", "elevation_deg", "sparc", "tremor_rad_s")

_SLOWEST_HZ, _TREMOR_SLOWEST_HZ = 19.5, 2.2 * TREMOR_HZ[1]
_GRIDS_HZ = (50.0, 20.0)
_WITHIN_RAD = float(np.radians(5.0))
_MOVES_RAD_S, _PEAK_RAD_S, _LEAST_S, _LONGEST_S = 0.2, 0.7, 0.3, 10.0
_TREMOR_S, _STILL_RAD_S = 4.0, 0.5
_PASSED_HZ, _OF_RATE = 10.0, 0.45


@dataclass(frozen=True, eq=False)
class ArmMotion:
    """What :func:`measure` found.

    Parameters
    ----------
    posture
        Stream of ``POSTURE`` on the gyroscope's stamps: how far the hand's end of the forearm points above the
        horizon (90 straight up, NaN where the side is not known), the same of the device's x axis, the turn about it
        (0 face up, in the device's own sense), and how sure that is.
    movements
        Table of ``MOVEMENT_COLUMNS``, a row each time that the forearm turns: by how many degrees at most from where
        it was, how fast, and how smoothly.
    tremor
        Table of ``TREMOR_COLUMNS``, a row each 4 s without a gap.
    rate
        Stream ``turning``, rad/s about each axis below 10 Hz on a grid, of which smoothness and use are counted.
    findings
        Why and where nothing is said.
    """

    posture: Stream
    movements: pd.DataFrame
    tremor: pd.DataFrame
    rate: Stream
    findings: pd.DataFrame

    @property
    def ranges(self) -> pd.DataFrame:
        """Percentiles 5, 50 and 95 of each angle over the time that is known, and from the first to the last."""
        angles = np.asarray(self.posture.values[:, :3], dtype=np.float64)
        rows = {}
        for name, column in zip(POSTURE[:3], angles.T, strict=True):
            known = column[np.isfinite(column)]
            ends = np.percentile(known, [5, 50, 95]) if len(known) else np.full(3, np.nan)
            rows[name] = [*ends.tolist(), float(ends[2] - ends[0])]
        return pd.DataFrame.from_dict(rows, orient="index", columns=["p05", "p50", "p95", "range"])


def measure(recording: Recording) -> ArmMotion:
    """Return posture, movements and tremor of a forearm.

    Parameters
    ----------
    recording
        With ``accel`` and ``gyro`` at 20 Hz or more; 27 Hz for tremor. Attitude is computed, also where a device gave
        one; ``wrist`` and ``crown`` tell which way x points.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``empty`` or ``rate_too_low``.
    """
    held = [stream_of(recording, name, least_hz=_SLOWEST_HZ, why="a hand turns and back within a third of a second")
            for name in ("accel", "gyro")]  # fmt: skip
    doubts = [*wrong_with(held), *not_worn(recording)]
    spans = looked_at(held[1], doubts)
    grid = _turning(held[1], spans)
    absent = [*missing(held[0], start_s=held[1].start_s, stop_s=held[1].stop_s), *missing(held[1])]
    said = [*doubts, *absent, *_side_unknown(recording), *_no_tremor(held[1])]
    if any(row.code in CONTRADICTIONS for row in doubts) or not len(spans):
        return ArmMotion(_unknown(held[1]), *_nothing(), grid, finding_table(said))
    try:
        fused = fuse(Recording.of(held), offline=True)
    except RecordingError as fault:
        said.append(Finding("no_attitude", "gyro", held[1].start_s, held[1].stop_s, len(held[1]), fault.message,
                            fault.remedy))  # fmt: skip
        return ArmMotion(_unknown(held[1]), *_nothing(), grid, finding_table(said))
    posture = _posture(fused, within(held[1].time, spans), _sign_of_x(recording))
    return ArmMotion(posture, _movements(grid, fused, posture), _tremors(held[1], spans), grid, finding_table(said))


def _sign_of_x(recording: Recording) -> float:
    """Return 1 where the device's x points to the hand, -1 where away from it, NaN where nobody said."""
    if recording.wrist is None or recording.crown is None:
        return float("nan")
    return WRIST_SIGNS[recording.wrist, recording.crown][0]


def _side_unknown(recording: Recording) -> list[Finding]:
    if np.isfinite(_sign_of_x(recording)):
        return []
    note = "wrist or crown is not known, so that x may point to the hand or away from it: elevation is NaN"
    gyro = recording["gyro"]
    remedy = "give wrist= and crown= when loading; x_up_deg is there"
    return [Finding("side_unknown", "gyro", gyro.start_s, gyro.stop_s, len(gyro), note, remedy)]


def _no_tremor(gyro: Stream) -> list[Finding]:
    if gyro.rate_hz >= _TREMOR_SLOWEST_HZ:
        return []
    note = f"{gyro.rate_hz:.4g} Hz shows no tremor of up to {TREMOR_HZ[1]:g} Hz"
    remedy = f"record {_TREMOR_SLOWEST_HZ:.3g} Hz or faster"
    return [Finding("tremor_rate", "gyro", gyro.start_s, gyro.stop_s, len(gyro), note, remedy)]


def _unknown(gyro: Stream) -> Stream:
    values = np.full((len(gyro), len(POSTURE)), np.nan)
    values[:, -1] = 0.0
    return gyro.with_values("posture", values, channels=POSTURE, unit="deg, 1")


def _nothing() -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(columns=list(MOVEMENT_COLUMNS), dtype=float), pd.DataFrame(
        columns=list(TREMOR_COLUMNS), dtype=float
    )


def _posture(fused: Recording, known: Mask, sign: float) -> Stream:
    up = -np.asarray(fused["gravity"].values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        up /= np.linalg.norm(up, axis=1, keepdims=True)
        x_up = np.degrees(np.arcsin(np.clip(up[:, 0], -1, 1)))
        off = np.asarray(fused["tilt_sd"].values[:, 0], dtype=np.float64)
        sure = 1 - np.exp(-0.5 * (_WITHIN_RAD / off) ** 2)  # of two errors of this size at right angles
    angles = np.column_stack([sign * x_up, x_up, np.degrees(np.arctan2(up[:, 1], up[:, 2]))])
    angles[~known] = np.nan
    values = np.column_stack([angles, np.where(known & np.isfinite(sure), sure, 0.0)])
    return fused["gyro"].with_values("posture", values, channels=POSTURE, unit="deg, 1")


def _turning(gyro: Stream, spans: FloatArray) -> Stream:
    """Return the rate of turn on the fastest grid that the sensor fills, below 10 Hz; NaN where nothing is known."""
    from scipy.signal import butter, sosfiltfilt

    held = usable("gyro", gyro.values)
    held = held if np.count_nonzero(held) > 1 else np.ones(len(gyro), dtype=bool)
    time_s, known = gyro.time[held], within(gyro.time[held], spans)
    rate_hz = next(grid for grid in _GRIDS_HZ if gyro.rate_hz >= 0.97 * grid)
    turned = Stream.measured("gyro", time_s, np.where(known[:, None], gyro.values[held], np.nan))
    even = resample_offline(turned, rate_hz)
    values = np.full(even.values.shape, np.nan)
    sos = butter(4, min(_PASSED_HZ, _OF_RATE * rate_hz), fs=rate_hz, output="sos")
    for first, stop in valid_stretches(even, np.asarray(np.isfinite(even.values).all(axis=1))):
        if stop - first > 3 * (2 * len(sos) + 1):
            values[first:stop] = sosfiltfilt(sos, even.values[first:stop].astype(np.float64), axis=0)
    return even.with_values("turning", values, channels=("x", "y", "z"), unit="rad/s")


def _movements(grid: Stream, fused: Recording, posture: Stream) -> pd.DataFrame:
    rows = []
    speed = np.linalg.norm(np.asarray(grid.values, dtype=np.float64), axis=1)
    for first, stop in _moving(grid, speed):
        start_s, stop_s = float(grid.time[first]), float(grid.time[stop - 1])
        rate = np.asarray(grid.values[first:stop], dtype=np.float64)
        smooth = (float("nan"),) * 2
        if stop_s - start_s <= _LONGEST_S:
            smooth = sparc(speed[first:stop], grid.rate_hz), log_dimensionless_jerk(rate, grid.rate_hz)
        sure = posture.between(start_s, stop_s).values[:, -1]
        range_deg = _turned_deg(fused["attitude"].between(start_s, stop_s))
        rows.append((start_s, stop_s, range_deg, speed[first:stop].max(), *smooth, np.min(sure, initial=1.0)))
    return pd.DataFrame(rows, columns=list(MOVEMENT_COLUMNS), dtype=float)


def _moving(grid: Stream, speed: FloatArray) -> Iterator[tuple[int, int]]:
    """Yield first and past-last rows of each movement."""
    for first, stop in valid_stretches(grid, np.isfinite(speed)):
        least = round(_LEAST_S * grid.rate_hz)
        for one, other in long_runs([speed[first:stop] >= _MOVES_RAD_S], least=least).tolist():
            if speed[first + one : first + other].max() >= _PEAK_RAD_S:
                yield first + one, first + other


def _turned_deg(attitude: Stream) -> float:
    """Return by how far a device turned at most from where it was at first."""
    values = np.asarray(attitude.values, dtype=np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        return float("nan")
    same = np.clip(np.abs(values @ values[0]), 0, 1)
    return float(np.degrees(2 * np.arccos(same.min())))


def _tremors(gyro: Stream, spans: FloatArray) -> pd.DataFrame:
    """Return tremor in windows of 4 s of the gyroscope as it is, without a gap or a missing sample in them."""
    if gyro.rate_hz < _TREMOR_SLOWEST_HZ:
        return pd.DataFrame(columns=list(TREMOR_COLUMNS), dtype=float)
    kept = np.asarray(usable("gyro", gyro.values) & within(gyro.time, spans))
    size = round(_TREMOR_S * gyro.rate_hz)
    firsts = [np.arange(a, b - size + 1, size) for a, b in valid_stretches(gyro, kept)]
    first = np.concatenate([np.empty(0, dtype=np.int64), *firsts])
    if not len(first):
        return pd.DataFrame(columns=list(TREMOR_COLUMNS), dtype=float)
    windows = np.stack([gyro.values[one : one + size] for one in first.tolist()]).astype(np.float64)
    found = tremor(windows, gyro.rate_hz)
    slow = np.sqrt(np.maximum(np.sum(windows.var(axis=1), axis=1) - found.size**2, 0))
    sure = np.where(slow <= _STILL_RAD_S, found.share, 0.0)
    times = gyro.time[first], gyro.time[first + size - 1]
    return pd.DataFrame(dict(zip(TREMOR_COLUMNS, (*times, found.size, found.peak_hz, sure), strict=True)))


def symmetry(left: Recording, right: Recording) -> pd.DataFrame:
    """Return how one wrist compares with the other over the time that both recorded.

    One row a figure of ``SYMMETRY_ROWS`` with ``left``, ``right`` and ``index``, which is (right - left) / (right +
    left), 0 for the same and 1 for the right alone; of elevation and SPARC, which have signs, it is the difference.
    Seconds in movement, angle turned and number of movements are sums; the rest are medians.

    Parameters
    ----------
    left, right
        Of both wrists, on one clock (see ``wristkit.align``), told by ``wrist``.

    Raises
    ------
    ValueError
        Where they are not of a left and a right wrist, or share no time.
    """
    left, right = one_recording(left, "left"), one_recording(right, "right")
    if (left.wrist, right.wrist) != ("left", "right"):
        raise ValueError(f"wrists are {left.wrist!r} and {right.wrist!r}, expected 'left' and 'right' in this order")
    start_s, stop_s = max(left.start_s, right.start_s), min(left.stop_s, right.stop_s)
    if not start_s < stop_s:
        raise ValueError(f"they share no time: the later starts at {start_s} s, the earlier stops at {stop_s} s")
    sides = [measure(one.between(start_s, stop_s)) for one in (left, right)]
    shared = intersect(*(_known(one.rate) for one in sides))
    one, other = (np.array(_figures(side, shared)) for side in sides)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = (other - one) / (other + one)
    signed = np.isin(SYMMETRY_ROWS, ("elevation_deg", "sparc"))
    columns = {"left": one, "right": other, "index": np.where(signed, other - one, index)}
    return pd.DataFrame(columns, index=pd.Index(SYMMETRY_ROWS, name="figure", dtype=object))


def _known(rate: Stream) -> FloatArray:
    """Return (k, 2) seconds in which a rate is known."""
    stretches = valid_stretches(rate, np.asarray(np.isfinite(rate.values).all(axis=1)))
    return np.array([(rate.time[a], rate.time[b - 1]) for a, b in stretches], dtype=np.float64).reshape(-1, 2)


def _figures(side: ArmMotion, spans: FloatArray) -> tuple[float, ...]:
    """Return the figures of ``SYMMETRY_ROWS`` of one wrist within these seconds."""
    inside = within(side.rate.time, spans)
    speed = np.linalg.norm(np.asarray(side.rate.values[inside], dtype=np.float64), axis=1)
    moved = side.movements[within(side.movements["start_s"].to_numpy(dtype=np.float64), spans)]
    shaken = side.tremor[within(side.tremor["start_s"].to_numpy(dtype=np.float64), spans)]
    posture = side.posture.values[within(side.posture.time, spans), 0]
    return (
        float(np.sum(moved["stop_s"] - moved["start_s"])),
        float(np.nansum(speed)) / side.rate.rate_hz,
        float(len(moved)),
        *(_median(one) for one in (moved["range_deg"], posture, moved["sparc"], shaken["rms_rad_s"])),
    )


def _median(values: "pd.Series[float] | np.ndarray[tuple[int], np.dtype[np.float32]]") -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else float("nan")
