"""Repetitions: simulated workouts counted, their truth exact, slow twins of what is counted with, and bad input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from wristkit.errors import RecordingError
from wristkit.evaluate import evaluate
from wristkit.events import EVENT_COLUMNS
from wristkit.recipes import reps
from wristkit.recipes.reps.likeness import lag_grid, matches, shapes, similarity, usual_shape
from wristkit.recording import Recording, Stream
from wristkit.simulate import SensorParams, ideal, people, session
from wristkit.simulate.exercises import EXERCISES, ExerciseSet, course, workout
from wristkit.simulate.gait import Gait, gait_session

PERSON = people(3, seed=60)[2]
PLAN = [("sitting", 8.0), ExerciseSet(exercise="biceps_curl", repetitions=8), ("standing_up", 6.0), ("sitting", 8.0),
        ExerciseSet(exercise="shoulder_press", repetitions=6), ("walking", 12.0)]  # fmt: skip


@pytest.fixture(scope="module")
def gym():
    return workout(PERSON, plan=PLAN, seed=1, streams=("accel", "gyro", "attitude"))


def of(recording, *, accel=None, gyro=None):
    """Return the recording with other values of a stream, or without gyro where that is False."""
    streams = [recording.accel if accel is None else recording.accel.with_values("accel", accel)]
    if gyro is not False:
        streams.append(recording.gyro if gyro is None else recording.gyro.with_values("gyro", gyro))
    return Recording.of(streams, labels=recording.labels, labelled=recording.labelled)


def counts(recording):
    table = reps.sets(recording)
    return table[table["kind"] == "set"]["repetitions"].tolist()


def near(found, true):
    return len(found) == len(true) and all(abs(one - other) <= 1 for one, other in zip(found, true, strict=True))


# --- the simulator --------------------------------------------------------------------------------------------------


def test_truth_of_a_workout_is_where_the_hand_leaves_and_is_back():
    one = ExerciseSet(exercise="biceps_curl", repetitions=5)
    made = workout(PERSON, plan=[one], seed=3, sensor=ideal(100), streams=("gyro",))
    labels = made.labels[made.labels["tier"] == "truth"]
    assert len(labels) == 5
    assert (labels["start_s"].to_numpy()[1:] >= labels["stop_s"].to_numpy()[:-1]).all()
    speed = np.linalg.norm(made.gyro.values, axis=1)
    lag_s = 0.35  # joints that follow the first one, and the filter of the sensor
    for row in labels.itertuples():
        within = (made.gyro.time > row.start_s) & (made.gyro.time < row.stop_s)
        edges = np.abs(made.gyro.time[:, None] - [row.start_s, row.stop_s]).min(axis=1) < 0.03
        assert speed[within].max() > 3
        assert speed[edges].max() < 0.35 * speed[within].max(), lag_s


def test_a_workout_repeats_bytes_and_differs_by_person_and_seed():
    plan = [ExerciseSet(exercise="squat", repetitions=4)]
    ids = {workout(one, plan=plan, seed=seed).id for one in people(2, seed=1) for seed in (0, 1)}
    assert len(ids) == 4
    assert workout(PERSON, plan=plan, seed=0).id == workout(PERSON, plan=plan, seed=0).id


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_each_exercise_can_be_done_by_a_body(name):
    made = workout(PERSON, plan=[ExerciseSet(exercise=name, repetitions=4)], seed=2, streams=("accel", "gyro"))
    assert np.linalg.norm(made.accel.values, axis=1).max() < 9
    assert np.linalg.norm(made.gyro.values, axis=1).max() < 16
    assert (made.labels["tier"] == "truth").sum() == 4


def test_a_set_lasts_as_its_course_says():
    held = course(ExerciseSet(exercise="push_up", repetitions=12, period_s=2.0), PERSON, seed=[1])
    rows = np.column_stack(held[:4])
    assert rows.shape == (12, 4)
    assert (np.diff(rows, axis=1) > 0).all()
    assert held.stop_s[-1] < held.duration_s
    assert np.diff(held.start_s).mean() == pytest.approx(2.0, rel=0.35)


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"exercise": "yoga"}, "yoga"), ({"repetitions": 0}, "0"), ({"period_s": 0.1}, "0.1"), ({"range_share": 9}, "9")],
)
def test_a_set_that_nobody_can_do_is_refused(fields, word):
    with pytest.raises(ValueError, match=word):
        ExerciseSet(**({"exercise": "squat", "repetitions": 3} | fields))


@pytest.mark.parametrize("plan", [[], [("flying", 9.0)], [("sitting", 1.0)]])
def test_a_plan_that_is_none_is_refused(plan):
    with pytest.raises(ValueError, match="plan"):
        workout(PERSON, plan=plan, seed=0)
    with pytest.raises(ValueError, match="streams"):
        workout(PERSON, plan=[("sitting", 5.0)], seed=0, streams=("ppg",))


# --- counting -------------------------------------------------------------------------------------------------------


def test_sets_of_a_workout_are_counted(gym):
    table = reps.sets(gym)
    assert table.columns.tolist() == list(reps.SET_COLUMNS)
    assert near(counts(gym), [8, 6])
    truth = gym.labels[gym.labels["tier"] == "set"].reset_index()
    found = table[table["kind"] == "set"].reset_index()
    assert (found["start_s"] - truth["start_s"]).abs().max() < 2.0
    assert (found["stop_s"] - truth["stop_s"]).abs().max() < 2.0
    assert found["confidence"].between(0.7, 1).all()


def test_rows_of_sets_and_rests_cover_the_recording(gym):
    table = reps.sets(gym)
    assert set(table["kind"]) == {"set", "rest"}
    edges = table[["start_s", "stop_s"]].to_numpy()
    np.testing.assert_allclose(edges[1:, 0], edges[:-1, 1])
    np.testing.assert_allclose(edges[[0, -1], [0, 1]], [gym.accel.start_s, gym.accel.stop_s])


def test_tempo_is_that_of_the_truth(gym):
    table = reps.sets(gym)
    found = table[table["kind"] == "set"]
    true = gym.labels[gym.labels["tier"] == "truth"]["start_s"].to_numpy()
    spans = gym.labels[gym.labels["tier"] == "set"]
    for one, span in zip(found.itertuples(), spans.itertuples(), strict=True):
        apart = np.diff(true[(true >= span.start_s) & (true <= span.stop_s)])
        assert one.tempo_s == pytest.approx(apart.mean(), rel=0.08)
        assert 0 < one.tempo_sd_s < 0.25 * one.tempo_s


def slow_range_deg(attitude, start_s, stop_s):
    """Return the greatest angle between the first attitude of a span and each later one, one by one."""
    rows = np.flatnonzero((attitude.time >= start_s) & (attitude.time < stop_s))
    first = Rotation.from_quat(attitude.values[rows[0]], scalar_first=True)
    return max(
        np.degrees((first.inv() * Rotation.from_quat(attitude.values[row], scalar_first=True)).magnitude())
        for row in rows
    )


def test_range_is_that_of_the_true_attitude(gym):
    table = reps.sets(gym)
    found = table[table["kind"] == "set"]
    truth = gym.labels[gym.labels["tier"] == "truth"]
    spans = gym.labels[gym.labels["tier"] == "set"]
    for one, span in zip(found.itertuples(), spans.itertuples(), strict=True):
        own = truth[(truth["start_s"] >= span.start_s - 1e-6) & (truth["stop_s"] <= span.stop_s + 1e-6)]
        true = np.median([slow_range_deg(gym["attitude"], row.start_s, row.stop_s) for row in own.itertuples()])
        assert one.range_deg == pytest.approx(true, abs=10)


def test_events_are_the_repetitions_of_the_sets(gym):
    events, table = reps.detect(gym), reps.sets(gym)
    assert events.columns.tolist() == list(EVENT_COLUMNS)
    assert len(events) == table["repetitions"].sum()
    assert set(events["label"]) == {reps.LABEL}
    assert (events["start_s"] < events["stop_s"]).all()
    assert (events["decided_s"] >= events["stop_s"]).all()
    assert events["score"].between(0.5, 1 + 1e-9).all()
    report = evaluate(events, gym, tolerance_s=1.0)
    assert report.recall >= 0.85


@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 100.0])
@pytest.mark.parametrize("gyro", [True, False])
def test_any_rate_will_do_and_the_gyroscope_is_not_needed(rate_hz, gyro):
    made = workout(PERSON, plan=PLAN, seed=1, sensor=SensorParams(rate_hz=rate_hz))
    made = made if gyro else of(made, gyro=False)
    assert near(counts(made), [8, 6])
    table = reps.sets(made)
    assert table[table["kind"] == "set"]["range_deg"].notna().all() == gyro


@pytest.mark.parametrize(("wrist", "crown"), [("left", "left"), ("right", "left"), ("right", "right")])
def test_it_does_not_matter_how_the_device_is_worn(wrist, crown):
    made = workout(replace(PERSON, wrist=wrist, crown=crown), plan=PLAN, seed=1)
    assert near(counts(made), [8, 6])


@pytest.mark.parametrize("activity", ["walking", "running", "sitting", "typing", "resting", "washing"])
def test_what_is_no_exercise_holds_no_set(activity):
    made = session(PERSON, seed=5, plan=[(activity, 60.0)])
    assert counts(made) == []
    assert reps.detect(made).empty


@pytest.mark.parametrize("gait", [Gait(0.6), Gait(1.0), Gait(1.2, "phone"), Gait(1.2, "handrail")])
def test_a_walk_of_any_kind_is_no_set(gait):
    for place, person in enumerate(people(3, seed=2026)):
        made = gait_session(person, [("sitting", 5.0), (gait, 40.0), ("sitting", 5.0)], seed=300 + place)
        assert counts(made) == []


def test_a_set_after_a_walk_stays_and_what_steps_cannot_read_is_kept(monkeypatch):
    made = workout(PERSON, plan=[("sitting", 5.0), (Gait(1.3), 20.0), *PLAN], seed=1)
    assert near(counts(made), [8, 6])

    def refused(_):
        raise RecordingError("not for steps", code="rate_too_low", remedy="none")

    monkeypatch.setattr(reps.steps, "bouts", refused)
    assert near(counts(made), [8, 6])


def test_a_gap_ends_a_set_and_is_unknown(gym):
    row = gym.labels[gym.labels["tier"] == "set"].iloc[0]
    middle_s = (row["start_s"] + row["stop_s"]) / 2
    cut = [(one.time < middle_s) | (one.time > middle_s + 1.5) for one in (gym.accel, gym.gyro)]
    streams = [
        Stream.measured(one.name, one.time[kept], one.values[kept])
        for one, kept in zip((gym.accel, gym.gyro), cut, strict=True)
    ]
    table = reps.sets(Recording.of(streams))
    unknown = table[table["kind"] == "unknown"]
    assert len(unknown) == 1
    assert unknown["start_s"].iloc[0] == pytest.approx(middle_s, abs=0.05)
    inside = table[(table["kind"] == "set") & (table["start_s"] < middle_s) & (table["stop_s"] > middle_s + 1.5)]
    assert inside.empty


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_dead_axis_is_a_finding_and_nothing_is_counted(gym):
    values = gym.accel.values.copy()
    values[:, 1] = 0.25
    made = of(gym, accel=values)
    assert "constant_channel" in set(reps.doubts(made)["code"])
    assert reps.detect(made).empty
    assert reps.sets(made)["kind"].tolist() == ["unknown"]


def test_a_wrong_unit_is_a_finding_and_nothing_is_counted(gym):
    made = of(gym, accel=9.80665 * gym.accel.values)
    assert "unit_contradicts" in set(reps.doubts(made)["code"])
    assert reps.detect(made).empty


def test_a_gyroscope_in_degrees_is_left_out_and_said(gym):
    made = of(gym, gyro=np.degrees(gym.gyro.values))
    assert set(reps.doubts(made)["code"]) == {"gyro_left_out"}
    table = reps.sets(made)
    assert near(table[table["kind"] == "set"]["repetitions"].tolist(), [8, 6])
    assert table["range_deg"].isna().all()


def test_a_device_on_the_table_is_unknown_and_not_at_rest():
    rng, time_s = np.random.default_rng(0), np.arange(0, 2 * 3600, 0.05)
    values = np.array([0, 0, -1.0]) + 0.002 * rng.normal(size=(len(time_s), 3))
    made = Recording.of([Stream.measured("accel", time_s, values)])
    assert reps.sets(made)["kind"].tolist() == ["unknown"]
    assert set(reps.doubts(made)["code"]) == {"not_worn"}


def test_missing_samples_and_sentinels_invent_nothing(gym):
    values = gym.accel.values.copy()
    values[::37] = np.nan  # one in 0.7 s: a gap of a sample is none
    assert near(counts(of(gym, accel=values)), [8, 6])
    values = gym.accel.values.copy()
    values[200:210] = 2**31
    assert near(counts(of(gym, accel=values)), [8, 6])


def test_where_nothing_was_recorded_is_unknown_and_said(gym):
    values = gym.accel.values.copy()
    values[gym.accel.time < 8] = np.nan
    made = of(gym, accel=values)
    assert set(reps.doubts(made)["code"]) == {"missing"}
    assert reps.sets(made)["kind"].iloc[0] == "unknown"
    none = of(gym, accel=np.full_like(gym.accel.values, np.nan))
    assert reps.sets(none)["kind"].tolist() == ["unknown"]
    assert reps.sets(made.between(10.0, 12.0))["kind"].tolist() == ["unknown"]  # too short to hold a set


def test_a_gyroscope_that_gave_nothing_is_left_out_and_said(gym):
    made = of(gym, gyro=np.full_like(gym.gyro.values, np.nan))
    assert set(reps.doubts(made)["code"]) == {"gyro_left_out"}
    assert near(counts(made), [8, 6])


def test_what_cannot_be_counted_in_is_refused(gym):
    with pytest.raises(RecordingError, match="accel") as caught:
        reps.detect(Recording.of([gym.gyro]))
    assert caught.value.code == "missing_stream"
    slow = Stream.measured("accel", gym.accel.time[::5], gym.accel.values[::5])
    with pytest.raises(RecordingError, match="10 Hz") as caught:
        reps.sets(Recording.of([slow]))
    assert caught.value.code == "rate_too_low"
    with pytest.raises(RecordingError) as caught:
        reps.sets(Recording.of([gym.accel.between(0, 0), gym.gyro]))
    assert caught.value.code == "empty"
    assert reps.detect(Recording.of([gym.accel.between(0, 2.0)])).empty


# --- slow twins -----------------------------------------------------------------------------------------------------


def slow_similarity(values, lag, centre):
    """Return the correlation of a window of two lags with the window one lag later, axis by axis."""
    window = 2 * lag
    first = centre - (window + lag) // 2
    if first < 0 or first + window + lag > len(values):
        return 0.0
    one, other = values[first : first + window], values[first + lag : first + lag + window]
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    return float(np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2)))


def test_similarity_is_that_of_the_slow_twin():
    rng = np.random.default_rng(2)
    time = np.arange(600)
    values = np.column_stack([np.sin(2 * np.pi * time / 47), np.cos(2 * np.pi * time / 47), rng.normal(size=600)])
    found = similarity(values, lags=(4, 120), hop=25)
    lags = lag_grid(4, 120)
    for centre, lag, value in zip(found.centre, found.lag, found.value, strict=True):
        if 180 <= centre <= 420:  # there is room for all lags
            every = [slow_similarity(values, int(one), int(centre)) for one in lags]
            place = slow_choice(every)
            assert lag == lags[place]
            assert value == pytest.approx(every[place], abs=1e-9)


def slow_choice(every):
    """Return the place of the shortest lag that is a peak after a dip of 0.25, and near the best of those."""
    peaks = [
        place
        for place in range(1, len(every) - 1)
        if every[place - 1] <= every[place] > every[place + 1] and every[place] - min(every[: place + 1]) >= 0.25
    ]
    best = max(every[place] for place in peaks)
    return next(place for place in peaks if every[place] >= 0.85 * best)


@settings(max_examples=20)
@given(st.integers(12, 90), st.floats(0.01, 100), st.integers(0, 1000))
@example(70, 1.0, 0)  # at one lag its similarity is 0
def test_a_period_is_found_whatever_the_size_and_the_axes(period, scale, seed):
    rng, time = np.random.default_rng(seed), np.arange(500)
    wave = np.column_stack([np.sin(2 * np.pi * time / period), np.sin(4 * np.pi * time / period + 1), 0 * time])
    turned = Rotation.random(random_state=seed).apply(wave) * scale + rng.normal(size=3)
    found = similarity(turned, lags=(4, 120), hop=50)
    plain = similarity(wave, lags=(4, 120), hop=50)
    np.testing.assert_array_equal(found.lag, plain.lag)
    np.testing.assert_allclose(found.value, plain.value, atol=1e-6)
    assert found.lag[5] == pytest.approx(period, rel=0.06, abs=1)


def test_shapes_are_those_of_plain_interpolation():
    values = np.random.default_rng(1).normal(size=(200, 2))
    at = np.array([3, 50, 199])
    cut = shapes(values, at, 20.0)
    for row, centre in enumerate(at):
        places = np.clip(centre + np.linspace(-0.5, 0.5, 32) * 20.0, 0, 199)
        for axis in range(2):
            plain = np.interp(places, np.arange(200), values[:, axis])
            np.testing.assert_allclose(cut[row, :, axis], plain - plain.mean(), atol=1e-12)


def test_the_usual_shape_is_that_of_most_and_matches_each_of_them():
    time = np.arange(400.0)
    values = np.column_stack([np.sin(2 * np.pi * time / 40), np.cos(2 * np.pi * time / 40)])
    values[160:200] *= -1  # one of ten is upside down
    centres = np.arange(20, 400, 40)
    usual = usual_shape(shapes(values, centres, 40.0))
    fits = np.sum(usual * shapes(values, centres, 40.0)[0])
    assert fits > 0
    at, alike = matches(values, usual, 40.0, least=0.9, apart=24)
    assert len(at) == 9
    assert (alike > 0.9).all()


def test_a_workout_knows_its_steps():
    made = workout(PERSON, plan=[(Gait(1.4), 20.0), ("sitting", 5.0), (Gait(2.8), 20.0)], seed=4)
    steps = made.labels[made.labels["tier"] == "step"]["start_s"].to_numpy()
    assert not ((steps > 20) & (steps < 25)).any()
    assert 25 < (steps <= 20).sum() < 50
    assert (steps >= 25).sum() > 1.2 * (steps <= 20).sum()
    names = made.labels[made.labels["tier"] == "activity"]["label"].tolist()
    assert names == ["walking", "sitting", "running"]
    assert counts(made) == []


def test_a_drift_has_no_period():
    rng, time = np.random.default_rng(3), np.arange(600.0)
    drift = np.column_stack([time, -0.5 * time]) + 0.3 * rng.normal(size=(600, 2))
    found = similarity(drift, lags=(4, 120), hop=20)
    assert np.isnan(found.lag).all()
    assert (found.value == 0).all()
