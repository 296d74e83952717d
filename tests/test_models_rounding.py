"""Weights as they ship: steps that float16 holds, none moved twice, and what is lost by it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wristkit.models import MODELS, build, fold, round_weights
from wristkit.models.rounding import is_large, step_sizes


def weights(seed, *, spread=2.0, outputs=7, inputs=40):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(outputs, inputs)) * 10.0 ** rng.uniform(-spread, spread, size=(outputs, 1))


def few_bits(number, bits):
    """Return whether float16 numbers have so many bits, by definition: an odd whole number times a power of two."""
    parts = [float(one).as_integer_ratio() for one in np.ravel(number)]
    odd = [top // (top & -top) for top, _ in parts if top]
    return all(one < 2**bits for one in odd)


def of(rows):
    """Return a large convolution with these weights (outputs, inputs)."""
    layer = nn.Conv1d(rows.shape[1], len(rows), 1)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rows)[..., None])
    return layer


@given(st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_no_other_step_of_4_bits_leaves_less(seed, spread):
    """All of them are tried one by one, from a weight of 127 steps to one of 64."""
    rows = weights(seed, spread=spread)
    every = np.array([whole * 2.0**power for power in range(-24, 12) for whole in range(8, 16)])
    for row, step in zip(rows, step_sizes(rows, bits=4), strict=True):
        reach = np.abs(row).max()
        tried = every[(reach <= 127 * every) & (reach >= 63.5 * every)]
        left = [np.square(row - np.rint(row / one) * one).sum() for one in tried]
        assert np.square(row - np.rint(row / step) * step).sum() <= min(left) * (1 + 1e-9)
        assert step in tried


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 11]), st.floats(0, 6))
def test_a_step_is_a_float16_number_of_so_many_bits_and_all_weights_are_in_reach(seed, bits, spread):
    rows = weights(seed, spread=spread)
    rows[3] = 0
    steps = step_sizes(rows, bits=bits)
    np.testing.assert_array_equal(steps, steps.astype(np.float16))
    assert few_bits(steps, bits)
    assert (steps > 0).all()
    assert (np.abs(rows).max(axis=1) <= 127 * steps).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 127), st.integers(-20, 8))
def test_multiples_of_a_step_leave_nothing(seed, reach, power):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-reach, reach + 1, size=(5, 60)).astype(np.float64)
    rows = numbers * (rng.integers(1, 16, size=(5, 1)) * 2.0 ** (power - 4))
    rows[:, 0] = np.where(rng.random(5) < 0.5, -1, 1) * 127 * np.abs(rows[:, 1:]).max(axis=1) / max(reach, 1)
    layer = of(rows)
    round_weights(layer)
    once = layer.weight.detach().clone()
    round_weights(layer)
    assert torch.equal(layer.weight, once)
    held = once[..., 0].double().numpy()
    for bits in (4, 11):
        steps = step_sizes(held, bits=bits)[:, None]
        np.testing.assert_array_equal(np.rint(held / steps) * steps, held)


@given(st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_rounded_weights_are_whole_numbers_and_float16_at_once(seed, spread):
    rows = weights(seed, spread=spread)
    layer = of(rows)
    round_weights(layer)
    held = layer.weight.detach()[..., 0]
    assert torch.equal(held, held.half().float())
    steps = step_sizes(held.double().numpy(), bits=4)
    numbers = held.double().numpy() / steps[:, None]
    np.testing.assert_array_equal(numbers, np.rint(numbers))
    assert np.abs(numbers).max() <= 127
    reach = np.abs(rows).max(axis=1)
    assert (np.abs(held.numpy() - rows).max(axis=1) <= np.maximum(reach / 127 * 1.126, 2.0**-24)).all()


@pytest.mark.parametrize("row", [0.0, 1e-9, 2.0**-24, 3.0e-7, 6.1e-5, 60000.0])
def test_the_ends_of_float16(row):
    rows = np.linspace(-row, row, 300)[None].repeat(2, axis=0)
    layer = of(rows)
    round_weights(layer)
    held = layer.weight.detach()[..., 0]
    assert torch.equal(held, held.half().float())
    assert float((held - torch.from_numpy(rows).float()).abs().max()) <= max(row / 110, 2.0**-24)


@pytest.mark.parametrize("wrong", [7e4, np.inf, np.nan])
@pytest.mark.parametrize("large", [True, False])
def test_weights_beyond_float16_are_refused(wrong, large):
    rows = weights(0, spread=0, inputs=80 if large else 20)
    rows[2, 3] = wrong
    layer = of(rows)
    assert is_large(layer) == large
    with pytest.raises(ValueError, match=r"weight weight reaches .* beyond float16"):
        round_weights(layer)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_large_convolutions_of_a_folded_net_are_in_steps_and_the_rest_is_float16(name):
    torch.manual_seed(0)
    net = build(name, channels=("accel_x", "mel_0", "mel_1"), classes="ab", samples=64, hop=8).eval()
    for norm in (one for one in net.modules() if isinstance(one, nn.BatchNorm1d)):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    before = copy.deepcopy(net.state_dict())
    shipped = fold(net)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    large = [one for one in shipped.modules() if is_large(one)]
    assert large or name == "lstm"
    for layer in large:
        flat = layer.weight.detach().double().flatten(1).numpy()
        numbers = flat / step_sizes(flat, bits=4)[:, None]
        np.testing.assert_array_equal(numbers, np.rint(numbers))
    for weight in shipped.parameters():
        assert torch.equal(weight, weight.half().float())
