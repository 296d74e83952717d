"""What a reader of one format is asked for, and what it gives back: rows, tracks and remarks, not yet a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.load.spool import Spool
from wristkit.recording import FloatArray, Side

Nanoseconds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Remark:
    """One finding as a reader knows it.

    ``stream`` is empty where it concerns the whole recording; without ``span_ns`` it holds from first to last sample.
    """

    code: str
    count: int
    note: str
    remedy: str
    stream: str = ""
    span_ns: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """What the caller of ``load`` asked for, and where long arrays go meanwhile.

    ``schema`` says what the columns of a table without names of its own mean.
    """

    spool: Spool
    repair: frozenset[str] = frozenset()
    unit: str | None = None
    rate_hz: float | None = None
    zone: str | None = None
    schema: object | None = None
    keep_audio: bool = True


@dataclass(frozen=True, eq=False)
class Rows:
    """Stamped rows of one file: stamps (n,) in nanoseconds, columns (n,) by name, in the order of the file.

    A column of text holds numbers of its words in ``words``.
    """

    file: str
    time_ns: Nanoseconds
    columns: Mapping[str, npt.NDArray[Any]]
    remarks: tuple[Remark, ...] = ()
    content_hash: str = ""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def texts(self, name: str) -> list[str]:
        """Return the words of a column of text, one a row."""
        return [self.words[name][code] for code in self.columns[name]]

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """Return (n, c) of these columns."""
        return np.column_stack([self.columns[name] for name in names])


@dataclass(frozen=True, eq=False)
class Track:
    """One stream in canonical units with increasing stamps; uniform, from ``start_ns``, where ``time_ns`` is None.

    Parameters
    ----------
    name, channels, unit
        As those of a ``Stream``; a canonical name brings channels and unit.
    time_ns, values
        (n,) stamps on the clock of the recording, (n, c) values.
    start_ns, rate_hz
        First stamp and stated rate of a track without stamps.
    stated_rate_hz
        Rate that the file states for a track with stamps; told where the measured one is more than 1 % off.
    """

    name: str
    values: npt.NDArray[Any]
    time_ns: Nanoseconds | None = None
    channels: Sequence[str] | None = None
    unit: str | None = None
    start_ns: int = 0
    rate_hz: float | None = None
    stated_rate_hz: float | None = None
    remarks: tuple[Remark, ...] = ()


def device_frame(count: int) -> Remark:
    """Return what to say of acceleration that keeps a research device's own axes and signs."""
    note = "axes and signs are the device's own: the axis that points up reads +1 g at rest, Core Motion would read -1"
    remedy = "turn its signs before a detector made for Core Motion sees it, or train and run on this device alone"
    return Remark("frame_device", count, note, remedy, stream="accel")


def converted(what: str, given: str, unit: str, count: int) -> Remark:
    """Return what to say of values that a file holds in another unit than the stream does."""
    note = f"{what} was converted from {given} to {unit}"
    return Remark("unit_converted", count, note, "nothing, if the file's unit is right")


class Mark(NamedTuple):
    """One label as a file gives it, on the clock of the tracks; ``stop_ns == start_ns`` is a point."""

    start_ns: int
    stop_ns: int
    label: str
    tier: str
    rater: str


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a file gives, before it is a recording.

    Parameters
    ----------
    tracks, marks, remarks
        Signals, labels and findings.
    clock
        What the stamps count from: ``"utc"`` (1970), ``"local"`` (1970 by the clock on the wall, zone unknown), or
        ``"none"`` (any moment).
    labelled
        Tier to (start_ns, stop_ns) within which silence means that nothing happened.
    zone, subject, wrist, crown, source
        As the fields of a ``Recording``; nothing that identifies a person.
    """

    tracks: Sequence[Track]
    clock: str = "utc"
    marks: Sequence[Mark] = ()
    remarks: Sequence[Remark] = ()
    labelled: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    zone: str | None = None
    subject: str | None = None
    wrist: Side | None = None
    crown: Side | None = None
    source: Mapping[str, str] = field(default_factory=dict)


def source_of(
    path: Path, format_name: str, content_hash: str, stated: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return the source of a recording: format, file name, hash, and what else the file states and may be told."""
    told = {key: text for key, text in stated.items() if text}
    return {"format": format_name, **told, "file": path.name, "content_hash": content_hash}
