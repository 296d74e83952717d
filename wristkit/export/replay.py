"""A device's log against Python: the samples it logged go through the bundle's own packages, and the two are compared.

Nothing but the bundle and the log is needed: conditioning, decoder and classes are in each package's metadata. What
a watch computes on its Neural Engine is seen here for the first time, and so are lost samples, a clock that drifts, and
an app that feeds another unit.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from wristkit.detector import Cascade, Detector, Policy
from wristkit.errors import RecordingError
from wristkit.events import event_table
from wristkit.export.device_log import DeviceLog, Samples, read_device_log
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.packaged import Packaged
from wristkit.export.parity import SHIPPED_BOUND
from wristkit.recording import CANONICAL, FloatArray, Recording, Stream

if TYPE_CHECKING:
    from wristkit.export.bundle import Bundle

COLUMNS = ("check", "status", "measured", "bound", "first_s", "note")
INPUT_BOUND = 1e-4  # of the largest input: two orders above the rounding of float32
MOST_DRIFT_PPM = 100.0  # of two clocks beside each other; quartz differs by up to about 50
_LONG_STEP = 1.5  # median periods, from which on samples are missing
_STAMPS = ("wristkit_version", "spec_sha256", "program_sha256")


class Check(NamedTuple):
    """One comparison; ``first_s`` is where the two first part, on the sensors' clock."""

    check: str
    status: Literal["passed", "failed", "not run"]
    measured: float
    bound: float
    first_s: float
    note: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """A device beside Python.

    ``checks`` is what :func:`replay` returns. ``scores`` has a row a window: ``stage, time_s, centre_s, label, device,
    python, apart, input_apart, took_s``, for the class that Python finds most probable. ``events`` are those of both,
    with ``where``: ``both``, ``device`` or ``python``.
    """

    checks: pd.DataFrame
    scores: pd.DataFrame
    events: pd.DataFrame


def replay(bundle: "Bundle | str | Path", device_log: str | Path | DeviceLog) -> pd.DataFrame:
    """Return a device's log against Python, one row a check: ``check, status, measured, bound, first_s, note``.

    Parameters
    ----------
    bundle
        As from ``wk.export``, or its folder.
    device_log
        A file as :mod:`wristkit.export.device_log` describes it.
    """
    return compared(bundle, device_log).checks


def compared(bundle: "Bundle | str | Path", device_log: str | Path | DeviceLog) -> Comparison:
    """Return a device's log against Python, window by window and event by event."""
    log = device_log if isinstance(device_log, DeviceLog) else read_device_log(device_log)
    folder = bundle_folder(bundle)
    report = read_report(folder)
    runs = packaged(folder, report)
    needed = runs.streams if isinstance(runs, Cascade) else tuple(runs.spec.conditioning.inputs)
    if missing := sorted(set(needed) - set(log.streams)):
        raise RecordingError(
            f"the log has the streams {sorted(log.streams)}, the bundle needs {missing}, too",
            code="missing_stream",
            remedy="log every stream that the detector is given",
        )
    recording = recording_of(log, runs)
    ours = runs.gate if isinstance(runs, Cascade) else runs
    scores, missed = _windows(ours, recording, log)
    events = _events(_detected(runs, recording), log.events, ours.spec.hop_s)
    rows = [
        _complete(log),
        *_versions(log, report),
        *(check for name in needed for check in _stream_checks(name, log)),
        *_score_checks(scores, missed, str(report["precision"])),
        _event_check(events, log),
        _latency(log, ours.spec.hop_s),
    ]
    return Comparison(pd.DataFrame(rows, columns=list(COLUMNS)), scores, events)


def bundle_folder(bundle: "Bundle | str | Path") -> Path:
    """Return the folder of a bundle."""
    return Path(bundle) if isinstance(bundle, str | Path) else bundle.report.parent


def read_report(folder: Path) -> dict[str, Any]:
    """Return what a bundle says of itself."""
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(report, dict) and isinstance(report.get("packages"), dict):
            return report
    except (OSError, ValueError) as fault:
        raise _no_bundle(path, str(fault)) from fault
    raise _no_bundle(path, "it names no packages")


def _no_bundle(path: Path, why: str) -> RecordingError:
    remedy = "give the folder that wk.export wrote"
    return RecordingError(f"it is no bundle's report ({why})", code="bundle", remedy=remedy, file=path)


def packaged(folder: Path, report: Mapping[str, Any]) -> Packaged | Cascade:
    """Return a bundle's detector or cascade, its packages in place of nets."""
    named = report["packages"]
    paths = {str(stage): folder / Path(str(name)).name for stage, name in named.items()}
    stages = {stage: Packaged(load_mlpackage(path)) for stage, path in paths.items()}
    if "" in stages:
        return stages[""]
    policy = Policy.from_dict(report["policy"])
    return Cascade(stages["gate"], stages["confirm"], policy)


def recording_of(log: DeviceLog, runs: Packaged | Cascade) -> Recording:
    """Return what a device was given as a recording; of repeated stamps the first counts."""
    stages = [runs.gate, runs.confirm] if isinstance(runs, Cascade) else [runs]
    channels = {
        name: next(one for one in stage.spec.conditioning.sources if one.name == source).channels
        for stage in stages
        for name, source in stage.spec.conditioning.inputs.items()
    }
    streams = []
    for name, given in log.streams.items():
        kept = _first_of_each(given.time_s)
        time_s, values = given.time_s[kept], given.values[kept]
        if name == "audio":
            rate_hz = (len(time_s) - 1) / (time_s[-1] - time_s[0])
            streams.append(Stream.uniform(name, values, rate_hz=round(rate_hz, 3), channels=("mono",)))
        elif name in CANONICAL:
            streams.append(Stream.measured(name, time_s, values, channels=channels.get(name)))
    return Recording.of(streams, wrist=log.header.get("wrist"), crown=log.header.get("crown"))


def _first_of_each(time_s: FloatArray) -> "np.ndarray":
    """Return the places of stamps that are later than every one before."""
    before = np.maximum.accumulate(np.concatenate([[-np.inf], time_s[:-1]]))
    return np.flatnonzero(time_s > before)


def _detected(runs: Packaged | Cascade, recording: Recording) -> pd.DataFrame:
    if not isinstance(runs, Cascade):
        return runs.detect(recording)
    runs.reset(wrist=recording.wrist, crown=recording.crown)
    given = {name: (recording[name].time, recording[name].values) for name in runs.streams}
    updates = [*runs.push(given), *runs.flush()]
    return event_table(one.event for one in updates if one.final)


def _complete(log: DeviceLog) -> Check:
    cut = float(log.ended is None)
    return _at_most("log is whole", cut, 0, "its last record is there" if log.ended else "it has no end: it was cut")


def _versions(log: DeviceLog, report: Mapping[str, Any]) -> list[Check]:
    # The C++ core has no program of its own: its log carries the hash of the weights in its place.
    known = {name: {report.get(name)} for name in _STAMPS} | {
        "program_sha256": {report.get("program_sha256"), report.get("weights_sha256")}
    }
    other = [name for name in _STAMPS if log.header.get(name) not in known[name]]
    note = f"differ: {', '.join(other)}" if other else f"{log.header.get('runtime')} on {log.header.get('device')}"
    return [_at_most("version stamps", float(len(other)), 0, note)]


def _stream_checks(name: str, log: DeviceLog) -> list[Check]:
    given, ended = log.streams[name], log.ended or {}
    kept = _first_of_each(given.time_s)
    time_s = given.time_s[kept]
    steps_s = np.diff(time_s)
    period_s = float(np.median(steps_s)) if len(steps_s) else np.nan
    long = steps_s > _LONG_STEP * period_s
    lost = float(np.round(steps_s[long] / period_s - 1).sum())
    again = np.setdiff1d(np.arange(len(given.time_s)), kept)
    first_s = float(time_s[:-1][long][0]) if long.any() else np.nan
    again_s = float(given.time_s[again[0]]) if len(again) else np.nan
    counted = ended.get("samples", {}).get(name, len(given.time_s)) - len(given.time_s)
    dropped = float(ended.get("dropped", {}).get(name, 0))
    return [
        _at_most(f"lost samples, {name}", lost, 0, f"of {len(time_s) + int(lost)}, by their stamps", first_s),
        _at_most(f"repeated samples, {name}", float(len(again)), 0, "stamps that do not increase", again_s),
        _at_most(f"dropped samples, {name}", dropped, 0, "by the ring between the threads, as the device counted"),
        _at_most(f"logged samples, {name}", float(abs(counted)), 0, "given to the detector, and not in the log"),
        _drift(name, given),
    ]


def _drift(name: str, given: Samples) -> Check:
    """Compare the sensors' clock with the system's: the newest stamp of each packet against when it came."""
    check = f"clock drift, {name}"
    last = np.flatnonzero(np.diff(given.received_s, append=np.inf) > 0)
    sensor_s, system_s = given.time_s[last], given.received_s[last]
    if len(last) < 3 or sensor_s[-1] <= sensor_s[0]:
        return _not_run(check, "needs three packets or more")
    late_s = system_s - sensor_s
    slope, _ = _lower_line(sensor_s, late_s)
    note = f"ppm; packets come up to {late_s.max() - late_s.min():.3g} s late"
    return _at_most(check, abs(slope) * 1e6, max(MOST_DRIFT_PPM, _unsure_ppm(sensor_s, late_s)), note)


def _lower_line(sensor_s: FloatArray, late_s: FloatArray) -> tuple[float, float]:
    """Return the line under the delays: a packet may come late, never early."""
    halves = np.array_split(np.arange(len(sensor_s)), 2)
    at = [half[np.argmin(late_s[half])] for half in halves]
    span_s = sensor_s[at[1]] - sensor_s[at[0]]
    slope = (late_s[at[1]] - late_s[at[0]]) / span_s if span_s > 0 else 0.0
    return float(slope), float(late_s[at[0]] - slope * sensor_s[at[0]])


def _unsure_ppm(sensor_s: FloatArray, late_s: FloatArray) -> float:
    """Return the drift that jitter alone could look like: the spread of the least delays over the session."""
    few = np.sort(late_s)[: max(2, len(late_s) // 10)]
    return float((few[-1] - few[0]) / (sensor_s[-1] - sensor_s[0]) * 1e6)


def _windows(ours: Detector, recording: Recording, log: DeviceLog) -> tuple[pd.DataFrame, int]:
    """Return the windows that both have, and how many only one of them has."""
    stage = "gate" if (log.scores["stage"] == "gate").any() else ""
    theirs = log.scores[log.scores["stage"] == stage]
    pieces = ours.condition(recording)
    centre_s, said = ours.spec.centre_s(pieces), ours.probabilities(pieces.values)
    places = np.round(centre_s / ours.spec.hop_s * 2).astype(np.int64)
    row_of = {place: row for row, place in enumerate(places.tolist())}
    rows, hop = [], ours.spec.hop
    seen: set[int] = set()
    for one in theirs.to_dict("records"):
        row = row_of.get(round(one["centre_s"] / ours.spec.hop_s * 2))
        if row is None:
            continue
        seen.add(row)
        best = int(said[row].argmax())
        given = one["probabilities"]
        device = float(given[best]) if len(given) == said.shape[1] else np.nan
        apart = float(np.abs(given - said[row]).max()) if np.isfinite(device) else np.inf
        inputs = _input_apart(one["input"], pieces.values[row][:, -hop:])
        beside = (ours.spec.classes[best], device, said[row, best], apart, inputs)
        rows.append((stage, one["time_s"], one["centre_s"], *beside, one["took_s"]))
    columns = ["stage", "time_s", "centre_s", "label", "device", "python", "apart", "input_apart", "took_s"]
    return pd.DataFrame(rows, columns=columns), len(theirs) + len(places) - 2 * len(seen)


def _input_apart(given: "np.ndarray | None", ours: "np.ndarray") -> float:
    """Return how far inputs are apart, as a share of the largest; NaN where none were logged."""
    if given is None:
        return np.nan
    if given.shape != ours.shape:
        return np.inf
    return float(np.abs(given - ours).max() / max(1.0, float(np.abs(ours).max())))


def _score_checks(scores: pd.DataFrame, missed: int, precision: str) -> list[Check]:
    known = scores[scores["input_apart"].notna()]
    if scores.empty:
        return [_not_run(check, "the log has no scores") for check in ("inputs", "scores", "windows")]
    bound = SHIPPED_BOUND[precision]
    inputs = (
        _largest("inputs", known, "input_apart", INPUT_BOUND, "of the largest input")
        if len(known)
        else _not_run("inputs", "the log has none")
    )
    return [
        inputs,
        _largest("scores", scores, "apart", bound, f"largest difference in probability of {len(scores)} windows"),
        _at_most("windows", float(missed), 0, "that only one of the two has"),
    ]


def _largest(check: str, scores: pd.DataFrame, column: str, bound: float, note: str) -> Check:
    over = scores[~(scores[column] <= bound)]
    first_s = float(over["time_s"].iloc[0]) if len(over) else np.nan
    return _at_most(check, float(scores[column].max()), bound, note, first_s)


def _events(ours: pd.DataFrame, theirs: pd.DataFrame, hop_s: float) -> pd.DataFrame:
    """Return the events of both with ``where``; the same is what has the label and, within half a hop, the times."""
    left = theirs.to_dict("records")
    rows = []
    for one in ours.to_dict("records"):
        same = next((other for other in left if _is_same(one, other, hop_s / 2)), None)
        if same is not None:
            left.remove(same)
        rows.append({**one, "where": "both" if same is not None else "python"})
    rows += [{**other, "where": "device"} for other in left]
    table = pd.DataFrame(rows, columns=[*ours.columns, "where"])
    return table.sort_values("start_s", kind="stable", ignore_index=True)


def _is_same(one: Mapping[Hashable, Any], other: Mapping[Hashable, Any], within_s: float) -> bool:
    times = ("start_s", "stop_s", "decided_s")
    near = all(abs(one[name] - other[name]) <= within_s for name in times)
    return bool(one["label"] == other["label"]) and near


def _event_check(events: pd.DataFrame, log: DeviceLog) -> Check:
    apart = events[events["where"] != "both"]
    first_s = float(apart["start_s"].min()) if len(apart) else np.nan
    note = f"that only one of the two has; {len(log.events)} on the device"
    return _at_most("events", float(len(apart)), 0, note, first_s)


def _latency(log: DeviceLog, hop_s: float) -> Check:
    took_s = log.scores["took_s"].to_numpy(dtype=np.float64)
    if not len(took_s):
        return _not_run("latency", "the log has no scores")
    p50, p99 = np.quantile(took_s, (0.5, 0.99))
    late = log.scores[log.scores["took_s"] > hop_s]
    note = f"99th percentile in seconds, median {p50:.2g}, worst {took_s.max():.2g}; the bound is one hop"
    return _at_most("latency", float(p99), hop_s, note, float(late["time_s"].iloc[0]) if len(late) else np.nan)


def _at_most(check: str, measured: float, bound: float, note: str, first_s: float = np.nan) -> Check:
    return Check(check, "passed" if measured <= bound else "failed", measured, bound, first_s, note)


def _not_run(check: str, why: str) -> Check:
    return Check(check, "not run", np.nan, np.nan, np.nan, why)


def failed(checks: pd.DataFrame) -> Sequence[str]:
    """Return the names of the checks that failed."""
    return tuple(checks.loc[checks["status"] == "failed", "check"])
