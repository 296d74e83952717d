"""Packets of light and motion in, heart rate out, a row a second: the same rows for any partition of the packets."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.condition import Packet
from wristkit.condition.resample import Resample
from wristkit.recipes.heart_rate.alone import Alone, is_seen
from wristkit.recipes.heart_rate.beliefs import LAG_S, Belief, Beliefs
from wristkit.recipes.heart_rate.evidence import GRID_HZ, LENGTH, RATES_BPM, WINDOW_S, Evidence, evidence, nothing
from wristkit.recipes.heart_rate.motion import WRONG, witness
from wristkit.recipes.heart_rate.rhythms import Window
from wristkit.recipes.heart_rate.visible import Visible
from wristkit.recording import FloatArray, Stream, numbers, stamps_of
from wristkit.signals.units import PLAUSIBLE

LIGHT = "ppg"
MOTIONS = ("accel", "user_accel")
CHANNELS = ("bpm", "confidence")
LEAST_CONFIDENCE = 0.5
"""Below it a second is not told: half of such rates would be wrong."""
MOST_UNWITNESSED = 0.7
"""Confidence at most where nothing is known of motion: the estimated chance that an even rhythm is no arm's."""

_SEEN_LOG, _AGAIN_LOG = 1.0, 2.5  # evidence of a pulse beside recorded motion: it goes on, and is there again
_COASTS_S, _FADES = 30, 0.4  # without any, that are told, and what of the confidence is gone by then
_EVEN_SKEW, _EVEN_SECOND, _EVEN_FIRST = 0.12, 0.01, 0.6  # a window of a lamp: one sinusoid, and little else
_EVEN_S, _MOST_EVEN, _UNEVEN = 6, 12, 2  # such windows, at most so many count, and what one that is none takes away
_RESAMPLE = Resample(GRID_HZ)
_LONGEST_STEP_S = 0.2  # between two samples that a line joins: five periods of the slowest light
_ANEW_S = 60.0  # after so long without light nothing is left of what was known
_NEEDS_S = WINDOW_S / 2 + _RESAMPLE.delay_s + _LONGEST_STEP_S
DELAY_S = _NEEDS_S + LAG_S
"""Seconds of signal after a row's time that it waits for; a packet's own length comes to it."""


class Second(NamedTuple):
    """What is known of one second; ``reason`` is "" where its rate is told, and else why not."""

    time_s: float
    bpm: float
    confidence: float
    reason: str


class Tracker:
    """Heart rate as packets come; the rows of ``push`` and ``flush`` together are those of ``estimate``.

    A row for a second comes once ``DELAY_S`` (7.3 s) of signal after it are there. Seconds of which nothing can be said
    have no row.

    Parameters
    ----------
    streams
        ``"ppg"``, and ``"accel"`` or ``"user_accel"`` where there is one: rows wait for both.
    max_wait_s
        How far motion may be behind the light before it is taken as missing; None waits for ever, and only then every
        partition gives the same rows.
    """

    def __init__(self, *, streams: Sequence[str] = (LIGHT, "accel"), max_wait_s: float | None = None) -> None:
        others = [name for name in streams if name != LIGHT]
        if LIGHT not in streams or len(others) > 1 or not set(others) <= set(MOTIONS):
            raise ValueError(f"streams are {tuple(streams)}, expected 'ppg' and, where there is one, one of {MOTIONS}")
        if max_wait_s is not None and not 0 <= max_wait_s < np.inf:
            raise ValueError(f"max_wait_s is {max_wait_s}, expected seconds, 0 or more, or None to wait for ever")
        self.streams, self.max_wait_s = tuple(streams), max_wait_s
        self._next_s: int | None = None
        self._waiting: list[tuple[int, str, bool]] = []
        self.reset()

    def reset(self) -> None:
        """Forget all samples, as before another recording."""
        self._sources = {name: _Source(name) for name in self.streams}
        self._anew()

    def push(self, packets: Mapping[str, Packet]) -> Stream:
        """Return the rows that these packets complete, as a stream ``heart_rate`` of ``bpm`` and ``confidence``.

        Parameters
        ----------
        packets
            Stream to ((n,) seconds, (n, c) values), later than what was pushed before. Values that are missing are NaN
            or left out.

        Raises
        ------
        ValueError
            Where packets are no such; all state is as it was.
        """
        return told(self.push_seconds(packets))

    def flush(self) -> Stream:
        """Return the rows that no later packet completes, and reset."""
        return told(self.flush_seconds())

    def push_seconds(self, packets: Mapping[str, Packet]) -> list[Second]:
        """Return what :meth:`push` does, with the seconds that are not told and why."""
        if unknown := sorted(set(packets) - set(self._sources)):
            raise ValueError(f"streams {unknown} are not used here, expected {sorted(self._sources)}; leave them out")
        checked = {name: self._sources[name].checked(*_pair(name, packet)) for name, packet in packets.items()}
        for name, (time_s, values) in checked.items():
            if name != LIGHT:
                self._sources[name].push(time_s, values)
        return self._take_light(*checked[LIGHT]) if LIGHT in checked else self._advance(self._ready_s())

    def flush_seconds(self) -> list[Second]:
        """Return what :meth:`flush` does, with the seconds that are not told and why."""
        rest = self._finish()
        self.reset()
        return rest

    def _take_light(self, time_s: FloatArray, values: FloatArray) -> list[Second]:
        """Return the seconds that light completes; where it was away for long, all is begun anew."""
        light, found = self._sources[LIGHT], list[Second]()
        away = np.diff(time_s, prepend=light.newest_s) > _ANEW_S
        edges = [0, *np.flatnonzero(away).tolist(), len(time_s)]
        for first, stop in pairwise(edges):
            if first < len(time_s) and away[first]:
                found += self._finish()
            if self._next_s is None and stop > first:
                self._next_s = int(np.ceil(time_s[first]))
            light.push(time_s[first:stop], values[first:stop])
            found += self._advance(self._ready_s())
        return found

    def _anew(self) -> None:
        self._beliefs, self._visible, self._alone = Beliefs(), Visible(), Alone()
        self._unseen, self._even = 0, 0
        self._next_s = None
        self._waiting = []

    def _ready_s(self) -> float:
        """Return the last second for which all has come."""
        light_s = self._sources[LIGHT].newest_s
        others_s = [one.newest_s for name, one in self._sources.items() if name != LIGHT]
        if self.max_wait_s is not None:
            others_s = [max(one, light_s - self.max_wait_s) for one in others_s]
        return float(min([light_s, *others_s]) - _NEEDS_S)

    def _finish(self) -> list[Second]:
        newest_s = self._sources[LIGHT].newest_s
        found = self._advance(newest_s) + [self._second(one) for one in self._beliefs.flush()]
        self._anew()
        return found

    def _advance(self, ready_s: float) -> list[Second]:
        """Return the seconds whose belief is complete with those up to a time."""
        found: list[Second] = []
        while self._next_s is not None and self._next_s <= ready_s:
            windows = {name: one.window(self._next_s) for name, one in self._sources.items()}
            belief = self._believe(windows)
            self._next_s += 1
            found += [] if belief is None else [self._second(belief)]
        if self._next_s is not None:
            for source in self._sources.values():
                source.forget_before(self._next_s)
        return found

    def _believe(self, windows: Mapping[str, FloatArray]) -> Belief | None:
        """Take the windows of the next second, and note why it says nothing."""
        motion, reason = None, ""
        for name in windows.keys() - {LIGHT}:
            motion, reason = witness(name, windows[name], wild=self._sources[name].wild(self._next_s or 0))
        wrong = reason in WRONG
        said = nothing(reason) if wrong else evidence(windows[LIGHT], motion)
        witnessed = motion is not None
        if witnessed or wrong:
            self._alone.reset()
            pulse = said
        else:
            pulse = self._alone.push(windows[LIGHT], said, self._beliefs)
        likelihood = self._visible.likelihood(pulse, witnessed=witnessed or self._alone.follows)
        self._waiting.append((self._next_s or 0, likelihood.reason, witnessed))
        belief = self._beliefs.push(likelihood, may_jump=witnessed, adrift=self._alone.adrift)
        if self._beliefs.present:
            self._visible.remember(said)
        bpm = float(RATES_BPM[np.argmax(self._beliefs.rates)])
        least = _SEEN_LOG if self._unseen <= _COASTS_S else _AGAIN_LOG
        self._unseen = 0 if is_seen(said, bpm, least, 0.0) else self._unseen + 1
        even = _is_even(windows[LIGHT], said)
        self._even = min(self._even + 1, _MOST_EVEN) if even else max(self._even - _UNEVEN, 0)
        if not (witnessed or wrong):
            self._alone.note(self._beliefs.rates)
        return belief

    @property
    def _doubt(self) -> str:
        """Why the rate beside recorded motion is not told, or ""."""
        if self._even >= _EVEN_S:
            return "unlike_blood"
        return "unseen" if self._unseen > _COASTS_S + LAG_S else ""

    @property
    def _faded(self) -> float:
        """What is left of the confidence in a rate that was not seen for some seconds: the heart may have gone on."""
        return 1 - _FADES * min(max(self._unseen - LAG_S, 0) / _COASTS_S, 1.0)

    def _second(self, belief: Belief) -> Second:
        second, reason, witnessed = self._waiting.pop(0)
        confidence = belief.confidence * (self._faded if witnessed else MOST_UNWITNESSED)
        unsure = "" if confidence >= LEAST_CONFIDENCE else "unsure"
        doubt = self._doubt if witnessed else self._alone.doubt
        return Second(float(second), belief.bpm, confidence, reason or unsure or doubt)


def _is_even(light: FloatArray, said: Evidence) -> bool:
    """Return whether a window of light is little but a sinusoid, as no blood's is."""
    if said.reason or abs(said.skew) > _EVEN_SKEW:
        return False
    shape = Window(light).shape(float(RATES_BPM[np.argmax(said.log)]), said)
    return shape.second < _EVEN_SECOND and shape.first > _EVEN_FIRST


def told(seconds: Sequence[Second]) -> Stream:
    """Return the stream of the seconds that are told."""
    held = [one for one in seconds if not one.reason]
    values = np.array([(one.bpm, one.confidence) for one in held]).reshape(-1, 2)
    return Stream.measured("heart_rate", np.array([one.time_s for one in held]), values, channels=CHANNELS)


def _pair(name: str, packet: Packet) -> Packet:
    if not isinstance(packet, tuple | list) or len(packet) != 2:
        raise TypeError(f"packet of {name!r} is a {type(packet).__name__}, expected (seconds, values)")
    return packet


class _Source:
    """One stream: its channels on the grid, as far back as a window reaches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lanes: list[_Lane] | None = None
        self._wild = _Lane()  # 1 where a sample is what no wrist gives
        self.newest_s = -np.inf

    def checked(self, time: npt.ArrayLike, values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return a packet as (n,) and (n, c) float64, or raise what is wrong with it."""
        time_s, columns = stamps_of(self._name, time), numbers(f"packet of {self._name!r} has values", values)
        columns = columns[:, None] if columns.ndim == 1 else columns
        wanted = 3 if self._name != LIGHT else len(self._lanes) if self._lanes else columns.shape[-1]
        if time_s.ndim != 1 or columns.shape != (len(time_s), wanted) or not wanted:
            raise ValueError(
                f"packet of {self._name!r} has time {time_s.shape} and values {columns.shape}, expected (n,) and "
                f"(n, {wanted or 'c'})"
            )
        if len(time_s) and not (time_s[0] > self.newest_s and (np.diff(time_s) > 0).all() and np.isfinite(time_s[-1])):
            raise ValueError(
                f"packet of {self._name!r} has stamps that do not increase after {self.newest_s} s; drop repeated "
                "packets, and call reset() before another recording"
            )
        return time_s, columns.astype(np.float64)

    def push(self, time_s: FloatArray, values: FloatArray) -> None:
        """Take the next samples."""
        if self._lanes is None:
            self._lanes = [_Lane() for _ in values.T]
        low, high = PLAUSIBLE[self._name]
        for lane, column in zip(self._lanes, values.T, strict=True):
            held = (column >= low) & (column <= high)
            lane.push(time_s[held], column[held])
        if self._name != LIGHT:
            given = np.isfinite(values).all(axis=1)
            wild = np.any((values < low) | (values > high), axis=1).astype(np.float64)
            self._wild.push(time_s[given], wild[given])
        self.newest_s = float(time_s[-1]) if len(time_s) else self.newest_s

    def window(self, second: int) -> FloatArray:
        """Return the (LENGTH, c) samples around a second, NaN where there are none."""
        lanes = self._lanes or [_Lane() for _ in range(3)]
        return np.column_stack([lane.window(_first_of(second)) for lane in lanes])

    def wild(self, second: int) -> float:
        """Return the share of the samples around a second that no wrist gives."""
        window = self._wild.window(_first_of(second))
        return float(np.nanmean(window)) if np.isfinite(window).any() else 0.0

    def forget_before(self, second: int) -> None:
        """Drop what no window from a second on reaches."""
        for lane in [*(self._lanes or []), self._wild]:
            lane.forget_before(_first_of(second))


def _first_of(second: int) -> int:
    return int((second - WINDOW_S / 2) * GRID_HZ)


class _Lane:
    """One channel: from stamps to places on the grid, anew after each step too long for a line."""

    def __init__(self) -> None:
        self._state = _RESAMPLE.start(1)
        self._newest_s = -np.inf
        self._places = np.empty(0, dtype=np.int64)
        self._values: FloatArray = np.empty(0)

    def push(self, time_s: FloatArray, values: FloatArray) -> None:
        breaks = np.flatnonzero(np.diff(time_s, prepend=self._newest_s) > _LONGEST_STEP_S).tolist()
        places, found = [self._places], [self._values]
        for first, stop in zip([0, *breaks], [*breaks, len(time_s)], strict=True):
            if first in breaks:
                self._state = _RESAMPLE.start(1)
            grid = self._state.push(time_s[first:stop], values[first:stop, None])
            places.append(grid.places)
            found.append(grid.values[:, 0])
        self._places, self._values = np.concatenate(places), np.concatenate(found)
        self._newest_s = float(time_s[-1]) if len(time_s) else self._newest_s

    def window(self, first: int) -> FloatArray:
        window = np.full(LENGTH, np.nan)
        start, stop = np.searchsorted(self._places, [first, first + LENGTH])
        window[self._places[start:stop] - first] = self._values[start:stop]
        return window

    def forget_before(self, first: int) -> None:
        start = int(np.searchsorted(self._places, first))
        if start:
            self._places, self._values = self._places[start:].copy(), self._values[start:].copy()
