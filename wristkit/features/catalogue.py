"""All batched calculators by their names in tsfresh."""

from wristkit.features import counts, moments  # noqa: F401  each registers its own
from wristkit.features.registry import CALCULATORS

__all__ = ["CALCULATORS"]
