"""What evaluate is given, by recording id; what cannot be judged is refused by name."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.evaluate.judge import Rule
from wristkit.events import BACKGROUND, EVENT_COLUMNS, EventDecoder, Scores
from wristkit.recording import Recording


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


def scores_by_id(
    scores: Scores | Mapping[str, Scores] | None, held: Mapping[str, Recording]
) -> dict[str, Scores] | None:
    """Return scores by the ids of the recordings."""
    if scores is None:
        return None
    known = {next(iter(held)): scores} if isinstance(scores, Scores) else dict(scores)
    if set(known) != set(held):
        raise ValueError(f"scores are of recordings {sorted(known)}, expected those of {sorted(held)}")
    return known


def check_events(events: pd.DataFrame, held: Mapping[str, Recording], rule: Rule) -> pd.DataFrame:
    """Return events with a column ``recording``, or raise what is wrong with them."""
    if "recording" not in events.columns and len(held) == 1:
        events = events.assign(recording=next(iter(held)))
    if missing := [column for column in ("recording", *EVENT_COLUMNS) if column not in events.columns]:
        raise ValueError(f"events lack the columns {missing}; stack tables of several recordings with their ids")
    if foreign := sorted(set(events["recording"]) - set(held)):
        raise ValueError(f"events are of recordings {foreign}, which were not given; pass all that were searched")
    times = events[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    if not np.isfinite(times).all() or (times[:, 1] < times[:, 0]).any():
        raise ValueError("events have no time or end before they start; expected start_s <= stop_s in seconds")
    if undecided := int((~np.isfinite(events["decided_s"].to_numpy(dtype=np.float64))).sum()):
        raise ValueError(
            f"{undecided} of {len(events)} events have no decided_s, so that nobody knows how late they are; give the "
            "time at which the detector could first say so, or stop_s where it looks at the whole event"
        )
    if strangers := sorted({str(one) for one in events["label"]} - (rule.classes or {*events["label"]} - {BACKGROUND})):
        known = "any class" if rule.classes is None else f"the classes of the scores {sorted(rule.classes)}"
        raise ValueError(
            f"events are of {strangers}, expected {known} and no background; pass scores= of the detector that found "
            "them, or leave these events out"
        )
    return events


def sources_of(known: Mapping[str, Scores] | None) -> tuple[str, ...] | None:
    """Return the streams that scores needed; None where that is not known."""
    names = {name for one in (known or {}).values() for name in one.sources}
    return tuple(sorted(names)) or None


def judged_classes(known: Mapping[str, Scores] | None, decoder: EventDecoder | None) -> frozenset[str] | None:
    """Return the classes that scores know, without the background; None without scores."""
    if known is None:
        return None
    classes = {name for one in known.values() for name in one.channels}
    return frozenset(classes - {decoder.background if decoder else BACKGROUND})
