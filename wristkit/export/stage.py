"""One package of a bundle: written, audited, and compared with the net that it was made from."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wristkit.detector import Cascade, Detector
from wristkit.errors import RecordingError
from wristkit.export import coreml, preflight
from wristkit.export.forms import Interface
from wristkit.export.golden import GOLDEN_WINDOWS
from wristkit.export.mlprogram import MLPackage, load_mlpackage
from wristkit.export.onnx import onnx_row
from wristkit.export.packaged import answers
from wristkit.export.parity import (
    MOST_IN_TURN,
    MOST_WINDOWS,
    SHIPPED_BOUND,
    Row,
    Trial,
    at_most,
    expected,
    not_run,
    parity,
    table_of,
    trial_windows,
    worst,
)
from wristkit.export.widen import kept_wide
from wristkit.recording import Recording

_ONNX_WINDOWS = 200


@dataclass(frozen=True)
class Asked:
    """How a package is to be."""

    interface: Interface
    target: str
    precision: str

    @property
    def shipped(self) -> str:
        """The precision that the package has."""
        return coreml.computed_in(self.interface, self.precision)


@dataclass(frozen=True, eq=False)
class Stage:
    """One package with what was found about it; ``stage`` is empty for a detector."""

    stage: str
    package: Path
    trial: Trial
    table: pd.DataFrame
    findings: pd.DataFrame
    ranges: pd.DataFrame


def stages_of(detector: Detector | Cascade) -> Mapping[str, Detector]:
    """Return the detectors of a bundle by stage."""
    return {"gate": detector.gate, "confirm": detector.confirm} if isinstance(detector, Cascade) else {"": detector}


def heard_by(detector: Detector, recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings that hold the streams of a detector; of none of them, all, so that the reason is told."""
    kept = []
    for one in recordings:
        try:
            detector.spec.conditioning.check(one)
            kept.append(one)
        except RecordingError:
            continue
    return kept or list(recordings)


def make_stage(
    stage: str,
    detector: Detector,
    package: Path,
    asked: Asked,
    *,
    findings: pd.DataFrame,
    held: Sequence[Recording],
) -> Stage:
    """Write one package, and compare it with the net and with its float32 twin, which is thrown away."""
    most = MOST_WINDOWS if asked.interface == "window" else MOST_IN_TURN
    trial = trial_windows(detector, heard_by(detector, held) if held else None, most=most)
    with tempfile.TemporaryDirectory() as scratch:
        exact = _exact(detector, Path(scratch) / "exact.mlpackage", asked)
        sizes = preflight.ranges(exact, trial.values)
        kept = _written(detector, package, asked, told={"stage": stage} if stage else {}, sizes=sizes, trial=trial)
        shipped = load_mlpackage(package)
        table = parity(detector, exact=exact, shipped=shipped, precision=asked.shipped, trial=trial)
    found = [
        *preflight.range_findings(sizes, kept, asked.shipped),
        *preflight.engine_findings(preflight.neural_engine(shipped)),
    ]
    more = table_of([_onnx(detector, trial), _apple(shipped, detector, trial, asked.shipped)])
    return Stage(
        stage,
        package,
        trial,
        pd.concat([table, more], ignore_index=True),
        pd.concat([findings, pd.DataFrame(found, columns=list(preflight.COLUMNS))], ignore_index=True),
        sizes,
    )


def _written(
    detector: Detector,
    package: Path,
    asked: Asked,
    *,
    told: Mapping[str, str],
    sizes: pd.DataFrame,
    trial: Trial,
) -> frozenset[str]:
    """Write the package that ships, and return the results that float16 could not hold, or not well enough."""

    def write(kept: frozenset[str]) -> None:
        shutil.rmtree(package, ignore_errors=True)
        coreml.convert(
            detector,
            package,
            target=asked.target,
            precision=asked.precision,
            interface=asked.interface,
            kept_float32=kept,
            told=told,
        )

    kept: frozenset[str] = frozenset() if asked.shipped == "float32" else preflight.too_large(sizes)
    write(kept)
    if asked.shipped != "float16":
        return kept
    bound, wanted = SHIPPED_BOUND[asked.shipped], expected(detector, trial.values)[1]
    if more := kept_wide(load_mlpackage(package), trial.values, wanted, bound=bound):
        kept |= more
        write(kept)
    return kept


def _exact(detector: Detector, path: Path, asked: Asked) -> MLPackage:
    coreml.convert(detector, path, target=asked.target, precision="float32", interface=asked.interface)
    return load_mlpackage(path)


def _onnx(detector: Detector, trial: Trial) -> Row:
    few = trial._replace(values=trial.values[:_ONNX_WINDOWS])
    return onnx_row(detector, few, expected(detector, few.values)[1])


def _apple(shipped: MLPackage, detector: Detector, trial: Trial, precision: str) -> Row:
    """Return what Core ML itself says; off a Mac that is not run."""
    check = "Core ML on Apple hardware"
    try:
        apple = shipped.on_apple()
    except RuntimeError:
        return not_run(check, "on a Mac: wristkit.export.check_golden(folder); on a watch: wristkit.replay")
    few = trial.values[:GOLDEN_WINDOWS]
    said = answers(apple, few).probabilities
    return at_most(check, worst(said, expected(detector, few)[1]), SHIPPED_BOUND[precision], f"{len(few)} windows")
