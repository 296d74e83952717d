"""One package of a bundle: written, audited, and compared with the net that it was made from."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from wristkit.detector import Detector
from wristkit.export import coreml, preflight
from wristkit.export.cost import bytes_under
from wristkit.export.forms import Interface
from wristkit.export.golden import GOLDEN_WINDOWS
from wristkit.export.harder import harder
from wristkit.export.mlprogram import MLPackage, load_mlpackage
from wristkit.export.narrow import Narrow, narrowed
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
from wristkit.export.stages import heard_by
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
    """One package with what was found about it; ``stage`` is empty for a detector.

    ``net`` has the weights that ship: those of the detector, or of int8 what its whole numbers stand for.
    """

    stage: str
    package: Path
    trial: Trial
    table: pd.DataFrame
    findings: pd.DataFrame
    ranges: pd.DataFrame
    net: Narrow


class Written(NamedTuple):
    """What a package became: the results that stay in float32, its weights, and its bytes beside those of float16."""

    kept: frozenset[str]
    net: Narrow
    half_bytes: int = 0


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
        exact = float32_twin(detector, Path(scratch) / "exact.mlpackage", asked)
        sizes = preflight.ranges(exact, trial.values)
        told = {"stage": stage} if stage else {}
        made = written(detector, package, asked, told=told, exact=exact, sizes=sizes, trial=trial)
        shipped = load_mlpackage(package)
        table = parity(detector, exact=exact, shipped=shipped, precision=asked.shipped, trial=trial)
    found = [
        *preflight.range_findings(sizes, made.kept, asked.shipped),
        *_whole_findings(made, package),
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
        made.net,
    )


class _Job(NamedTuple):
    """A package that is to be written, once or again."""

    detector: Detector
    package: Path
    asked: Asked
    told: Mapping[str, str]

    def write(self, precision: str, kept: frozenset[str], net: Narrow) -> None:
        """Write it with these results in float32, and the whole numbers of a net that has any."""
        shutil.rmtree(self.package, ignore_errors=True)
        coreml.convert(
            self.detector,
            self.package,
            target=self.asked.target,
            precision=precision,
            interface=self.asked.interface,
            kept_float32=kept,
            narrow=net if net.layers else None,
            told=self.told,
        )


def written(
    detector: Detector,
    package: Path,
    asked: Asked,
    *,
    exact: MLPackage,
    sizes: pd.DataFrame,
    trial: Trial,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Written:
    """Write the package that ships, and return what of it float16 or int8 could not hold, or not well enough.

    Parameters
    ----------
    exact, sizes
        The float32 twin, and its ranges, as ``preflight.ranges`` gives them.
    trial
        Windows by which it is judged what may be narrow.

    Raises
    ------
    ValueError
        Where no layer can be int8.
    """
    plain, write = Narrow(detector.model), _Job(detector, package, asked, told).write
    if asked.shipped == "float32":
        write("float32", frozenset(), plain)
        return Written(frozenset(), plain)
    kept = preflight.too_large(sizes)
    write("float16", kept, plain)
    values = harder(detector, trial.values)
    bound, wanted = SHIPPED_BOUND["float16"], expected(detector, values)[1]
    if more := kept_wide(load_mlpackage(package), exact, values, wanted, bound=bound):
        kept |= more
        write("float16", kept, plain)
    if asked.shipped == "float16":
        return Written(kept, plain)
    half_bytes, net = bytes_under(package), narrowed(detector.model, values, bound=SHIPPED_BOUND["int8"])
    if not net.layers:
        raise ValueError(_why_not_int8(net, f" of {told['stage']}" if "stage" in told else ""))
    write("int8", kept, net)
    return Written(kept, net, half_bytes)


def _why_not_int8(net: Narrow, of: str) -> str:
    if not net.kept:
        return f"no layer{of} is a large convolution, which alone gain by int8; export precision='float16'"
    return (
        f"no layer{of} can have whole numbers of 8 bits within {SHIPPED_BOUND['int8']:g} in probability, tried "
        f"{', '.join(net.kept)}; export precision='float16', or train a net that is rounded before its thresholds are "
        "chosen, as wk.quick_train does; of your own: wristkit.models.round_weights(model)"
    )


def _whole_findings(made: Written, package: Path) -> list[preflight.Finding]:
    """Return what int8 saves, and which layers it could not hold."""
    net = made.net
    if not net.layers:
        return []
    count, size = sum(one.numbers.size for one in net.layers.values()), bytes_under(package)
    note = (
        f"{count} weights in {len(net.layers)} layers move a probability by up to {net.apart:.2g}; {size} bytes, "
        f"{made.half_bytes} in float16"
    )
    stay = "; these stay in float16, in C++ in float32" if net.kept else ""
    return [preflight.Finding("int8 weights", "warning" if net.kept else "passed", ", ".join(net.kept), note + stay)]


def float32_twin(detector: Detector, path: Path, asked: Asked) -> MLPackage:
    """Return the conversion in float32, whose ranges are those of the net."""
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
