"""All checks, gathered: a table for who looks, an error for who loads."""

from collections.abc import Callable

from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream, finding_table, one_recording
from wristkit.signals.clock import gaps, is_steady, missing_samples, rate_changes
from wristkit.signals.extreme import outliers
from wristkit.signals.pieces import Ends, Finding, extremes
from wristkit.signals.units import gyro_unit, implausible, sign_contradicts, still_length
from wristkit.signals.values import constant_channel, missing_values, saturated, stuck, wrapped

StreamCheck = Callable[[Stream], list[Finding]]
RangeCheck = Callable[[Stream, Ends], list[Finding]]
RecordingCheck = Callable[[Recording], list[Finding]]

CLOCK_CHECKS: tuple[StreamCheck, ...] = (gaps, missing_samples, rate_changes)
STREAM_CHECKS: tuple[StreamCheck, ...] = (missing_values, stuck, still_length, outliers)
RANGE_CHECKS: tuple[RangeCheck, ...] = (saturated, wrapped, constant_channel, implausible)
RECORDING_CHECKS: tuple[RecordingCheck, ...] = (gyro_unit, sign_contradicts)

# What speaks of a wrong unit, name or sign: figures from such a recording would be wrong without showing it.
CONTRADICTIONS = frozenset(
    {"unit_contradicts", "unit_implausible", "gravity_missing", "gravity_included", "gyro_unit", "sign_contradicts"}
)


def inspect(recording: Recording) -> Recording:
    """Return the recording with what its samples show added to its findings, each with a remedy.

    Nothing is changed, and nothing is added twice. Long streams are read block by block.
    """
    one_recording(recording)
    known = set(zip(*(recording.findings[key] for key in ("code", "stream", "start_s", "stop_s")), strict=True))
    rows = [row for row in _look(recording) if row[:4] not in known]
    return recording.with_findings(finding_table(rows)) if rows else recording


def check_units(recording: Recording) -> None:
    """Raise the first contradiction between samples and units, names and signs that ``inspect`` found.

    Raises
    ------
    RecordingError
        With code ``unit_contradicts``, ``unit_implausible``, ``gravity_missing``, ``gravity_included``, ``gyro_unit``
        or ``sign_contradicts``.
    """
    findings = recording.findings
    if CONTRADICTIONS.isdisjoint(findings["code"]):  # pandas takes long to say so row by row
        return
    for row in findings.itertuples():
        if row.code in CONTRADICTIONS:
            raise RecordingError(
                f"stream {row.stream!r}: {row.note}",
                code=str(row.code),
                remedy=str(row.remedy),
                file=recording.source.get("file"),
            )


def _look(recording: Recording) -> list[Finding]:
    streams = [stream for stream in recording.streams.values() if len(stream)]
    clocks: dict[tuple[int, int, bool], list[Finding]] = {}
    found: list[Finding] = []
    for stream in streams:
        # Streams that share their stamps share what these show: accel and gyro of one chip.
        clock = (id(stream) if stream.is_uniform else stream.time.ctypes.data, len(stream), is_steady(stream))
        if clock not in clocks:
            clocks[clock] = [row for check in CLOCK_CHECKS for row in check(stream)]
        found += [row._replace(stream=stream.name) for row in clocks[clock]]
        found += [row for check in STREAM_CHECKS for row in check(stream)]
        ends = extremes(stream)
        found += [row for check in RANGE_CHECKS for row in check(stream, ends)]
    return [*found, *(row for check in RECORDING_CHECKS for row in check(recording))]
