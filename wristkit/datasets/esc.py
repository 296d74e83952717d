"""ESC-10 and ESC-50: clips of five seconds of everyday sound."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wristkit.datasets.frames import RATER, recorded, source
from wristkit.datasets.text import matching, unpacked_hash
from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Mark, Remark, Track
from wristkit.load.members import Members
from wristkit.load.sound import audio_track
from wristkit.load.spool import Spool
from wristkit.recording import Recording

_TEN = r"(\d)-(\d+)-([A-Z])\.ogg"
_FIFTY = r"(\d)-(\d+)-([A-Z])-(\d+)\.wav"
_PADDING_S = 0.5


def read_ten(folder: Path) -> Iterator[Recording]:
    """Yield one recording a clip of ESC-10; its folder is its label."""
    for path in matching(folder, _TEN, what="esc10"):
        fold, sound, _ = re.fullmatch(_TEN, path.name).groups()  # type: ignore[union-attr]  # found by this pattern
        label = re.sub(r"^\d+ - ", "", path.parent.name).lower().replace(" ", "_")
        yield _clip(path, "esc10", label, fold=fold, sound=sound)


def read_fifty(folder: Path) -> Iterator[Recording]:
    """Yield one recording a clip of ESC-50; ``esc50.csv`` names its label."""
    paths = matching(folder, _FIFTY, what="esc50")
    labels = _labels(matching(folder, r"esc50\.csv", what="esc50")[0])
    for path in paths:
        fold, sound, _, target = re.fullmatch(_FIFTY, path.name).groups()  # type: ignore[union-attr]  # as above
        if target not in labels:
            raise RecordingError(
                f"esc50.csv has no target {target}",
                code="label_unknown",
                remedy="fetch the set again and verify it",
                file=path,
            )
        yield _clip(path, "esc50", labels[target], fold=fold, sound=sound)


def _clip(path: Path, name: str, label: str, *, fold: str, sound: str) -> Recording:
    """Return one clip; takes of one sound share their ``subject``, so that a split keeps them together."""
    track = audio_track(Members(path.parent, {path.name: path.name}), path.name, spool=Spool())
    track = replace(track, remarks=(*track.remarks, *_of_padding(track)))
    span = (0, round(len(track.values) / _rate_hz(track) * 1e9))
    return recorded(
        Gathered(
            [track],
            clock="none",
            marks=[Mark(*span, label, "truth", RATER)],
            labelled={"truth": [span]},
            subject=f"freesound_{sound}",
            source=source(
                path.name, name, unpacked_hash(path), device="microphone", place="none", stated={"fold": fold}
            ),
        )
    )


def _rate_hz(track: Track) -> float:
    return float(track.rate_hz or np.nan)


def _of_padding(track: Track) -> tuple[Remark, ...]:
    """Return what to say of a clip that was filled up with digital zeros."""
    heard = np.flatnonzero(np.asarray(track.values).any(axis=-1) if track.values.ndim > 1 else track.values)
    silent = len(track.values) - (int(heard[-1]) + 1 if len(heard) else 0)
    rate_hz = _rate_hz(track)
    if silent <= _PADDING_S * rate_hz:
        return ()
    span = (round((len(track.values) - silent) / rate_hz * 1e9), round(len(track.values) / rate_hz * 1e9))
    note = f"it ends in {silent / rate_hz:.2f} s of exact zeros: it was filled up to its length"
    return (Remark("zero_padding", silent, note, "cut it off, or a model learns the padding", span_ns=span),)


def _labels(path: Path) -> Mapping[str, str]:
    """Return target to category."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["target"]: row["category"] for row in rows}
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        raise RecordingError(
            f"it is no table with the columns target and category ({error})",
            code="columns_missing",
            remedy="fetch the set again and verify it",
            file=path,
        ) from error
