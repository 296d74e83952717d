"""What a report says in words: what a reader must know beside the figures, and the figures as lines."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.evaluate.figures import Rate, hours_needed, rate, share
from wristkit.evaluate.judge import DETECTED, Rule, Seen, hours
from wristkit.evaluate.tally import longer_than_true
from wristkit.events import BACKGROUND
from wristkit.recording import FloatArray, Recording

if TYPE_CHECKING:
    from wristkit.evaluate.report import EventReport

FEW = 0.1  # of the hits: more of them decided before the true event began, and they prove nothing


def notes_of(
    held: Mapping[str, Recording], rule: Rule, seen: Mapping[str, Seen], matches: pd.DataFrame
) -> tuple[str, ...]:
    """Return what a reader must know; ``matches`` are those that the figures are of."""
    return (
        *_about_labels(held, rule, seen),
        *_about_spelling(held, rule, matches),
        *_about_origins(held),
        *_about_hours(held, rule, seen),
        *_about_spans(held, rule),
        *_about_events(matches, rule),
        *_about_early_hits(matches, rule),
    )


def _about_labels(held: Mapping[str, Recording], rule: Rule, seen: Mapping[str, Seen]) -> list[str]:
    notes = []
    labels = pd.concat([recording.labels for recording in held.values()], ignore_index=True)
    if len(labels) and rule.tier not in set(labels["tier"]):
        notes.append(f"no label is of tier {rule.tier!r}; there are {sorted(set(labels['tier']))}")
    foreign = labels[(labels["tier"] == rule.tier) & ~labels["label"].isin([*(rule.classes or ()), BACKGROUND])]
    if rule.classes is not None and len(foreign):
        names = sorted(set(foreign["label"]))
        notes.append(f"{len(foreign)} labels {names} are no classes of this detector and are not judged")
        notes += _misspelled(names, rule.classes)
    if over := sum(_lying_over(times) for one in seen.values() for times in one.truth.values()):
        notes.append(
            f"{over} true events lie over another of their class and count beside it: look for labels given twice"
        )
    return notes


def _about_spelling(held: Mapping[str, Recording], rule: Rule, matches: pd.DataFrame) -> list[str]:
    """Say where labels and detections differ in spelling alone; where scores are given, they know the classes."""
    if rule.classes is not None:
        return []
    found = set(matches.loc[matches["kind"].isin(DETECTED), "label"])
    tables = [recording.labels for recording in held.values()]
    true = {label for table in tables for label in table.loc[table["tier"] == rule.tier, "label"]} - {BACKGROUND}
    return [
        *_misspelled(sorted(true - found), found),
        *_misspelled(sorted(found - true), found & true, of="detections of"),
    ]


def _misspelled(names: Sequence[str], classes: Iterable[str], *, of: str = "label") -> list[str]:
    """Return which labels may be a class of the detector in another spelling."""
    plain = {one.strip().casefold(): one for one in classes}
    pairs = [(name, plain[key]) for name in names if (key := name.strip().casefold()) in plain]
    return [
        f"{of} {name!r} may be class {meant!r}, spelled otherwise: rename it to have it judged" for name, meant in pairs
    ]


def _lying_over(times: FloatArray) -> int:
    """Return how many of (n, 2) times begin before an earlier one has ended."""
    ordered = times[np.lexsort((times[:, 1], times[:, 0]))]
    return int((ordered[1:, 0] < np.maximum.accumulate(ordered[:, 1])[:-1]).sum())


def _about_origins(held: Mapping[str, Recording]) -> list[str]:
    origins = [recording.origin for recording in held.values()]
    simulated, injected = origins.count("simulated"), origins.count("injected")
    notes = []
    if simulated == len(held):
        notes.append(f"{simulated} of {len(held)} recordings are simulated: their figures are simulated figures")
    elif simulated:
        notes.append(
            f"{simulated} of {len(held)} recordings are simulated: figures are of the {len(held) - simulated} others, "
            "by_source has the simulated figures in a row of their own"
        )
    if injected:
        notes.append(
            f"simulated events were injected into {injected} of {len(held)} recordings: recall and latency of these "
            "are simulated figures, hours and false alarms are real"
        )
    return notes


def _about_hours(held: Mapping[str, Recording], rule: Rule, seen: Mapping[str, Seen]) -> list[str]:
    notes = []
    if silent := sum(rule.tier not in recording.labelled for recording in held.values()):
        notes.append(f"{silent} recordings state no labelled spans of tier {rule.tier!r}: no alarm is counted there")
    off = sum(hours(one.not_worn) for one in seen.values())
    if off > 1e-6:
        notes.append(f"{off:.3g} labelled hours were not worn, say findings: neither they nor alarms in them count")
    twice = sum(hours(one.counted) - hours(one.distinct) for one in seen.values())
    if twice > 1e-6:
        notes.append(
            f"{twice:.3g} h of one person's device are in several recordings: hours and the false alarms in them count "
            "once, in the first; recall and latency are of all"
        )
    return notes


def _about_spans(held: Mapping[str, Recording], rule: Rule) -> list[str]:
    """Say which labelled spans give no hours at all."""
    beside = nothing = total = 0
    for recording in (one for one in held.values() if rule.tier in one.labelled):
        spans = np.asarray(recording.labelled[rule.tier], dtype=np.float64).reshape(-1, 2)
        lasting = np.minimum(spans[:, 1], recording.stop_s) > np.maximum(spans[:, 0], recording.start_s)
        nothing += not lasting.any()
        beside, total = beside + int((~lasting).sum()), total + len(spans)
    notes = []
    if beside:
        notes.append(
            f"{beside} of {total} labelled spans of tier {rule.tier!r} are points or lie outside of their recording "
            "and give no hours: state them in seconds from its start"
        )
    if nothing:
        notes.append(
            f"{nothing} recordings have no labelled span of tier {rule.tier!r} that lasts: no hour and no alarm is "
            "counted there"
        )
    return notes


def _about_events(matches: pd.DataFrame, rule: Rule) -> list[str]:
    """Say which detections are not judged, given twice, or decided before they begin."""
    found = matches[matches["kind"].isin(DETECTED)]
    notes = []
    if unjudged := int((found["kind"] == "not labelled").sum()):
        notes.append(f"{unjudged} detections where nobody looked, nothing was recorded or worn are not judged")
    if again := int(found.duplicated(["recording", "label", "start_s", "stop_s"]).sum()):
        notes.append(f"{again} detections are given twice and count beside their likes: look for tables stacked twice")
    ahead_s = (found["start_s"] - found["decided_s"]).to_numpy(dtype=np.float64)
    if ahead := int((ahead_s > rule.tolerance_s).sum()):
        notes.append(
            f"{ahead} detections were decided up to {ahead_s.max():.3g} s before they begin themselves: decided_s is "
            "expected at or after start_s, on the same clock"
        )
    return notes


def _about_early_hits(matches: pd.DataFrame, rule: Rule) -> list[str]:
    early = matches[matches["early"]]
    if early.empty:
        return []
    longer_s = float(np.median(longer_than_true(early)))
    of_hits = f"{len(early)} of {int((matches['kind'] == 'hit').sum())} hits"
    when = f"more than {rule.tolerance_s:g} s before the true event began"
    longer = f"outlast it by {longer_s:.3g} s (median)"
    return [f"{of_hits} were decided {when}, and {longer}: a detector that is always on hits as well"]


def claim_note(fp_per_hour: float, alarms: Rate, *, is_simulated: bool, early: int, hits: int) -> str:
    """Say whether the hours are enough for the claim, and how many would be."""
    chosen = "the threshold is chosen on these very recordings"
    if early > FEW * hits:
        before = f"{early} of {hits} hits were decided before the true event began, which proves nothing of either rate"
        return f"{before}; {chosen}"
    if not fp_per_hour:
        return f"no number of hours proves a rate of zero; {chosen}"
    needed = hours_needed(fp_per_hour, alarms=alarms.alarms)
    held, claim = f"{alarms.hours:.3g} labelled hours", f"to claim {fp_per_hour:g} per hour"
    more = "without alarm" if not alarms.alarms else f"with no more than {alarms.alarms} alarms"
    if is_simulated:
        return f"simulated hours are none {claim}: {needed:.3g} real h {more} are enough; {chosen}"
    if alarms.hours >= needed:
        return f"{held} are enough {claim}; {chosen}"
    return f"{held} are too few {claim}: {needed:.3g} h {more} are enough; {chosen}"


def lines_of(report: "EventReport") -> list[str]:
    """Return the figures with their intervals, then the notes."""
    people = report.over_people
    lines = [
        f"recall {report.recall_share}; {people['recall'].words}",
        f"precision {report.precision_share}",
        f"F1 {report.f1:.3f}; {people['f1'].words}",
        f"false alarms {report.false_alarms}; {people['fp_per_hour'].words}",
        f"latency {_latency_line(report)}",
        f"labelled hours {report.hours:.3g}, {len(report.basis)} recordings of {_people(report)}",
    ]
    sources = report.by_source
    for kind in sources.index if len(sources) > 1 else ():
        hits, misses, alarms = (int(sources.loc[kind, name]) for name in ("hits", "misses", "false_alarms"))
        of_kind = rate(alarms, float(sources.loc[kind, "hours"]))
        lines.append(f"{kind}: recall {share(hits, hits + misses)}; false alarms {of_kind}")
    return [*lines, *report.notes]


def _people(report: "EventReport") -> str:
    """Return how many people are known by name; recordings without a subject are nobody's."""
    nameless = sum(not report.recordings[name].subject for name in report.basis)
    named = len({report.recordings[name].subject or "" for name in report.basis} - {""})
    told = "1 person" if named == 1 else f"{named} people"
    return f"{told}, {nameless} of nobody known" if nameless else told


def _latency_line(report: "EventReport") -> str:
    if not len(report.latency_s):
        return "of no hit"
    over = report.over_people["latency"].words
    return f"median {report.latency_median}, 95th percentile {report.latency_p95}; {over}"
