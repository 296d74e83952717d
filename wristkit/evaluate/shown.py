"""Reports as HTML: names as text, a figure and its interval in one cell, and no column of nothing."""

import html
import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd


def table_html(table: pd.DataFrame) -> str:
    """Return a table of ours as HTML: ``x``, ``x_low`` and ``x_high`` in one column, empty columns left out."""
    shown = narrow(table)
    shown = shown.set_axis(_visible_axis(shown.index)).set_axis(_visible_axis(shown.columns), axis=1)
    return shown.map(visible).to_html(escape=True, float_format="{:.3g}".format, na_rep="")


def lines_html(lines: Iterable[str]) -> str:
    """Return what a report says as a list in HTML."""
    return f"<ul>{''.join(f'<li>{html.escape(str(visible(line)))}</li>' for line in lines)}</ul>"


def visible(value: object) -> object:
    """Return text with what turns it around, hides or controls written out; what is no text as it is."""
    if not isinstance(value, str):
        return value
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char)[0] == "C" else char for char in value
    )


def _visible_axis(axis: pd.Index) -> pd.Index:
    return axis.map(visible).rename(axis.name) if len(axis) else axis


def narrow(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with intervals beside their figures, as text; no false alarm reads as its upper bound."""
    columns: dict[str, object] = {}
    ends = {end for name in table.columns for end in _ends(str(name)) if end in table.columns}
    for name in table.columns:
        if name in ends:
            continue
        low, high = _ends(str(name))
        if low in table.columns and high in table.columns:
            bound = (table["false_alarms"] == 0) if name == "fp_per_hour" and "false_alarms" in table else None
            columns[name] = _with_intervals(table[[name, low, high]], bound)
        else:
            columns[name] = table[name]
    shown = pd.DataFrame(columns, index=table.index)
    return shown.loc[:, [not (shown[name].isna() | (shown[name] == "")).all() for name in shown.columns]]


def _ends(name: str) -> tuple[str, str]:
    """Return the columns of the interval of a figure, whose unit comes last: ``latency_median_low_s``."""
    stem, unit = (name[:-2], "_s") if name.endswith("_s") else (name, "")
    return f"{stem}_low{unit}", f"{stem}_high{unit}"


def _with_intervals(figures: pd.DataFrame, bound: "pd.Series[bool] | None") -> "pd.Series[str]":
    bounds = [False] * len(figures) if bound is None else bound.tolist()
    rows = figures.to_numpy(dtype=np.float64).tolist()
    texts = [_text(*row, is_bound=one) for row, one in zip(rows, bounds, strict=True)]
    return pd.Series(texts, index=figures.index, dtype=object)


def _text(value: float, low: float, high: float, *, is_bound: bool) -> str:
    if np.isnan(value):
        return ""
    if is_bound and np.isfinite(high):
        return f"at most {high:.3g}"
    return f"{value:.3g} ({low:.3g} to {high:.3g})" if np.isfinite([low, high]).all() else f"{value:.3g}"
