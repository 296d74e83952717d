"""The bundled samples: simulated days of a few minutes, written as Sensor Logger writes its exports."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.recording import Recording
from wristkit.simulate.activities import ACTIVITIES
from wristkit.simulate.people import Person, people
from wristkit.simulate.sensor import WATCH, SensorParams
from wristkit.simulate.session import STREAMS, Plan, session

SEED = 2026
PEOPLE = 8
START = pd.Timestamp("2026-03-02T08:00:00Z")

_BOUTS_S = (10.0, 21.0)  # shortest and longest stretch of one activity
_ROUNDS = 2  # each activity comes up so often
_ZIP_DATE = (2026, 3, 2, 0, 0, 0)  # a fixed date, so that the same content gives the same bytes
_GAPS_S: tuple[tuple[tuple[float, float], ...], ...] = ((), ((61.0, 61.6),), (), ((100.0, 101.5), (170.2, 170.5)))
_MISSING = (0.0, 0.0, 0.002, 0.0)
_CLOCK_PPM = (0.0, 20.0, -35.0, 50.0)

_MOTION_COLUMNS = (
    *("rotationRateX", "rotationRateY", "rotationRateZ"),
    *("gravityX", "gravityY", "gravityZ"),
    *("accelerationX", "accelerationY", "accelerationZ"),
    *("quaternionW", "quaternionX", "quaternionY", "quaternionZ"),
)
_DECIMALS = (3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)
_METADATA = {
    "version": "3",
    "device name": "simulated",
    "recording epoch time": "",
    "recording time": "",
    "recording timezone": "UTC",
    "platform": "simulated",
    "appVersion": "1.63",
    "device id": "simulated",
    "sensors": "Wrist Motion|Heart Rate|Annotation",
    "sampleRateMs": "20||",
    "standardisation": "false",
    "platform version": "",
}
_README = """# Samples

**Simulated.** Nobody wore a watch for these: `python -m wristkit.simulate data_samples` made them, with fixed seeds.

{count} people, {minutes:.0f} minutes in all, 50 Hz, each with {activities}. Both wrists, both crown sides.

| file | holds |
|---|---|
| `<name>.zip` | WristMotion, HeartRate, Annotation and Metadata in the columns of a Sensor Logger export |
| `<name>.labels.csv` | the truth of the simulation, in seconds from the first stamp |
| `manifest.json` | subject, wrist, crown, seed, duration, labelled spans, SHA-256 of each file |

- Motion is that of a chain of joints (shoulder, elbow, forearm, a little of the wrist) with impacts, tremor and a
  sensor's noise, bias, steps, jitter, lost samples and gaps. All amplitudes are estimates, none is a measurement.
- Attitude and gravity are those of the motion, without the errors of a fusion. Annotations come late by 0.3 to 1.2 s.
- One activity passes into the next within about 1 s; the edge between two labels is the middle of it.
- Good for learning the tools and for tests. A figure got from them says nothing about real people or a real watch.
- Licence: MIT, as the project.
"""


def write_samples(folder: str | Path) -> Path:
    """Write all samples with labels, manifest and data card, and return the folder.

    The same version of the libraries gives the same bytes; other versions the same values to within one step.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_write_sample(folder, index, person) for index, person in enumerate(people(PEOPLE, seed=SEED))]
    manifest = {"simulated": True, "seed": SEED, "samples": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    minutes = sum(float(str(entry["duration_s"])) for entry in entries) / 60
    card = _README.format(count=PEOPLE, minutes=minutes, activities=", ".join(ACTIVITIES))
    (folder / "README.md").write_text(card)
    return folder


def _write_sample(folder: Path, index: int, person: Person) -> dict[str, object]:
    name, seed = f"day_{person.subject}", SEED + 1 + index
    rng = np.random.default_rng([seed, 3])
    start = START + pd.Timedelta(hours=index)
    recording = session(person, seed=seed, plan=_plan(rng), sensor=_sensor(index), streams=STREAMS, start=start)
    zipped = folder / f"{name}.zip"
    _write_zip(zipped, _files(recording, rng))
    labels = folder / f"{name}.labels.csv"
    first_s = recording.start_s  # a file's second 0 is its first stamp
    _shifted(recording.labels, -first_s).to_csv(labels, index=False, float_format="%.6f", lineterminator="\n")
    truth = recording.labelled["truth"]
    return {
        "name": name,
        "file": zipped.name,
        "labels": labels.name,
        "subject": person.subject,
        "wrist": person.wrist,
        "crown": person.crown,
        "seed": seed,
        "duration_s": round(recording.stop_s - first_s, 3),
        "streams": list(recording.streams),
        "labelled": {"truth": [[max(0.0, round(float(edge) - first_s, 6)) for edge in span] for span in truth]},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (zipped, labels)},
        "simulated": True,
        "description": _description(person, _sensor(index)),
    }


def _plan(rng: np.random.Generator) -> Plan:
    """Return each activity ``_ROUNDS`` times, shuffled within a round, for some seconds each."""
    order = [str(name) for _ in range(_ROUNDS) for name in rng.permutation(list(ACTIVITIES))]
    return [(name, float(np.round(rng.uniform(*_BOUTS_S), 1))) for name in order]


def _sensor(index: int) -> SensorParams:
    kind = index % 4
    return SensorParams(
        rate_hz=WATCH.rate_hz,
        gaps_s=_GAPS_S[kind],
        missing_fraction=_MISSING[kind],
        clock_error_ppm=_CLOCK_PPM[kind],
        stamp_jitter_s=0.0003 * (1 + 3 * (index % 2)),
    )


def _description(person: Person, sensor: SensorParams) -> str:
    gaps = f", gaps: {len(sensor.gaps_s)}" if sensor.gaps_s else ""
    lost = f", {sensor.missing_fraction:.1%} of samples lost" if sensor.missing_fraction else ""
    return f"simulated: {len(ACTIVITIES)} activities, {person.wrist} wrist, crown {person.crown}{gaps}{lost}"


def _shifted(labels: pd.DataFrame, by_s: float) -> pd.DataFrame:
    times = (labels[["start_s", "stop_s"]] + by_s).clip(lower=0.0)
    return labels.assign(start_s=times["start_s"], stop_s=times["stop_s"])


def _files(recording: Recording, rng: np.random.Generator) -> dict[str, str]:
    """Return the text of each file of an export, by name."""
    motion = np.hstack([recording[name].values for name in ("gyro", "gravity", "user_accel", "attitude")])
    columns = [[f"{value:.{places}f}" for value in column] for column, places in zip(motion.T, _DECIMALS, strict=True)]
    heart = recording["heart_rate"]
    labels = recording.labels
    noted_s = np.round(labels["start_s"].to_numpy() + rng.uniform(0.3, 1.2, len(labels)), 3)
    return {
        "WristMotion.csv": _csv(recording, recording["gyro"].time, _MOTION_COLUMNS, columns),
        "HeartRate.csv": _csv(recording, heart.time, ("bpm",), [[f"{value:.0f}" for value in heart.values[:, 0]]]),
        "Annotation.csv": _csv(
            recording,
            noted_s,
            ("text", "millisecond_press_duration"),
            [list(labels["label"]), [str(number) for number in rng.integers(60, 200, len(labels))]],
        ),
        "Metadata.csv": _metadata(recording),
    }


def _csv(recording: Recording, time_s: np.ndarray, names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    ns = recording.start.value + np.round(time_s * 1e9).astype(np.int64) if recording.start is not None else time_s
    elapsed = [f"{second:.5f}" for second in time_s]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "seconds_elapsed", *names))
    writer.writerows(zip(ns.tolist(), elapsed, *columns, strict=True))
    return text.getvalue()


def _metadata(recording: Recording) -> str:
    row = dict(_METADATA)
    if recording.start is not None:
        row["recording epoch time"] = str(recording.start.value // 10**6)
        row["recording time"] = recording.start.strftime("%Y-%m-%d_%H-%M-%S")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([tuple(row), tuple(row.values())])
    return text.getvalue()


def _write_zip(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, text, compresslevel=9)
