"""The wrist's own features: slow twins, motions whose answer is known, packets, costs."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import periodogram
from scipy.spatial.transform import Rotation
from scipy.stats import kurtosis

import wristkit as wk
from wristkit.features.wrist import WRIST, WristStream, wrist_costs, wrist_features, wrist_set
from wristkit.features.wrist.seen import SHARED, Seen, Shape

CHANNELS = tuple(f"{stream}_{axis}" for stream in ("accel", "gyro") for axis in "xyz")
RATE_HZ = 50.0


def of_day(samples=128, count=40, hop=37):
    """Return (count, 6, samples) of a simulated day."""
    recording = wk.sample("day_p01")
    whole = np.concatenate([recording[name].values for name in ("accel", "gyro")], axis=1).astype(np.float64)
    return np.stack([whole[first : first + samples].T for first in range(500, 500 + count * hop, hop)])


def features_of(values, **more):
    return wrist_features(values, channels=CHANNELS, rate_hz=RATE_HZ, **more)


def length(axes):
    return np.array([np.linalg.norm(axes[:, place]) for place in range(axes.shape[1])])


def jerk(window):
    return np.array([np.linalg.norm(window[:3, i + 1] - window[:3, i]) for i in range(window.shape[1] - 1)]) * RATE_HZ


def power_of(axes):
    lines = [periodogram(axis, fs=RATE_HZ, window="hann", detrend="constant", scaling="density") for axis in axes]
    at_hz = lines[0][0]
    return at_hz, sum(line for _, line in lines) * RATE_HZ / axes.shape[1]


def band(axes, low_hz, high_hz):
    at_hz, line = power_of(axes)
    return sum(value for at, value in zip(at_hz, line, strict=True) if low_hz <= at < high_hz)


def likeness(series, lag):
    centred = series - np.mean(series)
    first, later = centred[: len(series) - lag], centred[lag:]
    return np.dot(first, later) / np.sqrt(np.dot(first, first) * np.dot(later, later))


def lag_of(window):
    push = length(window[:3])
    first, last = int(np.ceil(RATE_HZ / 3.5)), min(int(RATE_HZ / 0.5), len(push) // 2)
    tops = {}
    for lag in range(first, last + 1):
        here = likeness(push, lag)
        if here > 0 and here >= likeness(push, lag - 1) and here > likeness(push, lag + 1):
            tops[lag] = here
    return min((lag for lag, here in tops.items() if here >= 0.85 * max(tops.values())), default=0)


def width_of(window):
    sharp = jerk(window)
    at = int(np.argmax(sharp))
    first = last = at
    while first > 0 and sharp[first - 1] >= sharp[at] / 2:
        first -= 1
    while last < len(sharp) - 1 and sharp[last + 1] >= sharp[at] / 2:
        last += 1
    return (last - first + 1) / RATE_HZ


def second_of(window):
    sharp = jerk(window)
    at = int(np.argmax(sharp))
    far = [(value, place) for place, value in enumerate(sharp) if abs(place - at) > 0.1 * RATE_HZ]
    value, place = max(far, key=lambda one: one[0])
    return value / sharp[at], abs(place - at) / RATE_HZ


def orders_of(window):
    push = length(window[:3])
    seen = [tuple(np.argsort(push[place : place + 3], kind="stable")) for place in range(len(push) - 2)]
    shares = pd.Series(seen).value_counts(normalize=True)
    return -float(np.sum(shares * np.log(shares))) / np.log(6)


def disorder_of(axes):
    line = power_of(axes)[1][1:]
    shares = [value / sum(line) for value in line]
    return -sum(share * np.log(share) for share in shares if share > 0) / np.log(len(shares))


def edge_of(axes):
    at_hz, line = power_of(axes)
    total, summed = sum(line[1:]), 0.0
    for at, value in zip(at_hz[1:], line[1:], strict=True):
        summed += value
        if summed >= 0.85 * total:
            return at
    raise AssertionError


TWINS = {
    "gravity_y": lambda w: w[1].mean(),
    "arm_elevation": lambda w: np.arcsin(-w[0].mean() / np.linalg.norm(w[:3].mean(axis=1))),
    "arm_roll": lambda w: np.arctan2(w[1].mean(), -w[2].mean()),
    "gravity_length": lambda w: np.linalg.norm(w[:3].mean(axis=1)),
    "motion": lambda w: np.mean([abs(one - length(w[:3]).mean()) for one in length(w[:3])]),
    "above_gravity": lambda w: np.mean([max(one - 1, 0) for one in length(w[:3])]),
    "still_share": lambda w: np.mean([abs(one - length(w[:3]).mean()) <= 0.05 for one in length(w[:3])]),
    "motion_z": lambda w: np.std(w[2]),
    "likeness_x_z": lambda w: np.corrcoef(w[0], w[2])[0, 1],
    "likeness_push_turn": lambda w: np.corrcoef(length(w[:3]), length(w[3:]))[0, 1],
    "power_1_to_3_hz": lambda w: band(w[:3], 1.0, 3.0),
    "turn_power_6_to_12_hz": lambda w: band(w[3:], 6.0, 12.0),
    "power_frequency": lambda w: power_of(w[:3])[0][1 + np.argmax(power_of(w[:3])[1][1:])],
    "turn_power_centre": lambda w: np.average(power_of(w[3:])[0][1:], weights=power_of(w[3:])[1][1:]),
    "power_disorder": lambda w: disorder_of(w[:3]),
    "turn_power_edge": lambda w: edge_of(w[3:]),
    "cadence": lambda w: RATE_HZ / lag_of(w) if lag_of(w) else 0.0,
    "regularity": lambda w: likeness(length(w[:3]), lag_of(w)) if lag_of(w) else 0.0,
    "order_disorder": orders_of,
    "jerk_usual": lambda w: np.median(jerk(w)),
    "jerk_peak": lambda w: max(jerk(w)),
    "tap_sharpness": lambda w: max(jerk(w)) / np.sqrt(np.mean(jerk(w) ** 2)),
    "tap_width": width_of,
    "second_tap": lambda w: second_of(w)[0],
    "time_between_taps": lambda w: second_of(w)[1],
    "jerk_tails": lambda w: kurtosis(jerk(w), fisher=False),
    "turn_speed": lambda w: np.mean(length(w[3:])),
    "turn_speed_spread": lambda w: np.std(length(w[3:])),
    "net_roll": lambda w: sum(w[3]) / RATE_HZ,
    "net_turn": lambda w: np.linalg.norm(w[3:].sum(axis=1)) / RATE_HZ,
    "turn_share_y": lambda w: sum(w[4] ** 2) / sum(length(w[3:]) ** 2),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_slow_twin_gives_the_same(name):
    values = of_day()
    expected = [TWINS[name](window) for window in values]
    np.testing.assert_allclose(features_of(values)[name], expected, rtol=1e-9, atol=1e-12)


# Motions whose answer is known

AT_S = np.arange(256) / RATE_HZ


def moving(x=0.0, y=0.0, z=-1.0, turn=(0.0, 0.0, 0.0)):
    lines = [np.broadcast_to(line, AT_S.shape) for line in (x, y, z, *turn)]
    return np.stack(lines)[None]


def test_a_swing_of_2_hz_has_that_cadence_and_frequency():
    found = features_of(moving(z=-1 + 0.3 * np.sin(2 * np.pi * 2 * AT_S))).iloc[0]
    assert found["cadence"] == pytest.approx(2.0)
    assert found["regularity"] > 0.99
    assert found["power_frequency"] == pytest.approx(2.0, abs=RATE_HZ / 256)
    assert found["power_1_to_3_hz"] > 100 * found["power_3_to_6_hz"]


def test_all_power_together_is_the_mean_square():
    swing = 0.3 * np.sin(2 * np.pi * 4.1 * AT_S)
    found = features_of(moving(z=-1 + swing)).iloc[0]
    bands = sum(found[name] for name in found.index if name.startswith("power_") and name.endswith("_hz"))
    assert bands == pytest.approx(np.mean(swing**2), rel=0.02)


def test_two_taps_are_told_from_one():
    one, two = (sum(0.8 * np.exp(-(((AT_S - at_s) / 0.015) ** 2)) for at_s in taps) for taps in ((2.0,), (2.0, 2.24)))
    single, double = (features_of(moving(z=-1 + tap)).iloc[0] for tap in (one, two))
    assert double["second_tap"] > 0.9
    assert single["second_tap"] < 0.1
    assert double["time_between_taps"] == pytest.approx(0.24, abs=0.03)
    assert single["tap_sharpness"] > 5
    assert single["tap_width"] <= 0.1


def test_a_raised_hand_points_up_and_a_turned_wrist_rolls():
    up = features_of(moving(x=-1.0, z=0.0)).iloc[0]
    assert up["arm_elevation"] == pytest.approx(np.pi / 2)
    turn = features_of(moving(turn=(1.5, 0.0, 0.0))).iloc[0]
    assert turn["net_roll"] == pytest.approx(1.5 * 256 / RATE_HZ)
    assert turn["turn_share_x"] == pytest.approx(1.0)
    half = np.where(AT_S[128] > AT_S, 0.0, -1.0)
    lifted = features_of(moving(x=half, z=-1 - half)).iloc[0]
    assert lifted["tilt_change"] == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("angle", [(0.3, 1.0, -2.0), (3.0, 0.1, 0.2)])
def test_how_the_watch_is_turned_matters_to_posture_and_axes_alone(angle):
    values = of_day(count=6)
    matrix = Rotation.from_rotvec(angle).as_matrix()
    parts = [np.einsum("ij,njs->nis", matrix, values[:, part]) for part in (slice(3), slice(3, 6))]
    turned = np.concatenate(parts, axis=1)
    before, after = features_of(values), features_of(turned)
    of_axes = (
        "gravity_x",
        "gravity_y",
        "gravity_z",
        "arm_",
        "motion_",
        "likeness_x",
        "likeness_y",
        "turn_share",
        "net_roll",
    )
    kept = [name for name in before if not name.startswith(of_axes)]
    assert len(kept) > 40
    pd.testing.assert_frame_equal(before[kept], after[kept], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -1.0, 1e6])
def test_what_never_moves_has_numbers_everywhere(value):
    found = features_of(np.full((2, 6, 64), value))
    assert np.isfinite(found.to_numpy()).all()
    nothing = [name for name in found if name.startswith(("power_", "turn_power", "likeness", "regularity", "cadence"))]
    assert (np.abs(found[nothing].to_numpy()) < 1e-15).all()


# Which features there are


def test_names_are_plain_and_there_are_about_sixty():
    assert 55 <= len(WRIST) <= 75
    for one in WRIST.values():
        assert one.name.isidentifier()
        assert one.meaning[0].isupper()
        assert "\n" not in one.meaning
        assert set(one.needs) <= set(SHARED)
        assert set(one.streams) <= {"accel", "gyro"}


def test_each_needs_what_it_says_and_costs_something():
    values = of_day(count=2)
    for one in WRIST.values():
        seen = Seen(values, channels=CHANNELS, rate_hz=RATE_HZ)
        one.compute(seen)
        assert set(vars(seen)) & set(SHARED) == set(one.needs), one.name
        assert one.operations(seen.shape) >= 1


def test_a_stream_alone_has_its_own_features():
    values = of_day(count=3)
    whole = features_of(values)
    for stream, part in (("accel", slice(3)), ("gyro", slice(3, 6))):
        alone = wrist_features(values[:, part], channels=CHANNELS[part], rate_hz=RATE_HZ)
        assert 10 < len(alone.columns) < len(whole.columns)
        pd.testing.assert_frame_equal(alone, whole[list(alone.columns)])
        assert all(set(WRIST[name].streams) == {stream} for name in alone)


def test_the_order_of_channels_does_not_matter():
    values = of_day(count=3)
    order = [4, 2, 0, 5, 1, 3]
    mixed = wrist_features(values[:, order], channels=[CHANNELS[place] for place in order], rate_hz=RATE_HZ)
    pd.testing.assert_frame_equal(mixed, features_of(values))


@pytest.mark.parametrize(("rate_hz", "samples", "absent"), [(20.0, 64, "power_12_to_25_hz"), (50.0, 20, "cadence")])
def test_what_a_window_cannot_tell_is_no_column(rate_hz, samples, absent):
    names = [one.name for one in wrist_set(CHANNELS, rate_hz=rate_hz, samples=samples)]
    assert absent in WRIST
    assert absent not in names
    assert "motion" in names


@pytest.mark.parametrize("samples", [4, 5, 7, 8, 9, 20, 33, 51])
def test_short_windows_have_finite_features(samples):
    assert np.isfinite(features_of(of_day(samples=samples)).to_numpy()).all()


# Packets


@given(
    cuts=st.lists(st.integers(0, 400), max_size=12),
    samples=st.sampled_from([16, 50, 64]),
    hop=st.sampled_from([1, 7, 16, 50, 64, 90]),
)
def test_packets_of_any_size_give_the_bits_of_whole_windows(cuts, samples, hop):
    recording = wk.sample("day_p02")
    whole = np.concatenate([recording[name].values[:400] for name in ("accel", "gyro")], axis=1)
    stream = WristStream(CHANNELS, rate_hz=RATE_HZ, samples=samples, hop=hop)
    edges = [0, *sorted(cuts), 400]
    rows = np.concatenate([stream.push(whole[a:b]) for a, b in pairwise(edges)])
    windows = np.stack([whole[first : first + samples].T for first in range(0, 400 - samples + 1, hop)])
    expected = features_of(windows)
    assert list(expected.columns) == list(stream.names)
    assert rows.tobytes() == expected.to_numpy().tobytes()


def test_after_a_gap_nothing_of_before_counts():
    values = of_day(count=1)[0].T
    stream = WristStream(CHANNELS, rate_hz=RATE_HZ, samples=64, hop=32)
    stream.push(values[:40] + 3)
    stream.reset()
    rows = stream.push(values[:64])
    assert rows.tobytes() == features_of(values[:64].T[None]).to_numpy().tobytes()


def test_some_features_alone_by_push():
    values = of_day(count=1)[0].T
    stream = WristStream(CHANNELS, rate_hz=RATE_HZ, samples=64, hop=64, only=["cadence", "jerk_peak"])
    assert set(stream.names) == {"cadence", "jerk_peak"}
    assert stream.push(values[:64]).shape == (1, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_refused_packet_moves_nothing(bad):
    values = of_day(count=1)[0].T
    stream = WristStream(CHANNELS, rate_hz=RATE_HZ, samples=64, hop=32)
    stream.push(values[:50])
    spoilt = values[50:70].copy()
    spoilt[3, 2] = bad
    with pytest.raises(ValueError, match="reset"):
        stream.push(spoilt)
    with pytest.raises(ValueError, match="expected \\(m, 6\\)"):
        stream.push(values[50:70, :5])
    assert stream.push(values[50:64]).tobytes() == features_of(values[:64].T[None]).to_numpy().tobytes()


# What it costs


def test_the_table_of_costs_is_complete():
    table = wrist_costs(CHANNELS, rate_hz=RATE_HZ, samples=128, hop=25)
    own = wrist_set(CHANNELS, rate_hz=RATE_HZ, samples=128)
    assert set(table.index) == {"samples", *SHARED, *(one.name for one in own)}
    assert table.index.is_unique
    assert not table.isna().any().any()
    assert (table["operations"].drop("samples") >= 1).all()
    assert table.loc["samples", "bytes"] == 128 * 6 * 4
    np.testing.assert_allclose(table["operations_a_second"], table["operations"] * 2)


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("still_share", 5 * 128 + 2 * 20),  # mean, difference, size, comparison, count; two divisions
        ("turn_speed_spread", 4 * 128 + 3 * 20),  # mean, difference, square, sum; two divisions, a root
        ("likeness_push_turn", 10 * 128 + 7 * 20),  # two means and differences, three products and sums; 5, 1, 1
        ("jerk_tails", 6 * 128 + 4 * 20),  # mean, difference, square and its sum, and again; four divisions
    ],
)
def test_operations_are_those_counted_by_hand(name, operations):
    assert wrist_costs(CHANNELS, rate_hz=RATE_HZ, samples=128, hop=25).loc[name, "operations"] == operations


def test_of_a_few_features_only_what_they_need_is_paid():
    table = wrist_costs(CHANNELS, rate_hz=RATE_HZ, samples=128, hop=25, only=["jerk_peak", "turn_speed"])
    assert set(table.index) == {"samples", "jerk", "speed", "jerk_peak", "turn_speed"}
    alone = wrist_costs(CHANNELS, rate_hz=RATE_HZ, samples=128, hop=25, only=["jerk_peak"])
    assert alone.loc["samples", "bytes"] == 128 * 3 * 4


def test_costs_grow_with_the_window_as_they_should():
    short, long = Shape(RATE_HZ, 128), Shape(RATE_HZ, 1024)
    for name, step in SHARED.items():
        assert 7.9 <= step.operations(long) / step.operations(short) <= 20, name


# What is refused


@pytest.mark.parametrize(
    "channels", [("ppg",), ("accel_x", "accel_y"), ("user_accel_x", "user_accel_y", "user_accel_z")]
)
def test_without_accel_or_gyro_there_is_no_wrist_set(channels):
    with pytest.raises(ValueError, match="needs accel_x"):
        wrist_features(np.zeros((2, len(channels), 64)), channels=channels, rate_hz=50.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_with_its_window(bad):
    values = of_day(count=5)
    values[3, 1, 7] = bad
    with pytest.raises(ValueError, match="window 3"):
        features_of(values)


def test_names_that_are_none_are_refused():
    with pytest.raises(ValueError, match="tap_hardness"):
        features_of(of_day(count=1), only=["tap_hardness"])
    with pytest.raises(ValueError, match="rate_hz is nan"):
        wrist_features(of_day(count=1), channels=CHANNELS, rate_hz=np.nan)
    with pytest.raises(ValueError, match="hop is 0"):
        WristStream(CHANNELS, rate_hz=50, samples=64, hop=0)
    with pytest.raises(ValueError, match="hop is 0"):
        wrist_costs(CHANNELS, rate_hz=50, samples=64, hop=0)
    with pytest.raises(ValueError, match="shape"):
        wrist_features(np.zeros((6, 64)), channels=CHANNELS, rate_hz=50.0)
