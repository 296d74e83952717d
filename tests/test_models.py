import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wristkit import models
from wristkit.models import SHORTEST_WINDOW, build, fold, plan, summary, weights_sha256, why_not_streamable

CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
CLASSES = ("none", "tap", "wash")
SHAPES = [(8, 1), (8, 8), (10, 2), (13, 4), (20, 5), (40, 10), (99, 1), (100, 20), (128, 64), (1600, 400), (2000, 16)]


def net(samples=100, hop=20, *, channels=CHANNELS, classes=CLASSES, seed=0):
    """Like a trained one: BatchNorm has met data, the normaliser is fitted."""
    torch.manual_seed(seed)
    model = build("tcn", channels=channels, classes=classes, samples=samples, hop=hop)
    random = np.random.default_rng(seed)
    values = random.standard_normal((32, len(channels), samples)).astype(np.float32) * 2 + 1
    model.fit_normaliser(values)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_()
                layer.momentum = 1.0
        model.train()(torch.from_numpy(values))
        model.head.weight.mul_(5)
    return model.eval()


def slow_convolution(x, layer):
    """Sums by definition, one output at a time, in float64."""
    weight = layer.weight.detach().double().numpy()
    out_channels, per_group, kernel = weight.shape
    (stride,), (dilation,) = layer.stride, layer.dilation
    outputs = []
    for start in range(0, x.shape[1] - dilation * (kernel - 1), stride):
        taps = x[:, start : start + dilation * (kernel - 1) + 1 : dilation]
        groups = [o // (out_channels // layer.groups) for o in range(out_channels)]
        outputs.append([(taps[g * per_group : (g + 1) * per_group] * weight[o]).sum() for o, g in enumerate(groups)])
    return np.array(outputs).T


def slow_logits(model, window):
    x = (window - model.normalise.mean.double().numpy()[:, None]) * model.normalise.scale.double().numpy()[:, None]
    for layer in [*model.stem, *(one for block in model.blocks for one in block)]:
        if isinstance(layer, nn.Conv1d):
            x = slow_convolution(x, layer)
        elif isinstance(layer, nn.BatchNorm1d):
            mean, variance, weight, bias = (
                one.detach().double().numpy()[:, None]
                for one in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
            )
            x = (x - mean) / np.sqrt(variance + layer.eps) * weight + bias
        else:
            x = np.maximum(x, 0)
    return model.head.weight.detach().double().numpy() @ x.mean(axis=1) + model.head.bias.detach().double().numpy()


@given(samples=st.integers(SHORTEST_WINDOW, 2000), hop=st.integers(1, 800))
@settings(max_examples=300, deadline=None)
def test_any_window_gets_a_net_that_ends_on_its_last_sample(samples, hop):
    geometry = plan(samples=samples, hop=hop)
    assert (samples - geometry.stem_kernel) % geometry.stride == 0
    assert hop % geometry.stride == 0
    assert geometry.stride & (geometry.stride - 1) == 0
    steps = (samples - geometry.stem_kernel) // geometry.stride + 1
    left = steps - (geometry.kernel - 1) * sum(geometry.dilations)
    assert left >= 4
    assert 3 <= geometry.stem_kernel < samples
    if hop % 64 == 0:
        assert steps <= 64


@pytest.mark.parametrize(("samples", "hop"), SHAPES)
def test_first_and_last_sample_reach_the_logits(samples, hop):
    model = net(samples, hop)
    window = torch.randn(1, len(CHANNELS), samples, generator=torch.Generator().manual_seed(1))
    for place in (0, -1):
        moved = window.clone()
        moved[:, :, place] += 3
        assert (model(moved) - model(window)).abs().max() > 1e-6


@pytest.mark.parametrize(("samples", "hop"), [(8, 1), (13, 4), (64, 8), (128, 64)])
def test_logits_equal_the_slow_twin(samples, hop):
    model = net(samples, hop)
    windows = np.random.default_rng(2).standard_normal((3, len(CHANNELS), samples)).astype(np.float32)
    with torch.no_grad():
        fast = model(torch.from_numpy(windows)).numpy()
    assert fast == pytest.approx(np.array([slow_logits(model, one) for one in windows]), abs=2e-5)


@pytest.mark.parametrize(("samples", "hop"), [(40, 10), (100, 20), (256, 64)])
def test_layers_run_over_a_stream_give_what_windows_give(samples, hop):
    model, count = net(samples, hop), 5
    geometry = plan(samples=samples, hop=hop)
    stream = torch.randn(1, len(CHANNELS), samples + hop * (count - 1), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        steps = model.blocks(model.stem(model.normalise(stream)))
        each = steps.shape[-1] - hop * (count - 1) // geometry.stride
        for number in range(count):
            first = number * hop // geometry.stride
            streamed = model.head(steps[:, :, first : first + each].mean(-1))
            windowed = model(stream[:, :, number * hop : number * hop + samples])
            torch.testing.assert_close(streamed, windowed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("samples", "hop"), SHAPES)
def test_every_net_streams_and_stays_small(samples, hop):
    model = net(samples, hop)
    told = summary(model, samples=samples)
    assert told.not_streamable == ()
    assert told.parameters == sum(one.numel() for one in model.parameters()) <= 40_000
    assert samples < 20 or told.parameters >= 5_000
    assert told.stride == plan(samples=samples, hop=hop).stride
    assert told.receptive_field <= samples


def test_summary_counts_work_by_hand():
    model = build("tcn", channels=("a",), classes=("p", "q"), samples=8, hop=1, width=2)
    # stem 6 steps x 2 x 1 x 3, depthwise 4 x 2 x 3, pointwise 4 x 2 x 2, head 2 x 2
    told = summary(model, samples=8)
    assert (told.macs, told.receptive_field, told.stride) == (36 + 24 + 16 + 4, 5, 1)


def test_receptive_field_is_what_the_gradient_of_one_step_sees():
    model = net(256, 64)
    stream = torch.randn(1, len(CHANNELS), 256, requires_grad=True)
    layers = [
        one for one in [*model.stem, *(one for block in model.blocks for one in block)] if isinstance(one, nn.Conv1d)
    ]
    x = stream
    for layer in layers:
        x = layer(x)
    x[0, :, 0].sum().backward()
    seen = torch.nonzero(stream.grad.abs().sum(dim=(0, 1))).max() + 1
    assert seen == summary(model, samples=256).receptive_field


def test_summary_leaves_modes_and_statistics_alone():
    model = net().train()
    model.stem.eval()
    before = weights_sha256(model)
    summary(model, samples=100)
    assert (model.training, model.stem.training, model.blocks.training) == (True, False, True)
    assert weights_sha256(model) == before


def test_architecture_goes_through_json_and_builds_the_same_net():
    model = net()
    again = build(**json.loads(json.dumps(model.architecture)))
    assert again.architecture == model.architecture
    again.load_state_dict(model.state_dict(), strict=True)
    windows = torch.randn(4, len(CHANNELS), 100)
    assert torch.equal(again.eval()(windows), model(windows))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "transformer"}, "choose one of tcn"),
        ({"samples": SHORTEST_WINDOW - 1}, f"at least {SHORTEST_WINDOW}"),
        ({"hop": 0}, "hop is 0"),
        ({"channels": ()}, "at least 1 channel"),
        ({"classes": ("only",)}, "2 classes"),
        ({"width": 0}, "width 1"),
    ],
)
def test_build_refuses(arguments, match):
    good = {"name": "tcn", "channels": CHANNELS, "classes": CLASSES, "samples": 100, "hop": 20}
    with pytest.raises(ValueError, match=match):
        build(**{**good, **arguments})


def test_normaliser_gives_zero_mean_and_unit_spread():
    model = build("tcn", channels=CHANNELS, classes=CLASSES, samples=100, hop=20)
    random = np.random.default_rng(4)
    values = random.standard_normal((50, 6, 100)) * np.array([1, 2, 0.1, 30, 5, 0.01])[:, None] + 3
    assert model.fit_normaliser(values) == ()
    after = model.normalise(torch.from_numpy(values.astype(np.float32)))
    assert after.mean(dim=(0, 2)) == pytest.approx(np.zeros(6), abs=1e-3)
    assert after.std(dim=(0, 2)) == pytest.approx(np.ones(6), abs=1e-3)


@pytest.mark.parametrize("constant", [0.0, 9.81, -1.0, 101.325, 1e6])
def test_constant_channel_is_named_and_enters_as_zero_whatever_comes_later(constant):
    model = build("tcn", channels=CHANNELS, classes=CLASSES, samples=100, hop=20).eval()
    values = np.random.default_rng(5).standard_normal((8, 6, 100)).astype(np.float32)
    values[:, 2] = constant
    assert model.fit_normaliser(values) == ("accel_z",)
    values[:, 2] += 50
    assert model.normalise(torch.from_numpy(values))[:, 2].abs().max() == 0
    assert torch.isfinite(model(torch.from_numpy(values))).all()


def test_nearly_constant_channel_is_not_blown_up():
    model = build("tcn", channels=("a",), classes=CLASSES, samples=100, hop=20)
    values = 1 + 1e-5 * np.random.default_rng(6).standard_normal((8, 1, 100))
    assert model.fit_normaliser(values) == ()
    assert model.normalise.scale.item() == pytest.approx(1000)


@pytest.mark.parametrize("shape", [(0, 6, 100), (4, 5, 100), (6, 100)])
def test_normaliser_refuses_shape(shape):
    with pytest.raises(ValueError, match="shape"):
        net().fit_normaliser(np.zeros(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_normaliser_refuses_values_that_are_not_finite(bad):
    values = np.zeros((4, 6, 100))
    values[1, 2, 3] = bad
    with pytest.raises(ValueError, match="not finite"):
        net().fit_normaliser(values)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Conv1d(6, 4, 5, padding=2), "padding 2"),
        (nn.Conv1d(6, 4, 5, padding="same"), "padding 'same'"),
        (nn.Conv1d(6, 4, 4, stride=4), "samples fall off"),
        (nn.Sequential(nn.Conv1d(6, 4, 3), nn.MaxPool1d(2)), "samples fall off"),
        (nn.Sequential(nn.Conv1d(6, 4, 3), nn.AvgPool1d(2, padding=1)), "padding 1"),
        (nn.Sequential(nn.Conv1d(6, 4, 3), nn.MaxPool1d(3, ceil_mode=True)), "ceil_mode"),
        (nn.GRU(6, 4), "recurrent"),
        (nn.LSTM(6, 4, bidirectional=True), "recurrent"),
        (nn.MultiheadAttention(6, 2), "attention"),
        (nn.TransformerEncoderLayer(6, 2), "attention"),
        (nn.InstanceNorm1d(6), "statistics"),
        (nn.GroupNorm(2, 6), "statistics"),
        (nn.LayerNorm(6), "statistics"),
        (nn.BatchNorm1d(6, track_running_stats=False), "running statistics"),
        (nn.AdaptiveAvgPool1d(1), "mean"),
        (nn.ConvTranspose1d(6, 4, 3), "transposed"),
    ],
)
def test_streamability_names_layer_and_reason(layer, reason):
    found = why_not_streamable(nn.Sequential(layer), 101)
    assert found
    assert all(one.startswith("0") for one in found)
    assert reason in found[0]


def test_valid_strided_net_streams_only_at_lengths_that_fit():
    model = nn.Sequential(nn.Conv1d(3, 4, 5, stride=2), nn.ReLU(), nn.Conv1d(4, 4, 3, stride=2))
    streamable = {samples for samples in range(20, 40) if not why_not_streamable(model, samples)}
    reached = set()
    for samples in range(20, 40):
        window = torch.zeros(1, 3, samples, requires_grad=True)
        nn.Sequential(model[0], model[2])(window).sum().backward()
        if window.grad[0, :, -1].abs().sum() > 0:
            reached.add(samples)
    assert streamable == reached


def test_weights_hash_sees_value_name_dtype_and_nothing_else():
    model, twin = net(), net()
    assert weights_sha256(model) == weights_sha256(twin)
    with torch.no_grad():
        twin.head.bias[0] = torch.nextafter(twin.head.bias[0], torch.tensor(torch.inf))
    assert weights_sha256(model) != weights_sha256(twin)
    assert weights_sha256(net().half()) != weights_sha256(model)
    assert weights_sha256(net(classes=("a", "b", "c"))) == weights_sha256(model)


def test_a_folded_net_has_float16_weights_and_says_the_same():
    trained = net(100, 20)
    shipped = fold(trained)
    windows = torch.from_numpy(
        np.random.default_rng(0).normal(size=(64, len(trained.channels), 100)).astype(np.float32)
    )
    with torch.inference_mode():
        np.testing.assert_allclose(shipped(windows).numpy(), trained.eval()(windows).numpy(), atol=0.02)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in shipped.modules())
    for weight in shipped.parameters():
        assert torch.equal(weight, weight.half().float())
    assert shipped.architecture == {**trained.architecture, "folded": True}
    assert why_not_streamable(shipped, 100) == ()


def test_folding_without_rounding_is_exact(monkeypatch):
    monkeypatch.setattr(models, "round_weights", lambda shipped: None)
    trained = net(64, 8)
    windows = torch.from_numpy(np.random.default_rng(1).normal(size=(16, len(trained.channels), 64)).astype(np.float32))
    with torch.inference_mode():
        np.testing.assert_allclose(
            fold(trained)(windows).numpy(), trained.eval()(windows).numpy(), rtol=1e-4, atol=1e-5
        )


def test_weights_beyond_float16_are_refused():
    trained = net(64, 8)
    with torch.no_grad():
        trained.head.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match="beyond float16"):
        fold(trained)
