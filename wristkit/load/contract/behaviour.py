"""Checks of how a reader reads, of what is saved, and of what it makes of damage and of other arguments."""

import contextlib
import contextvars
import functools
import io
import os
import socket
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load import FORMATS, load
from wristkit.load.contract.case import (
    Case,
    FailedError,
    files_of,
    foreign_files,
    require,
    require_same,
    streams_of,
)
from wristkit.store import save

_FLIPPED = 16
_MOST_EXTRA = (64 * 2**20, 40)  # bytes, and bytes a byte of the file

# How it reads


def _deterministic(case: Case) -> str:
    again = case.load(case.path)
    require_same(case.recording, again, "the same file once more")
    pd.testing.assert_frame_equal(case.recording.findings, again.findings)
    return ""


def _same_under_other_name(case: Case) -> str:
    require_same(case.recording, case.load(case.copy("other.name")), "a copy under another name")
    return ""


def _state(folder: Path) -> list[tuple[str, int, int, bytes]]:
    inside = sorted(folder.rglob("*"))
    return [
        (str(one), one.stat().st_mtime_ns, one.stat().st_mode, one.read_bytes() if one.is_file() else b"")
        for one in inside
    ]


def _untouched(case: Case) -> str:
    path = case.copy(case.path.name)
    before = _state(path.parent)
    case.load(path)
    require(_state(path.parent) == before, "the file or its folder is changed by loading")
    return ""


def _read_only(case: Case) -> str:
    path = case.copy(case.path.name)
    entries = [one for one in (path, *path.rglob("*"), path.parent) if one.exists()]
    for one in entries:
        one.chmod(0o555 if one.is_dir() else 0o444)
    try:
        require_same(case.recording, case.load(path), "a read-only copy")
    finally:
        for one in reversed(entries):
            one.chmod(0o755 if one.is_dir() else 0o644)
    return ""


def _any_path(case: Case) -> str:
    require_same(case.recording, case.load(str(case.path)), "the path as text")
    with contextlib.chdir(case.path.parent):
        require_same(case.recording, case.load(case.path.name), "a relative path")
    with contextlib.chdir(case.folder):
        require_same(case.recording, case.load(os.path.relpath(case.path)), "a path from another folder")
    return ""


def _in_threads(case: Case) -> str:
    with ThreadPoolExecutor(3) as pool:
        # A reader on trial is known to this context alone, so each thread takes a copy of it along.
        loads = [pool.submit(contextvars.copy_context().run, case.load, case.path) for _ in range(3)]
    ids = [one.result().id for one in loads]
    require(ids == [case.recording.id] * 3, f"three threads at once give {ids}, expected {case.recording.id}")
    return ""


def _no_warning(case: Case) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        case.load(case.path)
    require(not caught, f"it warns: {', '.join(str(one.message) for one in caught)}")
    return ""


def _no_output(case: Case) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        case.load(case.path)
    require(not out.getvalue() + err.getvalue(), f"it prints {(out.getvalue() + err.getvalue())[:80]!r}")
    return ""


def _no_socket(case: Case) -> str:
    with mock.patch.object(socket, "socket", side_effect=FailedError("it opens a socket")):
        case.load(case.path)
    return ""


def _little_memory(case: Case) -> str:
    size = sum(one.stat().st_size for one in files_of(case.path))
    most = _MOST_EXTRA[0] + _MOST_EXTRA[1] * size
    tracemalloc.start()
    try:
        case.load(case.path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    require(peak <= most, f"it takes {peak / 1e6:.0f} MB for a file of {size / 1e6:.1f} MB")
    return f"{peak / 1e6:.1f} MB"


# What is saved


def _into(case: Case) -> str:
    into = Path(tempfile.mkdtemp(dir=case.folder)) / "native"
    mapped = case.load(case.path, into=into)
    require_same(case.recording, mapped, "what was loaded into a folder")
    for name, one in streams_of(case):
        require(_is_mapped(mapped[name].values) or not len(one), f"{name} is not memory-mapped from that folder")
        np.testing.assert_array_equal(mapped[name].values, one.values)
        np.testing.assert_array_equal(mapped[name].time, one.time)
    require([one.name for one in into.parent.iterdir()] == ["native"], "something is left beside that folder")
    return ""


def _is_mapped(array: object) -> bool:
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def _into_fails_cleanly(case: Case) -> str:
    parent = Path(tempfile.mkdtemp(dir=case.folder))
    for path in foreign_files(case):
        with contextlib.suppress(RecordingError):
            case.load(path, into=parent / "native")
    left = [one.name for one in parent.iterdir()]
    require(not left, f"loads that failed leave {left} behind")
    return ""


def _round_trip(case: Case) -> str:
    again = load(save(case.recording, Path(tempfile.mkdtemp(dir=case.folder))))
    require_same(case.recording, again, "what was saved and opened")
    pd.testing.assert_frame_equal(case.recording.labels, again.labels)
    pd.testing.assert_frame_equal(case.recording.findings, again.findings)
    fields = ("start", "zone", "subject", "wrist", "crown", "source")
    lost = [field for field in fields if getattr(case.recording, field) != getattr(again, field)]
    require(not lost, f"saving and opening changes {', '.join(lost)}")
    return ""


def _silent(case: Case) -> str:
    if set(case.recording.streams) == {"audio"}:
        return "it holds nothing but sound"
    without = case.load(case.path, keep_audio=False)
    require("audio" not in without.streams, "keep_audio=False leaves sound in")
    expected = set(case.recording.streams) - {"audio"}
    features = {"mel", "level"} if "audio" in case.recording.streams else set[str]()
    require(expected <= set(without.streams) <= expected | features, "keep_audio=False changes more than sound")
    return ""


# What is damaged


def _nothing_lost_unsaid(case: Case, path: Path, what: str) -> str:
    """Require an error, a finding that the whole file does not have, or the whole recording."""
    try:
        found = case.load(path)
    except RecordingError as error:
        return f"{what}: {error.code}"
    if found.id == case.recording.id:
        return f"{what}: all is there"
    whole = set(case.recording.findings[["code", "count", "note"]].itertuples(index=False, name=None))
    said = set(found.findings[["code", "count", "note"]].itertuples(index=False, name=None)) - whole
    codes = {code for code, *_ in said} - {"rate_stated", "frame_device", "frame_converted", "unit_converted"}
    require(codes, f"{what}: it is another recording, and no finding says that something is missing")
    return f"{what}: {', '.join(sorted(codes))}"


def _cut_at(case: Case, share: float) -> str:
    return _nothing_lost_unsaid(case, case.changed(lambda content: _cut(content, share)), f"cut at {share:.0%}")


def _cut(content: bytes, share: float) -> bytes:
    """Return the start of a file, not up to where a block or line ends: that may be whole for all that one can tell."""
    at = int(len(content) * share) // 512 * 512 - 3
    return content[: at - 1 if content[at - 1 : at] == b"\n" else at]


def _cut_in_half(case: Case) -> str:
    return _cut_at(case, 0.5)


def _cut_at_end(case: Case) -> str:
    return _cut_at(case, 0.99)


def _cut_and_repaired(case: Case) -> str:
    """Require that repairs keep rows of a cut file as they are in the whole one, and say that they dropped some."""
    ends: set[str] = set()
    for share in (0.5, 0.8, 0.97):
        path = case.changed(functools.partial(_cut, share=share))
        try:
            found = case.load(path, repair=("drop_tail", "skip_damaged"))
        except RecordingError as error:
            ends.add(error.code)
            continue
        short = {name for name, one in found.streams.items() if len(one) < len(case.recording.streams.get(name, one))}
        for name, one in found.streams.items():
            require(name in case.recording.streams, f"cut at {share:.0%} and repaired it has a stream {name} more")
            made_up = {row.tobytes() for row in one.values} - {row.tobytes() for row in case.recording[name].values}
            require(not made_up, f"{name} of a cut and repaired file has rows that the whole one has not")
        said = set(found.findings["code"]) - set(case.recording.findings["code"])
        require(
            said or not short,
            f"cut at {share:.0%} and repaired it lacks samples of {sorted(short)}, and no finding says so",
        )
        ends |= said
    return ", ".join(sorted(ends))


def _zeroed_end(case: Case) -> str:
    """Where zeros are samples as good as any, as in sound, no sample may be missing."""
    path = case.changed(lambda content: content[: len(content) // 2].ljust(len(content), b"\0"))
    if case.refused(path) is None:
        counts = [{name: len(one) for name, one in part.streams.items()} for part in (case.load(path), case.recording)]
        if counts[0] == counts[1]:
            return "zeros from half on: read as samples"
    return _nothing_lost_unsaid(case, path, "zeros from half on")


def _empty(case: Case) -> str:
    path = case.changed(lambda _: b"")
    error = case.refused(path)
    if case.path.is_file():
        require(isinstance(error, EmptyRecordingError), f"an empty file ends in {error!r}")
        return ""
    return error.code if error else _nothing_lost_unsaid(case, path, "its largest file empty")


def _flipped(case: Case) -> str:
    ends: set[str] = set()
    for turn in range(_FLIPPED):

        def flip(content: bytes, turn: int = turn) -> bytes:
            at = len(content) * (2 * turn + 1) // (2 * _FLIPPED)
            return content[:at] + bytes([content[at] ^ (1 << turn % 8)]) + content[at + 1 :]

        error = case.refused(case.changed(flip))
        ends.add(error.code if error else "a recording")
    return ", ".join(sorted(ends))


def _error_texts(case: Case) -> str:
    damaged = [
        case.changed(lambda content: content[: len(content) // 3]),
        case.changed(lambda _: b""),
        *foreign_files(case),
    ]
    for path in damaged:
        if (error := case.refused(path)) is not None:
            require(error.file and error.code and error.remedy, f"an error lacks file, code or remedy: {error}")
            require(str(case.folder) not in str(error), f"an error names a folder of this machine: {error}")
    return ""


# What is asked for


def _unknown_repair(case: Case) -> str:
    try:
        load(case.path, format=case.name, schema=case.schema, repair=("make_it_right",))
    except ValueError:
        return ""
    raise FailedError("an unknown repair is not refused")


def _unused_arguments(case: Case) -> str:
    if case.name not in FORMATS or case.name == "table":
        return "it may use them"
    given: tuple[dict[str, Any], ...] = ({"unit": "g"}, {"rate_hz": 50.0}, {"schema": {}})
    for argument in given:
        with contextlib.suppress(ValueError):
            load(case.path, format=case.name, **argument)
            raise FailedError(f"{next(iter(argument))} is taken and not used")
    return ""


def _keeps_what_is_known(case: Case) -> str:
    if case.recording.subject is not None:
        return "it states who wore it"
    named = load(case.path, format=case.name, schema=case.schema, subject="p7")
    require(named.subject == "p7" and named.id == case.recording.id, "subject= is lost, or changes the recording")
    return ""


CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "the same file is the same recording": _deterministic,
        "another name is the same recording": _same_under_other_name,
        "file and folder stay untouched": _untouched,
        "reads what is read-only": _read_only,
        "reads any kind of path": _any_path,
        "reads in threads": _in_threads,
        "raises no warning": _no_warning,
        "prints nothing": _no_output,
        "opens no socket": _no_socket,
        "takes little memory": _little_memory,
        "loads into a folder": _into,
        "a failed load leaves nothing behind": _into_fails_cleanly,
        "saves and opens": _round_trip,
        "leaves sound out as asked": _silent,
        "cut in half is told": _cut_in_half,
        "cut at the end is told": _cut_at_end,
        "repairs of a cut file make nothing up": _cut_and_repaired,
        "zeros at the end are told": _zeroed_end,
        "empty is told": _empty,
        "a flipped bit never crashes": _flipped,
        "errors say file, code and remedy": _error_texts,
        "refuses unknown repairs": _unknown_repair,
        "refuses arguments that it cannot use": _unused_arguments,
        "keeps what the caller knows": _keeps_what_is_known,
    }
)
