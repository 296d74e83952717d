"""Arithmetic on (k, 2) spans of seconds."""

import numpy as np

from wristkit.recording.stream import FloatArray


def union(spans: FloatArray) -> FloatArray:
    """Return disjoint, ordered (k, 2) spans that cover the same seconds."""
    ordered = np.asarray(spans, dtype=np.float64).reshape(-1, 2)
    ordered = ordered[np.argsort(ordered[:, 0], kind="stable")]
    joined: list[list[float]] = []
    for start_s, stop_s in ordered.tolist():
        if joined and start_s <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop_s)
        else:
            joined.append([start_s, stop_s])
    return np.array(joined, dtype=np.float64).reshape(-1, 2)


def intersect(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the (k, 2) spans that two sets of disjoint, ordered spans share."""
    first = np.searchsorted(other[:, 1], one[:, 0], side="right")
    last = np.searchsorted(other[:, 0], one[:, 1], side="left")
    counts = np.maximum(last - first, 0)
    left = np.repeat(np.arange(len(one)), counts)
    right = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    start_s = np.maximum(one[left, 0], other[right, 0])
    stop_s = np.minimum(one[left, 1], other[right, 1])
    shared: FloatArray = np.column_stack([start_s, stop_s])[stop_s > start_s]
    return shared


def subtract(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the (k, 2) spans of one set of disjoint spans that lie outside another."""
    edges = union(other).ravel()
    outside = np.concatenate([[-np.inf], edges, [np.inf]]).reshape(-1, 2)
    return intersect(union(one), outside)


def covered_s(start_s: FloatArray, stop_s: FloatArray, spans: FloatArray) -> FloatArray:
    """Return how many seconds of each of n stretches the union of spans covers."""
    joined = union(spans)
    if not len(joined):
        return np.zeros(len(start_s))
    before_s = np.concatenate([[0.0], np.cumsum(joined[:, 1] - joined[:, 0])])

    def covered_until(time_s: FloatArray) -> FloatArray:
        place = np.searchsorted(joined.ravel(), time_s, side="right")
        opened_s = joined[np.minimum(place // 2, len(joined) - 1), 0]
        return np.asarray(before_s[place // 2] + np.where(place % 2 == 1, time_s - opened_s, 0.0))

    return covered_until(stop_s) - covered_until(start_s)
