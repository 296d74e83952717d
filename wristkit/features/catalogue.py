"""All batched calculators by their names in tsfresh."""

from wristkit.features import (  # noqa: F401  each registers its own
    autoregression,
    changes,
    corridors,
    counts,
    histograms,
    lags,
    langevin,
    matches,
    moments,
    patterns,
    places,
    queries,
    runs,
    spectrum,
    trends,
    unit_root,
    wavelets,
)
from wristkit.features.registry import CALCULATORS

__all__ = ["CALCULATORS"]
