"""The report of an evaluation."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.evaluate.context import NO_CONTEXT, hours_by_context, parts_of
from wristkit.evaluate.curve import curve_table
from wristkit.evaluate.figures import (
    Quantile,
    Rate,
    Share,
    f1,
    hours_needed,
    interval_over_people,
    median_over_people,
    quantile,
    rate,
    share,
)
from wristkit.evaluate.judge import MATCH_KINDS, Rule, Seen, hours, match_recording, seen_of
from wristkit.evaluate.tally import context_of, edges, tally
from wristkit.evaluate.ward import ward_table
from wristkit.events import BACKGROUND, EVENT_COLUMNS, EventDecoder, Scores, event_table
from wristkit.recording import FloatArray, Recording


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold of a curve and what it costs."""

    threshold: float
    recall_share: Share
    false_alarms: Rate
    note: str

    @property
    def recall(self) -> float:
        """Share of true events that are detected; see ``recall_share`` for its interval."""
        return self.recall_share.value

    @property
    def fp_per_hour(self) -> float:
        """False alarms an hour; see ``false_alarms`` for their interval."""
        return self.false_alarms.per_hour

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.3f}: recall {self.recall_share}; false alarms {self.false_alarms}. {self.note}"
        )


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
    seen
        Recording id to what of it was labelled and recorded, and so could be judged.
    rule
        Tier, tolerance and what else was judged by.
    scores, decoder
        What the curve is made from; None where only events were given.
    notes
        What a reader must know beside the figures.
    """

    matches: pd.DataFrame
    recordings: Mapping[str, Recording]
    seen: Mapping[str, Seen]
    rule: Rule
    scores: Mapping[str, Scores] | None
    decoder: EventDecoder | None
    notes: tuple[str, ...]

    @cached_property
    def hours_of(self) -> dict[str, float]:
        """Recording id to labelled and recorded hours that no recording before it held."""
        return {name: hours(seen.distinct) for name, seen in self.seen.items()}

    @property
    def hours(self) -> float:
        """Labelled and recorded hours, each once."""
        return sum(self.hours_of.values())

    @property
    def simulated_hours(self) -> float:
        """How many of the hours are simulated."""
        return sum(hours for name, hours in self.hours_of.items() if self.recordings[name].is_simulated)

    @property
    def recall(self) -> float:
        """Share of true events that were detected."""
        return self.recall_share.value

    @property
    def precision(self) -> float:
        """Share of judged detections that were true."""
        return self.precision_share.value

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; ``f1_over_people`` is its interval."""
        return f1(*self._counts())

    @property
    def fp_per_hour(self) -> float:
        """False alarms per labelled and recorded hour; see ``false_alarms`` for its interval."""
        return self.false_alarms.per_hour

    @property
    def fp_per_day(self) -> float:
        """False alarms per 24 labelled and recorded hours."""
        return self.false_alarms.per_day

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
    def latency_median(self) -> Quantile:
        """Median latency of the hits with its interval; ``latency_s`` are all of them."""
        return quantile(self.latency_s, 0.5)

    @property
    def latency_p95(self) -> Quantile:
        """95th percentile of the latency of the hits with its interval, which takes 72 of them."""
        return quantile(self.latency_s, 0.95)

    @property
    def latency_median_s(self) -> float:
        """Median latency of the hits, NaN of none; ``latency_median`` holds its interval."""
        return self.latency_median.value

    @property
    def latency_p95_s(self) -> float:
        """95th percentile of the latency of the hits, NaN of none; ``latency_p95`` holds its interval."""
        return self.latency_p95.value

    @property
    def latency_over_people(self) -> tuple[float, float] | None:
        """Bootstrap interval of the median latency over people with a hit; None of fewer than five."""
        hits = self.matches[self.matches["kind"] == "hit"]
        return median_over_people(self.latency_s, hits["subject"].to_numpy(dtype=object))

    @property
    def classes(self) -> list[str]:
        """Classes that were judged or occurred."""
        return sorted({*self.matches["label"], *(self.rule.classes or ())})

    @property
    def by_class(self) -> pd.DataFrame:
        """One row a class, lowest recall first."""
        return tally(self.matches, "label", dict.fromkeys(self.classes, self.hours))

    @property
    def by_subject(self) -> pd.DataFrame:
        """One row a person, the worst first: lowest recall, then most false alarms an hour."""
        hours: dict[str, float] = {}
        for name, recording in self.recordings.items():
            who = recording.subject or ""
            hours[who] = hours.get(who, 0.0) + self.hours_of[name]
        return tally(self.matches, "subject", hours)

    @property
    def by_source(self) -> pd.DataFrame:
        """One row for real and one for simulated recordings, which say nothing about each other."""
        kind_of = {name: "simulated" if one.is_simulated else "real" for name, one in self.recordings.items()}
        hours_of: dict[str, float] = {}
        for name, kind in kind_of.items():
            hours_of[kind] = hours_of.get(kind, 0.0) + self.hours_of[name]
        return tally(self.matches.assign(source=self.matches["recording"].map(kind_of)), "source", hours_of)

    def by_context(self, tier: str) -> pd.DataFrame:
        """Return one row for each label of another tier, such as activities: hours, false alarms, recall in it.

        An event belongs where its middle lies. Where labels lie over each other their names stand joined, so that the
        hours add up to all hours; where none lies, ``no label``.
        """
        hours_of: dict[str, float] = {}
        for name, recording in self.recordings.items():
            for where, more in hours_by_context(self.seen[name].distinct, parts_of(recording, tier)).items():
                hours_of[where] = hours_of.get(where, 0.0) + more
        context = context_of(self.matches, self.recordings, tier)
        hours_of = {**dict.fromkeys(sorted(set(context)), 0.0), **hours_of}
        if set(hours_of) <= {NO_CONTEXT}:
            tiers = sorted({str(name) for one in self.recordings.values() for name in one.labels["tier"]})
            raise ValueError(
                f"no label of the tier {tier!r} covers any time; there are labels of {tiers}, maybe points"
            )
        return tally(self.matches.assign(context=context), "context", hours_of)

    @property
    def edge_errors(self) -> pd.DataFrame:
        """By how much hits begin and end beside the truth, a row a class.

        ``_median_s`` and ``_p95_s`` are of the distance; ``_bias_s`` is the median with its sign, above 0 where the
        detected edge comes later.
        """
        hits = self.matches[self.matches["kind"] == "hit"]
        rows = {label: edges(hits[hits["label"] == label]) for label in self.classes}
        columns = ["hits", *(f"{edge}_{what}_s" for edge in ("onset", "offset") for what in ("median", "p95", "bias"))]
        table = pd.DataFrame(rows.values(), index=pd.Index(rows, name="label", dtype=object), columns=columns)
        return table.astype({"hits": int})

    @property
    def error_kinds(self) -> pd.DataFrame:
        """How many events were deleted, inserted, fragmented or merged and for how long, a row a class.

        See :mod:`wristkit.evaluate.ward`.
        """
        return ward_table(self.matches, self.seen, self.classes)

    @property
    def recall_over_people(self) -> tuple[float, float] | None:
        """Bootstrap interval of recall over people; None of fewer than five."""
        people = self.by_subject
        return interval_over_people(
            people["hits"].to_numpy(dtype=np.float64), (people["hits"] + people["misses"]).to_numpy(dtype=np.float64)
        )

    @property
    def f1_over_people(self) -> tuple[float, float] | None:
        """Bootstrap interval of F1 over people; None of fewer than five."""
        people = self.by_subject
        both = 2 * people["hits"].to_numpy(dtype=np.float64)
        wrong = (people["misses"] + people["false_alarms"]).to_numpy(dtype=np.float64)
        return interval_over_people(both, both + wrong)

    @property
    def fp_per_hour_over_people(self) -> tuple[float, float] | None:
        """Bootstrap interval of false alarms an hour over people; None of fewer than five."""
        people = self.by_subject
        return interval_over_people(
            people["false_alarms"].to_numpy(dtype=np.float64), people["hours"].to_numpy(dtype=np.float64)
        )

    def curve(self) -> pd.DataFrame:
        """Return recall, precision and false alarms per hour at every threshold that changes one of them.

        The high threshold runs over all scores at or above the decoder's low one; everything else stays.
        """
        return self._curve.copy(deep=False)  # pandas copies what is written to

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
            recall_share=share(int(best["hits"]), int(best["truths"])),
            false_alarms=rate(int(best["false_alarms"]), self.hours),
            note=_claim_note(fp_per_hour, rate(int(best["false_alarms"]), self.hours)),
        )

    @cached_property
    def _curve(self) -> pd.DataFrame:
        if self.scores is None or self.decoder is None:
            raise ValueError("a curve needs scores= and decoder=; use Detector.evaluate, or pass both to evaluate")
        return curve_table(
            self.rule,
            self.seen,
            self.scores,
            self.decoder,
            truths=sum(len(times) for seen in self.seen.values() for times in seen.truth.values()),
            hours=self.hours,
        )

    def _count(self, kind: str) -> int:
        return int((self.matches["kind"] == kind).sum())

    def _counts(self) -> tuple[int, int, int]:
        return self._count("hit"), self._count("miss"), self._count("false alarm")

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
        Streams whose gaps are no hours. By default those that the scores needed; without scores, all that are sampled
        steadily.
    """
    if latency_from not in ("start", "stop"):
        raise ValueError(f"latency_from is {latency_from!r}, expected 'start' or 'stop'")
    if not (np.isfinite(tolerance_s) and tolerance_s >= 0):
        raise ValueError(f"tolerance_s is {tolerance_s}, expected seconds, 0 or more")
    held = _by_id([recordings] if isinstance(recordings, Recording) else recordings)
    known = _scores_by_id(scores, held)
    table = _check_events(events, held)
    needed = _sources(known) if streams is None else tuple(streams)
    rule = Rule(tier, tolerance_s, latency_from, needed, _judged(known, decoder))
    seen = seen_of(held, rule, known)
    parts = [
        match_recording(
            table[table["recording"] == name], recording, rule, seen[name], None if known is None else known[name]
        )
        for name, recording in held.items()
    ]
    return EventReport(
        matches=pd.concat(parts, ignore_index=True).astype(MATCH_KINDS),
        recordings=held,
        seen=seen,
        rule=rule,
        scores=known,
        decoder=decoder,
        notes=_notes(held, rule, seen),
    )


def stack(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return event tables of several recordings as one, with a leading ``recording`` column."""
    parts = [table.assign(recording=name) for name, table in tables.items()]
    joined = pd.concat(parts, ignore_index=True) if parts else event_table([]).assign(recording="")
    return joined[["recording", *EVENT_COLUMNS]].astype({"recording": object})


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


def _sources(known: Mapping[str, Scores] | None) -> tuple[str, ...] | None:
    names = {name for one in (known or {}).values() for name in one.sources}
    return tuple(sorted(names)) or None


def _judged(known: Mapping[str, Scores] | None, decoder: EventDecoder | None) -> frozenset[str] | None:
    if known is None:
        return None
    classes = {name for one in known.values() for name in one.channels}
    return frozenset(classes - {decoder.background if decoder else BACKGROUND})


def _notes(held: Mapping[str, Recording], rule: Rule, seen: Mapping[str, Seen]) -> tuple[str, ...]:
    notes = []
    tier = rule.tier
    labels = pd.concat([recording.labels for recording in held.values()], ignore_index=True)
    if len(labels) and tier not in set(labels["tier"]):
        notes.append(f"no label is of tier {tier!r}; there are {sorted(set(labels['tier']))}")
    foreign = labels[(labels["tier"] == tier) & ~labels["label"].isin([*(rule.classes or ()), BACKGROUND])]
    if rule.classes is not None and len(foreign):
        names = sorted(set(foreign["label"]))
        notes.append(f"{len(foreign)} labels {names} are no classes of this detector and are not judged")
        notes += _misspelled(names, rule.classes)
    if over := sum(_lying_over(times) for one in seen.values() for times in one.truth.values()):
        notes.append(
            f"{over} true events lie over another of their class and count beside it: look for labels given twice"
        )
    simulated = sum(recording.is_simulated for recording in held.values())
    if simulated:
        notes.append(f"{simulated} of {len(held)} recordings are simulated: their figures are simulated figures")
    silent = [name for name, recording in held.items() if tier not in recording.labelled]
    if silent:
        notes.append(f"{len(silent)} recordings state no labelled spans of tier {tier!r}: no alarm is counted there")
    twice = sum(hours(one.counted) - hours(one.distinct) for one in seen.values())
    if twice > 1e-6:
        notes.append(f"{twice:.3g} h of one person's device are in several recordings: hours once, all alarms count")
    return tuple(notes)


def _misspelled(names: Sequence[str], classes: Iterable[str]) -> list[str]:
    """Return which labels may be a class of the detector in another spelling."""
    plain = {one.strip().casefold(): one for one in classes}
    pairs = [(name, plain[key]) for name in names if (key := name.strip().casefold()) in plain]
    return [
        f"label {name!r} may be class {meant!r}, spelled otherwise: rename it to have it judged"
        for name, meant in pairs
    ]


def _lying_over(times: FloatArray) -> int:
    """Return how many of (n, 2) times begin before an earlier one has ended."""
    ordered = times[np.lexsort((times[:, 1], times[:, 0]))]
    return int((ordered[1:, 0] < np.maximum.accumulate(ordered[:, 1])[:-1]).sum())


def _claim_note(fp_per_hour: float, alarms: Rate) -> str:
    """Say whether the hours are enough for the claim, and how many would be."""
    chosen = "the threshold is chosen on these very recordings"
    if not fp_per_hour:
        return f"no number of hours proves a rate of zero; {chosen}"
    needed, held = hours_needed(fp_per_hour, alarms=alarms.alarms), f"{alarms.hours:.3g} labelled hours"
    claim = f"to claim {fp_per_hour:g} per hour"
    if alarms.hours >= needed:
        return f"{held} are enough {claim}; {chosen}"
    more = "without alarm" if not alarms.alarms else f"with no more than {alarms.alarms} alarms"
    return f"{held} are too few {claim}: {needed:.3g} h {more} are enough; {chosen}"


def _lines(report: EventReport) -> list[str]:
    lines = [
        f"recall {report.recall_share}{_over_people(report.recall_over_people)}",
        f"precision {report.precision_share}",
        f"F1 {report.f1:.3f}{_over_people(report.f1_over_people)}",
        f"false alarms {report.false_alarms}{_over_people(report.fp_per_hour_over_people)}",
        f"latency {_latency_line(report)}",
        f"labelled hours {report.hours:.3g}, {len(report.recordings)} recordings of {len(report.by_subject)} people",
    ]
    sources = report.by_source
    for kind in sources.index if len(sources) > 1 else ():
        hits, misses, alarms = (int(sources.loc[kind, name]) for name in ("hits", "misses", "false_alarms"))
        of_kind = rate(alarms, float(sources.loc[kind, "hours"]))
        lines.append(f"{kind}: recall {share(hits, hits + misses)}; false alarms {of_kind}")
    return [*lines, *report.notes]


def _over_people(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "; too few people for an interval over them"
    return f"; over people {interval[0]:.3g} to {interval[1]:.3g}"


def _latency_line(report: EventReport) -> str:
    if not len(report.latency_s):
        return "of no hit"
    over = _over_people(report.latency_over_people)
    return f"median {report.latency_median}, 95th percentile {report.latency_p95}{over}"
