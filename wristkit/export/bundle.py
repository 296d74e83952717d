"""Export as one step: convert, check the saved file, and put package, golden vectors and report side by side."""

import html
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import wristkit
from wristkit.errors import RecordingError
from wristkit.export import coreml
from wristkit.export.cost import Cost, cost
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.parity import SHIPPED_BOUND, Trial, expected, parity, raise_failed, trial_windows
from wristkit.models import weights_sha256
from wristkit.recording import Recording

if TYPE_CHECKING:
    from wristkit.detector import Detector

MARKER = "wristkit bundle"
REPORT, CARD, GOLDEN = "report.json", "MODEL_CARD.md", "golden"
GOLDEN_WINDOWS = 32


@dataclass(frozen=True, eq=False)
class Bundle:
    """Where the package, its golden vectors and its report lie, with parity and cost at hand."""

    mlpackage: Path
    golden: Path
    report: Path
    parity: pd.DataFrame
    cost: Cost

    @property
    def not_run(self) -> tuple[str, ...]:
        """Names of the checks that could not be run here."""
        return tuple(self.parity.loc[self.parity["status"] == "not run", "check"])

    def __repr__(self) -> str:
        counts = self.parity["status"].value_counts()
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"Bundle({self.mlpackage.name}; {told}; {self.cost.package_bytes} bytes)"

    def _repr_html_(self) -> str:
        costs = pd.DataFrame({name.replace("_", " "): [f"{value:,}"] for name, value in asdict(self.cost).items()})
        return (
            f"<p><b>{html.escape(self.mlpackage.name)}</b></p>"
            f"{self.parity.to_html(index=False, na_rep='', float_format='{:.3g}'.format)}"
            f"{costs.to_html(index=False)}"
            f"<p><b>Not run:</b> {html.escape(', '.join(self.not_run))}</p>"
        )


def export(
    detector: "Detector",
    folder: str | Path,
    *,
    interface: str = "window",
    target: str = "watchOS10",
    precision: str = "float16",
    recordings: Recording | Sequence[Recording] | None = None,
) -> Bundle:
    """Write a detector as a checked Core ML package and return the bundle.

    The folder gets ``<folder name>.mlpackage``, ``golden/``, ``report.json`` and ``MODEL_CARD.md``, all at once: until
    then it holds what it held before.

    Parameters
    ----------
    detector
        A trained detector, its model in eval mode.
    folder
        New, empty, or an earlier bundle, which is replaced; files of others in it stay.
    interface
        ``"window"``: one conditioned window in, probabilities and label out.
    target
        Oldest system: watchOS8, 9, 10, 11 or 26.
    precision
        ``"float16"`` or ``"float32"``.
    recordings
        One or more to check on, best ones the detector never saw. Without them seeded random windows are used. Up to 32
        of their windows become golden vectors in the bundle.

    Raises
    ------
    ValueError
        For unknown arguments, or a model that should not be exported, with every reason.
    ParityError
        After everything was written, where a check failed; it names the rows.
    RecordingError
        With code ``exists`` where the folder holds something that is not a bundle.
    """
    folder = Path(folder)
    coreml.check_arguments(interface=interface, target=target, precision=precision)
    if reasons := coreml.why_not_exportable(detector):
        raise ValueError(f"the detector cannot be exported: {'; '.join(reasons)}")
    _refuse_foreign(folder)
    held = [recordings] if isinstance(recordings, Recording) else recordings
    trial = trial_windows(detector, held)
    with _replacing(folder) as staging:
        package = staging / f"{_package_name(folder)}.mlpackage"
        coreml.convert(detector, package, target=target, precision=precision)
        table = _checked(detector, package, target=target, precision=precision, trial=trial)
        costs = cost(detector, package)
        _write_golden(detector, staging / GOLDEN, precision=precision, trial=trial)
        facts = {"interface": interface, "target": target, "precision": precision, "trial": trial.source}
        _write_report(detector, staging, package, table=table, costs=costs, facts=facts)
    raise_failed(table)
    return Bundle(folder / package.name, folder / GOLDEN, folder / REPORT, table, costs)


def _checked(detector: "Detector", package: Path, *, target: str, precision: str, trial: Trial) -> pd.DataFrame:
    """Return the parity of a package, with a float32 twin that is thrown away."""
    shipped = load_mlpackage(package)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "exact.mlpackage"
        exact = load_mlpackage(coreml.convert(detector, path, target=target, precision="float32"))
    return parity(detector, exact=exact, shipped=shipped, precision=precision, trial=trial)


def _package_name(folder: Path) -> str:
    """Return the folder's name where it can be a Swift class, as Xcode makes one of it; else ``detector``."""
    name = folder.resolve().name
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) else "detector"


def _write_golden(detector: "Detector", folder: Path, *, precision: str, trial: Trial) -> None:
    folder.mkdir()
    chosen = np.unique(np.linspace(0, len(trial.values) - 1, GOLDEN_WINDOWS).astype(np.int64))
    windows = trial.values[chosen]
    logits, probabilities = expected(detector, windows)
    np.savez(folder / "golden.npz", windows=windows, logits=logits, probabilities=probabilities)
    facts = {
        "input": coreml.INPUT,
        "outputs": [coreml.LABEL, coreml.PROBABILITIES],
        "classes": list(detector.spec.classes),
        "probability_tolerance": SHIPPED_BOUND[precision],
        "windows": trial.source,
        "made_by": "torch, float32",
    }
    (folder / "golden.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _write_report(
    detector: "Detector", folder: Path, package: Path, *, table: pd.DataFrame, costs: Cost, facts: dict[str, str]
) -> None:
    """Write the card, then the report: it lists every file of the bundle, so that a later export knows its own."""
    (folder / CARD).write_text(_card(detector, package.name, table, costs, facts), encoding="utf-8")
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    report = {
        "format": MARKER,
        "wristkit_version": wristkit.__version__,
        **facts,
        "mlpackage": package.name,
        "program_sha256": coreml.program_sha256(package),
        "weights_sha256": weights_sha256(detector.model),
        "spec_sha256": detector.spec.sha256,
        "parity": [{key: _jsonable(value) for key, value in row.items()} for row in table.to_dict("records")],
        "cost": asdict(costs),
        "files": [*files, REPORT],
    }
    (folder / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")


def _jsonable(value: Any) -> Any:  # noqa: ANN401  a table's cell
    """Return None for NaN and text for infinity, which JSON has no words for."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _card(detector: "Detector", name: str, table: pd.DataFrame, costs: Cost, facts: dict[str, str]) -> str:
    spec = detector.spec
    checks = "\n".join(f"- {row.check}: **{row.status}** ({row.note})" for row in table.itertuples())
    classes = ", ".join(json.dumps(one, ensure_ascii=False) for one in spec.classes)
    return f"""# {name}

Windows of {spec.length} samples at {spec.conditioning.rate_hz:g} Hz, one every {spec.hop} samples.

- Classes: {classes}
- Input: `{coreml.INPUT}` {coreml.window_shape(detector)} Float32, conditioned; frame: {spec.conditioning.frame.kind}
- Channels, in order: {", ".join(spec.conditioning.channels)}
- Outputs: `{coreml.PROBABILITIES}` (class to probability), `{coreml.LABEL}`
- {facts["target"]} or later, {facts["precision"]}; {costs.parameters:,} parameters, {costs.macs_per_window:,} \
multiply-accumulates a window, {costs.package_bytes:,} bytes
- Conditioning, decoder, units and hashes are in the package's own metadata and in `{REPORT}`.

## Checks
On {facts["trial"]}.

{checks}

This package was never run on Apple hardware. It is no medical device, and its error rates are those of its evaluation.
"""


def _refuse_foreign(folder: Path) -> None:
    """Raise where the folder holds anything but an earlier bundle."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RecordingError("it is not a folder", code="exists", remedy="give the path of a folder", file=folder)
    if folder.is_dir() and any(folder.iterdir()) and not _files_of_bundle(folder):
        raise RecordingError(
            "the folder holds files that are not a bundle",
            code="exists",
            remedy="give a new or an empty folder",
            file=folder,
        )


def _files_of_bundle(folder: Path) -> frozenset[str]:
    """Return the relative paths that an earlier export wrote, none where it is no bundle."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    if not isinstance(report, dict) or report.get("format") != MARKER:
        return frozenset()
    return frozenset(map(str, report.get("files", ())))


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder to fill; on success it takes the place of the old one, and files of others move over."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        yield staging
        staging.chmod(0o777 & ~_umask())
        if folder.exists():
            _swap(folder, staging)
        else:
            staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(folder: Path, staging: Path) -> None:
    old = staging.with_suffix(".old")
    ours = _files_of_bundle(folder)
    folder.rename(old)
    staging.rename(folder)
    for file in [one for one in old.rglob("*") if one.is_symlink() or one.is_file()]:
        relative = file.relative_to(old)
        if str(relative) not in ours:
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            file.rename(folder / relative)
    shutil.rmtree(old)


def _umask() -> int:
    """Return the process's mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
