"""How sure, how late, how far off, and how good a blind test would look: pictures of an evaluation."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import ContinuousReport, Quantile, WindowReport, quantile
from wristkit.evaluate.figures import of_simulation
from wristkit.recording import FloatArray
from wristkit.view.draw.style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    clear_axes,
    legend_above,
    name_axes,
    plain,
    say_in,
    text_width_in,
    tick_text,
    width_in,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wristkit.validate import SubjectBlindWarning

_RELIABILITY = ("low", "high", "windows", "confidence", "accuracy", "accuracy_low", "accuracy_high")
_COUNTS_TAKE = 0.25  # of the height
_MOST_BINS = 40
_MOST_DOTS = 20_000


def draw_reliability(ax: "Axes", table: pd.DataFrame, *, label: str | None = None) -> "Axes":
    """Draw how often predictions are right beside how sure they were, and return the axes.

    On the dashed line confidence is worth what it says; below it the model is too sure. Bars are counts of windows.

    Parameters
    ----------
    ax
        Axes to draw on.
    table
        As ``WindowReport.reliability()``; intervals are over windows.
    label
        The class that the table was made for, if for one.
    """
    if missing := [name for name in _RELIABILITY if name not in table.columns]:
        raise ValueError(f"the table lacks the columns {missing}, expected that of WindowReport.reliability()")
    clear_axes(ax)
    _draw_counts(ax, table)
    ax.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, linestyle=(0, (5, 3)), zorder=1.5)
    said, right = table["confidence"].to_numpy(dtype=np.float64), table["accuracy"].to_numpy(dtype=np.float64)
    ax.vlines(said, table["accuracy_low"], table["accuracy_high"], color=COLOURS[0], linewidth=1.4, alpha=0.6, zorder=3)
    ax.plot(said, right, color=COLOURS[0], linewidth=1.4, marker="o", markersize=5, zorder=4, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    if label is None:
        name_axes(ax, x="confidence in what was predicted", y="share that was right")
    else:
        name_axes(ax, x=f"probability of {plain(label, most=24)}", y="share that was true")
    return ax


def _draw_counts(ax: "Axes", table: pd.DataFrame) -> None:
    """Draw the count of each bin as a bar along the bottom, with its number where that fits."""
    counts = table["windows"].to_numpy(dtype=np.int64)
    low, high = table["low"].to_numpy(dtype=np.float64), table["high"].to_numpy(dtype=np.float64)
    below = ax.twinx()
    below.set_zorder(ax.get_zorder() - 1)
    ax.patch.set_visible(False)
    below.bar(low, counts, width=0.94 * (high - low), align="edge", color=GRID, zorder=0.5)
    below.set_ylim(0, counts.max(initial=1) / _COUNTS_TAKE)
    below.set_yticks([])
    below.spines[:].set_visible(False)
    texts = [f"{count:,}" for count in counts.tolist()]
    room_in = 0.9 * width_in(ax) * float(np.min(high - low, initial=1.0))
    if all(text_width_in(text, size_pt=SMALL_PT - 1) <= room_in for text in texts):
        for x, count, text in zip((low + high) / 2, counts, texts, strict=True):
            below.text(x, count, text, ha="center", va="bottom", color=MUTED, fontsize=SMALL_PT - 1)
    said = f"{int(counts.sum()):,} windows, {int(counts.max(initial=0)):,} in the fullest of {len(counts)} bins"
    below.text(1.0, 1.01, said, ha="right", va="bottom", transform=below.transAxes, color=MUTED, fontsize=SMALL_PT)


def draw_latency(ax: "Axes", latency_s: npt.ArrayLike, *, latency_from: str = "start") -> "Axes":
    """Draw how late decisions come, with their median and 95th percentile, and return the axes.

    Bands are their 95 % intervals over hits; so few hits that there is none have no band.

    Parameters
    ----------
    ax
        Axes to draw on.
    latency_s
        (n,) seconds of each hit, as ``EventReport.latency_s``.
    latency_from
        Whether they count from the true start or stop, as ``EventReport.rule.latency_from``.
    """
    all_s = np.asarray(latency_s, dtype=np.float64)
    if all_s.ndim != 1:
        raise ValueError(f"latency_s has shape {all_s.shape}, expected (n,), a number a hit")
    clear_axes(ax)
    ax.grid(visible=False, axis="x")
    held_s = all_s[np.isfinite(all_s)]
    unknown = f", {len(all_s) - len(held_s)} more without a time" if len(held_s) < len(all_s) else ""
    name_axes(ax, x=f"latency from the true {plain(latency_from)} (s)", y=f"{len(held_s)} hits{unknown}")
    if not len(held_s):
        say_in(ax, "no hit, so no latency")
        ax.set(xticks=[], yticks=[])
        return ax
    ax.hist(held_s, bins=_bins(held_s).tolist(), color=COLOURS[0], alpha=0.75, edgecolor="white", linewidth=0.6)
    median, late = quantile(held_s, 0.5), quantile(held_s, 0.95)
    lines = [
        ax.axvline(median.value, color=INK, linewidth=1.4),
        ax.axvline(late.value, color=COLOURS[1], linewidth=1.4, linestyle=(0, (4, 2))),
    ]
    for one, colour in ((median, INK), (late, COLOURS[1])):
        if np.isfinite(one.low) and np.isfinite(one.high):
            ax.axvspan(one.low, one.high, color=colour, alpha=0.12, linewidth=0, zorder=0.6)
    names = [f"median {_with_span(median)}", f"95th percentile {_with_span(late)}"]
    legend_above(ax, lines, names, columns=1)
    if np.ptp(held_s) < 1e-9:
        ax.set_xlim(median.value - 0.5, median.value + 0.5)
    _count_ticks(ax)
    return ax


def _bins(values: FloatArray) -> FloatArray:
    """Return edges of at most forty bins; one of a tenth of a second around a single value."""
    if np.ptp(values) < 1e-9:
        return np.array([values[0] - 0.05, values[0] + 0.05])
    edges = np.histogram_bin_edges(values, bins="auto")
    return edges if len(edges) <= _MOST_BINS + 1 else np.linspace(edges[0], edges[-1], _MOST_BINS + 1)


def _count_ticks(ax: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(tick_text))


def draw_blind_warning(ax: "Axes", report: WindowReport, warning: "SubjectBlindWarning") -> "Axes":
    """Draw macro-F1 of people kept apart, and how much of it a test blind to people would make up; return the axes.

    Parameters
    ----------
    ax
        Axes to draw on, of about 7 by 2 inches.
    report
        Of the same windows by whole people, as ``CrossValidation.report``; its interval is over people.
    warning
        As from ``wristkit.subject_blind_warning``; no result, and crossed out as such.
    """
    value, low, high = report.over_people.to_numpy(dtype=np.float64)[0].tolist()
    made_up = warning.inflated_macro_f1
    clear_axes(ax)
    ax.grid(visible=False, axis="y")
    ax.set(ylim=(-0.5, 1.5), xlim=(max(0.0, min(np.nanmin([value, low]), made_up) - 0.1), 1.02))
    ax.set_yticks((0, 1), ("no result: blind to people", "people kept apart"))
    if np.isfinite(low):
        ax.hlines(1, low, high, color=COLOURS[0], linewidth=2.0, alpha=0.6)
    ax.plot([value], [1], "o", color=COLOURS[0], markersize=8, clip_on=False)
    ax.plot([made_up], [0], "X", color=COLOURS[1], markersize=10, clip_on=False)
    ax.annotate("", (made_up, 0.5), (value, 0.5), arrowprops={"arrowstyle": "->", "color": COLOURS[1]})
    span = f" ({_short(low)} to {_short(high)})" if np.isfinite(low) else ""
    beside: dict[str, Any] = {"fontsize": SMALL_PT, "va": "bottom", "ha": "center"}
    ax.text(value, 1.12, f"{_short(value)}{span}", color=INK, **beside)
    ax.text(made_up, 0.14, f"{_short(made_up)}", color=MUTED, **beside)
    ax.text((value + made_up) / 2, 0.54, f"made up: {made_up - value:+.2f}", color=COLOURS[1], **beside)
    simulated = ", simulated" if of_simulation((*report.notes, *warning.notes)) else ""
    name_axes(ax, x=f"macro-F1 of {plain(warning.model, most=18)}{simulated}")
    return ax


def draw_bland_altman(ax: "Axes", report: ContinuousReport, *, unit: str = "") -> "Axes":
    """Draw each error over the mean of measure and reference, with bias and limits of agreement; return the axes.

    Bands are 95 % intervals, absent where there are too few people for one. A ring is a person's mean, where there are
    several people with several values.

    Parameters
    ----------
    ax
        Axes to draw on.
    report
        As from ``wristkit.continuous_report``.
    unit
        Of what was measured, such as ``"bpm"``.
    """
    clear_axes(ax)
    held = report.table[report.table["error"].notna()]
    of = f" ({plain(unit, most=14)})" if unit else ""
    name_axes(ax, x=f"mean of measured and reference{of}", y=f"measured \N{MINUS SIGN} reference{of}")
    if held.empty:
        say_in(ax, "nothing was measured")
        ax.set(xticks=[], yticks=[])
        return ax
    middle = ((held["measured"] + held["reference"]) / 2).to_numpy(dtype=np.float64)
    error = held["error"].to_numpy(dtype=np.float64)
    drawn = np.linspace(0, len(error) - 1, min(len(error), _MOST_DOTS)).astype(np.int64)
    alpha = float(np.clip(40 / np.sqrt(len(drawn)) / 5, 0.12, 0.7))
    ax.scatter(middle[drawn], error[drawn], color=COLOURS[0], s=14, linewidth=0, alpha=alpha, zorder=2)
    _draw_people(ax, held.assign(middle=middle))
    _draw_limits(ax, report)
    if len(drawn) < len(error):
        _say_below(ax, f"every {len(error) / len(drawn):.3g}th of {len(error):,} values")
    return ax


def _draw_people(ax: "Axes", held: pd.DataFrame) -> None:
    people = held.groupby("subject")[["middle", "error"]].mean()
    if 1 < len(people) < len(held):
        ring: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.1, "s": 46}
        ax.scatter(people["middle"], people["error"], **ring, zorder=4)


def _draw_limits(ax: "Axes", report: ContinuousReport) -> None:
    """Draw bias and limits with their intervals as bands, and name them above."""
    lines, texts = [], []
    dashes = {"bias": "-", "lower_limit": (0, (5, 3)), "upper_limit": (0, (5, 3))}
    for name, (value, low, high) in zip(report.agreement.index, report.agreement.to_numpy().tolist(), strict=True):
        if not np.isfinite(value):
            continue
        lines.append(ax.axhline(value, color=COLOURS[1], linewidth=1.4, linestyle=dashes[name], zorder=3))
        span = f" ({_short(low)} to {_short(high)})" if np.isfinite(low) else ""
        texts.append(f"{_short(value)}{span}")
        if span:
            ax.axhspan(low, high, color=COLOURS[1], alpha=0.13, linewidth=0, zorder=1)
    ax.axhline(0, color=RULE, linewidth=0.8, zorder=1)
    if len(lines) == 3:
        legend_above(ax, lines[:2], [f"bias {texts[0]}", f"limits {texts[1]} to {texts[2]}"], columns=1)
    elif lines:
        legend_above(ax, lines, [f"bias {texts[0]}"])


def _with_span(one: Quantile) -> str:
    known = np.isfinite(one.low) and np.isfinite(one.high)
    return f"{_short(one.value)} s" + (f" ({_short(one.low)} to {_short(one.high)})" if known else "")


def _short(value: float) -> str:
    return tick_text(float(f"{value:.3g}"))


def _say_below(ax: "Axes", words: str) -> None:
    ax.text(0.99, 0.02, words, ha="right", va="bottom", transform=ax.transAxes, color=MUTED, fontsize=SMALL_PT)
