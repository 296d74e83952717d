"""Simulated events of motion and sound over real motion and real sound, which were recorded apart from each other.

The sound under a real motion is made of real clips of rain, sea, clocks, sneezes and speech from another place and
time, at drawn levels; simulated events are added to both. What comes of it is late fusion of independently sourced
streams and never a measured accuracy of both together.

An event begins where the real arm lies as the simulated one did: turned from another posture, a wrist would not end
where the event is done, and a raise that begins with the hand in the air is none.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import resample_poly

from wristkit.condition.frame import WRIST_SIGNS
from wristkit.detector import Cascade
from wristkit.recipes.hours import DATA, has_real_hours
from wristkit.recording import FloatArray, Recording, Side, Stream, label_table
from wristkit.recording.spans import subtract
from wristkit.simulate import MICROPHONE, Person, Scene, SensorParams, cut_event, inject, stage

RATE_HZ = 16_000
CLIPS = ("esc10", "speech")
_LEVEL_DB = (42.0, 62.0)  # of a real clip at the wrist: estimate
_FADE_S = 0.05
_EDGE_S = 0.7  # of the recording, and from one event to the next
_WAY_BACK_S = 0.5  # of an overlay's wrist
_ALIKE_RAD = 0.6  # from gravity where an event begins to gravity where it is laid: estimate
_DOWN_S = 0.5  # gravity is the mean of so long on either side
_TRIES = 40
_MAKE = ("accel", "gyro", "user_accel", "gravity", "attitude", "audio")


class Clip(NamedTuple):
    """A real sound at 16 kHz with a root mean square of 1, and what it is."""

    kind: str
    samples: FloatArray


@dataclass(frozen=True)
class Event:
    """A simulated event and its sound; seconds from where it begins: the truths as (start, stop, label, tier)."""

    recording: Recording
    start_s: float
    stop_s: float
    truths: tuple[tuple[float, float, str, str], ...]

    @property
    def down(self) -> FloatArray:
        """Direction of gravity (3,) where it begins, in the axes of the wrist."""
        signs = WRIST_SIGNS[sides(self.recording)]
        return np.asarray(self.recording["gravity"].between(self.start_s, self.stop_s).values[0] * np.array(signs))

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.stop_s - self.start_s

    @classmethod
    def of(cls, person: Person, scene: Scene, tier: str, *, seed: int, most_s: float = np.inf) -> "Event":
        """Return the part of a scene under the labels of a tier, from the first of them on, at most ``most_s`` long."""
        made = stage(person, [scene], seed=seed, sensor=SensorParams(rate_hz=200.0), streams=_MAKE)
        rows = made.labels[(made.labels["tier"] == tier) & (made.labels["stop_s"] > made.labels["start_s"])]
        start_s = float(rows["start_s"].min())
        stop_s = min(float(rows["stop_s"].max()), start_s + most_s)
        said = made.labels[made.labels["tier"] != "scene"]
        times = said[["start_s", "stop_s"]].to_numpy(dtype=np.float64).clip(start_s, stop_s) - start_s
        named = zip(times.tolist(), said["label"], said["tier"], strict=True)
        truths = tuple((first, last, str(label), str(of)) for (first, last), label, of in named if last > first)
        return cls(made, start_s, stop_s, truths)


def clips(folder: Path | None = None) -> list[Clip]:
    """Return the real clips under ``WRISTKIT_DATA``: those of ESC-10 and of speech."""
    import soundfile

    if folder is None and not has_real_hours():
        raise FileNotFoundError(f"{DATA} names no folder; set it to the one that holds audio/esc10 and audio/speech")
    root = (Path(os.environ[DATA]) if folder is None else folder) / "audio"
    found = [path for kind in CLIPS for end in ("ogg", "wav") for path in sorted((root / kind).rglob(f"*.{end}"))]
    if not found:
        raise FileNotFoundError(f"{root} holds no clips; expected audio/esc10 and audio/speech in it")
    return [_clip(path, *soundfile.read(path)) for path in found]


def _clip(path: Path, samples: FloatArray, rate_hz: int) -> Clip:
    common = int(np.gcd(rate_hz, RATE_HZ))
    made = resample_poly(samples, RATE_HZ // common, rate_hz // common)
    loud = np.flatnonzero(made)  # some clips end in exact zeros, which no room gives
    made = made[: loud[-1] + 1] if len(loud) else made
    kind = "speech" if "speech" in path.parts else path.parent.name
    return Clip(kind, made / max(1e-9, float(np.sqrt(np.mean(made**2)))))


def under(recording: Recording, held: Sequence[Clip], *, seed: int) -> Stream:
    """Return real clips one after the other, each at a drawn level, as the sound under a whole recording."""
    rng = np.random.default_rng([seed, 41])
    count = int((recording.stop_s - recording.start_s) * RATE_HZ)
    made, at = np.zeros(count), 0
    while at < count:
        one = held[int(rng.integers(len(held)))].samples * at_level(float(rng.uniform(*_LEVEL_DB)))
        part = one[: count - at] * _edges(min(len(one), count - at))
        made[at : at + len(part)] = part
        at += len(part)
    floor = rng.standard_normal(count) * at_level(MICROPHONE.noise_db)
    samples = np.clip(made + floor, -1, 1).astype(np.float32)
    return Stream.uniform("audio", samples, rate_hz=RATE_HZ, start_s=recording.start_s)


def at_level(level_db: float) -> float:
    """Return the root mean square of a sound of this level at the microphone."""
    return float(10 ** ((level_db - MICROPHONE.full_scale_db) / 20) / np.sqrt(2))


def injected(
    recording: Recording, events: Sequence[Event], held: Sequence[Clip], *, label: str, count: int, seed: int
) -> Recording:
    """Return real motion with up to ``count`` simulated events over it, and the sound of both.

    Each lies in a part of its own, where gravity is within ``_ALIKE_RAD`` of where the event begins; in a part in which
    none of those that were drawn fits there is none.

    Parameters
    ----------
    events
        Of which they are drawn.
    held
        Clips of the sound under the motion.
    label
        Name of the motion that is injected.
    """
    rng = np.random.default_rng([seed, 42])
    sound = np.array(under(recording, held, seed=seed).values[:, 0], dtype=np.float64)
    worn = _worn(recording, events)
    edges_s = np.linspace(recording.start_s, recording.stop_s, count + 1)
    parts = [_placed(recording, events, worn, span, rng) for span in pairwise(edges_s.tolist())]
    placed = [one for one in parts if one is not None]
    for event, at_s in placed:
        _mix(sound, event, at_s - recording.start_s)
    audio = Stream.uniform(
        "audio", np.clip(sound, -1, 1).astype(np.float32), rate_hz=RATE_HZ, start_s=recording.start_s
    )
    if not placed:
        return recording.with_streams(audio)
    overlays = [cut_event(one.recording, one.start_s, one.stop_s, label=label) for one, _ in placed]
    made = inject(recording, overlays, at_s=[at_s for _, at_s in placed], worn=worn, tier="injected")
    rows = [
        (at_s + first_s, at_s + last_s, name, tier, "simulator")
        for event, at_s in placed
        for first_s, last_s, name, tier in event.truths
    ]
    labels = pd.concat([made.labels, label_table(rows)]).sort_values("start_s", kind="stable", ignore_index=True)
    return made.with_labels(labels, labelled=recording.labelled).with_streams(audio)


def _placed(
    recording: Recording,
    events: Sequence[Event],
    worn: tuple[Side, Side],
    span: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Event, float] | None:
    """Return an event and when it begins in a part of a recording; None where none that was drawn fits."""
    free = _free(recording)
    for _ in range(_TRIES):
        event = events[int(rng.integers(len(events)))]
        spare_s = span[1] - span[0] - event.duration_s - 2 * _EDGE_S - _WAY_BACK_S
        at_s = span[0] + _EDGE_S + rng.uniform(0.0, max(0.0, spare_s))
        whole = (free[:, 0] <= at_s) & (free[:, 1] >= at_s + event.duration_s + _WAY_BACK_S)
        if spare_s >= 0 and whole.any() and _down(recording, at_s, worn) @ event.down >= np.cos(_ALIKE_RAD):
            return event, at_s
    return None


def _worn(recording: Recording, events: Sequence[Event]) -> tuple[Side, Side]:
    """Return how a watch was worn; where nobody says so, as it lies most like where these events begin."""
    if recording.wrist is not None and recording.crown is not None:
        return sides(recording)
    begun = np.array([one.down for one in events])
    times_s = np.arange(recording.start_s + _DOWN_S, recording.stop_s - _DOWN_S, 1.0)

    def likeness(worn: tuple[Side, Side]) -> float:
        return float(np.nansum([(begun @ _down(recording, at_s, worn)).max() for at_s in times_s.tolist()]))

    return max(WRIST_SIGNS, key=likeness)


def _down(recording: Recording, at_s: float, worn: tuple[Side, Side]) -> FloatArray:
    """Return the direction of gravity (3,) about a second, in the axes of the wrist; NaN where nothing was recorded."""
    near = np.asarray(recording["accel"].between(at_s - _DOWN_S, at_s + _DOWN_S).values, dtype=np.float64)
    mean = near[np.isfinite(near).all(axis=1)].mean(axis=0) if len(near) else np.full(3, np.nan)
    return np.asarray(mean / np.linalg.norm(mean) * np.array(WRIST_SIGNS[worn]))


def sides(recording: Recording) -> tuple[Side, Side]:
    """Return (wrist, crown) of a recording that states both."""
    if recording.wrist is None or recording.crown is None:
        raise ValueError(f"recording {recording.id} says wrist {recording.wrist!r} and crown {recording.crown!r}")
    return recording.wrist, recording.crown


def _mix(sound: FloatArray, event: Event, after_s: float) -> None:
    """Add what is heard of an event to the sound under it."""
    heard = np.asarray(event.recording["audio"].between(event.start_s, event.stop_s).values[:, 0], dtype=np.float64)
    first = round(after_s * RATE_HZ)
    part = heard[: len(sound) - first] * _edges(min(len(heard), len(sound) - first))
    sound[first : first + len(part)] += part


def _edges(count: int) -> FloatArray:
    """Return a gain (n,) that comes and goes at the ends."""
    return np.asarray(np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / (_FADE_S * RATE_HZ)))


def _free(recording: Recording) -> FloatArray:
    whole = np.array([[recording.start_s, recording.stop_s]])
    return subtract(whole, np.concatenate([recording["accel"].gaps, recording["gyro"].gaps]))


def confirmed(cascade: Cascade, held: Sequence[Clip], *, level_db: float) -> pd.DataFrame:
    """Return for each kind of real clip how many there are and the share that would confirm, at one level.

    Takes of one source are one recording, and eight clips of speech give no error rate: the figures say what a kind of
    sound does, not how often.
    """
    confirm, policy = cascade.confirm, cascade.policy
    columns = [confirm.spec.classes.index(name) for name in cascade.confirm_classes]
    rows = []
    for one in held:
        samples = np.clip(one.samples * at_level(level_db), -1, 1).astype(np.float32)
        recording = Recording.of([Stream.uniform("audio", samples, rate_hz=RATE_HZ, start_s=0.0)])
        score = confirm.scores(recording).values[:, columns].max(axis=1).astype(np.float64)
        smooth = min(confirm.spec.decoder.smooth, len(score))
        means = np.convolve(score, np.full(smooth, 1 / max(1, smooth)), "valid") if smooth else np.zeros(1)
        rows.append((one.kind, bool(means.max() >= policy.confirm_high)))
    table = pd.DataFrame(rows, columns=["kind", "confirmed"]).groupby("kind")["confirmed"].agg(["size", "mean"])
    return table.rename(columns={"size": "clips", "mean": "confirmed"}).assign(level_db=level_db)
