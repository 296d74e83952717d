"""A recording as panes over one time axis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.events import EventDecoder
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.view.draw.panes import draw_labels, draw_scores, draw_stream, label_lanes, note_beside_name
from wristkit.view.draw.picture import Picture
from wristkit.view.draw.style import MUTED, NOTE, SMALL_PT, fitted, name_axes, palette, plain, second_text, width_in
from wristkit.view.judged import REJECTED, TOLERANCE_S, judge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches. Margins are fixed, not laid out by content: panes stay where they are while the user moves through time.
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 0.95, 0.2, 0.4, 0.5
HEAD_IN, LANE_IN, LANE_GAP_IN = 0.3, 0.25, 0.05

CLOCK_STEPS_S = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400)


def draw_recording(
    recording: Recording,
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
    labels: pd.DataFrame | None = None,
    labelled: Mapping[str, FloatArray] | None = None,
    events: pd.DataFrame | None = None,
    scores: Stream | None = None,
    decoder: EventDecoder | None = None,
    colours: Mapping[str, str] | None = None,
    tiers: Sequence[str] = (),
    tolerance_s: float = TOLERANCE_S,
    figure_width_in: float = 10.0,
) -> Picture:
    """Return a figure of a recording on one time axis: labels, events, scores, then a pane for each stream.

    Events are shown as hits, false alarms or where nobody looked, and as suggestions that are open, accepted or
    rejected; labels as missed, or in dispute between raters.

    Parameters
    ----------
    recording
        What to draw.
    start_s, stop_s
        The window in seconds; the whole recording where left out.
    labels, labelled
        Label table and looked-at spans in place of the recording's own; what was looked at is underlined.
    events, scores, decoder
        What a detector made of it, if anything.
    colours
        Class to colour; by order of the alphabet where left out.
    tiers
        Tiers whose labels come first, in this order.
    tolerance_s
        How far apart a label and an event, or labels of two raters, may lie that belong together.
    figure_width_in
        Width in inches; the height follows from what there is to show.
    """
    first_s = recording.start_s if start_s is None else start_s
    last_s = recording.stop_s if stop_s is None else stop_s
    if stop_s is None and last_s == first_s:
        last_s += 1.0  # a single sample has no width of its own
    looked = recording.labelled if labelled is None else labelled
    own, found = _told(recording.labels if labels is None else labels, events, looked, tiers, tolerance_s)
    tables = [table for table in (own, found) if len(table)]
    if colours is None:
        colours = palette([*sorted({*own["label"], *found["label"]}), *(scores.channels if scores is not None else ())])
    lanes_in = [LANE_IN * float(label_lanes(table).max() + 1) for table in tables]
    streams = [*([scores] if scores is not None else []), *recording.streams.values()]
    figure, axes = _stacked_axes(lanes_in, [_pane_in(stream) for stream in streams], figure_width_in=figure_width_in)
    for ax, table in zip(axes, tables, strict=False):
        spans = looked if table is own else None
        draw_labels(ax, table, start_s=first_s, stop_s=last_s, colours=colours, labelled=spans)
    for ax, stream in zip(axes[len(tables) :], streams, strict=True):
        if stream is scores:
            draw_scores(ax, stream, decoder=decoder, start_s=first_s, stop_s=last_s, colours=colours)
        else:
            draw_stream(ax, stream, start_s=first_s, stop_s=last_s)
            _mark_findings(ax, stream, recording.findings)
    _finish_time(axes, first_s, last_s)
    _name_recording(figure, recording)
    return figure


def _told(
    labels: pd.DataFrame,
    events: pd.DataFrame | None,
    looked: Mapping[str, FloatArray],
    tiers: Sequence[str],
    tolerance_s: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return labels and events with what they say of one another, tier by tier, without what was rejected."""
    found = pd.DataFrame(columns=["start_s", "stop_s", "label"]) if events is None else events
    told = judge(labels, found, looked=looked, tolerance_s=tolerance_s)
    own = labels.assign(remark=told.remarks)[labels["tier"].to_numpy() != REJECTED]
    order = {tier: place for place, tier in enumerate(dict.fromkeys([*tiers, *own["tier"]]))}
    by_tier = np.argsort([order[tier] for tier in own["tier"]], kind="stable")
    return own.iloc[by_tier], found.assign(verdict=told.verdicts, state=told.states)


def _mark_findings(ax: "Axes", stream: Stream, findings: pd.DataFrame) -> None:
    """Name what was found in the part of the stream shown, with a bar over each place that is not all of it."""
    start_s, stop_s = ax.get_xlim()
    own = findings[findings["stream"] == stream.name]
    own = own[(own["start_s"] <= stop_s) & (own["stop_s"] >= start_s)]
    if own.empty:
        return
    places = own[(own["start_s"] > stream.start_s) | (own["stop_s"] < stream.stop_s)]
    bars = [(first, last - first) for first, last in places[["start_s", "stop_s"]].to_numpy()]
    ax.broken_barh(bars, (0.97, 0.03), transform=ax.get_xaxis_transform(), color=NOTE, linewidth=1.0, clip_on=True)
    note_beside_name(ax, ", ".join(plain(code, most=20) for code in dict.fromkeys(own["code"])), colour=NOTE)


def _pane_in(stream: Stream) -> float:
    return 0.85 if len(stream.channels) == 1 else 1.2


def _stacked_axes(
    lanes_in: Sequence[float], panes_in: Sequence[float], *, figure_width_in: float
) -> "tuple[Picture, list[Axes]]":
    """Return a new figure with axes of these heights from top to bottom, sharing their time axis."""
    spaced = [*((LANE_GAP_IN, height) for height in lanes_in), *((HEAD_IN, height) for height in panes_in)]
    height_in = TOP_IN + sum(map(sum, spaced)) + BOTTOM_IN
    figure = Picture(figsize=(figure_width_in, height_in), dpi=100, facecolor="white")
    axes: list[Axes] = []
    top_in, wide_in = height_in - TOP_IN, figure_width_in - LEFT_IN - RIGHT_IN
    for space_in, own_in in spaced:
        top_in -= space_in + own_in
        box = (LEFT_IN / figure_width_in, top_in / height_in, wide_in / figure_width_in, own_in / height_in)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
    return figure, axes


def _finish_time(axes: "Sequence[Axes]", start_s: float, stop_s: float) -> None:
    """Put one time axis under the lowest pane, and the units of all panes in one column."""
    for ax in axes:
        ax.tick_params(axis="x", labelbottom=ax is axes[-1])
        ax.yaxis.set_label_coords(-(LEFT_IN - 0.3) / width_in(ax), 0.5)
    _time_ticks(axes[-1], start_s, stop_s)


def _name_recording(figure: Picture, recording: Recording) -> None:
    wide_in, high_in = figure.get_size_inches()
    facts = (f"recording {recording.id}", recording.subject, recording.wrist and f"{recording.wrist} wrist")
    name = fitted("  ·  ".join(plain(fact) for fact in facts if fact), wide_in - LEFT_IN - RIGHT_IN)
    at = (LEFT_IN / wide_in, 1 - 0.14 / high_in)
    figure.text(*at, name, va="top", color=MUTED, fontsize=SMALL_PT, parse_math=False)


def _time_ticks(ax: "Axes", start_s: float, stop_s: float) -> None:
    """Mark seconds, or hours and minutes where the window is long."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    most = max(2, int(width_in(ax) / 0.9))
    span_s = stop_s - start_s
    if span_s < 900:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(second_text))
        name_axes(ax, x="time (s)")
        return
    step_s = next(
        (step for step in CLOCK_STEPS_S if span_s / step <= most), CLOCK_STEPS_S[-1] * np.ceil(span_s / 86400 / most)
    )
    ax.xaxis.set_major_locator(MultipleLocator(float(step_s)))
    ax.xaxis.set_major_formatter(FuncFormatter(_clock_text))
    name_axes(ax, x="time (h:min)")


def _clock_text(second: float, _position: int | None = None) -> str:
    minutes = round(abs(second) / 60)
    sign = "\N{MINUS SIGN}" if second < 0 else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}"
