"""Labels, predicted events and raters held against one another: what was hit, missed, accepted or is in dispute."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate import disputed
from wristkit.evaluate.judge import touches
from wristkit.events import match
from wristkit.recording import FloatArray
from wristkit.recording.spans import union

TOLERANCE_S = 0.5  # unless somebody says otherwise; that of wk.evaluate
REJECTED = "rejected"  # tier of the events that somebody looked at and refused
_TRUTH = "truth"  # tier that events are held against
_MOVED_S = 0.25  # a label that was accepted and then moved no farther beside its event still stands for it
_SAME_DIGITS = 6  # of the seconds of a span that was computed again


class Judged(NamedTuple):
    """A verdict and a state for each event, and for each label ``missed``, ``disputed`` or nothing."""

    verdicts: list[str]
    states: list[str]
    remarks: list[str]


def judge(
    labels: pd.DataFrame, events: pd.DataFrame, *, looked: Mapping[str, FloatArray], tolerance_s: float
) -> Judged:
    """Return what labels, events and the spans (k, 2) that were looked at by tier say of one another."""
    told, missed = verdicts(labels, events, looked=looked.get(_TRUTH, np.empty((0, 2))), tolerance_s=tolerance_s)
    remarks = dict.fromkeys(disputes(labels, tolerance_s=tolerance_s), "disputed") | dict.fromkeys(missed, "missed")
    states = event_states(labels, events)
    return Judged(told, states, [remarks.get(place, "") for place in range(len(labels))])


def verdicts(
    labels: pd.DataFrame, events: pd.DataFrame, *, looked: FloatArray, tolerance_s: float
) -> tuple[list[str], list[int]]:
    """Return a verdict for each event, and the places of the labels of truth that none met.

    As in ``wk.evaluate`` an event that met no label is a ``false alarm`` where the truth was looked at, and ``not
    looked at`` elsewhere; one that met a label is a ``hit`` in any case. Each rater's labels are held against the
    events by themselves: what two of them saw is not seen twice.
    """
    seen = touches(_spans(events), union(looked))
    told, missed = ["false alarm" if one else "not looked at" for one in seen], list[int]()
    names = set(events["label"])
    for (tier, _), own in _by_rater(labels).items():
        if tier == _TRUTH:
            hits, met = _meetings(labels.iloc[own], events, tolerance_s=tolerance_s).T
            for place in hits:
                told[place] = "hit"
            unmet = np.delete(own, met)
            missed += [int(at) for at, name in zip(unmet, labels["label"].iloc[unmet], strict=True) if name in names]
    return told, sorted(missed)


def event_states(labels: pd.DataFrame, events: pd.DataFrame) -> list[str]:
    """Return for each event whether it is ``accepted``, ``rejected`` or still ``open``.

    It is accepted where a label of its name meets it, in any tier but ``rejected``, also one whose edges were moved
    since; rejected where the tier ``rejected`` holds a label of its name and span.
    """
    refused = set(told_apart(labels[labels["tier"].to_numpy() == REJECTED]))
    told = told_apart(events)
    states = [REJECTED if event in refused else "open" for event in told]
    for (tier, _), own in _by_rater(labels).items():
        if tier != REJECTED:
            for place in _accepted(labels.iloc[own], events, told):
                states[place] = "accepted"
    return states


def _accepted(labels: pd.DataFrame, events: pd.DataFrame, told: Sequence[tuple[float, float, str]]) -> list[int]:
    """Return the places of the events that labels stand for: their own first, or a neighbour would take them."""
    said = told_apart(labels)
    taken = set(said) & set(told)
    same = {place for place, event in enumerate(told) if event in taken}
    others = [place for place in range(len(told)) if place not in same]
    free = [place for place, one in enumerate(said) if one not in taken]
    met = _meetings(labels.iloc[free], events.iloc[others].drop(columns="score", errors="ignore"), tolerance_s=_MOVED_S)
    return [*same, *(others[place] for place in met[:, 0])]


def disputes(labels: pd.DataFrame, *, tolerance_s: float) -> list[int]:
    """Return the places in the table of labels that another rater of their tier does not share, in any tier."""
    raters = labels.groupby("tier")["rater"].nunique()
    tiers = [tier for tier in raters.index[raters > 1] if tier != REJECTED]
    return sorted({place for tier in tiers for place in disputed(labels, tier=tier, tolerance_s=tolerance_s)})


def told_apart(table: pd.DataFrame) -> list[tuple[float, float, str]]:
    """Return of each label or event what makes it the same as another: its span to a microsecond, and its name."""
    spans = _spans(table).round(_SAME_DIGITS).tolist()
    return [(start_s, stop_s, label) for (start_s, stop_s), label in zip(spans, table["label"], strict=True)]


def _by_rater(labels: pd.DataFrame) -> dict[tuple[str, str], npt.NDArray[np.int64]]:
    """Return the places in the table of the labels of each tier and rater."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, said in enumerate(zip(labels["tier"], labels["rater"], strict=True)):
        places.setdefault(said, []).append(place)
    return {said: np.array(own, dtype=np.int64) for said, own in places.items()}


def _meetings(labels: pd.DataFrame, events: pd.DataFrame, *, tolerance_s: float) -> npt.NDArray[np.int64]:
    """Return (pairs, 2) places of the events and labels of one name that belong together, one to one."""
    names = [table["label"].to_numpy() for table in (events, labels)]
    score = events["score"].to_numpy(np.float64) if "score" in events else np.zeros(len(events))
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for name in sorted(set(names[0]) & set(names[1])):
        own, theirs = (np.flatnonzero(one == name) for one in names)
        spans = _spans(events)[own], _spans(labels)[theirs]
        matched = match(*spans, tolerance_s=tolerance_s, score=score[own])
        pairs.append(np.column_stack([own[matched[:, 0]], theirs[matched[:, 1]]]))
    return np.concatenate(pairs)


def _spans(table: pd.DataFrame) -> FloatArray:
    return table[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
