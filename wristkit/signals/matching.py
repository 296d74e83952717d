"""Moments that two clocks both stamped: which belong together, and the line that maps one clock onto the other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray
from wristkit.signals.pieces import IntArray, Mask

_ROUNDS = 30
_TUKEY = 4.685  # residuals beyond so many spreads do not count at all
_LEAST_SPREAD_S = 0.001


class Line(NamedTuple):
    """What to add to the stamps of the other clock: ``offset_s`` at its second 0, and ``slope`` a second."""

    offset_s: float
    slope: float

    def at(self, other_s: FloatArray) -> FloatArray:
        """Return the seconds (n,) to add at these seconds of the other clock."""
        return np.asarray(self.offset_s + self.slope * other_s)


class Match(NamedTuple):
    """Pairs of moments under one offset, (pairs, 2) rows of the two tables, and how many the next best offset has."""

    pairs: IntArray
    offset_s: float
    runner_up: int


def fit_line(other_s: FloatArray, offset_s: FloatArray, weight: FloatArray, *, drifts: bool) -> Line:
    """Return the line through local offsets (n,), of which some are wrong; level where the clock ``drifts`` not.

    From the median, or the median slope between all pairs, by weighted least squares with Tukey's biweight.
    """
    from scipy.stats import theilslopes

    middle_s = float(np.mean(other_s))
    away_s = other_s - middle_s
    slope, level = 0.0, float(np.median(offset_s))
    if drifts:
        slope, level, _, _ = (float(part) for part in theilslopes(offset_s, away_s))
    for _ in range(_ROUNDS):
        residual_s = offset_s - level - slope * away_s
        share = weight * _biweight(residual_s)
        mean_s, mean_away_s = np.average(offset_s, weights=share), np.average(away_s, weights=share)
        level = float(mean_s)
        if drifts:
            apart_s = away_s - mean_away_s
            slope = float(np.sum(share * apart_s * offset_s) / np.sum(share * apart_s**2))
            level = float(mean_s - slope * mean_away_s)
    return Line(level - slope * middle_s, slope)


def match_times(
    reference_s: FloatArray,
    other_s: FloatArray,
    *,
    kinds: Sequence[str],
    other_kinds: Sequence[str],
    tolerance_s: float,
    between_s: tuple[float, float],
) -> Match:
    """Return which moments of the same kind belong together under the offset that most of them share.

    Offsets within ``between_s`` are tried; those of a pair lie within ``tolerance_s`` of each other.
    """
    same = np.asarray(kinds, dtype=object)[:, None] == np.asarray(other_kinds, dtype=object)[None, :]
    offsets_s = reference_s[:, None] - other_s[None, :]
    offsets = np.sort(offsets_s[same & (offsets_s >= between_s[0]) & (offsets_s <= between_s[1])])
    if not len(offsets):
        return Match(np.empty((0, 2), dtype=np.int64), float("nan"), 0)
    votes = np.searchsorted(offsets, offsets + tolerance_s, side="right") - np.arange(len(offsets))
    best = int(np.argmax(votes))
    offset_s = float(np.median(offsets[best : best + votes[best]]))
    pairs = pair_up(offsets_s - offset_s, same, tolerance_s=tolerance_s)
    elsewhere = votes[np.abs(offsets + tolerance_s / 2 - offset_s) > 2 * tolerance_s]
    return Match(pairs, offset_s, int(elsewhere.max(initial=0)))


def pair_up(apart_s: FloatArray, same: Mask, *, tolerance_s: float) -> IntArray:
    """Return (pairs, 2) rows and columns that are nearest to each other both ways, within the tolerance."""
    distance_s = np.where(same, np.abs(apart_s), np.inf)
    nearest, nearest_back = distance_s.argmin(axis=1), distance_s.argmin(axis=0)
    rows = np.arange(len(distance_s))
    mutual = (nearest_back[nearest] == rows) & (distance_s[rows, nearest] <= tolerance_s)
    return np.column_stack([rows[mutual], nearest[mutual]])


def _biweight(residual_s: FloatArray) -> FloatArray:
    spread_s = max(1.4826 * float(np.median(np.abs(residual_s))), _LEAST_SPREAD_S)
    inside = np.clip(1 - (residual_s / (_TUKEY * spread_s)) ** 2, 0.0, None)
    return np.asarray(inside**2)
