"""What the accelerometer is worth as a witness of motion, window by window."""

from typing import Literal, NamedTuple

import numpy as np

from wristkit.recording import FloatArray

Reason = Literal["", "accel_missing", "accel_stuck", "accel_axis_dead", "accel_unit"]

WRONG = ("accel_axis_dead", "accel_unit")
"""Reasons for which nothing is told: motion that is felt wrongly would be taken for none."""
_LEAST_VALID = 0.5
_MOST_WILD = 0.5  # more are no lone marks of a missing value, but another unit
_MEAN_G = {"accel": (0.5, 3.0), "user_accel": (0.0, 3.0)}  # of the length over 8 s: sprinting arms stay below
_LEAST_GRAVITY_G = 0.1  # of the mean of a stream that holds gravity, while an arm turns about: estimate
_OTHERS_MOVE_G = 0.03  # two steps of a sensor of 1/64 g, which at rest may show one value for long


class Witness(NamedTuple):
    """Motion (n, 3) in g, or None where nothing is known of it; ``reason`` says what is wrong with it."""

    motion: FloatArray | None
    reason: Reason


def witness(name: str, motion: FloatArray, *, wild: float = 0.0) -> Witness:
    """Return what a window (n, 3) of a stream is worth; ``wild`` is the share of it that was left out as impossible."""
    if wild > _MOST_WILD:
        return Witness(None, "accel_unit")
    held = np.isfinite(motion)
    if held.any(axis=1).mean() < _LEAST_VALID:
        return Witness(None, "accel_missing")
    known = motion[held.any(axis=1)]
    low, high = np.fmin.reduce(known, axis=0), np.fmax.reduce(known, axis=0)
    dead = ~(high > low)
    if dead.all():  # no wrist is as still for 8 s; where steps are coarse it may be, and light has to do alone
        return Witness(None, "accel_stuck")
    if dead.any() and (high - low)[~dead].max(initial=0.0) > _OTHERS_MOVE_G:
        return Witness(None, "accel_axis_dead")
    least_g, most_g = _MEAN_G[name]
    length_g = float(np.nanmean(np.sqrt(np.nansum(known**2, axis=1))))
    gravity_g = float(np.linalg.norm(np.nan_to_num(np.nanmean(known, axis=0))))
    if not least_g <= length_g <= most_g or (name == "accel" and gravity_g < _LEAST_GRAVITY_G):
        return Witness(None, "accel_unit")
    return Witness(motion, "")
