"""Simulated motion: exact truth, the laws of motion, the signs of four ways to wear a watch, and people who differ."""

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import get_type_hints
from xml.parsers import expat

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import wristkit.simulate
from wristkit.load import load
from wristkit.recording import STANDARD_GRAVITY
from wristkit.simulate import (
    ACTIVITIES,
    STREAMS,
    TRAITS,
    WATCH,
    Bout,
    ExerciseSet,
    Gait,
    Person,
    SensorParams,
    active,
    add_ppg,
    gait_session,
    gesture,
    ideal,
    jolt,
    packets,
    parameters,
    people,
    session,
    stepless,
    treadmill,
    workout,
)
from wristkit.simulate.body import COLUMN, COORDINATES, Motion, watch_path
from wristkit.simulate.formats import axivity_cwa, cwa_packed, empatica_csv, health_record, health_xml, zipped
from wristkit.simulate.moving import _parts
from wristkit.simulate.raw import RAW_PLAN, RAW_SEED, RAW_START, RAW_ZONE, write_raw

PLAN = (("walking", 6.0), ("typing", 4.0), ("washing", 5.0))
SIGNS = {
    ("left", "right"): ((1, 1, 1), (1, 1, 1)),
    ("left", "left"): ((-1, -1, 1), (-1, -1, 1)),
    ("right", "left"): ((1, -1, 1), (-1, 1, -1)),
    ("right", "right"): ((-1, 1, 1), (1, -1, -1)),
}


@pytest.fixture(scope="module")
def person():
    return people(1, seed=3)[0]


def still(person, **angles):
    coordinates = np.zeros((200, len(COORDINATES)))
    for name, angle in angles.items():
        coordinates[:, COLUMN[name]] = angle
    return watch_path(person, Motion(coordinates, np.zeros((200, 3))), rate_hz=200.0)


def gravity_of(path):
    return path.axes.inv().apply([0.0, 0.0, -1.0])[0]


def test_the_four_ways_to_wear_a_watch_are_one_motion_in_the_canonical_frame(person):
    sensor = ideal(50.0)
    reference = session(replace(person, wrist="left", crown="right"), seed=5, plan=PLAN, sensor=sensor)
    for (wrist, crown), (accel, gyro) in SIGNS.items():
        worn = session(replace(person, wrist=wrist, crown=crown), seed=5, plan=PLAN, sensor=sensor)
        np.testing.assert_allclose(worn.accel.values * accel, reference.accel.values, atol=1e-5)
        np.testing.assert_allclose(worn.gyro.values * gyro, reference.gyro.values, atol=1e-5)
        assert (worn.wrist, worn.crown) == (wrist, crown)


def test_gravity_lies_where_the_posture_puts_it(person):
    straight = replace(person, strap_tilt_rad=0.0, wrist="left", crown="right")
    np.testing.assert_allclose(gravity_of(still(straight)), [1, 0, 0], atol=1e-12)  # the hand hangs down
    palm_down = gravity_of(still(straight, elbow=np.pi / 2, pronation=np.pi / 2))
    np.testing.assert_allclose(palm_down, [0, 0, -1], atol=1e-12)  # face up
    thumb_up = gravity_of(still(straight, elbow=np.pi / 2))
    np.testing.assert_allclose(thumb_up, [0, 1, 0], atol=1e-12)  # device y is palmar-ulnar of a left wrist: down here


@pytest.mark.parametrize(("wrist", "crown"), SIGNS)
def test_streams_obey_the_laws_of_motion(person, wrist, crown):
    worn = session(replace(person, wrist=wrist, crown=crown), seed=1, plan=PLAN, sensor=ideal(200.0), streams=STREAMS)
    accel, gravity, gyro = (np.asarray(worn[name], dtype=float) for name in ("accel", "gravity", "gyro"))
    np.testing.assert_allclose(accel, gravity + np.asarray(worn.user_accel, dtype=float), atol=1e-6)
    axes = Rotation.from_quat(np.roll(np.asarray(worn.attitude, dtype=float), -1, axis=1))
    np.testing.assert_allclose(axes.inv().apply([0, 0, -1]), gravity, atol=1e-5)
    turned = (gravity[2:] - gravity[:-2]) * 100.0
    assert np.sqrt(np.mean((turned - np.cross(gravity, gyro)[1:-1]) ** 2)) < 0.05 * np.sqrt(np.mean(turned**2))


def test_acceleration_has_the_sign_of_core_motion(person):
    straight = replace(person, strap_tilt_rad=0.0, wrist="left", crown="right")
    time_s = np.arange(400) / 200.0
    coordinates = np.zeros((400, len(COORDINATES)))
    coordinates[:, COLUMN["elbow"]] = coordinates[:, COLUMN["pronation"]] = np.pi / 2  # face up, hand forward
    coordinates[:, COLUMN["forward_m"]] = 0.5 * 2.0 * time_s**2
    path = watch_path(straight, Motion(coordinates, np.zeros((400, 3))), rate_hz=200.0)
    moved = path.axes.inv().apply(path.acceleration)[100]
    np.testing.assert_allclose(moved, [2.0, 0, 0], atol=1e-6)
    # A push along +x reads as -x: what is sensed is gravity minus motion.
    felt = np.array([0, 0, -1]) - moved / STANDARD_GRAVITY
    np.testing.assert_allclose(felt, [-2.0 / STANDARD_GRAVITY, 0, -1], atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(person):
    first, second = (session(person, seed=9, plan=PLAN, streams=STREAMS) for _ in range(2))
    assert first.id == second.id
    assert first.id != session(person, seed=10, plan=PLAN, streams=STREAMS).id


def test_truth_is_contiguous_named_and_covers_the_recording(person):
    recording = session(person, seed=2, plan=PLAN)
    labels = recording.labels
    assert list(labels["label"]) == ["walking", "typing", "washing"]
    assert list(labels["start_s"]) == [0.0, 6.0, 10.0]
    assert list(labels["stop_s"]) == [6.0, 10.0, 15.0]
    assert set(labels["tier"]) == {"truth"}
    assert set(labels["rater"]) == {"simulator"}
    assert recording.labelled["truth"].tolist() == [[0.0, 15.0]]
    assert recording.source["format"] == "simulated"


def test_labels_are_on_the_clock_of_the_sensor(person):
    fast = session(person, seed=2, plan=PLAN, sensor=replace(ideal(50.0), clock_error_ppm=1e4))
    assert fast.labels["stop_s"].tolist() == pytest.approx([6.06, 10.1, 15.15])
    true = session(person, seed=2, plan=PLAN, sensor=ideal(50.0))
    slowed = np.interp(fast.accel.time / 1.01, true.accel.time, true.accel.values[:, 0])
    inside = slice(5, -5)
    assert np.corrcoef(slowed[inside], fast.accel.values[inside, 0])[0, 1] > 0.995


def test_people_differ_within_their_limits_and_wear_watches_on_all_sides():
    crowd = people(8, seed=1)
    assert people(3, seed=1) == crowd[:3]
    assert people(3, seed=2) != crowd[:3]
    assert {(one.wrist, one.crown) for one in crowd} == set(SIGNS)
    for name, trait in TRAITS.items():
        drawn = [getattr(one, name) for one in crowd]
        assert trait.low <= min(drawn) < max(drawn) <= trait.high
        assert trait.source


def test_every_number_of_a_person_is_in_the_table_of_traits():
    numbers = {name for name, kind in get_type_hints(Person).items() if kind is float}
    assert numbers == set(TRAITS)
    assert set(asdict(people(1, seed=0)[0])) == numbers | {"subject", "wrist", "crown"}


def test_the_heart_takes_half_a_minute_for_most_of_the_way(person):
    rate = session(person, seed=4, plan=(("resting", 60.0), ("walking", 180.0)), streams=("heart_rate",))["heart_rate"]
    bpm = rate.values[:, 0]
    rest, walk = bpm[rate.time < 60].mean(), bpm[rate.time > 200].mean()
    assert walk - rest > 25
    early, late = (bpm[(rate.time > at_s - 4) & (rate.time < at_s + 4)].mean() for at_s in (68.0, 60.0 + 28.0))
    assert early - rest < 0.45 * (walk - rest)
    assert 0.45 < (late - rest) / (walk - rest) < 0.8


def test_labels_of_a_day_are_on_the_clock_of_the_sensor(person):
    true, fast = (
        active(person, seed=3, minutes=1.0, sensor=replace(ideal(50.0), clock_error_ppm=ppm)) for ppm in (0.0, 20_000.0)
    )
    times = ["start_s", "stop_s"]
    np.testing.assert_allclose(fast.labels[times], 1.02 * true.labels[times], rtol=1e-9)
    assert fast.labelled["truth"][-1, 1] == pytest.approx(1.02 * true.labelled["truth"][-1, 1])
    assert fast.stop_s == pytest.approx(1.02 * true.stop_s, abs=0.05)
    same = np.interp(1.02 * true.gyro.time, fast.gyro.time, fast.gyro.values[:, 0])
    assert np.abs(same - true.gyro.values[:, 0]).mean() < 0.1 * np.abs(true.gyro.values[:, 0]).mean()


def test_who_turned_faces_that_way_from_then_on(person):
    parts = _parts(600.0, np.random.default_rng(2))
    heading = [
        part.move(person, np.arange(0.0, part.seconds, 0.005), np.random.default_rng(1)).coordinates[
            :, COLUMN["heading"]
        ]
        for part in parts
    ]
    turns = [one[-1] - one[0] if part.label == "turning" else 0.0 for one, part in zip(heading, parts, strict=True)]
    assert sum(abs(one) > 1.0 for one in turns) >= 5
    faces = np.concatenate([[0.0], np.cumsum(turns)[:-1]])
    assert np.abs(faces).max() > 4.0
    begins = np.array([one[0] for one in heading])
    assert np.abs(begins - faces).max() < 1.6  # each part is held a little to one side, and walks wander


def test_one_table_holds_every_number_with_a_source_and_says_what_the_code_says():
    table = parameters()
    assert list(table.columns) == ["part", "name", "value", "sd", "low", "high", "source"]
    assert not table.duplicated(["part", "name"]).any()
    assert table["source"].str.contains("estimate|Titze|Peterson|ANSI|Minnaert").all()
    limits = table["low"].notna()
    assert (table["high"].notna() == limits).all()
    assert (table.loc[limits, "low"] <= table.loc[limits, "high"]).all()
    assert table.loc[~limits, "value"].notna().all()
    known = table.set_index(["part", "name"])
    for name, value in asdict(WATCH).items():
        assert name == "gaps_s" or known.loc[("sensor of motion", name), "value"] == value
    for name, trait in TRAITS.items():
        assert tuple(known.loc[("person", name)]) == trait
    assert known.loc[("plan", "effort_bpm.running"), "value"] == 75


def test_no_table_of_numbers_with_sources_is_left_out_of_the_one():
    said = set(parameters()["name"])
    for found in pkgutil.iter_modules(wristkit.simulate.__path__):
        if found.name == "__main__":
            continue
        for held in vars(importlib.import_module(f"wristkit.simulate.{found.name}")).values():
            nested = held.values() if isinstance(held, Mapping) else ()
            for table in (held, *nested):
                rows = table.items() if isinstance(table, Mapping) else ()
                assert {name for name, row in rows if hasattr(row, "source")} <= said


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_each_activity_moves_as_wrists_do(person, activity):
    recording = session(person, seed=4, plan=((activity, 20.0),), sensor=ideal(50.0))
    lengths = np.linalg.norm(recording.accel.values, axis=1)
    rates = np.linalg.norm(recording.gyro.values, axis=1)
    assert 0.9 < np.median(lengths) < 1.3
    assert lengths.max() < 4.0
    assert rates.max() < 20.0
    assert rates.std() > 1e-4


def test_walking_swings_at_half_the_step_rate_and_strikes_at_the_step_rate(person):
    recording = session(person, seed=4, plan=(("walking", 40.0),), sensor=ideal(50.0))
    spectrum = np.abs(np.fft.rfft(recording.gyro.values[:, 2] - recording.gyro.values[:, 2].mean()))
    peak_hz = np.fft.rfftfreq(2000, 1 / 50)[spectrum.argmax()]
    assert peak_hz == pytest.approx(person.cadence_hz / 2, rel=0.12)


def test_the_heart_follows_effort_slowly(person):
    recording = session(person, seed=4, plan=(("resting", 60.0), ("walking", 120.0)), streams=("heart_rate",))
    bpm, time_s = recording.heart_rate.values[:, 0], recording.heart_rate.time
    assert bpm[time_s > 150].mean() > bpm[time_s < 60].mean() + 15
    assert 0.2 <= recording.heart_rate.rate_hz <= 1.0
    assert (bpm == np.round(bpm)).all()


def test_noise_bias_steps_and_range_are_those_of_the_parameters(person):
    quiet, plan = replace(ideal(100.0), accel_range_g=0.5), (("resting", 30.0),)
    clipped = session(person, seed=6, plan=plan, sensor=quiet)
    assert np.abs(clipped.accel.values).max() == 0.5
    noisy = session(person, seed=6, plan=plan, sensor=replace(ideal(100.0), accel_noise_g_per_rthz=1e-3))
    clean = session(person, seed=6, plan=plan, sensor=ideal(100.0))
    assert np.std(noisy.accel.values - clean.accel.values) == pytest.approx(1e-3 * np.sqrt(50), rel=0.05)
    stepped = session(person, seed=6, plan=plan, sensor=replace(ideal(100.0), gyro_step_rad_s=0.01))
    off_step = stepped.gyro.values / 0.01 - np.round(stepped.gyro.values / 0.01)
    assert np.abs(off_step).max() < 1e-3
    shifted = session(person, seed=6, plan=plan, sensor=replace(ideal(100.0), gyro_bias_sd_rad_s=0.1))
    offsets = (shifted.gyro.values - clean.gyro.values).mean(axis=0)
    assert np.abs(offsets).max() > 0.01
    np.testing.assert_allclose(shifted.gyro.values - clean.gyro.values, np.tile(offsets, (3000, 1)), atol=1e-5)


def test_gaps_lost_samples_and_jitter_are_those_of_the_parameters(person):
    sensor = replace(WATCH, gaps_s=((3.0, 4.0), (8.0, 8.5)), missing_fraction=0.1, stamp_jitter_s=0.001)
    stream = session(person, seed=6, plan=(("walking", 60.0),), sensor=sensor).accel
    assert len(stream.gaps) == 2
    np.testing.assert_allclose(stream.gaps, [[3.0, 4.0], [8.0, 8.5]], atol=0.2)
    expected = (60 - 1.5) * 50 * 0.9
    assert len(stream) == pytest.approx(expected, rel=0.03)
    phase_s = (stream.time * 50 + 0.5) % 1 - 0.5
    assert np.std(phase_s) / 50 == pytest.approx(0.001, rel=0.1)


@settings(deadline=None, max_examples=20)
@given(packet_s=st.floats(0.02, 5.0), seed=st.integers(0, 1000))
def test_packets_give_every_sample_once_and_in_the_order_of_time(packet_s, seed):
    recording = session(people(1, seed=1)[0], seed=1, plan=(("typing", 5.0),), streams=("accel", "gyro", "heart_rate"))
    parts = {name: [] for name in recording.streams}
    ends = []
    for packet in packets(recording, packet_s=packet_s, seed=seed):
        for name, (time_s, values) in packet.items():
            assert len(time_s) == len(values) > 0
            parts[name].append((time_s, values))
            ends.append(time_s[-1])
    assert ends == sorted(ends)
    for name, stream in recording.streams.items():
        np.testing.assert_array_equal(np.concatenate([time_s for time_s, _ in parts[name]]), stream.time)
        np.testing.assert_array_equal(np.concatenate([values for _, values in parts[name]]), stream.values)


def test_bursts_of_two_streams_are_interleaved_and_repeat_with_the_seed(person):
    recording = session(person, seed=1, plan=(("typing", 20.0),))
    names = [next(iter(packet)) for packet in packets(recording, packet_s=1.0, seed=4)]
    assert names == [next(iter(packet)) for packet in packets(recording, packet_s=1.0, seed=4)]
    assert 15 < names.count("accel") < 40
    assert names.index("gyro") < len(names) - 1 - names[::-1].index("accel")


def test_a_recording_alone_is_played_in_packets_of_about_a_second(person):
    recording = session(person, seed=1, plan=(("typing", 20.0),))
    played = list(packets(recording))
    assert [list(packet) for packet in played] == [list(one) for one in packets(recording, packet_s=1.0, seed=0)]
    assert 15 < sum("accel" in packet for packet in played) < 40


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"plan": ()}, "plan is empty"),
        ({"plan": (("flying", 10.0),)}, "flying"),
        ({"plan": (("walking", 1.0),)}, "at least 2"),
        ({"plan": (("walking", float("nan")),)}, "plan has.*nan.*expected .name, seconds."),
        ({"plan": (("walking", float("inf")),)}, "plan has.*inf.*expected .name, seconds."),
        ({"plan": "walking"}, "plan has 'w', expected .name, seconds."),
        ({"plan": ("walking", "sitting")}, "plan has 'walking', expected .name, seconds."),
        ({"gestures": (("pinch", float("nan")),)}, "gestures has.*nan"),
        ({"seed": None}, "seed is None, expected a whole number"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"seed": -1}, "seed is -1"),
        ({"streams": ("pulse",)}, "pulse"),
        ({"streams": ()}, "streams"),
        ({"streams": ("accel", "accel")}, "once"),
    ],
)
def test_wrong_requests_say_what_is_possible(person, request_, text):
    with pytest.raises(ValueError, match=text):
        session(person, **{"seed": 1, **request_})


def test_a_plan_may_be_an_iterator(person):
    assert session(person, seed=1, plan=iter(PLAN)).id == session(person, seed=1, plan=PLAN).id
    walk = [(Gait(), 4.0), ("sitting", 3.0)]
    assert gait_session(person, iter(walk), seed=1).id == gait_session(person, walk, seed=1).id


ENDLESS = float("inf")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda who: gait_session(who, [(Gait(), ENDLESS)], seed=1), "plan has.*inf.*expected at least 2"),
        (lambda who: gait_session(who, [Gait()], seed=1), "plan has Gait.*expected .Gait or activity, seconds. pairs"),
        (lambda who: gait_session(who, [("walking", "20")], seed=1), "plan has .'walking', '20'.*pairs"),
        (lambda who: stepless(who, "desk", seed=1, minutes=ENDLESS), "minutes is inf"),
        (lambda who: stepless(who, "desk", seed=1, minutes="3"), "minutes is '3'"),
        (lambda who: workout(who, plan=[("sitting", ENDLESS)], seed=1), "plan has.*inf.*expected at least 2"),
        (lambda who: treadmill(who, plan=[Bout(ENDLESS, (0.0, 0.0), 0.0)], seed=1), "inf.*expected bouts of 5 s"),
        (lambda who: ExerciseSet(exercise="squat", repetitions=9.5), "repetitions is 9.5, expected a whole number"),
    ],
)
def test_nothing_simulated_is_without_an_end_or_of_another_kind(person, make, text):
    with pytest.raises(ValueError, match=text):
        make(person)


@pytest.mark.parametrize("seed", [None, -1, 1.5, "7"])
@pytest.mark.parametrize(
    "make",
    [
        lambda who, seed: gesture("pinch", who, seed=seed),
        lambda who, seed: jolt("put_down", who, seed=seed),
        lambda who, seed: gait_session(who, [(Gait(), 4.0)], seed=seed),
        lambda who, seed: stepless(who, "desk", seed=seed),
        lambda who, seed: workout(who, plan=[("sitting", 4.0)], seed=seed),
        lambda who, seed: treadmill(who, seed=seed),
        lambda who, seed: add_ppg(session(who, seed=1, plan=(("sitting", 9.0),)), 60.0, seed=seed),
    ],
)
def test_chance_always_has_a_seed(person, make, seed):
    with pytest.raises(ValueError, match=f"seed is {seed!r}, expected a whole number"):
        make(person, seed)


@pytest.mark.parametrize("name", [field.name for field in fields(SensorParams) if field.type is float])
@pytest.mark.parametrize("value", [float("nan"), "50", True, -1e6])
def test_every_number_of_a_sensor_has_limits(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value!r}, expected"):
        SensorParams(**{"rate_hz": 50.0, name: value})


@pytest.mark.parametrize("name", TRAITS)
def test_every_number_of_a_person_has_limits(person, name):
    with pytest.raises(ValueError, match=f"{name} of a person is nan"):
        replace(person, **{name: float("nan")})
    if TRAITS[name].low >= 0:
        with pytest.raises(ValueError, match=f"{name} of a person is -0.1, expected a number of 0 or more"):
            replace(person, **{name: -0.1})
    else:
        assert getattr(replace(person, **{name: -0.1}), name) == -0.1


def test_wrong_parameters_say_what_is_possible(person):
    with pytest.raises(ValueError, match="rate_hz is 0"):
        SensorParams(rate_hz=0)
    with pytest.raises(ValueError, match="missing_fraction"):
        SensorParams(rate_hz=50, missing_fraction=1.0)
    with pytest.raises(ValueError, match="gaps_s"):
        SensorParams(rate_hz=50, gaps_s=((2.0, 1.0),))
    with pytest.raises(ValueError, match=r"stamp_step_s is 0\.05, expected less than the 0\.02 s"):
        SensorParams(rate_hz=50, stamp_step_s=0.05)
    for count in (0, 2.5, True):
        with pytest.raises(ValueError, match=f"count is {count}"):
            people(count, seed=1)
    with pytest.raises(ValueError, match="wrist of a person is"):
        replace(person, wrist="middle")
    with pytest.raises(ValueError, match="lost is a, repeated"):
        next(packets(session(person, seed=1, plan=PLAN), lost="a"))
    for minutes in (0.4, float("inf"), float("nan"), True):
        with pytest.raises(ValueError, match=f"minutes is {minutes!r}"):
            active(person, seed=1, minutes=minutes)
    for streams in ((), ("accel", "ppg"), ("accel", "accel")):
        with pytest.raises(ValueError, match="expected accel, gyro or both"):
            active(person, seed=1, streams=streams)
    with pytest.raises(ValueError, match="packet_s"):
        next(packets(session(person, seed=1, plan=PLAN), packet_s=0, seed=1))


def test_activities_can_be_told_apart_on_people_not_seen_before():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score

    tables = [_window_table(one, seed=50 + index) for index, one in enumerate(people(6, seed=8))]
    features, names = (np.concatenate([table[part] for table in tables[:4]]) for part in (0, 1))
    model = RandomForestClassifier(60, random_state=0).fit(features, names)
    unseen, truth = (np.concatenate([table[part] for table in tables[4:]]) for part in (0, 1))
    score = f1_score(truth, model.predict(unseen), average="macro")
    assert 0.7 < score < 0.995  # learnable, and not given away


def _window_table(person, *, seed):
    recording = session(person, seed=seed, plan=tuple((name, 16.0) for name in ACTIVITIES))
    values = np.hstack([recording.accel.values, recording.gyro.values])
    starts = np.arange(0, len(values) - 100, 50)
    windows = np.stack([values[start : start + 100] for start in starts])
    statistics = [windows.mean(axis=1), windows.std(axis=1), np.abs(np.diff(windows, axis=1)).mean(axis=1)]
    middle = recording.accel.time[starts + 50]
    rows = np.searchsorted(recording.labels["start_s"], middle, side="right") - 1
    return np.hstack(statistics), recording.labels["label"].to_numpy()[rows]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder, people(1, seed=3)[0])
    return folder


def motion_of(person, **sensor):
    return session(person, seed=RAW_SEED, plan=RAW_PLAN, sensor=replace(WATCH, stamp_jitter_s=0.0, **sensor))


def test_an_axivity_file_holds_the_motion_in_its_own_signs_at_the_rate_at_which_it_came(raw, person):
    ax3 = load(raw / "raw_axivity.cwa", zone=RAW_ZONE)
    truth = motion_of(person, rate_hz=98.6)
    assert ax3.start == RAW_START
    assert ax3.accel.rate_hz == pytest.approx(98.6, abs=0.01)
    assert len(ax3.accel) == len(truth.accel) // 120 * 120
    here = slice(len(ax3.accel))
    steps = np.where(np.abs(truth.accel.values[here]).max(axis=1) < 2, 1 / 256, 4 / 256)[:, None]
    assert (np.abs(ax3.accel.values + truth.accel.values[here]) <= 1.01 * steps).all()
    # A stamp holds at one sample; from there to the end of its block the stated rate is counted on.
    np.testing.assert_allclose(ax3.accel.time, truth.accel.time[here], atol=0.025)
    assert (ax3.wrist, set(ax3.findings["code"])) == (person.wrist, {"rate_differs", "frame_device"})


@given(st.lists(st.tuples(*[st.integers(-4088, 4088)] * 3), min_size=1, max_size=20))
def test_packed_counts_lose_no_more_than_their_exponent(counts):
    words = np.frombuffer(cwa_packed(np.array(counts)), "<u4")
    for word, count in zip(words.tolist(), counts, strict=True):
        scale = 2 ** (word >> 30)
        tens = [(word >> place) & 0x3FF for place in (0, 10, 20)]
        held = [(ten - 1024 if ten > 511 else ten) * scale for ten in tens]
        assert all(0 <= true - one < scale for true, one in zip(count, held, strict=True))
        assert scale == 1 or max(max(count) // (scale // 2), -1 - min(count) // (scale // 2)) > 511


def test_an_axivity_file_has_whole_blocks_alone():
    accel = np.zeros((250, 3))
    content = axivity_cwa(accel, rate_hz=100.0, local_start=datetime(2026, 1, 1), wrist="left")  # noqa: DTZ001
    assert len(content) == 1024 + 2 * 512


def test_an_empatica_session_holds_the_motion_some_seconds_late_and_streams_that_end_apart(raw, person):
    e4, truth = load(raw / "raw_empatica.zip"), motion_of(person, rate_hz=32.0)
    late = round((e4.start - RAW_START).total_seconds() * 32)
    expected = np.clip(truth.accel.values[late : late + len(e4.accel)], -127 / 64, 127 / 64)
    np.testing.assert_allclose(e4.accel.values, -expected, atol=0.51 / 64)
    assert len({stream.stop_s for stream in e4.streams.values()}) >= 4
    assert e4.heart_rate.start_s == 10.0
    assert set(e4.labels["label"]) == {"tag"}
    assert np.ptp(60 / e4.ibi.values) < 40
    assert len(e4.ibi.gaps) == 1  # while she walks and washes


def test_a_health_export_is_malformed_as_real_ones_are_and_counts_the_walk_twice(raw, person):
    text = (raw / "raw_health.xml").read_text()
    with pytest.raises(expat.ExpatError):
        expat.ParserCreate().Parse(text, True)
    health = load(raw / "raw_health.xml")
    truth = session(person, seed=RAW_SEED, plan=RAW_PLAN, streams=("heart_rate",)).heart_rate
    assert health.heart_rate.values.ravel().tolist() == truth.values.ravel().tolist()
    assert set(health["heart_rate_motion_context"].values.ravel()) == {0, 1, 2}
    assert health.labels["label"].tolist() == ["walking"]
    phone = [int(value) for value in re.findall(r'StepCount".*hardware:iPhone.*value="(\d+)"', text)]
    assert len(phone) == 3
    assert sum(phone) == pytest.approx(0.9 * health.steps.values[:, 0].sum(), rel=0.05)


def test_a_table_of_android_has_its_units_and_signs(raw, person):
    table = pd.read_csv(raw / "raw_android.csv")
    watch = motion_of(person, rate_hz=50.0)
    rest = table["epoch_ms"] < table["epoch_ms"].iloc[0] + 20_000
    length = np.linalg.norm(table.loc[rest, ["acc_x", "acc_y", "acc_z"]], axis=1)
    assert np.median(length) == pytest.approx(STANDARD_GRAVITY, rel=0.02)
    at_rest = watch.accel.values[:1000].mean(axis=0)
    mean = table.loc[rest, ["acc_x", "acc_y", "acc_z"]].mean().to_numpy()
    assert np.dot(mean, at_rest) / STANDARD_GRAVITY < -0.95
    fast = np.abs(table[["gyr_x", "gyr_y", "gyr_z"]].to_numpy()).max()
    assert fast == pytest.approx(np.degrees(np.abs(watch.gyro.values).max()), rel=0.02)


def test_the_sound_is_a_band_of_noise_that_is_not_clipped(raw):
    audio = load(raw / "raw_water.flac").audio
    power = np.abs(np.fft.rfft(audio.values[:, 0])) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / audio.rate_hz)
    assert power[(hz > 500) & (hz < 5_000)].sum() > 0.9 * power.sum()
    assert np.abs(audio.values).max() == pytest.approx(0.2, abs=1e-3)


def test_the_same_person_gives_the_same_raw_bytes(raw, tmp_path):
    write_raw(tmp_path, people(1, seed=3)[0])
    for path in raw.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_texts_of_formats_are_those_of_the_documents():
    now = pd.Timestamp("2026-03-02T08:00:00", tz="Europe/Paris")
    assert (
        empatica_csv(7.0, 32.0, np.array([[1.0, -2.0]]), decimals=0)
        == "7.000000, 7.000000\n32.000000, 32.000000\n1,-2\n"
    )
    record = health_record("HeartRate", "61", unit="count/min", span=(now, now), model="Watch6,2", context=2)
    assert 'startDate="2026-03-02 08:00:00 +0100"' in record
    assert "&lt;&lt;HKDevice" in record
    assert health_xml([record], exported=now).count("HeartRateMotionContext") == 1
    assert zipped({"a": "1"}) == zipped({"a": "1"})
