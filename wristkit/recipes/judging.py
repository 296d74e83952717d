"""The parts of the table of a recipe that spots gestures: simulated people, gestures injected, and real hours."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wristkit.detector import Detector
from wristkit.evaluate import evaluate, stack
from wristkit.events import Scores
from wristkit.recipes import hours
from wristkit.recipes.spotting import Spotting
from wristkit.recipes.table import Goal, Judged, Part
from wristkit.recording import Recording
from wristkit.simulate import ACTIVITIES, FAMILIES
from wristkit.simulate.jolts import JOLTS
from wristkit.simulate.life import ACTIVITY_TIER

_JOLTED_HOURS = 0.06  # of each person
SIMULATED, INJECTED, REAL = (
    Goal(recall=0.95, fp_per_hour=0.6),
    Goal(recall=0.90),
    Goal(most_alarms=1, claim_per_hour=0.6),
)


def parts(detector: Detector, spotting: Spotting, *, people: int = 50) -> list[Part]:
    """Return the rows of a table: simulated people of an hour each, gestures injected into real motion, real hours."""
    lives = hours.lives("test", count=people, hours=1.0, per_hour=hours.PER_HOUR)
    return [
        *simulated_parts(detector, spotting, lives),
        jolted_part(detector, spotting, hours.jolted("test", count=people, hours=_JOLTED_HOURS)),
        *injected_parts(detector, spotting),
        *real_parts(detector, spotting),
    ]


def judge(detector: Detector, spotting: Spotting, recordings: Iterable[Recording]) -> tuple[Judged, Judged]:
    """Return what a detector does on recordings that share no hours, without and with other gestures on purpose."""
    both: list[tuple[Judged, Judged]] = []
    for one in recordings:
        scores = {one.id: detector.scores(one)}
        without, with_others = spotting.judged(one), spotting.judged(one, others=True)
        both.append((_judged(detector, [without], scores), _judged(detector, [with_others], scores)))
    return Judged.joined(one for one, _ in both), Judged.joined(one for _, one in both)


def judge_together(detector: Detector, spotting: Spotting, recordings: Sequence[Recording]) -> Judged:
    """Return what a detector does on recordings, the hours that several of them hold counted once."""
    held = [spotting.judged(one) for one in recordings]
    return _judged(detector, held, {one.id: detector.scores(one) for one in held})


def _judged(detector: Detector, recordings: Sequence[Recording], scores: Mapping[str, Scores]) -> Judged:
    decoder = detector.spec.decoder
    found = stack({name: decoder.run(one) for name, one in scores.items()})
    report = evaluate(found, recordings, scores=scores, decoder=decoder, latency_from="stop")
    return Judged.of(report, context=ACTIVITY_TIER)


def simulated_parts(detector: Detector, spotting: Spotting, recordings: Iterable[Recording]) -> list[Part]:
    """Return the rows of simulated people: all of it, then false alarms by family, recall by gesture and by context."""
    judged, with_others = judge(detector, spotting, recordings)
    still = judged.counting(hours.STILL)
    rows = [Part("simulated", f"recall while {', '.join(hours.STILL)}; alarms of all", still, SIMULATED)]
    for name, contexts in _groups().items():
        rows.append(Part("simulated", f"alarms in {name}", judged.within(contexts).counting(())))
    if spotting.others:
        rate = sum(hours.PER_HOUR[one] for one in spotting.others)
        name = f"alarms with {', '.join(spotting.others)} on purpose, {rate:g} an hour"
        rows.append(Part("simulated", name, with_others.counting(())))
    if len(spotting.gestures) > 1:
        rows += [Part("simulated", f"{one} alone", still.of_class(one)) for one in spotting.gestures]
    return rows + [Part("simulated", f"recall while {one}", judged.within([one])) for one in hours.MOVING]


def jolted_part(detector: Detector, spotting: Spotting, recordings: Iterable[Recording]) -> Part:
    """Return the row of simulated people with jolts over all that they do, and no gesture."""
    judged, _ = judge(detector, spotting, recordings)
    name = f"alarms among jolts ({', '.join(JOLTS)}), {3600 / hours.JOLT_EVERY_S:g} an hour"
    return Part("simulated", name, judged)


def _groups() -> Mapping[str, Sequence[str]]:
    trained = [name for family in FAMILIES if family not in hours.UNSEEN_FAMILIES for name in FAMILIES[family]]
    unseen = {f"the family {one!r}, never trained on": FAMILIES[one] for one in hours.UNSEEN_FAMILIES}
    return {"activities": tuple(ACTIVITIES), "families trained on": trained, **unseen}


def injected_parts(detector: Detector, spotting: Spotting, *, copies: int = 3) -> list[Part]:
    """Return the rows of gestures of simulated test people, injected into the real motion of test people.

    First where the arm is still, of all and of those whose sensor is as fast as the detector's grid; then anywhere, by
    what the person does.
    """
    real = hours.real_hours("test")
    still = _injected(detector, spotting, real, copies, turning_rad_s=hours.STILL_RAD_S)
    anywhere = _injected(detector, spotting, real, copies, turning_rad_s=np.inf)
    limit = f"where the arm turns by less than {hours.STILL_RAD_S:g} rad/s"
    fast = {one.subject or "" for one in real if one["accel"].rate_hz >= spotting.rate_hz}
    contexts = sorted(set(anywhere.hours["context"]))
    return [
        Part("injected", limit, still, INJECTED),
        Part("injected", f"{limit}, sensors of {spotting.rate_hz:g} Hz and more", still.of_subjects(fast), INJECTED),
        Part("injected", "anywhere", anywhere),
        *(Part("injected", f"anywhere, {one}", anywhere.within([one])) for one in contexts),
    ]


def _injected(
    detector: Detector, spotting: Spotting, real: Sequence[Recording], copies: int, *, turning_rad_s: float
) -> Judged:
    """Return what is found of gestures in several copies of the same hours; alarms are those of the first copy."""
    wearers = hours.people_of("test", 50)
    held: dict[str, Recording] = {}
    first: set[str] = set()
    for copy in range(copies):
        for place, one in enumerate(real):
            with_events = hours.with_gestures(
                one, spotting.gestures, wearers, count=hours.room_for(one), seed=1000 * copy + place,
                warm_s=spotting.length_s, turning_rad_s=turning_rad_s,
            )  # fmt: skip
            held[with_events.id] = with_events
            first |= {with_events.id} if copy == 0 else set()
    judged = judge_together(detector, spotting, list(held.values()))
    again = (judged.matches["kind"] == "false alarm") & ~judged.matches["recording"].isin(first)
    return Judged(judged.matches[~again], judged.hours)


def real_parts(detector: Detector, spotting: Spotting) -> list[Part]:
    """Return the rows of real hours, all and by set."""
    judged = judge_together(detector, spotting, hours.real_hours("test"))
    rows = [Part("real", "all sets", judged, REAL)]
    for name in hours.REAL_SETS:
        people = [one for one in judged.hours["subject"] if one.startswith(name)]
        rows.append(Part("real", name, judged.of_subjects(people)))
    return rows
