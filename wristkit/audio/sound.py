"""Sound as it comes: one channel of a recording or of packets, counted in samples, begun anew after each gap."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, Stream
from wristkit.recording.stream import median_step_s
from wristkit.signals.pieces import pieces, time_at

FRAME_RATE_HZ = 100
LOUDEST = 2.0  # of full scale; codecs overshoot 1, whole numbers of PCM do not stop here
LOST_S = 0.005  # half a frame's step: sound is counted, and a longer step can not be
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


class Stretch(Protocol):
    """The state of one stretch without gaps."""

    def push(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return the frames that the next (n,) samples complete."""
        ...


class SoundState:
    """Running analysis of one channel of sound; ``push`` gives the frames that each packet completes.

    A hole begins the analysis anew, unless it is at most ``bridged_s`` long: then what comes after goes on from what
    came before, as if nothing lay between them.
    """

    def __init__(self, begin: Callable[[], Stretch], *, rate_hz: float, channels: int, bridged_s: float = 0.0) -> None:
        self.newest_s = -np.inf
        self._begin, self._rate_hz, self._none, self._bridged_s = begin, rate_hz, Frames.empty(channels), bridged_s
        self._gaps = 0
        self.end_stretch()

    def end_stretch(self) -> None:
        """Forget all state, as a long gap does; time still only moves forward."""
        self._stretch = self._begin()
        self._count_anew()

    def _count_anew(self) -> None:
        self._first_s, self._count, self._is_holed = np.nan, 0, False

    def hole(self) -> None:
        """Take the next sample for one behind a hole, however short: samples are missing before it."""
        self._is_holed = True

    def push(self, time: npt.ArrayLike, values: npt.ArrayLike) -> Frames:
        """Return the frames that a packet completes.

        Parameters
        ----------
        time, values
            (n,) seconds, later than what was pushed before, and (n,) samples of one channel, full scale 1, finite. A
            step of more than 5 ms is a gap.
        """
        time_s, samples = np.asarray(time, dtype=np.float64), np.asarray(values, dtype=np.float64)
        self.check(time_s, samples)
        return self.push_checked(time_s, samples)

    def check(self, time_s: FloatArray, samples: FloatArray) -> None:
        """Raise what is wrong with a packet; nothing moves."""
        steps_s = _checked_steps(time_s, samples, self.newest_s)
        check_gaps(steps_s, self._gaps, rate_hz=self._rate_hz)
        first_s, count = self._first_s, self._count
        for first, last, anew in self._parts(time_s):
            if anew or not count:
                first_s, count = float(time_s[first]), 0
            count += last - first
            self._check_rate(count, float(time_s[last - 1]) - first_s)

    def push_checked(self, time_s: FloatArray, samples: FloatArray) -> Frames:
        """Return what :meth:`push` does, of a packet that :meth:`check` passed."""
        parts = [self._none]
        self._gaps = gaps_in_a_row(np.diff(time_s, prepend=self.newest_s), self._gaps)[1]
        for first, last, anew in self._parts(time_s):
            if anew and time_s[first] - self.newest_s > self._bridged_s:
                self.end_stretch()
            elif anew:
                self._count_anew()
            self._first_s = self._first_s if self._count else float(time_s[first])
            self._count += last - first
            parts.append(self._stretch.push(time_s[first:last], samples[first:last]))
            self.newest_s = float(time_s[last - 1])
        return Frames.join(parts)

    def _parts(self, time_s: FloatArray) -> list[tuple[int, int, bool]]:
        """Return (first row, row after the last, whether a gap comes before) of each stretch in a packet."""
        lost = set(np.flatnonzero(np.diff(time_s, prepend=self.newest_s) > LOST_S).tolist())
        lost |= {0} if self._is_holed else set()
        return [(first, last, first in lost) for first, last in pairwise(sorted({0, *lost, len(time_s)}))]

    def _check_rate(self, count: int, span_s: float) -> None:
        wanted_s = (count - 1) / self._rate_hz
        # From one second on: stamps of packets are late by some milliseconds, now and then.
        if max(span_s, wanted_s) > 1 and abs(span_s - wanted_s) > _WITHIN * wanted_s:
            raise ValueError(
                f"{count} samples span {span_s:.4f} s, expected {wanted_s:.4f} s at {self._rate_hz:g} Hz; state "
                "the rate that the microphone really has"
            )


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
    """Yield (whether a hole came before, frames) of the named channels' mean, block by block."""
    for broken, time_s, samples in stretches(stream, channels):
        if broken:
            state.hole()
        yield broken, state.push(time_s, samples)
