"""Gestures and what looks like them: shapes as in the tables, exact truth, hours that add up, events on real motion."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import butter, periodogram, sosfiltfilt

from wristkit.datasets import recordings
from wristkit.errors import RecordingError
from wristkit.evaluate import evaluate
from wristkit.events import Event, event_table
from wristkit.recording import Recording, Stream, finding_table
from wristkit.simulate import (
    ACTIVITIES,
    CONFOUNDERS,
    FAMILIES,
    GESTURES,
    MOTIONS,
    TRAITS,
    WATCH,
    Overlay,
    SensorParams,
    cut_event,
    gesture,
    ideal,
    inject,
    life,
    life_plan,
    packets,
    people,
    session,
)
from wristkit.simulate.gestures import GESTURE, RING_HZ, RING_S
from wristkit.simulate.light import LIGHT, PPG_HZ

CROWD = people(24, seed=5)
CALM_PLAN = (("looking_at_watch", 14.0),)


@pytest.fixture(scope="module")
def person():
    return people(3, seed=3)[2]


def peaks(overlay):
    rate = np.gradient(overlay.turn, axis=0) * overlay.rate_hz
    return np.linalg.norm(overlay.push, axis=1).max(), np.linalg.norm(rate, axis=1).max()


# ---- one gesture ----


@pytest.mark.parametrize("label", GESTURES)
def test_a_gesture_begins_and_ends_where_the_watch_was_and_moves_within_its_truth(label, person):
    one = gesture(label, person, seed=1)
    time_s = np.arange(len(one.press)) / one.rate_hz
    moved = np.linalg.norm(one.push, axis=1) / np.linalg.norm(one.push, axis=1).max()
    assert (
        max(np.abs(one.turn[[0, -1]]).max(), np.abs(one.push[[0, -1]]).max(), np.abs(one.press[[0, -1]]).max()) < 1e-3
    )
    assert moved[(time_s < one.start_s) | (time_s > one.stop_s)].max() < 0.08
    assert moved[time_s < one.start_s].max(initial=0) == 0
    late = time_s[moved > 0.15].max()
    assert one.start_s < late <= one.stop_s
    assert one.label == label
    assert one.gravity is None


def test_pushes_and_turns_of_a_crowd_lie_within_what_the_table_says():
    found = np.array(
        [peaks(gesture(label, one, seed=[2, index])) for index, one in enumerate(CROWD) for label in GESTURES]
    )
    assert 0.10 < np.median(found[:, 0]) < 0.35
    assert found[:, 0].min() > 0.02
    assert found[:, 0].max() < 1.2
    assert 0.4 < np.median(found[:, 1]) < 2.0
    assert found[:, 1].max() < 6.0


def test_the_ring_of_a_finger_has_this_persons_frequency():
    for index, one in enumerate(CROWD[:8]):
        tap = gesture("pinch", replace(one, strap_looseness=0.4), seed=[3, index], rate_hz=2000.0)
        hz, power = periodogram(tap.push, fs=2000.0, axis=0, nfft=2**15)
        centre = (hz[:, None] * power).sum() / power.sum()
        assert RING_HZ[0] * 0.7 < centre < RING_HZ[1] * 1.5
        strongest = hz[power.sum(axis=1)[hz > 6].argmax() + np.searchsorted(hz, 6.0, side="right")]
        assert strongest == pytest.approx(one.tendon_hz, rel=0.6)


def test_a_higher_ring_and_a_stronger_hand_show(person):
    def centre(hz):
        tap = gesture("pinch", replace(person, tendon_hz=hz), seed=4)
        at, power = periodogram(tap.push, fs=tap.rate_hz, axis=0)
        return (at[:, None] * power).sum() / power.sum()

    assert centre(24.0) > centre(10.0) + 5
    weak, strong = (peaks(gesture("pinch", replace(person, tendon_g=size), seed=4))[0] for size in (0.05, 0.2))
    assert strong == pytest.approx(4 * weak)


def test_two_taps_come_after_the_time_that_is_this_persons():
    for index, gap_s in enumerate((0.14, 0.22, 0.33)):
        tapper = replace(CROWD[0], tap_gap_s=gap_s, tendon_s=0.045, tendon_hz=20.0)
        tap = gesture("double_tap", tapper, seed=[5, index])
        size = np.linalg.norm(tap.push, axis=1)
        # The press of the finger says when it lands: half way down.
        down = np.flatnonzero(np.diff((tap.press > 0.5 * tap.press.max()).astype(int)) == 1) / tap.rate_hz
        assert len(down) == 2
        assert np.diff(down)[0] > 0.11
        assert np.diff(down)[0] == pytest.approx(gap_s, rel=0.35)
        assert size.max() > 0.03


def test_a_clench_is_held_turns_the_watch_and_presses_more_than_a_pinch(person):
    longer = replace(person, clench_s=0.7, clench_rad=0.12)
    fist, pinch = gesture("clench", longer, seed=6), gesture("pinch", person, seed=6)
    assert fist.stop_s - fist.start_s > 0.7
    assert np.linalg.norm(fist.turn, axis=1).max() > 0.05 > np.linalg.norm(pinch.turn, axis=1).max()
    assert fist.press.max() > 1.4 * pinch.press.max()
    assert fist.press.min() < 0  # the blood that comes back
    assert gesture("double_clench", longer, seed=6).stop_s > 2 * 0.7


def test_people_differ_in_axes_and_one_person_repeats_her_own():
    def axis(one, seed):
        push = gesture("pinch", one, seed=seed).push
        return np.linalg.svd(push)[2][0]

    own = [abs(axis(CROWD[1], seed) @ axis(CROWD[1], 0)) for seed in range(1, 6)]
    others = [abs(axis(one, 0) @ axis(CROWD[1], 0)) for one in CROWD[2:14]]
    assert min(own) > 0.8
    assert min(others) < 0.5


def test_a_seed_gives_the_same_gesture_and_another_seed_another(person):
    first, again, other = (gesture("double_tap", person, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.push, again.push)
    assert first.push.shape != other.push.shape or np.abs(first.push - other.push).max() > 0.01


def test_numbers_stand_in_tables_with_their_source():
    assert all(spread.low < spread.high and spread.source for spread in GESTURE.values())
    assert all(number.source for number in LIGHT.values())
    assert RING_HZ == (8.0, 30.0)
    assert RING_S == (0.04, 0.12)
    for name, limits in {"tendon_g": (0.05, 0.4), "tendon_rad_s": (0.2, 2.0), "tap_gap_s": (0.12, 0.35)}.items():
        assert (TRAITS[name].low, TRAITS[name].high) == limits


def test_wrong_requests_for_a_gesture_say_what_is_possible(person):
    with pytest.raises(ValueError, match="'snap', expected one of"):
        gesture("snap", person, seed=1)
    with pytest.raises(ValueError, match="rate_hz is 50"):
        gesture("pinch", person, seed=1, rate_hz=50.0)
    good = gesture("pinch", person, seed=1)
    with pytest.raises(ValueError, match="expected \\(n, 3\\)"):
        replace(good, push=good.push[:-1])
    with pytest.raises(ValueError, match="expected 0 <= start_s"):
        replace(good, stop_s=99.0)


# ---- in a session ----


def with_gesture(person, label, *, at_s=6.0, plan=CALM_PLAN, **rest):
    return session(person, seed=7, plan=plan, gestures=((label, at_s),), activity_tier="activity", **rest)


@pytest.mark.parametrize(
    ("wrist", "crown"), [("left", "right"), ("left", "left"), ("right", "left"), ("right", "right")]
)
def test_a_gesture_is_one_motion_in_the_canonical_frame_however_the_watch_is_worn(person, wrist, crown):
    sensor = ideal(200.0)
    worn = replace(person, wrist=wrist, crown=crown)
    plain = session(worn, seed=7, plan=CALM_PLAN, sensor=sensor, streams=("accel", "gyro", "gravity"))
    tapped = with_gesture(worn, "double_tap", sensor=sensor, streams=("accel", "gyro", "gravity"))
    label = tapped.labels.query("tier == 'truth'").iloc[0]
    changed = np.linalg.norm(tapped.accel.values - plain.accel.values, axis=1)
    inside = (tapped.accel.time > label["start_s"] - 0.05) & (tapped.accel.time < label["stop_s"] + 0.1)
    assert changed[inside].max() > 0.04
    assert changed[~inside].max() < 2e-3
    assert label["start_s"] == pytest.approx(6.0, abs=0.003)
    # Gravity turns as the gyroscope says: push and turn are one motion.
    gravity, gyro = (np.asarray(tapped[name], dtype=float) for name in ("gravity", "gyro"))
    turned = (gravity[2:] - gravity[:-2]) * 100.0
    error = turned - np.cross(gravity, gyro)[1:-1]
    assert np.sqrt(np.mean(error[inside[1:-1]] ** 2)) < 0.1 * np.sqrt(np.mean(turned[inside[1:-1]] ** 2))
    flat = session(replace(person, wrist="left", crown="right"), seed=7, plan=CALM_PLAN, sensor=sensor)
    tapped_flat = with_gesture(replace(person, wrist="left", crown="right"), "double_tap", sensor=sensor)
    np.testing.assert_allclose(changed, np.linalg.norm(tapped_flat.accel.values - flat.accel.values, axis=1), atol=1e-5)


def test_gestures_are_truth_and_activities_another_tier_on_the_sensors_clock(person):
    fast = replace(ideal(100.0), clock_error_ppm=1e4)
    recording = with_gesture(person, "pinch", sensor=fast)
    assert dict(zip(recording.labels["label"], recording.labels["tier"], strict=True)) == {
        "looking_at_watch": "activity",
        "pinch": "truth",
    }
    truth = recording.labels.query("label == 'pinch'").iloc[0]
    assert truth["start_s"] == pytest.approx(6.06, abs=0.003)
    assert recording.labelled["truth"].tolist() == [[0.0, pytest.approx(14.14)]]
    assert recording.is_simulated


def test_what_was_made_before_stays_as_it_was(person):
    plan = (("walking", 5.0), ("typing", 5.0))
    without, empty = session(person, seed=1, plan=plan), session(person, seed=1, plan=plan, gestures=())
    assert without.id == empty.id
    assert list(ACTIVITIES) == ["walking", "sitting", "typing", "standing_up", "washing", "reaching", "resting"]


@pytest.mark.parametrize("rate_hz", [100.0, 200.0, 800.0])
def test_a_tap_is_the_same_at_every_rate(person, rate_hz):
    plan, found = (("looking_at_watch", 10.0),), {}
    for hz in (rate_hz, 400.0):
        tapped, plain = (
            session(person, seed=7, plan=plan, sensor=ideal(hz), gestures=gestures).accel
            for gestures in ((("double_tap", 6.0),), ())
        )
        assert tapped.rate_hz == pytest.approx(hz, rel=1e-3)
        found[hz] = np.linalg.norm(tapped.values - plain.values, axis=1).max()
    assert found[rate_hz] == pytest.approx(found[400.0], rel=0.25)


@pytest.mark.parametrize(
    ("gestures", "text"),
    [
        ((("wave", 5.0),), "wave"),
        ((("pinch", 0.0),), "place it at least"),
        ((("pinch", 13.5),), "place it at least"),
        ((("clench", 5.0), ("pinch", 5.2)), "place them apart"),
    ],
)
def test_wrong_gestures_of_a_session_say_what_is_possible(person, gestures, text):
    with pytest.raises(ValueError, match=text):
        session(person, seed=1, plan=CALM_PLAN, gestures=gestures)


# ---- light ----


def test_light_beats_with_the_heart_and_dims_where_the_wrist_is_pressed(person):
    still = replace(person, press_pulses=3.0)
    recording = with_gesture(still, "clench", at_s=20.0, plan=(("resting", 40.0),), streams=("ppg", "heart_rate"))
    ppg = recording.ppg
    assert ppg.rate_hz == pytest.approx(PPG_HZ, rel=1e-3)
    quiet = ppg.between(2.0, 18.0).values[:, 0]
    hz, power = periodogram(quiet - quiet.mean(), fs=PPG_HZ)
    beat = hz[(hz > 0.6) & (hz < 3)][power[(hz > 0.6) & (hz < 3)].argmax()]
    assert 60 * beat == pytest.approx(recording.heart_rate.values.mean(), rel=0.15)
    assert np.ptp(quiet) < 0.2
    label = recording.labels.query("tier == 'truth'").iloc[0]
    pressed = ppg.between(label["start_s"] + 0.2, label["stop_s"] - 0.2).values.mean()
    assert pressed < quiet.min()


def test_a_busy_hand_dims_the_light_without_a_gesture(person):
    def dips(activity):
        ppg = session(person, seed=2, plan=((activity, 60.0),), streams=("ppg",)).ppg.values[:, 0]
        return np.mean(ppg < np.median(ppg) - 2.0 * person.pulse_share)

    assert dips("stirring") > 0.02 > dips("resting")


def test_light_has_the_gaps_of_the_sensor(person):
    sensor = replace(WATCH, gaps_s=((3.0, 4.0),))
    ppg = session(person, seed=2, plan=CALM_PLAN, sensor=sensor, streams=("ppg",)).ppg
    np.testing.assert_allclose(ppg.gaps, [[3.0, 4.0]], atol=0.03)


# ---- what looks like a gesture ----


def test_every_confounder_has_one_family_and_can_be_planned():
    names = [name for family in FAMILIES.values() for name in family]
    assert sorted(names) == sorted(CONFOUNDERS)
    assert len(names) == len(set(names)) >= 20
    assert set(MOTIONS) == set(ACTIVITIES) | set(CONFOUNDERS)
    assert not set(ACTIVITIES) & set(CONFOUNDERS)


@pytest.mark.parametrize("name", CONFOUNDERS)
def test_each_confounder_moves_as_wrists_do_and_repeats_with_its_seed(name):
    first, again, other = (
        session(CROWD[index], seed=3, plan=((name, 15.0),), sensor=ideal(100.0)) for index in (0, 0, 1)
    )
    assert first.id == again.id != other.id
    for recording in (first, other):
        size = np.linalg.norm(recording.accel.values, axis=1)
        assert 0.85 < np.median(size) < 1.6
        assert size.max() < 9.0
        assert np.linalg.norm(recording.gyro.values, axis=1).max() < 20.0
        assert size.std() > 1e-3


@pytest.mark.parametrize(
    ("name", "least_g"),
    [("clapping", 0.6), ("knocking", 0.2), ("finger_drumming", 0.03), ("chopping", 0.1), ("running", 0.4)],
)
def test_impacts_have_power_above_eight_hertz(name, least_g):
    recording = session(CROWD[2], seed=4, plan=((name, 20.0),), sensor=ideal(100.0))
    band = butter(2, (8.0, 35.0), btype="bandpass", fs=100.0, output="sos")
    assert np.linalg.norm(sosfiltfilt(band, recording.accel.values, axis=0), axis=1).max() > least_g


@pytest.mark.parametrize(
    ("name", "hz"), [("clapping", 3.0), ("brushing_teeth", 4.3), ("stirring", 1.4), ("petting", 0.8)]
)
def test_a_rhythm_has_its_pace(name, hz):
    recording = session(replace(CROWD[3], pace=1.0), seed=4, plan=((name, 60.0),), sensor=ideal(50.0))
    at, power = periodogram(recording.gyro.values - recording.gyro.values.mean(axis=0), fs=50.0, axis=0)
    power = power.sum(axis=1) * (at > 0.3)
    assert at[power.argmax()] == pytest.approx(hz, rel=0.3)


# ---- hours ----


def test_a_life_holds_what_was_asked_for_in_the_shares_that_were_asked_for():
    shares = {"sitting": 3.0, "walking": 1.0, "clapping": 1.0}
    plan, placed = life_plan(hours=1.0, seed=1, per_hour={"pinch": 30, "double_tap": 12.4}, shares=shares)
    seconds = pd.Series([second for _, second in plan]).groupby([name for name, _ in plan]).sum()
    np.testing.assert_allclose(seconds[["sitting", "walking", "clapping"]], [2160, 720, 720])
    counted = pd.Series([label for label, _ in placed]).value_counts()
    assert counted.to_dict() == {"pinch": 30, "double_tap": 12}
    edges = np.cumsum([0.0, *(second for _, second in plan)])
    over = {plan[np.searchsorted(edges, start_s, side="right") - 1][0] for _, start_s in placed}
    assert over == {"sitting", "walking"}  # clapping has hands that are busy
    assert np.diff([start_s for _, start_s in placed]).min() >= 6.0 - 1e-9
    assert life_plan(hours=1.0, seed=1, per_hour={"pinch": 30, "double_tap": 12.4}, shares=shares) == (plan, placed)
    assert life_plan(hours=1.0, seed=2, per_hour={"pinch": 30}, shares=shares) != (plan, placed)


def test_confounders_are_in_equal_share_unless_said_otherwise():
    plan, placed = life_plan(hours=2.0, seed=1)
    seconds = pd.Series([second for _, second in plan]).groupby([name for name, _ in plan]).sum()
    assert set(seconds.index) == set(MOTIONS)
    np.testing.assert_allclose(seconds, 7200 / len(MOTIONS))
    assert not placed


def test_a_life_is_judged_by_hours_and_by_context(person):
    recording = life(
        person, hours=0.1, seed=1, sensor=SensorParams(rate_hz=50.0), per_hour={"double_tap": 60}, shares={"sitting": 1}
    )
    truth = recording.labels.query("tier == 'truth'")
    assert len(truth) == 6
    found = [
        Event(start_s, stop_s, "double_tap", 1.0, stop_s) for start_s, stop_s in truth[["start_s", "stop_s"]].to_numpy()
    ]
    report = evaluate(event_table(found), recording)
    assert report.recall == 1.0
    assert report.hours == report.simulated_hours == pytest.approx(0.1, rel=0.01)
    assert set(recording.labels.query("tier == 'activity'")["label"]) == {"sitting"}


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"hours": 0.0}, "hours is 0"),
        ({"per_hour": {"wave": 1}}, "wave"),
        ({"per_hour": {"pinch": -1}}, "no negative"),
        ({"shares": {"flying": 1}}, "flying"),
        ({"shares": {"sitting": 0.0}}, "one share above 0"),
        ({"shares": {"clapping": 1.0}, "per_hour": {"pinch": 10}}, "none of it has a share"),
        ({"per_hour": {"pinch": 500}}, "do not fit"),
        ({"apart_s": -10.0, "per_hour": {"pinch": 5}}, "apart_s is -10"),
        ({"apart_s": float("nan")}, "apart_s is nan"),
        ({"seed": None}, "seed is None"),
    ],
)
def test_wrong_requests_for_a_life_say_what_is_possible(request_, text):
    with pytest.raises(ValueError, match=text):
        life_plan(**{"hours": 1.0, "seed": 1, **request_})


# ---- onto real motion ----


def unlabelled(recording, **changes):
    return Recording.of(
        list(recording.streams.values()), **{"wrist": recording.wrist, "crown": recording.crown, **changes}
    )


@pytest.mark.parametrize("wearer", CROWD[:4], ids=lambda one: f"{one.wrist}_{one.crown}")
def test_an_injected_gesture_is_what_the_body_would_have_done(wearer):
    streams, sensor = ("accel", "gyro", "user_accel", "gravity", "attitude"), ideal(100.0)
    plain = session(wearer, seed=7, plan=CALM_PLAN, sensor=sensor, streams=streams)
    done = with_gesture(wearer, "double_clench", sensor=sensor, streams=streams)
    truth = done.labels.query("tier == 'truth'").iloc[0]
    same = gesture("double_clench", wearer, seed=[7, 4, 0], rate_hz=200.0)
    injected = inject(plain, [same], at_s=[truth["start_s"]])
    for name in streams:
        changed = np.abs(done[name].values - plain[name].values).max()
        assert changed > 0.005, name
        assert np.abs(injected[name].values - done[name].values).max() < 0.1 * changed, name
    found = injected.labels.query("label == 'double_clench'").iloc[0]
    assert found[["start_s", "stop_s"]].tolist() == pytest.approx(truth[["start_s", "stop_s"]].tolist())


def test_events_that_belong_to_the_world_keep_their_gravity(person):
    made = session(
        person, seed=1, plan=(("reaching", 12.0),), sensor=ideal(100.0), streams=("attitude", "user_accel", "gravity")
    )
    lift = cut_event(made, 3.0, 5.0, label="lift")
    assert lift.gravity is not None
    assert np.abs(lift.turn[[0, -1]]).max() < 1e-3
    assert (lift.start_s, lift.stop_s) == (0.0, pytest.approx(2.0, abs=0.02))
    lying = session(
        CROWD[1], seed=1, plan=(("resting", 12.0),), sensor=ideal(100.0), streams=("accel", "gyro", "gravity")
    )
    lifted = inject(lying, [lift], at_s=[4.0])
    # However the real watch lay, gravity moves away from where it was by the same angles as when the event was made.
    own = made.gravity.between(3.0, 5.0).values
    real = lifted.gravity.between(4.0, 6.0).values[: len(own)]
    angles = [np.degrees(np.arccos(np.clip(one @ one[0], -1, 1))) for one in (own.astype(float), real.astype(float))]
    assert angles[0].max() > 10
    np.testing.assert_allclose(angles[0], angles[1], atol=1.5)


def test_injected_events_are_said_labelled_and_leave_the_hours_as_they_were(person):
    plain = session(
        person, seed=7, plan=(("sitting", 60.0),), sensor=ideal(50.0), streams=("accel", "gyro", "heart_rate")
    )
    # As a reader of real files would give it.
    real = replace(plain, source={"format": "spsw", "device": "watch"}, wrist=None, crown=None)
    taps = [gesture("double_tap", one, seed=1) for one in CROWD[:5]]
    first, again = (inject(real, taps, seed=3, worn="drawn", apart_s=7.0) for _ in range(2))
    assert first.id == again.id != real.id
    assert first.source["injected"] == "simulated events"
    assert not first.is_simulated
    note = first.findings.query("code == 'simulated_events'").iloc[0]
    assert "simulated events injected: 5 (double_tap)" in note["note"]
    assert "heart_rate show nothing" in note["note"]
    starts = first.labels.query("label == 'double_tap'")["start_s"].to_numpy()
    assert len(starts) == 5
    assert np.diff(np.sort(starts)).min() > 7.0
    empty = event_table([])
    empty.insert(0, "recording", [])
    report = evaluate(empty, [real, first], streams=("accel", "gyro"))
    assert report.hours == pytest.approx(60 / 3600, rel=0.01)


def test_what_is_no_number_and_what_lies_outside_an_event_stays(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(100.0), streams=("accel", "gyro", "attitude"))
    values, attitude = np.array(plain.accel.values), np.array(plain.attitude.values)
    values[620] = attitude[630] = np.nan
    holed = plain.with_streams(
        plain.accel.with_values("accel", values), plain.attitude.with_values("attitude", attitude)
    )
    tapped = inject(holed, [gesture("clench", person, seed=1)], at_s=[6.0])
    assert np.isnan(tapped.attitude.values).sum() == 4
    assert np.isnan(tapped.accel.values[620]).all()
    assert np.isnan(tapped.accel.values).sum() == 3
    np.testing.assert_array_equal(tapped.accel.values[:590], values[:590])
    np.testing.assert_array_equal(tapped.gyro.values[900:], plain.gyro.values[900:])
    assert tapped.accel.channels == plain.accel.channels


def test_what_lacks_streams_sides_signs_or_room_is_refused(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(50.0))
    tap = gesture("double_tap", person, seed=1)
    cases = {
        "missing_stream": (Recording.of([plain.accel], wrist="left", crown="right"), {"at_s": [5.0]}),
        "side_unknown": (unlabelled(plain, wrist=None, crown=None), {"at_s": [5.0]}),
        "not_labelled": (unlabelled(plain), {"seed": 1}),
        "no_room": (plain, {"at_s": [13.9]}),
    }
    for code, (recording, how) in cases.items():
        with pytest.raises(RecordingError) as caught:
            inject(recording, [tap], **how)
        assert caught.value.code == code
    with pytest.raises(RecordingError, match="no room for event"):
        inject(plain, [tap] * 40, seed=1)
    with pytest.raises(ValueError, match="seed is None"):
        inject(plain, [tap])
    with pytest.raises(ValueError, match="at_s has 2 times for 1"):
        inject(plain, [tap], at_s=[1.0, 2.0])
    with pytest.raises(ValueError, match="events is empty"):
        inject(plain, [], seed=1)
    with pytest.raises(ValueError, match="leave worn out"):
        inject(plain, [tap], at_s=[5.0], worn=("left" if person.wrist == "right" else "right", "left"))
    with pytest.raises(ValueError, match="expected \\(wrist, crown\\)"):
        inject(unlabelled(plain, wrist=None, crown=None), [tap], at_s=[5.0], worn=("up", "down"))


def test_what_is_asked_of_events_in_a_wrong_way_is_named(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(50.0))
    taps = [gesture("double_tap", person, seed=index) for index in range(2)]
    for events in (["double_tap"], "double_tap", [taps]):
        with pytest.raises(TypeError, match="expected overlays"):
            inject(plain, events, at_s=[5.0])
    with pytest.raises(ValueError, match="place them apart"):
        inject(plain, taps, at_s=[5.1, 5.0])
    for apart_s in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="apart_s is"):
            inject(plain, taps, seed=1, apart_s=apart_s)
    with pytest.raises(ValueError, match=r"seed is 1\.5"):
        inject(plain, taps, seed=1.5)
    with pytest.raises(ValueError, match=r"worn is \['left', 'right'\], expected \(wrist, crown\)"):
        inject(unlabelled(plain, wrist=None, crown=None), taps, seed=1, worn=["left", "right"])


def test_one_event_is_as_good_as_a_list_of_one_and_an_iterator(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(50.0))
    taps = [gesture("double_tap", person, seed=index) for index in range(2)]
    assert inject(plain, taps[0], seed=1).id == inject(plain, taps[:1], seed=1).id
    assert inject(plain, taps[0], at_s=5.0).id == inject(plain, taps[:1], at_s=[5.0]).id
    assert inject(plain, iter(taps), seed=1).id == inject(plain, taps, seed=1).id


def test_a_side_that_is_stated_is_neither_drawn_nor_overruled(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(50.0))
    tap = gesture("double_tap", person, seed=1)
    half_known = unlabelled(plain, wrist="left", crown=None)
    with pytest.raises(ValueError, match=r"the recording says .'left', None."):
        inject(half_known, tap, at_s=5.0, worn=("right", "left"))
    possible = {inject(half_known, tap, at_s=5.0, worn=("left", crown)).id for crown in ("left", "right")}
    assert {inject(half_known, tap, at_s=5.0, worn="drawn", seed=seed).id for seed in range(12)} == possible
    known = unlabelled(plain, wrist="left", crown="right")
    assert inject(known, tap, at_s=5.0, worn="drawn").id == inject(known, tap, at_s=5.0).id


@pytest.mark.parametrize("name", ["accel", "gyro"])
def test_rows_without_a_value_are_no_place_for_an_event(person, name):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(100.0))
    values = np.array(plain[name].values)
    values[300:1100, 1] = np.nan
    holed = plain.with_streams(plain[name].with_values(name, values))
    tap = gesture("double_tap", person, seed=1)
    with pytest.raises(RecordingError, match="not recorded in one piece"):
        inject(holed, tap, at_s=6.0)
    for seed in range(8):
        label = inject(holed, tap, seed=seed).labels.query("label == 'double_tap'").iloc[0]
        assert label["stop_s"] < 3.0 or label["start_s"] >= 11.0
    values[:] = np.nan
    with pytest.raises(RecordingError, match="no room for event"):
        inject(plain.with_streams(plain[name].with_values(name, values)), tap, seed=1)


def test_a_gap_is_no_place_for_an_event(person):
    sensor = replace(ideal(100.0), gaps_s=((5.0, 7.0),))
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=sensor)
    tap = gesture("double_tap", person, seed=1)
    with pytest.raises(RecordingError, match="not recorded in one piece"):
        inject(plain, [tap], at_s=[6.0])
    for seed in range(6):
        label = inject(plain, [tap], seed=seed, apart_s=0.0).labels.query("label == 'double_tap'").iloc[0]
        assert label["stop_s"] < 5.0 or label["start_s"] >= 7.0


def test_where_the_sign_of_gravity_is_unknown_only_events_of_the_forearm_are_taken(person):
    plain = session(person, seed=7, plan=CALM_PLAN, sensor=ideal(100.0))
    doubt = plain.with_findings(finding_table([("sign_unknown", "accel", 0.0, 14.0, 1, "unknown", "find it")]))
    tap = gesture("double_tap", person, seed=1)
    assert len(inject(doubt, [tap], at_s=[5.0]).labels) == 2
    with pytest.raises(RecordingError, match="sign of gravity"):
        inject(doubt, [replace(tap, gravity=np.array([0.0, 0.0, -1.0]))], at_s=[5.0])


def test_only_simulated_motion_is_cut_into_events(person):
    plain = session(person, seed=7, plan=CALM_PLAN, streams=("attitude", "user_accel", "gravity"))
    with pytest.raises(ValueError, match="is not simulated"):
        cut_event(replace(plain, source={"format": "csv"}), 1.0, 2.0, label="x")
    with pytest.raises(ValueError, match="not one recorded stretch"):
        cut_event(plain, 50.0, 51.0, label="x")
    assert isinstance(cut_event(plain, 1.0, 2.0, label="x"), Overlay)


# ---- packets ----


def test_packets_are_lost_repeated_and_late_as_asked(person):
    recording = session(person, seed=1, plan=(("sitting", 200.0),))
    whole = list(packets(recording, seed=2))
    kept = list(packets(recording, seed=2, lost=0.2))
    assert 0.7 * len(whole) < len(kept) < 0.9 * len(whole)
    assert len(list(packets(recording, seed=2, repeated=0.2))) == pytest.approx(1.2 * len(whole), rel=0.1)
    late = [one["accel"][0][-1] for one in packets(recording, seed=2, late_s=3.0) if "accel" in one]
    assert sorted(late) == [one["accel"][0][-1] for one in whole if "accel" in one]
    assert (np.diff(late) < 0).any()
    for wrong in ({"lost": 1.0}, {"repeated": -0.1}, {"late_s": float("inf")}):
        with pytest.raises(ValueError, match="expected 0 <= lost < 1"):
            next(packets(recording, **wrong))


# ---- against real motion ----

_ALL = ("peak", "mean", "middle", "high", "turn")
# What is simulated, what real motion it is like, and in what. The simulated arm swings more smoothly than real ones
# do while people walk and turn: the middle of its spectrum lies lower.
_PAIRS = (
    ("walking", "walking", ("peak", "mean", "high", "turn")),
    ("dishes", "washing", _ALL),
    ("brushing_teeth", "washing", _ALL),
    ("chopping", "washing", ("peak", "mean", "middle", "turn")),
    ("stairs", "walking", _ALL),
)


@pytest.mark.real_data
def test_daily_motion_has_peaks_and_spectra_within_those_of_real_wrists(real_data):
    real = {
        "walking": np.vstack([*_real(real_data, "spsw", "walking")]),
        "washing": np.vstack([*_real(real_data, "uwash", "washing")]),
    }
    for simulated, against, kinds in _PAIRS:
        made = [
            _statistics(session(one, seed=index, plan=((simulated, 20.0),), sensor=ideal(100.0)), 0.0, 20.0)
            for index, one in enumerate(CROWD[:6])
        ]
        middle, low, high = np.median(np.vstack(made), axis=0), *np.percentile(real[against], (0.5, 99.5), axis=0)
        outside = [
            kind for kind, one, least, most in zip(_ALL, middle, low, high, strict=True) if not least < one < most
        ]
        assert not set(outside) & set(kinds), (simulated, middle, low, high)


@pytest.mark.real_data
def test_a_tap_is_laid_over_real_walks_without_another_change(real_data):
    for index, recording in enumerate(recordings("spsw", real_data / "spsw")):
        if recording.source["device"] != "watch" or index % 20:
            continue
        tapped = inject(recording, [gesture("double_tap", CROWD[index % 8], seed=index)], seed=index, worn="drawn")
        label = tapped.labels.query("label == 'double_tap'").iloc[0]
        changed = np.abs(tapped.accel.values - recording.accel.values).max(axis=1)
        inside = (recording.accel.time > label["start_s"] - 0.06) & (recording.accel.time < label["stop_s"] + 0.12)
        assert changed[inside].max() > 0.01
        assert changed[~inside].max() < 2e-3
        assert tapped.source["content_hash"] == recording.source["content_hash"]


def _real(folder, name, label):
    for recording in recordings(name, folder / name):
        if recording.source["device"] == "watch":
            for row in recording.labels.query("label == @label").itertuples():
                if row.stop_s - row.start_s > 2.05:
                    yield _statistics(recording, row.start_s, row.stop_s)


def _statistics(recording, start_s, stop_s):
    """Return of each 2 s: peak and mean push in g, middle of its spectrum, share above 8 Hz, fastest turn in rad/s."""
    time_s = np.arange(start_s, stop_s, 0.02)
    accel, gyro = (_on(recording[name], time_s) for name in ("accel", "gyro"))
    push = sosfiltfilt(butter(2, 0.5, btype="high", fs=50.0, output="sos"), accel, axis=0)
    rows = []
    for first in range(0, len(push) - 99, 100):
        part = push[first : first + 100]
        hz, power = periodogram(part, fs=50.0, window="hann", axis=0)
        power = power.sum(axis=1) * ((hz >= 0.5) & (hz < 20))
        size = np.linalg.norm(part, axis=1)
        turn = np.linalg.norm(gyro[first : first + 100], axis=1).max()
        middle_hz, high = (hz * power).sum() / power.sum(), power[hz >= 8].sum() / power.sum()
        rows.append((size.max(), np.sqrt(np.mean(size**2)), middle_hz, high, turn))
    return np.array(rows)


def _on(stream: Stream, time_s):
    return np.column_stack([np.interp(time_s, stream.time, column.astype(float)) for column in stream.values.T])
