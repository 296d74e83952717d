"""Export as one step: convert, check the saved file, and put package, golden vectors and report side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from wristkit.detector import Cascade, Detector, Trace
from wristkit.export import coreml, preflight
from wristkit.export.cost import Cost, cascade_costs, cost, latency, total
from wristkit.export.folder import REPORT, package_name, refuse_foreign, replacing
from wristkit.export.forms import Interface
from wristkit.export.golden import GOLDEN, write_golden
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.native import write_native
from wristkit.export.parity import Row, packaged_row, push_row, raise_failed, table_of
from wristkit.export.shown import page_of
from wristkit.export.stage import Asked, Stage, make_stage
from wristkit.export.stages import stages_of
from wristkit.export.telling import Facts, write_report
from wristkit.recording import Recording


@dataclass(frozen=True, eq=False)
class Bundle:
    """Where the package, its golden vectors and its report lie, with parity and cost at hand.

    Parameters
    ----------
    packages
        Stage to package: ``gate`` and ``confirm`` of a cascade, the empty name of a detector.
    golden, report
        Folder of golden vectors, and ``report.json``.
    cpp, swift
        Folders of the C++ core and of the Swift package; None where none was written.
    parity
        One row a check, ``check, status, measured, bound, note``.
    costs
        Stage to cost.
    preflight
        One row a finding, ``check, status, where, note``.
    ranges
        How large each tensor gets on the windows of the trial, of all stages.
    latency
        How long one window takes on the machine that exported, of all stages.
    took_s
        Seconds of each step of the export.
    """

    packages: Mapping[str, Path]
    golden: Path
    report: Path
    cpp: Path | None
    swift: Path | None
    parity: pd.DataFrame
    costs: Mapping[str, Cost]
    preflight: pd.DataFrame
    ranges: pd.DataFrame
    latency: pd.DataFrame
    took_s: Mapping[str, float]

    @property
    def mlpackage(self) -> Path:
        """The package; of a cascade that of its gate, and ``packages`` has both."""
        return next(iter(self.packages.values()))

    @property
    def cost(self) -> Cost:
        """What it costs; of a cascade both stages together."""
        return total(self.costs)

    @property
    def not_run(self) -> tuple[str, ...]:
        """Names of the checks that could not be run here."""
        return tuple(self.parity.loc[self.parity["status"] == "not run", "check"])

    def __repr__(self) -> str:
        counts = self.parity["status"].value_counts()
        said = ", ".join(f"{count} {status}" for status, count in counts.items())
        names = ", ".join(one.name for one in self.packages.values())
        return f"Bundle({names}; {said}; {self.cost.package_bytes} bytes)"

    def _repr_html_(self) -> str:
        return page_of(self)


def export(
    detector: Detector | Cascade,
    folder: str | Path,
    *,
    interface: Interface = "window",
    target: str = "watchOS10",
    precision: str = "float16",
    recordings: Recording | Sequence[Recording] | None = None,
) -> Bundle:
    """Write a detector or a cascade as checked Core ML packages and return the bundle.

    The folder gets ``<folder name>.mlpackage`` (of a cascade ``<folder name>_gate`` and ``_confirm``), ``cpp/`` and
    ``swift/`` where the net streams, ``golden/``, ``report.json`` and ``MODEL_CARD.md``, all at once: until then it
    holds what it held before.

    Parameters
    ----------
    detector
        A trained detector or cascade, its model in eval mode.
    folder
        New, empty, or an earlier bundle, which is replaced; files of others in it stay.
    interface
        ``"window"``: one conditioned window in, probabilities and label out. ``"streaming"``: the newest hop of samples
        and a state in, probabilities and the next state out; classes are in the metadata. ``"activity_classifier"``:
        Create ML's features, a row of samples for each channel and ``stateIn``, ``label``, ``labelProbability`` and
        ``stateOut``; it computes in float32.
    target
        Oldest system: watchOS8, 9, 10, 11 or 26.
    precision
        ``"float16"``, ``"float32"`` or ``"int8"``: weights of as many convolutions as the bound of 5e-3 allows, those
        left out by name, and all else as in float16. The C++ core and the Swift package have the same weights.
    recordings
        One or more to check on, best ones the detector never saw. Without them seeded random windows are used. Up to 32
        of their windows become golden vectors in the bundle. What int8 rounds is rounded on them, too.

    Raises
    ------
    ValueError
        For unknown arguments, or a model that should not be exported, with every reason.
    ParityError
        After everything was written, where a check failed; it names the rows.
    RecordingError
        With code ``exists`` where the folder holds something that is not a bundle.
    """
    folder, held = Path(folder), _held(recordings)
    if not isinstance(detector, Detector | Cascade):
        raise TypeError(f"detector is a {type(detector).__name__}, expected a Detector or a Cascade")
    coreml.check_arguments(interface=interface, target=target, precision=precision)
    asked = Asked(interface, target, precision)
    stages = stages_of(detector)
    found = {name: preflight.preflight(one, **vars(asked)) for name, one in stages.items()}
    _refuse(found)
    refuse_foreign(folder)
    clock = _Clock()
    with replacing(folder) as staging:
        name = package_name(folder)
        made = [
            make_stage(
                stage,
                one,
                staging / f"{'_'.join(filter(None, (name, stage)))}.mlpackage",
                asked,
                findings=found[stage],
                held=held,
            )
            for stage, one in stages.items()
        ]
        clock.lap("packages and their parity")
        bundle = _completed(detector, made, staging, held, clock)
        write_report(detector, bundle, Facts(interface, target, asked.shipped, _sources(made)))
    raise_failed(bundle.parity)
    return _moved(bundle, staging, folder)


def _held(recordings: Recording | Sequence[Recording] | None) -> tuple[Recording, ...]:
    held = () if recordings is None else (recordings,) if isinstance(recordings, Recording) else tuple(recordings)
    if recordings is not None and not held:
        raise ValueError("recordings is empty, expected one or more; leave it out to check on seeded random windows")
    if other := next((one for one in held if not isinstance(one, Recording)), None):
        raise TypeError(f"recordings holds a {type(other).__name__}, expected Recordings; load files with wk.load")
    return held


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.took_s: dict[str, float] = {}
        self._since_s = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note the seconds since the last step."""
        now_s = time.perf_counter()
        self.took_s[name], self._since_s = now_s - self._since_s, now_s


def _refuse(found: Mapping[str, pd.DataFrame]) -> None:
    reasons = [
        f"{f'{stage}: ' if stage else ''}{reason}"
        for stage, table in found.items()
        for reason in preflight.reasons_against(table)
    ]
    if reasons:
        raise ValueError(f"the detector cannot be exported: {'; '.join(reasons)}")


def _completed(
    detector: Detector | Cascade, made: Sequence[Stage], staging: Path, held: Sequence[Recording], clock: _Clock
) -> Bundle:
    """Write what belongs to all stages, and return the bundle where it is being made."""
    packages = {one.stage: one.package for one in made}
    rows, traces = _from_raw_samples(detector, list(packages.values()), held)
    clock.lap("events from raw samples")
    native = write_native(detector, staging, made=made, held=held)
    clock.lap("C++ and Swift")
    costs = _costs(detector, packages, traces, native.code_bytes)
    stages = stages_of(detector)
    timed = [latency(one).assign(stage=name) for name, one in stages.items()]
    for one in made:
        tolerance = load_mlpackage(one.package).metadata["precision"]
        write_golden(stages[one.stage], staging / GOLDEN / one.stage, precision=tolerance, trial=one.trial)
    clock.lap("cost, latency and golden vectors")
    return Bundle(
        packages=packages,
        golden=staging / GOLDEN,
        report=staging / REPORT,
        cpp=native.cpp,
        swift=native.swift,
        parity=_parity(made, [*rows, *native.rows]),
        costs=costs,
        preflight=_together([(one.stage, one.findings) for one in made]),
        ranges=_together([(one.stage, one.ranges) for one in made]),
        latency=pd.concat(timed, ignore_index=True),
        took_s=clock.took_s,
    )


def _from_raw_samples(
    detector: Detector | Cascade, packages: Sequence[Path], held: Sequence[Recording]
) -> tuple[list[Row], list[Trace]]:
    rows = [push_row(detector, held)]
    if not isinstance(detector, Cascade):
        return rows, []
    loaded = [load_mlpackage(one) for one in packages]
    rows.append(packaged_row("shipped cascade, events from raw samples", detector, loaded, held))
    return rows, [detector.trace(one) for one in held]


def _costs(
    detector: Detector | Cascade, packages: Mapping[str, Path], traces: Sequence[Trace], code_bytes: int | None
) -> Mapping[str, Cost]:
    if isinstance(detector, Cascade):
        return cascade_costs(detector, packages, traces)
    return {"": cost(detector, packages[""], code_bytes=code_bytes)}


def _parity(made: Sequence[Stage], rows: Sequence[Row]) -> pd.DataFrame:
    """Return all rows in one table: what was run first, those of a stage with its name before them."""
    tables = [
        one.table.assign(check=[f"{one.stage}: {check}" if one.stage else check for check in one.table["check"]])
        for one in made
    ]
    table = pd.concat([*tables, table_of(rows)], ignore_index=True)
    return table.sort_values("status", key=lambda column: column == "not run", kind="stable", ignore_index=True)


def _together(tables: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return tables of stages as one, with the stage in front where there are several."""
    if len(tables) == 1:
        return tables[0][1]
    named = [table.assign(stage=stage)[["stage", *table.columns]] for stage, table in tables]
    return pd.concat(named, ignore_index=True)


def _sources(made: Sequence[Stage]) -> str:
    return "; ".join(f"{one.stage}: {one.trial.source}" if one.stage else one.trial.source for one in made)


def _moved(bundle: Bundle, staging: Path, folder: Path) -> Bundle:
    """Return the bundle at its place."""

    def at(path: Path) -> Path:
        return folder / path.relative_to(staging)

    return replace(
        bundle,
        packages={stage: at(path) for stage, path in bundle.packages.items()},
        golden=at(bundle.golden),
        report=at(bundle.report),
        cpp=None if bundle.cpp is None else at(bundle.cpp),
        swift=None if bundle.swift is None else at(bundle.swift),
    )
