"""Whether one detector is better than another: on the same recordings, person by person."""

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wristkit.evaluate.figures import FEWEST_PEOPLE
from wristkit.evaluate.people import MOST_EXACT, Figures, interval_of_difference, swap_p
from wristkit.evaluate.report import EventReport
from wristkit.evaluate.window import counts_of_people, window_figures, window_report
from wristkit.recording import FloatArray


@dataclass(frozen=True, eq=False)
class Comparison:
    """Figures of two detectors on the same people.

    Parameters
    ----------
    table
        One row a figure: ``one, other, difference, low, high, p_value``. The difference is other minus one, with its
        95 % interval over people, NaN of fewer than five; ``p_value`` is how often it would be as large if each
        person's two results had been swapped at random.
    people
        How many there are.
    notes
        What a reader must know beside the figures.
    """

    table: pd.DataFrame
    people: int
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join([self.table.to_string(float_format="{:.3g}".format), *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return f"{self.table.to_html(escape=True, float_format='{:.3g}'.format)}<ul>{notes}</ul>"


def compare_events(one: EventReport, other: EventReport) -> Comparison:
    """Return recall, precision, F1 and false alarms per hour of two reports, and by how much they differ.

    Raises
    ------
    ValueError
        Where they are not of the same recordings, true events and hours.
    """
    _refuse_unmatched(one, other)
    people = sorted(one.by_subject.index)
    names = ["hits", "misses", "false_alarms", "hours"]
    mine, theirs = (report.by_subject.loc[people, names].to_numpy(dtype=np.float64) for report in (one, other))
    return _compared(mine, theirs, _event_figures, ("recall", "precision", "f1", "fp_per_hour"))


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
    return _compared(mine, theirs, window_figures, ("macro_f1", "balanced_accuracy", "accuracy"))


def _compared(one: FloatArray, other: FloatArray, figures: Figures, names: tuple[str, ...]) -> Comparison:
    value = [figures(counts.sum(axis=0, keepdims=True))[0] for counts in (one, other)]
    low, high = interval_of_difference(one, other, figures)
    columns = {"one": value[0], "other": value[1], "difference": value[1] - value[0], "low": low, "high": high}
    p_value = swap_p(one, other, figures)
    table = pd.DataFrame({**columns, "p_value": p_value}, index=pd.Index(names, name="figure"))
    return Comparison(table, len(one), tuple(_notes(len(one))))


def _notes(people: int) -> list[str]:
    ways = f"all {2**people} ways of swapping" if people <= MOST_EXACT else "2000 random ways of swapping"
    notes = [f"{people} people; p-values of {ways}, the smallest possible is {_least_p(people):.2g}"]
    if people < FEWEST_PEOPLE:
        notes.append(f"too few people for an interval over them: {FEWEST_PEOPLE} are needed")
    return notes


def _least_p(people: int) -> float:
    """Return the p-value of a difference that no way of swapping reaches but its own and its mirror image."""
    return 2 / 2**people if people <= MOST_EXACT else 1 / 2000


def _event_figures(counts: FloatArray) -> FloatArray:
    """Return (sets, 4) recall, precision, F1 and false alarms per hour of (sets, 4) hits, misses, alarms and hours."""
    hits, misses, alarms, hours = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack(
            [hits / (hits + misses), hits / (hits + alarms), 2 * hits / (2 * hits + misses + alarms), alarms / hours]
        )


def _refuse_unmatched(one: EventReport, other: EventReport) -> None:
    if set(one.recordings) != set(other.recordings):
        alone = sorted(set(one.recordings) ^ set(other.recordings))
        raise ValueError(f"recordings {alone[:3]} are in one report alone; evaluate both on the same recordings")
    if (one.rule.tier, one.rule.tolerance_s) != (other.rule.tier, other.rule.tolerance_s):
        raise ValueError(
            f"the reports judge tier {one.rule.tier!r} within {one.rule.tolerance_s} s and tier {other.rule.tier!r} "
            f"within {other.rule.tolerance_s} s; evaluate both alike"
        )
    mine, theirs = (
        report.by_subject[["hits", "misses", "hours"]].assign(truths=lambda rows: rows["hits"] + rows["misses"])
        for report in (one, other)
    )
    for column, apart in (("truths", 0.0), ("hours", 0.02)):  # windows of other lengths end elsewhere
        if not np.allclose(mine[column].sort_index(), theirs[column].sort_index(), rtol=apart, atol=1e-9):
            raise ValueError(
                f"the reports judge other {'true events' if column == 'truths' else 'hours'} of the same recordings; "
                "give both the same streams, classes and window"
            )
