"""Offline looks at whole recordings: what is wrong with the samples, whose clock they are on, what they are worth."""

from wristkit.signals.alignment import ClockFit, align
from wristkit.signals.calibration import Calibration, calibrate, gravity_split
from wristkit.signals.inspection import check_units, inspect
from wristkit.signals.motion import motion_energy
from wristkit.signals.offline import continuous_attitude, filter_offline, resample_offline
from wristkit.signals.ppg import ppg_quality
from wristkit.signals.wear import WearParams, mark_wear, wear_spans

__all__ = [
    "Calibration",
    "ClockFit",
    "WearParams",
    "align",
    "calibrate",
    "check_units",
    "continuous_attitude",
    "filter_offline",
    "gravity_split",
    "inspect",
    "mark_wear",
    "motion_energy",
    "ppg_quality",
    "resample_offline",
    "wear_spans",
]
