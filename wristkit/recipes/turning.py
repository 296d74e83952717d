"""Real motion as of something that is turned over and pushed about meanwhile: what a wrist does is more than walking.

The real motion that there is to train on is of people who walk, turn and sit down, or wash their hands. A gate that saw
no other opens for nearly everything that turns and comes to rest.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wristkit.recording import Recording

_STEP_S = (0.3, 0.9)  # of one turn; these four are estimates
_STEP_RAD = (0.1, 1.6)
_RESTS = 0.3  # share of the steps in which nothing turns, and in which nothing pushes
_MOST_PUSH_G = 0.3  # along each axis
_EDGE_S = 1.0


def turned(recording: Recording, *, seed: int) -> Recording:
    """Return a recording of ``accel`` and ``gyro`` from any posture, smoothly turned and pushed on from it.

    It is turned in steps about any axes, with rests between them, all of one drawn size; what was felt before is felt
    along the turned axes.
    """
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation, RotationSpline

    if set(recording.streams) != {"accel", "gyro"}:
        raise ValueError(f"recording {recording.id} has {sorted(recording.streams)}, expected accel and gyro alone")
    rng = np.random.default_rng([seed, 43])
    count = int(np.ceil((recording.stop_s - recording.start_s) / _STEP_S[0])) + 4  # up to beyond the last sample
    times_s = recording.start_s - _EDGE_S + np.concatenate([[0], np.cumsum(rng.uniform(*_STEP_S, count))])
    size_rad = float(np.exp(rng.uniform(*np.log(_STEP_RAD))))
    steps = rng.normal(size=(count, 3)) * size_rad / np.sqrt(3) * _moves(rng, count)
    turns = [Rotation.random(random_state=int(rng.integers(2**31)))]
    for step in steps:
        turns.append(turns[-1] * Rotation.from_rotvec(step))
    turning = RotationSpline(times_s, Rotation.concatenate(turns))
    pushes_g = rng.normal(size=(count + 1, 3)) * rng.uniform(0, _MOST_PUSH_G)
    push_g = CubicSpline(times_s, pushes_g * np.concatenate([[[1]], _moves(rng, count)]))
    accel, gyro = recording["accel"], recording["gyro"]
    felt_g = turning(accel.time).inv().apply(accel.values) + push_g(accel.time)
    rate_rad_s = turning(gyro.time).inv().apply(gyro.values) + turning(gyro.time, 1)
    values = {"accel": felt_g.astype(np.float32), "gyro": rate_rad_s.astype(np.float32)}
    return recording.with_streams(*(replace(recording[name], values=one) for name, one in values.items()))


def _moves(rng: np.random.Generator, count: int) -> npt.NDArray[np.bool_]:
    """Return of steps (count, 1) whether anything moves in them."""
    return (rng.random(count) >= _RESTS)[:, None]
