"""WISDM of 2019: a watch and a phone in 18 activities of three minutes each, one file a sensor."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import ordered, recorded, source, spans_of, truth_marks, upward_accel
from wristkit.datasets.text import Layout, matching, plain_name, read_table, refuse_unknown
from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Remark, Rows, Track
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording
from wristkit.recording.hashing import hash_of_parts

_FILE = r"data_(\d{4})_(accel|gyro)_(watch|phone)\.txt"
_NAMES = ("subject", "code", "nanoseconds", "x", "y", "z")
_LAYOUT = Layout(Stamp("nanoseconds", "ns", epoch=False), ("subject", "x", "y"), text=("code", "z"), names=_NAMES)
_LAST = re.compile(r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?);", re.ASCII)  # each row ends in a semicolon
_LABELS: dict[object, str] = {
    "A": "walking",
    "B": "jogging",
    "C": "stairs",
    "D": "sitting",
    "E": "standing",
    "F": "typing",
    "G": "brushing_teeth",
    "H": "eating_soup",
    "I": "eating_chips",
    "J": "eating_pasta",
    "K": "drinking",
    "L": "eating_sandwich",
    "M": "kicking",
    "O": "playing_catch",
    "P": "dribbling",
    "Q": "writing",
    "R": "clapping",
    "S": "folding_clothes",
}
_PLACES = {"watch": "wrist", "phone": "pocket"}


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a person and device, watch and phone apart: their clocks are not the same."""
    files: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for path in matching(folder, _FILE, what="wisdm"):
        who, sensor, device = re.fullmatch(_FILE, plain_name(path)).groups()  # type: ignore[union-attr]  # as found
        files[who, device][sensor] = path
    for (who, device), sensors in sorted(files.items()):
        yield _recording(who, device, sensors)


def _recording(who: str, device: str, sensors: Mapping[str, Path]) -> Recording:
    rows = {sensor: _rows(path, who) for sensor, path in sorted(sensors.items())}
    zero_ns = min(int(one.time_ns[0]) for one in rows.values())
    rows = {sensor: replace(one, time_ns=one.time_ns - zero_ns) for sensor, one in rows.items()}
    labelled = rows.get("accel", next(iter(rows.values())))
    content_hash = hash_of_parts((one.file, one.content_hash) for one in rows.values())
    marks = truth_marks(labelled.time_ns, labelled.columns["code"], _LABELS)
    return recorded(
        Gathered(
            [_track(sensor, one) for sensor, one in rows.items()],
            clock="none",
            marks=marks,
            remarks=_remarks(rows),
            labelled={"truth": spans_of(marks)},
            subject=who,
            source=source(labelled.file, "wisdm", content_hash, device=device, place=_PLACES[device]),
        )
    )


def _rows(path: Path, who: str) -> Rows:
    rows = read_table(path, _LAYOUT, file=plain_name(path))
    refuse_unknown(rows, "subject", [float(who)])
    refuse_unknown(rows, "code", list(_LABELS))
    words, places = np.unique(rows.columns["z"].astype(str), return_inverse=True)
    found = [_LAST.fullmatch(word) for word in words]
    if None in found:
        word = words[found.index(None)]
        row = int(np.argmax(places == found.index(None)))
        raise RecordingError(
            f"a row ends in {word[:40]!r}, expected a number and a semicolon",
            code="not_a_table",
            remedy="fetch the set again and verify it",
            file=rows.file,
            row=row,
        )
    last = np.array([float(one[1]) for one in found if one])[places]
    return ordered(replace(rows, columns={**rows.columns, "z": last}), SETS["wisdm"].repairs)


def _track(sensor: str, rows: Rows) -> Track:
    values = rows.matrix(("x", "y", "z"))
    track = upward_accel(rows.time_ns, values) if sensor == "accel" else Track("gyro", values, rows.time_ns)
    return replace(track, stated_rate_hz=20.0, remarks=(*track.remarks, *rows.remarks))


def _remarks(rows: Mapping[str, Rows]) -> list[Remark]:
    return [
        Remark("missing_file", 1, f"there is no file of the {sensor} of this device", "fetch the set again")
        for sensor in ("accel", "gyro")
        if sensor not in rows
    ]
