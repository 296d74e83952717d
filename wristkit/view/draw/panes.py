"""One pane each: a stream, a table of labels or events, the scores of a detector."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import EventDecoder
from wristkit.recording import FloatArray, Stream
from wristkit.view.draw.bars import draw_lane
from wristkit.view.draw.style import (
    COLOURS,
    GAP,
    INK,
    LOOKED,
    MUTED,
    SMALL_PT,
    TEXT_PT,
    clear_axes,
    fitted,
    legend_above,
    name_axes,
    no_math,
    palette,
    plain,
    text_width_in,
    tick_text,
    width_in,
)
from wristkit.view.envelope import bin_edges
from wristkit.view.pyramid import bin_extremes, rows_at, stamps_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST_LANES = 4
MOST_NAMED_CHANNELS = 6


def draw_stream(ax: "Axes", stream: Stream, *, start_s: float, stop_s: float, max_points: int = 2000) -> "list[Line2D]":
    """Draw one stream between two times, thinned to the extremes of each bin, and return its lines.

    Parameters
    ----------
    ax
        Axes to draw on; all channels share them.
    stream
        What to draw. Only the samples of the window are read.
    start_s, stop_s
        The window in seconds. Gaps in it are shaded and break the lines.
    max_points
        Above this many samples each line shows the lowest and highest sample of ``max_points / 2`` bins.
    """
    colours = channel_colours(len(stream.channels))
    lines = draw_lines(ax, stream, colours, start_s=start_s, stop_s=stop_s, max_points=max_points)
    _head(ax, stream, lines)
    name_axes(ax, y=plain(stream.unit, most=14))
    return lines


def draw_labels(
    ax: "Axes",
    table: pd.DataFrame,
    *,
    start_s: float,
    stop_s: float,
    colours: Mapping[str, str] | None = None,
    labelled: Mapping[str, FloatArray] | None = None,
) -> "Axes":
    """Draw a table of labels or events as named bars, one lane a tier and rater, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    table
        Columns ``start_s, stop_s, label`` and, for lanes, ``tier`` and ``rater``, who is named where a tier has
        several; without them the one lane is called events. A row that stops where it starts is a tick. Rows of one
        lane that overlap stand in lanes of their own. What ``remark``, ``verdict`` and ``state`` say, where they are
        columns, stands beside the name and in the edge: dashed where nothing matched, dotted where nobody looked; a bar
        is full where a label stands for the event, hollow where it is open.
    start_s, stop_s
        The window in seconds.
    colours
        Label to colour; by order of appearance where left out.
    labelled
        Tier to the spans (k, 2) in seconds that were looked at: they are underlined.
    """
    lanes, (rows, names) = label_lanes(table), _rows(table)
    shown = palette(table["label"]) if colours is None else colours
    clear_axes(ax)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlim=(start_s, stop_s), ylim=(lanes.max(initial=0) + 1, 0))
    visible = ((table["start_s"] <= stop_s) & (table["stop_s"] >= start_s)).to_numpy()
    for lane in np.unique(lanes[visible]):
        draw_lane(ax, table[visible & (lanes == lane)].sort_values("start_s"), int(lane), shown)
    for row, (tier, _) in enumerate(names):
        looked = [(first, last - first) for first, last in (labelled or {}).get(tier, np.empty((0, 2)))]
        ax.broken_barh(looked, (int(lanes[rows == row].max()) + 0.94, 0.06), color=LOOKED, linewidth=0)
    middles = [float(np.mean(np.unique(lanes[rows == row]))) + 0.5 for row in range(len(names))]
    ax.set_yticks(middles, [_row_name(*name) for name in names])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    no_math(ax.get_yticklabels())
    return ax


def _row_name(tier: str, rater: str) -> str:
    return f"{plain(tier, most=7)} · {plain(rater, most=7)}" if rater else plain(tier, most=14)


def draw_scores(
    ax: "Axes",
    scores: Stream,
    *,
    decoder: EventDecoder | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
    colours: Mapping[str, str] | None = None,
) -> "Axes":
    """Draw a detector's scores, one line a class, with the thresholds of its decoder, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    scores
        One channel a class.
    decoder
        Its ``high`` (dashed) and ``low`` (dotted) are drawn, with how many windows it averages.
    start_s, stop_s
        The window in seconds; all of the scores where left out.
    colours
        Class to colour; by order of the channels where left out.
    """
    first_s = scores.start_s if start_s is None else start_s
    last_s = scores.stop_s if stop_s is None else stop_s
    shown = palette(scores.channels) if colours is None else colours
    class_colours = [shown[name] for name in scores.channels]
    lines = draw_lines(ax, scores, class_colours, start_s=first_s, stop_s=last_s, max_points=2000)
    _head(ax, scores, lines)
    name_axes(ax, y="score")
    low, high = ax.get_ylim()
    if low >= -0.1 and high <= 1.1:
        ax.set_ylim(-0.04, 1.04)  # probabilities: one height in every window
    if decoder is not None:
        ax.axhline(decoder.high, color=INK, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1.5)
        ax.axhline(decoder.low, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
        if decoder.smooth > 1:
            note_beside_name(ax, f"decided on the mean of {decoder.smooth}", colour=MUTED)
    return ax


def draw_lines(
    ax: "Axes", stream: Stream, colours: Sequence[str], *, start_s: float, stop_s: float, max_points: int
) -> "list[Line2D]":
    """Draw a line a channel in these colours over its shaded gaps, and return the lines."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    clear_axes(ax)
    gaps = stream.gaps[(stream.gaps[:, 0] < stop_s) & (stream.gaps[:, 1] > start_s)]
    time, values = thinned(stream, gaps, start_s=start_s, stop_s=stop_s, max_points=max_points)
    marker = "." if np.isfinite(time).sum() <= 60 else ""
    lines = [
        ax.plot(time, column, color=colour, linewidth=1.0, marker=marker)[0]
        for column, colour in zip(values.T, colours, strict=True)
    ]
    ax.broken_barh(
        [(first, last - first) for first, last in gaps],
        (0, 1),
        transform=ax.get_xaxis_transform(),
        facecolor=GAP,
        zorder=0.5,
    )
    ax.set_xlim(start_s, stop_s)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))
    ax.yaxis.set_major_formatter(FuncFormatter(tick_text))
    if _is_blank(stream, values, start_s, stop_s):
        middle = {"ha": "center", "va": "center"}
        ax.text(0.5, 0.5, "no samples here", middle, transform=ax.transAxes, color=MUTED, fontsize=TEXT_PT)
        ax.set_yticks([])
    return lines


def _is_blank(stream: Stream, values: npt.NDArray[np.float32], start_s: float, stop_s: float) -> bool:
    """Return whether the window shows nothing of the stream: it is beyond an end, in a gap or among missing samples."""
    in_gap = (stream.gaps[:, 0] <= start_s) & (stream.gaps[:, 1] >= stop_s)
    return not np.isfinite(values).any() or stop_s < stream.start_s or start_s > stream.stop_s or bool(in_gap.any())


def channel_colours(count: int) -> list[str]:
    """Return a colour a channel; a scale from dark to light where there are too many to tell apart."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0, 0.92, count))]


def thinned(
    stream: Stream, gaps: FloatArray, *, start_s: float, stop_s: float, max_points: int
) -> tuple[FloatArray, npt.NDArray[np.float32]]:
    """Return time (m,) and values (m, c) of the line to draw, with NaN in each gap.

    It reaches a little over both ends of the window, so that lines run to the frame.
    """
    edges = bin_edges(start_s=start_s, stop_s=stop_s, bins=max(1, max_points // 2))
    first, last = rows_at(stream, edges[[0, -1]])
    first, last = max(0, first - 1), min(last + 1, len(stream))
    if last - first > max_points:
        low, high, occupied = bin_extremes(stream, edges)
        # A bin can lie between two samples that are no gap apart: the line runs on.
        firsts, time = (np.repeat(one[occupied], 2) for one in (edges[:-1], (edges[:-1] + edges[1:]) / 2))
        values = np.stack([low[occupied], high[occupied]], axis=1).reshape(-1, low.shape[1])
    else:
        firsts = time = stamps_at(stream, np.arange(first, last))
        values = stream.values[first:last]
    cuts, resumes = np.searchsorted(firsts, gaps.T, side="right")
    cuts = np.unique(cuts[(cuts > 0) & (cuts < resumes)])
    if not len(cuts):
        return time, values
    return np.insert(time, cuts, np.nan), np.insert(values, cuts, np.nan, axis=0)


def label_lanes(table: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Return the lane (n,) of each row: one a tier and rater, more where rows of one overlap, at most four."""
    rows, names = _rows(table)
    lanes, free_lane = np.zeros(len(table), dtype=np.intp), 0
    for row in range(len(names)):
        own = np.flatnonzero(rows == row)
        lanes[own] = free_lane + _greedy_lanes(table["start_s"].to_numpy()[own], table["stop_s"].to_numpy()[own])
        free_lane = int(lanes[own].max()) + 1
    return lanes


def _rows(table: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[tuple[str, str]]]:
    """Return the number of each label's row (n,), and tier and rater of the rows.

    Tiers come in order of appearance, raters by name; of a tier with a single one the name is left out.
    """
    if "tier" not in table:
        return np.zeros(len(table), dtype=np.intp), [("events", "")] if len(table) else []
    raters = {tier: sorted(set(own)) for tier, own in table.groupby("tier", sort=False)["rater"]}
    places = [(tier, rater) for tier, own in raters.items() for rater in own]
    number = {place: row for row, place in enumerate(places)}
    rows = np.array([number[said] for said in zip(table["tier"], table["rater"], strict=True)], dtype=np.intp)
    return rows, [(str(tier), str(rater) if len(raters[tier]) > 1 else "") for tier, rater in places]


def _greedy_lanes(start_s: FloatArray, stop_s: FloatArray) -> npt.NDArray[np.intp]:
    """Return the first lane that is free when each row starts; the last one takes what finds none."""
    free_s, lanes = np.full(MOST_LANES, -np.inf), np.zeros(len(start_s), dtype=np.intp)
    for row in np.argsort(start_s, kind="stable"):
        free = free_s <= start_s[row]
        lanes[row] = np.argmax(free) if free.any() else MOST_LANES - 1
        free_s[lanes[row]] = max(free_s[lanes[row]], stop_s[row])
    return lanes


def _head(ax: "Axes", stream: Stream, lines: "Sequence[Line2D]") -> None:
    """Write the stream's name above the left end of its pane and the channels' above the right."""
    ax.set_title(
        fitted(plain(stream.name), width_in(ax) / 3.5),
        loc="left",
        fontsize=TEXT_PT,
        fontweight="bold",
        color=INK,
        pad=5,
        parse_math=False,
    )
    if len(lines) > MOST_NAMED_CHANNELS:
        ax.set_title(f"{len(lines)} channels", loc="right", fontsize=SMALL_PT, color=MUTED, pad=5)
    elif stream.channels != (stream.name,) and lines:
        room_in = width_in(ax) * 0.6 / len(lines) - 0.3
        legend_above(ax, lines, [fitted(plain(channel), room_in) for channel in stream.channels])


def note_beside_name(ax: "Axes", note: str, *, colour: str) -> None:
    """Write a remark between the stream's name and its channels, as far as there is room."""
    name_in = text_width_in(ax.get_title(loc="left"), size_pt=TEXT_PT * 1.15)  # bold is wider
    room_in = (width_in(ax) - name_in) * 0.4
    ax.annotate(
        fitted(note, room_in),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(name_in * 72 + 8, 5),
        textcoords="offset points",
        color=colour,
        fontsize=SMALL_PT,
        parse_math=False,
    )
