"""The detectors in what is exported, and the recordings that each can hear."""

from collections.abc import Mapping, Sequence

from wristkit.detector import Cascade, Detector
from wristkit.errors import RecordingError
from wristkit.recording import Recording


def stages_of(detector: Detector | Cascade) -> Mapping[str, Detector]:
    """Return detectors by stage: ``gate`` and ``confirm`` of a cascade, the empty name of a detector."""
    return {"gate": detector.gate, "confirm": detector.confirm} if isinstance(detector, Cascade) else {"": detector}


def heard_by(detector: Detector, recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings that hold the streams of a detector; of none of them, all, so that the reason is told."""
    kept = []
    for one in recordings:
        try:
            detector.spec.conditioning.check(one)
            kept.append(one)
        except RecordingError:
            continue
    return kept or list(recordings)
