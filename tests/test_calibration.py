"""Gain and offset recovered from still moments, at least as well as the published method, and what is refused."""

import numpy as np
import pytest

from wristkit.errors import RecordingError
from wristkit.load import load
from wristkit.recording import Recording, Stream
from wristkit.signals import calibrate, gravity_split

RATE_HZ = 20.0
NOISE_G = 0.004


def directions(count, rng):
    points = rng.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def lying(seed=0, *, gain=1.0, offset_g=0.0, count=60, poses=None, slope=0.0, quantum=0.0):
    """A device that lies 30 s in each of many poses and is turned about in between, as it reads with its errors."""
    rng = np.random.default_rng(seed)
    poses = directions(count, rng) if poses is None else np.asarray(poses, dtype=float)
    still, moving = round(30 * RATE_HZ), round(10 * RATE_HZ)
    true = np.concatenate(
        [np.concatenate([np.tile(pose, (still, 1)), rng.normal(0, 0.5, (moving, 3)) + pose]) for pose in poses]
    )
    time_s = np.arange(len(true)) / RATE_HZ
    degc = 25 + 8 * np.sin(2 * np.pi * time_s / 1500)
    read = (true - offset_g - slope * (degc - 25)[:, None]) / gain + rng.normal(0, NOISE_G, true.shape)
    read = np.round(read / quantum) * quantum if quantum else read
    streams = [Stream.measured("accel", time_s, read)]
    return Recording.of([*streams, Stream.measured("temperature", time_s[::20], degc[::20])] if slope else streams)


def wrong(seed):
    rng = np.random.default_rng(100 + seed)
    return 1 + rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.08, 0.08, 3)


def van_hees(recording, rounds=1000):
    """The published steps: to the closest point on the sphere, one weighted regression an axis, again and again."""
    values = np.asarray(recording["accel"].values, dtype=float)
    size = round(10 * RATE_HZ)
    windows = values[: len(values) // size * size].reshape(-1, size, 3)
    means = windows.mean(axis=1)[(windows.std(axis=1) < 0.013).all(axis=1)]
    scale, offset, weights, before = np.ones(3), np.zeros(3), np.ones(len(means)), np.inf
    for _ in range(rounds):
        current = means * scale + offset
        length = np.linalg.norm(current, axis=1, keepdims=True)
        closest = current / length
        for axis in range(3):
            slope, intercept = np.polyfit(current[:, axis], closest[:, axis], 1, w=np.sqrt(weights))
            offset[axis] = intercept + offset[axis] * slope
            scale[axis] *= slope
        weights = np.minimum(1 / np.maximum(np.abs(np.linalg.norm(current - closest, axis=1)), 1e-12), 100)
        error = np.mean(np.abs(length - 1))
        if abs(before - error) < 1e-10:
            break
        before = error
    return scale, offset


@pytest.mark.parametrize("seed", range(10))
def test_gain_and_offset_are_recovered_at_least_as_well_as_published(seed):
    gain, offset_g = wrong(seed)
    recording = lying(seed, gain=gain, offset_g=offset_g)
    found = calibrate(recording)
    assert np.abs(found.gain / gain - 1).max() < 0.002
    assert np.abs(found.offset_g - offset_g).max() < 0.002
    scale, offset = van_hees(recording)
    assert np.abs(found.gain - gain).max() <= np.abs(scale - gain).max() + 2e-4
    assert np.abs(found.offset_g - offset_g).max() <= np.abs(offset - offset_g).max() + 2e-4
    assert found.residual_after_g < 0.002 < found.residual_before_g
    assert found.windows > 100


def test_six_sides_are_enough():
    sides = np.concatenate([np.eye(3), -np.eye(3)])
    found = calibrate(lying(1, gain=1.03, offset_g=0.05, poses=sides))
    np.testing.assert_allclose(found.gain, 1.03, rtol=0.002)
    np.testing.assert_allclose(found.offset_g, 0.05, atol=0.002)
    assert (found.coverage_g[0] < -0.3).all()
    assert (found.coverage_g[1] > 0.3).all()


def test_coarse_steps_and_some_windows_that_are_wrong_do_not_lead_away():
    gain, offset_g = wrong(3)
    recording = lying(3, gain=gain, offset_g=offset_g, quantum=1 / 256)
    values = np.array(recording["accel"].values)
    values[: round(120 * RATE_HZ)] += np.float32(0.1)  # carried at an even pace around a bend
    found = calibrate(Recording.of([recording["accel"].with_values("accel", values)]))
    assert np.abs(found.gain / gain - 1).max() < 0.004
    assert np.abs(found.offset_g - offset_g).max() < 0.004


def test_warmth_is_told_apart():
    gain, offset_g = wrong(4)
    found = calibrate(lying(4, gain=gain, offset_g=offset_g, slope=0.001))
    at_25 = found.offset_g + found.slope_g_per_degc * (25 - found.temperature_degc)
    np.testing.assert_allclose(found.slope_g_per_degc, 0.001, atol=1e-4)
    np.testing.assert_allclose(at_25, offset_g, atol=0.002)
    assert not calibrate(lying(4, gain=gain, offset_g=offset_g)).slope_g_per_degc.any()


@pytest.mark.parametrize("wild", [1e12, 6553.5])
def test_a_temperature_that_no_wrist_gives_counts_as_missing(wild):
    recording = lying(2, slope=0.002)
    temperature = recording["temperature"]
    found = []
    for value in (wild, np.nan):
        degc = temperature.values.copy()
        degc[100] = value
        changed = recording.with_streams(temperature.with_values("temperature", degc))
        fit = calibrate(changed)
        found.append((fit.temperature_degc, *fit.slope_g_per_degc, *fit.apply(changed).accel.values.max(axis=0)))
    assert found[0] == found[1]
    beyond = recording.with_streams(temperature.with_values("temperature", np.full(temperature.values.shape, wild)))
    assert np.isnan(calibrate(beyond).temperature_degc)
    with pytest.raises(RecordingError) as caught:
        calibrate(recording).apply(beyond)
    assert caught.value.code == "missing_values"


def test_what_is_applied_has_gravity_of_1_g_and_says_so():
    gain, offset_g = wrong(5)
    recording = lying(5, gain=gain, offset_g=offset_g, slope=0.001)
    found = calibrate(recording)
    done = found.apply(recording)
    again = calibrate(Recording.of([done["accel"]]))
    np.testing.assert_allclose(again.gain, 1, atol=0.001)
    np.testing.assert_allclose(again.offset_g, 0, atol=0.001)
    row = done.findings[done.findings["code"] == "calibrated"].iloc[0]
    assert f"{found.windows} still windows" in row["note"]
    assert recording["accel"].values is not done["accel"].values
    with pytest.raises(RecordingError, match="one too many"):
        found.apply(done)
    with pytest.raises(RecordingError, match="no stream 'temperature'"):
        found.apply(Recording.of([recording["accel"]]))


def test_an_orientation_that_is_missing_is_named():
    up = [[0.1, 0, 0.99], [0.5, 0.4, 0.8], [-0.5, -0.4, 0.8], [0.4, -0.5, 0.8], [-0.4, 0.5, 0.8]]
    with pytest.raises(RecordingError, match=r"none has z below -0\.3 g") as caught:
        calibrate(lying(poses=up))
    assert caught.value.code == "calibration_coverage"


def spoiled(values, recording):
    return Recording.of([recording["accel"].with_values("accel", values)])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda values: values * 0 + 1, "calibration_windows"),  # stuck: it never changes at all
        (lambda values: values * np.nan, "calibration_windows"),
        (lambda values: values * 0 + 1e-40, "calibration_windows"),
        (lambda values: values * 9.81, "calibration_windows"),  # m/s2
        (lambda values: np.clip(values, -0.5, 0.5), "calibration_residual"),
    ],
)
def test_what_is_no_gravity_is_refused(spoil, code):
    recording = lying()
    with pytest.raises(RecordingError) as caught:
        calibrate(spoiled(spoil(np.asarray(recording["accel"].values)), recording))
    assert caught.value.code == code


def test_one_bad_sample_costs_its_own_window():
    gain, offset_g = wrong(6)
    recording = lying(6, gain=gain, offset_g=offset_g)
    values = np.array(recording["accel"].values)
    values[100, 0], values[1000, 1], values[2000] = np.nan, 1e12, -1e12
    whole, holed = calibrate(recording), calibrate(spoiled(values, recording))
    assert whole.windows - 3 <= holed.windows < whole.windows
    np.testing.assert_allclose(holed.gain, whole.gain, atol=5e-4)


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", ["ggirread/ax3_testfile.cwa", "openmovement/example-610-steps.cwa", "skdh/ax3_sample.cwa"]
)
def test_short_recordings_of_real_devices_are_refused(real_data, name):
    with pytest.raises(RecordingError) as caught:
        calibrate(load(real_data / "devices" / name))
    assert caught.value.code in {"calibration_windows", "calibration_coverage"}


# Gravity apart


def tilting(seconds=60, rate_hz=50.0):
    time_s = np.arange(0, seconds, 1 / rate_hz)
    angle = 0.5 * np.sin(2 * np.pi * time_s / 40)
    gravity = np.column_stack([np.sin(angle), 0 * angle, -np.cos(angle)])
    shake = 0.2 * np.sin(2 * np.pi * 4 * time_s)[:, None] * [1, 0, 0]
    return Recording.of([Stream.measured("accel", time_s, gravity + shake)]), gravity, shake


def test_slow_turns_are_gravity_and_shakes_are_not():
    recording, gravity, shake = tilting()
    split = gravity_split(recording, cutoff_hz=0.4)
    lag = round(0.56 * 50)
    np.testing.assert_allclose(split["gravity"].values[lag + 100 :], gravity[100:-lag], atol=0.03)
    assert np.std(split["user_accel"].values[100:, 0]) == pytest.approx(np.std(shake[:, 0]), rel=0.1)
    together = split["gravity"].values + split["user_accel"].values
    np.testing.assert_allclose(together, recording["accel"].values, atol=1e-6)
    note = split.findings[split.findings["code"] == "gravity_split"].iloc[0]["note"]
    assert "no fusion" in note
    assert "lags by 0.56" in note


def test_it_is_causal_and_a_missing_value_ends_its_stretch_alone():
    recording, _, _ = tilting()
    values = np.array(recording["accel"].values)
    values[1000], values[2000] = np.nan, 1e12
    holed = gravity_split(spoiled(values, recording), cutoff_hz=0.4)["gravity"].values
    whole = gravity_split(recording, cutoff_hz=0.4)["gravity"].values
    np.testing.assert_array_equal(holed[:1000], whole[:1000])
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(holed).any(axis=1)), [1000, 2000])
    np.testing.assert_allclose(holed[1001], values[1001], atol=1e-6)  # settled on its first value


def test_what_the_device_tells_itself_is_not_replaced():
    recording, gravity, _ = tilting()
    told = recording.with_streams(recording["accel"].with_values("gravity", gravity))
    with pytest.raises(RecordingError, match="gravity") as caught:
        gravity_split(told, cutoff_hz=0.4)
    assert caught.value.code == "duplicate_stream"


def test_samples_left_out_are_refused_as_of_any_filter():
    recording, _, _ = tilting()
    accel = recording["accel"]
    kept = np.random.default_rng(0).random(len(accel)) > 0.3
    with pytest.raises(RecordingError, match="resample_offline") as caught:
        gravity_split(Recording.of([Stream.measured("accel", accel.time[kept], accel.values[kept])]), cutoff_hz=0.4)
    assert caught.value.code == "missing_samples"


@pytest.mark.parametrize("times", [1.5, 0.7])
def test_a_unit_that_is_wrong_is_no_gain(times):
    with pytest.raises(RecordingError, match=r"gain of x, y, z would be .*within 20% of 1") as caught:
        calibrate(lying(gain=times))
    assert caught.value.code == "calibration_residual"


def test_two_samples_far_apart_are_no_rest():
    slow = Stream.uniform("accel", lying()["accel"].values[::100], rate_hz=1e-9)
    with pytest.raises(RecordingError, match=r"accel has 1e-09 Hz, expected 5 or more") as caught:
        calibrate(Recording.of([slow]))
    assert caught.value.code == "rate"
