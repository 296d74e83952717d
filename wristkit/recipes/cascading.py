"""How the cascades of motion and sound are judged: on simulated lives, on what is injected into real motion, for real.

Without sound the gate decides alone. A confirmer on everyday motion is counted outside of the scenes it is meant for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from inspect import getclosurevars, getfile, getsource, isfunction, ismodule
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.audio import MelParams
from wristkit.condition import Conditioning
from wristkit.condition.sound import MEL, mel_source
from wristkit.detector import Cascade, Detector, Policy, Trace, TunedCascade, tune_cascade
from wristkit.detector.prepared import Prepared
from wristkit.evaluate import evaluate, stack
from wristkit.evaluate.tally import counts_of
from wristkit.recipes import hours, lasting, scenes
from wristkit.recipes.keeping import kept_detector
from wristkit.recipes.lasting import Lasting
from wristkit.recipes.scenes import UNSEEN, changed
from wristkit.recipes.spotting import Say
from wristkit.recipes.table import Goal, Judged, Part
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import intersect, subtract, union
from wristkit.windows import Windows

REAL_SETS = ("broad", "spsw", "uwash")
SOUND = frozenset({"audio", "mel"})
"""Streams of sound."""


ASKED_HOURS = 50
"""Simulated people of an hour each on whom the goals are to be met."""
ALWAYS_HEARD = 10
"""Simulated people of the table on whom a microphone that is always on is run too, an hour of each."""
_SPARE_RECALL = 0.011  # that a looser gate may cost: one event of a hundred


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
    return changed(recording, without=SOUND) if SOUND & set(recording.streams) else recording


def to_train_on() -> Iterator[Recording]:
    """Yield what the defaults are trained on: simulated lives with sound, and real motion of people who only walk."""
    yield from scenes.school()
    yield from hours.real_hours("train", sets=("spsw",))


def motion_and_sound(
    recordings: Iterable[Recording], sound: Iterable[Recording] | None
) -> tuple[Iterable[Recording], Iterable[Recording]]:
    """Return what a gate learns from and what a confirmer does: of the first what has sound, where none is given."""
    if sound is not None:
        return recordings, sound
    held = list(recordings)
    return held, [one for one in held if SOUND & set(one.streams)]


def learnt(
    what: Lasting,
    recordings: Iterable[Recording],
    *,
    of_class: int,
    background: int,
    smooth: int,
    beside: Callable[[Windows], Windows] | None = None,
    epochs: int,
    seed: int,
    say: Say,
) -> Detector:
    """Return a stage that learnt from recordings and whose scores are averaged over so many windows."""
    held = list(recordings)
    options = {"of_class": of_class, "background": background, "epochs": epochs, "seed": seed}

    def trained() -> Detector:
        fit = lasting.train(
            what, held, of_class=of_class, background=background, beside=beside, epochs=epochs, seed=seed, say=say
        )
        return fit.detector()

    said = {one.name: getattr(what, one.name) for one in fields(what)}
    said |= {name: _told_by(said[name]) for name in ("is_so", "unsaid")}
    if beside is not None:
        said["beside"] = Path(getfile(getattr(beside, "func", beside))).read_text()
    asked = (said, options, [one.id for one in held])
    return lasting.smoothed(hearing(kept_detector(trained, *asked)), smooth)


def _told_by(function: Callable[..., object]) -> str:
    """Return the source of a function, and of all of its own module that it uses."""
    told = [getsource(function)]
    for name, used in getclosurevars(function).globals.items():
        if isfunction(used) and used.__module__ == function.__module__:
            told.append(_told_by(used))
        elif not (isfunction(used) or ismodule(used)):
            told.append(f"{name} = {used!r}")
    return "\n".join(told)


def hearing(detector: Detector) -> Detector:
    """Return a detector that was trained on frames of sound as one that makes them of ``audio`` by itself."""
    conditioning, front = detector.spec.conditioning, MelParams()
    names = [one.name for one in conditioning.sources]
    if MEL not in names or conditioning.mel is not None:
        return detector
    frames, expected = conditioning.sources[names.index(MEL)], mel_source(front)
    if (frames.channels, frames.unit) != (expected.channels, expected.unit):
        raise ValueError(
            f"frames of sound have {len(frames.channels)} channels in {frames.unit!r}, expected "
            f"{len(expected.channels)} in {expected.unit!r}: make them by wristkit.audio.mel"
        )
    sources = tuple(expected if one.name == MEL else one for one in conditioning.sources)
    made = Conditioning(sources=sources, steps=(front, *conditioning.steps))
    return Detector(replace(detector.spec, conditioning=made), detector.model)


def tuned(
    cascade: Cascade,
    recordings: Sequence[Recording],
    *,
    fp_per_hour: float,
    most_duty_cycle: float,
    gate_high: Sequence[float],
    confirm_high: Sequence[float],
) -> TunedCascade:
    """Return the loosest gate within the limits on these people, and with it the loosest confirmer.

    ``tune_cascade`` takes the cheapest of pairs that find as much; here what the confirmer costs is free up to its
    limit, and so are false alarms, for other people's events pass loose thresholds more surely and sooner.
    """
    found = tune_cascade(
        cascade,
        recordings,
        fp_per_hour=fp_per_hour,
        most_duty_cycle=most_duty_cycle,
        gate_high=gate_high,
        confirm_high=confirm_high,
    )
    surface = found.surface
    good = surface[(surface["fp_per_hour"] <= fp_per_hour) & (surface["duty_cycle"] <= most_duty_cycle)]
    good = good[good["recall"] >= good["recall"].max() - _SPARE_RECALL]
    good = good[good["gate_high"] == good["gate_high"].min()]
    chosen = good["confirm_high"].idxmin()
    gate, confirm = (float(surface.loc[chosen, name]) for name in ("gate_high", "confirm_high"))
    policy = replace(
        cascade.policy,
        gate_high=gate,
        gate_low=min(cascade.policy.gate_low, gate),
        confirm_high=confirm,
        confirm_low=min(cascade.policy.confirm_low, confirm),
    )
    return replace(found, cascade=cascade.with_policy(policy), surface=surface.assign(chosen=surface.index == chosen))


def as_shipped(surface: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return a surface with the point marked at which a policy stands."""
    stands = (surface["gate_high"] == policy.gate_high) & (surface["confirm_high"] == policy.confirm_high)
    return surface.assign(chosen=stands)


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
        held, prepared = task.judged(one), Prepared(cascade, one)
        trace, without = prepared.run(cascade.policy), prepared.unheard().run(cascade.policy)
        heard.append(_judged(task, [held], {held.id: trace}))
        cost += _cost(task, held, trace)
        unheard.append(_judged(task, [held], {held.id: without}))
    return Judged.joined(heard), Judged.joined(unheard), cost


def judge_together(task: Task, cascade: Cascade, recordings: Sequence[Recording]) -> tuple[Judged, Cost]:
    """Return what a cascade does on recordings; the hours that several of them hold are counted once."""
    held = [task.judged(one) for one in recordings]
    traces = {one.id: cascade.trace(one) for one in held}
    cost = sum((_cost(task, one, traces[one.id]) for one in held), Cost())
    return _judged(task, held, traces), cost


def judge_copies(task: Task, cascade: Cascade, copies: Sequence[Sequence[Recording]]) -> Judged:
    """Return what a cascade does on several copies of the same hours; hours and false alarms are those of the first."""
    held = {one.id: one for copy in copies for one in copy}  # one that nothing fits into is the same in all copies
    judged, _ = judge_together(task, cascade, list(held.values()))
    first = {one.id for one in copies[0]}
    again = (judged.matches["kind"] == "false alarm") & ~judged.matches["recording"].isin(first)
    return Judged(judged.matches[~again], judged.hours)


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


def said_of(parts: Sequence[Part], people: int) -> list[Part]:
    """Return rows of simulated people that say so where they are fewer than the goals ask for."""
    if people >= ASKED_HOURS:
        return list(parts)
    return [one._replace(name=f"{one.name} ({people} h of {ASKED_HOURS})") for one in parts]


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
        gate_weight=0.0,
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
