"""Offline resampling and filters against scipy and slow obvious twins, and what one bad sample costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly, sosfiltfilt

from wristkit.errors import RecordingError
from wristkit.filters import Derivative, Filter, Moving
from wristkit.recording import Stream
from wristkit.signals import continuous_attitude, filter_offline, resample_offline
from wristkit.signals.motion import motion_energy

LOWPASS = Filter("lowpass", (5.0,))


def wander(samples, *, seed=0):
    return np.random.default_rng(seed).normal(0, 0.01, (samples, 3)).cumsum(axis=0) - [0, 0, 1]


def accel(values, time_s=None, *, rate_hz=100.0):
    return Stream.measured("accel", np.arange(len(values)) / rate_hz if time_s is None else time_s, values)


def waves(time_s):
    return np.column_stack([np.sin(2 * np.pi * 3 * time_s), np.cos(2 * np.pi * 5 * time_s), 0 * time_s - 1])


# Resampling


@pytest.mark.parametrize("down", [2, 4, 5])
def test_even_stamps_give_what_resample_poly_gives(down):
    stream = accel(wander(2000))
    new = resample_offline(stream, 100 / down)
    twin = resample_poly(np.asarray(stream.values, dtype=float), 1, down, axis=0, padtype="line")
    np.testing.assert_allclose(new.values, twin[: len(new)], atol=1e-6)
    np.testing.assert_array_equal(new.time, np.arange(len(new)) * down / 100)


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 64.0, 200.0])
def test_jittered_stamps_give_the_signal_itself_on_the_grid(rate_hz):
    time_s = 0.0137 + np.arange(3000) / 100 + np.random.default_rng(1).uniform(-0.003, 0.003, 3000)
    new = resample_offline(accel(waves(time_s), time_s), rate_hz)
    np.testing.assert_allclose(new.time * rate_hz, np.round(new.time * rate_hz), atol=1e-9)
    inner = slice(round(rate_hz), -round(rate_hz))
    np.testing.assert_allclose(new.values[inner], waves(new.time)[inner], atol=0.004)


def test_what_the_new_rate_cannot_hold_is_gone():
    time_s = np.arange(6000) / 100
    hum = np.sin(2 * np.pi * 18 * time_s)
    new = resample_offline(Stream.measured("ppg", time_s, hum), 20.0)
    assert np.abs(new.values[40:-40]).max() < 0.01  # read off without a filter it would be a wave of 2 Hz


def test_gaps_stay_gaps_and_each_stretch_stands_alone():
    values, time_s = wander(1000), np.arange(1000) / 100
    kept = (time_s < 3) | (time_s >= 4.005)
    whole = resample_offline(accel(values[kept], time_s[kept]), 50.0)
    np.testing.assert_allclose(whole.gaps, [[2.98, 4.02]])
    assert not ((whole.time > 3) & (whole.time < 4)).any()
    alone = resample_offline(accel(values[:300]), 50.0)
    np.testing.assert_array_equal(whole.values[: len(alone)], alone.values)


def test_a_gap_shorter_than_the_new_period_is_still_a_gap():
    values, time_s = wander(1000), np.arange(1000) / 100
    kept = (time_s < 3) | (time_s >= 3.2)
    assert len(accel(values[kept], time_s[kept]).gaps) == 1
    assert len(resample_offline(accel(values[kept], time_s[kept]), 2.0).gaps) == 1


@given(place=st.integers(0, 499), length=st.integers(1, 40), channel=st.integers(0, 2))
def test_missing_samples_cost_what_lies_between_their_neighbours_in_their_channel(place, length, channel):
    values = wander(500)
    values[place : place + length, channel] = np.nan
    new = resample_offline(accel(values), 50.0)
    lost = np.isnan(new.values)
    assert not np.delete(lost, channel, axis=1).any()
    missing = (new.time > (place - 1.001) / 100) & (new.time < (place + length + 0.001) / 100)
    assert not lost[~missing].any()
    assert lost[(new.time >= place / 100) & (new.time <= (place + length - 1) / 100), channel].all()


def test_a_stated_clock_stays_stated():
    sound = Stream.uniform("audio", np.sin(np.arange(48000) / 20), rate_hz=48000, start_s=0.25)
    new = resample_offline(sound, 16000)
    assert new.is_uniform
    assert (new.start_s, new.rate_hz, len(new)) == (0.25, 16000, 16000)


@pytest.mark.parametrize("rate_hz", [0, -1, np.nan, np.inf])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(ValueError, match="rate_hz"):
        resample_offline(accel(wander(100)), rate_hz)


def test_a_value_that_no_wrist_gives_is_refused_and_named():
    values = wander(500)
    values[123, 1] = 1e12
    for attempt in (lambda: resample_offline(accel(values), 50), lambda: filter_offline(accel(values), LOWPASS)):
        with pytest.raises(RecordingError, match=r"1 samples outside -200 to 200 g.*at 1\.230 s") as caught:
            attempt()
        assert (caught.value.code, caught.value.row) == ("implausible", 123)


@pytest.mark.parametrize(("name", "wild"), [("ppg", 1e12), ("mel", 1e12), ("mel", -40.0), ("strain", -1e11)])
def test_what_no_converter_gives_is_refused_of_any_stream(name, wild):
    values = np.full((500, 40 if name == "mel" else 1), 3.0)
    values[123, 0] = wild
    stream = Stream.measured(name, np.arange(500) / 100, values, unit="1" if name == "strain" else None)
    for attempt in (lambda: resample_offline(stream, 50), lambda: filter_offline(stream, LOWPASS)):
        with pytest.raises(RecordingError, match=r"1 samples outside .* at 1\.230 s") as caught:
            attempt()
        assert caught.value.code == "implausible"


@pytest.mark.parametrize("near_s", [1e-9, 1e-6, 2e-5, 9e-5])
@pytest.mark.parametrize("repeats", [1, 5])
def test_stamps_that_nearly_coincide_do_not_ring(near_s, repeats):
    time_s = 0.003 + np.arange(2000) / 100
    extra_s = time_s[1000] + near_s * np.arange(1, repeats + 1)
    all_s = np.insert(time_s, 1001, extra_s)
    values = np.insert(waves(time_s), 1001, waves(extra_s) + 0.02 * (-1.0) ** np.arange(repeats)[:, None], axis=0)
    inner = slice(50, -50)
    for rate_hz in (50.0, 100.0):
        new = resample_offline(accel(values, all_s), rate_hz)
        np.testing.assert_allclose(new.values[inner], waves(new.time)[inner], atol=0.03)


def test_one_sample_is_no_signal():
    with pytest.raises(RecordingError, match="1 samples"):
        resample_offline(accel(wander(1)), 50.0)


@pytest.mark.parametrize("level", [0.0, 1e-40, 1.0, -1e-300])
def test_constants_and_denormals_stay_what_they_are(level):
    stream = accel(np.full((400, 3), level))
    for made in (resample_offline(stream, 50.0), filter_offline(stream, LOWPASS)):
        np.testing.assert_allclose(made.values, np.float32(level), rtol=1e-6, atol=1e-44)


BURSTS_S = (np.arange(4000) // 5) * 0.09 + (np.arange(4000) % 5) * 1e-5
PAIRS_S = np.sort(np.concatenate([np.arange(2000) / 50, np.arange(2000) / 50 + 0.0199999]))[1:-1]


@pytest.mark.parametrize("time_s", [BURSTS_S, PAIRS_S], ids=["bursts", "pairs"])
def test_stamps_of_which_most_nearly_coincide_do_not_ring(time_s):
    values = np.random.default_rng(0).normal(0, 0.01, (len(time_s), 3)) - [0, 0, 1]
    new = resample_offline(accel(values, time_s), 50.0).values
    away, given_away = (np.abs(one - np.array([0, 0, -1])).max() for one in (new, values))
    assert away < 2 * given_away
    assert np.abs(motion_energy(accel(values, time_s)).values).max() < 0.4


@pytest.mark.parametrize("rate_hz", [1e9, 1e-9, "50", None])
def test_a_rate_of_no_sensor_is_refused_in_words(rate_hz):
    with pytest.raises(ValueError, match=r"rate_hz is .*expected 0\.001 to 100000 samples a second"):
        resample_offline(accel(wander(100)), rate_hz)


def test_more_than_memory_holds_is_refused_in_words():
    fast = Stream.uniform("accel", wander(100), rate_hz=1e9)
    with pytest.raises(RecordingError, match="2e\\+07 times as many") as caught:
        resample_offline(fast, 50.0)
    assert caught.value.code == "rate"
    slow = Stream.uniform("accel", wander(100), rate_hz=1e-4)
    with pytest.raises(RecordingError, match=r"9\.9e\+10 samples on the way to 100000 Hz") as caught:
        resample_offline(slow, 1e5)
    assert caught.value.code == "rate"


# Filters


@pytest.mark.parametrize("filter_", [LOWPASS, Filter("highpass", (0.5,), 4), Filter("bandpass", (0.5, 8.0), 3)])
def test_without_gaps_it_is_sosfiltfilt(filter_):
    stream = accel(wander(3000))
    twin = sosfiltfilt(filter_.coefficients(stream.rate_hz).sos, np.asarray(stream.values, dtype=float), axis=0)
    np.testing.assert_allclose(filter_offline(stream, filter_).values, twin, atol=1e-6)


def test_it_has_no_delay_and_halves_the_edge():
    time_s = np.arange(4000) / 100
    edge = filter_offline(Stream.measured("ppg", time_s, np.sin(2 * np.pi * 5 * time_s)), LOWPASS).values[:, 0]
    inner = slice(500, -500)
    np.testing.assert_allclose(edge[inner], 0.5 * np.sin(2 * np.pi * 5 * time_s)[inner], atol=1e-3)


def slow_twin(stream, filter_):
    """Filter each run of finite samples between gaps by itself, sample by sample found."""
    result, ends = np.full(stream.values.shape, np.nan), set(np.searchsorted(stream.time, stream.gaps[:, 1]).tolist())
    sos = filter_.coefficients(stream.rate_hz).sos
    for channel in range(stream.values.shape[1]):
        run = []
        for row in range(len(stream) + 1):
            broken = row == len(stream) or row in ends or not np.isfinite(stream.values[row, channel])
            if broken and len(run) >= 3 * (2 * len(sos) + 1) + 1:
                result[run, channel] = sosfiltfilt(sos, stream.values[run, channel].astype(float))
            run = [] if broken else run
            if row < len(stream) and np.isfinite(stream.values[row, channel]):
                run.append(row)
    return result


@given(
    holes=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 20), st.integers(0, 2)), max_size=5), gap=st.booleans()
)
def test_each_stretch_is_filtered_as_if_it_were_alone(holes, gap):
    values, time_s = wander(300), np.arange(300) / 100
    for place, length, channel in holes:
        values[place : place + length, channel] = np.nan
    time_s[200:] += 5.0 if gap else 0.0
    stream = accel(values, time_s)
    np.testing.assert_allclose(filter_offline(stream, LOWPASS).values, slow_twin(stream, LOWPASS), atol=1e-6)


def test_samples_left_out_are_refused_with_the_cure():
    time_s = np.delete(np.arange(500) / 100, [100, 101])
    with pytest.raises(RecordingError, match=r"1 steps .* at 0\.990 s.*resample_offline"):
        filter_offline(accel(wander(498), time_s), LOWPASS)
    filter_offline(resample_offline(accel(wander(498), time_s), 50.0), LOWPASS)


@pytest.mark.parametrize("step", [Derivative(), Moving("mean", 0.1)])
def test_a_step_that_means_something_else_backwards_is_refused_by_name(step):
    with pytest.raises(TypeError, match=rf"filter_ is {type(step).__name__}\(.*use run\(\)"):
        filter_offline(accel(wander(500)), step)


# Attitude


def turning(samples=2000, *, rate_hz=100.0):
    """Unit quaternions of a device that tumbles, of one sign throughout, as stamps (n,) and values (n, 4)."""
    time_s = np.arange(samples) / rate_hz
    half = 1.3 * time_s + 0.4 * np.sin(time_s)
    axis = np.array([0.6, 0.0, 0.8])
    return time_s, np.column_stack([np.cos(half), np.sin(half)[:, None] * axis])


def jumping(quaternions):
    """The same as a device writes it that keeps w above 0."""
    return quaternions * np.where(quaternions[:, :1] < 0, -1, 1)


def attitude(time_s, quaternions):
    return Stream.measured("attitude", time_s, quaternions)


@pytest.mark.parametrize("rate_hz", [50.0, 64.0, 200.0])
def test_an_attitude_that_jumps_in_sign_is_read_off_as_one_that_does_not(rate_hz):
    time_s, smooth = turning()
    assert (np.linalg.norm(np.diff(jumping(smooth), axis=0), axis=1) > 1).sum() > 5
    new = resample_offline(attitude(time_s, jumping(smooth)), rate_hz)
    np.testing.assert_allclose(np.linalg.norm(new.values, axis=1), 1, atol=1e-6)
    north = Stream.measured("attitude_north", time_s, jumping(smooth), channels=tuple("wxyz"), unit="1")
    np.testing.assert_array_equal(resample_offline(north, rate_hz).values, new.values)
    np.testing.assert_allclose(new.values, resample_offline(attitude(time_s, smooth), rate_hz).values, atol=1e-6)
    expected = np.column_stack([np.interp(new.time, time_s, column) for column in smooth.T])
    np.testing.assert_allclose(new.values[20:-20], expected[20:-20], atol=1e-3)


def test_an_attitude_that_jumps_in_sign_is_filtered_as_one_that_does_not():
    time_s, smooth = turning()
    found, expected = (filter_offline(attitude(time_s, one), LOWPASS) for one in (jumping(smooth), smooth))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)


def test_an_attitude_that_lacks_one_number_is_missing():
    time_s, smooth = turning()
    lacking = jumping(smooth)
    lacking[500, 2] = np.nan
    new = resample_offline(attitude(time_s, lacking), 50.0)
    lost = np.isnan(new.values)
    assert (lost.all(axis=1) == lost.any(axis=1)).all()
    assert 1 <= lost.any(axis=1).sum() <= 2
    np.testing.assert_allclose(np.linalg.norm(new.values[~lost.any(axis=1)], axis=1), 1, atol=1e-6)


@given(cuts=st.lists(st.integers(0, 300), max_size=6), holes=st.lists(st.integers(0, 299), max_size=8))
def test_the_sign_of_an_attitude_is_that_of_any_partition(cuts, holes):
    values = jumping(np.random.default_rng(0).normal(size=(300, 4)))
    values[holes] = np.nan
    whole = continuous_attitude(values)
    parts, before = [], None
    for first, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
        parts.append(continuous_attitude(values[first:stop], before=before))
        held = parts[-1][np.isfinite(parts[-1]).all(axis=1)]
        before = held[-1] if len(held) else before
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(np.abs(whole), np.abs(values))
    kept = whole[np.isfinite(whole).all(axis=1)]
    assert (np.sum(kept[1:] * kept[:-1], axis=1) >= -1e-12).all()
    assert kept[0, 0] >= 0


def test_the_sign_of_an_attitude_begins_anew_after_a_gap():
    time_s, smooth = turning(600)
    kept = (time_s < 2) | (time_s >= 4)
    whole = resample_offline(attitude(time_s[kept], jumping(smooth)[kept]), 50.0)
    alone = resample_offline(attitude(time_s[time_s >= 4], jumping(smooth)[time_s >= 4]), 50.0)
    np.testing.assert_array_equal(whole.values[whole.time > 3], alone.values)
