"""Where the rows of a file go while it is read: into memory, or onto disk where they may be longer than memory."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wristkit.recording import BLOCK_ROWS, blocks

Array = npt.NDArray[Any]
_LONG = 2**20  # rows; memory that is never touched costs nothing, but the system may refuse too much of it


class Spool:
    """Makes arrays that grow block by block; with a ``folder`` they are memory-mapped files in it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._count = 0

    def column(self, dtype: npt.DTypeLike, *, rows: int = 2**12) -> "Column":
        """Return an empty array (0,) to which blocks can be appended; ``rows`` of them without growing."""
        return Column(np.dtype(dtype), None if self._folder is None else self._path(), rows)

    def mapped(self, function: Callable[..., Array], *arrays: Array) -> Array:
        """Return ``function`` of arrays of one length; it sees blocks of rows of them and gives as many rows back."""
        if self._folder is None or not len(arrays[0]):
            return function(*arrays)
        first = function(*(array[:1] for array in arrays))
        if first.ndim == 1:
            column = self.column(first.dtype)
            for block in blocks(*arrays):
                column.append(function(*block))
            return column.array()
        return self._by_column(function, arrays, width=first.shape[1], dtype=first.dtype)

    def stacked(self, columns: Sequence[Array]) -> Array:
        """Return columns (n,) side by side (n, c), each in one piece: all who read them go by column."""
        return self.mapped(lambda *parts: np.stack(parts).T, *columns)

    def _by_column(
        self, function: Callable[..., Array], arrays: tuple[Array, ...], *, width: int, dtype: npt.DTypeLike
    ) -> Array:
        """Return (n, width) that lies column after column in its file, as the native folder has it."""
        count, kind, path = len(arrays[0]), np.dtype(dtype), self._path()
        with path.open("wb") as file:
            for number, block in enumerate(blocks(*arrays)):
                for column, part in enumerate(function(*block).T):
                    file.seek((column * count + number * BLOCK_ROWS) * kind.itemsize)
                    file.write(np.ascontiguousarray(part).data)
        return np.memmap(path, dtype=kind, mode="r", shape=(width, count)).T

    def _path(self) -> Path:
        self._count += 1
        return (self._folder or Path()) / f"{self._count:06d}.raw"


class Column:
    """An array (n,) that grows block by block."""

    def __init__(self, dtype: np.dtype[Any], path: Path | None, rows: int) -> None:
        self._dtype, self._path = dtype, path
        self._buffer: Array = np.empty(rows if path is None else 0, dtype)
        self._file = None if path is None else path.open("wb")
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, block: Array) -> None:
        """Add rows at the end."""
        stop = self._count + len(block)
        if self._file is not None:
            self._file.write(np.ascontiguousarray(block, dtype=self._dtype).data)
        else:
            if stop > len(self._buffer):
                times = 4 if len(self._buffer) < _LONG else 2
                grown = np.empty(max(stop, times * len(self._buffer)), self._dtype)  # resize() fills it with zeros
                grown[: self._count] = self._buffer[: self._count]
                self._buffer = grown
            self._buffer[self._count : stop] = block
        self._count = stop

    def array(self) -> Array:
        """Return all rows; nothing can be added any more."""
        if self._file is None or self._path is None:
            self._buffer.resize(self._count, refcheck=False)
            return self._buffer
        self._file.close()
        if not self._count:
            return np.empty(0, self._dtype)
        return np.memmap(self._path, dtype=self._dtype, mode="r", shape=(self._count,))
