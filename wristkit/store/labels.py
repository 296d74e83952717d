"""The label store: labels of one recording in one SQLite file, which keeps every edit that was acknowledged.

Each edit is one transaction that writes the rows and, beside them, what they were before and after. So undo needs no
memory of ours: it works across restarts and processes, and never takes back what somebody else did since.
"""

import operator
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self, SupportsIndex

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.recording import LABEL_COLUMNS, FloatArray, Recording, check_labels, label_table
from wristkit.recording.spans import subtract, union
from wristkit.store.database import MarkFile
from wristkit.store.marks import (
    Mark,
    as_text,
    checked_data,
    checked_look,
    checked_mark,
    checked_seconds,
    checked_text,
    kind_of,
    of_file,
)
from wristkit.store.native import atomic_write, writing

RATER = "me"


class LabelStore:
    """The labels of one recording in one file; an edit that returned survives a kill of the process.

    Any number of notebooks may have it open; each sees the edits of all. A label has a key that stays the same for
    good. A text may have 65,536 bytes. Edits take ``by``, their author; None is one author whom all share.

    Parameters
    ----------
    path
        The file, made where there is none; on a local disk, in a folder that exists.
    recording
        The recording, or its id, which is kept in the file; None takes what the file says.

    Raises
    ------
    RecordingError
        With code ``other_recording``, ``not_labels``, ``schema``, ``damaged``, ``not_writable``, ``locked``,
        ``second_name`` or ``lone_wal``; the file is then as it was.
    """

    def __init__(self, path: str | Path, *, recording: Recording | str | None = None) -> None:
        wanted = recording.id if isinstance(recording, Recording) else recording
        wanted = None if wanted is None else checked_text("recording", wanted)
        self._marks = MarkFile(Path(path))
        try:
            if wanted is not None:
                self._marks.bind(wanted)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"LabelStore({self.path.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; nothing waits to be saved."""
        self._marks.close()

    @property
    def path(self) -> Path:
        """The file, with links followed."""
        return self._marks.path

    @property
    def recording(self) -> str | None:
        """Id of the recording that the labels belong to, where it was ever said."""
        return self._marks.recording

    @property
    def revision(self) -> int:
        """A number that rises with each edit by any process; cheap enough to ask for many times a second."""
        return self._marks.revision

    def add(
        self,
        start_s: float,
        stop_s: float,
        label: str,
        *,
        tier: str = "truth",
        rater: str = RATER,
        by: str | None = None,
    ) -> int:
        """Add one label and return its key."""
        mark = checked_mark(start_s, stop_s, label, tier, rater)
        with self._marks.editing(by) as put:
            return put(None, mark)

    def add_table(
        self, table: pd.DataFrame, *, labelled: Mapping[str, FloatArray] | None = None, by: str | None = None
    ) -> list[int]:
        """Add the labels of a table as one edit, and return their keys in its order.

        ``labelled`` is tier to the spans that were looked at, such as a recording's own; their rater is "recording",
        which does not say who it was.
        """
        rows = check_labels(table).itertuples(index=False, name=None)
        marks = [checked_data(number, checked_mark, *row) for number, row in enumerate(rows)]
        spans = [(*span, tier) for tier, held in (labelled or {}).items() for span in held.tolist()]
        looks = [
            checked_data(number, checked_look, *span, "recording")
            for number, span in enumerate(spans)
            if span[0] < span[1]
        ]
        with self._marks.editing(by) as put:
            keys = [put(None, mark) for mark in (*marks, *looks)]
        return keys[: len(marks)]

    def change(
        self,
        key: int,
        *,
        start_s: float | None = None,
        stop_s: float | None = None,
        label: str | None = None,
        tier: str | None = None,
        rater: str | None = None,
        seen: Mapping[str, object] | None = None,
        by: str | None = None,
    ) -> None:
        """Change fields of a label, unless a field is no longer as the caller saw it (``seen``: field to value).

        Raises
        ------
        RecordingError
            With code ``label_changed`` where a seen field is another now, ``label_missing`` where the label is gone.
        """
        expected = {} if seen is None else dict(seen)  # a row of the table is none to be asked whether it is true
        if unknown := sorted(set(expected) - set(LABEL_COLUMNS)):
            raise ValueError(f"seen has the fields {unknown}, expected some of {list(LABEL_COLUMNS)}; drop them")
        given = {"start_s": start_s, "stop_s": stop_s, "label": label, "tier": tier, "rater": rater}
        new = {field: value for field, value in given.items() if value is not None}
        with self._marks.editing(by) as put:
            ((one, held),) = self._held_labels([key]).items()
            if any(getattr(held, field) != value for field, value in expected.items()):
                raise self._marks.changed(one)
            put(one, checked_mark(**held._asdict() | new))

    def remove(self, *keys: int, by: str | None = None) -> None:
        """Remove labels, as one edit."""
        with self._marks.editing(by) as put:
            for key in self._held_labels(keys):
                put(key, None)

    def replace(self, table: pd.DataFrame, *, by: str | None = None) -> list[int]:
        """Put the labels of a table in place of all others, as one edit; a table that is refused changes nothing."""
        rows = check_labels(table).itertuples(index=False, name=None)
        marks = [checked_data(number, checked_mark, *row) for number, row in enumerate(rows)]
        with self._marks.editing(by) as put:
            for key, *_ in list(self._marks.select(None, None)):
                put(key, None)
            return [put(None, mark) for mark in marks]

    def split(self, key: int, at_s: float, *, by: str | None = None) -> tuple[int, int]:
        """Cut a label in two and return the keys of both; the first part keeps its own."""
        at_s = checked_seconds("at_s", at_s)
        with self._marks.editing(by) as put:
            ((one, held),) = self._held_labels([key]).items()
            if not held.start_s < at_s < held.stop_s:
                span = f"{held.start_s} s to {held.stop_s} s"
                raise ValueError(f"at_s is {at_s}, expected a time within label {one}, {span}; choose one")
            return put(one, held._replace(stop_s=at_s)), put(None, held._replace(start_s=at_s))

    def merge(self, keys: Iterable[int], *, by: str | None = None) -> int:
        """Join labels of one name, tier and rater, with what lies between them; the earliest keeps its key."""
        with self._marks.editing(by) as put:
            held = self._held_labels(keys)
            kinds = sorted({mark[2:] for mark in held.values()}, key=str)
            if len(held) < 2 or len(kinds) > 1:
                what = f"{len(held)} labels of {str(kinds[:3])[:200]}"
                raise ValueError(
                    f"merge got {what}, expected at least two of one label, tier and rater; change them first"
                )
            first = min(held, key=lambda key: held[key][:2])
            for key in held.keys() - {first}:
                put(key, None)
            return put(first, held[first]._replace(stop_s=max(mark.stop_s for mark in held.values())))

    def copy(
        self, keys: Iterable[int], *, tier: str | None = None, rater: str | None = None, by: str | None = None
    ) -> list[int]:
        """Copy labels to another tier or rater, or both, and return the new keys."""
        given = {"tier": tier, "rater": rater}
        new = {name: checked_text(name, text) for name, text in given.items() if text is not None}
        if not new:
            raise ValueError("copy got neither tier nor rater, and would count each label twice; give one of them")
        with self._marks.editing(by) as put:
            return [put(None, checked_mark(**mark._asdict() | new)) for mark in self._held_labels(keys).values()]

    def look(
        self, start_s: float, stop_s: float, *, tier: str = "truth", rater: str = RATER, by: str | None = None
    ) -> None:
        """Note that a span was looked at, so that silence within it means that nothing happened."""
        mark = checked_look(start_s, stop_s, tier, rater)
        with self._marks.editing(by) as put:
            put(None, mark)

    def forget_look(
        self, start_s: float, stop_s: float, *, tier: str = "truth", rater: str = RATER, by: str | None = None
    ) -> None:
        """Take a span out of what was looked at."""
        gone = checked_look(start_s, stop_s, tier, rater)
        with self._marks.editing(by) as put:
            for key, *span, _, _, _ in self._marks.select(tier, rater, looks=True):
                if span[0] < gone.stop_s and span[1] > gone.start_s:
                    put(key, None)
                    for left_s, right_s in subtract(np.array([span]), np.array([gone[:2]])).tolist():
                        put(None, gone._replace(start_s=left_s, stop_s=right_s))

    def table(self, *, tier: str | None = None, rater: str | None = None) -> pd.DataFrame:
        """Return the label table in time order, with the keys as its index."""
        rows = self._marks.select(tier, rater)
        table = check_labels(label_table([row[1:] for row in rows]))
        table.index = pd.Index([row[0] for row in rows], name="key", dtype="int64")
        return table

    def labelled(self, *, rater: str | None = None) -> dict[str, FloatArray]:
        """Return tier to (k, 2) seconds that were looked at, by one rater or by any."""
        spans: dict[str, list[tuple[float, float]]] = {}
        for _, start_s, stop_s, _, tier, _ in self._marks.select(None, rater, looks=True):
            spans.setdefault(tier, []).append((start_s, stop_s))
        return {tier: union(np.array(held)) for tier, held in sorted(spans.items())}

    def apply(self, recording: Recording, *, rater: str | None = None) -> Recording:
        """Return the recording with these labels and looked-at spans, of one rater or of all, in place of its own."""
        with self._marks.reading():
            self._marks.refuse_other(recording.id)
            return recording.with_labels(self.table(rater=rater), labelled=self.labelled(rater=rater))

    def undo(self, *, by: str | None = None) -> bool:
        """Take back the author's latest edit; return False where there is none.

        Raises
        ------
        RecordingError
            With code ``label_changed`` where somebody else changed what that edit had changed; nothing happens then.
        """
        return self._marks.step(by, back=True)

    def redo(self, *, by: str | None = None) -> bool:
        """Make again what the author undid last; return False where there is nothing. An edit of his ends it."""
        return self._marks.step(by, back=False)

    def write(self, path: str | Path, *, tier: str | None = None, rater: str | None = None) -> Path:
        """Write the labels as ``.csv``, ``.json`` or ``.txt`` (Audacity's label track), and return the path.

        JSON alone holds the looked-at spans and the recording's id. A label track holds one tier of one rater.
        """
        path, kind = Path(path), kind_of(Path(path))
        if path.exists() and path.samefile(self.path):
            raise ValueError(f"{path.name} is the label store itself; write to another file")
        with self._marks.reading():
            labels, looks = (
                [Mark(*row[1:]) for row in self._marks.select(tier, rater, looks=is_look)] for is_look in (False, True)
            )
            text = as_text(kind, self.recording, labels, looks)
        with writing(path.parent):
            atomic_write(path, lambda file: file.write(text.encode()))
        return path

    def read(
        self, path: str | Path, *, tier: str | None = None, rater: str | None = None, by: str | None = None
    ) -> list[int]:
        """Add what ``write`` or Audacity wrote, as one edit; return the keys of the labels in the file's order.

        ``tier`` and ``rater`` are for a label track, which names none; "truth" and "me" unless given.
        """
        path = Path(path)
        if kind_of(path) != ".txt" and (tier, rater) != (None, None):
            raise ValueError(f"{path.name} names tier and rater itself; leave them out, and copy the labels afterwards")
        said, marks = of_file(path, tier="truth" if tier is None else tier, rater=RATER if rater is None else rater)
        with self._marks.editing(by) as put:
            if said is not None:
                self._marks.refuse_other(said)
            keys = [put(None, mark) for mark in marks]
        return [key for key, mark in zip(keys, marks, strict=True) if mark.label is not None]

    def _held_labels(self, keys: Iterable[SupportsIndex]) -> dict[int, Mark]:
        """Return key to label, each once, in the order given; raise where one is not there."""
        try:
            plain = dict.fromkeys(operator.index(key) for key in keys)
        except TypeError as fault:
            what = str(keys)[:60]
            raise TypeError(f"keys are {what}, expected whole numbers; take them from table().index") from fault
        marks = {key: mark for key in plain if (mark := self._marks.held(key)) is not None and mark.label is not None}
        if missing := [key for key in plain if key not in marks]:
            raise RecordingError(
                f"there are no labels {missing[:5]}",
                code="label_missing",
                remedy="read table() again; they were removed, or never were in this store",
                file=self.path,
            )
        return marks
