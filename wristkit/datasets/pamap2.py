"""PAMAP2: three sensors on hand, chest and ankle, and a heart rate monitor; the one on the hand is read here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import (
    left_out,
    ordered,
    recorded,
    source,
    spans_of,
    truth_marks,
    unsigned_accel,
)
from wristkit.datasets.text import Layout, matching, plain_name, read_table, refuse_unknown
from wristkit.load.gather import Gathered, Remark, Rows, Track
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording

_IMU = (
    "temperature",
    *(f"{sensor}_{axis}" for sensor in ("acc16", "acc6", "gyro", "mag") for axis in "xyz"),
    *(f"orientation_{part}" for part in "wxyz"),
)
_NAMES = ("seconds", "activity", "heart_rate", *(f"{at}_{one}" for at in ("hand", "chest", "ankle") for one in _IMU))
_ACCEL, _GYRO, _MAG = ([f"hand_{sensor}_{axis}" for axis in "xyz"] for sensor in ("acc16", "gyro", "mag"))
_READ = ("activity", "heart_rate", "hand_temperature", *_ACCEL, *_GYRO, *_MAG)
_LAYOUT = Layout(Stamp("seconds", "s", epoch=False), _READ, names=_NAMES, delimiter=" ")
_OTHER = 0.0  # on the way from one activity to the next: not to be used, say the authors
_LABELS: dict[object, str] = {
    1.0: "lying",
    2.0: "sitting",
    3.0: "standing",
    4.0: "walking",
    5.0: "running",
    6.0: "cycling",
    7.0: "nordic_walking",
    9.0: "watching_tv",
    10.0: "computer_work",
    11.0: "car_driving",
    12.0: "ascending_stairs",
    13.0: "descending_stairs",
    16.0: "vacuum_cleaning",
    17.0: "ironing",
    18.0: "folding_laundry",
    19.0: "house_cleaning",
    20.0: "playing_soccer",
    24.0: "rope_jumping",
}


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a file, from ``Protocol`` and ``Optional``; rows of activity 0 are outside ``labelled``."""
    for path in matching(folder, r"subject1\d\d\.dat", what="pamap2"):
        yield _recording(path)


def _recording(path: Path) -> Recording:
    name = plain_name(path)
    rows = read_table(path, _LAYOUT, file=name)
    refuse_unknown(rows, "activity", [_OTHER, *_LABELS])
    rows = ordered(replace(rows, time_ns=rows.time_ns - rows.time_ns[0]), SETS["pamap2"].repairs)
    marks = truth_marks(rows.time_ns, rows.columns["activity"], _LABELS)
    part = path.parent.name.lower() if path.parent.name in {"Protocol", "Optional"} else "protocol"
    return recorded(
        Gathered(
            _tracks(rows),
            clock="none",
            marks=marks,
            remarks=(*rows.remarks, *_remarks(rows)),
            labelled={"truth": spans_of(marks)},
            subject=name[:10],
            source=source(
                name, "pamap2", rows.content_hash, device="Colibri wireless", place="wrist", stated={"part": part}
            ),
        )
    )


def _tracks(rows: Rows) -> list[Track]:
    beats = np.isfinite(rows.columns["heart_rate"])
    tracks = [
        unsigned_accel(rows.time_ns, rows.matrix(_ACCEL), "m/s2"),
        Track("gyro", rows.matrix(_GYRO), rows.time_ns),
        Track("mag", rows.matrix(_MAG), rows.time_ns),
        Track("temperature", rows.columns["hand_temperature"], rows.time_ns),
    ]
    if beats.any():
        tracks.append(Track("heart_rate", rows.columns["heart_rate"][beats], rows.time_ns[beats]))
    return tracks


def _remarks(rows: Rows) -> list[Remark]:
    count = len(rows.time_ns)
    empty = int(np.isnan(rows.columns["heart_rate"]).sum())
    note = f"{empty} of {count} rows have no heart rate: the monitor gives some 9 values a second"
    return [
        Remark("slower_rows", empty, note, "none", stream="heart_rate"),
        left_out("chest, ankle", count, "other devices on another place"),
        left_out("acceleration of +-6 g", count, "it saturates in running, and the authors advise against it"),
        left_out("orientation", count, "the authors call it invalid in this collection"),
    ]
