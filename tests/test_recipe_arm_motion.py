"""Arm motion: smoothness against slow twins, posture against truth, tremor of known size, symmetry, and bad input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.datasets import recordings
from wristkit.errors import RecordingError
from wristkit.recipes import arm_motion
from wristkit.recipes.smoothness import log_dimensionless_jerk, sparc, tremor
from wristkit.recording import Recording, Stream
from wristkit.simulate import SensorParams, ideal, people, session
from wristkit.simulate.activities import minimum_jerk
from wristkit.simulate.exercises import ExerciseSet, workout

PERSON = people(1, seed=4)[0]
SIDES = [("left", "right"), ("left", "left"), ("right", "left"), ("right", "right")]


def speed_of(parts, rate_hz=100.0):
    """Return the speed of minimum-jerk movements of these (start_s, seconds, size), one over the other."""
    time_s = np.arange(round(max(start + lasts for start, lasts, _ in parts) * rate_hz) + 1) / rate_hz
    return np.gradient(sum(size * minimum_jerk((time_s - start) / lasts) for start, lasts, size in parts), time_s)


def of(recording, **values):
    streams = [
        recording[name].with_values(name, values.get(name, recording[name].values)) for name in ("accel", "gyro")
    ]
    return Recording.of(streams, wrist=recording.wrist, crown=recording.crown)


@pytest.fixture(scope="module")
def curls():
    plan = [("sitting", 8.0), ExerciseSet(exercise="biceps_curl", repetitions=6), ("sitting", 8.0)]
    return workout(PERSON, plan=plan, seed=2, streams=("accel", "gyro", "gravity", "attitude"))


# --- smoothness -----------------------------------------------------------------------------------------------------


def slow_sparc(speed, rate_hz):
    """Return the arc length as the paper defines it, with a Fourier sum written out at each frequency."""
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + 4)
    rows, places = np.arange(len(speed)), range(int(10.0 * size / rate_hz) + 1)
    heights = [
        abs(np.sum(speed * np.exp(-2j * np.pi * place * rows / size)))
        for place in places
        if place * rate_hz / size <= 10.0
    ]
    heights = np.array(heights) / heights[0]
    last = max(place for place, height in enumerate(heights) if height >= 0.05)
    total = 0.0
    for place in range(1, last + 1):
        total += np.sqrt((1 / last) ** 2 + (heights[place] - heights[place - 1]) ** 2)
    return -total


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0])
@pytest.mark.parametrize("parts", [[(0, 1.0, 1.0)], [(0, 1.0, 1.0), (0.6, 1.0, 0.5)], [(0, 0.4, 1.0), (0.5, 2.0, 3.0)]])
def test_sparc_is_that_of_the_slow_twin(parts, rate_hz):
    speed = speed_of(parts, rate_hz) + 0.01 * np.abs(
        np.random.default_rng(0).normal(size=len(speed_of(parts, rate_hz)))
    )
    assert sparc(speed, rate_hz) == pytest.approx(slow_sparc(speed, rate_hz), abs=1e-9)


def test_one_minimum_jerk_movement_has_the_published_sparc():
    assert sparc(speed_of([(0, 1.0, 1.0)]), 100.0) == pytest.approx(-1.41, abs=0.02)  # Balasubramanian et al. 2015


@settings(max_examples=25)
@given(st.floats(0.05, 50), st.floats(0.5, 3))
def test_smoothness_knows_neither_size_nor_duration(size, seconds):
    one, other = speed_of([(0, 1.0, 1.0)], 100 * seconds), speed_of([(0, seconds, size)])
    assert sparc(other, 100.0) == pytest.approx(sparc(speed_of([(0, seconds, 1.0)]), 100.0), abs=1e-9)
    jerk = log_dimensionless_jerk(other[:, None], 100.0)
    assert jerk == pytest.approx(log_dimensionless_jerk(one[:, None], 100 * seconds), abs=0.15)


def test_more_movements_in_one_are_less_smooth():
    made = [speed_of([(0.7 * one, 1.0, 1.0) for one in range(count)]) for count in range(1, 6)]
    assert (np.diff([sparc(one, 100.0) for one in made]) < 0).all()
    assert (np.diff([log_dimensionless_jerk(one[:, None], 100.0) for one in made]) < 0).all()


def test_jerk_is_that_of_the_formula():
    rate = speed_of([(0, 1.2, 2.0)])
    second = [(rate[k + 1] - 2 * rate[k] + rate[k - 1]) * 100.0**2 for k in range(1, len(rate) - 1)]
    expected = -np.log(sum(one**2 for one in second) / 100 * ((len(rate) - 1) / 100) ** 3 / max(rate) ** 2)
    assert log_dimensionless_jerk(rate[:, None], 100.0) == pytest.approx(expected, abs=1e-9)
    turned = np.outer(rate, [0.6, 0.0, -0.8])
    assert log_dimensionless_jerk(turned, 100.0) == pytest.approx(expected, abs=1e-9)


def test_what_does_not_move_has_no_smoothness():
    assert np.isnan(sparc(np.zeros(50), 50.0))
    assert np.isnan(log_dimensionless_jerk(np.zeros((50, 3)), 50.0))
    assert np.isnan(log_dimensionless_jerk(np.ones((3, 3)), 50.0))


@pytest.mark.parametrize("hz", [4.0, 5.25, 8.0, 11.0])
@pytest.mark.parametrize("rate_hz", [50.0, 104.0])
def test_tremor_of_a_known_size_is_found(hz, rate_hz):
    time_s = np.arange(round(4 * rate_hz)) / rate_hz
    wave = 0.3 * np.sin(2 * np.pi * hz * time_s)[:, None] * [0.6, 0.8, 0.0]
    found = tremor((wave + np.array([1.0, 0, 0]))[None], rate_hz)
    assert found.size[0] == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    assert found.peak_hz[0] == pytest.approx(hz, abs=0.25)
    assert found.share[0] > 0.98
    noise = tremor(np.random.default_rng(0).normal(size=(50, len(time_s), 3)), rate_hz)
    assert noise.share.max() < 0.6


# --- posture and movements ------------------------------------------------------------------------------------------


def true_elevation_deg(recording):
    """Return how far the hand's end of the forearm points up, from the simulator's own gravity."""
    sign = 1.0 if recording.crown != recording.wrist else -1.0
    return np.degrees(np.arcsin(-sign * recording.gravity.values[:, 0].astype(float)))


@pytest.mark.parametrize(("wrist", "crown"), SIDES)
@pytest.mark.parametrize("sensor", [ideal(100), SensorParams(rate_hz=50)], ids=["ideal", "a watch"])
def test_elevation_is_that_of_the_truth_however_it_is_worn(wrist, crown, sensor):
    made = session(
        replace(PERSON, wrist=wrist, crown=crown), seed=3, plan=[("reaching", 15.0), ("walking", 10.0)],
        sensor=sensor, streams=("accel", "gyro", "gravity"),
    )  # fmt: skip
    found = arm_motion.measure(made).posture
    off = found.values[:, 0] - true_elevation_deg(made)
    assert np.sqrt(np.mean(off**2)) < 1.5
    assert found.channels == arm_motion.POSTURE


def test_confidence_is_the_share_that_is_right(curls):
    posture = arm_motion.measure(curls).posture
    off = np.abs(posture.values[:, 0] - true_elevation_deg(curls))
    assert (off < 5).mean() >= posture.values[:, 3].mean() - 0.02
    assert ((posture.values[:, 3] >= 0) & (posture.values[:, 3] <= 1)).all()


def test_each_way_of_a_curl_is_a_movement(curls):
    found = arm_motion.measure(curls)
    truth = curls.labels[curls.labels["tier"] == "truth"]
    inside = found.movements[
        (found.movements["start_s"] >= truth["start_s"].min() - 0.5)
        & (found.movements["stop_s"] <= truth["stop_s"].max() + 0.5)
    ]
    assert found.movements.columns.tolist() == list(arm_motion.MOVEMENT_COLUMNS)
    assert len(truth) <= len(inside) <= 2 * len(truth)
    assert inside["range_deg"].median() == pytest.approx(115, abs=30)
    single = inside[inside["stop_s"] - inside["start_s"] < 1.4]
    assert single["sparc"].median() == pytest.approx(-1.41, abs=0.1)
    assert inside["confidence"].between(0.5, 1).all()


def test_ranges_are_percentiles_of_what_is_known(curls):
    found = arm_motion.measure(curls)
    truth = np.percentile(true_elevation_deg(curls), [5, 50, 95])
    np.testing.assert_allclose(found.ranges.loc["elevation_deg", ["p05", "p50", "p95"]], truth, atol=2)


def test_simulated_tremor_is_found_at_rest_alone():
    made = session(replace(PERSON, tremor_rad=4e-4, tremor_hz=9.0), seed=1, plan=[("resting", 20.0), ("walking", 20.0)])
    found = arm_motion.measure(made).tremor
    rest, walk = found[found["stop_s"] < 19], found[found["start_s"] > 21]
    assert rest["peak_hz"].median() == pytest.approx(9.0, abs=0.5)
    assert rest["confidence"].median() > 0.5
    assert (walk["confidence"] == 0).all()


def test_nothing_is_said_across_a_gap(curls):
    kept = (curls.gyro.time < 12) | (curls.gyro.time > 14)
    streams = [Stream.measured(name, curls[name].time[kept], curls[name].values[kept]) for name in ("accel", "gyro")]
    found = arm_motion.measure(Recording.of(streams, wrist="left", crown="right"))
    for table in (found.movements, found.tremor):
        assert not ((table["start_s"] < 12) & (table["stop_s"] > 14)).any()
    assert len(found.posture) == kept.sum()


# --- symmetry -------------------------------------------------------------------------------------------------------


def on(wrist, activity, seed=1):
    person = replace(PERSON, wrist=wrist, crown="right" if wrist == "left" else "left")
    return session(person, seed=seed, plan=[(activity, 40.0)])


def test_the_same_motion_of_both_arms_is_symmetric():
    found = arm_motion.symmetry(on("left", "walking"), on("right", "walking"))
    assert found.index.tolist() == list(arm_motion.SYMMETRY_ROWS)
    assert found["index"].drop("elevation_deg").abs().max() < 0.05
    assert abs(found.loc["elevation_deg", "index"]) < 2


def test_one_arm_that_rests_shows():
    found = arm_motion.symmetry(on("left", "resting"), on("right", "reaching"))
    assert found.loc["active_s", "index"] > 0.9
    assert found.loc["turned_rad", "index"] > 0.8
    swapped = arm_motion.symmetry(on("left", "reaching"), on("right", "resting"))
    assert swapped.loc["turned_rad", "index"] < -0.8


def test_symmetry_wants_two_wrists_that_share_time():
    left, right = on("left", "sitting"), on("right", "sitting")
    with pytest.raises(ValueError, match="in this order"):
        arm_motion.symmetry(right, left)
    with pytest.raises(ValueError, match="share no time"):
        arm_motion.symmetry(left.between(0, 10), right.between(20, 30))


# --- bad input ------------------------------------------------------------------------------------------------------


def test_an_unknown_side_has_no_elevation_and_says_so(curls):
    found = arm_motion.measure(Recording.of([curls.accel, curls.gyro]))
    assert "side_unknown" in set(found.findings["code"])
    assert np.isnan(found.posture.values[:, 0]).all()
    assert np.isfinite(found.posture.values[:, 1]).all()


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("gyro", np.degrees, "gyro_unit"),
        ("accel", lambda values: 9.80665 * values, "unit_contradicts"),
        ("accel", lambda values: values * [1, 0, 1] + [0, 0.3, 0], "constant_channel"),
        ("gyro", lambda values: values * [1, 0, 1], "constant_channel"),
    ],
)
def test_a_wrong_sensor_is_a_finding_and_no_figure(curls, name, change, code):
    found = arm_motion.measure(of(curls, **{name: change(curls[name].values)}))
    assert code in set(found.findings["code"])
    assert np.isnan(found.posture.values[:, :3]).all()
    assert (found.posture.values[:, 3] == 0).all()
    assert found.movements.empty
    assert found.tremor.empty
    assert found.ranges.isna().all(axis=None)


def test_an_axis_that_is_stuck_for_a_while_is_unknown_for_that_while(curls):
    accel = curls.accel.values.copy()
    stuck = (curls.accel.time > 11) & (curls.accel.time < 18)
    accel[stuck, 0] = accel[stuck, 0][0]
    found = arm_motion.measure(of(curls, accel=accel))
    assert "stuck" in set(found.findings["code"])
    assert np.isnan(found.posture.values[stuck][5:-5, :3]).all()
    assert np.isfinite(found.posture.values[curls.accel.time > 18.5, 0]).all()
    assert not ((found.movements["start_s"] < 17.9) & (found.movements["stop_s"] > 11.1)).any()


def test_a_device_on_the_table_has_no_posture():
    rng, time_s = np.random.default_rng(0), np.arange(0, 2 * 3600, 0.05)
    accel = np.array([0, 0, -1.0]) + 0.002 * rng.normal(size=(len(time_s), 3))
    gyro = 0.002 * rng.normal(size=(len(time_s), 3))
    found = arm_motion.measure(
        Recording.of([Stream.measured("accel", time_s, accel), Stream.measured("gyro", time_s, gyro)])
    )
    assert "not_worn" in set(found.findings["code"])
    assert np.isnan(found.posture.values[:, :3]).all()


def test_slow_sensors_show_no_tremor_and_slower_ones_are_refused():
    made = session(PERSON, seed=1, plan=[("walking", 10.0)], sensor=SensorParams(rate_hz=20))
    found = arm_motion.measure(made)
    assert "tremor_rate" in set(found.findings["code"])
    assert found.tremor.empty
    assert len(found.movements)
    slow = Recording.of([Stream.measured(name, made[name].time[::2], made[name].values[::2]) for name in made.streams])
    with pytest.raises(RecordingError, match="10 Hz") as caught:
        arm_motion.measure(slow)
    assert caught.value.code == "rate_too_low"
    with pytest.raises(RecordingError) as caught:
        arm_motion.measure(Recording.of([made.accel]))
    assert caught.value.code == "missing_stream"


def test_missing_samples_cost_their_own_rows(curls):
    gyro = curls.gyro.values.copy()
    gyro[300:320] = np.nan
    found = arm_motion.measure(of(curls, gyro=gyro))
    assert np.isnan(found.posture.values[300:320, :3]).all()
    assert np.isfinite(found.posture.values[340:, 0]).all()
    known = np.isfinite(found.rate.values).all(axis=1)
    assert not known[(found.rate.time > curls.gyro.time[301]) & (found.rate.time < curls.gyro.time[318])].any()


def test_lone_missing_samples_cut_no_movement_and_where_there_are_none_is_said(curls):
    gyro = curls.gyro.values.copy()
    gyro[::41] = np.nan
    whole, found = arm_motion.measure(curls), arm_motion.measure(of(curls, gyro=gyro))
    assert len(found.movements) == len(whole.movements)
    cut = arm_motion.measure(Recording.of([curls.gyro, curls.accel.between(0, 12)]))
    assert set(cut.findings["code"]) == {"missing", "side_unknown"}
    assert np.isnan(cut.posture.values[curls.gyro.time > 13, 1]).all()


# --- real trials ----------------------------------------------------------------------------------------------------


def up_of(x_up_deg, roll_deg):
    """Return (n, 3) the way up in the device's axes that two angles tell."""
    x, roll = np.radians(x_up_deg), np.radians(roll_deg)
    return np.column_stack([np.sin(x), np.cos(x) * np.sin(roll), np.cos(x) * np.cos(roll)])


def inclination_deg(trial):
    """Return the root mean square error of posture where the device moves and the reference is known."""
    found = arm_motion.measure(trial).posture.values.astype(float)
    w, a, b, c = trial["reference_attitude"].values.astype(float).T
    true = np.column_stack([2 * (a * c - w * b), 2 * (b * c + w * a), 1 - 2 * (a**2 + b**2)])
    scored = np.isfinite(true).all(axis=1) & np.any(
        [(trial.gyro.time >= row.start_s) & (trial.gyro.time <= row.stop_s) for row in trial.labels.itertuples()],
        axis=0,
    )
    off = np.linalg.norm(up_of(found[:, 1], found[:, 2]) - true, axis=1)[scored]
    assert np.isfinite(off).all()
    return float(np.degrees(np.sqrt(np.mean((2 * np.arcsin(off / 2)) ** 2))))


@pytest.mark.real_data
def test_real_inclination_is_within_one_and_a_half_degrees(real_data):
    found = {trial.source["file"]: inclination_deg(trial) for trial in recordings("broad", real_data / "broad")}
    assert len(found) == 5
    assert max(found.values()) <= 1.5, found
