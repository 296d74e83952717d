"""From source streams to the grid of a net: one definition for training, a recording, and packets on a wrist.

``Conditioning`` is a frozen, ordered tuple of steps. ``run`` takes a recording, ``start().push`` takes packets, and
both give the same bits: every output depends on the samples in its own support alone, summed in one fixed order.

On the grid, sample k of every stream lies at ``k / rate_hz`` seconds from ``Recording.start``. A gap, by the rule of
the source, resets resampler and filters; the front end of sound, which counts samples, begins anew after 5 ms without.
"""

from wristkit.condition.conditioning import Conditioning, ConditioningState, Packet, Step
from wristkit.condition.frame import AXIAL, POLAR, WRIST_SIGNS, Frame, Source, frame_of
from wristkit.condition.resample import Grid, Resample

__all__ = [
    "AXIAL",
    "POLAR",
    "WRIST_SIGNS",
    "Conditioning",
    "ConditioningState",
    "Frame",
    "Grid",
    "Packet",
    "Resample",
    "Source",
    "Step",
    "frame_of",
]
