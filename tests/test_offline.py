"""Offline resampling and filters against scipy and slow obvious twins, and what one bad sample costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly, sosfiltfilt

from wristkit.errors import RecordingError
from wristkit.filters import Filter
from wristkit.recording import Stream
from wristkit.signals import filter_offline, resample_offline

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
