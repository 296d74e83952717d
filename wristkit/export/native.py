"""The C++ core and the Swift package of a bundle, and what was checked of them here."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector import Cascade, Detector
from wristkit.export.cpp import Program, compile_cpp, compiler, why_not_cpp
from wristkit.export.cpp.spec import SOUND_RATES_HZ, is_heard_in_cpp
from wristkit.export.cpp.writing import write_nets
from wristkit.export.narrow import Narrow
from wristkit.export.parity import (
    EXACT_BOUND,
    SHIPPED_BOUND,
    Row,
    at_most,
    event_set,
    expected,
    not_run,
    told,
    worst,
)
from wristkit.export.stage import Stage
from wristkit.export.stages import heard_by, stages_of
from wristkit.export.swift import write_swift
from wristkit.recording import Recording

WINDOWS, STREAM, ALIKE, EVENTS = (
    *("C++ window, probabilities", "C++ stream, probabilities"),
    *("C++ stream as its windows", "C++, events from raw samples"),
)
CHECKS = (WINDOWS, STREAM, ALIKE, EVENTS)
STREAMED_BOUND = 1e-6
_MOST_WINDOWS, _MOST_RECORDINGS = 500, 4
_NAME = "detector"


class Native(NamedTuple):
    """Where they lie, the bytes of the compiled core, and one row a check."""

    cpp: Path | None
    swift: Path | None
    code_bytes: int | None
    rows: Sequence[Row]


class _Run(NamedTuple):
    """The built core, and recordings to run it on; ``unheard`` are those whose sound it takes not."""

    program: Program
    held: Sequence[Recording]
    unheard: int
    scratch: Path

    @property
    def left_out(self) -> str:
        """What to say of the others."""
        rates = ", ".join(f"{rate_hz / 1000:g}" for rate_hz in SOUND_RATES_HZ)
        return f"; {self.unheard} recording(s) left out: C++ takes sound of {rates} kHz" if self.unheard else ""

    @property
    def none(self) -> str:
        """Why there is nothing to run."""
        return self.left_out.removeprefix("; ") or "needs recordings="


def write_native(
    detector: Detector | Cascade, folder: Path, *, made: Sequence[Stage], held: Sequence[Recording]
) -> Native:
    """Write both into a bundle's folder, and compile and run what can be compiled here."""
    if reasons := why_not_cpp(detector):
        return Native(None, None, None, [not_run(check, f"no C++ form: {'; '.join(reasons)}") for check in CHECKS])
    nets = {one.stage: one.net for one in made}
    cpp = write_nets(detector, folder / "cpp", nets=nets, name=_NAME)
    heard = [one for one in held if is_heard_in_cpp(detector, one)]
    swift = write_swift(detector, folder / "swift", recording=heard[0] if heard else None, nets=nets)
    unseen = not_run("Swift package", "no Swift compiler has seen it; its tests run with swift test on a Mac")
    if compiler() is None:
        rows = [not_run(check, "there is no C++ compiler here") for check in CHECKS]
        return Native(cpp, swift, None, [*rows, unseen])
    with tempfile.TemporaryDirectory() as scratch:
        program = compile_cpp(cpp, Path(scratch) / "replay")
        run = _Run(program, heard[:_MOST_RECORDINGS], len(held) - len(heard), Path(scratch))
        rows = [
            *(row for number, one in enumerate(made) for row in _window_rows(detector, number, one, program)),
            *_stream_rows(detector, made[0].net, run),
            _event_row(detector, run),
        ]
        return Native(cpp, swift, _code_bytes(cpp, Path(scratch)), [*rows, unseen])


def _window_rows(detector: Detector | Cascade, number: int, made: Stage, program: Program) -> list[Row]:
    """Compare windows with the weights that the core has, and of int8 with those of the detector, too."""
    one, values = stages_of(detector)[made.stage], made.trial.values[:_MOST_WINDOWS]
    said = _softmax(program.logits(values, stage=number).astype(np.float64))
    check, count = f"{made.stage}: {WINDOWS}" if made.stage else WINDOWS, f"{len(values)} windows"
    apart = worst(said, expected(Detector(one.spec, made.net.model), values)[1])
    if not made.net.layers:
        return [at_most(check, apart, EXACT_BOUND, count)]
    beside = worst(said, expected(one, values)[1])
    return [
        at_most(check, apart, EXACT_BOUND, f"{count}, of the weights in int8"),
        at_most(f"{check} of int8", beside, SHIPPED_BOUND["int8"], f"{count}, beside the detector's own weights"),
    ]


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _stream_rows(detector: Detector | Cascade, net: Narrow, run: _Run) -> list[Row]:
    """Compare what samples one by one give with the windows of Python and with the core's own, each by itself.

    Of a cascade it is the gate, which is always on.
    """
    first = next(iter(stages_of(detector).values()))
    one, apart = Detector(first.spec, net.model), []
    for number, recording in enumerate(heard_by(one, run.held)):
        ours, theirs = one.scores(recording), run.program.scores(recording, run.scratch / f"recording{number}")
        theirs = theirs[theirs["stage"] == 0]
        said = np.array(theirs["probabilities"].tolist()).reshape(len(theirs), -1)
        if len(ours):
            alone = _softmax(run.program.logits(one.condition(recording).values).astype(np.float64))
            apart.append((worst(said, ours.values.astype(np.float64)), worst(said, alone), len(ours)))
    if not apart:
        return [not_run(check, run.none) for check in (STREAM, ALIKE)]
    python, windows, counts = zip(*apart, strict=True)
    note = f"{sum(counts)} windows from raw samples, one by one, against"
    return [
        at_most(STREAM, max(python), EXACT_BOUND, f"{note} torch{run.left_out}"),
        at_most(ALIKE, max(windows), STREAMED_BOUND, f"{note} each window by itself"),
    ]


def _event_row(detector: Detector | Cascade, run: _Run) -> Row:
    if not run.held:
        return not_run(EVENTS, run.none)
    differ = total = 0
    for number, one in enumerate(run.held):
        theirs = run.program.events(one, run.scratch / f"recording{number}")
        ours, said = (event_set(_rounded(table)) for table in (detector.detect(one), theirs))
        differ, total = differ + len(ours ^ said), total + len(ours)
    return at_most(EVENTS, float(differ), 0, f"events that differ, of {total} in {told(run.held)}{run.left_out}")


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
