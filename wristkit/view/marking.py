"""What somebody who looked at an error said of it, in memory or in a file that outlives the kernel."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from wristkit.errors import RecordingError
from wristkit.store.native import alone_in, atomic_write, writing

MARKS = ("label error", "hard negative", "real error")


class Error(NamedTuple):
    """What makes an error of one evaluation the same as one of another."""

    recording: str
    kind: str
    label: str
    start_s: float
    stop_s: float


class Marks:
    """The mark of each error that has one; with a path each is on disk before it is here.

    Parameters
    ----------
    path
        A JSON file, made with the first mark. It may hold marks of other errors, which stay.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = None if path is None else path.resolve()  # a notebook may change its folder
        self._held: dict[Error, str] = {}
        if self.path is not None:
            if self.path.suffix != ".json":
                raise ValueError(f"marks are to be kept in {self.path.name!r:.60}, expected a name that ends in .json")
            if not self.path.parent.is_dir():
                raise FileNotFoundError(f"the folder of {self.path.name} is not there; make it first")
            self._held = self._on_disk()

    def get(self, error: Error) -> str | None:
        """Return the mark of an error, None where it has none."""
        return self._held.get(error)

    def put(self, error: Error, mark: str | None) -> None:
        """Mark an error, or take its mark away with None; where the file cannot be written, nothing changes."""
        if self.path is None:
            self._held = _changed(self._held, error, mark)
            return
        with writing(self.path.parent), alone_in(self.path.parent):
            held = _changed(self._on_disk(), error, mark)  # another notebook may have marked since
            text = _as_text(held)
            atomic_write(self.path, lambda file: file.write(text.encode()))
        self._held = held

    def _on_disk(self) -> dict[Error, str]:
        """Return what the file holds, or what it held before somebody took it away."""
        if self.path is None or not self.path.exists():
            return self._held
        try:
            return _of_text(self.path.read_bytes())
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError, IsADirectoryError) as fault:
            raise RecordingError(
                f"it holds something else than marks of errors, and nothing is overwritten: {fault!r:.120}",
                code="mark_file",
                remedy="give keep= another file, or mend this one",
                file=self.path,
            ) from fault


def errors_of(failures: pd.DataFrame) -> list[Error]:
    """Return what names each row of a table of failures."""
    columns = [failures[name].tolist() for name in Error._fields]
    return [
        Error(str(recording), str(kind), str(label), float(start_s), float(stop_s))
        for recording, kind, label, start_s, stop_s in zip(*columns, strict=True)
    ]


def checked_mark(mark: object) -> str:
    """Return a mark that there is, or raise which there are."""
    if mark not in MARKS:
        raise ValueError(f"the mark is {mark!r:.60}, expected one of {list(MARKS)}, or None to take it away")
    return str(mark)


def _changed(held: dict[Error, str], error: Error, mark: str | None) -> dict[Error, str]:
    """Return marks with one of them changed; a new one stands last."""
    return held | {error: mark} if mark is not None else {one: held[one] for one in held if one != error}


def _as_text(held: dict[Error, str]) -> str:
    """Return one line an error, so that versions of the file can be compared by eye."""
    lines = [json.dumps({**error._asdict(), "mark": mark}, allow_nan=False) for error, mark in held.items()]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _of_text(text: bytes) -> dict[Error, str]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise TypeError(f"it is a {type(rows).__name__}, expected a list")
    return dict(_of_row(row) for row in rows)


def _of_row(row: dict[str, Any]) -> tuple[Error, str]:
    """Return an error and its mark; a field more would be lost when the file is written again."""
    if set(row) != {*Error._fields, "mark"}:
        raise ValueError(f"a row has the fields {sorted(row)}, expected {[*Error._fields, 'mark']}")
    recording, kind, label, start_s, stop_s = (row[name] for name in Error._fields)
    if not all(isinstance(text, str) for text in (recording, kind, label)):
        raise TypeError(f"recording, kind and label are {[recording, kind, label]}, expected text")
    if not all(isinstance(time_s, int | float) and math.isfinite(time_s) for time_s in (start_s, stop_s)):
        raise TypeError(f"start_s and stop_s are {start_s!r} and {stop_s!r}, expected seconds")
    return Error(recording, kind, label, float(start_s), float(stop_s)), checked_mark(row["mark"])
