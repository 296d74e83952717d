"""Two minutes of one person as six files: what five devices on her wrist, and a microphone near it, would have written.

All devices see one motion, each by its own clock, rate, unit and signs. Pulse, skin and sound are shaped by formulas.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from wristkit.recording import STANDARD_GRAVITY, FloatArray, Recording
from wristkit.simulate.formats import (
    axivity_cwa,
    empatica_beats,
    empatica_csv,
    health_record,
    health_workout,
    health_xml,
    sensor_logger_files,
    zipped,
)
from wristkit.simulate.people import Person
from wristkit.simulate.sensor import WATCH, SensorParams
from wristkit.simulate.session import STREAMS, Plan, session

RAW_SEED = 2126
RAW_START = pd.Timestamp("2026-03-02T07:30:00Z")
RAW_ZONE = "Europe/Paris"
RAW_PLAN: Plan = (("resting", 25.0), ("walking", 45.0), ("washing", 25.0), ("typing", 25.0))

_AX3_RATE_HZ = 98.6  # 1.4 % below the 100 Hz that its header states, as many real ones are
_E4_RATE_HZ, _E4_PPG_HZ, _E4_SKIN_HZ = 32.0, 64.0, 4.0
_E4_LATE_S, _E4_MOTION_S, _E4_SKIN_S, _E4_HEART_LATE_S = 3, 115.0, 114.0, 10
_E4_COUNTS_PER_G, _E4_MOST_COUNTS = 64, 127
_ANDROID = SensorParams(rate_hz=52.0, stamp_jitter_s=0.0004, stamp_step_s=0.001)
_WATCH_MODEL, _PHONE_MODEL = "Watch6,2", "iPhone14,2"
_WATER_HZ, _WATER_S, _WATER_BAND_HZ, _WATER_PEAK = 16_000, 4.0, (500.0, 5_000.0), 0.2


class _Minutes(NamedTuple):
    """Who does it, and how any sensor records it."""

    person: Person

    def seen_by(self, sensor: SensorParams) -> Recording:
        """Return the same motion as this sensor records it."""
        return session(self.person, seed=RAW_SEED, plan=RAW_PLAN, sensor=sensor, streams=STREAMS, start=RAW_START)

    def rng(self, number: int) -> np.random.Generator:
        """Return the generator of one file."""
        return np.random.default_rng([RAW_SEED, 4, number])


def write_raw(folder: Path, person: Person) -> list[dict[str, object]]:
    """Write the two minutes of a person in every format, and return an entry of the manifest for each file."""
    minutes = _Minutes(person)
    entries: list[dict[str, object]] = []
    for name, (format_name, contents, description) in _FILES.items():
        content = contents(minutes)
        (folder / name).write_bytes(content)
        entries.append(
            {
                "name": name,
                "format": format_name,
                "subject": person.subject,
                "wrist": person.wrist,
                "seed": RAW_SEED,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "simulated": True,
                "description": description,
            }
        )
    return entries


def _watch(minutes: _Minutes) -> bytes:
    return zipped(sensor_logger_files(minutes.seen_by(WATCH), minutes.rng(0)))


def _axivity(minutes: _Minutes) -> bytes:
    worn = minutes.seen_by(SensorParams(rate_hz=_AX3_RATE_HZ, stamp_jitter_s=0.0))
    local = RAW_START.tz_convert(RAW_ZONE).tz_localize(None)
    # Core Motion counts as negative what a force sensor counts as positive.
    return axivity_cwa(-worn.accel.values, rate_hz=_AX3_RATE_HZ, local_start=local, wrist=minutes.person.wrist)


def _android(minutes: _Minutes) -> bytes:
    worn = minutes.seen_by(_ANDROID)
    epoch_ms = RAW_START.value // 10**6 + np.round(worn.accel.time * 1e3).astype(np.int64)
    accel, gyro = -STANDARD_GRAVITY * worn.accel.values.astype(float), np.degrees(worn.gyro.values.astype(float))
    columns = {"epoch_ms": epoch_ms}
    columns |= {f"acc_{axis}": [f"{value:.4f}" for value in accel[:, place]] for place, axis in enumerate("xyz")}
    columns |= {f"gyr_{axis}": [f"{value:.3f}" for value in gyro[:, place]] for place, axis in enumerate("xyz")}
    return pd.DataFrame(columns).to_csv(None, index=False, lineterminator="\n").encode()


# ---- Empatica E4 ----


def _empatica(minutes: _Minutes) -> bytes:
    """Return a session that begins some seconds late; its files begin and end at different times, as on the device."""
    worn, rng = minutes.seen_by(SensorParams(rate_hz=_E4_RATE_HZ, stamp_jitter_s=0.0)), minutes.rng(1)
    start_s = RAW_START.timestamp() + _E4_LATE_S
    first, stop = (round(second * _E4_RATE_HZ) for second in (_E4_LATE_S, _E4_LATE_S + _E4_MOTION_S))
    counts = np.clip(np.round(-_E4_COUNTS_PER_G * worn.accel.values[first:stop]), -_E4_MOST_COUNTS, _E4_MOST_COUNTS)
    beats = _beats(worn)
    found = _found(beats, worn)
    files = {
        "ACC.csv": empatica_csv(start_s, _E4_RATE_HZ, counts, decimals=0),
        "BVP.csv": empatica_csv(start_s, _E4_PPG_HZ, _pulse(worn, rng), decimals=2),
        "EDA.csv": empatica_csv(start_s, _E4_SKIN_HZ, _sweat(), decimals=6),
        "TEMP.csv": empatica_csv(start_s, _E4_SKIN_HZ, _warmth(), decimals=2),
        "HR.csv": empatica_csv(start_s + _E4_HEART_LATE_S, 1.0, _running_mean(worn), decimals=2),
        "IBI.csv": empatica_beats(start_s, beats[1:][found] - _E4_LATE_S, np.diff(beats)[found]),
        "tags.csv": "".join(f"{RAW_START.timestamp() + at:.2f}\n" for at in (25.4, 70.7, 95.5)),
        "info.txt": "simulated\n",
    }
    return zipped(files)


def _phase(worn: Recording) -> tuple[FloatArray, FloatArray]:
    """Return seconds (n,), and the beats (n,) that the heart has made since the start of its session."""
    second = _E4_LATE_S + np.arange(0, _E4_MOTION_S, 1 / _E4_PPG_HZ, dtype=np.float64)
    bpm = np.interp(second, worn.heart_rate.time, worn.heart_rate.values[:, 0])
    return second, np.cumsum(bpm) / 60 / _E4_PPG_HZ


def _beats(worn: Recording) -> FloatArray:
    """Return the second of each beat, in the 64ths of a second in which the device counts."""
    second, phase = _phase(worn)
    beats = np.interp(np.arange(1, int(phase[-1]) + 1), phase, second)
    return np.asarray(np.round(beats * _E4_PPG_HZ) / _E4_PPG_HZ)


def _found(beats: FloatArray, worn: Recording) -> npt.NDArray[np.bool_]:
    """Return which intervals the device finds: none while the arm moves."""
    labels = worn.labels
    still = labels[labels["label"].isin(["resting", "typing"])]
    spans = zip(still["start_s"], still["stop_s"], strict=True)
    return np.asarray(np.any([(beats[:-1] >= start) & (beats[1:] < stop) for start, stop in spans], axis=0))


def _pulse(worn: Recording, rng: np.random.Generator) -> FloatArray:
    turn = 2 * np.pi * _phase(worn)[1]
    pulse = -55 * (np.sin(turn) + 0.4 * np.sin(2 * turn + 0.7)) + rng.normal(0, 4, len(turn))
    return np.asarray(pulse[:, None])


def _skin_s() -> FloatArray:
    return np.arange(round(_E4_SKIN_S * _E4_SKIN_HZ)) / _E4_SKIN_HZ


def _sweat() -> FloatArray:
    """Return microsiemens (n, 1): a slow rise, and two responses that rise fast and fall slowly."""
    second, level = _skin_s(), 0.31 + 0.0006 * _skin_s()
    for start_s, size in ((24.0, 0.12), (69.0, 0.07)):
        after = np.clip(second - start_s, 0, None)
        level = level + size * 2.2 * (np.exp(-after / 12) - np.exp(-after / 1.8))
    return np.asarray(level[:, None])


def _warmth() -> FloatArray:
    return np.asarray(np.round(31.4 + 0.9 * (1 - np.exp(-_skin_s() / 50)), 2)[:, None])


def _running_mean(worn: Recording) -> FloatArray:
    """Return beats a minute (n, 1), once a second, over the ten seconds before."""
    at_s = np.arange(_E4_LATE_S + _E4_HEART_LATE_S, _E4_LATE_S + _E4_MOTION_S - 4)
    before, now = np.interp([at_s - _E4_HEART_LATE_S, at_s], *_phase(worn))
    return np.asarray(((now - before) * 60 / _E4_HEART_LATE_S)[:, None])


# ---- Apple Health ----


def _health(minutes: _Minutes) -> bytes:
    """Return an export of watch and phone: heart rate, both devices' steps of one walk, and the walk as a workout."""
    worn, rng = minutes.seen_by(WATCH), minutes.rng(2)
    walk = worn.labels.query("label == 'walking'").iloc[0]
    first_s, last_s = float(walk["start_s"]), float(walk["stop_s"])
    elements = [
        *_steps(minutes.person, first_s, last_s, every_s=9.0, model=_WATCH_MODEL, share=1.0),
        *_steps(minutes.person, first_s, last_s, every_s=15.0, model=_PHONE_MODEL, share=0.9),
        *_hearts(worn, first_s, last_s, rng),
        health_workout("Walking", span=(_at(first_s), _at(last_s)), model=_WATCH_MODEL),
    ]
    return health_xml(elements, exported=_at(3600.0)).encode()


def _at(second: float) -> pd.Timestamp:
    return (RAW_START + pd.Timedelta(seconds=round(second))).tz_convert(RAW_ZONE)


def _steps(person: Person, first_s: float, last_s: float, *, every_s: float, model: str, share: float) -> list[str]:
    starts = np.arange(first_s, last_s - 0.5, every_s)
    return [
        health_record(
            "StepCount",
            str(round(share * person.cadence_hz * every_s)),
            unit="count",
            span=(_at(start), _at(start + every_s)),
            model=model,
        )
        for start in starts.tolist()
    ]


def _hearts(worn: Recording, first_s: float, last_s: float, rng: np.random.Generator) -> list[str]:
    """Return the heart rates in an order of their own: an export does not sort them."""
    heart = worn.heart_rate
    records = [
        health_record(
            "HeartRate",
            f"{bpm:.0f}",
            unit="count/min",
            span=(_at(second), _at(second)),
            model=_WATCH_MODEL,
            context=_context(second, first_s, last_s),
        )
        for second, bpm in zip(heart.time.tolist(), heart.values[:, 0].tolist(), strict=True)
    ]
    return [records[place] for place in rng.permutation(len(records))]


def _context(second: float, first_s: float, last_s: float) -> int:
    """Return what the watch says of motion: nothing at first, then 2 on the walk and 1 off it."""
    if second < 8:
        return 0
    return 2 if first_s <= second <= last_s else 1


# ---- sound ----


def _water(minutes: _Minutes) -> bytes:
    """Return shaped noise as FLAC: a band of it that swells and bubbles, not a recording of water."""
    import io

    import soundfile

    rng, count = minutes.rng(3), round(_WATER_HZ * _WATER_S)
    band = butter(2, _WATER_BAND_HZ, btype="bandpass", fs=_WATER_HZ, output="sos")
    swell = gaussian_filter1d(rng.standard_normal(count), _WATER_HZ / 40)
    sound = sosfilt(band, rng.standard_normal(count)) * np.exp(0.5 * swell / swell.std())
    file = io.BytesIO()
    samples = np.round(_WATER_PEAK * sound / np.abs(sound).max() * 32767).astype(np.int16)
    soundfile.write(file, samples, _WATER_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


_FILES: Mapping[str, tuple[str, Callable[[_Minutes], bytes], str]] = MappingProxyType(
    {
        "raw_watch.zip": ("sensor_logger", _watch, "a watch by Sensor Logger: g and rad/s, signs of Core Motion"),
        "raw_axivity.cwa": ("axivity", _axivity, "an AX3: 1.4 % slower than it states, wall clock, signs of its own"),
        "raw_empatica.zip": ("empatica_e4", _empatica, "an E4: 64ths of g, pulse and skin by formulas, three tags"),
        "raw_health.xml": ("apple_health", _health, "heart rate, steps of watch and phone, a workout; malformed DTD"),
        "raw_android.csv": ("table", _android, "a table of an Android watch: m/s2 and deg/s, signs of Android"),
        "raw_water.flac": ("sound", _water, "4 s of shaped noise in place of running water"),
    }
)
