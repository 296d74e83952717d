"""What real washes show: the gate on UWash, trained on simulation alone or also on washes of its other person.

What counts as evidence is washing against other *within* the labelled session: one device, one person. Every figure
that holds washes of UWash against the motion of another set stands beside the device control, which says how well a net
of the same kind tells the two sets apart where nobody washes.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.datasets import recordings
from wristkit.detector import Cascade, Detector
from wristkit.events import BACKGROUND
from wristkit.recipes import cascading, hours, lasting
from wristkit.recipes.handwashing import GATE
from wristkit.recipes.handwashing.lifted import beside
from wristkit.recipes.spotting import Say, joined
from wristkit.recording import FloatArray, Recording
from wristkit.train import train_for_others
from wristkit.windows import Windows

COLUMNS = ("kind", "gate", "figure", "value", "of", "sentence")
_PEOPLE = ("subject_01", "subject_02")
_STEP_TIER = "step"


def on_uwash(cascade: Cascade, *, trained: bool = True, say: Say = str) -> pd.DataFrame:
    """Return one row a figure on real washes: ``kind, gate, figure, value, of, sentence``.

    Parameters
    ----------
    trained
        Whether gates that are trained on one person's washes too are shown beside the shipped one; that takes minutes.
    """
    session, washes = _session(), _washes()
    gates = {"simulation alone": (cascade.gate, washes)}
    for person in _PEOPLE if trained else ():
        others = [one for one in washes if one.subject != person]
        tested = [one for one in washes if one.subject == person]
        gates[f"simulation and the washes of {others[0].subject}"] = (_trained_on(others, say=say), tested)
    scores = (cascade.policy.gate_high, cascade.policy.gate_alone or cascade.policy.gate_high)
    control, rows = device_control(), list[tuple[object, ...]]()
    for name, (gate, tested) in gates.items():
        rows += [("real", name, *figure) for figure in _within(gate, session, scores, trained="and the washes" in name)]
        rows += [("real, across sets", name, *figure) for figure in _across(gate, tested, scores, control)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _within(
    gate: Detector, session: Recording, scores: Sequence[float], *, trained: bool
) -> list[tuple[str, float, int, str]]:
    """Return figures of washing against other within the session."""
    from sklearn.metrics import roc_auc_score

    cut = GATE.windows(session)
    values, is_washing = _washing(gate, cut.values), cut.labels == GATE.label
    said = "one device, one person, its sign of gravity not known; says nothing of other people"
    said += "; she may be the one whose washes were trained on" if trained else ""
    rows = [("area under the curve", float(roc_auc_score(is_washing, values)), len(cut), said)]
    accel = [name.startswith("accel") for name in cut.channels]
    turned = np.where(np.array(accel)[:, None], -cut.values, cut.values)
    other = float(roc_auc_score(is_washing, _washing(gate, turned)))
    rows.append(("area under the curve, were its sign of gravity the other one", other, len(cut), said))
    for score in scores:
        for what, chosen in (("washing", is_washing), ("other", ~is_washing)):
            share = float((values[chosen] >= score).mean())
            rows.append((f"windows of {what} at or above {score:.3g}", share, int(chosen.sum()), said))
    return rows


def _across(
    gate: Detector, washes: Sequence[Recording], scores: Sequence[float], control: float
) -> list[tuple[str, float, int, str]]:
    """Return which share of whole washes are found, whose false alarms are those of other sets."""
    said = (
        f"a net of this kind tells UWash from SP-SW where nobody washes with a balanced accuracy of {control:.2f} "
        "(0.5 is chance): held against the alarms in other sets, this may be the watch and not the washing"
    )
    people = ", ".join(sorted({str(one.subject) for one in washes}))
    return [
        (
            f"whole washes of {people} found at {score:.3g}",
            float(np.mean([_is_found(gate, one, score) for one in washes])),
            len(washes),
            said,
        )
        for score in scores
    ]


def _is_found(gate: Detector, recording: Recording, score: float) -> bool:
    return bool(_washing(gate, gate.condition(recording).values).max(initial=0.0) >= score)


def _washing(gate: Detector, values: np.ndarray) -> FloatArray:
    """Return the scores (n,) of windows, averaged as the cascade does but for gaps."""
    probability = gate.probabilities(values)[:, gate.spec.classes.index(GATE.label)].astype(np.float64)
    smooth = gate.spec.decoder.smooth
    sums = np.cumsum(np.concatenate([np.zeros(smooth), probability]))
    return np.asarray((sums[smooth:] - sums[:-smooth]) / np.minimum(smooth, 1 + np.arange(len(probability))))


def _trained_on(washes: Sequence[Recording], *, say: Say) -> Detector:
    """Return a gate trained as the shipped one on less, and on these washes too."""
    motion = chain(cascading.to_train_on(), washes)
    fit = lasting.train(GATE, motion, of_class=150, background=250, beside=beside, rounds=1, epochs=6, say=say)
    return lasting.smoothed(fit.detector(), 3)


def device_control(*, seed: int = 0) -> float:
    """Return the balanced accuracy with which a net as the gate tells UWash from SP-SW where nobody washes.

    Half of the session's time and the people of SP-SW to train on against the other half and the people to test on.
    """
    from sklearn.metrics import balanced_accuracy_score

    session = _session()
    middle_s = (session.start_s + session.stop_s) / 2
    parts = {"train": (0.0, middle_s), "test": (middle_s, session.stop_s)}
    made = {}
    for part, (start_s, stop_s) in parts.items():
        here = _idle(session, "uwash", start_s, stop_s)
        there = [_idle(one, "spsw", 0.0, np.inf) for one in hours.real_hours(part, sets=("spsw",))]  # type: ignore[arg-type]
        made[part] = joined([here, *there])
    fit = train_for_others(made["train"], epochs=8, seed=seed)
    told = fit.detector().probabilities(made["test"].values).argmax(axis=1)
    return float(balanced_accuracy_score(made["test"].labels.astype(str), np.array(fit.classes)[told]))


def _idle(recording: Recording, name: str, start_s: float, stop_s: float) -> Windows:
    """Return the windows in which nobody washes, labelled by the set that they are of."""
    cut = GATE.windows(recording)
    inside = (cut.labels == BACKGROUND) & (cut.start_s >= start_s) & (cut.stop_s <= stop_s)
    kept = cut.subset(inside)
    # People to stop on are whole people: the session's one is cut into fives of its windows.
    people = np.array(
        [f"{name} {place // 20 % 4}" if name == "uwash" else str(recording.subject) for place in range(len(kept))]
    )
    return replace(kept, labels=np.full(len(kept), name, dtype=object), subjects=people.astype(object), background=None)


def _session() -> Recording:
    """Return the labelled session with its steps in the tier ``step``, as simulated washes have them."""
    one = next(one for one in _all() if one.subject is None)
    labels = one.labels.assign(tier=_STEP_TIER, label="palm_to_palm")
    return replace(one.with_labels(labels, labelled={_STEP_TIER: [(one.start_s, one.stop_s)]}), subject="session")


def _washes() -> list[Recording]:
    """Return the whole washes, each once; all of each is washing."""
    return [
        one.with_labels(one.labels.assign(tier=_STEP_TIER, label="palm_to_palm"), labelled={})
        for one in _all()
        if one.subject is not None
    ]


def _all() -> list[Recording]:
    root = Path(os.environ[hours.DATA]) / "uwash"
    return list({one.id: one for one in recordings("uwash", root)}.values())
