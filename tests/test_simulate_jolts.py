"""Jolts of everyday life: laid over any motion, as widely drawn as they say, and no taps."""

import numpy as np
import pytest

from wristkit.simulate import people
from wristkit.simulate.jolts import JOLT, JOLTS, jolt

CROWD = people(8, seed=7)
DRAWN = 60
RATE_HZ = 400.0


def some(label, **more):
    return [jolt(label, CROWD[place % 8], seed=[place, 5], **more) for place in range(DRAWN)]


@pytest.mark.parametrize("label", sorted(JOLTS))
def test_a_jolt_ends_where_it_began_and_presses_on_nothing(label):
    for one in some(label):
        assert one.label == label
        assert one.push.shape == one.turn.shape == (len(one.press), 3)
        assert np.isfinite(one.push).all()
        np.testing.assert_allclose(one.turn[[0, -1]], 0.0, atol=1e-3)
        np.testing.assert_allclose(one.push[-1], 0.0, atol=0.02)
        assert not one.press.any()
        assert one.start_s == 0.0
        assert 0.15 < one.stop_s < one.duration_s < 6.0


@pytest.mark.parametrize("label", sorted(JOLTS))
def test_the_same_seed_is_the_same_jolt(label):
    first, again, other = (jolt(label, CROWD[0], seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.push, again.push)
    np.testing.assert_array_equal(first.turn, again.turn)
    assert len(first.push) != len(other.push) or not np.array_equal(first.push, other.push)


@pytest.mark.parametrize("label", sorted(JOLTS))
def test_strength_is_drawn_widely(label):
    peaks = [max(np.abs(one.push).max(), 1e-9) for one in some(label)]
    low, high = np.quantile(peaks, [0.1, 0.9])
    assert high > 3 * low
    assert 0.02 < np.median(peaks) < 3.0
    assert max(peaks) < 12.0


def rate_of(one):
    """Return the turning rate (n,) in rad/s."""
    return np.linalg.norm(np.gradient(one.turn, axis=0) * one.rate_hz, axis=1)


def test_a_hand_moves_before_what_it_holds_knocks():
    for one in some("put_down"):
        way = np.linalg.norm(one.turn, axis=1)
        lands = int(np.argmax(way > 0.98 * np.median(way[way > 0.9 * way.max()])))
        assert lands > 0.1 * RATE_HZ
        before = rate_of(one)[: lands // 2 + 1]
        assert before.max() > 0.01
        assert np.abs(one.push[: lands // 2]).max() > 0


def test_what_sets_off_turns_at_once_and_stays_away_for_a_while():
    for one in some("set_off"):
        assert np.linalg.norm(one.turn, axis=1).max() >= 0.8 * JOLT["reach_rad"].low
        assert one.stop_s >= JOLT["rest_s"].low + JOLT["return_s"].low


def test_a_quick_turn_goes_to_and_fro_and_no_faster_than_a_forearm_may():
    for one in some("turned"):
        axis = one.turn[np.abs(one.turn).sum(axis=1).argmax()]
        along = one.turn @ axis / np.linalg.norm(axis)
        np.testing.assert_allclose(one.turn, np.outer(along, axis / np.linalg.norm(axis)), atol=1e-9)
        assert rate_of(one).max() <= 2 * 8.0  # a minimum-jerk turn is at most 1.875 times as fast as its mean
        speed = np.gradient(along)
        signs = np.sign(speed[np.abs(speed) > 1e-3 * np.abs(speed).max()])
        assert np.count_nonzero(np.diff(signs)) >= 1


def test_a_shake_keeps_to_its_band():
    for one in some("shaken"):
        spectrum = np.abs(np.fft.rfft(one.push[:, np.abs(one.push).max(axis=0).argmax()], 8192)) ** 2
        hz = np.fft.rfftfreq(8192, 1 / one.rate_hz)
        within = (hz > 0.5 * JOLT["shake_hz"].low) & (hz < 3.5 * JOLT["shake_hz"].high)
        assert spectrum[within].sum() > 0.9 * spectrum.sum()


def test_the_clock_is_the_one_asked_for():
    slow, fast = (jolt("turned", CROWD[1], seed=3, rate_hz=rate_hz) for rate_hz in (200.0, 800.0))
    assert slow.duration_s == pytest.approx(fast.duration_s, abs=0.01)
    np.testing.assert_allclose(slow.turn[:40], fast.turn[::4][:40], atol=1e-6)


def test_what_is_no_jolt_is_refused():
    with pytest.raises(ValueError, match="jolt is 'hug', expected one of"):
        jolt("hug", CROWD[0], seed=1)
    with pytest.raises(ValueError, match=r"rate_hz is 50\.0, expected at least 100"):
        jolt("shaken", CROWD[0], seed=1, rate_hz=50.0)
