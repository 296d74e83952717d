"""Truth and what was found, recording under recording: hits, misses, false alarms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.evaluate import EventReport
from wristkit.recording import FloatArray
from wristkit.view.draw.rows import head_rows
from wristkit.view.draw.stack import _time_ticks
from wristkit.view.draw.style import (
    COLOURS,
    GAP,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    clear_axes,
    height_in,
    legend_above,
    no_math,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("hit", "miss", "false alarm", "not judged")
KIND_COLOURS = {"hit": COLOURS[2], "miss": COLOURS[0], "false alarm": COLOURS[1], "not judged": "#999999"}
_KIND_OF = {"not labelled": "not judged", "counted elsewhere": "not judged", "not recorded": "not judged"}
_PLURAL = {"hit": "hits", "miss": "misses", "false alarm": "false alarms", "not judged": "not judged"}
_GLYPHS = {"hit": "s", "miss": "v", "false alarm": "x", "not judged": "s"}
_AWAY = {"miss": -0.42, "false alarm": 0.42}  # of its glyph from the line of the recording
_HALF = 0.3  # how far bars reach from the line of their recording, of a row


def draw_timeline(
    ax: "Axes",
    report: EventReport,
    *,
    recordings: Sequence[str] | None = None,
    label: str | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
    most: int = 20,
) -> "Axes":
    """Draw what was true above a line a recording, and what was found below it; return the axes.

    Hits are full, misses hollow under a triangle, false alarms full over a cross; where nobody looked or nothing was
    recorded is white, and what lies there is grey. Each edge is as wide as a line, however short the event.

    Parameters
    ----------
    ax
        Axes to draw on; a recording needs about 0.35 inches.
    report
        As from ``wristkit.evaluate``.
    recordings
        Ids of those to show, from top to bottom; all where left out, those with most errors first.
    label
        The class to show; all where left out.
    start_s, stop_s
        The window in seconds of each recording.
    most
        How many recordings are shown; what is not is told.
    """
    matches = report.matches if label is None else report.matches[report.matches["label"] == label]
    names = _ordered(report, matches) if recordings is None else list(recordings)
    if unknown := [name for name in names if name not in report.recordings]:
        raise ValueError(f"recordings {unknown[:3]} are not in the report, expected some of {list(report.recordings)}")
    if label is not None and label not in report.classes:
        raise ValueError(f"label is {label!r}, expected one of {report.classes}")
    shown = names[:most]
    held = [report.recordings[name] for name in shown]
    first_s = min(one.start_s for one in held) if start_s is None else start_s
    last_s = max(one.stop_s for one in held) if stop_s is None else stop_s
    _lay_lanes(ax, report, shown, matches, (first_s, last_s))
    rows = matches[matches["recording"].isin(shown) & (matches["start_s"] <= last_s) & (matches["stop_s"] >= first_s)]
    _draw_kinds(ax, rows.assign(row=rows["recording"].map(shown.index), kind=rows["kind"].replace(_KIND_OF)))
    hidden = f", {len(shown)} of {len(names)} recordings" if len(shown) < len(names) else ""
    head_rows(ax, f"truth above, found below{hidden}")
    ax.text(
        1.01, 1.01, "hit / missed / false", {"va": "bottom"}, transform=ax.transAxes, color=MUTED, fontsize=SMALL_PT
    )
    return ax


def _ordered(report: EventReport, matches: pd.DataFrame) -> list[str]:
    """Return the recordings, those with most errors first."""
    wrong = matches[matches["kind"].isin(["miss", "false alarm"])]["recording"].value_counts()
    return sorted(report.recordings, key=lambda name: -int(wrong.get(name, 0)))


def _lay_lanes(
    ax: "Axes", report: EventReport, shown: Sequence[str], matches: pd.DataFrame, window_s: tuple[float, float]
) -> None:
    """Lay a line a recording, shaded where it was looked at and recorded, with its counts at the right."""
    clear_axes(ax)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set(xlim=window_s if window_s[1] > window_s[0] else (window_s[0], window_s[0] + 1.0))
    ax.set_ylim(len(shown) - 0.4, -0.6)
    size_pt = float(np.clip(0.6 * 72 * height_in(ax) / max(len(shown), 1), 5.0, SMALL_PT))
    whose = [_name_of(report, name) for name in shown]
    ax.set_yticks(range(len(shown)), whose)
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=size_pt)
    no_math(ax.get_yticklabels())
    for row, name in enumerate(shown):
        judged = [(first_s, last_s - first_s) for first_s, last_s in report.seen[name].counted.tolist()]
        ax.broken_barh(judged, (row - 0.4, 0.8), facecolor=GAP, linewidth=0, zorder=0.5)
        one = report.recordings[name]
        ax.hlines(row, one.start_s, one.stop_s, color=RULE, linewidth=0.8, zorder=1)
        kinds = matches.loc[matches["recording"] == name, "kind"].value_counts()
        told = f"{kinds.get('hit', 0)} / {kinds.get('miss', 0)} / {kinds.get('false alarm', 0)}"
        ax.text(1.01, row, told, va="center", color=MUTED, fontsize=size_pt, transform=ax.get_yaxis_transform())
    _time_ticks(ax, *ax.get_xlim())


def _name_of(report: EventReport, name: str) -> str:
    who = plain(report.recordings[name].subject or "", most=18)
    return f"{who}  {name[:6]}" if who else name[:6]


def _draw_kinds(ax: "Axes", rows: pd.DataFrame) -> None:
    """Draw the bars and glyphs of each kind, and name them with their counts above."""
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

    handles, names = [], []
    for kind in KINDS:
        own, colour = rows[rows["kind"] == kind], KIND_COLOURS[kind]
        face, marker = "white" if kind == "miss" else colour, _GLYPHS[kind]
        bars = PolyCollection(list(_bars(own, kind)), facecolor=face, edgecolor=colour, linewidth=1.0, zorder=3)
        ax.add_collection(bars, autolim=False)
        if kind in _AWAY:
            middle_s = own[["start_s", "stop_s"]].mean(axis=1)
            line: dict[str, Any] = {
                "linestyle": "",
                "marker": marker,
                "markersize": 4.5,
                "markeredgewidth": 1.1,
                "zorder": 4,
            }
            ax.plot(middle_s, own["row"] + _AWAY[kind], **line, color=face, markeredgecolor=colour)
        if len(own) or kind != "not judged":
            mark: dict[str, Any] = {"marker": marker, "markersize": 5, "linestyle": ""}
            handles.append(Line2D([], [], **mark, color=face, markeredgecolor=colour))
            names.append(f"{len(own)} {kind if len(own) == 1 else _PLURAL[kind]}")
    legend_above(ax, handles, names)


def _bars(own: pd.DataFrame, kind: str) -> FloatArray:
    """Return the corners (n, 4, 2) of what was true, above the line, and of what was found, below."""
    true = own[own["true_start_s"].notna()]
    found = own[own["true_start_s"].isna()] if kind != "hit" else own
    above = _corners(true["true_start_s"], true["true_stop_s"], true["row"] - _HALF, true["row"] - 0.02)
    below = _corners(found["start_s"], found["stop_s"], found["row"] + 0.02, found["row"] + _HALF)
    return np.concatenate([above, below])


def _corners(
    left: "pd.Series[float]", right: "pd.Series[float]", top: "pd.Series[float]", low: "pd.Series[float]"
) -> FloatArray:
    x0, x1, y0, y1 = (one.to_numpy(dtype=np.float64) for one in (left, right, top, low))
    corners = [np.column_stack(pair) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return np.stack(corners, axis=1)
