"""ActiGraph's older firmware: activity.bin and lux.bin, whose samples have no times of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.load.actigraph_info import (
    INFO,
    OLD,
    OLD_LIGHT,
    Info,
    chunks_of,
    in_g,
    of_clock,
    scale_of,
)
from wristkit.load.actigraph_records import Counts, unpacked
from wristkit.load.blocks import tail_remark
from wristkit.load.gather import Gathered, Remark, Request, Track, device_frame
from wristkit.load.members import Members

_OLD_LUX: Mapping[str, tuple[float, float]] = MappingProxyType({"NEO": (1.25, 2500.0), "MRA": (3.25, 6000.0)})
_LEAST_LUX_COUNT, _NO_LUX_COUNT = 20, 0xFFFF


def read_old(members: Members, info: Info, request: Request) -> Gathered:
    """Return acceleration and light at stated rates from the start that info.txt states."""
    if info.rate_hz is None or info.start_ns is None:
        raise RecordingError(
            f"{INFO} states no Sample Rate or no Start Date, and {OLD} has no times of its own",
            code="rate_unknown",
            remedy="download the recording again with the vendor's program",
            file=INFO,
        )
    remarks: list[Remark] = []
    axes, light = tuple(request.spool.column(np.int16) for _ in range(3)), request.spool.column(np.float32)
    for counts in _old_counts(members, request, remarks):
        for axis, column in enumerate(axes):
            column.append(counts[:, axis])
    scale = scale_of([], info)
    values = request.spool.mapped(lambda *block: in_g(block, scale), *(column.array() for column in axes))
    start_ns = info.start_ns - (info.utc_offset_s or 0) * 10**9
    tracks = [Track("accel", values, start_ns=start_ns, rate_hz=info.rate_hz)]
    remarks.append(device_frame(len(values)))
    if OLD_LIGHT in members.names and info.family[:3] in _OLD_LUX:
        for lux in _old_light(members, _OLD_LUX[info.family[:3]], request, remarks):
            light.append(lux)
        tracks.append(Track("light", light.array()[:, None], None, ("light",), "lux", start_ns=start_ns, rate_hz=1.0))
    elif OLD_LIGHT in members.names:
        note = f"{OLD_LIGHT} was not read: how counts of this device become lux is not known"
        remarks.append(Remark("not_read", 1, note, "export the light with the vendor's program"))
    clock = "local" if info.utc_offset_s is None else "utc"
    return Gathered(tracks, clock=clock, remarks=[*remarks, *of_clock(info, is_utc=False)])


def _old_counts(members: Members, request: Request, remarks: list[Remark]) -> Iterator[Counts]:
    """Yield (n, 3) counts of the samples that follow each other in activity.bin without a break."""
    size, pending, base = 9 * 2**18, b"", 0  # two samples take nine bytes
    for chunk in chunks_of(members, OLD, size):
        content = pending + chunk
        whole = len(content) // 9 * 9
        if whole:
            yield unpacked(np.frombuffer(content, dtype=np.uint8)[:whole].reshape(-1, 9)).reshape(-1, 3)
        base, pending = base + whole, content[whole:]
    if len(pending) >= 5:
        yield unpacked(np.frombuffer(pending, dtype=np.uint8)[:5].reshape(1, 5)).reshape(-1, 3)
    if len(pending) not in {0, 5}:
        cut = tail_remark(samples=0, byte=base + len(pending) // 5 * 5, repair=request.repair, file=OLD)
        remarks.append(replace(cut, stream="accel"))


def _old_light(
    members: Members, case: tuple[float, float], request: Request, remarks: list[Remark]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield lux of lux.bin by the vendor's rules for this case; what they change is counted."""
    factor, most_lux = case
    zeroed = capped = 0
    for chunk in chunks_of(members, OLD_LIGHT, 2**20):
        if len(chunk) % 2:
            cut = tail_remark(samples=0, byte=len(chunk) - 1, repair=request.repair, file=OLD_LIGHT)
            remarks.append(replace(cut, stream="light"))
        counts = np.frombuffer(chunk[: len(chunk) // 2 * 2], dtype="<u2")
        dark = (counts < _LEAST_LUX_COUNT) | (counts == _NO_LUX_COUNT)
        lux = np.where(dark, 0, counts * factor)
        zeroed, capped = zeroed + int((dark & (counts > 0)).sum()), capped + int((lux > most_lux).sum())
        yield np.minimum(lux, most_lux).astype(np.float32)
    if zeroed or capped:
        note = f"by the vendor's rules {zeroed} readings count as dark and {capped} were limited to {most_lux:g} lux"
        remarks.append(Remark("light_rules", zeroed + capped, note, "none", stream="light"))
