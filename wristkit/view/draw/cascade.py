"""A cascade: its states as a diagram, what it did over time, and what its two thresholds cost."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.detector import Policy, Trace
from wristkit.view.draw.charts import FALSE_ALARM_TICKS
from wristkit.view.draw.style import (
    COLOURS,
    GAP,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    TEXT_PT,
    clear_axes,
    fitted,
    legend_above,
    name_axes,
    plain,
    width_in,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STATE_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "idle": "#e4e4e4",
        "armed": "#b9d7ea",
        "confirming": "#f6d28b",
        "second_chance": "#f0b27a",
        "active": "#8fd0b8",
        "cooling": "#cfcfdf",
    }
)
_PLACES = MappingProxyType(
    {
        "idle": (0.0, 1.0),
        "armed": (2.1, 1.0),
        "confirming": (4.8, 1.0),
        "active": (8.6, 1.0),
        "second_chance": (6.7, 0.0),
        "cooling": (4.0, -1.0),
    }
)
_HALF_WIDTH, _HALF_HEIGHT = 0.62, 0.17
# Where the words of an arrow stand, and how it bends.
_WORDS = MappingProxyType(
    {
        ("idle", "armed"): (1.05, 1.42, -0.3),
        ("armed", "idle"): (1.05, 0.83, -0.3),
        ("armed", "confirming"): (3.45, 1.22, 0.0),
        ("confirming", "active"): (6.7, 1.27, 0.0),
        ("confirming", "second_chance"): (5.3, 0.42, 0.0),
        ("second_chance", "active"): (7.2, 0.62, 0.0),
        ("confirming", "cooling"): (3.75, 0.1, 0.0),
        ("second_chance", "cooling"): (5.15, -0.32, 0.0),
        ("active", "cooling"): (7.7, -0.95, -0.32),
        ("cooling", "idle"): (1.75, -0.2, 0.0),
    }
)
_BAR = (-0.3, -0.1)  # of the states, below the scores


def draw_policy(ax: "Axes", policy: Policy) -> "Axes":
    """Draw the states of a policy and when it goes from one to the next, and return the axes.

    States with a thick rim have the confirmer on; what cannot happen with these numbers is left out.
    """
    ax.set_axis_off()
    ax.set(xlim=(-0.8, 9.4), ylim=(-1.55, 1.7))
    for arrow in policy.transitions:
        _draw_arrow(ax, arrow.source, arrow.target, arrow.when)
    reached = {arrow.target for arrow in policy.transitions}
    for name in reached:
        _draw_state(ax, name, is_on=_is_on(name, policy))
    words = (
        "thick rim: the confirmer is on      any state \N{RIGHTWARDS ARROW} idle where the gate's windows have a gap"
    )
    ax.text(-0.62, -1.5, words, color=MUTED, fontsize=SMALL_PT, va="bottom", parse_math=False)
    return ax


def _is_on(name: str, policy: Policy) -> bool:
    return name in {"confirming", "second_chance"} or (name == "active" and policy.span_of == "confirm")


def _draw_state(ax: "Axes", name: str, *, is_on: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _PLACES[name]
    box = FancyBboxPatch(
        (x - _HALF_WIDTH, y - _HALF_HEIGHT),
        2 * _HALF_WIDTH,
        2 * _HALF_HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.14",
        facecolor=STATE_COLOURS[name],
        edgecolor=INK if is_on else RULE,
        linewidth=2.2 if is_on else 0.9,
        zorder=3,
    )
    ax.add_patch(box)
    ax.text(x, y, name.replace("_", " "), ha="center", va="center", color=INK, fontsize=TEXT_PT, zorder=4)


def _draw_arrow(ax: "Axes", source: str, target: str, when: str) -> None:
    from matplotlib.patches import FancyArrowPatch

    x, y, bend = _WORDS[source, target]
    start, stop = _edge(source, target, bend), _edge(target, source, -bend)
    arrow = FancyArrowPatch(
        start,
        stop,
        arrowstyle="-|>",
        mutation_scale=11,
        color=MUTED,
        linewidth=1.1,
        shrinkA=1,
        shrinkB=1,
        connectionstyle=f"arc3,rad={bend}",
        zorder=2,
    )
    ax.add_patch(arrow)
    lines = _wrapped(when)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    ax.text(x, y, lines, ha="center", va="center", color=INK, fontsize=SMALL_PT, zorder=5, bbox=box, parse_math=False)


def _edge(one: str, other: str, bend: float) -> tuple[float, float]:
    """Return where an arrow leaves a state for another: a bent one by the top or bottom, a straight one in line."""
    (x, y), (to_x, to_y) = _PLACES[one], _PLACES[other]
    across, along = float(np.sign(to_x - x)), to_x - x
    if bend and y == to_y:
        return x + across * 0.35, y + _HALF_HEIGHT * (1 if bend * across < 0 else -1)
    if bend:
        return (x, y - _HALF_HEIGHT) if y > to_y else (x + _HALF_WIDTH, y)
    if y == to_y:
        return x + across * _HALF_WIDTH, y
    share = _HALF_HEIGHT / abs(to_y - y)
    return x + float(np.clip(along * share, -_HALF_WIDTH, _HALF_WIDTH)), y + float(np.sign(to_y - y)) * _HALF_HEIGHT


def _wrapped(text: str, *, most: int = 36) -> str:
    import textwrap

    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, most))


def draw_trace(ax: "Axes", trace: Trace, *, start_s: float | None = None, stop_s: float | None = None) -> "Axes":
    """Draw the scores of both stages, their thresholds, and the states below them, and return the axes.

    Where the confirmer is off there is no line of it. Events are marked at the top from start to stop, with a tick
    where they were decided.
    """
    clear_axes(ax)
    spans = trace.spans
    first_s = float(spans["start_s"].min()) if start_s is None else start_s
    last_s = float(spans["stop_s"].max()) if stop_s is None else stop_s
    if not first_s < last_s:
        raise ValueError(f"start_s is {first_s} and stop_s {last_s}, expected a time in which the gate gave scores")
    gate, confirm = (one[one["time_s"].between(first_s, last_s)] for one in (trace.gate, trace.confirm))
    lines = [
        *ax.plot(*_broken(gate), color=COLOURS[0], linewidth=1.4),
        *ax.plot(*_broken(confirm), color=COLOURS[1], linewidth=1.6, marker=".", markersize=4),
    ]
    for level, colour in ((trace.policy.gate_high, COLOURS[0]), (trace.policy.confirm_high, COLOURS[1])):
        ax.axhline(level, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.7)
    times_s = trace.events[["start_s", "stop_s", "decided_s"]].to_numpy(dtype=np.float64)
    for event_start_s, event_stop_s, decided_s in times_s.tolist():
        ax.plot([event_start_s, event_stop_s], [1.06, 1.06], color=COLOURS[2], linewidth=4, solid_capstyle="butt")
        ax.plot([decided_s, decided_s], [1.02, 1.1], color=INK, linewidth=1.2)
    _draw_states(ax, spans, first_s, last_s)
    legend_above(ax, lines, ["gate", "confirmer"])
    ax.set(xlim=(first_s, last_s), ylim=(_BAR[0] - 0.06, 1.14))
    ax.set_yticks([0, 0.5, 1, sum(_BAR) / 2], ["0", "0.5", "1", "state"])
    name_axes(ax, x="time (s)", y="score")
    share = f"confirmer on {100 * trace.duty_cycle:.2g} % of {trace.hours:.2g} h"
    ax.set_title(share, loc="left", color=MUTED, fontsize=SMALL_PT, parse_math=False)
    return ax


def _broken(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return times and scores with a break wherever a step is much longer than usual."""
    time_s, score = table["time_s"].to_numpy(dtype=np.float64), table["score"].to_numpy(dtype=np.float64)
    steps_s = np.diff(time_s)
    breaks = np.flatnonzero(steps_s > 2.5 * np.median(steps_s)) + 1 if len(steps_s) else np.empty(0, dtype=np.intp)
    return np.insert(time_s, breaks, np.nan), np.insert(score, breaks, np.nan)


def _draw_states(ax: "Axes", spans: pd.DataFrame, first_s: float, last_s: float) -> None:
    low, high = _BAR
    ax.axhspan(low, high, color=GAP, zorder=0)
    shown = spans[(spans["stop_s"] > first_s) & (spans["start_s"] < last_s) & (spans["stop_s"] > spans["start_s"])]
    wide_in = width_in(ax)
    for state, start_s, stop_s in zip(
        shown["state"], shown["start_s"].clip(first_s), shown["stop_s"].clip(upper=last_s), strict=True
    ):
        ax.fill_between([start_s, stop_s], low, high, color=STATE_COLOURS[state], linewidth=0)
        room_in = wide_in * (stop_s - start_s) / (last_s - first_s) - 0.06
        words = fitted(str(state).replace("_", " "), room_in)
        if words:
            middle_s = (start_s + stop_s) / 2
            ax.text(middle_s, (low + high) / 2, words, ha="center", va="center", color=INK, fontsize=SMALL_PT)


def draw_surface(ax: "Axes", surface: pd.DataFrame) -> "Axes":
    """Draw recall against false alarms an hour and, in colour, operations an hour, and return the axes.

    ``surface`` is that of ``tune_cascade``: a line for each threshold of the gate, along which the confirmer's changes.
    The chosen pair is ringed and written out.
    """
    clear_axes(ax)
    millions = surface["operations_per_hour"] / 1e6
    most = max(FALSE_ALARM_TICKS[1], float(surface["fp_per_hour"].max())) * 1.05
    ends: dict[tuple[float, float], list[str]] = {}
    for gate_high, line in surface.sort_values("confirm_high").groupby("gate_high"):
        ax.plot(line["fp_per_hour"], line["recall"], color=RULE, linewidth=1.0, zorder=2, clip_on=False)
        end = line[["fp_per_hour", "recall"]].iloc[0].round(2)
        ends.setdefault((float(end.iloc[0]), float(end.iloc[1])), []).append(f"{gate_high:.2g}")
    for end_at, gates in ends.items():
        _name_gates(ax, end_at, gates, most=most)
    points = ax.scatter(
        surface["fp_per_hour"],
        surface["recall"],
        c=millions,
        cmap="viridis_r",
        s=34,
        zorder=3,
        clip_on=False,
        linewidths=0,
    )
    ticks = [tick for tick in FALSE_ALARM_TICKS if tick <= most]
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set(xlim=(0, most), ylim=(0, 1.02))
    name_axes(ax, x="false alarms per hour", y="recall")
    _draw_cost(ax, points, always=float(surface["always_on_operations_per_hour"].iloc[0]) / 1e6)
    for row in surface[surface["chosen"]].itertuples():
        _ring(ax, row)
    return ax


def _name_gates(ax: "Axes", end_at: tuple[float, float], gates: Sequence[str], *, most: float) -> None:
    """Name the thresholds of the gate whose lines end at one place, beside the ring that may be there."""
    is_right = end_at[0] > 0.6 * most
    ax.annotate(
        f"gate {', '.join(gates)}",
        end_at,
        xytext=(-9 if is_right else 9, -12),
        textcoords="offset points",
        ha="right" if is_right else "left",
        color=MUTED,
        fontsize=SMALL_PT,
    )


def _draw_cost(ax: "Axes", points: object, *, always: float) -> None:
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    bar = figure.colorbar(points, ax=ax, pad=0.02)  # type: ignore[arg-type]
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=RULE, labelcolor=MUTED, labelsize=SMALL_PT, length=3)
    bar.set_label(
        plain(f"million operations per hour ({always:,.0f} if always on)", most=60), color=INK, fontsize=TEXT_PT
    )


def _ring(ax: "Axes", row: "object") -> None:
    figures = {
        name: float(getattr(row, name)) for name in ("fp_per_hour", "recall", "gate_high", "confirm_high", "duty_cycle")
    }
    ax.plot(
        [figures["fp_per_hour"]],
        [figures["recall"]],
        marker="o",
        markersize=12,
        markerfacecolor="none",
        markeredgecolor=COLOURS[1],
        markeredgewidth=2,
        zorder=5,
        clip_on=False,
    )
    words = (
        f"gate {figures['gate_high']:.3g}, confirmer {figures['confirm_high']:.3g}\nrecall {figures['recall']:.2f}, "
        f"{figures['fp_per_hour']:.2g} false alarms per hour\nconfirmer on {100 * figures['duty_cycle']:.2g} %"
    )
    ax.text(0.97, 0.05, words, ha="right", va="bottom", transform=ax.transAxes, color=INK, fontsize=SMALL_PT)
