"""A detector in C++ built and run on this machine, to be compared with Python."""

import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Frame
from wristkit.events import EVENT_COLUMNS
from wristkit.recording import Recording
from wristkit.store import save

WARNINGS = ("-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_LONGEST_S = 600


@dataclass(frozen=True)
class Program:
    """The built ``replay`` of a detector."""

    path: Path

    def logits(self, values: npt.NDArray[np.float32], *, stage: int = 0) -> npt.NDArray[np.float32]:
        """Return (n, classes) logits of conditioned windows (n, channels, samples), each by itself.

        Of a cascade stage 0 is the gate and 1 the confirmer.
        """
        given = np.ascontiguousarray(values, dtype="<f4").tobytes()
        said = _run([str(self.path), "--windows", str(stage)], given=given)
        return np.array([line.split(",") for line in said.splitlines()], dtype=np.float32)

    def events(self, recording: Recording, folder: str | Path, *, burst_s: float | None = None) -> pd.DataFrame:
        """Return the events in a recording, ordered by start, which is saved into a new folder to be read.

        Parameters
        ----------
        recording
            With the streams that the detector takes, in canonical units.
        folder
            New or empty, or where the same recording was saved.
        burst_s
            Give the streams in turn, so many seconds at a time, through rings as between threads; None: in order.
        """
        options = [] if burst_s is None else ["--burst", repr(float(burst_s))]
        return _events(_run([str(self.path), str(_saved(recording, folder)), *options]))

    def events_of(self, file: str | Path) -> pd.DataFrame:
        """Return the events in a device's log (``.jsonl``) or a table of text (``.csv``), ordered by start."""
        return _events(_run([str(self.path), str(file)]))

    def scores(self, recording: Recording, folder: str | Path) -> pd.DataFrame:
        """Return what every window was given: ``stage, centre_s, time_s`` and ``probabilities``, an array."""
        said = _run([str(self.path), str(_saved(recording, folder)), "--scores"])
        rows = [line.split(",")[1:] for line in said.splitlines() if line.startswith("score,")]
        return pd.DataFrame(
            {
                "stage": [int(row[0]) for row in rows],
                "centre_s": [float(row[1]) for row in rows],
                "time_s": [float(row[2]) for row in rows],
                "probabilities": [np.array(row[3:], dtype=np.float32) for row in rows],
            }
        )


def compiler() -> str | None:
    """Return the C++ compiler of this machine, if there is one."""
    return next((found for name in ("g++", "clang++", "c++") if (found := shutil.which(name))), None)


def compile_cpp(folder: str | Path, into: str | Path, *, options: Sequence[str] = ("-O2",)) -> Program:
    """Build the program that replays recordings, with all warnings as errors, and return it.

    Parameters
    ----------
    folder
        What ``write_cpp`` wrote.
    into
        The program's path.
    options
        Of the compiler, such as ``("-O3", "-march=native")``.

    Raises
    ------
    RuntimeError
        Where there is no compiler, or it refuses; with what it said.
    """
    found = compiler()
    if found is None:
        raise RuntimeError("there is no C++ compiler on PATH; install g++ or clang++ to build the detector here")
    command = [found, *WARNINGS, *options, str(Path(folder) / "replay.cpp"), "-o", str(into)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[:4000]}")
    return Program(Path(into).resolve())


def _saved(recording: Recording, folder: str | Path) -> Path:
    """Return where a recording was saved, in the axes in which a device gives it."""
    return save(Frame("device").run(recording), folder)


def _run(command: list[str], *, given: bytes = b"") -> str:
    done = subprocess.run(command, input=given, capture_output=True, timeout=_LONGEST_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.decode(errors='replace')[:2000]}")
    return done.stdout.decode()


def _events(said: str) -> pd.DataFrame:
    events = pd.read_csv(io.StringIO(said), dtype={"label": str}, keep_default_na=False)
    kinds = {"start_s": float, "stop_s": float, "label": object, "score": float, "decided_s": float}
    ordered = events[list(EVENT_COLUMNS)].sort_values(["start_s", "label"], kind="stable", ignore_index=True)
    return ordered.astype(kinds)
