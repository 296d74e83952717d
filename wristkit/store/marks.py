"""One mark of a label store, checked, and the texts in which marks travel: CSV, JSON and Audacity's label track."""

import csv
import io
import json
import math
import numbers
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.recording import LABEL_COLUMNS

LONGEST_TEXT_BYTES = 65_536
KINDS = (".csv", ".json", ".txt")
_NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*")
# A spreadsheet takes such a text for a formula; one more apostrophe is written, so that one can be taken away again.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class Mark(NamedTuple):
    """A label, or without one a span that was looked at."""

    start_s: float
    stop_s: float
    label: str | None
    tier: str
    rater: str


def checked_text(name: str, value: object) -> str:
    """Return a text that every store and file can hold, or raise what is wrong with it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r:.60}, expected text; write str(...) around it")
    size = len(value.encode("utf-8", "surrogatepass"))
    if not value.strip() or size > LONGEST_TEXT_BYTES or re.search("[\0\ud800-\udfff]", value):
        raise ValueError(
            f"{name} is {value[:60]!r} ({size} bytes), expected text of 1 to {LONGEST_TEXT_BYTES} bytes "
            "that is not blank and has no NUL or half characters in it; shorten or mend it"
        )
    return str(value)


def checked_seconds(name: str, value: object) -> float:
    """Return a finite time, or raise what is wrong with it."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r:.60}, expected a number of seconds; write float(...) around it")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise ValueError(f"{name} is {seconds}, expected finite seconds from the recording's start; give such a time")
    return seconds + 0.0  # SQLite knows no -0.0


def checked_mark(start_s: object, stop_s: object, label: object, tier: object, rater: object) -> Mark:
    """Return a label, or raise what is wrong with it."""
    begin, end = checked_seconds("start_s", start_s), checked_seconds("stop_s", stop_s)
    if begin > end:
        raise ValueError(f"start_s {begin} lies after stop_s {end}, expected start_s <= stop_s; swap them")
    texts = (checked_text(name, text) for name, text in (("label", label), ("tier", tier), ("rater", rater)))
    return Mark(begin, end, *texts)


def checked_look(start_s: object, stop_s: object, tier: object, rater: object) -> Mark:
    """Return a span that was looked at, or raise what is wrong with it."""
    span = checked_mark(start_s, stop_s, "look", tier, rater)
    if span.start_s == span.stop_s:
        raise ValueError(f"start_s and stop_s are both {span.start_s}, expected a span; give a later stop_s")
    return span._replace(label=None)


def checked_data(row: int, check: Callable[..., Mark], *fields: object) -> Mark:
    """Return a mark of a table or file, or raise with the row that is wrong."""
    try:
        return check(*fields)
    except (TypeError, ValueError) as fault:
        raise RecordingError(str(fault), code="label", remedy="mend the row and read it again", row=row) from fault


def kind_of(path: Path) -> str:
    """Return the suffix of a file of labels, or raise where it is none of those that are known."""
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"{path.name!r} ends in {path.suffix!r}, expected one of {list(KINDS)}; rename it")
    return path.suffix.lower()


def as_text(kind: str, recording: str | None, labels: Sequence[Mark], looks: Sequence[Mark]) -> str:
    """Return marks as the text of a file; only JSON has a place for looks and for the recording's id."""
    if kind == ".json":
        held = {"labels": [mark._asdict() for mark in labels], "looked_at": [_without_label(mark) for mark in looks]}
        return json.dumps({"recording": recording, **held}, indent=1, ensure_ascii=False, allow_nan=False)
    return _as_csv(labels) if kind == ".csv" else _as_track(labels)


def of_file(path: Path, *, tier: str, rater: str) -> tuple[str | None, list[Mark]]:
    """Return the recording's id, where a file says it, and its marks; tier and rater are for a label track."""
    kind = kind_of(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is no file; give one that write() or Audacity wrote")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        match kind:
            case ".json":
                return _of_json(text)
            case ".csv":
                return None, _of_csv(text)
            case _:
                return None, _of_track(text, tier, rater)
    except UnicodeDecodeError as fault:
        raise RecordingError(
            "it is not UTF-8 text", code="encoding", remedy="save it as UTF-8", file=path, byte=fault.start
        ) from fault
    except RecordingError as fault:
        raise fault.of_file(path) from fault


def _without_label(mark: Mark) -> dict[str, object]:
    return {name: value for name, value in mark._asdict().items() if name != "label"}


def _of_json(text: str) -> tuple[str | None, list[Mark]]:
    try:
        held = json.loads(text)
        recording = held["recording"]
        labels = [[entry[name] for name in LABEL_COLUMNS] for entry in held["labels"]]
        looks = [[entry[name] for name in LABEL_COLUMNS if name != "label"] for entry in held["looked_at"]]
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise _unread(f"it is not the JSON of labels: {fault!r}"[:200]) from fault
    if recording is not None and not isinstance(recording, str):
        raise _unread(f"its recording is {str(recording)[:60]!r}, expected an id or null")
    marks = [checked_data(row, checked_mark, *fields) for row, fields in enumerate(labels)]
    return recording, marks + [checked_data(row, checked_look, *fields) for row, fields in enumerate(looks)]


def _as_csv(labels: Sequence[Mark]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    writer.writerows((*mark[:2], *(_shielded(str(cell)) for cell in mark[2:])) for mark in labels)
    return text.getvalue()


def _of_csv(text: str) -> list[Mark]:
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row] or [[]]
    except csv.Error as fault:
        raise _unread(f"it is cut or no CSV: {fault}") from fault
    if tuple(header) != LABEL_COLUMNS:
        raise _unread(f"its header is {str(header)[:120]}, expected {','.join(LABEL_COLUMNS)}")
    return [_of_cells(number, row) for number, row in enumerate(rows)]


def _of_cells(number: int, cells: Sequence[str]) -> Mark:
    if len(cells) != len(LABEL_COLUMNS):
        raise _unread(f"a row has {len(cells)} fields, expected {len(LABEL_COLUMNS)}", row=number)
    start_s, stop_s, *texts = cells
    times = (_seconds_in(start_s, number), _seconds_in(stop_s, number))
    return checked_data(number, checked_mark, *times, *(_unshielded(cell) for cell in texts))


def _shielded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _unshielded(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _as_track(labels: Sequence[Mark]) -> str:
    if len(kinds := sorted({mark[3:] for mark in labels})) > 1:
        raise ValueError(
            f"a label track holds one tier of one rater, these are {str(kinds[:4])[:200]}; "
            "choose by tier= and rater=, or write .csv"
        )
    for mark in labels:
        if re.search(r"[\t\r\n]", str(mark.label)):
            raise RecordingError(
                f"the label {str(mark.label)[:60]!r} at {mark.start_s} s holds a tab or a line break",
                code="label_text",
                remedy="change it, or write .csv or .json, which can hold it",
            )
    # Audacity writes plain decimals; these are the shortest that read back as the same number.
    plain = np.format_float_positional
    return "".join(f"{plain(mark.start_s)}\t{plain(mark.stop_s)}\t{mark.label}\n" for mark in labels)


def _of_track(text: str, tier: str, rater: str) -> list[Mark]:
    marks = []
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else []):
        cells = line.removesuffix("\r").split("\t")
        if cells[0] == "\\":
            raise _unread("a line holds a frequency range, which no label here has; delete such lines", row=number)
        if len(cells) != 3:
            raise _unread(f"a line has {len(cells)} fields, expected start, tab, stop, tab, label", row=number)
        times = (_seconds_in(cells[0], number), _seconds_in(cells[1], number))
        marks.append(checked_data(number, checked_mark, *times, cells[2], tier, rater))
    return marks


def _seconds_in(cell: str, row: int) -> float:
    if not _NUMBER.fullmatch(cell):  # float() alone would also take "1_0" and "nan"
        raise _unread(f"a time is {cell[:60]!r}, expected seconds such as 12.5", row=row)
    return float(cell)


def _unread(message: str, *, row: int | None = None) -> RecordingError:
    return RecordingError(message, code="label_file", remedy="write it anew, or mend it", row=row)
