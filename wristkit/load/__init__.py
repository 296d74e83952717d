"""``load()``: a file or folder of any known format becomes a ``Recording``; formats are recognised by content."""

import difflib
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError
from wristkit.load.rows import REPAIRS
from wristkit.load.sensor_logger import is_sensor_logger, read_sensor_logger
from wristkit.recording import Recording, Side, content_id, finding_table
from wristkit.store import is_native, open_native, save


class Format(NamedTuple):
    """How a format is recognised and read, and the repairs that make sense for it."""

    recognises: Callable[[Path], bool]
    read: Callable[[Path, Collection[str]], Recording]
    repairs: tuple[str, ...]


def _read_native(path: Path, repair: Collection[str]) -> Recording:  # noqa: ARG001  takes none
    return open_native(path)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "native": Format(is_native, _read_native, ()),
        "sensor_logger": Format(is_sensor_logger, read_sensor_logger, REPAIRS),
    }
)


def load(
    path: str | Path,
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
        File or folder in one of ``FORMATS``, recognised by content.
    format
        Name of the format, where recognition should be left out.
    subject, wrist, crown, zone
        What the file does not say. What it does say is not overruled: another value raises.
    unit, rate_hz, schema
        For formats that do not state their own; the formats known now do, and refuse them.
    keep_audio
        False leaves sound out, with a finding.
    repair
        Names of repairs to make: ``"drop_exact"`` (repeated rows), ``"drop_tail"`` (a cut last line),
        ``"spread_stamps"`` (equal stamps). Nothing is repaired otherwise; the findings count every row changed.
    into
        Folder to save the recording in; what comes back is then memory-mapped from there.

    Raises
    ------
    FileNotFoundError
        With the nearest names in the folder.
    RecordingError
        With file, row or byte, code and a one-line remedy.
    ValueError
        For an argument that the format cannot use.
    """
    source = _existing(Path(path))
    name = _recognised(source) if format is None else _named(format)
    _refuse_unused(name, {"unit": unit, "rate_hz": rate_hz, "schema": schema})
    repairs = _checked_repairs(name, repair)
    recording = FORMATS[name].read(source, repairs)
    recording = _completed(recording, {"subject": subject, "wrist": wrist, "crown": crown, "zone": zone})
    if not keep_audio:
        recording = _without_audio(recording)
    return recording if into is None else open_native(save(recording, into))


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
    for name, known in FORMATS.items():
        if known.recognises(path):
            return name
    raise NotThisFormatError(
        f"it is of no known format ({', '.join(FORMATS)}): {_seen(path)}",
        code="format",
        remedy="give a Sensor Logger export with WristMotion.csv, or a folder that wristkit.save wrote",
        file=path,
    )


def _seen(path: Path) -> str:
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir())
        return f"a folder with {', '.join(names[:5]) or 'nothing in it'}"
    with path.open("rb") as file:
        return f"a file that starts with {file.read(16)!r}"


def _named(format: str) -> str:  # noqa: A002  as in load
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}, expected one of {', '.join(FORMATS)}, or None to recognise it")
    return format


def _refuse_unused(name: str, arguments: Mapping[str, object]) -> None:
    if given := [argument for argument, value in arguments.items() if value is not None]:
        raise ValueError(
            f"{', '.join(given)} cannot be used with the format {name!r}, which states its own; leave it out"
        )


def _checked_repairs(name: str, repair: Sequence[str]) -> tuple[str, ...]:
    if isinstance(repair, str):
        raise TypeError(f"repair is {repair!r}, expected a sequence of names such as ({repair!r},)")
    possible = FORMATS[name].repairs
    if unknown := [one for one in repair if one not in possible]:
        raise ValueError(f"repair names {unknown}, for the format {name!r} expected any of {list(possible)}")
    return tuple(repair)


def _completed(recording: Recording, given: Mapping[str, str | None]) -> Recording:
    """Return the recording with what the caller knows and the file does not say."""
    for field, value in given.items():
        stated = getattr(recording, field)
        if value is not None and stated is not None and value != stated:
            raise ValueError(f"{field} is given as {value!r}, the recording states {stated!r}; leave it out")
        if field in {"wrist", "crown"} and value not in {None, "left", "right"}:
            raise ValueError(f"{field} is {value!r}, expected 'left', 'right' or None where unknown")
    fields = {field: value for field, value in given.items() if value is not None}
    return replace(recording, **fields) if fields else recording  # type: ignore[arg-type]  # sides are checked above


def _without_audio(recording: Recording) -> Recording:
    if "audio" not in recording.streams:
        return recording
    audio, kept = recording["audio"], {name: one for name, one in recording.streams.items() if name != "audio"}
    if not kept:
        raise EmptyRecordingError("it holds nothing but sound", code="empty", remedy="load it with keep_audio=True")
    finding = (
        "audio_left_out",
        "audio",
        audio.start_s,
        audio.stop_s,
        len(audio),
        "sound was left out as asked",
        "none",
    )
    without = replace(recording, id=content_id(list(kept.values())), streams=MappingProxyType(kept))
    return without.with_findings(finding_table([finding]))
