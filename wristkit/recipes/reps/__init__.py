"""Repetitions of exercises that nobody named: sets and rests, how many, how fast, how far.

**Method.** That of RecoFit (Morris, Saponas, Guillory and Kelner, CHI 2014): stretches are found by the autocorrelation
of sliding windows, and repetitions are peaks along the dominant axis, no closer than 0.75 of the local period and no
lower than half of the 40th percentile.

**Deviations, and why.**

- Whether a window belongs to a set is decided by limits on self-similarity, extent and period, not by a classifier that
  was trained on exercises: there is no open recording of exercises to train one on, and one that was trained on
  simulated ones would know the simulator.
- Self-similarity is that of all axes at once, of a window with the one a lag later, for lags from 0.2 s to 8 s: no axis
  has to be chosen beforehand, and slow and fast exercises have windows of their own, where RecoFit's are 5 s.
- The length of acceleration is one of the axes, with more weight: squats and push-ups hardly turn the wrist.
- The gyroscope enters as the angle that was turned, between 0.1 and 3 Hz: a posture comes once a repetition, a rate
  twice. Without one, acceleration alone is used.
- Along the dominant axis a repetition may have two peaks. The peaks only say what the usual repetition looks like, over
  all axes; what counts is each place that looks like it, up to a third faster or slower. This also finds those at
  either end, which windows only touch, and leaves out how weights are taken up and put down.
- No exercise is known, so that limits of each are of no use: a repetition takes 0.8 s to 7 s, a set has four or more.
  What may as well be gait is no set: less than 1.6 s, a hand that goes no further than arms swing, and heels in it; nor
  is what :mod:`wristkit.recipes.steps` takes for a walk nearly throughout, and for a sure one.

**Confidence and abstention.** ``score`` of an event is how alike it is to the usual repetition of its set, to 1;
``confidence`` of a set is their median, times one less the unevenness of its tempo. It speaks of whether this is one
motion again and again, not of whether the count is right. :func:`doubts` tells where nothing is counted: an axis that
is dead, a unit that contradicts, a device that is not worn; in :func:`sets` these spans are ``unknown``, as gaps are.

**Limits.** What is done again and again in the kitchen or at a table is counted as well: nothing but its name tells it
from an exercise. In a simulated life with every kind of motion for the same time these are five a minute, in real
walking and sitting none; simulated meals have 37 sets an hour and desks 12, walks and runs of all kinds 1.5, mostly the
slowest. Sets of fewer than four are not seen, nor what a wrist does not feel. Of nine steps of washing, each done four
times for 6 to 9 s with a pause in it, one was counted: the rubs inside are the shorter rhythm, and a gap of the sensor,
as there was one in 15 s, ends a set. Repetitions in under 1.6 s with little extent are taken for gait where something
shakes the wrist. There is no export of this yet.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.events import EVENT_COLUMNS
from wristkit.fusion import fuse
from wristkit.recipes import steps
from wristkit.recipes.doubting import looked_at
from wristkit.recipes.reps.counting import FEWEST, LONGEST_S, SHORTEST_S, Repeated, sets_of
from wristkit.recipes.reps.motion import GRID_HZ, LEAST_STRETCH_S, doubted, stretches
from wristkit.recording import FloatArray, Recording, finding_table
from wristkit.recording.spans import subtract

__all__ = ["FEWEST", "LABEL", "LONGEST_S", "SET_COLUMNS", "SHORTEST_S", "detect", "doubts", "sets"]

LABEL = "repetition"
SET_COLUMNS = (
    *("kind", "start_s", "stop_s", "repetitions", "tempo_s", "tempo_sd_s", "range_deg", "range_sd_deg", "confidence"),
)
_NUMBERS = dict.fromkeys(("start_s", "stop_s", "score", "decided_s"), float)
_SETTLE_S, _AFTER_S = 3.0, 0.5  # of fusion around a set
_WALKED, _SURELY = 0.8, 0.78  # share of a set that lies in walks, and the least score of a walk that counts for it


def detect(recording: Recording) -> pd.DataFrame:
    """Return the repetitions of a recording as events with the label ``repetition``.

    Each starts and stops where the hand is furthest from its far end. Whether a motion is one of a set is only known
    when the set is over, which is ``decided_s``.

    Parameters
    ----------
    recording
        With ``accel`` at 20 Hz or more; ``gyro`` is used where it is there and as fast.

    Raises
    ------
    RecordingError
        With code ``missing_stream``, ``empty`` or ``rate_too_low``.
    """
    found, _, _ = _found(recording)
    rows = [
        (start / GRID_HZ, stop / GRID_HZ, LABEL, score, one.stop[-1] / GRID_HZ)
        for one in found
        for start, stop, score in zip(one.start, one.stop, one.alike, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return table.astype(_NUMBERS)


def sets(recording: Recording) -> pd.DataFrame:
    """Return sets, rests and unknown spans of a recording, in order, as rows of ``SET_COLUMNS``.

    ``tempo_s`` is the mean of the seconds from one repetition to the next, with its standard deviation; ``range_deg``
    is by how many degrees the forearm turns between the start of a repetition and its far end, the median over the
    set, with the standard deviation; NaN without a gyroscope, since acceleration in motion tells no angle. A rest is
    everything between sets that was looked at; ``unknown`` is what was not (see :func:`doubts`).

    Parameters
    ----------
    recording
        As of :func:`detect`.
    """
    found, spans, gyro = _found(recording)
    rows: list[tuple[object, ...]] = [_row_of_set(recording, one, gyro=gyro) for one in found]
    lasted = np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2)
    accel = recording["accel"]
    rows += [_row_of_span("rest", *span) for span in subtract(spans, lasted).tolist()]
    unknown = subtract(np.array([[accel.start_s, accel.stop_s]]), np.concatenate([spans, lasted]))
    rows += [_row_of_span("unknown", *span) for span in unknown.tolist()]
    table = pd.DataFrame(rows, columns=list(SET_COLUMNS)).astype(dict.fromkeys(SET_COLUMNS[1:], float))
    return table.astype({"repetitions": int}).sort_values("start_s", ignore_index=True)


def doubts(recording: Recording) -> pd.DataFrame:
    """Return as findings why and where nothing is counted, or the gyroscope is left out."""
    return finding_table(doubted(recording)[0])


def _found(recording: Recording) -> tuple[list[Repeated], FloatArray, bool]:
    """Return all sets in order, the spans (k, 2) in seconds that were looked at, and whether the gyroscope was used."""
    doubts_, gyro = doubted(recording)
    left_out = [row for row in doubts_ if row.code == "gyro_left_out"]
    spans = looked_at(recording["accel"], [row for row in doubts_ if row not in left_out])
    spans = spans[spans[:, 1] - spans[:, 0] >= LEAST_STRETCH_S]
    found = [one for stretch in stretches(recording, spans, gyro=gyro) for one in sets_of(stretch)]
    kept = _without_walks(recording, sorted(found, key=lambda one: float(one.start[0])))
    return kept, spans, gyro


def _without_walks(recording: Recording, found: list[Repeated]) -> list[Repeated]:
    """Return the sets that are no part of a walk."""
    if not found:
        return found
    try:
        walks = steps.bouts(recording)
    except RecordingError:  # a sensor of which steps say nothing, such as one with other names of its axes
        return found
    sure = walks.loc[walks["score"] >= _SURELY, ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    lasted = np.array([(one.start[0], one.stop[-1]) for one in found]) / GRID_HZ
    shared = np.minimum(lasted[:, 1:], sure[:, 1]) - np.maximum(lasted[:, :1], sure[:, 0])
    walked = np.maximum(shared, 0.0).sum(axis=1) >= _WALKED * (lasted[:, 1] - lasted[:, 0])
    return [one for one, gone in zip(found, walked.tolist(), strict=True) if not gone]


def _row_of_span(kind: str, start_s: float, stop_s: float) -> tuple[object, ...]:
    return (kind, start_s, stop_s, 0, *[float("nan")] * 5)


def _row_of_set(recording: Recording, one: Repeated, *, gyro: bool) -> tuple[object, ...]:
    apart_s = np.diff(one.far) / GRID_HZ
    tempo_s, spread_s = float(apart_s.mean()), float(apart_s.std())
    confidence = float(np.median(one.alike)) * (1 - spread_s / tempo_s)
    ranges = _ranges_deg(recording, np.column_stack([one.start, one.far, one.stop]) / GRID_HZ) if gyro else []
    range_deg, range_sd = (float(np.median(ranges)), float(np.std(ranges))) if len(ranges) else (float("nan"),) * 2
    start_s, stop_s = one.start[0] / GRID_HZ, one.stop[-1] / GRID_HZ
    return ("set", start_s, stop_s, len(one.start), tempo_s, spread_s, range_deg, range_sd, confidence)


def _ranges_deg(recording: Recording, times_s: FloatArray) -> Sequence[float]:
    """Return by how far the forearm turns in each repetition of (k, 3) start, far end and stop."""
    from scipy.spatial.transform import Rotation

    motion = Recording.of([recording["accel"], recording["gyro"]])
    try:
        fused = fuse(motion.between(times_s[0, 0] - _SETTLE_S, times_s[-1, 2] + _AFTER_S))
    except RecordingError:  # too little around a gap to tell down: there is a count, and no angle
        return []
    attitude = fused["attitude"]
    ranges = []
    for start_s, _, stop_s in times_s.tolist():
        part = attitude.between(start_s, stop_s).values
        part = part[np.isfinite(part).all(axis=1)]
        if len(part) < 2:
            continue
        turns = Rotation.from_quat(part, scalar_first=True)
        ranges.append(float(np.degrees((turns[0].inv() * turns).magnitude().max())))
    return ranges
