"""Recall and false alarms at every threshold, exactly."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.judge import Rule, counted_spans, recorded_spans, touches
from wristkit.events import EventDecoder, Scores, match
from wristkit.recording import FloatArray, Recording


class Group(NamedTuple):
    """Candidates of one class in one recording, and what they are judged by, all (n, 2) seconds or (n,)."""

    times: FloatArray
    peaks: FloatArray
    stretch: npt.NDArray[np.int64]
    judged: npt.NDArray[np.bool_]
    truth: FloatArray

    def part(self, events: npt.NDArray[np.int64], truths: npt.NDArray[np.int64]) -> "Group":
        """Return these candidates and truths."""
        return Group(
            self.times[events], self.peaks[events], self.stretch[events], self.judged[events], self.truth[truths]
        )


def curve_table(
    recordings: Mapping[str, Recording],
    rule: Rule,
    scores: Mapping[str, Scores],
    decoder: EventDecoder,
    *,
    truths: int,
    hours: float,
) -> pd.DataFrame:
    """Return counts at every threshold.

    With the low threshold fixed, an event exists from its peak downwards. Events and truths that are too far apart to
    be matched or to block each other are counted apart, so that each cluster is a small step function of its peaks.
    """
    steps: list[tuple[float, int, int]] = []
    for name, recording in recordings.items():
        for group in _groups(recording, rule, scores[name], decoder):
            for cluster in _clusters(group, max(rule.tolerance_s, decoder.refractory_s)):
                steps += _cluster_steps(cluster, decoder.refractory_s, rule.tolerance_s)
    return _sum_steps(steps, truths, hours)


def _groups(recording: Recording, rule: Rule, scores: Scores, decoder: EventDecoder) -> Iterator[Group]:
    candidates = replace(decoder, high=decoder.low, refractory_s=0.0).run(scores)
    truth = recording.labels[recording.labels["tier"] == rule.tier]
    counted, recorded = counted_spans(recording, rule, scores), recorded_spans(recording, rule)
    restarts_s = scores.centre_s[1:][np.diff(scores.centre_s) > 1.5 * scores.hop_s]
    for label, found in candidates.groupby("label"):
        times = found[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
        wanted = truth.loc[truth["label"] == label, ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
        yield Group(
            times=times,
            peaks=found["score"].to_numpy(dtype=np.float64),
            stretch=np.searchsorted(restarts_s, times[:, 0], side="right").astype(np.int64),
            judged=touches(times, counted),
            truth=wanted[touches(wanted, recorded)],
        )


def _clusters(group: Group, reach_s: float) -> Iterator[Group]:
    """Yield candidates and truths that lie within reach of each other."""
    times = np.concatenate([group.times, group.truth])
    order = np.argsort(times[:, 0], kind="stable")
    ends_s = np.maximum.accumulate(times[order, 1])
    cuts = np.flatnonzero(times[order[1:], 0] > ends_s[:-1] + reach_s + 1e-6) + 1
    for members in np.split(order, cuts):
        events = np.sort(members[members < len(group.times)])
        yield group.part(events, np.sort(members[members >= len(group.times)]) - len(group.times))


def _cluster_steps(cluster: Group, refractory_s: float, tolerance_s: float) -> list[tuple[float, int, int]]:
    """Return (threshold, more hits, more false alarms) as the threshold falls over the peaks of a cluster."""
    if not len(cluster.truth) and not refractory_s:
        return [(float(peak), 0, int(judged)) for peak, judged in zip(cluster.peaks, cluster.judged, strict=True)]
    steps, before = [], (0, 0)
    for threshold in np.unique(cluster.peaks)[::-1]:
        kept = _outside_refractory(cluster, np.flatnonzero(cluster.peaks >= threshold), refractory_s)
        paired = match(cluster.times[kept], cluster.truth, tolerance_s=tolerance_s)[:, 0]
        alarms = int(cluster.judged[np.delete(kept, paired)].sum())
        steps.append((float(threshold), len(paired) - before[0], alarms - before[1]))
        before = (len(paired), alarms)
    return steps


def _outside_refractory(cluster: Group, places: npt.NDArray[np.int64], refractory_s: float) -> npt.NDArray[np.int64]:
    """Return the places of ordered events that the decoder would not have blocked; a gap unblocks it."""
    kept, ready_s, stretch = [], -np.inf, -1
    for place in places:
        if cluster.stretch[place] != stretch or cluster.times[place, 0] >= ready_s - 1e-9:
            kept.append(place)
            ready_s, stretch = cluster.times[place, 1] + refractory_s, cluster.stretch[place]
    return np.array(kept, dtype=np.int64)


def _sum_steps(steps: Sequence[tuple[float, int, int]], truths: int, hours: float) -> pd.DataFrame:
    ordered = np.array(sorted(steps, reverse=True), dtype=np.float64).reshape(-1, 3)
    totals = np.concatenate([[[np.inf, 0, 0]], np.column_stack([ordered[:, 0], np.cumsum(ordered[:, 1:], axis=0)])])
    last = np.append(totals[1:, 0] != totals[:-1, 0], [True])
    threshold, hits, alarms = totals[last].T
    with np.errstate(invalid="ignore", divide="ignore"):
        table = {
            "threshold": threshold,
            "hits": hits.astype(int),
            "false_alarms": alarms.astype(int),
            "truths": truths,
            "recall": hits / truths if truths else np.full(len(hits), np.nan),
            "precision": hits / (hits + alarms),
            "fp_per_hour": alarms / hours if hours else np.full(len(hits), np.nan),
        }
    return pd.DataFrame(table)
