"""UWash: washing of hands with a watch; one recording with its steps, and whole washes without."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import (
    RATER,
    gyro_of_degrees,
    ordered,
    recorded,
    source,
    truth_marks,
    unsigned_accel,
    whole_span,
)
from wristkit.datasets.text import (
    WITH_INITIALS,
    Layout,
    matching,
    neutral_name,
    read_table,
    refuse_unknown,
    unpacked_hash,
)
from wristkit.load.gather import Gathered, Mark, Remark, Rows, Track
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording

_STEPS_FILE = "labelData.csv"
_NEUTRAL = r"subject_\d\d_cond\d\.\d_\d\d\.csv"
_FILES = rf"{_STEPS_FILE}|{_NEUTRAL}|{WITH_INITIALS}"
_ACCEL, _GYRO = ("acc_x", "acc_y", "acc_z"), ("gyr_x", "gyr_y", "gyr_z")
_LAYOUT = Layout(Stamp("timestamp", "ms"), (*_ACCEL, *_GYRO, "label"))
_STEPS: dict[object, str] = {
    1.0: "action_1",
    2.0: "action_2_part_1",
    3.0: "action_2_part_2",
    4.0: "action_3",
    5.0: "action_4",
    6.0: "action_5_part_1",
    7.0: "action_5_part_2",
    8.0: "action_6_part_1",
    9.0: "action_6_part_2",
}


def read(folder: Path) -> Iterator[Recording]:
    """Yield the recording with steps in tier ``"truth"`` and each whole wash, one label in tier ``"wash"``.

    Files of the same content are all read; a finding ``duplicate_of`` names the others.
    """
    paths = sorted(matching(folder, _FILES, what="uwash"), key=neutral_name)
    hashes = {path: unpacked_hash(path, file=neutral_name(path)) for path in paths}
    for path in paths:
        twins = [neutral_name(other) for other in paths if hashes[other] == hashes[path] and other != path]
        yield _recording(path, twins)


def _recording(path: Path, others: Sequence[str]) -> Recording:
    name = neutral_name(path)
    rows = read_table(path, _LAYOUT, file=name)
    has_steps = name == _STEPS_FILE
    refuse_unknown(rows, "label", [0.0, *_STEPS] if has_steps else [0.0])
    rows = ordered(rows, SETS["uwash"].repairs)
    span = whole_span(rows.time_ns)
    return recorded(
        Gathered(
            _tracks(rows),
            marks=truth_marks(rows.time_ns, rows.columns["label"], _STEPS) if has_steps else _wash(span[0]),
            remarks=(*rows.remarks, *_of_duplicates(others), *(_of_steps() if has_steps else ())),
            labelled={"truth": span} if has_steps else {},
            subject=None if has_steps else name[:10],
            source=source(name, "uwash", rows.content_hash, device="watch", place="wrist"),
        )
    )


def _tracks(rows: Rows) -> list[Track]:
    accel = unsigned_accel(rows.time_ns, rows.matrix(_ACCEL), "m/s2")
    return [accel, gyro_of_degrees(rows.time_ns, rows.matrix(_GYRO))]


def _wash(span: tuple[int, int]) -> list[Mark]:
    return [Mark(*span, "washing", "wash", RATER)]


def _of_steps() -> tuple[Remark, ...]:
    note = "the source does not say whose recording this is; it may be one of the people in the others"
    return (Remark("subject_unknown", 1, note, "never put it on the other side of a split from the others"),)


def _of_duplicates(others: Sequence[str]) -> tuple[Remark, ...]:
    if not others:
        return ()
    note = f"its bytes are those of {', '.join(others)}"
    return (Remark("duplicate_of", len(others), note, "count it once, and never put one on each side of a split"),)
