"""Causal filters: scipy's numbers, settled starts, stated delay, and push equal to run bit for bit."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from wristkit.filters import Filter

FILTERS = [
    Filter("lowpass", (5.0,), order=2),
    Filter("highpass", (0.5,), order=3),
    Filter("bandpass", (0.5, 20.0), order=4),
]


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


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
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
    wanted = 7.0 if filter_.kind == "lowpass" else 0.0
    np.testing.assert_allclose(constant, wanted, atol=1e-9)


@pytest.mark.parametrize("filter_", FILTERS, ids=str)
def test_delay_is_the_group_delay(filter_: Filter) -> None:
    middle = {"lowpass": 1e-3, "highpass": (0.5 + 50) / 2, "bandpass": np.sqrt(0.5 * 20)}[filter_.kind]
    b, a = signal.sos2tf(filter_.coefficients(100).sos)
    _, delay = signal.group_delay((b, a), w=[middle], fs=100)
    assert filter_.delay_s(100) * 100 == pytest.approx(max(0, delay[0]), abs=0.5 + 1e-3)


def test_response_is_what_was_asked_for() -> None:
    sos = Filter("bandpass", (0.5, 20.0), order=4).coefficients(100).sos
    _, response = signal.sosfreqz(sos, worN=[0.01, 0.5, 3.0, 20.0, 45.0], fs=100)
    level_db = 20 * np.log10(np.abs(response))
    assert level_db[[1, 3]] == pytest.approx(-3.01, abs=0.05)
    assert abs(level_db[2]) < 0.1
    assert level_db[[0, 4]].max() < -60


def test_json_round_trip() -> None:
    for filter_ in FILTERS:
        assert Filter.from_dict(json.loads(json.dumps(filter_.to_dict()))) == filter_


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lowpass", (5.0, 6.0)), "expected 1 rising"),
        (("bandpass", (20.0, 0.5)), "expected 2 rising"),
        (("lowpass", (-1.0,)), "expected 1 rising"),
        (("lowpass", (float("nan"),)), "expected 1 rising"),
        (("notch", (50.0,)), "expected one of"),
        (("lowpass", (5.0,), 0), "1 to 8"),
        (("lowpass", (5.0,), 2.5), "1 to 8"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Filter(*arguments)


def test_a_rate_that_is_too_low_is_refused() -> None:
    with pytest.raises(ValueError, match="stay below 10 Hz"):
        Filter("lowpass", (15.0,)).coefficients(20)


@pytest.mark.parametrize("cutoff_hz", [0.002, 0.01, 0.5])
def test_the_delay_of_a_very_low_cutoff_is_right(cutoff_hz: float) -> None:
    # Butterworth of order 2: sqrt(2) over the angular cutoff at 0 Hz
    wanted_s = np.sqrt(2) / (2 * np.pi * cutoff_hz)
    assert Filter("lowpass", (cutoff_hz,), order=2).delay_s(100) == pytest.approx(wanted_s, rel=1e-2, abs=0.01)
