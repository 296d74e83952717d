"""A left arm as a chain of joints: angles over time in, motion of the watch out.

World axes: x forward, y to the person's left, z up. The chain is that of a left arm; a right arm is its mirror image.
Angles of the arm are held against the vertical, not against the trunk: a lean forward leaves the arms where they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from wristkit.recording import FloatArray
from wristkit.simulate.people import Person

COORDINATES = (
    "heading",
    "trunk_pitch",
    "flexion",
    "abduction",
    "rotation",
    "elbow",
    "pronation",
    "wrist",
    "forward_m",
    "left_m",
    "up_m",
)
COLUMN: Mapping[str, int] = {name: column for column, name in enumerate(COORDINATES)}

# Columns: x distal, y = z cross x, z dorsal, in the axes of a hanging left forearm with the palm towards the body.
_DISTAL_DORSAL = Rotation.from_matrix([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
_SHOULDER_ABOVE_HIP_M = np.array([0.0, 0.19, 0.48])
_WATCH_ABOVE_BONE_M = np.array([0.0, 0.0, 0.03])
_WRIST_AT_WATCH = 0.15  # the watch sits before the wrist joint: skin and tendons carry a little of its motion over
_MIRROR = np.diag([1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint coordinates (n, 11) in radians and metres, and impacts at the watch (n, 3) in m/s2 along the world axes."""

    coordinates: FloatArray
    shock: FloatArray


class WatchPath(NamedTuple):
    """Motion of the watch on a uniform clock: its axes in the world, acceleration (n, 3) m/s2 and rate (n, 3) rad/s.

    Acceleration is along the world axes, rate about the axes of the device.
    """

    axes: Rotation
    acceleration: FloatArray
    rate: FloatArray


def watch_path(person: Person, motion: Motion, *, rate_hz: float) -> WatchPath:
    """Return how the watch of this person moves, for her wrist and crown side."""
    axes, position = _left_arm(person, motion.coordinates)
    acceleration = np.gradient(np.gradient(position, axis=0), axis=0) * rate_hz**2 + motion.shock
    if person.wrist == "right":
        axes, acceleration = _mirrored(axes), acceleration @ _MIRROR
    if person.crown == person.wrist:
        axes = axes * Rotation.from_euler("z", 180, degrees=True)
    return WatchPath(axes, acceleration, body_rate(axes, rate_hz))


def _left_arm(person: Person, coordinates: FloatArray) -> tuple[Rotation, FloatArray]:
    """Return axes and position (n, 3) of a watch on the left wrist with the crown towards the hand."""
    heading, pitch, flexion, abduction, rotation, elbow, pronation, wrist, *_ = coordinates.T
    facing = _about("z", heading)
    upper = _after(facing, _about("y", -flexion), _about("x", abduction), _about("z", -rotation))
    fore = _after(upper, _about("y", -elbow), _about("z", -pronation))
    worn = _quaternion(_DISTAL_DORSAL * Rotation.from_euler("x", person.strap_tilt_rad))
    axes = _rotation(_after(fore, worn, _about("y", _WRIST_AT_WATCH * wrist)))
    trunk = _rotation(_after(facing, _about("y", pitch)))
    shoulder = _rotation(facing).apply(coordinates[:, COLUMN["forward_m"] :]) + trunk.apply(_SHOULDER_ABOVE_HIP_M)
    elbow_at = shoulder + _rotation(upper).apply([0.0, 0.0, -person.upper_arm_m])
    wrist_at = elbow_at + _rotation(fore).apply([0.0, 0.0, -person.forearm_m])
    return axes, wrist_at + axes.apply(_WATCH_ABOVE_BONE_M)


# Quaternions are held as (4, n) rows w, x, y, z here: products of many Rotations take several times as long.


def _about(axis: Literal["x", "y", "z"], angle: FloatArray) -> FloatArray:
    quaternion = np.zeros((4, len(angle)))
    quaternion[0], quaternion[1 + "xyz".index(axis)] = np.cos(angle / 2), np.sin(angle / 2)
    return quaternion


def _after(*turns: FloatArray) -> FloatArray:
    """Return these rotations as one, each in the axes that those before it have turned."""
    first, *others = turns
    for second in others:
        (w, x, y, z), (a, b, c, d) = first, second
        first = np.stack(
            [
                w * a - x * b - y * c - z * d,
                w * b + x * a + y * d - z * c,
                w * c - x * d + y * a + z * b,
                w * d + x * c - y * b + z * a,
            ]
        )
    return first


def _quaternion(rotation: Rotation) -> FloatArray:
    return np.asarray(np.roll(rotation.as_quat(), 1)[:, None])


def _rotation(quaternion: FloatArray) -> Rotation:
    return Rotation.from_quat(quaternion[[1, 2, 3, 0]].T)


def _mirrored(axes: Rotation) -> Rotation:
    """Return the axes of a right-handed device on the mirrored arm: x and z are mirrored, y follows from them."""
    turned = axes.as_quat() * [-1.0, 1.0, -1.0, 1.0]
    # q and -q are one turn; the largest number of the first is positive, as it is in what a matrix gives.
    return Rotation.from_quat(turned * np.sign(turned[0, np.abs(turned[0]).argmax()]))


def body_rate(axes: Rotation, rate_hz: float) -> FloatArray:
    """Return the angular rate (n, 3) about the device's own axes, by central differences."""
    quaternion = np.ascontiguousarray(np.roll(axes.as_quat(), 1, axis=1).T)
    back = quaternion[:, :-2] * np.array([[1.0], [-1.0], [-1.0], [-1.0]])
    w, *sines = _after(back, quaternion[:, 2:])
    sine = np.linalg.norm(sines, axis=0)
    # The angle over its sine, which is 2 where nothing turns.
    over = np.divide(2 * np.arctan2(sine, np.abs(w)), sine, out=np.full(len(sine), 2.0), where=sine > 0)
    inner = (np.array(sines) * (np.sign(w) * over)).T * (rate_hz / 2)
    return np.vstack([inner[:1], inner, inner[-1:]])
