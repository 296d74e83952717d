"""What each layer becomes: it converts and the file says the same, or it is refused by name."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.exporting import CLASSES, of_net
from wristkit import models
from wristkit.export import export, load_mlpackage, native
from wristkit.export.coreml import convert
from wristkit.export.packaged import answers
from wristkit.export.parity import trial_windows
from wristkit.models import build


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    """C++ is compiled in the tests of C++; here it would only take time."""
    monkeypatch.setattr(native, "compiler", lambda: None)


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
