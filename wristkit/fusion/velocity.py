"""Velocity of the hand over a short gesture between two rests."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.fusion.estimate import ACCEL_OFFSET_G
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording, Stream

BoolArray = npt.NDArray[np.bool_]

# By how much the error of acceleration may differ between two rests: at once, with time, with each radian that was
# turned (offset and scale of the sensors turn along), and with each metre between, which vqf's slow filter of
# acceleration takes for tilt: (sqrt(2) / 3 s)^2.
_ERROR_M_S2, _ERROR_M_S3, _ERROR_M_S2_RAD = 0.02, 0.05, (ACCEL_OFFSET_G + 0.01) * STANDARD_GRAVITY
_ERROR_M_S2_M = 2 / 9
_MOST_ERROR_M_S2 = 1.0  # an accelerometer that is 5 % off and a tilt that is 3 degrees off; more is a push
_MOST_LENGTH_ERROR = 0.02  # of a unit quaternion
_STEADY_M_S2 = 0.02  # between the halves of a pause; a slower change of acceleration is left to the test of velocity
_LEFT_SHARE, _LEFT_M_S = 0.2, 0.005  # of the top speed before: what a pause may leave
_NO_REST_SHARE, _NO_REST_TIMES = 0.25, 2.0  # of the top speed, and of what drift can do: what two rests may not leave


def gesture_velocity(
    recording: Recording,
    start_s: float,
    stop_s: float,
    *,
    rest_s: float = 0.2,
    pause_s: float = 0.4,
    still_g: float = 0.03,
    still_rad_s: float = 0.15,
) -> Stream:
    """Return the velocity in m/s along the earth's axes of ``attitude`` in ``[start_s, stop_s)``: z is up.

    User acceleration is turned into the earth's axes, its sense from Core Motion's to that of motion, and summed from
    rest to rest. At rest velocity is 0, and what acceleration has there is its error: drift is the cubic in time that
    meets the sum at two rests, in height and slope. The channel ``sd`` is the standard deviation of each axis that is
    left between them: of the sensor's noise, and of an error that wanders as far as the rests show.

    The span must begin and end at rest. A pause between is taken as rest where acceleration is steady for
    ``pause_s``, is what it was at the rest before but for a sensor's errors, and where the velocity summed since is
    gone; the top of a slow reach, a steady push and a glide are not. A pause that is not found leaves ``sd`` larger.

    Of simulated reaches of 0.1 m to 0.5 m in 0.5 s to 3 s, with 2 mg of noise at 100 Hz, the top speed came out within
    10 %; within 25 % where the slowest (0.1 m in 2 s, any in 3 s) had a turn of the wrist, with which the
    accelerometer's offset turns, or were fused offline.

    What it cannot do: see a motion that was there before the span began or goes on after it, if that hardly changes
    for ``rest_s`` (most such spans are refused, slow ones not); tell a glide at less than a fifth of the top speed
    before it from rest; find pauses of a hand that trembles by more than ``still_g``, or of samples so noisy that
    means of 0.2 s differ by 2 mg.
    Without a pause for more than some 5 s drift grows with the square of time and more: look at ``sd``, which is
    right within a factor of some 2.

    Parameters
    ----------
    rest_s
        The ends are at rest where for this long no axis of acceleration varies by more than ``still_g``, and no turn is
        faster than ``still_rad_s``.
    pause_s
        Rests between, and longer ones at the ends, are found where they last this long or longer.

    Raises
    ------
    RecordingError
        With code ``no_rest`` (at either end, or where the sum shows that one was none), ``missing_stream``, ``gap``,
        ``missing_values``, ``attitude_length`` or ``clocks``.
    """
    from scipy.integrate import cumulative_trapezoid
    from scipy.spatial.transform import Rotation

    if not 0 < rest_s <= pause_s < np.inf:
        raise ValueError(f"rest_s is {rest_s} and pause_s {pause_s}, expected positive seconds, pause_s no shorter")
    for name, most in (("still_g", still_g), ("still_rad_s", still_rad_s)):
        if not 0 < most < np.inf:
            raise ValueError(f"{name} is {most}, expected a positive number; raise it a little for a less quiet hand")
    time_s, attitude, user_g, gyro = _parts(recording, start_s, stop_s)
    earth = -STANDARD_GRAVITY * Rotation.from_quat(attitude, scalar_first=True).apply(user_g)
    turning = np.linalg.norm(gyro, axis=1)
    still = _Still(earth, turning > still_rad_s, still_g * STANDARD_GRAVITY)
    ends, count = _rows_of(time_s, rest_s), _rows_of(time_s, pause_s)
    _check_ends(still.windows(ends), start_s, stop_s, rest_s)
    sums = _Sums(
        time_s,
        earth,
        cumulative_trapezoid(earth, time_s, axis=0, initial=0),
        cumulative_trapezoid(turning, time_s, initial=0),
    )
    rests = _rests(sums, _apart(sums, _candidates(still, len(time_s), ends=ends, count=count), count))
    velocity, sd = _between(sums, rests, noise=_noise(time_s, earth, ends))
    values = np.column_stack([velocity, sd])
    return Stream.measured("velocity", time_s, values, channels=("x", "y", "z", "sd"), unit="m/s")


class _Rest(NamedTuple):
    """Rows ``first`` to ``last`` of a rest, and the error of acceleration (3,) at either end of it."""

    first: int
    last: int
    error_before: FloatArray
    error_after: FloatArray

    def touches(self, later: "_Rest") -> bool:
        """Return whether no row lies between."""
        return later.first <= self.last + 1

    def is_like(self, later: "_Rest") -> bool:
        """Return whether acceleration goes on as it was, or one lies within the other."""
        within = later.first <= self.first or later.last <= self.last
        return within or float(np.linalg.norm(later.error_before - self.error_after)) <= 2 * _STEADY_M_S2


class _Sums(NamedTuple):
    """What was summed since the start: (n, 3) m/s of (n, 3) m/s2, and (n,) rad that was turned."""

    time_s: FloatArray
    earth: FloatArray
    speed: FloatArray
    turned: FloatArray

    def rest(self, first: int, last: int, count: int) -> _Rest:
        """Return the rest of these rows; its errors are means over ``count`` rows at most."""
        near = self.earth[first : last + 1]
        return _Rest(first, last, near[:count].mean(axis=0), near[-count:].mean(axis=0))

    def step(self, one: _Rest, other: _Rest) -> "_Step":
        """Return what lies between two rests."""
        rows = slice(one.last, other.first + 1)
        since_s = self.time_s[rows] - self.time_s[one.last]
        drift_m_s2 = other.error_before - one.error_after
        # the error of acceleration grows from rest to rest: its sum by a straight line of it
        share = since_s / since_s[-1]
        straight = since_s[:, None] * (one.error_after + 0.5 * share[:, None] * drift_m_s2)
        speed = self.speed[rows] - self.speed[one.last] - straight
        places = np.cumsum(speed[1:] * np.diff(since_s)[:, None], axis=0)
        reach = float(np.linalg.norm(places, axis=1).max())
        turned = float(self.turned[other.first] - self.turned[one.last])
        return _Step(float(since_s[-1]), share, speed, drift_m_s2, turned, reach)


class _Step(NamedTuple):
    """From one rest to another: ``share`` (m,) of the time, ``speed`` (m, 3) without the drift that the rests show.

    ``turned`` is in rad, ``reach`` the greatest distance from the start in m.
    """

    seconds: float
    share: FloatArray
    speed: FloatArray
    drift_m_s2: FloatArray
    turned: float
    reach: float

    @property
    def possible_m_s2(self) -> float:
        """How far the error of acceleration may have come."""
        by_motion = _ERROR_M_S2_RAD * self.turned + _ERROR_M_S2_M * self.reach
        return _ERROR_M_S2 + _ERROR_M_S3 * self.seconds + by_motion

    @property
    def left_m_s(self) -> float:
        """Speed at the other rest, where none should be."""
        return float(np.linalg.norm(self.speed[-1]))

    @property
    def top_m_s(self) -> float:
        """Highest speed between."""
        return float(np.linalg.norm(self.speed, axis=1).max())

    @property
    def wander(self) -> float:
        """How fast the error of acceleration walks away, squared, of the worst axis: (m/s2)^2 a second."""
        seen = self.drift_m_s2**2 / self.seconds + 12 * self.speed[-1] ** 2 / self.seconds**3
        return float(seen.sum()) / 2

    def ends_at_rest(self) -> bool:
        """Return whether what is left at its end can be drift alone, and the error there that of a sensor."""
        left = self.left_m_s <= max(_LEFT_M_S, _LEFT_SHARE * self.top_m_s)
        return left and float(np.linalg.norm(self.drift_m_s2)) <= self.possible_m_s2

    def cannot_be(self) -> bool:
        """Return whether no drift explains what is left, so that one of its ends was in motion."""
        by_drift = max(_LEFT_M_S, self.possible_m_s2 * self.seconds / 2)
        left = self.left_m_s > max(_NO_REST_SHARE * self.top_m_s, _NO_REST_TIMES * by_drift)
        return left or float(np.linalg.norm(self.drift_m_s2)) > _NO_REST_TIMES * self.possible_m_s2


class _Still:
    """Which windows of acceleration (n, 3) hold no change and no turn."""

    def __init__(self, earth: FloatArray, turning: BoolArray, most: float) -> None:
        self._earth, self._turning, self._most = earth, turning, most

    def windows(self, count: int) -> BoolArray:
        """Return (n - count + 1,) which windows of ``count`` rows are still."""
        if len(self._earth) < count:
            return np.zeros(0, dtype=bool)
        windows = np.lib.stride_tricks.sliding_window_view(self._earth, count, axis=0)
        turned = np.lib.stride_tricks.sliding_window_view(self._turning, count).any(axis=1)
        pushed = np.linalg.norm(windows.mean(axis=2), axis=1) > _MOST_ERROR_M_S2
        return np.asarray((np.ptp(windows, axis=2) <= self._most).all(axis=1) & ~turned & ~pushed)

    def steady(self, count: int) -> BoolArray:
        """Return which of the windows are also the same in both halves, so that no slow push is under way."""
        still, half = self.windows(count), count // 2
        if not len(still):
            return still
        halves = np.lib.stride_tricks.sliding_window_view(self._earth, half, axis=0).mean(axis=2)
        apart = np.linalg.norm(halves[count - half :] - halves[: len(still)], axis=1)
        return np.asarray(still & (apart <= _STEADY_M_S2))


def _check_ends(still: BoolArray, start_s: float, stop_s: float, rest_s: float) -> None:
    ends = (("start", bool(still[:1].any())), ("end", bool(still[-1:].any())))
    if moving := [name for name, rest in ends if not rest]:
        raise RecordingError(
            f"from {start_s} s to {stop_s} s there is no rest of {rest_s} s at the {' and '.join(moving)}",
            code="no_rest",
            remedy="give a span that begins and ends at rest, or raise still_g and still_rad_s for a less quiet hand",
        )


def _candidates(still: _Still, length: int, *, ends: int, count: int) -> list[tuple[int, int]]:
    """Return first and last rows of what may be rests: the start of the span, steady stretches in order, the end.

    A steady stretch loses a quarter of a window where motion is near, which a slow start or end may reach into.
    """
    steady = still.steady(count)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], steady, [False]]).astype(np.int8))).reshape(-1, 2)
    first = np.where(edges[:, 0] > 0, edges[:, 0] + count // 4, 0)
    last = np.where(edges[:, 1] < len(steady), edges[:, 1] + count - 2 - count // 4, length - 1)
    return [(0, ends - 1), *zip(first.tolist(), last.tolist(), strict=True), (length - ends, length - 1)]


def _apart(sums: _Sums, candidates: list[tuple[int, int]], count: int) -> list[_Rest]:
    """Return the candidates as rests apart: those that touch are joined; where acceleration differs, one is none."""
    first, *between, end = (sums.rest(*rows, count) for rows in candidates)
    rests = [first]
    for one in between:
        if not rests[-1].touches(one):
            rests.append(one)
        elif rests[-1].is_like(one):
            rests[-1] = sums.rest(rests[-1].first, one.last, count)
    while len(rests) > 1 and rests[-1].touches(end) and not rests[-1].is_like(end):
        rests.pop()
    if rests[-1].touches(end):
        return [*rests[:-1], sums.rest(rests[-1].first, end.last, count)]
    return [*rests, end]


def _rests(sums: _Sums, apart: list[_Rest]) -> list[_Rest]:
    """Return the ends of the span, and what lies between where velocity is gone; raise where an end was no rest."""
    if len(apart) == 1:  # nothing but rest
        return apart
    first, *between, last = apart
    rests = [first]
    for one in between:
        if sums.step(rests[-1], one).ends_at_rest():
            rests.append(one)
    while len(rests) > 1 and sums.step(rests[-1], last).cannot_be():
        rests.pop()  # it was none, or the end is none
    step = sums.step(rests[-1], last)
    if step.cannot_be():
        raise RecordingError(
            f"from {sums.time_s[rests[-1].last]:.2f} s to {sums.time_s[last.first]:.2f} s acceleration sums up to "
            f"{step.left_m_s:.2g} m/s, and is {np.linalg.norm(step.drift_m_s2):.2g} m/s2 apart at its ends, expected "
            "about 0 of both: one of the two is no rest",
            code="no_rest",
            remedy="give a span that begins before the gesture and ends after it, some 3 s after attitude started; "
            "calibrate the accelerometer",
        )
    return [*rests, last]


def _between(sums: _Sums, rests: list[_Rest], *, noise: float) -> tuple[FloatArray, FloatArray]:
    """Return (n, 3) velocity and (n,) its standard deviation; 0 at rest. ``noise`` is in m/s2 a root hertz."""
    velocity, sd = np.zeros_like(sums.speed), np.zeros(len(sums.time_s))
    steps = [sums.step(one, other) for one, other in pairwise(rests)]
    shown = float(np.mean([step.wander for step in steps])) if steps else 0.0
    for one, step in zip(rests, steps, strict=False):
        rows = slice(one.last, one.last + len(step.share))
        share, back = step.share, 1 - step.share
        velocity[rows] = step.speed - step.speed[-1] * (share**2 * (3 - 2 * share))[:, None]
        # an error that walks at random between two known values, with a known sum; and white noise with one
        wander = shown + _ERROR_M_S2**2 + (_ERROR_M_S2_RAD * step.turned) ** 2 / step.seconds
        walk = wander * step.seconds**3 * (share * back) ** 3 / 3
        sd[rows] = np.sqrt(walk + noise**2 * step.seconds * share * back)
    return velocity, sd


def _noise(time_s: FloatArray, earth: FloatArray, count: int) -> float:
    """Return the noise of acceleration in m/s2 a root hertz, as white as the two ends show it."""
    variance = np.mean([earth[:count].var(axis=0, ddof=1), earth[-count:].var(axis=0, ddof=1)])
    return float(np.sqrt(variance * np.median(np.diff(time_s))))


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
    _check_quaternions(time_s, arrays[0])
    return time_s, arrays[0], arrays[1], arrays[2]


def _check_quaternions(time_s: FloatArray, attitude: FloatArray) -> None:
    """Raise where an attitude is no turn; a length that is off is what numbers of few digits have."""
    length = np.linalg.norm(attitude, axis=1)
    wrong = np.abs(length - 1) > _MOST_LENGTH_ERROR
    if wrong.any():
        row = int(np.argmax(wrong))
        raise RecordingError(
            f"{int(wrong.sum())} attitudes are no unit quaternions: at {time_s[row]:.3f} s {attitude[row].tolist()} "
            f"has length {length[row]:.3g}, expected 1",
            code="attitude_length",
            remedy="mask them with NaN and give a span without them, or fuse accel and gyro alone",
        )


def _rows_of(time_s: FloatArray, seconds: float) -> int:
    """Return how many samples a time spans, one more than there are where it is longer than all."""
    rows = min(seconds / float(np.median(np.diff(time_s))), len(time_s))
    return max(3, int(np.ceil(rows)) + 1)
