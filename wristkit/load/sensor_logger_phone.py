"""Sensor Logger on the phone: an iPhone or Android beside the watch, or alone.

iOS writes Core Motion's signs, Android the opposite ones, and "Standardise Units & Frames" makes both Android's; user
acceleration and gravity are always in m/s2. Gravity and user acceleration are two files of the same stamps on iOS, and
their sum is the acceleration; Android has a file of its own for it. Where nothing else of a watch lies beside it, the
heart rate of a watch or strap is one more stream.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wristkit.errors import RecordingError
from wristkit.load.gather import Gathered, Remark, Request, Rows, Track
from wristkit.load.motion import MOST_ROWS_COMPARED, check_quaternions, gravity_along_down
from wristkit.load.rows import Scale, no_rows
from wristkit.load.sensor_logger_export import (
    AIR,
    ALTITUDE,
    GRAVITY,
    GYRO,
    HEART,
    MAGNET,
    METADATA,
    OF_HEART,
    OF_PHONE,
    OF_WATCH,
    TOTAL,
    USER,
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
from wristkit.recording import STANDARD_GRAVITY

_MICROPHONE = "Microphone"
_LOUDNESS = f"{_MICROPHONE}.csv"
_LIGHT, _STEPS, _ATTITUDE = "Light.csv", "Pedometer.csv", "Orientation.csv"
_QUATERNION = ("qw", "qx", "qy", "qz")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((USER, GRAVITY, TOTAL, GYRO, MAGNET), XYZ),
    AIR: ("pressure",),
    _LIGHT: ("lux",),
    _STEPS: ("steps",),
    _ATTITUDE: (),  # old versions wrote angles alone
    _LOUDNESS: ("dBFS",),
    HEART: ("bpm",),
}
_OPTIONAL: Mapping[str, tuple[str, ...]] = {AIR: (ALTITUDE,), _ATTITUDE: _QUATERNION}
_ACCELERATION = (USER, GRAVITY, TOTAL)

_STANDARDISES_SINCE = (1, 29)
_MOST_APART_NS = 100_000_000


class _Signs(NamedTuple):
    """Whether acceleration has Core Motion's signs, and what to say of how that is known."""

    core_motion: bool
    remarks: tuple[Remark, ...] = ()


def recognises(path: Path) -> bool:
    """Return whether an export holds sensors of a phone and none of a watch; ``format=`` asks for it beside one."""
    return holds(path, OF_PHONE) and not holds(path, OF_WATCH)


def read(path: Path, request: Request) -> Gathered:
    """Return what the phone recorded, and the heart rate where no watch recorded anything else."""
    with opened(path, OF_PHONE) as members:
        of_another = not holds(path, OF_HEART) or not OF_WATCH.keys().isdisjoint(members.names)
        columns = {file: names for file, names in _COLUMNS.items() if not (file == HEART and of_another)}
        export = export_of(path, members, columns, request, optional=_OPTIONAL)
        signs = _signs(export.files, export.metadata)
        motion, remarks = _of_motion(export, request, core_motion=signs.core_motion)
        attitude_left_out = len(export.files[_ATTITUDE].time_ns) and "attitude" not in {one.name for one in motion}
        return gathered(
            export,
            [*motion, *_of_surroundings(export, request)],
            [*signs.remarks, *remarks],
            request,
            format_name="sensor_logger_phone",
            microphone=_MICROPHONE,
            unread=(_ATTITUDE,) if attitude_left_out else (),
        )


def _signs(files: Mapping[str, Rows], metadata: Mapping[str, str]) -> _Signs:
    """Return the signs of acceleration: Core Motion's on iOS unless standardised, the opposite ones otherwise."""
    platform, standardised = platform_of(metadata), is_standardised(metadata)
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
    shown = has_core_motions_signs(along)
    if shown is not None:
        signs = "Core Motion's" if shown else "opposite to Core Motion's, and were turned"
        note = f"no metadata state the signs of acceleration; attitude shows that they are {signs}"
        return _Signs(core_motion=shown, remarks=(Remark("sign_from_data", count, note, "nothing"),))
    version = version_of(metadata)
    if version is not None and version >= _STANDARDISES_SINCE:
        what = (
            f"version {metadata['appVersion']} writes either sign, and neither metadata nor attitude show which it was"
        )
        raise sign_unknown(what, METADATA)
    which = "an unstated version" if version is None else f"version {metadata['appVersion']}"
    note = f"acceleration of {which} was read with Core Motion's signs: versions before 1.29 knew no other on iOS"
    remark = Remark("sign_assumed", count, note, "check that gravity.z is -1 while it lies face up")
    return _Signs(core_motion=True, remarks=(remark,))


def _gravity_along_down(files: Mapping[str, Rows]) -> float:
    """Return gravity (m/s2) along the down of the attitude nearest in time; NaN where there is none."""
    attitude, gravity = files[_ATTITUDE], files[GRAVITY]
    if _QUATERNION[0] not in attitude.columns or not len(gravity.time_ns):
        return float("nan")
    step = -(-len(attitude.time_ns) // MOST_ROWS_COMPARED)
    time_ns = attitude.time_ns[::step]
    at = np.searchsorted(gravity.time_ns, time_ns).clip(max=len(gravity.time_ns) - 1)
    near = np.abs(gravity.time_ns[at] - time_ns) <= _MOST_APART_NS
    if not near.any():
        return float("nan")
    columns = {name: attitude.columns[name][::step][near] for name in _QUATERNION}
    columns |= {name: gravity.columns[name][at[near]] for name in XYZ}
    return gravity_along_down(Rows(_ATTITUDE, time_ns[near], columns), _QUATERNION, XYZ)


def _of_motion(export: Export, request: Request, *, core_motion: bool) -> tuple[list[Track], list[Remark]]:
    """Return acceleration, its parts, rotation and attitude; attitude only in the frame that Core Motion has."""
    files = export.files
    to_g, given = Scale((1 if core_motion else -1) / STANDARD_GRAVITY), metres(turned=not core_motion)

    def track(file: str, stream: str) -> list[Track]:
        rate_hz = stated_hz(export.metadata, file)
        return plain_track(files[file], stream, XYZ, request, scale=to_g, given=given, stated_rate_hz=rate_hz)

    tracks = [*track(TOTAL, "accel"), *track(USER, "user_accel"), *track(GRAVITY, "gravity")]
    tracks += plain_track(files[GYRO], "gyro", XYZ, request, stated_rate_hz=stated_hz(export.metadata, GYRO))
    if core_motion and _QUATERNION[0] in files[_ATTITUDE].columns:
        check_quaternions(files[_ATTITUDE], _QUATERNION)
        rate_hz = stated_hz(export.metadata, _ATTITUDE)
        tracks += plain_track(files[_ATTITUDE], "attitude", _QUATERNION, request, stated_rate_hz=rate_hz)
    summed, remarks = _sum(export, request, to_g, given) if not len(files[TOTAL].time_ns) else ([], [])
    return [*summed, *tracks], remarks


def _sum(export: Export, request: Request, to_g: Scale, given: str) -> tuple[list[Track], list[Remark]]:
    """Return acceleration with gravity where both parts have the same stamps."""
    user, gravity = export.files[USER], export.files[GRAVITY]
    count = len(user.time_ns)
    if not count or not len(gravity.time_ns):
        return [], []
    if not np.array_equal(user.time_ns, gravity.time_ns):
        note = "user acceleration and gravity have other stamps, so they were not added to acceleration"
        return [], [Remark("not_added", count, note, "resample both, and add them", "user_accel")]
    values = request.spool.mapped(
        lambda *block: (np.stack(block[:3]) + np.stack(block[3:])).T * to_g.factor,
        *(rows.columns[name] for rows in (user, gravity) for name in XYZ),
    )
    said = (*user.remarks, *of_unit("accel", given, count))
    return [Track("accel", values, user.time_ns, stated_rate_hz=stated_hz(export.metadata, USER), remarks=said)], []


def _of_surroundings(export: Export, request: Request) -> list[Track]:
    """Return all but motion and sound; steps and beats come when they come, whatever interval is stated for them."""
    files = export.files
    magnet_hz, air_hz, light_hz, loudness_hz = (
        stated_hz(export.metadata, file) for file in (MAGNET, AIR, _LIGHT, _LOUDNESS)
    )
    return [
        *plain_track(files[MAGNET], "mag", XYZ, request, stated_rate_hz=magnet_hz),
        *plain_track(
            files[AIR], "pressure", ("pressure",), request, scale=Scale(0.1), given="mbar", stated_rate_hz=air_hz
        ),
        *altitude_track(files[AIR], request),
        *plain_track(files[_LIGHT], "light", ("lux",), request, stated_rate_hz=light_hz),
        *plain_track(files[_STEPS], "steps_total", ("steps",), request, unit="count"),
        *plain_track(files[_LOUDNESS], "loudness", ("dBFS",), request, unit="dBFS", stated_rate_hz=loudness_hz),
        *_of_heart(files.get(HEART, no_rows(HEART)), request),
    ]


def _of_heart(heart: Rows, request: Request) -> list[Track]:
    """Return the heart rate, and say that it is of another device than all else."""
    note = "heart rate is of a watch or strap, all else of the phone"
    remedy = "take them as of one person, not as of one place on the body"
    return heart_track(heart, request, Remark("other_device", len(heart.time_ns), note, remedy))
