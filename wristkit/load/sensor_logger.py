"""Sensor Logger on the watch: motion, heart rate, pressure, magnetic field and sound.

By default the watch writes Core
Motion's units and signs; with "Standardise Units & Frames" it writes m/s2 with the signs flipped, which versions before
1.63 did not always do. The data say which it was: gravity has a known length, and attitude a known sense of down.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.beats import without_sentinels
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track
from wristkit.load.motion import check_quaternions, gravity_along_down, median_of
from wristkit.load.rows import Scale
from wristkit.load.sensor_logger_export import (
    ALTITUDE,
    altitude_track,
    holds,
    is_standardised,
    marks_of,
    metadata_of,
    notes_of,
    of_export,
    opened,
    plain_track,
    rows_of,
    sounds_of,
    source_of_export,
    stated_hz,
    version_of,
)
from wristkit.recording import STANDARD_GRAVITY, FloatArray

MOTION, HEART, PRESSURE, MAGNET, LOUDNESS = (
    *("WristMotion.csv", "HeartRate.csv", "WatchBarometer.csv", "WatchMagnetometer.csv"),
    "WatchMicrophone.csv",
)
WATCH_FILES = (MOTION, HEART, PRESSURE, MAGNET)

_GYRO = ("rotationRateX", "rotationRateY", "rotationRateZ")
_GRAVITY = ("gravityX", "gravityY", "gravityZ")
_USER = ("accelerationX", "accelerationY", "accelerationZ")
_ATTITUDE = ("quaternionW", "quaternionX", "quaternionY", "quaternionZ")

_FLAG_HOLDS_SINCE = (1, 63)


def recognises(path: Path) -> bool:
    """Return whether an export holds a sensor of a watch under this app's names."""
    return holds(path, WATCH_FILES)


def read(path: Path, request: Request) -> Gathered:
    """Return what the watch recorded; the phone's sensors are another device, which the findings name as not read."""
    with opened(path, WATCH_FILES) as members:
        metadata = metadata_of(members)
        columns = (*_GYRO, *_GRAVITY, *_USER)
        motion = rows_of(members, MOTION, columns, request, optional=_ATTITUDE, may_be_empty=False)
        heart = rows_of(members, HEART, ("bpm",), request)
        air = rows_of(members, PRESSURE, ("pressure",), request, optional=(ALTITUDE,))
        magnet = rows_of(members, MAGNET, ("x", "y", "z"), request)
        loudness = rows_of(members, LOUDNESS, ("dBFS",), request)
        notes = notes_of(members, request)
        everything = [motion, heart, air, magnet, loudness]
        held = [one for one in everything if len(one.time_ns)]
        if not held:
            raise EmptyRecordingError("its files hold no rows", code="empty", remedy="export it again", file=path)
        sound, of_sound, sounds = sounds_of(members, "WatchMicrophone", request, loudness=loudness, held=held)
        kilo = Scale(0.1 if is_standardised(metadata) else 1.0)  # mbar where standardised, kPa otherwise
        return Gathered(
            tracks=[
                *_of_motion(motion, metadata, request),
                *_of_heart(heart, request),
                *plain_track(air, "pressure", ("pressure",), request, scale=kilo),
                *altitude_track(air, request),
                *plain_track(magnet, "mag", ("x", "y", "z"), request),
                *plain_track(loudness, "loudness", ("dBFS",), request, unit="dBFS"),
                *sound,
            ],
            marks=marks_of(notes),
            remarks=[
                *of_sound,
                *of_export(
                    members,
                    notes,
                    [one for one in everything if not len(one.time_ns)],
                    metadata,
                    {one.file for one in everything} | sounds,
                ),
            ],
            zone=metadata.get("recording timezone") or None,
            source=source_of_export(path, "sensor_logger", metadata, [*held, *([notes] if len(notes.time_ns) else [])]),
        )


def _of_motion(motion: Rows, metadata: Mapping[str, str], request: Request) -> list[Track]:
    """Return the streams of the watch's motion in Core Motion's units and signs."""
    if not len(motion.time_ns):
        return []
    scale, remarks = _scale(motion, metadata)
    said = (*motion.remarks, *remarks)
    rate_hz = stated_hz(metadata, "Wrist Motion")

    def track(name: str, *parts: Sequence[str], factor: float = 1.0) -> Track:
        columns = [motion.columns[column] for part in parts for column in part]
        values = request.spool.mapped(lambda *block: _summed(block, len(parts)) * factor, *columns)
        return Track(name, values, motion.time_ns, stated_rate_hz=rate_hz, remarks=said)

    tracks = [
        track("accel", _GRAVITY, _USER, factor=scale),
        track("user_accel", _USER, factor=scale),
        track("gravity", _GRAVITY, factor=scale),
        track("gyro", _GYRO),
    ]
    if _ATTITUDE[0] in motion.columns:
        check_quaternions(motion, _ATTITUDE)
        tracks.append(track("attitude", _ATTITUDE))
    return tracks


def _summed(columns: Sequence[FloatArray], parts: int) -> FloatArray:
    """Return (n, c): the sum of ``parts`` groups of c columns each."""
    total: FloatArray = np.stack(columns).reshape(parts, -1, len(columns[0])).sum(axis=0)
    return total.T  # column after column in memory, as all who read it go through it


def _scale(motion: Rows, metadata: Mapping[str, str]) -> tuple[float, tuple[Remark, ...]]:
    """Return the factor to g in Core Motion's signs, from what the data say; raise where the flag says otherwise."""
    standardised = _measured_unit(motion) == "m/s2"
    _check_sense_of_down(motion, flipped=standardised)
    factor = -1 / STANDARD_GRAVITY if standardised else 1.0
    declared = is_standardised(metadata)
    if declared is None:
        return factor, (_unit_from_data(motion, standardised=standardised),)
    if declared == standardised:
        return factor, ()
    version = version_of(metadata)
    if declared and version is not None and version < _FLAG_HOLDS_SINCE:
        note = f"version {metadata['appVersion']} states standardised units and wrote g with Core Motion's signs"
        return factor, (Remark("standardisation_ignored", len(motion.time_ns), note, "nothing; it was read as g"),)
    raise RecordingError(
        f"its metadata state {'m/s2' if declared else 'g'}, its gravity is in {'m/s2' if standardised else 'g'}",
        code="unit_contradicts",
        remedy="find out which is true, and correct 'standardisation' in Metadata.csv",
        file=motion.file,
    )


def _unit_from_data(motion: Rows, *, standardised: bool) -> Remark:
    """Return what to say where no metadata state the unit: what it was read as, and what shows it."""
    unit = "m/s2, whose signs are opposite to Core Motion's" if standardised else "g with Core Motion's signs"
    signs = "attitude confirms the signs" if _ATTITUDE[0] in motion.columns else "nothing is there to check the signs"
    note = f"no metadata state the unit; read as {unit}: the length of gravity shows the unit, {signs}"
    return Remark("unit_from_data", len(motion.time_ns), note, "export Metadata.csv, too")


def _measured_unit(motion: Rows) -> str:
    """Return the unit that the length of gravity shows."""
    length = median_of(motion, _GRAVITY, lambda gravity: np.linalg.norm(gravity, axis=1))
    for unit, low, high in (("g", 0.9, 1.1), ("m/s2", 8.8, 10.8)):
        if low <= length <= high:
            return unit
    raise RecordingError(
        f"gravity has a length of {length:.3g}, expected 1 (g) or 9.81 (m/s2)",
        code="unit",
        remedy="check the gravity columns of the export",
        file=motion.file,
    )


def _check_sense_of_down(motion: Rows, *, flipped: bool) -> None:
    """Raise where gravity does not point down as attitude, which is never standardised, has it."""
    if _ATTITUDE[0] in motion.columns and gravity_along_down(motion, _ATTITUDE, _GRAVITY) * (-1) ** flipped < 0:
        raise RecordingError(
            "gravity points away from where the attitude has down",
            code="sign_contradicts",
            remedy="the export mixes the signs of two conventions; record again with one setting",
            file=motion.file,
        )


def _of_heart(heart: Rows, request: Request) -> list[Track]:
    """Return beats a minute with NaN where the sensor had none."""
    if not len(heart.time_ns):
        return []
    bpm, absent = without_sentinels(heart.matrix(("bpm",)), request.spool, also=(255,))
    return [Track("heart_rate", bpm, heart.time_ns, remarks=(*heart.remarks, *absent))]
