"""About sixty features chosen for the wrist, from whole windows or from packets, with what they cost."""

from wristkit.features.wrist.registry import WRIST, WristFeature
from wristkit.features.wrist.table import WristStream, wrist_costs, wrist_features, wrist_set

__all__ = ["WRIST", "WristFeature", "WristStream", "wrist_costs", "wrist_features", "wrist_set"]
