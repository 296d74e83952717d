"""How far measured values lie from a reference: heart rate against a chest strap, steps against a count.

Limits of agreement after Bland and Altman (1986); where a person gives several values they are those for repeated
measurements of a true value that changes (Bland and Altman, "Agreement between methods of measurement with multiple
observations per individual", J Biopharm Stat 17, 2007): the variance of one difference is that within people plus that
between them, so that a person with many values does not stand for all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.figures import CONFIDENCE, FEWEST_PEOPLE, Share, share
from wristkit.evaluate.people import Scale, interval_of
from wristkit.evaluate.shown import lines_html, table_html
from wristkit.recording import FloatArray

LIMIT = 1.96
FIGURES = ("mae", "mape", "bias", "rmse")
SCALES: tuple[Scale, ...] = ("amount", "amount", "any", "amount")


@dataclass(frozen=True, eq=False)
class ContinuousReport:
    """Measured values against a reference.

    Parameters
    ----------
    table
        One row a value: ``subject, measured, reference, error``; error is measured minus reference, NaN where nothing
        was measured.
    notes
        What a reader must know beside the figures.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def coverage(self) -> Share:
        """Share of reference values for which something was measured, with its interval."""
        return share(int(self.table["error"].notna().sum()), len(self.table))

    @property
    def mae(self) -> float:
        """Mean distance from the reference."""
        return self._figure("mae")

    @property
    def mape(self) -> float:
        """Mean distance as a share of the reference; NaN where a reference is 0."""
        return self._figure("mape")

    @property
    def bias(self) -> float:
        """Mean of measured minus reference."""
        return self._figure("bias")

    @cached_property
    def figures(self) -> pd.DataFrame:
        """MAE, MAPE, bias and RMSE over all values with their 95 % interval over people, NaN of fewer than five."""
        value = _means(np.array([_sums(self._held)]))[0]
        low, high = interval_of(_sums_of_people(self._held), _means, SCALES)
        return pd.DataFrame({"value": value, "low": low, "high": high}, index=pd.Index(FIGURES, name="figure"))

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """Bias and the limits within which 95 % of differences lie, with 95 % intervals.

        Over people where there are five or more; of one value a person after Bland and Altman's formula;
        else NaN.
        """
        middle = float(self._held["error"].mean()) if len(self._held) else 0.0  # keeps sums of squares exact
        whose, errors = zip(*self._held.groupby("subject")["error"], strict=True) if len(self._held) else ((), ())
        sums = np.array([_spread_sums(one.to_numpy(dtype=np.float64) - middle) for one in errors]).reshape(-1, 6)
        value = _limits(sums.sum(axis=0, keepdims=True))[0]
        low, high = _limits_interval(sums[[bool(name) for name in whose]], value) + middle
        value += middle
        index = pd.Index(["bias", "lower_limit", "upper_limit"], name="figure")
        return pd.DataFrame({"value": value, "low": low, "high": high}, index=index)

    @property
    def by_subject(self) -> pd.DataFrame:
        """One row a person, largest MAE first."""
        rows = {str(name): _row(part) for name, part in self.table.groupby("subject")}
        return _group_table(rows, "subject").sort_values("mae", ascending=False, kind="stable")

    def by_intensity(self, edges: Sequence[float]) -> pd.DataFrame:
        """Return one row for each span of the reference between edges, what lies below and above them too.

        MAE and bias with their interval over people, NaN of fewer than five.
        """
        cuts = np.asarray(edges, dtype=np.float64)
        if not len(cuts) or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
            raise ValueError(
                f"edges are {list(edges)}, expected one or more increasing numbers, such as (60, 100, 140)"
            )
        place = np.searchsorted(cuts, self.table["reference"].to_numpy(dtype=np.float64), side="right")
        bounds = np.concatenate([[-np.inf], cuts, [np.inf]])
        parts = {f"{low:g} to {high:g}": self.table[place == one] for one, (low, high) in enumerate(pairwise(bounds))}
        table = _group_table({name: _row(part) for name, part in parts.items()}, "reference")
        sums = [_sums_of_people(part[part["error"].notna()]) for part in parts.values()]
        spans = [interval_of(of_part, _means, SCALES) for of_part in sums]
        for column, name in ((0, "mae"), (2, "bias")):
            table[f"{name}_low"], table[f"{name}_high"] = np.array([span[:, column] for span in spans]).T
        return table

    def _figure(self, name: str) -> float:
        return float(self.figures["value"].to_numpy(dtype=np.float64)[FIGURES.index(name)])

    @property
    def _held(self) -> pd.DataFrame:
        return self.table[self.table["error"].notna()]

    def __repr__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        tables = (self.figures, self.agreement, self.by_subject)
        return lines_html(_lines(self)) + "".join(map(table_html, tables))


def continuous_report(
    measured: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    subjects: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> ContinuousReport:
    """Return how measured values agree with a reference.

    Parameters
    ----------
    measured
        (n,) values; NaN, or masked, where the method abstained, which costs coverage and nothing else.
    reference
        (n,) what is true, each a finite number.
    subjects
        (n,) whose each is, "" where nobody knows. Without it no interval over people can be given, and none is.
    notes
        What else a reader must know, such as that the values are simulated; the report and its card say it first.

    Raises
    ------
    ValueError
        Where the three do not belong together row by row, or hold other than numbers and names.
    """
    if isinstance(notes, str) or not isinstance(notes, Iterable):
        raise TypeError(f"notes is {notes!r:.60}, expected several texts; put it in a list")
    _refuse_other_indexes(measured, reference, subjects)
    said, true = _numbers(measured, "measured"), _numbers(reference, "reference")
    if said.shape != true.shape or said.ndim != 1 or not len(said):
        raise ValueError(f"measured has shape {said.shape} and reference {true.shape}, expected (n,) each, n 1 or more")
    if not np.isfinite(true).all():
        raise ValueError(
            f"{int((~np.isfinite(true)).sum())} reference values are no numbers; leave these rows out of both"
        )
    if np.isinf(said).any():
        raise ValueError("measured holds infinite values, expected numbers, or NaN where nothing was measured")
    whose = np.full(len(said), "", dtype=object) if subjects is None else np.asarray(subjects, dtype=object)
    if whose.shape != said.shape:
        raise ValueError(f"subjects has shape {whose.shape}, expected {said.shape}, one name a value")
    if rows := [row for row, name in enumerate(whose.tolist()) if not isinstance(name, str)]:
        raise ValueError(
            f"subjects hold other than text in {len(rows)} rows, such as {rows[:3]} ({whose[rows[0]]!r}); name every "
            'one, "" where nobody knows whose a value is'
        )
    table = pd.DataFrame({"subject": whose, "measured": said, "reference": true, "error": said - true})
    return ContinuousReport(table, (*notes, *_notes(table, named=subjects is not None)))


def _numbers(given: npt.ArrayLike, name: str) -> FloatArray:
    """Return values as numbers, NaN where they are masked or missing."""
    held = given.array if isinstance(given, pd.Series) else given
    if isinstance(held, np.ndarray | pd.api.extensions.ExtensionArray) and getattr(held.dtype, "kind", "f") in "mMcSU":
        raise ValueError(f"{name} holds values of type {held.dtype}, expected numbers, NaN where there is none")
    try:
        if isinstance(held, pd.api.extensions.ExtensionArray):
            held = held.to_numpy(dtype=np.float64, na_value=np.nan)
        numbers = np.asanyarray(held, dtype=np.float64)  # masked ones stay so
    except (TypeError, ValueError) as fault:
        raise ValueError(f"{name} holds what is no number ({fault}); give numbers, NaN where there is none") from fault
    return np.asarray(np.ma.filled(numbers, np.nan))


def _refuse_other_indexes(*given: object) -> None:
    """Raise where Series are not of the same rows: they would be paired by position."""
    series = [one for one in given if isinstance(one, pd.Series)]
    if any(not one.index.equals(series[0].index) for one in series[1:]):
        raise ValueError(
            "measured, reference and subjects are Series with different indexes, expected the same rows in the same "
            "order; take the columns of one joined table, or pass .to_numpy() where they already belong together"
        )


def _notes(table: pd.DataFrame, *, named: bool) -> list[str]:
    people, notes = len(set(table["subject"]) - {""}), []
    nameless = int((table["subject"] == "").sum())
    if not named:
        notes.append("no subjects are given: values count as one person's, and nothing follows about people")
    elif people < FEWEST_PEOPLE:
        notes.append(f"{people} people are too few for an interval over them: {FEWEST_PEOPLE} are needed")
    if named and nameless:
        notes.append(f"{nameless} values have no subject and are left out of intervals over people")
    if (table["reference"] == 0).any():
        notes.append(f"{int((table['reference'] == 0).sum())} references are 0, so a share of them is not defined")
    if missing := int(table["error"].isna().sum()):
        notes.append(f"{missing} of {len(table)} values were not measured: the figures are of the others")
    return notes


def _sums(rows: pd.DataFrame) -> tuple[float, ...]:
    """Return what means are made of: count, and the sums of distance, of its share, of error and of its square."""
    error = rows["error"].to_numpy(dtype=np.float64)
    reference = np.abs(rows["reference"].to_numpy(dtype=np.float64))
    shares = np.divide(np.abs(error), reference, out=np.full(len(error), np.nan), where=reference > 0)
    return len(error), np.abs(error).sum(), shares.sum(), error.sum(), (error**2).sum()


def _sums_of_people(rows: pd.DataFrame) -> FloatArray:
    """Return the sums of each person who has a name."""
    return np.array([_sums(own) for name, own in rows.groupby("subject") if name], dtype=np.float64).reshape(-1, 5)


def _means(sums: FloatArray) -> FloatArray:
    """Return (sets, 4) MAE, MAPE, bias and RMSE of sums (sets, 5)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    means[:, 3] = np.sqrt(means[:, 3])
    return means


def _spread_sums(error: FloatArray) -> tuple[float, ...]:
    """Return what the spread of one person's values adds: 1, n, n squared, sum, sum of squares, sum squared over n."""
    count, total = len(error), float(error.sum())
    return 1.0, count, count**2, total, float((error**2).sum()), total**2 / count


def _limits(sums: FloatArray) -> FloatArray:
    """Return (sets, 3) bias and limits of agreement of sums (sets, 6) over people."""
    people, total, squared, sum_, squares, of_people = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = sum_ / total
        within = (squares - of_people) / (total - people)
        between = (of_people - sum_**2 / total) / (people - 1)
        usual_size = (total - squared / total) / (people - 1)
        of_each = within + np.maximum(0.0, (between - within) / usual_size)
        plain = np.where(total > 1, (squares - sum_**2 / total) / (total - 1), np.nan)
    alone = (people == 1) | (people == total)  # one person, or one value of each: there is but one spread
    half = LIMIT * np.sqrt(np.maximum(np.where(alone, plain, of_each), 0.0))
    return np.column_stack([bias, bias - half, bias + half])


def _limits_interval(sums: FloatArray, value: FloatArray) -> FloatArray:
    """Return (2, 3) the interval of bias and limits."""
    people, total = len(sums), sums[:, 1].sum()
    if people != total or people < 2:
        return interval_of(sums, _limits, ["any"] * 3, held=np.ones((people, 3), dtype=bool))
    from scipy.stats import t  # one value a person: Bland and Altman, 1986

    deviation = (value[2] - value[0]) / LIMIT
    wide = np.array([1 / people, *[1 / people + LIMIT**2 / (2 * (people - 1))] * 2])
    half = t.ppf((1 + CONFIDENCE) / 2, people - 1) * deviation * np.sqrt(wide)
    return np.stack([value - half, value + half])


def _row(rows: pd.DataFrame) -> tuple[float, ...]:
    held = rows[rows["error"].notna()]
    covered = share(len(held), len(rows))
    means = _means(np.array([_sums(held)]))[0]
    deviation = held["error"].std() if len(held) > 1 else float("nan")
    return (len(rows), covered.value, covered.low, covered.high, *means, float(deviation))


def _group_table(rows: dict[str, tuple[float, ...]], name: str) -> pd.DataFrame:
    columns = ["values", "coverage", "coverage_low", "coverage_high", *FIGURES, "deviation"]
    table = pd.DataFrame(rows.values(), index=pd.Index(rows, name=name, dtype=object), columns=columns)
    return table.astype({"values": int})


def _lines(report: ContinuousReport) -> list[str]:
    figures = [_with_interval(*row) for row in report.figures.to_numpy(dtype=np.float64).tolist()]
    limits = [_with_interval(*row) for row in report.agreement.to_numpy(dtype=np.float64).tolist()]
    lines = [f"{name} {figure}" for name, figure in zip(("MAE", "MAPE", "bias", "RMSE"), figures, strict=True)]
    return [*lines, f"limits of agreement {limits[1]} to {limits[2]}", f"coverage {report.coverage}", *report.notes]


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.3g}" if np.isnan(low) else f"{value:.3g} ({low:.3g} to {high:.3g})"
