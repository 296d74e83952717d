"""How many samples lie where, how often values come again, and where the extremes are."""

import numpy as np

from wristkit.features.batch import Batch, Mask
from wristkit.features.registry import each
from wristkit.recording import FloatArray


@each
def count_above(batch: Batch, t: float) -> FloatArray:
    """Share of the samples at ``t`` or above."""
    return np.count_nonzero(batch.values >= t, axis=1) / batch.samples


@each
def has_duplicate_max(batch: Batch) -> Mask:
    """Whether the greatest value comes twice or more."""
    return np.count_nonzero(batch.values == batch.greatest[:, None], axis=1) >= 2
