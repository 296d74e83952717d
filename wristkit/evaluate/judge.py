"""What counts, and which predicted event belongs to which true one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import BACKGROUND, Scores, match
from wristkit.recording import FloatArray, Recording, Stream, find_gaps, is_sporadic
from wristkit.recording.spans import covered_s, intersect, subtract, union


@dataclass(frozen=True)
class Rule:
    """What events were judged by; ``streams`` None means all, ``classes`` None means all that occur."""

    tier: str
    tolerance_s: float
    latency_from: Literal["start", "stop"]
    streams: tuple[str, ...] | None
    classes: frozenset[str] | None


class Seen(NamedTuple):
    """What of a recording can be judged, in spans (k, 2).

    ``recorded``: where a true event can be missed. ``counted``: what was looked at, recorded and worn. ``distinct``:
    the part of that which no recording before it held, where hours and false alarms count. ``not_worn``: what else
    would have counted. ``truth``: class to the true events (n, 2) that were recorded.
    """

    recorded: FloatArray
    counted: FloatArray
    distinct: FloatArray
    not_worn: FloatArray
    truth: Mapping[str, FloatArray]


DETECTED = ("hit", "false alarm", "not labelled", "counted elsewhere")  # kinds of what a detector said
MATCH_KINDS = {
    "recording": object,
    "subject": object,
    "label": object,
    "kind": object,
    "start_s": float,
    "stop_s": float,
    "true_start_s": float,
    "true_stop_s": float,
    "score": float,
    "decided_s": float,
    "latency_s": float,
    "early": bool,
    "repeated": bool,
}


def seen_of(recordings: Mapping[str, Recording], rule: Rule, scores: Mapping[str, Scores] | None) -> dict[str, Seen]:
    """Return what can be judged of each recording.

    Hours of one device on one person that several recordings hold, such as those into which events were put, are
    counted in the first of them.
    """
    known: dict[tuple[object, ...], FloatArray] = {}
    seen = {}
    for name, recording in recordings.items():
        recorded = recorded_spans(recording, rule)
        looked_at = looked_at_spans(recording, rule, recorded, None if scores is None else scores[name])
        not_worn = intersect(looked_at, _not_worn(recording))
        counted = subtract(looked_at, not_worn) if len(not_worn) else looked_at
        clock, offset_s = _clock(recording)
        before = known.get(clock, np.empty((0, 2)))
        known[clock] = union(np.concatenate([before, counted + offset_s]))
        distinct = subtract(counted, before - offset_s) if len(before) else counted
        labels = recording.labels[recording.labels["tier"] == rule.tier]
        truth = {
            str(label): rows[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
            for label, rows in labels.groupby("label")
            if (label != BACKGROUND if rule.classes is None else label in rule.classes)
        }
        kept = {label: times[touches(times, recorded)] for label, times in truth.items()}
        seen[name] = Seen(recorded, counted, distinct, not_worn, kept)
    return seen


def _clock(recording: Recording) -> tuple[tuple[object, ...], float]:
    """Return what recordings of the same hours have in common, and when this one starts on that clock."""
    if recording.start is None or not recording.subject:
        return (recording.source.get("content_hash", recording.id),), 0.0  # parts of one file are on one clock
    device = (recording.subject, recording.wrist, recording.source.get("device"), recording.is_simulated)
    return device, recording.start.timestamp()


def recorded_spans(recording: Recording, rule: Rule) -> FloatArray:
    """Return the spans within which every stream that counts was recorded."""
    names = recording.streams if rule.streams is None else rule.streams
    if not len(names):
        return np.empty((0, 2))
    regular = [name for name in names if rule.streams is not None or not is_sporadic(name)] or list(names)
    spans = np.array([[recording.start_s, recording.stop_s]])
    for name in regular:
        # A detector that hears names mel, which it makes of audio where that is there.
        heard = "audio" if name == "mel" and name not in recording.streams else name
        spans = intersect(spans, _spans_of(recording[heard]))
    return spans


def _spans_of(stream: Stream) -> FloatArray:
    """Return where a stream has samples, missing ones (NaN) left out as its gaps are."""
    held = np.isfinite(np.asarray(stream.values)).all(axis=1)
    if not held.any():
        return np.empty((0, 2))
    time_s = stream.time[held]
    gaps = stream.gaps if held.all() else np.concatenate([stream.gaps, find_gaps(time_s)])
    return subtract(np.array([[time_s[0], time_s[-1]]]), gaps)


def _not_worn(recording: Recording) -> FloatArray:
    """Return the spans in which findings say that nobody wore it; a time that is not known reaches to the end."""
    findings = recording.findings
    spans = findings.loc[findings["code"] == "not_worn", ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    return union(np.where(np.isnan(spans), [-np.inf, np.inf], spans))


def looked_at_spans(recording: Recording, rule: Rule, recorded: FloatArray, scores: Scores | None) -> FloatArray:
    """Return the spans that were looked at, recorded and, with scores, within a window."""
    spans = intersect(recorded, union(recording.labelled.get(rule.tier, np.empty((0, 2)))))
    return spans if scores is None else intersect(spans, _scored_spans(scores))


def _scored_spans(scores: Scores) -> FloatArray:
    """Return the seconds that windows cover; they come in order, so that only steps beyond their length are edges."""
    if not len(scores.centre_s):
        return np.empty((0, 2))
    apart = np.flatnonzero(np.diff(scores.centre_s) > scores.window_s)
    first, last = np.concatenate([[0], apart + 1]), np.append(apart, len(scores.centre_s) - 1)
    half_s = scores.window_s / 2
    return np.column_stack([scores.centre_s[first] - half_s, scores.centre_s[last] + half_s])


def hours(spans: FloatArray) -> float:
    """Return how many hours disjoint spans last."""
    return float(np.sum(spans[:, 1] - spans[:, 0])) / 3600


def touches(times: FloatArray, spans: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which of (n, 2) times share more than nothing with spans; points count where they lie inside."""
    start_s, stop_s = times[:, 0], times[:, 1]
    if len(spans) == 1 and spans[0, 0] < spans[0, 1]:  # of a recording that was looked at from end to end
        first_s, last_s = spans[0].tolist()
        at_end = (start_s == stop_s) & ((start_s == first_s) | (start_s == last_s))
        return np.asarray(((start_s < last_s) & (stop_s > first_s)) | at_end)
    place = np.searchsorted(spans[:, 0], start_s, side="right")  # spans are disjoint and ordered
    ends_s = np.append(spans[:, 1], -np.inf)[place - 1]
    touching = np.asarray(start_s < ends_s)
    outside = np.flatnonzero(~touching)
    if len(outside):
        start_s, stop_s, ends_s = start_s[outside], stop_s[outside], ends_s[outside]
        point_at_end = (start_s == stop_s) & (start_s == ends_s)
        touching[outside] = point_at_end | (covered_s(start_s, stop_s, spans) > 0)
    return touching


def is_repeated(times: FloatArray, seen: Seen) -> npt.NDArray[np.bool_]:
    """Return which of (n, 2) times lie in what another recording has counted."""
    if seen.distinct is seen.counted:
        return np.zeros(len(times), dtype=bool)
    return touches(times, seen.counted) & ~touches(times, seen.distinct)


def match_all(
    events: pd.DataFrame,
    recordings: Mapping[str, Recording],
    rule: Rule,
    seen: Mapping[str, Seen],
    scores: Mapping[str, Scores] | None,
) -> pd.DataFrame:
    """Return one row a predicted or true event of recordings, of several with the column ``recording`` of events."""
    parts = [
        match_recording(
            events[events["recording"] == name], one, rule, seen[name], None if scores is None else scores[name]
        )
        for name, one in recordings.items()
    ]
    return pd.concat(parts, ignore_index=True).astype(MATCH_KINDS)


def match_recording(
    events: pd.DataFrame, recording: Recording, rule: Rule, seen: Seen, scores: Scores | None
) -> pd.DataFrame:
    """Return one row a predicted or true event of one recording, with what it is: see ``EventReport.matches``."""
    truth = recording.labels[recording.labels["tier"] == rule.tier]
    labels = {*truth["label"], *events["label"]} - {BACKGROUND} if rule.classes is None else rule.classes
    rows: list[dict[str, object]] = []
    for label in sorted(labels):
        found = events[events["label"] == label]
        wanted = truth[truth["label"] == label]
        whose = {"recording": recording.id, "subject": recording.subject or "", "label": label}
        rows += [{**whose, **row} for row in _match_class(found, wanted, rule, seen)]
    table = pd.DataFrame(rows, columns=list(MATCH_KINDS)).astype(MATCH_KINDS)
    return table if scores is None else _with_scores_of_misses(table, scores)


def _match_class(found: pd.DataFrame, wanted: pd.DataFrame, rule: Rule, seen: Seen) -> list[dict[str, object]]:
    predicted = found[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    truth = wanted[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    judged, recorded = touches(predicted, seen.distinct), touches(truth, seen.recorded)
    again, true_again = is_repeated(predicted, seen), is_repeated(truth, seen)
    places = np.flatnonzero(recorded)  # what no sensor saw can neither be hit nor missed
    score = found["score"].to_numpy(dtype=np.float64)
    found_pairs = match(predicted, truth[recorded], tolerance_s=rule.tolerance_s, score=score)
    pairs = dict(zip(found_pairs[:, 0].tolist(), places[found_pairs[:, 1]].tolist(), strict=True))
    rows: list[dict[str, object]] = []
    for place, event in enumerate(found.itertuples()):
        row = {name: getattr(event, name) for name in ("start_s", "stop_s", "score", "decided_s")}
        row |= {"early": False, "repeated": again[place]}
        if place not in pairs:
            unjudged = "counted elsewhere" if again[place] else "not labelled"
            rows.append({**row, "kind": "false alarm" if judged[place] else unjudged})
            continue
        true_start_s, true_stop_s = truth[pairs[place]]
        since_s = true_start_s if rule.latency_from == "start" else true_stop_s
        times = {"true_start_s": true_start_s, "true_stop_s": true_stop_s, "latency_s": row["decided_s"] - since_s}
        early = row["decided_s"] < true_start_s - rule.tolerance_s
        rows.append({**row, **times, "early": early, "kind": "hit"})
    for place in sorted(set(range(len(truth))) - set(pairs.values())):
        start_s, stop_s = truth[place]
        times = {"start_s": start_s, "stop_s": stop_s, "true_start_s": start_s, "true_stop_s": stop_s}
        times |= {"early": False, "repeated": true_again[place]}
        rows.append({**times, "kind": "miss" if recorded[place] else "not recorded"})
    return rows


def _with_scores_of_misses(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Return the table with the highest score that each missed event reached."""
    reach_s = scores.hop_s
    for place in table.index[table["kind"].isin(["miss", "not recorded"])]:
        row = table.loc[place]
        first = np.searchsorted(scores.centre_s, row["start_s"] - reach_s)
        last = np.searchsorted(scores.centre_s, row["stop_s"] + reach_s, side="right")
        if last > first:
            table.loc[place, "score"] = float(scores.values[first:last, scores.channels.index(row["label"])].max())
    return table
