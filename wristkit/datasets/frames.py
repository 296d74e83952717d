"""What readers of public sets share: units and signs to Core Motion's, runs of labels, and the way to a recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from wristkit.load.assemble import assemble
from wristkit.load.gather import Gathered, Mark, Nanoseconds, Remark, Request, Rows, Track, converted, source_of
from wristkit.load.order import in_order
from wristkit.load.runs import runs
from wristkit.load.spool import Spool
from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording

RATER = "authors"
_LONG_NS = 10**9  # a label is not believed over a longer pause

MotionUnit = Literal["g", "m/s2"]
Spans = list[tuple[int, int]]


def recorded(gathered: Gathered) -> Recording:
    """Return the recording of what a reader gathered."""
    return assemble(gathered, Request(spool=Spool()))


def ordered(rows: Rows, repairs: Sequence[str]) -> Rows:
    """Return rows whose stamps increase, after the repairs that the catalogue names."""
    return in_order(rows, repairs, Spool())


def source(
    file: str,
    name: str,
    content_hash: str,
    *,
    device: str,
    place: str,
    stated: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, str]:
    """Return the source of a recording of the set ``name``, with what else the set states and may be told."""
    return source_of(Path(file), name, content_hash, {"device": device, "place": place, **stated})


def upward_accel(time_ns: Nanoseconds | None, metres: FloatArray, *, rate_hz: float | None = None) -> Track:
    """Return acceleration in m/s2 that reads +9.81 upwards at rest as ``accel``, which reads -1 g."""
    note = "signs were turned: the axis that points up read +9.81 m/s2 at rest, as on Android, and reads -1 g now"
    remark = Remark("frame_converted", len(metres), note, "nothing")
    return _accel(time_ns, -metres, "m/s2", remark, rate_hz)


def unsigned_accel(
    time_ns: Nanoseconds | None, values: FloatArray, unit: MotionUnit, *, rate_hz: float | None = None
) -> Track:
    """Return acceleration of which no document tells the sign as ``accel`` in g, its sign as it stands."""
    note = "the source does not say whether the axis that points up reads +1 g or -1 g at rest; its sign was kept"
    remedy = "compare a known posture, and turn the sign if it reads +1 g upwards"
    return _accel(time_ns, values, unit, Remark("sign_unknown", len(values), note, remedy), rate_hz)


def _accel(
    time_ns: Nanoseconds | None, values: FloatArray, unit: MotionUnit, remark: Remark, rate_hz: float | None
) -> Track:
    if unit == "g":
        return Track("accel", values, time_ns, rate_hz=rate_hz, remarks=(remark,))
    remarks = (converted("accel", unit, "g", len(values)), remark)
    return Track("accel", values / STANDARD_GRAVITY, time_ns, rate_hz=rate_hz, remarks=remarks)


def gyro_of_degrees(time_ns: Nanoseconds, degrees: FloatArray) -> Track:
    """Return angular velocity in deg/s as ``gyro`` in rad/s."""
    return Track("gyro", np.deg2rad(degrees), time_ns, remarks=(converted("gyro", "deg/s", "rad/s", len(degrees)),))


def truth_marks(
    time_ns: Nanoseconds, values: npt.NDArray[np.generic], names: Mapping[object, str], *, tier: str = "truth"
) -> list[Mark]:
    """Return the runs of values that have a name as labels."""
    found = runs(time_ns, values, longest_step_ns=_LONG_NS)
    return [Mark(start, stop, names[value], tier, RATER) for start, stop, value in found if value in names]


def whole_span(time_ns: Nanoseconds) -> Spans:
    """Return the one span from first to last stamp."""
    return [(int(time_ns[0]), int(time_ns[-1]))]


def spans_of(marks: Sequence[Mark]) -> Spans:
    """Return the spans of labels: of sets that say nothing of the time between them."""
    return [(mark.start_ns, mark.stop_ns) for mark in marks]


def left_out(what: str, count: int, why: str) -> Remark:
    """Return what to say of columns or files that a reader does not take over."""
    return Remark("left_out", count, f"{what}: {why}", "read the file yourself where you need it")
