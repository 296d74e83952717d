"""Traces of a cascade against the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wristkit.detector.trace import Trace
from wristkit.evaluate import EventReport, evaluate, stack
from wristkit.recording import Recording

if TYPE_CHECKING:
    from wristkit.detector.cascade import Cascade


def report_of(
    cascade: "Cascade",
    recordings: Sequence[Recording],
    traces: Mapping[str, Trace],
    *,
    tier: str,
    tolerance_s: float,
    latency_from: Literal["start", "stop"] = "start",
) -> EventReport:
    """Return the report of what a cascade did on recordings, with a note of what it cost."""
    held_by_all = [name for name in cascade.sources if all(_has(one, name) for one in recordings)]
    report = evaluate(
        stack({name: trace.events for name, trace in traces.items()}),
        recordings,
        scores={name: trace.scores for name, trace in traces.items()},
        tier=tier,
        tolerance_s=tolerance_s,
        latency_from=latency_from,
        streams=held_by_all,
    )
    notes = [*report.notes, cost_note(list(traces.values()))]
    if len(held_by_all) < len(cascade.sources):
        missing = sorted(set(cascade.sources) - set(held_by_all))
        notes.append(f"{missing} are not in all recordings: there the gate decided alone")
    if known := sorted(set(cascade.trained_on) & set(traces)):
        notes.append(
            f"{len(known)} of {len(recordings)} recordings were trained or tuned on: no claim about new people"
        )
    return replace(report, notes=tuple(notes))


def cost_note(traces: Sequence[Trace]) -> str:
    """Return in words what was on and for how long."""
    hours = sum(trace.hours for trace in traces)
    if not hours:
        return "the gate gave no score, so nothing can be said about what was on"
    on, heard = (sum(getattr(trace, name) for trace in traces) / hours / 36 for name in ("on_s", "microphone_s"))
    operations = sum(trace.operations for trace in traces) / hours
    always = sum(trace.always_on_operations_per_hour * trace.hours for trace in traces) / hours
    return (
        f"the confirmer was on {on:.3g} % of {hours:.3g} h, the microphone {heard:.3g} %; {operations:.3g} operations "
        f"an hour, {always:.3g} if always on"
    )


def _has(recording: Recording, name: str) -> bool:
    return name in recording.streams or (name == "mel" and "audio" in recording.streams)
