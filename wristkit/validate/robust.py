"""What damage to the signal costs a detector: recall lost and false alarms gained, with intervals."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport
from wristkit.evaluate.figures import FEWEST_PEOPLE
from wristkit.evaluate.people import interval_of_difference
from wristkit.recording import FloatArray, Recording
from wristkit.signals import inspect
from wristkit.signals.inspection import CONTRADICTIONS
from wristkit.validate.damage import DAMAGES, Damage

UNDAMAGED = "none"
COLUMNS = {
    "damage": object,
    "recordings": int,
    "refused": int,
    "noticed": object,
    "recall": float,
    "recall_drop": float,
    "recall_drop_low": float,
    "recall_drop_high": float,
    "fp_per_hour": float,
    "fp_per_hour_rise": float,
    "fp_per_hour_rise_low": float,
    "fp_per_hour_rise_high": float,
    "hours": float,
    "over": object,
    "note": object,
}


class Evaluates(Protocol):
    """A detector, or a cascade of two."""

    def evaluate(
        self,
        recordings: Recording | Sequence[Recording],
        /,
        *,
        tier: str = "truth",
        tolerance_s: float = 0.5,
        latency_from: Literal["start", "stop"] = "start",
    ) -> EventReport:
        """Return how its events compare with the truth."""
        ...


class _Rule(NamedTuple):
    tier: str
    tolerance_s: float
    latency_from: Literal["start", "stop"]


class _Counts(NamedTuple):
    """What one recording gave."""

    hits: int
    truths: int
    alarms: int
    hours: float


class _Trial(NamedTuple):
    """One recording, damaged: its counts, or why it was refused, and what ``inspect`` says of it now."""

    counts: _Counts | None
    refused: str
    noticed: frozenset[str]
    changed: bool


def robustness(
    detector: Evaluates,
    recordings: Recording | Sequence[Recording],
    *,
    damages: Mapping[str, Damage] = DAMAGES,
    tier: str = "truth",
    tolerance_s: float = 0.5,
    latency_from: Literal["start", "stop"] = "start",
    seed: int = 0,
) -> pd.DataFrame:
    """Return what each damage costs a detector on these recordings, a row each, the undamaged signal first.

    Parameters
    ----------
    detector
        As it is; nothing is tuned anew.
    recordings
        Of people it was not trained on, with labels and labelled spans of ``tier``.
    damages
        Name to function of a recording and a generator; see ``DAMAGES``.
    tier, tolerance_s, latency_from
        As of :func:`wristkit.evaluate`.
    seed
        With the name of the damage and the recording's id it fixes every damage.

    Returns
    -------
    DataFrame
        ``refused`` counts recordings that the detector would not take, which its figures leave out; ``noticed`` names
        contradictions that ``inspect`` finds and ``load`` refuses, and that were not there before. Drop and rise are
        against the same recordings undamaged, their 95 % intervals ``over`` people drawn anew, or over recordings where
        there are fewer than five people; NaN of fewer than five of both. ``.attrs["notes"]`` says what the figures are.
    """
    held = [recordings] if isinstance(recordings, Recording) else list(recordings)
    if not held:
        raise ValueError("no recordings were given; pass those of people the detector has not seen")
    if UNDAMAGED in damages:
        raise ValueError(f"a damage is named {UNDAMAGED!r}, which stands for the signal as it is; name it otherwise")
    rule = _Rule(tier, tolerance_s, latency_from)
    report = detector.evaluate(held, tier=tier, tolerance_s=tolerance_s, latency_from=latency_from)
    clean = [_try(detector, one, one, rule) for one in held]
    rows = [_row(UNDAMAGED, clean, clean, held)]
    for name, damage in damages.items():
        trials = [_try(detector, damage(one, _rng(seed, name, one)), one, rule) for one in held]
        rows.append(_row(name, trials, clean, held))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    table.attrs["notes"] = report.notes
    return table


def _rng(seed: int, name: str, recording: Recording) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), int(recording.id, 16)])


def _try(detector: Evaluates, damaged: Recording, before: Recording, rule: _Rule) -> _Trial:
    noticed = frozenset(inspect(damaged).findings["code"]) & CONTRADICTIONS
    changed = damaged.id != before.id
    try:
        report = detector.evaluate(damaged, **rule._asdict())
    except RecordingError as fault:
        return _Trial(None, fault.code, noticed, changed)
    kinds = report.matches["kind"].value_counts()
    hits, misses, alarms = (int(kinds.get(kind, 0)) for kind in ("hit", "miss", "false alarm"))
    return _Trial(_Counts(hits, hits + misses, alarms, report.hours), "", noticed, changed)


def _row(name: str, trials: Sequence[_Trial], clean: Sequence[_Trial], held: Sequence[Recording]) -> dict[str, object]:
    """Return one row of the table, over the recordings that were not refused."""
    kept = [place for place, one in enumerate(trials) if one.counts is not None]
    unit, over = _units([held[place] for place in kept])
    before, after = (_by_unit([part[place] for place in kept], unit) for part in (clean, trials))
    was, now = (_figures(counts.sum(axis=0, keepdims=True))[0] for counts in (before, after))
    low, high = interval_of_difference(before, after, _figures)
    noticed = {code for one, own in zip(trials, clean, strict=True) for code in one.noticed - own.noticed}
    return {
        "damage": name,
        "recordings": len(trials),
        "refused": len(trials) - len(kept),
        "noticed": ", ".join(sorted(noticed)),
        "recall": now[0],
        "recall_drop": was[0] - now[0],
        "recall_drop_low": 0.0 - high[0],
        "recall_drop_high": 0.0 - low[0],
        "fp_per_hour": now[1],
        "fp_per_hour_rise": now[1] - was[1],
        "fp_per_hour_rise_low": low[1],
        "fp_per_hour_rise_high": high[1],
        "hours": after[:, 3].sum(),
        "over": over,
        "note": _note(name, trials),
    }


def _note(name: str, trials: Sequence[_Trial]) -> str:
    if refusals := sorted({one.refused for one in trials if one.refused}):
        return f"refused: {', '.join(refusals)}"
    if name != UNDAMAGED and not any(one.changed for one in trials):
        return "changes nothing of these recordings"
    return ""


def _units(held: Sequence[Recording]) -> tuple[list[str], str]:
    """Return the name of what is drawn anew, of each recording, and what that is; empty text of too few."""
    people = [one.subject or "" for one in held]
    if len(set(people)) >= FEWEST_PEOPLE and "" not in people:
        return people, "people"
    return [one.id for one in held], "recordings" if len(held) >= FEWEST_PEOPLE else ""


def _by_unit(trials: Sequence[_Trial], unit: Sequence[str]) -> FloatArray:
    """Return (units, 4) hits, truths, alarms and hours."""
    counts = pd.DataFrame([one.counts for one in trials], columns=_Counts._fields, dtype=float)
    return counts.groupby(np.array(unit, dtype=object)).sum().to_numpy(dtype=np.float64)


def _figures(counts: FloatArray) -> FloatArray:
    """Return (n, 2) recall and false alarms an hour of (n, 4) counts; NaN of nothing."""
    hits, truths, alarms, hours = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([hits / truths, alarms / hours])
