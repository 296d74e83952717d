"""How often a detector is right, how many times an hour it is wrong, and how late: tables in, tables out.

False alarms and hours are counted only where the recording states that it was looked at (``labelled`` spans of the
tier) and where the sensors recorded. Zero alarms in T hours is an upper bound of 3 / T, never a rate of zero.
"""

from wristkit.evaluate.agreement import agreement, disputed
from wristkit.evaluate.compare import Comparison, compare_events, compare_predictions
from wristkit.evaluate.continuous import ContinuousReport, continuous_report
from wristkit.evaluate.failures import AlarmGroups, alarm_groups, failures, hard_negatives, windows_around
from wristkit.evaluate.figures import Quantile, Rate, Share, hours_needed, quantile, rate, share
from wristkit.evaluate.judge import Rule, Seen
from wristkit.evaluate.report import EventReport, OperatingPoint, evaluate, stack
from wristkit.evaluate.tune import TunedDecoder, default_grid, refuse_shared_people, tune_decoder
from wristkit.evaluate.window import PREDICTION_COLUMNS, WindowReport, confusion_counts, macro_f1, window_report

__all__ = [
    "PREDICTION_COLUMNS",
    "AlarmGroups",
    "Comparison",
    "ContinuousReport",
    "EventReport",
    "OperatingPoint",
    "Quantile",
    "Rate",
    "Rule",
    "Seen",
    "Share",
    "TunedDecoder",
    "WindowReport",
    "agreement",
    "alarm_groups",
    "compare_events",
    "compare_predictions",
    "confusion_counts",
    "continuous_report",
    "default_grid",
    "disputed",
    "evaluate",
    "failures",
    "hard_negatives",
    "hours_needed",
    "macro_f1",
    "quantile",
    "rate",
    "refuse_shared_people",
    "share",
    "stack",
    "tune_decoder",
    "window_report",
    "windows_around",
]
