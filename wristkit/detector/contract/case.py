"""A detector with its example, the packets of it, and copies of it in other forms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning, Packet, Source
from wristkit.detector.cascade import Cascade
from wristkit.detector.detector import Detector
from wristkit.detector.spec import DetectorSpec
from wristkit.errors import RecordingError
from wristkit.events import EventUpdate, event_table
from wristkit.recording import FloatArray, Recording, Stream

EXACT = ["start_s", "stop_s", "decided_s"]
_SCORE_WITHIN = 1e-5


class FailedError(Exception):
    """A check found what it looks for."""


def require(holds: object, otherwise: str) -> None:
    """Raise what is wrong unless something holds."""
    if not holds:
        raise FailedError(otherwise)


@dataclass(frozen=True, eq=False)
class Case:
    """A detector or cascade, a recording in which it finds something, and a folder to save it in."""

    detector: Detector | Cascade
    recording: Recording
    folder: Path

    @cached_property
    def events(self) -> pd.DataFrame:
        """What it finds in the example."""
        return self.detector.detect(self.recording)

    @property
    def specs(self) -> tuple[DetectorSpec, ...]:
        """Specification of it, or of gate and confirmer."""
        one = self.detector
        return (one.gate.spec, one.confirm.spec) if isinstance(one, Cascade) else (one.spec,)

    @property
    def conditionings(self) -> tuple[Conditioning, ...]:
        """Conditioning of it, or of gate and confirmer."""
        return tuple(spec.conditioning for spec in self.specs)

    @property
    def streams(self) -> dict[str, Source]:
        """Streams that packets come under, to the source of the first stage that takes each."""
        found: dict[str, Source] = {}
        for conditioning in self.conditionings:
            by_name = {source.name: source for source in conditioning.sources}
            for name, source in conditioning.inputs.items():
                found.setdefault(name, by_name[source])
        return found

    @property
    def may_be_missing(self) -> frozenset[str]:
        """Streams without which a cascade goes on."""
        one = self.detector
        if not isinstance(one, Cascade) or one.policy.gate_alone is None:
            return frozenset()
        return frozenset(one.confirm_streams) - frozenset(one.gate_streams)

    @property
    def wait_s(self) -> float:
        """For how long it waits for a stream that lags behind the others, by the samples' own clock."""
        one = self.detector
        wait_s = one.policy.max_wait_s if isinstance(one, Cascade) else one.spec.max_wait_s
        return float("inf") if wait_s is None else wait_s

    @property
    def motion(self) -> list[str]:
        """Streams of several channels, of which there may be none."""
        return [name for name in self.streams if len(self.recording[name].channels) > 1]

    def packets(
        self,
        *,
        packet_s: float,
        recording: Recording | None = None,
        delays_s: Mapping[str, float] | None = None,
        until_s: float = np.inf,
    ) -> list[dict[str, Packet]]:
        """Return packets of one stream each, in the order in which they end and are handed over."""
        found: list[tuple[float, str, Packet]] = []
        for name in self.streams:
            if name not in (self.recording if recording is None else recording).streams:
                continue
            stream = (self.recording if recording is None else recording)[name]
            time_s = stream.time[: int(np.searchsorted(stream.time, until_s, side="right"))]
            edges = np.searchsorted(time_s, np.arange(time_s[0] if len(time_s) else 0.0, stream.stop_s, packet_s))
            for first, last in pairwise(np.unique([*edges.tolist(), len(time_s)]).tolist()):
                at_s = float(time_s[last - 1]) + (delays_s or {}).get(name, 0.0)
                found.append((at_s, name, (time_s[first:last], stream.values[first:last])))
        return [{name: packet} for _, name, packet in sorted(found, key=lambda one: one[:2])]

    def whole(self, *, until_s: float = np.inf) -> dict[str, Packet]:
        """Return all samples of all streams up to a time, to be handed over at once."""
        held = {name: self.recording[name] for name in self.streams if name in self.recording.streams}
        counts = {name: int(np.searchsorted(one.time, until_s, side="right")) for name, one in held.items()}
        return {name: (one.time[: counts[name]], one.values[: counts[name]]) for name, one in held.items()}

    def push(self, packets: Sequence[Mapping[str, Packet]]) -> list[EventUpdate]:
        """Return all updates of packets, from a fresh start to the flush."""
        self.start()
        updates = [update for packet in packets for update in self.detector.push(packet)]
        return updates + self.detector.flush()

    def start(self) -> None:
        """Forget all, and say on which wrist it is worn."""
        self.detector.reset(wrist=self.recording.wrist, crown=self.recording.crown)

    def changed(
        self,
        name: str,
        *,
        time: Callable[[FloatArray], FloatArray] | None = None,
        values: npt.ArrayLike | None = None,
        channels: Sequence[str] | None = None,
        unit: str | None = None,
    ) -> Recording:
        """Return the example with one stream in another form."""
        old = self.recording[name]
        stream = Stream.measured(
            name,
            old.time if time is None else time(np.array(old.time)),
            old.values if values is None else values,
            channels=old.channels if channels is None else channels,
            unit=old.unit if unit is None else unit,
        )
        return self.recording.with_streams(stream)

    def without(self, *dropped: str) -> Recording:
        """Return the example without some streams."""
        return self._with([stream for name, stream in self.recording.streams.items() if name not in dropped])

    def cut(self, kept: Callable[[FloatArray], npt.NDArray[np.bool_]]) -> Recording:
        """Return the example with only those samples of all streams whose stamps are kept."""
        streams = []
        for stream in self.recording.streams.values():
            rows = kept(np.array(stream.time))
            values = np.asarray(stream.values)[rows]
            streams.append(
                Stream.measured(stream.name, stream.time[rows], values, channels=stream.channels, unit=stream.unit)
            )
        return self._with(streams)

    def _with(self, streams: Sequence[Stream]) -> Recording:
        one = self.recording
        return Recording.of(
            list(streams),
            labels=one.labels,
            labelled=one.labelled,
            subject=one.subject,
            wrist=one.wrist,
            crown=one.crown,
            source=one.source,
        )

    def refused(self, recording: Recording) -> RecordingError | None:
        """Return the typed error that a recording ends in, if any."""
        try:
            self.detector.detect(recording)
        except RecordingError as error:
            return error
        return None

    def refused_packet(self, packet: Mapping[str, Packet]) -> str:
        """Return in what words a packet is refused; empty where it is not."""
        try:
            self.detector.push(packet)
        except (ValueError, TypeError) as fault:
            return str(fault)
        return ""


def final_table(updates: Sequence[EventUpdate]) -> pd.DataFrame:
    """Return the final events."""
    return event_table(update.event for update in updates if update.final)


def require_same(one: pd.DataFrame, other: pd.DataFrame, what: str, *, within_s: float = 0.0) -> None:
    """Raise where two tables of events differ: times by more than this, scores by more than rounding."""
    require(len(one) == len(other), f"{what}: {len(one)} events, expected {len(other)}")
    require(list(one["label"]) == list(other["label"]), f"{what}: other labels")
    apart_s = np.abs(one[EXACT].to_numpy(dtype=np.float64) - other[EXACT].to_numpy(dtype=np.float64)).max(initial=0.0)
    require(apart_s <= within_s, f"{what}: times are up to {apart_s:.3g} s apart, expected {within_s:g} s")
    scores = np.abs(one["score"].to_numpy(dtype=np.float64) - other["score"].to_numpy(dtype=np.float64)).max(
        initial=0.0
    )
    require(scores <= max(_SCORE_WITHIN, within_s), f"{what}: scores are up to {scores:.3g} apart")
