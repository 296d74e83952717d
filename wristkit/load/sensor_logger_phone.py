"""Sensor Logger on the phone: an iPhone or Android beside the watch, or alone.

iOS writes Core Motion's signs, Android the opposite ones, and "Standardise Units & Frames" makes both Android's; user
acceleration and gravity are always in m/s2. Gravity and user acceleration are two files of the same stamps on iOS, and
their sum is the acceleration; Android has a file of its own for it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track
from wristkit.load.motion import MOST_ROWS_COMPARED, check_quaternions, gravity_along_down
from wristkit.load.rows import Scale
from wristkit.load.sensor_logger import WATCH_FILES
from wristkit.load.sensor_logger_export import (
    ALTITUDE,
    METADATA,
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
    version_of,
)
from wristkit.recording import STANDARD_GRAVITY

USER, GRAVITY, TOTAL = "Accelerometer.csv", "Gravity.csv", "TotalAcceleration.csv"
GYRO, MAGNET, AIR, LIGHT, STEPS = "Gyroscope.csv", "Magnetometer.csv", "Barometer.csv", "Light.csv", "Pedometer.csv"
ATTITUDE, LOUDNESS = "Orientation.csv", "Microphone.csv"
PHONE_FILES = (USER, GRAVITY, TOTAL, GYRO, MAGNET, AIR)

_XYZ = ("x", "y", "z")
_QUATERNION = ("qw", "qx", "qy", "qz")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((USER, GRAVITY, TOTAL, GYRO, MAGNET), _XYZ),
    AIR: ("pressure",),
    LIGHT: ("lux",),
    STEPS: ("steps",),
    ATTITUDE: (),  # old versions wrote angles alone
    LOUDNESS: ("dBFS",),
}
_OPTIONAL: Mapping[str, tuple[str, ...]] = {AIR: (ALTITUDE,), ATTITUDE: _QUATERNION}
_ACCELERATION = (USER, GRAVITY, TOTAL)

_STANDARDISES_SINCE = (1, 29)
_LEAST_ALONG_DOWN = 0.9  # of gravity; less shows neither sign
_MOST_APART_NS = 100_000_000


class _Signs(NamedTuple):
    """Whether acceleration has Core Motion's signs, and what to say of how that is known."""

    core_motion: bool
    remarks: tuple[Remark, ...] = ()


def recognises(path: Path) -> bool:
    """Return whether an export holds sensors of a phone and none of a watch; ``format=`` asks for it beside one."""
    return holds(path, PHONE_FILES) and not holds(path, WATCH_FILES)


def read(path: Path, request: Request) -> Gathered:
    """Return what the phone recorded."""
    with opened(path, PHONE_FILES) as members:
        metadata = metadata_of(members)
        files = {
            file: rows_of(members, file, columns, request, optional=_OPTIONAL.get(file, ()))
            for file, columns in _COLUMNS.items()
        }
        held = {file: rows for file, rows in files.items() if len(rows.time_ns)}
        if not held:
            raise EmptyRecordingError("its files hold no rows", code="empty", remedy="export it again", file=path)
        notes = notes_of(members, request)
        signs = _signs(files, metadata)
        tracks, of_motion = _of_motion(files, request, core_motion=signs.core_motion)
        sound, of_sound, sounds = sounds_of(
            members, "Microphone", request, loudness=files[LOUDNESS], held=list(held.values())
        )
        empty = [rows for rows in files.values() if not len(rows.time_ns)]
        attitude_left_out = ATTITUDE in held and "attitude" not in {track.name for track in tracks}
        read_files = {*files, *sounds} - ({ATTITUDE} if attitude_left_out else set())
        return Gathered(
            tracks=[*tracks, *_of_surroundings(files, request), *sound],
            marks=marks_of(notes),
            remarks=[*signs.remarks, *of_motion, *of_sound, *of_export(members, notes, empty, metadata, read_files)],
            zone=metadata.get("recording timezone") or None,
            source=source_of_export(path, "sensor_logger_phone", metadata, list(held.values())),
        )


def _signs(files: Mapping[str, Rows], metadata: Mapping[str, str]) -> _Signs:
    """Return the signs of acceleration: Core Motion's on iOS unless standardised, the opposite ones otherwise."""
    platform, standardised = metadata.get("platform", "").strip().lower(), is_standardised(metadata)
    if not any(len(files[file].time_ns) for file in _ACCELERATION):
        return _Signs(platform == "ios" and standardised is False)
    if platform not in {"ios", "android"}:
        raise RecordingError(
            f"its platform is {platform or 'not stated'!r}, expected ios or android: they write opposite signs",
            code="platform_missing",
            remedy="export Metadata.csv, too",
            file=METADATA,
        )
    if platform == "android" or standardised is not None:
        return _Signs(platform == "ios" and not standardised)
    return _undeclared_signs(files, metadata)


def _undeclared_signs(files: Mapping[str, Rows], metadata: Mapping[str, str]) -> _Signs:
    """Return the signs of an iPhone that does not state them: what its attitude shows, else those of old versions."""
    count = max(len(files[file].time_ns) for file in _ACCELERATION)
    along = _gravity_along_down(files) / STANDARD_GRAVITY
    if _LEAST_ALONG_DOWN <= abs(along) <= 1 / _LEAST_ALONG_DOWN:
        signs = "Core Motion's" if along > 0 else "opposite to Core Motion's, and were turned"
        note = f"no metadata state the signs of acceleration; attitude shows that they are {signs}"
        return _Signs(core_motion=along > 0, remarks=(Remark("sign_from_data", count, note, "nothing"),))
    version = version_of(metadata)
    if version is not None and version >= _STANDARDISES_SINCE:
        raise RecordingError(
            f"version {metadata['appVersion']} writes either sign, and neither metadata nor attitude show which it was",
            code="sign_unknown",
            remedy="export Metadata.csv with its column 'standardisation', or add it: true where that setting was on",
            file=METADATA,
        )
    which = "an unstated version" if version is None else f"version {metadata['appVersion']}"
    note = f"acceleration of {which} was read with Core Motion's signs: versions before 1.29 knew no other on iOS"
    remark = Remark("sign_assumed", count, note, "check that gravity.z is -1 while it lies face up")
    return _Signs(core_motion=True, remarks=(remark,))


def _gravity_along_down(files: Mapping[str, Rows]) -> float:
    """Return gravity (m/s2) along the down of the attitude nearest in time; NaN where there is none."""
    attitude, gravity = files[ATTITUDE], files[GRAVITY]
    if _QUATERNION[0] not in attitude.columns or not len(gravity.time_ns):
        return float("nan")
    step = -(-len(attitude.time_ns) // MOST_ROWS_COMPARED)
    time_ns = attitude.time_ns[::step]
    at = np.searchsorted(gravity.time_ns, time_ns).clip(max=len(gravity.time_ns) - 1)
    near = np.abs(gravity.time_ns[at] - time_ns) <= _MOST_APART_NS
    if not near.any():
        return float("nan")
    columns = {name: attitude.columns[name][::step][near] for name in _QUATERNION}
    columns |= {name: gravity.columns[name][at[near]] for name in _XYZ}
    return gravity_along_down(Rows(ATTITUDE, time_ns[near], columns), _QUATERNION, _XYZ)


def _of_motion(files: Mapping[str, Rows], request: Request, *, core_motion: bool) -> tuple[list[Track], list[Remark]]:
    """Return acceleration, its parts, rotation and attitude; attitude only in the frame that Core Motion has."""
    to_g = Scale((1 if core_motion else -1) / STANDARD_GRAVITY)
    tracks = [
        *plain_track(files[TOTAL], "accel", _XYZ, request, scale=to_g),
        *plain_track(files[USER], "user_accel", _XYZ, request, scale=to_g),
        *plain_track(files[GRAVITY], "gravity", _XYZ, request, scale=to_g),
        *plain_track(files[GYRO], "gyro", _XYZ, request),
    ]
    if core_motion and _QUATERNION[0] in files[ATTITUDE].columns:
        check_quaternions(files[ATTITUDE], _QUATERNION)
        tracks += plain_track(files[ATTITUDE], "attitude", _QUATERNION, request)
    summed, remarks = _sum(files, request, to_g) if not len(files[TOTAL].time_ns) else ([], [])
    return [*summed, *tracks], remarks


def _sum(files: Mapping[str, Rows], request: Request, to_g: Scale) -> tuple[list[Track], list[Remark]]:
    """Return acceleration with gravity where both parts have the same stamps."""
    user, gravity = files[USER], files[GRAVITY]
    if not len(user.time_ns) or not len(gravity.time_ns):
        return [], []
    if not np.array_equal(user.time_ns, gravity.time_ns):
        note = "user acceleration and gravity have other stamps, so they were not added to acceleration"
        return [], [Remark("not_added", len(user.time_ns), note, "resample both, and add them", "user_accel")]
    values = request.spool.mapped(
        lambda *block: (np.stack(block[:3]) + np.stack(block[3:])).T * to_g.factor,
        *(rows.columns[name] for rows in (user, gravity) for name in _XYZ),
    )
    return [Track("accel", values, user.time_ns, remarks=user.remarks)], []


def _of_surroundings(files: Mapping[str, Rows], request: Request) -> list[Track]:
    return [
        *plain_track(files[MAGNET], "mag", _XYZ, request),
        *plain_track(files[AIR], "pressure", ("pressure",), request, scale=Scale(0.1)),  # mbar
        *altitude_track(files[AIR], request),
        *plain_track(files[LIGHT], "light", ("lux",), request),
        *plain_track(files[STEPS], "steps", ("steps",), request),
        *plain_track(files[LOUDNESS], "loudness", ("dBFS",), request, unit="dBFS"),
    ]
