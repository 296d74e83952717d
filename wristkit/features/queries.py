"""How often a pattern that is asked for comes in a series."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch
from wristkit.features.registry import Column, Params, named, together
from wristkit.recording import FloatArray


@together
def query_similarity_count(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Count the places no further than ``threshold`` from a query (Mueen's MASS, by stumpy as tsfresh has it)."""
    for one in params:
        query = np.asarray(one.get("query"), dtype=np.float64)
        if query.size < 3:
            yield named(one), np.full(len(batch), np.nan)
            continue
        near = [_near(series, query, one) for series in batch.values]
        yield named(one), np.array(near, dtype=np.float64)


def _near(series: FloatArray, query: npt.NDArray[np.float64], one: Params) -> float:
    from stumpy import core

    distance = core.mass if one.get("normalize", True) else core.mass_absolute
    try:
        return float(np.sum(distance(query, series) <= one.get("threshold", 0.0)))
    except ValueError:  # a query longer than the series, or with a NaN, has no distance
        return np.nan
