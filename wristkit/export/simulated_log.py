"""The log that a device would write, made here, with faults put in on purpose: what a replay has to find."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.detector import Cascade
from wristkit.export.device_log import FORMAT, VERSION, DeviceLog, Samples
from wristkit.export.packaged import Packaged
from wristkit.export.replay import (
    bundle_folder,
    detected,
    packaged,
    read_report,
    recording_of,
    scored,
    streams_of,
    walked,
    woken_streams,
)
from wristkit.recording import Recording
from wristkit.simulate import packets

if TYPE_CHECKING:
    from wristkit.export.bundle import Bundle

_PACKET_S, _JITTER_S, _TOOK_S = 0.25, 0.004, 0.0012


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong on a simulated device; nothing, as it stands.

    Parameters
    ----------
    lost
        Share of the packets that the sensors never deliver.
    repeated
        Share of the packets that are delivered twice.
    drift_ppm
        By how much the system's clock runs faster than the sensors'.
    gain
        Factor on what the detector is given, as of an app that feeds another unit.
    score_error
        Added to one class's probability and taken from another's, from the middle of the session on.
    event_shift_s, missed_events
        By how much events are reported late, and how many of the first are not reported at all.
    stall_s
        What the net takes for one window in twenty.
    dropped
        Samples that the ring between the threads dropped, as counted by the device.
    unlogged
        Samples that the detector was given and the log lost.
    other_program
        Another package was on the device.
    cut
        The app was killed: the log ends within a line.
    """

    lost: float = 0.0
    repeated: float = 0.0
    drift_ppm: float = 0.0
    gain: float = 1.0
    score_error: float = 0.0
    event_shift_s: float = 0.0
    missed_events: int = 0
    stall_s: float = 0.0
    dropped: int = 0
    unlogged: int = 0
    other_program: bool = False
    cut: bool = False


def simulate_device_log(
    bundle: "Bundle | str | Path",
    recording: Recording,
    path: str | Path,
    *,
    faults: Faults | None = None,
    seed: int = 0,
) -> Path:
    """Write the log of a simulated device that runs a bundle on a recording, and return its path.

    The scores are those of the packages as this machine runs them, so without faults a replay finds nothing.
    """
    faults, path = Faults() if faults is None else faults, Path(path)
    report = read_report(bundle_folder(bundle))
    runs = packaged(bundle_folder(bundle), report)
    rng = np.random.default_rng(seed)
    given = list(_given(recording, runs, faults, seed, rng))
    header = {
        "kind": "header",
        "format": FORMAT,
        "version": VERSION,
        "runtime": "Python, simulated",
        "device": "simulated",
        "system": "none",
        **{name: report[name] for name in ("wristkit_version", "spec_sha256", "program_sha256")},
        "wrist": recording.wrist,
        "crown": recording.crown,
    }
    if faults.other_program:
        header["program_sha256"] = "0" * 64
    lines = [header, *given, *_said(runs, _heard(given, recording, runs, faults), faults, rng), _end(given, faults)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text[: -len(json.dumps(lines[-1])) // 2] if faults.cut else text, encoding="utf-8")
    return path


def _given(
    recording: Recording, runs: Packaged | Cascade, faults: Faults, seed: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    on_s = np.array(list(_listening(runs, recording)) or np.empty((0, 2)))
    for packet in packets(recording, packet_s=_PACKET_S, seed=seed, lost=faults.lost, repeated=faults.repeated):
        for name in (name for name in packet if name in streams_of(runs)):
            time_s, values = packet[name]
            is_on = ((on_s[:, 0] <= time_s[-1]) & (on_s[:, 1] + _PACKET_S >= time_s[0])).any()
            if name in woken_streams(runs) and not is_on:
                continue
            late_s = float(rng.exponential(_JITTER_S))
            received_s = float(time_s[-1]) * (1 + faults.drift_ppm * 1e-6) + 0.02 + late_s
            record = {"kind": "samples", "stream": name, "received_s": received_s}
            yield {**record, "time_s": time_s.tolist(), "values": np.asarray(values, dtype=np.float64).tolist()}


def _listening(runs: Packaged | Cascade, recording: Recording) -> Iterator[tuple[float, float]]:
    """Yield the spans in which a confirmer is on, and with it the streams that it wakes."""
    since_s = None
    for at_s, _, listens in walked(runs, recording)[1].changes if isinstance(runs, Cascade) else ():
        if since_s is not None and not listens:
            yield since_s, at_s
        since_s = (at_s if since_s is None else since_s) if listens else None
    if since_s is not None:
        yield since_s, np.inf


def _heard(given: list[dict[str, Any]], recording: Recording, runs: Packaged | Cascade, faults: Faults) -> Recording:
    """Return what the detector on the device was given."""
    streams = {}
    for name in dict.fromkeys(one["stream"] for one in given):
        parts = [one for one in given if one["stream"] == name]
        time_s = np.concatenate([one["time_s"] for one in parts])
        values = np.concatenate([one["values"] for one in parts]).astype(np.float32)
        streams[name] = Samples(time_s, values * np.float32(faults.gain), time_s)
    header = {"wrist": recording.wrist, "crown": recording.crown}
    return recording_of(DeviceLog(header, streams, pd.DataFrame(), pd.DataFrame(), None), runs)


def _said(
    runs: Packaged | Cascade, heard: Recording, faults: Faults, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    for one in scored(runs, heard):
        said = one.said.copy()
        took_s = _TOOK_S * rng.lognormal(0.0, 0.2, len(said))
        took_s[::20] += faults.stall_s
        said[len(said) // 2 :, 0] -= faults.score_error
        said[len(said) // 2 :, 1] += faults.score_error
        for row, probabilities in enumerate(said):
            yield {
                "kind": "score",
                "stage": one.stage,
                "time_s": float(one.pieces.score_s[row]),
                "centre_s": float(one.centre_s[row]),
                "probabilities": probabilities.tolist(),
                "took_s": float(took_s[row]),
                "input": one.pieces.values[row][:, -one.detector.spec.hop :].astype(np.float64).tolist(),
            }
    for event in detected(runs, heard).iloc[faults.missed_events :].to_dict("records"):
        moved = {name: event[name] + faults.event_shift_s for name in ("start_s", "stop_s", "decided_s")}
        yield {"kind": "event", "label": event["label"], "score": float(event["score"]), **moved, "final": True}


def _end(given: list[dict[str, Any]], faults: Faults) -> dict[str, Any]:
    counts = dict.fromkeys([one["stream"] for one in given], 0)
    for one in given:
        counts[one["stream"]] += len(one["time_s"])
    first = next(iter(counts))
    dropped = {name: faults.dropped if name == first else 0 for name in counts}
    counts[first] += faults.unlogged
    return {"kind": "end", "samples": counts, "dropped": dropped}
