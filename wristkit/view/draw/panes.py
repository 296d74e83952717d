"""One pane each: a stream, a table of labels or events, the scores of a detector."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import EventDecoder
from wristkit.recording import FloatArray, Stream
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
MOST_TEXTS = 200
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
    """Draw a table of labels or events as named bars, one lane a tier, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    table
        Columns ``start_s, stop_s, label`` and, for lanes, ``tier``; without it the one lane is called events. A row
        that stops where it starts is a tick. Rows of one tier that overlap stand in lanes of their own.
    start_s, stop_s
        The window in seconds.
    colours
        Label to colour; by order of appearance where left out.
    labelled
        Tier to the spans (k, 2) in seconds that were looked at: they are underlined.
    """
    lanes, (tiers, names) = label_lanes(table), _tiers(table)
    shown = palette(table["label"]) if colours is None else colours
    clear_axes(ax)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlim=(start_s, stop_s), ylim=(lanes.max(initial=0) + 1, 0))
    visible = ((table["start_s"] <= stop_s) & (table["stop_s"] >= start_s)).to_numpy()
    for lane in np.unique(lanes[visible]):
        _draw_lane(ax, table[visible & (lanes == lane)].sort_values("start_s"), int(lane), shown)
    for tier, name in enumerate(names):
        looked = [(first, last - first) for first, last in (labelled or {}).get(name, np.empty((0, 2)))]
        ax.broken_barh(looked, (int(lanes[tiers == tier].max()) + 0.94, 0.06), color=LOOKED, linewidth=0)
    middles = [float(np.mean(np.unique(lanes[tiers == tier]))) + 0.5 for tier in range(len(names))]
    ax.set_yticks(middles, [plain(name, most=14) for name in names])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    no_math(ax.get_yticklabels())
    return ax


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
    """Return the lane (n,) of each row: one a tier, more where rows of a tier overlap, at most four."""
    tiers, names = _tiers(table)
    lanes, free_lane = np.zeros(len(table), dtype=np.intp), 0
    for tier in range(len(names)):
        rows = np.flatnonzero(tiers == tier)
        lanes[rows] = free_lane + _greedy_lanes(table["start_s"].to_numpy()[rows], table["stop_s"].to_numpy()[rows])
        free_lane = int(lanes[rows].max()) + 1
    return lanes


def _tiers(table: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return the number of each row's tier (n,) and the names of the tiers, in order of appearance."""
    if "tier" not in table:
        return np.zeros(len(table), dtype=np.intp), ["events"] if len(table) else []
    codes, names = pd.factorize(table["tier"].to_numpy(dtype=object))
    return codes, [str(name) for name in names]


def _greedy_lanes(start_s: FloatArray, stop_s: FloatArray) -> npt.NDArray[np.intp]:
    """Return the first lane that is free when each row starts; the last one takes what finds none."""
    free_s, lanes = np.full(MOST_LANES, -np.inf), np.zeros(len(start_s), dtype=np.intp)
    for row in np.argsort(start_s, kind="stable"):
        free = free_s <= start_s[row]
        lanes[row] = np.argmax(free) if free.any() else MOST_LANES - 1
        free_s[lanes[row]] = max(free_s[lanes[row]], stop_s[row])
    return lanes


def _draw_lane(ax: "Axes", rows: pd.DataFrame, lane: int, colours: Mapping[str, str]) -> None:
    """Draw rows that follow one another, each with its name inside, beside it, or not at all for want of room."""
    spans, shades = rows[["start_s", "stop_s"]].to_numpy(), [colours.get(name, MUTED) for name in rows["label"]]
    bars = [(first, last - first) for first, last in spans]
    tints = [f"{shade}48" for shade in shades]
    ax.broken_barh(bars, (lane + 0.12, 0.76), facecolors=tints, edgecolors=shades, linewidth=1.1)
    if len(rows) <= MOST_TEXTS:
        _name_bars(ax, spans, rows["label"], middle=lane + 0.52)


def _name_bars(ax: "Axes", spans_s: FloatArray, labels: "pd.Series[str]", *, middle: float) -> None:
    left_s, right_s = ax.get_xlim()
    inches_per_s = width_in(ax) / (right_s - left_s)
    nexts_s = np.append(np.minimum(spans_s[1:, 0], right_s), right_s)
    for (first_s, last_s), next_s, label in zip(spans_s.clip(left_s, right_s), nexts_s, labels, strict=True):
        name, inside_in = plain(label), (last_s - first_s) * inches_per_s - 0.08
        fits_beside = inside_in < text_width_in(name) <= (next_s - last_s) * inches_per_s - 0.1
        ax.text(
            last_s + 0.05 / inches_per_s if fits_beside else (first_s + last_s) / 2,
            middle,
            name if fits_beside else fitted(name, inside_in),
            ha="left" if fits_beside else "center",
            va="center_baseline",
            color=INK,
            fontsize=SMALL_PT,
            parse_math=False,
            clip_on=True,
        )


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
