"""The data object: streams on one clock, with labels, findings and gaps beside them, never over them.

Time is float64 seconds from ``Recording.start``; wall clock is metadata. Canonical streams carry the units and signs of
Core Motion: acceleration in g with gravity, and -1 on z when the device rests face up.
"""

from wristkit.recording.blocks import BLOCK_ROWS, blocks, median, middle_two
from wristkit.recording.deidentify import deidentify
from wristkit.recording.given import one_recording, several_recordings
from wristkit.recording.recording import Recording, Side
from wristkit.recording.stream import (
    CANONICAL,
    GAP_FLOOR_S,
    GAP_PERIODS,
    LATEST_S,
    MISSING_PERIODS,
    STANDARD_GRAVITY,
    FloatArray,
    Stream,
    content_id,
    find_gaps,
    is_sporadic,
    longest_step_s,
    measured_rate_hz,
    numbers,
    stamps_of,
)
from wristkit.recording.tables import (
    FINDING_COLUMNS,
    LABEL_COLUMNS,
    check_labels,
    finding_table,
    for_spreadsheets,
    join_findings,
    label_table,
)

__all__ = [
    "BLOCK_ROWS",
    "CANONICAL",
    "FINDING_COLUMNS",
    "GAP_FLOOR_S",
    "GAP_PERIODS",
    "LABEL_COLUMNS",
    "LATEST_S",
    "MISSING_PERIODS",
    "STANDARD_GRAVITY",
    "FloatArray",
    "Recording",
    "Side",
    "Stream",
    "blocks",
    "check_labels",
    "content_id",
    "deidentify",
    "find_gaps",
    "finding_table",
    "for_spreadsheets",
    "is_sporadic",
    "join_findings",
    "label_table",
    "longest_step_s",
    "measured_rate_hz",
    "median",
    "middle_two",
    "numbers",
    "one_recording",
    "several_recordings",
    "stamps_of",
]
