"""Variants of one detector side by side: what smaller, coarser or rarer costs in recall and saves in operations."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from wristkit.detector import Detector
from wristkit.export import coreml
from wristkit.export.cost import cost
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.packaged import Packaged
from wristkit.export.parity import trial_windows
from wristkit.export.preflight import ranges
from wristkit.export.stage import Asked, float32_twin, written
from wristkit.recording import Recording

COLUMNS = (
    *("variant", "precision", "width", "hop_s", "parameters", "macs_per_s", "macs_per_s_streaming", "weight_bytes"),
    *("package_bytes", "recall", "fp_per_hour", "hours", "score_apart", "why_not"),
)


def variants(
    detectors: Mapping[str, Detector],
    recordings: Sequence[Recording],
    *,
    fp_per_hour: float,
    precisions: Sequence[str] = ("float16", "int8"),
    target: str = "watchOS10",
    tier: str = "truth",
) -> pd.DataFrame:
    """Return one row a detector and precision: recall at so many false alarms an hour, against operations and bytes.

    Every figure is of the package as ``wk.export`` would ship it and as it is read here, not of the net; each variant
    has a threshold of its own. One that cannot be shipped has no figures, and ``why_not`` says why.

    Parameters
    ----------
    detectors
        Name to detector, such as of other widths or hops, trained by you.
    recordings
        Labelled ones that none of them saw.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (
                name,
                precision,
                *_figures(
                    one,
                    precision,
                    Path(folder) / f"{number}.mlpackage",
                    target,
                    _Judged(tuple(recordings), fp_per_hour, tier),
                ),
            )
            for number, (name, one, precision) in enumerate(
                (name, one, precision) for name, one in detectors.items() for precision in precisions
            )
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Judged(NamedTuple):
    recordings: tuple[Recording, ...]
    fp_per_hour: float
    tier: str


def _figures(detector: Detector, precision: str, path: Path, target: str, judged: _Judged) -> tuple[object, ...]:
    coreml.check_arguments(interface="window", target=target, precision=precision)
    asked = Asked("window", target, precision)
    trial = trial_windows(detector, judged.recordings)
    exact = float32_twin(detector, path.with_name(f"exact_{path.name}"), asked)
    try:
        written(detector, path, asked, exact=exact, sizes=ranges(exact, trial.values), trial=trial)
    except ValueError as fault:
        return (*(None,) * (len(COLUMNS) - 3), str(fault))
    packaged = Packaged(load_mlpackage(path), spec=detector.spec, model=detector.model)
    report = packaged.evaluate(judged.recordings, tier=judged.tier)
    point = report.at(fp_per_hour=judged.fp_per_hour)
    costs = cost(detector, path)
    apart = max(
        float(abs(packaged.scores(one).values - detector.scores(one).values).max()) for one in judged.recordings
    )
    width = (detector.spec.architecture or {}).get("width")
    streaming = None if costs.macs_per_hour_streaming is None else costs.macs_per_hour_streaming / 3600
    return (
        *(width, detector.spec.hop_s, costs.parameters, costs.macs_per_hour / 3600, streaming),
        *(costs.weight_bytes, costs.package_bytes, point.recall, point.fp_per_hour, report.hours, apart, ""),
    )
