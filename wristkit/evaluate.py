"""How often a detector is right, how many times an hour it is wrong, and how late: tables in, tables out.

False alarms and hours are counted only where the recording states that it was looked at (``labelled`` spans of the
tier) and where the sensors recorded. Zero alarms in T hours is an upper bound of 3 / T, never a rate of zero.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.events import EVENT_COLUMNS, EventDecoder, Scores, event_table, match
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import covered_s, intersect, subtract, union

CONFIDENCE = 0.95


class Rate(NamedTuple):
    """False alarms an hour with their exact Poisson interval; the count and the hours behind it."""

    per_hour: float
    low: float
    high: float
    alarms: int
    hours: float

    def __str__(self) -> str:
        if not self.hours:
            return "no labelled hours, so no rate"
        if not self.alarms:
            return f"0 in {self.hours:.3g} h, so at most {self.high:.3g} per hour (95 %)"
        return f"{self.per_hour:.3g} per hour ({self.low:.3g} to {self.high:.3g}), {self.alarms} in {self.hours:.3g} h"


class Share(NamedTuple):
    """A share of a count with its Wilson interval; NaN of nothing."""

    value: float
    low: float
    high: float
    hits: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "nothing to count"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), {self.hits} of {self.total}"


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold of a curve and what it costs."""

    threshold: float
    recall: Share
    false_alarms: Rate
    note: str

    def __str__(self) -> str:
        return f"threshold {self.threshold:.3f}: recall {self.recall}; false alarms {self.false_alarms}. {self.note}"


@dataclass(frozen=True, eq=False)
class EventReport:
    """Events against truth.

    Parameters
    ----------
    matches
        One row an event, predicted or true: ``recording, subject, label, kind``, its times, ``score``, ``decided_s``
        and ``latency_s``. Kinds are hit, miss, false alarm, and what is not judged: a predicted event where nobody
        looked (``not labelled``), a true one where nothing was recorded (``not recorded``).
    recordings
        Recording id to recording.
    hours_of
        Recording id to labelled and recorded hours.
    rule
        Tier, tolerance and what else was judged by.
    scores, decoder
        What the curve is made from; None where only events were given.
    notes
        What a reader must know beside the figures.
    """

    matches: pd.DataFrame
    recordings: Mapping[str, Recording]
    hours_of: Mapping[str, float]
    rule: "Rule"
    scores: Mapping[str, Scores] | None
    decoder: EventDecoder | None
    notes: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Labelled and recorded hours, each recording once."""
        return sum(self.hours_of.values())

    @property
    def simulated_hours(self) -> float:
        """How many of the hours are simulated."""
        return sum(hours for name, hours in self.hours_of.items() if _is_simulated(self.recordings[name]))

    @property
    def recall(self) -> float:
        """Share of true events that were detected."""
        return self.recall_share.value

    @property
    def precision(self) -> float:
        """Share of judged detections that were true."""
        return self.precision_share.value

    @property
    def fp_per_hour(self) -> float:
        """False alarms per labelled and recorded hour; see ``false_alarms`` for its interval."""
        return self.false_alarms.per_hour

    @property
    def recall_share(self) -> Share:
        """Recall with its interval and counts."""
        return share(self._count("hit"), self._count("hit") + self._count("miss"))

    @property
    def precision_share(self) -> Share:
        """Precision with its interval and counts."""
        return share(self._count("hit"), self._count("hit") + self._count("false alarm"))

    @property
    def false_alarms(self) -> Rate:
        """False alarms an hour with their exact interval."""
        return rate(self._count("false alarm"), self.hours)

    @property
    def latency_s(self) -> FloatArray:
        """Seconds from the true event to the decision, of every hit."""
        return self.matches.loc[self.matches["kind"] == "hit", "latency_s"].to_numpy(dtype=np.float64)

    @property
    def by_class(self) -> pd.DataFrame:
        """One row a class, fewest hits first."""
        return _tally(self.matches, "label", dict.fromkeys(set(self.matches["label"]), self.hours))

    @property
    def by_subject(self) -> pd.DataFrame:
        """One row a person, worst recall first."""
        hours: dict[str, float] = {}
        for name, recording in self.recordings.items():
            who = recording.subject or ""
            hours[who] = hours.get(who, 0.0) + self.hours_of[name]
        return _tally(self.matches, "subject", hours)

    def curve(self) -> pd.DataFrame:
        """Return recall, precision and false alarms per hour at every threshold that changes one of them.

        The high threshold runs over all scores at or above the decoder's low one; everything else stays.
        """
        return self._curve.copy()

    def at(self, *, fp_per_hour: float) -> OperatingPoint:
        """Return the threshold with the highest recall at no more than this many false alarms an hour."""
        if not fp_per_hour >= 0:
            raise ValueError(f"fp_per_hour is {fp_per_hour}, expected 0 or more")
        if not self.hours:
            raise RecordingError(
                "there are no labelled hours, so nothing can be said about false alarms",
                code="not_labelled",
                remedy="state labelled spans: recording.with_labels(labels, labelled={tier: spans})",
            )
        curve = self._curve[self._curve["fp_per_hour"] <= fp_per_hour]
        best = curve.iloc[int(curve["hits"].to_numpy().argmax())]
        return OperatingPoint(
            threshold=float(best["threshold"]),
            recall=share(int(best["hits"]), int(best["truths"])),
            false_alarms=rate(int(best["false_alarms"]), self.hours),
            note=_claim_note(fp_per_hour, self.hours),
        )

    @cached_property
    def _curve(self) -> pd.DataFrame:
        if self.scores is None or self.decoder is None:
            raise ValueError("a curve needs scores= and decoder=; use Detector.evaluate, or pass both to evaluate")
        return _curve_table(self, self.scores, self.decoder)

    def _count(self, kind: str) -> int:
        return int((self.matches["kind"] == kind).sum())

    def __repr__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in _lines(self))
        tables = "".join(
            table.to_html(escape=True, float_format="{:.3g}".format) for table in (self.by_class, self.by_subject)
        )
        return f"<ul>{lines}</ul>{tables}"


def evaluate(
    events: pd.DataFrame,
    recordings: Recording | Sequence[Recording],
    *,
    scores: Scores | Mapping[str, Scores] | None = None,
    decoder: EventDecoder | None = None,
    tier: str = "truth",
    tolerance_s: float = 0.5,
    latency_from: Literal["start", "stop"] = "start",
    streams: Sequence[str] | None = None,
) -> EventReport:
    """Return how events compare with the truth in recordings, one to one and class by class.

    Parameters
    ----------
    events
        Event table; of several recordings with a leading ``recording`` column of ids.
    recordings
        What was searched, with labels and labelled spans of ``tier``.
    scores, decoder
        By recording id; needed for the curve. With them, only classes that the scores know are judged.
    tolerance_s
        A predicted and a true event may belong together when they overlap or are at most this far apart.
    latency_from
        Whether latency counts from the true start or the true stop.
    streams
        Streams whose gaps are no hours; all of them by default.
    """
    if latency_from not in ("start", "stop"):
        raise ValueError(f"latency_from is {latency_from!r}, expected 'start' or 'stop'")
    if not (np.isfinite(tolerance_s) and tolerance_s >= 0):
        raise ValueError(f"tolerance_s is {tolerance_s}, expected seconds, 0 or more")
    held = _by_id([recordings] if isinstance(recordings, Recording) else recordings)
    known = _scores_by_id(scores, held)
    table = _check_events(events, held)
    rule = Rule(tier, tolerance_s, latency_from, None if streams is None else tuple(streams), _judged(known, decoder))
    parts = [
        _match_recording(table[table["recording"] == name], recording, rule, None if known is None else known[name])
        for name, recording in held.items()
    ]
    return EventReport(
        matches=pd.concat(parts, ignore_index=True).astype(_MATCH_KINDS),
        recordings=held,
        hours_of={name: _hours(_counted(recording, rule)) for name, recording in held.items()},
        rule=rule,
        scores=known,
        decoder=decoder,
        notes=_notes(held, tier),
    )


def failures(report: EventReport) -> pd.DataFrame:
    """Return the misses and false alarms of a report, highest score first, ready for the gallery.

    Columns ``recording, subject, kind, label, start_s, stop_s, score, decided_s``; ``.attrs["recordings"]`` holds the
    recordings by id.
    """
    columns = ["recording", "subject", "kind", "label", "start_s", "stop_s", "score", "decided_s"]
    wrong = report.matches[report.matches["kind"].isin(["miss", "false alarm"])][columns]
    table = wrong.sort_values(["kind", "score"], ascending=[True, False], ignore_index=True)
    table.attrs["recordings"] = dict(report.recordings)
    return table


def stack(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return event tables of several recordings as one, with a leading ``recording`` column."""
    parts = [table.assign(recording=name) for name, table in tables.items()]
    joined = pd.concat(parts, ignore_index=True) if parts else event_table([]).assign(recording="")
    return joined[["recording", *EVENT_COLUMNS]].astype({"recording": object})


def share(hits: int, count: int) -> Share:
    """Return hits of count with Wilson's 95 % interval."""
    if not count:
        return Share(float("nan"), 0.0, 1.0, 0, 0)
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    return Share(hits / count, float(interval.low), float(interval.high), hits, count)


def rate(count: int, hours: float) -> Rate:
    """Return a count an hour with its exact 95 % Poisson interval; of a zero count the bound is 3 / hours."""
    if not hours:
        return Rate(float("nan"), 0.0, float("inf"), count, 0.0)
    if not count:
        return Rate(0.0, 0.0, 3.0 / hours, 0, hours)
    from scipy.stats import chi2

    tail = (1 - CONFIDENCE) / 2
    low, high = chi2.ppf(tail, 2 * count) / 2, chi2.ppf(1 - tail, 2 * count + 2) / 2
    return Rate(count / hours, float(low / hours), float(high / hours), count, hours)


@dataclass(frozen=True)
class Rule:
    """What events were judged by; ``streams`` None means all, ``classes`` None means all that occur."""

    tier: str
    tolerance_s: float
    latency_from: Literal["start", "stop"]
    streams: tuple[str, ...] | None
    classes: frozenset[str] | None


_MATCH_KINDS = {
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
}


def _by_id(recordings: Sequence[Recording]) -> dict[str, Recording]:
    held = {recording.id: recording for recording in recordings}
    if not held:
        raise ValueError("no recordings were given; pass those that the events were found in")
    if len(held) < len(recordings):
        raise RecordingError(
            "a recording is given twice, so its hours would count twice",
            code="duplicate_recording",
            remedy="give each once",
        )
    return held


def _scores_by_id(
    scores: Scores | Mapping[str, Scores] | None, held: Mapping[str, Recording]
) -> dict[str, Scores] | None:
    if scores is None:
        return None
    known = {next(iter(held)): scores} if isinstance(scores, Scores) else dict(scores)
    if set(known) != set(held):
        raise ValueError(f"scores are of recordings {sorted(known)}, expected those of {sorted(held)}")
    return known


def _check_events(events: pd.DataFrame, held: Mapping[str, Recording]) -> pd.DataFrame:
    if "recording" not in events.columns and len(held) == 1:
        events = events.assign(recording=next(iter(held)))
    if missing := [column for column in ("recording", *EVENT_COLUMNS) if column not in events.columns]:
        raise ValueError(f"events lack the columns {missing}; stack tables of several recordings with their ids")
    if foreign := sorted(set(events["recording"]) - set(held)):
        raise ValueError(f"events are of recordings {foreign}, which were not given; pass all that were searched")
    times = events[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    if not np.isfinite(times).all() or (times[:, 1] < times[:, 0]).any():
        raise ValueError("events have no time or end before they start; expected start_s <= stop_s in seconds")
    return events


def _judged(known: Mapping[str, Scores] | None, decoder: EventDecoder | None) -> frozenset[str] | None:
    if known is None:
        return None
    classes = {name for one in known.values() for name in one.channels}
    return frozenset(classes - {decoder.background if decoder else "none"})


def _recorded(recording: Recording, rule: Rule) -> FloatArray:
    """Return the spans within which every stream that counts was recorded."""
    names = recording.streams if rule.streams is None else rule.streams
    spans = np.array([[recording.start_s, recording.stop_s]])
    for name in names:
        stream = recording[name]
        inside = np.array([[stream.start_s, stream.stop_s]]) if len(stream) else np.empty((0, 2))
        spans = subtract(intersect(spans, inside), stream.gaps)
    return spans


def _counted(recording: Recording, rule: Rule) -> FloatArray:
    """Return the spans in which false alarms and hours count."""
    looked_at = recording.labelled.get(rule.tier, np.empty((0, 2)))
    return intersect(_recorded(recording, rule), union(looked_at))


def _hours(spans: FloatArray) -> float:
    return float(np.sum(spans[:, 1] - spans[:, 0])) / 3600


def _touches(times: FloatArray, spans: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which of (n, 2) times share more than nothing with spans; points count where they lie inside."""
    start_s, stop_s = times[:, 0], times[:, 1]
    inside = ((start_s[:, None] >= spans[:, 0]) & (start_s[:, None] <= spans[:, 1])).any(axis=1)
    return np.asarray(inside | (covered_s(start_s, stop_s, spans) > 0))


def _match_recording(events: pd.DataFrame, recording: Recording, rule: Rule, scores: Scores | None) -> pd.DataFrame:
    truth = recording.labels[recording.labels["tier"] == rule.tier]
    counted, recorded = _counted(recording, rule), _recorded(recording, rule)
    labels = rule.classes or (set(truth["label"]) | set(events["label"])) - {"none"}
    rows: list[dict[str, object]] = []
    for label in sorted(labels):
        found = events[events["label"] == label]
        wanted = truth[truth["label"] == label]
        context = {"recording": recording.id, "subject": recording.subject or "", "label": label}
        rows += [{**context, **row} for row in _match_class(found, wanted, rule, counted, recorded)]
    table = pd.DataFrame(rows, columns=list(_MATCH_KINDS)).astype(_MATCH_KINDS)
    return table if scores is None else _with_scores_of_misses(table, scores)


def _match_class(
    found: pd.DataFrame, wanted: pd.DataFrame, rule: Rule, counted: FloatArray, recorded: FloatArray
) -> list[dict[str, object]]:
    predicted = found[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    truth = wanted[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    pairs = dict(match(predicted, truth, tolerance_s=rule.tolerance_s).tolist())
    judged, seen = _touches(predicted, counted), _touches(truth, recorded)
    rows: list[dict[str, object]] = []
    for place, event in enumerate(found.itertuples()):
        row = {name: getattr(event, name) for name in ("start_s", "stop_s", "score", "decided_s")}
        if place not in pairs:
            rows.append({**row, "kind": "false alarm" if judged[place] else "not labelled"})
            continue
        true_start_s, true_stop_s = truth[pairs[place]]
        since_s = true_start_s if rule.latency_from == "start" else true_stop_s
        times = {"true_start_s": true_start_s, "true_stop_s": true_stop_s, "latency_s": row["decided_s"] - since_s}
        rows.append({**row, **times, "kind": "hit"})
    for place in sorted(set(range(len(truth))) - set(pairs.values())):
        start_s, stop_s = truth[place]
        times = {"start_s": start_s, "stop_s": stop_s, "true_start_s": start_s, "true_stop_s": stop_s}
        rows.append({**times, "kind": "miss" if seen[place] else "not recorded"})
    return rows


def _with_scores_of_misses(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """Return the table with the highest score that each missed event reached."""
    for place in table.index[table["kind"].isin(["miss", "not recorded"])]:
        row = table.loc[place]
        near = (scores.centre_s >= row["start_s"] - scores.hop_s) & (scores.centre_s <= row["stop_s"] + scores.hop_s)
        if near.any():
            table.loc[place, "score"] = float(scores.values[near, scores.channels.index(row["label"])].max())
    return table


def _curve_table(report: EventReport, scores: Mapping[str, Scores], decoder: EventDecoder) -> pd.DataFrame:
    """Return counts at every threshold; each class in each recording is a step function of its own scores."""
    loosest = replace(decoder, high=decoder.low, refractory_s=0.0)
    steps: list[tuple[float, int, int]] = []
    for name, recording in report.recordings.items():
        truth = recording.labels[recording.labels["tier"] == report.rule.tier]
        counted, recorded = _counted(recording, report.rule), _recorded(recording, report.rule)
        for label, found in loosest.run(scores[name]).groupby("label"):
            wanted = truth.loc[truth["label"] == label, ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
            wanted = wanted[_touches(wanted, recorded)]
            steps += _group_steps(found, wanted, counted, decoder.refractory_s, report.rule.tolerance_s)
    truths = int(report.matches["kind"].isin(["hit", "miss"]).sum())
    return _sum_steps(steps, truths, report.hours)


def _group_steps(
    found: pd.DataFrame, wanted: FloatArray, counted: FloatArray, refractory_s: float, tolerance_s: float
) -> list[tuple[float, int, int]]:
    """Return (threshold, more hits, more false alarms) as the threshold falls over the scores of one group."""
    times, peaks = found[["start_s", "stop_s"]].to_numpy(dtype=np.float64), found["score"].to_numpy(dtype=np.float64)
    judged = _touches(times, counted)
    steps, before = [], (0, 0)
    for threshold in np.unique(peaks)[::-1]:
        kept = _outside_refractory(times, np.flatnonzero(peaks >= threshold), refractory_s)
        paired = match(times[kept], wanted, tolerance_s=tolerance_s)[:, 0]
        alarms = int(judged[np.delete(kept, paired)].sum())
        steps.append((float(threshold), len(paired) - before[0], alarms - before[1]))
        before = (len(paired), alarms)
    return steps


def _outside_refractory(times: FloatArray, places: npt.NDArray[np.int64], refractory_s: float) -> npt.NDArray[np.int64]:
    """Return the places of ordered events that the decoder would not have blocked."""
    kept, ready_s = [], -np.inf
    for place in places:
        if times[place, 0] >= ready_s - 1e-9:
            kept.append(place)
            ready_s = times[place, 1] + refractory_s
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


def _tally(matches: pd.DataFrame, by: str, hours: Mapping[str, float]) -> pd.DataFrame:
    """Return counts and figures of each group, worst recall first."""
    rows = []
    for name, group_hours in hours.items():
        rows_of = matches[matches[by] == name]
        hits, misses, alarms = (int((rows_of["kind"] == kind).sum()) for kind in ("hit", "miss", "false alarm"))
        rows.append(
            {
                by: name,
                "hits": hits,
                "misses": misses,
                "false_alarms": alarms,
                "hours": group_hours,
                "recall": share(hits, hits + misses).value,
                "precision": share(hits, hits + alarms).value,
                "fp_per_hour": rate(alarms, group_hours).per_hour,
                "latency_median_s": rows_of.loc[rows_of["kind"] == "hit", "latency_s"].median(),
            }
        )
    return pd.DataFrame(rows).set_index(by).sort_values("recall", kind="stable")


def _is_simulated(recording: Recording) -> bool:
    return "simulated" in (recording.source.get("format"), recording.source.get("device"))


def _notes(held: Mapping[str, Recording], tier: str) -> tuple[str, ...]:
    notes = []
    simulated = sum(_is_simulated(recording) for recording in held.values())
    if simulated:
        notes.append(f"{simulated} of {len(held)} recordings are simulated: their figures are simulated figures")
    silent = [name for name, recording in held.items() if tier not in recording.labelled]
    if silent:
        notes.append(f"{len(silent)} recordings state no labelled spans of tier {tier!r}: no alarm is counted there")
    return tuple(notes)


def _claim_note(fp_per_hour: float, hours: float) -> str:
    if not fp_per_hour:
        return "no number of hours proves a rate of zero"
    needed = 3 / fp_per_hour
    if hours >= needed:
        return f"{hours:.3g} labelled hours"
    return f"{hours:.3g} labelled hours are too few to claim {fp_per_hour:g} per hour: {needed:.3g} h without alarm are"


def _lines(report: EventReport) -> list[str]:
    latency = report.latency_s
    late = (
        f"median {np.median(latency):.2f} s, 95th percentile {np.percentile(latency, 95):.2f} s"
        if len(latency)
        else "no hit, so none"
    )
    simulated = f", of which simulated {report.simulated_hours:.3g}" if report.simulated_hours else ""
    return [
        f"recall {report.recall_share}",
        f"precision {report.precision_share}",
        f"false alarms {report.false_alarms}",
        f"latency {late}",
        f"labelled hours {report.hours:.3g}{simulated}, {len(report.recordings)} recordings",
        *report.notes,
    ]
