"""How the wrist turns, from the gyroscope."""

import numpy as np

from wristkit.features.wrist.registry import wrist_feature
from wristkit.features.wrist.seen import COSTLY, Seen, deviations, means, ratio
from wristkit.recording import FloatArray

_GYRO = ("gyro",)


@wrist_feature("rad/s", streams=_GYRO, needs=["speed"], per_sample=1, fixed=COSTLY)
def turn_speed(seen: Seen) -> FloatArray:
    """Mean speed of rotation."""
    return means(seen.speed)


@wrist_feature("rad/s", streams=_GYRO, needs=["speed"], per_sample=4, fixed=3 * COSTLY)
def turn_speed_spread(seen: Seen) -> FloatArray:
    """How much the speed of rotation varies: its standard deviation."""
    return deviations(seen.speed)


@wrist_feature("rad/s", streams=_GYRO, needs=["speed"], per_sample=1)
def turn_speed_peak(seen: Seen) -> FloatArray:
    """Greatest speed of rotation."""
    return np.asarray(seen.speed.max(axis=1))


@wrist_feature("rad", streams=_GYRO, per_sample=3, fixed=5 + 4 * COSTLY)
def net_turn(seen: Seen) -> FloatArray:
    """Length of the sum of all rotation: small where the wrist turns there and back."""
    x, y, z = (seen.gyro.sum(axis=2) / seen.shape.rate_hz).T
    return np.asarray(np.sqrt(x * x + y * y + z * z))


@wrist_feature("rad", streams=_GYRO, per_sample=1, fixed=COSTLY)
def net_roll(seen: Seen) -> FloatArray:
    """Sum of the rotation about x, with its sign: which way the forearm rolled."""
    return np.asarray(seen.gyro[:, 0].sum(axis=1) / seen.shape.rate_hz)


@wrist_feature("1", streams=("accel", "gyro"), needs=["push", "speed"], per_sample=10, fixed=7 * COSTLY)
def likeness_push_turn(seen: Seen) -> FloatArray:
    """Correlation of the length of acceleration and the speed of rotation."""
    one, other = (line - means(line)[:, None] for line in (seen.push, seen.speed))
    return ratio(means(one * other), np.sqrt(means(one * one) * means(other * other)))


def _axis_features() -> None:
    for place, axis in enumerate("xyz"):

        def share(seen: Seen, place: int = place) -> FloatArray:
            squares = seen.gyro * seen.gyro
            return ratio(means(squares[:, place]), means(seen.speed * seen.speed))

        wrist_feature(
            "1",
            streams=_GYRO,
            needs=["speed"],
            per_sample=4,
            fixed=3 * COSTLY,
            name=f"turn_share_{axis}",
            meaning=f"Share of the rotation that is about {axis}",
        )(share)


_axis_features()
