"""Runs on disk: each a plain folder that is there whole or not at all, and all of them a table."""

import hashlib
import json
import platform
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wristkit.recording import for_spreadsheets
from wristkit.store import atomic_write, writing
from wristkit.train.fit import BoostedFit, Fit
from wristkit.train.loop import INTERRUPTED
from wristkit.windows import Windows

RUN_FILE = "run.json"
SCHEMA = 1
_PACKAGES = ("wristkit", "numpy", "pandas", "scikit-learn", "scipy", "torch")
_COLUMNS = (
    *("run", "started", "model", "epochs", "seed", "people", "windows", "classes", "macro_f1", "stop_loss"),
    *("best_epoch", "took_s", "simulated", "interrupted", "data_sha256", "weights_sha256", "damage"),
)


def record(fit: Fit, windows: Windows, *, folder: Path, epochs: int, took_s: float) -> Path:
    """Write a run into a new folder below ``folder``, and return it.

    ``run.json`` holds configuration, hash of the data, seed, environment and metrics; ``history.csv`` and
    ``held_out.csv`` are tables, ``weights.safetensors`` and ``detector.json`` the net, where it has weights. Names in
    ``held_out.csv`` that a spreadsheet would run as a formula have an apostrophe in front.
    """
    fields = _fields(fit, windows, epochs=epochs, took_s=took_s)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    name = f"{stamp}-{fit.name}-seed{fit.seed}-{secrets.token_hex(3)}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        staging = folder / f".{name}.tmp"
        try:
            staging.mkdir()
            _write(fit, fields, staging)
            staging.rename(folder / name)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return folder / name


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing and try to write there, or raise what the system says."""
    with writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as fault:  # what lies above takes no folders, as in /proc
            raise NotADirectoryError(fault.errno, fault.strerror) from fault
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"tried")


def runs(folder: str | Path) -> pd.DataFrame:
    """Return the runs that were recorded in a folder, a row each, the newest first.

    A run that cannot be read stands in its row with what is wrong under ``damage``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder.name!r}; quick_train(..., runs=folder) makes it")
    names = sorted((one.name for one in folder.iterdir() if (one / RUN_FILE).is_file()), reverse=True)
    rows = [{"run": name, **_row(folder / name / RUN_FILE)} for name in names if not name.startswith(".")]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def data_sha256(windows: Windows) -> str:
    """Return the hash of windows: samples, labels, whose they are, where they begin, and how they were made."""
    digest = hashlib.sha256(windows.conditioning.to_json().encode())
    digest.update(f"{windows.values.shape} {windows.hop_s} {windows.background}".encode())
    digest.update(np.ascontiguousarray(windows.values).data)
    digest.update(np.ascontiguousarray(windows.start_s).data)
    for texts in (windows.labels, windows.subjects, windows.recordings):
        digest.update(json.dumps(texts.astype(str).tolist()).encode())
    return digest.hexdigest()


def _fields(fit: Fit, windows: Windows, *, epochs: int, took_s: float) -> dict[str, Any]:
    """Return all that a run says of itself."""
    started = datetime.now(UTC) - timedelta(seconds=took_s)
    return {
        "schema": SCHEMA,
        "started": started.isoformat(timespec="seconds"),
        "took_s": round(took_s, 3),
        "config": {
            "model": fit.name,
            "epochs": epochs,
            "seed": fit.seed,
            "augmentation": asdict(fit.augmentation),
            "device": fit.device,
            "threads": fit.threads,
        },
        "data": {
            "sha256": data_sha256(windows),
            "windows": len(windows),
            "people": len(set(windows.subjects)),
            "classes": list(windows.classes),
            "dropped": dict(windows.dropped),
            "split": asdict(fit.split),
        },
        "environment": _environment(),
        "metrics": _metrics(fit),
        "notes": list(fit.notes),
        "weights_sha256": None if isinstance(fit, BoostedFit) else fit.weights_sha256,
    }


def _environment() -> dict[str, str | None]:
    """Return what a run depends on, and nothing that names a machine or a person."""
    here = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return {**here, **{name: _version(name) for name in _PACKAGES}}


def _metrics(fit: Fit) -> dict[str, float | None]:
    """Return the figures of a run; one that is no number is null."""
    stop_loss = fit.history["stop_loss"]
    best = int(stop_loss.argmin()) if stop_loss.notna().any() else len(fit.history) - 1
    return {
        "macro_f1": _number(fit.macro_f1),
        "stop_loss": _number(stop_loss.iloc[best]),
        "stop_macro_f1": _number(fit.history["stop_macro_f1"].iloc[best]),
        "best_epoch": int(fit.history["epoch"].iloc[best]),
    }


def _write(fit: Fit, fields: Mapping[str, Any], folder: Path) -> None:
    from safetensors.torch import save as weights_as_bytes

    if fit.spec.architecture is not None:
        fit.detector().save(folder)
    elif not isinstance(fit, BoostedFit):
        weights = {name: value.contiguous() for name, value in fit.model.state_dict().items()}
        atomic_write(folder / "weights.safetensors", lambda file: file.write(weights_as_bytes(weights)))
    for name, table in (("history.csv", fit.history), ("held_out.csv", for_spreadsheets(fit.held_out))):
        _write_text(folder / name, table.to_csv(index=False))
    _write_text(folder / RUN_FILE, json.dumps(fields, indent=1, allow_nan=False))


def _write_text(path: Path, text: str) -> None:
    atomic_write(path, lambda file: file.write(text.encode()))


def _row(path: Path) -> dict[str, Any]:
    """Return a run's row, or what is wrong with its file."""
    try:
        fields = json.loads(path.read_text())
        if fields["schema"] != SCHEMA:
            return {"damage": f"schema {fields['schema']!r}, this version reads {SCHEMA}"}
        config, data, metrics = fields["config"], fields["data"], fields["metrics"]
        started = pd.Timestamp(fields["started"])
        if started.tzinfo is None:
            return {"damage": f"started is {fields['started']!r}, expected a time with a zone"[:120]}
        return {
            "started": started,
            **{name: config[name] for name in ("model", "epochs", "seed")},
            **{name: data[name] for name in ("people", "windows")},
            "classes": len(data["classes"]),
            **{name: metrics[name] for name in ("macro_f1", "stop_loss", "best_epoch")},
            "took_s": fields["took_s"],
            "simulated": any("simulated" in note for note in fields["notes"]),
            "data_sha256": data["sha256"],
            "weights_sha256": fields["weights_sha256"],
            "interrupted": INTERRUPTED in fields["notes"],
            "damage": "",
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        return {"damage": f"{RUN_FILE} cannot be read: {type(fault).__name__}: {fault}"[:120]}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
