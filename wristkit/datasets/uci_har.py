"""UCI HAR: a phone at the waist; published as windows of 128 samples that share 64 with the next, joined again here.

The set holds no continuous recording. Windows that follow each other in the file, of one person, whose shared halves
are identical in all six signals, were cut from one stretch: such windows become one recording. Where the halves differ
something was left out between them, and a new recording begins.
"""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wristkit.datasets.frames import left_out, recorded, source, truth_marks, unsigned_accel, whole_span
from wristkit.datasets.text import matching, ns_of_rows, unpacked_hash
from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Remark, Track
from wristkit.recording import FloatArray, Recording
from wristkit.recording.hashing import hash_of_parts

RATE_HZ, WINDOW, HOP = 50.0, 128, 64
_SIGNALS = tuple(f"{sensor}_{axis}" for sensor in ("total_acc", "body_gyro") for axis in "xyz")
_LABELS: Mapping[object, str] = {
    1: "walking",
    2: "walking_upstairs",
    3: "walking_downstairs",
    4: "sitting",
    5: "standing",
    6: "laying",
}
_MOST_BYTES = 2**27  # the longest file has 15 MB

Integers = npt.NDArray[np.int64]


def read(folder: Path) -> Iterator[Recording]:
    """Yield one recording a stretch of windows that were cut from it; its start is not known."""
    for path in matching(folder, r"subject_(train|test)\.txt", what="uci_har"):
        yield from _split(path, path.stem.removeprefix("subject_"))


def _split(path: Path, split: str) -> Iterator[Recording]:
    of_labels = path.with_name(f"y_{split}.txt")
    people, labels = _whole(path), _whole(of_labels)
    files = [path.parent / "Inertial Signals" / f"{name}_{split}.txt" for name in _SIGNALS]
    signals = [_numbers(file, WINDOW) for file in files]
    if counts := {len(one) for one in (labels, *signals)} - {len(people)}:
        raise _damaged(path, f"it has {len(people)} rows, the files of labels and signals have {sorted(counts)}")
    if strange := sorted(set(labels.tolist()) - set(_LABELS)):
        raise _damaged(of_labels, f"labels are {strange[:5]}, expected 1 to 6")
    windows = np.stack(signals, axis=-1)
    content_hash = hash_of_parts((one.name, unpacked_hash(one)) for one in (path, of_labels, *files))
    for first, stop in stretches(windows, people):
        yield _recording(windows[first:stop], labels[first:stop], str(people[first]), f"{split}_{first}", content_hash)


def stretches(windows: FloatArray, people: Integers) -> list[tuple[int, int]]:
    """Return (first, past the last) window of each stretch, from windows (n, 128, c) and the person of each (n,)."""
    shared = (windows[:-1, HOP:] == windows[1:, :HOP]).all(axis=(1, 2)) & (people[:-1] == people[1:])
    edges = [0, *(np.flatnonzero(~shared) + 1).tolist(), len(windows)]
    return list(itertools.pairwise(edges))


def joined(windows: FloatArray) -> FloatArray:
    """Return (128 + 64 (n - 1), c) samples of n windows (n, 128, c) that share halves."""
    return np.concatenate([windows[0, :HOP], *windows[:, HOP:]])


def _recording(windows: FloatArray, labels: Integers, who: str, stretch: str, content_hash: str) -> Recording:
    values = joined(windows)
    time_ns = ns_of_rows(len(values), RATE_HZ)
    of_samples = np.append(np.repeat(labels, HOP), np.repeat(labels[-1:], HOP))
    note = f"{len(windows)} windows of {WINDOW} samples; {HOP * (len(windows) - 1)} samples came twice, the same"
    return recorded(
        Gathered(
            [unsigned_accel(None, values[:, :3], "g", rate_hz=RATE_HZ), Track("gyro", values[:, 3:], rate_hz=RATE_HZ)],
            clock="none",
            marks=truth_marks(time_ns, of_samples, _LABELS),
            remarks=(
                Remark("windows_joined", len(windows), note, "what lay between two recordings is not known"),
                left_out("body_acc", len(values), "it is total_acc less a low-pass of 0.3 Hz that the authors made"),
            ),
            labelled={"truth": whole_span(time_ns)},
            subject=who,
            source=source(
                "Inertial Signals", "uci_har", content_hash, device="phone", place="waist", stated={"stretch": stretch}
            ),
        )
    )


def _whole(path: Path) -> Integers:
    numbers = _numbers(path, 1)[:, 0]
    if (numbers != np.floor(numbers)).any() or (np.abs(numbers) > 10**6).any():
        raise _damaged(path, "it holds numbers that are no codes")
    return numbers.astype(np.int64)


def _numbers(path: Path, width: int) -> FloatArray:
    """Return (n, width) numbers of a text file, separated by spaces."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise _damaged(path, "it is missing, or far longer than it should be")
    rows = [line.split() for line in path.read_bytes().splitlines()]
    if short := [row for row, cells in enumerate(rows) if len(cells) != width]:
        raise _damaged(path, f"a row has {len(rows[short[0]])} numbers, expected {width}", row=short[0])
    try:
        values = np.array(rows, dtype=bytes).reshape(-1, width).astype(np.float64)
    except ValueError as error:
        raise _damaged(path, f"it holds what is no number ({error})") from error
    if not len(values) or not np.isfinite(values).all():
        raise _damaged(path, "it is empty, or holds what is no finite number")
    return values


def _damaged(path: Path, message: str, *, row: int | None = None) -> RecordingError:
    return RecordingError(
        message, code="not_a_table", remedy="fetch the set again and verify it", file=path.name, row=row
    )
