"""Counts as figures with intervals: shares, rates, quantiles."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wristkit.recording import FloatArray

CONFIDENCE = 0.95
FEWEST_PEOPLE = 5


class Rate(NamedTuple):
    """False alarms an hour with their exact Poisson interval; the count and the hours behind it."""

    per_hour: float
    low: float
    high: float
    alarms: int
    hours: float

    @property
    def per_day(self) -> float:
        """False alarms in 24 labelled hours."""
        return 24 * self.per_hour

    def __str__(self) -> str:
        if not self.hours:
            return "no labelled hours, so no rate"
        if not self.alarms:
            bound = f"at most {self.high:.3g} per hour, at most {24 * self.high:.3g} a day"
            return f"0 in {self.hours:.3g} h, so {bound} (95 %)"
        rates = f"{self.per_hour:.3g} per hour ({self.low:.3g} to {self.high:.3g}), {self.per_day:.3g} a day"
        return f"{rates}, {self.alarms} in {self.hours:.3g} h"


class Share(NamedTuple):
    """A share of a count with its Wilson interval; NaN of nothing."""

    value: float
    low: float
    high: float
    hits: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "nothing to count"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), {self.hits} of {self.total}"


class Quantile(NamedTuple):
    """A quantile of ``total`` values with its exact 95 % interval, whose ends are among them.

    ``share`` 0.5 is the median. An end is NaN where so few values say nothing about it: both ends take 6 values for
    the median, and 72 for the 95th percentile.
    """

    value: float
    low: float
    high: float
    total: int
    share: float

    @property
    def needed(self) -> int:
        """How many values both ends of the interval take."""
        rarer = min(self.share, 1 - self.share)
        return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(1 - rarer))

    def __str__(self) -> str:
        if not self.total:
            return "of nothing"
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.value:.2f} s (no interval of {self.total}, {self.needed} are needed)"
        return f"{self.value:.2f} s ({self.low:.2f} to {self.high:.2f})"


def quantile(values: FloatArray, share: float) -> Quantile:
    """Return a quantile of values with the interval between two of them that no assumption is needed for."""
    if not len(values):
        return Quantile(math.nan, math.nan, math.nan, 0, share)
    from scipy.stats import binom

    tail, count = (1 - CONFIDENCE) / 2, len(values)
    below, above = (int(binom.ppf(one, count, share)) for one in (tail, 1 - tail))  # of the values, those below it
    ordered = np.sort(values)
    low = float(ordered[below - 1]) if below else math.nan
    high = float(ordered[above]) if above < count else math.nan
    return Quantile(float(np.percentile(values, 100 * share)), low, high, count, share)


def share(hits: int, count: int) -> Share:
    """Return hits of count with Wilson's 95 % interval."""
    if not count:
        return Share(float("nan"), 0.0, 1.0, 0, 0)
    from scipy.stats import binomtest

    interval = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    return Share(hits / count, float(interval.low), float(interval.high), hits, count)


def rate(count: int, hours: float) -> Rate:
    """Return a count an hour with its exact 95 % Poisson interval; of a zero count the bound is 3 / hours."""
    if not hours:
        return Rate(float("nan"), 0.0, float("inf"), count, 0.0)
    if not count:
        return Rate(0.0, 0.0, 3.0 / hours, 0, hours)
    from scipy.stats import chi2

    tail = (1 - CONFIDENCE) / 2
    low, high = chi2.ppf(tail, 2 * count) / 2, chi2.ppf(1 - tail, 2 * count + 2) / 2
    return Rate(count / hours, float(low / hours), float(high / hours), count, hours)


def hours_needed(fp_per_hour: float, *, alarms: int = 0) -> float:
    """Return in how many hours so many alarms still prove, with 95 %, a rate of no more than this."""
    if not fp_per_hour > 0:
        raise ValueError(f"fp_per_hour is {fp_per_hour}, expected more than 0: no number of hours proves a rate of 0")
    return rate(alarms, 1.0).high / fp_per_hour


def f1(hits: float, misses: float, alarms: float) -> float:
    """Return the harmonic mean of recall and precision; NaN of nothing at all."""
    total = 2 * hits + misses + alarms
    return 2 * hits / total if total else float("nan")


def of_simulation(notes: Iterable[str]) -> tuple[str, ...]:
    """Return those of notes that say that a figure is simulated, which go wherever it goes."""
    return tuple(note for note in notes if "simulated" in note)
