"""The named sets of tsfresh's features: which calculators, with which parameters (version 0.21).

Its ``linear_trend_timewise`` is not among them: it wants stamps, and on an even grid is ``linear_trend`` by the hour.
"""

from ast import literal_eval
from collections.abc import Mapping, Sequence
from itertools import product
from math import inf, nan
from typing import Any

Settings = Mapping[Any, Sequence[Mapping[str, Any]] | None]

_PLAIN = (
    *("variance_larger_than_standard_deviation", "has_duplicate_max", "has_duplicate_min", "has_duplicate"),
    *("sum_values", "abs_energy", "mean_abs_change", "mean_change", "mean_second_derivative_central", "median", "mean"),
    *("length", "standard_deviation", "variation_coefficient", "variance", "skewness", "kurtosis", "root_mean_square"),
    *("absolute_sum_of_changes", "longest_strike_below_mean", "longest_strike_above_mean", "count_above_mean"),
    *("count_below_mean", "last_location_of_maximum", "first_location_of_maximum", "last_location_of_minimum"),
    *("first_location_of_minimum", "percentage_of_reoccurring_values_to_all_values"),
    *("percentage_of_reoccurring_datapoints_to_all_datapoints", "sum_of_reoccurring_values"),
    *("sum_of_reoccurring_data_points", "ratio_value_number_to_time_series_length", "sample_entropy", "maximum"),
    *("absolute_maximum", "minimum", "benford_correlation"),
)
_NO_LITERALS = {"nan": nan, "inf": inf, "-inf": -inf}
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_TENTHS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9)


def _of(name: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Return a set of parameters for each value of one."""
    return [{name: value} for value in values]


COMPREHENSIVE: Settings = {
    **dict.fromkeys(_PLAIN),
    "time_reversal_asymmetry_statistic": _of("lag", (1, 2, 3)),
    "c3": _of("lag", (1, 2, 3)),
    "cid_ce": _of("normalize", (True, False)),
    "symmetry_looking": _of("r", [step * 0.05 for step in range(20)]),
    "large_standard_deviation": _of("r", [step * 0.05 for step in range(1, 20)]),
    "quantile": _of("q", _TENTHS),
    "autocorrelation": _of("lag", range(10)),
    "agg_autocorrelation": [{"f_agg": name, "maxlag": 40} for name in ("mean", "median", "var")],
    "partial_autocorrelation": _of("lag", range(10)),
    "number_cwt_peaks": _of("n", (1, 5)),
    "number_peaks": _of("n", (1, 3, 5, 10, 50)),
    "binned_entropy": _of("max_bins", (10,)),
    "index_mass_quantile": _of("q", _TENTHS),
    "cwt_coefficients": [
        {"widths": (2, 5, 10, 20), "coeff": coeff, "w": width} for coeff in range(15) for width in (2, 5, 10, 20)
    ],
    "spkt_welch_density": _of("coeff", (2, 5, 8)),
    "ar_coefficient": [{"coeff": coeff, "k": 10} for coeff in range(11)],
    "change_quantiles": [
        {"ql": low, "qh": high, "isabs": size, "f_agg": name}
        for low, high, size, name in product(_FIFTHS[:-1], _FIFTHS[1:], (False, True), ("mean", "var"))
        if low < high
    ],
    "fft_coefficient": [
        {"coeff": coeff, "attr": part} for part, coeff in product(("real", "imag", "abs", "angle"), range(100))
    ],
    "fft_aggregated": _of("aggtype", ("centroid", "variance", "skew", "kurtosis")),
    "value_count": _of("value", (0, 1, -1)),
    "range_count": [{"min": -1, "max": 1}, {"min": -1e12, "max": 0}, {"min": 0, "max": 1e12}],
    "approximate_entropy": [{"m": 2, "r": share} for share in (0.1, 0.3, 0.5, 0.7, 0.9)],
    "friedrich_coefficients": [{"coeff": coeff, "m": 3, "r": 30} for coeff in range(4)],
    "max_langevin_fixed_point": [{"m": 3, "r": 30}],
    "linear_trend": _of("attr", ("pvalue", "rvalue", "intercept", "slope", "stderr")),
    "agg_linear_trend": [
        {"attr": attr, "chunk_len": samples, "f_agg": name}
        for attr, samples, name in product(
            ("rvalue", "intercept", "slope", "stderr"), (5, 10, 50), ("max", "min", "mean", "var")
        )
    ],
    "augmented_dickey_fuller": _of("attr", ("teststat", "pvalue", "usedlag")),
    "number_crossing_m": _of("m", (0, -1, 1)),
    "energy_ratio_by_chunks": [{"num_segments": 10, "segment_focus": place} for place in range(10)],
    "ratio_beyond_r_sigma": _of("r", (0.5, 1, 1.5, 2, 2.5, 3, 5, 6, 7, 10)),
    "count_above": _of("t", (0,)),
    "count_below": _of("t", (0,)),
    "lempel_ziv_complexity": _of("bins", (2, 3, 5, 10, 100)),
    "fourier_entropy": _of("bins", (2, 3, 5, 10, 100)),
    "permutation_entropy": [{"tau": 1, "dimension": places} for places in (3, 4, 5, 6, 7)],
    "query_similarity_count": [{"query": None, "threshold": 0.0}],
    "mean_n_absolute_max": _of("number_of_maxima", (7,)),
}
_COSTLY = frozenset({"approximate_entropy", "sample_entropy"})
EFFICIENT: Settings = {name: params for name, params in COMPREHENSIVE.items() if name not in _COSTLY}
MINIMAL: Settings = dict.fromkeys(
    (
        *("sum_values", "median", "mean", "length", "standard_deviation", "variance", "root_mean_square", "maximum"),
        *("absolute_maximum", "minimum"),
    )
)
NAMED: Mapping[str, Settings] = {"minimal": MINIMAL, "efficient": EFFICIENT, "comprehensive": COMPREHENSIVE}


def settings_of(columns: Sequence[str], channels: Sequence[str]) -> dict[str, Settings]:
    """Return what computes these columns and no others, by channel: the way back from a selection of features."""
    found: dict[str, dict[str, list[dict[str, Any]] | None]] = {}
    for column in columns:
        if not isinstance(column, str):
            raise TypeError(f"features name {column!r:.60}, expected text; take names from the columns of a table")
        channel = max((one for one in channels if column.startswith(f"{one}__")), key=len, default=None)
        if channel is None:
            raise ValueError(f"{column!r} names none of the channels {list(channels)}; take names from a table of them")
        name, *parts = column[len(channel) + 2 :].split("__")
        params = dict(_parameter(part, column) for part in parts)
        own = found.setdefault(channel, {})
        if params:
            own[name] = [*(own.get(name) or []), params]
        else:
            own.setdefault(name, None)
    return dict(found)


def _parameter(part: str, column: str) -> tuple[str, Any]:
    """Return the name and value of ``part``, such as ``coeff_3`` or ``attr_"real"``."""
    name, _, text = part.partition('_"') if part.endswith('"') else part.rpartition("_")
    try:
        return name, text[:-1] if part.endswith('"') else _NO_LITERALS.get(text) or literal_eval(text)
    except (ValueError, SyntaxError) as fault:
        raise ValueError(f"{column!r} holds {part!r}, expected a parameter's name and value") from fault
