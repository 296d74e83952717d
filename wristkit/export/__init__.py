"""Detectors as Core ML packages that are checked on any machine: files and tables, no pictures."""

from wristkit.export.bundle import Bundle, export
from wristkit.export.mlprogram import MLPackage, load_mlpackage
from wristkit.export.parity import ParityError

__all__ = ["Bundle", "MLPackage", "ParityError", "export", "load_mlpackage"]
