"""Figures with their intervals, a row each: people, the worst first, and what damage costs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from wristkit.recording import FloatArray
from wristkit.view.draw.charts import false_alarm_axis
from wristkit.view.draw.style import (
    COLOURS,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    clear_axes,
    height_in,
    name_axes,
    no_math,
    plain,
    say_in,
    tick_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUBJECT_COLUMNS = (
    *("hits", "misses", "false_alarms", "hours", "recall", "recall_low", "recall_high"),
    *("fp_per_hour", "fp_per_hour_low", "fp_per_hour_high"),
)
WINDOW_COLUMNS = ("windows", "classes", "macro_f1", "accuracy")
DAMAGE_COLUMNS = (
    *("damage", "recordings", "refused", "noticed", "recall", "recall_drop", "recall_drop_low", "recall_drop_high"),
    *("fp_per_hour", "fp_per_hour_rise", "fp_per_hour_rise_low", "fp_per_hour_rise_high"),
)
_LEAST_PT = 5.0


class _Figures(NamedTuple):
    """A figure a row and its interval, all (n,), and which are bounds: nothing was counted."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    bound: "np.typing.NDArray[np.bool_]"


def draw_subjects(axes: "Iterable[Axes]", by_subject: pd.DataFrame, *, most: int = 40) -> "tuple[Axes, Axes]":
    """Draw figures of each person with their intervals, the worst on top, in the order of the table; return the axes.

    Recall and false alarms an hour of events: a hollow mark is no false alarm at all, its interval ends at 3 over the
    hours. Of windows macro-F1 and accuracy. A dashed line is the figure of all rows of the table together.

    Parameters
    ----------
    axes
        Two axes side by side, the first for recall; a row needs about 0.15 inches.
    by_subject
        As ``EventReport.by_subject``, or ``by_class`` and ``by_context(tier)`` of the same columns; or as
        ``WindowReport.by_subject``.
    most
        How many rows are shown; what is not is told.
    """
    left, right = axes
    is_windows = "macro_f1" in by_subject.columns
    expected = f"by_subject of {'a WindowReport' if is_windows else 'an EventReport'}"
    _check(by_subject, WINDOW_COLUMNS if is_windows else SUBJECT_COLUMNS, expected)
    shown = by_subject.head(most)
    _lay_rows(left, [plain(name, most=24) or "(no name)" for name in shown.index])
    _lay_rows(right, None, rows=len(shown))
    left.set_xlim(-0.02, 1.02)
    draw = _draw_windows if is_windows else _draw_events
    draw(left, right, by_subject, shown)
    hidden = f", {len(shown)} of {len(by_subject)}" if len(shown) < len(by_subject) else ""
    head_rows(left, f"worst first{hidden}")
    return left, right


def _draw_events(left: "Axes", right: "Axes", table: pd.DataFrame, shown: pd.DataFrame) -> None:
    recall = _figures(shown, "recall", bound=np.zeros(len(shown), dtype=bool))
    alarms = _figures(shown, "fp_per_hour", bound=shown["false_alarms"].to_numpy() == 0)
    ends = np.concatenate([alarms.value, alarms.high])
    false_alarm_axis(right, float(np.max(ends[np.isfinite(ends)], initial=1.0)))
    _draw_rows(left, recall, COLOURS[0], empty="no event")
    _draw_rows(right, alarms, COLOURS[1], empty="no hours")
    hits, misses, all_alarms = (int(table[name].sum()) for name in ("hits", "misses", "false_alarms"))
    # classes are found in the same hours, people and contexts in hours of their own
    hours = float(table["hours"].max() if table.index.name == "label" else table["hours"].sum())
    _mark_all(left, hits, hits + misses, f"of {hits + misses}", rows=len(table))
    _mark_all(right, all_alarms, hours, f"in {_hours(hours)}", rows=len(table))
    _say_beside(left, [f"{hits} of {hits + misses}" for hits, misses in _pairs(shown, "hits", "misses")])
    _say_beside(right, [f"{alarms_} in {_hours(hours)}" for alarms_, hours in _pairs(shown, "false_alarms", "hours")])
    name_axes(left, x="recall")
    name_axes(right, x="false alarms per hour")


def _draw_windows(left: "Axes", right: "Axes", table: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Draw macro-F1 and accuracy; a person alone has no interval over people."""
    right.set_xlim(-0.02, 1.02)
    nothing, unknown = np.zeros(len(shown), dtype=bool), np.full(len(shown), np.nan)
    for ax, name, colour in ((left, "macro_f1", COLOURS[0]), (right, "accuracy", COLOURS[1])):
        figures = _Figures(shown[name].to_numpy(dtype=np.float64), unknown, unknown, nothing)
        _draw_rows(ax, figures, colour, empty="no window")
    windows, accuracy = (table[name].to_numpy(dtype=np.float64) for name in ("windows", "accuracy"))
    _mark_all(right, float(windows @ accuracy), float(windows.sum()), "", rows=len(table))
    _say_beside(left, [f"{count} classes" for count in shown["classes"].tolist()])
    _say_beside(right, [f"of {count:,} windows" for count in shown["windows"].tolist()])
    name_axes(left, x="macro-F1, over the classes of each")
    name_axes(right, x="accuracy")


def draw_robustness(axes: "Iterable[Axes]", table: pd.DataFrame) -> "tuple[Axes, Axes]":
    """Draw what each damage costs in recall and adds in false alarms an hour, the costliest on top; return the axes.

    Intervals are the table's; a mark without one had too few people for it. What the detector refuses has no figure.

    Parameters
    ----------
    axes
        Two axes side by side, the first for recall; a row needs about 0.2 inches.
    table
        As from ``wristkit.robustness``; its first row is the undamaged signal.
    """
    left, right = axes
    _check(table, DAMAGE_COLUMNS, "the table of wristkit.robustness")
    if table.empty:
        raise ValueError("the table has no row, expected the undamaged signal first; give wristkit.robustness' table")
    before, damaged = table.iloc[0], table.iloc[1:].sort_values("recall_drop", ascending=False, kind="stable")
    _lay_rows(left, [plain(name) for name in damaged["damage"]])
    _lay_rows(right, None, rows=len(damaged))
    nothing = np.zeros(len(damaged), dtype=bool)
    lost, gained = _figures(damaged, "recall_drop", bound=nothing), _figures(damaged, "fp_per_hour_rise", bound=nothing)
    ends = [np.concatenate([part[np.isfinite(part)] for part in one[:3]]) for one in (lost, gained)]
    low, high = min([0.0, *ends[0].tolist()]), max([0.1, *ends[0].tolist()])
    left.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    false_alarm_axis(right, float(ends[1].max(initial=1.0)), least=float(ends[1].min(initial=-0.1)))
    for ax, one, colour in ((left, lost, COLOURS[0]), (right, gained, COLOURS[1])):
        ax.axvline(0, color=RULE, linewidth=1.0, zorder=1)
        _draw_rows(ax, one, colour, empty="refused")
    _say_beside(right, [_told(row) for _, row in damaged.iterrows()])
    head_rows(left, "costliest first")
    name_axes(left, x=f"recall lost, of {before['recall']:.3g}")
    name_axes(right, x=f"more false alarms per hour, on {_rate_of(before)}")
    if damaged.empty:
        say_in(left, "no damage was tried")
    return left, right


def _rate_of(row: "pd.Series[Any]") -> str:
    """Return the false alarms an hour of a row; of none the upper bound, where the table knows the hours."""
    hours = row.get("hours", 0.0)
    return f"at most {3 / hours:.3g}" if row["fp_per_hour"] == 0 and hours else f"{row['fp_per_hour']:.3g}"


def _told(row: "pd.Series[Any]") -> str:
    parts = [f"refused {row['refused']} of {row['recordings']}"] if row["refused"] else []
    parts += [f"noticed: {plain(row['noticed'])}"] if row["noticed"] else []
    return "; ".join(parts)


def _check(table: pd.DataFrame, columns: Sequence[str], expected: str) -> None:
    if missing := [name for name in columns if name not in table.columns]:
        raise ValueError(f"the table lacks the columns {missing}, expected {expected}")


def _pairs(table: pd.DataFrame, one: str, other: str) -> "zip[tuple[float, float]]":
    return zip(table[one].tolist(), table[other].tolist(), strict=True)


def _hours(hours: float) -> str:
    return f"{hours:.3g} h"


def _figures(table: pd.DataFrame, name: str, *, bound: "np.typing.NDArray[np.bool_]") -> _Figures:
    value, low, high = (table[f"{name}{end}"].to_numpy(dtype=np.float64) for end in ("", "_low", "_high"))
    return _Figures(value, low, high, bound)


def _lay_rows(ax: "Axes", names: Sequence[str] | None, *, rows: int = 0) -> None:
    """Give axes a row each, named or not, from top to bottom."""
    count = rows if names is None else len(names)
    clear_axes(ax)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_ylim(max(count, 1) - 0.5, -0.5)
    ax.set_yticks([] if names is None else range(count), names)
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=_size_pt(ax, count))
    no_math(ax.get_yticklabels())
    for row in range(0, count, 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#f7f7f7", zorder=0, linewidth=0)


def _size_pt(ax: "Axes", rows: int) -> float:
    return float(np.clip(0.8 * 72 * height_in(ax) / max(rows, 1), _LEAST_PT, SMALL_PT))


def _draw_rows(ax: "Axes", figures: _Figures, colour: str, *, empty: str) -> None:
    """Draw a mark and its interval a row; in words where there is no figure."""
    rows, held = np.arange(len(figures.value)), np.isfinite(figures.value)
    spans = held & np.isfinite(figures.low) & np.isfinite(figures.high)
    ax.hlines(rows[spans], figures.low[spans], figures.high[spans], color=colour, linewidth=1.6, alpha=0.55, zorder=2)
    full, hollow = held & ~figures.bound, held & figures.bound
    ax.scatter(figures.value[full], rows[full], color=colour, s=22, zorder=3, clip_on=False)
    ax.scatter(figures.value[hollow], rows[hollow], facecolor="white", edgecolor=colour, s=22, zorder=3, clip_on=False)
    ends = spans & figures.bound
    ax.scatter(figures.high[ends], rows[ends], color=colour, marker="|", s=30, zorder=3)
    for row in rows[~held]:
        at = ax.get_yaxis_transform()
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        size_pt = _size_pt(ax, len(rows))
        ax.text(0.03, row, empty, color=MUTED, fontsize=size_pt, va="center", transform=at, bbox=box)


def head_rows(ax: "Axes", words: str) -> None:
    """Write over the names of rows how they are ordered, or what they hold."""
    ax.text(-0.02, 1.01, words, ha="right", va="bottom", transform=ax.transAxes, color=MUTED, fontsize=SMALL_PT)


def _mark_all(ax: "Axes", count: float, total: float, of: str, *, rows: int) -> None:
    """Draw the figure of all rows together; of nothing counted, the count."""
    if not total:
        return
    ax.axvline(count / total, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    figure = tick_text(float(f"{count / total:.3g}")) if count else f"0 {of}".rstrip()
    at = ax.get_xaxis_transform()
    words = f"all {rows} rows: {figure}" if rows > 1 else f"all: {figure}"
    ax.text(count / total, 1.01, words, ha="center", va="bottom", color=MUTED, fontsize=SMALL_PT, transform=at)


def _say_beside(ax: "Axes", texts: Sequence[str]) -> None:
    size_pt = _size_pt(ax, len(texts))
    for row, text in enumerate(texts):
        at = ax.get_yaxis_transform()
        ax.text(1.02, row, text, color=MUTED, fontsize=size_pt, va="center", transform=at, parse_math=False)
