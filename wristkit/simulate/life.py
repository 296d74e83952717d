"""Hours of a simulated life: gestures here and there among what people do, and among what only looks like one."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from wristkit.recording import Recording
from wristkit.simulate.gestures import GESTURES
from wristkit.simulate.people import Person, check_seed
from wristkit.simulate.sensor import SensorParams
from wristkit.simulate.session import MOTIONS, TRANSITION_S, Gestures, Plan, session

EQUAL_SHARES: Mapping[str, float] = MappingProxyType(dict.fromkeys(MOTIONS, 1.0))
"""Every activity and every confounder for the same time."""
CALM: tuple[str, ...] = ("sitting", "resting", "walking", "standing_up", "looking_at_watch", "phone_to_ear", "driving")
"""During what gestures are done, if nothing else is said: the hand has nothing else to do."""
ACTIVITY_TIER = "activity"

_BOUT_S = (12.0, 45.0)  # shortest and longest stretch of one activity: estimate
_EDGE_S = 2.5  # a gesture stays so far from the plan's ends
_LONGEST_S = 3.0  # of a gesture


def life_plan(
    *,
    hours: float,
    seed: int,
    per_hour: Mapping[str, float] = MappingProxyType({}),
    shares: Mapping[str, float] = EQUAL_SHARES,
    during: Sequence[str] = CALM,
    apart_s: float = 3.0,
) -> tuple[Plan, Gestures]:
    """Return what is done when, and when each gesture starts.

    Parameters
    ----------
    hours
        How long it lasts.
    per_hour
        Gesture of ``GESTURES`` to how many of it an hour; rounded to whole ones over the whole time.
    shares
        Activity of ``MOTIONS`` to its share of the time, in any unit; stretches of 12 to 45 s, in drawn order.
    during
        Activities over which gestures are placed; those without a share are passed over.
    apart_s
        Least time from the start of one gesture to the next beyond its own 3 s or less.
    """
    check_seed(seed)
    _check(hours, per_hour, shares, during)
    if not 0 <= apart_s < np.inf:
        raise ValueError(f"apart_s is {apart_s}, expected seconds, 0 or more")
    rng = np.random.default_rng([seed, 6])
    plan = _bouts(rng, hours * 3600.0, shares)
    wanted = [label for label, rate in per_hour.items() for _ in range(round(rate * hours))]
    return plan, _placed(rng, plan, [str(label) for label in rng.permutation(wanted)], set(during), apart_s)


def life(
    person: Person,
    *,
    hours: float,
    seed: int,
    sensor: SensorParams,
    per_hour: Mapping[str, float] = MappingProxyType({}),
    shares: Mapping[str, float] = EQUAL_SHARES,
    during: Sequence[str] = CALM,
    apart_s: float = 3.0,
    streams: Sequence[str] = ("accel", "gyro"),
    start: pd.Timestamp | str | None = None,
) -> Recording:
    """Return hours of a simulated life; gestures are the labels of the tier truth, activities those of ``activity``.

    All of the time is labelled, so that what is detected beside a gesture is a false alarm, and the context of each
    is known. An hour at 100 Hz takes some seconds and 0.7 GB, at 800 Hz ten times as much; make several for a
    longer time.
    See :func:`life_plan` for ``per_hour``, ``shares``, ``during`` and ``apart_s``, :func:`session` for the rest.
    """
    plan, gestures = life_plan(hours=hours, seed=seed, per_hour=per_hour, shares=shares, during=during, apart_s=apart_s)
    return session(
        person,
        seed=seed,
        plan=plan,
        sensor=sensor,
        streams=streams,
        start=start,
        gestures=gestures,
        activity_tier=ACTIVITY_TIER,
    )


def _check(hours: float, per_hour: Mapping[str, float], shares: Mapping[str, float], during: Sequence[str]) -> None:
    if not (np.isfinite(hours) and hours * 3600 >= 2 * _BOUT_S[0]):
        raise ValueError(f"hours is {hours}, expected at least {2 * _BOUT_S[0] / 3600:.4f}")
    if unknown := sorted(set(per_hour) - set(GESTURES)):
        raise ValueError(f"per_hour names {unknown}, expected some of {sorted(GESTURES)}")
    if unknown := sorted({*shares, *during} - set(MOTIONS)):
        raise ValueError(f"shares or during name {unknown}, expected some of {sorted(MOTIONS)}")
    numbers = [*per_hour.values(), *shares.values()]
    if not all(np.isfinite(one) and one >= 0 for one in numbers) or not sum(shares.values()) > 0:
        raise ValueError(
            f"per_hour is {dict(per_hour)}, shares {dict(shares)}; expected no negative, one share above 0"
        )
    if any(per_hour.values()) and not any(shares.get(name) for name in during):
        raise ValueError(f"during is {tuple(during)}, and none of it has a share; give one, or other activities")


def _bouts(rng: np.random.Generator, total_s: float, shares: Mapping[str, float]) -> Plan:
    """Return stretches in drawn order whose times add up to the shares, at least one of each."""
    plan: list[tuple[str, float]] = []
    scale = total_s / sum(shares.values())
    for name, share in shares.items():
        count = max(1, round(share * scale / float(np.mean(_BOUT_S)))) if share else 0
        parts = rng.uniform(*_BOUT_S, count)
        plan += [(name, float(one)) for one in parts / parts.sum() * share * scale] if count else []
    return [plan[index] for index in rng.permutation(len(plan))]


def _placed(
    rng: np.random.Generator, plan: Plan, labels: Sequence[str], during: set[str], apart_s: float
) -> list[tuple[str, float]]:
    """Return when each gesture starts: evenly over the activities of ``during``, apart from each other."""
    if not labels:
        return []
    stops = np.cumsum([seconds for _, seconds in plan])
    calm = [(stop - seconds, stop) for (name, seconds), stop in zip(plan, stops, strict=True) if name in during]
    spans = np.array(calm) + np.array([TRANSITION_S / 2, -_LONGEST_S])
    spans = np.clip(spans, _EDGE_S, stops[-1] - _LONGEST_S - _EDGE_S)
    spans = spans[spans[:, 1] > spans[:, 0]]
    edges = np.concatenate([[0.0], np.cumsum(np.diff(spans).ravel())])
    need_s = apart_s + _LONGEST_S
    if edges[-1] < need_s * len(labels):
        raise ValueError(
            f"{len(labels)} gestures, {need_s} s for each, do not fit into {edges[-1]:.0f} s of {sorted(during)}; ask "
            "for fewer, or for a greater share of those"
        )
    # Points with a least gap: drawn in what is left without the gaps, then pushed apart by those before them.
    at = np.sort(rng.uniform(0.0, edges[-1] - need_s * len(labels), len(labels))) + need_s * np.arange(len(labels))
    span = np.minimum(np.searchsorted(edges, at, side="right") - 1, len(spans) - 1)
    starts = spans[span, 0] + at - edges[span]
    return [(label, float(start)) for label, start in zip(labels, starts, strict=True)]
