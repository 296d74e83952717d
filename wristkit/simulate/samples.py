"""The bundled samples: simulated days of a few minutes as Sensor Logger exports, and two minutes in every format."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.simulate.activities import ACTIVITIES
from wristkit.simulate.formats import sensor_logger_files, zipped
from wristkit.simulate.people import Person, people
from wristkit.simulate.raw import RAW_PLAN, write_raw
from wristkit.simulate.sensor import WATCH, SensorParams
from wristkit.simulate.session import STREAMS, Plan, session

SEED = 2026
PEOPLE = 8
START = pd.Timestamp("2026-03-02T08:00:00Z")

_BOUTS_S = (10.0, 21.0)  # shortest and longest stretch of one activity
_ROUNDS = 2  # each activity comes up so often
_GAPS_S: tuple[tuple[tuple[float, float], ...], ...] = ((), ((61.0, 61.6),), (), ((100.0, 101.5), (170.2, 170.5)))
_MISSING = (0.0, 0.0, 0.002, 0.0)
_CLOCK_PPM = (0.0, 20.0, -35.0, 50.0)
_STREAMS = tuple(name for name in STREAMS if name != "ppg")  # a Sensor Logger export holds none

_README = """# Samples

**Simulated.** Nobody wore a watch for these: `python -m wristkit.simulate data_samples` made them, with fixed seeds.

{count} people, {minutes:.0f} minutes in all, 50 Hz, each with {activities}. Both wrists, both crown sides.

| file | holds |
|---|---|
| `<name>.zip` | WristMotion, HeartRate, Annotation and Metadata in the columns of a Sensor Logger export |
| `<name>.labels.csv` | the truth of the simulation, in seconds from the first stamp |
| `raw_*` | two more minutes of {subject}, once in each of six formats, for the notebook on raw files; see below |
| `manifest.json` | subject, wrist, crown, seed, duration, labelled spans, SHA-256 of each file |

- Motion is that of a chain of joints (shoulder, elbow, forearm, a little of the wrist) with impacts, tremor and a
  sensor's noise, bias, steps, jitter, lost samples and gaps. All amplitudes are estimates, none is a measurement.
- Attitude and gravity are those of the motion, without the errors of a fusion. Annotations come late by 0.3 to 1.2 s.
- One activity passes into the next within about 1 s; the edge between two labels is the middle of it.
- Good for learning the tools and for tests. A figure got from them says nothing about real people or a real watch.
- Licence: MIT, as the project.

## Two minutes in six formats

{plan}.
One motion, as five devices on one wrist would have written it, each with its own clock, rate, unit and signs,
and a sound beside it. No maker's device wrote these files: they follow the makers' documents.

| file | what it is |
|---|---|
{files}

- The devices lie on the wrist alike. Real ones are turned against each other, and their clocks drift apart.
- Pulse, skin conductance, skin temperature and heart rate are formulas; the sound is shaped noise.
- `wristkit.datasets.sample_file(name)` gives the path of one of them, its checksum verified.
"""


def write_samples(folder: str | Path) -> Path:
    """Write all samples with labels, manifest and data card, and return the folder.

    The same version of the libraries gives the same bytes; other versions the same values to within one step.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_write_sample(folder, index, person) for index, person in enumerate(people(PEOPLE, seed=SEED))]
    raw = write_raw(folder, people(1, seed=SEED)[0])
    manifest = {"simulated": True, "seed": SEED, "samples": entries, "raw": raw}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    (folder / "README.md").write_text(_card(entries, raw))
    return folder


def _card(entries: Sequence[Mapping[str, object]], raw: Sequence[Mapping[str, object]]) -> str:
    return _README.format(
        count=PEOPLE,
        minutes=sum(float(str(entry["duration_s"])) for entry in entries) / 60,
        activities=", ".join(ACTIVITIES),
        subject=raw[0]["subject"],
        plan=", ".join(f"{seconds:.0f} s of {activity}" for activity, seconds in RAW_PLAN).capitalize(),
        files="\n".join(f"| `{entry['name']}` | {entry['description']} |" for entry in raw),
    )


def _write_sample(folder: Path, index: int, person: Person) -> dict[str, object]:
    name, seed = f"day_{person.subject}", SEED + 1 + index
    rng = np.random.default_rng([seed, 3])
    start = START + pd.Timedelta(hours=index)
    recording = session(person, seed=seed, plan=_plan(rng), sensor=_sensor(index), streams=_STREAMS, start=start)
    export = folder / f"{name}.zip"
    export.write_bytes(zipped(sensor_logger_files(recording, rng)))
    labels = folder / f"{name}.labels.csv"
    first_s = recording.start_s  # a file's second 0 is its first stamp
    _shifted(recording.labels, -first_s).to_csv(labels, index=False, float_format="%.6f", lineterminator="\n")
    truth = recording.labelled["truth"]
    return {
        "name": name,
        "file": export.name,
        "labels": labels.name,
        "subject": person.subject,
        "wrist": person.wrist,
        "crown": person.crown,
        "seed": seed,
        "duration_s": round(recording.stop_s - first_s, 3),
        "streams": list(recording.streams),
        "labelled": {"truth": [[max(0.0, round(float(edge) - first_s, 6)) for edge in span] for span in truth]},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (export, labels)},
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
