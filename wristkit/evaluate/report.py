"""The report of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    of_simulation,
    quantile,
    rate,
    share,
)
from wristkit.evaluate.given import by_id, check_events, check_tolerance, judged_classes, scores_by_id, sources_of
from wristkit.evaluate.judge import Rule, Seen, hours, match_all, seen_of
from wristkit.evaluate.notes import claim_note, lines_of, notes_of
from wristkit.evaluate.people import OverPeople, figure_over_people, median_over_people
from wristkit.evaluate.shown import lines_html, table_html
from wristkit.evaluate.tally import context_of, counts_of, edges, longer_than_true, tally
from wristkit.evaluate.ward import ward_table
from wristkit.events import EVENT_COLUMNS, EventDecoder, Scores, event_table
from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, several_recordings
from wristkit.store.marks import checked_text


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold of a curve and what it costs.

    ``early_hits`` of the hits were decided before the true event began, beyond the tolerance.
    """

    threshold: float
    recall_share: Share
    false_alarms: Rate
    note: str
    notes: tuple[str, ...] = ()  # what is simulated
    early_hits: int = 0

    @property
    def recall(self) -> float:
        """Share of true events that are detected; see ``recall_share`` for its interval."""
        return self.recall_share.value

    @property
    def fp_per_hour(self) -> float:
        """False alarms an hour; see ``false_alarms`` for their interval."""
        return self.false_alarms.per_hour

    def __str__(self) -> str:
        told = f"threshold {self.threshold:.3f}: recall {self.recall_share}; false alarms {self.false_alarms}"
        return f"{told}. {'; '.join(one for one in (self.note, *self.notes) if one)}"


@dataclass(frozen=True, eq=False)
class EventReport:
    """Events against truth.

    Where real and simulated recordings are both given, all figures are of the real ones; ``by_source`` has a row of
    each kind, and :meth:`of_source` a report.

    Parameters
    ----------
    matches
        One row an event, predicted or true: ``recording, subject, label, kind``, its times, ``score``, ``decided_s``
        and ``latency_s``. Kinds are hit, miss, false alarm, and what is not judged: a predicted event where nobody
        looked or wore it (``not labelled``), one in hours that another recording has counted (``counted elsewhere``),
        a true one where nothing was recorded (``not recorded``). ``early``: a hit decided before the true event began,
        beyond the tolerance. ``repeated``: whether it lies in hours that another recording has counted.
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

    @cached_property
    def basis(self) -> tuple[str, ...]:
        """Ids of the recordings that figures are of: those not simulated, or all where all are."""
        real = tuple(name for name, one in self.recordings.items() if not one.is_simulated)
        return real or tuple(self.recordings)

    @property
    def hours(self) -> float:
        """Labelled, recorded and worn hours, each once; simulated ones only where there are no others."""
        return sum(self.hours_of[name] for name in self.basis)

    @property
    def simulated_hours(self) -> float:
        """How many simulated hours were given; beside real ones they are not among ``hours``."""
        return sum(hours for name, hours in self.hours_of.items() if self.recordings[name].is_simulated)

    @property
    def recall(self) -> float:
        """Share of true events that were detected."""
        return self.recall_share.value

    @property
    def precision(self) -> float:
        """Share of judged detections that were true, in the hours that count."""
        return self.precision_share.value

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; ``f1_over_people`` is its interval."""
        return f1(*counts_of(self._once))

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
        """Precision with its interval and counts; hits in hours that another recording has counted are left out."""
        hits, _, alarms = counts_of(self._once)
        return share(hits, hits + alarms)

    @property
    def false_alarms(self) -> Rate:
        """False alarms an hour with their exact interval."""
        return rate(self._count("false alarm"), self.hours)

    @property
    def latency_s(self) -> FloatArray:
        """Seconds from the true event to the decision, of every hit."""
        return self._hits["latency_s"].to_numpy(dtype=np.float64)

    @property
    def early_hits(self) -> int:
        """How many hits were decided before the true event began, beyond the tolerance."""
        return int(self._hits["early"].sum())

    @property
    def early_longer_s(self) -> FloatArray:
        """By how many seconds each early hit outlasts its true event."""
        return longer_than_true(self._hits[self._hits["early"]])

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
        """Interval of the median latency over people with a hit; None of fewer than five."""
        return self.over_people["latency"].span

    @property
    def classes(self) -> list[str]:
        """Classes that were judged or occurred."""
        return sorted({*self.matches["label"], *(self.rule.classes or ())})

    @property
    def by_class(self) -> pd.DataFrame:
        """One row a class, lowest recall first."""
        return tally(self._own, "label", dict.fromkeys(self.classes, self.hours))

    @property
    def by_subject(self) -> pd.DataFrame:
        """One row a person, the worst first: lowest recall, then most false alarms an hour."""
        return tally(self._own, "subject", self._hours_of_people)

    @property
    def by_source(self) -> pd.DataFrame:
        """One row each for real, injected and simulated recordings, which say nothing about each other.

        Of ``injected`` ones, real motion with simulated events in it, recall and latency are simulated figures, hours
        and false alarms are real.
        """
        kind_of = {name: one.origin for name, one in self.recordings.items()}
        hours_of: dict[str, float] = {}
        for name, kind in kind_of.items():
            hours_of[kind] = hours_of.get(kind, 0.0) + self.hours_of[name]
        return tally(self.matches.assign(source=self.matches["recording"].map(kind_of)), "source", hours_of)

    def by_context(self, tier: str) -> pd.DataFrame:
        """Return one row for each label of another tier, such as activities: hours, false alarms, recall in it.

        An event belongs where its middle lies. Where labels lie over each other their names stand joined, so that the
        hours add up to all hours; where none lies, ``no label``.
        """
        checked_text("tier", tier)
        hours_of: dict[str, float] = {}
        for name in self.basis:
            lasted = hours_by_context(self.seen[name].distinct, parts_of(self.recordings[name], tier))
            for where, more in lasted.items():
                hours_of[where] = hours_of.get(where, 0.0) + more
        context = context_of(self._own, self.recordings, tier)
        hours_of = {**dict.fromkeys(sorted(set(context)), 0.0), **hours_of}
        if set(hours_of) <= {NO_CONTEXT}:
            tiers = sorted({str(name) for one in self.recordings.values() for name in one.labels["tier"]})
            raise ValueError(
                f"no label of the tier {tier!r} covers any time; there are labels of {tiers}, maybe points"
            )
        return tally(self._own.assign(context=context), "context", hours_of)

    def of_source(self, origin: Literal["real", "injected", "simulated"]) -> "EventReport":
        """Return the report of the recordings of one origin alone; see ``by_source``."""
        return self._part({one.origin: None for one in self.recordings.values()}, origin, lambda one: one.origin)

    def of_subject(self, subject: str) -> "EventReport":
        """Return the report of one person alone, with all tables, such as ``error_kinds``."""
        return self._part(self._hours_of_people, subject, lambda one: one.subject or "")

    @property
    def edge_errors(self) -> pd.DataFrame:
        """By how much hits begin and end beside the truth, a row a class.

        ``_median_s`` and ``_p95_s`` are of the distance; ``_bias_s`` is the median with its sign, above 0 where the
        detected edge comes later.
        """
        hits = self._hits
        rows = {label: edges(hits[hits["label"] == label]) for label in self.classes}
        columns = ["hits", *(f"{edge}_{what}_s" for edge in ("onset", "offset") for what in ("median", "p95", "bias"))]
        table = pd.DataFrame(rows.values(), index=pd.Index(rows, name="label", dtype=object), columns=columns)
        return table.astype({"hits": int})

    @property
    def error_kinds(self) -> pd.DataFrame:
        """How many events were deleted, inserted, fragmented or merged and for how long, a row a class.

        See :mod:`wristkit.evaluate.ward`.
        """
        return ward_table(self._own, self.seen, self.classes)

    @property
    def recall_over_people(self) -> tuple[float, float] | None:
        """Interval of recall over people; None of fewer than five with a true event, or where all or none are hits."""
        return self.over_people["recall"].span

    @property
    def f1_over_people(self) -> tuple[float, float] | None:
        """Interval of F1 over people; None of fewer than five with an event, or where all or none are hits."""
        return self.over_people["f1"].span

    @property
    def fp_per_hour_over_people(self) -> tuple[float, float] | None:
        """Interval of false alarms an hour over people; None of fewer than five with hours, or of no alarm."""
        return self.over_people["fp_per_hour"].span

    @property
    def over_people(self) -> dict[str, OverPeople]:
        """Intervals of ``recall, f1, fp_per_hour, latency`` over people, and in words, also why there is none."""
        people, once = self.by_subject, tally(self._once, "subject", self._hours_of_people)
        return {
            "recall": figure_over_people(people, "recall"),
            "f1": figure_over_people(once, "f1"),
            "fp_per_hour": figure_over_people(people, "fp_per_hour"),
            "latency": median_over_people(self.latency_s, self._hits["subject"].to_numpy(dtype=object)),
        }

    def curve(self) -> pd.DataFrame:
        """Return recall, precision and false alarms per hour at every threshold that changes one of them.

        The high threshold runs over all scores at or above the decoder's low one; everything else stays. Precision is
        NaN where recordings share hours, since their alarms count once and their hits in each.
        """
        return self._curve.copy(deep=False)  # pandas copies what is written to

    def at(self, *, fp_per_hour: float) -> OperatingPoint:
        """Return the threshold with the highest recall at no more than this many false alarms an hour."""
        if not (is_number(fp_per_hour) and fp_per_hour >= 0):
            raise ValueError(f"fp_per_hour is {fp_per_hour!r:.60}, expected 0 or more")
        if not self.hours:
            raise RecordingError(
                "there are no labelled hours, so nothing can be said about false alarms",
                code="not_labelled",
                remedy="state labelled spans: recording.with_labels(labels, labelled={tier: spans})",
            )
        curve = self._curve[self._curve["fp_per_hour"] <= fp_per_hour]
        best = curve.iloc[int(curve["hits"].to_numpy().argmax())]
        hits, alarms = int(best["hits"]), rate(int(best["false_alarms"]), self.hours)
        early = self._early_at(float(best["threshold"])) if hits else 0
        note = claim_note(fp_per_hour, alarms, is_simulated=self._is_simulated, early=early, hits=hits)
        told, recall = of_simulation(self.notes), share(hits, int(best["truths"]))
        return OperatingPoint(float(best["threshold"]), recall, alarms, note, told, early)

    @property
    def point(self) -> OperatingPoint:
        """The threshold that the decoder has, for the mark in a curve."""
        return OperatingPoint(
            threshold=self._decoder.high,
            recall_share=self.recall_share,
            false_alarms=self.false_alarms,
            note="the threshold is the decoder's own",
            notes=of_simulation(self.notes),
            early_hits=self.early_hits,
        )

    def _early_at(self, high: float) -> int:
        """Return how many hits of another high threshold are early."""
        decoder, scores = replace(self._decoder, high=min(1.0, high)), self.scores or {}
        found = stack({name: decoder.run(scores[name]) for name in self.basis})
        held = {name: self.recordings[name] for name in self.basis}
        return int(match_all(found, held, self.rule, self.seen, None)["early"].sum())

    @property
    def _decoder(self) -> EventDecoder:
        if self.scores is None or self.decoder is None:
            raise ValueError("a curve needs scores= and decoder=; use Detector.evaluate, or pass both to evaluate")
        return self.decoder

    @property
    def _is_simulated(self) -> bool:
        return any(self.recordings[name].is_simulated for name in self.basis)

    @cached_property
    def _curve(self) -> pd.DataFrame:
        decoder, scores = self._decoder, self.scores or {}
        table = curve_table(
            self.rule,
            self.seen,
            {name: scores[name] for name in self.basis},
            decoder,
            truths=sum(len(times) for name in self.basis for times in self.seen[name].truth.values()),
            hours=self.hours,
        )
        shared = any(self.seen[name].counted is not self.seen[name].distinct for name in self.basis)
        return table.assign(precision=np.nan) if shared else table

    @cached_property
    def _own(self) -> pd.DataFrame:
        """The matches that figures are of."""
        if len(self.basis) == len(self.recordings):
            return self.matches
        return self.matches[self.matches["recording"].isin(self.basis)]

    @property
    def _hits(self) -> pd.DataFrame:
        return self._own[self._own["kind"] == "hit"]

    @property
    def _once(self) -> pd.DataFrame:
        """The matches in hours that no other recording has counted."""
        return self._own[~self._own["repeated"]]

    @property
    def _hours_of_people(self) -> dict[str, float]:
        hours_of: dict[str, float] = {}
        for name in self.basis:
            who = self.recordings[name].subject or ""
            hours_of[who] = hours_of.get(who, 0.0) + self.hours_of[name]
        return hours_of

    def _part(self, known: Mapping[str, object], wanted: str, key: Callable[[Recording], str]) -> "EventReport":
        """Return the report of the recordings of which a key is what is wanted; hours count as in the whole."""
        if wanted not in known:
            raise ValueError(f"{wanted!r} is not in the report, expected one of {sorted(known)}")
        held = {name: one for name, one in self.recordings.items() if key(one) == wanted}
        return replace(
            self,
            matches=self.matches[self.matches["recording"].isin(list(held))],
            recordings=held,
            seen={name: self.seen[name] for name in held},
            scores=None if self.scores is None else {name: self.scores[name] for name in held},
        )

    def _count(self, kind: str) -> int:
        return int((self._own["kind"] == kind).sum())

    def __repr__(self) -> str:
        return "\n".join(lines_of(self))

    def _repr_html_(self) -> str:
        return lines_html(lines_of(self)) + table_html(self.by_class) + table_html(self.by_subject)


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
    if not isinstance(latency_from, str) or latency_from not in ("start", "stop"):
        raise ValueError(f"latency_from is {latency_from!r}, expected 'start' or 'stop'")
    check_tolerance(tolerance_s)
    checked_text("tier", tier)
    if decoder is not None and not isinstance(decoder, EventDecoder):
        raise TypeError(f"decoder is a {type(decoder).__name__}, expected an EventDecoder; give detector.spec.decoder")
    held = by_id(several_recordings(recordings))
    known = scores_by_id(scores, held)
    needed = sources_of(known) if streams is None else tuple(streams)
    rule = Rule(tier, tolerance_s, latency_from, needed, judged_classes(known, decoder))
    table = check_events(events, held, rule)
    seen = seen_of(held, rule, known)
    matches = match_all(table, held, rule, seen, known)
    report = EventReport(matches, held, seen, rule, known, decoder, notes=())
    return replace(report, notes=notes_of(held, rule, seen, matches[matches["recording"].isin(report.basis)]))


def stack(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return event tables of several recordings as one, with a leading ``recording`` column."""
    parts = [table.assign(recording=name) for name, table in tables.items()]
    joined = pd.concat(parts, ignore_index=True) if parts else event_table([]).assign(recording="")
    return joined[["recording", *EVENT_COLUMNS]].astype({"recording": object})
