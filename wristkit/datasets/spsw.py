"""SP-SW-HAR: a watch and a phone while a person sits, stands up, walks, turns and sits down."""

import re
from collections.abc import Iterator
from pathlib import Path

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import ordered, recorded, source, truth_marks, upward_accel, whole_span
from wristkit.datasets.text import Layout, matching, plain_name, read_table, refuse_unknown
from wristkit.load.gather import Gathered, Track
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording

_FILE = r"(s\d\d)_\d\d_(sw|sp)\.csv"
_ACCEL, _GYRO = ("x_acc", "y_acc", "z_acc"), ("x_gyro", "y_gyro", "z_gyro")
_LAYOUT = Layout(Stamp("timestamp", "ms"), (*_ACCEL, *_GYRO), text=("label",))
_LABELS: dict[object, str] = {
    name: name.lower() for name in ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
}
_DEVICES = {"sw": ("watch", "wrist"), "sp": ("phone", "pocket")}


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording an execution and device; ``source["execution"]`` pairs watch and phone."""
    for path in matching(folder, _FILE, what="spsw"):
        yield _recording(path)


def _recording(path: Path) -> Recording:
    name = plain_name(path)
    who, kind = re.fullmatch(_FILE, name).groups()  # type: ignore[union-attr]  # found by this pattern
    rows = read_table(path, _LAYOUT, file=name)
    refuse_unknown(rows, "label", list(_LABELS))
    rows = ordered(rows, SETS["spsw"].repairs)
    device, place = _DEVICES[kind]
    return recorded(
        Gathered(
            [upward_accel(rows.time_ns, rows.matrix(_ACCEL)), Track("gyro", rows.matrix(_GYRO), rows.time_ns)],
            marks=truth_marks(rows.time_ns, rows.columns["label"], _LABELS),
            remarks=rows.remarks,
            labelled={"truth": whole_span(rows.time_ns)},
            subject=who,
            source=source(name, "spsw", rows.content_hash, device=device, place=place, stated={"execution": name[:6]}),
        )
    )
