"""In which context something happened: the labels of another tier, such as activities, as parts of the time."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray, Recording

NO_CONTEXT = "no label"


class Parts(NamedTuple):
    """Time cut at (k,) ``edges_s`` into k + 1 parts, each with the names of the labels over it."""

    edges_s: FloatArray
    names: npt.NDArray[np.object_]


def parts_of(recording: Recording, tier: str | None) -> Parts:
    """Return the time of a recording by the labels of a tier; where several lie over each other, by all their names.

    A moment so has one context alone, and the hours of all contexts add up to all hours. Points cover no time.
    """
    labels = recording.labels[recording.labels["tier"] == tier]
    labels = labels[labels["stop_s"] > labels["start_s"]]
    start_s, stop_s = labels["start_s"].to_numpy(dtype=np.float64), labels["stop_s"].to_numpy(dtype=np.float64)
    edges_s = np.unique(np.concatenate([start_s, stop_s]))
    over: list[set[str]] = [set() for _ in range(len(edges_s) + 1)]
    first = np.searchsorted(edges_s, start_s, side="right")
    last = np.searchsorted(edges_s, stop_s, side="right")
    for name, begin, end in zip(labels["label"].tolist(), first.tolist(), last.tolist(), strict=True):
        for part in over[begin:end]:
            part.add(name)
    names = [" + ".join(sorted(part)) or NO_CONTEXT for part in over]
    return Parts(edges_s, np.array(names, dtype=object))


def names_at(moments_s: FloatArray, parts: Parts) -> npt.NDArray[np.object_]:
    """Return the context of each moment (n,)."""
    return parts.names[np.searchsorted(parts.edges_s, moments_s, side="right")]


def hours_by_context(spans: FloatArray, parts: Parts) -> dict[str, float]:
    """Return how many hours of disjoint spans lie in each context."""
    cuts = np.unique(np.concatenate([spans.ravel(), parts.edges_s]))
    middles_s, widths_s = (cuts[:-1] + cuts[1:]) / 2, np.diff(cuts)
    inside = np.searchsorted(spans.ravel(), middles_s, side="right") % 2 == 1
    hours: dict[str, float] = {}
    for name, width_s in zip(names_at(middles_s[inside], parts).tolist(), widths_s[inside].tolist(), strict=True):
        hours[name] = hours.get(name, 0.0) + width_s / 3600
    return hours
