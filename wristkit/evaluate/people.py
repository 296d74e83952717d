"""How figures vary over people: drawn anew for intervals, two detectors swapped for the doubt about a difference.

Windows and events of one person are alike, so that intervals over them are too narrow for a claim about people. Here a
figure is computed from counts summed over people, and people are what is drawn.
"""

from collections.abc import Callable

import numpy as np

from wristkit.evaluate.figures import CONFIDENCE, FEWEST_PEOPLE
from wristkit.recording import FloatArray

DRAWS = 2000
MOST_EXACT = 12  # people of whom every way of swapping is tried
Figures = Callable[[FloatArray], FloatArray]  # from counts (sets, ...) to figures (sets, k)


def interval_of(counts: FloatArray, figures: Figures) -> FloatArray:
    """Return (2, k) 95 % percentile bootstrap over the people of counts (people, ...); NaN of fewer than five."""
    if len(counts) < FEWEST_PEOPLE:
        return np.full((2, figures(counts.sum(axis=0, keepdims=True)).shape[1]), np.nan)
    return _middle(figures(_drawn_sums(counts)))


def interval_of_difference(one: FloatArray, other: FloatArray, figures: Figures) -> FloatArray:
    """Return (2, k) 95 % percentile bootstrap of what other has more than one, the same people drawn for both."""
    if len(one) < FEWEST_PEOPLE:
        return np.full((2, figures(one.sum(axis=0, keepdims=True)).shape[1]), np.nan)
    return _middle(figures(_drawn_sums(other)) - figures(_drawn_sums(one)))


def swap_p(one: FloatArray, other: FloatArray, figures: Figures) -> FloatArray:
    """Return (k,) how often a difference as large comes about when each person's two results are swapped or not.

    Of at most twelve people all ways are tried, and the value is exact; of more, 2000 ways and the one that happened.
    """
    sums = np.stack([one.sum(axis=0), other.sum(axis=0)])
    seen = figures(sums[1:]) - figures(sums[:1])
    if len(one) <= MOST_EXACT:
        swapped = (np.arange(2 ** len(one))[:, None] >> np.arange(len(one))) & 1
    else:
        swapped = np.random.default_rng(0).integers(2, size=(DRAWS, len(one)))
        swapped[0] = 0
    moved = np.tensordot(swapped.astype(np.float64), other - one, axes=1)
    others = figures(sums[1] - moved) - figures(sums[0] + moved)
    with np.errstate(invalid="ignore"):
        at_least = np.abs(others) >= np.abs(seen) - 1e-12
    share = (at_least | np.isnan(others)).mean(axis=0)
    return np.where(np.isnan(seen[0]), np.nan, share)


def _drawn_sums(counts: FloatArray) -> FloatArray:
    """Return counts (draws, ...) summed over people drawn anew, the same people for the same number of them."""
    drawn = np.random.default_rng(0).integers(len(counts), size=(DRAWS, len(counts)))
    times = np.zeros((DRAWS, len(counts)))
    np.add.at(times, (np.arange(DRAWS)[:, None], drawn), 1)
    return np.asarray(np.tensordot(times, counts, axes=1))


def _middle(figures: FloatArray) -> FloatArray:
    """Return the 95 % in the middle of each column, where it is a number."""
    tail = 50 * (1 - CONFIDENCE)
    with np.errstate(all="ignore"):
        held = [column[np.isfinite(column)] for column in figures.T]
        return np.array([np.percentile(one, [tail, 100 - tail]) if len(one) else (np.nan, np.nan) for one in held]).T
