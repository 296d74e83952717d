"""What damage to the signal costs a detector: recall lost and false alarms gained, with intervals."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport
from wristkit.evaluate.figures import FEWEST_PEOPLE, Rate, rate
from wristkit.evaluate.people import interval_of_difference
from wristkit.recording import FloatArray, Recording, several_recordings
from wristkit.signals import inspect
from wristkit.signals.inspection import CONTRADICTIONS
from wristkit.train import Fit
from wristkit.train.asked import check_seed
from wristkit.validate.damage import DAMAGES, Damage, pace

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
    "false_alarms": int,
    "fp_per_hour": float,
    "fp_per_hour_low": float,
    "fp_per_hour_high": float,
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


class _Trial(NamedTuple):
    """Recordings as a damage left them, the code with which each was refused, and one report of the others."""

    recordings: Sequence[Recording]
    refused: Sequence[str]
    report: EventReport | None


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
        contradictions that ``inspect`` finds and ``load`` refuses, and that were not there before. False alarms have
        their exact interval, whose upper end is what is known where there is none; hours are those of the undamaged
        clock. Drop and rise are against the same recordings undamaged, their 95 % intervals ``over`` people, or over
        recordings where there are fewer than five people; NaN of fewer than five of both, and where nothing differs.
        ``.attrs["notes"]`` says what the figures are.
    """
    held = several_recordings(recordings)
    if not held:
        raise ValueError("no recordings were given; pass those of people the detector has not seen")
    _check_detector(detector)
    _check_damages(damages)
    seed = check_seed(seed)
    rule = _Rule(tier, tolerance_s, latency_from)
    report = detector.evaluate(held, **rule._asdict())
    held = [one for one in held if one.id in report.basis]  # beside real recordings, simulated ones are no figures
    known = [_contradictions(one) for one in held]
    whole = _Trial(held, [""] * len(held), report)
    rows = [_row(UNDAMAGED, held, whole, whole, known=known)]
    for name, damage in damages.items():
        trial = _try(detector, [_damaged(one, name, damage, seed) for one in held], rule)
        clean = whole if not any(trial.refused) else _without(detector, held, trial.refused, rule)
        rows.append(_row(name, held, trial, clean, known=known))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    table.attrs["notes"] = report.notes
    return table


def _check_detector(detector: object) -> None:
    """Raise where what is to be tried finds no events; windows were cut from the signal before it is damaged."""
    if isinstance(detector, Fit):
        raise TypeError(
            f"detector is a fit of {detector.name}, whose windows are cut already, and damage is done to recordings; "
            "give fit.detector() and the recordings of fit.held_out_subjects"
        )
    if not callable(getattr(detector, "evaluate", None)):
        raise TypeError(f"detector is a {type(detector).__name__}, expected a Detector or a Cascade, with evaluate()")


def _check_damages(damages: object) -> None:
    if not isinstance(damages, Mapping) or not all(map(callable, damages.values())):
        raise TypeError(
            f"damages are {damages!r}, expected a dictionary of name to function of a recording and a generator; take "
            "some of wristkit.validate.DAMAGES"
        )
    if UNDAMAGED in damages:
        raise ValueError(f"a damage is named {UNDAMAGED!r}, which stands for the signal as it is; name it otherwise")


def _damaged(recording: Recording, name: str, damage: Damage, seed: int) -> Recording:
    """Return a recording as a damage leaves it, or raise where that is none."""
    given: object = damage(recording, _rng(seed, name, recording))
    if not isinstance(given, Recording):
        raise TypeError(f"damage {name!r} returned a {type(given).__name__}, expected a Recording")
    return given


def _rng(seed: int, name: str, recording: Recording) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), int(recording.id, 16)])


def _try(detector: Evaluates, recordings: Sequence[Recording], rule: _Rule) -> _Trial:
    """Return what a detector makes of recordings together, as hours that several of them share count once."""
    try:
        return _Trial(recordings, [""] * len(recordings), detector.evaluate(recordings, **rule._asdict()))
    except RecordingError:
        refused = [_refusal(detector, one, rule) for one in recordings]
        if not any(refused):
            raise  # it refuses them together alone
        return _without(detector, recordings, refused, rule)


def _without(detector: Evaluates, recordings: Sequence[Recording], refused: Sequence[str], rule: _Rule) -> _Trial:
    kept = [one for one, code in zip(recordings, refused, strict=True) if not code]
    return _Trial(recordings, refused, detector.evaluate(kept, **rule._asdict()) if kept else None)


def _refusal(detector: Evaluates, recording: Recording, rule: _Rule) -> str:
    """Return the code with which a detector refuses a recording; empty text where it takes it."""
    try:
        detector.evaluate([recording], **rule._asdict())
    except RecordingError as fault:
        return fault.code
    return ""


def _counts(trial: _Trial, held: Sequence[Recording]) -> FloatArray:
    """Return (n, 4) hits, misses, false alarms and hours of each recording that was not refused.

    Hours are those of the clock it was recorded with: one that runs slow would make the same alarms more an hour.
    """
    kept = [pair for *pair, code in zip(trial.recordings, held, trial.refused, strict=True) if not code]
    if trial.report is None:
        return np.empty((0, 4))
    ids, matches = [one.id for one, _ in kept], trial.report.matches
    kinds = pd.crosstab(matches["recording"], matches["kind"])
    counted = kinds.reindex(index=ids, columns=["hit", "miss", "false alarm"], fill_value=0).to_numpy(dtype=np.float64)
    hours = [trial.report.hours_of[one.id] * pace(before, one) for one, before in kept]
    return np.column_stack([counted, hours])


def _row(
    name: str, held: Sequence[Recording], trial: _Trial, clean: _Trial, *, known: Sequence[set[str]]
) -> dict[str, object]:
    """Return one row of the table, over the recordings that were not refused."""
    kept = [one for one, code in zip(held, trial.refused, strict=True) if not code]
    unit, over = _units(kept)
    before, after = (_by_unit(_counts(one, held), unit) for one in (clean, trial))
    was, now = (_figures(counts.sum(axis=0, keepdims=True))[0] for counts in (before, after))
    low, high = interval_of_difference(before, after, _figures)
    alarms = rate(int(after[:, 2].sum()), float(after[:, 3].sum()))
    return {
        "damage": name,
        "recordings": len(held),
        "refused": len(held) - len(kept),
        "noticed": ", ".join(sorted(_noticed(trial.recordings, held, known))),
        "recall": now[0],
        "recall_drop": was[0] - now[0],
        "recall_drop_low": 0.0 - high[0],
        "recall_drop_high": 0.0 - low[0],
        "false_alarms": alarms.alarms,
        "fp_per_hour": alarms.per_hour,
        "fp_per_hour_low": alarms.low,
        "fp_per_hour_high": alarms.high,
        "fp_per_hour_rise": now[1] - was[1],
        "fp_per_hour_rise_low": low[1],
        "fp_per_hour_rise_high": high[1],
        "hours": alarms.hours,
        "over": over,
        "note": "; ".join(_notes(name, held, trial, alarms)),
    }


def _noticed(damaged: Sequence[Recording], held: Sequence[Recording], known: Sequence[set[str]]) -> set[str]:
    """Return the contradictions that there are now and were not before."""
    changed = (one for one in zip(damaged, held, known, strict=True) if one[0] is not one[1])
    return {code for now, _, before in changed for code in _contradictions(now) - before}


def _contradictions(recording: Recording) -> set[str]:
    return {str(code) for code in inspect(recording).findings["code"]} & set(CONTRADICTIONS)


def _notes(name: str, held: Sequence[Recording], trial: _Trial, alarms: Rate) -> Iterator[str]:
    if refusals := sorted(set(trial.refused) - {""}):
        yield f"refused: {', '.join(refusals)}"
    elif name != UNDAMAGED and all(now.id == one.id for now, one in zip(trial.recordings, held, strict=True)):
        yield "changes nothing of these recordings"
    if alarms.hours and not alarms.alarms:
        yield f"false alarms: {alarms}"


def _units(held: Sequence[Recording]) -> tuple[list[str], str]:
    """Return the name of what is drawn anew, of each recording, and what that is; empty text of too few."""
    people = [one.subject or "" for one in held]
    if len(set(people)) >= FEWEST_PEOPLE and "" not in people:
        return people, "people"
    return [one.id for one in held], "recordings" if len(held) >= FEWEST_PEOPLE else ""


def _by_unit(counts: FloatArray, unit: Sequence[str]) -> FloatArray:
    """Return (units, 4) sums of counts."""
    return pd.DataFrame(counts).groupby(np.array(unit, dtype=object)).sum().to_numpy(dtype=np.float64)


def _figures(counts: FloatArray) -> FloatArray:
    """Return (n, 2) recall and false alarms an hour of (n, 4) counts; NaN of nothing."""
    hits, misses, alarms, hours = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([hits / (hits + misses), alarms / hours])
