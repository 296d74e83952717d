"""Steps: one walk in every carriage, nothing where nobody walks, packets as a whole recording, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from wristkit.errors import RecordingError
from wristkit.events import event_table, match
from wristkit.recipes import steps
from wristkit.recipes.steps import rhythm
from wristkit.recording import Recording, Stream
from wristkit.simulate import ExerciseSet, Gait, SensorParams, gait_session, people, stepless, true_steps, workout

WATCH = SensorParams(rate_hz=50.0)
PEOPLE = people(4, seed=5_000)


def walk(gait=Gait(1.3), seconds=25.0, *, who=0, seed=7, sensor=WATCH, **more):  # noqa: B008  frozen
    return gait_session(
        PEOPLE[who], [("sitting", 6.0), (gait, seconds), ("sitting", 6.0)], seed=seed, sensor=sensor, **more
    )


def f1(recording, *, tolerance_s=0.25):
    found, true = steps.detect(recording)["start_s"].to_numpy(), true_steps(recording)["start_s"].to_numpy()
    hits = len(match(np.c_[found, found], np.c_[true, true], tolerance_s=tolerance_s))
    return 2 * hits / (len(found) + len(true))


# ---- what it finds ----


@pytest.mark.parametrize("carriage", ["swing", "bag", "pocket", "trolley", "phone", "handrail"])
@pytest.mark.parametrize("speed_m_s", [0.8, 1.4])
def test_steps_are_found_whatever_the_arm_does(carriage, speed_m_s):
    scores = [f1(walk(Gait(speed_m_s, carriage), 40.0, who=who, seed=30 + who)) for who in range(2)]
    assert np.mean(scores) > 0.93


def test_a_run_is_counted_by_steps_and_not_by_strides():
    recording = walk(Gait(3.0), 30.0)
    true = true_steps(recording)
    assert len(steps.detect(recording)) == pytest.approx(len(true), rel=0.06)
    assert steps.bouts(recording)["cadence_per_min"].iloc[0] == pytest.approx(
        60 / np.median(np.diff(true["start_s"])), rel=0.03
    )


@pytest.mark.parametrize(("seed", "who"), [(31, 3), (32, 2), (33, 0), (36, 1)])
def test_a_walk_counts_from_its_first_step_however_the_arm_swings_then(seed, who):
    recording = walk(Gait(1.5), 20.0, who=who, seed=seed, streams=("accel",))
    found, true = steps.detect(recording)["start_s"], true_steps(recording)["start_s"]
    assert (true < found.iloc[0] - 0.3).sum() <= 1


@pytest.mark.parametrize("place", ["hip", "ankle"])
def test_hip_and_ankle_are_counted_alike(place):
    recording = walk(Gait(1.3), 40.0, place=place)
    assert len(steps.detect(recording)) == pytest.approx(len(true_steps(recording)), rel=0.06)


@pytest.mark.parametrize("rate_hz", [20.0, 31.25, 100.0, 200.0])
def test_any_rate_from_twenty_on_gives_about_the_same(rate_hz):
    recording = walk(sensor=SensorParams(rate_hz=rate_hz))
    assert len(steps.detect(recording)) == pytest.approx(len(true_steps(recording)), abs=3)


def test_how_the_watch_lies_on_the_arm_changes_nothing():
    recording = walk()
    accel = recording["accel"]
    turned = np.asarray(accel.values)[:, [1, 2, 0]] * np.array([1.0, -1.0, -1.0], dtype=np.float32)
    other = recording.with_streams(Stream.measured("accel", accel.time, turned))
    np.testing.assert_allclose(steps.detect(other)["start_s"], steps.detect(recording)["start_s"], atol=1e-6)


@pytest.mark.parametrize("scene", ["desk", "meal", "drive"])
def test_no_step_is_made_in_a_chair(scene):
    assert len(steps.detect(stepless(PEOPLE[0], scene, seed=3, minutes=5.0))) <= 10


def still_with(bumps_s, *, seconds=30.0, size_g=0.5, sways_g=0.15):
    """Stillness with bumps that go to one side and to the other, as from one foot to the other."""
    time_s = np.arange(0, seconds, 0.02)
    values = np.tile([0.0, 0.0, -1.0], (len(time_s), 1)) + np.random.default_rng(0).normal(0, 0.003, (len(time_s), 3))
    for place, at_s in enumerate(bumps_s):
        bump = np.exp(-0.5 * ((time_s - at_s) / 0.08) ** 2)
        values[:, 2] -= size_g * bump
        values[:, 1] += (-1) ** place * sways_g * bump
    return Recording.of([Stream.measured("accel", time_s, values)])


def test_single_bumps_and_short_rows_of_them_are_no_steps():
    assert steps.detect(still_with([10.0])).empty
    assert steps.detect(still_with(10.0 + 0.55 * np.arange(4))).empty
    assert steps.detect(still_with(10.0 + 0.55 * np.arange(6))).empty
    row = steps.detect(still_with(10.0 + 0.55 * np.arange(16)))
    assert 14 <= len(row) <= 18
    assert steps.detect(still_with(10.0 + 0.55 * np.arange(16), sways_g=0.0)).empty  # one hand, not two feet
    assert (row["decided_s"] > row["start_s"].iloc[0] + 7 * 0.55).all()  # from the eighth on, then from the first


def turn_between(*, pause_s, moves_g=0.0, size_g=0.5, step_s=0.55, on_the_way=()):
    """Return how many steps are told between two walks of sixteen, with something that moves there or a few bumps."""
    first = 6.0 + step_s * np.arange(16)
    again, way = first + 15 * step_s + pause_s, first[-1] + np.asarray(on_the_way)
    made = still_with([*first, *again], seconds=36.0, size_g=size_g)["accel"]
    weak = still_with(way, seconds=36.0, size_g=0.3 * size_g)["accel"].values if len(way) else made.values * 0
    shaken = np.random.default_rng(1).normal(0, moves_g, (len(made), 3)) if moves_g else 0.0
    values = made.values + shaken + (weak - [0.0, 0.0, -1.0] if len(way) else 0.0)
    found = steps.detect(Recording.of([Stream.measured("accel", made.time, values)]))["start_s"]
    return int(((found > first[-1] + 0.2) & (found < again[0] - 0.2)).sum())


@pytest.mark.parametrize("moves_g", [0.0, 0.05])
@pytest.mark.parametrize("pause_s", [2.0, 5.0])
def test_a_turn_on_the_way_is_walked_through_and_a_pause_is_not(moves_g, pause_s):
    assert turn_between(pause_s=pause_s, moves_g=moves_g) == (2 if moves_g and pause_s == 2.0 else 0)


def test_what_is_little_beside_a_walk_is_no_turn():
    assert turn_between(pause_s=2.0, moves_g=0.05, size_g=1.5) == 0
    assert turn_between(pause_s=2.0, moves_g=0.25, size_g=1.5) == 2


def test_slow_steps_with_stillness_between_them_are_a_turn():
    assert turn_between(pause_s=2.4, on_the_way=[0.8, 1.6]) in (2, 3)
    assert turn_between(pause_s=2.4, on_the_way=[0.4]) == 0


def test_a_turn_of_a_run_has_more_steps_than_one_of_a_walk():
    assert turn_between(pause_s=3.2, moves_g=0.1, size_g=1.0, step_s=0.4) in (5, 6)


def test_turns_are_counted_through():
    plan = [("sitting", 5.0), (Gait(1.2, "bag", turns_a_minute=6.0), 60.0), ("sitting", 5.0)]
    made = [gait_session(person, plan, seed=8, sensor=WATCH, streams=("accel",)) for person in PEOPLE[:3]]
    found, true = (sum(map(len, tables)) for tables in (map(steps.detect, made), map(true_steps, made)))
    assert found == pytest.approx(true, rel=0.05)


def test_a_hand_that_chops_has_no_feet():
    chops = gait_session(PEOPLE[1], [("chopping", 120.0)], seed=2, sensor=WATCH, streams=("accel",))
    assert len(steps.detect(chops)) <= 4


def test_squats_are_no_steps():
    plan = [("sitting", 5.0), ExerciseSet(exercise="squat", repetitions=12), ("sitting", 5.0)]
    assert len(steps.detect(workout(PEOPLE[1], plan=plan, seed=3, sensor=WATCH))) <= 4


def test_events_are_points_with_a_score_and_a_time_of_decision():
    found = steps.detect(walk())
    assert list(found.columns) == ["start_s", "stop_s", "label", "score", "decided_s"]
    assert (found["start_s"] == found["stop_s"]).all()
    assert set(found["label"]) == {"step"}
    assert found["score"].between(0, 1).all()
    assert (found["decided_s"] - found["start_s"]).between(1.5, 12.0).all()
    assert (np.diff(found["start_s"]) > 0).all()


# ---- walks ----


def test_bouts_are_walks_apart():
    plan = [(Gait(1.3), 20.0), ("sitting", 15.0), (Gait(1.3), 20.0)]
    recording = gait_session(PEOPLE[1], plan, seed=4, sensor=WATCH)
    walks = steps.bouts(recording)
    assert len(walks) == 2
    assert walks["steps"].sum() == len(steps.detect(recording))
    assert walks["stride_regularity"].between(0.6, 1.1).all()
    assert walks["stop_s"].iloc[0] < 22
    assert walks["start_s"].iloc[1] > 34


def test_asymmetry_is_what_left_and_right_differ_by():
    even = steps.bouts(still_with(8.0 + 0.55 * np.arange(30), seconds=35))
    uneven = 8.0 + 0.55 * np.arange(30) + np.where(np.arange(30) % 2, 0.10, 0.0)
    limping = steps.bouts(still_with(uneven, seconds=35))
    assert even["asymmetry"].iloc[0] < 0.15 < limping["asymmetry"].iloc[0]


def test_stillness_has_no_bouts():
    empty = steps.bouts(still_with([]))
    assert empty.empty
    assert tuple(empty.columns) == steps.BOUT_COLUMNS


# ---- the simulation ----


def test_who_sets_off_or_comes_to_stand_takes_slower_steps():
    made = [walk(seed=seed) for seed in range(6)]
    times = [true_steps(one)["start_s"].to_numpy() for one in made]
    apart = np.array([np.diff(one)[[-1, len(one) // 2]] for one in times])
    assert apart[:, 0].mean() > 1.15 * apart[:, 1].mean()
    assert all(one[0] > 6.2 and one[-1] < 30.95 for one in times)
    along = gait_session(PEOPLE[0], [(Gait(1.3), 10.0), (Gait(1.4), 10.0)], seed=3, sensor=WATCH)
    assert np.diff(true_steps(along)["start_s"]).max() < 1.1  # nobody stands between two gaits


def test_a_way_with_turns_is_slower_in_them():
    straight, turned = (walk(Gait(1.3, turns_a_minute=turns), 60.0) for turns in (0.0, 8.0))
    assert len(true_steps(turned)) < 0.97 * len(true_steps(straight))
    with pytest.raises(ValueError, match="turns_a_minute is 99"):
        Gait(turns_a_minute=99.0)


# ---- packets ----


def pushed(recording, edges, *, counter=None):
    accel = recording["accel"]
    made = steps.Counter(rate_hz=accel.rate_hz) if counter is None else counter
    updates = []
    for first, stop in pairwise(edges):
        updates += made.push({"accel": (accel.time[first:stop], accel.values[first:stop])})
    return [one.event for one in updates + made.flush() if one.final]


@pytest.mark.parametrize("seed", range(4))
def test_packets_give_the_same_bits_as_a_recording(seed):
    gaps = SensorParams(rate_hz=50.0, gaps_s=((12.3, 12.9), (31.0, 33.0)))
    plan = [("typing", 5.0), (Gait(1.2, turns_a_minute=9.0), 22.0), ("sitting", 3.0), (Gait(2.6), 14.0)]
    recording = gait_session(PEOPLE[2], plan, seed=seed, sensor=gaps)
    rng, count = np.random.default_rng(seed), len(recording["accel"])
    edges = np.unique(np.r_[0, rng.integers(0, count, [3, 40, 400, 1500][seed]), count])
    whole = steps.detect(recording)
    assert len(whole) > 30
    pd.testing.assert_frame_equal(event_table(pushed(recording, edges)), whole, check_exact=True)


def test_one_counter_serves_several_recordings_after_a_reset():
    recording = walk()
    counter = steps.Counter(rate_hz=50.0)
    counter.push({"accel": (recording["accel"].time[:700], recording["accel"].values[:700])})
    counter.reset()
    again = pushed(recording, [0, len(recording["accel"])], counter=counter)
    assert len(again) == len(steps.detect(recording))


def test_a_turning_rate_may_come_along():
    recording = walk()
    counter = steps.Counter(rate_hz=50.0)
    both = {name: (recording[name].time, recording[name].values) for name in ("accel", "gyro")}
    assert len(counter.push(both) + counter.flush()) == len(steps.detect(recording))


def test_memory_does_not_grow_with_time():
    recording = walk(seconds=60.0)
    counter = steps.Counter(rate_hz=50.0)
    accel = recording["accel"]
    for first in range(0, len(accel), 25):
        counter.push({"accel": (accel.time[first : first + 25], accel.values[first : first + 25])})
        assert len(counter._stretch._held if counter._stretch else []) < 3 * rhythm.WINDOW


# ---- doubt ----


def changed(recording, change):
    accel = recording["accel"]
    return recording.with_streams(Stream.measured("accel", accel.time, change(np.array(accel.values))))


def test_a_dead_axis_is_told_and_nothing_counted():
    dead = changed(walk(), lambda values: values * np.array([0.0, 1.0, 1.0]))
    assert steps.detect(dead).empty
    told = steps.doubts(dead)
    assert set(told["code"]) == {"steps_abstained"}
    assert "an axis does not move" in told["note"].iloc[0]


@pytest.mark.parametrize("factor", [9.80665, 0.1])
def test_another_unit_is_told_and_nothing_counted(factor):
    wrong = changed(walk(), lambda values: values * factor)
    assert steps.detect(wrong).empty
    told = steps.doubts(wrong)
    assert (told["stop_s"] - told["start_s"]).sum() > 30
    assert "mean length" in told["note"].iloc[0]


def test_what_is_shorter_than_a_window_is_in_doubt():
    told = steps.doubts(walk().between(8.0, 12.0))
    assert len(told) == 1
    assert "shorter than" in told["note"].iloc[0]
    assert steps.doubts(walk()).empty


def test_where_nothing_was_recorded_is_in_doubt():
    recording = walk()
    holed = changed(recording, lambda values: np.where((recording["accel"].time < 4)[:, None], np.nan, values))
    told = steps.doubts(holed)
    assert told["code"].tolist() == ["missing"]
    assert told["stop_s"].iloc[0] == pytest.approx(4.0, abs=0.05)
    nothing = changed(recording, lambda values: np.full_like(values, np.nan))
    assert steps.detect(nothing).empty
    assert steps.doubts(nothing)["stop_s"].iloc[0] > 30


def test_what_cannot_be_counted_is_refused():
    recording = walk()
    with pytest.raises(RecordingError, match="expected 19 or more") as slow:
        steps.detect(walk(sensor=SensorParams(rate_hz=12.5)))
    assert slow.value.code == "rate_too_low"
    with pytest.raises(RecordingError, match="accel"):
        steps.detect(Recording.of([recording["gyro"]]))
    with pytest.raises(ValueError, match="rate_hz is 5"):
        steps.Counter(rate_hz=5.0)
    counter = steps.Counter(rate_hz=50.0)
    with pytest.raises(ValueError, match="not used here"):
        counter.push({"ppg": (np.array([0.0]), np.zeros((1, 1)))})
    with pytest.raises(ValueError, match="NaN"):
        counter.push({"accel": (np.array([0.0]), np.full((1, 3), np.nan))})


# ---- one window ----


def window_of(length_g, swing_g=0.0, *, hz=1.8, rate_hz=rhythm.RATE_HZ):
    time_s = np.arange(rhythm.WINDOW) / rate_hz
    z = -1.0 - length_g * np.cos(2 * np.pi * hz * time_s) + 0.001 * np.sin(9 * time_s)
    x = swing_g * np.sin(np.pi * hz * time_s) + 0.001 * np.cos(5 * time_s)
    axes = np.column_stack([x, 0.001 * np.sin(7 * time_s), z])
    return np.column_stack([np.linalg.norm(axes, axis=1), axes])


@pytest.mark.parametrize("hz", [1.2, 1.8, 2.3, 2.8])
def test_a_trunk_that_rises_is_gait_at_its_rate(hz):
    usual = float(rhythm.usual_g(np.array([hz]))[0])
    found = rhythm.verdict(window_of(usual, 0.2 * usual, hz=hz), 0.0)
    assert rhythm.verdict(window_of(usual, hz=hz), 0.0).sure == -np.inf  # one that hops, or a hand
    assert found.rate_hz == pytest.approx(hz, rel=0.03)
    assert found.sure > rhythm.SURE


@pytest.mark.parametrize("hz", [1.6, 2.0, 2.4])
def test_an_arm_that_swings_once_in_two_steps_is_told_from_steps(hz):
    found = rhythm.verdict(window_of(0.05, 0.4 * hz / 1.8, hz=hz), 0.0)
    assert found.rate_hz == pytest.approx(hz, rel=0.03)


def test_a_swing_that_comes_and_goes_leaves_a_walk_as_even_as_it_is():
    swings_g = np.linspace(0.1, 0.5, 30)
    found = [rhythm.verdict(window_of(0.15, swing_g), 0.0) for swing_g in swings_g]
    sizes, felt = (
        np.abs(np.diff(np.log([getattr(one, name) for one in found]))).max() for name in ("size_g", "felt_g")
    )
    assert felt < 0.15 < sizes
    assert rhythm.verdict(window_of(0.30, 0.2), 0.0).felt_g > 1.4 * rhythm.verdict(window_of(0.15, 0.2), 0.0).felt_g


def test_a_hand_that_goes_to_and_fro_is_no_trunk():
    level = window_of(0.0, 0.5, hz=4.4)  # 2.2 times a second, level
    assert rhythm.verdict(level, 0.0).sure < rhythm.KEPT


def test_the_beat_is_free_of_the_swing_and_of_harmonics():
    places = np.arange(50, 80)
    pure = rhythm.beat(window_of(0.2), 1.8, places, 0.0)
    assert np.abs(pure) == pytest.approx(0.2, rel=0.02)
    time_s = np.arange(rhythm.WINDOW) / rhythm.RATE_HZ
    dirty = window_of(0.2)
    for hz in (0.9, 2.7, 3.6):
        dirty[:, 0] += 0.3 * np.sin(2 * np.pi * hz * time_s + hz)
    np.testing.assert_allclose(rhythm.beat(dirty, 1.8, places, 0.0), pure, atol=0.02)


def test_gait_plans_are_checked():
    with pytest.raises(ValueError, match="speed_m_s"):
        Gait(9.0)
    with pytest.raises(ValueError, match="carriage"):
        Gait(1.0, "hop")
    with pytest.raises(ValueError, match="plan names"):
        gait_session(PEOPLE[0], [("flying", 5.0)], seed=0)
    with pytest.raises(ValueError, match="place"):
        gait_session(PEOPLE[0], [(Gait(), 5.0)], seed=0, place="head")
    with pytest.raises(ValueError, match="scene"):
        stepless(PEOPLE[0], "dance", seed=0)


def test_a_simulated_walk_is_the_same_twice_and_steps_lie_in_it():
    one = walk()
    assert one.id == walk().id != walk(seed=8).id
    at_s = true_steps(one)["start_s"].to_numpy()
    assert at_s.min() >= 6.0
    assert at_s.max() < 31.0
    assert np.median(np.diff(at_s)) == pytest.approx(1 / 1.85, rel=0.12)
    right = replace(PEOPLE[0], wrist="right", crown="left")
    other = gait_session(right, [(Gait(), 6.0)], seed=1)
    np.testing.assert_array_equal(
        true_steps(other)["start_s"], true_steps(gait_session(PEOPLE[0], [(Gait(), 6.0)], seed=1))["start_s"]
    )
