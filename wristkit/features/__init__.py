"""Features: tsfresh's names and values at a hundred times its speed, and a set of the wrist's own."""

from wristkit.features.extract import series_features

__all__ = ["series_features"]
