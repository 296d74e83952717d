"""An array that counts the rows that are read of it."""

from types import SimpleNamespace
from typing import Any

import numpy as np


class Watched(np.ndarray):
    """A view whose slices and takes add their rows to its ``counter.rows``, which all views of it share."""

    counter: SimpleNamespace

    @classmethod
    def of(cls, array: np.ndarray) -> "Watched":
        """Return a watched view of an array, of which nothing was read yet."""
        view = array.view(cls)
        view.counter = SimpleNamespace(rows=0)
        return view

    def __array_finalize__(self, source: Any) -> None:
        if source is not None:
            self.counter = getattr(source, "counter", SimpleNamespace(rows=0))

    def __getitem__(self, key: Any) -> Any:
        read = np.asarray(super().__getitem__(key))
        self.counter.rows += len(read) if read.ndim else 1
        return read

    def take(self, rows: Any, axis: int = 0, **options: Any) -> Any:
        self.counter.rows += np.size(rows)
        return np.asarray(self).take(rows, axis=axis, **options)
