"""Sound: the front end against a direct DFT, packets equal to the whole bit for bit, level against the A curve."""

import json
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve, sosfreqz
from sklearn.metrics import roc_auc_score

from wristkit.audio import (
    A_POLES_HZ,
    FLOOR,
    FULL_SCALE_POWER,
    HOP,
    LEVEL_CHANNELS,
    TEXTURE_CHANNELS,
    WINDOW,
    Frames,
    LevelParams,
    MelParams,
    TextureParams,
    a_weighting,
    level,
    mel,
    texture,
    without_sound,
)
from wristkit.audio.mel import polyphase
from wristkit.audio.texture import SYLLABLES
from wristkit.errors import EmptyRecordingError, RecordingError
from wristkit.load import load
from wristkit.recording import Recording, Stream
from wristkit.signals import inspect
from wristkit.signals.alignment import ClockFit

RATES_HZ = (16_000, 22_050, 32_000, 44_100, 48_000)
SILENCE = np.log(FLOOR)


def noise(count: int, *, seed: int = 0, scale: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=scale, size=count)


def tone(frequency_hz: float, rate_hz: float, *, span_s: float = 1.0, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(span_s * rate_hz)) / rate_hz)


def recording_of(values: np.ndarray, rate_hz: float, *, start_s: float = 0.0, **streams: Stream) -> Recording:
    names = None if values.ndim == 1 else ("left", "right")
    audio = Stream.uniform("audio", values, rate_hz=rate_hz, start_s=start_s, channels=names)
    return Recording.of([audio, *streams.values()])


def pushed(state, time_s: np.ndarray, values: np.ndarray, cuts: list[int]) -> Frames:
    edges = [0, *sorted(cuts), len(time_s)]
    return Frames.join([state.push(time_s[first:last], values[first:last]) for first, last in pairwise(edges)])


def bits(frames: Frames) -> list[bytes]:
    return [column.tobytes() for column in frames]


def slow_mel(values: np.ndarray, params: MelParams) -> np.ndarray:
    """Every frame by the sums of its definition: window, DFT, triangles, logarithm."""
    to_mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    steps = np.linspace(to_mel(params.low_hz), to_mel(params.high_hz), params.bands + 2)
    edges = 700 * (10 ** (steps / 2595) - 1)
    window = np.sin(np.pi * np.arange(400) / 400) ** 2
    rows = []
    for first in range(0, len(values) - 399, 160):
        frame, bands = window * values[first : first + 400], np.zeros(params.bands)
        for number in range(201):
            turn = np.exp(-2j * np.pi * number * np.arange(400) / 400)
            # one side of the spectrum, so that all bins together are the frame's mean square
            power = 2**14 * 2 * abs(np.sum(frame * turn)) ** 2 / (400 * np.sum(window**2))
            for band in range(params.bands):
                below, centre, above = edges[band : band + 3]
                slope = min((40 * number - below) / (centre - below), (above - 40 * number) / (above - centre))
                bands[band] += max(0.0, slope) * power
        rows.append(np.log(bands + 1e-4))
    return np.array(rows)


@pytest.mark.parametrize("params", [MelParams(), MelParams(low_hz=100, high_hz=4000, bands=12)], ids=str)
def test_mel_equals_its_definition(params: MelParams) -> None:
    values = noise(1500) + tone(440, 16_000)[:1500] * 0.3
    found = params.run(values, rate_hz=16_000)
    np.testing.assert_allclose(found.values, slow_mel(values, params), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.time_s, 0.0125 + 0.01 * np.arange(7), rtol=0, atol=1e-12)


def exported(values: np.ndarray, kind: type) -> np.ndarray:
    """The front end as a network has it: two convolutions, squares, one matrix; every result rounded to ``kind``."""
    fixed = MelParams().coefficients()
    cosine, sine, matrix = (part.astype(kind).astype(np.float64) for part in (fixed.cosine, fixed.sine, fixed.matrix))
    frames = np.lib.stride_tricks.sliding_window_view(values.astype(kind).astype(np.float64), WINDOW)[::HOP]
    real, imaginary = ((frames @ part.T).astype(kind).astype(np.float64) for part in (cosine, sine))
    power = ((real**2).astype(kind) + (imaginary**2).astype(kind)).astype(kind).astype(np.float64)
    bands = (power @ matrix).astype(kind) + kind(FLOOR)
    return np.log(bands.astype(kind).astype(np.float64))


def test_coefficients_are_the_front_end_as_convolutions_and_one_matrix() -> None:
    values = noise(16_000)
    expected = MelParams().run(values, rate_hz=16_000).values
    np.testing.assert_allclose(exported(values, np.float64), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1e-2, 0.3])
def test_float16_holds_the_front_end_from_silence_to_full_scale(scale: float) -> None:
    values = np.clip(noise(16_000, scale=scale), -1, 1)
    rounded, exact = exported(values, np.float16), MelParams().run(values, rate_hz=16_000).values
    assert np.isfinite(rounded).all()
    assert np.abs(rounded - exact).max() < 0.05


def test_the_loudest_sound_that_is_let_in_fits_float16() -> None:
    square = 2.0 * np.sign(tone(1000.1, 16_000))
    assert np.exp(MelParams().run(square, rate_hz=16_000).values.max()) < np.finfo(np.float16).max
    assert np.exp(MelParams().run(square, rate_hz=16_000).values).sum(axis=1).max() > 2 * FULL_SCALE_POWER


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@given(
    cuts=st.lists(st.integers(0, 8000), max_size=12),
    seed=st.integers(0, 99),
    hole=st.integers(0, 8000),
    hole_s=st.sampled_from([0.02, 0.3]),
)
@settings(max_examples=25)
def test_any_partition_gives_the_same_bits(rate_hz: int, cuts: list[int], seed: int, hole: int, hole_s: float) -> None:
    values = noise(8000, seed=seed)
    time_s = 3.1 + np.arange(8000) / rate_hz
    time_s[hole:] += hole_s
    for step in (MelParams(), LevelParams()):
        whole = step.start(rate_hz).push(time_s, values)
        assert bits(pushed(step.start(rate_hz), time_s, values, cuts)) == bits(whole)


@pytest.mark.parametrize("size", [1, 7, 160, 441])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_packets_of_one_size_give_the_same_bits(rate_hz: int, size: int) -> None:
    values, time_s = noise(3000), np.arange(3000) / rate_hz
    for step in (MelParams(), LevelParams()):
        found = pushed(step.start(rate_hz), time_s, values, list(range(size, 3000, size)))
        assert bits(found) == bits(step.run(values, rate_hz=rate_hz))


@given(cuts=st.lists(st.integers(0, 298), max_size=12), seed=st.integers(0, 99), hole=st.integers(0, 298))
@settings(max_examples=40)
def test_texture_of_any_partition_gives_the_same_bits(cuts: list[int], seed: int, hole: int) -> None:
    frames = MelParams().run(noise(48_000, seed=seed), rate_hz=16_000)
    frames = frames._replace(time_s=frames.time_s + 0.02 * (np.arange(298) >= hole))
    state, edges = TextureParams().start(), [0, *sorted(cuts), 298]
    parts = [state.push(Frames(*(column[a:b] for column in frames))) for a, b in pairwise(edges)]
    assert bits(Frames.join(parts)) == bits(TextureParams().run(frames))


def test_every_frame_alone_gives_the_same_bits() -> None:
    frames = MelParams().run(noise(16_000), rate_hz=16_000)
    state = TextureParams().start()
    parts = [state.push(Frames(*(column[row : row + 1] for column in frames))) for row in range(len(frames.time_s))]
    assert bits(Frames.join(parts)) == bits(TextureParams().run(frames))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_clicks_lie_at_the_time_of_their_frames(rate_hz: int) -> None:
    late_s = []
    for row in np.linspace(0.3, 0.31, 10, endpoint=False) * rate_hz:
        values = np.zeros(rate_hz)
        values[round(row)] = 1.0
        found = MelParams().run(values, rate_hz=rate_hz, start_s=5.0)
        weight = (np.exp(found.values) - FLOOR).sum(axis=1)
        late_s.append(np.sum(weight * found.time_s) / weight.sum() - 5.0 - round(row) / rate_hz)
    # one click's centre of power moves by 1.3 ms with its place between frames; over all places nothing is left
    assert np.mean(late_s) == pytest.approx(0, abs=5e-5)
    assert np.abs(late_s).max() < 0.0015


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_delay_is_the_newest_sample_that_is_needed(rate_hz: int) -> None:
    values, time_s = noise(rate_hz), np.arange(rate_hz) / rate_hz
    found = MelParams().run(values, rate_hz=rate_hz)
    assert np.abs(found.needed_s - found.time_s - MelParams().delay_s(rate_hz)).max() <= 1 / rate_hz
    kept = time_s <= found.needed_s[40]
    until = MelParams().run(values[kept], rate_hz=rate_hz)
    assert bits(until) == [column[:41].tobytes() for column in found]
    without_newest = MelParams().run(values[kept][:-1], rate_hz=rate_hz)
    assert len(without_newest.time_s) == 40


@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
def test_the_clock_does_not_drift(rate_hz: int) -> None:
    found = MelParams().run(np.zeros(60 * rate_hz), rate_hz=rate_hz, start_s=86_000.0)
    expected = found.time_s[0] + 0.01 * np.arange(len(found.time_s))
    np.testing.assert_allclose(found.time_s, expected, rtol=0, atol=1e-9)
    assert len(found.time_s) == 5998
    places = LevelParams().run(np.zeros(60 * rate_hz), rate_hz=rate_hz).time_s
    assert len(places) == 6000
    np.testing.assert_allclose(places, 0.01 * np.arange(1, 6001) - 1 / rate_hz, rtol=0, atol=1 / rate_hz)


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 44_100, 48_000, 96_000])
def test_the_low_pass_is_flat_where_bands_lie_and_lets_nothing_fold_onto_them(rate_hz: int) -> None:
    ratio = polyphase(rate_hz)

    def level_db(frequency_hz: float) -> float:
        source = tone(frequency_hz, rate_hz, amplitude=np.sqrt(2))
        return float(10 * np.log10(np.mean(ratio.outputs(2000, 12_000, source, 0) ** 2)))

    assert max(abs(level_db(hertz)) for hertz in (50.5, 1000.5, 5000.5, 7600.5)) < 0.02
    folding = [hertz for hertz in (8400.5, 9000.5, 11_000.5, 15_000.5, 20_000.5) if hertz < rate_hz / 2]
    assert max(level_db(hertz) for hertz in folding) < -59


@pytest.mark.parametrize("rate_hz", RATES_HZ[1:])
def test_a_faster_microphone_hears_the_same(rate_hz: int) -> None:
    rng = np.random.default_rng(4)
    parts = [(rng.uniform(100, 7000), rng.uniform(0, 6)) for _ in range(60)]

    def sound(time_s: np.ndarray) -> np.ndarray:
        return sum(0.02 * np.sin(2 * np.pi * hertz * time_s + phase) for hertz, phase in parts)

    found = MelParams().run(sound(np.arange(rate_hz) / rate_hz), rate_hz=rate_hz)
    start_s = found.time_s[0] - 0.0125
    slow = MelParams().run(sound(start_s + np.arange(15_000) / 16_000), rate_hz=16_000, start_s=start_s)
    count = len(slow.time_s)
    np.testing.assert_allclose(found.time_s[:count], slow.time_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.values[:count], slow.values, rtol=0, atol=0.02)


def test_silence_constants_and_denormals_rest_on_the_floor() -> None:
    for values in (np.zeros(16_000), np.full(16_000, 0.7), np.full(16_000, 5e-324), np.full(16_000, -1e-310)):
        np.testing.assert_allclose(MelParams().run(values, rate_hz=16_000).values, SILENCE, rtol=0, atol=1e-9)
        levels_db = LevelParams().run(values, rate_hz=16_000).values
        assert np.isfinite(levels_db).all()
        assert levels_db[-1] == pytest.approx(-120)
    texture_of_silence = TextureParams().run(MelParams().run(np.zeros(16_000), rate_hz=16_000)).values
    assert np.isfinite(texture_of_silence).all()
    shown = dict(zip(TEXTURE_CHANNELS, texture_of_silence[-1], strict=True))
    assert [shown[name] for name in ("flux", "water", "speech", "nearness")] == [0, 0, 0, 0]


@pytest.mark.parametrize("step", [MelParams(), LevelParams()], ids=["mel", "level"])
@pytest.mark.parametrize(
    ("time_s", "values", "says"),
    [
        ([0.0, 1e-4], [0.0, np.nan], "NaN or infinite"),
        ([0.0, np.inf], [0.0, 0.0], "NaN or infinite"),
        ([0.0, 1e-4], [0.0, 1e12], "divide PCM"),
        ([0.0, 1e-4], [0.0, -2.1], "divide PCM"),
        ([0.0, 0.0], [0.0, 0.0], "does not increase"),
        ([1e-4, 0.0], [0.0, 0.0], "does not increase"),
        ([0.0], [0.0, 0.0], "expected \\(n,\\)"),
        ([[0.0]], [[0.0]], "expected \\(n,\\)"),
        (np.arange(50) / 16.0, np.zeros(50), "give seconds"),
    ],
)
def test_wrong_packets_are_refused_and_leave_no_trace(step, time_s, values, says) -> None:
    state, good = step.start(16_000), noise(3200)
    with pytest.raises(ValueError, match=says):
        state.push(np.asarray(time_s), np.asarray(values))
    found = state.push(np.arange(3200) / 16_000 - 1, good)
    assert bits(found) == bits(step.run(good, rate_hz=16_000, start_s=-1))


def isolated(count: int, *, dense: int = 16_000, step_s: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Return stamps and samples at 16 kHz, with so many samples that stand alone in their midst."""
    first_s = np.arange(dense) / 16_000
    alone_s = first_s[-1] + step_s * np.arange(1, count + 1)
    time_s = np.concatenate([first_s, alone_s, alone_s[-1] + step_s + first_s])
    return time_s, noise(len(time_s))


@pytest.mark.parametrize("step", [MelParams(), LevelParams()], ids=["mel", "level"])
@given(cuts=st.lists(st.integers(15_990, 16_012), max_size=12))
@settings(max_examples=25)
def test_samples_that_stand_alone_cost_themselves_however_packets_are_cut(step, cuts: list[int]) -> None:
    time_s, values = isolated(10)
    assert bits(pushed(step.start(16_000), time_s, values, cuts)) == bits(step.start(16_000).push(time_s, values))


@pytest.mark.parametrize("step", [MelParams(), LevelParams()], ids=["mel", "level"])
@given(cuts=st.lists(st.integers(15_990, 16_100), max_size=12))
@settings(max_examples=25)
def test_many_samples_that_stand_alone_are_refused_however_packets_are_cut(step, cuts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"in a row of more than 0\.005 s.*give seconds"):
        pushed(step.start(16_000), *isolated(60), cuts)


def test_packets_that_a_recordings_sound_is_refused_for_are_told_of_the_recording() -> None:
    time_s, values = isolated(60)
    for make in (mel, level):
        with pytest.raises(RecordingError, match="'audio' cannot be analysed: time has 61 steps in a row") as told:
            make(Recording.of([Stream.measured("audio", time_s, values)]))
        assert told.value.code == "rate"


def test_a_rate_that_the_stamps_contradict_is_refused() -> None:
    state = MelParams().start(16_000)
    with pytest.raises(ValueError, match=r"16001 samples span 1\.0667 s, expected 1\.0000 s at 16000 Hz"):
        state.push(np.arange(40_000) / 15_000, np.zeros(40_000))


@given(sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5))
@settings(max_examples=20)
def test_a_rate_is_judged_at_each_second_however_packets_are_cut(sizes: list[int]) -> None:
    """2 s of 15.7 kHz end between two packets of any size, or amid one: refused in the first second of sound."""
    slow_s = np.arange(31_400) / 15_700
    time_s = np.concatenate([slow_s, slow_s[-1] + np.arange(1, 128_001) / 16_000])
    for one in (sizes, [len(time_s)]):
        cuts = np.cumsum(np.resize(one, len(time_s)))
        with pytest.raises(ValueError, match=r"16001 samples span 1\.0191 s"):
            pushed(LevelParams().start(16_000), time_s, np.zeros(len(time_s)), cuts[cuts < len(time_s)].tolist())


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("missing", [1, 2, 15, 70, 79, 81, 300])
@given(cuts=st.lists(st.one_of(st.integers(0, 8000), st.integers(3990, 4400)), max_size=8))
@settings(max_examples=5)
def test_sound_on_both_sides_of_a_hole_is_never_spliced(rate_hz: int, missing: int, cuts: list[int]) -> None:
    """Whether samples are NaN in a recording or left out of packets: the frames before, and those after."""
    values, time_s = noise(8000).astype(np.float32), 3.1 + np.arange(8000) / rate_hz
    held = np.abs(np.arange(8000) - 4000 - missing / 2 + 0.5) > missing / 2
    before, after = (
        MelParams().run(values[rows], rate_hz=rate_hz) for rows in (slice(4000), slice(4000 + missing, None))
    )
    expected = np.concatenate([before.values, after.values])
    whole = MelParams().start(rate_hz).push(time_s[held], values[held])
    np.testing.assert_array_equal(whole.values, expected)
    assert bits(pushed(MelParams().start(rate_hz), time_s[held], values[held], cuts)) == bits(whole)
    stored = mel(recording_of(np.where(held, values, np.nan), rate_hz, start_s=3.1))
    np.testing.assert_array_equal(stored.values, expected.astype(np.float32))
    measured = mel(Recording.of([Stream.measured("audio", time_s[held], values[held])]))
    assert measured.values.tobytes() == stored.values.tobytes()


def test_jitter_of_packet_stamps_costs_nothing_below_half_a_period_and_few_frames_beyond() -> None:
    values, ideal_s = noise(64_000), np.arange(64_000) / 16_000
    whole = MelParams().run(values, rate_hz=16_000)
    late_s = np.random.default_rng(2).uniform(0, 0.45 / 16_000, 40).repeat(1600)  # of packets of 100 ms
    assert MelParams().start(16_000).push(ideal_s + late_s, values).values.tobytes() == whole.values.tobytes()
    # Each arrival is late by up to 4 ms; the stamps between two arrivals are spread evenly.
    arrivals_s = 0.1 * np.arange(41) + np.random.default_rng(3).uniform(0, 0.004, 41)
    spread_s = np.interp(np.arange(64_000) / 1600, np.arange(41), arrivals_s)
    assert MelParams().start(16_000).push(spread_s, values).values.tobytes() == whole.values.tobytes()
    late_once = MelParams().start(16_000).push(ideal_s + 0.003 * (ideal_s > 2), values)
    assert len(whole.values) - 4 <= len(late_once.values) < len(whole.values)


def test_sound_with_holes_everywhere_is_not_blamed_on_the_rate() -> None:
    values, held = noise(64_000), np.arange(64_000) % 60 > 0
    with pytest.raises(EmptyRecordingError, match="no 25 ms of sound without a hole"):
        mel(recording_of(np.where(held, values, np.nan), 16_000))
    assert len(level(recording_of(np.where(held, values, np.nan), 16_000))) == pytest.approx(393, abs=1)
    with pytest.raises(EmptyRecordingError, match="no 10 ms of sound"):
        level(recording_of(np.zeros(7), 16_000))


@pytest.mark.parametrize("step", [MelParams(), LevelParams()], ids=["mel", "level"])
@pytest.mark.parametrize(
    ("time_s", "values", "says"),
    [
        (np.arange(3) / 16_000, np.ma.array([0.1, 0.2, 0.3], mask=[0, 1, 0]), "NaN or infinite"),
        (np.arange(3) / 16_000, np.array([0.1j, 0.2, 0.3]), "complex128, expected numbers"),
        (np.arange(3) / 16_000, np.array(["0.1", "0.2", "0.3"]), "expected numbers"),
        ((np.arange(3) / 16_000).astype(np.float32), np.zeros(3), "stamps in float32"),
    ],
    ids=["masked", "complex", "text", "float32"],
)
def test_what_is_no_number_is_not_taken_for_one(step, time_s, values, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        step.start(16_000).push(time_s, values)
    if "stamps" not in says:
        with pytest.raises(ValueError, match=says):
            step.run(values, rate_hz=16_000)


@pytest.mark.parametrize("stamp_s", [np.inf, np.nan])
def test_a_frame_without_a_time_is_refused_and_leaves_no_trace(stamp_s: float) -> None:
    frames = MelParams().run(noise(8_000), rate_hz=16_000)
    state, wrong_s = TextureParams().start(), np.array(frames.time_s)
    wrong_s[-1] = stamp_s
    with pytest.raises(ValueError, match="NaN or infinite"):
        state.push(frames._replace(time_s=wrong_s))
    assert bits(state.push(frames)) == bits(TextureParams().run(frames))


def test_a_repeated_packet_is_refused() -> None:
    state = MelParams().start(16_000)
    state.push(np.arange(100) / 16_000, np.zeros(100))
    with pytest.raises(ValueError, match="does not increase"):
        state.push(np.arange(100) / 16_000, np.zeros(100))


def test_an_empty_packet_gives_nothing() -> None:
    for step, channels in ((MelParams(), 40), (LevelParams(), 2)):
        assert step.start(16_000).push([], []).values.shape == (0, channels)


@pytest.mark.parametrize("rate_hz", [8_000, 15_999, 16_000.5, 200_000, 0, -1, float("nan"), float("inf")])
def test_rates_that_cannot_be_honoured_are_refused(rate_hz: float) -> None:
    with pytest.raises(ValueError, match="whole number from 16000"):
        MelParams().start(rate_hz)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MelParams(low_hz=20), "40 <= low_hz"),
        (lambda: MelParams(high_hz=8000), "high_hz <= 7600"),
        (lambda: MelParams(low_hz=500, high_hz=500), "low_hz < high_hz"),
        (lambda: MelParams(low_hz=float("nan")), "low_hz"),
        (lambda: MelParams(bands=0), "whole number"),
        (lambda: MelParams(bands=40.0), "whole number"),
        (lambda: MelParams(bands=128), "fewer bands"),
        (lambda: MelParams(bands=199), r"the first are \[\d+, \d+, \d+, \d+, \d+\], expected one"),
        (lambda: MelParams(bands=10**7), "from 1 to 200"),
        (lambda: MelParams(low_hz=100, high_hz=100.0001, bands=1), "hold no bin of 40 Hz"),
        (lambda: MelParams().run(np.zeros(800), rate_hz=16_000, start_s="a"), "start_s is 'a', expected a finite"),
        (lambda: LevelParams().run(np.zeros(800), rate_hz=16_000, start_s=np.inf), "start_s is inf"),
        (lambda: LevelParams(0.1, 1e15), "slow_s <= 3600"),
        (lambda: LevelParams(fast_s=1, slow_s=0.5), "fast_s < slow_s"),
        (lambda: LevelParams(fast_s=0), "0 < fast_s"),
        (lambda: TextureParams(MelParams(bands=4)), "20 or more"),
        (lambda: LevelParams().start(1000), "from 8000"),
    ],
)
def test_wrong_arguments_are_named(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("step", [MelParams(low_hz=80, bands=32), LevelParams(slow_s=2), TextureParams()], ids=str)
def test_json_round_trip(step) -> None:
    assert type(step).from_dict(json.loads(json.dumps(step.to_dict()))) == step


@pytest.mark.parametrize("step", [MelParams(), LevelParams(), TextureParams()], ids=["mel", "level", "texture"])
def test_descriptions_that_would_not_be_honoured_are_refused(step) -> None:
    fields = step.to_dict()
    with pytest.raises(ValueError, match=r"with \['gain_db'\]"):
        type(step).from_dict({**fields, "gain_db": 3})
    for missing in set(fields) - {"step"}:
        with pytest.raises(ValueError, match=f"without \\['{missing}'\\]"):
            type(step).from_dict({name: value for name, value in fields.items() if name != missing})


@pytest.mark.parametrize("value", ["0.2", None, True])
def test_a_description_with_text_for_a_number_is_refused(value) -> None:
    for step, name in ((LevelParams(), "fast_s"), (LevelParams(), "slow_s"), (MelParams(), "low_hz")):
        with pytest.raises(ValueError, match=f"is {value!r}, expected a number"):
            type(step).from_dict({**step.to_dict(), name: value})
    with pytest.raises(ValueError, match=r"with \['rate_hz'\]"):
        TextureParams.from_dict({"step": "texture", "mel": {**TextureParams().to_dict()["mel"], "rate_hz": 1}})


def a_curve_db(frequency_hz: np.ndarray) -> np.ndarray:
    """The A curve as IEC 61672-1 prints it, 0 dB at 1 kHz."""
    one, two, three, four = A_POLES_HZ

    def response(hertz):
        low = (hertz**2 + one**2) * np.sqrt((hertz**2 + two**2) * (hertz**2 + three**2))
        return four**2 * hertz**4 / (low * (hertz**2 + four**2))

    return 20 * np.log10(response(frequency_hz) / response(1000.0))


def test_the_a_curve_has_the_values_of_the_standard() -> None:
    nominal = {31.5: -39.4, 63: -26.2, 125: -16.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0, 8000: -1.1}
    exact_hz = 1000 * 10 ** (np.round(10 * np.log10(np.array(list(nominal)) / 1000)) / 10)
    np.testing.assert_allclose(a_curve_db(exact_hz), list(nominal.values()), rtol=0, atol=0.06)


@pytest.mark.parametrize("rate_hz", [8_000, *RATES_HZ, 96_000, 192_000])
def test_the_a_filter_keeps_to_the_a_curve(rate_hz: int) -> None:
    frequency_hz = np.geomspace(20, 0.45 * rate_hz, 2000)
    _, response = sosfreqz(a_weighting(rate_hz).sos, worN=frequency_hz, fs=rate_hz)
    error_db = np.abs(20 * np.log10(np.abs(response)) - a_curve_db(frequency_hz))
    assert error_db[frequency_hz <= 8000].max() < 0.5
    assert error_db.max() < 1.5


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("frequency_hz", [63.1, 1000.0, 6310.0])
def test_level_of_a_tone(rate_hz: int, frequency_hz: float) -> None:
    found = LevelParams().run(tone(frequency_hz, rate_hz, span_s=8), rate_hz=rate_hz).values
    expected_db = 10 * np.log10(0.5) + a_curve_db(np.array(frequency_hz))
    np.testing.assert_allclose(found[-1], expected_db, rtol=0, atol=0.45)
    np.testing.assert_allclose(found[-1][0] - found[-1][1], 0, atol=0.1)


def test_level_falls_as_the_standard_says() -> None:
    values = np.concatenate([tone(1000, 16_000, span_s=12), np.zeros(32_000)])  # long enough that no start is left
    found = LevelParams().run(values, rate_hz=16_000).values
    falls_db = found[1210] - found[1310]  # within one second
    # fast loses 34.7 dB a second, slow 4.3
    np.testing.assert_allclose(falls_db, 10 * np.log10(np.e) / np.array([0.125, 1.0]), rtol=1e-3)


def test_level_equals_the_sum_of_its_definition() -> None:
    values, sos = noise(2000), a_weighting(16_000).sos
    state, means, rows = a_weighting(16_000).settled * values[0], np.zeros(2), []
    for place, sample in enumerate(values):
        x = sample
        for section, (b0, b1, b2, _, a1, a2) in enumerate(sos):
            y = b0 * x + state[section, 0]
            state[section] = (b1 * x - a1 * y + state[section, 1], b2 * x - a2 * y)
            x = y
        means += (1 - np.exp(-1 / (np.array([0.125, 1.0]) * 16_000))) * (x * x - means)
        if place % 160 == 159:
            heard = 1 - np.exp(-(place + 1) / (np.array([0.125, 1.0]) * 16_000))  # nothing came before: no silence
            rows.append(10 * np.log10(means / heard))
    np.testing.assert_allclose(LevelParams().run(values, rate_hz=16_000).values, rows, rtol=0, atol=1e-9)


@pytest.mark.parametrize("missing", [1, 1500])
def test_a_short_hole_leaves_the_level_as_it_was(missing: int) -> None:
    """Steady noise reads the same before and after: a lost sample is no silence."""
    values = noise(8 * 16_000).astype(np.float32)
    broken = values.copy()
    broken[64_000 : 64_000 + missing] = np.nan
    found, whole = level(recording_of(broken, 16_000)), level(recording_of(values, 16_000))
    held = np.isfinite(broken)
    assert found.values.tobytes() == LevelParams().run(values[held], rate_hz=16_000).values.astype(np.float32).tobytes()
    after = found.time > 4
    assert np.abs(found.values[after] - np.median(whole.values[100:], axis=0)).max(axis=0) == pytest.approx(0, abs=1.0)
    time_s = np.arange(len(values)) / 16_000
    packets = pushed(LevelParams().start(16_000), time_s[held], values[held], [3_000, 64_000, 64_001, 70_000])
    assert packets.values.astype(np.float32).tobytes() == found.values.tobytes()


def test_after_a_long_hole_the_level_is_of_what_was_heard_since() -> None:
    values = noise(8 * 16_000)
    broken = values.copy()
    broken[64_000:68_000] = np.nan
    found = level(recording_of(broken, 16_000))
    assert found.time[found.time > 4][0] == pytest.approx(4.25 + 159 / 16_000)
    usual_db = np.median(level(recording_of(values, 16_000)).values[100:], axis=0)
    for first_s in (0.0, 4.25):
        early = (found.time > first_s + 0.02) & (found.time < first_s + 0.5)
        np.testing.assert_allclose(found.values[early], np.broadcast_to(usual_db, (early.sum(), 2)), rtol=0, atol=2.0)
    quiet = np.where(np.arange(len(values)) < 68_000, 100 * broken, broken)
    quiet[np.abs(quiet) > 2] = np.nan
    after = level(recording_of(broken, 16_000)).time > 4.2
    later = level(recording_of(quiet, 16_000))
    np.testing.assert_array_equal(later.values[later.time > 4.2], found.values[after])


def slow_texture(log_power: np.ndarray, params: TextureParams) -> np.ndarray:
    """Every number of every frame in plain steps."""
    centres, areas = params.mel.centres_hz, params.mel.coefficients().matrix.sum(axis=0)
    treble, voice, bass, middle = centres >= 500, (centres >= 100) & (centres < 1200), centres < 250, centres < 4000
    sections, settled, _ = SYLLABLES.coefficients(100)
    memory, means, rows, last = settled[:, :, None] * log_power[0], {}, [], log_power[0]

    def mean(name: str, span_s: float, value):
        share = 1 - np.exp(-0.01 / span_s)
        means[name] = value if name not in means else means[name] + share * (value - means[name])
        return means[name]

    for frame in log_power:
        power = np.maximum(np.exp(frame) - FLOOR, 0)
        flux = np.maximum(frame - last, 0).mean()
        density = mean("density", 0.5, power[treble] + FLOOR) / areas[treble]
        audible = mean("audible", 0.5, (1 - FLOOR / np.exp(frame[treble])).mean())
        flatness = np.exp(np.log(density).mean()) / density.mean()
        hiss = frame[treble].mean()
        steadiness = 1 / (1 + mean("square", 1, hiss**2) - mean("hiss", 1, hiss) ** 2)
        swung = frame
        for section, (b0, b1, b2, _, a1, a2) in enumerate(sections):
            out = b0 * swung + memory[section, 0]
            memory[section] = (b1 * swung - a1 * out + memory[section, 1], b2 * swung - a2 * out)
            swung = out
        depth = np.sqrt(mean("swing", 1, (swung**2).mean()))
        smooth = mean("voice", 0.03, frame)[voice]
        ripple = np.abs(smooth[1:-1] - (smooth[:-2] + smooth[2:]) / 2).mean()
        loud = power[voice].mean()
        ripple = mean("ripple", 0.5, loud * ripple) / (mean("loud", 0.5, loud) + FLOOR)
        proximity = mean("bass", 1, power[bass].sum()) / (mean("middle", 1, power[middle].sum()) + FLOOR)
        louder = np.log(power.sum() + len(power) * FLOOR)
        falls = np.sqrt(mean("falls", 1, max(0, mean("level", 0.05, louder) - louder) ** 2))
        swing, voiced, dry = (value / (1 + value) for value in (depth, ripple, falls))
        water = flatness * steadiness * audible
        speech = [swing, voiced, swing * voiced]
        rows.append([flux, flatness, steadiness, water, *speech, proximity, dry, np.sqrt(proximity * dry)])
        last = frame
    return np.array(rows)


def test_texture_equals_its_definition() -> None:
    beats = noise(32_000) * (1 + np.sin(2 * np.pi * 4 * np.arange(32_000) / 16_000))
    frames = MelParams().run(beats + tone(300, 16_000, span_s=2, amplitude=0.1), rate_hz=16_000)
    kept = frames.values.astype(np.float32).astype(np.float64)
    expected = slow_texture(kept, TextureParams())
    np.testing.assert_allclose(TextureParams().run(frames).values, expected, rtol=1e-9, atol=1e-9)


def babble(rate_hz: int = 16_000, *, span_s: float = 6.0) -> np.ndarray:
    """Overtones of a gliding voice, four bursts a second: like speech in what is measured here, and in nothing else."""
    time_s = np.arange(round(span_s * rate_hz)) / rate_hz
    pitch = 2 * np.pi * np.cumsum(150 + 30 * np.sin(2 * np.pi * 0.7 * time_s)) / rate_hz
    voice = sum(np.sin(number * pitch) / number for number in range(1, 20))
    return 0.1 * voice * np.maximum(0, np.sin(2 * np.pi * 2 * time_s)) ** 2


def shown(values: np.ndarray) -> dict[str, float]:
    """Mean texture after the first second of a simulated sound at 16 kHz."""
    found = TextureParams().run(MelParams().run(values, rate_hz=16_000)).values[100:]
    return dict(zip(TEXTURE_CHANNELS, found.mean(axis=0), strict=True))


def test_texture_tells_simulated_sounds_apart() -> None:
    hiss, voice, hum = shown(noise(96_000)), shown(babble()), shown(tone(100, 16_000, span_s=6, amplitude=0.3))
    assert hiss["water"] > 0.8
    assert max(voice["water"], hum["water"]) < 0.1
    assert voice["speech"] > 3 * hiss["speech"]
    assert voice["speech"] > 3 * hum["speech"]
    assert hum["proximity"] > 0.99
    assert hiss["proximity"] < 0.1
    assert shown(noise(96_000) * 1e-6)["water"] < 0.01  # below the floor nothing is heard


def test_dryness_falls_with_the_reverberation_of_a_simulated_room() -> None:
    tail = noise(9600, seed=3) * 10 ** (-3 * np.arange(9600) / 9600)
    tail[:80] = 0
    tail /= np.sqrt(np.sum(tail**2))
    found = []
    for direct_db in (np.inf, 10, 3, -3):
        room = tail * 10 ** (-direct_db / 20)
        room[0] += 1
        sound = fftconvolve(babble(), room)[:96_000]
        found.append(shown(sound * 0.05 / sound.std() + noise(96_000, scale=1e-4))["dryness"])
    assert (np.diff(found) < -0.01).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frames: frames._replace(values=frames.values * 10), "natural logarithms"),
        (lambda frames: frames._replace(values=frames.values * np.nan), "natural logarithms"),
        (lambda frames: frames._replace(values=frames.values[:, :39]), "expected \\(98, 40\\)"),
        (lambda frames: frames._replace(time_s=frames.time_s[::-1]), "follow each other"),
    ],
)
def test_frames_of_another_kind_are_refused(change, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TextureParams().run(change(MelParams().run(noise(16_000), rate_hz=16_000)))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_streams_of_a_recording(rate_hz: int) -> None:
    values = noise(3 * rate_hz).astype(np.float32)
    recording = recording_of(values, rate_hz, start_s=12.5)
    found, frames = mel(recording), MelParams().run(values, rate_hz=rate_hz, start_s=12.5)
    assert (found.name, found.unit, found.rate_hz, found.is_uniform) == ("mel", "log power", 100, True)
    assert found.channels == tuple(str(band) for band in range(40))
    assert found.values.tobytes() == frames.values.astype(np.float32).tobytes()
    assert found.start_s == frames.time_s[0]
    assert found.start_s == pytest.approx(12.5 + 0.0125, abs=0.0025)
    loudness = level(recording)
    assert (loudness.unit, loudness.channels, len(loudness)) == ("dB", LEVEL_CHANNELS, 300)
    assert loudness.stop_s == pytest.approx(recording.stop_s)
    like = texture(recording)
    assert (like.channels, like.start_s, like.is_uniform) == (TEXTURE_CHANNELS, found.start_s, True)
    assert like.values.tobytes() == TextureParams().run(frames).values.astype(np.float32).tobytes()


def test_a_measured_clock_is_kept_though_samples_are_counted() -> None:
    time_s = 2 + np.arange(96_000) / 16_000 * (1 + 40e-6)
    recording = Recording.of([Stream.measured("audio", time_s, noise(96_000))])
    found = mel(recording)
    assert not found.is_uniform
    slope = np.polyfit(np.arange(len(found)), found.time, 1)[0]
    assert slope == pytest.approx(0.01 * (1 + 40e-6), rel=1e-8)
    assert found.values.tobytes() == mel(recording_of(noise(96_000), 16_000)).values.tobytes()


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_sound_on_a_clock_mapped_onto_anothers_is_heard_as_before(rate_hz: int) -> None:
    """40 ppm leave no whole rate: samples are counted as the microphone states, frames lie where the clock says."""
    evidence = pd.DataFrame(columns=["reference_s", "other_s", "weight", "used"], dtype=float)
    fit = ClockFit(3.7, 40.0, 0.01, 1.0, "motion", evidence, "reference", None, None)
    plain = recording_of(noise(4 * rate_hz), rate_hz, start_s=2.0)
    moved = fit.apply(plain)
    assert moved["audio"].rate_hz != round(moved["audio"].rate_hz)
    by_hand_s = plain["audio"].time + 3.7 + 40e-6 * plain["audio"].time
    by_hand = Recording.of([Stream.measured("audio", by_hand_s, plain["audio"].values)])
    for make in (mel, level, texture):
        found, expected = make(moved), make(by_hand)
        assert found.values.tobytes() == expected.values.tobytes() == make(plain).values.tobytes()
        # As exact as a measured stamp: whole samples, where frames are not a whole number of them apart.
        np.testing.assert_allclose(found.time, expected.time, rtol=0, atol=1.5 / rate_hz)
        assert (found.is_uniform, found.rate_hz) == (True, pytest.approx(100 / (1 + 40e-6), rel=1e-9))
        assert found.time[-1] - found.time[0] == pytest.approx((len(found) - 1) / 100 * (1 + 40e-6), rel=1e-9)
    assert without_sound(moved)["mel"].rate_hz == mel(moved).rate_hz


def test_a_uniform_rate_that_is_neither_whole_nor_near_a_usual_one_is_refused() -> None:
    with pytest.raises(RecordingError, match="expected one of") as told:
        mel(recording_of(noise(20_000), 19_999.2))
    assert told.value.code == "rate"
    assert len(level(recording_of(noise(16_000), 7_999.68))) == 200


def test_a_packet_whose_last_stretch_is_wrong_leaves_no_trace() -> None:
    """A gap, then 2 s that contradict the rate: what came before the gap is not taken either."""
    good = noise(3200)
    wrong_s = np.concatenate([0.2 + np.arange(1600) / 16_000, 1 + np.arange(32_000) / 15_000])
    state = MelParams().start(16_000)
    state.push(np.arange(1600) / 16_000, good[:1600])
    with pytest.raises(ValueError, match="state the rate"):
        state.push(wrong_s, np.zeros(len(wrong_s)))
    found = state.push(np.arange(1600, 3200) / 16_000, good[1600:])
    assert found.values.tobytes() == MelParams().run(good, rate_hz=16_000).values[-len(found.values) :].tobytes()
    assert len(found.values) == 10


def test_one_sample_without_a_value_costs_the_frames_that_need_it_alone() -> None:
    values = noise(64_000).astype(np.float32)
    broken = values.copy()
    broken[30_000] = np.nan
    found, whole = mel(recording_of(broken, 16_000)), mel(recording_of(values, 16_000))
    assert np.isfinite(found.values).all()
    assert len(whole) - 4 <= len(found) < len(whole)
    before = found.time < 30_000 / 16_000 - 0.0125
    assert found.values[before].tobytes() == whole.values[: before.sum()].tobytes()
    after = values[30_001:]
    expected = MelParams().run(after, rate_hz=16_000, start_s=30_001 / 16_000)
    np.testing.assert_array_equal(found.values[~before], expected.values.astype(np.float32))
    np.testing.assert_allclose(found.time[~before], expected.time_s, rtol=0, atol=1e-9)
    assert not ((found.time > 30_000 / 16_000 - 0.0124) & (found.time < 30_000 / 16_000 + 0.0124)).any()
    assert np.isfinite(texture(recording_of(broken, 16_000)).values).all()
    assert np.isfinite(level(recording_of(broken, 16_000)).values).all()
    assert "missing_values" in set(inspect(recording_of(broken, 16_000)).findings["code"])


def test_clipping_is_flagged_and_spreads_no_further() -> None:
    values = np.clip(3 * tone(200, 16_000), -1, 1)
    recording = recording_of(values, 16_000)
    assert "saturated" in set(inspect(recording).findings["code"])
    assert np.isfinite(mel(recording).values).all()


def test_stereo_is_mixed_or_chosen_by_name() -> None:
    both = np.column_stack([noise(16_000, seed=1), noise(16_000, seed=2)]).astype(np.float32)
    recording = recording_of(both, 16_000)
    with pytest.raises(RecordingError, match="none was chosen") as fault:
        mel(recording)
    assert "channels=('left', 'right')" in fault.value.remedy
    left, mixed = mel(recording, channels=("left",)), mel(recording, channels=["right", "left"])
    assert left.values.tobytes() == mel(recording_of(both[:, 0], 16_000)).values.tobytes()
    expected = MelParams().run(both.astype(np.float64).mean(axis=1), rate_hz=16_000).values
    np.testing.assert_allclose(mixed.values, expected, rtol=1e-6, atol=1e-6)
    for wrong in (("middle",), (), ("left", "left")):
        with pytest.raises(RecordingError, match="asked for as"):
            mel(recording, channels=wrong)
    with pytest.raises(TypeError, match="sequence of names"):
        mel(recording, channels="left")


@pytest.mark.parametrize(
    ("recording", "code"),
    [
        (recording_of(noise(16_000, scale=1e4), 16_000), "unit_implausible"),
        (recording_of(np.where(np.arange(16_000) == 77, 1e12, 0.0), 16_000), "unit_implausible"),
        (recording_of(noise(8_000), 8_000), "rate"),
        (recording_of(noise(20_000), 19_999.2), "rate"),
        (recording_of(noise(399), 16_000), "empty"),
        (recording_of(np.full(16_000, np.nan), 16_000), "empty"),
        (Recording.of([Stream.measured("audio", np.arange(9000) / 12_345, np.zeros(9000))]), "rate"),
        (Recording.of([Stream.measured("accel", np.arange(9) / 50, np.zeros((9, 3)))]), "missing_stream"),
    ],
)
def test_sound_that_cannot_be_analysed_is_refused(recording: Recording, code: str) -> None:
    with pytest.raises(RecordingError) as fault:
        mel(recording)
    assert fault.value.code == code


def test_a_wild_sample_is_named_by_its_row() -> None:
    values = np.zeros(300_000)
    values[270_000] = 1e12
    with pytest.raises(RecordingError) as fault:
        mel(recording_of(values, 16_000))
    assert fault.value.row == 270_000


def test_without_sound_keeps_features_and_says_so() -> None:
    accel = Stream.measured("accel", np.arange(150) / 50, np.zeros((150, 3)))
    recording = recording_of(noise(48_000), 16_000, accel=accel)
    kept = without_sound(recording.with_streams(texture(recording), level(recording)))
    assert set(kept.streams) == {"accel", "mel", "texture", "level"}
    assert kept["mel"].values.tobytes() == mel(recording).values.tobytes()
    (finding,) = kept.findings[kept.findings["code"] == "audio_left_out"].itertuples()
    assert "words can still be guessed" in finding.note
    assert (finding.stream, finding.start_s, finding.count) == ("audio", 0.0, 48_000)
    assert kept.id != recording.id
    assert without_sound(kept) is kept
    assert texture(kept).values.tobytes() == texture(recording).values.tobytes()
    alone = without_sound(recording_of(noise(48_000), 16_000))
    assert set(alone.streams) == {"mel", "level"}
    assert alone["level"].values.tobytes() == level(recording).values.tobytes()


def test_without_sound_leaves_out_what_cannot_be_made_and_says_so() -> None:
    accel = Stream.measured("accel", np.arange(150) / 50, np.zeros((150, 3)))
    slow = without_sound(recording_of(noise(24_000), 8_000, accel=accel))
    assert set(slow.streams) == {"accel", "level"}
    notes = slow.findings.set_index("code")["note"]
    assert notes["audio_left_out"] == "raw sound was dropped; made of it: level"
    assert "no mel was made of the sound" in notes["feature_not_made"]
    assert "8000" in notes["feature_not_made"]
    slower = without_sound(recording_of(noise(9_000), 3_000, accel=accel))
    assert set(slower.streams) == {"accel"}
    assert "made of it: nothing" in slower.findings.set_index("code").loc["audio_left_out", "note"]
    with pytest.raises(EmptyRecordingError, match="nothing but sound, of which no feature"):
        without_sound(recording_of(noise(9_000), 3_000))
    both = recording_of(np.column_stack([noise(16_000), noise(16_000, seed=1)]), 16_000)
    with pytest.raises(RecordingError, match="none was chosen"):
        without_sound(both)
    chosen = without_sound(both, channels=("right",))
    assert chosen["mel"].values.tobytes() == mel(both, channels=("right",)).values.tobytes()


def test_a_kept_mel_of_other_bands_is_refused() -> None:
    recording = recording_of(noise(16_000), 16_000)
    other = Recording.of([mel(recording, params=MelParams(bands=32))])
    with pytest.raises(RecordingError, match="expected \\(98, 40\\)") as fault:
        texture(other)
    assert fault.value.code == "unit_implausible"
    assert len(texture(other, params=TextureParams(MelParams(bands=32)))) == 98


def test_too_short_a_sound_has_its_own_error() -> None:
    for make, count, says in ((mel, 399, "no 25 ms"), (level, 100, "no 10 ms")):
        with pytest.raises(EmptyRecordingError, match=says):
            make(recording_of(np.zeros(count), 16_000))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 192_000])
def test_what_is_kept_between_packets_is_a_window_and_the_low_pass(rate_hz: int) -> None:
    state, packet = MelParams().start(rate_hz), np.zeros(rate_hz // 10)
    for number in range(20):
        state.push((number * len(packet) + np.arange(len(packet))) / rate_hz, packet)
        assert len(state._stretch._samples) == len(state._stretch._time_s)
        assert len(state._stretch._samples) < 0.06 * rate_hz


@pytest.mark.slow
def test_an_hour_in_packets_leaves_memory_flat() -> None:
    packet, melody, loudness, like = (
        noise(1600),
        MelParams().start(16_000),
        LevelParams().start(16_000),
        TextureParams(),
    )
    state, base = like.start(), 0
    tracemalloc.start()
    try:
        for number in range(36_000):
            time_s = (number * 1600 + np.arange(1600)) / 16_000
            state.push(melody.push(time_s, packet))
            loudness.push(time_s, packet)
            if number == 20:
                tracemalloc.reset_peak()
                base = tracemalloc.get_traced_memory()[0]
        grown, peak = (held - base for held in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert grown < 1_000_000
    assert peak < 4_000_000


def clips(folder: Path) -> list[tuple[str, Recording]]:
    """Return (class, recording) of each clip, without the zeros that some were filled up with."""
    found = []
    for path in sorted([*folder.glob("esc10/*/*.ogg"), *folder.glob("speech/*/*.wav")]):
        recording = load(path)
        heard = np.flatnonzero(recording["audio"].values[:, 0])
        kind = "speech" if path.suffix == ".wav" else path.parent.name[6:]
        found.append((kind, recording.between(0, (heard[-1] + 1) / recording["audio"].rate_hz)))
    return found


@pytest.mark.real_data
def test_textures_tell_real_sounds_apart(real_data: Path) -> None:
    heard = clips(real_data / "audio")
    kinds = np.array([kind for kind, _ in heard])
    means = np.array([texture(recording).values.mean(axis=0) for _, recording in heard])
    found = dict(zip(TEXTURE_CHANNELS, means.T, strict=True))
    assert (kinds == "speech").sum() == 8
    assert len(kinds) == 104
    # Cues were chosen on these very clips, and speech comes from other microphones: bounds, not promises.
    assert roc_auc_score(kinds == "speech", found["speech"]) > 0.9
    assert roc_auc_score(np.isin(kinds, ["Rain", "Sea waves"]), found["water"]) > 0.9
