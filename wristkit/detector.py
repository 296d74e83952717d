"""One definition of a detector, for a recording and for packets as they come.

``detect(recording)`` and ``push(packets)`` + ``flush()`` run the same conditioning, windows, net and decoder, so that
any partition of the same samples gives the same events.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning, Grid, Packet
from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.evaluate import EventReport, evaluate, stack
from wristkit.events import EventDecoder, EventUpdate, Scores, strictly_increasing
from wristkit.recording import FloatArray, Recording, Side
from wristkit.store import atomic_write
from wristkit.windows import Cut, cut

if TYPE_CHECKING:
    from torch import nn

SCHEMA = 1
SPEC_FILE = "detector.json"
WEIGHTS_FILE = "weights.safetensors"
_BATCH = 1024  # windows scored at once: bounds memory


@dataclass(frozen=True)
class DetectorSpec:
    """Everything of a detector but its weights.

    Parameters
    ----------
    conditioning
        From source streams to the grid.
    length, hop
        Samples in a window, and from one window to the next.
    classes
        Names of the net's outputs, in order.
    decoder
        From scores to events.
    architecture
        What ``wristkit.models.build`` needs to make the net; None for a net of the user's own.
    trained_on
        Ids of the recordings whose windows were used for training or tuning.
    max_wait_s
        A stream that is more than this behind the newest one is taken to be missing there. None waits for ever.
    """

    conditioning: Conditioning
    length: int
    hop: int
    classes: tuple[str, ...]
    decoder: EventDecoder
    architecture: Mapping[str, Any] | None
    trained_on: tuple[str, ...] = ()
    max_wait_s: float | None = None

    def __post_init__(self) -> None:
        if self.length < 1 or self.hop < 1:
            raise ValueError(f"length is {self.length} and hop is {self.hop}, expected 1 sample or more")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError(f"classes are {self.classes}, expected two or more different names")
        if self.max_wait_s is not None and not self.max_wait_s > 0:
            raise ValueError(f"max_wait_s is {self.max_wait_s}, expected seconds above 0, or None to wait for ever")

    @property
    def background(self) -> str | None:
        """The class that is never an event, if the net has it."""
        return self.decoder.background if self.decoder.background in self.classes else None

    @property
    def hop_s(self) -> float:
        """Seconds from one window to the next."""
        return self.hop / self.conditioning.rate_hz

    @property
    def length_s(self) -> float:
        """Seconds of one window."""
        return self.length / self.conditioning.rate_hz

    @property
    def sha256(self) -> str:
        """Hash of the specification, weights not included."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the specification as text, the same for equal ones."""
        fields = {
            "conditioning": self.conditioning.to_dict(),
            "length": self.length,
            "hop": self.hop,
            "classes": list(self.classes),
            "decoder": self.decoder.to_dict(),
            "architecture": None if self.architecture is None else dict(self.architecture),
            "trained_on": list(self.trained_on),
            "max_wait_s": self.max_wait_s,
        }
        return json.dumps(fields, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the specification that :meth:`to_json` wrote."""
        fields = json.loads(text)
        fields["conditioning"] = Conditioning.from_dict(fields["conditioning"])
        fields["decoder"] = EventDecoder.from_dict(fields["decoder"])
        for name in ("classes", "trained_on"):
            fields[name] = tuple(fields[name])
        if fields["architecture"] is not None:
            fields["architecture"] = _tuples(fields["architecture"])
        return cls(**fields)


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
        self._session: _Session | None = None

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
            centre_s=self._centre_s(pieces),
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
        held = [recordings] if isinstance(recordings, Recording) else list(recordings)
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
        grids = self.spec.conditioning.run(recording)
        return cut(list(grids.values()), samples=self.spec.length, hop=self.spec.hop)

    def probabilities(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return (n, classes) probabilities of windows (n, channels, samples)."""
        import torch

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
            self._session = _Session(self.spec, *self._sides)
        pieces = self._session.push(packets)
        return self._session.decoder.push(self._centre_s(pieces), pieces.score_s, self.probabilities(pieces.values))

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
        header = {
            "schema": SCHEMA,
            "spec": json.loads(self.spec.to_json()),
            "spec_sha256": self.spec.sha256,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
        atomic_write(folder / WEIGHTS_FILE, lambda file: file.write(weights))
        text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
        atomic_write(folder / SPEC_FILE, lambda file: file.write(text.encode()))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the detector that :meth:`save` wrote, its weights checked against their hash."""
        from safetensors.torch import load as weights_from_bytes

        from wristkit.models import build

        header = _read_header(Path(folder) / SPEC_FILE)
        weights = _read_weights(Path(folder) / WEIGHTS_FILE, header["weights_sha256"])
        try:
            spec = DetectorSpec.from_json(json.dumps(header["spec"]))
            model = build(**dict(spec.architecture or {}))
            model.load_state_dict(weights_from_bytes(weights), strict=True)
        except (KeyError, TypeError, ValueError, RuntimeError) as fault:
            raise RecordingError(
                f"{SPEC_FILE} does not describe a detector of this version: {str(fault).splitlines()[0]}",
                code="header",
                remedy="load it with the version of wristkit that wrote it",
                file=Path(folder) / SPEC_FILE,
            ) from fault
        return cls(spec, model)

    def _centre_s(self, pieces: Cut) -> FloatArray:
        return np.asarray((pieces.first + self.spec.length / 2) / self.spec.conditioning.rate_hz)

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


class _Session:
    """What a running detector remembers: conditioning, samples of windows not yet over, and the decoder."""

    def __init__(self, spec: DetectorSpec, wrist: Side | None, crown: Side | None) -> None:
        self.spec = spec
        self.conditioning = spec.conditioning.start(wrist=wrist, crown=crown)
        self.decoder = spec.decoder.start(spec.classes, hop_s=spec.hop_s)
        self.late_samples = dict.fromkeys(self.conditioning.states, 0)
        self._pending = {source.name: Grid.empty(len(source.channels)) for source in spec.conditioning.sources}
        self._given_up_s = dict.fromkeys(self.conditioning.states, -np.inf)
        self._next_first: int | None = None
        self._newest_score_s = -np.inf

    def push(self, packets: Mapping[str, Packet]) -> Cut:
        """Return the windows that these packets complete, each once, in order."""
        known = self._without_late(self.conditioning.by_source(packets))
        for name, grid in self.conditioning.push_sources(known).items():
            self._pending[name] = Grid.join([self._pending[name], grid])
        self._give_up_waiting()
        pieces = cut(
            list(self._pending.values()), samples=self.spec.length, hop=self.spec.hop, not_before=self._next_first
        )
        if len(pieces.first):
            self._next_first = int(pieces.first[-1]) + self.spec.hop
        self._forget()
        score_s = strictly_increasing(pieces.score_s, after_s=self._newest_score_s)
        self._newest_score_s = float(score_s[-1]) if len(score_s) else self._newest_score_s
        return pieces._replace(score_s=score_s)

    def _without_late(self, packets: Mapping[str, Packet]) -> dict[str, Packet]:
        """Return packets without samples of times at which their stream was already taken to be missing."""
        kept: dict[str, Packet] = {}
        for name, (time, values) in packets.items():
            limit_s = self._given_up_s.get(name, -np.inf)
            late = int(np.count_nonzero(np.asarray(time, dtype=np.float64) < limit_s))
            if late:
                self.late_samples[name] += late
            kept[name] = (np.asarray(time)[late:], np.asarray(values)[late:]) if late else (time, values)
        return kept

    def _give_up_waiting(self) -> None:
        if self.spec.max_wait_s is None:
            return
        states = self.conditioning.states
        limit_s = max(state.newest_s for state in states.values()) - self.spec.max_wait_s
        for name, state in states.items():
            if state.newest_s < limit_s:
                state.end_stretch()
                self._given_up_s[name] = limit_s

    def _forget(self) -> None:
        """Drop samples that no window to come can hold."""
        rate_hz = self.spec.conditioning.rate_hz
        passed = [
            max(float(grid.places[-1]) if len(grid.places) else -np.inf, self._given_up_s[name] * rate_hz - 1)
            for name, grid in self._pending.items()
        ]
        first = max(min(passed) - self.spec.length + 1, -np.inf if self._next_first is None else self._next_first)
        if np.isfinite(first):
            for name, grid in self._pending.items():
                kept = int(np.searchsorted(grid.places, first))
                self._pending[name] = Grid(grid.places[kept:], grid.values[kept:], grid.needed_s[kept:])


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotThisFormatError(
            f"{path.name} is missing", code="not_a_detector", remedy="give a folder that Detector.save wrote", file=path
        )
    try:
        header = json.loads(path.read_bytes())
    except ValueError as fault:
        raise RecordingError(
            f"{path.name} is not JSON: {fault}", code="header", remedy="save the detector again", file=path
        ) from fault
    if not isinstance(header, dict) or header.get("schema") != SCHEMA or "weights_sha256" not in header:
        raise RecordingError(
            f"{path.name} is not of schema {SCHEMA}",
            code="schema",
            remedy="load it with the version of wristkit that wrote it",
            file=path,
        )
    if hashlib.sha256(json.dumps(header.get("spec"), sort_keys=True).encode()).hexdigest() != header.get("spec_sha256"):
        raise RecordingError(
            f"{path.name} was changed since it was saved",
            code="header",
            remedy="copy the whole folder again, or save the detector anew",
            file=path,
        )
    return header


def _read_weights(path: Path, sha256: str) -> bytes:
    if not path.is_file():
        raise TruncatedError("the weights are missing", code="missing_file", remedy="copy the whole folder", file=path)
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise RecordingError(
            "the weights are not those that were saved with this detector",
            code="checksum",
            remedy="copy the whole folder again, or save the detector anew",
            file=path,
        )
    return weights


def _tuples(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description read from JSON with its lists as tuples, as the net was described before."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in architecture.items()}
