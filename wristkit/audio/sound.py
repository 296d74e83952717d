"""Sound as it comes: one channel of a recording or of packets, counted in samples, begun anew after each gap."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.filters import is_number
from wristkit.recording import MISSING_PERIODS, FloatArray, Stream, numbers, stamps_of
from wristkit.recording.stream import median_step_s
from wristkit.signals.pieces import pieces, time_at

FRAME_RATE_HZ = 100
LOUDEST = 2.0  # of full scale; codecs overshoot 1, whole numbers of PCM do not stop here
LOST_S = 0.005  # half a frame's step: after a longer one the count of samples against the clock begins anew
USUAL_RATES_HZ = (
    8_000,
    11_025,
    12_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    48_000,
    88_200,
    96_000,
    176_400,
    192_000,
)
_WITHIN = 0.01  # of the stated rate
_HOLES_ALIKE = 8  # so many steps in a row that are as long as each other are of a slower rate
_GAPS_IN_A_ROW = 32  # samples that all stand alone say that the stamps are no seconds, or the rate is none of sound


class Frames(NamedTuple):
    """What was found of a sound: ``time_s`` (m,), ``values`` (m, c), and ``needed_s`` (m,), the newest sample's."""

    time_s: FloatArray
    values: FloatArray
    needed_s: FloatArray

    @classmethod
    def empty(cls, channels: int) -> Self:
        """Return no frames."""
        return cls(np.empty(0), np.empty((0, channels)), np.empty(0))

    @classmethod
    def join(cls, parts: Sequence["Frames"]) -> Self:
        """Return the frames of consecutive parts as one."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Counted(NamedTuple):
    """A count of samples against the clock: where it began, how far it came, its newest step, and holes alike."""

    first_s: float = np.nan
    places: int = 0
    newest: float = 1.0
    alike: int = 0


class Stretch(Protocol):
    """The state of one stretch without gaps."""

    def push(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return the frames that the next (n,) samples complete."""
        ...


class SoundState:
    """Running analysis of one channel of sound; ``push`` gives the frames that each packet completes.

    A step of more than 1.5 periods left a sample out, however the packets are cut and whoever left it out: a hole. It
    begins the analysis anew, so that no frame is of sound that was apart, unless it is at most ``bridged_s`` long: then
    what comes after goes on from what came before, as if nothing lay between them. A stamp that is late by more than
    half a period looks the same, and costs the frames that would need the sound on both sides of it, no others: give
    stamps by the count of samples, which audio systems have beside each packet, and not by when a packet came.
    """

    def __init__(self, begin: Callable[[], Stretch], *, rate_hz: float, channels: int, bridged_s: float = 0.0) -> None:
        self.newest_s = -np.inf
        self._begin, self._none = begin, Frames.empty(channels)
        self._rate_hz, self._longest_step_s = rate_hz, max(MISSING_PERIODS / rate_hz, bridged_s)
        self._gaps = 0
        self.end_stretch()

    def end_stretch(self) -> None:
        """Forget all state, as a long gap does; time still only moves forward."""
        self._stretch = self._begin()
        self._counted = Counted()

    def push(self, time: npt.ArrayLike, values: npt.ArrayLike) -> Frames:
        """Return the frames that a packet completes.

        Parameters
        ----------
        time, values
            (n,) seconds, later than what was pushed before, and (n,) samples of one channel, full scale 1, finite. A
            step of more than 1.5 periods is a hole.
        """
        time_s = stamps_of("audio", time)
        samples = numbers("packet of sound has values", values).astype(np.float64, copy=False)
        self.check(time_s, samples)
        return self.push_checked(time_s, samples)

    def check(self, time_s: FloatArray, samples: FloatArray) -> None:
        """Raise what is wrong with a packet; nothing moves."""
        steps_s = _checked_steps(time_s, samples, self.newest_s)
        check_gaps(steps_s, self._gaps, rate_hz=self._rate_hz)
        self._count(time_s, steps_s)

    def push_checked(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return what :meth:`push` does, of a packet that :meth:`check` passed."""
        if not len(time_s):
            return self._none
        steps_s = np.diff(time_s, prepend=self.newest_s)
        self._gaps = gaps_in_a_row(steps_s, self._gaps)[1]
        counted, parts = self._count(time_s, steps_s), [self._none]
        for first, last, anew in _parts(steps_s, self._longest_step_s):
            if anew:
                self.end_stretch()
            parts.append(self._stretch.push(time_s[first:last], samples[first:last]))
        self._counted, self.newest_s = counted, float(time_s[-1])
        return Frames.join(parts)

    def _count(self, time_s: FloatArray, steps_s: FloatArray) -> Counted:
        """Return the count after a packet, or raise where the stamps contradict the rate, at each whole second of it.

        By the count, so that packets of any size are judged alike.
        """
        counted = self._counted
        for first, last, anew in _parts(steps_s, LOST_S):
            if anew or not counted.places:
                counted = Counted(float(time_s[first]))
            steps = steps_s[first:last] * self._rate_hz
            steps[:1] = steps[:1] if counted.places else 1.0
            places, alike = places_of(steps, newest=counted.newest, alike=counted.alike)
            counts = counted.places + np.cumsum(places)
            rate_hz = int(self._rate_hz)
            seconds = np.arange(max(0, counted.places - 1) // rate_hz, (int(counts[-1]) - 1) // rate_hz) + 1
            for row in np.searchsorted(counts, seconds * rate_hz + 1).tolist():
                self._check_rate(int(counts[row]), float(time_s[first + row]) - counted.first_s)
            counted = Counted(counted.first_s, int(counts[-1]), float(steps[-1]), alike)
        return counted

    def _check_rate(self, count: int, span_s: float) -> None:
        wanted_s = (count - 1) / self._rate_hz
        if abs(span_s - wanted_s) > _WITHIN * wanted_s:
            raise ValueError(
                f"{count} samples span {span_s:.4f} s, expected {wanted_s:.4f} s at {self._rate_hz:g} Hz; state "
                "the rate that the microphone really has"
            )


def places_of(steps: FloatArray, *, newest: float = 1.0, alike: int = 0) -> tuple[npt.NDArray[np.int64], int]:
    """Return how many places of samples each step, in periods, takes, and how many holes alike are at the end.

    Of a hole, those that were left out count, too; many alike in a row are no holes, but a slower rate. ``newest`` and
    ``alike`` are the step before, and how many holes like it were in a row.
    """
    if steps.max() <= MISSING_PERIODS:
        return np.ones(len(steps), dtype=np.int64), 0
    same = (steps > MISSING_PERIODS) & (np.abs(np.diff(steps, prepend=newest)) < 0.5)
    rows = np.arange(1, len(steps) + 1)
    in_a_row = rows - np.maximum.accumulate(np.where(same, -alike, rows))
    return np.where(in_a_row < _HOLES_ALIKE, np.maximum(1, np.rint(steps)), 1).astype(np.int64), int(in_a_row[-1])


def _parts(steps_s: FloatArray, longest_s: float) -> list[tuple[int, int, bool]]:
    """Return (first row, row after the last, whether a longer step comes before) of the parts of a packet."""
    lost = set(np.flatnonzero(steps_s > longest_s).tolist())
    return [(first, last, first in lost) for first, last in pairwise(sorted({0, *lost, len(steps_s)}))]


def samples_of(values: npt.ArrayLike, *, rate_hz: float, start_s: float) -> tuple[FloatArray, FloatArray]:
    """Return (n,) stamps and (n,) samples of a sound that begins at ``start_s``."""
    if not is_number(start_s) or not np.isfinite(start_s):
        raise ValueError(f"start_s is {start_s!r}, expected a finite number of seconds")
    samples = numbers("sound has values", values).astype(np.float64)
    if samples.ndim != 1:
        raise ValueError(f"sound is {samples.shape}, expected (n,) of one channel")
    return start_s + np.arange(len(samples)) / rate_hz, samples


def _checked_steps(time_s: FloatArray, samples: FloatArray, newest_s: float) -> FloatArray:
    """Return (n,) steps in seconds since the sample before, or raise what is wrong with a packet."""
    if time_s.ndim != 1 or samples.shape != time_s.shape:
        raise ValueError(f"time is {time_s.shape} and values {samples.shape}, expected (n,) of one channel each")
    if not (np.isfinite(time_s).all() and np.isfinite(samples).all()):
        raise ValueError("the packet holds NaN or infinite numbers; leave such samples out, the gap rule covers them")
    check_loudness(samples)
    steps_s = np.diff(time_s, prepend=newest_s)
    if (steps_s <= 0).any():
        row = int(np.argmax(steps_s <= 0))
        raise ValueError(f"time {time_s[row]} s does not increase (row {row}); drop repeated packets, or start anew")
    return np.asarray(steps_s)


def gaps_in_a_row(steps_s: FloatArray, before: int) -> tuple[int, int]:
    """Return the most gaps in a row up to now, and how many there are at the end; ``before`` were there already."""
    within = np.flatnonzero(steps_s <= LOST_S)
    runs = np.diff(np.concatenate([[-1 - before], within, [len(steps_s)]])) - 1
    return int(runs.max()), int(runs[-1])


def check_gaps(steps_s: FloatArray, before: int, *, rate_hz: float) -> None:
    """Raise where samples stand alone, many in a row: alike for packets of any size, so that no cut decides it."""
    most, _ = gaps_in_a_row(steps_s, before)
    if most >= _GAPS_IN_A_ROW:
        gaps_s = steps_s[(steps_s > LOST_S) & np.isfinite(steps_s)]
        raise ValueError(
            f"time has {most} steps in a row of more than {LOST_S:g} s, half of them of {np.median(gaps_s):.4g} s or "
            f"more, expected {1 / rate_hz:.4g} s or less; give seconds, sound of {rate_hz:g} Hz or more, and leave "
            "single samples out"
        )


def check_loudness(samples: FloatArray) -> None:
    """Raise where samples are beyond what sound of full scale 1 can be."""
    if (loudest := np.abs(samples).max(initial=0.0)) > LOUDEST:
        raise ValueError(f"samples reach {loudest:.4g}, expected at most {LOUDEST:g}; divide PCM by its full scale")


def stated_rate_hz(stream: Stream) -> float:
    """Return the rate by which samples are counted: a whole one as stated, or else the usual one within 1 % of it.

    A clock that was mapped onto another's leaves a uniform stream with no whole rate; its microphone counts as before.
    Of measured stamps the median step counts, too: holes that are too short for gaps make the mean rate a lower one.
    """
    if stream.is_uniform and stream.rate_hz == round(stream.rate_hz):
        return stream.rate_hz
    nearest = _usual_rate_hz(stream.rate_hz)
    if nearest is None and not stream.is_uniform and len(stream) > 1:
        nearest = _usual_rate_hz(1 / median_step_s(stream.time))
    if nearest is None:
        raise RecordingError(
            f"stream {stream.name!r} has {stream.rate_hz:.6g} samples a second, expected one of {list(USUAL_RATES_HZ)}",
            code="rate",
            remedy="build it with Stream.uniform from the rate that the microphone states",
        )
    return nearest


def _usual_rate_hz(rate_hz: float) -> float | None:
    """Return the usual rate that lies within 1 % of another; None where none does."""
    nearest = min(USUAL_RATES_HZ, key=lambda usual_hz: abs(usual_hz - rate_hz))
    return float(nearest) if abs(nearest - rate_hz) <= _WITHIN * nearest else None


@contextmanager
def naming_fault(stream: Stream, *, remedy: str = "record at 16 kHz or more") -> Iterator[None]:
    """Raise what packets of a recording's sound are refused for as an error of the recording, with code ``rate``."""
    try:
        yield
    except RecordingError:
        raise
    except ValueError as fault:
        raise RecordingError(
            f"stream {stream.name!r} cannot be analysed: {fault}", code="rate", remedy=remedy
        ) from fault


def stretches(stream: Stream, channels: Sequence[str] | None) -> Iterator[tuple[bool, FloatArray, FloatArray]]:
    """Yield (whether it follows a hole, (n,) seconds, (n,) samples) of the named channels' mean, block by block.

    Samples without a value are a hole. Channels are never mixed unasked: where there are several, name one or more.
    """
    columns = chosen(stream, channels)
    row, broken = 0, False
    for time_s, block in pieces(stream):
        samples = np.asarray(block[:, columns], dtype=np.float64).sum(axis=1) / len(columns)
        _refuse_loud(stream, samples, row)
        held = np.isfinite(samples)
        edges = np.unique([0, *(np.flatnonzero(np.diff(held)) + 1), len(held)])
        for first, last in pairwise(edges.tolist()):
            if held[first]:
                yield broken, time_s[first:last], samples[first:last]
            broken = not held[first]
        row += len(samples)


def chosen(stream: Stream, channels: Sequence[str] | None) -> list[int]:
    """Return the places of the channels that are asked for by name, or of the only one."""
    if isinstance(channels, str):
        raise TypeError(f"channels is {channels!r}, expected a sequence of names such as ({channels!r},)")
    if channels is None and len(stream.channels) > 1:
        raise RecordingError(
            f"stream {stream.name!r} has {len(stream.channels)} channels, and none was chosen",
            code="channels",
            remedy=(
                f"give channels=({stream.channels[0]!r},) for one, channels={stream.channels} for their mean, to the "
                "function of wristkit.audio; a Conditioning hears one channel: give it what "
                "wristkit.audio.without_sound(recording, channels=...) returns"
            ),
        )
    names = stream.channels if channels is None else tuple(channels)
    if not names or len(set(names)) != len(names) or not set(names) <= set(stream.channels):
        raise RecordingError(
            f"channels of {stream.name!r} are asked for as {list(names)}, it has {list(stream.channels)}",
            code="missing_channel",
            remedy="name one or more of its channels, each once",
        )
    return [stream.channels.index(name) for name in names]


def _refuse_loud(stream: Stream, samples: FloatArray, first_row: int) -> None:
    loud = np.abs(samples) > LOUDEST
    if loud.any():
        row = first_row + int(np.argmax(loud))
        raise RecordingError(
            f"stream {stream.name!r} reaches {samples[row - first_row]:.4g} at {time_at(stream, row):.4f} s, expected "
            f"at most {LOUDEST:g} of full scale",
            code="unit_implausible",
            remedy="divide PCM by its full scale; mark single wild samples as NaN",
            row=row,
        )


def analysed(stream: Stream, state: SoundState, channels: Sequence[str] | None) -> Iterator[tuple[bool, Frames]]:
    """Yield (whether samples without a value came before, frames) of the named channels' mean, block by block."""
    for broken, time_s, samples in stretches(stream, channels):
        yield broken, state.push(time_s, samples)
