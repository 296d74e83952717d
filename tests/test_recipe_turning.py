"""Real motion turned about: it is felt along axes that turn, and what they turn by is felt too."""

from dataclasses import replace

import numpy as np
import pytest

from wristkit.recipes import turning
from wristkit.recipes.turning import turned
from wristkit.recording import Recording, Stream

RATE_HZ = 200.0


def of(accel, gyro):
    time_s = np.arange(len(accel)) / RATE_HZ
    streams = [Stream.measured("accel", time_s, accel), Stream.measured("gyro", time_s, gyro)]
    return Recording.of(streams, labelled={"truth": [(0.0, float(time_s[-1]))]}, subject="her")


@pytest.fixture(scope="module")
def still():
    down = np.tile([0.0, 0.0, -1.0], (2000, 1))
    return of(down, np.zeros((2000, 3)))


@pytest.fixture
def unpushed(monkeypatch):
    monkeypatch.setattr(turning, "_MOST_PUSH_G", 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_gravity_goes_round_as_fast_as_the_turning_rate_says(still, unpushed, seed):
    made = turned(still, seed=seed)
    down, rate = (np.asarray(made[name].values, dtype=np.float64) for name in ("accel", "gyro"))
    np.testing.assert_allclose(np.linalg.norm(down, axis=1), 1.0, atol=1e-5)
    felt = (down[2:] - down[:-2]) * RATE_HZ / 2  # of a direction that rests in the world, along axes that turn
    np.testing.assert_allclose(felt, -np.cross(rate, down)[1:-1], atol=0.02 * max(1.0, np.abs(rate).max() ** 2))
    assert np.abs(rate).max() > 0.1


def test_motion_keeps_its_size_and_its_hand_along_the_turned_axes(still, unpushed):
    rng = np.random.default_rng(1)
    accel, gyro = rng.normal(size=(2, 2000, 3))
    made, alone = turned(of(accel, gyro), seed=3), turned(still, seed=3)
    spun = np.asarray(made["gyro"].values, dtype=np.float64) - alone["gyro"].values
    felt = np.asarray(made["accel"].values, dtype=np.float64)
    np.testing.assert_allclose(np.linalg.norm(felt, axis=1), np.linalg.norm(accel, axis=1), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(spun, axis=1), np.linalg.norm(gyro, axis=1), atol=1e-4)
    np.testing.assert_allclose((spun * felt).sum(axis=1), (gyro * accel).sum(axis=1), atol=1e-3)
    down = np.asarray(alone["accel"].values, dtype=np.float64)
    handed = np.linalg.det(np.stack([felt, spun, down], axis=1))
    np.testing.assert_allclose(handed, np.linalg.det(np.stack([accel, gyro, still["accel"].values], axis=1)), atol=1e-3)


def test_it_is_pushed_too(still):
    pushes = [np.linalg.norm(turned(still, seed=seed)["accel"].values, axis=1) for seed in range(6)]
    assert max(np.abs(one - 1).max() for one in pushes) > 0.1
    assert all(np.abs(one - 1).max() < 3 for one in pushes)


def test_in_some_steps_nothing_moves(still, unpushed):
    rates = [np.linalg.norm(turned(still, seed=seed)["gyro"].values, axis=1) for seed in range(8)]
    assert 0.02 < np.mean([(one < 0.1 * one.max()).mean() for one in rates]) < 0.4
    assert turning._moves(np.random.default_rng(0), 4000).mean() == pytest.approx(0.7, abs=0.03)


def test_a_seed_gives_the_same_and_another_one_another(still):
    assert turned(still, seed=5).id == turned(still, seed=5).id != turned(still, seed=6).id
    made = turned(still, seed=5)
    assert made.subject == "her"
    np.testing.assert_array_equal(made.labelled["truth"], still.labelled["truth"])


def test_a_gap_stays_and_a_missing_value_is_missing(still):
    kept = np.r_[0:500, 700:2000]
    time_s = np.arange(2000)[kept] / RATE_HZ
    values = np.asarray(still["accel"].values)[kept].copy()
    values[10] = np.nan
    streams = [Stream.measured(name, time_s, of) for name, of in (("accel", values), ("gyro", np.zeros_like(values)))]
    holed = Recording.of(streams)
    made = turned(holed, seed=1)
    np.testing.assert_array_equal(made["accel"].gaps, holed["accel"].gaps)
    assert np.isnan(made["accel"].values).all(axis=1).tolist() == np.isnan(values).all(axis=1).tolist()


def test_a_stream_that_would_not_turn_along_is_refused(still):
    gravity = replace(still["accel"], name="gravity")
    with pytest.raises(ValueError, match="expected accel and gyro alone"):
        turned(still.with_streams(gravity), seed=1)
