"""Handwashing: hands that rub each other, felt at the wrist; then water or soap, heard; then twenty seconds, counted.

**What is known.** On the watch, "machine learning models to determine motion which appears to be hand washing, and then
we use audio to confirm the sound of running water or squishing soap" (watchOS 7, WWDC 2020), with a timer of 20 s; no
figures were published, and one user found that it starts about 5 s after scrubbing begins. From motion alone in daily
life, a mean F1 of 0.33 on unseen people is published (OCDetect, Sci Data 2026); the steps within a wash are told apart
with 92 % of frames of known people (UWash, arXiv 2112.06657).

**What it does.** A gate of acceleration and turning rate at 25 Hz looks at 3.2 s, every 0.4 s. When it is sure for long
enough it wakes the microphone, again and again for as long as it stays sure, and a second net looks at the last 1.6 s
of sound, five times a second. Water or soap is a wash only while the gate is sure. A gate that stays surer still for
1.6 s decides by itself: who closes the tap is hardly heard until she rinses. Once decided the microphone goes off, and
the gate keeps the wash alive. Without a microphone the gate decides alone. It learns
from three times as many people as sound does, and from their rubbing with the fore arm leant and moved otherwise, too.
Rubbing with a steep fore arm, or with one that turns over or to and fro too fast, is shown to it as none, so that
brushing teeth is seldom taken for washing, though nobody does so in training (``lifted``). All thresholds are chosen on
nets that were not shown a quarter of the scenes, ``STRANGE``. :class:`Timer` counts the seconds of rubbing: it stands
still in a pause, forgives short breaks, and ends with ``completed`` or ``stopped_early``.

**Limits.** All hands, water and soap that it was trained on are simulated; real motion was trained on as nothing, real
sound not at all. No open data set holds motion and sound of one wash. Rubbing dry hands beside running water is washing
to it, such as with a lotion or at a sink; so is whatever else rubs so and sounds so. Soap that nobody hears under a tap
that is closed is found late or not at all. The countdown counts wetting and rinsing like scrubbing, and its ticks lag
by a second or two. A loss of more than 0.1 s is a gap, after which the gate sees nothing for 3.2 s: where many packets
are lost, washes come in pieces or not at all. Simulated water has no rumble. Sensors slower than 25 Hz are refused. In
fifty simulated hours it alarms 0.20 times an hour with sound, where 0.1 is the goal, and 0.14 without: seven of the ten
alarms while writing, a scene that was in no training. Nearly all washes are found by the gate alone: one in twenty
later than 4.0 s after the first rubbing, and without sound than 6.7 s. Injected while seated 28 of 28 are found with
sound and 26 of 27 without, half of them after 4.3 s; hands that rub while the wearer walks are missed. On one real
person windows of scrubbing are told from other motion with an area under the curve of 0.84. A sensor that is shaken at
the pace of rubbing may still alarm.

**Not blind.** Three gates before this one, two of more people and one with other rubbing, were looked at on the test,
by which it was known that more people find washes sooner, that thresholds chosen on nets that saw all scenes alarm too
often (10 to 16 times), and what shaken rubbing costs on that real person. How much rubbing is varied follows the real
washes of one person of UWash, who may be the one of the labelled session, and was set between what those gates had: of
the 0.84 expect less on others. Thresholds came from the people to tune on, and the test was looked at once with them.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.datasets import recordings as public_recordings
from wristkit.detector import Cascade, Policy, TunedCascade, tune_cascade
from wristkit.evaluate.context import NO_CONTEXT
from wristkit.recipes import cascading, hours, injecting, scenes, shelf
from wristkit.recipes.cascading import Cost, Task
from wristkit.recipes.handwashing.countdown import (
    COUNT_STATES,
    Countdown,
    CountReport,
    CountState,
    Tick,
    Timer,
    next_count,
)
from wristkit.recipes.handwashing.lifted import beside
from wristkit.recipes.lasting import Lasting, spans
from wristkit.recipes.spotting import Say
from wristkit.recipes.table import Goal, Judged, Part, subjects, table
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import subtract
from wristkit.simulate import FAMILIES, WASH_STEPS, SensorParams, everyday, stage, wash
from wristkit.simulate.life import ACTIVITY_TIER

__all__ = [
    "COUNT_STATES",
    "GATE",
    "NAME",
    "POLICY",
    "SOUND",
    "TASK",
    "CountReport",
    "CountState",
    "Countdown",
    "Tick",
    "Timer",
    "default",
    "judge",
    "make_default",
    "next_count",
    "parts",
    "simulate",
    "train",
]

NAME = "handwashing"
RUBBED = ("wetting", "soaping", "rinsing", *WASH_STEPS)
"""Steps of a wash in which hands rub."""


def _rubbed(recording: Recording) -> FloatArray:
    return spans(recording, "step", *RUBBED)


def _dried(recording: Recording) -> FloatArray:
    return spans(recording, "step", "drying")


def _wet(recording: Recording) -> FloatArray:
    return np.concatenate([spans(recording, "water"), spans(recording, "scrub")])


def _scrubbed(recording: Recording) -> FloatArray:
    return spans(recording, "scrub")


def _whole(recording: Recording) -> FloatArray:
    return spans(recording, "scene", "washing")


GATE = Lasting(
    label="washing",
    is_so=_rubbed,
    unsaid=_dried,
    newest_s=2.0,
    streams=("accel", "gyro"),
    rate_hz=25.0,
    length_s=3.2,
    hop_s=0.4,
)
"""What the gate looks at, and which windows are rubbing: those of whose last two seconds it is most."""
SOUND = Lasting(label="washing", is_so=_wet, newest_s=1.2, streams=("mel",), rate_hz=25.0, length_s=1.6, hop_s=0.2)
"""What the confirmer hears, and which windows are water or soap: so long that who does the dishes has struck one."""
TASK = Task(label="washing", tier="scene", meant=_whole, late_from=_scrubbed)
"""A wash is from the first water to the end of rinsing; how late it is found counts from the first rubbing."""
POLICY = Policy(
    gate_high=0.8,
    gate_low=0.3,
    arm_s=0.8,
    confirm_high=0.7,
    confirm_low=0.4,
    gate_agrees=True,
    confirm_timeout_s=6.0,
    gate_release_s=2.0,
    gate_alone=0.95,
    alone_s=1.6,
    warm_up_s=0.1,
    span_of="gate",
    release_s=8.0,
    cool_s=4.0,
    rejected_s=0.4,
    label="washing",
    max_wait_s=2.5,
)
"""Where its thresholds begin; a wash whose rubbing pauses for longer than ``release_s`` is over.

It listens again and again for as long as the gate is sure. Water that is heard is washing only while the gate is sure,
and a gate that stays surer still says so by itself: soap under a closed tap is hardly heard, or not at all.
"""
STRANGE = ("stirring", "chopping", *FAMILIES["watch"])
"""Scenes that the nets are not shown by which the thresholds are chosen, so that those hold in scenes never seen."""
_MOVING = 80
"""People more whose motion alone is trained on: the gate tells other people's washes the better the more it saw."""
TUNED_ON = 24
"""People of an hour each on whom thresholds are chosen: in fewer hours one false alarm in ten is not seen at all."""
WITH_SOUND, WITHOUT = Goal(recall=0.95, fp_per_hour=0.1), Goal(recall=0.95, fp_per_hour=0.6)
_APART_S = 30.0
_IDLE_S = 10.0  # of the session between steps, to be of use
STILL = ("seated", NO_CONTEXT)
"""Contexts of real motion in which hands may be washed: seated, or nothing known; nobody washes while he walks."""
_LASTS_S = (6.0, 30.0)  # a wash that is injected
_WEARERS = tuple(hours.people_of("test", 50))
_EVENTS = 40  # that are injected
_GATE_HIGH, _CONFIRM_HIGH = (0.6, 0.7, 0.8, 0.9), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # thresholds that are tried
_ALONE = (0.9, 0.95, 0.97, 0.98, 0.99)


def default() -> Cascade:
    """Return the cascade that ships, trained by ``python3 -m wristkit.recipes handwashing``."""
    return shelf.shipped_cascade(NAME)


def simulate(seed: int, *, rate_hz: float = 100.0) -> Recording:
    """Return about a minute of a simulated person who sits, washes her hands and walks away, with sound."""
    person = hours.people_of("train", 1 + seed % 8)[-1]
    rng = np.random.default_rng([seed, 30])
    shown = [everyday("sitting", 12.0), wash(person, rng=rng, scrub_s=20.0), everyday("walking", 15.0)]
    return stage(person, shown, seed=seed, sensor=SensorParams(rate_hz=rate_hz))


def train(
    recordings: Iterable[Recording],
    *,
    sound: Iterable[Recording] | None = None,
    tuning: Iterable[Recording] = (),
    seed: int = 0,
    epochs: int = 10,
    say: Say = str,
) -> Cascade:
    """Return a cascade: a gate trained on motion, a confirmer trained on sound, thresholds chosen on other people.

    Parameters
    ----------
    recordings
        With the labels of ``wristkit.simulate.wash``: the tiers ``step``, ``scrub`` and ``water``. What has none of
        them is taken to show no washing.
    sound
        What the confirmer is trained on; those of ``recordings`` that have sound where it is left out.
    tuning
        Recordings of other people, with ``washing`` in the tier truth. Without them the thresholds of
        ``POLICY`` stay.
    """
    motion, heard = cascading.motion_and_sound(recordings, sound)
    motion, heard = list(motion), list(heard)
    learnt = partial(cascading.learnt, epochs=epochs, seed=seed, say=say)
    gate = partial(learnt, of_class=120, background=200, smooth=3, beside=partial(beside, seed=seed))
    confirm = partial(learnt, of_class=120, background=180, smooth=2)
    cascade = Cascade(gate(GATE, motion), confirm(SOUND, heard), POLICY)
    held = [TASK.judged(one) for one in tuning]
    if not held:
        return cascade
    narrow = Cascade(
        gate(replace(GATE, left_out=STRANGE), motion), confirm(replace(SOUND, left_out=STRANGE), heard), POLICY
    )
    found = tuned(narrow, held)
    say(f"{found!r}\n{found.surface.to_string(float_format='{:.4g}'.format)}")
    gate_high, confirm_high = (float(found.point[name]) for name in ("gate_high", "confirm_high"))
    policy = replace(POLICY, gate_high=gate_high, confirm_high=confirm_high)
    return cascade.with_policy(alone(narrow.with_policy(policy), held, say=say).policy)


def tuned(cascade: Cascade, recordings: Sequence[Recording]) -> TunedCascade:
    """Return the thresholds of gate and confirmer within the limits on these people; the gate never decides alone.

    One false alarm in seven hours: they are chosen for nets that were not shown all of the scenes.
    """
    return tune_cascade(
        cascade.with_policy(replace(cascade.policy, gate_alone=None, alone_s=None)),
        recordings,
        fp_per_hour=0.15,
        most_duty_cycle=0.1,  # these people wash for a tenth of their time
        gate_high=_GATE_HIGH,
        confirm_high=_CONFIRM_HIGH,
    )


def alone(cascade: Cascade, recordings: Sequence[Recording], *, say: Say = str) -> Cascade:
    """Return a cascade whose gate decides alone at the lowest score within the limit on these people, or the highest.

    The lowest finds the most washes, and each the soonest. The limit is 0.3 false alarms an hour, with sound or
    without: it is chosen for nets that were not shown all of the scenes.
    """
    quiet, tried = [cascading.silent(one) for one in recordings], list[Cascade]()
    for score in _ALONE:
        tried.append(cascade.with_policy(replace(cascade.policy, gate_alone=score)))
        heard, unheard = (tried[-1].evaluate(held) for held in (recordings, quiet))
        for name, report in (("with", heard), ("without", unheard)):
            say(f"alone at {score:g}, {name} sound: recall {report.recall_share}; false alarms {report.false_alarms}")
        if max(heard.fp_per_hour, unheard.fp_per_hour) <= 0.3:
            break
    return tried[-1]


def to_train_on() -> Iterator[Recording]:
    """Yield what the default is trained on: what both cascades are, and motion without sound of many more people."""
    yield from cascading.to_train_on()
    yield from scenes.lives(
        "train",
        first=40,
        count=_MOVING,
        hours=0.15,
        washes=20.0,
        raises=50.0,
        more=("dishes",) * 3,
        streams=GATE.streams,
    )


def make_default(*, say: Say = str, into: Path = shelf.WEIGHTS) -> Path:
    """Train the default anew and write it; ``WRISTKIT_DATA`` holds the real motion that it is trained on."""
    return shelf.ship(train(to_train_on(), tuning=scenes.to_tune_on(count=TUNED_ON), say=say), NAME, into=into)


# ---- the table ----


def parts(cascade: Cascade | None = None, *, people: int = 50, first: int = 0) -> list[Part]:
    """Return the rows of the table, with and without sound: simulated people of an hour each, injected, and real."""
    judged = default() if cascade is None else cascade
    lives = scenes.lives("test", count=people, first=first, hours=1.0, streams=scenes.WITH_FRAMES, heard_by=judged)
    found = cascading.judge_both(TASK, judged, lives)
    simulated = cascading.said_of(simulated_parts(*found), people)
    return [*simulated, *injected_parts(judged), *real_parts(judged)]


def simulated_parts(heard: Judged, unheard: Judged, cost: Cost) -> list[Part]:
    """Return the rows of simulated people."""
    duty = f"confirmer on {100 * cost.duty_cycle:.2f} % of everyday motion"
    return [
        Part("simulated", f"with sound; {duty}", heard, WITH_SOUND),
        Part("simulated", f"with sound, washes {_APART_S:g} s and more from another", apart(heard), WITH_SOUND),
        *cascading.everyday_parts(heard, "with sound", own=("washing",)),
        Part("simulated", "without sound", unheard, WITHOUT),
        Part("simulated", f"without sound, washes {_APART_S:g} s and more from another", apart(unheard), WITHOUT),
        *cascading.everyday_parts(unheard, "without sound", own=("washing",)),
    ]


def apart(judged: Judged) -> Judged:
    """Return all hours and alarms without the true washes that lie near another: two of those are one to the policy."""
    matches = judged.matches
    true = matches[matches["kind"].isin(["hit", "miss"])].sort_values(["recording", "true_start_s"])
    since_s = true["true_start_s"] - true.groupby("recording")["true_stop_s"].shift()
    near = since_s < _APART_S
    near |= near.groupby(true["recording"]).shift(-1, fill_value=False)
    return Judged(matches.drop(index=true.index[near]), judged.hours)


def injected_parts(cascade: Cascade, *, copies: int = 3) -> list[Part]:
    """Return the rows of rubbing hands of simulated people over real motion and real sound, by what was done there."""
    clips, rng = injecting.clips(), np.random.default_rng([90, 0])
    events = [_begun(rng) for _ in range(_EVENTS)]
    real = [
        (place, one)
        for place, one in enumerate(real_motion())
        if "sign_unknown" not in set(one.findings["code"])  # a wash belongs to the world's axes
    ]
    held = [
        [
            injecting.injected(one, events, clips, label="hands", count=_room(one), seed=1000 * copy + place)
            for place, one in real
        ]
        for copy in range(copies)
    ]
    quiet = [[cascading.silent(one) for one in copy] for copy in held]
    task, parts = replace(TASK, tier=ACTIVITY_TIER), list[Part]()
    for name, heard in (("with sound", held), ("without sound", quiet)):
        judged = cascading.judge_copies(task, cascade, heard)
        moving = set(judged.hours["context"]) - {*STILL}
        parts.append(
            Part("injected", f"{name}, hands rub while {', '.join(STILL)}", judged.within(STILL), Goal(recall=0.9))
        )
        parts.append(Part("injected", f"{name}, hands rub while walking, turning and the like", judged.within(moving)))
    return parts


def _begun(rng: np.random.Generator) -> injecting.Event:
    """Return a wash of a simulated test person, from its first rubbing on, for some seconds."""
    person = _WEARERS[int(rng.integers(len(_WEARERS)))]
    seed = int(rng.integers(2**31))
    return injecting.Event.of(person, wash(person, rng=rng), "scrub", most_s=rng.uniform(*_LASTS_S), seed=seed)


def real_motion() -> list[Recording]:
    """Return real motion of the test in which nobody washes; of UWash's session what lies between its steps."""
    session = uwash_session()
    steps = spans(session, ACTIVITY_TIER) + np.array([-1.0, 1.0])
    between = subtract(np.array([[session.start_s, session.stop_s]]), steps)
    idle = [session.between(*span) for span in between.tolist() if span[1] - span[0] >= _IDLE_S]
    return [*hours.real_hours("test", sets=("spsw", "broad")), *idle]


def uwash_session() -> Recording:
    """Return UWash's labelled session, its steps in the tier ``activity``; nobody of UWash is trained on here."""
    if not hours.has_real_hours():
        raise FileNotFoundError(f"{hours.DATA} names no folder; set it to the one that holds uwash")
    root = Path(os.environ[hours.DATA]) / "uwash"
    one = next(one for one in public_recordings("uwash", root) if one.subject is None)
    span = [(one.start_s, one.stop_s)]
    told = one.with_labels(one.labels.assign(tier=ACTIVITY_TIER), labelled={ACTIVITY_TIER: span, "truth": span})
    return replace(told, subject="uwash session")


def _room(recording: Recording) -> int:
    """Return how many washes a recording may hold: one in forty seconds."""
    return max(1, int((recording.stop_s - recording.start_s) / 40))


def real_parts(cascade: Cascade) -> list[Part]:
    """Return the rows of real motion in which nobody washed on purpose: alone, and over real sound of another place."""
    clips = injecting.clips()
    real = real_motion()
    over = [one.with_streams(injecting.under(one, clips, seed=place)) for place, one in enumerate(real)]
    unheard, _ = cascading.judge_together(TASK, cascade, real)
    heard, cost = cascading.judge_together(TASK, cascade, over)
    goal = Goal(most_alarms=1, claim_per_hour=0.6)
    duty = f"over real clips; confirmer on {100 * cost.duty_cycle:.2f} %"
    return [*cascading.real_parts(unheard, "without sound", goal), *cascading.real_parts(heard, duty, goal)]


def against_always_on(cascade: Cascade) -> pd.DataFrame:
    """Return what the gate saves and costs, on the first simulated people of the table, all of whose sound is made."""
    held = scenes.lives("test", count=cascading.ALWAYS_HEARD, hours=1.0, streams=scenes.WITH_FRAMES)
    return cascading.against_always_on(TASK, cascade, held)


def judge(*, say: Say = str, people: int = 50) -> pd.DataFrame:
    """Return the table of the default, write it beside its weights, and say it with what real washes show."""
    from wristkit.recipes.handwashing.uwash import on_uwash

    shown, held = parts(people=people), [TASK.judged(one) for one in scenes.to_tune_on(count=TUNED_ON)]
    made, against, washes = table(shown), against_always_on(default()), on_uwash(default())
    surface = cascading.as_shipped(tuned(default(), held).surface, default().policy)
    shelf.ship_tables(NAME, table=made, people=subjects(shown), against=against, washes=washes, surface=surface)
    for one in (made, against, washes, surface):
        say(one.to_string(float_format="{:.3g}".format))
    return made
