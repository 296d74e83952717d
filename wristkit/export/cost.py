"""What one decision costs, in counts and bytes. Energy is not among them: no figure for a watch has been published."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wristkit.models import summary

if TYPE_CHECKING:
    from wristkit.detector import Detector


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Counts for one detector and its package.

    ``macs`` are multiply-accumulates of convolutions and linear layers; the hourly figure recomputes every window,
    as the package does.
    """

    parameters: int
    macs_per_window: int
    decisions_per_s: float
    macs_per_hour: int
    weight_bytes: int
    package_bytes: int


def cost(detector: "Detector", mlpackage: Path) -> Cost:
    """Return the cost of running a detector from a package."""
    spec = detector.spec
    net = summary(detector.model, samples=spec.length)
    decisions_per_s = spec.conditioning.rate_hz / spec.hop
    return Cost(
        parameters=net.parameters,
        macs_per_window=net.macs,
        decisions_per_s=decisions_per_s,
        macs_per_hour=math.ceil(net.macs * decisions_per_s * 3600),
        weight_bytes=_bytes_under(mlpackage / "Data" / "com.apple.CoreML" / "weights"),
        package_bytes=_bytes_under(mlpackage),
    )


def _bytes_under(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
