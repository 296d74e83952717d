"""Causal filters and moving statistics: slow twins, settled starts, stated delay, push equal to run bit for bit."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from wristkit.errors import RecordingError
from wristkit.filters import BLOCK, TINY, Derivative, Filter, FilterState, Moving

FILTERS = [
    Filter("lowpass", (5.0,), order=2),
    Filter("highpass", (0.5,), order=3),
    Filter("bandpass", (0.5, 20.0), order=4),
    Filter("notch", (12.5,), quality=5.0),
]
STATISTICS = {
    "mean": lambda rows: rows.mean(axis=0),
    "std": lambda rows: rows.std(axis=0),
    "rms": lambda rows: np.sqrt((rows**2).mean(axis=0)),
    "min": lambda rows: rows.min(axis=0),
    "max": lambda rows: rows.max(axis=0),
}
MOVING = [Moving(kind, length_s) for kind in STATISTICS for length_s in (0.01, 0.02, 0.07, 1.0)]
ALL = [*FILTERS, Derivative(), *MOVING]


def slow_twin(filter_: Filter, values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Every sample through every section by the textbook recursion, in Python."""
    sos, settled, _ = filter_.coefficients(rate_hz)
    output = np.empty(values.shape)
    for channel in range(values.shape[1]):
        state = settled * values[0, channel]
        for row, sample in enumerate(values[:, channel]):
            x = sample
            for section, (b0, b1, b2, _, a1, a2) in enumerate(sos):
                y = b0 * x + state[section, 0]
                state[section, 0] = b1 * x - a1 * y + state[section, 1]
                state[section, 1] = b2 * x - a2 * y
                x = y
            output[row, channel] = x
    return output


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_equals_the_textbook_recursion(filter_: Filter) -> None:
    values = np.random.default_rng(1).normal(loc=(5, -3), size=(300, 2))
    np.testing.assert_allclose(filter_.run(values, rate_hz=100), slow_twin(filter_, values, 100), rtol=0, atol=1e-12)


@pytest.mark.parametrize("filter_", ALL, ids=str)
@given(cuts=st.lists(st.integers(0, 400), max_size=12), seed=st.integers(0, 99))
def test_any_partition_gives_the_same_bits(filter_: Filter, cuts: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(400, 3))
    state = filter_.start(100, values[0])
    edges = [0, *sorted(cuts), 400]
    pushed = np.concatenate([state.push(values[a:b]) for a, b in pairwise(edges)])
    assert pushed.tobytes() == filter_.run(values, rate_hz=100).tobytes()


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_starts_settled(filter_: Filter) -> None:
    constant = filter_.run(np.full((50, 1), 7.0), rate_hz=100)
    wanted = 7.0 if filter_.kind in ("lowpass", "notch") else 0.0
    np.testing.assert_allclose(constant, wanted, atol=1e-9)


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_delay_is_the_group_delay(filter_: Filter) -> None:
    middle = {"lowpass": 1e-3, "highpass": (0.5 + 50) / 2, "bandpass": np.sqrt(0.5 * 20), "notch": 1e-3}[filter_.kind]
    b, a = signal.sos2tf(filter_.coefficients(100).sos)
    _, delay = signal.group_delay((b, a), w=[middle], fs=100)
    assert filter_.delay_s(100) * 100 == pytest.approx(max(0, delay[0]), abs=0.5 + 1e-3)


def level_db(filter_: Filter, frequencies_hz: list[float]) -> np.ndarray:
    """The amplitude that is left of a sine, measured on what comes out, not on the coefficients."""
    time_s = np.arange(0, 120, 0.01)
    waves = np.sin(2 * np.pi * np.outer(time_s, frequencies_hz))
    passed = filter_.run(waves, rate_hz=100)[6000:]
    turns = np.exp(-2j * np.pi * np.outer(time_s[6000:], frequencies_hz))
    return 20 * np.log10(np.abs((passed * turns).mean(axis=0)) * 2 + 1e-12)


@pytest.mark.parametrize(
    ("filter_", "pass_hz", "edges_hz", "stop_hz", "stop_db"),
    [
        (Filter("lowpass", (5.0,), order=2), [0.5, 1, 2], [5.0], [25, 40], -28),
        (Filter("lowpass", (5.0,), order=4), [0.5, 1, 3], [5.0], [15, 25, 40], -38),
        (Filter("highpass", (0.5,), order=3), [1.5, 5, 30], [0.5], [0.1], -40),
        (Filter("bandpass", (0.5, 20.0), order=4), [1, 3, 10], [0.5, 20.0], [0.1, 45], -55),
        (Filter("notch", (12.5,), quality=5.0), [1, 5, 40], [11.299, 13.799], [12.5], -80),
    ],
    ids=str,
)
def test_pass_band_edges_and_stop_band(filter_: Filter, pass_hz, edges_hz, stop_hz, stop_db) -> None:
    assert np.abs(level_db(filter_, pass_hz)).max() < 0.15
    np.testing.assert_allclose(level_db(filter_, edges_hz), -3.01, atol=0.05)
    assert level_db(filter_, stop_hz).max() < stop_db


@pytest.mark.parametrize(
    ("one", "carrier_hz"),
    [
        (Filter("lowpass", (5.0,), order=2), 0),
        (Filter("lowpass", (5.0,), order=6), 0),
        (Filter("highpass", (0.5,), order=3), 25),
        (Filter("bandpass", (2.0, 20.0), order=2), np.sqrt(40)),
        (Filter("bandpass", (5.0, 9.0), order=2), np.sqrt(45)),
        (Filter("notch", (12.5,), quality=5.0), 0),
        (Moving("mean", 0.41), 0),
        (Moving("mean", 0.40), 0),
        (Derivative(), 5),
    ],
    ids=str,
)
def test_the_stated_delay_is_what_cross_correlation_finds(one, carrier_hz) -> None:
    """Of the slow signal itself, or of the envelope that it gives a carrier in the middle of the band."""
    noise = np.random.default_rng(2).normal(size=20_000)
    slow = signal.sosfiltfilt(signal.butter(2, 0.4, fs=100, output="sos"), noise)
    slow = slow / np.abs(slow).max()
    wave = (
        (2 + slow) * np.exp(2j * np.pi * carrier_hz * np.arange(20_000) / 100) if carrier_hz else slow.astype(complex)
    )
    passed = one.run(np.column_stack([wave.real, wave.imag]), rate_hz=100)[2000:]
    level = np.hypot(*passed.T) if carrier_hz else passed[:, 0]
    level = level - level.mean()
    likeness = [level @ np.roll(slow, lag)[2000:] for lag in range(-10, 60)]
    assert abs(int(np.argmax(likeness)) - 10 - one.coefficients(100).delay) <= 1
    assert one.delay_s(100) == one.coefficients(100).delay / 100


def test_a_derivative_is_the_slope_one_sample_ago() -> None:
    time_s = np.arange(0, 20, 0.01)
    waves = np.column_stack([np.sin(2 * np.pi * 1.5 * time_s), 3 * time_s])
    slopes = np.column_stack([2 * np.pi * 1.5 * np.cos(2 * np.pi * 1.5 * time_s), np.full(len(time_s), 3.0)])
    jerk = Derivative().run(waves, rate_hz=100)
    assert Derivative().delay_s(100) == 0.01
    np.testing.assert_allclose(jerk[2:], slopes[1:-1], atol=0.02)
    np.testing.assert_allclose(jerk[2:], (waves[2:] - waves[:-2]) * 50, atol=1e-11)
    assert (Derivative().run(np.full((9, 2), 0.1), rate_hz=100) == 0).all()


def slow_moving(moving: Moving, values: np.ndarray) -> np.ndarray:
    """Each statistic of each span by itself, what came before the first sample being equal to it."""
    length = round(moving.length_s * 100)
    longer = np.concatenate([np.repeat(values[:1], length - 1, axis=0), values])
    return np.array([STATISTICS[moving.kind](longer[row : row + length]) for row in range(len(values))])


@pytest.mark.parametrize("moving", MOVING, ids=str)
@pytest.mark.parametrize("count", [1, 6, 7, 8, 250])
def test_moving_equals_each_span_by_itself(moving: Moving, count: int) -> None:
    values = np.random.default_rng(count).normal(loc=(1000, -3), size=(count, 2))
    np.testing.assert_allclose(moving.run(values, rate_hz=100), slow_moving(moving, values), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("kind", STATISTICS)
def test_moving_starts_settled_and_keeps_a_constant(kind: str) -> None:
    held = Moving(kind, 0.07).run(np.full((40, 1), 0.1), rate_hz=100)
    wanted = 0.0 if kind == "std" else 0.1
    np.testing.assert_allclose(held, wanted, rtol=1e-15)
    assert kind == "rms" or (held == wanted).all()


@pytest.mark.parametrize("kind", STATISTICS)
def test_moving_does_not_drift_over_a_day_with_a_burst(kind: str) -> None:
    """A burst of 1e12 in the first minute leaves nothing behind, and the last second has all of its digits."""
    values = 9.81 + 1e-3 * np.random.default_rng(4).normal(size=(24 * 3600 * 20, 1))
    values[200:400] = 1e12 * np.random.default_rng(5).normal(size=(200, 1))
    moving = Moving(kind, 0.07)
    last = moving.run(values, rate_hz=100)[-500:]
    np.testing.assert_allclose(last, slow_moving(moving, values[-600:])[-500:], rtol=1e-12, atol=1e-13)


def test_moving_keeps_the_digits_of_a_ripple_after_a_step() -> None:
    """A step of 1e8 and a ripple of 1e-3 on it: the plain formula of squares would find nothing, or less."""
    ripple = 1e-3 * np.resize([1.0, -1.0], 400)
    values = np.where(np.arange(400) < 200, 0.0, 1e8) + ripple
    deviation = Moving("std", 0.1).run(values[:, None], rate_hz=100)
    np.testing.assert_allclose(deviation[[150, 350], 0], 1e-3, rtol=1e-4)


@pytest.mark.parametrize("filter_", [*FILTERS, Derivative()], ids=str)
def test_blocks_are_counted_from_the_start_of_the_stretch(filter_) -> None:
    """Across the places where what is left of a burst is forgotten, too, run and push give the same bits."""
    values = np.zeros((3 * BLOCK + 100, 2), dtype=np.float32)
    values[:50] = np.random.default_rng(3).normal(size=(50, 2))
    values[-60:] = 1e-30
    state, edges = filter_.start(100, values[0]), [0, 1, 77, BLOCK - 1, BLOCK, BLOCK + 9, 2 * BLOCK + 5, len(values)]
    pushed = np.concatenate([state.push(values[a:b]) for a, b in pairwise(edges)])
    assert pushed.tobytes() == filter_.run(values, rate_hz=100).tobytes()
    np.testing.assert_allclose(pushed, slow_sections(filter_, values), rtol=0, atol=1e-12)


def slow_sections(filter_, values: np.ndarray) -> np.ndarray:
    """scipy in one call, which forgets nothing."""
    sos, settled, _ = filter_.coefficients(100)
    rows = values.astype(np.float64)
    return signal.sosfilt(sos, rows, axis=0, zi=settled[:, :, None] * rows[0])[0]


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_silence_after_a_burst_leaves_no_denormal_number(filter_: Filter) -> None:
    values = np.zeros((8 * BLOCK, 1))
    values[1:30] = 1.0
    state = filter_.start(100, values[0])
    passed = state.push(values)
    assert not state.memory.any()
    assert not ((passed != 0) & (np.abs(passed) < np.finfo(np.float64).tiny))[-BLOCK:].any()
    assert np.finfo(np.float32).smallest_subnormal > TINY


@pytest.mark.parametrize("one", ALL, ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 5, BLOCK + 3])
def test_what_is_not_finite_is_refused_by_row_and_changes_nothing(one, bad: float, row: int) -> None:
    values = np.random.default_rng(6).normal(size=(BLOCK + 50, 2))
    broken = values.copy()
    broken[row, 1] = bad
    with pytest.raises(RecordingError, match=f"row {row}: .*leave such samples out, and start anew after a gap") as met:
        one.run(broken, rate_hz=100)
    assert (met.value.code, met.value.row) == ("not_finite", row)
    state = one.start(100, values[0])
    first = state.push(values[:3])
    with pytest.raises(RecordingError, match="not_finite"):
        state.push(broken[3:] if row > 3 else broken)
    again = np.concatenate([first, state.push(values[3:])])
    assert again.tobytes() == one.run(values, rate_hz=100).tobytes()


@pytest.mark.parametrize("one", [FILTERS[0], Derivative(), Moving("std", 0.07), Moving("max", 0.07)], ids=str)
def test_a_first_value_that_is_not_finite_is_refused(one) -> None:
    with pytest.raises(RecordingError, match="not_finite"):
        one.start(100, np.array([0.0, np.nan]))


@pytest.mark.parametrize("one", [FILTERS[1], Derivative(), Moving("rms", 0.07)], ids=str)
def test_numbers_too_big_to_be_summed_are_named(one) -> None:
    with pytest.raises(RecordingError, match=r"row 4: .*small enough"):
        one.run(np.array([[0.0]] * 4 + [[1.7e308], [-1.7e308], [1.7e308], [0.0]]), rate_hz=100)


@pytest.mark.parametrize("one", [FILTERS[0], Derivative(), Moving("mean", 0.07)], ids=str)
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 1)])
def test_another_shape_is_refused(one, shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"expected \(n, 2\)"):
        one.start(100, np.zeros(2)).push(np.zeros(shape))


@pytest.mark.parametrize("one", [FILTERS[0], Derivative(), Moving("mean", 0.07)], ids=str)
def test_no_samples_are_no_outputs(one) -> None:
    assert one.run(np.empty((0, 3)), rate_hz=100).shape == (0, 3)
    assert one.start(100, np.zeros(3)).push(np.empty((0, 3))).shape == (0, 3)


def test_float32_is_filtered_as_the_float64_that_it_stands_for() -> None:
    values = np.random.default_rng(7).normal(size=(300, 2)).astype(np.float32)
    for one in ALL:
        narrow, wide = one.run(values, rate_hz=100), one.run(values.astype(np.float64), rate_hz=100)
        assert narrow.dtype == np.float64
        assert narrow.tobytes() == wide.tobytes()


def test_a_state_of_given_sections_runs_them() -> None:
    coefficients = FILTERS[0].coefficients(100)
    state = FilterState(coefficients, np.zeros((1, 2, 2)))
    values = np.random.default_rng(8).normal(size=(30, 2))
    assert state.push(values).tobytes() == signal.sosfilt(coefficients.sos, values, axis=0).tobytes()


def test_json_round_trip() -> None:
    for one in ALL:
        assert type(one).from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert Filter("lowpass", (5.0,)).to_dict() == {"kind": "lowpass", "cutoff_hz": [5.0], "order": 2}


@pytest.mark.parametrize("kind", [Filter, Moving, Derivative])
def test_a_description_of_another_kind_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="kind is 'median', expected"):
        kind.from_dict({"kind": "median", "cutoff_hz": [1.0], "order": 2, "length_s": 1.0})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lowpass", (5.0, 6.0)), "expected 1 rising"),
        (("bandpass", (20.0, 0.5)), "expected 2 rising"),
        (("lowpass", (-1.0,)), "expected 1 rising"),
        (("lowpass", (float("nan"),)), "expected 1 rising"),
        (("median", (50.0,)), "expected one of"),
        (("notch", (50.0,)), "quality of a notch is None"),
        (("notch", (50.0,), 2, 0.1), "expected 0.5 to 1000"),
        (("notch", (50.0,), 4, 30.0), "order of a notch is 4"),
        (("notch", (50.0, 60.0), 2, 30.0), "expected 1 rising"),
        (("lowpass", (5.0,), 2, 30.0), "only a notch has one"),
        (("lowpass", (5.0,), 0), "1 to 8"),
        (("lowpass", (5.0,), 2.5), "1 to 8"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Filter(*arguments)


@pytest.mark.parametrize(
    ("length_s", "rate_hz", "says"),
    [
        (0.0, 100, "positive number of seconds"),
        (float("nan"), 100, "positive number of seconds"),
        (0.075, 100, "use 0.07 or 0.08"),
        (0.001, 100, "use 0.01 or 0.02"),
        (1.0, 0.0, "rate_hz is 0.0"),
        (1.0, float("nan"), "rate_hz is nan"),
    ],
)
def test_a_length_that_is_no_whole_number_of_samples_is_refused(length_s: float, rate_hz: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Moving("mean", length_s).coefficients(rate_hz)


def test_a_rate_that_is_too_low_is_refused() -> None:
    with pytest.raises(ValueError, match="stay below 10 Hz"):
        Filter("lowpass", (15.0,)).coefficients(20)


@pytest.mark.parametrize("cutoff_hz", [0.002, 0.01, 0.5])
def test_the_delay_of_a_very_low_cutoff_is_right(cutoff_hz: float) -> None:
    # Butterworth of order 2: sqrt(2) over the angular cutoff at 0 Hz
    wanted_s = np.sqrt(2) / (2 * np.pi * cutoff_hz)
    assert Filter("lowpass", (cutoff_hz,), order=2).delay_s(100) == pytest.approx(wanted_s, rel=1e-2, abs=0.01)


def test_edges_are_numbers_that_the_recursion_can_hold():
    for edges in ("5", ["5"], [True], [[5.0]]):
        with pytest.raises(ValueError, match="expected one or two numbers"):
            Filter("lowpass", edges)
    with pytest.raises(ValueError, match=r"expected 0\.5 to 1000"):
        Filter("notch", (50.0,), quality=True)
    with pytest.raises(ValueError, match=r"is not exact at 100 Hz: stay above 0\.001 Hz"):
        Filter("lowpass", (9e-4,)).run(np.ones((9, 1)), rate_hz=100)
    lowest = Filter("lowpass", (1e-3,), order=8).run(np.ones((20_000, 1)), rate_hz=100)
    np.testing.assert_allclose(lowest, 1, atol=1e-7)


def test_a_moving_statistic_fits_into_memory():
    with pytest.raises(ValueError, match="take a lower rate first"):
        Moving("mean", 1e9).run(np.ones((9, 1)), rate_hz=25)


def test_masked_and_complex_numbers_are_no_numbers():
    with pytest.raises(RecordingError, match="expected finite"):
        Filter("lowpass", (5.0,)).run(np.ma.masked_array(np.ones((9, 1)), mask=np.eye(9, 1)), rate_hz=100)
    with pytest.raises(RecordingError, match="expected numbers"):
        Filter("lowpass", (5.0,)).run(np.ones((9, 1)) + 1j, rate_hz=100)
