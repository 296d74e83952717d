"""What a card says of windows told apart, and of measured values against a reference."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from wristkit.evaluate import ContinuousReport, WindowReport
from wristkit.evaluate.figures import of_simulation
from wristkit.train import Fit
from wristkit.view.card.model import Model, model_parts, taught_on
from wristkit.view.card.page import Card, Part, Tile, drawn, frame, number, spanned, spoken, table
from wristkit.view.draw import draw_bland_altman, draw_confusion, draw_reliability, draw_subjects
from wristkit.view.draw.style import plain

_MOST_PEOPLE = 40


def window_card(report: WindowReport, model: Model | None) -> Card:
    """Return the card of a WindowReport."""
    told, people = report.predictions, [str(name) for name in report.by_subject.index]
    recordings = sorted(set(told["recording"]))
    taught = taught_on(model, recordings=recordings, people=people, told=report.notes)
    simulated = _simulated(report.notes, model)
    folds = told["fold"].nunique()
    return Card(
        lead=f"{len(told):,} windows of {len(recordings)} recordings of {len(people)} people, told apart into "
        f"{len(report.classes)} classes, in {folds} {'part' if folds == 1 else 'folds'}.",
        warnings=simulated,
        tiles=_window_tiles(report),
        limits=[
            "Windows are no events: nothing here says how often a detector fires falsely in an hour.",
            "Windows that overlap are alike, so an interval over windows is too narrow; those over people are not.",
            *taught.limits,
            *report.notes,
        ],
        parts=[*_window_parts(report), *model_parts(model)],
        unchecked=[
            *taught.unchecked,
            "false alarms an hour and latency: evaluate a detector on whole recordings",
            *([] if simulated else ["whether the recordings are simulated: a table of predictions does not say"]),
        ],
    )


def _simulated(notes: Sequence[str], model: Model | None) -> list[str]:
    """Return what a report and the training of its model say of simulated people."""
    return list(dict.fromkeys(of_simulation((*notes, *(model.notes if isinstance(model, Fit) else ())))))


def _window_tiles(report: WindowReport) -> list[Tile]:
    rows = zip(report.over_people.index, report.over_people.to_numpy(), strict=True)
    tiles = [Tile(str(name).replace("_", " "), number(row[0]), _interval(*row[1:])) for name, row in rows]
    beside = f"Brier score {number(report.brier)}"
    return [*tiles, Tile("calibration error", number(report.calibration_error), beside)]


def _window_parts(report: WindowReport) -> list[Part]:
    told, side_in = report.predictions, float(np.clip(2.2 + 0.45 * len(report.classes), 4.0, 9.0))
    classes = ", ".join(f"{plain(name)} {number(value)}" for name, value in report.by_class["f1"].items())
    confusion = drawn(
        lambda axes: draw_confusion(axes[0], told["truth"], told["predicted"], report.classes),
        size_in=(side_in + 0.8, side_in),
        words=f"Confusion of {len(report.classes)} classes. F1: {classes}.",
        below="Rows are what was true, columns what was predicted; the shade is the share of the row.",
    )
    bins = report.reliability()
    reliability = drawn(
        lambda axes: draw_reliability(axes[0], bins),
        size_in=(4.8, 4.0),
        words=f"Accuracy beside confidence in {len(bins)} bins; calibration error {number(report.calibration_error)}.",
        below="On the dashed line confidence is worth what it says; bars are counts of windows.",
    )
    figures = [
        (
            name,
            int(row["windows"]),
            int(row["predicted"]),
            *(_of_class(row, what) for what in ("precision", "recall", "f1")),
        )
        for name, row in report.by_class.iterrows()
    ]
    heads = ("class", "windows", "predicted", "precision", "recall", "F1")
    return [
        Part("What is taken for what", confusion + table(heads, figures, caption="By class, lowest F1 first")),
        Part("How sure it is", reliability + frame(spoken(bins), caption="Reliability")),
        Part("For whom it fails", _people_picture(report) + frame(spoken(report.by_subject), caption="By person")),
    ]


def _people_picture(report: WindowReport) -> str:
    people = report.by_subject
    shown = min(_MOST_PEOPLE, len(people))
    return drawn(
        partial(draw_subjects, by_subject=people, most=shown),
        size_in=(9.0, 1.1 + 0.2 * shown),
        words=f"Macro-F1 and accuracy of {len(people)} people, worst first: {plain(people.index[0])} "
        f"{number(people['macro_f1'].iloc[0])}.",
        below="Each over the classes that this person shows; the dashed line is the accuracy of all.",
        columns=2,
    )


def _of_class(row: "pd.Series[float]", what: str) -> str:
    return spanned(row[what], row[f"{what}_low"], row[f"{what}_high"])


def _interval(low: float, high: float) -> str:
    if np.isfinite(low):
        return f"over people {number(low)} to {number(high)}"
    return "no interval over people: they are too few, or do not differ"


def continuous_card(report: ContinuousReport, model: Model | None, *, unit: str) -> Card:
    """Return the card of a ContinuousReport."""
    people = [str(name) for name in report.by_subject.index if name]
    taught = taught_on(model, recordings=[], people=people, told=report.notes)
    simulated = _simulated(report.notes, model)
    return Card(
        lead=f"{len(report.table):,} values of {len(people)} people against a reference.",
        warnings=simulated,
        tiles=_continuous_tiles(report, unit),
        limits=[
            "Limits say where 95 % of differences lie for people like these, while they did what they did here.",
            *taught.limits,
            *report.notes,
        ],
        parts=[*_continuous_parts(report, unit), *model_parts(model)],
        unchecked=[
            *taught.unchecked,
            "other ranges than the reference shows: look at by_intensity",
            *([] if simulated else ["whether the values are simulated: a table of values does not say"]),
        ],
    )


def _continuous_tiles(report: ContinuousReport, unit: str) -> list[Tile]:
    of = f" {unit}" if unit else ""
    (mae, *of_mae), _, (bias, *of_bias), _ = report.figures.to_numpy().tolist()
    _, low, high = report.agreement["value"].tolist()
    return [
        Tile("mean absolute error", f"{number(mae)}{of}", _interval(*of_mae)),
        Tile("bias", f"{number(bias)}{of}", _interval(*of_bias)),
        Tile("limits of agreement", f"{number(low)} to {number(high)}{of}", "95 % of differences lie within"),
        Tile("coverage", number(report.coverage.value), f"{report.coverage.hits:,} of {report.coverage.total:,}"),
    ]


def _continuous_parts(report: ContinuousReport, unit: str) -> list[Part]:
    low, high = (spanned(*row) for row in report.agreement.to_numpy()[1:])
    picture = drawn(
        lambda axes: draw_bland_altman(axes[0], report, unit=unit),
        size_in=(6.5, 4.0),
        words=f"Error over the mean of measure and reference; bias {number(report.bias)}, limits {low} to {high}.",
        below="Bland and Altman: bias and limits of agreement; bands are 95 % intervals, a ring is a person's mean.",
    )
    return [
        Part("How far off", picture + frame(report.figures) + frame(report.agreement)),
        Part("For whom it fails", frame(spoken(report.by_subject), caption="By person, largest error first")),
    ]
