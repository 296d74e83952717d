"""The table of a recipe, whose rows are of three kinds that are never added up.

``simulated``: simulated people, none of them trained on. ``injected``: simulated events over real motion, so that
recall is simulated and false alarms are real. ``real``: real motion in which nobody meant to do it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from wristkit.evaluate import EventReport, hours_needed
from wristkit.evaluate.context import hours_by_context, parts_of
from wristkit.evaluate.tally import context_of, tally

Kind = Literal["simulated", "injected", "real"]
COLUMNS = (
    *("kind", "part", "people", "events", "recall", "recall_low", "recall_high"),
    *("false_alarms", "hours", "fp_per_hour", "fp_per_hour_low", "fp_per_hour_high"),
    *("latency_median_s", "latency_p95_s", "hours_missing", "verdict"),
)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a row is to reach; None where nothing is asked.

    ``claim_per_hour`` is a rate that the hours there are may be too few to claim: ``hours_missing`` says how many more
    it takes, and the verdict does not ask for it.
    """

    recall: float | None = None
    fp_per_hour: float | None = None
    most_alarms: int | None = None
    latency_p95_s: float | None = None
    claim_per_hour: float | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """What is left of reports when their recordings are let go: matches and hours, of which parts can be taken.

    Parameters
    ----------
    matches
        As of ``EventReport``, with a column ``context``.
    hours
        ``subject, context, hours``, each hour once.
    """

    matches: pd.DataFrame
    hours: pd.DataFrame

    @classmethod
    def of(cls, report: EventReport, *, context: str | None = None) -> "Judged":
        """Return what a report found; ``context`` is the tier whose labels say in which context."""
        rows = []
        for name, recording in report.recordings.items():
            spans = report.seen[name].distinct
            lasted = hours_by_context(spans, parts_of(recording, context))
            rows += [(recording.subject or "", where, hours) for where, hours in lasted.items()]
        contexts = context_of(report.matches, report.recordings, context or "")
        table = pd.DataFrame(rows, columns=["subject", "context", "hours"]).astype({"hours": float})
        return cls(report.matches.assign(context=contexts), table)

    @classmethod
    def joined(cls, parts: Iterable["Judged"]) -> "Judged":
        """Return several as one; they must share no hours."""
        held = list(parts)
        if not held:
            raise ValueError("no parts were given, expected one or more that were judged")
        matches = pd.concat([one.matches for one in held], ignore_index=True)
        return cls(matches, pd.concat([one.hours for one in held], ignore_index=True))

    def within(self, contexts: Collection[str]) -> "Judged":
        """Return the part in these contexts."""
        held = set(contexts)
        return Judged(*(one[one["context"].isin(held)] for one in (self.matches, self.hours)))

    def counting(self, contexts: Collection[str]) -> "Judged":
        """Return all hours and false alarms, with the true events of these contexts alone."""
        true = self.matches["kind"].isin(["hit", "miss"])
        return Judged(self.matches[~true | self.matches["context"].isin(set(contexts))], self.hours)

    def of_class(self, label: str) -> "Judged":
        """Return the events of one class, over all hours."""
        return Judged(self.matches[self.matches["label"] == label], self.hours)

    def of_subjects(self, subjects: Collection[str]) -> "Judged":
        """Return the part of these people."""
        held = set(subjects)
        return Judged(*(one[one["subject"].isin(held)] for one in (self.matches, self.hours)))

    def by(self, what: Literal["subject", "context", "label"]) -> pd.DataFrame:
        """Return one row a person, context or class with counts, figures and intervals, the worst first."""
        if what == "label":
            return tally(self.matches, what, dict.fromkeys(sorted(set(self.matches[what])), self.hours["hours"].sum()))
        hours_of = self.hours.groupby(what)["hours"].sum()
        return tally(self.matches, what, {str(name): float(hours) for name, hours in hours_of.items()})


class Part(NamedTuple):
    """One row: which of the three kinds, of what, and what it is to reach."""

    kind: Kind
    name: str
    judged: Judged
    goal: Goal = Goal()


def table(parts: Sequence[Part]) -> pd.DataFrame:
    """Return one row a part, with 95 % intervals; ``verdict`` says by how much a goal is missed.

    ``hours_missing`` is how many more hours without a false alarm would prove the goal's rate, or what it may claim.
    """
    return pd.DataFrame([_row(one) for one in parts], columns=list(COLUMNS))


def subjects(parts: Sequence[Part]) -> pd.DataFrame:
    """Return the rows of a table by person."""
    held = [one.judged.by("subject").reset_index().assign(kind=one.kind, part=one.name) for one in parts]
    joined = pd.concat(held, ignore_index=True)
    return joined[["kind", "part", *(name for name in joined.columns if name not in ("kind", "part"))]]


def _row(part: Part) -> tuple[object, ...]:
    matches = part.judged.matches.assign(all="all")
    one = tally(matches, "all", {"all": float(part.judged.hours["hours"].sum())}).iloc[0]
    missing, claimed = float("nan"), part.goal.claim_per_hour or part.goal.fp_per_hour
    if claimed is not None:
        missing = max(0.0, hours_needed(claimed, alarms=int(one["false_alarms"])) - float(one["hours"]))
    return (
        *(part.kind, part.name, part.judged.hours["subject"].nunique(), int(one["hits"] + one["misses"])),
        *(one[name] for name in ("recall", "recall_low", "recall_high", "false_alarms", "hours")),
        *(one[name] for name in ("fp_per_hour", "fp_per_hour_low", "fp_per_hour_high")),
        *(one["latency_median_s"], one["latency_p95_s"], missing, _verdict(one, part.goal)),
    )


def _verdict(one: "pd.Series[float]", goal: Goal) -> str:
    """Return whether the figures reach the goal, or by how much each does not."""
    short = []
    if goal.recall is not None and not one["recall"] >= goal.recall:
        short.append(f"recall {goal.recall - one['recall']:.3f} below {goal.recall:g}")
    if goal.fp_per_hour is not None and not one["fp_per_hour"] <= goal.fp_per_hour:
        short.append(f"{one['fp_per_hour'] - goal.fp_per_hour:.2f} false alarms an hour above {goal.fp_per_hour:g}")
    if goal.most_alarms is not None and one["false_alarms"] > goal.most_alarms:
        short.append(f"{one['false_alarms'] - goal.most_alarms:.0f} false alarms more than {goal.most_alarms}")
    if goal.latency_p95_s is not None and not one["latency_p95_s"] <= goal.latency_p95_s:
        late_s = one["latency_p95_s"] - goal.latency_p95_s
        short.append(f"p95 of latency {late_s:.3f} s above {goal.latency_p95_s:g} s")
    if goal == Goal():
        return "no goal"
    return "met" if not short else "missed: " + "; ".join(short)
