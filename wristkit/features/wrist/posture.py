"""How the forearm is held, from the mean direction of gravity; in the wrist's axes x points to the hand."""

import numpy as np

from wristkit.features.wrist.registry import wrist_feature
from wristkit.features.wrist.seen import COSTLY, Seen, lengths, means, ratio
from wristkit.recording import FloatArray


@wrist_feature("g", needs=["gravity"])
def gravity_x(seen: Seen) -> FloatArray:
    """Mean acceleration along x: -1 with the hand straight up on a left wrist, crown to the hand."""
    return seen.gravity[:, 0]


@wrist_feature("g", needs=["gravity"])
def gravity_y(seen: Seen) -> FloatArray:
    """Mean acceleration along y."""
    return seen.gravity[:, 1]


@wrist_feature("g", needs=["gravity"])
def gravity_z(seen: Seen) -> FloatArray:
    """Mean acceleration along z: -1 with the screen up."""
    return seen.gravity[:, 2]


@wrist_feature("g", needs=["gravity"], fixed=5 + COSTLY)
def gravity_length(seen: Seen) -> FloatArray:
    """Length of the mean acceleration: 1 at rest, less the more the arm swings round."""
    return lengths(seen.gravity[:, :, None])[:, 0]


@wrist_feature("rad", needs=["gravity"], fixed=5 + 3 * COSTLY)
def arm_elevation(seen: Seen) -> FloatArray:
    """Angle of x above the horizon: the forearm points up or down."""
    x, y, z = seen.gravity.T
    return np.asarray(np.arctan2(-x, np.sqrt(y * y + z * z)))


@wrist_feature("rad", needs=["gravity"], fixed=COSTLY)
def arm_roll(seen: Seen) -> FloatArray:
    """Angle about x: 0 with the screen up, a quarter turn with it upright."""
    return np.arctan2(seen.gravity[:, 1], -seen.gravity[:, 2])


@wrist_feature("rad", per_sample=3, fixed=20 + 8 * COSTLY)
def tilt_change(seen: Seen) -> FloatArray:
    """Angle between gravity in the first and in the second half of the window."""
    half = seen.shape.samples // 2
    first, second = means(seen.accel[:, :, : max(half, 1)]), means(seen.accel[:, :, half:])
    return _angle(first, second)


@wrist_feature("rad", per_sample=3, fixed=20 + 8 * COSTLY)
def tilt_there_and_back(seen: Seen) -> FloatArray:
    """Angle between gravity in the middle third of the window and in the outer ones: a raise that comes back."""
    third = max(1, seen.shape.samples // 3)
    middle = means(seen.accel[:, :, third : seen.shape.samples - third])
    outer = (seen.accel[:, :, :third].sum(axis=2) + seen.accel[:, :, -third:].sum(axis=2)) / (2 * third)
    return _angle(middle, outer)


def _angle(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (n,) angles between (n, 3) vectors, also small ones exactly."""
    (a, b, c), (x, y, z) = one.T, other.T
    across = np.sqrt((b * z - c * y) ** 2 + (c * x - a * z) ** 2 + (a * y - b * x) ** 2)
    return np.asarray(np.arctan2(across, a * x + b * y + c * z))


@wrist_feature("g", needs=["push"], per_sample=4, fixed=2 * COSTLY)
def motion(seen: Seen) -> FloatArray:
    """Mean distance of the length of acceleration from its own mean."""
    return means(np.abs(seen.push - means(seen.push)[:, None]))


@wrist_feature("g", needs=["push"], per_sample=3, fixed=COSTLY)
def above_gravity(seen: Seen) -> FloatArray:
    """Mean of what the length of acceleration has beyond 1 g (ENMO of van Hees et al., 2013)."""
    return means(np.maximum(seen.push - 1, 0))


@wrist_feature("1", needs=["push"], per_sample=5, fixed=2 * COSTLY)
def still_share(seen: Seen) -> FloatArray:
    """Share of the samples whose length is within 0.05 g of the window's mean."""
    return means((np.abs(seen.push - means(seen.push)[:, None]) <= 0.05).astype(np.float64))


def _axis_features() -> None:
    for place, axis in enumerate("xyz"):

        def spread(seen: Seen, place: int = place) -> FloatArray:
            centred = seen.accel[:, place] - seen.gravity[:, place, None]
            return np.sqrt(means(centred * centred))

        wrist_feature(
            "g",
            needs=["gravity"],
            per_sample=3,
            fixed=2 * COSTLY,
            name=f"motion_{axis}",
            meaning=f"Standard deviation of the acceleration along {axis}",
        )(spread)
    for first, second in ((0, 1), (0, 2), (1, 2)):

        def together(seen: Seen, first: int = first, second: int = second) -> FloatArray:
            one, other = (seen.accel[:, place] - seen.gravity[:, place, None] for place in (first, second))
            return ratio(means(one * other), np.sqrt(means(one * one) * means(other * other)))

        names = "xyz"[first], "xyz"[second]
        wrist_feature(
            "1",
            needs=["gravity"],
            per_sample=8,
            fixed=5 * COSTLY,
            name=f"likeness_{names[0]}_{names[1]}",
            meaning=f"Correlation of the accelerations along {names[0]} and {names[1]}",
        )(together)


_axis_features()
