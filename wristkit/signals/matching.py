"""Moments that two clocks both stamped: which belong together, and the line that maps one clock onto the other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray
from wristkit.signals.pieces import IntArray

_ROUNDS = 30
_TUKEY = 4.685  # residuals beyond so many spreads do not count at all
_LEAST_SPREAD_S = 0.001
_MOST_VOTES = 5e7  # of all pairs under all drifts: some seconds
_MOST_PAIRS = 2e7  # some hundred MB
_MOST_SLOPES = 1000  # points, all pairs of which are looked at


class Line(NamedTuple):
    """What to add to the stamps of the other clock: ``offset_s`` at its second 0, and ``slope`` a second."""

    offset_s: float
    slope: float

    def at(self, other_s: FloatArray) -> FloatArray:
        """Return the seconds (n,) to add at these seconds of the other clock."""
        return np.asarray(self.offset_s + self.slope * other_s)


class Match(NamedTuple):
    """Pairs of moments under one line, (pairs, 2) rows of the two tables, and how many the next best line has."""

    pairs: IntArray
    line: Line
    runner_up: int

    @property
    def offset_s(self) -> float:
        """Seconds to add at second 0 of the other clock."""
        return self.line.offset_s


def fit_line(other_s: FloatArray, offset_s: FloatArray, weight: FloatArray, *, drifts: bool) -> Line:
    """Return the line through local offsets (n,), of which some are wrong; level where the clock ``drifts`` not.

    From the median, or the median slope between all pairs of at most 1000 spread over them, by weighted least squares
    with Tukey's biweight.
    """
    from scipy.stats import theilslopes

    middle_s = float(np.mean(other_s))
    away_s = other_s - middle_s
    slope, level = 0.0, float(np.median(offset_s))
    if drifts:
        some = np.unique(np.linspace(0, len(away_s) - 1, min(len(away_s), _MOST_SLOPES)).astype(int))
        slope, level, _, _ = (float(part) for part in theilslopes(offset_s[some], away_s[some]))
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
    fastest: float = 0.0,
) -> Match:
    """Return which moments of the same kind belong together under the offset and drift that most of them share.

    Offsets within ``between_s`` are tried, each with drifts of up to ``fastest`` each way that are so near to each
    other that the right one moves no moment by more than half of the tolerance. Those of a pair lie within
    ``tolerance_s`` and that half of each other; of very many moments fewer drifts are tried, and more is let pass.
    """
    tried = _of_one_kind(reference_s, other_s, kinds, other_kinds, between_s)
    offset_s, at_s = reference_s[tried[:, 0]] - other_s[tried[:, 1]], other_s[tried[:, 1]]
    if not len(offset_s):
        return Match(np.empty((0, 2), dtype=np.int64), Line(float("nan"), 0.0), 0)
    span_s = float(max(np.ptp(reference_s), np.ptp(other_s)))
    count = int(min(np.ceil(2 * fastest * span_s / tolerance_s), _MOST_VOTES // len(offset_s)))
    drifts = fastest * (2 * np.arange(max(count, 1)) + 1 - max(count, 1)) / max(count, 1)
    width_s = tolerance_s + fastest * span_s / max(count, 1)
    _, line = _most_votes(offset_s, at_s, drifts, width_s)
    pairs = _nearest(tried, np.abs(offset_s - line.at(at_s)), tolerance_s=width_s)
    elsewhere = np.abs(offset_s - line.at(at_s)) > 1.5 * width_s
    votes, _ = _most_votes(offset_s[elsewhere], at_s[elsewhere], drifts, width_s)
    return Match(pairs, line, votes)


def _most_votes(offset_s: FloatArray, at_s: FloatArray, drifts: FloatArray, width_s: float) -> tuple[int, Line]:
    """Return how many local offsets (n,) the best line holds within a width, and this line; the flattest of equals."""
    most, line = 0, Line(float("nan"), 0.0)
    if not len(offset_s):
        return most, line
    middle_s = float(np.mean(at_s))
    for drift in drifts[np.argsort(np.abs(drifts), kind="stable")].tolist():
        level_s = np.sort(offset_s - drift * (at_s - middle_s))
        votes = np.searchsorted(level_s, level_s + width_s, side="right") - np.arange(len(level_s))
        best = int(np.argmax(votes))
        if votes[best] > most:
            most = int(votes[best])
            line = Line(float(np.median(level_s[best : best + most])) - drift * middle_s, drift)
    return most, line


def _of_one_kind(
    reference_s: FloatArray,
    other_s: FloatArray,
    kinds: Sequence[str],
    other_kinds: Sequence[str],
    between_s: tuple[float, float],
) -> IntArray:
    """Return (n, 2) rows of the two tables, of moments of one kind whose offset may be tried; refuse too many."""
    kind, other_kind = np.asarray(kinds, dtype=object), np.asarray(other_kinds, dtype=object)
    found, count = [np.empty((0, 2), dtype=np.int64)], 0
    for one in sorted(set(kinds) & set(other_kinds)):
        rows, columns = np.flatnonzero(kind == one), np.flatnonzero(other_kind == one)
        columns = columns[np.argsort(other_s[columns], kind="stable")]
        first = np.searchsorted(other_s[columns], reference_s[rows] - between_s[1], side="left")
        each = np.searchsorted(other_s[columns], reference_s[rows] - between_s[0], side="right") - first
        count += int(each.sum())
        if count > _MOST_PAIRS:
            raise RecordingError(
                f"{len(kinds)} and {len(other_kinds)} moments make more than {_MOST_PAIRS:.0e} pairs of one kind, "
                "expected fewer",
                code="alignment",
                remedy="give within_s= where you know about when both began; or keep fewer labels; or use 'motion'",
            )
        within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        found.append(np.column_stack([np.repeat(rows, each), columns[np.repeat(first, each) + within]]))
    pairs = np.concatenate(found)
    return np.asarray(pairs[np.lexsort(pairs.T[::-1])])


def _nearest(pairs: IntArray, distance_s: FloatArray, *, tolerance_s: float) -> IntArray:
    """Return which of the pairs (n, 2) are nearest to each other both ways, within the tolerance."""
    close = distance_s <= tolerance_s
    pairs = pairs[close][np.argsort(distance_s[close], kind="stable")]
    nearest, nearest_back = (np.unique(side, return_index=True)[1] for side in pairs.T)
    both = np.intersect1d(nearest, nearest_back)
    return np.asarray(pairs[both][np.argsort(pairs[both, 0])])


def _biweight(residual_s: FloatArray) -> FloatArray:
    spread_s = max(1.4826 * float(np.median(np.abs(residual_s))), _LEAST_SPREAD_S)
    inside = np.clip(1 - (residual_s / (_TUKEY * spread_s)) ** 2, 0.0, None)
    return np.asarray(inside**2)
