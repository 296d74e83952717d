"""Labelled windows of many recordings as one table of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning
from wristkit.recording import FloatArray

TextArray = npt.NDArray[np.object_]

ROWS = ("values", "labels", "label_fraction", "subjects", "recordings", "start_s", "stop_s")


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
