"""Tables of one's own, in every kind of file that is read: text with several delimiters, gzip, Parquet, npz."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

START_S = 1_772_438_400
SCHEMA = {
    "time": ("time", "ms"),
    **{f"a{axis}": (f"accel.{axis}", "m/s2", "android") for axis in "xyz"},
    **{f"g{axis}": (f"gyro.{axis}", "deg/s") for axis in "xyz"},
    "activity": "label",
}
LONG_SCHEMA = {
    "time": ("time", "ns"),
    **{f"a{axis}": (f"accel.{axis}", "g") for axis in "xyz"},
    **{f"g{axis}": (f"gyro.{axis}", "rad/s") for axis in "xyz"},
}
_SUFFIX = {"csv": "csv", "tsv": "tsv", "comma": "csv", "iso": "csv", "gzip": "csv.gz", "parquet": "parquet"}


def frame(*, rows=60, seed=0):
    """Return a table of ``rows`` at 50 Hz, at rest face up in Android's signs."""
    random = np.random.default_rng(seed)
    columns = {"time": START_S * 1000 + 20 * np.arange(rows, dtype=np.int64)}
    columns |= {f"a{axis}": random.normal(9.81 * (axis == "z"), 0.2, rows).round(4) for axis in "xyz"}
    columns |= {f"g{axis}": random.normal(0, 5, rows).round(4) for axis in "xyz"}
    return pd.DataFrame(columns | {"activity": np.where(np.arange(rows) < rows // 2, "rest", "walk")})


def schema(kind="csv"):
    """Return what the columns mean."""
    return SCHEMA | {"time": ("time", "iso")} if kind == "iso" else SCHEMA


def write(folder: Path, *, kind="csv", name=None, **options) -> Path:
    """Return a table: ``kind`` is csv, tsv, comma (decimal commas), iso (stamps as dates), gzip, parquet or npz."""
    table = frame(**options)
    path = folder / (name or f"table.{_SUFFIX.get(kind, kind)}")
    if kind == "parquet":
        table.to_parquet(path, index=False)
    elif kind == "npz":
        np.savez(path, **{name: table[name].to_numpy(dtype="U8" if name == "activity" else None) for name in table})
    else:
        path.write_bytes(_text(table, kind))
    return path


def write_long(path: Path, megabytes: float, *, held: int = 0) -> Path:
    """Write motion at 100 Hz as text of so many megabytes.

    In every 10,000 rows one axis keeps its value for ``held`` while another swings.
    """
    values = np.random.default_rng(0).normal([0, 0, -1, 0, 0, 0], 0.1, (10_000, 6))
    values[:held, 0] = 0.25
    values[:held, 1] += np.sin(np.arange(held) / 30)
    tails = [",".join(f"{value:.6f}" for value in row) for row in values.tolist()]
    stamp, step = 1_700_000_000_000_000_000, 10_000_000
    with path.open("w") as file:
        file.write(",".join(LONG_SCHEMA) + "\n")
        while file.tell() < megabytes * 10**6:
            file.writelines(f"{stamp + k * step},{tail}\n" for k, tail in enumerate(tails))
            stamp += len(tails) * step
    return path


def _text(table, kind):
    if kind == "iso":
        dates = pd.to_datetime(table["time"], unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        table = table.assign(time=dates)
    options = {"tsv": {"sep": "\t"}, "comma": {"sep": ";", "decimal": ","}}.get(kind, {})
    content = table.to_csv(None, index=False, lineterminator="\n", **options).encode()
    return gzip.compress(content, mtime=0) if kind == "gzip" else content
