"""What evaluate is given, by recording id; what cannot be judged is refused by name."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.evaluate.judge import Rule
from wristkit.events import BACKGROUND, EVENT_COLUMNS, EventDecoder, Scores
from wristkit.recording import FloatArray, Recording


def by_id(recordings: Sequence[Recording]) -> dict[str, Recording]:
    """Return recordings by id, each given once."""
    held = {recording.id: recording for recording in recordings}
    if not held:
        raise ValueError("no recordings were given; pass those that the events were found in")
    if len(held) < len(recordings):
        raise RecordingError(
            "a recording is given twice, so its hours would count twice",
            code="duplicate_recording",
            remedy="give each once",
        )
    return held


def check_tolerance(tolerance_s: object) -> None:
    """Raise where a tolerance is no time."""
    number = tolerance_s if isinstance(tolerance_s, int | float | np.integer | np.floating) else np.nan
    if isinstance(tolerance_s, bool) or not 0 <= number < np.inf:
        raise ValueError(f"tolerance_s is {tolerance_s!r}, expected seconds, 0 or more")


def scores_by_id(
    scores: Scores | Mapping[str, Scores] | None, held: Mapping[str, Recording]
) -> dict[str, Scores] | None:
    """Return scores by the ids of the recordings."""
    if scores is None:
        return None
    if not isinstance(scores, Scores | Mapping):
        raise TypeError(f"scores are a {type(scores).__name__}, expected Scores or a dict of recording id to Scores")
    known = {next(iter(held)): scores} if isinstance(scores, Scores) else dict(scores)
    if set(known) != set(held):
        raise ValueError(f"scores are of recordings {sorted(map(str, known))}, expected those of {sorted(held)}")
    for name, one in known.items():
        _check_scores(name, one)
    if len(kinds := {frozenset(one.channels) for one in known.values()}) > 1:
        raise ValueError(
            f"scores know different classes {sorted(map(sorted, kinds))}, expected the same in all recordings; "
            "evaluate those of each detector alone"
        )
    return known


def _check_scores(name: str, scores: Scores) -> None:
    if not isinstance(scores, Scores):
        raise TypeError(f"scores of recording {name!r} are a {type(scores).__name__}, expected Scores; see Scores.of")
    unknown = np.flatnonzero(~np.isfinite(scores.values).all(axis=1))
    if len(unknown):
        raise ValueError(
            f"scores of recording {name!r} are NaN in {len(unknown)} of {len(scores)} windows (the first at "
            f"{scores.centre_s[unknown[0]]:g} s), expected 0 to 1, as such hours would count as quiet ones; leave "
            "these windows out of the scores, so that they are a gap"
        )


def check_events(events: pd.DataFrame, held: Mapping[str, Recording], rule: Rule) -> pd.DataFrame:
    """Return events with a column ``recording``, or raise what is wrong with them."""
    if not isinstance(events, pd.DataFrame):
        raise TypeError(
            f"events are a {type(events).__name__}, expected a DataFrame of {list(EVENT_COLUMNS)}; make one of Event "
            "with event_table, and one of several tables by recording id with stack"
        )
    if "recording" not in events.columns and len(held) == 1:
        events = events.assign(recording=next(iter(held)))
    columns = list(events.columns)
    if missing := [column for column in ("recording", *EVENT_COLUMNS) if column not in columns]:
        raise ValueError(f"events lack the columns {missing}; stack tables of several recordings with their ids")
    if twice := [column for column in ("recording", *EVENT_COLUMNS) if columns.count(column) > 1]:
        raise ValueError(f"events have the columns {twice} more than once, expected each once; drop one of them")
    if foreign := sorted(map(str, set(events["recording"]) - set(held))):
        raise ValueError(f"events are of recordings {foreign}, which were not given; pass all that were searched")
    events = events.assign(**{name: _numbers(events[name]) for name in ("start_s", "stop_s", "score", "decided_s")})
    _check_times(events)
    _check_clock(events, held, rule)
    _check_classes(events, rule)
    return events


def _numbers(column: "pd.Series[Any]") -> FloatArray:
    """Return a column of events as numbers; text and dates are none."""
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    strange = [one for one in column if isinstance(one, bool) or not (isinstance(one, Real) or pd.isna(one))]
    if strange or column.dtype.kind in "mMb":
        raise ValueError(
            f"{column.name} of events is of type {column.dtype}, such as {[*strange, None][0]!r}, expected numbers; "
            "times are seconds from the recording's start"
        )
    return column.astype(object).to_numpy(dtype=np.float64, na_value=np.nan)


def _check_times(events: pd.DataFrame) -> None:
    times = events[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(times).all(axis=1) | (times[:, 1] < times[:, 0])
    if wrong.any():
        raise ValueError(
            f"{wrong.sum()} of {len(events)} events have no time or end before they start (rows {_places(wrong)}); "
            "expected start_s <= stop_s in seconds"
        )
    undecided = ~np.isfinite(events["decided_s"].to_numpy(dtype=np.float64))
    if undecided.any():
        raise ValueError(
            f"{undecided.sum()} of {len(events)} events have no decided_s (rows {_places(undecided)}), so that nobody "
            "knows how late they are; give the time at which the detector could first say so, or stop_s where it "
            "looks at the whole event"
        )
    unscored = ~np.isfinite(events["score"].to_numpy(dtype=np.float64))
    if unscored.any():
        raise ValueError(
            f"{unscored.sum()} of {len(events)} events have no finite score (rows {_places(unscored)}), which says "
            "whose true event it is that several detect; give all of them 1 where the detector has none"
        )


def _check_clock(events: pd.DataFrame, held: Mapping[str, Recording], rule: Rule) -> None:
    """Raise where no event lies in its recording, so that their times are of another unit or clock."""
    if events.empty:
        return
    first_s = events["recording"].map({name: one.start_s for name, one in held.items()}).to_numpy(dtype=np.float64)
    last_s = events["recording"].map({name: one.stop_s for name, one in held.items()}).to_numpy(dtype=np.float64)
    start_s, stop_s = events["start_s"].to_numpy(), events["stop_s"].to_numpy()
    if ((stop_s < first_s - rule.tolerance_s) | (start_s > last_s + rule.tolerance_s)).all():
        raise ValueError(
            f"all {len(events)} events lie outside of their recordings: they last from {start_s.min():.6g} to "
            f"{stop_s.max():.6g}, the recordings from {first_s.min():.6g} to {last_s.max():.6g} s; give times in "
            "seconds (not ms) on the recording's clock, from its start"
        )


def _check_classes(events: pd.DataFrame, rule: Rule) -> None:
    nameless = np.array([not isinstance(one, str) or not one.strip() for one in events["label"]], dtype=bool)
    if nameless.any():
        value = events["label"].iloc[int(np.flatnonzero(nameless)[0])]
        raise ValueError(
            f"{nameless.sum()} of {len(events)} events have a label that is no text, such as {value!r} (rows "
            f"{_places(nameless)}); expected the name of a class, as labels have it"
        )
    found = {*events["label"]}
    if strangers := sorted(found - (found - {BACKGROUND} if rule.classes is None else rule.classes)):
        known = "any class" if rule.classes is None else f"the classes of the scores {sorted(rule.classes)}"
        raise ValueError(
            f"events are of {strangers}, expected {known} and no background; pass scores= of the detector that found "
            "them, or leave these events out"
        )


def _places(wrong: npt.NDArray[np.bool_]) -> list[int]:
    return [int(place) for place in np.flatnonzero(wrong)[:5]]


def sources_of(known: Mapping[str, Scores] | None) -> tuple[str, ...] | None:
    """Return the streams that scores needed; None where that is not known."""
    names = {name for one in (known or {}).values() for name in one.sources}
    return tuple(sorted(names)) or None


def judged_classes(known: Mapping[str, Scores] | None, decoder: EventDecoder | None) -> frozenset[str] | None:
    """Return the classes that scores know, without the background; None without scores."""
    if known is None:
        return None
    background = decoder.background if decoder else BACKGROUND
    classes = {name for one in known.values() for name in one.channels} - {background}
    if not classes:
        raise ValueError(
            f"scores know no class but the background {background!r}, expected one that can be detected; pass the "
            "scores of a detector with classes"
        )
    return frozenset(classes)
