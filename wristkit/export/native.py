"""The C++ core and the Swift package of a bundle, and what was checked of them here."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector import Cascade, Detector
from wristkit.export.cpp import Program, compile_cpp, compiler, why_not_cpp, write_cpp
from wristkit.export.parity import EXACT_BOUND, Row, Trial, at_most, event_set, expected, not_run, told, worst
from wristkit.export.stage import heard_by, stages_of
from wristkit.export.swift import write_swift
from wristkit.recording import Recording

CHECKS = ("C++ window, probabilities", "C++ stream, probabilities", "C++, events from raw samples")
_MOST_WINDOWS, _MOST_RECORDINGS = 500, 4
_NAME = "detector"


class Native(NamedTuple):
    """Where they lie, the bytes of the compiled core, and one row a check."""

    cpp: Path | None
    swift: Path | None
    code_bytes: int | None
    rows: Sequence[Row]


def write_native(
    detector: Detector | Cascade, folder: Path, *, trials: Mapping[str, Trial], held: Sequence[Recording]
) -> Native:
    """Write both into a bundle's folder, and compile and run what can be compiled here."""
    if reasons := why_not_cpp(detector):
        return Native(None, None, None, [not_run(check, f"no C++ form: {'; '.join(reasons)}") for check in CHECKS])
    cpp = write_cpp(detector, folder / "cpp", name=_NAME)
    swift = write_swift(detector, folder / "swift", recording=held[0] if held else None)
    unseen = not_run("Swift package", "no Swift compiler has seen it; its tests run with swift test on a Mac")
    if compiler() is None:
        rows = [not_run(check, "there is no C++ compiler here") for check in CHECKS]
        return Native(cpp, swift, None, [*rows, unseen])
    with tempfile.TemporaryDirectory() as scratch:
        program = compile_cpp(cpp, Path(scratch) / "replay")
        rows = [
            *_window_rows(detector, program, trials),
            _stream_row(detector, program, held, Path(scratch)),
            _event_row(detector, program, held, Path(scratch)),
        ]
        return Native(cpp, swift, _code_bytes(cpp, Path(scratch)), [*rows, unseen])


def _window_rows(detector: Detector | Cascade, program: Program, trials: Mapping[str, Trial]) -> list[Row]:
    rows = []
    for number, (stage, one) in enumerate(stages_of(detector).items()):
        values = trials[stage].values[:_MOST_WINDOWS]
        said = _softmax(program.logits(values, stage=number).astype(np.float64))
        check = f"{stage}: {CHECKS[0]}" if stage else CHECKS[0]
        rows.append(at_most(check, worst(said, expected(one, values)[1]), EXACT_BOUND, f"{len(values)} windows"))
    return rows


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _stream_row(detector: Detector | Cascade, program: Program, held: Sequence[Recording], scratch: Path) -> Row:
    """Compare what samples one by one give with the windows of Python; of a cascade the gate's, which is always on."""
    check = CHECKS[1]
    if not held:
        return not_run(check, "needs recordings=")
    one = detector.gate if isinstance(detector, Cascade) else detector
    apart, count = 0.0, 0
    for number, recording in enumerate(heard_by(one, held)[:_MOST_RECORDINGS]):
        ours, theirs = one.scores(recording), program.scores(recording, scratch / f"recording{number}")
        theirs = theirs[theirs["stage"] == 0]
        said = np.array(theirs["probabilities"].tolist()).reshape(len(theirs), -1)
        apart = max(apart, worst(said, ours.values.astype(np.float64)) if len(ours) else 0.0)
        count += len(ours)
    return at_most(check, apart, EXACT_BOUND, f"{count} windows from raw samples, one by one, against torch")


def _event_row(detector: Detector | Cascade, program: Program, held: Sequence[Recording], scratch: Path) -> Row:
    check = CHECKS[2]
    if not held:
        return not_run(check, "needs recordings=")
    few = held[:_MOST_RECORDINGS]
    differ = total = 0
    for number, one in enumerate(few):
        theirs = program.events(one, scratch / f"recording{number}")
        ours, said = (event_set(_rounded(table)) for table in (detector.detect(one), theirs))
        differ, total = differ + len(ours ^ said), total + len(ours)
    return at_most(check, float(differ), 0, f"events that differ, of {total} in {told(few)}")


def _rounded(events: pd.DataFrame) -> pd.DataFrame:
    """Return events with their times to the microsecond, as text holds them."""
    return events.assign(**{name: events[name].round(6) for name in ("start_s", "stop_s", "decided_s")})


def _code_bytes(cpp: Path, scratch: Path) -> int | None:
    """Return the bytes of the compiled core with its weights, for this machine and at -Os; None where none are told."""
    size, made = shutil.which("size"), scratch / "core.o"
    command = [str(compiler()), "-std=c++17", "-Os", "-c", str(cpp / f"{_NAME}_c.cpp"), "-o", str(made)]
    if size is None or subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    said = subprocess.run([size, str(made)], capture_output=True, text=True, check=False).stdout.splitlines()
    return int(said[1].split()[0]) if len(said) > 1 else None
