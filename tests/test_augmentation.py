"""Augmentation: each kind against its definition, by itself, by name of channel; and the picture of it."""

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wristkit.condition import WRIST_SIGNS, Conditioning, Frame, Resample, Source
from wristkit.filters import Derivative, Moving
from wristkit.train import SENSORS, Augmentation, augment
from wristkit.view import draw_augmentation
from wristkit.windows import Windows

AXES = ("x", "y", "z")
KINDS = [field.name for field in dataclasses.fields(Augmentation)]
ACCEL, PPG, GYRO, MEL = slice(0, 3), slice(3, 4), slice(4, 7), slice(7, 9)


def conditioned(*filters, frame="device", extra=()):
    sources = (
        Source("accel", AXES, "g", 0.1),
        Source("ppg", ("ppg",), "1", 0.2),
        Source("gyro", AXES, "rad/s", 0.1),
        Source("mel", ("0", "1"), "log power", 0.1),
        *extra,
    )
    return Conditioning(sources, (Frame(frame), Resample(50.0), *filters))


def noise(count=64, samples=100, channels=9, seed=0):
    return np.random.default_rng(seed).normal(size=(count, channels, samples)).astype(np.float32)


def only(**wanted):
    return dataclasses.replace(Augmentation.off(), **wanted)


def varied(wanted, values=None, *, conditioning=None, seed=1):
    values = noise() if values is None else values
    return augment(values, conditioning or conditioned(), np.random.default_rng(seed), wanted)


def test_switched_off_it_changes_nothing_and_gives_new_arrays():
    values = noise()
    same = varied(Augmentation.off(), values)
    np.testing.assert_array_equal(same, values)
    assert not np.shares_memory(same, values)
    assert list(Augmentation.off().single()) == []
    assert [name for name, _ in Augmentation().single()] == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_pure_function_of_array_and_seed(kind):
    wanted = dict(Augmentation().single())[kind]
    values = noise()
    before = values.copy()
    first, again, other = (varied(wanted, values, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, values)
    assert first.dtype == np.float32


def test_switching_one_off_leaves_the_others_as_they_were():
    values = noise()
    both = varied(only(bias=1.0, noise=1.0), values) - values
    parts = [varied(one, values) - values for one in (only(bias=1.0), only(noise=1.0))]
    np.testing.assert_allclose(both, sum(parts), atol=1e-6)
    turned = varied(only(rotation_rad=0.2), values)
    np.testing.assert_array_equal(varied(only(rotation_rad=0.2, dropout=0.0), values), turned)


def test_mirrored_windows_are_worn_on_one_of_four_sides():
    """Of every window, each vector has the signs of one side; gyro those times the handedness, nothing else changes."""
    values = noise(400)
    after = varied(only(mirror=1.0), values)
    found = []
    for before_one, after_one in zip(values, after, strict=True):
        fits = []
        for side, signs in WRIST_SIGNS.items():
            polar = np.array(signs)[:, None]
            axial = polar * np.prod(signs)
            fits += [side] * bool(
                np.allclose(after_one[ACCEL], polar * before_one[ACCEL], atol=1e-6)
                and np.allclose(after_one[GYRO], axial * before_one[GYRO], atol=1e-6)
            )
        found.append(fits)
    assert all(len(fits) == 1 for fits in found)
    counts = {side: sum(fits == [side] for fits in found) for side in WRIST_SIGNS}
    assert min(counts.values()) > 60
    np.testing.assert_array_equal(after[:, PPG], values[:, PPG])
    np.testing.assert_array_equal(after[:, MEL], values[:, MEL])


def test_a_share_is_mirrored_and_none_in_the_frame_of_the_wrist():
    values = noise(400)
    moved = (varied(only(mirror=0.4), values) != values).any(axis=(1, 2)).mean()
    assert 0.2 < moved < 0.4  # one side of four is the one it was
    same = varied(only(mirror=1.0), values, conditioning=conditioned(frame="wrist"))
    np.testing.assert_array_equal(same, values)


def test_the_strap_turns_all_vectors_of_a_window_alike_by_angles_as_stated():
    values = noise(600)
    after = varied(only(rotation_rad=0.15), values, conditioning=conditioned(frame="wrist"))
    angles = []
    for before_one, after_one in zip(values, after, strict=True):
        maps = [np.linalg.lstsq(before_one[part].T, after_one[part].T, rcond=None)[0].T for part in (ACCEL, GYRO)]
        np.testing.assert_allclose(maps[0], maps[1], atol=1e-5)
        np.testing.assert_allclose(maps[0] @ maps[0].T, np.eye(3), atol=1e-5)
        assert np.linalg.det(maps[0]) == pytest.approx(1, abs=1e-5)
        angles.append(np.arccos(np.clip((np.trace(maps[0]) - 1) / 2, -1, 1)))
    assert np.sqrt(np.mean(np.square(angles))) == pytest.approx(0.15, rel=0.1)


def test_what_is_no_vector_is_not_turned():
    values = noise()
    for filters in ((Moving("std", 0.2),), (Moving("max", 0.2), Moving("mean", 0.2))):
        same = varied(only(mirror=1.0, rotation_rad=0.3), values, conditioning=conditioned(*filters))
        np.testing.assert_array_equal(same, values)
    for filters in ((Moving("mean", 0.2),), (Derivative(),)):
        moved = varied(only(mirror=1.0, rotation_rad=0.3), values, conditioning=conditioned(*filters))
        assert not np.allclose(moved[:, ACCEL], values[:, ACCEL])
    attitude = Source("attitude", ("w", *AXES), "1", 0.1)
    beside = conditioned(extra=(attitude,))
    values = noise(channels=13)
    same = varied(only(mirror=1.0, rotation_rad=0.3), values, conditioning=beside)
    np.testing.assert_array_equal(same, values)


@given(st.integers(3, 200), st.floats(0.01, 0.9), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_time_goes_on_within_its_pace_and_ends_stay(samples, most, seed):
    ramp = np.broadcast_to(np.arange(samples, dtype=np.float32), (5, 9, samples)).copy()
    after = varied(only(time_warp=most), ramp, seed=seed)
    np.testing.assert_allclose(after[:, :, [0, -1]], ramp[:, :, [0, -1]], atol=1e-4 * samples)
    pace = np.diff(after, axis=2)
    assert pace.min() >= 1 - most - 1e-4
    assert pace.max() <= 1 + most + 1e-4
    np.testing.assert_array_equal(after, after[:, :1].repeat(9, axis=1))  # all streams share their time


def test_warped_time_reads_along_straight_lines():
    """The slow twin: places by a ramp, values by interpolation of each channel."""
    values = noise(6)
    ramp = np.broadcast_to(np.arange(100, dtype=np.float32), values.shape).copy()
    places, after = varied(only(time_warp=0.5), ramp), varied(only(time_warp=0.5), values)
    for window in range(6):
        for channel in range(9):
            wanted = np.interp(places[window, channel], np.arange(100), values[window, channel])
            np.testing.assert_allclose(after[window, channel], wanted, atol=1e-4)


def test_a_warped_attitude_stays_a_unit_quaternion():
    attitude = conditioned(extra=(Source("attitude", ("w", *AXES), "1", 0.1),))
    values = noise(channels=13)
    values[:, 9:] /= np.linalg.norm(values[:, 9:], axis=1, keepdims=True)
    after = varied(only(time_warp=0.5, gain=0.3), values, conditioning=attitude)
    np.testing.assert_allclose(np.linalg.norm(after[:, 9:], axis=1), 1, atol=1e-5)


def test_gain_keeps_the_mean_and_is_one_for_all_streams():
    values = noise(800) + 3
    after = varied(only(gain=0.1), values)
    np.testing.assert_allclose(after[:, :7].mean(axis=2), values[:, :7].mean(axis=2), atol=1e-4)
    gains = after[:, :7].std(axis=2) / values[:, :7].std(axis=2)
    np.testing.assert_allclose(gains, gains[:, :1].repeat(7, axis=1), rtol=1e-4)
    assert np.log(gains[:, 0]).std() == pytest.approx(0.1, rel=0.1)
    louder = (after - values)[:, MEL]
    np.testing.assert_allclose(louder, 2 * np.log(gains)[:, :1, None].repeat(2, 1).repeat(100, 2), atol=1e-3)


@pytest.mark.parametrize(("part", "unit"), [(ACCEL, "g"), (GYRO, "rad/s"), (MEL, "log power")])
def test_bias_and_noise_are_as_large_as_stated(part, unit):
    values = noise(800)
    bias = (varied(only(bias=2.0), values) - values)[:, part]
    np.testing.assert_allclose(bias, bias[:, :, :1].repeat(100, axis=2), atol=1e-5)
    assert bias[:, :, 0].std() == pytest.approx(2 * SENSORS[unit].bias, rel=0.1)
    white = (varied(only(noise=3.0), values) - values)[:, part]
    assert white.std() == pytest.approx(3 * SENSORS[unit].noise, rel=0.05)
    assert abs(np.corrcoef(white[:, 0, :-1].ravel(), white[:, 0, 1:].ravel())[0, 1]) < 0.02
    same = varied(only(bias=2.0, noise=3.0), values)
    np.testing.assert_array_equal(same[:, PPG], values[:, PPG])  # whose unit says nothing of its sensor


def test_a_lost_packet_is_a_straight_line_no_longer_than_what_is_no_gap():
    values = noise(500)
    after = varied(only(dropout=0.3), values)
    for part, longest in ((ACCEL, 4), (GYRO, 4), (PPG, 9)):
        lost = (after[:, part] != values[:, part]).any(axis=1)
        assert lost.any(axis=1).mean() == pytest.approx(0.3, abs=0.07)
        lengths = lost.sum(axis=1)
        assert lengths.max() == longest
        assert not lost[:, [0, -1]].any()
        for window in np.flatnonzero(lengths):
            (places,) = np.nonzero(lost[window])
            assert len(places) == places[-1] - places[0] + 1
            kept = np.setdiff1d(np.arange(100), places)
            for channel in range(part.start, part.stop):
                wanted = np.interp(places, kept, values[window, channel, kept])
                np.testing.assert_allclose(after[window, channel, places], wanted, atol=1e-5)


def test_streams_lose_packets_apart():
    lost = varied(only(dropout=0.5), noise(400)) != noise(400)
    accel, gyro = lost[:, ACCEL].any(axis=(1, 2)), lost[:, GYRO].any(axis=(1, 2))
    assert abs(np.corrcoef(accel, gyro)[0, 1]) < 0.15


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_windows_of_a_few_samples_are_varied_too(samples):
    assert np.isfinite(varied(Augmentation(dropout=1.0), noise(samples=samples))).all()


@pytest.mark.parametrize(
    "wrong",
    [{"mirror": 2}, {"mirror": True}, {"rotation_rad": -1}, {"time_warp": 1.0}, {"dropout": 1.1}, {"gain": np.nan}],
    ids=str,
)
def test_an_amplitude_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .* expected a number from 0"):
        Augmentation(**wrong)


def test_windows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, 9, samples\)"):
        varied(Augmentation(), noise(channels=8))


def cut():
    conditioning, count = conditioned(), 4
    text = np.full(count, "a", dtype=object)
    return Windows(
        values=noise(count),
        labels=text,
        label_fraction=np.ones(count),
        subjects=text,
        recordings=text,
        start_s=np.arange(4.0),
        stop_s=np.arange(4.0) + 2,
        channels=conditioning.channels,
        rate_hz=50.0,
        hop_s=1.0,
        conditioning=conditioning,
        dropped={},
    )


def test_the_picture_has_a_row_for_each_kind_and_a_column_for_each_stream():
    before = dict(mpl.rcParams)
    chosen = cut()
    figure = draw_augmentation(chosen, place=2)
    panes = np.array(figure.axes).reshape(len(KINDS), 4)
    assert [ax.get_ylabel().removesuffix(" alone") for ax in panes[:, 0]] == KINDS
    mirrored = panes[0, 0].get_lines()
    np.testing.assert_allclose([line.get_ydata() for line in mirrored[:3]], chosen.values[2, ACCEL])
    np.testing.assert_allclose(np.abs([line.get_ydata() for line in mirrored[3:]]), np.abs(chosen.values[2, ACCEL]))
    bias = [line.get_ydata() for line in panes[KINDS.index("bias"), 2].get_lines()]
    assert len(bias) == 3
    assert np.ptp(bias, axis=1).max() < 1e-5
    assert figure.png().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    fewer = draw_augmentation(chosen, augmentation=only(gain=0.2))
    assert len(fewer.axes) == 4


def test_a_picture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="switch one on"):
        draw_augmentation(cut(), augmentation=Augmentation.off())
    with pytest.raises(ValueError, match="one of the 4 windows"):
        draw_augmentation(cut(), place=4)
