"""Nets in C++ layer by layer against torch, and what is refused by name."""

import subprocess

import numpy as np
import pytest
import torch
from torch import nn

from tests.compiled import EXACT, build, drawn, needs_compiler, runtime_text
from wristkit import models
from wristkit.condition import Conditioning, Frame, Resample, Source
from wristkit.detector import Detector, DetectorSpec
from wristkit.events import EventDecoder
from wristkit.export.cpp import NotWritableError, write_cpp
from wristkit.export.cpp.net import write_net
from wristkit.export.narrow import narrowed

# ---- layer by layer ----


class Steps(nn.Module):
    """Layers in a row, the last of which leave a vector, then a head."""

    def __init__(self, *layers, width, reduce):
        super().__init__()
        self.layers, self.head, self.reduce = nn.Sequential(*layers), nn.Linear(width, 3), reduce

    def forward(self, x):
        return self.head(self.reduce(self.layers(x)))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(-1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other, self.head = nn.Conv1d(4, 6, 3), nn.Conv1d(6, 6, 1), nn.Linear(12, 3)

    def forward(self, x):
        first = torch.relu(self.one(x))
        both = torch.cat([first + self.other(first), first * 0.5 - 0.25], dim=1)
        return self.head(both.mean(dim=-1)) / 2.0 + 1.0


class Sliced(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Conv1d(2, 3, 3), nn.Conv1d(2, 5, 3), nn.Linear(16, 3)

    def forward(self, x):
        left, right = self.left(x[:, :2]), self.right(x[:, 2:])
        return self.head(torch.cat([left.amax(-1), right.mean(2), torch.cat([left, right], dim=1)[:, :, -1]], dim=1))


def mean(x):
    return x.mean(-1)


def _plain(*layers, width=6, reduce=mean, broken=False):
    net = Steps(nn.Conv1d(4, 6, 3), *layers, width=width, reduce=reduce)
    if broken:
        net.head.bias.data[1] = torch.nan
    return net


ACTIVATIONS = {
    type(one).__name__: one
    for one in (
        *(nn.ReLU(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus()),
        *(nn.GELU(), nn.ELU(), nn.LeakyReLU(0.2)),
    )
}
WRITTEN = {
    "convolution": lambda: Steps(nn.Conv1d(4, 6, 3), width=6, reduce=mean),
    "strided": lambda: Steps(nn.Conv1d(4, 6, 5, stride=3), width=6, reduce=mean),
    "dilated": lambda: Steps(nn.Conv1d(4, 6, 3, dilation=4, bias=False), width=6, reduce=mean),
    "strided after strided": lambda: _plain(nn.Conv1d(6, 6, 2, stride=2), nn.Conv1d(6, 5, 3, stride=3), width=5),
    "depthwise": lambda: _plain(nn.Conv1d(6, 6, 5, groups=6, dilation=2)),
    "grouped": lambda: _plain(nn.Conv1d(6, 9, 3, groups=3), width=9),
    "depthwise, wider": lambda: _plain(nn.Conv1d(6, 12, 3, groups=6), width=12),
    "norm folded": lambda: _plain(nn.BatchNorm1d(6), nn.ReLU()),
    "norm alone": lambda: Steps(
        nn.BatchNorm1d(4), nn.Conv1d(4, 6, 3), nn.ReLU(), nn.BatchNorm1d(6), width=6, reduce=mean
    ),
    "dropout and identity": lambda: _plain(nn.Dropout(), nn.Identity()),
    "greatest of some": lambda: _plain(nn.MaxPool1d(3, stride=1, dilation=2), nn.MaxPool1d(2)),
    "mean of some": lambda: _plain(nn.AvgPool1d(4, stride=2)),
    "greatest": lambda: _plain(reduce=lambda x: x.amax(-1)),
    "last step": lambda: _plain(reduce=lambda x: x[:, :, -1]),
    "flatten": lambda: Steps(nn.Conv1d(4, 2, 5, stride=5), nn.Flatten(), width=2 * 8, reduce=lambda x: x),
    "one step": lambda: Steps(nn.Conv1d(4, 6, 40), width=6, reduce=lambda x: x.squeeze(-1)),
    "vector": lambda: Steps(
        nn.Conv1d(4, 9, 3), width=9, reduce=nn.Sequential(Mean(), nn.Linear(9, 9), nn.BatchNorm1d(9), nn.GELU("tanh"))
    ),
    "residual": Residual,
    "slices": Sliced,
    **{f"{name}": (lambda one=one: _plain(one)) for name, one in ACTIVATIONS.items()},
    **{
        name: (lambda name=name: models.build(name, channels="abcd", classes="xyz", samples=40, hop=4, width=8))
        for name in ("tcn", "cnn")
    },
    "branches": lambda: models.build(
        "branches", channels=("mel_0", "accel_x", "mel_1", "mel_2"), classes="xyz", samples=40, hop=4, width=8
    ),
    "folded": lambda: models.fold(drawn(models.build("tcn", channels="abcd", classes="xyz", samples=40, hop=4))),
    "added": lambda: models.add(models.build("tcn", channels="abcd", classes="xy", samples=40, hop=4), "z", donor=None),
    "added twice": lambda: models.add(
        models.add(models.build("cnn", channels="abcd", classes="xy", samples=40, hop=4), "z", donor="x"),
        "w",
        donor=None,
    ),
    "own": lambda: models.own(_plain(nn.ReLU()), channels=tuple("abcd"), classes=tuple("xyz"), samples=40),
}


HARNESS = """#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <tuple>
namespace all {{
{runtime}
{parts}
}}
int main() {{
  float window[{channels} * {samples}];
  int which = 0;
  while (std::fread(&which, sizeof which, 1, stdin) == 1 && std::fread(window, sizeof window, 1, stdin) == 1) {{
{cases}
  }}
}}
"""
CASE = """    if (which == {place}) {{
      static all::net_{place}::Net net;
      float logits[{classes}];
      net.reset();
      for (int sample = 0; sample < {samples}; ++sample) {{
        float column[{channels}];
        for (int channel = 0; channel < {channels}; ++channel) {{
          column[channel] = window[channel * {samples} + sample];
        }}
        net.push(column);
      }}
      net.logits(logits);
      std::fwrite(logits, sizeof logits, 1, stdout);
    }}
"""


def harness(nets, folder, *, whole=None, channels=4, samples=40):
    """Return a function (name, windows) to logits of several nets in one program; ``whole`` are numbers of layers."""
    runtime = "\n".join(runtime_text(name) for name in ("base", "ring", "condition", "sound", "net"))
    texts = [write_net(net, channels=channels, samples=samples, whole=whole or {}) for net in nets.values()]
    parts = [f"namespace net_{place} {{\n{one.layers}\n{one.net}\n}}" for place, one in enumerate(texts)]
    classes = [int(net(torch.zeros(2, channels, samples)).shape[1]) for net in nets.values()]
    cases = [
        CASE.format(place=place, classes=count, channels=channels, samples=samples)
        for place, count in enumerate(classes)
    ]
    source = folder / "nets.cpp"
    source.write_text(
        HARNESS.format(
            runtime=runtime, parts="\n".join(parts), cases="".join(cases), channels=channels, samples=samples
        )
    )
    program, places = build(source, folder, "-O1"), list(nets)

    def run(name, windows):
        place = np.int32(places.index(name)).tobytes()
        given = b"".join(place + np.ascontiguousarray(one, dtype=np.float32).tobytes() for one in windows)
        said = subprocess.run([program], input=given, capture_output=True, check=True).stdout
        return np.frombuffer(said, dtype=np.float32).reshape(len(windows), -1)

    return run


@pytest.fixture(scope="module")
def nets():
    return {name: drawn(make()) for name, make in WRITTEN.items()}


@pytest.fixture(scope="module")
def run_net(nets, tmp_path_factory):
    needs_compiler()
    return harness(nets, tmp_path_factory.mktemp("nets"))


@pytest.mark.parametrize("layer", WRITTEN)
def test_a_layer_gives_what_torch_gives(nets, run_net, layer):
    windows = np.random.default_rng(2).normal(size=(40, 4, 40)).astype(np.float32)
    with torch.no_grad():
        wanted = nets[layer](torch.from_numpy(windows)).numpy()
    assert np.ptp(wanted, axis=0).max() > 0.01, "the net says nothing, so nothing would be compared"
    np.testing.assert_allclose(run_net(layer, windows), wanted, rtol=0, atol=EXACT)


def _lstm():
    return models.build("lstm", channels="abcd", classes="xyz", samples=40, hop=4)


class NormBehind(nn.Module):
    """A BatchNorm that no row of layers shows to stand behind its convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(4, 24, 3), nn.BatchNorm1d(24), nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean(-1))


class Folded(nn.Module):
    """A net with one call in its forward."""

    def __init__(self, call):
        super().__init__()
        self.conv, self.head, self.call = nn.Conv1d(4, 6, 3), nn.Linear(6, 3), call

    def forward(self, x):
        return self.head(self.call(self.conv(x)))


REFUSED = {
    "a recurrent layer": (_lstm, "recurrent layer starts anew"),
    "padding": (
        lambda: Steps(nn.Conv1d(4, 6, 3, padding=1), width=6, reduce=mean),
        "padding 1 lets the window's edges",
    ),
    "group norm": (lambda: _plain(nn.GroupNorm(2, 6)), "statistics are those of one window"),
    "adaptive pooling": (
        lambda: _plain(nn.AdaptiveAvgPool1d(1), nn.Flatten(), reduce=lambda x: x),
        "average with mean",
    ),
    "a tail left over": (
        lambda: Steps(nn.Conv1d(4, 6, 3, stride=2), width=6, reduce=mean),
        "fall off the window's end",
    ),
    "a weight that is no number": (lambda: _plain(broken=True), "holds numbers that are not finite"),
    "another layer": (lambda: _plain(nn.PReLU()), r"no C\+\+ is written for PReLU"),
    "another function": (lambda: Folded(lambda x: torch.cumsum(x, 2).mean(-1)), r"no C\+\+ is written for cumsum"),
    "a mean over channels": (lambda: Folded(lambda x: x.mean(1)[:, :6]), "reduce over time alone"),
    "no reduction": (lambda: nn.Sequential(nn.Conv1d(4, 6, 40), nn.Flatten(2)), "Flatten"),
    "a slice in time": (lambda: Folded(lambda x: x[:, :, 3:].mean(-1)), "slice channels"),
    "a branch on data": (
        lambda: Folded(lambda x: x.mean(-1) if x.sum() > 0 else x.amax(-1)),
        "cannot be read as a graph",
    ),
    "columns out of step": (
        lambda: Folded(lambda x: torch.cat([x, nn.functional.relu(x)], dim=0).mean(-1)),
        "expected channels",
    ),
}


def around(net, *, samples=40, hop=20, conditioning=None, classes=("a", "b", "none"), decoder=None):
    """Return a detector around any net of four channels."""
    conditioning = conditioning or Conditioning((Source("quad", tuple("abcd"), "1", 0.1),), (Frame(), Resample(50.0)))
    return Detector(DetectorSpec(conditioning, samples, hop, classes, decoder or EventDecoder(), None), net)


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_cpp_is_written_for_is_refused_by_name(what, tmp_path):
    make, told = REFUSED[what]
    with pytest.raises(ValueError, match=told):
        write_cpp(around(make()), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_arguments_are_checked(tmp_path):
    detector = around(_plain())
    with pytest.raises(ValueError, match="weights is 'int4', expected one of"):
        write_cpp(detector, tmp_path, weights="int4")
    for name in ("two words", "1st", "class", "a-b", ""):
        with pytest.raises(ValueError, match="expected letters, digits and underscores"):
            write_cpp(detector, tmp_path, name=name)
    with pytest.raises(NotWritableError):
        write_net(_plain(nn.PReLU()).eval(), channels=4, samples=40)


# ---- int8 ----


def test_int8_is_what_torch_makes_of_the_weights_that_whole_numbers_stand_for(tmp_path):
    needs_compiler()
    shape = {"channels": ("accel_x", "accel_y", "mel_0", "mel_1"), "classes": "xyz", "samples": 40, "hop": 4}
    nets = {name: drawn(models.build(name, **shape, width=24)) for name in ("tcn", "cnn", "branches")}
    windows = np.random.default_rng(2).normal(size=(40, 4, 40)).astype(np.float32)
    narrow = {name: narrowed(net, windows, bound=10.0) for name, net in nets.items()}
    whole = {layer: held for one in narrow.values() for layer, held in one.layers.items()}
    assert len(whole) >= 8
    run = harness({name: one.model for name, one in narrow.items()}, tmp_path, whole=whole)
    for name, one in narrow.items():
        with torch.no_grad():
            wanted, exact = (net(torch.from_numpy(windows)).numpy() for net in (one.model, nets[name]))
        found = run(name, windows)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=EXACT)
        assert 1e-5 < np.abs(found - exact).max() < 0.1 * np.ptp(exact)


def test_a_norm_behind_whole_numbers_is_folded_into_their_scale(tmp_path):
    needs_compiler()
    net, windows = drawn(NormBehind()), np.random.default_rng(2).normal(size=(20, 4, 40)).astype(np.float32)
    narrow = narrowed(net, windows, bound=10.0)
    assert len(narrow.layers) == 1
    run = harness({"net": narrow.model}, tmp_path, whole=narrow.layers)
    with torch.no_grad():
        np.testing.assert_allclose(run("net", windows), narrow.model(torch.from_numpy(windows)), rtol=0, atol=EXACT)
