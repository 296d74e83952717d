"""What inspect finds in samples, what it lets pass, and what check_units refuses."""

from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat

import wristkit as wk
from wristkit.audio import FLOOR, MelParams
from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream
from wristkit.signals import check_units, inspect
from wristkit.signals.clock import find_rate_changes
from wristkit.signals.pieces import bin_means, extremes, pieces, runs
from wristkit.signals.units import PLAUSIBLE, measure_turning
from wristkit.store import open_native, save

G = 9.80665
BLOCK = 2**18
FACE_UP = np.array([0.0, 0.0, 1.0])


def noise(size, *, scale=0.004, seed=0):
    return np.random.default_rng(seed).normal(0, scale, size)


def resting(seconds=20, rate_hz=50, *, seed=0):
    """Acceleration in g of a watch that lies face up."""
    return noise((round(seconds * rate_hz), 3), seed=seed) - FACE_UP


def stream(values, *, name="accel", rate_hz=50.0, **more):
    return Stream.measured(name, np.arange(len(values)) / rate_hz, values, **more)


def codes(*streams):
    return set(inspect(Recording.of(streams)).findings["code"]) - {"rate_stated"}


def row(code, *streams):
    findings = inspect(Recording.of(streams)).findings
    found = findings[findings["code"] == code]
    assert len(found) == 1
    return found.iloc[0]


def refusal(*streams):
    with pytest.raises(RecordingError) as caught:
        check_units(inspect(Recording.of(streams, source={"file": "walk.zip"})))
    assert "walk.zip" in str(caught.value)
    return caught.value


# The whole


def messy(rate_hz=50):
    """A recording with most of what can be wrong."""
    accel, gyro = resting(60, rate_hz) * G, noise((60 * rate_hz, 3), scale=0.01)
    accel[100:110] = np.nan
    gyro[500:1000] = gyro[500]
    time_s = np.delete(np.arange(60 * rate_hz) / rate_hz, np.r_[70:73, 200:230])
    kept = np.round(time_s * rate_hz).astype(int)
    return Recording.of(
        [Stream.measured("accel", time_s, accel[kept]), Stream.measured("gyro", time_s, gyro[kept])], subject="p1"
    )


def test_findings_are_added_once_and_nothing_else_changes():
    before = messy()
    once = inspect(before)
    assert {"gaps", "missing_samples", "missing_values", "stuck", "unit_contradicts"} == set(once.findings["code"])
    assert inspect(once) is once
    assert before.findings.empty
    assert once.id == before.id
    assert once.streams["accel"] is before.streams["accel"]
    assert once.findings["remedy"].str.len().gt(0).all()
    assert once.findings["note"].str.len().gt(0).all()


def test_what_was_found_before_stays_first():
    once = inspect(messy())
    told = inspect(messy().with_findings(once.findings.iloc[[2]]))
    assert sorted(told.findings["code"]) == sorted(once.findings["code"])
    assert told.findings.iloc[0]["code"] == once.findings.iloc[2]["code"]


def test_a_recording_without_fault_has_no_finding():
    assert codes(stream(resting()), stream(noise((1000, 3)), name="gyro")) == set()


def test_it_is_found_on_disk_as_in_memory(tmp_path):
    save(messy(), tmp_path / "a")
    pd.testing.assert_frame_equal(inspect(open_native(tmp_path / "a")).findings, inspect(messy()).findings)


def test_inspect_is_a_public_name():
    assert wk.inspect is inspect
    assert wk.inspect(messy()).findings["code"].tolist()


@given(
    seed=st.integers(0, 99),
    holes=st.lists(st.integers(0, 2999), max_size=30),
    cut=st.tuples(st.floats(0, 58), st.floats(0.05, 60)),
    rate_hz=st.sampled_from([1.0, 12.5, 50.0]),
)
def test_holes_and_cuts_never_crash(seed, holes, cut, rate_hz):
    values = noise((3000, 3), scale=1.0, seed=seed)
    values[holes] = np.nan
    streams = [stream(values, rate_hz=rate_hz), stream(values[:, ::-1], name="gyro", rate_hz=rate_hz)]
    whole = Recording.of([*streams, stream(np.abs(values[:, :1]), name="heart_rate", rate_hz=1)])
    start_s = np.floor(cut[0])  # a cut that holds nothing is refused
    inspected = inspect(whole.between(start_s, start_s + cut[1]))
    assert inspect(inspected) is inspected


@given(shift_s=st.integers(-(2**20), 2**20))
def test_a_shift_in_time_moves_findings_and_changes_none(shift_s):
    here = messy(rate_hz=64)  # stamps of whole 64ths stay exact
    there = Recording.of([Stream.measured(one.name, one.time + shift_s, one.values) for one in here.streams.values()])
    one, other = inspect(here).findings, inspect(there).findings
    pd.testing.assert_frame_equal(one.drop(columns=["start_s", "stop_s"]), other.drop(columns=["start_s", "stop_s"]))
    np.testing.assert_allclose(other[["start_s", "stop_s"]] - one[["start_s", "stop_s"]], shift_s)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_next_to_nothing_is_inspected(rows):
    values = np.ones((rows, 3))
    empty = [Stream.measured(name, np.arange(rows) / 10, values) for name in ("accel", "gravity", "gyro", "user_accel")]
    assert codes(*empty, Stream.measured("heart_rate", [0.0], [60.0])) == set()


def test_nothing_but_missing_values_is_inspected():
    nothing = np.full((500, 3), np.nan)
    streams = [stream(nothing, name=name) for name in ("accel", "gravity", "gyro", "user_accel")]
    assert codes(*streams) == {"missing_values"}


# Pieces


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=6))
def test_runs_equal_those_of_the_whole(parts):
    expected, at = [], 0
    for value, same in groupby([value for part in parts for value in part]):
        length = len(list(same))
        expected += [[at, at + length]] if value else []
        at += length
    found = np.concatenate(list(runs(np.array(part, dtype=bool) for part in parts)))
    assert found.tolist() == expected


@pytest.mark.parametrize("uniform", [True, False])
def test_pieces_are_the_stream(uniform):
    values = noise((100, 2))
    made = Stream.uniform if uniform else Stream.measured
    clock = {"rate_hz": 7.0, "start_s": 3.0} if uniform else {"time": 3.0 + np.arange(100) / 7}
    one = made("own", values=values, unit="1", **clock)
    cut = list(pieces(one, rows=33))
    assert [len(time_s) for time_s, _ in cut] == [33, 33, 33, 1]
    np.testing.assert_allclose(np.concatenate([time_s for time_s, _ in cut]), one.time, rtol=1e-15)
    np.testing.assert_array_equal(np.concatenate([part for _, part in cut]), one.values)


def test_extremes_leave_out_what_is_missing():
    values = noise((300, 2))
    values[5], values[:, 1] = np.nan, np.nan
    low, high = extremes(stream(values, name="own", unit="1"))
    assert (low[0], high[0]) == (np.nanmin(values[:, 0].astype("f4")), np.nanmax(values[:, 0].astype("f4")))
    assert np.isnan([low[1], high[1]]).all()


def test_bin_means_equal_a_loop():
    rng = np.random.default_rng(1)
    one = Stream.measured("own", np.sort(rng.uniform(0, 10, 200)), rng.normal(size=(200, 2)), unit="1")
    means = bin_means(one, start_s=1.0, bins=40, width_s=0.2)
    for place in range(40):
        inside = (one.time >= 1 + place * 0.2) & (one.time < 1 + (place + 1) * 0.2)
        expected = one.values[inside].mean(axis=0) if inside.any() else [np.nan, np.nan]
        np.testing.assert_allclose(means[place], expected, atol=1e-6)


# Time


def test_gaps_are_counted_with_their_seconds():
    time_s = np.delete(np.arange(1000) / 50, np.r_[100:150, 400:410])
    found = row("gaps", Stream.measured("accel", time_s, resting()[: len(time_s)]))
    assert found["count"] == 2
    assert "1.24 s in 2 gaps" in found["note"]
    np.testing.assert_allclose([found["start_s"], found["stop_s"]], [99 / 50, 410 / 50])


def lost_by_hand(one):
    """The definition, step by step."""
    steps = np.diff(one.time)
    usual = np.median(steps)
    inside = [step for step, at in zip(steps, one.time[:-1], strict=True) if at not in one.gaps[:, 0]]
    return sum(round(step / usual) - 1 for step in inside if step > 1.5 * usual)


@pytest.mark.parametrize("seed", range(5))
def test_missing_samples_are_estimated_as_by_hand(seed):
    rng = np.random.default_rng(seed)
    time_s = np.flatnonzero(rng.random(3000) > 0.05) / 50 + rng.uniform(-0.002, 0.002, 3000)[:1]
    one = Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))
    found = row("missing_samples", one)
    assert found["count"] == lost_by_hand(one) > 50
    assert f"{100 * found['count'] / (len(one) + found['count']):.2g} %" in found["note"]


@pytest.mark.parametrize(("factor", "found"), [(1.45, set()), (1.55, {"missing_samples"})])
def test_a_step_is_too_long_from_one_and_a_half_periods(factor, found):
    time_s = np.arange(300) / 50
    time_s[150:] += (factor - 1) / 50
    assert codes(Stream.measured("accel", time_s, resting(6))) == found


@pytest.mark.parametrize("name", ["heart_rate", "ibi", "hrv", "steps", "energy", "clicks"])
def test_what_comes_when_it_comes_has_no_gaps(name):
    rng = np.random.default_rng(3)
    time_s = np.cumsum(rng.exponential(1.0, 400) + 0.01)
    unit = None if name in {"heart_rate", "ibi", "steps", "energy"} else "1"
    one = Stream.measured(name, time_s, rng.uniform(0.5, 1.5, 400) * (70 if name == "heart_rate" else 1), unit=unit)
    assert len(one.gaps)
    assert codes(one) == set()


def test_a_stream_of_an_own_name_with_a_steady_rate_has_gaps():
    time_s = np.delete(np.arange(500) / 4, [60, *range(100, 150)])
    one = Stream.measured("strain", time_s, noise(len(time_s)), unit="1")
    assert codes(one) == {"gaps", "missing_samples"}


def two_rates(first_hz, second_hz, *, at=1000, size=2000, jitter_s=0.0):
    steps = np.where(np.arange(size) < at, 1 / first_hz, 1 / second_hz)
    time_s = np.cumsum(steps) + np.random.default_rng(0).uniform(-jitter_s, jitter_s, size)
    return Stream.measured("accel", time_s, resting(size / 50))


@pytest.mark.parametrize(("first_hz", "second_hz"), [(50, 100), (100, 50), (50, 57), (26, 104)])
def test_a_change_of_rate_is_found_where_it_is(first_hz, second_hz):
    one = two_rates(first_hz, second_hz, jitter_s=0.0005)
    found = row("rate_changes", one)
    assert found["count"] == 1
    assert found["start_s"] == pytest.approx(one.time[999], abs=5 / first_hz)
    (_, before_hz, after_hz), *_ = find_rate_changes(one)
    assert (before_hz, after_hz) == (pytest.approx(first_hz, rel=0.01), pytest.approx(second_hz, rel=0.01))
    assert "missing_samples" not in codes(one)


def test_samples_missing_after_a_change_are_counted_by_the_new_rate():
    one = two_rates(100, 50, jitter_s=0.0002)
    fewer = Stream.measured("accel", np.delete(one.time, [300, 1500, 1600]), resting(39.94))
    assert row("missing_samples", fewer)["count"] == 3


def test_several_changes_are_one_finding():
    steps = np.concatenate([np.full(500, 1 / rate_hz) for rate_hz in (50, 25, 50, 25, 50)])
    found = row("rate_changes", Stream.measured("accel", np.cumsum(steps), resting(50)))
    assert found["count"] == 4
    assert "and 1 times more" in found["note"]


def test_jitter_gaps_lost_samples_and_short_bursts_are_no_change_of_rate():
    rng = np.random.default_rng(0)
    whole_ms = np.arange(3000) // 1 * 9.643 // 1 / 1000  # 103.7 Hz in integer milliseconds
    lossy = np.arange(4000) / 50
    lossy = lossy[(np.arange(4000) < 2000) | (rng.random(4000) > 0.3)]
    packets = np.repeat(np.arange(300) * 0.2, 10) + np.tile(np.arange(10) * 1e-4, 300)
    burst = np.cumsum(np.where((np.arange(3000) > 1000) & (np.arange(3000) < 1060), 0.01, 0.02))
    drift = np.cumsum(0.02 * (1 + np.linspace(0, 0.09, 3000)))
    for time_s in (whole_ms, lossy, packets, burst, drift):
        one = Stream.measured("accel", time_s, np.zeros((len(time_s), 3)))
        assert "rate_changes" not in codes(one)


# Values


def test_missing_values_are_counted_with_the_longest_burst():
    values = resting()
    values[[3, 9], 1] = np.nan
    values[100:150] = np.nan
    found = row("missing_values", stream(values))
    assert found["count"] == 52
    assert "1 s, 50 samples" in found["note"]
    np.testing.assert_allclose([found["start_s"], found["stop_s"]], [3 / 50, 149 / 50])


def clipped(full, *, run, name="accel", rate_hz=50):
    values = noise((2000, 3), scale=full / 10)
    values = np.clip(values, -full / 2, full / 2)
    values[700 : 700 + run, 1] = full
    values[1200 : 1200 + run, 2] = -full
    return stream(values, name=name, rate_hz=rate_hz)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("accel", 2.0),
        ("accel", 3.0),
        ("accel", 6.05),
        ("accel", 7.98),
        ("accel", 16.25),
        ("gyro", np.radians(2000)),
        ("gyro", np.radians(245.5)),
    ],
)
def test_runs_at_full_scale_are_saturated(name, full):
    found = row("saturated", clipped(full, run=4, name=name))
    assert found["count"] == 8
    assert "channels y, z" in found["note"]
    np.testing.assert_allclose([found["start_s"], found["stop_s"]], [700 / 50, 1203 / 50])


@pytest.mark.parametrize(("name", "full", "run"), [("accel", 2.0, 2), ("accel", 5.0, 9), ("mag", 16.0, 9)])
def test_two_in_a_row_or_no_known_full_scale_are_not_saturated(name, full, run):
    assert "saturated" not in codes(clipped(full, run=run, name=name))


@pytest.mark.parametrize("peak", [0.9995, 0.998, 0.98, 0.3])
@pytest.mark.parametrize("quantum", [0, 2**-15])
def test_sound_is_saturated_where_it_is_cut(peak, quantum):
    def sound(wave):
        return Stream.uniform("audio", np.round(wave / quantum) * quantum if quantum else wave, rate_hz=16000)

    wave = 1.5 * np.sin(np.arange(16000) / 20)
    found = row("saturated", sound(np.clip(wave, -peak, peak)))
    assert found["count"] == pytest.approx((np.abs(wave) >= peak).sum(), abs=2)
    assert codes(sound(wave * peak / 1.5)) == set()
    if peak < 0.999:
        assert codes(sound(np.clip(wave * peak / 1.5, -peak, 0.6 * peak))) == {"saturated"}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("accel", -1.5, 1.5), ("accel", -20, 5.0), ("user_accel", -8, 8), ("gyro", -10, 10), ("ppg", 999.4, 1000.5)],
)
def test_a_channel_is_saturated_where_its_own_end_cuts_it(name, low, high):
    time_s, middle = np.arange(6000) / 100, 1000.0 if name == "ppg" else 0.0
    wave = middle + 1.4 * min(high - middle, middle - low) * np.sin(2 * np.pi * 1.7 * time_s) + noise(6000, scale=0.01)
    still = np.zeros(0) if name == "ppg" else noise((6000, 2), scale=0.01)
    values = np.column_stack([np.clip(wave, low, high), still]) if len(still) else np.clip(wave, low, high)[:, None]
    found = row("saturated", stream(values, name=name, rate_hz=100))
    assert found["count"] == pytest.approx(((wave > high) | (wave < low)).sum(), rel=0.02)
    assert f"channels {'ppg' if name == 'ppg' else 'x'})" in found["note"]
    whole = np.where(np.arange(values.shape[1]) == 0, wave[:, None], values)
    assert "saturated" not in codes(stream(whole, name=name, rate_hz=100))


def test_a_damaged_value_hides_no_cut():
    wave = 1000 + np.clip(np.sin(np.arange(6000) / 9), -0.5, 0.5)
    wave[3000] = 1e12
    assert codes(stream(wave, name="ppg", rate_hz=100)) == {"saturated", "implausible"}


@pytest.mark.parametrize("quantum", [1 / 4, 1 / 16, 1 / 64, 1 / 1024])
@pytest.mark.parametrize("rate_hz", [25, 100, 400])
def test_round_tops_rest_and_held_values_are_not_saturated_however_coarse(quantum, rate_hz):
    time_s = np.arange(60 * rate_hz) / rate_hz
    smooth = 1.2 * np.sin(2 * np.pi * np.outer(time_s, [0.3, 1.1, 2.3]))
    walking = smooth + noise(smooth.shape, scale=0.02)
    held = np.repeat(walking, 4, axis=0)[: len(time_s)]
    resting_now_and_then = np.where(np.sin(time_s)[:, None] > 0, walking, [0.5, -1.3, 0.0])
    beats = np.exp(2 * np.sin(2 * np.pi * 1.2 * time_s))[:, None] * [0.1, 0.2, 0.3]
    for values in (smooth, walking, held, resting_now_and_then, beats):
        for name in ("user_accel", "gyro"):
            coarse = np.round(values / quantum) * quantum
            assert "saturated" not in codes(stream(coarse, name=name, rate_hz=rate_hz))
        light = np.round(values[:, 0] / quantum)
        assert "saturated" not in codes(stream(light, name="ppg", rate_hz=rate_hz))


@pytest.mark.parametrize(("full", "beyond"), [(16.0, 17.5), (16.0, 16.1), (8.0, 8.3), (8.0, 1e12), (2.0, -3.0)])
def test_one_value_beyond_hides_no_saturation(full, beyond):
    values = np.clip(noise((3000, 3), scale=full / 10), -full / 2, full / 2)
    values[1000:1100, 0] = full
    values[2000, 0] = beyond
    found = row("saturated", stream(values))
    assert found["count"] == 100
    assert f"full scale of {full:.4g} g (channels x)" in found["note"]


def test_a_sensor_that_goes_on_is_not_saturated_at_a_smaller_full_scale():
    values = np.clip(np.round(noise((3000, 3), scale=1.5) * 64) / 64, -7, 7)
    values[1000:1004, 0] = 2.0
    values[2000:2004, 1] = -4.0
    values[2500:2502, 1] = -4.5
    assert "saturated" not in codes(stream(values))


def test_sound_is_saturated_though_two_samples_lie_beyond():
    wave = np.clip(1.5 * np.sin(np.arange(16000) / 20), -1, 1)
    clipped_samples = row("saturated", Stream.uniform("audio", wave, rate_hz=16000))["count"]
    wave[20 * 2], wave[20 * 3] = 1.2, -1.2
    found = row("saturated", Stream.uniform("audio", wave, rate_hz=16000))
    assert clipped_samples - 40 < found["count"] < clipped_samples


def overflowing(peak_g):
    """A swing that an int16 of 8 g holds, or does not."""
    time_s = np.arange(2000) / 100
    values = np.zeros((2000, 3))
    values[:, 0] = peak_g * np.sin(2 * np.pi * 0.7 * time_s) + noise(2000)
    return stream((values + 8) % 16 - 8, rate_hz=100)


def test_an_overflow_is_found():
    found = row("wrapped", overflowing(9.0))
    steps = np.abs(np.diff(overflowing(9.0).values[:, 0]))
    assert found["count"] == (steps > 15).sum() > 20


@pytest.mark.parametrize("beyond", [17.5, 8.3, 1e12])
def test_one_value_beyond_hides_no_overflow(beyond):
    values = overflowing(9.0).values.copy()
    expected = row("wrapped", overflowing(9.0))
    values[1000, 1] = beyond
    found = row("wrapped", stream(values, rate_hz=100))
    assert (found["count"], found["note"]) == (expected["count"], expected["note"])


def test_a_fast_swing_is_no_overflow():
    assert "wrapped" not in codes(overflowing(7.9))
    shaken = np.clip(6 * np.sin(np.outer(np.arange(2000), [0.9, 1.1, 1.3])), -2, 2)  # and saturated
    assert "wrapped" not in codes(stream(shaken, rate_hz=32))
    shaken[1000, 0] = 5.0  # and one stray
    assert "wrapped" not in codes(stream(shaken, rate_hz=32))
    assert "wrapped" not in codes(stream(noise((2000, 3), scale=0.5), rate_hz=32))


def test_one_short_overflow_is_found_though_its_ends_are_the_extremes():
    peak = 9.0 * np.exp(-(((np.arange(400) - 200) / 20) ** 2))
    values = np.column_stack([(peak + 8) % 16 - 8, noise(400), noise(400)])
    assert row("wrapped", stream(values, rate_hz=100))["count"] == 2


def test_a_jump_across_a_gap_is_no_overflow():
    time_s = np.concatenate([np.arange(100), np.arange(100) + 200]) / 50
    values = np.zeros((200, 3))
    values[:100, 0], values[100:, 0] = np.linspace(0, 7.8, 100), np.linspace(-7.8, 0, 100)
    values[[0, 1], 1] = [7.9, -7.9 + 2]  # the ends of the range are elsewhere
    assert "wrapped" not in codes(Stream.measured("accel", time_s, values))


@pytest.mark.parametrize(("samples", "found"), [(251, {"stuck"}), (250, set())])
def test_five_seconds_without_change_are_stuck(samples, found):
    values = noise((1000, 3), scale=0.01)
    values[300 : 300 + samples] = values[300]
    one = stream(values, name="gyro")
    assert codes(one) == found
    if found:
        at = row("stuck", one)
        assert at["count"] == 251
        np.testing.assert_allclose([at["start_s"], at["stop_s"]], [6.0, 11.0])


@given(first=st.integers(0, 700), rate_hz=st.sampled_from([5.0, 50.0, 99.0]), spare=st.integers(-1, 1))
def test_a_stuck_span_is_found_wherever_it_starts(first, rate_hz, spare):
    values = noise((1500, 3))
    least = max(20, int(np.ceil(5 * rate_hz)) + 1)
    values[first : first + least + spare] = values[first]
    assert ("stuck" in codes(stream(values, name="gyro", rate_hz=rate_hz))) == (spare >= 0)


def test_one_axis_that_is_stuck_while_others_move_is_named():
    time_s = np.arange(3000) / 50
    values = 0.3 * np.sin(np.outer(time_s, [5, 4, 3])) + noise((3000, 3), scale=0.01)
    values[300:, 2] = -1.0
    found = row("stuck", stream(values, name="user_accel"))
    assert found["count"] == 2700
    assert found["note"] == "channel 'z' does not change for 54.0 s in 1 spans, while others move"
    np.testing.assert_allclose([found["start_s"], found["stop_s"]], [6.0, 2999 / 50])


def test_a_coarse_axis_at_rest_is_not_stuck():
    time_s = np.arange(6000) / 50
    values = 0.5 * np.sin(np.outer(time_s, [5, 4, 3])) + noise((6000, 3), scale=0.01)
    values[3000:] = noise((3000, 3), scale=0.001) + np.array([0.5, 0.5, 0]) / 64  # two flicker, one rests
    coarse = np.round(values * 64) / 64
    assert np.ptp(coarse[3000:], axis=0).tolist() == [1 / 64, 1 / 64, 0]
    assert codes(stream(coarse, name="user_accel")) == set()


def test_stuck_needs_motion_of_the_others_and_twenty_samples():
    values = noise((1000, 3), scale=0.01)
    values[300:900, :2] = values[300, :2]
    assert codes(stream(values, name="gyro")) == set()
    slow = noise((60, 3), scale=0.01)
    slow[10:29] = slow[10]
    assert codes(stream(slow, name="gyro", rate_hz=1)) == set()
    slow[10:30] = slow[10]
    assert codes(stream(slow, name="gyro", rate_hz=1)) == {"stuck"}


@pytest.mark.parametrize(
    ("name", "value"), [("heart_rate", 60), ("temperature", 32), ("steps", 5), ("eda", 0.1), ("pressure", 101)]
)
def test_slow_streams_may_stay_as_they_are(name, value):
    assert codes(stream(np.full(3000, float(value)), name=name, rate_hz=4)) == set()


def test_a_stuck_span_across_a_block_is_one():
    values = noise((BLOCK + 2000, 3), scale=0.01).astype(np.float32)
    values[BLOCK - 200 : BLOCK + 200] = values[BLOCK - 200]
    found = row("stuck", stream(values, name="gyro"))
    assert found["count"] == 400
    assert "1 spans" in found["note"]
    np.testing.assert_allclose(found["start_s"], (BLOCK - 200) / 50)


def test_faults_at_the_border_of_blocks_are_found():
    time_s = np.delete(np.arange(BLOCK + 2001) / 50, BLOCK)
    values = noise((BLOCK + 2000, 3), scale=0.5)
    values[BLOCK - 2 : BLOCK + 2, 0] = 8.0
    values[[BLOCK - 1, BLOCK], 1] = [7.95, -7.95]
    values[10, 2], values[20, 2] = 8.0, -8.0
    values[BLOCK - 3 : BLOCK + 3, 2] = np.nan
    found = inspect(Recording.of([Stream.measured("accel", time_s, values)])).findings.set_index("code")["count"]
    assert found[["missing_samples", "saturated", "wrapped", "missing_values"]].tolist() == [1, 4, 1, 6]


def test_a_channel_that_never_changes_beside_others_is_named():
    values = noise((100, 3), scale=0.01)
    values[:, 1] = 0.25
    found = row("constant_channel", stream(values, name="gyro"))
    assert "channel 'y' is 0.25" in found["note"]
    assert codes(stream(values[:99], name="gyro")) == set()
    one_change = values.copy()
    one_change[50, 1] = 0.5
    assert codes(stream(one_change, name="gyro")) == set()
    assert codes(stream(np.full((100, 3), 0.25), name="own", unit="1")) == set()


@pytest.mark.parametrize(
    ("name", "fine", "wrong"),
    [
        ("accel", 190.0, 210.0),
        ("gyro", 99.0, 101.0),
        ("heart_rate", 20.0, 19.0),
        ("heart_rate", 260.0, 261.0),
        ("temperature", -50.0, -61.0),
        ("pressure", 101.3, 1013.0),
        ("ibi", 0.3, 800.0),
        ("audio", 1.1, 32767.0),
        ("mel", -9.2, 12.0),
        ("ppg", 4.2e9, 1e12),
        ("strain", -9e9, -3e38),
    ],
)
def test_what_no_wrist_gives_is_counted(name, fine, wrong):
    usual = {"heart_rate": 70.0, "temperature": 30.0, "pressure": 100.0, "ibi": 0.8}.get(name, 0.1)
    width = {"accel": 3, "gyro": 3, "mel": 40}.get(name, 1)
    values = usual + noise((200, width), scale=0.01)
    values[50, 0] = fine
    unit = "1" if name == "strain" else None
    assert codes(stream(values, name=name, rate_hz=5, unit=unit)) - {"still_length"} == set()
    values[[60, 70], 0] = wrong
    found = row("implausible", stream(values, name=name, rate_hz=5, unit=unit))
    assert found["count"] == 2
    assert f"{wrong:.4g}" in found["note"]
    assert [found["start_s"], found["stop_s"]] == [12.0, 14.0]


def test_no_beat_is_not_implausible():
    assert codes(stream(np.array([0.0, 60, -1, 61]), name="heart_rate", rate_hz=1)) == set()


def test_a_unit_is_refused_where_most_values_are_beyond_it():
    hectopascal = stream(np.full(100, 1013.0), name="pressure", rate_hz=1)
    assert refusal(hectopascal).code == "unit_implausible"
    some = np.full(100, 101.3)
    some[:50] = 1013.0
    check_units(inspect(Recording.of([stream(some, name="pressure", rate_hz=1)])))


def test_a_column_of_times_of_day_is_for_the_table():
    since_1970 = stream(1.7e12 + 20 * np.arange(500.0), name="stamp_ms", unit="ms")
    assert codes(since_1970) == {"implausible"}
    check_units(inspect(Recording.of([since_1970])))


def test_the_limits_of_mel_are_what_its_front_end_can_give():
    low, high = PLAUSIBLE["mel"]
    silence, loudest = np.zeros(16000), np.sign(np.sin(2 * np.pi * 440 * np.arange(16000) / 16000))
    for wave in (silence, loudest):
        frames = MelParams().start(16000).push(np.arange(16000) / 16000, wave.astype(np.float32)).values
        assert ((frames > low) & (frames < high)).all()
    assert low < np.log(FLOOR) < low + 0.1


def lone(value, *, samples=1, at=1000, name="ppg", rate_hz=64):
    values = 1000 + np.sin(np.arange(4000) / 9) + noise(4000, scale=0.05)
    values[at : at + samples] = value
    return stream(values, name=name, rate_hz=rate_hz, unit="1")


@pytest.mark.parametrize("value", [1e5, -4e4, 1e9])
@pytest.mark.parametrize("name", ["ppg", "strain"])
def test_lone_values_far_beyond_all_others_are_found(name, value):
    found = row("outliers", lone(value, name=name))
    assert (found["count"], found["start_s"]) == (1, 1000 / 64)
    assert f"{value:.4g}" in found["note"]
    assert "NaN" in found["remedy"]
    assert codes(lone(value, name=name, samples=3)) == {"outliers"}


def test_what_may_rightly_be_far_away_is_no_outlier():
    rng = np.random.default_rng(0)
    ordinary = {
        "a burst": lone(1e9, samples=4).values,
        "within a thousand times": lone(1900.0).values,
        "one change of a constant": np.where(np.arange(4000) == 2000, 1.0, 0.0),
        "quiet, then loud": np.where(np.arange(4000) < 3900, 1e-4, 1.0) * rng.normal(size=4000),
        "heavy tails": rng.standard_cauchy(4000),
        "logarithmic": np.exp(3 * rng.normal(size=4000)),
        "counts": np.cumsum(rng.random(4000) < 0.001).astype(float),
        "clicks": np.where(rng.random(4000) < 0.01, 1.0, 1e-5) * rng.normal(size=4000),
    }
    for what, values in ordinary.items():
        for name in ("ppg", "strain"):
            assert "outliers" not in codes(stream(values, name=name, rate_hz=64, unit="1")), what
    assert codes(lone(1e9, name="latitude", rate_hz=1)) == set()


# Gravity


@pytest.mark.parametrize(
    ("factor", "code"),
    [
        (1.0, None),
        (0.91, None),
        (1.09, None),
        (G, "unit_contradicts"),
        (1 / G, "unit_contradicts"),
        (1000.0, "unit_contradicts"),
        (0.88, "still_length"),
        (1.12, "still_length"),
        (5.0, "still_length"),
    ],
)
@pytest.mark.parametrize("name", ["accel", "gravity"])
def test_the_length_of_gravity_at_rest_shows_the_unit(name, factor, code):
    one = stream(resting() * factor, name=name)
    assert codes(one) - {"unit_implausible", "implausible"} == ({code} if code else set())
    if code == "unit_contradicts":
        error = refusal(one)
        assert error.code in {"unit_contradicts", "unit_implausible"}
        assert error.remedy
    else:
        check_units(inspect(Recording.of([one])))  # a length that is merely odd is for the table


def test_metres_a_second_squared_are_named_with_their_cure():
    error = refusal(stream(resting() * G))
    assert "9.81 g, expected 1: they are m/s2" in str(error)
    assert "load it with unit='m/s2'" in error.remedy


def test_acceleration_without_gravity_is_to_be_named_so():
    error = refusal(stream(noise((1000, 3))))
    assert (error.code, error.remedy) == ("gravity_missing", "name the stream user_accel")
    assert codes(stream(noise((1000, 3)), name="user_accel")) == set()


def test_nothing_but_zeros_says_nothing_of_gravity():
    zeros = np.zeros((1000, 3))
    assert codes(stream(zeros)) == {"stuck"}
    zeros[500:] = resting(10)
    assert codes(stream(zeros)) == {"stuck"}


@pytest.mark.parametrize(
    ("factor", "code"), [(1.0, "gravity_included"), (G, "gravity_included"), (0.2, "still_length")]
)
def test_gravity_in_user_acceleration_is_found(factor, code):
    assert codes(stream(resting() * factor, name="user_accel")) == {code}


def moving(seconds=30, rate_hz=50):
    """Acceleration in g of an arm that never rests."""
    time_s = np.arange(seconds * rate_hz) / rate_hz
    swing = 0.4 * np.sin(2 * np.pi * np.outer(time_s, [0.9, 1.7, 1.3]))
    return swing - FACE_UP + noise((len(time_s), 3), scale=0.1)


@pytest.mark.parametrize(
    ("factor", "code"), [(1.0, None), (2.5, None), (G, "unit_contradicts"), (1 / G, "gravity_missing")]
)
def test_who_never_rests_shows_the_unit_by_the_average(factor, code):
    assert codes(stream(moving() * factor)) == ({code} if code else set())


def test_without_rest_or_ten_seconds_nothing_is_said():
    assert codes(stream(moving(9) * G)) == set()
    assert codes(stream(moving(11) * G)) == {"unit_contradicts"}
    assert codes(stream(resting(2.9) * G)) == set()
    assert codes(stream(resting(3.1) * G)) == {"unit_contradicts"}


# Gyroscope


def turning(seconds=60, *, rate_hz=50, gyro_hz=50, speed=1.0, seed=0):
    """Gravity and rates of turn (rad/s) of a slowly turning watch, each on stamps of its own."""
    fine_hz = 1000
    time_s = np.arange(seconds * fine_hz) / fine_hz
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    rate = speed * np.sin(2 * np.pi * np.outer(time_s, [0.11, 0.17, 0.23]) + phases)
    gravity = np.empty((len(time_s), 3))
    gravity[0] = [0.0, 0.6, -0.8]
    for row_ in range(1, len(time_s)):
        gravity[row_] = gravity[row_ - 1] + np.cross(gravity[row_ - 1], rate[row_ - 1]) / fine_hz
        gravity[row_] /= np.linalg.norm(gravity[row_])
    at = np.arange(0, seconds - 1, 1 / rate_hz)
    at_gyro = np.arange(0.013, seconds - 1, 1 / gyro_hz)

    def taken(values, when):
        return np.column_stack([np.interp(when, time_s, column) for column in values.T])

    return (at, taken(gravity, at)), (at_gyro, taken(rate, at_gyro))


SLOW = turning(speed=0.4)
OTHER_CLOCK = turning(speed=0.4, gyro_hz=33.3)


def pair(made, *, gyro=1.0, name="accel", scatter=0.004):
    (at, gravity), (at_gyro, rate) = made
    return (
        Stream.measured(name, at, gravity + noise(gravity.shape, scale=scatter)),
        Stream.measured("gyro", at_gyro, rate * gyro + noise(rate.shape, scale=0.01)),
    )


@pytest.mark.parametrize("made", [SLOW, OTHER_CLOCK], ids=["one clock", "two clocks"])
@pytest.mark.parametrize("name", ["accel", "gravity"])
def test_degrees_a_second_are_told_by_how_gravity_turns(made, name):
    assert codes(*pair(made, name=name)) == set()
    error = refusal(*pair(made, name=name, gyro=np.degrees(1)))
    assert error.code == "gyro_unit"
    assert "it is in deg/s" in str(error)
    assert "radians" in error.remedy


@pytest.mark.parametrize(
    ("factor", "found"), [(0.4, set()), (2.8, set()), (5.0, {"gyro_contradicts"}), (-1.0, {"gyro_contradicts"})]
)
def test_a_gyroscope_that_disagrees_is_for_the_table(factor, found):
    streams = pair(SLOW, gyro=factor)
    assert codes(*streams) == found
    check_units(inspect(Recording.of(streams)))


def test_the_turning_is_one_of_rad_a_second():
    measured = measure_turning(Recording.of(pair(SLOW)))
    assert measured.ratio == pytest.approx(1.0, abs=0.05)
    assert measured.agreement > 0.97
    assert measured.bins > 150


def test_without_turning_or_with_swings_alone_nothing_is_said_of_the_gyroscope():
    (at, gravity), (at_gyro, rate) = SLOW
    still = Stream.measured("accel", at, resting(len(at) / 50)[: len(at)])
    quiet = Stream.measured("gyro", at_gyro, noise(rate.shape, scale=0.3))
    assert codes(still, quiet) == set()
    heavy = Stream.measured("accel", at, gravity * 1.5 + noise(gravity.shape, scale=1.0))
    assert "gyro_unit" not in codes(heavy, Stream.measured("gyro", at_gyro, np.degrees(rate) / 3))
    assert codes(Stream.measured("gyro", at_gyro, rate)) == set()


def test_nobody_turns_at_35_rad_a_second_half_of_the_time():
    fast = np.zeros((1000, 3))
    fast[:, 0] = noise(1000, scale=0.1)
    fast[:501, 0] += 36.0
    assert refusal(stream(fast, name="gyro")).code == "gyro_unit"
    fast[500, 0] = 0.0
    check_units(inspect(Recording.of([stream(fast, name="gyro")])))


def test_gravity_that_points_away_from_acceleration_is_refused():
    accel, _ = pair(SLOW)
    opposite = Stream.measured("gravity", accel.time, -accel.values)
    same = Stream.measured("gravity", accel.time[3:] + 0.004, accel.values[3:])
    assert codes(accel, same) == set()
    assert refusal(accel, opposite).code == "sign_contradicts"
    few = accel.between(0, 3)
    assert codes(few, opposite.between(0, 3)) == set()


# Bundled and public recordings: nothing of their units is doubted

DOUBTS = {
    *("unit_contradicts", "unit_implausible", "gravity_missing", "gravity_included", "gyro_unit", "sign_contradicts"),
    *("gyro_contradicts", "still_length", "implausible", "stuck", "saturated", "wrapped", "constant_channel"),
    "rate_changes",
}


@pytest.mark.parametrize("number", range(1, 9))
def test_bundled_recordings_raise_no_doubt(number):
    recording = wk.sample(f"day_p{number:02}")
    assert DOUBTS & set(inspect(recording).findings["code"]) == set()
    check_units(inspect(recording))


def of_table(path, accel, gyro):
    """A recording of a public table in milliseconds and m/s2; rows whose stamp repeats or goes back are left out."""
    table = pd.read_csv(path)
    ms = table["timestamp"].to_numpy()
    rows = np.append([True], np.diff(np.maximum.accumulate(ms)) > 0)
    time_s = (ms[rows] - ms[0]) / 1e3
    return Recording.of(
        [
            Stream.measured("accel", time_s, table[accel].to_numpy()[rows] / G),
            Stream.measured("gyro", time_s, table[gyro].to_numpy()[rows]),
        ]
    )


@pytest.mark.real_data
def test_washing_hands_in_degrees_is_refused_and_in_radians_is_not(real_data):
    paths = sorted((real_data / "uwash").rglob("*.csv.gz"))
    assert len(paths) == 31
    for path in paths:
        raw = of_table(path, ["acc_x", "acc_y", "acc_z"], ["gyr_x", "gyr_y", "gyr_z"])
        with pytest.raises(RecordingError) as caught:
            check_units(inspect(raw))
        assert caught.value.code == "gyro_unit"
        right = raw.with_streams(Stream.measured("gyro", raw.gyro.time, np.radians(raw.gyro.values)))
        assert DOUBTS & set(inspect(right).findings["code"]) == set()
        measured = measure_turning(right)
        assert 0.5 < measured.ratio < 2  # by itself, too, without the speed of the hands


@pytest.mark.real_data
def test_watches_and_phones_in_radians_raise_no_doubt(real_data):
    paths = sorted((real_data / "spsw").glob("s*/*.csv.gz"))
    assert len(paths) == 140
    for path in paths:
        recording = of_table(path, ["x_acc", "y_acc", "z_acc"], ["x_gyro", "y_gyro", "z_gyro"])
        assert DOUBTS & set(inspect(recording).findings["code"]) == set(), path.name
    accel = recording.accel
    in_ms2 = Recording.of([Stream.measured("accel", accel.time, accel.values * G)])
    assert "unit_contradicts" in set(inspect(in_ms2).findings["code"])


@pytest.mark.real_data
def test_an_optical_laboratory_raises_no_doubt_and_its_degrees_are_refused(real_data):
    for path in sorted((real_data / "broad").glob("*.mat")):
        trial = loadmat(path)
        rate_hz = float(trial["sampling_rate"].squeeze())
        streams = [
            Stream.uniform(name, trial[key] / scale, rate_hz=rate_hz)
            for name, key, scale in (("accel", "imu_acc", G), ("gyro", "imu_gyr", 1.0), ("mag", "imu_mag", 1.0))
        ]
        assert codes(*streams) == set(), path.name
        degrees = Stream.uniform("gyro", np.degrees(trial["imu_gyr"]), rate_hz=rate_hz)
        found = codes(streams[0], degrees)
        assert ("gyro_unit" in found) or "fast_translation" in path.name, path.name


@pytest.mark.real_data
def test_decoded_device_files_raise_no_doubt(real_data):
    for name in ("ax3", "ax6", "gnactv"):
        with np.load(real_data / "devices" / "skdh" / f"{name}_data.npz", allow_pickle=False) as decoded:
            time_s = decoded["time"] - decoded["time"][0]
            streams = [Stream.measured("accel", time_s, decoded["accel"])]
            assert DOUBTS & codes(*streams) == set()
            if "gyro" in decoded:
                assert DOUBTS & codes(*streams, Stream.measured("gyro", time_s, np.radians(decoded["gyro"]))) == set()
                assert "gyro_unit" in codes(*streams, Stream.measured("gyro", time_s, decoded["gyro"]))
