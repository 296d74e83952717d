"""A small net between a conditioning and a decoder, for a recording and for packets as they come."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Packet
from wristkit.detector.saved import not_of_this_version, read_header, read_weights, write_header
from wristkit.detector.session import Session
from wristkit.detector.spec import DetectorSpec
from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport, evaluate, stack
from wristkit.events import EventUpdate, Scores
from wristkit.recording import Recording, Side, one_recording, several_recordings
from wristkit.recording.given import told
from wristkit.store import atomic_write
from wristkit.windows import Cut, cut

if TYPE_CHECKING:
    from torch import nn

SPEC_FILE = "detector.json"
WEIGHTS_FILE = "weights.safetensors"
_BATCH = 1024  # windows scored at once: bounds memory


class Detector:
    """A small net between a conditioning and a decoder.

    Parameters
    ----------
    spec
        All but the weights.
    model
        Net from (n, channels, samples) float32 to (n, classes) logits; put into evaluation mode.
    """

    def __init__(self, spec: DetectorSpec, model: "nn.Module") -> None:
        self.spec = spec
        self.model = model.eval()
        self._sides: tuple[Side | None, Side | None] = (None, None)
        self._session: Session | None = None

    def scores(self, recording: Recording) -> Scores:
        """Return the class probabilities of every window of a recording.

        Raises
        ------
        RecordingError
            Where the recording lacks a stream, channel, unit or side that the detector was trained with.
        """
        pieces = self.condition(recording)
        return Scores.of(
            pieces.score_s,
            self.probabilities(pieces.values),
            classes=self.spec.classes,
            centre_s=self.spec.centre_s(pieces),
            hop_s=self.spec.hop_s,
            window_s=self.spec.length_s,
            sources=tuple(source.name for source in self.spec.conditioning.sources),
        )

    def detect(self, recording: Recording) -> pd.DataFrame:
        """Return the events in a recording: ``start_s, stop_s, label, score, decided_s``."""
        return self.spec.decoder.run(self.scores(recording))

    def evaluate(
        self,
        recordings: Recording | Sequence[Recording],
        *,
        tier: str = "truth",
        tolerance_s: float = 0.5,
        latency_from: Literal["start", "stop"] = "start",
    ) -> EventReport:
        """Return how often this detector is right, wrong and late on recordings, over all thresholds."""
        held = several_recordings(recordings)
        scores = {recording.id: self.scores(recording) for recording in held}
        events = stack({name: self.spec.decoder.run(one) for name, one in scores.items()})
        report = evaluate(
            events,
            held,
            scores=scores,
            decoder=self.spec.decoder,
            tier=tier,
            tolerance_s=tolerance_s,
            latency_from=latency_from,
        )
        known = sorted(set(self.spec.trained_on) & set(scores))
        if not known:
            return report
        note = f"{len(known)} of {len(held)} recordings were trained or tuned on: no claim about new people follows"
        return replace(report, notes=(*report.notes, note))

    def condition(self, recording: Recording) -> Cut:
        """Return every window of a recording as the net sees it."""
        grids = self.spec.conditioning.run(one_recording(recording))
        return cut(list(grids.values()), samples=self.spec.length, hop=self.spec.hop)

    def probabilities(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return (n, classes) probabilities of windows (n, channels, samples)."""
        import torch

        shape = (len(self.spec.conditioning.channels), self.spec.length)
        if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.shape[1:] != shape:
            raise TypeError(f"windows are {told(values)}, expected an array of float32 (n, {shape[0]}, {shape[1]})")
        parts = [np.empty((0, len(self.spec.classes)), dtype=np.float32)]
        with one_thread(), torch.inference_mode():
            for first in range(0, len(values), _BATCH):
                logits = self.model(torch.from_numpy(np.ascontiguousarray(values[first : first + _BATCH])))
                parts.append(torch.softmax(logits, dim=1).numpy())
        probabilities = np.concatenate(parts)
        if not np.isfinite(probabilities).all():
            raise RecordingError(
                "the net gave scores that are no numbers: its input is far outside of what it was trained on",
                code="not_finite",
                remedy="look at the recording's units and for spikes, such as with wk.view",
            )
        return probabilities

    def push(self, packets: Mapping[str, Packet]) -> list[EventUpdate]:
        """Return what these packets decide: each event once when it is decided and once when it is final.

        Parameters
        ----------
        packets
            Stream name to ((n,) seconds, (n, c) values) in canonical units, finite, later than what was pushed before;
            any streams, in any portions.
        """
        if self._session is None:
            self._session = Session(self.spec, *self._sides, max_wait_s=self.spec.max_wait_s)
        pieces = self._session.push(packets)
        return self._session.decoder.push(self.spec.centre_s(pieces), pieces.score_s, self.probabilities(pieces.values))

    def flush(self) -> list[EventUpdate]:
        """Return the final updates of what is still open at the end, and start anew."""
        updates = [] if self._session is None else self._session.decoder.flush()
        self._session = None
        return updates

    def reset(self, *, wrist: Side | None = None, crown: Side | None = None) -> None:
        """Forget everything pushed; a detector in the wrist frame needs both sides before the first packet."""
        self._sides = (wrist, crown)
        self._session = None

    @property
    def late_samples(self) -> Mapping[str, int]:
        """Stream to number of samples left out since the start because they came later than ``max_wait_s``."""
        return {} if self._session is None else dict(self._session.late_samples)

    def save(self, folder: str | Path) -> Path:
        """Write the detector as JSON and safetensors, and return the folder."""
        from safetensors.torch import save as weights_as_bytes

        if self.spec.architecture is None:
            raise ValueError(
                "this net is not one of wristkit's own, so its weights alone would not load again; save its code and "
                "weights yourself, or train model='tcn'"
            )
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = weights_as_bytes({name: value.contiguous() for name, value in self.model.state_dict().items()})
        atomic_write(folder / WEIGHTS_FILE, lambda file: file.write(weights))
        spec = json.loads(self.spec.to_json())
        hashes = {"spec_sha256": self.spec.sha256, "weights_sha256": hashlib.sha256(weights).hexdigest()}
        write_header(folder / SPEC_FILE, {"spec": spec, **hashes})
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the detector that :meth:`save` wrote, its weights checked against their hash."""
        from safetensors import SafetensorError
        from safetensors.torch import load as weights_from_bytes

        from wristkit.models import build

        path = Path(folder) / SPEC_FILE
        header = read_header(path, needed=("spec", "weights_sha256"), hashed="spec", writer="Detector.save")
        weights = read_weights(Path(folder) / WEIGHTS_FILE, header["weights_sha256"])
        try:
            spec = DetectorSpec.from_json(json.dumps(header["spec"]))
            model = build(**dict(spec.architecture or {}))
            model.load_state_dict(weights_from_bytes(weights), strict=True)
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as fault:
            raise not_of_this_version(path, fault, what="detector") from fault
        return cls(spec, model)

    def __repr__(self) -> str:
        streams = ", ".join(source.name for source in self.spec.conditioning.sources)
        return (
            f"Detector({', '.join(self.spec.classes)}; {streams} at {self.spec.conditioning.rate_hz:g} Hz, "
            f"{self.spec.length_s:g} s every {self.spec.hop_s:g} s)"
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread for a while: small nets are fastest so, and repeat bit for bit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
