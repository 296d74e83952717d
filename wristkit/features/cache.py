"""Features that were computed before, on disk: named by what they were computed of, and by what."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from wristkit.recording.hashing import ContentHash
from wristkit.store import atomic_write

VERSION = 1  # of the features' values: what was kept under another one is not found again
_WINDOWS_AT_ONCE = 500


class FeatureCache:
    """A folder of tables, each of some windows; several processes may read and write it at once.

    Parameters
    ----------
    folder
        Made where it is missing. What is not needed any more can be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def table(
        self, values: np.ndarray, settings: object, compute: Callable[[np.ndarray], pd.DataFrame]
    ) -> pd.DataFrame:
        """Return the features of (n, channels, samples), computing those of windows that are not kept yet."""
        told = _told(settings)
        self.folder.mkdir(parents=True, exist_ok=True)
        firsts = range(0, max(len(values), 1), _WINDOWS_AT_ONCE)
        parts = [values[first : first + _WINDOWS_AT_ONCE] for first in firsts]
        return pd.concat([self._part(part, told, compute) for part in parts], ignore_index=True)

    def _part(self, values: np.ndarray, told: str, compute: Callable[[np.ndarray], pd.DataFrame]) -> pd.DataFrame:
        path = self.folder / f"{_key(values, told)}.npz"
        kept = _read(path) if path.exists() else None
        if kept is not None and len(kept) == len(values):
            return kept
        made = compute(values)
        atomic_write(path, lambda file: _write(file, made))
        return made


def _told(settings: object) -> str:
    """Return settings as text that says all of them."""
    return json.dumps(_plain(settings), sort_keys=False)


def _plain(given: object) -> object:
    """Return settings as what JSON holds, in their order, which is that of the columns."""
    if callable(given):
        raise TypeError(
            f"settings hold the function {getattr(given, '__name__', given)!r}, whose inside no name tells; leave the "
            "cache out, or compute its feature beside the others"
        )
    if isinstance(given, Mapping):
        return [[_plain(name), _plain(value)] for name, value in given.items()]
    if isinstance(given, np.ndarray):  # printed, it would be cut short and rounded
        return [given.dtype.str, given.tolist()]
    if isinstance(given, str) or not isinstance(given, Sequence):
        return repr(given)
    return [_plain(one) for one in given]


def _key(values: np.ndarray, told: str) -> str:
    made_by = (VERSION, np.__version__)
    digest = ContentHash(repr((made_by, values.shape, values.dtype.str, told)).encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _write(file: IO[bytes], table: pd.DataFrame) -> None:
    np.savez(file, values=table.to_numpy(np.float64), names=np.array(list(table.columns), dtype=np.str_))


def _table_in(values: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    if values.dtype != np.float64 or names.dtype.kind != "U" or names.ndim != 1:
        raise ValueError("it holds no table")
    return pd.DataFrame(values, columns=[str(name) for name in names])


def _read(path: Path) -> pd.DataFrame | None:
    """Return a table that was kept; None where the file is no such, which is said."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return _table_in(kept["values"], kept["names"])
    except Exception as fault:  # noqa: BLE001  archives and arrays that others wrote fail in every way there is
        warnings.warn(f"{path.name} in the cache of features is damaged ({fault}); it is made anew", stacklevel=2)
        return None
