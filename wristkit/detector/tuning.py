"""The thresholds of gate and confirmer chosen together: recall against false alarms against what it costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from wristkit.detector.cascade import Cascade
from wristkit.detector.judging import report_of
from wristkit.detector.policy import Policy
from wristkit.detector.prepared import Prepared
from wristkit.detector.trace import Trace
from wristkit.evaluate import EventReport, refuse_shared_people
from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, several_recordings

SURFACE = (
    *("recall", "fp_per_hour", "latency_median_s", "duty_cycle", "microphone_share", "operations_per_hour"),
    *("always_on_operations_per_hour", "wakes_per_hour"),
)
_SHARES = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5)  # of true events that a threshold may lose
_LEAST = 0.05  # a lower threshold is none
_NEAR_S = 0.5


@dataclass(frozen=True, eq=False)
class TunedCascade:
    """A cascade with the thresholds of highest recall within a rate of false alarms and a cost.

    Parameters
    ----------
    cascade
        With the chosen policy.
    surface
        One row a pair of thresholds: ``gate_high, confirm_high``, the columns of ``SURFACE`` and ``chosen``.
    target
        What was asked for, in words.
    people
        On whom it was chosen; its figures are better on them than on others.
    """

    cascade: Cascade
    surface: pd.DataFrame
    target: str
    people: tuple[str, ...]

    @property
    def point(self) -> "pd.Series[float]":
        """The chosen row of the surface."""
        return self.surface.loc[self.surface["chosen"]].iloc[0]

    def __repr__(self) -> str:
        point = self.point
        return (
            f"gate at {point['gate_high']:.3g}, confirmer at {point['confirm_high']:.3g}, for {self.target}: recall "
            f"{point['recall']:.3f}, {point['fp_per_hour']:.3g} false alarms an hour, confirmer on "
            f"{100 * point['duty_cycle']:.3g} % of the time; of {len(self.surface)} pairs, chosen on "
            f"{', '.join(self.people)} themselves"
        )


def tune_cascade(
    cascade: Cascade,
    recordings: Recording | Iterable[Recording],
    *,
    fp_per_hour: float,
    most_duty_cycle: float = 1.0,
    test: Sequence[Recording] = (),
    gate_high: Sequence[float] | None = None,
    confirm_high: Sequence[float] | None = None,
    tier: str = "truth",
    tolerance_s: float = 0.5,
) -> TunedCascade:
    """Return the cascade with the highest recall at no more than so many false alarms an hour and so much time on.

    Each pair of thresholds is run whole, with the wakes that it gives; of equal recall the cheapest is taken.

    Parameters
    ----------
    cascade
        Whose policy gives all else. A low threshold or a second chance above a tried high one comes down to it.
    recordings
        Whose labels are the truth; each with a subject.
    fp_per_hour, most_duty_cycle
        Most false alarms an hour on these people, and the largest share of the time with the confirmer on.
    test
        What the cascade will be judged on. People or recordings that are in both raise.
    gate_high, confirm_high
        Thresholds to try, each with each. By default those that all, nearly all, and so on down to half of the true
        events pass.
    tier, tolerance_s
        As in :func:`wristkit.evaluate`.
    """
    _check_limits(cascade, fp_per_hour, most_duty_cycle, gate_high, confirm_high)
    recordings = several_recordings(recordings)
    refuse_shared_people(recordings, test)
    truth = {one.id: _truth(one, cascade, tier) for one in recordings}
    _check_truth(recordings, truth, cascade, tier)
    prepared = {one.id: Prepared(cascade, one) for one in recordings}
    if not any(len(one.rows) for one in prepared.values()):
        raise ValueError("no recording is as long as a window of the gate; expected longer ones")
    gates = _gate_steps(prepared, truth, cascade.policy) if gate_high is None else tuple(gate_high)
    wide = {
        name: one.run(_at(cascade.policy, min(gates), cascade.policy.confirm_high)) for name, one in prepared.items()
    }
    confirms = _confirm_steps(wide, truth, cascade.policy) if confirm_high is None else tuple(confirm_high)
    rows = []
    for gate, confirm in product(gates, confirms):
        traces = {name: one.run(_at(cascade.policy, gate, confirm)) for name, one in prepared.items()}
        report = report_of(cascade, recordings, traces, tier=tier, tolerance_s=tolerance_s)
        rows.append({"gate_high": gate, "confirm_high": confirm, **_figures(report, list(traces.values()))})
    surface = pd.DataFrame(rows)
    target = f"at most {fp_per_hour:g} false alarms an hour, the confirmer on for at most {100 * most_duty_cycle:g} %"
    chosen = _chosen(surface, fp_per_hour, most_duty_cycle, target)
    policy = _at(cascade.policy, rows[chosen]["gate_high"], rows[chosen]["confirm_high"])
    return TunedCascade(
        cascade.with_policy(policy),
        surface.assign(chosen=surface.index == chosen),
        target,
        tuple(sorted({str(one.subject) for one in recordings})),
    )


def _check_limits(
    cascade: object,
    fp_per_hour: float,
    most_duty_cycle: float,
    gate_high: Sequence[float] | None,
    confirm_high: Sequence[float] | None,
) -> None:
    if not isinstance(cascade, Cascade):
        raise TypeError(f"cascade is a {type(cascade).__name__}, expected a Cascade; tune_decoder is for a Detector")
    if not (is_number(fp_per_hour) and 0 <= fp_per_hour < np.inf):
        raise ValueError(f"fp_per_hour is {fp_per_hour!r}, expected false alarms an hour, 0 or more")
    if not (is_number(most_duty_cycle) and 0 < most_duty_cycle <= 1):
        raise ValueError(f"most_duty_cycle is {most_duty_cycle!r}, expected a share above 0, up to 1")
    for name, tried in (("gate_high", gate_high), ("confirm_high", confirm_high)):
        if tried is not None and not (len(tried) and all(is_number(one) for one in tried)):
            raise ValueError(f"{name} is {tried!r}, expected thresholds such as (0.5, 0.7), or None")


def _check_truth(recordings: Sequence[Recording], truth: Mapping[str, FloatArray], cascade: Cascade, tier: str) -> None:
    if not recordings:
        raise ValueError("there is no recording; expected some of people whom nothing was trained on")
    if not any(len(one) for one in truth.values()):
        raise ValueError(
            f"tier {tier!r} of {len(recordings)} recording(s) has no event of {', '.join(cascade.classes[:-1])}; label "
            "some, or name another tier"
        )
    if not any(len(one.labelled.get(tier, ())) for one in recordings):
        raise ValueError(f"tier {tier!r} says of no span that all in it is labelled: give labelled= with the labels")


def _at(policy: Policy, gate_high: float, confirm_high: float) -> Policy:
    """Return the policy with these high thresholds, and what would lie above them come down to them."""
    second = policy.second_chance
    confirm_low = min(policy.confirm_low, confirm_high)
    return replace(
        policy,
        gate_high=gate_high,
        gate_low=min(policy.gate_low, gate_high),
        confirm_high=confirm_high,
        confirm_low=confirm_low,
        second_chance=None if second is None else min(second, confirm_high),
    )


def _figures(report: EventReport, traces: Sequence[Trace]) -> dict[str, float]:
    hours, recorded_s = sum(one.hours for one in traces), sum(one.recorded_s for one in traces)
    always = sum(one.always_on_operations_per_hour * one.hours for one in traces)
    costs = (
        sum(one.on_s for one in traces) / recorded_s,
        sum(one.microphone_s for one in traces) / recorded_s,
        sum(one.operations for one in traces) / hours,
        always / hours,
        sum(one.wakes for one in traces) / hours,
    )
    figures = (report.recall, report.fp_per_hour, report.latency_median_s, *costs)
    return dict(zip(SURFACE, figures, strict=True))


def _chosen(surface: pd.DataFrame, fp_per_hour: float, most_duty_cycle: float, target: str) -> int:
    """Return the row of highest recall within the target; of equals the cheapest."""
    allowed = surface[(surface["fp_per_hour"] <= fp_per_hour) & (surface["duty_cycle"] <= most_duty_cycle)]
    found = allowed[allowed["recall"] > 0]
    if found.empty:
        raise ValueError(
            f"no pair of {len(surface)} finds a true event with {target}; allow more, try other thresholds, or train "
            "on what it mistakes: wristkit.evaluate.hard_negatives"
        )
    order = found.sort_values(["recall", "operations_per_hour", "fp_per_hour"], ascending=[False, True, True])
    return int(order.index[0])


def _truth(recording: Recording, cascade: Cascade, tier: str) -> FloatArray:
    labels = recording.labels
    wanted = labels[(labels["tier"] == tier) & labels["label"].isin(cascade.classes[:-1])]
    return wanted[["start_s", "stop_s"]].to_numpy(dtype=np.float64)


def _gate_steps(prepared: Mapping[str, Prepared], truth: Mapping[str, FloatArray], policy: Policy) -> tuple[float, ...]:
    peaks = [_peaks(one.rows.centre_s, one.rows.score, truth[name]) for name, one in prepared.items()]
    return _quantiles(np.concatenate(peaks), policy.gate_high)


def _confirm_steps(traces: Mapping[str, Trace], truth: Mapping[str, FloatArray], policy: Policy) -> tuple[float, ...]:
    heard = {
        name: (one.confirm["centre_s"].to_numpy(), one.confirm["score"].to_numpy()) for name, one in traces.items()
    }
    return _quantiles(np.concatenate([_peaks(*heard[name], truth[name]) for name in heard]), policy.confirm_high)


def _peaks(centre_s: FloatArray, score: FloatArray, spans: FloatArray) -> FloatArray:
    """Return the highest score within a little of each true event, where there is any."""
    order = np.argsort(centre_s, kind="stable")
    first = np.searchsorted(centre_s[order], spans[:, 0] - _NEAR_S)
    last = np.searchsorted(centre_s[order], spans[:, 1] + _NEAR_S, side="right")
    found = [score[order[a:b]].max() for a, b in zip(first, last, strict=True) if b > a]
    return np.array(found, dtype=np.float64)


def _quantiles(peaks: FloatArray, usual: float) -> tuple[float, ...]:
    """Return thresholds that let pass all true events, nearly all, and so on down to half; and the one that stands."""
    wanted = np.quantile(peaks, _SHARES, method="lower") if len(peaks) else np.empty(0)
    rounded = np.floor(np.clip(wanted, _LEAST, 1.0) * 1e4) / 1e4
    return tuple(float(one) for one in np.union1d(rounded, [usual]))
