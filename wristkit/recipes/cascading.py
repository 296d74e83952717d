"""How the cascades of motion and sound are judged: on simulated lives, on what is injected into real motion, for real.

Without sound the gate decides alone. A confirmer on everyday motion is counted outside of the scenes it is meant for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from wristkit.detector import Cascade, Policy, Trace
from wristkit.evaluate import evaluate, stack
from wristkit.evaluate.tally import counts_of
from wristkit.recipes.scenes import UNSEEN
from wristkit.recipes.table import Goal, Judged, Part
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import intersect, subtract, union

REAL_SETS = ("broad", "spsw", "uwash")
SOUND = frozenset({"audio", "mel"})
"""Streams of sound."""


@dataclass(frozen=True)
class Cost:
    """For how long everyday motion was seen, and the confirmer was on in it, in seconds."""

    everyday_s: float = 0.0
    on_s: float = 0.0
    microphone_s: float = 0.0

    @property
    def duty_cycle(self) -> float:
        """Share of everyday motion with the confirmer on; NaN of no time."""
        return self.on_s / self.everyday_s if self.everyday_s else float("nan")

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.everyday_s + other.everyday_s, self.on_s + other.on_s, self.microphone_s + other.microphone_s)

    def __repr__(self) -> str:
        return (
            f"confirmer on {100 * self.duty_cycle:.2f} % of {self.everyday_s / 3600:.3g} h of everyday motion outside "
            "of what it is meant for"
        )


@dataclass(frozen=True, eq=False)
class Task:
    """What a cascade is to find, and from when its latency counts.

    Parameters
    ----------
    label
        Of the events, in the tier truth.
    tier
        Whose labels say in which context something happened.
    meant
        Recording to (k, 2) seconds that are no everyday motion: the scenes of the events themselves.
    late_from
        Recording to (k, 2) seconds of which the first that lies in an event is when its latency begins; None: its
        start.
    """

    label: str
    tier: str
    meant: Callable[[Recording], FloatArray]
    late_from: Callable[[Recording], FloatArray] | None = None

    def judged(self, recording: Recording) -> Recording:
        """Return a recording whose truth is of this task alone."""
        labels = recording.labels
        kept = labels[(labels["tier"] != "truth") | (labels["label"] == self.label)]
        return recording.with_labels(kept.reset_index(drop=True), labelled=recording.labelled)


def silent(recording: Recording) -> Recording:
    """Return a recording without its sound, as if there were no microphone."""
    if not SOUND & set(recording.streams):
        return recording
    return Recording.of(
        [one for name, one in recording.streams.items() if name not in SOUND],
        labels=recording.labels,
        labelled=recording.labelled,
        subject=recording.subject,
        wrist=recording.wrist,
        crown=recording.crown,
        source=recording.source,
    )


def judge(task: Task, cascade: Cascade, recordings: Iterable[Recording]) -> tuple[Judged, Cost]:
    """Return what a cascade does on recordings that share no hours, taken one after the other, and what was on."""
    parts, cost = list[Judged](), Cost()
    for one in recordings:
        held = task.judged(one)
        trace = cascade.trace(held)
        parts.append(_judged(task, [held], {held.id: trace}))
        cost += _cost(task, held, trace)
    return Judged.joined(parts), cost


def judge_both(task: Task, cascade: Cascade, recordings: Iterable[Recording]) -> tuple[Judged, Judged, Cost]:
    """Return what a cascade does with sound and without on recordings that share no hours, and what was on with it."""
    heard, unheard, cost = list[Judged](), list[Judged](), Cost()
    for one in recordings:
        with_sound, on = judge(task, cascade, [one])
        heard.append(with_sound)
        cost += on
        unheard.append(judge(task, cascade, [silent(one)])[0])
    return Judged.joined(heard), Judged.joined(unheard), cost


def judge_together(task: Task, cascade: Cascade, recordings: Sequence[Recording]) -> tuple[Judged, Cost]:
    """Return what a cascade does on recordings; the hours that several of them hold are counted once."""
    held = [task.judged(one) for one in recordings]
    traces = {one.id: cascade.trace(one) for one in held}
    cost = sum((_cost(task, one, traces[one.id]) for one in held), Cost())
    return _judged(task, held, traces), cost


def _judged(task: Task, held: Sequence[Recording], traces: dict[str, Trace]) -> Judged:
    report = evaluate(
        stack({name: one.events for name, one in traces.items()}),
        held,
        scores={name: one.scores for name, one in traces.items()},
        streams=("accel", "gyro"),
    )
    judged = Judged.of(report, context=task.tier)
    if task.late_from is None:
        return judged
    begun = {one.id: task.late_from(one) for one in held}
    return replace(judged, matches=_from_when(judged.matches, begun))


def _from_when(matches: pd.DataFrame, begun: dict[str, FloatArray]) -> pd.DataFrame:
    """Return matches whose latency counts from the first of these spans that begins in the true event."""
    late_s = matches["latency_s"].to_numpy(dtype=np.float64).copy()
    times = matches[["true_start_s", "true_stop_s", "decided_s"]].to_numpy(dtype=np.float64)
    for place in np.flatnonzero(matches["kind"] == "hit").tolist():
        start_s, stop_s, decided_s = times[place].tolist()
        starts_s = np.sort(begun[str(matches["recording"].iloc[place])][:, 0])
        inside = starts_s[(starts_s >= start_s) & (starts_s < stop_s)]
        late_s[place] = decided_s - inside[0] if len(inside) else late_s[place]
    return matches.assign(latency_s=late_s)


def _cost(task: Task, recording: Recording, trace: Trace) -> Cost:
    seen = np.array([[recording.start_s, recording.stop_s]])
    everyday = subtract(seen, task.meant(recording))
    on = intersect(union(trace.on), everyday)
    share = trace.microphone_s / trace.on_s if trace.on_s else 0.0
    return Cost(float(np.diff(everyday).sum()), float(np.diff(on).sum()), share * float(np.diff(on).sum()))


# ---- parts of a table ----


def everyday_parts(judged: Judged, kind: str, *, own: Sequence[str]) -> list[Part]:
    """Return the rows of simulated false alarms: in its own scenes, in those trained on, in those unseen."""
    contexts = set(judged.hours["context"])
    groups = {
        "its own scenes": contexts & set(own),
        "scenes trained on": contexts - set(own) - UNSEEN,
        "scenes never trained on": contexts & UNSEEN,
    }
    return [
        Part("simulated", f"{kind}: alarms in {name}", judged.within(held).counting(()))
        for name, held in groups.items()
        if held
    ]


def real_parts(judged: Judged, name: str, goal: Goal) -> list[Part]:
    """Return the rows of real hours, all and by set."""
    parts = [Part("real", f"{name}: all sets", judged, goal)]
    for place in REAL_SETS:
        of_set = Judged(*(one[one["subject"].str.startswith(place)] for one in (judged.matches, judged.hours)))
        if len(of_set.hours):
            parts.append(Part("real", f"{name}: {place}", of_set))
    return parts


def always_open(policy: Policy) -> Policy:
    """Return a policy by which the confirmer is always on and decides alone: the gate is not asked."""
    never_s = 1e9
    return replace(
        policy,
        gate_high=1e-9,
        gate_low=1e-9,
        arm_s=0.0,
        gate_release_s=None,
        confirm_timeout_s=never_s,
        span_of="confirm",
        rejected_s=0.0,
    )


def against_always_on(task: Task, cascade: Cascade, recordings: Iterable[Recording]) -> pd.DataFrame:
    """Return what the gate saves and costs: a row behind it and one always on, on all that was recorded.

    Columns ``microphone, events, recall, false_alarms, duty_cycle, operations_per_hour``. The sound of all scenes must
    be in the recordings.
    """
    open_ = cascade.with_policy(always_open(cascade.policy))
    held = [task.judged(one) for one in recordings]
    rows = []
    for name, one in (("behind the gate", cascade), ("always on", open_)):
        traces = {recording.id: one.trace(recording) for recording in held}
        hits, misses, alarms = counts_of(_judged(task, held, traces).matches)
        recorded_s = sum(trace.recorded_s for trace in traces.values())
        on_s, operations = (sum(getattr(trace, of) for trace in traces.values()) for of in ("on_s", "operations"))
        recall = hits / (hits + misses) if hits + misses else float("nan")
        rows.append((name, hits + misses, recall, alarms, on_s / recorded_s, 3600 * operations / recorded_s))
    columns = ["microphone", "events", "recall", "false_alarms", "duty_cycle", "operations_per_hour"]
    return pd.DataFrame(rows, columns=columns)


def worst(judged: Judged, *, most: int = 5) -> pd.DataFrame:
    """Return the worst matches: false alarms, the surest first, then misses, then what was found last."""
    matches = judged.matches[judged.matches["kind"].isin(["false alarm", "miss", "hit"])]
    rank = matches["kind"].map({"false alarm": 0, "miss": 1, "hit": 2})
    badness = matches["latency_s"].where(matches["kind"] == "hit", matches["score"]).fillna(0.0)
    order = matches.assign(rank=rank, badness=-badness).sort_values(["rank", "badness"], kind="stable").index
    return matches.loc[order[:most]]
