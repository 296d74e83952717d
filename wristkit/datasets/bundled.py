"""Recordings that come with the package: simulated, in the file format of a real app, with the truth beside them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from wristkit.errors import RecordingError
from wristkit.load import load
from wristkit.recording import Recording

_PLACES = (
    Path(__file__).parents[1] / "_samples",
    Path(__file__).parents[2] / "data_samples",
)  # in the wheel, in a checkout
_COLUMNS = ("name", "subject", "wrist", "crown", "duration_s", "streams", "simulated", "description")


def samples() -> pd.DataFrame:
    """Return a table of the bundled recordings.

    Its columns are name, subject, wrist, crown, duration_s, streams, simulated and description.
    """
    entries = _entries(_folder()).values()
    return pd.DataFrame([{column: entry[column] for column in _COLUMNS} for entry in entries], columns=list(_COLUMNS))


def sample(name: str) -> Recording:
    """Return one bundled recording with its truth: labels of tier ``"truth"`` beside the wearer's annotations.

    Raises
    ------
    ValueError
        For an unknown name, with the names there are.
    RecordingError
        With code ``checksum`` where a file is not the one that was bundled.
    """
    folder = _folder()
    entries = _entries(folder)
    if name not in entries:
        raise ValueError(f"there is no sample {name!r}; there are {', '.join(entries)}")
    entry = entries[name]
    for file, sha256 in entry["sha256"].items():
        _check(folder / file, sha256)
    path = folder / entry["file"]
    recording = load(path, subject=entry["subject"], wrist=entry["wrist"], crown=entry["crown"])
    truth = pd.read_csv(folder / entry["labels"], keep_default_na=False)
    both = pd.concat([truth, recording.labels], ignore_index=True)
    return recording.with_labels(both, labelled=entry["labelled"])


def sample_file(name: str) -> Path:
    """Return the path of one bundled raw file, as a device or an app would have written it; ``load`` opens it.

    They are no recordings to train on, so ``samples()`` does not list them.

    Raises
    ------
    ValueError
        For an unknown name, with the names there are.
    RecordingError
        With code ``checksum`` where it is not the file that was bundled.
    """
    folder = _folder()
    known = {entry["name"]: entry["sha256"] for entry in _manifest(folder)["raw"]}
    if name not in known:
        raise ValueError(f"there is no raw file {name!r}; there are {', '.join(known)}")
    _check(folder / name, known[name])
    return folder / name


def _folder() -> Path:
    for place in _PLACES:
        if (place / "manifest.json").is_file():
            return place
    raise FileNotFoundError(
        f"there are no samples in {' or '.join(str(place) for place in _PLACES)}; install the wheel again, or run "
        "python -m wristkit.simulate data_samples in the checkout"
    )


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in _manifest(folder)["samples"]}


def _manifest(folder: Path) -> dict[str, list[dict[str, Any]]]:
    manifest: dict[str, list[dict[str, Any]]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def _check(path: Path, sha256: str) -> None:
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise RecordingError(
            "it is missing, or not the file that was bundled",
            code="checksum",
            remedy="restore it from the project, or write all samples anew: python -m wristkit.simulate data_samples",
            file=path,
        )
