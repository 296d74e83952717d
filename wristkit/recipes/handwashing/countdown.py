"""Twenty seconds of washing, counted down: one pure function, and what runs it behind a cascade.

``next_count(rule, state, tick)`` is the whole machine. It holds no clock and no samples; time is that of the samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from wristkit.condition import Packet
from wristkit.detector import Cascade, Policy
from wristkit.detector.running import Running
from wristkit.detector.stages import Row, Walk
from wristkit.events import EventUpdate
from wristkit.recording import Recording, Side

CountName = Literal["waiting", "counting", "paused", "completed", "stopped_early"]
COUNT_STATES: tuple[CountName, ...] = get_args(CountName)


@dataclass(frozen=True, kw_only=True)
class Countdown:
    """How long is to be washed, and what counts.

    Parameters
    ----------
    seconds
        To be washed in all; pauses do not count.
    forgiven_s
        A break of at most this many seconds counts as washing; during a longer one the countdown stands still, and
        nothing of the break counts.
    """

    seconds: float = 20.0
    forgiven_s: float = 2.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds is {self.seconds}, expected seconds above 0, such as 20")
        if not 0 <= self.forgiven_s < np.inf:
            raise ValueError(f"forgiven_s is {self.forgiven_s}, expected seconds, 0 or more")


class Tick(NamedTuple):
    """What is known at a moment: whether hands are being rubbed now, and of a wash going on since when; NaN of none."""

    time_s: float
    rubs: bool
    since_s: float = float("nan")

    @property
    def is_wash(self) -> bool:
        """Whether a wash goes on, rubbed or paused."""
        return bool(np.isfinite(self.since_s))


@dataclass(frozen=True)
class CountState:
    """All that the countdown remembers: where it is, seconds counted, when it came here and when hands last rubbed."""

    name: CountName = "waiting"
    counted_s: float = 0.0
    since_s: float = -np.inf
    rubbed_s: float = np.nan


class CountReport(NamedTuple):
    """A change of the countdown: to which state, when, and how many seconds were counted by then."""

    name: CountName
    time_s: float
    counted_s: float


def next_count(rule: Countdown, state: CountState, tick: Tick) -> CountState:
    """Return the countdown after one tick: a pure function.

    Waiting until a wash was found, whose first seconds count as washed; counting while hands rub; paused during a break
    that is too long to be forgiven. Completed or stopped early, it stays until the wash is over.
    """
    if state.name == "waiting":
        begun = CountState("counting", max(0.0, tick.time_s - tick.since_s), tick.time_s, tick.time_s)
        return _counted(rule, begun, tick) if tick.is_wash else state
    if state.name in ("completed", "stopped_early"):
        return state if tick.is_wash else CountState(since_s=tick.time_s)
    if not tick.is_wash:
        return replace(state, name="stopped_early", since_s=tick.time_s)
    break_s = tick.time_s - state.rubbed_s
    if not tick.rubs:
        long = state.name == "counting" and break_s > rule.forgiven_s
        return replace(state, name="paused", since_s=tick.time_s) if long else state
    counted_s = state.counted_s + (break_s if state.name == "counting" and break_s <= rule.forgiven_s else 0.0)
    since_s = tick.time_s if state.name == "paused" else state.since_s
    return _counted(rule, CountState("counting", counted_s, since_s, tick.time_s), tick)


def _counted(rule: Countdown, state: CountState, tick: Tick) -> CountState:
    if state.counted_s < rule.seconds:
        return state
    return replace(state, name="completed", counted_s=rule.seconds, since_s=tick.time_s)


class Timer:
    """A cascade with a countdown behind it; packets in, changes of the countdown out, the same for any partition.

    Parameters
    ----------
    cascade
        Whose events are kept alive by its gate (``span_of="gate"``).
    rule
        What counts.
    """

    def __init__(self, cascade: Cascade, rule: Countdown = Countdown()) -> None:
        if cascade.policy.span_of != "gate":
            raise ValueError(
                f"span_of is {cascade.policy.span_of!r}, expected 'gate': the countdown needs to know while the "
                "microphone is off"
            )
        self.cascade, self.rule = cascade, rule
        self.reset()

    def reset(self, *, wrist: Side | None = None, crown: Side | None = None) -> None:
        """Forget everything pushed."""
        self.state, self.updates = CountState(), list[EventUpdate]()
        self._running = Running(self.cascade, wrist, crown)
        self._running.walk = self._walk = _Ticking(self.cascade.policy)

    def push(self, packets: Mapping[str, Packet]) -> list[CountReport]:
        """Return the changes that these packets bring; ``updates`` holds the cascade's own."""
        self.updates = self._running.push(packets)
        return self._follow()

    def flush(self) -> list[CountReport]:
        """Return what changes because nothing follows: a wash that goes on was stopped early."""
        self.updates = self._running.flush()
        return self._follow() + self._see(Tick(self._walk.time_s, rubs=False))

    def run(self, recording: Recording) -> list[CountReport]:
        """Return the changes over a whole recording."""
        self.reset(wrist=recording.wrist, crown=recording.crown)
        held = [name for name in self.cascade.streams if name in recording.streams]
        reports = self.push({name: (recording[name].time, recording[name].values) for name in held}) + self.flush()
        self.reset()
        return reports

    def _follow(self) -> list[CountReport]:
        ticks, self._walk.ticks = self._walk.ticks, []
        return [report for tick in ticks for report in self._see(tick)]

    def _see(self, tick: Tick) -> list[CountReport]:
        before, self.state = self.state, next_count(self.rule, self.state, tick)
        if self.state.name == before.name:
            return []
        return [CountReport(self.state.name, tick.time_s, self.state.counted_s)]


class _Ticking(Walk):
    """A walk through a policy that tells the countdown of each of the gate's windows."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.ticks: list[Tick] = []

    def see(self, row: Row) -> list[EventUpdate]:
        """Return what a row decides or ends."""
        updates = super().see(row)
        is_wash = self.state.name == "active"
        rubs = self.state.gate_score >= self.policy.gate_low
        self.ticks.append(Tick(self.time_s, rubs, self.state.start_s if is_wash else float("nan")))
        return updates
