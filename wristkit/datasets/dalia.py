"""PPG-DaLiA: a wristband in everyday life; its own export is read, never the pickles, which may run code."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from wristkit.datasets.frames import RATER, left_out, recorded
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load import empatica
from wristkit.load.gather import Gathered, Mark, Remark, Request
from wristkit.load.spool import Spool
from wristkit.recording import Recording

_EXPORT = re.compile(r"(S\d{1,2})_E4(\.zip)?")
_ROW = re.compile(r"#\s*([A-Za-z0-9_ ]+?)\s*,\s*(\d{1,6}(?:\.\d+)?)\s*", re.ASCII)
_TITLE = re.compile(r"#\s*SUBJECT_ID\s*,.*", re.ASCII)
_NOTHING = "no_activity"
_MOST_BYTES = 2**16


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a person, from ``S1_E4.zip`` or a folder ``S1_E4``; activities are in tier ``"activity"``."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give the one that fetch returned")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("S*_E4*")):
        named = _EXPORT.fullmatch(path.name)
        if named and (path.is_dir() or path.is_file()):
            found.setdefault(named[1], path)  # a folder comes before the zip that it was unpacked from
    if not found:
        raise EmptyRecordingError(
            f"the folder {folder.name!r} holds no export such as S1_E4.zip",
            code="no_files",
            remedy="python3 -m wristkit data ppg_dalia --fetch",
        )
    for who, path in sorted(found.items(), key=lambda item: int(item[0][1:])):
        yield _recording(who, path)


def _recording(who: str, path: Path) -> Recording:
    gathered = empatica.read(path, Request(spool=Spool()))
    first_ns = min(
        track.start_ns if track.time_ns is None else int(track.time_ns[0])
        for track in gathered.tracks
        if len(track.values)
    )
    activities = path.with_name(f"{who}_activity.csv")
    marks = _marks(activities, first_ns) if activities.is_file() else None
    return recorded(
        replace(
            gathered,
            marks=[*gathered.marks, *(marks or [])],
            remarks=[*gathered.remarks, *_remarks(gathered, None if marks is None else len(marks))],
            subject=who,
            source={**gathered.source, "format": "ppg_dalia", "device": "Empatica E4", "place": "wrist"},
        )
    )


def _marks(path: Path, first_ns: int) -> list[Mark]:
    """Return each activity from its row to the next, the last as a point; ``NO_ACTIVITY`` ends one and is none."""
    rows = [_row(path, number, line) for number, line in enumerate(_lines(path)) if not _TITLE.fullmatch(line)]
    starts = np.array([seconds for _, seconds in rows])
    if (np.diff(starts) < 0).any():
        raise _damaged(path, "its activities are not in the order of time", int(np.argmax(np.diff(starts) < 0)) + 1)
    edges = [first_ns + round(seconds * 1e9) for seconds in starts]
    named = zip(rows, edges, [*edges[1:], *edges[-1:]], strict=True)
    return [Mark(start, stop, name, "activity", RATER) for (name, _), start, stop in named if name != _NOTHING]


def _lines(path: Path) -> list[str]:
    content = path.read_bytes()[: _MOST_BYTES + 1]
    if len(content) > _MOST_BYTES:
        raise _damaged(path, f"it has more than {_MOST_BYTES} bytes", None)
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    if len(lines) < 2:
        raise _damaged(path, "it names no activity", None)
    return lines


def _row(path: Path, number: int, line: str) -> tuple[str, float]:
    found = _ROW.fullmatch(line)
    if not found:
        raise _damaged(path, f"it has the row {line[:40]!r}, expected '# NAME, seconds'", number)
    return found[1].lower().replace(" ", "_"), float(found[2])


def _remarks(gathered: Gathered, activities: int | None) -> list[Remark]:
    count = max(len(track.values) for track in gathered.tracks)
    pickled = left_out("the heart rate of the ECG", count, "it is in a pickle and an HDF5 file, which are not read")
    if activities is None:
        return [pickled, Remark("missing_file", 1, "the file of activities is not beside it", "fetch the set again")]
    if not activities:
        note = f"the file of activities names none but {_NOTHING.upper()}"
        return [pickled, Remark("no_labels", 1, note, "fetch the set again and verify it")]
    note = (
        "the second 0 of the activities was taken to be the wristband's first sample; no document at hand says so, and "
        "the chest device that they may count from was started apart"
    )
    return [pickled, Remark("clock_unchecked", activities, note, "align them by the taps before you trust an edge")]


def _damaged(path: Path, message: str, row: int | None) -> RecordingError:
    return RecordingError(
        message, code="not_a_table", remedy="fetch the set again and verify it", file=path.name, row=row
    )
