"""Sensor Logger on the watch: motion, heart rate, pressure, magnetic field and sound.

By default an Apple Watch writes Core Motion's units and signs; with "Standardise Units & Frames" it writes m/s2 with
the signs flipped, which versions before 1.63 did not always do. The data say which it was: gravity has a known length,
and attitude a known sense of down. What Wear OS writes no page says, so that its signs are those that attitude shows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track
from wristkit.load.motion import check_quaternions, gravity_along_down, median_of
from wristkit.load.rows import Scale
from wristkit.load.sensor_logger_export import (
    ALTITUDE,
    HEART,
    MOTION,
    OF_HEART,
    OF_PHONE,
    OF_WATCH,
    WATCH_AIR,
    WATCH_MAGNET,
    WRIST_GRAVITY,
    WRIST_GYRO,
    WRIST_USER,
    XYZ,
    Export,
    altitude_track,
    export_of,
    gathered,
    has_core_motions_signs,
    heart_track,
    holds,
    is_standardised,
    metres,
    of_unit,
    opened,
    plain_track,
    platform_of,
    sign_unknown,
    stated_hz,
    version_of,
)
from wristkit.recording import STANDARD_GRAVITY, FloatArray

_MICROPHONE = "WatchMicrophone"
_LOUDNESS = f"{_MICROPHONE}.csv"
_ATTITUDE = ("quaternionW", "quaternionX", "quaternionY", "quaternionZ")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    MOTION: (*WRIST_GYRO, *WRIST_GRAVITY, *WRIST_USER),
    HEART: ("bpm",),
    WATCH_AIR: ("pressure",),
    WATCH_MAGNET: XYZ,
    _LOUDNESS: ("dBFS",),
}
_OPTIONAL: Mapping[str, tuple[str, ...]] = {MOTION: _ATTITUDE, WATCH_AIR: (ALTITUDE,)}

_FLAG_HOLDS_SINCE = (1, 63)


class _Frame(NamedTuple):
    """How acceleration becomes g with Core Motion's signs, what it is converted from, and what to say of it."""

    factor: float = 1.0
    given: str = ""
    remarks: tuple[Remark, ...] = ()


_AS_IT_IS = _Frame()


def recognises(path: Path) -> bool:
    """Return whether an export holds a sensor of a watch, or a heart rate and none of a phone, or is one such file."""
    return holds(path, OF_WATCH) or (holds(path, OF_HEART) and not holds(path, OF_PHONE))


def read(path: Path, request: Request) -> Gathered:
    """Return what the watch recorded; the phone's sensors are another device, which the findings name as not read."""
    with opened(path, {**OF_WATCH, **OF_HEART}) as members:
        export = export_of(path, members, _COLUMNS, request, optional=_OPTIONAL, never_empty=(MOTION,))
        tracks = [*_of_motion(export, request), *_of_surroundings(export, request)]
        return gathered(export, tracks, (), request, format_name="sensor_logger", microphone=_MICROPHONE)


def _of_motion(export: Export, request: Request) -> list[Track]:
    """Return the streams of the watch's motion in Core Motion's units and signs."""
    motion = export.files[MOTION]
    count = len(motion.time_ns)
    if not count:
        return []
    in_g = _frame(motion, export.metadata)
    rate_hz = stated_hz(export.metadata, MOTION)

    def track(name: str, *parts: Sequence[str], frame: _Frame = _AS_IT_IS) -> Track:
        columns = [motion.columns[column] for part in parts for column in part]
        values = request.spool.mapped(lambda *block: _summed(block, len(parts)) * frame.factor, *columns)
        said = (*motion.remarks, *frame.remarks, *of_unit(name, frame.given, count))
        return Track(name, values, motion.time_ns, stated_rate_hz=rate_hz, remarks=said)

    tracks = [
        track("accel", WRIST_GRAVITY, WRIST_USER, frame=in_g),
        track("user_accel", WRIST_USER, frame=in_g),
        track("gravity", WRIST_GRAVITY, frame=in_g),
        track("gyro", WRIST_GYRO),
    ]
    if _ATTITUDE[0] in motion.columns:
        check_quaternions(motion, _ATTITUDE)
        tracks.append(track("attitude", _ATTITUDE))
    return tracks


def _summed(columns: Sequence[FloatArray], parts: int) -> FloatArray:
    """Return (n, c): the sum of ``parts`` groups of c columns each."""
    total: FloatArray = np.stack(columns).reshape(parts, -1, len(columns[0])).sum(axis=0)
    return total.T  # column after column in memory, as all who read it go through it


def _of_surroundings(export: Export, request: Request) -> list[Track]:
    """Return all but motion and sound; pressure is in mbar where units are standardised, in kPa otherwise."""
    files, metadata = export.files, export.metadata
    scale, given = (Scale(0.1), "mbar") if is_standardised(metadata) else (Scale(), "")
    air_hz, magnet_hz, loudness_hz = (stated_hz(metadata, one) for one in (WATCH_AIR, WATCH_MAGNET, _LOUDNESS))
    return [
        *heart_track(files[HEART], request),
        *plain_track(
            files[WATCH_AIR], "pressure", ("pressure",), request, scale=scale, given=given, stated_rate_hz=air_hz
        ),
        *altitude_track(files[WATCH_AIR], request),
        *plain_track(files[WATCH_MAGNET], "mag", XYZ, request, stated_rate_hz=magnet_hz),
        *plain_track(files[_LOUDNESS], "loudness", ("dBFS",), request, unit="dBFS", stated_rate_hz=loudness_hz),
    ]


def _frame(motion: Rows, metadata: Mapping[str, str]) -> _Frame:
    """Return how to read acceleration, from what the data say; raise where the metadata say otherwise."""
    unit = _measured_unit(motion)
    size = STANDARD_GRAVITY if unit == "m/s2" else 1.0
    held = _ATTITUDE[0] in motion.columns
    along_g = gravity_along_down(motion, _ATTITUDE, WRIST_GRAVITY) / size if held else float("nan")
    find = _of_wear_os if platform_of(metadata) == "android" else _of_apple
    turned, remarks = find(motion, metadata, unit, along_g)
    return _Frame((-1 if turned else 1) / size, metres(turned=turned) if unit == "m/s2" else "", remarks)


def _of_wear_os(
    motion: Rows, metadata: Mapping[str, str], unit: str, along_g: float
) -> tuple[bool, tuple[Remark, ...]]:
    """Return whether signs are to be turned, which attitude alone shows."""
    shown = has_core_motions_signs(along_g)
    if shown is None:
        raise sign_unknown(
            "its platform is android, which may write either sign, and no attitude shows which it was", motion.file
        )
    signs = "Core Motion's" if shown else "opposite to Core Motion's, and were turned"
    flag = {True: "on", False: "off", None: "not stated"}[is_standardised(metadata)]
    note = (
        f"the platform is android: attitude shows that the signs of acceleration are {signs}; the length of gravity "
        f"shows {unit}; 'Standardise Units & Frames' was {flag}"
    )
    return not shown, (Remark("sign_from_data", len(motion.time_ns), note, "nothing"),)


def _of_apple(motion: Rows, metadata: Mapping[str, str], unit: str, along_g: float) -> tuple[bool, tuple[Remark, ...]]:
    """Return whether signs are to be turned, as they are where the unit is standardised."""
    turned = unit == "m/s2"
    if along_g * (-1) ** turned < 0:
        raise RecordingError(
            "gravity points away from where the attitude has down",
            code="sign_contradicts",
            remedy="if a Wear OS watch wrote it, give it with its Metadata.csv; else the export mixes the signs of two "
            "conventions: record again with one setting",
            file=motion.file,
        )
    checked = not np.isnan(along_g)
    return turned, (
        *_of_flag(motion, metadata, standardised=turned, checked=checked),
        *(() if checked else (_sign_assumed(motion, turned=turned),)),
    )


def _sign_assumed(motion: Rows, *, turned: bool) -> Remark:
    which = "opposite to Core Motion's, as this app has them in m/s2, and turned" if turned else "Core Motion's"
    note = f"there is no attitude to check the signs of acceleration, which were read as {which}"
    return Remark("sign_assumed", len(motion.time_ns), note, "check that gravity.z is -1 while it lies face up")


def _of_flag(motion: Rows, metadata: Mapping[str, str], *, standardised: bool, checked: bool) -> tuple[Remark, ...]:
    """Return what to say of the flag of standardised units; raise where the data say otherwise."""
    declared = is_standardised(metadata)
    if declared is None:
        return (_unit_from_data(motion, standardised=standardised, checked=checked),)
    if declared == standardised:
        return ()
    version = version_of(metadata)
    if declared and version is not None and version < _FLAG_HOLDS_SINCE:
        note = f"version {metadata['appVersion']} states standardised units and wrote g with Core Motion's signs"
        return (Remark("standardisation_ignored", len(motion.time_ns), note, "nothing; it was read as g"),)
    raise RecordingError(
        f"its metadata state {'m/s2' if declared else 'g'}, its gravity is in {'m/s2' if standardised else 'g'}",
        code="unit_contradicts",
        remedy="look whether Metadata.csv is that of this very recording, and export it again",
        file=motion.file,
    )


def _unit_from_data(motion: Rows, *, standardised: bool, checked: bool) -> Remark:
    """Return what to say where no metadata state the unit: what it was read as, and what shows it."""
    unit = "m/s2, whose signs are opposite to Core Motion's" if standardised else "g with Core Motion's signs"
    signs = "attitude confirms the signs" if checked else "nothing is there to check the signs"
    note = f"no metadata state the unit; read as {unit}: the length of gravity shows the unit, {signs}"
    return Remark("unit_from_data", len(motion.time_ns), note, "give it with its Metadata.csv")


def _measured_unit(motion: Rows) -> str:
    """Return the unit that the length of gravity shows."""
    length = median_of(motion, WRIST_GRAVITY, lambda gravity: np.linalg.norm(gravity, axis=1))
    for unit, low, high in (("g", 0.9, 1.1), ("m/s2", 8.8, 10.8)):
        if low <= length <= high:
            return unit
    raise RecordingError(
        f"gravity has a length of {length:.3g}, expected 1 (g) or 9.81 (m/s2)",
        code="unit",
        remedy="check the gravity columns of the export",
        file=motion.file,
    )
