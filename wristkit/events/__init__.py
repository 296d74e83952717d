"""From scores to events, in one call or window by window, and one-to-one matching of event tables."""

from wristkit.events.decoder import DecoderState, EventDecoder
from wristkit.events.matching import match, near, served
from wristkit.events.runs import EPSILON_S, NOBODY, Candidate, Runs, Taken, over_rows
from wristkit.events.scores import (
    BACKGROUND,
    EVENT_COLUMNS,
    Event,
    EventUpdate,
    Scores,
    event_table,
    strictly_increasing,
)

__all__ = [
    "BACKGROUND",
    "EPSILON_S",
    "EVENT_COLUMNS",
    "NOBODY",
    "Candidate",
    "DecoderState",
    "Event",
    "EventDecoder",
    "EventUpdate",
    "Runs",
    "Scores",
    "Taken",
    "event_table",
    "match",
    "near",
    "over_rows",
    "served",
    "strictly_increasing",
]
