"""Whether one detector is better than another: on the same recordings, person by person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from wristkit.evaluate.figures import FEWEST_PEOPLE, Rate, of_simulation, rate
from wristkit.evaluate.judge import Rule
from wristkit.evaluate.people import MOST_EXACT, Figures, interval_of_difference, swap_p
from wristkit.evaluate.report import EventReport
from wristkit.evaluate.shown import lines_html, narrow, table_html
from wristkit.evaluate.window import counts_of_people, window_figures, window_report
from wristkit.recording import FloatArray

KINDS = ("hit", "miss")
_HOURS_APART = 0.02  # windows of other lengths end elsewhere


@dataclass(frozen=True, eq=False)
class Comparison:
    """Figures of two detectors on the same people.

    Parameters
    ----------
    table
        One row a figure: ``one, other, difference, low, high, p_value``. The difference is other minus one, with its
        95 % interval over people, NaN of fewer than five and where all differ alike; ``p_value`` is how often
        it would be as large if each person's two results had been swapped at random.
    people
        How many have a name, and so enter intervals and p-values.
    notes
        What a reader must know beside the figures.
    false_alarms
        Of events, the rate of each: no alarm at all is an upper bound, and shown as one.
    """

    table: pd.DataFrame
    people: int
    notes: tuple[str, ...]
    false_alarms: tuple[Rate, Rate] | None = None

    def __repr__(self) -> str:
        shown = self._shown()
        return "\n".join([narrow(shown).to_string(float_format="{:.3g}".format, na_rep=""), *self.notes])

    def _repr_html_(self) -> str:
        return table_html(self._shown()) + lines_html(self.notes)

    def _shown(self) -> pd.DataFrame:
        """Return the table with its interval named after the difference, and no alarm as its upper bound."""
        shown = self.table.rename(columns={"low": "difference_low", "high": "difference_high"}).astype(object)
        for column, alarms in zip(("one", "other"), self.false_alarms or (), strict=False):
            if alarms.hours and not alarms.alarms:
                shown.loc["fp_per_hour", column] = f"at most {alarms.high:.3g}"
        return shown


def compare_events(one: EventReport, other: EventReport) -> Comparison:
    """Return recall, precision, F1 and false alarms per hour of two reports, and by how much they differ.

    Raises
    ------
    ValueError
        Where they are not of the same recordings, people, rule, true events and hours.
    """
    if others := [type(report).__name__ for report in (one, other) if not isinstance(report, EventReport)]:
        raise TypeError(f"a {others[0]} is no report of events, expected what wristkit.evaluate returns")
    _refuse_unmatched(one, other)
    people = sorted(one.by_subject.index)
    mine, theirs = (_event_counts(report, people) for report in (one, other))
    told = _compared(mine, theirs, _event_figures, ("recall", "precision", "f1", "fp_per_hour"), people)
    rates = [rate(int(counts[:, 2].sum()), float(counts[:, 3].sum())) for counts in (mine, theirs)]
    bounds = [
        f"{name} has no false alarm: {alarms}"
        for name, alarms in zip(("one", "other"), rates, strict=True)
        if alarms.hours and not alarms.alarms
    ]
    notes = (*told.notes, *bounds, *dict.fromkeys(of_simulation((*one.notes, *other.notes))))
    return replace(told, notes=notes, false_alarms=(rates[0], rates[1]))


def compare_predictions(one: pd.DataFrame, other: pd.DataFrame) -> Comparison:
    """Return macro-F1, balanced accuracy and accuracy of two tables of predictions, and by how much they differ.

    Raises
    ------
    ValueError
        Where they are not of the same windows with the same truth.
    """
    tables = [window_report(table) for table in (one, other)]
    keys = ["recording", "subject", "start_s", "stop_s", "truth"]
    rows = [table.predictions.sort_values(keys, ignore_index=True)[keys] for table in tables]
    if len(rows[0]) != len(rows[1]) or not (rows[0] == rows[1]).all(axis=None):
        raise ValueError(
            f"the tables hold {len(rows[0])} and {len(rows[1])} windows that are not the same by recording, subject, "
            "time and truth; predict the same windows with both"
        )
    classes = tuple(sorted({*tables[0].classes, *tables[1].classes}))
    people = sorted(set(rows[0]["subject"]))
    mine, theirs = (counts_of_people(table.predictions, people, classes) for table in tables)
    told = _compared(mine, theirs, window_figures, ("macro_f1", "balanced_accuracy", "accuracy"), people)
    simulated = dict.fromkeys(of_simulation((*tables[0].notes, *tables[1].notes)))
    return replace(told, notes=(*told.notes, *simulated))


def _compared(
    one: FloatArray, other: FloatArray, figures: Figures, names: tuple[str, ...], people: Sequence[str]
) -> Comparison:
    """Return figures of counts (people, ...); who has no name enters the figures alone."""
    value = [figures(counts.sum(axis=0, keepdims=True))[0] for counts in (one, other)]
    named = np.array([bool(name) for name in people])
    low, high = interval_of_difference(one[named], other[named], figures)
    columns = {"one": value[0], "other": value[1], "difference": value[1] - value[0], "low": low, "high": high}
    p_value = swap_p(one[named], other[named], figures)
    table = pd.DataFrame({**columns, "p_value": p_value}, index=pd.Index(names, name="figure"))
    count = int(named.sum())
    left_out = () if named.all() else ("what has no subject enters neither intervals nor p-values",)
    alike = ", ".join(table.index[table["low"].isna() & table["difference"].notna()]) if count >= FEWEST_PEOPLE else ""
    unknown = [f"{alike}: no interval, as too few people have data, or all differ alike"] if alike else []
    return Comparison(table, count, (*_notes(count), *left_out, *unknown))


def _notes(people: int) -> list[str]:
    ways = f"all {2**people} ways of swapping" if people <= MOST_EXACT else "2000 random ways of swapping"
    notes = [f"{people} people; p-values of {ways}, the smallest possible is {_least_p(people):.2g}"]
    if people < FEWEST_PEOPLE:
        notes.append(f"too few people for an interval over them: {FEWEST_PEOPLE} are needed")
    return notes


def _least_p(people: int) -> float:
    """Return the p-value of a difference that no way of swapping reaches but its own and its mirror image."""
    return 2 / 2**people if people <= MOST_EXACT else 1 / 2000


def _event_counts(report: EventReport, people: list[str]) -> FloatArray:
    """Return (people, 6) hits, misses, alarms, hours, and hits and misses in hours that are counted once."""
    counts = report.by_subject.loc[people, ["hits", "misses", "false_alarms", "hours"]]
    own = report.matches[report.matches["recording"].isin(report.basis) & ~report.matches["repeated"]]
    once = [own.loc[own["kind"] == kind, "subject"].value_counts().reindex(people, fill_value=0) for kind in KINDS]
    return np.column_stack([counts, *once]).astype(np.float64)


def _event_figures(counts: FloatArray) -> FloatArray:
    """Return (sets, 4) recall, precision, F1 and false alarms per hour of (sets, 6) counts."""
    hits, misses, alarms, hours, once, lost = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack(
            [hits / (hits + misses), once / (once + alarms), 2 * once / (2 * once + lost + alarms), alarms / hours]
        )


def _refuse_unmatched(one: EventReport, other: EventReport) -> None:
    if set(one.recordings) != set(other.recordings):
        alone = sorted(set(one.recordings) ^ set(other.recordings))
        raise ValueError(f"recordings {alone[:3]} are in one report alone; evaluate both on the same recordings")
    for name, recording in one.recordings.items():
        if (recording.subject or "") != (other.recordings[name].subject or ""):
            raise ValueError(
                f"recording {name} is of {recording.subject!r} in one report and of "
                f"{other.recordings[name].subject!r} in the other; give it to the same person in both"
            )
    _refuse_other_rules(one.rule, other.rule)
    unlike = [name for name in one.basis if not _same_truth(one.seen[name].truth, other.seen[name].truth)]
    if unlike:
        raise ValueError(
            f"the reports judge other true events of the same recordings {unlike[:3]}; give both the same labels, "
            "streams, classes and window"
        )
    mine, theirs = (report.by_subject["hours"].sort_index() for report in (one, other))
    if not np.allclose(mine, theirs, rtol=_HOURS_APART, atol=1e-9):
        raise ValueError(
            "the reports judge other hours of the same recordings; give both the same streams, classes and window"
        )


def _refuse_other_rules(one: Rule, other: Rule) -> None:
    """Raise where two reports were not judged alike; events without scores are of any class."""
    if (one.tier, one.tolerance_s) != (other.tier, other.tolerance_s):
        raise ValueError(
            f"the reports judge tier {one.tier!r} within {one.tolerance_s} s and tier {other.tier!r} "
            f"within {other.tolerance_s} s; evaluate both alike"
        )
    if one.latency_from != other.latency_from:
        raise ValueError(
            f"latency counts from the {one.latency_from} in one report and from the {other.latency_from} in the "
            "other; evaluate both alike"
        )
    if one.classes is not None and other.classes is not None and one.classes != other.classes:
        raise ValueError(
            f"the reports judge the classes {sorted(one.classes)} and {sorted(other.classes)}; compare detectors of "
            "the same classes, or evaluate the events of both without scores"
        )


def _same_truth(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> bool:
    """Return whether the true events of a recording are the same in two reports, class by class."""
    mine, theirs = ({label: times for label, times in truth.items() if len(times)} for truth in (one, other))
    return set(mine) == set(theirs) and all(
        np.array_equal(np.sort(mine[label], axis=0), np.sort(theirs[label], axis=0)) for label in mine
    )
