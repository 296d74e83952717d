"""A cheap detector that is always on wakes an expensive one, which confirms."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import pandas as pd

from wristkit.condition import Packet
from wristkit.detector.detector import SPEC_FILE, Detector
from wristkit.detector.policy import Policy, PolicyState
from wristkit.detector.prepared import Prepared
from wristkit.detector.running import Running
from wristkit.detector.saved import not_of_this_version, read_header, sha256_of, write_header
from wristkit.detector.session import Session
from wristkit.detector.trace import Trace
from wristkit.errors import RecordingError
from wristkit.evaluate import EventReport
from wristkit.events import BACKGROUND, EventUpdate, Scores
from wristkit.recording import Recording, Side, several_recordings

CASCADE_FILE = "cascade.json"
_SOUND = "audio"


class Cascade:
    """A gate that is always on, a confirmer that it wakes, and the policy between them.

    The confirmer starts anew at each wake and sees only samples later than the wake plus warm-up, and what the policy's
    pre-roll keeps, in a recording as on a wrist. ``detect(recording)`` equals the final updates of ``push`` and
    ``flush`` for any partition.

    Parameters
    ----------
    gate, confirm
        Detectors; their decoders' ``smooth`` holds here too, the policy stands in for the rest of them.
    policy
        When the confirmer runs and what becomes an event.
    """

    def __init__(self, gate: Detector, confirm: Detector, policy: Policy | None = None) -> None:
        self.gate, self.confirm, self.policy = gate, confirm, Policy() if policy is None else policy
        self.gate_classes = _wanted(gate, self.policy.wake_on, "wake_on", "gate")
        self.confirm_classes = _wanted(confirm, self.policy.confirm_on, "confirm_on", "confirm")
        self.gate_streams = tuple(gate.spec.conditioning.inputs)
        self.confirm_streams = tuple(confirm.spec.conditioning.inputs)
        self._check_streams()
        self._check_times()
        self._sides: tuple[Side | None, Side | None] = (None, None)
        self._running: Running | None = None

    def _check_streams(self) -> None:
        if unknown := sorted(set(self.policy.always_on) - set(self.confirm_streams)):
            raise ValueError(f"always_on names {unknown}, the confirmer takes {sorted(self.confirm_streams)}")
        channels = {source.name: source.channels for source in self.gate.spec.conditioning.sources}
        for source in self.confirm.spec.conditioning.sources:
            if channels.get(source.name, source.channels) != source.channels:
                raise ValueError(
                    f"stream {source.name!r} has channels {channels[source.name]} at the gate and {source.channels} at "
                    "the confirmer; train both with the same"
                )

    def _check_times(self) -> None:
        spec, policy = self.confirm.spec, self.policy
        least_s = 1.5 * (spec if policy.span_of == "confirm" else self.gate.spec).hop_s
        if policy.release_s < least_s:
            raise ValueError(
                f"release_s is {policy.release_s}, expected at least {least_s:.4g}: one and a half steps from window "
                f"to window of the {policy.span_of}, or every event would end at once"
            )
        kept_s = 0.0 if self._woken else policy.warm_up_s + policy.pre_roll_s
        least_s = spec.length_s + spec.conditioning.delay_s + spec.hop_s - kept_s
        if policy.confirm_timeout_s < least_s:
            raise ValueError(
                f"confirm_timeout_s is {policy.confirm_timeout_s}, expected at least {least_s:.4g}: until then the "
                "confirmer has no first window"
            )

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that packets come under, the gate's first."""
        return tuple(dict.fromkeys((*self.gate_streams, *self.confirm_streams)))

    @property
    def _woken(self) -> tuple[str, ...]:
        """Streams that are on only while the confirmer is."""
        always = {*self.gate_streams, *self.policy.always_on}
        return tuple(name for name in self.confirm_streams if name not in always)

    @property
    def sources(self) -> tuple[str, ...]:
        """Streams that scores need, sound by the name of its frames."""
        both = (*self.gate.spec.conditioning.sources, *self.confirm.spec.conditioning.sources)
        return tuple(dict.fromkeys(source.name for source in both))

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that events can have, then the background."""
        if self.policy.label is not None:
            return (self.policy.label, BACKGROUND)
        alone = () if self.policy.gate_alone is None else self.gate_classes
        return (*dict.fromkeys((*self.confirm_classes, *alone)), BACKGROUND)

    @property
    def microphone(self) -> Literal["never", "woken", "always"]:
        """When the microphone is on."""
        if _SOUND not in self.streams:
            return "never"
        return "woken" if _SOUND in self._woken else "always"

    @cached_property
    def gate_operations(self) -> int:
        """Multiply-accumulates of the gate's net for one window."""
        return _operations(self.gate)

    @cached_property
    def confirm_operations(self) -> int:
        """Multiply-accumulates of the confirmer's net for one window."""
        return _operations(self.confirm)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Ids of the recordings that either was trained or tuned on."""
        return tuple(dict.fromkeys((*self.gate.spec.trained_on, *self.confirm.spec.trained_on)))

    @property
    def sha256(self) -> str:
        """Hash of the policy and both specifications, weights not included."""
        return sha256_of([self.policy.to_dict(), self.gate.spec.sha256, self.confirm.spec.sha256])

    def with_policy(self, policy: Policy) -> "Cascade":
        """Return a cascade of the same detectors with another policy."""
        return Cascade(self.gate, self.confirm, policy)

    def trace(self, recording: Recording) -> Trace:
        """Return the states over a recording, with what was on and what it cost.

        Raises
        ------
        RecordingError
            Where a detector refuses the recording. With ``gate_alone``, streams that only the confirmer needs may be
            missing.
        """
        return Prepared(self, recording).run(self.policy)

    def detect(self, recording: Recording) -> pd.DataFrame:
        """Return the events in a recording: ``start_s, stop_s, label, score, decided_s``."""
        return self.trace(recording).events

    def scores(self, recording: Recording) -> Scores:
        """Return on the gate's windows what the confirmer said, 0 where it was off."""
        return self.trace(recording).scores

    def evaluate(
        self,
        recordings: Recording | Sequence[Recording],
        *,
        tier: str = "truth",
        tolerance_s: float = 0.5,
        latency_from: Literal["start", "stop"] = "start",
    ) -> EventReport:
        """Return how often this cascade is right, wrong and late on recordings.

        It has several thresholds, so there is no curve: ``tune_cascade`` gives the surface.
        """
        from wristkit.detector.judging import report_of

        held = several_recordings(recordings)
        traces = {one.id: self.trace(one) for one in held}
        return report_of(self, held, traces, tier=tier, tolerance_s=tolerance_s, latency_from=latency_from)

    def push(self, packets: Mapping[str, Packet]) -> list[EventUpdate]:
        """Return what these packets decide: each event once when it is decided and once when it is final.

        Parameters
        ----------
        packets
            Stream name to ((n,) seconds, (n, c) values) as for ``Detector.push``. Streams that are not ``needed`` may
            come or stay away: they are not looked at.
        """
        if self._running is None:
            self._running = Running(self, *self._sides)
        return self._running.push(packets)

    def flush(self) -> list[EventUpdate]:
        """Return the final updates of what is still open at the end, and start anew."""
        updates = [] if self._running is None else self._running.flush()
        self._running = None
        return updates

    def reset(self, *, wrist: Side | None = None, crown: Side | None = None) -> None:
        """Forget everything pushed; detectors in the wrist frame need both sides before the first packet."""
        self._sides = (wrist, crown)
        self._running = None

    @property
    def state(self) -> PolicyState:
        """Where the policy is, of what was pushed."""
        return self.policy.start() if self._running is None else self._running.walk.state

    @property
    def needed(self) -> tuple[str, ...]:
        """Streams that must be on now: who sends the packets switches the others off."""
        woken = () if self.state.listens else self._woken
        return tuple(name for name in self.streams if name not in woken)

    @property
    def late_samples(self) -> Mapping[str, int]:
        """Stream to number of samples left out since the start because they came later than ``max_wait_s``."""
        return {} if self._running is None else self._running.late_samples

    def sees_after_s(self, wake_s: float) -> dict[str, float]:
        """Return for each of the confirmer's streams the time after which it sees samples, of a wake."""
        woken = self._woken
        return {
            name: wake_s + self.policy.warm_up_s if name in woken else wake_s - self.policy.pre_roll_s
            for name in self.confirm_streams
        }

    def can_confirm(self, recording: Recording) -> bool:
        """Whether a recording holds the confirmer's streams, or must."""
        conditioning = self.confirm.spec.conditioning
        try:
            for source in conditioning.sources:
                conditioning.stream(source, recording)
        except RecordingError:
            return self.policy.gate_alone is None
        return True

    def session(
        self, stage: Detector, wrist: Side | None, crown: Side | None, *, given: Literal["device", "wrist"] = "device"
    ) -> Session:
        """Return a stage in which nothing was seen; how long streams are waited for is the policy's."""
        return Session(stage.spec, wrist, crown, given=given, max_wait_s=self.policy.max_wait_s)

    def save(self, folder: str | Path) -> Path:
        """Write policy and both detectors as JSON and safetensors, and return the folder."""
        folder = Path(folder)
        stages = {"gate": self.gate, "confirm": self.confirm}
        hashes = {
            name: sha256_of((stage.save(folder / name) / SPEC_FILE).read_text()) for name, stage in stages.items()
        }
        policy = self.policy.to_dict()
        write_header(folder / CASCADE_FILE, {"policy": policy, "policy_sha256": sha256_of(policy), "stages": hashes})
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the cascade that :meth:`save` wrote, every part checked against its hash."""
        path = Path(folder) / CASCADE_FILE
        header = read_header(path, needed=("policy", "stages"), hashed="policy", writer="Cascade.save")
        stages = {name: Detector.load(path.parent / name) for name in ("gate", "confirm")}
        for name in stages:
            saved = (path.parent / name / SPEC_FILE).read_text()
            if not isinstance(header["stages"], dict) or sha256_of(saved) != header["stages"].get(name):
                raise RecordingError(
                    f"the folder {name!r} is not the one that was saved with this cascade",
                    code="checksum",
                    remedy="copy the whole folder again, or save the cascade anew",
                    file=path.parent / name,
                )
        try:
            return cls(stages["gate"], stages["confirm"], Policy.from_dict(header["policy"]))
        except (KeyError, TypeError, ValueError) as fault:
            raise not_of_this_version(path, fault, what="cascade") from fault

    def __repr__(self) -> str:
        return f"Cascade({', '.join(self.classes[:-1])}: {self.gate!r} wakes {self.confirm!r})"


def _wanted(detector: Detector, asked: tuple[str, ...], field: str, stage: str) -> tuple[str, ...]:
    background = detector.spec.decoder.background
    known = tuple(name for name in detector.spec.classes if name != background)
    if unknown := [name for name in asked if name not in known]:
        raise ValueError(f"{field} names {unknown}, the {stage} has the classes {list(known)} beside its background")
    return asked or known


def _operations(detector: Detector) -> int:
    from wristkit.models import summary

    return summary(detector.model, samples=detector.spec.length).macs
