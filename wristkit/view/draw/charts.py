"""What came of a training and an evaluation: loss, confusion, recall against false alarms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import OperatingPoint, confusion_counts
from wristkit.recording import FloatArray
from wristkit.view.draw.style import (
    COLOURS,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    TEXT_PT,
    clear_axes,
    height_in,
    legend_above,
    name_axes,
    no_math,
    plain,
    say_in,
    text_width_in,
    tick_text,
    width_in,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axes._secondary_axes import SecondaryAxis
    from matplotlib.lines import Line2D

FALSE_ALARM_TICKS = (0, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_LEAST_APART_IN = 0.36  # of two ticks
_MOST_DOTS = 60  # of a curve; more would be a band


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

    The shade is the share of the row, the numbers are counts; a class without an example leaves its row white. Beside
    each row stands its recall, above each column its precision, a dash where there is nothing to share.
    """
    counts = confusion_counts(truth, predicted, classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    _write_counts(ax, counts, share)
    names = _told_apart(classes)
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0, labelsize=_size_pt(ax, len(names)), labelcolor=INK)
    no_math([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.spines[:].set_visible(False)
    name_axes(ax, x="predicted", y="truth")
    _name_shares(ax, ax.secondary_yaxis("right"), counts, axis=1).set_ylabel("recall", color=MUTED, fontsize=SMALL_PT)
    _name_shares(ax, ax.secondary_xaxis("top"), counts, axis=0).set_xlabel("precision", color=MUTED, fontsize=SMALL_PT)
    return ax


def _told_apart(classes: Sequence[str]) -> list[str]:
    """Return short names of classes; longer ones where the short would not tell them apart."""
    short = [plain(name, most=18) for name in classes]
    return short if len(set(short)) == len(short) else [plain(name) for name in classes]


def _size_pt(ax: "Axes", rows: int) -> float:
    """Return a size of type of which so many rows stand under each other."""
    return float(np.clip(0.75 * 72 * min(height_in(ax), width_in(ax)) / max(rows, 1), 4.5, SMALL_PT))


def _write_counts(ax: "Axes", counts: npt.NDArray[np.int64], share: FloatArray) -> None:
    """Write the count into each cell, as small as the longest of them needs."""
    room_in = 0.9 * min(height_in(ax), width_in(ax)) / len(counts)
    widest_in = text_width_in(str(counts.max(initial=0)), size_pt=TEXT_PT)
    size_pt = min(TEXT_PT, TEXT_PT * room_in / widest_in)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if share[row, column] > 0.55 else INK if count else RULE
        ax.text(column, row, f"{count}", ha="center", va="center_baseline", color=ink, fontsize=size_pt)


def _name_shares(ax: "Axes", side: "SecondaryAxis", counts: npt.NDArray[np.int64], *, axis: int) -> "SecondaryAxis":
    """Write beside each row what share of it is right, or above each column; a dash where there is none."""
    right, all_ = np.diagonal(counts), counts.sum(axis=axis)
    texts = [f"{hits / total:.0%}" if total else "\N{EN DASH}" for hits, total in zip(right, all_, strict=True)]
    if axis:
        side.set_yticks(range(len(texts)), texts)
    else:
        room_in = min(height_in(ax), width_in(ax)) / max(len(texts), 1)
        side.set_xticks(range(len(texts)), texts, rotation=90 if room_in < _LEAST_APART_IN else 0)
    side.spines[:].set_visible(False)
    side.tick_params(length=0, labelsize=_size_pt(ax, len(texts)), labelcolor=MUTED)
    return side


def draw_curve(ax: "Axes", curve: pd.DataFrame, *, point: OperatingPoint | None = None) -> "Axes":
    """Draw recall against false alarms an hour over all thresholds, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on. The scale of false alarms is linear up to one an hour and logarithmic above.
    curve
        Columns ``threshold, recall, fp_per_hour``; drawn in steps, since between two thresholds there is nothing.
    point
        The chosen place, as from ``report.at(fp_per_hour=)``; marked with its intervals and named. Without a false
        alarm the mark is hollow, and its interval ends in the bound of 3 over the hours.
    """
    clear_axes(ax)
    ordered = curve.sort_values("threshold", ascending=False)
    alarms, recall = ordered["fp_per_hour"], ordered["recall"]
    dot = "." if len(ordered) <= _MOST_DOTS else ""
    line: dict[str, Any] = {
        "color": COLOURS[0],
        "linewidth": 1.8,
        "drawstyle": "steps-post",
        "marker": dot,
        "markersize": 4,
    }
    ax.plot(alarms, recall, **line, clip_on=False, zorder=3)
    bounds = [one for one in (alarms.max(), point.false_alarms.high if point else 0.0) if np.isfinite(one)]
    false_alarm_axis(ax, max([1.0, *bounds]))
    ax.set_ylim(0, 1.02)
    name_axes(ax, x="false alarms per hour", y="recall")
    if recall.isna().all() or alarms.isna().all():
        say_in(ax, "no true events, so no recall" if recall.isna().all() else "no labelled hours, so no rate")
    elif point is not None:
        _mark_point(ax, point, ordered[["fp_per_hour", "recall"]].to_numpy(dtype=np.float64))
    return ax


def false_alarm_axis(ax: "Axes", most: float, *, least: float = 0.0) -> None:
    """Let x be false alarms an hour: linear up to one, logarithmic above, with as many ticks as there is room for."""
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xlim(least * 1.05, most * 1.05)
    room_in = 0.8 * width_in(ax)
    chosen: list[float] = []
    taken_in: list[float] = []
    wanted = [*FALSE_ALARM_TICKS, *(-tick for tick in FALSE_ALARM_TICKS if tick)] if least < 0 else FALSE_ALARM_TICKS
    for tick in (one for one in wanted if least * 1.05 <= one <= most * 1.05):
        at_in = room_in * float((ax.transScale + ax.transLimits).transform((tick, 0.0))[0])
        if all(abs(at_in - other) > _LEAST_APART_IN for other in taken_in):
            chosen.append(tick)
            taken_in.append(at_in)
    ax.set_xticks(sorted(chosen), [tick_text(tick) for tick in sorted(chosen)])
    ax.set_xticks([], minor=True)


def _mark_point(ax: "Axes", point: OperatingPoint, curve: FloatArray) -> None:
    """Mark a place with its intervals over events and hours, and write its figures where the curve is not."""
    recall, alarms = point.recall_share, point.false_alarms
    ax.hlines(recall.value, alarms.low, alarms.high, color=COLOURS[1], linewidth=1.4, zorder=4)
    ax.vlines(alarms.per_hour, recall.low, recall.high, color=COLOURS[1], linewidth=1.4, zorder=4)
    face = COLOURS[1] if alarms.alarms else "white"
    mark: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgecolor": COLOURS[1], "markeredgewidth": 1.6}
    ax.plot([alarms.per_hour], [recall.value], **mark, color=face, zorder=5, clip_on=False)
    if not alarms.alarms:
        ax.plot([alarms.high], [recall.value], marker="|", markersize=9, color=COLOURS[1], zorder=4)
    rate = f"at most {alarms.high:.3g}" if not alarms.alarms else f"{alarms.per_hour:.3g}"
    words = f"recall {recall.value:.2f}\n{rate} false alarms per hour\nthreshold {point.threshold:.3g}"
    spans = (
        [(alarms.low, recall.value), (alarms.high, recall.value)],
        [(alarms.per_hour, recall.low), (alarms.per_hour, recall.high)],
    )
    x, y, across, up = _free_corner(ax, [_steps(curve), *(np.array(span) for span in spans)])
    ax.text(x, y, words, ha=across, va=up, transform=ax.transAxes, color=INK, fontsize=SMALL_PT)


def _steps(curve: FloatArray) -> FloatArray:
    """Return the corners of a line in steps."""
    corners = np.repeat(curve, 2, axis=0)
    corners[1:-1:2, 0] = curve[1:, 0]
    return corners[:-1]


def _free_corner(ax: "Axes", lines: Sequence[FloatArray]) -> tuple[float, float, str, str]:
    """Return where three lines of text hide least of lines (n, 2): x, y and how the text is set there."""
    to_axes = ax.transScale + ax.transLimits
    paths = [to_axes.transform(line) for line in lines if len(line)]
    dots = np.concatenate([_along(path) for path in paths])
    wide, high = 1.7 / max(width_in(ax), 1.8), 0.5 / max(height_in(ax), 0.6)
    found: list[tuple[int, int, tuple[float, float, str, str]]] = []
    for y, up in ((0.05, "bottom"), (0.97, "top")):
        for x, across in ((0.97, "right"), (0.03, "left")):
            left, low = (x - wide if across == "right" else x), (y - high if up == "top" else y)
            inside = (dots >= (left, low)) & (dots <= (left + wide, low + high))
            found.append((int(inside.all(axis=1).sum()), len(found), (x, y, across, up)))
    return min(found)[2]


def _along(path: FloatArray) -> FloatArray:
    """Return places a hundredth apart along a line through (n, 2)."""
    at = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(path, axis=0)).sum(axis=1))])
    steps = np.linspace(0, at[-1], 2 + int(100 * at[-1]))
    return np.column_stack([np.interp(steps, at, path[:, 0]), np.interp(steps, at, path[:, 1])])
