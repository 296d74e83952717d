"""Features: tsfresh's names and values at a hundred times its speed, and a set of the wrist's own."""

from typing import TYPE_CHECKING, Any

from wristkit.features.table import features
from wristkit.features.wrist import WristStream, wrist_costs

if TYPE_CHECKING:
    from wristkit.features.extractor import FeatureExtractor

__all__ = ["FeatureExtractor", "WristStream", "features", "wrist_costs"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  the class itself, once it is asked for: scikit-learn takes seconds
    if name != "FeatureExtractor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wristkit.features.extractor import FeatureExtractor

    return FeatureExtractor
