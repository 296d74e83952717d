"""Handwashing and raise to speak: the countdown by hand and pushed, who is shown what, which windows are told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cascades import bursts, final_table, push_all
from wristkit.audio import without_sound
from wristkit.condition.frame import WRIST_SIGNS
from wristkit.detector import Cascade, Detector, TunedCascade
from wristkit.models import build
from wristkit.recipes import (
    cascading,
    handwashing,
    hours,
    injecting,
    keeping,
    lasting,
    raise_to_speak,
    scenes,
    shelf,
    table,
)
from wristkit.recipes.handwashing import Countdown, CountState, Tick, Timer, next_count
from wristkit.recipes.handwashing.lifted import (
    LEANT,
    SPUN_RAD_S,
    STEEP,
    TIMES_ACCEL,
    TIMES_GYRO,
    TUMBLING_RAD_S,
    beside,
    lifted,
    not_washing,
    otherwise,
    spun,
    tumbled,
)
from wristkit.recipes.spotting import joined
from wristkit.simulate import FAMILIES, everyday, packets, people, stage
from wristkit.simulate import raise_to_speak as raised

RULE = Countdown()


def count(ticks, rule=RULE):
    """Return the names of the states after each (second, rubs, since), and the last state."""
    state, names = CountState(), []
    for tick in ticks:
        state = next_count(rule, state, Tick(*tick))
        names.append(state.name)
    return names, state


def rubbing(first_s, last_s, *, since_s=0.0, rubs=True):
    return [(second, rubs, since_s) for second in np.arange(first_s, last_s + 0.25, 0.5).tolist()]


# ---- the countdown ----


def test_twenty_seconds_are_counted_from_when_the_wash_began():
    names, state = count([(4.0, False), *rubbing(5.0, 21.0, since_s=2.0)])
    assert names[:2] == ["waiting", "counting"]
    assert names.count("counting") == 33
    assert (names[-1], state.counted_s, state.since_s) == ("counting", 19.0, 5.0)
    names, state = count([*rubbing(5.0, 30.0, since_s=2.0)])
    assert (names[-1], state.counted_s, state.since_s) == ("completed", 20.0, 22.0)


def test_a_short_break_is_forgiven_and_counts():
    _, state = count([*rubbing(0, 5), *rubbing(5.5, 6.5, rubs=False), *rubbing(7, 10)])
    assert (state.name, state.counted_s) == ("counting", 10.0)


def test_a_long_break_pauses_and_nothing_of_it_counts():
    names, state = count([*rubbing(0, 5), *rubbing(5.5, 9, rubs=False)])
    assert (names[-1], state.counted_s, state.since_s) == ("paused", 5.0, 7.5)
    _, state = count([*rubbing(0, 5), *rubbing(5.5, 9, rubs=False), *rubbing(9.5, 12)])
    assert (state.name, state.counted_s) == ("counting", 7.5)


def test_who_stops_early_is_told_once_and_a_new_wash_begins_at_nothing():
    names, state = count([*rubbing(0, 5), (5.5, False), (6.0, False)])
    assert names[-2:] == ["stopped_early", "waiting"]
    assert state.counted_s == 0
    _, state = count([*rubbing(0, 5), (5.5, False), (6.0, False), *rubbing(7.0, 8.0, since_s=6.5)])
    assert (state.name, state.counted_s) == ("counting", 1.5)


def test_who_is_done_stays_done_until_the_wash_is_over():
    names, state = count([*rubbing(0, 30), *rubbing(30.5, 60, rubs=False), (60.5, False)])
    assert "stopped_early" not in names
    assert "paused" not in names
    assert state.name == "waiting"


def test_windows_that_are_missing_count_as_a_break():
    _, state = count([*rubbing(0, 5), *rubbing(60, 62)])
    assert (state.name, state.counted_s) == ("counting", 7.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.booleans(), st.booleans()), max_size=40))
def test_it_never_counts_more_than_has_passed_and_ends_only_as_it_may(steps):
    time_s, state, since_s = 0.0, CountState(), float("nan")
    for step_s, rubs, is_wash in steps:
        time_s += step_s
        since_s = (since_s if np.isfinite(since_s) else time_s - step_s) if is_wash else float("nan")
        state = next_count(Countdown(), state, Tick(time_s, rubs, since_s))
        assert 0 <= state.counted_s <= min(20.0, time_s)
        assert (state.name == "completed") <= (state.counted_s == 20.0)


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"seconds": float("nan")}, {"forgiven_s": -1.0}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected seconds"):
        Countdown(**wrong)


@pytest.fixture(scope="module")
def washed():
    return handwashing.simulate(20_000)


def test_a_wash_of_twenty_seconds_is_completed_and_the_same_for_any_partition(washed):
    timer = Timer(handwashing.default(), Countdown(seconds=12.0))
    whole = timer.run(washed)
    assert [one.name for one in whole][-2:] == ["completed", "waiting"]
    for parts in (bursts(washed), bursts(washed, packet_s=0.3, delays_s={"audio": 0.4})):
        timer.reset(wrist=washed.wrist, crown=washed.crown)
        told = [one for packet in parts for one in timer.push(packet)] + timer.flush()
        assert told == whole


def test_a_wash_that_is_cut_short_was_stopped_early(washed):
    scrub = lasting.spans(washed, "scrub")
    told = Timer(handwashing.default()).run(washed.between(0.0, float(scrub[0, 0]) + 8.0))
    assert [one.name for one in told][-1] == "stopped_early"


def test_a_countdown_wants_a_gate_that_keeps_the_wash_alive():
    with pytest.raises(ValueError, match="expected 'gate'"):
        Timer(raise_to_speak.default())


# ---- lives ----


def names_of(scenes_of):
    return {one.name for one in scenes_of}


@pytest.mark.parametrize("part", ["train", "tune", "test"])
def test_what_is_unseen_is_in_the_test_alone(part):
    person = people(1, seed=1)[0]
    made = scenes.plan(person, part, hours=1.0, washes=2.0, raises=3.0, rng=np.random.default_rng(0))
    shown = names_of(made)
    assert {"head", "fine"} == set(scenes.UNSEEN_FAMILIES)
    assert set(FAMILIES["head"]) | set(FAMILIES["fine"]) == scenes.UNSEEN
    assert not shown & scenes.UNSEEN if part != "test" else shown >= scenes.UNSEEN
    assert [one.name for one in made].count("washing") == 2
    assert [one.name for one in made].count("raise_to_speak") == 3


def test_in_the_test_every_scene_has_an_equal_share():
    person = people(1, seed=1)[0]
    made = scenes.plan(person, "test", hours=2.0, washes=2.0, raises=3.0, rng=np.random.default_rng(0))
    seconds = {name: sum(one.duration_s for one in made if one.name == name) for name in scenes.SCENES}
    twice = {"looking_at_watch", "drinking", "phone_to_ear", "scratching", "eating"}  # as a motion and as a raise
    shares = np.array([seconds[name] / (2 if name in twice else 1) for name in seconds])
    assert shares.max() < 1.2 * shares.min()


def test_sound_that_nobody_hears_is_not_made_and_changes_nothing():
    cascade = handwashing.default()
    options = {"count": 1, "hours": 0.06, "washes": 20.0, "raises": 10.0}
    whole = next(scenes.lives("tune", **options))
    part = next(scenes.lives("tune", heard_by=cascade, **options))
    assert len(part["audio"]) < 0.9 * len(whole["audio"])
    assert np.array_equal(part["accel"].values, whole["accel"].values)
    assert part.labels.equals(whole.labels)
    trace = cascade.trace(part)
    assert len(trace.events)
    pd.testing.assert_frame_equal(trace.events, cascade.detect(whole), check_exact=True)
    for start_s, stop_s in np.array(trace.on).tolist():
        heard, all_of_it = (one["audio"].between(start_s, stop_s).values for one in (part, whole))
        assert np.array_equal(heard, all_of_it)


def test_lives_that_are_kept_are_read_and_not_made_again(tmp_path, monkeypatch):
    asked = {"count": 1, "hours": 0.03, "washes": 40.0, "more": ("dishes",), "streams": scenes.WITH_FRAMES}
    made = next(scenes.lives("train", **asked))
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(keeping.LIVES, str(tmp_path))
    first = next(scenes.lives("train", **asked))
    assert first.id == made.id
    assert names_of_scenes(first) >= {"washing", "dishes"}

    def again(*_, **__):
        raise AssertionError("it was made again")

    monkeypatch.setattr(scenes, "stage", again)
    second = next(scenes.lives("train", **asked))
    assert second.id == made.id
    assert set(second.streams) == {"accel", "gyro", "mel"}
    assert second.labels.equals(made.labels)
    assert (second.subject, second.wrist, second.crown) == (made.subject, made.wrist, made.crown)
    heard = {"heard_by": handwashing.default()}
    assert next(scenes.lives("train", **asked | heard)).id == made.id  # it holds all that is heard, and more
    for other in (asked | {"hours": 0.04}, asked | {"more": ()}, asked | {"first": 1}, asked | heard | {"hours": 0.04}):
        with pytest.raises(AssertionError, match="made again"):
            next(scenes.lives("train", **other))
    monkeypatch.setattr(keeping, "_code", lambda: "other code")
    with pytest.raises(AssertionError, match="made again"):
        next(scenes.lives("train", **asked))


def names_of_scenes(recording):
    return set(recording.labels.loc[recording.labels["tier"] == "scene", "label"])


# ---- windows and latency ----


def test_windows_are_of_what_fills_their_newest_part(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = lasting.spans(washed, "step", *handwashing.RUBBED)
    for start_s, label in zip(cut.stop_s - 2.0, cut.labels, strict=True):
        covered = np.clip(np.minimum(rubbed[:, 1], start_s + 2.0) - np.maximum(rubbed[:, 0], start_s), 0, None).sum()
        assert covered >= 1.5 - 1e-6 if label == "washing" else covered <= 0.2 + 1e-6
    assert {"washing", "none"} == set(cut.labels)


def test_no_window_is_shown_of_a_scene_that_is_left_out(washed):
    told = handwashing.SOUND.windows(washed)
    fewer = replace(handwashing.SOUND, left_out=("washing",)).windows(washed)
    spans = lasting.spans(washed, "scene", "washing")
    newest_s = handwashing.SOUND.newest_s
    outside = ~((told.stop_s[:, None] > spans[:, 0]) & (told.stop_s[:, None] - newest_s < spans[:, 1])).any(axis=1)
    assert 0 < outside.sum() < len(told)
    np.testing.assert_array_equal(fewer.stop_s, told.stop_s[outside])


def test_latency_of_a_wash_counts_from_the_first_rubbing(washed):
    judged, cost = cascading.judge(handwashing.TASK, handwashing.default(), [washed])
    hit = judged.matches[judged.matches["kind"] == "hit"].iloc[0]
    assert hit["latency_s"] == pytest.approx(hit["decided_s"] - lasting.spans(washed, "scrub")[0, 0])
    everyday_s = washed.stop_s - washed.start_s - np.diff(lasting.spans(washed, "scene", "washing")).sum()
    assert cost.everyday_s == pytest.approx(everyday_s, abs=0.1)


def test_without_a_microphone_the_gate_decides_alone(washed):
    cascade = handwashing.default()
    quiet = cascading.silent(washed)
    assert set(quiet.streams) == {"accel", "gyro"}
    assert not {"audio", "mel"} & set(cascading.silent(without_sound(washed)).streams)
    assert list(cascade.detect(quiet)["label"]) == ["washing"]
    assert raise_to_speak.default().policy.gate_alone is None


def test_what_a_gate_costs_is_told_against_a_microphone_that_is_always_on(washed):
    made = cascading.against_always_on(handwashing.TASK, handwashing.default(), [washed]).set_index("microphone")
    behind, always = made.loc["behind the gate"], made.loc["always on"]
    assert behind["recall"] == always["recall"] == 1.0
    assert behind["duty_cycle"] < 0.3
    assert always["duty_cycle"] > 0.8
    assert behind["operations_per_hour"] < always["operations_per_hour"]


def test_the_worst_errors_come_first():
    kinds = ["hit", "miss", "false alarm", "hit", "false alarm", "not labelled"]
    matches = pd.DataFrame({"kind": kinds, "score": [0.9, np.nan, 0.6, 0.8, 0.99, 0.5]})
    matches["latency_s"] = [1.0, np.nan, np.nan, 7.0, np.nan, np.nan]
    found = cascading.worst(table.Judged(matches, pd.DataFrame()), most=4)
    assert list(found.index) == [4, 2, 1, 3]


SURFACE = pd.DataFrame(
    [
        # gate, confirm, recall, false alarms an hour, duty cycle
        (0.2, 0.8, 1.00, 0.0, 0.09),  # on for too long
        (0.3, 0.5, 1.00, 0.4, 0.04),  # too many false alarms
        (0.3, 0.6, 0.98, 0.2, 0.04),  # loses too much
        (0.3, 0.7, 0.99, 0.1, 0.04),
        (0.3, 0.8, 0.99, 0.0, 0.04),
        (0.3, 0.9, 0.99, 0.0, 0.04),
        (0.3, 0.95, 0.90, 0.0, 0.04),  # loses too much
        (0.9, 0.8, 1.00, 0.0, 0.01),
    ],
    columns=["gate_high", "confirm_high", "recall", "fp_per_hour", "duty_cycle"],
)


def test_the_loosest_gate_within_the_limits_is_chosen_and_with_it_the_loosest_confirmer(monkeypatch):
    cascade = raise_to_speak.default()
    given = TunedCascade(cascade, SURFACE.assign(chosen=SURFACE.index == 7), "a target", ("her",))
    monkeypatch.setattr(cascading, "tune_cascade", lambda *_, **__: given)
    limits = {"fp_per_hour": 0.2, "most_duty_cycle": 0.05, "gate_high": (0.3,), "confirm_high": (0.8,)}
    found = cascading.tuned(cascade, [], **limits)
    assert (found.point["gate_high"], found.point["confirm_high"]) == (0.3, 0.7)
    policy = found.cascade.policy
    assert (policy.gate_high, policy.confirm_high) == (0.3, 0.7)
    assert policy.gate_low <= 0.3
    assert replace(policy, gate_high=1, gate_low=1, confirm_high=1, confirm_low=1) == replace(
        cascade.policy, gate_high=1, gate_low=1, confirm_high=1, confirm_low=1
    )


def test_a_surface_says_where_the_policy_that_ships_stands():
    policy = replace(raise_to_speak.default().policy, gate_high=0.3, confirm_high=0.7)
    assert cascading.as_shipped(SURFACE, policy)["chosen"].tolist() == [place == 3 for place in range(len(SURFACE))]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({0.9: (0.4, 0.2), 0.95: (0.2, 0.4), 0.97: (0.3, 0.2)}, 0.97),  # alarms an hour with sound, and without
        ({0.9: (0.0, 0.0)}, 0.9),
        ({}, handwashing._ALONE[-1]),
    ],
)
def test_the_gate_decides_alone_at_the_lowest_score_within_both_limits(rates, expected, monkeypatch):
    def evaluate(self, held):
        rate = rates.get(self.policy.gate_alone, (9.0, 9.0))[held == ["silent life"]]
        return SimpleNamespace(fp_per_hour=rate, recall_share="all", false_alarms="some")

    monkeypatch.setattr(Cascade, "evaluate", evaluate)
    monkeypatch.setattr(cascading, "silent", lambda one: f"silent {one}")
    found = handwashing.alone(handwashing.default(), ["life"])
    assert found.policy.gate_alone == expected
    assert not set(handwashing.STRANGE) & scenes.UNSEEN


def test_alarms_in_copies_of_the_same_hours_count_once(washed, monkeypatch):
    copies = [[washed], [replace(washed, id="a copy")]]
    kinds = ["hit", "hit", "false alarm", "false alarm"]
    rows = pd.DataFrame({"kind": kinds, "recording": [washed.id, "a copy"] * 2})
    found = table.Judged(rows, pd.DataFrame({"hours": [1.0]}))
    monkeypatch.setattr(cascading, "judge_together", lambda *_: (found, cascading.Cost()))
    judged = cascading.judge_copies(handwashing.TASK, handwashing.default(), copies)
    assert judged.matches["kind"].tolist() == ["hit", "hit", "false alarm"]
    assert judged.hours is found.hours


def test_what_learnt_from_frames_hears_sound_itself(washed):
    heard = raise_to_speak.default().confirm
    whole = heard.spec.conditioning
    frames = replace(heard.spec, conditioning=replace(whole, steps=whole.steps[1:]))
    made = cascading.hearing(Detector(frames, heard.model))
    assert made.spec == heard.spec
    assert cascading.hearing(heard) is heard
    np.testing.assert_allclose(made.scores(washed).values, heard.scores(without_sound(washed)).values, atol=1e-5)
    (few,) = frames.conditioning.sources
    other = replace(frames.conditioning, sources=(replace(few, channels=few.channels[:3]),))
    net = build(**{**heard.model.architecture, "channels": heard.model.channels[:3]}).eval()
    with pytest.raises(ValueError, match="expected 40"):
        cascading.hearing(Detector(replace(frames, conditioning=other, architecture=net.architecture), net))


# ---- packets ----


@pytest.mark.parametrize("recipe", [handwashing, raise_to_speak])
def test_packets_that_are_lost_neither_crash_it_nor_leave_it_stuck(recipe):
    cascade, recording = recipe.default(), recipe.simulate(20_000)
    for seed in range(3):
        cascade.reset(wrist=recording.wrist, crown=recording.crown)
        for packet in packets(recording, packet_s=1.0, seed=seed, lost=0.01 + 0.1 * seed):
            cascade.push(packet)
        cascade.flush()
        assert cascade.state.name == "idle"


def test_a_microphone_that_stays_silent_does_not_hold_it_up(washed):
    cascade = handwashing.default()
    cascade.reset(wrist=washed.wrist, crown=washed.crown)
    quiet = cascading.silent(washed)
    told = [one for packet in bursts(quiet) for one in cascade.push(packet)] + cascade.flush()
    assert [one.event.label for one in told if one.final] == ["washing"]


@pytest.mark.parametrize("recipe", [handwashing, raise_to_speak])
def test_it_waits_for_a_late_stream_but_not_for_ever(recipe):
    cascade, recording = recipe.default(), recipe.simulate(20_000)
    assert 2.0 <= cascade.policy.max_wait_s <= 3.0
    late = bursts(recording, delays_s={"audio": 0.9})
    found = final_table(push_all(cascade, late, wrist=recording.wrist, crown=recording.crown))
    pd.testing.assert_frame_equal(found, cascade.detect(recording), check_exact=False, atol=1e-5)


# ---- rubbing where nobody washes ----


def test_rubbing_is_lifted_until_gravity_lies_along_the_fore_arm(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = cut.subset(cut.labels == "washing")
    made = lifted(rubbed)
    assert len(made) == (len(rubbed) + 1) // 2
    assert set(made.labels) == {"none"}
    for one, other in zip(rubbed.values[::2].astype(float), made.values.astype(float), strict=True):
        down = other[:3].mean(axis=1)
        assert abs(down[0]) >= STEEP * np.linalg.norm(down) - 1e-4
        for place in (slice(0, 3), slice(3, 6)):  # a turn: lengths and angles stay, and so does what is right-handed
            np.testing.assert_allclose(one[place].T @ one[place], other[place].T @ other[place], atol=1e-4)
        assert np.linalg.det(one[:3, :3]) == pytest.approx(np.linalg.det(other[:3, :3]), abs=1e-4)


def test_rubbing_is_tumbled_as_by_a_sensor_that_turns_about(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = cut.subset(cut.labels == "washing")
    made = tumbled(rubbed)
    assert len(made) == len(rubbed) // 2
    assert set(made.labels) == {"none"}
    for one, other in zip(rubbed.values[1::2].astype(float), made.values.astype(float), strict=True):
        np.testing.assert_allclose(np.linalg.norm(one[:3], axis=0), np.linalg.norm(other[:3], axis=0), atol=1e-4)
    still = replace(rubbed, values=np.zeros_like(rubbed.values))
    still.values[:, 2] = -1.0
    turned = tumbled(still).values.astype(float)
    rate = turned[:, 3:, :]
    assert np.ptp(rate, axis=2).max() < 1e-6
    for down, turns in zip(turned[:, :3], rate[:, :, 0], strict=True):
        assert TUMBLING_RAD_S[0] <= np.linalg.norm(turns) <= TUMBLING_RAD_S[1]
        step = np.diff(down, axis=1) * still.rate_hz
        middle = (down[:, 1:] + down[:, :-1]) / 2
        np.testing.assert_allclose(step, -np.cross(turns, middle.T).T, atol=0.02)


def test_rubbing_is_spun_to_and_fro_as_by_who_shakes_a_sensor(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = cut.subset(cut.labels == "washing")
    made = spun(rubbed)
    assert len(made) == (len(rubbed) + 3) // 4
    assert set(made.labels) == {"none"}
    still = replace(rubbed, values=np.zeros_like(rubbed.values))
    still.values[:, 2] = -1.0
    turned = spun(still).values.astype(float)
    seconds = np.sqrt(np.square(turned[:, 3:]).sum(axis=1).mean(axis=1))  # a part of a turn is more or less of it
    assert (seconds > 0.8 * SPUN_RAD_S[0]).all()
    assert (seconds < 1.2 * SPUN_RAD_S[1]).all()
    np.testing.assert_allclose(np.linalg.norm(turned[:, :3], axis=1), 1.0, atol=1e-6)
    for down, turns in zip(turned[:, :3], turned[:, 3:], strict=True):
        step = np.diff(down, axis=1) * still.rate_hz
        middle, turning = (down[:, 1:] + down[:, :-1]) / 2, (turns[:, 1:] + turns[:, :-1]) / 2
        np.testing.assert_allclose(step, -np.cross(turning.T, middle.T).T, atol=0.12 * np.abs(turns).max())


def test_rubbing_that_is_none_joins_what_it_is_made_of(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = cut.subset(cut.labels == "washing")
    count = len(rubbed)
    assert len(joined([rubbed, not_washing(rubbed)])) == 2 * count + (count + 3) // 4
    assert len(not_washing(rubbed.subset(np.arange(0)))) == 0
    shown = joined([rubbed, beside(rubbed)])
    assert (shown.labels == "washing").sum() == count + count // 2
    assert (shown.labels == "none").sum() == count + (count + 3) // 4
    assert len(beside(rubbed.subset(np.arange(1)))) == 0


def test_rubbing_otherwise_is_leant_and_moved_and_turned_more_or_less(washed):
    cut = handwashing.GATE.windows(washed)
    rubbed = cut.subset(cut.labels == "washing")
    made = otherwise(rubbed)
    assert len(made) == len(rubbed) // 2
    assert set(made.labels) == {"washing"}
    leant, times = [], {"accel": [], "gyro": []}
    for one, other in zip(rubbed.values[1::2].astype(float), made.values.astype(float), strict=True):
        before, after = one[:3].mean(axis=1), other[:3].mean(axis=1)
        assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before), abs=1e-4)
        leant.append(after[0] / np.linalg.norm(after))
        around = [down[1:] / np.linalg.norm(down[1:]) for down in (before, after)]
        np.testing.assert_allclose(*around, atol=1e-3)  # it lies about x as it did
        for name, place in (("accel", slice(0, 3)), ("gyro", slice(3, 6))):
            moved = [held[place] - held[place].mean(axis=1, keepdims=True) for held in (one, other)]
            strong = [np.sqrt(np.square(held).sum()) for held in moved]
            times[name].append(strong[1] / strong[0])
            np.testing.assert_allclose(moved[1].T @ moved[1], times[name][-1] ** 2 * moved[0].T @ moved[0], atol=1e-2)
    assert max(np.abs(leant)) <= LEANT + 1e-4
    assert np.ptp(leant) > LEANT
    for name, (least, most) in (("accel", TIMES_ACCEL), ("gyro", TIMES_GYRO)):
        assert least - 1e-3 <= min(times[name]) < max(times[name]) <= most + 1e-3
        assert max(times[name]) / min(times[name]) > 1.2


def test_more_people_are_trained_on_by_their_motion_alone(monkeypatch):
    monkeypatch.setattr(cascading, "to_train_on", lambda: iter(()))
    monkeypatch.setattr(handwashing, "_MOVING", 1)
    (one,) = handwashing.to_train_on()
    assert set(one.streams) == {"accel", "gyro"}
    assert one.subject == hours.people_of("train", 41)[40].subject
    assert "washing" in names_of_scenes(one)
    assert not names_of_scenes(one) & scenes.UNSEEN


# ---- what ships ----


@pytest.mark.parametrize("name", ["handwashing", "raise_to_speak"])
def test_the_tables_are_of_the_default_that_ships(name):
    held = shelf.shipped_tables(name)
    if not held:
        pytest.skip(f"no tables ship; make them: python3 -m wristkit.recipes {name} table")
    made = held["table"]
    assert set(made["kind"]) == {"simulated", "injected", "real"}
    assert made["hours"].iloc[0] >= 49
    assert made.loc[made["kind"] == "real", "events"].eq(0).all()
    assert set(held["people"]["kind"]) == {"simulated", "injected", "real"}


def test_a_table_of_fewer_hours_than_the_goals_ask_for_says_so():
    empty = table.Judged(pd.DataFrame(), pd.DataFrame())
    rows = [table.Part("simulated", "all", empty)]
    assert cascading.said_of(rows, 50) == rows
    assert cascading.said_of(rows, 14)[0].name == "all (14 h of 50)"


def test_tables_of_another_default_are_refused(tmp_path, monkeypatch):
    cascade = handwashing.default()
    folder = cascade.save(tmp_path / "x")
    monkeypatch.setattr(shelf, "WEIGHTS", tmp_path)
    assert shelf.shipped_tables("x") == {}
    shelf.ship_tables("x", into=tmp_path, table=pd.DataFrame({"hours": [1.5], "verdict": ["met"]}))
    assert shelf.shipped_tables("x")["table"].to_dict("list") == {"hours": [1.5], "verdict": ["met"]}
    cascade.with_policy(replace(cascade.policy, cool_s=11.0)).save(folder)
    with pytest.raises(ValueError, match="another default"):
        shelf.shipped_tables("x")


# ---- events over other motion and sound ----


@pytest.fixture(scope="module")
def plain():
    person = people(2, seed=3)[1]
    return stage(person, [everyday("sitting", 30.0)], seed=2, streams=("accel", "gyro"))


@pytest.fixture(scope="module")
def spoken():
    person = people(1, seed=9)[0]
    scenes_of = [raised(person, rng=np.random.default_rng(seed), posture="lap") for seed in range(4)]
    return [injecting.Event.of(person, one, "gesture", seed=seed) for seed, one in enumerate(scenes_of)]


NOISE = [injecting.Clip("noise", np.random.default_rng(0).standard_normal(40_000))]


def test_an_injected_raise_is_felt_heard_and_labelled_at_the_same_time(plain, spoken):
    made = injecting.injected(plain, spoken, NOISE, label="arm", count=2, seed=4)
    told = raise_to_speak.TASK.judged(made)
    truth, gestures = lasting.spans(told, "truth"), lasting.spans(made, "gesture", "raise_to_speak")
    assert len(truth) == len(gestures) == 2
    assert (truth[:, 0] >= gestures[:, 0]).all()
    assert (truth[:, 1] <= gestures[:, 1] + 1e-6).all()
    under = np.asarray(injecting.under(plain, NOISE, seed=4).values[:, 0], dtype=np.float64)
    added = np.abs(np.asarray(made["audio"].values[:, 0], dtype=np.float64) - under)
    moved = np.abs(np.asarray(made["gyro"].values) - np.asarray(plain["gyro"].values)).max(axis=1)
    for changed, time_s in ((added, made["audio"].time), (moved, made["gyro"].time)):
        inside = np.any([(time_s >= first - 0.1) & (time_s <= last + 0.7) for first, last in gestures], axis=0)
        assert changed[inside].max() > 0.01
        assert changed[~inside].max() < 1e-6


def test_where_there_is_no_room_nothing_is_injected(plain, spoken):
    made = injecting.injected(plain.between(0.0, 2.0), spoken, NOISE, label="arm", count=1, seed=4)
    assert "audio" in made.streams
    assert lasting.spans(made, "truth").shape == (0, 2)


def test_an_event_is_laid_only_where_the_arm_lies_as_it_did_when_the_event_began(plain, spoken):
    person = people(1, seed=9)[0]
    rng = np.random.default_rng(0)
    hanging = [injecting.Event.of(person, raised(person, rng=rng, posture="hanging"), "gesture", seed=1)]
    assert np.arccos(hanging[0].down @ spoken[0].down) > 1.0
    made = injecting.injected(plain, hanging, NOISE, label="arm", count=2, seed=4)
    assert lasting.spans(made, "truth").shape == (0, 2)
    made = injecting.injected(plain, [*hanging, *spoken], NOISE, label="arm", count=2, seed=4)
    assert lasting.spans(made, "truth").shape == (2, 2)


def test_where_nobody_says_how_a_watch_was_worn_it_lies_most_like_where_events_begin():
    person = people(1, seed=9)[0]
    rng = np.random.default_rng(0)
    hanging = [
        injecting.Event.of(person, raised(person, rng=rng, posture="hanging"), "gesture", seed=seed) for seed in (1, 2)
    ]
    for wrist, crown in WRIST_SIGNS:
        person = replace(person, wrist=wrist, crown=crown)
        standing = stage(person, [everyday("walking", 20.0)], seed=2, streams=("accel", "gyro"))
        unknown = replace(standing, wrist=None, crown=None)
        assert injecting._worn(standing, hanging) == (wrist, crown)
        found = WRIST_SIGNS[injecting._worn(unknown, hanging)]
        assert found[0] == WRIST_SIGNS[wrist, crown][0]  # the hand hangs down
        made = injecting.injected(unknown, hanging, NOISE, label="arm", count=1, seed=4)
        assert lasting.spans(made, "truth").shape == (1, 2)


def test_clips_that_are_nowhere_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("WRISTKIT_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="names no folder"):
        injecting.clips()
    with pytest.raises(FileNotFoundError, match="holds no clips"):
        injecting.clips(tmp_path)


def test_motion_that_choices_were_made_on_is_not_trained_on(monkeypatch, plain):
    walking = [replace(plain, subject=f"spsw s{place:02d}") for place in range(1, 7)]
    washing = [replace(plain, subject="uwash subject_01")] * 15
    monkeypatch.setattr(hours, "real_hours", lambda _, *, sets: {"spsw": walking, "uwash": washing}[sets[0]])
    monkeypatch.setattr(scenes, "school", lambda: iter(()))
    monkeypatch.setattr(raise_to_speak, "_raises", lambda: iter(()))
    monkeypatch.setattr(raise_to_speak, "_EVENTS", 3)
    made = list(raise_to_speak.to_train_on(copies=1))
    assert {one.subject for one in made} == {"uwash subject_01", *(f"spsw s0{place}" for place in range(1, 5))}
    assert [one.subject for one in made].count("uwash subject_01") == 2 * 8
    assert len(made) == 4 + 2 * 4 + 2 * 8
    assert all(set(one.streams) == {"accel", "gyro"} for one in made)
    is_injected = ["injected" in one.source for one in made]
    assert any(is_injected[4:8])
    assert any(is_injected[8:12])
    assert not any(is_injected[:4] + is_injected[12:])
