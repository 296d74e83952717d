"""Worn or not, and pulse or not: flags beside the data."""

import numpy as np
import pytest

from wristkit.errors import RecordingError
from wristkit.recording import Recording, Stream
from wristkit.signals import WearParams, mark_wear, ppg_quality, wear_spans

RATE_HZ = 5.0
HOUR_S = 3600.0


def day(*parts, degc=None, seed=0):
    """Acceleration of parts (kind, hours): moving, table (noise alone) or sleep (turns of posture now and then)."""
    rng, pieces, warmth = np.random.default_rng(seed), [], []
    for kind, hours in parts:
        count = round(hours * HOUR_S * RATE_HZ)
        values = np.tile(rng.normal(size=3), (count, 1))
        values /= np.linalg.norm(values[0])
        if kind == "moving":
            values += rng.normal(0, 0.2, (count, 3))
        if kind == "sleep":
            turns = np.cumsum(rng.random(count) < 1 / (20 * 60 * RATE_HZ))
            values = rng.normal(size=(turns[-1] + 1, 3))[turns]
            values /= np.linalg.norm(values, axis=1, keepdims=True)
        pieces.append(values + rng.normal(0, 0.004, values.shape))
        warmth.append(np.full(count, (degc or {}).get(kind, 20.0)))
    time_s = np.arange(sum(len(piece) for piece in pieces)) / RATE_HZ
    streams = [Stream.measured("accel", time_s, np.concatenate(pieces))]
    if degc:
        streams.append(Stream.measured("temperature", time_s[::50], np.concatenate(warmth)[::50]))
    return Recording.of(streams)


def states(recording, **how):
    spans = wear_spans(recording, **how)
    assert (spans["start_s"].to_numpy()[1:] == spans["stop_s"].to_numpy()[:-1]).all()
    return [(row.state, round((row.stop_s - row.start_s) / HOUR_S, 1)) for row in spans.itertuples()]


def test_a_table_is_no_wrist():
    assert states(day(("moving", 2), ("table", 3), ("moving", 2))) == [("worn", 2.0), ("not_worn", 3.0), ("worn", 2.0)]


def test_less_than_an_hour_is_too_short_to_tell():
    assert states(day(("moving", 2), ("table", 0.75), ("moving", 2))) == [("worn", 4.8)]


def test_sleep_with_turns_is_worn():
    assert states(day(("moving", 1), ("sleep", 7), ("moving", 1), seed=3)) == [("worn", 9.0)]


def test_quiet_sleep_is_worn_where_the_skin_is_warm():
    night = (("moving", 2), ("table", 3), ("moving", 2))
    assert states(day(*night, degc={"moving": 32.0, "table": 33.0})) == [("worn", 2.0), ("worn", 3.0), ("worn", 2.0)]
    cold = day(*night, degc={"moving": 32.0, "table": 21.0})
    assert states(cold) == [("worn", 2.0), ("not_worn", 3.0), ("worn", 2.0)]
    warm_room = WearParams(worn_above_degc=20.0)
    assert "not_worn" not in {state for state, _ in states(cold, params=warm_room)}


@pytest.mark.parametrize("wild", [1e12, 6553.5, 89.0])
def test_one_wild_temperature_is_no_warmth_of_skin(wild):
    cold = day(("moving", 2), ("table", 3), ("moving", 2), degc={"table": 20.0})
    degc = cold["temperature"].values.copy()
    degc[len(degc) // 2] = wild
    assert states(cold.with_streams(cold["temperature"].with_values("temperature", degc))) == states(cold)


def slow_twin(recording, params):
    """Look at every window of an hour by itself, and mark its steps."""
    accel = recording["accel"]
    stop_s = accel.stop_s + 1 / accel.rate_hz
    count = int((stop_s - accel.start_s) / params.step_s + 1e-6)
    edges = np.linspace(accel.start_s, stop_s, count + 1)
    off = np.zeros(count, dtype=bool)
    for first in range(count - params.steps + 1):
        part = np.asarray(accel.between(edges[first], edges[first + params.steps]).values, dtype=float)
        quiet = (part.std(axis=0) < params.still_sd_g) & (np.ptp(part, axis=0) < params.still_range_g)
        off[first : first + params.steps] |= quiet.sum() >= params.still_axes
    return off, edges


@pytest.mark.parametrize("seed", range(4))
def test_the_spans_are_those_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    parts = [(str(rng.choice(["moving", "table", "sleep"])), float(rng.uniform(0.3, 3))) for _ in range(6)]
    recording, params = day(*parts, seed=seed), WearParams()
    off, edges = slow_twin(recording, params)
    spans = wear_spans(recording)
    middles = (edges[:-1] + edges[1:]) / 2
    found = [spans[(spans["start_s"] <= middle) & (spans["stop_s"] > middle)]["state"].iloc[0] for middle in middles]
    assert [state == "not_worn" for state in found] == off.tolist()


def test_what_is_missing_is_unknown():
    recording = day(("moving", 2), ("table", 3), ("moving", 2))
    accel, kept = recording["accel"], np.ones(len(recording["accel"]), dtype=bool)
    kept[round(2.5 * HOUR_S * RATE_HZ) : round(4 * HOUR_S * RATE_HZ)] = False
    gap = Recording.of([Stream.measured("accel", accel.time[kept], accel.values[kept])])
    nan = Recording.of([accel.with_values("accel", np.where(kept[:, None], accel.values, np.nan))])
    absurd = Recording.of([accel.with_values("accel", np.where(kept[:, None], accel.values, 1e12))])
    for one in (gap, nan, absurd):
        assert ("unknown", 1.5) in states(one)
        assert set(mark_wear(one).findings["code"]) == {"wear_unknown", "not_worn"}
    assert states(day(("moving", 0.5))) == [("unknown", 0.5)]


def test_spans_stand_beside_the_data():
    recording = day(("moving", 2), ("table", 3))
    marked = mark_wear(recording)
    row = marked.findings.iloc[0]
    assert (row["code"], row["stream"], row["count"]) == ("not_worn", "accel", pytest.approx(3 * 3600 * 5, rel=0.01))
    assert marked.streams["accel"] is recording.streams["accel"]
    assert marked.id == recording.id
    assert mark_wear(marked) is marked


@pytest.mark.parametrize("value", [[0, 0, 0], [0, 0, -1]])
def test_a_sensor_that_is_stuck_or_asleep_tells_nothing(value):
    recording = day(("moving", 2), ("table", 3), ("moving", 2))
    values = recording["accel"].values.copy()
    values[round(2 * HOUR_S * RATE_HZ) : round(5 * HOUR_S * RATE_HZ)] = value
    stuck = Recording.of([recording["accel"].with_values("accel", values)])
    assert states(stuck) == [("worn", 2.0), ("unknown", 3.0), ("worn", 2.0)]
    assert "stuck" in wear_spans(stuck)["reason"][1]
    values[round(2 * HOUR_S * RATE_HZ) : round(3.5 * HOUR_S * RATE_HZ)] = recording["accel"].values[
        round(2 * HOUR_S * RATE_HZ) : round(3.5 * HOUR_S * RATE_HZ)
    ]
    assert [state for state, _ in states(spoilt(recording, values))] == ["worn", "not_worn", "unknown", "worn"]


def spoilt(recording, values):
    return Recording.of([recording["accel"].with_values("accel", values)])


def test_the_reason_names_the_window_that_was_looked_at():
    recording = day(("moving", 1), ("table", 1), ("moving", 1))
    spans = wear_spans(recording, params=WearParams(window_s=600, step_s=300))
    assert spans["state"].tolist() == ["worn", "not_worn", "worn"]
    assert spans["reason"][1].startswith("10 min or more in which hardly an axis moves")
    hour = wear_spans(day(("moving", 1), ("table", 3)))
    assert hour["reason"].iloc[-1].startswith("60 min or more")


def test_whole_numbers_of_steps_are_taken_in_fractions_of_a_second():
    assert WearParams(window_s=0.3, step_s=0.1).steps == 3
    assert WearParams(window_s=4.9, step_s=0.7).steps == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"worn_above_degc": np.nan},
        {"worn_above_degc": np.inf},
        {"window_s": np.inf, "step_s": np.inf},
        {"window_s": np.nan},
        {"window_s": 0.31, "step_s": 0.1},
        {"still_sd_g": np.inf},
        {"still_range_g": np.nan},
    ],
)
def test_parameters_that_are_no_number_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} (is )?{next(iter(wrong.values()))}"):
        WearParams(**wrong)


@pytest.mark.parametrize("wrong", [{"step_s": 1000.0}, {"step_s": 0.0}, {"still_axes": 0}, {"still_sd_g": -1.0}])
def test_parameters_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WearParams(**wrong)


# Pulse


def pulse(seconds=120, rate_hz=64.0, *, bpm=70, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    time_s = np.arange(0, seconds, 1 / rate_hz)
    phase = 2 * np.pi * np.cumsum(bpm / 60 * (1 + 0.03 * np.sin(2 * np.pi * time_s / 9))) / rate_hz
    beat = np.sin(phase) + 0.4 * np.sin(2 * phase + 1)
    return time_s, 500 + 10 * beat + 10 * noise * rng.normal(size=len(time_s))


def quality(time_s, light, *more):
    found = ppg_quality(Recording.of([Stream.measured("ppg", time_s, light), *more]))
    assert found.unit == "1"
    assert ((found.values >= 0) & (found.values <= 1)).all()
    np.testing.assert_array_equal(found.time, np.round(found.time))
    return found.time, found.values[:, 0]


@pytest.mark.parametrize("bpm", [48, 70, 110, 160])
def test_a_clean_pulse_is_good_and_noise_is_not(bpm):
    _, good = quality(*pulse(bpm=bpm))
    assert np.median(good) > 0.8
    time_s, light = pulse()
    _, bad = quality(time_s, np.random.default_rng(1).normal(size=len(light)))
    assert np.percentile(bad, 95) < 0.15


def test_motion_lowers_it_where_it_is():
    time_s, light = pulse()
    moving = (time_s > 60) & (time_s < 90)
    accel = np.random.default_rng(2).normal(0, np.where(moving, 0.3, 0.003)[:, None], (len(time_s), 3)) - [0, 0, 1]
    seconds, found = quality(time_s, light, Stream.measured("accel", time_s, accel))
    still = (seconds < 55) | (seconds > 95)
    assert np.median(found[still]) > 0.8
    assert found[(seconds > 65) & (seconds < 85)].max() < 0.2


def test_motion_lowers_it_as_much_where_gravity_was_taken_out():
    time_s, light = pulse()
    shake = np.random.default_rng(2).normal(0, 0.1, (len(time_s), 3))
    _, still = quality(time_s, light)
    _, felt = quality(time_s, light, Stream.measured("accel", time_s, shake - [0, 0, 1]))
    _, alone = quality(time_s, light, Stream.measured("user_accel", time_s, shake))
    assert np.median(felt) == pytest.approx(0.5 * np.median(still), rel=0.15)
    np.testing.assert_allclose(alone, felt, rtol=0.15)


def test_a_rhythm_that_changes_is_as_good():
    time_s = np.arange(0, 120, 1 / 64)
    phase = 2 * np.pi * np.cumsum(1.0 * (1 + 0.15 * np.sin(2 * np.pi * time_s / 16))) / 64
    sharp = 0.5 + 0.5 * np.cos(phase)
    _, found = quality(time_s, 500 + 100 * sharp**15 + np.random.default_rng(0).normal(size=len(time_s)))
    assert found.min() > 0.9


@pytest.mark.real_data
def test_clean_light_of_a_finger_is_good_throughout(real_data):
    light = np.loadtxt(real_data / "ppg" / "data.csv")
    found = ppg_quality(Recording.of([Stream.uniform("ppg", light, rate_hz=100.0)])).values
    assert len(found) == 17
    assert found.min() > 0.8


def test_light_that_is_cut_flat_is_no_pulse_there():
    time_s, light = pulse(300)
    cut = (time_s > 100) & (time_s < 200)
    seconds, found = quality(time_s, np.where(cut, np.clip(light, 495, 505), light * 0.3 + 350))
    assert not found[(seconds > 105) & (seconds < 195)].any()
    assert np.median(found[(seconds < 90) | (seconds > 210)]) > 0.8


def test_what_is_missing_constant_or_beyond_the_usual_is_no_pulse():
    time_s, light = pulse(300)
    light[(time_s > 40) & (time_s < 41)] = np.nan
    light[(time_s > 100) & (time_s < 120)] = 500
    light[(time_s > 200) & (time_s < 220)] *= 40
    seconds, found = quality(time_s, light)
    for first_s, last_s in ((37, 43.9), (105, 115), (205, 215)):
        assert found[(seconds >= first_s) & (seconds <= last_s)].max() < 0.25
    assert np.median(found[(seconds > 130) & (seconds < 190)]) > 0.8
    assert not quality(time_s, np.full(len(time_s), 3.0))[1].any()


def test_a_clock_that_jumps_costs_neither_memory_nor_quality():
    time_s, light = pulse(120)
    plain_s, plain = quality(time_s[time_s < 60], light[time_s < 60])
    seconds, found = quality(np.where(time_s < 60, time_s, time_s + 1e6), light)
    assert len(seconds) < 130
    np.testing.assert_allclose(found[: len(plain_s) - 8], plain[:-8], atol=0.1)
    assert np.median(found[seconds > 1e6 + 64]) > 0.8
    far = np.arange(40_000) / 5
    with pytest.raises(RecordingError, match=r"accel spans 5e\+10 s, .* expected at most 2000000") as caught:
        wear_spans(
            Recording.of([Stream.measured("accel", np.where(far < 4000, far, far + 5e10), np.ones((40_000, 3)))])
        )
    assert caught.value.code == "span"


@pytest.mark.parametrize("seconds", [{"window_s": np.inf}, {"window_s": "a"}, {"window_s": 1e300, "step_s": 1e-300}])
def test_windows_of_no_number_of_steps_are_refused_in_words(seconds):
    with pytest.raises(ValueError, match="expected a whole number of steps of seconds"):
        WearParams(**seconds)


@pytest.mark.filterwarnings("error")
def test_the_largest_light_of_all_gives_no_warning():
    assert not quality(np.arange(2000) / 100, np.full(2000, 3e38))[1].any()


def test_quality_does_not_depend_on_the_blocks_it_is_made_in(monkeypatch):
    time_s, light = pulse(300, noise=0.5)
    _, whole = quality(time_s, light)
    monkeypatch.setattr("wristkit.signals.ppg._BLOCK_S", 37)
    np.testing.assert_allclose(quality(time_s, light)[1], whole, atol=1e-6)


def test_a_gap_holds_no_quality():
    time_s, light = pulse(120)
    kept = (time_s < 50) | (time_s > 70)
    seconds, found = quality(time_s[kept], light[kept])
    assert not found[(seconds > 46) & (seconds < 74)].any()
    assert np.median(found[seconds < 40]) > 0.8


def test_too_slow_and_too_short_are_refused():
    for rate_hz, seconds, code in ((10.0, 60, "rate"), (64.0, 5, "empty")):
        with pytest.raises(RecordingError) as caught:
            quality(*pulse(seconds, rate_hz))
        assert caught.value.code == code


@pytest.mark.parametrize("absurd", [1e12, -3e38, 1e6])
def test_one_absurd_value_costs_what_a_missing_one_does(absurd):
    time_s, light = pulse(120)
    place = time_s.searchsorted(60)
    light[place] = np.nan
    seconds, expected = quality(time_s, light)
    light[place] = absurd
    _, found = quality(time_s, light)
    np.testing.assert_array_equal(found, expected)
    assert not found[(seconds > 56) & (seconds < 64)].any()
    assert np.median(found[(seconds < 55) | (seconds > 65)]) > 0.8


def test_no_acceleration_no_wear():
    with pytest.raises(RecordingError, match="no stream 'accel'"):
        wear_spans(Recording.of([Stream.uniform("heart_rate", [60.0], rate_hz=1)]))
    with pytest.raises(RecordingError, match="1 samples"):
        wear_spans(Recording.of([Stream.measured("accel", [0.0], [[0, 0, -1]])]))
