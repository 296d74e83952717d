"""Steps as they come: packets of acceleration in, steps out; a whole recording is one packet of it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.condition import Conditioning, Frame, Grid, Packet, Resample, Source
from wristkit.events import Event, EventUpdate
from wristkit.recipes.steps.rhythm import HOP, KEPT, RATE_HZ, RESUMED, STILL_G, SURE, WINDOW, Verdict, beat, verdict
from wristkit.recording import CANONICAL, GAP_FLOOR_S, GAP_PERIODS, FloatArray

LEAST_HZ = 19.0
"""Samples a second that are enough: 20 by name, of which clocks take a little."""
START_UP = 8
"""Steps in one rhythm before the first of them counts: four strides; fewer say nothing of a rhythm."""
RESUMING = 4
"""Steps that are enough where somebody walked at the same rate up to ten seconds ago: who turned, or held a door."""
LABEL = "step"

_REACH = 3  # hops: so far to both sides one window's rhythm is believed where the windows there show none
_FIRST = (WINDOW - HOP) // 2  # place in a window of the samples that it speaks for
_PAUSE = 1.6  # steps without one that do not yet end a walk: one foot may be missed, two may not
_EDGE = 0.45  # of a rhythm's strength is left where it begins or ends: half of the samples, and steps that are weaker
_CHANGE = 0.15  # of the rate, in e-folds: within four strides nobody who walks changes it as much
_UNEVEN = 0.7  # of the strength, in e-folds: from one of the first steps to the next, half or twice
_HELD = 12  # steps held back: a walk that begins slowly is sure of itself a few steps later
_PAUSING_S = 10.0
# Who turns on the way goes on, slower and unevenly, for two seconds or so; a rhythm is lost a little before and after.
_TURN, _TURN_S = 1.5, 3.5  # steps' times without a step at least, and seconds at most, that are a turn
_TURNING = 0.85  # of the step rate: half of the speed in the middle, and the rate is its root
_NEAR = 25  # samples, the second about each moment of a turn: even of the slowest walk there is a step in it
_WEAK = 0.1  # of what is felt in the two seconds before a turn, what is left in each second of it
_BEFORE = 2 * _NEAR
_PIECE = 2500  # samples taken up at once; changes nothing else
_TOGETHER = 0.7  # of a step's time: two that lie closer are one


class Step(NamedTuple):
    """One step: when, how sure, its rate, how alike it is one and two steps later, and when it could be said."""

    at_s: float
    sure: float
    rate_hz: float
    step: float
    stride: float
    decided_s: float


class Doubt(NamedTuple):
    """A span in which nothing is said of steps, and why."""

    start_s: float
    stop_s: float
    why: str


class Counter:
    """Counts steps in packets of acceleration; any partition of a recording gives the same steps.

    A step is told about four seconds after it is made, and the first ones of a walk when ``START_UP`` of them are.

    Parameters
    ----------
    rate_hz
        Samples a second of the sensor, about; at least ``LEAST_HZ``. Stamps are what counts: a step between
        two of them longer than four samples and 0.1 s is a gap, which ends a walk.
    """

    def __init__(self, *, rate_hz: float) -> None:
        if not LEAST_HZ <= rate_hz < np.inf:
            raise ValueError(
                f"rate_hz is {rate_hz!r}, expected at least {LEAST_HZ:g} samples a second: fewer do not show "
                "the steps of a run"
            )
        known = CANONICAL["accel"]
        source = Source("accel", known.channels, known.unit, max(GAP_PERIODS / rate_hz, GAP_FLOOR_S))
        self.conditioning = Conditioning((source,), (Frame("device"), Resample(RATE_HZ)))
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first packet."""
        self._conditioned = self.conditioning.start()
        self._stretch: _Stretch | None = None
        self.doubts: list[Doubt] = []

    def push(self, packets: Mapping[str, Packet]) -> list[EventUpdate]:
        """Return the steps that a packet decides, each once and for good.

        Parameters
        ----------
        packets
            ``accel`` to ((n,) seconds, (n, 3) g); ``gyro`` may come along and is not looked at.
        """
        return _updates(self.pushed(packets))

    def flush(self) -> list[EventUpdate]:
        """Return the steps that only wait for what comes next, when nothing does; then call :meth:`reset`."""
        return _updates(self.flushed())

    def pushed(self, packets: Mapping[str, Packet]) -> list[Step]:
        """Return what :meth:`push` does, with all that is known of each step."""
        wanted = {name: packet for name, packet in packets.items() if name != "gyro"}
        return [step for grid in self._conditioned.push(wanted).values() for step in self.advance(grid)]

    def flushed(self) -> list[Step]:
        """Return what :meth:`flush` does, with all that is known of each step."""
        if self._stretch is None:
            return []
        steps = self._ended(self._stretch, self._stretch.needed_s)
        self._stretch = None
        return steps

    def advance(self, grid: Grid) -> list[Step]:
        """Return the steps that conditioned samples decide."""
        steps: list[Step] = []
        breaks = np.flatnonzero(np.diff(grid.places) != 1) + 1
        for part in np.split(np.arange(len(grid.places)), breaks):
            if not len(part):
                continue
            first = int(grid.places[part[0]])
            if self._stretch is not None and first != self._stretch.next_place:
                steps += self._ended(self._stretch, float(grid.needed_s[part[0]]))
                self._stretch = None
            if self._stretch is None:
                self._stretch = _Stretch(first)
            steps += self._stretch.push(grid.values[part], grid.needed_s[part])
            self.doubts += self._stretch.take_doubts()
        return steps

    def _ended(self, stretch: "_Stretch", decided_s: float) -> list[Step]:
        steps = stretch.end(decided_s)
        self.doubts += stretch.take_doubts()
        return steps


def _updates(steps: Iterable[Step]) -> list[EventUpdate]:
    return [EventUpdate(event_of(step), final=True) for step in steps]


def event_of(step: Step) -> Event:
    """Return a step as a row of an event table."""
    return Event(step.at_s, step.at_s, LABEL, step.sure, step.decided_s)


class _Stretch:
    """Samples without a gap: windows are judged as they fill, and the samples that each speaks for a little later."""

    def __init__(self, first_place: int) -> None:
        self.needed_s = -np.inf
        self.next_place = first_place
        self._place = first_place  # of the first sample held
        self._held: FloatArray = np.empty((0, 4))
        self._needed: FloatArray = np.empty(0)
        self._begin = first_place
        self._judged: list[Verdict] = []  # of windows whose samples are still to be looked at, and of those before
        self._windows = 0
        self._told = 0  # windows whose samples were looked at
        self._before_hz = 0.0
        self._walk = _Walk()
        self._doubts: list[Doubt] = []

    def push(self, values: FloatArray, needed_s: FloatArray) -> list[Step]:
        """Return the steps that these samples (n, 3) decide, a piece after the other: little is held at once."""
        pieces = range(0, len(values), _PIECE)
        return [step for at in pieces for step in self._push(values[at : at + _PIECE], needed_s[at : at + _PIECE])]

    def _push(self, values: FloatArray, needed_s: FloatArray) -> list[Step]:
        x, y, z = values.T
        self._held = np.concatenate([self._held, np.column_stack([np.sqrt(x * x + y * y + z * z), x, y, z])])
        self._needed = np.concatenate([self._needed, needed_s])
        self.next_place += len(values)
        self.needed_s = float(needed_s[-1])
        steps: list[Step] = []
        while (first := self._begin + self._windows * HOP) + WINDOW <= self.next_place:
            self._judge(self._held[first - self._place : first - self._place + WINDOW])
            if self._windows > self._told + _REACH:
                steps += self._tell(float(self._needed[first + WINDOW - 1 - self._place]))
        self._forget()
        return steps

    def end(self, decided_s: float) -> list[Step]:
        """Return the steps that no later sample can change any more."""
        if not self._windows:
            why = f"it is shorter than the {WINDOW / RATE_HZ:g} s that show a rhythm"
            self._doubts.append(Doubt(self._begin / RATE_HZ, self.next_place / RATE_HZ, why))
        steps: list[Step] = []
        while self._told < self._windows:
            steps += self._tell(decided_s)
        return steps

    def take_doubts(self) -> list[Doubt]:
        """Return the spans of doubt since the last call."""
        taken, self._doubts = self._doubts, []
        return taken

    def _judge(self, window: FloatArray) -> None:
        found = verdict(window, self._before_hz)
        good = found.sure >= KEPT
        self._before_hz = found.rate_hz if good else 0.0
        self._judged.append(found if good else found._replace(rate_hz=0.0))
        self._windows += 1

    def _tell(self, decided_s: float) -> list[Step]:
        """Return the steps decided by looking at the samples of the next window that was not told yet."""
        index = self._told
        self._told += 1
        at = index - (self._windows - len(self._judged))
        near = self._judged[max(0, at - _REACH) : at + _REACH + 1]
        own = self._judged[at]
        first = self._begin + (0 if index == 0 else index * HOP + _FIRST)
        last = index == self._windows - 1
        stop = self.next_place if last else self._begin + index * HOP + _FIRST + HOP
        if own.why:
            self._doubts.append(Doubt(first / RATE_HZ, stop / RATE_HZ, own.why))
        rhythm = _middle([one for one in near if one.rate_hz])
        if rhythm is None:
            self._walk.rest()
            return []
        start = max(self._place, self._begin + index * HOP)
        end = self.next_place if last else self._begin + index * HOP + WINDOW
        places = np.arange(first, stop, dtype=np.int64)
        window = self._held[start - self._place : end - self._place]
        self._walk.look_back(self._held[: stop - self._place, 0], self._place)
        return self._walk.on(window, start, places, rhythm, decided_s)

    def _forget(self) -> None:
        """Drop what no window to come needs."""
        kept = self._begin + max(0, self._told - 1) * HOP
        kept = min(kept, kept + _FIRST - round(_TURN_S * RATE_HZ) - _BEFORE)
        if drop := max(0, kept - self._place):
            self._held, self._needed = self._held[drop:].copy(), self._needed[drop:].copy()
            self._place += drop
        self._judged = self._judged[-(2 * _REACH + 2) - (self._windows - self._told) :]


def _middle(found: list[Verdict]) -> Verdict | None:
    """Return the verdict of the middle rate; None of none."""
    if not found:
        return None
    return sorted(found, key=lambda one: one.rate_hz)[(len(found) - 1) // 2]


class _Walk:
    """The steps of one rhythm, held back until they are enough."""

    def __init__(self) -> None:
        self._waiting: list[Step] = []
        self._counts = False
        self._last_s, self._rate_hz, self._felt_g = -np.inf, 1.0, 1.0
        self._walked_s, self._walked_hz = -np.inf, 1.0
        self._went_on = False  # whether something moved all the time since then, when the first step after it was made
        self._phase: complex | None = None
        self._past: tuple[FloatArray, int] = np.empty(0), 0

    def look_back(self, length_g: FloatArray, place: int) -> None:
        """Take the length of acceleration (n,) from a place on to where the next steps are looked for."""
        self._past = length_g, place

    def rest(self) -> None:
        """Pass over samples without a rhythm."""
        self._phase = None

    def on(
        self, window: FloatArray, start: int, places: npt.NDArray[np.int64], rhythm: Verdict, decided_s: float
    ) -> list[Step]:
        """Return the steps decided by samples at some places of a signal (n, 4) that begins at place ``start``."""
        turning = beat(window, rhythm.rate_hz, places - start, rhythm.swing)
        loud = np.abs(turning) >= _EDGE * rhythm.size_g
        steps: list[Step] = []
        before = self._phase
        for place, now, heard in zip(places.tolist(), turning.tolist(), loud.tolist(), strict=True):
            if before is not None and heard and before.imag < 0 <= now.imag and now.real > 0:
                share = -before.imag / (now.imag - before.imag)
                steps += self._step((place - 1 + share) / RATE_HZ, rhythm, decided_s)
            before = now
        self._phase = before
        return steps

    def _step(self, at_s: float, rhythm: Verdict, decided_s: float) -> list[Step]:
        if at_s - self._last_s < _TOGETHER / rhythm.rate_hz:
            return []
        self._break(at_s, rhythm)
        self._last_s = at_s
        if self._counts or not self._waiting:
            self._went_on = self._moved_until(at_s)
        one = Step(at_s, max(0.0, rhythm.sure), rhythm.rate_hz, rhythm.step, rhythm.stride, decided_s)
        told = [one]
        if not self._counts:
            known = self.resumed(rhythm.rate_hz, at_s)
            count, sure = (RESUMING, RESUMED) if known else (START_UP, SURE)
            self._waiting = [*self._waiting[1 - _HELD :], one]
            if len(self._waiting) < count or np.mean([step.sure for step in self._waiting[-START_UP:]]) < sure:
                return []
            told, self._waiting, self._counts = self._waiting, [], True
        told = [*self._turned(told[0]), *told]
        self._walked_hz, self._walked_s = rhythm.rate_hz, at_s
        return [step._replace(decided_s=decided_s) for step in told]

    def _turned(self, after: Step) -> list[Step]:
        """Return the steps of a turn between the last one that counted and this one, at even times."""
        gap_s = after.at_s - self._walked_s
        rate_hz = 0.5 * (self._walked_hz + after.rate_hz)
        long = gap_s * rate_hz > _TURN and gap_s <= _TURN_S
        if not (long and self._went_on and self.resumed(after.rate_hz, after.at_s)):
            return []
        count = max(1, round(_TURNING * gap_s * rate_hz) - 1)
        times_s = self._walked_s + gap_s * np.arange(1, count + 1) / (count + 1)
        return [after._replace(at_s=at_s) for at_s in times_s.tolist()]

    def _moved_until(self, at_s: float) -> bool:
        """Whether a little of a walk was to be felt at every moment since the last step that counted."""
        if at_s - self._walked_s > _TURN_S:
            return False
        length_g, place = self._past
        last, stop = int(self._walked_s * RATE_HZ) - place, int(at_s * RATE_HZ) + 1 - place
        least_g = max(STILL_G, _WEAK * float(length_g[max(0, last - _BEFORE) : last].std()))
        first = max(0, min(last - _NEAR // 2, stop - _NEAR))
        near = np.lib.stride_tricks.sliding_window_view(length_g[first:stop], _NEAR)
        return bool((near.std(axis=1) >= least_g).all())

    def resumed(self, rate_hz: float, at_s: float) -> bool:
        """Whether somebody walked at about this rate a moment ago."""
        near = at_s - self._walked_s <= _PAUSING_S
        return near and bool(abs(np.log(max(rate_hz, 1e-9) / self._walked_hz)) <= _CHANGE)

    def _break(self, at_s: float, rhythm: Verdict) -> None:
        """End the walk where no step was made for too long, or another rhythm came; at first, a weaker one too."""
        late = at_s - self._last_s > (1 + _PAUSE) / rhythm.rate_hz
        other = abs(np.log(rhythm.rate_hz / self._rate_hz)) > _CHANGE
        uneven = not self._counts and abs(np.log(rhythm.felt_g / self._felt_g)) > _UNEVEN
        if late or other or uneven:
            self._waiting, self._counts = [], False
        self._rate_hz, self._felt_g = rhythm.rate_hz, rhythm.felt_g
