"""``load()``: a file or folder of any known format becomes a ``Recording``; formats are recognised by content.

A user's own format is an entry point of the group ``wristkit.readers``: a module with ``recognises(path) -> bool`` and
``read(path, request) -> Gathered``. ``wristkit.load.contract.check_loader`` tells whether it keeps the rules.
"""

import difflib
import functools
import importlib.metadata
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.audio import without_sound
from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.load import (
    actigraph,
    apple_health,
    axivity,
    core_motion,
    empatica,
    geneactiv,
    sensor_log,
    sensor_logger,
    sensor_logger_phone,
    sound,
    table,
)
from wristkit.load.assemble import assemble, zone_info
from wristkit.load.gather import Gathered, Request
from wristkit.load.members import find_members, is_zip
from wristkit.load.order import REPAIRS
from wristkit.load.spool import Spool
from wristkit.recording import Recording, Side, finding_table
from wristkit.store import is_native, open_native, refuse_foreign, save, writing

READERS_GROUP = "wristkit.readers"
# What never holds sound, and so may go to disk while it is read though sound is not to be written.
_SOUNDLESS = frozenset(
    {"core_motion", "sensor_log", "geneactiv", "actigraph", "apple_health", "empatica_e4", "axivity"}
)
_SLOWEST_HZ, _FASTEST_HZ = 1e-6, 1e6
_NO_TEXT = re.compile("[\\x00-\\x1f\\ud800-\\udfff]")


class Reader(Protocol):
    """A module that knows one format."""

    def recognises(self, path: Path) -> bool:
        """Return whether a file or folder is of this format, by content."""

    def read(self, path: Path, request: Request) -> Gathered:
        """Return what it holds."""


_NONE: Mapping[str, Reader] = MappingProxyType({})
_ON_TRIAL: ContextVar[Mapping[str, Reader]] = ContextVar("_ON_TRIAL", default=_NONE)

# In the order in which they are asked; what could be anybody's table comes last.
FORMATS: Mapping[str, Reader] = MappingProxyType(
    {
        "sensor_logger": sensor_logger,
        "sensor_logger_phone": sensor_logger_phone,
        "core_motion": core_motion,
        "sensor_log": sensor_log,
        "geneactiv": geneactiv,
        "actigraph": actigraph,
        "apple_health": apple_health,
        "empatica_e4": empatica,
        "axivity": axivity,
        "sound": sound,
        "table": table,
    }
)


def load(
    path: str | Path | pd.DataFrame | Mapping[str, npt.ArrayLike],
    *,
    format: str | None = None,  # noqa: A002  the word that readers use
    subject: str | None = None,
    wrist: Side | None = None,
    crown: Side | None = None,
    unit: str | None = None,
    rate_hz: float | None = None,
    zone: str | None = None,
    schema: Mapping[str, object] | None = None,
    keep_audio: bool = True,
    repair: Sequence[str] = (),
    into: str | Path | None = None,
) -> Recording:
    """Return one recording with its streams in canonical units, and findings of what is wrong with it.

    Parameters
    ----------
    path
        File or folder in one of ``formats()``, recognised by content; or a DataFrame or arrays by name, with a schema.
    format
        Name of the format, where recognition should be left out.
    subject, wrist, crown, zone
        What the file does not say. What it does say is not overruled: another value raises.
    unit, rate_hz, schema
        For tables, which do not state their own: the unit of columns whose schema has none; the rate of rows without
        stamps, or the stated one of rows with stamps; what each column is: ``{"t": ("time", "ms"),
        "ax": ("accel.x", "m/s2", "android"), ..., "activity": "label", "note": "ignore"}``. An empty label says that
        nobody looked; of ``("label", "empty_is_background")``, that nothing was done. See
        ``wristkit.load.schema.Column``.
    keep_audio
        False leaves raw sound out, for privacy: ``mel`` and ``level`` are made of it, of the mean of its channels, and
        findings say so, and which could not be made, such as ``mel`` of 8 kHz. See ``wristkit.audio.without_sound``. No
        raw sound is written: a file that may hold sound is read in memory, also with ``into``. Sound that is damaged
        does not keep what lies beside it from being read.
    repair
        Names of repairs to make; nothing is repaired otherwise, and the findings count every row changed.
        ``"drop_exact"`` (repeated rows), ``"drop_tail"`` (a cut end), ``"drop_headers"`` (a header in mid-file),
        ``"spread_stamps"`` (equal stamps), ``"sort_blocks"`` (stretches out of order), ``"cut_reset"`` (a clock set
        back near the end), ``"unwrap_clock"`` (a counter that started again), ``"skip_damaged"`` (more than 5 % of a
        device file damaged).
    into
        Folder to save the recording in, block by block; what comes back is memory-mapped from there. The repairs
        ``"sort_blocks"``, ``"cut_reset"`` and ``"unwrap_clock"`` hold all stamps in memory.

    Raises
    ------
    FileNotFoundError
        With the nearest names in the folder.
    RecordingError
        With file, row or byte, code and a one-line remedy.
    ValueError
        For an argument that the format cannot use.
    """
    repairs = _checked_repairs(repair)
    _check_known(subject=subject, wrist=wrist, crown=crown, zone=zone)
    _check_options(unit=unit, rate_hz=rate_hz, keep_audio=keep_audio)
    source = _source(path, format)
    _refuse_own_folder(source, into)
    name = "table" if source is None else _recognised(source) if format is None else _named(format)
    _refuse_unused(name, {"unit": unit, "rate_hz": rate_hz, "schema": schema})
    known = {"subject": subject, "wrist": wrist, "crown": crown, "zone": zone}
    if name == "native" and source is not None:
        if repairs:
            raise ValueError(f"repair is {list(repair)}, and a native folder needs none; leave it out")
        return _stored(_without_sound(_completed(open_native(source), known), keep_audio=keep_audio), into)
    try:
        with _spool(into if keep_audio or name in _SOUNDLESS else None) as spool:
            request = Request(spool, repairs, unit, rate_hz, zone, schema, keep_audio)
            recording = _completed(_read(path if source is None else source, name, request), known)
            return _stored(_without_sound(recording, keep_audio=keep_audio), into)
    except RecordingError as error:
        if error.file is not None or source is None:
            raise
        raise error.of_file(source) from error


def _read(source: str | Path | pd.DataFrame | Mapping[str, npt.ArrayLike], name: str, request: Request) -> Recording:
    """Return what a file holds, with its sound; without it where it is not wanted and cannot be read."""
    wanted = replace(request, keep_audio=True)
    try:
        return assemble(_gathered(source, name, wanted), wanted)
    except RecordingError as fault:
        if request.keep_audio or name in _SOUNDLESS:
            raise
        try:
            recording = assemble(_gathered(source, name, request), request)
        except RecordingError:
            raise fault from None
        if "audio_left_out" not in set(recording.findings["code"]):
            raise
        note = f"nothing was made of the sound, which cannot be read: {fault.message}"
        row = ("feature_not_made", "audio", recording.start_s, recording.stop_s, 1, note, fault.remedy)
        return recording.with_findings(finding_table([row]))


def _gathered(source: str | Path | pd.DataFrame | Mapping[str, npt.ArrayLike], name: str, request: Request) -> Gathered:
    if isinstance(source, Path):
        return _read_unchanged(source, formats()[name], request)
    return table.read_memory(source, request)  # type: ignore[arg-type]  # no text, as load made paths of it


def formats() -> Mapping[str, Reader]:
    """Return the readers by the name of their format, with those that other packages bring."""
    *ours, last = FORMATS
    return {**{name: FORMATS[name] for name in ours}, **_of_others(), **_ON_TRIAL.get(), last: FORMATS[last]}


@contextmanager
def on_trial(name: str, reader: Reader) -> Iterator[None]:
    """Let ``load`` know a reader as if it were registered, in this block and context alone."""
    before = _ON_TRIAL.set({**_ON_TRIAL.get(), name: reader})
    try:
        yield
    finally:
        _ON_TRIAL.reset(before)


@functools.cache
def _of_others() -> Mapping[str, Reader]:
    """Return the readers of other packages; one that cannot be used says why where it is asked for by name."""
    readers: dict[str, Reader] = {}
    for point in importlib.metadata.entry_points(group=READERS_GROUP):
        if point.name in {*FORMATS, *readers, "native"}:
            taken = ValueError(f"its name {point.name!r} is that of another format; rename the entry point")
            readers[f"{point.name} of {point.value}"] = _BrokenReader(point, taken)
            continue
        try:
            readers[point.name] = point.load()
        except Exception as error:  # noqa: BLE001  whatever another package does, other formats load
            readers[point.name] = _BrokenReader(point, error)
    return readers


class _BrokenReader:
    """In place of a reader that cannot be used."""

    def __init__(self, point: importlib.metadata.EntryPoint, error: Exception) -> None:
        self._point, self._error = point, error

    def recognises(self, path: Path) -> bool:  # noqa: ARG002  as all readers
        """Return False: nobody can ask it."""
        return False

    def read(self, path: Path, request: Request) -> Gathered:  # noqa: ARG002  as all readers
        """Raise why it cannot be used."""
        raise RecordingError(
            f"the reader {self._point.value!r} of the format {self._point.name!r} cannot be used: {self._error!r}",
            code="reader_broken",
            remedy="mend or uninstall the package that brings it",
            file=path,
        ) from self._error


@contextmanager
def _spool(into: str | Path | None) -> Iterator[Spool]:
    """Give a place for long arrays: memory, or beside the folder that they go to."""
    if into is None:
        yield Spool()
        return
    folder = Path(into)
    with writing(folder):
        refuse_foreign(folder, None)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(prefix=f".{folder.name[:40]}.", dir=folder.parent)
    with beside as name:
        yield Spool(Path(name))


def _stored(recording: Recording, into: str | Path | None) -> Recording:
    """Return the recording as it lies in its folder; labels and names that were given to it there are kept."""
    if into is None:
        return recording
    folder = Path(into)
    held = open_native(folder) if is_native(folder) else None
    if held is not None and held.id == recording.id:
        recording = _completed(
            recording, {field: getattr(held, field) for field in ("subject", "wrist", "crown", "zone")}
        )
        if len(held.labels) or held.labelled:
            recording = recording.with_labels(held.labels, labelled=held.labelled)
    return open_native(save(recording, folder))


def _read_unchanged(path: Path, reader: Reader, request: Request) -> Gathered:
    """Return what a file holds, unless it grew or changed while it was read."""
    before = _state(path)
    try:
        gathered = reader.read(path, request)
    except IsADirectoryError as error:
        raise NotThisFormatError(
            "it is a folder, and this format is one file", code="format", remedy="give the file in it", file=path
        ) from error
    if _state(path) != before:
        raise TruncatedError(
            "it changed while it was read",
            code="still_written",
            remedy="wait until the device or the sync client has finished writing it",
            file=path,
        )
    return gathered


def _state(path: Path) -> list[tuple[str, int, int]]:
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return [(str(one.relative_to(path)), (found := one.stat()).st_size, found.st_mtime_ns) for one in files]


def _existing(path: Path) -> Path:
    if not os.path.lexists(path) or not path.exists():
        raise FileNotFoundError(f"{path} does not exist; {_nearest(path)}")
    if not path.is_dir() and not path.is_file():
        kind = stat.filemode(path.stat().st_mode)[0]
        raise RecordingError(
            f"it is no regular file or folder (type {kind!r})",
            code="not_regular",
            remedy="copy the recording into a plain file",
            file=path,
        )
    if path.is_file() and path.stat().st_size == 0:
        raise EmptyRecordingError("it has no bytes", code="empty", remedy="export or copy it again", file=path)
    return path


def _nearest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"neither does the folder {folder}"
    names = sorted(one.name for one in folder.iterdir())
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5) or names[:3]
    return f"nearest names in {folder}: {', '.join(close) or 'none, it is empty'}"


def _recognised(path: Path) -> str:
    if is_native(path):
        return "native"
    if path.is_file() and is_zip(path):
        find_members(path, ())  # raises: no reader can say of a zip without a directory or files whether it is theirs
    known = formats()
    for name, reader in known.items():
        if reader.recognises(path):
            return name
    raise NotThisFormatError(
        f"it is of no known format (native, {', '.join(known)}): {_seen(path)}",
        code="format",
        remedy="give a file as the device or app wrote it; for a table of your own give schema=",
        file=path,
    )


def _seen(path: Path) -> str:
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir())
        return f"a folder with {', '.join(names[:5]) or 'nothing in it'}"
    with path.open("rb") as file:
        return f"a file that starts with {file.read(16)!r}"


def _named(format: str) -> str:  # noqa: A002  as in load
    known = ["native", *formats()]
    if format not in known:
        raise ValueError(f"format is {format!r}, expected one of {', '.join(known)}, or None to recognise it")
    return format


def _refuse_unused(name: str, arguments: Mapping[str, object]) -> None:
    given = [argument for argument, value in arguments.items() if value is not None]
    if given and (name in FORMATS or name == "native") and name != "table":
        raise ValueError(
            f"{', '.join(given)} cannot be used with the format {name!r}, which states its own; leave it out"
        )


def _checked_repairs(repair: Sequence[str]) -> frozenset[str]:
    if isinstance(repair, str) or not isinstance(repair, Collection):
        raise TypeError(f"repair is {repair!r}, expected a sequence of names such as ({repair!r},)")
    if unknown := [one for one in repair if one not in REPAIRS]:
        raise ValueError(f"repair names {unknown}, expected any of {list(REPAIRS)}")
    return frozenset(repair)


def _source(path: object, format: str | None) -> Path | None:  # noqa: A002  as in load
    """Return the file or folder to read; None for a table in memory."""
    if isinstance(path, pd.DataFrame | Mapping):
        if format not in {None, "table"}:
            raise ValueError(f"format is {format!r}, and a table in memory has none; leave it out")
        return None
    if not isinstance(path, str | Path):
        raise TypeError(f"path is a {type(path).__name__}, expected a path, a DataFrame, or arrays by name")
    if not str(path) or "\0" in str(path):
        raise ValueError(f"path is {str(path)!r}, expected the name of a file or folder")
    return _existing(Path(path))


def _refuse_own_folder(source: Path | None, into: str | Path | None) -> None:
    if source is not None and into is not None and Path(into).resolve().is_relative_to(source.resolve()):
        raise ValueError(f"into is {str(into)!r}, which lies in what is read; choose a folder beside it")


def _check_options(*, unit: object, rate_hz: object, keep_audio: object) -> None:
    if not (unit is None or isinstance(unit, str)):
        raise TypeError(f"unit is {unit!r}, expected text such as 'm/s2'")
    if rate_hz is not None and (isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float | np.number)):
        raise TypeError(f"rate_hz is {rate_hz!r}, expected a number of samples a second")
    if rate_hz is not None and not _SLOWEST_HZ <= float(rate_hz) <= _FASTEST_HZ:
        raise ValueError(f"rate_hz is {rate_hz}, expected {_SLOWEST_HZ:g} to {_FASTEST_HZ:g} samples a second")
    if not isinstance(keep_audio, bool):
        raise TypeError(f"keep_audio is {keep_audio!r}, expected True or False")


def _check_known(*, subject: object, wrist: str | None, crown: str | None, zone: str | None) -> None:
    """Raise what is wrong with what the caller knows, before a long file is read."""
    for field, side in (("wrist", wrist), ("crown", crown)):
        if side not in {None, "left", "right"}:
            raise ValueError(f"{field} is {side!r}, expected 'left', 'right' or None where unknown")
    if not (subject is None or (isinstance(subject, str) and not _NO_TEXT.search(subject))):
        raise ValueError(f"subject is {subject!r}, expected text that can be written, or None where unknown")
    if zone is not None:
        zone_info(zone)


def _completed(recording: Recording, given: Mapping[str, str | None]) -> Recording:
    """Return the recording with what the caller knows and the file does not say."""
    for field, value in given.items():
        stated = getattr(recording, field)
        if value is not None and stated is not None and value != stated:
            raise ValueError(f"{field} is given as {value!r}, the recording states {stated!r}; leave it out")
    fields = {field: value for field, value in given.items() if value is not None}
    return replace(recording, **fields) if fields else recording  # type: ignore[arg-type]  # sides are checked above


def _without_sound(recording: Recording, *, keep_audio: bool) -> Recording:
    """Return the recording with features in place of its sound, where that is not to be kept."""
    if keep_audio or "audio" not in recording.streams:
        return recording
    # Of all channels: nobody was asked for one, and the finding names them.
    return without_sound(recording, channels=recording["audio"].channels)
