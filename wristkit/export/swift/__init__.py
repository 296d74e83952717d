"""A Swift package around a detector's C++ core: sensors, Core ML or the core's own net, a log, and golden vectors.

No Swift compiler has seen what is written here; every file of it says so. What runs beneath, the C++ core through its C
functions, is tested.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

import wristkit
from wristkit.detector import Cascade, Detector
from wristkit.export.cpp.spec import StreamText, cascade_streams, streams_of
from wristkit.export.cpp.writing import title_of, write_cpp, write_nets
from wristkit.export.forms import INPUT, PROBABILITIES
from wristkit.export.narrow import Narrow
from wristkit.export.stages import stages_of
from wristkit.recording import Recording, Stream
from wristkit.store import atomic_write

NAME = "wrist_detector"
_PLACES = {
    "Package.swift": "Package.swift",
    "README.md": "README.md",
    "WristDetector.swift": "Sources/WristDetector/WristDetector.swift",
    "CoreMLScorer.swift": "Sources/WristDetector/CoreMLScorer.swift",
    "DeviceLog.swift": "Sources/WristDetector/DeviceLog.swift",
    "MotionSensors.swift": "Sources/WristSensors/MotionSensors.swift",
    "Microphone.swift": "Sources/WristSensors/Microphone.swift",
    "GoldenTests.swift": "Tests/WristDetectorTests/GoldenTests.swift",
}
_CORE = "Sources/DetectorCore"
_GOLDEN = "Tests/WristDetectorTests/golden"
_NOISE_S, _NOISE_HZ, _SOUND_HZ = 12.0, 100.0, 16_000
_GOLDEN_WINDOWS = 4
_FELT_S, _HEARD_S = 60.0, 10.0


def write_swift(
    detector_or_cascade: Detector | Cascade,
    folder: str | Path,
    *,
    recording: Recording | None = None,
    nets: Mapping[str, Narrow] | None = None,
) -> Path:
    """Write a Swift package for a watch and return the folder. Nothing of it was compiled here.

    Parameters
    ----------
    detector_or_cascade
        What ``write_cpp`` takes.
    folder
        Made where there is none; files of the same names are replaced.
    recording
        The first minute of whose samples, windows and events become the golden vectors of its tests; of one that is
        heard, too, ten seconds. Without one, seconds of seeded noise.
    nets
        Weights of the core by stage, where they are not those of the detector: rounded ones, which can be written.

    Raises
    ------
    ValueError
        What ``write_cpp`` raises.
    """
    folder = Path(folder)
    held = _noise(detector_or_cascade) if recording is None else _beginning(detector_or_cascade, recording)
    core = folder / _CORE
    if nets is None:
        write_cpp(detector_or_cascade, core, name=NAME)
    else:
        write_nets(detector_or_cascade, core, nets=nets, name=NAME)
    for tool in ("replay.cpp", "reading.hpp", "two_threads.cpp", "CMakeLists.txt"):  # of a computer: no part of an app
        (core / tool).unlink()
    (core / "include").mkdir(exist_ok=True)
    (core / f"{NAME}_c.h").replace(core / "include" / f"{NAME}_c.h")
    filled = _values(detector_or_cascade, held, is_noise=recording is None)
    for template, place in _PLACES.items():
        text = _template(template)
        for key, value in filled.items():
            text = text.replace(f"@{key}@", value)
        _write(folder / place, text)
    for name, text in _golden(detector_or_cascade, held).items():
        _write(folder / _GOLDEN / name, text)
    return folder


def _streams(detector_or_cascade: Detector | Cascade) -> tuple[StreamText, ...]:
    if isinstance(detector_or_cascade, Cascade):
        return cascade_streams(detector_or_cascade)
    return streams_of(detector_or_cascade.spec.conditioning)


def _values(detector_or_cascade: Detector | Cascade, held: Recording, *, is_noise: bool) -> dict[str, str]:
    """Return what stands in the templates' places."""
    stages = list(stages_of(detector_or_cascade).values())
    shapes = [[1, len(one.spec.conditioning.channels), one.spec.length] for one in stages]
    streams = ", ".join(
        f"`{one.name}` ({', '.join(one.channels)}; {one.unit})" for one in _streams(detector_or_cascade)
    )
    is_cascade = isinstance(detector_or_cascade, Cascade)
    whole = detector_or_cascade.sha256 if isinstance(detector_or_cascade, Cascade) else detector_or_cascade.spec.sha256
    return {
        "NAME": NAME,
        "TITLE": title_of(detector_or_cascade),
        "VERSION": wristkit.__version__,
        "INPUT": INPUT,
        "OUTPUT": PROBABILITIES,
        "SHAPES": ", ".join(map(str, shapes)),
        "CLASSES": ", ".join(json.dumps(list(one.spec.classes), ensure_ascii=False) for one in stages),
        "SPEC_SHA256": whole,
        "WRIST": f".{held.wrist or 'unknown'}",
        "CROWN": f".{held.crown or 'unknown'}",
        "SOUND_RATE": str(round(held["audio"].rate_hz) if "audio" in held.streams else _SOUND_HZ),
        "POLICY": " and the cascade's policy" if is_cascade else "",
        "STREAMS": streams,
        "GOLDEN": "of seeded noise" if is_noise else f"of recording {held.id}",
    }


def _golden(detector_or_cascade: Detector | Cascade, held: Recording) -> dict[str, str]:
    """Return raw samples in the order of time, the first conditioned windows, and the events, as tables of text."""
    first = next(iter(stages_of(detector_or_cascade).values()))
    windows = first.condition(held).values[:_GOLDEN_WINDOWS]
    events = detector_or_cascade.detect(held)
    rows = [",".join(map(repr, one.ravel().tolist())) for one in windows]
    return {
        "samples.csv": _samples(held, [one.name for one in _streams(detector_or_cascade)]),
        "windows.csv": "".join(f"{row}\n" for row in rows),
        "events.csv": events.to_csv(index=False, header=False, lineterminator="\n"),
    }


def _samples(held: Recording, names: list[str]) -> str:
    parts = []
    for place, name in enumerate(names):
        stream = held[name]
        lines = [
            f"{name},{time_s!r},{','.join(map(repr, row))}\n"
            for time_s, row in zip(np.asarray(stream.time).tolist(), np.asarray(stream.values).tolist(), strict=True)
        ]
        parts.append(pd.DataFrame({"time_s": stream.time, "place": place, "line": lines}))
    ordered = pd.concat(parts).sort_values(["time_s", "place"], kind="stable")
    return "".join(ordered["line"])


def _beginning(detector_or_cascade: Detector | Cascade, recording: Recording) -> Recording:
    """Return the beginning of a recording, as much as is no burden as text."""
    is_heard = any(one.name == "audio" for one in _streams(detector_or_cascade))
    return recording.between(recording.start_s, recording.start_s + (_HEARD_S if is_heard else _FELT_S))


def _noise(detector_or_cascade: Detector | Cascade) -> Recording:
    """Return seconds of seeded noise of every stream, at rates that its gap rule lets pass."""
    rng, streams = np.random.default_rng(0), []
    for one in _streams(detector_or_cascade):
        rate_hz = _SOUND_HZ if one.name == "audio" else _NOISE_HZ
        time_s = np.arange(int((2.0 if one.name == "audio" else _NOISE_S) * rate_hz)) / rate_hz
        values = rng.normal(size=(len(time_s), len(one.channels))).clip(-3, 3) * 0.3
        if one.name.startswith("attitude"):
            values[:, 0] += 3
            values /= np.linalg.norm(values, axis=1)[:, None]
        if one.name == "pressure":
            values += 101
        streams.append(Stream.measured(one.name, time_s, values, channels=one.channels, unit=one.unit))
    return Recording.of(streams, wrist="left", crown="right", source={"format": "simulated"})


@cache
def _template(name: str) -> str:
    return files("wristkit.export.swift").joinpath("package", name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, lambda file: file.write(text.encode()))
