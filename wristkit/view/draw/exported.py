"""Pictures of what was exported: parity against its bounds, cost by layer, variants, and a device beside Python."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wristkit.view.draw.style import (
    COLOURS,
    INK,
    MUTED,
    SMALL_PT,
    clear_axes,
    legend_above,
    name_axes,
    no_math,
    plain,
    say_in,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wristkit.export import Comparison

_LEAST = 1e-4  # of a bound, so that a difference of nothing has a place on a logarithmic axis
_FAILED = COLOURS[1]


def draw_parity(ax: "Axes", parity: pd.DataFrame) -> "Axes":
    """Draw how much of its bound each measured difference takes, and return the axes; agreement is left out."""
    clear_axes(ax)
    rows = parity[(parity["bound"] > 0) & parity["measured"].notna() & ~parity["check"].str.endswith("decisions")]
    if rows.empty:
        say_in(ax, "no difference was measured")
        return ax
    share = np.clip((rows["measured"] / rows["bound"]).to_numpy(dtype=np.float64), _LEAST, 1e3)
    colours = [_FAILED if one == "failed" else COLOURS[0] for one in rows["status"]]
    places = np.arange(len(rows))[::-1]
    ax.barh(places, share, color=colours, height=0.6, left=0)
    ax.set_xscale("log")
    ax.set_xlim(_LEAST / 2, max(3.0, float(share.max()) * 2))
    ax.axvline(1.0, color=INK, linewidth=1.0)
    ax.set_yticks(places, [plain(one) for one in rows["check"]])
    no_math(ax.get_yticklabels())
    name_axes(ax, x="share of the bound")
    return ax


def draw_layers(ax: "Axes", layers: pd.DataFrame) -> "Axes":
    """Draw the multiply-accumulates of each layer, of a window and of its newest samples; return the axes."""
    clear_axes(ax)
    rows = layers[layers["macs"] > 0]
    if rows.empty:
        say_in(ax, "no layer multiplies")
        return ax
    places = np.arange(len(rows))[::-1]
    bars = [
        ax.barh(places + 0.2, rows["macs"], height=0.38, color=COLOURS[0])[0],
        ax.barh(places - 0.2, rows["macs_streaming"], height=0.38, color=COLOURS[2])[0],
    ]
    ax.set_yticks(places, [plain(one) for one in rows["layer"]])
    no_math(ax.get_yticklabels())
    legend_above(ax, bars, ["a whole window", "the newest samples"])
    name_axes(ax, x="multiply-accumulates")
    return ax


def draw_variants(ax: "Axes", variants: pd.DataFrame) -> "Axes":
    """Draw the recall of each variant against its operations a second, and return the axes.

    ``variants`` is the table of :func:`wristkit.export.variants`; the size of a dot is that of the package.
    """
    clear_axes(ax)
    shown = variants[variants["recall"].notna()]
    if shown.empty:
        say_in(ax, "no variant has a recall")
        return ax
    kinds = list(dict.fromkeys(shown["precision"]))
    dots = []
    for kind, colour in zip(kinds, COLOURS, strict=False):
        own = shown[shown["precision"] == kind]
        sizes = 20 + 120 * own["package_bytes"] / shown["package_bytes"].max()
        dots.append(ax.scatter(own["macs_per_s"], own["recall"], s=sizes, color=colour, alpha=0.85, linewidths=0))
    for name, own in shown.groupby("variant", sort=False):
        at = (float(own["macs_per_s"].iloc[0]), float(own["recall"].max()))
        words = ax.annotate(plain(name), at, xytext=(6, 6), textcoords="offset points", fontsize=SMALL_PT, color=MUTED)
        words.set_parse_math(False)
    ax.set_xscale("log")
    legend_above(ax, dots, [str(one) for one in kinds])
    name_axes(ax, x="multiply-accumulates a second", y="recall")
    return ax


def draw_replay(ax: "Axes", comparison: "Comparison") -> "Axes":
    """Draw the score of the class that Python finds most probable, on the device and in Python; return the axes.

    Of a cascade it is the gate's. Where they part by more than the bound of the check the device's line is marked;
    events that only one of the two has stand at the top.
    """
    clear_axes(ax)
    scores, checks = comparison.scores, comparison.checks.set_index("check")
    scores = scores[scores["stage"] != "confirm"]
    if scores.empty:
        say_in(ax, "the log has no scores")
        return ax
    bound = float(checks["bound"]["scores"])
    apart = scores[~(scores["apart"] <= bound)]
    lines = [
        *ax.plot(scores["time_s"], scores["python"], color=MUTED, linewidth=2.6, alpha=0.5),
        *ax.plot(scores["time_s"], scores["device"], color=COLOURS[0], linewidth=1.1),
        *ax.plot(apart["time_s"], apart["device"], color=_FAILED, linestyle="", marker="x", markersize=5),
    ]
    for one in comparison.events.to_dict("records"):
        colour = {"both": COLOURS[2], "device": COLOURS[0], "python": MUTED}[one["where"]]
        level = {"both": 1.06, "device": 1.09, "python": 1.03}[one["where"]]
        ax.plot([one["start_s"], one["stop_s"]], [level, level], color=colour, linewidth=4, solid_capstyle="butt")
    legend_above(ax, lines, ["Python", "device", f"apart by more than {bound:g}"])
    ax.set_ylim(-0.03, 1.12)
    name_axes(ax, x="time (s)", y="score")
    return ax
