"""The curve of a decoder whose classes block each other, decoded anew piece by piece.

Who blocks whom depends on who is decided first, and so on each single score: of a piece with several classes every
score is a threshold, of one with a single class the peaks are.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.evaluate.judge import Rule, Seen, touches
from wristkit.events import EPSILON_S, Event, EventDecoder, Runs, Scores, near, served
from wristkit.recording import FloatArray

_SHORT = 300  # windows


class Piece(NamedTuple):
    """Rows of scores from ``first`` up to ``last`` whose events neither block nor share true ones with any others."""

    first: int
    last: int
    levels: FloatArray


def changes_across(scores: Scores, decoder: EventDecoder, seen: Seen, rule: Rule) -> Iterator[tuple[float, int, int]]:
    """Yield threshold, more hits and more false alarms as the threshold falls, piece by piece."""
    for piece in _pieces(scores, decoder, seen, rule):
        before, part = (0, 0), scores.between(*_ends_s(piece, scores))
        for level in np.unique(piece.levels)[::-1].tolist():
            now = _counts_of(_events_of(part, replace(decoder, high=min(1.0, level))), seen, rule)
            yield level, now[0] - before[0], now[1] - before[1]
            before = now


def _ends_s(piece: Piece, scores: Scores) -> tuple[float, float]:
    return float(scores.time[piece.first]), float(np.nextafter(scores.time[piece.last - 1], np.inf))


def _events_of(part: Scores, decoder: EventDecoder) -> list[Event]:
    """Return the events of one piece; of a short one window by window, which is done before whole arrays are made."""
    if len(part) > _SHORT:
        return [Event(*row) for row in decoder.run(part).itertuples(index=False)]
    state = decoder.start(part.channels, hop_s=part.hop_s)
    updates = [*state.push(part.centre_s, part.time, part.values), *state.flush()]
    return [update.event for update in updates if update.final]


def _counts_of(events: list[Event], seen: Seen, rule: Rule) -> tuple[int, int]:
    """Return hits and false alarms of what was decoded of a piece."""
    hits = alarms = 0
    for label in {event.label for event in events}:
        own = [event for event in events if event.label == label]
        times = np.array([(event.start_s, event.stop_s) for event in own])
        order = np.argsort(times[:, 0], kind="stable")
        truth = seen.truth.get(label, np.empty((0, 2)))
        linked = near(times[order], truth, rule.tolerance_s)
        hit = served(*linked, np.array([event.score for event in own])[order])
        hits += int(hit.sum())
        alarms += int((touches(times[order], seen.distinct) & ~hit).sum())
    return hits, alarms


def _pieces(scores: Scores, decoder: EventDecoder, seen: Seen, rule: Rule) -> list[Piece]:
    """Return the pieces in order; those that cannot be decoded without what comes before are one with it."""
    held = list(replace(decoder, high=decoder.low).runs(scores).values())
    peaks, runs = np.concatenate([one.score for one in held]), _spans(held)
    lasting = list(decoder.lasting(scores).values())
    spans = np.concatenate([runs, *seen.truth.values()])
    order = np.argsort(spans[:, 0], kind="stable")
    ends_s = np.maximum.accumulate(spans[order, 1])
    settling_s = (decoder.smooth + 2) * scores.hop_s
    reach_s = max(decoder.refractory_s, decoder.refractory_any_s, decoder.merge_s, rule.tolerance_s) + settling_s
    cuts = np.flatnonzero(spans[order[1:], 0] > ends_s[:-1] + reach_s) + 1
    first_rows = _first_rows(scores, decoder)
    pieces: list[Piece] = []
    for members in np.split(order, cuts):
        own = members[members < len(runs)]
        if not len(own):
            continue
        peaks_here = peaks[own]
        first = int(np.searchsorted(scores.centre_s, runs[own, 0].min() - EPSILON_S))
        last = int(np.searchsorted(scores.centre_s, runs[own, 1].max() + settling_s, side="right"))
        first = int(first_rows[first])
        while pieces and first < pieces[-1].last:
            before = pieces.pop()
            first, peaks_here = before.first, np.concatenate([before.levels, peaks_here])
        pieces.append(Piece(first, last, peaks_here))
    return [piece._replace(levels=_levels(piece, lasting)) for piece in pieces]


def _levels(piece: Piece, lasting: list[tuple[npt.NDArray[np.intp], FloatArray]]) -> FloatArray:
    """Return the thresholds of a piece whose ``levels`` are its peaks."""
    parts = [values[np.searchsorted(rows, piece.first) : np.searchsorted(rows, piece.last)] for rows, values in lasting]
    return piece.levels if sum(len(part) > 0 for part in parts) < 2 else np.concatenate(parts)


def _spans(runs: list[Runs]) -> FloatArray:
    return np.concatenate([np.column_stack([one.start_s, one.stop_s]) for one in runs])


def _first_rows(scores: Scores, decoder: EventDecoder) -> npt.NDArray[np.int64]:
    """Return for each row the one to begin at so that its smoothed scores come out the same.

    The first rows of a piece are averaged with fewer than there were. Where no class is at the low threshold in any of
    them, no average is, and that does no harm; so is the start of a stretch, where the averages are just these.
    """
    count, needed = len(scores.centre_s), decoder.smooth - 1
    columns = [place for place, label in enumerate(scores.channels) if label != decoder.background]
    quiet = (scores.values[:, columns] < decoder.low * (1 - 1e-6)).all(axis=1)
    starts = np.append(True, np.diff(scores.centre_s) > 1.5 * scores.hop_s)[:count]
    good = starts.copy()
    if count > needed:
        calm = np.concatenate([[0], np.cumsum(quiet)])
        good[: count - needed] |= calm[needed:count] - calm[: count - needed] == needed
    latest: npt.NDArray[np.int64] = np.maximum.accumulate(np.where(good, np.arange(count), 0))
    return np.asarray(latest[np.maximum(np.arange(count + 1) - needed, 0).clip(max=max(count - 1, 0))])
