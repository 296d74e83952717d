"""Whole numbers of 8 bits: how they are rounded, which layers stay, and that package and C++ hold the same."""

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporting import measured, of_net, recording, status
from wristkit import models
from wristkit.detector import Detector
from wristkit.export import ParityError, export, load_mlpackage, native, variants
from wristkit.export.coreml import convert
from wristkit.export.narrow import SHARE, Whole, _rounded, narrowed
from wristkit.export.packaged import answers
from wristkit.export.parity import SHIPPED_BOUND
from wristkit.export.stage import written
from wristkit.models import round_weights
from wristkit.models.rounding import step_sizes
from wristkit.recording import label_table


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: None)


def layer(outputs=12, inputs=20, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = nn.Conv1d(inputs, outputs, 1)
    with torch.no_grad():
        made.weight.copy_(torch.randn(made.weight.shape, generator=generator))
    return made


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(-1)


def nearest(weight):
    """Return weights as the nearest whole numbers say them, by definition."""
    flat = weight.detach().double().flatten(1).numpy()
    return np.rint(flat / step_sizes(flat)[:, None]) * step_sizes(flat)[:, None]


def test_inputs_that_have_nothing_in_common_give_the_nearest_numbers():
    one = layer()
    whole, bias = _rounded(one, np.eye(21))
    np.testing.assert_allclose(whole.weights[..., 0], nearest(one.weight), atol=1e-6)
    np.testing.assert_array_equal(bias.numpy(), one.bias.detach().half().float().numpy())


@pytest.mark.parametrize("seed", range(4))
def test_inputs_alike_let_weights_make_up_for_each_other(seed):
    rng, one = np.random.default_rng(seed), layer(seed=seed)
    inputs = rng.normal(size=(4000, 4)) @ rng.normal(size=(4, 20)) + 0.1 * rng.normal(size=(4000, 20)) + 1.0
    columns = np.hstack([inputs, np.ones((4000, 1))])
    whole, bias = _rounded(one, columns.T @ columns)
    weight, before = (one.weight.detach().double().numpy()[..., 0], one.bias.detach().double().numpy())
    missed = inputs @ (whole.weights[..., 0] - weight).T + (bias.numpy() - before)
    plain = inputs @ (nearest(one.weight) - weight).T
    assert np.square(missed).mean() < 0.25 * np.square(plain).mean()


def test_large_layers_are_rounded_and_the_net_that_was_given_is_not(worn, values):
    before = copy.deepcopy(worn.model.state_dict())
    narrow = narrowed(worn.model, values, bound=10.0)
    assert {type(one) for one in narrow.layers} == {nn.Conv1d}
    assert all(one.groups == 1 for one in narrow.layers)
    assert narrow.kept == ()
    for one, whole in narrow.layers.items():
        np.testing.assert_array_equal(one.weight.detach().numpy(), whole.weights)
        assert np.abs(whole.numbers.astype(int)).max() <= 127
    for name, value in worn.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        said, wanted = (torch.softmax(net(torch.from_numpy(values)), 1) for net in (narrow.model, worn.model))
    assert float((said - wanted).abs().max()) == pytest.approx(narrow.apart, abs=1e-6)


def test_as_many_layers_stay_as_the_bound_asks(worn, values):
    counts = []
    apart = narrowed(worn.model, values, bound=10.0).apart
    for share in (2.0, 0.6, 0.3, 1e-6):
        narrow = narrowed(worn.model, values, bound=share * apart / SHARE)
        assert narrow.apart <= share * apart
        counts.append((len(narrow.layers), len(narrow.kept)))
    assert [sum(one) for one in counts] == [counts[0][0]] * 4
    assert counts[0][1] == 0
    assert counts[-1][0] == 0
    assert [one[0] for one in counts] == sorted((one[0] for one in counts), reverse=True)
    assert 0 < counts[1][0] < counts[0][0] or 0 < counts[2][0] < counts[0][0]


@pytest.mark.parametrize("target", ["watchOS10", "watchOS11"])
@pytest.mark.parametrize("interface", ["window", "streaming"])
def test_a_package_holds_these_very_numbers(worn, values, target, interface, tmp_path):
    narrow = narrowed(worn.model, values, bound=10.0)
    path = convert(worn, tmp_path / "n.mlpackage", target=target, precision="int8", interface=interface, narrow=narrow)
    package = load_mlpackage(path)
    held = [package.constants[one.operands["weight"][0]].numpy() for one in package.operations if one.type == "conv"]
    for whole in narrow.layers.values():
        wanted = np.float32(np.float16(whole.weights))
        assert any(one.shape == wanted.shape and np.array_equal(one, wanted) for one in held)


def test_layers_that_the_conversion_changes_are_refused(worn, values, tmp_path):
    narrow = narrowed(worn.model, values, bound=10.0)
    first, *rest = narrow.layers.items()
    other = Whole(np.roll(first[1].numbers, 1, axis=0), first[1].scale)
    wrong = type(narrow)(narrow.model, {first[0]: other, **dict(rest)})
    with pytest.raises(ValueError, match="1 layers are changed by the conversion"):
        convert(worn, tmp_path / "n.mlpackage", target="watchOS10", precision="int8", narrow=wrong)
    with pytest.raises(ValueError, match="int8 needs a net with whole numbers"):
        convert(worn, tmp_path / "n.mlpackage", target="watchOS10", precision="int8")


def test_an_export_says_what_is_int8_and_what_it_saves(worn, tmp_path, monkeypatch):
    monkeypatch.setitem(SHIPPED_BOUND, "int8", 2e-2)  # no layer of this net is within 5e-3 of louder windows
    made = export(worn, tmp_path / "b", precision="int8", recordings=recording())
    found = made.preflight.set_index("check").loc["int8 weights"]
    told = re.search(r"(\d+) weights in (\d+) layers .*; (\d+) bytes, (\d+) in float16", found["note"])
    count, layers, size, half = map(int, told.groups())
    assert size == made.cost.package_bytes < half
    assert count >= 1024 * layers >= 1024
    assert status(made.parity)["normalisation constants"] == "passed"
    assert 0 < measured(made.parity)["shipped int8, probabilities"] <= 2e-2
    kept = [name for name in found["where"].split(", ") if name]
    assert (found["status"] == "warning") == bool(kept)
    assert "int8 in" in (made.cpp / "detector.hpp").read_text()


def test_a_net_that_int8_cannot_hold_is_refused_by_its_layers(worn, tmp_path, monkeypatch):
    monkeypatch.setitem(SHIPPED_BOUND, "int8", 1e-7)
    with pytest.raises(ValueError, match=r"no layer can have whole numbers.*stem\.0.*export precision='float16'"):
        export(worn, tmp_path / "b", precision="int8", recordings=recording())
    assert not list(tmp_path.iterdir())
    truth = recording(bouts=6, seed=5)
    held = [truth.with_labels(label_table([(10.0, 19.0, "tap", "truth", "made")]), labelled={"truth": [(0.0, 60.0)]})]
    table = variants({"small": worn}, held, fp_per_hour=60.0).set_index("precision")
    assert table.loc["float16", "why_not"] == ""
    assert "no layer can have" in table.loc["int8", "why_not"]
    assert np.isnan(table.loc["int8", "recall"])


def test_what_other_windows_show_is_still_held_by_parity(worn, tmp_path, monkeypatch):
    """Rounded on some windows, judged on all: what is off is not shipped."""

    def on_silence(model, values, **_):
        return narrowed(model, values[:8] * 0, bound=10.0)

    monkeypatch.setitem(written.__globals__, "narrowed", on_silence)
    with pytest.raises(ParityError, match="shipped int8, probabilities"):
        export(worn, tmp_path / "b", precision="int8", recordings=recording())


@pytest.mark.parametrize("interface", ["window", "streaming"])
def test_a_net_that_was_rounded_before_it_was_judged_loses_nothing(worn, values, interface, tmp_path):
    one = Detector(worn.spec, models.fold(worn.model))
    narrow = narrowed(one.model, values, bound=1e-9)
    assert (len(narrow.layers), narrow.kept, narrow.apart) == (5, (), 0.0)
    for layer, whole in narrow.layers.items():
        assert torch.equal(layer.weight.detach(), torch.from_numpy(whole.weights))
    said = [
        answers(
            load_mlpackage(
                convert(
                    one,
                    tmp_path / f"{precision}.mlpackage",
                    target="watchOS10",
                    precision=precision,
                    interface=interface,
                    narrow=narrow if precision == "int8" else None,
                )
            ),
            values[:20],
        ).probabilities
        for precision in ("float16", "int8")
    ]
    np.testing.assert_array_equal(*said)


def test_a_net_of_the_users_own_can_be_rounded_before_it_is_judged(values):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(6, 24, 7), nn.ReLU(), nn.Conv1d(24, 24, 5), nn.ReLU(), Mean(), nn.Linear(24, 3)
    ).eval()
    assert narrowed(net, values, bound=10.0).apart > 0
    round_weights(net)
    narrow = narrowed(net, values, bound=1e-9)
    assert (len(narrow.layers), narrow.kept, narrow.apart) == (2, (), 0.0)


@pytest.mark.parametrize("name", ["tcn", "cnn", "branches"])
def test_norms_in_rows_of_layers_are_folded(name):
    torch.manual_seed(0)
    net = models.build(name, channels=("accel_x", "mel_0", "mel_1"), classes="ab", samples=40, hop=8).eval()
    for norm in (one for one in net.modules() if isinstance(one, nn.BatchNorm1d)):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    windows = torch.randn(30, 3, 40)
    narrow = narrowed(net, windows.numpy(), bound=1e-9)
    assert not any(isinstance(one, nn.BatchNorm1d) for one in narrow.model.modules())
    assert narrow.layers == {}
    with torch.no_grad():
        torch.testing.assert_close(narrow.model(windows), net(windows), rtol=0, atol=1e-5)


def test_a_net_of_small_layers_stays_as_it_is():
    net = nn.Sequential(nn.Conv1d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()
    narrow = narrowed(of_net(net).model, np.zeros((4, 3, 20), dtype=np.float32), bound=1.0)
    assert (narrow.layers, narrow.kept) == ({}, ())


def test_weights_that_are_computed_stay_as_they_are(tmp_path):
    normed = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 30, 5))
    net = nn.Sequential(normed, nn.ReLU(), Mean(), nn.Linear(30, 3)).eval()
    assert narrowed(net, np.zeros((4, 3, 20), dtype=np.float32), bound=1.0).layers == {}
    with pytest.raises(ValueError, match="no layer is a large convolution"):
        export(of_net(net), tmp_path / "b", precision="int8")
    assert not list(tmp_path.iterdir())
