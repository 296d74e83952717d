"""Labels and events of one lane, each a named bar whose fill and edge say what is known of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from wristkit.recording import FloatArray
from wristkit.view.draw.style import INK, MUTED, SMALL_PT, fitted, on_colour, plain, text_width_in, width_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TEXTS = 200
_NARROW_IN = 0.12  # the edge of a narrower bar does not show whether it is dashed
_FULL, _OPEN, _REJECTED = "d1", "38", "1e"  # how much of its colour is in a bar
_EDGES = {"missed": (0, (3, 2)), "disputed": (0, (3, 2)), "false alarm": (0, (3, 2)), "not looked at": (0, (1, 1.5))}
_SOLID = (0, ())


class _Bar(NamedTuple):
    """One label or event: its names from the longest on, its colours, and what its edge is like."""

    names: Sequence[str]
    fill: str
    edge: str
    dash: tuple[float, Sequence[float]]
    ink: str
    is_alone: bool
    is_rejected: bool


def draw_lane(ax: "Axes", rows: pd.DataFrame, lane: int, colours: Mapping[str, str]) -> None:
    """Draw rows that follow one another, each with its name inside, beside it, or not at all for want of room."""
    spans = rows[["start_s", "stop_s"]].to_numpy()
    columns = {str(name): rows[name].tolist() for name in rows.columns}
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    bars = [_bar(row, colours.get(str(row["label"]), MUTED)) for row in records]
    ax.broken_barh(
        [(first, last - first) for first, last in spans],
        (lane + 0.12, 0.76),
        facecolors=[bar.fill for bar in bars],
        edgecolors=[bar.edge for bar in bars],
        linestyles=[bar.dash for bar in bars],
        linewidth=1.1,
    )
    _mark_alone(ax, spans, [bar.is_alone for bar in bars], top=lane + 0.1)
    struck = [(first, last - first) for (first, last), bar in zip(spans, bars, strict=True) if bar.is_rejected]
    if struck:
        ax.broken_barh(struck, (lane + 0.78, 0.07), color=INK, linewidth=0)
    if len(rows) <= MOST_TEXTS:
        _name_bars(ax, spans, bars, middle=lane + 0.52)


def _bar(row: Mapping[str, object], colour: str) -> _Bar:
    """Return how a row is drawn: full where a label stands for it, hollow where it is open, faint where refused."""
    name, state = plain(row["label"]), row.get("state")
    what = str(row.get("remark") or row.get("verdict") or "")
    told = f"only {plain(row['rater'], most=12)}" if what == "disputed" else what
    notes = [f"{state}, {told}", state] if state == "rejected" else [told or (state if state == "open" else "")]
    fill = {"open": _OPEN, "rejected": _REJECTED}.get(str(state), _FULL)
    return _Bar(
        names=[*(f"{name} ({note})" for note in notes if note), name],
        fill=colour + fill,
        edge=colour if state == "open" or what not in _EDGES else INK,
        dash=_EDGES.get(what, _SOLID),
        ink=on_colour(colour) if fill == _FULL else INK,
        is_alone=what in {"missed", "disputed", "false alarm"},
        is_rejected=state == "rejected",
    )


def _mark_alone(ax: "Axes", spans_s: FloatArray, is_alone: Sequence[bool], *, top: float) -> None:
    """Put a mark over each narrow bar that nothing matched."""
    left_s, right_s = ax.get_xlim()
    narrow_s = _NARROW_IN * (right_s - left_s) / width_in(ax)
    alone = [
        sum(span) / 2 for span, is_one in zip(spans_s, is_alone, strict=True) if is_one and span[1] - span[0] < narrow_s
    ]
    if alone:
        ax.plot(alone, [top] * len(alone), "v", color=INK, markersize=3, clip_on=False, scalex=False, scaley=False)


def _name_bars(ax: "Axes", spans_s: FloatArray, bars: Sequence[_Bar], *, middle: float) -> None:
    left_s, right_s = ax.get_xlim()
    inches_per_s = width_in(ax) / (right_s - left_s)
    nexts_s = [*spans_s[1:, 0].clip(None, right_s), right_s]
    for (first_s, last_s), next_s, bar in zip(spans_s.clip(left_s, right_s), nexts_s, bars, strict=True):
        inside_in, beside_in = (last_s - first_s) * inches_per_s - 0.08, (next_s - last_s) * inches_per_s - 0.1
        within = next((name for name in bar.names if text_width_in(name) <= inside_in), None)
        beside = next((name for name in bar.names if text_width_in(name) <= beside_in), None)
        is_beside = within is None and beside is not None
        ax.text(
            last_s + 0.05 / inches_per_s if is_beside else (first_s + last_s) / 2,
            middle,
            within or beside or fitted(bar.names[-1], inside_in),
            ha="left" if is_beside else "center",
            va="center_baseline",
            color=INK if is_beside else bar.ink,
            fontsize=SMALL_PT,
            parse_math=False,
            clip_on=True,
        )
