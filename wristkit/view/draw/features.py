"""What features tell apart: how relevant each is, how it spreads, which say the same, and where on the trace."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.recording import FloatArray, Stream
from wristkit.view.draw.panes import channel_colours, draw_lines
from wristkit.view.draw.style import (
    COLOURS,
    INK,
    MUTED,
    RULE,
    SMALL_PT,
    clear_axes,
    legend_above,
    name_axes,
    no_math,
    palette,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_P = 1e-300  # a smaller one is written as zero
_MOST_NAMED = 40
_SCALE = {"shrink": 0.6, "label": "rank correlation"}


def draw_relevance(ax: "Axes", relevance: pd.DataFrame, *, most: int = 15) -> "Axes":
    """Draw the smallest p values of a table of relevance, the most relevant feature on top, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    relevance
        As tsfresh's ``calculate_relevance_table`` gives it: an index of names, ``p_value`` and ``relevant``.
    most
        How many features are shown.
    """
    if missing := sorted({"p_value", "relevant"} - set(relevance.columns)):
        raise ValueError(f"relevance lacks the columns {missing}; give the table of calculate_relevance_table")
    shown = relevance.dropna(subset=["p_value"]).sort_values("p_value", kind="stable").head(most)
    clear_axes(ax)
    strength = -np.log10(np.maximum(shown["p_value"].to_numpy(dtype=np.float64), _LEAST_P))
    rows, kept = np.arange(len(shown)), shown["relevant"].to_numpy(dtype=bool)
    ax.hlines(rows, 0, strength, color=RULE, linewidth=1.2)
    ax.scatter(strength[kept], rows[kept], color=COLOURS[0], s=34, zorder=3, label="kept")
    ax.scatter(strength[~kept], rows[~kept], facecolor="white", edgecolor=MUTED, s=34, zorder=3, label="dropped")
    ax.set_yticks(rows, [plain(name, most=72) for name in shown.index])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    no_math(ax.get_yticklabels())
    ax.set(ylim=(len(shown) - 0.5, -0.5), xlim=(0, None))
    ax.grid(visible=False, axis="y")
    name_axes(ax, x="relevance: \N{MINUS SIGN}log10 of p")
    if kept.any() and not kept.all():
        ax.legend(loc="lower right", frameon=False, fontsize=SMALL_PT, labelcolor=INK)
    return ax


def draw_distribution(
    ax: "Axes", values: npt.ArrayLike, labels: npt.ArrayLike, *, subjects: npt.ArrayLike | None = None, name: str = ""
) -> "Axes":
    """Draw how a feature spreads in each class, with a mark at each person's median, and return the axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    values, labels
        (n,) values of a feature and classes of their windows.
    subjects
        (n,) who; people whose marks lie apart say that the feature tells people, not classes.
    name
        Name of the feature.
    """
    import seaborn as sns

    table = pd.DataFrame({"value": np.asarray(values, dtype=np.float64), "label": np.asarray(labels, dtype=object)})
    classes = list(dict.fromkeys(sorted(table["label"], key=str)))
    by_class = palette(classes)
    clear_axes(ax)
    sns.violinplot(
        table,
        x="value",
        y="label",
        order=classes,
        hue="label",
        palette=by_class,
        ax=ax,
        inner=None,
        cut=0,
        density_norm="width",
        linewidth=0,
        alpha=0.35,
        legend=False,
    )
    if subjects is not None:
        table["subject"] = np.asarray(subjects, dtype=object)
        medians = table.groupby(["label", "subject"], as_index=False)["value"].median()
        rows = [classes.index(label) for label in medians["label"]]
        ax.scatter(medians["value"], rows, marker="|", s=120, color=INK, linewidth=1.2, zorder=4)
    ax.set_yticks(range(len(classes)), [plain(one, most=22) for one in classes])
    no_math(ax.get_yticklabels())
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_ylabel("")
    name_axes(ax, x=name or "value")
    return ax


def draw_likeness(ax: "Axes", table: pd.DataFrame) -> "Axes":
    """Draw how alike features rank windows (Spearman), alike ones side by side, and return the axes."""
    import seaborn as sns

    if not 2 <= len(table.columns) <= _MOST_NAMED:
        raise ValueError(f"the table has {len(table.columns)} features, expected 2 to {_MOST_NAMED}; choose some")
    alike = table.corr(method="spearman").fillna(0.0)
    order = [alike.columns[place] for place in _side_by_side(alike.to_numpy())]
    shown = alike.reindex(index=order, columns=order)
    sns.heatmap(shown, ax=ax, vmin=-1, vmax=1, cmap="RdBu_r", square=True, linewidths=0.4, cbar_kws=_SCALE)
    names = [plain(name, most=26) for name in shown.columns]
    places = np.arange(len(names)) + 0.5
    ax.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(places, names, rotation=0)
    ax.tick_params(length=0, labelsize=SMALL_PT, labelcolor=INK)
    no_math([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.set(xlabel="", ylabel="")
    return ax


def draw_feature(
    ax: "Axes",
    stream: Stream,
    values: npt.ArrayLike,
    *,
    start_s: npt.ArrayLike,
    stop_s: npt.ArrayLike,
    name: str = "feature",
    max_points: int = 2000,
) -> "Axes":
    """Draw a feature over the trace that it was computed from, each value as a bar over its window; return the axes.

    Parameters
    ----------
    ax
        Axes to draw on: the trace has its scale at the left, the feature at the right.
    stream
        What was measured.
    values, start_s, stop_s
        (n,) values of the feature, and the windows in seconds.
    name
        Name of the feature.
    max_points
        Points that a line of the trace has at most.
    """
    feature, firsts, lasts = (np.asarray(one, dtype=np.float64) for one in (values, start_s, stop_s))
    if not feature.shape == firsts.shape == lasts.shape or feature.ndim != 1 or not len(feature):
        raise ValueError(f"values, start_s and stop_s have the shapes {feature.shape}, {firsts.shape}, {lasts.shape}")
    clear_axes(ax)
    colours = channel_colours(len(stream.channels))
    draw_lines(ax, stream, colours, start_s=firsts.min(), stop_s=lasts.max(), max_points=max_points)
    for line in ax.get_lines():
        line.set_alpha(0.45)
    name_axes(ax, x="time (s)", y=f"{stream.name} ({stream.unit})")
    right = ax.twinx()
    clear_axes(right)
    right.grid(visible=False)
    right.spines["left"].set_visible(False)
    right.spines["right"].set(visible=True, color=RULE, linewidth=0.8)
    lines = np.stack([firsts, lasts, np.full(len(firsts), np.nan)], axis=1).ravel()
    (bars,) = right.plot(lines, np.repeat(feature, 3), color=INK, linewidth=2.2)
    name_axes(right, y=name)
    legend_above(ax, [*ax.get_lines()[: len(stream.channels)], bars], [*stream.channels, f"{name} (right)"])
    return ax


def _side_by_side(alike: FloatArray) -> Sequence[int]:
    """Return an order in which features that rank alike, or the other way round, are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    apart = np.clip(1 - np.abs(alike), 0, None)
    np.fill_diagonal(apart, 0)
    condensed = squareform((apart + apart.T) / 2, checks=False)
    return [int(place) for place in leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))]
