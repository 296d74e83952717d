"""Where in a series its extremes lie and its mass."""

from collections.abc import Iterable, Sequence

import numpy as np

from wristkit.features.batch import Batch
from wristkit.features.registry import Column, Params, each, named, together
from wristkit.recording import FloatArray


@each
def first_location_of_maximum(batch: Batch) -> FloatArray:
    """Where the greatest value comes first, as a share of the length; the first NaN counts as greatest."""
    return np.asarray(batch.values.argmax(axis=1) / batch.samples)


@each
def first_location_of_minimum(batch: Batch) -> FloatArray:
    """Where the least value comes first, as a share of the length; the first NaN counts as least."""
    return np.asarray(batch.values.argmin(axis=1) / batch.samples)


@each
def last_location_of_maximum(batch: Batch) -> FloatArray:
    """Where the greatest value comes last, as a share of the length; the last NaN counts as greatest."""
    return np.asarray(1.0 - batch.values[:, ::-1].argmax(axis=1) / batch.samples)


@each
def last_location_of_minimum(batch: Batch) -> FloatArray:
    """Where the least value comes last, as a share of the length; the last NaN counts as least."""
    return np.asarray(1.0 - batch.values[:, ::-1].argmin(axis=1) / batch.samples)


@together
def index_mass_quantile(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Share of the length after which a share ``q`` of the sum of sizes has passed."""
    whole = batch.sizes.sum(axis=1, keepdims=True)
    passed = np.cumsum(batch.sizes, axis=1) / whole
    for one in params:
        places = ((passed >= one["q"]).argmax(axis=1) + 1) / batch.samples
        yield named(one), np.where(whole[:, 0] == 0, np.nan, places)


@together
def energy_ratio_by_chunks(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Share of the sum of squares in one of ``num_segments`` parts, of which the first may be longer by a sample."""
    squares = np.square(batch.values)
    whole = squares.sum(axis=1)
    for one in params:
        parts, focus = one["num_segments"], one["segment_focus"]
        if not -parts <= focus < parts:
            raise ValueError(f"segment_focus is {focus} of num_segments {parts}, expected less than that")
        least, longer = divmod(batch.samples, parts)
        place = focus % parts  # from the end if negative
        first = place * least + min(place, longer)
        share = squares[:, first : first + least + (place < longer)].sum(axis=1) / whole
        yield named(one), np.where(whole == 0, np.nan, share)
