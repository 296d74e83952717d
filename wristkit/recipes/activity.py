"""Activity: walking, running, stairs, sitting, standing, cycling-like, and what lies between: rising, sitting, turning.

**What is known.** On free-living wrists four intensities reach macro-F1 0.82 (ActiNet, 2025) and 0.77 with a random
forest and a hidden Markov model; on a rehearsed sequence of a watch (SP-SW-HAR) its authors give no event figures.
Sitting and standing look alike at a wrist that hangs or lies: what tells them is how the arm is held, and who rose.

**What it does.** Acceleration and turning rate at 25 Hz, a temporal convolution net over the last 1.6 s, every 0.16 s;
a decoder that averages five windows. ``detect`` gives events of each class, as any detector does; :func:`bouts` gives
one activity at a time, and :func:`daily` how long each was done. A bout says nothing, ``unknown``, where the mean
probability of the likeliest class is below ``LEAST``, and where :func:`doubts` says why: values that contradict their
unit, a dead axis, a device that nobody wore, which a net would take for sitting.

**What it is trained on.** Simulated people (all nine labels), and the six people ``s01`` to ``s06`` of SP-SW-HAR
(GeoTec, CC BY 4.0: Matey-Sanz, Casteleyn, Granell, Data in Brief 2023, 109809), who sit, rise, walk, turn and sit down.

**Limits.** Running, stairs, standing and cycling were seen in simulation alone, and figures on them are simulated.
Cycling-like is hands that lie on a bar and are shaken: a car's wheel feels so, too. Stairs up and down are one class.
Axes that point elsewhere than a watch's, or the other way, are not noticed and give other activities. A sit of
a second or less between two moments is mostly not told: of six real people that it was not trained on 7 of 71, and 19
of 34 that last 1 to 3 s; they do not sit for longer. A window is 1.6 s long, and five are averaged.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from wristkit.datasets import recordings as public_recordings
from wristkit.detector import Detector
from wristkit.events import EventDecoder
from wristkit.recipes import hours, shelf
from wristkit.recipes.doubting import missing, not_worn, wrong_with
from wristkit.recipes.spotting import Say
from wristkit.recording import GAP_FLOOR_S, FloatArray, Recording, Stream, finding_table, one_recording
from wristkit.signals.pieces import Finding, Mask
from wristkit.simulate import SensorParams
from wristkit.simulate.moving import ACTIVE_LABELS, active
from wristkit.train import Fit, train_for_others
from wristkit.windows import Windows, windows

NAME = "activity"
CLASSES = ACTIVE_LABELS
TRANSITIONS = ("standing_up", "sitting_down", "turning")
UNKNOWN = "unknown"
LEAST = 0.4
"""Mean probability below which nothing is said."""
LABELS: Mapping[str, str] = MappingProxyType({"seated": "sitting"})
"""Other names of the labels, as data sets have them."""
DECODER = EventDecoder(high=0.5, low=0.35, smooth=5, merge_s=0.5)  # no least length: sits of a second are sits

_RATE_HZ, _LENGTH_S, _HOP_S = 25.0, 1.6, 0.16
_SLOWEST_HZ = 1.2 / GAP_FLOOR_S
_SMOOTH = 7  # windows of probabilities averaged for bouts, as many before as after
BOUT_COLUMNS = ("start_s", "stop_s", "label", "score")


def default() -> Detector:
    """Return the detector that ships, trained by ``python3 -m wristkit.recipes activity``."""
    return shelf.shipped(NAME)


def simulate(seed: int, *, rate_hz: float = 50.0) -> Recording:
    """Return a minute of a simulated person with every moment labelled."""
    person = hours.people_of("train", 1 + seed % 8)[-1]
    return active(person, seed=seed, minutes=1.0, sensor=SensorParams(rate_hz=rate_hz))


def windows_of(recordings: Iterable[Recording], *, labels: Mapping[str, str] = LABELS, tier: str = "truth") -> Windows:
    """Return the labelled windows of recordings, cut as the detector sees them."""
    return windows(
        [_renamed(one, labels) for one in recordings],
        streams=("accel", "gyro"),
        rate_hz=_RATE_HZ,
        length_s=_LENGTH_S,
        hop_s=_HOP_S,
        tier=tier,
    )


def _renamed(recording: Recording, labels: Mapping[str, str]) -> Recording:
    told = recording.labels.assign(label=recording.labels["label"].replace(dict(labels)))
    return recording.with_labels(told, labelled=recording.labelled)


def train(
    recordings: Iterable[Recording],
    *,
    labels: Mapping[str, str] = LABELS,
    tier: str = "truth",
    epochs: int = 15,
    seed: int = 0,
) -> Fit:
    """Return a fit on any labelled recordings of several people, for others than them.

    Parameters
    ----------
    labels
        Their labels to the names that the detector shall give; those not named are kept.
    tier
        Tier of the labels that count.
    """
    fit = train_for_others(windows_of(recordings, labels=labels, tier=tier), epochs=epochs, seed=seed)
    return replace(fit, spec=replace(fit.spec, decoder=replace(DECODER, background=fit.spec.decoder.background)))


def simulated(*, people: int = 24, minutes: float = 5.0) -> Iterator[Recording]:
    """Yield simulated minutes of people to train on, at the rates of several watches."""
    for index, person in enumerate(hours.people_of("train", people)):
        sensor = SensorParams(rate_hz=(50.0, 100.0)[index % 2])
        yield active(person, seed=40_000 + index, minutes=minutes, sensor=sensor)


def real(part: str, folder: Path | None = None) -> list[Recording]:
    """Return the recorded people to train on (``"train"``), or the others (``"test"``)."""
    if folder is None and not hours.has_real_hours():
        raise FileNotFoundError(f"{hours.DATA} names no folder; set it to the one that holds spsw")
    root = Path(os.environ[hours.DATA]) if folder is None else folder
    trained = hours.TRAINED_ON["spsw"]
    worn = (one for one in public_recordings("spsw", root / "spsw") if one.source.get("place") != "pocket")
    return [_renamed(one, LABELS) for one in worn if (one.subject in trained) == (part == "train")]


def make_default(*, say: Say = str, into: Path = shelf.WEIGHTS) -> Path:
    """Train the default anew and write it; ``WRISTKIT_DATA`` holds the real motion that it is trained on."""
    fit = train([*simulated(), *real("train")], epochs=12)
    say(f"{fit!r}\n{fit.history.tail(1).to_string(index=False)}")
    return shelf.ship(fit.detector(), NAME, into=into)


# ---- one thing at a time ----


def bouts(recording: Recording, *, detector: Detector | None = None) -> pd.DataFrame:
    """Return what was done when, one thing at a time: ``start_s, stop_s, label, score``.

    The score is the mean probability; ``unknown`` stands where it is too low for any. Where nothing was recorded for
    longer than a window there is no row.
    """
    judged = default() if detector is None else detector
    scored = judged.scores(recording)
    time_s, values = np.asarray(scored.time), np.array(scored.values, dtype=np.float64)
    values[~_is_known(recording, time_s - _LENGTH_S / 2)] = 0.0
    return _timeline(time_s, values, scored.channels)


def doubts(recording: Recording) -> pd.DataFrame:
    """Return a finding for each span in which nothing is said of activity, with the reason and what to do."""
    return finding_table(_doubted(recording))


def _doubted(recording: Recording) -> list[Finding]:
    given = one_recording(recording)
    held = [given[name] for name in ("accel", "gyro") if name in given.streams and len(given[name]) > 1]
    worn = not_worn(recording) if any(one.name == "accel" for one in held) else []
    absent = [row for one in held for row in missing(one)]
    return [*wrong_with(held), *worn, *absent, *map(_too_slow, filter(_is_slow, held))] if held else []


def _is_slow(stream: Stream) -> bool:
    return not stream.rate_hz >= _SLOWEST_HZ


def _too_slow(stream: Stream) -> Finding:
    note = f"{stream.rate_hz:.4g} samples a second, expected {_SLOWEST_HZ:g} or more: a step between two may be a gap"
    return Finding("rate_too_low", stream.name, stream.start_s, stream.stop_s, len(stream), note, "record faster")


def _is_known(recording: Recording, at_s: FloatArray) -> Mask:
    """Return (n,) which times lie outside all doubt."""
    found = _doubted(recording)
    if not found:
        return np.ones(len(at_s), dtype=bool)
    return np.asarray(~np.any([(at_s >= one.start_s) & (at_s <= one.stop_s) for one in found], axis=0))


def _timeline(time_s: FloatArray, values: FloatArray, classes: Sequence[str]) -> pd.DataFrame:
    rows: list[tuple[float, float, str, float]] = []
    breaks = np.flatnonzero(np.diff(time_s) > 1.5 * _HOP_S) + 1
    for part in np.split(np.arange(len(time_s)), breaks):
        if len(part):
            rows += _stretch(time_s[part] - _LENGTH_S / 2, values[part], classes)
    return pd.DataFrame(rows, columns=list(BOUT_COLUMNS))


def _stretch(centre_s: FloatArray, values: FloatArray, classes: Sequence[str]) -> list[tuple[float, float, str, float]]:
    """Return the bouts of windows without a gap, each sample with the window whose centre is nearest."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(values, _SMOOTH, axis=0, mode="nearest")
    likeliest = smooth.argmax(axis=1)
    likeliest[smooth.max(axis=1) < LEAST] = len(classes)
    names = [*classes, UNKNOWN]
    edges = [0, *(np.flatnonzero(np.diff(likeliest)) + 1).tolist(), len(likeliest)]
    half_s = _HOP_S / 2
    return [
        (
            float(centre_s[first] - half_s),
            float(centre_s[stop - 1] + half_s),
            names[likeliest[first]],
            float(smooth[first:stop].max(axis=1).mean()),
        )
        for first, stop in pairwise(edges)
    ]


def daily(recording: Recording, *, detector: Detector | None = None) -> pd.DataFrame:
    """Return the hours of each activity, a row a day of the recording's own zone, or of 24 h from its second 0.

    ``not_recorded`` is what is left of the time from the first to the last of a day's samples.
    """
    made = bouts(recording, detector=detector)
    classes = (default() if detector is None else detector).spec.classes
    edges_s, names = _days(recording)
    rows = {}
    for name, first_s, stop_s in zip(names, edges_s[:-1], edges_s[1:], strict=True):
        spent = np.clip(made["stop_s"], first_s, stop_s) - np.clip(made["start_s"], first_s, stop_s)
        hours_each = spent.groupby(made["label"]).sum().reindex([*classes, UNKNOWN], fill_value=0.0) / 3600
        span_h = (min(stop_s, recording.stop_s) - max(first_s, recording.start_s)) / 3600
        rows[name] = {**hours_each, "not_recorded": max(0.0, span_h - float(hours_each.sum()))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("day")


def _days(recording: Recording) -> tuple[list[float], list[str]]:
    """Return the edges of days in seconds of the recording, and their names."""
    if recording.start is None:
        first, stop = int(recording.start_s // 86_400), int(np.ceil(max(recording.stop_s, 1e-9) / 86_400))
        return [86_400.0 * day for day in range(first, stop + 1)], [f"day {day + 1}" for day in range(first, stop)]
    start = recording.start.tz_convert(recording.zone or "UTC")
    last = start + pd.Timedelta(seconds=recording.stop_s)
    days = pd.date_range(start.normalize(), last.normalize() + pd.Timedelta(days=1), freq="D")
    return [(day - start).total_seconds() for day in days], [str(day.date()) for day in days[:-1]]


# ---- how it does ----


def judge(*, say: Say = str) -> pd.DataFrame:
    """Return recall, precision and false alarms of the default by class, on other people: recorded, and simulated."""
    detector = default()
    lives = [
        active(person, seed=91_000 + index, minutes=5.0, sensor=SensorParams(rate_hz=50.0))
        for index, person in enumerate(hours.people_of("test", 12))
    ]
    parts = {"simulated": lives, **({"SP-SW-HAR": real("test")} if hours.has_real_hours() else {})}
    made = pd.concat({name: detector.evaluate(people).by_class for name, people in parts.items()}, names=["people"])
    say(made[["hits", "misses", "recall", "precision", "fp_per_hour"]].to_string(float_format="{:.3g}".format))
    return made
