"""The three interfaces, int8, what each layer becomes, and what is refused before anything is converted."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporting import CLASSES, detector, measured, of_net, recording, status
from wristkit import models
from wristkit.export import ParityError, export, load_mlpackage, native, neural_engine, preflight
from wristkit.export.coreml import convert
from wristkit.export.incremental import Incremental, first_samples, why_not_incremental
from wristkit.export.packaged import answers, chunks_of, spec_of
from wristkit.export.parity import SHIPPED_BOUND, trial_windows
from wristkit.models import build


@pytest.fixture(scope="module")
def worn():
    return detector()


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """C++ is compiled in the tests of C++; here it would only take time."""
    monkeypatch.setattr(native, "compiler", lambda: None)


@pytest.mark.parametrize("target", ["watchOS10", "watchOS26"])
@pytest.mark.parametrize(
    ("interface", "precision"),
    [("streaming", "float32"), ("streaming", "float16"), ("streaming", "int8"), ("activity_classifier", "float32")],
)
def test_a_package_with_a_state_says_what_its_windows_say(worn, interface, precision, target, tmp_path):
    if target == "watchOS26" and precision != "int8":
        pytest.skip("one precision shows that the newest target takes it")
    path = convert(worn, tmp_path / "s.mlpackage", target=target, precision=precision, interface=interface)
    package = load_mlpackage(path)
    values = worn.condition(recording()).values[:40]
    bound = {"float32": 1e-5, "float16": 2e-3, "int8": 5e-3}[precision]
    assert answers(package, values).probabilities == pytest.approx(worn.probabilities(values), abs=bound)
    # windows that do not follow one another start anew
    mixed = values[[0, 1, 2, 9, 5]]
    assert answers(package, mixed).probabilities == pytest.approx(worn.probabilities(mixed), abs=bound)


def test_streaming_takes_the_newest_samples_and_tells_how_to_begin(worn, tmp_path):
    made = export(worn, tmp_path / "s", interface="streaming", recordings=recording())
    assert "failed" not in set(made.parity["status"])
    package = load_mlpackage(made.mlpackage)
    told = package.metadata
    size = int(told["state_size"])
    assert dict(package.inputs) == {"samples": ("fp32", (1, 6, 20)), "stateIn": ("fp32", (1, size))}
    assert set(package.outputs) == {"probabilities", "stateOut"}
    assert json.loads(told["classes"]) == list(CLASSES)
    assert (told["warm_up_predictions"], told["first_samples"], told["prediction_window"]) == ("4", "20", "20")
    window, state = worn.condition(recording()).values[0], np.zeros((1, size), dtype=np.float32)
    for chunk in chunks_of(window, 20):
        said = package.predict({"samples": chunk[None], "stateIn": state})
        state = said["stateOut"]
    assert said["probabilities"][0] == pytest.approx(worn.probabilities(window[None])[0], abs=2e-3)
    assert spec_of(package).decoder == worn.spec.decoder


def test_activity_classifier_has_the_features_of_create_ml(worn, tmp_path):
    made = export(worn, tmp_path / "a", interface="activity_classifier", recordings=recording())
    package = load_mlpackage(made.mlpackage)
    rows = dict.fromkeys(worn.spec.conditioning.channels, ("fp32", (20,)))
    assert dict(package.inputs) == {**rows, "stateIn": ("fp32", (6 * 80,))}
    assert {name: one.type for name, one in package.outputs.items()} == {
        "label": "string",
        "labelProbability": "dictionary",
        "stateOut": "fp32",
    }
    assert {kind for one in package.operations for _, kind, _ in one.results} <= {
        "fp32",
        "string",
        "dictionary",
        "int32",
    }
    assert json.loads(made.report.read_text())["precision"] == "float32"
    found = made.preflight.set_index("check").loc["precision"]
    assert found["status"] == "warning"
    assert measured(made.parity)["shipped float32, probabilities"] <= 1e-5
    assert not neural_engine(package)["eligible"].any()


@pytest.mark.parametrize(("samples", "hop"), [(100, 20), (64, 16), (100, 28), (40, 40), (9, 1), (50, 64)])
@pytest.mark.parametrize("name", ["tcn", "cnn", "branches"])
def test_the_newest_samples_alone_give_what_windows_give(name, samples, hop):
    torch.manual_seed(samples)
    channels = ("accel_x", "accel_y", "mel_0", "mel_1", "mel_2")
    net = build(name, channels=channels, classes=CLASSES, samples=samples, hop=hop, width=8).eval()
    assert why_not_incremental(net, channels=5, samples=samples, hop=hop) == ()
    one = Incremental(net, channels=5, samples=samples, hop=hop)
    signal, state = torch.randn(1, 5, samples + 12 * hop), torch.zeros(1, max(1, one.state_size))
    lead = first_samples(samples, hop)
    padded = torch.cat([torch.zeros(1, 5, hop - lead), signal], dim=-1)
    compared = 0
    with torch.no_grad():
        for place in range(0, padded.shape[-1] - hop + 1, hop):
            logits, state = one(padded[..., place : place + hop], state)
            stop = place + lead
            if stop >= samples:
                torch.testing.assert_close(logits, net(signal[..., stop - samples : stop]), rtol=0, atol=1e-5)
                compared += 1
    assert compared >= 6


class Looking(nn.Module):
    """Something in its forward looks across time, and no layer shows it."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv1d(3, 4, 5), nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x - x[..., :1]).mean(-1))


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv1d(3, 4, 5, padding="same"), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.stem(x).mean(-1))


class Unwalkable(Padded):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(3, 4, 5)

    def forward(self, x):
        return self.head(self.stem(x).mean(-1)) if bool(x.sum() > 1e9) else self.head(self.stem(x).mean(-1)) * 1


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (Padded(), "stem: padding 'same' lets the window's edges see zeros"),
        (Looking(), "streamed it is off by"),
        (Unwalkable(), "its forward cannot be walked"),
        (nn.Sequential(nn.Conv1d(3, 4, 5), nn.Flatten(), nn.Linear(64, 3)), "cannot be walked|is off by"),
    ],
)
def test_what_cannot_stream_is_refused_by_name_and_exports_by_window(net, reason, tmp_path):
    torch.manual_seed(0)
    one = of_net(net)
    with pytest.raises(ValueError, match=reason):
        export(one, tmp_path / "s", interface="streaming")
    assert not list(tmp_path.iterdir())
    if not isinstance(net, Unwalkable):
        assert "failed" not in set(export(one, tmp_path / "w", precision="float32").parity["status"])


# Before a conversion


def refusals(one, **asked):
    table = preflight(one, **asked)
    return dict(table.loc[table["status"] == "refused", ["check", "note"]].itertuples(index=False))


def test_preflight_names_each_check_once_where_nothing_is_wrong(worn):
    table = preflight(worn, interface="streaming")
    assert set(table["status"]) == {"passed"}
    assert list(table["check"]) == [
        *("evaluation mode", "finite weights", "recurrent layers", "long strided convolutions", "class names"),
        *("precision", "shape of the answer", "streamable"),
    ]


def test_long_strided_convolutions_are_refused_in_float16_alone():
    net = nn.Sequential(nn.Conv1d(3, 2, 6, stride=6), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 3))
    long = of_net(net, samples=18_001)
    assert "hung on such" in refusals(long)["long strided convolutions"]
    assert refusals(long, precision="float32") == {}
    table = preflight(long, precision="float32").set_index("check")
    assert table.loc["long strided convolutions", "status"] == "warning"
    assert refusals(of_net(net, samples=600)) == {}


def test_int8_is_refused_where_it_cannot_be(worn):
    assert "need watchOS9" in refusals(worn, precision="int8", target="watchOS8")["precision"]
    assert "computes in float32" in refusals(worn, precision="int8", interface="activity_classifier")["precision"]


def test_int8_that_is_off_is_not_shipped(worn, tmp_path, monkeypatch):
    monkeypatch.setitem(SHIPPED_BOUND, "int8", 1e-7)
    with pytest.raises(ParityError, match="shipped int8, probabilities"):
        export(worn, tmp_path / "b", precision="int8", recordings=recording())


def test_int8_stores_convolutions_in_a_byte_each(worn, tmp_path):
    made = export(worn, tmp_path / "b", precision="int8", recordings=recording())
    half = convert(worn, tmp_path / "half.mlpackage", target="watchOS10", precision="float16")
    sizes = [sum(one.stat().st_size for one in path.rglob("weight.bin")) for path in (made.mlpackage, half)]
    assert sizes[0] < 0.8 * sizes[1]
    assert status(made.parity)["normalisation constants"] == "passed"
    assert 0 < measured(made.parity)["shipped int8, probabilities"] <= 5e-3


# What each layer becomes: it converts and the file says the same, or it is refused by name


class Steps(nn.Module):
    """Layers along time between a convolution and a head; what stays of time is averaged."""

    def __init__(self, *inside, width=6):
        super().__init__()
        self.stem, self.inside, self.head = nn.Conv1d(3, 6, 3), nn.Sequential(*inside), nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.inside(self.stem(x)).mean(-1))


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Turned(nn.Module):
    """A layer that takes (n, steps, width)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        given = self.layer(x.transpose(1, 2))
        return (given[0] if isinstance(given, tuple) else given).transpose(1, 2)


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        steps = x.transpose(1, 2)
        return self.layer(steps, steps, steps, need_weights=False)[0].transpose(1, 2)


def plain_attention(x):
    steps = x.transpose(1, 2)
    return nn.functional.scaled_dot_product_attention(steps, steps, steps).transpose(1, 2)


LAYERS = {
    "Conv1d": lambda: Steps(nn.Conv1d(6, 6, 3)),
    "Conv1d, dilated": lambda: Steps(nn.Conv1d(6, 6, 3, dilation=3)),
    "Conv1d, strided": lambda: Steps(nn.Conv1d(6, 6, 4, stride=2)),
    "Conv1d, depthwise": lambda: Steps(nn.Conv1d(6, 6, 3, groups=6), nn.Conv1d(6, 6, 1)),
    "Conv1d, padded": lambda: Steps(nn.Conv1d(6, 6, 3, padding="same")),
    "ConvTranspose1d": lambda: Steps(nn.ConvTranspose1d(6, 6, 4, stride=2, padding=1)),
    "BatchNorm1d": lambda: Steps(nn.BatchNorm1d(6), nn.ReLU()),
    "LayerNorm": lambda: Steps(Turned(nn.LayerNorm(6))),
    "InstanceNorm1d": lambda: Steps(nn.InstanceNorm1d(6, affine=True)),
    "GroupNorm": lambda: Steps(nn.GroupNorm(2, 6)),
    "ReLU6": lambda: Steps(nn.ReLU6()),
    "GELU": lambda: Steps(nn.GELU()),
    "SiLU": lambda: Steps(nn.SiLU()),
    "ELU": lambda: Steps(nn.ELU()),
    "LeakyReLU": lambda: Steps(nn.LeakyReLU(0.2)),
    "Hardswish": lambda: Steps(nn.Hardswish()),
    "Softplus": lambda: Steps(nn.Softplus()),
    "Sigmoid": lambda: Steps(nn.Sigmoid()),
    "Tanh": lambda: Steps(nn.Tanh()),
    "Softmax": lambda: Steps(nn.Softmax(dim=1)),
    "Dropout": lambda: Steps(nn.Dropout(0.5)),
    "MaxPool1d": lambda: Steps(nn.MaxPool1d(2)),
    "AvgPool1d": lambda: Steps(nn.AvgPool1d(3, stride=2)),
    "AdaptiveAvgPool1d": lambda: Steps(nn.AdaptiveAvgPool1d(1)),
    "AdaptiveMaxPool1d": lambda: Steps(nn.AdaptiveMaxPool1d(1)),
    "Linear": lambda: Steps(Turned(nn.Linear(6, 6))),
    "attention by function": lambda: Steps(Function(plain_attention)),
    "MultiheadAttention": lambda: Steps(Attending()),
    "TransformerEncoderLayer": lambda: Steps(Turned(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True))),
    "standard deviation": lambda: Steps(Function(lambda x: x.std(-1, keepdim=True))),
    "maximum over time": lambda: Steps(Function(lambda x: x.amax(-1, keepdim=True))),
    "channels side by side": lambda: Steps(Function(lambda x: torch.cat([x[:, :2], x[:, 2:] * 2], dim=1))),
    "logarithm of energy": lambda: Steps(Function(lambda x: torch.log(x * x + 1e-3))),
}
REFUSED = {
    "GRU": (lambda: Steps(Turned(nn.GRU(6, 6, batch_first=True))), "a GRU becomes a loop"),
    "LSTM": (lambda: Steps(Turned(nn.LSTM(6, 6, batch_first=True))), "never runs on the Neural Engine"),
    "RNN": (lambda: Steps(Turned(nn.RNN(6, 6, batch_first=True))), "never runs on the Neural Engine"),
    "unfold": (lambda: Steps(Function(lambda x: x.unfold(-1, 4, 2).mean(-1))), "cannot convert the operation 'unfold'"),
    "cummax": (lambda: Steps(Function(lambda x: x.cummax(-1)[0])), "cannot convert the operation 'cummax'"),
    "tangent": (lambda: Steps(Function(torch.tan)), r"becomes the operations \['tan'\]"),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_converts_and_the_file_says_what_torch_says(layer, tmp_path):
    torch.manual_seed(0)
    one = of_net(LAYERS[layer]().eval())
    values = trial_windows(one, None).values[:20]
    with torch.no_grad():
        for buffer in (value for name, value in one.model.named_buffers() if "running" in name):
            buffer.add_(0.3)
    for precision, bound in (("float32", 1e-5), ("float16", 2e-3)):
        package = load_mlpackage(
            convert(one, tmp_path / f"{precision}.mlpackage", target="watchOS11", precision=precision)
        )
        apart = np.abs(answers(package, values).probabilities - one.probabilities(values)).max()
        assert apart <= bound


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.parametrize("layer", REFUSED)
def test_a_layer_is_refused_by_name(layer, tmp_path):
    make, reason = REFUSED[layer]
    with pytest.raises(ValueError, match=reason):
        export(of_net(make().eval()), tmp_path / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tcn", "cnn", "branches"])
def test_every_net_of_the_package_exports_folded_and_added(name, tmp_path):
    torch.manual_seed(0)
    channels = ("x", "y", "z")
    net = models.fold(build(name, channels=channels, classes=CLASSES[:2], samples=40, hop=8, width=8).eval())
    one = of_net(models.add(net, CLASSES[2], donor=None).eval(), samples=40)
    package = load_mlpackage(convert(one, tmp_path / "b.mlpackage", target="watchOS10", precision="float32"))
    values = trial_windows(one, None).values[:50]
    assert np.abs(answers(package, values).probabilities - one.probabilities(values)).max() <= 1e-5
