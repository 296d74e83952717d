"""Writes sessions as the Empatica E4 exports them: start, rate and values, without column names."""

import zipfile
from pathlib import Path

import numpy as np

START_S = 1_560_279_825


def contents(*, seconds=20, tags=(START_S + 3.25,), seed=0):
    """Return file name to content of a short session with every sensor."""
    random = np.random.default_rng(seed)
    accel = np.clip(random.normal([0, 10, 62], 8, (32 * seconds, 3)).round(), -128, 127).astype(int)
    beats = 2.5 + np.cumsum(random.uniform(0.7, 1.1, max(seconds - 5, 1)))
    return {
        "ACC.csv": _columns(START_S, 32, (",".join(map(str, row)) for row in accel), width=3),
        "BVP.csv": _columns(START_S, 64, (f"{value:.2f}" for value in random.normal(0, 40, 64 * seconds))),
        "EDA.csv": _columns(START_S, 4, (f"{value:.6f}" for value in random.uniform(0.05, 0.4, 4 * seconds))),
        "TEMP.csv": _columns(START_S, 4, (f"{value:.2f}" for value in random.uniform(32, 34, 4 * seconds))),
        "HR.csv": _columns(START_S + 10, 1, (f"{value:.2f}" for value in random.uniform(60, 90, max(seconds - 10, 1)))),
        "IBI.csv": f"{START_S}.000000, IBI\n" + "".join(f"{beat:.6f},{0.8:.6f}\n" for beat in beats),
        "tags.csv": "".join(f"{tag:.2f}\n" for tag in tags),
        "info.txt": ".csv files in this archive are in the following format:\n",
    }


def _columns(start_s, rate_hz, lines, *, width=1):
    header = [", ".join([f"{number:.6f}"] * width) for number in (start_s, rate_hz)]
    return "\n".join([*header, *lines]) + "\n"


def write(folder: Path, *, seconds=20, tags=(START_S + 3.25,), seed=0, zipped=False, files=None, replaced=None) -> Path:
    """Return a session; ``files`` names those to keep, ``replaced`` gives other contents by name."""
    written = contents(seconds=seconds, tags=tags, seed=seed)
    written |= replaced or {}
    written = {name: text for name, text in written.items() if files is None or name in files}
    path = folder / ("e4.zip" if zipped else "e4")
    if zipped:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in written.items():
                archive.writestr(name, text)
        return path
    path.mkdir(exist_ok=True)
    for name, text in written.items():
        (path / name).write_text(text, newline="")
    return path
