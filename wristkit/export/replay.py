"""A device's log against Python: the samples it logged go through the bundle's own packages, and the two are compared.

Nothing but the bundle and the log is needed: conditioning, decoder and classes are in each package's metadata. What
a watch computes on its Neural Engine is seen here for the first time, and so are lost samples, a clock that drifts, and
an app that feeds another unit.
"""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from wristkit.detector import Cascade, Detector, Policy
from wristkit.detector.running import Running
from wristkit.detector.stages import Walk
from wristkit.detector.stored import Stored
from wristkit.errors import RecordingError
from wristkit.events import EventUpdate, event_table
from wristkit.export.device_log import DeviceLog, Samples, read_device_log
from wristkit.export.mlprogram import load_mlpackage
from wristkit.export.packaged import Packaged
from wristkit.export.parity import SHIPPED_BOUND
from wristkit.recording import CANONICAL, FloatArray, Recording, Stream
from wristkit.windows import Cut

if TYPE_CHECKING:
    from wristkit.export.bundle import Bundle

COLUMNS = ("check", "status", "measured", "bound", "first_s", "note")
INPUT_BOUND = 1e-4  # of the largest input: two orders above the rounding of float32
MOST_DRIFT_PPM = 100.0  # of two clocks beside each other; quartz differs by up to about 50
_LONG_STEP = 1.5  # median periods, from which on samples are missing
_PAUSE_S = 0.1  # of a stream that is switched off between wakes: the gap rule of recordings
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
    woken = woken_streams(runs)
    needed = [name for name in streams_of(runs) if name not in woken]
    if missing := sorted(set(needed) - set(log.streams)):
        raise RecordingError(
            f"the log has the streams {sorted(log.streams)}, the bundle needs {missing}, too",
            code="missing_stream",
            remedy="log every stream that the detector is given",
        )
    recording = recording_of(log, runs)
    hop_s = (runs.gate if isinstance(runs, Cascade) else runs).spec.hop_s
    scores, missed = _windows(scored(runs, recording), log)
    events = _events(detected(runs, recording), log.events, hop_s)
    rows = [
        _complete(log),
        *_versions(log, report),
        *(check for name in (*needed, *woken) if name in log.streams for check in _stream_checks(name, log, woken)),
        *(check for stage in missed for check in _score_checks(stage, scores, missed[stage], log, report)),
        _event_check(events, log),
        _latency(log, hop_s),
    ]
    return Comparison(pd.DataFrame(rows, columns=list(COLUMNS)), scores, events)


def streams_of(runs: Packaged | Cascade) -> tuple[str, ...]:
    """Return the streams that a device gives."""
    return runs.streams if isinstance(runs, Cascade) else tuple(runs.spec.conditioning.inputs)


def woken_streams(runs: Packaged | Cascade) -> tuple[str, ...]:
    """Return the streams that a device gives only while it was woken, if ever."""
    if not isinstance(runs, Cascade):
        return ()
    return tuple(name for name in runs.streams if name not in {*runs.gate_streams, *runs.policy.always_on})


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
        if name == "audio" and _is_steady(time_s):
            rate_hz = round((len(time_s) - 1) / (time_s[-1] - time_s[0]), 3)
            streams.append(Stream.uniform(name, values, rate_hz=rate_hz, start_s=float(time_s[0]), channels=("mono",)))
        elif name in CANONICAL and len(time_s):
            own = ("mono",) if name == "audio" else channels.get(name)
            streams.append(Stream.measured(name, time_s, values, channels=own))
    return Recording.of(streams, wrist=log.header.get("wrist"), crown=log.header.get("crown"))


def _is_steady(time_s: FloatArray) -> bool:
    """Return whether stamps are those of one stretch without holes."""
    steps_s = np.diff(time_s)
    return len(steps_s) > 0 and float(steps_s.max()) <= _LONG_STEP * float(np.median(steps_s))


def _first_of_each(time_s: FloatArray) -> "np.ndarray":
    """Return the places of stamps that are later than every one before."""
    before = np.maximum.accumulate(np.concatenate([[-np.inf], time_s[:-1]]))
    return np.flatnonzero(time_s > before)


def detected(runs: Packaged | Cascade, recording: Recording) -> pd.DataFrame:
    """Return the events in what a device was given, of which a stream that is woken may be missing."""
    if not isinstance(runs, Cascade):
        return runs.detect(recording)
    return event_table(one.event for one in walked(runs, recording)[0] if one.final)


def walked(runs: Cascade, recording: Recording) -> tuple[list[EventUpdate], Walk]:
    """Return what a cascade tells of a recording, and the steps of its policy on the way."""
    running = Running(runs, recording.wrist, recording.crown)
    running.walk = Walk(runs.policy, keep=True)
    known = [name for name in runs.streams if name in recording.streams]
    updates = running.push({name: (recording[name].time, recording[name].values) for name in known})
    return [*updates, *running.flush()], running.walk


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


def _stream_checks(name: str, log: DeviceLog, woken: Sequence[str]) -> list[Check]:
    given, ended = log.streams[name], log.ended or {}
    kept = _first_of_each(given.time_s)
    time_s = given.time_s[kept]
    steps_s = np.diff(time_s)
    period_s = float(np.median(steps_s)) if len(steps_s) else np.nan
    long = (steps_s > _LONG_STEP * period_s) & ((steps_s < _PAUSE_S) | (name not in woken))
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
        _not_run(f"clock drift, {name}", "it is switched on and off") if name in woken else _drift(name, given),
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


class Scored(NamedTuple):
    """What one stage says to a stretch: (n,) middles of its windows, these, and (n, classes) probabilities."""

    stage: str
    detector: Detector
    centre_s: FloatArray
    pieces: Cut
    said: FloatArray


def scored(runs: Packaged | Cascade, recording: Recording) -> list[Scored]:
    """Return what each stage says to a recording; of a confirmer the windows that were looked at, from each wake on."""
    if not isinstance(runs, Cascade):
        return [_scored("", runs, runs.condition(recording))]
    gate = _scored("gate", runs.gate, runs.gate.condition(recording))
    is_heard = set(runs.confirm_streams) <= set(recording.streams)
    return [gate, *(_confirmed(runs, recording) if is_heard else ())]


def _scored(stage: str, one: Detector, pieces: Cut) -> Scored:
    said = one.probabilities(pieces.values).astype(np.float64)
    return Scored(stage, one, one.spec.centre_s(pieces), pieces, said)


def _confirmed(runs: Cascade, recording: Recording) -> Iterator[Scored]:
    walk, stored = walked(runs, recording)[1], Stored(runs, recording)
    seen_s = np.array([row[0] for row in walk.confirmed])
    wakes_s = [at_s for at_s, state, _ in walk.changes if state == "confirming"]
    for wake_s, next_s in pairwise([*wakes_s, np.inf]):
        rows_s, after_s = seen_s[(seen_s >= wake_s) & (seen_s < next_s)], runs.sees_after_s(wake_s)
        if len(rows_s):
            given = {name: stored.take(name, after_s[name], float(rows_s[-1])) for name in runs.confirm_streams}
            first, values, score_s = stored.session().push(
                {name: one for name, one in given.items() if np.size(one[0])}
            )
            looked_at = slice(len(rows_s))
            yield _scored("confirm", runs.confirm, Cut(first[looked_at], values[looked_at], score_s[looked_at]))


def _windows(parts: Sequence[Scored], log: DeviceLog) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the windows that both have, and of each stage how many only one of them has."""
    rows, missed = [], {}
    for stage in dict.fromkeys(one.stage for one in parts):
        several = [one for one in parts if one.stage == stage]
        step_s = several[0].detector.spec.hop_s / 2
        ours = {round(at_s / step_s): (one, row) for one in several for row, at_s in enumerate(one.centre_s.tolist())}
        theirs = log.scores[log.scores["stage"] == stage].to_dict("records")
        seen = {round(one["centre_s"] / step_s) for one in theirs} & set(ours)
        rows += [_beside(one, *ours[place]) for one in theirs if (place := round(one["centre_s"] / step_s)) in seen]
        missed[stage] = len(theirs) + len(ours) - 2 * len(seen)
    columns = ["stage", "time_s", "centre_s", "label", "device", "python", "apart", "input_apart", "took_s"]
    return pd.DataFrame(rows, columns=columns), missed


def _beside(one: Mapping[Hashable, Any], ours: Scored, row: int) -> tuple[object, ...]:
    """Return one window of the device beside ours, for the class that we find most probable."""
    said, given, spec = ours.said[row], one["probabilities"], ours.detector.spec
    best = int(said.argmax())
    device = float(given[best]) if len(given) == len(said) else np.nan
    apart = float(np.abs(given - said).max()) if len(given) == len(said) else np.inf
    inputs = _input_apart(one["input"], ours.pieces.values[row][:, -spec.hop :])
    beside = (spec.classes[best], device, said[best], apart, inputs)
    return ours.stage, one["time_s"], one["centre_s"], *beside, one["took_s"]


def _input_apart(given: "np.ndarray | None", ours: "np.ndarray") -> float:
    """Return how far inputs are apart, as a share of the largest; NaN where none were logged."""
    if given is None:
        return np.nan
    if given.shape != ours.shape:
        return np.inf
    return float(np.abs(given - ours).max() / max(1.0, float(np.abs(ours).max())))


def _score_checks(
    stage: str, scores: pd.DataFrame, missed: int, log: DeviceLog, report: Mapping[str, Any]
) -> list[Check]:
    """Return the checks of one stage; of a confirmer with its name before them."""
    before = "confirm: " if stage == "confirm" else ""
    own = scores[scores["stage"] == stage]
    known = own[own["input_apart"].notna()]
    if not (log.scores["stage"] == stage).any():
        return [_not_run(f"{before}{check}", "the log has no scores") for check in ("inputs", "scores", "windows")]
    bound = SHIPPED_BOUND[str(report["precision"])]
    inputs = (
        _largest(f"{before}inputs", known, "input_apart", INPUT_BOUND, "of the largest input")
        if len(known)
        else _not_run(f"{before}inputs", "the log has none")
    )
    note = f"largest difference in probability of {len(own)} windows"
    return [
        inputs,
        _largest(f"{before}scores", own, "apart", bound, note),
        _at_most(f"{before}windows", float(missed), 0, "that only one of the two has"),
    ]


def _largest(check: str, scores: pd.DataFrame, column: str, bound: float, note: str) -> Check:
    if scores.empty:
        return _not_run(check, "the two have no window in common")
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
