"""Steps: the moment of each, and walks with cadence, regularity and asymmetry, from acceleration alone.

**Method.** Normalised autocorrelation step counting (NASC; Rai, Chintalapudi, Padmanabhan and Sen, "Zee", MobiCom 2012;
among the best in the comparison of Brajdic and Harle, UbiComp 2013): the length of acceleration is likened to itself
one stride later, and where the likeness is high, somebody walks, two steps a stride. Regularity and asymmetry are those
of Moe-Nilssen and Helbostad (J. Biomech. 2004).

**Deviations, and why.**

- The autocorrelation is taken from the power spectrum of a tapered window of 5.2 s between 0.4 and 6 Hz, at rates of
  1.0 to 3.3 steps a second in place of lags of 0.8 to 2 s: posture and ringing straps are left out, a run is let in.
- It is of the length and of the three axes: the length misses an arm's swing, the axes feel how a hand wanders.
- A stride could be one step of a slow walk, and a slow step a stride of a quick one: at the wrist, where the arm
  swings once in two steps, this is the usual fault. What tells them apart is how strong they are: a trunk that rises
  as it does at 1.2 steps a second is felt ten times weaker than at 2.4. A rhythm loses by how far it is from that.
- A rhythm is gait where acceleration along gravity comes once a step, as a trunk rises, or where the axes swing once
  in two, as an arm does. A hand that rubs goes to and fro and is level: a peak alone would count it.
- Nor is a hand that chops or stirs: it goes up and down each time alike, while a trunk sways from one foot to the
  other, so that the axes have something at half the rate of the steps. And where much that is slower than a stride
  goes up and down, it is a squat, and the steps are its third harmonic.
- Steps have a moment each, in place of a number a window: the phase of the step's own part, through a Hann window of
  four steps, whose zeros take all other harmonics of the stride out. One foot cannot give two of them.
- A walk counts from its eighth step on, then from its first: no single bump, and no short row of them, is a step; nor
  are those that are half or twice as strong as the one before, steps and swing taken together. Up to ten seconds after
  a walk four steps at its rate are enough.
- The rhythm is the middle one of seven windows in a row, 0.4 s apart, and bridges a turn of a second.
- In longer turns the rhythm is lost, and people walk on: between two steps of one walk up to 3.5 s apart, while a
  tenth of it is felt in every second, steps are told at even times, a little slower than those around. None of these
  was felt.

Constants are from these principles and from simulated walks; none was fitted to a recording or to a place where a
sensor is worn. That four steps are enough after a pause, that up to twelve are held back, and that turns are walked
through, was added when steps of recorded walks were seen to be missed; how long a turn may be, how little is felt in
it, how weak the first and last step are and how sure a walk has to be are from simulated ones. Recordings with counts
were looked at once while these were chosen, before how sure a walk has to be was, and once at the end.

**Confidence and abstention.** A step's score is the likeness of its stride to the next one, 0 to 1, less at a rate that
is rarely walked. :func:`doubts` tells where nothing is said: too short between gaps, a dead axis, a mean
length that no body's acceleration has.

**Limits.** Rhythms of the hands that are as strong along gravity as a walk, and not quite even, count: stirring,
dishes, push-ups, a rower. Walks of fewer than eight steps do not, nor does a wheel chair; a walk with a turn every
three seconds is no rhythm, and who hops on one foot does not walk. At either end of a walk a step may be missed or told
once too often; 593 of 610 were counted in a recording of several walks. Asymmetry at a wrist is of the arm as much as
of the legs. The turning rate is not looked at. There is no export of this yet.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from wristkit.events import event_table
from wristkit.recipes.doubting import missing, stream_of
from wristkit.recipes.steps.counter import (
    LABEL,
    LEAST_HZ,
    START_UP,
    Counter,
    Doubt,
    Step,
    event_of,
)
from wristkit.recording import Recording, finding_table
from wristkit.signals.pieces import Finding

__all__ = ["BOUT_COLUMNS", "LABEL", "LEAST_HZ", "START_UP", "Counter", "Doubt", "bouts", "detect", "doubts"]

BOUT_COLUMNS = (
    *("start_s", "stop_s", "steps", "cadence_per_min", "step_regularity", "stride_regularity", "asymmetry", "score"),
)
_APART = 2.6  # steps' times between two steps that are not of one walk


def detect(recording: Recording) -> pd.DataFrame:
    """Return the steps of a recording as events, a point each, with the label ``step``.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``missing_channel``, ``unit``, ``unit_implausible``, ``empty`` or
        ``rate_too_low``: under about 20 samples a second.
    """
    steps, _ = _counted(recording)
    return event_table(event_of(step) for step in steps)


def bouts(recording: Recording) -> pd.DataFrame:
    """Return the walks and runs of a recording, a row each.

    ``steps`` counts them and ``cadence_per_min`` is the rate between the first and the last; ``step_regularity`` and
    ``stride_regularity`` are the mean correlations one and two steps later, and ``asymmetry`` is 1 less their ratio:
    0 where left and right feel alike, 1 where a step says nothing of the next one, more where it says the opposite.
    """
    steps, _ = _counted(recording)
    return pd.DataFrame([_bout(one) for one in _walks(steps)], columns=list(BOUT_COLUMNS))


def doubts(recording: Recording) -> pd.DataFrame:
    """Return a finding for each span of a recording in which nothing is said of steps, with what keeps it from that."""
    _, found = _counted(recording)
    absent = missing(recording["accel"])
    remedy = "no step is reported there, and none is ruled out; look at the stream"
    joined = _joined(found)
    findings = [Finding("steps_abstained", "accel", one.start_s, one.stop_s, 1, one.why, remedy) for one in joined]
    return finding_table([*findings, *absent])


def _counted(recording: Recording) -> tuple[list[Step], list[Doubt]]:
    why = "fewer samples a second do not show the steps of a run"
    accel = stream_of(recording, "accel", least_hz=LEAST_HZ, why=why)
    counter = Counter(rate_hz=accel.rate_hz)
    steps = counter.advance(counter.conditioning.run(recording)["accel"]) + counter.flushed()
    return steps, counter.doubts


def _walks(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps of each walk: up to where the next one comes too late for one foot to have been missed."""
    if not steps:
        return
    ends = [place for place, (one, other) in enumerate(pairwise(steps), start=1) if _is_apart(one, other)]
    for first, stop in pairwise([0, *ends, len(steps)]):
        yield steps[first:stop]


def _is_apart(one: Step, other: Step) -> bool:
    return other.at_s - one.at_s > _APART / min(one.rate_hz, other.rate_hz)


def _bout(steps: list[Step]) -> tuple[float, ...]:
    start_s, stop_s = steps[0].at_s, steps[-1].at_s
    step, stride = float(np.mean([one.step for one in steps])), float(np.mean([one.stride for one in steps]))
    cadence = 60 * (len(steps) - 1) / (stop_s - start_s)
    score = float(np.mean([one.sure for one in steps]))
    return start_s, stop_s, len(steps), cadence, step, stride, 1 - step / stride, score


def _joined(found: list[Doubt]) -> list[Doubt]:
    """Return spans of one reason that touch each other as one."""
    joined: list[Doubt] = []
    for one in found:
        if joined and joined[-1].stop_s >= one.start_s - 1e-9 and joined[-1].why[:20] == one.why[:20]:
            joined[-1] = joined[-1]._replace(stop_s=one.stop_s)
        else:
            joined.append(one)
    return joined
