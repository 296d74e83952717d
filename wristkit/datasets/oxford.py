"""Oxford step counter: a phone in six places while a person walks, each step counted."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import RATER, ordered, recorded, source, upward_accel, whole_span
from wristkit.datasets.text import Layout, matching, plain_name, read_table
from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Mark, Nanoseconds, Remark, Rows, Track
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording

_FILE = r"(user\d+)_([A-Za-z]+)_(\d{13})\.csv"
_ACCEL = ("x", "y", "z")
_NAMES = ("since_boot", *_ACCEL, "algorithm", "truth", "hardware")
_LAYOUT = Layout(Stamp("since_boot", "ns", epoch=False), _NAMES[1:], names=_NAMES)
_MOST_STEPS = 10  # between two rows 10 ms apart


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a walk: accel, two counters that are not the truth, and each true step as a point."""
    for path in matching(folder, _FILE, what="oxford_steps"):
        yield _recording(path)


def _recording(path: Path) -> Recording:
    name = plain_name(path)
    who, place, start_ms = re.fullmatch(_FILE, name).groups()  # type: ignore[union-attr]  # found by this pattern
    rows = ordered(read_table(path, _LAYOUT, file=name), SETS["oxford_steps"].repairs)
    time_ns = rows.time_ns - rows.time_ns[0] + int(start_ms) * 10**6
    counters = [
        Track(f"steps_{counter}", rows.columns[counter], time_ns, channels=(counter,), unit="count")
        for counter in ("algorithm", "hardware")
    ]
    return recorded(
        Gathered(
            [upward_accel(time_ns, rows.matrix(_ACCEL)), *counters],
            marks=_steps(rows, time_ns),
            remarks=(*rows.remarks, *_remarks(rows)),
            labelled={"truth": whole_span(time_ns)},
            subject=who,
            source=source(name, "oxford_steps", rows.content_hash, device="phone", place=place.lower()),
        )
    )


def _steps(rows: Rows, time_ns: Nanoseconds) -> list[Mark]:
    """Return a point for each step by which the true count rises."""
    counted = rows.columns["truth"]
    rises = np.diff(counted, prepend=counted[:1])
    strange = ~np.isfinite(counted) | (counted != np.floor(counted)) | (rises < 0) | (rises > _MOST_STEPS)
    if strange.any():
        row = int(np.argmax(strange))
        raise RecordingError(
            f"the count of steps is {counted[row]}, after {counted[max(row - 1, 0)]}; it should rise step by step",
            code="label_unknown",
            remedy="fetch the set again and verify it",
            file=rows.file,
            row=row,
        )
    stamps = np.repeat(time_ns, rises.astype(np.int64)).tolist()
    return [Mark(stamp, stamp, "step", "truth", RATER) for stamp in stamps]


def _remarks(rows: Rows) -> list[Remark]:
    note = "its start is the one in the file's name; stamps count from when the phone was switched on"
    found = [Remark("start_of_name", 1, note, "trust times from the start more than the time of day")]
    zero = int((rows.matrix(_ACCEL) == 0).all(axis=1).sum())
    if zero:
        note = f"{zero} rows are zero on all three axes, which no accelerometer reads"
        found.append(Remark("zero_rows", zero, note, "leave them out of what you measure", stream="accel"))
    return found
