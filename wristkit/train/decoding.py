"""The decoder that suits a net, chosen on the people it was stopped on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wristkit.detector import Detector, DetectorSpec
from wristkit.events import BACKGROUND, EventDecoder, Scores, near, served
from wristkit.recording import FloatArray
from wristkit.windows import Windows

if TYPE_CHECKING:
    from wristkit.models import Net

Spans = Mapping[str, FloatArray]  # class to (n, 2) seconds
_TOLERANCE_S = 0.5


def spec_of(windows: Windows, net: "Net", *, seen: Windows, stop: Windows) -> DetectorSpec:
    """Return the specification of a detector, its decoder chosen on the stopping people where there are any."""
    spec = DetectorSpec(
        conditioning=windows.conditioning,
        length=windows.samples,
        hop=windows.hop,
        classes=net.classes,
        decoder=EventDecoder(merge_s=2 * windows.hop_s, background=windows.background or BACKGROUND),
        architecture=net.architecture,
        trained_on=tuple(sorted({str(name) for name in (*seen.recordings, *stop.recordings)})),
    )
    if not len(stop):
        return spec
    return replace(spec, decoder=_choose_decoder(spec, stop, Detector(spec, net)))


def silent_note(windows: Windows, stop: Windows) -> str:
    """Return what to say where nobody whom the net was stopped on shows an event; empty text elsewhere."""
    background = windows.background or BACKGROUND
    if not len(stop) or set(stop.labels) - {background}:
        return ""
    return "nobody it was stopped on shows an event: the thresholds are those with the fewest alarms"


def _choose_decoder(spec: DetectorSpec, stop: Windows, detector: Detector) -> EventDecoder:
    """Return the decoder whose events agree best with the runs of one label in the stopping people's windows."""
    tracks = []
    for name in sorted(set(stop.recordings)):
        part = stop.subset(stop.recordings == name)
        centre_s = (part.start_s + part.stop_s) / 2
        probabilities = detector.probabilities(part.values)
        scores = Scores.of(part.stop_s, probabilities, classes=spec.classes, centre_s=centre_s, hop_s=spec.hop_s)
        tracks.append((scores, _runs(part.labels, centre_s, spec)))
    return max(_decoders(spec), key=lambda decoder: _worth(decoder, tracks))


def _decoders(spec: DetectorSpec) -> list[EventDecoder]:
    """Return the decoders to choose from, the simplest first."""
    return [
        replace(spec.decoder, smooth=smooth, high=high, low=round(0.6 * high, 3))
        for smooth in (1, 3, 5)
        for high in (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
    ]


def _runs(labels: npt.NDArray[np.object_], centre_s: FloatArray, spec: DetectorSpec) -> Spans:
    """Return consecutive windows of one label as true events."""
    scores = (labels[:, None] == np.array(spec.classes, dtype=object)).astype(np.float32)
    track = Scores.of(centre_s, scores, classes=spec.classes, centre_s=centre_s, hop_s=spec.hop_s)
    return _found(EventDecoder(high=0.5, low=0.5, background=spec.decoder.background), track)


def _found(decoder: EventDecoder, scores: Scores) -> Spans:
    """Return the events of a decoder by which none blocks another."""
    runs = {label: one.where(np.isfinite(one.decided_s)) for label, one in decoder.runs(scores).items()}
    return {label: np.column_stack([one.start_s, one.stop_s]) for label, one in runs.items()}


def _worth(decoder: EventDecoder, tracks: list[tuple[Scores, Spans]]) -> tuple[float, int, float]:
    """Return F1 of the events and how few are found besides; where nobody shows one, the surest decoder is best."""
    hits = told = true = 0
    for scores, truth in tracks:
        for label, found in _found(decoder, scores).items():
            hits += int(served(*near(found, truth[label], _TOLERANCE_S), np.zeros(len(found))).sum())
            told, true = told + len(found), true + len(truth[label])
    if not true:
        return 0.0, -told, decoder.high
    return 2 * hits / (told + true), hits - told, 0.0
