"""Detectors as Core ML packages that are checked on any machine: files and tables, no pictures."""

from wristkit.export.bundle import Bundle, export
from wristkit.export.cost import Cost, Energy, cost, layers
from wristkit.export.device_log import DeviceLog, read_device_log
from wristkit.export.folder import verify
from wristkit.export.golden import check_golden
from wristkit.export.mlprogram import MLPackage, load_mlpackage
from wristkit.export.packaged import Packaged
from wristkit.export.parity import ParityError
from wristkit.export.preflight import neural_engine, preflight, ranges
from wristkit.export.replay import Comparison, compared, replay
from wristkit.export.simulated_log import Faults, simulate_device_log
from wristkit.export.variants import variants

__all__ = [
    "Bundle",
    "Comparison",
    "Cost",
    "DeviceLog",
    "Energy",
    "Faults",
    "MLPackage",
    "Packaged",
    "ParityError",
    "check_golden",
    "compared",
    "cost",
    "export",
    "layers",
    "load_mlpackage",
    "neural_engine",
    "preflight",
    "ranges",
    "read_device_log",
    "replay",
    "simulate_device_log",
    "variants",
    "verify",
]
