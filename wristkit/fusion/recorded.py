"""Fusion of a whole recording: streams beside its own, and findings that say where they come from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Literal

import numpy as np

from wristkit.errors import RecordingError
from wristkit.fusion.estimate import Fused
from wristkit.fusion.online import Checked, Fusion, FusionParams
from wristkit.recording import BLOCK_ROWS, FloatArray, Recording, Stream, find_gaps, finding_table, one_recording
from wristkit.recording.spans import union
from wristkit.signals import check_units
from wristkit.signals.pieces import Finding, extremes
from wristkit.signals.units import gyro_unit, sign_contradicts, still_length, usable
from wristkit.signals.values import saturated, stuck

CORE_MOTION = ("attitude", "gravity", "user_accel")  # what a watch may have computed itself
NORTH = "attitude_north"
_FLAGS = ("at_rest", "mag_disturbed")
_WXYZ = ("w", "x", "y", "z")


def fuse(
    recording: Recording,
    *,
    magnetometer: Literal["auto", "required", "none"] = "auto",
    offline: bool = False,
    existing: Literal["refuse", "keep"] = "refuse",
) -> Recording:
    """Return the recording with attitude, gravity and user acceleration, computed by vqf from accel and gyro.

    On the gyroscope's stamps, in Core Motion's convention: ``attitude`` (x anywhere, z up), ``gravity`` and
    ``user_accel`` (accel at that stamp is their sum); with a magnetometer also ``attitude_north`` (x to magnetic
    north, z up). Beside them ``gyro_bias`` (x, y, z, sd), ``tilt_sd`` and ``fusion_flags`` (at_rest, mag_disturbed),
    which :class:`Fused` explains. NaN where nothing could be computed; what is no number is left out of the inputs and
    costs its own row. A gap in gyro or accel starts anew, with x anywhere again, and takes some 3 s to find down.

    Parameters
    ----------
    magnetometer
        ``"auto"`` uses ``mag`` where the recording has it.
    offline
        Use all of a stretch for each row, there and back again: better, and not what a watch could have computed.
    existing
        Of attitude, gravity and user_accel that the recording has: ``"keep"`` them and add what is missing, or
        ``"refuse"``.

    Raises
    ------
    RecordingError
        With code ``already_fused``, ``missing_stream``, ``rate_too_low``, ``rate_too_high`` or, where the samples
        contradict their unit, name or sign, one of :func:`wristkit.signals.check_units`.
    """
    one_recording(recording)
    _check(magnetometer, "magnetometer", ("auto", "required", "none"))
    _check(existing, "existing", ("refuse", "keep"))
    kept = [name for name in CORE_MOTION if name in recording.streams]
    if kept and (existing == "refuse" or len(kept) == len(CORE_MOTION)):
        raise RecordingError(
            f"recording {recording.id} has {kept} already",
            code="already_fused",
            remedy="use them; existing='keep' adds what is missing; to compare, fuse Recording.of([accel, gyro])",
        )
    check_units(recording)
    with_mag = magnetometer == "required" or (magnetometer == "auto" and "mag" in recording.streams)
    params = FusionParams.of(recording, magnetometer=with_mag)
    inputs = {name: recording[name] for name in ("gyro", "accel", *(["mag"] if with_mag else []))}
    doubts = _new(recording, _of_units(recording, ("accel", *kept)))
    if doubts:
        check_units(recording.with_findings(finding_table(doubts)))
    fused = _placed(inputs["gyro"], lambda rows: (_offline if offline else _online)(params, inputs, rows))
    streams = [one for one in _streams(inputs["gyro"], fused, with_mag=with_mag) if one.name not in kept]
    of_inputs = [*doubts, *_new(recording, _of_inputs(inputs))]
    said = [*_origin(streams, offline=offline, kept=kept), *of_inputs, *_of_rows(inputs, fused)]
    return recording.with_streams(*streams, findings=finding_table(said))


def _check(value: str, name: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of {list(allowed)}")


def _online(params: FusionParams, inputs: Mapping[str, Stream], fused: Fused) -> None:
    """Write the rows of all usable samples of the gyroscope, from packets that need little memory at once."""
    fusion, done = Fusion(params), 0
    for packets in _packets(inputs):
        done += len(fusion.push_checked(packets, fused.rows(slice(done, None))).time)
    fusion.flush(fused.rows(slice(done, None)))


def _offline(params: FusionParams, inputs: Mapping[str, Stream], fused: Fused) -> None:
    Fusion(params).smooth_checked({name: _packet(one, one.time, slice(None)) for name, one in inputs.items()}, fused)


def _packets(inputs: Mapping[str, Stream]) -> Iterator[dict[str, Checked]]:
    """Yield the usable samples of all streams, some time at once."""
    times = {name: stream.time for name, stream in inputs.items()}
    until_s = times["gyro"][BLOCK_ROWS::BLOCK_ROWS]
    edges = {name: [0, *np.searchsorted(time_s, until_s).tolist(), len(time_s)] for name, time_s in times.items()}
    for place in range(len(until_s) + 1):
        rows = {name: slice(*edge[place : place + 2]) for name, edge in edges.items()}
        yield {name: _packet(stream, times[name], rows[name]) for name, stream in inputs.items()}


def _packet(stream: Stream, time_s: FloatArray, rows: slice) -> Checked:
    values = stream.values[rows]
    held = usable(stream.name, values)
    return (time_s[rows], values) if held.all() else (time_s[rows][held], values[held])


def _placed(gyro: Stream, write: Callable[[Fused], None]) -> Fused:
    """Return a row for each sample of a stream, where ``write`` fills one for each usable sample."""
    held = usable("gyro", gyro.values)
    fused = Fused.unset(int(np.count_nonzero(held)))
    write(fused)
    if held.all():
        return fused
    placed = Fused.unset(len(held))
    placed.table[held], placed.table[~held] = fused.table, np.nan
    return placed


def _streams(gyro: Stream, fused: Fused, *, with_mag: bool) -> list[Stream]:
    """Return what was computed as streams on the gyroscope's clock."""
    flags = slice(None) if with_mag else slice(1)
    return [
        gyro.with_values("attitude", fused.attitude),
        gyro.with_values("gravity", fused.gravity),
        gyro.with_values("user_accel", fused.user_accel),
        *([gyro.with_values(NORTH, fused.attitude_north, channels=_WXYZ, unit="1")] if with_mag else []),
        gyro.with_values("gyro_bias", fused.gyro_bias, channels=("x", "y", "z", "sd"), unit="rad/s"),
        gyro.with_values("tilt_sd", fused.tilt_sd, unit="rad"),
        gyro.with_values("fusion_flags", fused.flags[:, flags], channels=_FLAGS[flags], unit="1"),
    ]


@cache
def _vqf_version() -> str:
    return version("vqf")


def _origin(streams: Sequence[Stream], *, offline: bool, kept: Sequence[str]) -> list[Finding]:
    """Return where the streams come from."""
    how = "offline, from all of each stretch" if offline else "online"
    beside = f"; {', '.join(kept)} were there and kept, so they need not agree" if kept else ""
    note = f"computed by vqf {_vqf_version()} ({how}); Core Motion's own may differ{beside}"
    remedy = "compare with Core Motion's own where a device gives both"
    return [
        Finding("fused", one.name, one.start_s, one.stop_s, len(one), note, remedy)
        for one in streams
        if one.name in (*CORE_MOTION, NORTH)
    ]


def _new(recording: Recording, found: list[Finding]) -> list[Finding]:
    """Return what the recording does not say already."""
    if not found:  # the usual case; a table takes longer to ask than samples do
        return []
    findings = recording.findings
    known = set(zip(findings["code"], findings["stream"], strict=True))
    return [row for row in found if (row.code, row.stream) not in known]


def _of_units(recording: Recording, names: Sequence[str]) -> list[Finding]:
    """Return what ``inspect`` says of units, names and signs: who did not look is not to be misled by the result."""
    lengths = [row for name in names for row in still_length(recording[name])]
    return [*lengths, *gyro_unit(recording), *sign_contradicts(recording)]


def _of_inputs(inputs: Mapping[str, Stream]) -> list[Finding]:
    """Return what was left out of the inputs, and what of them makes an attitude wrong."""
    found = [row for one in inputs.values() for row in (*saturated(one, extremes(one)), *stuck(one))]
    for stream in inputs.values():
        if wrong := int((~usable(stream.name, stream.values)).sum()):
            note = f"{wrong} samples are NaN, or nothing that a wrist gives; fusion went without them"
            span = (stream.start_s, stream.stop_s)
            found.append(Finding("left_out", stream.name, *span, wrong, note, "look at them"))
    return found


def _gaps(stream: Stream) -> FloatArray:
    """Return (k, 2) seconds without a usable sample."""
    held = usable(stream.name, stream.values)
    return stream.gaps if held.all() else find_gaps(stream.time[held])


def _of_rows(inputs: Mapping[str, Stream], fused: Fused) -> list[Finding]:
    """Return what the rows show: none, new starts, a disturbed magnetic field."""
    gyro = inputs["gyro"]
    unknown = int(np.isnan(fused.attitude[:, 0]).sum())
    starts = len(union(np.concatenate([_gaps(gyro), _gaps(inputs["accel"])])))
    disturbed = int(np.nansum(fused.flags[:, 1]))
    said = (
        ("no_attitude", unknown, "rows have no attitude: no usable gyro there, or no accel on both sides", "mask them"),
        ("fusion_restarted", starts, "gaps start attitude anew: x points elsewhere, down takes some 3 s", "mask 3 s"),
        (
            *("mag_disturbed", disturbed, "rows lie in a disturbed magnetic field: there heading is the gyroscope's"),
            "see fusion_flags; use attitude without heading",
        ),
    )
    return [
        Finding(
            code,
            "attitude_north" if code == "mag_disturbed" else "attitude",
            gyro.start_s,
            gyro.stop_s,
            count,
            f"{count} {note}",
            remedy,
        )
        for code, count, note, remedy in said
        if count
    ]
