"""Signals that are there twice under different names: saved again, trimmed, or on a clock that starts elsewhere."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray
from wristkit.windows.labelled import Windows, check_finite

_LIVELY = 16  # steps that are not 0 within a window; fewer may be a table under two watches
_FINER = 4  # grid points between two samples, so that copies on other clocks have their peaks at the same place
_PEAKS = 4  # in a row that must agree: one and the three that follow
_PROMINENCE = 0.1  # standard deviations of the signal; less is noise
_MOST_PEAKS = 2000  # of one recording, its highest
_TIME_OFF, _HEIGHT_OFF = 0.5, 0.1  # samples, and standard deviations: what another grid does to a peak
_NEIGHBOURS = 8
_VOTES = 3
_ALIKE = 0.97  # correlation of two stretches at the same lag


class Copy(NamedTuple):
    """Two recordings with the same signal; ``lag_s`` is added to times of the first to give those of the second."""

    one: str
    other: str
    lag_s: float

    def told(self, subjects: Mapping[str, str]) -> str:
        """Return which recordings of whom hold the same signal, given the subject of each."""
        whose = f"of {subjects[self.one]!r} and {self.other} of {subjects[self.other]!r}"
        return f"recordings {self.one} {whose} hold the same signal, the second {self.lag_s:+.2f} s on its clock"


class _Track(NamedTuple):
    """One signal of all channels of a recording on a finer grid; NaN where there is no window."""

    name: str
    first: int
    values: FloatArray


class _Peaks(NamedTuple):
    """Peaks of all recordings: whose, when (finer places), and what follows each (n, 2 * _PEAKS - 1)."""

    owner: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    shape: FloatArray


def copies_in(parts: Sequence[Windows]) -> list[Copy]:
    """Return each pair of recordings that hold the same signal, in whole or in a part of several peaks in a row.

    Windows with the same bits are found by their hash; copies that were trimmed or moved in time, so that the grid
    falls elsewhere, by the times and heights of their peaks, and then by their correlation.
    """
    for part in parts:
        check_finite(part)
    found = {(one.one, one.other): one for one in _same_bits(parts)}
    tracks = _tracks(parts)
    for one in _same_peaks(tracks, parts[0].rate_hz, parts[0].samples):
        found.setdefault((one.one, one.other), one)
    return list(found.values())


def _same_bits(parts: Sequence[Windows]) -> Iterator[Copy]:
    """Yield pairs of recordings that share a window bit for bit, the first in order of their names."""
    seen: dict[bytes, tuple[str, float]] = {}
    for part in parts:
        lively = np.count_nonzero(np.diff(part.values, axis=2), axis=(1, 2)) >= _LIVELY
        for place in np.flatnonzero(lively):
            digest = hashlib.blake2b(np.ascontiguousarray(part.values[place]).data, digest_size=16).digest()
            here = (str(part.recordings[place]), float(part.start_s[place]))
            before = seen.setdefault(digest, here)
            if before[0] != here[0]:
                (one, one_s), (other, other_s) = sorted([before, here])
                yield Copy(one, other, other_s - one_s)


def _tracks(parts: Sequence[Windows]) -> list[_Track]:
    """Return one signal a recording: all channels, each in its own standard deviations, with fixed weights."""
    spread = np.mean([part.values.std(axis=(0, 2), dtype=np.float64) for part in parts if len(part)], axis=0)
    weights = np.random.default_rng(0).normal(size=len(spread)) / np.where(spread > 0, spread, np.inf)
    tracks: list[_Track] = []
    for part in parts:
        first = np.round(part.start_s * part.rate_hz).astype(np.int64)
        order = np.argsort(part.recordings.astype(str), kind="stable")
        cuts = np.flatnonzero(part.recordings[order][1:] != part.recordings[order][:-1]) + 1
        tracks += [
            _track(str(part.recordings[own[0]]), first[own], part.values[own], weights)
            for own in np.split(order, cuts)
            if len(own)
        ]
    return tracks


def _track(name: str, first: npt.NDArray[np.int64], values: npt.NDArray[np.float32], weights: FloatArray) -> _Track:
    samples = values.shape[2]
    coarse = np.full(int(first.max() - first.min()) + samples, np.nan)
    coarse[(first - first.min())[:, None] + np.arange(samples)] = np.einsum("ncs,c->ns", values, weights)
    return _Track(name, int(first.min()) * _FINER, _finer(coarse))


def _finer(coarse: FloatArray) -> FloatArray:
    """Return a band-limited signal at ``_FINER`` times its rate, each stretch without NaN by itself."""
    from scipy.signal import resample_poly

    fine = np.full(len(coarse) * _FINER, np.nan)
    for start, stop in _stretches(np.isfinite(coarse)):
        fine[start * _FINER : stop * _FINER] = resample_poly(coarse[start:stop], _FINER, 1, padtype="line")
    return fine


def _stretches(held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (k, 2) first and past-the-last places of runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def _same_peaks(tracks: Sequence[_Track], rate_hz: float, samples: int) -> Iterator[Copy]:
    """Yield pairs of tracks in which several peaks agree at one lag, and then all between them does."""
    from scipy.spatial import cKDTree

    peaks = _peaks_of(tracks)
    if len(peaks.owner) < 2:
        return
    near, neighbour = cKDTree(peaks.shape).query(peaks.shape, k=_NEIGHBOURS, p=np.inf, distance_upper_bound=1.0)
    row, column = np.nonzero(np.isfinite(near))
    other = np.asarray(neighbour)[row, column]
    apart = peaks.owner[row] < peaks.owner[other]
    row, other = row[apart], other[apart]
    lag = peaks.place[other] - peaks.place[row]
    votes: dict[tuple[int, int, int], int] = {}
    for key in zip(peaks.owner[row].tolist(), peaks.owner[other].tolist(), (lag // _FINER).tolist(), strict=True):
        votes[key] = votes.get(key, 0) + 1
    for (mine, theirs, coarse), count in votes.items():
        if count + votes.get((mine, theirs, coarse + 1), 0) < _VOTES:
            continue
        best = _best_lag(tracks[mine], tracks[theirs], coarse * _FINER, least=samples * _FINER)
        if best is not None:
            one, two, lag_s = tracks[mine].name, tracks[theirs].name, best / _FINER / rate_hz
            if one != two:
                yield Copy(*(one, two, lag_s) if one < two else (two, one, -lag_s))


def _peaks_of(tracks: Sequence[_Track]) -> _Peaks:
    """Return the highest peaks of each track, described by the steps to those that follow and by their heights."""
    from scipy.signal import find_peaks

    owners, places, shapes = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty((0, 2 * _PEAKS - 1))]
    for number, track in enumerate(tracks):
        for start, stop in _stretches(np.isfinite(track.values)):
            values = track.values[start:stop]
            at = find_peaks(values, prominence=_PROMINENCE)[0]
            if len(at) < _PEAKS:
                continue
            following = np.lib.stride_tricks.sliding_window_view(at, _PEAKS)
            steps = np.diff(following, axis=1) / (_FINER * _TIME_OFF)
            highest = np.argsort(-values[following[:, 0]], kind="stable")[:_MOST_PEAKS]
            owners.append(np.full(len(highest), number))
            places.append(track.first + start + following[highest, 0])
            shapes.append(np.column_stack([steps, values[following] / _HEIGHT_OFF])[highest])
    return _Peaks(np.concatenate(owners), np.concatenate(places), np.concatenate(shapes))


def _best_lag(one: _Track, other: _Track, lag: int, *, least: int) -> int | None:
    """Return the lag near this one at which two tracks agree over all that they share; None where they do not."""
    lags = range(lag - 2, lag + 2 * _FINER)
    alike = [_correlation(one, other, tried, least=least) for tried in lags]
    return lags[int(np.argmax(alike))] if max(alike) >= _ALIKE else None


def _correlation(one: _Track, other: _Track, lag: int, *, least: int) -> float:
    offset = other.first - lag - one.first  # of the second's first sample among those of the first
    start, stop = max(0, offset), min(len(one.values), offset + len(other.values))
    if stop - start < least // 2:
        return -1.0
    mine, theirs = one.values[start:stop], other.values[start - offset : stop - offset]
    held = np.isfinite(mine) & np.isfinite(theirs)
    if held.sum() < least // 2 or not mine[held].std() or not theirs[held].std():
        return -1.0
    return float(np.corrcoef(mine[held], theirs[held])[0, 1])
