"""A left arm as a chain of joints: angles over time in, motion of the watch out.

World axes: x forward, y to the person's left, z up. The chain is that of a left arm; a right arm is its mirror image.
Angles of the arm are held against the vertical, not against the trunk: a lean forward leaves the arms where they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
    return WatchPath(axes, acceleration, _body_rate(axes, rate_hz))


def _left_arm(person: Person, coordinates: FloatArray) -> tuple[Rotation, FloatArray]:
    """Return axes and position (n, 3) of a watch on the left wrist with the crown towards the hand."""
    heading, pitch, flexion, abduction, rotation, elbow, pronation, wrist, *_ = coordinates.T
    facing = _about("z", heading)
    upper = facing * Rotation.from_euler("YXZ", np.column_stack([-flexion, abduction, -rotation]))
    fore = upper * Rotation.from_euler("YZ", np.column_stack([-elbow, -pronation]))
    strap = Rotation.from_euler("x", person.strap_tilt_rad)
    axes = fore * _DISTAL_DORSAL * strap * _about("y", _WRIST_AT_WATCH * wrist)
    trunk = facing * _about("y", pitch)
    shoulder = facing.apply(coordinates[:, COLUMN["forward_m"] :]) + trunk.apply(_SHOULDER_ABOVE_HIP_M)
    elbow_at = shoulder + upper.apply([0.0, 0.0, -person.upper_arm_m])
    return axes, elbow_at + fore.apply([0.0, 0.0, -person.forearm_m]) + axes.apply(_WATCH_ABOVE_BONE_M)


def _about(axis: str, angle: FloatArray) -> Rotation:
    return Rotation.from_euler(axis, angle[:, None])


def _mirrored(axes: Rotation) -> Rotation:
    """Return the axes of a right-handed device on the mirrored arm: x and z are mirrored, y follows from them."""
    return Rotation.from_matrix(_MIRROR @ axes.as_matrix() @ _MIRROR)


def _body_rate(axes: Rotation, rate_hz: float) -> FloatArray:
    """Return the angular rate (n, 3) about the device's own axes, by central differences."""
    inner = (axes[:-2].inv() * axes[2:]).as_rotvec() * (rate_hz / 2)
    return np.vstack([inner[:1], inner, inner[-1:]])
