import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wristkit import models
from wristkit.models import (
    MODELS,
    SHORTEST_WINDOW,
    Net,
    add,
    build,
    drawn_anew,
    fold,
    own,
    plan,
    summary,
    weights_sha256,
    why_not_streamable,
)

CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
CLASSES = ("none", "tap", "wash")
SHAPES = [(8, 1), (8, 8), (10, 2), (13, 4), (20, 5), (40, 10), (99, 1), (100, 20), (128, 64), (1600, 400), (2000, 16)]


def net(samples=100, hop=20, *, name="tcn", channels=CHANNELS, classes=CLASSES, seed=0):
    """Like a trained one: BatchNorm has met data, the normaliser is fitted."""
    torch.manual_seed(seed)
    model = build(name, channels=channels, classes=classes, samples=samples, hop=hop)
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


@pytest.mark.parametrize("name", ["tcn", "cnn"])
@pytest.mark.parametrize(("samples", "hop"), [(40, 10), (100, 20), (256, 64)])
def test_layers_run_over_a_stream_give_what_windows_give(samples, hop, name):
    model, count = net(samples, hop, name=name), 5
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


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize(("samples", "hop"), SHAPES)
def test_every_net_stays_small_and_streams_but_for_the_lstm(samples, hop, name):
    model = net(samples, hop, name=name)
    told = summary(model)
    assert told == summary(model, samples=samples)
    assert told.streamable == (name != "lstm")
    assert told.parameters == sum(one.numel() for one in model.parameters()) <= 150_000
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
        ({"name": "transformer"}, "choose one of tcn, cnn"),
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


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_folded_net_has_float16_weights_and_says_about_the_same(name):
    trained = net(100, 20, name=name)
    shipped = fold(trained)
    windows = torch.from_numpy(
        np.random.default_rng(0).normal(size=(64, len(trained.channels), 100)).astype(np.float32)
    )
    with torch.inference_mode():
        said, wanted = shipped(windows).numpy(), trained.eval()(windows).numpy()
    np.testing.assert_allclose(said, wanted, atol=0.02 * np.abs(wanted).max())
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in shipped.modules())
    for weight in shipped.parameters():
        assert torch.equal(weight, weight.half().float())
    assert shipped.architecture == {**trained.architecture, "folded": True}
    assert summary(shipped).streamable == (name != "lstm")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_folding_without_rounding_is_exact(monkeypatch, name):
    monkeypatch.setattr(models.making, "round_weights", lambda shipped: None)
    trained = net(64, 8, name=name)
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


def test_state_is_what_a_stream_must_hold():
    """Counted by hand: the inputs that each convolution looks at again, and the steps that are averaged."""
    model = build("tcn", channels=("a", "b"), classes=("p", "q"), samples=8, hop=1, width=3)
    # stem of 3 over 2 channels, depthwise of 3 over 3 channels, pointwise of 1, then 4 steps of 3
    assert summary(model).state == 2 * 2 + 3 * 2 + 0 + 4 * 3


def test_the_state_is_enough_to_go_on_from():
    """A stream cut anywhere goes on from the held inputs of each convolution alone, and there are as many as stated."""
    model = fold(net(100, 20, name="cnn"))
    stream = torch.randn(1, 6, 160, generator=torch.Generator().manual_seed(2))
    layers = [one for row in (model.stem, *model.blocks) for one in row]
    with torch.no_grad():
        held, parts, most = {}, [], 0
        for first in range(0, 160, 20):
            x = model.normalise(stream[:, :, first : first + 20])
            for place, layer in enumerate(layers):
                if isinstance(layer, nn.Conv1d):
                    x = torch.cat([held.get(place, x[:, :, :0]), x], dim=2)
                    count = (x.shape[2] - layer.kernel_size[0]) // layer.stride[0] + 1
                    held[place] = x[:, :, max(count, 0) * layer.stride[0] :]
                    if count < 1:
                        x = None
                        break
                x = layer(x)
            parts += [] if x is None else [x]
            most = max(most, sum(one.numel() for one in held.values()))
        whole = model.blocks(model.stem(model.normalise(stream)))
    joined = torch.cat(parts, dim=2)
    torch.testing.assert_close(joined, whole[:, :, : joined.shape[2]], rtol=1e-5, atol=1e-5)
    steps = model.blocks(model.stem(torch.zeros(1, 6, 100))).shape
    assert most == summary(model).state - steps[1] * steps[2]


def test_the_lstm_costs_a_whole_window_at_each_decision():
    model = build("lstm", channels=("a",), classes=("p", "q"), samples=8, hop=1, width=2)
    told = summary(model)
    # stem 6 steps x 2 x 3, memory of 3 from 2: 4 gates x 3 x (2 + 3) at 6 steps, head 3 x 2
    assert told.macs == 36 + 6 * 4 * 3 * 5 + 6
    assert (told.receptive_field, told.state) == (8, 8)
    assert "recurrent" in told.not_streamable[0]


SOUND = tuple(f"mel_{band}" for band in range(40))


def test_each_branch_sees_its_own_channels():
    channels = ("accel_x", *SOUND, "gyro_x", "gyro_y")
    model = net(64, 8, name="branches", channels=channels)
    windows = torch.randn(2, len(channels), 64, generator=torch.Generator().manual_seed(0))
    width = model.head.in_features // 2
    before = model.embed(windows)
    for heard in (False, True):
        moved = windows.clone()
        moved[:, [name.startswith("mel") == heard for name in channels]] += 1
        change = (model.embed(moved) - before).abs().amax(dim=0)
        assert (change[:width].max() > 0, change[width:].max() > 0) == (not heard, heard)
    one, both = summary(net(64, 8, channels=channels)), summary(model)
    assert both.receptive_field == one.receptive_field
    assert both.streamable


@pytest.mark.parametrize(("channels", "kinds"), [(CHANNELS, ["motion"]), (SOUND, ["sound"]), (("ppg",), ["motion"])])
def test_windows_of_one_kind_give_one_branch(channels, kinds):
    model = build("branches", channels=channels, classes=CLASSES, samples=64, hop=8)
    assert list(model.branches) == kinds
    assert model(torch.zeros(2, len(channels), 64)).shape == (2, 3)


class Mine(nn.Module):
    """A user's net; ``fault`` is what is wrong with it."""

    def __init__(self, fault=""):
        super().__init__()
        self.conv, self.fault = nn.Conv1d(6, 4, 5), fault
        self.head = nn.Linear(4, 2 if fault == "shape" else 3)

    def forward(self, x):
        if self.fault == "transposed":
            x = x.transpose(1, 2)
        steps = self.conv(x).relu()
        if self.fault == "random":
            steps = nn.functional.dropout(steps, 0.5)
        if self.fault == "batch":
            steps = steps - steps.mean(0)
        logits = self.head(steps.mean(-1))
        if self.fault == "raises":
            raise KeyError("what the net says")
        if self.fault == "training" and self.training:
            logits = logits[:, :2]
        other = {
            "nan": logits / 0,
            "pair": (logits, steps),
            "sequence": steps,
            "softmax": logits.softmax(1),
            "detached": logits.detach(),
            "complex": logits * 1j,
        }
        return other.get(self.fault, logits)


def test_a_net_of_ones_own_is_copied_and_normalised():
    mine = Mine()
    model = own(mine, channels=CHANNELS, classes=CLASSES, samples=50)
    before = weights_sha256(mine)
    model.fit_normaliser(np.random.default_rng(0).normal(5, 3, size=(20, 6, 50)))
    windows = torch.randn(3, 6, 50)
    torch.testing.assert_close(model(windows), mine(model.normalise(windows)))
    logits = model(windows)
    model.cool(2.0)
    torch.testing.assert_close(model(windows), logits / 2)
    with torch.no_grad():
        model.module.head.bias.add_(1)
    assert weights_sha256(mine) == before
    assert summary(model).receptive_field == 5
    assert model.architecture is None


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("shape", ValueError, r"gives \(4, 2\) .* expected \(4, 3\)"),
        ("sequence", ValueError, r"expected \(4, 3\)"),
        ("transposed", ValueError, "cannot take windows of the shape"),
        ("nan", ValueError, "not finite"),
        ("random", ValueError, "other scores each time"),
        ("batch", ValueError, "what else is in the batch"),
        ("pair", TypeError, "expected one tensor"),
        ("softmax", ValueError, "gives probabilities, expected logits; leave out the softmax"),
        ("raises", ValueError, "Mine cannot take windows .* KeyError: 'what the net says'"),
        ("training", ValueError, r"in training mode gives \(4, 2\), expected \(4, 3\)"),
        ("detached", ValueError, "scores without a gradient"),
        ("complex", TypeError, "complex64, expected real logits"),
    ],
)
def test_a_net_of_ones_own_that_does_not_fit_is_refused(fault, error, says):
    with pytest.raises(error, match=says):
        own(Mine(fault), channels=CHANNELS, classes=CLASSES, samples=50)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
def test_a_net_that_cannot_be_copied_is_named():
    mine = Mine()
    traced = torch.jit.trace(mine, torch.zeros(2, 6, 50))
    with pytest.raises(TypeError, match="is a script of a net"):
        own(traced, channels=CHANNELS, classes=CLASSES, samples=50)
    mine.held = mine.head.weight * 2
    with pytest.raises(TypeError, match="Mine cannot be copied"):
        own(mine, channels=CHANNELS, classes=CLASSES, samples=50)


def test_what_was_measured_on_people_is_not_kept_in_a_net_drawn_anew():
    mine = Mine()
    mine.register_buffer("mean_of_people", torch.ones(3))
    with pytest.raises(ValueError, match="holds 'mean_of_people', which may have been measured"):
        drawn_anew(mine)
    mine = Mine()
    mine.register_buffer("constant", torch.ones(3), persistent=False)
    assert torch.equal(drawn_anew(mine).constant, torch.ones(3))


def test_a_net_without_weights_is_refused():
    with pytest.raises(ValueError, match="no weights to train"):
        own(nn.Flatten(), channels=CHANNELS, classes=CLASSES, samples=50)


def test_trying_out_leaves_the_random_numbers_and_the_statistics_alone():
    mine = nn.Sequential(nn.Conv1d(6, 4, 5), nn.BatchNorm1d(4), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3))
    torch.manual_seed(1)
    wanted = torch.rand(2)
    torch.manual_seed(1)
    model = own(mine, channels=CHANNELS, classes=CLASSES, samples=50)
    assert torch.equal(torch.rand(2), wanted)
    assert model.training
    assert model.module[1].running_mean.abs().max() == 0


def steered(donor, *, base="tcn"):
    """A net with a class added, whose direction says now yes, now no."""
    model = add(fold(net(64, 8, name=base)), "wave", donor=donor)
    windows = torch.randn(60, 6, 64, generator=torch.Generator().manual_seed(5)) * 2
    with torch.no_grad():
        z = model.embed(windows)
        model.direction.weight.copy_((z[0] - z.mean(0))[None])
        model.direction.weight.mul_(20 / (model.direction(z)).std())
        model.direction.bias.copy_(-model.direction.weight @ z.mean(0) - 3)
    return model, windows


@pytest.mark.parametrize("donor", ["none", "wash", None])
def test_an_added_class_takes_from_its_donor_alone(donor):
    model, windows = steered(donor)
    with torch.no_grad():
        old, new = model.base(windows).softmax(1), model(windows).softmax(1)
        share = model.share(model.embed(windows))[:, 0]
    assert share.min() == 0
    assert share.max() > 0.9
    kept = [place for place, name in enumerate(CLASSES) if donor not in (None, name)]
    torch.testing.assert_close(new[:, kept], old[:, kept], rtol=0, atol=2e-6)
    assert (new[:, :3] <= old + 2e-6).all()
    torch.testing.assert_close(new[share == 0][:, :3], old[share == 0], rtol=0, atol=2e-6)
    taken = old.sum(1) if donor is None else old[:, CLASSES.index(donor)]
    torch.testing.assert_close(new[:, 3], taken * share, rtol=0, atol=2e-5)


@pytest.mark.parametrize("base", ["tcn", "branches"])
def test_an_added_class_costs_one_direction_more(base):
    """The frozen net runs once for all classes, and reaches as far as it did."""
    model, _ = steered("none", base=base)
    before, after = summary(model.base), summary(model)
    assert after.macs == before.macs + model.direction.in_features
    told = (after.receptive_field, after.stride, after.state, after.streamable)
    assert told == (before.receptive_field, before.stride, before.state, before.streamable)


def test_a_net_with_added_classes_is_built_again():
    once, windows = steered("none", base="cnn")
    twice = add(once, "spin", donor=None)
    again = build(**json.loads(json.dumps(twice.architecture)))
    again.load_state_dict(twice.state_dict(), strict=True)
    assert again.classes == (*CLASSES, "wave", "spin")
    assert torch.equal(again.eval()(windows), twice.eval()(windows))
    assert summary(twice).streamable
    assert not any(weight.requires_grad for weight in twice.base.parameters())


def test_without_an_embedding_it_is_said():
    with pytest.raises(NotImplementedError, match="write embed"):
        Net(channels=CHANNELS, classes=CLASSES, samples=50).embed(torch.zeros(1, 6, 50))


def test_a_net_that_does_not_say_its_window_needs_samples():
    with pytest.raises(ValueError, match="give samples="):
        summary(nn.Sequential(nn.Conv1d(6, 4, 5)))
