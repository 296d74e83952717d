"""The ordered steps from source streams to the grid, over a recording and over packets."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wristkit.audio import MelParams
from wristkit.audio.sound import chosen, naming_fault, stretches
from wristkit.condition.frame import Frame, Kind, Source, Turn, frame_of, sides_of
from wristkit.condition.resample import Grid, Resample
from wristkit.condition.sound import MEL, SOUND, SoundFront, mel_source
from wristkit.errors import RecordingError
from wristkit.filters import CausalFilter, CausalState, filter_from_dict, only_keys
from wristkit.recording import (
    CANONICAL,
    LATEST_S,
    FloatArray,
    Recording,
    Side,
    Stream,
    longest_step_s,
    numbers,
    several_recordings,
    stamps_of,
)
from wristkit.recording.given import told
from wristkit.signals.clock import STEADY
from wristkit.signals.offline import ATTITUDES, continuous_attitude
from wristkit.signals.units import PLAUSIBLE, usable

Packet = tuple[npt.ArrayLike, npt.ArrayLike]

SLOWEST_HZ = 5.0  # of sensors of motion, light and sound, none of which says anything at a slower rate
_FAR = 10  # times the longest step: what milliseconds are, even of 800 samples a second
_FAR_STEPS = 8  # one after the other say that the stamps are no seconds
_MOST_FILTERS = 16
_MOST_OVER_A_STEP = 1e6  # grid samples between two of the source
Step = MelParams | Frame | Resample | CausalFilter


@dataclass(frozen=True)
class Conditioning:
    """Sources and the ordered steps that bring them to one grid.

    Build one with :meth:`of`. ``steps`` is a frame, a resampler and any number of filters, in this order; before
    them stands the log-mel front end where the source ``mel`` is made of sound, which then comes as ``audio``.
    """

    sources: tuple[Source, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        kinds = [type(step) for step in self.steps[0 if self.mel is None else 1 :]]
        if kinds[:2] != [Frame, Resample] or not all(issubclass(kind, CausalFilter) for kind in kinds[2:]):
            raise ValueError(
                f"steps are {[type(step).__name__ for step in self.steps]}, expected Frame, Resample, then Filters; "
                "before them MelParams, at most once"
            )
        names = [source.name for source in self.sources]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"streams are {names}, expected one or more different names")
        if self.mel is not None and mel_source(self.mel) not in self.sources:
            raise ValueError(
                f"the log-mel front end makes {mel_source(self.mel)}, which is none of the sources; add it"
            )
        for source in self.sources:
            self.frame.check(source)
        if len(self.filters) > _MOST_FILTERS:
            raise ValueError(f"there are {len(self.filters)} filters, expected at most {_MOST_FILTERS}; join some")
        for filter_ in self.filters:
            filter_.coefficients(self.rate_hz)
        longest = max(self.sources, key=lambda source: source.longest_step_s)
        if self.rate_hz * longest.longest_step_s > _MOST_OVER_A_STEP:
            raise ValueError(
                f"{longest.name!r} has steps of up to {longest.longest_step_s:.4g} s, and rate_hz is {self.rate_hz:g}: "
                f"more than {_MOST_OVER_A_STEP:g} grid samples to one of the source; lower rate_hz"
            )

    @classmethod
    def of(
        cls,
        recordings: Sequence[Recording],
        *,
        streams: Sequence[str],
        rate_hz: float,
        filters: Sequence[CausalFilter] = (),
        frame: Kind = "device",
    ) -> Self:
        """Return the conditioning of these streams, with channels, units and gap rule taken from the recordings.

        A step is a gap where it is longer than max(4 median periods, 0.1 s) of the slowest of the recordings. The
        stream ``mel`` is made of ``audio`` where a recording has it, and else taken as it was stored.
        """
        recordings = several_recordings(recordings)
        _check_asked(recordings, streams, filters)
        heard = MEL in streams and any(SOUND in recording.streams for recording in recordings)
        front = (MelParams(),) if heard else ()
        sources = tuple(
            mel_source(front[0]) if front and name == MEL else _source_of(name, recordings) for name in streams
        )
        made = cls(sources=sources, steps=(*front, Frame(frame), Resample(rate_hz), *filters))
        made.frame.check_sides(recordings)
        return made

    @cached_property
    def mel(self) -> MelParams | None:
        """The log-mel front end; None where no sound comes."""
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, MelParams) else None

    @property
    def inputs(self) -> Mapping[str, str]:
        """Names of the streams that packets come under, to the source that each of them becomes."""
        return {SOUND if self._is_heard(source) else source.name: source.name for source in self.sources}

    def _is_heard(self, source: Source) -> bool:
        return self.mel is not None and source.name == MEL

    def stream(self, source: Source, recording: Recording) -> Stream:
        """Return the stream of a recording that a source is made of."""
        if self._is_heard(source) and not (SOUND not in recording.streams and MEL in recording.streams):
            return recording[SOUND]
        return recording[source.name]

    @cached_property
    def frame(self) -> Frame:
        """The frame step."""
        return next(step for step in self.steps if isinstance(step, Frame))

    @cached_property
    def _resample(self) -> Resample:
        return next(step for step in self.steps if isinstance(step, Resample))

    @property
    def filters(self) -> tuple[CausalFilter, ...]:
        """The filter steps."""
        return tuple(step for step in self.steps if isinstance(step, CausalFilter))

    @property
    def rate_hz(self) -> float:
        """Grid samples a second."""
        return self._resample.rate_hz

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all conditioned channels, such as ``accel_x``, in order."""
        return tuple(name for source in self.sources for name in source.channel_names)

    @property
    def delay_s(self) -> float:
        """Seconds after ``k / rate_hz`` until sample k can be given: front end, resampler and filters."""
        front_s = 0.0 if self.mel is None else self.mel.longest_delay_s
        return front_s + self._resample.delay_s + sum(filter_.delay_s(self.rate_hz) for filter_ in self.filters)

    def run(self, recording: Recording) -> dict[str, Grid]:
        """Return the conditioned samples of each source of a recording.

        Rows that are not finite, or that no wrist gives (``inspect`` finds them as ``implausible``), are missing
        samples: they are left out, and the gap rule covers them.

        Raises
        ------
        RecordingError
            With code ``missing_stream``, ``missing_channel``, ``unit``, ``rate_too_low``, ``side_unknown`` or, where
            most rows are such as no wrist gives, ``unit_implausible``.
        """
        self.frame.check_sides([recording])
        state = ConditioningState(self, *sides_of(recording), given=frame_of(recording))
        return {
            source.name: _run_source(state.states[source.name], self.stream(source, recording))
            for source in self.sources
        }

    def check(self, recording: Recording) -> None:
        """Raise what :meth:`run` raises about the streams of a recording, without running anything."""
        self.frame.check_sides([recording])
        for source in self.sources:
            stream = self.stream(source, recording)
            if self._is_heard(source) and stream.name == SOUND:
                chosen(stream, None)
                continue
            values = np.asarray(stream.values[:, _columns(stream, source)], dtype=np.float64)
            _check_rate(stream, source)
            _check_plausible(stream, values, usable(source.name, values))

    def start(self, *, wrist: Side | None = None, crown: Side | None = None) -> "ConditioningState":
        """Return the state before the first packet; a wrist frame needs both sides."""
        return ConditioningState(self, wrist, crown)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        sources = [{**vars(source), "channels": list(source.channels)} for source in self.sources]
        filters = [{"step": "filter", **filter_.to_dict()} for filter_ in self.filters]
        front = [] if self.mel is None else [self.mel.to_dict()]
        return {"sources": sources, "steps": [*front, self.frame.to_dict(), self._resample.to_dict(), *filters]}

    def to_json(self) -> str:
        """Return :meth:`to_dict` as text, the same for equal conditionings."""
        return json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the conditioning that :meth:`to_dict` described."""
        only_keys(fields, ("sources", "steps"), "a conditioning")
        sources = tuple(_source_from_dict(source) for source in fields["sources"])
        return cls(sources=sources, steps=tuple(_step_from_dict(step) for step in fields["steps"]))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the conditioning that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))


class ConditioningState:
    """Running conditioning of packets; ``push`` gives the grid samples that each packet completes."""

    def __init__(
        self, conditioning: Conditioning, wrist: Side | None, crown: Side | None, *, given: Kind = "device"
    ) -> None:
        self._inputs = conditioning.inputs
        self.states: dict[str, SourceState | SoundSourceState] = {
            source.name: SoundSourceState(conditioning, source)
            if conditioning._is_heard(source)
            else SourceState(
                conditioning, source, conditioning.frame.turn(source.name, source.channels, wrist, crown, given=given)
            )
            for source in conditioning.sources
        }

    def push(self, packets: Mapping[str, Packet]) -> dict[str, Grid]:
        """Return the newly completed grid samples of each source that has any.

        Parameters
        ----------
        packets
            Stream name to ((n,) seconds, (n, c) values); later than what was pushed before, finite, and such as a
            wrist gives. An error leaves all state as it was.
        """
        return self.push_sources(self.by_source(packets))

    def by_source(self, packets: Mapping[str, Packet]) -> dict[str, Packet]:
        """Return packets by the source that each becomes, or raise which are none."""
        if not isinstance(packets, Mapping):
            raise TypeError(f"packets are a {type(packets).__name__}, expected stream name to (seconds, values)")
        unknown = sorted(set(packets) - set(self._inputs))
        if unknown:
            raise ValueError(f"streams {unknown} are not used here, expected {sorted(self._inputs)}; leave them out")
        for name, packet in packets.items():
            if not isinstance(packet, tuple | list) or len(packet) != 2:
                raise TypeError(f"packet of {name!r} is {told(packet)}, expected (seconds, values)")
        return {self._inputs[name]: packet for name, packet in packets.items()}

    def push_sources(self, packets: Mapping[str, Packet]) -> dict[str, Grid]:
        """Return what :meth:`push` does, of packets by source."""
        checked = {name: self.states[name].check(*packet) for name, packet in packets.items()}
        return {name: self.states[name].push(*packet) for name, packet in checked.items()}


class SourceState:
    """Running frame, resampler and filters of one source, started anew after each gap."""

    def __init__(self, conditioning: Conditioning, source: Source, turn: Turn | None) -> None:
        self.source = source
        self.newest_s = -np.inf
        self._conditioning = conditioning
        self._turn = turn
        self._is_attitude = source.name in ATTITUDES
        self._far_steps = 0
        self._delay = sum(one.coefficients(conditioning.rate_hz).delay for one in conditioning.filters)
        self.end_stretch()

    @property
    def oldest_s(self) -> float:
        """Time of the oldest sample that outputs to come may need; infinity where there is none."""
        held_s = self._resampler.time_s
        return float(held_s[0]) if len(held_s) else np.inf

    def end_stretch(self) -> None:
        """Forget all state, as a gap does; time still only moves forward."""
        self._resampler = self._conditioning._resample.start(len(self.source.channels))
        self._filters: list[CausalState] = []
        self._first_place: int | None = None
        self._attitude: FloatArray | None = None

    def check(self, time: npt.ArrayLike, values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return a packet as float64 (n,) and (n, c), or raise what is wrong with it."""
        name, count = self.source.name, len(self.source.channels)
        time_s = stamps_of(name, np.empty(0) if not np.size(time) else time)
        given = numbers(f"packet of {name!r} has values", np.empty(0) if not np.size(values) else values)
        with np.errstate(over="ignore"):  # what is too big becomes infinite, and is refused below
            columns = given.astype(np.float32)
        if not columns.size:
            columns = columns.reshape(0, count)
        if time_s.ndim != 1 or columns.shape != (len(time_s), count):
            raise ValueError(
                f"packet of {name!r} has time {time_s.shape} and values {columns.shape}, expected (n,) and "
                f"(n, {count}) for channels {list(self.source.channels)}"
            )
        if not (np.isfinite(time_s).all() and np.isfinite(columns).all()):
            raise ValueError(
                f"packet of {name!r} holds NaN or infinite numbers; leave such samples out, the gap rule covers them"
            )
        if not (held := usable(name, columns)).all():
            row, (low, high) = int(np.argmin(held)), PLAUSIBLE[name]
            raise ValueError(
                f"packet of {name!r} has {columns[row].tolist()} at {time_s[row]} s, a wrist gives {low:g} to {high:g} "
                f"{self.source.unit}; check the unit, and leave such samples out, the gap rule covers them"
            )
        steps = self._steps_s(time_s)
        self._check_seconds(time_s, steps)
        if (steps <= 0).any():
            row = int(np.argmax(steps <= 0))
            before_s = self.newest_s if row == 0 else time_s[row - 1]
            raise ValueError(
                f"packet of {name!r} has time {time_s[row]} s after {before_s} s, expected increasing seconds; drop "
                "repeated packets, and call reset() before another recording"
            )
        return time_s, columns.astype(np.float64)

    def _check_seconds(self, time_s: FloatArray, steps_s: FloatArray) -> None:
        """Raise where the stamps cannot be seconds of this source: step after step is far beyond a gap."""
        too_late = len(time_s) and np.abs(time_s).max() > LATEST_S
        if too_late or self._far_runs(steps_s).max(initial=0) >= _FAR_STEPS:
            usual_s = np.median(steps_s[1:]) if len(steps_s) > 1 else steps_s[0]
            raise ValueError(
                f"packet of {self.source.name!r} has steps of {usual_s:.4g} s up to {np.abs(time_s).max():.4g} s, "
                f"expected at most {self.source.longest_step_s:.4g} s between samples; "
                "give seconds, not milliseconds, of a sensor as fast as the one that was trained on"
            )

    def _far_runs(self, steps_s: FloatArray) -> npt.NDArray[np.int64]:
        """Return how many steps far beyond a gap there were in a row up to each of these; the first sample has none."""
        far = (steps_s > _FAR * self.source.longest_step_s) & np.isfinite(steps_s)
        places = np.arange(1, len(far) + 1)
        last_near = np.maximum.accumulate(np.where(far, -self._far_steps, places))
        return np.asarray(places - last_near)

    def push(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples that checked samples complete."""
        if not len(time_s):
            return Grid.empty(len(self.source.channels))
        values = values if self._turn is None else self._turn(values)
        steps_s = self._steps_s(time_s)
        self._far_steps = int(self._far_runs(steps_s)[-1])
        starts = set(np.flatnonzero(steps_s > self.source.longest_step_s).tolist())
        parts = []
        for first, last in pairwise(sorted({0, *starts, len(time_s)})):
            if first in starts:
                self.end_stretch()
            parts.append(self._push_stretch(time_s[first:last], values[first:last]))
        self.newest_s = float(time_s[-1])
        return parts[0] if len(parts) == 1 else Grid.join(parts)

    def _steps_s(self, time_s: FloatArray) -> FloatArray:
        """Return the seconds from the sample before to each of these."""
        steps_s = np.empty(len(time_s))
        steps_s[:1] = time_s[:1] - self.newest_s
        np.subtract(time_s[1:], time_s[:-1], out=steps_s[1:])
        return steps_s

    def _push_stretch(self, time_s: FloatArray, values: FloatArray) -> Grid:
        if self._is_attitude:
            values = continuous_attitude(values, before=self._attitude)
            self._attitude = values[-1]
        grid = self._resampler.push(time_s, values)
        if not len(grid.places):
            return grid
        if self._is_attitude:
            grid = grid._replace(values=_unit_length(grid.values))
        if self._first_place is None:
            self._first_place = int(grid.places[0])
            self._filters = self._settled_filters(grid.values[0])
        filtered = grid.values
        for state in self._filters:
            filtered = state.push(filtered)
        # A filter's output belongs `delay` places earlier; what would lie before the stretch was never recorded.
        kept = grid.places - self._delay >= self._first_place
        return Grid(grid.places[kept] - self._delay, filtered[kept], grid.needed_s[kept])

    def _settled_filters(self, first: FloatArray) -> list[CausalState]:
        states: list[CausalState] = []
        rate_hz = self._conditioning.rate_hz
        for filter_ in self._conditioning.filters:
            state = filter_.start(rate_hz, first)
            states.append(state)
            first = filter_.run(first[None], rate_hz=rate_hz)[0]
        return states


def _unit_length(quaternions: FloatArray) -> FloatArray:
    """Return quaternions (n, 4) of length 1 again, which lie a little inside once they were averaged."""
    w, x, y, z = quaternions.T
    length = np.sqrt(w * w + x * x + y * y + z * z)
    return np.asarray(quaternions / np.where(length > 0, length, 1.0)[:, None])


class SoundSourceState:
    """Running front end, resampler and filters of the source that is made of sound."""

    def __init__(self, conditioning: Conditioning, source: Source) -> None:
        self.of_frames = SourceState(conditioning, source, None)
        self._front = SoundFront(conditioning.mel or MelParams())
        self._stamps_s, self._needed_s = np.empty(0), np.empty(0)

    @property
    def newest_s(self) -> float:
        """Time of the newest sample of sound."""
        return self._front.newest_s

    def end_stretch(self) -> None:
        """Forget all state, as a gap does; time still only moves forward."""
        self._front.end_stretch()
        self.of_frames.end_stretch()
        self._stamps_s, self._needed_s = np.empty(0), np.empty(0)

    def check(self, time: npt.ArrayLike, values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return a packet of one channel of sound, or raise what is wrong with it."""
        return self._front.check(time, values)

    def push(self, time_s: FloatArray, samples: FloatArray) -> Grid:
        """Return the grid samples that checked samples of sound complete."""
        frames = self._front.push(time_s, samples)
        self._stamps_s = np.concatenate([self._stamps_s, frames.time_s])
        self._needed_s = np.concatenate([self._needed_s, frames.needed_s])
        grid = self.of_frames.push(frames.time_s, frames.values)
        # The resampler needs a frame; the frame needs the sound up to some milliseconds after its time.
        needed_s = self._needed_s[np.searchsorted(self._stamps_s, grid.needed_s)]
        first = int(np.searchsorted(self._stamps_s, self.of_frames.oldest_s))
        self._stamps_s, self._needed_s = self._stamps_s[first:].copy(), self._needed_s[first:].copy()
        return grid._replace(needed_s=needed_s)


def _run_source(state: "SourceState | SoundSourceState", stream: Stream) -> Grid:
    if isinstance(state, SoundSourceState):
        if stream.name == SOUND:
            return _run_sound(state, stream)
        state = state.of_frames
    columns = _columns(stream, state.source)
    _check_rate(stream, state.source)
    values = np.asarray(stream.values[:, columns], dtype=np.float64)
    held = usable(state.source.name, values)
    _check_plausible(stream, values, held)
    return state.push(stream.time[held], values[held])


def _run_sound(state: SoundSourceState, stream: Stream) -> Grid:
    parts = [Grid.empty(len(state.of_frames.source.channels))]
    with naming_fault(stream):
        parts += [state.push(*state.check(time_s, samples)) for _, time_s, samples in stretches(stream, None)]
    return Grid.join(parts)


def _columns(stream: Stream, source: Source) -> list[int]:
    """Return the places of the source's channels in a stream, by name."""
    if stream.unit != source.unit:
        raise RecordingError(
            f"stream {stream.name!r} is in {stream.unit!r}, expected {source.unit!r}",
            code="unit",
            remedy=f"convert it to {source.unit}",
        )
    if missing := [channel for channel in source.channels if channel not in stream.channels]:
        raise RecordingError(
            f"stream {stream.name!r} lacks channels {missing}, it has {list(stream.channels)}",
            code="missing_channel",
            remedy="give a recording with these channels, or train without them",
        )
    return [stream.channels.index(channel) for channel in source.channels]


def _check_rate(stream: Stream, source: Source) -> None:
    if stream.rate_hz * source.longest_step_s < 1:
        raise RecordingError(
            f"stream {stream.name!r} has {stream.rate_hz:.4g} samples a second, expected at least "
            f"{1 / source.longest_step_s:.4g}: every step would be a gap",
            code="rate_too_low",
            remedy="use a recording with a rate like those that the windows were made from",
        )


def _check_plausible(stream: Stream, values: FloatArray, held: npt.NDArray[np.bool_]) -> None:
    """Raise where most rows are such as no wrist gives: another unit, of which too little would be left in silence."""
    if held.all():
        return
    finite = np.isfinite(values).all(axis=1)
    wild = finite & ~held & values.any(axis=1)  # zeros say that there is no value, such as no beat
    if 2 * wild.sum() > finite.sum():
        low, high = PLAUSIBLE[stream.name]
        raise RecordingError(
            f"stream {stream.name!r} has {wild.sum()} of {finite.sum()} rows outside {low:g} to {high:g} "
            f"{stream.unit}, which no wrist gives",
            code="unit_implausible",
            remedy=f"check that it is in {stream.unit}; look at what inspect() finds",
        )


def _check_asked(recordings: Sequence[Recording], streams: object, filters: object) -> None:
    if isinstance(filters, str) or not isinstance(filters, Iterable):
        raise TypeError(f"filters is {filters!r:.60}, expected several; put it in a tuple, or leave it out")
    if isinstance(streams, str | bytes):
        raise TypeError(f"streams is the text {streams!r}, expected names in a tuple, such as ({streams!r},)")
    if not recordings:
        raise ValueError("there is no recording to take channels, units and rates from; give one or more")


def _source_of(name: str, recordings: Sequence[Recording]) -> Source:
    streams = [recording[name] for recording in recordings]
    first = streams[0]
    for stream, recording in zip(streams, recordings, strict=True):
        if stream.unit != first.unit or set(stream.channels) != set(first.channels):
            raise RecordingError(
                f"stream {name!r} of recording {recording.id} is {stream.channels} in {stream.unit!r}, others are "
                f"{first.channels} in {first.unit!r}",
                code="unit" if stream.unit != first.unit else "channels",
                remedy="give recordings with the same channels and unit",
            )
    channels = CANONICAL[name].channels if name in CANONICAL else ()
    for stream, recording in zip(streams, recordings, strict=True):
        if name in STEADY and stream.rate_hz < SLOWEST_HZ:
            raise RecordingError(
                f"stream {name!r} of recording {recording.id} has {stream.rate_hz:.3g} samples a second, expected at "
                f"least {SLOWEST_HZ:g} of such a sensor",
                code="time_unit",
                remedy="are its stamps in milliseconds? give seconds; a slower stream needs a name of its own",
            )
    steps = [_longest_step_s(stream) for stream in streams if len(stream) > 1]
    if not steps:
        raise RecordingError(
            f"stream {name!r} has fewer than two samples in every recording", code="too_short", remedy="record longer"
        )
    return Source(name=name, channels=channels or first.channels, unit=first.unit, longest_step_s=max(steps))


def _longest_step_s(stream: Stream) -> float:
    return longest_step_s(np.arange(3) / stream.rate_hz) if stream.is_uniform else longest_step_s(stream.time)


def _source_from_dict(fields: Mapping[str, Any]) -> Source:
    only_keys(fields, tuple(field.name for field in dataclass_fields(Source)), "a source")
    return Source(**{**fields, "channels": tuple(fields["channels"])})


def _step_from_dict(fields: Mapping[str, Any]) -> Step:
    match fields.get("step"):
        case "log_mel":
            return MelParams.from_dict(fields)
        case "frame":
            only_keys(fields, ("step", "kind"), "the step 'frame'")
            return Frame(fields["kind"])
        case "resample":
            only_keys(fields, ("step", "rate_hz"), "the step 'resample'")
            return Resample(fields["rate_hz"])
        case "filter":
            return filter_from_dict({name: value for name, value in fields.items() if name != "step"})
        case other:
            raise ValueError(f"step {other!r} is not known here, expected 'log_mel', 'frame', 'resample' or 'filter'")
