"""What came of a training and an evaluation: loss, confusion, recall against false alarms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import OperatingPoint
from wristkit.view.draw.style import (
    COLOURS,
    INK,
    RULE,
    SMALL_PT,
    TEXT_PT,
    clear_axes,
    legend_above,
    name_axes,
    no_math,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

FALSE_ALARM_TICKS = (0, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def draw_history(ax: "Axes", history: pd.DataFrame) -> "Axes":
    """Draw the losses of a training by epoch, with the F1 on its own axis at the right, and return the axes.

    ``history`` has the columns ``epoch, train_loss, stop_loss, stop_macro_f1``; what is NaN is not drawn.
    """
    from matplotlib.ticker import MaxNLocator

    clear_axes(ax)
    epochs = history["epoch"]
    lines = [
        *ax.plot(epochs, history["train_loss"], color=COLOURS[0], linewidth=1.6, marker="."),
        *ax.plot(epochs, history["stop_loss"], color=COLOURS[1], linewidth=1.6, marker="."),
    ]
    names = ["train loss", "stop loss"]
    if history["stop_macro_f1"].notna().any():
        lines += _draw_f1(ax, history)
        names += ["stop macro F1 (right)"]
    legend_above(ax, lines, names)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    ax.set_ylim(bottom=0)
    name_axes(ax, x="epoch", y="loss")
    return ax


def _draw_f1(ax: "Axes", history: pd.DataFrame) -> "list[Line2D]":
    right = ax.twinx()
    clear_axes(right)
    right.grid(visible=False)
    right.spines["left"].set_visible(False)
    right.spines["right"].set(visible=True, color=RULE, linewidth=0.8)
    right.set_ylim(0, 1.02)
    name_axes(right, y="macro F1")
    return right.plot(
        history["epoch"], history["stop_macro_f1"], color=COLOURS[2], linewidth=1.6, marker=".", linestyle="--"
    )


def draw_confusion(ax: "Axes", truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> "Axes":
    """Draw how often each true class (row) was taken for each class (column), and return the axes.

    The shade is the share of the row, the numbers are counts; a class without an example leaves its row white.
    """
    counts = _confusion_counts(np.asarray(truth, dtype=object), np.asarray(predicted, dtype=object), classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if share[row, column] > 0.55 else INK if count else RULE
        ax.text(column, row, f"{count}", ha="center", va="center_baseline", color=ink, fontsize=TEXT_PT)
    names = [plain(name, most=18) for name in classes]
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0, labelsize=SMALL_PT, labelcolor=INK)
    no_math([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.spines[:].set_visible(False)
    name_axes(ax, x="predicted", y="truth")
    return ax


def draw_curve(ax: "Axes", curve: pd.DataFrame, *, point: OperatingPoint | None = None) -> "Axes":
    """Draw recall against false alarms an hour over all thresholds, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on. The scale of false alarms is linear up to one an hour and logarithmic above.
    curve
        Columns ``threshold, recall, fp_per_hour``.
    point
        The chosen place, as from ``report.at(fp_per_hour=)``; marked with its intervals and named.
    """
    clear_axes(ax)
    ordered = curve.sort_values("threshold", ascending=False)
    alarms, recall = ordered["fp_per_hour"], ordered["recall"]
    ax.plot(alarms, recall, color=COLOURS[0], linewidth=1.8, marker=".", markersize=4, clip_on=False, zorder=3)
    most = max(1.0, float(alarms.max()), point.false_alarms.high if point is not None else 0.0) * 1.05
    ticks = [tick for tick in FALSE_ALARM_TICKS if tick <= most]
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set(xlim=(0, most), ylim=(0, 1.02))
    name_axes(ax, x="false alarms per hour", y="recall")
    if point is not None:
        _mark_point(ax, point)
    return ax


def _confusion_counts(
    truth: npt.NDArray[np.object_], predicted: npt.NDArray[np.object_], classes: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Return how often (true class, predicted class) occurs."""
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"truth has shape {truth.shape} and predicted {predicted.shape}; give one of each a window")
    if unknown := sorted({str(name) for name in (*truth, *predicted)} - set(classes)):
        raise ValueError(f"{unknown[:5]} are not among the classes {list(classes)}; name every class")
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    place = {name: index for index, name in enumerate(classes)}
    np.add.at(counts, ([place[str(name)] for name in truth], [place[str(name)] for name in predicted]), 1)
    return counts


def _mark_point(ax: "Axes", point: OperatingPoint) -> None:
    """Mark a place with its intervals over events and hours, and write its figures where the curve is not."""
    recall, alarms = point.recall_share, point.false_alarms
    ax.hlines(recall.value, alarms.low, alarms.high, color=COLOURS[1], linewidth=1.4, zorder=4)
    ax.vlines(alarms.per_hour, recall.low, recall.high, color=COLOURS[1], linewidth=1.4, zorder=4)
    ax.plot([alarms.per_hour], [recall.value], marker="o", markersize=7, color=COLOURS[1], zorder=5, clip_on=False)
    rate = f"at most {alarms.high:.3g}" if not alarms.alarms else f"{alarms.per_hour:.3g}"
    words = f"recall {recall.value:.2f}\n{rate} false alarms per hour\nthreshold {point.threshold:.3g}"
    ax.text(0.97, 0.05, words, ha="right", va="bottom", transform=ax.transAxes, color=INK, fontsize=SMALL_PT)
