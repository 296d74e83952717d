"""How often a detector is right, how many times an hour it is wrong, and how late: tables in, tables out.

False alarms and hours are counted only where the recording states that it was looked at (``labelled`` spans of the
tier) and where the sensors recorded. Zero alarms in T hours is an upper bound of 3 / T, never a rate of zero.
"""

from wristkit.evaluate.agreement import agreement, disputed
from wristkit.evaluate.figures import Rate, Share, rate, share
from wristkit.evaluate.judge import Rule
from wristkit.evaluate.report import EventReport, OperatingPoint, evaluate, failures, stack

__all__ = [
    "EventReport",
    "OperatingPoint",
    "Rate",
    "Rule",
    "Share",
    "agreement",
    "disputed",
    "evaluate",
    "failures",
    "rate",
    "share",
    "stack",
]
