"""From motion to sets: where it repeats, the usual repetition, and each that looks like it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from wristkit.recipes.reps.likeness import (
    IntArray,
    Similarity,
    dominant_axis,
    matches,
    peaks_of,
    shapes,
    similarity,
    usual_shape,
)
from wristkit.recipes.reps.motion import GRID_HZ, Stretch
from wristkit.recording import FloatArray
from wristkit.signals.pieces import Mask

SHORTEST_S, LONGEST_S = 0.8, 7.0
"""Seconds of one repetition."""
FEWEST = 4
"""Repetitions of a set."""

_LAGS = (4, 160)  # 0.2 s to 8 s
_HOP = 5  # rows from one centre of similarity to the next
_ACTIVE_ROWS, _ACTIVE = 60, 0.02  # what moves less within 3 s holds no set: g or half radians
_SIMILAR, _SPREAD = 0.5, 0.035
_SAME_PERIOD = 1.45  # of two neighbouring centres of one set
_APART = 1.2  # periods between them
_LOOK_ON = 20  # periods before and after what is self-similar, in which more of it may lie
_SMOOTH = 0.06  # of a period, along the dominant axis
_LEAST_ALIKE, _ALIKE_AT_ENDS, _ALIKE_IN_ALL = 0.5, 0.65, 0.7
_EVEN_AT_ENDS = (0.65, 1.45)  # periods of the core
_CLOSEST, _PAUSE = 0.6, 1.9  # periods between two repetitions
_MOST_UNEVEN = 0.25  # standard deviation of the seconds from one to the next, of their mean
_SEEN_BEFORE = 0.4  # of the centres of a candidate
# Gait at a wrist: a period of two steps, a hand that goes no further than an arm swings, and heels that shake it.
_GAIT_S, _GAIT_REACH_G_S2, _GAIT_SHAKING_G = 1.6, 5.0, 0.012


class Repeated(NamedTuple):
    """A set: rows (k,) at which repetitions start, are at their far end and stop; how alike they are (k,), to 1.

    ``similar`` is the median self-similarity of the windows in it.
    """

    start: FloatArray
    far: FloatArray
    stop: FloatArray
    alike: FloatArray
    similar: float

    def where(self, kept: Mask) -> "Repeated":
        """Return the repetitions for which this is true."""
        return Repeated(self.start[kept], self.far[kept], self.stop[kept], self.alike[kept], self.similar)

    def later(self, rows: int) -> "Repeated":
        """Return the same set so many rows later."""
        return self._replace(start=self.start + rows, far=self.far + rows, stop=self.stop + rows)


def sets_of(stretch: Stretch) -> Iterator[Repeated]:
    """Yield the sets of a stretch; rows are those of the grid. What repeats longest and best is looked at first."""
    for rows in _active(stretch.values):
        part, found = stretch.between(*rows), list[Repeated]()
        alike = similarity(part.values, lags=_LAGS, hop=_HOP)
        for places in sorted(_candidates(alike), key=lambda one: -float(alike.value[one].sum())):
            if _share_seen(alike.centre[places], found) <= _SEEN_BEFORE:
                counted = _counted(part, alike, places)
                if counted is not None and len((new := _outside(counted, found)).start) >= FEWEST:
                    found.append(new)
        for one in found:
            yield one.later(part.first)


def _active(values: FloatArray) -> list[tuple[int, int]]:
    """Return first and past-last rows of what moves, with some seconds around it."""
    cells = len(values) // _ACTIVE_ROWS
    spread = np.sqrt(values[: cells * _ACTIVE_ROWS].reshape(cells, _ACTIVE_ROWS, -1).var(axis=1).sum(axis=1))
    moves = np.convolve(spread >= _ACTIVE, np.ones(5), mode="full")[2:-2] > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moves, [False]]))).reshape(-1, 2)
    return [(a * _ACTIVE_ROWS, len(values) if b == cells else b * _ACTIVE_ROWS) for a, b in edges.tolist()]


def _candidates(found: Similarity) -> list[IntArray]:
    """Return places of neighbouring centres that repeat at about one period, row by row."""
    good = np.flatnonzero((found.value >= _SIMILAR) & (found.spread >= _SPREAD))
    if not len(good):
        return []
    one, other = found.lag[good][:-1], found.lag[good][1:]
    new = np.diff(found.centre[good]) > np.maximum(_APART * np.minimum(one, other), _HOP)
    new |= np.maximum(one, other) > _SAME_PERIOD * np.minimum(one, other)
    rows = np.split(good, np.flatnonzero(new) + 1)
    lags = [float(np.median(found.lag[places])) / GRID_HZ for places in rows]
    return [places for places, lag_s in zip(rows, lags, strict=True) if SHORTEST_S <= lag_s <= LONGEST_S]


def _share_seen(centre: IntArray, found: list[Repeated]) -> float:
    """Return the share of centres that lie in sets that were found."""
    seen = [(centre >= one.start[0]) & (centre <= one.stop[-1]) for one in found]
    return float(np.mean(np.any(seen, axis=0))) if seen else 0.0


def _outside(one: Repeated, found: list[Repeated]) -> Repeated:
    """Return the repetitions that lie in none of the sets that were found, but for half of one."""
    kept = np.ones(len(one.start), dtype=bool)
    half = float(np.median(one.stop - one.start)) / 2
    for other in found:
        kept &= (one.stop <= other.start[0] + half) | (one.start >= other.stop[-1] - half)
    return one.where(kept)


def _counted(stretch: Stretch, alike: Similarity, places: IntArray) -> Repeated | None:
    """Return the set around these centres; None where it is none."""
    lag = float(np.median(alike.lag[places]))
    core = alike.centre[places[0]] - lag, alike.centre[places[-1]] + lag
    first = max(0, round(core[0] - _LOOK_ON * lag))
    part = stretch.values[first : round(core[1] + _LOOK_ON * lag) + 1]
    core = core[0] - first, core[1] - first
    line = _along(part, slice(max(0, round(core[0])), round(core[1])), lag)
    found = [(way, chain) for way in (line, -line) if (chain := _chain(part, way, lag, core)) is not None]
    if not found:
        return None
    line, (far, fits) = max(found, key=lambda one: _at_home(one[0], one[1][0], lag))
    if not _is_set(far, fits) or _is_gait(stretch, far + first):
        return None
    edges, similar = _edges(line, far) + first, float(np.median(alike.value[places]))
    return Repeated(edges[:-1], (far + first).astype(np.float64), edges[1:], fits, similar)


def _along(part: FloatArray, core: slice, lag: float) -> FloatArray:
    """Return (n,) the smoothed way along the axis along which the core varies most."""
    return np.asarray(gaussian_filter1d(part @ dominant_axis(part[core]), _SMOOTH * lag))


def _chain(
    part: FloatArray, line: FloatArray, lag: float, core: tuple[float, float]
) -> tuple[IntArray, FloatArray] | None:
    """Return the rows of repetitions one after the other, most of them in the core, and how alike they are."""
    peak = peaks_of(line, lag)
    peak = peak[(peak >= core[0]) & (peak <= core[1])]
    if len(peak) < 2:
        return None
    usual = usual_shape(shapes(part, peak, lag))
    at, fits = matches(part, usual, lag, least=_LEAST_ALIKE, apart=_CLOSEST * lag)
    inside = (at >= core[0]) & (at <= core[1])
    chains = np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > _PAUSE * lag) + 1)
    longest = max(chains, key=lambda one: np.count_nonzero(inside[one]))
    kept = _from_within(at[longest], fits[longest], inside[longest])
    return (at[longest][kept], fits[longest][kept]) if len(kept) else None


def _from_within(at: IntArray, fits: FloatArray, inside: Mask) -> IntArray:
    """Return the places inside a core, and those before and after as far as each goes on as alike and as even."""
    within = np.flatnonzero(inside)
    if not len(within):
        return within
    good = fits >= _ALIKE_AT_ENDS * np.median(fits[within])
    first, last = within[np.flatnonzero(good[within])[[0, -1]]].tolist()
    apart = np.diff(at)
    usual = float(np.median(apart[first:last])) if last > first else np.inf
    even = (apart >= _EVEN_AT_ENDS[0] * usual) & (apart <= _EVEN_AT_ENDS[1] * usual)
    while first > 0 and good[first - 1] and even[first - 1]:
        first -= 1
    while last + 1 < len(at) and good[last + 1] and even[last]:
        last += 1
    return np.arange(first, last + 1)


def _at_home(line: FloatArray, far: IntArray, lag: float) -> float:
    """Return how near the way before and after is to that between repetitions: 1 there, 0 at their far ends."""
    if len(far) < 2:
        return 0.0
    top = float(np.median(line[far]))
    home = float(np.median([line[a:b].min() for a, b in pairwise(far.tolist())]))
    before = line[max(0, round(far[0] - lag)) : max(1, round(far[0] - lag / 2))]
    after = line[round(far[-1] + lag / 2) : round(far[-1] + lag)]
    away = [abs(float(np.median(one)) - home) / max(top - home, 1e-9) for one in (before, after) if len(one)]
    return float(np.mean([1 - min(1.0, one) for one in away])) if away else 0.0


def _is_set(far: IntArray, fits: FloatArray) -> bool:
    if len(far) < FEWEST:
        return False
    apart = np.diff(far)
    lasts_s = float(np.median(apart)) / GRID_HZ
    even = apart.std() <= _MOST_UNEVEN * apart.mean()
    return bool(SHORTEST_S <= lasts_s <= LONGEST_S and even and np.median(fits) >= _ALIKE_IN_ALL)


def _is_gait(stretch: Stretch, far: IntArray) -> bool:
    """Return whether a set may as well be an arm that swings while its owner walks or runs."""
    lasts_s = float(np.median(np.diff(far))) / GRID_HZ
    rows = slice(far[0], far[-1] + 1)
    reach = float(np.linalg.norm(np.ptp(stretch.values[rows, :3], axis=0))) * lasts_s**2
    shaken = float(np.sqrt(np.mean(stretch.shaking[rows] ** 2)))
    return lasts_s < _GAIT_S and reach < _GAIT_REACH_G_S2 and shaken >= _GAIT_SHAKING_G


def _edges(line: FloatArray, far: IntArray) -> FloatArray:
    """Return (k + 1,) rows between repetitions, where the way is furthest from their far ends."""
    reach = round(0.75 * float(np.median(np.diff(far))))
    bounds = [max(0, far[0] - reach), *far.tolist(), min(len(line) - 1, far[-1] + reach)]
    lowest = [a + int(np.argmin(line[a : b + 1])) for a, b in pairwise(bounds)]
    return np.asarray(lowest, dtype=np.float64)
