"""Labelled windows of many recordings as one table of arrays."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning
from wristkit.errors import RecordingError
from wristkit.recording import FloatArray
from wristkit.recording.given import told

TextArray = npt.NDArray[np.object_]

ROWS = ("values", "labels", "label_fraction", "subjects", "recordings", "start_s", "stop_s")
_TEXTS = ("labels", "subjects", "recordings")
_NUMBERS = ("label_fraction", "start_s", "stop_s")


@dataclass(frozen=True, eq=False)
class Windows:
    """Labelled windows of many recordings, conditioned alike.

    Parameters
    ----------
    values
        (n, channels, samples) float32.
    labels, subjects, recordings
        (n,) text; ``recordings`` holds recording ids, ``subjects`` is empty text where unknown.
    label_fraction
        (n,) share of the window that its label covers.
    start_s, stop_s
        (n,) seconds from the start of the window's recording.
    channels
        Names such as ``accel_x``.
    rate_hz, hop_s
        Samples a second, and seconds from one window to the next.
    conditioning
        What made the samples, and what a detector trained on them will run.
    dropped
        Reason to number of windows that were left out.
    background
        Name of the class that stands for nothing, if there is one.
    notes
        What a reader of any figure from them must know, such as that they are simulated.
    """

    values: npt.NDArray[np.float32]
    labels: TextArray
    label_fraction: FloatArray
    subjects: TextArray
    recordings: TextArray
    start_s: FloatArray
    stop_s: FloatArray
    channels: tuple[str, ...]
    rate_hz: float
    hop_s: float
    conditioning: Conditioning
    dropped: Mapping[str, int]
    background: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_values(self.values, self.channels)
        for name in (*_TEXTS, *_NUMBERS):
            _check_column(name, getattr(self, name), len(self.values))
        for name in ("rate_hz", "hop_s"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} of the windows is {getattr(self, name)}, expected a positive number")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        return tuple(sorted(set(self.labels)))

    @property
    def samples(self) -> int:
        """Samples in one window."""
        return int(self.values.shape[2])

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return round(self.hop_s * self.rate_hz)

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Windows":
        """Return the windows at these places, or where this mask is true."""
        if not isinstance(chosen, np.ndarray) or chosen.dtype.kind not in "biu" or chosen.ndim != 1:
            raise TypeError(f"chosen is {told(chosen)}, expected an array (n,) of places or of True and False")
        return replace(self, **{name: getattr(self, name)[chosen] for name in ROWS})

    def of_subjects(self, subjects: Sequence[str]) -> "Windows":
        """Return the windows of these people."""
        return self.subset(np.isin(self.subjects.astype(str), list(subjects)))

    def counts(self) -> pd.DataFrame:
        """Return the number of windows by subject (rows) and label (columns)."""
        return pd.crosstab(pd.Series(self.subjects, name="subject"), pd.Series(self.labels, name="label"))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, channels, samples = self.values.shape
        people = len(set(self.subjects))
        return (
            f"Windows({n} x {channels} channels x {samples} samples at {self.rate_hz:g} Hz, {people} people, "
            f"{len(self.classes)} classes; left out: {dict(self.dropped)}{''.join(f'; {note}' for note in self.notes)})"
        )


def check_windows(given: object) -> None:
    """Raise where something is no windows."""
    if not isinstance(given, Windows):
        raise TypeError(f"windows are a {type(given).__name__}, expected Windows; make them with wristkit.windows")


def check_finite(chosen: Windows) -> None:
    """Raise where samples are not finite, with the first window that holds one.

    Raises
    ------
    RecordingError
        With code ``not_finite``.
    """
    off = ~np.isfinite(chosen.values).all(axis=(1, 2))
    if off.any():
        place = int(np.argmax(off))
        raise RecordingError(
            f"{int(off.sum())} of {len(chosen)} windows hold values that are not finite, the first of recording "
            f"{chosen.recordings[place]} at {chosen.start_s[place]:g} s",
            code="not_finite",
            remedy="leave them out: windows.subset(np.isfinite(windows.values).all(axis=(1, 2)))",
        )


def check_text(name: str, texts: Iterable[object]) -> None:
    """Raise where something is no text, or holds control characters, which tables and files take for something else."""
    held = list(texts)
    if not all(issubclass(kind, str) for kind in set(map(type, held))):
        other = next(one for one in held if not isinstance(one, str))
        raise TypeError(f"{name} hold {other!r} ({type(other).__name__}), expected text; write astype(str) and look")
    for text in sorted({str(one) for one in held}):
        if not text.isprintable() and any(unicodedata.category(one) in ("Cc", "Cs") for one in text):
            raise ValueError(
                f"{name} hold {text!a}, expected text without control characters or halves of a pair; rename it"
            )


def _check_values(values: Any, channels: Sequence[str]) -> None:  # noqa: ANN401  anything may be given
    is_array = isinstance(values, np.ndarray)
    if not is_array or values.ndim != 3 or values.shape[1] != len(channels):
        given = f"an array {values.shape}" if is_array else f"a {type(values).__name__}"
        raise ValueError(
            f"values of the windows are {given}, expected an array (n, {len(channels)}, samples): one row a channel"
        )
    if values.dtype != np.float32:
        raise TypeError(f"values of the windows are {values.dtype}, expected float32; write values.astype(np.float32)")


def _check_column(name: str, column: Any, count: int) -> None:  # noqa: ANN401
    if not isinstance(column, np.ndarray) or column.shape != (count,):
        given = f"an array {column.shape}" if isinstance(column, np.ndarray) else f"a {type(column).__name__}"
        raise ValueError(f"{name} of the windows are {given}, expected an array ({count},): one for each window")
    if name in _NUMBERS:
        if column.dtype.kind not in "fiu":
            raise TypeError(f"{name} of the windows are {column.dtype}, expected numbers; write astype(np.float64)")
        return
    if column.dtype.kind not in "OU":
        raise TypeError(f"{name} of the windows are {column.dtype}, expected text; write astype(str).astype(object)")
    check_text(f"{name} of the windows", column.tolist())
