"""Heart rate: what a window says, what the tracker makes of it, packets as recordings, bad light, pulse by pulse."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

import wristkit as wk
from wristkit.errors import RecordingError
from wristkit.recipes import activity, arm_motion, heart_rate, reps, steps
from wristkit.recipes.heart_rate import beliefs, evidence, rhythms
from wristkit.recipes.heart_rate.visible import Likelihood
from wristkit.recording import FINDING_COLUMNS, Recording, Stream
from wristkit.simulate import ExerciseSet, SensorParams, packets, people, workout
from wristkit.simulate.effort import HEART, heart_beats, heart_response
from wristkit.simulate.ppg import RING_LIGHT, SKIN, THREE_COLOURS, LightParams, Wavelength, add_ppg
from wristkit.simulate.treadmill import Bout, treadmill

SITTING = (Bout(60, (0.0, 0.0), 0.0),)
ACROSS = (Bout(30, (0.0, 0.0), 0.0), Bout(150, (1.8, 1.9), 0.4))


@lru_cache(maxsize=32)
def seated(*, seed=0, light=None, bpm=64.0):
    """A minute of somebody who sits."""
    return treadmill(
        people(1, seed=seed + 400)[0], seed=seed, plan=SITTING, bpm=bpm, **({} if light is None else {"light": light})
    )


@lru_cache(maxsize=4)
def crossing(seed):
    """A heart that rises from 30 below the cadence to 25 above it."""
    second = np.arange(181.0)
    bpm = np.interp(second, [0, 30, 60, 180], [76, 78, 84, 138])
    return treadmill(people(1, seed=seed + 500)[0], seed=seed, plan=ACROSS, bpm=bpm)


def only(recording, *names):
    return Recording.of([recording[name] for name in names], source=recording.source)


def errors(rate, recording):
    """Return measured minus true rate at the seconds that are told."""
    truth = recording["heart_rate_truth"]
    return rate.values[:, 0] - np.interp(rate.time, truth.time, truth.values[:, 0])


def with_light(recording, values):
    return recording.with_streams(recording["ppg"].with_values("ppg", values, channels=recording["ppg"].channels))


def with_accel(recording, values):
    return recording.with_streams(recording["accel"].with_values("accel", values))


# ---- one window ----


def test_the_gain_of_a_window_is_that_of_the_plain_linear_model():
    rng = np.random.default_rng(3)
    light = np.cumsum(rng.normal(size=evidence.LENGTH)) + np.sin(2 * np.pi * 1.4 * np.arange(evidence.LENGTH) / 25)
    light[60:75] = np.nan
    channel = evidence.Channel.of(light)
    columns = evidence._explained(channel.weights, rng.normal(0, 0.3, (evidence.LENGTH, 3)))
    rest = channel.weights * channel.steps
    rest = rest - columns.T @ (columns @ rest)
    spectra = np.fft.rfft(np.vstack([channel.weights * rest, channel.weights * columns]), 1500)
    double = np.fft.fft(channel.weights**2, 1500)
    bins, prior = np.array([45, 84, 170]), 5.0
    gain, determinant, free = evidence._gain(spectra[:, bins], double[0].real, double[2 * bins % 1500], prior)
    for row, rate in enumerate(bins.tolist()):
        turn = 2 * np.pi * rate / 60 * np.arange(evidence.LENGTH) / 25
        waves = channel.weights[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
        left = waves - columns.T @ (columns @ waves)
        gram = waves.T @ left
        loose = 0.5 * double[0].real / prior * np.eye(2)
        product = waves.T @ rest
        assert gain[row] == pytest.approx(product @ np.linalg.solve(gram + loose, product), rel=1e-8)
        assert determinant[row] == pytest.approx(np.linalg.det(np.linalg.solve(loose, gram + loose)), rel=1e-8)
        assert free[row] == pytest.approx(np.trace(gram) / double[0].real, rel=1e-8)


@pytest.mark.parametrize("rate", [38.0, 61.5, 140.0, 205.0])
def test_a_window_finds_a_rate_and_not_half_or_twice_of_it(rate):
    turn = 2 * np.pi * rate / 60 * np.arange(evidence.LENGTH) / 25
    light = np.sin(turn) + 0.5 * np.sin(2 * turn + 1) + 0.2 * np.sin(3 * turn)
    said = evidence.evidence(light[:, None], None)
    assert evidence.RATES_BPM[said.log.argmax()] == pytest.approx(rate, abs=1)
    assert said.share.max() > 0.8


def test_a_wavelength_without_a_pulse_does_no_harm():
    turn = 2 * np.pi * 1.2 * np.arange(evidence.LENGTH) / 25
    noise = np.random.default_rng(0).normal(size=(evidence.LENGTH, 2))
    alone = evidence.evidence(np.sin(turn)[:, None], None)
    among = evidence.evidence(np.column_stack([np.sin(turn), noise]), None)
    assert among.log.max() > 0.8 * alone.log.max()


def test_beliefs_are_those_of_all_paths_written_out():
    rng = np.random.default_rng(1)
    likelihoods = rng.uniform(0.1, 2.0, (beliefs.LAG_S + 1, len(evidence.RATES_BPM)))
    held = beliefs.Beliefs()
    told = [held.push(Likelihood(one, one, ""), may_jump=True) for one in likelihoods]
    assert told[:-1] == [None] * beliefs.LAG_S
    after = np.ones(len(evidence.RATES_BPM))
    for one in likelihoods[:0:-1]:
        after = beliefs.MOVES @ (one * after)
    wanted = beliefs.USUAL * likelihoods[0] * after
    bpm, _ = beliefs._read(wanted / wanted.sum())
    assert told[-1].bpm == pytest.approx(bpm)
    np.testing.assert_allclose(beliefs.MOVES.sum(axis=1), 1)


# ---- rest, motion, sensors ----

LIGHTS = {
    "one colour, 64 Hz": None,
    "one colour, 25 Hz": LightParams(rate_hz=25.0),
    "two colours, 100 Hz": LightParams(
        rate_hz=100.0, wavelengths=(Wavelength(), Wavelength("infrared", 0.5, 1.1, 1.0))
    ),
    "three colours, 500 Hz": LightParams(rate_hz=500.0, wavelengths=THREE_COLOURS),
    "ring": RING_LIGHT,
}


@pytest.mark.parametrize("name", LIGHTS)
@pytest.mark.parametrize("streams", [("ppg", "accel"), ("ppg",)])
def test_at_rest_the_rate_is_right_for_every_sensor(name, streams):
    recording = seated(seed=list(LIGHTS).index(name), light=LIGHTS[name], bpm=52.0 + 9 * list(LIGHTS).index(name))
    rate = heart_rate.estimate(only(recording, *streams))
    assert rate.name == "heart_rate"
    assert rate.channels == ("bpm", "confidence")
    assert rate.unit == "bpm"
    assert len(rate) >= 0.9 * 60
    assert (rate.time == np.round(rate.time)).all()
    assert np.abs(errors(rate, recording)).mean() <= 1.5
    assert (rate.values[:, 1] >= heart_rate.LEAST_CONFIDENCE).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rate_that_crosses_the_cadence_is_followed(seed):
    recording = crossing(seed)
    rate = heart_rate.estimate(recording)
    assert len(rate) >= 0.9 * 180
    assert np.abs(errors(rate, recording)).mean() <= 3


def test_without_the_accelerometer_the_same_motion_is_refused_or_right():
    recording = crossing(0)
    alone = heart_rate.estimate(only(recording, "ppg"))
    assert np.abs(errors(alone, recording)).mean() <= 3
    found = heart_rate.findings(only(crossing(0), "ppg"))
    assert "no_motion_recorded" in set(found["code"])


def test_neither_scale_nor_sign_nor_level_of_the_light_matters():
    recording = seated()
    rate = heart_rate.estimate(recording)
    turned = 70_000 - 0.25 * recording["ppg"].values
    other = heart_rate.estimate(with_light(recording, turned))
    np.testing.assert_array_equal(other.time, rate.time)
    np.testing.assert_allclose(other.values, rate.values, atol=0.05)


def test_user_accel_serves_as_well():
    recording = crossing(0)
    moved = recording["accel"].values - recording["accel"].values.mean(axis=0)
    other = Recording.of(
        [recording["ppg"], Stream.measured("user_accel", recording["accel"].time, moved), recording["heart_rate_truth"]]
    )
    assert np.abs(errors(heart_rate.estimate(other), other)).mean() <= 3


# ---- packets ----


def pieces_of(recording, cuts, names=("ppg", "accel")):
    """Yield the streams cut at rows drawn anew for each, in the order of their ends."""
    rng, parts = np.random.default_rng(cuts), []
    for name in names:
        stream = recording[name]
        edges = np.unique([0, *rng.integers(0, len(stream), cuts), len(stream)])
        parts += [(stream.time[b - 1], name, a, b) for a, b in pairwise(edges.tolist())]
    for _, name, a, b in sorted(parts):
        yield {name: (recording[name].time[a:b], recording[name].values[a:b])}


def damaged():
    """A minute with three colours, samples missing in one, a hole in each stream, and sentinels."""
    light = LightParams(
        rate_hz=50.0, wavelengths=THREE_COLOURS, lost_s=((20.0, 23.0),), dark_s=((40.0, 42.0),), dark_value=255.0
    )
    recording = seated(light=light)
    values = recording["ppg"].values.copy()
    values[500:520, 1] = np.nan
    accel = recording["accel"]
    kept = (accel.time < 30) | (accel.time > 37)
    return with_light(recording, values).with_streams(Stream.measured("accel", accel.time[kept], accel.values[kept]))


@pytest.mark.parametrize("cuts", [1, 7, 60, 900])
def test_packets_give_the_rows_of_the_recording(cuts):
    recording, tracker = damaged(), heart_rate.Tracker()
    rows = [tracker.push(packet) for packet in pieces_of(recording, cuts)] + [tracker.flush()]
    rate = heart_rate.estimate(recording)
    assert len(rate) > 40
    np.testing.assert_array_equal(np.concatenate([one.time for one in rows]), rate.time)
    np.testing.assert_array_equal(np.concatenate([one.values for one in rows]), rate.values)


def test_one_stream_after_the_other_gives_the_same_and_so_does_a_second_time():
    recording, tracker = seated(), heart_rate.Tracker()
    rate = heart_rate.estimate(recording)
    for _ in range(2):
        rows = [tracker.push({name: (recording[name].time, recording[name].values)}) for name in ("ppg", "accel")]
        rows.append(tracker.flush())
        np.testing.assert_array_equal(np.concatenate([one.values for one in rows]), rate.values)


def test_packets_of_a_device_give_the_same():
    recording, tracker = only(crossing(1), "ppg", "accel"), heart_rate.Tracker()
    rows = [tracker.push(packet) for packet in packets(recording, packet_s=0.7, seed=2)] + [tracker.flush()]
    np.testing.assert_array_equal(np.concatenate([one.values for one in rows]), heart_rate.estimate(recording).values)


def test_a_row_comes_no_later_than_the_stated_delay():
    assert heart_rate.DELAY_S <= 8
    recording, tracker, newest_s = seated(), heart_rate.Tracker(), -np.inf
    for packet in pieces_of(recording, 2000):
        rows = tracker.push(packet)
        newest_s = max(newest_s, *rows.time.tolist()) if len(rows) else newest_s
        reached_s = min(one.newest_s for one in tracker._sources.values())
        # Seconds from the third on have a row here; one sample of the slower stream is what cannot be waited away.
        assert reached_s < 12 or newest_s >= np.floor(reached_s - heart_rate.DELAY_S - 0.03)
        assert newest_s <= reached_s - 7


def test_motion_that_stops_coming_is_waited_for_as_long_as_asked():
    recording = seated()
    accel = recording["accel"].between(0, 20)
    given = {"ppg": (recording["ppg"].time, recording["ppg"].values), "accel": (accel.time, accel.values)}
    assert heart_rate.Tracker().push(given).time[-1] < 20
    assert heart_rate.Tracker(max_wait_s=2.0).push(given).time[-1] > 45


def test_a_long_pause_begins_anew_and_costs_nothing():
    recording = seated()
    late = Recording.of(
        [
            Stream.measured(
                name,
                np.concatenate([recording[name].time, recording[name].time + 3e7]),
                np.concatenate([recording[name].values] * 2),
            )
            for name in ("ppg", "accel")
        ]
    )
    once, twice = heart_rate.estimate(recording), heart_rate.estimate(late)
    assert len(twice) == 2 * len(once)
    np.testing.assert_allclose(twice.values[len(once) :], once.values, atol=0.01)


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        ({"gyro": ([0.0], [[0, 0, 1]])}, "not used here"),
        ({"ppg": ([0.0, 1.0], [[1.0]])}, "expected"),
        ({"ppg": ([1.0, 1.0], [[1.0], [2.0]])}, "do not increase"),
        ({"ppg": ([np.nan], [[1.0]])}, "do not increase"),
        ({"accel": ([0.0], [[1.0, 2.0]])}, "expected"),
    ],
)
def test_packets_that_are_none_are_refused_and_change_nothing(packet, says):
    recording, tracker = seated(), heart_rate.Tracker()
    tracker.push({"ppg": (recording["ppg"].time[:0], recording["ppg"].values[:0])})
    with pytest.raises(ValueError, match=says):
        tracker.push(packet)
    rows = [tracker.push({name: (recording[name].time, recording[name].values) for name in ("ppg", "accel")})]
    rows.append(tracker.flush())
    assert sum(map(len, rows)) == len(heart_rate.estimate(recording))


@pytest.mark.parametrize("streams", [("accel",), ("ppg", "gyro"), ("ppg", "accel", "user_accel")])
def test_other_streams_are_refused_by_name(streams):
    with pytest.raises(ValueError, match="streams are"):
        heart_rate.Tracker(streams=streams)


def test_a_wait_that_is_none_is_refused():
    with pytest.raises(ValueError, match="max_wait_s"):
        heart_rate.Tracker(max_wait_s=-1.0)


# ---- light that is none, motion that is wrong ----


def coloured(beta, seed):
    """Noise (6000,) whose power falls with frequency to the power of beta."""
    rng = np.random.default_rng(seed)
    frequency = np.maximum(np.fft.rfftfreq(6000, 0.02), 0.01)
    return np.fft.irfft(np.fft.rfft(rng.normal(size=6000)) / frequency ** (beta / 2), 6000)


@pytest.mark.parametrize("beta", [0, 1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_has_no_rate(beta, seed):
    noise = Recording.of([Stream.uniform("ppg", 1000 + 10 * coloured(beta, seed), rate_hz=50.0)])
    assert len(heart_rate.estimate(noise)) <= 6


@pytest.mark.parametrize("value", [0.0, 255.0, np.nan])
def test_no_contact_has_no_rate_but_a_finding(value):
    light = LightParams(rate_hz=64.0, dark_s=((20.0, 60.0),), dark_value=value)
    recording = seated(light=light)
    rate = heart_rate.estimate(recording)
    assert len(rate) >= 18
    assert rate.time.max() <= 20 + 4 + 20  # half a window, and what is coasted over
    found = heart_rate.findings(recording)
    assert list(found.columns) == list(FINDING_COLUMNS)
    assert found["stop_s"].max() >= 55
    assert recording.with_findings(found).findings["code"].str.startswith("heart_rate_").any()


def test_lone_marks_of_no_value_cost_no_accuracy():
    recording = seated()
    values = recording["ppg"].values.copy()
    rng = np.random.default_rng(0)
    values[rng.random(len(values)) < 0.01] = 0
    values[rng.random(len(values)) < 0.01] = 255
    rate = heart_rate.estimate(with_light(recording, values))
    assert np.abs(errors(rate, recording)).max(initial=0) <= 5


def test_saturated_light_has_no_rate():
    recording = seated()
    assert not len(heart_rate.estimate(with_light(recording, np.full_like(recording["ppg"].values, 524_287))))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda accel: accel * 9.81, "heart_rate_accel_unit"),
        (lambda accel: accel * 1000, "heart_rate_accel_unit"),
        (lambda accel: accel * 9806.65, "heart_rate_accel_unit"),
        (lambda accel: accel - uniform_filter1d(accel, 100, axis=0), "heart_rate_accel_unit"),
        (lambda accel: accel * np.array([0, 1, 1]), "heart_rate_accel_axis_dead"),
        (lambda accel: np.where([False, True, False], np.nan, accel), "heart_rate_accel_axis_dead"),
    ],
)
def test_motion_that_is_felt_wrongly_has_no_rate(wrong, code):
    recording = crossing(0)
    broken = with_accel(recording, wrong(recording["accel"].values))
    rate = heart_rate.estimate(broken.between(60, 180))
    assert len(rate) <= 3
    found = heart_rate.findings(broken)
    assert code in set(found["code"])
    assert found["remedy"].str.len().min() > 0


def test_motion_in_another_unit_is_refused_from_packets_too():
    recording = with_accel(seated(), 1000 * seated()["accel"].values)
    tracker = heart_rate.Tracker()
    assert not sum(len(tracker.push(packet)) for packet in pieces_of(recording, 60)) + len(tracker.flush())


def test_where_motion_stops_being_recorded_is_a_finding_and_less_sure():
    recording = seated()
    cut = recording.with_streams(recording["accel"].between(0, 25))
    found = heart_rate.findings(cut)
    row = found[found["code"] == "no_motion_recorded"].iloc[0]
    assert row["start_s"] == pytest.approx(25, abs=0.1)
    assert row["stop_s"] == pytest.approx(recording["ppg"].stop_s, abs=0.1)
    rate = heart_rate.estimate(cut)
    assert rate.values[rate.time > 30, 1].max() <= heart_rate.MOST_UNWITNESSED + 1e-6 < rate.values[:, 1].max()
    absent = with_accel(recording, np.full_like(recording["accel"].values, np.nan))
    assert "no_motion_recorded" in set(heart_rate.findings(absent)["code"])


def test_light_alone_is_never_quite_sure():
    moving = only(crossing(0), "ppg").between(60, 150)
    rate = heart_rate.estimate(moving)
    assert rate.values[:, 1].max(initial=0) <= heart_rate.MOST_UNWITNESSED + 1e-6
    assert "no_motion_recorded" in set(heart_rate.findings(moving)["code"])


def test_nothing_is_told_where_there_is_no_light():
    with pytest.raises(RecordingError, match="no stream 'ppg'"):
        heart_rate.estimate(only(seated(), "accel"))
    slow = Recording.of([Stream.uniform("ppg", np.sin(np.arange(300.0)), rate_hz=1.0)])
    assert not len(heart_rate.estimate(slow))
    short = Recording.of([Stream.uniform("ppg", np.arange(3.0), rate_hz=64.0)])
    assert not len(heart_rate.estimate(short))


@pytest.mark.parametrize(("samples", "streams"), [(0, ("ppg", "accel")), (1, ("ppg", "accel")), (1, ("ppg",))])
def test_no_light_to_speak_of_is_a_finding(samples, streams):
    light = seated()["ppg"]
    none = Stream.measured("ppg", light.time[:samples], light.values[:samples])
    held = Recording.of([none, *([seated()["accel"]] if "accel" in streams else [])])
    assert not len(heart_rate.estimate(held))
    assert "heart_rate_missing" in set(heart_rate.findings(held)["code"])


@pytest.mark.parametrize("packet", [None, 3.0, ([0.0],), "ab c"])
def test_a_packet_that_is_no_pair_is_refused_by_name(packet):
    with pytest.raises(TypeError, match="expected \\(seconds, values\\)"):
        heart_rate.Tracker().push({"accel": packet})


@pytest.mark.parametrize("given", ["night.csv", None, [1.0]])
def test_what_is_no_recording_is_refused_by_name(given):
    for estimator in (
        *(heart_rate.estimate, heart_rate.explain, heart_rate.findings, heart_rate.peaks, heart_rate.variability),
        *(steps.detect, steps.bouts, steps.doubts, reps.detect, reps.sets, reps.doubts, arm_motion.measure),
        *(activity.bouts, activity.daily, activity.doubts),
    ):
        with pytest.raises(TypeError, match="expected one Recording"):
            estimator(given)


def test_every_second_is_explained():
    table = heart_rate.explain(damaged())
    assert (np.diff(table["time_s"]) == 1).all()
    told = table[table["reason"] == ""]
    np.testing.assert_array_equal(told["time_s"], heart_rate.estimate(damaged()).time)
    assert set(table["reason"]) <= {"", "missing", "flat", "unsure", "unseen", "light_surge", "too_soon"}


# ---- light alone ----


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("begins_s", [40, 90])
def test_light_alone_tells_no_rate_of_motion_from_the_start(seed, begins_s):
    moving = only(crossing(seed), "ppg", "heart_rate_truth").between(begins_s, 180)
    rate = heart_rate.estimate(only(moving, "ppg"))
    assert (np.abs(errors(rate, moving)) > 5).sum() <= 0.05 * (180 - begins_s)
    table = heart_rate.explain(only(moving, "ppg"))
    assert (table["reason"] == "two_rhythms").mean() > 0.4


@pytest.mark.parametrize("seed", [0, 1])
def test_light_alone_follows_a_pulse_that_was_known_at_rest_into_motion(seed):
    moving = crossing(seed)
    rate = heart_rate.estimate(only(moving, "ppg"))
    assert (rate.time > 30).sum() >= 0.6 * 150
    assert np.abs(errors(rate, moving)).mean() <= 3
    assert np.abs(errors(rate, moving)).max() <= 10
    assert set(heart_rate.explain(only(moving, "ppg"))["reason"]) <= {"", "missing", "too_soon", "unseen", "unsure"}


def test_light_that_a_lamp_joins_is_not_followed_onto_the_lamp():
    recording = seated(seed=3, bpm=66.0)
    light, at_s = recording["ppg"].values.copy(), recording["ppg"].time
    lamp = 12 * np.std(light) * np.sin(2 * np.pi * 1.6 * at_s) * (at_s > 30)
    rate = heart_rate.estimate(only(with_light(recording, light + lamp[:, None]), "ppg"))
    assert (rate.time < 28).sum() >= 15
    assert np.abs(errors(rate, recording)).max() <= 10


def two_rhythms(*, size=1.0):
    """Eight seconds (LENGTH, 1) of a pulse at 70 and a swing at 52 with two steps in it."""
    at_s = np.arange(evidence.LENGTH) / evidence.GRID_HZ
    pulse = sum(np.sin(2 * np.pi * 70 / 60 * k * at_s + k) / k**2 for k in (1, 2, 3))
    swing = sum(height * np.sin(2 * np.pi * 52 / 60 * k * at_s + 2 * k) for k, height in ((1, 0.8), (2, 1.0), (3, 0.3)))
    noise = np.random.default_rng(0).normal(0, 0.02, evidence.LENGTH)
    return size * (pulse + swing + noise)[:, None]


def test_motion_is_found_beside_a_pulse_and_the_pulse_beside_motion():
    window = rhythms.Window(two_rhythms())
    assert rhythms.FUNDAMENTALS_BPM[window.motion([70.0]).argmax()] == pytest.approx(52, abs=1)
    found = window.pulse([52.0], most={})
    assert evidence.RATES_BPM[found.said.log.argmax()] == pytest.approx(70, abs=1)
    near = np.abs(evidence.RATES_BPM[:, None] - 52 * np.array([1, 2])).min(axis=1) <= 9
    assert (found.said.log[near] <= 0).all()  # what is left of motion there cannot be told from a pulse
    assert (found.said.free[np.abs(evidence.RATES_BPM - 70) <= 3] > 0.9).all()


def test_the_size_of_a_pulse_is_that_of_the_light_and_one_too_large_is_none():
    small, large = (rhythms.Window(two_rhythms(size=size)).pulse([52.0], most={}) for size in (1.0, 3.0))
    np.testing.assert_allclose(large.sizes[0], 9 * small.sizes[0], rtol=1e-6, atol=1e-12)
    at = int(small.said.log.argmax())
    window = rhythms.Window(two_rhythms(size=3.0))
    none = window.pulse([52.0], most={0: 3 * float(small.sizes[0][at])})
    assert none.said.log[at] == none.said.free[at] == 0
    assert window.pulse([52.0], most={0: 10 * float(small.sizes[0][at])}).said.log[at] == large.said.log[at] > 5


def test_lines_are_taken_out_as_a_plain_fit_does():
    window = evidence.Channel.of(two_rhythms()[:, 0])
    lines = rhythms.lines_of([52.0])
    np.testing.assert_array_equal(lines, 52.0 * np.arange(1, 6))
    columns = evidence.of_lines(window.weights, lines)
    turn = 2 * np.pi * lines[:, None] / 60 * np.arange(evidence.LENGTH) / evidence.GRID_HZ
    plain = (np.vstack([evidence.DRIFT, np.cos(turn), np.sin(turn)]) * window.weights).T
    light = window.weights * window.steps
    fitted = plain @ np.linalg.lstsq(plain, light)[0]
    np.testing.assert_allclose(evidence.without(columns, light), light - fitted, atol=1e-9)


def test_light_alone_is_told_again_some_time_after_motion():
    plan = (Bout(40, (1.9, 1.9), 0.4), Bout(60, (0.0, 0.0), 0.0))
    made = treadmill(people(1, seed=407)[0], seed=7, plan=plan, bpm=80.0)
    rate = heart_rate.estimate(only(made, "ppg"))
    assert not (rate.time < 38).any()
    assert (rate.time > 75).any()
    assert np.abs(errors(rate, made)).max() <= 5


def test_a_second_rhythm_is_found_beside_the_first_and_not_among_its_multiples():
    at_s = np.arange(evidence.LENGTH) / evidence.GRID_HZ
    first = sum(np.sin(2 * np.pi * 1.1 * k * at_s + k) / k for k in (1, 2, 3, 4))
    noise = np.random.default_rng(0).normal(0, 0.02, evidence.LENGTH)
    alone = evidence.evidence_beside((first + noise)[:, None], 66.0)
    assert alone.log.max() < 5
    two = evidence.evidence_beside((first + 0.4 * np.sin(2 * np.pi * 1.6 * at_s) + noise)[:, None], 66.0)
    assert evidence.RATES_BPM[two.log.argmax()] == pytest.approx(96, abs=2)
    assert two.log.max() > 20


def test_packets_of_light_alone_give_the_rows_of_the_recording():
    recording, tracker = only(crossing(0), "ppg"), heart_rate.Tracker(streams=("ppg",))
    rows = [tracker.push(packet) for packet in pieces_of(recording, 60, ("ppg",))] + [tracker.flush()]
    np.testing.assert_array_equal(np.concatenate([one.values for one in rows]), heart_rate.estimate(recording).values)


@pytest.mark.parametrize("value", [0.0, 0.577])
def test_an_accelerometer_that_is_stuck_is_none(value):
    moving = crossing(0).between(90, 180)
    stuck = with_accel(moving, np.full_like(moving["accel"].values, value))
    rate = heart_rate.estimate(stuck)
    assert np.abs(errors(rate, moving)).max(initial=0) <= 5
    found = heart_rate.findings(stuck)
    assert {"accel_stuck"} <= set(found["code"])
    assert found["remedy"].str.len().min() > 0
    assert "accel_stuck" not in set(heart_rate.findings(moving)["code"])


def test_light_that_flickers_is_no_pulse_where_nothing_else_was_recorded():
    at_s = np.arange(0, 60, 0.02)
    noise = np.random.default_rng(0).normal(0, 0.02, len(at_s))
    lamp = Recording.of([Stream.measured("ppg", at_s, 1000 + np.sin(2 * np.pi * 1.2 * at_s) + noise)])
    assert not len(heart_rate.estimate(lamp))
    assert "heart_rate_unlike_blood" in set(heart_rate.findings(lamp)["code"])


def test_light_that_flickers_is_no_pulse_beside_a_working_accelerometer():
    recording = seated()
    at_s = recording["ppg"].time
    lamp = 1000 + 20 * np.sin(2 * np.pi * 1.4 * at_s) + np.random.default_rng(0).normal(0, 1, len(at_s))
    flickering = with_light(recording, lamp[:, None])
    assert len(heart_rate.estimate(flickering)) <= 8
    assert "heart_rate_unlike_blood" in set(heart_rate.findings(flickering)["code"])


@pytest.mark.parametrize("seed", [50, 51, 52])
def test_a_pulse_that_thrown_arms_hide_is_told_with_less_and_less_confidence(seed):
    plan = [("sitting", 40.0), ExerciseSet(exercise="jumping_jack", repetitions=25), ("sitting", 20.0)]
    arms = workout(people(1, seed=31_337)[0], plan=plan, seed=seed, sensor=SensorParams(rate_hz=50.0))
    bpm = np.interp(np.arange(int(arms["accel"].stop_s) + 2.0), [0, 45, 75], [72, 75, 130])
    recording = add_ppg(only(arms, "accel"), bpm, seed=900, effort=0.4)
    rate = heart_rate.estimate(recording)
    off, confidence = np.abs(errors(rate, recording)), np.asarray(rate.values[:, 1])
    assert (off > 10).sum() >= 5  # it is lost for a while
    assert (off[confidence >= 0.8] > 10).mean() <= 0.02
    assert np.median(confidence[off > 10]) < 0.7
    assert np.median(confidence[off <= 10]) > 0.9


# ---- pulse by pulse ----


def test_pulses_are_found_where_they_are():
    for light in (None, RING_LIGHT):
        recording = seated(seed=2, light=light, bpm=70.0)
        found, truth = heart_rate.peaks(recording), recording["ibi_truth"]
        apart = np.abs(found["time_s"].to_numpy()[None] - truth.time[:, None]).min(axis=1)
        inside = (truth.time > 1) & (truth.time < 58)
        assert np.mean(apart[inside] < 0.1) >= 0.98
        assert len(found) <= 1.03 * (len(truth) + 1)


def test_variability_is_that_of_the_beats_where_the_light_is_good():
    recording = seated(seed=5, light=RING_LIGHT, bpm=58.0)
    row = heart_rate.variability(recording, window_s=60).iloc[0]
    true_ms = 1000 * recording["ibi_truth"].values[:, 0]
    if row["reason"] == "":
        assert row["rmssd_ms"] == pytest.approx(np.sqrt(np.mean(np.diff(true_ms) ** 2)), rel=0.25)
        assert row["sdnn_ms"] == pytest.approx(true_ms.std(ddof=1), rel=0.2)
        assert 0 <= row["pnn50"] <= 1
    else:
        assert row["share"] < 0.9


def test_variability_under_motion_is_not_told():
    table = heart_rate.variability(crossing(0), window_s=90)
    assert len(table) == 2
    assert np.isnan(table["rmssd_ms"].iloc[1])
    assert "cover less" in table["reason"].iloc[1]
    with pytest.raises(ValueError, match="window_s"):
        heart_rate.variability(seated(), window_s=5)


def test_what_has_no_rate_has_no_pulses():
    recording = seated()
    dark = with_light(recording, np.zeros_like(recording["ppg"].values))
    assert heart_rate.peaks(dark).empty
    assert heart_rate.variability(dark)["reason"].str.len().min() > 0


# ---- the simulation ----


def test_the_heart_follows_effort_with_its_own_kinetics():
    effort = np.repeat([0.0, 0.5, 0.0], 400)
    bpm = heart_response(effort, resting_bpm=60.0, highest_bpm=190.0, rng=np.random.default_rng(0))
    assert bpm[380:400].mean() == pytest.approx(60, abs=3)
    assert bpm[700:800].mean() == pytest.approx(125, abs=3)
    on_s, off_s = (int(HEART[name].value) for name in ("on_s", "off_s"))
    assert bpm[400 + on_s - 3 : 400 + on_s + 4].mean() == pytest.approx(60 + 65 * (1 - np.exp(-1)), abs=4)
    assert bpm[800 + off_s - 3 : 800 + off_s + 4].mean() == pytest.approx(60 + 65 * np.exp(-1), abs=4)
    highest = heart_response(np.ones(1200), resting_bpm=50.0, highest_bpm=200.0, rng=np.random.default_rng(1))
    assert highest[-100:].mean() == pytest.approx(200, abs=4)
    for wrong in ([1.2], [[0.5]], []):
        with pytest.raises(ValueError, match="effort"):
            heart_response(wrong, resting_bpm=60.0, highest_bpm=190.0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="rates are"):
        heart_response([0.1], resting_bpm=90.0, highest_bpm=80.0, rng=np.random.default_rng(0))


def test_the_truth_is_the_beats():
    heart = heart_beats(np.linspace(60, 150, 200), effort=0.2, lost_s=(50.0,), rng=np.random.default_rng(0))
    counted = [np.interp([t - 4, t + 4], heart.beats_s, np.arange(len(heart.beats_s))) for t in range(80, 180)]
    np.testing.assert_allclose(heart.bpm[80:180], [60 * (b - a) / 8 for a, b in counted], atol=1)
    intervals = np.diff(heart.beats_s)
    early = np.abs(heart.beats_s[1:] - 50).argmin()
    assert intervals[early - 1 : early + 2].min() < 0.8 * np.median(intervals[early - 4 : early + 5])


def test_simulated_light_is_the_same_for_a_seed_and_keeps_its_truth_apart():
    recording = seated()
    again = add_ppg(only(recording, "accel"), 64.0, seed=0)
    np.testing.assert_array_equal(again["ppg"].values, recording["ppg"].values)
    other = add_ppg(only(recording, "accel"), 64.0, seed=1)
    assert (other["ppg"].values != recording["ppg"].values).any()
    assert set(recording.streams) == {"accel", "ppg", "cadence_truth", "heart_rate_truth", "ibi_truth"}
    assert recording.is_simulated
    assert all(number.source for number in [*SKIN.values(), *HEART.values()])


def test_the_sensor_loses_saturates_and_drifts_as_asked():
    light = LightParams(
        rate_hz=100.0, lost_s=((5.0, 7.0),), dark_s=((10.0, 12.0),), full_scale=200_500.0, clock_error_ppm=500.0
    )
    ppg = seated(light=light)["ppg"]
    assert not len(ppg.between(5.01, 7.0))
    assert (ppg.between(10.01, 12.0).values == 0).all()
    assert ppg.values.max() == 200_500
    assert ppg.rate_hz == pytest.approx(100 / (1 + 500e-6), rel=1e-4)
    for wrong in ({"rate_hz": 1.0}, {"rate_hz": 50.0, "wavelengths": ()}, {"rate_hz": 50.0, "lost_s": ((2.0, 1.0),)}):
        with pytest.raises(ValueError, match="expected"):
            LightParams(**wrong)
    with pytest.raises(ValueError, match="bouts of 5 s"):
        treadmill(people(1, seed=1)[0], seed=1, plan=(Bout(1, (0.0, 0.0), 0.0),))


# ---- real light ----


@pytest.mark.real_data
def test_a_clean_finger_has_the_rate_of_its_tops(real_data):
    light = np.loadtxt(real_data / "ppg" / "data.csv")
    recording = Recording.of([Stream.uniform("ppg", light, rate_hz=100.0)])
    rate = heart_rate.estimate(recording)
    smooth = np.convolve(light - light.mean(), np.ones(15) / 15, mode="same")
    at = np.array([np.dot(smooth[:-lag], smooth[lag:]) / (len(smooth) - lag) for lag in range(60, 150)])
    assert np.median(rate.values[:, 0]) == pytest.approx(6000 / (60 + at.argmax()), abs=2)
    assert len(rate) >= 20


@pytest.mark.real_data
def test_a_real_watch_that_moves_all_the_time_is_mostly_refused(real_data):
    recording = wk.load(real_data / "e4").between(0, 156)
    table = heart_rate.explain(recording)
    assert (table["reason"] != "").mean() > 0.5
    assert set(table["reason"]) <= {"", "missing", "flat", "unsure", "unseen"}


@pytest.mark.real_data
def test_light_alone_of_a_real_watch_that_moves_is_hardly_told(real_data):
    recording = only(wk.load(real_data / "e4").between(0, 156), "ppg")
    assert len(heart_rate.estimate(recording)) <= 15
