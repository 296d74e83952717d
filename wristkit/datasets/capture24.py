"""Capture-24: a day of ordinary life at the wrist, told by a camera on the chest."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wristkit.datasets.catalogue import SETS
from wristkit.datasets.frames import ordered, recorded, source, spans_of, truth_marks
from wristkit.datasets.text import Layout, matching, plain_name, read_table
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.gather import Gathered, Mark, Remark, Rows, Track, device_frame
from wristkit.load.stamps import Stamp
from wristkit.recording import Recording

_FILE, _DICTIONARY = r"P\d{3}\.csv", r"annotation-label-dictionary\.csv"
_AXES = ("x", "y", "z")
_LAYOUT = Layout(Stamp("time", "iso", zoned=False), _AXES, text=("annotation",), quoted=True)
_SCHEME = "label:"

Schemes = Mapping[str, Mapping[str, str]]


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a person: annotations in tier ``"truth"``, and a tier for each scheme of the dictionary."""
    paths = matching(folder, _FILE, what="capture24")
    try:
        schemes = _schemes(matching(folder, _DICTIONARY, what="capture24")[0])
    except EmptyRecordingError:
        schemes = {}
    for path in paths:
        yield _recording(path, schemes)


def _recording(path: Path, schemes: Schemes) -> Recording:
    name = plain_name(path)
    rows = ordered(read_table(path, _LAYOUT, file=name), SETS["capture24"].repairs)
    said = rows.columns["annotation"]
    tiers = {"truth": _marks(rows, said, "truth", {word: word for word in set(said.tolist()) if word.strip()})}
    tiers |= {scheme: _marks(rows, said, scheme, names) for scheme, names in schemes.items()}
    return recorded(
        Gathered(
            [Track("accel", rows.matrix(_AXES), rows.time_ns, stated_rate_hz=100.0)],
            clock="local",
            marks=[mark for marks in tiers.values() for mark in marks],
            remarks=(*rows.remarks, device_frame(len(said)), *_of_dictionary(schemes)),
            labelled={tier: spans_of(marks) for tier, marks in tiers.items()},
            subject=name[:4],
            source=source(name, "capture24", rows.content_hash, device="Axivity AX3", place="wrist"),
        )
    )


def _marks(rows: Rows, said: npt.NDArray[np.object_], tier: str, names: Mapping[str, str]) -> list[Mark]:
    """Return runs of one name, though annotations of the same name may follow each other."""
    words, places = np.unique(said.astype(str), return_inverse=True)
    known = np.array([names.get(word, "") for word in words], dtype=object)[places]
    return truth_marks(rows.time_ns, known, {name: name for name in set(names.values())}, tier=tier)


def _schemes(path: Path) -> Schemes:
    """Return scheme to annotation to label, as the dictionary of the set has it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [column for column in rows[0] if column and column.startswith(_SCHEME)]
        return {
            column.removeprefix(_SCHEME): {row["annotation"]: row[column] for row in rows if row[column].strip()}
            for column in columns
        }
    except (UnicodeDecodeError, csv.Error, KeyError, IndexError, AttributeError) as error:
        raise RecordingError(
            f"it is no table of annotations and labels ({error!r})",
            code="columns_missing",
            remedy="fetch the set again and verify it",
            file=path,
        ) from error


def _of_dictionary(schemes: Schemes) -> tuple[Remark, ...]:
    if schemes:
        return ()
    note = "annotation-label-dictionary.csv is not beside it, so only the annotations themselves are labels"
    return (Remark("missing_file", 1, note, "copy it into the same folder"),)
