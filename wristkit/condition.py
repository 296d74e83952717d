"""From source streams to the grid of a net: one definition for training, a recording, and packets on a wrist.

``Conditioning`` is a frozen, ordered tuple of steps. ``run`` takes a recording, ``start().push`` takes packets, and
both give the same bits: every output depends on the samples in its own support alone, summed in one fixed order.

On the grid, sample k of every stream lies at ``k / rate_hz`` seconds from ``Recording.start``. A gap resets all state.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.filters import Filter, FilterState
from wristkit.recording import CANONICAL, FloatArray, Recording, Side, Stream, longest_step_s

PlaceArray = npt.NDArray[np.int64]
Packet = tuple[npt.ArrayLike, npt.ArrayLike]

POLAR = frozenset({"accel", "user_accel", "gravity"})
AXIAL = frozenset({"gyro"})

# Signs of (x, y, z) from device to wrist by (wrist, crown). A right wrist is the mirror image of a left one, so the
# signs of the rotation rate, an axial vector, are these times the determinant of the map.
WRIST_SIGNS: Mapping[tuple[Side, Side], tuple[float, float, float]] = MappingProxyType(
    {
        ("left", "right"): (1.0, 1.0, 1.0),
        ("left", "left"): (-1.0, -1.0, 1.0),
        ("right", "left"): (1.0, -1.0, 1.0),
        ("right", "right"): (-1.0, 1.0, 1.0),
    }
)


class Grid(NamedTuple):
    """Conditioned samples of one source.

    ``places`` (m,) on the grid, with holes where something was missing; ``values`` is (m, c); ``needed_s`` (m,) is the
    time of the newest source sample that each of them needed.
    """

    places: PlaceArray
    values: FloatArray
    needed_s: FloatArray

    @classmethod
    def empty(cls, channels: int) -> Self:
        """Return no samples."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, channels)), np.empty(0))

    @classmethod
    def join(cls, parts: Sequence["Grid"]) -> Self:
        """Return the samples of consecutive parts as one."""
        columns = zip(*parts, strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Source:
    """A stream as the conditioning expects it: name, channels, unit, and the longest step that is not yet a gap."""

    name: str
    channels: tuple[str, ...]
    unit: str
    longest_step_s: float

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels outside the stream, such as ``accel_x``."""
        return tuple(self.name if channel == self.name else f"{self.name}_{channel}" for channel in self.channels)


@dataclass(frozen=True)
class Frame:
    """Step: the axes in which vectors are given.

    ``"device"`` leaves them. ``"wrist"`` mirrors and turns them so that x points to the hand and z out of the wrist on
    either arm, whichever way the crown looks; it needs both sides to be known.
    """

    kind: Literal["device", "wrist"] = "device"

    def __post_init__(self) -> None:
        if self.kind not in ("device", "wrist"):
            raise ValueError(f"frame is {self.kind!r}, expected 'device' or 'wrist'")

    def check(self, source: Source) -> None:
        """Raise where this frame is not defined for a source."""
        vector = source.name in POLAR | AXIAL
        looks_like_one = set(source.channels) >= {"x", "y", "z"}
        if self.kind == "wrist" and looks_like_one and not vector:
            raise ValueError(
                f"frame='wrist' is not defined for {source.name!r}; expected {sorted(POLAR | AXIAL)} or streams that "
                "are not vectors; use frame='device', or compute what you need of it first"
            )

    def check_sides(self, recordings: Sequence[Recording]) -> None:
        """Raise where this frame needs to know sides that a recording does not state."""
        unknown = [one.id for one in recordings if one.wrist is None or one.crown is None]
        if self.kind == "wrist" and unknown:
            raise RecordingError(
                f"frame='wrist' needs both sides, and recordings {unknown} do not state them",
                code="side_unknown",
                remedy="give wrist= and crown= when loading, or use frame='device'",
            )

    def signs(self, source: Source, wrist: Side | None, crown: Side | None) -> FloatArray | None:
        """Return the factor of each channel, or None where nothing changes."""
        if self.kind == "device" or source.name not in POLAR | AXIAL:
            return None
        if wrist is None or crown is None:
            raise RecordingError(
                f"frame='wrist' needs both sides, but wrist is {wrist!r} and crown is {crown!r}",
                code="side_unknown",
                remedy="give wrist= and crown= when loading, or use frame='device'",
            )
        signs = np.array(WRIST_SIGNS[wrist, crown])
        return signs * np.prod(signs) if source.name in AXIAL else signs

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "frame", "kind": self.kind}


# B-spline of degree 2 convolved with (-a, 1 + 2a, -a), a = 1/8: its knots lie at -2.5 ... 2.5 grid periods, and its
# second integral is the sum of truncated quartics there, of which symmetry leaves three: (knot, factor).
HALF_PERIODS = 2.5
QUARTICS = ((2.5, -0.125 / 24), (1.5, 1.625 / 24), (0.5, -4.25 / 24))
BLOCK = 8192  # outputs computed at once: what a processor's cache holds; changes nothing else


@dataclass(frozen=True)
class Resample:
    """Step: causal low-pass and interpolation to the grid, from stamps as they are.

    The samples are joined by straight lines, convolved exactly with a kernel of five grid periods (a quadratic
    B-spline, its droop at low frequencies compensated by an eighth of its second difference) and read off at
    ``k / rate_hz``. Source rate and jitter need not be known. The kernel is symmetric, so its delay is half its width
    at every frequency.

    At 0.1, 0.2, 0.3 and 0.5 of the grid's rate the kernel passes 0.997, 0.960, 0.840 and 0.387; what would fold onto
    the first three (from 0.9, 0.8 and 0.7) passes 0.001, 0.015 and 0.066.
    """

    rate_hz: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise ValueError(f"rate_hz is {self.rate_hz}, expected a positive number of samples a second")
        object.__setattr__(self, "rate_hz", float(self.rate_hz))

    @property
    def delay_s(self) -> float:
        """Seconds after ``k / rate_hz`` until output k can be given; output times are already corrected by it."""
        return HALF_PERIODS / self.rate_hz

    def start(self, channels: int) -> "ResampleState":
        """Return the state before the first sample of a stretch."""
        return ResampleState(self, channels)

    def run(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples of one stretch without gaps, from stamps (n,) and values (n, c)."""
        return self.start(values.shape[1]).push(time_s, values)

    def second_integral(self, periods: FloatArray) -> FloatArray:
        """Return the kernel integrated twice, at offsets in grid periods: 0 before it, the offset itself after it."""
        # By symmetry the right half is the left half plus a ramp, which saves three of six knots and all cancellation.
        folded = -np.abs(periods)
        total = np.maximum(periods, 0.0)
        for knot, factor in QUARTICS:
            term = folded + knot
            np.maximum(term, 0.0, out=term)  # in place from here: half the time goes into these few lines
            term *= term
            term *= term
            term *= factor
            total += term
        return total

    def at(self, places: PlaceArray, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples at one or more rising ``places`` from stamps (n,) and values (n, c).

        All of their support must be there. Before the first sample the signal is taken to have had the first value for
        ever.
        """
        centre_s = places / self.rate_hz
        # Two samples more than the oldest support: whatever lies at or before the first of them has no share left.
        first = max(0, int(np.searchsorted(time_s, centre_s[0] - self.delay_s)) - 2)
        last = int(np.searchsorted(time_s, centre_s[-1] + self.delay_s)) + 1
        time_s, columns = time_s[first:last], np.ascontiguousarray(values[first:last].T, dtype=np.float64)
        rises = np.diff(columns)
        newer = np.searchsorted(time_s, centre_s + self.delay_s)
        needed_s = time_s[newer]
        output = columns[:, newer]
        offset = (needed_s - centre_s) * self.rate_hz
        integral = self.second_integral(offset)
        # Integration by parts: newest value minus, for each straight line in the support, its rise times its share. The
        # order of this sum is by sample, newest first, in any partition of the stream.
        while ((newer > 0) & (offset > -HALF_PERIODS)).any():
            older = np.maximum(newer - 1, 0)
            older_offset = (time_s.take(older) - centre_s) * self.rate_hz
            older_integral = self.second_integral(older_offset)
            width = offset - older_offset
            width[: np.searchsorted(newer, 1)] = 1.0  # at the first sample; beyond the support both integrals are 0
            terms = rises.take(older, axis=1)
            terms *= (integral - older_integral) / width
            output -= terms
            newer, offset, integral = older, older_offset, older_integral
        output += 0.0  # no negative zeros, whose sign would depend on the partition
        return Grid(places, output.T, needed_s)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"step": "resample", "rate_hz": self.rate_hz}


class ResampleState:
    """A running resampler: the samples whose support is not over, and the next place on the grid."""

    def __init__(self, step: Resample, channels: int) -> None:
        self.step = step
        self.time_s: FloatArray = np.empty(0)
        self.values: FloatArray = np.empty((0, channels))
        self.next_place: int | None = None

    def push(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples that these samples, which follow the last ones without a gap, complete."""
        if not len(time_s):
            return Grid.empty(self.values.shape[1])
        held = len(self.time_s) > 0
        self.time_s = np.concatenate([self.time_s, time_s]) if held else time_s
        self.values = np.concatenate([self.values, values]) if held else values
        if self.next_place is None:
            self.next_place = _first_place_at(float(time_s[0]), self.step.rate_hz)
        stop = self._complete_before(float(time_s[-1]))
        places = np.arange(self.next_place, stop, dtype=np.int64)
        parts = [
            self.step.at(places[first : first + BLOCK], self.time_s, self.values)
            for first in range(0, len(places), BLOCK)
        ]
        self.next_place = max(stop, self.next_place)
        self._trim()
        return Grid.join(parts) if parts else Grid.empty(self.values.shape[1])

    def _complete_before(self, newest_s: float) -> int:
        """Return the first place on the grid whose support is not over yet."""
        place = int(np.floor((newest_s - self.step.delay_s) * self.step.rate_hz)) + 2
        while place / self.step.rate_hz + self.step.delay_s > newest_s:
            place -= 1
        return place + 1

    def _trim(self) -> None:
        if self.next_place is None:
            return
        support_s = (self.next_place - 1) / self.step.rate_hz - self.step.delay_s
        first = max(0, int(np.searchsorted(self.time_s, support_s)) - 1)
        # Copies: a caller may fill its own arrays anew, and a view would keep all of them in memory.
        self.time_s, self.values = self.time_s[first:].copy(), self.values[first:].copy()


def _first_place_at(time_s: float, rate_hz: float) -> int:
    """Return the smallest k with ``k / rate_hz >= time_s``, in floating point as it is compared elsewhere."""
    place = int(np.ceil(time_s * rate_hz)) - 1
    while place / rate_hz < time_s:
        place += 1
    return place


Step = Frame | Resample | Filter


@dataclass(frozen=True)
class Conditioning:
    """Sources and the ordered steps that bring them to one grid.

    Build one with :meth:`of`. ``steps`` is a frame, a resampler and any number of filters, in this order.
    """

    sources: tuple[Source, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        kinds = [type(step) for step in self.steps]
        if kinds[:2] != [Frame, Resample] or any(kind is not Filter for kind in kinds[2:]):
            raise ValueError(f"steps are {[kind.__name__ for kind in kinds]}, expected Frame, Resample, then Filters")
        names = [source.name for source in self.sources]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"streams are {names}, expected one or more different names")
        for source in self.sources:
            self.frame.check(source)
        for filter_ in self.filters:
            filter_.coefficients(self.rate_hz)

    @classmethod
    def of(
        cls,
        recordings: Sequence[Recording],
        *,
        streams: Sequence[str],
        rate_hz: float,
        filters: Sequence[Filter] = (),
        frame: Literal["device", "wrist"] = "device",
    ) -> Self:
        """Return the conditioning of these streams, with channels, units and gap rule taken from the recordings.

        A step is a gap where it is longer than max(4 median periods, 0.1 s) of the slowest of the recordings.
        """
        sources = tuple(_source_of(name, recordings) for name in streams)
        made = cls(sources=sources, steps=(Frame(frame), Resample(rate_hz), *filters))
        made.frame.check_sides(recordings)
        return made

    @cached_property
    def frame(self) -> Frame:
        """The frame step."""
        return next(step for step in self.steps if isinstance(step, Frame))

    @cached_property
    def _resample(self) -> Resample:
        return next(step for step in self.steps if isinstance(step, Resample))

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filter steps."""
        return tuple(step for step in self.steps if isinstance(step, Filter))

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
        """Seconds after ``k / rate_hz`` until sample k can be given: resampler and filters."""
        return self._resample.delay_s + sum(filter_.delay_s(self.rate_hz) for filter_ in self.filters)

    def run(self, recording: Recording) -> dict[str, Grid]:
        """Return the conditioned samples of each source of a recording.

        Rows that are not finite are missing samples: they are left out, and the gap rule covers them.

        Raises
        ------
        RecordingError
            With code ``missing_stream``, ``missing_channel``, ``unit``, ``rate_too_low`` or ``side_unknown``.
        """
        self.frame.check_sides([recording])
        state = self.start(wrist=recording.wrist, crown=recording.crown)
        return {source.name: _run_source(state.states[source.name], recording[source.name]) for source in self.sources}

    def start(self, *, wrist: Side | None = None, crown: Side | None = None) -> "ConditioningState":
        """Return the state before the first packet; a wrist frame needs both sides."""
        return ConditioningState(self, wrist, crown)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        sources = [{**vars(source), "channels": list(source.channels)} for source in self.sources]
        filters = [{"step": "filter", **filter_.to_dict()} for filter_ in self.filters]
        return {"sources": sources, "steps": [self.frame.to_dict(), self._resample.to_dict(), *filters]}

    def to_json(self) -> str:
        """Return :meth:`to_dict` as text, the same for equal conditionings."""
        return json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the conditioning that :meth:`to_dict` described."""
        sources = tuple(Source(**{**source, "channels": tuple(source["channels"])}) for source in fields["sources"])
        return cls(sources=sources, steps=tuple(_step_from_dict(step) for step in fields["steps"]))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the conditioning that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))


class ConditioningState:
    """Running conditioning of packets; ``push`` gives the grid samples that each packet completes."""

    def __init__(self, conditioning: Conditioning, wrist: Side | None, crown: Side | None) -> None:
        self.states = {source.name: SourceState(conditioning, source, wrist, crown) for source in conditioning.sources}

    def push(self, packets: Mapping[str, Packet]) -> dict[str, Grid]:
        """Return the newly completed grid samples of each source that has any.

        Parameters
        ----------
        packets
            Stream name to ((n,) seconds, (n, c) values); later than what was pushed before, finite.
        """
        unknown = sorted(set(packets) - set(self.states))
        if unknown:
            raise ValueError(f"streams {unknown} are not used here, expected {sorted(self.states)}; leave them out")
        checked = {name: self.states[name].check(*packet) for name, packet in packets.items()}
        return {name: self.states[name].push(*packet) for name, packet in checked.items()}


class SourceState:
    """Running frame, resampler and filters of one source, started anew after each gap."""

    def __init__(self, conditioning: Conditioning, source: Source, wrist: Side | None, crown: Side | None) -> None:
        self.source = source
        self.newest_s = -np.inf
        self._conditioning = conditioning
        self._signs = conditioning.frame.signs(source, wrist, crown)
        self._delay = sum(one.coefficients(conditioning.rate_hz).delay for one in conditioning.filters)
        self.end_stretch()

    def end_stretch(self) -> None:
        """Forget all state, as a gap does; time still only moves forward."""
        self._resampler = self._conditioning._resample.start(len(self.source.channels))
        self._filters: list[FilterState] = []
        self._first_place: int | None = None

    def check(self, time: npt.ArrayLike, values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return a packet as float64 (n,) and (n, c), or raise what is wrong with it."""
        name, count = self.source.name, len(self.source.channels)
        time_s, columns = np.asarray(time, dtype=np.float64), np.asarray(values, dtype=np.float32)
        if time_s.ndim != 1 or columns.shape != (len(time_s), count):
            raise ValueError(
                f"packet of {name!r} has time {time_s.shape} and values {columns.shape}, expected (n,) and "
                f"(n, {count}) for channels {list(self.source.channels)}"
            )
        if not (np.isfinite(time_s).all() and np.isfinite(columns).all()):
            raise ValueError(
                f"packet of {name!r} holds NaN or infinite numbers; leave such samples out, the gap rule covers them"
            )
        steps = np.diff(time_s, prepend=self.newest_s)
        if (steps <= 0).any():
            row = int(np.argmax(steps <= 0))
            before_s = self.newest_s if row == 0 else time_s[row - 1]
            raise ValueError(
                f"packet of {name!r} has time {time_s[row]} s after {before_s} s, expected increasing seconds; drop "
                "repeated packets, and call reset() before another recording"
            )
        return time_s, columns.astype(np.float64)

    def push(self, time_s: FloatArray, values: FloatArray) -> Grid:
        """Return the grid samples that checked samples complete."""
        if not len(time_s):
            return Grid.empty(len(self.source.channels))
        values = values if self._signs is None else values * self._signs
        starts = np.flatnonzero(np.diff(time_s, prepend=self.newest_s) > self.source.longest_step_s)
        edges = np.unique([0, *starts, len(time_s)])
        parts = []
        for first, last in pairwise(edges.tolist()):
            if first in starts:
                self.end_stretch()
            parts.append(self._push_stretch(time_s[first:last], values[first:last]))
        self.newest_s = float(time_s[-1])
        return Grid.join(parts)

    def _push_stretch(self, time_s: FloatArray, values: FloatArray) -> Grid:
        grid = self._resampler.push(time_s, values)
        if not len(grid.places):
            return grid
        if self._first_place is None:
            self._first_place = int(grid.places[0])
            self._filters = self._settled_filters(grid.values[0])
        filtered = grid.values
        for state in self._filters:
            filtered = state.push(filtered)
        # A filter's output belongs `delay` places earlier; what would lie before the stretch was never recorded.
        kept = grid.places - self._delay >= self._first_place
        return Grid(grid.places[kept] - self._delay, filtered[kept], grid.needed_s[kept])

    def _settled_filters(self, first: FloatArray) -> list[FilterState]:
        states, rate_hz = [], self._conditioning.rate_hz
        for filter_ in self._conditioning.filters:
            state = filter_.start(rate_hz, first)
            states.append(state)
            first = filter_.run(first[None], rate_hz=rate_hz)[0]
        return states


def _run_source(state: SourceState, stream: Stream) -> Grid:
    columns = _columns(stream, state.source)
    _check_rate(stream, state.source)
    values = np.asarray(stream.values[:, columns], dtype=np.float64)
    held = np.isfinite(values).all(axis=1)
    return state.push(stream.time[held], values[held])


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
    steps = [_longest_step_s(stream) for stream in streams if len(stream) > 1]
    if not steps:
        raise RecordingError(
            f"stream {name!r} has fewer than two samples in every recording", code="too_short", remedy="record longer"
        )
    return Source(name=name, channels=channels or first.channels, unit=first.unit, longest_step_s=max(steps))


def _longest_step_s(stream: Stream) -> float:
    return longest_step_s(np.arange(3) / stream.rate_hz) if stream.is_uniform else longest_step_s(stream.time)


def _step_from_dict(fields: Mapping[str, Any]) -> Step:
    match fields.get("step"):
        case "frame":
            return Frame(fields["kind"])
        case "resample":
            return Resample(fields["rate_hz"])
        case "filter":
            return Filter.from_dict(dict(fields))
        case other:
            raise ValueError(f"step {other!r} is not known here, expected 'frame', 'resample' or 'filter'")
