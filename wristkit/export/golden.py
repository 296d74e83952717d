"""Golden vectors: inputs with what the detector says to them, for whoever runs the package elsewhere."""

import json
import platform
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.detector import Detector
from wristkit.errors import RecordingError
from wristkit.export.forms import INPUT, LABEL, PROBABILITIES
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.packaged import answers
from wristkit.export.parity import SHIPPED_BOUND, Row, Trial, at_most, expected, table_of, worst

GOLDEN = "golden"
GOLDEN_WINDOWS = 32


def write_golden(detector: Detector, folder: Path, *, precision: str, trial: Trial) -> None:
    """Write up to 32 windows of a trial with logits and probabilities by torch, as .npz beside JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.unique(np.linspace(0, len(trial.values) - 1, GOLDEN_WINDOWS).astype(np.int64))
    windows = trial.values[chosen]
    logits, probabilities = expected(detector, windows)
    np.savez(folder / "golden.npz", windows=windows, logits=logits, probabilities=probabilities)
    facts = {
        "input": INPUT,
        "outputs": [LABEL, PROBABILITIES],
        "classes": list(detector.spec.classes),
        "probability_tolerance": SHIPPED_BOUND[precision],
        "windows": trial.source,
        "made_by": "torch, float32",
    }
    (folder / "golden.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def check_golden(folder: str | Path) -> pd.DataFrame:
    """Return how far a bundle's packages are from its golden vectors: on a Mac by Core ML, else by the reader."""
    from wristkit.export.replay import read_report

    folder = Path(folder)
    packages = read_report(folder)["packages"]
    rows = [
        _checked(folder / Path(str(name)).name, folder / GOLDEN / Path(str(stage)).name, str(stage))
        for stage, name in packages.items()
    ]
    return table_of(rows)


def _checked(path: Path, golden: Path, stage: str) -> Row:
    package = load_mlpackage(path)
    by = "Core ML" if platform.system() == "Darwin" else "the off-Mac reader"
    try:
        facts = json.loads((golden / "golden.json").read_text(encoding="utf-8"))
        with np.load(golden / "golden.npz") as held:
            windows, wanted = held["windows"], held["probabilities"]
    except (OSError, ValueError, KeyError) as fault:
        remedy = "copy the whole bundle again, or export anew"
        raise RecordingError(f"it cannot be read ({fault})", code="golden", remedy=remedy, file=golden) from fault
    said = answers(package.on_apple() if platform.system() == "Darwin" else package, windows)
    check = f"{f'{stage}: ' if stage else ''}golden vectors, {by}"
    return at_most(check, worst(said.probabilities, wanted), float(facts["probability_tolerance"]), facts["windows"])
