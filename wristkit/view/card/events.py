"""What a card says of events against truth."""

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from wristkit.evaluate import EventReport, Quantile, Rate, Share
from wristkit.evaluate.figures import FEWEST_PEOPLE
from wristkit.evaluate.people import OverPeople
from wristkit.recording import Recording
from wristkit.view.card.model import Model, model_parts, taught_on
from wristkit.view.card.page import Card, Part, Tile, drawn, frame, number, paragraph, spanned, spoken, table
from wristkit.view.draw import draw_curve, draw_latency, draw_robustness, draw_subjects, draw_timeline
from wristkit.view.draw.rows import DAMAGE_COLUMNS
from wristkit.view.draw.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW_EVENTS = 30
_MOST_LANES = 20
_ORIGINS = {"real": "a wearer", "injected": "a wearer, events injected", "simulated": "simulated"}


class Asked(NamedTuple):
    """What a card is to show beside the report."""

    model: Model | None
    robustness: pd.DataFrame | None
    context: str | None
    fp_per_hour: float | None


def event_card(report: EventReport, asked: Asked) -> Card:
    """Return the card of an EventReport."""
    people = _named(report)
    taught = taught_on(asked.model, recordings=list(report.recordings), people=people, told=report.notes)
    hours = f"{number(report.hours)} labelled and recorded hours"
    return Card(
        lead=f"{', '.join(map(plain, report.classes)) or 'Nothing'}: events found in {_of(report)}, {hours}, "
        "one to one against what was labelled.",
        warnings=_warnings(report),
        tiles=_tiles(report),
        limits=[*_limits(report), *taught.limits, *report.notes],
        parts=[*_figure_parts(report, asked), _people_part(report), _data_part(report), *model_parts(asked.model)],
        unchecked=[*taught.unchecked, *_unchecked(report, asked)],
    )


def _of(report: EventReport) -> str:
    recordings, people = len(report.basis), len(_named(report))
    return f"{recordings} {'recording' if recordings == 1 else 'recordings'} of {_people(people)}"


def _named(report: EventReport) -> list[str]:
    """Return who is known by name; a recording without a subject is nobody's."""
    return [str(name) for name in report.by_subject.index if name]


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _warnings(report: EventReport) -> list[str]:
    origins = [one.origin for one in report.recordings.values()]
    warnings, beside = [], report.simulated_hours
    if set(origins) == {"simulated"}:
        told = "nobody wore a watch for them, and their figures are simulated figures"
        warnings.append(f"All hours are simulated: {told}.")
    elif "simulated" in origins:
        told = "figures are of the others, those of the simulated ones stand under Real and simulated"
        warnings.append(f"{number(beside)} of {number(report.hours + beside)} hours are simulated: {told}.")
    if injected := origins.count("injected"):
        told = "recall and latency of these are simulated figures, hours and false alarms are real"
        warnings.append(f"Simulated events were injected into {injected} of {len(origins)} recordings: {told}.")
    return warnings


def _tiles(report: EventReport) -> list[Tile]:
    alarms, latency, over = report.false_alarms, report.latency_s, report.over_people
    rate = f"at most {number(alarms.high)}" if alarms.hours and not alarms.alarms else number(alarms.per_hour)
    found = [
        Tile("recall", number(report.recall), f"{_counted(report.recall_share)}; {_over(over['recall'])}"),
        Tile("false alarms per hour", rate, f"{_in_hours(alarms)}; {_over(over['fp_per_hour'])}"),
        Tile("precision", number(report.precision), _counted(report.precision_share)),
        Tile("F1", number(report.f1), f"of all classes; {_over(over['f1'])}"),
    ]
    if not len(latency):
        return [*found, Tile("latency", "no hit", "so none can be late")]
    late = f"95th percentile {_quantile(report.latency_p95)}, of {len(latency)} hits"
    beside = f"median{_span(report.latency_median)}; {late}; {_over(over['latency'])}"
    return [*found, Tile("latency", f"{number(report.latency_median_s)} s", beside)]


def _quantile(one: Quantile) -> str:
    return f"{number(one.value)} s{_span(one)}"


def _span(one: Quantile) -> str:
    known = np.isfinite(one.low) and np.isfinite(one.high)
    return f" ({number(one.low)} to {number(one.high)})" if known else f" (no interval of fewer than {one.needed})"


def _counted(part: Share) -> str:
    return (
        f"{number(part.low)} to {number(part.high)}, {part.hits} of {part.total}" if part.total else "nothing to count"
    )


def _in_hours(alarms: Rate) -> str:
    if not alarms.hours:
        return "no labelled hours"
    if not alarms.alarms:
        return f"0 in {number(alarms.hours)} h; at most {number(24 * alarms.high)} a day"
    span = f"{number(alarms.low)} to {number(alarms.high)}"
    return f"{span}, {alarms.alarms} in {number(alarms.hours)} h; {number(alarms.per_day)} a day"


def _over(one: OverPeople) -> str:
    if one.span is None:
        return one.words
    return one.words.replace(f"{one.span[0]:.3g} to {one.span[1]:.3g}", " to ".join(map(number, one.span)))


def _limits(report: EventReport) -> list[str]:
    """Return what the figures cannot carry, in plain words."""
    people, total = len(_named(report)), report.recall_share.total
    lines = [_rate_limit(report)]
    if people < FEWEST_PEOPLE:
        lines.append(
            f"{_people(people)} cannot say how the next one fares: no interval over fewer than {FEWEST_PEOPLE}."
        )
    if "" in report.by_subject.index:
        lines.append(
            "Recordings without a subject are nobody's: they count in the figures, not in what varies over people."
        )
    if not total:
        lines.append("There was no true event, so there is no recall.")
    elif total < _FEW_EVENTS:
        events = "1 true event" if total == 1 else f"{total} true events"
        lines.append(f"Recall rests on {events}; a single one more or less moves it.")
    if unseen := [name for name in report.classes if not report.by_class.loc[name, ["hits", "misses"]].sum()]:
        lines.append(f"Never true here, so without a recall: {', '.join(map(plain, unseen))}.")
    kinds = report.matches["kind"].value_counts()
    beyond = [
        f"{int(kinds.get(kind, 0))} {what}"
        for kind, what in (
            ("not labelled", "detections where nobody looked"),
            ("counted elsewhere", "detections in hours that another recording has counted"),
            ("not recorded", "true events that no sensor saw"),
        )
        if kinds.get(kind, 0)
    ]
    if beyond:
        lines.append(f"Not judged at all: {'; '.join(beyond)}.")
    lines.append(
        "Intervals beside a count take events as independent; those over people do not, and are the wider claim."
    )
    return lines


def _rate_limit(report: EventReport) -> str:
    alarms = report.false_alarms
    if not alarms.hours:
        return "No hour was both labelled and recorded, so nothing is known about false alarms."
    if not alarms.alarms:
        return (
            f"No false alarm in {number(alarms.hours)} h is not none: up to {number(alarms.high)} an hour "
            f"({number(24 * alarms.high)} a day) would look the same (95 %)."
        )
    return (
        f"{alarms.alarms} false alarms in {number(alarms.hours)} h: the rate may be anything from "
        f"{number(alarms.low)} to {number(alarms.high)} an hour (95 %)."
    )


def _figure_parts(report: EventReport, asked: Asked) -> list[Part]:
    """Return the parts with pictures and tables."""
    parts = [Part("How often it fires", _curve(report, asked.fp_per_hour) + _tally(report.by_class, "By class"))]
    if len(report.by_source) > 1:
        parts.append(
            Part("Real and simulated", _tally(report.by_source, "Each by itself: they say nothing of each other"))
        )
    latency = drawn(
        lambda axes: draw_latency(axes[0], report.latency_s, latency_from=report.rule.latency_from),
        size_in=(6.0, 3.0),
        words=f"Histogram of the latency of {len(report.latency_s)} hits, median {number(report.latency_median_s)} s, "
        f"95th percentile {number(report.latency_p95_s)} s; bands are 95 % intervals.",
        below=f"Seconds from the true {report.rule.latency_from} of an event to when the detector could first say so.",
    )
    kinds = frame(
        spoken(report.error_kinds).T, caption="Kinds of errors, after Ward: how many, and for how many seconds"
    )
    edges = frame(spoken(report.edge_errors), caption="How far hits begin and end beside the truth, in seconds")
    parts += [
        Part("How late", latency + _lateness(report.by_class) + edges),
        Part("Where it errs", _timeline(report) + kinds),
    ]
    if asked.context is not None:
        parts.append(Part(f"By {plain(asked.context)}", _tally(report.by_context(asked.context), "Worst first")))
    if asked.robustness is not None:
        parts.append(Part("On a worse watch", _robustness(asked.robustness)))
    return parts


def _curve(report: EventReport, fp_per_hour: float | None) -> str:
    if report.scores is None or report.decoder is None:
        if fp_per_hour is not None:
            report.at(fp_per_hour=fp_per_hour)  # says what is missing
        return ""
    if fp_per_hour is None:
        point = report.point
        below = (
            "Recall and false alarms an hour over all thresholds; the mark is the detector's own, with 95 % intervals."
        )
    else:
        point = report.at(fp_per_hour=fp_per_hour)
        below = f"The mark is the best recall at no more than {fp_per_hour:g} an hour. {point}"
    return drawn(
        lambda axes: draw_curve(axes[0], report.curve(), point=point),
        size_in=(6.5, 3.8),
        words=f"Curve of recall against false alarms per hour. Marked: {point}",
        below=below,
    )


def _timeline(report: EventReport) -> str:
    lanes = min(_MOST_LANES, len(report.recordings))
    counts = [f"{len(report.latency_s)} hits", f"{report.recall_share.total - report.recall_share.hits} misses"]
    return drawn(
        lambda axes: draw_timeline(axes[0], report, most=_MOST_LANES),
        size_in=(9.0, 1.1 + 0.4 * lanes),
        words=f"Truth and detections of {lanes} of {len(report.recordings)} recordings on a line each: "
        f"{', '.join(counts)}, {report.false_alarms.alarms} false alarms in all of them.",
        below="Truth above each line, detections below; grey is what was looked at and recorded. Most errors first.",
    )


def refuse_other_costs(costs: object) -> None:
    """Raise where what should be the table of wristkit.robustness is another thing."""
    if not isinstance(costs, pd.DataFrame):
        raise TypeError(f"robustness is a {type(costs).__name__}, expected the table that wristkit.robustness returns")
    if missing := [name for name in (*DAMAGE_COLUMNS, "note") if name not in costs.columns]:
        raise ValueError(f"robustness lacks the columns {missing}; give the table that wristkit.robustness returns")
    if costs.empty:
        raise ValueError("robustness has no row, expected the undamaged signal first; give wristkit.robustness' table")


def _robustness(costs: pd.DataFrame) -> str:
    worst = costs.iloc[1:].sort_values("recall_drop", ascending=False).head(1)
    told = "".join(f" {plain(row['damage'])} costs {number(row['recall_drop'])}." for row in worst.to_dict("records"))
    picture = drawn(
        partial(draw_robustness, table=costs),
        size_in=(9.0, 1.0 + 0.25 * len(costs)),
        words=f"What each of {len(costs) - 1} kinds of damage costs in recall and adds in false alarms.{told}",
        below="The same recordings, damaged; intervals are over people or recordings, where there are five or more.",
        columns=2,
    )
    rows = [
        (
            row["damage"],
            number(row["recall"]),
            spanned(row["recall_drop"], row["recall_drop_low"], row["recall_drop_high"]),
            f"at most {number(3 / row['hours'])}" if _is_bound(row) else number(row["fp_per_hour"]),
            spanned(row["fp_per_hour_rise"], row["fp_per_hour_rise_low"], row["fp_per_hour_rise_high"]),
            f"{row['refused']} of {row['recordings']}",
            "; ".join(part for part in (row["noticed"], row["note"]) if part),
        )
        for row in costs.to_dict("records")
    ]
    heads = ("damage", "recall", "lost", "false alarms per hour", "more", "refused", "noticed")
    return picture + table(heads, rows) + "".join(map(paragraph, costs.attrs.get("notes", ())))


def _is_bound(row: Mapping[Hashable, Any]) -> bool:
    """Return whether a row of the robustness table counts no false alarm in hours that it knows."""
    return bool(row["fp_per_hour"] == 0 and row.get("hours", 0.0) > 0)


def _tally(groups: pd.DataFrame, caption: str) -> str:
    """Return counts and figures with intervals, a row a group."""
    rows = [
        (
            str(name) or "(no name)",
            *(int(row[what]) for what in ("hits", "misses", "false_alarms")),
            spanned(row["recall"], row["recall_low"], row["recall_high"]),
            number(row["precision"]),
            number(row["f1"]),
            number(row["hours"]),
            _rate_text(row),
            number(row["latency_median_s"]),
        )
        for name, row in groups.iterrows()
    ]
    heads = ("hits", "misses", "false alarms", "recall", "precision", "F1", "hours", "false alarms per hour")
    return table((str(groups.index.name), *heads, "latency (s)"), rows, caption=caption)


def _lateness(groups: pd.DataFrame) -> str:
    """Return the latency of each group with its interval."""
    rows = [
        (
            str(name),
            int(row["hits"]),
            spanned(row["latency_median_s"], row["latency_median_low_s"], row["latency_median_high_s"]),
            number(row["latency_p95_s"]),
        )
        for name, row in groups.iterrows()
    ]
    heads = (str(groups.index.name), "hits", "median", "95th percentile")
    return table(heads, rows, caption="Latency by class, in seconds")


def _rate_text(row: "pd.Series[float]") -> str:
    if not row["false_alarms"] and row["hours"]:
        return f"at most {number(row['fp_per_hour_high'])}"
    return spanned(row["fp_per_hour"], row["fp_per_hour_low"], row["fp_per_hour_high"])


def _people_part(report: EventReport) -> Part:
    people = report.by_subject
    worst = people.iloc[0]
    who = plain(people.index[0]) or "who has no name"
    said = f"The worst is {who}: recall {spanned(worst['recall'], worst['recall_low'], worst['recall_high'])}."
    shown = min(40, len(people))

    def draw(axes: "list[Axes]") -> None:
        draw_subjects(axes, people, most=shown)

    picture = drawn(
        draw,
        size_in=(9.0, 1.1 + 0.2 * shown),
        words=f"Recall and false alarms per hour of {_people(len(_named(report)))}, worst first. {said}",
        below=f"{said} Bars are 95 % intervals; a hollow mark is no false alarm, its bar ends at 3 over the hours.",
        columns=2,
    )
    return Part("For whom it fails", picture + _tally(people, "By person, worst first"))


def _data_part(report: EventReport) -> Part:
    rows = [_recording_row(report, name, one) for name, one in report.recordings.items()]
    heads = ("recording", "person", "from", "device", "wrist", "true events", "hours judged", "hours recorded")
    rule = report.rule
    streams = "all that are sampled steadily" if rule.streams is None else ", ".join(rule.streams)
    said = (
        f"Truth is the tier {plain(rule.tier)!r}; what is found within {rule.tolerance_s:g} s of a true one may be it. "
        f"Hours leave out the gaps of these streams: {streams}."
    )
    return Part("Data", table(heads, rows) + paragraph(said))


def _recording_row(report: EventReport, name: str, one: Recording) -> Sequence[object]:
    true = sum(len(times) for times in report.seen[name].truth.values())
    worn = (one.source.get("device") or one.source.get("format") or "not stated", one.wrist or "not stated")
    hours = (number(report.hours_of[name]), number((one.stop_s - one.start_s) / 3600))
    return (name, one.subject or "(no name)", _ORIGINS[one.origin], *worn, true, *hours)


def _unchecked(report: EventReport, asked: Asked) -> list[str]:
    held = report.recordings.values()
    raters = {str(rater) for one in held for rater in one.labels.loc[one.labels["tier"] == report.rule.tier, "rater"]}
    lines = []
    if all(one.is_simulated for one in held):
        lines.append("real wearers: there is no real recording in these figures")
    if asked.robustness is None:
        lines.append(
            "a worse watch (loss, jitter, wrong wrist, loose strap, wrong unit): wristkit.robustness was not given"
        )
    if report.scores is None or report.decoder is None:
        lines.append("other thresholds: the events came without scores")
    if asked.context is None:
        lines.append("in which activities it errs: no tier was given (context=)")
    if len(raters) < 2:
        lines.append("whether the labels are right: there is one rater, or none is named")
    return [*lines, "a watch: every figure was computed from recordings, off the device"]
