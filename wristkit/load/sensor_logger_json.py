"""Sensor Logger's JSON: one list of readings, of which each names its sensor, written as the CSVs of an export."""

import csv
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from wristkit.errors import RecordingError, TruncatedError

_JSON_START = re.compile(rb"\s*\[\s*\{")
_LONGEST_KEY = 100  # with the name of a sensor
_SENSOR = re.compile(rb'"sensor"\s*:\s*"([^"]{1,60})"')
_CHUNK_CHARACTERS = 2**20
_LONGEST_READING = 2**16
_MOST_SENSORS = 200
_BETWEEN = re.compile(r"[ \r\n\t,]*")


def is_json(path: Path) -> bool:
    """Return whether a file starts as the app's JSON does: a list of readings."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return _JSON_START.match(head.removeprefix(b"\xef\xbb\xbf")) is not None and b'"sensor"' in head


def json_holds(path: Path, wanted: Collection[str]) -> bool:
    """Return whether a JSON has readings of any of the sensors that these files are of."""
    names = {PurePosixPath(name).stem.encode() for name in wanted}
    before = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_CHARACTERS):
            # Sensors follow one another in the list, so that each part of the file may name the first of a new one.
            if names & set(_SENSOR.findall(before + chunk)):
                return True
            before = chunk[-_LONGEST_KEY:]
    return False


def unpack_json(path: Path, folder: Path) -> None:
    """Write the readings of a JSON as the CSVs that the app would have written, one a sensor."""
    files: dict[str, tuple[IO[str], Any, frozenset[str]]] = {}
    try:
        for number, reading in enumerate(_readings(path)):
            name = reading.pop("sensor", None)
            if not isinstance(name, str) or not re.fullmatch(r"\w{1,60}", name):
                raise _no_reading(path, number, "it names no sensor")
            if name not in files:
                if len(files) >= _MOST_SENSORS:
                    raise _no_reading(path, number, f"it is of more than {_MOST_SENSORS} sensors")
                file: IO[str] = (folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
                files[name] = (file, csv.DictWriter(file, list(reading), lineterminator="\n"), frozenset(reading))
                files[name][1].writeheader()
            _, writer, fields = files[name]
            if reading.keys() != fields:
                raise _no_reading(path, number, "its fields are not those of the others of its sensor")
            writer.writerow(reading)
    finally:
        for written, _, _ in files.values():
            written.close()


def _no_reading(path: Path, number: int, what: str) -> RecordingError:
    return RecordingError(
        f"a reading cannot be used: {what}", code="not_a_table", remedy="export it again", file=path, row=number
    )


def _readings(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each object of a JSON list, of which only a part is ever held."""
    decoder, text, at, number = json.JSONDecoder(), "", 0, 0
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        try:
            text = file.read(_CHUNK_CHARACTERS).lstrip().removeprefix("[")
            while True:
                if len(text) - at < _LONGEST_READING and (more := file.read(_CHUNK_CHARACTERS)):
                    text, at = text[at:] + more, 0
                at = _after_blanks(text, at)
                if text.startswith("]", at):
                    _refuse_rest(text[at + 1 :], file, path, number)
                    return
                try:
                    reading, at = decoder.raw_decode(text, at)
                except (json.JSONDecodeError, RecursionError) as error:
                    raise _cut_or_damaged(path, number, cut=not file.read(1)) from error
                if not isinstance(reading, dict):
                    raise _no_reading(path, number, f"it is {reading!r:.40}")
                number += 1
                yield reading
        except UnicodeDecodeError as error:
            raise RecordingError(
                f"it is no UTF-8 text ({error.reason})", code="encoding", remedy="export it again", file=path
            ) from error


def _after_blanks(text: str, at: int) -> int:
    blanks = _BETWEEN.match(text, at)
    return at if blanks is None else blanks.end()


def _refuse_rest(rest: str, file: IO[str], path: Path, number: int) -> None:
    """Raise where anything but blanks follows the list."""
    while rest:
        if rest.strip():
            raise RecordingError(
                f"more follows the end of its list, as where two exports were joined: {rest.strip()[:40]!r}",
                code="joined",
                remedy="split the file there, and load each export by itself",
                file=path,
                row=number,
            )
        rest = file.read(_CHUNK_CHARACTERS)


def _cut_or_damaged(path: Path, number: int, *, cut: bool) -> RecordingError:
    if cut:
        return TruncatedError(
            "it ends within a reading, or without the end of its list",
            code="truncated",
            remedy="copy or export it again; CSVs in a zip can be repaired line by line",
            file=path,
            row=number,
        )
    return _no_reading(path, number, "it is no JSON")
