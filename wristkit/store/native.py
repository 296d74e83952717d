"""The native folder: a recording on disk that opens memory-mapped and is never half written.

``recording.json`` names every file with its SHA-256 and is replaced last, by rename; data files carry their content in
their name, so a crash at any moment leaves the old recording or the new one, never a mixture.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import EmptyRecordingError, NotThisFormatError, RecordingError, TruncatedError
from wristkit.recording import (
    FINDING_COLUMNS,
    LABEL_COLUMNS,
    Recording,
    Stream,
    blocks,
    finding_table,
    label_table,
    one_recording,
)

HEADER = "recording.json"
_DATA_FILE = r"\d{2}-\w+-(time|values)-[0-9a-f]{16}\.npy"
_HALF_WRITTEN = rf"\.(recording\.json|{_DATA_FILE})\.\w+\.tmp"
_ABANDONED_S = 3600
SCHEMA = 1


def save(recording: Recording, folder: str | Path) -> Path:
    """Write a recording as a native folder and return the folder.

    A folder that holds the same recording gets the new labels and metadata; one that holds anything else is refused.

    Raises
    ------
    RecordingError
        With code ``exists`` where the folder holds another recording or other files.
    """
    one_recording(recording)
    folder = Path(folder)
    with writing(folder):
        refuse_foreign(folder, recording.id)
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            refuse_foreign(folder, recording.id)  # another process may have been first
            _write(recording, folder)
    return folder


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says of a place that cannot be written into an error of ours."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise RecordingError(
            f"the folder cannot be written: {fault.strerror or type(fault).__name__}",
            code="not_writable",
            remedy="choose another folder, or make room and rights in this one",
            file=folder.name[:80],
        ) from fault


def _write(recording: Recording, folder: Path) -> None:
    """Write all files of a recording, the header last; nothing stays where that fails before there is one."""
    try:
        streams = [_write_stream(folder, number, one) for number, one in enumerate(recording.streams.values())]
        header = json.dumps(_header(recording, streams), indent=1, allow_nan=False)
        atomic_write(folder / HEADER, lambda file: file.write(header.encode()))
    except BaseException:
        if not (folder / HEADER).is_file():
            _sweep(folder, [])
        raise
    _sweep(folder, streams)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder against other writers, who would sweep away each other's files; a dead one holds nothing."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_native(path: Path) -> bool:
    """Return whether a path is a folder that ``save`` wrote."""
    return path.is_dir() and (path / HEADER).is_file()


def open_native(folder: Path) -> Recording:
    """Return the recording in a native folder, memory-mapped: no sample is read until it is used."""
    header = _read_header(folder)
    try:
        streams = [_open_stream(folder, entry) for entry in header["streams"]]
        if not any(len(stream) for stream in streams):
            raise EmptyRecordingError(
                "it holds no samples", code="empty", remedy="load the original file again", file=folder / HEADER
            )
        return Recording(
            id=str(header["id"]),
            streams={stream.name: stream for stream in streams},
            labels=_table(header["labels"], label_table(), LABEL_COLUMNS),
            labelled={tier: np.array(spans, dtype=float) for tier, spans in header["labelled"].items()},
            findings=_table(header["findings"], finding_table(), FINDING_COLUMNS),
            start=None if header["start"] is None else pd.Timestamp(header["start"]),
            zone=header["zone"],
            subject=header["subject"],
            wrist=header["wrist"],
            crown=header["crown"],
            source=dict(header["source"]),
        )
    except RecordingError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as fault:
        raise RecordingError(
            f"the header lacks or misstates a field: {fault!r}",
            code="header",
            remedy="load the original file again and save it anew",
            file=folder / HEADER,
        ) from fault


def verify(folder: str | Path) -> None:
    """Read every file of a native folder and raise where one differs from its recorded SHA-256."""
    folder = Path(folder)
    for entry in _read_header(folder)["streams"]:
        for part in entry["files"].values():
            path = _inside(folder, part["name"])
            if not path.is_file() or _sha256_of(path) != part["sha256"]:
                raise RecordingError(
                    f"{part['name']} is missing or changed since it was saved",
                    code="checksum",
                    remedy="restore it from a copy, or load the original file again",
                    file=path,
                )


def atomic_write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file through a temporary sibling, fsync and rename, so that readers see the old file or the new one.

    Who may read it is as of the file that was there, or as of any new file.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_foreign(folder: Path, recording_id: str | None) -> None:
    """Raise where a folder holds what must not be overwritten; the id is None while it is not known yet."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    held = _read_header(folder).get("id") if is_native(folder) else None
    litter = folder.is_dir() and all(_is_ours(path.name) for path in folder.iterdir())
    if recording_id is None and held is not None:
        return  # it may be the same recording, which is known when it was read
    if held != recording_id and not (held is None and litter):
        raise RecordingError(
            f"{folder.name} holds {'another recording' if held else 'something else'}, and nothing is overwritten",
            code="exists",
            remedy="choose a new folder, or remove this one yourself",
            file=folder,
        )


def _is_ours(name: str) -> bool:
    """Whether a file name is of the kind that an interrupted save leaves."""
    return re.fullmatch(_DATA_FILE + "|" + _HALF_WRITTEN, name) is not None


def _write_stream(folder: Path, number: int, stream: Stream) -> dict[str, Any]:
    slug = re.sub(r"\W", "_", stream.name)[:40] or "stream"
    files = {"values": _write_array(folder, f"{number:02d}-{slug}-values", stream.values.T)}
    if not stream.is_uniform:
        files["time"] = _write_array(folder, f"{number:02d}-{slug}-time", stream.time)
    return {
        "name": stream.name,
        "channels": list(stream.channels),
        "unit": stream.unit,
        "samples": len(stream),
        "rate_hz": _or_none(stream.rate_hz),
        "start_s": _or_none(stream.start_s) if stream.is_uniform else None,
        "gaps": stream.gaps.tolist(),
        "files": files,
    }


def _or_none(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _write_array(folder: Path, stem: str, array: npt.NDArray[Any]) -> dict[str, str]:
    """Write one array under a name that ends in its own hash, unless that very file stands there already."""
    digest = hashlib.sha256()
    for part in _npy_parts(array):
        digest.update(part)
    sha256 = digest.hexdigest()
    path = folder / f"{stem}-{sha256[:16]}.npy"
    if not path.is_file() or _sha256_of(path) != sha256:
        atomic_write(path, lambda file: file.writelines(_npy_parts(array)))
    return {"name": path.name, "sha256": sha256}


def _npy_parts(array: npt.NDArray[Any]) -> Iterator[Any]:
    """Yield the bytes of a .npy file of (n,) or (c, n), block by block."""
    header = io.BytesIO()
    described = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)  # type: ignore[no-untyped-call]  # numpy has no types for it
    yield header.getvalue()
    for row in array if array.ndim == 2 else [array]:
        for (block,) in blocks(row):
            yield np.ascontiguousarray(block).data


def _sweep(folder: Path, streams: list[dict[str, Any]]) -> None:
    """Remove data files that the header no longer names, and what an interrupted save left."""
    named = {part["name"] for entry in streams for part in entry["files"].values()}
    for path in folder.iterdir():
        if re.fullmatch(_DATA_FILE, path.name) and path.name not in named:
            path.unlink(missing_ok=True)
        if re.fullmatch(_HALF_WRITTEN, path.name) and path.stat().st_mtime < time.time() - _ABANDONED_S:
            path.unlink(missing_ok=True)  # a younger one may be another process's save under way


def _header(recording: Recording, streams: list[dict[str, Any]]) -> dict[str, Any]:
    findings = recording.findings.astype({"start_s": object, "stop_s": object})
    return {
        "schema": SCHEMA,
        "id": recording.id,
        "start": None if recording.start is None else recording.start.isoformat(),
        "zone": recording.zone,
        "subject": recording.subject,
        "wrist": recording.wrist,
        "crown": recording.crown,
        "source": dict(recording.source),
        "streams": streams,
        "labels": recording.labels.to_numpy().tolist(),
        "labelled": {tier: spans.tolist() for tier, spans in recording.labelled.items()},
        "findings": findings.where(findings.notna(), None).to_numpy().tolist(),
    }


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    if not path.is_file():
        raise NotThisFormatError(
            f"{folder.name} has no {HEADER}", code="not_native", remedy="give a folder that wk.save wrote", file=folder
        )
    try:
        header = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as fault:
        raise RecordingError(
            f"the header is not JSON: {fault}", code="header", remedy="load the original file again", file=path
        ) from fault
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        found = header.get("schema") if isinstance(header, dict) else type(header).__name__
        raise RecordingError(
            f"the header is of schema {found!r}, expected {SCHEMA}",
            code="schema",
            remedy="open it with the version of wristkit that wrote it, and save it anew",
            file=path,
        )
    return header


def _open_stream(folder: Path, entry: dict[str, Any]) -> Stream:
    files = {kind: _map_array(_inside(folder, part["name"])) for kind, part in entry["files"].items()}
    values, count = files["values"].T, int(entry["samples"])
    stamps = files.get("time")
    if values.shape != (count, len(entry["channels"])) or (stamps is not None and stamps.shape != (count,)):
        raise RecordingError(
            f"stream {entry['name']!r} holds arrays of shape {values.shape}, the header says {count} samples",
            code="header",
            remedy="load the original file again and save it anew",
            file=folder / HEADER,
        )
    return Stream.trusted(
        name=entry["name"],
        time=stamps,
        start_s=float("nan") if entry["start_s"] is None else float(entry["start_s"]),
        values=values,
        channels=entry["channels"],
        unit=entry["unit"],
        rate_hz=float("nan") if entry["rate_hz"] is None else float(entry["rate_hz"]),
        gaps=np.array(entry["gaps"], dtype=float).reshape(-1, 2),
    )


def _inside(folder: Path, name: str) -> Path:
    """Return a file of the folder; a header that points elsewhere is refused."""
    if not isinstance(name, str) or not _is_ours(name) or (folder / name).is_symlink():
        raise RecordingError(
            f"the header names a file outside its own folder: {name!r}",
            code="path",
            remedy="do not open this folder; ask whoever sent it",
            file=folder / HEADER,
        )
    return folder / name


def _map_array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as fault:
        raise TruncatedError(
            "a data file is missing", code="missing_file", remedy="copy the whole folder again", file=path
        ) from fault
    except (ValueError, EOFError, OSError, OverflowError) as fault:
        raise TruncatedError(
            f"a data file is cut or damaged: {fault}",
            code="truncated",
            remedy="restore it from a copy, or load the original file again",
            file=path,
        ) from fault
    wanted = np.float64 if "-time-" in path.name else np.float32
    if array.dtype != wanted:
        raise RecordingError(
            f"a data file holds {array.dtype}, expected {np.dtype(wanted)}",
            code="dtype",
            remedy="load the original file again and save it anew",
            file=path,
        )
    return array


def _table(rows: list[list[Any]], empty: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(empty.dtypes.to_dict())


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
