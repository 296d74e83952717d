"""Where the rows of a file go while it is read: into memory, or onto disk where they may be longer than memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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
        return self.columns(1, dtype, rows=rows)[0]

    def columns(self, count: int, dtype: npt.DTypeLike, *, rows: int = 2**12) -> list["Column"]:
        """Return arrays as :meth:`column` does, in memory side by side, so that :meth:`stacked` copies nothing."""
        kind = np.dtype(dtype)
        if self._folder is not None:
            return [_OnDisk(kind, self._path()) for _ in range(count)]
        held = _Held(np.empty((count, rows), kind))
        return [_InMemory(held, place) for place in range(count)]

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
        beside = _beside(columns)
        return self.mapped(lambda *parts: np.stack(parts).T, *columns) if beside is None else beside

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


class Column(Protocol):
    """An array (n,) that grows block by block."""

    def __len__(self) -> int:
        """How many rows there are."""

    def append(self, block: Array) -> None:
        """Add rows at the end."""

    def array(self) -> Array:
        """Return all rows; nothing can be added any more."""


@dataclass
class _Held:
    """Room for columns of one kind, (columns, rows)."""

    room: Array

    def grow(self, rows: int) -> None:
        times = 4 if self.room.shape[1] < _LONG else 2
        grown = np.empty((len(self.room), max(rows, times * self.room.shape[1])), self.room.dtype)
        grown[:, : self.room.shape[1]] = self.room
        self.room = grown


class _InMemory:
    def __init__(self, held: _Held, place: int) -> None:
        self._held, self._place, self._count = held, place, 0

    def __len__(self) -> int:
        return self._count

    def append(self, block: Array) -> None:
        stop = self._count + len(block)
        if stop > self._held.room.shape[1]:
            self._held.grow(stop)
        self._held.room[self._place, self._count : stop] = block
        self._count = stop

    def array(self) -> Array:
        return self._held.room[self._place, : self._count]


class _OnDisk:
    def __init__(self, dtype: np.dtype[Any], path: Path) -> None:
        self._dtype, self._path, self._file, self._count = dtype, path, path.open("wb"), 0

    def __len__(self) -> int:
        return self._count

    def append(self, block: Array) -> None:
        self._file.write(np.ascontiguousarray(block, dtype=self._dtype).data)
        self._count += len(block)

    def array(self) -> Array:
        self._file.close()
        if not self._count:
            return np.empty(0, self._dtype)
        return np.memmap(self._path, dtype=self._dtype, mode="r", shape=(self._count,))


def _beside(columns: Sequence[Array]) -> Array | None:
    """Return (n, c) of columns that lie at even distances in one piece of memory; None where they do not."""
    first = columns[0]
    owners = {id(column.base) for column in columns}
    if first.base is None or len(owners) > 1 or len({(column.dtype, column.shape) for column in columns}) > 1:
        return None
    places = [column.ctypes.data for column in columns]
    steps = set(np.diff(places).tolist())
    if isinstance(first, np.memmap) or len(steps) > 1 or min(steps, default=0) < 0:
        return None
    strides = (first.itemsize, steps.pop() if steps else first.nbytes)
    return np.lib.stride_tricks.as_strided(first, (len(first), len(columns)), strides)
