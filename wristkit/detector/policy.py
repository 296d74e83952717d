"""When the expensive stage of a cascade runs and what it confirms: plain numbers, and one pure function.

``next_state(policy, state, seen, time_s)`` is the whole machine. It holds no clock and no samples, so that it can be
drawn, tested by hand and written in another language; time is that of the samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np

from wristkit.events import Event
from wristkit.filters import is_number, only_keys

StateName = Literal["idle", "armed", "confirming", "second_chance", "active", "cooling"]
STATES: tuple[StateName, ...] = get_args(StateName)
_EPSILON_S = 1e-9
_NOT_NEGATIVE = (
    *("arm_s", "pre_roll_s", "warm_up_s", "second_chance_s", "cool_s", "rejected_s"),
    *("confirm_timeout_s", "release_s", "longest_s"),
)
_NUMBER_OR_NONE = ("second_chance", "gate_alone", "alone_s", "gate_release_s", "max_wait_s")
_POSITIVE = ("confirm_timeout_s", "release_s", "longest_s")


class Transition(NamedTuple):
    """An arrow of the machine, and in words when it is taken."""

    source: StateName
    target: StateName
    when: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A state machine over the scores of a gate, which is always on, and of a confirmer, which is woken.

    Idle until the gate's score is low or above; armed while it stays so; confirming, with the confirmer on, once it was
    high and lasted; active from the confirmer's high score on; cooling afterwards. Whoever nearly convinced until time
    is out gets a second chance at a lower threshold. A gap in the gate's windows makes it idle from any state.

    Parameters
    ----------
    gate_high, gate_low
        The confirmer is woken where the gate's score has reached the high one and stayed at or above the low one.
    arm_s
        For how long it must have stayed, from the centre of the first such window to that of the last.
    confirm_high, confirm_low
        An event is decided where the confirmer's score reaches the high one, and lasts at or above the low one.
    second_chance, second_chance_s
        A score that reached ``second_chance`` but not ``confirm_high`` in time earns this many seconds more, in which
        ``second_chance`` is enough. None: no second chance.
    gate_weight
        Late fusion: the score held against the confirmer's thresholds is this share of the gate's newest score and the
        rest of the confirmer's.
    gate_agrees
        Whether a confirmation also needs the gate's newest score at or above ``gate_high``. Until it is, and for as
        long as the confirmer is on, it is not forgotten that the confirmer was convinced.
    gate_alone
        At this score the gate decides alone. None: never.
    alone_s
        So long the gate has to stay there; then it decides at once, whatever the confirmer hears. None: to have reached
        it once is enough, but it is asked only where the confirmer gave no score until time was out, such as without a
        microphone.
    pre_roll_s
        The confirmer also sees this many seconds before the wake, of streams that are on anyway: the gate's and
        ``always_on``.
    always_on
        Streams of the confirmer alone that are on all the time all the same, such as ``("audio",)``; counted so.
    warm_up_s
        From the wake until a stream that only the confirmer needs can be used.
    confirm_timeout_s
        For how long after wake and warm-up a confirmation is waited for.
    gate_release_s
        The confirmer is given up where the gate stays low for longer than this. None: the gate is not asked again.
    span_of
        Whose windows give an event's start and stop and keep it alive. With ``"gate"`` the confirmer goes off once it
        has confirmed.
    release_s
        An event ends when its score was low for longer than this; shorter breaks are forgiven.
    longest_s
        An event is ended after this many seconds in any case.
    cool_s, rejected_s
        Nothing is armed for this long after an event, and after a wake that was not confirmed.
    wake_on, confirm_on
        Classes that wake, and that confirm; the score is the highest of theirs. Empty: all but the background.
    label
        Label of the events. None: the class that confirmed.
    max_wait_s
        A stream that is more than this behind the newest one is not waited for. None waits for ever.
    """

    gate_high: float = 0.6
    gate_low: float = 0.4
    arm_s: float = 0.0
    confirm_high: float = 0.6
    confirm_low: float = 0.4
    second_chance: float | None = None
    second_chance_s: float = 2.0
    gate_weight: float = 0.0
    gate_agrees: bool = False
    gate_alone: float | None = None
    alone_s: float | None = None
    pre_roll_s: float = 0.0
    always_on: tuple[str, ...] = ()
    warm_up_s: float = 0.0
    confirm_timeout_s: float = 5.0
    gate_release_s: float | None = None
    span_of: Literal["gate", "confirm"] = "confirm"
    release_s: float = 1.0
    longest_s: float = 300.0
    cool_s: float = 1.0
    rejected_s: float = 1.0
    wake_on: tuple[str, ...] = ()
    confirm_on: tuple[str, ...] = ()
    label: str | None = None
    max_wait_s: float | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        for stage in ("gate", "confirm"):
            low, high = getattr(self, f"{stage}_low"), getattr(self, f"{stage}_high")
            if not 0 < low <= high <= 1:
                raise ValueError(f"{stage}_low is {low} and {stage}_high is {high}, expected 0 < low <= high <= 1")
        if self.second_chance is not None and not self.confirm_low <= self.second_chance <= self.confirm_high:
            raise ValueError(
                f"second_chance is {self.second_chance}, expected confirm_low {self.confirm_low} to confirm_high "
                f"{self.confirm_high}, or None"
            )
        if self.gate_alone is not None and not self.gate_low <= self.gate_alone <= 1:
            raise ValueError(f"gate_alone is {self.gate_alone}, expected gate_low {self.gate_low} to 1, or None")
        if not 0 <= self.gate_weight < 1:
            raise ValueError(f"gate_weight is {self.gate_weight}, expected 0 <= gate_weight < 1")
        if self.alone_s is not None and self.gate_alone is None:
            raise ValueError(f"alone_s is {self.alone_s} and gate_alone is None, expected a score for the gate alone")
        if self.span_of not in ("gate", "confirm"):
            raise ValueError(f"span_of is {self.span_of!r}, expected 'gate' or 'confirm'")
        self._check_seconds()
        self._check_names()

    def _check_numbers(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(one.default, float) and not is_number(value):
                raise ValueError(f"{one.name} is {value!r}, expected a number")
            if one.name in _NUMBER_OR_NONE and value is not None and not is_number(value):
                raise ValueError(f"{one.name} is {value!r}, expected a number, or None")
        if type(self.gate_agrees) is not bool:
            raise ValueError(f"gate_agrees is {self.gate_agrees!r}, expected True or False")

    def _check_seconds(self) -> None:
        for name in _NOT_NEGATIVE:
            value, least = getattr(self, name), "above 0" if name in _POSITIVE else "0 or more"
            if not (np.isfinite(value) and value >= 0 and (value > 0 or name not in _POSITIVE)):
                raise ValueError(f"{name} is {value}, expected seconds, {least}")
        for name in ("alone_s", "gate_release_s", "max_wait_s"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, expected seconds above 0, or None")

    def _check_names(self) -> None:
        for name in ("always_on", "wake_on", "confirm_on"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or not all(isinstance(one, str) and one for one in value):
                raise ValueError(f"{name} is {value!r}, expected a tuple of names such as ('audio',)")
        if self.label is not None and not (isinstance(self.label, str) and self.label):
            raise ValueError(f"label is {self.label!r}, expected a name, or None for the class that confirmed")

    def start(self) -> "PolicyState":
        """Return the state before anything was seen."""
        return PolicyState()

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Every change of state that can come of these numbers, with its condition in words; a gap aside."""
        arrows = [
            Transition("idle", "armed", f"gate \N{GREATER-THAN OR EQUAL TO} {self.gate_low:g}"),
            Transition("armed", "idle", f"gate < {self.gate_low:g}"),
            Transition("armed", "confirming", f"gate \N{GREATER-THAN OR EQUAL TO} {self.gate_high:g}{_lasted(self)}"),
            Transition("confirming", "active", _confirmed(self, self.confirm_high)),
        ]
        if self.second_chance is not None:
            nearly = f"\N{GREATER-THAN OR EQUAL TO} {self.second_chance:g}"
            arrows += [
                Transition("confirming", "second_chance", f"time is out, but was {nearly}"),
                Transition("second_chance", "active", _confirmed(self, self.second_chance)),
            ]
        left = "" if self.gate_release_s is None else f" or gate low > {self.gate_release_s:g} s"
        first_s = self.warm_up_s + self.confirm_timeout_s
        arrows.append(Transition("confirming", "cooling", f"{first_s:g} s are over{left}"))
        if self.second_chance is not None:
            arrows.append(Transition("second_chance", "cooling", f"{self.second_chance_s:g} s are over{left}"))
        kept = f"{self.span_of} low > {self.release_s:g} s"
        return (
            *arrows,
            Transition("active", "cooling", f"{kept} or {self.longest_s:g} s are over"),
            Transition("cooling", "idle", f"{self.cool_s:g} s ({self.rejected_s:g} s if rejected)"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return the policy that :meth:`to_dict` described."""
        only_keys(given, tuple(field.name for field in fields(cls)), "a policy")
        read: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
        return cls(**read)


def _lasted(policy: Policy) -> str:
    return f" and lasted {policy.arm_s:g} s" if policy.arm_s else ""


def _confirmed(policy: Policy, least: float) -> str:
    what = f"{1 - policy.gate_weight:g} confirm + {policy.gate_weight:g} gate" if policy.gate_weight else "confirm"
    enough = f"{what} \N{GREATER-THAN OR EQUAL TO} {least:g}"
    if policy.gate_agrees:
        enough += f", gate \N{GREATER-THAN OR EQUAL TO} {policy.gate_high:g}"
    if policy.gate_alone is None:
        return enough
    alone = f"gate \N{GREATER-THAN OR EQUAL TO} {policy.gate_alone:g}"
    lasted = f"none came and {alone}" if policy.alone_s is None else f"{alone} for {policy.alone_s:g} s"
    return f"{enough}\nor {lasted}"


class Seen(NamedTuple):
    """What is seen at a moment: the score of a window of one stage, or that windows are missing before its next one."""

    stage: Literal["gate", "confirm", "gate_gap", "confirm_gap"]
    centre_s: float = float("nan")
    score: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class PolicyState:
    """All that the machine remembers.

    ``since_s`` and ``until_s``: when it came here, and when cooling is over. ``gate_*``: the gate's newest score, and
    of its run at or above the low threshold the highest score with its label, the centres of the first and the last
    window and when the last was seen; ``gate_sure_s`` is the centre of the first one since it could decide alone.
    ``heard``: whether the confirmer gave a score since the wake; ``peak`` the highest since then or since its second
    chance, ``run_start_s`` the centre of the first window at or above its low threshold. The rest is of the event;
    ``by_gate`` says that the gate keeps it alive, and ``lasted_s`` when it was last seen alive.
    """

    name: StateName = "idle"
    since_s: float = -np.inf
    until_s: float = -np.inf
    gate_score: float = 0.0
    gate_peak: float = 0.0
    gate_label: str = ""
    gate_start_s: float = np.nan
    gate_last_s: float = np.nan
    gate_lasted_s: float = -np.inf
    gate_sure_s: float = np.nan
    heard: bool = False
    peak: float = 0.0
    run_start_s: float = np.nan
    by_gate: bool = False
    label: str = ""
    start_s: float = np.nan
    last_s: float = np.nan
    lasted_s: float = -np.inf
    score: float = 0.0
    decided_s: float = np.nan

    @property
    def listens(self) -> bool:
        """Whether the confirmer is on."""
        return self.name in ("confirming", "second_chance") or (self.name == "active" and not self.by_gate)

    @property
    def event(self) -> Event:
        """The event as far as it is known, where one is active."""
        return Event(self.start_s, self.last_s, self.label, self.score, self.decided_s)


def fused(policy: Policy, state: PolicyState, seen: Seen) -> float:
    """Return what is held against the confirmer's thresholds: its score and the gate's newest, by their shares."""
    return (1 - policy.gate_weight) * seen.score + policy.gate_weight * state.gate_score


def next_state(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    """Return the state after one thing seen at ``time_s``: a pure function.

    It changes its name at most once; :func:`path` calls it until the name stays.
    """
    if seen.stage == "gate_gap":
        return PolicyState(since_s=time_s) if state.name != "idle" else state
    if seen.stage == "confirm_gap":
        state = replace(state, run_start_s=np.nan)
        return _cool(state, time_s, policy.cool_s) if state.name == "active" and not state.by_gate else state
    if seen.stage == "gate":
        state = _with_gate(policy, state, seen, time_s)
    return _STEPS[state.name](policy, state, seen, time_s)


def path(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> list[PolicyState]:
    """Return the states that one thing seen leads through, the one before it first."""
    states = [state, next_state(policy, state, seen, time_s)]
    while states[-1].name != states[-2].name:
        states.append(next_state(policy, states[-1], seen, time_s))
    return states


def _with_gate(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    is_sure = policy.gate_alone is not None and seen.score >= policy.gate_alone
    sure_s = state.gate_sure_s if np.isfinite(state.gate_sure_s) else seen.centre_s
    state = replace(state, gate_score=seen.score, gate_sure_s=sure_s if is_sure else np.nan)
    if seen.score < policy.gate_low:
        return state
    if seen.score > state.gate_peak:
        state = replace(state, gate_peak=seen.score, gate_label=seen.label)
    return replace(state, gate_last_s=seen.centre_s, gate_lasted_s=time_s)


def _cool(state: PolicyState, time_s: float, seconds: float) -> PolicyState:
    return replace(state, name="cooling", since_s=time_s, until_s=time_s + seconds)


def _idle(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    if seen.stage != "gate" or seen.score < policy.gate_low:
        return state
    fresh = PolicyState(name="armed", since_s=time_s, gate_start_s=seen.centre_s)
    return _with_gate(policy, fresh, seen, time_s)


def _armed(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    if seen.stage == "gate" and seen.score < policy.gate_low:
        return PolicyState(since_s=time_s)
    lasted = state.gate_last_s - state.gate_start_s >= policy.arm_s - _EPSILON_S
    return (
        replace(state, name="confirming", since_s=time_s) if state.gate_peak >= policy.gate_high and lasted else state
    )


def _listening(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    first = state.name == "confirming"
    if time_s > state.since_s + (policy.warm_up_s + policy.confirm_timeout_s if first else policy.second_chance_s):
        return _out_of_time(policy, state, time_s)
    if policy.gate_release_s is not None and time_s - state.gate_lasted_s > policy.gate_release_s:
        return _cool(state, time_s, policy.rejected_s)
    sure_s = state.gate_last_s - state.gate_sure_s
    if policy.alone_s is not None and sure_s >= policy.alone_s - _EPSILON_S:
        return _decide(policy, state, state.gate_label, state.gate_peak, time_s)
    return _hearing(policy, state, seen, time_s) if seen.stage == "confirm" else state


def _hearing(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    """Return the state after a score of the confirmer that is waited for."""
    first = state.name == "confirming"
    score = fused(policy, state, seen)
    start_s = state.run_start_s if np.isfinite(state.run_start_s) else seen.centre_s
    state = replace(
        state,
        heard=True,
        peak=max(state.peak, score),
        run_start_s=start_s if score >= policy.confirm_low else np.nan,
    )
    enough = policy.confirm_high if first else policy.second_chance or policy.confirm_high
    if state.peak < enough or (policy.gate_agrees and state.gate_score < policy.gate_high):
        return state
    decided = _decide(policy, state, seen.label, state.peak, time_s)
    if policy.span_of == "gate":
        return decided
    return replace(decided, by_gate=False, start_s=start_s, last_s=seen.centre_s)


def _decide(policy: Policy, state: PolicyState, label: str, score: float, time_s: float) -> PolicyState:
    """Return an active state whose event is as long as the gate's run."""
    return replace(
        state,
        name="active",
        since_s=time_s,
        by_gate=True,
        label=policy.label or label,
        start_s=state.gate_start_s,
        last_s=state.gate_last_s,
        lasted_s=time_s,
        score=score,
        decided_s=time_s,
    )


def _out_of_time(policy: Policy, state: PolicyState, time_s: float) -> PolicyState:
    reached = policy.gate_alone is not None and state.gate_peak >= policy.gate_alone
    if reached and policy.alone_s is None and not state.heard:
        return _decide(policy, state, state.gate_label, state.gate_peak, time_s)
    if state.name == "confirming" and policy.second_chance is not None and state.peak >= policy.second_chance:
        return replace(state, name="second_chance", since_s=time_s, peak=0.0)
    return _cool(state, time_s, policy.rejected_s)


def _active(policy: Policy, state: PolicyState, seen: Seen, time_s: float) -> PolicyState:
    score = seen.score if state.by_gate else fused(policy, state, seen)
    is_its_own = seen.stage == ("gate" if state.by_gate else "confirm")
    alive = is_its_own and score >= (policy.gate_low if state.by_gate else policy.confirm_low)
    if time_s - state.lasted_s > policy.release_s or time_s - state.decided_s > policy.longest_s:
        return _cool(state, time_s, policy.cool_s)
    if not alive:
        return state
    best = state.score if state.by_gate else max(state.score, score)
    return replace(state, last_s=seen.centre_s, lasted_s=time_s, score=best)


def _cooling(_policy: Policy, state: PolicyState, _seen: Seen, time_s: float) -> PolicyState:
    return PolicyState(since_s=time_s) if time_s >= state.until_s else state


_STEPS: Mapping[StateName, Callable[[Policy, PolicyState, Seen, float], PolicyState]] = MappingProxyType(
    {
        "idle": _idle,
        "armed": _armed,
        "confirming": _listening,
        "second_chance": _listening,
        "active": _active,
        "cooling": _cooling,
    }
)
