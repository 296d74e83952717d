"""Raise to Speak: the wrist goes to the mouth and stays there, felt; then somebody speaks closely to it, heard.

**What is known.** On the watch a net on acceleration finds the gesture, a second one finds near speech, and a policy
decides over both (KDD 2019, doi 10.1145/3292500.3330761; watchOS 5); later a net over both replaced that policy
(Interspeech 2023, arXiv 2305.12063). Their figures are not public in reachable text.

**What it does.** A gate of acceleration and turning rate at 50 Hz looks at 1.2 s, every 80 ms, and wakes the microphone
while the arm is still on its way, so that the first word is heard. A second net looks at 0.3 s of sound, every 60 ms:
is there a voice at a hand's breadth? It is told apart from voices across a room and from the wearer's own with the arm
down by its level and its bass. Who speaks is not asked.

**Limits.** All raises and voices that it was trained on are simulated; real motion was trained on as nothing. Nearness
is taken from level: a microphone of another gain needs training anew, and a whisper is missed. A wrist that looks
raised, for the time or for a drink, while the wearer speaks over it, is taken for a raise to speak. Words that begin
before the arm has risen are found late. Without sound nothing is ever decided.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.audio import without_sound
from wristkit.detector import Cascade, Policy, TunedCascade, tune_cascade
from wristkit.recipes import cascading, hours, injecting, lasting, scenes, shelf
from wristkit.recipes.cascading import Cost, Task
from wristkit.recipes.lasting import Lasting, spans
from wristkit.recipes.spotting import Say
from wristkit.recipes.table import Goal, Judged, Part, subjects, table
from wristkit.recording import FloatArray, Recording
from wristkit.simulate import SensorParams, everyday, raise_to_speak, stage

NAME = "raise_to_speak"
_RISING_S, _DWELL_S, _LOWERING_S = 0.4, 2.2, 0.5  # of a raise: told as one from here to there, then nothing is said


def _raised(recording: Recording) -> FloatArray:
    raises = spans(recording, "gesture", "raise_to_speak")
    return np.column_stack([raises[:, 0] + _RISING_S, _told_until(raises)])


def _unsaid(recording: Recording) -> FloatArray:
    raises = spans(recording, "gesture", "raise_to_speak")
    rising = np.column_stack([raises[:, 0], raises[:, 0] + _RISING_S])
    return np.concatenate([rising, np.column_stack([_told_until(raises), raises[:, 1] + _LOWERING_S])])


def _told_until(raises: FloatArray) -> FloatArray:
    return np.minimum(raises[:, 0] + _DWELL_S, raises[:, 1] - _LOWERING_S)


def _near(recording: Recording) -> FloatArray:
    return spans(recording, "voice", "near")


def _gesture(recording: Recording) -> FloatArray:
    return spans(recording, "gesture", "raise_to_speak")


GATE = Lasting(
    label="raised",
    is_so=_raised,
    unsaid=_unsaid,
    newest_s=0.02,
    most=0.99,
    least=0.01,
    streams=("accel", "gyro"),
    rate_hz=50.0,
    length_s=1.2,
    hop_s=0.08,
)
"""What the gate looks at, and which windows are a raise: those that end on its way up or early in its dwell."""
SOUND = Lasting(
    label="near", is_so=_near, newest_s=0.2, most=0.85, streams=("mel",), rate_hz=50.0, length_s=0.3, hop_s=0.06
)
"""What the confirmer hears, and which windows are a near voice."""
TASK = Task(label="raise_to_speak", tier="scene", meant=_gesture)
"""A raise to speak is from the first word to the last; how late it is found counts from the first."""
POLICY = Policy(
    gate_high=0.5,
    gate_low=0.3,
    confirm_high=0.8,
    confirm_low=0.4,
    confirm_timeout_s=1.8,
    warm_up_s=0.05,
    release_s=0.8,
    cool_s=1.0,
    rejected_s=3.0,
    label="raise_to_speak",
    max_wait_s=2.0,
)
"""Where its thresholds begin."""
_GATE_HIGH, _CONFIRM_HIGH = (0.3, 0.5, 0.7, 0.85, 0.95), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # thresholds that are tried
_WEARERS = tuple(hours.people_of("test", 50))
SIMULATED = Goal(recall=0.95, fp_per_hour=0.3, latency_p95_s=0.4)


def default() -> Cascade:
    """Return the cascade that ships, trained by ``python3 -m wristkit.recipes raise_to_speak``."""
    return shelf.shipped_cascade(NAME)


def simulate(seed: int, *, rate_hz: float = 100.0) -> Recording:
    """Return about half a minute of a simulated person who sits and raises her wrist to speak, twice."""
    person = hours.people_of("train", 1 + seed % 8)[-1]
    rng = np.random.default_rng([seed, 31])
    spoken = [raise_to_speak(person, rng=rng, posture="lap") for _ in range(2)]
    shown = [everyday("sitting", 8.0), spoken[0], everyday("typing", 6.0), spoken[1], everyday("sitting", 6.0)]
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
        With the labels of ``wristkit.simulate.raise_to_speak``: the tiers ``gesture`` and ``voice``. What has none of
        them is taken to show no raise, and no near voice.
    sound
        What the confirmer is trained on; those of ``recordings`` that have sound where it is left out.
    tuning
        Recordings of other people, with ``raise_to_speak`` in the tier truth. Without them the thresholds of
        ``POLICY`` stay.
    """
    motion = list(recordings) if sound is None else recordings
    heard = [one for one in motion if cascading.SOUND & set(one.streams)] if sound is None else sound
    learnt = partial(lasting.train, of_class=400, background=700, epochs=epochs, seed=seed, say=say)
    gate, confirm = learnt(GATE, motion), learnt(SOUND, heard)
    cascade = Cascade(lasting.smoothed(gate.detector(), 1), lasting.smoothed(confirm.detector(), 1), POLICY)
    held = [TASK.judged(one) for one in tuning]
    if not held:
        return cascade
    found = tuned(cascade, held)
    say(f"{found!r}\n{found.surface.to_string(float_format='{:.4g}'.format)}")
    return found.cascade


def tuned(cascade: Cascade, recordings: Sequence[Recording]) -> TunedCascade:
    """Return the thresholds of gate and confirmer with the highest recall within the goals on these people."""
    return tune_cascade(
        cascade, recordings, fp_per_hour=0.2, most_duty_cycle=0.05, gate_high=_GATE_HIGH, confirm_high=_CONFIRM_HIGH
    )


def motion_to_train_on(*, people: int = 16, hours_each: float = 0.3) -> Iterator[Recording]:
    """Yield the motion that its gate is trained on: simulated lives, and real motion in which nobody speaks."""
    yield from scenes.lives("train", count=people, hours=hours_each, raises=50.0, streams=("accel", "gyro"))
    yield from hours.real_hours("train", sets=("spsw",))


def sound_to_train_on(*, people: int = 16, hours_each: float = 0.2) -> Iterator[Recording]:
    """Yield the sound that its confirmer is trained on: that of simulated lives."""
    yield from scenes.lives("train", count=people, hours=hours_each, raises=50.0, streams=("audio",))


def to_tune_on(*, people: int = 3) -> Iterator[Recording]:
    """Yield an hour of each of the other simulated people on whom its thresholds are chosen, sound as frames."""
    return map(without_sound, scenes.lives("tune", count=people, hours=1.0, raises=16.0))


def make_default(*, say: Say = str, into: Path = shelf.WEIGHTS) -> Path:
    """Train the default anew and write it; ``WRISTKIT_DATA`` holds the real motion that it is trained on."""
    return shelf.ship(
        train(motion_to_train_on(), sound=sound_to_train_on(), tuning=to_tune_on(), say=say), NAME, into=into
    )


# ---- the table ----


def parts(cascade: Cascade | None = None, *, people: int = 50, first: int = 0) -> list[Part]:
    """Return the rows of the table: simulated people of an hour each, raises injected into real motion, real hours."""
    judged = default() if cascade is None else cascade
    lives = scenes.lives("test", count=people, first=first, hours=1.0, raises=16.0, heard_by=judged)
    return [*simulated_parts(*cascading.judge(TASK, judged, lives)), *injected_parts(judged), *real_parts(judged)]


def simulated_parts(judged: Judged, cost: Cost) -> list[Part]:
    """Return the rows of simulated people."""
    duty = f"confirmer on {100 * cost.duty_cycle:.2f} % of everyday motion"
    return [
        Part("simulated", f"all; {duty}", judged, SIMULATED),
        *cascading.everyday_parts(judged, "all", own=("raise_to_speak",)),
    ]


def injected_parts(cascade: Cascade, *, copies: int = 3) -> list[Part]:
    """Return the row of raises to speak of simulated people over real motion and real sound."""
    clips = injecting.clips()
    # A raise belongs to the world's axes.
    real = [one for one in hours.real_hours("test") if "sign_unknown" not in set(one.findings["code"])]
    held = [
        injecting.injected(one, _spoken, clips, label="arm", count=_room(one), seed=1000 * copy + place)
        for copy in range(copies)
        for place, one in enumerate(real)
    ]
    judged, _ = cascading.judge_together(TASK, cascade, held)
    return [Part("injected", "over real motion and real clips", judged, Goal(recall=0.9))]


def _spoken(rng: np.random.Generator, most_s: float) -> injecting.Event:
    """Return a raise to speak of a simulated test person, from the first motion up to the last one down."""
    person = _WEARERS[int(rng.integers(len(_WEARERS)))]
    seed = int(rng.integers(2**31))
    return injecting.Event.of(person, raise_to_speak(person, rng=rng), "gesture", most_s=most_s, seed=seed)


def _room(recording: Recording) -> int:
    """Return how many raises a recording may hold: one in twelve seconds."""
    return max(1, int((recording.stop_s - recording.start_s) / 12))


def real_parts(cascade: Cascade) -> list[Part]:
    """Return the rows of real motion in which nobody spoke to a wrist, over real sound of another place."""
    clips = injecting.clips()
    real = hours.real_hours("test")
    over = [one.with_streams(injecting.under(one, clips, seed=place)) for place, one in enumerate(real)]
    judged, cost = cascading.judge_together(TASK, cascade, over)
    duty = f"over real clips; confirmer on {100 * cost.duty_cycle:.2f} %"
    return cascading.real_parts(judged, duty, Goal(most_alarms=1, fp_per_hour=0.3))


def against_always_on(cascade: Cascade) -> pd.DataFrame:
    """Return what the gate saves and costs, on an hour of four more simulated people who speak to it often."""
    held = scenes.lives("test", count=4, first=60, hours=0.25, raises=60.0)
    return cascading.against_always_on(TASK, cascade, map(without_sound, held))


def judge(*, say: Say = str) -> pd.DataFrame:
    """Return the table of the default, write it beside its weights, and say it with what the gate saves."""
    shown = parts()
    made, against = table(shown), against_always_on(default())
    shelf.ship_tables(NAME, table=made, people=subjects(shown), against=against)
    for one in (made, against):
        say(one.to_string(float_format="{:.3g}".format))
    return made
