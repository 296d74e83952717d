"""What a card says of windows told apart, and of measured values against a reference."""

import numpy as np
import pandas as pd

from wristkit.evaluate import ContinuousReport, WindowReport
from wristkit.view.card.model import Model, model_parts, taught_on
from wristkit.view.card.page import Card, Part, Tile, drawn, frame, number, spanned, spoken, table
from wristkit.view.draw import draw_bland_altman, draw_confusion, draw_reliability
from wristkit.view.draw.style import plain


def window_card(report: WindowReport, model: Model | None) -> Card:
    """Return the card of a WindowReport."""
    told, people = report.predictions, [str(name) for name in report.by_subject.index]
    recordings = sorted(set(told["recording"]))
    taught = taught_on(model, recordings=recordings, people=people, told=report.notes)
    over = {str(name): row for name, row in zip(report.over_people.index, report.over_people.to_numpy(), strict=True)}
    tiles = [Tile(name.replace("_", " "), number(row[0]), _interval(*row[1:])) for name, row in over.items()]
    calibration = Tile("calibration error", number(report.calibration_error), f"Brier score {number(report.brier)}")
    folds = told["fold"].nunique()
    return Card(
        lead=f"{len(told):,} windows of {len(recordings)} recordings of {len(people)} people, told apart into "
        f"{len(report.classes)} classes, in {folds} {'part' if folds == 1 else 'folds'}.",
        warnings=[],
        tiles=[*tiles, calibration],
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
            "whether the recordings are simulated: a table of predictions does not say",
        ],
    )


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
        Part("For whom it fails", frame(spoken(report.by_subject), caption="By person, worst first")),
    ]


def _of_class(row: "pd.Series[float]", what: str) -> str:
    return spanned(row[what], row[f"{what}_low"], row[f"{what}_high"])


def _interval(low: float, high: float) -> str:
    return f"over people {number(low)} to {number(high)}" if np.isfinite(low) else "too few people for an interval"


def continuous_card(report: ContinuousReport, model: Model | None, *, unit: str) -> Card:
    """Return the card of a ContinuousReport."""
    people = [str(name) for name in report.by_subject.index]
    taught = taught_on(model, recordings=[], people=people, told=report.notes)
    of = f" {unit}" if unit else ""
    rows = {str(name): tuple(row) for name, row in zip(report.figures.index, report.figures.to_numpy(), strict=True)}
    low, high = report.agreement.to_numpy()[1:]
    limits = f"{spanned(*low)} to {spanned(*high)}"
    tiles = [
        Tile("mean absolute error", f"{number(rows['mae'][0])}{of}", _interval(*rows["mae"][1:])),
        Tile("bias", f"{number(rows['bias'][0])}{of}", _interval(*rows["bias"][1:])),
        Tile("limits of agreement", f"{number(low[0])} to {number(high[0])}{of}", "95 % of differences lie within"),
        Tile("coverage", number(report.coverage.value), f"{report.coverage.hits:,} of {report.coverage.total:,}"),
    ]
    picture = drawn(
        lambda axes: draw_bland_altman(axes[0], report, unit=unit),
        size_in=(6.5, 4.0),
        words=f"Error over the mean of measure and reference; bias {number(rows['bias'][0])}, limits {limits}.",
        below="Bland and Altman: bias and limits of agreement; bands are 95 % intervals, a ring is a person's mean.",
    )
    return Card(
        lead=f"{len(report.table):,} values of {len(people)} people against a reference.",
        warnings=[],
        tiles=tiles,
        limits=[
            "Limits say where 95 % of differences lie for people like these, while they did what they did here.",
            *taught.limits,
            *report.notes,
        ],
        parts=[
            Part("How far off", picture + frame(report.figures) + frame(report.agreement)),
            Part("For whom it fails", frame(spoken(report.by_subject), caption="By person, largest error first")),
            *model_parts(model),
        ],
        unchecked=[
            *taught.unchecked,
            "other ranges than the reference shows: look at by_intensity",
            "whether the values are simulated: a table of values does not say",
        ],
    )
