"""What a cascade did on a recording: its states, what was on and for how long, and what that cost."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector.policy import Policy
from wristkit.detector.stages import Rows, Walk
from wristkit.events import Scores
from wristkit.recording import FloatArray
from wristkit.recording.spans import union

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade


@dataclass(frozen=True, eq=False)
class Trace:
    """The states of a cascade over a recording.

    Parameters
    ----------
    spans
        ``state, start_s, stop_s``, on the score-time axis; a state that was passed through at once has no length. Where
        the gate had no window there is no idle span; a confirmer that is on goes on over it, until time is out.
    events
        What was detected, as from ``detect``.
    gate, confirm
        What the policy saw: ``time_s, centre_s, score, label``; of the confirmer with the gate's share.
    on
        (k, 2) seconds in which the confirmer was on.
    recorded_s, microphone_s
        Seconds for which the gate gave scores, and of them those for which the microphone was on.
    gate_operations, confirm_operations
        Multiply-accumulates of the nets for one window; conditioning and front end are not counted.
    confirm_hop_s
        Seconds between the confirmer's windows.
    scores
        The confirmer's score on the gate's windows, 0 where it was off: what ``evaluate`` and the viewer take.
    policy
        What was run.
    """

    spans: pd.DataFrame
    events: pd.DataFrame
    gate: pd.DataFrame
    confirm: pd.DataFrame
    on: FloatArray
    recorded_s: float
    microphone_s: float
    gate_operations: int
    confirm_operations: int
    confirm_hop_s: float
    scores: Scores
    policy: Policy

    @classmethod
    def of(cls, cascade: "Cascade", gate: Scores, rows: Rows, walk: Walk, events: pd.DataFrame) -> Self:
        """Return the trace of a walk through rows."""
        stretches = _stretches(rows)
        spans = _spans(walk.changes, stretches)
        on = union(spans.loc[spans["listens"], ["start_s", "stop_s"]].to_numpy(dtype=np.float64))
        on = on[on[:, 1] > on[:, 0]]
        recorded_s, on_s = float(np.diff(stretches).sum()), float(np.diff(on).sum())
        confirm = pd.DataFrame(walk.confirmed, columns=["time_s", "centre_s", "score", "label"])
        return cls(
            spans=spans.drop(columns="listens"),
            events=events,
            gate=_table(rows),
            confirm=confirm.astype({"time_s": float, "centre_s": float, "score": float, "label": object}),
            on=on,
            recorded_s=recorded_s,
            microphone_s={"always": recorded_s, "woken": on_s, "never": 0.0}[cascade.microphone],
            gate_operations=cascade.gate_operations,
            confirm_operations=cascade.confirm_operations,
            confirm_hop_s=cascade.confirm.spec.hop_s,
            scores=_scores(cascade, gate, confirm),
            policy=walk.policy,
        )

    @property
    def hours(self) -> float:
        """Hours for which the gate gave scores."""
        return self.recorded_s / 3600

    @property
    def on_s(self) -> float:
        """Seconds for which the confirmer was on."""
        return float(np.diff(self.on).sum())

    @property
    def duty_cycle(self) -> float:
        """Share of the time for which the confirmer was on; NaN of no time."""
        return self.on_s / self.recorded_s if self.recorded_s else float("nan")

    @property
    def wakes(self) -> int:
        """How often the confirmer was woken."""
        return int((self.spans["state"] == "confirming").sum())

    @property
    def operations(self) -> int:
        """Multiply-accumulates of the windows that were scored."""
        return len(self.gate) * self.gate_operations + len(self.confirm) * self.confirm_operations

    @property
    def operations_per_hour(self) -> float:
        """Multiply-accumulates an hour, of gate and confirmer."""
        return self.operations / self.hours if self.recorded_s else float("nan")

    @property
    def always_on_operations_per_hour(self) -> float:
        """What they would be with the confirmer on all the time."""
        gate = len(self.gate) * self.gate_operations / self.hours if self.recorded_s else float("nan")
        return gate + 3600 / self.confirm_hop_s * self.confirm_operations

    def __repr__(self) -> str:
        return (
            f"{len(self.events)} events in {self.hours:.3g} h; the confirmer was woken {self.wakes} times and on for "
            f"{self.on_s:.4g} s ({100 * self.duty_cycle:.3g} %), the microphone for {self.microphone_s:.4g} s; "
            f"{self.operations_per_hour:.3g} operations an hour, {self.always_on_operations_per_hour:.3g} if always on"
        )


def _stretches(rows: Rows) -> FloatArray:
    """Return (k, 2) seconds between the first and the last score of each run of windows."""
    if not len(rows):
        return np.empty((0, 2))
    first = np.union1d([0], np.flatnonzero(rows.follows_gap))
    last = np.append(first[1:], len(rows)) - 1
    return np.column_stack([rows.time_s[first], rows.time_s[last]])


def _spans(changes: list[tuple[float, str, bool]], stretches: FloatArray) -> pd.DataFrame:
    """Return the spans of states; only idle ones reach over a gap, which leaves them in parts."""
    rows: list[tuple[str, float, float, bool]] = []
    if len(stretches):
        ends = [(float(stretches[0, 0]), "idle", False), *changes, (float(stretches[-1, 1]), "", False)]
        for (start_s, name, listens), (stop_s, _, _) in pairwise(ends):
            whole = name != "idle" or stop_s <= start_s
            parts = [(start_s, max(start_s, stop_s))] if whole else _recorded(start_s, stop_s, stretches)
            rows += [(name, one_s, other_s, listens) for one_s, other_s in parts]
    kinds = {"state": object, "start_s": float, "stop_s": float, "listens": bool}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _recorded(start_s: float, stop_s: float, stretches: FloatArray) -> list[tuple[float, float]]:
    first = int(np.searchsorted(stretches[:, 1], start_s, side="right"))
    last = int(np.searchsorted(stretches[:, 0], stop_s, side="left"))
    clipped = np.clip(stretches[first:last], start_s, stop_s)
    return [(one_s, other_s) for one_s, other_s in clipped.tolist() if other_s > one_s]


def _table(rows: Rows) -> pd.DataFrame:
    labels = np.array(rows.labels, dtype=object)[rows.label]
    return pd.DataFrame({"time_s": rows.time_s, "centre_s": rows.centre_s, "score": rows.score, "label": labels})


def _scores(cascade: "Cascade", gate: Scores, confirm: pd.DataFrame) -> Scores:
    """Return for each of the gate's windows the highest score that came with it and since the one before."""
    values: npt.NDArray[np.float32] = np.zeros((len(gate), len(cascade.classes)), dtype=np.float32)
    at = np.searchsorted(gate.time, confirm["time_s"].to_numpy(dtype=np.float64))
    at = np.minimum(at, max(0, len(gate) - 1))
    labels = confirm["label"] if cascade.policy.label is None else [cascade.policy.label] * len(confirm)
    columns = np.array([cascade.classes.index(str(label)) for label in labels], dtype=np.intp)
    np.maximum.at(values, (at, columns), confirm["score"].to_numpy(dtype=np.float32))
    values[:, -1] = 1 - values[:, :-1].max(axis=1, initial=0.0)
    return Scores.of(
        gate.time,
        values,
        classes=cascade.classes,
        centre_s=gate.centre_s,
        hop_s=gate.hop_s,
        window_s=gate.window_s,
        sources=cascade.sources,
    )
